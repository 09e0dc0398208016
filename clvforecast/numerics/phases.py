"""Arrivals at the end of every kth phase: gaps that are sums of k exponential times.

Phases come at a constant, gamma distributed rate, and every kth ends with an arrival, so that the
time between arrivals has an Erlang law given the rate. With k = 1 every phase is an arrival.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from scipy.special import betainc, betaincinv, betaln, expit, xlogy

from clvforecast.numerics.arrays import FloatArray
from clvforecast.numerics.counting import EventCounts
from clvforecast.numerics.rising import log_rising

__all__ = ["ErlangArrivals", "silences"]

_MOST_STEPS: Final = 200
_LARGEST_LOGARITHM: Final = 700.0
"""Of a time: later is as good as never."""


def silences(shape: FloatArray, share: FloatArray, k: int) -> FloatArray:
    """In how many ways a silence may come about: of j phases each, for every j below k.

    Parameters
    ----------
    shape : ndarray
        Shape of the law of the rate after the last arrival.
    share : ndarray
        Time since then, in units of that law's scale at the end of the silence. Both broadcast.
    k : int

    Returns
    -------
    ndarray, shape (k, ...)
        ``(shape)_j / j! share ** j``. Their sum times ``(1 - share) ** shape`` is the probability
        of no arrival.

    Examples
    --------
    >>> silences(np.array([2.0]), np.array([0.5]), 3)
    array([[1.  ],
           [1.  ],
           [0.75]])
    """
    ways = np.ones((k, *np.broadcast_shapes(shape.shape, share.shape)))
    for j in range(1, k):
        ways[j] = ways[j - 1] * ((shape + (j - 1)) * share / j)
    return ways


@dataclass(frozen=True, eq=False)
class ErlangArrivals:
    """Arrivals ahead, from the end of a silence on, at the end of every kth phase.

    Parameters
    ----------
    k : int
        Phases from one arrival to the next.
    shape : ndarray
        At the last arrival the rate of phases was ``Gamma(shape, ...)``.
    share : ndarray, broadcasting against `shape`
        Time since then, in units of the law's scale now; from 0 to 1. So are all times below.

    Notes
    -----
    Of the k phases to the next arrival j are over with a probability proportional to the `silences`
    of j phases; the rate is then ``Gamma(shape + j, ...)``.
    """

    k: int
    shape: FloatArray
    share: FloatArray

    @cached_property
    def _ways(self) -> FloatArray:
        return silences(self.shape, self.share, self.k)

    @cached_property
    def done(self) -> FloatArray:
        """Probability that j phases are over, shape (k, ...).

        >>> ErlangArrivals(2, np.array([3.0]), np.array([0.5])).done
        array([[0.4],
               [0.6]])
        """
        return np.asarray(self._ways / self._ways.sum(axis=0))

    def counts(self, n: FloatArray, tau: FloatArray) -> EventCounts:
        """Law of the number of arrivals until tau; all broadcast.

        Notes
        -----
        Phases since the last arrival are as many as m with the probability of the negative binomial
        law over both times together, times the probability that fewer than k of m fall into the
        silence. All terms are positive.

        Examples
        --------
        >>> law = ErlangArrivals(2, np.array(1.0), np.array(0.0))
        >>> exactly, at_least = law.counts(np.arange(3.0), np.array(1.0))
        >>> print(exactly, at_least)
        [0.75     0.1875   0.046875] [1.     0.25   0.0625]
        """
        exactly = sum((self._phases(self.k * n + i, tau) for i in range(self.k)), np.zeros(()))
        one_law_a_row = np.broadcast(self.shape, self.share, tau).shape[-1:] in ((), (1,))
        if n.ndim == 1 and n.size > 1 and one_law_a_row and np.all(np.diff(n) == 1):
            beyond = self._at_least(n[-1:] + 1.0, tau)
            at_least = exactly[..., ::-1].cumsum(axis=-1)[..., ::-1] + beyond
        else:
            at_least = self._at_least(n, tau)
        return EventCounts(np.asarray(exactly), np.asarray(at_least))

    def _phases(self, m: FloatArray, tau: FloatArray) -> FloatArray:
        """Probability of m phases since the last arrival."""
        both = self.share + tau
        log_count = log_rising(self.shape, m) - log_rising(1.0, m)
        log_law = log_count + xlogy(m, both / (1.0 + tau)) - self.shape * np.log1p(tau)
        ahead = np.divide(tau, both, out=np.ones(np.shape(both)), where=both > 0)
        few = np.where(m < self.k, 1.0, betainc(np.maximum(m - self.k + 1.0, 1.0), self.k, ahead))
        return np.asarray(np.exp(log_law) * few / self._ways.sum(axis=0))

    def _at_least(self, n: FloatArray, tau: FloatArray) -> FloatArray:
        """Probability of at least n arrivals until tau."""
        share = tau / (1.0 + tau)
        reached = sum(
            done * betainc(np.maximum(self.k * n - j, 1.0), self.shape + j, share)
            for j, done in enumerate(self.done)
        )
        return np.where(n > 0, reached, 1.0)

    def mean_wait(self) -> FloatArray:
        """Expected time to the next arrival; infinite unless the shape is above 1.

        >>> ErlangArrivals(2, np.array([2.0, 1.0]), np.array([0.0, 0.5])).mean_wait()
        array([ 2., inf])
        """
        mean = np.full(self.done.shape[1:], np.inf)
        excess = np.broadcast_to(self.shape - 1.0, mean.shape)
        some = excess > 0
        mean[some] = sum(
            done[some] * (self.k - j) / (excess[some] + j) for j, done in enumerate(self.done)
        )
        return mean

    def wait_quantile(self, q: FloatArray) -> FloatArray:
        """Time within which the next arrival comes with probability q.

        Notes
        -----
        The quantile of a mixture over j lies between those of its parts. By Newton's method in the
        logarithm of the time, halving between the bounds where it would leave them; the smaller of
        the probabilities before and after is the one that is matched.

        Examples
        --------
        >>> law = ErlangArrivals(1, np.array(1.0), np.array(0.3))
        >>> law.wait_quantile(np.array([0.0, 0.5, 1.0]))
        array([ 0.,  1., inf])
        """
        columns = np.broadcast_arrays(q, self.shape, *self.done)
        q, shape, *done = (np.array(column, dtype=float).ravel() for column in columns)
        parts = [_log_wait(self.k - j, shape + j, q) for j in range(self.k)]
        at, high = np.minimum.reduce(parts), np.maximum.reduce(parts)
        open_ = np.flatnonzero(at < high)
        low, high = (
            np.clip(bound, -_LARGEST_LOGARITHM, _LARGEST_LOGARITHM) for bound in (at, high)
        )
        at[open_] = 0.5 * (low + high)[open_]
        for _ in range(_MOST_STEPS):
            if not open_.size:
                break
            some = [weight[open_] for weight in done]
            excess, slope = _excess(at[open_], q[open_], shape[open_], some)
            low[open_] = np.where(excess < 0, at[open_], low[open_])
            high[open_] = np.where(excess >= 0, at[open_], high[open_])
            with np.errstate(divide="ignore", invalid="ignore"):
                better = at[open_] - excess / slope
            inside = (better > low[open_]) & (better < high[open_])
            better = np.where(inside, better, 0.5 * (low[open_] + high[open_]))
            moved = np.abs(better - at[open_])
            at[open_] = better
            open_ = open_[moved > 1e-15 * (1.0 + np.abs(better))]
        at[at > _LARGEST_LOGARITHM - 1.0] = np.inf
        return np.asarray(np.exp(at).reshape(columns[0].shape))

    def draw_first(self, tau: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Draw the time of the first arrival, given that it comes until tau; all of shape (n,)."""
        share = tau / (1.0 + tau)
        within = np.stack([betainc(self.k - j, self.shape + j, share) for j in range(self.k)])
        upto = np.cumsum(within * self.done, axis=0)
        j = (rng.random(tau.shape) * upto[-1] > upto[:-1]).sum(axis=0)
        level = rng.random(tau.shape) * np.take_along_axis(within, j[None], axis=0)[0]
        drawn = betaincinv(self.k - j, self.shape + j, level)
        with np.errstate(divide="ignore"):
            return np.asarray(np.minimum(drawn / (1.0 - drawn), tau))


