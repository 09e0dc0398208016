"""A season, promotions or a trend: purchases that calendar time drives for all customers alike."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import chdtrc, fdtrc

from clvforecast.evaluation.assumptions.findings import Finding, judged, normal, unchecked
from clvforecast.numerics.arrays import BoolArray, FloatArray, IntArray
from clvforecast.units import DAYS_PER_YEAR

__all__ = ["Weeks", "annual_season", "final_level", "trend", "unevenness", "weekly_orders"]

_FEWEST_ORDERS: Final = 5.0
"""Expected in a week for the chi-squared law to hold (Cochran 1954)."""
_FEWEST_WEEKS: Final = 8
_SEASON_DAYS: Final = 1.5 * DAYS_PER_YEAR
"""Half of the year must have come twice before a season can be told from chance."""
_UNEVEN = 0.10, 0.25
"""Standard deviation of the weekly level. An error of a tenth is what good models make on a total;
a quarter is what a forecast cannot make good."""
_LAST_WEEKS: Final = 8
_FINAL = 0.15, 0.25
"""Whoever is silent at the end is thought to have left, so that the last weeks decide on P(alive).
Regular timing alone puts them 8% (k = 2) or 11% (k = 3) below the others: no order comes just
before a customer's last."""
_TREND = 0.20, 0.50
"""Change of the level over the log. Half of it is still there when the forecast begins."""
_SEASON = 0.20, 0.50
"""Highest or lowest month beside the mean month: what a forecast of that month misses."""


class Weeks(NamedTuple):
    """Orders between each customer's first and last, week by week.

    Attributes
    ----------
    table : pandas.DataFrame
        Indexed by `week`, its first day: ``orders``, ``expected`` and ``standard_error``.
    covariance : ndarray, shape (weeks, weeks)
        Of the orders of the weeks, if customers bought evenly.
    """

    table: pd.DataFrame
    covariance: FloatArray


def weekly_orders(rfm: pd.DataFrame, days: float, daily: pd.Series[float]) -> Weeks:
    """Compare the orders of every week with those of customers who buy evenly over time.

    Parameters
    ----------
    rfm : pandas.DataFrame
        Summary of all customers.
    days : float
        Days in its time unit.
    daily : pandas.Series
        Orders of every day up to the end of observation, one per customer and day.

    Notes
    -----
    Whatever a customer's rate and dropout, a Poisson process puts the x - 1 purchase days between
    the first and the last on any of the N days between with equal probability: so each of these
    days has an order with probability pi = (x - 1) / N, and two of them have covariance
    ``-pi (1 - pi) / (N - 1)``. Sums over customers are sums over the first and last days that span
    a day. Nothing is estimated, and the first and the last purchases, whose days are given, do not
    count. Only whole weeks do.
    """
    size = len(daily)
    first, last, x = _first_and_last(rfm, days, size)
    between = last - first - 1
    inner = (x >= 2) & (between >= 1)
    f, e, n = first[inner], last[inner], between[inner]
    share = (x[inner] - 1) / n
    unsure = share * (1 - share)
    expected = _spanned_days(f, e, share, size)
    variance = _spanned_days(f, e, unsure, size)
    together = _spanned_pairs(f, e, unsure / np.maximum(n - 1, 1), size)
    covariance = -together
    np.fill_diagonal(covariance, variance)

    orders = daily.to_numpy(dtype=float)
    orders = orders - np.bincount(first, minlength=size)
    orders = orders - np.bincount(last[x > 0], minlength=size)
    weeks = size // 7
    starts, whole = np.arange(weeks) * 7, weeks * 7
    weekly = np.add.reduceat(orders[:whole], starts)
    mean = np.add.reduceat(expected[:whole], starts)
    rows = np.add.reduceat(covariance[:whole, :whole], starts, axis=0)
    covariance = np.add.reduceat(rows, starts, axis=1)
    table = pd.DataFrame(
        {
            "orders": weekly,
            "expected": mean,
            "standard_error": np.sqrt(np.maximum(np.diag(covariance), 0.0)),
        },
        index=pd.Index(daily.index[starts], name="week"),
    )
    return Weeks(table, covariance)


