"""Laws of what customers who are alive will buy and spend, tabulated: a row for each history."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from clvforecast.errors import FitError
from clvforecast.models import PurchaseModel, SpendModel
from clvforecast.models.discounting import ConstantRate
from clvforecast.numerics.arrays import FloatArray, IntArray, distinct_rows
from clvforecast.numerics.interpolation import Interpolation, interpolations
from clvforecast.numerics.laws import CountLaw, SmoothLaw, tabulated

__all__ = ["Group", "by_frequency", "count_law", "reach_of", "spend_law"]

_FIRST_COUNTS: Final = 64
_MOST_COUNTS: Final = 2**20
_NEGLIGIBLE_TAIL: Final = 1e-8
_EXACT: Final = 1e-13
_NEGLIGIBLE_ERROR: Final = 1e-9
_NEGLIGIBLE_PART: Final = 1e-12
_LEAST_DISPERSION: Final = 1e-3
"""Order values that vary by less than three parts in a hundred are taken to vary by that, when
they are discounted."""
_ROUNDING_OF_SUMS: Final = 1e-8
_NEGLIGIBLE_RISE: Final = 1e-7
_LOG_SPEND: Final = (-60.0, 60.0)
_BISECTIONS: Final = 8
_AT_ONCE: Final = 2**20
_STATES_AT_ONCE: Final = 2**9


class Group(NamedTuple):
    """Customers of one frequency."""

    x: float
    t_x: FloatArray
    """Recencies and ages of their distinct states; see `PurchaseModel.distinct`."""
    T: FloatArray
    one_each: IntArray
    """The position of one customer in each state."""
    members: IntArray
    """Positions of the customers."""
    row: IntArray
    """Which of the states each of them is in."""


def by_frequency(
    model: PurchaseModel | Sequence[PurchaseModel], x: FloatArray, t_x: FloatArray, T: FloatArray
) -> Iterator[Group]:
    """Customers in groups that share their frequency, and no more states than fit in memory.

    Of several models, customers share a state if they do under each.

    >>> from clvforecast import BGNBD
    >>> model = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
    >>> rows = np.array([2.0, 0.0, 2.0]), np.array([7.0, 0.0, 8.0]), np.array([9.0, 5.0, 9.0])
    >>> for group in by_frequency(model, *rows):
    ...     print(group.x, group.T, group.members, group.row)
    0.0 [5.] [1] [0]
    2.0 [9.] [0 2] [0 0]
    """
    models = (model,) if isinstance(model, PurchaseModel) else model
    state = models[0].distinct(x, t_x, T)[-1]
    for other in models[1:]:
        finer = other.distinct(x, t_x, T)[-1]
        state = distinct_rows(state.astype(float), finer.astype(float))[1]
    one_each = np.empty(int(state.max()) + 1, dtype=np.int64)
    one_each[state] = np.arange(state.size)
    recency = t_x if any(one.recency_if_alive for one in models) else T
    x_level, t_x_level, T_level = x[one_each], recency[one_each], T[one_each]
    begins = np.diff(x_level, prepend=-1.0) != 0
    begins[::_STATES_AT_ONCE] = True
    first = np.flatnonzero(begins)
    group = (np.cumsum(begins) - 1)[state]
    # NumPy sorts small integers in one pass.
    order = np.argsort(group.astype(np.min_scalar_type(first.size)), kind="stable")
    ends = np.cumsum(np.bincount(group, minlength=first.size))
    splits = (np.split(level, first[1:]) for level in (t_x_level, T_level, one_each))
    for begin, t_x_some, T_some, some, members in zip(
        first, *splits, np.split(order, ends[:-1]), strict=True
    ):
        row = state[members] - begin
        yield Group(float(x_level[begin]), t_x_some, T_some, some, members, row)


def count_law(
    model: PurchaseModel, horizon: float, x: float, t_x: FloatArray, T: FloatArray, reach: float
) -> CountLaw:
    """The law of the number of purchases of customers who are alive: a row for each state.

    Parameters
    ----------
    model : PurchaseModel
        With one value per parameter, or one per row.
    horizon : float
        Finite, in time units.
    x : float
        Their frequency.
    t_x, T : ndarray, shape (rows,)
    reach : float
        The probability up to which every law is tabulated.

    Raises
    ------
    FitError
        If a customer may make more than a million purchases.
    """
    for between, t_x_some, T_some in _among_states(model, t_x, T):
        upto = _pmf(model, horizon, x, t_x_some, T_some, reach).cumsum(axis=1)
        if between.resolves(upto, _EXACT):
            break
    return CountLaw(between(upto))


def _among_states(
    model: PurchaseModel, t_x: FloatArray, T: FloatArray
) -> Iterator[tuple[Interpolation, FloatArray, FloatArray]]:
    """Interpolations between states, where what a model says is smooth, and their nodes.

    If a state is an age, probabilities are analytic in the time scale, such as ``alpha + T``. They
    rise with it, too, so that no detail hides between nodes. Where there are several scales, they
    vary no faster than with the shortest.
    """
    if model.recency_if_alive or model.per_customer or not model.smooth_in_age:
        yield Interpolation(T, None), t_x, T
        return
    scale = min(float(model.parameters[name]) for name in model.scale_parameters)
    for between in interpolations(scale + T):
        # Where they are the ages themselves, to the last digit.
        ages = T if between.matrix is None else between.nodes - scale
        yield between, ages, ages


def reach_of(level: float) -> float:
    """The probability up to which counts matter to quantiles of spend up to a level."""
    return 1.0 - min(_NEGLIGIBLE_TAIL, 0.01 * (1.0 - level))


def spend_law(
    purchases: PurchaseModel,
    spend: SpendModel,
    horizon: float,
    x: float,
    t_x: FloatArray,
    T: FloatArray,
    number: CountLaw,
    span: tuple[float, float],
    *,
    rate: float = 0.0,
) -> SmoothLaw:
    """The law of what customers who are alive will spend, in the logarithm of the scaled amount.

    Parameters
    ----------
    purchases, spend : PurchaseModel, SpendModel
    horizon : float
        Finite, in time units.
    x : float
        Their frequency.
    t_x, T : ndarray, shape (rows,)
    number : CountLaw
        Of the purchases of the same customers, up to where next to nothing is left.
    span : tuple of float
        The lowest and the highest probability at which the laws are asked for.
    rate : float
        Continuous discount rate per time unit.

    Returns
    -------
    SmoothLaw
        Of ``log(u)``, where `SpendModel.spend_scale` times u is the present value of the orders.

    Notes
    -----
    Without discounting the law is a mixture over the number of purchases, tabulated to 1e-7 of
    the probability. With it, the present value of so many orders, whose purchases stop at a known
    time (see `DiscountedCounts`), is a sum of unequally weighted order values. Its law is taken
    for that of as many equally weighted ones as give its mean and its variance, both exact. Order
    values that vary by less than 3% are taken to vary by that.
    """
    counts = np.arange(float(number.upto.shape[1]))
    for between, t_x_some, T_some in _among_states(purchases, t_x, T):
        pmf = number.pmf
        if between.matrix is not None:
            nodes = t_x_some[:, None], T_some[:, None]
            pmf = purchases.purchase_pmf_if_alive(counts, horizon, x, *nodes)
        likely = np.flatnonzero(pmf.max(axis=0) > _NEGLIGIBLE_PART)
        some = slice(max(likely[0], 1), max(likely[-1], 1) + 1)
        none, orders = pmf[:, 0], counts[some]
        mixture = _Mixture(spend, x, none, pmf[:, some], orders, np.zeros(1))
        begin, end = _bracket(mixture, np.maximum(span[0], none + _NEGLIGIBLE_RISE), span[1])
        if rate > 0:
            states = x, t_x_some, T_some
            mixture = _discounted(purchases, spend, horizon, states, orders, rate, none)
            # No order is discounted by more than one at the end.
            begin -= rate * horizon
        law = tabulated(mixture.cdf, mixture.density, begin, end)
        if between.resolves(law.upto, _NEGLIGIBLE_ERROR):
            break
    return law.mapped(between)


@dataclass(frozen=True, eq=False)
class _Mixture:
    """Laws of scaled spend, a row each, as mixtures of the same parts and of no spend at all."""

    spend: SpendModel
    x: float
    none: FloatArray
    weights: FloatArray
    orders: FloatArray
    log_factor: FloatArray

    def cdf(self, log_u: FloatArray) -> FloatArray:
        """Probability of at most u, shape (rows, points)."""
        return self.none[:, None] + self._mixed(
            lambda at, n: self.spend.scaled_spend_cdf(np.exp(at), n, self.x), log_u
        )

    def density(self, log_u: FloatArray) -> FloatArray:
        """Density in log u, shape (rows, points)."""
        return self._mixed(lambda at, n: self.spend.scaled_spend_density(at, n, self.x), log_u)

    def _mixed(
        self, law: Callable[[FloatArray, FloatArray], FloatArray], log_u: FloatArray
    ) -> FloatArray:
        total = np.zeros((len(self.weights), log_u.size))
        step = max(1, _AT_ONCE // log_u.size)
        for first in range(0, self.orders.size, step):
            part = slice(first, first + step)
            # Undiscounted, all parts share one factor, and their laws one set of logarithms.
            shift = self.log_factor if self.log_factor.size == 1 else self.log_factor[part, None]
            total += self.weights[:, part] @ law(log_u - shift, self.orders[part, None])
        return total


def _discounted(
    purchases: PurchaseModel,
    spend: SpendModel,
    horizon: float,
    states: tuple[float, FloatArray, FloatArray],
    counts: FloatArray,
    rate: float,
    none: FloatArray,
) -> _Mixture:
    """The laws of the present value of spend; `counts` are consecutive, and hold no zero."""
    dispersion = max(spend.order_dispersion, _LEAST_DISPERSION)
    found = purchases.discounted_counts_if_alive(
        counts, horizon, *states, discount=ConstantRate(rate), dispersion=dispersion
    )
    x, _, T = states
    weights = found.probability.reshape(T.size, -1)
    mean, variance, squares = (v.ravel() for v in (found.mean, found.variance, found.squares))
    orders = spend.order_dispersion * mean**2 / (dispersion * squares + variance)
    kept = np.abs(weights).max(axis=0) > _NEGLIGIBLE_PART
    weights, orders, mean = weights[:, kept], orders[kept], mean[kept]
    return _Mixture(spend, x, none, weights, orders, np.log(mean / orders))


def _pmf(
    model: PurchaseModel, horizon: float, x: float, t_x: FloatArray, T: FloatArray, reach: float
) -> FloatArray:
    """Probabilities of 0, 1, 2, ... purchases, as many as have `reach` in sum in every row."""
    size, rows = _FIRST_COUNTS, model.beside_counts()
    while size <= _MOST_COUNTS:
        pmf = rows.purchase_pmf_if_alive(np.arange(size), horizon, x, t_x[:, None], T[:, None])
        upto = pmf.cumsum(axis=1)
        # Rounding may keep the sum of a heavy buyer's probabilities from ever reaching it.
        last = upto[:, -1]
        settled = (last > 1 - _ROUNDING_OF_SUMS) & (last - upto[:, size // 2] < _NEGLIGIBLE_PART)
        reached = upto >= np.where(settled, np.minimum(reach, last), reach)[:, None]
        if reached[:, -1].all():
            return pmf[:, : int(reached.argmax(axis=1).max()) + 1]
        size *= 2
    raise FitError(
        f"A customer with frequency {x:g} may make more than {_MOST_COUNTS:,} purchases within "
        "the horizon: too many to tabulate. Give a shorter horizon=, or leave level= out."
    )


def _bracket(mixture: _Mixture, lowest: FloatArray, highest: float) -> tuple[float, float]:
    """Between which log u every law rises from `lowest` to `highest`."""

    def crossing(too_low: Callable[[FloatArray], np.bool_]) -> tuple[float, float]:
        low, high = _LOG_SPEND
        for _ in range(_BISECTIONS):
            middle = 0.5 * (low + high)
            if too_low(mixture.cdf(np.array([middle]))[:, 0]):
                low = middle
            else:
                high = middle
        return low, high

    begin, _ = crossing(lambda upto: np.all(upto < lowest))
    _, end = crossing(lambda upto: np.any(upto < highest))
    return begin, end
