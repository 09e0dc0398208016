"""A day that somebody states."""

from __future__ import annotations

import datetime as dt

from clvforecast.errors import DataError

__all__ = ["as_day"]


def as_day(value: str | dt.date, name: str) -> dt.date:
    """Read a stated day: ISO text, a date or a timestamp without a time of day that matters.

    >>> as_day("2024-03-01", "until")
    datetime.date(2024, 3, 1)
    """
    try:
        if isinstance(value, str):
            return dt.date.fromisoformat(value.strip())
        if isinstance(value, dt.datetime):  # NaT too, whose date() is NaT
            value = value.date()
        if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
            return value
    except ValueError:
        pass
    raise DataError(f"{name}={value!r} is not a day. Write it as YYYY-MM-DD, such as '2024-12-31'.")
