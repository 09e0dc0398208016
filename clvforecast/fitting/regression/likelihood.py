"""The likelihood of customers whose parameters, or whose pace of time, depend on what is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from clvforecast.fitting.regression.warping import Pace, SpanTotals, WarpedSpans
from clvforecast.models import Model
from clvforecast.numerics.arrays import FloatArray, IntArray
from clvforecast.numerics.blocks import blocks
from clvforecast.numerics.optimise import Derivatives

__all__ = ["RegressionLikelihood", "Shift"]

_LARGEST_LOGARITHM: Final = 60.0
"""Of a customer's parameter; it is what it is there beyond it."""


class Shift(NamedTuple):
    """What moves the logarithm of one parameter: ``rows @ coefficients[which]``."""

    which: IntArray
    """Positions of the coefficients, shape (m,)."""
    rows: FloatArray
    """For every combination of covariates, shape (combinations, m)."""


class RegressionLikelihood:
    """Log-likelihood of weighted cells as a function of parameters, coefficients and a calendar.

    The vector it is a function of is all positive: the model's parameters, then the exponentials
    of the covariates' coefficients, then those of the calendar's. Its logarithm moves the
    logarithms of a customer's own parameters linearly, so derivatives follow from those of every
    row by the chain rule.

    Parameters
    ----------
    model : callable
        Makes a model of its parameters, each a number or one per row; a model's class does.
    columns : sequence of ndarray, shape (n,)
        What the model sees, distinct histories and combinations of covariates.
    weights : ndarray, shape (n,)
        Number of customers in each.
    parameters : int
        How many parameters the model has.
    coefficients : int
        How many coefficients of covariates there are.
    shifts : mapping of int to Shift
        What moves the parameters, by position.
    codes : ndarray of int, shape (n,), optional
        Which combination of covariates each row has.
    spans : WarpedSpans, optional
        What stands for recency and T where there is a calendar.

    References
    ----------
    P. S. Fader and B. G. S. Hardie, "Incorporating Time-Invariant Covariates into the Pareto/NBD
    and BG/NBD Models" (2007), www.brucehardie.com/notes/019.
    """

    def __init__(
        self,
        model: Callable[..., Model],
        columns: Sequence[FloatArray],
        weights: FloatArray,
        *,
        parameters: int,
        coefficients: int = 0,
        shifts: Mapping[int, Shift] | None = None,
        codes: IntArray | None = None,
        spans: WarpedSpans | None = None,
    ) -> None:
        self._model = model
        self._columns = tuple(columns)
        self._weights = weights
        self._parameters = parameters
        self._coefficients = coefficients
        self._shifts = dict(shifts or {})
        self._codes = np.zeros(weights.size, dtype=np.int64) if codes is None else codes
        self._spans = spans

    def value(self, parameters: FloatArray) -> float:
        """The value alone, at a fraction of the cost."""
        base, coefficients, pace = self._split(parameters)
        total = 0.0
        if self._spans is not None and pace is not None:
            total += self._spans.purchase_days(pace)
        for codes, weights, columns, _ in self._blocks(pace):
            own, _ = self._own(base, coefficients, codes)
            total += float(weights @ self._model(*own).log_likelihood(*columns))
        return total

    def __call__(self, parameters: FloatArray) -> Derivatives:
        """Value, gradient and Hessian."""
        base, coefficients, pace = self._split(parameters)
        others = base.size + coefficients.size
        value, gradient = 0.0, np.zeros(parameters.size)
        hessian = np.zeros((parameters.size, parameters.size))
        totals = None if self._spans is None else SpanTotals(self._spans, others)
        for codes, weights, columns, days in self._blocks(pace):
            own, designs = self._own(base, coefficients, codes)
            rows = self._model(*own).row_derivatives(*columns, times=totals is not None)
            value += float(weights @ rows.value)
            first, second = rows.gradient * weights, rows.hessian * weights
            _in_logarithms(own, first, second)
            _add(designs, first, second, gradient, hessian)
            if totals is not None:
                mixed = [
                    (at, design.T[:, None] * second[i, -2:])
                    for i, (at, design) in enumerate(designs)
                ]
                totals.add(days, first[-2:], second[-2:, -2:], mixed)
        if self._spans is not None and totals is not None and pace is not None:
            value += self._spans.purchase_days(pace)
            found = totals.derivatives(pace)
            gradient[others:], hessian[others:, others:], hessian[:others, others:] = found
            hessian[others:, :others] = found[-1].T
        # From the logarithms of the parameters to the parameters.
        return Derivatives(
            value,
            gradient / parameters,
            (hessian - np.diag(gradient)) / np.outer(parameters, parameters),
        )

    def _split(self, parameters: FloatArray) -> tuple[FloatArray, FloatArray, Pace | None]:
        """Logarithms of the model's parameters, coefficients, and the calendar's pace."""
        logs = np.log(parameters)
        first, second = self._parameters, self._parameters + self._coefficients
        pace = None if self._spans is None else self._spans.pace(logs[second:])
        return logs[:first], logs[first:second], pace

    def _blocks(
        self, pace: Pace | None
    ) -> Iterator[tuple[IntArray, FloatArray, list[FloatArray], list[IntArray]]]:
        """Codes, weights, columns, and days of first and last purchase, in parts for the cache."""
        if self._spans is None or pace is None:
            for codes, weights, *columns in blocks(self._codes, self._weights, *self._columns):
                yield codes, weights, columns, []
            return
        spans, x = self._spans, self._columns[0]
        for part in blocks(self._codes, self._weights, x, spans.first, spans.last):
            codes, weights, counts, *days = part
            yield codes, weights, [counts, *spans.spans(pace, *days)], days

    def _own(
        self, base: FloatArray, coefficients: FloatArray, codes: IntArray
    ) -> tuple[list[FloatArray], list[tuple[IntArray, FloatArray]]]:
        """Parameters of some rows, and how their logarithms depend on the free ones."""
        own: list[FloatArray] = []
        designs: list[tuple[IntArray, FloatArray]] = []
        for position, log in enumerate(base):
            shift = self._shifts.get(position)
            if shift is None:
                own.append(np.asarray(np.exp(log)))
                designs.append((np.array([position]), np.ones((codes.size, 1))))
                continue
            rows = shift.rows[codes]
            logs = log + rows @ coefficients[shift.which]
            within = np.clip(logs, -_LARGEST_LOGARITHM, _LARGEST_LOGARITHM)
            design = np.column_stack([np.ones(codes.size), rows])
            if not np.array_equal(within, logs):
                design *= (within == logs)[:, None]
            own.append(np.exp(within))
            designs.append((np.array([position, *(base.size + shift.which)]), design))
        return own, designs


def _in_logarithms(own: list[FloatArray], first: FloatArray, second: FloatArray) -> None:
    """Turn derivatives in the rows' parameters into derivatives in their logarithms, in place."""
    for i, value in enumerate(own):
        first[i] *= value
        second[i] *= value
        second[:, i] *= value
        second[i, i] += first[i]


def _add(
    designs: list[tuple[IntArray, FloatArray]],
    first: FloatArray,
    second: FloatArray,
    gradient: FloatArray,
    hessian: FloatArray,
) -> None:
    """Add the derivatives of some rows to those in the free logarithms, by the chain rule."""
    for i, (at, design) in enumerate(designs):
        gradient[at] += first[i] @ design
        for j, (other, facing) in enumerate(designs[i:], start=i):
            block = design.T @ (second[i, j][:, None] * facing)
            hessian[np.ix_(at, other)] += block
            if j > i:
                hessian[np.ix_(other, at)] += block.T
