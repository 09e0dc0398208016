"""What every model of purchases is."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Self

import numpy as np

from clvforecast.models.base import Labels, Model, check_rows
from clvforecast.models.discounting import Discount, DiscountedCounts
from clvforecast.numerics.arrays import (
    ArrayLike,
    BoolArray,
    FloatArray,
    IntArray,
    distinct_rows,
    weighted_rows,
)

__all__ = ["PurchaseModel"]


class PurchaseModel(Model):
    """A model of when customers buy and when they stop: sees (frequency, recency, T)."""

    columns = ("frequency", "recency", "T")
    scaled_columns = ("recency", "T")
    scale_column = "T"

    @abstractmethod
    def p_alive(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> FloatArray:
        """Probability that a customer is still active at the end of observation."""

    @abstractmethod
    def p_alive_given(self, x: FloatArray, t_x: FloatArray, T: FloatArray) -> FloatArray:
        """`p_alive` of histories that are known to be possible, such as a checked summary's."""

    @property
    def kind(self) -> type[PurchaseModel]:
        """What was fitted: the class, whatever the model was made for since."""
        return type(self)

    recency_if_alive: ClassVar[bool] = False
    """Whether, of a customer known to be active, the last purchase says anything of the future."""
    smooth_in_age: ClassVar[bool] = True
    """Whether what it says of active customers is analytic in their age."""

    @abstractmethod
    def purchases_if_alive(
        self, t: ArrayLike, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, *, rate: float = 0.0
    ) -> FloatArray:
        """Expected purchases in (T, T + t] of a customer who is active at T.

        Parameters
        ----------
        t : array_like
            Length of the period ahead in time units; may be infinite. One number if ``rate > 0``.
        x, t_x, T : array_like
            Frequency, recency and age, broadcasting with `t`. Of a customer known to be active,
            recency counts only where `recency_if_alive` says so.
        rate : float
            Continuous discount rate per time unit: a purchase at T + s counts ``exp(-rate s)``.

        Returns
        -------
        ndarray
            Non-negative; infinite only where it truly is.

        Raises
        ------
        DataError
            If `t` or `rate` is negative.
        """

    @abstractmethod
    def purchases_if_changed(
        self,
        t: ArrayLike,
        x: ArrayLike,
        t_x: ArrayLike,
        T: ArrayLike,
        *,
        buying: float = 1.0,
        leaving: float = 1.0,
        rate: float = 0.0,
    ) -> FloatArray:
        """`purchases_if_alive` of customers who from T on buy and leave at other rates.

        What the past says of them stays as it is.

        Parameters
        ----------
        t, x, t_x, T, rate
            As of `purchases_if_alive`.
        buying : float
            How many times as fast they buy.
        leaving : float
            How many times as readily they leave: a factor of the probability of dropout at a
            purchase, or of the rate of leaving.

        Raises
        ------
        DataError
            If `buying` or `leaving` is not positive and finite, or as `purchases_if_alive`.
        """

    def expected_purchases(
        self, t: ArrayLike, x: ArrayLike, t_x: ArrayLike, T: ArrayLike
    ) -> FloatArray:
        """Expected number of purchases in (T, T + t], given the purchase history.

        Parameters
        ----------
        t : array_like
            Length of the period ahead in time units; may be infinite.
        x, t_x, T : array_like
            Frequency, recency and age in time units, broadcasting with `t`.

        Returns
        -------
        ndarray
            P(alive) times `purchases_if_alive`.

        Raises
        ------
        DataError
            If `t` is negative or a history is impossible.

        Examples
        --------
        >>> from clvforecast import BGNBD
        >>> model = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
        >>> model.expected_purchases(39, 0, 0, [20, 38.86]).round(4)
        array([0.3227, 0.1951])
        """
        p_alive = self.p_alive(x, t_x, T)
        return np.asarray(p_alive * self.purchases_if_alive(t, x, t_x, T))

    def discounted_purchases(
        self, t: float, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, *, rate: float
    ) -> FloatArray:
        """Expected purchases in (T, T + t], each discounted from when it happens.

        Parameters
        ----------
        t : float
            Length of the period ahead in time units; may be infinite if ``rate > 0``.
        x, t_x, T : array_like
            Frequency, recency and age in time units, broadcasting.
        rate : float
            Continuous discount rate per time unit: a purchase at T + s counts ``exp(-rate s)``.

        Returns
        -------
        ndarray
            Present value at T of one unit of money per purchase.

        Raises
        ------
        DataError
            If `t` or `rate` is negative or a history is impossible.

        Examples
        --------
        >>> from clvforecast import BGNBD
        >>> model = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
        >>> print(model.discounted_purchases(np.inf, 2, 30.43, 38.86, rate=0.0018).round(3))
        6.421
        """
        p_alive = self.p_alive(x, t_x, T)
        return np.asarray(p_alive * self.purchases_if_alive(t, x, t_x, T, rate=rate))

    def expected_repeat_purchases(self, t: ArrayLike, *, rate: float = 0.0) -> FloatArray:
        """Expected repeat purchases of a new customer in (0, t] after the first purchase.

        Parameters
        ----------
        t : array_like
            Time since the first purchase in time units. One number if ``rate > 0``.
        rate : float
            Continuous discount rate per time unit: a purchase at s counts ``exp(-rate s)``.

        Examples
        --------
        >>> from clvforecast import BGNBD
        >>> model = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
        >>> model.expected_repeat_purchases([26.0, 52.0]).round(3)
        array([0.903, 1.446])
        """
        stays = self.p_alive(0.0, 0.0, 0.0)
        return np.asarray(stays * self.purchases_if_alive(t, 0.0, 0.0, 0.0, rate=rate))

    @abstractmethod
    def purchase_pmf_if_alive(
        self, n: ArrayLike, t: ArrayLike, x: ArrayLike, t_x: ArrayLike, T: ArrayLike
    ) -> FloatArray:
        """Probability of n purchases in (T, T + t] of a customer who is active at T.

        Parameters
        ----------
        n : array_like of whole numbers
            Number of purchases.
        t : array_like
            Length of the period ahead in time units, finite.
        x, t_x, T : array_like
            Frequency, recency and age. All five broadcast.

        Raises
        ------
        DataError
            If `n` is not a count or `t` is negative.
        """

    @abstractmethod
    def discounted_counts_if_alive(
        self,
        n: ArrayLike,
        t: float,
        x: float,
        t_x: FloatArray,
        T: FloatArray,
        *,
        discount: Discount,
        dispersion: float,
    ) -> DiscountedCounts:
        """Law of the purchases in (T, T + t] of customers active at T, and what they are worth now.

        For numbers of purchases `n`, shape (counts,), a finite `t`, one frequency `x`, recencies
        and ages of shape (histories,), and the variance of order values over their squared mean:
        the less they vary, the finer their timing must be told. Parameters may be arrays of shape
        (histories,).
        """

    def purchase_pmf(self, n: ArrayLike, t: ArrayLike) -> FloatArray:
        """Probability that a new customer makes n repeat purchases in (0, t].

        Parameters
        ----------
        n : array_like of whole numbers
            Number of repeat purchases.
        t : array_like
            Time since the first purchase in time units, broadcasting with `n`.

        Examples
        --------
        >>> from clvforecast import BGNBD
        >>> model = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
        >>> model.purchase_pmf([0, 1, 2], 39.0).round(4)
        array([0.5738, 0.1994, 0.0854])
        """
        stays = self.p_alive(0.0, 0.0, 0.0)
        if_alive = self.purchase_pmf_if_alive(n, t, 0.0, 0.0, 0.0)
        return np.asarray(stays * if_alive + (1.0 - stays) * (np.asarray(n) == 0))

    @abstractmethod
    def expected_wait_if_alive(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> FloatArray:
        """Expected time to the next purchase of a customer active at T; inf without a mean."""

    @abstractmethod
    def wait_quantile_if_alive(
        self, q: ArrayLike, x: ArrayLike, t_x: ArrayLike, T: ArrayLike
    ) -> FloatArray:
        """Time within which a customer active at T buys next with probability q; inf if never.

        Raises `DataError` if `q` is not from 0 to 1.
        """

    @abstractmethod
    def draw_purchases_if_any(
        self,
        t: FloatArray,
        x: FloatArray,
        t_x: FloatArray,
        T: FloatArray,
        rng: np.random.Generator,
    ) -> tuple[IntArray, FloatArray]:
        """Draw the purchases in (T, T + t] of active customers who make at least one.

        Parameters
        ----------
        t, x, t_x, T : ndarray, shape (n,)
            Length of the period ahead, positive and finite, frequency, recency and age of each
            customer.
        rng : numpy.random.Generator

        Returns
        -------
        customer : ndarray of int, shape (m,)
            Position of the customer behind each purchase, ascending; each is there at least once.
        time : ndarray, shape (m,)
            When it happens, counted from T, ascending within a customer.
        """

    def draw_future(
        self,
        t: ArrayLike,
        x: ArrayLike,
        t_x: ArrayLike,
        T: ArrayLike,
        rng: np.random.Generator,
    ) -> tuple[IntArray, FloatArray]:
        """Draw one future of customers: their purchases in (T, T + t], given their histories.

        Parameters
        ----------
        t : array_like
            Length of the period ahead in time units, finite.
        x, t_x, T : array_like
            Frequency, recency and age in time units. All four broadcast, to shape (n,).
        rng : numpy.random.Generator

        Returns
        -------
        customer : ndarray of int, shape (m,)
            Position of the customer behind each purchase, ascending. Most customers make none.
        time : ndarray, shape (m,)
            When it happens, counted from T, in time units, ascending within a customer. Not
            rounded: days are for the caller to make.

        Raises
        ------
        DataError
            If `t` is negative or a history is impossible.

        Examples
        --------
        >>> from clvforecast import BGNBD
        >>> model = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
        >>> rng = np.random.default_rng(1)
        >>> customer, time = model.draw_future(39, [2] * 1000, 30.43, 38.86, rng)
        >>> print(len(time) / 1000, model.expected_purchases(39, 2, 30.43, 38.86).round(3))
        1.282 1.226
        """
        given = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (t, x, t_x, T)))
        t, x, t_x, T = (np.atleast_1d(v) for v in given)
        any_if_alive = 1.0 - self.purchase_pmf_if_alive(0, t, x, t_x, T)
        buyers = np.flatnonzero(rng.random(t.shape) < self.p_alive(x, t_x, T) * any_if_alive)
        model = self.of_customers(buyers, t.size)
        customer, time = model.draw_purchases_if_any(
            t[buyers], x[buyers], t_x[buyers], T[buyers], rng
        )
        return buyers[customer], time

    def later(self, by: FloatArray | float) -> Self:
        """The model of customers who come so long after the end of observation: the same."""
        return self

    def distinct_histories(
        self, x: FloatArray, t_x: FloatArray, T: FloatArray
    ) -> tuple[Self, tuple[FloatArray, FloatArray, FloatArray], IntArray]:
        """Distinct histories, as `distinct` has distinct states: all that P(alive) depends on."""
        model, (x, t_x, T), codes = self._distinct(x, t_x, T)
        return model, (x, t_x, T), codes

    def as_newcomers(self, T: FloatArray) -> tuple[Self, FloatArray, IntArray]:
        """The model of customers when they came, T ago.

        Parameters
        ----------
        T : ndarray, shape (n,)

        Returns
        -------
        model : PurchaseModel
            Of distinct newcomers: what it says of new customers, such as `purchase_pmf`, it says
            of them.
        ages : ndarray, shape (m,)
            How long ago each of them came.
        codes : ndarray of int, shape (n,)
        """
        nothing = np.zeros_like(T)
        model, (_, _, ages), codes = self.distinct_histories(nothing, nothing, T)
        return model.later(-ages), ages, codes

    def distinct(
        self, x: FloatArray, t_x: FloatArray, T: FloatArray
    ) -> tuple[Self, tuple[FloatArray, FloatArray, FloatArray], IntArray]:
        """Distinct states of active customers: what is worked out of a state is so for all in it.

        Parameters
        ----------
        x, t_x, T : ndarray, shape (n,)

        Returns
        -------
        model : PurchaseModel
            Of the states: parameters that are arrays, one per customer, are part of a state.
        history : tuple of ndarray, shape (states,)
            Frequency, recency and age, in lexicographic order. Recency is the age where it does
            not matter.
        codes : ndarray of int, shape (n,)
            The state of every customer.

        Examples
        --------
        >>> from clvforecast import BGNBD
        >>> model = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
        >>> rows = np.array([2.0, 0.0, 2.0]), np.array([3.0, 0.0, 5.0]), np.array([9.0, 9.0, 9.0])
        >>> model.distinct(*rows)[1:]
        ((array([0., 2.]), array([9., 9.]), array([9., 9.])), array([1, 0, 1]))
        """
        if self.recency_if_alive:
            return self.distinct_histories(x, t_x, T)
        model, (x, T), codes = self._distinct(x, T)
        return model, (x, T, T), codes

    def _distinct(self, *columns: FloatArray) -> tuple[Self, list[FloatArray], IntArray]:
        names = list(self.per_customer)
        own = (np.broadcast_to(v, columns[0].shape) for v in self.per_customer.values())
        levels, codes = distinct_rows(*columns, *own)
        shared = levels[len(columns) :]
        model = self.with_parameters(**dict(zip(names, shared, strict=True)))
        return model, levels[: len(columns)], codes

    def simulate(self, T: ArrayLike, *, seed: int) -> tuple[IntArray, FloatArray]:
        """Draw the repeat purchases of new customers, each observed for T.

        Parameters
        ----------
        T : array_like, shape (n,)
            Length of observation of each customer, in time units.
        seed : int
            Seed of the random numbers.

        Returns
        -------
        customer : ndarray of int, shape (m,)
            Position in `T` of the customer behind each purchase, ascending.
        time : ndarray, shape (m,)
            When it happens, counted from the first purchase, in time units, ascending within a
            customer. Not rounded: days are for the caller to make.

        Examples
        --------
        >>> from clvforecast import BGNBD
        >>> model = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
        >>> customer, time = model.simulate([39.0, 39.0, 39.0], seed=2)
        >>> len(customer) == len(time)
        True
        """
        return self.draw_future(T, 0.0, 0.0, 0.0, np.random.default_rng(seed))

    @classmethod
    def _check(cls, *columns: FloatArray, labels: Labels | None = None) -> None:
        """Raise `DataError` unless every (x, t_x, T) can come from an order log."""
        x, t_x, T = columns
        cls._check_numbers(*columns, labels=labels)
        check_rows((t_x < 0) | (T < 0), "a negative recency or T", "Check `until`.", labels)
        check_rows(t_x > T, "recency > T", "Check `until`.", labels)
        check_rows(
            (x == 0) != (t_x == 0),
            "a frequency of 0 with a recency, or a frequency with recency 0",
            "recency runs from the first purchase to the last.",
            labels,
        )

    @classmethod
    def checked_history(
        cls, x: ArrayLike, t_x: ArrayLike, T: ArrayLike
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Purchase histories as float arrays of one shape, checked."""
        history = np.broadcast_arrays(*(np.asarray(v, dtype=float) for v in (x, t_x, T)))
        cls.check(*(h.ravel() for h in history))
        return history[0], history[1], history[2]

    @classmethod
    def cells(
        cls, *columns: FloatArray, weights: FloatArray
    ) -> tuple[list[FloatArray], FloatArray]:
        """Distinct histories and their weights: dates are whole days, so customers share them."""
        return weighted_rows(*columns, weights=weights)

    @classmethod
    def densities(cls, *columns: FloatArray) -> FloatArray:
        """One for every repeat purchase: when it came."""
        return columns[0]

    @classmethod
    def informative(cls, *columns: FloatArray) -> BoolArray:
        """Every customer counts."""
        return np.ones(columns[0].shape, dtype=bool)
