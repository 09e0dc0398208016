"""What discounting leaves of the purchases ahead: numbers of them, and when they stop.

Given their number and when a customer's purchases stop, those before are spread evenly over the
time till then, whatever his rate: so it is for every model in which an active customer buys at a
constant rate. How late purchases come thus depends on the time of stopping alone, and a mixture
over a few such times, the same for all histories, holds all there is to know.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.polynomial import chebyshev
from scipy.special import exprel, xlogy

from clvforecast.models.arguments import check_rate
from clvforecast.numerics.arrays import ArrayLike, FloatArray
from clvforecast.numerics.quadrature import gauss_legendre

__all__ = [
    "ConstantRate",
    "Discount",
    "DiscountedCounts",
    "Present",
    "StopTimes",
    "of_nth_purchase",
    "one_way",
    "stop_times",
]

_AT_ONCE: Final = 2**21
_MOST_STOPS: Final = 60
_DETAIL: Final = 1.6


class DiscountedCounts(NamedTuple):
    """Numbers of purchases ahead, and the law of what discounting leaves of each.

    A number of purchases comes about in several ways, which differ in how late they come. The
    *present value* is the sum of the discount factors of the purchases.

    Attributes
    ----------
    probability : ndarray, shape (histories, counts, ways)
        Of a number and a way together: summed over ways it is the probability of the number. A
        way may weigh less than nothing, as the nodes of an interpolation do.
    mean, variance : ndarray, shape (counts, ways)
        Of the present value, given number and way.
    squares : ndarray, shape (counts, ways)
        Mean of the sum of squared discount factors.
    """

    probability: FloatArray
    mean: FloatArray
    variance: FloatArray
    squares: FloatArray


class StopTimes(NamedTuple):
    """Times at which purchases may stop, as nodes of an interpolation in the time of stopping."""

    times: FloatArray
    """Shape (ways,), in time units from now."""
    horizon: float

    def weights(self, at: FloatArray) -> FloatArray:
        """How much each node counts for the value at other times: shape (..., ways).

        >>> stops = stop_times(10.0, fall=0.1, dispersion=0.2)
        >>> bool(np.allclose(stops.weights(np.array([3.0, 7.0])) @ stops.times, [3.0, 7.0]))
        True
        """
        degree = self.times.size - 1
        scale = np.append(1.0, np.full(degree, 2.0)) / self.times.size
        nodes = chebyshev.chebvander(2 * self.times / self.horizon - 1, degree)
        return np.asarray(chebyshev.chebvander(2 * at / self.horizon - 1, degree) * scale @ nodes.T)


class Present(NamedTuple):
    """Moments of the present value of purchases until a known time.

    Attributes
    ----------
    mean, variance, squares : ndarray
        As in `DiscountedCounts`.
    """

    mean: FloatArray
    variance: FloatArray
    squares: FloatArray


class Discount(Protocol):
    """What discounting does to purchases that are spread evenly over the time until they stop."""

    @property
    def rate(self) -> float:
        """Continuous discount rate per time unit; 0 for none."""

    def stops(self, horizon: float, dispersion: float) -> StopTimes:
        """Enough times of stopping within a horizon for the law of discounted order values.

        Parameters
        ----------
        horizon : float
            Length of the period ahead.
        dispersion : float
            Variance of order values over their squared mean.
        """

    def until(self, stop: ArrayLike, anywhere: ArrayLike, at_stop: ArrayLike) -> Present:
        """Moments of the present value of purchases until a known time.

        Parameters
        ----------
        stop : array_like
            When the purchases stop.
        anywhere : array_like
            Number of purchases at independent times, uniform on (0, stop).
        at_stop : array_like
            Number of purchases at `stop` itself. All three broadcast.
        """


@dataclass(frozen=True)
class ConstantRate:
    """Discounting at a constant rate: a purchase u ahead counts ``exp(-rate u)``.

    Parameters
    ----------
    rate : float
        Continuous, per time unit.

    Raises
    ------
    DataError
        If it is negative or not finite.

    Examples
    --------
    >>> mean, variance, squares = ConstantRate(0.0).until(10.0, 2, 1)
    >>> print(mean, variance, squares)
    3.0 0.0 3.0
    """

    rate: float

    def __post_init__(self) -> None:
        check_rate(self.rate)

    def stops(self, horizon: float, dispersion: float) -> StopTimes:
        """Times of stopping; see `Discount`."""
        return stop_times(horizon, self.rate * horizon, dispersion)

    def until(self, stop: ArrayLike, anywhere: ArrayLike, at_stop: ArrayLike) -> Present:
        """Moments of present values; see `Discount`."""
        fall = self.rate * np.asarray(stop, dtype=float)
        first, second = exprel(-fall), exprel(-2.0 * fall)
        anywhere, at_stop = np.asarray(anywhere, dtype=float), np.asarray(at_stop, dtype=float)
        return Present(
            np.asarray(anywhere * first + at_stop * np.exp(-fall)),
            np.asarray(anywhere * np.maximum(second - first**2, 0.0)),
            np.asarray(anywhere * second + at_stop * np.exp(-2.0 * fall)),
        )


def stop_times(horizon: float, fall: float, dispersion: float) -> StopTimes:
    """Enough Chebyshev nodes in (0, horizon) for the law of discounted order values.

    That law moves by `fall` in the logarithm, at most, from one end to the other. The narrower it
    is, the less order values vary, the more nodes it takes to follow.

    Parameters
    ----------
    horizon : float
        Length of the period ahead.
    fall : float
        Logarithm of what a purchase at once is worth over one at the end.
    dispersion : float
        Variance of order values over their squared mean.
    """
    detail = max(4.0, _DETAIL / math.sqrt(dispersion))
    count = min(math.ceil(2.5 + detail * fall), _MOST_STOPS)
    return StopTimes(0.5 * horizon * (1.0 + chebyshev.chebpts1(count)), horizon)


def one_way(counts: FloatArray, pmf: FloatArray) -> DiscountedCounts:
    """Without discounting a purchase counts one, whenever it comes."""
    number = counts[:, None]
    return DiscountedCounts(pmf[..., None], number, np.zeros_like(number), number)


def of_nth_purchase(
    stops: StopTimes, counts: FloatArray, shape: FloatArray | float, scale: FloatArray
) -> FloatArray:
    """Law of the time of the nth purchase, given that it comes within the horizon.

    Parameters
    ----------
    stops : StopTimes
    counts : ndarray, shape (counts,)
        The n, 1 or more.
    shape : float or ndarray, shape (histories,)
    scale : ndarray, shape (histories,)
        Purchases come at a constant rate that is gamma distributed with this shape and this rate
        parameter, in time units.

    Returns
    -------
    ndarray, shape (histories, counts, ways)
        Weights of the nodes, which sum to one: those for which expectations of polynomials in the
        time are exact.

    Notes
    -----
    In ``y = log(1 + u / scale)`` the density of the time u is proportional to
    ``(1 - exp(-y)) ** (n - 1) * exp(-shape y)``: no singularity, whatever the parameters, so that
    Gauss-Legendre quadrature converges fast.
    """
    width = np.log1p(stops.horizon / scale)
    shape = np.broadcast_to(shape, scale.shape)[:, None]
    needed = max(3.0 * np.sqrt(np.max(shape[:, 0] * width)), 1.4 * np.sqrt(counts.max()))
    nodes, node_weights = gauss_legendre(12 + int(needed))
    found = np.empty((scale.size, counts.size, stops.times.size))
    mode = np.minimum(np.log1p((counts - 1.0) / shape), width[:, None])
    highest = xlogy(counts - 1.0, -np.expm1(-mode)) - shape * mode
    step = max(1, _AT_ONCE // (counts.size * nodes.size))
    for first in range(0, scale.size, step):
        rows = slice(first, first + step)
        y = 0.5 * width[rows, None] * (nodes + 1.0)
        log_share = np.log(-np.expm1(-y))
        log_density = (counts[:, None] - 1.0) * log_share[:, None]
        log_density -= (shape[rows] * y)[:, None] + highest[rows, :, None]
        at = stops.weights(scale[rows, None] * np.expm1(y)) * node_weights[:, None]
        weights = np.exp(log_density, out=log_density) @ at
        found[rows] = weights / weights.sum(axis=2, keepdims=True)
    return found
