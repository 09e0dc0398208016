"""Every command hands on the numbers of the public API, to a pipe, a file or a terminal."""

import csv
import io
import json
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

import clvforecast as clv
from clvforecast.cli import console, output
from clvforecast.cli.commands import app
from clvforecast.cli.pictures import Kind

TERMS = ["--horizon", "52W", "--discount-rate", "0.1", "--margin", "0.3"]
OF_ONE_CUSTOMER = {
    "plot_alive_history",
    "plot_purchase_distribution",
    "plot_spend_distribution",
}
OF_RESULTS = {
    "plot_acquisition",
    "plot_backtest",
    "plot_conditional_expectation",
    "plot_decile_calibration",
    "plot_gains",
    "plot_groups",
    "plot_interval_coverage",
    "plot_monitored",
    "plot_monitoring",
    "plot_multipliers",
    "plot_pit",
    "plot_purchase_tracking",
    "plot_retention",
    "plot_segment_transitions",
    "plot_segments",
    "plot_weekly_orders",
    "plot_what_if",
}
# An engine adds up in any order, so the last digits of two readings of one log may differ.
CLOSE = {"rtol": 1e-9, "check_dtype": False, "check_categorical": False}


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published tenth of CDNOW as a CSV file."""
    path = tmp_path_factory.mktemp("orders") / "cdnow.csv"
    clv.datasets.load_cdnow(sample=True).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def saved(log: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fits kept by the command line."""
    path = tmp_path_factory.mktemp("fits") / "fits.json"
    run("fit", log, "--save", path)
    return path


@pytest.fixture(scope="module")
def orders(log: Path) -> clv.Transactions:
    return clv.read_orders(log)


@pytest.fixture(scope="module")
def rfm(orders: clv.Transactions) -> pd.DataFrame:
    return orders.summarize(time_unit="W")


@pytest.fixture(scope="module")
def value(rfm: pd.DataFrame) -> pd.DataFrame:
    buys, spend = clv.BGNBD.fit(rfm), clv.GammaGamma.fit(rfm)
    return clv.forecast(buys, spend, rfm, horizon="52W", annual_discount_rate=0.1, margin=0.3)


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


def read_csv(text: str | Path) -> pd.DataFrame:
    source = text if isinstance(text, Path) else io.StringIO(text)
    return pd.read_csv(source, dtype={"customer_id": str}).set_index("customer_id")


def _parameters(path: Path) -> dict[str, float]:
    parts = json.loads(path.read_text(encoding="utf-8"))
    return {**parts["purchases"]["parameters"], **parts["spend"]["parameters"]}


