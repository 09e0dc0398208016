"""Evaluate smooth, costly functions of one variable at many points."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.polynomial import chebyshev

from clvforecast.numerics.arrays import FloatArray
from clvforecast.numerics.blocks import blockwise

__all__ = ["Interpolation", "evaluate_smooth", "interpolations"]

_STRIP_HALF_WIDTH = np.pi / 2
_LOG_PRECISION = 36.0
_FIRST_DEGREE: Final = 24
_TAIL: Final = 4
_NO_DISTANCE: Final = 1e-200


def evaluate_smooth(
    function: Callable[[FloatArray], FloatArray], at: FloatArray, *, relative: bool = True
) -> FloatArray:
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
    relative : bool
        Interpolate the logarithm of the function, so that small values keep their digits, too. It
        must then have no zeros.

    Examples
    --------
    >>> points = np.linspace(1.0, 9.0, 1000)
    >>> bool(np.allclose(evaluate_smooth(np.reciprocal, points), 1 / points, rtol=1e-13))
    True
    """
    position = np.log(at)
    low, high = position.min(), position.max()
    if high == low:
        return np.repeat(function(at[:1]), at.size)
    growth = np.arcsinh(2 * _STRIP_HALF_WIDTH / (high - low))
    degree = int(np.ceil(_LOG_PRECISION / growth))
    if at.size <= degree + 1:
        return function(at)
    places, half = _points(degree + 1), 0.5 * (high - low)
    values = function(np.exp(low + half * (places + 1.0)))
    values = np.stack([np.log(values) if relative else values, np.ones(degree + 1)], axis=1)

    def between(position: FloatArray) -> FloatArray:
        found, total = (_pulls(places, (position - low) / half - 1.0) @ values).T
        return np.asarray(np.exp(found / total) if relative else found / total)

    return blockwise(between, position)


@dataclass(frozen=True, eq=False)
class Interpolation:
    """How values at a few points become values at many."""

    nodes: FloatArray
    """The few, shape (k,)."""
    matrix: FloatArray | None
    """What makes values at all points of those at the nodes, shape (n, k); None if they are all."""

    def resolves(self, values: FloatArray, tolerance: float) -> bool:
        """Whether functions, a column each, have these values at the nodes and no finer detail.

        Then the last of their Chebyshev coefficients have died away, and with them the error
        (Trefethen, *Approximation Theory and Approximation Practice*, theorem 4.2).
        """
        if self.matrix is None:
            return True
        return bool(np.abs(_last_coefficients(self.nodes.size) @ values).max() < tolerance)

    def __call__(self, values: FloatArray) -> FloatArray:
        """Values of the functions at all points, shape (n, functions)."""
        return values if self.matrix is None else np.asarray(self.matrix @ values)


def interpolations(at: FloatArray) -> Iterator[Interpolation]:
    """Ever finer interpolations in the logarithm of positive points; in the end, none.

    The first that resolves a function is good enough for it. The extreme points are nodes.

    >>> points = np.linspace(1.0, 9.0, 1000)
    >>> for between in interpolations(points):
    ...     values = np.sqrt(between.nodes)[:, None]
    ...     if between.resolves(values, 1e-12):
    ...         break
    >>> len(values), bool(np.allclose(between(values)[:, 0], np.sqrt(points), rtol=1e-12))
    (25, True)
    """
    position = np.log(at)
    low, high = position.min(), position.max()
    degree = _FIRST_DEGREE
    while at.size > 2 * degree:
        places, half = _points(degree + 1), 0.5 * (high - low)
        nodes = np.exp(low + half * (places + 1.0))
        # Rounding must not lead outside.
        nodes[[0, -1]] = at.min(), at.max()
        pulls = _pulls(places, (position - low) / half - 1.0)
        yield Interpolation(nodes, pulls / pulls.sum(axis=1, keepdims=True))
        degree *= 2
    yield Interpolation(at, None)


@lru_cache
def _points(size: int) -> FloatArray:
    """Chebyshev points of the second kind, which hold -1 and 1; remembered."""
    return np.asarray(chebyshev.chebpts2(size))


def _pulls(places: FloatArray, at: FloatArray) -> FloatArray:
    """How strongly each of these points pulls at others, shape (at, places).

    Weighted with them, the mean of the values there is the interpolation: the barycentric formula
    (J.-P. Berrut and L. N. Trefethen, "Barycentric Lagrange Interpolation", SIAM Review 46, 2004,
    equation 5.4).
    """
    signs = (-1.0) ** np.arange(places.size)
    signs[[0, -1]] *= 0.5
    distance = at[:, None] - places
    if not distance.all():
        # At a point itself no other is felt.
        distance[distance == 0] = _NO_DISTANCE
    return np.asarray(np.divide(signs, distance, out=distance))


@lru_cache
def _last_coefficients(size: int) -> FloatArray:
    """The matrix that makes the last Chebyshev coefficients of values at points; remembered."""
    inverse = np.linalg.inv(chebyshev.chebvander(_points(size), size - 1))
    return np.asarray(inverse[-_TAIL:])
