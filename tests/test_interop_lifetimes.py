"""Both ways between lifetimes' fitters and our models: the same predictions, working plots."""

import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest

from clvforecast import BGNBD, MBGNBD, DataError, GammaGamma, ParetoNBD
from clvforecast.interop.lifetimes import from_lifetimes, to_lifetimes


@pytest.fixture(scope="module")
def fitted(cdnow_rfm):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import lifetimes

        known = cdnow_rfm[cdnow_rfm["monetary_value"] > 0]
        buys = lifetimes.BetaGeoFitter(penalizer_coef=0.001).fit(
            cdnow_rfm["frequency"], cdnow_rfm["recency"], cdnow_rfm["T"]
        )
        spend = lifetimes.GammaGammaFitter().fit(known["frequency"], known["monetary_value"])
    return buys, spend


def test_a_fitted_lifetimes_model_predicts_the_same_here(fitted, cdnow_rfm):
    buys, spend = fitted
    x, t_x, T = (cdnow_rfm[c] for c in ("frequency", "recency", "T"))
    ours = from_lifetimes(buys)
    assert ours == BGNBD(**buys.params_)
    assert ours.p_alive(x, t_x, T) == pytest.approx(
        buys.conditional_probability_alive(x, t_x, T), rel=1e-12
    )
    assert ours.expected_purchases(39, x, t_x, T) == pytest.approx(
        buys.predict(39, x, t_x, T).to_numpy(), rel=1e-9
    )
    value = from_lifetimes(spend)
    assert value.expected_spend(x, cdnow_rfm["monetary_value"]) == pytest.approx(
        spend.conditional_expected_average_profit(x, cdnow_rfm["monetary_value"]).to_numpy(),
        rel=1e-12,
    )


def test_our_fit_predicts_the_same_there(cdnow_buys, cdnow_spend, cdnow_rfm):
    x, t_x, T = (cdnow_rfm[c] for c in ("frequency", "recency", "T"))
    theirs = to_lifetimes(cdnow_buys)
    assert theirs.predict(39, x, t_x, T).to_numpy() == pytest.approx(
        cdnow_buys.model.expected_purchases(39, x, t_x, T), rel=1e-9
    )
    assert theirs.summary["se(coef)"].to_dict() == pytest.approx(cdnow_buys.standard_errors)
    spend = to_lifetimes(cdnow_spend)
    m = cdnow_rfm["monetary_value"]
    assert spend.conditional_expected_average_profit(x, m).to_numpy() == pytest.approx(
        cdnow_spend.model.expected_spend(x, m), rel=1e-12
    )


@pytest.mark.parametrize(
    "model",
    [
        BGNBD(0.2, 4.0, 0.8, 2.4),
        MBGNBD(0.5, 6.0, 0.9, 1.6),
        ParetoNBD(0.5, 10.0, 0.6, 12.0),
        GammaGamma(6.0, 4.0, 15.0),
    ],
)
def test_there_and_back(model):
    assert from_lifetimes(to_lifetimes(model)) == model


@pytest.mark.parametrize(
    "plot",
    [
        "plot_frequency_recency_matrix",
        "plot_probability_alive_matrix",
        "plot_period_transactions",
        "plot_transaction_rate_heterogeneity",
        "plot_dropout_rate_heterogeneity",
    ],
)
def test_its_plots_work_on_our_fit(plot, cdnow_buys, cdnow_rfm):
    """All that draw a fitter, but one that reads what no current matplotlib has."""
    from matplotlib import pyplot as plt

    np.random.seed(0)  # noqa: NPY002 - lifetimes simulates from the global state
    fitter = to_lifetimes(cdnow_buys, cdnow_rfm)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lifetimes import plotting

        axes = getattr(plotting, plot)(fitter)
    assert np.ravel(axes)[0].has_data()
    plt.close("all")


def test_pareto_nbd_says_what_lifetimes_says_where_that_is_right():
    model, history = ParetoNBD(0.553, 10.578, 0.606, 11.669), (2.0, 30.43, 38.86)
    fitter = to_lifetimes(model)
    assert model.p_alive(*history) == pytest.approx(
        float(fitter.conditional_probability_alive(*history)), rel=1e-6
    )
    assert model.expected_purchases(39.0, *history) == pytest.approx(
        float(fitter.predict(39.0, *history)), rel=1e-6
    )


def test_covariates_have_no_counterpart(cdnow_rfm):
    half = cdnow_rfm.assign(early=cdnow_rfm["T"] > 34)
    with pytest.raises(DataError, match="neither covariates nor calendars"):
        to_lifetimes(BGNBD.fit(half, covariates="early"))


def test_what_has_no_counterpart_says_so():
    with pytest.raises(DataError, match="No model corresponds to 'BetaGeoBetaBinomFitter'"):
        from_lifetimes(type("BetaGeoBetaBinomFitter", (), {})())
    with pytest.raises(DataError, match="has not been fitted"):
        from_lifetimes(type("BetaGeoFitter", (), {})())
    with pytest.raises(DataError, match="not an array"):
        to_lifetimes(BGNBD(np.array([0.2, 0.3]), 4.0, 0.8, 2.4))


def test_data_without_a_column(cdnow_buys):
    with pytest.raises(DataError, match="no column 'recency'"):
        to_lifetimes(cdnow_buys, pd.DataFrame({"frequency": [1], "T": [3.0]}))


def test_importing_lifetimes_leaves_the_process_as_it_was():
    code = """
import warnings, pandas as pd
from clvforecast import BGNBD
from clvforecast.interop.lifetimes import to_lifetimes
filters = list(warnings.filters)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    option = pd.get_option("mode.chained_assignment")
to_lifetimes(BGNBD(0.2, 4.0, 0.8, 2.4))
assert warnings.filters == filters
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    assert pd.get_option("mode.chained_assignment") == option
"""
    subprocess.run([sys.executable, "-c", code], check=True)
