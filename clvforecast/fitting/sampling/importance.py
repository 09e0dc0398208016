"""Draws from a density near a known peak, by Pareto-smoothed importance sampling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from scipy import stats

from clvforecast.errors import FitError
from clvforecast.numerics.arrays import FloatArray

__all__ = [
    "RELIABLE_K_HAT",
    "ImportanceSample",
    "LogDensity",
    "importance_sample",
    "require_possible",
]

LogDensity: TypeAlias = Callable[[FloatArray], FloatArray]
"""Maps points of shape (n, k) to log-densities of shape (n,), up to a constant."""

RELIABLE_K_HAT: Final = 0.7
_DEGREES_OF_FREEDOM: Final = 5
_PROPOSALS_PER_DRAW: Final = 2
_ROUNDS: Final = 6
_KEPT_SPREAD: Final = 0.05
_FEWEST_POSSIBLE: Final = 20


class ImportanceSample(NamedTuple):
    """Equally weighted draws (draws, k), their worth in independent draws, and k-hat."""

    draws: FloatArray
    effective_draws: float
    k_hat: float


def importance_sample(
    log_density: LogDensity,
    peak: FloatArray,
    covariance: FloatArray,
    draws: int,
    rng: np.random.Generator,
) -> ImportanceSample:
    """Draw from a density close to a normal one.

    Proposals come from a multivariate t distribution around the peak: its tails are heavier than
    the normal's, so that no weight is very large. Where the Pareto shape of the weights' tail is
    above 0.7 all the same, location and spread are matched to the weighted proposals and drawn
    again, a few times. The draws are resampled by their weights, systematically.

    Parameters
    ----------
    log_density : LogDensity
    peak : ndarray, shape (k,)
    covariance : ndarray, shape (k, k)
        Minus the inverse Hessian of the log-density at the peak.
    draws : int
        How many to return.
    rng : numpy.random.Generator

    Raises
    ------
    FitError
        If hardly any point near the peak is possible.

    References
    ----------
    A. Vehtari, D. Simpson, A. Gelman, Y. Yao and J. Gabry, "Pareto Smoothed Importance Sampling",
    Journal of Machine Learning Research 25 (2024).
    """
    best: tuple[float, FloatArray, FloatArray] = (np.inf, np.empty(0), np.empty(0))
    location, spread = peak, covariance
    for _ in range(_ROUNDS):
        proposal = stats.multivariate_t(location, spread, df=_DEGREES_OF_FREEDOM)
        points = proposal.rvs(_PROPOSALS_PER_DRAW * draws, random_state=rng)
        log_ratios = log_density(points) - proposal.logpdf(points)
        require_possible(points[np.isfinite(log_ratios)], _FEWEST_POSSIBLE)
        weights, k_hat = _smoothed(log_ratios)
        if k_hat < best[0]:
            best = k_hat, points, weights
        if k_hat < RELIABLE_K_HAT:
            break
        location = weights @ points
        # A few heavy points alone would span no space to propose from.
        spread = np.cov(points.T, aweights=weights) + _KEPT_SPREAD * spread
    k_hat, points, weights = best
    positions = (rng.uniform() + np.arange(draws)) / draws
    chosen = np.searchsorted(np.cumsum(weights), positions).clip(max=len(points) - 1)
    worth = 1 / (np.sum(weights**2) + 1 / draws)
    return ImportanceSample(points[rng.permutation(chosen)], float(worth), k_hat)


def _smoothed(log_ratios: FloatArray) -> tuple[FloatArray, float]:
    """Importance weights that sum to one, their largest ones Pareto-smoothed, and k-hat."""
    from arviz_stats.base import array_stats

    # The function is made for leave-one-out: it takes the logarithms of what it divides by.
    log_weights, k_hat = array_stats.psislw(-log_ratios)
    weights = np.exp(log_weights - log_weights.max())
    return weights / weights.sum(), float(k_hat)


def require_possible(points: FloatArray, fewest: int) -> FloatArray:
    """Return points of finite density, if there are enough of them."""
    if len(points) < fewest:
        raise FitError(
            "prior= makes nearly all parameters impossible that the data make likely. Check its "
            "units: they are those of the summary."
        )
    return points
