"""Orders in a Postgres that asks for a password: read, scored, written, and nothing said aloud."""

import datetime as dt
import gc
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import ibis
import numpy as np
import pandas as pd
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import clvforecast as clv
from clvforecast import transfers
from clvforecast.cli.commands import app
from clvforecast.transactions import lazy
from clvforecast.transfers import upload

pytestmark = pytest.mark.xdist_group("postgres")

BUYS, SPEND = clv.BGNBD(r=0.24, alpha=4.4, a=0.8, b=2.4), clv.GammaGamma(p=6.0, q=3.7, v=15.0)
TERMS: dict[str, Any] = {"horizon": "26W", "annual_discount_rate": 0.1, "level": 0.9}


@pytest.fixture(scope="module")
def administrator(postgres: Any) -> Iterator[psycopg.Connection[Any]]:
    """A connection of our own, to put orders in and to look around."""
    with psycopg.connect(postgres.url, password=postgres.password, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA shop2; CREATE TABLE shop2.orders "
                           "(customer_id text, date date, amount numeric(12, 2))")  # fmt: skip
        log = clv.datasets.load_cdnow(sample=True)
        with connection.cursor().copy("COPY shop2.orders FROM STDIN") as copy:
            for row in log[["customer_id", "date", "amount"]].itertuples(index=False, name=None):
                copy.write_row(row)
        yield connection


@pytest.fixture
def orders(postgres: Any, administrator: Any, monkeypatch: pytest.MonkeyPatch) -> clv.Transactions:
    """Read with nothing but a scheme: the rest is in libpq's environment."""
    for name, value in (
        ("PGHOST", postgres.host), ("PGPORT", str(postgres.port)), ("PGUSER", postgres.user),
        ("PGPASSWORD", postgres.password), ("PGDATABASE", "postgres"),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    return clv.read_orders("postgresql://", table="shop2.orders")


def temporary(table: Any) -> set[str]:
    found = table.get_backend().con.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r'"
    )
    return {row[0] for row in found}


def test_the_whole_way(orders: clv.Transactions, administrator: Any, tmp_path: Path) -> None:
    rfm, kept = orders.summarize("W"), orders.summarize("W", lazy=True)
    expected = clv.forecast(BUYS, SPEND, rfm, **TERMS)
    value = clv.forecast(BUYS, SPEND, kept, **TERMS)
    value.to_parquet(tmp_path / "value.parquet")
    written = pd.read_parquet(tmp_path / "value.parquet").set_index("customer_id").sort_index()
    pd.testing.assert_frame_equal(written, expected, rtol=1e-9, atol=0)

    value.to_table("shop2.value")
    cursor = administrator.execute("SELECT * FROM shop2.value")
    types = [administrator.adapters.types[column.type_code].name for column in cursor.description]
    assert types == ["varchar", *["float8"] * 4, *["int8"] * 2, *["float8"] * 2]
    names = [column.name for column in cursor.description]
    found = pd.DataFrame(cursor.fetchall(), columns=names).set_index("customer_id").sort_index()
    pd.testing.assert_frame_equal(found, expected, rtol=1e-9, atol=0, check_dtype=False)
    with pytest.raises(clv.DataError, match=r"'shop2.value' could not be written: .*exists"):
        value.to_table("shop2.value")


def test_a_table_is_written_whole_or_not_at_all(orders: clv.Transactions) -> None:
    kept = orders.summarize("W", lazy=True)
    last = str(kept.to_pandas().index[-1])
    # Every row but one can be written.
    broken = kept.table.mutate(
        T=(kept.table.customer_id != last).ifelse("1", "one").cast("float64")
    )
    lost = lazy.LazyTable(broken, kept.attrs, len(kept))
    with pytest.raises(clv.DataError, match="'half' could not be written"):
        lost.to_table("half")
    server = kept.table.get_backend()
    assert "half" not in server.list_tables()
    kept.to_table("half")
    server.raw_sql("DROP TABLE half")


def histories(rows: int) -> pa.Table:
    rng = np.random.default_rng(3)
    awkward = [0.1, 1e-300, 5e-324, -1.5e308, 123456789.123456789, 0.0]
    return pa.table(
        {
            "frequency": np.arange(rows) - rows // 2,
            "p_alive": np.resize(awkward, rows),
            "kept": rng.standard_normal(rows) * 10.0 ** rng.integers(-20, 20, rows),
        }
    )


def test_histories_arrive_bit_for_bit_and_go_again(
    orders: clv.Transactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfers, "_SENT_ROWS", 300)
    before = temporary(orders.table)
    sent = histories(1000)
    table = upload(sent, orders.table)
    assert len(temporary(orders.table)) == len(before) + 1
    assert table.to_pyarrow().sort_by("frequency").equals(sent)
    filtered = table.filter(table.frequency > 0)
    del table
    assert int(filtered.count().to_pyarrow().as_py()) == 499
    del filtered
    gc.collect()
    assert temporary(orders.table) == before


def test_nothing_temporary_is_left(orders: clv.Transactions) -> None:
    before = temporary(orders.table)
    value = clv.forecast(BUYS, SPEND, orders.summarize("W", lazy=True), **TERMS)
    assert len(temporary(orders.table)) == len(before) + 2  # the customers and the histories
    del value
    gc.collect()
    assert temporary(orders.table) == before


