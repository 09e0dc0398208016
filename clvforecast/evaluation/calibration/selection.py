"""One forecast out of a backtest: of a model, at a cutoff."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

import pandas as pd

from clvforecast.errors import DataError, suggest
from clvforecast.evaluation.results import Backtest
from clvforecast.evaluation.scoring import TARGETS
from clvforecast.transactions.table import as_day

__all__ = ["CONFIDENCE", "attributes", "forecast_of", "law_of"]

CONFIDENCE: Final = 0.95
"""Of the limits of means, and of the bands."""


def forecast_of(
    past: Backtest, target: str, model: str, cutoff: str | dt.date | None
) -> pd.DataFrame:
    """The customers of one forecast."""
    for name, given, known in (
        ("target", target, TARGETS),
        ("model", model, (*past.models, *past.baselines)),
    ):
        if given not in known:
            raise DataError(
                f"{name}={given!r} is not in this backtest. {suggest(str(given), known)}"
            )
    chosen = pd.Timestamp(_day(past, cutoff)), model
    return pd.DataFrame(past.customers.xs(chosen, level=["cutoff", "model"]))


def law_of(past: Backtest, target: str, model: str, cutoff: str | dt.date | None) -> pd.DataFrame:
    """The same, of a model that has a law."""
    if model in past.baselines:
        raise DataError(
            f"model={model!r} is a baseline: it expects a number and has no law. "
            f"{suggest(model, past.models)}"
        )
    return forecast_of(past, target, model, cutoff)


def _day(past: Backtest, cutoff: str | dt.date | None) -> dt.date:
    if cutoff is None:
        return past.cutoffs[-1]
    day = as_day(cutoff, "cutoff")
    if day not in past.cutoffs:
        days = ", ".join(str(known) for known in past.cutoffs)
        raise DataError(f"cutoff={day} is none of this backtest's: {days}.")
    return day


def attributes(past: Backtest, target: str, cutoff: str | dt.date | None) -> dict[Any, Any]:
    """What every table says of itself."""
    day = _day(past, cutoff)
    return {"target": target, "cutoff": day.isoformat(), "horizon_days": past.horizon_days}
