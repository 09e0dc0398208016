"""The forecast of every customer, here or in the engine that has them."""

from __future__ import annotations

import math
from typing import Final, overload

import numpy as np
import pandas as pd

from clvforecast.errors import DataError
from clvforecast.fitting import (
    Fit,
    ParameterDraws,
    Posterior,
    Stack,
    model_columns,
    posterior_of_members,
    purchase_model,
    spend_model,
)
from clvforecast.forecasting.lazy import LazyForecast, forecast_lazily
from clvforecast.forecasting.terms import Terms, require_finite_mean
from clvforecast.models import PurchaseModel, SpendModel
from clvforecast.predictive import Component, mixed_quantiles
from clvforecast.transactions.lazy import LazySummary
from clvforecast.units import Duration

__all__ = ["forecast"]

_MOST_DRAWS: Final = 50
"""The probability of a tail, as a mean over these, is off by a seventh of its spread among them."""


@overload
def forecast(
    purchases: Fit | PurchaseModel | Stack,
    spend: Fit | SpendModel,
    rfm: pd.DataFrame,
    *,
    horizon: Duration,
    annual_discount_rate: float = ...,
    margin: float = ...,
    level: float | None = ...,
    posterior: Posterior | None = ...,
    time_unit: str | None = ...,
) -> pd.DataFrame: ...


@overload
def forecast(
    purchases: Fit | PurchaseModel | Stack,
    spend: Fit | SpendModel,
    rfm: LazySummary,
    *,
    horizon: Duration,
    annual_discount_rate: float = ...,
    margin: float = ...,
    level: float | None = ...,
    posterior: None = ...,
    time_unit: str | None = ...,
) -> LazyForecast: ...


def forecast(
    purchases: Fit | PurchaseModel | Stack,
    spend: Fit | SpendModel,
    rfm: pd.DataFrame | LazySummary,
    *,
    horizon: Duration,
    annual_discount_rate: float = 0.0,
    margin: float = 1.0,
    level: float | None = None,
    posterior: Posterior | None = None,
    time_unit: str | None = None,
) -> pd.DataFrame | LazyForecast:
    """Forecast what every customer will buy, spend and be worth.

    Parameters
    ----------
    purchases : Fit, PurchaseModel or Stack
        Who buys, how often, and who is gone: a fit, or a model with known parameters; or several
        with weights.
    spend : Fit or SpendModel
        How much an order is worth.
    rfm : DataFrame or LazySummary
        RFM summary, one row per customer; these need not be the customers of the fit. A lazy one
        (``orders.summarize(..., lazy=True)``) is forecast by its engine: no customer comes here.
    horizon : float or str
        How far ahead, as a number in the summary's time unit, or a text such as "52W" or "1Y".
        ``math.inf`` (or "inf") is the whole lifetime and wants a positive discount rate.
    annual_discount_rate : float
        Effective rate a year: value a year ahead counts ``1 / (1 + rate)``. Discounting is
        continuous, each order from the moment it is expected.
    margin : float
        Share of order value that is kept, in (0, 1]; `clv` is multiplied by it.
    level : float, optional
        Adds predictive intervals, equal-tailed, of this probability, such as 0.90: where a
        customer's own future will lie.
    posterior : (ParameterDraws, ParameterDraws), optional
        Draws of the parameters of both models, such as ``fit.posterior()`` or
        ``fit.bootstrap()``; of a stack, a list of such draws, one for each of its models, and those
        of the spend model. The intervals then hold the uncertainty of the parameters beside each
        customer's chance; without, they take the estimates for the truth. Expectations stay those
        at the estimates. No more than 50 draws are used (of a stack, shared out by weight), evenly
        spaced: their laws cost as much. Not with a lazy summary.
    time_unit : {"D", "W", "M", "Y"}, optional
        The unit of the summary, if ``rfm.attrs["time_unit"]`` does not say.

    Returns
    -------
    DataFrame or LazyForecast
        Indexed like `rfm`, with

        - `p_alive`: probability of being an active customer at the end of observation,
        - `expected_purchases`: expected number of purchase days within the horizon, undiscounted,
        - `expected_spend`: expected value of an order, in money,
        - `clv`: present value of the margin on the orders within the horizon, in money. Future
          value only; what was spent before is not in it,
        - with `level`: `purchases_lower`, `purchases_upper`, `clv_lower`, `clv_upper`.

        ``attrs`` hold `time_unit`, `horizon` (in that unit), `annual_discount_rate`, `margin` and
        `until`. Of a lazy summary, the same in its engine, to be written by `to_parquet` or
        `to_table`.

    Raises
    ------
    DataError
        If a column is missing, a row is impossible, the units disagree or an argument is out of
        range.
    FitError
        If the value would be infinite: an infinite horizon without discounting, or a spend model
        whose mean does not exist. With `level`, also if the horizon is infinite, or so long that
        a customer may make more than a million purchases.

    Notes
    -----
    ``clv = margin * expected_spend * discounted purchases``, with spend and purchases independent
    given a customer's history, as Gamma-Gamma assumes. lifetimes adds up whole months and
    discounts each from its end; with its monthly rate ``(1 + annual) ** (1 / 12) - 1`` and months
    of equal length its sum lies below this value, by at most one month's interest, and the two
    agree as its months shrink.

    Intervals of purchases are exact, and so are those of an undiscounted `clv`, to 1e-6 of the
    probability. Counts are whole, so an interval holds more than `level`. With discounting, the
    law of how many purchases there are and when they stop is exact, and the sum of the unequally
    discounted order values is given a law with the right mean and variance (see
    `clvforecast.predictive.spend_law`). Against simulation over one, five and ten years, of
    customers with 0 to 60 repeat purchases, a 90% interval then misses either tail by at most
    0.001 of probability at 10% a year, which is what a million draws can show, and by 0.003 at 30%.

    Examples
    --------
    >>> import clvforecast as clv
    >>> rfm = pd.DataFrame(
    ...     {"frequency": [2, 0], "recency": [30.43, 0.0], "T": [38.86, 38.86],
    ...      "monetary_value": [22.35, 0.0]},
    ...     index=["C1", "C2"],
    ... )
    >>> buys = clv.BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
    >>> spend = clv.GammaGamma(p=6.25, q=3.74, v=15.44)
    >>> clv.forecast(buys, spend, rfm, horizon="39W", time_unit="W", margin=0.3).round(3)
        p_alive  expected_purchases  expected_spend    clv
    C1    0.727               1.226          24.664  9.072
    C2    1.000               0.195          35.219  2.061
    """
    terms = Terms.checked(
        purchases,
        spend,
        rfm,
        horizon=horizon,
        annual_discount_rate=annual_discount_rate,
        margin=margin,
        level=level,
        time_unit=time_unit,
    )
    if level is None and posterior is not None:
        raise DataError("posterior= widens intervals. Give level=, too, such as 0.90.")
    if isinstance(rfm, LazySummary):
        if posterior is not None:
            raise DataError(
                "posterior= is not worked out in an engine. Give forecast the summary's "
                "to_pandas(), or leave posterior= out."
            )
        return forecast_lazily(terms, rfm)
    pairs = None
    if posterior is not None:
        given = posterior, purchases, terms.members, terms.spending, terms.time_unit
        pairs = posterior_of_members(*given)
    return _forecast_here(terms, rfm, pairs)


