"""BG/NBD and MBG/NBD with a calendar: the same model in warped time.

Under both models dropout can only follow a purchase. So a purchase rate ``lambda * s(day)``, with a
multiplier s that all customers share, is the same model once every span of time is replaced by the
integral of s over it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, NoReturn, Self

import numpy as np

from clvforecast.calendars import Clock, wait_rules
from clvforecast.errors import DataError, FitError
from clvforecast.models.arguments import (
    FORGOTTEN,
    check_factors,
    checked_horizon,
)
from clvforecast.models.base import LogLikelihood
from clvforecast.models.beta_geometric import BetaGeometricModel, by_history
from clvforecast.models.bgnbd import BGNBD
from clvforecast.models.discounting import Discount, DiscountedCounts
from clvforecast.models.mbgnbd import MBGNBD
from clvforecast.models.purchasing import PurchaseModel
from clvforecast.models.warped.discount import SHIFTS, WarpedDiscount, present_value
from clvforecast.numerics.arrays import ArrayLike, FloatArray, IntArray, distinct

__all__ = ["Warped"]

_OFFSET: Final = "offset"
_AT_ONCE: Final = 2**12


@dataclass(frozen=True)
class Warped(PurchaseModel):
    """BG/NBD or MBG/NBD whose customers all buy more on some days than on others.

    While active, a customer buys at the rate ``lambda * s(day)``. All times are as they are: from
    what day to what day they run, and so how much they count, the clock knows.

    Parameters
    ----------
    base : BGNBD or MBGNBD
        The model in warped time. In the parameters a unit of time is one of an ordinary day.
    clock : Clock
        The multipliers, and the day on which observation ends.

    Raises
    ------
    DataError
        If `base` is another model.

    Examples
    --------
    >>> import datetime as dt
    >>> from clvforecast.calendars import Basis, Calendar
    >>> basis = Basis(Calendar(months=True), dt.date(2022, 1, 1), dt.date(2023, 12, 31))
    >>> others = np.full(11, -0.05)  # so that December's is 1.7
    >>> clock = Clock(basis, others, dt.date(2023, 9, 30), unit_days=7.0)
    >>> model = Warped(BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426), clock)
    >>> by = model.expected_purchases([31 / 7, 61 / 7, 92 / 7, 123 / 7], 2, 30.43, 38.86)
    >>> np.diff(by, prepend=0.0).round(3)  # October to January
    array([0.162, 0.15 , 0.263, 0.138])
    """

    base: BetaGeometricModel
    clock: Clock

    name: ClassVar[str] = "A model with a calendar"
    scale_parameters: ClassVar[tuple[str, ...]] = ("alpha",)
    smooth_in_age: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not isinstance(self.base, BGNBD | MBGNBD):
            raise DataError(
                f"A calendar goes with BG/NBD and MBG/NBD, not {type(self.base).__name__}: in "
                "warped time they are the same models, as no other is. Choose one of them."
            )
        object.__setattr__(self, "name", f"{self.base.name} with a calendar")

    def parameter_names(self) -> tuple[str, ...]:  # type: ignore[override]
        """Names of the parameters: of the base, then of the rate ratios.

        They differ from calendar to calendar, so the class has none.
        """
        return (*self.base.parameter_names(), *self.clock.basis.names)

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters by name; of the calendar, the rate ratios ``exp(coefficient)``."""
        ratios = np.exp(self.clock.coefficients).tolist()
        return self.base.parameters | dict(zip(self.clock.basis.names, ratios, strict=True))

    @property
    def kind(self) -> type[PurchaseModel]:
        """The model that was fitted."""
        return type(self.base)

    @property
    def per_customer(self) -> dict[str, FloatArray]:
        """What differs from customer to customer: parameters, and moments to count from."""
        offset = self.clock.offset
        own = {_OFFSET: np.asarray(offset)} if np.ndim(offset) else {}
        return self.base.per_customer | own

    def with_parameters(self, **values: Any) -> Self:
        """The same model with other parameters, rate ratios among them, or another `offset`."""
        clock = self.clock
        if _OFFSET in values:
            clock = clock.counted_from(values.pop(_OFFSET))
        ratios = {name: values.pop(name) for name in clock.basis.names if name in values}
        if ratios:
            known = dict(zip(clock.basis.names, clock.coefficients, strict=True))
            known |= _logarithms(ratios)
            clock = replace(clock, coefficients=tuple(known.values()))
        return replace(self, base=self.base.with_parameters(**values), clock=clock)

    def rescaled(self, factor: float) -> Self:
        """The same model when its scaled columns are multiplied by `factor`."""
        return replace(self, base=self.base.rescaled(factor), clock=self.clock.rescaled(factor))

    def later(self, by: FloatArray | float) -> Self:
        """The model of customers whose histories end so long after the end of observation."""
        return replace(self, clock=self.clock.later(by))

    def _warped(self, t_x: ArrayLike, T: ArrayLike) -> tuple[FloatArray, FloatArray]:
        return self.clock.history(t_x, T)

    def log_likelihood(self, *columns: ArrayLike) -> FloatArray:
        """Log-likelihood of every customer, in warped time.

        It is the density of when purchases happened in warped time. In time as it is, the sum of
        log s over the days of all repeat purchases would add to it, but a summary does not have
        them.

        Parameters
        ----------
        *columns : array_like
            Frequency x, recency t_x and T, broadcasting.
        """
        x, t_x, T = columns
        return self.base.log_likelihood(x, *self._warped(t_x, T))

    def p_alive(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> FloatArray:
        """Probability that a customer is still active at T; see `PurchaseModel`."""
        return self.p_alive_given(*self.checked_history(x, t_x, T))

    def p_alive_given(self, x: FloatArray, t_x: FloatArray, T: FloatArray) -> FloatArray:
        """Probability of being active, of histories checked before; see `PurchaseModel`."""
        return self.base.p_alive_given(x, *self._warped(t_x, T))

    def purchases_if_alive(
        self, t: ArrayLike, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, *, rate: float = 0.0
    ) -> FloatArray:
        """Expected purchases in (T, T + t] of a customer who is active at T; see `PurchaseModel`.

        Notes
        -----
        What the base expects within the warped time ahead. With a discount rate it is a quadrature
        over warped time which is exact for the jumps of s from day to day.
        """
        t = checked_horizon(t, rate=rate)
        if rate > 0:
            return self._discounted(t, x, T, rate, pace=1.0)
        return self.base.purchases_if_alive(self.clock.ahead(t), x, *self._warped(t_x, T))

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
        As of the base; what customers expect of the time ahead passes at another pace.
        """
        check_factors(buying=buying, leaving=leaving)
        t = checked_horizon(t, rate=rate)
        if rate > 0:
            return np.asarray(self._discounted(t, x, T, rate, pace=buying * leaving) / leaving)
        ahead, history = self.clock.ahead(t), self._warped(t_x, T)
        return self.base.purchases_if_changed(ahead, x, *history, buying=buying, leaving=leaving)

    def _discounted(
        self, t: FloatArray, x: ArrayLike, T: ArrayLike, rate: float, *, pace: float
    ) -> FloatArray:
        """Discounted expected purchases of active customers, all of whose time has a pace."""
        horizon = min(float(t), FORGOTTEN / rate)
        base, offset = self.base, self.clock.offset
        columns = np.broadcast_arrays(
            base.r, base.alpha, base.a, base.b_if_active, x, self.clock.since(T), offset
        )
        r, alpha, a, b, x, age, offset = (np.asarray(c, dtype=float).ravel() for c in columns)
        found = np.zeros(r.shape)
        moments, which = distinct(offset)
        for k, moment in enumerate(moments if horizon > 0 else ()):
            some = which == k
            clock = self.clock.counted_from(float(moment))
            of_history = present_value(clock, horizon, rate, pace)
            found[some] = by_history(of_history, *(v[some] for v in (r, a, b, x, alpha + age)))
        return found.reshape(columns[0].shape)

    def purchase_pmf_if_alive(
        self, n: ArrayLike, t: ArrayLike, x: ArrayLike, t_x: ArrayLike, T: ArrayLike
    ) -> FloatArray:
        """Probability of n purchases of a customer who is active at T; see `PurchaseModel`."""
        ahead = self.clock.ahead(checked_horizon(t))
        return self.base.purchase_pmf_if_alive(n, ahead, x, *self._warped(t_x, T))

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

        Only of customers who are observed until the same day.

        Notes
        -----
        Purchases are spread evenly over warped time, until a stop that is a time in it.
        """
        if np.ndim(self.clock.offset):
            raise DataError("Discounted counts are of customers who are observed until one day.")
        warped = float(self.clock.ahead(checked_horizon(t)))
        return self.base.discounted_counts_if_alive(
            n,
            warped,
            x,
            *self._warped(t_x, T),
            discount=WarpedDiscount(self.clock, discount.rate),
            dispersion=dispersion,
        )

    def expected_wait_if_alive(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> FloatArray:
        """Expected time to the next purchase of a customer active at T; see `PurchaseModel`.

        Notes
        -----
        The wait in warped time, at the average pace of the calendar, and what its seasons add.
        """
        base, offset = self.base, self.clock.offset
        t_x, T = self._warped(t_x, T)
        wait = base.expected_wait_if_alive(x, t_x, T)
        columns = np.broadcast_arrays(
            base.r + np.asarray(x, dtype=float), base.alpha + T, offset, wait
        )
        shape, scale, offset, wait = (np.asarray(c, dtype=float).ravel() for c in columns)
        found = np.full(wait.shape, np.inf)
        finite = np.flatnonzero(np.isfinite(wait))
        if finite.size:
            average = self.clock.pace.average
            added = self._added_wait(shape[finite], scale[finite], offset[finite])
            found[finite] = wait[finite] / average + added
        return found.reshape(columns[0].shape)

    def _added_wait(self, shape: FloatArray, scale: FloatArray, offset: FloatArray) -> FloatArray:
        """What the calendar adds to waits which are Lomax distributed in warped time."""
        added = np.empty(shape.shape)
        log_shift = np.floor(np.log(scale / (shape + 1.0)) / math.log(SHIFTS))
        for moment in distinct(offset)[0]:
            rule = wait_rules(self.clock.counted_from(float(moment)))
            for power in distinct(log_shift[offset == moment])[0]:
                some = np.flatnonzero((offset == moment) & (log_shift == power))
                nodes, weights = rule(SHIFTS ** float(power))
                for first in range(0, some.size, _AT_ONCE):
                    rows = some[first : first + _AT_ONCE]
                    waiting = -shape[rows, None] * np.log1p(nodes / scale[rows, None])
                    added[rows] = np.exp(waiting) @ weights
        return added

    def wait_quantile_if_alive(
        self, q: ArrayLike, x: ArrayLike, t_x: ArrayLike, T: ArrayLike
    ) -> FloatArray:
        """Quantile of the time to the next purchase, active at T; see `PurchaseModel`."""
        warped = self.base.wait_quantile_if_alive(q, x, *self._warped(t_x, T))
        return self.clock.ahead_inverse(warped)

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
        Drawn in warped time, and mapped back.
        """
        ahead, history = self.clock.ahead(t), self._warped(t_x, T)
        customer, warped = self.base.draw_purchases_if_any(ahead, x, *history, rng)
        clock = self.clock
        if np.ndim(clock.offset):
            clock = clock.counted_from(np.broadcast_to(clock.offset, t.shape)[customer])
        return customer, np.clip(clock.ahead_inverse(warped), 0.0, t[customer])

    @classmethod
    def total_log_likelihood(
        cls, *columns: FloatArray, weights: FloatArray, **settings: Any
    ) -> LogLikelihood:
        """Nothing: multipliers need the days of all purchases; see `BGNBD.fit`."""
        _needs_orders()

    @classmethod
    def starting_points(cls) -> Iterable[FloatArray]:
        """Nothing; see `total_log_likelihood`."""
        _needs_orders()

    def remarks(self, flat: frozenset[str]) -> tuple[str, ...]:
        """Remarks on the base, on multipliers that are not identified, and on the calendar."""
        said = self.base.remarks(flat)
        lost = [name for name in self.clock.basis.names if name in flat]
        if lost:
            said += (
                f"The data do not identify the multipliers of {', '.join(lost)}. Fit with ridge=, "
                "or leave them out of the calendar.",
            )
        return said + self.clock.basis.remarks


def _logarithms(ratios: Mapping[str, Any]) -> dict[str, float]:
    """Coefficients of a calendar; raise `DataError` unless all ratios are positive and finite."""
    for name, ratio in ratios.items():
        if not 0 < ratio < math.inf:
            raise DataError(f"{name}={ratio!r} must be positive and finite: a ratio of rates.")
    return {name: math.log(ratio) for name, ratio in ratios.items()}


def _needs_orders() -> NoReturn:
    raise FitError(
        "A model with a calendar is fitted to a log of orders: BGNBD.fit(rfm, orders=orders, "
        "calendar='month')."
    )
