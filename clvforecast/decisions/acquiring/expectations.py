"""What is expected of a new customer of every group, as draws of what may be the truth."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from scipy.special import ndtri

from clvforecast.decisions.acquiring.groups import Acquired
from clvforecast.decisions.acquiring.newcomers import Curves, first_order_draws, repeat_orders
from clvforecast.decisions.acquiring.pooling import GroupDraws, draw_groups
from clvforecast.decisions.segmentation.credibility import shrunk_means
from clvforecast.errors import FitError
from clvforecast.fitting import model_columns, purchase_model, spend_model
from clvforecast.fitting.estimation import require_repeat_customers
from clvforecast.models import Model, PurchaseModel, SpendModel
from clvforecast.numerics.arrays import FloatArray, IntArray

__all__ = ["NewCustomer", "Terms", "new_customers"]

_SHIFT: Final = 1e-3
_LEVEL: Final = 0.5
_BORROWED: Final = 30
"""As in `shrunk_means`: a few customers do not tell their own variance."""
_FEWEST_PAIRS: Final = 10


class Terms(NamedTuple):
    """What value means here, times in one unit."""

    horizon: float
    rate: float
    margin: float
    level: float
    target_ratio: float
    target_payback: float | None

    @property
    def tails(self) -> list[float]:
        """The probabilities of an equal-tailed interval."""
        return [(1 - self.level) / 2, (1 + self.level) / 2]


class NewCustomer(NamedTuple):
    """Expectations of one group's new customers; arrays of shape (draws,)."""

    first_order: FloatArray
    repeat_orders: FloatArray
    """Undiscounted, within the horizon."""
    spend: FloatArray
    value: Curves
    """Margin on all orders, the first among them, by the time since it."""
    margin: float
    credibility: float

    @property
    def repeat_value(self) -> FloatArray:
        """Margin on all orders but the first, within the horizon."""
        return np.asarray(self.value.amounts[:, -1] - self.value.amounts[:, 0])


def new_customers(
    known: Acquired,
    codes: IntArray,
    groups: int,
    models: tuple[type[PurchaseModel], type[SpendModel]],
    terms: Terms,
    *,
    draws: int,
    seed: int,
) -> list[NewCustomer]:
    """Fit the models to all groups together, and expect the new customers of each.

    Parameters
    ----------
    known : Acquired
    codes : ndarray of int, shape (n,)
        The group of each customer, from 0; every group has one.
    groups : int
    models : (type of PurchaseModel, type of SpendModel)
    terms : Terms
    draws, seed : int

    Returns
    -------
    list of NewCustomer

    Raises
    ------
    FitError
        If nobody has come back, a model cannot be fitted, or it has no finite mean spend.
    """
    of_purchases, of_spend, of_first = np.random.SeedSequence(seed).spawn(3)
    buying, spending = (
        _drawn(model, known, codes, groups, draws, np.random.default_rng(sequence))
        for model, sequence in zip(models, (of_purchases, of_spend), strict=True)
    )
    first = shrunk_means(known.first_order, codes, groups, level=_LEVEL, small=_BORROWED)
    deviations = (first.upper - first.mean) / ndtri((1 + _LEVEL) / 2)
    correlation = _correlation(known)
    rng = np.random.default_rng(of_first)
    found = []
    for g in range(groups):
        repeat = repeat_orders(purchase_model(buying[g].model), terms.horizon, terms.rate)
        spend = _spend(spending[g].model)
        paid = first_order_draws(first.mean[g], deviations[g], spend, correlation, rng)
        values = terms.margin * (paid[:, None] + spend[:, None] * repeat.discounted)
        found.append(
            NewCustomer(
                first_order=paid,
                repeat_orders=repeat.expected[:, -1],
                spend=spend,
                value=Curves(values, terms.horizon),
                margin=terms.margin,
                credibility=_credibility(buying[g], spending[g], terms) if groups > 1 else 1.0,
            )
        )
    return found


def _drawn(
    model: type[Model],
    known: Acquired,
    codes: IntArray,
    groups: int,
    draws: int,
    rng: np.random.Generator,
) -> list[GroupDraws]:
    columns = model_columns(model, known.rfm)
    frequency = columns[0][model.informative(*columns)]
    require_repeat_customers(model, frequency, frequency.size, len(known.rfm))
    return draw_groups(model, columns, codes, groups, draws=draws, rng=rng)


def _spend(given: Model) -> FloatArray:
    model = spend_model(given)
    spend = np.atleast_1d(model.expected_spend(0.0, 0.0))
    if not np.isfinite(spend).all():
        raise FitError(
            f"{model.name} has no finite mean spend: order values are too heavy-tailed. Look for "
            "outliers or mixed currencies among the amounts."
        )
    return spend


def _correlation(known: Acquired) -> float:
    """Between the errors of the mean first order and of the mean repeat order of a group.

    The first is a mean over all customers, the second tells of those who came back.
    """
    spent = known.rfm["monetary_value"].to_numpy(dtype=float)
    first = known.first_order
    both = (spent > 0) & (first > 0)
    if both.sum() < _FEWEST_PAIRS or not (np.ptp(spent[both]) and np.ptp(first[both])):
        return 0.0
    alike = np.corrcoef(first[both], spent[both])[0, 1]
    return float(np.clip(alike * np.sqrt(both.mean()), 0.0, 1.0))


def _credibility(buying: GroupDraws, spending: GroupDraws, terms: Terms) -> float:
    """One minus the share left unexplained of the variance of log repeat value among groups."""

    def log_orders(model: Model) -> FloatArray:
        ahead = repeat_orders(purchase_model(model), terms.horizon, terms.rate)
        return np.asarray(np.log(ahead.discounted[:, -1]))

    def log_spend(model: Model) -> FloatArray:
        return np.asarray(np.log(_spend(model)))

    left = among = 0.0
    for drawn, logs in ((buying, log_orders), (spending, log_spend)):
        centre = drawn.coordinates.mean(axis=1, keepdims=True)
        steps = _SHIFT * np.eye(centre.size)
        slope = (logs(drawn.at(centre + steps)) - logs(drawn.at(centre - steps))) / (2 * _SHIFT)
        left += drawn.variance * float(slope @ drawn.unexplained @ slope)
        among += drawn.variance * float(slope @ slope)
    return float(np.clip(1 - left / among, 0.0, 1.0))
