"""What `monitor` is asked for, checked."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from clvforecast.decisions.monitoring.dates import check_watched_period, following
from clvforecast.decisions.segmentation.rules import COHORTS, ValueRules
from clvforecast.errors import DataError, suggest
from clvforecast.fitting import Fit, Specification
from clvforecast.metrics.checks import checked_count, checked_level
from clvforecast.models import PurchaseModel, SpendModel
from clvforecast.periods import last_day_ahead
from clvforecast.units import (
    Duration,
    TimeUnit,
    check_margin,
    check_time_unit,
    discount_rate_per_unit,
    duration_in_units,
)

if TYPE_CHECKING:
    from clvforecast.transactions import Transactions

__all__ = ["Purchases", "Spend", "WatchPlan"]

Purchases = type[PurchaseModel] | Specification | Fit | PurchaseModel
Spend = type[SpendModel] | Specification | Fit | SpendModel

_RULES: Final = ("value", "rfm", *COHORTS)


@dataclass(frozen=True)
class WatchPlan:
    """What is the same at every date; named as the arguments of `monitor`."""

    purchases: Purchases
    spend: Spend
    horizon: Duration
    period: str
    time_unit: TimeUnit
    annual_discount_rate: float
    margin: float
    level: float
    by: str | None
    rules: ValueRules | None
    false_alarms: float
    tolerance: float
    simulations: int
    seed: int

    @classmethod
    def checked(
        cls,
        orders: Transactions,
        purchases: Purchases,
        spend: Spend,
        *,
        horizon: Duration,
        period: str,
        time_unit: str | None,
        annual_discount_rate: float,
        margin: float,
        level: float,
        by: str | None,
        rules: ValueRules | None,
        false_alarms: float,
        tolerance: float,
        simulations: int,
        seed: int,
    ) -> WatchPlan:
        """Read what `monitor` was given; it says what is raised."""
        _check_models(purchases, spend)
        unit = check_time_unit(_unit(purchases, time_unit))
        if math.isinf(duration_in_units(horizon, unit)):
            raise DataError(
                f"horizon={horizon!r} never ends, so no forecast could be held against what came. "
                "Give a finite one, such as '1Y'."
            )
        discount_rate_per_unit(annual_discount_rate, unit)
        _check_by(by, orders)
        if rules is not None and not isinstance(rules, ValueRules):
            raise DataError(f"rules must be clv.ValueRules(...), not {type(rules).__name__}.")
        if not 0 < false_alarms < 1:
            raise DataError(
                f"false_alarms={false_alarms!r} must be a probability within a year, such as 0.05."
            )
        if not 0 <= tolerance < math.inf:
            raise DataError(
                f"tolerance={tolerance!r} must be a share of what was expected, 0 or more, such "
                "as 0.05."
            )
        fewest = math.ceil(2 / (1 - checked_level(level)) - 1e-9) - 1
        if checked_count(simulations, "simulations", 100) < fewest:
            raise DataError(
                f"level={level!r} needs {fewest:,} simulations at least; there are "
                f"{simulations:,}. Pass simulations=."
            )
        return cls(
            purchases=purchases,
            spend=spend,
            horizon=horizon,
            period=check_watched_period(period),
            time_unit=unit,
            annual_discount_rate=float(annual_discount_rate),
            margin=check_margin(margin),
            level=float(level),
            by=by,
            rules=rules,
            false_alarms=float(false_alarms),
            tolerance=float(tolerance),
            simulations=int(simulations),
            seed=checked_count(seed, "seed", 0),
        )

    @property
    def refits(self) -> bool:
        """Whether models are fitted anew at every date."""
        return isinstance(self.purchases, type | Specification)

    @property
    def knows_days(self) -> bool:
        """Whether the purchase model has a calendar."""
        given = self.purchases
        given = given.specification if isinstance(given, Fit) else given
        return isinstance(given, Specification) and given.calendar is not None

    def ends_after(self, day: dt.date) -> dict[str, dt.date]:
        """The last days of what is forecast on a day: of the next period and of the horizon.

        Raises
        ------
        DataError
            If the horizon ends before the period does.
        """
        period = following(day, self.period)
        horizon = last_day_ahead(day, self.horizon, self.time_unit)
        if horizon < period:
            raise DataError(
                f"horizon={self.horizon!r} after {day} ends on {horizon}, before the next period "
                f"does ({period}). Look further ahead, such as horizon='1Y'."
            )
        return {"period": period, "horizon": horizon}


def _check_models(purchases: Any, spend: Any) -> None:
    for given, kind, name, example in (
        (purchases, PurchaseModel, "purchases", "BGNBD"),
        (spend, SpendModel, "spend", "GammaGamma"),
    ):
        model = given.model if isinstance(given, Fit | Specification) else given
        if not (isinstance(model, kind) or (isinstance(model, type) and issubclass(model, kind))):
            called = model.__name__ if isinstance(model, type) else type(model).__name__
            raise DataError(
                f"{name} must be a model's class such as clv.{example}, to fit it at every date, "
                f"or a fit of one to hold, not {called}."
            )
    to_fit = [isinstance(given, type | Specification) for given in (purchases, spend)]
    if to_fit[0] is not to_fit[1]:
        raise DataError(
            "purchases= and spend= must both be classes, to fit at every date, or both be fits, "
            "to hold."
        )


def _unit(purchases: Purchases, stated: str | None) -> str:
    fitted = purchases.time_unit if isinstance(purchases, Fit) else None
    if stated is not None and fitted not in (None, stated):
        raise DataError(
            f"time_unit={stated!r}, but the purchase model was fitted in {fitted!r}. Leave "
            "time_unit= out."
        )
    if stated is None and fitted is None and not isinstance(purchases, type | Specification):
        raise DataError(
            "The purchase model does not say the unit of its parameters. Pass time_unit=, such as "
            "'W'."
        )
    return stated or fitted or "W"


def _check_by(by: Any, orders: Transactions) -> None:
    known = [*_RULES, *orders.segments]
    if by is not None and by not in known:
        raise DataError(
            f"by={by!r} is neither a rule nor a segment column of the orders. "
            f"{suggest(str(by), known)} Read the orders with segments=[...] for their columns."
        )
