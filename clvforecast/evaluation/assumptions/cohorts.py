"""Customers acquired at different times: alike, but for their age."""

from __future__ import annotations

import math
import warnings
from typing import Final

import numpy as np
import pandas as pd

from clvforecast.errors import FitError, FitWarning
from clvforecast.evaluation.assumptions.findings import Finding, judged, normal, unchecked
from clvforecast.fitting import fit, likelihood_ratio_test
from clvforecast.models import PurchaseModel
from clvforecast.wording import format_days, format_number, format_share

__all__ = ["first_spend", "purchase_cohorts", "repurchase", "returned_by_week"]

_FEWEST: Final = 100
"""Customers, for a share or a slope."""
_FEWEST_REPEATERS: Final = 100
"""Repeat customers per cohort: 25 for each of four parameters."""
_COHORTS: Final = 4
_WATCH, _VIOLATED = 1.2, 1.5
"""How many times the purchases, spend or returns of one cohort are those of another: new customers
are forecast with the average of all."""


def purchase_cohorts(
    model: type[PurchaseModel], rfm: pd.DataFrame, time_unit: str | None
) -> tuple[Finding, pd.DataFrame | None]:
    """Test one fit of all customers within a fit for each cohort.

    Cohorts are up to four groups of equal size by the time of the first purchase, fewer if they
    would have too few repeat customers.

    Returns
    -------
    finding : Finding
    table : pandas.DataFrame or None
        A row per cohort, the earliest first: ``customers``, ``youngest`` and ``oldest`` (T), the
        parameters, and ``purchases``, expected of a new customer within the mean age of the
        youngest cohort.
    """
    name = "cohorts buy alike"
    groups = _by_age(rfm)
    if len(groups) < 2:
        return (
            unchecked(
                name,
                f"Two cohorts of {_FEWEST_REPEATERS} repeat customers are needed to compare them.",
                "Observe for longer.",
            ),
            None,
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FitWarning)
            whole = fit(model, rfm, time_unit=time_unit)
            settings = whole.model.settings
            fits = [fit(model, group, time_unit=time_unit, **settings) for group in groups]
        test = likelihood_ratio_test(whole, fits)
    except FitError as error:
        return unchecked(name, f"The cohorts cannot be fitted one by one. {error}"), None
    age = float(groups[-1]["T"].mean())
    purchases = [float(purchase.model.expected_purchases(age, 0, 0, 0)) for purchase in fits]  # type: ignore[attr-defined]
    ratio = max(purchases) / min(purchases)
    verdict = judged(ratio, _WATCH, _VIOLATED, test.p_value)
    table = pd.DataFrame(
        [
            {
                "customers": len(group),
                "youngest": float(group["T"].min()),
                "oldest": float(group["T"].max()),
                **one.parameters,
                "purchases": expected,
            }
            for group, one, expected in zip(groups, fits, purchases, strict=True)
        ],
        index=pd.RangeIndex(1, len(groups) + 1, name="cohort"),
    )
    listed = ", ".join(f"{value:.2f}" for value in purchases)
    finding = Finding(
        check=name,
        statistic=f"likelihood ratio on {test.degrees_of_freedom}",
        value=test.statistic,
        p_value=test.p_value,
        verdict=verdict,
        meaning=(
            f"Fitted one by one, {len(groups)} cohorts are expected to make {listed} repeat "
            f"purchases per customer by the age of {age:.3g}, the earliest cohort first."
        ),
        remedy=""
        if verdict == "as assumed"
        else (
            "Fit the cohorts apart, or leave out those that are unlike what is to be forecast. An "
            "early cohort that buys more may be customers from before the log."
        ),
    )
    return finding, table


