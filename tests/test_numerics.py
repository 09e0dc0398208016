"""The quadratures, rising factorials, interpolation and optimiser, against exact values."""

import math

import mpmath as mp
import numpy as np
import pytest
from scipy.special import exp1

from clvforecast.numerics.arrays import distinct, distinct_rows, weighted_rows
from clvforecast.numerics.blocks import blockwise
from clvforecast.numerics.interpolation import evaluate_smooth, interpolations
from clvforecast.numerics.optimise import Derivatives, minimise_positive
from clvforecast.numerics.quadrature import beta_rule, decay_rule
from clvforecast.numerics.rising import RisingFactorials, log_rising
from clvforecast.numerics.sums import ShiftedSums, dot, inverse_square
from clvforecast.units import days_per

SHAPES = [0.01, 0.3, 1.0, 2.5, 40.0, 1e3, 1e6]


@pytest.mark.parametrize("a", SHAPES)
@pytest.mark.parametrize("b", SHAPES)
def test_beta_rule_has_the_moments_of_the_beta_law(a, b):
    p, weights = beta_rule(a, b, finest=1.0)
    assert weights @ p == pytest.approx(a / (a + b), rel=1e-11)
    assert weights @ p**2 == pytest.approx(a * (a + 1) / (a + b) / (a + b + 1), rel=1e-11)
    assert weights @ (1 - p) == pytest.approx(b / (a + b), rel=1e-11)
    assert len(p) < 200


@pytest.mark.parametrize("a", [1e-6, 0.3, 99.0, 101.0, 1e9, 1e17, 1e40])
@pytest.mark.parametrize("b", [1e-6, 0.3, 99.0, 101.0, 1e9, 1e17, 1e43])
def test_beta_rule_at_any_parameters_a_search_may_end_at(a, b):
    p, weights = beta_rule(a, b, finest=3.0)
    if max(a, b) > 1e3:  # E[f(P)] is f(mean) + f''(mean) variance / 2, and no more in double
        mean = a / (a + b)
        variance = mean * (1 - mean) / (a + b + 1)
        exact, close = 1 / (1 + 3 * mean) + 9 * variance / (1 + 3 * mean) ** 3, 1e-8
    else:
        close = 1e-12
        exact = float(mp.hyp2f1(1, a, a + b, -3) if a < b else mp.hyp2f1(1, b, a + b, 0.75) / 4)
    assert weights @ (1 / (1 + 3 * p)) == pytest.approx(exact, rel=close)


@pytest.mark.parametrize("a", [0.05, 1.0, 7.0])
@pytest.mark.parametrize("tau", [1e-3, 1.0, 1e3, 1e6])
def test_beta_rule_does_not_care_how_steep_the_integrand_is(a, tau):
    b, s = 3.5, 40.0
    p, weights = beta_rule(a, b, finest=s * tau)
    with mp.workdps(40):
        exact = mp.hyp2f1(s, a, a + b, -tau)
    assert weights @ (1 + p * tau) ** -s == pytest.approx(float(exact), rel=1e-12)


def test_decay_rule_integrates_discounted_decays():
    t, weights = decay_rule(np.array([1.0, 45.0]), fastest=1.0)
    assert np.sum(weights * np.exp(-t), axis=-1) == pytest.approx(-np.expm1([-1.0, -45.0]))
    t, weights = decay_rule(45.0, fastest=30.0)
    slow = weights @ (np.exp(-t) / (1 + 20 * t))
    assert slow == pytest.approx(math.exp(1 / 20) * exp1(1 / 20) / 20, rel=1e-13)


