"""What the business adds up to: the fan of its possible futures, and what then happened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from clvforecast.errors import DataError, suggest
from clvforecast.plots._style import GREY, SMALL, VERMILION, axes_for, label, shorten
from clvforecast.wording import format_span

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from clvforecast.numerics.arrays import FloatArray
    from clvforecast.portfolios import Portfolio

_QUANTITIES: Final = ("orders", "revenue")
_PERIODS: Final = {"D": "day", "W": "week", "M": "month", "Y": "year"}
_SHADES: Final = (0.15, 0.55)
"""Of the widest interval and of the narrowest, as the share of full blue."""
_DARK: Final = "#00466E"
_FEW: Final = 60
"""Beyond so many periods, the marks of what happened get smaller."""


def plot_portfolio(
    portfolio: Portfolio,
    ax: Axes | None = None,
    *,
    quantity: str = "orders",
    levels: Sequence[float] = (0.5, 0.8, 0.95),
    cumulative: bool = False,
    actual: pd.DataFrame | pd.Series[Any] | None = None,
    segment: Any = None,
    currency: str = "currency of the orders",
) -> Axes:
    """Draw the fan of a portfolio's possible futures, with what happened over it.

    Parameters
    ----------
    portfolio : Portfolio
        What `clvforecast.portfolio` returns.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.
    quantity : {"orders", "revenue"}
        What is drawn.
    levels : sequence of float
        Probabilities of the predictive intervals, one shade each.
    cumulative : bool
        Add up from the first period on.
    actual : DataFrame or Series, optional
        What happened, as `Portfolio.track` takes it.
    segment : optional
        Which segment to draw, where there are several.
    currency : str
        Unit of the amounts, for the labels.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        If the segment or the quantity is not there, or `actual` is of other periods.
    """
    if quantity not in _QUANTITIES:
        raise DataError(f"quantity={quantity!r}. {suggest(str(quantity), _QUANTITIES)}")
    if not len(levels):
        raise DataError("levels=() leaves nothing to shade. Pass (0.5, 0.9), say.")
    chosen = _position(portfolio, segment)
    edges = _edges(portfolio)
    x = edges if cumulative else np.repeat(edges, 2)[1:-1]

    def line(table: pd.DataFrame, column: str) -> FloatArray:
        return _outline(_of_segment(table[column], chosen, portfolio), cumulative=cumulative)

    ax = axes_for(ax, width=6.0)
    shades = np.linspace(*_SHADES, len(levels)) if len(levels) > 1 else np.array([0.3])
    for level, shade in zip(sorted(levels, reverse=True), shades, strict=True):
        table = portfolio.table(level, cumulative=cumulative)
        ax.fill_between(
            x,
            line(table, f"{quantity}_lower"),
            line(table, f"{quantity}_upper"),
            color=(1 - shade, 1 - 0.55 * shade, 1 - 0.3 * shade),
            linewidth=0,
            label=f"{100 * level:g}% interval",
        )
    ax.plot(x, line(table, quantity), color=_DARK, linewidth=1.2, label="expected")
    if table[f"{quantity}_from_new"].any():
        from_new = line(table, f"{quantity}_from_new")
        ax.plot(x, from_new, "--", color=GREY, linewidth=1.2, label="of these, from new customers")
    if actual is not None:
        tracked = portfolio.track(actual, cumulative=cumulative)[f"{quantity}_actual"]
        happened = _of_segment(tracked, chosen, portfolio)
        at = edges[1 : happened.size + 1]
        if not cumulative:
            at = (at + edges[: happened.size]) / 2
        size = 3.0 if happened.size <= _FEW else 1.5
        ax.plot(at, happened, "o", color=VERMILION, markersize=size, label="actual")
    _finish(ax, portfolio, quantity, segment, currency, cumulative=cumulative)
    return ax


def _position(portfolio: Portfolio, segment: Any) -> int:
    segments = portfolio.segments
    if segments is None:
        if segment is not None:
            raise DataError(f"segment={segment!r}: the portfolio has no segments. Pass by= to it.")
        return 0
    if segment is None and len(segments) == 1:
        return 0
    if segment is None or segment not in segments:
        raise DataError(
            f"segment={segment!r} is none of the portfolio's {len(segments):,}. "
            f"{suggest(str(segment), map(str, segments))} For all customers together, leave by= "
            "out of the portfolio: intervals of segments do not add up."
        )
    return int(segments.get_loc(segment))  # type: ignore[arg-type]


def _of_segment(column: pd.Series[Any], chosen: int, portfolio: Portfolio) -> FloatArray:
    segments = 1 if portfolio.segments is None else len(portfolio.segments)
    values: FloatArray = column.to_numpy(dtype=float).reshape(segments, -1)[chosen]
    return values


def _outline(values: FloatArray, *, cumulative: bool) -> FloatArray:
    """Height at every edge when added up from 0, else a step per period."""
    return np.concatenate([[0.0], values]) if cumulative else np.repeat(values, 2)


def _edges(portfolio: Portfolio) -> FloatArray:
    """Where periods begin and end: days as matplotlib counts them, or time units."""
    upto = np.concatenate([[0.0], np.cumsum(portfolio.periods.lengths)])
    if not portfolio.periods.in_days:
        return upto
    from matplotlib.dates import date2num

    first = float(date2num(portfolio.periods.start[0]))  # type: ignore[no-untyped-call]
    return upto + first


def _finish(
    ax: Axes,
    portfolio: Portfolio,
    quantity: str,
    segment: Any,
    currency: str,
    *,
    cumulative: bool,
) -> None:
    """Scales, labels and key."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.ticker import StrMethodFormatter

    known, periods = portfolio.attrs, portfolio.periods
    if periods.in_days:
        locator = AutoDateLocator(maxticks=7)  # type: ignore[no-untyped-call]
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
        ax.xaxis.get_offset_text().set_fontsize(SMALL)
    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    ax.set_ylim(bottom=0)
    ax.margins(x=0.01)
    span = format_span(known["horizon"], known["time_unit"])
    since = f"added up over {span}" if cumulative else f"per {_PERIODS[known['period']]}"
    whose = f"{known['customers']:,} customers" if segment is None else shorten(str(segment))
    money = f"\n({currency})" if quantity == "revenue" else ""
    held = "with" if known["parameter_uncertainty"] else "without"
    unit = _PERIODS.get(known["time_unit"], "time unit")
    ahead = "" if periods.in_days else f"{unit.capitalize()}s ahead\n"
    ax.legend(fontsize=SMALL, frameon=False, loc="upper left" if cumulative else "best")
    label(
        ax,
        title=f"{quantity.capitalize()} {since}, {whose}",
        x=f"{ahead}Predictive intervals, {held} the uncertainty of the parameters",
        y=f"{quantity.capitalize()}{money}",
    )
