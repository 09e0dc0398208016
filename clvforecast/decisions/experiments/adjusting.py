"""The difference of two groups' means, as if both had joined alike: regression within strata."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from clvforecast.numerics.arrays import BoolArray, FloatArray, IntArray, sums_by_code

__all__ = [
    "FEWEST",
    "Difference",
    "adjusted_difference",
    "column_sums",
    "rounding_of",
    "within_strata",
]

FEWEST: Final = 2
"""Customers of each group in a stratum: one alone says nothing of how much they vary."""
_ALONE: Final = 1e-8
"""Of a leverage below 1: with less left, a customer's residual is zero whatever he did."""
_SAME: Final = 1e-10
_ROUNDING: Final = 1e-12


@dataclass(frozen=True, eq=False)
class Difference:
    """Means of two groups and the law of their difference, by outcome: arrays of shape (m,).

    Attributes
    ----------
    group, reference : ndarray
        Means; that of the reference is adjusted to the group's customers.
    variance : ndarray
        Of the difference, robust (HC2).
    degrees_of_freedom : ndarray
        Of that variance.
    top_share : ndarray
        The greatest share that one customer has in it.
    """

    group: FloatArray
    reference: FloatArray
    variance: FloatArray
    degrees_of_freedom: FloatArray
    top_share: FloatArray

    @property
    def value(self) -> FloatArray:
        """Group minus reference."""
        return self.group - self.reference

    @property
    def standard_error(self) -> FloatArray:
        """Standard error of the difference."""
        return np.sqrt(self.variance)

    @property
    def statistic(self) -> FloatArray:
        """Difference over its standard error; 0 where neither is more than zero."""
        at_rest = (self.variance == 0) & (self.value == 0)
        with np.errstate(divide="ignore"):
            return self.value / np.where(at_rest, 1.0, self.standard_error)


@dataclass(frozen=True, eq=False)
class _Mean:
    """A group's mean at given covariates, with the parts of its variance."""

    value: FloatArray
    variance: FloatArray
    degrees_of_freedom: float
    largest: FloatArray


def adjusted_difference(
    outcomes: FloatArray, in_group: BoolArray, stratum: IntArray, covariates: FloatArray
) -> Difference:
    """Compare the customers of a group with those of the reference who are like them.

    Parameters
    ----------
    outcomes : ndarray, shape (n, m)
    in_group : ndarray of bool, shape (n,)
        Who is in the group; the others are the reference.
    stratum : ndarray of int, shape (n,)
        Codes from 0; every stratum has `FEWEST` or more customers of both.
    covariates : ndarray, shape (n, k)

    Notes
    -----
    In each of the two, outcomes are regressed on strata and covariates by least squares, and both
    regressions are read at the mean of the group's customers. There the group's is its own mean,
    so that the difference is what its customers brought beyond those of the reference who are
    like them (the effect on the treated, if it is an effect). This is the regression with all
    interactions of W. Lin, "Agnostic notes on regression adjustments to experimental data",
    Annals of Applied Statistics 7 (2013) 295-318, at the group's mean; without covariates, it is
    post-stratification by the group's mix, and with one stratum, the difference of means.

    A mean of that kind is ``sum of w_i y_i``, and its HC2 variance ``sum of w_i^2 e_i^2 /
    (1 - h_i)``, with residuals e and leverages h (J. G. MacKinnon and H. White, Journal of
    Econometrics 29 (1985) 305-325). Its degrees of freedom are those of R. M. Bell and D. F.
    McCaffrey, Survey Methodology 28 (2002) 169-181, put together for both groups as B. L. Welch
    does: with one stratum and no covariate, this is Welch's test.
    """
    rounding = rounding_of(outcomes)
    strata = int(stratum.max()) + 1
    mix = np.bincount(stratum[in_group], minlength=strata) / in_group.sum()
    centre = covariates[in_group].mean(axis=0)
    group, reference = (
        _mean_at(mix, centre, outcomes[who], stratum[who], covariates[who], rounding)
        for who in (in_group, ~in_group)
    )
    apart = np.abs(group.value - reference.value)
    variance = group.variance + reference.variance
    some = variance > 0
    scale = np.where(some, variance, 1.0)
    spread = (group.variance / scale) ** 2 / group.degrees_of_freedom
    spread += (reference.variance / scale) ** 2 / reference.degrees_of_freedom
    return Difference(
        group=group.value,
        reference=np.where(apart > rounding, reference.value, group.value),
        variance=variance,
        degrees_of_freedom=np.where(some, 1.0, np.inf) / np.where(some, spread, 1.0),
        top_share=np.maximum(group.largest, reference.largest) / scale,
    )


