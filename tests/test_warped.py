"""Models in warped time: a simulation of their own, sums by brute force, and what s = 1 makes."""

import datetime as dt
import math

import numpy as np
import pandas as pd
import pytest

from clvforecast import BGNBD, MBGNBD, ParetoNBD
from clvforecast.calendars import Basis, Calendar, Clock
from clvforecast.errors import DataError, FitError
from clvforecast.models.discounting import ConstantRate
from clvforecast.models.warped import Warped, WarpedDiscount

START, UNTIL = dt.date(2021, 9, 5), dt.date(2023, 10, 20)
RATIOS = np.array([0.7, 0.6, 0.8, 1.0, 1.1, 0.9, 0.8, 0.7, 1.0, 1.2, 1.6])
SALE = [("2022-11-21", "2022-11-27"), ("2023-11-20", "2023-11-26"), ("2024-11-25", "2024-12-01")]
BASES = {
    "bgnbd": BGNBD(r=0.6, alpha=6.0, a=0.9, b=2.0),
    "mbgnbd": MBGNBD(r=0.525, alpha=6.183, a=0.891, b=1.614),
}
x = np.array([0.0, 1.0, 3.0, 9.0, 400.0])
t_x = np.array([0.0, 1.0, 40.0, 99.0, 100.0])
T = np.array([0.0, 60.0, 80.0, 100.0, 100.0])


def warped(base, *, flat=False, unit_days=7.0, until=UNTIL, **terms):
    terms = terms or {"months": True, "events": {"sale": SALE}}
    basis = Basis(Calendar(**terms), START, UNTIL)
    coefficients = np.append(np.log(RATIOS), math.log(2.5))
    if flat:
        coefficients = np.zeros(len(basis.names))
    return Warped(base, Clock(basis, coefficients, until, unit_days))


@pytest.fixture(params=BASES.values(), ids=BASES.keys())
def model(request):
    return warped(request.param)


def multipliers_by_hand(first, last):
    """What the calendar of these tests says of each day, from pandas and nothing of ours."""
    days = pd.date_range(first, last)
    length = pd.Series({1: 31, 2: 28.2425, 3: 31, 4: 30, 5: 31, 6: 30, 7: 31, 8: 31, 9: 30})
    length = pd.concat([length, pd.Series({10: 31, 11: 30, 12: 31})])
    logs = np.log(RATIOS)
    of_month = dict(zip(range(1, 12), RATIOS, strict=True))
    of_month[12] = math.exp(-(length[:11].to_numpy() @ logs) / length[12])
    s = np.array([of_month[month] for month in days.month])
    for start, end in SALE:
        s[(days >= start) & (days <= end)] *= 2.5
    return s


class Story:
    """150,000 customers who first bought on one day, drawn by thinning, purchase by purchase.

    Candidates come at the highest rate there is; one on a day with the multiplier s is a purchase
    with probability s over the highest.
    """

    customers = 150_000
    first = dt.date(2022, 2, 14)
    T = (UNTIL - first).days / 7
    t = 39.0

    def __init__(self, model):
        base, n, rng = model.base, self.customers, np.random.default_rng(17)
        s = multipliers_by_hand(self.first + dt.timedelta(1), "2024-12-31")
        rate = rng.gamma(base.r, 1 / base.alpha, n)
        leaving = rng.beta(base.a, base.b, n)
        self.x, self.t_x, self.ahead, self.present = np.zeros((4, n))
        self.december = np.zeros(n)
        self.alive = rng.random(n) >= leaving if base.leave_at_once else np.ones(n, dtype=bool)
        now, active = np.zeros(n), np.flatnonzero(self.alive)
        while active.size:
            now[active] += rng.exponential(1 / (rate[active] * s.max()))
            active = active[now[active] < self.T + self.t]
            pace = s[np.floor(now[active] * 7).astype(int)]
            buys = active[rng.random(active.size) < pace / s.max()]
            before = buys[now[buys] <= self.T]
            after = buys[now[buys] > self.T]
            self.x[before] += 1
            self.t_x[before] = now[before]
            self.ahead[after] += 1
            self.present[after] += np.exp(-0.01 * (now[after] - self.T))
            day = now[after] * 7 - self.T * 7
            self.december[after] += (day > 42) & (day <= 73)  # 42 days until the 1st of December
            gone = buys[rng.random(buys.size) < leaving[buys]]
            self.alive[gone[now[gone] <= self.T]] = False
            active = np.setdiff1d(active, gone, assume_unique=True)