class TestPipe:
    def test_summary(self, log: Path, rfm: pd.DataFrame) -> None:
        result = run("summary", log)
        pd.testing.assert_frame_equal(read_csv(result.stdout), rfm, **CLOSE)
        assert result.stderr == ""

    def test_fit(self, log: Path, rfm: pd.DataFrame) -> None:
        table = pd.read_csv(io.StringIO(run("fit", log).stdout))
        assert list(table.columns[:4]) == ["model", "parameter", "estimate", "std_error"]
        expected = {**clv.BGNBD.fit(rfm).parameters, **clv.GammaGamma.fit(rfm).parameters}
        found = dict(zip(table["parameter"], table["estimate"], strict=True))
        assert found == pytest.approx(expected, rel=1e-6)
        assert list(table["model"]) == ["BG/NBD"] * 4 + ["Gamma-Gamma"] * 3

    def test_forecast(self, log: Path, saved: Path, value: pd.DataFrame) -> None:
        table = read_csv(run("forecast", log, "--model", saved, *TERMS).stdout)
        pd.testing.assert_frame_equal(table, value, **CLOSE)

    def test_forecast_of_fits_made_on_the_way(self, log: Path, value: pd.DataFrame) -> None:
        table = read_csv(run("forecast", log, *TERMS).stdout)
        pd.testing.assert_frame_equal(table, value, **CLOSE)

    def test_forecast_defaults_hide_nothing(
        self, log: Path, saved: Path, rfm: pd.DataFrame
    ) -> None:
        plain = read_csv(run("forecast", log, "--model", saved).stdout)
        buys, spend = clv.BGNBD.fit(rfm), clv.GammaGamma.fit(rfm)
        pd.testing.assert_frame_equal(plain, clv.forecast(buys, spend, rfm, horizon="1Y"), **CLOSE)

    def test_forecast_with_intervals(
        self, log: Path, saved: Path, rfm: pd.DataFrame, value: pd.DataFrame
    ) -> None:
        table = read_csv(run("forecast", log, "--model", saved, *TERMS, "--level", "0.8").stdout)
        buys, spend = clv.BGNBD.fit(rfm), clv.GammaGamma.fit(rfm)
        expected = clv.forecast(
            *(buys, spend, rfm),
            horizon="52W",
            annual_discount_rate=0.1,
            margin=0.3,
            level=0.8,
        )
        assert list(table.columns[-4:]) == [
            *("purchases_lower", "purchases_upper", "clv_lower", "clv_upper"),
        ]
        pd.testing.assert_frame_equal(table[value.columns], value, **CLOSE)
        # Kept fits differ from these in the last digits, and limits are found to 1e-6.
        pd.testing.assert_frame_equal(table, expected, **{**CLOSE, "rtol": 1e-5})

    def test_forecast_with_uncertain_parameters(self, tmp_path: Path) -> None:
        log = tmp_path / "orders.csv"
        sample = clv.datasets.load_cdnow(sample=True)
        sample[sample["customer_id"] < "02000"].to_csv(log, index=False)
        rfm = clv.read_orders(log).summarize("W")
        terms = ["--horizon", "39W", "--level", "0.8", "--posterior"]
        table = read_csv(run("forecast", log, *terms).stdout)
        buys, spend = clv.BGNBD.fit(rfm), clv.GammaGamma.fit(rfm)
        draws = buys.posterior(), spend.posterior()
        expected = clv.forecast(buys, spend, rfm, horizon="39W", level=0.8, posterior=draws)
        pd.testing.assert_frame_equal(table, expected, **{**CLOSE, "rtol": 1e-4})

    def test_historical(self, log: Path, orders: clv.Transactions) -> None:
        table = read_csv(run("historical", log, "--margin", "0.3").stdout)
        expected = clv.historical_clv(orders, margin=0.3).customers
        assert set(table["first_order"].str.len()) == {len("1997-01-01")}
        for column in ("first_order", "last_order"):
            table[column] = pd.to_datetime(table[column])
        pd.testing.assert_frame_equal(table, expected, **CLOSE)

    def test_historical_steps(self) -> None:
        example = clv.datasets.worked_example_path()
        result = run("historical", example, "--lifespan", "104W", "--steps")
        steps = pd.read_csv(io.StringIO(result.stdout), index_col="step")
        assert steps.loc["clv", "transaction_based"] == pytest.approx(218.4)
        assert steps.loc["clv", "customer_based"] == pytest.approx(274.906667)

    def test_historical_by_segment(self, tmp_path: Path) -> None:
        path = tmp_path / "orders.csv"
        frame = clv.datasets.load_worked_example()
        frame.assign(
            city=frame["customer_id"].map(dict(zip("ABCDE", "KKLLL", strict=True)))
        ).to_csv(path, index=False)
        result = run("historical", path, "--by", "city", "--lifespan", "104W")
        segments = pd.read_csv(io.StringIO(result.stdout), index_col="city")
        assert segments["orders"].to_dict() == {"K": 5, "L": 8}

    def test_compare(
        self, log: Path, saved: Path, orders: clv.Transactions, value: pd.DataFrame
    ) -> None:
        table = read_csv(run("compare", log, "--model", saved, *TERMS).stdout)
        expected = clv.compare(value, clv.historical_clv(orders, margin=0.3)).customers
        expected["quadrant"] = expected["quadrant"].astype(str)
        pd.testing.assert_frame_equal(table, expected, atol=1e-7, **CLOSE)

    def test_ids_keep_their_text(self, log: Path) -> None:
        assert run("summary", log).stdout.splitlines()[1].startswith("00004,")

    def test_options_of_reading_reach_the_reader(self, tmp_path: Path) -> None:
        path = tmp_path / "auftraege.csv"
        path.write_text(
            "kunde;tag;bon;betrag\n"
            "007;31.01.2024;1;1.250,50\n"
            "007;31.01.2024;1;1.000,00\n"
            "007;14.02.2024;2;80,00\n"
            "007;15.02.2024;3;-80,00\n"
            "007;31.12.2024;4;5,00\n",
            encoding="utf-8",
        )
        result = run(
            *("historical", path, "--customer", "kunde", "--date", "tag", "--amount", "betrag"),
            *("--order", "bon", "--date-format", "%d.%m.%Y", "--decimal", ",", "--thousands", "."),
            *("--separator", ";", "--until", "2024-06-30", "--refunds", "drop"),
            *("--lifespan", "1Y"),
        )
        row = read_csv(result.stdout).loc["007"]
        assert (row["orders"], row["revenue"]) == (2, 2330.5)
        assert result.stderr.splitlines() == [
            "clv: note: dropped 2 of 5 rows (40.0%): 1 dated after --until, "
            "1 refund (--refunds='drop')"
        ]

    def test_a_tab_can_be_named(self, tmp_path: Path) -> None:
        path = tmp_path / "orders.tsv"
        path.write_text("customer_id\tdate\tamount\nA\t2024-01-01\t1\n", encoding="utf-8")
        assert run("summary", path, "--separator", "tab").stdout.splitlines()[1].startswith("A,0,")

    def test_database_url(self, tmp_path: Path, log: Path, rfm: pd.DataFrame) -> None:
        import duckdb

        with duckdb.connect(str(tmp_path / "shop.duckdb")) as connection:
            connection.execute(
                f"CREATE TABLE sales AS FROM read_csv('{log}', types = {{'customer_id': 'TEXT'}})"
            )
        result = run("summary", f"duckdb:///{tmp_path}/shop.duckdb", "--table", "sales")
        pd.testing.assert_frame_equal(read_csv(result.stdout), rfm, **CLOSE)

    def test_a_fit_warning_is_one_line(self, tmp_path: Path) -> None:
        path = tmp_path / "few.csv"
        table = clv.datasets.load_cdnow(sample=True)
        few = table[table["customer_id"].isin(table["customer_id"].unique()[:60])]
        few.to_csv(path, index=False)
        result = run("forecast", path)
        assert result.stderr.splitlines()
        for line in result.stderr.splitlines():
            assert line.startswith("clv: warning: ")
        assert len(read_csv(result.stdout)) == 60


