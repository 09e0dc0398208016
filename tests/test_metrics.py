"""Scores of forecasts: against other implementations, and what must be true of each."""

import numpy as np
import pytest
from scipy import stats

from clvforecast import DataError, metrics
from clvforecast.metrics.ranking import Ranked

ENSEMBLE = [0, 0, 1, 3, 3, 7]
COUNTS = np.arange(400)
POISSON = stats.poisson(2.5)
NEGATIVE_BINOMIAL = stats.nbinom(0.7, 0.2)


@pytest.fixture(scope="module")
def customers():
    """Rates of 4,000 customers, and a Poisson count of each."""
    rng = np.random.default_rng(7)
    rate = rng.gamma(0.8, 2.0, 4_000)
    return rate, rng.poisson(rate)


# scoringrules 0.10.0: crps_ensemble (estimator "nrg"), crps_poisson, crps_negbinom; properscoring
# 0.1 gives the same for the ensemble.
@pytest.mark.parametrize(
    ("actual", "reference"),
    [(0, 1.0555555555555556), (2, 0.7222222222222224), (9, 5.388888888888889)],
)
def test_crps_of_a_sample_is_that_of_other_libraries(actual, reference):
    upto = [[np.mean(np.array(ENSEMBLE) <= k) for k in range(8)]]
    assert metrics.count_crps([actual], upto)[0] == pytest.approx(reference, rel=1e-9)


@pytest.mark.parametrize(
    ("law", "reference"),
    [
        (POISSON, {0: 1.6312173011153233, 3: 0.4576085204970717, 12: 8.631223072647472}),
        (NEGATIVE_BINOMIAL, {0: 1.0356059090292264, 3: 0.9533063931871402, 12: 7.713651161857096}),
    ],
    ids=["Poisson", "negative binomial"],
)
def test_crps_of_named_laws_is_that_of_scoringrules(law, reference):
    upto = law.cdf(COUNTS)[None, :]
    for actual, value in reference.items():
        assert metrics.count_crps([actual], upto)[0] == pytest.approx(value, rel=1e-8)


def test_crps_of_a_continuous_law_is_that_of_scoringrules():
    """crps_gamma with shape 2 and rate 1/2, 0.10.0; the limited mean is the gamma's own."""
    law = stats.gamma(2.0, scale=2.0)
    actual = np.array([0.0, 3.0, 20.0])
    limited = actual * law.sf(actual) + 4.0 * stats.gamma(3.0, scale=2.0).cdf(actual)
    smaller = 2.5  # twice the integral of ((1 + u) exp(-u)) ** 2
    reference = [2.5, 0.6238222420780164, 14.502179196628603]
    assert metrics.crps(actual, limited, np.full(3, smaller)) == pytest.approx(reference, rel=1e-12)


def test_a_law_with_an_atom_is_its_mixture_written_out():
    upto = POISSON.cdf(np.arange(60))[None, :]
    actual = np.array([0, 1, 4])
    mixed = np.vstack([1 - 0.3 * (1 - upto)] * 3)
    one_row = metrics.count_crps(actual, upto, row=[0, 0, 0], p_alive=[0.3, 0.3, 0.3])
    assert one_row == pytest.approx(metrics.count_crps(actual, mixed), rel=1e-12)


def test_crps_beyond_the_table_grows_with_the_distance():
    near, far = metrics.count_crps([2, 5], [[0.5, 0.8, 1.0]], row=[0, 0])
    assert far - near == pytest.approx(3.0)


def test_crps_of_a_point_is_the_absolute_error():
    two_for_sure = [[0.0, 0.0, 1.0]]
    scores = metrics.count_crps([0, 1, 2, 7], two_for_sure, row=[0, 0, 0, 0])
    assert scores.tolist() == [2, 1, 0, 5]
    assert metrics.crps([0, 5], [0, 2], [2, 2]).tolist() == [2, 3]


