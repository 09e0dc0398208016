"""What was forecast of the customers known on a day, beside what then came."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from clvforecast.decisions.monitoring.charts import normal_score
from clvforecast.decisions.monitoring.dates import preceding
from clvforecast.decisions.monitoring.outlook import Outlook

if TYPE_CHECKING:
    from clvforecast.transactions import Transactions

__all__ = ["error_rows", "ordered_in_period", "with_last_year"]

_KEYS = ["date", "span", "quantity"]


def ordered_in_period(orders: Transactions, day: dt.date, period: str) -> dict[str, float]:
    """Orders and revenue of all customers in the period that ends on a day, as known then."""
    found = _added(orders, preceding(day, period), day)
    return {"orders": int(found["orders"]), "revenue": found["revenue"]}


def error_rows(orders: Transactions, found: Outlook, last: dt.date) -> list[dict[str, Any]]:
    """Rows of `Monitoring.errors`: NaN where what was forecast is not over by the last day."""
    came: dict[str, dict[str, float]] = {}
    rows = []
    for (span, quantity), future in found.futures.items():
        is_over = future.until <= last
        if is_over and span not in came:
            came[span] = _added(orders, found.day, future.until, acquired_by=found.day)
        actual = came[span][quantity] if is_over else math.nan
        rows.append(
            {
                "date": pd.Timestamp(found.day),
                "span": span,
                "quantity": quantity,
                "until": pd.Timestamp(future.until),
                "expected": future.expected,
                "lower": future.lower,
                "upper": future.upper,
                "actual": actual,
                "relative_error": actual / future.expected - 1.0 if future.expected else math.nan,
                "inside": future.lower <= actual <= future.upper if is_over else pd.NA,
                "score": normal_score(actual, future.drawn) if is_over else math.nan,
            }
        )
    return rows


def with_last_year(rows: list[dict[str, Any]], period: str) -> pd.DataFrame:
    """Make the table, with the relative error of the same period a year before."""
    table = pd.DataFrame(rows).astype({"inside": "boolean"})
    for name in ("date", "until"):
        table[name] = table[name].astype("datetime64[us]")
    before = table[[*_KEYS, "relative_error"]].rename(columns={"relative_error": "last_year"})
    before["date"] = before["date"] + pd.Timedelta(days=364)
    if period != "W":
        # The end of the month in which that day lies: 364 days after one lies in the same month.
        before["date"] = before["date"] + pd.offsets.MonthEnd(0)
    before["date"] = before["date"].astype("datetime64[us]")
    return table.merge(before, on=_KEYS, how="left").set_index(_KEYS).sort_index()


def _added(
    orders: Transactions, after: dt.date, until: dt.date, acquired_by: dt.date | None = None
) -> dict[str, float]:
    daily = orders.totals("D", after=after, until=until, acquired_by=acquired_by)
    return {name: float(daily[name].sum()) for name in ("orders", "revenue")}
