"""Any source of orders -> an Ibis table of just the columns asked for, under fixed names."""

from __future__ import annotations

import glob
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from clvforecast.errors import DataError, require, suggest
from clvforecast.transactions import csv_files, databases
from clvforecast.transactions.engine import calling_engine, embedded, limit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import ibis
    import pyarrow as pa

__all__ = ["Columns", "Source", "open_source"]

_views = itertools.count(1)
_ACCEPTED: Final = (
    "Give a path or glob of CSV or Parquet files, a pandas or Polars DataFrame, a PyArrow table, "
    "a DuckDB relation, an Ibis table, a Spark DataFrame, or a database URL with table=."
)


@dataclass(frozen=True)
class Columns:
    """The columns of a source that play a part."""

    customer: str
    date: str
    amount: str
    order: str | None
    segments: tuple[str, ...]

    def __post_init__(self) -> None:
        names = self.names
        for name in names:
            if not isinstance(name, str):
                raise DataError(f"{name!r} is not a column name. Column names are text.")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise DataError(
                f"The column {twice[0]!r} is asked for twice. Each of customer, date, amount, "
                "order and segments needs a column of its own."
            )
        reserved = {"customer_id", "date", "amount"} | ({"order"} if self.order else set())
        for name in self.segments:
            if name in reserved or name.startswith("_"):
                raise DataError(
                    f"The segment column {name!r} has a name that the result needs for itself. "
                    "Rename it before reading the orders."
                )

    @property
    def names(self) -> list[str]:
        """Every column asked for."""
        order = [] if self.order is None else [self.order]
        return [self.customer, self.date, self.amount, *order, *self.segments]

    @property
    def kept(self) -> list[str]:
        """The columns kept as they are, by the name inside."""
        return [*(["order"] if self.order is not None else []), *self.segments]

    @property
    def canonical(self) -> dict[str, str]:
        """The name inside -> the name in the source."""
        order = {} if self.order is None else {"order": self.order}
        return {
            "customer_id": self.customer,
            "_date": self.date,
            "_amount": self.amount,
            **order,
            **{name: name for name in self.segments},
        }

    def check(self, available: Sequence[str], where: str) -> None:
        """Raise `DataError` if a column is missing or is there twice."""
        if len(available) == 0:
            raise DataError(f"{where} has no columns.")
        for name in self.names:
            if name not in available:
                parameter = next(
                    (
                        p
                        for p in ("customer", "date", "amount", "order")
                        if getattr(self, p) == name
                    ),
                    "segments",
                )
                raise DataError(
                    f"{where} has no column {name!r} ({parameter}=). {suggest(name, available)}"
                )
            if list(available).count(name) > 1:
                raise DataError(
                    f"{where} has {list(available).count(name)} columns named {name!r}. "
                    "Rename all but one."
                )


@dataclass(frozen=True)
class Source:
    """An opened source.

    Attributes
    ----------
    table : ibis.Table
        Columns `customer_id`, `_date`, `_amount`, `order` if there is one, and the segments.
    label : str
        What messages call it.
    loose : bool
        Values need not have their column's type (SQLite).
    in_process : bool
        The engine runs in this process and may hold tables of ours; a server is only asked.
    keeps_orders : bool
        The engine keeps the cleaned orders; otherwise the source is read whenever it is needed.
    release : callable
        Frees what was loaded, once the cleaned table is kept.
    """

    table: ibis.Table
    label: str
    loose: bool = False
    in_process: bool = False
    keeps_orders: bool = False
    release: Callable[[], object] = lambda: None


def open_source(
    source: Any,
    columns: Columns,
    *,
    table: str | None = None,
    separator: str | None = None,
    memory_limit: str | None = None,
) -> Source:
    """Open any source of orders.

    Raises
    ------
    DataError
        If it does not exist, is of an unknown kind, cannot be read, or lacks a column.
    """
    is_url = isinstance(source, str) and "://" in source
    if table is not None and not is_url:
        raise DataError("table= names a table of a database: give it with a URL, or leave it out.")
    if isinstance(source, str) and not source.strip():
        raise DataError(f"The path of the orders is empty. {_ACCEPTED}")
    if is_url:
        found, label = databases.open_table(source, table)
        return _from_ibis(found, columns, label, ours=True, memory_limit=memory_limit)
    if isinstance(source, str | Path):
        connection = embedded(memory_limit)
        return _open_path(Path(source).expanduser(), columns, separator, connection)
    return _open_object(source, columns, memory_limit)