@pytest.mark.parametrize("a", [1e-3, 0.7, 12.0, 1e8])
def test_rising_factorials_and_their_derivatives(a):
    counts = np.array([0, 1, 2, 170, 3000])
    rising = RisingFactorials(counts)
    with mp.workdps(40):
        logs = [float(mp.log(mp.rf(mp.mpf(a), int(x)))) for x in counts]
        slopes = [float(mp.psi(0, a + int(x)) - mp.psi(0, a)) for x in counts]
        curvatures = [float(mp.psi(1, a + int(x)) - mp.psi(1, a)) for x in counts]
    assert rising.log(a) == pytest.approx(logs, rel=1e-13)
    assert log_rising(a, counts) == pytest.approx(logs, rel=1e-13)
    assert rising.slope(a) == pytest.approx(slopes, rel=1e-12)
    assert rising.curvature(a) == pytest.approx(curvatures, rel=1e-12)


def test_log_rising_broadcasts_over_array_parameters():
    a, x = np.array([[0.5], [2.0]]), np.array([0, 1, 4])
    expected = [
        [0, math.log(0.5), math.log(0.5 * 1.5 * 2.5 * 3.5)],
        [0, math.log(2), math.log(120)],
    ]
    assert log_rising(a, x) == pytest.approx(np.array(expected), abs=1e-14)


def test_interpolation_is_exact_and_saves_evaluations():
    evaluated = []

    def expectation(scale):
        evaluated.append(scale.size)
        return (1 + 3.0 / scale) ** -2.5

    points = np.linspace(0.05, 200, 20_000)
    values = evaluate_smooth(expectation, points)
    assert values == pytest.approx((1 + 3.0 / points) ** -2.5, rel=1e-12)
    assert sum(evaluated) < 200


def test_interpolation_evaluates_few_points_directly():
    points = np.array([1.0, 2.0, 5.0])
    assert np.array_equal(evaluate_smooth(np.sqrt, points), np.sqrt(points))


def test_interpolation_of_a_function_with_zeros():
    points = np.linspace(0.05, 200, 20_000)
    values = evaluate_smooth(lambda at: (at - 1) / (at + 3) ** 2, points, relative=False)
    assert values == pytest.approx((points - 1) / (points + 3) ** 2, abs=1e-13)


@pytest.mark.parametrize(
    ("steepness", "sizes"),
    [(0.2, [25]), (1.0, [25, 49]), (4.0, [25, 49, 97, 193]), (100.0, [25, 49, 97, 193, 400])],
)
def test_the_first_interpolation_that_resolves_is_exact(steepness, sizes):
    """The steeper a law, the more nodes, and in the end all points."""
    points = np.geomspace(0.5, 900.0, 400)

    def laws(at):
        ratio = (at / 40.0) ** steepness
        return np.stack([1 / (1 + ratio), ratio / (1 + ratio)], axis=1)

    tried = []
    for between in interpolations(points):
        tried.append(between.nodes.size)
        assert points[0] <= between.nodes.min() <= between.nodes.max() <= points[-1]
        if between.resolves(laws(between.nodes), 1e-12):
            break
    assert between(laws(between.nodes)) == pytest.approx(laws(points), abs=1e-11)
    assert tried == sizes


def test_a_dot_product_of_long_columns():
    first, second = np.random.default_rng(0).normal(size=(2, 40_000))
    assert dot(first, second) == pytest.approx(math.fsum(first * second), rel=1e-12)


def test_distinct_rows_rebuild_the_columns():
    rng = np.random.default_rng(0)
    columns = [
        rng.integers(0, 4, 300) / 7,
        rng.integers(0, 9, 300).astype(float),
        np.full(300, 2.5),
    ]
    levels, codes = distinct_rows(*columns)
    rows = list(zip(*(c.tolist() for c in levels), strict=True))
    assert rows == sorted(set(zip(*(c.tolist() for c in columns), strict=True)))
    for level, column in zip(levels, columns, strict=True):
        assert np.array_equal(level[codes], column)


def test_distinct_rows_of_more_combinations_than_an_integer_holds():
    values = np.random.default_rng(0).uniform(size=(5, 40_000))
    columns = [np.concatenate([v, v]) for v in values]
    levels, codes = distinct_rows(*columns)
    assert levels[0].size == 40_000
    for level, column in zip(levels, columns, strict=True):
        assert np.array_equal(level[codes], column)


