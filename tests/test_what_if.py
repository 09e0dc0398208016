"""What if: every lever against a simulation of the changed world, and against what must hold."""

import json

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

import clvforecast as clv
from clvforecast import BGNBD, MODELS, DataError, FitError, GammaGamma
from clvforecast.models import PurchaseModel

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb

BUYS = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
SPEND = GammaGamma(p=6.25, q=3.74, v=15.44)
PURCHASE_MODELS = [model for model in MODELS.values() if issubclass(model, PurchaseModel)]
TERMS = {"horizon": "2Y", "annual_discount_rate": 0.10, "margin": 0.30}
LEVERS = ["order_value", "frequency", "retention", "margin", "discount_rate"]


def row(found, lever, method="forecast"):
    return found.table.loc[(method, lever)]


@pytest.fixture(scope="module")
def past(cdnow_orders):
    return clv.historical_clv(cdnow_orders, until="1997-09-30", margin=0.30)


@pytest.fixture(scope="module")
def rfm(cdnow_rfm):
    return cdnow_rfm.assign(joined=np.where(cdnow_rfm["T"] > 32, "early", "late"))


@pytest.fixture(scope="module")
def found(cdnow_buys, cdnow_spend, rfm, past):
    return clv.what_if(cdnow_buys, cdnow_spend, rfm, **TERMS, past=past, by="joined")


@pytest.fixture(scope="module")
def kinds(customers_of_every_kind):
    """One table of customers of every kind, without the new one's neighbours."""
    return customers_of_every_kind


