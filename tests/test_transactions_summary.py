"""What counts as a purchase, what refunds do, and where observation ends."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from clvforecast.errors import DataError
from clvforecast.transactions import Transactions, read_orders
from clvforecast.transactions.engine import calling_engine, embedded, fetch_frame
from clvforecast.transactions.summary import by_customer, by_day


def log(*rows: tuple[Any, ...], **arguments: Any) -> Transactions:
    names = ["customer_id", "date", "amount", "order", "segment"][: len(rows[0])]
    if "order" in names:
        arguments["order"] = "order"
    if "segment" in names:
        arguments["segments"] = "segment"
    return read_orders(pd.DataFrame(rows, columns=names), **arguments)


def noted(orders: Transactions) -> dict[str, int]:
    return {key: count for key, count in orders.quality.noted.items() if count}


def test_orders_of_one_day_are_one_purchase() -> None:
    rfm = log(("A", "2024-01-01", 5), ("A", "2024-01-08", 3), ("A", "2024-01-08", 4)).summarize("W")
    assert rfm.loc["A"].tolist() == [1.0, 1.0, 1.0, 7.0]


def test_two_days_of_one_week_are_two_purchases() -> None:
    """Weekly truncation would merge them (lifetimes, PyMC-Marketing)."""
    rfm = log(("A", "2024-01-01", 5), ("A", "2024-01-02", 3), ("A", "2024-01-04", 3)).summarize("W")
    assert rfm.loc["A", "frequency"] == 2
    assert rfm.loc["A", "recency"] == pytest.approx(3 / 7)


def test_dates_as_text_are_parsed_before_they_are_compared() -> None:
    """Sorted as text, 9/1/2024 would be the end of observation (lifetimes, PyMC-Marketing)."""
    orders = log(("A", "9/1/2024", 5), ("A", "10/1/2024", 5), date_format="%m/%d/%Y")
    assert orders.until == dt.date(2024, 10, 1)


def test_first_bought_on_the_last_day_and_recency_equal_to_T_are_legal() -> None:
    rfm = log(("A", "2024-01-01", 5), ("A", "2024-01-31", 5), ("B", "2024-01-31", 5)).summarize()
    assert rfm["recency"].tolist() == [30.0, 0.0]
    assert rfm["T"].tolist() == [30.0, 0.0]


def test_attributes_survive_json() -> None:
    calibration, holdout = log(("A", "2024-01-01", 5), ("A", "2024-02-01", 5)).split(
        "2024-01-10", "2W"
    )
    assert json.loads(json.dumps(calibration.attrs)) == {"time_unit": "W", "until": "2024-01-10"}
    assert json.loads(json.dumps(holdout.attrs))["horizon"] == 2


class TestRefunds:
    def test_refund_is_no_purchase(self) -> None:
        orders = log(("A", "2024-01-01", 10), ("A", "2024-01-08", 10), ("A", "2024-02-01", -4))
        rfm = orders.summarize(until="2024-03-01")
        assert rfm.loc["A", ["frequency", "recency"]].tolist() == [1.0, 7.0]
        assert rfm.loc["A", "monetary_value"] == pytest.approx(10 * 16 / 20)
        assert noted(orders) == {"refund_rows": 1}

    def test_later_refund_counts_only_once_it_is_observed(self) -> None:
        orders = log(("A", "2024-01-01", 10), ("A", "2024-01-08", 10), ("A", "2024-02-01", -4))
        assert orders.summarize(until="2024-01-31").loc["A", "monetary_value"] == 10

    def test_same_day_refund_is_netted(self) -> None:
        orders = log(("A", "2024-01-01", 10), ("A", "2024-01-08", 10), ("A", "2024-01-08", -4))
        assert orders.summarize().loc["A", ["frequency", "monetary_value"]].tolist() == [1.0, 6.0]

    @pytest.mark.parametrize("amounts", [(10, -10), (10.1, 20.2, -30.3), (0, -5)])
    def test_day_that_refunds_cancel_is_no_purchase(self, amounts: tuple[float, ...]) -> None:
        """10.1 + 20.2 - 30.3 is 3.6e-15 in floating point."""
        rows = [("A", "2024-01-08", amount) for amount in amounts]
        orders = log(("A", "2024-01-01", 50), *rows, ("B", "2024-01-01", 1))
        assert orders.summarize()["frequency"].tolist() == [0, 0]
        assert noted(orders)["cancelled_days"] == 1

    def test_refunds_of_more_than_was_bought_leave_nothing_not_less(self) -> None:
        orders = log(("A", "2024-01-01", 10), ("A", "2024-01-08", 10), ("A", "2024-02-01", -99))
        assert orders.summarize().loc["A", "monetary_value"] == 0
        assert orders.activity().loc["A", "revenue"] == 0

    def test_refunds_before_the_first_purchase_are_ignored_and_counted(self) -> None:
        orders = log(("A", "2023-12-30", -7), ("A", "2024-01-01", 10), ("A", "2024-01-08", 10))
        assert orders.summarize().loc["A", "monetary_value"] == 10
        assert noted(orders)["early_refunds"] == 1

    def test_customers_with_refunds_only_are_counted_not_kept(self) -> None:
        orders = log(("A", "2024-01-01", 10), ("B", "2024-01-02", -3))
        assert orders.summarize().index.tolist() == ["A"]
        assert noted(orders)["refund_only_customers"] == 1
        with pytest.raises(DataError, match="no purchase: every order of all 1 customer is a"):
            log(("B", "2024-01-02", -3))

    def test_zero_amount_is_a_purchase(self) -> None:
        orders = log(("A", "2024-01-01", 10), ("A", "2024-01-08", 0))
        assert orders.summarize().loc["A", ["frequency", "monetary_value"]].tolist() == [1.0, 0.0]
        assert noted(orders) == {"zero_amount": 1}

    def test_drop_and_error(self) -> None:
        rows = [("A", "2024-01-01", 10), ("A", "2024-01-08", 10), ("A", "2024-01-08", -4)]
        dropped = log(*rows, refunds="drop")
        assert dropped.summarize().loc["A", "monetary_value"] == 10
        assert dropped.quality.dropped["refund"] == 1
        with pytest.raises(DataError, match="1 of 3 rows are refunds"):
            log(*rows, refunds="error")

    def test_negative_line_of_a_positive_order_is_a_discount(self) -> None:
        rows = [("A", "2024-01-01", 10, 1), ("A", "2024-01-01", -2, 1), ("A", "2024-01-09", -3, 2)]
        assert log(*rows).activity().loc["A", "revenue"] == pytest.approx(5)
        dropped = log(*rows, refunds="drop")
        assert dropped.activity().loc["A", "revenue"] == 8
        assert (dropped.quality.dropped["refund"], dropped.quality.rows_kept) == (1, 2)
        log(*rows[:2], refunds="error")
        with pytest.raises(DataError, match="1 of 3 rows are refunds"):
            log(*rows, refunds="error")


class TestUntil:
    def test_rows_after_it_are_dropped_and_counted(self) -> None:
        rows = [("A", "2024-01-01", 10), ("A", "2030-01-01", 10)]
        orders = log(*rows, until="2024-12-31")
        assert orders.quality.dropped["after_until"] == 1
        assert (orders.until, orders.summarize().loc["A", "T"]) == (dt.date(2024, 12, 31), 365)

    def test_it_may_be_moved_both_ways(self) -> None:
        orders = log(("A", "2024-01-01", 10), ("A", "2024-01-11", 10), ("B", "2024-01-11", 1))
        assert orders.summarize(until="2024-01-05").loc["A"].tolist() == [0.0, 0.0, 4.0, 0.0]
        assert orders.summarize(until=dt.date(2024, 1, 21))["T"].tolist() == [20.0, 10.0]
        with pytest.raises(DataError, match="Nobody has bought by 2023-12-31"):
            orders.summarize(until="2023-12-31")

    @pytest.mark.parametrize("day", ["31.12.2024", "soon", 20241231, pd.NaT])
    def test_it_must_be_a_day(self, day: Any) -> None:
        with pytest.raises(DataError, match="YYYY-MM-DD"):
            log(("A", "2024-01-01", 10), until=day)

    def test_timestamps_are_days(self) -> None:
        orders = log(("A", "2024-01-01", 10), until=pd.Timestamp("2024-01-31 15:00"))
        assert orders.until == dt.date(2024, 1, 31)


class TestSplit:
    ROWS = (
        *(("A", "2024-01-01", 10), ("A", "2024-01-31", 20), ("A", "2024-02-05", 6)),
        *(("A", "2024-02-05", 4), ("A", "2024-02-07", 8), ("B", "2024-01-15", 5)),
        *(("A", "2024-02-08", 99), ("C", "2024-02-01", 7), ("B", "2024-02-14", 1)),
    )

    def test_holdout_is_what_happened_after_the_cutoff(self) -> None:
        calibration, holdout = log(*self.ROWS).split("2024-01-31", "1W")
        assert calibration.loc["A", "frequency"] == 1
        assert holdout.loc["A"].tolist() == [2.0, 18.0, 9.0]  # per purchase day, not per order
        assert holdout.loc["B"].tolist() == [0.0, 0.0, 0.0]
        assert "C" not in holdout.index  # first bought after the cutoff
        assert holdout["purchases"].dtype == np.int64

    def test_number_is_in_the_unit_and_39_weeks_are_273_days(self) -> None:
        orders = log(*self.ROWS)
        weekly, daily = orders.split("2024-01-31", 1), orders.split("2024-01-31", 7, "D")
        pd.testing.assert_frame_equal(weekly.holdout, daily.holdout)
        by_month = orders.split("2024-01-31", 14 / (365.25 / 12), "M")
        assert by_month.holdout.loc["B", "purchases"] == 1

    def test_refunds_in_the_holdout_lower_its_spend(self) -> None:
        rows = [*self.ROWS, ("A", "2024-02-06", -9), ("B", "2024-02-06", -9)]
        holdout = log(*rows).split("2024-01-31", "1W").holdout
        assert holdout.loc["A"].tolist() == pytest.approx([2.0, 9.0, 4.5])
        assert holdout.loc["B"].tolist() == [0.0, 0.0, 0.0]

    def test_it_may_not_run_past_the_end(self) -> None:
        orders = log(*self.ROWS)
        orders.split("2024-01-31", "14D")
        with pytest.raises(DataError, match="from 1 to 14 days after the cutoff 2024-01-31"):
            orders.split("2024-01-31", "15D")
        with pytest.raises(DataError, match="horizon"):
            orders.split("2024-01-31", "0D")
        with pytest.raises(DataError, match="horizon='inf'"):
            orders.split("2024-01-31", "inf")
        with pytest.raises(DataError, match="nothing to hold out"):
            orders.split("2024-02-14", "1D")


class TestActivity:
    def test_orders_are_rows_or_order_ids(self) -> None:
        rows = [("A", "2024-01-01", 5, 1), ("A", "2024-01-01", 4, 1), ("A", "2024-01-01", 3, 2)]
        by_id = log(*rows).activity().loc["A"]
        by_row = log(*(row[:3] for row in rows)).activity().loc["A"]
        assert (by_id["orders"], by_row["orders"]) == (2, 3)
        assert by_id["revenue"] == by_row["revenue"] == 12
        assert by_id["purchase_days"] == by_row["purchase_days"] == 1

    def test_by_segment(self) -> None:
        orders = log(
            ("A", "2024-01-01", 5, 1, "web"),
            ("A", "2024-01-05", 4, 2, "shop"),
            ("B", "2024-01-03", 3, 3, "web"),
        )
        frame = orders.activity(by=["segment"])
        assert frame.index.names == ["segment", "customer_id"]
        assert frame.index.tolist() == [("shop", "A"), ("web", "A"), ("web", "B")]
        assert frame["first_order"].tolist() == [
            pd.Timestamp(day) for day in ("2024-01-05", "2024-01-01", "2024-01-03")
        ]
        assert frame.attrs == {"first": "2024-01-01", "until": "2024-01-05"}
        with pytest.raises(DataError, match="Did you mean 'segment'"):
            orders.activity(by="segmnt")

    def test_purchase_days_is_an_expression(self) -> None:
        orders = log(("A", "2024-01-01", 5), ("A", "2024-01-01", 4), ("A", "2024-01-02", -4))
        days = orders.purchase_days()
        assert list(days.columns) == ["customer_id", "date", "amount", "orders"]
        assert days.to_pyarrow().to_pylist() == [
            {"customer_id": "A", "date": dt.date(2024, 1, 1), "amount": 9.0, "orders": 2}
        ]

    def test_to_pandas_gives_the_checked_orders(self) -> None:
        orders = log(("B", "2024-01-01", 5, "x", "web"), ("A", "2024-01-01 10:00", 4, "y", "shop"))
        frame = orders.to_pandas()
        assert frame.columns.tolist() == ["customer_id", "date", "amount", "order", "segment"]
        assert frame["customer_id"].tolist() == ["A", "B"]
        assert str(frame["date"].dtype) == "datetime64[us]"


def test_later_changes_of_the_frame_change_nothing() -> None:
    frame = pd.DataFrame({"customer_id": ["A"], "date": ["2024-01-01"], "amount": [5.0]})
    orders = read_orders(frame)
    frame.loc[0, "amount"] = 99.0
    assert orders.activity().loc["A", "revenue"] == 5


@pytest.mark.parametrize("name", ["first_order", "orders", "gross", "refunds", "is_purchase"])
def test_a_segment_may_be_called_like_a_column_of_the_summary(name):
    log = pd.DataFrame(
        {
            "customer_id": ["a", "a", "b"],
            "date": ["2024-01-01", "2024-01-09", "2024-01-05"],
            "amount": [10.0, 20.0, 5.0],
            name: ["x", "y", "x"],
        }
    )
    orders = read_orders(log, segments=name)
    by_segment = orders.activity(by=name)
    assert by_segment.index.names == [name, "customer_id"]
    assert by_segment["revenue"].to_dict() == {("x", "a"): 10.0, ("x", "b"): 5.0, ("y", "a"): 20.0}
    assert orders.summarize()["frequency"].to_dict() == {"a": 1, "b": 0}


def test_without_refunds_a_quicker_way_gives_the_same(tmp_path: Path) -> None:
    """Amounts of every size, from nothing to ten trillion, on customers' first days and later."""
    rng = np.random.default_rng(1)
    n = 20_000
    amount = np.round(np.exp(rng.normal(3, 3, n)), 2)
    amount[::20] = 0
    amount[::997] *= 1e9
    frame = pd.DataFrame(
        {
            "customer_id": rng.integers(0, 4000, n),
            "date": np.datetime64("2024-01-01") + rng.integers(0, 300, n).astype("timedelta64[D]"),
            "amount": amount,
        }
    )
    path = tmp_path / "log.parquet"
    frame.to_parquet(path)
    with calling_engine("Reading"):
        orders = embedded().read_parquet(path)
    orders = orders.mutate(date=orders.date.cast("date"))
    found = []
    for has_refunds in (True, False):
        days = by_day(orders, ["customer_id"], has_order=False, has_refunds=has_refunds)
        customers = by_customer(days, ["customer_id"], account=True, has_refunds=has_refunds)
        found.append(fetch_frame(customers, ["customer_id"]))
    general, quicker = found
    pd.testing.assert_frame_equal(
        quicker[general.columns], general, rtol=1e-14, atol=0, check_dtype=False
    )
    nothing_later = general["repeat_amount"] == 0
    assert nothing_later.sum() > 50
    assert (quicker["repeat_amount"][nothing_later] == 0).all()
