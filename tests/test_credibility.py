"""Means of segments, shrunk towards that of all: against matrices, and in simulation."""

import numpy as np
import pytest
from scipy import stats

from clvforecast.decisions.segmentation.credibility import shrunk_means

Z = 4.5
"""Standard errors: beyond so many a correct mean falls once in 150,000 times."""


def test_against_matrices_and_a_plain_sum():
    """The joint normal law of the means, mu under a nearly flat prior, tau by midpoints."""
    rng = np.random.default_rng(3)
    counts = np.array([3, 12, 40, 200])
    segment = np.repeat(np.arange(4), counts)
    values = np.array([0.0, 4.0, 8.0, 5.0])[segment] + 10 * rng.standard_normal(segment.size)
    found = shrunk_means(values, segment, 4, level=0.9, small=30)

    own = np.array([values[segment == k].mean() for k in range(4)])
    squares = np.array([((values[segment == k] - own[k]) ** 2).sum() for k in range(4)])
    common = squares.sum() / (segment.size - 4)
    within = (squares + 30 * common) / (counts - 1 + 30)
    sampling, scale = np.diag(within / counts), np.sqrt(np.average(within, weights=counts))

    def moments(tau):
        prior = tau**2 * np.eye(4) + 1e6 * np.ones((4, 4))
        gain = prior @ np.linalg.inv(prior + sampling)
        density = stats.multivariate_normal.pdf(own, cov=prior + sampling)
        mean = gain @ own
        second = np.diag(prior - gain @ prior) + mean**2
        return density * np.concatenate([[1.0], mean, second])

    shares = (np.arange(500) + 0.5) / 500  # of the half-Cauchy prior's probability
    taus = scale * np.tan(np.pi / 2 * shares)
    total = sum(map(moments, taus))
    mean, second = np.split(total[1:] / total[0], 2)
    half = stats.norm.ppf(0.95) * np.sqrt(second - mean**2)
    assert found.mean == pytest.approx(mean, rel=1e-3)
    assert found.upper - found.mean == pytest.approx(half, rel=3e-3)


def test_less_error_and_honest_intervals():
    """Segments drawn from the prior: 90% of the true means lie in their intervals."""
    rng = np.random.default_rng(4)
    counts = np.array([2, 3, 5, 10, 30, 100, 400])
    segment = np.repeat(np.arange(counts.size), counts)
    inside, gained = [], []
    for tau in np.abs(stats.cauchy.rvs(size=300, random_state=rng)):
        true = tau * rng.standard_normal(counts.size)
        values = true[segment] + rng.standard_normal(segment.size)
        found = shrunk_means(values, segment, counts.size, level=0.9, small=30)
        own = np.bincount(segment, values) / counts
        inside.append(np.mean((found.lower <= true) & (true <= found.upper)))
        gained.append(np.mean((own - true) ** 2 - (found.mean - true) ** 2))
    for observed, expected in ((inside, 0.9), (gained, None)):
        error = np.std(observed, ddof=1) / np.sqrt(len(observed))
        if expected is None:
            assert np.mean(observed) > Z * error
        else:
            assert abs(np.mean(observed) - expected) < Z * error


def test_equal_values_leave_no_doubt():
    found = shrunk_means(np.full(5, 3.0), np.array([0, 0, 1, 1, 2]), 3, level=0.9, small=30)
    for part in (found.mean, found.lower, found.upper):
        assert part.tolist() == [3.0] * 3


def test_one_customer_each_still_has_width():
    found = shrunk_means(np.arange(6.0), np.arange(6), 6, level=0.9, small=30)
    assert np.isfinite(found.mean).all()
    assert (found.upper > found.lower).all()
