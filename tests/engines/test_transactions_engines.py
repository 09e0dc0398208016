"""One log, every engine: the same expression must give the same account and the same summary."""

import datetime as dt
import gzip
import sqlite3
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import clvforecast as clv
from clvforecast.transactions import Transactions, lazy, read_orders

# What engines say when they are closed or collected is not about the code under test.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

Rows = dict[str, list[Any]]
Loader = Callable[[Rows], tuple[Any, dict[str, Any]]]

TEXT = {
    "client": ["007", "007", "007", "  ", None, "b", "b", "b", "c", "007", "b", "d", "b", "b"],
    "day": [
        *("2024-01-31", "2024-02-29T23:30:00", "20240301", "2024-01-01", "2024-01-01"),
        *(" 2024-01-15", "2024-02-30", "2024-03-31 10:00", "2024-03-31", "", "2024-03-31 12:00"),
        *("2024-01-05", "2024-03-01", "2024-03-01"),
    ],
    "paid": [
        *("10", "12.50", "7.5e0", "1", "1", "0", "5", "3.25", "12,5", "4", "-1.25", "-9", "inf"),
        "2",
    ],
    "channel": ["web", "web", "shop", "web", "web", *["shop"] * 6, "web", "web", "shop"],
}  # fmt: skip


def instants() -> list[dt.datetime]:
    """Around midnight and around the clock changes of Berlin, New York and Tehran."""
    utc = dt.UTC
    around = [
        dt.datetime(2021, 9, 21, 19, 30, tzinfo=utc),  # Tehran went back an hour that midnight
        dt.datetime(2022, 3, 21, 20, 30, tzinfo=utc),  # and forward for the last time
        dt.datetime(2023, 3, 21, 20, 30, tzinfo=utc),
        dt.datetime(2024, 3, 10, 5, 0, tzinfo=utc),  # New York, midnight before the change
        dt.datetime(2024, 3, 11, 4, 0, tzinfo=utc),  # and after it
        dt.datetime(2024, 3, 30, 23, 0, tzinfo=utc),  # Berlin
        dt.datetime(2024, 3, 31, 22, 0, tzinfo=utc),
        dt.datetime(2024, 10, 27, 23, 0, tzinfo=utc),
        dt.datetime(1999, 12, 31, 23, 59, tzinfo=utc),
    ]
    return [moment + dt.timedelta(minutes=shift) for moment in around for shift in (-1, 0)]


def frame_of(rows: Rows) -> pd.DataFrame:
    return pd.DataFrame(rows)


def text_of(rows: Rows) -> pd.DataFrame:
    """Write every value as text."""
    return pd.DataFrame(
        {
            name: [v.isoformat() if isinstance(v, dt.date) else v for v in values]
            for name, values in rows.items()
        }
    )


def load_pandas(rows: Rows, folder: Path) -> Any:
    return frame_of(rows)


def load_polars(rows: Rows, folder: Path) -> Any:
    import polars as pl

    return pl.DataFrame(rows)


def load_lazy_polars(rows: Rows, folder: Path) -> Any:
    return load_polars(rows, folder).lazy()


def load_arrow(rows: Rows, folder: Path) -> Any:
    return pa.table(rows)


def load_csv(rows: Rows, folder: Path) -> Any:
    text_of(rows).to_csv(folder / "orders.csv", index=False)
    return str(folder / "orders.csv")


def load_csv_gz(rows: Rows, folder: Path) -> Any:
    with gzip.open(folder / "orders.csv.gz", "wt", newline="") as file:
        text_of(rows).to_csv(file, index=False, sep="\t")
    return folder / "orders.csv.gz"


def load_csv_glob(rows: Rows, folder: Path) -> Any:
    frame = text_of(rows)
    frame.iloc[:5].to_csv(folder / "part-1.csv", index=False, sep=";")
    # The second half has its columns in another order.
    frame.iloc[5:, ::-1].to_csv(folder / "part-2.csv", index=False, sep=";")
    return str(folder / "part-*.csv")


def load_parquet(rows: Rows, folder: Path) -> Any:
    frame_of(rows).to_parquet(folder / "orders.parquet")
    return folder / "orders.parquet"


def load_parquet_glob(rows: Rows, folder: Path) -> Any:
    frame = frame_of(rows)
    frame.iloc[:5].to_parquet(folder / "part-1.parquet")
    frame.iloc[5:].to_parquet(folder / "part-2.parquet")
    return folder / "part-*.parquet"


