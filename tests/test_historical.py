"""The simple formula: the worked example by hand, the lifespan estimates, and what it refuses."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math

import numpy as np
import pandas as pd
import pytest

from clvforecast import datasets
from clvforecast.errors import DataError
from clvforecast.historical import historical_clv
from clvforecast.lifespan import estimate_days
from clvforecast.transactions import read_orders


class Log:
    """Orders with the one method of Transactions that the formula needs."""

    def __init__(self, rows, until=None):
        self.orders = pd.DataFrame(rows)
        self.orders["date"] = pd.to_datetime(self.orders["date"])
        self.until = until or self.orders["date"].max().date().isoformat()

    def activity(self, by=None, until=None):
        end = pd.Timestamp(until or self.until)
        keys = [*([by] if isinstance(by, str) else by or []), "customer_id"]
        activity = (
            self.orders[self.orders["date"] <= end]
            .assign(ordered=self.orders["amount"] >= 0)
            .groupby(keys, dropna=False)
            .agg(
                orders=("ordered", "sum"),
                purchase_days=("date", "nunique"),
                revenue=("amount", "sum"),
                first_order=("date", "min"),
                last_order=("date", "max"),
            )
        )
        first = self.orders["date"].min().date().isoformat()
        activity.attrs = {"first": first, "until": end.date().isoformat()}
        return activity


def log(*rows, until=None, columns=("customer_id", "date", "amount")):
    return Log([dict(zip(columns, row, strict=True)) for row in rows], until)


@pytest.fixture
def example():
    return Log(datasets.load_worked_example())


@pytest.fixture(scope="module")
def cdnow():
    return Log(datasets.load_cdnow(), until="1998-06-30")


# The worked example


def test_worked_example_transaction_based(example):
    step = historical_clv(example, lifespan="104W").steps["transaction_based"]
    assert step["average_purchase_value"] == pytest.approx(10.5 / 13)
    assert step["purchase_frequency"] == pytest.approx(2.6)
    assert step["customer_value"] == pytest.approx(2.1)
    assert step["lifespan"] == pytest.approx(104)
    assert step["clv"] == pytest.approx(218.4)


def test_worked_example_customer_based(example):
    result = historical_clv(example, lifespan="104W")
    step = result.steps["customer_based"]
    assert step["average_purchase_value"] == pytest.approx(1.01667, abs=5e-6)
    assert step["customer_value"] == pytest.approx(2.64333, abs=5e-6)
    assert result.customer_based_clv == pytest.approx(274.9, abs=0.05)
    assert result.clv == pytest.approx(218.4)


def test_the_published_figure_left_the_frequency_out(example):
    """What data/README.md says of 105.664."""
    own = historical_clv(example, lifespan="104W").steps["customer_based"]
    assert math.trunc(own["average_purchase_value"] * 1000) / 1000 * 104 == pytest.approx(105.664)
    assert own["average_purchase_value"] * 104 == pytest.approx(105.733, abs=5e-4)


def test_steps_have_one_shape_whatever_is_given(example):
    plain, full = historical_clv(example), historical_clv(example, lifespan="2Y", margin=0.3)
    names = ["average_purchase_value", "purchase_frequency", "customer_value"]
    for steps in (plain.steps, full.steps):
        assert steps.index.tolist() == [*names, "lifespan", "margin", "clv"]
        assert steps.columns.tolist() == [
            "transaction_based",
            "customer_based",
            "unit",
            "description",
        ]


def test_lifespan_of_years_is_not_52_weeks_each(example):
    assert historical_clv(example, lifespan="2Y").steps.loc[
        "lifespan", "transaction_based"
    ] == pytest.approx(730.5 / 7)


def test_each_customer(example):
    table = historical_clv(example, lifespan="104W", margin=0.5).customers
    assert table.columns.tolist() == [
        "orders",
        "revenue",
        "average_order_value",
        "purchase_frequency",
        "customer_value",
        "clv",
        "past_value",
        "first_order",
        "last_order",
    ]
    b = table.loc["B"]
    assert b["average_order_value"] == pytest.approx(4 / 3)
    assert b["purchase_frequency"] == 3
    assert b["customer_value"] == pytest.approx(4.0)
    assert b["clv"] == pytest.approx(4.0 * 104 * 0.5)
    assert b["past_value"] == pytest.approx(2.0)
    assert b["first_order"] == pd.Timestamp("2024-03-04")
    assert b["last_order"] == pd.Timestamp("2024-03-10")


def test_customers_average_to_the_transaction_based_value(cdnow):
    result = historical_clv(cdnow, margin=0.25)
    assert result.customers["clv"].mean() == pytest.approx(result.clv, rel=1e-12)


def test_three_factors_leave_the_first_order_out(example):
    factor = historical_clv(example, lifespan="104W").three_factor["value"]
    assert factor["average_order_value"] == pytest.approx(10.5 / 13)
    assert factor["repeat_orders"] == pytest.approx(8 / 5)
    assert factor["retention_time"] == pytest.approx(104)
    assert factor["clv"] == pytest.approx(10.5 / 13 * 1.6 * 104)


def test_margin_scales_every_clv_and_nothing_else(example):
    full, third = (historical_clv(example, lifespan="104W", margin=m) for m in (1.0, 0.3))
    assert third.clv == pytest.approx(0.3 * full.clv)
    assert third.three_factor["value"]["clv"] == pytest.approx(
        0.3 * full.three_factor["value"]["clv"]
    )
    np.testing.assert_allclose(third.customers["clv"], 0.3 * full.customers["clv"])
    np.testing.assert_allclose(third.customers["revenue"], full.customers["revenue"])
    np.testing.assert_allclose(third.project(10), 0.3 * full.project(10))


# Lifespan


FOUR_WEEKS = [
    ("a", "2024-01-01", 10.0),
    ("a", "2024-01-20", 10.0),
    ("b", "2024-01-02", 10.0),
    ("b", "2024-01-14", 10.0),
    ("c", "2024-01-14", 10.0),
    ("c", "2024-01-15", 10.0),
    ("d", "2024-01-15", 10.0),
]


def test_churn_counts_the_first_half_who_do_not_return():
    """28 days, so the halves end on 01-14 and 01-28: a and c stay, b is lost, d says nothing."""
    life = historical_clv(log(*FOUR_WEEKS, until="2024-01-28")).lifespan
    assert life.method == "churn"
    assert life.days == pytest.approx(14 / (1 / 3))
    assert "Of 3 customers" in life.explanation
    assert "1 (33.3%) did not buy in the second" in life.explanation
    assert "guide" in life.explanation


def test_churn_of_an_odd_number_of_days_leaves_the_middle_day_to_the_second_half():
    """Three days: the halves are 01-01 alone, and 01-02 with 01-03."""
    orders = log(("a", "2024-01-01", 1), ("b", "2024-01-02", 1), until="2024-01-03")
    life = historical_clv(orders).lifespan
    assert life.days == pytest.approx(1.5)
    assert "Of 1 customers" in life.explanation


def test_observed_span_says_it_is_too_short():
    life = historical_clv(log(*FOUR_WEEKS, until="2024-01-28"), lifespan="observed").lifespan
    assert life.method == "observed"
    assert life.days == pytest.approx((19 + 12 + 1 + 0) / 4)
    assert "too short" in life.explanation


def test_nobody_leaving_asks_for_a_lifespan():
    orders = log(("a", "2024-01-01", 1), ("a", "2024-01-10", 1))
    with pytest.raises(DataError, match=r"all 1 customers .* Give one, such as lifespan='2Y'"):
        historical_clv(orders)
    assert historical_clv(orders, lifespan="2Y").lifespan.method == "given"


def test_one_day_has_no_halves_and_no_spans():
    orders = log(("a", "2024-01-01", 1.0), ("b", "2024-01-01", 2.0))
    with pytest.raises(DataError, match=r"a log of 1 day has no two halves.*lifespan='2Y'"):
        historical_clv(orders)
    with pytest.raises(DataError, match=r"no customer bought on two different days.*lifespan="):
        historical_clv(orders, lifespan="observed")


@pytest.mark.parametrize(
    ("lifespan", "message"),
    [
        ("chrun", "Did you mean 'churn'"),
        ("104", "not a duration"),
        ("0W", "longer than 0"),
        ("inf", "lifespan='inf'"),
        (104, "no unit. Write '104W'"),
    ],
)
def test_a_lifespan_that_is_none(example, lifespan, message):
    with pytest.raises(DataError, match=message):
        historical_clv(example, lifespan=lifespan)


# Period, end of observation, margin


def test_the_period_runs_to_the_end_of_observation():
    result = historical_clv(log(*FOUR_WEEKS, until="2024-01-28"), lifespan="1Y")
    assert result.period_days == 28
    assert (result.first, result.until) == (dt.date(2024, 1, 1), dt.date(2024, 1, 28))


def test_until_cuts_the_log():
    result = historical_clv(log(*FOUR_WEEKS), lifespan="1Y", until="2024-01-14")
    assert result.period_days == 14
    assert result.customers["orders"].to_dict() == {"a": 1, "b": 2, "c": 1}


def test_a_given_period_replaces_the_observed_one(example):
    result = historical_clv(example, lifespan="104W", period="2W")
    assert result.period_days == 14
    assert result.clv == pytest.approx(218.4 / 2)


def test_a_calendar_year_fits_a_year_of_366_days():
    orders = log(("a", "2024-01-01", 1.0), ("a", "2024-12-31", 1.0))
    assert historical_clv(orders, lifespan="2Y", period="1Y").period_days == 365.25


def test_a_period_shorter_than_the_orders_is_refused():
    with pytest.raises(DataError, match=r"period='1W' is 7 days, but the orders span 20"):
        historical_clv(log(*FOUR_WEEKS), lifespan="1Y", period="1W")


@pytest.mark.parametrize("margin", [0.0, -0.1, 30, math.nan, math.inf])
def test_a_margin_is_a_share(example, margin):
    with pytest.raises(DataError, match=r"margin=.* 0\.30 for 30%"):
        historical_clv(example, margin=margin)


def test_a_bare_table_is_told_to_be_read_first():
    with pytest.raises(DataError, match=r"read_orders returns, not a DataFrame"):
        historical_clv(datasets.load_worked_example())


def test_nothing_left_is_an_error(example):
    empty = example.activity().iloc[:0]
    example.activity = lambda **_: empty
    with pytest.raises(DataError, match="No order is left"):
        historical_clv(example)


def test_a_refund_alone_makes_nobody_a_customer():
    orders = log(("a", "2024-01-01", 4.0), ("a", "2024-01-05", 6.0), ("b", "2024-01-03", -5.0))
    result = historical_clv(orders, lifespan="1Y")
    assert result.customers.index.tolist() == ["a"]
    assert result.steps["transaction_based"]["average_purchase_value"] == pytest.approx(5.0)


def test_the_activity_table_is_not_changed(example):
    activity = example.activity()
    before, attrs = activity.copy(), dict(activity.attrs)
    example.activity = lambda **_: activity
    historical_clv(example, margin=0.5)
    pd.testing.assert_frame_equal(activity, before)
    assert activity.attrs == attrs


# Segments


CHANNELS = [
    ("a", "2024-01-01", 10.0, "shop"),
    ("a", "2024-01-20", 30.0, "shop"),
    ("b", "2024-01-02", 20.0, "shop"),
    ("b", "2024-01-20", 8.0, "web"),
    ("c", "2024-01-03", 4.0, "web"),
    ("c", "2024-01-28", 4.0, "web"),
]


@pytest.fixture
def channels():
    columns = ("customer_id", "date", "amount", "channel")
    return log(*CHANNELS, columns=columns)


def test_segments_repeat_the_formula(channels):
    table = historical_clv(channels, by="channel", lifespan="56D", margin=0.5).segments
    shop = table.loc["shop"]
    assert (shop["customers"], shop["orders"], shop["revenue"]) == (2, 3, 60.0)
    assert shop["average_purchase_value"] == pytest.approx(20.0)
    assert shop["customer_based_purchase_value"] == pytest.approx(20.0)
    assert shop["purchase_frequency"] == pytest.approx(1.5)
    assert shop["customer_value"] == pytest.approx(30.0)
    assert shop["clv"] == pytest.approx(30.0 * 2 * 0.5)
    assert table.index.name == "channel"
    assert set(table["lifespan_from"]) == {"given"}


def test_a_segment_uses_its_own_churn_or_says_that_it_cannot(channels):
    """Of the shop's two early customers one is lost; the web loses nobody, the log neither."""
    with pytest.raises(DataError, match="all 3 customers"):
        historical_clv(channels, by="channel")
    result = historical_clv(
        log(
            *CHANNELS,
            ("d", "2024-01-01", 5.0, "mail"),
            columns=("customer_id", "date", "amount", "channel"),
        ),
        by="channel",
    )
    assert result.segments["lifespan_from"].to_dict() == {
        "shop": "segment",
        "web": "whole log",
        "mail": "segment",
    }
    assert result.segments["lifespan_days"].to_dict() == pytest.approx(
        {"shop": 28.0, "web": result.lifespan.days, "mail": 14.0}
    )


