"""`retention`: what fading customers put at risk, and whom it pays to contact."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from clvforecast.decisions.retaining.chances import check_simulations, total_limits
from clvforecast.decisions.retaining.contacts import PerCustomer, contact_columns, per_customer
from clvforecast.decisions.retaining.result import Retention
from clvforecast.errors import DataError
from clvforecast.fitting import Fit, model_columns
from clvforecast.forecasting.terms import Terms, require_finite_mean
from clvforecast.models import PurchaseModel, SpendModel
from clvforecast.numerics.arrays import FloatArray, IntArray, sums_by_code
from clvforecast.portfolios.grouping import segment_codes
from clvforecast.units import Duration

__all__ = ["retention"]

_NEVER: Final = 1e-9
"""So readily do those leave who never do: the limit is there to nine digits."""
_EVERYONE: Final = "all"
_RESERVED: Final = (
    *("customers", "expected_active", "clv", "clv_if_alive", "value_at_risk", "loss_ahead"),
    *("contacts", "contact_cost", "net_gain"),
)


def retention(
    purchases: Fit | PurchaseModel,
    spend: Fit | SpendModel,
    rfm: pd.DataFrame,
    *,
    horizon: Duration,
    annual_discount_rate: float = 0.0,
    margin: float = 1.0,
    cost: PerCustomer | None = None,
    success: PerCustomer | None = None,
    budget: float | None = None,
    by: str | Sequence[str] | None = None,
    time_unit: str | None = None,
    level: float = 0.90,
    simulations: int = 1_000,
    seed: int = 0,
) -> Retention:
    """Work out what fading customers put at risk, and whom it pays to contact.

    Parameters
    ----------
    purchases : Fit or PurchaseModel
        Who buys, how often, and who is gone.
    spend : Fit or SpendModel
        How much an order is worth.
    rfm : DataFrame
        RFM summary of the customers, with segment columns if `by` names any.
    horizon, annual_discount_rate, margin, time_unit
        As of `forecast`; `clv` here is `clv` there.
    cost : float or Series, optional
        What contacting a customer costs: one amount for all, or one by customer_id.
    success : float or Series, optional
        Probability that a contact holds a customer who would otherwise be gone. Needed with `cost`:
        no data of orders say it.
    budget : float, optional
        The most that contacts may cost together. Default: whatever pays.
    by : str or list of str, optional
        Columns of `rfm` for the totals to be split by.
    level : float
        Probability of the predictive intervals of the totals.
    simulations, seed : int
        How many times it is drawn who is gone.

    Returns
    -------
    Retention
        With `customers` (ranked, the best to contact first), `chosen`, `table` and `whole`.

    Raises
    ------
    DataError
        If a cost or probability is missing or out of range, or for what `forecast` raises it.
    FitError
        As `forecast`.

    Notes
    -----
    With V the value of a customer who is active at the end of observation (`clv_if_alive`):

    - ``clv = P(alive) V`` is expected of the customer as things are;
    - ``worth_of_retaining = V - clv = (1 - P(alive)) V`` is what it is worth to make sure that he
      is active: nothing where he surely is, however much he is worth, and little where he brings
      little. It is largest for valuable customers whose silence says that they are going.
    - ``loss_ahead = P(alive) (V' - V)``, with V' the value of one who never leaves, is what is
      expected to be lost to departures still to come within the horizon.

    The sum of `worth_of_retaining` is the `value_at_risk`: what the customers who are gone already
    are expected to have taken with them. Who they are is not known; its interval is PREDICTIVE, of
    the sum of V over those who are truly gone, each with probability ``1 - P(alive)`` independently
    of the others. It holds the parameters for known.

    A contact that holds a customer with probability `success` gains
    ``success * worth_of_retaining - cost``. Customers are ranked by what a unit of money gains;
    with one cost for all that is by gain. Contacts are taken to change nothing else: a customer who
    is active already buys on as before, and one who is held buys like others with the same history.
    One probability for all puts heavy buyers first who left long ago, whom it is hardest to win
    back: give a Series where it is known to fall with P(alive).

    Where dropout only follows purchases, as in BG/NBD, whoever has bought once is active for
    certain, and worth nothing to retain. That is the model's assumption and no finding.

    Examples
    --------
    >>> import clvforecast as clv
    >>> orders = clv.read_orders(clv.datasets.load_cdnow(sample=True))
    >>> rfm = orders.summarize(time_unit="W", until="1997-09-30")
    >>> buys = clv.BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
    >>> spend = clv.GammaGamma(p=6.25, q=3.74, v=15.44)
    >>> found = clv.retention(buys, spend, rfm, horizon="1Y", cost=2.0, success=0.10)
    >>> found.chosen[["p_alive", "clv_if_alive", "worth_of_retaining", "net_gain"]].head(3).round(2)
                 p_alive  clv_if_alive  worth_of_retaining  net_gain
    customer_id
    19339           0.00       6609.08             6609.08    658.91
    02761           0.00        902.27              899.05     87.91
    03501           0.04        851.36              816.52     79.65
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
    check_simulations(level, simulations)
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise DataError(f"seed={seed!r} must be a whole number, 0 or more.")
    values = _values(terms, rfm)
    contacts, order = _contacts(values["worth_of_retaining"], rfm.index, cost, success, budget)
    segments, codes = segment_codes(rfm, by, _RESERVED)
    count = 1 if segments is None else len(segments)

    rng = np.random.default_rng(seed)
    drawing: dict[str, Any] = {"level": level, "simulations": int(simulations), "rng": rng}
    gone = 1.0 - values["p_alive"]
    columns: dict[str, FloatArray] = {
        "customers": np.bincount(codes, minlength=count).astype(float),
        "expected_active": sums_by_code(codes, values["p_alive"], count),
        "clv": sums_by_code(codes, values["clv"], count),
        "clv_if_alive": sums_by_code(codes, values["clv_if_alive"], count),
        "value_at_risk": sums_by_code(codes, values["worth_of_retaining"], count),
        "loss_ahead": sums_by_code(codes, values["loss_ahead"], count),
    }
    totals = {name: np.append(sums, sums.sum()) for name, sums in columns.items()}
    limits = total_limits(values["clv_if_alive"], gone, codes, count, **drawing)
    totals |= dict(zip(("value_at_risk_lower", "value_at_risk_upper"), limits, strict=True))
    if contacts:
        totals |= _contact_totals(contacts, values, codes, count, drawing)
    table = pd.DataFrame(totals)
    table = table.astype({name: "int64" for name in ("customers", "contacts") if name in table})
    whole = table.iloc[-1:].set_axis(pd.Index([_EVERYONE], name="segment"), axis="index")
    table = whole if segments is None else table.iloc[:-1].set_axis(segments, axis="index")
    return Retention(
        customers=pd.DataFrame(values | contacts, index=rfm.index).iloc[order],
        table=table,
        whole=whole,
        attrs={
            "customers": len(rfm),
            **{str(name): value for name, value in terms.attrs(rfm.attrs.get("until")).items()},
            "level": float(level),
            "simulations": int(simulations),
            "budget": None if budget is None else float(budget),
        },
    )


def _values(terms: Terms, rfm: pd.DataFrame) -> dict[str, FloatArray]:
    """What every customer is worth: as things are, if active, and if never to leave."""
    x, t_x, T = model_columns(type(terms.buying), rfm)
    x_spend, m = model_columns(type(terms.spending), rfm)
    order_value = terms.spending.expected_spend_given(x_spend, m)
    require_finite_mean(order_value, terms.spending, rfm)
    p_alive = terms.buying.p_alive_given(x, t_x, T)
    buying, states, state = terms.buying.distinct(x, t_x, T)
    ahead = buying.purchases_if_alive(terms.horizon, *states, rate=terms.rate)
    for_good = buying.purchases_if_changed(terms.horizon, *states, leaving=_NEVER, rate=terms.rate)
    worth = terms.margin * order_value
    if_alive = worth * ahead[state]
    return {
        "p_alive": p_alive,
        "clv": p_alive * if_alive,
        "clv_if_alive": if_alive,
        "worth_of_retaining": (1.0 - p_alive) * if_alive,
        "loss_ahead": p_alive * worth * np.maximum(for_good - ahead, 0.0)[state],
    }


def _contacts(
    worth: FloatArray,
    customers: pd.Index[Any],
    cost: PerCustomer | None,
    success: PerCustomer | None,
    budget: float | None,
) -> tuple[dict[str, Any], IntArray]:
    """Columns of contacts, none without a cost, and the positions of customers by rank."""
    if cost is None:
        for name, given in (("success", success), ("budget", budget)):
            if given is not None:
                raise DataError(f"{name}= is of contacts. Give cost=, too: what one contact costs.")
        return {}, np.argsort(-worth, kind="stable")
    if success is None:
        raise DataError(
            "cost= needs success=, the probability that a contact holds a customer, such as 0.05. "
            "Orders do not say it; an experiment does."
        )
    if customers.has_duplicates:
        twice = customers[customers.duplicated()][0]
        raise DataError(f"The summary has customer {twice!r} more than once.")
    amounts = per_customer(cost, "cost", customers, highest=math.inf, meaning="amounts of money")
    chances = per_customer(success, "success", customers, highest=1.0, meaning="probabilities")
    if budget is not None and not (isinstance(budget, int | float | np.number) and budget >= 0):
        raise DataError(f"budget={budget!r} must be an amount of money, 0 or more.")
    return contact_columns(worth, chances, amounts, math.inf if budget is None else float(budget))


def _contact_totals(
    contacts: dict[str, Any],
    values: dict[str, FloatArray],
    codes: IntArray,
    count: int,
    drawing: dict[str, Any],
) -> dict[str, FloatArray]:
    """What the chosen contacts cost and gain, each segment and all; the gain with limits."""
    chosen = contacts["chosen"]
    regained = np.where(chosen, contacts["success"] * (1.0 - values["p_alive"]), 0.0)
    totals = {
        "contacts": chosen.astype(float),
        "contact_cost": np.where(chosen, contacts["cost"], 0.0),
        "net_gain": np.where(chosen, contacts["net_gain"], 0.0),
    }
    found = {name: sums_by_code(codes, column, count) for name, column in totals.items()}
    found = {name: np.append(sums, sums.sum()) for name, sums in found.items()}
    limits = total_limits(values["clv_if_alive"], regained, codes, count, **drawing)
    lower, upper = limits - found["contact_cost"]
    return found | {"net_gain_lower": lower, "net_gain_upper": upper}
