"""A database URL and the name of a table -> an Ibis table. Credentials never enter a message."""

from __future__ import annotations

import weakref
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from clvforecast.errors import DataError, MissingExtra, suggest
from clvforecast.transactions.engine import calling_engine

if TYPE_CHECKING:
    import ibis

__all__ = ["open_table"]

_SCHEMES: Final = ("duckdb", "sqlite", "postgresql", "postgres")


def open_table(url: str, table: str | None) -> tuple[ibis.Table, str]:
    """Open a table of a database.

    Parameters
    ----------
    url : str
        ``duckdb:///path``, ``sqlite:///path`` or ``postgresql://user:password@host/database``.
    table : str
        Its name, as ``schema.name`` outside the default schema.

    Returns
    -------
    table : ibis.Table
    label : str
        What to call it in messages.

    Raises
    ------
    DataError
        If the URL, the database or the table is not there.
    MissingExtra
        If the driver is not installed.
    """
    scheme = url.partition("://")[0].lower()
    if scheme not in _SCHEMES:
        raise DataError(
            f"A URL that starts with {scheme + '://'!r} cannot be read. Use duckdb://, "
            "sqlite:// or postgresql://, a local path, or an Ibis table of any other engine."
        )
    if not table:
        raise DataError("A database URL needs table=, the name of the table with the orders.")
    connection = _connect_file(scheme, url) if scheme in _SCHEMES[:2] else _connect_postgres(url)
    # The connection lives as long as a table of it; drivers complain of one that is left open.
    weakref.finalize(connection, connection.con.close)
    with calling_engine("The tables of the database could not be listed"):
        names = _list_tables(connection, None)
        schema, _, name = table.rpartition(".")
        if table in names or not schema:
            schema, name = "", table
        elif name not in (names := _list_tables(connection, schema)):
            raise DataError(
                f"The schema {schema!r} has no table {name!r}. {suggest(name, sorted(names))}"
            )
    if name not in names:
        raise DataError(f"The database has no table {table!r}. {suggest(table, sorted(names))}")
    with calling_engine(f"The table {table!r} could not be opened"):
        found = connection.table(name, **({"database": schema} if schema else {}))
    return found, f"The table {table!r}"


def _list_tables(connection: Any, schema: str | None) -> list[str]:
    """List tables and views."""
    if connection.name == "duckdb":  # Ibis's own list calls a method that DuckDB 2 removed
        query = (
            "SELECT table_name FROM information_schema.tables "
            "WHERE table_schema = coalesce($1, current_schema())"
        )
        return [row[0] for row in connection.con.execute(query, [schema]).fetchall()]
    names: list[str] = connection.list_tables(database=schema)
    return names


def _connect_file(scheme: str, url: str) -> Any:
    """Open a database file, which must be there: both engines would create it."""
    import ibis

    # As everywhere: three slashes before a relative path, four before an absolute one. As many
    # write it: two before either.
    rest = unquote(url.partition("://")[2].partition("?")[0])
    candidates = [Path(rest), Path(rest.removeprefix("/"))]
    path = next((p.expanduser() for p in candidates if p.expanduser().is_file()), None)
    if path is None:
        raise DataError(f"There is no database file {rest!r}.")
    with calling_engine(f"{path.name!r} could not be opened as a {scheme} database"):
        if scheme == "duckdb":
            return ibis.duckdb.connect(path, read_only=True)
        return ibis.sqlite.connect(path)


def _connect_postgres(url: str) -> Any:
    """Connect to a Postgres server."""
    if find_spec("psycopg") is None:
        raise MissingExtra(
            "Reading from Postgres needs the package 'psycopg', which is not installed. "
            "Install it with: pip install 'clvforecast[postgres]'"
        )
    import ibis

    parts = urlsplit(url)
    secrets = {parts.password, unquote(parts.password or "")} - {None, ""}
    try:
        return ibis.connect("postgresql://" + url.partition("://")[2])
    except Exception as error:
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        for secret in secrets:
            reason = reason.replace(str(secret), "***")
        where = f"{parts.hostname or 'the local server'}"
        raise DataError(
            f"The Postgres database on {where} could not be reached: {reason[:300]}"
        ) from None
