"""Pareto/NBD: published estimates, exactness at all scales, quadrature, a simulation of its own."""

import math
import warnings

import mpmath as mp
import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

import clvforecast as clv
from clvforecast import BGNBD, DataError, ParetoNBD
from clvforecast.models.discounting import ConstantRate

CDNOW = ParetoNBD(r=0.553, alpha=10.578, s=0.606, beta=11.669)
WILD = [
    (ParetoNBD(0.5, 1e4, 0.7, 1e-2), 3, 50.0, 365.0),
    (ParetoNBD(0.5, 1e-2, 0.7, 1e4), 3, 50.0, 365.0),
    (ParetoNBD(0.02, 0.05, 1.0, 54.75), 55, 7.2, 97.3),
    (ParetoNBD(18.0, 145.0, 0.09, 0.003), 0, 0.0, 1.56),
    (ParetoNBD(3.3, 0.004, 30.8, 29_600.0), 1400, 4.86, 6.83),
    (ParetoNBD(0.6, 10.0, 1.0, 12.0), 5000, 900.0, 1000.0),
    (ParetoNBD(0.6, 10.0, 0.6, 12.0), 4, 30.0, 30.0),
    (ParetoNBD(80.0, 16.0, 1e6, 2e7), 1, 20.0, 331.5),
    (ParetoNBD(0.553, 10.578 / 52, 0.606, 11.669 / 52), 2, 30.43 / 52, 38.86 / 52),
]


def stretched_integral(function, end, *rates):
    """Of a product of decays over (0, end), in the logarithm of the time the fastest stretches."""
    fastest = mp.fsum(rates)
    width = mp.log1p(fastest * end)

    def of_log(y):
        return function(mp.expm1(y) / fastest) * mp.exp(y) / fastest

    return mp.quad(of_log, mp.linspace(0, width, 2 + int(4 * width)))


def exact_likelihood(model, x, t_x, T):
    """Alive at T, or dead at some time before, integrated: their sum, and the share of the first.

    Relative to the density of a purchase history up to t_x of a customer active then.
    """
    r, alpha, s, beta, t_x, T = (mp.mpf(float(v)) for v in (*model.parameters.values(), t_x, T))
    R, A, B = r + x, alpha + t_x, beta + t_x

    def death(u):
        return (1 + u / A) ** -R * s / B * (1 + u / B) ** -(s + 1)

    silence = T - t_x
    alive = (1 + silence / A) ** -R * (1 + silence / B) ** -s
    dead = stretched_integral(death, silence, (R + 1) / A, (s + 1) / B) if silence else mp.mpf(0)
    before = mp.log(mp.rf(r, x)) + r * mp.log(alpha) + s * mp.log(beta)
    before -= R * mp.log(A) + s * mp.log(B)
    return float(before + mp.log(alive + dead)), float(alive / (alive + dead))


def test_published_estimates(cdnow_rfm):
    """r = 0.553, alpha = 10.578, s = 0.606, beta = 11.669, log-likelihood -9595.0: table 2 of
    Fader, Hardie and Lee (2005), Marketing Science 24, for the CDNOW sample."""
    fit = ParetoNBD.fit(cdnow_rfm)
    published = [0.553, 10.578, 0.606, 11.669]
    assert list(fit.parameters.values()) == pytest.approx(published, abs=1e-3)
    assert fit.log_likelihood == pytest.approx(-9594.98, abs=0.01)
    assert fit.remarks == ()


def test_published_expectations():
    """R's BTYD: the manual's example of pnbd.Expectation, and customer 1516 of its walkthrough
    (x = 26, t_x = 30.86, T = 31), as quoted in the tests of lifetimes 0.11.3."""
    manual = ParetoNBD(r=0.55, alpha=10.56, s=0.61, beta=11.64)
    published = [0.05077821, 0.09916088, 0.14542507, 0.18979930, 0.23247466, 0.27361274]
    assert manual.expected_repeat_purchases(np.arange(1, 7)) == pytest.approx(published, abs=1e-8)
    walkthrough = ParetoNBD(r=0.5534, alpha=10.5802, s=0.6061, beta=11.6562)
    history = 26, 30.86, 31.0
    assert walkthrough.p_alive(*history) == pytest.approx(0.9979, abs=5e-5)
    assert walkthrough.expected_purchases(52.0, *history) == pytest.approx(25.46, abs=6e-3)


