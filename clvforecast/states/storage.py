"""The file of a customer state: one Parquet file, replaced as a whole, by one writer at a time."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from clvforecast.errors import DataError
from clvforecast.files import replacing
from clvforecast.transactions.quality import Quality

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Batch", "Header", "literal", "locked", "read_header", "write"]

_FORMAT: Final = 1
_KEY: Final = "clvforecast_state"


@dataclass(frozen=True)
class Batch:
    """A batch of orders that a state holds.

    Attributes
    ----------
    fingerprint : str
        Of its rows in any order; see `clvforecast.states.merging.fingerprint`.
    rows : int
    first_day, last_day : datetime.date
    """

    fingerprint: str
    rows: int
    first_day: dt.date
    last_day: dt.date


@dataclass(frozen=True)
class Header:
    """What a state says of itself, kept in the metadata of its file.

    Attributes
    ----------
    until : datetime.date
        The last day of observation: the latest of all batches.
    refunds : str
        How refunds were treated on reading.
    has_order : bool
        Whether the orders have ids.
    options : mapping
        Further options of reading that must not change from batch to batch.
    quality : Quality
        The account of all rows of all batches, and of the customers now.
    batches : tuple of Batch
        In the order of their arrival.
    """

    until: dt.date
    refunds: str
    has_order: bool
    options: Mapping[str, str | None]
    quality: Quality
    batches: tuple[Batch, ...] = field(default=())

    def to_json(self) -> str:
        """Write the header as JSON."""
        return json.dumps({"format": _FORMAT, **asdict(self)}, default=dt.date.isoformat)

    @classmethod
    def from_json(cls, text: str) -> Header:
        """Read what `to_json` wrote."""
        saved: dict[str, Any] = json.loads(text)
        number = saved.pop("format")
        if number != _FORMAT:
            raise DataError(
                f"it has the format {number}, and this version of clvforecast knows {_FORMAT}. "
                "Install the version that made it."
            )
        saved["until"] = dt.date.fromisoformat(saved["until"])
        saved["quality"] = Quality(**_with_days(saved["quality"]))
        saved["batches"] = tuple(Batch(**_with_days(batch)) for batch in saved["batches"])
        return cls(**saved)


def _with_days(record: dict[str, Any]) -> dict[str, Any]:
    days = {key: dt.date.fromisoformat(record[key]) for key in ("first_day", "last_day")}
    return {**record, **days}


def _found_header(path: Path) -> Header | None:
    """Read the header of the state in a file; None if the file holds something else.

    Raises
    ------
    DataError
        If the state was made by a version that keeps it in another way.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Not the schema's: the engine's metadata are the file's own.
        metadata = pq.read_metadata(path).metadata or {}
    except (OSError, pa.ArrowInvalid):
        return None
    text = metadata.get(_KEY.encode())
    if text is None:
        return None
    try:
        return Header.from_json(text.decode("utf-8"))
    except DataError as error:
        raise DataError(f"The state {str(path)!r} cannot be read: {error}") from None


def read_header(path: Path) -> Header:
    """Read the header of a state.

    Raises
    ------
    DataError
        If there is no file, or it holds no state.
    """
    if not path.is_file():
        raise DataError(f"There is no state {str(path)!r}. Make it with update_state.")
    header = _found_header(path)
    if header is None:
        raise DataError(
            f"{str(path)!r} is no customer state. Name a file that update_state made, or one that "
            "is not there yet."
        )
    return header


@contextmanager
def locked(path: Path, timeout: float) -> Iterator[Path]:
    """Let nobody else update the state meanwhile; yield a folder for what does not fit in memory.

    The lock is the operating system's: that of a process that was killed is free. What such a
    process left behind is cleared away here, where nobody can be using it.

    Raises
    ------
    DataError
        If another process holds the lock for longer than `timeout` seconds.
    """
    from filelock import FileLock, Timeout

    if not path.parent.is_dir():
        raise DataError(
            f"Cannot write {str(path)!r}: the folder {str(path.parent)!r} does not exist. "
            "Create it first."
        )
    lock = path.with_name(f".{path.name}.lock")
    spill = path.with_name(f".{path.name}.spill")
    try:
        with FileLock(lock, timeout=timeout):
            shutil.rmtree(spill, ignore_errors=True)
            try:
                yield spill
            finally:
                shutil.rmtree(spill, ignore_errors=True)
    except Timeout:
        raise DataError(
            f"The state {str(path)!r} is being updated by another process, which has not finished "
            f"in timeout={timeout:g} seconds. Try again later."
        ) from None
    except OSError as error:
        raise DataError(f"Cannot write {str(path)!r}: {error.strerror or error}.") from error


def write(connection: Any, table: str, header: Header, path: Path) -> None:
    """Write a table of a DuckDB connection as a state: on the disk before it takes the old's place.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    table : str
        Its name.
    header : Header
    path : pathlib.Path
    """
    with replacing(path) as temporary:
        connection.execute(
            f"COPY (FROM {table} ORDER BY customer_id, date) TO {literal(str(temporary))} "
            "(FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false, "
            f"KV_METADATA {{{_KEY}: {literal(header.to_json())}}})"
        )
        _sync(temporary)
    _sync(path.parent)


def literal(text: str) -> str:
    """Quote text for SQL.

    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def _sync(path: Path) -> None:
    """Wait until the disk has it; a folder, where the system can open one."""
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
