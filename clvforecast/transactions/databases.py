"""A database URL and the name of a table -> an Ibis table. Credentials never enter a message."""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

from clvforecast.errors import DataError, require, suggest
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
        ``duckdb:///path``, ``sqlite:///path`` or ``postgresql://user:password@host/database``,
        of which any part may be left to ``PGHOST``, ``PGPASSWORD`` and their like or ``~/.pgpass``.
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
    """Connect to a Postgres server; what the URL leaves out comes from libpq's environment."""
    # Imported, not looked for: without the C library libpq it is there and does not work.
    require("psycopg", extra="postgres", purpose="Reading from Postgres")
    import ibis
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    rest = url.partition("://")[2]
    # A bare @ or / in a password would make the rest of it a host, a port or a database, which
    # messages name.
    server, _, path = rest.partition("/")
    readable = server.count("@") <= 1 and "@" not in path
    try:
        parts = conninfo_to_dict(f"postgresql://{rest}") if readable else {}
    except psycopg.Error:
        readable = False
    if not readable:
        raise DataError(
            "The URL of the Postgres database cannot be read. Write "
            "postgresql://user:password@host:port/database with every @ / : ? # % of the password "
            "percent-encoded, or leave the password to PGPASSWORD or ~/.pgpass."
        )
    try:
        # Not by Ibis's own URL, which takes no port from PGPORT and keeps the password.
        connection = psycopg.connect(f"postgresql://{rest}", autocommit=True)
    except psycopg.Error as error:
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        for name in ("password", "sslpassword"):
            secret = str(parts.get(name) or "")
            for text in {secret, quote(secret, safe="")} - {""}:
                reason = reason.replace(text, "***")
        raise DataError(
            f"The Postgres database on {parts.get('host') or 'the default server'} could not be "
            f"reached: {reason[:300]}"
        ) from None
    return ibis.postgres.from_connection(connection)
