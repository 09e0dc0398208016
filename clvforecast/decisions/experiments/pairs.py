"""One group beside the reference: who is compared with whom, and what is found."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from clvforecast.decisions.experiments.adjusting import FEWEST, adjusted_difference, rounding_of
from clvforecast.decisions.experiments.participants import Participants
from clvforecast.decisions.experiments.randomising import randomised_statistics, verdicts
from clvforecast.decisions.experiments.result import CANNOT_TELL, HIGHER, LOWER, NO_COUNTERPART
from clvforecast.decisions.experiments.strata import join_strata
from clvforecast.numerics.arrays import BoolArray, FloatArray, IntArray

__all__ = ["Pair", "balance_table", "compared_rows"]

_FOUND: Final = (
    "group_mean",
    "reference_mean",
    "difference",
    "lower",
    "upper",
    "relative_difference",
    "p_value",
    "detectable",
    "customers_needed",
    "top_share",
)
_LARGE_IMBALANCE: Final = 0.1
_BY_CHANCE: Final = 2.576
"""Standard errors that an imbalance left by chance exceeds once in a hundred times."""


@dataclass(frozen=True, eq=False)
class Pair:
    """One group beside the reference: places of customers, aligned.

    Attributes
    ----------
    place : ndarray of int, shape (n,)
        Where each is among all.
    in_group : ndarray of bool, shape (n,)
    stratum : ndarray of int, shape (n,)
        -1 of who has no counterpart.
    period : str
        Customers who joined in the same one are a stratum.
    """

    place: IntArray
    in_group: BoolArray
    stratum: IntArray
    period: str

    @classmethod
    def of(cls, people: Participants, group: int, period: str | None) -> Pair:
        """The pair of a group, by its place among the labels."""
        place = np.flatnonzero((people.group == group) | (people.group == people.reference))
        in_group = people.group[place] == group
        chosen, stratum = join_strata(people.first_order.iloc[place], in_group, period)
        # As many unknowns as customers leave nothing to tell chance from.
        unknowns = stratum.max(initial=-1) + 1 + people.covariates.shape[1]
        for who in (in_group, ~in_group):
            if (stratum[who] >= 0).sum() < unknowns + FEWEST:
                stratum = np.full_like(stratum, -1)
        return cls(place, in_group, stratum, chosen)

    @property
    def compared(self) -> BoolArray:
        """Who has a counterpart."""
        return self.stratum >= 0


def compared_rows(
    people: Participants,
    pair: Pair,
    *,
    level: float,
    comparisons: int,
    permutations: int,
    seed: int,
) -> list[dict[str, Any]]:
    """A row of the result for every measure."""
    y = people.outcomes.to_numpy()[pair.place]
    x = people.covariates.to_numpy()[pair.place]
    kept, here = pair.compared, pair.in_group
    sizes = {
        "customers": int((here & kept).sum()),
        "left_out": int((here & ~kept).sum()),
        "reference_customers": int((~here & kept).sum()),
        "join_period": pair.period,
    }
    plain = _unadjusted(y, here, level, comparisons)
    if not kept.any():
        missing = dict.fromkeys(_FOUND, np.nan) | {"verdict": NO_COUNTERPART}
        return [sizes | missing | of_measure for of_measure in plain]
    data = y[kept], here[kept], pair.stratum[kept], x[kept]
    found = adjusted_difference(*data)
    law = None
    if permutations:
        law = randomised_statistics(*data, permutations=permutations, seed=seed)
    said = verdicts(found, law, level, comparisons)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = found.value / found.reference
        needed = np.ceil(kept.sum() * (said.detectable / found.value) ** 2)
    columns = (
        found.group,
        found.reference,
        found.value,
        said.lower,
        said.upper,
        np.where(found.reference > 0, relative, np.nan),
        said.p_value,
        said.detectable,
        np.where(np.isfinite(needed), needed, np.nan),
        found.top_share,
    )
    return [
        sizes
        | dict(zip(_FOUND, map(float, numbers), strict=True))
        | {"verdict": _verdict(numbers[3], numbers[4])}
        | of_measure
        for numbers, of_measure in zip(zip(*columns, strict=True), plain, strict=True)
    ]


def _unadjusted(
    y: FloatArray, in_group: BoolArray, level: float, comparisons: int
) -> list[dict[str, float]]:
    """The plain difference of means, whoever joined when, and Welch's interval."""
    if min(in_group.sum(), (~in_group).sum()) < FEWEST:
        missing = dict.fromkeys(("unadjusted", "unadjusted_lower", "unadjusted_upper"), np.nan)
        return [missing] * y.shape[1]
    everyone = np.zeros(len(y), dtype=np.int64)
    plain = adjusted_difference(y, in_group, everyone, np.empty((len(y), 0)))
    limits = verdicts(plain, None, level, max(comparisons, 1))
    return [
        {"unadjusted": float(d), "unadjusted_lower": float(a), "unadjusted_upper": float(b)}
        for d, a, b in zip(plain.value, limits.lower, limits.upper, strict=True)
    ]


def _verdict(lower: float, upper: float) -> str:
    if lower > 0:
        return HIGHER
    return LOWER if upper < 0 else CANNOT_TELL


def balance_table(people: Participants, pairs: dict[Any, Pair]) -> pd.DataFrame:
    """How alike the groups were before, everyone of either group."""
    rows = {}
    for name, column in people.covariates.items():
        values = column.to_numpy()
        for group, pair in pairs.items():
            ours, theirs = values[pair.place[pair.in_group]], values[pair.place[~pair.in_group]]
            gap = ours.mean() - theirs.mean()
            gap = gap if abs(gap) > rounding_of(values) else 0.0
            spread = math.sqrt((ours.var() + theirs.var()) / 2)
            unknown = 0.0 if gap == 0 else math.nan
            standardized = gap / spread if spread > 0 else unknown
            by_chance = _BY_CHANCE * math.sqrt(1 / ours.size + 1 / theirs.size)
            rows[(name, group)] = {
                "group_mean": ours.mean(),
                "reference_mean": theirs.mean(),
                "standardized_difference": standardized,
                "unlike": not abs(standardized) <= max(_LARGE_IMBALANCE, by_chance),
            }
    index = pd.MultiIndex.from_tuples(rows, names=["covariate", "group"])
    return pd.DataFrame(list(rows.values()), index=index)