@pytest.fixture(scope="module", params=BASES.values(), ids=BASES.keys())
def story(request):
    model = warped(request.param)
    return model, Story(model)


def near(seen, expected, variance):
    """Within 4.5 standard errors: passed by the right law in all but one of 100,000 cases."""
    assert abs(seen - expected) <= 4.5 * math.sqrt(variance)


def test_new_customers_buy_as_in_the_story(story):
    """DESIGN fact 6. They came so long before the end of observation."""
    model, seen = story
    new, n = model.later(-seen.T), seen.customers
    near(seen.x.mean(), new.expected_repeat_purchases(seen.T), seen.x.var() / n)
    assert new.purchase_pmf(np.arange(3000), seen.T).sum() == pytest.approx(1.0, abs=1e-6)
    for count in range(4):
        p = float(new.purchase_pmf(count, seen.T))
        near((seen.x == count).mean(), p, p * (1 - p) / n)


def test_customers_are_alive_and_buy_on_as_in_the_story(story):
    model, seen = story
    half = seen.T / 2
    groups = (
        seen.x == 0,
        seen.x == 1,
        (seen.x >= 2) & (seen.t_x < half),
        (seen.x >= 2) & (seen.t_x >= half),
        (seen.x > 6),
    )
    for some in groups:
        histories, n = (seen.x[some], seen.t_x[some], seen.T), some.sum()
        p_alive = model.p_alive(*histories)
        near(seen.alive[some].mean(), p_alive.mean(), (p_alive * (1 - p_alive)).mean() / n)
        ahead = model.expected_purchases(seen.t, *histories)
        near(seen.ahead[some].mean(), ahead.mean(), seen.ahead[some].var() / n)
        present = model.discounted_purchases(seen.t, *histories, rate=0.01)
        near(seen.present[some].mean(), present.mean(), seen.present[some].var() / n)
        none = 1 - p_alive * (1 - model.purchase_pmf_if_alive(0, seen.t, *histories))
        near((seen.ahead[some] == 0).mean(), none.mean(), (none * (1 - none)).mean() / n)
        to_december = [model.expected_purchases(t, *histories).mean() for t in (42 / 7, 73 / 7)]
        near(seen.december[some].mean(), np.diff(to_december)[0], seen.december[some].var() / n)


def test_without_the_calendar_december_would_be_missed(story):
    model, seen = story
    plain = [model.base.expected_purchases(t, seen.x, seen.t_x, seen.T) for t in (42 / 7, 73 / 7)]
    assert seen.december.mean() > 1.2 * (plain[1] - plain[0]).mean()


def test_futures_are_those_of_the_story(story):
    model, seen = story
    rng, chosen = np.random.default_rng(5), slice(0, 50_000)
    history = seen.x[chosen], seen.t_x[chosen], seen.T
    customer, time = model.draw_future(seen.t, *history, rng)
    counts = np.bincount(customer, minlength=50_000)
    near(counts.mean(), seen.ahead.mean(), counts.var() / 50_000 + seen.ahead.var() / 150_000)
    in_december = ((time > 42 / 7) & (time <= 73 / 7)).sum() / 50_000
    near(in_december, seen.december.mean(), seen.december.var() * (1 / 50_000 + 1 / 150_000))
    assert ((time >= 0) & (time <= seen.t)).all()
    later_than = model.later(np.linspace(0.0, 20.0, 50_000))  # each comes at another moment
    customer, time = later_than.draw_future(10.0, np.zeros(50_000), 0.0, 0.0, rng)
    counts = np.bincount(customer, minlength=50_000)
    near(counts.mean(), later_than.expected_repeat_purchases(10.0).mean(), counts.var() / 50_000)


