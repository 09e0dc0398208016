"""The laws of what each customer will do: how many purchases, and how much spend.

They are predictive: how uncertain a customer's future is, at known parameters. How uncertain the
parameters are is another matter, and not in them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pandas as pd

from clvforecast.customers.selection import Customers, positions_of
from clvforecast.errors import DataError, FitError
from clvforecast.fitting import Fit, common_time_unit, model_columns, purchase_model, spend_model
from clvforecast.models import PurchaseModel, SpendModel
from clvforecast.numerics.arrays import ArrayLike, FloatArray, IntArray
from clvforecast.predictive import purchase_quantiles
from clvforecast.units import Duration, duration_in_units

__all__ = [
    "PurchaseDistribution",
    "SpendDistribution",
    "purchase_distribution",
    "spend_distribution",
]

_NEGLIGIBLE: Final = 1e-14
_NEGLIGIBLE_TAIL: Final = 1e-11
_HIGHEST_LEVEL: Final = 1 - 1e-10
_LOG_AMOUNTS: Final = (-100.0, 600.0)
_BISECTIONS: Final = 64


@dataclass(frozen=True, eq=False, repr=False)
class PurchaseDistribution:
    """The law of each customer's number of purchases within a horizon.

    Made by `purchase_distribution`. Every result is indexed by customer.
    """

    model: PurchaseModel
    customers: pd.Index[str]
    horizon: float
    _x: FloatArray
    _t_x: FloatArray
    _T: FloatArray
    _p_alive: FloatArray
    time_unit: str | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__} of {len(self.customers):,} customers"

    def of(self, customers: Customers) -> PurchaseDistribution:
        """Return the law of some of the customers.

        Parameters
        ----------
        customers : id or list of ids

        Raises
        ------
        DataError
            If one of them is not among `self.customers`.
        """
        rows = positions_of(customers, self.customers)
        return replace(
            self,
            model=self.model.of_customers(rows, len(self.customers)),
            customers=self.customers[rows],
            _x=self._x[rows],
            _t_x=self._t_x[rows],
            _T=self._T[rows],
            _p_alive=self._p_alive[rows],
        )

    def pmf(self, n: Sequence[int] | IntArray) -> pd.DataFrame:
        """Probability of each number of purchases: a row per customer, a column per number.

        Raises
        ------
        DataError
            If `n` holds anything but whole numbers, 0 or more.
        """
        counts = np.atleast_1d(np.asarray(n))
        return self._frame(self._pmf(counts, slice(None)), pd.Index(counts, name="purchases"))

    def cdf(self, n: Sequence[int] | IntArray) -> pd.DataFrame:
        """Probability of at most each number of purchases."""
        counts = np.atleast_1d(np.asarray(n))
        upto = self._pmf(np.arange(int(counts.max()) + 1), slice(None)).cumsum(axis=1)
        return self._frame(np.minimum(upto[:, counts], 1.0), pd.Index(counts, name="purchases"))

    def quantile(self, q: ArrayLike) -> pd.DataFrame:
        """Smallest number of purchases with at least probability q of not being exceeded.

        Parameters
        ----------
        q : array_like
            Probabilities in [0, 1), one column each.
        """
        levels = _checked_levels(q)
        found = purchase_quantiles(
            *(self.model, self.horizon), *self._histories, self._p_alive, levels.tolist()
        )
        return self._frame(found.T.astype(np.int64), pd.Index(levels, name="quantile"))

    def mean(self) -> pd.Series[float]:
        """Expected number of purchases, as `forecast` gives it."""
        ahead = self.model.purchases_if_alive(self.horizon, *self._histories)
        return pd.Series(self._p_alive * ahead, self.customers, name="expected_purchases")

    def p_any(self) -> pd.Series[float]:
        """Probability of at least one purchase."""
        none = self.model.purchase_pmf_if_alive(0, self.horizon, *self._histories)
        return pd.Series(self._p_alive * (1.0 - none), self.customers, name="p_any")

    def sample(self, draws: int, *, seed: int) -> IntArray:
        """Draw numbers of purchases, shape (customers, draws), by inverting the law."""
        uniform = np.random.default_rng(seed).uniform(size=(len(self.customers), draws))
        drawn = np.zeros(uniform.shape, dtype=np.int64)
        waiting, reached, first = np.arange(len(drawn)), np.zeros(len(drawn)), 0
        while waiting.size:
            upto = reached + self._pmf(np.array([first]), waiting)[:, 0]
            above = uniform[waiting] > np.where(1 - upto < _NEGLIGIBLE, 1.0, upto)[:, None]
            drawn[waiting] += above
            left = above.any(axis=1)
            waiting, reached, first = waiting[left], upto[left], first + 1
        return drawn

    @property
    def _histories(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        return self._x, self._t_x, self._T

    def _pmf(self, counts: IntArray, rows: slice | IntArray) -> FloatArray:
        alive = self._p_alive[rows, None]
        histories = (column[rows, None] for column in self._histories)
        model = self.model.of_customers(rows, len(self.customers)).beside_counts()
        pmf = alive * model.purchase_pmf_if_alive(counts, self.horizon, *histories)
        return np.asarray(pmf + (counts == 0) * (1.0 - alive))

    def _frame(self, values: FloatArray | IntArray, columns: pd.Index[Any]) -> pd.DataFrame:
        return pd.DataFrame(values, index=self.customers, columns=columns)


@dataclass(frozen=True, eq=False, repr=False)
class SpendDistribution:
    """The law of what each customer spends within a horizon, undiscounted.

    Made by `spend_distribution`: a mixture, over the number of purchases, of the law of what so
    many orders come to. Every result is indexed by customer.
    """

    purchases: PurchaseDistribution
    spend: SpendModel
    _m: FloatArray

    def __repr__(self) -> str:
        return f"{type(self).__name__} of {len(self._m):,} customers"

    @property
    def customers(self) -> pd.Index[str]:
        """Whose law it is."""
        return self.purchases.customers

    def of(self, customers: Customers) -> SpendDistribution:
        """Return the law of some of the customers; see `PurchaseDistribution.of`."""
        rows = positions_of(customers, self.customers)
        return replace(
            self,
            purchases=self.purchases.of(customers),
            spend=self.spend.of_customers(rows, len(self.customers)),
            _m=self._m[rows],
        )

    def cdf(self, amount: ArrayLike) -> pd.DataFrame:
        """Probability of spending at most each amount, in money: one column each."""
        amounts = np.atleast_1d(np.asarray(amount, dtype=float))
        if np.isnan(amounts).any():
            raise DataError("amount must be numbers of money, not missing.")
        law = self._law()
        values = np.column_stack([law(np.full(len(self._m), a)) for a in amounts])
        columns = pd.Index(amounts, name="amount")
        return pd.DataFrame(values, index=self.customers, columns=columns)

    def quantile(self, q: ArrayLike) -> pd.DataFrame:
        """Smallest amount with at least probability q of not being exceeded, one column each.

        Bisection of the law to the last digit; 0 where no purchase is likelier than q. A level
        closer to 1 than 1e-10 is taken for that: the sums come no closer.
        """
        levels = np.minimum(_checked_levels(q), _HIGHEST_LEVEL)
        law = self._law()
        scale = self.spend.spend_scale(self.purchases._x, self._m)
        none = law(np.zeros(len(self._m)))
        columns = []
        for level in levels:
            low, high = (np.full(len(self._m), end) for end in _LOG_AMOUNTS)
            for _ in range(_BISECTIONS):
                middle = 0.5 * (low + high)
                below = law(scale * np.exp(middle)) < level
                low, high = np.where(below, middle, low), np.where(below, high, middle)
            columns.append(np.where(none >= level, 0.0, scale * np.exp(high)))
        return pd.DataFrame(
            np.column_stack(columns),
            index=self.customers,
            columns=pd.Index(_checked_levels(q), name="quantile"),
        )

    def mean(self) -> pd.Series[float]:
        """Expected spend within the horizon: expected purchases times expected spend of each."""
        per_order = self.spend.expected_spend(self.purchases._x, self._m)
        return (self.purchases.mean() * per_order).rename("expected_spend")

    def sample(self, draws: int, *, seed: int) -> FloatArray:
        """Draw amounts, shape (customers, draws)."""
        counts = self.purchases.sample(draws, seed=seed)
        rng = np.random.default_rng([seed, 1])
        return self.spend.beside_counts().draw_total_spend(
            counts, self.purchases._x[:, None], self._m[:, None], rng
        )

    def _law(self) -> Callable[[FloatArray], FloatArray]:
        """The cdf of every customer at an amount of his own."""
        last = int(self.purchases.quantile(1 - _NEGLIGIBLE_TAIL).to_numpy().max())
        counts = np.arange(last + 1)
        pmf = self.purchases._pmf(counts, slice(None))
        x, m = self.purchases._x[:, None], self._m[:, None]
        spend = self.spend.beside_counts()

        def cdf(amount: FloatArray) -> FloatArray:
            given_counts = spend.total_spend_cdf(amount[:, None], counts, x, m)
            return np.asarray(np.sum(pmf * given_counts, axis=1))

        return cdf


def purchase_distribution(
    purchases: Fit | PurchaseModel,
    rfm: pd.DataFrame,
    *,
    horizon: Duration,
    time_unit: str | None = None,
) -> PurchaseDistribution:
    """Work out the law of each customer's number of purchases within a horizon.

    Parameters
    ----------
    purchases : Fit or PurchaseModel
        Who buys, how often, and who is gone.
    rfm : DataFrame
        Summary of the customers asked about, a few or many.
    horizon : float or str
        How far ahead, as a number in the summary's time unit or a text such as "52W"; finite.
    time_unit : {"D", "W", "M", "Y"}, optional
        The unit of the summary, if ``rfm.attrs["time_unit"]`` does not say.

    Returns
    -------
    PurchaseDistribution
        With `pmf`, `cdf`, `quantile`, `mean`, `p_any` and `sample`; `of` picks customers.

    Raises
    ------
    DataError
        If a column is missing, a row is impossible, or the units disagree.
    FitError
        If the horizon is infinite.

    Examples
    --------
    >>> import clvforecast as clv
    >>> rfm = pd.DataFrame(
    ...     {"frequency": [2, 0], "recency": [30.43, 0.0], "T": [38.86, 38.86]}, index=["C1", "C2"]
    ... )
    >>> model = clv.BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
    >>> law = clv.purchase_distribution(model, rfm, horizon=39)
    >>> law.pmf([0, 1, 2]).round(3)
    purchases      0      1      2
    C1         0.445  0.239  0.144
    C2         0.855  0.110  0.024
    >>> law.quantile([0.5, 0.95])
    quantile  0.50  0.95
    C1           1     4
    C2           0     1
    """
    unit = common_time_unit(purchases, rfm, time_unit)
    length = duration_in_units(horizon, unit)
    if not np.isfinite(length):
        raise FitError(
            "The number of purchases over an infinite horizon has no law to tabulate. "
            "Give a finite horizon=."
        )
    model = purchase_model(purchases, rfm)
    x, t_x, T = model_columns(type(model), rfm)
    p_alive = model.p_alive(x, t_x, T)
    return PurchaseDistribution(model, rfm.index, length, x, t_x, T, p_alive, unit)


def spend_distribution(
    purchases: Fit | PurchaseModel,
    spend: Fit | SpendModel,
    rfm: pd.DataFrame,
    *,
    horizon: Duration,
    time_unit: str | None = None,
) -> SpendDistribution:
    """Work out the law of what each customer spends within a horizon, undiscounted.

    Parameters
    ----------
    purchases : Fit or PurchaseModel
        Who buys, how often, and who is gone.
    spend : Fit or SpendModel
        How much an order is worth.
    rfm : DataFrame
        Summary of the customers asked about.
    horizon : float or str
        How far ahead; finite.
    time_unit : {"D", "W", "M", "Y"}, optional
        The unit of the summary, if ``rfm.attrs["time_unit"]`` does not say.

    Returns
    -------
    SpendDistribution
        With `cdf`, `quantile`, `mean` and `sample`; `of` picks customers.

    Raises
    ------
    DataError, FitError
        As `purchase_distribution`.

    Examples
    --------
    >>> import clvforecast as clv
    >>> rfm = pd.DataFrame(
    ...     {"frequency": [2, 0], "recency": [30.43, 0.0], "T": [38.86, 38.86],
    ...      "monetary_value": [22.35, 0.0]},
    ...     index=["C1", "C2"],
    ... )
    >>> buys = clv.BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
    >>> spend = clv.GammaGamma(p=6.25, q=3.74, v=15.44)
    >>> clv.spend_distribution(buys, spend, rfm, horizon=39).quantile([0.05, 0.5, 0.95]).round(2)
    quantile  0.05   0.50    0.95
    C1         0.0  15.46  115.34
    C2         0.0   0.00   44.75
    """
    law = purchase_distribution(purchases, rfm, horizon=horizon, time_unit=time_unit)
    model = spend_model(spend, rfm)
    return SpendDistribution(law, model, model_columns(type(model), rfm)[1])


def _checked_levels(q: ArrayLike) -> FloatArray:
    levels = np.atleast_1d(np.asarray(q, dtype=float))
    if not np.all((levels >= 0) & (levels < 1)):
        raise DataError(f"q={q!r} must be probabilities from 0 up to but not including 1.")
    return levels
