"""The main job on real orders: what each customer of CDNOW will be worth in the next 52 weeks.

Run it with ``make demo``, or ``python demo.py`` where clvforecast is installed. It leaves two
tables and a picture in ``out/`` beside this file.
"""

from __future__ import annotations

import os
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt

import clvforecast as clv
from clvforecast.files import replacing

OUT = Path(__file__).resolve().parent / "out"
HORIZON = "52W"
# The log says neither: chosen for the example, as a shop would take its own.
ANNUAL_DISCOUNT_RATE = 0.10
MARGIN = 0.30


def main() -> None:
    """Read, fit, forecast, compare, draw."""
    mpl.use("agg")  # files are wanted, whatever display there is
    OUT.mkdir(exist_ok=True)

    print("== reading the orders of CDNOW")
    orders = clv.read_orders(clv.datasets.cdnow_path())
    print(orders)

    print("== fitting BG/NBD (who buys, and who is gone) and Gamma-Gamma (how much they spend)")
    rfm = orders.summarize(time_unit="W")
    buys = clv.BGNBD.fit(rfm)
    spend = clv.GammaGamma.fit(rfm)
    for fit in (buys, spend):
        estimates = ", ".join(f"{name} = {value:.3f}" for name, value in fit.parameters.items())
        print(f"{fit.model.name}: {estimates}")

    print(
        f"== forecasting {HORIZON}, discounted at {ANNUAL_DISCOUNT_RATE:.0%} a year, "
        f"at a margin of {MARGIN:.0%} (both chosen for this example)"
    )
    value = clv.forecast(
        buys,
        spend,
        rfm,
        horizon=HORIZON,
        annual_discount_rate=ANNUAL_DISCOUNT_RATE,
        margin=MARGIN,
    )
    print(
        f"{value['expected_purchases'].sum():,.0f} purchases expected, "
        f"worth ${value['clv'].sum():,.0f} today"
    )

    print("== comparing with the simple historical formula")
    both = clv.compare(value, clv.historical_clv(orders, margin=MARGIN))
    print(both)

    print("== writing")
    for table, name in ((value, "forecast.csv"), (both.customers, "comparison.csv")):
        with replacing(OUT / name) as temporary:
            table.to_csv(temporary)
        say_where(OUT / name, f"{len(table):,} customers")
    draw(both, OUT / "predicted_vs_historical.png")


def draw(both: clv.Comparison, target: Path) -> None:
    """Draw the forecast against the simple formula."""
    figure, ax = plt.subplots(figsize=(5.0, 4.4), layout="constrained")
    clv.plots.plot_predicted_vs_historical(both, ax, currency="US dollars")
    with replacing(target) as temporary:
        figure.savefig(temporary, dpi=200)
    plt.close(figure)
    say_where(target, "the forecast against the simple formula")


def say_where(path: Path, what: str) -> None:
    """Name a file as seen from the current folder."""
    print(f"{os.path.relpath(path)}: {what}")


if __name__ == "__main__":
    main()
