"""Spans of time as customers live them: longer where they buy more."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from scipy.special import exprel

from clvforecast.calendars.basis import Basis
from clvforecast.calendars.days import as_date, day_range
from clvforecast.calendars.pace import Pace
from clvforecast.errors import DataError
from clvforecast.numerics.arrays import ArrayLike, FloatArray

__all__ = ["Clock"]


@dataclass(frozen=True, eq=False)
class Clock:
    """A fitted calendar, seen from the end of observation: maps spans of time to warped spans.

    The warped length of a span is the integral of the multiplier s over it. The multiplier of a day
    holds from the end of the day before to its own end, as recency and T are differences of days;
    within a day warped time passes evenly.

    Parameters
    ----------
    basis : Basis
        The calendar, over the days it was fitted to.
    coefficients : sequence of float, shape (K,)
        Logarithms of the rate ratios, one for each name of the basis.
    until : datetime.date
        The end of observation, from whose end time is counted.
    unit_days : float
        Days per time unit.
    offset : float or ndarray
        From how long after `until` time is counted, in time units; an array for one moment per
        customer, broadcasting with all spans.

    Raises
    ------
    DataError
        If there are not as many coefficients as names, or one of them is not finite.

    Examples
    --------
    >>> from clvforecast.calendars import Calendar
    >>> basis = Basis(Calendar(weekdays=True), dt.date(2024, 1, 1), dt.date(2024, 3, 31))
    >>> clock = Clock(basis, [np.log(2.0), 0.0, 0.0, 0.0, 0.0, 0.0], dt.date(2024, 3, 31), 7.0)
    >>> print(clock.ahead([1 / 7, 1.0]).round(4))  # a Monday, and a week
    [0.2857 1.0714]
    >>> print(clock.ahead_inverse(clock.ahead(0.3)).round(12))
    0.3
    """

    basis: Basis
    coefficients: tuple[float, ...]
    until: dt.date
    unit_days: float = 1.0
    offset: float | FloatArray = 0.0

    def __post_init__(self) -> None:
        coefficients = tuple(float(value) for value in self.coefficients)
        names = self.basis.names
        if len(coefficients) != len(names) or not np.all(np.isfinite(coefficients)):
            raise DataError(
                f"A clock of the calendar {self.basis.calendar} needs {len(names)} finite "
                f"coefficients, not {list(coefficients)!r}."
            )
        if not (self.unit_days > 0 and np.isfinite(self.unit_days)):
            raise DataError(f"unit_days={self.unit_days!r} must be positive: days per time unit.")
        object.__setattr__(self, "coefficients", coefficients)
        object.__setattr__(self, "until", as_date(self.until, "until"))

    def __eq__(self, other: object) -> bool:
        """Whether all spans are the same on both."""
        return isinstance(other, Clock) and (
            (self.basis, self.coefficients, self.until, self.unit_days)
            == (other.basis, other.coefficients, other.until, other.unit_days)
            and np.array_equal(self.offset, other.offset)
        )

    def __hash__(self) -> int:
        return hash((self.basis, self.coefficients, self.until, self.unit_days))

    @cached_property
    def pace(self) -> Pace:
        """Warped days by days."""
        return Pace(self.basis, self.coefficients, self.until)

    def daily_multipliers(self, first: dt.date, last: dt.date) -> FloatArray:
        """The multiplier s of every day from a first to a last."""
        return self.basis.daily_multipliers(self.coefficients, day_range(first, last))

    def later(self, by: ArrayLike) -> Self:
        """The clock that counts from so much later, in time units."""
        return self.counted_from(np.add(self.offset, by))

    def counted_from(self, offset: Any) -> Self:
        """The clock that counts from so long after the end of observation, in time units."""
        return self._sharing(offset=offset if np.ndim(offset) else float(offset))

    def rescaled(self, factor: float) -> Self:
        """The same clock in a unit `factor` times as small."""
        return self._sharing(unit_days=self.unit_days / factor, offset=self.offset * factor)

    def _sharing(self, **changes: Any) -> Self:
        """The clock with other ways to count, and the tables of this one."""
        other = replace(self, **changes)
        other.__dict__["pace"] = self.pace
        return other

    def _elapsed(self, times: FloatArray) -> FloatArray:
        """Warped units from `until` to times counted from the offset."""
        return self.pace.elapsed((self.offset + times) * self.unit_days) / self.unit_days

    def between(self, start: ArrayLike, end: ArrayLike) -> FloatArray:
        """Warped length of the spans from a start to an end, both counted from now."""
        start, end = np.asarray(start, dtype=float), np.asarray(end, dtype=float)
        return np.asarray(self._elapsed(end) - self._elapsed(start))

    def ahead(self, t: ArrayLike) -> FloatArray:
        """Warped length of the t ahead; infinite if t is."""
        return self.between(0.0, t)

    def since(self, T: ArrayLike) -> FloatArray:
        """Warped length of the last T."""
        return self.between(np.negative(T), 0.0)

    def history(self, t_x: ArrayLike, T: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Warped recency and age of customers who came T ago and last bought at age t_x."""
        t_x, T = np.asarray(t_x, dtype=float), np.asarray(T, dtype=float)
        return self.between(-T, t_x - T), self.since(T)

    def ahead_inverse(self, warped: ArrayLike) -> FloatArray:
        """How long it takes for so much warped time to pass; infinite for infinite."""
        target = np.asarray(warped, dtype=float) + self._elapsed(np.zeros(()))
        return np.asarray(self.pace.reached(target * self.unit_days) / self.unit_days - self.offset)

    def day_ends(self, start: float, end: float) -> FloatArray:
        """A start, the ends of all days between, and an end, in time units from now; one offset."""
        now = float(self.offset) * self.unit_days
        days = np.arange(np.floor(now + start * self.unit_days) + 1.0, now + end * self.unit_days)
        times = (days - now) / self.unit_days
        return np.concatenate(([start], times[(times > start) & (times < end)], [end]))

    def discounted(self, warped: ArrayLike, rate: float) -> FloatArray:
        """Integral of ``exp(-rate t)`` over warped time up to `warped`, t being the time it takes.

        Exact: a sum over days.

        Parameters
        ----------
        warped : array_like
            Finite, in time units.
        rate : float
            Continuous discount rate per time unit.

        Examples
        --------
        >>> from clvforecast.calendars import Calendar
        >>> basis = Basis(Calendar(weekdays=True), dt.date(2024, 1, 1), dt.date(2024, 3, 31))
        >>> clock = Clock(basis, [0.0] * 6, dt.date(2024, 3, 31))
        >>> print(clock.discounted(10.0, 0.1).round(6), round((1 - np.exp(-1)) / 0.1, 6))
        6.321206 6.321206
        """
        t = self.ahead_inverse(warped)
        edges = self.day_ends(0.0, float(np.max(t, initial=0.0)))
        lengths, warps = np.diff(edges), np.diff(self.ahead(edges))
        whole = warps * np.exp(-rate * edges[:-1]) * exprel(-rate * lengths)
        sums = np.concatenate(([0.0], np.cumsum(whole)))
        day = np.clip(np.searchsorted(edges, t, side="right") - 1, 0, max(lengths.size - 1, 0))
        begun = t - edges[day]
        part = self.between(edges[day], t) * np.exp(-rate * edges[day]) * exprel(-rate * begun)
        return np.asarray(sums[day] + part)
