"""How well a forecast is calibrated: tables to look at or to plot, one forecast at a time."""

from __future__ import annotations

from clvforecast.evaluation.calibration.expectations import (
    conditional_expectation,
    decile_calibration,
    gains_curves,
)
from clvforecast.evaluation.calibration.laws import interval_coverage, pit_counts
from clvforecast.evaluation.calibration.tracking import purchase_tracking

__all__ = [
    "conditional_expectation",
    "decile_calibration",
    "gains_curves",
    "interval_coverage",
    "pit_counts",
    "purchase_tracking",
]
