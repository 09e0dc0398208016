"""What all pictures share: size, type, colours, and pairs of bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from clvforecast.errors import DataError, suggest

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.colorbar import Colorbar
    from matplotlib.container import BarContainer

# From the palette of Okabe and Ito; the greys between them differ too.
BLUE: Final = "#0072B2"
VERMILION: Final = "#D55E00"
GREY: Final = "#999999"
LIGHT: Final = "#E6E6E6"

SMALL: Final = 8
MEDIUM: Final = 9

_LONGEST_ID: Final = 14


def axes_for(ax: Axes | None, width: float = 5.0, height: float = 3.6) -> Axes:
    """Return `ax`, or the axes of a new figure that still reads in a column 9 cm wide."""
    if ax is not None:
        return ax
    from matplotlib import pyplot as plt

    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def label(ax: Axes, *, title: str, x: str, y: str) -> None:
    """Write title and axis labels, and take away what carries no information."""
    # parse_math=False: two dollar signs in a currency or an id are no formula.
    ax.set_title(title, fontsize=MEDIUM + 1, loc="left", parse_math=False)
    ax.set_xlabel(x, fontsize=MEDIUM, parse_math=False)
    ax.set_ylabel(y, fontsize=MEDIUM, parse_math=False)
    ax.tick_params(labelsize=SMALL)
    ax.spines[["top", "right"]].set_visible(False)


def shorten(name: str) -> str:
    """Cut an id that would fill the picture.

    >>> shorten("00004"), shorten("0123456789abcdef")
    ('00004', '0123456789abc…')
    """
    return name if len(name) <= _LONGEST_ID else name[: _LONGEST_ID - 1] + "…"


def colorbar(ax: Axes, colored: Any, text: str) -> Colorbar:
    """Add the key of a colour scale."""
    bar = ax.figure.colorbar(colored, ax=ax)
    bar.set_label(text, fontsize=MEDIUM)
    if bar.solids is not None:
        bar.solids.set_alpha(1)
    bar.ax.tick_params(labelsize=SMALL)
    return bar


def paired_bars(
    ax: Axes, left: pd.Series[float], right: pd.Series[float], names: tuple[str, str]
) -> tuple[BarContainer, BarContainer]:
    """Draw two series side by side over their common index."""
    places = range(len(left))
    bars = (
        ax.bar([p - 0.2 for p in places], left, 0.4, label=names[0], color=GREY),
        ax.bar([p + 0.2 for p in places], right, 0.4, label=names[1], color=BLUE),
    )
    ax.set_xticks(list(places), [str(name) for name in left.index])
    ax.legend(fontsize=SMALL, frameon=False)
    return bars


def check_columns(table: pd.DataFrame, needed: Iterable[str]) -> None:
    """Refuse a table without the columns that are drawn."""
    for column in needed:
        if column not in table.columns:
            raise DataError(f"The table has no column {column!r}. {suggest(column, table.columns)}")
