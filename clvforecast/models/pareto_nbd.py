"""The Pareto/NBD model of repeat buying (Schmittlein, Morrison and Colombo 1987)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.special import exprel

from clvforecast.models.arguments import (
    FORGOTTEN,
    check_factors,
    check_rate,
    checked_counts,
    checked_horizon,
    checked_probability,
)
from clvforecast.models.base import LogLikelihood
from clvforecast.models.discounting import Discount, DiscountedCounts, one_way
from clvforecast.models.likelihoods.pareto_nbd import CellLikelihood, log_odds_of_death
from clvforecast.models.likelihoods.pareto_nbd_rows import pareto_nbd_rows
from clvforecast.models.likelihoods.row_derivatives import RowDerivatives
from clvforecast.models.purchasing import PurchaseModel
from clvforecast.numerics.arrays import ArrayLike, FloatArray, IntArray, distinct_rows
from clvforecast.numerics.blocks import blocks
from clvforecast.numerics.first_event import FirstEvent
from clvforecast.numerics.quadrature import stretched_rules
from clvforecast.numerics.rising import log_rising
from clvforecast.numerics.stopping import counts_without_stop, means_at_stop, stopped_counts

__all__ = ["ParetoNBD"]

_ROUNDS = 30
"""After so many rejections the rest is drawn by inversion, which takes longer but ends."""


@dataclass(frozen=True)
class ParetoNBD(PurchaseModel):
    """Pareto/NBD: who buys, how often, and who has left, which may happen at any time.

    While active, a customer buys at random times at a rate ``lambda``, and leaves for good at a
    rate ``mu``, whether he buys or not. Across customers ``lambda`` is gamma distributed (shape
    `r`, rate `alpha`), and ``mu`` is gamma distributed (shape `s`, rate `beta`), independently.

    So P(alive) falls with a customer's silence, one-time buyers' too, whatever the number of his
    purchases; in BG/NBD and MBG/NBD only a purchase can be the last thing he does.

    Parameters
    ----------
    r : float or ndarray
        Shape of the purchase rates; small means that customers differ much.
    alpha : float or ndarray
        Rate parameter of the purchase rates, in time units; ``r / alpha`` is the mean number of
        purchases per unit while active.
    s : float or ndarray
        Shape of the rates of leaving; small means that customers differ much.
    beta : float or ndarray
        Rate parameter of the rates of leaving, in time units; ``s / beta`` is their mean.

    References
    ----------
    D. C. Schmittlein, D. G. Morrison and R. Colombo, "Counting Your Customers: Who Are They and
    What Will They Do Next?", Management Science 33 (1987) 1-24.
    P. S. Fader and B. G. S. Hardie, "A Note on Deriving the Pareto/NBD Model and Related
    Expressions" (2005).

    Notes
    -----
    The published closed forms are differences of hypergeometric functions, or have poles at
    ``s = 1``. Here every quantity is an integral over the time of leaving of what is positive.

    Examples
    --------
    A customer with two repeat purchases, the last in week 30.43 of 38.86 (customer 1 of CDNOW):

    >>> model = ParetoNBD(r=0.553, alpha=10.578, s=0.606, beta=11.669)
    >>> model.p_alive([2, 0], [30.43, 0], 38.86).round(4)
    array([0.8692, 0.2953])
    >>> print(model.expected_purchases(39, 2, 30.43, 38.86).round(3))
    1.455
    """

    r: float
    alpha: float
    s: float
    beta: float

    name: ClassVar[str] = "Pareto/NBD"
    scale_parameters: ClassVar[tuple[str, ...]] = ("alpha", "beta")
    covariate_roles: ClassVar[Mapping[str, tuple[str, float]]] = {
        "purchase": ("alpha", -1.0),
        "dropout": ("beta", -1.0),
    }

    def log_likelihood(self, *columns: ArrayLike) -> FloatArray:
        """Log-likelihood of every customer.

        Parameters
        ----------
        *columns : array_like
            Frequency x, recency t_x and T, broadcasting.

        Examples
        --------
        >>> print(ParetoNBD(1.0, 1.0, 1.0, 1.0).log_likelihood(0, 0.0, 1.0).round(6))
        -0.470004
        """
        x, t_x, T = (np.asarray(c, dtype=float) for c in columns)
        return np.asarray(
            log_rising(self.r, x)
            - self.r * np.log1p(T / self.alpha)
            - x * np.log(self.alpha + T)
            - self.s * np.log1p(T / self.beta)
            + np.logaddexp(0.0, self._log_odds(x, t_x, T))
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
            In [0, 1]; exactly 1 on the day of a purchase.

        Examples
        --------
        >>> model = ParetoNBD(r=0.553, alpha=10.578, s=0.606, beta=11.669)
        >>> model.p_alive([2, 0], [30.43, 0], 38.86).round(4)
        array([0.8692, 0.2953])
        """
        return self.p_alive_given(*self.checked_history(x, t_x, T))

    def p_alive_given(self, x: FloatArray, t_x: FloatArray, T: FloatArray) -> FloatArray:
        """Probability of being active, of histories checked before; see `PurchaseModel`."""
        with np.errstate(over="ignore"):
            return np.asarray(1.0 / (1.0 + np.exp(self._log_odds(x, t_x, T))))

    def _log_odds(self, x: FloatArray, t_x: FloatArray, T: FloatArray) -> FloatArray:
        """Logarithm of the odds of having left between t_x and T."""
        columns = np.broadcast_arrays(
            np.add(self.r, x), np.add(self.alpha, t_x), self.s, np.add(self.beta, t_x), T - t_x
        )
        flat = (np.asarray(c, dtype=float).ravel() for c in columns)
        return log_odds_of_death(*flat).reshape(columns[0].shape)

    def purchases_if_alive(
        self, t: ArrayLike, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, *, rate: float = 0.0
    ) -> FloatArray:
        """Expected purchases in (T, T + t] of a customer who is active at T; see `PurchaseModel`.

        Notes
        -----
        Given activity, ``lambda ~ Gamma(r + x, alpha + T)`` and ``mu ~ Gamma(s, beta + T)``, so
        that purchases come at the mean of lambda times ``(1 + u / (beta + T)) ** -s``, the chance
        of being active at T + u. Its integral is ``log(1 + t / (beta + T))`` times
        ``(exp(z) - 1) / z``, z being ``(1 - s)`` times that logarithm: no pole at s = 1. With a
        discount rate it is a quadrature of positive terms.

        Examples
        --------
        >>> model = ParetoNBD(r=0.553, alpha=10.578, s=0.606, beta=11.669)
        >>> model.purchases_if_alive(39, [0, 2], [0, 30.43], 38.86).round(4)
        array([0.3626, 1.6742])
        """
        t = checked_horizon(t, rate=rate)
        x, T = np.asarray(x, dtype=float), np.asarray(T, dtype=float)
        per_unit = (self.r + x) / (self.alpha + T)
        if rate > 0:
            return np.asarray(per_unit * self._discounted_life(float(t), T, rate))
        scale = self.beta + T
        finite = np.where(np.isfinite(t), t, 0.0)
        ahead = np.log1p(finite / scale)
        # At an infinite horizon, the mean of a Lomax (Pareto of the second kind) law.
        excess = np.subtract(self.s, 1.0)
        with np.errstate(divide="ignore"):
            forever = np.where(excess > 0, 1.0 / np.maximum(excess, 0.0), np.inf)
        life = np.where(np.isfinite(t), ahead * exprel(-excess * ahead), forever)
        return np.asarray(per_unit * (scale * life))

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
        With factors f and c, purchases come at the rate ``f lambda`` and customers leave at
        ``c mu``. In the time ``c u`` they leave as before: what is expected without a change within
        ``c t``, discounted at ``rate / c``, times ``f / c``.

        Examples
        --------
        One in ten who would leave stays:

        >>> model = ParetoNBD(r=0.553, alpha=10.578, s=0.606, beta=11.669)
        >>> model.purchases_if_changed(39, [0, 2], [0, 30.43], 38.86, leaving=0.9).round(4)
        array([0.3682, 1.6998])
        """
        check_factors(buying=buying, leaving=leaving)
        check_rate(rate)
        scaled = leaving * checked_horizon(t)
        ahead = self.purchases_if_alive(scaled, x, t_x, T, rate=rate / leaving)
        return np.asarray(ahead * (buying / leaving))

    def _discounted_life(self, t: float, T: FloatArray, rate: float) -> FloatArray:
        """Expected discounted time to leaving, or to t ahead, of customers active at T."""
        horizon = min(t, FORGOTTEN / rate)

        def life(s: FloatArray, beta: FloatArray) -> FloatArray:
            found = np.zeros(s.size)
            end, fastest = np.full(s.size, horizon), np.maximum(s, 1.0) / beta + rate
            for which, u, weights in stretched_rules(end, fastest):
                decay = rate * u + s[which] * np.log1p(u / beta[which])
                found[which] = np.sum(weights * np.exp(-decay), axis=0)
            return found

        return _once_each(life, *np.broadcast_arrays(self.s, self.beta + T))

    def purchase_pmf_if_alive(
        self, n: ArrayLike, t: ArrayLike, x: ArrayLike, t_x: ArrayLike, T: ArrayLike
    ) -> FloatArray:
        """Probability of n purchases in (T, T + t] of a customer active at T; see `PurchaseModel`.

        Notes
        -----
        Those of a customer who stays, for whom the number is negative binomial, and of those who
        leave at every time before T + t, for whom it is so until then.

        Examples
        --------
        >>> model = ParetoNBD(r=0.553, alpha=10.578, s=0.606, beta=11.669)
        >>> model.purchase_pmf_if_alive([0, 1, 2], 39.0, x=2, t_x=30.43, T=38.86).round(4)
        array([0.319 , 0.2523, 0.1746])
        """
        counts, t = checked_counts(n), checked_horizon(t)
        laws = self._laws(t, x, T)
        if counts.size == 1 or counts.shape == laws[0].shape:
            return _once_each(_pmf, *np.broadcast_arrays(counts, *laws))
        return _pmf(counts, *laws)

    def _laws(self, other: ArrayLike, x: ArrayLike, T: ArrayLike) -> tuple[FloatArray, ...]:
        """What is known of lambda and mu given activity at T, beside another column."""
        x, T = np.asarray(x, dtype=float), np.asarray(T, dtype=float)
        laws = np.broadcast_arrays(other, self.r + x, self.alpha + T, self.s, self.beta + T)
        return tuple(np.asarray(law, dtype=float) for law in laws)

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
        Purchases fall anywhere until T + t, or until the customer leaves, whichever is first.
        """
        counts = np.asarray(n, dtype=float)
        if discount.rate == 0 or t == 0:
            rows = self.beside_counts()
            pmf = rows.purchase_pmf_if_alive(counts, t, x, t_x[:, None], T[:, None])
            return one_way(counts, pmf)
        stops = discount.stops(t, dispersion)
        laws = self._laws(t, x, T)
        stayed = counts_without_stop(counts, *(law[:, None] for law in laws))
        each = zip(*(law.tolist() for law in laws), strict=True)
        left = np.stack([means_at_stop(counts, *law, functions=stops.weights) for law in each])
        number = counts[:, None]
        active = discount.until(t, number, 0.0)
        gone = discount.until(stops.times, number, 0.0)
        return DiscountedCounts(
            np.concatenate((stayed[..., None], left), axis=2),
            *(np.concatenate(both, axis=1) for both in zip(active, gone, strict=True)),
        )

    def expected_wait_if_alive(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> FloatArray:
        """Expected time to the next purchase of a customer active at T; see `PurchaseModel`.

        Notes
        -----
        Infinite: whoever may leave before he buys may never buy. `wait_quantile_if_alive` says
        more.

        Examples
        --------
        >>> model = ParetoNBD(r=0.553, alpha=10.578, s=0.606, beta=11.669)
        >>> model.expected_wait_if_alive(2, 30.43, 38.86)
        array(inf)
        """
        shape = np.broadcast_shapes(
            *(np.shape(v) for v in (self.r, self.alpha, self.s, self.beta, x, T))
        )
        return np.full(shape, np.inf)

    def wait_quantile_if_alive(
        self, q: ArrayLike, x: ArrayLike, t_x: ArrayLike, T: ArrayLike
    ) -> FloatArray:
        """Quantile of the time to the next purchase, active at T; see `PurchaseModel`.

        Infinite where a customer leaves first with a probability of ``1 - q`` or more.

        Examples
        --------
        >>> model = ParetoNBD(r=0.553, alpha=10.578, s=0.606, beta=11.669)
        >>> model.wait_quantile_if_alive([0.5, 0.9], 2, 30.43, 38.86).round(2)
        array([17.59,   inf])
        """
        columns = self._laws(checked_probability(q), x, T)
        return _once_each(lambda chance, *laws: FirstEvent(*laws).quantile(chance), *columns)

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
        The wait for the next purchase, were there no leaving, is Lomax distributed; it is drawn
        until a customer has not left before it. After it he is one with a purchase more, seen for
        so much longer: his rates, and when he leaves, are drawn as such.
        """
        columns = (t, self.r + x, self.alpha + T, self.s, self.beta + T)
        t, shape, alpha, s, beta = (np.broadcast_to(c, np.shape(t)) for c in columns)
        p_any = -np.expm1(-shape * np.log1p(t / alpha))
        wait = np.empty(t.shape)
        open_ = np.arange(t.size)
        for _ in range(_ROUNDS):
            if not open_.size:
                break
            level = -np.log1p(-rng.random(open_.size) * p_any[open_]) / shape[open_]
            wait[open_] = np.minimum(alpha[open_] * np.expm1(level), t[open_])
            stays = np.exp(-s[open_] * np.log1p(wait[open_] / beta[open_]))
            open_ = open_[rng.random(open_.size) >= stays]
        if open_.size:
            law = FirstEvent(shape[open_], alpha[open_], s[open_], beta[open_])
            drawn = law.quantile(rng.random(open_.size) * law.probability(t[open_]))
            wait[open_] = np.minimum(drawn, t[open_])

        buying = rng.gamma(shape + 1.0) / (alpha + wait)
        leaving = np.maximum(rng.gamma(s) / (beta + wait), np.finfo(float).tiny)
        with np.errstate(over="ignore"):
            life = np.minimum(rng.exponential(size=t.size) / leaving, t - wait)
        more = rng.poisson(buying * life)
        customer = np.repeat(np.arange(t.size), more + 1)
        # The first purchase stays first; the others fall anywhere after it. One sort of
        # customer + share puts each customer's in order.
        share = rng.random(customer.size)
        share[np.cumsum(more + 1) - (more + 1)] = 0.0
        share = np.sort(customer + share) - customer
        return customer, wait[customer] + share * life[customer]

    @classmethod
    def total_log_likelihood(
        cls, *columns: FloatArray, weights: FloatArray, **settings: Any
    ) -> LogLikelihood:
        """Log-likelihood of weighted cells, with gradient and Hessian in (r, alpha, s, beta)."""
        x, t_x, T = columns
        return CellLikelihood(x, t_x, T, weights)

    def row_derivatives(self, *columns: FloatArray, times: bool = False) -> RowDerivatives:
        """Log-likelihood of every row with its derivatives; see `Model`."""
        parameters = [np.asarray(v, dtype=float) for v in self.parameters.values()]
        return pareto_nbd_rows(parameters, columns)

    @classmethod
    def starting_points(cls) -> Iterable[FloatArray]:
        """Parameters of a few plausible shops, for ages of mean one."""
        return (
            np.array([0.5, 0.4, 0.5, 0.5]),
            np.array([0.2, 0.1, 0.3, 0.2]),
            np.array([2.0, 1.0, 1.0, 3.0]),
            np.array([1.0, 0.2, 3.0, 5.0]),
        )

    def remarks(self, flat: frozenset[str]) -> tuple[str, ...]:
        """Name the limiting model where the estimates run off."""
        said: list[str] = []
        leaving, buying = self.s / self.beta, self.r / self.alpha
        if flat & {"s", "beta"} and leaving < 1e-3 * buying:
            said.append(
                "s / beta tends to 0: nobody is seen to leave in these data, and the model is the "
                "NBD model, in which nobody ever leaves."
            )
        elif {"s", "beta"} <= flat and self.s > 10:
            said.append(
                "s and beta grow together without limit: every customer leaves at the same rate "
                f"{leaving:.3g} per time unit, and only that is identified, not s and beta. "
                "Forecasts are unaffected."
            )
        elif flat & {"s", "beta"}:
            said.append(
                f"s = {self.s:.3g} and beta = {self.beta:.3g} are not identified: repeat purchases "
                "are too few, or silences too short, to tell how readily customers leave. Observe "
                "longer, or fit with ridge=."
            )
        if {"r", "alpha"} <= flat and self.r > 10:
            said.append(
                "r and alpha grow together without limit: all customers buy at the same rate "
                f"{buying:.3g} per time unit; only r / alpha is identified."
            )
        elif flat & {"r", "alpha"}:
            said.append(
                f"r = {self.r:.3g} and alpha = {self.alpha:.3g} are not identified: there are too "
                "few repeat purchases. Observe longer, or fit with ridge=."
            )
        return tuple(said)


def _once_each(function: Callable[..., FloatArray], *columns: FloatArray) -> FloatArray:
    """Values of an elementwise function of flat columns: customers share few histories."""
    flat = [np.asarray(column, dtype=float).ravel() for column in columns]
    if not flat[0].size:
        return np.empty(columns[0].shape)
    levels, codes = distinct_rows(*flat)
    values = np.concatenate([function(*part) for part in blocks(*levels)])
    return np.asarray(values[codes].reshape(columns[0].shape))


def _pmf(n: FloatArray, *laws: FloatArray) -> FloatArray:
    going, stopped = stopped_counts(n, *laws)
    return going + stopped
