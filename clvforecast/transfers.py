"""Tables between here and an engine, where Ibis would move them row by row."""

from __future__ import annotations

import uuid
import weakref
from contextlib import suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import ibis
    import pyarrow as pa

__all__ = ["stream", "upload", "while_used"]

_SENT_ROWS: Final = 65_536
_RECEIVED_BYTES: Final = 16_000_000
"""How much text is parsed at once: about 100,000 rows of a forecast."""


def upload(table: pa.Table, beside: ibis.Table) -> ibis.Table:
    """Hand a table to the engine of another.

    Parameters
    ----------
    table : pyarrow.Table
        Whole numbers and floats, none missing.
    beside : ibis.Table
        What it is to be joined with.

    Returns
    -------
    ibis.Table
        In Postgres and Spark a temporary table or view, which goes when no expression needs it any
        more. Elsewhere a memtable.
    """
    import ibis

    backend: Any = beside.get_backend()
    name = f"clvforecast_{uuid.uuid4().hex}"
    if backend.name == "postgres":
        _copy_in(backend.con, name, table)
        return while_used(backend.table(name), lambda: backend.raw_sql(f'DROP TABLE "{name}"'))
    if backend.name == "pyspark" and int(version("pyspark").partition(".")[0]) >= 4:
        session = backend._session  # Ibis has no public name for it
        session.createDataFrame(table).createTempView(name)
        return while_used(backend.table(name), lambda: session.catalog.dropTempView(name))
    return ibis.memtable(table)


def stream(table: ibis.Table, path: Path) -> None:
    """Write a table of Postgres into a Parquet file as its rows come, a few of them at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = table.schema().to_pyarrow()
    kinds = (pa.types.is_string, pa.types.is_integer, pa.types.is_floating, pa.types.is_date)
    written_alike = all(any(kind(field.type) for kind in kinds) for field in schema)
    batches = (
        _copy_out(table, schema)
        if written_alike
        else table.to_pyarrow_batches(chunk_size=_SENT_ROWS)
    )
    with pq.ParquetWriter(path, schema) as writer:
        for batch in batches:
            writer.write(batch)


def _copy_in(connection: Any, name: str, table: pa.Table) -> None:
    """Copy a table into a temporary one of Postgres, and count it for the planner of joins."""
    import pyarrow as pa
    import pyarrow.csv

    columns = ", ".join(
        f'"{field.name}" {"double precision" if pa.types.is_floating(field.type) else "bigint"}'
        for field in table.schema
    )
    plain = pa.csv.WriteOptions(include_header=False)
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute(f'CREATE TEMPORARY TABLE "{name}" ({columns})')
        with cursor.copy(f'COPY "{name}" FROM STDIN (FORMAT csv)') as copy:
            for batch in table.to_batches(max_chunksize=_SENT_ROWS):
                text = pa.BufferOutputStream()
                pa.csv.write_csv(batch, text, plain)  # floats as their shortest exact decimals
                copy.write(text.getvalue().to_pybytes())
        cursor.execute(f'ANALYZE "{name}"')


def _copy_out(table: ibis.Table, schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield pieces of a table of Postgres; its text gives every float back as it was."""
    import pyarrow as pa
    import pyarrow.csv

    reading = pa.csv.ReadOptions(column_names=schema.names)
    parsing = pa.csv.ParseOptions(newlines_in_values=True)
    # A missing text is written as nothing, an empty one as a pair of quotes.
    converting = pa.csv.ConvertOptions(
        column_types=schema,
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )

    def parsed(rows: list[bytes]) -> pa.Table:
        text = pa.py_buffer(b"".join(rows))
        return pa.csv.read_csv(
            text, read_options=reading, parse_options=parsing, convert_options=converting
        )

    backend: Any = table.get_backend()
    query = f"COPY ({backend.compile(table)}) TO STDOUT (FORMAT csv)"
    with (
        backend.con.transaction(),
        backend.con.cursor() as cursor,
        cursor.copy(query) as copy,
    ):
        rows, size = [], 0
        for row in copy:  # a message of the server is a whole row
            rows.append(bytes(row))
            size += len(row)
            if size >= _RECEIVED_BYTES:
                yield parsed(rows)
                rows, size = [], 0
        if rows:
            yield parsed(rows)


def while_used(table: ibis.Table, drop: Callable[[], object]) -> ibis.Table:
    """Give a table back that is dropped when no expression needs it any more."""
    # At the end of the process the connection ends, and takes what is temporary along.
    weakref.finalize(table.op(), _drop_quietly, table.get_backend(), drop).atexit = False
    return table


def _drop_quietly(backend: Any, drop: Callable[[], object]) -> None:
    lock = getattr(getattr(backend, "con", None), "lock", None)
    if lock is not None and lock.locked():
        return  # collected amid a statement of the same connection, which would wait for itself
    with suppress(Exception):  # a connection closed before took the table along
        drop()
