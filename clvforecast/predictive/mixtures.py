"""Predictive quantiles that hold the parameters' uncertainty, too.

Not knowing the parameters, a customer's law is the mean of the laws at draws of them. Its quantile
is where that mean reaches a level, which is not the mean of the quantiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy.optimize import elementwise

from clvforecast.models import PurchaseModel, SpendModel
from clvforecast.numerics.arrays import FloatArray, IntArray, distinct_rows
from clvforecast.numerics.laws import CountLaw, SmoothLaw
from clvforecast.predictive.laws import by_frequency, count_law, spend_law

__all__ = ["mixed_quantiles"]

_NEGLIGIBLE_TAIL: Final = 1e-8
_ROUNDING: Final = 1e-12
_TOLERANCE: Final = 1e-6


def mixed_quantiles(
    purchases: Sequence[PurchaseModel],
    spend: Sequence[SpendModel],
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
    purchases, spend : sequence of PurchaseModel, SpendModel
        Equally likely pairs.
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
    # Who differ in a parameter under one draw do so, but by a chance of zero, under all.
    own = [*purchases[0].per_customer.values(), *spend[0].per_customer.values()]
    given = (np.broadcast_to(v, x.shape) for v in own)
    (x, t_x, T, m, *_), customer = distinct_rows(x, t_x, T, m, *given)
    one_each = np.empty(x.size, dtype=np.int64)
    one_each[customer] = np.arange(customer.size)
    purchases = [model.of_customers(one_each, customer.size) for model in purchases]
    spend = [model.of_customers(one_each, customer.size) for model in spend]
    p_alive = np.stack([model.p_alive_given(x, t_x, T) for model in purchases])
    log_scale = np.log(np.stack([model.spend_scale(x, m) for model in spend]))
    span = 0.0, 1.0 - _NEGLIGIBLE_TAIL
    counts, amounts = np.zeros((len(levels), x.size)), np.zeros((len(levels), x.size))
    for group in by_frequency(purchases[0], x, t_x, T):
        who, row = group.members, group.row
        buying = [model.of_customers(group.one_each, x.size) for model in purchases]
        states = group.x, group.t_x, group.T
        numbers = [count_law(b, horizon, *states, span[1]) for b in buying]
        mixed = _mixed_counts(numbers, p_alive[:, who], row)
        values = [
            spend_law(b, s, horizon, *states, number, span, rate=rate)
            for b, s, number in zip(buying, spend, numbers, strict=True)
        ]
        for k, level in enumerate(levels):
            counts[k, who] = np.argmax(mixed >= level - _ROUNDING, axis=1)
            some = mixed[:, 0] < level
            amounts[k, who[some]] = _mixed_amounts(
                values, p_alive[:, who[some]], log_scale[:, who[some]], row[some], level
            )
    return counts[:, customer], amounts[:, customer]


def _mixed_counts(laws: Sequence[CountLaw], p_alive: FloatArray, row: IntArray) -> FloatArray:
    """Probability of at most 0, 1, 2, ... purchases, shape (customers, counts)."""
    n = np.arange(max(law.upto.shape[1] for law in laws))
    mixed = np.zeros((row.size, n.size))
    for law, alive in zip(laws, p_alive, strict=True):
        mixed += 1.0 - alive[:, None] * (1.0 - law.cdf(n, np.arange(len(law.upto))[:, None])[row])
    mixed /= len(laws)
    mixed[:, -1] = 1.0
    return mixed


def _mixed_amounts(
    laws: Sequence[SmoothLaw],
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
        for law, alive, scale in zip(laws, p_alive, log_scale, strict=True):
            upto = law.cdf(log_amount - scale[customer], row[customer])
            missing += alive[customer] * (1.0 - upto)
        return np.asarray(1.0 - level - missing / len(laws))

    low = np.min([law.nodes[0] + scale for law, scale in zip(laws, log_scale, strict=True)], axis=0)
    high = np.max(
        [law.nodes[-1] + scale for law, scale in zip(laws, log_scale, strict=True)], axis=0
    )
    found = elementwise.find_root(
        excess, (low, high), args=(np.arange(row.size),), tolerances={"fatol": _TOLERANCE}
    )
    return np.asarray(np.exp(found.x))
