"""`Fit`: what a fitted model is."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
import pandas as pd
from scipy.special import ndtri

from clvforecast.errors import DataError, FitError
from clvforecast.files import replacing
from clvforecast.fitting.cells import Cells
from clvforecast.fitting.documents import fields_from_json, fit_as_json
from clvforecast.fitting.draws import ParameterDraws
from clvforecast.fitting.effects import Effects, Estimate
from clvforecast.fitting.printing import fit_as_text
from clvforecast.fitting.profiles import profile_intervals
from clvforecast.fitting.regression.covariates import Reference
from clvforecast.fitting.regression.estimates import calendar_estimates, covariate_estimates
from clvforecast.fitting.regression.inference import coefficient_table, wald_tests
from clvforecast.fitting.sampling.bootstrap import refit_replicates
from clvforecast.fitting.sampling.posterior import draw_posterior
from clvforecast.fitting.sampling.priors import LogNormalPrior, Prior
from clvforecast.fitting.specification import Specification
from clvforecast.models import Model
from clvforecast.numerics.arrays import FloatArray

if TYPE_CHECKING:
    from clvforecast.transactions.lazy import LazySummary

__all__ = ["Fit"]

_FLAT_DEVIATION: Final = 3.0
"""A standard deviation of a log-parameter above this spans a factor of 100,000 at 95%."""
_FLAT_LOADING: Final = 0.3
_NO_INFORMATION: Final = 1e-8
_REPEAT_CUSTOMERS_PER_PARAMETER: Final = 10


@dataclass(frozen=True)
class Fit:
    """A fitted model: estimates, how sure they are, and what they were fitted on.

    Scores customers it has never seen. Saved, pickled or printed it holds no customer's data; in
    memory it keeps the weighted cells that it was fitted to, for `posterior`, `bootstrap` and
    `profile_intervals`.

    Parameters
    ----------
    model : Model
        The model at its maximum-likelihood (or ridge) estimates; with covariates, that of a
        customer in whom they are zero, or at their reference level.
    information : ndarray, shape (k, k)
        Observed information: minus the Hessian of the log-likelihood in the log-parameters, of
        covariates and calendars standardised.
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
    effects : Effects or None
        What covariates and a calendar change; None where there are none.
    reference : Reference or None
        From the logarithms that `information` is in to those of `parameters`; None if the same.
    cells : Cells or None
        What it was fitted to; None once loaded.
    """

    model: Model
    information: FloatArray = field(repr=False)
    log_likelihood: float
    customers: int
    repeat_customers: int
    time_unit: str | None = None
    ridge: float = 0.0
    until: str | None = None
    effects: Effects | None = None
    reference: Reference | None = field(default=None, repr=False)
    cells: Cells | None = field(default=None, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "cells": None}

    @property
    def estimate(self) -> Estimate:
        """The model, and what its parameters depend on."""
        return Estimate(self.model, self.effects)

    @property
    def parameters(self) -> dict[str, float]:
        """Estimates by name; of covariates and a calendar, what they multiply by."""
        return self.estimate.parameters

    def model_of(self, rfm: pd.DataFrame | LazySummary | None) -> Model:
        """The model of the customers of a summary, who need not be those of the fit.

        Parameters
        ----------
        rfm : DataFrame or LazySummary
            With the covariates as columns (a lazy one: as segments), and with a calendar the last
            day of observation in ``rfm.attrs["until"]``.

        Returns
        -------
        Model
            `model` itself where there are neither covariates nor a calendar. Else with an array
            for every parameter that covariates change, and in the time of the calendar. Of a lazy
            summary arrays are of its distinct histories.

        Raises
        ------
        DataError
            If a covariate or the day is missing, or a category was never seen.
        """
        return self.estimate.model_of(rfm)

    @property
    def specification(self) -> Specification:
        """The same model, to be fitted in the same way to other customers."""
        told = {} if self.effects is None else self.effects.specification
        return Specification(type(self.model), **told, **self.model.settings)

    @property
    def name(self) -> str:
        """What it is called beside other fits."""
        return self.specification.name

    @property
    def covariance(self) -> FloatArray:
        """Covariance matrix of the log-parameters, shape (k, k).

        The inverse information; with a ridge, the information between two inverses of the
        penalised information. Infinite on the diagonal for parameters the data do not identify.
        """
        penalised = self._penalised_information()
        values, vectors = np.linalg.eigh(penalised)
        inverse = (vectors / np.where(values > _NO_INFORMATION, values, np.inf)) @ vectors.T
        covariance = inverse @ self.information @ inverse
        for i, name in enumerate(self.parameters):
            if name in self.flat:
                covariance[i, i] = np.inf
        covariance = np.asarray(covariance)
        return covariance if self.reference is None else self.reference.covariance(covariance)

    @property
    def flat(self) -> frozenset[str]:
        """Parameters that the data do not identify: the likelihood is flat along them."""
        values, vectors = np.linalg.eigh(self._penalised_information())
        directions = vectors[:, values < _FLAT_DEVIATION**-2]
        return frozenset(
            name
            for name, loadings in zip(self.parameters, directions, strict=True)
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
        own = () if self.effects is None else self.effects.unidentified(self.flat)
        of_model = self.model.remarks(self.flat & set(self.model.parameters))
        return (*((few,) if self.repeat_customers < enough else ()), *of_model, *own)

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
            index=pd.Index(self.parameters, name="parameter"),
        )

    def posterior(
        self,
        *,
        draws: int = 4_000,
        prior: Prior | None = None,
        method: str = "psis",
        seed: int = 0,
    ) -> ParameterDraws:
        """Draw the parameters from their posterior: how sure we are of them, given the data.

        Parameters
        ----------
        draws : int
            How many, at least 100.
        prior : LogNormalPrior or callable, optional
            What is believed beforehand. Default: ``LogNormalPrior(sd=2)``, independent of unit and
            currency. Or a function that maps a model, with arrays of parameters in the units of
            the fit, to their log-density.
        method : {"psis", "mcmc"}
            "psis": a normal approximation in the log-parameters, corrected by Pareto-smoothed
            importance sampling, and matched again where its `k_hat` is too high. "mcmc": Markov
            chains by emcee, for small or awkward data (the extra ``clvforecast[mcmc]``).
        seed : int
            Seed of the random numbers.

        Returns
        -------
        ParameterDraws

        Raises
        ------
        DataError
            If the fit was loaded and so has no data, or an argument is out of range.
        FitError
            If the prior makes impossible what the data make likely.

        Warns
        -----
        FitWarning
            If the draws cannot be trusted: `k_hat` is 0.7 or more, the chains are too short, or
            nothing bounds a parameter.

        Examples
        --------
        >>> import clvforecast as clv
        >>> orders = clv.read_orders(clv.datasets.load_cdnow(sample=True))
        >>> fit = clv.BGNBD.fit(orders.summarize(time_unit="W", until="1997-09-30"))
        >>> fit.posterior(seed=1).summary().loc["r"].round(2).to_dict()
        {'mean': 0.24, 'sd': 0.01, 'median': 0.24, 'lower': 0.22, 'upper': 0.27}
        """
        return draw_posterior(
            self._require_cells("posterior"),
            prior or LogNormalPrior(),
            draws,
            method,
            seed,
            self.time_unit,
        )

    def bootstrap(
        self, *, replicates: int = 1_000, seed: int = 0, progress: bool = False
    ) -> ParameterDraws:
        """Fit again to customers drawn with replacement: how estimates vary from sample to sample.

        Asks nothing of the model but that customers are independent, and of weighted cells costs
        a few milliseconds a replicate.

        Parameters
        ----------
        replicates : int
            How many, at least 100.
        seed : int
            Seed of the random numbers.
        progress : bool
            Show a progress bar.

        Returns
        -------
        ParameterDraws
            One draw per replicate whose fit converged.

        Raises
        ------
        DataError
            If the fit was loaded and so has no data, or `replicates` is too small.
        FitError
            If hardly any replicate can be fitted.

        Warns
        -----
        FitWarning
            If some replicates could not be fitted: they are left out.

        References
        ----------
        B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13.
        """
        return refit_replicates(
            self._require_cells("bootstrap"),
            self.estimate,
            ridge=self.ridge,
            replicates=replicates,
            seed=seed,
            progress=progress,
            time_unit=self.time_unit,
        )

    def profile_intervals(self, level: float = 0.95) -> pd.DataFrame:
        """Profile-likelihood intervals: where no parameter is worse by more than chance allows.

        Parameters
        ----------
        level : float
            Confidence, in (0, 1).

        Returns
        -------
        DataFrame
            Columns `lower` and `upper`, one row per parameter; 0 or infinity on the side where the
            likelihood never falls far enough.

        Raises
        ------
        DataError
            If the fit was loaded and so has no data, or `level` is out of range.
        FitError
            If the fit has a ridge: its estimates do not maximise the likelihood.

        Notes
        -----
        All values at which twice the log-likelihood, maximised over the other parameters, lies
        within a chi-squared quantile (one degree of freedom) of its maximum. Unlike Wald's they
        need not be symmetric on any scale.
        """
        cells = self._require_cells("profile_intervals")
        if self.ridge > 0:
            raise FitError(
                f"Profile-likelihood intervals need a fit without ridge, not ridge={self.ridge:g}. "
                "Fit again without, or use posterior()."
            )
        return profile_intervals(cells, self.estimate, level)

    def _require_cells(self, purpose: str) -> Cells:
        if self.cells is None:
            raise DataError(
                f"{purpose} needs the data, which a saved fit does not carry. Fit again, and call "
                "it on the new fit."
            )
        return self.cells

    @property
    def aic(self) -> float:
        """Akaike's information criterion, smaller is better."""
        return 2 * self.parameter_count - 2 * self.log_likelihood

    @property
    def bic(self) -> float:
        """Bayesian information criterion (a sample is a customer), smaller is better."""
        return self.parameter_count * math.log(self.customers) - 2 * self.log_likelihood

    @property
    def parameter_count(self) -> int:
        """How many numbers were chosen, a setting such as k among them."""
        return len(self.parameters) + len(self.model.settings)

    def coefficients(self, level: float = 0.95) -> pd.DataFrame:
        """Coefficients of the covariates, with Wald's tests and intervals.

        Parameters
        ----------
        level : float
            Confidence of the intervals, in (0, 1).

        Returns
        -------
        DataFrame
            Indexed by `coefficient`, such as "purchase: channel[T.web]": `coefficient` (per unit of
            the covariate), `std_error`, `z`, `p_value`, `lower`, `upper`, and `ratio`, the
            exponential of the coefficient: what one unit more multiplies by the rate of purchases,
            the odds or the rate of leaving, or the mean spend.

        Raises
        ------
        DataError
            If the fit has no covariates, or `level` is out of range.
        """
        names, estimates, covariance, _ = covariate_estimates(self)
        return coefficient_table(names, estimates, covariance, level)

    def term_tests(self) -> pd.DataFrame:
        """Wald's test of each term of the covariates' formulas, all levels of a factor together.

        Returns
        -------
        DataFrame
            Indexed by `term`: `statistic`, `degrees_of_freedom`, `p_value`.

        Raises
        ------
        DataError
            If the fit has no covariates.
        """
        _, estimates, covariance, terms = covariate_estimates(self)
        return wald_tests(terms, estimates, covariance)

    def multipliers(self, level: float = 0.95) -> pd.DataFrame:
        """What the calendar multiplies the rate of purchases by, with confidence limits.

        Returns
        -------
        DataFrame
            Indexed by `term` and `level`, such as "month" and "December": `multiplier`, `lower`
            and `upper`. Of harmonics, the geometric mean of each month.

        Raises
        ------
        DataError
            If the fit has no calendar, or `level` is out of range.
        """
        basis, logs, covariance = calendar_estimates(self)
        return basis.multipliers(logs, covariance, level=level)

    def summary(self, level: float = 0.95) -> pd.DataFrame:
        """Estimates with standard errors and confidence limits, one row per parameter.

        What belongs to covariates and a calendar is what they multiply by; `coefficients` and
        `multipliers` say more of it.
        """
        table = pd.DataFrame(
            {"estimate": self.parameters, "std_error": self.standard_errors}
        ).rename_axis("parameter")
        return table.join(self.confidence_intervals(level))

    def __str__(self) -> str:
        return fit_as_text(self)

    def to_json(self) -> str:
        """Everything there is to know of the fit, as JSON text."""
        return fit_as_json(self)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Rebuild a fit from `to_json`.

        Raises
        ------
        DataError
            If the text is not a saved fit, or one of a newer format.
        """
        return cls(**fields_from_json(text))

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
