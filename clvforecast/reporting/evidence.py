"""Everything a report says, as numbers: worked out once, by the functions of this package."""

from __future__ import annotations

import datetime as dt
import enum
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd

from clvforecast.comparison import Comparison, compare
from clvforecast.decisions import (
    Retention,
    Segmentation,
    WhatIf,
    acquisition,
    retention,
    segments,
    what_if,
)
from clvforecast.decisions.segmentation.rules import COHORTS
from clvforecast.errors import DataError, FitError, suggest
from clvforecast.evaluation import Backtest, Diagnosis, backtest, diagnose
from clvforecast.fitting import Fit, ParameterDraws, covariate_columns, purchase_model, spend_model
from clvforecast.fitting.specification import Specification
from clvforecast.forecasting import forecast
from clvforecast.historical import historical_clv
from clvforecast.models import BGNBD, GammaGamma, Model, PurchaseModel, SpendModel
from clvforecast.portfolios import Portfolio, portfolio
from clvforecast.transactions import Transactions
from clvforecast.units import (
    Duration,
    check_time_unit,
    days_per,
    discount_rate_per_unit,
    duration_in_units,
)

__all__ = ["Evidence", "Newcomer", "NoBacktest", "gather"]

SIMPLE_FORMULA: Final = "simple formula"
_DRAWS: Final = 200
"""Of the parameters: each stands for a few futures, and working out what it says takes longest."""
_SIMULATIONS: Final = 500
"""Of the shop: an interval's limit then varies by a tenth of the spread of what is drawn."""
_CHANGE: Final = 0.10
_SHORTEST_LOG_DAYS: Final = 91
_ONE_DAY: Final = dt.timedelta(days=1)
_LONGEST_MONTH_DAYS: Final = 31
_ROUNDING: Final = 1e-6
_RFM: Final = "rfm"


class NoBacktest(enum.Enum):
    """Why the forecast was not held against the past."""

    NOT_ASKED = enum.auto()
    TOO_SHORT = enum.auto()
    NOT_FITTED = enum.auto()


class Newcomer(NamedTuple):
    """What a customer still to be acquired is expected to bring within the horizon, in money."""

    first: float
    """Margin on the first order."""
    later: float
    lower: float | None
    """Credible limits of both together: how well the expectation is known; None of given models."""
    upper: float | None

    @property
    def together(self) -> float:
        """First order and later ones."""
        return self.first + self.later


@dataclass(frozen=True, eq=False)
class Evidence:
    """What was read, fitted, forecast and checked. Made by `gather`."""

    orders: Transactions
    rfm: pd.DataFrame
    purchases: Fit | PurchaseModel
    spend: Fit | SpendModel
    value: pd.DataFrame
    comparison: Comparison
    segmentation: Segmentation
    groups: tuple[Segmentation, ...]
    portfolio: Portfolio
    what_if: WhatIf
    retention: Retention
    backtest: Backtest | NoBacktest
    diagnosis: Diagnosis
    newcomer: Newcomer
    level: float
    has_posterior: bool
    """Whether intervals of totals hold the uncertainty of the parameters."""
    change: float = _CHANGE

    @property
    def margin(self) -> float:
        """Share of order value that is kept."""
        return float(self.value.attrs["margin"])

    @property
    def annual_discount_rate(self) -> float:
        """Effective annual rate."""
        return float(self.value.attrs["annual_discount_rate"])

    @property
    def is_plain(self) -> bool:
        """Whether value is revenue: the margin is all, and nothing is discounted."""
        return self.margin == 1 and self.annual_discount_rate == 0

    @property
    def time_unit(self) -> str:
        """Unit of the parameters."""
        return str(self.value.attrs["time_unit"])

    @property
    def horizon_days(self) -> float:
        """Length of the forecast."""
        return float(self.value.attrs["horizon"]) * days_per(self.time_unit)

    @property
    def until(self) -> dt.date:
        """End of observation."""
        return dt.date.fromisoformat(self.value.attrs["until"])

    @property
    def first_day_ahead(self) -> dt.date:
        """The day on which the forecast begins."""
        return self.until + _ONE_DAY

    @property
    def last_day_ahead(self) -> dt.date:
        """The day on which it ends."""
        last: dt.date = self.portfolio.periods.end[-1].date()
        return last

    @property
    def customers(self) -> int:
        """How many there are."""
        return len(self.value)

    @property
    def active(self) -> float:
        """Expected number of customers who still are."""
        return float(self.value["p_alive"].sum())

    @property
    def certain(self) -> int:
        """Customers whom the model gives P(alive) = 1."""
        return int((self.value["p_alive"] == 1).sum())

    @cached_property
    def customers_table(self) -> pd.DataFrame:
        """Every customer: forecast, past, segment and worth of retaining; the best first."""
        facts = self.segmentation.customers
        retained = self.retention.customers.reindex(self.value.index)
        table = self.value.assign(
            value_if_active=retained["clv_if_alive"],
            worth_of_retaining=retained["worth_of_retaining"],
            segment=facts["segment"].astype(str),
            past_value=facts["past_value"],
            orders=facts["orders"],
            first_order=facts["first_order"],
            last_order=facts["last_order"],
        )
        table.attrs = {}
        return table.sort_values("clv", ascending=False, kind="stable")

    @property
    def to_keep(self) -> pd.DataFrame:
        """Customers who may be leaving and are not lost, by the worth of retaining them."""
        table = self.customers_table
        open_ = (table["p_alive"] < 1) & (table["p_alive"] >= self.segmentation.rules.lost)
        worth = table["worth_of_retaining"] > 0
        return table[open_ & worth].sort_values(
            "worth_of_retaining", ascending=False, kind="stable"
        )

    @property
    def to_win(self) -> pd.DataFrame:
        """Customers of a high forecast and a low past, the highest forecast first."""
        table = self.customers_table
        quadrant = self.comparison.customers["quadrant"].reindex(table.index)
        return table[(quadrant == "rising").to_numpy()]


