"""The likelihood of Pareto/NBD over weighted cells, with its derivatives.

A customer with x purchases, the last at t_x, is active at T or has left at some u in between
(equations 13 to 16 of the note cited in `clvforecast.models.pareto_nbd`). The odds of the latter
are the integral over u of
``s / (beta + u) * ((alpha + T) / (alpha + u)) ** (r + x) * ((beta + T) / (beta + u)) ** s``: all is
positive, so nothing cancels, whichever of alpha and beta is the larger. Its closed forms through
the hypergeometric function are differences that lose all digits where these lie far apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from clvforecast.numerics.arrays import FloatArray, IntArray, distinct, sums_by_code
from clvforecast.numerics.optimise import Derivatives
from clvforecast.numerics.quadrature import stretched_rules
from clvforecast.numerics.rising import RisingFactorials

__all__ = ["LARGEST_LOG_ODDS", "CellLikelihood", "death_derivatives", "log_odds_of_death"]

_NEGLIGIBLE: Final = 40.0
"""exp(-40) = 4e-18: what has decayed so far adds nothing."""
LARGEST_LOG_ODDS: Final = 700.0
"""Their exponential is a number still, and one is nothing beside it."""
_LARGE: Final = 1e3
"""A power above this calls for a logarithm exact near one."""


class _Deaths(NamedTuple):
    """Possible deaths of some customers, shape (nodes, some) where not said otherwise."""

    which: IntArray
    """The customers, shape (some,)."""
    since: FloatArray
    """From the last purchase to the death."""
    logs: tuple[FloatArray, FloatArray]
    """Of how it has stretched alpha and beta since then."""
    density: FloatArray
    """Integrated over, relative to the density of having survived the last purchase."""


def _deaths(
    shape: FloatArray, alpha: FloatArray, s: FloatArray, beta: FloatArray, silence: FloatArray
) -> Iterator[_Deaths]:
    """Integrate over the death, in batches; scales are those at the last purchase, shape (n,)."""
    with np.errstate(over="ignore"):
        far = np.minimum(
            alpha * np.expm1(_NEGLIGIBLE / shape),
            beta * np.expm1(_NEGLIGIBLE / s),
        )
        both = np.maximum(alpha, beta) * np.expm1(_NEGLIGIBLE / (shape + s))
    end = np.minimum(silence, np.minimum(far, both))
    fastest = np.maximum(shape, 1.0) / alpha + (s + 1.0) / beta
    exact = max(shape.max(initial=0.0), s.max(initial=0.0)) > _LARGE
    for which, since, weights in stretched_rules(end, fastest):
        logs = _log1p(since / alpha[which], exact), _log1p(since / beta[which], exact)
        decay = shape[which] * logs[0] + s[which] * logs[1]
        rate = s[which] / (beta[which] + since)
        yield _Deaths(which, since, logs, np.exp(-decay) * rate * weights)


class DeathDerivatives(NamedTuple):
    """What the odds of some customers' death are made of, and how that changes."""

    which: IntArray
    """The customers, shape (some,)."""
    log_odds: FloatArray
    """Shape (some,)."""
    share: FloatArray
    """Of each time of death in the odds, shape (nodes, some): they add up to one over the nodes."""
    first: FloatArray
    """Derivatives of its logarithm in (r, alpha, s, beta), shape (4, nodes, some)."""
    second: dict[tuple[int, int], FloatArray]
    """Second ones, shape (nodes, some): by position, those that are neither 0 nor ``-s ** -2``."""


