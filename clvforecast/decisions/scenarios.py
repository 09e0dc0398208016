"""What customers would be worth if they spent more, bought more often, or stayed longer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from clvforecast.decisions.levers import Changes, chosen_changes, is_possible
from clvforecast.decisions.outcomes import TOGETHER, WhatIf
from clvforecast.decisions.valuations import Valuation, by_forecast, by_formula
from clvforecast.errors import DataError
from clvforecast.fitting import Fit
from clvforecast.forecasting.terms import Terms
from clvforecast.historical import HistoricalCLV
from clvforecast.models import PurchaseModel, SpendModel
from clvforecast.numerics.arrays import FloatArray
from clvforecast.portfolios.grouping import segment_codes
from clvforecast.units import Duration

__all__ = ["what_if"]

_LEVELS: Final = ["method", "lever"]
_DISAGREEMENT: Final = (
    "The simple formula values whole lives from the first order on, undiscounted, as a product of "
    "averages. It takes no notice of who has left already, of the horizon, or of customers who "
    "leave sooner when they buy faster. Compare its relative differences with the forecast's, not "
    "its amounts."
)


def what_if(
    purchases: Fit | PurchaseModel,
    spend: Fit | SpendModel,
    rfm: pd.DataFrame,
    *,
    horizon: Duration,
    annual_discount_rate: float = 0.0,
    margin: float = 1.0,
    change: float | Mapping[str, float] = 0.10,
    by: str | Sequence[str] | None = None,
    past: HistoricalCLV | None = None,
    time_unit: str | None = None,
) -> WhatIf:
    """Work out what customers would be worth if a lever of their value were moved.

    Each lever is moved alone, then all of them together, from the end of observation on. The past
    stays as it was: who is still a customer, and what is known of him.

    Parameters
    ----------
    purchases : Fit or PurchaseModel
        Who buys, how often, and who is gone.
    spend : Fit or SpendModel
        How much an order is worth.
    rfm : DataFrame
        RFM summary of the customers, with segment columns if `by` names any.
    horizon, annual_discount_rate, margin
        As of `forecast`; the values before any change are the sums of its `clv`.
    change : float or mapping of str to float
        By which share levers are moved; 0.10 is 10% more, -0.10 is 10% less. A number moves each
        lever that it can; a mapping names them, such as ``{"retention": 0.05}``:

        - "order_value": what customers spend per order,
        - "frequency": how fast living customers buy,
        - "retention": the share of departures that are prevented,
        - "margin": the share of order value that is kept,
        - "discount_rate": the annual discount rate.
    by : str or list of str, optional
        Columns of `rfm` to split customers by. A missing value is a segment of its own.
    past : HistoricalCLV, optional
        What `historical_clv` returns, of the same customers, end of observation and margin: adds
        what the simple formula makes of the same changes.
    time_unit : {"D", "W", "M", "Y"}, optional
        The unit of the summary, if ``rfm.attrs["time_unit"]`` does not say.

    Returns
    -------
    WhatIf

    Raises
    ------
    DataError
        If a lever is unknown or cannot be moved so far (a margin above 1, every departure
        prevented), `past` is not about the same customers, end of observation or margin, or for
        what `forecast` raises it.
    FitError
        As `forecast`.

    Notes
    -----
    A customer is worth ``margin * P(alive) * expected spend * D``, with D the discounted number of
    purchases within the horizon t of one who is active. He buys at a rate ``lambda`` and leaves at
    a rate ``mu``, both unknown, so that ``D = E[integral over s in (0, t) of lambda
    exp(-(mu + delta) s)]`` at a continuous discount rate ``delta``. With X the change:

    - order value: every future order, and so the value, is worth ``1 + X`` times as much. For
      Gamma-Gamma that is v, and each customer's own mean m, times ``1 + X``.
    - frequency: ``lambda`` times ``1 + X``. Where dropout follows purchases, as in BG/NBD with
      ``mu = lambda p``, who buys faster leaves sooner, too: the same life runs in quicker time, of
      which ``(1 + X) t`` passes within the horizon. That is why its elasticity is below 1;
      undiscounted and over a whole lifetime it would be 0. For customers who buy faster and stay
      as long, raise retention by ``X / (1 + X)`` besides: "together" is then the value times
      ``1 + X``.
    - retention: ``mu`` times ``1 - X``. In BG/NBD that is each customer's probability p of leaving
      at a purchase, which given his history has the law ``Beta(a, b + x)``. At each occasion X of
      those who would leave are held; they may leave at the next. Unlike more of a retention rate,
      this is the same for a week as for a year and never asks for more than certainty. To raise a
      rate of retention per purchase from g to h, move the lever by ``(h - g) / (1 - g)``.
    - margin: the value times ``1 + X``.
    - discount rate: the annual rate times ``1 + X``, and D worked out again.

    Under BG/NBD value depends on frequency and dropout through their product, so that the
    elasticities of frequency and retention add up to 1 as X tends to 0.

    The simple formula, average purchase value x frequency x lifespan x margin, is multiplied by
    ``1 + X`` for order value, frequency and margin and by ``1 / (1 - X)`` for retention, because
    lifespan is a length of time over churn. It has no discount. Segments have the lifespan of the
    whole log, and all change alike.

    The changes are taken for granted. Whether a campaign brings them about is for an experiment.

    Examples
    --------
    >>> import clvforecast as clv
    >>> orders = clv.read_orders(clv.datasets.load_cdnow(sample=True))
    >>> rfm = orders.summarize(time_unit="W", until="1997-09-30")
    >>> buys, spend = clv.BGNBD.fit(rfm), clv.GammaGamma.fit(rfm)
    >>> past = clv.historical_clv(orders, until="1997-09-30")
    >>> found = clv.what_if(
    ...     buys, spend, rfm, horizon="1Y", change={"frequency": 0.10, "retention": 0.10}, past=past
    ... )
    >>> found.table[["change", "relative_difference", "elasticity"]].round(3)
                              change  relative_difference  elasticity
    method         lever
    forecast       frequency     0.1                0.078       0.782
                   retention     0.1                0.021       0.211
                   together      NaN                0.102         NaN
    simple_formula frequency     0.1                0.100       1.000
                   retention     0.1                0.111       1.111
                   together      NaN                0.222         NaN
    """
    terms = Terms.checked(
        purchases,
        spend,
        rfm,
        horizon=horizon,
        annual_discount_rate=annual_discount_rate,
        margin=margin,
        level=None,
        time_unit=time_unit,
    )
    if terms.horizon == 0:
        raise DataError("horizon=0 leaves no value to change. Give one such as '1Y'.")
    known = {"margin": terms.margin, "annual_discount_rate": terms.annual_discount_rate}
    changes, left_out = chosen_changes(change, **known)
    segments, codes = segment_codes(rfm, by, _LEVELS)
    count = 1 if segments is None else len(segments)
    methods = {"forecast": by_forecast(terms, rfm, codes, count)}
    notes = left_out
    if past is not None:
        methods["simple_formula"] = by_formula(past, terms, rfm, codes, count)
        notes = (*notes, _DISAGREEMENT)
    moves = _moves(changes, known)
    # Methods, levers, (before, after, opposite), segments.
    values = np.array(
        [[_values(worth, *move) for move in moves.values()] for worth in methods.values()]
    )
    index = pd.MultiIndex.from_product([methods, moves], names=_LEVELS)
    return WhatIf(
        table=_table(values.sum(axis=-1), index, changes),
        segments=None if segments is None else _segment_table(values, segments, index, changes),
        notes=notes,
        attrs={
            "customers": len(rfm),
            **{str(name): value for name, value in terms.attrs(rfm.attrs.get("until")).items()},
        },
    )


def _moves(
    changes: Mapping[str, float], known: Mapping[str, float]
) -> dict[str, tuple[Changes, Changes | None]]:
    """Each lever as it is moved and as far the other way, if it can be; and all together."""
    moves: dict[str, tuple[Changes, Changes | None]] = {}
    for lever, change in changes.items():
        opposite = Changes(**{lever: -change}) if is_possible(lever, -change, **known) else None
        moves[lever] = Changes(**{lever: change}), opposite
    if len(changes) > 1:
        moves[TOGETHER] = Changes(**changes), None
    return moves


def _values(worth: Valuation, asked: Changes, opposite: Changes | None) -> list[FloatArray]:
    before = worth(Changes())
    other = np.full_like(before, np.nan) if opposite is None else worth(opposite)
    return [before, worth(asked), other]


def _table(values: FloatArray, index: pd.MultiIndex, changes: Mapping[str, float]) -> pd.DataFrame:
    """The columns that `WhatIf` says, of (before, after, opposite) in the last axis."""
    before, after, opposite = values.reshape(-1, 3).T
    change = np.array([changes.get(lever, np.nan) for lever in index.get_level_values("lever")])
    difference = after - before
    relative = _ratio(difference, before)
    return pd.DataFrame(
        {
            "change": change,
            "before": before,
            "after": after,
            "opposite": opposite,
            "difference": difference,
            "relative_difference": relative,
            "elasticity": _ratio(relative, change),
        },
        index=index,
    )


def _segment_table(
    values: FloatArray,
    segments: pd.Index[Any],
    index: pd.MultiIndex,
    changes: Mapping[str, float],
) -> pd.DataFrame:
    """The same with a level of the index before, or several, that says the segment."""
    names = [*segments.names, *index.names]
    keys = [segment if isinstance(segment, tuple) else (segment,) for segment in segments]
    rows = pd.MultiIndex.from_tuples([(*key, *move) for key in keys for move in index], names=names)
    return _table(np.moveaxis(values, -1, 0), rows, changes)


def _ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    """NaN where there is nothing to divide by."""
    ratio = np.full(above.shape, np.nan)
    np.divide(above, below, out=ratio, where=below != 0)
    return ratio