class TestFiles:
    @pytest.mark.parametrize("ending", [".csv", ".json", ".parquet"])
    def test_every_digit_is_kept(self, ending: str, tmp_path: Path) -> None:
        numbers = [0.1 + 0.2, 1 / 3, 1e-300, 123456789.12345679, 5e22, -0.0]
        table = pd.DataFrame({"customer_id": list("abcdef"), "clv": numbers})
        target = tmp_path / f"table{ending}"
        output.write_table(table, target)
        if ending == ".csv":
            with target.open(encoding="utf-8") as file:
                again = pd.DataFrame(csv.DictReader(file)).astype({"clv": float})
        elif ending == ".json":
            again = pd.DataFrame(json.loads(target.read_text(encoding="utf-8")))
        else:
            again = pd.read_parquet(target)
        assert again["clv"].tolist() == numbers

    def test_csv(self, tmp_path: Path, log: Path, saved: Path, value: pd.DataFrame) -> None:
        target = tmp_path / "forecast.CSV"
        result = run("forecast", log, "--model", saved, *TERMS, "-o", target)
        assert result.stdout == ""
        assert result.stderr == f"clv: wrote {target} (2,357 rows)\n"
        pd.testing.assert_frame_equal(read_csv(target), value, **CLOSE)

    def test_parquet(self, tmp_path: Path, log: Path, saved: Path, value: pd.DataFrame) -> None:
        target = tmp_path / "forecast.parquet"
        run("forecast", log, "--model", saved, *TERMS, "--output", target)
        table = pd.read_parquet(target).set_index("customer_id")
        pd.testing.assert_frame_equal(table, value, rtol=1e-9)
        assert table.index.dtype == value.index.dtype

    @pytest.mark.parametrize("ending", [".csv", ".json", ".parquet"])
    def test_intervals_are_written(
        self, ending: str, tmp_path: Path, log: Path, saved: Path
    ) -> None:
        target = tmp_path / f"forecast{ending}"
        run("forecast", log, "--model", saved, "--level", "0.9", "-o", target)
        read = {".csv": pd.read_csv, ".json": pd.read_json, ".parquet": pd.read_parquet}[ending]
        table = read(target)
        assert (table["clv_lower"] <= table["clv_upper"]).all()
        assert (table["purchases_lower"] <= table["purchases_upper"]).all()

    def test_json(self, tmp_path: Path, log: Path, saved: Path, value: pd.DataFrame) -> None:
        target = tmp_path / "forecast.json"
        run("forecast", log, "--model", saved, *TERMS, "-o", target)
        records = json.loads(target.read_text(encoding="utf-8"))
        assert records[0]["customer_id"] == "00004"
        table = pd.DataFrame(records).set_index("customer_id")
        pd.testing.assert_frame_equal(table, value, **CLOSE)

    def test_json_of_dates_and_quadrants(self, tmp_path: Path, log: Path, saved: Path) -> None:
        run("historical", log, "-o", tmp_path / "past.json")
        first = json.loads((tmp_path / "past.json").read_text(encoding="utf-8"))[0]
        assert (first["first_order"], first["orders"]) == ("1997-01-01", 4)
        run("compare", log, "--model", saved, "-o", tmp_path / "both.json")
        records = json.loads((tmp_path / "both.json").read_text(encoding="utf-8"))
        assert {"low", "rising"} <= {record["quadrant"] for record in records}

    def test_json_writes_what_is_not_finite_as_null(self, tmp_path: Path, log: Path) -> None:
        target = tmp_path / "lifetime.json"
        run("forecast", log, "--horizon", "inf", "--discount-rate", "0.1", "-o", target)
        record = json.loads(target.read_text(encoding="utf-8"))[0]
        assert record["expected_purchases"] is None
        assert record["clv"] > 0

    def test_integer_ids_are_text_in_json_and_integers_in_parquet(self, tmp_path: Path) -> None:
        source = tmp_path / "orders.parquet"
        frame = pd.DataFrame({"customer_id": [7], "date": ["2024-01-01"], "amount": [1.0]})
        frame.to_parquet(source)
        run("summary", source, "-o", tmp_path / "rfm.json")
        run("summary", source, "-o", tmp_path / "rfm.parquet")
        records = json.loads((tmp_path / "rfm.json").read_text(encoding="utf-8"))
        assert records[0]["customer_id"] == "7"
        assert pd.read_parquet(tmp_path / "rfm.parquet")["customer_id"].tolist() == [7]

    @pytest.mark.parametrize("kind", list(Kind))
    def test_every_public_plot(self, kind: Kind, tmp_path: Path, log: Path, saved: Path) -> None:
        target = tmp_path / "picture.svg"
        result = run("plot", kind, log, "-o", target, "--model", saved)
        assert result.stdout == ""
        assert "<svg" in target.read_text(encoding="utf-8")

    def test_every_public_plot_of_all_customers_has_a_kind(self) -> None:
        others = OF_ONE_CUSTOMER | OF_RESULTS
        assert {f"plot_{kind.name}" for kind in Kind} == set(clv.plots.__all__) - others

    @pytest.mark.parametrize(("ending", "start"), [(".png", b"\x89PNG"), (".pdf", b"%PDF")])
    def test_picture_formats(
        self, ending: str, start: bytes, tmp_path: Path, log: Path, saved: Path
    ) -> None:
        target = tmp_path / f"picture{ending}"
        run("plot", "purchase-counts", log, "-o", target, "--model", saved)
        assert target.read_bytes().startswith(start)


