"""The likelihood of BG/NBD and MBG/NBD row by row, with derivatives in parameters and times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from clvforecast.models.likelihoods.row_derivatives import RowDerivatives
from clvforecast.numerics.arrays import FloatArray
from clvforecast.numerics.rising_rows import rising

__all__ = ["beta_geometric_rows"]

_LARGEST_LOG_ODDS: Final = 700.0
"""Their exponential is a number still, and one is nothing beside it."""


def beta_geometric_rows(
    parameters: Sequence[FloatArray],
    columns: Sequence[FloatArray],
    *,
    times: bool,
    leave_at_once: bool,
) -> RowDerivatives:
    """Log-likelihood of `BetaGeometricModel`, with derivatives in (r, alpha, a, b[, t_x, T]).

    Parameters
    ----------
    parameters : sequence of ndarray, shape () or (n,)
    columns : sequence of ndarray, shape (n,)
        Frequency, recency and T.
    times : bool
        Whether to differentiate in recency and T, too.
    leave_at_once : bool
        As of the model.

    Notes
    -----
    With k occasions to leave it is
    ``log (r)_x - r log(1 + T / alpha) - x log(alpha + T) + log (b)_k - log (a + b)_k`` and, if
    there was an occasion, ``log(1 + exp z)`` with
    ``z = log a - log(b + k - 1) + (r + x) log((alpha + T) / (alpha + t_x))``.
    """
    r, alpha, a, b = parameters
    x, t_x, T = columns
    occasions = x + leave_at_once
    buys, stays, all_ = rising(r, x), rising(b, occasions), rising(a + b, occasions)
    shape, per_age, per_last = r + x, 1.0 / (alpha + T), 1.0 / (alpha + t_x)
    stretch = np.log1p(T / alpha)
    trial = b + np.maximum(occasions, 1.0) - 1.0
    silence = np.log1p((T - t_x) / (alpha + t_x))
    log_odds = np.where(occasions > 0, np.log(a / trial) + shape * silence, -np.inf)
    odds = np.exp(np.minimum(log_odds, _LARGEST_LOG_ODDS))
    alive = 1.0 / (1.0 + odds)
    left = odds * alive

    value = buys.log - r * stretch - x * np.log(alpha + T) + stays.log - all_.log
    value += np.maximum(log_odds, np.log1p(odds))

    quantities = 6 if times else 4
    gradient = np.zeros((quantities, x.size))
    hessian = np.zeros((quantities, quantities, x.size))
    shaped_age, shaped_last = shape * per_age, shape * per_last
    # Of the log odds z.
    gradient[0], gradient[1] = silence, shaped_age - shaped_last
    gradient[2], gradient[3] = 1.0 / a, -1.0 / trial
    if times:
        gradient[4], gradient[5] = -shaped_last, shaped_age
    hessian[:] = gradient[:, None] * gradient * alive
    bent_age, bent_last = shaped_age * per_age, shaped_last * per_last
    hessian[0, 1] += per_age - per_last
    hessian[1, 1] += bent_last - bent_age
    hessian[2, 2] -= a**-2
    hessian[3, 3] += trial**-2
    if times:
        hessian[0, 4] -= per_last
        hessian[0, 5] += per_age
        hessian[1, 4] += bent_last
        hessian[1, 5] -= bent_age
        hessian[4, 4] += bent_last
        hessian[5, 5] -= bent_age
    gradient *= left
    hessian *= left
    # Of the rest.
    gradient[0] += buys.slope - stretch
    gradient[1] += r * T / alpha * per_age - x * per_age
    gradient[2] -= all_.slope
    gradient[3] += stays.slope - all_.slope
    hessian[0, 0] += buys.curvature
    hessian[0, 1] += T / alpha * per_age
    hessian[1, 1] += x * per_age**2 - r * T / alpha * per_age * (1.0 / alpha + per_age)
    hessian[2, 2] -= all_.curvature
    hessian[2, 3] -= all_.curvature
    hessian[3, 3] += stays.curvature - all_.curvature
    if times:
        gradient[5] -= shaped_age
        hessian[0, 5] -= per_age
        hessian[1, 5] += bent_age
        hessian[5, 5] += bent_age
    for i, j in zip(*np.tril_indices(quantities, -1), strict=True):
        hessian[i, j] = hessian[j, i]
    return RowDerivatives(value, gradient, hessian)
