"""A customer state stands for the whole log, however that comes, and whatever interrupts it."""

import datetime as dt
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import filelock
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import clvforecast as clv
from clvforecast.states import storage

START = dt.date(2024, 1, 1)
END = START + dt.timedelta(days=12)
# Amounts are added up in another order, so the last digit may be another.
ROUNDING = {"rtol": 1e-12, "atol": 1e-12}

Row = tuple[Any, ...]


def log_of(rows: list[Row]) -> pd.DataFrame:
    """Make a log of (customer, day, amount) or (customer, day, amount, order)."""
    log = pd.DataFrame(rows, columns=["customer_id", "date", "amount", "order"][: len(rows[0])])
    return log.assign(date=[START + dt.timedelta(days=day) for day in log["date"]])


def read(rows: list[Row], **how: Any) -> clv.Transactions:
    order = "order" if len(rows[0]) > 3 else None
    return clv.read_orders(log_of(rows), **{"order": order, "until": END, "partial": True, **how})


def content(batch: list[Row]) -> tuple[Row, ...]:
    return tuple(sorted(batch, key=repr))


def assert_same(state: clv.Transactions, whole: clv.Transactions) -> None:
    """Compare what is made of the orders, at the end and half-way."""
    assert state.until == whole.until
    for name in ("customers", "purchase_days", "first_day", "last_day"):
        assert getattr(state.quality, name) == getattr(whole.quality, name), name
    for until in (END, START + dt.timedelta(days=4)):
        pd.testing.assert_frame_equal(
            state.summarize("W", until=until), whole.summarize("W", until=until), **ROUNDING
        )
    pd.testing.assert_frame_equal(state.activity(), whole.activity(), **ROUNDING)
    pd.testing.assert_frame_equal(state.totals("D"), whole.totals("D"), **ROUNDING)


rows = st.lists(
    st.tuples(
        st.sampled_from("ABCDEFGHIJKL"),
        st.integers(0, 8),
        st.sampled_from([-20.0, -5.1, -3.3, 0.0, 0.0, 3.3, 5.1, 7.0, 12.5]),
    ),
    min_size=40,
    max_size=90,
)
# An example takes seconds: none is made smaller when one fails.
few = settings(max_examples=2, phases=[Phase.generate])


@few
@given(rows, st.data(), st.sampled_from(["net", "net", "drop"]))
def test_any_split_late_and_repeated(log: list[Row], data: st.DataObject, refunds: str) -> None:
    """Batches of rows in any order, some of them twice: the same as all rows at once."""
    log = [("A", 3, 1.0), *(row for row in log if row[2] >= 0 or refunds == "net")]
    places = data.draw(st.lists(st.integers(0, 2), min_size=len(log), max_size=len(log)))
    batches = [[row for row, at in zip(log, places, strict=True) if at == n] for n in range(3)]
    # Two batches of the very same rows are one that came twice: that is what is promised.
    distinct = {content(batch): batch for batch in batches if batch}
    twice = data.draw(st.lists(st.sampled_from(list(distinct)), max_size=2))
    deliveries = data.draw(st.permutations([*distinct, *twice]))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "state.parquet"
        seen = set()
        for key in deliveries:
            batch = data.draw(st.permutations(distinct[key]))
            done = clv.update_state(path, read(batch, refunds=refunds))
            assert (done.created, done.repeated) == (not seen, key in seen)
            seen.add(key)
        state = clv.read_state(path)
        whole = read([row for batch in distinct.values() for row in batch], refunds=refunds)
        assert_same(state, whole)
        assert state.quality.rows_kept == whole.quality.rows_kept
        for counted in ("cancelled_days", "early_refunds", "refund_only_customers", "zero_amount"):
            assert state.quality.noted[counted] == whole.quality.noted[counted]


