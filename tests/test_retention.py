"""Retention: against simulated customers of whom it is known who is gone, and what must hold."""

import itertools
import json

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from scipy import stats

import clvforecast as clv
from clvforecast import BGNBD, DataError, FitError, GammaGamma
from clvforecast.decisions.retaining.chances import total_limits
from clvforecast.decisions.retaining.contacts import contact_columns

mpl.use("Agg")
from matplotlib import pyplot as plt

BUYS = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
SPEND = GammaGamma(p=6.25, q=3.74, v=15.44)
TERMS = {"horizon": "1Y", "annual_discount_rate": 0.10, "margin": 0.30}


@pytest.fixture(scope="module")
def rfm(cdnow_rfm):
    return cdnow_rfm.assign(joined=np.where(cdnow_rfm["T"] > 32, "<early>", "late"))


@pytest.fixture(scope="module")
def found(rfm):
    contacts = {"cost": 0.5, "success": 0.10, "budget": 100.0}
    return clv.retention(BUYS, SPEND, rfm, **TERMS, **contacts, by="joined")


def lives(size, until, ahead, rng):
    """Customers straight from the story of BG/NBD, watched until a day and beyond.

    Frequency, recency, whether each is active on that day, and the purchases ahead.
    """
    rate = rng.gamma(BUYS.r, 1 / BUYS.alpha, size)
    last = rng.geometric(rng.beta(BUYS.a, BUYS.b, size))  # the purchase after which one leaves
    bought = np.zeros(size, dtype=int)
    recency, active, time = np.zeros(size), np.ones(size, dtype=bool), np.zeros(size)
    future, going = np.zeros(size, dtype=int), np.arange(size)
    while going.size:
        time[going] += rng.exponential(1 / np.maximum(rate[going], 1e-12))
        going = going[time[going] <= until + ahead]
        before = going[time[going] <= until]
        bought[before] += 1
        recency[before] = time[before]
        future[going[time[going] > until]] += 1
        gone = bought[going] + future[going] >= last[going]
        active[going[gone & (time[going] <= until)]] = False
        going = going[~gone]
    return bought, recency, active, future


class TestSimulated:
    def test_who_is_gone_and_what_they_take_with_them(self):
        """40 shops of 400 customers: the value of those truly gone, against its interval."""
        rng = np.random.default_rng(6)
        inside, clv_sum, realised = 0, [], []
        for shop in range(40):
            x, t_x, active, future = lives(400, 39.0, 26.0, rng)
            m = SPEND.simulate(x.astype(float), seed=shop)
            rfm = pd.DataFrame({"frequency": x, "recency": t_x, "T": 39.0, "monetary_value": m})
            found = clv.retention(BUYS, SPEND, rfm, horizon=26, simulations=199, seed=shop)
            mine = found.customers.sort_index()
            lost = mine["clv_if_alive"].to_numpy()[~active].sum()
            row = found.whole.loc["all"]
            inside += row["value_at_risk_lower"] <= lost <= row["value_at_risk_upper"]
            spend = SPEND.expected_spend(x, m)
            clv_sum.append(row["clv"])
            realised.append(spend @ future)
        low, high = stats.binom.ppf([0.001, 0.999], 40, 0.90)
        assert low <= inside <= high
        # What is expected of all, the gone among them, is what they bring on average.
        difference = np.array(realised) - clv_sum
        assert abs(difference.mean()) < 4 * difference.std(ddof=1) / np.sqrt(40)

    def test_limits_are_those_of_all_cases(self):
        """Three customers, eight cases: the law is known."""
        amounts, chances = np.array([1.0, 2.0, 4.0]), np.array([0.5, 0.2, 0.95])
        law = {}
        for case in itertools.product([0, 1], repeat=3):
            total = float(amounts @ case)
            law[total] = np.prod(np.where(case, chances, 1 - chances))
        totals = np.array(sorted(law))
        upto = np.cumsum([law[total] for total in totals])
        limits = total_limits(
            amounts,
            chances,
            np.array([0, 0, 1]),
            2,
            level=0.80,
            simulations=9_999,
            rng=np.random.default_rng(1),
        )
        assert limits.shape == (2, 3)
        expected = totals[[np.searchsorted(upto, 0.10), np.searchsorted(upto, 0.90)]]
        assert limits[:, 2].tolist() == expected.tolist()
        assert limits[:, 1].tolist() == [4.0, 4.0]

    def test_nobody_in_doubt(self):
        sure = total_limits(
            np.ones(3),
            np.zeros(3),
            np.zeros(3, dtype=np.int64),
            1,
            level=0.9,
            simulations=19,
            rng=np.random.default_rng(1),
        )
        assert not sure.any()


