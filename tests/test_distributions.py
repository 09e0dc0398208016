"""The predictive laws: exact sums, their means, and simulation from the story of the models."""

import numpy as np
import pandas as pd
import pytest

import clvforecast as clv
from clvforecast import BGNBD, DataError, FitError, GammaGamma

BUYS = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
SPEND = GammaGamma(p=6.25, q=3.74, v=15.44)
DRAWS = 1_000_000
SAMPLES = 200_000


@pytest.fixture(scope="module")
def rfm():
    """A regular, a one-time buyer, a heavy buyer, one who has gone, one who began yesterday."""
    return pd.DataFrame(
        {
            "frequency": [2, 0, 60, 9, 1],
            "recency": [30.43, 0.0, 38.86, 5.0, 1 / 7],
            "T": [38.86, 38.86, 38.86, 38.86, 1 / 7],
            "monetary_value": [22.35, 0.0, 48.1, 300.0, 12.0],
        },
        index=pd.Index(["regular", "once", "heavy", "gone", "new"], name="customer_id"),
    )


@pytest.fixture(scope="module")
def counts(rfm):
    return clv.purchase_distribution(BUYS, rfm, horizon=39)


@pytest.fixture(scope="module")
def amounts(rfm):
    return clv.spend_distribution(BUYS, SPEND, rfm, horizon=39)


@pytest.fixture(scope="module")
def story(rfm):
    """Purchases and spend drawn customer by customer as the papers tell it."""
    rng = np.random.default_rng(21)
    purchases, spend = [], []
    for x, t_x, T, m in rfm.to_numpy():
        alive = rng.uniform(size=DRAWS) < BUYS.p_alive(x, t_x, T)
        rate = rng.gamma(BUYS.r + x, 1 / (BUYS.alpha + T), DRAWS)
        lifetime = rng.geometric(rng.beta(BUYS.a, BUYS.b + x, DRAWS).clip(1e-300))
        n = np.where(alive, np.minimum(rng.poisson(rate * 39), lifetime), 0)
        scale = rng.gamma(SPEND.p * x + SPEND.q, 1 / (SPEND.v + x * m), DRAWS)
        purchases.append(n)
        spend.append(rng.gamma(SPEND.p * n) / scale)
    return np.array(purchases), np.array(spend)


def test_pmf_sums_to_one_and_its_mean_is_the_forecast(counts, rfm):
    n = np.arange(4000)
    pmf = counts.pmf(n)
    assert (pmf >= 0).all(axis=None)
    assert pmf.sum(axis=1).to_numpy() == pytest.approx(1, rel=1e-10)
    value = clv.forecast(BUYS, SPEND, rfm, horizon=39)
    assert (pmf @ n).to_numpy() == pytest.approx(value["expected_purchases"], rel=1e-9)
    assert counts.mean().to_numpy() == pytest.approx(value["expected_purchases"], rel=1e-13)


def test_no_purchase_is_the_complement_of_any(counts):
    assert (1 - counts.pmf([0])[0]).to_numpy() == pytest.approx(counts.p_any(), rel=1e-9)


def test_pmf_agrees_with_the_story(counts, story):
    pmf = counts.pmf(np.arange(12)).to_numpy()
    for drawn, law in zip(story[0], pmf, strict=True):
        share = np.bincount(drawn, minlength=12)[:12] / DRAWS
        assert np.all(np.abs(share - law) <= 4.5 * np.sqrt(law * (1 - law) / DRAWS) + 1e-9)


def test_quantiles_are_the_first_counts_that_suffice(counts):
    levels = [0.0, 0.05, 0.5, 0.9, 0.999]
    quantiles = counts.quantile(levels)
    assert (quantiles.diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)
    cdf = counts.cdf(np.arange(quantiles.to_numpy().max() + 1)).to_numpy()
    for column, level in enumerate(levels):
        for customer, n in enumerate(quantiles.iloc[:, column]):
            assert cdf[customer, n] >= level - 1e-13
            assert n == 0 or cdf[customer, n - 1] < level


def test_counts_of_a_heavy_buyer_need_no_limit():
    rfm = pd.DataFrame({"frequency": [20_000], "recency": [1000.0], "T": [1000.0]})
    law = clv.purchase_distribution(BGNBD(0.5, 10.0, 0.01, 50.0), rfm, horizon=500)
    low, high = law.quantile([0.05, 0.95]).iloc[0]
    assert 0 < low < law.mean().iloc[0] < high < 20_000


def test_samples_follow_the_law(counts, amounts):
    drawn = counts.sample(SAMPLES, seed=1)
    assert drawn.shape == (5, SAMPLES)
    spread = drawn.std(axis=1) / np.sqrt(SAMPLES)
    assert np.all(np.abs(drawn.mean(axis=1) - counts.mean()) <= 4.5 * spread + 1e-9)
    assert np.array_equal(drawn, counts.sample(SAMPLES, seed=1))
    spent = amounts.sample(SAMPLES, seed=1)
    assert np.array_equal(spent == 0, drawn == 0)
    spread = spent.std(axis=1) / np.sqrt(SAMPLES)
    assert np.all(np.abs(spent.mean(axis=1) - amounts.mean()) <= 4.5 * spread + 1e-9)


