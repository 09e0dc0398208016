"""Array types, and working on the distinct values of an array only."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["ArrayLike", "BoolArray", "FloatArray", "IntArray", "distinct", "distinct_rows"]

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]


def distinct(values: FloatArray) -> tuple[FloatArray, IntArray]:
    """Sorted distinct values, and for every element the position of its value among them.

    Sorting values and searching them takes a fraction of the time of an indirect sort.

    >>> distinct(np.array([3.0, 1.0, 3.0]))
    (array([1., 3.]), array([1, 0, 1]))
    """
    if values.size and not any(values.strides):
        return values.ravel()[:1].copy(), np.zeros(values.shape, dtype=np.int64)
    levels = np.unique(values)
    return levels, np.searchsorted(levels, values)


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
    codes, size = np.zeros(columns[0].shape, dtype=np.int64), 1
    for column in columns:
        levels, column_codes = distinct(column)
        codes, size = _renumbered(codes * levels.size + column_codes, size * levels.size)
    example = np.empty(size, dtype=np.int64)
    example[codes] = np.arange(codes.size)
    return [column[example] for column in columns], codes


def _renumbered(codes: IntArray, bound: int) -> tuple[IntArray, int]:
    """Codes below `bound` renumbered without gaps, and how many there are."""
    if bound > 4 * codes.size + 1000:
        levels = np.unique(codes)
        return np.searchsorted(levels, codes), levels.size
    seen = np.zeros(bound, dtype=bool)
    seen[codes] = True
    ranks = np.cumsum(seen)
    return (ranks - 1)[codes], int(ranks[-1])
