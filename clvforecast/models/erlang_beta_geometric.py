"""What BG/CNBD-k and MBG/CNBD-k share: BG/NBD and MBG/NBD with regular times between purchases.

M. Platzer and T. Reutterer, "Ticking Away the Moments: Timing Regularity Helps to Better Predict
Customer Activity", Marketing Science 35 (2016) 779-799; T. Reutterer, M. Platzer and N. Schroeder,
"Leveraging Purchase Regularity for Predicting Customer Behavior the Easy Way", International
Journal of Research in Marketing 38 (2021) 194-215.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

import numpy as np
from scipy.special import gammaln, xlogy

from clvforecast.errors import DataError
from clvforecast.models.arguments import (
    FORGOTTEN,
    check_factors,
    checked_counts,
    checked_horizon,
    checked_probability,
)
from clvforecast.models.base import LogLikelihood
from clvforecast.models.beta_geometric import BetaGeometricModel
from clvforecast.models.discounting import Discount, DiscountedCounts, one_way
from clvforecast.models.erlang_discounting import erlang_discounted_counts
from clvforecast.models.likelihoods.erlang_beta_geometric import CellLikelihood
from clvforecast.models.likelihoods.erlang_beta_geometric_rows import erlang_beta_geometric_rows
from clvforecast.models.likelihoods.row_derivatives import RowDerivatives
from clvforecast.numerics.arrays import ArrayLike, FloatArray, IntArray
from clvforecast.numerics.blocks import blockwise
from clvforecast.numerics.phases import ErlangArrivals, silences
from clvforecast.numerics.renewal import arrivals_of_laws
from clvforecast.numerics.rising import log_rising
from clvforecast.numerics.sums import dot

__all__ = ["ErlangBetaGeometricModel"]

_MOST_PHASES: Final = 50
"""With so many, times between purchases vary by a seventh of their mean: like a clock."""


@dataclass(frozen=True)
class ErlangBetaGeometricModel(BetaGeometricModel):
    """Purchases at the end of every kth phase; dropout at a purchase, with a random probability.

    While active, a customer goes through phases at a rate ``lambda ~ Gamma(r, alpha)``, and every
    kth ends with a purchase: the times between purchases have an Erlang law (gamma with whole shape
    k). At every occasion he leaves for good with probability ``p ~ Beta(a, b)``, independent of
    ``lambda``.
    """

    k: int = 2

    fixed: ClassVar[tuple[str, ...]] = ("k",)
    recency_if_alive: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", checked_order(self.k))
        super().__post_init__()

    def _arrivals(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> ErlangArrivals:
        """Purchases ahead of active customers, were there no dropout; time in units of the scale.

        The scale is ``alpha + T``.
        """
        T = np.asarray(T, dtype=float)
        shape = np.asarray(self.r + self.k * np.asarray(x, dtype=float))
        return ErlangArrivals(self.k, shape, np.asarray((T - np.asarray(t_x)) / (self.alpha + T)))

    def log_likelihood(self, *columns: ArrayLike) -> FloatArray:
        """Log-likelihood of every customer's summary.

        Parameters
        ----------
        *columns : array_like
            Frequency x, recency t_x and T, broadcasting.

        Notes
        -----
        Equation 6 of BG/NBD with k phases for every purchase, and with what the silence may hold:
        the odds of having left compare with the probability of fewer than k phases. With
        `spacing_log_likelihood`, log-likelihoods of the same summary are comparable over all k, and
        with those of BG/NBD and MBG/NBD, which are those of k = 1.

        Examples
        --------
        >>> from clvforecast import BGCNBD
        >>> print(BGCNBD(1.0, 1.0, 1.0, 1.0, k=2).log_likelihood(0, 0.0, 1.0).round(6))
        -0.287682
        """
        x, t_x, T = (np.asarray(c, dtype=float) for c in columns)
        shape = np.asarray(self.r + self.k * x)
        occasions = x + self.leave_at_once
        survived = log_rising(self.b, occasions) - log_rising(np.add(self.a, self.b), occasions)
        log_odds = np.log(self.a) - np.log(self.b + (np.maximum(occasions, 1.0) - 1.0))
        log_odds = log_odds + shape * np.log1p((T - t_x) / (self.alpha + t_x))
        log_silences = np.log(silences(shape, (T - t_x) / (self.alpha + T), self.k).sum(axis=0))
        return np.asarray(
            self.spacing_log_likelihood(self.k, x, t_x)
            + log_rising(self.r, self.k * x)
            + self.r * np.log(self.alpha)
            + survived
            - shape * np.log(self.alpha + T)
            + np.where(occasions > 0, np.logaddexp(log_silences, log_odds), log_silences)
        )

    @classmethod
    def spacing_log_likelihood(cls, k: int, x: FloatArray, t_x: FloatArray) -> FloatArray:
        """What `log_likelihood` holds for where the purchases before the last may be.

        Parameters
        ----------
        k : int
        x, t_x : ndarray
            Frequency and recency, broadcasting.

        Notes
        -----
        The density of x times is a power of each; over all that add up to t_x it integrates to
        ``t_x ** (k x - 1) / Gamma(k x)`` (Dirichlet). This is its logarithm, less that of k = 1,
        which BG/NBD leaves out as it does not depend on the parameters.

        Examples
        --------
        >>> from clvforecast import BGCNBD
        >>> BGCNBD.spacing_log_likelihood(2, np.array([0.0, 1.0, 2.0]), np.array([0.0, 3.0, 3.0]))
        array([0.        , 1.09861229, 0.40546511])
        """
        x, t_x = np.asarray(x, dtype=float), np.asarray(t_x, dtype=float)
        some = np.maximum(x, 1.0)
        spacing = xlogy((k - 1) * x, t_x) - log_rising(some, (k - 1) * some)
        return np.where(x > 0, spacing, 0.0)

    @classmethod
    def timing_log_likelihood(cls, k: int, repeat_purchases: float, log_gaps: float) -> float:
        """What the times between purchases, one by one, say in place of `spacing_log_likelihood`.

        The log-likelihood of the orders is that of the summary, less that term, plus this one:
        comparable over all k, and with those of BG/NBD and MBG/NBD, which are those of k = 1.

        Parameters
        ----------
        k : int
        repeat_purchases : float
            Their number, of all customers together.
        log_gaps : float
            Sum of the logarithms of all times between consecutive purchases, in the time unit.

        Notes
        -----
        The density of a time g is ``lambda ** k g ** (k - 1) exp(-lambda g) / Gamma(k)``. Of the
        product over a customer's times, the likelihood of a summary holds what depends on lambda;
        this is the rest, and the parameters do not enter.

        Examples
        --------
        >>> from clvforecast import BGCNBD
        >>> print(round(BGCNBD.timing_log_likelihood(3, 2, 1.5), 6))
        1.613706
        """
        checked_order(k)
        return float((k - 1) * log_gaps - repeat_purchases * gammaln(k))

    def p_alive_given(self, x: FloatArray, t_x: FloatArray, T: FloatArray) -> FloatArray:
        """Probability of being active, of histories checked before; see `PurchaseModel`."""

        def p_alive(
            r: FloatArray,
            alpha: FloatArray,
            a: FloatArray,
            b: FloatArray,
            x: FloatArray,
            t_x: FloatArray,
            T: FloatArray,
        ) -> FloatArray:
            occasions = x + self.leave_at_once
            some, shape = np.minimum(occasions, 1.0), r + self.k * x
            ways = silences(shape, (T - t_x) / (alpha + T), self.k).sum(axis=0)
            stretched = np.exp(some * shape * np.log1p((T - t_x) / (alpha + t_x)))
            odds = some * a / (b + (occasions - some)) * stretched
            return np.asarray(1.0 / (1.0 + odds / ways))

        with np.errstate(over="ignore"):
            return blockwise(p_alive, self.r, self.alpha, self.a, self.b, x, t_x, T)

    def purchases_if_alive(
        self, t: ArrayLike, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, *, rate: float = 0.0
    ) -> FloatArray:
        """Expected purchases in (T, T + t] of a customer who is active at T; see `PurchaseModel`.

        Notes
        -----
        Given activity, j of the k phases to the next purchase are over with known probabilities,
        which recency tells; ``lambda`` is then ``Gamma(r + k x + j, alpha + T)``, the number of
        phases ahead is negative binomial, and ``p ~ Beta(a, b + x)``. So the expectation is
        ``sum over n >= 1 of E[(1 - p) ** (n - 1)] P(at least k n - j phases)``, summed over j: all
        positive, and worked out exactly, whoever else is in the batch. At an infinite horizon it is
        ``(a + b + x - 1) / (a - 1)``, as for BG/NBD.

        Examples
        --------
        >>> from clvforecast import BGCNBD
        >>> model = BGCNBD(r=0.85, alpha=1.45, a=0.79, b=2.42, k=3)
        >>> model.purchases_if_alive(32, [0, 2], [0, 30.43], 38.86).round(4)
        array([0.4552, 1.8544])
        """
        return self.purchases_if_changed(t, x, t_x, T, rate=rate)

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
        """Expected purchases of active customers who buy and leave otherwise; see `PurchaseModel`.

        Notes
        -----
        With factors f and c, phases come at the rate ``f lambda``: what is expected within ``f t``,
        discounted at ``rate / f``. A purchase is the last with probability ``c p``, or for certain
        where that is above 1; with k = 1 customers then leave at the rate ``f c lambda p``, whether
        they buy or not, as in BG/NBD.

        Examples
        --------
        Of dropouts at a purchase, one in ten is prevented:

        >>> from clvforecast import BGCNBD
        >>> model = BGCNBD(r=0.85, alpha=1.45, a=0.79, b=2.42, k=3)
        >>> model.purchases_if_changed(32, [0, 2], [0, 30.43], 38.86, leaving=0.9).round(4)
        array([0.4577, 1.8763])
        """
        check_factors(buying=buying, leaving=leaving)
        horizon = buying * checked_horizon(t, rate=rate)
        if rate > 0:
            horizon = np.minimum(horizon, FORGOTTEN * buying / rate)
        state = self._arrivals(x, t_x, T)
        columns = (
            state.shape,
            self.a,
            self.b_if_active + np.asarray(x, dtype=float),
            self.alpha + np.asarray(T, dtype=float),
            horizon,
        )
        shape = np.broadcast_shapes(state.done.shape[1:], *(np.shape(c) for c in columns))
        flat = (np.broadcast_to(c, shape).astype(float).ravel() for c in columns)
        ahead = arrivals_of_laws(*flat, k=self.k, leaving=leaving, rate=rate / buying)
        done = np.moveaxis(state.done, 0, -1)
        return np.asarray(np.sum(done * ahead.reshape(*shape, self.k), axis=-1))

    def purchase_pmf_if_alive(
        self, n: ArrayLike, t: ArrayLike, x: ArrayLike, t_x: ArrayLike, T: ArrayLike
    ) -> FloatArray:
        """Probability of n purchases in (T, T + t] of a customer active at T; see `PurchaseModel`.

        Notes
        -----
        Either n purchases happened and none of them was the last, or at least n would have happened
        and the nth was the last, as in BG/NBD; so many happen when that many times k phases end,
        less those that are over at T.

        Examples
        --------
        >>> from clvforecast import BGCNBD
        >>> model = BGCNBD(r=0.85, alpha=1.45, a=0.79, b=2.42, k=3)
        >>> model.purchase_pmf_if_alive([0, 1, 2], 32.0, x=2, t_x=30.43, T=38.86).round(4)
        array([0.067 , 0.3729, 0.313 ])
        """
        counts, horizon = checked_counts(n), checked_horizon(t)
        tau = np.asarray(horizon / (self.alpha + np.asarray(T, dtype=float)))
        exactly, at_least = self._arrivals(x, t_x, T).counts(counts, tau)
        a, b = self.a, self.b_if_active + np.asarray(x, dtype=float)
        stay, leave = stay_and_leave(counts, a, b)
        return np.asarray(stay * exactly + leave * at_least)

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
        """Purchases in (T, T + t] and what discounting leaves of them; see `PurchaseModel`.

        Notes
        -----
        Of a customer who stays active, phases fall anywhere in (T, T + t], and of one who leaves at
        the nth purchase, anywhere before it: every kth of them ends with a purchase. The means are
        exact but for an interpolation, linear in the phases over at T and at the end; the variance
        given number and way is an approximation, exact for one purchase, for low discount rates,
        and for k = 1.
        """
        counts, beside = np.asarray(n, dtype=float), self.beside_counts()
        if discount.rate == 0 or t == 0:
            pmf = beside.purchase_pmf_if_alive(counts, t, x, t_x[:, None], T[:, None])
            return one_way(counts, pmf)
        return erlang_discounted_counts(
            counts,
            self._arrivals(x, t_x, T),
            self.alpha + T,
            *stay_and_leave(counts, beside.a, beside.b_if_active + x),
            horizon=t,
            discount=discount,
            dispersion=dispersion,
        )

    def expected_wait_if_alive(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> FloatArray:
        """Expected time to the next purchase of a customer active at T; see `PurchaseModel`.

        Notes
        -----
        No dropout comes before the next purchase. With j of k phases over, the wait is a sum of
        ``k - j`` exponential times at a rate ``Gamma(r + k x + j, alpha + T)``; its mean exists for
        ``r + k x`` above 1.

        Examples
        --------
        >>> from clvforecast import BGCNBD
        >>> model = BGCNBD(r=0.85, alpha=1.45, a=0.79, b=2.42, k=3)
        >>> model.expected_wait_if_alive([0, 2], [0, 30.43], 38.86).round(2)
        array([  inf, 12.07])
        """
        scale = self.alpha + np.asarray(T, dtype=float)
        return np.asarray(scale * self._arrivals(x, t_x, T).mean_wait())

    def wait_quantile_if_alive(
        self, q: ArrayLike, x: ArrayLike, t_x: ArrayLike, T: ArrayLike
    ) -> FloatArray:
        """Quantile of the time to the next purchase, active at T; see `PurchaseModel`.

        Examples
        --------
        >>> from clvforecast import BGCNBD
        >>> model = BGCNBD(r=0.85, alpha=1.45, a=0.79, b=2.42, k=3)
        >>> model.wait_quantile_if_alive([0.5, 0.9], 2, 30.43, 38.86).round(2)
        array([ 8.36, 26.96])
        """
        q = checked_probability(q)
        scale = self.alpha + np.asarray(T, dtype=float)
        with np.errstate(over="ignore"):
            return np.asarray(scale * self._arrivals(x, t_x, T).wait_quantile(q))

    def draw_purchases_if_any(
        self,
        t: FloatArray,
        x: FloatArray,
        t_x: FloatArray,
        T: FloatArray,
        rng: np.random.Generator,
    ) -> tuple[IntArray, FloatArray]:
        """Draw the purchases of active customers who make at least one; see `PurchaseModel`.

        Notes
        -----
        The wait for the next purchase, given that it ends within `t`, is drawn by inversion. After
        it the customer is one with a purchase more, seen for so much longer: his rate, how many
        phases follow, and which purchase is his last, are drawn as such.
        """
        state, scale = self._arrivals(x, t_x, T), self.alpha + T
        wait = scale * state.draw_first(t / scale, rng)
        wait = np.minimum(wait, t)
        phases = rng.poisson(rng.gamma(state.shape + self.k) / (scale + wait) * (t - wait))
        more = phases // self.k
        again = np.flatnonzero(more)
        a, b = (np.broadcast_to(v, t.shape)[again] for v in (self.a, self.b_if_active + x))
        dropout = np.maximum(rng.beta(a, b), np.finfo(float).tiny)
        last = np.ones(t.shape, dtype=np.int64)
        last[again] = rng.geometric(dropout)

        customer = np.repeat(np.arange(t.size), phases + 1)
        first = np.cumsum(phases + 1) - (phases + 1)
        # The first purchase stays first; phases end anywhere after it. One sort of
        # customer + share puts each customer's in order.
        share = rng.random(customer.size)
        share[first] = 0.0
        share = np.sort(customer + share) - customer
        place = np.arange(customer.size) - first[customer]
        made = (place % self.k == 0) & (place // self.k < last[customer])
        customer, share = customer[made], share[made]
        return customer, wait[customer] + share * (t - wait)[customer]

    @classmethod
    def total_log_likelihood(
        cls, *columns: FloatArray, weights: FloatArray, k: int = 2, **_: Any
    ) -> LogLikelihood:
        """Log-likelihood of weighted cells, with gradient and Hessian in (r, alpha, a, b)."""
        checked_order(k)
        x, t_x, T = columns
        spacing = dot(weights, cls.spacing_log_likelihood(k, x, t_x))
        at_once = cls.leave_at_once
        return CellLikelihood(x, t_x, T, weights, leave_at_once=at_once, k=k, spacing=spacing)

    def row_derivatives(self, *columns: FloatArray, times: bool = False) -> RowDerivatives:
        """Log-likelihood of every row with its derivatives; see `Model`. Not in times."""
        parameters = [np.asarray(v, dtype=float) for v in self.parameters.values()]
        x, t_x, T = columns
        rows = erlang_beta_geometric_rows(
            parameters, (x, t_x, T), leave_at_once=self.leave_at_once, k=self.k
        )
        return rows._replace(value=rows.value + self.spacing_log_likelihood(self.k, x, t_x))

    def remarks(self, flat: frozenset[str]) -> tuple[str, ...]:
        """Name the limiting model where the estimates run off."""
        all_alike = {"r", "alpha"} <= flat and self.r > 10
        # What they have in common is a rate of purchases, not of phases.
        seen = replace(self, alpha=self.k * self.alpha) if all_alike else self
        said = super(ErlangBetaGeometricModel, seen).remarks(flat)
        nobody_leaves = f"the CNBD-{self.k} model" if self.k > 1 else "the NBD model"
        return tuple(remark.replace("the NBD model", nobody_leaves) for remark in said)


def checked_order(k: int) -> int:
    """The number of phases to a purchase; raise `DataError` unless it is one."""
    if not (np.ndim(k) == 0 and k == np.floor(k) and 1 <= k <= _MOST_PHASES):
        raise DataError(
            f"k={k!r} must be a whole number from 1 to {_MOST_PHASES}: of phases between "
            "purchases, 1 for irregular ones as in BG/NBD."
        )
    return int(k)


def stay_and_leave(n: FloatArray, a: ArrayLike, b: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Probability of being active after n purchases, and of leaving at the nth; ``p ~ Beta(a, b)``.

    >>> stay_and_leave(np.arange(3.0), 1.0, 1.0)
    (array([1.        , 0.5       , 0.33333333]), array([0.        , 0.5       , 0.16666667]))
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    before = np.maximum(n, 1.0) - 1.0
    reached = np.exp(log_rising(b, before) - log_rising(a + b, before))
    some = n > 0
    stay = reached * np.where(some, (b + before) / (a + b + before), 1.0)
    leave = reached * np.where(some, a / (a + b + before), 0.0)
    return stay, leave
