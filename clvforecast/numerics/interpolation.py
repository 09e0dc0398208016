"""Evaluate a smooth, costly function of one variable at many points."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.polynomial import chebyshev

from clvforecast.numerics.arrays import FloatArray

__all__ = ["evaluate_smooth"]

_STRIP_HALF_WIDTH = np.pi / 2
_LOG_PRECISION = 36.0


def evaluate_smooth(function: Callable[[FloatArray], FloatArray], at: FloatArray) -> FloatArray:
    """Values of `function` at positive points, through Chebyshev interpolation where that is less.

    `function` must be analytic in the right half plane, as every expectation of a decay is in the
    time scale ``alpha + T``. In ``log(at)`` that is a strip of half-width pi / 2, which gives the
    degree at which interpolation reaches rounding error from the ratio of the extreme points alone
    (Trefethen, *Approximation Theory and Approximation Practice*, theorem 8.2). With no more
    points than that, the function itself is evaluated.

    Parameters
    ----------
    function : callable
        Maps an array of shape (m,) to one of shape (m,).
    at : ndarray, shape (n,)
        Positive points.

    Examples
    --------
    >>> points = np.linspace(1.0, 9.0, 1000)
    >>> bool(np.allclose(evaluate_smooth(np.reciprocal, points), 1 / points, rtol=1e-13))
    True
    """
    position = np.log(at)
    low, high = position.min(), position.max()
    if high == low:
        return function(at)
    growth = np.arcsinh(2 * _STRIP_HALF_WIDTH / (high - low))
    degree = int(np.ceil(_LOG_PRECISION / growth))
    if at.size <= degree + 1:
        return function(at)
    middle, half = 0.5 * (high + low), 0.5 * (high - low)

    def log_value(unit: FloatArray) -> FloatArray:
        return np.log(function(np.exp(middle + half * unit)))

    coefficients = chebyshev.chebinterpolate(log_value, degree)  # type: ignore[type-var]
    return np.exp(chebyshev.chebval((position - middle) / half, coefficients))