@pytest.mark.parametrize(("model", "x", "t_x", "T"), WILD)
def test_likelihood_and_p_alive_against_mpmath(model, x, t_x, T):
    with mp.workdps(25):
        value, alive = exact_likelihood(model, x, t_x, T)
    assert model.log_likelihood(x, t_x, T) == pytest.approx(value, rel=1e-11)
    assert model.p_alive(x, t_x, T) == pytest.approx(alive, rel=1e-9)


def test_likelihood_is_the_published_formula():
    """Fader and Hardie (2005), equations 14 to 16, both cases, with hypergeometric functions."""

    def published(r, alpha, s, beta, x, t_x, T):
        large, small = max(alpha, beta), min(alpha, beta)
        b = s + 1 if alpha >= beta else r + x
        c = r + s + x + 1

        def term(t):
            z = (large - small) / (large + t)
            return mp.hyp2f1(c - 1, b, c, z) / (large + t) ** (c - 1)

        alive = 1 / ((alpha + T) ** (r + x) * (beta + T) ** s)
        dead = s / (c - 1) * (term(t_x) - term(T))
        return mp.log(mp.rf(r, x) * alpha**r * beta**s * (alive + dead))

    for model in (CDNOW, ParetoNBD(0.4, 7.0, 1.0, 2.5)):
        for history in ((0, 0.0, 38.86), (2, 30.43, 38.86), (26, 20.0, 38.0)):
            with mp.workdps(40):
                exact = published(*(mp.mpf(float(v)) for v in model.parameters.values()), *history)
            assert model.log_likelihood(*history) == pytest.approx(float(exact), rel=1e-12)


@pytest.mark.parametrize(
    ("model", "n", "t", "x", "T"),
    [
        (CDNOW, 0, 39.0, 2, 38.86),
        (CDNOW, 7, 39.0, 2, 38.86),
        (ParetoNBD(0.5, 1e4, 0.7, 1e-2), 1, 100.0, 3, 10.0),
        (ParetoNBD(0.5, 1e-2, 1.0, 1e4), 300, 10.0, 30, 1.0),
        (ParetoNBD(20.0, 5.0, 50.0, 400.0), 900, 30.0, 900, 30.0),
    ],
)
def test_pmf_against_mpmath(model, n, t, x, T):
    with mp.workdps(25):
        r, alpha, s, beta = (mp.mpf(float(v)) for v in model.parameters.values())
        R, A, B = r + x, alpha + T, beta + T

        def until(u):
            return mp.rf(R, n) / mp.factorial(n) * (A / (A + u)) ** R * (u / (A + u)) ** n

        exact = until(t) * (B / (B + t)) ** s + stretched_integral(
            lambda u: until(u) * s / B * (1 + u / B) ** -(s + 1),
            mp.mpf(t),
            (R + 1) / A,
            (s + 1) / B,
        )
    assert model.purchase_pmf_if_alive(n, t, x, T, T) == pytest.approx(float(exact), rel=1e-9)


@pytest.mark.parametrize("t", [0.5, 39.0, 400.0])
@pytest.mark.parametrize("model", [CDNOW, ParetoNBD(2.0, 5.0, 1.0, 300.0)])
def test_pmf_sums_to_one_and_its_mean_is_the_expectation(model, t):
    n = np.arange(4000)
    pmf = model.purchase_pmf_if_alive(n, t, 3, [[10.0], [30.0]], [[10.0], [30.0]])
    assert (pmf >= 0).all()
    assert pmf.sum(axis=1) == pytest.approx(1.0, rel=1e-9)
    assert pmf @ n == pytest.approx(
        model.purchases_if_alive(t, 3, [10.0, 30.0], [10.0, 30.0]), rel=1e-8
    )
    one_by_one = [float(model.purchase_pmf_if_alive(k, t, 3, 10.0, 10.0)) for k in range(5)]
    assert one_by_one == pytest.approx(pmf[0, :5], rel=1e-10)


