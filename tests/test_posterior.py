"""The posterior: PyMC-Marketing's, Markov chains', and its own calibration."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from clvforecast import BGNBD, DataError, FitError, FitWarning, GammaGamma, LogNormalPrior
from clvforecast.interop.pymc_marketing import default_prior

NUTS = {
    # benchmarks/posterior.py on this summary: 16,000 draws of PyMC-Marketing 0.19.2 with PyMC
    # 5.28.5, its default priors and target_accept=0.95. Mean, sd, and the Monte Carlo standard
    # error of each as ArviZ gives them.
    "r": (0.24541, 0.01270, 0.00015, 0.00011),
    "alpha": (4.50900, 0.38249, 0.00440, 0.00316),
    "a": (0.78027, 0.19066, 0.00184, 0.00208),
    "b": (2.40820, 0.73900, 0.00796, 0.00951),
    "p": (6.39754, 1.39426, 0.02853, 0.08280),
    "q": (3.79242, 0.29876, 0.00519, 0.00368),
    "v": (16.17707, 4.37820, 0.08019, 0.06335),
}
DEVIATIONS = 4.0
"""Fourteen comparisons all stay within this many standard errors in 99.9% of runs."""


@pytest.mark.parametrize("fitted", ["cdnow_buys", "cdnow_spend"])
def test_with_pymc_marketing_s_priors_the_posterior_is_that_of_its_nuts(fitted, request):
    draws = request.getfixturevalue(fitted).posterior(draws=20_000, prior=default_prior, seed=3)
    assert draws.k_hat < 0.5
    for name, row in draws.summary().iterrows():
        mean, sd, mean_error, sd_error = NUTS[name]
        own_error = sd / np.sqrt(draws.effective_draws)
        kurtosis = float(stats.kurtosis(draws.to_frame()[name], fisher=False))
        own_sd_error = sd * np.sqrt((kurtosis - 1) / (4 * draws.effective_draws))
        assert abs(row["mean"] - mean) < DEVIATIONS * np.hypot(own_error, mean_error), name
        assert abs(row["sd"] - sd) < DEVIATIONS * np.hypot(own_sd_error, sd_error), name


def test_importance_sampling_agrees_with_markov_chains_on_thirty_customers(shop):
    """So few that the likelihood has a ridge in a and b, and the posterior is far from normal."""
    rfm = shop(BGNBD(0.5, 0.5, 1.0, 3.0), np.linspace(6.0, 10.0, 30), seed=3)
    with pytest.warns(FitWarning, match="too few"):
        fit = BGNBD.fit(rfm)
    by_weights = fit.posterior(seed=1)
    by_chains = fit.posterior(draws=1_500, method="mcmc", seed=1)
    assert by_weights.k_hat < 0.7
    assert by_chains.k_hat is None
    ours, theirs = (np.log(d.to_frame()) for d in (by_weights, by_chains))
    error = np.sqrt(
        ours.var() / by_weights.effective_draws + theirs.var() / by_chains.effective_draws
    )
    assert np.all(np.abs(ours.mean() - theirs.mean()) < DEVIATIONS * error)
    for q in (0.05, 0.95):
        reached = (ours < theirs.quantile(q)).mean()
        noise = np.sqrt(
            q * (1 - q) * (1 / by_weights.effective_draws + 1 / by_chains.effective_draws)
        )
        assert np.all(np.abs(reached - q) < DEVIATIONS * noise)


@pytest.mark.filterwarnings("ignore::clvforecast.FitWarning")
@pytest.mark.parametrize("model", [BGNBD, GammaGamma])
def test_ranks_of_the_truth_are_uniform(model, shop):
    """Simulation-based calibration: S. Talts et al., arXiv:1804.06788 (2018), algorithm 1."""
    centre = np.log(
        list(
            (
                BGNBD(0.5, 0.5, 0.8, 2.5) if model is BGNBD else GammaGamma(4, 4, 1)
            ).parameters.values()
        )
    )
    spread, replicates, draws, bins = 0.4, 100, 200, 8

    def prior(drawn):
        logs = np.log(list(drawn.parameters.values()))
        return -0.5 * np.sum(((logs - centre[:, None]) / spread) ** 2, axis=0) - logs.sum(axis=0)

    rng = np.random.default_rng(2018)
    counts = np.zeros((centre.size, bins))
    for seed in range(replicates):
        truth = np.exp(centre + spread * rng.normal(size=centre.size))
        if model is BGNBD:
            rfm = shop(BGNBD(*truth), rng.uniform(1.0, 4.0, 150), seed)
        else:
            x = rng.integers(1, 6, 150)
            rfm = pd.DataFrame(
                {"frequency": x, "monetary_value": GammaGamma(*truth).simulate(x, seed=seed)}
            )
        posterior = model.fit(rfm, ridge=1e-4).posterior(draws=draws, prior=prior, seed=seed)
        below = (posterior.to_frame().to_numpy() < truth).mean(axis=0)
        counts[np.arange(centre.size), np.minimum((below * bins).astype(int), bins - 1)] += 1
    p_values = stats.chisquare(counts, axis=1).pvalue
    assert np.all(p_values > 0.001 / centre.size)


def test_neither_unit_nor_currency_matters(cdnow_orders, cdnow_buys, cdnow_rfm, cdnow_spend):
    in_days = BGNBD.fit(cdnow_orders.summarize(time_unit="D", until="1997-09-30"))
    weeks, days = (fit.posterior(draws=200, seed=5).to_frame() for fit in (cdnow_buys, in_days))
    weeks["alpha"] *= 7
    pd.testing.assert_frame_equal(weeks, days, rtol=1e-6)

    in_cents = GammaGamma.fit(cdnow_rfm.assign(monetary_value=cdnow_rfm["monetary_value"] * 100))
    dollars, cents = (
        fit.posterior(draws=200, seed=5).to_frame() for fit in (cdnow_spend, in_cents)
    )
    dollars["v"] *= 100
    pd.testing.assert_frame_equal(dollars, cents, rtol=1e-6)


def test_a_prior_far_from_the_data_is_met_by_matching_again(cdnow_buys):
    """The likelihood says r = 0.243 and hardly anything else; this prior says 0.30, as firmly."""

    def firm(model):
        return -0.5 * ((np.log(model.r) - np.log(0.30)) / 0.02) ** 2 - np.log(model.r)

    by_weights = cdnow_buys.posterior(prior=firm, seed=1)
    by_chains = cdnow_buys.posterior(prior=firm, draws=1_000, method="mcmc", seed=1)
    assert by_weights.k_hat < 0.7
    ours, theirs = by_weights.summary(), by_chains.summary()
    error = np.hypot(
        ours["sd"] / np.sqrt(by_weights.effective_draws),
        theirs["sd"] / np.sqrt(by_chains.effective_draws),
    )
    assert np.all(np.abs(ours["mean"] - theirs["mean"]) < DEVIATIONS * error)
    assert 0.25 < ours.loc["r", "mean"] < 0.30


def test_weights_that_cannot_be_trusted_are_said(cdnow_buys):
    """A density with a pole: no sample has ever seen the largest of its weights."""

    def pole(model):
        return -2 * np.log(np.abs(np.log(model.r / 0.25)))

    with pytest.warns(FitWarning, match=r"k-hat .* method='mcmc'"):
        draws = cdnow_buys.posterior(prior=pole, draws=500, seed=1)
    assert draws.k_hat >= 0.7


def test_a_posterior_without_end_is_said(shop):
    """No dropout is visible, and nothing keeps b from infinity."""
    rfm = shop(BGNBD(1.0, 1.0, 1e-6, 1.0), np.full(100, 5.0), seed=2)
    with pytest.warns(FitWarning, match="no dropout"):
        fit = BGNBD.fit(rfm)

    def flat(model):
        return np.zeros(model.r.shape)

    with pytest.warns(FitWarning, match="of a and b has no end|of b has no end"):
        fit.posterior(prior=flat, method="mcmc", draws=100, seed=1)


def test_the_default_prior_is_weak_and_can_be_narrowed(cdnow_buys):
    wide, narrow = (
        cdnow_buys.posterior(prior=LogNormalPrior(sd), seed=2).summary() for sd in (2.0, 0.1)
    )
    logs = np.log(wide["median"] / pd.Series(cdnow_buys.parameters))
    deviations = np.sqrt(np.diag(cdnow_buys.covariance))
    assert np.all(np.abs(logs) < 0.2 * deviations)
    assert np.all(narrow["sd"] / narrow["mean"] < 0.1)


def test_the_same_seed_gives_the_same_draws(cdnow_spend):
    first, again, other = (cdnow_spend.posterior(draws=100, seed=s).to_frame() for s in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)


def test_draws_can_be_taken_singly_thinned_and_shown(cdnow_spend):
    draws = cdnow_spend.posterior(draws=500, seed=1)
    assert len(draws) == 500
    assert draws[3] == GammaGamma(*draws.to_frame().loc[3])
    assert draws.method == "psis"
    assert repr(draws).startswith("500 draws of Gamma-Gamma parameters (psis, k-hat ")
    few = draws.thinned(50)
    assert len(few) == 50
    assert few.effective_draws == 50
    assert few[0] == draws[0]
    assert few[-1] == draws[-1]
    assert draws.thinned(1_000) is draws
    with pytest.raises(DataError, match="at least 1"):
        draws.thinned(0)
    table = draws.summary(0.9)
    assert list(table) == ["mean", "sd", "median", "lower", "upper"]
    assert np.all((table["lower"] < table["median"]) & (table["median"] < table["upper"]))
    with pytest.raises(DataError, match="level=2"):
        draws.summary(2)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"method": "nuts"}, DataError, "There are: 'psis', 'mcmc'"),
        ({"draws": 10}, DataError, "draws=10 must be at least 100"),
        (
            {"prior": lambda model: np.zeros(model.r.size + 1)},
            DataError,
            "log-density of the same shape",
        ),
        ({"prior": lambda model: np.full(model.r.shape, np.nan)}, DataError, "missing"),
        ({"prior": lambda model: np.where(model.r > 50, 0.0, -np.inf)}, FitError, "impossible"),
        (
            {"prior": lambda model: np.where(model.r > 50, 0.0, -np.inf), "method": "mcmc"},
            FitError,
            "impossible",
        ),
    ],
)
def test_what_cannot_be_drawn_says_why(cdnow_buys, arguments, error, message):
    with pytest.raises(error, match=message):
        cdnow_buys.posterior(**arguments)


@pytest.mark.parametrize("sd", [0.0, -1.0, np.inf, np.nan])
def test_a_prior_needs_a_spread(sd):
    with pytest.raises(DataError, match="sd="):
        LogNormalPrior(sd)


def test_pymc_marketing_s_prior_is_known_for_its_models(cdnow_buys):
    model = BGNBD(r=0.5, alpha=2.0, a=0.4, b=1.0)
    # Weibull(2, 1) of r, Weibull(2, 10) of alpha, and of (a, b) a Pareto(1) concentration with a
    # uniform mean: density c**-2 for c = a + b >= 1, over the Jacobian c.
    expected = (
        stats.weibull_min(2).logpdf(0.5)
        + stats.weibull_min(2, scale=10).logpdf(2.0)
        + stats.pareto(1).logpdf(1.4)
        - np.log(1.4)
    )
    constant = np.log(2) + np.log(2 / 10**2)
    assert default_prior(model) + constant == pytest.approx(expected)
    assert default_prior(BGNBD(0.5, 2.0, 0.4, 0.5)) == -np.inf
    with pytest.raises(DataError, match="There are: 'BGNBD', 'GammaGamma'"):
        default_prior(None)
