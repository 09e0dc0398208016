"""What the richer models cost to fit, beside BG/NBD on the same customers and beside lifetimes.

    python benchmarks/family.py [--customers 1000000] [--repeats 3] [--json FILE] [--readme FILE]

Every figure is CPU time of this process, all threads together: beside other work it stays nearly
what it is, where time on the clock does not. Fits take turns, and the table gives medians. No
figure is a pass mark: the machine decides.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from harness.machine import machine
from harness.report import fill, markdown, seconds, times

import clvforecast as clv
from clvforecast.models import PurchaseModel

DAYS = 1461
MARKERS = "<!-- family -->", "<!-- /family -->"
SHOP = clv.BGNBD(r=0.4, alpha=5.0, a=0.6, b=3.5)
"""In weeks: that of the logs of `run.py`."""
WARM_UP = 500
"""Customers whose fits pay for imports."""


class Fits(NamedTuple):
    """What is to be measured, by name; and the log-likelihood of what it finds."""

    fits: dict[str, Callable[[], Any]]
    likelihood: Callable[[Any], float] = attrgetter("log_likelihood")


def customers_of(model: PurchaseModel, count: int, seed: int) -> pd.DataFrame:
    """An RFM summary in weeks of customers who came evenly over four years, whole days apart."""
    ages = np.random.default_rng(seed).integers(0, DAYS, count)
    customer, moment = model.simulate(ages / 7, seed=seed + 1)
    bought = pd.DataFrame({"customer": customer, "day": np.ceil(7 * moment)}).drop_duplicates()
    days = bought.groupby("customer")["day"].agg(["size", "max"])
    days = days.reindex(range(count), fill_value=0)
    columns = {"frequency": days["size"], "recency": days["max"] / 7, "T": ages / 7}
    return pd.DataFrame(columns).astype(float)


def fits_of_many(count: int, seed: int) -> Fits:
    """The models without covariates, to the same customers of a shop like BG/NBD's."""
    rfm = customers_of(SHOP, count, seed)
    fits = {
        "BG/NBD": lambda: clv.BGNBD.fit(rfm, time_unit="W"),
        "MBG/NBD": lambda: clv.MBGNBD.fit(rfm, time_unit="W"),
        "Pareto/NBD": lambda: clv.ParetoNBD.fit(rfm, time_unit="W"),
        "BG/CNBD-k, k = 2": lambda: clv.BGCNBD.fit(rfm, time_unit="W", k=2),
        "BG/CNBD-k, k chosen from the summary": lambda: clv.BGCNBD.fit(rfm, time_unit="W"),
    }
    return Fits(fits)


def fits_of_regressions(count: int, seed: int) -> Fits:
    """BG/NBD with covariates and in a calendar, to a shop with channels and seasons."""
    log = clv.datasets.simulate_shop(count, seed=seed)
    orders = clv.read_orders(log, segments="channel")
    rfm = orders.summarize("W", segments="channel")
    rfm["age"] = np.random.default_rng(seed).normal(45, 12, len(rfm))
    fit = clv.BGNBD.fit
    fits = {
        "BG/NBD": lambda: fit(rfm),
        "BG/NBD, covariates `channel`": lambda: fit(rfm, covariates="channel"),
        "BG/NBD, covariates `channel + age`": lambda: fit(rfm, covariates="channel + age"),
        "BG/NBD, calendar `month + trend`": lambda: fit(
            rfm, orders=orders, calendar="month + trend"
        ),
        "BG/NBD, both": lambda: fit(
            rfm, orders=orders, calendar="month + trend", covariates="channel"
        ),
        "Pareto/NBD, covariates `channel + age`": lambda: clv.ParetoNBD.fit(
            rfm, covariates="channel + age"
        ),
        "MBG/CNBD-k, k chosen from the log": lambda: clv.MBGCNBD.fit(rfm, orders=orders),
    }
    return Fits(fits)