@few
@given(rows, st.data())
def test_orders_with_ids_in_batches_that_overlap(log: list[Row], data: st.DataObject) -> None:
    """Whole orders in any batches, each in one or more: the same as every order once."""
    log = [("A", 3, 1.0), *log]
    ids = data.draw(st.lists(st.integers(1, 9), min_size=len(log), max_size=len(log)))
    log = [(*row, number) for row, number in zip(log, ids, strict=True)]
    orders = sorted({(who, day, number) for who, day, _, number in log})
    where = {order: data.draw(st.sets(st.integers(0, 2), min_size=1)) for order in orders}
    batches = [[row for row in log if batch in where[row[0], row[1], row[3]]] for batch in range(3)]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "state.parquet"
        for batch in data.draw(st.permutations([batch for batch in batches if batch])):
            clv.update_state(path, read(batch))
        assert_same(clv.read_state(path), read(log))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.parquet"


def test_an_order_counts_as_delivered_last(path: Path) -> None:
    first = [("A", 0, 10.0, 1), ("A", 0, 2.0, 1), ("A", 2, 5.0, 2), ("A", 2, 4.0, None)]
    clv.update_state(path, read(first))
    mended = [("A", 0, 15.0, 1), ("A", 2, 5.0, 2), ("A", 2, 7.0, None), ("B", 1, 3.0, 1)]
    done = clv.update_state(path, read(mended))
    assert (done.orders_again, done.orders_changed, done.new_customers) == (2, 1, 1)
    assert "2 orders had before, 1 changed" in str(done)
    # What has no id cannot be told from what came before: it adds up.
    activity = clv.read_state(path).activity()
    assert activity["revenue"].tolist() == pytest.approx([15 + 5 + 4 + 7, 3])
    assert activity["orders"].tolist() == [3, 1]
    # The first batch again is known, and mends nothing back.
    assert clv.update_state(path, read(first)).repeated
    assert clv.read_state(path).activity()["revenue"].sum() == pytest.approx(34)


def test_what_came_in_is_said(path: Path) -> None:
    made = clv.update_state(path, read([("A", 5, 10.0), ("B", 5, 1.0)]))
    assert str(made) == (
        "Made the state of 2 rows, 2 new customers. It has 2 customers, observed until 2024-01-13."
    )
    added = clv.update_state(path, read([("A", 5, 2.0), ("A", 4, 2.0), ("C", 6, 1.0)]))
    assert (added.rows, added.late_rows, added.new_customers, added.batches) == (3, 1, 1, 2)
    assert str(added) == (
        "Added 3 rows, 1 new customer, 1 row of earlier days. It has 3 customers, observed until "
        "2024-01-13."
    )


def test_the_same_rows_from_elsewhere_are_known(path: Path, tmp_path: Path) -> None:
    """By value: from another file, in another order, with numbers of another width."""
    log = clv.datasets.load_cdnow(sample=True)
    clv.update_state(path, clv.read_orders(log))
    log.sample(frac=1, random_state=1).to_csv(tmp_path / "again.csv", index=False)
    assert clv.update_state(path, clv.read_orders(tmp_path / "again.csv")).repeated
    log.loc[0, "amount"] += 1e-9
    assert not clv.update_state(path, clv.read_orders(log)).repeated


def test_narrow_numbers_and_wide_ones_are_the_same_ids(path: Path) -> None:
    log = log_of([(7, 0, 1.0), (8, 1, 2.0)])
    clv.update_state(path, clv.read_orders(log.astype({"customer_id": "int16"})))
    assert clv.update_state(path, clv.read_orders(log.astype({"customer_id": "uint32"}))).repeated


def test_a_repeated_batch_can_be_added_or_refused(path: Path) -> None:
    batch = read([("A", 0, 3.0), ("A", 1, 3.0)])
    clv.update_state(path, batch)
    before = path.read_bytes()
    with pytest.raises(clv.DataError, match="has these very orders already"):
        clv.update_state(path, batch, repeated="error")
    clv.update_state(path, batch)
    assert path.read_bytes() == before
    clv.update_state(path, batch, repeated="add")
    assert clv.read_state(path).activity()["orders"].tolist() == [4]
    with pytest.raises(clv.DataError, match="repeated='ad' is not known.*'add'"):
        clv.update_state(path, batch, repeated="ad")


