"""What every model of order values is."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from clvforecast.models.base import Labels, Model, check_rows
from clvforecast.numerics.arrays import ArrayLike, BoolArray, FloatArray, IntArray

__all__ = ["SpendModel"]


class SpendModel(Model):
    """A model of how much an order is worth: sees (frequency, monetary_value)."""

    @property
    def kind(self) -> type[SpendModel]:
        """What was fitted: the class, whatever the model was made for since."""
        return type(self)

    columns = ("frequency", "monetary_value")
    scaled_columns = ("monetary_value",)
    scale_column = "monetary_value"

    @abstractmethod
    def expected_spend(self, x: ArrayLike, m: ArrayLike) -> FloatArray:
        """Expected value of a customer's future order.

        Linear in `m`, so that an engine can work it out: the posterior mean of a conjugate model
        is (Diaconis and Ylvisaker 1979).
        """

    @abstractmethod
    def expected_spend_given(self, x: FloatArray, m: FloatArray) -> FloatArray:
        """`expected_spend` of rows that are known to be possible, such as a checked summary's."""

    @abstractmethod
    def spend_scale(self, x: ArrayLike, m: ArrayLike) -> FloatArray:
        """The amount of money in which a customer's future spend has the law of the history.

        `scaled_spend_cdf` is the law of future spend over this amount, and depends on x alone.
        Positive, and linear in `m`, too.
        """

    @abstractmethod
    def scaled_spend_cdf(self, u: ArrayLike, n: ArrayLike, x: ArrayLike) -> FloatArray:
        """Probability that the next n orders come to at most u times `spend_scale`.

        For `n` that are not whole too: so many orders' worth of averaging.
        """

    @abstractmethod
    def scaled_spend_density(self, log_u: ArrayLike, n: ArrayLike, x: ArrayLike) -> FloatArray:
        """Density, in log u, of the law that `scaled_spend_cdf` is the probability of; n > 0."""

    @property
    @abstractmethod
    def order_dispersion(self) -> float:
        """Variance of one customer's order values over their squared mean: the same for all."""

    def total_spend_cdf(self, s: ArrayLike, n: ArrayLike, x: ArrayLike, m: ArrayLike) -> FloatArray:
        """Probability that the next n orders of a customer come to at most s.

        Parameters
        ----------
        s : array_like
            An amount, in money.
        n : array_like of whole numbers
            Number of future orders; 0 of them come to 0.
        x, m : array_like
            Number of repeat orders so far and their mean. All four broadcast.

        Examples
        --------
        >>> from clvforecast import GammaGamma
        >>> GammaGamma(p=6.25, q=3.74, v=15.44).total_spend_cdf([0, 20, 60], 1, 2, 22.35).round(4)
        array([0.    , 0.4079, 0.9855])
        """
        return self.scaled_spend_cdf(np.asarray(s, dtype=float) / self.spend_scale(x, m), n, x)

    @abstractmethod
    def draw_total_spend(
        self, n: ArrayLike, x: ArrayLike, m: ArrayLike, rng: np.random.Generator
    ) -> FloatArray:
        """Draw what the next n orders of customers come to; the arguments broadcast."""

    @abstractmethod
    def draw_order_values(
        self, n: IntArray, x: FloatArray, m: FloatArray, rng: np.random.Generator
    ) -> FloatArray:
        """Draw the value of each of the next n orders of customers.

        Parameters
        ----------
        n : ndarray of int, shape (k,)
            Number of orders of each customer.
        x, m : ndarray, shape (k,)
            Number of repeat orders so far and their mean.
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (n.sum(),)
            Customer after customer. The orders of one customer share his own level of spend.
        """

    @abstractmethod
    def simulate(self, x: ArrayLike, *, seed: int) -> FloatArray:
        """Draw the mean value of x orders of new customers; 0 where x = 0. Shape of `x`."""

    @classmethod
    def _check(cls, *columns: FloatArray, labels: Labels | None = None) -> None:
        """Raise `DataError` unless every (x, m) can come from an order log."""
        cls._check_numbers(*columns, labels=labels)
        check_rows(
            columns[1] < 0,
            "a negative monetary_value",
            "Refunds lower spend to 0 at most; see `refunds=` of read_orders.",
            labels,
        )

    @classmethod
    def cells(
        cls, *columns: FloatArray, weights: FloatArray
    ) -> tuple[list[FloatArray], FloatArray]:
        """The rows as they are: mean spends hardly ever coincide."""
        return list(columns), weights

    @classmethod
    def densities(cls, *columns: FloatArray) -> FloatArray:
        """One for every row: that of its mean spend."""
        return np.ones_like(columns[0])

    @classmethod
    def informative(cls, *columns: FloatArray) -> BoolArray:
        """Customers with a repeat purchase and a positive mean spend."""
        x, m = columns
        return np.asarray((x > 0) & (m > 0))
