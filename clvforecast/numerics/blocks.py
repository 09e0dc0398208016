"""Long arrays a block at a time, so that what lies in between stays in the cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["blocks", "blockwise"]

_AT_ONCE: Final = 2**13
"""No more than 10,000: for sums of more products OpenBLAS wakes threads, which cost more than they
save in sums of this length, most of all where others use the cores, too."""


def blocks(*columns: NDArray[Any]) -> Iterator[tuple[NDArray[Any], ...]]:
    """Parts of equally long columns, shape (n,), that fit in the cache together.

    >>> [part.size for part, in blocks(np.zeros(40_000))]
    [8192, 8192, 8192, 8192, 7232]
    """
    for first in range(0, columns[0].size, _AT_ONCE):
        yield tuple(column[first : first + _AT_ONCE] for column in columns)


def blockwise(function: Callable[..., NDArray[Any]], *columns: ArrayLike) -> NDArray[Any]:
    """Value of an elementwise function, worked out block by block; the arguments broadcast.

    A formula of ten steps then goes through memory once and not ten times, which is what it costs
    to work it out for a million customers.

    >>> blockwise(lambda x, y: x + y, [1.0, 2.0], 3.0)
    array([4., 5.])
    """
    arrays = [np.asarray(column) for column in columns]
    shape = np.broadcast_shapes(*(array.shape for array in arrays))
    if np.prod(shape) <= _AT_ONCE:
        return np.asarray(function(*arrays))
    flat = [array.reshape(-1) for array in np.broadcast_arrays(*arrays)]
    parts = (function(*part) for part in blocks(*flat))
    first = next(parts)
    values = np.empty(flat[0].size, first.dtype)
    values[: first.size] = first
    filled = first.size
    for part in parts:
        values[filled : filled + part.size] = part
        filled += part.size
    return values.reshape(shape)
