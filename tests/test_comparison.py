"""Forecast beside simple formula: the arithmetic, the quadrants, and that nobody gets lost."""

from __future__ import annotations

import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import clvforecast as clv
from clvforecast.comparison import QUADRANTS, compare
from clvforecast.errors import DataError
from clvforecast.historical import historical_clv

IDS = ["a", "b", "c", "d", "e"]
REVENUE = [100.0, 90.0, 10.0, 8.0, 0.0]
CLV = [80.0, 1.0, 60.0, 2.0, 5.0]
ALIVE = [0.9, 0.05, 0.8, 0.3, 1.0]


def make_past(ids=IDS, revenue=REVENUE, *, margin=1.0, until="2024-12-29"):
    """A log of exactly 52 weeks."""
    activity = pd.DataFrame(
        {
            "orders": 2,
            "purchase_days": 2,
            "revenue": revenue,
            "first_order": pd.Timestamp("2024-01-01"),
            "last_order": pd.Timestamp("2024-06-01"),
        },
        index=pd.Index(ids, name="customer_id"),
    )
    activity.attrs = {"first": "2024-01-01", "until": until}
    orders = SimpleNamespace(activity=lambda **_: activity)
    return historical_clv(orders, lifespan="2Y", margin=margin)


def make_value(ids=IDS, clv=CLV, p_alive=ALIVE, **attrs):
    value = pd.DataFrame(
        {"p_alive": p_alive, "expected_purchases": 1.0, "expected_spend": clv, "clv": clv},
        index=pd.Index(ids, name="customer_id"),
    )
    value.attrs = {
        "time_unit": "W",
        "horizon": 26.0,
        "annual_discount_rate": 0.0,
        "margin": 1.0,
    } | attrs
    return value


@pytest.fixture
def both():
    return compare(make_value(), make_past(), quantile=0.5)


def test_columns_and_arithmetic(both):
    table = both.customers
    assert table.columns.tolist() == [
        "past_value",
        "simple_projection",
        "clv",
        "difference",
        "rank_past",
        "rank_forecast",
        "p_alive",
        "quadrant",
    ]
    assert table["past_value"].tolist() == REVENUE
    np.testing.assert_allclose(table["simple_projection"], np.array(REVENUE) / 2)
    assert table["clv"].tolist() == CLV
    np.testing.assert_allclose(table["difference"], np.array(CLV) - np.array(REVENUE) / 2)
    assert table["rank_past"].tolist() == [1, 2, 3, 4, 5]
    assert table["rank_forecast"].tolist() == [1, 5, 2, 4, 3]
    assert table["p_alive"].tolist() == ALIVE
    assert both.horizon_days == 26 * 7


def test_equal_values_share_the_better_rank():
    table = compare(make_value(clv=[5.0, 9.0, 5.0, 1.0, 5.0]), make_past()).customers
    assert table["rank_forecast"].tolist() == [2, 1, 2, 5, 2]


def test_quadrants_cross_past_and_forecast(both):
    """The medians are 10 and 5; a customer at the cut is not above it."""
    assert (both.past_cut, both.forecast_cut) == (10.0, 5.0)
    assert both.customers["quadrant"].to_dict() == {
        "a": "valuable and staying",
        "b": "valuable but fading",
        "c": "rising",
        "d": "low",
        "e": "low",
    }


def test_quadrants_are_ordered_and_all_in_the_summary():
    result = compare(make_value(clv=[0.0] * 5), make_past(revenue=[1.0] * 5))
    assert result.customers["quadrant"].cat.categories.tolist() == list(QUADRANTS)
    assert result.customers["quadrant"].cat.ordered
    assert result.summary.index.tolist() == list(QUADRANTS)
    assert result.summary["customers"].to_dict() == dict(zip(QUADRANTS, [0, 0, 0, 5], strict=True))
    assert result.summary["clv_share"].tolist() == [0, 0, 0, 0], "nothing to share is no NaN"
    assert "nan" not in str(result).lower()


