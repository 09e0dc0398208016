"""Moments of discounted sums over every kth of events that are spread evenly over a time."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import exprel

from clvforecast.numerics.arrays import FloatArray, IntArray

__all__ = ["DiscountedEvents", "DiscountedSums"]


class DiscountedSums(NamedTuple):
    """Moments of a sum of discount factors, each of shape (counts, falls)."""

    mean: FloatArray
    variance: FloatArray
    squares: FloatArray
    """Mean of the sum of the squared factors."""


class DiscountedEvents:
    """Every kth of events at independent uniform times; one at u counts ``exp(-fall u)``.

    Parameters
    ----------
    fall : ndarray, shape (falls,)
        Logarithms of what an event at once is worth over one at the end of the time.
    k : int
    most : int
        Largest number of events.

    Notes
    -----
    Of N events those whose number leaves the remainder c when divided by k have the density
    ``N P(remainder of Binomial(N - 1, u) is c)``; over the k roots of unity z that is the mean of
    ``N z ** -c (1 - u (1 - z)) ** (N - 1)``, whose integral against ``exp(-fall u)`` obeys a
    recurrence in N. It is stable upwards while ``N |1 - z| < fall``, and downwards beyond.
    """

    def __init__(self, fall: FloatArray, k: int, most: int) -> None:
        self._fall, self._k = fall, k
        both = np.concatenate((fall, 2.0 * fall))
        self._at_one = exprel(-both)
        self._at_roots = [
            _integrals(both, np.exp(2j * np.pi * root / k), most) for root in range(1, k // 2 + 1)
        ]

    def sums(self, n: IntArray, first: int, after: int) -> DiscountedSums:
        """Moments for n events that count: the one of number `first`, from 1 to k, and every kth.

        Parameters
        ----------
        n : ndarray of int, shape (counts,)
        first : int
        after : int
            How many events come after the last that counts, below k.

        Notes
        -----
        The means are exact. The variance is the one it would be if the events that count came at
        independent times, times a factor: what that is where nothing is discounted much. It is so
        exact for one event, for a small fall, and for k = 1.

        Examples
        --------
        Of two events the second, whose time has mean 2/3:

        >>> events = DiscountedEvents(np.array([1e-6]), 2, most=10)
        >>> mean, _, _ = events.sums(np.array([1]), first=2, after=0)
        >>> print(((1 - mean) * 1e6).round(3))
        [[0.667]]
        """
        k = self._k
        some = np.maximum(n, 1)
        events = first + k * (some - 1) + after
        total = np.broadcast_to(self._at_one, (n.size, self._at_one.size)).copy()
        for root, integrals in enumerate(self._at_roots, start=1):
            turn = np.exp(2j * np.pi * root * (1 - first) / k)
            part = (turn * integrals[events]).real
            total += part if 2 * root == k else 2.0 * part
        total *= np.where(n > 0, events / k, 0.0)[:, None]
        mean, squares = np.split(total, 2, axis=1)
        apart = np.maximum(squares - mean**2 / some[:, None], 0.0)
        return DiscountedSums(mean, _together(some, first, after, k)[:, None] * apart, squares)


def _integrals(fall: FloatArray, root: complex, most: int) -> NDArray[np.complex128]:
    """Integrals of ``exp(-fall u) (1 - u (1 - root)) ** (N - 1)`` over (0, 1), for N to `most`."""
    gap, last = 1.0 - root, np.exp(-fall)
    # From so far above, whatever is put in is forgotten.
    top = most + 40 + math.ceil(2.0 * float(fall.max(initial=0.0)) / abs(gap))
    found = np.empty((top + 1, fall.size), dtype=np.complex128)
    found[top] = 0.0
    for number in range(top - 1, 0, -1):
        known = 1.0 - last * root**number
        found[number] = (known - fall * found[number + 1]) / (number * gap)
    upwards = fall > abs(gap)
    if upwards.any():
        steep, end = fall[upwards], last[upwards]
        value = (-np.expm1(-steep) / steep).astype(np.complex128)
        found[1, upwards] = value
        for number in range(1, min(top, math.ceil(float(steep.max()) / abs(gap)))):
            value = (1.0 - end * root**number - number * gap * value) / steep
            below = (number + 1) * abs(gap) < steep
            found[number + 1, upwards] = np.where(below, value, found[number + 1, upwards])
    return found[: most + 1]


def _together(n: IntArray, first: int, after: int, k: int) -> FloatArray:
    """Variance of a sum of every kth uniform time, over that of independent ones as late."""
    n = n.astype(float)
    events = first + k * (n - 1.0) + after
    early = k - first
    triangle, pyramid = n * (n + 1.0) / 2.0, n * (n + 1.0) * (2.0 * n + 1.0) / 6.0
    places = k * triangle - early * n
    squared = k**2 * pyramid - 2.0 * k * early * triangle + early**2 * n
    # Of sums over all pairs of the smaller place.
    smaller = k * pyramid - early * n**2
    together = ((events + 1.0) * smaller - places**2) / (events + 1.0) ** 2 / (events + 2.0)
    second = (squared + places) / (events + 1.0) / (events + 2.0)
    return np.asarray(together / (second - (places / (events + 1.0)) ** 2 / n))