def test_a_segment_that_shows_no_lifespan_takes_that_of_the_log():
    """`new` came in the second half, and nobody of `once` bought on two days."""
    rows = [
        ("a", "2024-01-01", 1.0, "old"),
        ("b", "2024-01-02", 1.0, "old"),
        ("b", "2024-01-09", 1.0, "old"),
        ("c", "2024-01-10", 1.0, "new"),
        ("c", "2024-01-12", 1.0, "new"),
        ("d", "2024-01-02", 1.0, "once"),
    ]
    orders = log(*rows, until="2024-01-14", columns=("customer_id", "date", "amount", "kind"))
    churn = historical_clv(orders, by="kind")
    assert churn.segments.loc["new", "lifespan_from"] == "whole log"
    assert churn.segments.loc["new", "lifespan_days"] == pytest.approx(7 / (2 / 3))
    observed = historical_clv(orders, by="kind", lifespan="observed")
    assert observed.segments["lifespan_from"].to_dict() == {
        "old": "segment",
        "new": "segment",
        "once": "whole log",
    }
    assert observed.segments.loc["once", "lifespan_days"] == pytest.approx(9 / 4)
    assert np.isfinite(churn.segments["clv"]).all()


def test_no_early_customer_is_no_churn():
    totals = pd.DataFrame({"customers": [2.0], "early": [0.0], "lost": [0.0], "span_days": [3.0]})
    assert estimate_days(totals, "churn", 10.0).tolist() == [math.inf]


