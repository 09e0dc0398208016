"""`clv backtest` and `clv diagnose`: the library's findings, for a person, a pipe and a program."""

import dataclasses
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

import clvforecast as clv
from clvforecast.cli import console
from clvforecast.cli.commands import app
from clvforecast.cli.screens import evidence

CUTOFFS = ["1997-06-30", "1997-09-30"]
TERMS = ["--horizon", "13W", "--cutoff", CUTOFFS[1], "--cutoff", CUTOFFS[0], "--level", "0.8",
         "--replicates", "9", "--seed", "3"]  # fmt: skip
# An engine adds up in any order, so the last digits of two readings of one log may differ.
CLOSE: dict[str, Any] = {"rtol": 1e-6, "atol": 1e-9}


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every other customer of the published tenth of CDNOW as a CSV file."""
    path = tmp_path_factory.mktemp("orders") / "cdnow.csv"
    orders = clv.datasets.load_cdnow(sample=True)
    orders[orders["customer_id"].astype(int).mod(2) == 0].to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def begun_late(log: Path) -> Path:
    """The same log without its first weeks, so that old customers look like new ones."""
    path = log.with_name("late.csv")
    orders = pd.read_csv(log, dtype=str)
    orders[orders["date"] >= "1997-02-15"].to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def saved(log: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fits kept by the command line, a month before the log ends."""
    path = tmp_path_factory.mktemp("fits") / "fits.json"
    run("fit", log, "--until", "1998-05-31", "--save", path)
    return path


@pytest.fixture(scope="module")
def orders(log: Path) -> clv.Transactions:
    return clv.read_orders(log)


@pytest.fixture(scope="module")
def past(orders: clv.Transactions) -> clv.Backtest:
    return clv.backtest(orders, cutoffs=CUTOFFS, horizon="13W", level=0.8, replicates=9, seed=3)


@pytest.fixture(scope="module")
def found(orders: clv.Transactions) -> clv.Diagnosis:
    rfm = orders.summarize(time_unit="W")
    return clv.diagnose(orders, clv.BGNBD.fit(rfm), clv.GammaGamma.fit(rfm))


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody reads stdout, on 80 columns."""
    monkeypatch.setattr(console, "on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch, past: clv.Backtest) -> dict[str, Any]:
    """Spare the backtest, whose result is known, and keep what it was asked for."""
    asked: dict[str, Any] = {}

    def backtest(_orders: clv.Transactions, models: object, **terms: object) -> clv.Backtest:
        asked.update(terms, models=models)
        return past

    monkeypatch.setattr(clv, "backtest", backtest)
    return asked


@pytest.fixture
def diagnosed(monkeypatch: pytest.MonkeyPatch, found: clv.Diagnosis) -> None:
    """Spare the diagnosis, whose result is known."""
    monkeypatch.setattr(clv, "diagnose", lambda *_, **__: found)


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


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


def only_json(text: str) -> Any:
    """Read one document, in which JSON's forbidden NaN is an error."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    return json.loads(text, parse_constant=refuse)


def assert_same_records(records: list[Mapping[str, Any]], table: pd.DataFrame) -> None:
    frame = pd.DataFrame(records, columns=list(table.columns))
    pd.testing.assert_frame_equal(frame.astype(table.dtypes.to_dict()), table, **CLOSE)


