"""Two quadrature rules that stay exact when the scales of an integrand lie far apart.

Both are uniform: their error does not depend on how many orders of magnitude separate the scales,
which is what closed forms through the hypergeometric function cannot offer (they cancel near
a = 1, overflow for heavy buyers and lose digits at long horizons).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.special import log_expit

from clvforecast.numerics.arrays import ArrayLike, FloatArray, IntArray

__all__ = ["Rule", "beta_rule", "decay_rule", "gauss_legendre", "stretched_rules"]

_COARSEST_STEP = 0.2
_STEPS_PER_DEVIATION = 2.0
_NARROW = 0.1
_POINT_MASS = 1e-8
_NEGLIGIBLE_LOG_WEIGHT = 60.0
_SMALLEST_LOG_NODE = -600.0
_NODES_AT_ONCE = 2**13


class Rule(NamedTuple):
    """Nodes and weights: the integral of f is ``weights @ f(nodes)``."""

    nodes: FloatArray
    weights: FloatArray


def beta_rule(a: float, b: float, finest: float) -> Rule:
    """Quadrature for expectations under a beta distribution.

    For ``P ~ Beta(a, b)`` and any `f` that is analytic and bounded in the right half plane, such
    as ``(1 + p tau) ** -s``, the sum ``weights @ f(nodes)`` equals ``E[f(P)]`` to about 1e-14,
    provided `f` is flat below ``p = 1 / finest``.

    It is the trapezoidal rule in ``logit(p)``. The right half plane of p becomes a strip of
    half-width pi / 2, in which `f` stays bounded however steep it is, so the rule converges
    exponentially with a step that depends on the beta law alone [1]_. Beyond the scales of `f` and
    of the law both tails are mapped to double-exponential decay [2]_, so that a = 0.01 costs no
    more nodes than a = 10; a law so narrow that it has no tails to speak of needs neither.

    Parameters
    ----------
    a, b : float
        Shape parameters, positive.
    finest : float
        Reciprocal of the smallest p at which `f` still varies.

    Returns
    -------
    Rule
        Nodes in (0, 1) and weights that sum to one; some 30 to 100 of them.

    References
    ----------
    .. [1] L. N. Trefethen and J. A. C. Weideman, "The exponentially convergent trapezoidal rule",
       SIAM Review 56 (2014), section 5.
    .. [2] H. Takahasi and M. Mori, "Double exponential formulas for numerical integration",
       Publ. RIMS 9 (1974).

    Examples
    --------
    >>> p, w = beta_rule(2.0, 3.0, finest=1.0)
    >>> print(round(w @ p, 12), round(w @ p**2, 12))
    0.4 0.2
    """
    return _beta_rule(float(a), float(b), math.ceil(math.log2(1.0 + finest)))


@lru_cache(maxsize=1024)
def _beta_rule(a: float, b: float, doublings: int) -> Rule:
    """The rule for what is flat below so many halvings of one; remembered."""
    centre = np.log(a) - np.log(b)
    deviation = np.sqrt(1.0 / a + 1.0 / b)
    if deviation < _POINT_MASS:
        return Rule(np.array([a / (a + b)]), np.ones(1))
    step = min(_COARSEST_STEP, deviation / _STEPS_PER_DEVIATION)

    if deviation < _NARROW:
        left_scale, right_scale = -np.inf, np.inf
        first, last = centre - 50 * deviation, centre + 50 * deviation
    else:
        left_scale = min(-doublings * np.log(2.0), centre) - 2.0
        right_scale = max(0.0, centre) + 2.0
        first = left_scale - np.log1p(_NEGLIGIBLE_LOG_WEIGHT / a)
        last = right_scale + np.log1p(_NEGLIGIBLE_LOG_WEIGHT / b)

    u = np.arange(np.floor(first / step), np.ceil(last / step) + 1) * step
    left, right = np.exp(left_scale - u), np.exp(u - right_scale)
    logit = u - left + right
    log_p = log_expit(logit)
    log_weights = a * log_p + b * log_expit(-logit) + np.log1p(left + right)
    weights = np.exp(log_weights - log_weights.max())
    kept = weights > 1e-20
    nodes = np.exp(np.maximum(log_p[kept], _SMALLEST_LOG_NODE))
    return Rule(nodes, weights[kept] / weights[kept].sum())


def decay_rule(end: ArrayLike, fastest: ArrayLike) -> Rule:
    """Quadrature over (0, end) for sums of decays, the fastest at rate `fastest`.

    Gauss-Legendre in ``log(1 + fastest * t)``. A decay ``exp(-p t)`` or ``(1 + p t) ** -s`` is
    bounded in the right half plane of t, which becomes a strip; the number of nodes grows only
    with the logarithm of ``fastest * end``.

    Parameters
    ----------
    end : array_like, shape (...)
        Ends of the intervals, positive and finite.
    fastest : array_like, broadcasting against `end`
        Rate of the fastest decay, positive.

    Returns
    -------
    Rule
        Nodes and weights of shape (..., n): the last axis is the one to sum over.

    Examples
    --------
    >>> t, w = decay_rule(40.0, fastest=1.0)
    >>> print(round(w @ np.exp(-t), 12))
    1.0
    """
    fastest = np.asarray(fastest, dtype=float)[..., None]
    width = np.log1p(fastest * np.asarray(end, dtype=float)[..., None])
    x, weights = gauss_legendre(int(np.ceil(16 + 5 * width.max())))
    stretched = 0.5 * width * (x + 1.0)
    return Rule(np.expm1(stretched) / fastest, 0.5 * width * weights * np.exp(stretched) / fastest)


def stretched_rules(
    end: FloatArray, fastest: FloatArray
) -> Iterator[tuple[IntArray, FloatArray, FloatArray]]:
    """Quadratures over many intervals (0, end), each with as many nodes as it needs.

    Gauss-Legendre in ``log(1 + fastest * t)``, as `decay_rule`, for products of two decays at
    most: ``(1 + t / A) ** -R * (1 + t / B) ** -(s + 1)`` with a `fastest` of
    ``max(R, 1) / A + (s + 1) / B``. The relative error is below 1e-11. A rule depends on its own
    interval alone, and many of them are worked out together.

    Parameters
    ----------
    end : ndarray, shape (n,)
        Ends of the intervals, finite.
    fastest : ndarray, shape (n,)
        Rate of the fastest decay, positive.

    Yields
    ------
    which : ndarray of int, shape (some,)
        Intervals, each in one of the batches.
    nodes, weights : ndarray, shape (m, some)
        The first axis is the one to sum over.

    Examples
    --------
    >>> found = np.empty(2)
    >>> for which, t, weights in stretched_rules(np.array([1.0, 40.0]), np.array([1.0, 1.0])):
    ...     found[which] = np.sum(weights * np.exp(-t), axis=0)
    >>> found.round(10)
    array([0.63212056, 1.        ])
    """
    width = np.log1p(fastest * end)
    # Four nodes at a time, so that there are few kinds of rules.
    fours = np.ceil(width + 1.5).astype(np.int64)
    order = np.argsort(fours, kind="stable")
    ends = np.cumsum(np.bincount(fours))
    for kind in np.unique(fours):
        x, weights = gauss_legendre(4 * int(kind))
        step = max(1, _NODES_AT_ONCE // x.size)
        for first in range(int(ends[kind - 1]), int(ends[kind]), step):
            which = order[first : min(first + step, int(ends[kind]))]
            half = 0.5 * width[which]
            stretched = np.exp(half * (x[:, None] + 1.0))
            scale = fastest[which]
            yield (
                which,
                (stretched - 1.0) / scale,
                stretched * weights[:, None] * (half / scale),
            )


@lru_cache
def gauss_legendre(n: int) -> tuple[FloatArray, FloatArray]:
    """Nodes in (-1, 1) and weights of the n-point rule, remembered."""
    return np.polynomial.legendre.leggauss(n)
