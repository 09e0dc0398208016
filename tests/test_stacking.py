"""Stacking: weights with a proof, and one forecast of several models."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

import clvforecast as clv
from clvforecast import BGCNBD, BGNBD, DataError, GammaGamma, ParameterDraws, ParetoNBD, Stack
from clvforecast.evaluation.simplex import likeliest_weights

DEVIATIONS = 4.0
PURCHASES = ["purchases_lower", "purchases_upper"]
BUYING = BGNBD(0.243, 4.414, 0.793, 2.426)
LASTING = ParetoNBD(0.553, 10.578, 0.606, 11.669)
REGULAR = BGCNBD(0.5, 3.0, 0.6, 2.0, k=2)
SPENDING = GammaGamma(6.25, 3.74, 15.44)
RFM = pd.DataFrame(
    {
        "frequency": [0, 0, 2, 2, 2, 9, 60],
        "recency": [0.0, 0.0, 30.43, 10.0, 20.0, 36.0, 38.0],
        "T": [38.86, 5.0, 38.86, 30.0, 38.86, 38.86, 38.86],
        "monetary_value": [0.0, 0.0, 22.35, 80.0, 80.0, 31.0, 12.0],
    }
)
RFM.attrs["time_unit"] = "W"


def forecast(purchases, **how):
    terms = {"horizon": 39, "level": 0.90} | how
    return clv.forecast(purchases, SPENDING, RFM, **terms)


def mean_log(table, counts, weights):
    return counts @ np.log(table @ weights) / counts.sum()


def random_tables(many):
    """Probabilities of random laws, some of them 0, and how often each row came."""
    rng = np.random.default_rng(5)
    for _ in range(many):
        n, k = rng.integers(50, 600), rng.integers(2, 7)
        table = rng.dirichlet(np.full(k, rng.choice([0.3, 1.0, 5.0])), n)
        table[rng.random(table.shape) < 0.1] = 0.0
        table[:, 0] += 0.01
        yield table / table.max(axis=1, keepdims=True), rng.integers(1, 5, n).astype(float)


class TestWeights:
    def test_another_optimiser_finds_the_same(self):
        for table, counts in random_tables(12):
            found, gap = likeliest_weights(table, counts)
            size = table.shape[1]
            other = minimize(
                lambda w, t=table, c=counts: -mean_log(t, c, w),
                np.full(size, 1 / size),
                jac=lambda w, t=table, c=counts: -(c / (t @ w)) @ t / c.sum(),
                bounds=[(0, 1)] * size,
                constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
                method="SLSQP",
                options={"ftol": 1e-14, "maxiter": 500},
            )
            assert found.sum() == pytest.approx(1.0, abs=1e-12)
            assert mean_log(table, counts, found) >= mean_log(table, counts, other.x) - 1e-10
            assert found == pytest.approx(other.x, abs=1e-4)
            assert 0 <= gap < 1e-9

    def test_no_weights_are_better_by_more_than_the_gap(self):
        rng = np.random.default_rng(1)
        for table, counts in random_tables(5):
            found, gap = likeliest_weights(table, counts)
            best = mean_log(table, counts, found)
            for weights in rng.dirichlet(np.full(table.shape[1], 0.5), 200):
                assert mean_log(table, counts, np.maximum(weights, 1e-12)) <= best + gap + 1e-12

    def test_of_laws_that_exclude_each_other_they_are_the_shares(self):
        found = likeliest_weights(np.eye(3), np.array([50.0, 0.0, 150.0]))
        assert found.weights == pytest.approx([0.25, 0.0, 0.75], abs=1e-12)

    def test_a_law_that_is_never_better_has_none(self):
        table = np.column_stack([np.ones(50), np.linspace(0.2, 0.9, 50)])
        assert likeliest_weights(table, np.ones(50)).weights.tolist() == [1.0, 0.0]

    def test_of_one_law_twice_any_will_do(self):
        table = np.random.default_rng(2).random((300, 2))
        two, _ = likeliest_weights(table, np.ones(300))
        three, gap = likeliest_weights(table[:, [0, 1, 0]], np.ones(300))
        assert gap < 1e-9
        assert three[0] + three[2] == pytest.approx(two[0], abs=1e-6)

    @pytest.mark.parametrize("difference", [1e-3, 1e-6, 1e-9])
    def test_of_laws_all_but_the_same_the_gap_closes_too(self, difference):
        rng = np.random.default_rng(4)
        table = rng.gamma(0.5, size=(3_000, 1)) * np.exp(difference * rng.normal(size=(3_000, 4)))
        assert likeliest_weights(table, rng.gamma(0.5, size=3_000)).gap < 1e-9

    def test_a_start_at_which_something_is_impossible_is_left(self):
        found = likeliest_weights(np.eye(2), np.ones(2), np.array([1.0, 0.0]))
        assert found.weights == pytest.approx([0.5, 0.5])

    def test_known_weights_are_recovered(self):
        """Within four standard errors, by the Fisher information of a mixture's weight."""
        rng = np.random.default_rng(3)
        n, truth = np.arange(60), 0.7
        states = (3.0, 20.0, 30.0)
        laws = [model.purchase_pmf_if_alive(n, 26.0, *states) for model in (BUYING, LASTING)]
        mixed = truth * laws[0] + (1 - truth) * laws[1]
        size = 200_000
        came = rng.multinomial(size, mixed / mixed.sum()).astype(float)
        found = likeliest_weights(np.column_stack(laws) / np.maximum(*laws)[:, None], came)
        information = size * np.sum((laws[0] - laws[1]) ** 2 / mixed)
        error = 1 / np.sqrt(information)
        assert error < 0.05
        assert abs(found.weights[0] - truth) < DEVIATIONS * error


