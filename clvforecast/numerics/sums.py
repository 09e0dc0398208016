"""Weighted sums of functions of shifted values: what most of a likelihood consists of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from clvforecast.numerics.arrays import FloatArray
from clvforecast.numerics.blocks import blocks

__all__ = ["ShiftedSums", "dot", "inverse_square"]


class ShiftedSums:
    """Sums of ``weight * function(shift + value)``, for fixed values and weights.

    Parameters
    ----------
    values : ndarray, shape (n,)
    *weights : ndarray, shape (n,)
        As many kinds of weights as there are sums to form of every function.

    Examples
    --------
    >>> sums = ShiftedSums(np.array([0.0, 1.0]), np.array([1.0, 1.0]), np.array([1.0, 5.0]))
    >>> sums(1.0, np.reciprocal, inverse_square)
    array([[1.5 , 3.5 ],
           [1.25, 2.25]])
    """

    def __init__(self, values: FloatArray, *weights: FloatArray) -> None:
        self._values = values
        self._weights = weights

    def __call__(self, shift: float, *functions: Callable[[FloatArray], FloatArray]) -> FloatArray:
        """Sums of every function, shape (functions, kinds of weights)."""
        sums = np.zeros((len(functions), len(self._weights)))
        for values, *weights in blocks(self._values, *self._weights):
            shifted = shift + values
            for total, function in zip(sums, functions, strict=True):
                value = function(shifted)
                total += [weight @ value for weight in weights]
        return sums


def dot(first: FloatArray, second: FloatArray) -> float:
    """Sum of the products of two columns, to the same digits on however many cores.

    >>> dot(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    11.0
    """
    return sum(float(one @ other) for one, other in blocks(first, second))


def inverse_square(value: FloatArray) -> FloatArray:
    """``value ** -2``, which NumPy takes ten times as long for."""
    inverse = 1.0 / value
    return inverse * inverse
