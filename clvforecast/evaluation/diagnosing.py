"""`diagnose`: what the models assume, and whether this log obeys."""

from __future__ import annotations

import datetime as dt
from typing import Final

import pandas as pd

from clvforecast.errors import DataError
from clvforecast.evaluation.assumptions import (
    acquisition,
    calendar_time,
    cohorts,
    frequency,
    influence,
    refunds,
    spending,
    timing,
)
from clvforecast.evaluation.assumptions.evidence import (
    acquired_by_day,
    gaps_by_history,
    last_gaps_by_length,
    refund_totals,
)
from clvforecast.evaluation.assumptions.findings import Finding, unchecked
from clvforecast.evaluation.diagnosis import Diagnosis
from clvforecast.fitting import (
    Fit,
    common_time_unit,
    covariate_columns,
    model_columns,
    purchase_model,
    spend_model,
)
from clvforecast.models import BGNBD, GammaGamma, Model, PurchaseModel, SpendModel
from clvforecast.transactions import Transactions
from clvforecast.units import days_per

__all__ = ["diagnose"]

_LONGEST_RETURN_DAYS: Final = 91
"""Days within which a customer counts as having come back, or a third of the log if less."""


def diagnose(
    data: Transactions | pd.DataFrame,
    purchases: Fit | PurchaseModel | None = None,
    spend: Fit | SpendModel | None = None,
    *,
    until: str | dt.date | None = None,
    time_unit: str | None = None,
) -> Diagnosis:
    """Check what the models assume, before their forecasts are believed.

    Parameters
    ----------
    data : Transactions or DataFrame
        The orders, or their RFM summary; of a summary only what can be told from it is checked.
    purchases : Fit or PurchaseModel, optional
        A model of these customers' purchases: adds what its fit to the numbers of purchases is,
        and who carries it.
    spend : Fit or SpendModel, optional
        A model of their spend: adds who carries it.
    until : str or datetime.date, optional
        The end of observation, of orders. Default: that of the fit, or else of the orders.
    time_unit : {"D", "W", "M", "Y"}, optional
        The unit of a summary whose ``attrs["time_unit"]`` does not say.

    Returns
    -------
    Diagnosis
        `table` has a row per assumption: the statistic with its limits and p-value, the verdict,
        what it means and what to do.

    Raises
    ------
    DataError
        If a row is impossible, or a fit is of other customers or in another time unit.

    Notes
    -----
    A verdict is by size: a deviation that is significant at 1% and too small to matter is "as
    assumed". The checks of timing and of weeks need no fit and are exact for every model in which
    customers buy at random at a rate of their own until they leave: they condition on each
    customer's first and last purchase day, and count in whole days. What each finding means is said
    in ``docs/diagnostics.md``.

    Examples
    --------
    >>> import clvforecast as clv
    >>> orders = clv.read_orders(clv.datasets.load_cdnow(sample=True))
    >>> rfm = orders.summarize(time_unit="W", until="1997-09-30")
    >>> found = clv.diagnose(orders, clv.BGNBD.fit(rfm), clv.GammaGamma.fit(rfm))
    >>> found.table.loc["number of repeat purchases", ["statistic", "verdict"]].tolist()
    ['chi-squared on 8', 'as assumed']
    """
    rfm = _summary(data, purchases, spend, until, time_unit)
    unit = rfm.attrs.get("time_unit") if time_unit is None else time_unit
    if purchases is not None:
        purchase_model(purchases, rfm)
        unit = common_time_unit(purchases, rfm, unit)
        _check_same_customers(purchases, rfm)
    if spend is not None:
        spend_model(spend, rfm)
        _check_same_customers(spend, rfm)
    model_columns(BGNBD, rfm)
    evidence: dict[str, pd.DataFrame] = {}
    findings = [
        *_timing(data, rfm),
        *_weeks(data, rfm, evidence),
        *_acquisition(rfm, unit, evidence),
        *_cohorts(data, rfm, purchases, unit, evidence),
        *_spend(rfm, evidence),
        *_purchases(rfm, purchases, evidence),
        *_fits(rfm, purchases, spend, evidence),
        *_refunds(data, rfm),
    ]
    return Diagnosis(tuple(findings), len(rfm), rfm.attrs.get("until"), evidence)


