"""A control chart of forecast errors whose false alarms are counted beforehand.

A forecast gives each coming total a law. Where the total then falls in that law, turned into a
standard normal score, says by how much it is off; if the laws are right, scores of one month after
the other are independent [1]_. Their exponentially weighted mean tells a lasting error from
bad luck [2]_.

References
----------
.. [1] F. X. Diebold, T. A. Gunther and A. S. Tay, "Evaluating Density Forecasts with Applications
   to Financial Risk Management", International Economic Review 39 (1998) 863-883.
.. [2] S. W. Roberts, "Control Chart Tests Based on Geometric Moving Averages", Technometrics 1
   (1959) 239-250.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from clvforecast.numerics.arrays import BoolArray, FloatArray
from clvforecast.numerics.quadrature import gauss_legendre

__all__ = [
    "WEIGHT",
    "Chart",
    "chart",
    "chart_limit",
    "mean_run_length",
    "normal_score",
    "run_lengths",
    "tail_probability",
]

WEIGHT: Final = 0.3
"""Of the latest score: an error that lasts shows in months, a huge one at once."""
_OUTERMOST: Final = 10
"""Futures beyond a quantile, for it to be known."""
_NODES: Final = 41
_HIGHEST: Final = 12.0
_SETTLED: Final = 400
"""Checks after which the probability of an alert is the same at each."""


def normal_score(actual: float, futures: FloatArray) -> float:
    """Standard normal score of what came, among simulated futures.

    Parameters
    ----------
    actual : float
    futures : ndarray, shape (n,)
        Draws from its law.

    Returns
    -------
    float
        The normal quantile of the share of futures below, ties counted half. Beyond all but ten of
        them, where ranks know nothing more, it goes on in proportion to the distance from their
        median, as it would if they were normal.

    Examples
    --------
    >>> futures = np.arange(999.0)
    >>> normal_score(499.0, futures), round(normal_score(974.0, futures), 2)
    (0.0, 1.96)
    """
    count = futures.size
    below, equal = np.sum(futures < actual), np.sum(futures == actual)
    share = (below + 0.5 * equal + 0.5) / (count + 1.0)
    score = float(ndtri(share))
    outermost = min(_OUTERMOST, max(count // 20, 1))
    edge = float(ndtri(outermost / (count + 1.0)))
    if score > edge and score < -edge:
        return score
    rank = outermost - 1 if score < 0 else count - outermost
    middle, known = float(np.median(futures)), float(np.partition(futures, rank)[rank])
    if known == middle:
        return score
    beyond = abs(edge * (actual - middle) / (known - middle))
    return math.copysign(max(beyond, -edge), score)


class Chart(NamedTuple):
    """A control chart, check after check, shape (n,) each."""

    deviations: FloatArray
    """The weighted mean of the scores, in its standard deviations. It restarts after an alert."""
    size: FloatArray
    """What came over what was expected less one, weighted in the same way."""
    is_alert: BoolArray


def chart(
    scores: FloatArray,
    actual: FloatArray,
    expected: FloatArray,
    *,
    limit: float,
    tolerance: float = 0.0,
    weight: float = WEIGHT,
) -> Chart:
    """Run a chart over scores, and what they are scores of.

    Parameters
    ----------
    scores, actual, expected : ndarray, shape (n,)
    limit : float
        Standard deviations beyond which there is an alert.
    tolerance : float
        Errors that are smaller than this share of what was expected raise none.
    weight : float
        Of the latest check.

    Examples
    --------
    >>> ones = np.ones(3)
    >>> found = chart(np.array([-1.0, -4.0, 0.0]), 0.5 * ones, ones, limit=3.0, weight=0.5)
    >>> found.deviations.round(2), found.is_alert
    (array([-1.  , -4.02,  0.  ]), array([False,  True, False]))
    """
    count = scores.size
    found = Chart(np.empty(count), np.empty(count), np.zeros(count, dtype=bool))
    steady = _deviations(count, weight)
    since, mean, off, of = 0, 0.0, 0.0, 0.0
    for place, score in enumerate(scores):
        mean += weight * (score - mean)
        off += weight * (actual[place] - expected[place] - off)
        of += weight * (expected[place] - of)
        found.deviations[place] = mean / steady[since]
        found.size[place] = off / of if of > 0 else np.nan
        since += 1
        if abs(found.deviations[place]) > limit and abs(found.size[place]) >= tolerance:
            found.is_alert[place] = True
            since, mean, off, of = 0, 0.0, 0.0, 0.0
    return found


def run_lengths(limit: float, checks: int, weight: float = WEIGHT) -> FloatArray:
    """Probability that a chart of independent normal scores is still quiet, check after check.

    Parameters
    ----------
    limit : float
        In standard deviations of the weighted mean at that check.
    checks : int

    Returns
    -------
    ndarray, shape (checks,)

    Notes
    -----
    The density of the weighted mean, restricted to where no alert has been raised, is carried from
    check to check by Gauss-Legendre quadrature; the kernel is a normal density, so that 41 nodes
    leave an error below 1e-9.

    Examples
    --------
    With all weight on the latest score, checks are independent:

    >>> round(float(run_lengths(1.959964, 2, weight=1.0)[1]), 6), 0.95**2
    (0.9025, 0.9025)
    """
    nodes, weights = gauss_legendre(_NODES)
    deviations = limit * _deviations(checks, weight)
    points, density, quiet = np.zeros(1), np.ones(1), np.empty(checks)
    for place, reach in enumerate(deviations):
        ahead = reach * nodes
        steps = (ahead[:, None] - (1.0 - weight) * points) / weight
        density = np.exp(-0.5 * steps**2) @ density / (weight * math.sqrt(2.0 * math.pi))
        points, density = ahead, density * reach * weights
        quiet[place] = density.sum()
    return quiet


@lru_cache
def chart_limit(probability: float, checks: int, weight: float = WEIGHT) -> float:
    """The limit at which a chart raises an alert within so many checks with this probability.

    >>> round(chart_limit(0.0975, 2, weight=1.0), 4)
    1.96
    """
    return float(
        brentq(
            lambda limit: float(run_lengths(limit, checks, weight)[-1]) - (1.0 - probability),
            0.01,
            _HIGHEST,
            xtol=1e-10,
        )
    )


def mean_run_length(limit: float, weight: float = WEIGHT) -> float:
    """Expected number of checks to the first alert if nothing is wrong.

    >>> round(mean_run_length(1.959964, weight=1.0), 3)
    20.0
    """
    quiet = run_lengths(limit, _SETTLED, weight)
    last = float(quiet[-1])
    per_check = last / float(quiet[-2]) if last > 0 else 0.0
    # The check at which the alert comes is counted, and beyond those looked at they are geometric.
    return 1.0 + float(quiet.sum()) + last * per_check / (1.0 - per_check)


def tail_probability(deviations: float) -> float:
    """Of a normal variable to be as far from its mean, on either side.

    >>> round(tail_probability(-1.959964), 4)
    0.05
    """
    return float(2.0 * ndtr(-abs(deviations)))


def _deviations(count: int, weight: float) -> FloatArray:
    kept = (1.0 - weight) ** (2.0 * np.arange(1, count + 1))
    return np.asarray(np.sqrt(weight / (2.0 - weight) * (1.0 - kept)))
