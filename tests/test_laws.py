"""Tabulated laws and lookups in them, against laws whose quantiles are known."""

import numpy as np
import pytest
from scipy.stats import binom, gumbel_r, norm

from clvforecast.numerics.laws import CountLaw, tabulated

LEVELS = np.array([0.001, 0.03, 0.5, 0.77, 0.999])


def test_counts_are_the_smallest_that_suffice():
    n, p = 12, np.array([0.1, 0.5, 0.93])
    law = CountLaw(binom(n, p[:, None]).cdf(np.arange(n + 1)))
    row = np.repeat(np.arange(3), LEVELS.size)
    level = np.tile(LEVELS, 3)
    assert np.array_equal(law.quantile(level, row), binom(n, p[row]).ppf(level))
    assert law.pmf == pytest.approx(binom(n, p[:, None]).pmf(np.arange(n + 1)), abs=1e-15)
    assert np.array_equal(law.cdf(np.array([-1, 3, 99]), 1), [0.0, law.upto[1, 3], 1.0])


def test_a_level_that_is_a_probability_of_the_law():
    """Rounding must not add a purchase."""
    law = CountLaw(np.cumsum([[0.1, 0.2, 0.3, 0.4]], axis=1))
    exact = np.array([0.1, 0.1 + 0.2, 0.6, 0.0])
    assert np.array_equal(law.quantile(exact, np.zeros(4, dtype=int)), [0, 1, 2, 0])


@pytest.mark.parametrize("scale", [1.0, 0.05])
def test_quantiles_of_a_smooth_law(scale):
    """More lookups than go at once, in two laws of which one lies beside the other."""
    laws = gumbel_r(loc=np.array([[0.0], [3.0]]), scale=scale)
    with np.errstate(over="ignore"):
        table = tabulated(laws.cdf, laws.pdf, -4.0, 16.0)
    level = np.random.default_rng(1).uniform(1e-6, 1 - 1e-5, 70_000)
    row = np.arange(level.size) % 2
    found = table.quantile(level, row)
    own = gumbel_r(loc=3.0 * row, scale=scale)
    assert np.abs(own.cdf(found) - level).max() < 1e-7
    assert np.abs(table.cdf(found, row) - level).max() < 1e-12
    assert np.abs(table.cdf(table.nodes, 0) - table.upto[0]).max() < 1e-15


def test_outside_the_nodes_is_their_end():
    table = tabulated(lambda t: norm.cdf(t)[None], lambda t: norm.pdf(t)[None], -1.0, 1.0)
    assert np.array_equal(table.quantile(np.array([0.0, 1.0]), np.zeros(2, int)), [-1.0, 1.0])
    assert table.cdf(np.array([-9.0, 9.0]), np.zeros(2, int)) == pytest.approx(norm.cdf([-1, 1]))


def test_a_law_that_all_but_jumps():
    """Steeper than nodes can resolve: right to one of their steps."""
    law = norm(loc=0.1234, scale=1e-9)
    table = tabulated(lambda t: law.cdf(t)[None], lambda t: law.pdf(t)[None], -5.0, 5.0)
    assert np.abs(table.quantile(LEVELS, np.zeros(5, int)) - 0.1234).max() <= table.step
    assert table.step < 3e-3
