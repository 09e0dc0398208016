"""Measure every stage here, in lifetimes, in PyMC-Marketing and as a floor, over logs of any size.

    python benchmarks/run.py --orders 10000 100000 1000000 --json results.json --picture cost.png

`--from-json` draws and tabulates what was measured before. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from harness.imports import import_seconds
from harness.machine import machine, versions
from harness.measuring import Plan, has_package, measure
from harness.packages import PACKAGES
from harness.report import fill, tables
from harness.targets import judged

PEERS = {"lifetimes": "lifetimes", "PyMC-Marketing": "pymc_marketing"}


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--orders", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    add("--repeats", type=int, default=3)
    add("--packages", nargs="+", choices=list(PACKAGES), default=list(PACKAGES))
    add("--pymc-python", default=sys.executable, help="a Python that has PyMC-Marketing")
    add("--budget", type=float, default=300.0, help="longest a stage may take, in seconds")
    add("--memory-limit", default="4GB", help="what DuckDB may use")
    add("--skip", nargs="+", default=[], help="stages to leave out, such as intervals")
    add("--import-turns", type=int, default=10, help="0: do not measure imports")
    add("--seed", type=int, default=1)
    add("--cache", type=Path, default=Path(tempfile.gettempdir()) / "clvforecast-benchmark")
    add("--json", type=Path, help="write every figure here, after each size")
    add("--from-json", type=Path, help="measure nothing; report these figures")
    add("--picture", type=Path, help="draw seconds against orders")
    add("--readme", type=Path, help="replace the text between its results markers")
    return parser.parse_args()


def measured(options: argparse.Namespace) -> dict[str, Any]:
    """Run the plan, keeping the JSON as it grows."""
    pythons = dict.fromkeys(options.packages, sys.executable)
    if "PyMC-Marketing" in pythons:
        found = shutil.which(options.pymc_python) or options.pymc_python
        # Not resolved: an environment is told by the name of its Python.
        pythons["PyMC-Marketing"] = str(Path(found).absolute())
    for package, module in PEERS.items():
        if package in pythons and not has_package(pythons[package], module):
            print(f"{package} is not installed and left out.", file=sys.stderr)
            del pythons[package]
    start = time.perf_counter()
    figures: dict[str, Any] = {
        "machine": machine(),
        "versions": versions(pythons),
        "settings": {
            "repeats": options.repeats,
            "budget_seconds": options.budget,
            "memory_limit": options.memory_limit,
            "seed": options.seed,
        },
        "import_seconds": import_seconds(options.import_turns),
        "sizes": [],
    }

    def keep(size: dict[str, Any]) -> None:
        figures["sizes"].append(size)
        figures["run_seconds"] = time.perf_counter() - start
        figures["targets"] = judged(figures["sizes"], figures["import_seconds"])
        if options.json:
            options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")

    options.cache.mkdir(parents=True, exist_ok=True)
    plan = Plan(
        orders=options.orders,
        packages=pythons,
        repeats=options.repeats,
        budget=options.budget,
        memory_limit=options.memory_limit,
        folder=options.cache.resolve(),
        seed=options.seed,
        skip=options.skip,
    )
    measure(plan, keep)
    return figures


def main() -> None:
    """Measure or read, then report."""
    options = arguments()
    if options.from_json:
        found = json.loads(options.from_json.read_text(encoding="utf-8"))
    else:
        found = measured(options)
    text = tables(found)
    print(text)
    if options.readme:
        fill(options.readme, text)
    if options.picture:
        from harness.picture import draw

        draw(found, options.picture)


if __name__ == "__main__":
    main()
