"""Spend: independent of how often a customer buys, and not carried by a few."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import pandas as pd

from clvforecast.evaluation.assumptions.findings import Finding, judged, normal, unchecked
from clvforecast.wording import format_number, format_share

__all__ = ["concentration", "independence", "spend_by_frequency"]

_FEWEST: Final = 30
_WATCH, _VIOLATED = 1.2, 1.5
"""Mean spend of the most frequent fifth over that of the least, or its inverse: how far the value
of the customers who matter most is off."""
_LARGEST_WATCH, _LARGEST_VIOLATED = 0.05, 0.20
"""Share of one customer: from a twentieth on, his whim moves the total by more than the forecasts
of good models err on it; at a fifth it is a forecast of him."""
_TOP_WATCH: Final = 1 / 3
"""Share of the top hundredth; the Gamma-Gamma fitted to CDNOW expects a tenth."""


def spend_by_frequency(rfm: pd.DataFrame) -> pd.DataFrame:
    """Mean spend of repeat customers in up to five groups by frequency, as equal as ties allow.

    Returns
    -------
    pandas.DataFrame
        Indexed by ``frequency``, the smallest of the group: ``most``, ``customers``,
        ``mean_spend`` (mean over customers of `monetary_value`) and ``standard_error``.
    """
    known = rfm[(rfm["frequency"] > 0) & (rfm["monetary_value"] > 0)]
    x, m = (known[name].to_numpy(dtype=float) for name in ("frequency", "monetary_value"))
    # The share of customers who buy no more often puts all of one frequency into one group.
    below = np.searchsorted(np.sort(x), x, side="left") / max(len(x), 1)
    group = np.floor(below * 5)
    table = pd.DataFrame({"group": group, "x": x, "m": m}).groupby("group")
    found = table.agg(
        frequency=("x", "min"), most=("x", "max"), customers=("m", "size"), mean_spend=("m", "mean")
    )
    found["standard_error"] = table["m"].std() / np.sqrt(found["customers"])
    return found.astype({"frequency": "int64", "most": "int64"}).set_index("frequency")


def independence(rfm: pd.DataFrame) -> Finding:
    """Correlate mean spend with frequency among repeat customers.

    Notes
    -----
    Under Gamma-Gamma the expectation of mean spend is the same at every frequency, its variance is
    not. So the limits and the p-value are those that hold without equal variances (from the
    influence function of the correlation, and J. G. MacKinnon and H. White's HC3 for the slope,
    Journal of Econometrics 29 (1985) 305-325), and ranks or logarithms, whose expectations do
    change with the frequency, are of no use. The same correlation is checked by P. S. Fader,
    B. G. S. Hardie and K. L. Lee, "RFM and CLV: Using Iso-Value Curves for Customer Base Analysis",
    Journal of Marketing Research 42 (2005) 415-430.
    """
    name = "spend independent of frequency"
    known = rfm[(rfm["frequency"] > 0) & (rfm["monetary_value"] > 0)]
    x, m = (known[c].to_numpy(dtype=float) for c in ("frequency", "monetary_value"))
    if len(known) < _FEWEST or np.ptp(x) == 0 or np.ptp(m) == 0:
        return unchecked(
            name,
            f"The {len(known):,} repeat customers are too few, or too alike, to tell.",
            "Observe for longer.",
        )
    zx, zm = (x - x.mean()) / x.std(), (m - m.mean()) / m.std()
    correlation = float(np.mean(zx * zm))
    influence = zx * zm - correlation * (zx**2 + zm**2) / 2
    error = math.sqrt(float(np.mean(influence**2)) / len(x))
    lower, upper, _ = normal(correlation, error, 0.0)
    # The test is that of the slope: residuals over 1 - leverage, for frequent buyers have much.
    residuals = (zm - correlation * zx) / (1 - (1 + zx**2) / len(x))
    p_value = normal(correlation, math.sqrt(float(np.mean((zx * residuals) ** 2)) / len(x)), 0.0)[2]
    groups = spend_by_frequency(rfm)
    least, most = groups.iloc[0], groups.iloc[-1]
    ratio = float(most["mean_spend"] / least["mean_spend"])
    verdict = judged(max(ratio, 1 / ratio), _WATCH, _VIOLATED, p_value)
    return Finding(
        check=name,
        statistic="correlation of mean spend and frequency",
        value=correlation,
        lower=max(lower, -1.0),
        upper=min(upper, 1.0),
        p_value=p_value,
        verdict=verdict,
        meaning=(
            f"An order of the customers with {groups.index[-1]:,} repeats or more is worth "
            f"{format_number(round(float(most['mean_spend']), 2))}, of those with "
            f"{_up_to(int(least['most']))} {format_number(round(float(least['mean_spend']), 2))}: "
            f"{ratio:.2f} times as much."
        ),
        remedy=""
        if verdict == "as assumed"
        else (
            "The spend model gives frequent and rare buyers one distribution. Fit it by segment "
            "(such as trade and private customers), or compare value by frequency in a backtest."
        ),
    )


def concentration(rfm: pd.DataFrame) -> Finding:
    """Say how much of the repeat spend the largest customers make."""
    name = "spend carried by a few"
    spend = (rfm["frequency"] * rfm["monetary_value"]).astype(float).sort_values(ascending=False)
    total = float(spend.sum())
    if total <= 0 or len(spend) < _FEWEST:
        return unchecked(name, "There is too little repeat spend to tell.", "Observe for longer.")
    count = max(round(len(spend) / 100), 1)
    top, largest = float(spend.iloc[:count].sum()) / total, float(spend.iloc[0]) / total
    verdict = judged(largest, _LARGEST_WATCH, _LARGEST_VIOLATED)
    if verdict == "as assumed" and top >= _TOP_WATCH:
        verdict = "watch"
    return Finding(
        check=name,
        statistic="share of repeat spend of the top 1%",
        value=top,
        verdict=verdict,
        meaning=(
            f"The top {count:,} of {len(spend):,} customers make {format_share(top)} of the repeat "
            f"spend; the largest, {spend.index[0]!s}, {format_share(largest)}."
        ),
        remedy=""
        if verdict == "as assumed"
        else (
            "Forecast key accounts by hand, or apart from the others, and read the interval of the "
            "total, not its expectation."
        ),
    )


def _up_to(most: int) -> str:
    return "one" if most == 1 else f"{most:,} at most"
