"""What fading customers put at risk, and whom it pays to hold."""

from __future__ import annotations

from clvforecast.decisions.retaining.fading import retention
from clvforecast.decisions.retaining.result import Retention

__all__ = ["Retention", "retention"]
