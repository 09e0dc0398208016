"""How far to trust a forecast: backtests, diagnostics, and the choice between models."""

from __future__ import annotations

from clvforecast.evaluation.backtesting import backtest
from clvforecast.evaluation.calibration import (
    conditional_expectation,
    decile_calibration,
    gains_curves,
    interval_coverage,
    pit_counts,
    purchase_tracking,
)
from clvforecast.evaluation.choice import FitComparison, compare_fits
from clvforecast.evaluation.diagnosing import diagnose
from clvforecast.evaluation.diagnosis import Diagnosis
from clvforecast.evaluation.results import Backtest
from clvforecast.evaluation.selecting import Selection, select
from clvforecast.evaluation.stacking import StackingWeights, stacking_weights

__all__ = [
    "Backtest",
    "Diagnosis",
    "FitComparison",
    "Selection",
    "StackingWeights",
    "backtest",
    "compare_fits",
    "conditional_expectation",
    "decile_calibration",
    "diagnose",
    "gains_curves",
    "interval_coverage",
    "pit_counts",
    "purchase_tracking",
    "select",
    "stacking_weights",
]
