"""What is read, what is refused, and in which words."""

import gzip
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from clvforecast.errors import DataError, MissingExtra
from clvforecast.transactions import read_orders

GOOD: dict[str, list[Any]] = {
    "customer_id": ["A", "B"],
    "date": ["2024-01-31", "2024-02-01"],
    "amount": [1.5, 2.5],
}


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame(GOOD | columns)


def refused(source: Any, *words: str, **arguments: Any) -> None:
    """Assert one clear sentence: our error, one line, with the words."""
    with pytest.raises(DataError) as caught:
        read_orders(source, **arguments)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message, message


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(text: str, name: str = "orders.csv", encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return path

    return write


class TestFiles:
    def test_ids_keep_their_text(self, write: Any) -> None:
        text = "customer_id,date,amount\n00123,2024-01-01,1\nNA,2024-01-01,1\n1e5,2024-01-01,1\n"
        assert read_orders(write(text)).summarize().index.tolist() == ["00123", "1e5", "NA"]

    @pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
    def test_separator_is_detected(self, write: Any, separator: str) -> None:
        lines = [
            'customer_id,"first, second; third|x",date,amount',
            "A,,2024-01-01,1",
            "B,,2024-01-02,2",
        ]
        text = "\n".join(line.replace(",", separator) for line in lines)
        assert len(read_orders(write(text)).summarize()) == 2

    def test_european_file(self, write: Any) -> None:
        text = (
            "\ufeffKunde;Datum;Betrag\r\n"
            '"Müller; Söhne";31.12.2023;"1.234,50"\r\nb;01.02.2024 ;-12\r\nb;30.01.2024;99,9\r\n'
        )
        orders = read_orders(
            write(text),
            customer="Kunde",
            date="Datum",
            amount="Betrag",
            date_format="%d.%m.%Y",
            decimal=",",
            thousands=".",
        )
        assert orders.to_pandas()["amount"].tolist() == [1234.5, 99.9, -12.0]
        assert orders.summarize().index.tolist() == ["Müller; Söhne", "b"]

    def test_amounts_with_the_wrong_decimal_mark_are_not_guessed(self, write: Any) -> None:
        text = 'customer_id;date;amount\nA;2024-01-01;"12,50"\n'
        refused(write(text), "1 unparseable amount", "'12,50'", "decimal=','")

    def test_columns_that_differ_in_case_only(self, write: Any) -> None:
        text = "Customer_ID,customer_id,date,amount,Amount\nx,A,2024-01-01,1,9\n"
        assert read_orders(write(text)).to_pandas().loc[0].tolist()[::2] == ["A", 1.0]

    def test_gzip_without_the_name_of_it(self, tmp_path: Path) -> None:
        path = tmp_path / "orders.txt"
        path.write_bytes(gzip.compress(b"customer_id,date,amount\nA,2024-01-01,1\n"))
        assert len(read_orders(path).summarize()) == 1

    def test_quoted_newlines(self, write: Any) -> None:
        text = 'customer_id,note,date,amount\nA,"two\nlines, ""quoted""",2024-01-01,1\n'
        assert read_orders(write(text)).quality.rows_read == 1

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", ["'orders.csv' is empty"]),
            ("\n\n", ["is empty"]),
            ("customer_id,date,amount\n", ["'orders.csv' has no rows"]),
            ("customer_id,date,amount\nA,2024-01-01,1,9\n", ["line 2", "4 fields", "header has 3"]),
            ("customer_id,date,amount\nA,2024-01-01\n", ["line 2", "2 fields", "header has 3"]),
            ('customer_id,date,amount\nA,2024-01-01,"1\n', ["quoted field is not closed"]),
            ("customer,date,amount\nA,2024-01-01,1\n", ["'customer_id' (customer=)"]),
            ("customer_id,date,date,amount\nA,x,y,1\n", ["2 columns named 'date'"]),
        ],
    )  # fmt: skip
    def test_broken_files(self, write: Any, text: str, words: list[str]) -> None:
        refused(write(text), *words)

    def test_other_encodings(self, write: Any) -> None:
        text = "customer_id,date,amount\nMüller,2024-01-01,1\n"
        refused(write(text, encoding="latin-1"), "not UTF-8", "Save the file as UTF-8")
        refused(write(text, encoding="utf-16"), "UTF-16")

    def test_paths(self, write: Any, tmp_path: Path) -> None:
        refused(tmp_path / "nothing.csv", "There is no file", "nothing.csv")
        refused(str(tmp_path / "*.csv"), "No file matches")
        refused(tmp_path, "is a folder", "*.csv")
        refused("", "path of the orders is empty")
        refused(write("PK\x03\x04", "orders.xlsx"), "is a spreadsheet", "CSV or Parquet")
        frame().to_parquet(tmp_path / "a.orders")
        write("customer_id,date,amount\nA,2024-01-01,1\n", "b.orders")
        refused(tmp_path / "*.orders", "CSV and Parquet")
        refused(write("a", "x.csv"), "must be one character", separator=";;")

    def test_parquet_with_a_missing_column(self, tmp_path: Path) -> None:
        frame().rename(columns={"amount": "amont"}).to_parquet(tmp_path / "orders.parquet")
        refused(tmp_path / "orders.parquet", "no column 'amount'", "Did you mean 'amont'?")