def test_nothing_happens_at_s_equal_to_one():
    """In the limit, purchases come at (r + x) / (alpha + T) for a mean life of a logarithm."""
    for t in (1e-3, 39.0, 5e3):
        exact = 2.5 / 50.0 * 42.0 * math.log1p(t / 42.0)
        for s in (1.0, 1 - 1e-9, 1 + 1e-9, 1 + 1e-14):
            ahead = ParetoNBD(0.5, 10.0, s, 2.0).purchases_if_alive(t, 2, 40.0, 40.0)
            assert ahead == pytest.approx(exact, rel=1e-8 if abs(s - 1) > 1e-12 else 1e-12)


def test_an_infinite_horizon():
    mortal = ParetoNBD(0.5, 10.0, 1.5, 2.0)
    forever = mortal.purchases_if_alive(math.inf, 2, 40.0, 40.0)
    assert forever == pytest.approx(2.5 / 50.0 * 42.0 / 0.5)
    assert forever == pytest.approx(mortal.purchases_if_alive(1e30, 2, 40.0, 40.0), rel=1e-9)
    assert CDNOW.purchases_if_alive([0.0, math.inf], 2, 40.0, 40.0).tolist() == [0.0, math.inf]


@pytest.mark.parametrize(
    ("model", "t", "rate"),
    [
        (CDNOW, 52.0, 0.0018),
        (CDNOW, math.inf, 0.0018),
        (ParetoNBD(0.5, 1e3, 1.0, 1e-3), math.inf, 0.1),
        (ParetoNBD(0.5, 1.0, 1e5, 1e6), 520.0, 0.002),
    ],
)
def test_discounted_purchases_by_quadrature(model, t, rate):
    with mp.workdps(20):
        scale, end = model.beta + 0.1, mp.mpf(min(t, 60 / rate))

        def flow(u):
            return mp.exp(-rate * u - model.s * mp.log1p(u / scale))

        life = float(stretched_integral(flow, end, model.s / scale, rate))
    exact = (model.r + 4) / (model.alpha + 0.1) * life
    found = model.purchases_if_alive(t, 4, [0.1, 0.2, 0.1], [0.1, 0.2, 0.1], rate=rate)
    assert found[[0, 2]] == pytest.approx(exact, rel=1e-10)


def test_discounted_purchases_without_dropout_in_sight():
    """Nobody leaves: an even flow, discounted evenly."""
    still = ParetoNBD(2.0, 5.0, 1e-9, 1.0)
    flow = 5.0 / 25.0 * -math.expm1(-0.01 * 100.0) / 0.01
    assert still.purchases_if_alive(100.0, 3, 20.0, 20.0, rate=0.01) == pytest.approx(
        flow, rel=1e-7
    )


def test_discounted_counts_are_the_law_of_numbers_and_of_their_worth():
    n, T = np.arange(600.0), np.array([5.0, 38.86])
    found = CDNOW.discounted_counts_if_alive(
        n, 104.0, 2.0, T, T, discount=ConstantRate(0.01), dispersion=0.3
    )
    pmf = CDNOW.purchase_pmf_if_alive(n, 104.0, 2.0, T[:, None], T[:, None])
    assert found.probability.sum(axis=2) == pytest.approx(pmf, abs=1e-12)
    worth = (found.probability * found.mean).sum(axis=(1, 2))
    expected = CDNOW.purchases_if_alive(104.0, 2.0, T, T, rate=0.01)
    assert worth == pytest.approx(expected, rel=1e-5)
    plain = CDNOW.discounted_counts_if_alive(
        n, 104.0, 2.0, T, T, discount=ConstantRate(0.0), dispersion=0.3
    )
    assert plain.probability[..., 0] == pytest.approx(pmf, rel=1e-12)


