"""The likelihood of BG/NBD over weighted cells, with its derivatives."""

from __future__ import annotations

import numpy as np

from clvforecast.numerics.arrays import FloatArray, distinct, sums_by_code
from clvforecast.numerics.optimise import Derivatives
from clvforecast.numerics.rising import RisingFactorials

__all__ = ["CellLikelihood"]


class CellLikelihood:
    """Equation 6 of `BGNBD` summed over weighted cells.

    Logarithms and rising factorials are taken of distinct x, t_x and T only, and sums over cells
    are first gathered by them, so that an evaluation costs a few passes over repeat buyers' cells.
    """

    def __init__(self, x: FloatArray, t_x: FloatArray, T: FloatArray, weights: FloatArray) -> None:
        counts, codes = distinct(x)
        self._customers = float(weights.sum())
        self._count_weights = sums_by_code(codes, weights, counts.size)
        self._rising = RisingFactorials(counts)

        once = x == 0
        self._once_T, once_codes = distinct(T[once])
        self._once_weights = sums_by_code(once_codes, weights[once], self._once_T.size)

        self._weights = weights[~once]
        self._x, self._x_codes = distinct(x[~once])
        self._t_x, self._t_x_codes = distinct(t_x[~once])
        self._T, self._T_codes = distinct(T[~once])
        self._T_weights = self._by_T(self._weights)
        self._T_purchases = self._by_T(self._weights * x[~once])

    def __call__(self, parameters: FloatArray) -> Derivatives:
        """Value, gradient and Hessian in (r, alpha, a, b)."""
        value, gradient, hessian = self._from_counts(*parameters)
        for part in (self._from_one_time_buyers, self._from_repeat_buyers):
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
        log_odds = self._log_odds_of_dropout(r, alpha, a, b)[-1]
        return float(
            self._value_from_counts(r, alpha, a, b)
            - r * (self._once_weights @ np.log(alpha + self._once_T))
            + self._value_from_repeat_buyers(
                r, np.log(alpha + self._T), log_odds, np.exp(-np.abs(log_odds))
            )
        )

    def _by_T(self, values: FloatArray) -> FloatArray:
        return sums_by_code(self._T_codes, values, self._T.size)

    def _by_t_x(self, values: FloatArray) -> FloatArray:
        return sums_by_code(self._t_x_codes, values, self._t_x.size)

    def _value_from_counts(self, r: float, alpha: float, a: float, b: float) -> float:
        rising = self._rising
        logs = rising.log(r) + rising.log(b) - rising.log(a + b)
        return float(self._count_weights @ logs + self._customers * r * np.log(alpha))

    def _log_odds_of_dropout(
        self, r: float, alpha: float, a: float, b: float
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Shape of the rate, log of how the silence stretches it, and log odds, per cell."""
        log_age, log_last = np.log(alpha + self._T), np.log(alpha + self._t_x)
        silence = log_age[self._T_codes] - log_last[self._t_x_codes]
        shapes = (r + self._x)[self._x_codes]
        log_odds = (np.log(a) - np.log(b + (self._x - 1)))[self._x_codes] + shapes * silence
        return shapes, silence, log_odds

    def _value_from_repeat_buyers(
        self, r: float, log_age: FloatArray, log_odds: FloatArray, smaller_odds: FloatArray
    ) -> float:
        """Log of the sum of "still active" and "left at the last purchase"."""
        log_sums = np.maximum(log_odds, 0) + np.log1p(smaller_odds)
        return float(self._weights @ log_sums - (r * self._T_weights + self._T_purchases) @ log_age)

    def _from_counts(self, r: float, alpha: float, a: float, b: float) -> Derivatives:
        """``log (r)_x + r log alpha + log (b)_x - log (a + b)_x``."""
        n, w, rising = self._customers, self._count_weights, self._rising
        slope_ab, curvature_ab = w @ rising.slope(a + b), w @ rising.curvature(a + b)
        value = self._value_from_counts(r, alpha, a, b)
        gradient = np.array(
            [
                w @ rising.slope(r) + n * np.log(alpha),
                n * r / alpha,
                -slope_ab,
                w @ rising.slope(b) - slope_ab,
            ]
        )
        hessian = np.array(
            [
                [w @ rising.curvature(r), n / alpha, 0, 0],
                [n / alpha, -n * r / alpha**2, 0, 0],
                [0, 0, -curvature_ab, -curvature_ab],
                [0, 0, -curvature_ab, w @ rising.curvature(b) - curvature_ab],
            ]
        )
        return Derivatives(value, gradient, hessian)

    def _from_one_time_buyers(self, r: float, alpha: float, _a: float, _b: float) -> Derivatives:
        """``-r log(alpha + T)``."""
        w, age = self._once_weights, alpha + self._once_T
        logs, inverse = w @ np.log(age), w @ (1 / age)
        gradient, hessian = np.zeros(4), np.zeros((4, 4))
        gradient[:2] = -logs, -r * inverse
        hessian[0, 1] = hessian[1, 0] = -inverse
        hessian[1, 1] = r * (w @ age**-2)
        return Derivatives(float(-r * logs), gradient, hessian)

    def _from_repeat_buyers(self, r: float, alpha: float, a: float, b: float) -> Derivatives:
        """Derivatives of `_value_from_repeat_buyers`.

        With the logs of its two terms u and v, and P = P(alive): the gradient is
        ``P u' + (1 - P) v'`` and the Hessian ``P u'' + (1 - P) v'' + P (1 - P) d d^T``,
        ``d = v' - u'``.
        """
        trials = b + (self._x - 1)
        age, last = alpha + self._T, alpha + self._t_x
        log_age, log_last = np.log(age), np.log(last)

        shapes, silence, log_odds = self._log_odds_of_dropout(r, alpha, a, b)
        smaller_odds = np.exp(-np.abs(log_odds))
        alive = np.where(log_odds > 0, smaller_odds, 1.0) / (1 + smaller_odds)
        w_alive = self._weights * alive
        w_left = self._weights - w_alive

        value = self._value_from_repeat_buyers(r, log_age, log_odds, smaller_odds)
        alive_T, alive_shape = self._by_T(w_alive), self._by_T(w_alive * shapes)
        left_t_x, left_shape = self._by_t_x(w_left), self._by_t_x(w_left * shapes)
        left_x = sums_by_code(self._x_codes, w_left, self._x.size)
        left = left_x.sum()

        gradient = np.array(
            [
                -(alive_T @ log_age + left_t_x @ log_last),
                -(alive_shape @ (1 / age) + left_shape @ (1 / last)),
                left / a,
                -(left_x @ (1 / trials)),
            ]
        )
        hessian = np.zeros((4, 4))
        hessian[0, 1] = hessian[1, 0] = -(alive_T @ (1 / age) + left_t_x @ (1 / last))
        hessian[1, 1] = alive_shape @ age**-2 + left_shape @ last**-2
        hessian[2, 2] = -left / a**2
        hessian[3, 3] = left_x @ trials**-2
        difference = np.stack(
            [
                silence,
                shapes * ((1 / age)[self._T_codes] - (1 / last)[self._t_x_codes]),
                np.full_like(silence, 1 / a),
                (-1 / trials)[self._x_codes],
            ]
        )
        hessian += (difference * (w_left * alive)) @ difference.T
        return Derivatives(value, gradient, hessian)