def test_quantile_decides_who_is_valuable():
    value = make_value([*range(100)], np.arange(100.0), 0.5)
    past = make_past([*range(100)], np.arange(100.0))
    for quantile, valuable in ((0.8, 20), (0.9, 10)):
        result = compare(value, past, quantile=quantile)
        assert result.summary.loc["valuable and staying", "customers"] == valuable


def test_summary_adds_up(both):
    summary = both.summary
    assert summary.columns.tolist() == [
        "customers",
        "customer_share",
        "past_value",
        "past_share",
        "simple_projection",
        "clv",
        "clv_share",
        "mean_p_alive",
    ]
    assert summary["customers"].sum() == 5
    assert summary["past_value"].sum() == pytest.approx(sum(REVENUE))
    assert summary["clv"].sum() == pytest.approx(sum(CLV))
    for share in ("customer_share", "past_share", "clv_share"):
        assert summary[share].sum() == pytest.approx(1.0)
    assert summary.loc["low", "mean_p_alive"] == pytest.approx(0.65)
    assert summary.loc["low", "clv_share"] == pytest.approx(7 / 148)


def test_rows_follow_the_customer_not_the_position():
    """Two sorted alike by chance would hide a join by row number."""
    value, past = make_value(), make_past(IDS[::-1], REVENUE[::-1])
    expected = compare(value, make_past()).customers
    pd.testing.assert_frame_equal(compare(value, past).customers, expected)
    shuffled = compare(value.iloc[[3, 0, 4, 1, 2]], past).customers
    pd.testing.assert_frame_equal(shuffled.loc[IDS], expected)
    assert shuffled.index.tolist() == ["d", "a", "e", "b", "c"]


def test_inputs_are_not_changed():
    value, past = make_value(), make_past()
    value_before, past_before = value.copy(), past.customers.copy()
    compare(value, past)
    pd.testing.assert_frame_equal(value, value_before)
    pd.testing.assert_frame_equal(past.customers, past_before)
    assert value.attrs == value_before.attrs


def test_the_result_is_frozen(both):
    with pytest.raises(dataclasses.FrozenInstanceError):
        both.margin = 0.5


# Deciles


def test_deciles_of_past_value():
    ids = [*range(40)]
    past = make_past(ids, np.arange(40.0) + 1)
    deciles = compare(make_value(ids, np.full(40, 2.0), 0.5), past).by_decile()
    assert deciles.index.tolist() == list(range(1, 11))
    assert deciles["customers"].tolist() == [4] * 10
    assert deciles.loc[1, "past_value"] == 40 + 39 + 38 + 37
    assert deciles["past_value"].is_monotonic_decreasing
    np.testing.assert_allclose(deciles["clv_share"], 0.1)
    assert deciles["past_share"].sum() == pytest.approx(1.0)


def test_deciles_of_ties_and_of_few(both):
    ids = [*range(30)]
    tied = compare(make_value(ids, np.ones(30), 0.5), make_past(ids, np.ones(30))).by_decile()
    assert tied["customers"].tolist() == [3] * 10
    few = both.by_decile()
    assert few["customers"].sum() == 5
    assert few.index.tolist() == [2, 4, 6, 8, 10]


# The same customers


def test_a_customer_without_orders_is_an_error():
    with pytest.raises(DataError, match=r"2 of 7 customers of the forecast .* \(first: 'x'\)"):
        compare(make_value([*IDS, "x", "y"], [*CLV, 1, 1], [*ALIVE, 1, 1]), make_past())


def test_a_customer_without_forecast_is_an_error_not_dropped():
    with pytest.raises(
        DataError, match=r"1 of 6 customers of the orders .* \(first: 'new'\).*until="
    ):
        compare(make_value(), make_past([*IDS, "new"], [*REVENUE, 3.0]))


def test_ids_of_two_types_are_recognised():
    with pytest.raises(DataError, match=r"int64 in the forecast and .* in the orders"):
        compare(make_value([1, 2, 3, 4, 5]), make_past(["1", "2", "3", "4", "5"]))


