"""Any date column -> whole local calendar days.

A date is read strictly or not at all: what is not exactly a date in the stated format becomes
NULL here and is counted by `cleaning`. Nothing is guessed.

Optimisers copy an expression to every place that uses it, so the expressions here use each step
once or twice: text -> text "YYYY-MM-DD" -> date, and seconds only where there is a zone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from clvforecast.errors import DataError
from clvforecast.transactions.dating.formats import DAY, ISO, ISO_ZONED, MONTHS, ZONE, FormatPattern
from clvforecast.transactions.dating.zones import OffsetChanges, local_day, offset_changes
from clvforecast.transactions.engine import fetch_row

if TYPE_CHECKING:
    import ibis

__all__ = ["DateColumn"]


@dataclass(frozen=True)
class DateColumn:
    """How to read one column of dates.

    Parameters
    ----------
    name : str
        The column.
    label : str
        What messages call it: its name in the source.
    dtype : ibis.DataType
        Its type as the engine declares it.
    loose : bool
        The engine stores anything in any column (SQLite): read the values as text.
    date_format : str or None
        A strftime-style format of text; None is ISO 8601.
    tz : str or None
        The IANA time zone whose calendar days count, for instants.
    changes : tuple
        The offsets of that zone in the years of the column; see `spanning`.
    """

    name: str
    label: str
    dtype: Any
    loose: bool
    date_format: str | None
    tz: str | None
    changes: OffsetChanges = ()

    def __post_init__(self) -> None:
        if self.is_text:
            if "z" in self._parts and self.tz is None:
                raise DataError(
                    f"date_format={self.date_format!r} reads instants with a time zone. Pass tz=, "
                    "the place whose calendar days count, such as tz='Europe/Berlin'."
                )
        elif self.dtype.is_timestamp():
            if self._is_instant and self.tz is None:
                raise DataError(
                    f"The dates in {self.label!r} are instants with a time zone; which calendar "
                    "day they fall on depends on the place. Pass tz=, such as tz='Europe/Berlin'."
                )
        elif self.dtype.is_numeric():
            raise DataError(
                f"The date column {self.label!r} holds numbers ({self.dtype}), and what they count "
                "is not known. Convert it first: text such as 20240301 is read as it is; seconds "
                "since 1970 become dates with "
                f"pandas.to_datetime(orders[{self.label!r}], unit='s')."
            )
        elif not self.dtype.is_date():
            raise DataError(
                f"The date column {self.label!r} has the type {self.dtype}, which is not a date. "
                "Give dates, timestamps or text such as 2024-03-01."
            )

    @property
    def is_text(self) -> bool:
        """Whether the values are read as text."""
        return bool(self.loose or self.dtype.is_string())

    @property
    def _is_instant(self) -> bool:
        return bool(self.dtype.is_timestamp() and self.dtype.timezone is not None)

    @property
    def _parts(self) -> dict[str, str]:
        """Expressions for the directives of `date_format`; none for ISO."""
        return {} if self.date_format is None else FormatPattern.of(self.date_format).parts

    def spanning(self, table: ibis.Table) -> DateColumn:
        """Look up the offsets of the zone in the years that the column covers."""
        if self.tz is None or not (self.is_text or self._is_instant):
            return self
        seconds = table.select(_epoch=self._epoch(table))
        span = fetch_row(seconds.agg(first=seconds._epoch.min(), last=seconds._epoch.max()))
        if span["first"] is None:
            return self
        found = offset_changes(self.tz, float(span["first"]), float(span["last"]))
        return replace(self, changes=found)

    def with_seconds(self, table: ibis.Table) -> ibis.Table:
        """Add the column `_epoch`, seconds since 1970 of the instants, for `parse` to build on."""
        return table.mutate(_epoch=self._epoch(table))

    def text(self, table: ibis.Table) -> Any:
        """Take the values as trimmed text."""
        return table[self.name].cast("string").strip()

    def is_missing(self, table: ibis.Table) -> Any:
        """Say whether there is no date at all."""
        missing = table[self.name].isnull()
        return missing | (self.text(table) == "") if self.is_text else missing

    def parse(self, table: ibis.Table) -> Any:
        """Express the local calendar day, NULL where it is missing or cannot be read."""
        import ibis

        there = local_day(table._epoch, self.changes) if self.changes else None
        if self.is_text:
            written = self._written(table).cast("date")
            # What has a zone is no plain date, and the other way round.
            return written if there is None else ibis.coalesce(there, written)
        value = table[self.name]
        if self._is_instant:
            return ibis.null("date") if there is None else there
        return value if self.dtype.is_date() else value.date()

    def _written(self, table: ibis.Table) -> Any:
        """Express the text YYYY-MM-DD of dates without a zone; NULL for anything else."""
        text = self.text(table)
        if self.date_format is None:
            compact = text.substr(0, 4) + "-" + text.substr(4, 2) + "-" + text.substr(6, 2)
            return _where(text.re_search(ISO), _if(text.length() == 8, compact, text.substr(0, 10)))
        if "z" in self._parts:
            return _where(text == "", text)
        return self._formatted_day(text)

    def _formatted_day(self, text: Any) -> Any:
        """Express the text YYYY-MM-DD of dates in `date_format`."""
        import ibis

        text, parts = text.lower(), self._parts
        if "Y" in parts:
            year = text.re_extract(parts["Y"], 1)
        else:  # the POSIX rule: 69 to 99 are 19xx
            short = text.re_extract(parts["y"], 1)
            year = _if(short >= "69", "19", "20") + short
        if "m" in parts:
            month = _two_digits(text.re_extract(parts["m"], 1))
        else:
            name = text.re_extract(parts["b" if "b" in parts else "B"], 1).substr(0, 3)
            month = ibis.cases(
                *((name == known[:3], f"{number:02}") for number, known in enumerate(MONTHS, 1)),
                else_="",
            )
        day = year + "-" + month + "-" + _two_digits(text.re_extract(parts["d"], 1))
        return _where(day.re_search(DAY), day)

    def _epoch(self, table: ibis.Table) -> Any:
        """Express seconds since 1970 of instants; NULL for dates without a zone.

        Of text, to the minute: since 1970, zones differ and change by whole minutes.
        """
        if not self.is_text:
            return table[self.name].epoch_seconds()
        text, parts = self.text(table), self._parts
        if self.date_format is None:
            text = _where(text.re_search(ISO_ZONED), text)
            day, hour, minute = text.substr(0, 10), text.substr(11, 2), text.substr(14, 2)
            zone = text.re_extract(f"({ZONE})$", 1)
        elif "z" in parts:
            day = self._formatted_day(text)
            text = _where(day.notnull(), text.lower())
            hour = text.re_extract(parts["H" if "H" in parts else "I"], 1)
            minute = text.re_extract(parts["M"], 1) if "M" in parts else _where(hour != "", "0")
            zone = text.re_extract(parts["z"], 1)
        else:
            return _where(text == "", text).cast("int64")
        hours = hour.cast("int64")
        if "I" in parts and "H" not in parts:
            hours = hours % 12
            if "p" in parts:
                hours += _if(text.re_extract(parts["p"], 1) == "pm", 12, 0)
        midnight = day.cast("timestamp").epoch_seconds()
        return midnight + hours * 3_600 + minute.cast("int64") * 60 - _seconds_east(zone)


def _if(condition: Any, then: Any, otherwise: Any) -> Any:
    import ibis

    return ibis.ifelse(condition, then, otherwise)


def _where(condition: Any, value: Any) -> Any:
    """Keep a text where a condition holds: nothing after it can fail on another one."""
    import ibis

    return ibis.ifelse(condition, value, ibis.null("string"))


def _two_digits(digits: Any) -> Any:
    return _if(digits.length() == 1, "0", "") + digits


def _seconds_east(zone: Any) -> Any:
    """Express the offset of "Z", "+02", "+0330" or "+03:30"."""
    digits = zone.replace(":", "")
    hours = _if(digits.length() >= 3, digits.substr(1, 2), "0").cast("int64")
    minutes = _if(digits.length() == 5, digits.substr(3, 2), "0").cast("int64")
    sign = _if(digits.substr(0, 1) == "-", -1, 1)
    return sign * (hours * 3_600 + minutes * 60)
