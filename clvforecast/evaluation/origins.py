"""One origin of a backtest: fit on what was known, forecast, score and resample."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np
import pandas as pd

from clvforecast.errors import FitError, FitWarning
from clvforecast.evaluation.baselines import SIMPLE_FORMULA
from clvforecast.evaluation.plans import Plan
from clvforecast.evaluation.scoring import TARGETS, Scores, scored, scored_point
from clvforecast.fitting import Fit
from clvforecast.numerics.arrays import FloatArray, IntArray
from clvforecast.transactions.timing import Timing
from clvforecast.units import days_per

__all__ = ["FittedPair", "Origin", "OriginResult", "evaluate", "resampled"]


_LOSSES: Final = frozenset({"mae", "rmse", "crps", "decile_error"})
"""Metrics of which less is better, and that baselines have, too."""


class FittedPair(NamedTuple):
    """Fits of the two models that made a forecast."""

    purchases: Fit
    spend: Fit


@dataclass(frozen=True, eq=False)
class Origin:
    """All that is needed at one cutoff; it can be sent to another process.

    Attributes
    ----------
    cutoff : datetime.date
    calibration, holdout : pandas.DataFrame
        What `Transactions.split` gives.
    baselines : dict of pandas.DataFrame
        What `baseline_forecasts` gives.
    position : ndarray of int
        Position of each customer among those of all origins.
    everyone : int
        How many these are.
    timing : Timing or None
        When the customers came back, where a model asks for it.
    """

    cutoff: dt.date
    calibration: pd.DataFrame
    holdout: pd.DataFrame
    baselines: dict[str, pd.DataFrame]
    position: IntArray
    everyone: int
    timing: Timing | None = None


class OriginResult(NamedTuple):
    """What one origin adds to a backtest."""

    cutoff: dt.date
    table: pd.DataFrame
    """`model, target, metric, value, skill`."""
    replicates: FloatArray
    """Values in every bootstrap replicate, shape (rows of the table, replicates)."""
    customers: dict[str, pd.DataFrame]
    fits: dict[str, FittedPair]
    remarks: tuple[str, ...]
    """What the fits warned of."""


def evaluate(origin: Origin, plan: Plan) -> OriginResult:
    """Fit, forecast and score everything at one origin.

    Raises
    ------
    FitError
        If a model cannot be fitted, or has no finite mean; it names the cutoff and the model.
    """
    fits, customers, remarks = {}, {}, []
    sides = origin.calibration, origin.holdout
    horizon = plan.horizon_days / days_per(origin.calibration.attrs["time_unit"])
    for name, models in plan.models.items():
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", FitWarning)
                buys = models.purchases.fit(
                    origin.calibration, ridge=plan.ridge, orders=origin.timing
                )
                spend = models.spend.fit(origin.calibration, ridge=plan.ridge)
            customers[name] = scored(
                buys, spend, *sides, horizon=horizon, level=plan.level, seed=plan.seed
            )
        except FitError as error:
            raise FitError(f"Backtest of {name} at the cutoff {origin.cutoff}: {error}") from error
        remarks += [f"At the cutoff {origin.cutoff}: {warning.message}" for warning in caught]
        fits[name] = FittedPair(replace(buys, cells=None), replace(spend, cells=None))
    for name, expected in origin.baselines.items():
        customers[name] = scored_point(expected, *sides)
    table, replicates = _table(customers, origin, plan)
    kept = {name: customers[name] for name in (*plan.models, *plan.baselines)}
    return OriginResult(origin.cutoff, table, replicates, kept, fits, tuple(remarks))


def _table(
    customers: dict[str, pd.DataFrame], origin: Origin, plan: Plan
) -> tuple[pd.DataFrame, FloatArray]:
    every = {
        (name, target): Scores(frame, target, plan.level)
        for name, frame in customers.items()
        for target in TARGETS
    }
    ones = np.ones(len(origin.calibration))
    values = _values(every, ones, plan.metrics)
    replicates = np.array(
        [
            list(_values(every, weights, plan.metrics).values())
            for weights in _resampled(origin, plan)
        ]
    ).T
    table = pd.DataFrame(list(values), columns=["model", "target", "metric"])
    table["value"] = list(values.values())
    table["skill"] = [
        _skill(value, values.get((SIMPLE_FORMULA, target, metric)), metric)
        for (_, target, metric), value in values.items()
    ]
    shown = table["model"].isin([*plan.models, *plan.baselines]).to_numpy()
    return table[shown].reset_index(drop=True), replicates.reshape(len(table), -1)[shown]


def _values(
    every: dict[tuple[str, str], Scores], weights: FloatArray, metrics: tuple[str, ...]
) -> dict[tuple[str, str, str], float]:
    return {
        (*key, metric): value
        for key, scores in every.items()
        for metric, value in scores.at(weights, metrics).items()
    }


def _resampled(origin: Origin, plan: Plan) -> Iterator[FloatArray]:
    drawn = resampled(origin.position, origin.everyone, plan.replicates, plan.seed)
    for weights in drawn:
        yield weights if weights.any() else np.ones(weights.size)


def resampled(
    position: IntArray, everyone: int, replicates: int, seed: int
) -> Iterator[FloatArray]:
    """How often each customer is drawn, in each replicate: of those at these positions.

    Drawn among the customers of all origins, so that one who is in several counts as often in each:
    what he does at one cutoff says something of what he does at the next.
    """
    rng = np.random.default_rng(seed)
    for _ in range(replicates):
        drawn = rng.integers(everyone, size=everyone)
        yield np.bincount(drawn, minlength=everyone)[position].astype(float)


def _skill(value: float, simple: float | None, metric: str) -> float:
    if metric not in _LOSSES or simple is None or not simple > 0:
        return np.nan
    return 1.0 - value / simple
