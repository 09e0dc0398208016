"""Whatever a customer is called, no cell that a spreadsheet program opens is a formula."""

import csv
import json
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
from typer.testing import CliRunner

from clvforecast.cli import output
from clvforecast.cli.commands import app
from clvforecast.errors import DataError
from clvforecast.spreadsheets import as_text, risky, write_workbook

FORMULAS = ["=1+1", "+49 170", "-5", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "=HYPERLINK(1)"]
HARMLESS = ["C1", "a=b", " =1", "'=1", "", "#1", "5-3", "\u2212"]


@pytest.mark.parametrize("dtype", ["str", "object", "category"])
def test_every_text_that_may_be_a_formula_is_marked(dtype: str) -> None:
    column = pd.Series(FORMULAS + HARMLESS).astype(dtype)
    assert risky(column).tolist() == [True] * len(FORMULAS) + [False] * len(HARMLESS)
    safe = as_text(pd.DataFrame({"name": column}))["name"]
    assert safe.tolist() == [f"'{text}" for text in FORMULAS] + HARMLESS


def test_numbers_and_days_and_what_is_missing_are_left_alone() -> None:
    table = pd.DataFrame(
        {
            "change": [-1.5, np.nan],
            "count": [-3, 2],
            "day": pd.to_datetime(["1997-01-01", None]),
            "alive": [True, False],
            "city": ["Rome", None],
        }
    )
    assert as_text(table) is table


def test_mixed_objects_missing_cells_and_doubled_labels() -> None:
    table = pd.DataFrame([[-1, "=x", None], ["=y", 2.0, "ok"]], columns=["a", "a", "=b"])
    table.index = pd.Index(["-1", "r"], name="customer_id")
    before = table.copy(deep=True)
    safe = as_text(table)
    assert safe.iloc[:, 0].tolist() == [-1, "'=y"]
    assert safe.iloc[:, 1].tolist() == ["'=x", 2.0]
    assert safe.iloc[1, 2] == "ok"
    assert pd.isna(safe.iloc[0, 2])
    assert list(safe.columns) == ["a", "a", "'=b"]
    assert list(safe.index) == ["'-1", "r"]
    assert safe.index.name == "customer_id"
    pd.testing.assert_frame_equal(table, before)


def test_every_level_of_an_index() -> None:
    index = pd.MultiIndex.from_tuples([("=a", 1), ("b", -1)], names=["segment", "period"])
    safe = as_text(pd.DataFrame({"clv": [1.0, 2.0]}, index=index))
    assert list(safe.index) == [("'=a", 1), ("b", -1)]
    assert safe.index.names == ["segment", "period"]


def test_a_workbook_has_texts_numbers_and_days_but_no_formula(tmp_path: Path) -> None:
    path = tmp_path / "table.xlsx"
    day = pd.Timestamp("1997-09-30")
    table = pd.DataFrame(
        {"customer_id": FORMULAS, "clv": -1.5, "last_order": day, "=column": "https://x.org"}
    )
    write_workbook(table, path, sheet="customers")
    sheet = openpyxl.load_workbook(path)["customers"]
    cells = list(sheet.iter_rows())
    assert all(cell.data_type != "f" and cell.hyperlink is None for row in cells for cell in row)
    assert [cell.value for cell in cells[0]] == list(table.columns)
    carriage_return = "_x000D_"  # ECMA-376, part 1, 22.9.2.19
    found = [row[0].value.replace(carriage_return, "\r") for row in cells[1:]]
    assert found == FORMULAS
    assert {row[1].value for row in cells[1:]} == {-1.5}
    assert {row[2].value for row in cells[1:]} == {day.to_pydatetime()}


def test_more_rows_than_a_sheet_holds_are_refused_before_they_are_written(tmp_path: Path) -> None:
    table = pd.DataFrame({"clv": np.zeros(1_048_576)})
    with pytest.raises(DataError, match=r"1,048,576 rows, and a sheet holds 1,048,575"):
        write_workbook(table, tmp_path / "table.xlsx", sheet="customers")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "orders.csv"
    rows = [("=cmd", "1997-01-01", 5), ("=cmd", "1997-02-01", 6), ("B", "1997-03-01", 7)]
    path.write_text("customer_id,date,amount\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows))
    return path


@pytest.mark.parametrize("ending", ["csv", "xlsx", "json", "parquet", "pipe"])
def test_the_command_line_marks_csv_alone_and_says_so(log: Path, ending: str) -> None:
    target = log.with_name(f"out.{ending}")
    where = [] if ending == "pipe" else ["-o", str(target)]
    result = CliRunner().invoke(app, ["summary", str(log), *where])
    assert result.exit_code == 0, result.output
    if ending in ("csv", "pipe"):
        text = result.stdout if ending == "pipe" else target.read_text()
        assert {row["customer_id"] for row in csv.DictReader(text.splitlines())} == {"'=cmd", "B"}
        assert "note: an apostrophe was put before texts that begin with" in result.stderr
        return
    assert "apostrophe" not in result.stderr
    if ending == "xlsx":
        found = [row[0].value for row in openpyxl.load_workbook(target).active.iter_rows()][1:]
    elif ending == "json":
        found = [row["customer_id"] for row in json.loads(target.read_text())]
    else:
        found = list(pd.read_parquet(target)["customer_id"])
    assert set(found) == {"=cmd", "B"}


def test_the_formats_are_those_that_are_promised() -> None:
    assert output.TABLES == (".csv", ".parquet", ".json", ".xlsx")
