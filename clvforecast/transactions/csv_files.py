"""CSV files -> text columns of an embedded DuckDB table, with nothing guessed but the separator."""

from __future__ import annotations

import csv
import gzip
import re
from typing import TYPE_CHECKING, Any, Final, Literal

from clvforecast.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

__all__ = ["kind_of", "load"]

_SEPARATORS: Final = (",", ";", "\t", "|")
_GZIP: Final = b"\x1f\x8b"
_MAX_HEADER: Final = 1 << 20
_SPREADSHEET: Final = b"PK\x03\x04"


def _open_bytes(path: Path) -> Any:
    """Open a file, unpacked if it is a gzip file whatever its name says."""
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
    return gzip.open(path, "rb") if packed else path.open("rb")


def kind_of(path: Path) -> Literal["csv", "parquet"]:
    """Tell a file's kind by its first bytes, not by its name."""
    try:
        with _open_bytes(path) as file:
            start = file.read(4)
    except (OSError, EOFError) as error:
        raise DataError(f"{path.name!r} cannot be opened: {error}") from error
    if start == _SPREADSHEET:
        raise DataError(
            f"{path.name!r} is a spreadsheet or a zip archive. Save the orders as CSV or Parquet."
        )
    return "parquet" if start == b"PAR1" else "csv"


def _header(path: Path) -> str:
    """Read the first line."""
    try:
        with _open_bytes(path) as file:
            start: bytes = file.readline(_MAX_HEADER)
    except (OSError, EOFError) as error:
        raise DataError(f"{path.name!r} cannot be read: {error}") from error
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{path.name!r} is UTF-16 text. Save it as UTF-8.")
    try:
        line = start.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name!r} is not UTF-8 text. Save it as UTF-8.") from error
    if not line.strip():
        raise DataError(f"{path.name!r} is empty. Give a file with a header line and orders.")
    return line


def _split(line: str, separator: str) -> list[str]:
    """Split the header line; a name may be quoted."""
    return [name.strip() for name in next(csv.reader([line.rstrip("\r\n")], delimiter=separator))]


def _detect_separator(line: str, wanted: Sequence[str]) -> str:
    """Take the separator that yields most of the wanted columns, then most columns."""

    def score(separator: str) -> tuple[int, int]:
        names = _split(line, separator)
        return len(set(names) & set(wanted)), len(names)

    return max(_SEPARATORS, key=score)


def _literal(text: str) -> str:
    """Quote a text for SQL."""
    return "'" + text.replace("'", "''") + "'"


def load(
    connection: Any,
    files: Sequence[Path],
    canonical: Mapping[str, str],
    check: Callable[[Sequence[str], str], None],
    separator: str | None,
) -> None:
    """Load CSV files into the table `orders` of an embedded DuckDB, every column as text.

    Text, because a reader that guesses types turns the id 00123 into 123, and drops or changes
    what does not fit its guess. Each file is read by its own header: the order of the columns
    may differ from file to file.

    Parameters
    ----------
    connection : ibis DuckDB backend
    files : sequence of Path
    canonical : mapping
        The column's name in the table -> its name in the files. Only these are kept.
    check : callable
        Called with a file's column names and its label; raises if one is missing.
    separator : str or None
        None detects comma, semicolon, tab or bar from the header line.

    Raises
    ------
    DataError
        If a file is empty, not UTF-8, lacks a column, or has a line with too few or many fields.
    """
    import duckdb

    if separator is not None and (not isinstance(separator, str) or len(separator) != 1):
        raise DataError(f"separator={separator!r} must be one character, such as ';'.")
    targets = ", ".join(f'"{_quoted(name)}" VARCHAR' for name in canonical)
    connection.con.execute(f"CREATE TEMP TABLE orders ({targets})")
    for file in files:
        line = _header(file)
        used = separator or _detect_separator(line, list(canonical.values()))
        names = _split(line, used)
        check(names, repr(file.name))
        # Positions and not names: DuckDB's ignore case, and "Date" beside "date" would be renamed.
        types = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(len(names)))
        chosen = ", ".join(f"c{names.index(name)}" for name in canonical.values())
        with _open_bytes(file) as opened:
            packed = isinstance(opened, gzip.GzipFile)
        try:
            connection.con.execute(
                f"INSERT INTO orders SELECT {chosen} FROM read_csv({_literal(str(file))}, "  # noqa: S608
                f"auto_detect = false, header = true, delim = {_literal(used)}, quote = '\"', "
                f"escape = '\"', columns = {{{types}}}, "
                f"compression = '{'gzip' if packed else 'none'}')"
            )
        except duckdb.Error as error:
            raise DataError(_explain(file, str(error))) from None


def _quoted(name: str) -> str:
    """Escape a name for SQL."""
    return name.replace('"', '""')


def _explain(file: Path, message: str) -> str:
    """Say what is wrong with a CSV file, and where."""
    line = re.search(r"Line:\s*(\d+)", message)
    place = f"{file.name!r}, line {line[1]}" if line else repr(file.name)
    counts = re.search(r"Expected Number of Columns:\s*(\d+)\s*Found:\s*(\d+)", message)
    if counts:
        return (
            f"{place}: there are {counts[2]} fields where the header has {counts[1]}. Quote fields "
            "that contain the separator, or mend the line."
        )
    if re.search("utf-?8|unicode|encod", message, re.IGNORECASE):
        return f"{place}: this is not UTF-8 text. Save the file as UTF-8."
    if "quote" in message.lower():
        return f'{place}: a quoted field is not closed. A quote inside a field is written "".'
    return f"{place}: {message.splitlines()[0][:200]}"