def death_derivatives(
    shape: FloatArray, alpha: FloatArray, s: FloatArray, beta: FloatArray, silence: FloatArray
) -> Iterator[DeathDerivatives]:
    """Derivatives of `log_odds_of_death`, in batches: before the time of death is integrated out.

    The logarithm of what is integrated over the time u from the last purchase to the death is
    ``log s - log(beta + u) + shape log((alpha + silence) / (alpha + u))
    + s log((beta + silence) / (beta + u))``.
    """
    for which, since, logs, density in _deaths(shape, alpha, s, beta, silence):
        integral = density.sum(axis=0)
        shapes, alphas, leaving, betas, silent = (
            column[which] for column in (shape, alpha, s, beta, silence)
        )
        rest = silent - since
        per_alpha, per_beta = 1.0 / (alphas + since), 1.0 / (betas + since)
        last_alpha, last_beta = 1.0 / (alphas + silent), 1.0 / (betas + silent)
        # Differences of reciprocals, without cancellation.
        slope_alpha, slope_beta = -rest * per_alpha * last_alpha, -rest * per_beta * last_beta
        whole = np.log1p(silent / alphas), np.log1p(silent / betas)
        bent_alpha, bent_beta = shapes * slope_alpha, leaving * slope_beta
        yield DeathDerivatives(
            which,
            shapes * whole[0] + leaving * whole[1] + np.log(integral),
            density / integral,
            np.stack(
                [
                    whole[0] - logs[0],
                    bent_alpha,
                    whole[1] - logs[1] + 1.0 / leaving,
                    bent_beta - per_beta,
                ]
            ),
            {
                (0, 1): slope_alpha,
                (1, 1): -bent_alpha * (per_alpha + last_alpha),
                (2, 3): slope_beta,
                (3, 3): per_beta**2 - bent_beta * (per_beta + last_beta),
            },
        )


def _log1p(value: FloatArray, exact: bool) -> FloatArray:
    """``log(1 + value)``, which NumPy takes several times as long for if it must be exact."""
    return np.log1p(value) if exact else np.log(1.0 + value)


def log_odds_of_death(
    shape: FloatArray, alpha: FloatArray, s: FloatArray, beta: FloatArray, silence: FloatArray
) -> FloatArray:
    """Logarithm of the odds of having left during a silence, not before it.

    Parameters
    ----------
    shape, alpha : ndarray, shape (n,)
        Of the law of the purchase rate of a customer active right after his last purchase.
    s, beta : ndarray, shape (n,)
        Of that of the rate of leaving.
    silence : ndarray, shape (n,)
        Time since the last purchase.

    Returns
    -------
    ndarray, shape (n,)
        Minus infinity for a silence of zero.

    Examples
    --------
    Nobody buys (all but none, that is): the odds of a life that is exponential are known.

    >>> one = np.ones(1)
    >>> odds = log_odds_of_death(1e-12 * one, one, 1.0 * one, 2.0 * one, 6.0 * one)
    >>> np.exp(odds).round(9)
    array([3.])
    """
    integral = np.zeros(silence.shape)
    for which, _, _, density in _deaths(shape, alpha, s, beta, silence):
        integral[which] = density.sum(axis=0)
    with np.errstate(divide="ignore"):
        stretch = shape * np.log1p(silence / alpha) + s * np.log1p(silence / beta)
        return np.asarray(stretch + np.log(integral))