def test_a_repeated_customer_is_an_error():
    with pytest.raises(DataError, match=r"1 customers more than once \(first: 'a'\)"):
        compare(make_value(["a", "a", "c", "d", "e"]), make_past())


# The same terms


def test_another_margin_is_refused():
    with pytest.raises(DataError, match=r"margin=0\.3 and .*margin=1.*orders, margin=0\.3"):
        compare(make_value(margin=0.3), make_past())
    result = compare(make_value(margin=0.3), make_past(margin=0.3))
    assert result.margin == 0.3
    assert result.customers.loc["a", "past_value"] == pytest.approx(30.0)


def test_another_end_of_observation_is_refused():
    with pytest.raises(DataError, match=r"made at 2024-09-30 .* 2024-12-29.*until='2024-09-30'"):
        compare(make_value(until="2024-09-30"), make_past())
    assert compare(make_value(until="2024-12-29"), make_past()).horizon_days == 182


def test_discounting_on_one_side_is_said():
    assert "discounted at 10% a year" in str(
        compare(make_value(annual_discount_rate=0.1), make_past())
    )
    assert "discounted at" not in str(compare(make_value(), make_past()))


def test_what_the_forecast_does_not_say_is_said():
    value = make_value()
    value.attrs = {}
    text = str(compare(value, make_past(), horizon="26W"))
    assert "does not say its margin and annual_discount_rate" in text


def test_one_time_buyers_of_bgnbd_are_explained(both):
    assert "1 customers have P(alive) = 1" in str(both)
    fading = compare(make_value(p_alive=[0.5] * 5), make_past())
    assert "P(alive) = 1" not in str(fading)


# The horizon


def test_horizon_comes_from_the_forecast_in_its_unit():
    for unit, horizon, days in (("D", 90, 90), ("M", 12, 365.25), ("Y", 2, 730.5)):
        result = compare(make_value(time_unit=unit, horizon=horizon), make_past())
        assert result.horizon_days == pytest.approx(days)


def test_a_table_from_a_file_needs_the_horizon():
    value = make_value()
    value.attrs = {}
    with pytest.raises(DataError, match=r"does not say which horizon.*horizon='52W'"):
        compare(value, make_past())
    assert compare(value, make_past(), horizon="52W").horizon_days == 364
    with pytest.raises(DataError, match=r"horizon=52 has no unit.*'52W'"):
        compare(value, make_past(), horizon=52)


def test_a_whole_lifetime_needs_a_horizon_for_the_projection():
    value = make_value(horizon=math.inf, annual_discount_rate=0.1)
    with pytest.raises(DataError, match=r"whole lifetime.*horizon='52W'"):
        compare(value, make_past())
    result = compare(value, make_past(), horizon="52W")
    np.testing.assert_allclose(result.customers["simple_projection"], REVENUE)
    assert "The forecast is of a whole lifetime" in str(result)


def test_another_horizon_than_the_forecast_is_refused():
    with pytest.raises(DataError, match=r"52 weeks, but the forecast covers 26 weeks"):
        compare(make_value(), make_past(), horizon="52W")
    assert compare(make_value(), make_past(), horizon="26W").horizon_days == 182
    assert compare(make_value(), make_past(), horizon=26).horizon_days == 182


@pytest.mark.parametrize("horizon", ["0W", "soon", -3, math.nan, "inf"])
def test_a_horizon_that_is_none(horizon):
    with pytest.raises(DataError, match="horizon"):
        compare(make_value(), make_past(), horizon=horizon)


# What else is refused


def test_swapped_arguments_are_told_apart():
    with pytest.raises(DataError, match=r"not a HistoricalCLV and a DataFrame"):
        compare(make_past(), make_value())


@pytest.mark.parametrize("quantile", [0.0, 1.0, 80, math.nan])
def test_quantile_lies_between(quantile):
    with pytest.raises(DataError, match="quantile="):
        compare(make_value(), make_past(), quantile=quantile)


