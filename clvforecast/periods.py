"""A stretch of time cut into days, weeks, months or years."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from clvforecast.errors import DataError
from clvforecast.units import check_time_unit, days_per, duration_in_days, duration_in_units

if TYPE_CHECKING:
    import pandas as pd

    from clvforecast.units import Duration, TimeUnit

__all__ = ["Periods", "add_up", "calendar_periods", "last_day_ahead", "unit_periods"]

_ROUNDING: Final = 1e-6
"""Of a day: "39W" must be 273 days however a division rounds."""
_DAY: Final = dt.timedelta(days=1)


@dataclass(frozen=True)
class Periods:
    """Consecutive periods; the last may be cut short.

    Attributes
    ----------
    start : pandas.Index
        Named "period": the first day of each, or its number from 1 where dates are not known.
    end : pandas.Index
        The last day of each, or where it ends in time units.
    lengths : tuple of float
        How long each is: in days, or in time units where dates are not known.
    last_share : float
        Which part of a whole period the last one is, in (0, 1].
    in_days : bool
        Whether these are periods of the calendar.
    """

    start: pd.Index[Any]
    end: pd.Index[Any]
    lengths: tuple[float, ...]
    last_share: float

    in_days: bool

    def __len__(self) -> int:
        return len(self.lengths)


def last_day_ahead(after: dt.date, duration: Duration, time_unit: TimeUnit) -> dt.date:
    """The last whole day of a duration that begins the day after `after`.

    Whole months and years are the calendar's, whatever their number of days.

    >>> last_day_ahead(dt.date(1997, 9, 30), "39W", "W")
    datetime.date(1998, 6, 30)
    >>> last_day_ahead(dt.date(2023, 12, 31), "2M", "W")
    datetime.date(2024, 2, 29)
    """
    text = duration if isinstance(duration, str) else f"{float(duration):f}{time_unit}"
    days = duration_in_days(text, name="horizon")
    months = days / days_per("M")
    try:
        if text.strip()[-1].upper() in "MY" and math.isclose(months, round(months), rel_tol=1e-9):
            return _start(after + _DAY, round(months), "M") - _DAY
        return after + dt.timedelta(days=math.floor(days + _ROUNDING))
    except (OverflowError, ValueError):
        raise DataError(
            f"horizon={duration!r} after {after} ends where the calendar does not reach. "
            "Choose a shorter one."
        ) from None


def calendar_periods(after: dt.date, last: dt.date, period: str) -> Periods:
    """Cut the days after `after` up to `last` into periods.

    Each starts a whole number of calendar periods after the first, so that months which begin on
    the 31st do not drift.

    Raises
    ------
    DataError
        If not one whole period fits.

    Examples
    --------
    >>> months = calendar_periods(dt.date(2024, 1, 30), dt.date(2024, 4, 10), "M")
    >>> [f"{day:%Y-%m-%d}" for day in months.start], months.lengths
    (['2024-01-31', '2024-02-29', '2024-03-31'], (29.0, 31.0, 11.0))
    """
    import pandas as pd

    unit = check_period(period)
    first = after + _DAY
    starts: list[dt.date] = []
    while (start := _start(first, len(starts), unit)) <= last:
        starts.append(start)
    if not starts or (len(starts) == 1 and last < start - _DAY):
        days = f"{(last - after).days:,} day{'' if last == first else 's'}"
        raise DataError(
            f"period={period!r} is longer than the {days} after {after}. "
            "Choose a shorter period, or a longer time."
        )
    ends = [day - _DAY for day in starts[1:]] + [last]
    lengths = tuple(float((e - s).days + 1) for s, e in zip(starts, ends, strict=True))
    return Periods(
        start=pd.DatetimeIndex(starts, name="period").as_unit("us"),
        end=pd.DatetimeIndex(ends, name="end").as_unit("us"),
        lengths=lengths,
        last_share=lengths[-1] / (start - starts[-1]).days,
        in_days=True,
    )


def unit_periods(horizon: Duration, time_unit: str | None, period: str) -> Periods:
    """Cut a horizon into periods of equal length, where no day is known.

    Raises
    ------
    DataError
        If not one whole period fits, or the time unit would have to be known.

    Examples
    --------
    >>> unit_periods(10, "W", "M").lengths
    (4.348214285714286, 4.348214285714286, 1.3035714285714288)
    """
    import pandas as pd

    length = duration_in_units(horizon, time_unit)
    whole = duration_in_units(f"1{check_period(period)}", time_unit, name="period")
    count = math.ceil(length / whole - _ROUNDING)
    if length < whole * (1 - _ROUNDING):
        raise DataError(
            f"period={period!r} is longer than horizon={horizon!r}. "
            "Choose a shorter period, or look further ahead."
        )
    ends = [whole * (k + 1) for k in range(count - 1)] + [length]
    lengths = tuple([whole] * (count - 1) + [length - whole * (count - 1)])
    return Periods(
        start=pd.RangeIndex(1, count + 1, name="period"),
        end=pd.Index(ends, name="end"),
        lengths=lengths,
        last_share=min(lengths[-1] / whole, 1.0),
        in_days=False,
    )


def add_up(daily: pd.DataFrame, keys: list[str], periods: Periods) -> pd.DataFrame:
    """Sums of daily numbers by key and period of the calendar; 0 where there is none.

    Parameters
    ----------
    daily : DataFrame
        Columns `date`, the keys, and numbers. Earlier days than the first period do not count,
        but their keys do.
    keys : list of str
    periods : Periods

    Returns
    -------
    DataFrame
        Indexed by `period`, or by the keys and `period`; sorted.
    """
    import pandas as pd

    counted = daily[daily["date"] >= periods.start[0]]
    place = periods.start.searchsorted(counted["date"], side="right") - 1
    counted = counted.drop(columns="date").assign(period=periods.start[place])
    sums = counted.groupby([*keys, "period"] if keys else "period", dropna=False).sum()
    index = pd.Index(periods.start)
    if keys:
        present = daily[keys].drop_duplicates().sort_values(keys)
        index = pd.MultiIndex.from_frame(present.merge(index.to_frame(index=False), how="cross"))
    table: pd.DataFrame = sums.reindex(index, fill_value=0)
    return table


def check_period(period: str) -> TimeUnit:
    """Return `period` if it is a day, week, month or year, else raise `DataError`.

    >>> check_period("M")
    'M'
    """
    try:
        return check_time_unit(period)
    except DataError:
        raise DataError(
            f"period={period!r} is not a period. Use 'D' (day), 'W' (week), 'M' (month) or "
            "'Y' (year)."
        ) from None


def _start(first: dt.date, count: int, unit: TimeUnit) -> dt.date:
    """First day of the period that `count` others come before."""
    import pandas as pd

    if unit in ("D", "W"):
        return first + dt.timedelta(days=count * (7 if unit == "W" else 1))
    months = pd.DateOffset(months=count * (12 if unit == "Y" else 1))
    day: dt.date = (pd.Timestamp(first) + months).date()
    return day
