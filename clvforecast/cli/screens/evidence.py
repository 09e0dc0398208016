"""What a person on a terminal is told of a backtest and of a diagnosis."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from clvforecast.cli import console

if TYPE_CHECKING:
    import pandas as pd

    from clvforecast.evaluation import Backtest, Diagnosis

__all__ = ["show_backtest", "show_diagnosis"]

_CHIEF: Final = ("bias", "crps", "coverage", "gini", "rmse")
"""Shown unless others were chosen, in the order in which a wider terminal shows more of them."""
_SHARES: Final = frozenset({"bias", "coverage", "top_decile"})
_MARK: Final = "*"
_ONE: Final = "± the standard error"
_TINY: Final = 1e-9
"""Below, no approximation to a p-value has a correct digit."""


def show_backtest(past: Backtest) -> None:
    """Show the chief scores of all models, and which differences are noise."""
    console.show_text(str(past).splitlines()[0] + ".")
    columns = _columns(past)
    columns = columns[: max(console.fitting(columns), 2)]
    headings, *rows = zip(*columns, strict=True)
    console.draw(headings, rows, right=[False, *[True] * (len(columns) - 1)], squeeze=True)
    for line in _remarks(past):
        console.show_text(line, others=2)
    hidden = [name for name in past.table["metric"].unique() if name not in headings]
    if hidden:
        console.show_aside(f"Not shown: {', '.join(hidden)}. For all of it: -o FILE, or a pipe.")


def _columns(past: Backtest) -> list[list[str]]:
    """Columns of text, each with its heading, the most important first."""
    names = [*past.models, *past.baselines]
    targets = {str(name): rows for name, rows in past.table.groupby("target", sort=False)}
    columns = [["", *(line for target in targets for line in (target, *(f"  {n}" for n in names)))]]
    metrics = list(past.table["metric"].unique())
    chief = [name for name in _CHIEF if name in metrics]
    if len(chief) < len(_CHIEF):
        chief += [name for name in metrics if name not in chief]
    for metric in chief:
        found = {target: rows[rows["metric"] == metric] for target, rows in targets.items()}
        columns.append([metric])
        for target, rows in found.items():
            columns[-1] += ["", *_scores(past, target, metric, rows)]
        if metric == "crps":
            columns.append(["skill"])
            for rows in found.values():
                skill = rows.groupby("model")["skill"].mean()
                columns[-1] += ["", *(f"{skill[name]:.2f}" for name in names)]
    return columns


def _scores(past: Backtest, target: str, metric: str, rows: pd.DataFrame) -> list[str]:
    """The mean over cutoffs of every model, its standard error, and a mark on the best."""
    names = (*past.models, *past.baselines)
    if rows.empty:
        return [""] * len(names)
    scale, unit = (100.0, "%") if metric in _SHARES else (1.0, "")
    means = scale * rows.groupby("model")[["value", "standard_error"]].mean()
    values, errors = means["value"].to_dict(), means["standard_error"].to_dict()
    decimals = _decimals(means["standard_error"], digits=1 if unit else 2)
    noise = past.differences(metric, target)["within_noise"]
    best = set(noise.index[noise]) if len(noise) > 1 else set()
    cells = []
    for name in names:
        if math.isnan(values.get(name, math.nan)):
            cells.append("")
            continue
        error = f" ± {errors[name]:,.{decimals}f}" if math.isfinite(errors[name]) else ""
        mark = _MARK if name in best else " "
        cells.append(f"{values[name]:,.{decimals}f}{error}{unit}{mark}")
    return cells


def _decimals(errors: pd.Series[float], digits: int) -> int:
    """Give the decimals that show so many digits of the typical standard error."""
    typical = errors[errors > 0].median()
    return max(digits - 1 - math.floor(math.log10(typical)), 0) if typical > 0 else 2


def _remarks(past: Backtest) -> list[str]:
    """Say how the tables are read, and what their leading metric tells apart."""
    cutoffs = len(past.cutoffs)
    means = f"Means over {cutoffs} cutoffs ± the standard error of one" if cutoffs > 1 else _ONE
    lines = [
        f"{means}, over customers: it holds nothing that all of them share, such as a season.",
        f"{_MARK} The best of its column (bias: by its size at each cutoff), or within noise of "
        "it: 1.96 standard errors of their difference.",
    ]
    if "crps" not in set(past.table["metric"]):
        return lines
    lines.append(
        "Skill is 1 - crps / crps of the simple formula. A baseline has no law: its crps is its "
        "absolute error."
    )
    return lines + [_best(past, target) for target in past.table["target"].unique()]


def _best(past: Backtest, target: str) -> str:
    found = past.differences("crps", target)
    best, *others = found.index
    near = [repr(name) for name in others if found.loc[name, "within_noise"]]
    if near:
        return (
            f"{target.capitalize()}: {best!r} has the best crps; within noise: {', '.join(near)}."
        )
    return f"{target.capitalize()}: {best!r} has the best crps, by more than noise."


def show_diagnosis(found: Diagnosis) -> None:
    """Show every finding, what is violated first."""
    console.show_text(str(found).splitlines()[0] + ".")
    for verdict in found.table["verdict"].cat.categories:
        findings = [finding for finding in found.findings if finding.verdict == verdict]
        if findings:
            console.show_lines("")
            console.show_text("", label=verdict.capitalize())
        for finding in findings:
            meaning = console.in_options(finding.meaning) + _chance(finding.p_value)
            console.show_text(meaning, label=f"{finding.check}:", first=2, others=4)
            if finding.remedy:
                console.show_text(f"→ {console.in_options(finding.remedy)}", first=4, others=6)


def _chance(p_value: float) -> str:
    """Give a p-value in one word, which no line break tears apart."""
    if not math.isfinite(p_value):
        return ""
    return f" (p={p_value:.2g})" if p_value >= _TINY else f" (p<{_TINY:.0e})"