def test_waits():
    """The chance to buy before leaving, by SciPy's quadrature; and what is never reached."""
    x, T = 2.0, 38.86

    def density(u):
        return (
            (CDNOW.r + x)
            / (CDNOW.alpha + T)
            * (1 + u / (CDNOW.alpha + T)) ** -(CDNOW.r + x + 1)
            * (1 + u / (CDNOW.beta + T)) ** -CDNOW.s
        )

    ever = integrate.quad(density, 0, np.inf, epsabs=0, epsrel=1e-10)[0]
    levels = [0.0, 0.3, 0.99 * ever, (1 - 1e-9) * ever, (1 + 1e-9) * ever, 1.0]
    waits = CDNOW.wait_quantile_if_alive(levels, x, T, T)
    assert waits[0] == 0
    assert np.isinf(waits[4:]).all()
    for level, wait in zip(levels[1:3], waits[1:3], strict=True):
        assert integrate.quad(density, 0, wait)[0] == pytest.approx(level, rel=1e-8)
    assert waits[2] < waits[3] < np.inf
    assert np.isinf(CDNOW.expected_wait_if_alive([0, 9], T, T)).all()


@pytest.mark.parametrize("scales", [(1e-3, 1e3), (1e3, 1e-3)])
def test_waits_at_scales_far_apart(scales):
    model = ParetoNBD(0.5, scales[0], 0.5, scales[1])
    for q in (1e-6, 0.5, 0.9):
        wait = float(model.wait_quantile_if_alive(q, 1, 0.0, 0.0))
        if np.isfinite(wait):
            bought = 1 - float(model.purchase_pmf_if_alive(0, wait, 1, 0.0, 0.0))
            assert bought == pytest.approx(q, rel=1e-9, abs=1e-14)


@pytest.fixture(scope="module")
def story():
    """200,000 customers, bought and left as the model says: rates, a life, purchases in it."""
    rng = np.random.default_rng(8)
    n, T = 200_000, 40.0
    rate, leaving = rng.gamma(CDNOW.r, 1 / CDNOW.alpha, n), rng.gamma(CDNOW.s, 1 / CDNOW.beta, n)
    life = rng.exponential(size=n) / np.maximum(leaving, 1e-300)
    observed = np.minimum(life, T)
    x = rng.poisson(rate * observed)
    # The last of x purchases anywhere within a time.
    last = np.where(x > 0, observed * rng.random(n) ** (1 / np.maximum(x, 1)), 0.0)
    after = rng.poisson(rate * np.clip(life - T, 0, T))
    return T, x, last, life > T, after


def near(seen, expected, variance):
    """Within 4.5 standard errors: passed by the right law in all but one of 100,000 cases."""
    assert abs(seen - expected) < 4.5 * math.sqrt(variance)


def test_new_customers_buy_as_in_the_story(story):
    T, x, *_ = story
    near(x.mean(), CDNOW.expected_repeat_purchases(T), x.var() / x.size)
    for n in range(5):
        p = float(CDNOW.purchase_pmf(n, T))
        near((x == n).mean(), p, p * (1 - p) / x.size)


def test_customers_are_alive_and_buy_on_as_in_the_story(story):
    T, x, last, alive, after = story
    for chosen in (x == 0, x == 1, (x >= 2) & (last < T / 2), (x >= 2) & (last >= T / 2), x > 9):
        histories = x[chosen], last[chosen], T
        p_alive = CDNOW.p_alive(*histories)
        near(alive[chosen].mean(), p_alive.mean(), (p_alive * (1 - p_alive)).mean() / chosen.sum())
        expected = CDNOW.expected_purchases(T, *histories)
        near(after[chosen].mean(), expected.mean(), after[chosen].var() / chosen.sum())


