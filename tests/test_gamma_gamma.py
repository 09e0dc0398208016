"""Gamma-Gamma: published values, exactness, simulation."""

import math

import mpmath as mp
import numpy as np
import pytest

from clvforecast import DataError, GammaGamma

CDNOW = GammaGamma(p=6.25, q=3.74, v=15.44)


def test_published_example():
    """Fader and Hardie, "The Gamma-Gamma Model of Monetary Value" (2013), section 4.

    The population mean p v / (q - 1), and customers shrunk towards it.
    """
    assert CDNOW.expected_spend(0, 0) == pytest.approx(35.22, abs=0.01)
    weight = 6.25 * 2 / (6.25 * 2 + 3.74 - 1)
    blended = (1 - weight) * 6.25 * 15.44 / 2.74 + weight * 22.35
    assert CDNOW.expected_spend(2, 22.35) == pytest.approx(blended, rel=1e-13)


@pytest.mark.parametrize(("x", "m"), [(1, 0.37), (4, 35.0), (1000, 12.0)])
def test_likelihood_is_the_density_of_the_mean(x, m):
    """Equation 1a, as the mixture it comes from: gamma means with a gamma rate."""
    p, q, v = CDNOW.p, CDNOW.q, CDNOW.v

    def joint(rate):
        mean_density = mp.exp(
            p * x * mp.log(rate * x) + (p * x - 1) * mp.log(m) - rate * x * m - mp.loggamma(p * x)
        )
        return mean_density * v**q * rate ** (q - 1) * mp.exp(-v * rate) / mp.gamma(q)

    peak = (p * x + q) / (x * m + v)
    width = peak / math.sqrt(p * x + q)
    cuts = [max(0.0, peak + k * width) for k in (-30, -8, -3, 0, 3, 8, 30, 80)]
    with mp.workdps(30):
        exact = mp.log(mp.quad(joint, sorted(set(cuts))))
    assert CDNOW.log_likelihood(x, m) == pytest.approx(float(exact), rel=1e-9)


def test_customers_without_spend_say_nothing():
    assert CDNOW.log_likelihood([0, 3], [0.0, 0.0]).tolist() == [0, 0]
    assert CDNOW.informative(np.array([0.0, 3, 3]), np.array([0.0, 0, 5])).tolist() == [
        False,
        False,
        True,
    ]


def test_expectation_agrees_with_simulation():
    rng = np.random.default_rng(3)
    x, m, draws = 3, 20.0, 400_000
    rate = rng.gamma(CDNOW.p * x + CDNOW.q, 1 / (CDNOW.v + x * m), draws)
    orders = rng.gamma(CDNOW.p, 1 / rate)
    assert abs(orders.mean() - CDNOW.expected_spend(x, m)) < 4 * orders.std() / math.sqrt(draws)


def test_a_mean_that_does_not_exist_is_infinite_and_never_negative():
    heavy = GammaGamma(p=0.5, q=0.4, v=10.0)
    assert heavy.expected_spend([0, 1, 2], [0, 30.0, 30.0]).tolist()[:2] == [math.inf, math.inf]
    assert heavy.expected_spend(2, 30.0) == pytest.approx(0.5 * 70 / 0.4)


def test_rescaling_money_rescales_v_and_nothing_else():
    toman = CDNOW.rescaled(42_000)
    assert toman == GammaGamma(6.25, 3.74, 15.44 * 42_000)
    assert toman.expected_spend(3, 20.0 * 42_000) == pytest.approx(
        42_000 * CDNOW.expected_spend(3, 20.0)
    )


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((1, -5.0), "negative monetary_value"),
        ((1, math.nan), "missing or not finite"),
        ((-1, 5.0), "not a whole number"),
    ],
)
def test_impossible_rows_are_errors(row, message):
    with pytest.raises(DataError, match=message):
        CDNOW.expected_spend(*row)