def test_no_segment_column_is_no_segments(example):
    assert historical_clv(example, by=[]).segments is None
    assert historical_clv(example).segments is None


def test_one_segment_of_everyone_is_the_whole(example):
    example.orders["all"] = "x"
    result = historical_clv(example, by="all")
    assert result.segments.loc["x", "clv"] == pytest.approx(result.clv)
    assert result.segments.loc["x", "customer_based_clv"] == pytest.approx(
        result.customer_based_clv
    )


def test_segments_of_several_columns_and_missing_labels(channels):
    channels.orders["country"] = ["IR", "IR", None, "DE", None, None]
    table = historical_clv(channels, by=["channel", "country"], lifespan="1Y").segments
    assert table.index.names == ["channel", "country"]
    assert table["orders"].sum() == 6, "a row without a label is still a row"


# Projection


def test_projection_continues_the_average(example):
    projection = historical_clv(example, lifespan="104W").project(70)
    assert projection.name == "simple_projection"
    assert projection.to_dict() == pytest.approx({"A": 20, "B": 40, "C": 10, "D": 15, "E": 20})


@pytest.mark.parametrize("days", [math.inf, math.nan, -1.0])
def test_a_projection_needs_finite_days(example, days):
    with pytest.raises(DataError, match="finite"):
        historical_clv(example, lifespan="1Y").project(days)


