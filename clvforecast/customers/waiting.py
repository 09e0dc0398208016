"""How long until a customer buys again, and how long a silence says that he has gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from clvforecast.errors import DataError
from clvforecast.fitting import Fit, common_time_unit, model_columns, purchase_model
from clvforecast.models import PurchaseModel
from clvforecast.numerics.arrays import FloatArray, IntArray
from clvforecast.transactions.table import as_day
from clvforecast.units import days_per

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["next_purchase", "silence_limits"]

_BISECTIONS: Final = 60
_LOG_LONGEST: Final = 40.0
"""exp(40) = 2e17 units of time are never."""
_ROUNDING: Final = 1e-6
"""Of a day: three weeks are 21 days however the division rounds."""
_LAST_DATE: Final = np.datetime64("9999-12-31", "D")


def next_purchase(
    purchases: Fit | PurchaseModel, rfm: pd.DataFrame, *, time_unit: str | None = None
) -> pd.DataFrame:
    """Say how long it is until each customer buys again.

    Parameters
    ----------
    purchases : Fit or PurchaseModel
        Who buys, how often, and who is gone.
    rfm : DataFrame
        RFM summary, one row per customer.
    time_unit : {"D", "W", "M", "Y"}, optional
        The unit of the summary, if ``rfm.attrs["time_unit"]`` does not say.

    Returns
    -------
    DataFrame
        Indexed like `rfm`; waits count from the end of observation, in the summary's time unit:

        - `p_alive`: probability of being active; otherwise there is no next purchase,
        - `expected_wait_if_alive`: mean wait of an active customer; infinite where the law of the
          wait has no mean, as for most one-time buyers,
        - `median_wait_if_alive`: within this an active customer buys with probability 1/2,
        - `median_wait`: within this the customer, active or gone, buys with probability 1/2;
          infinite where he more likely never buys again,
        - `median_date`: the day on which `median_wait` ends; only if ``rfm.attrs["until"]`` and
          the time unit say when that is. NaT where the wait is infinite or ends after the year
          9999.

        ``attrs`` hold `time_unit` and `until`.

    Raises
    ------
    DataError
        If a column is missing, a row is impossible, or the units disagree.

    Notes
    -----
    Predictive: the wait of one customer, at known parameters. The laws of waits are skewed, and
    their means are far above what mostly happens; the median is the better answer to "when".

    Examples
    --------
    >>> import clvforecast as clv
    >>> rfm = pd.DataFrame(
    ...     {"frequency": [2, 0], "recency": [30.43, 0.0], "T": [38.86, 38.86]}, index=["C1", "C2"]
    ... )
    >>> model = clv.BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
    >>> clv.next_purchase(model, rfm).round(2).T
                               C1      C2
    p_alive                  0.73    1.00
    expected_wait_if_alive  34.81     inf
    median_wait_if_alive    15.67  706.68
    median_wait             29.48  706.68
    """
    unit, until = common_time_unit(purchases, rfm, time_unit), rfm.attrs.get("until")
    model = purchase_model(purchases, rfm)
    x, t_x, T = model_columns(type(model), rfm)
    p_alive = model.p_alive(x, t_x, T)
    half_if_alive = 0.5 / np.maximum(p_alive, 0.5)
    table = pd.DataFrame(
        {
            "p_alive": p_alive,
            "expected_wait_if_alive": model.expected_wait_if_alive(x, t_x, T),
            "median_wait_if_alive": model.wait_quantile_if_alive(0.5, x, t_x, T),
            "median_wait": model.wait_quantile_if_alive(half_if_alive, x, t_x, T),
        },
        index=rfm.index,
    )
    if until is not None and unit is not None:
        table["median_date"] = _dates(until, table["median_wait"].to_numpy() * days_per(unit))
    table.attrs = {"time_unit": unit, "until": until}
    return table


def silence_limits(
    purchases: Fit | PurchaseModel,
    rfm: pd.DataFrame,
    *,
    threshold: float = 0.5,
    time_unit: str | None = None,
) -> pd.DataFrame:
    """Say how long each customer may be silent before he has likely gone.

    Parameters
    ----------
    purchases : Fit or PurchaseModel
        Who buys, how often, and who is gone.
    rfm : DataFrame
        RFM summary, one row per customer.
    threshold : float
        P(alive) at which a customer is given up, between 0 and 1.
    time_unit : {"D", "W", "M", "Y"}, optional
        The unit of the summary, if ``rfm.attrs["time_unit"]`` does not say.

    Returns
    -------
    DataFrame
        Indexed like `rfm`; silences count from a customer's last purchase, in the summary's time
        unit:

        - `p_alive`: probability of being active at the end of observation,
        - `silence`: how long he has been silent,
        - `silence_limit`: the silence after which P(alive) is down to `threshold`; 0 where it is
          so right after the purchase, infinite where no silence takes it there,
        - `limit_date`: the day on which it is reached, past or to come, if he stays silent until
          then; only if ``rfm.attrs["until"]`` and the time unit are known. NaT where the limit is
          infinite or lies after the year 9999.

        ``attrs`` hold `time_unit`, `until` and `threshold`.

    Raises
    ------
    DataError
        If a column is missing, a row is impossible, the units disagree, or `threshold` is out of
        range.

    Notes
    -----
    P(alive) falls as a silence lasts; this is where it crosses the threshold, by bisection. BG/NBD
    never gives up a one-time buyer, who had no repeat purchase to leave after: his limit is
    infinite. That is a property of the model, no finding about him.

    Examples
    --------
    A frequent buyer is missed sooner:

    >>> import clvforecast as clv
    >>> rfm = pd.DataFrame(
    ...     {"frequency": [2, 20, 0], "recency": [30.43, 30.43, 0.0], "T": 38.86},
    ...     index=["C1", "C2", "C3"],
    ... )
    >>> model = clv.BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
    >>> clv.silence_limits(model, rfm).round(2)
        p_alive  silence  silence_limit
    C1     0.73     8.43          32.06
    C2     0.25     8.43           6.16
    C3     1.00    38.86            inf
    """
    if not 0 < threshold < 1:
        raise DataError(
            f"threshold={threshold!r} must lie between 0 and 1: the P(alive) at which a customer "
            "is given up, such as 0.5."
        )
    unit, until = common_time_unit(purchases, rfm, time_unit), rfm.attrs.get("until")
    model = purchase_model(purchases, rfm)
    x, t_x, T = model_columns(type(model), rfm)
    some, histories, codes = _last_seen(model, x, t_x, T)
    table = pd.DataFrame(
        {
            "p_alive": model.p_alive(x, t_x, T),
            "silence": T - t_x,
            "silence_limit": _silence_limit(some, *histories, threshold)[codes],
        },
        index=rfm.index,
    )
    if until is not None and unit is not None:
        ahead = (table["silence_limit"] - table["silence"]).to_numpy()
        table["limit_date"] = _dates(until, ahead * days_per(unit))
    table.attrs = {"time_unit": unit, "until": until, "threshold": float(threshold)}
    return table


def _last_seen(
    model: PurchaseModel, x: FloatArray, t_x: FloatArray, T: FloatArray
) -> tuple[PurchaseModel, tuple[FloatArray, FloatArray], IntArray]:
    """Distinct customers on the day of their last purchase, and the model of that day."""
    then = model.later(t_x - T)
    some, (x, t_x, _), codes = then.distinct_histories(x, t_x, t_x)
    return some, (x, t_x), codes


def _silence_limit(
    model: PurchaseModel, x: FloatArray, t_x: FloatArray, threshold: float
) -> FloatArray:
    """The silence after which P(alive) is down to the threshold, by bisection of its logarithm."""

    def alive_after(silence: FloatArray | float) -> FloatArray:
        return model.later(silence).p_alive(x, t_x, t_x + silence)

    low, high = np.full(x.shape, -_LOG_LONGEST), np.full(x.shape, _LOG_LONGEST)
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        above = alive_after(np.exp(middle)) > threshold
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    limit = np.where(alive_after(0.0) > threshold, np.exp(high), 0.0)
    return np.where(alive_after(np.exp(_LOG_LONGEST)) > threshold, np.inf, limit)


def _dates(until: Any, days_ahead: FloatArray) -> NDArray[np.datetime64]:
    """Days on which stretches of time from the end of observation end; NaT beyond all calendars."""
    end = np.datetime64(as_day(until, "until"), "D")
    reached = np.ceil(days_ahead - _ROUNDING) <= (_LAST_DATE - end).astype(float)
    whole = np.ceil(np.where(reached, days_ahead, 0.0) - _ROUNDING).astype("timedelta64[D]")
    return np.where(reached, end + whole, np.datetime64("NaT", "D")).astype("datetime64[us]")
