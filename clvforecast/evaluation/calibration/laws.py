"""Calibration of laws: where in them what came fell, and which intervals held it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from scipy import stats

from clvforecast.errors import DataError
from clvforecast.evaluation.calibration.selection import CONFIDENCE, attributes, law_of
from clvforecast.evaluation.results import Backtest
from clvforecast.metrics.checks import checked_count, checked_level
from clvforecast.metrics.laws import law_coverage

__all__ = ["interval_coverage", "pit_counts"]

_LEVELS: Final = tuple(percent / 100 for percent in range(5, 100, 5))


def pit_counts(
    past: Backtest,
    *,
    target: str = "purchases",
    model: str | None = None,
    cutoff: str | dt.date | None = None,
    bins: int = 10,
) -> pd.DataFrame:
    """Count customers by where in their law what came fell: the randomised PIT histogram.

    Parameters
    ----------
    past : Backtest
    target : {"purchases", "spend"}
    model : str, optional
        One with a law, so no baseline. Default: the first model.
    cutoff : str or datetime.date, optional
        Which one of the backtest. Default: the last.
    bins : int
        Equally wide ones on (0, 1).

    Returns
    -------
    pandas.DataFrame
        Indexed by `from`, the lower end of a bin: ``to`` (its upper end), ``customers``,
        ``expected`` (as many in each bin), and ``lower`` and ``upper``, between which 95% of the
        counts lie if the laws are right. ``attrs`` holds ``target``, ``model``, ``cutoff``,
        ``horizon_days`` and ``confidence``.

    Raises
    ------
    DataError
        If the backtest has no such target, model or cutoff, or the model has no law.

    Notes
    -----
    Where laws jump, as those of counts do, a draw is made within the jump [1]_; it is that of the
    backtest, ``customers["purchases_pit"]``. If the laws are right, it is uniform whatever they
    are, and the count of a bin is binomial: the band is its central interval, bin by bin. Of ten
    bins of a right model, some will lie outside up to two times in five.

    References
    ----------
    .. [1] C. Czado, T. Gneiting and L. Held, "Predictive model assessment for count data",
       Biometrics 65 (2009).

    Examples
    --------
    >>> import clvforecast as clv
    >>> orders = clv.read_orders(clv.datasets.load_cdnow(sample=True))
    >>> past = clv.backtest(orders, cutoffs=["1997-09-30"], horizon="39W", baselines=False)
    >>> clv.pit_counts(past, bins=4)
            to  customers  expected  lower  upper
    from
    0.00  0.25        548    589.25  548.0  631.0
    0.25  0.50        592    589.25  548.0  631.0
    0.50  0.75        583    589.25  548.0  631.0
    0.75  1.00        634    589.25  548.0  631.0
    """
    count = checked_count(bins, "bins", 2)
    name = past.models[0] if model is None else model
    pit = law_of(past, target, name, cutoff)[f"{target}_pit"].to_numpy()
    edges = np.arange(count + 1) / count
    found, _ = np.histogram(pit, edges)
    lower, upper = stats.binom.interval(CONFIDENCE, pit.size, 1.0 / count)
    table = pd.DataFrame(
        {
            "to": edges[1:],
            "customers": found,
            "expected": pit.size / count,
            "lower": lower,
            "upper": upper,
        },
        index=pd.Index(edges[:-1], name="from"),
    )
    table.attrs = attributes(past, target, cutoff) | {"model": name, "confidence": CONFIDENCE}
    return table


def interval_coverage(
    past: Backtest,
    *,
    target: str = "purchases",
    model: str | None = None,
    cutoff: str | dt.date | None = None,
    levels: Sequence[float] = _LEVELS,
) -> pd.DataFrame:
    """Share of the customers whose predictive interval held what came, at several levels.

    Parameters
    ----------
    past : Backtest
    target : {"purchases", "spend"}
    model : str, optional
        One with a law, so no baseline. Default: the first model.
    cutoff : str or datetime.date, optional
        Which one of the backtest. Default: the last.
    levels : sequence of float
        Probabilities of the intervals, equal-tailed, in (0, 1). Default: 0.05, 0.10, ... 0.95.

    Returns
    -------
    pandas.DataFrame
        Indexed by `level`: ``covered``, the share in the intervals as `forecast` gives them;
        ``randomised``, the share in intervals of exactly that probability; and ``lower`` and
        ``upper``, between which the latter lies with 95% if the laws are right. ``attrs`` holds
        ``target``, ``model``, ``cutoff``, ``horizon_days`` and ``confidence``.

    Raises
    ------
    DataError
        If the backtest has no such target, model or cutoff, the model has no law, or a level is
        not between 0 and 1.

    Notes
    -----
    Counts are whole, and most customers buy nothing: an equal-tailed interval begins and ends at
    whole numbers (and of spend mostly at 0), so it holds more than its level, of the right law
    too. To tell whether laws are right, `randomised` takes the part of an end that is needed to
    make up the level exactly, by lot: a customer counts if his randomised PIT (`pit_counts`) lies
    in the middle ``level`` of (0, 1). Under the right laws the number of these is binomial, of
    which the band is the central interval, level by level.

    Examples
    --------
    >>> import clvforecast as clv
    >>> orders = clv.read_orders(clv.datasets.load_cdnow(sample=True))
    >>> past = clv.backtest(orders, cutoffs=["1997-09-30"], horizon="39W", baselines=False)
    >>> clv.interval_coverage(past, levels=[0.5, 0.8, 0.9]).round(3)
           covered  randomised  lower  upper
    level
    0.5      0.815       0.499  0.480  0.520
    0.8      0.928       0.797  0.784  0.816
    0.9      0.947       0.883  0.888  0.912
    """
    wanted = np.array([checked_level(level) for level in levels])
    if not wanted.size:
        raise DataError("levels=() asks for no interval. Pass (0.5, 0.9), say.")
    name = past.models[0] if model is None else model
    customers = law_of(past, target, name, cutoff)
    ends = customers[f"{target}_below"], customers[f"{target}_upto"]
    off_centre = np.sort(2.0 * np.abs(customers[f"{target}_pit"].to_numpy() - 0.5))
    lower, upper = stats.binom.interval(CONFIDENCE, off_centre.size, wanted)
    table = pd.DataFrame(
        {
            "covered": [law_coverage(*ends, level) for level in wanted.tolist()],
            "randomised": off_centre.searchsorted(wanted, side="right") / off_centre.size,
            "lower": lower / off_centre.size,
            "upper": upper / off_centre.size,
        },
        index=pd.Index(wanted, name="level"),
    )
    table.attrs = attributes(past, target, cutoff) | {"model": name, "confidence": CONFIDENCE}
    return table
