"""Segments: what share of the customers, of the past and of the future each has, and who moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from clvforecast.errors import DataError
from clvforecast.plots._style import (
    BLUE,
    GREY,
    MEDIUM,
    SMALL,
    VERMILION,
    axes_for,
    label,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from clvforecast.decisions import Segmentation, SegmentTransitions

_BAR: Final = 0.26
_LONGEST_NAME: Final = 32
_DARK_FROM: Final = 0.5
"""Of the colour scale: beyond, numbers are written in white."""


def plot_segments(segmentation: Segmentation, ax: Axes | None = None, *, top: int = 20) -> Axes:
    """Draw each segment's share of customers, past value and future value.

    Parameters
    ----------
    segmentation : Segmentation
        What `segments` returns. With predictive limits, a line over the future value's bar shows
        them, as shares of the expected total of all customers.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.
    top : int
        How many segments to draw, those of the highest future value, in the table's order.

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
    from matplotlib.ticker import PercentFormatter

    table = segmentation.table
    most = np.sort(np.argsort(-table["clv"].to_numpy(), kind="stable")[:top])
    shown = table.iloc[most]
    shares = [("customer_share", "customers", "#D9D9D9")]
    shares += [("past_share", "past value", GREY)] if "past_share" in table.columns else []
    shares += [("clv_share", "future value", BLUE)]
    ax = axes_for(ax, width=6.0, height=1.0 + 0.12 * (len(shares) + 1) * len(shown))
    places = np.arange(len(shown), dtype=float)
    for k, (column, name, color) in enumerate(shares):
        at = places + (k - (len(shares) - 1) / 2) * _BAR
        ax.barh(at, shown[column], _BAR, label=name, color=color)
    total = float(segmentation.whole["clv"].iloc[0])
    if "clv_lower" in table.columns and total > 0:
        ax.hlines(
            at,
            shown["clv_lower"] / total,
            shown["clv_upper"] / total,
            color="black",
            linewidth=1.2,
            label=f"{segmentation.level:.0%} of futures",
        )
    names = [_text(key) for key in shown.index]
    marks = np.where(shown["small"] & (shown["customers"] > 0), "*", "")
    ax.set_yticks(places, [f"{n}{m}" for n, m in zip(names, marks, strict=True)], parse_math=False)
    ax.set_ylim(len(shown) - 0.4, -0.6)
    ax.set_xlim(left=min(0.0, float(shown[[column for column, *_ in shares]].min().min())))
    ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    handles, texts = ax.get_legend_handles_labels()
    order = sorted(range(len(texts)), key=lambda k: "futures" in texts[k])
    # Above the bars, which may reach anywhere.
    ax.legend(
        [handles[k] for k in order],
        [texts[k] for k in order],
        fontsize=SMALL,
        frameon=False,
        ncols=len(order),
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        borderaxespad=0.1,
    )
    few = f"\n* fewer than {segmentation.small} customers" if (marks == "*").any() else ""
    everyone = len(segmentation.customers)
    left_out = f" ({len(shown)} of {len(table)} segments)" if len(shown) < len(table) else ""
    label(
        ax,
        title=f"{everyone:,} customers by {', '.join(segmentation.by)}{left_out}",
        x=f"Share of all customers{few}",
        y="",
    )
    ax.set_title(
        ax.get_title(loc="left"), loc="left", fontsize=MEDIUM + 1, pad=20, parse_math=False
    )
    return ax


def plot_segment_transitions(transitions: SegmentTransitions, ax: Axes | None = None) -> Axes:
    """Draw where the customers of each segment have gone.

    The shade of a cell is its share of the row, the number in it the customers; who stayed is
    framed. Segments that nobody was in at either date are left out.

    Parameters
    ----------
    transitions : SegmentTransitions
        What `segment_transitions` returns.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
    """
    from matplotlib.patches import Rectangle

    everyone = transitions.counts
    rows = everyone.index[everyone.sum(axis="columns") > 0]
    columns = everyone.columns[everyone.sum(axis="index") > 0]
    counts = everyone.loc[rows, columns].to_numpy()
    shares = transitions.shares.loc[rows, columns].to_numpy()
    ax = axes_for(ax, width=2.0 + 0.55 * len(columns), height=1.8 + 0.3 * len(rows))
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            if counts[i, j]:
                color = "white" if shares[i, j] > _DARK_FROM else "black"
                number = f"{counts[i, j]:,}"
                ax.text(j, i, number, ha="center", va="center", fontsize=SMALL, color=color)
            if row == column:
                frame = Rectangle(
                    (j - 0.5, i - 0.5), 1, 1, fill=False, edgecolor=VERMILION, clip_on=False
                )
                ax.add_patch(frame)
    ax.set_xticks(range(len(columns)), [_text(name) for name in columns], parse_math=False)
    ax.tick_params(axis="x", rotation=40, length=0)
    for tick in ax.get_xticklabels():
        tick.set(ha="right", rotation_mode="anchor")
    ax.set_yticks(range(len(rows)), [_text(name) for name in rows], parse_math=False)
    ax.tick_params(axis="y", length=0)
    days = transitions.before, transitions.after
    since = "before", "after"
    label(
        ax,
        title="Customers by segment, framed: who stayed\nshade: share of the row",
        x=since[1] if days[1] is None else f"on {days[1]}",
        y=since[0] if days[0] is None else f"on {days[0]}",
    )
    ax.spines[:].set_visible(False)
    return ax


def _text(key: object) -> str:
    """A segment's name, cut where it would fill the picture."""
    name = " / ".join(map(str, key)) if isinstance(key, tuple) else str(key)
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
