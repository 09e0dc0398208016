"""A Spark of two workers: the same numbers, worked out by executors and kept from the driver."""

import gc
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

import clvforecast as clv
from clvforecast.transactions import lazy

pytestmark = [
    pytest.mark.xdist_group("spark"),
    # What engines say when they are closed or collected is not about the code under test.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    # Sockets that py4j leaves to the collector would raise in it, and pytest keep the frames that
    # it came upon, with the summaries in them.
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

EXAMPLE = Path(__file__).parents[2] / "docs" / "spark_example.py"
TERMS: dict[str, Any] = {
    "horizon": "52W", "annual_discount_rate": 0.10, "margin": 0.30, "level": 0.90
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Orders as a cluster has them: files with the orders of any customer in any of them."""
    log = clv.datasets.load_cdnow(sample=True)[["customer_id", "date", "amount"]]
    log = log.assign(date=pd.to_datetime(log["date"]).dt.date)
    folder = tmp_path_factory.mktemp("orders")
    for part in range(3):
        log.iloc[part::3].to_parquet(folder / f"{part}.parquet")
    return folder


@pytest.fixture
def collected(spark: Any, monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], int]]:
    """Columns and number of rows of everything that is brought to the driver's Python."""
    seen: list[tuple[list[str], int]] = []
    kind = type(spark.range(1))

    def watch(name: str, rows: Callable[[Any], int]) -> None:
        original = getattr(kind, name)

        def watched(frame: Any, *arguments: Any, **named: Any) -> Any:
            result = original(frame, *arguments, **named)
            seen.append((frame.columns, rows(result)))
            return result

        monkeypatch.setattr(kind, name, watched)

    for name in ("collect", "toPandas", "take", "head", "tail"):
        watch(name, len)
    watch("toArrow", lambda table: int(table.num_rows))
    monkeypatch.setattr(kind, "toLocalIterator", None)
    return seen


def kept_by_executors(session: Any) -> int:
    return int(session.sparkContext._jsc.getPersistentRDDs().size())


def views_of(session: Any) -> list[str]:
    return [row.viewName for row in session.sql("SHOW VIEWS").collect()]


def indexed(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.set_index("customer_id").sort_index()


def test_the_documented_way(spark: Any, folder: Path, collected: list[Any], tmp_path: Path) -> None:
    """`docs/spark_example.py`, on partitions and shuffles, against the way of a laptop."""
    context = spark.sparkContext
    assert context._jsc.sc().getExecutorMemoryStatus().size() == 3  # the driver and two executors
    assert spark.read.parquet(str(folder)).rdd.getNumPartitions() > 1
    held = kept_by_executors(spark)

    example = runpy.run_path(str(EXAMPLE))
    value = example["forecast"](spark, str(folder), str(tmp_path / "value"))
    value.to_table("value")
    most = max(rows for _, rows in collected)
    assert not [columns for columns, _ in collected if "customer_id" in columns]
    assert most < len(value)
    backend = value.table.get_backend()
    plan = backend._session.sql(backend.compile(value.table))._jdf.queryExecution().toString()
    assert "Exchange hashpartitioning" in plan

    orders = clv.read_orders(clv.datasets.load_cdnow(sample=True))
    rfm = orders.summarize("W")
    expected = clv.forecast(clv.BGNBD.fit(rfm), clv.GammaGamma.fit(rfm), rfm, **TERMS)
    assert value.attrs == expected.attrs
    files = sorted((tmp_path / "value").glob("*.parquet"))
    assert len(files) > 1
    written = indexed(pd.concat([pd.read_parquet(file) for file in files]))
    pd.testing.assert_frame_equal(written, expected, rtol=1e-9, atol=0)
    found = indexed(spark.table("value").toArrow().to_pandas())
    pd.testing.assert_frame_equal(found, written, rtol=1e-12, atol=0)
    with pytest.raises(clv.DataError, match="'value' could not be written"):
        value.to_table("value")
    with pytest.raises(clv.DataError, match="Spark could not write"):
        value.to_parquet(tmp_path / "value")

    assert kept_by_executors(spark) > held
    session = backend._session
    del value, backend
    gc.collect()
    assert kept_by_executors(spark) == held
    (view,) = views_of(session)  # the orders
    assert view.startswith("clvforecast_orders_")


def test_the_query_for_dbt_is_the_summary(spark: Any, folder: Path) -> None:
    """`clv sql --dialect spark`, which prints what `summary_sql` makes."""
    spark.read.parquet(str(folder)).createTempView("sales")
    text = clv.summary_sql("spark", until="1997-09-30", table="sales", time_unit="W")
    found = indexed(spark.sql(text).toArrow().to_pandas())
    spark.catalog.dropTempView("sales")
    expected = clv.read_orders(clv.datasets.load_cdnow(sample=True)).summarize("W", "1997-09-30")
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-12)


def test_its_session_stays_as_it_is_and_a_table_that_fails_is_not_there(spark: Any) -> None:
    """Ibis sets its session's time zone; the caller's must not notice."""
    before = dict(spark.sql("SET").collect())
    views = views_of(spark)
    frame = spark.createDataFrame(
        pa.table({"customer_id": ["a", "b"], "date": ["2024-03-01"] * 2, "amount": [1.0, 2.0]})
    )
    table = clv.read_orders(frame).table
    wrong = table.mutate(amount=table.customer_id.cast("float64"))
    with pytest.raises(clv.DataError, match="'half' could not be written"):
        lazy.LazyTable(wrong, {}, 2).to_table("half")
    assert not spark.catalog.tableExists("half")
    lazy.LazyTable(table, {}, 2).to_table("half")
    assert spark.table("half").count() == 2
    assert dict(spark.sql("SET").collect()) == before
    assert views_of(spark) == views
