"""What every model of purchases asks of a horizon, a discount rate and changed rates."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from clvforecast.errors import DataError
from clvforecast.numerics.arrays import ArrayLike, BoolArray, FloatArray

__all__ = [
    "FORGOTTEN",
    "check_factors",
    "check_rate",
    "checked_counts",
    "checked_horizon",
    "checked_probability",
]

FORGOTTEN: Final = 45.0
"""exp(-45) = 3e-20: what lies further ahead than this many discount times adds nothing."""


def checked_horizon(t: ArrayLike, *, rate: float = 0.0) -> FloatArray:
    """Lengths of time ahead as an array; raise `DataError` if one is negative.

    >>> print(checked_horizon(39))
    39.0
    """
    check_rate(rate)
    horizon = np.asarray(t, dtype=float)
    if not np.all(horizon >= 0):
        raise DataError(f"t={t!r} must be 0 or more: a length of time ahead, in time units.")
    if rate > 0 and horizon.ndim:
        raise DataError("With a discount rate, t must be one horizon, not an array.")
    return horizon


def check_rate(rate: float) -> None:
    """Raise `DataError` unless a discount rate can be one."""
    if rate < 0 or not math.isfinite(rate):
        raise DataError(f"rate={rate!r} must be 0 or more and finite, per time unit.")


def check_factors(**factors: float) -> None:
    """Raise `DataError` unless every factor is positive and finite."""
    for name, factor in factors.items():
        if not (factor > 0 and math.isfinite(factor)):
            raise DataError(f"{name}={factor!r} must be above 0 and finite: a factor, 1 for as is.")


def checked_counts(n: ArrayLike) -> FloatArray:
    """Numbers of purchases as an array; raise `DataError` unless they are counts."""
    counts = np.asarray(n, dtype=float)
    whole: BoolArray = (counts >= 0) & (counts == np.floor(counts))
    if not np.all(whole):
        raise DataError("n must be whole numbers of purchases, 0 or more.")
    return counts


def checked_probability(q: ArrayLike) -> FloatArray:
    """Probabilities as an array; raise `DataError` if one is none."""
    chance = np.asarray(q, dtype=float)
    if not np.all((chance >= 0) & (chance <= 1)):
        raise DataError(f"q={chance.tolist()!r} must be probabilities, from 0 to 1.")
    return chance
