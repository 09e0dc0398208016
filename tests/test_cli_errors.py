"""Whatever is wrong, `clv` says so in one line, exits with the right code and leaves files be."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import clvforecast as clv
from clvforecast.cli.commands import app

HEADER = "customer_id,date,amount\n"
ORDERS = (
    HEADER + "A,2024-01-01,10\nA,2024-02-01,12\nA,2024-04-01,11\nB,2024-01-05,8\n"
    "B,2024-03-05,9\nC,2024-01-09,20\nD,2024-02-09,7\nD,2024-02-19,6\n"
)
ONE = HEADER + "A,2024-01-01,10\nA,2024-02-01,12\nA,2024-04-01,11\n"
NO_REPEAT = HEADER + "A,2024-01-01,10\nB,2024-02-01,12\nC,2024-04-01,11\n"


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def fails(*arguments: object) -> str:
    """Run a command that must fail, and return its one line."""
    result = invoke(*arguments)
    assert result.exit_code == 1, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    (line,) = result.stderr.splitlines()
    assert line.startswith("clv: error: ")
    return line


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "orders.csv"
    path.write_text(ORDERS, encoding="utf-8")
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Fits of the command line's format, in weeks."""
    rfm = clv.read_orders(clv.datasets.load_cdnow(sample=True)).summarize(time_unit="W")
    parts = {"purchases": clv.BGNBD.fit(rfm), "spend": clv.GammaGamma.fit(rfm)}
    path = tmp_path / "fits.json"
    path.write_text(json.dumps({role: json.loads(fit.to_json()) for role, fit in parts.items()}))
    return path


