"""What a person on a terminal is told of a backtest and of a diagnosis."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from clvforecast.cli import console

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from clvforecast.evaluation import Backtest, Diagnosis

__all__ = ["show_backtest", "show_diagnosis"]

_CHIEF: Final = ("bias", "crps", "coverage", "gini", "rmse")
"""Shown unless others were chosen, in the order in which a wider terminal shows more of them."""
_SHARES: Final = frozenset({"bias", "coverage", "top_decile"})
_MARK: Final = "*"
_TINY: Final = 1e-9
"""Below, no approximation to a p-value has a correct digit."""


def show_backtest(past: Backtest) -> None:
    """Show the chief scores of all models, and which differences are noise."""
    console.show_text(str(past).splitlines()[0] + ".")
    shown: set[str] = set()
    for target, table in past.table.groupby("target", sort=False):
        columns = _columns(past, str(target), list(table["metric"].unique()))
        columns = columns[: console.fitting(columns)]
        headings, *rows = zip(*columns, strict=True)
        console.draw(headings, rows, right=[False, *[True] * (len(columns) - 1)], squeeze=True)
        shown |= set(headings)
    for line in _remarks(past):
        console.show_text(line, others=2)
    hidden = [name for name in past.table["metric"].unique() if name not in shown]
    if hidden:
        console.show_aside(f"Not shown: {', '.join(hidden)}. For all of it: -o FILE, or a pipe.")


def _columns(past: Backtest, target: str, metrics: Sequence[str]) -> list[list[str]]:
    """Columns of text, each with its heading, the most important first."""
    columns = [[target, *past.models, *past.baselines]]
    chief = [name for name in _CHIEF if name in metrics]
    for metric in chief + [name for name in metrics if name not in _CHIEF]:
        columns.append([metric, *_scores(past, target, metric)])
        if metric == "crps":
            skill = past.table[(past.table["target"] == target) & (past.table["metric"] == metric)]
            means = skill.groupby("model")["skill"].mean()
            columns.append(["skill", *(f"{means[name]:.2f}" for name in columns[0][1:])])
    return columns


def _scores(past: Backtest, target: str, metric: str) -> list[str]:
    """The mean over cutoffs of every model, its standard error, and a mark if it is the best."""
    rows = past.table[(past.table["target"] == target) & (past.table["metric"] == metric)]
    means = rows.groupby("model")[["value", "standard_error"]].mean()
    best = past.differences(metric, target)["within_noise"]
    scale, unit = (100.0, "%") if metric in _SHARES else (1.0, "")
    decimals = _decimals(means["standard_error"] * scale, digits=1 if unit else 2)
    cells = []
    for name in (*past.models, *past.baselines):
        if name not in means.index:
            cells.append("")
            continue
        value, error = (scale * float(part) for part in means.loc[name])
        text = f"{value:,.{decimals}f}{unit}"
        if math.isfinite(error):
            text = f"{value:,.{decimals}f} ± {error:,.{decimals}f}{unit}"
        mark = _MARK if len(best) > 1 and best[name] else " "
        cells.append(text + mark)
    return cells


def _decimals(errors: pd.Series[float], digits: int) -> int:
    """Give the decimals that show so many digits of the typical standard error."""
    typical = errors[errors > 0].median()
    return max(digits - 1 - math.floor(math.log10(typical)), 0) if typical > 0 else 2


def _remarks(past: Backtest) -> list[str]:
    return []


def show_diagnosis(found: Diagnosis) -> None:
    """Show what was found, what is violated first."""
    console.show_text(str(found).splitlines()[0] + ".")
    verdicts = found.table["verdict"].cat.categories
    for verdict in verdicts:
        chosen = [finding for finding in found.findings if finding.verdict == verdict]
        if chosen:
            console.show_text("", label=f"\n{verdict.capitalize()}")
        for finding in chosen:
            meaning = console.in_options(finding.meaning) + _chance(finding.p_value)
            console.show_text(meaning, label=finding.check, first=2, others=4)
            if finding.remedy:
                console.show_text(f"→ {console.in_options(finding.remedy)}", first=4, others=6)


def _chance(p_value: float) -> str:
    if not math.isfinite(p_value):
        return ""
    return f" (p = {p_value:.2g})" if p_value >= _TINY else f" (p < {_TINY:.0e})"
