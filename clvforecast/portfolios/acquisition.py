"""A plan of customers still to be acquired, read from whatever form it was given in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from clvforecast.errors import DataError, suggest
from clvforecast.numerics.arrays import FloatArray
from clvforecast.periods import Periods

__all__ = ["Plan", "acquisition_plan"]

PerPeriod: TypeAlias = "float | Sequence[float] | FloatArray | pd.Series[Any]"
Plan: TypeAlias = "PerPeriod | Mapping[Any, PerPeriod] | pd.DataFrame"


def acquisition_plan(given: Plan, periods: Periods, segments: pd.Index[Any] | None) -> FloatArray:
    """Customers to be acquired per segment and period.

    Parameters
    ----------
    given : number, sequence, Series, mapping or DataFrame
        As `portfolio` takes it.
    periods : Periods
    segments : pandas.Index or None
        None is one segment without a name.

    Returns
    -------
    ndarray, shape (segments, periods)

    Raises
    ------
    DataError
        If it names a segment that is not there, has another number of periods, or holds what is
        no number of customers.
    """
    by_segment = isinstance(given, Mapping | pd.DataFrame)
    if segments is None:
        if by_segment:
            raise DataError(
                "new_customers has one plan per segment, but the portfolio has no segments. "
                "Pass by=, or a number of customers per period."
            )
        return _per_period(given, periods, "new_customers")[None, :]
    if not isinstance(given, Mapping | pd.DataFrame):
        raise DataError(
            f"new_customers={given!r} does not say which segment they join. With by=, pass a plan "
            f"per segment, such as {{{segments[0]!r}: 100}}."
        )
    plan = np.zeros((len(segments), len(periods)))
    for key in given:
        if key not in segments:
            raise DataError(
                f"new_customers is planned for {key!r}, which is no segment of these customers. "
                f"{suggest(str(key), map(str, segments))}"
            )
        name = f"new_customers[{key!r}]"
        plan[segments.get_loc(key)] = _per_period(given[key], periods, name)
    return plan


def _per_period(given: Any, periods: Periods, name: str) -> FloatArray:
    """Customers per period; of a number for each, a shorter last period gets its share."""
    if isinstance(given, pd.Series) and not isinstance(given.index, pd.RangeIndex):
        if not given.index.is_unique or set(given.index) != set(periods.start):
            raise DataError(
                f"{name} is not indexed by the {len(periods)} periods from {periods.start[0]} to "
                f"{periods.start[-1]}. Index it by the first day of each, or pass a list."
            )
        given = given.reindex(periods.start)
    try:
        values = np.asarray(given, dtype=float)
    except (TypeError, ValueError):
        values = np.array(np.nan)
    if isinstance(given, bool | np.bool_) or not np.all(np.isfinite(values) & (values >= 0)):
        raise DataError(
            f"{name}={given!r} must be numbers of customers, 0 or more: one for every period, or "
            f"one for each of the {len(periods)}."
        )
    if values.ndim == 0:
        plan = np.full(len(periods), float(values))
        plan[-1] *= periods.last_share
        return plan
    if values.shape != (len(periods),):
        raise DataError(
            f"{name} has {values.size:,} values for {len(periods):,} periods. Give one for each, "
            "or a single number."
        )
    return values
