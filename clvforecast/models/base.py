"""What every model is: a frozen set of parameters with pure array methods."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

import numpy as np

from clvforecast.errors import DataError
from clvforecast.numerics.arrays import (
    ArrayLike,
    BoolArray,
    FloatArray,
    IntArray,
    weighted_rows,
)
from clvforecast.numerics.optimise import Derivatives

if TYPE_CHECKING:
    import pandas as pd

    from clvforecast.fitting import Fit

__all__ = ["LogLikelihood", "Model", "PurchaseModel", "SpendModel", "check_rows"]

Labels: TypeAlias = "Sequence[Any] | pd.Index[Any]"
LogLikelihood: TypeAlias = Callable[[FloatArray], Derivatives]


@dataclass(frozen=True)
class Model(ABC):
    """A probability model: its parameters are the fields, all positive.

    A parameter may be an array, one value per customer; every method broadcasts.
    """

    name: ClassVar[str]
    """What papers call it."""
    columns: ClassVar[tuple[str, ...]]
    """The columns of the RFM summary that it sees, in the order of its methods' arguments."""
    scaled_columns: ClassVar[tuple[str, ...]]
    """Those of them that have a unit, of time or money."""
    scale_column: ClassVar[str]
    """The one whose mean sets the scale for fitting."""
    scale_parameter: ClassVar[str]
    """The parameter in that unit; the others have none."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = np.asarray(getattr(self, field.name), dtype=float)
            if not np.all((value > 0) & np.isfinite(value)):
                raise DataError(
                    f"{type(self).__name__}: {field.name}={getattr(self, field.name)!r} "
                    "must be positive and finite."
                )

    @classmethod
    def parameter_names(cls) -> tuple[str, ...]:
        """Names of the parameters, in order.

        >>> from clvforecast import BGNBD
        >>> BGNBD.parameter_names()
        ('r', 'alpha', 'a', 'b')
        """
        return tuple(field.name for field in fields(cls))

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters by name."""
        return {name: getattr(self, name) for name in self.parameter_names()}

    def rescaled(self, factor: float) -> Self:
        """The same model when its scaled columns are multiplied by `factor`.

        >>> from clvforecast import BGNBD
        >>> BGNBD(r=0.25, alpha=4.0, a=0.8, b=2.5).rescaled(7.0)
        BGNBD(r=0.25, alpha=28.0, a=0.8, b=2.5)
        """
        scaled = {self.scale_parameter: getattr(self, self.scale_parameter) * factor}
        return replace(self, **scaled)

    @classmethod
    def fit(cls, rfm: pd.DataFrame, *, time_unit: str | None = None, ridge: float = 0.0) -> Fit:
        """Fit by maximum likelihood; see `clvforecast.fitting.fit`."""
        from clvforecast.fitting import fit

        return fit(cls, rfm, time_unit=time_unit, ridge=ridge)

    @classmethod
    @abstractmethod
    def check(cls, *columns: FloatArray, labels: Labels | None = None) -> None:
        """Raise `DataError` unless every row can come from an order log."""

    @classmethod
    def _check_numbers(cls, *columns: FloatArray, labels: Labels | None) -> None:
        """What every summary must hold: finite numbers, and counts that are counts."""
        names = f"{', '.join(cls.columns[:-1])} or {cls.columns[-1]}"
        check_rows(
            ~np.all([np.isfinite(column) for column in columns], axis=0),
            f"a {names} that is missing or not finite",
            "Summarise the orders again, or drop them.",
            labels,
        )
        x = columns[0]
        check_rows(
            (x < 0) | (x != np.floor(x)),
            "a frequency that is not a whole number >= 0",
            "frequency counts repeat purchases.",
            labels,
        )

    @classmethod
    @abstractmethod
    def informative(cls, *columns: FloatArray) -> BoolArray:
        """Which rows carry information on the parameters, shape (n,)."""

    @classmethod
    @abstractmethod
    def cells(
        cls, *columns: FloatArray, weights: FloatArray
    ) -> tuple[list[FloatArray], FloatArray]:
        """Rows that stand for all customers in the likelihood, as columns, and their weights."""

    @abstractmethod
    def log_likelihood(self, *columns: ArrayLike) -> FloatArray:
        """Log-likelihood of every row."""

    @classmethod
    @abstractmethod
    def total_log_likelihood(cls, *columns: FloatArray, weights: FloatArray) -> LogLikelihood:
        """The weighted sum over rows, with gradient and Hessian, as a function of parameters."""

    @classmethod
    @abstractmethod
    def starting_points(cls) -> Iterable[FloatArray]:
        """Where to begin, for data whose scale column has mean one."""

    def remarks(self, flat: frozenset[str]) -> tuple[str, ...]:
        """What a reader of these estimates must know, in sentences.

        Parameters
        ----------
        flat : frozenset of str
            Parameters along which the likelihood is all but flat.
        """
        if not flat:
            return ()
        names = ", ".join(name for name in self.parameter_names() if name in flat)
        return (
            f"The data do not identify {names}: values many times larger or smaller fit as well.",
        )


