"""`monitor`: a log watched over time, each date by what was known on it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pandas as pd

from clvforecast.decisions.monitoring.alerts import (
    ALERT_COLUMNS,
    Limits,
    change_alerts,
    cohort_alerts,
    with_charts,
)
from clvforecast.decisions.monitoring.changes import changes_since
from clvforecast.decisions.monitoring.cohorts import new_against_earlier
from clvforecast.decisions.monitoring.dates import closes_quarter, watched_days
from clvforecast.decisions.monitoring.hindsight import (
    error_rows,
    ordered_in_period,
    with_last_year,
)
from clvforecast.decisions.monitoring.outlook import Models, outlook
from clvforecast.decisions.monitoring.parameters import parameter_rows
from clvforecast.decisions.monitoring.plan import Purchases, Spend, WatchPlan
from clvforecast.decisions.monitoring.result import Monitoring
from clvforecast.decisions.segmentation.rules import ValueRules
from clvforecast.errors import DataError
from clvforecast.fitting import Fit
from clvforecast.models import BGNBD, GammaGamma
from clvforecast.progress import tracked
from clvforecast.transactions.table import as_day
from clvforecast.units import Duration

if TYPE_CHECKING:
    from clvforecast.transactions import Transactions

__all__ = ["monitor"]


def monitor(
    orders: Transactions,
    purchases: Purchases = BGNBD,
    spend: Spend = GammaGamma,
    *,
    start: str | dt.date | None = None,
    end: str | dt.date | None = None,
    n: int | None = None,
    period: str = "M",
    horizon: Duration = "26W",
    time_unit: str | None = None,
    annual_discount_rate: float = 0.0,
    margin: float = 1.0,
    level: float = 0.90,
    by: str | None = "value",
    rules: ValueRules | None = None,
    false_alarms: float = 0.05,
    tolerance: float = 0.05,
    simulations: int = 500,
    seed: int = 0,
    progress: bool = False,
) -> Monitoring:
    """Look at the log as of the end of each month, and say what has drifted.

    Parameters
    ----------
    orders : Transactions
        What `read_orders` returns.
    purchases, spend : class, Fit or model
        Classes of models, or how they are fitted (`Specification`), to be fitted anew at every
        date; or fits, to hold and only rescore with.
    start, end : str or datetime.date, optional
        Watch the periods that end from `start` to `end`. Default of `end`: the end of observation.
    n : int, optional
        Instead of `start`: how many periods, the last ones. Default: 12, or as many as end 13
        weeks or more after the first order.
    period : {"M", "W", "Q"}
        Months, weeks that end on Sundays, or quarters.
    horizon : float or str
        How far ahead value is forecast, at least a period: a number in `time_unit`, or a text such
        as "1Y".
    time_unit : {"D", "W", "M", "Y"}, optional
        The unit of the summaries. Default: that of the fits, or "W".
    annual_discount_rate, margin : float
        As in `forecast`.
    level : float
        Probability of all intervals.
    by : str, optional
        What to group customers by: "value", "rfm" or a cohort, as in `segments`, or a segment
        column of the orders. None for no segments.
    rules : ValueRules, optional
        The thresholds of "value". Default: the amounts of the first date hold at all. Pass
        ``monitoring.rules`` of an earlier run to go on with its own.
    false_alarms : float
        Probability of any alert within a year if nothing has changed, all charts together.
    tolerance : float
        Errors and differences that are smaller than this share raise no alert, however sure.
    simulations, seed : int
        As in `portfolio`.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Monitoring

    Raises
    ------
    DataError
        If no period ends in the time asked for, the horizon is shorter than a period, or an
        argument is out of range.
    FitError
        If a model cannot be fitted at a date.

    Notes
    -----
    A row of a date is made of the orders up to that date, and a forecast is held against what came
    as it was known when its time was over: later orders and later refunds change no row.

    Forecasts are of the customers known at the date; whoever joins later is in the next. Their
    laws are those of `portfolio`, with the uncertainty of the parameters where models are fitted.

    Three things are watched. *Forecast errors*: each period's total of orders, and of revenue, is
    given a normal score in the law it had been given. Their weighted mean (0.3 of the latest, 0.7
    of the mean before) is compared with its standard deviation, and starts again after an alert.
    *Parameters*: each quarter, what the fits say of a new customer's purchases, and of the value of
    an order, is held against what they said a quarter before. Both fits share most of their data;
    the variance of their difference is the earlier one's less the later one's (Hausman 1978).
    *New customers*: each quarter, those who joined within 26 weeks are held against those who
    joined before, by a likelihood-ratio test of one fit for both within one for each, of buying
    and of spending.

    Each of these six charts gets a sixth of `false_alarms`. The limit of the first two is such
    that independent scores cross it within a year with that probability: exactly, by integration
    over the path of the mean. The tests, four a year, have a quarter of it each time. So alerts
    are false with at most that probability (Bonferroni), as far as the laws hold: the likelihood
    ratio needs 25 repeat customers for each parameter on both sides, and is left out without.

    But for those with a calendar, models know no season. A steady one comes back as errors, and as
    alerts; where the same period of the year before is there, the alert says how it was off.

    Held fits are taken for the truth: an alert then says that they no longer describe the
    customers. If they have seen orders after the first date, `notes` say so.

    Examples
    --------
    >>> import clvforecast as clv
    >>> orders = clv.read_orders(clv.datasets.load_cdnow(sample=True))
    >>> found = clv.monitor(orders, n=2, horizon="13W", by=None)
    >>> found.totals[["customers", "active", "orders", "clv"]].round()
                customers  active  orders      clv
    date
    1998-05-31       2357     134     168  20894.0
    1998-06-30       2357     138     168  19751.0
    """
    if not hasattr(orders, "totals"):
        raise DataError(
            f"monitor needs the Transactions that clv.read_orders returns, not a "
            f"{type(orders).__name__}."
        )
    plan = WatchPlan.checked(
        orders,
        purchases,
        spend,
        horizon=horizon,
        period=period,
        time_unit=time_unit,
        annual_discount_rate=annual_discount_rate,
        margin=margin,
        level=level,
        by=by,
        rules=rules,
        false_alarms=false_alarms,
        tolerance=tolerance,
        simulations=simulations,
        seed=seed,
    )
    days = watched_days(orders, period, start=start, end=end, n=n)
    for day in days:
        plan.ends_after(day)
    last = orders.until if end is None else as_day(end, "end")

    totals, errors, parameters, segments, cohorts, changes = [], [], [], [], [], []
    reviewed: tuple[dt.date, Models] | None = None
    remarks: list[tuple[dt.date, str]] = []
    for day in tracked(days, len(days), "Watching", shown=progress):
        found = outlook(orders, day, plan, rules)
        if by == "value":
            rules = found.rules
        totals.append({"date": day, **ordered_in_period(orders, day, period), **found.totals})
        errors += error_rows(orders, found, last)
        parameters.append(parameter_rows(day, found.models, level))
        if found.segments is not None:
            segments.append(_dated(found.segments, day))
        if closes_quarter(day, period):
            cohorts.append(
                new_against_earlier(
                    day, found.models, found.rfm, plan.time_unit, are_of_all=plan.refits
                )
            )
            if plan.refits:
                if reviewed is not None:
                    since, before = reviewed
                    changes.append(changes_since(day, since, found.models, before, plan.time_unit))
                reviewed = day, found.models
        remarks += [(day, remark) for remark in found.remarks]

    limits = Limits.of(false_alarms, period)
    compared = pd.concat(cohorts) if cohorts else None
    moved = pd.concat(changes) if changes else None
    charted, alerts = with_charts(with_last_year(errors, period), limits, tolerance, level, period)
    if compared is not None:
        alerts += cohort_alerts(compared, limits, tolerance)
    if moved is not None:
        alerts += change_alerts(moved, limits, tolerance)
    return Monitoring(
        totals=_totals(totals),
        parameters=pd.concat(parameters),
        segments=pd.concat(segments) if segments else None,
        errors=charted,
        cohorts=compared,
        changes=moved,
        alerts=_alerts(alerts),
        rules=rules if by == "value" else None,
        notes=tuple(_notes(plan, days, remarks)),
        attrs={
            "period": period,
            "horizon": horizon,
            "time_unit": plan.time_unit,
            "annual_discount_rate": plan.annual_discount_rate,
            "margin": plan.margin,
            "level": plan.level,
            "by": by,
            "refitted": plan.refits,
            "until": last.isoformat(),
            "false_alarms": plan.false_alarms,
            "tolerance": plan.tolerance,
            "limit": limits.deviations,
            "p_value_limit": limits.p_value,
            "mean_run_length": limits.mean_run_length,
        },
    )


def _totals(rows: list[dict[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(rows)
    table["date"] = table["date"].astype("datetime64[us]")
    first = ["date", "customers", "new_customers", "active", "orders", "revenue"]
    return table[[*first, *(name for name in table if name not in first)]].set_index("date")


def _dated(table: pd.DataFrame, day: dt.date) -> pd.DataFrame:
    return pd.concat({pd.Timestamp(day).as_unit("us"): table}, names=["date", "segment"])


def _alerts(alerts: list[dict[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(alerts, columns=list(ALERT_COLUMNS))
    table["date"] = table["date"].astype("datetime64[us]")
    table = table.astype({"size": float, "p_value": float})
    return table.sort_values("date", kind="stable", ignore_index=True)


def _notes(plan: WatchPlan, days: list[dt.date], remarks: list[tuple[dt.date, str]]) -> list[str]:
    notes = []
    if not plan.knows_days:
        notes.append(
            "These models know no season: a steady one comes back as errors and alerts. Compare "
            "the same period of the year before, or watch with a calendar."
        )
    notes += [
        f"The {given.model.name} fit has seen orders up to {given.until}: what it says of earlier "
        "dates is no forecast."
        for given in (plan.purchases, plan.spend)
        if isinstance(given, Fit) and given.until is not None and given.until > days[0].isoformat()
    ]
    if remarks:
        # Mostly the same again and again: the last one stands for all.
        count, (day, said) = len({day for day, _ in remarks}), remarks[-1]
        notes.append(f"At {count} of {len(days)} dates the fits warn, lastly as of {day}: {said}")
    return notes
