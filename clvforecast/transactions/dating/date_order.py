"""Dates that cannot be read until someone says how: day first or month first, or in which zone."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Final

from clvforecast.errors import DataError
from clvforecast.transactions.dating.formats import LOOKS_ZONED
from clvforecast.transactions.engine import fetch_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    import ibis

    from clvforecast.transactions.dating.dates import DateColumn

__all__ = ["refuse_unstated_order", "suggest_format"]

_DAY_OR_MONTH_FIRST: Final = "^[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{2,4}([^0-9].*)?$"
_FIRST: Final = "^([0-9]{1,2})[-/.]"
_SECOND: Final = "^[0-9]{1,2}[-/.]([0-9]{1,2})[-/.]"
_TIMES: Final = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p", "T%H:%M:%S")
_DATES: Final = (
    *("%Y/%m/%d", "%Y.%m.%d", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y"),
    *("%d-%b-%Y", "%d-%b-%y", "%b %d %Y", "%Y-%m-%d", "%Y%m%d"),
)


def suggest_format(examples: Sequence[str], dates: Sequence[str] = _DATES) -> str | None:
    """Find a format that reads every example: one of `dates`, with or without a time of day.

    >>> suggest_format(["2024/03/01 10:00"])
    '%Y/%m/%d %H:%M'
    >>> suggest_format(["31.12.24 09:15"], ["%d.%m.%y"])
    '%d.%m.%y %H:%M'
    >>> suggest_format(["next week"])
    """
    for candidate in (date + time for date in dates for time in _TIMES):
        try:
            for text in examples:
                datetime.strptime(text, candidate)
        except ValueError:
            continue
        return candidate
    return None


def refuse_unstated_order(
    column: DateColumn, bad: ibis.Table, readable: int, examples: Sequence[str]
) -> None:
    """Raise `DataError` if the unreadable dates can be read once the user says how.

    Parameters
    ----------
    column : DateColumn
    bad : ibis.Table
        The rows whose date could not be read.
    readable : int
        Rows whose date could: when they are the more, the others are only counted, because no
        one format reads both.
    examples : sequence of str
        Some of the unreadable dates.
    """
    text = column.text(bad).lower()
    seen = fetch_row(
        bad.mutate(_text=text)
        .pipe(lambda rows: rows.mutate(_numeric=rows._text.re_search(_DAY_OR_MONTH_FIRST)))
        .pipe(_extremes)
    )
    shown = ", ".join(map(repr, examples))
    if seen["zoned"] and column.tz is None:
        raise DataError(
            f"The dates in {column.label!r} are instants with a time zone (such as "
            f"{seen['zoned_example']!r}); which calendar day they fall on depends on the place. "
            "Pass tz=, such as tz='Europe/Berlin'."
        )
    if column.date_format is not None:
        return
    if seen["numeric"] > readable:
        _refuse_numeric(column.label, seen["example"], seen["first"], seen["second"])
    other = suggest_format(examples)
    if other is not None and not readable:
        raise DataError(
            f"The dates in {column.label!r} are not ISO (YYYY-MM-DD), such as {shown}. "
            f"Pass date_format={other!r}."
        )


def _extremes(rows: ibis.Table) -> ibis.Table:
    """Aggregate what tells day first from month first."""
    import ibis

    numeric = ibis.ifelse(rows._numeric, rows._text, ibis.null("string"))
    rows = rows.mutate(_numeric_text=numeric)
    rows = rows.mutate(
        _first=_digits(rows._numeric_text.re_extract(_FIRST, 1)),
        _second=_digits(rows._numeric_text.re_extract(_SECOND, 1)),
        _zoned=rows._text.re_search(LOOKS_ZONED),
    )
    return rows.agg(
        numeric=rows.count(where=rows._numeric),
        example=rows._numeric_text.max(),
        first=rows._first.max(),
        second=rows._second.max(),
        zoned=rows.count(where=rows._zoned),
        zoned_example=rows._text.max(where=rows._zoned),
    )


def _digits(text: ibis.Value) -> ibis.Value:
    return text.nullif("").cast("int64")


def _refuse_numeric(name: str, example: str, first: int, second: int) -> None:
    """Say which of day and month comes first if the values can tell, and what to pass."""
    mark = next(character for character in example if character in "-/.")
    century = re.match("^[0-9]+[-/.][0-9]+[-/.][0-9]{4}", example)
    year = "%Y" if century else "%y"

    def complete(*order: str) -> str:
        date = mark.join((*order, year))
        return suggest_format([example.upper()], [date]) or date

    day_first, month_first = complete("%d", "%m"), complete("%m", "%d")
    start = f"The dates in {name!r} (such as {example!r})"
    if first > 12 and second > 12:
        raise DataError(
            f"{start} mix D/M/Y and M/D/Y: in some the first number is above 12, in others the "
            "second. Write them as YYYY-MM-DD."
        )
    if first > 12:
        raise DataError(f"{start} are D/M/Y, not ISO. Pass date_format={day_first!r}.")
    if second > 12:
        raise DataError(f"{start} are M/D/Y, not ISO. Pass date_format={month_first!r}.")
    raise DataError(
        f"{start} are ambiguous: D/M/Y or M/D/Y. Pass date_format={day_first!r} if the day comes "
        f"first, date_format={month_first!r} if the month does."
    )
