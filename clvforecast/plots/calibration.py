"""What a backtest says of a forecast: is it right, for whom, and does it say how sure it is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from clvforecast.plots._style import (
    BLUE,
    GREY,
    SMALL,
    VERMILION,
    axes_for,
    check_columns,
    label,
)
from clvforecast.wording import format_days

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_ACTUAL: Final = ("customers", "actual", "actual_lower", "actual_upper")
_LINES: Final[tuple[tuple[str, str, str], ...]] = (
    (BLUE, "--", "s"),
    (VERMILION, "-.", "^"),
    ("#009E73", ":", "D"),
    ("#CC79A7", "--", "v"),
    (GREY, "-.", "P"),
)
"""Colour, dashes and marker of each forecast: they differ without colour."""
_CURRENCY: Final = "currency of the orders"
_UNITS: Final = {"D": "days", "W": "weeks", "M": "months", "Y": "years"}
_DECADE: Final = 10.0


def plot_conditional_expectation(
    table: pd.DataFrame, ax: Axes | None = None, *, currency: str = _CURRENCY
) -> Axes:
    """Draw what customers did after a cutoff by what they had done before, and what was expected.

    Parameters
    ----------
    table : pandas.DataFrame
        What `conditional_expectation` returns.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.
    currency : str
        Unit of the amounts, for the labels.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        If a column is missing.
    """
    check_columns(table, _ACTUAL)
    ax = axes_for(ax)
    places = list(range(len(table)))
    _means_with_limits(ax, places, table)
    predictions = [str(name) for name in table.columns if name not in _ACTUAL]
    for number, name in enumerate(predictions):
        color, dashes, marker = _LINES[number % len(_LINES)]
        ax.plot(
            places,
            table[name],
            dashes,
            marker=marker,
            color=color,
            markersize=4,
            linewidth=1.2,
            label=name,
        )
    names = [str(group).replace(" to ", "-") for group in table.index]
    ax.set_xticks(places, [f"{n}\n({c:,})" for n, c in zip(names, table["customers"], strict=True)])
    ax.set_ylim(bottom=0)
    ax.legend(fontsize=SMALL, frameon=False, loc="upper left")
    by = str(table.index.name)
    what = {
        "frequency": "Repeat purchases in calibration",
        "recency": f"Recency, first to last purchase ({_unit(table)}; 0: bought once)",
    }.get(by, by)
    label(
        ax,
        title=_title(table),
        x=f"{what}\nIn brackets: customers",
        y=_mean_per_customer(table, currency),
    )
    return ax


def plot_decile_calibration(
    table: pd.DataFrame, ax: Axes | None = None, *, currency: str = _CURRENCY
) -> Axes:
    """Draw what each tenth of the customers by prediction did, and what was predicted.

    The axis of values is logarithmic where tenths differ by more than a factor of ten, and turns
    linear below the smallest of them.

    Parameters
    ----------
    table : pandas.DataFrame
        What `decile_calibration` returns.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.
    currency : str
        Unit of the amounts, for the labels.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        If a column is missing.
    """
    check_columns(table, ("predicted", *_ACTUAL[1:]))
    ax = axes_for(ax)
    places = list(range(len(table)))
    _means_with_limits(ax, places, table)
    color, _, marker = _LINES[0]
    name = table.attrs.get("model", "predicted")
    ax.plot(places, table["predicted"], marker, color=color, markersize=5, label=name)
    ax.set_xticks(places, [str(decile) for decile in table.index])
    _logarithmic_if_wide(ax, table)
    ax.legend(fontsize=SMALL, frameon=False, loc="upper right")
    label(
        ax,
        title=_title(table),
        x="Decile of prediction (1 = the highest tenth)",
        y=_mean_per_customer(table, currency),
    )
    return ax


def plot_pit(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw the randomised PIT histogram, and the band within which right laws keep it.

    A U says that the laws are too narrow, a hump too wide, a slope too low or too high.

    Parameters
    ----------
    table : pandas.DataFrame
        What `pit_counts` returns.
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
    check_columns(table, ("to", "customers", "expected", "lower", "upper"))
    ax = axes_for(ax)
    ax.bar(
        table.index,
        table["customers"],
        table["to"] - table.index,
        align="edge",
        color="#7FB8D9",
        edgecolor="white",
        label=table.attrs.get("model", "customers"),
    )
    edges = [*table.index, table["to"].iloc[-1]]
    low, high = ([*table[end], table[end].iloc[-1]] for end in ("lower", "upper"))
    held = f"{table.attrs.get('confidence', 0.95):.0%} of counts, if the laws are right"
    ax.fill_between(
        edges, low, high, step="post", color="black", alpha=0.18, linewidth=0, label=held
    )
    ax.axhline(table["expected"].iloc[0], color="black", linewidth=0.8, linestyle="--")
    ax.set_xlim(edges[0], edges[-1])
    ax.set_ylim(0, 1.35 * max(*table["customers"], *high))
    ax.legend(fontsize=SMALL, frameon=False, loc="upper left")
    label(
        ax,
        title=_title(table),
        x="Where in his law a customer came out (randomised PIT)",
        y="Customers",
    )
    return ax


def plot_interval_coverage(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw which share of the customers predictive intervals held, against what they promise.

    Parameters
    ----------
    table : pandas.DataFrame
        What `interval_coverage` returns.
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
    check_columns(table, ("covered", "randomised", "lower", "upper"))
    ax = axes_for(ax, height=4.0)
    held = f"{table.attrs.get('confidence', 0.95):.0%} of these, if the laws are right"
    ax.plot([0, 1], [0, 1], color="black", linewidth=0.8, label="_as promised")
    table = table.sort_index()
    name = f"{table.attrs['model']}, " if "model" in table.attrs else ""
    ax.plot(
        table.index,
        table["covered"],
        "--",
        marker="^",
        color=VERMILION,
        markersize=4,
        linewidth=1.2,
        label=f"{name}intervals as given",
    )
    ax.plot(
        table.index,
        table["randomised"],
        "s",
        color=BLUE,
        markersize=3,
        label=f"{name}randomised ends",
    )
    ax.fill_between(
        table.index, table["lower"], table["upper"], color=GREY, alpha=0.5, linewidth=0, label=held
    )
    _percent_axes(ax)
    ax.legend(fontsize=SMALL, frameon=False, loc="lower right")
    label(
        ax,
        title=_title(table),
        x="Probability of the predictive interval",
        y="Customers inside it",
    )
    return ax


def plot_gains(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw which share of what came is captured by targeting the customers with the best forecasts.

    Parameters
    ----------
    table : pandas.DataFrame
        What `gains_curves` returns.
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
    check_columns(table, ("perfect",))
    ax = axes_for(ax, height=4.0)
    known = table.attrs.get("gini", {})
    ax.plot(table.index, table["perfect"], color="black", linewidth=0.8, label="perfect order")
    forecasts = [name for name in table.columns if name != "perfect"]
    for number, name in enumerate(forecasts):
        color, dashes, _ = _LINES[number % len(_LINES)]
        text = f"{name} (Gini {known[name]:.2f})" if name in known else name
        ax.plot(
            table.index,
            table[name],
            dashes if number else "-",
            color=color,
            linewidth=1.6,
            label=text,
        )
    ax.plot([0, 1], [0, 1], ":", color="black", linewidth=0.8, label="random order")
    _percent_axes(ax)
    ax.legend(fontsize=SMALL, frameon=False, loc="lower right")
    label(
        ax,
        title=_title(table),
        x="Customers targeted, best forecast first",
        y=f"Share of all {_what(table).lower()}",
    )
    return ax


def _means_with_limits(ax: Axes, places: list[int], table: pd.DataFrame) -> None:
    """Points with the confidence limits of the mean."""
    below, above = table["actual"] - table["actual_lower"], table["actual_upper"] - table["actual"]
    ax.errorbar(
        places,
        table["actual"],
        [below, above],
        fmt="o",
        color="black",
        markersize=4,
        linewidth=1.0,
        capsize=2.5,
        label="actual, 95% confidence",
    )


def _logarithmic_if_wide(ax: Axes, table: pd.DataFrame) -> None:
    """Show tenths that differ by more than a factor of ten; a tenth of nothing stays at 0."""
    from matplotlib.ticker import StrMethodFormatter, SymmetricalLogLocator

    values = table[["predicted", "actual", "actual_lower"]].to_numpy()
    positive = values[values > 0]
    ax.set_ylim(bottom=0)
    if not positive.size or positive.max() < _DECADE * positive.min():
        return
    linear = _DECADE ** math.floor(math.log10(positive.min()))
    ax.set_yscale("symlog", linthresh=linear)
    ax.yaxis.set_major_locator(
        SymmetricalLogLocator(base=_DECADE, linthresh=linear, subs=(1, 2, 5))
    )
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    if (values[:, :2] > 0).all():
        ax.set_ylim(bottom=0.8 * positive.min())


def _percent_axes(ax: Axes) -> None:
    from matplotlib.ticker import PercentFormatter

    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1.02)


def _what(table: pd.DataFrame) -> str:
    return str(table.attrs.get("target", "values")).capitalize()


def _title(table: pd.DataFrame) -> str:
    days: Any = table.attrs.get("horizon_days")
    span = "holdout" if days is None else f"{format_days(days)} after {table.attrs['cutoff']}"
    return f"{_what(table)} in the {span}"


def _unit(table: pd.DataFrame) -> str:
    return _UNITS.get(table.attrs.get("time_unit", ""), "time units")


def _mean_per_customer(table: pd.DataFrame, currency: str) -> str:
    money = f" ({currency})" if table.attrs.get("target") == "spend" else ""
    return f"Mean per customer{money}"