def _select(table: ibis.Table, columns: Columns, label: str) -> ibis.Table:
    """Keep the columns asked for, under their fixed names."""
    columns.check(table.columns, label)
    date = table[columns.date]
    if date.type().is_unknown() and "TIMESTAMPTZ" in str(date.type()):
        # DuckDB has instants to the nanosecond (pandas 2 makes them), Ibis has no word for them.
        table = table.mutate(**{columns.date: date.cast("timestamp('UTC')")})
    return table.select(**{new: table[old] for new, old in columns.canonical.items()})


def _loaded(connection: Any, table: ibis.Table, label: str, release: str) -> Source:
    """Describe orders that were loaded into a DuckDB of our own."""
    return Source(
        table,
        label,
        in_process=True,
        keeps_orders=True,
        release=lambda: connection.con.execute(release),
    )


def _open_path(path: Path, columns: Columns, separator: str | None, connection: Any) -> Source:
    text = str(path)
    label = repr(path.name)
    if path.is_dir():
        raise DataError(
            f"{text!r} is a folder. Name the files in it, such as {str(path / '*.csv')!r} or "
            f"{str(path / '*.parquet')!r}."
        )
    matches = [text] if path.is_file() else glob.glob(text, recursive=True)  # noqa: PTH207 - any root
    files = sorted(file for file in map(Path, matches) if file.is_file())
    if not files:
        kind = "No file matches" if glob.has_magic(text) else "There is no file"
        raise DataError(f"{kind} {text!r}.")
    kinds = {csv_files.kind_of(file) for file in files}
    if len(kinds) > 1:
        raise DataError(f"{text!r} matches CSV and Parquet files. Name one kind.")
    if kinds == {"parquet"}:
        with calling_engine(f"{label} could not be read"):
            table = connection.read_parquet([str(file) for file in files], union_by_name=True)
        return Source(_select(table, columns, label), label, in_process=True)
    with calling_engine(f"{label} could not be read"):
        csv_files.load(connection, files, columns.canonical, columns.check, separator)
        return _loaded(connection, connection.table("orders"), label, "DROP TABLE orders")


def _open_object(source: Any, columns: Columns, memory_limit: str | None) -> Source:
    """Open an object of another library, told by the module of its class: none is imported."""
    library = type(source).__module__.partition(".")[0]
    kind = type(source).__name__
    if library == "pandas" and kind == "DataFrame":
        return _from_pandas(source, columns, embedded(memory_limit))
    if library == "polars" and kind in {"DataFrame", "LazyFrame"}:
        return _from_polars(source, columns, embedded(memory_limit))
    if library == "pyarrow" and kind == "Table":
        columns.check(source.column_names, "The table")
        return _from_arrow(
            source.select(columns.names), columns, "The table", embedded(memory_limit)
        )
    if library in {"duckdb", "_duckdb"} and kind == "DuckDBPyRelation":
        return _from_relation(source, columns, embedded(memory_limit))
    if library == "pyspark" and kind == "DataFrame":
        _refuse_limit(memory_limit)
        return _from_spark(source, columns)
    if library == "ibis":
        import ibis

        if isinstance(source, ibis.Table):
            return _from_ibis(source, columns, "The Ibis table", memory_limit=memory_limit)
    raise DataError(f"Orders cannot be read from {type(source).__qualname__!r}. {_ACCEPTED}")


def _from_ibis(
    table: ibis.Table,
    columns: Columns,
    label: str,
    *,
    ours: bool = False,
    memory_limit: str | None = None,
) -> Source:
    """Open an Ibis table; `ours` if its connection is not the caller's."""
    with calling_engine(f"{label} cannot be read"):
        engine = table.get_backend().name
    if ours and engine == "duckdb":
        limit(table.get_backend(), memory_limit)
    else:
        _refuse_limit(memory_limit)
    loose = engine == "sqlite"
    # SQLite cannot parse an expression as deep as the whole way from text to summary.
    in_process = loose or (ours and engine == "duckdb")
    return Source(
        _select(table, columns, label),
        label,
        loose=loose,
        in_process=in_process,
        keeps_orders=in_process,
    )