def unevenness(weeks: Weeks) -> Finding:
    """Test whether weeks differ by more than chance, and by how much."""
    name = "weekly orders: even over time"
    kept = _counted(weeks)
    if kept.sum() < _FEWEST_WEEKS:
        return _too_short(name)
    table, covariance = weeks.table[kept], weeks.covariance[np.ix_(kept, kept)]
    excess = (table["orders"] - table["expected"]).to_numpy()
    statistic, freedom = _quadratic_form(excess, covariance)
    p_value = float(chdtrc(freedom, statistic))
    expected = table["expected"].to_numpy()
    # The variance that is not chance, over weeks of equal level.
    real = float(np.sum(excess**2) - np.trace(covariance)) / float(np.sum(expected**2))
    swing = math.sqrt(max(real, 0.0))
    verdict = judged(swing, *_UNEVEN, p_value)
    level = excess / table["standard_error"].clip(lower=1e-9).to_numpy()
    worst = np.argsort(-np.abs(level), kind="stable")[:3]
    named = "; ".join(
        f"{day:%Y-%m-%d} {row['orders']:,.0f} in place of {row['expected']:,.0f}"
        for day, row in table.iloc[worst].iterrows()
    )
    return Finding(
        check=name,
        statistic="standard deviation of the weekly level",
        value=swing,
        p_value=p_value,
        verdict=verdict,
        meaning=(
            f"Beyond chance, weeks lie {swing:.0%} above or below the level that customers who "
            f"buy evenly would keep (chi-squared {statistic:,.0f} on {freedom}). Furthest off: "
            f"{named}."
        ),
        remedy=""
        if verdict == "as assumed"
        else (
            "The model expects the average week. Forecast whole years, or correct a forecast of "
            "part of a year by how that part did before; take closures and promotions out."
        ),
    )


def trend(weeks: Weeks) -> Finding:
    """Test whether the level of orders rises or falls in a straight line."""
    name = "weekly orders: no trend"
    kept = _counted(weeks)
    if kept.sum() < _FEWEST_WEEKS:
        return _too_short(name)
    table, covariance = weeks.table[kept], weeks.covariance[np.ix_(kept, kept)]
    expected = table["expected"].to_numpy()
    time = np.arange(kept.sum()) / (kept.sum() - 1)
    slope_of = (time - np.sum(expected * time) / expected.sum()) / np.sum(
        expected * (time - np.sum(expected * time) / expected.sum()) ** 2
    )
    slope = float(slope_of @ (table["orders"].to_numpy() - expected))
    error = math.sqrt(max(float(slope_of @ covariance @ slope_of), 0.0))
    lower, upper, p_value = normal(slope, error, 0.0)
    verdict = judged(abs(slope), *_TREND, p_value)
    way = "rises" if slope > 0 else "falls"
    return Finding(
        check=name,
        statistic="change of the level over the log",
        value=slope,
        lower=lower,
        upper=upper,
        p_value=p_value,
        verdict=verdict,
        meaning=(
            f"From the first week to the last, the level of orders of the same customers {way} by "
            f"{abs(slope):.0%} of what even buying would give."
        ),
        remedy=""
        if verdict == "as assumed"
        else (
            "The model carries the average level on. Fit to the recent past (a later first day), "
            "and backtest from several cutoffs to see the direction of its errors."
        ),
    )


def final_level(weeks: Weeks) -> Finding:
    """Test whether the last weeks are like the others."""
    name = "weekly orders: ordinary at the end"
    kept = _counted(weeks)
    if kept.sum() < _FEWEST_WEEKS + _LAST_WEEKS:
        return _too_short(name)
    table, covariance = weeks.table[kept], weeks.covariance[np.ix_(kept, kept)]
    expected = table["expected"].to_numpy()
    last = np.arange(kept.sum()) >= kept.sum() - _LAST_WEEKS
    weights = last / expected[last].sum() - ~last / expected[~last].sum()
    excess = float(weights @ (table["orders"].to_numpy() - expected))
    error = math.sqrt(max(float(weights @ covariance @ weights), 0.0))
    lower, upper, p_value = normal(excess, error, 0.0)
    verdict = judged(abs(excess), *_FINAL, p_value)
    side = "above" if excess > 0 else "below"
    consequence = (
        ""
        if verdict == "as assumed"
        else " It looks as if nobody left: dropout is underestimated."
        if excess > 0
        else " It looks as if customers had left: dropout is overestimated."
    )
    return Finding(
        check=name,
        statistic=f"level of the last {_LAST_WEEKS} weeks less that of the others",
        value=excess,
        lower=lower,
        upper=upper,
        p_value=p_value,
        verdict=verdict,
        meaning=(
            f"The level of orders of the same customers lies {abs(excess):.0%} {side} that of the "
            f"weeks before.{consequence}"
        ),
        remedy=""
        if verdict == "as assumed"
        else "Fit again with `until` at an ordinary time of the year, and forecast from there.",
    )


