"""Who is measured when: the packages take turns, and none is given more than it can finish."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.logs import Log, order_log
from harness.packages import HELD_BY_ENGINE, SUMS

_BENCHMARKS = Path(__file__).resolve().parents[1]
_WARM_UP_ORDERS = 2_000
_ONCE_BEYOND = 120.0
"""A package that took more seconds than this over a log is not asked again."""
_SHARE_OF_MEMORY = 0.8
_WOULD = "would"


@dataclass(frozen=True)
class Plan:
    """What to run.

    Attributes
    ----------
    orders : list of int
        Sizes of the logs, about.
    packages : dict of str to str
        The Python that has each package.
    repeats : int
        How often each is measured over each log, at most.
    budget : float
        Seconds: a stage that would take longer, by the size before and in proportion, is not run.
    memory_limit : str
        What DuckDB may use.
    folder : Path
        Where logs are kept.
    seed : int
        Of the logs.
    skip : list of str
        Stages to leave out.
    """

    orders: list[int]
    packages: dict[str, str]
    repeats: int
    budget: float
    memory_limit: str
    folder: Path
    seed: int = 1
    skip: list[str] = field(default_factory=list)


@dataclass
class Runs:
    """Everything one package did over one log."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    peaks: dict[str, list[int]] = field(default_factory=dict)
    before: list[int] = field(default_factory=list)
    not_run: dict[str, str] = field(default_factory=dict)
    turns: list[float] = field(default_factory=list)

    def add(self, answer: dict[str, Any]) -> None:
        """Take in what a worker measured, and the sums of its stages."""
        seconds, peaks = answer["seconds"], answer["peaks"]
        self.turns.append(sum(seconds.values()))
        for total, parts in SUMS.items():
            run = [part for part in parts if part in seconds]
            if not run or set(parts) & set(answer["left_out"]):
                continue
            seconds[total] = sum(seconds[part] for part in run)
            peaks[total] = max(peaks[part] for part in run)
        for stage in seconds:
            self.seconds.setdefault(stage, []).append(seconds[stage])
            self.peaks.setdefault(stage, []).append(peaks[stage])
        self.before.append(answer["before"])
        self.not_run |= answer["failed"]

    def as_record(self) -> dict[str, Any]:
        """For the JSON: seconds and bytes, all and medians."""
        return {
            "stages": {
                stage: {
                    "median_seconds": statistics.median(spent),
                    "seconds": spent,
                    "peak_bytes": int(statistics.median(self.peaks[stage])),
                }
                for stage, spent in self.seconds.items()
            },
            "bytes_before": int(statistics.median(self.before)) if self.before else None,
            "not_run": self.not_run,
        }


def measure(plan: Plan, keep: Callable[[dict[str, Any]], None]) -> None:
    """Measure size after size, and hand each over when it is done."""
    warm_up = order_log(_WARM_UP_ORDERS, plan.folder, seed=plan.seed)
    before: dict[str, Any] | None = None
    for orders in sorted(plan.orders):
        _say(f"{orders:,} orders")
        log = order_log(orders, plan.folder, seed=plan.seed)
        runs = {package: Runs() for package in plan.packages}
        for package, found in runs.items():
            if before is not None:
                found.not_run = beyond(before, package, log.orders, plan.budget)
            found.not_run |= dict.fromkeys(plan.skip, "left out")
        for turn in range(plan.repeats):
            # Every other turn backwards, so that none always follows the same one.
            for package in list(runs)[:: 1 if turn % 2 == 0 else -1]:
                if _enough(runs[package]):
                    continue
                _turn(plan, package, log, warm_up, runs[package])
        before = {
            "asked": orders,
            "orders": log.orders,
            "customers": log.customers,
            "packages": {package: found.as_record() for package, found in runs.items()},
        }
        keep(before)


def beyond(before: dict[str, Any], package: str, orders: int, budget: float) -> dict[str, str]:
    """Stages that would take too long or too much memory, by the size before; and why."""
    record = before["packages"][package]
    growth = orders / before["orders"]
    most = _SHARE_OF_MEMORY * machine_memory()
    found = {stage: why for stage, why in record["not_run"].items() if why.startswith(_WOULD)}
    for stage, measured in record["stages"].items():
        if stage in SUMS:
            continue
        held = max(0, measured["peak_bytes"] - record["bytes_before"])
        if measured["median_seconds"] * growth > budget:
            found[stage] = f"{_WOULD} take more than {budget:,.0f} s"
        elif held * growth > most and stage not in HELD_BY_ENGINE.get(package, ()):
            found[stage] = f"{_WOULD} need more than {most / 1e9:.0f} GB of memory"
    return found


def machine_memory() -> int:
    """Bytes of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def ask_python(
    python: str, arguments: Iterable[str], timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a Python that finds this harness."""
    return subprocess.run(
        [python, *arguments],
        cwd=_BENCHMARKS,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )


def has_package(python: str, module: str) -> bool:
    """Whether that Python could import the module; it is not imported."""
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
    return ask_python(python, ["-c", code]).returncode == 0


def _enough(runs: Runs) -> bool:
    """Whether a package would only lose time with another turn, or fail again."""
    return "worker" in runs.not_run or max(runs.turns, default=0.0) > _ONCE_BEYOND


def _turn(plan: Plan, package: str, log: Log, warm_up: Log, runs: Runs) -> None:
    spec = {
        "package": package,
        "log": str(log.path),
        "warm_up": str(warm_up.path),
        "scratch": str(plan.folder),
        "memory_limit": plan.memory_limit,
        "skip": list(runs.not_run),
    }
    done = ask_python(plan.packages[package], ["-m", "harness.worker", json.dumps(spec)])
    if done.returncode:
        last = (done.stderr.strip() or "it said nothing").splitlines()[-1]
        runs.not_run["worker"] = f"ended with {done.returncode}: {last[:200]}"
        _say(f"  {package}: {runs.not_run['worker']}")
        return
    runs.add(json.loads(done.stdout))
    for stage, spent in runs.seconds.items():
        if stage not in SUMS:
            memory = runs.peaks[stage][-1] / 1e9
            _say(f"  {package:22} {stage:24} {spent[-1]:10.4f} s {memory:7.2f} GB")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
