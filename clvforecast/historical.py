"""The simple historical formula: what the past says a customer is worth.

No model: averages of the log, multiplied. It knows neither who is gone nor who has just begun,
which is why it is put beside a forecast rather than in its place.
"""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from clvforecast.errors import DataError
from clvforecast.lifespan import Lifespan, estimate_days, find_lifespan, positive_days, retention
from clvforecast.units import check_margin
from clvforecast.wording import format_days, format_number, wrapped

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from clvforecast.transactions import Transactions

__all__ = ["HistoricalCLV", "historical_clv"]

_DAY: Final = pd.Timedelta(days=1)
# Calendar quarters and years are up to two days longer than a quarter or half of 365.25 days.
_CALENDAR_SLACK_DAYS: Final = 2.0


@dataclass(frozen=True, eq=False, repr=False)
class HistoricalCLV:
    """The simple formula, worked out: for the log, for each segment and for each customer.

    Printing it shows the steps with their numbers.

    Attributes
    ----------
    steps : pandas.DataFrame
        Index `step`: average_purchase_value, purchase_frequency, customer_value, lifespan, margin,
        clv. Columns `transaction_based` (from the log's totals), `customer_based` (from each
        customer's own average order value), `unit` and `description`.
    three_factor : pandas.DataFrame
        Index `factor`: average_order_value, repeat_orders, retention_time, margin, clv. Columns
        `value`, `unit`, `description`. A repeat order is any order of a customer but the first in
        the log, so this is what a customer brings *after* the first order.
    customers : pandas.DataFrame
        Per customer: `orders`, `revenue` (net of refunds), `average_order_value`,
        `purchase_frequency` (own orders per period), `customer_value` (own revenue per period),
        `clv` (customer_value x lifespan x margin), `past_value` (revenue x margin),
        `first_order`, `last_order`.
    segments : pandas.DataFrame or None
        With ``by=``, the formula per segment. `lifespan_from` says whether the lifespan was given,
        estimated on the segment, or, where nobody of the segment can be seen to leave, taken from
        the whole log.
    lifespan : Lifespan
        The lifespan used for the whole log and how it was found.
    first, until : datetime.date
        First day and end of observation of the log.
    period_days : float
        Length of the period that frequencies and customer values refer to.
    margin : float
        Share of revenue that is profit.
    """

    steps: pd.DataFrame
    three_factor: pd.DataFrame
    customers: pd.DataFrame
    segments: pd.DataFrame | None
    lifespan: Lifespan
    first: dt.date
    until: dt.date
    period_days: float
    margin: float

    @property
    def clv(self) -> float:
        """Transaction-based CLV: from the totals of the log."""
        return float(self.steps["transaction_based"].loc["clv"])

    @property
    def customer_based_clv(self) -> float:
        """Customer-based CLV: from the mean of the customers' own average order values."""
        return float(self.steps["customer_based"].loc["clv"])

    def project(self, horizon_days: float) -> pd.Series[float]:
        """Continue each customer's average of the log for `horizon_days` more days.

        Parameters
        ----------
        horizon_days : float
            Days to look ahead, finite and not negative.

        Returns
        -------
        pandas.Series
            `simple_projection` by customer_id: revenue / period x horizon x margin. Undiscounted.

        Raises
        ------
        DataError
            If `horizon_days` is negative, infinite or not a number.
        """
        days = float(horizon_days)
        if not (math.isfinite(days) and days >= 0):
            raise DataError(
                f"horizon_days={horizon_days!r}: the simple formula can be projected over a finite "
                "number of days only, because it knows no customer who leaves. Pass 364, say."
            )
        projection = self.customers["past_value"] * (days / self.period_days)
        return projection.rename("simple_projection")

    def __str__(self) -> str:
        lines = [*self._opening(), "", self._steps_text(), "", *wrapped(self._closing())]
        if self.segments is not None:
            lines += ["", self.segments.to_string(float_format=format_number)]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Show the same in a notebook."""
        shown = [f"<p>{'<br>'.join(html.escape(line) for line in self._opening())}</p>"]
        shown.append(self.steps.to_html(float_format=format_number))
        shown += [f"<p>{html.escape(line)}</p>" for line in self._closing()]
        if self.segments is not None:
            shown.append(self.segments.to_html(float_format=format_number))
        return "\n".join(shown)

    def _opening(self) -> list[str]:
        orders, revenue = self.customers["orders"].sum(), self.customers["revenue"].sum()
        return [
            f"Simple historical CLV of {len(self.customers):,} customers: {orders:,} orders, "
            f"revenue {format_number(revenue)} net of refunds",
            f"Orders from {self.first} to {self.until}; "
            f"one period = {format_days(self.period_days)}",
        ]

    def _steps_text(self) -> str:
        lines = [f"{'':<26}{'transaction-based':>17}{'customer-based':>16}"]
        for number, (name, step) in enumerate(self.steps.iterrows(), start=1):
            lines.append(
                f"{number} {str(name).replace('_', ' '):<24}"
                f"{format_number(step['transaction_based']):>17}"
                f"{format_number(step['customer_based']):>16}  "
                f"{step['unit']}: {step['description']}"
            )
        return "\n".join(lines)

    def _closing(self) -> list[str]:
        lines = [f"Lifespan: {self.lifespan}"]
        if not math.isclose(self.clv, self.customer_based_clv, rel_tol=1e-9):
            lines.append(
                "Customer-based takes the mean of the customers' own averages, which gives each "
                "customer the same weight, however few the orders behind it."
            )
        value = [format_number(v) for v in self.three_factor["value"]]
        lines.append(
            f"As three factors, after the first order: average order value {value[0]} x repeat "
            f"orders {value[1]} x retention time {value[2]} periods x margin {value[3]} = "
            f"{value[4]}"
        )
        return lines


def historical_clv(
    orders: Transactions,
    *,
    by: str | Sequence[str] | None = None,
    lifespan: str | None = None,
    period: str | None = None,
    until: str | dt.date | None = None,
    margin: float = 1.0,
) -> HistoricalCLV:
    """Work out the simple formula: order value x frequency x lifespan (x margin).

    1. average purchase value = revenue / orders
    2. purchase frequency = orders / customers, in the period
    3. customer value = 1 x 2, per period
    4. average customer lifespan, in periods
    5. CLV = 3 x 4, times the margin

    The *transaction-based* column takes step 1 from the log's totals, the *customer-based* one
    takes the mean of the customers' own average order values.

    Parameters
    ----------
    orders : Transactions
        What `read_orders` returns.
    by : str or sequence of str, optional
        Segment columns to repeat the formula for.
    lifespan : str, optional
        A duration ("2Y", "104W") or how to estimate one from the log:

        - "churn" (default): cut the observed time into two halves; the churn is the share of the
          customers of the first half who do not buy in the second; lifespan = half / churn. A slow
          buyer counts as lost, and the answer depends on where the log is cut.
        - "observed": the mean time from first to last order. Too short: customers who will still
          buy are cut off at the end of the log, and one-time buyers count as zero.
    period : str, optional
        Length of the period the log covers ("1W", "12M"), where it is longer than what the orders
        show. Default: from the first order's day to the end of observation, both included.
    until : str or datetime.date, optional
        End of observation. Default: that of the orders.
    margin : float
        Share of revenue that is profit, in (0, 1]. Default 1: revenue.

    Returns
    -------
    HistoricalCLV

    Raises
    ------
    DataError
        If no lifespan can be estimated (nobody leaves, or nobody buys twice), a duration or the
        margin is not one, or `period` is shorter than the time the orders span.

    Examples
    --------
    >>> import clvforecast as clv
    >>> orders = clv.read_orders(clv.datasets.load_worked_example())
    >>> simple = clv.historical_clv(orders, lifespan="104W")
    >>> round(simple.clv, 1), round(simple.customer_based_clv, 1)
    (218.4, 274.9)
    """
    if not hasattr(orders, "activity"):
        raise DataError(
            f"historical_clv needs the Transactions that clv.read_orders returns, not a "
            f"{type(orders).__name__}."
        )
    margin = check_margin(margin)
    activity = _check_activity(orders.activity(until=until))
    first, end = pd.Timestamp(activity.attrs["first"]), pd.Timestamp(activity.attrs["until"])
    observed_days = float((end - first) / _DAY) + 1.0
    period_days = _period_days(period, activity, observed_days)

    totals = _totals(activity, first, observed_days)
    everyone = totals.sum().to_frame().T
    life = find_lifespan(lifespan, everyone, observed_days)
    overall = _formula(everyone, period_days, life.days, margin).iloc[0]

    segments = None
    if isinstance(by, str) or by:
        split = _check_activity(orders.activity(by=by, until=until))
        levels = list(range(split.index.nlevels - 1))
        grouped = _totals(split, first, observed_days).groupby(
            level=levels[0] if len(levels) == 1 else levels, dropna=False, observed=True
        )
        segments = _segments(grouped.sum(), life, observed_days, period_days, margin)

    return HistoricalCLV(
        steps=_steps(overall, period_days, margin, life),
        three_factor=_three_factor(overall, period_days, margin, life),
        customers=_customers(activity, period_days, life.days, margin),
        segments=segments,
        lifespan=life,
        first=first.date(),
        until=end.date(),
        period_days=period_days,
        margin=margin,
    )


def _check_activity(activity: pd.DataFrame) -> pd.DataFrame:
    """Leave out those who have never bought: a refund alone makes nobody a customer."""
    bought = activity[activity["orders"] > 0]
    if bought.empty:
        raise DataError(
            "No order is left to compute a historical CLV from. Check `until` and the report "
            "orders.quality."
        )
    return bought


def _period_days(period: str | None, activity: pd.DataFrame, observed_days: float) -> float:
    if period is None:
        return observed_days
    days = positive_days(period, "period")
    span = float((activity["last_order"].max() - activity["first_order"].min()) / _DAY) + 1.0
    if days + _CALENDAR_SLACK_DAYS < span:
        raise DataError(
            f"period={period!r} is {days:g} days, but the orders span {span:g}. Give the length "
            "of time the log covers, or leave `period` out."
        )
    return days


def _totals(activity: pd.DataFrame, first: pd.Timestamp, observed_days: float) -> pd.DataFrame:
    """Give each customer's part of every sum that the formula and the lifespan are made of."""
    parts = retention(activity, first, observed_days)
    parts["orders"] = activity["orders"].astype(float)
    parts["revenue"] = activity["revenue"].astype(float)
    parts["own_averages"] = parts["revenue"] / parts["orders"]
    return parts


