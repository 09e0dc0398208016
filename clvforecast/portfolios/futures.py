"""What all customers together will do, per segment and period: expected, and drawn.

Expectations are exact. Draws are whole futures of the shop, from which the law of any total can be
read: weeks depend on each other, because who buys often in one does so in the next, and who leaves
stays away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np

from clvforecast.models import PurchaseModel, SpendModel
from clvforecast.numerics.arrays import FloatArray, IntArray, distinct, distinct_rows, sums_by_code
from clvforecast.numerics.quadrature import decay_rule, gauss_legendre

__all__ = ["Customers", "Models", "Totals", "expected_from_new", "expected_totals", "futures"]

_FINEST_SHARE: Final = 1e6
"""Expected purchases bend within this fraction of a time span, if they bend at all."""
_MOMENTS: Final = 64
_MOST_KINDS: Final = 500
_NEW: Final = 1
"""Second stream of random numbers, so that a plan leaves the futures of others as they were."""


class Models(NamedTuple):
    """Who buys and how often; and how much an order is worth."""

    purchases: PurchaseModel
    spend: SpendModel

    def of_customers(self, rows: IntArray, customers: int) -> Models:
        """Those of some of so many customers, where parameters are arrays."""
        of_rows = (rows, customers)
        return Models(self.purchases.of_customers(*of_rows), self.spend.of_customers(*of_rows))

    def as_numbers(self) -> Models:
        """Those of one customer, with numbers for parameters."""
        return Models(self.purchases.as_numbers(), self.spend.as_numbers())


class Totals(NamedTuple):
    """Orders, and what they come to in money; the last two axes are segments and periods."""

    orders: FloatArray
    revenue: FloatArray


@dataclass(frozen=True, eq=False)
class Customers:
    """Histories, shape (n,) each, and the segment of every customer, from 0."""

    x: FloatArray
    t_x: FloatArray
    T: FloatArray
    m: FloatArray
    segment: IntArray

    @cached_property
    def _histories(self) -> tuple[tuple[FloatArray, FloatArray, FloatArray], IntArray]:
        (x, t_x, T), codes = distinct_rows(self.x, self.t_x, self.T)
        return (x, t_x, T), codes

    def _distinct(
        self, model: PurchaseModel
    ) -> tuple[PurchaseModel, tuple[FloatArray, FloatArray, FloatArray], IntArray]:
        """Distinct histories, as `PurchaseModel.distinct_histories` has them."""
        if model.per_customer:
            return model.distinct_histories(self.x, self.t_x, self.T)
        return model, *self._histories

    def p_alive(self, model: PurchaseModel) -> FloatArray:
        """P(alive) of every customer."""
        some, histories, codes = self._distinct(model)
        return some.p_alive(*histories)[codes]

    def p_any(self, model: PurchaseModel, horizon: float) -> FloatArray:
        """Probability of every customer to buy at all within the horizon."""
        some, histories, codes = self._distinct(model)
        of_states, states, state = some.distinct(*histories)
        any_if_alive = 1.0 - of_states.purchase_pmf_if_alive(0, horizon, *states)
        return (some.p_alive(*histories) * any_if_alive[state])[codes]


def expected_totals(
    models: Models, customers: Customers, segments: int, edges: FloatArray
) -> Totals:
    """Expected orders and revenue of these customers, exactly.

    Parameters
    ----------
    models : Models
    customers : Customers
    segments : int
        How many there are.
    edges : ndarray, shape (periods + 1,)
        Where periods begin and end in time units, from 0.

    Returns
    -------
    Totals
        Shape (segments, periods).
    """
    p_alive = customers.p_alive(models.purchases)
    value = models.spend.expected_spend(customers.x, customers.m)
    buying, states, state = models.purchases.distinct(customers.x, customers.t_x, customers.T)
    (state_of, segment), codes = distinct_rows(state.astype(float), customers.segment.astype(float))
    at, of_segment = state_of.astype(np.int64), segment.astype(np.int64)
    weights = [sums_by_code(codes, w, at.size) for w in (p_alive, p_alive * value)]
    upto = np.zeros((2, segments, edges.size))
    for k, t in enumerate(edges[1:], start=1):
        # One edge at a time: customers, or even cells, times days would not fit in memory.
        ahead = buying.purchases_if_alive(t, *states)[at]
        for quantity, weight in zip(upto, weights, strict=True):
            quantity[:, k] = sums_by_code(of_segment, weight * ahead, segments)
    orders, revenue = np.diff(upto)
    return Totals(orders, revenue)


def expected_from_new(
    models: Models, customers: Customers, plan: FloatArray, edges: FloatArray
) -> Totals:
    """Expected orders and revenue of customers still to be acquired.

    Exactly; in a calendar, to within 1e-4 of what comes in a period.

    Each is acquired at a moment uniform within his period, with an order; where customers have
    parameters of their own, his are those of any of his segment.

    Parameters
    ----------
    models : Models
    customers : Customers
        Those there are.
    plan : ndarray, shape (segments, periods)
        Customers to be acquired.
    edges : ndarray, shape (periods + 1,)

    Returns
    -------
    Totals
        Shape (segments, periods).
    """
    orders, revenue = np.zeros_like(plan), np.zeros_like(plan)
    for kind, share in _kinds(models, customers, len(plan)):
        upto = _upto_from_new(kind.purchases, edges)
        per_customer = np.diff(upto, axis=1, prepend=0.0)
        of_kind = share[:, None] * plan
        found = of_kind @ per_customer + of_kind
        orders += found
        revenue += found * float(kind.spend.expected_spend(0.0, 0.0))
    return Totals(orders, revenue)


def _upto_from_new(model: PurchaseModel, edges: FloatArray) -> FloatArray:
    """Repeat orders by the end of each period of who comes in each: shape (periods, periods).

    Of a customer acquired at u, ``M(e - u)`` repeat orders are expected by e, M being the
    unconditional expectation. Averaged over u in (s, f) that is ``(G(e - s) - G(e - f)) / (f - s)``
    with G the integral of M from 0: a quadrature for each length of time. In a calendar M is
    another for every u, and the average is a quadrature over u.
    """
    starts, ends = edges[:-1], edges[1:]
    if not model.smooth_in_age:
        nodes, node_weights = gauss_legendre(_MOMENTS)
        u = starts[:, None] + (ends - starts)[:, None] * 0.5 * (nodes + 1.0)
        left = np.maximum(ends - u[..., None], 0.0)
        repeats = model.later(u[..., None]).expected_repeat_purchases(left)
        return np.asarray(0.5 * np.einsum("k,skp->sp", node_weights, repeats))
    since_start = np.maximum(ends - starts[:, None], 0.0)
    since_end = np.maximum(ends - ends[:, None], 0.0)
    lengths, codes = distinct(np.stack([since_start, since_end]))
    integrals = np.zeros(lengths.size)
    some = lengths > 0
    t, weights = decay_rule(lengths[some], _FINEST_SHARE / lengths[some])
    levels, t_codes = distinct(t.ravel())
    repeats = model.expected_repeat_purchases(levels)[t_codes].reshape(t.shape)
    integrals[some] = np.sum(weights * repeats, axis=-1)
    return np.asarray(np.subtract(*integrals[codes]) / (ends - starts)[:, None])


def _kinds(
    models: Models, customers: Customers, segments: int
) -> Iterator[tuple[Models, FloatArray]]:
    """Models of one value per parameter, and the share of each segment's customers who have it.

    Of more than so many kinds, as many customers at equal distances stand for all.
    """
    own = [v for model in models for v in model.per_customer.values()]
    if not own:
        yield models, np.ones(segments)
        return
    size = customers.x.size
    _, codes = distinct_rows(*own)
    counts = np.bincount(customers.segment, minlength=segments)
    chosen = np.arange(size)
    if codes.max() >= _MOST_KINDS:
        order = np.lexsort((codes, customers.segment))
        chosen = order[np.linspace(0, size - 1, _MOST_KINDS).round().astype(np.int64)]
        counts = np.bincount(customers.segment[chosen], minlength=segments)
    for code in np.unique(codes[chosen]):
        members = chosen[codes[chosen] == code]
        of_segment = np.bincount(customers.segment[members], minlength=segments)
        yield (
            models.of_customers(members[:1], size).as_numbers(),
            of_segment / np.maximum(counts, 1),
        )


def futures(
    models: Iterable[Models],
    customers: Customers,
    plan: FloatArray | None,
    segments: int,
    edges: FloatArray,
    *,
    seed: int,
) -> Iterator[Totals]:
    """Draw futures of the whole shop, one for each pair of models, one at a time.

    Parameters
    ----------
    models : iterable of Models
        The parameters of each future.
    customers : Customers
    plan : ndarray, shape (segments, periods), or None
        Customers to be acquired. A fraction is one customer with that probability.
    segments : int
    edges : ndarray, shape (periods + 1,)
    seed : int
        The futures of customers do not depend on their segments, and the jth not on how many there
        are; nor do those of present customers on the plan.

    Yields
    ------
    Totals
        Shape (segments, periods).
    """
    last, p_any = None, np.empty(0)
    for number, (purchases, spend) in enumerate(models):
        if purchases is not last:
            last, p_any = purchases, customers.p_any(purchases, edges[-1])
        rng = np.random.default_rng([seed, number])
        drawn = _of_customers(Models(purchases, spend), customers, p_any, segments, edges, rng)
        if plan is not None:
            rng = np.random.default_rng([seed, number, _NEW])
            new = _of_new(Models(purchases, spend), customers, plan, edges, rng)
            drawn = Totals(drawn.orders + new.orders, drawn.revenue + new.revenue)
        yield drawn


def _of_customers(
    models: Models,
    customers: Customers,
    p_any: FloatArray,
    segments: int,
    edges: FloatArray,
    rng: np.random.Generator,
) -> Totals:
    """One future of the present customers. Who buys nothing costs one random number."""
    buyers = np.flatnonzero(rng.random(p_any.size) < p_any)
    x, m = customers.x[buyers], customers.m[buyers]
    horizon = np.full(buyers.size, edges[-1])
    buying = models.purchases.of_customers(buyers, p_any.size)
    histories = x, customers.t_x[buyers], customers.T[buyers]
    buyer, time = buying.draw_purchases_if_any(horizon, *histories, rng)
    orders = np.bincount(buyer, minlength=buyers.size)
    spending = models.spend.of_customers(buyers, p_any.size)
    value = spending.draw_order_values(orders, x, m, rng)
    return _totals(customers.segment[buyers][buyer], time, value, segments, edges)


def _of_new(
    models: Models,
    customers: Customers,
    plan: FloatArray,
    edges: FloatArray,
    rng: np.random.Generator,
) -> Totals:
    """One future of the customers to be acquired, the order that acquires them included."""
    count = np.floor(plan).astype(np.int64)
    fraction = plan - count
    one_more = fraction > 0
    count[one_more] += rng.random(int(one_more.sum())) < fraction[one_more]
    segments, periods = plan.shape
    # By period first: a split of the plan into segments leaves the futures as they were.
    period = np.repeat(np.arange(periods), count.sum(axis=0))
    segment = np.repeat(np.tile(np.arange(segments), periods), count.T.ravel())
    start = rng.uniform(edges[:-1][period], edges[1:][period])
    models = _alike(models, customers, segment, rng)
    buying = models.purchases.later(start)
    buyer, time = buying.draw_future(edges[-1] - start, 0.0, 0.0, 0.0, rng)
    repeats = np.bincount(buyer, minlength=start.size)
    nobody = np.zeros(start.size)
    value = models.spend.draw_order_values(repeats + 1, nobody, nobody, rng)
    first = np.cumsum(repeats + 1) - (repeats + 1)
    acquired = _totals(segment, start, value[first], segments, edges)
    again = _totals(segment[buyer], start[buyer] + time, np.delete(value, first), segments, edges)
    return Totals(acquired.orders + again.orders, acquired.revenue + again.revenue)


def _alike(
    models: Models, customers: Customers, segment: IntArray, rng: np.random.Generator
) -> Models:
    """The models of new customers of these segments: each like somebody who is there."""
    if not any(model.per_customer for model in models):
        return models
    like = np.empty(segment.size, dtype=np.int64)
    for one in np.unique(segment):
        there, new = (np.flatnonzero(v == one) for v in (customers.segment, segment))
        like[new] = rng.choice(there, new.size)
    return models.of_customers(like, customers.x.size)


def _totals(
    segment: IntArray, time: FloatArray, value: FloatArray, segments: int, edges: FloatArray
) -> Totals:
    """Number and sum of orders per segment and period."""
    period = np.minimum(np.searchsorted(edges[1:], time), edges.size - 2)
    shape = segments, edges.size - 1
    cell = segment * shape[1] + period
    orders = np.bincount(cell, minlength=shape[0] * shape[1]).astype(float)
    return Totals(orders.reshape(shape), sums_by_code(cell, value, orders.size).reshape(shape))
