"""Predictive intervals that hold the parameters' uncertainty: against plug-in, draws, and truth."""

import numpy as np
import pandas as pd
import pytest

import clvforecast as clv
from clvforecast import BGNBD, DataError, GammaGamma, ParameterDraws

DEVIATIONS = 4.0
RFM = pd.DataFrame(
    {
        "frequency": [0, 0, 2, 2, 9, 60],
        "recency": [0.0, 0.0, 30.43, 10.0, 36.0, 38.0],
        "T": [38.86, 5.0, 38.86, 30.0, 38.86, 38.86],
        "monetary_value": [0.0, 0.0, 22.35, 80.0, 31.0, 12.0],
    }
)
RFM.attrs["time_unit"] = "W"
COLUMNS = ["purchases_lower", "purchases_upper", "clv_lower", "clv_upper"]


def draws_of(model, spread, count, seed):
    """Parameters scattered around a model, log-normally."""
    noise = np.random.default_rng(seed).normal(0.0, spread, (len(model.parameters), count))
    values = np.array(list(model.parameters.values()))[:, None] * np.exp(noise)
    return ParameterDraws(type(model)(*values), "mcmc", float(count), time_unit=None)


BUYING, SPENDING = BGNBD(0.243, 4.414, 0.793, 2.426), GammaGamma(6.25, 3.74, 15.44)
CERTAIN = draws_of(BUYING, 0.0, 3, 0), draws_of(SPENDING, 0.0, 3, 0)
UNCERTAIN = draws_of(BUYING, 0.4, 60, 1), draws_of(SPENDING, 0.2, 60, 2)


def forecast(posterior=None, **how):
    terms = {"horizon": 39, "level": 0.90} | how
    return clv.forecast(BUYING, SPENDING, RFM, posterior=posterior, **terms)


@pytest.mark.parametrize("annual_rate", [0.0, 0.10])
def test_draws_that_do_not_differ_leave_intervals_as_they_are(annual_rate):
    plain = forecast(annual_discount_rate=annual_rate)
    mixed = forecast(CERTAIN, annual_discount_rate=annual_rate)
    pd.testing.assert_frame_equal(plain, mixed, rtol=1e-4)
    counts = ["purchases_lower", "purchases_upper"]
    pd.testing.assert_frame_equal(plain[counts], mixed[counts], rtol=0, atol=0)


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_a_limit_leaves_its_share_of_futures_drawn_at_drawn_parameters(level):
    table = forecast(UNCERTAIN, level=level)
    rng = np.random.default_rng(3)
    futures = 40_000
    x, t_x, T, m = (RFM[c].to_numpy(dtype=float) for c in RFM.columns)
    for i in range(len(RFM)):
        purchases, spend = np.zeros(futures), np.zeros(futures)
        which = np.arange(futures) % len(UNCERTAIN[0])
        for draw, (buys, spends) in enumerate(zip(*UNCERTAIN, strict=True)):
            some = np.flatnonzero(which == draw)
            history = (np.full(some.size, v[i]) for v in (x, t_x, T))
            customer, _ = buys.draw_future(39.0, *history, rng)
            purchases[some] = np.bincount(customer, minlength=some.size)
            spend[some] = spends.draw_total_spend(purchases[some], x[i], m[i], rng)
        tail = (1 - level) / 2
        noise = DEVIATIONS * np.sqrt(tail * (1 - tail) / futures)
        row = table.iloc[i]
        for name, drawn in (("purchases", purchases), ("clv", spend)):
            assert np.mean(drawn > row[f"{name}_upper"]) <= tail + noise
            assert np.mean(drawn < row[f"{name}_lower"]) <= tail + noise
            assert np.mean(drawn >= row[f"{name}_upper"]) >= tail - noise
            assert np.mean(drawn <= row[f"{name}_lower"]) >= tail - noise


def test_uncertain_parameters_widen_intervals_and_leave_expectations():
    plain, mixed = forecast(), forecast(UNCERTAIN)
    expectations = plain.columns.difference(COLUMNS)
    pd.testing.assert_frame_equal(plain[expectations], mixed[expectations])
    width = {
        name: (table["clv_upper"] - table["clv_lower"]).sum()
        for name, table in (("plain", plain), ("mixed", mixed))
    }
    assert width["mixed"] > width["plain"]
    assert np.isfinite(mixed[COLUMNS].to_numpy()).all()
    assert (mixed[COLUMNS] >= 0).all(axis=None)


