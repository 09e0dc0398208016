"""What holds for every model: derivatives, weights, units, JSON. A new model joins by MODELS."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2

from clvforecast import (
    BGCNBD,
    BGNBD,
    MBGCNBD,
    MBGNBD,
    MODELS,
    DataError,
    Fit,
    GammaGamma,
    ParetoNBD,
)
from clvforecast.fitting import fit as fit_model
from clvforecast.models import PurchaseModel

TRUTHS = {
    type(model): model
    for model in (
        BGNBD(r=0.6, alpha=4.4, a=0.8, b=2.4),
        MBGNBD(r=0.6, alpha=4.4, a=0.8, b=2.4),
        ParetoNBD(r=0.6, alpha=5.0, s=0.7, beta=10.0),
        BGCNBD(r=0.9, alpha=1.5, a=0.8, b=2.4, k=3),
        MBGCNBD(r=0.9, alpha=1.5, a=0.8, b=2.4, k=3),
        GammaGamma(p=6.25, q=3.74, v=15.44),
    )
}


@pytest.fixture(scope="module")
def rfm():
    """Whole-day histories of 2,000 customers of a shop like CDNOW, in weeks."""
    days = np.random.default_rng(11).integers(190, 273, 2000)
    shop = BGNBD(r=0.6, alpha=4.4 * 7, a=0.8, b=2.4)
    customer, time = shop.simulate(days, seed=12)
    purchases = pd.DataFrame({"customer": customer, "day": np.ceil(time)}).drop_duplicates()
    by_customer = purchases.groupby("customer")["day"].agg(["size", "max"])
    by_customer = by_customer.reindex(range(days.size), fill_value=0)
    x = by_customer["size"].to_numpy()
    frame = pd.DataFrame(
        {
            "frequency": x,
            "recency": by_customer["max"].to_numpy() / 7,
            "T": days / 7,
            "monetary_value": GammaGamma(6.25, 3.74, 15.44).simulate(x, seed=13),
        },
        index=pd.Index([f"C{i:04}" for i in range(days.size)], name="customer_id"),
    )
    frame.attrs = {"time_unit": "W", "until": "1997-09-30"}
    return frame


@pytest.fixture(params=MODELS.values(), ids=MODELS.keys())
def model(request):
    return request.param


def columns_of(model, rfm):
    columns = [rfm[name].to_numpy(dtype=float) for name in model.columns]
    known = model.informative(*columns)
    return [c[known] for c in columns]


def test_the_total_is_the_weighted_sum_of_the_rows(model, rfm):
    columns = columns_of(model, rfm)
    weights = np.random.default_rng(0).integers(1, 5, len(columns[0])).astype(float)
    total = model.total_log_likelihood(*columns, weights=weights)
    for start in model.starting_points():
        rows = model(*start).log_likelihood(*columns)
        assert total(start).value == pytest.approx(weights @ rows, rel=1e-11)
        assert total.value(start) == total(start).value


def test_analytic_derivatives_agree_with_central_differences(model, rfm):
    columns = columns_of(model, rfm)
    total = model.total_log_likelihood(*columns, weights=np.ones(len(columns[0])))
    for start in model.starting_points():
        _, gradient, hessian = total(start)
        for i, value in enumerate(start):
            step = np.zeros(len(start))
            step[i] = 1e-5 * value
            ahead, behind = total(start + step), total(start - step)
            slope = (ahead.value - behind.value) / (2 * step[i])
            curvature = (ahead.gradient - behind.gradient) / (2 * step[i])
            scale = np.abs(hessian[i]).max()
            assert gradient[i] == pytest.approx(slope, rel=1e-6, abs=1e-6 * np.abs(gradient).max())
            assert hessian[i] == pytest.approx(curvature, rel=1e-6, abs=1e-6 * scale)


def test_a_sample_of_the_customers_shortens_the_way_and_changes_nothing(model, rfm, monkeypatch):
    straight = fit_model(model, rfm)
    monkeypatch.setattr("clvforecast.fitting.cells._SAMPLE", 100)
    sampled = fit_model(model, rfm)
    assert sampled.parameters == pytest.approx(straight.parameters, rel=1e-10)
    assert sampled.log_likelihood == pytest.approx(straight.log_likelihood, rel=1e-13)
    assert sampled.information == pytest.approx(straight.information, rel=1e-8, abs=1e-6)


def test_a_fault_far_down_the_summary_is_counted_and_named(model):
    many = 40_000
    columns = {"frequency": 1.0, "recency": 1.0, "T": 2.0, "monetary_value": 5.0}
    rows = [np.full(many, columns[name]) for name in model.columns]
    rows[0][[20_000, 39_000]] = 1.5
    labels = pd.Index([f"C{i}" for i in range(many)])
    with pytest.raises(DataError, match=r"2 of 40,000 customers .* whole .*\(first: 'C20000'\)"):
        model.check(*rows, labels=labels)


def test_the_fit_is_where_the_gradient_vanishes(model, rfm):
    fit = model.fit(rfm)
    columns = columns_of(model, rfm)
    estimates = np.array(list(fit.parameters.values()))
    ones, settings = np.ones(len(columns[0])), fit.model.settings
    value, gradient, _ = model.total_log_likelihood(*columns, weights=ones, **settings)(estimates)
    assert fit.log_likelihood == pytest.approx(value, rel=1e-11)
    assert np.abs(gradient * estimates).max() < 1e-5 * fit.customers
    assert fit.remarks == ()


def test_information_is_minus_the_hessian_in_the_log_parameters(model, rfm):
    fit = model.fit(rfm)
    columns = columns_of(model, rfm)
    estimates = np.array(list(fit.parameters.values()))
    ones, settings = np.ones(len(columns[0])), fit.model.settings
    total = model.total_log_likelihood(*columns, weights=ones, **settings)

    def value(log_parameters):
        return total(np.exp(log_parameters)).gradient * np.exp(log_parameters)

    for i in range(len(estimates)):
        step = np.zeros(len(estimates))
        step[i] = 1e-5
        difference = value(np.log(estimates) + step) - value(np.log(estimates) - step)
        scale = np.abs(fit.information[i]).max()
        assert fit.information[i] == pytest.approx(-difference / 2e-5, rel=1e-5, abs=1e-5 * scale)


def test_a_simulated_shop_gives_the_parameters_back(model, rfm):
    """The truth is no less likely than chance allows: twice the difference to the estimates'
    log-likelihood is chi-squared (Wilks), however curved the ridge between them."""
    truth, shop = TRUTHS[model], rfm.copy()
    if issubclass(model, PurchaseModel):
        customer, time = truth.simulate(shop["T"].to_numpy(), seed=21)
        last = np.zeros(len(shop))
        last[customer] = time
        shop["frequency"], shop["recency"] = np.bincount(customer, minlength=len(shop)), last
    else:
        shop["monetary_value"] = truth.simulate(shop["frequency"].to_numpy(), seed=21)
    found = model.fit(shop, **truth.settings)

    lost = found.log_likelihood - truth.log_likelihood(*columns_of(model, shop)).sum()
    assert 0 < 2 * lost < chi2.ppf(0.9999, len(truth.parameters))
    apart = np.log(list(found.parameters.values())) - np.log(list(truth.parameters.values()))
    errors = np.sqrt(np.diag(np.linalg.inv(found.information)))
    assert np.all(np.abs(apart) < 4 * errors)


def test_weighted_rows_are_repeated_rows(model, rfm):
    counts = np.random.default_rng(1).integers(0, 4, len(rfm))
    repeated = rfm.loc[rfm.index.repeat(counts)].reset_index(drop=True)
    repeated.attrs = rfm.attrs
    weighted = fit_model(model, rfm.assign(n=counts), weights="n")
    plain = fit_model(model, repeated)
    assert list(weighted.parameters.values()) == pytest.approx(
        list(plain.parameters.values()), rel=1e-7
    )
    assert weighted.log_likelihood == pytest.approx(plain.log_likelihood, rel=1e-11)
    assert weighted.customers == plain.customers


@pytest.mark.parametrize("ridge", [0.0, 0.01])
@pytest.mark.parametrize("factor", [7.0, 1 / 52.18, 1e6])
def test_the_unit_changes_the_scale_parameter_and_nothing_else(model, rfm, factor, ridge):
    other = rfm.assign(**{name: rfm[name] * factor for name in model.scaled_columns})
    here, there = model.fit(rfm, ridge=ridge), model.fit(other, ridge=ridge)
    expected = here.model.rescaled(factor).parameters
    assert there.parameters == pytest.approx(expected, rel=1e-6)
    assert there.information == pytest.approx(here.information, rel=1e-4, abs=1e-3)


def test_the_order_of_the_rows_does_not_matter(model, rfm):
    shuffled = rfm.sample(frac=1, random_state=5)
    assert model.fit(shuffled).parameters == pytest.approx(model.fit(rfm).parameters, rel=1e-9)


def test_the_summary_is_not_changed(model, rfm):
    before, attrs = rfm.copy(), dict(rfm.attrs)
    model.fit(rfm)
    pd.testing.assert_frame_equal(rfm, before)
    assert rfm.attrs == attrs


def test_json_round_trip_keeps_every_digit(model, rfm, tmp_path):
    fit = model.fit(rfm, ridge=0.001)
    fit.save(tmp_path / "fit.json")
    loaded = Fit.load(tmp_path / "fit.json")
    assert loaded.model == fit.model
    assert np.array_equal(loaded.information, fit.information)
    assert loaded.to_json() == fit.to_json()
    assert str(loaded) == str(fit)
    assert "C0000" not in fit.to_json()


def test_confidence_intervals_are_positive_and_grow_with_the_level(model, rfm):
    fit = model.fit(rfm)
    narrow, wide = fit.confidence_intervals(0.5), fit.confidence_intervals(0.99)
    estimates = pd.Series(fit.parameters)
    assert (wide["lower"] > 0).all()
    assert (wide["lower"] < narrow["lower"]).all()
    assert (narrow["lower"] < estimates).all()
    assert (estimates < narrow["upper"]).all()
    assert (narrow["upper"] < wide["upper"]).all()


def test_ridge_pulls_in_and_the_reported_likelihood_is_unpenalised(model, rfm):
    free, pulled = model.fit(rfm), model.fit(rfm, ridge=0.05)
    assert pulled.log_likelihood < free.log_likelihood
    rows = pulled.model.log_likelihood(*columns_of(model, rfm))
    assert pulled.log_likelihood == pytest.approx(rows.sum(), rel=1e-11)
    assert np.all(np.diag(pulled.covariance) < np.diag(free.covariance))
