"""Forecasts: what clv is, its limits, how it relates to lifetimes, and wrong input."""

import math

import numpy as np
import pandas as pd
import pytest

import clvforecast as clv
from clvforecast import BGNBD, DataError, FitError, GammaGamma

BUYS = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
SPEND = GammaGamma(p=6.25, q=3.74, v=15.44)


@pytest.fixture
def rfm():
    frame = pd.DataFrame(
        {
            "frequency": [2, 0, 12, 1],
            "recency": [30.43, 0.0, 38.86, 1.71],
            "T": [38.86, 38.86, 38.86, 33.0],
            "monetary_value": [22.35, 0.0, 48.1, 0.0],
        },
        index=pd.Index(["00004", "7", "b", "a"], name="customer_id"),
    )
    frame.attrs = {"time_unit": "W"}
    return frame


def test_clv_is_margin_times_spend_times_purchases(rfm):
    value = clv.forecast(BUYS, SPEND, rfm, horizon=52, margin=0.3)
    assert list(value.columns) == ["p_alive", "expected_purchases", "expected_spend", "clv"]
    assert value.index.equals(rfm.index)
    assert value["clv"].to_numpy() == pytest.approx(
        0.3 * value["expected_spend"] * value["expected_purchases"]
    )
    x, t_x, T = (rfm[c] for c in ("frequency", "recency", "T"))
    assert np.array_equal(value["p_alive"], BUYS.p_alive(x, t_x, T))
    assert np.array_equal(value["expected_purchases"], BUYS.expected_purchases(52, x, t_x, T))
    assert value.attrs["horizon"] == 52
    assert value.attrs["time_unit"] == "W"
    assert value.attrs["margin"] == 0.3
    assert value.attrs["annual_discount_rate"] == 0


def test_the_defaults_hide_nothing(rfm):
    plain = clv.forecast(BUYS, SPEND, rfm, horizon="52W")
    explicit = clv.forecast(BUYS, SPEND, rfm, horizon="52W", annual_discount_rate=0.0, margin=1.0)
    pd.testing.assert_frame_equal(plain, explicit)


@pytest.mark.parametrize("horizon", ["1Y", "26W", math.inf])
def test_the_unit_does_not_change_the_value(rfm, horizon):
    in_days = rfm.assign(recency=rfm["recency"] * 7, T=rfm["T"] * 7)
    in_days.attrs = {"time_unit": "D"}
    weeks = clv.forecast(BUYS, SPEND, rfm, horizon=horizon, annual_discount_rate=0.1)
    days = clv.forecast(BUYS.rescaled(7), SPEND, in_days, horizon=horizon, annual_discount_rate=0.1)
    assert days.to_numpy() == pytest.approx(weeks.to_numpy(), rel=1e-12)


def test_the_value_does_not_jump_with_the_horizon(rfm):
    horizons = np.linspace(0.01, 200, 300)
    values = np.array(
        [
            clv.forecast(BUYS, SPEND, rfm, horizon=h, annual_discount_rate=0.1)["clv"]
            for h in horizons
        ]
    )
    steps = np.diff(values, axis=0)
    assert np.all(steps > 0)
    assert np.all(np.diff(steps, axis=0) < 0)
    forever = clv.forecast(BUYS, SPEND, rfm, horizon="inf", annual_discount_rate=0.1)["clv"]
    assert np.all(values[-1] < forever)


def lifetimes_sum(rfm, months, monthly_rate, weeks_per_month):
    """lifetimes' formula: whole months, each discounted from its end."""
    x, t_x, T = (rfm[c] for c in ("frequency", "recency", "T"))
    ends = weeks_per_month * np.arange(months + 1)
    expected = np.array([BUYS.expected_purchases(t, x, t_x, T) for t in ends])
    discount = (1 + monthly_rate) ** -np.arange(1, months + 1)
    spend = SPEND.expected_spend(rfm["frequency"], rfm["monetary_value"])
    return spend * (discount @ np.diff(expected, axis=0))


def test_relation_to_the_monthly_sum_of_lifetimes(rfm):
    """It lies below the continuous value by at most one month's interest, and tends to it."""
    month, rate = 365.25 / 12 / 7, 1.10 ** (1 / 12) - 1
    ours = clv.forecast(BUYS, SPEND, rfm, horizon="1Y", annual_discount_rate=0.10)["clv"]
    monthly = lifetimes_sum(rfm, 12, rate, month)
    assert np.all(monthly < ours)
    assert np.all(ours < monthly * (1 + rate))
    errors = [
        np.abs(ours - lifetimes_sum(rfm, 12 * k, 1.10 ** (1 / 12 / k) - 1, month / k)).max()
        for k in (1, 10, 100)
    ]
    assert errors[1] == pytest.approx(errors[0] / 10, rel=0.02)
    assert errors[2] == pytest.approx(errors[0] / 100, rel=0.02)


