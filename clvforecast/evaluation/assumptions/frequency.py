"""How often customers buy: as the fitted model says."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from clvforecast.evaluation.assumptions.findings import Finding, judged, normal, unchecked
from clvforecast.models import PurchaseModel
from clvforecast.numerics.arrays import FloatArray
from clvforecast.wording import format_share

__all__ = ["expected_frequencies", "goodness_of_fit", "one_time_buyers", "total_purchases"]

_FEWEST_EXPECTED: Final = 5.0
"""Customers in a bin, for the chi-squared law to hold (Cochran 1954)."""
_LARGEST_COUNT: Final = 30
_MISFIT = 0.02, 0.05
"""Share of customers in the wrong bin."""
_ONCE = 0.02, 0.05
"""Difference of the shares of one-time buyers."""
_MOSTLY_ONCE: Final = 0.8
"""From here on four of five customers tell nothing of dropout."""
_TOTAL = 0.05, 0.15
"""Relative error of the total: what the model gets wrong on the data that it was fitted to."""


def expected_frequencies(model: PurchaseModel, rfm: pd.DataFrame) -> pd.DataFrame:
    """Customers by number of repeat purchases, and how many the model expects.

    Returns
    -------
    pandas.DataFrame
        Indexed by `frequency`: ``customers`` and ``expected``. The last row is of all counts from
        there on, so chosen that every row expects 5 customers.
    """
    x = rfm["frequency"].to_numpy(dtype=float)
    new, ages, codes = model.as_newcomers(rfm["T"].to_numpy(dtype=float))
    weights = np.bincount(codes).astype(float)
    counts = np.arange(_LARGEST_COUNT + 1)
    expected = weights @ new.beside_counts().purchase_pmf(counts, ages[:, None])
    rest = len(x) - np.cumsum(expected)
    # Bins 0, ..., top - 1 and "top or more".
    enough = (expected >= _FEWEST_EXPECTED) & (rest >= _FEWEST_EXPECTED)
    top = int(np.argmin(enough)) if not enough.all() else _LARGEST_COUNT
    actual = np.bincount(np.minimum(x, top).astype(np.int64), minlength=top + 1)
    before = expected[:top]
    return pd.DataFrame(
        {"customers": actual, "expected": [*before, len(x) - before.sum()]},
        index=pd.RangeIndex(top + 1, name="frequency"),
    )


def goodness_of_fit(frequencies: pd.DataFrame, estimated: int) -> Finding:
    """Test the distribution of the number of repeat purchases.

    Parameters
    ----------
    frequencies : pandas.DataFrame
        What `expected_frequencies` returns.
    estimated : int
        Number of parameters fitted to these customers; 0 for given ones.

    Notes
    -----
    Pearson's chi-squared, as in Fader, Hardie and Lee (2005). Parameters estimated from more than
    the bins cost between none and all of their degrees of freedom (H. Chernoff and E. L. Lehmann,
    Annals of Mathematical Statistics 25 (1954) 579-586); all are taken off, so that the p-value is
    rather too small.
    """
    name = "number of repeat purchases"
    actual, expected = (frequencies[c].to_numpy() for c in ("customers", "expected"))
    freedom = len(frequencies) - 1 - estimated
    if freedom < 1:
        return unchecked(
            name,
            f"{len(frequencies)} bins with {_FEWEST_EXPECTED:.0f} expected customers are too few "
            f"to test {estimated} parameters.",
            "Observe for longer.",
        )
    statistic = float(np.sum((actual - expected) ** 2 / expected))
    p_value = float(chdtrc(freedom, statistic))
    misfit = float(np.abs(actual - expected).sum() / 2 / actual.sum())
    verdict = judged(misfit, *_MISFIT, p_value)
    worst = int(np.argmax(np.abs(actual - expected)))
    counted = f"{worst} or more" if worst == len(frequencies) - 1 else str(worst)
    return Finding(
        check=name,
        statistic=f"chi-squared on {freedom}",
        value=statistic,
        p_value=p_value,
        verdict=verdict,
        meaning=(
            f"{format_share(misfit)} of customers would have to buy another number of times for "
            f"the model to be right; most with {counted} repeat purchases: {actual[worst]:,.0f}, "
            f"expected {expected[worst]:,.1f}."
        ),
        remedy=""
        if verdict == "as assumed"
        else "Try another model, and split customers into segments that differ in kind.",
    )


def one_time_buyers(model: PurchaseModel, rfm: pd.DataFrame) -> Finding:
    """Compare the share of customers without a repeat purchase with the model's."""
    once = rfm["frequency"].to_numpy() == 0
    new, ages, codes = model.as_newcomers(rfm["T"].to_numpy(dtype=float))
    none = np.asarray(new.purchase_pmf(0, ages))[codes]
    share, expected = float(once.mean()), float(none.mean())
    error = math.sqrt(float(np.sum(none * (1 - none)))) / len(rfm)
    lower, upper, p_value = normal(share - expected, error, 0.0)
    verdict = judged(abs(share - expected), *_ONCE, p_value)
    if verdict == "as assumed" and share > _MOSTLY_ONCE:
        verdict = "watch"
    x, t_x, T = (rfm[c].to_numpy(dtype=float) for c in model.columns)
    certain = float(np.mean(model.p_alive(x, t_x, T)[once] == 1.0)) if once.any() else 0.0
    property_of_model = (
        f" {model.name} gives them P(alive) = 1 whatever their silence: a property of the model, "
        "no finding."
        if certain == 1.0
        else ""
    )
    return Finding(
        check="one-time buyers",
        statistic="share, less what the model expects",
        value=share - expected,
        lower=lower,
        upper=upper,
        p_value=p_value,
        verdict=verdict,
        meaning=(
            f"{format_share(share)} of customers have bought once, {format_share(expected)} are "
            f"expected to.{property_of_model}"
        ),
        remedy=""
        if verdict == "as assumed"
        else (
            "Do not rank one-time buyers by P(alive). A model that lets customers leave at once, "
            "such as MBG/NBD, or more history, tells more of them."
        ),
    )


def total_purchases(model: PurchaseModel, rfm: pd.DataFrame) -> Finding:
    """Compare the repeat purchases of all customers with what was to be expected of new ones.

    Notes
    -----
    The fit maximises the likelihood of whole histories, not of totals, so that the two need not
    agree: where they do not, the model is wrong about how purchases spread over a customer's time.
    The standard error is that of a sum of independent customers, whatever their law.
    """
    x = rfm["frequency"].to_numpy(dtype=float)
    new, ages, codes = model.as_newcomers(rfm["T"].to_numpy(dtype=float))
    expected: FloatArray = new.expected_repeat_purchases(ages)[codes]
    ratio = float(x.sum() / expected.sum())
    error = math.sqrt(float(np.sum((x - ratio * expected) ** 2))) / float(expected.sum())
    lower, upper, p_value = normal(ratio, error, 1.0)
    verdict = judged(abs(math.log(ratio)) if ratio > 0 else math.inf, *_TOTAL, p_value)
    return Finding(
        check="total of repeat purchases",
        statistic="actual over expected",
        value=ratio,
        lower=lower,
        upper=upper,
        p_value=p_value,
        verdict=verdict,
        meaning=(
            f"These customers made {x.sum():,.0f} repeat purchases; the model expects "
            f"{expected.sum():,.0f} of customers of their age."
        ),
        remedy=""
        if verdict == "as assumed"
        else (
            "The model misses the total of its own data, so a forecast of totals will be off too: "
            "look for the reason among the findings on timing, weeks and first purchases."
        ),
    )
