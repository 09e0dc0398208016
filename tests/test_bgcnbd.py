"""BG/CNBD-k and MBG/CNBD-k: BG/NBD, integration, chains of phases, and simulations of their own."""

import math

import mpmath as mp
import numpy as np
import pytest
from scipy import integrate, special, stats

from clvforecast import BGCNBD, BGNBD, MBGCNBD, MBGNBD, DataError
from clvforecast.models.discounting import ConstantRate
from clvforecast.numerics.optimise import Derivatives, minimise_positive

# The shop of the tests of BTYDplus 1.2.0 (tests/testthat/test-mbg-cnbd-k.R).
SHOP = {"r": 0.85, "alpha": 1.45, "a": 0.79, "b": 2.42}
KINDS = [BGCNBD, MBGCNBD]
X = np.array([0, 1, 2, 8, 25, 700, 5000.0])
RECENCY = np.array([0, 1.7, 30.43, 38.86, 20, 38, 30.0])
AGE = np.array([38.86, 38.86, 38.86, 38.86, 38.86, 38.86, 40.0])


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request):
    return request.param


# With one phase.


@pytest.mark.parametrize(("kind", "plain"), [(BGCNBD, BGNBD), (MBGCNBD, MBGNBD)])
def test_with_one_phase_it_is_the_model_without_regularity(kind, plain):
    parameters = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
    ours, theirs = kind(**parameters, k=1), plain(**parameters)
    histories, columns = (X, RECENCY, AGE), (X[:, None], RECENCY[:, None], AGE[:, None])
    q = np.array([0.0, 1e-9, 0.1, 0.5, 0.9, 1 - 1e-9, 1.0])[:, None]
    n = np.arange(60.0)
    for ask in (
        lambda model: model.log_likelihood(*histories),
        lambda model: model.p_alive(*histories),
        lambda model: model.purchases_if_alive(
            np.array([[0.0], [1e-3], [39.0], [2e3], [np.inf]]), *histories
        ),
        lambda model: model.purchases_if_alive(39.0, *histories, rate=0.003),
        lambda model: model.purchases_if_alive(np.inf, *histories, rate=0.003),
        lambda model: model.purchases_if_changed(39.0, *histories, buying=1.3, leaving=0.5),
        lambda model: model.purchases_if_changed(
            39.0, *histories, buying=0.7, leaving=9.0, rate=0.003
        ),
        lambda model: model.purchase_pmf_if_alive(n, 39.0, *columns),
        lambda model: model.purchase_pmf_if_alive(3, 39.0, *histories),
        lambda model: model.expected_wait_if_alive(*histories),
        lambda model: model.wait_quantile_if_alive(q, *histories),
        lambda model: model.expected_repeat_purchases([3.0, 40.0]),
        lambda model: model.purchase_pmf(n, 39.0),
    ):
        assert ask(ours) == pytest.approx(ask(theirs), rel=1e-12)
    ages = np.array([38.86, 30.0])
    terms = {"discount": ConstantRate(0.002), "dispersion": 0.2}
    for here, there in zip(
        ours.discounted_counts_if_alive(np.arange(30), 39.0, 8.0, ages, ages, **terms),
        theirs.discounted_counts_if_alive(np.arange(30), 39.0, 8.0, ages, ages, **terms),
        strict=True,
    ):
        assert here == pytest.approx(there, rel=1e-11, abs=1e-13)


def test_with_one_phase_the_total_likelihood_and_its_derivatives_are_the_same():
    weights, at = np.arange(1.0, 8.0), np.array([0.4, 3.0, 0.7, 2.0])
    for kind, plain in ((BGCNBD, BGNBD), (MBGCNBD, MBGNBD)):
        ours = kind.total_log_likelihood(X, RECENCY, AGE, weights=weights, k=1)
        theirs = plain.total_log_likelihood(X, RECENCY, AGE, weights=weights)
        for here, there in zip(ours(at), theirs(at), strict=True):
            assert here == pytest.approx(there, rel=1e-12)
    assert kind.timing_log_likelihood(1, 50, 123.0) == 0.0


# The likelihood.


