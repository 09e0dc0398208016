"""What new customers bring until they are paid for, and what contacts gain until they stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from clvforecast.errors import DataError
from clvforecast.plots._style import BLUE, GREY, LIGHT, SMALL, VERMILION, axes_for, label, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from clvforecast.decisions import Acquisition, Retention

_LINES: Final = (
    *((BLUE, "-"), (VERMILION, "--"), ("#009E73", "-."), ("#CC79A7", ":")),
    *(("#E69F00", (0, (5, 1, 1, 1, 1, 1))), ("black", (0, (1, 3)))),
)
"""Of the palette of Okabe and Ito; told apart in grey print by their dashes."""
_UNITS: Final = {"D": "days", "W": "weeks", "M": "months", "Y": "years"}
_POINTS: Final = 2_000


def plot_acquisition(found: Acquisition, ax: Axes | None = None, *, top: int = 4) -> Axes:
    """Draw what a new customer has brought by the time since the first order.

    A band around each line holds `level` of what the expectation may be. With costs, a thin line
    is the cost of a customer, and a dot where value reaches it is payback.

    Parameters
    ----------
    found : Acquisition
        What `clvforecast.acquisition` returns.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.
    top : int
        How many groups to draw, those of most customers, 6 at most.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        If `top` is not from 1 to 6.
    """
    if not 1 <= top <= len(_LINES):
        raise DataError(f"top={top!r} must be from 1 to {len(_LINES)}: more cannot be told apart.")
    table = found.table
    order = np.argsort(-table["customers"].to_numpy(), kind="stable")
    most = np.sort(order[:top])
    known = found.attrs
    ax = axes_for(ax, width=5.6, height=3.8)
    shown = table.iloc[most]
    costs = shown["cost"].dropna() if "cost" in table.columns else shown.iloc[:0, 0]
    one_cost = len(costs) == len(shown) and costs.nunique() == 1
    # The curves come in blocks, in the order of the table.
    steps = len(found.curves) // len(table)
    for place, (color, dashes) in zip(most, _LINES, strict=False):
        curve = found.curves.iloc[place * steps : (place + 1) * steps]
        time = curve.index.get_level_values("time").to_numpy()
        name, row = shorten(str(table.index[place])), table.iloc[place]
        mark = ("*" if row["small"] else "") + ("+" if row["recent"] else "")
        ax.fill_between(
            time, curve["value_lower"], curve["value_upper"], color=color, alpha=0.13, linewidth=0
        )
        ax.plot(time, curve["value"], color=color, linestyle=dashes, label=f"{name}{mark}")
        cost = row.get("cost", np.nan)
        if np.isnan(cost):
            continue
        if not one_cost:
            ax.axhline(cost, color=color, linewidth=0.8, linestyle=dashes)
        if np.isfinite(row["payback"]):
            ax.plot(row["payback"], cost, "o", color=color, markersize=5, clip_on=False, zorder=3)
    if one_cost and not costs.empty:
        ax.axhline(costs.iloc[0], color="black", linewidth=0.8, label="cost of a customer")
    elif not costs.empty:
        ax.plot([], [], color=GREY, linewidth=0.8, label="thin: cost of a customer")
    ax.set_ylim(bottom=0)
    ax.set_xlim(0, known["horizon"])
    # A text like "$5 to $9" is no formula.
    legend = ax.legend(fontsize=SMALL, frameon=False, loc="best")
    for text in legend.get_texts():
        text.set_parse_math(False)
    paid = ", dots: payback" if len(costs) else ""
    marks = ["* few repeat customers"] if shown["small"].any() else []
    marks += ["+ seen for a short time only"] if shown["recent"].any() else []
    left_out = f" ({len(most)} of {len(table)} groups)" if len(most) < len(table) else ""
    label(
        ax,
        title=f"What a new customer brings{left_out}",
        x="\n".join(
            [f"{_UNITS[known['time_unit']].capitalize()} since the first order", ", ".join(marks)]
        ).rstrip(),
        y=f"Value so far (bands: {known['level']:.0%}{paid})",
    )
    return ax


def plot_retention(found: Retention, ax: Axes | None = None) -> Axes:
    """Draw what contacts gain together, the best first, and where it stops paying.

    Without costs: what it is worth to retain that many customers.

    Parameters
    ----------
    found : Retention
        What `clvforecast.retention` returns.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
    """
    ranked = found.customers
    ax = axes_for(ax, width=5.6, height=3.6)
    has_costs = "net_gain" in ranked.columns
    if has_costs:
        gained = np.append(0.0, ranked["cumulated_net_gain"].to_numpy())
    else:
        gained = np.append(0.0, ranked["worth_of_retaining"].cumsum().to_numpy())
    stops = {0, len(ranked)}
    if has_costs:
        best, chosen = int((ranked["net_gain"] > 0).sum()), int(ranked["chosen"].sum())
        stops |= {best, chosen}
    # Of a million customers no more can be seen.
    drawn = np.unique([*np.linspace(0, len(ranked), _POINTS).astype(int), *stops])
    ax.plot(drawn, gained[drawn], color=BLUE)
    ax.axhline(0.0, color="black", linewidth=0.8)
    if has_costs:
        upto = drawn[drawn <= chosen]
        ax.fill_between(upto, gained[upto], color=LIGHT, label=f"chosen: {chosen:,}")
        ax.axvline(best, color=GREY, linestyle="--", linewidth=0.9)
        ax.plot(
            best, gained[best], "o", color=VERMILION, markersize=5, label=f"best stop: {best:,}"
        )
        ax.legend(fontsize=SMALL, frameon=False, loc="best")
    ax.set_xlim(0, len(ranked))
    ax.margins(y=0.08)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(lambda number, _: _grouped(number))
    label(
        ax,
        title="What contacts gain, the best first" if has_costs else "What retaining is worth",
        x="Customers contacted" if has_costs else "Customers retained, the best first",
        y="Net gain together" if has_costs else "Worth together",
    )
    return ax


def _grouped(number: float) -> str:
    """A number with its thousands apart, and a true minus."""
    return f"{number:,.6g}".replace("-", "\N{MINUS SIGN}")