def test_rows_stream_into_a_file(
    orders: clv.Transactions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few at a time, and every value as it is: text with quotes and breaks, floats to the bit."""
    monkeypatch.setattr(transfers, "_RECEIVED_BYTES", 1000)
    sent = histories(500)
    table = upload(sent, orders.table)
    names = {0: "", 1: 'a "b", c', 2: "two\nlines", 3: "\\N", 4: "007", 5: "NA"}
    key = table.frequency + 250
    given = table.mutate(
        customer_id=key.cases(*names.items(), (6, ibis.null("string")), else_=key.cast("string")),
        day=ibis.date("2024-02-29"),
    )
    lazy.LazyTable(given, {}, 500).to_parquet(tmp_path / "rows.parquet")
    file = pq.ParquetFile(tmp_path / "rows.parquet")
    assert file.num_row_groups > 10
    found = file.read().sort_by("frequency")
    assert found.select(sent.column_names).equals(sent)
    ids = found["customer_id"].to_pylist()
    assert ids == [*names.values(), None, *(str(number) for number in range(7, 500))]
    assert set(found["day"].to_pylist()) == {dt.date(2024, 2, 29)}

    # What text cannot carry comes by a cursor of the server.
    exact = given.mutate(frequency=given.frequency.cast("decimal(20, 4)"))
    lazy.LazyTable(exact, {}, 500).to_parquet(tmp_path / "exact.parquet")
    again = pq.read_table(tmp_path / "exact.parquet").sort_by("frequency")
    assert again.drop_columns("frequency").equals(found.drop_columns("frequency"))


def test_no_rows_make_a_file_of_columns(orders: clv.Transactions, tmp_path: Path) -> None:
    none = upload(histories(5), orders.table).limit(0)
    lazy.LazyTable(none, {}, 0).to_parquet(tmp_path / "none.parquet")
    assert pq.read_table(tmp_path / "none.parquet").schema.equals(histories(5).schema)


def secrets_of(password: str) -> list[str]:
    return [password, quote(password), quote(password, safe=""), quote_plus(password)]


@pytest.fixture
def unsaid(postgres: Any) -> Callable[[str], None]:
    def check(text: str) -> None:
        assert not [secret for secret in secrets_of(postgres.password) if secret in text]

    return check


def url_of(postgres: Any, **parts: Any) -> str:
    """Spell everything out, the password percent-encoded."""
    said = postgres._asdict() | {"database": "postgres"} | parts
    coded = {name: quote(str(part), safe="") for name, part in said.items()}
    return "postgresql://{user}:{password}@{host}:{port}/{database}".format(**coded)


def test_the_password_is_nowhere(
    postgres: Any, administrator: Any, unsaid: Callable[[str], None], tmp_path: Path
) -> None:
    orders = clv.read_orders(url_of(postgres), table="shop2.orders")
    kept = orders.summarize("W", "1997-09-30", lazy=True)
    fitted = clv.BGNBD.fit(kept)
    fitted.save(tmp_path / "fit.json")
    value = clv.forecast(fitted, SPEND, kept, **TERMS)
    for thing in (orders, orders.quality, orders.table, kept, fitted, value, value.table):
        unsaid(repr(thing))
    for text in (str(value.attrs), str(kept.attrs), (tmp_path / "fit.json").read_text()):
        unsaid(text)
    backend = orders.table.get_backend()
    unsaid(f"{backend!r} {backend.db_identity} {backend._con_kwargs} {backend.con!r}")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"database": "nowhere"}, "nowhere"),
        ({"password": "not/th@t"}, "authentication failed"),
        ({"port": 1}, "could not be reached"),
        ({"port": "none"}, "could not be reached"),
    ],
)
def test_errors_do_not_say_the_password(
    postgres: Any, administrator: Any, unsaid: Callable[[str], None], wrong: Any, said: str
) -> None:
    url = url_of(postgres, **wrong)
    with pytest.raises(clv.DataError, match=said) as caught:
        clv.read_orders(url, table="shop2.orders")
    text = "".join(traceback.format_exception(caught.value))
    unsaid(text)
    assert "not/th@t" not in text
    assert "not%2Fth%40t" not in text


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:my/word@host/shop",
        "postgresql://me:my@word@host/shop",
        "postgresql://me:my/w?word@host/shop",
        "postgresql://me:my%word@host/shop",
        "postgresql://me:my%zzword@host/shop?no=word",
    ],
)
def test_a_password_that_is_not_encoded_is_not_half_a_host(url: str) -> None:
    with pytest.raises(clv.DataError) as caught:
        clv.read_orders(url, table="orders")
    text = "".join(traceback.format_exception(caught.value)).replace("PGPASSWORD", "")
    assert "percent-encoded" in text
    assert "word" not in text.replace("password", "")


def test_errors_of_queries_and_tables(
    postgres: Any, administrator: Any, unsaid: Callable[[str], None]
) -> None:
    for table in ("shop2.order", "orders", "nowhere.orders"):
        with pytest.raises(clv.DataError) as caught:
            clv.read_orders(url_of(postgres), table=table)
        unsaid("".join(traceback.format_exception(caught.value)))


def test_the_command_says_nothing_either(
    postgres: Any, administrator: Any, unsaid: Callable[[str], None], tmp_path: Path
) -> None:
    output = tmp_path / "value.csv"
    asked = ["forecast", "--horizon", "4W", "--table", "shop2.orders", "-o", str(output)]
    for url, code in ((url_of(postgres), 0), (url_of(postgres, database="nowhere"), 1)):
        result = CliRunner().invoke(app, [*asked, url])
        assert result.exit_code == code, result.output
        unsaid(result.output + result.stderr)
    unsaid(output.read_text())


def test_a_password_file(
    postgres: Any, administrator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What libpq reads by itself: ~/.pgpass, here under another name."""
    file = tmp_path / "pgpass"
    file.write_text(f"*:*:*:{postgres.user}:{postgres.password}\n")
    file.chmod(0o600)
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.setenv("PGPASSFILE", str(file))
    assert clv.read_orders(postgres.url, table="shop2.orders").quality.rows_kept == 6919