@pytest.mark.parametrize(
    ("k", "x", "t_x", "T"),
    [(3, 0, 0.0, 38.86), (2, 1, 1.71, 38.86), (3, 8, 38.0, 38.86), (2, 25, 20.0, 78.0)],
)
def test_the_likelihood_and_p_alive_are_those_of_the_story_integrated(kind, k, x, t_x, T):
    """Over lambda by quadrature; over p, which enters as powers, by beta functions."""
    model = kind(**SHOP, k=k)
    r, alpha, a, b = (mp.mpf(v) for v in SHOP.values())
    occasions = x + model.leave_at_once
    with mp.workdps(30):
        stays = mp.beta(a, b + occasions) / mp.beta(a, b)
        leaves = mp.beta(a + 1, b + occasions - 1) / mp.beta(a, b) if occasions else mp.mpf(0)

        def gamma_density(rate):
            return alpha**r * rate ** (r - 1) * mp.exp(-alpha * rate) / mp.gamma(r)

        def bought(rate):
            return rate ** (k * x) * mp.exp(-rate * t_x) * gamma_density(rate)

        def silent(rate):
            return mp.gammainc(k, rate * (T - t_x), mp.inf, regularized=True)

        places = [0, 0.001, 0.05, 0.5, 2, 5, 12, 40, mp.inf]
        active = stays * mp.quad(lambda rate: bought(rate) * silent(rate), places)
        gone = leaves * mp.quad(bought, places)
    spacing = model.spacing_log_likelihood(k, x, t_x)
    assert float(model.log_likelihood(x, t_x, T) - spacing) == pytest.approx(
        float(mp.log(active + gone)), rel=1e-10
    )
    assert float(model.p_alive(x, t_x, T)) == pytest.approx(
        float(active / (active + gone)), rel=1e-10
    )


@pytest.mark.parametrize("k", [2, 3])
def test_all_that_can_happen_adds_up_to_one(kind, k):
    """Over the number of repeat purchases, and over when the last of them was."""
    model, T = kind(**SHOP, k=k), 4.0

    def density(t, x):  # with the orderings that BG/NBD leaves out
        orderings = (x - 1) * math.log(t) - math.lgamma(x)
        return math.exp(float(model.log_likelihood(x, t, T)) + orderings)

    total = math.exp(float(model.log_likelihood(0, 0.0, T)))
    total += sum(integrate.quad(density, 0, T, args=(x,))[0] for x in range(1, 30))
    assert total == pytest.approx(1.0, abs=1e-7)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_times_between_purchases_say_what_erlang_densities_say(k):
    """Of three gaps, but for the rate; and over all pairs that add up to 2.5, the spacing."""
    gaps = np.array([0.3, 1.1, 0.7])
    timing = BGCNBD.timing_log_likelihood(k, 3, float(np.log(gaps).sum()))
    densities = stats.gamma(k).logpdf(gaps) + gaps
    assert timing == pytest.approx(densities.sum())

    def pair(gap):
        log_gaps = math.log(gap) + math.log(2.5 - gap)
        return math.exp(BGCNBD.timing_log_likelihood(k, 2, log_gaps))

    alike = math.exp(BGCNBD.spacing_log_likelihood(k, 2.0, 2.5)) * 2.5
    assert integrate.quad(pair, 0, 2.5)[0] == pytest.approx(alike)


@pytest.mark.parametrize("k", [2, 3, 12])
def test_analytic_derivatives_agree_with_central_differences(kind, k):
    rng = np.random.default_rng(2)
    x, T = rng.poisson(3, 300).astype(float), rng.uniform(1, 40, 300)
    t_x = np.where(x > 0, T * rng.random(300), 0.0)
    t_x[:3], T[3], x[4] = T[:3] * (x[:3] > 0), 1e-9, 4_000.0
    t_x[3], x[3] = 0.0, 0.0
    weights = rng.integers(1, 5, 300).astype(float)
    total = kind.total_log_likelihood(x, t_x, T, weights=weights, k=k)
    for start in (*kind.starting_points(), np.array([0.3, 90.0, 50.0, 1e3])):
        value, gradient, hessian = total(start)
        rows = kind(*start, k=k).log_likelihood(x, t_x, T)
        assert value == pytest.approx(weights @ rows, rel=1e-11)
        assert total.value(start) == value
        by_row = kind(*start, k=k).row_derivatives(x, t_x, T)
        assert by_row.value == pytest.approx(rows, rel=1e-11)
        assert by_row.gradient @ weights == pytest.approx(gradient, rel=1e-9)
        assert by_row.hessian @ weights == pytest.approx(
            hessian, rel=1e-9, abs=1e-11 * np.abs(hessian).max()
        )
        for i, parameter in enumerate(start):
            step = np.zeros(4)
            step[i] = 1e-5 * parameter
            ahead, behind = total(start + step), total(start - step)
            slope = (ahead.value - behind.value) / (2 * step[i])
            curvature = (ahead.gradient - behind.gradient) / (2 * step[i])
            scale = np.abs(hessian[i]).max()
            assert gradient[i] == pytest.approx(slope, rel=1e-6, abs=1e-6 * np.abs(gradient).max())
            assert hessian[i] == pytest.approx(curvature, rel=1e-6, abs=1e-6 * scale)


