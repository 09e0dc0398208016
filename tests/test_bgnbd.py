"""BG/NBD: published values, exactness where other tools break, simulation."""

import math

import mpmath as mp
import numpy as np
import pytest
from scipy.special import betainc

from clvforecast import BGNBD, DataError

CDNOW = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)


def given_alive(t, x, T, model):
    """Equation 10 of Fader, Hardie and Lee (2005) without P(alive), at arbitrary precision."""
    R, tau = model.r + x, t / (model.alpha + T)
    with mp.workdps(80 + int(R * math.log1p(tau))):
        R, tau, b = mp.mpf(R), mp.mpf(tau), mp.mpf(model.b + x)
        a = mp.mpf(model.a)
        if a == 1:
            a += mp.mpf(10) ** -30
        tail = (1 + tau) ** -R * mp.hyp2f1(R, b, a + b - 1, tau / (1 + tau))
        return float((a + b - 1) / (a - 1) * (1 - tail))


def closed_sum(t, x, T, model):
    """Sum over n of P(n - 1 dropouts survived) P(N(t) >= n), N(t) negative binomial.

    All terms are positive; SciPy's betainc gives the tail, in double precision.
    """
    R, odds = model.r + x, (model.alpha + T) / (model.alpha + T + t)
    n = np.arange(1, 200_000)
    survival = np.cumprod(
        np.r_[1.0, (model.b + x + n[:-1] - 1) / (model.a + model.b + x + n[:-1] - 1)]
    )
    return math.fsum(survival * betainc(n, R, 1 - odds))


def test_published_example():
    """Customer 1 of the CDNOW sample: x = 2, t_x = 30.43, T = 38.86.

    Fader, Hardie and Lee, "Implementing the BG/NBD Model for Customer Base Analysis in Excel"
    (2005), section 4: 1.226 expected purchases in the next 39 weeks.
    """
    assert CDNOW.expected_purchases(39, 2, 30.43, 38.86) == pytest.approx(1.226, abs=5e-4)


def test_published_probabilities_of_counts():
    """R's BTYD 2.4.3, the manual's examples of bgnbd.pmf, as quoted in the tests of lifetimes."""
    published = [
        *(0.0019995214, 0.0015170236, 0.0011633150, 0.0009003148, 0.0007023638),
        *(0.0005517902, 0.0004361913, 0.0003467171, 0.0002769613, 0.0002222260),
    ]
    assert CDNOW.purchase_pmf(np.arange(11, 21), 30.0) == pytest.approx(published, abs=1e-10)
    assert CDNOW.purchase_pmf(10, 2.0) == pytest.approx(1.07869e-07, rel=5e-6)
    assert CDNOW.purchase_pmf(0, 39.0) == pytest.approx(0.5737864, abs=1e-7)


def histories(number, seed):
    """Whole-day histories, shops and horizons over many orders of magnitude, in days."""
    rng = np.random.default_rng(seed)
    while number:
        r, alpha, a, b = 10 ** rng.uniform([-2, 0, -1.5, -2], [2, 4, 2, 2])
        x = int(10 ** rng.uniform(0, 3.3)) - 1
        T = max(x, int(rng.integers(0, 1500)))
        t = 10 ** rng.uniform(0, math.log10(50 * 365.25))
        if (r + x) * math.log1p(t / (alpha + T)) < 600:
            number -= 1
            yield BGNBD(r, alpha, a, b), t, x, T


@pytest.mark.parametrize(("model", "t", "x", "T"), list(histories(60, seed=1)))
def test_expected_purchases_against_mpmath(model, t, x, T):
    expected = model.expected_purchases(t, x, T if x else 0, T)
    assert expected == pytest.approx(
        given_alive(t, x, T, model) * model.p_alive(x, T if x else 0, T), rel=1e-10
    )


@pytest.mark.parametrize("a", [1.0, 1.0 - 1e-9, 1.0 + 1e-9, 1.0 + 1e-14])
@pytest.mark.parametrize("x", [0, 1, 30])
def test_nothing_happens_at_a_equal_to_one(a, x):
    model = BGNBD(r=0.25, alpha=31.0, a=a, b=2.4)
    expected = model.expected_purchases(365.25, x, 200.0 * (x > 0), 200.0)
    exact = given_alive(365.25, x, 200.0, BGNBD(0.25, 31.0, 1.0, 2.4))
    p_alive = model.p_alive(x, 200.0 * (x > 0), 200.0)
    assert expected == pytest.approx(exact * p_alive, rel=1e-8 if a != 1.0 else 1e-12)


