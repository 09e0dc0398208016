"""What a backtest is asked for, checked."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from clvforecast.errors import DataError, suggest
from clvforecast.evaluation.baselines import BASELINES
from clvforecast.evaluation.scoring import METRICS
from clvforecast.fitting.specification import ModelLike, Specification
from clvforecast.metrics.checks import checked_count, checked_level
from clvforecast.models import BGNBD, GammaGamma, PurchaseModel, SpendModel
from clvforecast.transactions.table import as_day
from clvforecast.units import Duration, TimeUnit, days_per, duration_in_units

if TYPE_CHECKING:
    from clvforecast.transactions import Transactions

__all__ = ["ModelChoice", "ModelPair", "Plan", "chosen_cutoffs"]

ModelChoice: TypeAlias = "str | ModelLike | tuple[str | ModelLike, str | ModelLike]"

_ORIGINS: Final = 3
_ROUNDING: Final = 1e-6
"""Of a day: "39W" must be 273 days however a division rounds."""


class ModelPair(NamedTuple):
    """The two models that make a forecast, and how they are fitted."""

    purchases: Specification
    spend: Specification

    @property
    def variables(self) -> tuple[str, ...]:
        """The columns of the summary that are covariates of either."""
        return tuple(dict.fromkeys((*self.purchases.variables, *self.spend.variables)))


@dataclass(frozen=True)
class Plan:
    """What is the same at every origin."""

    models: dict[str, ModelPair]
    baselines: tuple[str, ...]
    metrics: tuple[str, ...]
    horizon_days: int
    time_unit: TimeUnit
    level: float
    ridge: float
    replicates: int
    seed: int

    @classmethod
    def checked(
        cls,
        models: Sequence[ModelChoice] | Mapping[str, ModelChoice] | None,
        *,
        baselines: bool | Sequence[str],
        metrics: Sequence[str] | None,
        horizon: Duration,
        time_unit: TimeUnit,
        level: float,
        ridge: float,
        replicates: int,
        seed: int,
    ) -> Plan:
        """Read what `backtest` was given; it says what is raised."""
        all_or_none = BASELINES if baselines is True else ()
        return cls(
            models=_model_pairs(models),
            baselines=_chosen(
                all_or_none if isinstance(baselines, bool) else baselines, BASELINES, "baselines"
            ),
            metrics=_chosen_metrics(metrics),
            horizon_days=_whole_days(horizon, time_unit),
            time_unit=time_unit,
            level=checked_level(level),
            ridge=ridge,
            replicates=checked_count(replicates, "replicates", 2),
            seed=checked_count(seed, "seed", 0),
        )

    @property
    def variables(self) -> tuple[str, ...]:
        """The segment columns that are covariates of any model."""
        every = (name for pair in self.models.values() for name in pair.variables)
        return tuple(dict.fromkeys(every))

    @property
    def uses_timing(self) -> bool:
        """Whether the days of all purchases say more to any model than a summary does."""
        return any(pair.purchases.uses_timing for pair in self.models.values())


def chosen_cutoffs(
    orders: Transactions,
    cutoffs: Sequence[str | dt.date] | str | dt.date | None,
    n: int | None,
    horizon_days: int,
) -> list[dt.date]:
    """The days to cut a log at, in their order; see `backtest`."""
    if cutoffs is not None:
        if n is not None:
            raise DataError("Give cutoffs= or n=, not both.")
        given = [cutoffs] if isinstance(cutoffs, str | dt.date) else list(cutoffs)
        return sorted({as_day(day, "cutoffs") for day in given})
    number = _ORIGINS if n is None else checked_count(n, "n", 1)
    first, until = orders.quality.first_day, orders.until
    if first is None:
        raise DataError("There are no orders to hold a forecast against.")
    span = (until - first).days - horizon_days
    if span < 2 * number:
        raise DataError(
            f"{number} holdouts of {horizon_days:,} days do not fit into a log from {first} to "
            f"{until}. Give a shorter horizon=, or a smaller n=."
        )
    last = first + dt.timedelta(days=span)
    if number == 1:
        return [last]
    half = span - span // 2
    return [last - dt.timedelta(days=half - round(half * k / (number - 1))) for k in range(number)]


def _whole_days(horizon: Duration, unit: str) -> int:
    days = duration_in_units(horizon, unit) * days_per(unit)
    if not 1 <= days < math.inf:
        raise DataError(f"horizon={horizon!r} must be a day or more, and finite.")
    return math.floor(days + _ROUNDING)


def _model_pairs(
    models: Sequence[ModelChoice] | Mapping[str, ModelChoice] | None,
) -> dict[str, ModelPair]:
    if models is None:
        models = [BGNBD]
    if isinstance(models, Mapping):
        pairs = {str(name): _model_pair(choice) for name, choice in models.items()}
    else:
        one = isinstance(models, str | type | Specification)
        pairs = {}
        for choice in [models] if one else list(models):
            pair = _model_pair(choice)
            name = pair.purchases.name
            if pair.spend != Specification(GammaGamma):
                name += f" + {pair.spend.name}"
            if name in pairs:
                raise DataError(f"{name} is there twice. Name them: models={{'name': ...}}.")
            pairs[name] = pair
    if not pairs:
        raise DataError("models=[] names no model. Leave it out for BG/NBD with Gamma-Gamma.")
    for name in pairs:
        if name in BASELINES:
            raise DataError(f"A model cannot be called {name!r}: that is a baseline.")
    return pairs


def _model_pair(choice: object) -> ModelPair:
    pair = choice if isinstance(choice, tuple | list) else (choice, GammaGamma)
    kinds = (PurchaseModel, SpendModel)
    if len(pair) != len(kinds) or not all(
        isinstance(model, str | type | Specification)
        and issubclass(Specification.of(model).model, kind)
        for model, kind in zip(pair, kinds, strict=True)
    ):
        raise DataError(
            f"models: {choice!r} is neither a class of a purchase model such as BGNBD nor a pair "
            "of one and of a spend model, (BGNBD, GammaGamma). A backtest fits them itself, at "
            "every cutoff; a Specification says how."
        )
    return ModelPair(*map(Specification.of, pair))


def _chosen(given: Sequence[str], known: tuple[str, ...], argument: str) -> tuple[str, ...]:
    """The names asked for, in the order of those known."""
    asked = [given] if isinstance(given, str) else list(given)
    for name in asked:
        if name not in known:
            raise DataError(f"{argument}: there is no {name!r}. {suggest(str(name), known)}")
    return tuple(name for name in known if name in asked)


def _chosen_metrics(given: Sequence[str] | None) -> tuple[str, ...]:
    chosen = METRICS if given is None else _chosen(given, METRICS, "metrics")
    if not chosen:
        raise DataError("metrics=[] names none. Leave it out for all.")
    return chosen