# What is shown


def test_printing_shows_the_steps_with_their_numbers(example):
    text = " ".join(str(historical_clv(example, lifespan="104W")).split())
    for number in ("10.5", "13 orders", "0.807692", "2.6", "2.1", "218.4", "1.01667", "274.907"):
        assert number in text
    assert "104 weeks / 1 week" in text
    assert "same weight" in text, "why the two columns differ"


def test_printing_keeps_quiet_about_a_difference_there_is_not():
    same = historical_clv(log(("a", "2024-01-01", 3.0), ("b", "2024-01-05", 3.0)), lifespan="1Y")
    assert "same weight" not in " ".join(str(same).split())


def test_no_printed_line_runs_off_the_page(cdnow):
    assert max(len(line) for line in str(historical_clv(cdnow)).splitlines()) <= 120


def test_html_says_the_same_and_escapes(channels):
    channels.orders["channel"] = channels.orders["channel"].replace("web", "<b>web</b>")
    page = historical_clv(channels, by="channel", lifespan="1Y")._repr_html_()
    assert "average_purchase_value" in page
    assert "&lt;b&gt;web&lt;/b&gt;" in page


def test_the_result_is_frozen(example):
    with pytest.raises(dataclasses.FrozenInstanceError):
        historical_clv(example).margin = 0.5


