"""From an order log to one page that answers what its owner asks."""

from __future__ import annotations

from clvforecast.reporting.building import report
from clvforecast.reporting.result import Report

__all__ = ["Report", "report"]
