"""What segments will be worth: the law of their totals, from the futures of the portfolio."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from clvforecast.decisions.sides import check_same_customers
from clvforecast.errors import DataError, FitError
from clvforecast.fitting import Fit, common_time_unit
from clvforecast.numerics.arrays import FloatArray, IntArray
from clvforecast.portfolios import portfolio
from clvforecast.units import check_margin, discount_rate_per_unit, duration_in_units

if TYPE_CHECKING:
    from clvforecast.fitting.draws import ParameterDraws
    from clvforecast.models import PurchaseModel, SpendModel

__all__ = ["SegmentLaw", "segment_law"]

_SEGMENT: Final = "segment"
_FEWEST_PERIODS: Final = 6
"""Within a period, orders are discounted from its middle."""
_SAME: Final = 1e-6
_ROUNDING: Final = 1e-9


@dataclass(frozen=True, eq=False)
class SegmentLaw:
    """Simulated totals: present value and orders, shape (simulations, segments with customers)."""

    present: IntArray
    clv: FloatArray
    orders: FloatArray
    level: float

    def of_segments(self, count: int) -> dict[str, FloatArray]:
        """Predictive limits, shape (2, count), by quantity; 0 where nobody is."""
        limits = {}
        for name, drawn in (("clv", self.clv), ("purchases", self.orders)):
            limits[name] = np.zeros((2, count))
            limits[name][:, self.present] = self._limits(drawn)
        return limits

    def of_whole(self) -> dict[str, FloatArray]:
        """Predictive limits of all customers together, shape (2, 1), by quantity."""
        return {
            "clv": self._limits(self.clv.sum(axis=1, keepdims=True)),
            "purchases": self._limits(self.orders.sum(axis=1, keepdims=True)),
        }

    def _limits(self, drawn: FloatArray) -> FloatArray:
        # As many ranks apart that one more future falls between them with probability `level`.
        count = len(drawn)
        lower = math.floor((count + 1) * (1 - self.level) / 2 + _ROUNDING) - 1
        ranks = [lower, count - 1 - lower]
        return np.asarray(np.partition(drawn, ranks, axis=0)[ranks])


def segment_law(
    value: pd.DataFrame,
    codes: IntArray,
    *,
    models: tuple[Fit | PurchaseModel | None, Fit | SpendModel | None],
    rfm: pd.DataFrame | None,
    posterior: tuple[ParameterDraws, ParameterDraws] | None,
    level: float,
    simulations: int,
    seed: int,
) -> SegmentLaw:
    """Draw the futures of every segment over the forecast's horizon, on the forecast's terms.

    Parameters
    ----------
    value : DataFrame
        The forecast.
    codes : ndarray of int, shape (n,)
        The segment of every customer.
    models, rfm
        What the forecast was made of.
    posterior, level, simulations, seed
        As `segments` takes them.

    Returns
    -------
    SegmentLaw

    Raises
    ------
    DataError
        If a piece is missing, or the forecast was made of others.
    FitError
        If the horizon is infinite.
    """
    buys, spends = models
    if buys is None or spends is None or rfm is None:
        raise DataError(
            "Predictive intervals need all three of purchases=, spend= and rfm=: what the forecast "
            "was made of. Leave all of them out for none."
        )
    if not isinstance(rfm, pd.DataFrame):
        raise DataError("Predictive intervals need the customers here. Pass rfm.to_pandas().")
    horizon = value.attrs.get("horizon")
    if horizon is None:
        raise DataError(
            "The forecast does not say which horizon it covers, so it has no intervals. Use the "
            "table of clv.forecast as it is, or leave the models out."
        )
    if math.isinf(horizon):
        raise FitError(
            "Intervals over an infinite horizon are not worked out. Forecast a finite horizon=, "
            "such as '10Y'."
        )
    check_same_customers(value.index, rfm.index, "rfm")
    unit = common_time_unit(buys, rfm, value.attrs.get("time_unit"))
    if unit is None:
        raise DataError(
            "The forecast does not say its time unit, so it has no intervals. Pass time_unit= to "
            "forecast, such as 'W', or leave the models out."
        )
    rate = discount_rate_per_unit(value.attrs.get("annual_discount_rate") or 0.0, unit)
    frame = rfm.reindex(value.index).assign(**{_SEGMENT: codes})
    # Of another name than that of the end, the day leaves periods to end where the forecast does.
    frame.attrs = {"time_unit": unit, "observed_until": rfm.attrs.get("until")}
    ahead = portfolio(
        buys,
        spends,
        frame,
        horizon=float(horizon),
        period=_period(float(horizon), unit, discounted=rate > 0),
        by=_SEGMENT,
        posterior=posterior,
        simulations=simulations,
        seed=seed,
    )
    expected = ahead.total(level)  # and that there are enough simulations for the level
    _check_made_of_these(value, expected)

    lengths = np.array(ahead.periods.lengths)
    middles = np.cumsum(lengths) - lengths / 2
    margin = check_margin(value.attrs.get("margin", 1.0))
    worth = margin * np.exp(-rate * middles)
    present = np.asarray(expected.index, dtype=np.int64)
    shape = -1, present.size, lengths.size
    revenue = ahead.simulations("revenue").to_numpy().reshape(shape)
    orders = ahead.simulations("orders").to_numpy().reshape(shape).sum(axis=2)
    return SegmentLaw(present, revenue @ worth, orders, level)


def _period(horizon: float, unit: str, *, discounted: bool) -> str:
    """The longest period that is fine enough: no year, and not the whole, if it is discounted."""
    fewest = _FEWEST_PERIODS if discounted else 1
    for period in ("M", "W") if discounted else ("Y", "M", "W"):
        if horizon >= fewest * duration_in_units(f"1{period}", unit):
            return period
    return "D"


def _check_made_of_these(value: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Raise `DataError` where the models expect another number of orders than the forecast."""
    forecast, models = float(value["expected_purchases"].sum()), float(expected["orders"].sum())
    if not math.isclose(forecast, models, rel_tol=_SAME, abs_tol=_SAME):
        raise DataError(
            f"The forecast expects {forecast:,.1f} purchases and these models {models:,.1f} of the "
            "same customers: it was made of others. Pass the purchases, spend and rfm that were "
            "given to forecast."
        )