def test_log_score_is_minus_scipys_logpmf():
    probability = POISSON.pmf([0, 3, 12])
    assert metrics.log_score(probability) == pytest.approx(-POISSON.logpmf([0, 3, 12]))
    assert metrics.log_score([0.0])[0] == np.inf


@pytest.mark.parametrize("score", ["log_score", "crps", "interval_score"])
def test_proper_scores_are_least_for_the_true_law(customers, score):
    """The mean score under too low and too high rates is worse, beyond paired noise."""
    rate, actual = customers

    def scored(factor):
        law = stats.poisson(factor * rate[:, None])
        if score == "log_score":
            return metrics.log_score(law.pmf(actual[:, None])[:, 0])
        if score == "crps":
            return metrics.count_crps(actual, law.cdf(np.arange(80)))
        low, high = (law.ppf(level)[:, 0] for level in (0.05, 0.95))
        return metrics.interval_score(actual, low, high, 0.9)

    truth = scored(1.0)
    for factor in (0.6, 1.6):
        worse = scored(factor) - truth
        assert worse.mean() > 4 * worse.std() / np.sqrt(worse.size)


def test_interval_score_is_that_of_scoringrules():
    """interval_score(y, 1, 4, 0.1) of 0.10.0."""
    assert metrics.interval_score([0, 2, 7], [1, 1, 1], [4, 4, 4], 0.9) == pytest.approx(
        [23.0, 3.0, 63.0]
    )
    assert metrics.width([1, 1], [4, 6]) == 4.0


def test_intervals_of_the_true_law_cover_what_they_say():
    rng = np.random.default_rng(8)
    mean = rng.gamma(1.0, 3.0, 20_000)
    actual = rng.exponential(mean)
    low, high = (stats.expon(scale=mean).ppf(level) for level in (0.1, 0.9))
    noise = 4.5 * np.sqrt(0.8 * 0.2 / mean.size)
    assert metrics.coverage(actual, low, high) == pytest.approx(0.8, abs=noise)
    upto = stats.expon(scale=mean).cdf(actual)
    assert metrics.law_coverage(upto, upto, 0.8) == metrics.coverage(actual, low, high)


def test_coverage_from_the_law_is_that_of_its_quantiles(customers):
    rate, actual = customers
    law = stats.poisson(rate)
    for level in (0.5, 0.9):
        low, high = law.ppf((1 - level) / 2), law.ppf((1 + level) / 2)
        from_law = metrics.law_coverage(law.cdf(actual - 1), law.cdf(actual), level)
        assert from_law == metrics.coverage(actual, low, high)
        assert from_law > level  # ends are whole numbers


def test_the_transform_of_the_true_law_is_uniform(customers):
    """Kolmogorov-Smirnov distance below its quantile at 1 in 10,000, and above it if wrong."""
    rate, actual = customers
    bound = stats.kstwo(actual.size).isf(1e-4)

    def distance(law):
        pit = metrics.randomised_pit(law.cdf(actual - 1), law.cdf(actual), seed=3)
        return stats.kstest(pit, "uniform").statistic

    assert distance(stats.poisson(rate)) < bound
    assert distance(stats.poisson(1.3 * rate)) > bound


def test_the_histogram_is_the_expectation_of_the_randomised_one(customers):
    rate, actual = customers
    below, upto = stats.poisson(rate).cdf(actual - 1), stats.poisson(rate).cdf(actual)
    heights = metrics.pit_histogram(below, upto, bins=10)
    assert heights.sum() == pytest.approx(10)
    drawn = [
        np.histogram(metrics.randomised_pit(below, upto, seed=seed), 10, (0, 1))[0]
        for seed in range(50)
    ]
    # Each count is a sum of 4,000 indicators: variance at most a quarter each, fifty times over.
    noise = 4.5 * np.sqrt(0.25 * actual.size / 50) * 10 / actual.size
    assert np.mean(drawn, axis=0) * 10 / actual.size == pytest.approx(heights, abs=noise)