def load_relation(rows: Rows, folder: Path) -> Any:
    return duckdb.connect().from_arrow(pa.table(rows))


def load_ibis(rows: Rows, folder: Path) -> Any:
    return ibis.memtable(pa.table(rows))


IN_PROCESS = {
    load.__name__.removeprefix("load_"): load
    for load in (
        *(load_pandas, load_polars, load_lazy_polars, load_arrow, load_csv, load_csv_gz),
        *(load_csv_glob, load_parquet, load_parquet_glob, load_relation, load_ibis),
    )
}
ENGINES = [
    *IN_PROCESS,
    "duckdb_url",
    "sqlite_url",
    "sqlite_ibis",
    pytest.param("postgres_url", marks=pytest.mark.xdist_group("postgres")),
    pytest.param("spark", marks=pytest.mark.xdist_group("spark")),
]


@pytest.fixture(params=ENGINES)
def load(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loader:
    """Put rows into an engine; return the source and the arguments that go with it."""
    engine = request.param

    def loader(rows: Rows) -> tuple[Any, dict[str, Any]]:
        if engine in IN_PROCESS:
            return IN_PROCESS[engine](rows, tmp_path), {}
        if engine == "duckdb_url":
            table = pa.table(rows)
            with duckdb.connect(tmp_path / "shop.duckdb") as connection:
                connection.register("rows", table)
                connection.execute("CREATE TABLE orders AS FROM rows")
            return f"duckdb:///{tmp_path}/shop.duckdb", {"table": "orders"}
        if engine.startswith("sqlite"):
            path = tmp_path / "shop.sqlite"
            connection = sqlite3.connect(path)
            text_of(rows).to_sql("orders", connection, index=False)
            connection.close()
            if engine == "sqlite_url":
                return f"sqlite:///{path}", {"table": "orders"}
            return ibis.sqlite.connect(path).table("orders"), {}
        if engine == "postgres_url":
            server = request.getfixturevalue("postgres")
            monkeypatch.setenv("PGPASSWORD", server.password)
            return load_postgres(server.url, rows), {"table": "shop.orders"}
        session = request.getfixturevalue("spark")
        names = {str: "string", dt.date: "date", dt.datetime: "timestamp", float: "double"}
        schema = ", ".join(f"{name} {names[kind_of(values)]}" for name, values in rows.items())
        return session.createDataFrame(pa.table(rows), schema), {}

    return loader


def kind_of(values: list[Any]) -> type:
    return next(type(value) for value in values if value is not None)


def load_postgres(uri: str, rows: Rows) -> str:
    import psycopg

    names = {str: "text", dt.date: "date", dt.datetime: "timestamptz", float: "numeric"}
    columns = ", ".join(f"{name} {names[kind_of(values)]}" for name, values in rows.items())
    marks = ", ".join(["%s"] * len(rows))
    with psycopg.connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA IF NOT EXISTS shop; DROP TABLE IF EXISTS shop.orders")
        cursor.execute(f"CREATE TABLE shop.orders ({columns})")
        cursor.executemany(
            f"INSERT INTO shop.orders VALUES ({marks})",  # noqa: S608
            list(zip(*rows.values(), strict=True)),
        )
    return uri


def read(load: Loader, rows: Rows, **arguments: Any) -> Transactions:
    source, more = load(rows)
    return read_orders(
        source, customer="client", date="day", **{"amount": "paid"} | more | arguments
    )


def test_messy_text_is_read_the_same_everywhere(load: Loader) -> None:
    orders = read(load, TEXT, segments=["channel"], until="2024-04-30")

    assert {key: count for key, count in orders.quality.dropped.items() if count} == {
        "no_customer": 2, "no_date": 1, "bad_date": 1, "no_amount": 1, "bad_amount": 1
    }  # fmt: skip
    assert orders.quality.examples == {"bad_date": ("2024-02-30",), "bad_amount": ("12,5",)}
    assert {key: count for key, count in orders.quality.noted.items() if count} == {
        "zero_amount": 1, "refund_rows": 2, "refund_only_customers": 1
    }  # fmt: skip
    assert (orders.quality.rows_read, orders.quality.rows_kept) == (14, 8)

    rfm = orders.summarize()
    assert list(rfm.index) == ["007", "b"]
    assert rfm["frequency"].tolist() == [2, 2]
    assert rfm["recency"].tolist() == [30.0, 76.0]
    assert rfm["T"].tolist() == [90.0, 106.0]
    np.testing.assert_allclose(rfm["monetary_value"], [10.0, 2.0], rtol=1e-12)
    assert rfm["frequency"].dtype == np.int64
    assert {str(rfm[name].dtype) for name in ("recency", "T", "monetary_value")} == {"float64"}

    calibration, holdout = orders.split("2024-02-29", "31D", time_unit="D")
    assert calibration["frequency"].tolist() == [1, 0]
    assert holdout["purchases"].tolist() == [1, 2]
    np.testing.assert_allclose(holdout["spend"], [7.5, 4.0], rtol=1e-12)

    activity = orders.activity(by="channel")
    assert activity.index.tolist() == [("shop", "007"), ("shop", "b"), ("web", "007")]
    assert activity["orders"].tolist() == [1, 3, 2]
    np.testing.assert_allclose(activity["revenue"], [7.5, 4.0, 22.5], rtol=1e-12)

    totals = orders.totals("M", after="2023-12-31", by="channel")
    assert totals["orders"].tolist() == [1, 0, 2, 0, 1, 1, 1, 0]
    assert orders.customer_segments()["channel"].to_dict() == {"007": "web", "b": "shop"}


def test_instants_become_local_days_everywhere(load: Loader) -> None:
    tz = "America/New_York"
    moments = instants()
    rows = {
        "client": [f"{number:02}" for number in range(len(moments))],
        "day": moments,
        "paid": [float(number + 1) for number in range(len(moments))],
    }
    days = read(load, rows, tz=tz).to_pandas()["date"]
    assert [day.date() for day in days] == [m.astimezone(ZoneInfo(tz)).date() for m in moments]


def test_typed_orders_refunds_and_day_counts(load: Loader) -> None:
    """Leap days, the turn of a century and a refund of a later day, from typed columns."""
    rows: Rows = {
        "client": ["a", "a", "a", "a", "b", "b", "c", "c", "c"],
        "day": [
            dt.date(1999, 12, 31),
            dt.date(2000, 2, 28),
            dt.date(2000, 3, 1),
            dt.date(2001, 3, 1),
            dt.date(2023, 2, 28),
            dt.date(2024, 3, 1),
            dt.date(2024, 1, 1),
            dt.date(2024, 1, 2),
            dt.date(2024, 1, 2),
        ],
        "paid": [10.0, 30.0, 20.0, -15.0, 5.0, 8.0, 10.1, 20.2, -20.2],
    }
    rfm = read(load, rows).summarize(time_unit="D")
    assert rfm.loc["a", ["frequency", "recency"]].tolist() == [2.0, 61.0]
    assert rfm.loc["b", ["frequency", "recency"]].tolist() == [1.0, 367.0]
    assert rfm.loc["c", ["frequency", "recency"]].tolist() == [0.0, 0.0]
    assert rfm["T"].tolist() == [8827.0, 367.0, 60.0]
    np.testing.assert_allclose(rfm["monetary_value"], [25 * 45 / 60, 8.0, 0.0], rtol=1e-12)


def some_shop(customers: int = 60) -> Rows:
    """Orders of customers who buy more and less often, in three months."""
    rng = np.random.default_rng(4)
    first = rng.integers(0, 60, customers)
    orders = [
        (f"{number:03}", int(day), float(paid))
        for number, begin in enumerate(first)
        for day, paid in zip(
            {int(begin), *rng.integers(begin, 90, rng.poisson(rng.gamma(1.0, 3.0)))},
            np.round(rng.gamma(4.0, rng.gamma(5.0, 2.0), 50), 2),
            strict=False,
        )
    ]
    client, day, paid = zip(*orders, strict=True)
    days = [dt.date(2024, 1, 1) + dt.timedelta(shift) for shift in day]
    return {"client": list(client), "day": days, "paid": list(paid)}


def test_lazily_the_same_everywhere(
    load: Loader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Summary, fits and forecast, where the customers stay in the engine and where they do not."""
    orders = read(load, some_shop())
    rfm, kept = orders.summarize("W"), orders.summarize("W", lazy=True)
    assert len(kept) == len(rfm)
    pd.testing.assert_frame_equal(kept.to_pandas(), rfm, rtol=1e-12)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", clv.FitWarning)  # sixty customers say little
        models = [
            (model.fit(data, ridge=0.01) for model in (clv.BGNBD, clv.GammaGamma))
            for data in (rfm, kept)
        ]
        here, there = (tuple(pair) for pair in models)
    for one, other in zip(here, there, strict=True):
        assert list(other.parameters.values()) == pytest.approx(
            list(one.parameters.values()), rel=1e-9
        )
        assert (other.customers, other.until) == (one.customers, one.until)

    terms: Any = {"horizon": "26W", "annual_discount_rate": 0.1, "margin": 0.3, "level": 0.8}
    expected = clv.forecast(*here, rfm, **terms)
    clv.forecast(*here, kept, **terms).to_parquet(tmp_path / "value.parquet")
    written = pd.read_parquet(tmp_path / "value.parquet").set_index("customer_id").sort_index()
    pd.testing.assert_frame_equal(written, expected, rtol=1e-9, atol=0)

    monkeypatch.setattr(lazy, "_EXACT_CUSTOMERS", 0)
    x, m, _, n = kept.spends()
    known = rfm[rfm["monetary_value"] > 0]
    logs = np.log(known["monetary_value"])
    by_count = known.groupby("frequency").size()
    assert {count: n[x == count].sum() for count in by_count.index} == by_count.to_dict()
    assert n @ np.log(m) == pytest.approx(logs.sum(), rel=1e-12)
    assert n @ np.log(m) ** 2 == pytest.approx((logs**2).sum(), rel=1e-12)


@pytest.mark.parametrize("load", ["parquet", *ENGINES[-4:]], indirect=True)
def test_covariates_lazily_the_same_everywhere(load: Loader, tmp_path: Path) -> None:
    """Where segments are missing, too: they tell histories apart, and find them again.

    The numbers are those of DuckDB with the customers here, means of spend among them: as there
    are no refunds, engines take the first purchase from the sum.
    """
    shop = some_shop()
    numbers = [int(client) for client in shop["client"]]
    shop |= {
        "channel": [("shop", "web")[number % 2] for number in numbers],
        "aisle": [(None, "", "a", "b")[number // 2 % 4] for number in numbers],
    }
    segments = ["aisle", "channel"]
    kept = read(load, shop, segments=segments).summarize("W", segments=segments, lazy=True)
    rfm = read(lambda rows: (frame_of(rows), {}), shop, segments=segments).summarize(
        "W", segments=segments
    )
    assert kept.table.columns == ("customer_id", *rfm.columns)
    pd.testing.assert_frame_equal(kept.to_pandas(), rfm, rtol=1e-12)
    assert 4 <= len(kept.combinations) == len(rfm[segments].drop_duplicates()) <= 8

    kinds = clv.BGNBD, clv.GammaGamma
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", clv.FitWarning)
        here, there = (
            [model.fit(data, covariates="channel", ridge=0.01) for model in kinds]
            for data in (rfm, kept)
        )
    for one, other in zip(here, there, strict=True):
        assert other.parameters == pytest.approx(one.parameters, rel=1e-9)
    terms: Any = {"horizon": "26W", "margin": 0.3, "level": 0.8}
    expected = clv.forecast(*here, rfm, **terms)
    clv.forecast(*here, kept, **terms).to_parquet(tmp_path / "value.parquet")
    written = pd.read_parquet(tmp_path / "value.parquet").set_index("customer_id").sort_index()
    pd.testing.assert_frame_equal(written, expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("tz", ["Europe/Berlin", "Asia/Tehran", "Pacific/Kiritimati", "UTC"])
def test_zones_agree_with_zoneinfo(tz: str) -> None:
    """The offsets spelt out in SQL against Python's own, for text and for typed instants."""
    moments = instants()
    expected = [moment.astimezone(ZoneInfo(tz)).date() for moment in moments]
    base = {"client": [f"{i:02}" for i in range(len(moments))], "paid": [1.0] * len(moments)}
    written = [m.astimezone(dt.timezone(dt.timedelta(hours=-9, minutes=-30))) for m in moments]
    own_format = "%d.%m.%y %H:%M%z"
    for date_format, values in (
        (None, moments),
        (None, [moment.isoformat() for moment in written]),
        (own_format, [f"{moment:{own_format}}" for moment in written]),
    ):
        orders = read_orders(
            pd.DataFrame(base | {"day": values}),
            customer="client",
            date="day",
            amount="paid",
            tz=tz,
            date_format=date_format,
        )
        assert [day.date() for day in orders.to_pandas()["date"]] == expected