class TestModels:
    def test_fits_come_back_as_they_were(self, saved: Path, rfm: pd.DataFrame) -> None:
        parts = json.loads(saved.read_text(encoding="utf-8"))
        assert list(parts) == ["purchases", "spend"]
        buys, spend = (clv.Fit.from_json(json.dumps(part)) for part in parts.values())
        assert buys.parameters == pytest.approx(clv.BGNBD.fit(rfm).parameters, rel=1e-6)
        assert spend.parameters == pytest.approx(clv.GammaGamma.fit(rfm).parameters, rel=1e-6)
        assert (buys.time_unit, buys.until, buys.customers) == ("W", "1998-06-30", 2357)

    def test_two_files_of_one_fit_each(
        self, tmp_path: Path, log: Path, rfm: pd.DataFrame, value: pd.DataFrame
    ) -> None:
        clv.BGNBD.fit(rfm).save(tmp_path / "buys.json")
        clv.GammaGamma.fit(rfm).save(tmp_path / "spend.json")
        models = ("--model", tmp_path / "spend.json", "--model", tmp_path / "buys.json")
        table = read_csv(run("forecast", log, *models, *TERMS).stdout)
        pd.testing.assert_frame_equal(table, value, **CLOSE)

    def test_saved_fits_score_other_orders_in_their_own_unit(
        self, tmp_path: Path, log: Path
    ) -> None:
        run("fit", log, "--time-unit", "d", "--save", tmp_path / "daily.json")
        later = tmp_path / "later.csv"
        later.write_text("customer_id,date,amount\nZ,2024-01-01,5\nZ,2024-02-01,7\n")
        result = run("forecast", later, "--model", tmp_path / "daily.json", "--until", "2024-03-01")
        table = read_csv(result.stdout)
        assert list(table.index) == ["Z"]
        assert 0 < table.loc["Z", "p_alive"] < 1

    def test_forecast_and_compare_can_save_too(
        self, tmp_path: Path, log: Path, saved: Path
    ) -> None:
        run("compare", log, "--save", tmp_path / "again.json", "-o", tmp_path / "both.csv")
        assert _parameters(tmp_path / "again.json") == pytest.approx(_parameters(saved), rel=1e-6)

    def test_remarks_on_saved_fits_are_said_again(self, tmp_path: Path, log: Path) -> None:
        few = tmp_path / "few.csv"
        table = clv.datasets.load_cdnow(sample=True)
        table[table["customer_id"].isin(table["customer_id"].unique()[:60])].to_csv(few)
        first = run("fit", few, "--save", tmp_path / "few.json").stderr
        warned = [line for line in first.splitlines() if line.startswith("clv: warning: ")]
        again = run("forecast", log, "--model", tmp_path / "few.json").stderr.splitlines()
        assert warned
        assert again == warned

    def test_ridge_reaches_the_fit(self, log: Path, rfm: pd.DataFrame) -> None:
        table = pd.read_csv(io.StringIO(run("fit", log, "--ridge", "0.01").stdout))
        expected = clv.BGNBD.fit(rfm, ridge=0.01).parameters["r"]
        assert table["estimate"][0] == pytest.approx(expected, rel=1e-6)