# What is ahead of active customers.


def phase_by_phase(k, rate, p, done, t, most, discounts):
    """Purchases of an active customer given his rate and p, by steps of a chain of phases.

    Their expectations within t, discounted or not, and without a horizon by the last of the
    discount rates; and the law of their number within t.
    """
    active = np.zeros((*np.broadcast_shapes(rate.shape, p.shape), most + 1, k))
    active[..., 0, :] = done[:, None]
    gone = np.zeros(active.shape[:-1])
    expected, law = np.zeros((len(discounts) + 1, *gone.shape[:-1])), np.zeros(gone.shape)
    for m in range(200):
        law += stats.poisson(rate * t).pmf(m)[..., None] * (active.sum(axis=-1) + gone)
        buys = active[..., k - 1].copy()
        active[..., 1:] = active[..., :-1].copy()
        active[..., 1:, 0] = buys[..., :-1] * (1 - p[..., None])
        # More than `most` are all the same.
        active[..., -1, 0] += buys[..., -1] * (1 - p)
        active[..., 0, 0] = 0.0
        gone[..., 1:] += buys[..., :-1] * p[..., None]
        for i, discount in enumerate((*discounts, discounts[-1])):
            worth = (rate / (rate + discount)) ** (m + 1) * buys.sum(axis=-1)
            soon = special.gammainc(m + 1, (rate + discount) * t) if i < len(discounts) else 1.0
            expected[i] += worth * soon
    return np.concatenate((expected, np.moveaxis(law, -1, 0)[:most]))


@pytest.mark.parametrize(
    ("x", "t_x", "T", "k"), [(2, 6.0, 9.0, 2), (0, 0.0, 2.0, 3), (5, 7.5, 8.0, 3)]
)
def test_what_is_ahead_is_what_a_chain_of_phases_says(kind, x, t_x, T, k):
    """Step by step given rate and p, over what the history of an active customer says of them."""
    model, t, slow, fast, most = kind(**SHOP, k=k), 3.0, 0.05, 2.0, 3
    u, p_weights = special.roots_jacobi(20, model.b + model.leave_at_once + x - 1, model.a - 1)
    v, rate_weights = special.roots_genlaguerre(50, model.r + k * x - 1)
    rate = v / (model.alpha + T)
    # The law of the rate is known but for a factor, which the silence adds.
    done = (rate[:, None] * (T - t_x)) ** np.arange(k) / special.factorial(np.arange(k))
    ahead = phase_by_phase(
        k, rate[:, None], (1 + u) / 2 + 0 * rate[:, None], done, t, most, (0.0, slow, fast)
    )
    total = (rate_weights @ done).sum() * p_weights.sum()
    exact = np.einsum("l,p,ilp->i", rate_weights, p_weights, ahead) / total
    history = x, t_x, T
    for discount, horizon, expected in zip(
        (0.0, slow, fast, fast), (t, t, t, np.inf), exact[:4], strict=True
    ):
        found = model.purchases_if_alive(horizon, *history, rate=discount)
        assert found == pytest.approx(expected, rel=1e-9)
    pmf = model.purchase_pmf_if_alive(np.arange(most), t, *history)
    assert pmf == pytest.approx(exact[4:], rel=1e-9)
    one_by_one = [float(model.purchase_pmf_if_alive(n, t, *history)) for n in range(most)]
    assert one_by_one == pytest.approx(pmf, rel=1e-12)


