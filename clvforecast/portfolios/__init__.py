"""What the business adds up to: orders and revenue of all customers, period by period."""

from __future__ import annotations

from clvforecast.portfolios.planning import portfolio
from clvforecast.portfolios.totals import Portfolio

__all__ = ["Portfolio", "portfolio"]