def test_a_repeated_batch_may_say_that_observation_went_on(path: Path) -> None:
    batch = [("A", 0, 3.0), ("A", 1, 3.0)]
    clv.update_state(path, read(batch))
    later = END + dt.timedelta(days=9)
    done = clv.update_state(path, read(batch, until=later))
    assert (done.repeated, done.until) == (True, later)
    assert clv.read_state(path).summarize("D")["T"].tolist() == [21]
    # An older batch does not take it back.
    assert clv.update_state(path, read([("B", 0, 1.0)])).until == later


def test_the_state_is_small_and_plain(path: Path) -> None:
    """A row per customer and day, however many orders there are."""
    orders = read([("A", 0, float(n)) for n in range(100)] + [("B", 1, 1.0), ("A", 0, -7.0)])
    clv.update_state(path, orders)
    assert pq.read_table(path).to_pylist() == [
        {"customer_id": "A", "date": START, "purchased": 4950.0, "refunded": -7.0,
         "purchases": 100, "refunds": 1},
        {"customer_id": "B", "date": START + dt.timedelta(days=1), "purchased": 1.0,
         "refunded": 0.0, "purchases": 1, "refunds": 0},
    ]  # fmt: skip
    assert len(clv.read_state(path).to_pandas()) == 102


def test_everything_takes_a_state(path: Path) -> None:
    """The forecast of the published log, kept as a state of three batches."""
    log = clv.datasets.load_cdnow(sample=True)
    for batch in (log[4_000:], log[:2_000], log[2_000:4_000]):
        clv.update_state(path, clv.read_orders(batch))
    state, whole = clv.read_state(path), clv.read_orders(log)
    pd.testing.assert_frame_equal(state.summarize("W"), whole.summarize("W"), **ROUNDING)
    for of_state, of_whole in zip(
        state.split("1997-09-30", "39W"), whole.split("1997-09-30", "39W"), strict=True
    ):
        pd.testing.assert_frame_equal(of_state, of_whole, **ROUNDING)
    steps = [clv.historical_clv(orders).steps for orders in (state, whole)]
    pd.testing.assert_frame_equal(*steps, **ROUNDING)
    assert repr(state) == repr(whole)


def test_batches_from_databases(path: Path, tmp_path: Path) -> None:
    """New orders stream from wherever they are."""
    rows = [("A", 0, 3.0, 1), ("A", 4, 2.0, 2), ("B", 1, 9.0, 3)]
    log = log_of(rows).astype({"date": str})
    connection = sqlite3.connect(tmp_path / "shop.sqlite")
    log[:2].to_sql("orders", connection, index=False)
    connection.close()
    with duckdb.connect(tmp_path / "shop.duckdb") as shop:
        new = log[1:]
        shop.register("new", new)
        shop.execute("CREATE TABLE orders AS FROM new")
    for kind in ("sqlite", "duckdb"):
        url = f"{kind}:///{tmp_path}/shop.{kind}"
        clv.update_state(path, clv.read_orders(url, table="orders", order="order", until=END))
    assert_same(clv.read_state(path), read(rows))


@pytest.mark.parametrize(
    ("second", "how", "message"),
    [
        ([("A", 1, 1.0)], {"refunds": "drop"}, "refunds='net', and these.*refunds='drop'"),
        ([("A", 1, 1.0, 5)], {}, "order= not given, and these.*order= given"),
        ([("A", 1, 1.0)], {"options": {"tz": None}}, "tz='Asia/Tehran', and these.*tz=None"),
        ([(17, 1, 1.0)], {}, "'customer_id' is BIGINT in the new orders and VARCHAR"),
    ],
)
def test_orders_read_in_another_way_are_refused(
    path: Path, second: list[Row], how: dict[str, Any], message: str
) -> None:
    options = {"tz": "Asia/Tehran"}
    clv.update_state(path, read([("A", 0, 1.0)]), options=options)
    before = path.read_bytes()
    given_options = how.pop("options", options)
    with pytest.raises(clv.DataError, match=message):
        clv.update_state(path, read(second, **how), options=given_options)
    assert path.read_bytes() == before