def one_by_one(model, t, x, t_x, T):
    """Expected purchases of an active customer, every phase counted, in 30 digits."""
    k, b = model.k, mp.mpf(model.b + model.leave_at_once + x)
    R, A, a = mp.mpf(model.r) + k * x, mp.mpf(model.alpha) + T, mp.mpf(model.a)
    u, tau = (mp.mpf(T) - t_x) / A, mp.mpf(t) / A
    share, total, expected = tau / (1 + tau), mp.mpf(0), mp.mpf(0)
    for j in range(k):
        done = mp.rf(R, j) / mp.factorial(j) * u**j
        shape, mean = R + j, (R + j) * tau
        most = int(mean + 45 * mp.sqrt(mean * (1 + tau)) + 60 * (1 + tau)) + k
        phases = [(1 + tau) ** -shape]
        for i in range(1, most + 1):
            phases.append(phases[-1] * (shape + i - 1) / i * share)
        at_least = phases[::-1]
        for i in range(1, most + 1):
            at_least[i] += at_least[i - 1]
        at_least.reverse()
        reached, ahead = mp.mpf(1), mp.mpf(0)
        for n in range(1, (most + j) // k + 1):
            ahead += reached * at_least[k * n - j]
            reached *= (b + n - 1) / (a + b + n - 1)
        total, expected = total + done, expected + done * ahead
    return float(expected / total)


@pytest.mark.parametrize(
    ("parameters", "t", "x", "t_x", "T"),
    [
        ((0.85, 1.45, 0.79, 2.42), 52.0, 2, 30.43, 38.86),
        ((0.85, 1.45, 0.79, 2.42), 1e-4, 2, 30.43, 38.86),
        ((0.85, 1.45, 0.79, 2.42), 20.0, 0, 0.0, 0.0),
        ((0.85, 1.45, 0.79, 2.42), 4.0, 3_000, 39.9, 39.9),
        ((0.85, 1e-3, 1.0, 1e-2), 1e-2, 0, 0.0, 0.0),
        ((0.05, 1e6, 1e-2, 1e3), 1e5, 1, 10.0, 40.0),
        ((40.0, 3.0, 900.0, 2e5), 30.0, 5, 0.01, 40.0),
    ],
)
def test_expectations_hold_at_every_scale(parameters, t, x, t_x, T):
    model = MBGCNBD(*parameters, k=3)
    with mp.workdps(30):
        exact = one_by_one(model, t, x, t_x, T)
    assert float(model.purchases_if_alive(t, x, t_x, T)) == pytest.approx(exact, rel=1e-11)


def test_expectations_are_means_of_the_law_even_of_heavy_buyers(kind):
    model, n = kind(**SHOP, k=3), np.arange(60_000.0)
    for history in ((0, 0.0, 38.86), (5_000, 38.0, 38.86)):
        pmf = model.purchase_pmf_if_alive(n, 20.0, *history)
        assert pmf.sum() == pytest.approx(1.0, abs=1e-9)
        assert pmf @ n == pytest.approx(float(model.purchases_if_alive(20.0, *history)), rel=1e-8)


def test_a_customer_is_worth_the_same_in_every_company(kind):
    """BTYDplus 1.2.0 rescales an approximation by the batch it is computed in."""
    model, rng = kind(**SHOP, k=3), np.random.default_rng(1)
    x, T = rng.poisson(2, 1500).astype(float), rng.uniform(0.5, 40.0, 1500)
    t_x = np.where(x > 0, T * rng.uniform(0.2, 1.0, 1500), 0.0)
    for rate in (0.0, 0.002):
        together = model.purchases_if_alive(26.0, x, t_x, T, rate=rate)
        alone = [
            float(model.purchases_if_alive(26.0, x[i], t_x[i], T[i], rate=rate)) for i in range(30)
        ]
        assert together[:30] == pytest.approx(alone, rel=1e-10)


def test_without_a_horizon_only_dropout_ends_it(kind):
    model = kind(0.85, 1.45, 1.6, 2.42, k=3)
    b = model.b + model.leave_at_once + 4
    ahead = model.purchases_if_alive([1e7, np.inf], 4, 20.0, 40.0)
    assert ahead[1] == pytest.approx((model.a + b - 1) / (model.a - 1))
    assert ahead[0] == pytest.approx(ahead[1], rel=1e-3)
    assert kind(**SHOP, k=3).purchases_if_alive(np.inf, 4, 20.0, 40.0) == np.inf
    assert model.purchases_if_alive(0.0, 4, 20.0, 40.0) == 0


@pytest.mark.parametrize("leaving", [0.4, 1.5, 30.0])
def test_other_rates_are_those_of_the_story(leaving):
    """Phases and dropouts of active customers multiplied after T, over p by quadrature."""
    model, history, t, b = MBGCNBD(**SHOP, k=2), (3, 8.0, 9.0), 4.0, SHOP["b"] + 4
    a = SHOP["a"]

    def given(p):  # a shop where everybody leaves with this probability
        sure = MBGCNBD(SHOP["r"], SHOP["alpha"], 1e14 * p, 1e14 * (1 - p), k=2)
        return float(sure.purchases_if_alive(1.3 * t, *history))

    certain = min(1 / leaving, 1.0)
    law = stats.beta(a, b)
    at_once = given(1 - 1e-12) * law.sf(certain)
    # In the power of p that makes its density bounded.
    mean, _ = integrate.quad(
        lambda y: given(min(leaving * y ** (1 / a), 1 - 1e-12)) * (1 - y ** (1 / a)) ** (b - 1),
        0,
        certain**a,
        epsrel=1e-9,
    )
    exact = mean / a / special.beta(a, b) + at_once
    changed = model.purchases_if_changed(t, *history, buying=1.3, leaving=leaving)
    assert float(changed) == pytest.approx(exact, rel=1e-6)
    endless = MBGCNBD(0.85, 1.45, 2.5, 2.42, k=2)
    for_ever = endless.purchases_if_changed(np.inf, *history, leaving=leaving)
    inverse = stats.beta(2.5, b).expect(lambda p: 1 / min(leaving * p, 1.0))
    assert float(for_ever) == pytest.approx(inverse, rel=1e-6)


def test_a_regular_buyer_is_due_when_he_is_due(kind):
    """Quantiles of the wait are where the probability of a purchase is theirs; so are means."""
    model = kind(2.0, 1.45, 0.79, 2.42, k=4)
    x, t_x, T = np.array([0, 6, 6, 40]), np.array([0, 20.0, 30.0, 30.0]), 30.0
    q = np.array([1e-6, 0.3, 0.9, 0.9999])[:, None]
    waits = model.wait_quantile_if_alive(q, x, t_x, T)
    none = model.purchase_pmf_if_alive(0, waits, x, t_x, T)
    assert 1 - none[1:] == pytest.approx(np.broadcast_to(q, waits.shape)[1:], rel=1e-12)
    at_least_one = model.purchases_if_alive(waits[0], x, t_x, T)
    assert at_least_one == pytest.approx(np.full(4, 1e-6), rel=1e-5)
    assert waits[1, 1] < waits[1, 2]
    means = [
        integrate.quad(
            lambda v, i=i: (
                float(model.purchase_pmf_if_alive(0, v / (1 - v), x[i], t_x[i], T)) / (1 - v) ** 2
            ),
            0,
            1,
        )[0]
        for i in range(4)
    ]
    assert model.expected_wait_if_alive(x, t_x, T) == pytest.approx(means, rel=1e-5)
    assert kind(**SHOP, k=3).expected_wait_if_alive(0, 0.0, 30.0) == np.inf
    # Nearly all of a shop may never buy again, and who is due tomorrow may be late all the same.
    rare, long_ago = kind(2e-3, 1.45, 0.79, 2.42, k=4), (0, 0.0, [1e-9, 5.0, 1e9])
    waits = rare.wait_quantile_if_alive(np.array([[0.0], [0.2], [0.999], [1.0]]), *long_ago)
    assert (waits[1:] >= waits[:-1]).all()
    assert (waits[0] == 0).all()
    assert (waits[-1] == np.inf).all()
    bought = 1 - rare.purchase_pmf_if_alive(0, waits[1], *long_ago)
    assert bought == pytest.approx(np.full(3, 0.2), rel=1e-9)


# The story, drawn one purchase at a time.

TOLD = {BGCNBD: 3, MBGCNBD: 2}


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.name)
def story(request):
    """120,000 customers of a shop: histories until T, and purchases within as long again."""
    model = request.param(**SHOP, k=TOLD[request.param])
    rng = np.random.default_rng(8)
    n, T = 120_000, 12.0
    rate = rng.gamma(model.r, 1 / model.alpha, n)
    leaving = rng.beta(model.a, model.b, n)
    alive = rng.random(n) >= leaving if model.leave_at_once else np.ones(n, dtype=bool)
    alive_at_T = alive.copy()
    x, last, after, worth, log_gaps = (np.zeros(n) for _ in range(5))
    clock, active = np.zeros(n), np.flatnonzero(alive)
    while active.size:
        gap = rng.gamma(model.k, 1 / rate[active])
        clock[active] += gap
        early = clock[active] <= T
        x[active[early]] += 1
        last[active[early]] = clock[active[early]]
        log_gaps[active[early]] += np.log(gap[early])
        within = ~early & (clock[active] <= 2 * T)
        after[active[within]] += 1
        worth[active[within]] += np.exp(-0.05 * (clock[active[within]] - T))
        leaves = rng.random(active.size) < leaving[active]
        alive_at_T[active[leaves & early]] = False
        active = active[~leaves & (clock[active] <= 2 * T)]
    return model, T, x, last, alive_at_T, after, worth, log_gaps.sum()