class TestChangedFutures:
    """`purchases_if_changed` of customers who are active."""

    @staticmethod
    def simulated(t, x, T, *, buying, leaving, rate, size=60_000, seed=7):
        """Mean present value of the purchases ahead and its standard error.

        Straight from the story: a rate and a dropout probability from their laws given the
        history, both changed; purchases at that rate; the last one by the coin that is tossed at
        each. Where a probability would go above one, leaving at a rate instead.
        """
        rng = np.random.default_rng(seed)
        pace = buying * rng.gamma(BUYS.r + x, 1 / (BUYS.alpha + T), size)
        dropout = leaving * rng.beta(BUYS.a, BUYS.b + x, size)
        if leaving <= 1:
            number, end = rng.geometric(np.maximum(dropout, 1e-300)), np.full(size, t)
        else:
            number = np.full(size, np.iinfo(np.int64).max)
            end = np.minimum(t, rng.exponential(1 / np.maximum(pace * dropout, 1e-300)))
        possible = rng.poisson(pace * end)
        customer = np.repeat(np.arange(size), possible)
        # One sort of customer + share of the time puts each customer's purchases in order.
        share = np.sort(customer + rng.random(customer.size)) - customer
        place = np.arange(customer.size) - (np.cumsum(possible) - possible)[customer]
        made = place < number[customer]
        worth = np.exp(-rate * share * end[customer]) * made
        present = np.bincount(customer, worth, minlength=size)
        return present.mean(), present.std() / np.sqrt(size)

    @pytest.mark.parametrize(
        ("buying", "leaving"), [(1.3, 1.0), (0.6, 1.0), (1.0, 0.5), (1.0, 1.8), (1.5, 0.7)]
    )
    @pytest.mark.parametrize(("x", "T", "rate"), [(0, 38.86, 0.0), (4, 30.0, 0.01)])
    def test_is_that_of_a_simulation(self, buying, leaving, x, T, rate):
        changed = {"buying": buying, "leaving": leaving, "rate": rate}
        mean, error = self.simulated(60.0, x, T, **changed)
        assert abs(BUYS.purchases_if_changed(60.0, x, T, T, **changed) - mean) < 4 * error

    def test_is_that_of_an_integral_over_the_dropout_probability(self):
        """E over p of the integral of f lambda exp(-f c p lambda s - delta s), lambda out first."""
        x, T, t, f, c, delta = 3, 30.0, 104.0, 1.4, 0.6, 0.002
        shape, scale = BUYS.r + x, BUYS.alpha + T

        def flow(s, p):
            left = f * shape / scale * (1 + f * c * p * s / scale) ** -(shape + 1)
            return left * np.exp(-delta * s) * stats.beta.pdf(p, BUYS.a, BUYS.b + x)

        # p = u ** 2 takes the singularity of the beta density away.
        expected, _ = integrate.dblquad(
            lambda u, s: 2 * u * flow(s, u**2), 0, t, 0, 1, epsabs=1e-7, epsrel=1e-7
        )
        ours = BUYS.purchases_if_changed(t, x, T, T, buying=f, leaving=c, rate=delta)
        assert ours == pytest.approx(expected, rel=1e-6)

    @pytest.mark.parametrize("model", PURCHASE_MODELS)
    def test_without_a_change_is_what_is_expected(self, model):
        mine = model(**dict.fromkeys(model.parameter_names(), 1.3))
        for rate in (0.0, 0.01):
            np.testing.assert_allclose(
                mine.purchases_if_changed(9.0, [0, 3], 10.0, 10.0, rate=rate),
                mine.purchases_if_alive(9.0, [0, 3], 10.0, 10.0, rate=rate),
            )

    @pytest.mark.parametrize("model", PURCHASE_MODELS)
    def test_more_of_the_good_is_more(self, model):
        mine = model(**dict.fromkeys(model.parameter_names(), 1.3))
        usual = mine.purchases_if_changed(9.0, [0, 3], 10.0, 10.0)
        assert (mine.purchases_if_changed(9.0, [0, 3], 10.0, 10.0, buying=1.1) > usual).all()
        assert (mine.purchases_if_changed(9.0, [0, 3], 10.0, 10.0, leaving=0.9) > usual).all()

    @pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
    @pytest.mark.parametrize("name", ["buying", "leaving"])
    def test_factors_are_positive(self, name, bad):
        with pytest.raises(DataError, match=f"{name}=.* must be above 0 and finite"):
            BUYS.purchases_if_changed(9.0, 0, 0, 10.0, **{name: bad})

    def test_when_all_but_nobody_leaves(self):
        """Purchases then come at the mean of Gamma(r + x, alpha + T), discounted evenly."""
        t = 104.0
        evenly = -np.expm1(-0.002 * t) / 0.002 * (BUYS.r + 3) / (BUYS.alpha + 20.0)
        found = BUYS.purchases_if_changed(t, 3, 20.0, 20.0, leaving=1e-7, rate=0.002)
        assert found == pytest.approx(evenly, rel=1e-5)

    def test_faster_and_staying_as_long_is_proportional(self):
        both = BUYS.purchases_if_changed(52.0, 3, 20.0, 20.0, buying=1.25, leaving=0.8, rate=0.002)
        usual = BUYS.purchases_if_alive(52.0, 3, 20.0, 20.0, rate=0.002)
        assert both == pytest.approx(1.25 * usual, rel=1e-9)


