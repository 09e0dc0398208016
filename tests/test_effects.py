"""Fits with covariates and a calendar go wherever a fit goes, and find the truth."""

import datetime as dt
import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import clvforecast as clv
from clvforecast.cli.commands import app
from clvforecast.datasets import (
    SHOP_BUYING,
    SHOP_LEAVING,
    SHOP_MONTHS,
    SHOP_SPENDING,
)
from clvforecast.fitting import fit as fit_model
from clvforecast.transactions.timing import purchase_timing


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


TERMS = {"horizon": "13W", "annual_discount_rate": 0.10, "margin": 0.30}
UNTIL = "2023-10-31"
BOTH = {"calendar": "month", "covariates": "channel"}


@pytest.fixture(scope="module")
def orders():
    return clv.read_orders(clv.datasets.simulate_shop(2_500, seed=3), segments="channel")


@pytest.fixture(scope="module")
def rfm(orders):
    return orders.summarize("W", until=UNTIL, segments="channel")


@pytest.fixture(scope="module")
def spend(rfm):
    return clv.GammaGamma.fit(rfm, covariates="channel")


@pytest.fixture(scope="module")
def both(orders, rfm):
    return clv.MBGNBD.fit(rfm, orders=orders, **BOTH)


@pytest.fixture(
    scope="module",
    params=[
        (clv.BGNBD, {"calendar": "fourier:2 + trend"}),
        (clv.MBGNBD, BOTH),
        (clv.ParetoNBD, {"covariates": "channel"}),
        (clv.MBGCNBD, {"covariates": {"purchase": "channel"}, "k": 2}),
    ],
    ids=lambda param: f"{param[0].name}-{'-'.join(param[1])}",
)
def buys(request, orders, rfm):
    kind, asked = request.param
    return kind.fit(rfm, orders=orders, **asked)


@pytest.fixture(scope="module")
def value(buys, spend, rfm):
    return clv.forecast(buys, spend, rfm, level=0.9, **TERMS)


def test_the_portfolio_adds_up_to_the_forecasts(buys, value, spend, rfm):
    ahead = clv.portfolio(buys, spend, rfm, horizon="13W", period="W", simulations=150)
    total = value["expected_purchases"].sum()
    assert ahead.table()["orders"].sum() == pytest.approx(total, rel=1e-9)
    drawn = ahead.simulations("orders").sum(axis="columns")
    assert abs(drawn.mean() - total) < 4.5 * drawn.std() / np.sqrt(len(drawn))


def test_newcomers_are_expected_as_they_are_drawn(buys, spend, rfm):
    terms = {"horizon": "12W", "simulations": 150, "new_customers": 300, "by": "channel"}
    plan = {"marketplace": 100, "store": 50, "web": 200}
    ahead = clv.portfolio(buys, spend, rfm.tail(60), **terms | {"new_customers": plan})
    expected = ahead.table()["orders"].sum()
    drawn = ahead.simulations("orders").sum(axis="columns")
    assert abs(drawn.mean() - expected) < 4.5 * drawn.std() / np.sqrt(len(drawn))


def test_levers_retention_and_laws_agree_with_the_forecast(buys, value, spend, rfm):
    levers = clv.what_if(buys, spend, rfm, change={"frequency": 0.1}, **TERMS)
    assert levers.table["before"].iloc[0] == pytest.approx(value["clv"].sum(), rel=1e-9)
    kept = clv.retention(buys, spend, rfm, **TERMS)
    assert kept.customers["clv"].sum() == pytest.approx(value["clv"].sum(), rel=1e-9)
    some = rfm.iloc[::100]
    law = clv.purchase_distribution(buys, some, horizon="13W")
    expected = value["expected_purchases"].iloc[::100]
    pmf = law.pmf(range(200))
    assert (pmf @ np.arange(200.0)).to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-6)
    limits = law.quantile([0.05, 0.95])
    assert limits[0.95].tolist() == value["purchases_upper"].iloc[::100].tolist()
    one = clv.purchase_distribution(buys, rfm, horizon="13W").of([rfm.index[200]])
    assert one.pmf([0, 1]).to_numpy() == pytest.approx(law.pmf([0, 1]).loc[[rfm.index[200]]])