def _log_wait(missing: int, shape: FloatArray, q: FloatArray) -> FloatArray:
    """Logarithm of the time within which so many phases come with probability q."""
    before, after = betaincinv(missing, shape, q), betaincinv(shape, missing, 1.0 - q)
    early = before < 0.5
    with np.errstate(divide="ignore"):
        return np.where(
            early,
            np.log(before) - np.log1p(-np.where(early, before, 0.0)),
            np.log1p(-np.where(early, 0.0, after)) - np.log(after),
        )


def _excess(
    at: FloatArray, q: FloatArray, shape: FloatArray, done: list[FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """How far beyond the quantile a logarithm of a time is, in logarithms, and the slope of it."""
    k = len(done)
    before, after = expit(at), expit(-at)
    chance, beyond, density = np.zeros(at.size), np.zeros(at.size), np.zeros(at.size)
    for j, weight in enumerate(done):
        late = betainc(shape + j, k - j, after)
        # Where `before` rounds to one it no longer tells the probability.
        chance += weight * np.where(at < 0, betainc(k - j, shape + j, before), 1.0 - late)
        beyond += weight * late
        log_density = (k - j) * np.log(before) + (shape + j) * np.log(after)
        density += weight * np.exp(log_density - betaln(k - j, shape + j))
    early = q < 0.5
    with np.errstate(divide="ignore"):
        excess = np.where(early, np.log(chance / q), np.log((1.0 - q) / beyond))
    return excess, density / np.where(early, chance, beyond)
