"""How well predictive intervals hold what came, and how narrow they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from clvforecast.errors import DataError
from clvforecast.metrics.checks import FloatArray, checked, checked_level

__all__ = ["coverage", "interval_score", "width"]


def coverage(actual: ArrayLike, lower: ArrayLike, upper: ArrayLike) -> float:
    """Share of the customers whose actual value lies in their interval, ends included.

    Parameters
    ----------
    actual, lower, upper : array_like, shape (n,)
        What came, and the predictive interval of each customer.

    Raises
    ------
    DataError
        If the arrays are empty, of different lengths or not finite, or an interval ends before it
        begins.

    Examples
    --------
    >>> coverage([0, 2, 9, 1], [0, 0, 1, 0], [3, 2, 5, 1])
    0.75
    """
    happened, low, high = _checked_intervals(actual, lower, upper)
    return float(np.mean((low <= happened) & (happened <= high)))


def width(lower: ArrayLike, upper: ArrayLike) -> float:
    """Mean width of the intervals: of two forecasts that cover alike, the sharper is better.

    Examples
    --------
    >>> width([0, 1], [3, 2])
    2.0
    """
    _, low, high = _checked_intervals(lower, lower, upper)
    return float(np.mean(high - low))


def interval_score(
    actual: ArrayLike, lower: ArrayLike, upper: ArrayLike, level: float
) -> FloatArray:
    """Interval score, or Winkler's: the width, and a penalty for what lies outside.

    Parameters
    ----------
    actual, lower, upper : array_like, shape (n,)
        What came, and the predictive interval of each customer.
    level : float
        Probability of the interval, equal-tailed, in (0, 1).

    Returns
    -------
    ndarray, shape (n,)
        In the unit of `actual`; in expectation smallest for the true law's interval.

    References
    ----------
    T. Gneiting and A. E. Raftery, "Strictly proper scoring rules, prediction, and estimation",
    Journal of the American Statistical Association 102 (2007), equation 43; R. L. Winkler, "A
    decision-theoretic approach to interval estimation", JASA 67 (1972).

    Examples
    --------
    >>> interval_score([2, 5], [0, 0], [3, 3], level=0.9).round(6)
    array([ 3., 43.])
    """
    happened, low, high = _checked_intervals(actual, lower, upper)
    penalty = 2.0 / (1.0 - checked_level(level))
    outside = np.maximum(low - happened, 0.0) + np.maximum(happened - high, 0.0)
    return np.asarray(high - low + penalty * outside)


def _checked_intervals(actual: ArrayLike, lower: ArrayLike, upper: ArrayLike) -> list[FloatArray]:
    happened, low, high = checked(actual=actual, lower=lower, upper=upper)
    if (low > high).any():
        raise DataError(
            f"{(low > high).sum():,} of {low.size:,} intervals have a lower end above the upper "
            f"(first: at position {int((low > high).argmax())}). Exchange them."
        )
    return [happened, low, high]