def test_segments_are_refused(path: Path) -> None:
    orders = clv.read_orders(log_of([("A", 0, 1.0)]).assign(shop="web"), segments="shop")
    with pytest.raises(clv.DataError, match="keeps no segment columns, and the orders have shop"):
        clv.update_state(path, orders)


def test_what_is_no_state(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = read([("A", 0, 1.0)])
    with pytest.raises(clv.DataError, match="There is no state '.*state.parquet'"):
        clv.read_state(path)
    with pytest.raises(clv.DataError, match=r"let the name end in \.parquet"):
        clv.update_state(path.with_suffix(".csv"), batch)
    with pytest.raises(clv.DataError, match="the folder .*nowhere' does not exist"):
        clv.update_state(path.parent / "nowhere" / "state.parquet", batch)
    for write in (
        lambda: path.write_text("customer_id,date,amount\n"),
        lambda: log_of([("A", 0, 1.0)]).to_parquet(path),
    ):
        write()
        before = path.read_bytes()
        with pytest.raises(clv.DataError, match=r"state.parquet' is no customer state"):
            clv.update_state(path, batch)
        assert path.read_bytes() == before
    path.unlink()
    monkeypatch.setattr(storage, "_FORMAT", 99)
    clv.update_state(path, batch)
    monkeypatch.undo()
    with pytest.raises(clv.DataError, match="has the format 99, and this version .* knows 1"):
        clv.read_state(path)


def test_a_link_stays_a_link(path: Path) -> None:
    link = path.with_name("current.parquet")
    clv.update_state(path, read([("A", 0, 1.0)]))
    link.symlink_to(path)
    clv.update_state(link, read([("B", 0, 1.0)]))
    assert link.is_symlink()
    assert clv.read_state(path).quality.customers == 2


def test_who_waits_too_long_is_told(path: Path) -> None:
    with (
        filelock.FileLock(path.with_name(".state.parquet.lock")),
        pytest.raises(clv.DataError, match=r"being updated by another process.*timeout=0.1 sec"),
    ):
        clv.update_state(path, read([("A", 0, 1.0)]), timeout=0.1)
    assert not path.exists()


PROGRAM = """
import os, signal, sys
import clvforecast as clv
from clvforecast.states import storage
path, source, moment = sys.argv[1:]
orders = clv.read_orders(source)
if moment == "killed":
    # The new state is written and on the disk, the old one not yet replaced.
    storage._sync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
print("ready", flush=True)
sys.stdin.readline()
clv.update_state(path, orders)
"""


def start(path: Path, source: Path, moment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(path), str(source), moment],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is of Unix")
def test_processes_that_are_killed_or_meet_lose_nothing(path: Path) -> None:
    """One is killed between write and replace; two others update at the same moment."""
    log = clv.datasets.load_cdnow(sample=True)
    parts = [log[:2_000], log[2_000:4_000], log[4_000:]]
    clv.update_state(path, clv.read_orders(parts[0]))
    before = path.read_bytes()
    sources = []
    for number, part in enumerate(parts):
        sources.append(path.with_name(f"{number}.csv"))
        part.to_csv(sources[-1], index=False)
    processes = [
        start(path, sources[1], "killed"),
        start(path, sources[1], "whole"),
        start(path, sources[2], "whole"),
    ]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"

    killed, *others = processes
    killed.communicate("\n", timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert path.read_bytes() == before
    assert clv.read_state(path).quality.rows_kept == 2_000
    (left,) = path.parent.glob(f".{path.name}.*.parquet")

    for process in others:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    for process in others:
        process.communicate(timeout=60)
        assert process.returncode == 0
    state, whole = clv.read_state(path), clv.read_orders(log)
    pd.testing.assert_frame_equal(state.summarize("W"), whole.summarize("W"), **ROUNDING)
    assert not left.exists()
