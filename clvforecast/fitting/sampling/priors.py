"""What is believed of the parameters before any customer is seen."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from clvforecast.errors import DataError
from clvforecast.models import Model
from clvforecast.numerics.arrays import FloatArray

__all__ = ["LogNormalPrior", "Prior"]


@dataclass(frozen=True)
class LogNormalPrior:
    """Independent normal log-parameters around 0, in time or money of mean one.

    Since times are measured in the customers' mean age, and money in their mean spend, the same
    data in weeks or days, dollars or cents, give the same forecast.

    Parameters
    ----------
    sd : float
        Standard deviation of every log-parameter. With the default of 2, 95% of the prior lies
        within a factor of 50 of one: next to nothing beside a few hundred repeat customers, and
        enough to keep parameters finite that the data do not identify.

    Examples
    --------
    >>> LogNormalPrior(sd=0.5)
    LogNormalPrior(sd=0.5)
    """

    sd: float = 2.0

    def __post_init__(self) -> None:
        if not (self.sd > 0 and math.isfinite(self.sd)):
            raise DataError(f"sd={self.sd!r} of the prior must be positive and finite.")


Prior: TypeAlias = LogNormalPrior | Callable[[Model], FloatArray]
"""Or the log-density of the parameters in their own units, up to a constant, as a function of a
model whose parameters are arrays: minus infinity where a value is impossible."""


def log_density(prior: Prior, model: Model, logs: FloatArray) -> FloatArray:
    """Log-density of the log-parameters, up to a constant.

    Parameters
    ----------
    prior : Prior
    model : Model
        With an array of shape (draws,) for each parameter, in the data's units.
    logs : ndarray, shape (draws, k)
        Its log-parameters on the scale of mean one.

    Raises
    ------
    DataError
        If a prior of the user's does not give one number or minus infinity for each draw.
    """
    if isinstance(prior, LogNormalPrior):
        return np.asarray(-0.5 * np.sum((logs / prior.sd) ** 2, axis=1))
    density = np.asarray(prior(model), dtype=float)
    if density.shape != (len(logs),) or np.isnan(density).any() or np.any(density == np.inf):
        raise DataError(
            "prior= must map a model with arrays of parameters to a log-density of the same shape, "
            f"minus infinity where impossible; it gave shape {density.shape} for {len(logs):,} "
            "draws, or a value that is missing or plus infinity."
        )
    return np.asarray(density + logs.sum(axis=1))
