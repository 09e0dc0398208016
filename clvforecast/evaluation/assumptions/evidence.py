"""The group-bys that assumptions are checked with: only aggregates come here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clvforecast.transactions.engine import fetch_frame, fetch_row
from clvforecast.transactions.table import as_day
from clvforecast.transactions.timing import purchase_gaps

if TYPE_CHECKING:
    import datetime as dt

    import pandas as pd

    from clvforecast.transactions.table import Transactions

__all__ = ["acquired_by_day", "gaps_by_history", "last_gaps_by_length", "refund_totals"]


def last_gaps_by_length(orders: Transactions, until: str | dt.date) -> pd.DataFrame:
    """Each customer's last two gaps between purchase days, by how many days they make together.

    Returns
    -------
    pandas.DataFrame
        Columns ``days`` (both gaps together), ``customers``, and over these customers the sums
        ``squares`` of ``(last gap / days - 1/2) ** 2`` and ``fourths`` of its square.
    """
    import ibis

    gaps = purchase_gaps(orders.purchase_days(until))
    newest_first = ibis.window(group_by="customer_id", order_by=gaps.date.desc())
    gaps = gaps.mutate(place=ibis.row_number().over(newest_first))
    both = gaps.filter(gaps.place <= 1).group_by("customer_id")
    pairs = both.agg(
        gaps=lambda t: t.count(),
        days=lambda t: t.gap.sum(),
        last=lambda t: t.gap.sum(where=t.place == 0),
    )
    pairs = pairs.filter(pairs.gaps == 2)
    square = (pairs["last"] / pairs.days - 0.5) ** 2
    pairs = pairs.mutate(square=square, fourth=square**2)
    by_length = pairs.group_by("days").agg(
        customers=lambda t: t.count(),
        squares=lambda t: t.square.sum(),
        fourths=lambda t: t.fourth.sum(),
    )
    return fetch_frame(by_length, ["days"]).reset_index().astype(float)


def gaps_by_history(orders: Transactions, until: str | dt.date) -> pd.DataFrame:
    """How unequal the gaps between purchase days are, by number and days from first to last.

    Returns
    -------
    pandas.DataFrame
        Columns ``frequency`` (number of gaps, 2 or more), ``days`` (all together), ``customers``,
        and over these customers the sums ``squares`` of ``sum((gap / days) ** 2)`` and ``fourths``
        of its square.
    """
    customers = purchase_gaps(orders.purchase_days(until)).group_by("customer_id")
    each = customers.agg(
        frequency=lambda t: t.count(), days=lambda t: t.gap.sum(), sum2=lambda t: (t.gap**2).sum()
    )
    each = each.filter(each.frequency >= 2)
    each = each.mutate(square=each.sum2 / (each.days * each.days))
    by_history = each.group_by("frequency", "days").agg(
        customers=lambda t: t.count(),
        squares=lambda t: t.square.sum(),
        fourths=lambda t: (t.square * t.square).sum(),
    )
    return fetch_frame(by_history, ["frequency", "days"]).reset_index().astype(float)


def acquired_by_day(orders: Transactions, until: str | dt.date, within: int) -> pd.DataFrame:
    """Customers by the day of their first purchase, what they paid then, and who came back soon.

    Parameters
    ----------
    orders : Transactions
    until : str or datetime.date
        The end of observation.
    within : int
        Days within which a customer counts as having come back.

    Returns
    -------
    pandas.DataFrame
        Indexed by the day: ``customers``, ``returned``, and the sums ``value`` and ``value2`` of
        the first day's amount and of its square.
    """
    days = orders.purchase_days(until)
    days = days.mutate(first=days.date.min().over(group_by="customer_id"))
    days = days.mutate(age=days.date.delta(days["first"], unit="day"))
    customers = days.group_by("customer_id", "first").agg(
        back=lambda t: t.count(where=(t.age > 0) & (t.age <= within)),
        paid=lambda t: t.amount.sum(where=t.age == 0),
    )
    by_day = customers.group_by("first").agg(
        customers=lambda t: t.count(),
        returned=lambda t: t.count(where=t.back > 0),
        value=lambda t: t.paid.sum(),
        value2=lambda t: (t.paid * t.paid).sum(),
    )
    return fetch_frame(by_day, ["first"]).astype(float)


def refund_totals(orders: Transactions, until: str | dt.date) -> dict[str, float]:
    """What was bought and what was refunded: amounts, numbers of orders, and customers.

    Returns
    -------
    dict
        ``orders``, ``bought``, ``refunds``, ``refunded`` (an amount, positive), ``customers`` and
        ``refunding`` (those of them with a refund).
    """
    import ibis

    table = orders.table.filter(orders.table.date <= ibis.literal(as_day(until, "until")))
    if orders.has_order:
        keys = ["customer_id", "date", "order"]
        table = table.group_by(*keys).agg(amount=lambda t: t.amount.sum())
    back = table.amount < 0
    row = fetch_row(
        table.agg(
            orders=table.count(where=~back),
            bought=table.amount.sum(where=~back),
            refunds=table.count(where=back),
            refunded=-table.amount.sum(where=back),
            customers=table.customer_id.nunique(),
            refunding=table.customer_id.nunique(where=back),
        )
    )
    return {name: float(value or 0.0) for name, value in row.items()}