class TestDatabases:
    @pytest.fixture
    def shop(self, tmp_path: Path) -> str:
        connection = sqlite3.connect(tmp_path / "shop.db")
        connection.execute("CREATE TABLE orders (customer_id TEXT, date DATE, amount REAL)")
        connection.executemany(
            "INSERT INTO orders VALUES (?, ?, ?)",
            [
                *[("A", "2024-01-01", 1), ("A", "01/02/2024", 2)],
                *[("A", "2024-01-03", "free"), ("A", 7, 1)],
            ],
        )
        connection.commit()
        connection.close()
        return f"sqlite:///{tmp_path}/shop.db"

    def test_values_of_another_type_than_the_column(self, shop: str) -> None:
        """SQLite stores anything: CAST('free' AS REAL) is 0 there, and DATE(7) a day in -4713."""
        quality = read_orders(shop, table="orders").quality
        assert quality.examples == {"bad_date": ("01/02/2024", "7"), "bad_amount": ("free",)}
        assert quality.rows_kept == 1

    def test_wrong_urls(self, shop: str, tmp_path: Path) -> None:
        refused(shop, "needs table=")
        refused(shop, "no table 'order'", "Did you mean 'orders'?", table="order")
        refused(f"sqlite:///{tmp_path}/nothing.db", "no database file", table="orders")
        refused("mysql://host/shop", "'mysql://'", "postgresql://", table="orders")
        refused(frame(), "table= names a table of a database", table="orders")
        assert not (tmp_path / "nothing.db").exists()

    def test_not_a_database(self, write: Any) -> None:
        refused(f"duckdb:///{write('nonsense' * 1000)}", "duckdb database", table="orders")

    def test_credentials_stay_out_of_messages(self) -> None:
        url = "postgresql://someone:s3cr%40t@127.0.0.1:1/shop"
        with pytest.raises(DataError) as caught:
            read_orders(url, table="orders")
        shown = f"{caught.value!s} {caught.value.__cause__!r}"
        assert "127.0.0.1 could not be reached" in shown
        assert "s3cr" not in shown
        assert caught.value.__suppress_context__

    def test_missing_driver_names_the_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "psycopg", None)
        with pytest.raises(MissingExtra, match=r"clvforecast\[postgres\]"):
            read_orders("postgresql://host/shop", table="orders")