class CellLikelihood:
    """The likelihood of `ParetoNBD` summed over weighted cells, in three parts.

    That of a customer is ``(r)_x alpha^r``, summed over distinct x; times
    ``(alpha + T)^-(r + x) (1 + T / beta)^-s``, summed over distinct T; times one plus the odds of
    having left.
    """

    def __init__(self, x: FloatArray, t_x: FloatArray, T: FloatArray, weights: FloatArray) -> None:
        counts, codes = distinct(x)
        self._purchases = RisingFactorials(counts)
        self._count_weights = sums_by_code(codes, weights, counts.size)
        self._ages, codes = distinct(T)
        self._age_weights = np.stack(
            [sums_by_code(codes, w, self._ages.size) for w in (weights, weights * x)]
        )
        silent = np.flatnonzero(t_x < T)
        self._silent = tuple(column[silent] for column in (x, t_x, T, weights))

    def __call__(self, parameters: FloatArray) -> Derivatives:
        """Value, gradient and Hessian in (r, alpha, s, beta)."""
        known = self._without_death(*parameters)
        odds = self._from_death(*parameters)
        return Derivatives(
            known.value + odds.value, known.gradient + odds.gradient, known.hessian + odds.hessian
        )

    def value(self, parameters: FloatArray) -> float:
        """The value alone, at a fraction of the cost."""
        weights = self._silent[-1]
        log_odds = log_odds_of_death(*self._histories(*parameters))
        return self._value_without_death(*parameters) + float(
            np.sum(weights * np.logaddexp(0.0, log_odds))
        )

    def _histories(self, r: float, alpha: float, s: float, beta: float) -> tuple[FloatArray, ...]:
        """What `log_odds_of_death` asks of the silent customers."""
        x, t_x, T, _ = self._silent
        return r + x, alpha + t_x, np.full(x.size, s), beta + t_x, T - t_x

    def _value_without_death(self, r: float, alpha: float, s: float, beta: float) -> float:
        customers, purchases = self._age_weights
        return float(
            self._count_weights @ self._purchases.log(r)
            - r * (customers @ np.log1p(self._ages / alpha))
            - purchases @ np.log(alpha + self._ages)
            - s * (customers @ np.log1p(self._ages / beta))
        )

    def _without_death(self, r: float, alpha: float, s: float, beta: float) -> Derivatives:
        """``log (r)_x - r log(1 + T / alpha) - x log(alpha + T) - s log(1 + T / beta)``."""
        w, ages, (customers, purchases) = self._count_weights, self._ages, self._age_weights
        gradient, hessian = np.zeros(4), np.zeros((4, 4))
        per_age = 1.0 / (alpha + ages)
        for first, shape, scale in ((0, r, alpha), (2, s, beta)):
            share = ages / (scale * (scale + ages))
            falls = customers @ share
            gradient[first] = -(customers @ np.log1p(ages / scale))
            gradient[first + 1] = shape * falls
            hessian[first, first + 1] = hessian[first + 1, first] = falls
            hessian[first + 1, first + 1] = -shape * (
                customers @ (share * (1.0 / scale + 1.0 / (scale + ages)))
            )
        gradient[0] += w @ self._purchases.slope(r)
        gradient[1] -= purchases @ per_age
        hessian[0, 0] = w @ self._purchases.curvature(r)
        hessian[1, 1] += purchases @ per_age**2
        return Derivatives(self._value_without_death(r, alpha, s, beta), gradient, hessian)

    def _from_death(self, r: float, alpha: float, s: float, beta: float) -> Derivatives:
        """The logarithm of one plus the odds of having left.

        With z' and z'' the derivatives of the logarithm of the integrand and P = P(alive), its
        gradient is ``(1 - P) E[z']`` and its Hessian ``(1 - P) (E[z''] + Cov[z'])`` and
        ``P (1 - P) E[z'] E[z']^T``, with the expectation over the time of death, had there been
        one.
        """
        weights = self._silent[-1]
        gradient, hessian = np.zeros(4), np.zeros((4, 4))
        log_odds = np.empty(weights.size)
        for which, logs, share, first, second in death_derivatives(
            *self._histories(r, alpha, s, beta)
        ):
            log_odds[which] = logs
            odds = np.exp(np.minimum(logs, LARGEST_LOG_ODDS))
            alive = 1.0 / (1.0 + odds)
            left = weights[which] * odds * alive
            mean = np.sum(first * share, axis=1)
            share *= left

            gradient += [row @ left for row in mean]
            apart = (first - mean[:, None]).reshape(4, -1)
            hessian += (apart * share.ravel()) @ apart.T + (mean * (left * alive)) @ mean.T
            for (i, j), bend in second.items():
                hessian[i, j] += np.sum(share * bend)
            hessian[2, 2] -= left.sum() / s**2
        hessian[[1, 3], [0, 2]] = hessian[[0, 2], [1, 3]]
        value = float(np.sum(weights * np.logaddexp(0.0, log_odds)))
        return Derivatives(value, gradient, hessian)