@pytest.mark.parametrize(
    ("model", "x", "T"),
    [
        (CDNOW, 2.0, 38.86),
        (ParetoNBD(0.5, 1e3, 0.5, 1e-4), 0.0, 0.0),
        (ParetoNBD(20.0, 10.0, 1.0, 5.0), 40.0, 30.0),
    ],
)
def test_drawn_futures_follow_the_law(model, x, T):
    t, draws = 52.0, 20_000
    full = np.full(draws, t)
    customer, time = model.draw_purchases_if_any(
        full, full * 0 + x, full * 0 + T, full * 0 + T, _rng()
    )
    counts = np.bincount(customer, minlength=draws)
    none = float(model.purchase_pmf_if_alive(0, t, x, T, T))
    assert counts.min() == 1
    assert ((time >= 0) & (time <= t)).all()
    assert (np.diff(time)[np.diff(customer) == 0] >= 0).all()
    near(counts.mean(), model.purchases_if_alive(t, x, T, T) / (1 - none), counts.var() / draws)
    p_one = float(model.purchase_pmf_if_alive(1, t, x, T, T)) / (1 - none)
    near((counts == 1).mean(), p_one, p_one * (1 - p_one) / draws)
    early = np.bincount(customer, time < t / 4, draws)
    expected = model.purchases_if_alive(t / 4, x, T, T) / (1 - none)
    near(early.mean(), expected, early.var() / draws)


def _rng():
    return np.random.default_rng(4)


def test_futures_given_a_history_have_the_expected_mean():
    customer, _ = CDNOW.draw_future(39.0, np.full(100_000, 2.0), 30.43, 38.86, _rng())
    counts = np.bincount(customer, minlength=100_000)
    expected = CDNOW.expected_purchases(39.0, 2, 30.43, 38.86)
    near(counts.mean(), float(expected), counts.var() / counts.size)
    nobody, _ = CDNOW.draw_future(39.0, np.empty(0), np.empty(0), np.empty(0), _rng())
    assert nobody.size == 0


def test_other_rates_are_those_of_the_story():
    """Rates multiplied after T, drawn from what is known of them then."""
    x, T, t, draws, rng = 3, 30.0, 60.0, 200_000, _rng()
    rate = 1.3 * rng.gamma(CDNOW.r + x, 1 / (CDNOW.alpha + T), draws)
    leaving = 0.5 * rng.gamma(CDNOW.s, 1 / (CDNOW.beta + T), draws)
    life = np.minimum(rng.exponential(size=draws) / np.maximum(leaving, 1e-300), t)
    worth = rate * -np.expm1(-0.01 * life) / 0.01
    ahead = CDNOW.purchases_if_changed(t, x, T, T, buying=1.3, leaving=0.5, rate=0.01)
    near(worth.mean(), float(ahead), worth.var() / draws)


def test_p_alive_at_the_edges():
    assert CDNOW.p_alive(0, 0, 0) == 1
    assert CDNOW.p_alive(3, 7.0, 7.0) == 1
    silent = CDNOW.p_alive(0, 0, [1.0, 10.0, 1e3, 1e6])
    assert (np.diff(silent) < 0).all()
    heavy = CDNOW.p_alive([10_000, 10_000], [1000.0, 1.0], 1001.0)
    assert heavy[0] < 1
    assert heavy[1] == 0
    with pytest.raises(DataError, match="recency > T"):
        CDNOW.p_alive(1, 5.0, 4.0)


@pytest.mark.parametrize("factor", [7.0, 1e-3])
def test_rescaling_time_rescales_alpha_and_beta(factor):
    other = CDNOW.rescaled(factor)
    assert other == ParetoNBD(0.553, 10.578 * factor, 0.606, 11.669 * factor)
    x, t_x, T = np.array([0, 2, 40]), np.array([0.0, 9.0, 30.0]), 38.0
    scaled = x, t_x * factor, T * factor
    close = {"rel": 1e-11}
    assert other.p_alive(*scaled) == pytest.approx(CDNOW.p_alive(x, t_x, T), **close)
    assert other.discounted_purchases(39.0 * factor, *scaled, rate=0.01 / factor) == pytest.approx(
        CDNOW.discounted_purchases(39.0, x, t_x, T, rate=0.01), **close
    )
    waits = CDNOW.wait_quantile_if_alive(0.3, x, T, T)
    assert other.wait_quantile_if_alive(0.3, x, T * factor, T * factor) == pytest.approx(
        waits * factor, rel=1e-9
    )


