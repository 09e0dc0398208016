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


class TestAcquisition:
    def test_what_a_customer_of_each_channel_is_worth(
        self, log: Path, orders: clv.Transactions
    ) -> None:
        costs = ["--cost", "web=20", "--cost", "shop=35", "--target-payback", "26W"]
        options = ["--by", "channel", *costs, "--draws", "100"]
        result = run("acquisition", log, *TERMS, *options, "--json")
        expected = clv.acquisition(
            orders,
            by="channel",
            cost={"web": 20.0, "shop": 35.0},
            target_payback="26W",
            draws=100,
            **VALUED,
        )
        same_document(result.stdout, expected.to_dict())

    @pytest.mark.usefixtures("terminal")
    def test_on_a_terminal_with_a_picture(self, log: Path, tmp_path: Path) -> None:
        picture = tmp_path / "payback.png"
        options = ["--total-cost", "40000", "--draws", "100", "--picture", picture]
        text = run("acquisition", log, *HORIZON, *options).stdout
        assert "What a new customer" in text
        assert max(map(len, text.splitlines())) <= 80
        assert picture.read_bytes().startswith(b"\x89PNG")

    @pytest.mark.parametrize(
        ("options", "fragment"),
        [
            (["--by", "land"], "has no column 'land'"),
            (["--by", "channel", "--cost", "wbe=20"], "Did you mean 'web'?"),
            (["--cost", "-5"], "cost"),
            (["--target-ratio", "0"], "target_ratio"),
            (["--target-payback", "soon"], "--target-payback='soon'"),
            (["--draws", "3"], "draws"),
            (["--margin", "2"], "--margin=2.0"),
        ],
    )
    def test_refused(self, log: Path, options: list[str], fragment: str) -> None:
        said = fails("acquisition", log, *options)
        assert fragment in said or fragment.replace("_", "-") in said


class TestRetention:
    CONTACTS = ("--cost", "1", "--success", "0.1")

    def test_customers_in_the_order_in_which_to_contact_them(
        self, log: Path, saved: Path, fits: tuple[clv.Fit, clv.Fit], rfm: pd.DataFrame
    ) -> None:
        budget = ["--budget", "50", "--chosen"]
        result = run("retention", log, "--model", saved, *TERMS, *self.CONTACTS, *budget)
        expected = clv.retention(*fits, rfm, cost=1.0, success=0.1, budget=50.0, **VALUED)
        same_table(result.stdout, expected.chosen)
        assert len(expected.chosen) == 50

    def test_totals_of_each_channel(
        self,
        log: Path,
        saved: Path,
        orders: clv.Transactions,
        fits: tuple[clv.Fit, clv.Fit],
        rfm: pd.DataFrame,
    ) -> None:
        result = run("retention", log, "--model", saved, *TERMS, "--by", "channel")
        with_channel = rfm.assign(channel=orders.customer_segments()["channel"])
        same_table(result.stdout, clv.retention(*fits, with_channel, by="channel", **VALUED).table)

    @pytest.mark.usefixtures("terminal")
    def test_on_a_terminal_with_a_picture(self, log: Path, saved: Path, tmp_path: Path) -> None:
        picture = tmp_path / "gain.svg"
        options = ["--model", saved, *HORIZON, *self.CONTACTS, "--picture", picture]
        text = run("retention", log, *options).stdout
        assert "2,357 customers" in text
        assert "P(alive) = 1" in text
        assert max(map(len, text.splitlines())) <= 80
        assert "<svg" in picture.read_text()

    @pytest.mark.parametrize(
        ("options", "fragment"),
        [
            (["--cost", "1"], "success"),
            (["--cost", "1", "--success", "2"], "success"),
            (["--cost", "-1", "--success", "0.1"], "cost"),
            (["--budget", "5"], "cost"),
            (["--level", "2"], "--level=2.0"),
            (["--horizon", "soon"], "--horizon='soon'"),
            ([], "There is no file 'nowhere.csv'"),
        ],
    )
    def test_refused_before_the_orders_are_read(self, options: list[str], fragment: str) -> None:
        assert fragment in fails("retention", "nowhere.csv", *options)


