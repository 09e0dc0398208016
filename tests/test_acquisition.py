"""What a new customer is worth: the mathematics, the sharing among groups, and what is said."""

import json

import matplotlib as mpl
import mpmath
import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

import clvforecast as clv
from clvforecast import BGNBD, DataError, FitError, GammaGamma
from clvforecast.decisions.acquiring.charts import chart_of
from clvforecast.decisions.acquiring.newcomers import Curves, first_order_draws, repeat_orders
from clvforecast.decisions.acquiring.pooling import draw_groups
from clvforecast.decisions.acquiring.tables import RESERVED

mpl.use("Agg")
from matplotlib import pyplot as plt

BUYS = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
SPEND = GammaGamma(p=6.25, q=3.74, v=15.44)
UNTIL = "1997-09-30"
TERMS = {"horizon": "1Y", "margin": 0.30, "annual_discount_rate": 0.10, "until": UNTIL}
COSTS = {"<web>": 15.0, "shop": 9.0}


def by_hand(t: float) -> float:
    """Expected repeat orders of a new customer: equation 9 of Fader, Hardie and Lee (2005)."""
    r, alpha, a, b = (mpmath.mpf(value) for value in BUYS.parameters.values())
    z = t / (alpha + t)
    share = (alpha / (alpha + t)) ** r * mpmath.hyp2f1(r, b, a + b - 1, z)
    return float((a + b - 1) / (a - 1) * (1 - share))


class TestNewcomers:
    def test_expected_orders_are_those_of_the_paper(self):
        times = Curves.times(104.0)
        found = repeat_orders(BUYS, 104.0, 0.0)
        assert found.expected.shape == (1, times.size)
        expected = [by_hand(float(t)) for t in times]
        assert found.expected[0] == pytest.approx(expected, rel=1e-9)
        assert found.discounted is found.expected

    @pytest.mark.parametrize("rate", [0.0018, 0.05])
    def test_discounted_orders(self, rate):
        """By the integral of the paper's expectation, and by the model's own quadrature."""
        horizon = 104.0
        found = repeat_orders(BUYS, horizon, rate).discounted[0]
        times = Curves.times(horizon)
        for place in (1, 40, 80, 96):
            t = float(times[place])
            late, _ = integrate.quad(lambda s: np.exp(-rate * s) * by_hand(s), 0, t)
            assert found[place] == pytest.approx(np.exp(-rate * t) * by_hand(t) + rate * late, 1e-6)
            model = BUYS.purchases_if_alive(t, 0, 0, 0, rate=rate)
            assert found[place] == pytest.approx(float(model), rel=1e-6)

    def test_several_draws_at_once(self):
        two = BGNBD(r=np.array([0.243, 1.0]), alpha=np.array([4.414, 8.0]), a=0.793, b=2.426)
        found = repeat_orders(two, 52.0, 0.002)
        alone = repeat_orders(BUYS, 52.0, 0.002)
        assert found.discounted.shape[0] == 2
        np.testing.assert_allclose(found.discounted[0], alone.discounted[0], rtol=1e-12)

    def test_value_is_that_of_simulated_customers(self):
        """New customers drawn from the models' story, their orders discounted one by one."""
        size, horizon, rate, margin = 60_000, 52.0, 0.0018, 0.3
        rng = np.random.default_rng(4)
        customer, time = BUYS.simulate(np.full(size, horizon), seed=5)
        # Gamma-Gamma: orders of one customer share the rate of their gamma law.
        level = rng.gamma(SPEND.q, 1 / SPEND.v, size)
        first = rng.gamma(SPEND.p, size=size) / level
        spent = rng.gamma(SPEND.p, size=customer.size) / level[customer]
        later = np.bincount(customer, spent * np.exp(-rate * time), minlength=size)
        worth = margin * (first + later)
        mean = SPEND.expected_spend(0, 0)
        ours = margin * mean * (1 + repeat_orders(BUYS, horizon, rate).discounted[0, -1])
        assert abs(worth.mean() - ours) < 4 * worth.std() / np.sqrt(size)

    def test_payback_is_when_value_reaches_the_cost(self):
        orders = repeat_orders(BUYS, 52.0, 0.0018).discounted
        curves = Curves(10.0 + np.array([[20.0], [30.0], [5.0]]) * orders, 52.0)
        when = curves.reach(20.0)
        assert np.isinf(when[2])
        assert when[1] < when[0]
        for k in (0, 1):
            worth = 10.0 + (20.0, 30.0)[k] * BUYS.purchases_if_alive(when[k], 0, 0, 0, rate=0.0018)
            assert worth == pytest.approx(20.0, rel=1e-6)
        np.testing.assert_array_equal(curves.reach(10.0), 0.0)
        np.testing.assert_array_equal(curves.reach(0.0), 0.0)
        ends = curves.amounts[:, -1]
        assert curves.reach(float(ends[0]))[0] == pytest.approx(52.0)

    def test_curves_between_nodes(self):
        curves = Curves(repeat_orders(BUYS, 52.0, 0.0).expected, 52.0)
        times = np.array([0.0, 0.31, 7.7, 33.3, 52.0])
        expected = BUYS.purchases_if_alive(times, 0, 0, 0)
        np.testing.assert_allclose(curves(times)[0], expected, rtol=1e-6, atol=1e-12)
        assert curves(7.7) == pytest.approx(expected[2])

    def test_first_orders_go_with_later_ones(self):
        rng = np.random.default_rng(1)
        spends = rng.gamma(9.0, size=20_000)
        drawn = first_order_draws(30.0, 3.0, spends, 0.6, rng)
        assert drawn.min() > 0
        assert drawn.mean() == pytest.approx(30.0, abs=4 * 3.0 / np.sqrt(drawn.size))
        assert drawn.std() == pytest.approx(3.0, rel=0.03)
        assert stats.spearmanr(drawn, spends)[0] == pytest.approx(0.6, abs=0.03)
        assert not first_order_draws(0.0, 0.0, spends, 0.6, rng).any()


