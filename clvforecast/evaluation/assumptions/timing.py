"""Poisson timing: purchases that come at random, at a rate that stays the same."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np
import pandas as pd
from scipy.optimize import brentq

from clvforecast.evaluation.assumptions.findings import Finding, judged, normal, unchecked
from clvforecast.numerics.arrays import FloatArray

__all__ = ["regularity", "steadiness"]

_FEWEST: Final = 50
"""Customers with two gaps: below, the interval of k spans everything from clumped to regular."""
_WATCH, _VIOLATED = 1.25, 1.5
"""Of k or 1 / k. From k = 1.5 on, an Erlang-2 timing is nearer than the exponential."""

_REGULAR: Final = (
    "P(alive) and totals are too high: backtest before acting on them, and look at the own rhythm "
    "of regular buyers who fall silent. A model with gamma-distributed gaps, such as the "
    "(M)BG/CNBD-k, allows for it."
)
_CLUSTERED: Final = (
    "A burst is taken for a high rate and the lull after it for a customer who has left, so that "
    "totals are too low: look at the season and the trend first, and backtest."
)


def regularity(gaps: pd.DataFrame) -> Finding:
    """Estimate the shape k of gamma-distributed gaps from each customer's last two.

    Parameters
    ----------
    gaps : pandas.DataFrame
        What `last_gaps_by_length` returns.

    Notes
    -----
    The last gap as a share M of both is Beta(k, k) distributed, whatever the customer's rate and
    whenever observation ends, so that ``k = (1 - 4 Var M) / (8 Var M)`` (R. D. Wheat and D. G.
    Morrison, "Estimating Purchase Regularity with Two Interpurchase Times", Journal of Marketing
    Research 27 (1990) 87-93). With whole days and one purchase per day, a Poisson process makes
    the last gap uniform on 1, ..., s - 1 of s days: the variance of M is then ``(s - 2) / (12 s)``
    and not 1/12, and deviations are measured against it. So k = 1 is estimated without bias from
    frequent buyers too; other values are drawn towards 1 where gaps are of a few days.
    """
    name = "purchase timing: regularity"
    known = gaps[gaps["days"] > 2]
    n, s = known["customers"].to_numpy(), known["days"].to_numpy()
    if n.sum() < _FEWEST:
        return _too_few(name, int(n.sum()))
    variance = (s - 2) / (12 * s)
    squares, fourths = known["squares"].to_numpy(), known["fourths"].to_numpy()
    ratio, error = _ratio(n, variance, squares, fourths)
    low, high, p_value = normal(ratio, error, 1.0)

    def k_of(ratio: float) -> float:
        return max((3 / ratio - 1) / 2, 0.0) if ratio > 0 else math.inf

    k, lower, upper = k_of(ratio), k_of(high), k_of(low)
    size = max(k, 1 / k) if k > 0 else math.inf
    verdict = judged(size, _WATCH, _VIOLATED, p_value)
    how = "as random as the models assume"
    if verdict != "as assumed":
        how = (
            "more regular than random: dropout is underestimated"
            if k > 1
            else "more clustered than random: dropout is overestimated"
        )
    return Finding(
        check=name,
        statistic="k (Wheat-Morrison; 1 is Poisson)",
        value=k,
        lower=lower,
        upper=upper,
        p_value=p_value,
        verdict=verdict,
        meaning=f"Gaps between the last purchases of {n.sum():,.0f} customers have k = {k:.2f}, "
        f"{how}.",
        remedy="" if verdict == "as assumed" else _REGULAR if k > 1 else _CLUSTERED,
    )


def steadiness(gaps: pd.DataFrame) -> Finding:
    """Estimate k from all gaps, which must then also come from one rate per customer.

    Parameters
    ----------
    gaps : pandas.DataFrame
        What `gaps_by_history` returns.

    Notes
    -----
    Given x gaps over n days, gamma-distributed gaps with shape k are n times a Dirichlet(k, ..., k)
    vector, whatever the rate, dropout and the end of observation. Its sum of squared deviations
    from 1/x (Greenwood's statistic for spacings, 1946) has expectation
    ``(x - 1) / (x (k x + 1))``; in whole days, for k = 1, that times ``(n - x) / n``: the x - 1
    days between are then any of n - 1 with equal probability. With x = 2 it is Wheat and
    Morrison's.
    """
    name = "purchase timing: steady rate"
    known = gaps[gaps["days"] > gaps["frequency"]]
    n, x, days = (known[c].to_numpy() for c in ("customers", "frequency", "days"))
    if n.sum() < _FEWEST:
        return _too_few(name, int(n.sum()))
    expected = (x - 1) / (x * (x + 1)) * (days - x) / days
    shift = 1 / x
    squares = known["squares"].to_numpy() - n * shift
    fourths = known["fourths"].to_numpy() - 2 * shift * known["squares"].to_numpy() + n * shift**2
    ratio, error = _ratio(n, expected, squares, fourths)
    low, high, p_value = normal(ratio, error, 1.0)
    weights = n * expected * (x + 1)

    def total(k: float) -> float:
        return float(np.sum(weights / (k * x + 1)) / np.sum(n * expected))

    k, lower, upper = (_solved(total, value) for value in (ratio, high, low))
    size = max(k, 1 / k) if k > 0 else math.inf
    verdict = judged(size, _WATCH, _VIOLATED, p_value)
    how = "as those of a steady rate"
    if verdict != "as assumed":
        how = (
            "more even than those of a Poisson process"
            if k > 1
            else "less even than those of a steady rate: customers buy in bursts, in season, or "
            "speed up or slow down"
        )
    return Finding(
        check=name,
        statistic="k (all gaps; 1 is Poisson)",
        value=k,
        lower=lower,
        upper=upper,
        p_value=p_value,
        verdict=verdict,
        meaning=f"All gaps of {n.sum():,.0f} customers with two or more are {how} (k = {k:.2f}).",
        remedy="" if verdict == "as assumed" else _REGULAR if k > 1 else _CLUSTERED,
    )


def _ratio(
    n: FloatArray, expected: FloatArray, sums: FloatArray, squares: FloatArray
) -> tuple[float, float]:
    """Sum over customers over its expectation, and the standard error of that ratio.

    Groups of n customers share an expectation each; `sums` and `squares` add up over them.
    """
    whole = np.sum(n * expected)
    ratio = sums.sum() / whole
    spread = squares - 2 * ratio * expected * sums + n * (ratio * expected) ** 2
    return float(ratio), float(math.sqrt(max(spread.sum(), 0.0)) / whole)


_SMALLEST, _LARGEST = 1e-6, 1e6


def _solved(total: Callable[[float], float], value: float) -> float:
    """The k at which a decreasing function has a value; 0 or infinity beyond its range."""
    if value >= total(_SMALLEST):
        return 0.0
    if value <= total(_LARGEST):
        return math.inf
    return float(brentq(lambda k: total(k) - value, _SMALLEST, _LARGEST))


def _too_few(name: str, customers: int) -> Finding:
    return unchecked(
        name,
        f"Customers with three purchase days far enough apart: {customers:,}, too few to tell.",
        "Observe for longer.",
    )