def _forecast_here(
    terms: Terms, rfm: pd.DataFrame, posterior: list[tuple[ParameterDraws, ParameterDraws]] | None
) -> pd.DataFrame:
    x, t_x, T = model_columns(type(terms.members[0].model), rfm)
    x_spend, m = model_columns(type(terms.spending), rfm)
    order_value = terms.spending.expected_spend_given(x_spend, m)
    require_finite_mean(order_value, terms.spending, rfm)
    p_alive, expected, discounted = terms.prospects(x, t_x, T)
    values = {
        "p_alive": p_alive,
        "expected_purchases": expected,
        "expected_spend": order_value,
        "clv": terms.margin * order_value * discounted,
    }
    table = pd.DataFrame(values, index=rfm.index, copy=False)
    if terms.tails is not None:
        if posterior is None:
            counts, amounts = terms.quantiles(x, t_x, T, m, p_alive, terms.tails)
        else:
            counts, amounts = mixed_quantiles(
                _components(terms, posterior, rfm),
                *(terms.horizon, x, t_x, T, m, terms.tails),
                rate=terms.rate,
            )
        table["purchases_lower"], table["purchases_upper"] = counts.astype(np.int64)
        table["clv_lower"], table["clv_upper"] = terms.margin * amounts
    table.attrs = terms.attrs(rfm.attrs.get("until"))
    return table


def _components(
    terms: Terms, posterior: list[tuple[ParameterDraws, ParameterDraws]], rfm: pd.DataFrame
) -> list[Component]:
    """Pairs of equally likely models, as many as an interval needs of each member."""
    found = []
    for (_, weight), draws in zip(terms.members, posterior, strict=True):
        count = min(math.ceil(_MOST_DRAWS * weight), *map(len, draws))
        buys, spends = (drawn.thinned(count).of_customers(rfm) for drawn in draws)
        models = [purchase_model(m, rfm) for m in buys], [spend_model(m, rfm) for m in spends]
        found.append(Component(*models, weight))
    return found
