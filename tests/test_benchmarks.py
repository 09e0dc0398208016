"""The benchmark's harness: logs as they are said to be, and a run whose figures are all there.

How fast anything was is for the report, not for a test.
"""

import hashlib
import json
import re
import subprocess
import sys
import warnings
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import clvforecast as clv

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
ORDERS = 50_000
IN_ORDER = ["read", "summarize", "fit", "score", "write"]


@pytest.fixture(scope="module")
def logs():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield import_module("harness.logs")


@pytest.fixture(scope="module")
def measuring(logs):  # which finds the harness
    return import_module("harness.measuring")


@pytest.fixture(scope="module")
def log(logs, tmp_path_factory):
    return logs.order_log(ORDERS, tmp_path_factory.mktemp("logs"))


@pytest.fixture(scope="module")
def orders(log):
    return pd.read_parquet(log.path)


@pytest.fixture(scope="module")
def buying(logs):
    shop = logs.Shop()
    return clv.BGNBD(r=shop.r, alpha=shop.alpha, a=shop.a, b=shop.b)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def within_error(sample, expected):
    """Whether a mean is where it should be: four and a half standard errors, 1 in 150,000."""
    return abs(np.mean(sample) - expected) < 4.5 * np.std(sample) / np.sqrt(len(sample))


def test_a_log_is_reproducible(logs, log, tmp_path):
    assert digest(logs.order_log(ORDERS, tmp_path).path) == digest(log.path)
    assert digest(logs.order_log(ORDERS, tmp_path, seed=2).path) != digest(log.path)


def test_a_log_is_kept_until_its_settings_change(logs, log):
    written = log.path.stat().st_mtime_ns
    assert logs.order_log(ORDERS, log.path.parent) == log
    assert log.path.stat().st_mtime_ns == written
    assert logs.order_log(1_000, log.path.parent, shop=logs.Shop(days=365)).path != log.path