@pytest.mark.parametrize("weights", [np.ones(300), np.arange(300) % 4 + 0.5])
def test_weighted_rows_keep_the_totals(weights):
    rng = np.random.default_rng(0)
    columns = [rng.integers(0, 9, 300) / 7, rng.integers(0, 90, 300).astype(float)]
    levels, totals = weighted_rows(*columns, weights=weights)
    assert totals.sum() == pytest.approx(weights.sum())
    for a, b, total in zip(*levels, totals, strict=True):
        assert total == pytest.approx(weights[(columns[0] == a) & (columns[1] == b)].sum())


def test_distinct_of_a_broadcast_constant():
    levels, codes = distinct(np.broadcast_to(4.0, (3,)))
    assert levels.tolist() == [4.0]
    assert codes.tolist() == [0, 0, 0]


def test_optimiser_finds_the_minimum_from_any_start():
    target = np.array([0.02, 300.0])

    def function(p):
        logs = np.log(p / target)
        return Derivatives(
            float(logs @ logs + 0.5 * logs[0] * logs[1]),
            (2 * logs + 0.5 * logs[::-1]) / p,
            (np.array([[2, 0.5], [0.5, 2]]) - np.diag(2 * logs + 0.5 * logs[::-1]))
            / np.outer(p, p),
        )

    for start in ([1.0, 1.0], [1e-3, 1e6]):
        found = minimise_positive(function, [np.array(start)])
        assert found.converged
        assert found.parameters == pytest.approx(target, rel=1e-8)
        assert found.hessian == pytest.approx(np.array([[2, 0.5], [0.5, 2]]), rel=1e-6)


def test_distinct_times_are_those_of_sorting_whatever_their_unit():
    days = np.random.default_rng(0).integers(-20, 4000, 40_000)
    for unit in "DWMY":
        values = days / days_per(unit)
        levels, codes = distinct(values)
        assert np.array_equal(levels, np.unique(values))
        assert np.array_equal(levels[codes], values)


def test_times_that_differ_in_their_last_digit_are_distinct():
    values = np.arange(40_000) % 500 / 7
    values[-1] = np.nextafter(values[0], 1.0)
    levels, codes = distinct(values)
    assert levels.size == 501
    assert np.array_equal(levels[codes], values)


@pytest.mark.parametrize("shape", [(), (3,), (40_000,), (200, 300)])
def test_blockwise_is_the_function_of_it_all(shape):
    values = np.random.default_rng(0).uniform(size=shape)
    found = blockwise(lambda x, y, z: x * y + z, values, 3.0, values[..., :1] if shape else 1.0)
    assert found.shape == shape
    assert np.array_equal(found, values * 3.0 + (values[..., :1] if shape else 1.0))


def test_shifted_sums_over_several_blocks():
    values, weights = np.random.default_rng(0).uniform(size=(2, 40_000))
    sums = ShiftedSums(values, weights, np.ones(40_000))(0.5, np.log, inverse_square)
    expected = [
        [w @ f(values + 0.5) for w in (weights, 1.0 + 0 * weights)]
        for f in (np.log, lambda t: t**-2)
    ]
    assert sums == pytest.approx(np.array(expected), rel=1e-12)


def test_a_parameter_that_runs_to_infinity_does_not_keep_the_others_from_their_minimum():
    def function(p):
        log = np.log(p[0] / 3)
        return Derivatives(
            float(log**2 + 1 / p[1]),
            np.array([2 * log / p[0], -(p[1] ** -2)]),
            np.diag([2 * (1 - log) / p[0] ** 2, 2 * p[1] ** -3]),
        )

    found = minimise_positive(function, [np.array([50.0, 1.0])])
    assert found.converged
    assert found.parameters[0] == pytest.approx(3.0, rel=1e-8)
    assert found.parameters[1] > 1e6


def test_optimiser_says_when_there_is_no_minimum():
    def downhill(p):
        return Derivatives(-float(np.log(p[0])), -1 / p, np.diag(p**-2))

    assert not minimise_positive(downhill, [np.array([1.0])]).converged
