"""The likelihood of BG/NBD and MBG/NBD over weighted cells, with its derivatives."""

from __future__ import annotations

from typing import Final

import numpy as np

from clvforecast.numerics.arrays import FloatArray, distinct, sums_by_code
from clvforecast.numerics.blocks import blocks
from clvforecast.numerics.optimise import Derivatives
from clvforecast.numerics.rising import RisingFactorials
from clvforecast.numerics.sums import ShiftedSums, inverse_square

__all__ = ["CellLikelihood"]

_LARGEST_LOG_ODDS: Final = 700.0
"""Their exponential is a number still, and one is nothing beside it."""


class CellLikelihood:
    """The likelihood of `BetaGeometricModel` summed over weighted cells, in three parts.

    With k occasions to leave, that of a customer is ``(r)_x alpha^r (b)_k / (a + b)_k``, which is
    summed over distinct x; times ``(alpha + T)^-(r + x)``; times, if there was an occasion, one
    plus the odds ``a / (b + k - 1) ((alpha + T) / (alpha + t_x))^(r + x)`` of having left at the
    last. Logarithms of times are taken cell by cell: looking them up among those of distinct times
    takes as long.
    """

    def __init__(
        self,
        x: FloatArray,
        t_x: FloatArray,
        T: FloatArray,
        weights: FloatArray,
        *,
        leave_at_once: bool,
    ) -> None:
        counts, codes = distinct(x)
        self._customers = float(weights.sum())
        self._count_weights = sums_by_code(codes, weights, counts.size)
        self._purchases = RisingFactorials(counts)
        self._occasions = RisingFactorials(counts + leave_at_once)
        self._of_ages = ShiftedSums(T, weights, weights * x)
        occasions = x + leave_at_once
        some = np.flatnonzero(occasions)
        self._tempted = tuple(column[some] for column in (x, t_x, T, occasions, weights))

    def __call__(self, parameters: FloatArray) -> Derivatives:
        """Value, gradient and Hessian in (r, alpha, a, b)."""
        value, gradient, hessian = self._from_counts(*parameters)
        for part in (self._from_ages, self._from_dropout):
            more = part(*parameters)
            value, gradient, hessian = (
                value + more.value,
                gradient + more.gradient,
                hessian + more.hessian,
            )
        return Derivatives(value, gradient, hessian)

    def value(self, parameters: FloatArray) -> float:
        """The value alone, at a fraction of the cost."""
        r, alpha, a, b = parameters
        from_dropout = sum(
            float(weights @ _dropout(r, alpha, a, b, *history)[-1])
            for *history, weights in blocks(*self._tempted)
        )
        return float(
            self._value_from_counts(r, alpha, a, b)
            + self._value_from_ages(r, self._of_ages(alpha, np.log)[0])
            + from_dropout
        )

    def _value_from_counts(self, r: float, alpha: float, a: float, b: float) -> float:
        logs = self._purchases.log(r) + self._occasions.log(b) - self._occasions.log(a + b)
        return float(self._count_weights @ logs + self._customers * r * np.log(alpha))

    def _from_counts(self, r: float, alpha: float, a: float, b: float) -> Derivatives:
        """``log (r)_x + r log alpha + log (b)_k - log (a + b)_k``."""
        n, w = self._customers, self._count_weights
        purchases, rising = self._purchases, self._occasions
        slope_ab, curvature_ab = w @ rising.slope(a + b), w @ rising.curvature(a + b)
        value = self._value_from_counts(r, alpha, a, b)
        gradient = np.array(
            [
                w @ purchases.slope(r) + n * np.log(alpha),
                n * r / alpha,
                -slope_ab,
                w @ rising.slope(b) - slope_ab,
            ]
        )
        hessian = np.array(
            [
                [w @ purchases.curvature(r), n / alpha, 0, 0],
                [n / alpha, -n * r / alpha**2, 0, 0],
                [0, 0, -curvature_ab, -curvature_ab],
                [0, 0, -curvature_ab, w @ rising.curvature(b) - curvature_ab],
            ]
        )
        return Derivatives(value, gradient, hessian)

    def _value_from_ages(self, r: float, logs: FloatArray) -> float:
        return float(-(r * logs[0] + logs[1]))

    def _from_ages(self, r: float, alpha: float, _a: float, _b: float) -> Derivatives:
        """``-(r + x) log(alpha + T)``."""
        logs, inverses, squares = self._of_ages(alpha, np.log, np.reciprocal, inverse_square)
        gradient, hessian = np.zeros(4), np.zeros((4, 4))
        gradient[:2] = -logs[0], -(r * inverses[0] + inverses[1])
        hessian[0, 1] = hessian[1, 0] = -inverses[0]
        hessian[1, 1] = r * squares[0] + squares[1]
        return Derivatives(self._value_from_ages(r, logs), gradient, hessian)

    def _from_dropout(self, r: float, alpha: float, a: float, b: float) -> Derivatives:
        """The logarithm of one plus the odds of having left.

        With z the log odds and P = P(alive), its gradient is ``(1 - P) z'`` and its Hessian
        ``(1 - P) z'' + P (1 - P) z' z'^T``.
        """
        value = 0.0
        gradient, hessian = np.zeros(4), np.zeros((4, 4))
        for x, t_x, T, occasions, weights in blocks(*self._tempted):
            silence, odds, log_sum = _dropout(r, alpha, a, b, x, t_x, T, occasions)
            value += float(weights @ log_sum)
            alive = 1.0 / (1.0 + odds)
            left = weights * odds * alive

            per_age, per_last = 1.0 / (alpha + T), 1.0 / (alpha + t_x)
            per_trial = 1.0 / (b + (occasions - 1.0))
            slope = per_age - per_last
            shaped_slope = (r + x) * slope
            first = np.stack([silence, shaped_slope, np.full_like(x, 1.0 / a), -per_trial])
            gradient += [row @ left for row in first]
            hessian += (first * (left * alive)) @ first.T
            hessian[[0, 1], [1, 0]] += left @ slope
            hessian[1, 1] -= left @ (shaped_slope * (per_age + per_last))
            hessian[2, 2] -= left.sum() / a**2
            hessian[3, 3] += left @ (per_trial * per_trial)
        return Derivatives(value, gradient, hessian)


def _dropout(
    r: float,
    alpha: float,
    a: float,
    b: float,
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    occasions: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Log of how silence has stretched the time, the odds of having left, and log one plus them."""
    silence = np.log1p((T - t_x) / (alpha + t_x))
    log_odds = np.log(a / (b + (occasions - 1.0))) + (r + x) * silence
    odds = np.exp(np.minimum(log_odds, _LARGEST_LOG_ODDS))
    return silence, odds, np.maximum(log_odds, np.log1p(odds))