@pytest.fixture(scope="module")
def chosen(cdnow_orders):
    """Two models of CDNOW, stacked by two holdouts, the first of which ends before the second."""
    return clv.select(
        cdnow_orders,
        ["bgnbd", "pareto-nbd"],
        by="backtest",
        stack=True,
        n=2,
        horizon="13W",
        replicates=100,
        seed=7,
    )


def log_p(past):
    """Shape (cutoffs and customers, models), and the index of the rows."""
    scores = [past.customers["purchases_log_score"].xs(one, level="model") for one in past.models]
    return -np.stack(scores, axis=1), scores[0].index


class TestSelection:
    def test_the_mixture_is_never_worse_than_the_best_of_its_models(self, chosen):
        given, _ = log_p(chosen.backtest)
        weights = chosen.stacking.table["weight"].to_numpy()
        mixed = -np.log(np.exp(given) @ weights).mean()
        assert chosen.stacking.log_score == pytest.approx(mixed)
        assert mixed <= chosen.stacking.table["log_score"].min()
        assert chosen.stacking.gap < 1e-9
        assert chosen.stacking.forecasts == len(given)
        alone = dict(zip(chosen.backtest.models, -given.mean(axis=0), strict=True))
        assert chosen.stacking.table["log_score"].to_dict() == pytest.approx(alone)

    def test_the_table_and_the_stack_have_the_weights(self, chosen):
        assert chosen.table["weight"].sum() == pytest.approx(1.0)
        assert dict(zip(chosen.stack.names, chosen.stack.weights, strict=True)) == pytest.approx(
            chosen.table["weight"].to_dict()
        )
        assert all(fit is chosen.fits[fit.name] for fit in chosen.stack.models)
        assert "Mixed with these weights" in str(chosen)
        assert "Mixed with these weights" in chosen._repr_html_()
        said = json.loads(json.dumps(chosen.to_dict()))
        assert {row["model"] for row in said["stacking"]["models"]} == set(chosen.table.index)
        assert said["models"][0]["weight"] == chosen.table["weight"].iloc[0]
        assert "weight" in str(chosen.stacking)
        assert "weight" in chosen.stacking._repr_html_()

    def test_standard_errors_are_those_of_the_theory(self, chosen):
        """Of an estimate that maximises a mean: the sandwich formula, customers being independent
        (A. W. van der Vaart, "Asymptotic Statistics", theorem 5.21)."""
        given, index = log_p(chosen.backtest)
        p = np.exp(given)
        weights = chosen.stacking.table["weight"].to_numpy()
        assert 0.1 < weights[0] < 0.9
        score = (p[:, 0] - p[:, 1]) / (p @ weights)
        of_customer = pd.Series(score).groupby(index.get_level_values("customer_id")).sum()
        error = np.sqrt(np.sum(of_customer**2)) / np.sum(score**2)
        found = chosen.stacking.table["standard_error"]
        noise = DEVIATIONS / np.sqrt(2 * 100)
        assert found.to_numpy() == pytest.approx([error, error], rel=noise)

    def test_the_draws_are_those_of_the_backtest(self, chosen):
        again = clv.stacking_weights(chosen.backtest, replicates=100, seed=7)
        pd.testing.assert_frame_equal(again.table, chosen.stacking.table)
        other = clv.stacking_weights(chosen.backtest, replicates=100, seed=8)
        assert (other.table["weight"] == again.table["weight"]).all()
        assert (other.table["standard_error"] != again.table["standard_error"]).all()

    def test_later_cutoffs_judge_weights_of_earlier_ones(self, chosen):
        given, index = log_p(chosen.backtest)
        stamps = index.get_level_values("cutoff")
        before, after = (given[stamps == stamp] for stamp in sorted(set(stamps)))
        relative = np.exp(before - before.max(axis=1, keepdims=True))
        weights = likeliest_weights(relative, np.ones(len(before))).weights
        best = int(before.mean(axis=0).argmax())
        difference = -np.log(np.exp(after) @ weights) + after[:, best]
        row = chosen.stacking.later.loc[max(stamps)]
        assert len(chosen.stacking.later) == 1
        assert row["best"] == chosen.backtest.models[best]
        assert row["difference"] == pytest.approx(difference.mean())
        assert row["standard_error"] == pytest.approx(
            difference.std(ddof=1) / np.sqrt(difference.size)
        )

    def test_overlapping_holdouts_do_not_judge_each_other(self, chosen):
        overlapping = dataclasses.replace(chosen.backtest, horizon_days=300)
        found = clv.stacking_weights(overlapping, replicates=2)
        assert found.later.empty
        assert "what weights are worth is not known" in str(found)

    def test_what_models_call_impossible(self, chosen):
        customers = chosen.backtest.customers.copy()
        model = customers.index.get_level_values("model")
        first, second = chosen.backtest.models
        own = np.flatnonzero(model == first)
        score = customers["purchases_log_score"].to_numpy().copy()
        score[own[0]] = np.inf  # by one of them: so it can have no weight of 1
        customers["purchases_log_score"] = score
        one = clv.stacking_weights(
            dataclasses.replace(chosen.backtest, customers=customers), replicates=5
        )
        assert one.table.loc[first, "log_score"] == np.inf
        assert np.isfinite(one.log_score)
        assert 0 < one.table.loc[second, "weight"] <= 1
        score[np.flatnonzero(model == second)[0]] = np.inf  # by both: then it does not count
        customers["purchases_log_score"] = score
        both = clv.stacking_weights(
            dataclasses.replace(chosen.backtest, customers=customers), replicates=5
        )
        assert both.log_score == np.inf
        assert "1 forecasts do not count" in str(both)
        assert both.table["weight"].to_numpy() == pytest.approx(
            chosen.stacking.table["weight"].to_numpy(), abs=0.02
        )
        customers["purchases_log_score"] = np.inf
        with pytest.raises(DataError, match="No model of this backtest"):
            clv.stacking_weights(dataclasses.replace(chosen.backtest, customers=customers))

    def test_of_models_that_say_the_same_the_first_has_the_weight(self, chosen):
        customers = chosen.backtest.customers.copy()
        first, second = chosen.backtest.models
        model = customers.index.get_level_values("model")
        score = customers["purchases_log_score"].to_numpy().copy()
        score[model == second] = score[model == first] + 1e-12
        customers["purchases_log_score"] = score
        found = clv.stacking_weights(
            dataclasses.replace(chosen.backtest, customers=customers), replicates=3
        )
        assert found.table["weight"].tolist() == [1.0, 0.0]
        assert found.table["standard_error"].tolist() == [0.0, 0.0]
        assert f"All weight is on {first}" in str(found)
        assert f"the mixture was {first}, the best alone until then" in str(found)
        assert f"{second} said what {first} said" in str(found)

    def test_wrong_arguments(self, cdnow_rfm, chosen):
        with pytest.raises(DataError, match="Give by='backtest', too"):
            clv.select(cdnow_rfm, stack=True)
        with pytest.raises(DataError, match="replicates"):
            clv.stacking_weights(chosen.backtest, replicates=1)
        with pytest.raises(DataError, match="There is no fit of"):
            chosen.stacking.stack_of({})

    def test_without_stacking_there_is_no_stack(self, cdnow_rfm):
        found = clv.select(cdnow_rfm, ["bgnbd"])
        assert found.stack is None
        assert "weight" not in found.table


