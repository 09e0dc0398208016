"""A calendar over the days that customers were observed: columns, levels, and multipliers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
from scipy.special import ndtri

from clvforecast.calendars.days import Days, as_date, day_range
from clvforecast.calendars.specification import Calendar
from clvforecast.calendars.terms import Level, Term
from clvforecast.errors import DataError
from clvforecast.numerics.arrays import ArrayLike, FloatArray

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Basis"]

_LARGEST_LOG: Final = 300.0
_COLLINEAR: Final = 1e-8
_SEASON_SEEN: Final = 2
_A_YEAR: Final = 365
_DAY: Final = dt.timedelta(days=1)


@dataclass(frozen=True)
class Basis:
    """The terms of a calendar as columns, one row per day; they have no constant.

    The logarithm of the multiplier of a day is its row times the coefficients.

    Parameters
    ----------
    calendar : Calendar
    first : datetime.date
        The day of the first purchase of the first customer. What happens from the next day on tells
        of multipliers.
    until : datetime.date
        The last day of observation, where a trend is held.

    Raises
    ------
    DataError
        If a multiplier cannot be estimated: its days were not observed, or terms say the same.

    Examples
    --------
    >>> basis = Basis(Calendar(weekdays=True), dt.date(2024, 1, 1), dt.date(2024, 3, 31))
    >>> basis.names[:2]
    ('weekday=Monday', 'weekday=Tuesday')
    >>> basis.matrix(dt.date(2024, 1, 1), dt.date(2024, 1, 7)).sum(axis=0).round(12)
    array([0., 0., 0., 0., 0., 0.])
    """

    calendar: Calendar
    first: dt.date
    until: dt.date

    def __post_init__(self) -> None:
        object.__setattr__(self, "first", as_date(self.first, "first"))
        object.__setattr__(self, "until", as_date(self.until, "until"))
        if self.until <= self.first:
            raise DataError(
                f"A calendar needs days after the first purchase on {self.first}: observation ends "
                f"on {self.until}."
            )
        days = day_range(self.first + _DAY, self.until)
        for term in self.terms:
            term.check(days)
        self._check_independence(days)

    def _check_independence(self, days: Days) -> None:
        """Raise `DataError` if a column is a sum of others, or of a constant."""
        columns = self.columns(days)
        columns = columns - columns.mean(axis=0)
        columns /= np.linalg.norm(columns, axis=0)
        _, sizes, directions = np.linalg.svd(columns, full_matrices=False)
        if columns.shape[0] < columns.shape[1] or sizes[-1] < _COLLINEAR:
            involved = np.abs(directions[-1]) > _COLLINEAR**0.5
            names = ", ".join(np.array(self.names)[involved])
            raise DataError(
                f"The calendar's {names} cannot be told apart on the {days.size:,} days observed, "
                f"{days[0]} to {days[-1]}. Observe longer, or leave one of the terms out."
            )

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """The terms of the calendar."""
        return self.calendar.terms(self.first, self.until)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the coefficients, shape (K,)."""
        return tuple(name for term in self.terms for name in term.names)

    def columns(self, days: Days) -> FloatArray:
        """Rows of given days, shape (days, K)."""
        return np.hstack([term.columns(days) for term in self.terms])

    def matrix(self, first: dt.date, last: dt.date) -> FloatArray:
        """Rows of all days from a first to a last, observed or not: shape (days, K).

        Raises
        ------
        DataError
            If a regressor is not known on one of the days.
        """
        return self.columns(day_range(first, last))

    def daily_multipliers(self, coefficients: ArrayLike, days: Days) -> FloatArray:
        """The multiplier s of given days, shape (days,).

        Raises
        ------
        DataError
            If a regressor is not known on one of the days, or drives s out of all numbers.
        """
        theta = np.asarray(coefficients, dtype=float)
        logs = np.zeros(days.size)
        for term, columns in self._placed():
            logs += term.logarithm(days, theta[columns])
        beyond = np.flatnonzero(~(np.abs(logs) < _LARGEST_LOG))
        if beyond.size:
            raise DataError(
                f"The calendar's multiplier on {days[beyond[0]]} is exp({logs[beyond[0]]:.3g}). "
                "Check the values of its regressors, or fit with ridge=."
            )
        return np.exp(logs)

    @cached_property
    def exceptional(self) -> tuple[dt.date, dt.date]:
        """First and last day outside of which multipliers repeat themselves every 400 years."""
        found = [days for term in self.terms if (days := term.exceptional()) is not None]
        first = min([self.first, *(start for start, _ in found)])
        return first, max([self.until, *(end for _, end in found)])

    @cached_property
    def penalty(self) -> FloatArray:
        """Matrix P of a ridge ``theta @ P @ theta`` that sees every month or week alike.

        Of months, weeks and weekdays it is the sum of squares of the logarithms of all multipliers,
        whichever of them has no coefficient of its own; of a regressor, what its standard
        deviation makes.
        """
        found = np.zeros((len(self.names), len(self.names)))
        for term, columns in self._placed():
            found[columns, columns] = term.penalty()
        return found

    def _placed(self) -> Iterator[tuple[Term, slice]]:
        start = 0
        for term in self.terms:
            yield term, slice(start, start + len(term.names))
            start += len(term.names)

    def levels(self) -> tuple[list[Level], FloatArray]:
        """What the multipliers shown to people are multipliers of, and their contrasts.

        Returns
        -------
        levels : list of Level
        contrasts : ndarray, shape (levels, K)
            Times the coefficients they are the logarithms of the multipliers.
        """
        found: list[Level] = []
        for term, columns in self._placed():
            for level in term.levels():
                contrast = np.zeros(len(self.names))
                contrast[columns] = level.contrast
                found.append(level._replace(contrast=contrast))
        return found, np.array([level.contrast for level in found])

    def multipliers(
        self,
        coefficients: ArrayLike,
        covariance: ArrayLike | None = None,
        *,
        level: float = 0.95,
    ) -> pd.DataFrame:
        """Table of multipliers of the purchase rate, for people.

        Parameters
        ----------
        coefficients : array_like, shape (K,)
        covariance : array_like, shape (K, K), optional
            Of the coefficients: for confidence limits.
        level : float
            Confidence level.

        Returns
        -------
        DataFrame
            Indexed by `term` and `level`: `multiplier`, and with a covariance `lower` and `upper`.
            Of harmonics, the geometric mean of each month.

        Examples
        --------
        >>> basis = Basis(Calendar(trend=True), dt.date(2023, 1, 1), dt.date(2023, 12, 31))
        >>> basis.multipliers([0.1], [[0.0025]]).round(3)
                         multiplier  lower  upper
        term  level
        trend per year        1.105  1.002  1.219
        """
        import pandas as pd

        if not 0 < level < 1:
            raise DataError(f"level={level!r} must lie between 0 and 1, such as 0.95.")
        levels, contrasts = self.levels()
        logs = contrasts @ np.asarray(coefficients, dtype=float)
        table = pd.DataFrame(
            {"multiplier": np.exp(logs)},
            index=pd.MultiIndex.from_tuples(
                [(found.term, found.level) for found in levels], names=["term", "level"]
            ),
        )
        if covariance is not None:
            spread = np.einsum("ij,jk,ik->i", contrasts, np.asarray(covariance), contrasts)
            reach = ndtri(0.5 + 0.5 * level) * np.sqrt(np.maximum(spread, 0.0))
            table["lower"], table["upper"] = np.exp(logs - reach), np.exp(logs + reach)
        return table

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader of the estimates must know, in sentences."""
        said = []
        calendar, days = self.calendar, (self.until - self.first).days
        if (calendar.months or calendar.weeks or calendar.fourier) and days < (
            _SEASON_SEEN * _A_YEAR
        ):
            said.append(
                f"The season is estimated from {days / _A_YEAR:.1f} years: most of it was seen "
                "once, and what happened once looks like it. Observe two years or more."
            )
        if calendar.trend:
            said.append(
                f"The trend is held at its level of {self.until}: forecasts do not go on with it."
            )
        return tuple(said)

    def to_dict(self) -> dict[str, Any]:
        """Calendar and days observed as plain JSON data."""
        return {
            "calendar": self.calendar.to_dict(),
            "first": self.first.isoformat(),
            "until": self.until.isoformat(),
        }

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Self:
        """The basis that `to_dict` wrote."""
        calendar = Calendar.from_dict(document["calendar"])
        return cls(
            calendar, as_date(document["first"], "first"), as_date(document["until"], "until")
        )
