"""The public plots by the names they have on the command line."""

# No postponed annotations here: typer reads them while the program runs.
import enum
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from clvforecast.comparison import Comparison
    from clvforecast.fitting import Fit
    from clvforecast.portfolios import Portfolio

__all__ = ["KINDS", "Kind", "draw_comparison", "draw_portfolio", "draw_purchases"]


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
    return _draw(kind, both)


def draw_purchases(kind: Kind, purchases: "Fit", rfm: "pd.DataFrame", horizon: str) -> "Figure":
    """Draw a picture of the purchase model; matrices are for the longest T, in whole units."""
    from clvforecast.customers.matrices import frequency_recency_matrix, purchase_counts

    longest = float(rfm["T"].max())
    longest = math.floor(longest) or longest
    if kind is Kind.purchase_counts:
        return _draw(kind, purchase_counts(purchases, rfm))
    if kind is Kind.p_alive_matrix:
        return _draw(kind, frequency_recency_matrix(purchases, "p_alive", T=longest))
    table = frequency_recency_matrix(purchases, "expected_purchases", T=longest, horizon=horizon)
    return _draw(kind, table)


def draw_portfolio(portfolio: "Portfolio", *, cumulative: bool) -> "Figure":
    """Draw orders and revenue of all customers, one above the other."""
    plt = _pyplot()
    from clvforecast import plots

    figure, axes = plt.subplots(2, figsize=(6.0, 6.6), layout="constrained")
    for ax, quantity in zip(axes, ("orders", "revenue"), strict=True):
        plots.plot_portfolio(portfolio, ax, quantity=quantity, cumulative=cumulative)
    plt.close(figure)
    return figure  # type: ignore[no-any-return]


def _draw(kind: Kind, data: Any) -> "Figure":
    plt = _pyplot()
    from clvforecast import plots

    figure = getattr(plots, f"plot_{kind.name}")(data).figure
    plt.close(figure)
    return figure  # type: ignore[no-any-return]


def _pyplot() -> Any:
    import matplotlib as mpl

    mpl.use("agg")  # a file is wanted, whatever display there is
    from matplotlib import pyplot as plt

    return plt
