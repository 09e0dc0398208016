"""What a forecast said of each customer, beside what came, and the scores of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
import pandas as pd

from clvforecast.evaluation.limited import limited_spend
from clvforecast.fitting import Fit, model_columns, purchase_model, spend_model
from clvforecast.forecasting import forecast
from clvforecast.metrics.intervals import interval_score
from clvforecast.metrics.laws import count_crps, crps, log_score, randomised_pit
from clvforecast.metrics.ranking import Ranked
from clvforecast.models import PurchaseModel, SpendModel
from clvforecast.numerics.arrays import FloatArray, distinct_rows
from clvforecast.predictive import by_frequency, count_law

__all__ = ["COLUMNS", "HIGHER_IS_BETTER", "METRICS", "TARGETS", "Scores", "scored", "scored_point"]

TARGETS: Final = ("purchases", "spend")
METRICS: Final = (
    "bias",
    "mae",
    "rmse",
    "log_score",
    "crps",
    "coverage",
    "width",
    "interval_score",
    "gini",
    "top_decile",
    "decile_error",
    "spearman",
)
HIGHER_IS_BETTER: Final = frozenset({"gini", "top_decile", "spearman"})
COLUMNS: Final = (
    "frequency",
    "recency",
    "T",
    "purchases",
    "predicted_purchases",
    "purchases_lower",
    "purchases_upper",
    "purchases_below",
    "purchases_upto",
    "purchases_pit",
    "purchases_log_score",
    "purchases_crps",
    "spend",
    "predicted_spend",
    "spend_lower",
    "spend_upper",
    "spend_below",
    "spend_upto",
    "spend_pit",
    "spend_crps",
)
"""Of the table of customers."""
_RANKING: Final = frozenset({"gini", "top_decile", "decile_error", "spearman"})
_NEGLIGIBLE_TAIL: Final = 1e-11


def scored(
    buys: Fit,
    spend: Fit,
    calibration: pd.DataFrame,
    holdout: pd.DataFrame,
    *,
    horizon: float,
    level: float,
    seed: int,
) -> pd.DataFrame:
    """Forecast every customer of a calibration, and score the laws by what then came.

    Returns
    -------
    pandas.DataFrame
        Indexed like `calibration`, with `COLUMNS`; see `Backtest`.
    """
    ahead = forecast(buys, spend, calibration, horizon=horizon, level=level)
    buying, spending = purchase_model(buys, calibration), spend_model(spend, calibration)
    x, t_x, T = model_columns(type(buying), calibration)
    m = model_columns(type(spending), calibration)[1]
    p_alive = ahead["p_alive"].to_numpy()
    bought = holdout["purchases"].to_numpy(dtype=float)
    spent = holdout["spend"].to_numpy(dtype=float)
    scale = spending.spend_scale(x, m)
    scaled = spent / scale

    table = _beside(calibration, holdout)
    table["predicted_purchases"] = ahead["expected_purchases"]
    table["predicted_spend"] = ahead["clv"]
    for target, name in (("purchases", "purchases"), ("spend", "clv")):
        for end in ("lower", "upper"):
            table[f"{target}_{end}"] = ahead[f"{name}_{end}"].astype(float)

    found = _laws_of_the_living(
        *(buying, spending, horizon), *(x, t_x, T), *(bought, scaled, p_alive)
    )
    at_least = bought > 0
    jump_to = 1.0 - p_alive * (1.0 - found.upto)
    jump_from = np.where(at_least, 1.0 - p_alive * (1.0 - found.below), 0.0)
    table["purchases_below"], table["purchases_upto"] = jump_from, jump_to
    table["purchases_pit"] = randomised_pit(jump_from, jump_to, seed=seed)
    given = _pmf(buying, horizon, bought, x, t_x, T)
    table["purchases_log_score"] = log_score(p_alive * given + ~at_least * (1.0 - p_alive))
    table["purchases_crps"] = found.crps

    upto = 1.0 - p_alive * found.exceeded
    table["spend_below"], table["spend_upto"] = np.where(spent > 0, upto, 0.0), upto
    table["spend_pit"] = randomised_pit(table["spend_below"], upto, seed=seed + 1)
    table["spend_crps"] = crps(
        spent, scale * p_alive * found.limited, scale * p_alive**2 * found.smaller
    )
    return table.reindex(columns=list(COLUMNS))


def _pmf(
    buying: PurchaseModel,
    horizon: float,
    bought: FloatArray,
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
) -> FloatArray:
    """Probability of what each active customer bought, worked out once per state and number."""
    _, (x_level, t_x_level, T_level), state = buying.distinct(x, t_x, T)
    one_each = np.empty(x_level.size, dtype=np.int64)
    one_each[state] = np.arange(state.size)
    (counts, place), codes = distinct_rows(bought, state.astype(float))
    at = place.astype(np.int64)
    model = buying.of_customers(one_each[at], x.size)
    pmf = model.purchase_pmf_if_alive(counts, horizon, x_level[at], t_x_level[at], T_level[at])
    return np.asarray(pmf[codes])


class _OfTheLiving(NamedTuple):
    """What laws of customers who are alive say of what came, shape (n,) each."""

    below: FloatArray
    """Probability of fewer purchases."""
    upto: FloatArray
    """Of no more."""
    exceeded: FloatArray
    """Of more spend."""
    limited: FloatArray
    """Expectation of the smaller of scaled spend and what came."""
    smaller: FloatArray
    """Of the smaller of two draws of it."""
    crps: FloatArray
    """Of purchases, P(alive) already in it."""


def _laws_of_the_living(
    buying: PurchaseModel,
    spending: SpendModel,
    horizon: float,
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    bought: FloatArray,
    scaled: FloatArray,
    p_alive: FloatArray,
) -> _OfTheLiving:
    """Look up what came in the laws, each of which is worked out once per history."""
    found = _OfTheLiving(*(np.empty(x.size) for _ in _OfTheLiving._fields))
    for group in by_frequency(buying, x, t_x, T):
        who, row = group.members, group.row
        of_states = buying.of_customers(group.one_each, x.size)
        states = group.x, group.t_x, group.T
        number = count_law(of_states, horizon, *states, 1.0 - _NEGLIGIBLE_TAIL)
        count = bought[who].astype(np.int64)
        found.below[who] = number.cdf(count - 1, row)
        found.upto[who] = number.cdf(count, row)
        found.crps[who] = count_crps(count, number.upto, row=row, p_alive=p_alive[who])
        amounts = limited_spend(spending, group.x, number, float(scaled[who].max()))
        found.exceeded[who] = amounts.exceeded(scaled[who], row)
        found.limited[who] = amounts.limited_mean(scaled[who], row)
        found.smaller[who] = amounts.smaller_of_two[row]
    return found


def scored_point(
    expected: pd.DataFrame, calibration: pd.DataFrame, holdout: pd.DataFrame
) -> pd.DataFrame:
    """Put a forecast without a law beside what came: its CRPS is the absolute error.

    Returns
    -------
    pandas.DataFrame
        As `scored`, NaN where a law is needed.
    """
    table = _beside(calibration, holdout)
    for target in TARGETS:
        table[f"predicted_{target}"] = expected[target]
        table[f"{target}_crps"] = (expected[target] - table[target]).abs()
    return table.reindex(columns=list(COLUMNS))


def _beside(calibration: pd.DataFrame, holdout: pd.DataFrame) -> pd.DataFrame:
    table = calibration[["frequency", "recency", "T"]].join(holdout[list(TARGETS)])
    table.attrs = {}
    return table


class Scores:
    """All metrics of one forecast and target, for any weights of the customers."""

    def __init__(self, customers: pd.DataFrame, target: str, level: float) -> None:
        actual = customers[target].to_numpy(dtype=float)
        predicted = customers[f"predicted_{target}"].to_numpy()
        off = predicted - actual
        means = {"actual": actual, "predicted": predicted, "mae": np.abs(off), "squares": off**2}
        means["crps"] = customers[f"{target}_crps"].to_numpy()
        if customers[f"{target}_lower"].notna().all():
            low, high = (customers[f"{target}_{end}"].to_numpy() for end in ("lower", "upper"))
            means["coverage"] = ((low <= actual) & (actual <= high)).astype(float)
            means["width"] = high - low
            means["interval_score"] = interval_score(actual, low, high, level)
            if target == "purchases":
                means["log_score"] = customers["purchases_log_score"].to_numpy()
        self._names = tuple(means)
        self._means = np.stack(list(means.values()))
        self._ranked = Ranked.of(actual, predicted)

    def at(self, weights: FloatArray, metrics: tuple[str, ...]) -> Mapping[str, float]:
        """Values by name, those that this forecast has."""
        # Zero times an infinite loss is NaN. Not @, which calls all cores to so short a product.
        with np.errstate(invalid="ignore"):
            weighted = np.einsum("kn,n->k", self._means, weights) / weights.sum()
        means = dict(zip(self._names, weighted.tolist(), strict=True))
        actual, predicted = means.pop("actual"), means.pop("predicted")
        means["rmse"] = math.sqrt(means.pop("squares"))
        means["bias"] = predicted / actual - 1.0 if actual else math.nan
        if not _RANKING.isdisjoint(metrics):
            means |= self._ranked.scores(weights)
        return {name: means[name] for name in metrics if name in means}