def near(seen, expected, variance):
    """Within 4.5 standard errors: passed by the right law in all but one of 100,000 cases."""
    assert abs(seen - expected) <= 4.5 * math.sqrt(variance)


def groups(x, last, T):
    silence = T - last
    regular = (x >= 4) & (x <= 12)
    return (
        x == 0,
        x == 1,
        regular & (silence < 0.3),
        regular & (silence > 0.3) & (silence < 1.5),
        regular & (silence > 3.0),
        x > 12,
    )


def test_new_customers_buy_as_in_the_story(story):
    model, T, x, *_ = story
    near(x.mean(), float(model.expected_repeat_purchases(T)), x.var() / x.size)
    assert model.purchase_pmf(np.arange(4_000), T).sum() == pytest.approx(1.0, abs=1e-6)
    for n in range(5):
        p = float(model.purchase_pmf(n, T))
        near((x == n).mean(), p, p * (1 - p) / x.size)


def test_customers_are_alive_and_buy_on_as_in_the_story(story):
    model, T, x, last, alive, after, worth, _ = story
    for chosen in groups(x, last, T):
        histories = x[chosen], last[chosen], T
        p_alive = model.p_alive(*histories)
        near(alive[chosen].mean(), p_alive.mean(), (p_alive * (1 - p_alive)).mean() / chosen.sum())
        expected = model.expected_purchases(T, *histories)
        near(after[chosen].mean(), expected.mean(), after[chosen].var() / chosen.sum())
        present = model.discounted_purchases(T, *histories, rate=0.05)
        near(worth[chosen].mean(), present.mean(), worth[chosen].var() / chosen.sum())


