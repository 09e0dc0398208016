"""Array types, and working on the distinct values of an array only."""

from __future__ import annotations

import math
from typing import Final, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clvforecast.numerics.blocks import blocks, blockwise
from clvforecast.units import TimeUnit, days_per

__all__ = [
    "ArrayLike",
    "BoolArray",
    "FloatArray",
    "IntArray",
    "distinct",
    "distinct_rows",
    "settled",
    "sums_by_code",
    "weighted_rows",
]

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]

_SETTLED_DIGITS: Final = 12
_LARGEST_CODE: Final = 2**62
_GRIDS: Final = tuple(days_per(unit) for unit in get_args(TimeUnit))
"""Points per unit of grids that counts, and times of whole days in any unit, lie on."""


def distinct(values: FloatArray) -> tuple[FloatArray, IntArray]:
    """Sorted distinct values, and for every element the position of its value among them.

    >>> distinct(np.array([3.0, 1.0, 3.0]))
    (array([1., 3.]), array([1, 0, 1]))
    """
    if values.size and not any(values.strides):
        return values.ravel()[:1].copy(), np.zeros(values.shape, dtype=np.int64)
    found = _on_grid(values)
    if found is not None:
        points, places = found
        present, positions = _renumbered(places, points.size)
        return points[present], positions
    # Sorting values and searching them takes a fraction of the time of an indirect sort.
    levels = np.unique(values)
    return levels, np.searchsorted(levels, values)


def _on_grid(values: FloatArray) -> tuple[FloatArray, IntArray] | None:
    """Points of a grid, and which of them each value is; None unless all are on a short grid."""
    low, high = values.min(initial=np.inf), values.max(initial=-np.inf)
    for per_unit in _GRIDS:
        length = (high - low) * per_unit
        first = np.rint(low * per_unit)
        if length < _longest_table(values.size):
            places = _steps(values.ravel(), per_unit, first)
            if places is not None:
                points = (first + np.arange(np.rint(length) + 1.0)) / per_unit
                return points, places.reshape(values.shape)
    return None


def _steps(values: FloatArray, per_unit: float, first: float) -> IntArray | None:
    """How many steps of a grid lie between `first` and each value; None if one is not on it."""
    places = np.empty(values.size, dtype=np.int64)
    for part, place in blocks(values, places):
        steps = np.rint(part * per_unit)
        if not np.array_equal(steps / per_unit, part):
            return None
        place[:] = steps - first
    return places


def distinct_rows(*columns: FloatArray) -> tuple[list[FloatArray], IntArray]:
    """Distinct rows of equally long columns, and for every row the position of its values.

    Returns
    -------
    levels : list of ndarray, shape (m,)
        The columns of the distinct rows, in lexicographic order.
    codes : ndarray of int, shape (n,)

    Examples
    --------
    >>> levels, codes = distinct_rows(np.array([2.0, 1.0, 2.0]), np.array([5.0, 5.0, 5.0]))
    >>> levels, codes
    ([array([1., 2.]), array([5., 5.])], array([1, 0, 1]))
    """
    levels, sizes, codes = _row_codes(*columns)
    present, positions = _renumbered(codes, math.prod(sizes))
    return _rows(levels, sizes, present), positions


def sums_by_code(codes: IntArray, values: FloatArray, size: int) -> FloatArray:
    """Sum of the values of every code below `size`.

    >>> sums_by_code(np.array([0, 2, 0]), np.array([1.0, 5.0, 2.0]), 3)
    array([3., 0., 5.])
    """
    return np.bincount(codes, values, size).astype(np.float64, copy=False)


def settled(values: ArrayLike) -> FloatArray:
    """Values to twelve digits, so that equal ones tie in whatever order their parts were added up.

    >>> bool(settled(0.1 + 0.2) == settled(0.3)), settled([133.95, 0.0, -2.5e-7])
    (True, array([ 1.3395e+02,  0.0000e+00, -2.5000e-07]))
    """
    values = np.asarray(values, dtype=float)
    size = np.maximum(np.abs(values), np.finfo(float).tiny)
    decimals = np.minimum(_SETTLED_DIGITS - 1 - np.floor(np.log10(size)), 300.0)
    # Powers of ten below one are no binary fractions: to divide by one above it is exact.
    above, below = 10.0 ** np.maximum(decimals, 0.0), 10.0 ** np.maximum(-decimals, 0.0)
    return np.asarray(np.round(values * above / below) / above * below)


def weighted_rows(*columns: FloatArray, weights: FloatArray) -> tuple[list[FloatArray], FloatArray]:
    """Distinct rows of equally long columns, and the sum of the weights of each.

    >>> weighted_rows(np.array([2.0, 1.0, 2.0]), weights=np.array([1.0, 1.0, 3.0]))
    ([array([1., 2.])], array([1., 4.]))
    """
    levels, sizes, codes = _row_codes(*columns)
    if np.all(weights == 1.0):
        # NumPy sorts small numbers faster.
        small = codes.astype(np.min_scalar_type(math.prod(sizes)))
        present, counts = np.unique(small, return_counts=True)
        return _rows(levels, sizes, present), counts.astype(float)
    present, positions = _renumbered(codes, math.prod(sizes))
    return _rows(levels, sizes, present), sums_by_code(positions, weights, present.size)


def _row_codes(*columns: FloatArray) -> tuple[list[FloatArray], tuple[int, ...], IntArray]:
    """Values that each column may have, how many they are, and one number for every row."""
    found = [_on_grid(column) or distinct(column) for column in columns]
    levels = [values for values, _ in found]
    sizes = tuple(values.size for values in levels)
    if math.prod(sizes) >= _LARGEST_CODE:
        rows, codes = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
        return list(rows.T), (len(rows),), codes.reshape(columns[0].shape)

    def combined(*places: IntArray) -> IntArray:
        code = places[0]
        for size, place in zip(sizes[1:], places[1:], strict=True):
            code = code * size + place
        return code

    return levels, sizes, blockwise(combined, *(places for _, places in found))


def _rows(levels: list[FloatArray], sizes: tuple[int, ...], codes: IntArray) -> list[FloatArray]:
    """The columns of the rows that codes stand for."""
    if len(sizes) == 1:
        return [column[codes] for column in levels]
    places = np.unravel_index(codes, sizes)
    return [column[place] for column, place in zip(levels, places, strict=True)]


def _renumbered(codes: IntArray, bound: int) -> tuple[IntArray, IntArray]:
    """Distinct codes below `bound` in order, and every code's position among them."""
    if bound > _longest_table(codes.size):
        return np.unique(codes, return_inverse=True)
    seen = np.zeros(bound, dtype=bool)
    seen[codes] = True
    return np.flatnonzero(seen), (np.cumsum(seen) - 1)[codes]


def _longest_table(size: int) -> int:
    """How long a table may be that so many elements are looked up in."""
    return 4 * size + 1000
