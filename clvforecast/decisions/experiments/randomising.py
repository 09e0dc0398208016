"""Laws of a difference: by putting customers into the groups at random, or Student's t."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from scipy import special

from clvforecast.decisions.experiments.adjusting import Difference, rounding_of, within_strata
from clvforecast.errors import DataError
from clvforecast.numerics.arrays import BoolArray, FloatArray, IntArray

__all__ = ["Verdicts", "randomised_statistics", "require_enough", "verdicts"]

_POWER: Final = 0.80
_ROUNDING: Final = 1e-9
_SAME: Final = 1e-10


class Verdicts(NamedTuple):
    """What can be said of the differences: arrays of shape (m,).

    Attributes
    ----------
    lower, upper : ndarray
        Confidence limits.
    p_value : ndarray
        Two-sided; not above 1 - level just where the limits leave out zero.
    detectable : ndarray
        The difference to the side seen that would be told from zero with a probability of 80%.
    """

    lower: FloatArray
    upper: FloatArray
    p_value: FloatArray
    detectable: FloatArray


def randomised_statistics(
    outcomes: FloatArray,
    in_group: BoolArray,
    stratum: IntArray,
    covariates: FloatArray,
    *,
    permutations: int,
    seed: int,
) -> FloatArray:
    """Statistics of the same customers put into the two groups at random, within strata.

    Parameters
    ----------
    outcomes, in_group, stratum, covariates
        As `adjusted_difference` takes them. Each group keeps its number of customers in every
        stratum.
    permutations, seed : int

    Returns
    -------
    ndarray, shape (permutations, m)
        Sorted along the first axis.

    Notes
    -----
    What strata and covariates explain of the outcomes, in both groups together, is taken away
    once; residuals are then compared stratum by stratum, each time over the standard error of that
    comparison. Because of the division the law is right for a difference of means even where the
    groups differ otherwise, if they are large: A. Janssen, Statistics & Probability Letters 36
    (1997) 9-21; with covariates A. Zhao and P. Ding, Journal of Econometrics 225 (2021) 278-294.
    """
    rng = np.random.default_rng(seed)
    sizes = np.bincount(stratum)
    starts = np.cumsum(sizes) - sizes
    group = np.bincount(stratum[in_group], minlength=sizes.size)
    residuals = _residuals(outcomes, stratum, covariates)
    moments = np.concatenate([residuals, residuals**2], axis=1)
    moments = moments[np.argsort(stratum, kind="stable")]
    # The smaller side is drawn, the other is what is left.
    turned = 2 * int(group.sum()) > int(sizes.sum())
    counts = sizes - group if turned else group
    firsts = np.cumsum(counts) - counts
    drawn = np.empty((permutations, sizes.size, moments.shape[1]))
    for sums in drawn:
        picked = [
            start + rng.choice(size, count, replace=False, shuffle=False)
            for start, size, count in zip(starts, sizes, counts, strict=True)
        ]
        sums[:] = np.add.reduceat(moments[np.concatenate(picked)], firsts)
    mean, variance = _means(drawn, counts)
    other_mean, other_variance = _means(np.add.reduceat(moments, starts) - drawn, sizes - counts)
    mix = (group / group.sum())[:, None]
    difference = (mix * (other_mean - mean if turned else mean - other_mean)).sum(axis=1)
    error = np.sqrt((mix**2 * (variance + other_variance)).sum(axis=1))
    return np.sort(difference / np.where(error > 0, error, np.inf), axis=0)


def _residuals(outcomes: FloatArray, stratum: IntArray, covariates: FloatArray) -> FloatArray:
    """What strata and covariates leave of the outcomes."""
    y, x = within_strata(stratum, outcomes), within_strata(stratum, covariates)
    scale = np.sqrt((x**2).mean(axis=0))
    x /= np.where(scale > 0, scale, 1.0)
    residual = y - x @ np.linalg.lstsq(x, y, rcond=_SAME)[0]
    return np.where(np.abs(residual) > rounding_of(outcomes), residual, 0.0)


def _means(sums: FloatArray, counts: IntArray) -> tuple[FloatArray, FloatArray]:
    """Means and their variances by stratum, from sums and sums of squares."""
    n = counts[:, None]
    first, second = np.split(sums, 2, axis=-1)
    return first / n, np.maximum(second - first**2 / n, 0.0) / (n * (n - 1))


def require_enough(permutations: int, level: float, comparisons: int) -> None:
    """Raise `DataError` where so few permutations say nothing of limits at that level."""
    fewest = math.ceil(2.0 / (1.0 - _each(level, comparisons)) - _ROUNDING) - 1
    if 0 < permutations < fewest:
        raise DataError(
            f"permutations={permutations:,} are too few for level={level:g} in {comparisons:,} "
            f"comparison{'' if comparisons == 1 else 's'}: {fewest:,} or more are needed, or 0 for "
            "Student's t instead."
        )


def verdicts(
    difference: Difference, statistics: FloatArray | None, level: float, comparisons: int
) -> Verdicts:
    """Limits and p-values of one of several comparisons with the same reference.

    Parameters
    ----------
    difference : Difference
    statistics : ndarray, shape (permutations, m), or None
        What `randomised_statistics` returns; without them, Student's t.
    level : float
        Probability that all of the comparisons' limits hold the truth.
    comparisons : int
    """
    each = _each(level, comparisons)
    error, statistic = difference.standard_error, difference.statistic
    if statistics is None:
        high = special.stdtrit(difference.degrees_of_freedom, (1.0 + each) / 2.0)
        low = -high
        p = 2.0 * special.stdtr(difference.degrees_of_freedom, -np.abs(statistic))
    else:
        count = len(statistics)
        rank = math.floor((count + 1) * (1.0 - each) / 2.0 + _ROUNDING)
        low, high = statistics[rank - 1], statistics[count - rank]
        # Sums of the same customers in another order differ in their last digits.
        slack = _ROUNDING * np.clip(np.abs(statistic), 1.0, 1.0 / _ROUNDING)
        beyond = [(statistics >= statistic - slack).sum(axis=0)]
        beyond += [(statistics <= statistic + slack).sum(axis=0)]
        p = np.minimum(2.0 * (1 + np.minimum(*beyond)) / (count + 1), 1.0)
    # What is skewed is sooner told from zero on one side than on the other.
    reach = np.where(statistic < 0, -low, high) + special.stdtrit(
        difference.degrees_of_freedom, _POWER
    )
    return Verdicts(
        lower=difference.value - high * error,
        upper=difference.value - low * error,
        p_value=-np.expm1(comparisons * np.log1p(-np.minimum(p, 1.0 - np.finfo(float).eps))),
        detectable=reach * error,
    )


def _each(level: float, comparisons: int) -> float:
    """Level of each of several comparisons by Sidak's inequality, whatever their correlation."""
    return float(level ** (1.0 / comparisons))