def test_json_keeps_what_it_forecasts(buys, value, spend, rfm):
    again = clv.Fit.from_json(buys.to_json())
    spends = clv.Fit.from_json(spend.to_json())
    assert again.parameters == buys.parameters
    assert again.covariance == pytest.approx(buys.covariance, rel=1e-9)
    assert str(again) == str(buys)
    pd.testing.assert_frame_equal(clv.forecast(again, spends, rfm, level=0.9, **TERMS), value)


def test_draws_of_the_parameters_widen_intervals(buys, value, spend, rfm):
    draws = buys.posterior(draws=100, seed=1), spend.posterior(draws=100, seed=1)
    assert list(draws[0].summary().index) == list(buys.parameters)
    some = rfm.iloc[::200]
    wide = clv.forecast(buys, spend, some, level=0.9, posterior=draws, **TERMS)
    width = (wide["clv_upper"] - wide["clv_lower"]).sum()
    narrow = (value["clv_upper"] - value["clv_lower"]).iloc[::200].sum()
    assert 0.98 * narrow < width < 1.3 * narrow


def test_customers_of_one_channel_are_those_of_a_model_of_their_own(orders, rfm, spend):
    fit = clv.MBGNBD.fit(rfm, covariates="channel")
    whole = clv.forecast(fit, spend, rfm, level=0.8, **TERMS)
    for channel in ("marketplace", "store", "web"):
        rows = rfm[rfm["channel"] == channel]
        ratio = {
            role: fit.parameters.get(f"{role}: channel[T.{channel}]", 1.0)
            for role in ("purchase", "dropout")
        }
        model = clv.MBGNBD(
            r=fit.model.r,
            alpha=fit.model.alpha / ratio["purchase"],
            a=fit.model.a * ratio["dropout"],
            b=fit.model.b,
        )
        own = spend.parameters.get(f"spend: channel[T.{channel}]", 1.0)
        spends = clv.GammaGamma(spend.model.p, spend.model.q, spend.model.v * own)
        alone = clv.forecast(model, spends, rows, level=0.8, **TERMS)
        pd.testing.assert_frame_equal(whole.loc[rows.index], alone, rtol=1e-6)


def test_the_truth_is_found(both, spend):
    found = both.coefficients()
    truth = [*SHOP_BUYING[1:], *SHOP_LEAVING[1:]]
    assert (np.abs(found["coefficient"] - truth) < 4 * found["std_error"]).all()
    found = spend.coefficients()
    assert (
        np.abs(found["coefficient"] - np.array(SHOP_SPENDING[1:])) < 4 * found["std_error"]
    ).all()
    months = both.multipliers(level=0.9999)
    season = np.array(SHOP_MONTHS) / np.exp(np.log(SHOP_MONTHS).mean())
    assert (months["lower"] < season).all()
    assert (season < months["upper"]).all()
    assert both.term_tests()["p_value"].max() < 1e-4


def test_a_richer_fit_never_ends_below_a_poorer_one(orders, rfm, both):
    plain = clv.MBGNBD.fit(rfm)
    seasonal = clv.MBGNBD.fit(rfm, orders=orders, calendar="month")
    assert plain.log_likelihood < seasonal.log_likelihood < both.log_likelihood
    test = clv.likelihood_ratio_test(seasonal, both)
    assert test.degrees_of_freedom == 4
    assert test.p_value < 1e-6


def test_december_is_foretold_only_with_a_calendar(orders, rfm, spend, both):
    plain = clv.MBGNBD.fit(rfm)
    until = dt.date.fromisoformat(UNTIL)
    actual = orders.totals("M", after=until, until="2023-12-31", acquired_by=until)["orders"]
    with_season, without = (
        clv.portfolio(fit, spend, rfm, horizon="2M", period="M", simulations=400)
        for fit in (both, plain)
    )
    assert with_season.track(actual, level=0.99)["orders_inside"].all()
    assert not without.track(actual, level=0.99)["orders_inside"].any()
    season = (with_season.table()["orders"] / without.table()["orders"]).to_numpy()
    assert season[1] / season[0] == pytest.approx(1.9 / 1.5, rel=0.1)