def test_spend_cdf_agrees_with_the_story(amounts, story):
    at = np.array([0.0, 5.0, 20.0, 60.0, 200.0, 2000.0])
    law = amounts.cdf(at).to_numpy()
    share = (story[1][:, :, None] <= at).mean(axis=1)
    assert np.all(np.abs(share - law) <= 4.5 * np.sqrt(law * (1 - law) / DRAWS) + 1e-9)


def test_spend_quantiles_leave_their_share_of_the_story(amounts, story):
    for level in (0.05, 0.25, 0.5, 0.9, 0.975):
        limit = amounts.quantile(level).to_numpy()
        share = (story[1] <= limit).mean(axis=1)
        none = (story[1] == 0).mean(axis=1)
        noise = 4.5 * np.sqrt(level * (1 - level) / DRAWS)
        spends = limit[:, 0] > 0
        assert np.all(np.abs(share[spends] - level) <= noise)
        assert np.all(none[~spends] >= level - noise)


def test_spend_quantiles_invert_the_cdf(amounts):
    levels = [0.05, 0.5, 0.8, 0.95, 0.999]
    quantiles = amounts.quantile(levels).to_numpy()
    none = amounts.cdf(0.0).to_numpy()[:, 0]
    assert np.all(np.diff(quantiles, axis=1) >= 0)
    for column, level in enumerate(levels):
        back = np.array(
            [amounts.cdf(q).to_numpy()[i, 0] for i, q in enumerate(quantiles[:, column])]
        )
        assert back == pytest.approx(np.maximum(level, none), abs=1e-10)
        assert np.array_equal(quantiles[:, column] == 0, none >= level)


def test_mean_spend_is_the_undiscounted_forecast(amounts, rfm):
    value = clv.forecast(BUYS, SPEND, rfm, horizon=39)["clv"]
    assert amounts.mean().to_numpy() == pytest.approx(value.to_numpy(), rel=1e-12)


def test_intervals_cover_the_simulated_future():
    """90% bands of counts cover at least 90% of whole-number futures, and not all of them."""
    customers = 4000
    shop = BGNBD(r=0.9, alpha=5.0, a=0.8, b=3.0)
    customer, time = shop.simulate(np.full(customers, 80.0), seed=5)
    known = time <= 40.0
    past = np.bincount(customer[known], minlength=customers)
    last = np.zeros(customers)
    last[customer[known]] = time[known]
    future = np.bincount(customer[~known], minlength=customers)
    rfm = pd.DataFrame({"frequency": past, "recency": last, "T": 40.0})
    band = clv.purchase_distribution(shop, rfm, horizon=40).quantile([0.05, 0.95]).to_numpy()
    covered = np.mean((band[:, 0] <= future) & (future <= band[:, 1]))
    assert 0.9 - 4 * np.sqrt(0.09 / customers) <= covered < 1


def test_wrong_arguments(counts, amounts, rfm):
    with pytest.raises(DataError, match="must be probabilities"):
        counts.quantile(1.0)
    with pytest.raises(DataError, match="must be probabilities"):
        amounts.quantile([-0.1])
    with pytest.raises(DataError, match="whole numbers"):
        counts.pmf([0.5])
    with pytest.raises(DataError, match="not missing"):
        amounts.cdf(np.nan)
    with pytest.raises(FitError, match="infinite horizon"):
        clv.purchase_distribution(BUYS, rfm, horizon="inf", time_unit="W")
    with pytest.raises(DataError, match="time unit of the summary is unknown"):
        clv.purchase_distribution(BUYS, rfm, horizon="39W")


def test_a_level_closer_to_one_than_rounding_ends():
    rfm = pd.DataFrame({"frequency": [400], "recency": [60.0], "T": [60.0]})
    law = clv.purchase_distribution(BUYS, rfm, horizon=52)
    extreme = law.quantile([1 - 1e-6, 1 - 1e-16]).iloc[0]
    assert extreme.iloc[0] <= extreme.iloc[1] < 1000


def test_the_law_of_some_is_part_of_the_law_of_all(counts, amounts):
    chosen = ["gone", "regular"]
    assert counts.of(chosen).customers.tolist() == chosen
    n = np.arange(30)
    pd.testing.assert_frame_equal(counts.of(chosen).pmf(n), counts.pmf(n).loc[chosen])
    some = amounts.of("heavy")
    assert some.customers.tolist() == ["heavy"]
    pd.testing.assert_frame_equal(
        some.cdf([10.0, 900.0]), amounts.cdf([10.0, 900.0]).loc[["heavy"]]
    )
    assert some.mean().tolist() == amounts.mean()[["heavy"]].tolist()
    with pytest.raises(DataError, match="no customer 'heavi'. Did you mean 'heavy'?"):
        counts.of(["regular", "heavi"])


def test_amounts_at_a_level_next_to_one_are_finite():
    """Of one who has all but gone, and where spend has no mean."""
    rfm = pd.DataFrame(
        {"frequency": [60, 0], "recency": [30.0, 0.0], "T": 52.0, "monetary_value": [48.0, 0.0]}
    )
    for spend in (SPEND, GammaGamma(p=6.0, q=0.3, v=15.0)):
        law = clv.spend_distribution(BUYS, spend, rfm, horizon=39)
        table = law.quantile([0.5, 0.999, 1 - 1e-12, 1 - 1e-16])
        assert np.isfinite(table).all(axis=None)
        assert (table.diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)
        assert table.iloc[1, 2] > 1000