class TestCharts:
    @pytest.mark.parametrize(
        ("model", "columns", "at"),
        [
            (BGNBD, ([2.0, 0.0, 5.0], [1.0, 0.0, 1.4], [1.5, 1.2, 1.6]), [0.3, 0.8, 0.7, 2.0]),
            (GammaGamma, ([2.0, 1.0, 5.0], [1.0, 0.2, 1.4]), [5.0, 2.5, 0.4]),
        ],
    )
    def test_derivatives_are_those_of_differences(self, model, columns, at):
        chart = chart_of(model)
        columns = [np.array(column) for column in columns]
        seen = model.total_log_likelihood(*columns, weights=np.ones(3))
        theta = chart.coordinates(np.array(at))
        np.testing.assert_allclose(chart.parameters(theta), at)
        exact = chart.seen_through(seen, theta)
        step = 1e-5
        for k in range(theta.size):
            aside = step * np.eye(theta.size)[k]
            up, down = (chart.seen_through(seen, theta + s * aside) for s in (1, -1))
            slope = (up.value - down.value) / (2 * step)
            bend = (up.gradient - down.gradient) / (2 * step)
            assert exact.gradient[k] == pytest.approx(slope, rel=1e-6, abs=1e-7)
            np.testing.assert_allclose(exact.hessian[k], bend, rtol=1e-5, atol=1e-6)


def shop(sizes, spread, rng):
    """Groups whose log-parameters differ by `spread`: columns, groups, and true repeat values."""
    columns, codes, truth = [], [], []
    for g, size in enumerate(sizes):
        r, alpha, a, b, p, q, v = np.exp(spread * rng.standard_normal(7))
        buys = BGNBD(0.5 * r, 5.0 * alpha, 0.8 * a, 2.4 * b)
        spend = GammaGamma(6.0 * p, 4.0 * q, 30.0 * v)
        T = np.ceil(7 * rng.uniform(0, 60, size)) / 7
        customer, time = buys.simulate(T, seed=int(rng.integers(2**31)))
        last = np.zeros(size)
        np.maximum.at(last, customer, time)
        x = np.bincount(customer, minlength=size).astype(float)
        m = spend.simulate(x, seed=int(rng.integers(2**31)))
        columns.append(np.stack([x, last, T, m]))
        codes.append(np.full(size, g))
        truth.append(float(buys.purchases_if_alive(52.0, 0, 0, 0) * spend.expected_spend(0, 0)))
    return np.concatenate(columns, axis=1), np.concatenate(codes), np.array(truth)