@pytest.mark.parametrize("base", BASES.values(), ids=BASES.keys())
def test_a_calendar_of_ones_changes_nothing(base):
    one = warped(base, flat=True)
    rng = [np.random.default_rng(1) for _ in range(2)]
    n, t = np.arange(6.0), 39.0
    calls = [
        lambda m: m.log_likelihood(x, t_x, T),
        lambda m: m.p_alive(x, t_x, T),
        lambda m: m.purchases_if_alive([[t], [0.0], [0.3]], x, t_x, T),
        lambda m: m.purchases_if_alive(np.inf, x, t_x, T),
        lambda m: m.purchases_if_alive(t, x, t_x, T, rate=0.002),
        lambda m: m.purchases_if_alive(np.inf, x, t_x, T, rate=0.002),
        lambda m: m.purchases_if_alive(0.0, x, t_x, T, rate=0.002),
        lambda m: m.purchases_if_changed(t, x, t_x, T, buying=2.0, leaving=0.5),
        lambda m: m.purchases_if_changed(t, x, t_x, T, buying=2.0, leaving=0.8, rate=0.01),
        lambda m: m.purchase_pmf_if_alive(n[:, None], t, x, t_x, T),
        lambda m: m.purchase_pmf(n, t),
        lambda m: m.expected_repeat_purchases([1.0, t]),
        lambda m: m.expected_wait_if_alive(x, t_x, T),
        lambda m: m.wait_quantile_if_alive([[0.1], [0.9], [1.0]], x, t_x, T),
        lambda m: m.draw_future(np.full(5, t), x, t_x, T, rng.pop())[1],
        *(
            lambda m, k=k: m.discounted_counts_if_alive(
                n, t, 3.0, t_x[2:4], T[2:4], discount=ConstantRate(0.002), dispersion=0.3
            )[k]
            for k in range(4)
        ),
    ]
    for call in calls:
        assert call(one) == pytest.approx(call(base), rel=1e-12, abs=1e-14)


def brute_force(model, t, x, T, rate):
    """Expected purchases day by day, each discounted: Gauss-Legendre in every day, by parts."""
    days = model.clock.day_ends(0.0, t)
    edges = np.union1d(days, np.concatenate((np.geomspace(1e-7, 0.5, 150), np.linspace(0, 1, 60))))
    edges = edges[edges <= t]
    nodes, weights = np.polynomial.legendre.leggauss(10 if t < 100 else 3)
    u = edges[:-1, None] + 0.5 * np.diff(edges)[:, None] * (nodes + 1)
    mass = 0.5 * np.diff(edges)[:, None] * weights * rate * np.exp(-rate * u)
    clock = model.clock
    # The plain model is asked for spans of warped time, and knows of no day.
    upto = model.base.purchases_if_alive(clock.ahead(u.ravel()), x, 0, clock.since(T))
    at_end = model.base.purchases_if_alive(clock.ahead(t), x, 0, clock.since(T))
    return mass.ravel() @ upto + math.exp(-rate * t) * at_end


@pytest.mark.parametrize(("t", "rate"), [(0.04, 0.002), (3.3, 0.002), (60.0, 0.002), (1500, 0.03)])
def test_discounting_is_exact_to_the_day(model, t, rate):
    later = model.later(6.13)
    expected = [brute_force(later, t, *state, rate) for state in zip(x, T, strict=True)]
    assert later.purchases_if_alive(t, x, t_x, T, rate=rate) == pytest.approx(expected, rel=1e-10)
    forever = later.purchases_if_alive(np.inf, x, t_x, T, rate=0.03)
    assert later.purchases_if_alive(1500.0, x, t_x, T, rate=0.03) == pytest.approx(
        forever, rel=1e-12
    )


def test_discounting_for_ever_is_the_limit_of_a_long_time(model):
    """Single days, groups of them, and what lies beyond 400 years meet all but without a seam."""
    rate, t = 2e-4, 22_000.0
    expected = brute_force(model, t, 3, 80, rate)
    assert float(model.purchases_if_alive(t, 3, 40, 80, rate=rate)) == pytest.approx(
        expected, rel=1e-8
    )
    assert model.purchases_if_alive(np.inf, 3, 40, 80, rate=rate) > expected