def gather(
    orders: Transactions,
    *,
    horizon: Duration,
    annual_discount_rate: float,
    margin: float,
    time_unit: str,
    until: str | dt.date | None,
    by: str | Sequence[str] | None,
    level: float,
    purchases: Fit | PurchaseModel | None,
    spend: Fit | SpendModel | None,
    with_backtest: bool,
    seed: int,
    progress: bool,
) -> Evidence:
    """Fit what is not fitted, forecast, compare, group, and check; `report` says what is raised."""
    span = _checked_horizon(horizon, time_unit)
    names = _checked_groups(orders, by)
    rfm = orders.summarize(time_unit, until, segments=covariate_columns(purchases, spend))
    end = rfm.attrs["until"]
    buys = BGNBD.fit(rfm) if purchases is None else purchases
    spends = GammaGamma.fit(rfm) if spend is None else spend
    value = forecast(
        buys,
        spends,
        rfm,
        horizon=span,
        annual_discount_rate=annual_discount_rate,
        margin=margin,
        level=level,
    )
    posterior = _posterior(buys, spends, seed)
    # Nothing shown depends on the lifespan: the formula is projected over the horizon.
    past = historical_clv(orders, until=end, margin=margin, lifespan=f"{span}{time_unit}")

    models = purchase_model(buys, rfm), spend_model(spends, rfm)
    simulations = max(_SIMULATIONS, math.ceil(2 / (1 - level)))

    def grouped(group: str | pd.Series[str]) -> Segmentation:
        return segments(
            value,
            past,
            by=group,
            purchases=buys,
            spend=spends,
            rfm=rfm,
            posterior=posterior,
            level=level,
            simulations=simulations,
            seed=seed,
        )

    return Evidence(
        orders=orders,
        rfm=rfm,
        purchases=buys,
        spend=spends,
        value=value,
        comparison=compare(value, past),
        segmentation=grouped("value"),
        groups=tuple(grouped(group) for group in _labels(orders, names, end)),
        portfolio=portfolio(
            buys,
            spends,
            rfm,
            horizon=horizon,
            period="M",
            posterior=posterior,
            simulations=simulations,
            seed=seed,
            progress=progress,
        ),
        what_if=what_if(
            buys,
            spends,
            rfm,
            horizon=span,
            annual_discount_rate=annual_discount_rate,
            margin=margin,
            change=_CHANGE,
            past=past,
        ),
        retention=retention(
            buys,
            spends,
            rfm,
            horizon=span,
            annual_discount_rate=annual_discount_rate,
            margin=margin,
            level=level,
            seed=seed,
        ),
        backtest=_backtest(
            orders, (_specified(buys), _specified(spends)), value, level=level, seed=seed
        )
        if with_backtest
        else NoBacktest.NOT_ASKED,
        diagnosis=diagnose(orders, buys, spends, until=end, time_unit=time_unit),
        newcomer=_newcomer_of(models, value.attrs)
        if posterior is None
        else _newcomer_to(
            orders, (models[0].kind, models[1].kind), value.attrs, level=level, seed=seed
        ),
        level=level,
        has_posterior=posterior is not None,
    )


