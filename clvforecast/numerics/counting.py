"""The law of a number of events whose rate is gamma distributed: the negative binomial law."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import betainc, xlogy

from clvforecast.numerics.arrays import ArrayLike, FloatArray
from clvforecast.numerics.rising import log_rising

__all__ = ["EventCounts", "event_counts"]


class EventCounts(NamedTuple):
    """Probabilities of exactly n events, and of at least n."""

    exactly: FloatArray
    at_least: FloatArray


def event_counts(n: ArrayLike, shape: ArrayLike, tau: ArrayLike) -> EventCounts:
    """Law of the number of events at a constant, gamma distributed rate.

    Parameters
    ----------
    n : array_like of whole numbers
        Numbers of events.
    shape : array_like
        Shape of the law of the rate.
    tau : array_like
        Length of time, in units of that law's own scale: times the rate's mean over `shape`. All
        three broadcast.

    Notes
    -----
    Of consecutive numbers, the probabilities of at least so many are sums of positive terms, which
    cost a fraction of incomplete beta functions and lose no digits.

    Examples
    --------
    >>> exactly, at_least = event_counts([0, 1, 2], 1.0, 1.0)
    >>> print(exactly, at_least)
    [0.5   0.25  0.125] [1.   0.5  0.25]
    """
    n, shape, tau = (np.asarray(value, dtype=float) for value in (n, shape, tau))
    share = tau / (1.0 + tau)
    log_count = log_rising(shape, n) - log_rising(1.0, n)
    exactly = np.exp(log_count - shape * np.log1p(tau) + xlogy(n, share))
    one_law_a_row = np.broadcast(shape, share).shape[-1:] in ((), (1,))
    if n.ndim == 1 and n.size > 1 and one_law_a_row and np.all(np.diff(n) == 1):
        beyond = betainc(n[-1] + 1.0, shape, share)
        at_least = exactly[..., ::-1].cumsum(axis=-1)[..., ::-1] + beyond
    else:
        at_least = np.where(n > 0, betainc(np.maximum(n, 1.0), shape, share), 1.0)
    return EventCounts(np.asarray(exactly), np.asarray(at_least))