class TestForecast:
    def test_before_is_the_forecast(self, found, cdnow_buys, cdnow_spend, rfm):
        value = clv.forecast(cdnow_buys, cdnow_spend, rfm, **TERMS)["clv"]
        assert found.table.loc["forecast", "before"].to_numpy() == pytest.approx(value.sum())
        parts = value.groupby(rfm["joined"]).sum()
        for name, part in parts.items():
            rows = found.segments.loc[(name, "forecast"), "before"]
            assert rows.to_numpy() == pytest.approx(part)

    def test_order_value_is_another_spend_model_with_another_past(self, kinds):
        found = clv.what_if(BUYS, SPEND, kinds, horizon="1Y", change={"order_value": 0.25})
        richer = kinds.assign(monetary_value=1.25 * kinds["monetary_value"])
        value = clv.forecast(BUYS, SPEND.rescaled(1.25), richer, horizon="1Y")["clv"].sum()
        assert row(found, "order_value")["after"] == pytest.approx(value)

    def test_frequency_runs_through_the_same_life_in_quicker_time(self, kinds):
        found = clv.what_if(BUYS, SPEND, kinds, horizon=50, change={"frequency": 0.2})
        later = clv.forecast(BUYS, SPEND, kinds, horizon=60)["clv"].sum()
        assert row(found, "frequency")["after"] == pytest.approx(later)

    def test_margin_and_discount_are_those_of_another_forecast(self, kinds):
        found = clv.what_if(BUYS, SPEND, kinds, **TERMS, change={"margin": 0.5, "discount_rate": 1})
        for lever, terms in (
            ("margin", {"margin": 0.45}),
            ("discount_rate", {"annual_discount_rate": 0.20}),
            ("together", {"margin": 0.45, "annual_discount_rate": 0.20}),
        ):
            value = clv.forecast(BUYS, SPEND, kinds, **(TERMS | terms))["clv"].sum()
            assert row(found, lever)["after"] == pytest.approx(value)

    def test_without_discount_a_whole_life_is_worth_the_same_however_fast(self, kinds):
        """a > 1, so that a lifetime has finitely many purchases; far ahead all are made."""
        short_lived = BGNBD(r=2.0, alpha=4.0, a=30.0, b=30.0)
        found = clv.what_if(
            short_lived, SPEND, kinds, horizon=1e5, change={"frequency": 0.1, "retention": 0.1}
        )
        assert row(found, "frequency")["elasticity"] == pytest.approx(0.0, abs=1e-3)
        assert row(found, "retention")["relative_difference"] == pytest.approx(1 / 0.9 - 1, 1e-3)

    @pytest.mark.parametrize("rate", [0.0, 0.3])
    def test_small_changes_of_frequency_and_retention_add_up_to_one(self, kinds, rate):
        """Value is a function of (buying x leaving), over leaving: Euler's relation."""
        found = clv.what_if(
            BUYS,
            SPEND,
            kinds,
            horizon="3Y",
            annual_discount_rate=rate,
            change={"frequency": 1e-4, "retention": 1e-4},
        )
        total = sum(row(found, lever)["elasticity"] for lever in ("frequency", "retention"))
        assert total == pytest.approx(1.0, abs=1e-3)

    def test_a_lifetime(self, kinds):
        found = clv.what_if(BUYS, SPEND, kinds, **(TERMS | {"horizon": "inf"}))
        assert np.isfinite(found.table.loc["forecast", "after"]).all()
        assert "over a whole lifetime" in str(found)

    def test_opposite_is_the_other_way(self, kinds):
        up = clv.what_if(BUYS, SPEND, kinds, **TERMS, change=0.2)
        down = clv.what_if(BUYS, SPEND, kinds, **TERMS, change=-0.2)
        for lever in LEVERS:
            assert row(up, lever)["opposite"] == row(down, lever)["after"]
            assert row(down, lever)["opposite"] == row(up, lever)["after"]

    def test_an_opposite_that_cannot_be(self, kinds):
        found = clv.what_if(
            BUYS, SPEND, kinds, horizon=9, change={"frequency": 2, "retention": 0.5}
        )
        assert np.isnan(row(found, "frequency")["opposite"])
        assert np.isfinite(row(found, "retention")["opposite"])


class TestFormula:
    def test_multiplies(self, found, past):
        before = past.clv * len(past.customers)
        expected = dict.fromkeys(["order_value", "frequency", "margin"], 1.1)
        expected |= {"retention": 1 / 0.9, "discount_rate": 1.0, "together": 1.1**3 / 0.9}
        for lever, factor in expected.items():
            said = row(found, lever, "simple_formula")
            assert said["before"] == pytest.approx(before)
            assert said["after"] == pytest.approx(factor * before)

    def test_is_the_formula_of_the_changed_log(self, cdnow_orders, past):
        """Retention by its definition: the churn behind the lifespan, times 1 - X."""
        longer = f"{past.lifespan.days / 0.9!r}D"
        again = clv.historical_clv(cdnow_orders, until="1997-09-30", margin=0.30, lifespan=longer)
        assert again.clv == pytest.approx(past.clv / 0.9)

    def test_segments_add_up_to_the_whole(self, found):
        money = ["before", "after", "opposite", "difference"]
        added = found.segments.groupby(level=["method", "lever"], sort=False)[money].sum(
            min_count=1
        )
        pd.testing.assert_frame_equal(added, found.table[money])

    def test_they_disagree(self, found):
        assert row(found, "frequency")["elasticity"] < 0.9
        assert row(found, "retention")["elasticity"] < 0.5
        assert any("relative differences" in note for note in found.notes)

    def test_the_past_must_be_of_the_same(self, past, cdnow_orders, cdnow_buys, cdnow_spend, rfm):
        def ask(past, rfm=rfm, margin=0.30):
            clv.what_if(cdnow_buys, cdnow_spend, rfm, horizon=9, margin=margin, past=past)

        with pytest.raises(DataError, match=r"margin=0.2, and the historical values have"):
            ask(past, margin=0.2)
        with pytest.raises(DataError, match="ends at 1997-09-30 .* at 1998-06-30"):
            ask(clv.historical_clv(cdnow_orders, margin=0.30, until="1998-06-30"))
        with pytest.raises(DataError, match="357 of 2,357 customers"):
            ask(past, rfm.iloc[:2000])
        with pytest.raises(DataError, match="historical_clv returns, not a DataFrame"):
            ask(past.customers)


