"""Intervals for everybody: the laws of chosen customers at another price, and simulation."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest

import clvforecast as clv
from clvforecast import BGNBD, DataError, FitError, GammaGamma
from clvforecast.predictive import purchase_quantiles, spend_quantiles

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
    quantiles = purchase_quantiles(BUYS, 52, x, T, p_alive, LEVELS)
    assert np.array_equal(quantiles.T, law.quantile(LEVELS))


def test_amounts_are_those_of_the_law(rfm):
    x, T, m, p_alive = columns_of(rfm)
    exact = clv.spend_distribution(BUYS, SPEND, rfm, horizon=52).quantile(LEVELS).to_numpy()
    quantiles = spend_quantiles(BUYS, SPEND, 52, x, T, m, p_alive, LEVELS).T
    assert quantiles == pytest.approx(exact, rel=2e-6)


def test_heavy_tailed_spend_and_a_steep_law():
    """p far below one, and both shapes in the thousands."""
    rfm = pd.DataFrame(
        {"frequency": [1, 2000], "recency": 90.0, "T": 100.0, "monetary_value": 30.0}
    )
    x, T, m, p_alive = columns_of(rfm)
    for spend in (GammaGamma(p=0.1, q=1.2, v=3.0), GammaGamma(p=40.0, q=300.0, v=900.0)):
        exact = clv.spend_distribution(BUYS, spend, rfm, horizon=20).quantile([0.9]).to_numpy()
        quantiles = spend_quantiles(BUYS, spend, 20, x, T, m, p_alive, [0.9]).T
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


@pytest.mark.parametrize(("years", "error"), [(1, 0.003), (5, 0.022)])
def test_discounted_limits_keep_their_probability_to_what_is_stated(years, error):
    rfm = pd.DataFrame(
        {
            "frequency": [2, 60, 25],
            "recency": [30.43, 38.86, 38.0],
            "T": 38.86,
            "monetary_value": [22.35, 48.1, 30.0],
        }
    )
    rfm.attrs = {"time_unit": "W"}
    horizon, rate, draws = years * 365.25 / 7, math.log(1.1) * 7 / 365.25, 60_000
    table = clv.forecast(BUYS, SPEND, rfm, horizon=horizon, annual_discount_rate=0.10, level=0.9)
    rng = np.random.default_rng(1)
    noise = 4 * math.sqrt(0.05 * 0.95 / draws)
    for row, limits in zip(rfm.to_numpy(), table.itertuples(), strict=True):
        value = simulated_value(row, horizon, rate, draws, rng)
        assert abs(np.mean(value > limits.clv_upper) - 0.05) < error + noise
        assert np.mean(value < limits.clv_lower) < 0.05 + noise


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
