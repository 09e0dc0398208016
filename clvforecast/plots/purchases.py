"""What a purchase model says, and how well it fits: tables of purchases, three pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clvforecast.plots._style import LIGHT, axes_for, check_columns, colorbar, label, paired_bars
from clvforecast.wording import format_span

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_UNITS: Final = {"D": "days", "W": "weeks", "M": "months", "Y": "years"}


def plot_p_alive_matrix(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw P(alive) by frequency and recency.

    Parameters
    ----------
    table : pandas.DataFrame
        What ``frequency_recency_matrix(model, "p_alive", T=...)`` returns.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
    """
    note = "One-time buyers: recency 0"
    if table.iloc[0, 0] == 1:
        model = table.attrs.get("model", "The model").replace("NBD", "/NBD")
        note += f";\n{model} gives them all P(alive) = 1"
    return _matrix(table, ax, "P(alive)", f"P(alive) {_since_first(table)}", note, top=1.0)


def plot_expected_purchases_matrix(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the expected number of purchases by frequency and recency.

    Parameters
    ----------
    table : pandas.DataFrame
        What ``frequency_recency_matrix(model, "expected_purchases", T=..., horizon=...)`` returns.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ahead = _length(table, "horizon")
    note = f"One-time buyers: recency 0, {float(table.iloc[0].iloc[0]):.2f} expected"
    title = f"Purchases in the next {ahead},\n{_since_first(table)}"
    return _matrix(table, ax, "Expected purchases", title, note, top=None)


def _matrix(
    table: pd.DataFrame, ax: Axes | None, what: str, title: str, note: str, top: float | None
) -> Axes:
    from matplotlib.ticker import MaxNLocator

    ax = axes_for(ax, height=4.0)
    ax.set_facecolor(LIGHT)
    mesh = ax.pcolormesh(
        table.columns, table.index, table, cmap="viridis", vmin=0, vmax=top, shading="nearest"
    )
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    colorbar(ax, mesh, what)
    label(
        ax,
        title=title,
        x=f"Frequency (repeat purchases)\n{note}",
        y=f"Recency, first to last ({_unit(table)})",
    )
    return ax


def _unit(table: pd.DataFrame) -> str:
    return _UNITS.get(table.attrs.get("time_unit") or "", "time units")


def _since_first(table: pd.DataFrame) -> str:
    return f"{_length(table, 'T')} after first purchase"


def _length(table: pd.DataFrame, attribute: str) -> str:
    return format_span(table.attrs[attribute], table.attrs["time_unit"])


def plot_purchase_counts(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw how many customers made how many repeat purchases, beside what the model expects.

    Parameters
    ----------
    table : pandas.DataFrame
        Columns `actual` and `expected` (numbers of customers), indexed by the number of repeat
        purchases; the last may be a text such as "7+".
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
    from matplotlib.ticker import StrMethodFormatter

    check_columns(table, ("actual", "expected"))
    ax = axes_for(ax)
    paired_bars(ax, table["actual"], table["expected"], ("actual", "expected by the model"))
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    label(
        ax,
        title="Repeat purchases, fit and data",
        x="Number of repeat purchases",
        y="Customers",
    )
    return ax
