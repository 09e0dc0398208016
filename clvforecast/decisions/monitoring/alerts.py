"""Alerts: what has drifted, how far, how unlikely that is, and what to do."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import pandas as pd

from clvforecast.decisions.monitoring.charts import (
    chart,
    chart_limit,
    mean_run_length,
    tail_probability,
)
from clvforecast.decisions.monitoring.dates import CHECKS_PER_YEAR, REVIEWS_PER_YEAR
from clvforecast.wording import format_amount

__all__ = ["ALERT_COLUMNS", "Limits", "change_alerts", "cohort_alerts", "with_charts"]

ALERT_COLUMNS: Final = ("date", "about", "size", "p_value", "message", "action")
_CHARTS: Final = 6
"""Orders, revenue; buying and spending, of all customers and of new ones."""
_PERIODS: Final = {"W": "week", "M": "month", "Q": "quarter"}
_ACTIONS: Final = {
    "orders": "Ask what changed: stock, prices, the site, a campaign, a competitor, or orders "
    "missing from the log. If it lasts, fit to what came since and plan with that.",
    "revenue": "Look whether orders or their values are off: prices, the assortment, the currency, "
    "refunds. If it lasts, fit to what came since and plan with that.",
    "buying": "Customers buy otherwise than they did: look at the errors of the forecasts, and fit "
    "to what came since, or to customers who joined since.",
    "spending": "Order values are not what they were: look at prices, the assortment and the "
    "currency, and fit to what came since.",
    "buying of new customers": "Look where new customers come from and what they were promised. "
    "Forecast them by their own fit, and set what a new customer may cost by it.",
    "spending of new customers": "Look at prices and at what new customers buy. Forecast them by "
    "their own fit, and set what a new customer may cost by it.",
}


class Limits(NamedTuple):
    """What an alert takes, if a false one in a year is to have a given probability."""

    deviations: float
    """Of a chart of forecast errors."""
    p_value: float
    """Of a comparison of fits."""
    mean_run_length: float
    """Checks, on average, from one false alert of a chart to the next."""

    @classmethod
    def of(cls, false_alarms: float, period: str) -> Limits:
        """Share the probability out among the charts, and its checks of a year (Bonferroni).

        >>> Limits.of(0.05, "M").deviations.__round__(2)
        3.35
        """
        each = false_alarms / _CHARTS
        limit = chart_limit(each, CHECKS_PER_YEAR[period])
        return cls(limit, each / REVIEWS_PER_YEAR, mean_run_length(limit))


def with_charts(
    errors: pd.DataFrame, limits: Limits, tolerance: float, level: float, period: str
) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """Add the chart of each quantity to the errors, as `deviations`; and what it alerts to."""
    errors = errors.assign(deviations=float("nan"), alert=False)
    alerts = []
    for quantity in errors.index.unique("quantity"):
        is_of = (errors.index.get_level_values("span") == "period") & (
            errors.index.get_level_values("quantity") == quantity
        )
        rows = errors[is_of & errors["actual"].notna().to_numpy()]
        found = chart(
            rows["score"].to_numpy(),
            rows["actual"].to_numpy(),
            rows["expected"].to_numpy(),
            limit=limits.deviations,
            tolerance=tolerance,
        )
        errors.loc[rows.index, "deviations"] = found.deviations
        errors.loc[rows.index, "alert"] = found.is_alert
        for place in found.is_alert.nonzero()[0]:
            row, off = rows.iloc[place], float(found.deviations[place])
            alerts.append(
                {
                    "date": row["until"],
                    "about": quantity,
                    "size": float(found.size[place]),
                    "p_value": tail_probability(off),
                    "message": _error_message(rows.index[place][0], quantity, row, level)
                    + f" Over the last {_PERIODS[period]}s, the latest weighing most, that is "
                    f"{_signed(float(found.size[place]))}, {abs(off):.1f} standard deviations out."
                    + _last_year(row, off, period),
                    "action": _ACTIONS[str(quantity)],
                }
            )
    return errors, alerts


def cohort_alerts(cohorts: pd.DataFrame, limits: Limits, tolerance: float) -> list[dict[str, Any]]:
    """Where customers who joined lately are unlike those before."""
    alerts = []
    for row in _striking(cohorts, limits, tolerance):
        day, about, difference = row["date"], row["about"], float(row["difference"])
        what = (
            f"make {row['value']:.2f} repeat purchases in their first 26 weeks, where those before "
            f"made {row['earlier_value']:.2f}"
            if about == "buying"
            else f"spend {format_amount(row['value'], row['earlier_value'])} an order, where those "
            f"before spent {format_amount(row['earlier_value'], row['earlier_value'])}"
        )
        alerts.append(
            {
                "date": day,
                "about": f"{about} of new customers",
                "size": difference,
                "p_value": float(row["p_value"]),
                "message": f"The {int(row['customers']):,} customers who joined in the 26 weeks "
                f"before {day:%Y-%m-%d} {what} ({_signed(difference)}), by fits to either.",
                "action": _ACTIONS[f"{about} of new customers"],
            }
        )
    return alerts


def change_alerts(changes: pd.DataFrame, limits: Limits, tolerance: float) -> list[dict[str, Any]]:
    """Where fits say something else than a quarter before."""
    alerts = []
    for row in _striking(changes, limits, tolerance):
        day, about, difference = row["date"], row["about"], float(row["difference"])
        what = (
            f"a new customer is expected to make {row['value']:.2f} repeat purchases in 26 weeks, "
            f"where it was {row['earlier_value']:.2f}"
            if about == "buying"
            else f"an order is worth {format_amount(row['value'], row['earlier_value'])} on "
            f"average, where it was {format_amount(row['earlier_value'], row['earlier_value'])}"
        )
        alerts.append(
            {
                "date": day,
                "about": about,
                "size": difference,
                "p_value": float(row["p_value"]),
                "message": f"Fitted to what was known on {day:%Y-%m-%d}, {what} as of "
                f"{row['since']:%Y-%m-%d} ({_signed(difference)}): "
                f"{abs(float(row['deviations'])):.1f} times what the new data should move it by.",
                "action": _ACTIONS[about],
            }
        )
    return alerts


def _striking(table: pd.DataFrame, limits: Limits, tolerance: float) -> list[dict[Any, Any]]:
    """Rows that are too unlikely, and large enough, to leave unsaid."""
    enough = (table["p_value"] < limits.p_value) & (table["difference"].abs() >= tolerance)
    return table[enough].reset_index().to_dict("records")


def _error_message(day: pd.Timestamp, quantity: str, row: pd.Series[Any], level: float) -> str:
    scale = float(row["expected"])
    actual, expected, lower, upper = (
        f"{row[name]:,.0f}" if quantity == "orders" else format_amount(row[name], scale)
        for name in ("actual", "expected", "lower", "upper")
    )
    is_count = quantity == "orders"
    came = f"{actual} orders came" if is_count else f"{actual} of revenue came"
    verb = "were" if is_count else "was"
    return (
        f"{came} by {row['until']:%Y-%m-%d} from the customers known on {day:%Y-%m-%d}, where "
        f"{expected} {verb} expected ({level:.0%} of futures: {lower} to {upper})."
    )


def _last_year(row: pd.Series[Any], off: float, period: str) -> str:
    if pd.isna(row["last_year"]):
        return ""
    said = f" The same {_PERIODS[period]} a year before was off by {_signed(row['last_year'])}"
    return said + (
        ": a season may be all there is to it." if (row["last_year"] > 0) == (off > 0) else "."
    )


def _signed(share: float) -> str:
    return f"{share:+.0%}"
