"""Watching: totals, parameters, segments and forecast errors over time, with alerts for drift."""

from __future__ import annotations

from clvforecast.decisions.monitoring.result import Monitoring
from clvforecast.decisions.monitoring.watching import monitor

__all__ = ["Monitoring", "monitor"]
