"""`clv portfolio`: the numbers of the library, on time, whole or not at all, in one line if not."""

import io
import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

import clvforecast as clv
from clvforecast.cli import console
from clvforecast.cli.commands import app

TERMS = ["--horizon", "8W", "--simulations", "60", "--seed", "3"]


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["portfolio", *(str(argument) for argument in arguments)])


def run(*arguments: object) -> Result:
    """Run a command that must succeed."""
    result = invoke(*arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result


def fails(*arguments: object) -> str:
    """Run a command that must fail, and return its one line."""
    result = invoke(*arguments)
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("clv: error: ")
    return line


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published tenth of CDNOW as a CSV file, with a shop per customer."""
    path = tmp_path_factory.mktemp("orders") / "cdnow.csv"
    orders = clv.datasets.load_cdnow(sample=True)
    orders["shop"] = orders["customer_id"].astype(int).mod(2).map({0: "web", 1: "city"})
    orders.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def saved(log: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fits kept by the command line."""
    path = tmp_path_factory.mktemp("fits") / "fits.json"
    done = CliRunner().invoke(app, ["fit", str(log), "--save", str(path)])
    assert done.exit_code == 0
    return path


@pytest.fixture(scope="module")
def orders(log: Path) -> clv.Transactions:
    return clv.read_orders(log, segments="shop")


def expected(orders: clv.Transactions, level: float = 0.9, **terms: object) -> pd.DataFrame:
    """Give the table that the library makes."""
    rfm = orders.summarize("W").assign(shop=orders.customer_segments()["shop"])
    buys, spend = clv.BGNBD.fit(rfm), clv.GammaGamma.fit(rfm)
    terms = {"horizon": "8W", "simulations": 60, "seed": 3} | terms
    return clv.portfolio(buys, spend, rfm, **terms).table(level)


def test_a_pipe_gets_the_table_of_the_library(log: Path, saved: Path, orders) -> None:
    table = pd.read_csv(io.StringIO(run(log, "--model", saved, *TERMS).stdout))
    assert table["period"].tolist()[:2] == ["1998-07-01", "1998-07-08"]
    assert table["end"].iloc[-1] == "1998-08-25"
    pd.testing.assert_frame_equal(
        table.drop(columns=["period", "end"]), expected(orders).reset_index(drop=True), rtol=1e-6
    )


def test_segments_plan_level_and_months(log: Path, saved: Path, orders, tmp_path: Path) -> None:
    target = tmp_path / "portfolio.parquet"
    result = run(
        log, "--model", saved, *TERMS, "--horizon", "2M", "--period", "m", "--by", "shop",
        "--new-customers", "web=30", "--level", "0.5", "-o", target,
    )  # fmt: skip
    assert result.stdout == ""
    assert f"wrote {target} (4 rows)" in result.stderr
    table = pd.read_parquet(target)
    assert list(table.columns[:3]) == ["shop", "period", "end"]
    same = expected(orders, 0.5, horizon="2M", period="M", by="shop", new_customers={"web": 30.0})
    pd.testing.assert_frame_equal(
        table.drop(columns=["shop", "period", "end"]), same.reset_index(drop=True), rtol=1e-6
    )


def test_cumulative_json_and_a_picture(log: Path, saved: Path, tmp_path: Path) -> None:
    target, picture = tmp_path / "portfolio.json", tmp_path / "fan.svg"
    run(log, "--model", saved, *TERMS, "--cumulative", "--new-customers", "7", "-o", target,
        "--picture", picture)  # fmt: skip
    records = json.loads(target.read_text(encoding="utf-8"))
    assert records[0]["period"] == "1998-07-01"
    amounts = [record["orders_from_new"] for record in records]
    assert amounts == sorted(amounts)
    assert "<svg" in picture.read_text(encoding="utf-8")


def test_models_fitted_on_the_way_are_saved(log: Path, saved: Path, tmp_path: Path) -> None:
    kept = tmp_path / "fits.json"
    fresh = run(log, *TERMS, "--save", kept).stdout
    again = run(log, "--model", kept, *TERMS).stdout
    tables = [
        pd.read_csv(io.StringIO(text), index_col=["period", "end"]) for text in (fresh, again)
    ]
    pd.testing.assert_frame_equal(*tables, rtol=1e-6)


@pytest.mark.parametrize("more", [[], ["--by", "shop"], ["--new-customers", "40"]])
def test_a_person_is_told_what_it_adds_up_to(
    log: Path, saved: Path, monkeypatch: pytest.MonkeyPatch, more: list[str]
) -> None:
    monkeypatch.setattr(console, "on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    shown = run(log, "--model", saved, *TERMS, *more).stdout
    text = " ".join(shown.split())
    assert "2,357 customers observed until 1998-06-30. Next 8 weeks: orders " in text
    assert ("(90%: " in text) == ("--by" not in more)
    assert ("from new customers" in text) == ("--new-customers" in more)
    assert "do not add up" in text
    assert max(len(line) for line in shown.splitlines()) <= 80


@pytest.mark.parametrize(
    ("options", "fragments"),
    [
        (["--by", "shpo"], ["'shpo'", "--by", "'shop'"]),
        (["--horizon", "2W", "--period", "M"], ["--period='M'", "14 days"]),
        (["--horizon", "inf"], ["infinite", "--horizon"]),
        (["--horizon", "soon"], ["--horizon='soon'"]),
        (["--level", "1.5"], ["--level=1.5"]),
        (["--level", "0.99"], ["--level=0.99 needs 199 simulations", "Pass --simulations"]),
        (["--simulations", "0"], ["--simulations=0"]),
        (["--seed", "-1"], ["--seed=-1"]),
        (["--new-customers", "-5"], ["--new-customers=-5.0", "0 or more"]),
        (["--by", "shop", "--new-customers", "wbe=5"], ["'wbe'", "Did you mean 'web'"]),
        (["--by", "amount"], ["amount"]),
        (["-o", "portfolio.txt"], ["'.txt'", ".csv"]),
        (["--picture", "fan.csv"], ["'.csv'", ".png"]),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    log: Path, saved: Path, options: list[str], fragments: list[str]
) -> None:
    line = fails(log, "--model", saved, "--simulations", "60", *options)
    assert [fragment for fragment in fragments if fragment not in line] == []


@pytest.mark.parametrize(
    "options",
    [
        ["--new-customers", "many"],
        ["--new-customers", "1", "--new-customers", "2"],
        ["--new-customers", "web=1"],
        ["--by", "shop", "--new-customers", "1"],
        ["--by", "shop", "--by", "customer_id", "--new-customers", "web=1"],
        ["--by", "shop", "--picture", "fan.png"],
        ["--period", "Q"],
    ],
)
def test_a_wrong_call_exits_with_2(log: Path, saved: Path, options: list[str]) -> None:
    result = invoke(log, "--model", saved, *options)
    assert result.exit_code == 2
    assert "Usage: " in result.stderr


def test_a_segment_called_like_a_column_of_the_summary(log: Path, tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    pd.read_csv(log, dtype=str).rename(columns={"shop": "recency"}).to_csv(path, index=False)
    assert "'recency' is what a column of the summary is called" in fails(path, "--by", "recency")


def test_nothing_is_written_when_something_is_wrong(log: Path, saved: Path, tmp_path: Path) -> None:
    target, picture = tmp_path / "portfolio.csv", tmp_path / "fan.png"
    target.write_text("mine")
    fails(log, "--model", saved, "--horizon", "1D", "-o", target, "--picture", picture)
    assert target.read_text() == "mine"
    assert not picture.exists()


def test_uncertain_parameters(log: Path, orders: clv.Transactions) -> None:
    table = pd.read_csv(io.StringIO(run(log, *TERMS, "--posterior").stdout))
    rfm = orders.summarize(time_unit="W")
    fits = clv.BGNBD.fit(rfm), clv.GammaGamma.fit(rfm)
    draws = tuple(fit.posterior() for fit in fits)
    ahead = clv.portfolio(*fits, rfm, horizon="8W", simulations=60, seed=3, posterior=draws).table()
    assert table["orders_upper"].tolist() == ahead["orders_upper"].tolist()


def test_kept_fits_have_no_posterior(log: Path, saved: Path) -> None:
    for command in (["portfolio"], ["forecast", "--level", "0.9"]):
        result = CliRunner().invoke(app, [*command, str(log), "--model", str(saved), "--posterior"])
        assert result.exit_code == 2
        assert "--model brings fits without" in " ".join(result.output.split())
