"""What it costs to know how sure we are: posterior, chains and bootstrap on the CDNOW tenth.

    python benchmarks/uncertainty.py [--draws 4000] [--repeats 3] [--json FILE]

Everything is measured in one run against the point fit of the same model. Where PyMC-Marketing is
installed, the posterior with its default priors is set beside its NUTS, both with the Monte Carlo
errors of their means. It is measured as its documentation uses it (four chains, sampling only, the
compilation included, since every new shop pays it); `nuts_sampler=` may make it faster. No figure
is a pass mark: the machine decides.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import clvforecast as clv
from clvforecast.interop.pymc_marketing import default_prior

CUTOFF = "1997-09-30"
SEED = 7


def seconds(run: Callable[[], Any], repeats: int) -> tuple[Any, float]:
    """Result of the last run, and the median time of all."""
    spent = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = run()
        spent.append(time.perf_counter() - start)
    return result, statistics.median(spent)


def nuts(model: type[clv.BGNBD | clv.GammaGamma], rfm: pd.DataFrame, draws: int) -> pd.DataFrame:
    """Means, deviations and their errors of PyMC-Marketing's posterior, default priors."""
    import arviz
    from pymc_marketing.clv import BetaGeoModel, GammaGammaModel

    peer = BetaGeoModel if model is clv.BGNBD else GammaGammaModel
    rows = rfm if model is clv.BGNBD else rfm[(rfm["frequency"] > 0) & (rfm["monetary_value"] > 0)]
    data = rows[list(model.columns)].rename_axis("customer_id").reset_index()
    fitted = peer(data=data)
    how = {"chains": 4, "cores": os.cpu_count(), "target_accept": 0.95}
    fitted.fit(draws=draws, random_seed=SEED, progressbar=False, **how)
    names = list(model.parameter_names())
    return arviz.summary(fitted.idata, var_names=names, round_to=6)


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=4_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()

    warnings.simplefilter("ignore")
    rfm = clv.read_orders(clv.datasets.load_cdnow(sample=True)).summarize("W", until=CUTOFF)
    found: dict[str, Any] = {"draws": options.draws}
    for model in (clv.BGNBD, clv.GammaGamma):
        fit, point = seconds(lambda model=model: model.fit(rfm), 5 * options.repeats)
        fit.posterior(draws=100)
        stages: dict[str, Callable[[], Any]] = {
            "posterior": lambda fit=fit: fit.posterior(draws=options.draws, seed=SEED),
            "posterior by chains": lambda fit=fit: fit.posterior(
                draws=options.draws, method="mcmc", seed=SEED
            ),
            "bootstrap, 1,000 refits": lambda fit=fit: fit.bootstrap(seed=SEED),
            "profile intervals": fit.profile_intervals,
        }
        print(f"{model.name}: point fit {1000 * point:.1f} ms")
        found[model.name] = {"point fit": point}
        for stage, run in stages.items():
            _, spent = seconds(run, 1 if "chains" in stage else options.repeats)
            found[model.name][stage] = spent
            print(f"  {stage:25} {spent:7.2f} s, {spent / point:6.0f} point fits", flush=True)
        if importlib.util.find_spec("pymc_marketing"):
            ours, spent = seconds(
                lambda fit=fit: fit.posterior(draws=options.draws, prior=default_prior, seed=SEED),
                options.repeats,
            )
            theirs, their_time = seconds(lambda model=model: nuts(model, rfm, options.draws), 1)
            table = ours.summary()[["mean", "sd"]]
            table["error"] = table["sd"] / np.sqrt(ours.effective_draws)
            table = table.join(
                theirs[["mean", "sd", "mcse_mean", "ess_bulk"]].add_suffix(" (NUTS)")
            )
            per_draw = spent / ours.effective_draws
            their_per_draw = their_time / theirs["ess_bulk"].min()
            print(f"  PyMC-Marketing {importlib.metadata.version('pymc-marketing')}, its priors:")
            print(table.round(4).to_string())
            print(
                f"  {spent:.2f} s here, {their_time:.0f} s there; "
                f"{their_per_draw / per_draw:,.0f} times the time per effective draw"
            )
            found[model.name] |= {
                "posterior, their priors": spent,
                "PyMC-Marketing": their_time,
                "ratio per effective draw": their_per_draw / per_draw,
            }
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
