"""Customers that stay in their engine: the same numbers, and none of them comes here."""

import dataclasses
import datetime as dt
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import clvforecast as clv
from clvforecast.transactions import engine, lazy
from clvforecast.transactions.engine import calling_engine, fetch_row
from clvforecast.transactions.summary import in_units
from clvforecast.units import days_per

CUTOFF = "1997-09-30"
UNTIL = dt.date(1997, 9, 30)


@pytest.fixture(scope="module")
def kept(cdnow_orders: clv.Transactions) -> clv.LazySummary:
    return cdnow_orders.summarize("W", CUTOFF, lazy=True)


def stored(frame: pd.DataFrame, connection: Any) -> ibis.Table:
    """A table of the caller's database."""
    connection.con.register("given", pa.Table.from_pandas(frame, preserve_index=False))
    connection.con.execute("CREATE TABLE stored AS FROM given")
    with calling_engine("not found"):  # what Ibis calls is deprecated by DuckDB
        return connection.table("stored")


def rows_of(table: ibis.Table) -> int:
    return int(fetch_row(table.agg(rows=table.count()))["rows"])


def held(frame: pd.DataFrame) -> clv.LazySummary:
    """A summary in whole days, as an engine would have it."""
    return clv.LazySummary.of(stored(frame, ibis.duckdb.connect()), "D", UNTIL)


def changed(rfm: clv.LazySummary, **columns: Any) -> clv.LazySummary:
    """A summary that no order log can have."""
    days = rfm.days.mutate(**columns)
    table = in_units(days, days_per(rfm.time_unit), rfm.segments)
    return dataclasses.replace(rfm, days=days, table=table)


def message_of(call: Callable[..., object], *arguments: Any, **named: Any) -> str:
    with pytest.raises(clv.ClvError) as caught:
        call(*arguments, **named)
    return f"{type(caught.value).__name__}: {caught.value}"


@pytest.mark.parametrize("unit", ["D", "W", "M", "Y"])
def test_summaries_and_fits_are_the_same(cdnow_orders, unit):
    rfm = cdnow_orders.summarize(unit, CUTOFF)
    kept = cdnow_orders.summarize(unit, CUTOFF, lazy=True)
    assert len(kept) == len(rfm)
    assert (kept.time_unit, kept.until, kept.attrs) == (unit, CUTOFF, rfm.attrs)
    found = kept.to_pandas()
    assert found.attrs == rfm.attrs
    # Engines add up in any order, so the last digit of money may differ; times may not.
    exact = ["frequency", "recency", "T"]
    pd.testing.assert_frame_equal(found[exact], rfm[exact], check_exact=True)
    pd.testing.assert_frame_equal(found, rfm, rtol=1e-13, atol=0)

    for model in (clv.BGNBD, clv.GammaGamma):
        here, there = model.fit(rfm), model.fit(kept)
        pd.testing.assert_frame_equal(there.summary(), here.summary(), rtol=1e-9)
        assert there.log_likelihood == pytest.approx(here.log_likelihood, rel=1e-12)
        for name in ("customers", "repeat_customers", "time_unit", "until", "ridge"):
            assert getattr(there, name) == getattr(here, name)


def test_a_fit_with_a_ridge_and_its_bootstrap(cdnow_rfm, kept):
    here, there = clv.BGNBD.fit(cdnow_rfm, ridge=0.01), clv.BGNBD.fit(kept, ridge=0.01)
    assert there.parameters == pytest.approx(here.parameters, rel=1e-9)
    drawn = [fit.bootstrap(replicates=100, seed=1).summary() for fit in (here, there)]
    pd.testing.assert_frame_equal(*drawn, rtol=1e-9)


@pytest.mark.parametrize(
    "terms",
    [
        {"horizon": "39W"},
        {"horizon": 39, "margin": 0.3, "level": 0.9},
        {"horizon": "1Y", "annual_discount_rate": 0.1, "margin": 0.3, "level": 0.5},
        {"horizon": math.inf, "annual_discount_rate": 0.15},
        {"horizon": 0},
    ],
    ids=str,
)
def test_forecasts_are_the_same(cdnow_buys, cdnow_spend, cdnow_rfm, kept, terms, tmp_path):
    expected = clv.forecast(cdnow_buys, cdnow_spend, cdnow_rfm, **terms)
    value = clv.forecast(cdnow_buys, cdnow_spend, kept, **terms)
    found = value.to_pandas()
    assert len(value) == len(expected)
    assert value.attrs == found.attrs == expected.attrs
    pd.testing.assert_frame_equal(found, expected, rtol=1e-9, atol=0)

    value.to_parquet(tmp_path / "value.parquet")
    written = pd.read_parquet(tmp_path / "value.parquet").set_index("customer_id").sort_index()
    pd.testing.assert_frame_equal(written, found, check_exact=True)


