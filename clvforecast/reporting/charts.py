"""The charts of a report, drawn by matplotlib for a page that sets colours and type itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from clvforecast.reporting.blocks import Cell, Chart, Column, Key, Table
from clvforecast.reporting.drawing import FIRST, GRID, PAST, SECOND, SOFT, canvas, to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from clvforecast.reporting.contents.writing import Writer

__all__ = ["Series", "band_chart", "bar_chart", "calibration_chart"]

_WIDTH: Final = 5.6
_LONGEST_NAME: Final = 26
_MOST_TICKS: Final = 5
_COLOURS: Final = {"first": FIRST, "past": PAST}


@dataclass(frozen=True, eq=False)
class Series:
    """One set of bars: its name, a number per row, and which colour it has."""

    name: str
    heights: pd.Series[float]
    colour: str
    is_share: bool = False


def bar_chart(
    writer: Writer,
    id_: str,
    *,
    title: str,
    summary: str,
    names: Sequence[str],
    axis: str,
    series: Sequence[Series],
) -> Chart:
    """Draw bars side by side, one row per name; from the right where text runs from there."""
    language = writer.language
    is_share = series[0].is_share
    scale = float(max(one.heights.abs().max() for one in series))

    def said(value: float) -> str:
        return language.percent(value) if is_share else language.amount(value, scale)

    with canvas(_WIDTH, 0.8 + 0.55 * len(names)) as (figure, ax):
        places = np.arange(len(names), dtype=float)
        thick = 0.72 / len(series)
        for k, one in enumerate(series):
            at = places + (k - (len(series) - 1) / 2) * thick
            ax.barh(at, one.heights, thick * 0.9, color=_COLOURS[one.colour], linewidth=0)
        ax.set_yticks(places, [_short(name) for name in names], parse_math=False)
        ax.set_ylim(len(names) - 0.45, -0.55)
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="x", color=GRID)
        _write_numbers(ax.xaxis, language.percent if is_share else language.number)
        lowest = min(0.0, *(float(one.heights.min()) for one in series))
        ax.set_xlim(left=lowest * 1.05)
        if lowest < 0:
            ax.axvline(0.0, color=GRID)
        if language.direction == "rtl":
            ax.invert_xaxis()
            ax.yaxis.tick_right()
        svg, rules = to_svg(figure, id_, title, summary)
    rows = [
        [
            Cell(name),
            *(Cell(said(float(one.heights.iloc[k])), float(one.heights.iloc[k])) for one in series),
        ]
        for k, name in enumerate(names)
    ]
    _ = language.gettext
    columns = [Column(_("Name"), is_number=False), *(Column(one.name) for one in series)]
    return Chart(
        id=id_,
        title=title,
        summary=summary,
        axis=axis,
        keys=[Key(one.name, one.colour) for one in series],
        svg=svg,
        rules=rules,
        table=Table(title, columns, rows),
    )


def band_chart(
    writer: Writer,
    id_: str,
    *,
    title: str,
    summary: str,
    names: Sequence[str],
    axis: str,
    table: pd.DataFrame,
    scale: float,
) -> Chart:
    """Draw `expected` within `lower` and `upper`, period by period; time runs from the left."""
    language = writer.language
    _ = language.gettext

    def said(value: float) -> str:
        return language.amount(value, scale)

    with canvas(_WIDTH, 2.9) as (figure, ax):
        places = np.arange(len(names), dtype=float)
        height = table["upper"] - table["lower"]
        ax.bar(places, height, 0.74, bottom=table["lower"], color=SOFT, linewidth=0)
        ax.hlines(table["expected"], places - 0.37, places + 0.37, color=FIRST, linewidth=2.2)
        _name_ticks(ax, names)
        ax.set_ylim(bottom=min(0.0, float(table["lower"].min())))
        ax.grid(axis="y", color=GRID)
        _write_numbers(ax.yaxis, language.number)
        svg, rules = to_svg(figure, id_, title, summary)
    rows = [
        [Cell(name), *(Cell(said(row[column]), row[column]) for column in row)]
        for name, row in zip(names, table.to_dict("records"), strict=True)
    ]
    return Chart(
        id=id_,
        title=title,
        summary=summary,
        axis=axis,
        keys=[
            Key(_("Expected"), "first"),
            Key(_("In %(count)s of 100 futures", count=writer.futures), "soft"),
        ],
        svg=svg,
        rules=rules,
        table=Table(
            title,
            [
                Column(_("Month"), is_number=False),
                Column(_("Expected")),
                Column(_("At least")),
                Column(_("At most")),
            ],
            rows,
        ),
    )


def calibration_chart(
    writer: Writer, id_: str, *, title: str, summary: str, table: pd.DataFrame
) -> Chart:
    """Draw what was forecast beside what came, with its confidence limits, by tenths."""
    language = writer.language
    _ = language.gettext
    scale = float(table[["predicted", "actual"]].to_numpy().max())

    def said(value: float) -> str:
        return language.amount(value, scale)

    with canvas(_WIDTH, 2.9) as (figure, ax):
        places = np.arange(len(table), dtype=float)
        ax.bar(places, table["predicted"], 0.74, color=SOFT, linewidth=0)
        ax.vlines(places, table["actual_lower"], table["actual_upper"], color=SECOND, linewidth=1.6)
        ax.plot(places, table["actual"], "o", color=SECOND, markersize=5.5)
        _name_ticks(ax, [language.number(tenth, 0) for tenth in table.index], most=len(table))
        ax.set_ylim(bottom=0.0)
        ax.grid(axis="y", color=GRID)
        _write_numbers(ax.yaxis, language.number)
        svg, rules = to_svg(figure, id_, title, summary)
    rows = [
        [
            Cell(language.number(tenth, 0), float(tenth)),
            *(
                Cell(said(value), value if np.isfinite(value) else None)
                for value in (
                    row["predicted"],
                    row["actual"],
                    row["actual_lower"],
                    row["actual_upper"],
                )
            ),
        ]
        for tenth, row in zip(table.index, table.to_dict("records"), strict=True)
    ]
    return Chart(
        id=id_,
        title=title,
        summary=summary,
        axis=_("Orders per customer, by tenths of the customers: the highest forecasts first"),
        keys=[
            Key(_("Forecast"), "soft"),
            Key(_("What came, with confidence limits (95 of 100)"), "second"),
        ],
        svg=svg,
        rules=rules,
        table=Table(
            title,
            [
                Column(_("Tenth"), is_number=False),
                Column(_("Forecast")),
                Column(_("What came")),
                Column(_("At least")),
                Column(_("At most")),
            ],
            rows,
        ),
    )


def _write_numbers(axis: Any, write: Callable[[float], str]) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(4))
    axis.set_major_formatter(FuncFormatter(lambda value, _place: write(value)))


def _name_ticks(ax: Axes, names: Sequence[str], most: int = _MOST_TICKS) -> None:
    """Name as many places as there is room for."""
    step = -(-len(names) // most)
    shown = range(0, len(names), step)
    ax.set_xticks(list(shown), [names[k] for k in shown], parse_math=False)
    ax.set_xlim(-0.6, len(names) - 0.4)
    ax.tick_params(axis="x", length=0)


def _short(name: str) -> str:
    """A name, cut where it would fill the picture."""
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
