"""Warped time by day: the running sum of multipliers, to any distance and back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Final

import numpy as np

from clvforecast.calendars.basis import Basis
from clvforecast.calendars.days import CYCLE
from clvforecast.errors import DataError
from clvforecast.numerics.arrays import FloatArray

__all__ = ["Pace"]

_FIRST_TABLE: Final = 512


class Pace:
    """How much warped time, in days, passes from the end of a day until any time before or after.

    On day d it passes at the pace ``s(d)``: linear from the end of the day before to its own. Days
    are added to the tables when they are asked for; after 400 years they repeat.

    Parameters
    ----------
    basis : Basis
    coefficients : tuple of float
    until : datetime.date
        The day whose end is time zero.

    Examples
    --------
    >>> from clvforecast.calendars import Calendar
    >>> basis = Basis(Calendar(weekdays=True), dt.date(2024, 1, 1), dt.date(2024, 3, 31))
    >>> pace = Pace(basis, (np.log(2.0), 0.0, 0.0, 0.0, 0.0, 0.0), dt.date(2024, 3, 31))
    >>> print(pace.elapsed(np.array([0.5, 1.0, 2.0, 7.0])).round(6))  # Monday, Tuesday, ..., Sunday
    [1.  2.  3.  7.5]
    """

    def __init__(self, basis: Basis, coefficients: tuple[float, ...], until: dt.date) -> None:
        end = np.datetime64(until, "D")
        first, last = (np.datetime64(day, "D") for day in basis.exceptional)

        def ahead(start: int, stop: int) -> FloatArray:
            return basis.daily_multipliers(coefficients, end + np.arange(start + 1, stop + 1))

        def back(start: int, stop: int) -> FloatArray:
            return basis.daily_multipliers(coefficients, end - np.arange(start, stop))

        self._ahead = _Way(ahead, max(0, int((last - end).astype(int))))
        self._back = _Way(back, max(0, int((end - first).astype(int)) + 1))

    @property
    def settled(self) -> int:
        """Days ahead after which multipliers repeat every 400 years."""
        return self._ahead.settled

    @property
    def average(self) -> float:
        """Mean multiplier in the far future."""
        return self._ahead.cycle / CYCLE

    def elapsed(self, days: FloatArray) -> FloatArray:
        """Warped days from time zero until so many days after; negative before."""
        return self._either(days, _Way.passed)

    def reached(self, warped: FloatArray) -> FloatArray:
        """The inverse of `elapsed`."""
        return self._either(warped, _Way.reached)

    def _either(
        self, at: FloatArray, function: Callable[[_Way, FloatArray], FloatArray]
    ) -> FloatArray:
        """Values of an odd function that is worked out for each direction."""
        if np.all(at >= 0):
            return function(self._ahead, at)
        back = -function(self._back, np.maximum(-at, 0.0))
        if np.all(at <= 0):
            return back
        return np.where(at < 0, back, function(self._ahead, np.maximum(at, 0.0)))


class _Way:
    """Running sums of daily multipliers in one direction."""

    def __init__(self, multipliers: Callable[[int, int], FloatArray], settled: int) -> None:
        self._multipliers = multipliers
        self._sums = np.zeros(1)
        self.settled = settled

    @property
    def _all(self) -> int:
        return self.settled + CYCLE

    @property
    def _days(self) -> int:
        return self._sums.size - 1

    @property
    def cycle(self) -> float:
        """Sum of multipliers over 400 years."""
        self._extend(self._all)
        return float(self._sums[-1] - self._sums[self.settled])

    def _extend(self, days: int) -> None:
        """Have at least so many days in the table."""
        if days <= self._days:
            return
        generous = min(max(days, 2 * self._days, _FIRST_TABLE), self._all)
        try:
            more = self._multipliers(self._days, generous)
        except DataError:  # regressors may be known for as long as is needed, and no longer
            more = self._multipliers(self._days, days)
        # From time zero on, so that whole numbers stay whole.
        self._sums = np.append(self._sums, self._sums[-1] + np.cumsum(more))

    def passed(self, days: FloatArray) -> FloatArray:
        """Sum of multipliers within so many days, 0 or more."""
        ever = np.isinf(days)
        rest = np.where(ever, 0.0, days)
        longest, cycles = np.max(rest, initial=0.0), np.zeros(())
        if longest == 0:
            return np.where(ever, np.inf, 0.0)
        self._extend(int(min(np.ceil(longest), self._all)))
        if longest > self._all:
            cycles = np.maximum(np.floor((rest - self.settled) / CYCLE), 0.0)
            rest = rest - cycles * CYCLE
        day = np.minimum(rest.astype(np.int64), self._days - 1)
        begun = (rest - day) * (self._sums[day + 1] - self._sums[day])
        passed = self._sums[day] + begun + (cycles * self.cycle if cycles.any() else 0.0)
        return np.where(ever, np.inf, passed)

    def reached(self, warped: FloatArray) -> FloatArray:
        """Within how many days multipliers add up to so much, 0 or more."""
        never = np.isinf(warped)
        rest = np.where(never, 0.0, warped)
        longest, cycles = np.max(rest, initial=0.0), np.zeros(())
        while self._sums[-1] < longest and self._days < self._all:
            self._extend(self._days + 1)
        if longest > self._sums[-1]:
            cycles = np.maximum(np.floor((rest - self._sums[self.settled]) / self.cycle), 0.0)
            rest = rest - cycles * self.cycle
        days = np.interp(rest, self._sums, np.arange(self._sums.size, dtype=float))
        return np.where(never, np.inf, days + cycles * CYCLE)