class TestLevers:
    def ask(self, kinds, change, **terms):
        return clv.what_if(BUYS, SPEND, kinds, **(TERMS | terms), change=change)

    def test_each_by_a_tenth_unless_said(self, found):
        rows = found.table.loc["forecast", "change"]
        assert list(rows.index) == [*LEVERS, "together"]
        assert rows.iloc[:-1].to_numpy() == pytest.approx(0.1)

    def test_named_ones_come_in_one_order(self, kinds):
        found = self.ask(kinds, {"retention": 0.2, "order_value": -0.1})
        assert list(found.table.index.unique("lever")) == ["order_value", "retention", "together"]

    def test_one_alone_has_no_together(self, kinds):
        found = self.ask(kinds, {"retention": 0.2})
        assert list(found.table.index.unique("lever")) == ["retention"]
        assert found.interaction.tolist() == [0.0]

    def test_interaction(self, found):
        for method, rest in found.interaction.items():
            differences = found.table.loc[method, "difference"]
            assert rest == pytest.approx(differences["together"] - differences[LEVERS].sum())
        assert found.interaction["simple_formula"] > 0

    def test_a_lever_that_cannot_move_is_left_where_it_is(self, kinds):
        found = clv.what_if(BUYS, SPEND, kinds, horizon="1Y")
        assert list(found.table.index.unique("lever"))[:-1] == LEVERS[:3]
        assert [note.partition(" is ")[0] for note in found.notes] == ["Margin", "Discount rate"]

    def test_no_change_has_no_elasticity(self, kinds):
        said = row(self.ask(kinds, {"frequency": 0.0}), "frequency")
        assert said["difference"] == 0
        assert np.isnan(said["elasticity"])

    @pytest.mark.parametrize(
        ("change", "terms", "message"),
        [
            ({"churn": 0.1}, {}, "no lever 'churn'. There are: 'order_value'"),
            ({"retention": 1.0}, {}, "must be below 1"),
            ({"frequency": -1.0}, {}, "nothing would be left"),
            ({"margin": 2.5}, {}, "would be 1.05, more than"),
            ({"discount_rate": 0.1}, {"annual_discount_rate": 0.0}, "rate of 0 cannot"),
            ({"margin": np.nan}, {}, r"change\['margin'\]=nan must be a share"),
            ("a lot", {}, "change='a lot' must be a share"),
            ({}, {}, "moves no lever"),
            ({"margin": 0.1}, {"horizon": 0}, "horizon=0 leaves no value"),
        ],
    )
    def test_what_cannot_be(self, kinds, change, terms, message):
        with pytest.raises(DataError, match=message):
            self.ask(kinds, change, **terms)

    def test_value_must_be_finite(self, kinds):
        with pytest.raises(FitError, match="infinite horizon"):
            self.ask(kinds, 0.1, horizon="inf", annual_discount_rate=0.0)
        with pytest.raises(FitError, match="no finite mean spend"):
            clv.what_if(BUYS, GammaGamma(p=6.25, q=0.9, v=15.44), kinds, horizon=9)

    def test_one_value_of_every_parameter_or_one_per_customer(self, kinds):
        terms = {"horizon": 9, "change": 0.1}
        each = BGNBD(r=np.full(len(kinds), 0.243), alpha=4.414, a=0.793, b=2.426)
        same = clv.what_if(BGNBD(0.243, 4.414, 0.793, 2.426), SPEND, kinds, **terms)
        found = clv.what_if(each, SPEND, kinds, **terms)
        pd.testing.assert_frame_equal(found.table, same.table, rtol=1e-12)
        few = BGNBD(r=np.full(3, 0.243), alpha=4.414, a=0.793, b=2.426)
        with pytest.raises(DataError, match=r"r has 3 values for [\d,]+ customers"):
            clv.what_if(few, SPEND, kinds, **terms)

    def test_segments_are_columns(self, kinds):
        with pytest.raises(DataError, match="by='country' is not a column"):
            clv.what_if(BUYS, SPEND, kinds, horizon=9, by="country")
        with pytest.raises(DataError, match="by='lever' is what a level"):
            clv.what_if(BUYS, SPEND, kinds.assign(lever=1), horizon=9, by="lever")
        with pytest.raises(DataError, match="names no column"):
            clv.what_if(BUYS, SPEND, kinds, horizon=9, by=[])

    def test_segments_by_two_columns_and_missing_ones(self, kinds):
        before = kinds.copy()
        found = clv.what_if(BUYS, SPEND, kinds, horizon=9, by=["shop", "land"])
        pd.testing.assert_frame_equal(kinds, before)
        assert found.segments.index.names == ["shop", "land", "method", "lever"]
        value = clv.forecast(BUYS, SPEND, kinds, horizon=9)["clv"]
        web = found.segments.xs("retention", level="lever")["before"].droplevel("method")
        assert web[("web", "at")] == pytest.approx(value[["c", "e"]].sum())
        assert web["web"][web["web"].index.isna()].item() == pytest.approx(value["h"])
        json.dumps(found.to_dict(), allow_nan=False)
        assert str(found)