def test_of_active_customers_recency_tells_how_many_purchases_come(story):
    model, T, x, last, alive, after, *_ = story
    for group in groups(x, last, T):
        chosen = np.flatnonzero(group & alive)[:4_000]
        for n in (0, 1, 3):
            p = model.purchase_pmf_if_alive(n, T, x[chosen], last[chosen], T)
            near((after[chosen] == n).mean(), p.mean(), (p * (1 - p)).mean() / chosen.size)


def test_futures_are_those_of_the_story(story):
    model, T, x, last, _, after, worth, _ = story
    customer, time = model.simulate(np.full(x.size, T), seed=3)
    counts = np.bincount(customer, minlength=x.size)
    near(counts.mean() - x.mean(), 0.0, counts.var() / counts.size + x.var() / x.size)
    for n in range(3):
        near((counts == n).mean() - (x == n).mean(), 0.0, 0.5 / x.size)
    assert (np.diff(time)[np.diff(customer) == 0] >= 0).all()
    assert ((time >= 0) & (time <= T)).all()
    for chosen in groups(x, last, T):
        size = chosen.sum()
        customer, time = model.draw_future(T, x[chosen], last[chosen], T, np.random.default_rng(5))
        counts = np.bincount(customer, minlength=size)
        near(counts.mean() - after[chosen].mean(), 0.0, 2 * after[chosen].var() / size)
        present = np.bincount(customer, np.exp(-0.05 * time), size)
        near(present.mean() - worth[chosen].mean(), 0.0, 2 * worth[chosen].var() / size)