class TestForecast:
    @pytest.mark.parametrize("rate", [0.0, 0.10])
    def test_a_stack_of_one_is_that_one(self, rate):
        alone = forecast(LASTING, annual_discount_rate=rate)
        for stack in (Stack([LASTING], [1]), Stack([BUYING, LASTING], [0, 1])):
            found = forecast(stack, annual_discount_rate=rate)
            pd.testing.assert_frame_equal(found, alone, rtol=0, atol=0)
            assert found.attrs == alone.attrs

    @pytest.mark.parametrize("rate", [0.0, 0.10])
    def test_a_model_mixed_with_itself_is_itself(self, rate):
        alone = forecast(REGULAR, annual_discount_rate=rate)
        found = forecast(Stack([REGULAR, REGULAR], [0.3, 0.7]), annual_discount_rate=rate)
        pd.testing.assert_frame_equal(found, alone, rtol=1e-4)
        pd.testing.assert_frame_equal(found[PURCHASES], alone[PURCHASES])

    def test_expectations_are_weighted_means(self):
        stack = Stack([BUYING, LASTING, REGULAR], [0.2, 0.5, 0.3])
        found = forecast(stack, level=None, annual_discount_rate=0.1)
        each = [forecast(one, level=None, annual_discount_rate=0.1) for one in stack.models]
        expected = sum(w * one for w, one in zip(stack.weights, each, strict=True))
        pd.testing.assert_frame_equal(found, expected)

    @pytest.mark.parametrize("level", [0.5, 0.9])
    def test_intervals_of_purchases_are_quantiles_of_the_summed_probabilities(self, level):
        """Also of customers who differ only in what the first model does not ask for."""
        more = pd.DataFrame({"frequency": 3, "recency": np.linspace(5.0, 38.0, 12), "T": 38.86})
        rfm = pd.concat([RFM, more.assign(monetary_value=20.0)], ignore_index=True)
        rfm.attrs = RFM.attrs
        own = BGNBD(0.243, np.linspace(0.5, 30.0, len(rfm)), 0.793, 2.426)
        stack = Stack([LASTING, REGULAR, own], [0.5, 0.3, 0.2])
        found = clv.forecast(stack, SPENDING, rfm, horizon=39, level=level)
        history = [rfm[name].to_numpy(dtype=float) for name in ("frequency", "recency", "T")]
        columns = [value[:, None] for value in history]
        n = np.arange(400)
        law = np.zeros((len(rfm), n.size))
        for model, weight in zip(stack.models, stack.weights, strict=True):
            if_alive = model.beside_counts().purchase_pmf_if_alive(n, 39.0, *columns)
            alive = model.p_alive(*history)[:, None]
            law += weight * (alive * if_alive + (1 - alive) * (n == 0))
        upto = law.cumsum(axis=1)
        assert upto[:, -1] == pytest.approx(np.ones(len(rfm)))
        for name, tail in zip(PURCHASES, ((1 - level) / 2, (1 + level) / 2), strict=True):
            assert found[name].tolist() == np.argmax(upto >= tail, axis=1).tolist()

    @pytest.mark.parametrize("annual_rate", [0.0, 0.10])
    def test_limits_of_value_leave_their_share_of_futures_drawn(self, annual_rate):
        """With discounting `spend_law` is off by 0.001 of probability at 10% a year, as `forecast`
        says, and the probability at a limit by 1e-6 anyway."""
        stack, level = Stack([BUYING, LASTING, REGULAR], [0.2, 0.5, 0.3]), 0.8
        found = forecast(stack, level=level, annual_discount_rate=annual_rate)
        rng, futures = np.random.default_rng(3), 20_000
        rate = np.log1p(annual_rate) * 7 / 365.25
        x, t_x, T, m = (RFM[name].to_numpy(dtype=float) for name in RFM.columns)
        which = rng.choice(3, futures, p=stack.weights)
        tail, slack = (1 - level) / 2, 0.001 if annual_rate else 1e-6
        noise = DEVIATIONS * np.sqrt(tail * (1 - tail) / futures) + slack
        for i, row in found.iterrows():
            worth = np.zeros(futures)
            for number, model in enumerate(stack.models):
                some = np.flatnonzero(which == number)
                history = (np.full(some.size, v[i]) for v in (x, t_x, T))
                customer, time = model.draw_future(39.0, *history, rng)
                orders = np.bincount(customer, minlength=some.size)
                value = SPENDING.draw_order_values(
                    orders, np.full(some.size, x[i]), np.full(some.size, m[i]), rng
                )
                np.add.at(worth, some[customer], value * np.exp(-rate * time))
            assert np.mean(worth > row["clv_upper"]) <= tail + noise
            assert np.mean(worth >= row["clv_upper"]) >= tail - noise
            assert np.mean(worth < row["clv_lower"]) <= tail + noise
            assert np.mean(worth <= row["clv_lower"]) >= tail - noise

    def test_an_engine_says_the_same(self, chosen, cdnow_orders, cdnow_rfm, cdnow_spend):
        terms = {"horizon": "13W", "level": 0.9}
        here = clv.forecast(chosen.stack, cdnow_spend, cdnow_rfm, **terms)
        lazy = cdnow_orders.summarize(time_unit="W", until=cdnow_rfm.attrs["until"], lazy=True)
        there = clv.forecast(chosen.stack, cdnow_spend, lazy, **terms).to_pandas()
        pd.testing.assert_frame_equal(
            there.loc[here.index], here, rtol=1e-4, atol=1e-9, check_dtype=False
        )
        pd.testing.assert_frame_equal(
            there.loc[here.index, PURCHASES], here[PURCHASES], check_dtype=False
        )

    def test_draws_of_each_model_are_models_with_their_share_of_its_weight(self):
        def draws(model, spread, seed):
            noise = np.random.default_rng(seed).normal(0, spread, (len(model.parameters), 5))
            values = np.array(list(model.parameters.values()))[:, None] * np.exp(noise)
            return ParameterDraws(type(model)(*values), "mcmc", 5.0)

        stack = Stack([BUYING, LASTING, REGULAR], [0.4, 0.6, 0])
        each, spend = [draws(BUYING, 0.4, 1), draws(LASTING, 0.4, 2)], draws(SPENDING, 0, 3)
        found = forecast(stack, posterior=([*each, None], spend))
        members = [model for one in each for model in one]
        expected = forecast(Stack(members, [0.08] * 5 + [0.12] * 5))
        limits = [*PURCHASES, "clv_lower", "clv_upper"]
        pd.testing.assert_frame_equal(found[limits], expected[limits], rtol=1e-6)
        others = found.columns.difference(limits)
        pd.testing.assert_frame_equal(found[others], forecast(stack)[others])
        for wrong in (
            draws(BUYING, 0, 0),
            (),
            (draws(BUYING, 0, 0), draws(SPENDING, 0, 0)),
            ([draws(BUYING, 0, 0)], draws(SPENDING, 0, 0)),
        ):
            with pytest.raises(DataError, match="each of its 3 purchase models"):
                forecast(stack, posterior=wrong)
        with pytest.raises(DataError, match="of the purchase model and of the spend model"):
            forecast(stack, posterior=([draws(SPENDING, 0, 0)] * 3, draws(SPENDING, 0, 0)))


