"""Data and a model class in, a frozen `Fit` out."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import numpy as np
import pandas as pd
from scipy.special import ndtri

from clvforecast.errors import DataError, FitError, FitWarning, suggest
from clvforecast.files import replacing
from clvforecast.models import MODELS, Model, PurchaseModel, SpendModel
from clvforecast.numerics.arrays import FloatArray
from clvforecast.numerics.optimise import Derivatives, minimise_positive
from clvforecast.units import check_time_unit

__all__ = ["Fit", "fit"]

_FORMAT: Final = 1
_FLAT_DEVIATION: Final = 3.0
"""A standard deviation of a log-parameter above this spans a factor of 100,000 at 95%."""
_FLAT_LOADING: Final = 0.3
_RUNAWAY_LOGARITHM: Final = 9.0
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


def fit(
    model: type[Model],
    rfm: pd.DataFrame,
    *,
    time_unit: str | None = None,
    ridge: float = 0.0,
    weights: Hashable | None = None,
) -> Fit:
    """Fit a model to an RFM summary by maximum likelihood.

    Customers with the same history are one weighted cell, and times and money are scaled to mean
    one before anything is fitted, so neither the unit nor the currency changes the result.

    Parameters
    ----------
    model : type of Model
        Such as `BGNBD` or `GammaGamma`.
    rfm : DataFrame
        The columns the model sees, one row per customer (or per cell, with `weights`).
    time_unit : {"D", "W", "M", "Y"}, optional
        The unit of recency and T, if ``rfm.attrs["time_unit"]`` does not say.
    ridge : float
        Penalty per customer on the sum of squared log-parameters (in the scaled units), 0 or more.
        The log-likelihood that is reported stays the unpenalised one.
    weights : label, optional
        A column of numbers of customers, where a row stands for several.

    Raises
    ------
    DataError
        If a column is missing, or a row cannot come from an order log.
    FitError
        If the data cannot identify the model at all, or the search does not converge.

    Warns
    -----
    FitWarning
        If something in the estimates must be known before they are used: see `Fit.remarks`.
    """
    unit = _time_unit(rfm, time_unit) if issubclass(model, PurchaseModel) else None
    if not (math.isfinite(ridge) and ridge >= 0):
        raise DataError(f"ridge={ridge!r} must be 0 or more and finite.")
    columns, counts = _cells(model, rfm, weights)
    customers = counts.sum()
    by_name = dict(zip(model.columns, columns, strict=True))
    scale = float(counts @ by_name[model.scale_column] / customers)
    scaled = [c / scale if name in model.scaled_columns else c for name, c in by_name.items()]
    log_likelihood = model.total_log_likelihood(*scaled, weights=counts)

    def objective(parameters: FloatArray) -> Derivatives:
        value, gradient, hessian = log_likelihood(parameters)
        logs = np.log(parameters)
        return Derivatives(
            ridge * float(logs @ logs) - value / customers,
            2 * ridge * logs / parameters - gradient / customers,
            np.diag(2 * ridge * (1 - logs) / parameters**2) - hessian / customers,
        )

    minimum = minimise_positive(objective, model.starting_points())
    if not minimum.converged:
        raise FitError(_why_not(model, minimum.parameters, int(customers)))
    fitted = model(*map(float, minimum.parameters)).rescaled(scale)
    result = Fit(
        model=fitted,
        information=customers * (minimum.hessian - 2 * ridge * np.eye(len(minimum.parameters))),
        log_likelihood=float(counts @ fitted.log_likelihood(*columns)),
        customers=int(customers),
        repeat_customers=int(counts[columns[0] > 0].sum()),
        time_unit=unit,
        ridge=float(ridge),
        until=rfm.attrs.get("until"),
    )
    for remark in result.remarks:
        warnings.warn(f"{model.name}: {remark}", FitWarning, stacklevel=3)
    return result


def _why_not(model: type[Model], parameters: FloatArray, customers: int) -> str:
    """Why a search did not converge, from where it ended in the scaled units."""
    runaway = [
        f"{name} {'grows' if value > 1 else 'shrinks'}"
        for name, value in zip(model.parameter_names(), parameters, strict=True)
        if abs(math.log(value)) > _RUNAWAY_LOGARITHM
    ]
    if not runaway:
        return (
            f"The {model.name} fit to {customers:,} customers did not converge. Look for outliers "
            "in the summary, or fit with a small ridge=, such as 0.001."
        )
    return (
        f"{model.name} cannot be fitted to these {customers:,} customers: the likelihood increases "
        f"without limit as {' and '.join(runaway)}, so the data do not vary as the model says. "
        "Look for constant or repeated values in the summary, or fit with a small ridge=, such as "
        "0.001."
    )


def _time_unit(rfm: pd.DataFrame, stated: str | None) -> str | None:
    unit = stated if stated is not None else rfm.attrs.get("time_unit")
    return None if unit is None else check_time_unit(unit)


def purchase_model(given: Fit | Model) -> PurchaseModel:
    """The purchase model that was given, out of its fit if need be."""
    model = given.model if isinstance(given, Fit) else given
    if not isinstance(model, PurchaseModel):
        raise DataError(
            f"A purchase model such as BGNBD, or its fit, is needed, not {type(model).__name__}."
        )
    return model


def spend_model(given: Fit | Model) -> SpendModel:
    """The spend model that was given, out of its fit if need be."""
    model = given.model if isinstance(given, Fit) else given
    if not isinstance(model, SpendModel):
        raise DataError(
            f"A spend model such as GammaGamma, or its fit, is needed, not {type(model).__name__}."
        )
    return model


def common_time_unit(
    purchases: Fit | PurchaseModel, rfm: pd.DataFrame, stated: str | None
) -> str | None:
    """The unit of the summary; the fit must have been made in the same one."""
    unit = stated if stated is not None else rfm.attrs.get("time_unit")
    fitted = purchases.time_unit if isinstance(purchases, Fit) else None
    if unit is None:
        return fitted
    unit = check_time_unit(unit)
    if fitted is not None and fitted != unit:
        raise DataError(
            f"The summary is in time unit {unit!r} and the purchase model was fitted in "
            f"{fitted!r}. Summarise with time_unit={fitted!r}, or fit again."
        )
    return unit


def _missing(error: Exception) -> str:
    return f"it has no {error}" if isinstance(error, KeyError) else str(error)


def model_columns(model: type[Model], rfm: pd.DataFrame) -> list[FloatArray]:
    """The columns of a summary that a model sees, as float arrays, checked row by row."""
    for name in model.columns:
        if name not in rfm.columns:
            raise DataError(
                f"The summary has no column {name!r}, which {model.name} needs. "
                f"{suggest(name, rfm.columns)}"
            )
    try:
        columns = [rfm[name].to_numpy(dtype=float, na_value=np.nan) for name in model.columns]
    except (ValueError, TypeError) as error:
        raise DataError(
            f"The columns {', '.join(model.columns)} must hold numbers: {error}."
        ) from error
    if not len(rfm):
        raise DataError("The summary has no customers. Check `until` and what cleaning removed.")
    model.check(*columns, labels=rfm.index)
    return columns


def _cells(
    model: type[Model], rfm: pd.DataFrame, weights: Hashable | None
) -> tuple[list[FloatArray], FloatArray]:
    columns = model_columns(model, rfm)
    counts = np.ones(len(rfm)) if weights is None else _weights(rfm, weights)
    known = model.informative(*columns) & (counts > 0)
    repeat_buyers = (columns[0] > 0) & known
    if not repeat_buyers.any():
        raise FitError(
            f"None of {len(rfm):,} customers has a repeat purchase"
            + (" with a positive mean spend" if not issubclass(model, PurchaseModel) else "")
            + f", so {model.name} cannot be fitted. Observe the customers for longer."
        )
    if counts[known].sum() < 2:
        raise FitError(
            f"One customer cannot identify the {len(model.parameter_names())} parameters of "
            f"{model.name}, which describe how customers differ. Fit it to more customers, or "
            "give a model with known parameters."
        )
    return model.cells(*(c[known] for c in columns), weights=counts[known])


def _weights(rfm: pd.DataFrame, column: Hashable) -> FloatArray:
    if column not in rfm.columns:
        raise DataError(f"No column {column!r} for weights=. {suggest(str(column), rfm.columns)}")
    counts = rfm[column].to_numpy(dtype=float, na_value=np.nan)
    if not np.all(np.isfinite(counts) & (counts >= 0)):
        raise DataError(f"weights={column!r} must hold numbers of customers, 0 or more.")
    return counts