def drawn_values(columns, codes, groups, draws=100):
    """Draws of the repeat value of every group, shape (groups, draws)."""
    x, t_x, T, m = columns
    settings = {"draws": draws, "rng": np.random.default_rng(3)}
    buying = draw_groups(BGNBD, [x, t_x, T], codes, groups, **settings)
    spending = draw_groups(GammaGamma, [x, m], codes, groups, **settings)
    return np.array(
        [
            repeat_orders(b.model, 52.0, 0.0).expected[:, -1] * s.model.expected_spend(0.0, 0.0)
            for b, s in zip(buying, spending, strict=True)
        ]
    )


class TestSharing:
    def test_less_error_than_alone_and_honest_intervals(self):
        """Four groups of 20 to 300 customers in six shops, against the known truth."""
        sizes = [20, 40, 80, 300]
        rng = np.random.default_rng(8)
        inside, together, alone = [], [], []
        for _ in range(6):
            columns, codes, truth = shop(sizes, 0.1, rng)
            drawn = drawn_values(columns, codes, len(sizes))
            lower, upper = np.quantile(drawn, [0.05, 0.95], axis=1)
            inside.append((lower <= truth) & (truth <= upper))
            together.append(np.log(np.median(drawn, axis=1)[:3] / truth[:3]))
            for g in (0, 1, 2):
                mine = codes == g
                own = drawn_values(columns[:, mine], np.zeros(mine.sum(), dtype=np.int64), 1)
                alone.append(np.log(np.median(own) / truth[g]))
        count = np.sum(inside)
        # Of 24 intervals of 90%; fewer with a probability below 1 in 1,000.
        assert count >= stats.binom.ppf(0.001, 24, 0.9)
        # Over 12 shops 0.39 was measured, in the first six of them 0.45.
        assert np.mean(np.square(together)) < 0.7 * np.mean(np.square(alone))

    def test_one_group_has_the_posterior_of_its_fit(self, cdnow_buys, cdnow_rfm):
        columns = [cdnow_rfm[name].to_numpy(dtype=float) for name in BGNBD.columns]
        codes = np.zeros(len(cdnow_rfm), dtype=np.int64)
        (drawn,) = draw_groups(BGNBD, columns, codes, 1, draws=1_000, rng=np.random.default_rng(1))
        other = cdnow_buys.posterior(draws=1_000, seed=2).summary()
        for name, values in drawn.model.parameters.items():
            logs = np.log(values)
            centre, spread = np.log(other.loc[name, "median"]), other.loc[name, "sd"]
            spread /= other.loc[name, "mean"]
            # Both are medians of about 500 independent draws, each off by 1.25 sd / sqrt(500).
            assert abs(np.median(logs) - centre) < 4 * 1.25 * np.sqrt(2 / 500) * spread
            assert logs.std() == pytest.approx(spread, rel=0.2)

    def test_groups_without_a_word_to_say_keep_what_is_shared(self):
        rng = np.random.default_rng(2)
        columns, codes, _ = shop([300, 300, 50], 0.0, rng)
        columns[:, codes == 2] = 0.0  # bought for the first time on the last day
        x, t_x, T, _ = columns
        found = draw_groups(BGNBD, [x, t_x, T], codes, 3, draws=400, rng=rng)
        centre = [group.coordinates.mean(axis=1) for group in found]
        spread = [group.coordinates.std(axis=1) for group in found]
        middle = (centre[0] + centre[1]) / 2
        assert (np.abs(centre[2] - middle) < 4 * spread[2] / np.sqrt(200) + 0.1).all()
        assert (spread[2] >= 0.9 * spread[0]).all()
        np.testing.assert_allclose(found[2].unexplained, np.eye(4), atol=1e-9)


