"""Profile-likelihood intervals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import chdtri

from clvforecast.errors import DataError
from clvforecast.fitting.cells import Cells
from clvforecast.fitting.effects import Estimate
from clvforecast.numerics.arrays import FloatArray
from clvforecast.numerics.optimise import Derivatives, minimise_positive

__all__ = ["profile_intervals"]

_FARTHEST_LOGARITHM: Final = 15.0
"""Beyond this factor of three million, a parameter of order one is as good as 0 or infinity."""
_FIRST_STEP: Final = 0.25
_GROWTH: Final = 1.6
_PRECISION: Final = 1e-9


def profile_intervals(cells: Cells, fitted: Estimate, level: float) -> pd.DataFrame:
    """Bound every parameter by its profile likelihood; see `Fit.profile_intervals`."""
    if not 0 < level < 1:
        raise DataError(f"level={level!r} must lie between 0 and 1, such as 0.95.")
    cells, per = cells.axes
    estimates = cells.scaled(fitted)
    best = -cells.log_likelihood.value(estimates) / cells.customers
    allowed = best + float(chdtri(1, 1 - level)) / 2 / cells.customers
    offsets = np.array(
        [
            [_crossing(cells, estimates, k, allowed, side) for side in (-1, 1)]
            for k in range(estimates.size)
        ]
    )
    values = np.array(list(fitted.parameters.values()))
    return pd.DataFrame(
        values[:, None] * np.exp(offsets * per[:, None]),
        index=pd.Index(fitted.parameters, name="parameter"),
        columns=["lower", "upper"],
    )


def _crossing(cells: Cells, estimates: FloatArray, k: int, allowed: float, side: int) -> float:
    """How far the logarithm of parameter k can move to one side."""
    profile = _profile(cells, estimates, k)
    inside, outside = 0.0, side * _FIRST_STEP
    while profile(outside) < allowed:
        if abs(np.log(estimates[k]) + outside) > _FARTHEST_LOGARITHM:
            return side * np.inf
        inside, outside = outside, outside * _GROWTH
    return float(brentq(lambda z: profile(z) - allowed, inside, outside, xtol=_PRECISION))


def _profile(cells: Cells, estimates: FloatArray, k: int) -> Callable[[float], float]:
    """Minus the mean log-likelihood, maximised over all but the log of parameter k."""
    others = np.arange(estimates.size) != k
    parameters = estimates.copy()

    def reduced(rest: FloatArray) -> Derivatives:
        parameters[others] = rest
        value, gradient, hessian = cells.log_likelihood(parameters)
        return Derivatives(
            -value / cells.customers,
            -gradient[others] / cells.customers,
            -hessian[np.ix_(others, others)] / cells.customers,
        )

    start = estimates[others]

    def profile(offset: float) -> float:
        nonlocal start
        parameters[k] = estimates[k] * np.exp(offset)
        minimum = minimise_positive(reduced, [start])
        start = minimum.parameters
        return minimum.value

    return profile
