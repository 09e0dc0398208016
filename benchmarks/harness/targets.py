"""What issue 4 asks for, and whether it is met: reported, never asserted."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

MILLION = 1_000_000

Measured = tuple[str, str]
"""A package and its stage."""


class Target(NamedTuple):
    """A bound on the ratio of two medians over one log.

    `above` divided by `below` is to be at most `bound`, or at least, if `at_least`.
    """

    name: str
    above: Measured
    below: Measured
    bound: float
    at_least: bool


TARGETS = (
    Target(
        "summary: times the floor, in DuckDB",
        ("clvforecast in DuckDB", "summary"),
        ("floor", "group by"),
        2.5,
        at_least=False,
    ),
    Target(
        "summary: times the floor, into pandas",
        ("clvforecast", "summary"),
        ("floor", "group by"),
        2.5,
        at_least=False,
    ),
    Target(
        "summary: faster than lifetimes",
        ("lifetimes", "summary"),
        ("clvforecast", "summary"),
        10,
        at_least=True,
    ),
    Target(
        "fit: faster than lifetimes",
        ("lifetimes", "fit"),
        ("clvforecast", "fit"),
        100,
        at_least=True,
    ),
    Target(
        "score: faster than lifetimes",
        ("lifetimes", "score"),
        ("clvforecast", "score"),
        100,
        at_least=True,
    ),
    Target(
        "score: times 20 `numpy.exp` passes",
        ("clvforecast", "score"),
        ("floor", "20 exp passes"),
        1,
        at_least=False,
    ),
)
IMPORT_BOUND = 1.3


def seconds_of(size: dict[str, Any], package: str, stage: str) -> float | None:
    """Median seconds of a stage over a log, None where it was not run."""
    found = size["packages"].get(package, {}).get("stages", {}).get(stage)
    return None if found is None else float(found["median_seconds"])


def judged(sizes: list[dict[str, Any]], imports: dict[str, float] | None) -> list[dict[str, Any]]:
    """Every target: its ratio by size, and whether it is met where customers are near a million."""
    found = []
    for target in TARGETS:
        ratios = {}
        for size in sizes:
            above, below = seconds_of(size, *target.above), seconds_of(size, *target.below)
            if above is not None and below is not None:
                ratios[size["asked"]] = above / below
        near = sorted(sizes, key=lambda size: abs(math.log(size["customers"] / MILLION)))
        at = next((size["asked"] for size in near if size["asked"] in ratios), None)
        entry = {
            "name": target.name,
            "bound": target.bound,
            "at_least": target.at_least,
            "by_orders": ratios,
            "judged_at_orders": at,
            "met": None if at is None else met(target.bound, ratios[at], at_least=target.at_least),
        }
        found.append(entry)
    if imports:
        ratio = imports["clvforecast"] / imports["numpy and scipy.special"]
        found.append(
            {
                "name": "import: times importing numpy and scipy.special",
                "bound": IMPORT_BOUND,
                "at_least": False,
                "ratio": ratio,
                "met": met(IMPORT_BOUND, ratio, at_least=False),
            }
        )
    return found


def met(bound: float, ratio: float, *, at_least: bool) -> bool:
    """Whether a ratio keeps to its bound."""
    return ratio >= bound if at_least else ratio <= bound
