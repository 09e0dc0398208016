"""Which model to believe: the scores of a backtest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from clvforecast.errors import DataError, suggest
from clvforecast.plots._style import BLUE, GREY, SMALL, VERMILION, axes_for, label
from clvforecast.wording import format_days

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from clvforecast.evaluation import Backtest

_MARKS: Final = ((BLUE, "o"), (VERMILION, "s"), ("black", "^"), (GREY, "D"), ("#CC79A7", "v"))
"""Colour and marker of each cutoff, in turn."""
_NAMES: Final = {
    "mae": "Mean absolute error",
    "rmse": "Root mean squared error",
    "log_score": "Logarithmic score",
    "crps": "Continuous ranked probability score (CRPS)",
    "coverage": "Coverage of the intervals",
    "width": "Width of the intervals",
    "interval_score": "Interval score",
    "gini": "Normalised Gini",
    "top_decile": "Share captured by the top decile",
    "decile_error": "Decile calibration error",
    "spearman": "Rank correlation (Spearman)",
    "bias": "Bias of the total",
}
_TWO: Final = 2.0
"""Standard errors, either way."""
_SPREAD: Final = 0.5
"""Of the rows, what the cutoffs of one model take."""


def plot_backtest(
    past: Backtest, ax: Axes | None = None, *, metric: str = "crps", target: str = "purchases"
) -> Axes:
    """Draw one score of every model and baseline at every cutoff, with two standard errors.

    Parameters
    ----------
    past : Backtest
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.
    metric : str
        One of the backtest's.
    target : {"purchases", "spend"}

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        If the backtest has no such metric or target.
    """
    table = past.table
    for name, given in (("target", target), ("metric", metric)):
        known = table[name].unique()
        if given not in known:
            raise DataError(
                f"{name}={given!r} is not in this backtest. {suggest(str(given), known)}"
            )
        table = table[table[name] == given]
    there = set(table["model"])
    models = [name for name in (*past.models, *past.baselines) if name in there]
    row = {name: place for place, name in enumerate(models)}
    cutoffs = list(table.groupby("cutoff"))
    step = _SPREAD / len(cutoffs)

    ax = axes_for(ax, width=6.0, height=1.4 + 0.42 * len(models))
    for number, (day, rows) in enumerate(cutoffs):
        color, marker = _MARKS[number % len(_MARKS)]
        shift = (number - 0.5 * (len(cutoffs) - 1)) * step
        ax.errorbar(
            rows["value"],
            [row[name] + shift for name in rows["model"]],
            xerr=_TWO * rows["standard_error"],
            fmt=marker,
            color=color,
            markersize=4,
            linewidth=1.0,
            capsize=2,
            label=f"{day:%Y-%m-%d}",
        )
    ax.set_yticks(range(len(models)), models)
    ax.set_ylim(len(models) - 0.5, -0.5)
    if min(table["value"]) < 0:
        ax.axvline(0, color="black", linewidth=0.8)
    else:
        ax.set_xlim(left=0)
    ax.legend(
        fontsize=SMALL,
        frameon=False,
        title="cutoff",
        title_fontsize=SMALL,
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
    )
    label(
        ax,
        title=f"{target.capitalize()}, {format_days(past.horizon_days)} ahead",
        x=f"{_NAMES.get(metric, metric)}\nTwo standard errors either way",
        y="",
    )
    return ax