def test_checks_of_a_fit_take_its_season_into_account(orders, rfm, both):
    counts = clv.purchase_counts(both, rfm)
    assert counts["expected"].sum() == pytest.approx(len(rfm))
    tracked = clv.purchase_tracking(orders, clv.MBGNBD.fit(rfm, orders=orders, calendar="month"))
    after = tracked[tracked["end"] > UNTIL]
    assert after["expected_cumulative"].iloc[8] - after["expected_cumulative"].iloc[
        0
    ] == pytest.approx(
        after["actual_cumulative"].iloc[8] - after["actual_cumulative"].iloc[0], rel=0.1
    )


def test_a_calendar_follows_the_day_of_the_summary(orders, spend):
    fit = clv.MBGNBD.fit(orders.summarize("W", until=UNTIL), orders=orders, calendar="month")
    later = orders.summarize("W", until="2024-01-31")
    ahead = clv.portfolio(fit, spend.model, later, horizon="1M", simulations=50).total()["orders"]
    christmas = clv.portfolio(
        fit, spend.model, orders.summarize("W", until="2023-11-30"), horizon="1M", simulations=50
    ).total()["orders"]
    assert christmas.iloc[0] > 1.6 * ahead.iloc[0]
    alive = clv.alive_history(fit, orders, rfm_index := list(later.index[:2]))
    for customer in rfm_index:
        for day in ("2023-10-31", "2024-01-31"):
            at = orders.summarize("W", until=day).loc[[customer]]
            expected = clv.forecast(fit, spend.model, at, horizon=1)["p_alive"].iloc[0]
            assert alive.loc[day, customer] == pytest.approx(expected, rel=1e-9)


def test_silences_end_where_p_alive_says(rfm, both):
    some = rfm[rfm["frequency"] > 2].iloc[:4]
    limits = clv.silence_limits(both, some, threshold=0.4)
    for customer, row in limits.iterrows():
        asked = rfm.loc[[customer]]
        ahead = row["silence_limit"] - row["silence"]
        model = both.model_of(asked).later(ahead)
        x, t_x, T = (asked[name].to_numpy() for name in ("frequency", "recency", "T"))
        assert model.p_alive(x, t_x, T + ahead)[0] == pytest.approx(0.4, rel=1e-6)


def test_backtests_and_choices_take_specifications(orders):
    plain = clv.Specification(clv.MBGNBD)
    candidates = ["mbgnbd", "mbgnbd; calendar: month; covariates: channel"]
    found = clv.select(orders, candidates)
    assert found.table.index[0] == "MBG/NBD, month, channel"
    assert found.best.specification.calendar == clv.Calendar.of("month")
    assert found.best.specification.covariates == {"purchase": "channel", "dropout": "channel"}
    past = clv.backtest(
        orders,
        {"plain": plain, "seasonal": candidates[1]},
        cutoffs=[UNTIL],
        horizon="60D",
        metrics=["bias", "crps"],
        replicates=20,
    )
    scores = past.summary("crps", target="purchases")["mean"]
    assert scores["seasonal"] < scores["plain"]
    assert abs(past.summary("bias", target="purchases")["mean"]["seasonal"]) < 0.1


def test_the_report_and_segments_know_them(orders, rfm, both, spend):
    few = clv.read_orders(clv.datasets.simulate_shop(400, seed=4), segments="channel")
    small = few.summarize("W", until=UNTIL, segments="channel")
    page = clv.report(
        few,
        until=UNTIL,
        horizon="2M",
        purchases=clv.MBGNBD.fit(small, orders=few, calendar="fourier:1", covariates="channel"),
        spend=clv.GammaGamma.fit(small, covariates="channel"),
        download="none",
        top=5,
    )
    assert "MBG/NBD" in page.html
    ahead = clv.forecast(both, spend, rfm, **TERMS)
    past = clv.historical_clv(orders, until=UNTIL, margin=0.30)
    groups = clv.segments(ahead, past, by="value", purchases=both, spend=spend, rfm=rfm)
    assert groups.table["clv"].sum() == pytest.approx(ahead["clv"].sum())


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"covariates": "colour"}, "colour"),
        ({"covariates": {"spend": "channel"}}, "no part 'spend'"),
        ({"calendar": "month"}, "Pass the orders that were summarised"),
        ({"equal": [("a", "b")]}, "there are none"),
        ({"k": 2}, "has no k="),
    ],
)
def test_what_cannot_be_fitted_says_why(rfm, asked, message):
    with pytest.raises(clv.DataError, match=message):
        clv.MBGNBD.fit(rfm, **asked)


