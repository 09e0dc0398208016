"""From value to decisions."""

from __future__ import annotations

from clvforecast.decisions.outcomes import WhatIf
from clvforecast.decisions.scenarios import what_if
from clvforecast.decisions.segmentation import (
    Segmentation,
    SegmentTransitions,
    ValueRules,
    segment_transitions,
    segments,
)

__all__ = [
    "SegmentTransitions",
    "Segmentation",
    "ValueRules",
    "WhatIf",
    "segment_transitions",
    "segments",
    "what_if",
]
