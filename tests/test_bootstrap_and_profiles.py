"""Confidence intervals other than Wald's, and tests between nested fits."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.optimize import minimize

from clvforecast import BGNBD, DataError, Fit, FitError, FitWarning, GammaGamma
from clvforecast.fitting import fit as fit_model
from clvforecast.fitting import likelihood_ratio_test


def test_a_replicate_is_the_fit_of_customers_drawn_with_replacement(cdnow_buys):
    replicate = cdnow_buys.cells.resampled(np.random.default_rng(8))
    assert replicate.customers == cdnow_buys.customers
    x, t_x, T = replicate.columns
    scale = replicate.scale
    rfm = pd.DataFrame(
        {"frequency": x, "recency": t_x * scale, "T": T * scale, "n": replicate.weights}
    )
    refitted = fit_model(BGNBD, rfm, weights="n", time_unit="W")
    first = cdnow_buys.bootstrap(replicates=100, seed=8)[0]
    assert first.parameters == pytest.approx(refitted.parameters, rel=1e-6)


def test_customers_are_drawn_in_proportion_to_their_numbers(cdnow_buys):
    cells, rng, replicates = cdnow_buys.cells, np.random.default_rng(1), 400
    counts, of_each = np.unique(cells.columns[0], return_inverse=True)
    expected = replicates * np.bincount(of_each, cells.weights)
    drawn = np.zeros(counts.size)
    for _ in range(replicates):
        replicate = cells.resampled(rng)
        np.add.at(drawn, np.searchsorted(counts, replicate.columns[0]), replicate.weights)
    assert drawn.sum() == expected.sum()
    assert stats.chisquare(drawn, expected).pvalue > 0.001


def test_bootstrap_deviations_on_cdnow_are_close_to_the_standard_errors(cdnow_spend):
    draws = cdnow_spend.bootstrap(replicates=400, seed=1)
    assert draws.method == "bootstrap"
    assert len(draws) == 400
    deviations = np.log(draws.to_frame()).std()
    expected = np.sqrt(np.diag(cdnow_spend.covariance))
    # The model fits well, so they differ by the noise of 400 replicates and little else.
    assert np.all(np.abs(np.log(deviations / expected)) < 0.2)


def test_replicates_that_cannot_be_fitted_are_counted():
    """Some have hardly any of the few customers whose spend differs."""
    spend = np.full(60, 10.0)
    spend[:5] = 4.0, 7.0, 14.0, 25.0, 18.0
    fit = GammaGamma.fit(
        pd.DataFrame({"frequency": np.arange(60) % 5 + 1, "monetary_value": spend})
    )
    with pytest.warns(FitWarning, match=r"could not be fitted to \d+ of 115 replicates"):
        draws = fit.bootstrap(replicates=115, seed=1)
    assert 100 <= len(draws) < 115


def test_a_bootstrap_shows_its_progress_if_asked(cdnow_spend, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    cdnow_spend.bootstrap(replicates=100, progress=True)
    assert "Gamma-Gamma refits" in capsys.readouterr().err
    cdnow_spend.bootstrap(replicates=100)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("fitted", ["cdnow_buys", "cdnow_spend"])
def test_at_a_profile_limit_the_best_of_the_rest_is_just_too_unlikely(fitted, request, cdnow_rfm):
    fit = request.getfixturevalue(fitted)
    model = type(fit.model)
    columns = [cdnow_rfm[name].to_numpy(dtype=float) for name in model.columns]
    intervals = fit.profile_intervals(0.95)
    names = list(fit.parameters)
    for name in (names[0], names[-1]):
        others = [n for n in names if n != name]
        for side in ("lower", "upper"):
            limit = intervals.loc[name, side]

            def unlikely(logs, name=name, limit=limit, others=others):
                free = dict(zip(others, np.exp(logs), strict=True))
                return -model(**{name: limit}, **free).log_likelihood(*columns).sum()

            start = np.log([fit.parameters[n] for n in others])
            options = {"xatol": 1e-6, "fatol": 1e-6, "maxiter": 5000, "maxfev": 5000}
            least = minimize(unlikely, start, method="Nelder-Mead", options=options).fun
            fall = 2 * (least + fit.log_likelihood)
            assert fall == pytest.approx(stats.chi2(1).ppf(0.95), abs=1e-4)


def test_profile_limits_are_open_where_the_likelihood_never_falls(shop):
    rfm = shop(BGNBD(1.0, 1.0, 1e-6, 1.0), np.full(100, 5.0), seed=2)
    with pytest.warns(FitWarning, match="no dropout"):
        fit = BGNBD.fit(rfm)
    intervals = fit.profile_intervals()
    assert intervals.loc["a", "lower"] == 0
    assert intervals.loc["b", "upper"] == np.inf
    assert np.all(np.isfinite(intervals.loc[["r", "alpha"]]))


def test_profile_intervals_do_not_depend_on_the_unit(cdnow_orders, cdnow_buys):
    in_days = BGNBD.fit(cdnow_orders.summarize(time_unit="D", until="1997-09-30"))
    weeks, days = cdnow_buys.profile_intervals(0.9), in_days.profile_intervals(0.9)
    weeks.loc["alpha"] *= 7
    pd.testing.assert_frame_equal(weeks, days, rtol=1e-5)


@pytest.mark.filterwarnings("ignore::clvforecast.FitWarning")
def test_a_ratio_test_is_as_often_significant_as_it_says():
    """Two groups of one shop: the p-value is uniform."""
    model = GammaGamma(p=4.0, q=4.0, v=20.0)
    x = np.tile([1, 2, 3, 4], 150)
    p_values = []
    for seed in range(100):
        rfm = pd.DataFrame({"frequency": x, "monetary_value": model.simulate(x, seed=seed)})
        groups = [GammaGamma.fit(rfm[:300]), GammaGamma.fit(rfm[300:])]
        test = likelihood_ratio_test(GammaGamma.fit(rfm), groups)
        assert test.degrees_of_freedom == 3
        p_values.append(test.p_value)
    assert stats.kstest(p_values, "uniform").pvalue > 0.001


def test_a_ratio_test_sees_a_difference(cdnow_rfm, shop):
    slow, fast = (shop(BGNBD(r, 4.0, 0.8, 2.5), np.full(800, 30.0), 1) for r in (0.3, 0.6))
    together = BGNBD.fit(pd.concat([slow, fast], ignore_index=True))
    apart = [BGNBD.fit(slow), BGNBD.fit(fast)]
    test = likelihood_ratio_test(together, apart)
    gain = sum(fit.log_likelihood for fit in apart) - together.log_likelihood
    assert test.statistic == pytest.approx(2 * gain)
    assert test.p_value == pytest.approx(stats.chi2(4).sf(2 * gain))
    assert test.p_value < 1e-6


def test_fits_that_are_not_nested_are_refused(cdnow_rfm, cdnow_buys, cdnow_spend):
    half = BGNBD.fit(cdnow_rfm[::2])
    with pytest.raises(FitError, match="same customers: the restricted one has 2,357"):
        likelihood_ratio_test(cdnow_buys, half)
    with pytest.raises(FitError, match="does not contain it"):
        likelihood_ratio_test([half, BGNBD.fit(cdnow_rfm[1::2])], cdnow_buys)
    with pytest.raises(FitError, match="without ridge, not ridge=0.01"):
        likelihood_ratio_test(BGNBD.fit(cdnow_rfm, ridge=0.01), cdnow_buys)
    with pytest.raises(FitError, match="one time unit"):
        likelihood_ratio_test(cdnow_buys, [half, fit_model(BGNBD, cdnow_rfm[1::2], time_unit="D")])


def test_a_fit_takes_no_customer_along(cdnow_spend):
    carried = pickle.loads(pickle.dumps(cdnow_spend))  # noqa: S301
    loaded = Fit.from_json(cdnow_spend.to_json())
    for fit in (carried, loaded):
        assert fit.cells is None
        assert fit.parameters == cdnow_spend.parameters
        for call in (fit.posterior, fit.bootstrap, fit.profile_intervals):
            with pytest.raises(DataError, match=f"{call.__name__} needs the data"):
                call()
    assert "cells" not in cdnow_spend.to_json()


def test_arguments_are_checked(cdnow_rfm, cdnow_spend):
    with pytest.raises(DataError, match="replicates=5 must be at least 100"):
        cdnow_spend.bootstrap(replicates=5)
    with pytest.raises(DataError, match="level=95"):
        cdnow_spend.profile_intervals(95)
    with pytest.raises(FitError, match="without ridge, not ridge=0.1"):
        GammaGamma.fit(cdnow_rfm, ridge=0.1).profile_intervals()