def test_cdnow(cdnow):
    """Numbers anyone can count in the file."""
    result = historical_clv(cdnow)
    assert result.period_days == 546
    assert result.steps["transaction_based"]["average_purchase_value"] == pytest.approx(
        2_500_315.63 / 69_659
    )
    assert result.steps["transaction_based"]["purchase_frequency"] == pytest.approx(69_659 / 23_570)
    assert result.lifespan.days == pytest.approx(273 / (16_512 / 23_570))


# With the orders that read_orders returns


def test_worked_example_from_its_file():
    result = historical_clv(read_orders(datasets.worked_example_path()), lifespan="104W")
    assert (result.clv, result.customer_based_clv) == pytest.approx((218.4, 274.90666667))
    assert (result.first, result.until) == (dt.date(2024, 3, 4), dt.date(2024, 3, 10))


def test_real_orders_give_the_numbers_of_the_bare_table(example):
    orders = read_orders(datasets.load_worked_example(), until="2024-03-20")
    for arguments in ({}, {"until": "2024-03-20", "margin": 0.4}, {"lifespan": "observed"}):
        example.until = "2024-03-20"
        real, bare = historical_clv(orders, **arguments), historical_clv(example, **arguments)
        assert str(real) == str(bare)


def test_later_refunds_lower_the_revenue_and_make_no_order():
    table = pd.DataFrame(
        {
            "customer_id": ["a", "a", "a", "b", "c"],
            "date": ["2024-01-01", "2024-01-08", "2024-01-09", "2024-01-02", "2024-01-03"],
            "amount": [10.0, 20.0, -6.0, 12.0, -4.0],
            "channel": ["shop", "web", "web", "shop", "shop"],
        }
    )
    orders = read_orders(table, segments=["channel"])
    result = historical_clv(orders, by="channel", lifespan="1Y")
    assert result.customers["revenue"].to_dict() == pytest.approx({"a": 24.0, "b": 12.0})
    assert result.steps["transaction_based"]["average_purchase_value"] == pytest.approx(12.0)
    assert result.segments["revenue"].to_dict() == pytest.approx({"shop": 22.0, "web": 14.0})
