"""What discounting leaves of purchases that come at the end of every kth phase."""

from __future__ import annotations

import numpy as np
from scipy.special import betainc, xlogy

from clvforecast.models.discounting import (
    Discount,
    DiscountedCounts,
    of_nth_purchase,
)
from clvforecast.numerics.arrays import FloatArray
from clvforecast.numerics.every_kth import DiscountedEvents, DiscountedSums
from clvforecast.numerics.phases import ErlangArrivals
from clvforecast.numerics.rising import log_rising

__all__ = ["erlang_discounted_counts"]


def erlang_discounted_counts(
    counts: FloatArray,
    state: ErlangArrivals,
    scale: FloatArray,
    stay: FloatArray,
    leave: FloatArray,
    horizon: float,
    discount: Discount,
    dispersion: float,
) -> DiscountedCounts:
    """Numbers of purchases ahead and what they are worth; see `PurchaseModel`.

    Parameters
    ----------
    counts : ndarray, shape (counts,)
    state : ErlangArrivals
        Of active customers, shape (histories,).
    scale : ndarray, shape (histories,)
    stay, leave : ndarray, shape (counts,) or (histories, counts)
        Probability of being active after so many purchases, and of leaving at the last of them.
    horizon : float
    discount : Discount
        At a constant rate.
    dispersion : float

    Notes
    -----
    Of a customer who stays active the phases ahead fall anywhere in (0, horizon), and of one who
    leaves at the nth purchase, anywhere before it, which comes when the phase that ends with it
    would. Phases that are over before, and those that follow the last purchase, shift purchases by
    less than one interval: what they are worth is interpolated between the least and the most.
    """
    k, most = state.k, int(counts.max(initial=0.0))
    n, some = counts.astype(np.int64), np.maximum(counts, 1.0)
    tau = (horizon / scale)[:, None]
    share = tau / (1.0 + tau)
    shape = np.broadcast_to(state.shape, scale.shape)
    stops = discount.stops(horizon, dispersion)
    ends = _ends(k)

    active = np.zeros((scale.size, counts.size, ends.shape[1] ** 2))
    gone = np.zeros((scale.size, counts.size, ends.shape[1], stops.times.size))
    for j, done in enumerate(np.broadcast_to(state.done, (k, scale.size))):
        law = shape + j
        column, weight = law[:, None], done[:, None]
        for i in range(k):
            events = k * counts - j + i
            log_law = log_rising(column, np.maximum(events, 0.0))
            log_law = log_law - log_rising(1.0, np.maximum(events, 0.0))
            log_law += xlogy(np.maximum(events, 0.0), share) - column * np.log1p(tau)
            exactly = np.where(events >= 0, np.exp(log_law), 0.0) * weight * stay
            active += exactly[..., None] * np.outer(ends[j], ends[i]).ravel()
        reached = betainc(k * some - j, column, share) * weight * leave
        when = of_nth_purchase(stops, k * some - j, law, scale) * reached[..., None]
        gone += when[:, :, None, :] * ends[j][:, None]

    discounted = DiscountedEvents(
        discount.rate * np.append(horizon, stops.times), k, k * (most + 1)
    )
    phases = (0, k - 1)[: ends.shape[1]]
    ways = [
        _part(discounted.sums(n, k - before, after), slice(0, 1))
        for before in phases
        for after in phases
    ]
    last = np.minimum(n, 1)[:, None]
    fall = np.exp(-discount.rate * stops.times)
    for before in phases:
        mean, variance, squares = _part(
            discounted.sums(np.maximum(n - 1, 0), k - before, k - 1), slice(1, None)
        )
        ways.append(DiscountedSums(mean + last * fall, variance, squares + last * fall**2))
    return DiscountedCounts(
        np.concatenate((active, gone.reshape(scale.size, counts.size, -1)), axis=2),
        *(np.concatenate(moments, axis=1) for moments in zip(*ways, strict=True)),
    )


def _ends(k: int) -> FloatArray:
    """Weights of the least and the most phases in an interpolation between them, shape (k, 2)."""
    if k == 1:
        return np.ones((1, 1))
    place = np.arange(k) / (k - 1.0)
    return np.stack([1.0 - place, place], axis=1)


def _part(sums: DiscountedSums, falls: slice) -> DiscountedSums:
    return DiscountedSums(*(moment[:, falls] for moment in sums))
