"""Which customers were acquired together, and what is known of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import pandas as pd

from clvforecast.decisions.segmentation.labels import labels_by
from clvforecast.decisions.segmentation.rules import COHORTS, ValueRules
from clvforecast.decisions.sides import Sides
from clvforecast.errors import DataError, suggest
from clvforecast.numerics.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    import datetime as dt

    from clvforecast.transactions import Transactions

__all__ = ["EVERYONE", "Acquired", "By", "acquired"]

By: TypeAlias = "str | pd.Series[Any] | None"
EVERYONE: Final = "all"


@dataclass(frozen=True, eq=False)
class Acquired:
    """Customers in the order of their summary.

    Attributes
    ----------
    rfm : DataFrame
    first_order : ndarray, shape (n,)
        What each spent on the first purchase day, net of a share of later refunds.
    groups : Index
        Named as what they are made by.
    codes : ndarray of int, shape (n,)
        The group of each customer.
    """

    rfm: pd.DataFrame
    first_order: FloatArray
    groups: pd.Index[Any]
    codes: IntArray


def acquired(orders: Transactions, by: By, time_unit: str, until: str | dt.date | None) -> Acquired:
    """Group the customers of an order log.

    Parameters
    ----------
    orders : Transactions
    by : str or Series, optional
        A rule for cohorts, a segment column, or labels by customer_id.
    time_unit : {"D", "W", "M", "Y"}
    until : str or datetime.date, optional

    Raises
    ------
    DataError
        If `orders` are none, or `by` names nothing.
    """
    if not hasattr(orders, "summarize"):
        raise DataError(
            f"The orders that clv.read_orders returns are needed, not a {type(orders).__name__}."
        )
    labels = _checked(by, orders)
    rfm = orders.summarize(time_unit=time_unit, until=until)
    activity = orders.activity(until=until).reindex(rfm.index)
    spent, repeats, mean = (
        column.to_numpy(dtype=float)
        for column in (activity["revenue"], rfm["frequency"], rfm["monetary_value"])
    )
    # Of a total without its repeat orders rounding may leave less than nothing.
    first_order = np.maximum(spent - repeats * mean, 0.0)
    if labels is None:
        groups = pd.Index([EVERYONE], name="group")
        return Acquired(rfm, first_order, groups, np.zeros(len(rfm), dtype=np.int64))
    if isinstance(labels, str) and labels not in COHORTS:
        labels = orders.customer_segments(until=until)[labels]
    if isinstance(labels, pd.Series) and not rfm.index.isin(labels.index).any():
        raise DataError(
            f"by={labels.name!r} has no label for any of the {len(rfm):,} customers. Index it by "
            f"customer_id, such as {rfm.index[0]!r}; the labels are indexed by {labels.index[0]!r}."
            if len(labels)
            else f"by={labels.name!r} is empty. Give a label by customer_id."
        )
    found, _ = labels_by(labels, rfm, Sides(activity, None, has_past=True), ValueRules())
    (name,) = found.columns
    present, codes = np.unique(found[name].cat.codes.to_numpy(), return_inverse=True)
    names = found[name].cat.categories.to_numpy(dtype=object)[present]
    groups = pd.Index(names, dtype=object, name=name)
    return Acquired(rfm, first_order, groups, codes.reshape(-1).astype(np.int64))


def _checked(by: By, orders: Transactions) -> By:
    if by is None or isinstance(by, pd.Series):
        return by
    if not isinstance(by, str):
        raise DataError(f"by={by!r} must be a text or a Series of labels by customer_id.")
    if by not in (*COHORTS, *orders.segments):
        raise DataError(
            f"by={by!r} is no cohort and no segment column of the orders. "
            f"{suggest(by, [*COHORTS, *orders.segments])} Read the orders with segments=[{by!r}]."
        )
    return by