def test_array_parameters_are_one_model_per_customer():
    both = ParetoNBD(np.array([0.2, 0.9]), np.array([4.0, 12.0]), 0.8, np.array([9.0, 2.0]))
    each = [ParetoNBD(0.2, 4.0, 0.8, 9.0), ParetoNBD(0.9, 12.0, 0.8, 2.0)]
    x, t_x, T = np.array([2, 5]), np.array([10.0, 30.0]), np.array([20.0, 38.0])
    for ask in (
        lambda model, i: model.p_alive(x[i], t_x[i], T[i]),
        lambda model, i: model.expected_purchases(26.0, x[i], t_x[i], T[i]),
        lambda model, i: model.discounted_purchases(26.0, x[i], t_x[i], T[i], rate=0.01),
        lambda model, i: model.purchase_pmf_if_alive(1, 26.0, x[i], T[i], T[i]),
        lambda model, i: model.wait_quantile_if_alive(0.2, x[i], T[i], T[i]),
    ):
        apart = [float(ask(model, i)) for i, model in enumerate(each)]
        assert ask(both, slice(None)) == pytest.approx(apart, rel=1e-11)


def test_bad_questions_are_errors():
    with pytest.raises(DataError, match="t=-1"):
        CDNOW.purchases_if_alive(-1, 0, 1, 1)
    with pytest.raises(DataError, match="rate=-0.1"):
        CDNOW.purchases_if_alive(1, 0, 1, 1, rate=-0.1)
    with pytest.raises(DataError, match="one horizon"):
        CDNOW.purchases_if_alive([1, 2], 0, 1, 1, rate=0.1)
    with pytest.raises(DataError, match="whole numbers"):
        CDNOW.purchase_pmf_if_alive(0.5, 1.0, 0, 1.0, 1.0)
    with pytest.raises(DataError, match="must be probabilities"):
        CDNOW.wait_quantile_if_alive(1.5, 0, 1.0, 1.0)


def test_a_shop_nobody_leaves_is_called_one():
    """An NBD shop: its estimates run off, its forecasts do not."""
    shop = ParetoNBD(1.5, 10.0, 1e-9, 1.0)
    customer, time = shop.simulate(np.full(1500, 52.0), seed=3)
    grouped = pd.Series(time).groupby(customer)
    rfm = pd.DataFrame(
        {
            "frequency": grouped.size().reindex(range(1500), fill_value=0),
            "recency": grouped.max().reindex(range(1500), fill_value=0.0),
            "T": 52.0,
        }
    )
    with pytest.warns(clv.FitWarning):
        fit = ParetoNBD.fit(rfm, time_unit="W")
    assert any("nobody is seen to leave" in remark for remark in fit.remarks)
    mean = rfm["frequency"].mean()
    ahead = fit.model.expected_purchases(52.0, *(rfm[c] for c in ("frequency", "recency", "T")))
    assert ahead.mean() == pytest.approx(mean, rel=0.02)


def test_everybody_leaving_at_one_rate_is_a_limit_like_any_other():
    """As s and beta grow, lives are exponential: a Pareto law becomes one."""
    near_limit = ParetoNBD(0.5, 10.0, 2e9, 1e11)
    x, t_x, T = 2, 20.0, 39.0
    life = stats.expon(scale=50.0)
    odds = integrate.quad(
        lambda u: life.pdf(u) * ((10 + T) / (10 + u)) ** 2.5, t_x, T, epsrel=1e-11
    )[0] / life.sf(T)
    assert near_limit.p_alive(x, t_x, T) == pytest.approx(1 / (1 + odds), rel=1e-8)