def test_the_story_is_recovered_with_its_order(story):
    """Within 4.5 standard errors by the information; k by the likelihood of the orders."""
    model, T, x, last, *_, log_gaps = story
    cells, weights = model.cells(x, last, np.full(x.size, T), weights=np.ones(x.size))
    found = {}
    for k in range(1, model.k + 2):
        total = model.total_log_likelihood(*cells, weights=weights, k=k)

        def minus(parameters, total=total):
            return Derivatives(*(-part / x.size for part in total(parameters)))

        minimum = minimise_positive(minus, model.starting_points())
        assert minimum.converged
        spaced = weights @ model.spacing_log_likelihood(k, *cells[:2])
        of_orders = model.timing_log_likelihood(k, x.sum(), log_gaps) - spaced
        found[k] = minimum, -minimum.value * x.size + of_orders
    assert max(found, key=lambda k: found[k][1]) == model.k
    # The summary alone tells it, too.
    assert min(found, key=lambda k: found[k][0].value) == model.k
    minimum = found[model.k][0]
    errors = np.sqrt(np.diag(np.linalg.inv(minimum.hessian)) / x.size)
    truth = np.log(list(model.parameters.values()))
    assert (np.abs(np.log(minimum.parameters) - truth) < 4.5 * errors).all()


# What is built on it.


@pytest.mark.parametrize("k", [2, 3, 12])
def test_present_values_have_the_moments_they_should(kind, k):
    """Probabilities and means by the other methods; variances by a simulation."""
    model, t, rate, rng = kind(**SHOP, k=k), 52.0, 0.002, np.random.default_rng(6)
    n, t_x, T = np.arange(300), np.array([30.0, 37.0]), np.array([38.0, 38.0])
    found = model.discounted_counts_if_alive(
        n, t, 4.0, t_x, T, discount=ConstantRate(rate), dispersion=0.2
    )
    pmf = model.purchase_pmf_if_alive(n, t, 4, t_x[:, None], T[:, None])
    assert found.probability.sum(axis=2) == pytest.approx(pmf, rel=1e-9, abs=1e-12)
    mean = np.sum(found.probability * found.mean, axis=(1, 2))
    exact = model.purchases_if_alive(t, 4, t_x, T, rate=rate)
    assert mean == pytest.approx(exact, rel=2e-4)
    second = np.sum(found.probability * (found.variance + found.mean**2), axis=(1, 2))
    size = 40_000
    columns = (np.full(size, v) for v in (t, 4.0, 30.0, 38.0))
    customer, time = model.draw_purchases_if_any(*columns, rng)
    squares = np.bincount(customer, np.exp(-rate * time), size) ** 2 * (1 - pmf[0, 0])
    # Beyond what the draws leave open, the approximation is off by half a percent at most.
    assert abs(squares.mean() - second[0]) < 4.5 * squares.std() / size**0.5 + 0.005 * second[0]


def test_no_regularity_in_cdnow(cdnow_rfm, cdnow_orders):
    """k = 1 for the CDNOW sample, where MBG/CNBD-k fits better than BG/CNBD-k: the demo of BTYDplus
    1.2.0 (demo/cdnow.R)."""
    best = {}
    for kind in KINDS:
        fit = kind.fit(cdnow_rfm, orders=cdnow_orders)
        assert fit.model.k == 1
        best[kind] = fit.log_likelihood
    assert best[MBGCNBD] == pytest.approx(MBGNBD.fit(cdnow_rfm).log_likelihood, rel=1e-10)
    assert best[MBGCNBD] > best[BGCNBD]


def test_a_fit_of_a_summary_finds_order_and_estimates(kind, shop):
    """The 8,000 customers of the tests of BTYDplus 1.2.0; within 4.5 standard errors."""
    ages = np.random.default_rng(1).uniform(12.0, 96.0, 8_000)
    fit = kind.fit(shop(kind(**SHOP, k=3), ages, 2), time_unit="W")
    assert fit.model.k == 3
    errors = np.sqrt(np.diag(np.linalg.inv(fit.information)))
    apart = np.log(list(fit.parameters.values())) - np.log(list(SHOP.values()))
    assert (np.abs(apart) < 4.5 * errors).all()


@pytest.mark.parametrize("factor", [7.0, 1e-3])
def test_the_unit_of_time_scales_alpha_alone(kind, factor):
    model = kind(**SHOP, k=3)
    other = model.rescaled(factor)
    assert other == kind(SHOP["r"], SHOP["alpha"] * factor, SHOP["a"], SHOP["b"], k=3)
    x, t_x, T = np.array([0, 2, 40.0]), np.array([0.0, 9.0, 30.0]), 38.0
    here, there = (x, t_x, T), (x, t_x * factor, T * factor)
    # A density of one time for every purchase.
    fallen = model.log_likelihood(*here) - x * math.log(factor)
    assert other.log_likelihood(*there) == pytest.approx(fallen, rel=1e-11)
    assert other.p_alive(*there) == pytest.approx(model.p_alive(*here), rel=1e-11)
    assert other.purchases_if_alive(5.0 * factor, *there, rate=0.01 / factor) == pytest.approx(
        model.purchases_if_alive(5.0, *here, rate=0.01), rel=1e-10
    )


