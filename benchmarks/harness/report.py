"""Figures as Markdown: what a reader asks first stands first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from harness.targets import MILLION, judged, met, seconds_of

START, END = "<!-- results -->", "<!-- /results -->"
BLANK = "-"

STAGES = {
    "summary": "orders to RFM summary",
    "fit": "fit BG/NBD and Gamma-Gamma",
    "score": "P(alive), purchases, discounted one-year CLV",
    "intervals": "the same with 90% intervals",
    "pipeline": "Parquet to scored Parquet",
}
OTHERS = {
    "group by": "`GROUP BY`, distinct dates",
    "group by, counting rows": "`GROUP BY`, counting rows",
    "20 exp passes": "20 passes of `numpy.exp`",
    "group cells": "grouping cells for the next",
    "fit on cells": "fit, BG/NBD on these cells",
}
FLOORS = {"summary": "group by", "score": "20 exp passes"}

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def tables(found: dict[str, Any]) -> str:
    """Everything, for the benchmark's README."""
    sizes = found["sizes"]
    parts = [
        machine_line(found),
        headline(found),
        "Seconds by number of orders:",
        by_size(sizes, {**STAGES, **OTHERS}, _seconds_at),
        "Peak memory, interpreter and imports included, from Parquet to scored Parquet (of the "
        "floor: `GROUP BY`):",
        by_size(sizes, {"pipeline": "", "group by": ""}, _memory_at),
        "Targets (**bold**: met):",
        targets_table(found),
        imports_line(found["import_seconds"]),
        not_run(sizes),
    ]
    return "\n\n".join(part for part in parts if part)


def fill(readme: Path, text: str, between: tuple[str, str] = (START, END)) -> None:
    """Put the text between the markers of a file."""
    start, end = between
    old = readme.read_text(encoding="utf-8")
    if old.count(start) != 1 or old.count(end) != 1:
        raise SystemExit(f"{readme} needs one line {start} and one line {end}.")
    head, _, rest = old.partition(start)
    tail = rest.partition(end)[2]
    readme.write_text(f"{head}{start}\n\n{text}\n\n{end}{tail}", encoding="utf-8")


def machine_line(found: dict[str, Any]) -> str:
    """Say where and with what it was measured."""
    at, settings = found["machine"], found["settings"]
    libraries = ", ".join(f"{name} {number}" for name, number in at["libraries"].items())
    return (
        f"{at['date']}, {at['cores_used']} cores of {at['processor']}, "
        f"{at['memory_bytes'] / 1e9:.0f} GB of memory, Python {at['python']}, {libraries}; DuckDB "
        f"within {settings['memory_limit']}. Medians of up to {settings['repeats']} runs; "
        f"it all took {found['run_seconds'] / 60:.0f} minutes."
    )


def headline(found: dict[str, Any]) -> str:
    """The compact table: every stage of every package over the log of about a million customers."""
    size = _about_a_million(found["sizes"])
    packages = [p for p in size["packages"] if p != "floor" and size["packages"][p]["stages"]]
    compared = {"lifetimes", "clvforecast"} <= set(packages)
    ratio = ["lifetimes / clvforecast"] if compared else []
    versions = found["versions"]
    titles = [" ".join((name, versions[p], *rest)) for p in packages for name, *rest in [p.split()]]
    rows = []
    for stage, text in STAGES.items():
        spent = {p: seconds_of(size, p, stage) for p in packages}
        row = [text, *(seconds(spent[p]) for p in packages)]
        row.append(seconds(seconds_of(size, "floor", FLOORS.get(stage, ""))))
        if compared:
            row.append(times(spent["lifetimes"], spent["clvforecast"]))
        rows.append(row)
    memory = [_memory_at(size, p, "pipeline") for p in packages]
    memory.append(_memory_at(size, "floor", "group by"))
    rows.append(["peak memory of it", *memory, *[""] * len(ratio)])
    table = markdown(["stage", *titles, "floor", *ratio], rows)
    return f"{size['orders']:,} orders of {size['customers']:,} customers:\n\n{table}"


def by_size(sizes: list[dict[str, Any]], stages: dict[str, str], cell: Any) -> str:
    """One row per stage and package, one column per size."""
    rows = []
    for stage, text in stages.items():
        for package in sizes[0]["packages"]:
            cells = [cell(size, package, stage) for size in sizes]
            if set(cells) != {BLANK}:
                rows.append([text, package, *cells])
    if not any(row[0] for row in rows):
        return markdown(["", *map(_power, sizes)], [row[1:] for row in rows])
    return markdown(["stage", "", *map(_power, sizes)], rows)