def test_undiscounted_agrees_with_lifetimes_itself(cdnow_rfm, cdnow_buys, cdnow_spend):
    """lifetimes' month is 4.345 weeks; over that horizon and undiscounted the two are one."""
    from clvforecast.interop.lifetimes import to_lifetimes

    theirs = to_lifetimes(cdnow_spend).customer_lifetime_value(
        to_lifetimes(cdnow_buys),
        *(cdnow_rfm[c] for c in ("frequency", "recency", "T", "monetary_value")),
        time=12,
        discount_rate=0.0,
        freq="W",
    )
    ours = clv.forecast(cdnow_buys, cdnow_spend, cdnow_rfm, horizon=12 * 4.345)
    assert ours["clv"].to_numpy() == pytest.approx(theirs.to_numpy(), rel=1e-8)


def test_the_customers_of_the_forecast_need_not_be_those_of_the_fit(cdnow_buys, cdnow_spend, rfm):
    alone = clv.forecast(cdnow_buys, cdnow_spend, rfm.iloc[[2]], horizon="52W")
    together = clv.forecast(cdnow_buys, cdnow_spend, rfm, horizon="52W")
    assert alone.loc["b"].tolist() == pytest.approx(together.loc["b"].tolist(), rel=1e-12)


def test_rows_keep_their_customer_whatever_their_order(cdnow_buys, cdnow_spend, cdnow_rfm):
    shuffled = cdnow_rfm.sample(frac=1, random_state=1)
    value = clv.forecast(cdnow_buys, cdnow_spend, cdnow_rfm, horizon="1Y", annual_discount_rate=0.1)
    other = clv.forecast(cdnow_buys, cdnow_spend, shuffled, horizon="1Y", annual_discount_rate=0.1)
    pd.testing.assert_frame_equal(other.loc[value.index], value)


def test_the_summary_is_not_changed(rfm):
    before = rfm.copy()
    clv.forecast(BUYS, SPEND, rfm, horizon="1Y")
    pd.testing.assert_frame_equal(rfm, before)


def test_a_summary_without_a_unit_takes_that_of_the_fit(cdnow_buys, cdnow_spend, rfm):
    bare = rfm.copy()
    bare.attrs = {}
    with_fit = clv.forecast(cdnow_buys, cdnow_spend, bare, horizon="52W")
    assert with_fit.attrs["time_unit"] == "W"
    assert clv.forecast(BUYS, SPEND, bare, horizon=52).attrs["time_unit"] is None
    with pytest.raises(DataError, match="time unit of the summary is unknown"):
        clv.forecast(BUYS, SPEND, bare, horizon="52W")
    with pytest.raises(DataError, match="needs the time unit"):
        clv.forecast(BUYS, SPEND, bare, horizon=52, annual_discount_rate=0.1)


def test_units_that_disagree_are_an_error(cdnow_buys, cdnow_spend, rfm):
    rfm.attrs = {"time_unit": "D"}
    with pytest.raises(DataError, match="time unit 'D' and the purchase model was fitted in 'W'"):
        clv.forecast(cdnow_buys, cdnow_spend, rfm, horizon="52W")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"horizon": -1}, DataError, "horizon=-1"),
        ({"horizon": "a year"}, DataError, "not a duration"),
        ({"horizon": math.nan}, DataError, "horizon=nan"),
        ({"horizon": math.inf}, FitError, "infinite horizon without discounting"),
        ({"horizon": 1, "margin": 0}, DataError, "margin=0"),
        ({"horizon": 1, "margin": math.nan}, DataError, "margin=nan"),
        ({"horizon": 1, "annual_discount_rate": -0.1}, DataError, "annual_discount_rate=-0.1"),
        ({"horizon": 1, "time_unit": "week"}, DataError, "time_unit='week'"),
    ],
)
def test_wrong_arguments(rfm, arguments, error, message):
    with pytest.raises(error, match=message):
        clv.forecast(BUYS, SPEND, rfm, **arguments)


def test_misspelt_arguments_are_not_swallowed(rfm):
    with pytest.raises(TypeError, match="discount_rate"):
        clv.forecast(BUYS, SPEND, rfm, horizon="1Y", discount_rate=0.1)


def test_swapped_models_are_named(rfm):
    with pytest.raises(DataError, match="A purchase model such as BGNBD.*not GammaGamma"):
        clv.forecast(SPEND, BUYS, rfm, horizon="1Y")


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("recency", 99.0, r"1 of 4 customers has recency > T \(first: '7'\)|recency > T"),
        ("frequency", -1, "not a whole number"),
        ("monetary_value", -5.0, "negative monetary_value"),
        ("monetary_value", math.nan, r"\(first: '00004'\)"),
        ("T", math.nan, "missing or not finite"),
    ],
)
def test_bad_rows_are_named_not_scored(rfm, column, value, message):
    rfm[column] = rfm[column].astype(float)
    rfm.loc["00004", column] = value
    with pytest.raises(DataError, match=message):
        clv.forecast(BUYS, SPEND, rfm, horizon="1Y")


def test_a_spend_model_without_a_mean_is_an_error(rfm):
    with pytest.raises(FitError, match=r"no finite mean spend for 1 of 4 customers \(first: '7'\)"):
        clv.forecast(BUYS, GammaGamma(p=6.0, q=0.9, v=15.0), rfm, horizon="1Y")
