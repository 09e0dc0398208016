"""What BG/NBD and MBG/NBD share: dropout follows purchases, with a beta distributed probability.

Equation numbers are those of P. S. Fader, B. G. S. Hardie and K. L. Lee, "'Counting Your Customers'
the Easy Way: An Alternative to the Pareto/NBD Model", Marketing Science 24 (2005) 275-284.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from clvforecast.models.arguments import (
    FORGOTTEN,
    check_factors,
    checked_counts,
    checked_horizon,
    checked_probability,
)
from clvforecast.models.base import LogLikelihood
from clvforecast.models.discounting import (
    Discount,
    DiscountedCounts,
    of_nth_purchase,
    one_way,
)
from clvforecast.models.likelihoods.beta_geometric import CellLikelihood
from clvforecast.models.likelihoods.beta_geometric_rows import beta_geometric_rows
from clvforecast.models.likelihoods.row_derivatives import RowDerivatives
from clvforecast.models.purchasing import PurchaseModel
from clvforecast.numerics.arrays import (
    ArrayLike,
    FloatArray,
    IntArray,
    distinct_rows,
)
from clvforecast.numerics.blocks import blockwise
from clvforecast.numerics.counting import event_counts
from clvforecast.numerics.interpolation import evaluate_smooth
from clvforecast.numerics.quadrature import beta_rule, decay_rule
from clvforecast.numerics.rising import log_rising

__all__ = ["BetaGeometricModel", "by_history"]


@dataclass(frozen=True)
class BetaGeometricModel(PurchaseModel):
    """Purchases at a random rate; dropout at a purchase, with a random probability.

    While active, a customer buys at a rate ``lambda ~ Gamma(r, alpha)``. At every occasion he
    leaves for good with probability ``p ~ Beta(a, b)``, independent of ``lambda``. Occasions are
    the repeat purchases, and in models in which customers `leave_at_once`, the first purchase, too:
    in all that follows after it, x occasions then become x + 1.
    """

    r: float
    alpha: float
    a: float
    b: float

    scale_parameters: ClassVar[tuple[str, ...]] = ("alpha",)
    covariate_roles: ClassVar[Mapping[str, tuple[str, float]]] = {
        "purchase": ("alpha", -1.0),
        "dropout": ("a", 1.0),
    }
    leave_at_once: ClassVar[bool]
    """Whether the first purchase may be the last of a customer."""

    @property
    def b_if_active(self) -> float:
        """Given activity after x repeat purchases, ``p ~ Beta(a, b_if_active + x)``."""
        return self.b + float(self.leave_at_once)

    def log_likelihood(self, *columns: ArrayLike) -> FloatArray:
        """Log-likelihood of every customer: equation 6.

        Parameters
        ----------
        *columns : array_like
            Frequency x, recency t_x and T, broadcasting.

        Examples
        --------
        >>> from clvforecast import BGNBD
        >>> print(BGNBD(1.0, 1.0, 1.0, 1.0).log_likelihood(0, 0.0, 1.0).round(6))
        -0.693147
        """
        x, t_x, T = (np.asarray(c, dtype=float) for c in columns)
        occasions = x + self.leave_at_once
        survived = log_rising(self.b, occasions) - log_rising(np.add(self.a, self.b), occasions)
        log_odds = np.log(self.a) - np.log(self.b + (np.maximum(occasions, 1.0) - 1.0))
        log_odds = log_odds + (self.r + x) * np.log1p((T - t_x) / (self.alpha + t_x))
        return np.asarray(
            log_rising(self.r, x)
            + self.r * np.log(self.alpha)
            + survived
            - (self.r + x) * np.log(self.alpha + T)
            + np.where(occasions > 0, np.logaddexp(0.0, log_odds), 0.0)
        )

    def p_alive(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> FloatArray:
        """Probability that a customer is still active at T, given the purchase history.

        Parameters
        ----------
        x, t_x, T : array_like
            Frequency, recency and age in time units, broadcasting.

        Returns
        -------
        ndarray
            In [0, 1]; exactly 1 where x = 0.

        Notes
        -----
        One over one plus the odds of having left at the last purchase, from the two terms of
        equation 6 (P. S. Fader, B. G. S. Hardie and K. L. Lee, "Computing P(alive) Using the
        BG/NBD Model", 2008).

        Examples
        --------
        >>> from clvforecast import BGNBD
        >>> model = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
        >>> model.p_alive([2, 0], [30.43, 0], 38.86).round(4)
        array([0.7266, 1.    ])
        """
        return self.p_alive_given(*self.checked_history(x, t_x, T))

    def p_alive_given(self, x: FloatArray, t_x: FloatArray, T: FloatArray) -> FloatArray:
        """Probability of being active, of histories checked before; see `PurchaseModel`."""
        with np.errstate(over="ignore"):
            occasions = x + self.leave_at_once
            return blockwise(_p_alive, self.r, self.alpha, self.a, self.b, x, t_x, T, occasions)

    def purchases_if_alive(
        self, t: ArrayLike, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, *, rate: float = 0.0
    ) -> FloatArray:
        """Expected purchases in (T, T + t] of a customer who is active at T; see `PurchaseModel`.

        Notes
        -----
        Equation 10 without P(alive). Given activity, ``p ~ Beta(a, b + x)`` and
        ``lambda ~ Gamma(r + x, alpha + T)``; integrating the rate of purchases
        ``lambda exp(-lambda p s)`` over both and over s in (0, t) leaves
        ``E[(1 - (1 + p t / (alpha + T)) ** -(r + x)) / p]``, a beta expectation of a positive
        bounded function. It has no singularity at a = 1 and can neither cancel nor overflow.

        With a discount rate, the integral over s of ``exp(-rate s)`` times
        ``E[(r + x) / A * (1 + p s / A) ** -(r + x + 1)]``, ``A = alpha + T``, is a second
        quadrature of positive terms.

        Examples
        --------
        >>> from clvforecast import BGNBD
        >>> model = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
        >>> model.purchases_if_alive(39, [0, 2], [0, 30.43], 38.86).round(4)
        array([0.1951, 1.6874])
        """
        t = checked_horizon(t, rate=rate)
        if rate > 0:
            return self._discounted_if_alive(t, x, T, rate)

        def given_history(R: float, a: float, b: float, tau: FloatArray) -> FloatArray:
            p, weights = beta_rule(a, b, finest=R * tau.max())
            return np.asarray(-np.expm1(-R * np.log1p(np.outer(tau, p))) @ (weights / p))

        tau = t / (self.alpha + np.asarray(T))
        columns = np.broadcast_arrays(self.r, self.a, self.b_if_active, x, tau)
        r, a, b, x, tau = (np.asarray(c, dtype=float) for c in columns)
        with np.errstate(divide="ignore"):
            forever = np.where(a > 1, (a + b + x - 1) / np.maximum(a - 1, 0), np.inf)
        expected = np.where(tau > 0, forever, 0.0)
        ahead = (tau > 0) & np.isfinite(tau)
        expected[ahead] = by_history(given_history, *(v[ahead] for v in (r, a, b, x, tau)))
        return expected

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
        With factors f and c, purchases come at the rate ``f lambda exp(-f c lambda p s)``. In the
        time ``u = f c s`` that is ``lambda exp(-lambda p u) / c``: what is expected without a
        change within ``f c t``, discounted at ``rate / (f c)``, over c. Where ``c p`` is above 1,
        customers leave at the rate ``f c lambda p``, whether they buy or not.

        Examples
        --------
        Of dropouts at a purchase, one in ten is prevented:

        >>> from clvforecast import BGNBD
        >>> model = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
        >>> model.purchases_if_changed(39, [0, 2], [0, 30.43], 38.86, leaving=0.9).round(4)
        array([0.1971, 1.7133])
        """
        check_factors(buying=buying, leaving=leaving)
        pace = buying * leaving
        ahead = self.purchases_if_alive(pace * checked_horizon(t), x, t_x, T, rate=rate / pace)
        return np.asarray(ahead / leaving)

    def _discounted_if_alive(
        self, t: FloatArray, x: ArrayLike, T: ArrayLike, rate: float
    ) -> FloatArray:
        horizon = min(float(t), FORGOTTEN / rate)

        def given_history(R: float, a: float, b: float, A: FloatArray) -> FloatArray:
            p, weights = beta_rule(a, b, finest=R * horizon / A.min())
            tau, time_weights = decay_rule(horizon / A, np.maximum(R + 1, rate * A))
            stretched = 1 + (R + 1) * tau

            def per_log_time(stretched: FloatArray) -> FloatArray:
                logs = np.log1p(np.outer((stretched - 1) / (R + 1), p))
                return np.asarray(stretched * (np.exp(-(R + 1) * logs) @ weights))

            # Per logarithm of stretched time: what is small of this adds nothing to the integral.
            flow = evaluate_smooth(per_log_time, stretched.ravel(), relative=False)
            present = flow.reshape(tau.shape) / stretched * np.exp(-rate * A[:, None] * tau)
            return np.asarray(R * np.sum(time_weights * present, axis=-1))

        scale = self.alpha + np.asarray(T)
        columns = np.broadcast_arrays(self.r, self.a, self.b_if_active, x, scale)
        r, a, b, x, A = (np.asarray(c, dtype=float).ravel() for c in columns)
        if horizon == 0:
            return np.zeros(columns[0].shape)
        return by_history(given_history, r, a, b, x, A).reshape(columns[0].shape)

    def purchase_pmf_if_alive(
        self, n: ArrayLike, t: ArrayLike, x: ArrayLike, t_x: ArrayLike, T: ArrayLike
    ) -> FloatArray:
        """Probability of n purchases in (T, T + t] of a customer active at T; see `PurchaseModel`.

        Notes
        -----
        Given activity, the customer is a new one with ``r + x, alpha + T, a, b + x``, so this is
        equation 8 with these parameters. Either n purchases happened and none of them was the
        last, or at least n would have happened and the nth was the last; both in logarithms, so
        that neither overflows.

        Examples
        --------
        >>> from clvforecast import BGNBD
        >>> model = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
        >>> model.purchase_pmf_if_alive([0, 1, 2], 39.0, x=2, t_x=30.43, T=38.86).round(4)
        array([0.2367, 0.3294, 0.1984])
        """
        stayed, left = self._stayed_and_left(n, t, x, T)
        return np.asarray(stayed + left)

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
        Of a customer who stays active, the n purchases fall anywhere in (T, T + t]. One who leaves
        does so at the nth: the others fall anywhere before it, and it comes when the nth purchase
        of a customer who never leaves would.
        """
        counts = np.asarray(n, dtype=float)
        stayed, left = self.beside_counts()._stayed_and_left(counts, t, x, T[:, None])
        if discount.rate == 0 or t == 0:
            return one_way(counts, stayed + left)
        stops, some = discount.stops(t, dispersion), np.maximum(counts, 1.0)
        leaving = of_nth_purchase(stops, some, self.r + x, self.alpha + T)
        number, last = counts[:, None], np.minimum(counts[:, None], 1.0)
        active = discount.until(t, number, 0.0)
        gone = discount.until(stops.times, number - last, last)
        return DiscountedCounts(
            np.concatenate((stayed[..., None], left[..., None] * leaving), axis=2),
            *(np.concatenate(both, axis=1) for both in zip(active, gone, strict=True)),
        )

    def _stayed_and_left(
        self, n: ArrayLike, t: ArrayLike, x: ArrayLike, T: ArrayLike
    ) -> tuple[FloatArray, FloatArray]:
        """Probability of n purchases in (T, T + t] and being active then, or having left."""
        counts, horizon = checked_counts(n), checked_horizon(t)
        x = np.asarray(x, dtype=float)
        a, b = self.a, self.b_if_active + x
        tau = horizon / (self.alpha + np.asarray(T, dtype=float))
        exactly, at_least = event_counts(counts, self.r + x, tau)
        before = np.maximum(counts, 1.0) - 1.0
        reached = np.exp(log_rising(b, before) - log_rising(a + b, before))
        some = counts > 0
        stayed = reached * np.where(some, (b + before) / (a + b + before), 1.0) * exactly
        left = reached * np.where(some, a / (a + b + before), 0.0) * at_least
        return np.asarray(stayed), np.asarray(left)

    def expected_wait_if_alive(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> FloatArray:
        """Expected time to the next purchase of a customer active at T; see `PurchaseModel`.

        Notes
        -----
        No dropout comes before the next purchase. So given ``lambda ~ Gamma(r + x, alpha + T)``
        the wait is exponential, and with lambda unknown it is Lomax (Pareto of the second kind)
        with shape ``r + x`` and scale ``alpha + T``, whose mean exists for a shape above 1.

        Examples
        --------
        >>> from clvforecast import BGNBD
        >>> model = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
        >>> model.expected_wait_if_alive([0, 2], [0, 30.43], 38.86).round(2)
        array([  inf, 34.81])
        """
        excess, scale = np.broadcast_arrays(
            self.r + np.asarray(x) - 1.0, self.alpha + np.asarray(T)
        )
        wait = np.full(scale.shape, np.inf)
        np.divide(scale, excess, out=wait, where=excess > 0)
        return wait

    def wait_quantile_if_alive(
        self, q: ArrayLike, x: ArrayLike, t_x: ArrayLike, T: ArrayLike
    ) -> FloatArray:
        """Quantile of the time to the next purchase, active at T; see `PurchaseModel`.

        Examples
        --------
        >>> from clvforecast import BGNBD
        >>> model = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
        >>> model.wait_quantile_if_alive([0.5, 0.9], 2, 30.43, 38.86).round(2)
        array([15.67, 77.52])
        """
        q = checked_probability(q)
        scale = self.alpha + np.asarray(T, dtype=float)
        with np.errstate(divide="ignore", over="ignore"):
            return np.asarray(scale * np.expm1(-np.log1p(-q) / (self.r + np.asarray(x))))

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
        The wait for the next purchase is exponential at a rate ``lambda ~ Gamma(r + x, alpha + T)``
        and so Lomax distributed; given that it ends within `t` it is drawn by inversion. After it
        the customer is one with a purchase more, seen for so much longer: his rate, and which
        purchase is his last, are drawn as such.
        """
        shape, scale = self.r + x, self.alpha + T
        p_any = -np.expm1(-shape * np.log1p(t / scale))
        wait = scale * np.expm1(-np.log1p(-rng.random(t.shape) * p_any) / shape)
        wait = np.minimum(wait, t)
        more = rng.poisson(rng.gamma(shape + 1.0) / (scale + wait) * (t - wait))
        again = np.flatnonzero(more)
        a, b = (np.broadcast_to(v, t.shape)[again] for v in (self.a, self.b_if_active + x))
        dropout = np.maximum(rng.beta(a, b), np.finfo(float).tiny)
        last = np.ones(t.shape, dtype=np.int64)
        last[again] = rng.geometric(dropout)

        customer = np.repeat(np.arange(t.size), more + 1)
        first = np.cumsum(more + 1) - (more + 1)
        # The first purchase stays first; the others fall anywhere after it. One sort of
        # customer + share puts each customer's in order.
        share = rng.random(customer.size)
        share[first] = 0.0
        share = np.sort(customer + share) - customer
        made = np.arange(customer.size) - first[customer] < last[customer]
        customer, share = customer[made], share[made]
        return customer, wait[customer] + share * (t - wait)[customer]

    @classmethod
    def total_log_likelihood(
        cls, *columns: FloatArray, weights: FloatArray, **settings: Any
    ) -> LogLikelihood:
        """Log-likelihood of weighted cells, with gradient and Hessian in (r, alpha, a, b)."""
        x, t_x, T = columns
        return CellLikelihood(x, t_x, T, weights, leave_at_once=cls.leave_at_once)

    def row_derivatives(self, *columns: FloatArray, times: bool = False) -> RowDerivatives:
        """Log-likelihood of every row with its derivatives; see `Model`."""
        parameters = [np.asarray(v, dtype=float) for v in self.parameters.values()]
        at_once = self.leave_at_once
        return beta_geometric_rows(parameters, columns, times=times, leave_at_once=at_once)

    @classmethod
    def starting_points(cls) -> Iterable[FloatArray]:
        """Parameters of a few plausible shops, for ages of mean one."""
        return (
            np.array([0.5, 0.5, 1.0, 3.0]),
            np.array([0.2, 0.1, 0.5, 1.0]),
            np.array([2.0, 1.0, 1.0, 10.0]),
            np.array([1.0, 0.2, 0.5, 5.0]),
        )

    def remarks(self, flat: frozenset[str]) -> tuple[str, ...]:
        """Name the limiting model where the estimates run off."""
        said: list[str] = []
        mean_dropout = self.a / (self.a + self.b)
        occasion = "purchase" if self.leave_at_once else "repeat purchase"
        if flat & {"a", "b"} and mean_dropout < 1e-3:
            said.append(
                "a / (a + b) tends to 0: no dropout is visible in these data, and the model is "
                "the NBD model, in which nobody ever leaves."
            )
        elif flat & {"a", "b"} and mean_dropout > 1 - 1e-3:
            said.append(
                f"a / (a + b) tends to 1: all but nobody returns after the first {occasion}."
            )
        elif {"a", "b"} <= flat and min(self.a, self.b) > 10:
            said.append(
                "a and b grow together without limit: every customer has the same probability "
                f"{mean_dropout:.3g} of leaving after a {occasion}, and only that is "
                "identified, not a and b. Forecasts are unaffected."
            )
        elif flat & {"a", "b"}:
            said.append(
                f"a = {self.a:.3g} and b = {self.b:.3g} are not identified: repeat purchases are "
                "too few, or silences too short, to tell how dropout varies. Observe longer, or "
                "fit with ridge=."
            )
        if {"r", "alpha"} <= flat and self.r > 10:
            said.append(
                "r and alpha grow together without limit: all customers buy at the same rate "
                f"{self.r / self.alpha:.3g} per time unit; only r / alpha is identified."
            )
        elif flat & {"r", "alpha"}:
            said.append(
                f"r = {self.r:.3g} and alpha = {self.alpha:.3g} are not identified: there are too "
                "few repeat purchases. Observe longer, or fit with ridge=."
            )
        return tuple(said)


def _p_alive(
    r: FloatArray,
    alpha: FloatArray,
    a: FloatArray,
    b: FloatArray,
    x: FloatArray,
    t_x: FloatArray,
    T: FloatArray,
    occasions: FloatArray,
) -> FloatArray:
    """One over one plus the odds of having left at the last occasion, if there is one."""
    some = np.minimum(occasions, 1.0)
    stretched = np.exp(some * (r + x) * np.log1p((T - t_x) / (alpha + t_x)))
    odds = some * a / (b + (occasions - some)) * stretched
    return 1.0 / (1.0 + odds)


def by_history(
    function: Callable[[float, float, float, FloatArray], FloatArray],
    r: FloatArray,
    a: FloatArray,
    b: FloatArray,
    x: FloatArray,
    scale: FloatArray,
) -> FloatArray:
    """Evaluate function(r + x, a, b + x, scales) for all scales of a distinct (r, a, b, x) at once.

    A history enters the expectations given activity through these numbers alone, and millions of
    customers share few of the latter.
    """
    if not x.size:
        return np.empty(0)
    (r, a, b, x), codes = distinct_rows(r, a, b, x)
    # NumPy sorts small integers in one pass.
    order = np.argsort(codes.astype(np.min_scalar_type(r.size)), kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=r.size))
    values = np.empty(codes.size)
    for i, members in enumerate(np.split(order, ends[:-1])):
        given = partial(function, r[i] + x[i], a[i], b[i] + x[i])
        values[members] = evaluate_smooth(given, scale[members])
    return values
