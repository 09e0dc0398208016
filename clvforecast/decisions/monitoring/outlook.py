"""What is known, fitted and forecast as of one day."""

from __future__ import annotations

import datetime as dt
import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pandas as pd

from clvforecast.decisions.monitoring.dates import preceding
from clvforecast.decisions.monitoring.plan import WatchPlan
from clvforecast.decisions.segmentation import ValueRules, segments
from clvforecast.errors import FitError, FitWarning
from clvforecast.fitting import Specification, covariate_columns
from clvforecast.forecasting import forecast
from clvforecast.numerics.arrays import FloatArray
from clvforecast.portfolios import Portfolio, portfolio
from clvforecast.units import days_per, discount_rate_per_unit

if TYPE_CHECKING:
    from clvforecast.fitting.draws import ParameterDraws
    from clvforecast.transactions import Transactions

__all__ = ["Future", "Models", "Outlook", "outlook"]

_DRAWS: Final = 200
_ALIVE: Final = 0.5
_QUANTITIES: Final = ("orders", "revenue")
_STEPS: Final = {"W": ("W", 1), "M": ("M", 1), "Q": ("M", 3)}
"""Periods of a portfolio, and how many of them are one of ours."""
_ROUNDING: Final = 1e-9


class Models(NamedTuple):
    """What forecasts are made with at one date."""

    purchases: Any
    spend: Any


@dataclass(frozen=True, eq=False)
class Future:
    """The law of one total: what is expected, its predictive limits, and draws from it."""

    until: dt.date
    expected: float
    lower: float
    upper: float
    drawn: FloatArray


@dataclass(frozen=True, eq=False)
class Outlook:
    """Everything as of one day, of what was known on that day.

    Attributes
    ----------
    day : datetime.date
    rfm : pandas.DataFrame
        The summary.
    models : Models
        Fits, or what was given to hold.
    totals : dict
        See `Monitoring.totals`; without what was ordered in the period.
    futures : dict
        A `Future` by span, "period" or "horizon", and quantity, "orders" or "revenue".
    segments : pandas.DataFrame or None
    rules : ValueRules or None
        With the amounts that segments by value were made with.
    remarks : tuple of str
        What the fits warned of.
    """

    day: dt.date
    rfm: pd.DataFrame
    models: Models
    totals: dict[str, float]
    futures: dict[tuple[str, str], Future]
    segments: pd.DataFrame | None
    rules: ValueRules | None
    remarks: tuple[str, ...]


def outlook(
    orders: Transactions, day: dt.date, plan: WatchPlan, rules: ValueRules | None
) -> Outlook:
    """Summarise, fit and forecast as of a day.

    Parameters
    ----------
    orders : Transactions
    day : datetime.date
        Nothing later is looked at.
    plan : WatchPlan
    rules : ValueRules or None
        Of segments by value.

    Raises
    ------
    FitError
        If a model cannot be fitted; it names the day.
    """
    ends = plan.ends_after(day)
    columns = covariate_columns(plan.purchases, plan.spend)
    rfm = orders.summarize(plan.time_unit, day, segments=columns)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", FitWarning)
        models, posterior = _fitted(orders, rfm, plan, day)
    horizon = f"{(ends['horizon'] - day).days}D"
    value = forecast(
        *models,
        rfm,
        horizon=horizon,
        annual_discount_rate=plan.annual_discount_rate,
        margin=plan.margin,
        time_unit=plan.time_unit,
    )
    unit, steps = _STEPS[plan.period]
    ahead = portfolio(
        *models,
        rfm,
        horizon=horizon,
        period=unit,
        posterior=posterior,
        simulations=plan.simulations,
        # Futures of one day are the same whichever days are watched beside it.
        seed=plan.seed + day.toordinal(),
        time_unit=plan.time_unit,
    )
    found = _segments(orders, value, day, plan, rules)
    return Outlook(
        day=day,
        rfm=rfm,
        models=models,
        totals=_totals(rfm, value, ahead, plan, day),
        futures=_futures(ahead, ends, steps, plan.level),
        segments=None if found is None else found[0],
        rules=None if found is None else found[1],
        remarks=tuple(dict.fromkeys(str(warning.message) for warning in caught)),
    )