def _formula(
    totals: pd.DataFrame, period_days: float, lifespan_days: Any, margin: float
) -> pd.DataFrame:
    """Apply the five steps to rows of totals, one row per group."""
    out = totals[["customers", "orders"]].astype("int64")
    out["revenue"] = totals["revenue"]
    out["average_purchase_value"] = totals["revenue"] / totals["orders"]
    out["customer_based_purchase_value"] = totals["own_averages"] / totals["customers"]
    out["purchase_frequency"] = totals["orders"] / totals["customers"]
    out["customer_value"] = out["average_purchase_value"] * out["purchase_frequency"]
    out["lifespan_days"] = lifespan_days
    factor = out["purchase_frequency"] * (out["lifespan_days"] / period_days) * margin
    out["clv"] = out["average_purchase_value"] * factor
    out["customer_based_clv"] = out["customer_based_purchase_value"] * factor
    return out


def _segments(
    totals: pd.DataFrame, life: Lifespan, observed_days: float, period_days: float, margin: float
) -> pd.DataFrame:
    """Apply the formula to each segment, with its own lifespan where one is estimated."""
    if life.method == "given":
        return _formula(totals, period_days, life.days, margin).assign(lifespan_from="given")
    own = estimate_days(totals, life.method, observed_days)
    seen = np.isfinite(own) & (own > 0)
    out = _formula(totals, period_days, own.where(seen, life.days), margin)
    return out.assign(lifespan_from=np.where(seen, "segment", "whole log"))


