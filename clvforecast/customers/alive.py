"""P(alive) of a customer day by day: over his history, and beyond it if he stays silent."""

from __future__ import annotations

import datetime as dt
from numbers import Integral
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from clvforecast.customers.selection import Customers, customer_list, unknown_customer
from clvforecast.errors import DataError
from clvforecast.fitting import Fit, common_time_unit, purchase_model
from clvforecast.models import PurchaseModel
from clvforecast.numerics.arrays import FloatArray
from clvforecast.transactions.engine import calling_engine, fetch_frame
from clvforecast.transactions.table import as_day
from clvforecast.units import days_per

if TYPE_CHECKING:
    import ibis
    from numpy.typing import NDArray

    from clvforecast.transactions import Transactions

__all__ = ["alive_history"]

_IDS_LOOKED_THROUGH: Final = 10_000


def alive_history(
    purchases: Fit | PurchaseModel,
    orders: Transactions,
    customers: Customers,
    *,
    until: str | dt.date | None = None,
    time_unit: str | None = None,
) -> pd.DataFrame:
    """Follow P(alive) of chosen customers from day to day.

    Parameters
    ----------
    purchases : Fit or PurchaseModel
        Who buys, how often, and who is gone.
    orders : Transactions
        What `read_orders` returns.
    customers : id or list of ids
        Whom to follow, each once. Only their purchase days are fetched.
    until : str or datetime.date, optional
        The last day of the table. Default: the end of observation. On later days the customer is
        taken to have stayed silent until then.
    time_unit : {"D", "W", "M", "Y"}, optional
        The unit of a model with known parameters; a fit knows its own.

    Returns
    -------
    DataFrame
        One row per day (`date`) from the first purchase of any of them, one column per customer in
        the order asked: the probability, given what was known up to and including that day, that
        he was still active at its end. NaN before his first purchase. ``attrs`` hold
        `observed_until` (the end of observation, or of the table if that comes first; ISO text),
        `purchase_days` (per customer, those within it), `model` and `time_unit`.

    Raises
    ------
    DataError
        If a customer has no purchase by then, the time unit is unknown or another than the fit's,
        or `until` is no day.

    Notes
    -----
    Each value is ``model.p_alive`` of ``orders.summarize(until=day)``. After the end of
    observation ``1 - P(alive)`` is the probability that a customer who stays silent has gone by
    that day. `silence_limits` gives the day on which it passes a threshold.

    Examples
    --------
    >>> import clvforecast as clv
    >>> orders = clv.read_orders(clv.datasets.load_cdnow(sample=True), until="1997-09-30")
    >>> model = clv.BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
    >>> history = clv.alive_history(model, orders, "00004", until="1998-06-30", time_unit="W")
    >>> history.loc[["1997-01-17", "1997-01-18", "1997-09-30", "1998-06-30"]].round(3)
    customer_id  00004
    date
    1997-01-17   1.000
    1997-01-18   0.754
    1997-09-30   0.727
    1998-06-30   0.386
    """
    if not hasattr(orders, "purchase_days"):
        raise DataError(
            f"alive_history needs the Transactions that clv.read_orders returns, not a "
            f"{type(orders).__name__}."
        )
    unit = common_time_unit(purchases, pd.DataFrame(), time_unit)
    if unit is None:
        raise DataError(
            "The time unit of the model is unknown. Pass time_unit='D', 'W', 'M' or 'Y'."
        )
    model, asked = purchase_model(purchases), customer_list(customers)
    end = orders.until if until is None else as_day(until, "until")
    observed_until = min(end, orders.until)
    bought = _purchase_days(orders.purchase_days(observed_until), asked, observed_until)

    first = min(days[0] for days in bought.values())
    calendar = np.arange(first, np.datetime64(end, "D") + 1)
    length = days_per(unit)
    since_anchor = (calendar - np.datetime64(_anchor(purchases, end), "D")).astype(float) / length
    of_days = model.later(since_anchor)
    table = pd.DataFrame(
        {
            customer: _p_alive_on(calendar, days, of_days, length)
            for customer, days in bought.items()
        },
        index=pd.DatetimeIndex(calendar.astype("datetime64[us]"), name="date"),
    )
    table.columns.name = "customer_id"
    table.attrs = {
        "observed_until": observed_until.isoformat(),
        "purchase_days": {customer: days.astype(str).tolist() for customer, days in bought.items()},
        "model": model.name,
        "time_unit": unit,
    }
    return table


def _p_alive_on(
    calendar: NDArray[np.datetime64],
    bought: NDArray[np.datetime64],
    model: PurchaseModel,
    length: float,
) -> FloatArray:
    """P(alive) on each day of the calendar; NaN before the first purchase."""
    p_alive = np.full(calendar.shape, np.nan)
    known = calendar >= bought[0]
    x = np.searchsorted(bought, calendar[known], side="right") - 1
    since_first = (calendar[known] - bought[0]).astype(float)
    last_bought = (bought - bought[0]).astype(float)[x]
    some = model.of_customers(np.flatnonzero(known), calendar.size)
    p_alive[known] = some.p_alive(x, last_bought / length, since_first / length)
    return p_alive


def _anchor(purchases: Fit | PurchaseModel, end: dt.date) -> dt.date:
    """The day that a fitted calendar counts from."""
    until = purchases.until if isinstance(purchases, Fit) else None
    return end if until is None else as_day(until, "until")


def _purchase_days(
    bought: ibis.Table, asked: list[Any], until: dt.date
) -> dict[Any, NDArray[np.datetime64]]:
    """Each customer's purchase days, ascending, by one query."""
    ids = bought.customer_id
    # An engine may take '7' for 7, or refuse to compare them: here they are two customers.
    kind = str if ids.type().is_string() else Integral if ids.type().is_integer() else object
    comparable = [one for one in asked if isinstance(one, kind)]
    with calling_engine("The customers asked for could not be looked up"):
        theirs = bought.filter(ids.isin(comparable)).select("customer_id", "date")
    found = fetch_frame(theirs, ["customer_id", "date"]).index.to_frame(index=False)
    days = dict(iter(found.groupby("customer_id")["date"]))
    for customer in asked:
        if customer not in days:
            some = bought.select("customer_id").distinct().order_by("customer_id")
            known = fetch_frame(some.limit(_IDS_LOOKED_THROUGH), ["customer_id"]).index
            raise unknown_customer(customer, known, where=f" with a purchase by {until}")
    return {customer: days[customer].to_numpy().astype("datetime64[D]") for customer in asked}