def test_what_a_model_or_a_summary_does_not_take_is_said(orders, rfm, both, spend):
    with pytest.raises(clv.DataError, match="Pareto/NBD takes no calendar"):
        clv.ParetoNBD.fit(rfm, calendar="month", orders=orders)
    with pytest.raises(clv.DataError, match="hold [\\d,]+ repeat purchases"):
        clv.MBGNBD.fit(
            rfm.assign(frequency=rfm["frequency"] + (rfm["frequency"] > 0)),
            calendar="month",
            orders=orders,
        )
    with pytest.raises(clv.DataError, match="channel"):
        clv.forecast(both, spend, rfm.drop(columns="channel"), **TERMS)
    with pytest.raises(clv.DataError, match="kiosk"):
        clv.forecast(both, spend, rfm.assign(channel="kiosk"), **TERMS)
    nowhere = rfm.copy()
    del nowhere.attrs["until"]
    with pytest.raises(clv.DataError, match="until"):
        clv.forecast(both, spend, nowhere, **TERMS)


def test_a_summary_of_some_customers_has_their_days_alone(orders, rfm):
    some = rfm[rfm["channel"] == "store"]
    fit = clv.MBGNBD.fit(some, orders=orders, calendar="fourier:1")
    alone = clv.datasets.simulate_shop(2_500, seed=3)
    theirs = clv.read_orders(alone[alone["channel"] == "store"])
    same = clv.MBGNBD.fit(theirs.summarize("W", until=UNTIL), orders=theirs, calendar="fourier:1")
    assert fit.parameters == pytest.approx(same.parameters, rel=1e-8)


@pytest.mark.parametrize(
    ("kind", "asked"),
    [(clv.MBGNBD, BOTH), (clv.ParetoNBD, {"covariates": "channel"})],
    ids=["both", "covariates"],
)
def test_neither_the_time_unit_nor_weights_change_a_fit(orders, rfm, kind, asked):
    timing = purchase_timing(orders, rfm)
    plain = fit_model(kind, rfm, orders=timing, **asked)

    days = orders.summarize("D", until=UNTIL, segments="channel")
    there = fit_model(kind, days, orders=timing, **asked)
    expected = plain.parameters | plain.model.rescaled(7.0).parameters
    assert there.parameters == pytest.approx(expected, rel=1e-6)
    assert there.information == pytest.approx(plain.information, rel=1e-4, abs=1e-3)

    columns = [*kind.columns, "channel"]
    cells = rfm.groupby(columns).size().rename("n").reset_index()
    cells.attrs = rfm.attrs
    weighted = fit_model(kind, cells, weights="n", orders=timing, **asked)
    assert weighted.parameters == pytest.approx(plain.parameters, rel=1e-7)
    assert weighted.log_likelihood == pytest.approx(plain.log_likelihood, rel=1e-11)
    assert weighted.customers == plain.customers == len(rfm)


def test_an_engine_fits_and_forecasts_them(orders, rfm, both, spend):
    lazy = orders.summarize("W", until=UNTIL, segments="channel", lazy=True)
    fit = clv.MBGNBD.fit(lazy, orders=orders, **BOTH)
    assert fit.parameters == pytest.approx(both.parameters, rel=1e-9)
    found = clv.forecast(both, spend, lazy, level=0.9, **TERMS).to_pandas()
    expected = clv.forecast(both, spend, rfm, level=0.9, **TERMS)
    pd.testing.assert_frame_equal(found, expected, rtol=1e-9, atol=0)


