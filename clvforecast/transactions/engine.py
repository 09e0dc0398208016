"""Runs Ibis expressions, and turns what an engine says into words a user can act on."""

from __future__ import annotations

import re
import tempfile
import uuid
import warnings
import weakref
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clvforecast.errors import ClvError, DataError
from clvforecast.files import Scratch
from clvforecast.transfers import while_used

if TYPE_CHECKING:
    from collections.abc import Iterator

    import ibis
    import pandas as pd
    import pyarrow as pa

__all__ = [
    "calling_engine",
    "discard",
    "embedded",
    "fetch",
    "fetch_frame",
    "fetch_row",
    "keep",
    "keep_while_used",
    "limit",
]

_CREDENTIALS = re.compile(r"(://)[^/@\s]*@")
_PASSWORD = re.compile(r"(?i)\b(password|passwd|pwd)\s*=\s*\S+")


def _first_lines(error: BaseException) -> str:
    """Give the gist of an engine's message, without credentials."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = " ".join(lines[:2])[:300] or type(error).__name__
    return _PASSWORD.sub(r"\1=***", _CREDENTIALS.sub(r"\1***@", text))


@contextmanager
def calling_engine(what: str) -> Iterator[None]:
    """Raise whatever an engine raises as one `DataError`, and keep its deprecations to itself.

    The engines share no base class, so everything that is not ours already is translated. The
    cause is not chained: drivers repeat the connection string in theirs. A deprecation between
    Ibis and an engine is nothing the caller can act on, and no reason to fail under ``-W error``.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    except ClvError:
        raise
    except Exception as error:
        raise DataError(f"{what}: {_first_lines(error)}") from None


def embedded(memory_limit: str | None = None) -> Any:
    """Open a DuckDB of our own: no setting of it reaches the caller's.

    Parameters
    ----------
    memory_limit : str, optional
        How much memory it may use, such as "4GB". None is DuckDB's own: 80% of the machine's.

    Raises
    ------
    DataError
        If the limit is no amount of memory.
    """
    import ibis

    connection = ibis.duckdb.connect()
    limit(connection, memory_limit)
    # Where DuckDB cannot draw a bar, in a notebook without ipywidgets, it is off and not to be set.
    if connection.con.execute("SELECT current_setting('enable_progress_bar')").fetchone()[0]:
        connection.con.execute("SET enable_progress_bar = false")
    # What does not fit in memory goes to the system's temporary folder, not to the working one.
    spill = Scratch(Path(tempfile.gettempdir()), "clvforecast-spill")
    connection.con.execute("SET temp_directory = $1", [str(spill.path)])
    weakref.finalize(connection, _close, connection.con, spill)
    return connection


def _close(connection: Any, spill: Scratch) -> None:
    connection.close()
    spill.remove()


def limit(connection: Any, memory_limit: str | None) -> None:
    """Limit the memory of a DuckDB connection, if there is a limit; see `embedded`."""
    if memory_limit is None:
        return
    try:
        connection.con.execute("SET memory_limit = $1", [memory_limit])
    except Exception:
        raise DataError(
            f"memory_limit={memory_limit!r} is no amount of memory. Write it such as '4GB' or "
            "'500MB'."
        ) from None
    # Rows in the order they came would have to be held until all before them are done.
    connection.con.execute("SET preserve_insertion_order = false")


def fetch(expr: ibis.Table) -> pa.Table:
    """Compute a table expression where its data are and bring the result here."""
    with calling_engine("The orders could not be computed"):
        return expr.to_pyarrow()


def fetch_row(expr: ibis.Table) -> dict[str, Any]:
    """Compute an aggregate of one row."""
    row: dict[str, Any] = fetch(expr).to_pylist()[0]
    return row


def fetch_frame(expr: ibis.Table, index: list[str]) -> pd.DataFrame:
    """Compute a table and index it, sorted; dates become datetime64."""
    import pandas as pd
    import pyarrow as pa

    result = fetch(expr)
    for position, field in enumerate(result.schema):
        if pa.types.is_date(field.type):
            dates = result.column(position).cast(pa.timestamp("us"))
            result = result.set_column(position, field.name, dates)
    # Sorted here and not by the engine: a database may collate text by its own locale.
    frame = result.sort_by([(name, "ascending") for name in index]).to_pandas()
    assert isinstance(frame, pd.DataFrame)  # noqa: S101 - narrows the untyped result
    return frame.set_index(index if len(index) > 1 else index[0])


def keep(expr: ibis.Table) -> ibis.Table:
    """Compute a table into a temporary one of its engine, which lives as long as the connection."""
    with calling_engine("The orders could not be kept"):
        name = f"clvforecast_{uuid.uuid4().hex}"
        return expr.get_backend().create_table(name, expr, temp=True)


def discard(table: ibis.Table) -> None:
    """Drop a table made by `keep`."""
    _drop(table.get_backend(), table.op().name)


def _drop(backend: Any, name: str) -> None:
    backend.raw_sql(f'DROP TABLE "{name}"')


def keep_while_used(expr: ibis.Table) -> ibis.Table:
    """Compute a table into a temporary one, which goes when no expression needs it any more."""
    if expr.get_backend().name == "pyspark":  # has no temporary tables, but keeps what it is told
        with calling_engine("The summary could not be kept"):
            return expr.cache()
    kept = keep(expr)
    backend, name = kept.get_backend(), kept.op().name
    return while_used(kept, lambda: _drop(backend, name))
