"""The public plots by the names they have on the command line."""

# No postponed annotations here: typer reads them while the program runs.
import enum
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from clvforecast.comparison import Comparison
    from clvforecast.decisions import Monitoring
    from clvforecast.evaluation import Backtest, Diagnosis
    from clvforecast.fitting import Fit
    from clvforecast.portfolios import Portfolio

__all__ = [
    "KINDS",
    "Kind",
    "draw_backtest",
    "draw_comparison",
    "draw_diagnosis",
    "draw_monitoring",
    "draw_portfolio",
    "draw_purchases",
    "draw_result",
]


class Kind(enum.StrEnum):
    """What can be drawn: the functions of `clvforecast.plots` without their `plot_`."""

    predicted_vs_historical = "predicted-vs-historical"
    rank_movement = "rank-movement"
    future_share_by_decile = "future-share-by-decile"
    p_alive_matrix = "p-alive-matrix"
    expected_purchases_matrix = "expected-purchases-matrix"
    purchase_counts = "purchase-counts"
    portfolio = "portfolio"

    @property
    def compares(self) -> bool:
        """Whether it is drawn from a comparison; the others are drawn from the models."""
        return self in {
            Kind.predicted_vs_historical,
            Kind.rank_movement,
            Kind.future_share_by_decile,
        }


KINDS = ", ".join(Kind)


def draw_comparison(kind: Kind, both: "Comparison") -> "Figure":
    """Draw a picture of the forecast beside the simple formula."""
    return _draw(kind.name, both)


def draw_purchases(kind: Kind, purchases: "Fit", rfm: "pd.DataFrame", horizon: str) -> "Figure":
    """Draw a picture of the purchase model; matrices are for the longest T, in whole units."""
    from clvforecast.customers.matrices import frequency_recency_matrix, purchase_counts

    longest = float(rfm["T"].max())
    longest = math.floor(longest) or longest
    if kind is Kind.purchase_counts:
        return _draw(kind.name, purchase_counts(purchases, rfm))
    if kind is Kind.p_alive_matrix:
        return _draw(kind.name, frequency_recency_matrix(purchases, "p_alive", T=longest))
    table = frequency_recency_matrix(purchases, "expected_purchases", T=longest, horizon=horizon)
    return _draw(kind.name, table)


def draw_portfolio(portfolio: "Portfolio", *, cumulative: bool) -> "Figure":
    """Draw orders and revenue of all customers, one above the other."""
    plt = _pyplot()
    from clvforecast import plots

    figure, axes = plt.subplots(2, figsize=(6.0, 6.6), layout="constrained")
    for ax, quantity in zip(axes, ("orders", "revenue"), strict=True):
        plots.plot_portfolio(portfolio, ax, quantity=quantity, cumulative=cumulative)
    plt.close(figure)
    return figure  # type: ignore[no-any-return]


def draw_result(name: str, found: Any) -> "Figure":
    """Draw a result with the plot of this name."""
    return _draw(name, found)


def draw_backtest(past: "Backtest") -> "Figure":
    """Draw how right the first model was at the last cutoff: four pictures on a page."""
    plt = _pyplot()
    from clvforecast import plots
    from clvforecast.evaluation import (
        decile_calibration,
        gains_curves,
        interval_coverage,
        pit_counts,
    )

    figure, ((top_left, top_right), (left, right)) = plt.subplots(
        2, 2, figsize=(9.6, 7.6), layout="constrained", gridspec_kw={"hspace": 0.08}
    )
    plots.plot_decile_calibration(decile_calibration(past), top_left)
    plots.plot_gains(gains_curves(past), top_right)
    plots.plot_pit(pit_counts(past), left)
    plots.plot_interval_coverage(interval_coverage(past), right)
    plt.close(figure)
    return figure  # type: ignore[no-any-return]


def draw_diagnosis(found: "Diagnosis") -> "Figure":
    """Draw the weekly orders of the same customers beside what even buying would give."""
    plt = _pyplot()
    from clvforecast import plots

    figure = plots.plot_weekly_orders(found.evidence["weeks"]).figure
    plt.close(figure)
    return figure  # type: ignore[return-value]


def draw_monitoring(found: "Monitoring") -> "Figure":
    """Draw everything that was watched."""
    plt = _pyplot()
    from clvforecast import plots

    figure = plots.plot_monitoring(found)[0, 0].figure
    plt.close(figure)
    return figure  # type: ignore[no-any-return]


def _draw(name: str, data: Any) -> "Figure":
    plt = _pyplot()
    from clvforecast import plots

    figure = getattr(plots, f"plot_{name}")(data).figure
    plt.close(figure)
    return figure  # type: ignore[no-any-return]


def _pyplot() -> Any:
    import matplotlib as mpl

    mpl.use("agg")  # a file is wanted, whatever display there is
    from matplotlib import pyplot as plt

    return plt