class TestPortfolio:
    def ahead(self, purchases, **how):
        return clv.portfolio(purchases, SPENDING, RFM, horizon=12, period="W", **how)

    def test_expectations_are_weighted_means(self):
        stack = Stack([BUYING, LASTING], [0.25, 0.75])
        plan = {"new_customers": 3, "simulations": 19}
        found, *each = (self.ahead(one, **plan).table() for one in (stack, *stack.models))
        for name in ("orders", "revenue"):
            expected = 0.25 * each[0][name] + 0.75 * each[1][name]
            pd.testing.assert_series_equal(found[name], expected)

    def test_every_future_is_that_of_one_model(self):
        stack = Stack([BUYING, LASTING, REGULAR], [0.25, 0.75, 0])
        found, *each = (
            self.ahead(one, simulations=40, seed=4).simulations("orders")
            for one in (stack, BUYING, LASTING)
        )
        assert np.array_equal(found[:10], each[0][:10])
        assert np.array_equal(found[10:], each[1][10:])
        assert not np.array_equal(found[10:], each[0][10:])

    def test_draws_of_each_model(self, chosen, cdnow_rfm, cdnow_spend):
        stack = chosen.stack
        draws = [fit.posterior(draws=100) for fit in stack.models], cdnow_spend.posterior(draws=100)
        terms = {"horizon": "4W", "simulations": 20}
        found = clv.portfolio(stack, cdnow_spend, cdnow_rfm, posterior=draws, **terms)
        plain = clv.portfolio(stack, cdnow_spend, cdnow_rfm, **terms)
        pd.testing.assert_series_equal(found.table()["orders"], plain.table()["orders"])
        assert not np.array_equal(found.simulations("orders"), plain.simulations("orders"))