def test_one_time_buyers_where_a_plus_b_is_below_one():
    model = BGNBD(r=0.3, alpha=5.0, a=0.2, b=0.1)
    for t in (1 / 7, 10.0, 2600.0):
        assert model.expected_purchases(t, 0, 0, 20.0) == pytest.approx(
            given_alive(t, 0, 20.0, model), rel=1e-11
        )


@pytest.mark.parametrize("x", [500, 5_000, 50_000])
@pytest.mark.parametrize("t", [1.0, 50.0])
def test_heavy_buyers_against_the_closed_sum(x, t):
    model = BGNBD(r=0.5, alpha=10.0, a=0.8, b=2.5)
    expected = model.expected_purchases(t, x, 1000.0, 1000.0)
    assert expected == pytest.approx(
        closed_sum(t, x, 1000.0, model) * model.p_alive(x, 1000.0, 1000.0), rel=1e-10
    )


def test_a_short_horizon_is_the_rate_times_the_time():
    rate = (0.243 + 2) / (4.414 + 38.86) * CDNOW.p_alive(2, 30.43, 38.86)
    assert CDNOW.expected_purchases(1e-9, 2, 30.43, 38.86) == pytest.approx(rate * 1e-9, rel=1e-8)
    assert CDNOW.expected_purchases(0, 2, 30.43, 38.86) == 0


def test_an_infinite_horizon():
    mortal = BGNBD(r=0.5, alpha=8.0, a=1.5, b=2.0)
    forever = mortal.expected_purchases(math.inf, 3, 20.0, 25.0)
    assert forever == pytest.approx((1.5 + 5.0 - 1) / 0.5 * mortal.p_alive(3, 20.0, 25.0))
    assert forever == pytest.approx(mortal.expected_purchases(1e30, 3, 20.0, 25.0), rel=1e-6)
    assert CDNOW.expected_purchases(math.inf, 3, 20.0, 25.0) == math.inf
    mixed = CDNOW.expected_purchases([0, 1, math.inf], 0, 0, 10.0)
    assert mixed[0] == 0
    assert np.isfinite(mixed[1])
    assert mixed[2] == math.inf


@pytest.mark.parametrize("factor", [7.0, 30.4375, 365.25, 1e-3])
def test_rescaling_time_rescales_alpha_and_nothing_else(factor):
    rng = np.random.default_rng(2)
    x = rng.integers(0, 30, 50)
    T = rng.uniform(30, 60, 50)
    t_x = np.where(x > 0, T * rng.uniform(0.1, 1, 50), 0)
    other = CDNOW.rescaled(factor)
    assert other == BGNBD(0.243, 4.414 * factor, 0.793, 2.426)
    close = {"rel": 1e-12}
    assert other.p_alive(x, t_x * factor, T * factor) == pytest.approx(
        CDNOW.p_alive(x, t_x, T), **close
    )
    assert other.expected_purchases(39 * factor, x, t_x * factor, T * factor) == pytest.approx(
        CDNOW.expected_purchases(39, x, t_x, T), **close
    )
    assert other.discounted_purchases(
        math.inf, x, t_x * factor, T * factor, rate=0.002 / factor
    ) == pytest.approx(CDNOW.discounted_purchases(math.inf, x, t_x, T, rate=0.002), **close)


@pytest.mark.parametrize(
    ("t", "x", "T", "rate"),
    [
        (52, 2, 38.86, 0.0018),
        (math.inf, 0, 38.86, 0.0018),
        (math.inf, 30, 10.0, 0.1),
        (1 / 7, 1, 0.5, 0.01),
        (2600, 4000, 100.0, 0.002),
        (52, 3, 5.0, 3.0),
    ],
)
def test_discounted_purchases_against_mpmath(t, x, T, rate):
    """The integral of exp(-rate s) (R / A) 2F1(R + 1, a; a + b; -s / A)."""
    R, A, a, b = CDNOW.r + x, CDNOW.alpha + T, CDNOW.a, CDNOW.b + x

    def discounted_rate(s):
        return mp.exp(-rate * s) * R / A * mp.hyp2f1(R + 1, a, a + b, -s / A)

    end = min(t, 60 / rate)
    cuts = [0, *(end * 10.0**-k for k in range(6, -1, -1))]
    exact = float(mp.quad(discounted_rate, cuts))
    p_alive = CDNOW.p_alive(x, T * (x > 0), T)
    assert CDNOW.discounted_purchases(t, x, T * (x > 0), T, rate=rate) == pytest.approx(
        exact * p_alive, rel=1e-10
    )