def annual_season(weeks: Weeks) -> Finding:
    """Test whether months of the year differ, if the log is long enough to tell.

    Notes
    -----
    Weighted least squares of orders over expected orders on the month and a straight line; the F
    test is of the months.
    """
    name = "weekly orders: annual season"
    kept = _counted(weeks)
    if kept.sum() * 7 < _SEASON_DAYS:
        return unchecked(
            name,
            f"{kept.sum():,} weeks are too few to tell a season from chance: "
            f"{math.ceil(_SEASON_DAYS / 7)} are needed.",
            "Compare with earlier years by other means.",
        )
    table = weeks.table[kept]
    expected = table["expected"].to_numpy()
    level, weight = table["orders"].to_numpy() / expected, np.sqrt(expected)
    middle = pd.DatetimeIndex(table.index) + pd.Timedelta(days=3)
    months = pd.get_dummies(middle.month_name(), dtype=float)
    line = np.column_stack([np.ones(kept.sum()), np.linspace(-1, 1, kept.sum())])
    full = np.column_stack([months, line[:, 1]])
    without = _residual_squares(line * weight[:, None], level * weight)[0]
    left, coefficients = _residual_squares(full * weight[:, None], level * weight)
    bought, freedom = full.shape[1] - line.shape[1], int(kept.sum()) - full.shape[1]
    p_value = float(fdtrc(bought, freedom, (without - left) / bought / (left / freedom)))
    season = pd.Series(coefficients[:-1], index=months.columns)
    season = season / season.mean() - 1
    height, depth = float(season.max()), float(season.min())
    verdict = judged(max(height, -depth), *_SEASON, p_value)
    return Finding(
        check=name,
        statistic="highest month over the mean month, minus 1",
        value=height,
        p_value=p_value,
        verdict=verdict,
        meaning=(
            f"But for a straight trend, orders of the same customers are {height:+.0%} in "
            f"{season.idxmax()} and {depth:+.0%} in {season.idxmin()}, beside the average month."
        ),
        remedy=""
        if verdict == "as assumed"
        else (
            "Cut the log at the season in which the forecast ends, forecast whole years, or "
            "correct part of a year by its months."
        ),
    )


def _first_and_last(
    rfm: pd.DataFrame, days: float, size: int
) -> tuple[IntArray, IntArray, IntArray]:
    """Positions among the days of each customer's first and last purchase, and the frequency."""
    age = np.rint(rfm["T"].to_numpy(dtype=float) * days).astype(np.int64)
    span = np.rint(rfm["recency"].to_numpy(dtype=float) * days).astype(np.int64)
    first = size - 1 - age
    return first, first + span, rfm["frequency"].to_numpy(dtype=np.int64)


def _spanned_days(first: IntArray, last: IntArray, value: FloatArray, size: int) -> FloatArray:
    """Sum of values over customers, for every day strictly between their first and last."""
    steps = np.bincount(first + 1, value, size + 1) - np.bincount(last, value, size + 1)
    return np.asarray(np.cumsum(steps)[:size])


def _spanned_pairs(first: IntArray, last: IntArray, value: FloatArray, size: int) -> FloatArray:
    """Sum of values over customers, for every two days strictly between their first and last."""
    codes = (first + 1) * size + (last - 1)
    sums = np.bincount(codes, value, size * size).reshape(size, size)
    began = np.cumsum(sums, axis=0)
    spanning = np.cumsum(began[:, ::-1], axis=1)[:, ::-1]
    upper = np.triu(spanning)
    return np.asarray(upper + np.triu(spanning, 1).T)


def _counted(weeks: Weeks) -> BoolArray:
    return np.asarray(weeks.table["expected"].to_numpy() >= _FEWEST_ORDERS)


def _quadratic_form(excess: FloatArray, covariance: FloatArray) -> tuple[float, int]:
    """Chi-squared statistic of correlated deviations, and its degrees of freedom."""
    scale = np.sqrt(np.diag(covariance))
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    real = values > 1e-6
    rotated = vectors.T @ (excess / scale)
    return float(np.sum(rotated[real] ** 2 / values[real])), int(real.sum())


def _residual_squares(columns: FloatArray, values: FloatArray) -> tuple[float, FloatArray]:
    coefficients = np.asarray(np.linalg.lstsq(columns, values, rcond=None)[0], dtype=float)
    return float(np.sum((values - columns @ coefficients) ** 2)), coefficients


def _too_short(name: str) -> Finding:
    return unchecked(
        name,
        f"Fewer than {_FEWEST_WEEKS} weeks have {_FEWEST_ORDERS:.0f} orders or more between "
        "customers' first and last.",
        "Observe for longer.",
    )