class TestStack:
    def test_a_saved_one_forecasts_the_same(self, chosen, cdnow_rfm, cdnow_spend, tmp_path):
        chosen.stack.save(tmp_path / "stack.json")
        loaded = Stack.load(tmp_path / "stack.json")
        assert loaded.weights == chosen.stack.weights
        assert loaded.time_unit == "W"
        before, after = (
            clv.forecast(one, cdnow_spend, cdnow_rfm, horizon="13W")
            for one in (chosen.stack, loaded)
        )
        pd.testing.assert_frame_equal(before, after)

    def test_what_cannot_be_saved_or_read(self, tmp_path):
        with pytest.raises(DataError, match="Only a stack of fits can be saved"):
            Stack([BUYING], [1]).to_json()
        with pytest.raises(DataError, match="Cannot read a stack"):
            Stack.load(tmp_path / "missing.json")
        for text in ("{", "{}", '{"format": 1, "stack": [], "weights": "a"}'):
            with pytest.raises(DataError):
                Stack.from_json(text)
        with pytest.raises(DataError, match="Upgrade"):
            Stack.from_json('{"format": 2}')

    @pytest.mark.parametrize(
        ("models", "weights", "fault"),
        [
            ([BUYING, LASTING], [0.5, 0.6], "sum to 1"),
            ([BUYING, LASTING], [-0.5, 1.5], "sum to 1"),
            ([BUYING, LASTING], [np.nan, 1.0], "sum to 1"),
            ([BUYING, LASTING], [1.0], "There are 1 weights for 2 models"),
            ([BUYING, LASTING], ["a", "b"], "must be numbers"),
            ([SPENDING], [1.0], "not GammaGamma"),
            ([], [], "sum to 1"),
            (BUYING, [1.0], "must be a list"),
            (5, [1.0], "must be a list"),
        ],
    )
    def test_wrong_arguments(self, models, weights, fault):
        with pytest.raises(DataError, match=fault):
            Stack(models, weights)

    def test_units_must_agree(self, cdnow_buys, cdnow_rfm, cdnow_spend):
        daily = dataclasses.replace(cdnow_buys, time_unit="D")
        with pytest.raises(DataError, match="'D' and 'W'"):
            Stack([cdnow_buys, daily], [0.5, 0.5])
        with pytest.raises(DataError, match="fitted in 'D'"):
            clv.forecast(Stack([daily, BUYING], [0.5, 0.5]), cdnow_spend, cdnow_rfm, horizon="4W")

    def test_what_takes_one_model_says_so(self):
        stack = Stack([BUYING, LASTING], [0.5, 0.5])
        for ask in (
            lambda: clv.what_if(stack, SPENDING, RFM, horizon=26),
            lambda: clv.retention(stack, SPENDING, RFM, horizon=26, cost=1.0, success=0.1),
            lambda: clv.next_purchase(stack, RFM),
        ):
            with pytest.raises(DataError, match="takes one purchase model, not a stack"):
                ask()
        one = Stack([BUYING, LASTING], [1, 0])
        pd.testing.assert_frame_equal(clv.next_purchase(one, RFM), clv.next_purchase(BUYING, RFM))
