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
    from clvforecast import datasets, plots
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
    from clvforecast.errors import ClvError, DataError, FitError, FitWarning, MissingExtra
    from clvforecast.fitting import (
        Fit,
        LogNormalPrior,
        ParameterDraws,
        likelihood_ratio_test,
    )
    from clvforecast.forecasting import LazyForecast, forecast
    from clvforecast.historical import HistoricalCLV, historical_clv
    from clvforecast.models import BGNBD, MODELS, GammaGamma
    from clvforecast.portfolios import Portfolio, portfolio
    from clvforecast.transactions import LazySummary, Quality, Split, Transactions, read_orders

__version__ = "0.1.0"

_HOME = {
    "BGNBD": "models",
    "ClvError": "errors",
    "Comparison": "comparison",
    "DataError": "errors",
    "Fit": "fitting",
    "FitError": "errors",
    "FitWarning": "errors",
    "GammaGamma": "models",
    "HistoricalCLV": "historical",
    "LazyForecast": "forecasting",
    "LazySummary": "transactions",
    "LogNormalPrior": "fitting",
    "MODELS": "models",
    "MissingExtra": "errors",
    "ParameterDraws": "fitting",
    "Portfolio": "portfolios",
    "Quality": "transactions",
    "Split": "transactions",
    "StateUpdate": "states",
    "Transactions": "transactions",
    "alive_history": "customers",
    "compare": "comparison",
    "forecast": "forecasting",
    "frequency_recency_matrix": "customers",
    "historical_clv": "historical",
    "likelihood_ratio_test": "fitting",
    "next_purchase": "customers",
    "portfolio": "portfolios",
    "purchase_counts": "customers",
    "purchase_distribution": "customers",
    "read_orders": "transactions",
    "read_state": "states",
    "silence_limits": "customers",
    "spend_distribution": "customers",
    "summary_sql": "queries",
    "update_state": "states",
}
_MODULES = ("datasets", "plots")

__all__ = [
    "BGNBD",
    "MODELS",
    "ClvError",
    "Comparison",
    "DataError",
    "Fit",
    "FitError",
    "FitWarning",
    "GammaGamma",
    "HistoricalCLV",
    "LazyForecast",
    "LazySummary",
    "LogNormalPrior",
    "MissingExtra",
    "ParameterDraws",
    "Portfolio",
    "Quality",
    "Split",
    "StateUpdate",
    "Transactions",
    "alive_history",
    "compare",
    "datasets",
    "forecast",
    "frequency_recency_matrix",
    "historical_clv",
    "likelihood_ratio_test",
    "next_purchase",
    "plots",
    "portfolio",
    "purchase_counts",
    "purchase_distribution",
    "read_orders",
    "read_state",
    "silence_limits",
    "spend_distribution",
    "summary_sql",
    "update_state",
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