def test_a_log_is_written_whole_or_not_at_all(logs, tmp_path, monkeypatch):
    def half_way(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(logs, "_write", half_way)
    with pytest.raises(KeyboardInterrupt):
        logs.order_log(1_000, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_rows_are_orders_by_date_with_customers_mixed(orders, log):
    assert list(orders.columns) == ["customer_id", "date", "amount"]
    assert (orders["customer_id"].dtype, len(orders)) == (np.int64, log.orders)
    assert orders["date"].is_monotonic_increasing
    assert (orders["date"] == orders["date"].dt.normalize()).all()
    assert orders["date"].between("2021-01-01", "2024-12-31").all()
    assert (orders["amount"] > 0).all()
    np.testing.assert_allclose(orders["amount"] * 100, np.round(orders["amount"] * 100), atol=1e-6)
    # Ids neither come in the order of arrival nor close together.
    ids = orders["customer_id"].drop_duplicates().to_numpy()
    assert len(ids) == log.customers
    assert abs(np.corrcoef(np.arange(len(ids)), ids)[0, 1]) < 4.5 / np.sqrt(len(ids))
    assert np.diff(np.sort(ids)).min() > 1_000_000


def test_customers_behave_as_the_models_say(logs, orders, log, buying):
    """Against closed forms of clvforecast, which has no part in drawing them."""
    shop = logs.Shop()
    ages = (np.arange(2_000) + 0.5) * shop.days / 2_000
    per_customer = orders.groupby("customer_id").size()
    expected = 1 + buying.expected_purchases(ages, 0, 0, 0).mean()
    assert expected == pytest.approx(logs.ORDERS_PER_CUSTOMER, abs=5e-4)
    assert within_error(per_customer, expected)
    assert within_error(per_customer == 1, ((shop.alpha / (shop.alpha + ages)) ** shop.r).mean())
    mean_amounts = orders.groupby("customer_id")["amount"].mean()
    assert within_error(mean_amounts, shop.p * shop.v / (shop.q - 1))
    assert log.orders == len(orders)


def test_pieces_join_into_one_log(logs, tmp_path, monkeypatch):
    monkeypatch.setattr(logs, "_CUSTOMERS_PER_CHUNK", 700)
    monkeypatch.setattr(logs, "_ORDERS_PER_SLICE", 3_000)
    log = logs.order_log(20_000, tmp_path)
    orders = pd.read_parquet(log.path)
    assert orders["date"].is_monotonic_increasing
    assert orders["customer_id"].nunique() == log.customers > 5 * 700


def test_what_would_take_too_long_or_too_much_is_not_run(measuring):
    stages = {
        "read": {"median_seconds": 0.1, "peak_bytes": 2 * 10**8},
        "fit": {"median_seconds": 9.0, "peak_bytes": 2 * 10**8},
        "score": {"median_seconds": 0.1, "peak_bytes": measuring.machine_memory() // 2},
    }
    record = {"stages": stages, "bytes_before": 10**8, "not_run": {"write": "OSError: full"}}
    before = {"orders": 10_000, "packages": {"lifetimes": record}}
    assert measuring.beyond(before, "lifetimes", 10_001, budget=60) == {}
    found = measuring.beyond(before, "lifetimes", 100_000, budget=60)
    assert found.keys() == {"fit", "score"}
    assert found["fit"] == "would take more than 60 s"
    assert "of memory" in found["score"]


@pytest.mark.parametrize(
    ("package", "stages"),
    [
        ("clvforecast in DuckDB", IN_ORDER[:-1]),
        ("lifetimes", [*IN_ORDER, "group cells", "fit on cells"]),
    ],
)
def test_every_stage_runs_and_scores_every_customer(package, stages, measuring, logs, tmp_path):
    log = logs.order_log(2_000, tmp_path)
    scores = tmp_path / "scores.parquet"
    worker = import_module("harness.worker")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = worker.run_stages(
            worker.stages_of(package, log.path, scores, "1GB"), skip=["intervals"]
        )
    assert (list(found["seconds"]), found["failed"]) == (stages, {})
    assert len(pd.read_parquet(scores)) == log.customers


def test_nothing_runs_without_what_it_needs(measuring):
    def broken():
        raise OSError("full")

    stages = dict.fromkeys(IN_ORDER, lambda: None) | {"fit": broken}
    found = import_module("harness.worker").run_stages(stages, ["read of something else"])
    assert found["seconds"].keys() == {"read", "summarize"}
    assert found["failed"] == {"fit": "OSError: full"}
    assert found["left_out"] == ["fit", "score", "write"]


def test_fits_of_the_family_are_timed_beside_bgnbd_and_lifetimes(measuring, tmp_path):
    family = import_module("family")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = family.measured(300, 300, 300, repeats=1, warm_up=0)
    for group in ("models", "regressions", "peers"):
        for name, fit in found[group]["fits"].items():
            assert fit["median_seconds"] > 0, (name, fit)
    likelihoods = {name: fit["log_likelihood"] for name, fit in found["peers"]["fits"].items()}
    for name in ("BG/NBD", "MBG/NBD", "Pareto/NBD"):  # the same task, done as well or better
        assert likelihoods[name] > likelihoods[f"lifetimes, {name}"] - 1e-6
    readme = tmp_path / "README.md"
    readme.write_text("# Before\n<!-- family -->\n<!-- /family -->\n", "utf-8")
    import_module("harness.report").fill(readme, family.table(found), family.MARKERS)
    text = readme.read_text("utf-8")
    assert re.search(r"\| lifetimes [\d.]+, Pareto/NBD \| 300 \| [\d.,]+ m?s \| [\d.]+ \| ", text)


def test_a_run_measures_every_stage_and_reports_it(measuring, log, tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(
        "# Before\n<!-- results -->\nearlier figures\n<!-- /results -->\nafter\n", "utf-8"
    )
    options = {
        "--orders": ["10000"],
        "--repeats": ["1"],
        "--packages": ["clvforecast", "floor"],
        "--skip": ["intervals"],
        "--import-turns": ["0"],
        "--cache": [str(log.path.parent)],
        "--json": [str(tmp_path / "figures.json")],
        "--readme": [str(readme)],
    }
    flat = [word for name, words in options.items() for word in (name, *words)]
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "run.py", *flat], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr

    found = json.loads((tmp_path / "figures.json").read_text("utf-8"))
    assert found.keys() == {
        *("machine", "versions", "settings", "import_seconds", "sizes", "targets"),
        "run_seconds",
    }
    assert found["versions"]["clvforecast"] == clv.__version__
    (size,) = found["sizes"]
    assert size["asked"] == 10_000
    assert size["orders"] == pytest.approx(10_000, rel=0.2)
    spent = {
        package: {stage: found["median_seconds"] for stage, found in record["stages"].items()}
        for package, record in size["packages"].items()
    }
    ours, floor = spent["clvforecast"], spent["floor"]
    assert ours.keys() == {*IN_ORDER, "summary", "pipeline"}
    assert floor.keys() == {"group by", "group by, counting rows", "20 exp passes"}
    assert ours["summary"] == pytest.approx(ours["read"] + ours["summarize"])
    assert ours["pipeline"] == pytest.approx(sum(ours[stage] for stage in IN_ORDER))
    for record in size["packages"].values():
        for stage in record["stages"].values():
            assert stage["median_seconds"] > 0
            assert stage["peak_bytes"] > 10_000_000
    targets = {target["name"]: target for target in found["targets"]}
    target = targets["summary: times the floor, into pandas"]
    ratio = ours["summary"] / floor["group by"]
    assert target["by_orders"] == {"10000": pytest.approx(ratio)}
    assert target["met"] is (ratio <= 2.5)
    assert targets["fit: faster than lifetimes"]["met"] is None

    text = readme.read_text("utf-8")
    assert text.startswith("# Before\n")
    assert text.endswith("\nafter\n")
    assert "earlier figures" not in text
    assert re.search(r"\| fit BG/NBD and Gamma-Gamma \| [\d.,]+ m?s \|", text)
    import_module("harness.picture").draw(found, tmp_path / "cost.png")
    assert (tmp_path / "cost.png").read_bytes().startswith(b"\x89PNG")