def repurchase(acquired: pd.DataFrame, within: int) -> Finding:
    """Test whether the share of customers who come back soon changes with the time of acquisition.

    Parameters
    ----------
    acquired : pandas.DataFrame
        What `acquired_by_day` returns, of customers observed for at least `within` days.
    within : int
        Days within which a customer counts as having come back.

    Notes
    -----
    The Cochran-Armitage test for a trend in proportions (P. Armitage, Biometrics 11 (1955)
    375-386), at equal age and without a model.
    """
    name = "cohorts come back alike"
    n, back = acquired["customers"].to_numpy(), acquired["returned"].to_numpy()
    time = _days(acquired)
    if n.sum() < _FEWEST or np.ptp(time) == 0 or not 0 < back.sum() < n.sum():
        return unchecked(
            name,
            f"{n.sum():,.0f} customers were observed for {format_days(within)} after their first "
            "purchase: too few, or all alike.",
            "Observe for longer.",
        )
    share = back.sum() / n.sum()
    centred = time - np.sum(n * time) / n.sum()
    squares = np.sum(n * centred**2)
    slope = float(np.sum(centred * back) / squares)
    error = math.sqrt(share * (1 - share) / squares)
    length = float(np.ptp(time))
    lower, upper, p_value = normal(slope * length, error * length, 0.0)
    start, end = (share + slope * edge for edge in (centred.min(), centred.max()))
    verdict = judged(_times(start, end), _WATCH, _VIOLATED, p_value)
    return Finding(
        check=name,
        statistic=f"change in the share who return within {format_days(within)}",
        value=slope * length,
        lower=lower,
        upper=upper,
        p_value=p_value,
        verdict=verdict,
        meaning=(
            f"Of the first customers {format_share(max(start, 0.0))} bought again within "
            f"{format_days(within)}, of the last {format_share(max(end, 0.0))} (straight line "
            f"through {n.sum():,.0f} customers; {format_share(share)} on the whole)."
        ),
        remedy=""
        if verdict == "as assumed"
        else (
            "New customers resemble the last ones, not the average: fit to later cohorts to "
            "forecast those still to come, and look for a change in acquisition."
        ),
    )


def returned_by_week(acquired: pd.DataFrame) -> pd.DataFrame:
    """First purchases, returns and mean first spend by week of acquisition.

    Returns
    -------
    pandas.DataFrame
        Indexed by `week`, its first day: ``customers``, ``returned`` and ``mean_spend``.
    """
    first = acquired.index[0]
    start = first + pd.to_timedelta(_days(acquired) // 7 * 7, unit="D")
    sums = acquired.groupby(pd.DatetimeIndex(start, name="week")).sum()
    sums["mean_spend"] = sums["value"] / sums["customers"]
    return sums[["customers", "returned", "mean_spend"]]


def first_spend(acquired: pd.DataFrame) -> Finding:
    """Test for a trend in the amount of the first purchase.

    Notes
    -----
    Least squares on the day of acquisition; the standard error holds for unequal variances
    (H. White, Econometrica 48 (1980) 817-838).
    """
    name = "cohorts spend alike"
    n, value, value2 = (acquired[c].to_numpy() for c in ("customers", "value", "value2"))
    time = _days(acquired)
    mean = value.sum() / n.sum() if n.sum() else 0.0
    if n.sum() < _FEWEST or np.ptp(time) == 0 or mean <= 0:
        return unchecked(
            name, f"{n.sum():,.0f} first purchases are too few to tell.", "Observe for longer."
        )
    centred = time - np.sum(n * time) / n.sum()
    squares = np.sum(n * centred**2)
    slope = float(np.sum(centred * value) / squares)
    fitted = mean + slope * centred
    residuals = np.maximum(value2 - 2 * fitted * value + n * fitted**2, 0.0)
    error = math.sqrt(float(np.sum(centred**2 * residuals))) / squares
    length = float(np.ptp(time))
    change, spread = slope * length / mean, error * length / mean
    lower, upper, p_value = normal(change, spread, 0.0)
    start, end = float(fitted.min()), float(fitted.max())
    if slope < 0:
        start, end = end, start
    verdict = judged(_times(start, end), _WATCH, _VIOLATED, p_value)
    return Finding(
        check=name,
        statistic="change of the first purchase over its mean",
        value=change,
        lower=lower,
        upper=upper,
        p_value=p_value,
        verdict=verdict,
        meaning=(
            f"The first purchase was of {format_number(round(start, 2))} at the beginning and of "
            f"{format_number(round(end, 2))} at the end (straight line)."
        ),
        remedy=""
        if verdict == "as assumed"
        else (
            "Look for a change in prices, currency or the kind of customers, and fit the spend "
            "model to the recent ones."
        ),
    )


def _by_age(rfm: pd.DataFrame) -> list[pd.DataFrame]:
    """Cohorts of equal size, the oldest first, as many as have repeat customers enough."""
    ages = rfm["T"].to_numpy(dtype=float)
    for count in range(_COHORTS, 1, -1):
        edges = np.unique(np.quantile(ages, np.linspace(0, 1, count + 1)[1:-1]))
        place = np.searchsorted(edges, ages, side="left")
        groups = [rfm[place == i] for i in range(len(edges), -1, -1)]
        groups = [group for group in groups if len(group)]
        if all((group["frequency"] > 0).sum() >= _FEWEST_REPEATERS for group in groups):
            return groups
    return []


def _days(acquired: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    index = pd.DatetimeIndex(acquired.index)
    return np.asarray((index - index[0]) / pd.Timedelta(days=1), dtype=float)


def _times(one: float, other: float) -> float:
    """How many times the larger is the smaller; infinite if that is not positive."""
    low, high = sorted((one, other))
    return high / low if low > 0 else math.inf
