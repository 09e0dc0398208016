"""Intervals for everybody: the laws of chosen customers at another price, and simulation."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest

import clvforecast as clv
from clvforecast import BGNBD, DataError, FitError, GammaGamma
from clvforecast.predictive import (
    count_law,
    predictive_quantiles,
    purchase_quantiles,
    spend_law,
)

BUYS = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
SPEND = GammaGamma(p=6.25, q=3.74, v=15.44)
LEVELS = [0.02, 0.25, 0.5, 0.9, 0.99]


@pytest.fixture(scope="module")
def rfm(cdnow_rfm):
    """Customers of CDNOW, and some that it has not."""
    extremes = pd.DataFrame(
        {
            "frequency": [60, 400, 9, 1],
            "recency": [38.86, 60.0, 5.0, 1 / 7],
            "T": [38.86, 60.0, 38.86, 1 / 7],
            "monetary_value": [48.1, 5.0, 300.0, 0.0],
        },
        index=["heavy", "heaviest", "gone", "new"],
    )
    return pd.concat([cdnow_rfm.iloc[::20], extremes])


def columns_of(rfm):
    x, t_x, T, m = rfm.to_numpy(dtype=float).T
    return x, T, m, BUYS.p_alive(x, t_x, T)


def test_counts_are_those_of_the_law(rfm):
    x, T, _, p_alive = columns_of(rfm)
    law = clv.purchase_distribution(BUYS, rfm, horizon=52)
    quantiles = purchase_quantiles(BUYS, 52, x, T, T, p_alive, LEVELS)
    assert np.array_equal(quantiles.T, law.quantile(LEVELS))


def test_amounts_are_those_of_the_law(rfm):
    x, T, m, p_alive = columns_of(rfm)
    exact = clv.spend_distribution(BUYS, SPEND, rfm, horizon=52).quantile(LEVELS).to_numpy()
    quantiles = predictive_quantiles(BUYS, SPEND, 52, x, T, T, m, p_alive, LEVELS)[1].T
    assert quantiles == pytest.approx(exact, rel=2e-6)


def test_heavy_tailed_spend_and_a_steep_law():
    """p far below one, and both shapes in the thousands."""
    rfm = pd.DataFrame(
        {"frequency": [1, 2000], "recency": 90.0, "T": 100.0, "monetary_value": 30.0}
    )
    x, T, m, p_alive = columns_of(rfm)
    for spend in (GammaGamma(p=0.1, q=1.2, v=3.0), GammaGamma(p=40.0, q=300.0, v=900.0)):
        exact = clv.spend_distribution(BUYS, spend, rfm, horizon=20).quantile([0.9]).to_numpy()
        quantiles = predictive_quantiles(BUYS, spend, 20, x, T, T, m, p_alive, [0.9])[1].T
        assert quantiles == pytest.approx(exact, rel=1e-5)


def test_forecast_adds_limits_around_the_expectation(cdnow_rfm, cdnow_buys, cdnow_spend):
    plain = clv.forecast(cdnow_buys, cdnow_spend, cdnow_rfm, horizon="52W", margin=0.3)
    table = clv.forecast(cdnow_buys, cdnow_spend, cdnow_rfm, horizon="52W", margin=0.3, level=0.9)
    pd.testing.assert_frame_equal(table[plain.columns], plain)
    assert list(table.columns[4:]) == [
        "purchases_lower",
        "purchases_upper",
        "clv_lower",
        "clv_upper",
    ]
    assert (table["purchases_lower"] <= table["purchases_upper"]).all()
    assert (table["clv_lower"] <= table["clv_upper"]).all()
    assert ((table["clv_upper"] == 0) == (table["purchases_upper"] == 0)).all()
    laws = clv.spend_distribution(cdnow_buys, cdnow_spend, cdnow_rfm.iloc[:50], horizon="52W")
    assert table["clv_upper"].iloc[:50].to_numpy() == pytest.approx(
        0.3 * laws.quantile([0.95]).to_numpy()[:, 0], rel=1e-5
    )


def test_intervals_widen_with_the_level(rfm):
    tables = [
        clv.forecast(BUYS, SPEND, rfm, horizon=52, level=level) for level in (0.5, 0.8, 0.95, 0.999)
    ]
    for narrow, wide in itertools.pairwise(tables):
        for column in ("purchases", "clv"):
            assert (wide[f"{column}_lower"] <= narrow[f"{column}_lower"]).all()
            assert (wide[f"{column}_upper"] >= narrow[f"{column}_upper"]).all()


def test_the_batch_does_not_matter(rfm):
    together = clv.forecast(BUYS, SPEND, rfm, horizon=52, level=0.9)
    alone = clv.forecast(BUYS, SPEND, rfm.loc[["heavy"]], horizon=52, level=0.9)
    assert alone.to_numpy() == pytest.approx(together.loc[["heavy"]].to_numpy(), rel=1e-5)


def simulated_value(row, horizon, rate, draws, rng):
    """Discounted spend, purchase by purchase, as the papers tell the story."""
    x, t_x, T, m = row
    buying = rng.uniform(size=draws) < BUYS.p_alive(x, t_x, T)
    pace = rng.gamma(BUYS.r + x, 1 / (BUYS.alpha + T), draws)
    lifetime = rng.geometric(rng.beta(BUYS.a, BUYS.b + x, draws).clip(1e-300))
    scale = rng.gamma(SPEND.p * x + SPEND.q, 1 / (SPEND.v + x * m), draws)
    value, time, made = np.zeros(draws), np.zeros(draws), np.zeros(draws)
    while buying.any():
        time[buying] += rng.exponential(1 / pace[buying])
        buying &= time <= horizon
        now = np.flatnonzero(buying)
        value[now] += np.exp(-rate * time[now]) * rng.gamma(SPEND.p, 1 / scale[now])
        made[now] += 1
        buying &= made < lifetime
    return value


@pytest.mark.parametrize("years", [1, 5, 10])
@pytest.mark.parametrize(("annual_rate", "error"), [(0.10, 0.001), (0.30, 0.003)])
def test_discounted_limits_keep_their_probability_to_what_is_stated(years, annual_rate, error):
    """A new, an ordinary and a heavy buyer, whose purchases are drawn one after the other."""
    rfm = pd.DataFrame(
        {
            "frequency": [0, 2, 25],
            "recency": [0.0, 30.43, 38.0],
            "T": [5.0, 38.86, 38.86],
            "monetary_value": [0.0, 22.35, 30.0],
        }
    )
    rfm.attrs = {"time_unit": "W"}
    horizon, rate, draws = years * 365.25 / 7, math.log1p(annual_rate) * 7 / 365.25, 100_000
    table = clv.forecast(
        BUYS, SPEND, rfm, horizon=horizon, annual_discount_rate=annual_rate, level=0.9
    )
    rng = np.random.default_rng(1)
    # Eighteen customers and two tails: one in 4,000 sets of seeds would be beyond it by chance.
    noise = 4.5 * math.sqrt(0.05 * 0.95 / draws)
    for row, limits in zip(rfm.to_numpy(), table.itertuples(), strict=True):
        value = simulated_value(row, horizon, rate, draws, rng)
        assert abs(np.mean(value > limits.clv_upper) - 0.05) < error + noise
        if limits.clv_lower > 0:
            assert abs(np.mean(value < limits.clv_lower) - 0.05) < error + noise


def quantiles_of(buys, spend, x, T, m, levels, horizon, rate):
    """Amounts of customers who are alive."""
    x, T, m = (np.atleast_1d(np.asarray(v, dtype=float)) for v in (x, T, m))
    x, T, m = np.broadcast_arrays(x, T, m)
    found = predictive_quantiles(
        buys, spend, horizon, x, T, T, m, np.ones(x.size), levels, rate=rate
    )
    return found[1]


def test_discounting_takes_no_more_than_the_horizon_does():
    x, T = np.repeat([0.0, 3.0, 40.0], 2), np.tile([0.0, 60.0], 3)
    plain = quantiles_of(BUYS, SPEND, x, T, 30.0 * (x > 0), [0.1, 0.6, 0.95], 260, 0.0)
    value = quantiles_of(BUYS, SPEND, x, T, 30.0 * (x > 0), [0.1, 0.6, 0.95], 260, 0.002)
    assert np.array_equal(plain > 0, value > 0)
    assert np.all(value <= plain)
    assert np.all(value >= plain * np.exp(-0.002 * 260))
    assert np.all(value[plain > 0] < plain[plain > 0])


def test_discounting_sets_in_smoothly():
    x, T = np.array([0.0, 3.0, 40.0]), 60.0
    plain = quantiles_of(BUYS, SPEND, x, T, 30.0 * (x > 0), [0.5, 0.95], 260, 0.0)
    value = quantiles_of(BUYS, SPEND, x, T, 30.0 * (x > 0), [0.5, 0.95], 260, 1e-10)
    assert value == pytest.approx(plain, rel=1e-5)


EXTREMES = {
    "a shop": (BUYS, SPEND),
    "nobody leaves": (BGNBD(r=0.243, alpha=4.414, a=1e-9, b=2.4), SPEND),
    "all leave": (BGNBD(r=0.243, alpha=4.414, a=80.0, b=1e-3), SPEND),
    "all alike": (BGNBD(r=1e5, alpha=1e6, a=2.0, b=3.0), GammaGamma(p=3.0, q=1e6, v=1e7)),
    "wild order values": (BUYS, GammaGamma(p=0.1, q=1.2, v=3.0)),
    "the same value every time": (BUYS, GammaGamma(p=1e8, q=4.0, v=2e-7)),
}


@pytest.mark.parametrize("rate", [0.0, 0.002])
@pytest.mark.parametrize("shop", EXTREMES)
def test_quantiles_rise_with_the_level_whatever_the_shop(shop, rate):
    levels = [0.05, 0.3, 0.31, 0.5, 0.7, 0.9, 0.95, 0.999]
    x, T = np.array([0.0, 0.0, 1.0, 30.0, 150.0]), np.array([0.0, 70.0, 1 / 7, 50.0, 50.0])
    amounts = quantiles_of(*EXTREMES[shop], x, T, 20.0 * (x > 0), levels, 52.0, rate)
    assert np.all(np.isfinite(amounts))
    assert np.all(amounts >= 0)
    assert np.all(np.diff(amounts, axis=0) >= -1e-9 * amounts[1:])


def test_ten_thousand_purchases():
    """What they come to varies little: within a few deviations of its mean."""
    terms = (BUYS, SPEND, 10_000.0, 50.0, 20.0)
    plain, value = (
        quantiles_of(*terms, [0.05, 0.5, 0.95], 4.0, rate)[:, 0] for rate in (0.0, 0.002)
    )
    mean = SPEND.expected_spend(10_000, 20.0) * BUYS.purchases_if_alive(4.0, 10_000, 50.0, 50.0)
    for found in (plain, value):
        assert np.all(np.diff(found) > 0)
        assert found == pytest.approx(np.full(3, mean), rel=0.1)
    assert value == pytest.approx(plain * np.exp(-0.002 * 2.0), rel=1e-3)


def test_more_ages_than_are_worked_out_at_once():
    T = np.linspace(0.0, 80.0, 1100)
    together = quantiles_of(BUYS, SPEND, 2.0, T, 25.0, [0.9], 52.0, 0.002)[0]
    alone = [quantiles_of(BUYS, SPEND, 2.0, T[i], 25.0, [0.9], 52.0, 0.002)[0, 0] for i in (3, 900)]
    assert together[[3, 900]] == pytest.approx(alone, rel=2e-6)
    assert np.all(np.diff(together) < 0)


def test_too_many_purchases_to_tabulate():
    model = BGNBD(r=1.0, alpha=1e-6, a=1e-9, b=1.0)
    with pytest.raises(FitError, match="more than 1,048,576 purchases"):
        purchase_quantiles(
            model, 52.0, np.ones(1), np.full(1, 1e-6), np.full(1, 1e-6), np.ones(1), [0.5]
        )


def test_the_band_of_counts_covers_what_cdnow_then_bought(cdnow_orders):
    """At least its level, counts being whole."""
    calibration, holdout = cdnow_orders.split("1997-09-30", "39W")
    buys, spend = clv.BGNBD.fit(calibration), clv.GammaGamma.fit(calibration)
    table = clv.forecast(buys, spend, calibration, horizon="39W", level=0.9)
    made = holdout["purchases"]
    covered = made.between(table["purchases_lower"], table["purchases_upper"]).mean()
    assert 0.92 < covered < 0.98


def test_wrong_levels(rfm):
    for level in (0, 1, 90, math.nan):
        with pytest.raises(DataError, match="level="):
            clv.forecast(BUYS, SPEND, rfm, horizon=52, level=level)
    with pytest.raises(FitError, match="Intervals over an infinite horizon"):
        clv.forecast(
            BUYS, SPEND, rfm, horizon="inf", annual_discount_rate=0.1, level=0.9, time_unit="W"
        )


@pytest.mark.parametrize("x", [0.0, 30.0])
@pytest.mark.parametrize("rate", [0.0, 0.002])
def test_laws_of_many_ages_are_those_of_each(x, rate):
    """Those between a few ages are interpolated, the laws of a few ages never."""
    ages, horizon, span = np.geomspace(0.1, 200.0, 400), 52.0, (0.05, 0.95)
    number = count_law(BUYS, horizon, x, ages, ages, 1 - 1e-8)
    value = spend_law(BUYS, SPEND, horizon, x, ages, ages, number, span, rate=rate)
    for some in (slice(0, 2), slice(199, 400, 200)):
        direct = count_law(BUYS, horizon, x, ages[some], ages[some], 1 - 1e-8)
        counts = np.arange(direct.upto.shape[1])
        assert number.upto[some, counts] == pytest.approx(direct.upto, abs=1e-12)
        law = spend_law(BUYS, SPEND, horizon, x, ages[some], ages[some], direct, span, rate=rate)
        rows, at = np.arange(2)[:, None], np.linspace(-2.0, 6.0, 50)
        within = (at > max(law.nodes[0], value.nodes[0])) & (
            at < min(law.nodes[-1], value.nodes[-1])
        )
        many = np.arange(400)[some][:, None]
        # Both are tabulated to 1e-7.
        assert within.sum() > 5
        assert value.cdf(at[within], many) == pytest.approx(law.cdf(at[within], rows), abs=2e-7)
