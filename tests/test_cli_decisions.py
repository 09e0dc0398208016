"""`clv segments`, `what-if` and the other decisions hand on what the public names find."""

import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

import clvforecast as clv
from clvforecast.cli import console
from clvforecast.cli.commands import app

HORIZON = ["--horizon", "39W"]
TERMS = [*HORIZON, "--margin", "0.3", "--discount-rate", "0.1"]
VALUED = {"horizon": "39W", "margin": 0.3, "annual_discount_rate": 0.1}
FEW = ["--simulations", "40"]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published tenth of CDNOW as a CSV file, with a channel."""
    orders = clv.datasets.load_cdnow(sample=True)
    last = orders["customer_id"].str[-1].astype(int)
    path = tmp_path_factory.mktemp("orders") / "cdnow.csv"
    orders.assign(channel=last.map(lambda digit: "web" if digit < 7 else "shop")).to_csv(
        path, index=False
    )
    return path


@pytest.fixture(scope="module")
def saved(log: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fits") / "fits.json"
    run("fit", log, "--save", path)
    return path


@pytest.fixture(scope="module")
def orders(log: Path) -> clv.Transactions:
    return clv.read_orders(log, segments=["channel"])


@pytest.fixture(scope="module")
def rfm(orders: clv.Transactions) -> pd.DataFrame:
    return orders.summarize(time_unit="W")


@pytest.fixture(scope="module")
def fits(saved: Path) -> tuple[clv.Fit, clv.Fit]:
    both = json.loads(saved.read_text())
    return clv.Fit.from_json(json.dumps(both["purchases"])), clv.Fit.from_json(
        json.dumps(both["spend"])
    )


@pytest.fixture(scope="module")
def value(fits: tuple[clv.Fit, clv.Fit], rfm: pd.DataFrame) -> pd.DataFrame:
    return clv.forecast(*fits, rfm, **VALUED)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody reads stdout, on 80 columns."""
    monkeypatch.setattr(console, "on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def run(*arguments: object) -> Result:
    """Run a command that must succeed."""
    result = invoke(*arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result


def fails(*arguments: object) -> str:
    """Run a command that must fail with one line, and give that line."""
    result = invoke(*arguments)
    assert result.exit_code == 1, (result.output, result.exception)
    assert result.stdout == ""
    assert result.stderr.startswith("clv: error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def same_table(text: str, expected: pd.DataFrame) -> None:
    found = pd.read_csv(io.StringIO(text), dtype={"customer_id": str})
    pd.testing.assert_frame_equal(
        found, expected.reset_index(), rtol=1e-9, check_dtype=False, check_categorical=False
    )


def same_document(text: str, expected: Any) -> None:
    """Engines add up in any order, so that the last digits may differ."""
    assert _rounded(json.loads(text)) == _rounded(json.loads(json.dumps(expected)))


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(v) for name, v in value.items()}
    if isinstance(value, list):
        return [_rounded(v) for v in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value


class TestSegments:
    def test_the_table_of_segments_by_value(
        self,
        log: Path,
        saved: Path,
        value: pd.DataFrame,
        orders: clv.Transactions,
        fits: tuple[clv.Fit, clv.Fit],
        rfm: pd.DataFrame,
    ) -> None:
        result = run("segments", log, "--model", saved, *TERMS, *FEW, "--quantile", "0.9")
        expected = clv.segments(
            value,
            orders,
            rules=clv.ValueRules(quantile=0.9),
            purchases=fits[0],
            spend=fits[1],
            rfm=rfm,
            simulations=40,
        )
        same_table(result.stdout, expected.table)

    def test_columns_of_the_orders_crossed_with_rules(
        self,
        log: Path,
        saved: Path,
        value: pd.DataFrame,
        orders: clv.Transactions,
        fits: tuple[clv.Fit, clv.Fit],
        rfm: pd.DataFrame,
    ) -> None:
        by = ["--by", "channel", "--by", "cohort_quarter"]
        result = run("segments", log, "--model", saved, *TERMS, *FEW, *by, "--json")
        expected = clv.segments(
            value,
            orders,
            by=[orders.customer_segments()["channel"], "cohort_quarter"],
            purchases=fits[0],
            spend=fits[1],
            rfm=rfm,
            simulations=40,
        )
        same_document(result.stdout, expected.to_dict())

    def test_the_segment_of_every_customer(self, log: Path, saved: Path) -> None:
        result = run("segments", log, "--model", saved, *HORIZON, *FEW, "--customers")
        table = pd.read_csv(io.StringIO(result.stdout), dtype={"customer_id": str})
        assert len(table) == 2357
        assert set(table["segment"]) <= {*clv.decisions.segmentation.rules.VALUE_SEGMENTS}

    def test_who_moved_since_a_day(self, log: Path, saved: Path) -> None:
        since = ["--since", "1997-12-31"]
        result = run("segments", log, "--model", saved, *HORIZON, *FEW, *since, "--json")
        moved = json.loads(result.stdout)
        assert (moved["before"], moved["after"]) == ("1997-12-31", "1998-06-30")
        assert sum(map(sum, moved["counts"])) == 2357
        assert moved["notes"][0] == "The thresholds are those of the first date at both."

    def test_a_picture_of_either(self, log: Path, saved: Path, tmp_path: Path) -> None:
        for number, more in enumerate(([], ["--since", "1997-12-31"])):
            picture = tmp_path / f"{number}.png"
            run("segments", log, "--model", saved, *FEW, *more, "--picture", picture)
            assert picture.read_bytes().startswith(b"\x89PNG")

    @pytest.mark.usefixtures("terminal")
    def test_on_a_terminal(self, log: Path, saved: Path) -> None:
        text = run("segments", log, "--model", saved, *HORIZON, *FEW).stdout
        assert "2,357 customers by value at 1998-06-30" in text
        assert "champions" in text
        assert "such limits do not add up" in " ".join(text.split())
        assert max(map(len, text.splitlines())) <= 80

    @pytest.mark.parametrize(
        ("options", "fragment"),
        [
            (["--quantile", "2"], "--quantile=2.0 must lie between 0 and 1"),
            (["--lost", "0.9"], "--lost=0.9"),
            (["--new-within", "soon"], "--new-within='soon'"),
            (["--small", "0"], "--small=0 must be a whole number of customers"),
            (["--level", "1"], "--level=1.0 must lie between 0 and 1"),
            (["--simulations", "3"], "Pass --simulations."),
            (["--since", "soon"], "--since='soon' is not a day"),
            (["--horizon", "inf", "--discount-rate", "0.1"], "infinite horizon"),
            ([], "There is no file 'nowhere.csv'"),
        ],
    )
    def test_refused_before_the_orders_are_read(self, options: list[str], fragment: str) -> None:
        assert fragment in fails("segments", "nowhere.csv", *options)

    def test_refused_by_what_the_orders_are(self, log: Path, saved: Path) -> None:
        assert "has no column 'land'" in fails("segments", log, "--by", "land")
        late = fails("segments", log, "--model", saved, "--since", "1998-06-30", *FEW)
        assert "--since='1998-06-30' is not before the end of observation, 1998-06-30." in late


class TestWhatIf:
    def test_the_levers_of_all_customers(
        self,
        log: Path,
        saved: Path,
        orders: clv.Transactions,
        fits: tuple[clv.Fit, clv.Fit],
        rfm: pd.DataFrame,
    ) -> None:
        past = clv.historical_clv(orders, margin=0.3)
        expected = clv.what_if(*fits, rfm, change=0.10, past=past, **VALUED)
        same_table(run("what-if", log, "--model", saved, *TERMS).stdout, expected.table)

    def test_chosen_levers_of_every_segment(
        self,
        log: Path,
        saved: Path,
        orders: clv.Transactions,
        fits: tuple[clv.Fit, clv.Fit],
        rfm: pd.DataFrame,
    ) -> None:
        options = ["--change", "retention=20%", "--change", "order-value=-0.05", "--by", "channel"]
        segments = orders.customer_segments()
        expected = clv.what_if(
            *fits,
            rfm.assign(channel=segments["channel"]),
            change={"retention": 0.2, "order_value": -0.05},
            by=["channel"],
            past=clv.historical_clv(orders, margin=0.3),
            **VALUED,
        )
        found = run("what-if", log, "--model", saved, *TERMS, *options)
        same_table(found.stdout, expected.segments)
        same_document(
            run("what-if", log, "--model", saved, *TERMS, *options, "--json").stdout,
            expected.to_dict(),
        )

    def test_a_picture(self, log: Path, saved: Path, tmp_path: Path) -> None:
        picture = tmp_path / "tornado.svg"
        run("what-if", log, "--model", saved, "--picture", picture)
        assert "<svg" in picture.read_text()

    @pytest.mark.usefixtures("terminal")
    def test_on_a_terminal(self, log: Path, saved: Path) -> None:
        text = run("what-if", log, "--model", saved, *HORIZON).stdout
        assert "order_value" in text
        assert "The simple formula values whole lives" in " ".join(text.split())
        assert "--discount-rate" in text
        assert max(map(len, text.splitlines())) <= 80

    @pytest.mark.parametrize(
        ("options", "fragment"),
        [
            (["--change", "retenton=0.1"], "Did you mean 'retention'?"),
            (["--change", "retention=1"], "--change retention=1.0: it is the share of departures"),
            (["--change", "margin=0.5"], "the margin is 1"),
            (["--horizon", "0W"], "horizon=0 leaves no value to change"),
            ([], "There is no file 'nowhere.csv'"),
        ],
    )
    def test_refused_before_the_orders_are_read(self, options: list[str], fragment: str) -> None:
        assert fragment in fails("what-if", "nowhere.csv", *options)


@pytest.mark.parametrize(
    "arguments",
    [
        ["segments", "x.csv", "--json", "-o", "segments.csv"],
        ["segments", "x.csv", "--posterior", "--model", "fits.json"],
        ["what-if", "x.csv", "--change", "much"],
        ["what-if", "x.csv", "--change", "retention=much"],
        ["what-if", "x.csv", "--change", "0.1", "--change", "retention=0.1"],
        ["what-if", "x.csv", "--change", "retention=0.1", "--change", "retention=0.2"],
    ],
)
def test_a_wrong_call_exits_with_2(arguments: list[str]) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert "Usage: " in result.stderr
