"""Seconds against orders, one panel per stage, both on logarithmic scales."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from clvforecast.plots._style import BLUE, GREY, MEDIUM, SMALL, VERMILION, label
from harness.targets import seconds_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SKY, GREEN = "#56B4E9", "#009E73"  # of the palette of Okabe and Ito, as the others

_ROOM_FOR_NAMES = 0.5
"""To the right of the curves, of their width."""


class Line(NamedTuple):
    """A curve: whose it is, how it looks and what it is called at its end."""

    package: str
    stage: str
    color: str
    name: str
    dashed: bool = False


def _packages(stage: str) -> tuple[Line, ...]:
    return (
        Line("lifetimes", stage, VERMILION, "lifetimes"),
        Line("PyMC-Marketing", stage, GREEN, "PyMC-Marketing"),
        Line("clvforecast", stage, BLUE, "clvforecast"),
        Line("clvforecast in DuckDB", stage, SKY, "clvforecast in DuckDB"),
    )


PANELS: dict[str, tuple[Line, ...]] = {
    "Orders to RFM summary": (
        *_packages("summary"),
        Line("floor", "group by", GREY, "plain GROUP BY", dashed=True),
    ),
    "Fit of both models": _packages("fit"),
    "P(alive), purchases, discounted CLV": (
        *_packages("score"),
        Line("floor", "20 exp passes", GREY, "20 numpy.exp passes", dashed=True),
    ),
    "Parquet to scored Parquet": _packages("pipeline"),
}


def draw(found: dict[str, Any], path: Path) -> None:
    """Draw all panels to a file."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({"svg.hashsalt": "clvforecast"}):
        figure = Figure(figsize=(9.0, 6.6), layout="constrained")
        panels = figure.subplots(2, 2, sharex=True)
        ends = [
            _curves(ax, found["sizes"], title, lines)
            for ax, (title, lines) in zip(panels.flat, PANELS.items(), strict=True)
        ]
        low, high = panels[0, 0].get_xlim()
        panels[0, 0].set_xlim(low, high * (high / low) ** _ROOM_FOR_NAMES)
        panels[0, 0].set_xticks([10**k for k in range(12) if low <= 10**k <= high], minor=False)
        panels[0, 0].set_xticks([], minor=True)
        figure.draw_without_rendering()
        for ax, names in zip(panels.flat, ends, strict=True):
            _name_ends(ax, names)
        for ax in panels[0]:
            ax.set_xlabel("")
        for ax in panels[:, 1]:
            ax.set_ylabel("")
        figure.savefig(path, dpi=160)


def _curves(
    ax: Axes, sizes: list[dict[str, Any]], title: str, lines: tuple[Line, ...]
) -> list[tuple[float, float, Line]]:
    """Draw a panel and return where its curves end."""
    ends = []
    for line in lines:
        points = [(size["orders"], seconds_of(size, line.package, line.stage)) for size in sizes]
        known = [(orders, spent) for orders, spent in points if spent is not None]
        if not known:
            continue
        style = (0, (4, 2)) if line.dashed else "-"
        ax.plot(*zip(*known, strict=True), color=line.color, ls=style, lw=1.8, marker="o", ms=3.5)
        ends.append((*known[-1], line))
    ax.set(xscale="log", yscale="log")
    ax.yaxis.set_major_formatter("{x:g}")
    label(ax, title=title, x="orders", y="seconds")
    ax.grid(which="major", color="#E6E6E6", lw=0.6)
    ax.set_axisbelow(True)
    return ends


def _name_ends(ax: Axes, ends: list[tuple[float, float, Line]]) -> None:
    """Write each curve's name beside its end, apart from one another."""
    to_points = 72 / ax.figure.dpi
    spots = sorted(
        (
            (*(to_points * v for v in ax.transData.transform((x, y))), x, y, line)
            for x, y, line in ends
        ),
        key=lambda spot: spot[1],
    )
    taken: list[tuple[float, float]] = []
    for across, up, x, y, line in spots:
        place = up
        near = [spot for left, spot in taken if abs(left - across) < 110]
        if near and place < max(near) + SMALL + 2:
            place = max(near) + SMALL + 2
        taken.append((across, place))
        ax.annotate(
            line.name,
            (x, y),
            xytext=(7, place - up),
            textcoords="offset points",
            va="center",
            color=line.color if line.color != GREY else "#666666",
            fontsize=MEDIUM - 0.5,
            annotation_clip=False,
        )
