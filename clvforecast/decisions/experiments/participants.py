"""Who is in which group, what he bought, and what was known of him before."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from clvforecast.decisions.sides import both_sides
from clvforecast.errors import DataError, suggest
from clvforecast.numerics.arrays import IntArray
from clvforecast.transactions.table import as_day
from clvforecast.units import check_margin

if TYPE_CHECKING:
    from clvforecast.transactions import Transactions

__all__ = ["Participants", "read_participants"]

_MOST_GROUPS: Final = 50


@dataclass(frozen=True, eq=False)
class Participants:
    """Customers with a group, aligned by position.

    Attributes
    ----------
    labels : list
        The groups.
    reference : int
        The place of the one that others are compared with.
    group : ndarray of int, shape (n,)
        The place of each customer's.
    first_order : pandas.Series of datetime64, shape (n,)
        By customer_id.
    outcomes : DataFrame, shape (n, m)
        What is compared.
    covariates : DataFrame, shape (n, k)
        What was known before: when each joined, and what he did before `since`.
    since : datetime.date or None
    until : datetime.date
    margin : float
    notes : tuple of str
        Who is left out.
    """

    labels: list[Any]
    reference: int
    group: IntArray
    first_order: pd.Series[Any]
    outcomes: pd.DataFrame
    covariates: pd.DataFrame
    since: dt.date | None
    until: dt.date
    margin: float
    notes: tuple[str, ...]


def read_participants(
    orders: Transactions,
    groups: str | pd.Series[Any],
    *,
    value: pd.DataFrame | None,
    since: str | dt.date | None,
    until: str | dt.date | None,
    reference: Any,
    margin: float | None,
) -> Participants:
    """Take from the orders what `compare_groups` compares, and check it all.

    Raises
    ------
    DataError
        As `compare_groups`.
    """
    if not hasattr(orders, "activity"):
        raise DataError(
            f"orders must be what clv.read_orders returns, not a {type(orders).__name__}."
        )
    end, kept = _terms(orders, value, until, margin)
    start = None if since is None else as_day(since, "since")
    if start is not None and start > end:
        raise DataError(f"since={start} is after the end of observation {end}. Give a day before.")
    activity = orders.activity(until=end)
    customers = _outcomes(activity, value, kept)
    notes = []
    label = _labels(orders, groups, end)
    strangers = int((~label.index.isin(customers.index) & label.notna().to_numpy()).sum())
    if strangers:
        notes.append(
            f"{strangers:,} with a group have no order by {end} and are left out. If a group also "
            "decides who buys at all, what is left compares unlike customers."
        )
    ids = label.index.dtype
    label = label.reindex(customers.index)
    if label.isna().all():
        raise DataError(
            f"groups has no label for any of the {len(customers):,} customers. Index it by "
            f"customer_id; ids are {customers.index.dtype} in the orders, such as "
            f"{customers.index[0]!r}, and {ids} in the labels."
        )
    unlabelled = int(label.isna().sum())
    if unlabelled:
        notes.append(f"{unlabelled:,} customers are in no group and are left out.")
    keep = label.notna().to_numpy()
    if start is not None:
        before = _before(orders, start)
        late = keep & ~customers.index.isin(before.index)
        if late.any():
            notes.append(
                f"{late.sum():,} customers joined on or after {start} and are left out: nothing is "
                "known of them before. Compare them among themselves, without since=."
            )
        keep = keep & ~late
        customers = _only_since(customers, before, kept)
    customers = customers[keep]
    if customers.empty:
        raise DataError(f"Nobody with a group joined before since={start}. Give a later day.")
    codes, levels = _coded(label[keep])
    return Participants(
        labels=levels,
        reference=_reference(reference, levels, codes),
        group=codes,
        first_order=customers["first_order"],
        outcomes=_finite(customers, value, notes),
        covariates=_covariates(customers, start, end),
        since=start,
        until=end,
        margin=kept,
        notes=tuple(notes),
    )


def _terms(
    orders: Transactions,
    value: pd.DataFrame | None,
    until: str | dt.date | None,
    margin: float | None,
) -> tuple[dt.date, float]:
    """End of observation and margin: as given, as of the forecast, or else of the orders."""
    stated = {} if value is None else getattr(value, "attrs", {})
    end = orders.until if until is None else as_day(until, "until")
    if stated.get("until") is not None:
        of_value = pd.Timestamp(str(stated["until"])).date()
        if until is not None and of_value != end:
            raise DataError(
                f"until={end}, and the forecast is made at {of_value}. Leave until= out, or "
                "forecast from the summary at that day."
            )
        end = of_value
    known = stated.get("margin")
    if margin is None:
        return end, check_margin(1.0 if known is None else known)
    if known is not None and not np.isclose(margin, known, rtol=1e-9, atol=0.0):
        raise DataError(
            f"margin={margin:g}, and the forecast has margin={known:g}. Leave margin= out, or "
            "forecast with the same."
        )
    return end, check_margin(margin)


def _outcomes(activity: pd.DataFrame, value: pd.DataFrame | None, margin: float) -> pd.DataFrame:
    """Past and future of every customer who has bought."""
    bought = activity[activity["orders"] > 0]
    if value is not None:
        future = both_sides(value, bought).customers[["clv", "expected_purchases"]]
        bought = bought.reindex(value.index).join(future)
    return bought.assign(past_value=margin * bought["revenue"].astype(float))


def _before(orders: Transactions, since: dt.date) -> pd.DataFrame:
    """The activity up to the day before; nobody's, if there was none."""
    if since <= orders.quality.first_day:
        raise DataError(
            f"since={since} is not after the first order, on {orders.quality.first_day}: nobody "
            "was a customer before. Leave since= out to compare all that customers have bought."
        )
    before = orders.activity(until=since - dt.timedelta(days=1))
    return before[before["orders"] > 0]


