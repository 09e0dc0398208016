"""Fits: published estimates, lifetimes on the same data, what is said when data are too thin."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import approx_fprime, minimize

import clvforecast as clv
from clvforecast import BGNBD, DataError, Fit, FitError, FitWarning, GammaGamma
from clvforecast.fitting import fit
from clvforecast.fitting.cells import Cells
from clvforecast.numerics.optimise import Derivatives


def test_bgnbd_on_cdnow_is_the_published_fit(cdnow_buys):
    """Fader, Hardie and Lee, Marketing Science 24 (2005), table 2."""
    assert {k: round(v, 3) for k, v in cdnow_buys.parameters.items()} == {
        "r": 0.243,
        "alpha": 4.414,
        "a": 0.793,
        "b": 2.426,
    }
    assert round(cdnow_buys.log_likelihood, 1) == -9582.4
    assert cdnow_buys.customers == 2357
    assert cdnow_buys.time_unit == "W"
    assert cdnow_buys.until == "1997-09-30"
    assert cdnow_buys.remarks == ()


def test_gamma_gamma_on_cdnow_is_the_published_fit(cdnow_spend):
    """Fader and Hardie, "The Gamma-Gamma Model of Monetary Value" (2013), section 4."""
    assert {k: round(v, 2) for k, v in cdnow_spend.parameters.items()} == {
        "p": 6.25,
        "q": 3.74,
        "v": 15.44,
    }
    assert cdnow_spend.customers == 946
    assert cdnow_spend.time_unit is None


@pytest.fixture(scope="module")
def lifetimes():
    """lifetimes 0.11.3, whose import touches a pandas option that is going away."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import lifetimes

        yield lifetimes


def test_bgnbd_agrees_with_lifetimes_and_is_never_less_likely(lifetimes, cdnow_rfm, cdnow_buys):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = lifetimes.BetaGeoFitter().fit(
            cdnow_rfm["frequency"], cdnow_rfm["recency"], cdnow_rfm["T"], tol=1e-9
        )
    assert cdnow_buys.parameters == pytest.approx(dict(theirs.params_), rel=1e-4)
    their_likelihood = BGNBD(**theirs.params_).log_likelihood(
        cdnow_rfm["frequency"], cdnow_rfm["recency"], cdnow_rfm["T"]
    )
    assert cdnow_buys.log_likelihood >= their_likelihood.sum() - 1e-9


