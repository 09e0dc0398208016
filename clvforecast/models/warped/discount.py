"""What discounting does in warped time: purchases spread evenly over it, and present values."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.polynomial import chebyshev

from clvforecast.calendars import Clock, discount_rules
from clvforecast.models.bgnbd import BGNBD
from clvforecast.models.discounting import Present, StopTimes, stop_times
from clvforecast.numerics.arrays import ArrayLike, FloatArray
from clvforecast.units import DAYS_PER_YEAR

__all__ = ["SHIFTS", "WarpedDiscount", "present_value"]

SHIFTS: Final = 4.0
"""Quadratures over warped time are for shifts that are powers of this."""
_STRAIGHT: Final = 1e-5
"""Seasons that move present values by less than this need no stops of their own."""
_STOPS_PER_YEAR: Final = 8
_MOST_STOPS: Final = 60


@dataclass(frozen=True, eq=False)
class WarpedDiscount:
    """Discounting of purchases that are spread evenly over warped time, at a constant rate.

    Parameters
    ----------
    clock : Clock
        With one offset.
    rate : float
        Continuous, per unit of time as it is.
    """

    clock: Clock
    rate: float

    def stops(self, horizon: float, dispersion: float) -> StopTimes:
        """Times of stopping, warped, as is `horizon`; see `Discount`.

        The law of present values follows the season, which takes some nodes per year.
        """
        t = float(self.clock.ahead_inverse(horizon))
        plain = stop_times(horizon, self.rate * t, dispersion)
        days = self.clock.day_ends(0.0, t)
        astray = np.abs(days - self.clock.ahead(days) * (t / horizon)).max()
        years = t * self.clock.unit_days / DAYS_PER_YEAR
        needed = min(math.ceil(4 + _STOPS_PER_YEAR * years), _MOST_STOPS)
        if self.rate * astray < _STRAIGHT or plain.times.size >= needed:
            return plain
        return StopTimes(0.5 * horizon * (1.0 + chebyshev.chebpts1(needed)), horizon)

    def until(self, stop: ArrayLike, anywhere: ArrayLike, at_stop: ArrayLike) -> Present:
        """Moments of present values; see `Discount`."""
        stop = np.asarray(stop, dtype=float)
        length = np.where(stop > 0, stop, 1.0)
        first = np.where(stop > 0, self.clock.discounted(stop, self.rate) / length, 1.0)
        second = np.where(stop > 0, self.clock.discounted(stop, 2.0 * self.rate) / length, 1.0)
        last = np.exp(-self.rate * self.clock.ahead_inverse(stop))
        anywhere, at_stop = np.asarray(anywhere, dtype=float), np.asarray(at_stop, dtype=float)
        return Present(
            np.asarray(anywhere * first + at_stop * last),
            np.asarray(anywhere * np.maximum(second - first**2, 0.0)),
            np.asarray(anywhere * second + at_stop * last**2),
        )


def present_value(
    clock: Clock, horizon: float, rate: float, pace: float
) -> Callable[[float, float, float, FloatArray], FloatArray]:
    """Expected purchases ahead, each discounted from when it happens, of active customers.

    Parameters
    ----------
    clock : Clock
        With one offset.
    horizon, rate : float
        Length of the period ahead, finite, and continuous discount rate.
    pace : float
        How many times as fast all of warped time passes.

    Returns
    -------
    callable
        Of R, a, b and scales, shape (n,): purchases come at a rate that is gamma distributed with
        the shape R and these rate parameters, and end at each with a probability that is beta
        distributed.
    """
    rule = lru_cache(discount_rules(clock, horizon, rate))

    def given_history(R: float, a: float, b: float, scale: FloatArray) -> FloatArray:
        fastest = scale.min() / ((R + 1.0) * pace)
        nodes, weights = rule(SHIFTS ** math.floor(math.log(fastest, SHIFTS)))
        # Given activity, a customer is a new one with other parameters.
        new = BGNBD(r=R, alpha=1.0, a=a, b=b)
        return np.asarray(
            new.purchases_if_alive(pace * nodes / scale[:, None], 0.0, 0.0, 0.0) @ weights
        )

    return given_history