def _mean_at(
    mix: FloatArray,
    centre: FloatArray,
    y: FloatArray,
    stratum: IntArray,
    x: FloatArray,
    rounding: FloatArray,
) -> _Mean:
    """Regress y on strata and x, and read it at the mix of strata and the centre of x."""
    counts = np.bincount(stratum, minlength=mix.size).astype(float)
    own = column_sums(stratum, x, mix.size) / counts[:, None]
    z, towards = _varying(x - own[stratum], centre - mix @ own, x)
    inverse = np.linalg.pinv(z.T @ z, hermitian=True, rcond=_SAME)
    fitted = z @ inverse
    weight = (mix / counts)[stratum] + fitted @ towards

    y_within = within_strata(stratum, y)
    slope = inverse @ (z.T @ y_within)
    residual = y_within - z @ slope
    squares = np.where(np.abs(residual) > rounding, residual, 0.0) ** 2
    left = 1.0 - 1.0 / counts[stratum] - np.einsum("ij,ij->i", fitted, z)
    alone = left < _ALONE
    left = np.where(alone, 1.0, left)
    free = y.shape[0] - mix.size - np.linalg.matrix_rank(inverse, hermitian=True)
    common = squares.sum(axis=0) / max(free, 1)
    # A customer who alone decides a slope has no residual; he varies as the others do.
    parts = weight[:, None] ** 2 * np.where(alone[:, None], common, squares / left[:, None])

    a2 = np.where(alone, 0.0, weight**2 / left)
    by_stratum = sums_by_code(stratum, a2, mix.size)
    crossed = column_sums(stratum, a2[:, None] * z, mix.size)
    within = inverse @ (z.T @ (a2[:, None] * z))
    # Twice the variance of the estimated variance, were all customers to vary alike.
    doubled = (a2**2 * (2.0 * left - 1.0)).sum() + ((by_stratum / counts) ** 2).sum()
    doubled += 2.0 * np.einsum("si,ij,sj->", crossed / counts[:, None], inverse, crossed)
    doubled += np.einsum("ij,ji->", within, within)
    expected = (weight[~alone] ** 2).sum()
    return _Mean(
        value=weight @ y,
        variance=parts.sum(axis=0),
        degrees_of_freedom=max(float(expected**2 / doubled), 1.0) if doubled > 0 else 1.0,
        largest=parts.max(axis=0),
    )


def rounding_of(outcomes: FloatArray) -> FloatArray:
    """What sums of outcomes may be off by: less is no difference."""
    return np.asarray(_ROUNDING * np.abs(outcomes).max(axis=0, initial=0.0))


def _varying(z: FloatArray, towards: FloatArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Covariates that vary within strata, on a scale of one."""
    scale = np.sqrt((z**2).mean(axis=0))
    kept = scale > _SAME * np.abs(x).max(axis=0, initial=0.0)
    return z[:, kept] / scale[kept], towards[kept] / scale[kept]


def within_strata(stratum: IntArray, values: FloatArray) -> FloatArray:
    """Values less the mean of their stratum, by column."""
    counts = np.bincount(stratum)
    return values - (column_sums(stratum, values, counts.size) / counts[:, None])[stratum]


def column_sums(codes: IntArray, values: FloatArray, size: int) -> FloatArray:
    """Sum of the rows of every code below `size`.

    >>> column_sums(np.array([0, 1, 0]), np.array([[1.0, 5.0], [2.0, 6.0], [3.0, 7.0]]), 2)
    array([[ 4., 12.],
           [ 2.,  6.]])
    """
    sums = [sums_by_code(codes, column, size) for column in values.T]
    return np.stack(sums, axis=1) if sums else np.empty((size, 0))
