"""Draws from any density by Markov chains: exact, and slower."""

from __future__ import annotations

import warnings
from typing import Final

import numpy as np

from clvforecast.errors import FitWarning, require
from clvforecast.fitting.sampling.importance import LogDensity, require_possible
from clvforecast.numerics.arrays import FloatArray

__all__ = ["ensemble_sample"]

_WALKERS: Final = 32
_STARTS_TRIED: Final = 1_000
_STEPS_AT_ONCE: Final = 500
_MOST_STEPS: Final = 20_000
_BURN_IN_TIMES: Final = 10
_CORRELATION_TIMES: Final = 50
"""A chain this many autocorrelation times long estimates that time well."""


def ensemble_sample(
    log_density: LogDensity,
    peak: FloatArray,
    covariance: FloatArray,
    draws: int,
    rng: np.random.Generator,
) -> tuple[FloatArray, float]:
    """Draw by emcee's ensemble of walkers, until it is worth as many independent draws.

    Walkers move along differences of one another, so that neither scales nor correlations of the
    parameters matter.

    Parameters
    ----------
    log_density : LogDensity
    peak : ndarray, shape (k,)
    covariance : ndarray, shape (k, k)
        Where to begin: normal around the peak, as far as the density allows.
    draws : int
        How many to return, and how many independent ones they shall at least be worth.
    rng : numpy.random.Generator

    Returns
    -------
    draws : ndarray, shape (draws, k)
    effective_draws : float

    Raises
    ------
    FitError
        If hardly any point near the peak is possible.
    MissingExtra
        If emcee is not installed.

    Warns
    -----
    FitWarning
        If the chains are still too short after 20,000 steps.

    References
    ----------
    B. L. Nelson, E. B. Ford and M. J. Payne, "RUN DMC: An Efficient, Parallel Code for Analyzing
    Radial Velocity Observations Using N-Body Integrations and Differential Evolution Markov Chain
    Monte Carlo", Astrophysical Journal Supplement 210 (2014): the moves and their scale.
    """
    emcee = require("emcee", extra="mcmc", purpose="method='mcmc'")
    starts = rng.multivariate_normal(peak, covariance, _STARTS_TRIED)
    starts = require_possible(starts[np.isfinite(log_density(starts))], _WALKERS)
    moves = [(emcee.moves.DEMove(), 0.8), (emcee.moves.DESnookerMove(), 0.2)]
    sampler = emcee.EnsembleSampler(_WALKERS, peak.size, log_density, moves=moves, vectorize=True)
    state = emcee.State(
        starts[:_WALKERS],
        random_state=np.random.RandomState(rng.integers(2**32)).get_state(),
    )
    while sampler.iteration < _MOST_STEPS:
        state = sampler.run_mcmc(state, _STEPS_AT_ONCE)
        time = float(np.max(sampler.get_autocorr_time(tol=0)))
        burn_in = int(np.ceil(_BURN_IN_TIMES * time))
        kept = sampler.iteration - burn_in
        effective = _WALKERS * kept / time
        if kept > _CORRELATION_TIMES * time and effective > draws:
            break
    else:
        warnings.warn(
            f"The chains of method='mcmc' are worth only {max(effective, 0):,.0f} independent "
            f"draws after {_MOST_STEPS:,} steps of {_WALKERS} walkers. Give a narrower prior=.",
            FitWarning,
            stacklevel=4,
        )
    chain = sampler.get_chain(discard=min(burn_in, sampler.iteration // 2), flat=True)
    chosen = rng.choice(len(chain), draws, replace=draws > len(chain))
    return chain[chosen], 1 / (1 / max(effective, 1.0) + 1 / draws)