def test_intervals_are_nested():
    narrow, wide = forecast(UNCERTAIN, level=0.5), forecast(UNCERTAIN, level=0.9)
    for name in ("purchases", "clv"):
        assert (wide[f"{name}_lower"] <= narrow[f"{name}_lower"]).all()
        assert (narrow[f"{name}_upper"] <= wide[f"{name}_upper"]).all()


def small_shop(rng):
    """Parameters from their prior, and what forty customers do before and after week 30."""
    r, alpha, a, b = np.exp(CENTRE[:4] + SPREAD * rng.normal(size=4))
    p, q, v = np.exp(CENTRE[4:] + SPREAD * rng.normal(size=3))
    customers = 40
    rate, dropout = rng.gamma(r, 1 / alpha, customers), rng.beta(a, b, customers)
    spread = rng.gamma(q, 1 / v, customers)
    known, later = np.zeros((3, customers)), np.zeros((2, customers))
    for i in range(customers):
        now = rng.exponential(1 / rate[i])
        while now < 60.0:
            value = rng.gamma(p, 1 / spread[i])
            if now < 30.0:
                known[:, i] += 1, now - known[1, i], value
            else:
                later[:, i] += 1, value
            now = 60.0 if rng.uniform() < dropout[i] else now + rng.exponential(1 / rate[i])
    rfm = pd.DataFrame({"frequency": known[0], "recency": known[1], "T": 30.0})
    rfm["monetary_value"] = known[2] / np.maximum(known[0], 1)
    return rfm, later


CENTRE = np.log([0.6, 8.0, 0.8, 2.5, 4.0, 4.0, 20.0])
SPREAD = 0.5


def prior(model):
    centre = CENTRE[:4] if isinstance(model, BGNBD) else CENTRE[4:]
    logs = np.log(list(model.parameters.values()))
    return -0.5 * np.sum(((logs - centre[:, None]) / SPREAD) ** 2, axis=0) - logs.sum(axis=0)


@pytest.mark.filterwarnings("ignore::clvforecast.FitWarning")
def test_small_shops_are_covered_if_their_parameters_are_uncertain_too():
    """Shops drawn from the prior: the posterior's tails are right, whatever the fit; the plug-in's
    are too thin."""
    rng = np.random.default_rng(12)
    above = {"plug-in": [], "posterior": []}
    for seed in range(18):
        rfm, (_, spent) = small_shop(rng)
        fits = [model.fit(rfm, ridge=0.002) for model in (BGNBD, GammaGamma)]
        draws = tuple(fit.posterior(draws=100, prior=prior, seed=seed) for fit in fits)
        draws = tuple(d.thinned(20) for d in draws)
        for name, posterior in (("plug-in", None), ("posterior", draws)):
            upper = clv.forecast(*fits, rfm, horizon=30, level=0.8, posterior=posterior)[
                "clv_upper"
            ]
            some = (upper > 0).to_numpy()
            if some.sum() >= 5:
                above[name].append(np.mean(spent[some] > upper[some]))
    for shares in above.values():
        assert len(shares) > 12
    error = np.std(above["posterior"], ddof=1) / np.sqrt(len(above["posterior"]))
    assert abs(np.mean(above["posterior"]) - 0.10) < DEVIATIONS * error
    assert np.mean(above["plug-in"]) > np.mean(above["posterior"])


def test_what_does_not_fit_together_is_refused(cdnow_buys, cdnow_spend, cdnow_rfm):
    draws = cdnow_buys.posterior(draws=100), cdnow_spend.posterior(draws=100)
    with pytest.raises(DataError, match="Give level="):
        clv.forecast(cdnow_buys, cdnow_spend, cdnow_rfm, horizon=39, posterior=draws)
    for wrong in (draws[::-1], draws[0], (draws[0], cdnow_spend)):
        with pytest.raises(DataError, match="purchase model and of the spend model in this order"):
            clv.forecast(cdnow_buys, cdnow_spend, cdnow_rfm, horizon=39, level=0.9, posterior=wrong)
    in_days = cdnow_rfm[["frequency", "monetary_value"]].assign(
        recency=cdnow_rfm["recency"] * 7, T=cdnow_rfm["T"] * 7
    )
    in_days.attrs = {"time_unit": "D"}
    with pytest.raises(DataError, match="draws of the purchase model are in 'W'"):
        clv.forecast(BUYING, SPENDING, in_days, horizon=270, level=0.9, posterior=draws)
