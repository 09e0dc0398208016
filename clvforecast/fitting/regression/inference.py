"""How sure coefficients are: a table of them, and Wald tests of whole terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.special import chdtrc, ndtr, ndtri

from clvforecast.errors import DataError
from clvforecast.numerics.arrays import FloatArray

__all__ = ["coefficient_table", "wald_tests"]


def coefficient_table(
    names: Sequence[str], coefficients: FloatArray, covariance: FloatArray, level: float = 0.95
) -> pd.DataFrame:
    """Coefficients with Wald's tests and intervals.

    Parameters
    ----------
    names : sequence of str
    coefficients : ndarray, shape (m,)
        On the user's scale.
    covariance : ndarray, shape (m, m)
        Theirs; infinite on the diagonal for those the data do not identify.
    level : float
        Confidence of the intervals, in (0, 1).

    Returns
    -------
    DataFrame
        Indexed by coefficient: `coefficient, std_error, z, p_value, lower, upper`, and `ratio`,
        which is ``exp(coefficient)``: what one unit more multiplies a rate, odds or mean by. What
        is not identified has an infinite `std_error`, and a `p_value` of 1.

    Raises
    ------
    DataError
        If `level` is out of range.

    Examples
    --------
    >>> coefficient_table(["purchase: vip"], np.array([0.3]), np.array([[0.01]])).round(4).T
    coefficient  purchase: vip
    coefficient         0.3000
    std_error           0.1000
    z                   3.0000
    p_value             0.0027
    lower               0.1040
    upper               0.4960
    ratio               1.3499
    """
    if not 0 < level < 1:
        raise DataError(f"level={level!r} must lie between 0 and 1, such as 0.95.")
    errors = np.sqrt(np.diag(covariance))
    z = coefficients / errors
    half_width = ndtri(0.5 + level / 2) * errors
    return pd.DataFrame(
        {
            "coefficient": coefficients,
            "std_error": errors,
            "z": z,
            "p_value": 2 * ndtr(-np.abs(z)),
            "lower": coefficients - half_width,
            "upper": coefficients + half_width,
            "ratio": np.exp(coefficients),
        },
        index=pd.Index(names, name="coefficient"),
    )


def wald_tests(
    terms: Mapping[str, Sequence[int]], coefficients: FloatArray, covariance: FloatArray
) -> pd.DataFrame:
    """Test of each term of the formulas: that none of its coefficients differs from zero.

    Parameters
    ----------
    terms : mapping of str to sequence of int
        Positions of each term's coefficients.
    coefficients : ndarray, shape (m,)
    covariance : ndarray, shape (m, m)
        Infinite on the diagonal for those the data do not identify, which say nothing.

    Returns
    -------
    DataFrame
        Indexed by term: `statistic, degrees_of_freedom, p_value`.

    Notes
    -----
    The statistic ``c' V^-1 c`` is asymptotically chi-squared distributed if all are zero
    (A. Wald, "Tests of Statistical Hypotheses Concerning Several Parameters When the Number of
    Observations is Large", Transactions of the American Mathematical Society 54 (1943) 426-482).

    Examples
    --------
    >>> tests = wald_tests({"channel": [0, 1]}, np.array([0.3, 0.2]), np.diag([0.01, 0.01]))
    >>> tests.round(4).to_dict("index")
    {'channel': {'statistic': 13.0, 'degrees_of_freedom': 2, 'p_value': 0.0015}}
    """
    rows = []
    for places in terms.values():
        known = [place for place in places if np.isfinite(covariance[place, place])]
        errors = np.sqrt(covariance[known, known])
        correlation = covariance[np.ix_(known, known)] / np.outer(errors, errors)
        z = coefficients[known] / errors
        statistic = float(z @ np.linalg.pinv(correlation, hermitian=True) @ z)
        # Of equal coefficients only one can be zero or not.
        equal = len(known) - int(np.linalg.matrix_rank(correlation, hermitian=True))
        freedom = len(places) - equal
        rows.append((statistic, freedom, float(chdtrc(freedom, statistic))))
    columns = ["statistic", "degrees_of_freedom", "p_value"]
    return pd.DataFrame(rows, columns=columns, index=pd.Index(list(terms), name="term"))