def _fitted(
    orders: Transactions, rfm: pd.DataFrame, plan: WatchPlan, day: dt.date
) -> tuple[Models, tuple[ParameterDraws, ParameterDraws] | None]:
    asked = plan.purchases, plan.spend
    to_fit = [Specification.of(one) for one in asked if isinstance(one, type | Specification)]
    if not to_fit:
        return Models(*asked), None
    try:
        fits = [model.fit(rfm, orders=orders) for model in to_fit]
        buys, spends = (
            fit.posterior(draws=_DRAWS, seed=plan.seed + day.toordinal()) for fit in fits
        )
    except FitError as error:
        raise FitError(
            f"As of {day}: {error} Or begin later, with start=, or hold fits: "
            "monitor(orders, buys, spend)."
        ) from error
    return Models(*fits), (buys, spends)


def _totals(
    rfm: pd.DataFrame, value: pd.DataFrame, ahead: Portfolio, plan: WatchPlan, day: dt.date
) -> dict[str, float]:
    days = days_per(plan.time_unit)
    length = (day - preceding(day, plan.period)).days
    age = np.rint(rfm["T"].to_numpy() * days)
    silent = np.rint((rfm["T"] - rfm["recency"]).to_numpy() * days)
    alive = value["p_alive"].to_numpy()

    lengths = np.array(ahead.periods.lengths)
    middles = (np.cumsum(lengths) - lengths / 2) / days
    rate = discount_rate_per_unit(plan.annual_discount_rate, plan.time_unit)
    worth = plan.margin * np.exp(-rate * middles)
    lower, upper = _limits(ahead.simulations("revenue").to_numpy() @ worth, plan.level)
    return {
        "customers": len(rfm),
        "new_customers": int(np.sum(age < length)),
        "active": int(np.sum(silent < length)),
        "expected_purchases": float(value["expected_purchases"].sum()),
        "clv": float(value["clv"].sum()),
        "clv_lower": lower,
        "clv_upper": upper,
        "mean_p_alive": float(alive.mean()),
        "share_alive": float(np.mean(alive >= _ALIVE)),
    }


def _futures(
    ahead: Portfolio, ends: dict[str, dt.date], steps: int, level: float
) -> dict[tuple[str, str], Future]:
    expected = ahead.table(None)
    found = {}
    for quantity in _QUANTITIES:
        drawn = ahead.simulations("orders" if quantity == "orders" else "revenue").to_numpy()
        for span, until in ends.items():
            count = steps if span == "period" else drawn.shape[1]
            totals = drawn[:, :count].sum(axis=1)
            mean = float(expected[quantity].iloc[:count].sum())
            found[span, quantity] = Future(until, mean, *_limits(totals, level), totals)
    return found


def _limits(drawn: FloatArray, level: float) -> tuple[float, float]:
    """As many ranks apart that one more future falls between them with this probability."""
    lower = math.floor((drawn.size + 1) * (1 - level) / 2 + _ROUNDING) - 1
    ranks = [lower, drawn.size - 1 - lower]
    least, most = np.partition(drawn, ranks)[ranks]
    return float(least), float(most)


def _segments(
    orders: Transactions,
    value: pd.DataFrame,
    day: dt.date,
    plan: WatchPlan,
    rules: ValueRules | None,
) -> tuple[pd.DataFrame, ValueRules] | None:
    if plan.by is None:
        return None
    if plan.by in orders.segments:
        labels = orders.customer_segments(day)[plan.by]
        found = segments(value, by=labels.rename("segment"))
    else:
        found = segments(value, orders, by=plan.by, rules=rules)
    table = found.table[["customers", "clv", "mean_p_alive"]]
    table.index = table.index.set_names("segment")
    return table, found.rules