def test_points_are_those_of_scikit_learn():
    """mean_absolute_error and root_mean_squared_error of 1.9.1."""
    actual, predicted = [0, 3, 1, 0, 7.5], [0.2, 2.5, 1.5, 0.1, 4.0]
    assert metrics.mae(actual, predicted) == pytest.approx(0.96, rel=1e-12)
    assert metrics.rmse(actual, predicted) == pytest.approx(1.6, rel=1e-12)
    assert metrics.bias(actual, predicted) == pytest.approx(8.3 / 11.5 - 1)


def test_gini_of_a_yes_or_no_is_twice_the_auc_less_one():
    """roc_auc_score of scikit-learn 1.9.1, on data with ties."""
    actual = [0, 0, 1, 0, 1, 1, 0, 1, 0, 0]
    predicted = [0.1, 0.4, 0.35, 0.8, 0.8, 0.9, 0.1, 0.2, 0.2, 0.05]
    assert metrics.gini(actual, predicted) == pytest.approx(2 * 0.7916666666666666 - 1, rel=1e-12)


def test_gini_is_the_area_under_the_gains_curve(customers):
    rate, actual = customers
    predicted = np.round(rate, 1)
    assert np.unique(predicted).size < rate.size  # ties
    raw, perfect = (
        2 * np.trapezoid(captured, share) - 1
        for share, captured in (metrics.gains(actual, p) for p in (predicted, actual))
    )
    assert metrics.gini(actual, predicted) == pytest.approx(raw / perfect, rel=1e-12)


def test_gini_differs_from_rectangles_by_one_in_n(customers):
    """The authors' code: 2 * mean(cumulative shares) - 1, over that of a perfect order."""
    rate, actual = customers

    def rectangles(by):
        order = np.argsort(-by, kind="stable")
        return 2 * np.mean(np.cumsum(actual[order]) / actual.sum()) - 1

    reference = rectangles(rate) / rectangles(actual.astype(float))
    assert metrics.gini(actual, rate) == pytest.approx(reference, abs=4 / rate.size)


def test_a_perfect_order_a_reversed_one_and_none():
    actual = np.array([0, 0, 1, 2, 5])
    assert metrics.gini(actual, 10.0 * actual) == pytest.approx(1.0)
    assert metrics.gini(actual, -1.0 * actual) == pytest.approx(-1.0)
    assert metrics.gini(actual, np.ones(5)) == 0.0
    assert metrics.top_decile(actual, np.ones(5)) == pytest.approx(0.1)


def test_top_decile_is_a_point_of_the_gains_curve(customers):
    rate, actual = customers
    for predicted in (rate, np.round(rate)):
        share, captured = metrics.gains(actual, predicted)
        expected = np.interp(0.1, share, captured)
        assert metrics.top_decile(actual, predicted) == pytest.approx(expected, rel=1e-12)


def test_decile_error_is_the_mean_over_tenths(customers):
    rate, actual = customers
    order = np.argsort(rate).reshape(10, -1)
    happened, expected = actual[order].mean(axis=1), rate[order].mean(axis=1)
    assert np.array(metrics.deciles(actual, rate)) == pytest.approx(np.array([happened, expected]))
    reference = np.mean(np.abs(expected - happened) / happened)
    assert metrics.decile_error(actual, rate) == pytest.approx(reference, rel=1e-9)


def test_decile_error_where_nothing_came():
    actual, none = [0] * 5 + [1] * 5, [0.0] * 5
    assert metrics.decile_error(actual, [*none, *[1.0] * 5]) == 0.0
    assert metrics.decile_error(actual, [*none[1:], 0.1, *[1.0] * 5]) == np.inf


def test_spearman_is_scipys(customers):
    rate, actual = customers
    reference = stats.spearmanr(actual, np.round(rate)).statistic
    assert metrics.spearman(actual, np.round(rate)) == pytest.approx(reference, rel=1e-12)


