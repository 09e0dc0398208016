"""The terms of a calendar: what each day contributes to the logarithm of the purchase rate.

Seasons are centred: over whole years the logarithms of their multipliers average zero, so that the
parameters of the model keep describing an ordinary day.
"""

from __future__ import annotations

import datetime as dt
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final, NamedTuple, TypeAlias

import numpy as np

from clvforecast.calendars.days import (
    CYCLE,
    MONTHS,
    WEEKDAYS,
    Days,
    day_range,
    month,
    week,
    weekday,
    year_share,
)
from clvforecast.errors import DataError
from clvforecast.numerics.arrays import FloatArray, IntArray
from clvforecast.units import DAYS_PER_YEAR

__all__ = [
    "Event",
    "Harmonics",
    "Level",
    "Regressor",
    "Stretches",
    "Term",
    "Trend",
    "months",
    "weekdays",
    "weeks",
]

Stretches: TypeAlias = tuple[tuple[dt.date, dt.date], ...]
"""First and last days of when something takes place."""

_A_YEAR: Final = 365
_ORDINARY_YEAR: Final = day_range(dt.date(2023, 1, 1), dt.date(2023, 12, 31))


class Level(NamedTuple):
    """A multiplier that a term makes: its logarithm is ``contrast @ coefficients`` of the term."""

    term: str
    level: str
    contrast: FloatArray


class Term(ABC):
    """One term: a few columns, each with a coefficient."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Of the coefficients."""

    @abstractmethod
    def columns(self, days: Days) -> FloatArray:
        """What a coefficient of one adds to the logarithm of the rate: shape (days, names)."""

    def logarithm(self, days: Days, coefficients: FloatArray) -> FloatArray:
        """What the term adds to the logarithm of the rate, shape (days,)."""
        return np.asarray(self.columns(days) @ coefficients)

    @abstractmethod
    def levels(self) -> list[Level]:
        """What to show to people."""

    @abstractmethod
    def penalty(self) -> FloatArray:
        """Matrix of the sum of squares of what the term adds, as a ridge should see it."""

    def check(self, days: Days) -> None:  # noqa: B027 - most of what a term needs, `Basis` checks
        """Raise `DataError` if these observed days cannot identify the coefficients."""

    def exceptional(self) -> tuple[dt.date, dt.date] | None:
        """Outside of which days it repeats itself every 400 years; None if it always does."""
        return None


@dataclass(frozen=True)
class _Levels(Term):
    """A multiplier for each of a few kinds of days, relative to their geometric mean.

    All but the last kind have coefficients, the logarithms of their multipliers. The last one's
    follows, since over 400 years the logarithms average zero.
    """

    term: str
    labels: tuple[str, ...]
    kind: Callable[[Days], IntArray]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{self.term}={label}" for label in self.labels[:-1])

    @cached_property
    def _contrasts(self) -> FloatArray:
        every = np.datetime64("2001-01-01") + np.arange(CYCLE)
        count = np.bincount(self.kind(every), minlength=len(self.labels))
        return np.vstack((np.eye(len(self.names)), -count[:-1] / count[-1]))

    def columns(self, days: Days) -> FloatArray:
        return np.asarray(self._contrasts[self.kind(days)])

    def logarithm(self, days: Days, coefficients: FloatArray) -> FloatArray:
        return np.asarray((self._contrasts @ coefficients)[self.kind(days)])

    def levels(self) -> list[Level]:
        of_labels = zip(self.labels, self._contrasts, strict=True)
        return [Level(self.term, label, contrast) for label, contrast in of_labels]

    def penalty(self) -> FloatArray:
        return np.asarray(self._contrasts.T @ self._contrasts)

    def check(self, days: Days) -> None:
        seen = np.bincount(self.kind(days), minlength=len(self.labels)) > 0
        absent = [label for label, some in zip(self.labels, seen, strict=True) if not some]
        if absent:
            more = f" and {len(absent) - 3} more" if len(absent) > 3 else ""
            raise DataError(
                f"The multiplier of {self.term} {', '.join(absent[:3])}{more} cannot be estimated: "
                f"none of its days is among those observed, {days[0]} to {days[-1]}. Observe a "
                f"whole year, or leave the {self.term} out of the calendar."
            )


@lru_cache
def months() -> Term:
    """A multiplier for each month of the year."""
    return _Levels("month", MONTHS, month)


@lru_cache
def weeks() -> Term:
    """A multiplier for each ISO week of the year, the 53rd being like the 52nd."""
    return _Levels("week", tuple(map(str, range(1, 53))), lambda days: week(days) - 1)


@lru_cache
def weekdays() -> Term:
    """A multiplier for each day of the week."""
    return _Levels("weekday", WEEKDAYS, weekday)