def test_customers_who_come_at_different_moments_are_each_their_own(model):
    by = np.array([0.0, 3.0, 17.5])
    together = model.later(by)
    for name, arguments in {
        "expected_repeat_purchases": (30.0,),
        "purchase_pmf": (2, 30.0),
        "p_alive": (2, 5.0, 30.0),
        "expected_wait_if_alive": (2, 5.0, 30.0),
        "wait_quantile_if_alive": (0.5, 2, 5.0, 30.0),
    }.items():
        alone = [getattr(model.later(each), name)(*arguments) for each in by]
        assert getattr(together, name)(*arguments) == pytest.approx(np.ravel(alone), rel=1e-12)
    alone = [model.later(each).expected_repeat_purchases(30.0, rate=0.01) for each in by]
    assert together.expected_repeat_purchases(30.0, rate=0.01) == pytest.approx(np.ravel(alone))
    some, states, codes = together.distinct(np.zeros(3), np.zeros(3), np.ones(3))
    assert some.purchases_if_alive(9.0, *states)[codes] == pytest.approx(
        together.purchases_if_alive(9.0, 0, 0, 1.0), rel=1e-12
    )
    moved = warped(model.base, until=UNTIL + dt.timedelta(21))
    assert model.later(3.0).p_alive(2, 5.0, 30.0) == pytest.approx(moved.p_alive(2, 5.0, 30.0))


def test_an_array_of_moments_has_no_common_discount(model):
    with pytest.raises(DataError, match="one day"):
        model.later(np.zeros(2)).discounted_counts_if_alive(
            [1], 9.0, 1.0, t_x[:1], T[:1], discount=ConstantRate(0.01), dispersion=1.0
        )


def test_moments_of_discounted_counts_add_up_to_their_expectation(model):
    n = np.arange(400.0)
    counts = model.discounted_counts_if_alive(
        n, 70.0, 3.0, t_x[2:4], T[2:4], discount=ConstantRate(0.01), dispersion=0.3
    )
    mean = (counts.probability * counts.mean).sum(axis=(1, 2))
    expected = model.purchases_if_alive(70.0, 3.0, t_x[2:4], T[2:4], rate=0.01)
    assert mean == pytest.approx(expected, rel=1e-4)
    pmf = model.purchase_pmf_if_alive(n[:, None], 70.0, 3.0, t_x[2:4], T[2:4])
    assert pytest.approx(pmf, rel=1e-10, abs=1e-15) == counts.probability.sum(axis=2).T


def test_purchases_spread_evenly_over_warped_time(model):
    """Present values, by drawing purchases uniformly in warped time."""
    clock, rate, rng = model.clock, 0.02, np.random.default_rng(2)
    stop = float(clock.ahead(60.0))
    purchases = clock.ahead_inverse(rng.uniform(0, stop, (100_000, 3)))
    present = np.exp(-rate * purchases).sum(axis=1) + math.exp(-rate * 60.0)
    moments = WarpedDiscount(clock, rate).until(stop, 3, 1)
    near(present.mean(), float(moments.mean), present.var() / present.size)
    fourth = np.mean((present - present.mean()) ** 4)
    near(present.var(), float(moments.variance), (fourth - present.var() ** 2) / present.size)
    squares = np.exp(-2 * rate * purchases).sum(axis=1) + math.exp(-2 * rate * 60.0)
    near(squares.mean(), float(moments.squares), squares.var() / squares.size)
    assert WarpedDiscount(clock, rate).until(0.0, 2, 0).mean == pytest.approx(2.0)


@pytest.mark.parametrize(("count", "age"), [(2, 30.0), (9, 100.0), (400, 100.0)])
def test_expected_waits_are_exact_sums_over_days(model, count, age):
    """Of the chance to wait longer: on each day it is a power of warped time."""
    shape = model.base.r + count
    scale = model.base.alpha + float(model.clock.since(age))
    times = np.arange(0, 400_000) / 7
    passed = model.clock.ahead(times)
    left = scale / (shape - 1) * (1 + passed / scale) ** (1 - shape)
    pace = np.diff(passed) / np.diff(times)
    expected = np.sum(-np.diff(left) / pace) + left[-1] / model.clock.pace.average
    assert float(model.expected_wait_if_alive(count, 1.0, age)) == pytest.approx(expected, rel=1e-7)
    assert model.expected_wait_if_alive(0, 0.0, age) == np.inf


