"""Groups beside a reference: what each is worth beyond it, and how sure that is."""

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
    from numpy.typing import NDArray

    from clvforecast.decisions import GroupComparison

_NAMES: Final = {
    "past_value": "past value",
    "orders": "orders",
    "clv": "future value",
    "expected_purchases": "expected\npurchases",
}
_SINCE: Final = {"past_value": "value since", "orders": "orders since"}
_COLOURS: Final = {"higher": BLUE, "lower": VERMILION, "cannot tell": "black"}
_LONGEST_NAME: Final = 24
_FEWEST_ROWS: Final = 5
"""High enough for the title and the key."""


def plot_groups(found: GroupComparison, ax: Axes | None = None) -> Axes:
    """Draw how far each group is from the reference, as a share of the reference's mean.

    A filled dot with its interval is the adjusted difference, blue or vermilion where the data tell
    it from zero and open where they cannot; a grey cross is the plain difference.

    Parameters
    ----------
    found : GroupComparison
        What `clvforecast.compare_groups` returns.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        If no group was comparable, or the reference's means are not above zero.
    """
    table = found.table
    shown = table[(table["reference_mean"] > 0) & table["difference"].notna()]
    if shown.empty:
        raise DataError(
            "There is no difference to draw: no group has a counterpart in the reference, or the "
            "reference is worth nothing on average."
        )
    ax = axes_for(ax, width=6.0, height=1.2 + 0.27 * max(len(shown) + 1, _FEWEST_ROWS))
    measures = shown.index.get_level_values("measure")
    # A gap of half a row between measures.
    place = np.arange(len(shown)) + 0.5 * np.cumsum(np.r_[False, measures[1:] != measures[:-1]])
    scale = shown["reference_mean"]
    lower, middle, upper = (
        (shown[name] / scale).to_numpy() for name in ("lower", "difference", "upper")
    )
    plain = (shown["unadjusted"] / scale).to_numpy()
    for verdict, colour in _COLOURS.items():
        rows = (shown["verdict"] == verdict).to_numpy()
        if not rows.any():
            continue
        ax.hlines(place[rows], lower[rows], upper[rows], color=colour, linewidth=1.4)
        told = verdict != "cannot tell"
        ax.plot(
            middle[rows],
            place[rows],
            "o",
            markersize=5,
            color=colour,
            markerfacecolor=colour if told else "white",
            label=verdict,
        )
    ax.plot(plain, place, "x", markersize=5, color=GREY, label="unadjusted", zorder=1)
    ax.axvline(0.0, color="black", linewidth=0.8, zorder=0)
    names = [_named(str(measure), found.attrs["since"]) for measure in measures]
    groups = shown.index.get_level_values("group")
    if groups.nunique() > 1:
        _write_beside(ax, names, place)
        names = [_cut(str(group)) for group in groups]
    ax.set_yticks(place, names, parse_math=False)
    ax.set_ylim(place[-1] + 0.6, -0.6)
    ax.xaxis.set_major_formatter(
        lambda share, _: f"{100 * share:.3g}%".replace("-", "\N{MINUS SIGN}")
    )
    ax.legend(
        fontsize=SMALL,
        frameon=False,
        ncols=4,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        borderaxespad=0.1,
    )
    level, reference = found.attrs["level"], _cut(str(found.attrs["reference"]))
    alone = _cut(str(groups[0])) if groups.nunique() == 1 else "Groups"
    label(
        ax,
        title=f"{alone} beside {reference}, per customer",
        x=f"Difference from the mean of {reference} ({100 * level:.4g}% confidence intervals)",
        y="",
    )
    title = ax.get_title(loc="left")
    ax.set_title(title, loc="left", fontsize=MEDIUM + 1, pad=20, parse_math=False)
    return ax


def _named(measure: str, since: object) -> str:
    """What a measure is called; with a start, the past is what came since."""
    if since is not None and measure in _SINCE:
        return _SINCE[measure]
    return _NAMES[measure]


def _write_beside(ax: Axes, names: list[str], place: NDArray[np.float64]) -> None:
    """Write each name once, at the right of its rows."""
    for name in dict.fromkeys(names):
        rows = [row == name for row in names]
        ax.text(
            1.02,
            float(place[rows].mean()),
            name,
            transform=ax.get_yaxis_transform(),
            fontsize=SMALL,
            va="center",
        )


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
