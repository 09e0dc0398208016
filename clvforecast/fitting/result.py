"""`Fit`: what a fitted model is."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import numpy as np
import pandas as pd
from scipy.special import ndtri

from clvforecast.errors import DataError, suggest
from clvforecast.files import replacing
from clvforecast.models import MODELS, Model
from clvforecast.numerics.arrays import FloatArray

__all__ = ["Fit"]

_FORMAT: Final = 1
_FLAT_DEVIATION: Final = 3.0
"""A standard deviation of a log-parameter above this spans a factor of 100,000 at 95%."""
_FLAT_LOADING: Final = 0.3
_REPEAT_CUSTOMERS_PER_PARAMETER: Final = 10


@dataclass(frozen=True)
class Fit:
    """A fitted model: estimates, how sure they are, and what they were fitted on.

    Holds no customer's data, so it may be shared, and scores customers it has never seen.

    Parameters
    ----------
    model : Model
        The model at its maximum-likelihood (or ridge) estimates.
    information : ndarray, shape (k, k)
        Observed information: minus the Hessian of the log-likelihood in the log-parameters.
    log_likelihood : float
        The unpenalised log-likelihood at the estimates.
    customers : int
        Number of customers behind it.
    repeat_customers : int
        How many of them have a repeat purchase: only they tell how customers differ.
    time_unit : {"D", "W", "M", "Y"} or None
        The unit of time of the parameters; None for a spend model, or if it was never said.
    ridge : float
        The penalty per customer on squared log-parameters; 0 for maximum likelihood.
    until : str or None
        End of observation, ISO, where the summary knew it.
    """

    model: Model
    information: FloatArray = field(repr=False)
    log_likelihood: float
    customers: int
    repeat_customers: int
    time_unit: str | None = None
    ridge: float = 0.0
    until: str | None = None

    @property
    def parameters(self) -> dict[str, float]:
        """Estimates by name."""
        return self.model.parameters

    @property
    def covariance(self) -> FloatArray:
        """Covariance matrix of the log-parameters, shape (k, k).

        The inverse information; with a ridge, the information between two inverses of the
        penalised information. Infinite on the diagonal for parameters the data do not identify.
        """
        penalised = self._penalised_information()
        values, vectors = np.linalg.eigh(penalised)
        inverse = (vectors / np.maximum(values, 1e-300)) @ vectors.T
        covariance = inverse @ self.information @ inverse
        for i, name in enumerate(self.model.parameter_names()):
            if name in self.flat:
                covariance[i, i] = np.inf
        return np.asarray(covariance)

    @property
    def flat(self) -> frozenset[str]:
        """Parameters that the data do not identify: the likelihood is flat along them."""
        values, vectors = np.linalg.eigh(self._penalised_information())
        directions = vectors[:, values < _FLAT_DEVIATION**-2]
        return frozenset(
            name
            for name, loadings in zip(self.model.parameter_names(), directions, strict=True)
            if np.any(np.abs(loadings) > _FLAT_LOADING)
        )

    @property
    def remarks(self) -> tuple[str, ...]:
        """What must be known of these estimates before they are used; often empty."""
        enough = _REPEAT_CUSTOMERS_PER_PARAMETER * len(self.parameters)
        few = (
            f"Only {self.repeat_customers:,} of {self.customers:,} customers have a repeat "
            "purchase: too few to trust the estimates."
        )
        return (*((few,) if self.repeat_customers < enough else ()), *self.model.remarks(self.flat))

    @property
    def standard_errors(self) -> dict[str, float]:
        """Standard errors of the parameters by name (delta method; infinite if not identified)."""
        deviations = np.sqrt(np.diag(self.covariance))
        return {
            name: float(value * deviation)
            for (name, value), deviation in zip(self.parameters.items(), deviations, strict=True)
        }

    def confidence_intervals(self, level: float = 0.95) -> pd.DataFrame:
        """Wald intervals on the log scale, so never negative.

        Parameters
        ----------
        level : float
            Confidence, in (0, 1).

        Returns
        -------
        DataFrame
            Columns `lower` and `upper`, one row per parameter; (0, inf) if not identified.
        """
        if not 0 < level < 1:
            raise DataError(f"level={level!r} must lie between 0 and 1, such as 0.95.")
        half_width = ndtri(0.5 + level / 2) * np.sqrt(np.diag(self.covariance))
        estimates = np.array(list(self.parameters.values()))
        return pd.DataFrame(
            {"lower": estimates * np.exp(-half_width), "upper": estimates * np.exp(half_width)},
            index=pd.Index(self.model.parameter_names(), name="parameter"),
        )

    @property
    def aic(self) -> float:
        """Akaike's information criterion, smaller is better."""
        return 2 * len(self.parameters) - 2 * self.log_likelihood

    @property
    def bic(self) -> float:
        """Bayesian information criterion (a sample is a customer), smaller is better."""
        return len(self.parameters) * math.log(self.customers) - 2 * self.log_likelihood

    def summary(self, level: float = 0.95) -> pd.DataFrame:
        """Estimates with standard errors and confidence limits, one row per parameter."""
        table = pd.DataFrame(
            {"estimate": self.parameters, "std_error": self.standard_errors}
        ).rename_axis("parameter")
        return table.join(self.confidence_intervals(level))

    def __str__(self) -> str:
        lines = [
            f"{self.model.name} fitted to {self.customers:,} customers"
            + (f" to {self.until}" if self.until else "")
            + (f", time unit {self.time_unit}" if self.time_unit else "")
            + (f", ridge {self.ridge:g}" if self.ridge else ""),
            "",
            self.summary().to_string(float_format=lambda v: f"{v:.4g}", index_names=False),
            "",
            f"log-likelihood {self.log_likelihood:,.2f}   "
            f"AIC {self.aic:,.2f}   BIC {self.bic:,.2f}",
        ]
        lines += [f"Note: {remark}" for remark in self.remarks]
        return "\n".join(lines)

    def to_json(self) -> str:
        """Everything there is to know of the fit, as JSON text."""
        return json.dumps(
            {
                "format": _FORMAT,
                "model": next(key for key, cls in MODELS.items() if cls is type(self.model)),
                "parameters": self.parameters,
                "information": self.information.tolist(),
                "log_likelihood": self.log_likelihood,
                "customers": self.customers,
                "repeat_customers": self.repeat_customers,
                "time_unit": self.time_unit,
                "ridge": self.ridge,
                "until": self.until,
            },
            indent=2,
            allow_nan=False,
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Rebuild a fit from `to_json`.

        Raises
        ------
        DataError
            If the text is not a saved fit, or one of a newer format.
        """
        try:
            saved = json.loads(text)
            if saved["format"] > _FORMAT:
                raise DataError(
                    f"This fit was saved in format {saved['format']}, and this version reads up "
                    f"to {_FORMAT}. Upgrade clvforecast."
                )
            if saved["model"] not in MODELS:
                raise DataError(f"No model {saved['model']!r}. {suggest(saved['model'], MODELS)}")
            return cls(
                model=MODELS[saved["model"]](**saved["parameters"]),
                information=np.array(saved["information"], dtype=float),
                log_likelihood=float(saved["log_likelihood"]),
                customers=int(saved["customers"]),
                repeat_customers=int(saved["repeat_customers"]),
                time_unit=saved["time_unit"],
                ridge=float(saved["ridge"]),
                until=saved["until"],
            )
        except DataError:
            raise
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"This is not a fit saved by clvforecast ({_missing(error)}). Fit again and save."
            ) from error

    def save(self, path: str | Path) -> None:
        """Write `to_json` to a file, whole or not at all."""
        with replacing(path) as temporary:
            temporary.write_text(self.to_json() + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a fit written by `save`."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"Cannot read a fit from {str(path)!r}: {error}.") from error
        return cls.from_json(text)

    def _penalised_information(self) -> FloatArray:
        penalty = 2 * self.ridge * self.customers * np.eye(len(self.information))
        return np.asarray(self.information + penalty)


def _missing(error: Exception) -> str:
    return f"it has no {error}" if isinstance(error, KeyError) else str(error)
