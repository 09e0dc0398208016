"""Fit and score simulated customers here and with lifetimes, in one run, and print the ratios.

    python benchmarks/fit_and_score.py [--customers 1000000] [--repeats 3] [--json FILE]

The same pandas summary goes into both. lifetimes is measured as its documentation uses it (one row
per customer) and, to be fair, fitted once more on cells grouped beforehand with its `weights=`,
without counting the grouping. Times are medians over the repeats, the two packages taking turns;
what takes lifetimes more than a minute is run once. No figure is a pass mark: the machine decides.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import clvforecast as clv

WEEK, MONTHS, ANNUAL_RATE = 7, 12, 0.10
SHOP = clv.BGNBD(r=0.243, alpha=4.414 * WEEK, a=0.793, b=2.426)
SPEND = clv.GammaGamma(p=6.25, q=3.74, v=15.44)


def simulate(customers: int, seed: int = 1) -> pd.DataFrame:
    """A summary in weeks: a year of acquisition, half a year more of observation, whole days."""
    T = 546 - np.random.default_rng(seed).integers(0, 365, customers)
    customer, day = SHOP.simulate(T, seed=seed)
    purchases = np.unique(customer * 1000 + np.ceil(day).astype(np.int64))
    customer, day = np.divmod(purchases, 1000)
    frequency = np.bincount(customer, minlength=customers)
    last = np.zeros(customers)
    last[customer] = day
    rfm = pd.DataFrame(
        {
            "frequency": frequency,
            "recency": last / WEEK,
            "T": T / WEEK,
            "monetary_value": SPEND.simulate(frequency, seed=seed),
        }
    )
    rfm.attrs["time_unit"] = "W"
    return rfm


def ours(rfm: pd.DataFrame) -> dict[str, Callable[[], Any]]:
    """The stages of this package."""
    kept: dict[str, Any] = {}

    def fit() -> None:
        kept["buys"], kept["spend"] = clv.BGNBD.fit(rfm), clv.GammaGamma.fit(rfm)

    def score(level: float | None = None) -> pd.DataFrame:
        terms = {"horizon": "1Y", "annual_discount_rate": ANNUAL_RATE, "level": level}
        return clv.forecast(kept["buys"], kept["spend"], rfm, **terms)

    return {"fit": fit, "score": score, "intervals": lambda: score(0.90)}


def theirs(rfm: pd.DataFrame) -> dict[str, Callable[[], Any]]:
    """The stages of lifetimes, the last on cells grouped beforehand."""
    from lifetimes import BetaGeoFitter, GammaGammaFitter

    kept: dict[str, Any] = {}
    columns = rfm["frequency"], rfm["recency"], rfm["T"]
    repeat = rfm[rfm["monetary_value"] > 0]
    cells = rfm.groupby(["frequency", "recency", "T"]).size().rename("n").reset_index()

    def fit() -> None:
        kept["buys"] = BetaGeoFitter().fit(*columns)
        kept["spend"] = GammaGammaFitter().fit(repeat["frequency"], repeat["monetary_value"])

    def fit_cells() -> None:
        BetaGeoFitter().fit(cells["frequency"], cells["recency"], cells["T"], weights=cells["n"])
        GammaGammaFitter().fit(repeat["frequency"], repeat["monetary_value"])

    def score() -> pd.DataFrame:
        buys, spend = kept["buys"], kept["spend"]
        return pd.DataFrame(
            {
                "p_alive": buys.conditional_probability_alive(*columns),
                "expected_purchases": buys.predict(365.25 / WEEK, *columns),
                "clv": spend.customer_lifetime_value(
                    buys,
                    *columns,
                    rfm["monetary_value"],
                    time=MONTHS,
                    discount_rate=(1 + ANNUAL_RATE) ** (1 / 12) - 1,
                    freq="W",
                ),
            }
        )

    return {"fit": fit, "score": score, "fit on cells": fit_cells}


def measure(stages: dict[str, dict[str, Callable[[], Any]]], repeats: int) -> dict[str, Any]:
    """Median seconds of every stage, the packages taking turns."""
    seconds: dict[str, dict[str, list[float]]] = {
        package: {stage: [] for stage in found} for package, found in stages.items()
    }
    for _ in range(repeats):
        for package, found in stages.items():
            for stage, run in found.items():
                spent = seconds[package][stage]
                if spent and spent[0] > 60:
                    continue
                start = time.perf_counter()
                run()
                spent.append(time.perf_counter() - start)
                print(f"  {package:12} {stage:13} {spent[-1]:8.2f} s", flush=True)
    return {
        package: {stage: statistics.median(spent) for stage, spent in found.items()}
        for package, found in seconds.items()
    }


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()

    warnings.simplefilter("ignore")
    rfm = simulate(options.customers)
    print(f"{options.customers:,} customers, {int(rfm['frequency'].sum()):,} repeat purchases")
    median = measure({"clvforecast": ours(rfm), "lifetimes": theirs(rfm)}, options.repeats)

    versions = {p: importlib.metadata.version(p) for p in ("clvforecast", "lifetimes")}
    ratios = {
        "fit": median["lifetimes"]["fit"] / median["clvforecast"]["fit"],
        "fit, lifetimes on cells": median["lifetimes"]["fit on cells"]
        / median["clvforecast"]["fit"],
        "score": median["lifetimes"]["score"] / median["clvforecast"]["score"],
    }
    print(f"lifetimes {versions['lifetimes']} / clvforecast {versions['clvforecast']}:")
    for stage, ratio in ratios.items():
        print(f"  {stage:25} {ratio:8.1f} times the time")
    wider = median["clvforecast"]["intervals"] / median["clvforecast"]["score"]
    print(f"90% intervals for every customer: {wider:.1f} times the time of the point forecast")
    if options.json:
        result = {
            "customers": options.customers,
            "versions": versions,
            "median_seconds": median,
            "ratios": ratios | {"intervals, to the point forecast": wider},
        }
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
