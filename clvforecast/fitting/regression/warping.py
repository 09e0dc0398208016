"""Spans of time at a pace that changes from day to day, and is the same for all customers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from clvforecast.numerics.arrays import FloatArray, IntArray, sums_by_code

__all__ = ["Pace", "SpanTotals", "WarpedSpans"]

_LARGEST_LOGARITHM: Final = 60.0
"""Of a day's pace; it is what it is there beyond it."""


class Pace(NamedTuple):
    """The pace of every day at some coefficients, and what has passed since the first day."""

    log: FloatArray
    """Of the pace, shape (days,)."""
    slopes: FloatArray
    """Derivatives of `log` in the coefficients, shape (days, k)."""
    passed: FloatArray
    """Up to the end of each day, shape (days,)."""
    passing: FloatArray
    """Derivatives of `passed`, shape (days, k)."""


class WarpedSpans:
    """Recency and T of customers whose purchase rate is ``lambda s(day)``.

    While active, a customer who would buy at a rate ``lambda`` buys at ``lambda s(day)``. If he can
    only leave at a purchase, that is the same model in a time that passes at the pace s: spans
    become sums of s over their days, and the likelihood gains ``log s`` of every day of a repeat
    purchase. With ``log s = basis @ theta`` all derivatives in theta are at hand.

    Parameters
    ----------
    basis : ndarray, shape (days, k)
        What the logarithm of the pace is a linear function of, for every day from the first
        purchase of anyone (day 0) to the end of observation. Without a constant column: the level
        of the pace and alpha are one number.
    first, last : ndarray of int, shape (n,)
        Days of the first and the last purchase. Day d stands for the time from the end of day
        d - 1 to its own end, so recency is the sum over first < d <= last.
    purchases : ndarray, shape (days,)
        Number of repeat purchases on each day, over all customers.
    day : float
        Length of a day in the unit that recency and T are to have.
    """

    def __init__(
        self,
        basis: FloatArray,
        first: IntArray,
        last: IntArray,
        purchases: FloatArray,
        *,
        day: float,
    ) -> None:
        self._basis = basis
        self.first, self.last = first, last
        self.purchases = purchases
        self.day = day

    def pace(self, coefficients: FloatArray) -> Pace:
        """The pace of all days."""
        log = self._basis @ coefficients
        slopes = self._basis
        within = np.clip(log, -_LARGEST_LOGARITHM, _LARGEST_LOGARITHM)
        if not np.array_equal(within, log):
            log, slopes = within, slopes * (within == log)[:, None]
        days = self.day * np.exp(log)
        return Pace(log, slopes, np.cumsum(days), np.cumsum(days[:, None] * slopes, axis=0))

    def spans(self, pace: Pace, first: IntArray, last: IntArray) -> tuple[FloatArray, FloatArray]:
        """Recency and T of some customers."""
        begin = pace.passed[first]
        return pace.passed[last] - begin, pace.passed[-1] - begin

    def purchase_days(self, pace: Pace) -> float:
        """Sum of ``log s`` over all repeat purchases."""
        return float(self.purchases @ pace.log)


class SpanTotals:
    """A likelihood's derivatives in recency and T, added up by the days where spans begin and end.

    Recency and T are differences of what has passed by three days. So derivatives in the
    coefficients of the pace follow from sums by day, whatever the number of coefficients.

    Parameters
    ----------
    spans : WarpedSpans
    others : int
        How many parameters there are beside the coefficients of the pace.
    """

    def __init__(self, spans: WarpedSpans, others: int) -> None:
        days = spans.purchases.size
        self._spans = spans
        self._first = np.zeros(days)
        self._mixed = np.zeros((others, days))
        self._alone = np.zeros(days)
        self._with_end = np.zeros(days)
        self._pairs: list[tuple[FloatArray, IntArray, IntArray]] = []

    def add(
        self,
        days: Sequence[IntArray],
        first: FloatArray,
        second: FloatArray,
        mixed: list[tuple[IntArray, FloatArray]],
    ) -> None:
        """Add some customers.

        Parameters
        ----------
        days : sequence of ndarray of int, shape (n,)
            Those of the first and of the last purchase.
        first : ndarray, shape (2, n)
            Derivatives of the log-likelihood in recency and T.
        second : ndarray, shape (2, 2, n)
            Second ones.
        mixed : list of tuple
            Positions of other parameters, shape (m,), and their second derivatives with recency
            and T, shape (m, 2, n).
        """
        begin, last = days
        self._first += self._by_day(begin, last, *first)
        for at, rows in mixed:
            for place, row in zip(at, rows, strict=True):
                self._mixed[place] += self._by_day(begin, last, *row)
        (recent, both), (_, age) = second
        size = self._alone.size
        self._alone += sums_by_code(begin, recent + 2.0 * both + age, size)
        self._alone += sums_by_code(last, recent, size)
        self._alone[-1] += age.sum()
        self._with_end += sums_by_code(last, both, size) - sums_by_code(begin, both + age, size)
        self._pairs.append((-(recent + both), last, begin))

    def derivatives(self, pace: Pace) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Gradient (k,) and Hessian (k, k) in the coefficients, and with the others (others, k)."""
        passing, slopes = pace.passing, pace.slopes
        values, last, begin = map(np.concatenate, zip(*self._pairs, strict=True))
        size = self._alone.size
        pairs = csr_array((values, (last, begin)), shape=(size, size))
        crossed = passing.T @ (pairs @ passing) + np.outer(self._with_end @ passing, passing[-1])
        # The derivative in what has passed by a day is one in the pace of all days before it.
        until = np.cumsum(self._first[::-1])[::-1]
        bent = self._spans.day * np.exp(pace.log) * until
        hessian = crossed + crossed.T
        hessian += (passing * self._alone[:, None]).T @ passing
        hessian += (slopes * bent[:, None]).T @ slopes
        gradient = self._first @ passing + self._spans.purchases @ slopes
        return gradient, hessian, self._mixed @ passing

    def _by_day(
        self, begin: IntArray, last: IntArray, per_recency: FloatArray, per_age: FloatArray
    ) -> FloatArray:
        """Derivatives in what has passed by each day, from those in recency and T."""
        size = self._alone.size
        of_day = sums_by_code(last, per_recency, size)
        of_day -= sums_by_code(begin, per_recency + per_age, size)
        of_day[-1] += per_age.sum()
        return of_day
