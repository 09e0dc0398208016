"""Customers who joined in the same period, so that like is compared with like."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pandas as pd

from clvforecast.decisions.experiments.adjusting import FEWEST
from clvforecast.errors import DataError
from clvforecast.numerics.arrays import BoolArray, IntArray

__all__ = ["PERIODS", "check_join_period", "join_strata"]

PERIODS: Final = {"W": "week", "M": "month", "Q": "quarter", "Y": "year"}
_CHOSEN: Final = ("M", "Q", "Y")
_PER_STRATUM: Final = 20
"""Customers of each group in a period, on average, for the finest that is chosen."""


def check_join_period(period: str | None) -> None:
    """Raise `DataError` if it is none of a week, month, quarter or year, and not left open."""
    if period is not None and period not in PERIODS:
        raise DataError(
            f"join_period={period!r} must be one of {', '.join(map(repr, PERIODS))}, or None to "
            "choose by the size of the groups."
        )


def join_strata(
    first_order: pd.Series[Any], in_group: BoolArray, period: str | None
) -> tuple[str, IntArray]:
    """Put customers of two groups into strata by when they joined.

    Parameters
    ----------
    first_order : Series of datetime64, shape (n,)
    in_group : ndarray of bool, shape (n,)
    period : str or None
        As checked. None chooses the finest that the groups are large enough for, of which their
        outcomes know nothing.

    Returns
    -------
    str
        The period.
    ndarray of int, shape (n,)
        Codes from 0, or -1 of who has no counterpart: fewer than `FEWEST` customers of either
        group joined in that period.

    Examples
    --------
    >>> days = ["2024-01-05", "2024-01-09", "2024-01-20", "2024-01-31", "2024-05-01"]
    >>> in_group = np.array([True, True, False, False, True])
    >>> join_strata(pd.Series(pd.to_datetime(days)), in_group, "M")
    ('M', array([ 0,  0,  0,  0, -1]))
    """
    for chosen in _CHOSEN if period is None else (period,):
        codes, periods = pd.factorize(first_order.dt.to_period(chosen), sort=True)
        counts = np.stack(
            [np.bincount(codes[who], minlength=len(periods)) for who in (in_group, ~in_group)]
        )
        if (counts.sum(axis=1) >= _PER_STRATUM * (counts > 0).sum(axis=1)).all():
            break
    shared = (counts >= FEWEST).all(axis=0)
    numbers = np.where(shared, np.cumsum(shared) - 1, -1)
    return chosen, numbers[codes].astype(np.int64)