def test_quantiles_of_waits_invert_the_chance_to_buy(model):
    q = np.array([0.05, 0.5, 0.9])
    wait = model.wait_quantile_if_alive(q, 3, 40.0, 80.0)
    assert 1 - model.purchase_pmf_if_alive(0, wait, 3, 40.0, 80.0) == pytest.approx(q, rel=1e-10)


def test_the_likelihood_with_its_multipliers_is_a_density_in_time_as_it_is(model):
    """P(one purchase) is the integral of the density of when it was."""
    age = 364 / 7
    s = multipliers_by_hand(UNTIL - dt.timedelta(363), UNTIL)
    nodes, weights = np.polynomial.legendre.leggauss(6)
    when = (np.arange(364)[:, None] + 0.5 * (nodes + 1)) / 7
    density = np.exp(model.log_likelihood(1.0, when, age)) * s[:, None]
    one = model.later(-age).purchase_pmf(1, age)
    assert (density * weights).sum() / 14 == pytest.approx(float(one), rel=1e-9)


def test_the_unit_scales_times_and_nothing_else(model):
    days = model.rescaled(7.0)
    months = model.rescaled(12 * 7 / 365.25)
    assert days.clock.unit_days == pytest.approx(1.0)
    for other, factor in ((days, 7.0), (months, 12 * 7 / 365.25)):
        here = model.discounted_purchases(50.0, x, t_x, T, rate=0.01)
        history = x, t_x * factor, T * factor
        there = other.discounted_purchases(50.0 * factor, *history, rate=0.01 / factor)
        assert there == pytest.approx(here, rel=1e-12)
        assert other.p_alive(*history) == pytest.approx(model.p_alive(x, t_x, T), rel=1e-12)
        wait = other.expected_wait_if_alive(*history) / factor
        assert wait == pytest.approx(model.expected_wait_if_alive(x, t_x, T), rel=1e-9)


def test_parameters_are_those_of_the_model_and_the_rate_ratios(model):
    assert model.parameter_names()[:5] == ("r", "alpha", "a", "b", "month=January")
    assert model.parameters["month=January"] == pytest.approx(0.7)
    assert model.parameters["event=sale"] == pytest.approx(2.5)
    other = model.with_parameters(r=0.8, **{"event=sale": 1.5})
    assert other.parameters == pytest.approx(model.parameters | {"r": 0.8, "event=sale": 1.5})
    assert model.with_parameters(**model.parameters).parameters == pytest.approx(model.parameters)
    with pytest.raises(DataError, match="event=sale=0"):
        model.with_parameters(**{"event=sale": 0.0})
    assert model.name == f"{model.base.name} with a calendar"
    each = model.with_parameters(alpha=np.array([5.0, 6.0]))
    alone = [
        float(model.with_parameters(alpha=v).expected_purchases(9, 1, 2, 3)) for v in (5.0, 6.0)
    ]
    assert each.expected_purchases(9, 1, 2, 3) == pytest.approx(alone)
    assert each.of_customers(slice(1, 2), 2).expected_purchases(9, 1, 2, 3) == pytest.approx(
        alone[1:]
    )
    discounted = [
        float(model.with_parameters(alpha=v).purchases_if_alive(9, 1, 2, 3, rate=0.1))
        for v in (5.0, 6.0)
    ]
    assert each.purchases_if_alive(9, 1, 2, 3, rate=0.1) == pytest.approx(discounted)


def test_impossible_histories_are_refused_as_ever(model):
    with pytest.raises(DataError, match="recency > T"):
        model.p_alive(2, 9.0, 5.0)
    with pytest.raises(DataError, match="t=-1"):
        model.purchases_if_alive(-1, 2, 4.0, 5.0)


def test_models_in_which_customers_leave_at_any_time_have_no_warped_time(model):
    with pytest.raises(DataError, match=r"BG/NBD and MBG/NBD, not ParetoNBD"):
        Warped(ParetoNBD(0.5, 10.0, 0.6, 11.0), model.clock)
    with pytest.raises(FitError, match="calendar="):
        Warped.starting_points()


def test_remarks_name_the_multipliers_that_are_lost(model):
    said = model.remarks(frozenset({"month=May"}))
    assert any("multipliers of month=May" in remark for remark in said)
    assert model.remarks(frozenset()) == model.clock.basis.remarks
