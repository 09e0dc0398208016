"""Groups of customers beside each other: what one is worth beyond another, and how sure that is."""

from __future__ import annotations

from clvforecast.decisions.experiments.comparing import compare_groups
from clvforecast.decisions.experiments.result import GroupComparison

__all__ = ["GroupComparison", "compare_groups"]
