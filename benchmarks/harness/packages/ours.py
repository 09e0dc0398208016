"""clvforecast with customers in pandas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.packages import ANNUAL_RATE, LEVEL, Stages


def stages(log: Path, output: Path, memory_limit: str) -> Stages:
    """As the README uses it."""
    import clvforecast as clv

    kept: dict[str, Any] = {}
    ahead = {"horizon": "1Y", "annual_discount_rate": ANNUAL_RATE}

    def read() -> None:
        kept["orders"] = clv.read_orders(log, memory_limit=memory_limit)

    def summarize() -> None:
        kept["rfm"] = kept["orders"].summarize("D")

    def fit() -> None:
        kept["fits"] = clv.BGNBD.fit(kept["rfm"]), clv.GammaGamma.fit(kept["rfm"])

    def score() -> None:
        kept["value"] = clv.forecast(*kept["fits"], kept["rfm"], **ahead)

    def write() -> None:
        kept.pop("value").to_parquet(output)

    def intervals() -> object:
        return clv.forecast(*kept["fits"], kept["rfm"], **ahead, level=LEVEL)

    return {
        "read": read,
        "summarize": summarize,
        "fit": fit,
        "score": score,
        "write": write,
        "intervals": intervals,
    }
