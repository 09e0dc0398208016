"""Rising factorials (Pochhammer symbols) and their derivatives, without cancellation.

Buy-till-you-die likelihoods hold gamma functions only in ratios
``Gamma(a + x) / Gamma(a) = a (a + 1) ... (a + x - 1) = (a)_x`` with whole `x`. Sums of logarithms
give them to full precision where a difference of log-gammas cancels (a = 1e8) or a gamma function
overflows (x > 170).
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln

from clvforecast.numerics.arrays import ArrayLike, FloatArray

__all__ = ["RisingFactorials", "log_rising"]


class RisingFactorials:
    """``log (a)_x`` and its first two derivatives in `a`, at whole numbers `x`.

    Parameters
    ----------
    counts : array_like of whole numbers, shape (n,)
        The `x`, 0 or more. One evaluation costs ``max(counts)`` logarithms, whatever `n`.
    """

    def __init__(self, counts: ArrayLike) -> None:
        self._counts = np.asarray(counts, dtype=np.intp)
        self._steps = np.arange(self._counts.max(initial=0), dtype=float)

    def _partial_sums(self, terms: FloatArray) -> FloatArray:
        return np.concatenate(([0.0], np.cumsum(terms)))[self._counts]

    def log(self, a: float) -> FloatArray:
        """``log (a)_x`` for every x, shape (n,).

        >>> np.exp(RisingFactorials([0, 1, 3]).log(2.0)).round(12)
        array([ 1.,  2., 24.])
        """
        return self._partial_sums(np.log(a + self._steps))

    def slope(self, a: float) -> FloatArray:
        """Derivative of `log` in a: ``digamma(a + x) - digamma(a)``."""
        return self._partial_sums(1.0 / (a + self._steps))

    def curvature(self, a: float) -> FloatArray:
        """Second derivative of `log` in a: ``trigamma(a + x) - trigamma(a)``, never positive."""
        return -self._partial_sums((a + self._steps) ** -2)


def log_rising(a: ArrayLike, x: ArrayLike) -> FloatArray:
    """``log (a)_x = log Gamma(a + x) - log Gamma(a)``, elementwise and broadcasting.

    Exact to rounding for one `a` and whole `x`; a difference of log-gammas otherwise.

    >>> np.exp(log_rising(1.0, [2, 4])).round(12)
    array([ 2., 24.])
    """
    a, x = np.asarray(a, dtype=float), np.asarray(x, dtype=float)
    if a.ndim == 0 and x.size and np.all(x == np.floor(x)) and x.max() <= max(10 * x.size, 10_000):
        return RisingFactorials(x.ravel()).log(float(a)).reshape(x.shape)
    return np.asarray(gammaln(a + x) - gammaln(a))
