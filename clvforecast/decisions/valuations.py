"""Customers, valued by the forecast and by the simple formula, under any change of the levers."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import TypeAlias

import numpy as np
import pandas as pd

from clvforecast.decisions.levers import Changes
from clvforecast.decisions.sides import check_same_customers
from clvforecast.errors import DataError
from clvforecast.fitting import model_columns
from clvforecast.forecasting.terms import Terms, require_finite_mean
from clvforecast.historical import HistoricalCLV
from clvforecast.numerics.arrays import FloatArray, IntArray, distinct_rows, sums_by_code
from clvforecast.units import discount_rate_per_unit

__all__ = ["Valuation", "by_forecast", "by_formula"]

Valuation: TypeAlias = Callable[[Changes], FloatArray]
"""Value of every segment, shape (segments,), when levers are moved."""


def by_forecast(terms: Terms, rfm: pd.DataFrame, segment: IntArray, segments: int) -> Valuation:
    """Value the customers by the models, under any change.

    What is past and what is ahead come apart: all that a change touches is worked out per distinct
    state, and customers weigh it with P(alive) and their expected spend.
    """
    x, t_x, T = model_columns(type(terms.buying), rfm)
    x_spend, m = model_columns(type(terms.spending), rfm)
    order_value = terms.spending.expected_spend_given(x_spend, m)
    require_finite_mean(order_value, terms.spending, rfm)
    weight = terms.margin * terms.buying.p_alive_given(x, t_x, T) * order_value
    buying_model, states, state = terms.buying.distinct(x, t_x, T)
    (cell_state, cell_segment), cell = distinct_rows(state.astype(float), segment.astype(float))
    weight = sums_by_code(cell, weight, cell_state.size)
    of_segment, at = cell_segment.astype(np.int64), cell_state.astype(np.int64)

    @cache
    def ahead(buying: float, leaving: float, annual_discount_rate: float) -> FloatArray:
        rate = discount_rate_per_unit(annual_discount_rate, terms.time_unit)
        purchases = buying_model.purchases_if_changed(
            terms.horizon, *states, buying=buying, leaving=leaving, rate=rate
        )
        return sums_by_code(of_segment, weight * purchases[at], segments)

    def worth(changes: Changes) -> FloatArray:
        annual = terms.annual_discount_rate * (1.0 + changes.discount_rate)
        return changes.money * ahead(changes.buying, changes.leaving, annual)

    return worth


def by_formula(
    past: HistoricalCLV, terms: Terms, rfm: pd.DataFrame, segment: IntArray, segments: int
) -> Valuation:
    """Value the customers by the simple formula, under any change."""
    _check_past(past, terms, rfm)
    own = past.customers["clv"].reindex(rfm.index).to_numpy(dtype=float)
    totals = sums_by_code(segment, own, segments)
    return lambda changes: changes.formula * totals


def _check_past(past: HistoricalCLV, terms: Terms, rfm: pd.DataFrame) -> None:
    if not isinstance(past, HistoricalCLV):
        raise DataError(
            f"past must be what clv.historical_clv returns, not a {type(past).__name__}."
        )
    if not math.isclose(past.margin, terms.margin, rel_tol=1e-9):
        raise DataError(
            f"margin={terms.margin:g}, and the historical values have margin={past.margin:g}. Use "
            f"one on both sides: historical_clv(orders, margin={terms.margin:g})."
        )
    until = rfm.attrs.get("until")
    if until is not None and pd.Timestamp(until).date() != past.until:
        day = pd.Timestamp(until).date()
        raise DataError(
            f"The summary ends at {day} and the historical values at {past.until}. Use one day on "
            f"both sides: historical_clv(orders, until='{day}')."
        )
    check_same_customers(rfm.index, past.customers.index)