class TestShown:
    def test_text(self, found):
        lines = str(found).splitlines()
        assert lines[0].startswith("What if, for 2,357 customers over 2 years (margin 0.3, ")
        assert max(map(len, lines)) <= 100
        retention = next(line for line in lines if line.startswith("retention"))
        assert "+10%" in retention
        assert "(+11.1%)" in retention
        assert retention.endswith("1.11")

    def test_notebook(self, found):
        assert "<table" in found._repr_html_()

    def test_dictionary(self, found):
        told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
        assert told["customers"] == 2357
        assert told["until"] == "1997-09-30"
        first = told["levers"][0]
        assert (first["method"], first["lever"]) == ("forecast", "order_value")
        assert first["difference"] == pytest.approx(row(found, "order_value")["difference"])
        assert told["levers"][5]["elasticity"] is None
        assert {segment["joined"] for segment in told["segments"]} == {"early", "late"}

    def test_tornado(self, found):
        ax = clv.plots.plot_what_if(found)
        try:
            names = [text.get_text() for text in ax.get_yticklabels()]
            assert names[0].startswith("discount rate")  # bars are drawn from the bottom up
            assert names[-1].startswith("order value")
            lengths = {
                round(bar.get_y() + bar.get_height() / 2, 3): bar.get_width()
                for bar in ax.patches
                if bar.get_facecolor()[:3] == to_rgb("#0072B2")
            }
            drawn = [lengths[place] for place in sorted(lengths)]
            wanted = [
                row(found, name.rpartition(" ")[0].replace(" ", "_"))["relative_difference"]
                for name in names
            ]
            assert drawn == pytest.approx(wanted)
            said = {text.get_text() for text in ax.texts}
            assert {"no change", "+11.1%", "\N{MINUS SIGN}9.1%"} <= said
        finally:
            plt.close(ax.figure)

    def test_tornado_of_one_lever_on_given_axes(self, kinds):
        found = clv.what_if(BUYS, SPEND, kinds, horizon=9, change={"frequency": 2})
        figure, ax = plt.subplots()
        try:
            assert clv.plots.plot_what_if(found, ax) is ax
            assert [text.get_text() for text in ax.get_yticklabels()] == ["frequency +200%"]
        finally:
            plt.close(figure)
