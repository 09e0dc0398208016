"""What the business adds up to: orders and revenue of all customers, period by period."""

from __future__ import annotations

import datetime as dt
import itertools
import math
from collections.abc import Hashable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from clvforecast.errors import DataError, FitError
from clvforecast.fitting import (
    Fit,
    Posterior,
    Stack,
    StackMember,
    common_time_unit,
    model_columns,
    posterior_of_members,
    purchase_model,
    spend_model,
    stack_members,
)
from clvforecast.models import PurchaseModel, SpendModel
from clvforecast.numerics.arrays import FloatArray
from clvforecast.periods import Periods, calendar_periods, last_day_ahead, unit_periods
from clvforecast.portfolios.acquisition import Plan, acquisition_plan
from clvforecast.portfolios.futures import (
    Customers,
    Models,
    Totals,
    expected_from_new,
    expected_totals,
    futures,
)
from clvforecast.portfolios.grouping import segment_codes
from clvforecast.portfolios.totals import Portfolio
from clvforecast.progress import tracked
from clvforecast.units import Duration, check_time_unit, days_per, duration_in_units

if TYPE_CHECKING:
    from clvforecast.fitting.draws import ParameterDraws

__all__ = ["Portfolio", "portfolio"]


def portfolio(
    purchases: Fit | PurchaseModel | Stack,
    spend: Fit | SpendModel,
    rfm: pd.DataFrame,
    *,
    horizon: Duration,
    period: str = "W",
    by: str | Sequence[str] | None = None,
    new_customers: Plan | None = None,
    posterior: Posterior | None = None,
    simulations: int = 1_000,
    seed: int = 0,
    progress: bool = False,
    time_unit: str | None = None,
) -> Portfolio:
    """Forecast what all customers together will order and spend, period by period.

    Parameters
    ----------
    purchases : Fit, PurchaseModel or Stack
        Who buys, how often, and who is gone.
    spend : Fit or SpendModel
        How much an order is worth.
    rfm : DataFrame
        RFM summary of the customers, with segment columns if `by` names any.
    horizon : float or str
        How far ahead, as a number in the summary's time unit or a text such as "26W"; finite.
    period : {"D", "W", "M", "Y"}
        What to add up by. Where ``rfm.attrs["until"]`` says when observation ended, periods are
        days, weeks, months and years of the calendar from the next day on, and a horizon in months
        or years ends on its day; else they are so many time units. A horizon that is no whole
        number of periods ends with a shorter one.
    by : str or list of str, optional
        Columns of `rfm` to split customers by. A missing value is a segment of its own.
    new_customers : number, sequence, Series, mapping or DataFrame, optional
        A plan of customers still to be acquired: a number for every period (a shorter last one
        gets its share), one per period, or a Series by the first day of each; with `by`, one of
        these per segment in a mapping, or a DataFrame with a column per segment.
    posterior : (ParameterDraws, ParameterDraws), optional
        Draws of the parameters of both models, such as ``fit.posterior()``; of a stack, a list of
        such draws, one for each of its models, and those of the spend model. Intervals then hold
        the uncertainty of the parameters beside each customer's chance. Expectations stay those
        at the estimates.
    simulations : int
        How many futures to draw for the intervals.
    seed : int
        Seed of the random numbers: the same call gives the same intervals.
    progress : bool
        Show a progress bar on stderr.
    time_unit : {"D", "W", "M", "Y"}, optional
        The unit of the summary, if ``rfm.attrs["time_unit"]`` does not say.

    Returns
    -------
    Portfolio
        With `table`, `total`, `quantile`, `simulations` and `track`. Revenue is neither discounted
        nor multiplied by a margin.

    Raises
    ------
    DataError
        If a column is missing, a row is impossible, the units disagree, `period` is longer than
        the horizon, or an argument is out of range.
    FitError
        If the horizon is infinite, or mean spend is.

    Notes
    -----
    An order is a purchase day, as everywhere in this package: what a customer orders on one day is
    one order.

    Expected orders of a period are those up to its end less those up to its beginning, for every
    distinct history in closed form; expected revenue is these times the customer's expected spend.

    A simulation is one future of the whole shop. Each customer is alive with P(alive), has a
    purchase rate and a dropout probability drawn from their laws given the history, and an order
    value level drawn likewise; purchases and amounts follow from these as the models say, and are
    added up. So totals of several weeks, or of all segments, have the spread they should:
    intervals do not add up, neither over periods nor over segments. The futures do not depend on
    `by`; nor do those of present customers on `new_customers`.

    Customers of a plan are certain to come, each at a moment uniform within his period and with an
    order; then they behave like any customer of whom nothing else is known. The value of that
    first order is taken to follow the spend model, although Gamma-Gamma is fitted to repeat
    orders. Expectations take fractions as they are; a simulation makes 2.5 customers two or three.

    Of a stack, each future of the shop is that of one of its models: the first ones of the first,
    and so on, as many as its weight makes of the simulations, to the nearest whole number.
    Expectations are the weighted means, exactly.

    With fewer simulations than draws, every nth draw is used; with more, each several times.

    Without `posterior`, intervals take the estimates for the truth and are too narrow where a shop
    is small. Of 100 simulated shops of 600 customers, fitted to half a year or more, the 90%
    interval of the orders of the next half year held what came in 72, with `posterior` in 86.
    Neither holds what no model of steady rates can know: seasons and promotions.

    Examples
    --------
    >>> import clvforecast as clv
    >>> orders = clv.read_orders(clv.datasets.load_cdnow(sample=True))
    >>> rfm = orders.summarize(time_unit="W", until="1997-09-30")
    >>> buys, spend = clv.BGNBD.fit(rfm), clv.GammaGamma.fit(rfm)
    >>> ahead = clv.portfolio(buys, spend, rfm, horizon="13W", simulations=200)
    >>> ahead
    Portfolio of 2,357 customers: 13 periods, 1997-10-01 to 1997-12-30, 200 simulations
    >>> ahead.table()[["orders", "orders_lower", "orders_upper", "revenue"]].head(2).round(1)
                orders  orders_lower  orders_upper  revenue
    period
    1997-10-01    52.1          41.0          65.0   1893.1
    1997-10-08    51.4          40.0          62.0   1866.8
    """
    unit = common_time_unit(purchases, rfm, time_unit)
    members, spending = stack_members(purchases, rfm), spend_model(spend, rfm)
    periods = _periods(horizon, period, unit, rfm.attrs.get("until"))
    draws = None
    if posterior is not None:
        draws = posterior_of_members(posterior, purchases, members, spending, unit)
    drawn_models = _models_per_simulation(members, spending, draws, rfm, _count(simulations))
    segments, codes = segment_codes(rfm, by)
    x, t_x, T = model_columns(type(members[0].model), rfm)
    m = model_columns(type(spending), rfm)[1]
    plan = None
    _require_finite_mean(spending, x, m)
    if new_customers is not None:
        plan = acquisition_plan(new_customers, periods, segments)
        _require_finite_mean(spending, np.zeros(1), np.zeros(1))

    customers = Customers(x, t_x, T, m, codes)
    edges = np.concatenate([[0.0], np.cumsum(periods.lengths)])
    if periods.in_days and unit is not None:
        edges /= days_per(unit)
    count = 1 if segments is None else len(segments)
    shape = count, len(periods)
    expected = new = Totals(np.zeros(shape), np.zeros(shape))
    for model, weight in members:
        models = Models(model, spending)
        expected = _plus(expected, weight, expected_totals(models, customers, count, edges))
        if plan is not None:
            new = _plus(new, weight, expected_from_new(models, customers, plan, edges))
    expected = _plus(expected, 1.0, new)

    simulated = Totals(*(np.empty((simulations, *shape)) for _ in Totals._fields))
    drawn = futures(drawn_models, customers, plan, count, edges, seed=_checked_seed(seed))
    watched = tracked(drawn, simulations, "Simulating the shop", shown=progress)
    for number, future in enumerate(watched):
        simulated.orders[number], simulated.revenue[number] = future
    attrs: dict[Hashable, Any] = {
        "time_unit": unit,
        "horizon": float(edges[-1]),
        "period": period,
        "until": rfm.attrs.get("until"),
        "customers": len(rfm),
        "simulations": simulations,
        "seed": seed,
        "parameter_uncertainty": posterior is not None,
    }
    return Portfolio(periods, segments, attrs, expected, new, simulated)


