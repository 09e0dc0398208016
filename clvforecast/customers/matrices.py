"""What a purchase model says, as tables to look at or to plot."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import pandas as pd

from clvforecast.errors import DataError, suggest
from clvforecast.fitting import Fit, model_columns, purchase_model
from clvforecast.models import PurchaseModel
from clvforecast.units import Duration, duration_in_units

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["frequency_recency_matrix", "purchase_counts"]

_QUANTITIES: Final = ("p_alive", "expected_purchases")
_MIN_STEPS: Final = 20
_MAX_STEPS: Final = 200


def frequency_recency_matrix(
    model: Fit | PurchaseModel,
    quantity: Literal["p_alive", "expected_purchases"] = "p_alive",
    *,
    T: Duration,
    max_frequency: int = 20,
    horizon: Duration | None = None,
) -> pd.DataFrame:
    """Tabulate P(alive), or expected purchases, over frequency and recency.

    Parameters
    ----------
    model : Fit or PurchaseModel
    quantity : {"p_alive", "expected_purchases"}
        What to tabulate.
    T : float or str
        Time since the first purchase, the same for all: a number in the model's time unit, or a
        text such as "52W" where the unit is known.
    max_frequency : int
        Highest number of repeat purchases.
    horizon : float or str, optional
        How far to look ahead; needed for "expected_purchases".

    Returns
    -------
    pandas.DataFrame
        Index `recency` (0 to T in the time unit, whole units where T is whole and between 20 and
        200), columns `frequency` (0 to max_frequency). NaN where no customer can be: a one-time
        buyer has recency 0, and nobody else has. Attributes: quantity, T, horizon, time_unit,
        model.

    Raises
    ------
    DataError
        If the quantity is unknown, the horizon missing, or T or max_frequency not positive.

    Examples
    --------
    >>> from clvforecast.models import BGNBD
    >>> cdnow = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
    >>> table = frequency_recency_matrix(cdnow, T=39, max_frequency=10)
    >>> table.shape
    (40, 11)
    >>> bool(table.loc[39, 10] > table.loc[20, 10])
    True
    """
    if quantity not in _QUANTITIES:
        raise DataError(f"quantity={quantity!r} is unknown. {suggest(quantity, _QUANTITIES)}")
    if max_frequency < 1:
        raise DataError(f"max_frequency={max_frequency!r} must be 1 or more.")
    law = purchase_model(model)
    time_unit = model.time_unit if isinstance(model, Fit) else None
    length = _positive(duration_in_units(T, time_unit, name="T"), "T")
    ahead = None
    if quantity == "expected_purchases":
        if horizon is None:
            raise DataError("quantity='expected_purchases' needs horizon=: how far to look ahead.")
        ahead = _positive(duration_in_units(horizon, time_unit), "horizon")

    steps = min(max(round(length), _MIN_STEPS), _MAX_STEPS)
    recency, frequency = np.linspace(0.0, length, steps + 1), np.arange(max_frequency + 1)
    t_x, x = np.meshgrid(recency, frequency.astype(float), indexing="ij")
    possible = (x > 0) == (t_x > 0)
    cells: NDArray[np.float64] = np.full(x.shape, np.nan)
    at = x[possible], t_x[possible], np.full(int(possible.sum()), length)
    cells[possible] = law.p_alive(*at) if ahead is None else law.expected_purchases(ahead, *at)

    table = pd.DataFrame(
        cells,
        index=pd.Index(recency, name="recency"),
        columns=pd.Index(frequency, name="frequency"),
    )
    table.attrs.update(
        quantity=quantity,
        T=length,
        horizon=ahead,
        time_unit=time_unit,
        model=type(law).__name__,
    )
    return table


def purchase_counts(
    purchases: Fit | PurchaseModel, rfm: pd.DataFrame, *, last: int = 7
) -> pd.DataFrame:
    """Count customers by number of repeat purchases: actual, and as the model expects.

    Parameters
    ----------
    purchases : Fit or PurchaseModel
        In the time unit of the summary.
    rfm : DataFrame
        The summary, one row per customer; each is expected over his own T.
    last : int
        Counts from here up are one row, "7+".

    Returns
    -------
    DataFrame
        Columns `actual` and `expected` (numbers of customers, both with the sum ``len(rfm)``),
        index `frequency` as text.

    Examples
    --------
    >>> from clvforecast.models import BGNBD
    >>> rfm = pd.DataFrame({"frequency": [0, 3], "recency": [0.0, 20.0], "T": [38.0, 39.0]})
    >>> cdnow = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
    >>> purchase_counts(cdnow, rfm, last=2).round(3)
               actual  expected
    frequency
    0               1     1.151
    1               0     0.398
    2+              1     0.451
    """
    if last < 1:
        raise DataError(f"last={last!r} must be 1 or more.")
    law = purchase_model(purchases, rfm)
    x, _, T = model_columns(type(law), rfm)
    new, ages, codes = law.as_newcomers(T)
    customers = np.bincount(codes)
    below = new.beside_counts().purchase_pmf(np.arange(last), ages[:, None])
    expected = customers @ np.column_stack([below, 1.0 - below.sum(axis=1)])
    labels = [*map(str, range(last)), f"{last}+"]
    return pd.DataFrame(
        {
            "actual": np.bincount(np.minimum(x, last).astype(int), minlength=last + 1),
            "expected": expected,
        },
        index=pd.Index(labels, name="frequency"),
    )


def _positive(length: float, name: str) -> float:
    if not (math.isfinite(length) and length > 0):
        raise DataError(f"{name}={length!r} must be above 0 and finite.")
    return length
