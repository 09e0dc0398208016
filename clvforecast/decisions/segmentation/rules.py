"""The rules that name segments: by value and P(alive), by recency, frequency and money, by cohort.

Every rule puts every customer into exactly one segment, and equal customers into the same one,
whatever the order of the rows.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from clvforecast.errors import DataError
from clvforecast.numerics.arrays import BoolArray, FloatArray, IntArray, settled
from clvforecast.units import duration_in_days

__all__ = [
    "COHORTS",
    "RFM_SEGMENTS",
    "VALUE_SEGMENTS",
    "ValueRules",
    "cohort_labels",
    "rfm_labels",
    "rfm_scores",
    "value_labels",
]

VALUE_SEGMENTS: Final = (
    "champions",
    "rising",
    "new",
    "slowing",
    "occasional",
    "at risk",
    "fading",
    "lost",
)

RFM_SEGMENTS: Final = (
    "champions",
    "loyal",
    "potential loyalists",
    "new",
    "promising",
    "need attention",
    "about to sleep",
    "cannot lose",
    "at risk",
    "hibernating",
)

_RFM_MAP: Final = (
    ("hibernating", "hibernating", "at risk", "at risk", "cannot lose"),
    ("hibernating", "hibernating", "at risk", "at risk", "cannot lose"),
    ("about to sleep", "about to sleep", "need attention", "loyal", "loyal"),
    ("promising", "potential loyalists", "potential loyalists", "loyal", "loyal"),
    ("new", "potential loyalists", "potential loyalists", "champions", "champions"),
)
"""Rows R = 1 to 5, columns F = 1 to 5."""

COHORTS: Final = {"cohort_month": "M", "cohort_quarter": "Q", "cohort_year": "Y"}

_SCORES: Final = 5


@dataclass(frozen=True)
class ValueRules:
    """Where the segments by value begin and end. The first rule that holds names the customer.

    ==============  ===================================================
    segment         rule
    ==============  ===================================================
    new             first order less than `new_within` ago
    lost            P(alive) below `lost`
    at risk         P(alive) below `fading`, high past value
    fading          P(alive) below `fading`
    champions       high past value, high future value
    slowing         high past value
    rising          high future value
    occasional      everybody else
    ==============  ===================================================

    Parameters
    ----------
    quantile : float
        High means above this quantile of all customers, of past value and of future value (`clv`).
        A customer at the quantile is not above it.
    fading, lost : float
        P(alive) below which a customer counts as fading, and as lost; ``lost <= fading``.
    new_within : str
        How long a customer is new, such as "13W"; "0D" makes nobody new.
    past_cut, clv_cut : float, optional
        Amounts to be above, instead of the quantiles. A `Segmentation` has them in its `rules`:
        hand these on to hold the same amounts at another date.

    Raises
    ------
    DataError
        If a threshold is out of range.

    Examples
    --------
    >>> ValueRules(quantile=0.9).new_days
    91.0
    """

    quantile: float = 0.8
    fading: float = 0.5
    lost: float = 0.2
    new_within: str = "13W"
    past_cut: float | None = None
    clv_cut: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.quantile < 1:
            raise DataError(f"quantile={self.quantile!r} must lie between 0 and 1, such as 0.8.")
        if not 0 <= self.lost <= self.fading <= 1:
            raise DataError(
                f"lost={self.lost!r} and fading={self.fading!r} must be probabilities, the first "
                "not above the second, such as 0.2 and 0.5."
            )
        for name in ("past_cut", "clv_cut"):
            cut = getattr(self, name)
            if cut is not None and not math.isfinite(cut):
                raise DataError(f"{name}={cut!r} must be an amount, or None for the quantile.")
        if not isinstance(self.new_within, str):
            raise DataError(f"new_within={self.new_within!r} has no unit. Write '13W' or '90D'.")
        duration_in_days(self.new_within, name="new_within")

    @property
    def new_days(self) -> float:
        """Days that a customer is new."""
        return duration_in_days(self.new_within, name="new_within")

    def with_cuts(self, past_value: FloatArray, clv: FloatArray) -> ValueRules:
        """Work the quantiles out, where no amount is given."""
        past, future = (settled(values) for values in (past_value, clv))
        return dataclasses.replace(
            self,
            past_cut=_cut(past, self.quantile) if self.past_cut is None else float(self.past_cut),
            clv_cut=_cut(future, self.quantile) if self.clv_cut is None else float(self.clv_cut),
        )


def value_labels(customers: pd.DataFrame, until: pd.Timestamp, rules: ValueRules) -> pd.Categorical:
    """Name each customer by value and P(alive), as `ValueRules` says.

    Parameters
    ----------
    customers : DataFrame
        `past_value`, `clv`, `p_alive` and `first_order`, nothing missing.
    until : Timestamp
        End of observation.
    rules : ValueRules
        With both cuts.

    Returns
    -------
    Categorical
        Ordered as `VALUE_SEGMENTS`.
    """
    alive = customers["p_alive"].to_numpy(dtype=float)
    high_past = _above(customers["past_value"], rules.past_cut)
    high_future = _above(customers["clv"], rules.clv_cut)
    age = (until - customers["first_order"]).dt.days.to_numpy()
    conditions = {
        "new": age < rules.new_days,
        "lost": alive < rules.lost,
        "at risk": (alive < rules.fading) & high_past,
        "fading": alive < rules.fading,
        "champions": high_past & high_future,
        "slowing": high_past,
        "rising": high_future,
    }
    named = np.select(list(conditions.values()), list(conditions), default="occasional")
    return pd.Categorical(named, categories=list(VALUE_SEGMENTS), ordered=True)


def rfm_scores(customers: pd.DataFrame) -> pd.DataFrame:
    """Score recency, frequency and money from 1 to 5, the best.

    Parameters
    ----------
    customers : DataFrame
        `last_order`, `orders` and `past_value`.

    Returns
    -------
    DataFrame
        `R`, `F` and `M`: 1 and the number of quintile limits that lie below the customer's value.
        The limits are values of customers (the smallest not exceeded by 20, 40, 60 and 80% of
        them), so equal customers get equal scores, and where more than a fifth of them are equal a
        score may be missing: of customers most of whom ordered once, none has F = 2.

    Examples
    --------
    >>> customers = pd.DataFrame({
    ...     "last_order": pd.to_datetime(["2024-01-0%d" % day for day in (1, 2, 3, 4, 5)]),
    ...     "orders": [1, 1, 1, 2, 9], "past_value": [10.0, 50.0, 30.0, 20.0, 40.0]})
    >>> rfm_scores(customers).to_numpy().tolist()
    [[1, 1, 1], [2, 1, 5], [3, 1, 3], [4, 4, 2], [5, 5, 4]]
    """
    days = (customers["last_order"] - customers["last_order"].min()).dt.days
    return pd.DataFrame(
        {
            "R": _quintiles(days.to_numpy(dtype=float)),
            "F": _quintiles(customers["orders"].to_numpy(dtype=float)),
            "M": _quintiles(customers["past_value"].to_numpy(dtype=float)),
        },
        index=customers.index,
    )


def rfm_labels(scores: pd.DataFrame) -> pd.Categorical:
    """Name each customer by the scores R and F, as marketing tools have it.

    Returns
    -------
    Categorical
        Ordered as `RFM_SEGMENTS`.
    """
    names = np.array(_RFM_MAP)[scores["R"].to_numpy() - 1, scores["F"].to_numpy() - 1]
    return pd.Categorical(names, categories=list(RFM_SEGMENTS), ordered=True)


def cohort_labels(first_order: pd.Series[Any], rule: str) -> pd.Categorical:
    """Name each customer by the month, quarter or year of the first order, such as "1997Q1".

    Returns
    -------
    Categorical
        In order of time, with the cohorts there are.
    """
    names = first_order.dt.to_period(COHORTS[rule]).astype(str).to_numpy(dtype=object)
    return pd.Categorical(names, categories=sorted(set(names)), ordered=True)


def _quintiles(values: FloatArray) -> IntArray:
    sizes = settled(values)
    # In whole numbers: 0.6 x n may round to just above the rank it means.
    ranks = -(-np.arange(1, _SCORES) * sizes.size // _SCORES) - 1
    limits = np.sort(sizes)[ranks]
    return 1 + np.searchsorted(limits, sizes, side="left").astype(np.int64)


def _above(values: pd.Series[float], cut: float | None) -> BoolArray:
    if cut is None:
        raise DataError("The rules have no amounts yet. Take them from a Segmentation.")
    return np.asarray(settled(values) > cut)


def _cut(values: FloatArray, quantile: float) -> float:
    return float(np.quantile(values, quantile))