@pytest.fixture(scope="module")
def channel(cdnow_rfm):
    """Two channels that mean nothing, of 600 and 1,757 customers."""
    place = np.arange(len(cdnow_rfm))
    labels = np.where(place % 4 == 0, "<web>", "shop")
    labels[place < 40] = "<web>"
    return pd.Series(labels, index=cdnow_rfm.index, name="channel")


@pytest.fixture(scope="module")
def found(cdnow_orders, channel):
    return clv.acquisition(cdnow_orders, **TERMS, by=channel, cost=COSTS, target_payback="26W")


@pytest.fixture(scope="module")
def everyone(cdnow_orders):
    """All together over two years; draws are those of any other horizon."""
    terms = TERMS | {"horizon": "2Y"}
    return clv.acquisition(cdnow_orders, **terms, total_cost=2357 * 27.0, draws=200)


class TestTables:
    def test_value_is_first_order_and_repeats(self, found):
        table = found.table
        assert list(table.index) == ["<web>", "shop"]
        assert table.index.name == "channel"
        assert table["customers"].sum() == 2357
        first = table["value"] - table["repeat_value"]
        np.testing.assert_allclose(first, 0.30 * table["first_order"])
        np.testing.assert_allclose(table["most_for_ratio"], table["value"] / 3)
        np.testing.assert_allclose(table["ratio"], table["value"] / table["cost"])
        np.testing.assert_allclose(table["net_value"], table["value"] - table["cost"])
        assert table["cost"].to_dict() == COSTS
        assert {*table.columns, "time"} == RESERVED
        for name in ("repeat_value", "value", "most_for_payback", "ratio", "payback"):
            assert (table[f"{name}_lower"] <= table[name]).all()
            assert (table[name] <= table[f"{name}_upper"]).all()

    def test_all_together_is_about_the_plug_in_value(
        self, found, cdnow_orders, cdnow_buys, cdnow_spend
    ):
        log = cdnow_orders.to_pandas()
        first = log.groupby(["customer_id", "date"])["amount"].sum().groupby("customer_id").first()
        row = found.whole.loc["all"]
        # Within the error of a mean of 500 draws.
        assert row["first_order"] == pytest.approx(first.mean(), rel=0.01)
        rate = np.log(1.1) * 7 / 365.25
        orders = float(cdnow_buys.model.purchases_if_alive(365.25 / 7, 0, 0, 0, rate=rate))
        spend = float(cdnow_spend.model.expected_spend(0, 0))
        assert row["repeat_value"] == pytest.approx(0.30 * orders * spend, rel=0.02)
        assert row["value_lower"] < 0.30 * (first.mean() + orders * spend) < row["value_upper"]

    def test_what_one_may_pay_for_payback_is_the_value_by_then(self, found):
        by_then = found.curves.loc["shop", "value"]
        at = np.interp(26.0, by_then.index, by_then)
        assert found.table.loc["shop", "most_for_payback"] == pytest.approx(at, rel=1e-3)

    def test_at_payback_the_value_is_the_cost(self, found):
        table = found.table
        assert table.loc["shop", "payback"] == 0  # 9.0 is less than the margin on the first order
        assert 0 < table.loc["<web>", "payback"] < 52
        curve = found.curves.loc["<web>", "value"]
        at = np.interp(table.loc["<web>", "payback"], curve.index, curve)
        assert at == pytest.approx(15.0, rel=1e-3)

    def test_value_grows_with_the_horizon(self, cdnow_orders, everyone):
        shorter = clv.acquisition(cdnow_orders, **TERMS, draws=200)
        year = 365.25 / 7
        ends = everyone.curves.loc["all"]
        for name in ("value", "value_lower", "value_upper"):
            at = np.interp(year, ends.index, ends[name])
            assert shorter.table.loc["all", name] == pytest.approx(at, rel=2e-3)
            assert ends[name].is_monotonic_increasing
            assert everyone.table.loc["all", name] > shorter.table.loc["all", name]

    def test_a_total_is_divided_by_the_customers(self, everyone):
        row = everyone.table.loc["all"]
        assert row["cost"] == pytest.approx(27.0)
        assert row["p_worth_it"] == 1.0
        pd.testing.assert_frame_equal(
            everyone.table, everyone.whole, check_names=False, check_like=True
        )

    def test_a_cost_that_never_comes_back(self, cdnow_orders):
        dear = clv.acquisition(cdnow_orders, **TERMS, cost=25.0, draws=100).table.loc["all"]
        assert 0 < dear["p_worth_it"] < 1
        assert np.isinf(dear["payback_upper"])
        assert dear["payback_lower"] < 52.2

    def test_recent_and_small_groups_are_flagged_and_unsure(self, cdnow_orders):
        """Of the third cohort half have been seen for less than three weeks."""
        found = clv.acquisition(
            cdnow_orders,
            **(TERMS | {"until": "1997-04-05"}),
            by="cohort_month",
            draws=100,
            small=110,
        )
        table = found.table
        assert list(table.index) == ["1997-01", "1997-02", "1997-03"]
        assert table.loc["1997-03", "recent"]
        assert table["small"].to_dict() == {"1997-01": False, "1997-02": False, "1997-03": True}
        width = np.log(table["repeat_value_upper"] / table["repeat_value_lower"])
        assert width["1997-03"] > width["1997-01"]
        assert table["credibility"].between(0, 1).all()
        assert table.loc["1997-03", "credibility"] < table.loc["1997-01", "credibility"]
        text = str(found)
        assert "1997-03*+" in text
        assert "seen for less time" in text

    def test_first_orders_are_those_of_the_log(self):
        log = pd.DataFrame(
            {
                "customer_id": ["A", "A", "A", "B", "B", "C", "D", "D"],
                "date": [
                    *("2024-01-01", "2024-01-01", "2024-02-01", "2024-01-05", "2024-03-01"),
                    *("2024-01-09", "2024-01-09", "2024-02-20"),
                ],
                "amount": [10.0, 5.0, 40.0, 20.0, 7.0, 30.0, 12.0, 18.0],
                "shop": ["web", "web", "city", "city", "web", "web", "city", "city"],
            }
        )
        orders = clv.read_orders(log, segments="shop", until="2024-06-30")
        found = clv.acquisition(orders, horizon="1Y", by="shop", draws=100, margin=0.5)
        assert list(found.table["customers"]) == [2, 2]  # city: B and D; web: A and C
        assert found.table["small"].all()
        # Shrunk towards each other, and to the mean of 15, 20, 30 and 12.
        assert found.table["first_order"].between(14, 24).all()
        assert np.isfinite(found.table["value_upper"]).all()