def _summary(
    data: Transactions | pd.DataFrame,
    purchases: Fit | PurchaseModel | None,
    spend: Fit | SpendModel | None,
    until: str | dt.date | None,
    time_unit: str | None,
) -> pd.DataFrame:
    fit = purchases if isinstance(purchases, Fit) else None
    if isinstance(data, Transactions):
        unit = time_unit or (fit.time_unit if fit else None) or "W"
        columns = covariate_columns(purchases, spend)
        return data.summarize(unit, until or (fit.until if fit else None), segments=columns)
    if not isinstance(data, pd.DataFrame):
        raise DataError(
            "diagnose takes orders from clv.read_orders, or their summary as a DataFrame, not "
            f"{type(data).__name__}."
        )
    if until is not None:
        raise DataError("until= is for orders: a summary has its end of observation already.")
    return data


def _check_same_customers(given: Fit | Model, rfm: pd.DataFrame) -> None:
    if not isinstance(given, Fit):
        return
    columns = model_columns(type(given.model), rfm)
    there = int(given.model.informative(*columns).sum())
    if there != given.customers:
        raise DataError(
            f"{given.model.name} was fitted to {given.customers:,} customers and the data have "
            f"{there:,}. Pass the data of the fit, with the same `until`."
        )
    until = rfm.attrs.get("until")
    if None not in (until, given.until) and until != given.until:
        raise DataError(
            f"{given.model.name} was fitted to {given.until} and the data reach to {until}. Pass "
            f"until={given.until!r} with orders, or the summary of the fit."
        )


def _timing(data: Transactions | pd.DataFrame, rfm: pd.DataFrame) -> list[Finding]:
    if not isinstance(data, Transactions):
        return [_needs_orders("purchase timing")]
    end = rfm.attrs["until"]
    return [
        timing.regularity(last_gaps_by_length(data, end)),
        timing.steadiness(gaps_by_history(data, end)),
    ]


def _weeks(
    data: Transactions | pd.DataFrame, rfm: pd.DataFrame, evidence: dict[str, pd.DataFrame]
) -> list[Finding]:
    if not isinstance(data, Transactions):
        return [_needs_orders("weekly orders")]
    daily = data.totals("D", until=rfm.attrs["until"])["orders"]
    weeks = calendar_time.weekly_orders(rfm, days_per(rfm.attrs["time_unit"]), daily)
    evidence["weeks"] = weeks.table
    checks = (
        calendar_time.unevenness,
        calendar_time.trend,
        calendar_time.final_level,
        calendar_time.annual_season,
    )
    return [check(weeks) for check in checks]


def _acquisition(
    rfm: pd.DataFrame, unit: str | None, evidence: dict[str, pd.DataFrame]
) -> list[Finding]:
    if unit is None:
        return [
            unchecked(
                "first purchases: none before the log",
                "The time unit of the summary is unknown.",
                "Pass time_unit=.",
            )
        ]
    weekly = acquisition.first_purchases(rfm, days_per(unit))
    evidence["first_purchases"] = weekly.to_frame()
    return [acquisition.left_censoring(weekly)]