@pytest.mark.parametrize("command", ["summary", "forecast", "historical", "compare"])
@pytest.mark.parametrize(
    ("text", "options", "fragments"),
    [
        (ORDERS, ["--amount", "amuont"], ["no column 'amuont' (--amount)", "'date'", "'amount'?"]),
        ("", [], ["'orders.csv' is empty"]),
        (HEADER, [], ["no rows"]),
        (HEADER + "A,soon,1\nB,later,2\n", [], ["unparseable date", "'soon'", "--date-format"]),
        (
            HEADER + "A,01/02/2024,1\nA,03/02/2024,2\n",
            [],
            ["ambiguous", "--date-format='%d/%m/%Y'"],
        ),
        (ORDERS + "A,2024-04-01,-3\n", ["--refunds", "error"], ["--refunds='error' forbids them"]),
        (ORDERS, ["--until", "2024-13-01"], ["--until='2024-13-01' is not a day"]),
        (ORDERS, ["--until", "1999-01-01"], ["no order left"]),
        (ORDERS, ["--separator", "::"], ["--separator='::' must be one character"]),
        (ORDERS, ["--tz", "Mars"], ["Mars"]),
        (ORDERS, ["--table", "sales"], ["--table names a table of a database"]),
    ],
)
def test_wrong_orders(
    command: str, text: str, options: list[str], fragments: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(text, encoding="utf-8")
    line = fails(command, path, *options)
    for fragment in fragments:
        assert fragment in line


@pytest.mark.parametrize("command", ["fit", "forecast", "compare"])
@pytest.mark.parametrize(
    ("text", "fragment"), [(ONE, "customer"), (NO_REPEAT, "has a repeat purchase")]
)
def test_too_little_to_fit(command: str, text: str, fragment: str, tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(text, encoding="utf-8")
    options = ["--lifespan", "2Y"] if command == "compare" else []
    assert fragment in fails(command, path, *options)


@pytest.mark.parametrize(
    ("source", "fragment"),
    [
        ("nowhere.csv", "There is no file"),
        ("*.nothing", "No file matches"),
        (".", "is a folder"),
        ("", "path of the orders is empty"),
        ("duckdb:///shop.duckdb", "needs --table"),
        ("mongodb://host/shop", "cannot be read"),
    ],
)
def test_no_such_orders(source: str, fragment: str) -> None:
    assert fragment in fails("summary", source)


def test_a_missing_table_names_those_there_are(tmp_path: Path) -> None:
    import duckdb

    with duckdb.connect(str(tmp_path / "shop.duckdb")) as connection:
        connection.execute("CREATE TABLE sales (customer_id TEXT)")
    line = fails("summary", f"duckdb:///{tmp_path}/shop.duckdb", "--table", "sale")
    assert "Did you mean 'sales'?" in line


@pytest.mark.parametrize(
    ("options", "fragment"),
    [
        (["--horizon", "52X"], "--horizon='52X' is not a duration"),
        (["--horizon", "52"], "Write a number and a unit"),
        (["--horizon", "inf"], "Give --discount-rate, such as 0.10"),
        (["--discount-rate", "-0.1"], "--discount-rate=-0.1 must be 0 or more"),
        (["--discount-rate", "nan"], "--discount-rate=nan"),
        (["--margin", "0"], "--margin=0.0 must be"),
    ],
)
def test_terms_are_refused_before_the_orders_are_read(options: list[str], fragment: str) -> None:
    assert fragment in fails("forecast", "nowhere.csv", *options)
    assert fragment in fails("compare", "nowhere.csv", *options)


@pytest.mark.parametrize(
    ("options", "fragment"),
    [
        (["--level", "90"], "--level=90.0 must lie between 0 and 1, such as 0.90."),
        (["--level", "0"], "--level=0.0 must lie between 0 and 1"),
        (["--level", "1"], "--level=1.0 must lie between 0 and 1"),
        (["--level", "-0.9"], "--level=-0.9 must lie between 0 and 1"),
        (["--level", "nan"], "--level=nan must lie between 0 and 1"),
        (
            ["--level", "0.9", "--horizon", "inf", "--discount-rate", "0.1"],
            "Give a finite --horizon, such as '10Y', or leave --level out.",
        ),
    ],
)
def test_levels_are_refused_before_the_orders_are_read(options: list[str], fragment: str) -> None:
    assert fragment in fails("forecast", "nowhere.csv", *options)


@pytest.mark.parametrize(
    ("command", "options", "fragment"),
    [
        ("historical", ["--lifespan", "long"], "--lifespan='long' is neither"),
        ("historical", ["--period", "1D"], "--period='1D'"),
        ("historical", ["--by", "country"], "no column 'country' (--by)"),
        ("historical", ["--margin", "30"], "--margin=30.0"),
        ("compare", ["--lifespan", "-1Y"], "--lifespan='-1Y'"),
        ("compare", ["--quantile", "1.5"], "--quantile=1.5"),
    ],
)
def test_wrong_formula(
    command: str, options: list[str], fragment: str, log: Path, model: Path
) -> None:
    kept = ["--model", model] if command == "compare" else []
    assert fragment in fails(command, log, *options, *kept)


class TestModels:
    def test_units_that_disagree(self, log: Path, model: Path) -> None:
        line = fails("forecast", log, "--model", model, "--time-unit", "D")
        assert "time unit 'D'" in line
        assert "--time-unit='W'" in line

    @pytest.mark.parametrize("text", ["{}", "[]", "null", "3", '"x"', '{"purchases": 3}', "a,b\n"])
    def test_a_file_that_is_no_fit(self, text: str, log: Path, tmp_path: Path) -> None:
        path = tmp_path / "fits.json"
        path.write_text(text, encoding="utf-8")
        assert "fits.json" in fails("forecast", log, "--model", path)

    def test_a_file_that_is_not_text(self, log: Path, tmp_path: Path) -> None:
        path = tmp_path / "fits.json"
        path.write_bytes(b"\x80\x81PAR1")
        assert "it is not JSON" in fails("forecast", log, "--model", path)

    def test_a_file_that_is_not_there(self, log: Path, tmp_path: Path) -> None:
        line = fails("forecast", log, "--model", tmp_path / "none.json")
        assert "Cannot read the fits in" in line

    def test_one_of_two_fits(self, log: Path, model: Path, tmp_path: Path) -> None:
        half = tmp_path / "half.json"
        half.write_text(json.dumps(json.loads(model.read_text())["purchases"]))
        assert "--model brings no spend model" in fails("forecast", log, "--model", half)
        twice = ("--model", half, "--model", half)
        assert "two purchases models" in fails("forecast", log, *twice)

    @pytest.mark.parametrize("option", [["--save", "x.json"], ["--ridge", "0"]])
    def test_fitting_options_beside_fits(self, option: list[str], log: Path, model: Path) -> None:
        result = invoke("forecast", log, "--model", model, *option)
        assert result.exit_code == 2
        assert f"{option[0]} is for fitting" in result.stderr


class TestOutput:
    @pytest.mark.parametrize(
        ("command", "name", "fragment"),
        [
            (
                ["forecast"],
                "x.xls",
                "ending '.xls' is unknown. Use .csv, .parquet, .json or .xlsx.",
            ),
            (["forecast"], "x", "it has no ending"),
            (["summary"], "no/x.csv", "does not exist"),
            (["compare"], "folder.csv", "it is a folder"),
            (["plot", "p-alive-matrix"], "x.csv", "Use .png, .svg or .pdf."),
        ],
    )
    def test_refused_before_the_orders_are_read(
        self,
        command: list[str],
        name: str,
        fragment: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "folder.csv").mkdir()
        assert fragment in fails(*command, "nowhere.csv", "-o", name)

    def test_fits_are_json(self, log: Path) -> None:
        assert "Use .json." in fails("fit", log, "--save", "fits.pickle")

    def test_the_orders_are_not_overwritten(self, log: Path) -> None:
        assert "the orders are in it" in fails("summary", log, "-o", log)
        assert log.read_text(encoding="utf-8") == ORDERS

    def test_one_file_cannot_hold_both(self, log: Path, tmp_path: Path) -> None:
        both = tmp_path / "x.json"
        result = invoke("fit", log, "--save", both, "-o", both)
        assert result.exit_code == 2
        assert not both.exists()

    def test_a_failed_run_leaves_the_output_as_it_was(self, tmp_path: Path) -> None:
        path, target = tmp_path / "orders.csv", tmp_path / "forecast.csv"
        path.write_text(NO_REPEAT, encoding="utf-8")
        target.write_text("before", encoding="utf-8")
        fails("forecast", path, "-o", target, "--save", tmp_path / "fits.json")
        assert target.read_text(encoding="utf-8") == "before"
        assert {file.name for file in tmp_path.iterdir()} == {"orders.csv", "forecast.csv"}

    def test_a_write_that_fails_leaves_the_output_as_it_was(
        self, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from clvforecast.cli import output

        def full(_table: object, file: object) -> None:
            file.write(b"half")
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(output, "_write_csv", full)
        target = tmp_path / "rfm.csv"
        target.write_text("before", encoding="utf-8")
        assert "No space left on device" in fails("summary", log, "-o", target)
        assert target.read_text(encoding="utf-8") == "before"
        assert {file.name for file in tmp_path.iterdir()} == {"orders.csv", "rfm.csv"}


class TestUsage:
    @pytest.mark.parametrize(
        "arguments",
        [
            ["forecast"],
            ["forecats", "x.csv"],
            ["forecast", "x.csv", "--hozizon", "1Y"],
            ["forecast", "x.csv", "y.csv"],
            ["forecast", "x.csv", "--refunds", "perhaps"],
            ["forecast", "x.csv", "--time-unit", "H"],
            ["forecast", "x.csv", "--margin", "much"],
            ["forecast", "x.csv", "--level", "high"],
            ["compare", "x.csv", "--level", "0.9"],
            ["summary", "x.csv", "--horizon", "1Y"],
            ["historical", "x.csv", "--by", "a", "--steps"],
            ["plot", "pie", "x.csv", "-o", "x.png"],
            ["plot", "p-alive-matrix", "x.csv"],
        ],
    )
    def test_a_wrong_call_exits_with_2(self, arguments: list[str]) -> None:
        result = invoke(*arguments)
        assert result.exit_code == 2
        assert "Usage: " in result.stderr
        assert result.stdout == ""

    def test_a_misspelt_option_names_the_near_one(self) -> None:
        assert "--horizon" in invoke("forecast", "x.csv", "--horzon", "1Y").stderr


class TestHelp:
    @pytest.mark.parametrize(
        "command",
        [c.name or c.callback.__name__.replace("_", "-") for c in app.registered_commands],
    )
    def test_every_command_shows_an_example(self, command: str) -> None:
        result = invoke(command, "--help")
        assert result.exit_code == 0
        assert f"Example: clv {command} " in result.stdout
        assert "--customer" in result.stdout

    def test_version(self) -> None:
        result = invoke("--version")
        assert (result.exit_code, result.stdout) == (0, f"clv {clv.__version__}\n")


def test_a_bug_keeps_its_traceback(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(clv, "read_orders", broken)
    result = invoke("summary", log)
    assert isinstance(result.exception, ZeroDivisionError)