class TestFrames:
    def test_integer_and_text_ids_keep_their_type(self) -> None:
        assert read_orders(frame(customer_id=[7, 10])).summarize().index.dtype == np.int64
        assert read_orders(frame(customer_id=["7", "10"])).summarize().index.tolist() == ["10", "7"]

    def test_categories_are_values(self) -> None:
        orders = read_orders(frame(customer_id=pd.Categorical(["b", "a"], categories=["b", "a"])))
        assert orders.summarize().index.tolist() == ["a", "b"]

    def test_missing_ids_of_any_type(self) -> None:
        for ids in ([1.0, np.nan], ["A", None], ["A", "\t "], pd.array([1, pd.NA], dtype="Int64")):
            assert read_orders(frame(customer_id=ids)).quality.dropped["no_customer"] == 1

    def test_amounts_that_are_not_finite(self) -> None:
        quality = read_orders(frame(amount=[1.0, np.inf])).quality
        assert quality.dropped["no_amount"] == 1
        assert read_orders(frame(amount=[1.0, np.nan])).quality.dropped["no_amount"] == 1

    def test_exact_duplicates(self) -> None:
        three = pd.concat([frame(), frame(), frame()])
        kept = read_orders(three)
        assert (kept.quality.noted["duplicates_kept"], kept.quality.rows_kept) == (4, 6)
        dropped = read_orders(three, duplicates="drop")
        assert (dropped.quality.dropped["duplicate"], dropped.quality.rows_kept) == (4, 2)
        assert dropped.activity()["revenue"].tolist() == [1.5, 2.5]

    def test_orders_at_different_times_are_no_duplicates(self) -> None:
        times = pd.to_datetime(["2024-01-01 10:00", "2024-01-01 11:00"])
        orders = read_orders(
            frame(customer_id=["A", "A"], date=times, amount=[1.0, 1.0]), duplicates="drop"
        )
        assert orders.quality.rows_kept == 2

    def test_what_cannot_be_orders(self) -> None:
        refused([1, 2], "cannot be read from 'list'", "pandas")
        refused(frame(amount=[True, False]), "'amount' has the type boolean")
        refused(frame(amount=[1, "x"]), "'amount' mixes kinds of values", "int, str")
        refused(frame(date=pd.to_timedelta([1, 2], "D")), "'date' has the type")
        refused(pd.DataFrame(), "has no columns")
        refused(frame().iloc[:0], "has no rows")
        refused(frame(), "asked for twice", amount="date")
        other = frame().rename(columns={"date": "day"}).assign(date="x")
        refused(other, "segment column 'date' has a name", date="day", segments=["date"])
        refused(frame(), "refunds='nett'", "Did you mean 'net'?", refunds="nett")

    def test_what_removed_the_rows_is_said(self) -> None:
        refused(
            frame(customer_id=["", " "]), "no order left of 2 rows", "2 missing or blank customer"
        )
        refused(frame(), "2 dated after `until`", "Check until=", until="2020-01-01")
        refused(frame(amount=["a", "b"]), "2 unparseable amount (such as 'a', 'b')")


class TestDates:
    @pytest.mark.parametrize(
        ("dates", "words"),
        [
            (["31/01/2024", "01/02/2024"], ["are D/M/Y", "date_format='%d/%m/%Y'"]),
            (["01/31/2024", "02/01/2024"], ["are M/D/Y", "date_format='%m/%d/%Y'"]),
            (["01/02/2024", "02/01/2024"], ["ambiguous", "'%d/%m/%Y'", "'%m/%d/%Y'"]),
            (["13/02/2024", "02/13/2024"], ["mix D/M/Y and M/D/Y"]),
            (["31.01.24 10:30", "1.2.24 9:05"], ["date_format='%d.%m.%y %H:%M'"]),
            (["1/31/2024 1:05 pm", "2/1/2024 1:05 am"], ["date_format='%m/%d/%Y %I:%M %p'"]),
            (["2024/01/31", "2024/02/01"], ["not ISO", "date_format='%Y/%m/%d'"]),
            (["2024-01-31T10:00Z", "2024-02-01T10:00+02:00"], ["time zone", "tz='Europe/Berlin'"]),
            (["soon", "later"], ["2 unparseable date (such as 'later', 'soon')", "date_format="]),
            ([20240131, 20240201], ["holds numbers (int64)", "pandas.to_datetime"]),
            (pd.to_datetime(["2024-01-31", "2024-02-01"], utc=True), ["instants", "Pass tz="]),
        ],
    )
    def test_what_must_be_said_is_asked_for(self, dates: Any, words: list[str]) -> None:
        refused(frame(date=dates), *words)

    def test_the_suggested_format_reads_the_column(self) -> None:
        orders = read_orders(
            frame(date=["31.01.24 10:30", "1.2.24 9:05"]), date_format="%d.%m.%y %H:%M"
        )
        assert str(orders.until) == "2024-02-01"

    @pytest.mark.parametrize(
        ("date_format", "text"),
        [
            ("%d/%m/%Y", "1/2/2024"),
            ("%Y%m%d", "20240201"),
            ("%d %b %Y", "01 FEB 2024"),
            ("%B %d, %Y", "February 1, 2024"),
            ("%b-%d-%y %I:%M%p", "Feb-1-24 11:59PM"),
            ("%Y-%m-%dT%H:%M:%S.%f", "2024-02-01T10:00:00.123"),
            ("week %d%%%m (%Y)", "week 1%2 (2024)"),
        ],
    )
    def test_formats(self, date_format: str, text: str) -> None:
        orders = read_orders(frame(date=[text, "29/29/2024"]), date_format=date_format)
        assert str(orders.until) == "2024-02-01"
        assert orders.quality.dropped["bad_date"] == 1

    def test_days_that_do_not_exist(self) -> None:
        days = ["2024-02-29", "2023-02-29", "1900-02-29", "2000-02-29", "2024-04-31", "2024-13-01",
                "2024-00-10", "2024-1-1", "2024-01-01 25:00", "2024-01-01x", "٢٠٢٤-٠١-٠١"]  # noqa: RUF001 # fmt: skip
        orders = read_orders(
            pd.DataFrame({"customer_id": "A", "date": days, "amount": 1.0}), until="2024-12-31"
        )
        assert orders.quality.rows_kept == 2
        assert orders.quality.dropped["bad_date"] == 9
        day_first = read_orders(frame(date=["31/04/2024", "30/04/2024"]), date_format="%d/%m/%Y")
        assert day_first.quality.dropped["bad_date"] == 1

    def test_a_few_odd_dates_are_counted_not_refused(self) -> None:
        quality = read_orders(
            pd.DataFrame(
                {"customer_id": "A", "date": ["2024-01-01"] * 3 + ["1/2/2024"], "amount": 1}
            )
        ).quality
        assert quality.examples["bad_date"] == ("1/2/2024",)

    @pytest.mark.parametrize("date_format", ["%d/%m", "%d/%d/%Y", "%Q", "%H:%M", "%Y-%m-%d %z"])
    def test_formats_that_make_no_date(self, date_format: str) -> None:
        refused(frame(), "date_format=", date_format=date_format)

    def test_zones(self) -> None:
        refused(frame(), "tz='Asia/Teheran'", "Did you mean 'Asia/Tehran'?", tz="Asia/Teheran")
        naive = read_orders(frame(), tz="Asia/Tehran")  # local days already
        assert str(naive.until) == "2024-02-01"
        mixed = frame(date=["2024-01-31T20:29Z", "2024-01-31T20:30Z"])
        days = read_orders(mixed, tz="Asia/Tehran").to_pandas()["date"]
        assert days.tolist() == [pd.Timestamp("2024-01-31"), pd.Timestamp("2024-02-01")]


