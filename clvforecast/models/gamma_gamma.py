"""The Gamma-Gamma model of order values (Fader and Hardie 2013)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.special import betainc, betaln, digamma, gammaln, polygamma

from clvforecast.models.base import LogLikelihood
from clvforecast.models.likelihoods.gamma_gamma_rows import gamma_gamma_rows
from clvforecast.models.likelihoods.row_derivatives import RowDerivatives
from clvforecast.models.spending import SpendModel
from clvforecast.numerics.arrays import ArrayLike, FloatArray, IntArray, distinct, sums_by_code
from clvforecast.numerics.blocks import blockwise
from clvforecast.numerics.optimise import Derivatives
from clvforecast.numerics.sums import ShiftedSums, inverse_square

__all__ = ["GammaGamma"]


@dataclass(frozen=True)
class GammaGamma(SpendModel):
    """Gamma-Gamma: how much a customer spends per order.

    A customer's order values are gamma distributed with shape `p` and a rate that is itself gamma
    distributed across customers (shape `q`, rate `v`), independently of how often he buys.

    Parameters
    ----------
    p : float or ndarray
        Shape of one customer's order values; large means that they vary little.
    q : float or ndarray
        Shape of the rates; large means that customers are alike. The mean spend of the population,
        ``p v / (q - 1)``, is finite only for q > 1.
    v : float or ndarray
        Rate of the rates, in money.

    References
    ----------
    P. S. Fader and B. G. S. Hardie, "The Gamma-Gamma Model of Monetary Value" (2013),
    www.brucehardie.com/notes/025. Equation numbers below are theirs.

    Examples
    --------
    Two repeat orders of 22.35 on average, and no repeat order at all:

    >>> GammaGamma(p=6.25, q=3.74, v=15.44).expected_spend([2, 0], [22.35, 0]).round(2)
    array([24.66, 35.22])
    """

    p: float
    q: float
    v: float

    name: ClassVar[str] = "Gamma-Gamma"
    scale_parameters: ClassVar[tuple[str, ...]] = ("v",)
    covariate_roles: ClassVar[Mapping[str, tuple[str, float]]] = {"spend": ("v", 1.0)}

    def log_likelihood(self, *columns: ArrayLike) -> FloatArray:
        """Log-density of every customer's mean spend: equation 1a.

        Parameters
        ----------
        *columns : array_like
            Frequency x and mean spend m, broadcasting. Zero where there is no repeat purchase or
            the mean spend is not positive: such a customer says nothing about order values.
        """
        x, m = np.broadcast_arrays(*(np.asarray(c, dtype=float) for c in columns))
        known = self.informative(x, m)
        x, m = np.where(known, x, 1.0), np.where(known, m, 1.0)
        shape, total = self.p * x, self.v + x * m
        density = (
            gammaln(shape + self.q)
            - gammaln(shape)
            - gammaln(self.q)
            + self.q * np.log(self.v / total)
            + shape * np.log(x * m / total)
            - np.log(m)
        )
        return np.asarray(np.where(known, density, 0.0))

    def expected_spend(self, x: ArrayLike, m: ArrayLike) -> FloatArray:
        """Expected value of a customer's future order: equation 5.

        Parameters
        ----------
        x, m : array_like
            Number of repeat orders and their mean, broadcasting; m = 0 where x = 0.

        Returns
        -------
        ndarray
            ``p (v + x m) / (p x + q - 1)`` in money, and infinity where ``p x + q <= 1``: there
            the distribution is so heavy-tailed that it has no mean.
        """
        x, m = (np.asarray(c, dtype=float) for c in (x, m))
        self.check(*(c.ravel() for c in np.broadcast_arrays(x, m)))
        return self.expected_spend_given(x, m)

    def expected_spend_given(self, x: FloatArray, m: FloatArray) -> FloatArray:
        """Expected value of a future order, of rows checked before; see `SpendModel`."""

        def mean(
            p: FloatArray, q: FloatArray, v: FloatArray, x: FloatArray, m: FloatArray
        ) -> FloatArray:
            return np.asarray(p * (v + x * m) / np.maximum(p * x + q - 1, 0.0))

        with np.errstate(divide="ignore"):
            return blockwise(mean, self.p, self.q, self.v, x, m)

    def spend_scale(self, x: ArrayLike, m: ArrayLike) -> FloatArray:
        """``v + x m``, in money."""
        return np.asarray(self.v + np.asarray(x, dtype=float) * np.asarray(m, dtype=float))

    def scaled_spend_cdf(self, u: ArrayLike, n: ArrayLike, x: ArrayLike) -> FloatArray:
        """Probability that the next n orders come to at most u times `spend_scale`.

        Notes
        -----
        Given the past, the rate of a customer's order values is gamma distributed with shape
        ``p x + q`` and rate ``v + x m``, and n orders add up to a gamma variable of shape ``p n``:
        their total over ``v + x m`` is beta prime distributed with ``p n`` and ``p x + q``.
        """
        u, n, x = (np.asarray(value, dtype=float) for value in (u, n, x))
        share = np.maximum(u, 0.0) / (1.0 + np.maximum(u, 0.0))
        some = betainc(self.p * np.where(n > 0, n, 1.0), self.p * x + self.q, share)
        return np.asarray(np.where(u < 0, 0.0, np.where(n > 0, some, 1.0)))

    def scaled_spend_density(self, log_u: ArrayLike, n: ArrayLike, x: ArrayLike) -> FloatArray:
        """Density of the logarithm of the next n orders' total over `spend_scale`.

        Notes
        -----
        That of a beta prime variable with ``p n`` and ``p x + q``, in its logarithm.
        """
        log_u, n, x = (np.asarray(value, dtype=float) for value in (log_u, n, x))
        future, past = self.p * n, self.p * x + self.q
        with np.errstate(over="ignore"):
            log_sum = np.log(1.0 + np.exp(log_u))
        log_density = future * log_u - (future + past) * log_sum - betaln(future, past)
        return np.asarray(np.exp(log_density))

    @property
    def order_dispersion(self) -> float:
        """``1 / p``: a gamma variable's."""
        return 1.0 / self.p

    def draw_total_spend(
        self, n: ArrayLike, x: ArrayLike, m: ArrayLike, rng: np.random.Generator
    ) -> FloatArray:
        """Draw what the next n orders of customers come to; the arguments broadcast."""
        n, x, m = np.broadcast_arrays(*(np.asarray(value, dtype=float) for value in (n, x, m)))
        rate = rng.gamma(self.p * x + self.q) / (self.v + x * m)
        return np.asarray(rng.gamma(self.p * n) / rate)

    def draw_order_values(
        self, n: IntArray, x: FloatArray, m: FloatArray, rng: np.random.Generator
    ) -> FloatArray:
        """Draw the value of each of the next n orders of customers; see `SpendModel`."""
        rate = rng.gamma(self.p * x + self.q) / (self.v + x * m)
        return np.asarray(rng.gamma(self.p, size=int(n.sum())) / np.repeat(rate, n))

    def simulate(self, x: ArrayLike, *, seed: int) -> FloatArray:
        """Draw the mean value of x orders of new customers; 0 where x = 0.

        Examples
        --------
        >>> GammaGamma(p=6.25, q=3.74, v=15.44).simulate([0, 1_000_000], seed=1).round(2)[0]
        np.float64(0.0)
        """
        x = np.asarray(x, dtype=float)
        rng = np.random.default_rng(seed)
        rate = rng.gamma(self.q, 1 / np.asarray(self.v), x.shape)
        count = np.maximum(x, 1.0)
        return np.asarray(np.where(x > 0, rng.gamma(self.p * count) / (rate * count), 0.0))

    @classmethod
    def total_log_likelihood(
        cls, *columns: FloatArray, weights: FloatArray, **settings: Any
    ) -> LogLikelihood:
        """Log-likelihood of weighted cells, with gradient and Hessian in (p, q, v)."""
        x, m = columns
        return _CellLikelihood(x, m, weights)

    def row_derivatives(self, *columns: FloatArray, times: bool = False) -> RowDerivatives:
        """Log-likelihood of every row with its derivatives; see `Model`."""
        parameters = [np.asarray(v, dtype=float) for v in self.parameters.values()]
        return gamma_gamma_rows(parameters, columns)

    @classmethod
    def starting_points(cls) -> Iterable[FloatArray]:
        """A few degrees of difference between and within customers, for a mean spend of one."""
        return (
            np.array([5.0, 4.0, 0.6]),
            np.array([1.0, 2.0, 1.0]),
            np.array([20.0, 3.0, 0.1]),
            np.array([2.0, 20.0, 10.0]),
        )

    def remarks(self, flat: frozenset[str]) -> tuple[str, ...]:
        """Say when the mean does not exist, and name the limits the estimates run to."""
        said: list[str] = []
        if self.q <= 1:
            said.append(
                f"q = {self.q:.3g} is not above 1: order values are so heavy-tailed that the mean "
                "spend of customers without repeat orders is infinite. Look for outliers or mixed "
                "currencies among the amounts."
            )
        if {"q", "v"} <= flat and self.q > 10:
            said.append(
                "q and v grow together without limit: customers do not differ in what they spend, "
                "and only v / q is identified."
            )
        elif {"p", "v"} <= flat and self.p > 10:
            said.append(
                "p grows and v shrinks without limit: each customer spends the same amount every "
                "time, and only p v is identified."
            )
        elif flat:
            said.extend(super().remarks(flat))
        return tuple(said)