def test_other_customers_than_those_of_the_fit(cdnow_buys, cdnow_spend):
    """Whole-number ids, and models with known parameters too."""
    log = pd.DataFrame(
        {
            "customer_id": [30, 4, 4, 4, 100],
            "date": ["2024-02-29", "2024-01-01", "2024-01-15", "2024-02-20", "2024-03-31"],
            "amount": [5.0, 10.0, 12.5, 40.0, 1e7],
        }
    )
    orders = clv.read_orders(log)
    rfm, kept = orders.summarize("W"), orders.summarize("W", lazy=True)
    for models in ((cdnow_buys, cdnow_spend), (cdnow_buys.model, cdnow_spend.model)):
        expected = clv.forecast(*models, rfm, horizon="52W", level=0.9)
        found = clv.forecast(*models, kept, horizon="52W", level=0.9).to_pandas()
        assert found.index.tolist() == [4, 30, 100]
        pd.testing.assert_frame_equal(found, expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("most", [1e-9, 1.0, 1e12])
def test_order_values_are_lines_in_the_mean_spend(most):
    """Whatever the currency, next to nothing is lost by drawing the line from zero to the most."""
    rng = np.random.default_rng(2)
    x = rng.integers(1, 4, 200)
    m = most * rng.random(200)
    rfm = held(
        pd.DataFrame(
            {"customer_id": range(200), "frequency": x, "recency_days": x, "T_days": 9,
             "monetary_value": m}
        )
    )  # fmt: skip
    buys, spend = clv.BGNBD(r=0.2, alpha=4.0, a=0.8, b=2.4), clv.GammaGamma(p=6.0, q=3.7, v=15.0)
    found = clv.forecast(buys, spend, rfm, horizon=30).to_pandas()
    np.testing.assert_allclose(found["expected_spend"], spend.expected_spend(x, m), rtol=1e-14)


def test_errors_are_the_same(cdnow_orders, cdnow_buys, cdnow_spend, cdnow_rfm, kept):
    early = [
        message_of(cdnow_orders.summarize, "W", "1996-01-01", lazy=lazily)
        for lazily in (False, True)
    ]
    assert early[0] == early[1]
    assert "Nobody has bought by 1996-01-01" in early[0]

    heavy = clv.GammaGamma(p=6.0, q=0.5, v=15.0)
    cases: list[tuple[Any, dict[str, Any]]] = [
        ((cdnow_buys, heavy), {"horizon": "39W"}),
        ((cdnow_buys, cdnow_spend), {"horizon": "inf"}),
        ((cdnow_buys, cdnow_spend), {"horizon": "39W", "time_unit": "D"}),
        ((cdnow_buys, cdnow_spend), {"horizon": "39W", "level": 90}),
        ((cdnow_buys, cdnow_buys), {"horizon": "39W"}),
    ]
    for models, terms in cases:
        here = message_of(clv.forecast, *models, cdnow_rfm, **terms)
        assert message_of(clv.forecast, *models, kept, **terms) == here


def test_nobody_repeats():
    log = pd.DataFrame({"customer_id": ["a", "b"], "date": "2024-01-01", "amount": 1.0})
    orders = clv.read_orders(log, until="2024-02-01")
    for model in (clv.BGNBD, clv.GammaGamma):
        here = message_of(model.fit, orders.summarize())
        assert "None of 2 customers has a repeat purchase" in here
        assert message_of(model.fit, orders.summarize(lazy=True)) == here


def test_impossible_rows_are_named(cdnow_buys, cdnow_spend, kept):
    days = kept.days
    backwards = changed(kept, recency_days=days.T_days + 1)
    owing = changed(kept, monetary_value=-days.monetary_value)
    unknown = changed(kept, monetary_value=days.monetary_value / 0.0)
    for model, broken, said in (
        (clv.BGNBD, backwards, "recency > T"),
        (clv.GammaGamma, owing, "a negative monetary_value"),
        (clv.GammaGamma, unknown, "monetary_value that is missing or not finite"),
    ):
        here = message_of(model.fit, broken.to_pandas())
        assert said in here
        assert message_of(model.fit, broken) == here
        assert (
            message_of(clv.forecast, cdnow_buys, cdnow_spend, broken, horizon="1W")
            == message_of(clv.forecast, cdnow_buys, cdnow_spend, broken.to_pandas(), horizon="1W")
            == here
        )


def test_what_is_not_done_in_an_engine_says_so(cdnow_buys, cdnow_spend, kept):
    with pytest.raises(clv.DataError, match="to_pandas"):
        clv.portfolio(cdnow_buys, cdnow_spend, kept, horizon="4W")
    posterior = (cdnow_buys.bootstrap(replicates=100), cdnow_spend.bootstrap(replicates=100))
    with pytest.raises(clv.DataError, match="not worked out in an engine"):
        clv.forecast(cdnow_buys, cdnow_spend, kept, horizon="4W", level=0.9, posterior=posterior)
    from clvforecast.fitting import fit

    with pytest.raises(clv.DataError, match="a lazy summary needs none"):
        fit(clv.BGNBD, kept, weights="customers")


def priced(customers: int, *, skewed: bool) -> clv.LazySummary:
    """Gamma-Gamma customers, or ones whose mean spends lie as askew in their bins as they can."""
    rng = np.random.default_rng(5)
    x = 1 + rng.geometric(0.4, customers)
    m = clv.GammaGamma(p=2.5, q=4.0, v=40.0).simulate(x, seed=6)
    if skewed:  # two values in every bin, p(1 - p)(1 - 2p) as large as it can be: 108 ** -0.5
        upper = rng.random(customers) < 0.5 - 12**-0.5
        m = np.exp((np.floor(128 * np.log(m)) + np.where(upper, 0.999, 0.001)) / 128)
    return held(
        pd.DataFrame(
            {"customer_id": np.arange(customers), "frequency": x, "recency_days": x,
             "T_days": 400, "monetary_value": m}
        )
    )  # fmt: skip


@pytest.mark.parametrize("skewed", [False, True])
def test_binned_mean_spends_fit_the_same(monkeypatch, skewed):
    """Beyond a million customers: estimates to 1e-6, the log-likelihood to its bound."""
    rfm = priced(30_000, skewed=skewed)
    x, m, _, n = rfm.spends()
    exact = clv.GammaGamma.fit(rfm)
    monkeypatch.setattr(lazy, "_EXACT_CUSTOMERS", 0)
    binned = clv.GammaGamma.fit(rfm)
    assert binned.parameters == pytest.approx(exact.parameters, rel=1e-6)
    assert list(binned.standard_errors.values()) == pytest.approx(
        list(exact.standard_errors.values()), rel=1e-6
    )
    assert (binned.customers, binned.repeat_customers) == (30_000, 30_000)

    z, k, _, w = rfm.spends()
    assert w.sum() == n.sum()
    for p, q, v in [(6.0, 3.7, 15.0), (0.5, 1.2, 200.0), tuple(exact.parameters.values())]:
        model = clv.GammaGamma(p, q, v)
        lost = w @ model.log_likelihood(z, k) - n @ model.log_likelihood(x, m)
        rounding = 1e-12 * n @ np.abs(model.log_likelihood(x, m))
        assert abs(lost) < 1e-9 * (n @ (p * x + q)) + rounding


def test_bins_do_not_grow_with_the_customers(monkeypatch):
    monkeypatch.setattr(lazy, "_EXACT_CUSTOMERS", 0)
    few, many = (priced(customers, skewed=False).spends()[0].size for customers in (10_000, 80_000))
    assert many < 3 * few < 80_000


@pytest.mark.parametrize("covariates", [None, "channel"])
def test_no_customer_comes_here(shop, tmp_path, monkeypatch, covariates):
    fetched: list[pa.Table] = []

    def watched(expr: ibis.Table) -> pa.Table:
        fetched.append(expr.to_pyarrow())
        return fetched[-1]

    monkeypatch.setattr(lazy, "fetch", watched)
    monkeypatch.setattr(engine, "fetch", watched)  # which frames come through
    rfm = shop.summarize("W", segments=covariates or (), lazy=True)
    models = [kind.fit(rfm, covariates=covariates) for kind in (clv.BGNBD, clv.GammaGamma)]
    value = clv.forecast(*models, rfm, horizon="39W", annual_discount_rate=0.1, level=0.9)
    value.to_parquet(tmp_path / "value.parquet")
    assert not any("customer_id" in table.column_names for table in fetched)
    sizes = {len(table) for table in fetched}
    few = {1, len(rfm.combinations)}  # the number of customers, and their channels
    assert few < sizes == few | {rfm.histories.x.size, rfm.spends().x.size}
    assert rfm.histories.customers.sum() == len(rfm)


@pytest.fixture(scope="module")
def shop() -> clv.Transactions:
    """Customers of two channels who buy and spend differently; the coupon of some is missing."""
    log = clv.datasets.simulate_shop(1_500, seed=4)
    ids = log["customer_id"].factorize()[0]
    log["coupon"] = pd.array(ids % 3, dtype="Int64")
    log.loc[ids % 5 == 0, "coupon"] = pd.NA
    return clv.read_orders(log, segments=["channel", "coupon"])


@pytest.fixture(scope="module")
def by_channel(shop: clv.Transactions) -> tuple[clv.Fit, clv.Fit, pd.DataFrame, clv.LazySummary]:
    columns = ["channel", "coupon"]
    here, there = (shop.summarize("W", segments=columns, lazy=lazily) for lazily in (False, True))
    return (*(m.fit(here, covariates="channel") for m in (clv.BGNBD, clv.GammaGamma)), here, there)


def test_segments_are_beside_as_in_a_data_frame(shop, by_channel):
    _, _, rfm, kept = by_channel
    pd.testing.assert_frame_equal(kept.to_pandas(), rfm, rtol=1e-13, atol=0)
    pd.testing.assert_frame_equal(rfm[list(kept.segments)], shop.customer_segments())
    assert kept.segments == ("channel", "coupon")
    assert len(kept.combinations) == 3 * 4  # coupons of three kinds and none, in three channels
    found = kept.histories
    held = kept.combinations.iloc[found.combination].assign(n=found.customers)
    counted = held.groupby(["channel", "coupon"], dropna=False)["n"].sum()
    expected = rfm.groupby(["channel", "coupon"], dropna=False).size().astype(float)
    pd.testing.assert_series_equal(counted, expected, check_names=False)


@pytest.mark.parametrize("covariates", ["channel", {"dropout": "channel"}], ids=str)
def test_fits_with_covariates_are_the_same(by_channel, covariates):
    _, _, rfm, kept = by_channel
    for kind in (clv.BGNBD, clv.GammaGamma) if covariates == "channel" else (clv.ParetoNBD,):
        here, there = (kind.fit(data, covariates=covariates) for data in (rfm, kept))
        pd.testing.assert_frame_equal(there.summary(), here.summary(), rtol=1e-8)
        assert there.log_likelihood == pytest.approx(here.log_likelihood, rel=1e-12)
        assert (there.customers, there.repeat_customers) == (here.customers, here.repeat_customers)


def test_binned_mean_spends_keep_their_covariates(by_channel, monkeypatch):
    _, exact, _, kept = by_channel
    monkeypatch.setattr(lazy, "_EXACT_CUSTOMERS", 0)
    binned = clv.GammaGamma.fit(kept, covariates="channel")
    assert binned.parameters == pytest.approx(exact.parameters, rel=1e-6)


@pytest.mark.parametrize("level", [None, 0.9])
def test_forecasts_with_covariates_are_the_same(by_channel, level, tmp_path):
    *models, rfm, kept = by_channel
    terms = {"horizon": "26W", "annual_discount_rate": 0.1, "margin": 0.3, "level": level}
    expected = clv.forecast(*models, rfm, **terms)
    clv.forecast(*models, kept, **terms).to_parquet(tmp_path / "value.parquet")
    written = pd.read_parquet(tmp_path / "value.parquet").set_index("customer_id").sort_index()
    pd.testing.assert_frame_equal(written, expected, rtol=1e-9, atol=0)

    everyone = dataclasses.replace(models[0], effects=None), models[1]
    found = clv.forecast(*everyone, kept, **terms).to_pandas()
    pd.testing.assert_frame_equal(found, clv.forecast(*everyone, rfm, **terms), rtol=1e-9, atol=0)


def test_errors_about_covariates_are_the_same(shop, by_channel):
    buys, spend, rfm, kept = by_channel
    here, there = (message_of(clv.BGNBD.fit, data, covariates="coupon") for data in (rfm, kept))
    assert f"{rfm['coupon'].isna().sum():,} of {len(rfm):,} customers have no 'coupon'" in here
    assert there == here

    other = changed(kept, channel=ibis.literal("fair"))
    here, there = (
        message_of(clv.forecast, buys, spend, data, horizon="4W")
        for data in (rfm.assign(channel="fair"), other)
    )
    assert "a 'channel' that the model was not fitted with" in here
    assert there == here

    heavy = dataclasses.replace(spend, model=spend.model.with_parameters(q=0.5))
    with pytest.raises(clv.FitError, match="no finite mean spend"):
        clv.forecast(buys, heavy, kept, horizon="4W")
    plain = shop.summarize("W", lazy=True)
    for call in (
        lambda: clv.BGNBD.fit(plain, covariates="channel"),
        lambda: clv.forecast(buys, spend, plain, horizon="4W"),
    ):
        with pytest.raises(clv.DataError, match=r"no column 'channel'.*segments=\['channel'\]"):
            call()
    with pytest.raises(clv.DataError, match="customers in an engine have no order"):
        clv.forecast(buys.model_of(rfm), spend, kept, horizon="4W")


@pytest.mark.parametrize("lazily", [False, True])
def test_a_segment_may_not_hide_a_column_of_the_summary(lazily):
    log = pd.DataFrame({"customer_id": ["a"], "date": "2024-01-01", "amount": 1.0, "t": "x"})
    orders = clv.read_orders(log, segments="t")
    with pytest.raises(clv.DataError, match="'t' has a name that the summary needs for itself"):
        orders.summarize(segments="t", lazy=lazily)


def names_in(table: ibis.Table) -> list[str]:
    query = "SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'clvforecast%'"
    return [row[0] for row in table.get_backend().con.execute(query).fetchall()]


def test_the_temporary_table_goes_when_nothing_needs_it(cdnow_buys, cdnow_spend):
    log = stored(clv.datasets.load_cdnow(sample=True), ibis.duckdb.connect())
    orders = clv.read_orders(log)
    before = names_in(orders.table)
    rfm = orders.summarize("W", lazy=True)
    assert len(names_in(orders.table)) == len(before) + 1
    value = clv.forecast(cdnow_buys, cdnow_spend, rfm, horizon="4W")
    del rfm
    assert rows_of(value.table) == len(value)
    del value
    assert names_in(orders.table) == before
    assert rows_of(log) == orders.quality.rows_read


def test_a_file_is_written_whole_or_not_at_all(kept, tmp_path):
    target = tmp_path / "rfm.parquet"
    kept.to_parquet(target)
    whole = target.read_bytes()
    table = kept.table.mutate(wrong=kept.table.customer_id.concat("?").cast("int64"))
    with pytest.raises(clv.DataError, match=r"rfm.parquet' could not be written"):
        dataclasses.replace(kept, table=table).to_parquet(target)
    assert target.read_bytes() == whole
    assert list(tmp_path.iterdir()) == [target]
    with pytest.raises(clv.DataError, match="does not exist"):
        kept.to_parquet(tmp_path / "nowhere" / "rfm.parquet")


def test_into_a_table_of_the_database(cdnow_buys, cdnow_spend, tmp_path: Path):
    shop = ibis.duckdb.connect(tmp_path / "shop.duckdb")
    log = stored(clv.datasets.load_cdnow(sample=True), shop)
    rfm = clv.read_orders(log).summarize("W", CUTOFF, lazy=True)
    value = clv.forecast(cdnow_buys, cdnow_spend, rfm, horizon="39W")
    value.to_table("value")
    with calling_engine("not found"):
        written = shop.table("value")
    assert written.columns == value.table.columns
    assert rows_of(written) == len(rfm)
    with pytest.raises(clv.DataError, match="The table 'value' could not be written"):
        value.to_table("value")
    shop.con.execute("CREATE SCHEMA scores")
    value.to_table("scores.value")
    (rows,) = shop.con.execute("SELECT count(*) FROM scores.value").fetchone()
    assert rows == len(rfm)
    shop.disconnect()


def test_the_text_of_an_object_says_what_it_is(kept):
    assert repr(kept) == (
        "LazySummary: 2,357 customers (customer_id, frequency, recency, T, monetary_value); "
        "time_unit='W', until='1997-09-30'"
    )
