"""`select` fits several models and says which to use, and what is within noise."""

import json

import numpy as np
import pandas as pd
import pytest

import clvforecast as clv
from clvforecast import BGNBD, MBGNBD, DataError, FitError

BOTH = ["bgnbd", "mbgnbd"]


def shop(model, customers=4_000, seed=5):
    """A summary of simulated customers, in weeks."""
    T = np.random.default_rng(seed).integers(30, 60, customers).astype(float)
    customer, time = model.simulate(T, seed=seed + 1)
    x = np.bincount(customer, minlength=customers)
    last = np.zeros(customers)
    np.maximum.at(last, customer, time)
    rfm = pd.DataFrame({"frequency": x, "recency": last, "T": T})
    rfm.attrs = {"time_unit": "W"}
    return rfm


@pytest.mark.parametrize("by", ["bic", "aic"])
def test_in_sample_the_criterion_orders_the_fits(cdnow_rfm, by):
    found = clv.select(cdnow_rfm, BOTH, by=by)
    fits = {model.name: model.fit(cdnow_rfm) for model in (BGNBD, MBGNBD)}
    values = {name: getattr(fit, by) for name, fit in fits.items()}
    assert found.table[by].to_dict() == pytest.approx(values)
    assert found.table[by].is_monotonic_increasing
    assert found.best.model.name == min(values, key=values.get)
    assert list(found.fits) == list(found.table.index)
    # log-likelihoods of -9582.1 and -9582.4: nobody can tell them apart.
    assert found.ties == ["BG/NBD"]
    assert "cannot tell it from BG/NBD" in str(found)


@pytest.mark.parametrize(
    "truth", [BGNBD(1.5, 6.0, 1.0, 1.5), MBGNBD(1.5, 6.0, 1.0, 1.5)], ids=["BG", "MBG"]
)
def test_the_model_that_made_the_customers_is_found(truth):
    found = clv.select(shop(truth), BOTH)
    assert type(found.best.model) is type(truth)
    assert found.ties == []
    assert "by more than noise" in str(found)
    assert found.comparison.best == truth.name


def test_held_out_it_is_the_backtest_that_decides(cdnow_orders):
    terms = {"n": 2, "horizon": "13W", "replicates": 20}
    found = clv.select(cdnow_orders, BOTH, by="backtest", **terms)
    past = clv.backtest(cdnow_orders, [BGNBD, MBGNBD], metrics=["crps"], baselines=False, **terms)
    expected = past.differences("crps")
    assert list(found.table.index) == list(expected.index)
    assert found.table["score"].to_numpy() == pytest.approx(expected["value"].to_numpy())
    assert found.table["within_noise"].tolist() == expected["within_noise"].tolist()
    assert "the best crps held out" in str(found)
    assert json.loads(json.dumps(found.to_dict()))["best"] == found.best.model.name


def test_all_models_are_candidates_unless_some_are_named(cdnow_rfm):
    found = clv.select(cdnow_rfm)
    assert set(found.fits) == {
        model.name for model in clv.MODELS.values() if "recency" in model.columns
    }


def test_what_cannot_be_fitted_is_said_and_left_out(cdnow_rfm):
    class Unfit(BGNBD):
        name = "unfit"

        @classmethod
        def fit(cls, *_, **__):
            raise FitError("There is no way.")

    found = clv.select(cdnow_rfm, [Unfit, BGNBD])
    assert list(found.fits) == ["BG/NBD"]
    assert found.notes[0] == "unfit cannot be fitted: There is no way."
    assert "the only one that could be fitted" in str(found)
    assert found.comparison is None
    with pytest.raises(FitError, match="There is no way"):
        clv.select(cdnow_rfm, [Unfit])


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"by": "luck"}, "by='luck' is no criterion"),
        ({"by": "backtest"}, "A summary cannot be backtested"),
        ({"candidates": ["mbgnd"]}, "Did you mean 'mbgnbd'"),
        ({"candidates": ["gamma-gamma"]}, "is no model of purchases"),
        ({"candidates": ["bgnbd", BGNBD]}, "has BG/NBD twice"),
        ({"candidates": []}, "names no model"),
    ],
)
def test_wrong_arguments(cdnow_rfm, given, fault):
    with pytest.raises(DataError, match=fault):
        clv.select(cdnow_rfm, **given)
