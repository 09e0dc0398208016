"""The likelihood of Pareto/NBD row by row, with derivatives in the parameters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clvforecast.models.likelihoods.pareto_nbd import LARGEST_LOG_ODDS, death_derivatives
from clvforecast.models.likelihoods.row_derivatives import RowDerivatives
from clvforecast.numerics.arrays import FloatArray
from clvforecast.numerics.rising_rows import rising

__all__ = ["pareto_nbd_rows"]


def pareto_nbd_rows(
    parameters: Sequence[FloatArray], columns: Sequence[FloatArray]
) -> RowDerivatives:
    """Log-likelihood of `ParetoNBD`, with derivatives in (r, alpha, s, beta).

    Parameters
    ----------
    parameters : sequence of ndarray, shape () or (n,)
    columns : sequence of ndarray, shape (n,)
        Frequency, recency and T.
    """
    r, alpha, s, beta = parameters
    x, _, T = columns
    value, gradient, hessian = _death(parameters, columns)
    buys = rising(r, x)
    per_age = 1.0 / (alpha + T)
    value += buys.log - x * np.log(alpha + T)
    gradient[0] += buys.slope
    gradient[1] -= x * per_age
    hessian[0, 0] += buys.curvature
    hessian[1, 1] += x * per_age**2
    for first, shape, scale in ((0, r, alpha), (2, s, beta)):
        stretch, share = np.log1p(T / scale), T / (scale * (scale + T))
        value -= shape * stretch
        gradient[first] -= stretch
        gradient[first + 1] += shape * share
        hessian[first, first + 1] += share
        hessian[first + 1, first + 1] -= shape * share * (1.0 / scale + 1.0 / (scale + T))
    for i, j in zip(*np.tril_indices(4, -1), strict=True):
        hessian[i, j] = hessian[j, i]
    return RowDerivatives(value, gradient, hessian)


def _death(parameters: Sequence[FloatArray], columns: Sequence[FloatArray]) -> RowDerivatives:
    """The logarithm of one plus the odds of having left; see `CellLikelihood`."""
    x, t_x, T = columns
    value, gradient, hessian = np.zeros(x.size), np.zeros((4, x.size)), np.zeros((4, 4, x.size))
    silent = np.flatnonzero(t_x < T)
    r, alpha, s, beta = (np.broadcast_to(p, x.shape)[silent] for p in parameters)
    last = t_x[silent]
    histories = r + x[silent], alpha + last, s, beta + last, T[silent] - last
    for which, log_odds, share, first, second in death_derivatives(*histories):
        rows = silent[which]
        odds = np.exp(np.minimum(log_odds, LARGEST_LOG_ODDS))
        alive = 1.0 / (1.0 + odds)
        left = odds * alive
        mean = np.sum(first * share, axis=1)
        apart = first - mean[:, None]
        weighted = apart * share
        bent = np.zeros((4, 4, which.size))
        for i in range(4):
            for j in range(i, 4):
                bent[i, j] = np.einsum("ns,ns->s", weighted[i], apart[j])
        bent += alive * mean[:, None] * mean
        for (i, j), bend in second.items():
            bent[i, j] += np.einsum("ns,ns->s", share, bend)
        bent[2, 2] -= s[which] ** -2
        value[rows] = np.logaddexp(0.0, log_odds)
        gradient[:, rows] = left * mean
        hessian[:, :, rows] = left * bent
    return RowDerivatives(value, gradient, hessian)
