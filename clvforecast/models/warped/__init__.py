"""Models with a calendar: BG/NBD and MBG/NBD in warped time."""

from __future__ import annotations

from clvforecast.models.warped.discount import WarpedDiscount
from clvforecast.models.warped.model import Warped

__all__ = ["Warped", "WarpedDiscount"]
