"""What a new customer has brought by any time since the first order, under many parameters."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
from scipy import stats
from scipy.interpolate import CubicSpline
from scipy.special import ndtri

from clvforecast.models import PurchaseModel
from clvforecast.numerics.arrays import FloatArray

__all__ = ["Curves", "RepeatOrders", "first_order_draws", "repeat_orders"]

_NODES: Final = 97
_FINEST: Final = 1e-3
"""Of the horizon: what happens sooner after the first order is as if it were at once."""
_BISECTIONS: Final = 50


@dataclass(frozen=True, eq=False)
class Curves:
    """Amounts that grow with the time since the first order, known at nodes.

    Attributes
    ----------
    amounts : ndarray, shape (n, nodes)
        Never decreasing along a row; the first is that at time 0, the last that at the horizon.
    horizon : float
        In time units.
    """

    amounts: FloatArray
    horizon: float

    @staticmethod
    def times(horizon: float) -> FloatArray:
        """The nodes: evenly spread in the logarithm of time, but for its beginning."""
        places = np.linspace(0.0, np.log1p(1 / _FINEST), _NODES)
        times = horizon * _FINEST * np.expm1(places)
        times[-1] = horizon
        return np.asarray(times)

    def __call__(self, t: float | FloatArray) -> FloatArray:
        """Values at times, shape (n,) or (n, times)."""
        return np.asarray(self._spline(np.log1p(np.asarray(t) / (self.horizon * _FINEST))).T)

    def mean(self) -> Curves:
        """The mean of the curves, as one."""
        return Curves(self.amounts.mean(axis=0, keepdims=True), self.horizon)

    def reach(self, amount: float) -> FloatArray:
        """The first time at which each curve is at an amount, shape (n,); inf if it never is."""
        values = self.amounts
        last = np.clip((values < amount).sum(axis=1), 1, _NODES - 1) - 1
        coefficients = self._spline.c[:, last, np.arange(len(values))]
        low = np.zeros(len(values))
        high = np.diff(self._spline.x)[last]
        for _ in range(_BISECTIONS):
            middle = 0.5 * (low + high)
            below = _polynomial(coefficients, middle) < amount
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        time = self.horizon * _FINEST * np.expm1(self._spline.x[last] + high)
        time = np.where(values[:, 0] >= amount, 0.0, np.minimum(time, self.horizon))
        return np.asarray(np.where(values[:, -1] >= amount, time, np.inf))

    @cached_property
    def _spline(self) -> CubicSpline:
        places = np.linspace(0.0, np.log1p(1 / _FINEST), _NODES)
        return CubicSpline(places, self.amounts.T)


class RepeatOrders(NamedTuple):
    """Expected repeat orders of a new customer by the times of `Curves`, shape (draws, nodes)."""

    expected: FloatArray
    discounted: FloatArray
    """Each from when it happens, at one unit of money each."""


def repeat_orders(model: PurchaseModel, horizon: float, rate: float) -> RepeatOrders:
    """Expect the repeat orders of a new customer.

    Parameters
    ----------
    model : PurchaseModel
        With parameters of shape (draws,).
    horizon : float
        In time units, finite.
    rate : float
        Continuous discount rate per time unit.

    Returns
    -------
    RepeatOrders

    Notes
    -----
    With M(t) the expected number by t, which the model knows in closed form, the discounted number
    is ``exp(-rate t) M(t)`` and the integral of ``rate exp(-rate s) M(s)`` over s in (0, t).
    """
    times = Curves.times(horizon)
    columns = {name: np.atleast_1d(v)[:, None] for name, v in model.parameters.items()}
    each = model.with_parameters(**columns)
    expected = each.expected_repeat_purchases(times)
    if rate == 0:
        return RepeatOrders(expected, expected)
    faded = np.exp(-rate * times) * expected
    # In the logarithm of time, as the nodes are.
    flow = CubicSpline(
        np.linspace(0.0, np.log1p(1 / _FINEST), _NODES),
        rate * faded * (times + horizon * _FINEST),
        axis=1,
    )
    return RepeatOrders(expected, faded + flow.antiderivative()(flow.x))


def first_order_draws(
    mean: float,
    deviation: float,
    spends: FloatArray,
    correlation: float,
    rng: np.random.Generator,
) -> FloatArray:
    """Draw the expected value of a first order, together with that of repeat orders.

    Parameters
    ----------
    mean, deviation : float
        Of its posterior, which is taken as log-normal: it is positive.
    spends : ndarray, shape (draws,)
        Expected values of a repeat order.
    correlation : float
        Between the two, on the scale of normal scores: who spends much on the first order does so
        on later ones, and the same customers tell both.
    """
    scores = ndtri((stats.rankdata(spends) - 0.5) / spends.size)
    mixed = correlation * scores + np.sqrt(1 - correlation**2) * rng.standard_normal(spends.size)
    variance = np.log1p((deviation / mean) ** 2) if mean > 0 else 0.0
    return np.asarray(mean * np.exp(np.sqrt(variance) * mixed - variance / 2))


def _polynomial(coefficients: FloatArray, at: FloatArray) -> FloatArray:
    value = coefficients[0]
    for coefficient in coefficients[1:]:
        value = value * at + coefficient
    return np.asarray(value)
