"""Integrals over time to come of smooth functions of warped time, as sums over a few nodes.

Daily multipliers jump, so that no quadrature in time converges fast. But what is integrated is a
smooth function of warped time, the same kind for all customers. It is interpolated there, and what
the jumps do to the interpolation is worked out once, exactly, day by day.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.polynomial import chebyshev, legendre

from clvforecast.calendars.clock import Clock
from clvforecast.calendars.days import CYCLE
from clvforecast.numerics.arrays import FloatArray
from clvforecast.numerics.quadrature import Rule, gauss_legendre

__all__ = ["discount_rules", "wait_rules"]

_LOG_PRECISION: Final = 36.0
_DETAILED: Final = 15 * 365
"""Days ahead, each on its own; after them, some at a time."""
_SOME: Final = 28
"""Of 15 years a stretch so short that a cubic follows what is smooth, to 1e-10."""
_STEP: Final = 1.5
"""What bends where warped time is its shift is integrated in steps of this factor."""
_BENT: Final = 0.02
"""Intervals longer than this, beside the shift and what passed before, take more points."""
_PARTS: Final = 65
_PER_DAY: Final = 2
_FEW: Final = 4
_MANY: Final = 8
_FAR_NODES: Final = 64
_CUBIC: Final = 3

_Density = Callable[[FloatArray, FloatArray], FloatArray]
"""Of a measure per unit of time, at times and the multipliers there."""


def discount_rules(clock: Clock, t: float, rate: float) -> Callable[[float], Rule]:
    """Quadratures for expected purchases ahead, each discounted from when it happens.

    Parameters
    ----------
    clock : Clock
        With one offset.
    t : float
        Length of the period ahead, positive and finite.
    rate : float
        Continuous discount rate per time unit.

    Returns
    -------
    callable
        Maps a shift to a rule: if expected purchases ``E(w)`` within the warped time w, with
        ``E(0) = 0``, are analytic and bounded where the real part of ``w / shift`` is above -1,
        then ``weights @ E(nodes)`` is the integral of ``exp(-rate u) dE(W(u))`` over u in (0, t),
        W(u) being the warped length of u.

    Notes
    -----
    By parts it is ``exp(-rate t) E(W(t))`` plus the integral of E over a positive measure.

    Examples
    --------
    >>> import datetime as dt
    >>> from clvforecast.calendars import Basis, Calendar
    >>> basis = Basis(Calendar(weekdays=True), dt.date(2024, 1, 1), dt.date(2024, 3, 31))
    >>> clock = Clock(basis, [0.0] * 6, dt.date(2024, 3, 31))
    >>> w, weights = discount_rules(clock, 40.0, rate=0.1)(5.0)
    >>> print(round(weights @ w, 10), round(10 * -np.expm1(-4.0), 10))
    9.8168436111 9.8168436111
    """

    def density(u: FloatArray, _: FloatArray) -> FloatArray:
        return rate * np.exp(-rate * u)

    measure = _Measure(clock, t, density)

    def rule(shift: float) -> Rule:
        nodes, weights = measure.rule(shift)
        at_end = math.exp(-rate * t)
        return Rule(np.append(nodes, measure.warped_end), np.append(weights, at_end))

    return rule


def wait_rules(clock: Clock) -> Callable[[float], Rule]:
    """Quadratures for what the calendar adds to an expected wait.

    Parameters
    ----------
    clock : Clock
        With one offset.

    Returns
    -------
    callable
        Maps a shift, as of `discount_rules`, to a rule: of the probability ``S(w)`` of waiting
        longer than w, ``weights @ S(nodes)`` is the integral over the time that passes with w, less
        that over w itself, over the average multiplier. So much longer than at the average pace is
        the wait.
    """
    average = clock.pace.average
    settled = max(0.0, clock.pace.settled - float(clock.offset) * clock.unit_days)
    end = (settled + CYCLE) / clock.unit_days

    def density(_: FloatArray, s: FloatArray) -> FloatArray:
        return 1.0 - s / average

    measure = _Measure(clock, end, density)
    # Beyond, the delay goes around its mean for ever.
    times, warped = _last_cycle(clock, end)
    delay = times - warped / average
    mean = np.average(0.5 * (delay[1:] + delay[:-1]), weights=np.diff(warped))

    def rule(shift: float) -> Rule:
        nodes, weights = measure.rule(shift)
        return Rule(np.append(nodes, measure.warped_end), np.append(weights, mean - delay[-1]))

    return rule


@dataclass(frozen=True, eq=False)
class _Measure:
    """A measure over the time ahead, until an end, as points in warped time."""

    clock: Clock
    end: float
    density: _Density

    @cached_property
    def warped_end(self) -> float:
        return float(self.clock.ahead(self.end))

    @property
    def _day(self) -> float:
        return 1.0 / self.clock.unit_days

    @cached_property
    def _near_end(self) -> float:
        return min(self.end, _DETAILED * self._day)

    def rule(self, shift: float) -> Rule:
        """Quadrature for functions which are smooth in ``log(1 + w / shift)``."""
        near = _gauss(self.clock, self._near_edges(shift), shift, self.density)
        w, mass = (np.concatenate(c) for c in zip(near, *self._far, strict=True))
        return _condensed(w, mass, self.warped_end, shift)

    def _near_edges(self, shift: float) -> FloatArray:
        """Ends of days, and of steps short enough for functions that bend within a day."""
        end = self._near_end
        edges = np.union1d(self.clock.day_ends(0.0, end), np.linspace(0.0, end, _PARTS))
        last = float(self.clock.ahead(end))
        count = 2 + math.ceil(math.log1p(last / shift) / math.log(_STEP))
        steps = shift * (_STEP ** np.arange(1.0, count) - 1.0)
        bends = self.clock.ahead_inverse(steps[steps < last])
        return np.union1d(edges, np.minimum(bends, end))

    @cached_property
    def _far(self) -> tuple[tuple[FloatArray, FloatArray], ...]:
        """Points after the near end, which do for every shift."""
        clock, parts = self.clock, []
        settled = max(0.0, clock.pace.settled * self._day - float(clock.offset))
        known = min(self.end, settled + CYCLE * self._day)
        if known > self._near_end:
            edges = clock.day_ends(self._near_end, known)
            parts.append(_grouped(*_gauss(clock, edges, np.inf, self.density, few=_PER_DAY)))
        if self.end > known:
            parts.append(_beyond(clock, known, self.end, self.density))
        return tuple(parts)


def _last_cycle(clock: Clock, end: float) -> tuple[FloatArray, FloatArray]:
    """Times over the last 400 years before an end, and their warped lengths."""
    times = end - np.arange(CYCLE, -1.0, -1.0) / clock.unit_days
    return times, clock.ahead(times)


def _gauss(
    clock: Clock, edges: FloatArray, shift: float, density: _Density, *, few: int = _FEW
) -> tuple[FloatArray, FloatArray]:
    """Gauss-Legendre points between edges, with more of them where functions bend."""
    warped, lengths = clock.ahead(edges), np.diff(edges)
    some = lengths > 0
    start, length = edges[:-1][some], lengths[some]
    w_start, w_length = warped[:-1][some], np.diff(warped)[some]
    bent = w_length > _BENT * (shift + w_start)
    found = []
    for which, count in ((bent, _MANY), (~bent, few)):
        x, weights = gauss_legendre(count)
        share = 0.5 * (x + 1.0)
        u = start[which, None] + length[which, None] * share
        w = w_start[which, None] + w_length[which, None] * share
        pace = (w_length[which] / length[which])[:, None]
        mass = 0.5 * weights * length[which, None] * density(u, np.broadcast_to(pace, u.shape))
        found.append((w.ravel(), mass.ravel()))
    w, mass = (np.concatenate(columns) for columns in zip(*found, strict=True))
    return w, mass


def _grouped(w: FloatArray, mass: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Fewer points, which integrate cubic polynomials over every stretch of days as these do."""
    size = _PER_DAY * _SOME
    group = np.minimum(np.arange(w.size) // size, max(w.size // size, 1) - 1)
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    low, high = w[starts], w[np.append(starts[1:], w.size) - 1]
    place = 2.0 * (w - low[group]) / (high - low)[group] - 1.0
    polynomials = legendre.legvander(place, _CUBIC)
    moments = np.add.reduceat(mass[:, None] * polynomials, starts, axis=0)
    x, weights = gauss_legendre(_CUBIC + 1)
    basis = legendre.legvander(x, _CUBIC) * (np.arange(_CUBIC + 1.0) + 0.5)
    nodes = low[:, None] + 0.5 * (high - low)[:, None] * (x + 1.0)
    return nodes.ravel(), (moments @ basis.T * weights).ravel()


def _beyond(
    clock: Clock, start: float, end: float, density: _Density
) -> tuple[FloatArray, FloatArray]:
    """Points of a far future, in which a season more or less is nothing: at the average pace."""
    x, weights = gauss_legendre(_FAR_NODES)
    half = 0.5 * math.log(end / start)
    u = start * np.exp(half * (x + 1.0))
    times, warped = _last_cycle(clock, start)
    average = clock.pace.average
    ahead = warped - average * times
    w = average * u + np.mean(0.5 * (ahead[1:] + ahead[:-1]))
    return w, half * weights * u * density(u, np.full(u.shape, average))


def _condensed(w: FloatArray, mass: FloatArray, end: float, shift: float) -> Rule:
    """A few nodes, and weights that integrate functions which are smooth in ``log(1 + w / shift)``.

    The functions are interpolated at Chebyshev points, and the integrals of the polynomials follow
    from their recurrence. The degree is as of `evaluate_smooth`: in the logarithm the half plane is
    a strip of half-width pi / 2.
    """
    width = math.log1p(end / shift)
    degree = math.ceil(_LOG_PRECISION / math.asinh(math.pi / width))
    place = 2.0 * np.log1p(w / shift) / width - 1.0
    moments = np.empty(degree + 1)
    before, now = mass, mass * place
    moments[0] = before.sum()
    for k in range(1, degree + 1):
        moments[k] = now.sum()
        before, now = now, 2.0 * place * now - before
    points = chebyshev.chebpts1(degree + 1)
    moments[1:] *= 2.0
    weights = chebyshev.chebvander(points, degree) @ moments / (degree + 1)
    return Rule(shift * np.expm1(0.5 * width * (points + 1.0)), weights)
