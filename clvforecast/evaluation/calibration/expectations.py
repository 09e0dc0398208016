"""Calibration of expectations: what was predicted, and what came, of groups of customers."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
import pandas as pd
from scipy import stats

from clvforecast.errors import DataError
from clvforecast.evaluation.calibration.selection import CONFIDENCE, attributes, forecast_of
from clvforecast.evaluation.results import Backtest
from clvforecast.metrics.checks import checked_count
from clvforecast.metrics.ranking import deciles, gains, gini
from clvforecast.numerics.arrays import FloatArray, IntArray

__all__ = ["conditional_expectation", "decile_calibration", "gains_curves"]

_MOST_BINS: Final = 10
_TENTHS: Final = 10
_PERCENT: Final = 100
_ROUNDING: Final = 1e-12


def conditional_expectation(
    past: Backtest,
    by: Literal["frequency", "recency"] = "frequency",
    *,
    target: str = "purchases",
    models: Sequence[str] | None = None,
    cutoff: str | dt.date | None = None,
    last: int = 7,
) -> pd.DataFrame:
    """Mean of what customers did after a cutoff, by what they had done before it.

    Parameters
    ----------
    past : Backtest
    by : {"frequency", "recency"}
        What to group by. Recencies go into at most ten bins of a round width.
    target : {"purchases", "spend"}
    models : sequence of str, optional
        Whose predictions to show, baselines included. Default: all models.
    cutoff : str or datetime.date, optional
        Which one of the backtest. Default: the last.
    last : int
        Frequencies from here up are one group, "7+".

    Returns
    -------
    pandas.DataFrame
        A row per group: ``customers``, ``actual`` (their mean), ``actual_lower`` and
        ``actual_upper`` (95% confidence limits of that mean), and the mean prediction in a column
        per model. NaN in a group without customers, and limits also where there are too few
        customers, or all did the same. ``attrs`` holds ``target``, ``cutoff``, ``horizon_days``
        and ``time_unit``.

    Raises
    ------
    DataError
        If the backtest has no such target, model or cutoff, or `by` or `last` is not what it
        should be.

    Notes
    -----
    The limits are Student's: customers are taken as independent, and the mean of few of them, most
    of whom did nothing, is only roughly normal. They are wide enough to say that a small group
    says little, and no finer.

    References
    ----------
    P. S. Fader, B. G. S. Hardie and K. L. Lee, "“Counting your customers” the easy way: an
    alternative to the Pareto/NBD model", Marketing Science 24 (2005), who draw it by frequency.

    Examples
    --------
    >>> import clvforecast as clv
    >>> orders = clv.read_orders(clv.datasets.load_cdnow(sample=True))
    >>> past = clv.backtest(orders, cutoffs=["1997-09-30"], horizon="39W", baselines=False)
    >>> clv.conditional_expectation(past, last=3).round(2)
               customers  actual  actual_lower  actual_upper  BG/NBD
    frequency
    0               1411    0.24          0.20          0.28    0.23
    1                439    0.70          0.58          0.82    0.52
    2                214    1.39          1.14          1.64    1.04
    3+               293    3.22          2.72          3.72    3.01
    """
    names = list(past.models) if models is None else _listed(models)
    if not names:
        raise DataError(f"models=[] names none. Choose among {', '.join(past.models)}.")
    chosen = [forecast_of(past, target, name, cutoff) for name in names]
    customers = chosen[0]
    if by == "frequency":
        count = checked_count(last, "last", 1)
        groups = np.minimum(customers["frequency"].to_numpy(), count).astype(np.int64)
        labels = [*map(str, range(count)), f"{count}+"]
    elif by == "recency":
        groups, labels = _recency_bins(customers["recency"].to_numpy())
    else:
        raise DataError(f"by={by!r} must be 'frequency' or 'recency'.")
    sizes = np.bincount(groups, minlength=len(labels))

    def mean(values: FloatArray) -> FloatArray:
        total = np.bincount(groups, values, len(labels))
        none = np.full(sizes.shape, np.nan)
        return np.asarray(np.divide(total, sizes, out=none, where=sizes > 0))

    actual = customers[target].to_numpy(dtype=float)
    table = _means(mean(actual), mean(actual**2), sizes.astype(float))
    table.insert(0, "customers", sizes)
    for name, frame in zip(names, chosen, strict=True):
        table[name] = mean(frame[f"predicted_{target}"].to_numpy())
    table.index = pd.Index(labels, name=by)
    table.attrs = attributes(past, target, cutoff) | {"time_unit": past.time_unit}
    return table


def decile_calibration(
    past: Backtest,
    *,
    target: str = "purchases",
    model: str | None = None,
    cutoff: str | dt.date | None = None,
) -> pd.DataFrame:
    """Mean prediction and mean of what came, for each tenth of the customers by prediction.

    Parameters
    ----------
    past : Backtest
    target : {"purchases", "spend"}
    model : str, optional
        Or a baseline. Default: the first model.
    cutoff : str or datetime.date, optional
        Which one of the backtest. Default: the last.

    Returns
    -------
    pandas.DataFrame
        Indexed by `decile`, 1 the tenth with the highest prediction: ``predicted``, ``actual``,
        and ``actual_lower`` and ``actual_upper``, 95% confidence limits of that mean, NaN where
        all did the same. Customers who tie across two tenths are shared out between them, as in
        `metrics.deciles`. ``attrs`` holds ``target``, ``model``, ``cutoff`` and ``horizon_days``.

    Raises
    ------
    DataError
        If the backtest has no such target, model or cutoff.

    Examples
    --------
    >>> import clvforecast as clv
    >>> orders = clv.read_orders(clv.datasets.load_cdnow(sample=True))
    >>> past = clv.backtest(orders, cutoffs=["1997-09-30"], horizon="39W", baselines=False)
    >>> clv.decile_calibration(past, target="spend").round(1).head(3)
            predicted  actual  actual_lower  actual_upper
    decile
    1           145.2   151.2         126.4         175.9
    2            36.9    48.4          38.7          58.1
    3            17.2    29.6          21.7          37.4
    """
    name = past.models[0] if model is None else model
    customers = forecast_of(past, target, name, cutoff)
    actual = customers[target].to_numpy(dtype=float)
    predicted = customers[f"predicted_{target}"].to_numpy()
    happened, expected = deciles(actual, predicted)
    squares, _ = deciles(actual**2, predicted)
    table = _means(happened[::-1], squares[::-1], np.full(_TENTHS, actual.size / _TENTHS))
    table.insert(0, "predicted", expected[::-1])
    table.index = pd.RangeIndex(1, _TENTHS + 1, name="decile")
    table.attrs = attributes(past, target, cutoff) | {"model": name}
    return table


def gains_curves(
    past: Backtest,
    *,
    target: str = "spend",
    models: Sequence[str] | None = None,
    cutoff: str | dt.date | None = None,
) -> pd.DataFrame:
    """Share of what came that is captured by targeting the customers with the best forecasts.

    Parameters
    ----------
    past : Backtest
    target : {"purchases", "spend"}
    models : sequence of str, optional
        Whose forecasts to target by. Default: all models, and the simple formula if the backtest
        has it.
    cutoff : str or datetime.date, optional
        Which one of the backtest. Default: the last.

    Returns
    -------
    pandas.DataFrame
        Indexed by `customers`, the share targeted (0.00, 0.01, ... 1.00): the share of the actual
        total that they bring, in a column per model, and in ``perfect``, that of an order by what
        came. Straight lines lie between. ``attrs`` holds ``gini`` (normalised, by column),
        ``target``, ``cutoff`` and ``horizon_days``.

    Raises
    ------
    DataError
        If the backtest has no such target, model or cutoff, or nothing came.

    References
    ----------
    X. Wang, T. Liu and J. Miao (2019), arXiv:1912.07753, section 3.3.

    Examples
    --------
    >>> import clvforecast as clv
    >>> orders = clv.read_orders(clv.datasets.load_cdnow(sample=True))
    >>> rivals = ["simple formula"]
    >>> past = clv.backtest(orders, cutoffs=["1997-09-30"], horizon="39W", baselines=rivals)
    >>> clv.gains_curves(past).loc[[0.1, 0.2, 0.5]].round(2)
               BG/NBD  simple formula  perfect
    customers
    0.1          0.50            0.48     0.76
    0.2          0.66            0.66     0.94
    0.5          0.84            0.87     1.00
    """
    if models is None:
        formula = [name for name in past.baselines if name == "simple formula"]
        names = [*past.models, *formula]
    else:
        names = _listed(models)
    chosen = {name: forecast_of(past, target, name, cutoff) for name in names}
    actual = forecast_of(past, target, past.models[0], cutoff)[target].to_numpy(dtype=float)
    if not actual.any():
        raise DataError(f"No {target} came in this holdout: there are no shares of it.")
    ranked_by = {name: frame[f"predicted_{target}"].to_numpy() for name, frame in chosen.items()}
    ranked_by["perfect"] = actual
    grid = np.arange(_PERCENT + 1) / _PERCENT
    table = pd.DataFrame(
        {name: np.interp(grid, *gains(actual, by)) for name, by in ranked_by.items()},
        index=pd.Index(grid, name="customers"),
    )
    table.attrs = attributes(past, target, cutoff)
    table.attrs["gini"] = {name: gini(actual, by) for name, by in ranked_by.items()}
    return table


def _listed(names: Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _means(mean: FloatArray, mean_square: FloatArray, size: FloatArray) -> pd.DataFrame:
    """Means of groups with Student's confidence limits; nothing that is meant here is negative."""
    variance = mean_square - mean**2
    known = (size > 1) & (variance > _ROUNDING * mean_square)
    free = np.where(known, size - 1.0, np.nan)
    away = stats.t.ppf(0.5 + 0.5 * CONFIDENCE, free) * np.sqrt(np.maximum(variance, 0.0) / free)
    return pd.DataFrame(
        {
            "actual": mean,
            "actual_lower": np.where(known, np.maximum(mean - away, 0.0), np.nan),
            "actual_upper": mean + away,
        }
    )


def _recency_bins(recency: FloatArray) -> tuple[IntArray, list[str]]:
    """Put recencies into bins of a round width; those without a repeat purchase are the first."""
    longest = float(recency.max())
    if not longest:
        return np.zeros(recency.shape, dtype=np.int64), ["0"]
    least = longest / _MOST_BINS
    power = 10.0 ** math.floor(math.log10(least))
    width = next(step * power for step in (1, 2, 5, 10) if step * power >= least * (1 - _ROUNDING))
    place = np.ceil(recency / width * (1 - _ROUNDING)).astype(np.int64)
    count = int(place.max())
    return place, ["0", *(f"{width * k:g} to {width * (k + 1):g}" for k in range(count))]
