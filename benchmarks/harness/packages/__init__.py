"""What is measured: one module per package, each with its `stages` in the order they run.

A module imports its package when `stages` is called, in a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

Stages = dict[str, Callable[[], object]]

PACKAGES = {
    "clvforecast": "ours",
    "clvforecast in DuckDB": "ours_lazy",
    "lifetimes": "peer_lifetimes",
    "PyMC-Marketing": "peer_pymc",
    "floor": "floor",
}

NEEDS = {
    "summarize": "read",
    "fit": "summarize",
    "score": "fit",
    "write": "score",
    "intervals": "fit",
    "group cells": "summarize",
    "fit on cells": "group cells",
}
"""What must have run for a stage to run."""

SUMS = {
    "summary": ("read", "summarize"),
    "pipeline": ("read", "summarize", "fit", "score", "write"),
}
"""Stages that are several: from the file to the RFM summary, and from the file to the scores."""

HELD_BY_ENGINE = {
    "clvforecast": ("read", "summarize"),
    "clvforecast in DuckDB": ("read", "summarize", "fit", "score", "intervals"),
    "floor": ("group by", "group by, counting rows"),
}
"""Stages whose memory DuckDB limits: it does not grow with the log."""

ANNUAL_RATE = 0.10
LEVEL = 0.90


def stages_of(package: str, log: Path, output: Path, memory_limit: str) -> Stages:
    """The stages of a package over one log, scores to be written to `output`."""
    module = import_module(f"{__name__}.{PACKAGES[package]}")
    found: Stages = module.stages(log, output, memory_limit)
    return found
