"""Predictive intervals cover what customers do, as often as they say.

The shops here are simulated from the models' own story, customer by customer: a purchase rate and
a dropout probability, order values of the customer's own rate. None of the package's laws is used
to make them.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

import clvforecast as clv

BUYING = clv.BGNBD(r=0.5, alpha=6.0, a=0.8, b=2.5)
SPENDING = clv.GammaGamma(p=4.0, q=4.0, v=20.0)
LEVELS = (0.50, 0.80, 0.90, 0.95)
DEVIATIONS = 4.0
ANNUAL_RATE = 0.10
HORIZON = 52.0
APPROXIMATION = 0.002
"""How far a discounted tail may lie from its probability, as `forecast` says."""


class Shop(NamedTuple):
    rfm: pd.DataFrame
    purchases: np.ndarray
    spend: np.ndarray
    discounted: np.ndarray


def simulated(customers: int, seed: int) -> Shop:
    """Customers observed for 20 to 40 weeks, and what they do in the 52 weeks after."""
    rng = np.random.default_rng(seed)
    T = rng.uniform(20.0, 40.0, customers)
    rate = rng.gamma(BUYING.r, 1 / BUYING.alpha, customers)
    dropout = rng.beta(BUYING.a, BUYING.b, customers)
    spread = rng.gamma(SPENDING.q, 1 / SPENDING.v, customers)
    delta = np.log1p(ANNUAL_RATE) / (365.25 / 7)

    x, t_x, total = np.zeros(customers), np.zeros(customers), np.zeros(customers)
    purchases, spend, discounted = (np.zeros(customers) for _ in range(3))
    now, active = np.zeros(customers), np.arange(customers)
    while active.size:
        now[active] += rng.exponential(1 / rate[active])
        active = active[now[active] <= T[active] + HORIZON]
        value = rng.gamma(SPENDING.p, 1 / spread[active])
        known = now[active] <= T[active]
        seen, ahead = active[known], active[~known]
        x[seen] += 1
        t_x[seen] = now[seen]
        total[seen] += value[known]
        purchases[ahead] += 1
        spend[ahead] += value[~known]
        discounted[ahead] += value[~known] * np.exp(-delta * (now[ahead] - T[ahead]))
        active = active[rng.uniform(size=active.size) > dropout[active]]
    rfm = pd.DataFrame(
        {"frequency": x, "recency": t_x, "T": T, "monetary_value": total / np.maximum(x, 1)}
    )
    rfm.attrs["time_unit"] = "W"
    return Shop(rfm, purchases, spend, discounted)


@pytest.fixture(scope="module")
def shop() -> Shop:
    return simulated(20_000, seed=4)


def within(successes: np.ndarray, probability: np.ndarray | float, tolerance: float = 0.0) -> bool:
    """Whether independent events were as frequent as their probabilities say."""
    probability = np.broadcast_to(probability, successes.shape)
    noise = np.sqrt((probability * (1 - probability)).sum())
    return bool(
        abs(successes.sum() - probability.sum()) <= DEVIATIONS * noise + tolerance * successes.size
    )


@pytest.mark.parametrize("level", LEVELS)
def test_counts(shop, level):
    table = clv.forecast(BUYING, SPENDING, shop.rfm, horizon=HORIZON, level=level)
    law = clv.purchase_distribution(BUYING, shop.rfm, horizon=HORIZON)
    lower, upper = (table[f"purchases_{end}"].to_numpy().astype(int) for end in ("lower", "upper"))
    upto = np.column_stack([np.zeros(len(lower)), law.cdf(np.arange(upper.max() + 1)).to_numpy()])
    customers = np.arange(len(lower))
    probability = upto[customers, upper + 1] - upto[customers, lower]
    covered = (lower <= shop.purchases) & (shop.purchases <= upper)
    assert np.all(probability >= level - 1e-9)
    assert within(covered, probability)
    assert covered.mean() >= level


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("annual_rate", "tolerance"), [(0.0, 0.0), (ANNUAL_RATE, APPROXIMATION)])
def test_value(shop, level, annual_rate, tolerance):
    """Each tail on its own, among those whose limit is no atom at zero."""
    table = clv.forecast(
        BUYING, SPENDING, shop.rfm, horizon=HORIZON, annual_discount_rate=annual_rate, level=level
    )
    actual = shop.discounted if annual_rate else shop.spend
    lower, upper = table["clv_lower"].to_numpy(), table["clv_upper"].to_numpy()
    tail = (1 - level) / 2
    assert within(actual[upper > 0] > upper[upper > 0], tail, tolerance)
    assert within(actual[lower > 0] < lower[lower > 0], tail, tolerance)
    assert np.mean((lower <= actual) & (actual <= upper)) >= level - tolerance


def test_spend_law(shop):
    """The laws' own quantiles, which are worked out another way."""
    some = shop.rfm.iloc[:700]
    law = clv.spend_distribution(BUYING, SPENDING, some, horizon=HORIZON)
    levels = [0.5, 0.8, 0.9, 0.975]
    limits = law.quantile(levels).to_numpy()
    for level, limit in zip(levels, limits.T, strict=True):
        above = limit > 0
        assert within(shop.spend[:700][above] <= limit[above], level)


def test_a_narrow_credible_interval_is_no_prediction(shop):
    """What PyMC-Marketing offers as the interval of a customer: that of his expectation."""
    draws = clv.BGNBD.fit(shop.rfm.iloc[:2_000]).posterior(draws=400)
    some = shop.rfm.iloc[:500]
    history = (some[name].to_numpy()[:, None] for name in ("frequency", "recency", "T"))
    expected = draws.model.expected_purchases(HORIZON, *history)
    lower, upper = np.quantile(expected, [0.05, 0.95], axis=1)
    actual = shop.purchases[:500]
    assert np.mean((lower <= actual) & (actual <= upper)) < 0.1
