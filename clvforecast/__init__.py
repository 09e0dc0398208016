"""What each customer will be worth: calibrated forecasts from an order log.

>>> import clvforecast as clv
>>> orders = clv.read_orders(clv.datasets.load_cdnow(sample=True))
>>> rfm = orders.summarize(time_unit="W", until="1997-09-30")
>>> buys, spend = clv.BGNBD.fit(rfm), clv.GammaGamma.fit(rfm)
>>> value = clv.forecast(buys, spend, rfm, horizon="52W", annual_discount_rate=0.10, margin=0.30)
>>> value.loc["00004"].round(2)
p_alive                0.73
expected_purchases     1.56
expected_spend        24.65
clv                   11.03
Name: 00004, dtype: float64
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clvforecast import datasets, metrics, plots
    from clvforecast.calendars import Calendar
    from clvforecast.comparison import Comparison, compare
    from clvforecast.customers import (
        alive_history,
        frequency_recency_matrix,
        next_purchase,
        purchase_counts,
        purchase_distribution,
        silence_limits,
        spend_distribution,
    )
    from clvforecast.decisions import (
        Acquisition,
        GroupComparison,
        Monitoring,
        Retention,
        Segmentation,
        SegmentTransitions,
        ValueRules,
        WhatIf,
        acquisition,
        compare_groups,
        monitor,
        retention,
        segment_transitions,
        segments,
        what_if,
    )
    from clvforecast.errors import ClvError, DataError, FitError, FitWarning, MissingExtra
    from clvforecast.evaluation import (
        Backtest,
        Diagnosis,
        FitComparison,
        Selection,
        StackingWeights,
        backtest,
        compare_fits,
        conditional_expectation,
        decile_calibration,
        diagnose,
        gains_curves,
        interval_coverage,
        pit_counts,
        purchase_tracking,
        select,
        stacking_weights,
    )
    from clvforecast.fitting import (
        Fit,
        LogNormalPrior,
        ParameterDraws,
        Specification,
        likelihood_ratio_test,
    )
    from clvforecast.forecasting import LazyForecast, forecast
    from clvforecast.historical import HistoricalCLV, historical_clv
    from clvforecast.models import BGCNBD, BGNBD, MBGCNBD, MBGNBD, MODELS, GammaGamma, ParetoNBD
    from clvforecast.portfolios import Portfolio, portfolio
    from clvforecast.reporting import Report, report
    from clvforecast.transactions import LazySummary, Quality, Split, Transactions, read_orders

__version__ = "0.1.0"

_HOME = {
    "Acquisition": "decisions",
    "BGCNBD": "models",
    "BGNBD": "models",
    "Backtest": "evaluation",
    "Calendar": "calendars",
    "ClvError": "errors",
    "Comparison": "comparison",
    "DataError": "errors",
    "Diagnosis": "evaluation",
    "Fit": "fitting",
    "FitComparison": "evaluation",
    "FitError": "errors",
    "FitWarning": "errors",
    "GammaGamma": "models",
    "GroupComparison": "decisions",
    "HistoricalCLV": "historical",
    "LazyForecast": "forecasting",
    "LazySummary": "transactions",
    "LogNormalPrior": "fitting",
    "MBGCNBD": "models",
    "MBGNBD": "models",
    "MODELS": "models",
    "MissingExtra": "errors",
    "Monitoring": "decisions",
    "ParameterDraws": "fitting",
    "ParetoNBD": "models",
    "Portfolio": "portfolios",
    "Quality": "transactions",
    "Report": "reporting",
    "Retention": "decisions",
    "SegmentTransitions": "decisions",
    "Segmentation": "decisions",
    "Selection": "evaluation",
    "Specification": "fitting",
    "Split": "transactions",
    "Stack": "fitting",
    "StackingWeights": "evaluation",
    "StateUpdate": "states",
    "Transactions": "transactions",
    "ValueRules": "decisions",
    "WhatIf": "decisions",
    "acquisition": "decisions",
    "alive_history": "customers",
    "backtest": "evaluation",
    "compare": "comparison",
    "compare_fits": "evaluation",
    "compare_groups": "decisions",
    "conditional_expectation": "evaluation",
    "decile_calibration": "evaluation",
    "diagnose": "evaluation",
    "forecast": "forecasting",
    "frequency_recency_matrix": "customers",
    "gains_curves": "evaluation",
    "historical_clv": "historical",
    "interval_coverage": "evaluation",
    "likelihood_ratio_test": "fitting",
    "monitor": "decisions",
    "next_purchase": "customers",
    "pit_counts": "evaluation",
    "portfolio": "portfolios",
    "purchase_counts": "customers",
    "purchase_distribution": "customers",
    "purchase_tracking": "evaluation",
    "read_orders": "transactions",
    "read_state": "states",
    "report": "reporting",
    "retention": "decisions",
    "segment_transitions": "decisions",
    "segments": "decisions",
    "select": "evaluation",
    "silence_limits": "customers",
    "spend_distribution": "customers",
    "stacking_weights": "evaluation",
    "summary_sql": "queries",
    "update_state": "states",
    "what_if": "decisions",
}
_MODULES = ("datasets", "metrics", "plots")

__all__ = [
    "BGCNBD",
    "BGNBD",
    "MBGCNBD",
    "MBGNBD",
    "MODELS",
    "Acquisition",
    "Backtest",
    "Calendar",
    "ClvError",
    "Comparison",
    "DataError",
    "Diagnosis",
    "Fit",
    "FitComparison",
    "FitError",
    "FitWarning",
    "GammaGamma",
    "GroupComparison",
    "HistoricalCLV",
    "LazyForecast",
    "LazySummary",
    "LogNormalPrior",
    "MissingExtra",
    "Monitoring",
    "ParameterDraws",
    "ParetoNBD",
    "Portfolio",
    "Quality",
    "Report",
    "Retention",
    "SegmentTransitions",
    "Segmentation",
    "Selection",
    "Specification",
    "Split",
    "Stack",
    "StackingWeights",
    "StateUpdate",
    "Transactions",
    "ValueRules",
    "WhatIf",
    "acquisition",
    "alive_history",
    "backtest",
    "compare",
    "compare_fits",
    "compare_groups",
    "conditional_expectation",
    "datasets",
    "decile_calibration",
    "diagnose",
    "forecast",
    "frequency_recency_matrix",
    "gains_curves",
    "historical_clv",
    "interval_coverage",
    "likelihood_ratio_test",
    "metrics",
    "monitor",
    "next_purchase",
    "pit_counts",
    "plots",
    "portfolio",
    "purchase_counts",
    "purchase_distribution",
    "purchase_tracking",
    "read_orders",
    "read_state",
    "report",
    "retention",
    "segment_transitions",
    "segments",
    "select",
    "silence_limits",
    "spend_distribution",
    "stacking_weights",
    "summary_sql",
    "update_state",
    "what_if",
]


def __getattr__(name: str) -> Any:
    """Import a public name where it is first used, so that importing the package costs nothing."""
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
