"""The likelihood of BG/CNBD-k and MBG/CNBD-k over weighted cells, with its derivatives."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from clvforecast.models.likelihoods import beta_geometric
from clvforecast.numerics.arrays import FloatArray, distinct
from clvforecast.numerics.blocks import blocks
from clvforecast.numerics.optimise import Derivatives
from clvforecast.numerics.phases import silences
from clvforecast.numerics.rising import RisingFactorials
from clvforecast.numerics.sums import ShiftedSums

__all__ = ["LARGEST_LOG_ODDS", "CellLikelihood", "Silence", "silence_with_derivatives"]

LARGEST_LOG_ODDS: Final = 700.0
"""Their exponential is a number still, and one is nothing beside it."""


class CellLikelihood(beta_geometric.CellLikelihood):
    """The likelihood of `ErlangBetaGeometricModel` summed over weighted cells, in three parts.

    The first two are those of BG/NBD with k phases for every purchase. In the third, the odds of
    having left are added not to one but to the ways in which the silence may have come about,
    ``sum over j < k of (r + k x)_j / j! ((T - t_x) / (alpha + T)) ** j``. The `spacing` of the
    purchases does not depend on the parameters.
    """

    def __init__(
        self,
        x: FloatArray,
        t_x: FloatArray,
        T: FloatArray,
        weights: FloatArray,
        *,
        leave_at_once: bool,
        k: int,
        spacing: float,
    ) -> None:
        super().__init__(x, t_x, T, weights, leave_at_once=leave_at_once)
        counts, _ = distinct(x)
        self._k, self._spacing = k, spacing
        self._purchases = RisingFactorials(k * counts)
        self._of_ages = ShiftedSums(T, weights, weights * (k * x))
        self._silent = (x, t_x, T, x + leave_at_once, weights)

    def value(self, parameters: FloatArray) -> float:
        """The value alone, at a fraction of the cost."""
        r, alpha, a, b = parameters
        from_dropout = self._spacing
        for x, t_x, T, occasions, weights in blocks(*self._silent):
            shape = r + self._k * x
            _, log_odds = _log_odds(shape, alpha, a, b, t_x, T, occasions)
            ways = silences(shape, (T - t_x) / (alpha + T), self._k).sum(axis=0)
            from_dropout += float(weights @ _log_sum(ways, log_odds)[1])
        return float(
            self._value_from_counts(r, alpha, a, b)
            + self._value_from_ages(r, self._of_ages(alpha, np.log)[0])
            + from_dropout
        )

    def _from_dropout(self, r: float, alpha: float, a: float, b: float) -> Derivatives:
        """The logarithm of the ways of being silent plus the odds of having left.

        With y and z the logarithms of both, P = P(alive) and d = z' - y', its gradient is
        ``P y' + (1 - P) z'`` and its Hessian ``P y'' + (1 - P) z'' + P (1 - P) d d^T``.
        """
        value = self._spacing
        gradient, hessian = np.zeros(4), np.zeros((4, 4))
        for x, t_x, T, occasions, weights in blocks(*self._silent):
            shape = r + self._k * x
            silence, log_odds = _log_odds(shape, alpha, a, b, t_x, T, occasions)
            per_age, per_last = 1.0 / (alpha + T), 1.0 / (alpha + t_x)
            share = (T - t_x) * per_age
            ways = silence_with_derivatives(shape, share, self._k)
            odds, log_sum = _log_sum(ways.total, log_odds)
            value += float(weights @ log_sum)
            alive = 1.0 / (1.0 + odds)
            stayed, left = weights * alive, weights * odds * alive

            # Of the odds.
            per_trial = 1.0 / (b + (np.maximum(occasions, 1.0) - 1.0))
            slope = per_age - per_last
            shaped_slope = shape * slope
            first = np.stack([silence, shaped_slope, np.full_like(x, 1.0 / a), -per_trial])
            gradient += [row @ left for row in first]
            hessian[[0, 1], [1, 0]] += left @ slope
            hessian[1, 1] -= left @ (shaped_slope * (per_age + per_last))
            hessian[2, 2] -= left.sum() / a**2
            hessian[3, 3] += left @ (per_trial * per_trial)

            # Of the silence: the share of it falls with alpha.
            fall = -share * per_age
            in_r = ways.slope_shape / ways.total
            in_share = ways.slope_share / ways.total
            in_alpha = in_share * fall
            gradient[:2] += in_r @ stayed, in_alpha @ stayed
            hessian[0, 0] += stayed @ (ways.curvature_shape / ways.total - in_r * in_r)
            both = ways.mixed / ways.total * fall - in_r * in_alpha
            hessian[[0, 1], [1, 0]] += stayed @ both
            bent = ways.curvature_share / ways.total * fall - 2.0 * in_share * per_age
            hessian[1, 1] += stayed @ (bent * fall - in_alpha * in_alpha)

            first[0] -= in_r
            first[1] -= in_alpha
            hessian += (first * (left * alive)) @ first.T
        return Derivatives(value, gradient, hessian)


class Silence(NamedTuple):
    """Sums over j below k of ``(shape)_j / j! share ** j``, with derivatives; all of one shape."""

    total: FloatArray
    slope_shape: FloatArray
    slope_share: FloatArray
    curvature_shape: FloatArray
    mixed: FloatArray
    curvature_share: FloatArray


def silence_with_derivatives(shape: FloatArray, share: FloatArray, k: int) -> Silence:
    """The sum of `silences`, with first and second derivatives in shape and share.

    >>> found = silence_with_derivatives(np.array(2.0), np.array(0.5), 2)
    >>> [float(part) for part in found]
    [2.0, 0.5, 2.0, 0.0, 1.0, 0.0]
    """
    sums = Silence(np.ones(share.shape), *(np.zeros(share.shape) for _ in range(5)))
    term, once, twice = np.ones(share.shape), np.zeros(share.shape), np.zeros(share.shape)
    # Of the logarithm of a term, the derivatives in shape.
    log_slope, log_curvature = np.zeros(share.shape), np.zeros(share.shape)
    for j in range(1, k):
        factor = shape + (j - 1)
        twice = once * factor
        once = term * factor
        term = once * share / j
        inverse = 1.0 / factor
        log_slope = log_slope + inverse
        log_curvature = log_curvature - inverse * inverse
        for total, more in zip(
            sums,
            (
                term,
                term * log_slope,
                once,
                term * (log_slope * log_slope + log_curvature),
                once * log_slope,
                twice,
            ),
            strict=True,
        ):
            total += more
    return sums


def _log_odds(
    shape: FloatArray,
    alpha: float,
    a: float,
    b: float,
    t_x: FloatArray,
    T: FloatArray,
    occasions: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Log of how silence has stretched the time, and of the odds of having left beside staying."""
    silence = np.log1p((T - t_x) / (alpha + t_x))
    log_odds = np.log(a / (b + (np.maximum(occasions, 1.0) - 1.0))) + shape * silence
    return silence, np.where(occasions > 0, log_odds, -np.inf)


def _log_sum(ways: FloatArray, log_odds: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The odds of having left, given the silence, and the logarithm of both ways together."""
    log_ways = np.log(ways)
    against = log_odds - log_ways
    odds = np.exp(np.minimum(against, LARGEST_LOG_ODDS))
    return odds, log_ways + np.maximum(against, np.log1p(odds))