@pytest.mark.parametrize(
    ("model", "x", "T", "rate"),
    [
        (BGNBD(r=0.5, alpha=1e-3, a=3.0, b=0.1), 200, 0.01, 1e-4),
        (BGNBD(r=0.01, alpha=1.0, a=0.2, b=0.5), 1, 300.0, 1e-4),
    ],
)
def test_discounted_purchases_of_decays_that_lie_far_apart(model, x, T, rate):
    """The integral over time first: E[R / p exp(c / p) E_(R + 1)(c / p)], c = rate A."""
    R, c, a, b = model.r + x, rate * (model.alpha + T), model.a, model.b + x

    def integrand(logit):
        p = 1 / (1 + mp.exp(-logit))
        density = mp.exp(a * mp.log(p) + b * mp.log(1 - p) - mp.log(mp.beta(a, b)))
        return density * R / p * mp.exp(c / p) * mp.expint(R + 1, c / p)

    centre = math.log(a / b)
    cuts = [centre + d for d in (-200, -60, -20, -5, -1, -0.3, 0, 0.3, 1, 5, 20)]
    exact = float(mp.quad(integrand, cuts))
    # Of few ages every one is worked out, of many an interpolation.
    many = np.linspace(T, 3 * T, 200)
    for ages in (T, many):
        found = model.purchases_if_alive(math.inf, x, ages, ages, rate=rate)
        assert found.ravel()[0] == pytest.approx(exact, rel=1e-10)


def test_discounting_is_monotone_and_vanishes_with_the_rate():
    x, t_x, T = np.array([0, 1, 9]), np.array([0, 5.0, 30.0]), np.array([38.0, 38.0, 38.0])
    plain = CDNOW.expected_purchases(52, x, t_x, T)
    assert np.array_equal(CDNOW.discounted_purchases(52, x, t_x, T, rate=0.0), plain)
    assert CDNOW.discounted_purchases(52, x, t_x, T, rate=1e-13) == pytest.approx(plain, rel=1e-10)
    values = [CDNOW.discounted_purchases(52, x, t_x, T, rate=r) for r in (0.001, 0.01, 0.1)]
    assert np.all(np.diff([plain, *values], axis=0) < 0)
    assert CDNOW.discounted_purchases(0, x, t_x, T, rate=0.01).tolist() == [0, 0, 0]


def test_p_alive_stays_a_probability():
    x = np.array([0, 1, 1, 200, 10_000, 10_000])
    t_x = np.array([0, 1, 900, 900, 1000, 1])
    p = BGNBD(0.5, 10.0, 0.8, 2.5).p_alive(x, t_x, 1000.0)
    assert np.all((p >= 0) & (p <= 1))
    assert p[0] == 1
    assert p[5] == 0
    assert p[4] == pytest.approx(1 / (1 + 0.8 / (2.5 + 9_999)))


@pytest.mark.parametrize("x", [0, 1, 7, 3000])
def test_likelihood_is_the_papers_formula(x):
    r, alpha, a, b = (mp.mpf(v) for v in (CDNOW.r, CDNOW.alpha, CDNOW.a, CDNOW.b))
    t_x, T = (30.0 if x else 0.0), 38.86
    with mp.workdps(50):
        alive = (alpha + T) ** -(r + x)
        left = a / (b + x - 1) * (alpha + t_x) ** -(r + x) if x else 0
        exact = mp.log(mp.beta(a, b + x) / mp.beta(a, b) * mp.rf(r, x) * alpha**r * (alive + left))
    assert CDNOW.log_likelihood(x, t_x, T) == pytest.approx(float(exact), rel=1e-12)


def simulated_purchases(model, x, T, t, draws, rng):
    """Future purchases of customers active at T, straight from the story of the model."""
    rate = rng.gamma(model.r + x, 1 / (model.alpha + T), draws)
    dropout = rng.beta(model.a, model.b + x, draws)
    lifetime = rng.geometric(np.maximum(dropout, 1e-300))
    return np.minimum(rng.poisson(rate * t), lifetime)


@pytest.mark.parametrize(("x", "T"), [(0, 20.0), (3, 38.86), (40, 60.0)])
def test_expectation_agrees_with_simulation(x, T):
    draws = 400_000
    counts = simulated_purchases(CDNOW, x, T, 52.0, draws, np.random.default_rng(x))
    expected = CDNOW.expected_purchases(52.0, x, T * (x > 0), T) / CDNOW.p_alive(x, T * (x > 0), T)
    assert abs(counts.mean() - expected) < 4 * counts.std() / math.sqrt(draws)


