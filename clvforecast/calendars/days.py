"""What the calendar says of days: month, week of the year, weekday, and the time of the year."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clvforecast.errors import DataError
from clvforecast.numerics.arrays import FloatArray, IntArray

__all__ = [
    "CYCLE",
    "MONTHS",
    "WEEKDAYS",
    "Days",
    "as_date",
    "day_range",
    "month",
    "week",
    "weekday",
    "year_share",
]

Days: TypeAlias = NDArray[np.datetime64]

CYCLE: Final = 146_097
"""Days in 400 years, after which dates, weekdays and weeks of the year repeat."""
MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
WEEKDAYS: Final = (
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
)
_EPOCH_WEEKDAY: Final = 3
"""1970-01-01, the day 0 of datetime64, was a Thursday."""
_THURSDAY: Final = 3
_LAST_WEEK: Final = 52


def as_date(value: Any, name: str) -> dt.date:
    """Read a day: ISO text, a date, or a timestamp at whatever time of the day.

    >>> as_date("2024-02-29", "until"), as_date(np.datetime64("2024-02-29T12"), "until")
    (datetime.date(2024, 2, 29), datetime.date(2024, 2, 29))
    """
    try:
        if isinstance(value, str):
            return dt.date.fromisoformat(value.strip())
        if isinstance(value, np.datetime64):
            value = value.astype("datetime64[D]").astype(object)
        if isinstance(value, dt.datetime):  # NaT too, whose date() is NaT
            value = value.date()
        if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
            return value
    except ValueError:
        pass
    raise DataError(f"{name}={value!r} is not a day. Write it as YYYY-MM-DD, such as '2024-12-31'.")


def day_range(first: dt.date, last: dt.date) -> Days:
    """All days from the first to the last.

    >>> day_range(dt.date(2024, 2, 28), dt.date(2024, 3, 1)).astype(str)
    array(['2024-02-28', '2024-02-29', '2024-03-01'], dtype='<U28')
    """
    return np.arange(np.datetime64(first, "D"), np.datetime64(last, "D") + 1)


def month(days: Days) -> IntArray:
    """Month of each day, from 0 for January.

    >>> month(day_range(dt.date(2024, 1, 31), dt.date(2024, 2, 1)))
    array([0, 1])
    """
    return np.asarray(days.astype("datetime64[M]").astype(np.int64) % 12)


def weekday(days: Days) -> IntArray:
    """Day of the week, from 0 for Monday.

    >>> weekday(day_range(dt.date(2024, 12, 29), dt.date(2024, 12, 30)))
    array([6, 0])
    """
    return np.asarray((days.astype(np.int64) + _EPOCH_WEEKDAY) % 7)


def week(days: Days) -> IntArray:
    """ISO week of the year, from 1; the 53rd, which few years have, counts as the 52nd.

    Weeks begin on Mondays, and the first of a year is the one that holds its first Thursday.

    >>> week(np.array(["2021-01-03", "2021-01-04", "2024-12-30"], "datetime64[D]"))
    array([52,  1,  1])
    """
    thursday = days + (_THURSDAY - weekday(days))
    since_new_year = (thursday - thursday.astype("datetime64[Y]")).astype(np.int64)
    return np.asarray(np.minimum(since_new_year // 7 + 1, _LAST_WEEK))


def year_share(days: Days) -> FloatArray:
    """How much of its year is over at the middle of each day, whether or not it is a leap year.

    >>> year_share(np.array(["2024-07-01", "2023-07-02"], "datetime64[D]"))
    array([0.49863388, 0.5       ])
    """
    year = days.astype("datetime64[Y]")
    start, end = year.astype("datetime64[D]"), (year + 1).astype("datetime64[D]")
    return np.asarray(((days - start).astype(float) + 0.5) / (end - start).astype(float))
