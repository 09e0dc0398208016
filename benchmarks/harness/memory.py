"""The most memory this process held at once."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def restart_peak() -> None:
    """Let the peak start anew from what is held now; only Linux can."""
    if _RESET.exists():
        _RESET.write_text("5", encoding="ascii")


def peak_bytes() -> int:
    """Peak of resident memory since `restart_peak`; elsewhere than on Linux, of the process."""
    if _STATUS.exists():
        line = next(
            line for line in _STATUS.read_text(encoding="ascii").splitlines() if "VmHWM" in line
        )
        return 1024 * int(line.split()[1])
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most
