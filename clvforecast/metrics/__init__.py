"""Scores of a forecast: pure functions of arrays, one value per customer.

- of the total: `bias`
- of expectations: `mae`, `rmse`
- of laws: `log_score`, `crps`, `count_crps`, and `randomised_pit`, `pit_histogram`, `law_coverage`
- of intervals: `coverage`, `width`, `interval_score`
- of the order of customers: `gini`, `gains`, `top_decile`, `spearman`; of deciles: `deciles`,
  `decile_error`

Proper scores come as a value per customer, to be averaged; the others as one number. Every score
says NaN where it is not defined, and an input that is not finite is an error.
"""

from __future__ import annotations

from clvforecast.metrics.intervals import coverage, interval_score, width
from clvforecast.metrics.laws import (
    count_crps,
    crps,
    law_coverage,
    log_score,
    pit_histogram,
    randomised_pit,
)
from clvforecast.metrics.points import bias, mae, rmse
from clvforecast.metrics.ranking import decile_error, deciles, gains, gini, spearman, top_decile

__all__ = [
    "bias",
    "count_crps",
    "coverage",
    "crps",
    "decile_error",
    "deciles",
    "gains",
    "gini",
    "interval_score",
    "law_coverage",
    "log_score",
    "mae",
    "pit_histogram",
    "randomised_pit",
    "rmse",
    "spearman",
    "top_decile",
    "width",
]
