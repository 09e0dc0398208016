"""The likelihood of BG/CNBD-k and MBG/CNBD-k row by row, with derivatives in the parameters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clvforecast.models.likelihoods.erlang_beta_geometric import (
    LARGEST_LOG_ODDS,
    silence_with_derivatives,
)
from clvforecast.models.likelihoods.row_derivatives import RowDerivatives
from clvforecast.numerics.arrays import FloatArray
from clvforecast.numerics.rising_rows import rising

__all__ = ["erlang_beta_geometric_rows"]


def erlang_beta_geometric_rows(
    parameters: Sequence[FloatArray],
    columns: Sequence[FloatArray],
    *,
    leave_at_once: bool,
    k: int,
) -> RowDerivatives:
    """Log-likelihood of `ErlangBetaGeometricModel`, with derivatives in (r, alpha, a, b).

    The spacing of the purchases, which does not depend on them, is left out.

    Parameters
    ----------
    parameters : sequence of ndarray, shape () or (n,)
    columns : sequence of ndarray, shape (n,)
        Frequency, recency and T.
    leave_at_once : bool
        As of the model.
    k : int

    Notes
    -----
    With o occasions to leave it is ``log (r)_kx - r log(1 + T / alpha) - k x log(alpha + T) +
    log (b)_o - log (a + b)_o + log(exp y + exp z)``; y is the logarithm of the ways in which the
    silence may have come about, and z that of the odds of having left: see `CellLikelihood`.
    """
    r, alpha, a, b = parameters
    x, t_x, T = columns
    phases, occasions = k * x, x + leave_at_once
    buys, stays, all_ = rising(r, phases), rising(b, occasions), rising(a + b, occasions)
    shape, per_age, per_last = r + phases, 1.0 / (alpha + T), 1.0 / (alpha + t_x)
    stretch, share = np.log1p(T / alpha), (T - t_x) * per_age
    trial = b + np.maximum(occasions, 1.0) - 1.0
    silence = np.log1p((T - t_x) * per_last)
    ways = silence_with_derivatives(shape, share, k)
    log_ways = np.log(ways.total)
    log_odds = np.where(occasions > 0, np.log(a / trial) + shape * silence - log_ways, -np.inf)
    odds = np.exp(np.minimum(log_odds, LARGEST_LOG_ODDS))
    alive = 1.0 / (1.0 + odds)
    left = odds * alive

    value = buys.log - r * stretch - phases * np.log(alpha + T) + stays.log - all_.log
    value += log_ways + np.maximum(log_odds, np.log1p(odds))

    # Of the silence, whose share falls with alpha.
    fall = -share * per_age
    in_share = ways.slope_share / ways.total
    of_ways = np.stack([ways.slope_shape / ways.total, in_share * fall])
    bent_ways = np.empty((2, 2, x.size))
    bent_ways[0, 0] = ways.curvature_shape / ways.total
    bent_ways[0, 1] = ways.mixed / ways.total * fall
    bent_ways[1, 1] = (ways.curvature_share / ways.total * fall - 2.0 * in_share * per_age) * fall
    bent_ways[1, 0] = bent_ways[0, 1]
    bent_ways -= of_ways[:, None] * of_ways

    gradient, hessian = np.zeros((4, x.size)), np.zeros((4, 4, x.size))
    # Of the log odds.
    gradient[0], gradient[1] = silence, shape * (per_age - per_last)
    gradient[2], gradient[3] = 1.0 / a, -1.0 / trial
    apart = gradient.copy()
    apart[:2] -= of_ways
    hessian += apart[:, None] * apart * alive
    hessian[0, 1] += per_age - per_last
    hessian[1, 0] += per_age - per_last
    hessian[1, 1] += shape * (per_last**2 - per_age**2)
    hessian[2, 2] -= a**-2
    hessian[3, 3] += trial**-2
    gradient *= left
    hessian *= left
    gradient[:2] += alive * of_ways
    hessian[:2, :2] += alive * bent_ways
    # Of the rest.
    gradient[0] += buys.slope - stretch
    gradient[1] += r * T / alpha * per_age - phases * per_age
    gradient[2] -= all_.slope
    gradient[3] += stays.slope - all_.slope
    hessian[0, 0] += buys.curvature
    hessian[0, 1] += T / alpha * per_age
    hessian[1, 0] += T / alpha * per_age
    hessian[1, 1] += phases * per_age**2 - r * T / alpha * per_age * (1.0 / alpha + per_age)
    hessian[2, 2] -= all_.curvature
    hessian[2, 3] -= all_.curvature
    hessian[3, 2] -= all_.curvature
    hessian[3, 3] += stays.curvature - all_.curvature
    return RowDerivatives(value, gradient, hessian)
