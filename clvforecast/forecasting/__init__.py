"""Fits and a summary in, the value of every customer out."""

from clvforecast.forecasting.lazy import LazyForecast
from clvforecast.forecasting.valuation import forecast

__all__ = ["LazyForecast", "forecast"]
