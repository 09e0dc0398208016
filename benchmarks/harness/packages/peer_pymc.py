"""PyMC-Marketing: fitted by its MAP, the nearest it has to maximum likelihood."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.packages import ANNUAL_RATE, Stages


def stages(log: Path, output: Path, memory_limit: str) -> Stages:  # noqa: ARG001 - has none
    """With its default priors; compiling the model is part of every fit."""
    import pandas as pd
    from pymc_marketing.clv import BetaGeoModel, GammaGammaModel
    from pymc_marketing.clv.utils import rfm_summary

    kept: dict[str, Any] = {}

    def read() -> None:
        kept["orders"] = pd.read_parquet(log)

    def summarize() -> None:
        kept["rfm"] = rfm_summary(
            kept.pop("orders"), "customer_id", "date", monetary_value_col="amount"
        )

    def fit() -> None:
        rfm = kept["rfm"]
        again = rfm[rfm["frequency"] > 0]
        kept["fits"] = BetaGeoModel(data=rfm), GammaGammaModel(data=again)
        for model in kept["fits"]:
            model.fit(method="map", progressbar=False)

    def score() -> None:
        buys, spend = kept["fits"]
        rfm = kept["rfm"].copy()  # it adds a column to what it is given
        monthly_rate = (1 + ANNUAL_RATE) ** (1 / 12) - 1
        found = {
            "p_alive": buys.expected_probability_alive(rfm),
            "expected_purchases": buys.expected_purchases(rfm, future_t=365.25),
            "clv": spend.expected_customer_lifetime_value(
                buys, rfm, future_t=12, discount_rate=monthly_rate, time_unit="D"
            ),
        }
        kept["value"] = pd.DataFrame(
            {name: values.mean(("chain", "draw")).to_series() for name, values in found.items()}
        )

    def write() -> None:
        kept.pop("value").to_parquet(output)

    return {"read": read, "summarize": summarize, "fit": fit, "score": score, "write": write}
