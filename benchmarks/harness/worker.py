"""One package over one log, once, in a process of its own: `python -m harness.worker SPEC`.

Prints a JSON object with the seconds and the peak memory of every stage.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from harness.memory import peak_bytes, restart_peak
from harness.packages import NEEDS, Stages, stages_of

CORES = 2


def hold_to_cores() -> None:
    """Two cores for everybody, on whatever machine, where the system lets a process say so."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    import duckdb

    connect = duckdb.connect

    # DuckDB counts the cores of the machine, not those it may use.
    def connect_with_threads(*args: Any, config: Any = None, **options: Any) -> Any:
        return connect(*args, config={"threads": CORES, **(config or {})}, **options)

    duckdb.connect = connect_with_threads


def run(spec: dict[str, Any]) -> dict[str, Any]:
    """Warm up on a small log, which pays for imports and compilations; then measure."""
    with tempfile.TemporaryDirectory(dir=spec["scratch"]) as scratch:
        os.chdir(scratch)  # what an engine spills goes with it
        output = Path(scratch) / "scores.parquet"

        def stages(log: str) -> Stages:
            return stages_of(spec["package"], Path(spec[log]), output, spec["memory_limit"])

        run_stages(stages("warm_up"), spec["skip"])
        gc.collect()
        restart_peak()
        before = peak_bytes()
        return {"before": before, **run_stages(stages("log"), spec["skip"])}


def run_stages(stages: Stages, skip: list[str]) -> dict[str, Any]:
    """Seconds and peak of every stage, what failed, and what was left out with it."""
    seconds: dict[str, float] = {}
    peaks: dict[str, int] = {}
    failed: dict[str, str] = {}
    left_out = set(skip) & stages.keys()
    for name, stage in stages.items():
        if name in left_out or NEEDS.get(name) in left_out:
            left_out.add(name)
            continue
        gc.collect()
        restart_peak()
        start = time.perf_counter()
        try:
            stage()
        except Exception as error:
            failed[name] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            left_out.add(name)
            continue
        seconds[name] = time.perf_counter() - start
        peaks[name] = peak_bytes()
    return {"seconds": seconds, "peaks": peaks, "failed": failed, "left_out": sorted(left_out)}


def main() -> None:
    """Keep what the packages print apart from the answer."""
    warnings.simplefilter("ignore")
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    hold_to_cores()
    json.dump(run(json.loads(sys.argv[1])), answer)
    answer.close()


if __name__ == "__main__":
    main()
