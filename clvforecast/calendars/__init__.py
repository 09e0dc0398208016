"""Calendars: what makes all customers buy more on some days than on others."""

from __future__ import annotations

from clvforecast.calendars.basis import Basis
from clvforecast.calendars.clock import Clock
from clvforecast.calendars.quadratures import discount_rules, wait_rules
from clvforecast.calendars.specification import Calendar

__all__ = ["Basis", "Calendar", "Clock", "discount_rules", "wait_rules"]