def test_what_is_built_on_models_works_with_this_one(cdnow_orders, cdnow_rfm, cdnow_spend):
    """Forecast, intervals, lazy or not, portfolio, change: each agrees with the expectations."""
    rfm = cdnow_rfm.iloc[:300]
    columns = [rfm[name].to_numpy(dtype=float) for name in ParetoNBD.columns]
    terms = {"horizon": 39.0, "annual_discount_rate": 0.10}
    found = clv.forecast(CDNOW, cdnow_spend, rfm, level=0.9, **terms)
    expected = CDNOW.expected_purchases(39.0, *columns)
    assert found["expected_purchases"].to_numpy() == pytest.approx(expected, rel=1e-12)
    assert (found["clv_lower"] <= found["clv_upper"]).all()
    plain = clv.forecast(CDNOW, cdnow_spend, rfm, horizon=39.0)
    assert (found["clv"] < plain["clv"]).all()
    plans = clv.portfolio(CDNOW, cdnow_spend, rfm, horizon=39, period="W", simulations=20, seed=1)
    assert plans.table()["orders"].sum() == pytest.approx(expected.sum(), rel=1e-9)
    changed = clv.what_if(CDNOW, cdnow_spend, rfm, change={"frequency": 0.2}, **terms)
    assert changed.table.loc["forecast", "before"].to_numpy() == pytest.approx(found["clv"].sum())
    waits = clv.next_purchase(CDNOW, rfm)
    alive = waits["p_alive"].to_numpy()
    half = 0.5 / np.maximum(alive, 0.5)
    bounded = np.isfinite(waits["median_wait"])
    bought = 1 - CDNOW.purchase_pmf_if_alive(
        0,
        waits["median_wait"][bounded],
        columns[0][bounded],
        columns[2][bounded],
        columns[2][bounded],
    )
    assert bought == pytest.approx(half[bounded], rel=1e-8)
    kept = cdnow_orders.summarize("W", "1997-09-30", lazy=True)
    lazily = clv.forecast(CDNOW, cdnow_spend, kept, **terms).to_pandas().loc[rfm.index]
    assert lazily["clv"].to_numpy() == pytest.approx(found["clv"].to_numpy(), rel=1e-10)
    limits = clv.silence_limits(CDNOW, rfm)["silence_limit"].to_numpy()
    assert CDNOW.p_alive(columns[0], columns[1], columns[1] + limits) == pytest.approx(0.5)


def test_a_backtest_finds_what_came(cdnow_orders):
    """Its law holds about as many customers as it says it does, and beats guesses without one."""
    found = clv.backtest(cdnow_orders, [ParetoNBD], n=1, horizon="26W", replicates=2, workers=1)
    value = found.table.set_index(["model", "target", "metric"])["value"]
    assert 0.85 < value.loc[("Pareto/NBD", "purchases", "coverage")] <= 1.0
    crps = value.xs(("purchases", "crps"), level=("target", "metric"))
    assert crps.idxmin() == "Pareto/NBD"
    ours = found.customers.xs("Pareto/NBD", level=1)
    rfm = cdnow_orders.summarize("W", str(found.customers.index[0][0])[:10])
    fit = ParetoNBD.fit(rfm)
    expected = fit.model.expected_purchases(26.0, *(rfm[name] for name in ParetoNBD.columns))
    assert ours["predicted_purchases"].sum() == pytest.approx(expected.sum(), rel=1e-9)


def test_another_implementation_agrees():
    """lifetimes 0.11.3, where it is right: few purchases, alpha near beta, s off 1."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lifetimes.fitters.pareto_nbd_fitter import ParetoNBDFitter
    theirs = ParetoNBDFitter()
    theirs.params_ = pd.Series(CDNOW.parameters)
    x, t_x, T = np.array([0.0, 2.0, 8.0]), np.array([0.0, 30.43, 38.0]), 38.86
    assert CDNOW.p_alive(x, t_x, T) == pytest.approx(
        theirs.conditional_probability_alive(x, t_x, T), rel=1e-8
    )
    assert CDNOW.expected_purchases(39.0, x, t_x, T) == pytest.approx(
        theirs.conditional_expected_number_of_purchases_up_to_time(39.0, x, t_x, T), rel=1e-8
    )
    assert CDNOW.expected_repeat_purchases(39.0) == pytest.approx(
        theirs.expected_number_of_purchases_up_to_time(39.0), rel=1e-8
    )


def test_it_differs_from_bgnbd_where_it_should(cdnow_rfm):
    """One-time buyers' P(alive) falls with silence; in BG/NBD it is 1."""
    other = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
    assert (other.p_alive(0, 0, [1.0, 1e3]) == 1).all()
    assert (CDNOW.p_alive(0, 0, [1.0, 1e3]) < 1).all()
