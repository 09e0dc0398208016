"""The average customer lifespan of the simple formula: given, or estimated from the log."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from clvforecast.errors import DataError, suggest
from clvforecast.units import duration_in_days
from clvforecast.wording import format_days, format_share

__all__ = ["Lifespan", "estimate_days", "find_lifespan", "positive_days", "retention"]

_METHODS: Final = ("churn", "observed")
_DAY: Final = pd.Timedelta(days=1)


@dataclass(frozen=True)
class Lifespan:
    """How long a customer stays, and how that was found.

    Attributes
    ----------
    days : float
        The average customer lifespan in days.
    method : {"given", "churn", "observed"}
        Where it comes from.
    explanation : str
        The same in words, with the numbers and the caveat.
    """

    days: float
    method: str
    explanation: str

    def __str__(self) -> str:
        return f"{format_days(self.days)}: {self.explanation}"


def positive_days(duration: str, name: str) -> float:
    """Days in a positive, finite duration, which must say its unit.

    >>> positive_days("104W", "lifespan")
    728.0
    """
    if not isinstance(duration, str):
        raise DataError(f"{name}={duration!r} has no unit. Write '{duration}W' or '2Y', say.")
    days = duration_in_days(duration, name=name)
    if not (math.isfinite(days) and days > 0):
        raise DataError(f"{name}={duration!r} must be longer than 0 and finite, such as '2Y'.")
    return days


def retention(activity: pd.DataFrame, first: pd.Timestamp, observed_days: float) -> pd.DataFrame:
    """Say of each customer what lifespans are estimated from; the columns can be added up.

    Parameters
    ----------
    activity : pandas.DataFrame
        `first_order` and `last_order` of each customer.
    first : pandas.Timestamp
        First day of the log.
    observed_days : float
        Days from the first day to the end of observation, both included.

    Returns
    -------
    pandas.DataFrame
        `customers` (1), `early` (1 for those who bought in the first half of the log), `lost` (1
        for those of them who did not buy in the second), `span_days` (first to last order).
    """
    last_day_of_first_half = first + (math.floor(observed_days / 2) - 1) * _DAY
    early = activity["first_order"] <= last_day_of_first_half
    lost = activity["last_order"] <= last_day_of_first_half
    return pd.DataFrame(
        {
            "customers": 1.0,
            "early": early.astype(float),
            "lost": lost.astype(float),
            "span_days": (activity["last_order"] - activity["first_order"]).dt.total_seconds()
            / 86_400,
        },
        index=activity.index,
    )


def estimate_days(totals: pd.DataFrame, method: str, observed_days: float) -> pd.Series[float]:
    """Estimate lifespans from rows of `retention` totals.

    Parameters
    ----------
    totals : pandas.DataFrame
        One row per group of customers.
    method : {"churn", "observed"}
        How to estimate.
    observed_days : float
        Days the log was observed.

    Returns
    -------
    pandas.Series
        Days per group: infinite where nobody is seen to leave, 0 where nobody buys on two days.
    """
    if method == "observed":
        return totals["span_days"] / totals["customers"]
    churn = totals["lost"] / totals["early"].clip(lower=1.0)
    with np.errstate(divide="ignore"):
        return observed_days / 2 / churn


def find_lifespan(lifespan: str | None, everyone: pd.DataFrame, observed_days: float) -> Lifespan:
    """Take the lifespan given, or estimate the one of all customers and say how.

    Parameters
    ----------
    lifespan : str or None
        A duration, a method of `estimate_days`, or None for "churn".
    everyone : pandas.DataFrame
        One row: the totals of `retention` over all customers.
    observed_days : float
        Days the log was observed.

    Returns
    -------
    Lifespan

    Raises
    ------
    DataError
        If `lifespan` is neither, or the log does not show one.
    """
    method = "churn" if lifespan is None else lifespan
    if method == "churn":
        return _from_churn(everyone, observed_days)
    if method == "observed":
        return _from_spans(everyone, observed_days)
    if isinstance(method, str) and not any(c.isdigit() for c in method):
        raise DataError(
            f"lifespan={method!r} is neither a duration such as '2Y' nor a way to estimate one. "
            f"{suggest(method, _METHODS)}"
        )
    return Lifespan(positive_days(method, "lifespan"), "given", f"lifespan={method!r} was given.")


def _from_churn(everyone: pd.DataFrame, observed_days: float) -> Lifespan:
    early, lost = int(everyone["early"].iloc[0]), int(everyone["lost"].iloc[0])
    if lost == 0:
        fact = (
            f"all {early:,} customers of the first half of the log also buy in the second"
            if early
            else f"a log of {format_days(observed_days)} has no two halves"
        )
        raise DataError(
            f"The lifespan cannot be estimated from churn: {fact}. Give one, such as lifespan='2Y'."
        )
    days = float(estimate_days(everyone, "churn", observed_days).iloc[0])
    half = f"{observed_days / 2:g} days"
    return Lifespan(
        days,
        "churn",
        f"estimated from churn. Of {early:,} customers who bought in the first half of the log "
        f"({half}), {lost:,} ({format_share(lost / early)}) did not buy in the second: {half} / "
        f"{lost / early:.4g} = {days:.1f} days. A rough guide: a slow buyer counts as lost, and "
        "the answer depends on where the log is cut.",
    )


def _from_spans(everyone: pd.DataFrame, observed_days: float) -> Lifespan:
    days = float(estimate_days(everyone, "observed", observed_days).iloc[0])
    if days <= 0:
        raise DataError(
            "The lifespan cannot be estimated from the observed spans: no customer bought on two "
            "different days. Give one, such as lifespan='2Y'."
        )
    return Lifespan(
        days,
        "observed",
        f"observed. From first to last order a customer spans {days:.1f} days on average. This is "
        "too short: the log ends before the customers do, and one-time buyers count as zero.",
    )
