"""The ends of weeks, months and quarters that a log is watched at."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

import pandas as pd

from clvforecast.errors import DataError
from clvforecast.metrics.checks import checked_count
from clvforecast.transactions.table import as_day

if TYPE_CHECKING:
    from clvforecast.transactions import Transactions

__all__ = ["CHECKS_PER_YEAR", "REVIEWS_PER_YEAR", "check_watched_period", "closes_quarter"]
__all__ += ["following", "preceding", "watched_days"]

CHECKS_PER_YEAR: Final = {"W": 52, "M": 12, "Q": 4}
"""By how often a log is looked at; weeks end on Sundays."""
REVIEWS_PER_YEAR: Final = 4
_FREQUENCY: Final = {"W": "W-SUN", "M": "ME", "Q": "QE"}
_UNLESS_SAID: Final = 12
_WARM_UP: Final = dt.timedelta(days=91)
"""Of the log, before it is first looked at."""


def check_watched_period(period: str) -> str:
    """Return `period` if a log can be watched by it, else raise `DataError`.

    >>> check_watched_period("M")
    'M'
    """
    if period not in _FREQUENCY:
        raise DataError(
            f"period={period!r}. Use 'W' (weeks that end on Sundays), 'M' (months) or 'Q' "
            "(quarters)."
        )
    return period


def following(day: dt.date, period: str) -> dt.date:
    """The first end of a period after a day.

    >>> following(dt.date(2024, 1, 31), "M"), following(dt.date(2024, 1, 30), "Q")
    (datetime.date(2024, 2, 29), datetime.date(2024, 3, 31))
    """
    end: dt.date = (pd.Timestamp(day) + pd.tseries.frequencies.to_offset(_FREQUENCY[period])).date()
    return end


def preceding(day: dt.date, period: str) -> dt.date:
    """The last end of a period before a day.

    >>> preceding(dt.date(2024, 2, 29), "M")
    datetime.date(2024, 1, 31)
    """
    end: dt.date = (pd.Timestamp(day) - pd.tseries.frequencies.to_offset(_FREQUENCY[period])).date()
    return end


def closes_quarter(day: dt.date, period: str) -> bool:
    """Whether the next period ends in another quarter of the year: so do four ends a year.

    >>> [closes_quarter(dt.date(2024, month, 1), "M") for month in (2, 3)]
    [False, False]
    >>> closes_quarter(dt.date(2024, 3, 31), "M"), closes_quarter(dt.date(2024, 3, 31), "W")
    (True, True)
    """
    after = following(day, period)
    return (day.year, (day.month - 1) // 3) != (after.year, (after.month - 1) // 3)


def watched_days(
    orders: Transactions,
    period: str,
    *,
    start: str | dt.date | None,
    end: str | dt.date | None,
    n: int | None,
) -> list[dt.date]:
    """The ends of periods to look at, in their order; see `monitor`."""
    if start is not None and n is not None:
        raise DataError("Give start= or n=, not both.")
    first, until = orders.quality.first_day, orders.until
    if first is None:
        raise DataError("There are no orders to watch.")
    last = until if end is None else as_day(end, "end")
    if last > until:
        raise DataError(
            f"end={last} is after the end of observation, {until}. Choose an earlier day, or read "
            "the orders with until=."
        )
    count = _UNLESS_SAID if n is None else checked_count(n, "n", 1)
    begin = first if start is None else as_day(start, "start")
    if begin < first:
        raise DataError(f"start={begin} is before the first order, of {first}. Begin later.")
    if start is None and n is None:
        begin = first + _WARM_UP
        if begin > last:
            raise DataError(
                f"The orders are of {(last - first).days + 1:,} days, from {first} to {last}, and "
                f"are watched from {_WARM_UP.days} days on. Pass start= to begin earlier."
            )
    days: list[dt.date] = []
    if begin <= last:
        days = [day.date() for day in pd.date_range(begin, last, freq=_FREQUENCY[period])]
    if start is None:
        days = days[-count:]
    if not days or (n is not None and len(days) < n):
        raise DataError(
            f"There are {len(days)} ends of periods (period={period!r}) from {begin} to {last}. "
            + (f"Ask for fewer than n={n}." if n is not None else "Begin earlier, with start=.")
        )
    return days
