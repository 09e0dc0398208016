"""A log watched over time: value, forecasts beside what came, customers and parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from clvforecast.errors import DataError, suggest
from clvforecast.plots._style import BLUE, GREY, SMALL, VERMILION, axes_for, label
from clvforecast.units import days_per, duration_in_units
from clvforecast.wording import format_days

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from clvforecast.decisions import Monitoring

__all__ = ["plot_monitored", "plot_monitoring"]

_LIGHT_BLUE: Final = "#9CC9E3"
_PERIODS: Final = {"W": "week", "M": "month", "Q": "quarter"}
_UNITS: Final = {"D": "day", "W": "week", "M": "month", "Y": "year"}
_MEANINGS: Final = {
    "purchase_rate": "Mean purchase rate while active",
    "dropout_probability": "Mean probability of dropout",
    "order_value": "Mean value of an order",
}
_ALERTS_ABOUT: Final = {"purchase_rate": "buying", "order_value": "spending"}
_PANELS: Final = (
    ("value", "customers"),
    ("orders", "revenue"),
    ("purchase_rate", "order_value"),
    ("dropout_probability", "alive"),
)
_DATE: Final = {"W": "%d %b\n%Y", "M": "%b\n%Y"}
_MOST_DATES: Final = 8
_MARGIN: Final = 0.04
_BELOW_KEY: Final = 0.88
"""Share of a panel's height."""
_ROOM: Final = 1.25
"""Above the highest mark, for the key."""


def plot_monitoring(
    monitoring: Monitoring, *, currency: str = "currency of the orders"
) -> NDArray[np.object_]:
    """Draw everything that was watched: a panel each, in a new figure.

    Parameters
    ----------
    monitoring : Monitoring
        What `clvforecast.monitor` returns.
    currency : str
        Unit of the amounts, for the labels.

    Returns
    -------
    ndarray of matplotlib.axes.Axes
        Two in a row. Panels of what the models do not have are left out.
    """
    from matplotlib import pyplot as plt
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    known = {"value", "customers", "orders", "revenue", "alive", *_parameters(monitoring)}
    rows = [row for row in _PANELS if known.issuperset(row)]
    engine = ConstrainedLayoutEngine(h_pad=0.08, w_pad=0.08)
    axes = plt.subplots(len(rows), 2, figsize=(9.5, 2.6 * len(rows)), layout=engine, squeeze=False)[
        1
    ]
    for places, names in zip(axes, rows, strict=True):
        for ax, name in zip(places, names, strict=True):
            plot_monitored(monitoring, ax, what=name, currency=currency)
    return np.asarray(axes)


def plot_monitored(
    monitoring: Monitoring,
    ax: Axes | None = None,
    *,
    what: str = "orders",
    currency: str = "currency of the orders",
) -> Axes:
    """Draw one of the things that were watched, over time.

    Parameters
    ----------
    monitoring : Monitoring
        What `clvforecast.monitor` returns.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.
    what : str
        "orders" or "revenue": what had been forecast of each period, with its predictive interval,
        and what came. "value": future value with its predictive interval. "customers", "alive", or
        a parameter, such as "purchase_rate", with its confidence limits.
    currency : str
        Unit of the amounts, for the labels.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        If `what` is not there.
    """
    known = ["orders", "revenue", "value", "customers", "alive", *_parameters(monitoring)]
    if what not in known:
        raise DataError(f"what={what!r} was not watched. {suggest(str(what), known)}")
    ax = axes_for(ax, width=6.0, height=3.2)
    if what in ("orders", "revenue"):
        _errors(ax, monitoring, what, currency)
    elif what == "value":
        _value(ax, monitoring, currency)
    elif what == "customers":
        _customers(ax, monitoring)
    elif what == "alive":
        _alive(ax, monitoring)
    else:
        _parameter(ax, monitoring, what, currency)
    _dates(ax, monitoring)
    return ax