def test_gamma_gamma_agrees_with_lifetimes_and_is_never_less_likely(
    lifetimes, cdnow_rfm, cdnow_spend
):
    """Within 1e-3: lifetimes' optimiser stops early, at a lower likelihood."""
    known = cdnow_rfm[(cdnow_rfm["frequency"] > 0) & (cdnow_rfm["monetary_value"] > 0)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = lifetimes.GammaGammaFitter().fit(known["frequency"], known["monetary_value"])
    assert cdnow_spend.parameters == pytest.approx(dict(theirs.params_), rel=1e-3)
    their_likelihood = GammaGamma(**theirs.params_).log_likelihood(
        known["frequency"], known["monetary_value"]
    )
    assert cdnow_spend.log_likelihood >= their_likelihood.sum() - 1e-9


@pytest.mark.parametrize("model", [BGNBD, GammaGamma])
def test_a_derivative_free_search_finds_nothing_better(model, cdnow_rfm):
    columns = [cdnow_rfm[name].to_numpy(dtype=float) for name in model.columns]
    found = model.fit(cdnow_rfm)

    def minus_log_likelihood(log_parameters):
        return -model(*np.exp(log_parameters)).log_likelihood(*columns).sum()

    start = np.log(list(found.parameters.values()))
    search = minimize(
        minus_log_likelihood,
        start + 0.2,
        method="Nelder-Mead",
        options={"xatol": 1e-7, "fatol": 1e-9, "maxiter": 5000},
    )
    assert -search.fun <= found.log_likelihood + 1e-6
    assert search.x == pytest.approx(start, abs=1e-4)


def test_standard_errors_are_those_of_the_natural_parameters(cdnow_buys, cdnow_rfm):
    """Against a numerical Hessian of the likelihood in the natural parameters."""
    columns = [cdnow_rfm[name].to_numpy(dtype=float) for name in BGNBD.columns]
    total = BGNBD.total_log_likelihood(*columns, weights=np.ones(len(columns[0])))
    estimates = np.array(list(cdnow_buys.parameters.values()))
    hessian = approx_fprime(estimates, lambda p: total(p).gradient, 1e-7 * estimates)
    numeric = np.sqrt(np.diag(np.linalg.inv(-hessian)))
    assert list(cdnow_buys.standard_errors.values()) == pytest.approx(numeric, rel=1e-3)


def test_information_criteria(cdnow_buys):
    assert cdnow_buys.aic == pytest.approx(8 - 2 * cdnow_buys.log_likelihood)
    assert cdnow_buys.bic == pytest.approx(4 * np.log(2357) - 2 * cdnow_buys.log_likelihood)


def test_the_printed_table_says_what_was_fitted(cdnow_buys):
    text = str(cdnow_buys)
    assert "BG/NBD fitted to 2,357 customers to 1997-09-30, time unit W" in text
    for word in ("r", "alpha", "std_error", "lower", "upper", "AIC", "BIC", "-9,582.4"):
        assert word in text
    table = cdnow_buys.summary(level=0.9)
    assert list(table.columns) == ["estimate", "std_error", "lower", "upper"]
    with pytest.raises(DataError, match="level=95"):
        cdnow_buys.summary(level=95)


def shop(model, customers, T, seed):
    """A summary of customers simulated from a BG/NBD model, times not rounded."""
    customer, time = model.simulate(np.full(customers, T), seed=seed)
    counts = np.bincount(customer, minlength=customers)
    last = np.zeros(customers)
    last[customer] = time
    return pd.DataFrame({"frequency": counts, "recency": last, "T": T})


def test_customers_with_one_dropout_probability_are_a_ridge():
    rfm = shop(BGNBD(r=0.7, alpha=6.0, a=3e4, b=9e4), 4000, 60.0, seed=1)
    with pytest.warns(FitWarning, match="a and b grow together without limit"):
        found = fit(BGNBD, rfm)
    assert found.flat == {"a", "b"}
    assert found.parameters["a"] / (found.parameters["a"] + found.parameters["b"]) == pytest.approx(
        0.25, abs=0.03
    )
    assert found.standard_errors["a"] == np.inf
    assert found.confidence_intervals().loc["b"].tolist() == [0, np.inf]
    assert np.isfinite(found.standard_errors["r"])
    assert "Note: a and b grow together" in str(found)
    assert Fit.from_json(found.to_json()).flat == found.flat


def test_no_dropout_is_named_the_nbd_model():
    rfm = shop(BGNBD(r=0.7, alpha=6.0, a=1e-6, b=50.0), 2000, 60.0, seed=2)
    with pytest.warns(FitWarning, match="no dropout is visible"):
        fit(BGNBD, rfm)


def test_equal_purchase_rates_are_named():
    rfm = shop(BGNBD(r=1e6, alpha=1e7, a=0.8, b=3.0), 4000, 60.0, seed=1)
    with pytest.warns(FitWarning, match="all customers buy at the same rate"):
        fit(BGNBD, rfm)


def test_hardly_any_repeat_buyer_is_said():
    rfm = pd.DataFrame({"frequency": [0] * 40 + [1], "recency": [0.0] * 40 + [3.0], "T": 20.0})
    with pytest.warns(FitWarning) as said:
        fit(BGNBD, rfm)
    assert str(said[0].message) == (
        "BG/NBD: Only 1 of 41 customers have a repeat purchase: too few to trust the estimates."
    )
    assert "nobody returns after the first repeat purchase" in str(said[1].message)


def test_a_ridge_makes_thin_data_identified():
    rfm = pd.DataFrame(
        {"frequency": [0] * 40 + [1, 2], "recency": [0.0] * 40 + [3.0, 9.0], "T": 20.0}
    )
    with pytest.warns(FitWarning, match="Only 2 of 42 customers") as said:
        found = fit(BGNBD, rfm, ridge=0.01)
    assert len(said) == 1
    assert not found.flat
    assert found.ridge == 0.01


def test_an_infinite_mean_spend_is_said():
    rng = np.random.default_rng(0)
    x = rng.integers(1, 6, 3000)
    m = GammaGamma(p=2.0, q=0.7, v=10.0).simulate(x, seed=1)
    with pytest.warns(
        FitWarning, match="mean spend of customers without repeat orders is infinite"
    ):
        found = GammaGamma.fit(pd.DataFrame({"frequency": x, "monetary_value": m}))
    assert found.parameters["q"] < 1


def test_constant_spend_cannot_be_fitted_and_says_why():
    rng = np.random.default_rng(0)
    rfm = pd.DataFrame({"frequency": rng.integers(1, 6, 500), "monetary_value": 10.0})
    with pytest.raises(FitError, match="increases without limit as p grows"):
        GammaGamma.fit(rfm)


@pytest.mark.parametrize(
    ("rfm", "error", "message"),
    [
        ({"frequency": [1], "recency": [2.0]}, DataError, "no column 'T', which BG/NBD needs"),
        (
            {"Frequency": [1], "recency": [2.0], "T": [3.0]},
            DataError,
            "Did you mean 'Frequency'",
        ),
        ({"frequency": [], "recency": [], "T": []}, DataError, "no customers"),
        ({"frequency": [0, 0], "recency": [0, 0], "T": [3, 5]}, FitError, "repeat purchase"),
        ({"frequency": [2], "recency": [2.0], "T": [3.0]}, FitError, "One customer cannot"),
        (
            {"frequency": [1, 2], "recency": [2.0, 9.0], "T": [3.0, 5.0]},
            DataError,
            r"1 of 2 customers has recency > T \(first: 1\)",
        ),
        ({"frequency": ["a"], "recency": [2.0], "T": [3.0]}, DataError, "must hold numbers"),
    ],
)
def test_what_cannot_be_fitted_says_why(rfm, error, message):
    with pytest.raises(error, match=message):
        BGNBD.fit(pd.DataFrame(rfm))


def test_no_spend_to_fit():
    rfm = pd.DataFrame({"frequency": [0, 2], "monetary_value": [0.0, 0.0]})
    with pytest.raises(FitError, match="repeat purchase with a positive mean spend"):
        GammaGamma.fit(rfm)


def test_arguments_are_checked(cdnow_rfm):
    with pytest.raises(DataError, match="ridge=-1"):
        BGNBD.fit(cdnow_rfm, ridge=-1)
    with pytest.raises(DataError, match="time_unit='weeks'"):
        BGNBD.fit(cdnow_rfm, time_unit="weeks")
    with pytest.raises(DataError, match="No column 'n'"):
        fit(BGNBD, cdnow_rfm, weights="n")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 99}, "saved in format 99"),
        ({"model": "bgnbdd"}, "No model 'bgnbdd'"),
        ({"parameters": {"r": 1}}, "not a fit saved by clvforecast"),
        ({"parameters": {"r": -1, "alpha": 1, "a": 1, "b": 1}}, "r=-1"),
    ],
)
def test_a_file_that_is_no_fit_says_so(cdnow_buys, change, message):
    saved = json.loads(cdnow_buys.to_json()) | change
    with pytest.raises(DataError, match=message):
        Fit.from_json(json.dumps(saved))


