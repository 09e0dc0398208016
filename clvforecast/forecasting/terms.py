"""What a forecast is asked for, checked, and what it says of purchase histories."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from clvforecast.errors import DataError, FitError
from clvforecast.fitting import (
    Fit,
    Stack,
    StackMember,
    common_time_unit,
    only_one,
    spend_model,
    stack_members,
)
from clvforecast.models import PurchaseModel, SpendModel
from clvforecast.numerics.arrays import FloatArray
from clvforecast.numerics.blocks import blockwise
from clvforecast.predictive import Component, mixed_quantiles, predictive_quantiles
from clvforecast.units import Duration, check_margin, discount_rate_per_unit, duration_in_units

if TYPE_CHECKING:
    from collections.abc import Hashable

    import pandas as pd

    from clvforecast.transactions.lazy import LazySummary

__all__ = ["Prospects", "Terms", "require_finite_mean"]


class Prospects(NamedTuple):
    """What a purchase model expects of histories: arrays of shape (n,)."""

    p_alive: FloatArray
    expected: FloatArray
    """Purchases within the horizon."""
    discounted: FloatArray
    """Their present value, at one unit of money each."""


@dataclass(frozen=True)
class Terms:
    """The models and the terms of a forecast, in the unit of the summary."""

    members: tuple[StackMember, ...]
    """The purchase models: one, or those of a stack."""
    spending: SpendModel
    time_unit: str | None
    horizon: float
    annual_discount_rate: float
    margin: float
    level: float | None

    @classmethod
    def checked(
        cls,
        purchases: Fit | PurchaseModel | Stack,
        spend: Fit | SpendModel,
        rfm: pd.DataFrame | LazySummary,
        *,
        horizon: Duration,
        annual_discount_rate: float,
        margin: float,
        level: float | None,
        time_unit: str | None,
    ) -> Terms:
        """Read what `forecast` was given; it says what is raised."""
        unit = common_time_unit(purchases, rfm, time_unit)
        length = duration_in_units(horizon, unit)
        rate = discount_rate_per_unit(annual_discount_rate, unit)
        kept = check_margin(margin)
        if math.isinf(length) and rate == 0:
            raise FitError(
                "An infinite horizon without discounting has no finite value. "
                "Give annual_discount_rate=, such as 0.10, or a finite horizon=."
            )
        models = stack_members(purchases, rfm), spend_model(spend, rfm)
        if level is not None and not 0 < level < 1:
            raise DataError(f"level={level!r} must lie between 0 and 1, such as 0.90.")
        if level is not None and math.isinf(length):
            raise FitError(
                "Intervals over an infinite horizon are not worked out. Give a finite horizon=, "
                "such as '10Y', or leave level= out."
            )
        return cls(*models, unit, length, float(annual_discount_rate), kept, level)

    @property
    def buying(self) -> PurchaseModel:
        """The purchase model.

        Raises
        ------
        DataError
            If there are several.
        """
        return only_one([member.model for member in self.members])

    @property
    def rate(self) -> float:
        """Continuous discount rate per time unit."""
        return discount_rate_per_unit(self.annual_discount_rate, self.time_unit)

    @property
    def tails(self) -> tuple[float, float] | None:
        """The probabilities of the equal-tailed interval, if one is asked for."""
        return None if self.level is None else ((1 - self.level) / 2, (1 + self.level) / 2)

    def attrs(self, until: str | None) -> dict[Hashable | None, Any]:
        """What the forecast says of itself."""
        return {
            "time_unit": self.time_unit,
            "horizon": self.horizon,
            "annual_discount_rate": self.annual_discount_rate,
            "margin": self.margin,
            "until": until,
        }

    def prospects(self, x: FloatArray, t_x: FloatArray, T: FloatArray) -> Prospects:
        """Expect the purchases of checked histories, each distinct state worked out once."""
        found = [self._prospects(member.model, x, t_x, T) for member in self.members]
        if len(found) == 1:
            return found[0]
        weights = [member.weight for member in self.members]
        return Prospects(*(np.tensordot(weights, parts, 1) for parts in zip(*found, strict=True)))

    def _prospects(
        self, buying: PurchaseModel, x: FloatArray, t_x: FloatArray, T: FloatArray
    ) -> Prospects:
        p_alive = buying.p_alive_given(x, t_x, T)
        model, states, codes = buying.distinct(x, t_x, T)
        expected = model.purchases_if_alive(self.horizon, *states)

        def of_customers(if_alive: FloatArray) -> FloatArray:
            return blockwise(lambda alive, code: alive * if_alive[code], p_alive, codes)

        if not self.rate:
            return Prospects(p_alive, both := of_customers(expected), both)
        discounted = model.purchases_if_alive(self.horizon, *states, rate=self.rate)
        return Prospects(p_alive, of_customers(expected), of_customers(discounted))

    def quantiles(
        self,
        x: FloatArray,
        t_x: FloatArray,
        T: FloatArray,
        m: FloatArray,
        p_alive: FloatArray,
        levels: tuple[float, float],
    ) -> tuple[FloatArray, FloatArray]:
        """Quantiles of purchases and of the present value of spend, shape (levels, n) each.

        For customers with these expectations of `prospects`.
        """
        terms: dict[str, Any] = {"horizon": self.horizon, "levels": levels, "rate": self.rate}
        if len(self.members) == 1:
            models = self.members[0].model, self.spending
            return predictive_quantiles(*models, x=x, t_x=t_x, T=T, m=m, p_alive=p_alive, **terms)
        parts = [Component([one.model], [self.spending], one.weight) for one in self.members]
        return mixed_quantiles(parts, x=x, t_x=t_x, T=T, m=m, **terms)


def require_finite_mean(order_value: FloatArray, model: SpendModel, rfm: pd.DataFrame) -> None:
    """Raise `FitError` naming the first customer whose expected spend is infinite."""
    infinite = ~np.isfinite(order_value)
    if infinite.any():
        raise FitError(
            f"{model} has no finite mean spend for {infinite.sum():,} of {len(rfm):,} customers "
            f"(first: {rfm.index[int(infinite.argmax())]!r}): order values are too heavy-tailed. "
            "Look for outliers or mixed currencies among the amounts and fit again."
        )
