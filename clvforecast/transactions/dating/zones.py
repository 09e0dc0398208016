"""From an instant to a calendar day somewhere, as arithmetic that every engine does alike.

SQLite knows no time zones, DuckDB and Spark convert to the session's, and each brings its own
edition of the zone database. Seconds, comparisons and additions mean the same everywhere, so the
offsets come from Python's `zoneinfo`, spelt out for the years the orders span.
"""

from __future__ import annotations

import difflib
import itertools
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo, available_timezones

from clvforecast.errors import DataError

__all__ = ["OffsetChanges", "check_time_zone", "local_day", "offset_changes"]

#: (epoch second, offset from UTC in seconds from then on); the first one holds before, too.
OffsetChanges = tuple[tuple[int, int], ...]

_DAY: Final = 86_400
_FIRST_YEAR, _LAST_YEAR = 1970, 2060


def check_time_zone(tz: str) -> str:
    """Return `tz` if it is an IANA time zone, else raise `DataError`.

    >>> check_time_zone("Europe/Berlin")
    'Europe/Berlin'
    """
    known = available_timezones()
    if tz in known:
        return tz
    near = difflib.get_close_matches(str(tz), known, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise DataError(
        f"tz={tz!r} is not an IANA time zone such as 'Europe/Berlin' or 'Asia/Tehran'.{hint}"
    )


@lru_cache(maxsize=32)
def _all_changes(tz: str) -> OffsetChanges:
    zone = ZoneInfo(tz)

    def offset(epoch: int) -> int:
        delta = datetime.fromtimestamp(epoch, UTC).astimezone(zone).utcoffset()
        return int((delta or timedelta(0)).total_seconds())

    start, stop = (
        int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (_FIRST_YEAR, _LAST_YEAR)
    )
    changes = [(start, offset(start))]
    # No zone changes its offset twice within five days.
    for low, high in itertools.pairwise(range(start, stop, 5 * _DAY)):
        after = offset(high)
        if after == changes[-1][1]:
            continue
        before, since = low, high
        while since - before > 1:
            middle = (before + since) // 2
            before, since = (before, middle) if offset(middle) == after else (middle, since)
        changes.append((since, after))
    return tuple(changes)


def offset_changes(tz: str, first: float, last: float) -> OffsetChanges:
    """List the offsets of a zone from UTC between two epoch seconds.

    Examples
    --------
    Berlin in 2024, from January to December: winter, summer and winter time.

    >>> offset_changes("Europe/Berlin", 1704067200, 1733011200)
    ((1698541200, 3600), (1711846800, 7200), (1729990800, 3600))
    """
    changes = _all_changes(tz)
    begin = max((i for i, change in enumerate(changes) if change[0] <= first), default=0)
    return (changes[begin], *(change for change in changes[begin + 1 :] if change[0] <= last))


def local_day(epoch: Any, changes: OffsetChanges) -> Any:
    """Express the calendar day of an instant in seconds since 1970."""
    return (epoch + _offset(epoch, changes)).cast("timestamp('UTC')").date()


def _offset(epoch: Any, changes: OffsetChanges) -> Any:
    """Look the offset up in a balanced tree."""
    import ibis

    if len(changes) == 1:
        return ibis.literal(changes[0][1], "int64")
    middle = len(changes) // 2
    return ibis.ifelse(
        epoch < changes[middle][0],
        _offset(epoch, changes[:middle]),
        _offset(epoch, changes[middle:]),
    )
