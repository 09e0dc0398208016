"""What a calendar consists of, as a user states it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias, cast

import numpy as np

from clvforecast.calendars.days import as_date
from clvforecast.calendars.terms import (
    Event,
    Harmonics,
    Regressor,
    Stretches,
    Term,
    Trend,
    months,
    weekdays,
    weeks,
)
from clvforecast.errors import DataError, suggest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Calendar", "Events"]

Events: TypeAlias = "Mapping[str, Any] | pd.DataFrame"

_MOST_HARMONICS: Final = 26
_FOURIER: Final = re.compile(r"fourier\s*:\s*(\d+)")
_SWITCHES: Final = {
    "month": "months",
    "months": "months",
    "week": "weeks",
    "weeks": "weeks",
    "weekday": "weekdays",
    "weekdays": "weekdays",
    "trend": "trend",
}
_FORMS: Final = ("month", "week", "weekday", "fourier:3", "trend")


@dataclass(frozen=True, eq=False)
class Calendar:
    """What makes all customers buy more on some days than on others.

    The purchase rate of every customer is multiplied by the same ``s(day)``. Its logarithm is a sum
    of terms, whose coefficients are estimated together with the model.

    Parameters
    ----------
    months : bool
        A multiplier for each month of the year.
    weeks : bool
        One for each ISO week of the year; the 53rd is like the 52nd.
    fourier : int
        Number of yearly harmonics: a smooth season. Months, weeks and harmonics are three ways to
        describe one season; a calendar has one of them at most.
    weekdays : bool
        A multiplier for each day of the week.
    trend : bool
        Growth at a constant rate. It is 1 at the end of observation and stays so: beyond, nobody
        has seen it, and growth that goes on for ever has no finite value.
    events : mapping or DataFrame, optional
        Dates of named events, past and to come: ``{"sale": ["2024-11-29", ("2025-11-28",
        "2025-12-01")]}``, where a pair is a first and a last day; or a table with the columns
        `event`, `date` (first day) and, if events are longer, `end` (last day). An event has the
        same multiplier each time; days without one have 1.
    regressors : DataFrame, optional
        Any quantities by day: indexed by day, a column each. They must cover every day, observed
        and forecast.

    Raises
    ------
    DataError
        If there is no term, more than one kind of season, or a date or value cannot be read.

    Notes
    -----
    Months, weeks, weekdays and harmonics are centred: over 400 years, after which the calendar
    repeats, the geometric mean of s is 1. Regressors are relative to their mean over the days
    observed. So the parameters of the model describe a day in no way special, at the pace of the
    end of observation.

    Examples
    --------
    >>> calendar = Calendar(months=True, events={"sale": [("2024-11-25", "2024-12-02")]})
    >>> print(calendar)
    month + event 'sale'
    >>> Calendar.of("month + trend") == Calendar(months=True, trend=True)
    True
    """

    months: bool = False
    weeks: bool = False
    fourier: int = 0
    weekdays: bool = False
    trend: bool = False
    events: Events | None = None
    regressors: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        if self.fourier != int(self.fourier) or not 0 <= self.fourier <= _MOST_HARMONICS:
            raise DataError(
                f"fourier={self.fourier!r} must be a number of yearly harmonics, from 0 to "
                f"{_MOST_HARMONICS}."
            )
        if bool(self.months) + bool(self.weeks) + bool(self.fourier) > 1:
            raise DataError(
                f"A calendar of {self._seasons()} describes one season more than once. "
                "Choose one of months, weeks and fourier."
            )
        # Its own copies, so that a calendar stays what it is.
        object.__setattr__(self, "events", _read_events(self.events))
        object.__setattr__(self, "regressors", _read_regressors(self.regressors))
        if not str(self):
            raise DataError(
                "The calendar has no terms. Give months=True, weeks=True, fourier=3, "
                "weekdays=True, trend=True, events= or regressors=."
            )

    @classmethod
    def of(cls, calendar: Calendar | str) -> Calendar:
        """Read a calendar from its short form, terms joined by " + ".

        Parameters
        ----------
        calendar : Calendar or str
            One, or a text of "month", "week", "weekday", "fourier:3" and "trend".

        Raises
        ------
        DataError
            If a term is unknown or there twice.

        Examples
        --------
        >>> Calendar.of("fourier:2 + weekday").fourier
        2
        """
        if isinstance(calendar, Calendar):
            return calendar
        if not isinstance(calendar, str):
            raise DataError(
                f"calendar={calendar!r} is not a calendar. Give a Calendar, or its terms as text, "
                "such as 'month + trend'."
            )
        terms: dict[str, Any] = {}
        for part in calendar.split("+"):
            term = part.strip().lower()
            harmonics = _FOURIER.fullmatch(term)
            name = "fourier" if harmonics else _SWITCHES.get(term)
            if name is None:
                raise DataError(
                    f"calendar={calendar!r}: {part.strip()!r} is not a term. "
                    f"{suggest(term, _FORMS)}"
                )
            if name in terms:
                raise DataError(f"calendar={calendar!r} has {part.strip()!r} twice.")
            terms[name] = int(harmonics[1]) if harmonics else True
        return cls(**terms)

    def terms(self, first: dt.date, until: dt.date) -> tuple[Term, ...]:
        """The terms, for customers observed from a first day until a last."""
        found: list[Term] = []
        if self.months:
            found.append(months())
        if self.weeks:
            found.append(weeks())
        if self.fourier:
            found.append(Harmonics(int(self.fourier)))
        if self.weekdays:
            found.append(weekdays())
        if self.trend:
            found.append(Trend(first, until))
        found += [Event(name, stretches) for name, stretches in self._stretches.items()]
        if self.regressors is not None:
            days = self.regressors.index.to_numpy().astype("datetime64[D]")
            found += [
                Regressor(str(name), days, column.to_numpy(), first, until)
                for name, column in self.regressors.items()
            ]
        return tuple(found)

    @property
    def _stretches(self) -> dict[str, Stretches]:
        return dict(cast(dict[str, Stretches], self.events)) if self.events is not None else {}

    def _seasons(self) -> str:
        switches = {
            "month": self.months,
            "week": self.weeks,
            f"fourier:{self.fourier}": self.fourier,
        }
        return " + ".join(name for name, on in switches.items() if on)

    def __str__(self) -> str:
        """The terms, as in the short form."""
        parts = [self._seasons(), "weekday" * bool(self.weekdays), "trend" * bool(self.trend)]
        parts += [f"event {name!r}" for name in self._stretches]
        parts += [f"regressor {name!r}" for name in self._regressor_names()]
        return " + ".join(part for part in parts if part)

    def __repr__(self) -> str:
        """Say which terms there are."""
        return f"Calendar({self})"

    def __eq__(self, other: object) -> bool:
        """Whether the terms, dates and values are the same."""
        return isinstance(other, Calendar) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(str(self))

    def _regressor_names(self) -> list[str]:
        return [] if self.regressors is None else [str(name) for name in self.regressors]

    def to_dict(self) -> dict[str, Any]:
        """All of it, dates and values included, as plain JSON data.

        Examples
        --------
        >>> Calendar(fourier=3, events={"sale": ["2024-11-29"]}).to_dict()
        {'fourier': 3, 'events': {'sale': [['2024-11-29', '2024-11-29']]}}
        """
        document: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("months", "weeks", "fourier", "weekdays", "trend")
            if getattr(self, name)
        }
        if self.events is not None:
            document["events"] = {
                name: [[start.isoformat(), end.isoformat()] for start, end in stretches]
                for name, stretches in self._stretches.items()
            }
        if self.regressors is not None:
            values = self.regressors.astype(object).where(self.regressors.notna(), None)
            document["regressors"] = {
                "days": [f"{day:%Y-%m-%d}" for day in self.regressors.index],
                "values": {str(name): column.tolist() for name, column in values.items()},
            }
        return document

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """The calendar that `to_dict` wrote.

        Examples
        --------
        >>> calendar = Calendar(weeks=True, trend=True)
        >>> Calendar.from_dict(calendar.to_dict()) == calendar
        True
        """
        parts = dict(document)
        regressors = parts.pop("regressors", None)
        if regressors is not None:
            import pandas as pd

            parts["regressors"] = pd.DataFrame(
                regressors["values"], index=pd.DatetimeIndex(regressors["days"]), dtype=float
            )
        if "events" in parts:
            parts["events"] = {
                name: [tuple(stretch) for stretch in stretches]
                for name, stretches in parts["events"].items()
            }
        return cls(**parts)


def _read_events(events: Events | None) -> dict[str, Stretches] | None:
    """First and last days of every event, in order."""
    if events is None:
        return None
    listed = dict(events) if isinstance(events, Mapping) else _events_of_table(events)
    read: dict[str, Stretches] = {}
    for name, dates in listed.items():
        if not isinstance(name, str) or not name.strip():
            raise DataError(f"events: {name!r} is not a name of an event. Give it one in words.")
        if isinstance(dates, tuple) and len(dates) == 2 and not isinstance(dates[0], tuple):
            raise DataError(
                f"events[{name!r}]={dates!r} can be two days or a stretch. Write [(first, last)] "
                "for a stretch, or [day, day] for two days."
            )
        single = isinstance(dates, str | dt.date) or not isinstance(dates, Iterable)
        stretches = sorted(_stretch(name, item) for item in ([dates] if single else dates))
        if not stretches:
            raise DataError(f"events[{name!r}] has no dates. Give some, or leave it out.")
        read[name] = tuple(stretches)
    return read or None


def _stretch(name: str, item: Any) -> tuple[dt.date, dt.date]:
    """First and last day of one time that an event takes place."""
    label = f"events[{name!r}]"
    if not isinstance(item, tuple | list):
        day = as_date(item, label)
        return day, day
    if len(item) != 2:
        raise DataError(f"{label}: {item!r} is neither a day nor a pair of a first and a last day.")
    start, end = (as_date(day, label) for day in item)
    if end < start:
        raise DataError(f"{label}: the stretch from {start} to {end} ends before it starts.")
    return start, end


def _events_of_table(table: Any) -> dict[str, list[tuple[Any, Any]]]:
    """Dates by event, of a table with a row for each time it takes place."""
    for column in ("event", "date"):
        if column not in getattr(table, "columns", ()):
            raise DataError(
                f"events must be a mapping of names to dates, or a table with the columns 'event' "
                f"and 'date' (and 'end' for longer ones); there is no {column!r}."
            )
    ends = table["end"].where(table["end"].notna(), table["date"]) if "end" in table else None
    listed: dict[str, list[tuple[Any, Any]]] = {}
    for name, start, end in zip(
        table["event"], table["date"], table["date"] if ends is None else ends, strict=True
    ):
        listed.setdefault(name, []).append((start, end))
    return listed


def _read_regressors(table: pd.DataFrame | None) -> pd.DataFrame | None:
    """A table of numbers by day, in order of the days."""
    if table is None:
        return None
    import pandas as pd

    if not isinstance(table, pd.DataFrame) or not table.shape[1] or table.empty:
        raise DataError("regressors must be a table with a row for every day and a column or more.")
    days = pd.DatetimeIndex([as_date(day, "regressors: index") for day in table.index], name="day")
    if not days.is_unique:
        twice = days[days.duplicated()][0]
        raise DataError(f"regressors has {twice:%Y-%m-%d} twice. Give one row for every day.")
    if not table.columns.is_unique:
        raise DataError("regressors has two columns of the same name. Give each its own.")
    columns = {}
    for name, column in table.items():
        try:
            columns[str(name)] = np.array(column, dtype=float)
        except (TypeError, ValueError):
            raise DataError(
                f"regressors column {name!r} is not numeric. Code what it says in numbers."
            ) from None
    return pd.DataFrame(columns, index=days).sort_index()
