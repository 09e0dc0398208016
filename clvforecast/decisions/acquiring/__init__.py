"""What a new customer is worth, and what one may cost."""

from __future__ import annotations

from clvforecast.decisions.acquiring.appraisal import acquisition
from clvforecast.decisions.acquiring.result import Acquisition

__all__ = ["Acquisition", "acquisition"]