def _refuse_limit(memory_limit: str | None) -> None:
    if memory_limit is not None:
        raise DataError(
            f"memory_limit={memory_limit!r} limits the DuckDB that this package runs for files, "
            "frames and duckdb:// databases; these orders are in an engine of their own. Set its "
            "memory there, and leave memory_limit= out."
        )


def _from_pandas(frame: Any, columns: Columns, connection: Any) -> Source:
    import pyarrow as pa

    columns.check(list(frame.columns), "The DataFrame")
    arrays = {}
    for name in columns.names:
        try:
            arrays[name] = pa.Table.from_pandas(frame[[name]], preserve_index=False).column(0)
        except (pa.ArrowException, TypeError, ValueError) as error:
            kinds = sorted({type(value).__name__ for value in frame[name].dropna().head(10_000)})
            raise DataError(
                f"The column {name!r} mixes kinds of values or holds one that is not data "
                f"({', '.join(kinds)}). Convert it to one kind, such as text with "
                f"orders[{name!r}].astype(str)."
            ) from error
    return _from_arrow(pa.table(arrays), columns, "The DataFrame", connection)


def _from_polars(frame: Any, columns: Columns, connection: Any) -> Source:
    lazy = type(frame).__name__ == "LazyFrame"
    with calling_engine("The Polars frame could not be read"):
        available = frame.collect_schema().names() if lazy else frame.columns
        columns.check(available, "The DataFrame")
        chosen = frame.select(columns.names)
        table = (chosen.collect() if lazy else chosen).to_arrow()
    return _from_arrow(table, columns, "The DataFrame", connection)


def _from_arrow(table: pa.Table, columns: Columns, label: str, connection: Any) -> Source:
    import pyarrow as pa

    for position, field in enumerate(table.schema):
        plain = field.type
        if pa.types.is_dictionary(plain):  # an id or a segment, whatever its encoding
            plain = plain.value_type
        elif pa.types.is_null(plain):  # no value at all: of no type, so of any
            plain = pa.string()
        if plain != field.type:
            table = table.set_column(position, field.name, table.column(position).cast(plain))
    with calling_engine(f"{label} could not be read"):
        connection.con.register("orders", table)
        chosen = _select(connection.table("orders"), columns, label)
        return _loaded(connection, chosen, label, "DROP VIEW orders")


def _from_relation(relation: Any, columns: Columns, connection: Any) -> Source:
    """Stream a DuckDB relation: it belongs to a connection that it does not give away."""
    label = "The DuckDB relation"
    columns.check(relation.columns, label)
    chosen = ", ".join('"' + name.replace('"', '""') + '"' for name in columns.names)
    with calling_engine(f"{label} could not be read"):
        batches = relation.project(chosen).to_arrow_reader()
        connection.con.register("batches", batches)
        connection.con.execute("CREATE TEMP TABLE orders AS FROM batches")
        connection.con.unregister("batches")
        table = _select(connection.table("orders"), columns, label)
        return _loaded(connection, table, label, "DROP TABLE orders")


def _from_spark(frame: Any, columns: Columns) -> Source:
    """Name a Spark DataFrame for Ibis, leaving its session as it is."""
    require("pyspark", extra="spark", purpose="Reading a Spark DataFrame")
    import ibis

    label = "The Spark DataFrame"
    columns.check(frame.columns, label)
    session = frame.sparkSession
    view = f"clvforecast_orders_{next(_views)}"
    with calling_engine(f"{label} could not be read"):
        # Ibis sets the time zone of the session it is given, so it gets one of its own. Sessions
        # share nothing but global views: the frame goes across in one that lasts a moment.
        own = session.newSession() if hasattr(session, "newSession") else session
        frame.select(*(f"`{name}`" for name in columns.names)).createGlobalTempView(view)
        try:
            own.table(f"global_temp.{view}").createTempView(view)
        finally:
            session.catalog.dropGlobalTempView(view)
        found = ibis.pyspark.connect(own).table(view)
        if frame.schema[columns.date].dataType.typeName() == "timestamp":
            # Spark's plain timestamp is an instant; Ibis calls it one without a zone.
            found = found.mutate(**{columns.date: found[columns.date].cast("timestamp('UTC')")})
        return Source(_select(found, columns, label), label)
