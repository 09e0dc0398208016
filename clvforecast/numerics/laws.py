"""Laws tabulated for many histories at once, a row each, and quantiles looked up in them.

A customer's level is his own, so a lookup goes through pairs of a row and a level.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from clvforecast.numerics.arrays import FloatArray, IntArray

__all__ = ["CountLaw", "SmoothLaw", "tabulated"]

_Number = TypeVar("_Number", np.int64, np.float64)

_AT_ONCE: Final = 2**15
"""Lookups whose intermediate results stay in the cache."""
_ROUNDING: Final = 1e-13
_INTEGRAL: Final = (
    np.array([-191.0, 1879.0, -9531.0, 68323.0, 68323.0, -9531.0, 1879.0, -191.0]) / 120960.0
)
"""Integral between the middle two of eight equidistant values: exact for septics."""
_DERIVATIVE: Final = np.array([-1.0, 9.0, -45.0, 0.0, 45.0, -9.0, 1.0]) / 60.0
"""Derivative at the middle of seven of them: exact for sextics."""
_PADDING: Final = 4
"""Nodes beyond either end: an even number, at least three."""
_FIRST_PIECES: Final = 32
_MOST_PIECES: Final = 2**12
_GAIN_OF_HALVING: Final = 64.0
_TOLERANCE: Final = 1e-7
_ROUNDING_OF_DENSITIES: Final = 1e-4
"""Those of laws with shapes of a thousand million have no more digits, however fine the steps."""
_NEWTON_STEPS: Final = 6
_SMALLEST: Final = 1e-300


@dataclass(frozen=True, eq=False)
class CountLaw:
    """Laws of numbers 0, 1, 2, ...: `upto` holds the probability of at most each, a row per law."""

    upto: FloatArray

    @property
    def pmf(self) -> FloatArray:
        """Probability of each number, a row per law."""
        return np.diff(self.upto, axis=1, prepend=0.0)

    def cdf(self, n: IntArray, row: IntArray) -> FloatArray:
        """Probability of at most n in the law of each row; the arguments broadcast."""
        last = self.upto.shape[1] - 1
        upto = self.upto[row, np.clip(n, 0, last)]
        return np.where(np.asarray(n) < 0, 0.0, np.where(np.asarray(n) > last, 1.0, upto))

    def quantile(self, level: FloatArray, row: IntArray) -> IntArray:
        """Smallest number with at least probability `level` of not being exceeded, shape (n,).

        >>> law = CountLaw(np.array([[0.5, 0.8, 1.0]]))
        >>> law.quantile(np.array([-1.0, 0.5, 0.6]), np.zeros(3, dtype=int))
        array([0, 0, 1])
        """
        return _in_blocks(
            lambda level, row: _last_below(self.upto, level - _ROUNDING, row) + 1, level, row
        )


@dataclass(frozen=True, eq=False)
class SmoothLaw:
    """Laws of a continuous quantity on equidistant nodes, a row each.

    Probabilities, densities and slopes of densities; the quintic that agrees with all three at two
    neighbouring nodes lies in between.
    """

    first: float
    step: float
    upto: FloatArray
    density: FloatArray
    slope: FloatArray

    @property
    def nodes(self) -> FloatArray:
        """Where the laws are tabulated."""
        return _equidistant(self.first, self.step, 0, self.upto.shape[1])

    def mapped(self, rows: Callable[[FloatArray], FloatArray]) -> SmoothLaw:
        """Laws that are linear in these, as `rows` says."""
        upto, density, slope = (rows(table) for table in (self.upto, self.density, self.slope))
        return _increasing(replace(self, upto=upto, density=density, slope=slope))

    def cdf(self, at: FloatArray, row: IntArray) -> FloatArray:
        """Probability of at most `at` in the law of each row; the arguments broadcast.

        Flat beyond the nodes, where nothing is asked for.
        """
        place = np.clip((at - self.first) / self.step, 0.0, self.upto.shape[1] - 1.0)
        piece = np.minimum(place.astype(np.int64), self.upto.shape[1] - 2)
        return _horner(self._quintic(piece, row), place - piece)

    def quantile(self, level: FloatArray, row: IntArray) -> FloatArray:
        """Where the law of each row reaches `level`, shape (n,); an end of the nodes if outside."""
        return _in_blocks(self._quantile, level, row)

    def _quantile(self, level: FloatArray, row: IntArray) -> FloatArray:
        piece = np.clip(_last_below(self.upto, level, row), 0, self.upto.shape[1] - 2)
        start, *rest = self._quintic(piece, row)
        quintic = [start - level, *rest]
        rise = [k * c for k, c in enumerate(quintic)][1:]
        low, high = np.zeros(level.shape), np.ones(level.shape)
        place = np.clip(-quintic[0] / np.maximum(sum(rest), _SMALLEST), 0.0, 1.0)
        for _ in range(_NEWTON_STEPS):
            excess = _horner(quintic, place)
            below = excess < 0
            low, high = np.where(below, place, low), np.where(below, high, place)
            place = place - excess / np.maximum(_horner(rise, place), _SMALLEST)
            # Where the law is all but flat Newton's step leads astray, and halving does not.
            astray = (place < low) | (place > high)
            place[astray] = 0.5 * (low + high)[astray]
        return np.asarray(self.first + self.step * (piece + place))

    def _quintic(self, piece: IntArray, row: IntArray) -> list[FloatArray]:
        """Coefficients on a piece, in units of the step."""
        here = row * self.upto.shape[1] + piece
        ends = (here, here + 1)
        upto0, upto1 = (self.upto.ravel()[k] for k in ends)
        density0, density1 = (self.step * self.density.ravel()[k] for k in ends)
        slope0, slope1 = (self.step**2 * self.slope.ravel()[k] for k in ends)
        rise = upto1 - upto0 - density0 - slope0 / 2
        steeper = density1 - density0 - slope0
        bend = (slope1 - slope0) / 2
        return [
            upto0,
            density0,
            slope0 / 2,
            10 * rise - 4 * steeper + bend,
            -15 * rise + 7 * steeper - 2 * bend,
            6 * rise - 3 * steeper + bend,
        ]


def tabulated(
    cdf: Callable[[FloatArray], FloatArray],
    density: Callable[[FloatArray], FloatArray],
    begin: float,
    end: float,
) -> SmoothLaw:
    """Tabulate laws from `begin` to `end`, so densely that they are right to 1e-7.

    Parameters
    ----------
    cdf, density : callable
        Map points, shape (k,), to values of every law, shape (rows, k). The density must be
        smooth; the probability, which costs more, is asked for at both ends alone.
    begin, end : float

    Notes
    -----
    The density is integrated between nodes by the eight-point rule. Steps are halved until the
    quintics foretell the values in their middle, and the integral the probability at the end. A
    law too steep for that, such as one that all but jumps, is taken from `cdf` at the nodes.

    Examples
    --------
    >>> law = tabulated(lambda t: -np.expm1(-t)[None], lambda t: np.exp(-t)[None], 0.0, 20.0)
    >>> print(law.quantile(np.array([0.5]), np.array([0])).round(6))
    [0.693147]
    """
    at_begin, at_end = cdf(np.array([begin, end])).T
    pieces, step = _FIRST_PIECES, (end - begin) / _FIRST_PIECES
    values = density(_equidistant(begin, step, -_PADDING, pieces + _PADDING + 1))
    law = _integrated(begin, step, values, at_begin)
    last_error = math.inf
    while True:
        foretold = 0.5 * (law.upto[:, 1:] + law.upto[:, :-1])
        foretold -= 5 / 32 * step * np.diff(law.density, axis=1)
        foretold += step**2 / 64 * (law.slope[:, 1:] + law.slope[:, :-1])
        # Of the padding, the coarser nodes' outer ones are no longer needed.
        outer = _PADDING // 2
        finer = np.empty((len(values), 2 * pieces + 4 * outer + 1))
        finer[:, ::2] = values[:, _PADDING - outer : values.shape[1] - _PADDING + outer]
        finer[:, 1::2] = density(_equidistant(begin + step / 2, step, -outer, pieces + outer))
        values, pieces, step = finer, 2 * pieces, step / 2
        law = _integrated(begin, step, values, at_begin)
        error = max(
            float(np.abs(law.upto[:, 1::2] - foretold).max()) / _GAIN_OF_HALVING,
            float(np.abs(law.upto[:, -1] - at_end).max()),
        )
        if error < _TOLERANCE or last_error / 4 < error < _ROUNDING_OF_DENSITIES:
            return _increasing(law)
        last_error = error
        if pieces >= _MOST_PIECES:
            upto = np.maximum.accumulate(cdf(law.nodes), axis=1)
            return SmoothLaw(begin, step, upto, np.zeros_like(upto), np.zeros_like(upto))


def _equidistant(origin: float, step: float, start: int, stop: int) -> FloatArray:
    return np.asarray(origin + step * np.arange(start, stop), dtype=float)


def _integrated(begin: float, step: float, values: FloatArray, at_begin: FloatArray) -> SmoothLaw:
    """The law whose density has these values at the nodes and some beyond either end."""
    size = values.shape[1] - 2 * _PADDING

    def sliding(weights: FloatArray, first: int, count: int) -> FloatArray:
        """Weighted sum of neighbours, from `first` beside each of the first `count` nodes."""
        begin = _PADDING + first
        parts = (w * values[:, begin + k : begin + k + count] for k, w in enumerate(weights))
        return np.asarray(sum(parts))

    upto = np.empty((len(values), size))
    upto[:, 0] = at_begin
    upto[:, 1:] = at_begin[:, None] + np.cumsum(sliding(step * _INTEGRAL, -3, size - 1), axis=1)
    slope = sliding(_DERIVATIVE / step, -3, size)
    return SmoothLaw(begin, step, upto, values[:, _PADDING:-_PADDING].copy(), slope)


def _increasing(law: SmoothLaw) -> SmoothLaw:
    """The law without the falls that rounding, and parts of negative weight, leave in it."""
    falling = law.density < 0
    if not falling.any():
        return law
    return replace(
        law,
        upto=np.maximum.accumulate(law.upto, axis=1),
        density=np.where(falling, 0.0, law.density),
        slope=np.where(falling, 0.0, law.slope),
    )


def _horner(coefficients: list[FloatArray], at: FloatArray) -> FloatArray:
    value = coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        value = value * at + coefficient
    return value


def _last_below(upto: FloatArray, level: FloatArray, row: IntArray) -> IntArray:
    """Last column of each row in which the law is below the level; -1 if it is in none."""
    width, flat = upto.shape[1], upto.ravel()
    start = row * width
    first, last = np.full(level.shape, -1), np.full(level.shape, width)
    for _ in range(width.bit_length()):
        middle = (first + last) >> 1
        below = (middle >= 0) & (flat[start + np.maximum(middle, 0)] < level)
        first, last = np.where(below, middle, first), np.where(below, last, middle)
    return first


def _in_blocks(
    lookup: Callable[[FloatArray, IntArray], NDArray[_Number]], level: FloatArray, row: IntArray
) -> NDArray[_Number]:
    blocks = range(0, max(level.size, 1), _AT_ONCE)
    return np.concatenate([lookup(level[i : i + _AT_ONCE], row[i : i + _AT_ONCE]) for i in blocks])