class TestCustomers:
    def test_value_is_the_forecast(self, found, rfm):
        value = clv.forecast(BUYS, SPEND, rfm, **TERMS)
        mine = found.customers.reindex(rfm.index)
        np.testing.assert_allclose(mine["clv"], value["clv"])
        np.testing.assert_array_equal(mine["p_alive"], value["p_alive"])
        np.testing.assert_allclose(mine["clv"], mine["p_alive"] * mine["clv_if_alive"])
        worth = mine["clv_if_alive"] - mine["clv"]
        np.testing.assert_allclose(mine["worth_of_retaining"], worth, atol=1e-9)
        assert (mine["worth_of_retaining"] >= 0).all()

    @pytest.mark.parametrize("rate", [0.0, 0.10])
    def test_what_departures_ahead_cost(self, customers_of_every_kind, rate):
        """Who never leaves buys at the mean of Gamma(r + x, alpha + T) all the time."""
        terms = {"horizon": 52, "annual_discount_rate": rate}
        mine = clv.retention(BUYS, SPEND, customers_of_every_kind, **terms).customers
        mine = mine.reindex(customers_of_every_kind.index)
        x, T = (customers_of_every_kind[name].to_numpy() for name in ("frequency", "T"))
        delta = np.log1p(rate) * 7 / 365.25
        length = -np.expm1(-delta * 52) / delta if rate else 52.0
        order = SPEND.expected_spend(x, customers_of_every_kind["monetary_value"])
        for_good = order * (BUYS.r + x) / (BUYS.alpha + T) * length
        lost = mine["p_alive"] * (for_good - mine["clv_if_alive"])
        np.testing.assert_allclose(mine["loss_ahead"], lost, rtol=1e-6)

    def test_one_time_buyers_are_worth_nothing_to_retain(self, found, rfm):
        once = found.customers.loc[rfm.index[rfm["frequency"] == 0]]
        assert (once["worth_of_retaining"] == 0).all()
        assert (once["loss_ahead"] > 0).all()
        assert not once["chosen"].any()
        assert f"{len(once):,} customers have P(alive) = 1" in str(found)

    def test_order_of_rows_does_not_matter(self, found, rfm):
        mixed = rfm.sample(frac=1.0, random_state=3)
        before = mixed.copy()
        again = clv.retention(BUYS, SPEND, mixed, **TERMS, cost=0.5, success=0.1, budget=100.0)
        pd.testing.assert_frame_equal(mixed, before)
        columns = ["clv", "worth_of_retaining", "loss_ahead", "net_gain"]
        pd.testing.assert_frame_equal(
            again.customers[columns].sort_index(), found.customers[columns].sort_index()
        )

    def test_without_costs_by_worth(self, rfm):
        found = clv.retention(BUYS, SPEND, rfm, **TERMS)
        assert found.customers["worth_of_retaining"].is_monotonic_decreasing
        assert found.chosen.empty
        assert "Give cost= and success=" in str(found)

    def test_a_lifetime(self, rfm):
        found = clv.retention(BUYS, SPEND, rfm, horizon="inf", annual_discount_rate=0.10)
        assert np.isfinite(found.customers.to_numpy()).all()
        assert "over a whole lifetime" in str(found).lower()


