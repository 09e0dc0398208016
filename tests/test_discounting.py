"""What discounting leaves of the purchases ahead, against integrals and the point forecast."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import nbinom

from clvforecast import BGNBD, DataError
from clvforecast.models.discounting import ConstantRate, StopTimes, of_nth_purchase, stop_times
from clvforecast.numerics.counting import event_counts

BUYS = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
YEAR = 365.25 / 7


@pytest.mark.parametrize("n", [np.arange(40), np.arange(3, 9), np.array([0, 7, 2, 31])])
@pytest.mark.parametrize("shape", [0.25, 10.0, 3000.0])
def test_event_counts_are_negative_binomial(n, shape):
    tau = np.array([[1e-6], [0.3], [20.0]])
    law = nbinom(shape, 1 / (1 + tau))
    counts = event_counts(n, shape, tau)
    assert counts.exactly == pytest.approx(law.pmf(n), rel=1e-9, abs=1e-40)
    assert counts.at_least == pytest.approx(law.sf(n - 1), rel=1e-9, abs=1e-40)


def test_a_shape_for_every_count():
    """Consecutive counts of laws that are not the same do not add up."""
    n, shape = np.array([0, 1, 2]), np.array([1.0, 5.0, 9.0])
    assert event_counts(n, shape, 0.7).at_least == pytest.approx(
        nbinom(shape, 1 / 1.7).sf(n - 1), rel=1e-12
    )


def test_moments_of_purchases_until_a_known_time():
    """Three anywhere in (0, 20) and one at 20: sums of independent discount factors."""
    rate, stop = 0.05, 20.0
    first, second = (quad(lambda u, k=k: np.exp(-k * rate * u) / stop, 0, stop)[0] for k in (1, 2))
    last = np.exp(-rate * stop)
    mean, variance, squares = ConstantRate(rate).until(stop, 3, 1)
    assert mean == pytest.approx(3 * first + last, rel=1e-12)
    assert variance == pytest.approx(3 * (second - first**2), rel=1e-9)
    assert squares == pytest.approx(3 * second + last**2, rel=1e-12)


@pytest.mark.parametrize("shape", [0.25, 3.0, 60.0, 400.0, 10_000.0])
@pytest.mark.parametrize("horizon", [5.0, 500.0])
def test_the_time_of_the_nth_purchase(shape, horizon):
    """Expectations of polynomials under u^(n-1) (scale+u)^-(shape+n), by adaptive quadrature."""
    n, scale = np.array([1.0, 2.0, 9.0, 120.0]), np.array([4.4, 60.0])
    stops = StopTimes(stop_times(horizon, 1.0, 0.2).times, horizon)
    weights = of_nth_purchase(stops, n, shape, scale)
    assert weights.sum(axis=2) == pytest.approx(np.ones((2, 4)), abs=1e-12)
    for row, a in enumerate(scale):
        for column, k in enumerate(n):

            def log_density(u, a=a, k=k):
                return (k - 1) * np.log(u / a) - (shape + k) * np.log1p(u / a)

            mode = min(a * max(k - 1, 1) / (shape + 1), horizon)
            points = sorted({min(mode * c, horizon) for c in (0.5, 0.9, 1.0, 1.1, 1.5, 4.0, 20.0)})

            def moment(power, mode=mode, points=points, log_density=log_density):
                return quad(
                    lambda u: (u / horizon) ** power * np.exp(log_density(u) - log_density(mode)),
                    0.0,
                    horizon,
                    points=points,
                    limit=500,
                    epsabs=0.0,
                    epsrel=1e-9,
                )[0]

            found = weights[row, column] @ (stops.times / horizon)
            assert found == pytest.approx(moment(1) / moment(0), rel=1e-6)


@pytest.mark.parametrize("x", [0.0, 1.0, 12.0, 60.0, 400.0])
@pytest.mark.parametrize(("years", "rate"), [(1, 0.0018), (5, 0.0018), (10, 0.005)])
def test_the_mean_is_the_point_forecast(x, years, rate):
    T, n = np.array([0.0, 3.0, 39.0, 200.0]), np.arange(30_000 if years > 1 else 3000)
    T, n = (T[2:], n[: 20 * 400 * years]) if x > 12 else (T, n)
    pmf = BUYS.purchase_pmf_if_alive(n, years * YEAR, x, T[:, None], T[:, None])
    enough = pmf.sum(axis=1) > 1 - 1e-10
    last = int((pmf.cumsum(axis=1).min(axis=0) < 1 - 1e-9).sum()) + 1
    T, n = T[enough], n[:last]
    found = BUYS.discounted_counts_if_alive(
        n, years * YEAR, x, T, T, discount=ConstantRate(rate), dispersion=0.16
    )
    assert found.probability.sum(axis=2) == pytest.approx(pmf[enough, :last], rel=1e-9, abs=1e-15)
    expected = BUYS.purchases_if_alive(years * YEAR, x, T, T, rate=rate)
    assert (found.probability * found.mean).sum(axis=(1, 2)) == pytest.approx(expected, rel=1e-5)


def test_without_discounting_a_purchase_counts_one():
    n, T = np.arange(5), np.array([39.0])
    found = BUYS.discounted_counts_if_alive(
        n, YEAR, 2.0, T, T, discount=ConstantRate(0.0), dispersion=0.16
    )
    assert found.probability.shape == (1, 5, 1)
    assert np.array_equal(found.mean[:, 0], n)
    assert np.array_equal(found.squares[:, 0], n)
    assert not found.variance.any()


def test_a_negative_rate():
    with pytest.raises(DataError, match="rate=-0.1"):
        BUYS.discounted_counts_if_alive(
            [1], YEAR, 2.0, np.ones(1), np.ones(1), discount=ConstantRate(-0.1), dispersion=0.2
        )