def _steps(
    overall: pd.Series[Any], period_days: float, margin: float, life: Lifespan
) -> pd.DataFrame:
    orders, customers = f"{int(overall['orders']):,}", f"{int(overall['customers']):,}"
    value, own = overall["average_purchase_value"], overall["customer_based_purchase_value"]
    frequency, periods = overall["purchase_frequency"], life.days / period_days
    rows = {
        "average_purchase_value": (
            value,
            own,
            "per order",
            f"revenue {format_number(overall['revenue'])} / {orders} orders",
        ),
        "purchase_frequency": (
            frequency,
            frequency,
            "per customer and period",
            f"{orders} orders / {customers} customers",
        ),
        "customer_value": (value * frequency, own * frequency, "per customer and period", "1 x 2"),
        "lifespan": (
            periods,
            periods,
            "periods",
            f"{format_days(life.days)} / {format_days(period_days)}",
        ),
        "margin": (margin, margin, "of revenue", "given" if margin != 1 else "none given"),
        "clv": (overall["clv"], overall["customer_based_clv"], "per customer", "3 x 4 x 5"),
    }
    columns = ["transaction_based", "customer_based", "unit", "description"]
    return _table(rows, columns, "step")


def _three_factor(
    overall: pd.Series[Any], period_days: float, margin: float, life: Lifespan
) -> pd.DataFrame:
    value = overall["average_purchase_value"]
    repeats = (overall["orders"] - overall["customers"]) / overall["customers"]
    periods = life.days / period_days
    rows = {
        "average_order_value": (value, "per order", "revenue / orders"),
        "repeat_orders": (
            repeats,
            "per customer and period",
            "(orders - customers) / customers: all orders but each customer's first in the log",
        ),
        "retention_time": (periods, "periods", "the average customer lifespan"),
        "margin": (margin, "of revenue", "share of revenue that is profit"),
        "clv": (
            value * repeats * periods * margin,
            "per customer, after the first order",
            "average order value x repeat orders x retention time x margin",
        ),
    }
    return _table(rows, ["value", "unit", "description"], "factor")


def _table(rows: dict[str, tuple[Any, ...]], columns: list[str], index: str) -> pd.DataFrame:
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    table.index.name = index
    return table


def _customers(
    activity: pd.DataFrame, period_days: float, lifespan_days: float, margin: float
) -> pd.DataFrame:
    revenue = activity["revenue"].astype(float)
    out = pd.DataFrame({"orders": activity["orders"], "revenue": revenue}, index=activity.index)
    out["average_order_value"] = revenue / activity["orders"]
    # A frequency is per period, and the period is the log: everyone was watched for one of them.
    out["purchase_frequency"] = activity["orders"].astype(float)
    out["customer_value"] = revenue
    out["clv"] = revenue * (lifespan_days / period_days) * margin
    out["past_value"] = revenue * margin
    out["first_order"] = activity["first_order"]
    out["last_order"] = activity["last_order"]
    out.attrs = {}
    return out