def test_loading_what_is_not_there(tmp_path):
    with pytest.raises(DataError, match="Cannot read a fit"):
        Fit.load(tmp_path / "none.json")
    with pytest.raises(DataError, match="not a fit"):
        Fit.from_json("hello")


def test_a_fit_that_runs_off_still_forecasts():
    """The worked example: five customers, four of them alike."""
    orders = clv.read_orders(clv.datasets.worked_example_path())
    rfm = orders.summarize("W")
    with pytest.warns(FitWarning):
        buys, spend = BGNBD.fit(rfm), GammaGamma.fit(rfm)
    value = clv.forecast(buys, spend, rfm, horizon="52W", annual_discount_rate=0.1)
    assert np.isfinite(value).all(axis=None)
    assert (value > 0).all(axis=None)


def test_where_nothing_is_known_of_two_parameters_the_others_keep_their_standard_errors(shop):
    """All customers stay: the information on a and b is zero to the last digit."""
    rfm = shop(BGNBD(1.0, 1.0, 1e-6, 1.0), np.full(100, 5.0), seed=2)
    with pytest.warns(FitWarning, match="nobody ever leaves"):
        errors = BGNBD.fit(rfm).standard_errors
    assert 0 < errors["r"] < 1
    assert 0 < errors["alpha"] < 1
    assert errors["a"] == errors["b"] == np.inf


class TwoSummits:
    """A log-likelihood with a low summit at 1 and a higher one at exp(3), 20.1."""

    def __call__(self, parameters):
        z = np.log(parameters[0])
        value = slope = curvature = 0.0
        for height, place in ((1.0, 0.0), (2.0, 3.0)):
            off = (z - place) / 0.3
            bell = height * np.exp(-0.5 * off**2)
            value, slope = value + bell, slope - off / 0.3 * bell
            curvature += (off**2 - 1) / 0.09 * bell
        first, second = slope / value, curvature / value - (slope / value) ** 2
        x = parameters[0]
        return Derivatives(
            np.log(value), np.array([first / x]), np.array([[(second - first) / x**2]])
        )

    def value(self, parameters):
        return self(parameters).value


class OnTwoSummits:
    """As much of a model as the search asks for."""

    starts = 1.2, 15.0

    @classmethod
    def starting_points(cls):
        return [np.array([start]) for start in cls.starts]

    @classmethod
    def total_log_likelihood(cls, *columns, weights):
        return TwoSummits()


def test_of_several_maxima_the_highest_counts():
    near_the_lower = Cells(OnTwoSummits, (np.ones(3),), np.ones(3), 1.0)
    alone = near_the_lower.estimate(0.0, np.array([1.2]))
    assert alone.converged
    assert alone.parameters == pytest.approx([1.0], abs=0.01)
    assert near_the_lower.estimate(0.0).parameters == pytest.approx([np.exp(3.0)], rel=0.01)
