"""Customers in groups: by value, by habits, by what the user knows of them; and who moves."""

from __future__ import annotations

from clvforecast.decisions.segmentation.grouping import segments
from clvforecast.decisions.segmentation.result import Segmentation
from clvforecast.decisions.segmentation.rules import ValueRules
from clvforecast.decisions.segmentation.transitions import (
    SegmentTransitions,
    segment_transitions,
)

__all__ = [
    "SegmentTransitions",
    "Segmentation",
    "ValueRules",
    "segment_transitions",
    "segments",
]
