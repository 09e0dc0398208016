"""The likelihood of Gamma-Gamma row by row, with derivatives in the parameters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import digamma, gammaln, polygamma

from clvforecast.models.likelihoods.row_derivatives import RowDerivatives
from clvforecast.numerics.arrays import FloatArray, distinct

__all__ = ["gamma_gamma_rows"]


def gamma_gamma_rows(
    parameters: Sequence[FloatArray], columns: Sequence[FloatArray]
) -> RowDerivatives:
    """Log-likelihood of `GammaGamma`, with derivatives in (p, q, v).

    Parameters
    ----------
    parameters : sequence of ndarray, shape () or (n,)
    columns : sequence of ndarray, shape (n,)
        Frequency and mean spend, both positive.
    """
    p, q, v = parameters
    x, m = columns
    spent = x * m
    total = v + spent
    per_total, share = 1.0 / total, spent / total
    log_rest, log_share = -np.log1p(spent / v), np.log(share)
    if p.ndim or q.ndim:
        counts, codes = x, np.arange(x.size)
    else:
        # Gamma functions take longest, and few customers have a frequency of their own.
        counts, codes = distinct(x)
    shape = p * counts
    of_both, of_shape, of_q = (
        (gammaln(values), digamma(values), polygamma(1, values))
        for values in (shape + q, shape, np.asarray(q))
    )
    log, slope_p, slope_q, pp, pq, qq = (
        np.broadcast_to(values, counts.shape)[codes]
        for values in (
            of_both[0] - of_shape[0] - of_q[0],
            counts * (of_both[1] - of_shape[1]),
            of_both[1] - of_q[1],
            counts**2 * (of_both[2] - of_shape[2]),
            counts * of_both[2],
            of_both[2] - of_q[2],
        )
    )
    # With u = v / (v + x m), the rest is q log u + p x log(1 - u) - log m.
    value = log + q * log_rest + p * x * log_share - np.log(m)
    gradient = np.stack([slope_p + x * log_share, slope_q + log_rest, np.empty_like(x)])
    gradient[2] = q / v * share - p * x * per_total
    pv, qv = -x * per_total, share / v
    vv = p * x * per_total**2 - q / v * share * (1.0 / v + per_total)
    rows = ((pp, pq, pv), (pq, qq, qv), (pv, qv, vv))
    return RowDerivatives(value, gradient, np.array([np.stack(row) for row in rows]))
