"""What the scores are given, checked once."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clvforecast.errors import DataError

__all__ = ["FloatArray", "checked", "checked_count", "checked_level"]

FloatArray = NDArray[np.float64]


def checked(**arrays: ArrayLike) -> list[FloatArray]:
    """The arrays as floats: one value per customer each, finite and equally many.

    Raises
    ------
    DataError
        If they are empty, of different lengths, or hold what is no finite number.

    Examples
    --------
    >>> checked(actual=[1, 0], predicted=[0.5, 0.2])
    [array([1., 0.]), array([0.5, 0.2])]
    """
    found = {}
    for name, values in arrays.items():
        try:
            array = np.asarray(values, dtype=float)
        except (TypeError, ValueError) as error:
            raise DataError(f"{name} must hold numbers: {error}.") from error
        if array.ndim != 1 or not array.size:
            raise DataError(
                f"{name} has shape {array.shape}. Give one value per customer, of at least one."
            )
        bad = ~np.isfinite(array)
        if bad.any():
            raise DataError(
                f"{bad.sum():,} of {array.size:,} values of {name} are missing or infinite "
                f"(first: at position {int(bad.argmax())}). Leave these customers out of all "
                "arrays, or fill in what is meant."
            )
        found[name] = array
    sizes = {name: array.size for name, array in found.items()}
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{name} {size:,}" for name, size in sizes.items())
        raise DataError(f"The arrays hold different numbers of customers: {told}.")
    return list(found.values())


def checked_level(level: float) -> float:
    """Return `level` if it is the probability of an interval, else raise `DataError`."""
    if not 0 < level < 1:
        raise DataError(f"level={level!r} must lie between 0 and 1, such as 0.90.")
    return float(level)


def checked_count(value: int, name: str, least: int) -> int:
    """Return `value` if it is a whole number of at least so much, else raise `DataError`."""
    if not isinstance(value, int | np.integer) or value < least:
        raise DataError(f"{name}={value!r} must be a whole number, {least} or more.")
    return int(value)
