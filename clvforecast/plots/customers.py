"""The forecast against the past: one `Comparison`, three pictures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from clvforecast.errors import DataError
from clvforecast.plots._style import (
    BLUE,
    GREY,
    MEDIUM,
    SMALL,
    VERMILION,
    axes_for,
    colorbar,
    label,
    paired_bars,
    shorten,
)
from clvforecast.wording import format_days

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from clvforecast.comparison import Comparison

_CURRENCY: Final = "currency of the orders"
_LEAST_SHARE_SHOWN: Final = 1e-5
_MOVES: Final[dict[str, tuple[str, Literal["-", "--", ":"]]]] = {
    "rises": (BLUE, "-"),
    "falls": (VERMILION, "--"),
    "stays": (GREY, ":"),
}


def plot_predicted_vs_historical(
    comparison: Comparison, ax: Axes | None = None, *, currency: str = _CURRENCY
) -> Axes:
    """Draw each customer's forecast against the simple formula, both axes logarithmic.

    Near zero the axes turn linear, so that customers worth nothing are shown too. On the line both
    sides agree.

    Parameters
    ----------
    comparison : Comparison
        What `compare` returns.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.
    currency : str
        Unit of the amounts, for the labels.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax = axes_for(ax, height=4.4)
    table, span = comparison.customers, format_days(comparison.horizon_days)
    linear, lowest, highest = _log_range(table[["simple_projection", "clv"]])
    ax.set_xscale("symlog", linthresh=linear)
    ax.set_yscale("symlog", linthresh=linear)
    ax.plot([lowest, highest], [lowest, highest], color="black", linewidth=0.8, label="both agree")
    points = ax.scatter(
        table["simple_projection"],
        table["clv"],
        c=table["p_alive"],
        cmap="viridis",
        vmin=0,
        vmax=1,
        s=6,
        linewidths=0,
        alpha=0.7,
        rasterized=len(table) > 2_000,
    )
    ax.set_xlim(lowest, highest)
    ax.set_ylim(lowest, highest)
    ax.legend(fontsize=SMALL, frameon=False, loc="upper left")
    colorbar(ax, points, "P(alive)")
    certain = int((table["p_alive"] == 1).sum())
    note = f"\nP(alive) = 1 for {certain:,}: BG/NBD gives it\nto everyone who bought once only"
    label(
        ax,
        title=f"Next {span}, {len(table):,} customers",
        x=f"Simple formula ({currency}){note if certain else ''}",
        y=f"Forecast ({currency})",
    )
    return ax


def _log_range(amounts: pd.DataFrame) -> tuple[float, float, float]:
    """Say where axes turn linear, and where they begin and end."""
    values = amounts.to_numpy(dtype=float)
    positive = values[values > 0]
    if positive.size == 0:
        return 1.0, min(-1.0, 1.5 * float(values.min())), 1.0
    # Who is surely gone is worth 1e-30, say: decades for such amounts would squeeze all others.
    highest = float(values.max())
    least = max(float(np.quantile(positive, 0.05)), highest * _LEAST_SHARE_SHOWN)
    linear = 10.0 ** math.floor(math.log10(least))
    return linear, min(-0.5 * linear, 1.5 * float(values.min())), 1.5 * highest


def plot_rank_movement(comparison: Comparison, ax: Axes | None = None, *, top: int = 10) -> Axes:
    """Draw how the most valuable customers of the past and of the future change places.

    Shown are the `top` customers by past value and the `top` by forecast. Places are evenly spaced
    so that all names can be read; the rank among all customers is written beside each.

    Parameters
    ----------
    comparison : Comparison
        What `compare` returns.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.
    top : int
        How many to show from either side.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        If `top` is not positive.
    """
    if top < 1:
        raise DataError(f"top={top!r} must be 1 or more.")
    from matplotlib.lines import Line2D

    ranks = comparison.customers[["rank_past", "rank_forecast"]]
    shown = ranks[(ranks.rank(method="first") <= top).any(axis="columns")]
    ax = axes_for(ax, height=1.1 + 0.2 * len(shown))
    places = shown.rank(method="first").to_numpy()
    text: dict[str, Any] = {"va": "center", "fontsize": SMALL, "parse_math": False}
    for customer, (before, after), (left, right) in zip(
        shown.index, shown.to_numpy(), places, strict=True
    ):
        color, line = _MOVES["stays" if before == after else "rises" if after < before else "falls"]
        ax.plot([0, 1], [left, right], line, color=color, marker="o", markersize=3, linewidth=1.2)
        name = shorten(str(customer))
        ax.text(-0.04, left, f"{name}  #{before:,}", ha="right", **text)
        ax.text(1.04, right, f"#{after:,}  {name}", ha="left", **text)
    ax.set_xlim(-0.75, 1.75)
    ax.set_ylim(len(shown) + 0.7, 0.3)
    ax.legend(
        handles=[Line2D([], [], color=c, linestyle=s, label=n) for n, (c, s) in _MOVES.items()],
        fontsize=SMALL,
        frameon=False,
        ncols=3,
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
    )
    label(ax, title=f"Ranks among {len(ranks):,} customers", x="", y="")
    ax.set_xticks([0, 1], ["Past value", "Forecast"])
    ax.xaxis.tick_top()
    ax.tick_params(axis="x", length=0, labelsize=MEDIUM)
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    return ax


def plot_future_share_by_decile(comparison: Comparison, ax: Axes | None = None) -> Axes:
    """Draw which share of the future value comes from each tenth of customers by past value.

    Parameters
    ----------
    comparison : Comparison
        What `compare` returns.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
    """
    from matplotlib.ticker import PercentFormatter

    ax = axes_for(ax)
    table = comparison.by_decile()
    past, future = paired_bars(
        ax,
        table["past_share"],
        table["clv_share"],
        ("share of past value", "share of forecast (written above)"),
    )
    for left, right, share in zip(past, future, table["clv_share"], strict=True):
        # Above both bars and between them: at half-page width a number is wider than its bar.
        at = right.get_x(), max(left.get_height(), right.get_height(), 0.0)
        ax.annotate(
            f"{share:.0%}",
            at,
            (0, 2),
            textcoords="offset points",
            fontsize=SMALL - 1,
            color=BLUE,
            ha="center",
        )
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    label(
        ax,
        title=f"Value of the next {format_days(comparison.horizon_days)} by decile",
        x="Decile of past value\n(1 = the most valuable tenth)",
        y="Share of the total",
    )
    return ax
