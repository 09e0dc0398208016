"""A forecast that its engine works out: histories are valued here, customers there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clvforecast.fitting import check_lazily, model_columns
from clvforecast.forecasting.terms import Terms, require_finite_mean
from clvforecast.numerics.arrays import FloatArray, IntArray
from clvforecast.transactions.engine import calling_engine
from clvforecast.transactions.lazy import Histories, LazySummary, LazyTable
from clvforecast.transfers import upload

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["LazyForecast", "forecast_lazily"]


@dataclass(frozen=True, eq=False, repr=False)
class LazyForecast(LazyTable):
    """A forecast that stays in the engine of its summary, to be written from there.

    Made by `clvforecast.forecast` of a `LazySummary`. Every distinct history was valued here; what
    is left is a join and arithmetic, which the engine does when the forecast is written or asked
    for.

    Attributes
    ----------
    table : ibis.Table
        ``customer_id`` and the columns of `clvforecast.forecast`, in no particular order.
    attrs : dict
        ``time_unit``, ``horizon``, ``annual_discount_rate``, ``margin`` and ``until``.
    customers : int
        Number of customers; also ``len()``.

    Examples
    --------
    >>> import clvforecast as clv
    >>> orders = clv.read_orders(clv.datasets.load_cdnow(sample=True))
    >>> rfm = orders.summarize(time_unit="W", until="1997-09-30", lazy=True)
    >>> buys, spend = clv.BGNBD.fit(rfm), clv.GammaGamma.fit(rfm)
    >>> value = clv.forecast(buys, spend, rfm, horizon="52W")
    >>> len(value), value.attrs["horizon"]
    (2357, 52.0)
    >>> print(value.table.columns)
    ('customer_id', 'p_alive', 'expected_purchases', 'expected_spend', 'clv')
    """


def forecast_lazily(terms: Terms, rfm: LazySummary) -> LazyForecast:
    """Forecast the customers of a lazy summary; see `clvforecast.forecast`."""
    check_lazily(type(terms.members[0].model), rfm)
    check_lazily(type(terms.spending), rfm)
    valued = _valued(terms, rfm)
    with calling_engine("The values of the histories could not be handed to the engine"):
        cells = upload(valued, rfm.days)
    table = rfm.numbered.join(cells, list(rfm.histories.keys))
    m = table.monetary_value
    order_value = table.spend_base + table.spend_slope * m
    columns = {
        "customer_id": table.customer_id,
        "p_alive": table.p_alive,
        "expected_purchases": table.expected_purchases,
        "expected_spend": order_value,
        "clv": order_value * table.kept_purchases,
    }
    if terms.tails is not None:
        scale = table.scale_base + table.scale_slope * m
        columns |= {
            "purchases_lower": table.purchases_lower,
            "purchases_upper": table.purchases_upper,
            "clv_lower": scale * table.kept_lower,
            "clv_upper": scale * table.kept_upper,
        }
    return LazyForecast(table.select(**columns), terms.attrs(rfm.until), rfm.customers)


def _valued(terms: Terms, rfm: LazySummary) -> pa.Table:
    """What the engine needs of every history: money as a line in the mean spend m."""
    import pyarrow as pa

    found = rfm.histories
    p_alive, expected, discounted = terms.prospects(found.x, found.t_x, found.T)
    spend_base, spend_slope = _spend_line(terms, rfm)
    columns: dict[str, FloatArray | IntArray] = {
        **found.keys,
        "p_alive": p_alive,
        "expected_purchases": expected,
        "kept_purchases": terms.margin * discounted,
        "spend_base": spend_base,
        "spend_slope": spend_slope,
    }
    if terms.tails is not None:
        spending, highest = terms.spending, _highest_spend(found)
        counts, amounts = terms.quantiles(
            found.x, found.t_x, found.T, highest, p_alive, terms.tails
        )
        at_highest = spending.spend_scale(found.x, highest)
        base = spending.spend_scale(found.x, np.zeros_like(found.x))
        columns["scale_base"], columns["scale_slope"] = base, (at_highest - base) / highest
        columns["kept_lower"], columns["kept_upper"] = terms.margin * amounts / at_highest
        columns["purchases_lower"], columns["purchases_upper"] = counts.astype(np.int64)
    return pa.table(columns)


def _spend_line(terms: Terms, rfm: LazySummary) -> tuple[FloatArray, FloatArray]:
    """Intercept and slope in m of the expected value of an order, of every history."""
    found, model = rfm.histories, terms.spending
    highest = _highest_spend(found)
    base = model.expected_spend(found.x, np.zeros_like(found.x))
    at_highest = model.expected_spend(found.x, highest)
    if not np.all(np.isfinite(at_highest)):
        frame = rfm.to_pandas()  # only the customers can say who they are
        model = model.as_numbers()  # whether there is a mean does not depend on the scale
        require_finite_mean(model.expected_spend(*model_columns(type(model), frame)), model, frame)
    return base, (at_highest - base) / highest


def _highest_spend(found: Histories) -> FloatArray:
    """The far end of each history's line: from there to zero, rounding stays rounding."""
    return np.where(found.most > 0, found.most, 1.0)
