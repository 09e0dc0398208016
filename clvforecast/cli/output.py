"""Tables and pictures into files, whole or not at all, and clean data into a pipe."""

from __future__ import annotations

import errno
import io
import json
import math
import os
import sys
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Any, Final

from clvforecast.cli import interrupts
from clvforecast.cli.console import say
from clvforecast.errors import DataError
from clvforecast.files import replacing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sized
    from pathlib import Path

    import pandas as pd
    from matplotlib.figure import Figure

    from clvforecast.transactions import LazyTable

__all__ = [
    "FITS",
    "PAGES",
    "PICTURES",
    "TABLES",
    "check_target",
    "pipe_json",
    "pipe_table",
    "write_lazily",
    "write_picture",
    "write_table",
    "write_text",
]

TABLES: Final = (".csv", ".parquet", ".json", ".xlsx")
PICTURES: Final = (".png", ".svg", ".pdf")
FITS: Final = (".json",)
PAGES: Final = (".html",)
_DOTS_PER_INCH: Final = 200
_ROWS_AT_ONCE: Final = 50_000
_CUSTOMER: Final = "customer_id"
_SHEET: Final = "clvforecast"


def check_target(target: Path | None, endings: tuple[str, ...], *, source: str = "") -> None:
    """Raise `DataError` before the work starts if its result could not be written.

    Parameters
    ----------
    target : Path or None
        Where the result shall go.
    endings : tuple of str
        What the name may end in.
    source : str
        The orders, which must not be overwritten.
    """
    if target is None:
        return
    if target.suffix.lower() not in endings:
        known = f"{', '.join(endings[:-1])} or {endings[-1]}" if endings[1:] else endings[0]
        has = f"the ending {target.suffix!r} is unknown" if target.suffix else "it has no ending"
        raise DataError(f"Cannot write {str(target)!r}: {has}. Use {known}.")
    with suppress(OSError):
        if target.samefile(source):
            raise DataError(
                f"Cannot write {str(target)!r}: the orders are in it. Name another file."
            )
    with _writing(target, keep=False):
        pass


def write_table(table: pd.DataFrame, target: Path) -> None:
    """Write a table in the format that the name's ending says, and say so."""
    ending = target.suffix.lower()
    with _writing(target) as temporary:
        if ending == ".parquet":
            table.to_parquet(temporary, index=False)
        elif ending == ".xlsx":
            from clvforecast.spreadsheets import write_workbook

            write_workbook(table, temporary, sheet=_SHEET)
        else:
            with temporary.open("wb") as file:
                (_write_csv if ending == ".csv" else _write_json)(table, file)
    _say_rows(table, target)


def write_lazily(table: LazyTable, target: Path) -> None:
    """Let the engine of a table write it to a Parquet file, sorted by customer, and say so."""
    in_order = replace(table, table=table.table.order_by(_CUSTOMER))
    with _writing(target) as temporary:
        in_order.to_parquet(temporary)
    _say_rows(table, target)


def _say_rows(table: Sized, target: Path) -> None:
    say("", f"wrote {target} ({len(table):,} row{'' if len(table) == 1 else 's'})")


def write_text(text: str, target: Path) -> None:
    """Write text, and say so."""
    with _writing(target) as temporary:
        temporary.write_text(text, encoding="utf-8")
    say("", f"wrote {target}")


def write_picture(figure: Figure, target: Path) -> None:
    """Write a figure in the format that the name's ending says, and say so."""
    ending = target.suffix.lower().removeprefix(".")
    with _writing(target) as temporary:
        figure.savefig(temporary, format=ending, dpi=_DOTS_PER_INCH)
    say("", f"wrote {target}")


def pipe_table(table: pd.DataFrame) -> None:
    """Write a table to stdout as CSV. A reader who has seen enough is no error."""
    with _piping("table") as stdout:
        _write_csv(table, stdout)


def pipe_json(document: Mapping[str, Any]) -> None:
    """Write one JSON object to stdout; its numbers must be finite."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    with _piping("document") as stdout:
        stdout.write(f"{text}\n".encode())


@contextmanager
def _piping(noun: str) -> Iterator[IO[bytes]]:
    try:
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    except OSError as error:
        # Nothing more goes out, not even what Python flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno != errno.EPIPE:
            raise DataError(f"Cannot write the {noun} to stdout: {error.strerror}.") from error


@contextmanager
def _writing(target: Path, *, keep: bool = True) -> Iterator[Path]:
    """Write whole or not at all, and say in words what the system refuses."""
    try:
        with replacing(target) as temporary:
            yield temporary
            interrupts.check()
            if not keep:
                raise _OnlyTrying
    except _OnlyTrying:
        pass
    except OSError as error:
        raise DataError(f"Cannot write {str(target)!r}: {error.strerror or error}.") from error


class _OnlyTrying(Exception):  # noqa: N818 - nothing is wrong
    """Leave the target as it was."""


def _write_csv(table: pd.DataFrame, file: Any) -> None:
    """Write what a spreadsheet program may open, and say where it is not what the table has."""
    from clvforecast.spreadsheets import as_text

    safe = as_text(table)
    if safe is not table:
        say(
            "note",
            "an apostrophe was put before texts that begin with = + - or @, so that no spreadsheet "
            "program takes them for formulas. Parquet, JSON and .xlsx have them as they are",
        )
    safe.to_csv(
        file, index=False, date_format="%Y-%m-%d", lineterminator="\n", chunksize=_ROWS_AT_ONCE
    )


def _write_json(table: pd.DataFrame, file: Any) -> None:
    """Write one object per row; pandas would round to 15 digits."""
    text = io.TextIOWrapper(file, encoding="utf-8", write_through=True)
    plain = [_plain(table[name]) for name in table.columns]
    text.write("[")
    for number, row in enumerate(zip(*plain, strict=True)):
        record = dict(zip(table.columns, row, strict=True))
        text.write(",\n" if number else "\n")
        text.write(json.dumps(record, ensure_ascii=False, allow_nan=False))
    text.write("\n]\n")
    text.detach()


def _plain(column: pd.Series[Any]) -> list[Any]:
    """Give values that JSON knows; customer ids are text, whatever they are in the orders."""
    if column.name == _CUSTOMER:
        return [str(value) for value in column]
    if column.dtype.kind == "f":
        return [value if math.isfinite(value) else None for value in column.tolist()]
    if column.dtype.kind == "M":
        return [f"{value:%Y-%m-%d}" for value in column]
    return [value if isinstance(value, int) else str(value) for value in column.tolist()]