def test_array_parameters_are_one_model_per_customer():
    r, alpha = np.array([0.2, 0.9]), np.array([4.0, 12.0])
    both = BGNBD(r, alpha, 0.8, 2.4)
    x, t_x, T = np.array([2, 5]), np.array([10.0, 30.0]), np.array([20.0, 38.0])
    for method, arguments in (
        ("p_alive", ()),
        ("expected_purchases", (26.0,)),
    ):
        together = getattr(both, method)(*arguments, x, t_x, T)
        apart = [
            getattr(BGNBD(r[i], alpha[i], 0.8, 2.4), method)(*arguments, x[i], t_x[i], T[i])
            for i in range(2)
        ]
        assert together == pytest.approx(np.array(apart), rel=1e-12)


def test_results_follow_the_order_and_shape_of_the_input():
    x = np.array([[5, 0, 2], [2, 5, 0]])
    t_x = np.array([[20.0, 0, 7.0], [7.0, 20.0, 0]])
    purchases = CDNOW.expected_purchases(10.0, x, t_x, 30.0)
    assert purchases.shape == (2, 3)
    for i, j in np.ndindex(2, 3):
        assert purchases[i, j] == CDNOW.expected_purchases(10.0, x[i, j], t_x[i, j], 30.0)


@pytest.mark.parametrize(
    ("history", "message"),
    [
        ((1, 5.0, 4.0), "recency > T"),
        ((-1, 0.0, 4.0), "not a whole number"),
        ((0.5, 1.0, 4.0), "not a whole number"),
        ((1, math.nan, 4.0), "missing or not finite"),
        ((0, 1.0, 4.0), "frequency of 0 with a recency"),
        ((2, 0.0, 4.0), "frequency with recency 0"),
        ((0, 0.0, -1.0), "negative recency or T"),
    ],
)
@pytest.mark.parametrize("method", ["p_alive", "expected_purchases", "discounted_purchases"])
def test_impossible_histories_are_errors(history, message, method):
    arguments = () if method == "p_alive" else (10.0,)
    keywords = {"rate": 0.01} if method == "discounted_purchases" else {}
    with pytest.raises(DataError, match=message):
        getattr(CDNOW, method)(*arguments, *history, **keywords)


def test_legal_edges():
    assert CDNOW.p_alive(0, 0, 0) == 1
    assert CDNOW.expected_purchases(10, 0, 0, 0) > 0
    assert 0 < CDNOW.p_alive(1, 7.0, 7.0) < 1


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_parameters_must_be_positive(value):
    with pytest.raises(DataError, match="a="):
        BGNBD(r=1, alpha=1, a=value, b=1)


def test_negative_horizons_and_rates_are_errors():
    with pytest.raises(DataError, match="t=-1"):
        CDNOW.expected_purchases(-1, 0, 0, 1)
    with pytest.raises(DataError, match="rate=-0.1"):
        CDNOW.discounted_purchases(1, 0, 0, 1, rate=-0.1)


@pytest.mark.parametrize("t", [0.5, 39.0, 200.0])
def test_pmf_sums_to_one_and_its_mean_is_the_expectation_of_a_new_customer(t):
    model = BGNBD(r=0.6, alpha=4.4, a=1.8, b=2.4)
    n = np.arange(3000)
    pmf = model.purchase_pmf(n, t)
    assert np.all(pmf >= 0)
    assert pmf.sum() == pytest.approx(1, rel=1e-10)
    assert n @ pmf == pytest.approx(model.expected_purchases(t, 0, 0, 0), rel=1e-10)


def test_pmf_agrees_with_simulation():
    draws = 200_000
    customer, _ = CDNOW.simulate(np.full(draws, 39.0), seed=8)
    counts = np.bincount(np.bincount(customer, minlength=draws))[:8] / draws
    pmf = CDNOW.purchase_pmf(np.arange(8), 39.0)
    assert np.all(np.abs(counts - pmf) < 4.5 * np.sqrt(pmf * (1 - pmf) / draws))


def test_pmf_of_huge_counts_is_finite():
    model = BGNBD(r=50.0, alpha=0.1, a=0.01, b=50.0)
    pmf = model.purchase_pmf([170, 171, 5000, 20_000], 10.0)
    assert np.all(np.isfinite(pmf))
    assert pmf[2] > 0
    with pytest.raises(DataError, match="whole numbers"):
        model.purchase_pmf(0.5, 1.0)


def test_simulated_customers_follow_the_likelihood():
    """P(X = 0) and the mean count, against their closed forms."""
    draws = 200_000
    customer, time = CDNOW.simulate(np.full(draws, 39.0), seed=9)
    counts = np.bincount(customer, minlength=draws)
    expected = CDNOW.expected_purchases(39.0, 0, 0, 0)
    assert abs(counts.mean() - expected) < 4 * counts.std() / math.sqrt(draws)
    assert np.all((time > 0) & (time < 39.0))
    assert np.all(np.diff(customer) >= 0)
    assert np.all(np.diff(time)[np.diff(customer) == 0] >= 0)