def _parameters(monitoring: Monitoring) -> list[str]:
    return [str(name) for name in monitoring.parameters.index.unique("parameter")]


def _errors(ax: Axes, monitoring: Monitoring, what: str, currency: str) -> None:
    rows = monitoring.errors.xs("period", level="span").xs(what, level="quantity")
    at = _numbers(rows["until"])
    level = monitoring.attrs["level"]
    wide = 0.5 * float(np.diff(at).mean()) if len(at) > 1 else 12.0
    ax.bar(
        at,
        rows["upper"] - rows["lower"],
        wide,
        bottom=rows["lower"],
        color=_LIGHT_BLUE,
        label=f"{level:.0%} of futures",
    )
    ax.hlines(rows["expected"], at - wide / 2, at + wide / 2, color=BLUE, linewidth=1.2)
    actual = rows["actual"].to_numpy(dtype=float)
    inside = rows["inside"].fillna(value=False).to_numpy(dtype=bool)
    over = np.isfinite(actual)
    for chosen, marker, color, name in (
        (over & inside, "o", "black", "came"),
        (over & ~inside, "D", VERMILION, "came, outside"),
    ):
        ax.plot(at[chosen], actual[chosen], marker, color=color, markersize=4.5, label=name)
    heights = [*rows["upper"], *actual[over], 0.0]
    bottom = min(*rows["lower"], *actual[over], np.inf)
    span = max(heights) - bottom
    ax.set_ylim(max(bottom - 0.12 * span, 0.0), bottom + (_ROOM + 0.1) * span)
    _mark_alerts(ax, at[rows["alert"].to_numpy(dtype=bool)])
    _key(ax)
    money = f"\n({currency})" if what == "revenue" else ""
    name = what.capitalize()
    period = _PERIODS[monitoring.attrs["period"]]
    label(
        ax,
        title=f"{name} of customers known a {period} before",
        x="",
        y=f"{name} per {period}{money}",
    )
    _thousands(ax)


def _value(ax: Axes, monitoring: Monitoring, currency: str) -> None:
    totals, known = monitoring.totals, monitoring.attrs
    at = _numbers(totals.index)
    ax.fill_between(
        at,
        totals["clv_lower"],
        totals["clv_upper"],
        color=_LIGHT_BLUE,
        linewidth=0,
        label=f"{known['level']:.0%} of futures",
    )
    ax.plot(at, totals["clv"], "o-", color=BLUE, markersize=3, linewidth=1.4, label="expected")
    unit = known["time_unit"]
    horizon = format_days(duration_in_units(known["horizon"], unit) * days_per(unit))
    ax.set_ylim(0.0, _ROOM * float(totals["clv_upper"].max()))
    _key(ax)
    label(ax, title=f"Future value over {horizon}", x="", y=f"Value\n({currency})")
    _thousands(ax)


def _customers(ax: Axes, monitoring: Monitoring) -> None:
    totals = monitoring.totals
    at = _numbers(totals.index)
    for column, style, color, name in (
        ("active", "o-", BLUE, "who ordered"),
        ("new_customers", "s--", GREY, "of these, new"),
    ):
        ax.plot(at, totals[column], style, color=color, markersize=3, linewidth=1.4, label=name)
    ax.set_ylim(0.0, _ROOM * max(float(totals["active"].max()), 1.0))
    _key(ax)
    period = _PERIODS[monitoring.attrs["period"]]
    label(ax, title=f"Customers who ordered in the {period}", x="", y="Customers")
    _thousands(ax)


def _alive(ax: Axes, monitoring: Monitoring) -> None:
    from matplotlib.ticker import PercentFormatter

    totals = monitoring.totals
    ax.plot(
        _numbers(totals.index),
        totals["mean_p_alive"],
        "o-",
        color=BLUE,
        markersize=3,
        linewidth=1.4,
    )
    ax.set_ylim(0.0, 1.05)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    label(ax, title="Expected share of customers still active", x="", y="Mean P(alive)")


