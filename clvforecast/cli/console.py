"""What is said to the person: one-line messages and progress on stderr, tables on a terminal."""

from __future__ import annotations

import functools
import itertools
import math
import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from clvforecast.cli import interrupts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pandas as pd
    from rich.console import Console

__all__ = [
    "draw",
    "fitting",
    "holds",
    "in_options",
    "on_terminal",
    "printable",
    "progress",
    "say",
    "show_aside",
    "show_lines",
    "show_table",
    "show_text",
    "watched",
]

_ROWS_SHOWN: Final = 10
_LONGEST_CELL: Final = 24
_WIDEST_TEXT: Final = 100
_LONGEST_HEADING: Final = 11
_ARGUMENTS: Final = {
    "annual_discount_rate": "--discount-rate",
    "cutoffs": "--cutoff",
    "metrics": "--metric",
    "n": "--origins",
    "segments": "--by",
} | {
    name: "--" + name.replace("_", "-")
    for name in (
        *("amount", "budget", "by", "change", "cost", "customer", "cutoff", "date", "date_format"),
        *("decimal", "dialect", "duplicates", "fading", "groups", "horizon", "level", "lifespan"),
        *("lost", "margin", "new_customers", "new_within", "order", "period", "quantile"),
        *("reference", "refunds", "repeated", "replicates", "ridge", "seed", "separator"),
        *(
            "simulations",
            "since",
            "small",
            "start",
            "success",
            "table",
            "target_payback",
            "target_ratio",
        ),
        *("thousands", "time_unit", "timeout", "tz", "until", "workers"),
    )
}
_ARGUMENT: Final = re.compile(rf"(?<![\w.'\"/-])({'|'.join(_ARGUMENTS)})=(?=(\S?))")
_LEADING: Final = re.compile(rf"^({'|'.join(_ARGUMENTS)})(?=: )")
_ONE_OF_SEVERAL: Final = re.compile(rf"(?<![\w.'\"/-])({'|'.join(_ARGUMENTS)})\['([^']*)'\]=")
_CODE: Final = re.compile(rf"`({'|'.join(_ARGUMENTS)})`")


def in_options(message: str) -> str:
    """Call the arguments of the library by the options of the command line.

    >>> in_options("metrics: there is no 'crsp'.")
    "--metric: there is no 'crsp'."
    >>> in_options("horizon='52X' is not a duration. A database URL needs table=, the name.")
    "--horizon='52X' is not a duration. A database URL needs --table, the name."
    >>> in_options("change['retention']=2.0: it must be below 1.")
    '--change retention=2.0: it must be below 1.'
    >>> in_options("There is no file 'date=2024/orders.csv'.")
    "There is no file 'date=2024/orders.csv'."
    """
    message = _ONE_OF_SEVERAL.sub(lambda match: f"{_ARGUMENTS[match[1]]} {match[2]}=", message)

    def option(match: re.Match[str]) -> str:
        has_value = match[2] and match[2] not in ",.;:)"
        return _ARGUMENTS[match[1]] + ("=" if has_value else "")

    for pattern in (_CODE, _LEADING):
        message = pattern.sub(lambda match: _ARGUMENTS[match[1]], message)
    return _ARGUMENT.sub(option, message)


def printable(text: str) -> str:
    r"""Take line breaks and control characters out of text that may come from the data.

    >>> printable("two\nlines"), printable("a\x1b[2Jb")
    ('two lines', 'a?[2Jb')
    """
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))


def say(kind: str, message: str) -> None:
    """Write one line to stderr.

    Parameters
    ----------
    kind : str
        "error", "warning", or "" for what merely happened.
    message : str
    """
    line = printable(f"clv: {kind}: {message}" if kind else f"clv: {message}")
    # Not wrapped: one message is one line, whatever reads it.
    _stderr().print(line, soft_wrap=True, markup=False, highlight=False, emoji=False)


@contextmanager
def progress(doing: str) -> Iterator[None]:
    """Show on stderr what is being done, while it lasts and if somebody is watching."""
    interrupts.check()
    console = _stderr()
    if console.is_terminal:
        from rich.markup import escape

        with console.status(escape(printable(doing)) + " …"):
            yield
    else:
        yield
    interrupts.check()


def watched() -> bool:
    """Whether a person sees stderr, so that a progress bar is worth drawing."""
    return _stderr().is_terminal


def on_terminal() -> bool:
    """Whether a person reads stdout."""
    return sys.stdout.isatty()


def show_lines(text: str) -> None:
    """Write text to the terminal, folding long lines between words."""
    _stdout().print(text, markup=False, highlight=False, emoji=False)


def holds(text: str) -> bool:
    """Whether the terminal is wide enough for the lines as they are."""
    from rich.cells import cell_len

    return max(map(cell_len, text.splitlines()), default=0) <= _stdout().width


