"""First purchases: really the first, or only the first that the log has."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import pandas as pd
from scipy.special import ndtr

from clvforecast.evaluation.assumptions.findings import Finding, judged, unchecked
from clvforecast.wording import format_share

__all__ = ["first_purchases", "left_censoring"]

_FEWEST_WEEKS: Final = 8
_FEWEST_CUSTOMERS: Final = 50
_EARLY: Final = 0.25
"""The part of the time of acquisition in which existing customers show up as new ones."""
_WATCH, _VIOLATED = 0.2, 0.4
"""Share of the early customers that are probably not new: their T is too short by an unknown age,
and customers who have stayed for long are taken for typical new ones."""


def first_purchases(rfm: pd.DataFrame, days: float) -> pd.Series[int]:
    """First purchases per whole week, from the first of all to the last of all.

    Parameters
    ----------
    rfm : pandas.DataFrame
    days : float
        Days in its time unit.

    Returns
    -------
    pandas.Series
        Indexed by `week`, from 1.
    """
    age = np.rint(rfm["T"].to_numpy(dtype=float) * days).astype(np.int64)
    day = age.max() - age
    weeks = (int(day.max()) + 1) // 7
    counts = np.bincount(day // 7, minlength=weeks)[:weeks]
    return pd.Series(counts, index=pd.RangeIndex(1, weeks + 1, name="week"), name="customers")


def left_censoring(weekly: pd.Series[int]) -> Finding:
    """Test for a bulge of "first" purchases at the start.

    Notes
    -----
    Customers who bought before the log began have their first purchase in it soon after, ever
    fewer with time. The mean of the first quarter of the weeks is held against that of the second
    half, one-sided. Acquisition itself varies by more than Poisson: the variance over the mean is
    taken from the differences of weeks that follow each other (von Neumann 1941), which neither a
    bulge nor a trend inflates.
    """
    name = "first purchases: none before the log"
    counts = weekly.to_numpy(dtype=float)
    if len(counts) < _FEWEST_WEEKS or counts.sum() < _FEWEST_CUSTOMERS:
        return unchecked(
            name,
            f"{counts.sum():,.0f} customers were acquired over {len(counts):,} weeks: too short a "
            f"time to tell (needed: {_FEWEST_CUSTOMERS} over {_FEWEST_WEEKS}).",
            "See that each customer's first purchase of all is in the log.",
        )
    cut = max(round(len(counts) * _EARLY), 2)
    early, late = counts[:cut], counts[len(counts) // 2 :]
    steady = late.mean()
    excess = 1 - steady / early.mean() if early.mean() > 0 else 0.0
    variance_ratio = max(float(np.sum(np.diff(counts) ** 2)) / 2 / float(np.sum(counts[1:])), 1.0)
    level = (early.sum() + late.sum()) / (len(early) + len(late))
    error = math.sqrt(variance_ratio * level * (1 / len(early) + 1 / len(late)))
    p_value = float(ndtr(-(early.mean() - steady) / error))
    verdict = judged(excess, _WATCH, _VIOLATED, p_value)
    meaning = (
        f"{early.mean():,.1f} customers a week first bought in the first {cut} weeks, "
        f"{steady:,.1f} in the second half of the time of acquisition."
    )
    if verdict != "as assumed":
        meaning += (
            f" If acquisition was steady, {format_share(excess)} of the early ones had bought "
            "before the log began."
        )
    return Finding(
        check=name,
        statistic="share of early customers probably not new",
        value=max(excess, 0.0),
        p_value=p_value,
        verdict=verdict,
        meaning=meaning,
        remedy=""
        if verdict == "as assumed"
        else (
            f"Unless you know that acquisition fell, leave out the customers of the first {cut} "
            "weeks when fitting, or add the orders from before."
        ),
    )
