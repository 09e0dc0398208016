"""`clv update`: what came in, in words; the forecast of the whole log; files whole or not."""

import io
import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

import clvforecast as clv
from clvforecast.cli.commands import app

HEADER = "customer_id,date,amount\n"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["update", *(str(argument) for argument in arguments)])


def run(*arguments: object) -> Result:
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


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "customers.parquet"


@pytest.fixture
def new(tmp_path: Path) -> Path:
    path = tmp_path / "new.csv"
    path.write_text(HEADER + "A,2024-01-05,10\nB,2024-01-09,5\n", encoding="utf-8")
    return path


def test_what_came_in_is_said(state: Path, new: Path) -> None:
    made = run(state, new)
    assert made.stdout == ""
    assert made.stderr == (
        f"clv: {state}: Made the state of 2 rows, 2 new customers. It has 2 customers, observed "
        "until 2024-01-09.\n"
    )
    assert "Already in the state: 2 rows. Nothing was added." in run(state, new).stderr
    new.write_text(HEADER + "A,2024-01-02,1\nC,2024-02-01,1\n", encoding="utf-8")
    added = run(state, new).stderr
    assert "Added 2 rows, 1 new customer, 1 row of earlier days. It has 3 customers" in added
    new.write_text(HEADER + "C,2024-02-03,-1\n", encoding="utf-8")  # a refund alone
    assert "Added 1 row, 0 new customers. It has 3 customers" in run(state, new).stderr
    assert clv.read_state(state).summarize("D")["T"].tolist() == [32, 25, 2]


def test_the_forecast_is_that_of_the_whole_log(state: Path, tmp_path: Path) -> None:
    log = clv.datasets.load_cdnow(sample=True)
    rfm = clv.read_orders(log).summarize("W")
    fits = {"purchases": clv.BGNBD.fit(rfm), "spend": clv.GammaGamma.fit(rfm)}
    saved = tmp_path / "fits.json"
    saved.write_text(json.dumps({role: json.loads(fit.to_json()) for role, fit in fits.items()}))
    for number, part in enumerate((log[3_000:], log[:3_000])):
        part.to_csv(tmp_path / f"{number}.csv", index=False)
    run(state, tmp_path / "0.csv")
    terms = ["--model", saved, "--horizon", "52W", "--discount-rate", "0.1", "--level", "0.8"]
    table = pd.read_csv(
        io.StringIO(run(state, tmp_path / "1.csv", *terms).stdout), dtype={"customer_id": str}
    ).set_index("customer_id")
    expected = clv.forecast(*fits.values(), rfm, horizon="52W", annual_discount_rate=0.1, level=0.8)
    pd.testing.assert_frame_equal(table, expected, rtol=1e-9, check_dtype=False)

    target = tmp_path / "forecast.parquet"
    again = run(state, tmp_path / "1.csv", *terms, "-o", target)
    assert "Already in the state" in again.stderr
    assert f"wrote {target} (2,357 rows)" in again.stderr
    assert pd.read_parquet(target)["clv"].sum() == pytest.approx(expected["clv"].sum())


@pytest.mark.parametrize(
    ("options", "fragments"),
    [
        (["--refunds", "drop"], ["--refunds='net'", "--refunds='drop'"]),
        (["--order", "amount", "--amount", "n"], ["--order not given", "--order given"]),
        (["--tz", "Asia/Tehran"], ["--tz=None", "--tz='Asia/Tehran'"]),
        (["--duplicates", "drop"], ["--duplicates='keep'"]),
        (["--repeated", "error"], ["very orders already", "--repeated='skip'"]),
        (["--model", "nowhere.json"], ["nowhere.json"]),
    ],
)
def test_refusals_leave_the_state_be(
    state: Path, new: Path, options: list[str], fragments: list[str]
) -> None:
    new.write_text("customer_id,date,amount,n\nA,2024-01-05,10,1\n", encoding="utf-8")
    run(state, new)
    before = state.read_bytes()
    line = fails(state, new, *options)
    assert all(fragment in line for fragment in fragments), line
    assert state.read_bytes() == before


def test_files_are_not_mixed_up(state: Path, new: Path) -> None:
    run(state, new)
    assert "let the name end in .parquet" in fails(new, new)
    result = invoke(state, new, "-o", "forecast.csv")
    assert result.exit_code == 2
    assert "--model" in result.stderr
    assert "the orders are in it" in fails(state, new, "--model", "fits.json", "-o", state)
