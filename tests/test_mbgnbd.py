"""MBG/NBD: published estimates, quadrature, another implementation, and a simulation of its own."""

import math
import warnings

import mpmath as mp
import numpy as np
import pytest
from scipy import integrate

from clvforecast import BGNBD, MBGNBD

CDNOW = MBGNBD(r=0.525, alpha=6.183, a=0.891, b=1.614)
HISTORIES = [
    (0, 0.0, 38.86),
    (1, 1.71, 38.86),
    (2, 30.43, 38.86),
    (8, 38.0, 38.86),
    (25, 20.0, 78.0),
]


def test_the_estimates_for_cdnow(cdnow_rfm):
    """r = 0.525, alpha = 6.183, a = 0.891, b = 1.614: those of R's BTYDplus for the CDNOW sample,
    as quoted in the tests of lifetimes 0.11.3 (ModifiedBetaGeoFitter)."""
    fit = MBGNBD.fit(cdnow_rfm)
    assert list(fit.parameters.values()) == pytest.approx([0.525, 6.183, 0.891, 1.614], abs=6e-4)
    assert fit.log_likelihood == pytest.approx(-9582.136, abs=1e-3)


@pytest.mark.parametrize(("x", "t_x", "T"), HISTORIES)
def test_the_likelihood_is_that_of_the_story_integrated(x, t_x, T):
    """A customer buys x times and stays at each of x + 1 purchases, or leaves at the last."""
    model = CDNOW
    with mp.workdps(30):
        # Over lambda by hand, as it is conjugate; over p by quadrature.
        def given(p):
            stayed = (1 - p) ** (x + 1) / mp.mpf(model.alpha + T) ** (model.r + x)
            left = p * (1 - p) ** x / mp.mpf(model.alpha + t_x) ** (model.r + x)
            density = p ** (model.a - 1) * (1 - p) ** (model.b - 1) / mp.beta(model.a, model.b)
            return (stayed + left) * density

        purchases = mp.rf(model.r, x) * mp.mpf(model.alpha) ** model.r
        exact = mp.log(purchases * mp.quad(given, [0, 0.01, 0.05, 0.2, 0.5, 0.9, 0.99, 1]))
    assert float(model.log_likelihood(x, t_x, T)) == pytest.approx(float(exact), rel=1e-9)


def test_all_that_can_happen_adds_up_to_one():
    """Over the number of repeat purchases, and over when the last of them was."""
    model, T = CDNOW, 10.0

    def density(t, x):  # the x - 1 purchases before the last fall anywhere
        orderings = math.exp((x - 1) * math.log(t) - math.lgamma(x)) if x > 1 else 1.0
        return math.exp(float(model.log_likelihood(x, t, T))) * orderings

    total = math.exp(float(model.log_likelihood(0, 0.0, T)))
    total += sum(integrate.quad(density, 0, T, args=(x,))[0] for x in range(1, 120))
    assert total == pytest.approx(1.0, abs=1e-7)


@pytest.fixture(scope="module")
def story():
    """400,000 customers, bought and left as the model says: drawn one purchase at a time."""
    rng = np.random.default_rng(8)
    n, T = 400_000, 40.0
    rate = rng.gamma(CDNOW.r, 1 / CDNOW.alpha, n)
    leaving = rng.beta(CDNOW.a, CDNOW.b, n)
    x, last, after = np.zeros(n), np.zeros(n), np.zeros(n)
    alive = rng.random(n) >= leaving  # the first purchase may be the last
    is_alive_at_T = alive.copy()
    clock = np.zeros(n)
    active = np.flatnonzero(alive)
    while active.size:
        clock[active] += rng.exponential(1 / rate[active])
        active = active[clock[active] < 2 * T]
        early = clock[active] <= T
        x[active[early]] += 1
        last[active[early]] = clock[active[early]]
        after[active[~early]] += 1
        leaves = rng.random(active.size) < leaving[active]
        is_alive_at_T[active[leaves & early]] = False
        active = active[~leaves]
    return T, x, last, is_alive_at_T, after


def near(seen, expected, variance):
    """Within 4.5 standard errors: passed by the right law in all but one of 100,000 cases."""
    assert abs(seen - expected) < 4.5 * math.sqrt(variance)


def test_new_customers_buy_as_in_the_story(story):
    T, x, _, _, _ = story
    near(x.mean(), CDNOW.expected_repeat_purchases(T), x.var() / x.size)
    assert CDNOW.purchase_pmf(np.arange(4_000), T).sum() == pytest.approx(1.0, abs=1e-6)
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


def test_futures_of_new_customers_are_those_of_the_story(story):
    T, x, _, _, _ = story
    customer, _ = CDNOW.simulate(np.full(100_000, T), seed=3)
    counts = np.bincount(customer, minlength=100_000)
    near(counts.mean() - x.mean(), 0.0, counts.var() / counts.size + x.var() / x.size)
    near((counts == 0).mean() - (x == 0).mean(), 0.0, 0.25 / counts.size + 0.25 / x.size)


def test_p_alive_of_one_time_buyers_falls_with_their_silence():
    silent = CDNOW.p_alive(0, 0, [0.0, 10.0, 100.0, 1e6])
    assert silent[0] == pytest.approx(CDNOW.b / (CDNOW.a + CDNOW.b))
    assert (np.diff(silent) < 0).all()
    assert silent[-1] < 1e-2
    assert (BGNBD(*CDNOW.parameters.values()).p_alive(0, 0, [0.0, 1e6]) == 1).all()


def test_another_implementation_agrees():
    """lifetimes 0.11.3, where it is right: a above 1 and few purchases."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lifetimes.fitters.modified_beta_geo_fitter import ModifiedBetaGeoFitter
    theirs = ModifiedBetaGeoFitter()
    ours = MBGNBD(r=0.5, alpha=6.0, a=1.4, b=2.0)
    theirs.params_ = ours.parameters
    x, t_x, T = (np.array(column) for column in zip(*HISTORIES[:4], strict=True))
    assert ours.p_alive(x, t_x, T) == pytest.approx(
        theirs.conditional_probability_alive(x, t_x, T), rel=1e-9
    )
    assert ours.expected_purchases(39.0, x, t_x, T) == pytest.approx(
        theirs.conditional_expected_number_of_purchases_up_to_time(39.0, x, t_x, T),
        rel=1e-8,
    )
    assert ours.expected_repeat_purchases(39.0) == pytest.approx(
        theirs.expected_number_of_purchases_up_to_time(39.0), rel=1e-8
    )


def test_heavy_buyers_are_finite():
    x = np.array([500.0, 5_000.0, 50_000.0])
    assert np.isfinite(CDNOW.log_likelihood(x, 999.0, 1000.0)).all()
    expected = CDNOW.expected_purchases(52.0, x, 999.9, 1000.0)
    assert np.isfinite(expected).all()
    assert (np.diff(expected) > 0).all()
