"""Quantiles of what many customers will buy and spend, worked out per history.

Given activity, the number of purchases depends on (x, T) alone, and what they come to on x but for
one amount of the customer's own. So laws are worked out once per history, and each customer's
quantile is looked up there at a level of his own: with p = P(alive), P(Y <= y) is
``1 - p + p F(y)``, and this is q where F is ``1 - (1 - q) / p``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import numpy as np

from clvforecast.models import PurchaseModel, SpendModel
from clvforecast.numerics.arrays import FloatArray, IntArray, distinct_rows

__all__ = ["purchase_quantiles", "spend_quantiles"]

Law: TypeAlias = Callable[[FloatArray], FloatArray]

_COUNTS_AT_ONCE: Final = 16
_ROUNDING: Final = 1e-13
_HIGHEST_LEVEL: Final = 1.0 - 1e-11
"""A sum of probabilities comes no closer to one than this."""
_NEGLIGIBLE_TAIL: Final = 1e-9
_LOG_SPEND: Final = np.linspace(-60.0, 60.0, 121)
_TOLERANCE: Final = 1e-7
_GAIN_OF_HALVING: Final = 16.0
_FIRST_NODES: Final = 65
_MOST_NODES: Final = 4000
_MOST_COUNTS: Final = 50_000
_NEWTON_STEPS: Final = 6


def purchase_quantiles(
    model: PurchaseModel,
    horizon: float,
    x: FloatArray,
    T: FloatArray,
    p_alive: FloatArray,
    levels: Sequence[float],
) -> FloatArray:
    """Smallest number of purchases not exceeded with each probability, per customer.

    Parameters
    ----------
    model : PurchaseModel
    horizon : float
        Finite, in time units.
    x, T, p_alive : ndarray, shape (n,)
        Frequency, age and P(alive) of each customer.
    levels : sequence of float
        Probabilities in [0, 1).

    Returns
    -------
    ndarray, shape (levels, n)
        Whole numbers.
    """
    (x, T), history = distinct_rows(x, T)
    # Every pair of a level and a customer is looked up on its own.
    wanted = np.minimum(_levels_if_alive(levels, p_alive).ravel(), _HIGHEST_LEVEL) - _ROUNDING
    history = np.tile(history, len(levels))
    found = np.zeros(wanted.size)
    waiting = np.flatnonzero(wanted > 0)
    reached, first = np.zeros(x.size), 0
    while waiting.size:
        rows, row_of = np.unique(history[waiting], return_inverse=True)
        counts = np.arange(first, first + _COUNTS_AT_ONCE)
        pmf = model.purchase_pmf_if_alive(counts, horizon, x[rows, None], T[rows, None])
        upto = reached[rows, None] + pmf.cumsum(axis=1)
        for column in upto.T:
            below = column[row_of] < wanted[waiting]
            waiting, row_of = waiting[below], row_of[below]
            found[waiting] += 1
        reached[rows], first = upto[:, -1], first + _COUNTS_AT_ONCE
    return found.reshape(len(levels), -1)


def spend_quantiles(
    purchases: PurchaseModel,
    spend: SpendModel,
    horizon: float,
    x: FloatArray,
    T: FloatArray,
    m: FloatArray,
    p_alive: FloatArray,
    levels: Sequence[float],
) -> FloatArray:
    """Smallest spend not exceeded with each probability, per customer, in money.

    Parameters
    ----------
    purchases, spend : PurchaseModel, SpendModel
        With one value per parameter.
    horizon : float
        Finite, in time units.
    x, T, m, p_alive : ndarray, shape (n,)
        Frequency, age, mean spend and P(alive) of each customer.
    levels : sequence of float
        Probabilities in [0, 1).

    Returns
    -------
    ndarray, shape (levels, n)
        Right to 1e-7 of the probability: the law of each history is tabulated until cubics
        are that close.
    """
    (x_level, T_level), history = distinct_rows(x, T)
    none = purchases.purchase_pmf_if_alive(0, horizon, x_level, T_level)
    wanted = _levels_if_alive(levels, p_alive).ravel()
    history, x = np.tile(history, len(levels)), np.tile(x, len(levels))
    scaled = np.zeros(wanted.size)
    spending = np.flatnonzero(wanted > none[history])
    order = spending[np.argsort(x[spending], kind="stable")]
    starts = np.flatnonzero(np.diff(x[order], prepend=-1.0))
    for same in np.split(order, starts[1:]):
        if same.size:
            rows, row_of = np.unique(history[same], return_inverse=True)
            law = _scaled_law(purchases, spend, horizon, float(x[same[0]]), T_level[rows])
            scaled[same] = np.exp(_log_quantiles(law, row_of, wanted[same]))
    return scaled.reshape(len(levels), -1) * spend.spend_scale(x[: m.size], m)


def _levels_if_alive(levels: Sequence[float], p_alive: FloatArray) -> FloatArray:
    """At which level a customer who is alive must be asked, shape (levels, n); below 0 if none."""
    above = 1.0 - np.asarray(levels, dtype=float)[:, None]
    return np.asarray(1.0 - above / np.maximum(p_alive, np.finfo(float).tiny))


def _scaled_law(
    purchases: PurchaseModel, spend: SpendModel, horizon: float, x: float, T: FloatArray
) -> Law:
    """The law of scaled spend, in its logarithm: a row for each T."""
    counts, pmf = _counts_and_pmf(purchases, horizon, x, T)
    return lambda log_u: np.asarray(pmf @ spend.scaled_spend_cdf(np.exp(log_u), counts[:, None], x))


def _counts_and_pmf(
    purchases: PurchaseModel, horizon: float, x: float, T: FloatArray
) -> tuple[IntArray, FloatArray]:
    """Numbers of purchases up to where nothing is left of any law, and their probabilities."""
    last = 2 * _COUNTS_AT_ONCE
    while True:
        counts = np.arange(last)
        pmf = purchases.purchase_pmf_if_alive(counts, horizon, x, T[:, None])
        if pmf.sum(axis=1).min() > 1 - _NEGLIGIBLE_TAIL or last > _MOST_COUNTS:
            return counts, pmf
        last *= 2


def _log_quantiles(law: Law, row_of: IntArray, wanted: FloatArray) -> FloatArray:
    """Where row `row_of` of an increasing law reaches `wanted`, by cubics through four nodes."""
    rows = int(row_of.max()) + 1
    lowest, highest = np.full(rows, np.inf), np.full(rows, -np.inf)
    np.minimum.at(lowest, row_of, wanted)
    np.maximum.at(highest, row_of, wanted)
    nodes, values = _tabulated(law, lowest, highest)
    first, last = np.zeros(row_of.size, dtype=np.int64), np.full(row_of.size, nodes.size - 1)
    while np.any(last - first > 1):
        middle = (first + last) // 2
        below = values[row_of, middle] < wanted
        first, last = np.where(below, middle, first), np.where(below, last, middle)
    base = np.clip(first - 1, 0, nodes.size - 4)
    v0, v1, v2, v3 = (values[row_of, base + k] for k in range(4))
    d1, d2, d3 = v1 - v0, v2 - 2 * v1 + v0, v3 - 3 * v2 + 3 * v1 - v0
    slope, square, cubic = d1 - d2 / 2 + d3 / 3, (d2 - d3) / 2, d3 / 6
    start = (first - base).astype(float)
    step = start + 0.5
    for _ in range(_NEWTON_STEPS):
        excess = ((cubic * step + square) * step + slope) * step + v0 - wanted
        rise = (3 * cubic * step + 2 * square) * step + slope
        step = np.clip(step - excess / np.maximum(rise, 1e-300), start, start + 1)
    return np.asarray(nodes[base] + step * (nodes[1] - nodes[0]))


def _tabulated(law: Law, lowest: FloatArray, highest: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Nodes that span two levels of each row, dense enough for cubics, and the law there."""
    coarse = law(_LOG_SPEND)
    low = np.flatnonzero(np.all(coarse < lowest[:, None], axis=0))
    high = np.flatnonzero(np.all(coarse > highest[:, None], axis=0))
    begin = _LOG_SPEND[low[-1] if low.size else 0]
    end = _LOG_SPEND[high[0] if high.size else -1]
    nodes = np.linspace(begin, end, _FIRST_NODES)
    values, error = law(nodes), np.inf
    while error > _TOLERANCE and nodes.size < _MOST_NODES:
        between = 0.5 * (nodes[1:] + nodes[:-1])
        exact = law(between)
        left, right = values[:, :-3] + values[:, 3:], values[:, 1:-2] + values[:, 2:-1]
        error = np.abs((9 * right - left) / 16 - exact[:, 1:-1]).max() / _GAIN_OF_HALVING
        denser = np.empty((len(values), nodes.size + between.size))
        denser[:, ::2], denser[:, 1::2] = values, exact
        nodes, values = np.linspace(begin, end, denser.shape[1]), denser
    return nodes, values