def _periods(horizon: Duration, period: str, unit: str | None, until: Any) -> Periods:
    if math.isinf(duration_in_units(horizon, unit)):
        raise FitError(
            "Totals over an infinite horizon are not worked out. Give a finite horizon=, such as "
            "'26W'."
        )
    if until is None or unit is None:
        return unit_periods(horizon, unit, period)
    try:
        after = dt.date.fromisoformat(str(until)[:10])
    except ValueError:
        raise DataError(
            f"rfm.attrs['until']={until!r} is not a day. Write it as YYYY-MM-DD, or remove it."
        ) from None
    last = last_day_ahead(after, horizon, check_time_unit(unit))
    return calendar_periods(after, last, period)


def _plus(totals: Totals, weight: float, more: Totals) -> Totals:
    return Totals(totals.orders + weight * more.orders, totals.revenue + weight * more.revenue)


def _models_per_simulation(
    members: Sequence[StackMember],
    spending: SpendModel,
    draws: Sequence[tuple[ParameterDraws, ParameterDraws]] | None,
    rfm: pd.DataFrame,
    simulations: int,
) -> Iterator[Models]:
    """Those of each future: of every member as many as its weight makes of the simulations."""
    ends = np.rint(np.cumsum([member.weight for member in members]) * simulations).astype(int)
    for place, futures_of_one in enumerate(np.diff(ends, prepend=0).tolist()):
        if draws is None:
            yield from itertools.repeat(Models(members[place].model, spending), futures_of_one)
            continue
        buys, spends = (drawn.of_customers(rfm) for drawn in draws[place])
        # Futures that share a draw share its model, and what is worked out of it.
        buying = lru_cache(1)(lambda draw, buys=buys: purchase_model(buys[draw], rfm))
        spent = lru_cache(1)(lambda draw, spends=spends: spend_model(spends[draw], rfm))
        for number in range(futures_of_one):
            yield Models(
                buying(number * len(buys) // futures_of_one),
                spent(number * len(spends) // futures_of_one),
            )


def _require_finite_mean(model: SpendModel, x: FloatArray, m: FloatArray) -> None:
    infinite = ~np.isfinite(model.expected_spend(x, m))
    if infinite.any():
        raise FitError(
            f"{model} has no finite mean spend for {infinite.sum():,} of {x.size:,} customers: "
            "order values are too heavy-tailed. Look for outliers or mixed currencies among the "
            "amounts and fit again."
        )


def _count(simulations: int) -> int:
    if not isinstance(simulations, int | np.integer) or simulations < 1:
        raise DataError(f"simulations={simulations!r} must be a whole number, 1 or more.")
    return int(simulations)


def _checked_seed(seed: int) -> int:
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise DataError(f"seed={seed!r} must be a whole number, 0 or more.")
    return int(seed)
