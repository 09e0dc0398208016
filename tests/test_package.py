"""The public surface, and what importing it costs."""

import subprocess
import sys

import pytest

import clvforecast as clv

HEAVY = ["matplotlib", "ibis", "duckdb", "lifetimes", "rich", "typer", "pandas", "scipy.optimize"]


def loaded_after(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_heavy():
    assert loaded_after("import clvforecast") == set()


def test_models_need_neither_tables_nor_plots():
    statement = "from clvforecast import BGNBD; BGNBD(1, 1, 1, 1).expected_purchases(1, 0, 0, 1)"
    assert loaded_after(statement) <= {"scipy.optimize"}


def test_a_forecast_needs_no_engine():
    assert not loaded_after("from clvforecast import forecast") & {
        "matplotlib",
        "ibis",
        "lifetimes",
    }


def test_the_public_names():
    """A name appears here when the project promises it."""
    assert sorted(clv.__all__) == [
        "Acquisition",
        "BGCNBD",
        "BGNBD",
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
        "MBGCNBD",
        "MBGNBD",
        "MODELS",
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


@pytest.mark.parametrize("name", clv.__all__)
def test_every_public_name_is_there_and_documented(name):
    assert name in dir(clv)
    assert getattr(clv, name).__doc__


@pytest.mark.parametrize("module", ["clvforecast.forecasting", "clvforecast.comparison"])
def test_no_module_shadows_a_function(module):
    called = "assert callable(clv.forecast) and callable(clv.compare)"
    code = f"import {module}, clvforecast as clv; {called}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_name_that_is_not_there():
    with pytest.raises(AttributeError, match="no attribute 'forcast'"):
        clv.forcast  # noqa: B018


def test_using_the_package_leaves_the_process_as_it_was():
    code = """
import sys, warnings
import numpy as np, pandas as pd
from matplotlib import rcParams
options = ["display.width", "display.max_columns", "display.precision"]
state = lambda: (
    list(warnings.filters), np.geterr(), dict(rcParams), [pd.get_option(o) for o in options]
)
import ibis, duckdb, scipy.optimize
before = state()
import clvforecast as clv
orders = clv.read_orders(clv.datasets.load_cdnow(sample=True))
rfm = orders.summarize("W")
buys, spend = clv.BGNBD.fit(rfm), clv.GammaGamma.fit(rfm)
value = clv.forecast(buys, spend, rfm, horizon="1Y")
clv.plots.plot_predicted_vs_historical(clv.compare(value, clv.historical_clv(orders)))
assert state() == before
assert "lifetimes" not in sys.modules
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
