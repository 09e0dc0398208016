"""What a customer spends up to a limit: the integrals that the CRPS of spend is made of.

Given activity, future spend over the customer's own amount of money has the law of his history:
nothing, or a mixture over the number of orders. With S(u) the probability of more than u, the
score needs the integral of S up to what was spent, and that of S squared over all amounts. Both
are integrals of one smooth function per history.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.polynomial import legendre

from clvforecast.models import SpendModel
from clvforecast.numerics.arrays import BoolArray, FloatArray, IntArray
from clvforecast.numerics.laws import CountLaw
from clvforecast.numerics.quadrature import gauss_legendre

__all__ = ["LimitedSpend", "limited_spend"]

_SIZE: Final = 16
_NODES: Final = gauss_legendre(_SIZE)
"""Of each panel, with their weights: what is integrated is as good as a polynomial there."""
_TO_SERIES: Final = (
    _NODES[1][:, None] * legendre.legvander(_NODES[0], _SIZE - 1) * (np.arange(_SIZE) + 0.5)
)
"""From values at the nodes to the coefficients of the Legendre series through them."""
_UPTO_NODE: Final = _TO_SERIES @ legendre.legval(
    _NODES[0], legendre.legint(np.eye(_SIZE), lbnd=-1), tensor=True
)
"""From values at the nodes to the integral of that series from -1 to each node."""
_FIRST_PANELS: Final = 8
_MOST_PANELS: Final = 512
_TOLERANCE: Final = 1e-9
_NEGLIGIBLE: Final = 1e-12
_NEGLIGIBLE_TAIL: Final = 1e-10
_LOG_SPEND: Final = (-60.0, 60.0)
_BISECTIONS: Final = 10
_DEEPEST: Final = 32.0
_AT_ONCE: Final = 2**20


@dataclass(frozen=True, eq=False)
class LimitedSpend:
    """Of customers who are alive, a row for each history, in units of `SpendModel.spend_scale`.

    Attributes
    ----------
    smaller_of_two : ndarray, shape (rows,)
        ``E[min(U, U')]`` of two independent draws of scaled spend.
    """

    smaller_of_two: FloatArray
    _some: FloatArray
    _begin: float
    _width: float
    _reached: FloatArray
    _integrand: FloatArray
    _integral: FloatArray

    def limited_mean(self, u: FloatArray, row: IntArray) -> FloatArray:
        """``E[min(U, u)]`` in the law of each row, shape (n,)."""
        panel, at, inside = self._place(u)
        rise = legendre.legval(at, self._integral[row, panel].T, tensor=False)
        reached = self._reached[row, panel] + 0.5 * self._width * rise
        return np.asarray(np.where(inside, reached, u * self._some[row]))

    def exceeded(self, u: FloatArray, row: IntArray) -> FloatArray:
        """Probability of more than u in the law of each row, shape (n,)."""
        panel, at, inside = self._place(u)
        value = legendre.legval(at, self._integrand[row, panel].T, tensor=False)
        above = value / np.where(inside, u, 1.0)
        return np.clip(np.where(inside, above, self._some[row]), 0.0, self._some[row])

    def _place(self, u: FloatArray) -> tuple[IntArray, FloatArray, BoolArray]:
        """The panel of each amount, where in it from -1 to 1, and whether it is in any."""
        inside = u > math.exp(self._begin)
        place = (np.log(np.where(inside, u, 1.0)) - self._begin) / self._width
        panel = np.clip(place.astype(np.int64), 0, self._reached.shape[1] - 1)
        return panel, 2.0 * (place - panel) - 1.0, inside


def limited_spend(spend: SpendModel, x: float, number: CountLaw, highest: float) -> LimitedSpend:
    """Integrate the probability of spending more, for histories of one frequency.

    Parameters
    ----------
    spend : SpendModel
    x : float
        Their frequency.
    number : CountLaw
        Of the purchases of customers who are alive, up to where next to nothing is left.
    highest : float
        The largest amount asked for, in units of `SpendModel.spend_scale`.

    Notes
    -----
    In ``log u`` the density and ``S(u) u`` are analytic and decay either way. S is the integral of
    the density, from the top down, so that its tail keeps its digits. Panels are halved until all
    probability is found to 1e-9, and the last of 16 Legendre coefficients on each are below 1e-9
    of the integral of ``S(u) u``; the same series give the integral up to any amount. Amounts with
    less than 1e-12 of the probability below them, or smaller than 1e-14 of the median, are taken
    for less than any order. Beyond the last panel S is at most ``e = 1e-10``, so what is left out
    of the integral of S squared is at most e times what is left of ``E[U]``.

    A law that all but jumps, as of orders that all have one value, is taken from its distribution
    function at the nodes of 512 panels.
    """
    weights, some = number.pmf[:, 1:], 1.0 - number.upto[:, 0]
    orders = np.arange(1.0, number.upto.shape[1])
    kept = weights.max(axis=0, initial=0.0) > _NEGLIGIBLE / max(orders.size, 1)
    if not kept.any():
        flat = np.zeros((some.size, 1))
        none = np.zeros((some.size, 1, 1))
        return LimitedSpend(np.zeros(some.size), some, 0.0, 1.0, flat, none, none)
    law = _Some(spend, x, weights[:, kept], orders[kept])
    begin, end = law.bracket()
    end = max(end, math.log(highest) if highest > 0 else -math.inf)
    whole, beyond = (law.above(np.array([edge])) for edge in (begin, end))
    panels = _FIRST_PANELS
    while True:
        width = (end - begin) / panels
        log_u = begin + width * (np.arange(panels)[:, None] + 0.5 * (_NODES[0] + 1.0))
        density = _on_panels(law.density, log_u)
        above, found = _integrated_down(density, width, beyond)
        settled = bool(np.all(np.abs(found - whole) <= _TOLERANCE * whole))
        if panels >= _MOST_PANELS and not settled:
            above = _on_panels(law.above, log_u)
        values = above * np.exp(log_u)
        integrand = values @ _TO_SERIES
        pieces = width * integrand[..., 0]
        missed = width * np.abs(integrand[..., -2:]).sum(axis=2).max(axis=1)
        if panels >= _MOST_PANELS or (
            settled and np.all(missed <= _TOLERANCE * pieces.sum(axis=1))
        ):
            break
        panels *= 2
    below = math.exp(begin)
    before = np.cumsum(pieces, axis=1) - pieces
    squares = 0.5 * width * ((above * values) @ _NODES[1]).sum(axis=1)
    return LimitedSpend(
        smaller_of_two=below * some**2 + squares,
        _some=some,
        _begin=begin,
        _width=width,
        _reached=below * some[:, None] + before,
        _integrand=integrand,
        _integral=np.asarray(legendre.legint(integrand, lbnd=-1, axis=2), dtype=float),
    )


@dataclass(frozen=True, eq=False)
class _Some:
    """The law of what at least one order comes to, a row per history, in log u."""

    spend: SpendModel
    x: float
    weights: FloatArray
    orders: FloatArray

    def density(self, log_u: FloatArray) -> FloatArray:
        """Density at each point, shape (rows, points)."""
        return self._mixed(lambda n: self.spend.scaled_spend_density(log_u, n, self.x), log_u.size)

    def above(self, log_u: FloatArray) -> FloatArray:
        """Probability of more at each point, which costs more; shape (rows, points)."""
        u = np.exp(log_u)
        return self._mixed(lambda n: 1.0 - self.spend.scaled_spend_cdf(u, n, self.x), log_u.size)

    def _mixed(self, law: Callable[[FloatArray], FloatArray], points: int) -> FloatArray:
        total = np.zeros((len(self.weights), points))
        step = max(1, _AT_ONCE // points)
        for first in range(0, self.orders.size, step):
            part = slice(first, first + step)
            total += self.weights[:, part] @ law(self.orders[part, None])
        return total

    def bracket(self) -> tuple[float, float]:
        """Between which log u every law falls from as good as all it has to next to nothing."""
        some = self.weights.sum(axis=1)

        def kept(log_u: float) -> FloatArray:
            return np.asarray(self.above(np.array([log_u]))[:, 0] / some)

        def last(holds: Callable[[float], bool]) -> tuple[float, float]:
            """The neighbours between which a condition ceases to hold."""
            low, high = _LOG_SPEND
            for _ in range(_BISECTIONS):
                middle = 0.5 * (low + high)
                low, high = (middle, high) if holds(middle) else (low, middle)
            return low, high

        first, _ = last(lambda at: bool(kept(at).min() >= 1.0 - _NEGLIGIBLE))
        half, _ = last(lambda at: bool(kept(at).min() >= 0.5))
        _, end = last(lambda at: bool(kept(at).max() >= _NEGLIGIBLE_TAIL))
        return max(first, half - _DEEPEST), end


def _on_panels(law: Callable[[FloatArray], FloatArray], log_u: FloatArray) -> FloatArray:
    """Values at the nodes of every panel, shape (rows, panels, nodes)."""
    return law(log_u.ravel()).reshape(-1, *log_u.shape)


def _integrated_down(
    density: FloatArray, width: float, beyond: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Probability of more than each node, and of more than where the first panel begins."""
    pieces = 0.5 * width * (density @ _NODES[1])
    above = np.cumsum(pieces[:, ::-1], axis=1)[:, ::-1] + beyond
    within = 0.5 * width * (density @ _UPTO_NODE)
    return above[..., None] - within, above[:, :1]
