"""Weighted customer histories that differ in covariates, or lie in a calendar."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Final, Self

import numpy as np

from clvforecast.errors import FitError
from clvforecast.fitting.cells import Cells
from clvforecast.fitting.effects import Effects, Estimate
from clvforecast.fitting.regression.covariates import Covariates, Reference
from clvforecast.fitting.regression.likelihood import RegressionLikelihood
from clvforecast.fitting.regression.warping import WarpedSpans
from clvforecast.models import Model
from clvforecast.numerics.arrays import FloatArray, IntArray, sums_by_code
from clvforecast.numerics.optimise import Minimum

__all__ = ["ObservedDays", "RegressionCells"]

_CONSTANT: Final = 1e-10


@dataclass(frozen=True, eq=False)
class ObservedDays:
    """What the pace of purchases may depend on, day by day from the first purchase of anyone.

    Parameters
    ----------
    names : tuple of str, length k
        Of the coefficients.
    basis : ndarray, shape (days, k)
        The logarithm of the pace is ``basis @ coefficients``; the last day is the end of
        observation.
    purchases : ndarray, shape (days,)
        Number of repeat purchases on each day, over all customers.
    per_unit : float
        Days per time unit.
    penalty : ndarray, shape (k, k), optional
        A ridge penalises ``coefficients @ penalty @ coefficients``. Default: the squares of the
        coefficients of the standardised basis.
    """

    names: tuple[str, ...]
    basis: FloatArray
    purchases: FloatArray
    per_unit: float
    penalty: FloatArray | None = None

    def days(self, t_x: FloatArray, T: FloatArray) -> tuple[IntArray, IntArray]:
        """Days of the first and of the last purchase, from recency and T in time units."""
        first = len(self.basis) - 1 - np.rint(T * self.per_unit).astype(np.int64)
        return first, first + np.rint(t_x * self.per_unit).astype(np.int64)

    def standard(self, T: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean of the basis over the days of customers, (k,), and what scales its columns, (k, k).

        The coefficients are the latter times those of the search, whose squares a ridge penalises.

        Raises
        ------
        FitError
            If a column of the basis is constant over them.
        """
        first, _ = self.days(np.zeros_like(T), T)
        begun = sums_by_code(first, weights, len(self.basis))
        observed = np.cumsum(begun) - begun
        share = observed / observed.sum()
        centre = share @ self.basis
        scale = np.sqrt(share @ (self.basis - centre) ** 2)
        for name, spread, size in zip(self.names, scale, np.abs(self.basis).max(0), strict=True):
            if spread <= _CONSTANT * size:
                raise FitError(
                    f"The calendar's {name!r} is the same on all days that customers were "
                    "observed, so no coefficient can be found. Leave it out."
                )
        if self.penalty is None:
            return centre, np.diag(1.0 / scale)
        return centre, np.linalg.inv(np.linalg.cholesky(self.penalty)).T


