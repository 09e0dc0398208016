"""Purchase days and customers: the group-bys behind every summary, as Ibis expressions.

The rule for refunds, used everywhere
-------------------------------------
An order with a negative amount is a refund; it is never a purchase. Orders of one customer on one
day are one day: its net is the sum of its orders.

- A day is a **purchase day** if it has an order that is no refund, and either no refund or a
  positive net. Its amount is its net.
- Any other day is a day of refunds, worth what its net is below zero. A purchase and its full
  refund on the same day thus leave nothing.
- **Later refunds**, on days after the customer's first purchase day and up to the end of
  observation, lower the customer's spend in proportion: by the factor
  ``max(0, 1 - later refunds / gross)``, gross being the sum over all purchase days. Which purchase
  a refund belongs to is not in the log; in proportion, no purchase is dropped, no mean is
  negative, and the total is right.
- Refunds before the first purchase day concern orders before the log: ignored, and counted.
- Customers without a purchase day are not customers; they are counted.

A net within rounding of zero (1e-9 of what was bought that day) is zero: 10.1 + 20.2 - 30.3 is not
a purchase of 4e-15.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from clvforecast.errors import DataError

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    import ibis

__all__ = [
    "activity",
    "by_customer",
    "by_day",
    "daily_totals",
    "first_segments",
    "holdout",
    "in_units",
    "rfm_days",
    "with_segments",
]

_ROUNDING: Final = 1e-9
_LARGE: Final = 1.5 * 2**43


def by_day(
    orders: ibis.Table,
    keys: Sequence[str],
    *,
    has_order: bool,
    until: dt.date | None = None,
    has_refunds: bool = True,
) -> ibis.Table:
    """Group orders into days.

    Without refunds every day is a purchase day, and knowing it spares the engine half the work.

    Returns
    -------
    ibis.Table
        One row per key and day: the keys, `date`, `amount` (net), `orders` (those that are no
        refunds), `refunds` (those that are) and `is_purchase`.
    """
    import ibis

    _ = ibis._
    if until is not None:
        orders = orders.filter(orders.date <= ibis.literal(until))
    if has_order:  # an order log by line: an order is the sum of its lines
        orders = orders.group_by(*keys, "date", "order").agg(amount=_.amount.sum())
    if not has_refunds:
        days = orders.group_by(*keys, "date").agg(amount=_.amount.sum(), orders=_.count())
        return days.mutate(refunds=ibis.literal(0, "int64"), is_purchase=ibis.literal(True))
    days = orders.group_by(*keys, "date").agg(
        amount=_.amount.sum(),
        orders=_.count(where=_.amount >= 0),
        refunds=_.count(where=_.amount < 0),
        _bought=_.amount.sum(where=_.amount >= 0),
    )
    left = (days.refunds == 0) | (days.amount > _ROUNDING * days._bought)
    return days.mutate(is_purchase=(days.orders > 0) & left).drop("_bought")


def by_customer(
    days: ibis.Table, keys: Sequence[str], *, account: bool = False, has_refunds: bool = True
) -> ibis.Table:
    """Group days into customers, those without a purchase included.

    Returns
    -------
    ibis.Table
        The keys; `first_order` and `last_order` of a purchase (NULL without one); `purchase_days`;
        `orders` (on purchase days); `gross` (their net amounts); `repeat_amount` (without the first
        day's); `refunded` (later refunds, positive).

        With `account` also what `Quality` counts: `first_day` and `last_day` of any order;
        `shared_days` (of several orders); `cancelled_days`; `early_refunds` (days of refunds before
        the first purchase).
    """
    import ibis

    if not has_refunds and _finds_first(days.get_backend()):
        return _by_buyer(days, keys, account=account)
    # The first day of the customer beside each of its days: with it the spend of the repeat days
    # is a sum, not a difference that cancels, and one pass tells early refunds from later ones.
    bought_on = ibis.ifelse(days.is_purchase, days.date, ibis.null("date"))
    days = days.mutate(_first=bought_on.min().over(group_by=list(keys)))
    bought = days.is_purchase
    later = days._first.notnull() & (days.date > days._first)
    columns = {
        "first_order": days._first.min(),
        "last_order": days.date.max(where=bought),
        "purchase_days": days.count(where=bought),
        "orders": _total(days.orders, bought).cast("int64"),
        "gross": _total(days.amount, bought),
        "repeat_amount": _total(days.amount, bought & later),
        "refunded": _total(-days.amount, ~bought & later & (days.amount < 0)),
    }
    if account:
        columns |= {
            "first_day": days.date.min(),
            "last_day": days.date.max(),
            "shared_days": days.count(where=days.orders + days.refunds > 1),
            "cancelled_days": days.count(where=~bought & (days.orders > 0)),
            "early_refunds": days.count(where=~bought & days._first.notnull() & ~later),
        }
    return days.group_by(*keys).agg(**columns)


def _finds_first(backend: Any) -> bool:
    """Whether an engine finds the amount of the first day, beside the first day and the last."""
    import ibis

    # SQLite takes it from the row of the minimum, and of several extremes from any of their rows.
    able = bool(backend.has_operation(ibis.expr.operations.ArgMin))
    return able and backend.name != "sqlite"


def _by_buyer(days: ibis.Table, keys: Sequence[str], *, account: bool) -> ibis.Table:
    """Group days into customers where no order is a refund, without a window over their days.

    What is left without the first day is a difference here. Amounts are split for it: coarse parts
    add up, and cancel, without rounding; the rounding of the fine ones is far below any amount.
    """
    import ibis

    coarse = _coarse(days.amount)
    buyers = days.group_by(*keys).agg(
        first_order=days.date.min(),
        last_order=days.date.max(),
        purchase_days=days.count(),
        orders=days.orders.sum().cast("int64"),
        _coarse=coarse.sum(),
        _fine=(days.amount - coarse).sum(),
        _first=days.amount.argmin(days.date),
        shared_days=days.count(where=days.orders > 1),
    )
    first_coarse = _coarse(buyers._first)
    first_fine = buyers._first - first_coarse
    buyers = buyers.mutate(
        gross=buyers._coarse + buyers._fine,
        repeat_amount=(buyers._coarse - first_coarse) + (buyers._fine - first_fine),
        refunded=0.0,
    ).drop("_coarse", "_fine", "_first")
    if not account:
        return buyers.drop("shared_days")
    nothing = ibis.literal(0, "int64")
    return buyers.mutate(
        first_day=buyers.first_order,
        last_day=buyers.last_order,
        cancelled_days=nothing,
        early_refunds=nothing,
    )


def _coarse(amount: Any) -> Any:
    """Round an amount to a multiple of 2**-9, as adding a large number does."""
    return amount + _LARGE - _LARGE


def rfm_days(customers: ibis.Table, end: dt.date) -> ibis.Table:
    """Express the RFM summary of `by_customer` at the day `end`, times in whole days."""
    import ibis

    bought = _with_purchase(customers)
    first, repeats = bought.first_order, bought.purchase_days - 1
    # The difference of dates, not of timestamps: no zone and no clock change can shift it.
    return bought.select(
        customer_id=bought.customer_id,
        frequency=repeats.cast("int64"),
        recency_days=bought.last_order.delta(first, unit="day").cast("int64"),
        T_days=ibis.literal(end).delta(first, unit="day").cast("int64"),
        monetary_value=_remaining_share(bought.refunded, bought.gross)
        * bought.repeat_amount
        / ibis.ifelse(repeats > 0, repeats, 1),
    )


def with_segments(summary: ibis.Table, segments: ibis.Table) -> ibis.Table:
    """Express an RFM summary in days with the segments of each customer beside.

    Raises
    ------
    DataError
        If a segment has the name of a column of a summary. Engines do not all tell "t" from "T".
    """
    taken = {name.casefold() for name in (*summary.columns, "recency", "T")}
    for name in segments.drop("customer_id").columns:
        if name.casefold() in taken:
            raise DataError(
                f"The segment column {name!r} has a name that the summary needs for itself. "
                "Rename it before reading the orders."
            )
    return summary.join(segments, "customer_id")


def in_units(summary: ibis.Table, length: float, segments: Sequence[str] = ()) -> ibis.Table:
    """Express an RFM summary in days in units of `length` days."""
    return summary.select(
        "customer_id",
        "frequency",
        *segments,
        recency=summary.recency_days.cast("float64") / length,
        T=summary.T_days.cast("float64") / length,
        monetary_value=summary.monetary_value,
    ).relocate(*segments, after="monetary_value")


def holdout(days: ibis.Table, cutoff: dt.date) -> ibis.Table:
    """Express what each customer bought after `cutoff`; those who bought nothing have no row."""
    import ibis

    days = days.filter(days.date > ibis.literal(cutoff))
    refund = ~days.is_purchase & (days.amount < 0)
    bought = days.group_by("customer_id").agg(
        purchases=days.count(where=days.is_purchase),
        _gross=_total(days.amount, days.is_purchase),
        _refunded=_total(-days.amount, refund),
    )
    bought = bought.filter(bought.purchases > 0)
    bought = bought.mutate(spend=bought._gross * _remaining_share(bought._refunded, bought._gross))
    return bought.select(
        "customer_id", "purchases", "spend", mean_spend=bought.spend / bought.purchases
    )


def activity(customers: ibis.Table, keys: Sequence[str]) -> ibis.Table:
    """Express each customer's orders, purchase days, net revenue, first and last order."""
    bought = _with_purchase(customers)
    revenue = bought.gross * _remaining_share(bought.refunded, bought.gross)
    return bought.mutate(revenue=revenue).select(
        *keys, "orders", "purchase_days", "revenue", "first_order", "last_order"
    )


def first_segments(orders: ibis.Table, days: ibis.Table, segments: Sequence[str]) -> ibis.Table:
    """Express the segment in which each customer bought first: `customer_id` and the segments.

    Of several on that day, that of the largest amount counts.
    """
    import ibis

    bought = days.filter(days.is_purchase)
    first = bought.group_by("customer_id").agg(_first=bought.date.min())
    rows = orders.join(first, "customer_id")
    rows = rows.filter((rows.date == rows._first) & (rows.amount >= 0))
    largest = ibis.window(
        group_by="customer_id", order_by=[rows.amount.desc(), *(rows[name] for name in segments)]
    )
    rows = rows.mutate(_place=ibis.row_number().over(largest))
    return rows.filter(rows._place == 0).select("customer_id", *segments)


def daily_totals(
    days: ibis.Table, keys: Sequence[str], after: dt.date, acquired_by: dt.date | None
) -> ibis.Table:
    """Express the purchase days and the net spend after `after`, of each key and day.

    Only customers whose first purchase was on or before `acquired_by` count, if it is given. Later
    refunds lower each customer's spend in proportion, as in `holdout`: its totals are the same.
    Days up to `after` are there with nothing, so that no key is missing.
    """
    import ibis

    bought_on = ibis.ifelse(days.is_purchase, days.date, ibis.null("date"))
    days = days.mutate(_first=bought_on.min().over(group_by="customer_id"))
    days = days.filter(days._first.notnull())
    if acquired_by is not None:
        days = days.filter(days._first <= ibis.literal(acquired_by))
    counted = days.date > ibis.literal(after)
    refund = ~days.is_purchase & (days.date > days._first) & (days.amount < 0)
    days = days.mutate(
        _bought=ibis.ifelse(counted & days.is_purchase, days.amount, 0.0),
        _refund=ibis.ifelse(counted & refund, -days.amount, 0.0),
        _order=ibis.ifelse(counted & days.is_purchase, 1, 0),
    )
    days = days.mutate(
        _gross=days._bought.sum().over(group_by="customer_id"),
        _refunded=days._refund.sum().over(group_by="customer_id"),
    )
    days = days.mutate(_net=days._bought * _remaining_share(days._refunded, days._gross))
    return days.group_by(*keys, "date").agg(
        orders=days._order.sum().cast("int64"), revenue=days._net.sum()
    )


def _with_purchase(customers: ibis.Table) -> ibis.Table:
    return customers.filter(customers.first_order.notnull())


def _remaining_share(refunded: Any, gross: Any) -> Any:
    """Share of the gross spend that later refunds leave, 0 to 1."""
    import ibis

    kept = ibis.ifelse(gross > 0, 1 - refunded / ibis.ifelse(gross > 0, gross, 1.0), 1.0)
    return ibis.ifelse(kept > _ROUNDING, kept, 0.0)


def _total(values: Any, where: Any) -> Any:
    """Sum where a condition holds; 0 where it never does."""
    return values.sum(where=where).fill_null(0)