def test_a_missing_column_names_those_there_are():
    with pytest.raises(DataError, match=r"no column 'clv'.*Did you mean 'CLV'"):
        compare(make_value().rename(columns={"clv": "CLV"}), make_past())


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("column", ["clv", "p_alive"])
def test_a_forecast_that_is_no_number_is_counted(column, bad):
    value = make_value()
    value.loc["c", column] = bad
    with pytest.raises(DataError, match=rf"1 of 5 customers have a {column}.*first: 'c'"):
        compare(value, make_past())


def test_an_empty_forecast_is_an_error():
    with pytest.raises(DataError, match="no customers"):
        compare(make_value().iloc[:0], make_past())


# What is shown


def test_a_manager_reads_it_on_one_screen(both):
    lines = str(both).splitlines()
    assert len(lines) <= 20
    assert max(map(len, lines)) <= 100
    assert lines[0] == (
        "Next 26 weeks, 5 customers: the forecast expects 148, the simple formula 104"
    )
    for quadrant in QUADRANTS:
        assert sum(line.startswith(quadrant) for line in lines) == 1


def test_the_biggest_disagreements_are_named(both):
    text = str(both)
    assert "below the simple formula: b (1.0 against 45.0, P(alive) 0.05); d" in text
    assert "above the simple formula: c (60.0 against 5.0, P(alive) 0.80); a" in text


def test_full_agreement_names_nobody():
    text = str(compare(make_value(clv=np.array(REVENUE) / 2), make_past()))
    assert "furthest" not in text


def test_html_says_the_same_and_escapes():
    ids = ["<i>", *IDS[1:]]
    page = compare(make_value(ids), make_past(ids))._repr_html_()
    assert "valuable but fading" in page
    assert "<i>" not in page
    assert "&lt;i&gt;" in page


# The whole way, on real orders


@pytest.fixture(scope="module")
def sample():
    return clv.read_orders(clv.datasets.load_cdnow(sample=True))


def test_cdnow_forecast_beside_the_simple_formula(sample):
    rfm = sample.summarize(time_unit="W", until="1997-09-30")
    buys = clv.BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
    spend = clv.GammaGamma(p=6.25, q=3.74, v=15.44)
    value = clv.forecast(buys, spend, rfm, horizon="39W", margin=0.3)
    past = clv.historical_clv(sample, until="1997-09-30", margin=0.3)
    result = clv.compare(value, past)
    assert result.customers.index.tolist() == rfm.index.tolist()
    assert result.summary["customers"].sum() == 2_357
    paid = clv.datasets.load_cdnow(sample=True).query("date <= '1997-09-30'")["amount"].sum()
    assert result.customers["past_value"].sum() == pytest.approx(0.3 * paid)
    assert result.customers["simple_projection"].sum() == pytest.approx(0.3 * paid)
    assert result.customers["clv"].sum() < 0.6 * result.customers["simple_projection"].sum()
    with pytest.raises(DataError, match="until='1997-09-30'"):
        clv.compare(value, clv.historical_clv(sample, margin=0.3))


def test_text_ids_survive_the_whole_way(sample):
    rfm = sample.summarize(time_unit="D")
    buys = clv.BGNBD(r=0.243, alpha=4.414 * 7, a=0.793, b=2.426)
    value = clv.forecast(buys, clv.GammaGamma(p=6.25, q=3.74, v=15.44), rfm, horizon="52W")
    assert "00004" in clv.compare(value, clv.historical_clv(sample)).customers.index


def test_sums_that_differ_in_the_last_digit_are_a_tie():
    """Engines add in parallel, in another order each time: 0.1 + 0.2 + 0.3 or 0.3 + 0.2 + 0.1."""
    ids, revenue = list("abcd"), [0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1, 0.5, 0.0]
    assert revenue[0] != revenue[1]
    both = compare(make_value(ids, [4.0, 3.0, 2.0, 1.0], 0.5), make_past(ids, revenue))
    assert both.customers["rank_past"].to_dict() == {"a": 1, "b": 1, "c": 3, "d": 4}