def fits_of_peers(count: int, seed: int) -> Fits:
    """Ours and lifetimes', which is given the histories grouped and weighted: the best for it.

    Where it starts at random, the start is seeded.
    """
    from lifetimes import BetaGeoFitter, ModifiedBetaGeoFitter, ParetoNBDFitter

    rfm = customers_of(SHOP, count, seed)
    columns = ["frequency", "recency", "T"]
    cells = rfm.groupby(columns).size().rename("customers").reset_index()
    history, weights = [cells[name] for name in columns], cells["customers"]

    kinds = {
        BetaGeoFitter: clv.BGNBD,
        ModifiedBetaGeoFitter: clv.MBGNBD,
        ParetoNBDFitter: clv.ParetoNBD,
    }

    def likelihood(made: Any) -> float:
        if isinstance(made, clv.Fit):
            return made.log_likelihood
        return float(weights @ kinds[type(made)](**made.params_).log_likelihood(*history))

    def theirs(kind: Callable[[], Any]) -> Callable[[], Any]:
        def fit() -> Any:
            np.random.seed(seed)  # noqa: NPY002 - that is where it draws its start from
            return kind().fit(*history, weights=weights)

        return fit

    fits = {
        "BG/NBD": lambda: clv.BGNBD.fit(rfm, time_unit="W"),
        "MBG/NBD": lambda: clv.MBGNBD.fit(rfm, time_unit="W"),
        "Pareto/NBD": lambda: clv.ParetoNBD.fit(rfm, time_unit="W"),
        "lifetimes, BG/NBD": theirs(BetaGeoFitter),
        "lifetimes, MBG/NBD": theirs(ModifiedBetaGeoFitter),
        "lifetimes, Pareto/NBD": theirs(ParetoNBDFitter),
    }
    return Fits(fits, likelihood)


def cpu_seconds(asked: Fits, repeats: int) -> dict[str, dict[str, Any]]:
    """Median CPU seconds of every fit, and what it found; fits that fail say so."""
    spent: dict[str, list[float]] = {name: [] for name in asked.fits}
    found: dict[str, dict[str, Any]] = {name: {} for name in asked.fits}
    for _ in range(repeats):
        for name, fit in asked.fits.items():
            gc.collect()
            start = time.process_time()
            try:
                made = fit()
            except Exception as error:
                found[name] = {"failed": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
                continue
            spent[name].append(time.process_time() - start)
            found[name] = {"log_likelihood": asked.likelihood(made)}
    for name, turns in spent.items():
        if turns:
            found[name] |= {"seconds": turns, "median_seconds": statistics.median(turns)}
    return found


def measured(
    customers: int, regressions: int, peers: int, repeats: int, *, warm_up: int = WARM_UP
) -> dict[str, Any]:
    """All three groups of fits, each on customers of its own, after a fit to fewer."""
    groups = {
        "models": (fits_of_many, customers),
        "regressions": (fits_of_regressions, regressions),
        "peers": (fits_of_peers, peers),
    }
    figures: dict[str, Any] = {
        "machine": machine(),
        "versions": {name: version(name) for name in ("clvforecast", "lifetimes")},
        "repeats": repeats,
    }
    for group, (fits_of, count) in groups.items():
        if warm_up:
            cpu_seconds(fits_of(warm_up, 2), 1)
        figures[group] = {"customers": count, "fits": cpu_seconds(fits_of(count, 1), repeats)}
    return figures


def table(figures: dict[str, Any]) -> str:
    """The figures as Markdown."""
    told, lifetimes = figures["machine"], figures["versions"]["lifetimes"]
    rows = []
    for group in ("models", "regressions", "peers"):
        part = figures[group]
        spent = {name: found.get("median_seconds") for name, found in part["fits"].items()}
        for name, own in spent.items():
            label = name.replace("lifetimes,", f"lifetimes {lifetimes},")
            same = spent[name.removeprefix("lifetimes, ")] if "lifetimes" in name else None
            ratios = times(own, spent["BG/NBD"]), times(own, same)
            rows.append([label, f"{part['customers']:,}", seconds(own), *ratios])
    titles = ["fit", "customers", "CPU time", "/ BG/NBD here", "/ the same model here"]
    return (
        f"{told['date']}, {told['processor']}, Python {told['python']}. CPU time of the process, "
        f"medians of {figures['repeats']}, beside other work on the same cores.\n\n"
        f"{markdown(titles, rows)}"
    )


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--regressions", type=int, default=100_000, help="customers of those")
    parser.add_argument("--peers", type=int, default=100_000, help="customers for lifetimes")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--readme", type=Path, help="replace the text between its family markers")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    found = measured(options.customers, options.regressions, options.peers, options.repeats)
    text = table(found)
    print(text)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if options.readme:
        fill(options.readme, text, MARKERS)


if __name__ == "__main__":
    main()