def _checked_horizon(horizon: Duration, time_unit: str) -> float:
    """The horizon in time units: a month at least, however long that is, and finite."""
    unit = check_time_unit(time_unit)
    length = duration_in_units(horizon, unit)
    if not _LONGEST_MONTH_DAYS - _ROUNDING <= length * days_per(unit) < math.inf:
        raise DataError(
            f"horizon={horizon!r}: a report goes month by month, and needs a finite horizon of "
            f"{_LONGEST_MONTH_DAYS} days or more, such as '1Y'."
        )
    return length


def _checked_groups(orders: Transactions, by: str | Sequence[str] | None) -> list[str]:
    names = [] if by is None else [by] if isinstance(by, str) else list(by)
    known = [*orders.segments, *COHORTS, _RFM]
    for name in names:
        if name not in known:
            raise DataError(
                f"by={name!r} is neither a segment column of the orders nor a rule. "
                f"{suggest(str(name), known)} Read the orders with segments=[...] to have more."
            )
    return list(dict.fromkeys(names))


def _labels(orders: Transactions, names: Sequence[str], until: str) -> list[str | pd.Series[str]]:
    """What `segments` takes for every name: the rule's, or the labels of the orders."""
    rules = {*COHORTS, _RFM}
    own = orders.customer_segments(until) if set(names) - rules else pd.DataFrame()
    return [name if name in rules else own[name] for name in names]


def _specified(given: Fit | Model) -> Specification:
    """How to fit the same model to the past."""
    return given.specification if isinstance(given, Fit) else Specification(given.kind)


def _posterior(
    purchases: Fit | PurchaseModel, spend: Fit | SpendModel, seed: int
) -> tuple[ParameterDraws, ParameterDraws] | None:
    """Draws of both models, if both are fits that still have what they were fitted to."""
    if not isinstance(purchases, Fit) or not isinstance(spend, Fit):
        return None
    if purchases.cells is None or spend.cells is None:
        return None
    return purchases.posterior(draws=_DRAWS, seed=seed), spend.posterior(draws=_DRAWS, seed=seed)


def _backtest(
    orders: Transactions,
    models: tuple[Specification, Specification],
    value: pd.DataFrame,
    *,
    level: float,
    seed: int,
) -> Backtest | NoBacktest:
    """Forecast the last third of the log, or less, from what came before it."""
    until = dt.date.fromisoformat(value.attrs["until"])
    observed = (until - orders.quality.first_day).days
    if observed < _SHORTEST_LOG_DAYS:
        return NoBacktest.TOO_SHORT
    horizon = value.attrs["horizon"] * days_per(value.attrs["time_unit"])
    days = min(math.floor(horizon), observed // 3) // 7 * 7
    try:
        return backtest(
            orders,
            [models],
            cutoffs=[until - dt.timedelta(days=days)],
            horizon=f"{days}D",
            time_unit=value.attrs["time_unit"],
            level=level,
            metrics=["bias"],
            baselines=[SIMPLE_FORMULA],
            replicates=2,
            seed=seed,
        )
    except FitError:
        return NoBacktest.NOT_FITTED


def _newcomer_to(
    orders: Transactions,
    kinds: tuple[type[PurchaseModel], type[SpendModel]],
    attrs: Mapping[Hashable, Any],
    *,
    level: float,
    seed: int,
) -> Newcomer:
    """Learn from these orders what a new customer brings."""
    found = acquisition(
        orders,
        horizon=attrs["horizon"],
        annual_discount_rate=attrs["annual_discount_rate"],
        margin=attrs["margin"],
        time_unit=attrs["time_unit"],
        until=attrs["until"],
        models=kinds,
        level=level,
        seed=seed,
    ).whole.iloc[0]
    first = attrs["margin"] * found["first_order"]
    limits = found["value_lower"], found["value_upper"]
    return Newcomer(float(first), float(found["repeat_value"]), *map(float, limits))


def _newcomer_of(
    models: tuple[PurchaseModel, SpendModel], attrs: Mapping[Hashable, Any]
) -> Newcomer:
    """Forecast somebody of whom nothing is known but a first order on the last day."""
    buys, spends = models
    rate = discount_rate_per_unit(attrs["annual_discount_rate"], attrs["time_unit"])
    order = attrs["margin"] * spends.expected_spend(0, 0)
    ahead = buys.expected_repeat_purchases(attrs["horizon"], rate=rate)
    # Where covariates make customers differ, he is like any of them.
    return Newcomer(float(np.mean(order)), float(np.mean(order * ahead)), None, None)
