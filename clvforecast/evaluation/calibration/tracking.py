"""Repeat purchases period by period: those of a log, and those a model expects."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

from clvforecast.errors import DataError
from clvforecast.fitting import Fit, common_time_unit, covariate_columns, purchase_model
from clvforecast.models import PurchaseModel
from clvforecast.numerics.arrays import FloatArray, IntArray
from clvforecast.transactions import Transactions
from clvforecast.transactions.table import as_day
from clvforecast.units import days_per

__all__ = ["purchase_tracking"]


def purchase_tracking(
    orders: Transactions,
    purchases: Fit | PurchaseModel,
    *,
    cutoff: str | dt.date | None = None,
    until: str | dt.date | None = None,
    period: str = "W",
    time_unit: str | None = None,
) -> pd.DataFrame:
    """Set the repeat purchases of every period beside those expected of the same customers.

    The expectation knows when each customer was acquired and the parameters, and nothing of what
    anybody bought: through calibration and holdout alike.

    Parameters
    ----------
    orders : Transactions
        What `read_orders` returns.
    purchases : Fit or PurchaseModel
    cutoff : str or datetime.date, optional
        The last day of calibration; customers who first bought later are left out. Default: the
        end of observation of the fit.
    until : str or datetime.date, optional
        The last day to track. Default: the end of observation of the orders.
    period : {"D", "W", "M", "Y"}
        What to count by, from the first order on. The last period may be cut short, for both.
    time_unit : {"D", "W", "M", "Y"}, optional
        The unit of a model's parameters. Default: that of the fit.

    Returns
    -------
    pandas.DataFrame
        Indexed by `period`, its first day: ``end`` (its last day), ``actual`` and ``expected``
        repeat purchases, and both added up, ``actual_cumulative`` and ``expected_cumulative``.
        ``attrs`` holds ``cutoff`` and ``until`` (ISO text), ``period``, ``model`` and
        ``customers``, their number.

    Raises
    ------
    DataError
        If the cutoff or the time unit is not known, the cutoff comes after `until`, or nobody had
        bought by it.

    Notes
    -----
    A customer acquired on day f is expected to have made ``E[X(t)]`` repeat purchases at the end
    of day f + t [1]_ (equation 9). Their sum is not rescaled to what was bought: where the model's
    total is off, both lines part.

    References
    ----------
    .. [1] P. S. Fader, B. G. S. Hardie and K. L. Lee, "“Counting your customers” the easy way: an
       alternative to the Pareto/NBD model", Marketing Science 24 (2005).

    Examples
    --------
    >>> import clvforecast as clv
    >>> orders = clv.read_orders(clv.datasets.load_cdnow(sample=True))
    >>> buys = clv.BGNBD.fit(orders.summarize(time_unit="W", until="1997-09-30"))
    >>> table = clv.purchase_tracking(orders, buys)
    >>> table.loc[["1997-09-24", "1998-06-24"], "actual_cumulative":].round(1)
                actual_cumulative  expected_cumulative
    period
    1997-09-24               2457               2494.0
    1998-06-24               4339               4160.6
    """
    if not isinstance(orders, Transactions):
        raise DataError(
            "purchase_tracking needs the Transactions that clv.read_orders returns, not a "
            f"{type(orders).__name__}."
        )
    start = _cutoff(purchases, cutoff)
    end = orders.until if until is None else as_day(until, "until")
    if end < start:
        raise DataError(f"until={end} comes before the cutoff {start}. Choose a later day.")
    unit = time_unit or (purchases.time_unit if isinstance(purchases, Fit) else None)
    if unit is None:
        raise DataError(
            "The time unit of the model is unknown. Pass time_unit='D', 'W', 'M' or 'Y'."
        )
    calibration = orders.summarize(unit, start, segments=covariate_columns(purchases))
    common_time_unit(purchases, calibration, unit)
    model = purchase_model(purchases, calibration)
    ages = np.rint(calibration["T"].to_numpy() * days_per(unit)).astype(np.int64)

    table = orders.totals(period, until=end, acquired_by=start)[["orders"]]
    first, begins = orders.quality.first_day, table.index
    after = np.append(
        begins.to_numpy(dtype="datetime64[D]")[1:], np.datetime64(end + dt.timedelta(1))
    )
    last = (after - np.datetime64(first)).astype(np.int64) - 1
    new = np.bincount((start - first).days - ages)
    expected = _expected(model, calibration, last - (start - first).days, days_per(unit))
    acquired = np.concatenate([[0], new.cumsum()])[np.minimum(last + 1, new.size)]

    actual = table["orders"].to_numpy().cumsum() - acquired
    found = pd.DataFrame(
        {
            "end": pd.DatetimeIndex(after - np.timedelta64(1, "D")).as_unit("us"),
            "actual": np.diff(actual, prepend=0),
            "expected": np.diff(expected, prepend=0.0),
            "actual_cumulative": actual,
            "expected_cumulative": expected,
        },
        index=begins,
    )
    found.attrs = {
        "cutoff": start.isoformat(),
        "until": end.isoformat(),
        "period": period,
        "model": model.name,
        "customers": len(calibration),
    }
    return found


def _cutoff(purchases: Fit | PurchaseModel, stated: str | dt.date | None) -> dt.date:
    known = purchases.until if isinstance(purchases, Fit) else None
    given = known if stated is None else stated
    if given is None:
        raise DataError("The end of calibration is unknown. Pass cutoff= as YYYY-MM-DD.")
    return as_day(given, "cutoff")


def _expected(
    model: PurchaseModel, calibration: pd.DataFrame, days: IntArray, days_per_unit: float
) -> FloatArray:
    """Expected repeat purchases by the end of days, counted from the cutoff, of all customers."""
    new, ages, codes = model.as_newcomers(calibration["T"].to_numpy(dtype=float))
    since = np.maximum(ages[:, None] + days / days_per_unit, 0.0)
    expected = new.beside_counts().expected_repeat_purchases(since)
    return np.asarray(np.bincount(codes) @ expected)