class TestContacts:
    def test_gain(self, found):
        mine = found.customers
        gain = 0.10 * mine["worth_of_retaining"] - 0.5
        np.testing.assert_allclose(mine["net_gain"], gain)
        assert mine["net_gain"].is_monotonic_decreasing
        np.testing.assert_allclose(mine["cumulated_net_gain"], gain.cumsum())
        np.testing.assert_allclose(mine["cumulated_cost"], 0.5 * np.arange(1, len(mine) + 1))

    def test_the_list_ends_with_the_budget(self, found):
        assert len(found.chosen) == 200
        assert found.chosen.index.equals(found.customers.index[:200])
        row = found.whole.loc["all"]
        assert row["contacts"] == 200
        assert row["contact_cost"] == pytest.approx(100.0)
        assert row["net_gain"] == pytest.approx(found.chosen["net_gain"].sum())
        assert row["net_gain_lower"] < row["net_gain"] < row["net_gain_upper"]

    def test_or_where_it_stops_paying(self, rfm):
        found = clv.retention(BUYS, SPEND, rfm, **TERMS, cost=0.5, success=0.10)
        assert (found.chosen["net_gain"] > 0).all()
        best = int(np.argmax(found.customers["cumulated_net_gain"].to_numpy())) + 1
        assert len(found.chosen) == best
        assert found.customers["net_gain"].iloc[best] <= 0

    def test_nothing_better_by_more_than_the_next(self):
        """All 1,024 lists of ten customers with costs of their own."""
        rng = np.random.default_rng(3)
        worth, cost = rng.gamma(1.0, 50.0, 10), rng.uniform(1.0, 6.0, 10)
        success = rng.uniform(0.05, 0.3, 10)
        for budget in (5.0, 12.0, 20.0):
            columns, order = contact_columns(worth, success, cost, budget)
            chosen = columns["chosen"]
            assert cost[chosen].sum() <= budget
            mine = columns["net_gain"][chosen].sum()
            best = max(
                (columns["net_gain"][list(some)].sum(), some)
                for count in range(11)
                for some in itertools.combinations(range(10), count)
                if cost[list(some)].sum() <= budget
            )[0]
            following = order[chosen.sum()]
            assert mine <= best <= mine + max(columns["net_gain"][following], 0.0) + 1e-9

    def test_free_contacts_come_first(self):
        columns, order = contact_columns(
            np.array([5.0, 0.0, 9.0]), np.full(3, 0.5), np.array([0.0, 0.0, 1.0]), 0.0
        )
        assert order.tolist() == [0, 2, 1]
        assert columns["chosen"].tolist() == [True, False, False]

    def test_numbers_of_each_customer(self, rfm):
        each = pd.Series(np.linspace(0.01, 0.2, len(rfm)), index=rfm.index)
        found = clv.retention(
            BUYS,
            SPEND,
            rfm,
            **TERMS,
            cost=(5 * each).sample(frac=1.0, random_state=1),
            success=each,
        )
        mine = found.customers
        np.testing.assert_allclose(mine["success"], each.reindex(mine.index))
        np.testing.assert_allclose(mine["cost"], 5 * each.reindex(mine.index))
        ratio = mine["success"] * mine["worth_of_retaining"] / mine["cost"]
        assert ratio.round(9).is_monotonic_decreasing

    @pytest.mark.parametrize(
        ("terms", "error", "message"),
        [
            ({"cost": 1.0}, DataError, "cost= needs success="),
            ({"success": 0.1}, DataError, "success= is of contacts"),
            ({"budget": 10.0}, DataError, "budget= is of contacts"),
            ({"cost": -1.0, "success": 0.1}, DataError, "cost=-1.0 must be amounts"),
            ({"cost": 1.0, "success": 1.1}, DataError, "success=1.1 must be probabilities"),
            ({"cost": [1.0], "success": 0.1}, DataError, "one number for all, or a Series"),
            ({"cost": "2", "success": "high"}, DataError, "success='high'"),
            ({"cost": 1.0, "success": 0.1, "budget": -1}, DataError, "budget=-1 must be"),
            ({"cost": 1.0, "success": 0.1, "budget": "1"}, DataError, "budget='1' must be"),
            ({"level": 0.0}, DataError, "level=0.0 must lie between"),
            ({"level": 0.99, "simulations": 100}, DataError, "needs 199 simulations"),
            ({"simulations": 10.5}, DataError, "simulations=10.5"),
            ({"seed": -1}, DataError, "seed=-1"),
            ({"by": "country"}, DataError, "by='country' is not a column"),
            ({"horizon": "inf", "annual_discount_rate": 0.0}, FitError, "infinite horizon"),
        ],
    )
    def test_what_cannot_be(self, rfm, terms, error, message):
        with pytest.raises(error, match=message):
            clv.retention(BUYS, SPEND, rfm, **(TERMS | terms))

    def test_numbers_of_others(self, rfm):
        some = pd.Series(0.1, index=rfm.index[1:])
        with pytest.raises(DataError, match="success= has no number for 1 of 2,357"):
            clv.retention(BUYS, SPEND, rfm, **TERMS, cost=1.0, success=some)
        twice = pd.Series(0.1, index=[*rfm.index, rfm.index[0]])
        with pytest.raises(DataError, match="more than one number for customer '00004'"):
            clv.retention(BUYS, SPEND, rfm, **TERMS, cost=1.0, success=twice)

    def test_one_value_of_every_parameter(self, rfm):
        few = BGNBD(r=np.full(3, 0.243), alpha=4.414, a=0.793, b=2.426)
        with pytest.raises(DataError, match=r"r has 3 values for [\d,]+ customers"):
            clv.retention(few, SPEND, rfm, horizon=9)

    def test_a_name_of_the_result(self, rfm):
        with pytest.raises(DataError, match="by='clv' is what a level"):
            clv.retention(BUYS, SPEND, rfm.assign(clv=1), **TERMS, by="clv")


