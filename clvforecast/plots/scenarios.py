"""What value turns on: a tornado of levers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from clvforecast.plots._style import BLUE, GREY, LIGHT, SMALL, axes_for, label

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.container import BarContainer

    from clvforecast.decisions import WhatIf

_METHODS: Final = {
    "forecast": ("forecast", BLUE, "#9CC9E3"),
    "simple_formula": ("simple formula", GREY, LIGHT),
}
"""What each is called, and its colours for the change asked for and for its opposite."""
_EDGE: Final = "#666666"
_ROOM_FOR_KEY: Final = (0.3, 0.35)
"""Below the bars, and for each line of the key, in levers."""


def plot_what_if(found: WhatIf, ax: Axes | None = None) -> Axes:
    """Draw a tornado: what each lever does to value, the strongest on top.

    A dark bar is the change that was asked for, a light one the same change the other way, where
    it is possible.

    Parameters
    ----------
    found : WhatIf
        What `clvforecast.what_if` returns.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
    """
    table = found.table[found.table["change"].notna()]
    methods = list(table.index.unique("method"))
    asked, other = table["relative_difference"], table["opposite"] / table["before"] - 1.0
    order = _strongest_last(asked.loc[methods[0]], other.loc[methods[0]])
    ax = axes_for(ax, width=6.0, height=1.3 + 0.34 * len(methods) * len(order))
    height = 0.8 / len(methods)
    places = np.arange(len(order), dtype=float)
    keys: list[BarContainer] = []
    for number, method in enumerate(methods):
        name, dark, light = _METHODS[method]
        at = places + 0.4 - height * (number + 0.5)
        for values, colour, key in ((asked, dark, name), (other, light, f"{name}, the other way")):
            shares = values.loc[method].loc[order].to_numpy(dtype=float)
            bars = ax.barh(
                at,
                np.nan_to_num(shares),
                0.9 * height,
                color=colour,
                edgecolor=_EDGE,
                linewidth=0.4,
                label=key,
            )
            ax.bar_label(
                bars,
                labels=[_said(share, colour == dark) for share in shares],
                padding=2,
                fontsize=SMALL - 1,
            )
            keys.append(bars)
    ax.vlines(0.0, -0.5, len(order) - 0.5, color="black", linewidth=0.8)
    changes = table["change"].groupby(level="lever").first()
    names = [f"{name.replace('_', ' ')} {_percent(changes[name], '+.3g')}" for name in order]
    ax.set_yticks(places, names)
    ax.xaxis.set_major_formatter(lambda share, _: _percent(share, ".3g"))
    ax.margins(x=0.14)
    below = np.dot(_ROOM_FOR_KEY, [1, len(methods)])
    ax.set_ylim(-0.5 - below, len(order) - 0.45)
    ax.legend(handles=keys, fontsize=SMALL, frameon=False, loc="lower center", ncols=2)
    label(
        ax,
        title=f"What the value of {found.attrs['customers']:,} customers turns on",
        x="Change of value",
        y="",
    )
    return ax


def _strongest_last(asked: pd.Series[float], other: pd.Series[float]) -> list[str]:
    """Levers by how far they move value: bars are drawn from the bottom up."""
    reach = asked.abs().combine(other.abs(), np.fmax).round(9)
    # Of equals, the first is on top.
    return [str(name) for name in reach.iloc[::-1].sort_values(kind="stable").index]


def _said(share: float, is_asked: bool) -> str:
    """What stands beside a bar; where there is none, once."""
    if not np.isfinite(share) or (share == 0 and not is_asked):
        return ""
    return _percent(share, "+.1f") if share else "no change"


def _percent(share: float, form: str) -> str:
    """A percentage with a true minus, like matplotlib's own."""
    return f"{100 * share:{form}}%".replace("-", "\N{MINUS SIGN}")