def _only_since(customers: pd.DataFrame, before: pd.DataFrame, margin: float) -> pd.DataFrame:
    """Past value and orders after the start only, and what they were before beside them."""
    early = before.reindex(customers.index)
    return customers.assign(
        past_value=customers["past_value"] - margin * early["revenue"],
        orders=customers["orders"] - early["orders"],
        value_before=margin * early["revenue"].astype(float),
        orders_before=early["orders"].astype(float),
        last_order_before=early["last_order"],
    )


def _covariates(customers: pd.DataFrame, since: dt.date | None, until: dt.date) -> pd.DataFrame:
    day = pd.Timestamp(until if since is None else since)
    known = {"days_since_first_order": (day - customers["first_order"]).dt.days.astype(float)}
    if since is not None:
        known["days_since_last_order"] = (day - customers["last_order_before"]).dt.days.astype(
            float
        )
        known["value_before"] = customers["value_before"]
        known["orders_before"] = customers["orders_before"]
    return pd.DataFrame(known, index=customers.index)


def _finite(customers: pd.DataFrame, value: pd.DataFrame | None, notes: list[str]) -> pd.DataFrame:
    """The columns that are compared."""
    measures = ["past_value", "orders"]
    if value is not None:
        measures += ["clv", "expected_purchases"]
        if not np.isfinite(customers["expected_purchases"]).all():
            measures.remove("expected_purchases")
            notes.append("expected_purchases are infinite for some customers and not compared.")
    return customers[measures].astype(float)


def _labels(orders: Transactions, groups: str | pd.Series[Any], until: dt.date) -> pd.Series[Any]:
    if isinstance(groups, str):
        if groups not in orders.segments:
            raise DataError(
                f"groups={groups!r} is not a segment column of the orders. "
                f"{suggest(groups, orders.segments)} Name it in read_orders(..., segments=), or "
                "pass a Series of labels by customer_id."
            )
        return orders.customer_segments(until)[groups]
    if not isinstance(groups, pd.Series):
        raise DataError(
            "groups must be a Series of labels by customer_id, or the name of a segment column of "
            f"the orders, not a {type(groups).__name__}."
        )
    if groups.index.has_duplicates:
        twice = groups.index[groups.index.duplicated()][0]
        raise DataError(
            f"groups has more than one label for a customer (first: {twice!r}). A customer is in "
            "one group: give one row each."
        )
    return groups


def _coded(label: pd.Series[Any]) -> tuple[IntArray, list[Any]]:
    """The groups that somebody is in, in their own order or sorted, and each customer's."""
    labelled = pd.Categorical(label).remove_unused_categories()
    levels = labelled.categories.tolist()
    if not 2 <= len(levels) <= _MOST_GROUPS:
        raise DataError(
            f"groups has {len(levels):,} different labels among {len(label):,} customers (first: "
            f"{levels[0]!r}), and from 2 to {_MOST_GROUPS} can be compared. Pass one label per "
            "group, such as 'member' and 'other'."
        )
    return labelled.codes.astype(np.int64), levels


def _reference(given: Any, levels: list[Any], codes: IntArray) -> int:
    """The group asked for; else False of a yes and a no, else the largest."""
    if given is None:
        if levels == [False, True]:
            return 0
        return int(np.bincount(codes).argmax())
    for place, level in enumerate(levels):
        if level == given or str(level) == str(given):
            return place
    raise DataError(f"reference={given!r} is not a group. {suggest(str(given), map(str, levels))}")
