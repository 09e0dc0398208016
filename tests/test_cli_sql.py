"""`clv sql`: the query gives the summary wherever it can run here, and parses for the rest."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pandas as pd
import pytest
import sqlglot
from typer.testing import CliRunner, Result

import clvforecast as clv
from clvforecast.cli.commands import app
from clvforecast.queries import DIALECTS

COLUMNS = ["--customer", "client", "--date", "at", "--amount", "paid"]
LOG = pd.DataFrame(
    {
        "client": ["a", "a", "a", "b", "b", "c", "c", " ", None, "d", "e", "e"],
        "at": pd.to_datetime(
            ["2024-01-31 23:59", "2024-02-29", "2024-02-29 12:00", "2024-01-15", "2024-03-05",
             "2024-02-01", "2024-02-01", "2024-02-02", "2024-02-02", "2024-04-01", "2024-01-01",
             "2024-01-03"],
            format="ISO8601",
        ),
        "paid": [10.0, 30.0, 5.5, 8.0, -3.0, 20.2, -20.2, 1.0, 1.0, 9.0, 7.0, 6.0],
        "invoice": [1, 2, 2, 3, 4, 5, 5, 6, 7, 8, 9, 10],
    }
)  # fmt: skip
UNTIL = "2024-03-31"


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["sql", *arguments])


def query(dialect: str, *more: str) -> str:
    result = invoke("--dialect", dialect, "--until", UNTIL, *COLUMNS, *more)
    assert result.exit_code == 0, (result.output, result.exception)
    assert result.stderr == ""
    return result.stdout


def assert_same(rows: pd.DataFrame, **how: str) -> None:
    orders = clv.read_orders(LOG, customer="client", date="at", amount="paid", until=UNTIL, **how)
    rows = rows.astype(dict.fromkeys(("recency", "T", "monetary_value"), float))
    pd.testing.assert_frame_equal(
        rows.set_index("customer_id").sort_index(),
        orders.summarize("W"),
        check_dtype=False,
        rtol=1e-12,
    )


@pytest.mark.parametrize(
    ("options", "how"),
    [
        ([], {}),
        (["--refunds", "drop"], {"refunds": "drop"}),
        (["--order", "invoice"], {"order": "invoice"}),
        (["--order", "invoice", "--refunds", "drop"], {"order": "invoice", "refunds": "drop"}),
    ],
)
def test_duckdb_runs_it(options: list[str], how: dict[str, str]) -> None:
    with duckdb.connect() as connection:
        connection.register("log", LOG)
        connection.execute("CREATE SCHEMA shop; CREATE TABLE shop.orders AS FROM log")
        rows = connection.execute(query("duckdb", "--from", "shop.orders", *options)).df()
    assert_same(rows, **how)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server of our own, from the binaries that pgserver brings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where it keeps its lock file is its own affair
        import pgserver

        server = pgserver.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="delete")
    yield server.get_uri()
    server.cleanup()


@pytest.mark.xdist_group("postgres")
def test_postgres_runs_it(postgres: str) -> None:
    import psycopg

    with psycopg.connect(postgres) as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE sales (client text, at timestamp, paid numeric(12, 2), invoice int)"
        )
        values = LOG.astype(object).where(LOG.notna(), None).itertuples(index=False, name=None)
        cursor.executemany("INSERT INTO sales VALUES (%s, %s, %s, %s)", list(values))
        cursor.execute(query("postgres", "--from", "sales"))
        names = [column.name for column in cursor.description or ()]
        rows = pd.DataFrame(cursor.fetchall(), columns=names)
    assert_same(rows)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_parses(dialect: str) -> None:
    for options in ([], ["--order", "invoice", "--refunds", "drop"]):
        text = query(dialect, "--from", "shop.orders", *options)
        (tree,) = sqlglot.parse(text, read=dialect)
        assert "_ibis_" not in text.lower()  # functions that only Ibis brings
        assert {column.alias_or_name for column in tree.expressions} == {
            "customer_id", "frequency", "recency", "T", "monetary_value"
        }  # fmt: skip
        (table,) = tree.find_all(sqlglot.exp.Table)
        assert (table.db, table.name) == ("shop", "orders")


def test_a_template_stays_as_it_is() -> None:
    template = "{{ ref('stg_orders') }}"
    for dialect in ("bigquery", "snowflake", "postgres"):
        assert query(dialect, "--from", template).count(template) == 1


@pytest.mark.parametrize(
    ("options", "fragments"),
    [
        (["--dialect", "bigqury"], ["--dialect='bigqury' is not known", "'bigquery'?"]),
        (["--dialect", "duckdb", "--until", "soon"], ["--until='soon' is not a day"]),
        (["--dialect", "duckdb", "--from", "a.b.c.d"], ["'a.b.c.d' is no name of a table"]),
        (["--dialect", "duckdb", "--from", "a..d"], ["'a..d' is no name of a table"]),
        (["--dialect", "duckdb", "--date", "amount"], ["asked for twice"]),
        (["--dialect", "duckdb", "--refunds", "error"], ["--refunds='error'", "'drop'"]),
    ],
)
def test_refusals_are_one_line(options: list[str], fragments: list[str], tmp_path: Path) -> None:
    result = invoke("--until", UNTIL, *options)
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert all(fragment in line for fragment in fragments), line
