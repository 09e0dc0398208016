"""The posterior of a fit's parameters."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Final

import numpy as np

from clvforecast.errors import DataError, FitError, FitWarning, suggest
from clvforecast.fitting.draws import ParameterDraws
from clvforecast.fitting.sampling.ensemble import ensemble_sample
from clvforecast.fitting.sampling.importance import RELIABLE_K_HAT, LogDensity, importance_sample
from clvforecast.fitting.sampling.priors import LogNormalPrior, Prior, log_density
from clvforecast.numerics.arrays import FloatArray

if TYPE_CHECKING:
    from clvforecast.fitting.cells import Cells

__all__ = ["draw_posterior"]

_METHODS: Final = ("psis", "mcmc")
_FEWEST_DRAWS: Final = 100
_LARGEST_LOGARITHM: Final = 30.0
_FAR_LOGARITHM: Final = 15.0
"""A factor of three million."""
_SHARE_THAT_IS_FAR: Final = 0.01


def draw_posterior(
    cells: Cells, prior: Prior, draws: int, method: str, seed: int, time_unit: str | None
) -> ParameterDraws:
    """Draw parameters from their posterior; see `Fit.posterior`."""
    if method not in _METHODS:
        raise DataError(f"No method={method!r}. {suggest(method, _METHODS)}")
    if draws < _FEWEST_DRAWS:
        raise DataError(f"draws={draws!r} must be at least {_FEWEST_DRAWS}.")
    rng = np.random.default_rng(seed)
    target = _log_posterior(cells, prior)
    peak, covariance = _laplace(cells, prior if isinstance(prior, LogNormalPrior) else None)
    k_hat = None
    if method == "mcmc":
        logs, effective = ensemble_sample(target, peak, covariance, draws, rng)
    else:
        logs, effective, k_hat = importance_sample(target, peak, covariance, draws, rng)
        _warn_of(k_hat, cells.model.name)
    _warn_of_no_end(logs, cells)
    drawn = cells.in_own_units(np.exp(logs).T)
    return ParameterDraws(
        model=drawn.model,
        effects=drawn.effects,
        method=method,
        effective_draws=effective,
        k_hat=k_hat,
        time_unit=time_unit,
    )


def _warn_of(k_hat: float, model: str) -> None:
    if k_hat >= RELIABLE_K_HAT:
        warnings.warn(
            f"{model}: the importance weights of the posterior cannot be trusted (k-hat "
            f"{k_hat:.2f}, which should be below {RELIABLE_K_HAT}). Draw with method='mcmc' "
            "(pip install 'clvforecast[mcmc]'), or give a narrower prior=.",
            FitWarning,
            stacklevel=4,
        )


def _warn_of_no_end(logs: FloatArray, cells: Cells) -> None:
    far = (np.abs(logs) > _FAR_LOGARITHM).mean(axis=0) > _SHARE_THAT_IS_FAR
    if far.any():
        names = " and ".join(np.array(cells.parameter_names)[far])
        warnings.warn(
            f"{cells.model.name}: the posterior of {names} has no end, since neither the data nor "
            "prior= bound it. Give a narrower prior=, such as LogNormalPrior().",
            FitWarning,
            stacklevel=4,
        )


def _log_posterior(cells: Cells, prior: Prior) -> LogDensity:
    """Of log-parameters on the scale of mean one."""

    def of_logs(logs: FloatArray) -> FloatArray:
        density = np.full(len(logs), -np.inf)
        within = np.flatnonzero(np.abs(logs).max(axis=1) < _LARGEST_LOGARITHM)
        parameters = np.exp(logs[within])
        believed = log_density(prior, cells.in_own_units(parameters.T).model, logs[within])
        possible = within[believed > -np.inf]
        seen = [cells.log_likelihood.value(np.exp(point)) for point in logs[possible]]
        density[possible] = believed[believed > -np.inf] + np.asarray(seen, dtype=float)
        return density

    return of_logs


def _laplace(cells: Cells, prior: LogNormalPrior | None) -> tuple[FloatArray, FloatArray]:
    """Peak of the posterior in the log-parameters, and the inverse of its curvature there."""
    prior = prior or LogNormalPrior()
    minimum = cells.estimate(ridge=1 / (2 * prior.sd**2 * cells.customers))
    if not minimum.converged:
        raise FitError(
            f"The posterior of {cells.model.name} has no peak that can be found with {prior}. "
            "Give a narrower prior=."
        )
    covariance = np.linalg.inv(cells.customers * minimum.hessian)
    return np.log(minimum.parameters), np.asarray(covariance)
