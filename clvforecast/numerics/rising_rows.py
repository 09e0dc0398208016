"""Rising factorials whose base, too, differs from row to row."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from clvforecast.numerics.arrays import FloatArray, sums_by_code
from clvforecast.numerics.rising import RisingFactorials

__all__ = ["Rising", "rising"]

_ONE_BY_ONE: Final = 24
"""So many factors are multiplied out; what follows them is a smooth sum."""


class Rising(NamedTuple):
    """``log (a)_x`` and its first two derivatives in a, shape (n,)."""

    log: FloatArray
    slope: FloatArray
    curvature: FloatArray


def rising(a: FloatArray, x: FloatArray) -> Rising:
    """``log (a)_x`` with its derivatives, for one `a` or one for every `x`.

    Parameters
    ----------
    a : ndarray, shape () or (n,)
        Positive.
    x : ndarray of whole numbers, shape (n,)

    Notes
    -----
    Exact to rounding whatever the size of `a` and `x`, where differences of gamma functions cancel:
    the first factors' logarithms are added up, and the rest by the Euler-Maclaurin formula
    (NIST Digital Library of Mathematical Functions, 2.10.1), whose remainder is below 1e-13 there.

    Examples
    --------
    >>> found = rising(np.array([2.0, 1e9]), np.array([3.0, 100.0]))
    >>> np.exp(found.log[0]).round(12), found.slope.round(9)
    (np.float64(24.0), array([1.08333333e+00, 1.00000000e-07]))
    """
    if a.ndim == 0:
        of_counts, base = RisingFactorials(x), float(a)
        return Rising(of_counts.log(base), of_counts.slope(base), of_counts.curvature(base))
    few = np.minimum(x, _ONE_BY_ONE).astype(np.intp)
    rows = np.repeat(np.arange(x.size), few)
    steps = np.arange(rows.size) - np.repeat(np.cumsum(few) - few, few)
    factors = a[rows] + steps
    inverse = 1.0 / factors
    log, slope, fall = (
        sums_by_code(rows, terms, x.size) for terms in (np.log(factors), inverse, inverse * inverse)
    )
    many = np.flatnonzero(x > _ONE_BY_ONE)
    if many.size:
        rest = _smooth(a[many] + _ONE_BY_ONE, x[many] - _ONE_BY_ONE)
        log[many] += rest.log
        slope[many] += rest.slope
        fall[many] -= rest.curvature
    return Rising(log, slope, -fall)


def _smooth(a: FloatArray, x: FloatArray) -> Rising:
    """`rising` for large `a`, by Euler and Maclaurin: nothing cancels."""
    end = a + x
    p, q = 1.0 / a, 1.0 / end
    stretch = np.log1p(x * p)
    # Differences of powers of 1 / a and 1 / (a + x), all of them positive.
    falls = [x * p * q]
    for power in range(2, 8):
        falls.append(p * falls[-1] + q ** (power - 1) * falls[0])
    log = x * np.log(a) + end * stretch - x - stretch / 2
    log += -falls[0] / 12 + falls[2] / 360 - falls[4] / 1260
    slope = stretch + falls[0] / 2 + falls[1] / 12 - falls[3] / 120 + falls[5] / 252
    curvature = -falls[0] - falls[1] / 2 - falls[2] / 6 + falls[4] / 30 - falls[6] / 42
    return Rising(log, slope, curvature)
