"""What a customer of a small segment is worth: means, shrunk towards that of all."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from scipy import special

from clvforecast.numerics.arrays import FloatArray, IntArray, sums_by_code

__all__ = ["ShrunkMeans", "shrunk_means"]

_NODES: Final = 64


class ShrunkMeans(NamedTuple):
    """Arrays of shape (segments,)."""

    credibility: FloatArray
    """Weight of the segment's own mean, from 0 to 1; the rest is that of the whole."""
    mean: FloatArray
    lower: FloatArray
    upper: FloatArray


def shrunk_means(
    values: FloatArray, segment: IntArray, segments: int, *, level: float, small: int
) -> ShrunkMeans:
    """Estimate the mean of each segment's customers, those seen being a sample of them.

    Parameters
    ----------
    values : ndarray, shape (n,)
        One per customer.
    segment : ndarray of int, shape (n,)
        From 0; each has customers.
    segments : int
    level : float
        Probability of the equal-tailed credible intervals.
    small : int
        The variance within a segment is taken as if this many more customers, of the variance
        common to all segments, had been seen in it.

    Returns
    -------
    ShrunkMeans

    Notes
    -----
    The means of segments with n customers are ``y ~ N(theta, V)``, ``V = variance / n``, and the
    true ones ``theta ~ N(mu, tau^2)``: the model of credibility theory [1]_. Given tau, theta has
    the mean ``(1 - B) y + B mu``, ``B = V / (V + tau^2)``, with mu the mean weighted by
    ``1 / (V + tau^2)``, and the variance ``(1 - B) V + B^2 var(mu)``. A point estimate of tau is
    often 0 where segments are few, and then claims too much; tau is integrated out instead, under
    a half-Cauchy prior [2]_ whose scale is the standard deviation among customers: segments are
    thought to differ less than customers do. The interval is that of a normal law with the
    resulting mean and variance, which holds the uncertainty of tau as in [3]_.

    References
    ----------
    .. [1] H. Buehlmann and E. Straub (1970), "Glaubwuerdigkeit fuer Schadensaetze", Mitteilungen
       der Vereinigung Schweizerischer Versicherungsmathematiker 70, 111-133.
    .. [2] A. Gelman (2006), "Prior distributions for variance parameters in hierarchical models",
       Bayesian Analysis 1, 515-534.
    .. [3] C. N. Morris (1983), "Parametric empirical Bayes inference: theory and applications",
       Journal of the American Statistical Association 78, 47-55.

    Examples
    --------
    >>> values = np.array([9.0, 11.0] * 50 + [30.0])
    >>> found = shrunk_means(values, np.array([0] * 100 + [1]), 2, level=0.9, small=30)
    >>> found.mean.round(1), found.credibility.round(2)
    (array([10. , 29.9]), array([1.  , 0.99]))
    """
    counts = np.bincount(segment, minlength=segments).astype(float)
    means = sums_by_code(segment, values, segments) / counts
    sampling = _sampling_variances(values, segment, counts, means, small)
    if not np.any(sampling > 0):
        return ShrunkMeans(np.ones(segments), means, means, means)

    nodes, weights = special.roots_legendre(_NODES)
    # Squared: where segments are large, all the probability may lie near tau = 0.
    root = (nodes + 1) / 2
    scale = np.sqrt(np.average(sampling * counts, weights=counts))
    between = (scale * np.tan(np.pi / 2 * root**2))[:, None] ** 2
    precision = 1 / (sampling + between)
    known = precision.sum(axis=1, keepdims=True)
    centre = (precision * means).sum(axis=1, keepdims=True) / known
    log_density = (
        0.5 * np.log(precision).sum(axis=1)
        - 0.5 * np.log(known[:, 0])
        - 0.5 * (precision * (means - centre) ** 2).sum(axis=1)
        + np.log(weights * root)
    )
    density = np.exp(log_density - log_density.max())[:, None]
    density /= density.sum()

    towards = sampling * precision
    given = (1 - towards) * means + towards * centre
    mean = (density * given).sum(axis=0)
    variance = (
        density * ((1 - towards) * sampling + towards**2 / known + (given - mean) ** 2)
    ).sum(axis=0)
    width = special.ndtri((1 + level) / 2) * np.sqrt(variance)
    return ShrunkMeans(1 - (density * towards).sum(axis=0), mean, mean - width, mean + width)


def _sampling_variances(
    values: FloatArray, segment: IntArray, counts: FloatArray, means: FloatArray, small: int
) -> FloatArray:
    squares = sums_by_code(segment, (values - means[segment]) ** 2, counts.size)
    beyond_means = values.size - counts.size
    common = squares.sum() / beyond_means if beyond_means else float(values.var())
    return np.asarray((squares + small * common) / (counts - 1 + small) / counts)