class _CellLikelihood:
    """Equation 1a summed over weighted cells, gamma functions on distinct x only."""

    def __init__(self, x: FloatArray, m: FloatArray, weights: FloatArray) -> None:
        self._counts, codes = distinct(x)
        self._customers = float(weights.sum())
        self._count_weights = sums_by_code(codes, weights, self._counts.size)
        self._of_totals = ShiftedSums(x * m, weights, weights * x)
        ((log_total, self._log_total),) = self._of_totals(0.0, np.log)
        self._log_mean = log_total - self._count_weights @ np.log(self._counts)

    def value(self, parameters: FloatArray) -> float:
        """The value alone, at a fraction of the cost."""
        p, q, v = parameters
        (logs,) = self._of_totals(v, np.log)
        return self._value(p, q, v, logs)

    def _value(self, p: float, q: float, v: float, logs: FloatArray) -> float:
        shape = p * self._counts
        return float(
            self._count_weights @ (gammaln(shape + q) - gammaln(shape) - gammaln(q))
            + self._customers * q * np.log(v)
            + p * self._log_total
            - (q * logs[0] + p * logs[1])
            - self._log_mean
        )

    def __call__(self, parameters: FloatArray) -> Derivatives:
        p, q, v = parameters
        n, w, x = self._customers, self._count_weights, self._counts
        shape = p * x
        logs, inverses, squares = self._of_totals(v, np.log, np.reciprocal, inverse_square)
        log_v, trigamma = np.log(v), polygamma(1, shape + q)

        value = self._value(p, q, v, logs)
        gradient = np.array(
            [
                (w * x) @ (digamma(shape + q) - digamma(shape)) + self._log_total - logs[1],
                w @ (digamma(shape + q) - digamma(q)) + n * log_v - logs[0],
                n * q / v - (q * inverses[0] + p * inverses[1]),
            ]
        )
        pp = (w * x**2) @ (trigamma - polygamma(1, shape))
        pq = (w * x) @ trigamma
        pv = -inverses[1]
        qq = w @ trigamma - n * polygamma(1, q)
        qv = n / v - inverses[0]
        vv = -n * q / v**2 + q * squares[0] + p * squares[1]
        hessian = np.array([[pp, pq, pv], [pq, qq, qv], [pv, qv, vv]])
        return Derivatives(value, gradient, hessian)