def test_array_parameters_are_one_model_per_customer(kind):
    both = kind(np.array([0.2, 0.9]), np.array([4.0, 12.0]), 0.8, np.array([9.0, 2.0]), k=3)
    each = [kind(0.2, 4.0, 0.8, 9.0, k=3), kind(0.9, 12.0, 0.8, 2.0, k=3)]
    x, t_x, T = np.array([2, 5.0]), np.array([10.0, 30.0]), np.array([20.0, 38.0])
    for ask in (
        lambda model, i: model.log_likelihood(x[i], t_x[i], T[i]),
        lambda model, i: model.p_alive(x[i], t_x[i], T[i]),
        lambda model, i: model.expected_purchases(26.0, x[i], t_x[i], T[i]),
        lambda model, i: model.discounted_purchases(26.0, x[i], t_x[i], T[i], rate=0.01),
        lambda model, i: model.purchase_pmf_if_alive(1, 26.0, x[i], t_x[i], T[i]),
        lambda model, i: model.expected_wait_if_alive(x[i], t_x[i], T[i]),
        lambda model, i: model.wait_quantile_if_alive(0.2, x[i], t_x[i], T[i]),
    ):
        apart = [float(ask(model, i)) for i, model in enumerate(each)]
        assert ask(both, slice(None)) == pytest.approx(apart, rel=1e-11)
    terms = {"discount": ConstantRate(0.01), "dispersion": 0.2}
    together = both.discounted_counts_if_alive(np.arange(9), 26.0, 3.0, t_x, T, **terms)
    alone = each[1].discounted_counts_if_alive(np.arange(9), 26.0, 3.0, t_x[1:], T[1:], **terms)
    assert together.probability[1] == pytest.approx(alone.probability[0], rel=1e-9, abs=1e-12)
    customer, _ = both.draw_purchases_if_any(T, x, t_x, T, np.random.default_rng(1))
    assert set(customer) == {0, 1}


def test_edges(kind):
    model = kind(**SHOP, k=3)
    today = model.purchases_if_alive(10.0, [0, 3], [0.0, 7.0], [0.0, 7.0])
    assert np.isfinite(today).all()
    assert model.p_alive(3, 7.0, 7.0) == pytest.approx(
        (SHOP["b"] + 2 + kind.leave_at_once) / (SHOP["a"] + SHOP["b"] + 2 + kind.leave_at_once)
    )
    heavy = model.p_alive([10_000, 10_000], [1000.0, 1.0], 1000.5)
    assert 0 < heavy[0] < 1
    assert heavy[1] == 0
    assert np.isfinite(model.log_likelihood([10_000, 10_000], [1000.0, 1.0], 1000.5)).all()
    assert model.settings == {"k": 3}
    assert model.purchases_if_alive(5.0, np.empty(0), np.empty(0), np.empty(0)).shape == (0,)
    for k in (0, 1.5, 51, math.nan, np.array([1, 2])):
        with pytest.raises(DataError, match="whole number from 1 to 50"):
            kind(**SHOP, k=k)
    with pytest.raises(DataError, match="t=-1"):
        model.purchases_if_alive(-1, 0, 0, 1)
    with pytest.raises(DataError, match="one horizon"):
        model.purchases_if_alive([1, 2], 0, 0, 1, rate=0.1)


def test_limiting_models_have_their_names_and_rates_of_purchases_not_phases(kind):
    (forever,) = kind(0.8, 1.5, 1e-9, 2.4, k=3).remarks(frozenset({"a", "b"}))
    assert "the model is the CNBD-3 model, in which nobody ever leaves" in forever
    alike = kind(40.0, 10.0, 0.8, 2.4, k=4).remarks(frozenset({"r", "alpha"}))
    assert alike == (
        "r and alpha grow together without limit: all customers buy at the same rate 1 per time "
        "unit; only r / alpha is identified.",
    )