@pytest.mark.usefixtures("terminal")
class TestTerminal:
    @pytest.mark.parametrize("command", ["summary", "fit", "forecast", "historical", "compare"])
    def test_nothing_is_cut_or_wider_than_80_columns(self, command: str, log: Path) -> None:
        shown = run(command, log).stdout
        assert max(map(len, shown.splitlines())) <= 80
        assert "…" not in shown

    def test_first_rows_and_how_many_there_are(self, log: Path) -> None:
        shown = run("summary", log).stdout
        assert "The first 10 of 2,357 customers." in shown
        assert "Rows read    6,919  100.0%" in shown
        assert len([line for line in shown.splitlines() if line.startswith("00")]) == 10

    def test_the_forecast_states_its_terms(self, log: Path, saved: Path) -> None:
        shown = " ".join(run("forecast", log, "--model", saved, *TERMS).stdout.split())
        assert "Next 52 weeks:" in shown
        assert "(discounted at 10% a year, margin 0.3)" in shown
        assert "BG/NBD gives it to everyone who has bought once only" in shown
        plain = " ".join(run("forecast", log, "--model", saved).stdout.split())
        assert "(not discounted, as revenue (margin 1))" in plain

    def test_intervals_are_shown_and_called_predictive(self, log: Path, saved: Path) -> None:
        lines = run("forecast", log, "--model", saved, "--level", "0.9").stdout
        assert max(map(len, lines.splitlines())) <= 80
        shown = " ".join(lines.split())
        assert "Predictive intervals of 90%: with this probability a customer's own" in shown
        assert "Not shown: p_alive, expected_spend." in shown
        for heading in ("purchases_ purchases_", "clv_lower clv_upper"):
            assert heading in shown
        assert "at the estimated parameters (--posterior adds" in shown
        assert "Predictive" not in run("forecast", log, "--model", saved).stdout

    def test_the_manager_sees_the_quadrants(self, log: Path, saved: Path) -> None:
        shown = run("compare", log, "--model", saved, *TERMS).stdout
        assert shown.startswith("Next 52 weeks, 2,357 customers: the forecast expects")
        assert "Forecast furthest below the simple formula" in shown
        assert "High means above" in shown
        assert "Not shown: difference, rank_past, rank_forecast." in " ".join(shown.split())

    def test_the_simple_formula_shows_its_steps(self) -> None:
        example = clv.datasets.worked_example_path()
        shown = run("historical", example, "--lifespan", "104W").stdout
        for fragment in ("218.4", "274.907", "revenue 10.5 / 13", "--lifespan='104W' was given"):
            assert fragment in shown

    def test_a_lifetime_has_no_count(self, log: Path, saved: Path) -> None:
        shown = run(
            *("forecast", log, "--model", saved, "--horizon", "inf", "--discount-rate", "0.1")
        ).stdout
        assert "Over a whole lifetime they are worth" in " ".join(shown.split())

    def test_with_a_file_the_terminal_shows_the_summary_only(
        self, tmp_path: Path, log: Path, saved: Path
    ) -> None:
        result = run("forecast", log, "--model", saved, "-o", tmp_path / "x.csv")
        assert "2,357 customers observed until 1998-06-30" in result.stdout
        assert "customer_id" not in result.stdout

    def test_control_characters_of_the_data_do_not_reach_the_terminal(self, tmp_path: Path) -> None:
        path = tmp_path / "orders.csv"
        path.write_text("customer_id,date,amount\n[red]\x1b[2Jx,2024-01-01,1\n", encoding="utf-8")
        shown = run("summary", path).stdout
        assert "\x1b" not in shown
        assert "[red]?[2Jx" in shown
