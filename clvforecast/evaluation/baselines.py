"""Forecasts without a model, each from what was known at the cutoff: what a model has to beat."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from clvforecast.historical import historical_clv
from clvforecast.numerics.arrays import FloatArray
from clvforecast.transactions.engine import fetch_frame
from clvforecast.units import days_per

if TYPE_CHECKING:
    from clvforecast.transactions import Transactions

__all__ = ["BASELINES", "SIMPLE_FORMULA", "baseline_forecasts"]

SIMPLE_FORMULA: Final = "simple formula"
BASELINES: Final = (SIMPLE_FORMULA, "own rate", "cohort mean", "nothing")
_OLDEST_AGES: Final = 28
_FEW: Final = 0.1


def baseline_forecasts(
    orders: Transactions, calibration: pd.DataFrame, horizon_days: int
) -> dict[str, pd.DataFrame]:
    """Expect purchases and spend of each customer by rules of thumb.

    Parameters
    ----------
    orders : Transactions
        The whole log: nothing after the end of `calibration` is looked at.
    calibration : pandas.DataFrame
        RFM summary at the cutoff, ``attrs["until"]``, in ``attrs["time_unit"]``.
    horizon_days : int
        How far ahead.

    Returns
    -------
    dict of pandas.DataFrame
        By name, indexed like `calibration`: ``purchases`` and ``spend`` expected within the
        horizon. See `clvforecast.backtest` for what each baseline is.
    """
    until = dt.date.fromisoformat(calibration.attrs["until"])
    ages = np.rint(calibration["T"].to_numpy() * days_per(calibration.attrs["time_unit"]))
    repeats = calibration["frequency"].to_numpy(dtype=float)
    repeat_spend = repeats * calibration["monetary_value"].to_numpy()

    simple = historical_clv(orders, until=until, lifespan="1Y")
    ahead = horizon_days / simple.period_days
    own = np.divide(horizon_days, ages, out=np.zeros(ages.shape), where=ages > 0)

    cohort = _month_of_first_purchase(until, ages)
    expected = _means(cohort, _purchases_by_age(orders, until, ages, horizon_days))
    bought, spent = _means(cohort, repeats), _means(cohort, repeat_spend)
    whole = repeat_spend.sum() / max(repeats.sum(), 1.0)
    order_value = np.divide(spent, bought, out=np.full(ages.shape, whole), where=bought > 0)

    found = {
        SIMPLE_FORMULA: (
            (repeats + 1.0) * ahead,
            simple.project(horizon_days).reindex(calibration.index).to_numpy(),
        ),
        "own rate": (repeats * own, repeat_spend * own),
        "cohort mean": (expected, expected * order_value),
        "nothing": (np.zeros(ages.shape), np.zeros(ages.shape)),
    }
    return {
        name: pd.DataFrame({"purchases": purchases, "spend": spend}, index=calibration.index)
        for name, (purchases, spend) in found.items()
    }


def _purchases_by_age(
    orders: Transactions, until: dt.date, ages: FloatArray, horizon_days: int
) -> FloatArray:
    """What customers of each age would buy if they went on as older ones did.

    The rate at a day of age is that of all customers who had reached it. The oldest ages, those
    that fewer than a tenth of the customers had reached and 28 days at least, are taken together,
    and later ones are taken for them.
    """
    oldest = int(ages.max())
    bought = _bought_by_age(orders, until, oldest)
    reached = np.bincount(ages.astype(np.int64), minlength=oldest + 1)[::-1].cumsum()[::-1]
    common = int(np.flatnonzero(reached >= _FEW * ages.size)[-1])
    known = max(min(common, oldest - _OLDEST_AGES), 0)
    exposure = reached[known + 1 :].sum()
    last_rate = bought[known + 1 :].sum() / exposure if exposure else 0.0
    rates = np.full(oldest + horizon_days + 1, last_rate)
    rates[: known + 1] = bought[: known + 1] / reached[: known + 1]
    rates[0] = 0.0
    upto = np.cumsum(rates)
    first = ages.astype(np.int64)
    return np.asarray(upto[first + horizon_days] - upto[first])


def _bought_by_age(orders: Transactions, until: dt.date, oldest: int) -> FloatArray:
    """Number of repeat purchases at each age in days, from 0 to the oldest."""
    days = orders.purchase_days(until)
    days = days.mutate(_first=days.date.min().over(group_by="customer_id"))
    age = days.date.delta(days._first, unit="day").cast("int64")
    days = days.mutate(age=age).filter(days.date > days._first)
    counts = fetch_frame(days.group_by("age").agg(purchases=days.count()), ["age"])["purchases"]
    return counts.reindex(range(oldest + 1), fill_value=0).to_numpy(dtype=float)


def _month_of_first_purchase(until: dt.date, ages: FloatArray) -> FloatArray:
    days = np.datetime64(until, "D") - ages.astype("timedelta64[D]")
    return days.astype("datetime64[M]").astype(float)


def _means(groups: FloatArray, values: FloatArray) -> FloatArray:
    """The mean of each one's group."""
    _, codes = np.unique(groups, return_inverse=True)
    return np.asarray((np.bincount(codes, values) / np.bincount(codes))[codes])