class TestBacktest:
    def test_a_pipe_gets_the_table_of_the_library(self, log: Path, past: clv.Backtest) -> None:
        result = run("backtest", log, *TERMS)
        table = pd.read_csv(io.StringIO(result.stdout), parse_dates=["cutoff"])
        pd.testing.assert_frame_equal(
            table.astype(past.table.dtypes.to_dict()), past.table, **CLOSE
        )
        assert result.stderr == ""

    @pytest.mark.usefixtures("known")
    def test_json_has_the_terms_the_scores_and_the_differences(
        self, log: Path, past: clv.Backtest
    ) -> None:
        document = only_json(run("backtest", log, "--json").stdout)
        assert document["cutoffs"] == CUTOFFS
        assert (document["models"], document["baselines"][-1]) == (["BG/NBD"], "nothing")
        assert (document["horizon_days"], document["level"], document["time_unit"]) == (
            91,
            0.8,
            "W",
        )
        assert document["customers"] == past.customers.index.unique("customer_id").size
        assert_same_records(document["scores"], past.table)
        differences = [
            row
            for row in document["differences"]
            if (row["target"], row["metric"]) == ("spend", "crps")
        ]
        assert_same_records(differences, past.differences("crps", "spend").reset_index())

    def test_the_library_gets_what_was_asked_for(self, log: Path, known: dict[str, Any]) -> None:
        run(
            *("backtest", log, "--origins", "4", "--horizon", "2M", "--metric", "gini"),
            *("--metric", "bias", "--workers", "2", "--ridge", "0.01", "--time-unit", "d"),
        )
        assert known == {
            "cutoffs": None,
            "n": 4,
            "horizon": "2M",
            "metrics": ["gini", "bias"],
            "workers": 2,
            "ridge": 0.01,
            "time_unit": "D",
            "level": 0.9,
            "replicates": 200,
            "seed": 0,
            "progress": False,
            "models": None,
        }

    def test_who_watches_sees_progress(
        self, log: Path, known: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(console, "watched", lambda: True)
        run("backtest", log)
        assert known["progress"] is True

    @pytest.mark.usefixtures("terminal", "known")
    def test_a_person_sees_the_chief_scores(self, log: Path, past: clv.Backtest) -> None:
        shown = run("backtest", log).stdout
        assert max(map(len, shown.splitlines())) <= 80
        assert "…" not in shown
        crps = past.summary("crps")["mean"]["BG/NBD"]
        error = past.table.query("model == 'BG/NBD' and metric == 'crps'")["standard_error"]
        assert f"{crps:.3f} ± {error[past.table['target'] == 'purchases'].mean():.3f}*" in shown
        text = " ".join(shown.split())
        assert "forecasts of 13 weeks at 1997-06-30, 1997-09-30." in text
        assert "Means over 2 cutoffs" in text
        assert "Purchases: 'BG/NBD' has the best crps, by more than noise." in text
        assert "Not shown: mae, rmse, log_score," in text

    @pytest.mark.usefixtures("terminal")
    def test_the_best_and_what_is_within_noise_of_it_are_marked(
        self, past: clv.Backtest, capsys: pytest.CaptureFixture[str]
    ) -> None:
        evidence.show_backtest(past)
        rows = capsys.readouterr().out.split("spend")[0].splitlines()
        marked = {name for name in past.baselines for row in rows if name in row and "*" in row}
        expected = set()
        for metric in ("bias", "crps", "gini"):
            noise = past.differences(metric)["within_noise"]
            expected |= set(noise.index[noise])
        assert marked == expected - {"BG/NBD"}
        assert 0 < len(marked) < len(past.baselines)

    def test_a_wider_terminal_shows_more(
        self,
        past: clv.Backtest,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setenv("COLUMNS", "120")
        evidence.show_backtest(past)
        assert " rmse" in capsys.readouterr().out.split("Not shown")[0]

    @pytest.mark.usefixtures("terminal")
    def test_chosen_metrics_are_the_ones_shown(
        self, past: clv.Backtest, capsys: pytest.CaptureFixture[str]
    ) -> None:
        last = past.table["cutoff"] == CUTOFFS[1]
        chosen = (last & past.table["metric"].isin(["spearman", "log_score"])).to_numpy()
        fewer = dataclasses.replace(
            past,
            table=past.table[chosen].reset_index(drop=True),
            cutoffs=past.cutoffs[1:],
            _replicated=past._replicated[chosen],
        )
        evidence.show_backtest(fewer)
        shown = capsys.readouterr().out
        assert "log_score" in shown
        assert "spearman" in shown
        for word in ("Skill", "Not shown", "Means over", "nan"):
            assert word not in shown

    @pytest.mark.usefixtures("known")
    def test_files_and_a_picture(self, log: Path, past: clv.Backtest, tmp_path: Path) -> None:
        target, picture = tmp_path / "scores.parquet", tmp_path / "proof.svg"
        result = run("backtest", log, "-o", target, "--picture", picture)
        assert result.stdout == ""
        assert result.stderr.splitlines() == [
            f"clv: wrote {picture}",
            f"clv: wrote {target} ({len(past.table)} rows)",
        ]
        table = pd.read_parquet(target)
        pd.testing.assert_frame_equal(table, past.table, check_dtype=False)
        assert picture.read_text(encoding="utf-8").count('<g id="axes_') == 4

    def test_ctrl_c_exits_with_130_and_leaves_nothing(
        self, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(clv, "backtest", interrupted)
        result = invoke("backtest", log, "-o", tmp_path / "scores.csv")
        assert (result.exit_code, result.stdout, result.stderr) == (130, "", "")
        assert list(tmp_path.iterdir()) == []


class TestDiagnose:
    def test_a_pipe_gets_the_table_of_the_library(self, log: Path, found: clv.Diagnosis) -> None:
        result = run("diagnose", log)
        table = pd.read_csv(io.StringIO(result.stdout), index_col="check")
        for column in ("statistic", "meaning", "remedy"):
            table[column] = table[column].fillna("")
        expected = found.table.astype({"verdict": "str"})
        pd.testing.assert_frame_equal(table.astype(expected.dtypes.to_dict()), expected, rtol=1e-3)
        assert result.stderr == ""

    @pytest.mark.usefixtures("diagnosed")
    def test_json_is_one_document_with_finite_numbers(
        self, log: Path, saved: Path, found: clv.Diagnosis
    ) -> None:
        result = run("diagnose", log, "--model", saved, "--json")
        assert only_json(result.stdout) == found.to_dict()
        assert None in {finding["p_value"] for finding in found.to_dict()["findings"]}

    @pytest.mark.usefixtures("terminal")
    def test_a_violated_assumption_comes_first_and_is_no_error(self, begun_late: Path) -> None:
        shown = run("diagnose", begun_late).stdout
        assert max(map(len, shown.splitlines())) <= 80
        lines = shown.splitlines()
        first = lines.index("Violated")
        assert first < lines.index("As assumed")
        assert lines[first + 1].startswith("  first purchases: none before the log: ")
        assert any(line.startswith("    → ") for line in lines)

    @pytest.mark.parametrize("columns", ["50", "200"])
    def test_words_are_whole_and_lines_readable_on_any_terminal(
        self,
        found: clv.Diagnosis,
        columns: str,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.setenv("COLUMNS", columns)
        evidence.show_diagnosis(found)
        shown = capsys.readouterr().out
        assert max(map(len, shown.splitlines())) <= min(int(columns), 100)
        text = " ".join(shown.split())
        for finding in found.findings:
            assert f"{finding.check}: {console.in_options(finding.meaning)}" in text
            assert console.in_options(finding.remedy) in text

    @pytest.mark.usefixtures("diagnosed")
    def test_files_and_a_picture(self, log: Path, saved: Path, tmp_path: Path) -> None:
        target, picture = tmp_path / "findings.json", tmp_path / "weeks.png"
        run("diagnose", log, "--model", saved, "-o", target, "--picture", picture)
        records = only_json(target.read_text(encoding="utf-8"))
        assert records[0]["check"] == "purchase timing: regularity"
        assert {record["verdict"] for record in records} >= {"as assumed", "not checked"}
        assert picture.read_bytes().startswith(b"\x89PNG")

    def test_kept_fits_are_diagnosed_on_their_own_day(self, log: Path, saved: Path) -> None:
        document = only_json(run("diagnose", log, "--model", saved, "--json").stdout)
        assert document["until"] == "1998-05-31"

    def test_kept_fits_of_other_customers(self, log: Path, saved: Path, tmp_path: Path) -> None:
        fewer = tmp_path / "fewer.csv"
        fewer.write_text("".join(log.read_text().splitlines(keepends=True)[:-400]))
        line = fails("diagnose", fewer, "--model", saved)
        assert "-Gamma was fitted to " in line or "BG/NBD was fitted to " in line


@pytest.mark.parametrize(
    ("options", "fragment"),
    [
        (["--horizon", "26"], "--horizon='26' is not a duration"),
        (["--horizon", "inf"], "--horizon='inf' must be a day or more, and finite"),
        (["--horizon", "0W"], "--horizon='0W' must be a day or more"),
        (["--cutoff", "soon"], "--cutoff='soon' is not a day"),
        (["--origins", "0"], "--origins=0 must be a whole number, 1 or more"),
        (["--level", "90"], "--level=90.0 must lie between 0 and 1"),
        (["--metric", "crsp"], "--metric: there is no 'crsp'"),
        (["--replicates", "1"], "--replicates=1 must be a whole number, 2 or more"),
        (["--workers", "0"], "--workers=0 must be a whole number, 1 or more"),
        (["--seed", "-1"], "--seed=-1 must be a whole number"),
        (["-o", "scores.txt"], "Use .csv, .parquet, .json or .xlsx."),
        (["--picture", "proof.csv"], "Use .png, .svg or .pdf."),
        ([], "There is no file 'nowhere.csv'"),
    ],
)
def test_a_backtest_is_refused_before_the_orders_are_read(
    options: list[str], fragment: str
) -> None:
    assert fragment in fails("backtest", "nowhere.csv", *options)


@pytest.mark.parametrize(
    ("options", "fragment"),
    [
        (["--cutoff", "2024-01-01"], "--cutoff=2024-01-01 leaves nothing to hold out"),
        (["--cutoff", "1998-06-01"], "days after the cutoff 1998-06-01"),
        (["--horizon", "5Y"], "Give a shorter --horizon, or a smaller --origins."),
        (["--horizon", "4W", "--cutoff", "1997-01-01"], "BG/NBD cannot be fitted"),
    ],
)
def test_a_log_that_holds_no_such_holdout(log: Path, options: list[str], fragment: str) -> None:
    assert fragment in fails("backtest", log, *options)


@pytest.mark.parametrize(
    ("options", "fragment"),
    [
        ([], "There is no file 'nowhere.csv'"),
        (["-o", "findings.xls"], "Use .csv, .parquet, .json or .xlsx."),
        (["--picture", "weeks.csv"], "Use .png, .svg or .pdf."),
        (["--save", "fits.csv"], "Use .json."),
        (["--model", "none.json"], "Cannot read the fits in 'none.json'"),
    ],
)
def test_a_diagnosis_is_refused_before_the_orders_are_read(
    options: list[str], fragment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert fragment in fails("diagnose", "nowhere.csv", *options)


@pytest.mark.parametrize(
    "arguments",
    [
        ["backtest", "x.csv", "--json", "-o", "scores.csv"],
        ["diagnose", "x.csv", "--json", "-o", "findings.json"],
        ["backtest", "x.csv", "--origins", "2", "--cutoff", "2024-01-01"],
        ["backtest", "x.csv", "--model", "fits.json"],
        ["diagnose", "x.csv", "--model", "fits.json", "--ridge", "0.1"],
    ],
)
def test_a_wrong_call_exits_with_2(arguments: list[str]) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert "Usage: " in result.stderr
    assert result.stdout == ""
