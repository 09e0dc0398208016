"""Predictive quantiles of mixtures: of draws of uncertain parameters, of several models, of both.

A customer's law is then the weighted mean of the laws. Its quantile is where that mean reaches a
level, which is not the mean of the quantiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from scipy.optimize import elementwise

from clvforecast.models import PurchaseModel, SpendModel
from clvforecast.numerics.arrays import FloatArray, IntArray, distinct_rows
from clvforecast.numerics.laws import CountLaw, SmoothLaw
from clvforecast.predictive.laws import by_frequency, count_law, spend_law

__all__ = ["Component", "mixed_quantiles"]

_NEGLIGIBLE_TAIL: Final = 1e-8
_ROUNDING: Final = 1e-12
_TOLERANCE: Final = 1e-6


class Component(NamedTuple):
    """Equally likely pairs of models, and how likely they are together.

    All are of the same kind, such as draws of the parameters of one fit.
    """

    purchases: Sequence[PurchaseModel]
    spend: Sequence[SpendModel]
    weight: float = 1.0

    @property
    def per_customer(self) -> list[FloatArray]:
        """What differs between customers; if under one draw, then under all but by a fluke."""
        first = self.purchases[0], self.spend[0]
        return [value for model in first for value in model.per_customer.values()]


def mixed_quantiles(
    components: Sequence[Component],
    horizon: float,
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    m: FloatArray,
    levels: Sequence[float],
    *,
    rate: float = 0.0,
) -> tuple[FloatArray, FloatArray]:
    """Number of purchases, and present value of spend, not exceeded with each probability.

    Parameters
    ----------
    components : sequence of Component
        Their weights sum to 1.
    horizon : float
        Finite, in time units.
    x, t_x, T, m : ndarray, shape (n,)
        Frequency, recency, age and mean spend of each customer.
    levels : sequence of float
        Probabilities in [0, 1).
    rate : float
        Continuous discount rate per time unit.

    Returns
    -------
    counts : ndarray, shape (levels, n)
        Whole numbers.
    amounts : ndarray, shape (levels, n)
        In money, right to about 1e-6 of the probability beside `spend_law`.
    """
    own = {id(value): value for one in components for value in one.per_customer}
    given = (np.broadcast_to(v, x.shape) for v in own.values())
    (x, t_x, T, m, *_), customer = distinct_rows(x, t_x, T, m, *given)
    one_each = np.empty(x.size, dtype=np.int64)
    one_each[customer] = np.arange(customer.size)
    components = [_of_customers(one, one_each, customer.size) for one in components]
    purchases = [model for one in components for model in one.purchases]
    spend = [model for one in components for model in one.spend]
    weights = np.concatenate(
        [np.full(len(one.purchases), one.weight / len(one.purchases)) for one in components]
    )
    p_alive = np.stack([model.p_alive_given(x, t_x, T) for model in purchases])
    log_scale = np.log(np.stack([model.spend_scale(x, m) for model in spend]))
    span = 0.0, 1.0 - _NEGLIGIBLE_TAIL
    counts, amounts = np.zeros((len(levels), x.size)), np.zeros((len(levels), x.size))
    for group in by_frequency([one.purchases[0] for one in components], x, t_x, T):
        who, row = group.members, group.row
        buying = [model.of_customers(group.one_each, x.size) for model in purchases]
        states = group.x, group.t_x, group.T
        numbers = [count_law(b, horizon, *states, span[1]) for b in buying]
        mixed = _mixed_counts(numbers, weights, p_alive[:, who], row)
        values = [
            spend_law(b, s, horizon, *states, number, span, rate=rate)
            for b, s, number in zip(buying, spend, numbers, strict=True)
        ]
        for k, level in enumerate(levels):
            counts[k, who] = np.argmax(mixed >= level - _ROUNDING, axis=1)
            some = mixed[:, 0] < level
            amounts[k, who[some]] = _mixed_amounts(
                values,
                weights,
                p_alive[:, who[some]],
                log_scale[:, who[some]],
                row[some],
                level,
            )
    return counts[:, customer], amounts[:, customer]


def _of_customers(one: Component, rows: IntArray, customers: int) -> Component:
    return Component(
        [model.of_customers(rows, customers) for model in one.purchases],
        [model.of_customers(rows, customers) for model in one.spend],
        one.weight,
    )


def _mixed_counts(
    laws: Sequence[CountLaw], weights: FloatArray, p_alive: FloatArray, row: IntArray
) -> FloatArray:
    """Probability of at most 0, 1, 2, ... purchases, shape (customers, counts)."""
    n = np.arange(max(law.upto.shape[1] for law in laws))
    mixed = np.zeros((row.size, n.size))
    for law, weight, alive in zip(laws, weights, p_alive, strict=True):
        exceeded = 1.0 - law.cdf(n, np.arange(len(law.upto))[:, None])[row]
        mixed += weight * (1.0 - alive[:, None] * exceeded)
    mixed[:, -1] = 1.0
    return mixed


def _mixed_amounts(
    laws: Sequence[SmoothLaw],
    weights: FloatArray,
    p_alive: FloatArray,
    log_scale: FloatArray,
    row: IntArray,
    level: float,
) -> FloatArray:
    """Amount at which the mean of the laws of each customer reaches a level above that of none."""
    if not row.size:
        return np.empty(0)

    def excess(log_amount: FloatArray, customer: IntArray) -> FloatArray:
        customer = customer.astype(np.int64)
        missing = np.zeros(log_amount.shape)
        for law, weight, alive, scale in zip(laws, weights, p_alive, log_scale, strict=True):
            upto = law.cdf(log_amount - scale[customer], row[customer])
            missing += weight * alive[customer] * (1.0 - upto)
        return np.asarray(1.0 - level - missing)

    low = np.min([law.nodes[0] + scale for law, scale in zip(laws, log_scale, strict=True)], axis=0)
    high = np.max(
        [law.nodes[-1] + scale for law, scale in zip(laws, log_scale, strict=True)], axis=0
    )
    place = np.arange(row.size)
    found = elementwise.find_root(
        excess, (low, high), args=(place,), tolerances={"fatol": _TOLERANCE}
    )
    # Tables begin where next to nothing is spent: a level just above that of none is below them.
    return np.exp(np.where(excess(low, place) >= 0, low, found.x))