def targets_table(found: dict[str, Any]) -> str:
    """Ratios by size against what was asked, those that meet it in bold."""
    sizes = found["sizes"]
    rows = []
    for target in judged(sizes, found["import_seconds"]):
        asked = f"{'≥' if target['at_least'] else '≤'} {target['bound']:g}"
        ratios = target.get("by_orders", {})
        cells = [
            _ratio(ratios.get(size["asked"]), target["bound"], at_least=target["at_least"])
            for size in sizes
        ]
        if "ratio" in target:
            only = _ratio(target["ratio"], target["bound"], at_least=target["at_least"])
            cells = [only, *[""] * (len(sizes) - 1)]
        verdict = {True: "met", False: "short", None: "not measured"}[target["met"]]
        rows.append([target["name"], asked, *cells, verdict])
    near = _power(_about_a_million(sizes))
    return markdown(["", "asked", *map(_power, sizes), f"at {near}"], rows)


def imports_line(spent: dict[str, float]) -> str:
    """Say what a fresh interpreter takes."""
    if not spent:
        return ""
    said = "; ".join(f"{name} {1000 * value:.0f} ms" for name, value in spent.items())
    return f"A fresh interpreter, from start to end, importing: {said}."


def not_run(sizes: list[dict[str, Any]]) -> str:
    """Name what was left out, and why."""
    reasons: dict[tuple[str, str, str], list[str]] = {}
    for size in sizes:
        for package, record in size["packages"].items():
            for stage, why in record["not_run"].items():
                reasons.setdefault((package, stage, why), []).append(_power(size))
    said = [
        f"- {package}, {stage}, {' and '.join(powers)} orders: {why}"
        for (package, stage, why), powers in reasons.items()
    ]
    return "\n".join(["Not run, nor what needs it:\n", *said]) if said else ""


def seconds(value: float | None) -> str:
    """Three figures at most, in the unit that reads best.

    >>> seconds(0.01234), seconds(1.234), seconds(123.4), seconds(None)
    ('12 ms', '1.2 s', '123 s', '-')
    """
    if value is None:
        return BLANK
    if value < 1:
        return f"{_figures(1000 * value)} ms"
    return f"{_figures(value)} s"


def times(above: float | None, below: float | None) -> str:
    """A ratio of two medians, if both are there."""
    return BLANK if above is None or below is None else _figures(above / below)


def markdown(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, numbers to the right."""
    lines = [" | ".join(titles), "|".join(["---"] + ["---:"] * (len(titles) - 1))]
    lines += [" | ".join(row) for row in rows]
    return "\n".join(f"| {line} |" if i != 1 else f"|{line}|" for i, line in enumerate(lines))


def _figures(value: float) -> str:
    """Two figures, or all whole ones.

    >>> [_figures(v) for v in (0.0123, 0.5, 3.21, 32.1, 321.0, 4321.0)]
    ['0.012', '0.50', '3.2', '32', '321', '4,321']
    """
    if value >= 10:
        return f"{value:,.0f}"
    if value <= 0:
        return "0"
    return f"{value:.{1 - math.floor(math.log10(value))}f}"


def _ratio(value: float | None, bound: float, *, at_least: bool) -> str:
    if value is None:
        return BLANK
    text = _figures(value)
    return f"**{text}**" if met(bound, value, at_least=at_least) else text


def _seconds_at(size: dict[str, Any], package: str, stage: str) -> str:
    return seconds(seconds_of(size, package, stage))


def _memory_at(size: dict[str, Any], package: str, stage: str) -> str:
    found = size["packages"].get(package, {}).get("stages", {}).get(stage)
    return BLANK if found is None else f"{found['peak_bytes'] / 1e9:.2f} GB"


def _about_a_million(sizes: list[dict[str, Any]]) -> dict[str, Any]:
    """The size the targets speak of."""
    return min(sizes, key=lambda size: abs(math.log(size["customers"] / MILLION)))


def _power(size: dict[str, Any]) -> str:
    """Name a size as 10⁶ or 5·10⁶."""
    exponent = math.floor(math.log10(size["asked"]))
    factor = size["asked"] / 10**exponent
    power = f"10{str(exponent).translate(_SUPERSCRIPTS)}"
    return power if factor == 1 else f"{factor:g}·{power}"
