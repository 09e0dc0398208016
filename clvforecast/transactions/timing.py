"""When customers came back: what a summary does not tell of their purchases."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from clvforecast.errors import DataError
from clvforecast.transactions.engine import fetch_frame

if TYPE_CHECKING:
    import ibis

    from clvforecast.transactions.lazy import LazySummary
    from clvforecast.transactions.table import Transactions

__all__ = ["Timing", "purchase_gaps", "purchase_timing"]


class Timing(NamedTuple):
    """When some customers made their repeat purchases.

    Attributes
    ----------
    repeats : pandas.Series
        Number of repeat purchases by day (datetime64), days without one left out.
    log_gaps : float
        Sum of the logarithms of the days between a purchase and the one before.
    """

    repeats: pd.Series[int]
    log_gaps: float


def purchase_gaps(days: ibis.Table) -> ibis.Table:
    """Express each purchase day but a customer's first, and its days since the one before."""
    import ibis

    days = days.select("customer_id", "date")
    in_order = ibis.window(group_by="customer_id", order_by="date")
    days = days.mutate(before=days.date.lag().over(in_order))
    days = days.mutate(gap=days.date.delta(days.before, unit="day").cast("float64"))
    return days.filter(days.before.notnull())  # noqa: PD004 - Ibis


def purchase_timing(orders: Transactions, rfm: pd.DataFrame | LazySummary) -> Timing:
    """Count the repeat purchases of the customers of a summary by day.

    Parameters
    ----------
    orders : Transactions
    rfm : DataFrame or LazySummary
        Their summary, of all customers or of some, which knows its last day.

    Raises
    ------
    DataError
        If the summary does not know its last day, or is of other orders.

    Examples
    --------
    >>> import clvforecast as clv
    >>> log = pd.DataFrame({"customer_id": ["A", "A", "B"], "amount": [10.0, 12.0, 14.0],
    ...                     "date": ["2024-01-01", "2024-01-08", "2024-01-22"]})
    >>> orders = clv.read_orders(log)
    >>> repeats, log_gaps = purchase_timing(orders, orders.summarize(time_unit="W"))
    >>> repeats.index.astype(str).tolist(), repeats.tolist(), round(np.exp(log_gaps), 6)
    (['2024-01-08'], [1], np.float64(7.0))
    """
    until = rfm.attrs.get("until")
    if until is None:
        raise DataError(
            "rfm.attrs['until'] is missing: the last day of the summary, to which the orders "
            "count. Summarise the orders again, or set it as YYYY-MM-DD."
        )
    gaps = purchase_gaps(orders.purchase_days(until))
    if isinstance(rfm, pd.DataFrame):
        told = int(rfm["frequency"].sum())
    else:
        told = round(float(rfm.histories.x @ rfm.histories.customers))
    counted = fetch_frame(
        gaps.group_by("date", "gap").agg(purchases=gaps.count()), ["date", "gap"]
    ).reset_index()
    if counted["purchases"].sum() != told and isinstance(rfm, pd.DataFrame):
        each = fetch_frame(gaps.select("customer_id", "date", "gap"), ["customer_id", "date"])
        each = each[each.index.get_level_values("customer_id").isin(rfm.index)].reset_index()
        counted = each.assign(purchases=1)
    found = int(counted["purchases"].sum())
    if found != told:
        raise DataError(
            f"orders= hold {found:,} repeat purchases of these customers up to {until}, and their "
            f"summary {told:,}. Pass the orders that were summarised."
        )
    repeats = counted.groupby("date")["purchases"].sum()
    repeats.index = pd.DatetimeIndex(repeats.index).as_unit("us")
    log_gaps = float(counted["purchases"] @ np.log(counted["gap"].to_numpy(dtype=float)))
    return Timing(repeats, log_gaps)
