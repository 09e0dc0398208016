"""Totals of amounts each of which is there or not."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from clvforecast.errors import DataError
from clvforecast.numerics.arrays import FloatArray, IntArray

__all__ = ["check_simulations", "total_limits"]

_AT_ONCE: Final = 2**21
_ROUNDING: Final = 1e-9


def check_simulations(level: float, simulations: int) -> None:
    """Raise `DataError` unless so many simulations can tell an interval of this probability."""
    if not 0 < level < 1:
        raise DataError(f"level={level!r} must lie between 0 and 1, such as 0.90.")
    if not isinstance(simulations, int | np.integer) or isinstance(simulations, bool):
        raise DataError(f"simulations={simulations!r} must be a whole number.")
    needed = math.ceil(2 / (1 - level) - _ROUNDING) - 1
    if simulations < needed:
        raise DataError(
            f"level={level!r} needs {needed:,} simulations at least; there are {simulations:,}. "
            "Pass simulations=."
        )


def total_limits(
    amounts: FloatArray,
    probabilities: FloatArray,
    segment: IntArray,
    segments: int,
    *,
    level: float,
    simulations: int,
    rng: np.random.Generator,
) -> FloatArray:
    """Predictive limits of the totals of every segment and of all.

    Parameters
    ----------
    amounts : ndarray, shape (n,)
    probabilities : ndarray, shape (n,)
        That an amount is there, independently of the others.
    segment : ndarray of int, shape (n,)
    segments : int
    level : float
    simulations : int
        Totals that are drawn; one more lies between the limits with probability `level`.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (2, segments + 1)
        Of all together last.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> total_limits(np.ones(400), np.full(400, 0.5), np.zeros(400, dtype=int), 1,
    ...              level=0.9, simulations=2_000, rng=rng)
    array([[183., 183.],
           [217., 217.]])
    """
    drawn = np.zeros((simulations, segments + 1))
    # Most customers are surely there, or worth nothing: they need no coin.
    some = np.flatnonzero((amounts > 0) & (probabilities > 0))
    some = some[np.argsort(segment[some], kind="stable")]
    if some.size:
        present, firsts = np.unique(segment[some], return_index=True)
        amounts, probabilities = amounts[some], probabilities[some]
        step = max(1, _AT_ONCE // some.size)
        for first in range(0, simulations, step):
            rows = slice(first, min(first + step, simulations))
            there = rng.random((rows.stop - rows.start, some.size)) < probabilities
            drawn[rows, present] = np.add.reduceat(there * amounts, firsts, axis=1)
        drawn[:, -1] = drawn[:, :-1].sum(axis=1)
    lower = math.floor((simulations + 1) * (1 - level) / 2 + _ROUNDING) - 1
    ranks = [lower, simulations - 1 - lower]
    return np.asarray(np.partition(drawn, ranks, axis=0)[ranks])
