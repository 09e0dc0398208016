"""What a likelihood needs of the customers: distinct histories, and how many have each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, Self

import numpy as np

from clvforecast.fitting.effects import Estimate
from clvforecast.models import Model
from clvforecast.models.base import LogLikelihood
from clvforecast.numerics.arrays import FloatArray
from clvforecast.numerics.optimise import Derivatives, Minimum, minimise_positive
from clvforecast.numerics.sums import dot

__all__ = ["Cells"]

_SCOUTS: Final = 2**10
"""Customers who tell one maximum of the likelihood from another."""
_SAMPLE: Final = 2**13
"""Customers whose estimates are near enough to begin at."""
_SAME_END: Final = 0.1
_FARTHEST_END: Final = 6.0
"""In the logarithm: a factor of 400 on the scale of mean one."""
_WORTH_A_SAMPLE: Final = 4
"""With so many times as many cells, what the sample costs is less than the steps it saves."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Weighted customer histories, times or money divided by their mean.

    On that scale parameters are of order one, and neither the unit nor the currency matters.

    Parameters
    ----------
    model : type of Model
    columns : tuple of ndarray, shape (n,)
        What the model sees, scaled.
    weights : ndarray, shape (n,)
        Number of customers with each history.
    scale : float
        What the scaled columns were divided by.
    settings : mapping
        What of the model is not estimated.
    """

    model: type[Model]
    columns: tuple[FloatArray, ...]
    weights: FloatArray
    scale: float
    settings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls, model: type[Model], columns: list[FloatArray], weights: FloatArray, **settings: Any
    ) -> Self:
        """Scale columns in their own units."""
        by_name = dict(zip(model.columns, columns, strict=True))
        scale = dot(weights, by_name[model.scale_column]) / float(weights.sum())
        scaled = (c / scale if name in model.scaled_columns else c for name, c in by_name.items())
        return cls(model, tuple(scaled), weights, scale, settings)

    @property
    def customers(self) -> float:
        """Number of customers."""
        return float(self.weights.sum())

    @cached_property
    def log_likelihood(self) -> LogLikelihood:
        """In the scaled parameters."""
        return self.model.total_log_likelihood(*self.columns, weights=self.weights, **self.settings)

    def estimate(
        self, ridge: float, start: FloatArray | None = None, *, roughly: bool = False
    ) -> Minimum:
        """Minimise minus the mean log-likelihood, plus a ridge on squared log-parameters.

        Parameters
        ----------
        ridge : float
            Penalty per customer.
        start : ndarray, shape (k,), optional
            Scaled parameters to begin at. Default: where searches among a sample of the
            customers end that begin at a few plausible shops; the best end of all counts.
        roughly : bool
            Stop near the minimum.
        """
        log_likelihood, customers = self.log_likelihood, self.customers

        def objective(parameters: FloatArray) -> Derivatives:
            value, gradient, hessian = log_likelihood(parameters)
            logs = np.log(parameters)
            return Derivatives(
                ridge * float(logs @ logs) - value / customers,
                2 * ridge * logs / parameters - gradient / customers,
                np.diag(2 * ridge * (1 - logs) / parameters**2) - hessian / customers,
            )

        if start is not None:
            return minimise_positive(objective, [start], roughly=roughly)
        found = (minimise_positive(objective, [p], roughly=roughly) for p in self._starts(ridge))
        best = min(found, key=lambda one: (not one.converged, one.value), default=None)
        if best is not None and best.converged:
            return best
        return minimise_positive(objective, self.model.starting_points(), roughly=roughly)

    def _starts(self, ridge: float) -> list[FloatArray]:
        """Where to begin: near every maximum of the likelihood that a few customers show."""
        if self.weights.size > _WORTH_A_SAMPLE * _SAMPLE:
            near = self._sample(_SAMPLE).estimate(ridge, roughly=True)
            if near.converged:
                return [near.parameters]
        few = self if self.weights.size <= _SCOUTS else self._sample(_SCOUTS)
        ends: list[FloatArray] = []
        for start in few.model.starting_points():
            end = few.estimate(ridge, start, roughly=True)
            logs = np.log(end.parameters)
            # A few customers may be without an end where all have one.
            known = any(np.abs(logs - np.log(other)).max() < _SAME_END for other in ends)
            if end.converged and np.abs(logs).max() < _FARTHEST_END and not known:
                ends.append(end.parameters)
        return ends

    def _sample(self, size: int) -> Self:
        """Customers at equal distances from one another, in the order of the cells."""
        upto = np.cumsum(self.weights)
        every = upto[-1] / size
        found = np.searchsorted(upto, every * (0.5 + np.arange(size)))
        some, counts = np.unique(found, return_counts=True)
        columns = tuple(column[some] for column in self.columns)
        return replace(self, columns=columns, weights=counts.astype(float))

    def log_likelihood_at(self, minimum: Minimum, ridge: float) -> float:
        """The unpenalised log-likelihood at a minimum, of the columns in their own units."""
        logs = np.log(minimum.parameters)
        densities = dot(self.weights, self.model.densities(*self.columns))
        mean = ridge * float(logs @ logs) - minimum.value
        return self.customers * mean - densities * math.log(self.scale)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of what is estimated, in order."""
        return self.model.parameter_names()

    @property
    def axes(self) -> tuple[Self, FloatArray]:
        """Cells whose parameters in the search are the user's, one for one, but for factors.

        Returns
        -------
        cells : Cells
        factors : ndarray, shape (k,)
            What a step of each logarithm in the search is in the user's.
        """
        return self, np.ones(len(self.parameter_names))

    def in_own_units(self, parameters: FloatArray) -> Estimate:
        """The model of scaled parameters, shape (k,) or (k, draws), in the data's units."""
        values = list(map(float, parameters)) if parameters.ndim == 1 else list(parameters)
        return Estimate(self.model(*values, **self.settings).rescaled(self.scale))

    def scaled(self, estimate: Estimate) -> FloatArray:
        """Parameters in the data's units, scaled: the inverse of `in_own_units`."""
        return np.array(list(estimate.model.rescaled(1 / self.scale).parameters.values()))

    def resampled(self, rng: np.random.Generator) -> Self:
        """As many customers, drawn with replacement: a bootstrap replicate."""
        customers = round(self.customers)
        drawn = rng.multinomial(customers, self.weights / self.weights.sum()).astype(float)
        some = drawn > 0
        return replace(
            self, columns=tuple(column[some] for column in self.columns), weights=drawn[some]
        )
