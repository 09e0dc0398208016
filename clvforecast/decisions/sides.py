"""Each customer's past beside the forecast, checked to be of the same customers and day."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from clvforecast.errors import DataError, suggest
from clvforecast.historical import HistoricalCLV

if TYPE_CHECKING:
    from clvforecast.transactions import Transactions

__all__ = ["Sides", "both_sides", "check_same_customers"]

_ENDLESS: Final = "expected_purchases"
"""May be infinite over a whole lifetime, while their present value is not."""
_WANTED: Final = {
    "p_alive": "a probability",
    "expected_purchases": "a number, 0 or more",
    "clv": "a finite number, 0 or more",
}
_ACTIVITY: Final = ("revenue", "orders", "first_order", "last_order")


@dataclass(frozen=True, eq=False)
class Sides:
    """Both sides of every customer.

    Attributes
    ----------
    customers : DataFrame
        In the order of the forecast: `p_alive`, `expected_purchases`, `clv`; and of the past
        `past_value` (revenue x margin), `orders`, `first_order`, `last_order`, if it is given.
    until : datetime.date or None
        End of observation.
    has_past : bool
    """

    customers: pd.DataFrame
    until: dt.date | None
    has_past: bool


def both_sides(
    value: pd.DataFrame, past: Transactions | HistoricalCLV | pd.DataFrame | None
) -> Sides:
    """Set the past beside the forecast.

    Parameters
    ----------
    value : DataFrame
        What `forecast` returns.
    past : Transactions, HistoricalCLV or DataFrame, optional
        The orders, of which nothing after the forecast's end of observation is used; or the result
        of `historical_clv`, or of ``orders.activity()``, at that day.

    Returns
    -------
    Sides

    Raises
    ------
    DataError
        If the forecast lacks a column or holds what is no forecast, or the sides are not about the
        same customers, end of observation or margin.
    """
    _check_forecast(value)
    stated = value.attrs.get("until")
    until = None if stated is None else pd.Timestamp(str(stated)).date()
    future = value[[*_WANTED]].astype(float)
    future.attrs = {}
    if past is None:
        return Sides(future, until, has_past=False)
    margin = value.attrs.get("margin")
    activity, end, kept = _activity(past, until, margin)
    if until is not None and end is not None and end != until:
        raise DataError(
            f"The forecast is made at {until} and the past values reach to {end}. Give the orders "
            f"themselves, or take both at one day: until='{until}'."
        )
    check_same_customers(value.index, activity.index)
    activity = activity.reindex(value.index)
    bad = ~np.isfinite(activity["revenue"].to_numpy(dtype=float))
    if bad.any():
        raise DataError(
            f"{bad.sum():,} of {len(bad):,} customers have a past revenue that is not a finite "
            f"number (first: {value.index[bad][0]!r}). Take it from orders.activity()."
        )
    customers = future.assign(
        past_value=activity["revenue"].astype(float) * kept,
        orders=activity["orders"],
        first_order=activity["first_order"],
        last_order=activity["last_order"],
    )
    return Sides(customers, until or end, has_past=True)


def check_same_customers(forecast: pd.Index[Any], other: pd.Index[Any], what: str = "past") -> None:
    """Raise `DataError` where one side has customers whom the other does not have."""
    for here, there, fact, remedy in (
        (
            forecast,
            other,
            f"customers of the forecast are not in `{what}`",
            "Index both by customer_id, and make both of the same orders.",
        ),
        (
            other,
            forecast,
            f"customers of `{what}` have no forecast",
            "Forecast them too; if they came after the forecast's end of observation, leave them "
            "out with until=.",
        ),
    ):
        missing = here[~here.isin(there)]
        if not len(missing):
            continue
        if len(missing) == len(here) and forecast.dtype != other.dtype:
            remedy = (
                f"The ids are {forecast.dtype} in the forecast and {other.dtype} in `{what}`: "
                "read both as the same type."
            )
        raise DataError(
            f"{len(missing):,} of {len(here):,} {fact} (first: {missing[0]!r}). {remedy}"
        )


def _check_forecast(value: pd.DataFrame) -> None:
    if not isinstance(value, pd.DataFrame):
        raise DataError(
            f"The table that clv.forecast returns is needed, not a {type(value).__name__}. "
            "Bring one that is in an engine here with to_pandas()."
        )
    if value.empty:
        raise DataError("The forecast has no customers. Check the summary it was made from.")
    if value.index.has_duplicates:
        twice = value.index[value.index.duplicated()]
        raise DataError(
            f"The forecast has {len(twice):,} customers more than once (first: {twice[0]!r}). Its "
            "index must be one row per customer_id."
        )
    for column in _WANTED:
        if column not in value.columns:
            raise DataError(
                f"The forecast has no column {column!r}. {suggest(column, map(str, value.columns))}"
            )
        try:
            numbers = value[column].to_numpy(dtype=float, na_value=np.nan)
        except (TypeError, ValueError):
            raise DataError(f"The forecast's column {column!r} does not hold numbers.") from None
        highest = 1.0 if column == "p_alive" else math.inf
        good = (numbers >= 0) & (numbers <= highest)
        if column != _ENDLESS:
            good &= np.isfinite(numbers)
        bad = ~good
        if bad.any():
            wanted = _WANTED[column]
            raise DataError(
                f"{bad.sum():,} of {len(value):,} customers have {column} that is not {wanted} "
                f"(first: {value.index[bad][0]!r}). Forecast them again, or leave them out."
            )


def _activity(
    past: Transactions | HistoricalCLV | pd.DataFrame, until: dt.date | None, margin: float | None
) -> tuple[pd.DataFrame, dt.date | None, float]:
    """Revenue, orders and their days per customer; their last day; and the margin on them."""
    if isinstance(past, HistoricalCLV):
        if margin is not None and not math.isclose(margin, past.margin, rel_tol=1e-9):
            raise DataError(
                f"The forecast has margin={margin:g} and the past values margin={past.margin:g}. "
                f"Use one on both sides: historical_clv(orders, margin={margin:g})."
            )
        return past.customers, past.until, past.margin
    if isinstance(past, pd.DataFrame):
        table = past
    elif hasattr(past, "activity"):
        table = past.activity(until=until)
    else:
        raise DataError(
            "past must be the orders that clv.read_orders returns, or what historical_clv or "
            f"orders.activity() make of them, not a {type(past).__name__}."
        )
    for column in _ACTIVITY:
        if column not in table.columns:
            raise DataError(
                f"`past` has no column {column!r}. {suggest(column, map(str, table.columns))} Give "
                "the orders, or their activity()."
            )
    if table.index.nlevels > 1 or table.index.has_duplicates:
        raise DataError(
            "`past` has customers more than once. Give activity() without by=, one row per "
            "customer_id."
        )
    end = table.attrs.get("until")
    bought = table[table["orders"] > 0]  # a refund alone makes nobody a customer
    day = None if end is None else pd.Timestamp(str(end)).date()
    return bought, day, 1.0 if margin is None else float(margin)
