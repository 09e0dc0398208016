"""What a calendar multiplies the rate of purchases by."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from clvforecast.errors import DataError
from clvforecast.plots._style import BLUE, GREY, axes_for, check_columns, label, shorten

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_MOST_LABELS: Final = 16
"""Beside each other; of more levels, such as 52 weeks, only some are named."""
_EVERY: Final = 4
_TIME: Final = ("month", "week", "weekday")
"""Terms whose levels follow each other."""
_ABBREVIATED: Final = 3
"""Letters of a month or weekday."""
_DECADE: Final = 10.0
_STEPS: Final = (1, 2, 2.5, 5, 10)
"""Of ticks: so 1 is always one."""


def plot_multipliers(multipliers: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Draw what each month, event or other level of a calendar multiplies purchases by.

    Parameters
    ----------
    multipliers : DataFrame
        What ``Fit.multipliers`` returns: indexed by `term` and `level`, with `multiplier` and its
        confidence limits `lower` and `upper`.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Levels are at 0, 1, 2, ... from left to right.

    Raises
    ------
    DataError
        If the table is not one of multipliers.
    """
    check_columns(multipliers, ("multiplier", "lower", "upper"))
    if list(multipliers.index.names) != ["term", "level"] or multipliers.empty:
        raise DataError(
            "plot_multipliers needs a row for each `term` and `level`. Take fit.multipliers()."
        )
    terms = multipliers.index.get_level_values("term").astype(str)
    levels = multipliers.index.get_level_values("level").astype(str)
    places = np.arange(len(multipliers), dtype=float)
    ax = axes_for(ax, width=5.6 if len(places) <= _MOST_LABELS else 7.0, height=3.4)
    ax.axhline(1.0, color=GREY, linewidth=0.8)
    value = multipliers["multiplier"].to_numpy()
    beyond = [value - multipliers["lower"].to_numpy(), multipliers["upper"].to_numpy() - value]
    ax.errorbar(
        places, value, yerr=beyond, fmt="o", color=BLUE, markersize=4, linewidth=1.2, capsize=2
    )
    for here, (left, right) in enumerate(pairwise(terms)):
        if left != right:
            ax.axvline(here + 0.5, color=GREY, linewidth=0.8, linestyle=":")
    step = 1 if len(places) <= _MOST_LABELS else _EVERY
    first = {term: int(np.argmax(terms == term)) for term in terms.unique()}
    named = [
        k
        for k, term in enumerate(terms)
        if (k - first[term]) % (step if term == "week" else 1) == 0
    ]
    texts = [_text(terms[k], levels[k]) for k in named]
    ax.set_xticks(named, texts, parse_math=False)
    if max(map(len, texts)) > _ABBREVIATED or len(named) > _MOST_LABELS:
        ax.tick_params(axis="x", labelrotation=90 if len(named) > _MOST_LABELS else 30)
        if len(named) <= _MOST_LABELS:
            for tick in ax.get_xticklabels():
                tick.set(horizontalalignment="right", rotation_mode="anchor")
    ax.set_xlim(-0.6, len(places) - 0.4)
    _ratio_scale(ax)
    about = ", ".join(terms.unique())
    label(ax, title=f"What the calendar multiplies purchases by: {about}", x="", y="Multiplier")
    return ax


def _text(term: str, level: str) -> str:
    """Short for a month or a day of the week; what an event is called, unless it is too long."""
    if term in _TIME:
        return level[:_ABBREVIATED]
    return shorten(f"{term} {level}" if term == "trend" else level)


def _ratio_scale(ax: Axes) -> None:
    """Twice as much is as far from 1 as half as much."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    ax.set_yscale("log")
    low, high = ax.get_ylim()
    close = high / low < _DECADE
    ax.yaxis.set_major_locator(
        MaxNLocator(6, steps=_STEPS) if close else LogLocator(subs=(1.0, 2.0, 5.0))
    )
    ax.yaxis.set_major_formatter(FuncFormatter(lambda tick, _: f"{tick:.6g}"))
    ax.yaxis.set_minor_locator(NullLocator())