class TestAmounts:
    @pytest.mark.parametrize(
        ("text", "value"),
        [("12", 12), ("+1.5", 1.5), ("-.5", -0.5), (" 3. ", 3), ("1e3", 1000), ("2.5E-1", 0.25)],
    )
    def test_numbers(self, text: str, value: float) -> None:
        assert read_orders(frame(amount=["1", text])).to_pandas()["amount"].tolist()[1] == value

    @pytest.mark.parametrize("text", ["1,5", "$1", "1 000", "(5)", "0x10", "1e999", "--1", "١"])  # noqa: RUF001
    def test_what_is_no_number(self, text: str) -> None:
        quality = read_orders(frame(amount=["1", text])).quality
        assert quality.examples == {"bad_amount": (text,)}

    def test_thousands_come_in_threes(self) -> None:
        amounts = ["1,234,567.5", "1,23"]
        quality = read_orders(frame(amount=amounts), thousands=",").quality
        assert quality.examples == {"bad_amount": ("1,23",)}
        refused(frame(), "thousands='.'", thousands=".")
        refused(frame(), "decimal='x'", decimal="x")


class TestQuality:
    def test_nothing_is_lost_silently(self) -> None:
        rows = pd.DataFrame(
            {
                "customer_id": ["A", None, "A", "A", "A", "A", "A", "A"],
                "date": ["2024-01-01", "", "", "x", *["2024-01-02"] * 3, "2025-01-01"],
                "amount": ["1", "x", "1", "1", "", "x", "-1", "1"],
            }
        )
        quality = read_orders(rows, until="2024-12-31", refunds="drop").quality
        assert all(quality.dropped[key] == 1 for key in quality.dropped if key != "duplicate")
        assert quality.rows_read == quality.rows_kept + sum(quality.dropped.values()) == 8
        table = quality.to_frame().set_index("reason")
        assert table.loc["unparseable amount", ["count", "examples"]].tolist() == [1, "'x'"]
        reasons = [line for line in str(quality).splitlines() if line.startswith("  ")]
        assert len(reasons) == 7
        assert len({line.index("%") for line in reasons}) == 1  # aligned


def test_importing_transactions_does_not_load_ibis() -> None:
    code = (
        "import sys, clvforecast.transactions; "
        "sys.exit(' '.join({'ibis', 'duckdb', 'polars', 'pyspark'} & set(sys.modules)) or 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
