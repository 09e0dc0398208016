"""Weights of a mixture that give what came the highest mean log-probability."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import nnls

from clvforecast.numerics.arrays import FloatArray

__all__ = ["MixtureWeights", "likeliest_weights"]

_TOLERANCE: Final = 1e-10
"""Of the mean log-probability, in nats."""
_MOST_STEPS: Final = 1_000
_SMALLEST_STEP: Final = 2.0**-20
_LEAST_GAIN: Final = 1e-4
"""Of what a step's slope promises (Armijo)."""
_PROXIMITY: Final = 1e-9
"""Curvature added, relative to the largest, where columns are all but the same."""


class MixtureWeights(NamedTuple):
    """Weights, shape (k,), and how much higher the mean log-probability could be at most."""

    weights: FloatArray
    gap: float


def likeliest_weights(
    probabilities: FloatArray, counts: FloatArray, start: FloatArray | None = None
) -> MixtureWeights:
    """Weights from 0 that sum to 1 and maximise the mean logarithm of the mixed probability.

    Parameters
    ----------
    probabilities : ndarray, shape (n, k)
        What each of k laws gave to what came, over the highest of each row.
    counts : ndarray, shape (n,)
        How often each row came; from 0, not all of them 0.
    start : ndarray, shape (k,), optional
        Where to begin. Default: equal weights.

    Returns
    -------
    MixtureWeights

    Notes
    -----
    With d the mean over rows of each law's probability over the mixture's, the mean logarithm is
    concave with slope d, so no weights have one higher by more than ``max(d) - 1``: the search ends
    where that is 1e-10. It takes some ten steps.

    The sum of the weights is free if it is subtracted [1]_. Each step solves the quadratic problem
    of Newton over weights from 0, as non-negative least squares, so weights become 0 exactly; it is
    halved until it gains enough. Where none does, a step of EM, which multiplies weights by d and
    never loses [2]_, takes its place.

    References
    ----------
    .. [1] Y. Kim, P. Carbonetto, M. Stephens and M. Anitescu, "A Fast Algorithm for Maximum
       Likelihood Estimation of Mixture Proportions Using Sequential Quadratic Programming",
       Journal of Computational and Graphical Statistics 29 (2020) 261-273.
    .. [2] A. P. Dempster, N. M. Laird and D. B. Rubin, "Maximum Likelihood from Incomplete Data
       via the EM Algorithm", Journal of the Royal Statistical Society B 39 (1977), section 4.3.

    Examples
    --------
    Of two laws, each sure of one of two outcomes, the weights are how often these came:

    >>> found = likeliest_weights(np.eye(2), np.array([30.0, 10.0]))
    >>> found.weights.round(6), bool(found.gap < 1e-10)
    (array([0.75, 0.25]), True)
    """
    some = counts > 0
    rows, share = probabilities[some], counts[some] / counts.sum()
    size = rows.shape[1]
    weights = np.full(size, 1.0 / size) if start is None else start
    if not np.all(rows @ weights > 0):  # a start at which something is impossible
        weights = np.full(size, 1.0 / size)
    best = MixtureWeights(weights, np.inf)
    for _ in range(_MOST_STEPS):
        relative = rows / (rows @ weights)[:, None]
        slope = share @ relative
        gap = float(slope.max() - 1.0)
        if gap < best.gap:
            best = MixtureWeights(weights, max(gap, 0.0))
        if gap <= _TOLERANCE:
            break
        found = _newton_step(rows, share, weights, relative, slope)
        if found is None:
            found = weights * slope
        if np.array_equal(found, weights):
            break
        weights = found / found.sum()
    return best


def _newton_step(
    rows: FloatArray,
    share: FloatArray,
    weights: FloatArray,
    relative: FloatArray,
    slope: FloatArray,
) -> FloatArray | None:
    """Weights that are better, by the quadratic problem at these; None if it leads nowhere."""
    curvature = relative.T @ (share[:, None] * relative)
    proximity = _PROXIMITY * curvature.trace()
    factor = cholesky(curvature + proximity * np.eye(weights.size))
    # As curvature times weights is the slope, the linear part is 2 * slope - 1.
    target = solve_triangular(factor, 2.0 * slope - 1.0 + proximity * weights, trans="T")
    try:
        direction = nnls(factor, target)[0] - weights
    except RuntimeError:  # too many exchanges
        return None
    promised = float((slope - 1.0) @ direction)
    mixed = rows @ weights
    length = 1.0
    while promised > 0 and length >= _SMALLEST_STEP:
        found = np.maximum(weights + length * direction, 0.0)
        with np.errstate(divide="ignore"):
            gained = float(share @ np.log(rows @ found / mixed)) - (found - weights).sum()
        if gained >= _LEAST_GAIN * length * promised:
            return np.asarray(found)
        length /= 2
    return None
