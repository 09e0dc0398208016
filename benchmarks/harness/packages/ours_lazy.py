"""clvforecast with customers in DuckDB: they never pass through Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.packages import ANNUAL_RATE, LEVEL, Stages


def stages(log: Path, output: Path, memory_limit: str) -> Stages:
    """Scores are worked out as they are written, so `score` writes them."""
    import clvforecast as clv

    kept: dict[str, Any] = {}
    ahead = {"horizon": "1Y", "annual_discount_rate": ANNUAL_RATE}

    def read() -> None:
        kept["orders"] = clv.read_orders(log, memory_limit=memory_limit)

    def summarize() -> None:
        kept["rfm"] = kept["orders"].summarize("D", lazy=True)

    def fit() -> None:
        kept["fits"] = clv.BGNBD.fit(kept["rfm"]), clv.GammaGamma.fit(kept["rfm"])

    def score() -> None:
        clv.forecast(*kept["fits"], kept["rfm"], **ahead).to_parquet(output)

    def intervals() -> None:
        clv.forecast(*kept["fits"], kept["rfm"], **ahead, level=LEVEL).to_parquet(output)

    return {
        "read": read,
        "summarize": summarize,
        "fit": fit,
        "score": score,
        "intervals": intervals,
    }
