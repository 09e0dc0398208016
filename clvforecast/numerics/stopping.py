"""The law of a number of events that stop at a random time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from clvforecast.numerics.arrays import FloatArray
from clvforecast.numerics.quadrature import gauss_legendre
from clvforecast.numerics.rising import log_rising

__all__ = ["StoppedCounts", "counts_without_stop", "means_at_stop", "stopped_counts"]

_TINY: Final = float(np.finfo(float).tiny)


class StoppedCounts(NamedTuple):
    """Probability of n events until t, with no stop before, and with one."""

    going: FloatArray
    stopped: FloatArray


def stopped_counts(
    n: FloatArray,
    t: FloatArray,
    shape: FloatArray,
    alpha: FloatArray,
    s: FloatArray,
    beta: FloatArray,
) -> StoppedCounts:
    """Law of the number of events that stop at a random time, if not before.

    Parameters
    ----------
    n : ndarray
        Numbers of events, broadcasting against the others.
    t, shape, alpha, s, beta : ndarray, all of one shape
        Events come at a rate ``Gamma(shape, alpha)`` until t, and stop for good at a rate
        ``Gamma(s, beta)``.

    Notes
    -----
    Until a stop at u the number is negative binomial, ``(shape)_n / n! (1 + u / alpha) ** -shape
    (u / (alpha + u)) ** n``. Over u this is Gauss-Legendre quadrature in the logarithm of the time
    stretched by alpha or beta. As a function of log u such a law is about
    ``sqrt(1 / n + 1 / shape)`` wide, and from one end to the other it falls by
    ``shape * log(1 + t / alpha)`` in the logarithm; the root of that tells how many nodes it takes.

    Examples
    --------
    >>> one = np.ones(1)
    >>> going, stopped = stopped_counts(np.arange(2.0), one, one, one, one, one)
    >>> print(going, stopped.round(6))
    [0.25  0.125] [0.375    0.083333]
    """
    fastest, half, places, place_weights = _rule(n, t, shape, alpha, s, beta)
    log_count = _log_count(n, shape)
    stopped = np.zeros(np.broadcast_shapes(n.shape, t.shape))
    # A node at a time: all of them, for all numbers and laws, would not fit in memory.
    for place, weight in zip(places, place_weights, strict=True):
        stretched = np.exp(half * (place + 1.0))
        u, du = (stretched - 1.0) / fastest, weight * half * stretched / fastest
        stopped += _joint(n, log_count, u, shape, alpha, s, beta) * (du * s / (beta + u))
    return StoppedCounts(counts_without_stop(n, t, shape, alpha, s, beta), stopped)


def counts_without_stop(
    n: FloatArray,
    t: FloatArray,
    shape: FloatArray,
    alpha: FloatArray,
    s: FloatArray,
    beta: FloatArray,
) -> FloatArray:
    """Probability of n events until t, and no stop before: the first of `stopped_counts`."""
    return _joint(n, _log_count(n, shape), t, shape, alpha, s, beta)


def means_at_stop(
    n: FloatArray,
    t: float,
    shape: float,
    alpha: float,
    s: float,
    beta: float,
    *,
    functions: Callable[[FloatArray], FloatArray],
) -> FloatArray:
    """Expectations of functions of the time of the stop, where n events came before it.

    Parameters
    ----------
    n : ndarray, shape (counts,)
    t, shape, alpha, s, beta : float
        As of `stopped_counts`.
    functions : callable
        Maps times of shape (m,) to values of shape (m, functions), or (m,) for one.

    Returns
    -------
    ndarray, shape (counts, functions)
        Zero where the number is another, or events do not stop before t.

    Examples
    --------
    >>> means_at_stop(np.arange(2.0), 1.0, 1.0, 1.0, 1.0, 1.0, functions=np.ones_like).round(6)
    array([0.375   , 0.083333])
    """
    law = [np.asarray(value, dtype=float) for value in (t, shape, alpha, s, beta)]
    fastest, half, places, place_weights = _rule(n, *law)
    stretched = np.exp(half * (places + 1.0))
    u, du = (stretched - 1.0) / fastest, place_weights * half * stretched / fastest
    log_count = _log_count(n, law[1])
    joint = _joint(n[:, None], log_count[:, None], u, shape, alpha, s, beta)
    return np.asarray((joint * (du * s / (beta + u))) @ functions(u))


def _rule(
    n: FloatArray,
    t: FloatArray,
    shape: FloatArray,
    alpha: FloatArray,
    s: FloatArray,
    beta: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """What stretches time, half the width in the logarithm, and nodes and weights in (-1, 1)."""
    fastest = 1.0 / alpha + (s + 1.0) / beta
    half = np.asarray(0.5 * np.log1p(fastest * t))
    steep = np.sqrt(shape * np.log1p(t / alpha))
    narrow = np.sqrt(n * shape / (n + shape))
    needed = 16.0 + 2.0 * half.max(initial=0.0) * (5.0 + 2.0 * narrow.max(initial=0.0))
    needed += 3.0 * steep.max(initial=0.0)
    # A tenth too many at most, so that there are few rules to work out.
    step = 2 ** (int(math.log2(needed)) - 3)
    return fastest, half, *gauss_legendre(step * math.ceil(needed / step))


def _log_count(n: FloatArray, shape: FloatArray) -> FloatArray:
    return np.asarray(log_rising(shape, n) - log_rising(1.0, n))


def _joint(
    n: FloatArray,
    log_count: FloatArray,
    u: FloatArray,
    shape: FloatArray | float,
    alpha: FloatArray | float,
    s: FloatArray | float,
    beta: FloatArray | float,
) -> FloatArray:
    """Probability of n events until u, and no stop before."""
    tau = u / alpha
    log_share = np.log(np.maximum(tau / (1.0 + tau), _TINY))
    decay = shape * np.log1p(tau) + s * np.log1p(u / beta)
    return np.asarray(np.exp(log_count + n * log_share - decay))