class TestAsked:
    @pytest.mark.parametrize(
        ("terms", "error", "message"),
        [
            ({"horizon": "inf"}, FitError, "infinite horizon"),
            ({"horizon": 0}, DataError, "horizon=0 leaves no time"),
            ({"margin": 0.0}, DataError, "margin=0.0 must be above 0"),
            ({"level": 1.0}, DataError, "level=1.0 must lie between"),
            ({"target_ratio": 0}, DataError, "target_ratio=0 must be above 0"),
            ({"target_payback": "2Y"}, DataError, "longer than horizon='1Y'"),
            ({"by": "channel"}, DataError, "no cohort and no segment column"),
            ({"by": 3}, DataError, "by=3 must be a text or a Series"),
            ({"cost": -1.0}, DataError, "cost=-1.0 must be an amount"),
            ({"cost": "a lot"}, DataError, "cost='a lot' must be an amount"),
            ({"cost": {"web": 1.0}}, DataError, "'web', which is no group"),
            ({"cost": {}}, DataError, "has no amount"),
            ({"cost": 1.0, "total_cost": 1.0}, DataError, "Give one of them"),
            ({"total_cost": float("nan")}, DataError, "total_cost=nan"),
            ({"draws": 10}, DataError, "draws=10 must be a whole number, 100 or more"),
            ({"small": -1}, DataError, "small=-1"),
            ({"seed": -1}, DataError, "seed=-1"),
            ({"time_unit": "Q"}, DataError, "not a time unit"),
            ({"models": BGNBD}, DataError, "must be a class of purchase model"),
            ({"models": (GammaGamma, BGNBD)}, DataError, "must be a class of purchase model"),
        ],
    )
    def test_what_cannot_be(self, cdnow_orders, terms, error, message):
        with pytest.raises(error, match=message):
            clv.acquisition(cdnow_orders, **(TERMS | terms))

    def test_labels_of_others(self, cdnow_orders, channel):
        with pytest.raises(DataError, match="has no label for any of the 2,357"):
            clv.acquisition(cdnow_orders, **TERMS, by=channel.set_axis(range(len(channel))))
        with pytest.raises(DataError, match="needs a name"):
            clv.acquisition(cdnow_orders, **TERMS, by=channel.rename(None))
        with pytest.raises(DataError, match="by='value' is what a column"):
            clv.acquisition(cdnow_orders, **TERMS, by=channel.rename("value"))

    def test_orders_are_needed(self, cdnow_rfm):
        with pytest.raises(DataError, match="orders that clv.read_orders returns"):
            clv.acquisition(cdnow_rfm, horizon="1Y")

    def test_nobody_has_come_back(self, cdnow_orders):
        with pytest.raises(FitError, match="has a repeat purchase"):
            clv.acquisition(cdnow_orders, horizon="1Y", until="1997-01-01")


