"""lifetimes, as its documentation uses it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.packages import ANNUAL_RATE, Stages


def stages(log: Path, output: Path, memory_limit: str) -> Stages:  # noqa: ARG001 - has none
    """One row per customer; to be fair, fitted once more on cells grouped beforehand.

    Its months are of 30 days, twelve of them its year.
    """
    import pandas as pd
    from lifetimes import BetaGeoFitter, GammaGammaFitter
    from lifetimes.utils import summary_data_from_transaction_data

    kept: dict[str, Any] = {}

    def history() -> list[Any]:
        return [kept["rfm"][name] for name in ("frequency", "recency", "T")]

    def read() -> None:
        kept["orders"] = pd.read_parquet(log)

    def summarize() -> None:
        kept["rfm"] = summary_data_from_transaction_data(
            kept.pop("orders"), "customer_id", "date", monetary_value_col="amount"
        )

    def fit_spend() -> Any:
        again = kept["rfm"][kept["rfm"]["frequency"] > 0]
        return GammaGammaFitter().fit(again["frequency"], again["monetary_value"])

    def fit() -> None:
        kept["fits"] = BetaGeoFitter().fit(*history()), fit_spend()

    def score() -> None:
        buys, spend = kept["fits"]
        monthly_rate = (1 + ANNUAL_RATE) ** (1 / 12) - 1
        terms = {"time": 12, "discount_rate": monthly_rate, "freq": "D"}
        rfm = kept["rfm"]
        kept["value"] = pd.DataFrame(
            {
                "p_alive": buys.conditional_probability_alive(*history()),
                "expected_purchases": buys.predict(365.25, *history()),
                "clv": spend.customer_lifetime_value(
                    buys, *history(), rfm["monetary_value"], **terms
                ),
            },
            index=rfm.index,
        )

    def write() -> None:
        kept.pop("value").to_parquet(output)

    def group() -> None:
        columns = ["frequency", "recency", "T"]
        kept["cells"] = kept["rfm"].groupby(columns).size().rename("customers").reset_index()

    def fit_cells() -> None:
        *columns, customers = (column for _, column in kept["cells"].items())
        BetaGeoFitter().fit(*columns, weights=customers)
        fit_spend()

    return {
        "read": read,
        "summarize": summarize,
        "fit": fit,
        "score": score,
        "write": write,
        "group cells": group,
        "fit on cells": fit_cells,
    }