@pytest.mark.parametrize("score", ["gini", "top_decile", "decile_error", "spearman"])
def test_ranks_do_not_depend_on_the_order_of_rows(customers, score):
    rate, actual = customers
    predicted = np.round(rate)
    shuffled = np.random.default_rng(1).permutation(rate.size)
    value = getattr(metrics, score)(actual, predicted)
    again = getattr(metrics, score)(actual[shuffled], predicted[shuffled])
    assert again == pytest.approx(value, rel=1e-12)


def test_sums_added_in_another_order_still_tie():
    predicted = np.array([0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1, 0.6])
    assert np.unique(predicted).size > 1
    assert metrics.gini([3, 0, 1], predicted) == 0.0


def test_a_weight_counts_a_customer_so_often(customers):
    rate, actual = (values[:300] for values in customers)
    weights = np.random.default_rng(2).integers(0, 4, 300)
    weighted = Ranked.of(actual, np.round(rate, 1)).scores(weights.astype(float))
    rows = np.repeat(np.arange(300), weights)
    for name, value in weighted.items():
        assert value == pytest.approx(getattr(metrics, name)(actual[rows], np.round(rate, 1)[rows]))


def test_where_nothing_came_scores_of_shares_are_not_defined():
    actual, predicted = np.zeros(12), np.arange(12.0)
    for score in ("bias", "gini", "top_decile", "decile_error", "spearman"):
        assert np.isnan(getattr(metrics, score)(actual, predicted))
    assert np.isnan(metrics.gains(actual, predicted)[1]).all()
    assert metrics.mae(actual, predicted) == 5.5


def test_one_customer():
    assert np.isnan(metrics.gini([2], [1.0]))
    assert np.isnan(metrics.spearman([2], [1.0]))
    assert metrics.decile_error([2], [1.0]) == pytest.approx(0.5)
    assert metrics.top_decile([2], [1.0]) == pytest.approx(0.1)
    assert metrics.rmse([2], [1.0]) == 1.0


@pytest.mark.parametrize(
    "score", ["bias", "mae", "rmse", "gini", "gains", "top_decile", "decile_error", "spearman"]
)
@pytest.mark.parametrize(
    ("actual", "predicted", "said"),
    [
        ([1, np.nan], [1, 2], "1 of 2 values of actual are missing or infinite .*position 1"),
        ([1, 2], [1, np.inf], "1 of 2 values of predicted are missing or infinite"),
        ([1, 2, 3], [1, 2], "different numbers of customers: actual 3, predicted 2"),
        ([], [], "of at least one"),
        (["a"], [1], "actual must hold numbers"),
    ],
)
def test_what_cannot_be_scored_is_an_error(score, actual, predicted, said):
    with pytest.raises(DataError, match=said):
        getattr(metrics, score)(actual, predicted)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: metrics.gini([1, -2], [1, 2]), "1 of 2 values of actual are negative"),
        (lambda: metrics.log_score([0.5, 1.2]), "1 of 2 values of probability .*first: 1.2"),
        (lambda: metrics.randomised_pit([0.5], [0.2], seed=0), "below are above upto"),
        (lambda: metrics.randomised_pit([0.2], [0.5], seed=-1), "seed=-1"),
        (lambda: metrics.pit_histogram([0.2], [0.5], bins=0), "bins=0"),
        (lambda: metrics.law_coverage([0.2], [0.5], 1.0), "level=1.0"),
        (lambda: metrics.interval_score([1], [3], [2], 0.9), "lower end above the upper"),
        (lambda: metrics.width([3], [2]), "lower end above the upper"),
        (lambda: metrics.count_crps([0.5], [[1.0]]), "whole numbers"),
        (lambda: metrics.count_crps([1, 2], [[1.0]], row=[0, 1]), "positions among the 1 laws"),
        (lambda: metrics.count_crps([1, 2], [[1.0]], row=[0]), "there are 2 customers"),
    ],
)
def test_arguments_that_mean_nothing(call, said):
    with pytest.raises(DataError, match=said):
        call()
