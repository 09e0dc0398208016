"""How well whole laws foretold what came: proper scores, and the probability integral transform.

Scores are losses, a value per customer: the smaller, the better, and in expectation smallest for
the true law [1]_. Their mean is the score of a forecast.

A library of scores has them for named laws and for samples; that of a customer's future is
neither, so the formulas are here, and checked against such a library.

.. [1] T. Gneiting and A. E. Raftery, "Strictly proper scoring rules, prediction, and estimation",
   Journal of the American Statistical Association 102 (2007).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from clvforecast.errors import DataError
from clvforecast.metrics.checks import FloatArray, checked, checked_count, checked_level

__all__ = [
    "count_crps",
    "crps",
    "law_coverage",
    "log_score",
    "pit_histogram",
    "randomised_pit",
]

_ROUNDING: Final = 1e-9


def log_score(probability: ArrayLike) -> FloatArray:
    """Logarithmic score: minus the log-probability that was given to what came.

    Parameters
    ----------
    probability : array_like, shape (n,)
        Of each customer's actual number of purchases, under his law.

    Returns
    -------
    ndarray, shape (n,)
        In nats, 0 or more; infinite where the law ruled out what came.

    Raises
    ------
    DataError
        If a value is no probability.

    References
    ----------
    Gneiting and Raftery (2007), section 4.1, with the sign of a loss.

    Examples
    --------
    >>> log_score([1.0, 0.5]).round(4)
    array([0.    , 0.6931])
    """
    (given,) = checked(probability=probability)
    _check_probabilities("probability", given)
    with np.errstate(divide="ignore"):
        return np.asarray(-np.log(np.clip(given, 0.0, 1.0)) + 0.0)


def crps(actual: ArrayLike, limited_mean: ArrayLike, smaller_of_two: ArrayLike) -> FloatArray:
    """Continuous ranked probability score of laws of what cannot be negative.

    Parameters
    ----------
    actual : array_like, shape (n,)
        What came, y, 0 or more.
    limited_mean : array_like, shape (n,)
        ``E[min(Y, y)]`` under each customer's law.
    smaller_of_two : array_like, shape (n,)
        ``E[min(Y, Y')]``, of two independent draws.

    Returns
    -------
    ndarray, shape (n,)
        In the unit of `actual`.

    Notes
    -----
    With the distribution function F the score is the integral of ``(F(s) - 1{y <= s}) ** 2``,
    which is ``E|Y - y| - E|Y - Y'| / 2`` [1]_ (equation 21). As ``|u - v| = u + v - 2 min(u, v)``,
    the means of Y cancel, and ``y - 2 E[min(Y, y)] + E[min(Y, Y')]`` is left. With S = 1 - F the
    two expectations are the integrals of S up to y and of S squared: they exist wherever the
    score does, and scale in the share of a law that is not an atom at zero, by p and by p squared.

    The score of a point forecast is its absolute error; so the two can be compared.

    References
    ----------
    .. [1] Gneiting and Raftery (2007).

    Examples
    --------
    A fair coin between 0 and 1, and 1 came:

    >>> crps([1.0], [0.5], [0.25])
    array([0.25])
    """
    happened, limited, smaller = checked(
        actual=actual, limited_mean=limited_mean, smaller_of_two=smaller_of_two
    )
    return np.asarray(happened - 2.0 * limited + smaller)


def count_crps(
    actual: ArrayLike,
    upto: ArrayLike,
    *,
    row: ArrayLike | None = None,
    p_alive: ArrayLike | None = None,
) -> FloatArray:
    """Continuous ranked probability score of laws of counts.

    Parameters
    ----------
    actual : array_like, shape (n,)
        Whole numbers.
    upto : array_like, shape (laws, counts)
        Probability of at most 0, 1, 2, ... in each law, up to where next to nothing is left.
    row : array_like of int, shape (n,), optional
        The law of each customer. Default: one after the other.
    p_alive : array_like, shape (n,), optional
        The law is that of the row with this probability, and else the count is 0. Default: 1.

    Returns
    -------
    ndarray, shape (n,)

    Raises
    ------
    DataError
        If an actual value is no count, or the arrays do not fit.

    Notes
    -----
    The sum over k of ``(F(k) - 1{y <= k}) ** 2``, also known as the ranked probability score [1]_
    (section 3), by `crps`: ``E[min(Y, y)]`` is the sum of ``1 - F(k)`` over k < y, and
    ``E[min(Y, Y')]`` that of its square over all k.

    References
    ----------
    .. [1] C. Czado, T. Gneiting and L. Held, "Predictive model assessment for count data",
       Biometrics 65 (2009).

    Examples
    --------
    >>> count_crps([0, 2], [[0.5, 0.8, 1.0], [0.5, 0.8, 1.0]])
    array([0.29, 0.89])
    """
    (happened,) = checked(actual=actual)
    if not np.all((happened >= 0) & (happened == np.floor(happened))):
        raise DataError("actual must hold whole numbers, 0 or more.")
    laws = np.asarray(upto, dtype=float)
    which = np.arange(happened.size) if row is None else np.asarray(row, dtype=np.int64)
    alive = np.ones(happened.size) if p_alive is None else np.asarray(p_alive, dtype=float)
    if laws.ndim != 2 or which.shape != happened.shape or alive.shape != happened.shape:
        raise DataError(
            f"upto has shape {laws.shape} and there are {happened.size:,} customers: give a law "
            "per row, and the row and p_alive of each customer."
        )
    if which.min() < 0 or which.max() >= len(laws):
        raise DataError(f"row must hold positions among the {len(laws):,} laws.")
    above = 1.0 - laws
    limited = np.concatenate([np.zeros((len(laws), 1)), np.cumsum(above, axis=1)], axis=1)
    at = np.minimum(happened, limited.shape[1] - 1).astype(np.int64)
    smaller = np.sum(above**2, axis=1)
    return crps(happened, alive * limited[which, at], alive**2 * smaller[which])


def randomised_pit(below: ArrayLike, upto: ArrayLike, *, seed: int) -> FloatArray:
    """Probability integral transform: uniform on (0, 1) if the laws are right.

    Parameters
    ----------
    below, upto : array_like, shape (n,)
        Probability of less than what came, and of no more than it. Of continuous laws they agree.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    ndarray, shape (n,)
        A draw between the two, for each customer.

    References
    ----------
    Czado, Gneiting and Held (2009), equation 1; J. Q. Smith, "Diagnostic checks of non-standard
    time series models", Journal of Forecasting 4 (1985).

    Examples
    --------
    >>> randomised_pit([0.2, 0.5], [0.2, 0.5], seed=1)
    array([0.2, 0.5])
    """
    low, high = _checked_jumps(below, upto)
    share = np.random.default_rng(checked_count(seed, "seed", 0)).random(low.size)
    return np.asarray(low + share * (high - low))


def pit_histogram(below: ArrayLike, upto: ArrayLike, bins: int = 10) -> FloatArray:
    """Histogram of the transform without random numbers: the expectation of the randomised one's.

    Parameters
    ----------
    below, upto : array_like, shape (n,)
        Probability of less than what came, and of no more than it.
    bins : int
        Equally wide ones on (0, 1).

    Returns
    -------
    ndarray, shape (bins,)
        Heights of a density: all 1 if the laws are right. A hump means that the laws are too wide,
        a U too narrow, a slope that they are too high or too low.

    References
    ----------
    Czado, Gneiting and Held (2009), equation 2.

    Examples
    --------
    >>> pit_histogram([0.0, 0.5], [0.5, 1.0], bins=4)
    array([1., 1., 1., 1.])
    """
    low, high = _checked_jumps(below, upto)
    count = checked_count(bins, "bins", 1)
    edges = np.arange(count + 1) / count
    jump = high - low
    reached = np.zeros(count + 1)
    for k, edge in enumerate(edges):
        share = np.where(low < edge, 1.0, 0.0)
        np.divide(edge - low, jump, out=share, where=jump > 0)
        reached[k] = np.clip(share, 0.0, 1.0).mean()
    reached[-1] = 1.0
    return np.asarray(np.diff(reached) * count)


def law_coverage(below: ArrayLike, upto: ArrayLike, level: float) -> float:
    """Share of customers who fall into their equal-tailed interval, at any level, from the laws.

    Parameters
    ----------
    below, upto : array_like, shape (n,)
        Probability of less than what came, and of no more than it.
    level : float
        Probability of the interval, in (0, 1).

    Returns
    -------
    float
        Of continuous laws that are right, `level`; of counts more, as an interval ends at whole
        numbers.

    Notes
    -----
    The interval goes from the smallest count with at least ``(1 - level) / 2`` to the smallest
    with at least ``(1 + level) / 2`` of probability not to be exceeded, as `forecast` gives it.

    Examples
    --------
    >>> law_coverage([0.0, 0.8, 0.97], [0.8, 0.97, 1.0], level=0.9)
    0.6666666666666666
    """
    low, high = _checked_jumps(below, upto)
    tail = (1.0 - checked_level(level)) / 2.0
    return float(np.mean((high >= tail) & (low < 1.0 - tail)))


def _checked_jumps(below: ArrayLike, upto: ArrayLike) -> list[FloatArray]:
    """Values of a distribution function left of what came and at it."""
    low, high = checked(below=below, upto=upto)
    _check_probabilities("below", low)
    _check_probabilities("upto", high)
    if (low > high + _ROUNDING).any():
        raise DataError(
            f"{(low > high).sum():,} of {low.size:,} values of below are above upto: the "
            "probability of less than what came cannot exceed that of no more than it."
        )
    low = np.clip(low, 0.0, 1.0)
    return [low, np.clip(high, low, 1.0)]


def _check_probabilities(name: str, values: FloatArray) -> None:
    bad = (values < -_ROUNDING) | (values > 1.0 + _ROUNDING)
    if bad.any():
        raise DataError(
            f"{bad.sum():,} of {values.size:,} values of {name} are no probabilities (first: "
            f"{values[bad][0]:g}). They must lie between 0 and 1."
        )
