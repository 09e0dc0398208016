"""What a run that is killed leaves behind, and who clears it away."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import clvforecast as clv
from clvforecast.errors import DataError
from clvforecast.files import Scratch, replacing

WRITING = """
import sys, time
from pathlib import Path
from clvforecast.files import replacing
with replacing(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    print("ready", flush=True)
    time.sleep(600)
"""
SPILLING = """
import sys
import clvforecast as clv
print("ready", flush=True)
orders = clv.read_orders(sys.argv[1], memory_limit="200MB")
"""


@pytest.fixture
def start(tmp_path):
    """Start a program that is killed at the latest with the test."""
    running = []

    def starting(program, *arguments, folder=tmp_path):
        process = subprocess.Popen(
            [sys.executable, "-c", program, *map(str, arguments)],
            stdout=subprocess.PIPE,
            env={**os.environ, "TMPDIR": str(folder)},
        )
        running.append(process)
        assert process.stdout.readline().strip() == b"ready"
        return process

    yield starting
    for process in running:
        kill(process)


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


@pytest.fixture(scope="module")
def many_orders(tmp_path_factory):
    """A Parquet file whose group-by takes more than 200 MB."""
    path = tmp_path_factory.mktemp("orders") / "orders.parquet"
    rng = np.random.default_rng(1)
    n = 1_500_000
    pd.DataFrame(
        {
            "customer_id": rng.integers(0, n // 3, n),
            "date": np.datetime64("2023-01-01") + rng.integers(0, 365, n).astype("timedelta64[D]"),
            "amount": rng.integers(1, 10_000, n) / 100,
        }
    ).to_parquet(path)
    return path


def test_the_next_writer_clears_away_what_a_killed_one_left(tmp_path, start):
    target = tmp_path / "out.csv"
    target.write_text("before")
    kill(start(WRITING, target))
    left = set(tmp_path.iterdir()) - {target}
    assert len(left) == 2  # the half and its lock
    assert target.read_text() == "before"
    with replacing(target) as temporary:
        temporary.write_text("after")
    assert list(tmp_path.iterdir()) == [target]
    assert target.read_text() == "after"


def test_a_writer_at_work_is_left_alone(tmp_path, start):
    target = tmp_path / "out.csv"
    start(WRITING, target)
    at_work = set(tmp_path.iterdir())
    with replacing(target) as temporary:
        temporary.write_text("after")
    assert set(tmp_path.iterdir()) == at_work | {target}


def test_scratch_of_another_name_is_left_alone(tmp_path):
    ours, theirs = Scratch(tmp_path, "a"), Scratch(tmp_path, "a.b")
    theirs.path.mkdir()
    (theirs.path / "file").write_text("x")
    Scratch(tmp_path, "a").remove()
    assert (theirs.path / "file").exists()
    theirs.remove()
    ours.remove()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_spilled_is_cleared_away_by_the_next(
    tmp_path, start, many_orders, monkeypatch
):
    process = start(SPILLING, many_orders)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("clvforecast-spill.*/*")):
        assert process.poll() is None, "done without spilling"
        assert time.monotonic() < deadline, "nothing spilled"
        time.sleep(0.005)
    kill(process)
    assert list(tmp_path.glob("clvforecast-spill.*/*"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    clv.read_orders(pd.DataFrame({"customer_id": [1], "date": ["2024-01-01"], "amount": [1.0]}))
    assert not list(tmp_path.glob("clvforecast-spill.*/*"))


def test_a_run_within_little_memory_gives_the_same(many_orders, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    little = clv.read_orders(many_orders, memory_limit="200MB")
    plenty = clv.read_orders(many_orders)
    assert little.quality == plenty.quality
    pd.testing.assert_frame_equal(
        little.summarize(), plenty.summarize(), check_exact=False, rtol=1e-13
    )


def test_a_limit_that_is_none():
    with pytest.raises(DataError, match="memory_limit='lots' is no amount of memory.*'4GB'"):
        clv.read_orders(clv.datasets.load_cdnow(), memory_limit="lots")


def test_an_engine_of_its_own_has_its_own_limit():
    import ibis

    rows = pa.table({"customer_id": [1], "date": ["2024-01-01"], "amount": [1.0]})
    table = ibis.memtable(rows)
    with pytest.raises(DataError, match="memory_limit='1GB' limits the DuckDB that this package"):
        clv.read_orders(table, memory_limit="1GB")