def test_text_says_how_a_model_is_fitted():
    said = clv.Specification.of("bgnbd; purchase: channel; dropout: np.log(age); calendar: trend")
    assert said.covariates == {"purchase": "channel", "dropout": "np.log(age)"}
    assert said.variables == ("channel", "age")
    assert clv.Specification.of("mbgcnbd; k: 3").name == "MBG/CNBD-3"
    for wrong, message in (
        ("bgnb", "Did you mean 'bgnbd'"),
        ("bgnbd; calender: month", "Did you mean 'calendar'"),
        ("bgnbd; calendar", "not understood"),
        ("bgcnbd; k: two", "whole number"),
        ("bgnbd; covariates: a; purchase: b", "Leave 'purchase' out"),
    ):
        with pytest.raises(clv.DataError, match=message):
            clv.Specification.of(wrong)


def test_events_and_quantities_come_from_files(tmp_path):
    events, quantities = tmp_path / "sales.csv", tmp_path / "prices.csv"
    events.write_text("event,date,end\nsale,2023-06-01,2023-06-05\nsale,2024-06-01,\n")
    quantities.write_text("day,price\n2023-01-01,1.5\n2023-01-02,2.5\n")
    said = f"mbgnbd; calendar: month; events: {events}; regressors: {quantities}"
    calendar = clv.Specification.of(said).calendar
    assert str(calendar) == "month + event 'sale' + regressor 'price'"
    assert calendar.to_dict()["events"] == {
        "sale": [["2023-06-01", "2023-06-05"], ["2024-06-01", "2024-06-01"]]
    }
    alone = clv.Specification.of(f"mbgnbd; events: {events}").calendar
    assert str(alone) == "event 'sale'"
    with pytest.raises(clv.DataError, match="Cannot read"):
        clv.Specification.of("mbgnbd; events: nowhere.csv")


def test_the_command_line_fits_and_keeps_them(tmp_path, monkeypatch):
    log = tmp_path / "orders.csv"
    clv.datasets.simulate_shop(800, seed=5).to_csv(log, index=False)
    model = "mbgnbd; calendar: fourier:1; covariates: channel"
    kept = tmp_path / "fits.json"
    first = invoke(
        "forecast", log, "--model", model, "--model", "gamma-gamma; spend: channel",
        "--horizon", "13W", "--save", kept, "-o", tmp_path / "a.csv",
    )  # fmt: skip
    assert first.exit_code == 0, first.output
    saved = json.loads(kept.read_text())
    assert saved["purchases"]["effects"]["calendar"]["calendar"] == {"fourier": 1}
    again = invoke("forecast", log, "--model", kept, "--horizon", "13W", "-o", tmp_path / "b.csv")
    assert again.exit_code == 0, again.output
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()

    monkeypatch.setattr("clvforecast.cli.commands.stages.fitted", None)  # the engine does it
    third = invoke(
        "forecast", log, "--model", kept, "--horizon", "13W", "-o", tmp_path / "c.parquet"
    )
    assert third.exit_code == 0, third.output
    found = pd.read_parquet(tmp_path / "c.parquet").sort_values("customer_id", ignore_index=True)
    pd.testing.assert_frame_equal(found, pd.read_csv(tmp_path / "a.csv"), rtol=1e-9, atol=0)
    wrong = invoke("forecast", log, "--model", "mbgnbd; covariates: shape", "--horizon", "13W")
    assert wrong.exit_code == 1
    assert "shape" in wrong.stderr


def test_profiles_and_refits_agree_with_the_curvature(rfm):
    fit = clv.MBGNBD.fit(rfm, covariates={"purchase": "channel"})
    wald = np.log(fit.confidence_intervals().to_numpy())
    profile = np.log(fit.profile_intervals().to_numpy())
    width = (wald[:, 1] - wald[:, 0])[:, None]
    assert (np.abs(profile - wald) < 0.1 * width).all()
    drawn = np.log(fit.bootstrap(replicates=120, seed=2).to_frame())
    deviations = np.sqrt(np.diag(fit.covariance))
    # A standard deviation of 120 draws is off by 6.5% in the mean.
    assert drawn.std().to_numpy() == pytest.approx(deviations, rel=0.3)


def test_a_calendar_has_no_refits(both):
    with pytest.raises(clv.FitError, match="no bootstrap"):
        both.bootstrap(replicates=100)