class TestShown:
    def test_text(self, found):
        lines = str(found).splitlines()
        assert lines[0].startswith("What a new customer by channel is worth in the first 1 year")
        assert max(map(len, lines)) <= 100
        web = next(line for line in lines if line.startswith("<web>"))
        assert web.split()[1] == f"{found.table.loc['<web>', 'customers']:,}"
        assert any("at once" in line for line in lines)
        assert any(line.startswith("all ") for line in lines)

    def test_a_cost_that_is_not_known(self, cdnow_orders, channel):
        found = clv.acquisition(cdnow_orders, **TERMS, by=channel, cost={"shop": 9.0}, draws=100)
        assert np.isnan(found.table.loc["<web>", "ratio"])
        assert np.isnan(found.whole.loc["all", "cost"])
        assert "No cost is known of: <web>." in str(found)
        told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
        assert told["groups"][0]["payback"] is None

    def test_notebook(self, found):
        shown = found._repr_html_()
        assert "&lt;web&gt;" in shown
        assert "<web>" not in shown

    def test_dictionary(self, found):
        told = json.loads(json.dumps(found.to_dict(), allow_nan=False))
        assert told["by"] == "channel"
        assert told["target_payback"] == 26
        assert [group["channel"] for group in told["groups"]] == ["<web>", "shop"]
        assert told["curves"][0]["time"] == 0
        assert told["until"] == UNTIL

    def test_picture(self, found, everyone):
        ax = clv.plots.plot_acquisition(found)
        try:
            assert [line.get_label() for line in ax.lines[:1]] == ["<web>"]
            np.testing.assert_allclose(ax.lines[0].get_ydata(), found.curves.loc["<web>", "value"])
            dots = [line for line in ax.lines if line.get_marker() == "o"]
            paybacks = [float(dot.get_xdata()[0]) for dot in dots]
            assert paybacks == pytest.approx(found.table["payback"].tolist())
        finally:
            plt.close(ax.figure)
        figure, ax = plt.subplots()
        try:
            assert clv.plots.plot_acquisition(everyone, ax) is ax
        finally:
            plt.close(figure)
        with pytest.raises(DataError, match="top=0 must be from 1 to 6"):
            clv.plots.plot_acquisition(found, top=0)


def test_one_customer_teaches_nothing_of_others():
    log = pd.DataFrame({"customer_id": "A", "date": ["2024-01-01", "2024-02-01"], "amount": 5.0})
    with pytest.raises(FitError, match="One customer cannot identify the 4 parameters"):
        clv.acquisition(clv.read_orders(log), horizon="1Y")
