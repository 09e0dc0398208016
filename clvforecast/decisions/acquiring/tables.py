"""The tables of `Acquisition`: what is expected of new customers, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from clvforecast.decisions.acquiring.expectations import NewCustomer, Terms
from clvforecast.decisions.acquiring.groups import Acquired
from clvforecast.numerics.arrays import FloatArray, IntArray

__all__ = ["RESERVED", "curve_table", "group_facts", "value_table"]

_STEPS: Final = 60
_WITH_LIMITS: Final = (
    *("repeat_value", "value", "most_for_ratio", "most_for_payback"),
    *("ratio", "net_value", "payback"),
)
RESERVED: Final = frozenset(
    (
        *("customers", "repeat_customers", "median_age", "small", "recent", "credibility"),
        *("first_order", "repeat_orders", "expected_spend", "cost", "p_worth_it", "time"),
        *(f"{name}{side}" for name in _WITH_LIMITS for side in ("", "_lower", "_upper")),
    )
)
"""Names that no grouping may have."""


def group_facts(known: Acquired, codes: IntArray, small: int, halfway: float) -> pd.DataFrame:
    """What is known of each group's customers.

    Parameters
    ----------
    known : Acquired
    codes : ndarray of int, shape (n,)
    small : int
        Fewer repeat customers are few.
    halfway : float
        A group half of whose customers have been seen for less is recent.
    """
    ages = known.rfm["T"].groupby(codes).median()
    repeat_customers = (known.rfm["frequency"] > 0).groupby(codes).sum()
    return pd.DataFrame(
        {
            "customers": np.bincount(codes),
            "repeat_customers": repeat_customers.to_numpy(),
            "median_age": ages.to_numpy(),
            "small": (repeat_customers < small).to_numpy(),
            "recent": (ages < halfway).to_numpy(),
        }
    )


def value_table(
    groups: Sequence[NewCustomer],
    facts: pd.DataFrame,
    costs: FloatArray | None,
    terms: Terms,
    index: pd.Index[Any],
) -> pd.DataFrame:
    """A row per group, with the columns that `Acquisition` says."""
    rows = []
    for g, group in enumerate(groups):
        row: dict[str, float] = {
            "credibility": group.credibility,
            "first_order": float(group.first_order.mean()),
            "repeat_orders": float(group.repeat_orders.mean()),
            "expected_spend": float(group.spend.mean()),
        }
        value = group.value.amounts[:, -1]
        row |= _with_interval("repeat_value", group.repeat_value, terms)
        row |= _with_interval("value", value, terms)
        row |= _with_interval("most_for_ratio", value / terms.target_ratio, terms)
        if terms.target_payback is not None:
            by_then = group.value(terms.target_payback)
            row |= _with_interval("most_for_payback", by_then, terms)
        if costs is not None:
            row |= _beside_cost(group, float(costs[g]), terms)
        rows.append(row)
    table = pd.concat([facts, pd.DataFrame(rows)], axis="columns")
    table.index = index
    return table


def curve_table(groups: Sequence[NewCustomer], index: pd.Index[Any], terms: Terms) -> pd.DataFrame:
    """Cumulated value by the time since the first order, a row per group and time."""
    times = np.linspace(0.0, terms.horizon, _STEPS + 1)
    columns: dict[str, list[FloatArray]] = {"value": [], "value_lower": [], "value_upper": []}
    for group in groups:
        drawn = group.value(times)
        lower, upper = np.quantile(drawn, terms.tails, axis=0)
        for name, values in zip(columns, (drawn.mean(axis=0), lower, upper), strict=True):
            columns[name].append(values)
    rows = pd.MultiIndex.from_product([index, times], names=[index.name, "time"])
    return pd.DataFrame({name: np.concatenate(parts) for name, parts in columns.items()}, rows)


def _beside_cost(group: NewCustomer, cost: float, terms: Terms) -> dict[str, float]:
    value = group.value.amounts[:, -1]
    row = {"cost": cost}
    if np.isnan(cost):
        nothing = np.full(value.shape, np.nan)
        ratio, net, payback, mean_payback = nothing, nothing, nothing, np.nan
        row["p_worth_it"] = np.nan
    else:
        ratio = value / cost if cost > 0 else np.full(value.shape, np.inf)
        net = value - cost
        payback = group.value.reach(cost)
        mean_payback = float(group.value.mean().reach(cost)[0])
        row["p_worth_it"] = float(np.isfinite(payback).mean())
    row |= _with_interval("ratio", ratio, terms)
    row |= _with_interval("net_value", net, terms)
    # Of the expected curve, not a mean of times some of which may be never.
    row |= _with_interval("payback", payback, terms) | {"payback": mean_payback}
    return row


def _with_interval(name: str, drawn: FloatArray, terms: Terms) -> dict[str, float]:
    # Order statistics: between a time and never there is nothing to interpolate.
    lower, upper = np.quantile(drawn, terms.tails, method="inverted_cdf")
    return {name: float(drawn.mean()), f"{name}_lower": float(lower), f"{name}_upper": float(upper)}