def _parameter(ax: Axes, monitoring: Monitoring, what: str, currency: str) -> None:
    from matplotlib.ticker import PercentFormatter

    rows = monitoring.parameters.xs(what, level="parameter")
    at = _numbers(rows.index)
    limits = rows[["lower", "upper"]].to_numpy(dtype=float)
    bounded = np.isfinite(limits).all(axis=1)
    if bounded.any():
        ax.vlines(
            at[bounded],
            *limits[bounded].T,
            color=_LIGHT_BLUE,
            linewidth=5,
            label=f"{monitoring.attrs['level']:.0%} confidence limits",
        )
    estimates = rows["estimate"].to_numpy(dtype=float)
    ax.plot(at, estimates, "o-", color=BLUE, markersize=3, linewidth=1.0, label="estimate")
    heights = np.concatenate([estimates[np.isfinite(estimates)], limits[bounded].ravel()])
    if heights.size:
        low, high = float(heights.min()), float(heights.max())
        # Never closer than a fifth of the value: noise should not look like drift.
        span = max(high - low, 0.2 * abs(high))
        middle = (high + low) / 2
        ax.set_ylim(max(middle - 0.6 * span, 0.0), middle + (_ROOM - 0.4) * span)
    if what in _ALERTS_ABOUT:
        alerts = monitoring.alerts
        is_about = alerts["about"].str.startswith(_ALERTS_ABOUT[what])
        _mark_alerts(ax, _numbers(alerts.loc[is_about, "date"].unique()))
    _key(ax)
    unit = _UNITS[monitoring.attrs["time_unit"]]
    units = {
        "purchase_rate": f"Purchases per {unit}",
        "dropout_probability": "After a purchase",
        "order_value": f"Value\n({currency})",
    }
    label(ax, title=_MEANINGS.get(what, f"Parameter {what}"), x="", y=units.get(what, what))
    if what == "dropout_probability":
        ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def _mark_alerts(ax: Axes, at: Any) -> None:
    """A line through the panel for each, under what is drawn, so that colour is not all."""
    for number, day in enumerate(at):
        ax.axvline(
            day,
            color=VERMILION,
            linewidth=1.0,
            linestyle=":",
            ymax=_BELOW_KEY,
            zorder=0.5,
            label=None if number else "alert",
        )


def _numbers(days: Any) -> Any:
    """Days as matplotlib counts them."""
    from matplotlib.dates import date2num

    return date2num(np.asarray(days, dtype="datetime64[D]"))  # type: ignore[no-untyped-call]


def _dates(ax: Axes, monitoring: Monitoring) -> None:
    """Name some of the periods that were watched, where each ends."""
    import pandas as pd

    coming = monitoring.errors.xs("period", level="span")["until"]
    days = pd.DatetimeIndex(sorted({*monitoring.totals.index, *coming}))
    period = monitoring.attrs["period"]
    shown = days[:: -(-len(days) // _MOST_DATES)]
    names = [
        f"Q{day.quarter}\n{day:%Y}" if period == "Q" else f"{day:{_DATE[period]}}" for day in shown
    ]
    ax.set_xticks(_numbers(shown), names)
    # The same for all panels, so that one can be read below the other.
    first, last = _numbers(days[[0, -1]])
    ax.set_xlim(first - _MARGIN * (last - first), last + _MARGIN * (last - first))


def _key(ax: Axes) -> None:
    """Put the key above what is drawn, in one line where there is room."""
    key = ax.legend(
        fontsize=SMALL,
        frameon=False,
        loc="upper left",
        ncols=4,
        columnspacing=1.0,
        handlelength=1.4,
        handletextpad=0.5,
        borderaxespad=0.0,
    )
    # Else a key that is wider than its panel would squeeze all panels.
    key.set_in_layout(False)


def _thousands(ax: Axes) -> None:
    from matplotlib.ticker import StrMethodFormatter

    ax.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
