"""From value to decisions."""

from __future__ import annotations

from clvforecast.decisions.acquiring import Acquisition, acquisition
from clvforecast.decisions.experiments import GroupComparison, compare_groups
from clvforecast.decisions.monitoring import Monitoring, monitor
from clvforecast.decisions.outcomes import WhatIf
from clvforecast.decisions.retaining import Retention, retention
from clvforecast.decisions.scenarios import what_if
from clvforecast.decisions.segmentation import (
    Segmentation,
    SegmentTransitions,
    ValueRules,
    segment_transitions,
    segments,
)

__all__ = [
    "Acquisition",
    "GroupComparison",
    "Monitoring",
    "Retention",
    "SegmentTransitions",
    "Segmentation",
    "ValueRules",
    "WhatIf",
    "acquisition",
    "compare_groups",
    "monitor",
    "retention",
    "segment_transitions",
    "segments",
    "what_if",
]