@dataclass(frozen=True, eq=False)
class RegressionCells(Cells):
    """Weighted histories with covariates, in a calendar, or both.

    A vector of parameters is the model's, then ``exp(coefficient)`` of the free coefficients of
    covariates, then of those of the calendar: all positive, and searched for as those of a model
    without. In the search covariates and calendar are standardised; `reference` undoes that.

    Parameters
    ----------
    columns : tuple of ndarray, shape (n,)
        What the model sees, scaled, and last the combination of covariates, a row of `rows`.
    covariates : Covariates or None
    rows : ndarray, shape (combinations, coefficients)
        Covariates on the user's scale.
    calendar : ObservedDays or None
    effects : Effects or None
        Of any size: what an estimate's effects are made from.
    centred : bool
        Whether the calendar is searched around its mean.
    """

    covariates: Covariates | None = None
    rows: FloatArray | None = None
    calendar: ObservedDays | None = None
    effects: Effects | None = None
    centred: bool = True

    @classmethod
    def regressed(
        cls,
        model: type[Model],
        columns: list[FloatArray],
        weights: FloatArray,
        *,
        covariates: Covariates | None = None,
        rows: FloatArray | None = None,
        codes: IntArray | None = None,
        calendar: ObservedDays | None = None,
        effects: Effects | None = None,
        **settings: Any,
    ) -> Self:
        """Group customers by history and covariates, and scale the histories.

        Parameters
        ----------
        model : type of Model
        columns : list of ndarray, shape (customers,)
            What the model sees, in its own units, of customers it learns from.
        weights : ndarray, shape (customers,)
        covariates, rows, codes
            `Covariates`, and what `combinations` made of these customers.
        calendar : ObservedDays, optional
        effects : Effects, optional
            Of any size: what an estimate's effects are made from.
        **settings
            What of the model is not estimated.
        """
        combination = np.zeros(weights.size) if codes is None else codes.astype(float)
        levels, counts = model.cells(*columns, combination, weights=weights)
        plain = Cells.of(model, levels[:-1], counts, **settings)
        return cls(
            model,
            (*plain.columns, levels[-1]),
            counts,
            plain.scale,
            settings,
            covariates=covariates,
            rows=rows,
            calendar=calendar,
            effects=effects,
        )

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Names of what is estimated, in order."""
        return (
            *self.model.parameter_names(),
            *(() if self.covariates is None else self.covariates.free),
            *(() if self.calendar is None else self.calendar.names),
        )

    @cached_property
    def log_likelihood(self) -> RegressionLikelihood:
        """In the scaled parameters and standardised coefficients."""
        *columns, combination = self.columns
        shifts, coefficients = None, 0
        if self.covariates is not None and self.rows is not None:
            shifts, coefficients = self.covariates.shifts(self.rows), len(self.covariates.free)
        return RegressionLikelihood(
            partial(self.model, **self.settings),
            columns,
            self.weights,
            parameters=self._count,
            coefficients=coefficients,
            shifts=shifts,
            codes=combination.astype(np.int64),
            spans=self._spans(),
        )

    @cached_property
    def reference(self) -> Reference:
        """From the search's logarithms to those on the user's scale, still in scaled units."""
        matrix = np.eye(len(self.parameter_names))
        if self.covariates is not None:
            inner = self.covariates.reference.matrix
            matrix[: len(inner), : len(inner)] = inner
        if self._standard is not None:
            centre, scale = self._standard
            place = slice(len(matrix) - centre.size, None)
            matrix[place, place] = scale
            # That every day is so many times as fast, and that time is longer, are one thing.
            for name in self.model.scale_parameters:
                matrix[self.model.parameter_names().index(name), place] = centre @ scale
        return Reference(matrix)

    def in_own_units(self, parameters: FloatArray) -> Estimate:
        """The reference customer's model in the data's units, and what parameters depend on.

        Raises
        ------
        FitError
            If a covariate is so far from zero, or so finely scaled, that there is no such customer.
        """
        with np.errstate(over="ignore"):
            estimates = self.reference.estimates(parameters)
        odd = ~(np.isfinite(estimates) & (estimates > 0))
        if odd.any():
            name = self.parameter_names[int(np.argmax(odd.reshape(len(estimates), -1).any(axis=1)))]
            raise FitError(
                f"{self.model.name}: {name} is beyond all numbers for a customer whose covariates "
                "are zero, or for one unit of a covariate. Measure covariates from a usual value "
                "and in a usual unit, such as I((year - 2020) / 10)."
            )
        model = super().in_own_units(estimates[: self._count]).model
        effects = (
            None if self.effects is None else self.effects.with_ratios(*estimates[self._count :])
        )
        return Estimate(model, effects)

    def scaled(self, estimate: Estimate) -> FloatArray:
        """Parameters in the data's units, scaled: the inverse of `in_own_units`."""
        ratios = () if estimate.effects is None else estimate.effects.ratios.values()
        return self.reference.searched(np.array([*super().scaled(estimate), *ratios]))

    def uncentred(self) -> Self:
        """The same cells with parameters of a search that are those of the reference customer.

        What is one parameter there is one parameter for the user: coefficients differ by a factor,
        the diagonal of `reference`. That is what profiles of the likelihood must follow.
        """
        covariates = None if self.covariates is None else self.covariates.uncentred()
        calendar = None if self.calendar is None else replace(self.calendar, penalty=None)
        return replace(self, covariates=covariates, calendar=calendar, centred=False)

    @property
    def axes(self) -> tuple[Self, FloatArray]:
        """Cells in whose search every parameter is one that is reported, and what it is times.

        The logarithm of a reported parameter moves so many times as far, shape (k,).
        """
        around_zero = self.uncentred()
        return around_zero, np.diag(around_zero.reference.matrix)

    def resampled(self, rng: np.random.Generator) -> Self:
        """As many customers, drawn with replacement: a bootstrap replicate."""
        if self.calendar is not None:
            raise FitError(
                "A fit with a calendar has no bootstrap: customers of one cell bought on different "
                "days. Use posterior()."
            )
        return super().resampled(rng)

    def estimate(
        self, ridge: float, start: FloatArray | None = None, *, roughly: bool = False
    ) -> Minimum:
        """Minimise minus the mean log-likelihood, plus a ridge; see `Cells.estimate`.

        The default is to begin where the model without covariates and calendar has its maxima, so
        that this one ends no lower.
        """
        if start is not None:
            return super().estimate(ridge, start, roughly=roughly)
        ends = [
            super(RegressionCells, self).estimate(ridge, point, roughly=roughly)
            for point in self._starts(ridge)
        ]
        return min(ends, key=lambda end: (not end.converged, end.value))

    def _starts(self, ridge: float) -> list[FloatArray]:
        """Maxima of the model without covariates and calendar, where nothing depends on them."""
        levels, counts = self.model.cells(*self.columns[:-1], weights=self.weights)
        plain = Cells(self.model, tuple(levels), counts, self.scale, self.settings)
        best = plain.estimate(ridge)
        starts = [best.parameters] if best.converged else list(self.model.starting_points())
        alike = np.ones(len(self.parameter_names) - self._count)
        return [np.concatenate([start, alike]) for start in starts]

    @property
    def _count(self) -> int:
        """How many parameters the model has."""
        return len(self.model.parameter_names())

    @cached_property
    def _standard(self) -> tuple[FloatArray, FloatArray] | None:
        """What the search takes from the calendar's basis, and multiplies it by."""
        if self.calendar is None:
            return None
        ages = self.columns[self.model.columns.index("T")]
        centre, scale = self.calendar.standard(ages * self.scale, self.weights)
        return centre if self.centred else np.zeros_like(centre), scale

    def _spans(self) -> WarpedSpans | None:
        """What stands for recency and T in the calendar."""
        if self.calendar is None or self._standard is None:
            return None
        centre, scale = self._standard
        _, t_x, T, _ = self.columns
        return WarpedSpans(
            (self.calendar.basis - centre) @ scale,
            *self.calendar.days(t_x * self.scale, T * self.scale),
            self.calendar.purchases,
            day=1.0 / (self.calendar.per_unit * self.scale),
        )
