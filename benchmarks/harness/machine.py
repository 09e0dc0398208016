"""What was measured on: a figure without it means nothing."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.measuring import ask_python, machine_memory
from harness.worker import CORES

LIBRARIES = ("duckdb", "ibis-framework", "numpy", "scipy", "pandas", "pyarrow")


def machine() -> dict[str, Any]:
    """Processor, cores used, memory, system, Python and libraries."""
    return {
        "date": datetime.now(tz=UTC).date().isoformat(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "cores_used": min(CORES, os.cpu_count() or CORES),
        "memory_bytes": machine_memory(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
    }


def versions(pythons: dict[str, str]) -> dict[str, str]:
    """Version of every package, asked of the Python that has it."""
    found = {}
    for package, python in pythons.items():
        name = {"floor": "duckdb"}.get(package, package.split()[0])
        code = f"from importlib.metadata import version; print(version({name!r}))"
        found[package] = ask_python(python, ["-c", code]).stdout.strip()
    return found


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    if described.exists():
        for line in described.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
