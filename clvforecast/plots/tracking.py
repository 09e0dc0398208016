"""A log over time: what was bought in every period, and what was to be expected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from clvforecast.plots._style import (
    BLUE,
    LIGHT,
    SMALL,
    VERMILION,
    axes_for,
    check_columns,
    label,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_PERIODS: Final = {"D": "day", "W": "week", "M": "month", "Y": "year"}
_TWO: Final = 2.0
"""Standard errors, either way."""


def plot_purchase_tracking(
    table: pd.DataFrame, ax: Axes | None = None, *, cumulative: bool = False
) -> Axes:
    """Draw repeat purchases over time, actual and expected, through calibration and holdout.

    Parameters
    ----------
    table : pandas.DataFrame
        What `purchase_tracking` returns.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.
    cumulative : bool
        Add up from the first order on.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        If a column is missing.
    """
    from matplotlib.ticker import StrMethodFormatter

    ending = "_cumulative" if cumulative else ""
    actual, expected = f"actual{ending}", f"expected{ending}"
    check_columns(table, ("end", actual, expected))
    known = table.attrs
    # What is added up is known at the end of a period; what fell into one belongs to its middle.
    days = table["end"] if cumulative else table.index + (table["end"] - table.index) / 2

    ax = axes_for(ax, width=6.0)
    ax.plot(days, table[actual], color=VERMILION, linewidth=1.2, label="actual")
    model = known.get("model", "the model")
    ax.plot(days, table[expected], "--", color=BLUE, linewidth=1.6, label=f"expected by {model}")
    if "cutoff" in known:
        ends = f"calibration ends {known['cutoff']}"
        ax.axvline(np.datetime64(known["cutoff"]), color="black", linewidth=0.8, label=ends)  # type: ignore[arg-type]
    ax.set_xlim(table.index[0], table["end"].iloc[-1])
    ax.set_ylim(bottom=0)
    _date_axis(ax)
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    ax.legend(fontsize=SMALL, frameon=False, loc="upper left" if cumulative else "best")
    since = "added up" if cumulative else f"per {_PERIODS.get(known.get('period', ''), 'period')}"
    whose = f", {known['customers']:,} customers" if "customers" in known else ""
    label(ax, title=f"Repeat purchases {since}{whose}", x="", y="Repeat purchases")
    return ax


def plot_weekly_orders(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the orders of every week, beside those of customers who buy evenly.

    Parameters
    ----------
    table : pandas.DataFrame
        ``evidence["weeks"]`` of a `Diagnosis`: orders between customers' first and last, those
        `expected`, and the `standard_error` of chance.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        If a column is missing.
    """
    check_columns(table, ("orders", "expected", "standard_error"))
    ax = axes_for(ax, width=6.0)
    chance = _TWO * table["standard_error"]
    low, high = table["expected"] - chance, table["expected"] + chance
    ax.fill_between(table.index, low, high, color=LIGHT, linewidth=0, label="two standard errors")
    ax.plot(table.index, table["expected"], "--", color=BLUE, linewidth=1.6, label="even buying")
    ax.plot(table.index, table["orders"], color=VERMILION, linewidth=1.2, label="actual")
    ax.set_ylim(bottom=0)
    ax.margins(x=0.01)
    _date_axis(ax)
    ax.legend(fontsize=SMALL, frameon=False, loc="best")
    label(
        ax,
        title="Weekly orders, against even buying",
        x="Orders between each customer's first and last",
        y="Orders per week",
    )
    return ax


def _date_axis(ax: Axes) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(maxticks=7)  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    ax.xaxis.get_offset_text().set_fontsize(SMALL)