def _cohorts(
    data: Transactions | pd.DataFrame,
    rfm: pd.DataFrame,
    purchases: Fit | PurchaseModel | None,
    unit: str | None,
    evidence: dict[str, pd.DataFrame],
) -> list[Finding]:
    found: list[Finding] = []
    if isinstance(data, Transactions):
        oldest = float(rfm["T"].max()) * days_per(rfm.attrs["time_unit"])
        within = max(min(_LONGEST_RETURN_DAYS, int(oldest / 3)), 1)
        acquired = acquired_by_day(data, rfm.attrs["until"], within)
        until = pd.Timestamp(rfm.attrs["until"])
        old_enough = acquired.index <= until - pd.Timedelta(days=within)
        evidence["acquired"] = cohorts.returned_by_week(acquired)
        found += [
            cohorts.repurchase(acquired[old_enough], within),
            cohorts.first_spend(acquired),
        ]
    else:
        found.append(_needs_orders("cohorts come back and spend alike"))
    if purchases is None:
        return [*found, _needs_fit("cohorts buy alike")]
    finding, table = cohorts.purchase_cohorts(purchase_model(purchases, rfm).kind, rfm, unit)
    if table is not None:
        evidence["cohorts"] = table
    return [*found, finding]


def _spend(rfm: pd.DataFrame, evidence: dict[str, pd.DataFrame]) -> list[Finding]:
    if "monetary_value" not in rfm.columns:
        return [
            unchecked(
                "spend", "The summary has no monetary_value.", "Summarise orders with amounts."
            )
        ]
    model_columns(GammaGamma, rfm)
    groups = spending.spend_by_frequency(rfm)
    if len(groups):
        evidence["spend_by_frequency"] = groups
    return [spending.independence(rfm), spending.concentration(rfm)]


def _purchases(
    rfm: pd.DataFrame,
    purchases: Fit | PurchaseModel | None,
    evidence: dict[str, pd.DataFrame],
) -> list[Finding]:
    if purchases is None:
        return [_needs_fit("number of repeat purchases")]
    model = purchase_model(purchases, rfm)
    counts = frequency.expected_frequencies(model, rfm)
    evidence["frequency"] = counts
    estimated = len(model.parameters) if isinstance(purchases, Fit) else 0
    return [
        frequency.one_time_buyers(model, rfm),
        frequency.goodness_of_fit(counts, estimated),
        frequency.total_purchases(model, rfm),
    ]


def _fits(
    rfm: pd.DataFrame,
    purchases: Fit | PurchaseModel | None,
    spends: Fit | SpendModel | None,
    evidence: dict[str, pd.DataFrame],
) -> list[Finding]:
    found: list[Finding] = []
    for kind, given in (("purchases", purchases), ("spend", spends)):
        if not isinstance(given, Fit):
            continue
        finding, table = influence.influence(given, rfm, float(rfm["T"].max()))
        if table is not None:
            evidence[f"influence_on_{kind}"] = table
        found += [finding, _remarks(given, rfm)]
    return found


def _remarks(fit: Fit, rfm: pd.DataFrame) -> Finding:
    said = fit.remarks
    identified = " ".join(said) or "All parameters are identified by the data."
    if isinstance(fit.model, PurchaseModel):
        again = rfm[rfm["frequency"] > 0]
        alive = float(purchase_model(fit, again).p_alive(*model_columns(BGNBD, again)).mean())
        identified += f" The mean P(alive) of the {len(again):,} repeat customers is {alive:.3f}."
    return Finding(
        check=f"estimates of {fit.model.name}",
        statistic="parameters not identified",
        value=float(len(fit.flat)),
        verdict="watch" if said else "as assumed",
        meaning=identified,
        remedy="Observe for longer, or fit with a small ridge=." if said else "",
    )


def _refunds(data: Transactions | pd.DataFrame, rfm: pd.DataFrame) -> list[Finding]:
    if not isinstance(data, Transactions):
        return [_needs_orders("refunds")]
    totals = refund_totals(data, rfm.attrs["until"])
    return [refunds.refunds(totals, data.quality.noted, data.refunds)]


def _needs_orders(check: str) -> Finding:
    return unchecked(check, "A summary does not tell.", "Pass the orders.")


def _needs_fit(check: str) -> Finding:
    return unchecked(check, "This needs a fit.", "Pass one, such as clv.BGNBD.fit(rfm).")