class PurchaseModel(Model):
    """A model of when customers buy and when they stop: sees (frequency, recency, T)."""

    columns = ("frequency", "recency", "T")
    scaled_columns = ("recency", "T")
    scale_column = "T"

    @abstractmethod
    def p_alive(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> FloatArray:
        """Probability that a customer is still active at the end of observation."""

    @abstractmethod
    def purchases_if_alive(
        self, t: ArrayLike, x: ArrayLike, T: ArrayLike, *, rate: float = 0.0
    ) -> FloatArray:
        """Expected purchases in (T, T + t] of a customer who is active at T.

        Parameters
        ----------
        t : array_like
            Length of the period ahead in time units; may be infinite. One number if ``rate > 0``.
        x, T : array_like
            Frequency and age, broadcasting with `t`. Given activity, recency says nothing more.
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
        return np.asarray(p_alive * self.purchases_if_alive(t, x, T))

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
        return np.asarray(p_alive * self.purchases_if_alive(t, x, T, rate=rate))

    @abstractmethod
    def purchase_pmf_if_alive(
        self, n: ArrayLike, t: ArrayLike, x: ArrayLike, T: ArrayLike
    ) -> FloatArray:
        """Probability of n purchases in (T, T + t] of a customer who is active at T.

        Parameters
        ----------
        n : array_like of whole numbers
            Number of purchases.
        t : array_like
            Length of the period ahead in time units, finite.
        x, T : array_like
            Frequency and age. All four broadcast.

        Raises
        ------
        DataError
            If `n` is not a count or `t` is negative.
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
        return self.purchase_pmf_if_alive(n, t, 0.0, 0.0)

    @abstractmethod
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
        """

    @classmethod
    def check(cls, *columns: FloatArray, labels: Labels | None = None) -> None:
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
    def informative(cls, *columns: FloatArray) -> BoolArray:
        """Every customer counts."""
        return np.ones(columns[0].shape, dtype=bool)


class SpendModel(Model):
    """A model of how much an order is worth: sees (frequency, monetary_value)."""

    columns = ("frequency", "monetary_value")
    scaled_columns = ("monetary_value",)
    scale_column = "monetary_value"

    @abstractmethod
    def expected_spend(self, x: ArrayLike, m: ArrayLike) -> FloatArray:
        """Expected value of a customer's future order."""

    @abstractmethod
    def spend_scale(self, x: ArrayLike, m: ArrayLike) -> FloatArray:
        """The amount of money in which a customer's future spend has the law of the history.

        `scaled_spend_cdf` is the law of future spend over this amount, and depends on x alone.
        """

    @abstractmethod
    def scaled_spend_cdf(self, u: ArrayLike, n: ArrayLike, x: ArrayLike) -> FloatArray:
        """Probability that the next n orders come to at most u times `spend_scale`."""

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
    def simulate(self, x: ArrayLike, *, seed: int) -> FloatArray:
        """Draw the mean value of x orders of new customers; 0 where x = 0. Shape of `x`."""

    @classmethod
    def check(cls, *columns: FloatArray, labels: Labels | None = None) -> None:
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
    def informative(cls, *columns: FloatArray) -> BoolArray:
        """Customers with a repeat purchase and a positive mean spend."""
        x, m = columns
        return np.asarray((x > 0) & (m > 0))


def check_rows(
    bad: BoolArray,
    fault: str,
    remedy: str,
    labels: Labels | None = None,
) -> None:
    """Raise `DataError` naming how many rows have a fault and the first that does.

    >>> check_rows(np.array([False, True]), "recency > T", "Check `until`.", ["A", "B"])
    Traceback (most recent call last):
    clvforecast.errors.DataError: 1 of 2 customers has recency > T (first: 'B'). Check `until`.
    """
    count = int(np.count_nonzero(bad))
    if not count:
        return
    position = int(np.argmax(bad))
    first = f"row {position}" if labels is None else repr(labels[position])
    verb = "has" if count == 1 else "have"
    raise DataError(
        f"{count:,} of {bad.size:,} customers {verb} {fault} (first: {first}). {remedy}"
    )
