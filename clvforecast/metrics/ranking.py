"""How well a forecast tells good customers from bad ones, and whether its deciles are right.

Customers with equal predictions are in no order: every score here is the mean over all of them, so
none depends on the order of the rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clvforecast.errors import DataError
from clvforecast.metrics.checks import FloatArray, checked
from clvforecast.numerics.arrays import settled

__all__ = ["Ranked", "decile_error", "deciles", "gains", "gini", "spearman", "top_decile"]

_TENTHS: Final = 10


@dataclass(frozen=True, eq=False)
class Ranked:
    """Customers by actual and by predicted value, sorted once for scores under many weights.

    A weight says how often a customer counts, as in a bootstrap replicate.
    """

    actual: FloatArray
    _by_predicted: NDArray[np.int64]
    _levels: FloatArray
    _by_actual: NDArray[np.int64]
    _actual_levels: FloatArray

    @classmethod
    def of(cls, actual: ArrayLike, predicted: ArrayLike) -> Ranked:
        """Sort customers by both values.

        Raises
        ------
        DataError
            If the arrays are empty, of different lengths or not finite, or an actual value is
            negative.
        """
        happened, expected = checked(actual=actual, predicted=predicted)
        if (happened < 0).any():
            raise DataError(
                f"{(happened < 0).sum():,} of {happened.size:,} values of actual are negative: "
                "shares of their total mean nothing. Give counts, or spend net of refunds."
            )
        levels, by_predicted = np.unique(settled(expected), return_inverse=True)
        actual_levels, by_actual = np.unique(settled(happened), return_inverse=True)
        return cls(happened, by_predicted, levels, by_actual, actual_levels)

    def scores(self, weights: FloatArray) -> dict[str, float]:
        """Every score of this module, by name, under weights of shape (n,)."""
        total, bought = float(weights.sum()), _dot(weights, self.actual)
        if not bought:
            return dict.fromkeys(("gini", "top_decile", "decile_error", "spearman"), math.nan)
        sizes, middles = _middles(self._by_predicted, weights, self._levels.size)
        actual_sizes, actual_middles = _middles(self._by_actual, weights, self._actual_levels.size)
        ranks, actual_ranks = middles - total / 2, actual_middles - total / 2
        values = _sums(self._by_predicted, weights * self.actual, sizes.size)
        concentration = _dot(values, ranks)
        greatest = _dot(actual_sizes * self._actual_levels, actual_ranks)
        together = _dot(weights * ranks[self._by_predicted], actual_ranks[self._by_actual])
        spread = _dot(sizes, ranks**2) * _dot(actual_sizes, actual_ranks**2)
        happened, expected = self._shared_out(sizes, values)
        return {
            "gini": _ratio(concentration, greatest),
            "top_decile": float(happened[-1] / bought),
            "decile_error": _decile_error(happened, expected),
            "spearman": _ratio(together, math.sqrt(spread)),
        }

    def decile_totals(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Totals, actual and predicted, of each tenth of the customers; see `deciles`."""
        sizes = _sums(self._by_predicted, weights, self._levels.size)
        values = _sums(self._by_predicted, weights * self.actual, self._levels.size)
        return self._shared_out(sizes, values)

    def _shared_out(self, sizes: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        upto = np.concatenate([[0.0], np.cumsum(sizes)])
        limits = np.arange(_TENTHS + 1) * upto[-1] / _TENTHS
        reached, expected = (
            np.interp(limits, upto, np.concatenate([[0.0], np.cumsum(parts)]))
            for parts in (values, sizes * self._levels)
        )
        return np.diff(reached), np.diff(expected)


def gini(actual: ArrayLike, predicted: ArrayLike) -> float:
    """Normalised Gini coefficient: how well predictions rank customers by what they then do.

    Parameters
    ----------
    actual, predicted : array_like, shape (n,)
        What each customer did, 0 or more, and what was expected of him.

    Returns
    -------
    float
        1 if the order of the predictions is that of the actual values, 0 if it says nothing,
        below 0 if it misleads; NaN where all actual values are equal.

    Notes
    -----
    The area between the gains curve (`gains`) and the diagonal, over that of a perfect order [1]_
    (section 3.3). In covariances with ranks [2]_: ``cov(actual, rank(predicted)) / cov(actual,
    rank(actual))``, tied predictions sharing the mean of their ranks. The areas are those under
    straight lines, so that a constant forecast has exactly 0; the authors' code adds up
    rectangles, which differs by about 1 / n.

    References
    ----------
    .. [1] X. Wang, T. Liu and J. Miao, "A Deep Probabilistic Model for Customer Lifetime Value
       Prediction" (2019), arXiv:1912.07753.
    .. [2] R. I. Lerman and S. Yitzhaki, "A note on the calculation and interpretation of the Gini
       index", Economics Letters 15 (1984).

    Examples
    --------
    >>> gini([0, 1, 5], [0.2, 0.1, 3.0]), gini([0, 1, 5], [1, 1, 1])
    (0.8, 0.0)
    """
    return _score("gini", actual, predicted)


def top_decile(actual: ArrayLike, predicted: ArrayLike) -> float:
    """Share of the actual total that the tenth of the customers with the highest forecast brings.

    A point of the gains curve [1]_. A tenth of the customers need not be a whole number, and may
    end within tied predictions: then a fraction of the tied customers' mean counts.

    Returns
    -------
    float
        0.1 for a forecast that says nothing; NaN where the actual total is zero.

    References
    ----------
    .. [1] X. Wang, T. Liu and J. Miao (2019), arXiv:1912.07753, section 3.3.

    Examples
    --------
    >>> round(top_decile([9] + [1] * 9, range(10, 0, -1)), 3)
    0.5
    """
    return _score("top_decile", actual, predicted)


def decile_error(actual: ArrayLike, predicted: ArrayLike) -> float:
    """Calibration by decile: how far each tenth's mean forecast is from its mean actual value.

    The mean over tenths of the customers, by forecast, of ``|mean predicted - mean actual| /
    mean actual`` [1]_ (section 3.3; "decile MAPE"). It has a floor: few orders in a tenth differ
    from their expectation by chance alone.

    Returns
    -------
    float
        0.1 if a tenth is off by 10% on average; infinite if nothing came from a tenth of which
        something was expected (nothing from nothing is no error); NaN where the actual total is
        zero.

    References
    ----------
    .. [1] X. Wang, T. Liu and J. Miao (2019), arXiv:1912.07753.

    Examples
    --------
    >>> actual = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    >>> round(decile_error(actual, [1.1 * value for value in actual]), 3)
    0.1
    """
    return _score("decile_error", actual, predicted)


def deciles(actual: ArrayLike, predicted: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Means of each tenth of the customers, those with the lowest forecast first.

    Returns
    -------
    actual, predicted : ndarray, shape (10,)
        Customers who tie across two tenths are shared out between them: the tenths are equally
        large, whatever their number, and no order among equal forecasts is made up.

    Examples
    --------
    >>> happened, expected = deciles([0, 1, 2, 3, 4], [0.5, 0.5, 2.0, 3.0, 3.0])
    >>> happened
    array([0.5, 0.5, 0.5, 0.5, 2. , 2. , 3.5, 3.5, 3.5, 3.5])
    """
    ranked = Ranked.of(actual, predicted)
    size = ranked.actual.size / _TENTHS
    happened, expected = ranked.decile_totals(np.ones(ranked.actual.size))
    return happened / size, expected / size


def spearman(actual: ArrayLike, predicted: ArrayLike) -> float:
    """Spearman's rank correlation, tied values sharing the mean of their ranks.

    Most actual values are zero and so tie, which keeps it well below 1 for the best of forecasts.

    Returns
    -------
    float
        As `scipy.stats.spearmanr`; NaN where all values of one side are equal.

    Examples
    --------
    >>> spearman([1, 2, 3, 4], [0.1, 0.3, 0.2, 0.9])
    0.8
    """
    return _score("spearman", actual, predicted)


def gains(actual: ArrayLike, predicted: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """The gains curve: share of the actual total that the customers with the best forecast bring.

    Returns
    -------
    customers : ndarray, shape (m,)
        Shares of the customers, highest forecast first, from 0 to 1: where tied ones end.
    captured : ndarray, shape (m,)
        Share of the actual total they bring; a straight line lies between. NaN where that total
        is zero.

    References
    ----------
    X. Wang, T. Liu and J. Miao (2019), arXiv:1912.07753, section 3.3.

    Examples
    --------
    >>> gains([0, 3, 1, 0], [0.1, 2.0, 0.5, 0.1])
    (array([0.  , 0.25, 0.5 , 1.  ]), array([0.  , 0.75, 1.  , 1.  ]))
    """
    ranked = Ranked.of(actual, predicted)
    sizes = np.bincount(ranked._by_predicted)[::-1].cumsum()
    values = np.bincount(ranked._by_predicted, ranked.actual)[::-1].cumsum()
    customers = np.concatenate([[0.0], sizes / sizes[-1]])
    if not values[-1]:
        return customers, np.full(customers.shape, np.nan)
    return customers, np.concatenate([[0.0], values / values[-1]])


def _score(name: str, actual: ArrayLike, predicted: ArrayLike) -> float:
    ranked = Ranked.of(actual, predicted)
    return ranked.scores(np.ones(ranked.actual.size))[name]


def _middles(
    codes: NDArray[np.int64], weights: FloatArray, size: int
) -> tuple[FloatArray, FloatArray]:
    """Weight of each level, and the mean rank of those who share it, less a half."""
    sizes = _sums(codes, weights, size)
    return sizes, np.cumsum(sizes) - 0.5 * sizes


def _dot(left: FloatArray, right: FloatArray) -> float:
    # Not @: BLAS calls all cores to a product this short, and waits for them where they are busy.
    return float(np.einsum("i,i", left, right))


def _sums(codes: NDArray[np.int64], values: FloatArray, size: int) -> FloatArray:
    return np.bincount(codes, values, size).astype(np.float64, copy=False)


def _ratio(value: float, of: float) -> float:
    return float(value / of) if of > 0 else math.nan


def _decile_error(actual: FloatArray, predicted: FloatArray) -> float:
    off = np.abs(predicted - actual)
    error = np.full(off.shape, np.inf)
    error[off == 0] = 0.0
    np.divide(off, actual, out=error, where=actual > 0)
    return float(error.mean())
