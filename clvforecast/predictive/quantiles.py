"""Quantiles of what many customers will buy and spend, each looked up in the law of his history.

Given activity, the number of purchases depends on a customer's state alone, and what they come to
on x but for one amount of the customer's own. So laws are worked out once per state, and each
customer's quantile is looked up there at a level of his own: with p = P(alive), P(Y <= y) is
``1 - p + p F(y)``, and this is q where F is ``1 - (1 - q) / p``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from clvforecast.models import PurchaseModel, SpendModel
from clvforecast.numerics.arrays import FloatArray, IntArray
from clvforecast.numerics.laws import CountLaw, SmoothLaw
from clvforecast.predictive.laws import by_frequency, count_law, reach_of, spend_law

__all__ = ["predictive_quantiles", "purchase_quantiles"]

_HIGHEST_LEVEL: Final = 1.0 - 1e-11
"""A sum of probabilities comes no closer to one than this."""


def purchase_quantiles(
    model: PurchaseModel,
    horizon: float,
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    p_alive: FloatArray,
    levels: Sequence[float],
) -> FloatArray:
    """Smallest number of purchases not exceeded with each probability, per customer.

    Parameters
    ----------
    model : PurchaseModel
        With one value per parameter, or one per customer.
    horizon : float
        Finite, in time units.
    x, t_x, T, p_alive : ndarray, shape (n,)
        Frequency, recency, age and P(alive) of each customer.
    levels : sequence of float
        Probabilities in [0, 1).

    Returns
    -------
    ndarray, shape (levels, n)
        Whole numbers.

    Raises
    ------
    FitError
        If a customer may make more than a million purchases.
    """
    wanted = np.minimum(_levels_if_alive(levels, p_alive), _HIGHEST_LEVEL)
    found = np.zeros(wanted.shape)
    for group in by_frequency(model, x, t_x, T):
        level = wanted[:, group.members]
        of_states = model.of_customers(group.one_each, x.size)
        law = count_law(of_states, horizon, group.x, group.t_x, group.T, float(level.max()))
        found[:, group.members] = _looked_up(law, level, group.row)
    return found


def predictive_quantiles(
    purchases: PurchaseModel,
    spend: SpendModel,
    horizon: float,
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    m: FloatArray,
    p_alive: FloatArray,
    levels: Sequence[float],
    *,
    rate: float = 0.0,
) -> tuple[FloatArray, FloatArray]:
    """Number of purchases, and present value of spend, not exceeded with each probability.

    Parameters
    ----------
    purchases, spend : PurchaseModel, SpendModel
        With one value per parameter, or one per customer.
    horizon : float
        Finite, in time units.
    x, t_x, T, m, p_alive : ndarray, shape (n,)
        Frequency, recency, age, mean spend and P(alive) of each customer.
    levels : sequence of float
        Probabilities in [0, 1).
    rate : float
        Continuous discount rate per time unit.

    Returns
    -------
    counts : ndarray, shape (levels, n)
        Those of `purchase_quantiles`.
    amounts : ndarray, shape (levels, n)
        In money; see `spend_law` for how exact.

    Raises
    ------
    FitError
        If a customer may make more than a million purchases.
    """
    wanted = np.minimum(_levels_if_alive(levels, p_alive), _HIGHEST_LEVEL)
    counts, amounts = np.zeros(wanted.shape), np.zeros(wanted.shape)
    for group in by_frequency(purchases, x, t_x, T):
        level = wanted[:, group.members]
        reach = reach_of(float(level.max()))
        buying = purchases.of_customers(group.one_each, x.size)
        states = group.x, group.t_x, group.T
        number = count_law(buying, horizon, *states, reach)
        counts[:, group.members] = _looked_up(number, level, group.row)
        spending = level > number.upto[group.row, 0]
        if spending.any():
            span = float(level[spending].min()), float(level[spending].max())
            amount = spend_law(buying, spend, horizon, *states, number, span, rate=rate)
            scaled = np.exp(_looked_up(amount, level, group.row))
            amounts[:, group.members] = np.where(spending, scaled, 0.0)
    return counts, amounts * spend.spend_scale(x, m)


def _looked_up(law: CountLaw | SmoothLaw, level: FloatArray, row: IntArray) -> FloatArray:
    """Quantiles at levels, shape (levels, n), in the law of each row, shape (n,)."""
    some = np.zeros((len(level), law.upto.shape[0]))
    some[:, row] = level
    if np.array_equal(some[:, row], level):
        # Customers of one history who share P(alive), as all without a repeat purchase do.
        every = np.tile(np.arange(some.shape[1]), len(level))
        return np.asarray(law.quantile(some.ravel(), every), float).reshape(some.shape)[:, row]
    found = law.quantile(level.ravel(), np.tile(row, len(level)))
    return np.asarray(found, dtype=float).reshape(level.shape)


def _levels_if_alive(levels: Sequence[float], p_alive: FloatArray) -> FloatArray:
    """At which level a customer who is alive must be asked, shape (levels, n); below 0 if none."""
    above = 1.0 - np.asarray(levels, dtype=float)[:, None]
    return np.asarray(1.0 - above / np.maximum(p_alive, np.finfo(float).tiny))
