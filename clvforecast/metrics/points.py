"""How far point forecasts are from what came."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from clvforecast.metrics.checks import checked

__all__ = ["bias", "mae", "rmse"]


def bias(actual: ArrayLike, predicted: ArrayLike) -> float:
    """Relative error of the total: ``sum(predicted) / sum(actual) - 1``.

    Parameters
    ----------
    actual, predicted : array_like, shape (n,)
        What each customer did, and what was expected of him.

    Returns
    -------
    float
        0.1 if the forecast's total is 10% too high; NaN where the actual total is zero.

    Raises
    ------
    DataError
        If the arrays are empty, of different lengths, or not finite. So do all scores here.

    Examples
    --------
    >>> round(bias([0, 2, 3], [1.0, 2.0, 2.5]), 3)
    0.1
    """
    happened, expected = checked(actual=actual, predicted=predicted)
    total = happened.sum()
    return float(expected.sum() / total - 1.0) if total else math.nan


def mae(actual: ArrayLike, predicted: ArrayLike) -> float:
    """Mean absolute error, in the unit of the values.

    It is least for the *median* of a customer's law, which for most customers is zero: a forecast
    of the expectation can lose against "nothing" by it [1]_. Use it with `crps`, which does not
    reward the wrong functional.

    References
    ----------
    .. [1] T. Gneiting, "Making and evaluating point forecasts", Journal of the American
       Statistical Association 106 (2011).

    Examples
    --------
    >>> mae([0, 2, 3], [1.0, 2.0, 2.5])
    0.5
    """
    happened, expected = checked(actual=actual, predicted=predicted)
    return float(np.mean(np.abs(happened - expected)))


def rmse(actual: ArrayLike, predicted: ArrayLike) -> float:
    """Root of the mean squared error, in the unit of the values; least for the expectation.

    Examples
    --------
    >>> round(rmse([0, 2, 3], [1.0, 2.0, 2.5]), 4)
    0.6455
    """
    happened, expected = checked(actual=actual, predicted=predicted)
    return float(np.sqrt(np.mean((happened - expected) ** 2)))
