"""What importing costs, in fresh interpreters that take turns."""

from __future__ import annotations

import statistics
import sys
import time

from harness.measuring import ask_python

STATEMENTS = {
    "bare interpreter": "pass",
    "numpy and scipy.special": "import numpy, scipy.special",
    "clvforecast": "import clvforecast",
    "clvforecast, all a first forecast needs": (
        "import clvforecast as clv; clv.read_orders, clv.BGNBD, clv.GammaGamma, clv.forecast; "
        "import ibis, duckdb, pandas"
    ),
    "lifetimes": "import lifetimes",
}


def import_seconds(turns: int) -> dict[str, float]:
    """Median seconds from starting an interpreter to its end; one turn more is not counted.

    Nothing, if no turn is asked for.
    """
    if not turns:
        return {}
    spent: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for _ in range(turns + 1):
        for name, statement in STATEMENTS.items():
            start = time.perf_counter()
            done = ask_python(sys.executable, ["-W", "ignore", "-c", statement])
            spent[name].append(time.perf_counter() - start)
            if done.returncode:
                raise SystemExit(f"{statement!r} failed:\n{done.stderr}")
    return {name: statistics.median(found[1:]) for name, found in spent.items()}
