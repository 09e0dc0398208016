"""Waits and silences: closed forms, quadrature, what simulated customers do, and dates."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad

import clvforecast as clv
from clvforecast import BGNBD, MODELS, DataError
from clvforecast.models import PurchaseModel

BUYS = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
PURCHASE_MODELS = [model for model in MODELS.values() if issubclass(model, PurchaseModel)]


@pytest.fixture
def rfm():
    """A regular, a one-time buyer, one of today, a heavy buyer, one who has gone."""
    frame = pd.DataFrame(
        {
            "frequency": [2, 0, 0, 60, 9, 1],
            "recency": [30.43, 0.0, 0.0, 38.86, 5.0, 38.86],
            "T": [38.86, 38.86, 0.0, 38.86, 38.86, 38.86],
        },
        index=pd.Index(["00004", "once", "new", "heavy", "gone", "today"], name="customer_id"),
    )
    frame.attrs = {"time_unit": "W", "until": "1997-09-30"}
    return frame


def columns_of(rfm):
    return (rfm[name].to_numpy(dtype=float) for name in ("frequency", "recency", "T"))


# The law of the wait


@pytest.mark.parametrize("model", PURCHASE_MODELS)
def test_the_quantile_inverts_the_chance_of_no_purchase(model):
    shop = model(*next(iter(model.starting_points())))
    x, T = np.array([[0.0], [1.0], [7.0]]), 3.0
    chance = np.array([0.01, 0.5, 0.9])
    wait = shop.wait_quantile_if_alive(chance, x, T, T)
    reached = np.isfinite(wait)
    bought = 1 - shop.purchase_pmf_if_alive(0, np.where(reached, wait, 0.0), x, T, T)
    assert bought[reached] == pytest.approx(np.broadcast_to(chance, wait.shape)[reached], rel=1e-10)


@pytest.mark.parametrize("model", PURCHASE_MODELS)
def test_the_mean_is_the_integral_of_the_chance_of_no_purchase(model):
    shop = model(*next(iter(model.starting_points())))
    for x in (0, 1, 2, 7):
        wait = float(shop.expected_wait_if_alive(x, 3.0, 3.0))
        if np.isfinite(wait):
            none = partial(shop.purchase_pmf_if_alive, 0, x=x, t_x=3.0, T=3.0)
            assert wait == pytest.approx(quad(none, 0, np.inf)[0], rel=1e-6)


def test_without_a_mean_the_wait_within_a_horizon_grows_without_bound():
    """At r + x = 0.243 its integral grows like the horizon to the power 0.757."""
    assert BUYS.expected_wait_if_alive(0, 38.86, 38.86) == np.inf
    assert BGNBD(1.0, 4.0, 1.0, 1.0).expected_wait_if_alive(0, 10.0, 10.0) == np.inf
    assert np.isfinite(BGNBD(1.001, 4.0, 1.0, 1.0).expected_wait_if_alive(0, 10.0, 10.0))
    none = partial(BUYS.purchase_pmf_if_alive, 0, x=0, t_x=0.0, T=38.86)
    near, far = (quad(none, 0, horizon, limit=500)[0] for horizon in (1e5, 1e6))
    assert far / near == pytest.approx(10**0.757, rel=0.01)


def test_the_mean_and_the_quantile_at_extremes():
    assert BUYS.wait_quantile_if_alive([0.0, 1.0], 3, 10.0, 10.0).tolist() == [0.0, np.inf]
    assert BUYS.wait_quantile_if_alive(0.5, 1e6, 0.0, 0.0) == pytest.approx(4.414 * np.log(2) / 1e6)
    assert BUYS.expected_wait_if_alive(1e6, 0.0, 0.0) == pytest.approx(4.414e-6, rel=1e-5)
    assert BGNBD(1e-4, 4.0, 1.0, 1.0).wait_quantile_if_alive(0.5, 0, 10.0, 10.0) == np.inf
    for q in (-0.1, 1.1, np.nan):
        with pytest.raises(DataError, match="must be probabilities"):
            BUYS.wait_quantile_if_alive(q, 0, 10.0, 10.0)


def test_parameters_may_differ_from_customer_to_customer():
    both = BGNBD(np.array([0.243, 2.0]), np.array([4.414, 8.0]), 0.793, 2.426)
    alone = BGNBD(2.0, 8.0, 0.793, 2.426)
    assert both.expected_wait_if_alive(0, 10.0, 10.0).tolist() == [
        np.inf,
        float(alone.expected_wait_if_alive(0, 10.0, 10.0)),
    ]
    waits = both.wait_quantile_if_alive(0.5, 3, 10.0, 10.0)
    assert waits[1] == alone.wait_quantile_if_alive(0.5, 3, 10.0, 10.0)


# The next purchase


def test_half_of_the_customers_buy_within_their_median():
    """Simulated for 40 weeks and for another 400: of each kind of history, one half."""
    customers, known_until, seen_until = 20_000, 40.0, 440.0
    shop = BGNBD(r=0.9, alpha=5.0, a=0.8, b=3.0)
    customer, time = shop.simulate(np.full(customers, seen_until), seed=8)
    past = time <= known_until
    x = np.bincount(customer[past], minlength=customers)
    t_x, following = np.zeros(customers), np.full(customers, np.inf)
    t_x[customer[past]] = time[past]
    np.minimum.at(following, customer[~past], time[~past] - known_until)
    rfm = pd.DataFrame({"frequency": x, "recency": t_x, "T": known_until})
    table = clv.next_purchase(shop, rfm)

    in_sight = table["median_wait"] <= seen_until - known_until
    bought = following <= table["median_wait"]
    for kind in (x == 0, (x > 0) & (x < 5), x >= 5):
        chosen = kind & in_sight
        assert chosen.sum() > 1000
        assert abs(bought[chosen].mean() - 0.5) < 4 * np.sqrt(0.25 / chosen.sum())
    never = np.isinf(table["median_wait"])
    assert never.sum() > 1000
    assert ((table["p_alive"] <= 0.5) == never).all()
    chance = table["p_alive"][never]
    returned = np.isfinite(following[never]).sum()
    assert returned < chance.sum() + 4 * np.sqrt((chance * (1 - chance)).sum())


def test_columns_and_their_relations(rfm):
    table = clv.next_purchase(BUYS, rfm)
    assert list(table.columns) == [
        "p_alive",
        "expected_wait_if_alive",
        "median_wait_if_alive",
        "median_wait",
        "median_date",
    ]
    assert table.index.equals(rfm.index)
    assert table.attrs == {"time_unit": "W", "until": "1997-09-30"}
    x, t_x, T = columns_of(rfm)
    p_alive = BUYS.p_alive(x, t_x, T)
    assert np.array_equal(table["p_alive"], p_alive)
    assert not table.drop(columns="median_date").isna().any(axis=None)
    assert (table["median_wait"] >= table["median_wait_if_alive"]).all()
    sure = p_alive == 1
    assert np.array_equal(table["median_wait"][sure], table["median_wait_if_alive"][sure])
    finite = np.isfinite(table["median_wait"].to_numpy())
    none = BUYS.purchase_pmf_if_alive(
        0, table["median_wait"][finite], x[finite], T[finite], T[finite]
    )
    assert p_alive[finite] * (1 - none) == pytest.approx(0.5, rel=1e-12)
    assert np.isinf(table.loc["gone", "median_wait"])
    assert np.isinf(table.loc["once", "expected_wait_if_alive"])
    assert table["median_date"].isna().tolist() == [False, False, False, False, True, False]


def test_the_median_date_is_the_day_on_which_the_wait_ends():
    """alpha = 4, r + x = 2: half buy within (4 + T) (sqrt 2 - 1) days, 5.8 of them at T = 10."""
    shop = BGNBD(1.0, 4.0, 1e-9, 1.0)
    rfm = pd.DataFrame({"frequency": [1], "recency": [10.0], "T": [10.0]})
    rfm.attrs = {"time_unit": "D", "until": "2024-02-25"}
    table = clv.next_purchase(shop, rfm)
    assert table["median_wait"].iloc[0] == pytest.approx(14 * (2**0.5 - 1), rel=1e-6)
    assert table["median_date"].iloc[0] == pd.Timestamp("2024-03-02")
    weekly = rfm.assign(recency=10 / 7, T=10 / 7)
    weekly.attrs = {"time_unit": "W", "until": "2024-02-25"}
    there = clv.next_purchase(shop.rescaled(1 / 7), weekly)
    assert there["median_date"].iloc[0] == pd.Timestamp("2024-03-02")


def test_a_wait_of_whole_weeks_ends_on_a_whole_day():
    """r + x = 1: half buy within alpha + T; 3 weeks are 21 days, not 22."""
    rfm = pd.DataFrame({"frequency": [0], "recency": [0.0], "T": [2.9]})
    rfm.attrs = {"time_unit": "W", "until": "2024-01-01"}
    table = clv.next_purchase(BGNBD(1.0, 0.1, 1.0, 1.0), rfm)
    assert table["median_date"].iloc[0] == pd.Timestamp("2024-01-22")


def test_dates_beyond_all_calendars_are_missing():
    rfm = pd.DataFrame({"frequency": [0], "recency": [0.0], "T": [1.0]})
    rfm.attrs = {"time_unit": "Y", "until": "2024-01-01"}
    table = clv.next_purchase(BGNBD(0.05, 1.0, 1.0, 1.0), rfm)
    assert 8000 < table["median_wait"].iloc[0] < np.inf
    assert table["median_date"].isna().all()


def test_without_a_known_end_of_observation_there_are_no_dates(rfm):
    for attrs in ({}, {"time_unit": "W"}, {"until": "1997-09-30"}):
        rfm.attrs = attrs
        assert "median_date" not in clv.next_purchase(BUYS, rfm)
        assert "limit_date" not in clv.silence_limits(BUYS, rfm)


# How long a silence


def test_the_limit_agrees_with_the_closed_form_of_bg_nbd(rfm):
    """The odds of having left, a / (b + x - 1) ((alpha + T) / (alpha + t_x))^(r + x), solved."""
    x, t_x, _ = columns_of(rfm.drop(["once", "new"]))
    for threshold in (0.05, 0.3, 0.5, 0.7, 0.9):
        odds = (1 - threshold) / threshold * (BUYS.b + x - 1) / BUYS.a
        closed = (BUYS.alpha + t_x) * (odds ** (1 / (BUYS.r + x)) - 1)
        limit = clv.silence_limits(BUYS, rfm, threshold=threshold)["silence_limit"]
        found = limit.drop(["once", "new"])
        assert found.to_numpy() == pytest.approx(np.maximum(closed, 0), rel=1e-11)
        assert np.isinf(limit[["once", "new"]]).all(), "BG/NBD never gives up a one-time buyer"


def test_at_the_limit_p_alive_is_the_threshold(cdnow_buys, cdnow_rfm):
    table = clv.silence_limits(cdnow_buys, cdnow_rfm, threshold=0.6)
    assert table["silence"].to_numpy() == pytest.approx(cdnow_rfm["T"] - cdnow_rfm["recency"])
    x, t_x, _ = columns_of(cdnow_rfm)
    limit = table["silence_limit"].to_numpy()
    crossed = np.isfinite(limit) & (limit > 0)
    assert crossed.any()
    at = cdnow_buys.model.p_alive(x[crossed], t_x[crossed], (t_x + limit)[crossed])
    assert at == pytest.approx(0.6, rel=1e-9)
    assert ((table["silence"] >= table["silence_limit"]) == (table["p_alive"] <= 0.6)).all()


def test_who_is_doubtful_right_after_his_purchase_has_no_time_left():
    rfm = pd.DataFrame({"frequency": [1, 50], "recency": [3.0, 3.0], "T": [3.0, 3.0]})
    limit = clv.silence_limits(BGNBD(0.3, 4.0, 3.0, 1.0), rfm)["silence_limit"]
    assert limit.iloc[0] == 0
    assert limit.iloc[1] > 0


def test_limits_shrink_as_the_threshold_rises(rfm):
    limits = [
        clv.silence_limits(BUYS, rfm, threshold=p)["silence_limit"] for p in (0.001, 0.5, 0.999)
    ]
    assert (limits[0] >= limits[1]).all()
    assert (limits[1] >= limits[2]).all()
    assert (limits[0][["00004", "gone"]] > limits[1][["00004", "gone"]]).all()


def test_the_limit_date_counts_from_the_last_purchase(rfm):
    table = clv.silence_limits(BUYS, rfm)
    assert list(table.columns) == ["p_alive", "silence", "silence_limit", "limit_date"]
    assert table.attrs == {"time_unit": "W", "until": "1997-09-30", "threshold": 0.5}
    days = (7 * (table["silence_limit"] - table["silence"])).drop(["once", "new"])
    expected = pd.Timestamp("1997-09-30") + pd.to_timedelta(np.ceil(days), unit="D")
    dates = table["limit_date"].drop(["once", "new"])
    assert (dates == expected).all()
    assert table.loc["gone", "limit_date"] < pd.Timestamp("1997-09-30")
    assert table.loc["00004", "limit_date"] > pd.Timestamp("1997-09-30")
    assert table.loc[["once", "new"], "limit_date"].isna().all()


def test_a_huge_number_of_purchases():
    rfm = pd.DataFrame({"frequency": [1_000_000], "recency": [1000.0], "T": [1000.0]})
    waits, limits = clv.next_purchase(BUYS, rfm), clv.silence_limits(BUYS, rfm)
    assert 0 < waits["median_wait"].iloc[0] < 0.001
    assert 0 < limits["silence_limit"].iloc[0] < 0.1


# Both


@pytest.mark.parametrize("ask", [clv.next_purchase, clv.silence_limits])
class TestBoth:
    def test_the_unit_only_scales(self, ask, rfm):
        daily = rfm.assign(recency=7 * rfm["recency"], T=7 * rfm["T"])
        daily.attrs = {"time_unit": "D", "until": "1997-09-30"}
        here, there = ask(BUYS, rfm), ask(BUYS.rescaled(7), daily)
        for column in here.columns.drop("p_alive"):
            if here[column].dtype.kind == "M":
                pd.testing.assert_series_equal(here[column], there[column])
            else:
                assert there[column].to_numpy() == pytest.approx(7 * here[column], rel=1e-9)

    def test_fit_and_model_agree_and_the_summary_is_not_changed(self, ask, cdnow_buys, cdnow_rfm):
        before, attrs = cdnow_rfm.copy(), dict(cdnow_rfm.attrs)
        pd.testing.assert_frame_equal(
            ask(cdnow_buys, cdnow_rfm), ask(cdnow_buys.model, cdnow_rfm), check_exact=True
        )
        pd.testing.assert_frame_equal(cdnow_rfm, before)
        assert cdnow_rfm.attrs == attrs

    def test_rows_stay_with_their_customer(self, ask, rfm):
        twice = pd.concat([rfm, rfm.iloc[::-1]])
        twice.attrs = rfm.attrs
        table = ask(BUYS, twice)
        assert table.index.equals(twice.index)
        pd.testing.assert_frame_equal(table.iloc[:6], table.iloc[:5:-1], check_exact=True)

    def test_bad_rows_and_columns_are_named(self, ask, rfm):
        with pytest.raises(DataError, match=r"1 of 6 customers has recency > T \(first: '00004'\)"):
            ask(BUYS, rfm.assign(recency=[99.0, 0, 0, 38, 5, 38]))
        with pytest.raises(DataError, match="no column 'T'"):
            ask(BUYS, rfm.drop(columns="T"))

    def test_units_that_disagree(self, ask, cdnow_buys, rfm):
        with pytest.raises(DataError, match="time unit 'D'"):
            ask(cdnow_buys, rfm, time_unit="D")

    def test_a_spend_model_is_refused(self, ask, rfm):
        with pytest.raises(DataError, match="A purchase model"):
            ask(clv.GammaGamma(6.0, 4.0, 15.0), rfm)


@pytest.mark.parametrize("threshold", [0, 1, 50, -0.1, np.nan])
def test_wrong_thresholds(rfm, threshold):
    with pytest.raises(DataError, match="threshold="):
        clv.silence_limits(BUYS, rfm, threshold=threshold)