class TestCompareGroups:
    FEWER = ("--permutations", "99")

    def test_by_a_column_of_the_orders(
        self,
        log: Path,
        saved: Path,
        orders: clv.Transactions,
        fits: tuple[clv.Fit, clv.Fit],
        rfm: pd.DataFrame,
        value: pd.DataFrame,
    ) -> None:
        options = ["--groups", "channel", "--reference", "shop", *self.FEWER]
        result = run("compare-groups", log, "--model", saved, *TERMS, *options, "--json")
        expected = clv.compare_groups(
            orders,
            "channel",
            value=value,
            reference="shop",
            purchases=fits[0],
            spend=fits[1],
            rfm=rfm,
            permutations=99,
        )
        same_document(result.stdout, expected.to_dict())

    @pytest.mark.usefixtures("terminal")
    def test_by_a_file_of_labels(self, log: Path, saved: Path, tmp_path: Path) -> None:
        members = tmp_path / "members.csv"
        ids = pd.read_csv(log, dtype=str)["customer_id"].unique()
        labels = pd.DataFrame(
            {"customer_id": ids, "card": ["yes", "no"] * (len(ids) // 2) + ["no"]}
        )
        labels.to_csv(members, index=False)
        picture = tmp_path / "groups.png"
        options = ["--groups", members, "--since", "1997-09-01", *self.FEWER]
        found = run(
            "compare-groups", log, "--model", saved, *HORIZON, *options, "--picture", picture
        )
        assert "cannot tell" in found.stdout
        assert max(map(len, found.stdout.splitlines())) <= 80
        assert picture.read_bytes().startswith(b"\x89PNG")

    @pytest.mark.parametrize(
        ("text", "fragment"),
        [
            ("customer_id,a,b\n1,2,3\n", "It must have 'customer_id' and one more"),
            ("id,card\n1,yes\n", "It must have 'customer_id' and one more"),
            ("customer_id,card\n1,yes\n1,no\n", "1 customers more than once (first: '1')"),
            ("", "holds no table of groups"),
            (None, "Cannot read the groups"),
        ],
    )
    def test_files_that_are_refused(self, text: str | None, fragment: str, tmp_path: Path) -> None:
        members = tmp_path / "members.csv"
        if text is not None:
            members.write_text(text)
        assert fragment in fails("compare-groups", "nowhere.csv", "--groups", members)

    def test_refused_by_what_the_orders_are(self, log: Path, saved: Path) -> None:
        assert "has no column 'land'" in fails("compare-groups", log, "--groups", "land")
        options = ["--model", saved, "--groups", "channel", "--reference", "wbe"]
        assert "wbe" in fails("compare-groups", log, *options)
        late = fails("compare-groups", log, *options[:4], "--since", "2005-01-01")
        assert "2005-01-01" in late


class TestMonitor:
    WATCHED = ("-n", "3", "--simulations", "100", "--horizon", "13W")

    def test_the_tables(
        self, log: Path, saved: Path, orders: clv.Transactions, fits: tuple[clv.Fit, clv.Fit]
    ) -> None:
        expected = clv.monitor(orders, *fits, n=3, simulations=100, horizon="13W")
        held = ["--model", saved]
        same_table(run("monitor", log, *held, *self.WATCHED).stdout, _dated(expected.totals))
        errors = run("monitor", log, *held, *self.WATCHED, "--what", "errors").stdout
        assert len(pd.read_csv(io.StringIO(errors))) == len(expected.errors)
        document = run("monitor", log, *held, *self.WATCHED, "--json").stdout
        same_document(document, expected.to_dict())

    @pytest.mark.usefixtures("terminal")
    def test_an_alert_of_the_last_month_can_be_an_exit_status(
        self, log: Path, saved: Path, tmp_path: Path
    ) -> None:
        orders = pd.read_csv(log, dtype={"customer_id": str})
        fewer = orders[(orders["date"] < "1998-06-01") | (orders.index % 3 == 0)]
        last_day = orders[orders["date"] == orders["date"].max()].head(1)
        drifted = tmp_path / "drifted.csv"
        pd.concat([fewer, last_day]).to_csv(drifted, index=False)
        held = ["--model", saved, *self.WATCHED, "--exit-code"]
        result = invoke("monitor", drifted, *held)
        assert result.exit_code == 3, result.output
        assert "came by 1998-06-30" in " ".join(result.stdout.split())
        assert max(map(len, result.stdout.splitlines())) <= 80

    def test_a_picture(self, log: Path, saved: Path, tmp_path: Path) -> None:
        picture = tmp_path / "months.png"
        run("monitor", log, "--model", saved, *self.WATCHED, "--picture", picture)
        assert picture.read_bytes().startswith(b"\x89PNG")

    @pytest.mark.parametrize(
        ("options", "fragment"),
        [
            (["--start", "2005-01-01"], "2005-01-01"),
            (["--horizon", "1D"], "--horizon"),
            (["--false-alarms", "2"], "false"),
            (["--by", "land"], "has no column 'land'"),
        ],
    )
    def test_refused(self, log: Path, options: list[str], fragment: str) -> None:
        assert fragment in fails("monitor", log, *options)


class TestReport:
    def test_the_page_is_that_of_the_library(
        self,
        log: Path,
        saved: Path,
        orders: clv.Transactions,
        fits: tuple[clv.Fit, clv.Fit],
        tmp_path: Path,
    ) -> None:
        page = tmp_path / "report.html"
        options = ["--lang", "fa", "--title", "=Our <shop>", "--top", "20", "--no-backtest"]
        result = run(
            "report", log, "--model", saved, *TERMS, *options, "--by", "channel", "-o", page
        )
        expected = clv.report(
            orders,
            lang="fa",
            title="=Our <shop>",
            top=20,
            backtest=False,
            by=["channel"],
            purchases=fits[0],
            spend=fits[1],
            **VALUED,
        )
        assert result.stdout == ""
        assert f"wrote {page}" in result.stderr
        text = page.read_text(encoding="utf-8")
        assert 'lang="fa"' in text
        assert "=Our &lt;shop&gt;" in text
        assert abs(len(text) - len(expected.html)) < 100

    @pytest.mark.parametrize(
        ("options", "fragment"),
        [
            (["-o", "report.pdf"], "Use .html."),
            (["-o", "report.html", "--lang", "de"], "There are: 'en'"),
            (["-o", "report.html", "--horizon", "soon"], "--horizon='soon'"),
            (["-o", "report.html"], "There is no file 'nowhere.csv'"),
        ],
    )
    def test_refused_before_the_orders_are_read(
        self, options: list[str], fragment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert fragment in fails("report", "nowhere.csv", *options)
        assert list(tmp_path.iterdir()) == []


def _dated(table: pd.DataFrame) -> pd.DataFrame:
    return table.set_axis([str(day)[:10] for day in table.index]).rename_axis(table.index.name)


@pytest.mark.parametrize(
    "arguments",
    [
        ["segments", "x.csv", "--json", "-o", "segments.csv"],
        ["segments", "x.csv", "--posterior", "--model", "fits.json"],
        ["acquisition", "x.csv", "--cost", "5", "--total-cost", "500"],
        ["acquisition", "x.csv", "--cost", "web=5"],
        ["acquisition", "x.csv", "--by", "channel", "--cost", "much"],
        ["retention", "x.csv", "--chosen"],
        ["retention", "x.csv", "--chosen", "--cost", "1", "--success", "0.1", "--by", "channel"],
        ["compare-groups", "x.csv"],
        ["monitor", "x.csv", "--start", "1998-01-01", "-n", "3"],
        ["monitor", "x.csv", "--what", "everything"],
        ["monitor", "x.csv", "-n", "0"],
        ["report", "x.csv"],
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