class TestShown:
    def test_segments_add_up(self, found):
        money = ["customers", "expected_active", "clv", "clv_if_alive", "value_at_risk"]
        money += ["loss_ahead", "contacts", "contact_cost", "net_gain"]
        assert list(found.table.index) == ["<early>", "late"]
        np.testing.assert_allclose(found.table[money].sum(), found.whole.loc["all", money])
        worth = found.customers["worth_of_retaining"].sum()
        assert found.whole.loc["all", "value_at_risk"] == pytest.approx(worth)

    def test_text(self, found):
        lines = str(found).splitlines()
        assert lines[0].startswith("Of 2,357 customers 1,9")
        assert max(map(len, lines)) <= 100
        assert any(line.startswith("<early>") for line in lines)
        assert any(line.startswith("It pays to contact") for line in lines)
        assert any(line.startswith(str(found.customers.index[0])) for line in lines)

    def test_notebook(self, found):
        assert "&lt;early&gt;" in found._repr_html_()
        assert "<early>" not in found._repr_html_()

    def test_dictionary(self, found):
        told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
        assert told["budget"] == 100
        assert told["segments"][0]["joined"] == "<early>"
        assert told["whole"]["contacts"] == 200
        assert told["until"] == "1997-09-30"

    def test_picture(self, found, rfm):
        ax = clv.plots.plot_retention(found)
        try:
            labels = [text.get_text() for text in ax.get_legend().get_texts()]
            best = int((found.customers["net_gain"] > 0).sum())
            assert labels == ["chosen: 200", f"best stop: {best:,}"]
            drawn = ax.lines[0]
            assert drawn.get_ydata()[-1] == pytest.approx(
                found.customers["cumulated_net_gain"].iloc[-1]
            )
        finally:
            plt.close(ax.figure)
        figure, ax = plt.subplots()
        try:
            assert clv.plots.plot_retention(clv.retention(BUYS, SPEND, rfm, **TERMS), ax) is ax
        finally:
            plt.close(figure)
