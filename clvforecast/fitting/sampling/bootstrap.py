"""Refits to customers drawn with replacement."""

from __future__ import annotations

import warnings
from typing import Final

import numpy as np

from clvforecast.errors import DataError, FitError, FitWarning
from clvforecast.fitting.cells import Cells
from clvforecast.fitting.draws import ParameterDraws
from clvforecast.fitting.effects import Estimate
from clvforecast.progress import tracked

__all__ = ["refit_replicates"]

_FEWEST_REPLICATES: Final = 100


def refit_replicates(
    cells: Cells,
    fitted: Estimate,
    *,
    ridge: float,
    replicates: int,
    seed: int,
    progress: bool,
    time_unit: str | None,
) -> ParameterDraws:
    """Estimate from so many replicates of the customers; see `Fit.bootstrap`."""
    if replicates < _FEWEST_REPLICATES:
        raise DataError(f"replicates={replicates!r} must be at least {_FEWEST_REPLICATES}.")
    rng = np.random.default_rng(seed)
    start = cells.scaled(fitted)
    estimates = []
    description = f"{cells.model.name} refits"
    for _ in tracked(range(replicates), replicates, description, shown=progress):
        minimum = cells.resampled(rng).estimate(ridge, start)
        if minimum.converged:
            estimates.append(minimum.parameters)
    failed = replicates - len(estimates)
    if len(estimates) < _FEWEST_REPLICATES:
        raise FitError(
            f"{cells.model.name} could be fitted to only {len(estimates):,} of {replicates:,} "
            "replicates: the data do not identify it. Fit with a small ridge=, such as 0.001."
        )
    if failed:
        warnings.warn(
            f"{cells.model.name} could not be fitted to {failed:,} of {replicates:,} replicates, "
            "which are left out: intervals are too narrow. Fit with a small ridge=.",
            FitWarning,
            stacklevel=3,
        )
    drawn = cells.in_own_units(np.array(estimates).T)
    return ParameterDraws(
        model=drawn.model,
        effects=drawn.effects,
        method="bootstrap",
        effective_draws=float(len(estimates)),
        time_unit=time_unit,
    )
