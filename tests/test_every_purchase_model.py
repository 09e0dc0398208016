"""Every model of purchases goes wherever one can go, and says the same everywhere."""

import numpy as np
import pandas as pd
import pytest

import clvforecast as clv
from clvforecast.models import PurchaseModel

KINDS = [model for model in clv.MODELS.values() if issubclass(model, PurchaseModel)]
TERMS = {"horizon": "26W", "annual_discount_rate": 0.10, "margin": 0.30}


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.name)
def buys(request, cdnow_rfm):
    return request.param.fit(cdnow_rfm)


@pytest.fixture(scope="module")
def value(buys, cdnow_spend, cdnow_rfm):
    return clv.forecast(buys, cdnow_spend, cdnow_rfm, **TERMS)


def test_the_portfolio_adds_up_to_the_forecasts(buys, value, cdnow_spend, cdnow_rfm):
    ahead = clv.portfolio(buys, cdnow_spend, cdnow_rfm, horizon="26W", simulations=100)
    assert ahead.table()["orders"].sum() == pytest.approx(
        value["expected_purchases"].sum(), rel=1e-9
    )
    drawn = ahead.simulations("orders").sum(axis="columns")
    error = drawn.std() / np.sqrt(len(drawn))
    assert abs(drawn.mean() - value["expected_purchases"].sum()) < 4.5 * error


def test_customers_to_be_acquired_are_those_of_the_model(buys, cdnow_spend, cdnow_rfm):
    terms = {"horizon": "8W", "simulations": 120, "new_customers": 500}
    ahead = clv.portfolio(buys, cdnow_spend, cdnow_rfm.head(1), **terms)
    expected = float(ahead.table()["orders_from_new"].sum())
    # Acquired evenly over the weeks, each with an order, and then with what follows it.
    ages = 8.0 * (np.arange(2_000) + 0.5) / 2_000
    each = 1 + buys.model.expected_repeat_purchases(ages).mean()
    assert expected == pytest.approx(8 * 500 * each, rel=1e-5)
    drawn = ahead.simulations("orders").sum(axis="columns")
    own = float(ahead.table()["orders"].sum()) - expected
    assert abs(drawn.mean() - own - expected) < 4.5 * drawn.std() / np.sqrt(len(drawn))


def test_an_engine_and_the_levers_and_retention_agree(buys, value, cdnow_spend, cdnow_orders):
    lazy = cdnow_orders.summarize(time_unit="W", until="1997-09-30", lazy=True)
    there = clv.forecast(buys, cdnow_spend, lazy, **TERMS).to_pandas()
    pd.testing.assert_frame_equal(
        there.sort_index(), value.sort_index(), rtol=1e-9, check_dtype=False
    )
    rfm = lazy.to_pandas()
    levers = clv.what_if(buys, cdnow_spend, rfm, change={"retention": 0.1}, **TERMS)
    assert levers.table["before"].iloc[0] == pytest.approx(value["clv"].sum(), rel=1e-9)
    assert levers.table["after"].iloc[0] > levers.table["before"].iloc[0]
    kept = clv.retention(buys, cdnow_spend, rfm, **TERMS)
    assert kept.customers["clv"].sum() == pytest.approx(value["clv"].sum(), rel=1e-9)
    assert (kept.customers["worth_of_retaining"] >= 0).all()


@pytest.mark.parametrize("kind", [clv.ParetoNBD, clv.MBGCNBD])
def test_the_report_names_it(kind, cdnow_rfm, cdnow_spend, cdnow_orders):
    """Of those whose dropout follows purchases, tests/test_report.py has one."""
    model = kind.fit(cdnow_rfm).model
    page = clv.report(
        cdnow_orders,
        until="1997-09-30",
        horizon="2M",
        purchases=model,
        spend=cdnow_spend.model,
        backtest=False,
        download="none",
        top=5,
    )
    assert model.name in page.html


def test_new_customers_of_a_log_are_worth_what_the_model_says(buys, cdnow_spend, cdnow_orders):
    found = clv.acquisition(
        cdnow_orders,
        until="1997-09-30",
        models=(type(buys.model), type(cdnow_spend.model)),
        horizon="26W",
        draws=100,
    ).whole.iloc[0]
    # Means over the posterior, beside those at the estimates.
    assert found["repeat_orders"] == pytest.approx(
        float(buys.model.expected_repeat_purchases(26.0)), rel=0.05
    )
