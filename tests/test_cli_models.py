"""`--model` names models to fit, or files of fits."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import clvforecast as clv
from clvforecast.cli import console
from clvforecast.cli.commands import app


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published tenth of CDNOW as a CSV file."""
    path = tmp_path_factory.mktemp("orders") / "cdnow.csv"
    clv.datasets.load_cdnow(sample=True).to_csv(path, index=False)
    return path


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_model_by_its_name_is_fitted_kept_and_used(log: Path, tmp_path: Path) -> None:
    kept, used = tmp_path / "fits.json", tmp_path / "used.json"
    assert invoke("fit", log, "--model", "mbgnbd", "--save", kept).exit_code == 0
    assert json.loads(kept.read_text())["purchases"]["model"] == "mbgnbd"
    named = ["forecast", log, "--model", "MBGNBD", "--model", "gamma-gamma", "--save", used]
    forecasts = [invoke(*named), invoke("forecast", log, "--model", kept)]
    assert [result.exit_code for result in forecasts] == [0, 0]
    assert forecasts[0].stdout == forecasts[1].stdout
    assert used.read_text() == kept.read_text()


def test_a_backtest_of_several(log: Path) -> None:
    options = ["--model", "bgnbd", "--model", "mbgnbd", "--origins", "1", "--replicates", "2"]
    found = json.loads(invoke("backtest", log, *options, "--metric", "bias", "--json").stdout)
    assert found["models"] == ["BG/NBD", "MBG/NBD"]


def test_which_to_use(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rfm = clv.read_orders(log).summarize(time_unit="W")
    named = ["--model", "bgnbd", "--model", "mbgnbd"]
    found = json.loads(invoke("select", log, *named, "--json").stdout)
    expected = clv.select(rfm, ["bgnbd", "mbgnbd"])
    assert found["best"] == expected.best.model.name
    assert [row["bic"] for row in found["models"]] == pytest.approx(expected.table["bic"].tolist())
    monkeypatch.setattr(console, "on_terminal", lambda: True)
    assert invoke("select", log, *named).stdout.startswith(str(expected).splitlines()[0][:40])
    assert "is no model of purchases" in invoke("select", log, "--model", "gamma-gamma").stderr


@pytest.mark.parametrize("command", ["forecast", "backtest", "fit", "monitor", "acquisition"])
def test_a_name_that_is_none(command: str, log: Path) -> None:
    result = invoke(command, log, "--model", "mbgnd")
    assert result.exit_code == 1
    assert "There is no model 'mbgnd'" in result.stderr
    assert "Did you mean 'mbgnbd'?" in result.stderr


def test_two_of_one_kind_and_a_name_beside_a_file() -> None:
    both = invoke("forecast", "x.csv", "--model", "bgnbd", "--model", "mbgnbd")
    assert both.exit_code == 1
    assert "two models of one kind" in both.stderr
    mixed = invoke("forecast", "x.csv", "--model", "bgnbd", "--model", "fits.json")
    assert mixed.exit_code == 2