def show_text(text: str, *, label: str = "", first: int = 0, others: int = 0) -> None:
    """Write a paragraph to the terminal, indented, and no wider than can be read.

    Parameters
    ----------
    text : str
    label : str
        What it is about, to stand out in front of it.
    first, others : int
        Blanks before the first line and before those that continue it, which are not fewer.
    """
    from rich.text import Text

    console = _stdout()
    paragraph = Text.assemble((printable(label), "bold"), label and " ", printable(text))
    lines = paragraph.wrap(console, max(min(console.width, _WIDEST_TEXT) - others, 1))
    for number, line in enumerate(lines):
        line.rstrip()
        console.print(Text(" " * (others if number else first)) + line, soft_wrap=True)


def show_aside(text: str) -> None:
    """Write to the terminal what matters less."""
    _stdout().print(text, style="dim", markup=False, highlight=False)


def show_table(
    table: pd.DataFrame, *, noun: str = "customers", expendable: Sequence[str] = ()
) -> None:
    """Draw the first rows of a table on the terminal, and say how many there are.

    Parameters
    ----------
    table : pandas.DataFrame
        The data proper in columns, no index that matters.
    noun : str
        What a row is, in the plural.
    expendable : sequence of str
        Columns to leave out first where the terminal is too narrow for all.
    """
    first = table.head(_ROWS_SHOWN)
    columns = {str(name): [_heading(str(name)), *_cells(first[name])] for name in first.columns}
    hidden = []
    for name in [*(n for n in expendable if n in columns), *list(columns)[:0:-1]]:
        if _width(columns.values()) <= _stdout().width:
            break
        if columns.pop(name, None):
            hidden.append(name)
    draw(
        [cells[0] for cells in columns.values()],
        list(zip(*(cells[1:] for cells in columns.values()), strict=True)),
        right=[first[name].dtype.kind in "iuf" for name in columns],
    )
    notes = []
    if len(table) > len(first):
        notes.append(f"The first {len(first)} of {len(table):,} {noun}.")
    if hidden:
        notes.append(f"Not shown: {', '.join(n for n in table.columns if n in hidden)}.")
    if notes:
        notes.append("For all of it: -o FILE, or a pipe.")
        show_aside(" ".join(notes))


def _width(columns: Iterable[Sequence[str]]) -> int:
    """Give the width of the columns as they will be drawn, two blanks between."""
    from rich.cells import cell_len

    return sum(
        max(cell_len(line) for cell in cells for line in cell.split("\n")) + 2 for cells in columns
    )


def fitting(columns: Sequence[Sequence[str]]) -> int:
    """Count the columns that the terminal has room for from the left, drawn close together."""
    widths = [_width([column]) - 1 for column in columns]
    return sum(total - 1 <= _stdout().width for total in itertools.accumulate(widths))


def draw(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[bool] | None = None,
    squeeze: bool = False,
) -> None:
    """Draw cells of text on the terminal.

    Parameters
    ----------
    headings : sequence of str
        One per column.
    rows : sequence of sequences of str
    right : sequence of bool, optional
        Which columns are set flush right. Default: those with a heading; the others are words,
        and are folded where the terminal is narrow.
    squeeze : bool
        Set columns closer together before words are folded.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    console = _stdout()
    gap = 0 if squeeze and _width(zip(headings, *rows, strict=True)) > console.width else 1
    drawn = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, gap, 0, 0))
    for number, heading in enumerate(headings):
        flush_right = right[number] if right else bool(heading)
        drawn.add_column(
            Text(heading),
            justify="right" if flush_right else "left",
            no_wrap=right is not None or flush_right,
        )
    for row in rows:
        drawn.add_row(*map(Text, row))
    console.print()
    console.print(drawn)
    console.print()


def _heading(name: str) -> str:
    """Break a long name in two where it has a joint."""
    if len(name) <= _LONGEST_HEADING or "_" not in name:
        return name
    left, _, right = name.rpartition("_")
    return f"{left}_\n{right}"


def _cells(column: pd.Series[Any]) -> list[str]:
    if column.dtype.kind in "iu":
        return [f"{value:,}" for value in column]
    if column.dtype.kind == "f":
        decimals = _decimals(column)
        return ["" if math.isnan(value) else f"{value:,.{decimals}f}" for value in column]
    if column.dtype.kind == "M":
        return [f"{value:%Y-%m-%d}" for value in column]
    return [_shorten(printable(str(value))) for value in column]


def _decimals(column: pd.Series[float]) -> int:
    """Give the decimals that show three digits of the typical value, two at least."""
    typical = column[column != 0].abs().median()
    if not 0 < typical < math.inf:
        return 2
    return min(max(2 - math.floor(math.log10(typical)), 2), 9) if typical < 1e5 else 0


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 1] + "…"


def _stdout() -> Console:
    from rich.console import Console

    return Console()


@functools.cache
def _stderr() -> Console:
    """Return the one console, which knows of a spinner in the way of a message."""
    from rich.console import Console

    return Console(stderr=True)
