"""Futures of the shop have the right law: per customer, per segment, over the whole horizon."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import clvforecast as clv
from clvforecast import BGNBD, DataError, GammaGamma
from clvforecast.fitting.draws import ParameterDraws

BUYS = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
SPEND = GammaGamma(p=6.25, q=3.74, v=15.44)
EAGER = BGNBD(r=0.9, alpha=5.0, a=0.8, b=3.0)
CUTOFF = "1997-09-30"
Z = 4.5
"""Standard errors: beyond so many a correct mean falls once in 150,000 times."""


@pytest.fixture(scope="module")
def rfm(customers_of_every_kind):
    return customers_of_every_kind


def assert_mean(drawn, expected, axis=0):
    """The mean of independent draws is the expectation, within Monte Carlo error."""
    error = drawn.std(axis=axis, ddof=1) / np.sqrt(drawn.shape[axis])
    assert np.all(np.abs(drawn.mean(axis=axis) - expected) <= Z * error + 1e-9)


class TestDrawsOfModels:
    N = 60_000

    @pytest.mark.parametrize(
        ("model", "x", "t_x", "T"),
        [
            (BUYS, 0, 0.0, 38.86),
            (BUYS, 0, 0.0, 0.0),
            (BUYS, 2, 30.43, 38.86),
            (BUYS, 60, 38.0, 38.86),
            (BGNBD(0.5, 4.0, 1e-6, 3.0), 3, 20.0, 25.0),  # nobody leaves
            (BGNBD(0.5, 4.0, 1e6, 3.0), 0, 0.0, 25.0),  # all leave at once
            (BGNBD(0.5, 4.0, 0.01, 0.01), 1, 24.0, 25.0),  # either, all but surely
            (BGNBD(1e-3, 1e-3, 1.0, 1.0), 0, 0.0, 25.0),  # a few buy wildly
        ],
    )
    def test_purchases_up_to_any_time_follow_the_pmf(self, model, x, t_x, T):
        rng = np.random.default_rng(17)
        customer, time = model.draw_future(np.full(self.N, 26.0), x, t_x, T, rng)
        assert np.all(np.diff(customer) >= 0)
        assert np.all(np.diff(time)[np.diff(customer) == 0] >= 0)
        assert np.all((time > 0) & (time <= 26))
        p_alive = model.p_alive(x, t_x, T)
        n = np.arange(80)
        for t in (0.5, 5.0, 26.0):
            counts = np.bincount(customer[time <= t], minlength=self.N)
            share = np.bincount(np.minimum(counts, 80), minlength=81)[:80] / self.N
            pmf = p_alive * model.purchase_pmf_if_alive(n, t, x, T, T) + (n == 0) * (1 - p_alive)
            bound = Z * np.sqrt(pmf * (1 - pmf) / self.N) + 3 / self.N
            assert np.all(np.abs(share - pmf) <= bound)

    def test_arrays_of_parameters_are_one_model_per_customer(self):
        r = np.repeat([0.1, 2.0], 20_000)
        model = BGNBD(r, 4.0, 0.8, np.repeat([2.4, 9.0], 20_000))
        customer, _ = model.simulate(np.full(r.size, 30.0), seed=4)
        counts = np.bincount(customer, minlength=r.size)
        for part, one in ((counts[:20_000], (0.1, 2.4)), (counts[20_000:], (2.0, 9.0))):
            alone = BGNBD(one[0], 4.0, 0.8, one[1])
            assert_mean(part, alone.expected_purchases(30.0, 0, 0, 0))

    def test_impossible_histories_are_errors(self):
        with pytest.raises(DataError, match="recency > T"):
            BUYS.draw_future(5.0, 2, 9.0, 8.0, np.random.default_rng(0))
        with pytest.raises(DataError, match="t="):
            BUYS.draw_future(-5.0, 2, 7.0, 8.0, np.random.default_rng(0))

    def test_nobody_buys_in_no_time(self):
        customer, time = BUYS.draw_future(0.0, [2, 0], [7.0, 0.0], 8.0, np.random.default_rng(0))
        assert customer.size == time.size == 0

    def test_values_of_orders_share_the_customers_level(self):
        """Sums of n orders follow the law of such sums, which orders apart would not."""
        n = np.full(50_000, 3)
        x, m = np.full(n.size, 2.0), np.full(n.size, 22.35)
        values = SPEND.draw_order_values(n, x, m, np.random.default_rng(3))
        assert values.shape == (150_000,)
        totals = values.reshape(-1, 3).sum(axis=1)
        law = stats.kstest(totals, lambda s: SPEND.total_spend_cdf(s, 3, 2.0, 22.35))
        assert law.pvalue > 1e-4
        none = SPEND.draw_order_values(n * 0, x, m, np.random.default_rng(3))
        assert none.size == 0

    def test_values_of_orders_come_customer_after_customer(self):
        n, x, m = np.array([1, 0, 3]), np.full(3, 200.0), np.array([1.0, 1e3, 1e6])
        values = SPEND.draw_order_values(n, x, m, np.random.default_rng(3))
        assert np.log10(values) == pytest.approx([0.0, 6.0, 6.0, 6.0], abs=1.0)


def story(rng, x, m, alive, T, horizon):
    """Purchases and amounts of the next `horizon`, drawn customer by customer as papers tell it."""
    rate = rng.gamma(EAGER.r + x, 1 / (EAGER.alpha + T))
    dropout = rng.beta(EAGER.a, EAGER.b + x)
    level = rng.gamma(SPEND.p * x + SPEND.q, 1 / (SPEND.v + x * m))
    customers, times, amounts = [], [], []
    for i in np.flatnonzero(alive):
        time = 0.0
        while (time := time + rng.exponential(1 / rate[i])) <= horizon:
            customers.append(i)
            times.append(time)
            amounts.append(rng.gamma(SPEND.p) / level[i])
            if rng.random() < dropout[i]:
                break
    return np.array(customers), np.array(times), np.array(amounts)


@pytest.fixture(scope="module")
def shops():
    """Small shops with a known past and a known future, all drawn by the papers' story."""
    rng = np.random.default_rng(23)
    shops, each = 500, 12
    n = shops * each
    rate = rng.gamma(EAGER.r, 1 / EAGER.alpha, n)
    dropout = rng.beta(EAGER.a, EAGER.b, n)
    level = rng.gamma(SPEND.q, 1 / SPEND.v, n)
    T = rng.uniform(5.0, 40.0, n)
    rows, future = [], np.zeros((2, shops, 3))
    for i in range(n):
        time, past, last, spent = 0.0, 0, 0.0, 0.0
        while (time := time + rng.exponential(1 / rate[i])) <= T[i] + 12.0:
            amount = rng.gamma(SPEND.p) / level[i]
            if time <= T[i]:
                past, last, spent = past + 1, time, spent + amount
            else:
                cell = i // each, min(int((time - T[i]) // 4.0), 2)
                future[0][cell] += 1
                future[1][cell] += amount
            if rng.random() < dropout[i]:
                break
        rows.append((past, last, T[i], spent / max(past, 1), i // each))
    columns = ["frequency", "recency", "T", "monetary_value", "shop"]
    frame = pd.DataFrame(rows, columns=columns)
    frame.attrs = {"time_unit": "M"}
    ahead = clv.portfolio(
        EAGER, SPEND, frame, horizon=12, period="M", by="shop", simulations=399, seed=8
    )
    return ahead, future


class TestLaws:
    def test_one_customer_has_the_laws_of_the_customer(self, rfm):
        one = rfm.loc[["b"]]
        copies = rfm.loc[["b"] * 300].assign(copy=range(300))
        terms = {"horizon": "9M", "period": "M", "simulations": 100}
        ahead = clv.portfolio(BUYS, SPEND, copies, by="copy", **terms)

        def drawn(quantity):
            added = ahead.simulations(quantity, cumulative=True)
            return added.to_numpy().reshape(-1, 9)[:, -1]

        horizon = ahead.attrs["horizon"]
        counts = drawn("orders")
        pmf = clv.purchase_distribution(BUYS, one, horizon=horizon).pmf(np.arange(20)).iloc[0]
        share = np.bincount(counts.astype(int), minlength=20)[:20] / counts.size
        assert np.all(np.abs(share - pmf) <= Z * np.sqrt(pmf * (1 - pmf) / counts.size) + 1e-4)
        spent = drawn("revenue")
        at = np.array([0.0, 15.0, 40.0, 90.0, 200.0])
        cdf = clv.spend_distribution(BUYS, SPEND, one, horizon=horizon).cdf(at).iloc[0].to_numpy()
        share = (spent[:, None] <= at).mean(axis=0)
        assert np.all(np.abs(share - cdf) <= Z * np.sqrt(cdf * (1 - cdf) / spent.size))

    @pytest.mark.parametrize("quantity", ["orders", "revenue"])
    @pytest.mark.parametrize("last", [4, 8, 12])
    def test_the_future_ranks_evenly_among_the_simulations(self, shops, quantity, last):
        """Simulation-based calibration: ranks of what happened are uniform, ties broken evenly."""
        ahead, future = shops
        happened = future[["orders", "revenue"].index(quantity)].cumsum(axis=1)[:, last // 4 - 1]
        drawn = ahead.simulations(quantity, cumulative=True).to_numpy()
        drawn = drawn.reshape(len(drawn), -1, 12)[:, :, last - 1]
        below, ties = (drawn < happened).sum(axis=0), (drawn == happened).sum(axis=0)
        rank = below + np.random.default_rng(1).integers(0, ties + 1)
        observed = np.bincount(rank * 10 // 400, minlength=10)
        assert stats.chisquare(observed).pvalue > 1e-4

    @pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95])
    def test_intervals_cover_as_they_should(self, shops, level):
        ahead, future = shops
        total = ahead.total(level)
        for quantity, happened in zip(("orders", "revenue"), future.sum(axis=2), strict=True):
            inside = (total[f"{quantity}_lower"] <= happened) & (
                happened <= total[f"{quantity}_upper"]
            )
            low, high = stats.binom.ppf([1e-5, 1 - 1e-5], len(inside), [level, level + 1 / 400])
            assert inside.sum() >= low
            if quantity == "revenue":  # counts are whole: their intervals hold more
                none = (happened == 0).sum()
                assert inside.sum() <= high + none


class TestSimulations:
    def test_futures_depend_neither_on_segments_nor_on_how_many_there_are(self, rfm):
        plan = {"web": [3, 1, 0, 2], "city": [2, 2, 5, 0]}
        terms = {"horizon": 4, "seed": 3}
        whole = clv.portfolio(BUYS, SPEND, rfm, new_customers=[5, 3, 5, 2], simulations=30, **terms)
        parts = clv.portfolio(
            BUYS, SPEND, rfm, new_customers=plan, by="shop", simulations=60, **terms
        )
        for quantity in ("orders", "revenue"):
            added = parts.simulations(quantity).T.groupby(level="period").sum().T.head(30)
            assert added.to_numpy() == pytest.approx(whole.simulations(quantity).to_numpy())

    def test_a_plan_leaves_the_futures_of_the_others(self, rfm):
        terms = {"horizon": 6, "simulations": 40}
        alone = clv.portfolio(BUYS, SPEND, rfm, **terms).simulations()
        more = clv.portfolio(BUYS, SPEND, rfm, new_customers=2, **terms).simulations()
        assert (more - alone >= 2).all(axis=None)

    def test_new_customers_have_their_expectation_for_mean(self, rfm):
        ahead = clv.portfolio(
            EAGER, SPEND, rfm.head(1), horizon="11D", new_customers=[2.5, 7], simulations=3000
        )
        table = ahead.table()
        assert (table["orders_from_new"] > [2.5, 7]).all()
        for quantity in ("orders", "revenue"):
            assert_mean(ahead.simulations(quantity).to_numpy(), table[quantity].to_numpy())

    def test_new_customers_join_their_segment_in_their_period(self, rfm):
        plan = {"web": [9, 0, 0], "city": [0, 0, 4]}
        ahead = clv.portfolio(
            EAGER, SPEND, rfm, horizon=3, by="shop", new_customers=plan, simulations=1500
        )
        table = ahead.table()
        for quantity in ("orders", "revenue"):
            assert_mean(ahead.simulations(quantity).to_numpy(), table[quantity].to_numpy())

    def test_new_customers_against_the_story(self, rfm):
        """Acquired evenly over a week, then by the unconditional law, for three weeks."""
        rng = np.random.default_rng(2)
        n = 20_000
        nothing = np.zeros(n)
        customer, time, _ = story(rng, nothing, nothing, nothing == 0, nothing, 3.0)
        start = rng.uniform(0, 1, n)
        at = start[customer] + time
        ahead = clv.portfolio(
            EAGER, SPEND, rfm.head(1), horizon="3W", new_customers=[1, 0, 0], simulations=1
        )
        expected = ahead._from_new.orders[0]
        for k in range(3):
            mine = np.bincount(customer[(at > k) & (at <= k + 1)], minlength=n) + (k == 0)
            assert_mean(mine, expected[k])

    def test_the_same_call_gives_the_same(self, rfm):
        terms = {"horizon": 5, "simulations": 50, "new_customers": 1.5}
        one, same = (clv.portfolio(BUYS, SPEND, rfm, **terms).table(0.8) for _ in range(2))
        pd.testing.assert_frame_equal(one, same)
        other = clv.portfolio(BUYS, SPEND, rfm, seed=1, **terms).table(0.8)
        assert not one["revenue_upper"].equals(other["revenue_upper"])

    def test_a_daily_year_needs_no_table_of_customers_by_days(self):
        rng = np.random.default_rng(6)
        n = 40_000
        T = rng.uniform(1.0, 52.0, n)
        x = rng.poisson(1.0, n)
        frame = pd.DataFrame(
            {"frequency": x, "recency": T * 0.7 * (x > 0), "T": T, "monetary_value": 9.0 * (x > 0)}
        )
        frame.attrs = {"time_unit": "W", "until": "2023-12-31"}
        tracemalloc.start()
        clv.portfolio(BUYS, SPEND, frame, horizon="60D", period="D", simulations=20)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < n * 60 * 8  # one number per customer and day would take this

    def test_progress_is_shown_on_stderr_and_changes_nothing(self, rfm, capsys):
        quiet, shown = (
            clv.portfolio(BUYS, SPEND, rfm, horizon=2, simulations=20, progress=p).table(0.5)
            for p in (False, True)
        )
        pd.testing.assert_frame_equal(quiet, shown)
        assert capsys.readouterr().out == ""


class TestParameterUncertainty:
    @staticmethod
    def draws(model, spread, n=200, unit="W"):
        factor = np.exp(np.random.default_rng(9).normal(0, spread, n))
        parameters = {k: np.full(n, float(v)) for k, v in model.parameters.items()}
        parameters[next(iter(parameters))] *= factor
        return ParameterDraws(type(model)(**parameters), "bootstrap", float(n), time_unit=unit)

    def test_each_future_has_parameters_of_its_own(self, cdnow_rfm):
        """Var(total) = E[Var | parameters] + Var(E | parameters), by the draws used."""
        buys, spends = self.draws(BUYS, 0.3), self.draws(SPEND, 0.1)
        terms = {"horizon": "10W", "simulations": 400}
        fixed = clv.portfolio(BUYS, SPEND, cdnow_rfm, **terms)
        both = clv.portfolio(BUYS, SPEND, cdnow_rfm, posterior=(buys, spends), **terms)
        assert both.attrs["parameter_uncertainty"]
        pd.testing.assert_series_equal(both.table()["orders"], fixed.table()["orders"])
        x, t_x, T = (cdnow_rfm[name].to_numpy() for name in ("frequency", "recency", "T"))
        means = np.array([buys[i].expected_purchases(10, x, t_x, T).sum() for i in range(200)])
        within, around = (
            p.simulations(cumulative=True).iloc[:, -1].to_numpy() for p in (fixed, both)
        )
        left_over = around - np.repeat(means, 2)
        assert_mean(left_over, 0.0)
        ratio = left_over.var(ddof=1) / within.var(ddof=1)
        bounds = stats.f.ppf([1e-5, 1 - 1e-5], 399, 399)
        assert bounds[0] < ratio < bounds[1]
        assert means.var() > within.var()  # or this would show nothing

    def test_draws_are_spread_over_the_simulations(self, rfm):
        rates = BGNBD(np.array([1e-4, 1e-4, 50.0, 50.0]), 1.0, 1e-4, 1.0)
        rates = BGNBD(rates.r, *(np.full(4, v) for v in (1.0, 1e-4, 1.0)))
        buys = ParameterDraws(rates, "bootstrap", 4.0, time_unit="W")
        frame = rfm.loc[["f"]]
        for simulations in (2, 4, 8):
            ahead = clv.portfolio(
                BUYS, SPEND, frame, horizon=1, posterior=(buys, self.draws(SPEND, 0.1)),
                simulations=simulations,
            )  # fmt: skip
            counts = ahead.simulations().iloc[:, 0]
            assert (counts.iloc[: simulations // 2] <= 1).all()
            assert (counts.iloc[simulations // 2 :] > 10).all()

    def test_wrong_draws(self, rfm):
        buys, spends = self.draws(BUYS, 0.1), self.draws(SPEND, 0.1)
        for wrong in ((spends, buys), buys, (BUYS, SPEND), (buys, None), 5):
            with pytest.raises(DataError, match=r"posterior must be two sets"):
                clv.portfolio(BUYS, SPEND, rfm, horizon=4, posterior=wrong)
        monthly = self.draws(BUYS, 0.1, unit="M")
        with pytest.raises(DataError, match="draws of the purchase model are in 'M'"):
            clv.portfolio(BUYS, SPEND, rfm, horizon=4, posterior=(monthly, spends))
        with pytest.raises(DataError, match=r"r has [\d,]+ values for [\d,]+ customers"):
            clv.portfolio(buys.model, SPEND, rfm, horizon=4)
