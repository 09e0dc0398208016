"""The part of a fit that is covariates, and the part that is a calendar, with their covariances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from clvforecast.calendars import Basis
from clvforecast.errors import DataError
from clvforecast.fitting.regression.combined import CombinedEffects
from clvforecast.numerics.arrays import FloatArray

if TYPE_CHECKING:
    from clvforecast.fitting.result import Fit

__all__ = ["calendar_estimates", "covariate_estimates"]


def covariate_estimates(
    fit: Fit,
) -> tuple[Sequence[str], FloatArray, FloatArray, Mapping[str, Sequence[int]]]:
    """Names of all coefficients, their values and covariance, and which belong to each term.

    Raises
    ------
    DataError
        If the fit has no covariates.
    """
    effects = fit.effects
    if not isinstance(effects, CombinedEffects) or effects.covariates is None:
        raise DataError(
            f"This {fit.model.name} fit has no covariates. Fit with covariates='channel + age'."
        )
    covariates = effects.covariates.covariates
    first = len(fit.model.parameters)
    place = slice(first, first + len(covariates.free))
    estimates, covariance = covariates.every(
        effects.covariates.coefficients, fit.covariance[place, place]
    )
    return covariates.names, estimates, covariance, covariates.terms


def calendar_estimates(fit: Fit) -> tuple[Basis, FloatArray, FloatArray]:
    """The basis of the calendar, its coefficients and their covariance.

    Raises
    ------
    DataError
        If the fit has no calendar.
    """
    effects = fit.effects
    if not isinstance(effects, CombinedEffects) or effects.calendar is None:
        raise DataError(f"This {fit.model.name} fit has no calendar. Fit with calendar='month'.")
    count = len(effects.calendar.basis.names)
    logs = np.log(np.array(effects.calendar.sizes, dtype=float))
    return effects.calendar.basis, logs, fit.covariance[-count:, -count:]