@dataclass(frozen=True)
class Harmonics(Term):
    """A smooth season: the first so many harmonics of the year."""

    count: int

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the coefficients: of a cosine and a sine for each harmonic."""
        return tuple(f"fourier={f}{k + 1}" for k in range(self.count) for f in ("cos", "sin"))

    def columns(self, days: Days) -> FloatArray:
        """What a coefficient of one adds; see `Term`."""
        angle = 2.0 * np.pi * np.outer(year_share(days), np.arange(1.0, self.count + 1))
        waves = np.stack((np.cos(angle), np.sin(angle)), axis=2)
        return np.asarray(waves.reshape(days.size, -1))

    def levels(self) -> list[Level]:
        """The geometric mean of the multipliers of each month."""
        columns, of_month = self.columns(_ORDINARY_YEAR), month(_ORDINARY_YEAR)
        return [
            Level("month", label, columns[of_month == k].mean(axis=0))
            for k, label in enumerate(MONTHS)
        ]

    def penalty(self) -> FloatArray:
        """Like that of twelve months which show the same season."""
        return np.asarray(0.5 * len(MONTHS) * np.eye(len(self.names)))

    def check(self, days: Days) -> None:
        """Whether these days identify it; see `Term`."""
        if days.size < _A_YEAR:
            raise DataError(
                f"Fourier terms need a whole year: {days.size} days are observed, {days[0]} to "
                f"{days[-1]}, and the rest of the year would be a guess. Observe longer, or leave "
                "them out of the calendar."
            )


@dataclass(frozen=True)
class Trend(Term):
    """Growth at a constant rate while it is observed; level before, and level after at zero."""

    first: dt.date
    until: dt.date

    @property
    def names(self) -> tuple[str, ...]:
        """Name of the coefficient."""
        return ("trend",)

    def columns(self, days: Days) -> FloatArray:
        """What a coefficient of one adds; see `Term`."""
        first, until = np.datetime64(self.first, "D"), np.datetime64(self.until, "D")
        years = (np.clip(days, first, until) - until).astype(float) / DAYS_PER_YEAR
        return np.asarray(years[:, None])

    def levels(self) -> list[Level]:
        """What to show; see `Term`."""
        return [Level("trend", "per year", np.ones(1))]

    def penalty(self) -> FloatArray:
        """What a ridge sees; see `Term`."""
        return np.ones((1, 1))

    def exceptional(self) -> tuple[dt.date, dt.date]:
        """Outside of which days it repeats itself; see `Term`."""
        return self.first, self.until


@dataclass(frozen=True)
class Event(Term):
    """The same multiplier whenever an event takes place."""

    event: str
    stretches: Stretches

    @property
    def names(self) -> tuple[str, ...]:
        """Name of the coefficient."""
        return (f"event={self.event}",)

    def columns(self, days: Days) -> FloatArray:
        """What a coefficient of one adds; see `Term`."""
        on = np.zeros(days.shape, dtype=bool)
        for start, end in self.stretches:
            on |= (days >= np.datetime64(start, "D")) & (days <= np.datetime64(end, "D"))
        return on[:, None].astype(float)

    def levels(self) -> list[Level]:
        """What to show; see `Term`."""
        return [Level("event", self.event, np.ones(1))]

    def penalty(self) -> FloatArray:
        """What a ridge sees; see `Term`."""
        return np.ones((1, 1))

    def check(self, days: Days) -> None:
        """Whether these days identify it; see `Term`."""
        if not self.columns(days).any():
            raise DataError(
                f"The multiplier of event {self.event!r} cannot be estimated: it does not take "
                f"place on the days observed, {days[0]} to {days[-1]}. Give its past dates, too, "
                "or leave it out."
            )

    def exceptional(self) -> tuple[dt.date, dt.date]:
        """Outside of which days it repeats itself; see `Term`."""
        return min(start for start, _ in self.stretches), max(end for _, end in self.stretches)


@dataclass(frozen=True, eq=False)
class Regressor(Term):
    """A quantity known on every day, relative to its mean over the days observed."""

    regressor: str
    days: Days
    values: FloatArray
    first: dt.date
    until: dt.date

    @property
    def names(self) -> tuple[str, ...]:
        """Name of the coefficient."""
        return (f"regressor={self.regressor}",)

    def _known(self, days: Days) -> FloatArray:
        place = np.minimum(np.searchsorted(self.days, days), self.days.size - 1)
        value = np.where(self.days[place] == days, self.values[place], np.nan)
        missing = np.flatnonzero(~np.isfinite(value))
        if missing.size:
            raise DataError(
                f"Calendar regressor {self.regressor!r} has no value on {days[missing[0]]}. Give "
                "it for every day, of the past as of the period that is forecast."
            )
        return value

    @cached_property
    def _observed(self) -> FloatArray:
        return self._known(day_range(self.first, self.until))

    def columns(self, days: Days) -> FloatArray:
        """What a coefficient of one adds; see `Term`."""
        return np.asarray((self._known(days) - self._observed.mean())[:, None])

    def levels(self) -> list[Level]:
        """What to show; see `Term`."""
        return [Level("regressor", f"{self.regressor}, per unit", np.ones(1))]

    def penalty(self) -> FloatArray:
        """What a ridge sees; see `Term`."""
        return np.full((1, 1), self._observed.var())

    def check(self, days: Days) -> None:
        """Whether these days identify it; see `Term`."""
        if not self._known(days).std() > 0:
            raise DataError(
                f"Calendar regressor {self.regressor!r} is the same on all days observed, "
                f"{days[0]} to {days[-1]}: its effect cannot be estimated. Leave it out."
            )
