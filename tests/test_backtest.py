"""Backtests: only the known past is used, scores are those of the metrics, noise is told."""

import datetime as dt
import itertools
import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.integrate import quad

import clvforecast as clv
from clvforecast import BGNBD, DataError, FitError, FitWarning, GammaGamma, metrics
from clvforecast.evaluation.backtesting import _evaluated, _origins
from clvforecast.evaluation.limited import limited_spend
from clvforecast.evaluation.origins import _resampled
from clvforecast.evaluation.plans import ModelPair, Plan, chosen_cutoffs
from clvforecast.fitting import Specification
from clvforecast.predictive import count_law

CUTOFF = "1997-09-30"
DAY = pd.Timestamp(CUTOFF)
BUYS = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
SPEND = GammaGamma(p=6.25, q=3.74, v=15.44)
QUICK = {"replicates": 10, "time_unit": "W"}


@pytest.fixture(scope="module")
def past(cdnow_orders):
    """The papers' split of CDNOW."""
    return clv.backtest(cdnow_orders, cutoffs=[CUTOFF], horizon="39W", replicates=100)


@pytest.fixture(scope="module")
def log():
    """240 customers of CDNOW, as a table."""
    orders = clv.datasets.load_cdnow(sample=True)
    some = np.sort(orders["customer_id"].unique())[::10]
    return orders[orders["customer_id"].isin(some)].reset_index(drop=True)


@pytest.fixture(scope="module")
def small(log):
    return _small(log)


def _small(log, **options):
    orders = clv.read_orders(log, until="1998-06-30")
    given = {"n": 2, "horizon": "26W", "ridge": 0.001, **QUICK, **options}
    return clv.backtest(orders, **given)


def _value(past, model, metric, target="purchases"):
    table = past.table.set_index(["model", "target", "metric"])["value"]
    return table.loc[(model, target, metric)]


def test_totals_are_the_published_ones(past):
    """Holdout of the papers: 1,882 repeat purchases; the forecast is that of the fit."""
    mine = past.customers.loc[(DAY, "BG/NBD")]
    assert mine["purchases"].sum() == 1882
    expected = mine["predicted_purchases"].sum()
    assert _value(past, "BG/NBD", "bias") == pytest.approx(expected / 1882 - 1)


def test_the_forecast_is_that_of_the_public_functions(past, cdnow_rfm, cdnow_buys, cdnow_spend):
    ahead = clv.forecast(cdnow_buys, cdnow_spend, cdnow_rfm, horizon="39W", level=0.9)
    mine = past.customers.loc[(DAY, "BG/NBD")]
    assert mine.index.equals(ahead.index)
    for column, name in (
        ("predicted_purchases", "expected_purchases"),
        ("predicted_spend", "clv"),
        ("purchases_upper", "purchases_upper"),
        ("spend_lower", "clv_lower"),
        ("spend_upper", "clv_upper"),
    ):
        assert mine[column].to_numpy() == pytest.approx(ahead[name].to_numpy(), rel=1e-9)
    fitted = past.fits[dt.date(1997, 9, 30), "BG/NBD"]
    assert fitted.purchases.parameters == pytest.approx(cdnow_buys.parameters)
    assert fitted.spend.parameters == pytest.approx(cdnow_spend.parameters)


def test_values_are_those_of_the_metrics(past):
    for model in ("BG/NBD", "simple formula", "cohort mean"):
        mine = past.customers.loc[(DAY, model)]
        for target in ("purchases", "spend"):
            both = mine[target].to_numpy(), mine[f"predicted_{target}"].to_numpy()
            for metric in ("bias", "mae", "rmse", "gini", "top_decile", "decile_error", "spearman"):
                value = getattr(metrics, metric)(*both)
                assert _value(past, model, metric, target) == pytest.approx(value, rel=1e-9)
    mine = past.customers.loc[(DAY, "BG/NBD")]
    for target in ("purchases", "spend"):
        ends = mine[f"{target}_lower"], mine[f"{target}_upper"]
        assert _value(past, "BG/NBD", "coverage", target) == pytest.approx(
            metrics.coverage(mine[target], *ends)
        )
        assert _value(past, "BG/NBD", "width", target) == pytest.approx(metrics.width(*ends))
        assert _value(past, "BG/NBD", "crps", target) == pytest.approx(
            mine[f"{target}_crps"].mean()
        )
        law = mine[f"{target}_below"], mine[f"{target}_upto"]
        assert metrics.law_coverage(*law, 0.9) == pytest.approx(
            metrics.coverage(mine[target], *ends)
        )


def test_scores_of_counts_are_those_of_the_public_law(past, cdnow_rfm, cdnow_buys):
    mine = past.customers.loc[(DAY, "BG/NBD")].sort_values("purchases").iloc[[0, -300, -40, -1]]
    law = clv.purchase_distribution(cdnow_buys, cdnow_rfm.loc[mine.index], horizon="39W")
    upto, pmf = law.cdf(range(300)).to_numpy(), law.pmf(range(300)).to_numpy()
    rows, bought = np.arange(4), mine["purchases"].to_numpy()
    assert mine["purchases_crps"].to_numpy() == pytest.approx(
        metrics.count_crps(bought, upto), rel=1e-9
    )
    assert mine["purchases_log_score"].to_numpy() == pytest.approx(-np.log(pmf[rows, bought]))
    assert mine["purchases_upto"].to_numpy() == pytest.approx(upto[rows, bought])
    assert mine["purchases_below"].to_numpy() == pytest.approx(
        upto[rows, bought] - pmf[rows, bought], abs=1e-12
    )


def test_scores_of_spend_are_those_of_the_public_law(past, cdnow_rfm, cdnow_buys, cdnow_spend):
    """The integral of (F - 1{y <= s}) ** 2 over pieces of log s, by adaptive quadrature."""
    mine = past.customers.loc[(DAY, "BG/NBD")].sort_values("spend").iloc[[0, -400, -1]]
    law = clv.spend_distribution(cdnow_buys, cdnow_spend, cdnow_rfm.loc[mine.index], horizon="39W")
    for customer, row in mine.iterrows():
        cdf = law.of(customer)._law()

        def integrand(log_s, cdf=cdf, spent=row["spend"]):
            s = np.exp(log_s)
            return float((cdf(np.array([s]))[0] - (spent <= s)) ** 2 * s)

        edges = np.unique(np.r_[np.linspace(-8, 14, 12), np.log(max(row["spend"], 1e-3))])
        pieces = itertools.pairwise(edges)
        score = sum(quad(integrand, *ends, epsabs=1e-9, epsrel=1e-8)[0] for ends in pieces)
        below_the_first = np.exp(-8.0)
        assert row["spend_crps"] == pytest.approx(score, rel=1e-6, abs=2 * below_the_first)
        assert row["spend_upto"] == pytest.approx(cdf(np.array([row["spend"]]))[0], abs=1e-9)


@pytest.mark.parametrize(
    "model",
    [SPEND, GammaGamma(p=0.4, q=1.15, v=15.44), GammaGamma(p=300.0, q=50.0, v=15.44)],
    ids=["CDNOW", "heavy tails", "all alike"],
)
@pytest.mark.parametrize("x", [0.0, 60.0])
def test_limited_means_are_those_of_beta_primes(model, x):
    """``E[min(U, u)]`` from partial means of beta prime laws, ``E[min(U, U')]`` by quadrature."""
    number = count_law(BUYS, 39.0, x, np.array([38.86]), np.array([38.86]), 1 - 1e-11)
    weights, orders = number.pmf[0, 1:], np.arange(1, number.upto.shape[1])
    past_shape = model.p * x + model.q

    def above(u):
        return weights @ stats.betaprime.sf(u, model.p * orders, past_shape)

    found = limited_spend(model, x, number, 6.0)
    row = np.zeros(1, dtype=int)
    for u in (1e-9, 0.02, 0.5, 5.9):
        shares = stats.betaprime.cdf(u, model.p * orders + 1, past_shape - 1)
        partial = weights @ (model.p * orders / (past_shape - 1) * shares)
        limited = found.limited_mean(np.array([u]), row)[0]
        assert limited == pytest.approx(u * above(u) + partial, rel=1e-8)
        assert found.exceeded(np.array([u]), row)[0] == pytest.approx(above(u), abs=1e-8)
    pieces = [
        quad(lambda t: above(np.exp(t)) ** 2 * np.exp(t), t, t + 1, epsabs=1e-13)[0]
        for t in range(-25, 25)
    ]
    assert found.smaller_of_two[0] == pytest.approx(sum(pieces), rel=1e-7)


def test_limits_where_nobody_can_order():
    nobody = count_law(BUYS, 1e-14, 0.0, np.array([38.86]), np.array([38.86]), 1 - 1e-11)
    found = limited_spend(SPEND, 0.0, nobody, 0.0)
    zero, row = np.zeros(1), np.zeros(1, dtype=int)
    assert found.limited_mean(zero, row) == found.smaller_of_two == 0
    assert found.exceeded(zero, row) == pytest.approx(0, abs=1e-9)


def test_the_true_laws_are_calibrated_and_score_best():
    """Futures drawn from the story of the models: uniform transforms, covered as they say."""
    from clvforecast.evaluation.scoring import scored

    rng = np.random.default_rng(11)
    truth = BGNBD(r=0.6, alpha=4.0, a=0.7, b=2.5)
    T = rng.integers(70, 280, 3_000) / 7
    customer, time = truth.simulate(T, seed=12)
    x = np.bincount(customer, minlength=T.size).astype(float)
    t_x = np.zeros(T.size)
    np.maximum.at(t_x, customer, time)
    m = SPEND.simulate(x, seed=13)
    calibration = pd.DataFrame({"frequency": x, "recency": t_x, "T": T, "monetary_value": m})
    who, _ = truth.draw_future(26.0, x, t_x, T, rng)
    bought = np.bincount(who, minlength=T.size)
    holdout = pd.DataFrame(
        {"purchases": bought, "spend": SPEND.draw_total_spend(bought, x, m, rng)}
    )

    def frame(buys, spend):
        return scored(buys, spend, calibration, holdout, horizon=26.0, level=0.8, seed=1)

    right = frame(truth, SPEND)
    bound = stats.kstwo(T.size).isf(1e-4)
    noise = 4.5 * np.sqrt(0.25 / T.size)
    for target in ("purchases", "spend"):
        assert stats.kstest(right[f"{target}_pit"], "uniform").statistic < bound
        ends = right[f"{target}_lower"], right[f"{target}_upper"]
        assert metrics.coverage(right[target], *ends) > 0.8 - noise
    assert metrics.law_coverage(right["spend_pit"], right["spend_pit"], 0.8) == pytest.approx(
        0.8, abs=noise
    )
    wrong = frame(BGNBD(r=1.2, alpha=4.0, a=0.7, b=2.5), GammaGamma(p=6.25, q=3.74, v=8.0))
    for score in ("purchases_log_score", "purchases_crps", "spend_crps"):
        worse = wrong[score] - right[score]
        assert worse.mean() > 4 * worse.std() / np.sqrt(T.size)


def test_baselines_are_what_they_say(past, cdnow_orders, cdnow_rfm):
    simple = clv.historical_clv(cdnow_orders, until=CUTOFF)
    mine = past.customers.loc[(DAY, "simple formula")]
    assert mine["predicted_spend"].to_numpy() == pytest.approx(simple.project(273).to_numpy())
    assert mine["predicted_purchases"].sum() == pytest.approx(
        (cdnow_rfm["frequency"] + 1).sum() * 273 / 273
    )
    own = past.customers.loc[(DAY, "own rate")]
    rate = cdnow_rfm["frequency"] / cdnow_rfm["T"]
    assert own["predicted_purchases"].to_numpy() == pytest.approx((39 * rate).to_numpy())
    assert own["predicted_spend"].to_numpy() == pytest.approx(
        (39 * rate * cdnow_rfm["monetary_value"]).to_numpy()
    )
    nothing = past.customers.loc[(DAY, "nothing")]
    assert not nothing[["predicted_purchases", "predicted_spend"]].any(axis=None)
    assert _value(past, "nothing", "bias") == -1


def test_the_cohort_mean_by_hand():
    """Ten customers a month: every one buys again at the age of 30 days, and never more."""
    days = pd.date_range("2023-01-05", periods=12, freq="MS") + pd.Timedelta(days=4)
    rows = [
        (f"{day:%m}-{k}", day + pd.Timedelta(days=age), 10.0 if age else 99.0)
        for day in days
        for k in range(10)
        for age in (0, 30)
    ]
    log = pd.DataFrame(rows, columns=["customer_id", "date", "amount"])
    orders = clv.read_orders(log, until="2024-03-31")
    from clvforecast.evaluation.baselines import baseline_forecasts

    calibration, holdout = orders.split("2023-12-31", "60D", "D")
    cohort = baseline_forecasts(orders, calibration, 60)["cohort mean"]
    assert cohort["purchases"].to_numpy() == pytest.approx(holdout["purchases"].to_numpy())
    assert cohort["purchases"].to_numpy().sum() == 10  # of December's, who are 26 days old
    assert cohort["spend"].to_numpy() == pytest.approx(holdout["spend"].to_numpy())


def test_a_customer_of_the_last_day_has_no_rate_of_his_own(log):
    newest = pd.DataFrame(
        {"customer_id": ["new"], "date": [pd.Timestamp("1997-12-30")], "amount": [5.0]}
    )
    found = _small(pd.concat([log, newest], ignore_index=True), cutoffs=["1997-12-30"], n=None)
    new = found.customers.xs("new", level="customer_id")
    assert (new["T"] == 0).all()
    predicted = new["predicted_purchases"].droplevel("cutoff")
    assert predicted["own rate"] == 0
    assert (predicted[["BG/NBD", "simple formula", "cohort mean"]] > 0).all()


def test_the_future_changes_nothing_before_it(log, small):
    """Of a log whose days after the last cutoff are made up, only what came is other."""
    cutoff = max(small.cutoffs)
    later = log["date"] > pd.Timestamp(cutoff)
    strangers = pd.DataFrame(
        {"customer_id": ["stranger"] * 2, "date": pd.Timestamp("1998-02-01"), "amount": 7.0}
    )
    other = pd.concat([log[~later], strangers], ignore_index=True)
    again = _small(other, cutoffs=[cutoff], n=None)
    known = [
        name
        for name in small.customers.columns
        if name.startswith("predicted") or name.endswith(("lower", "upper"))
    ]
    stamp = pd.Timestamp(cutoff)
    before = small.customers.loc[[stamp], ["frequency", "recency", "T", *known]]
    after = again.customers[before.columns]
    pd.testing.assert_frame_equal(after, before, rtol=1e-8)
    assert "stranger" not in again.customers.index.unique("customer_id")
    assert not again.customers["purchases"].any()
    assert small.customers.loc[stamp, "purchases"].any()
    fits = small.fits[cutoff, "BG/NBD"], again.fits[cutoff, "BG/NBD"]
    parameters = [pair.purchases.parameters for pair in fits]
    assert parameters[0] == pytest.approx(parameters[1], rel=1e-9)


def test_customers_are_those_of_the_cutoff_and_their_time_ends_there(cdnow_orders):
    first = cdnow_orders.activity()["first_order"]
    days = ["1997-03-01", "1997-04-30"]
    found = clv.backtest(cdnow_orders, cutoffs=days, metrics=["mae"], replicates=2, ridge=0.01)
    counts = []
    for stamp in map(pd.Timestamp, days):
        mine = found.customers.loc[(stamp, "BG/NBD")]
        assert mine.index.tolist() == first.index[first <= stamp].tolist()
        age = (stamp - first.reindex(mine.index)).dt.days / 7
        assert mine["T"].to_numpy() == pytest.approx(age.to_numpy())
        counts.append(len(mine))
    assert counts[0] < counts[1] == len(first)


def test_nothing_depends_on_the_order_of_rows(log, small):
    shuffled = _small(log.sample(frac=1.0, random_state=3))
    pd.testing.assert_frame_equal(shuffled.table, small.table, rtol=1e-8)
    pd.testing.assert_frame_equal(shuffled.customers, small.customers, rtol=1e-8)
    assert np.allclose(shuffled._replicated, small._replicated, equal_nan=True)


def test_workers_find_the_same(log, small):
    orders = clv.read_orders(log, until="1998-06-30")
    plan = Plan(
        {"BG/NBD": ModelPair(Specification(BGNBD), Specification(GammaGamma))},
        (),
        ("crps", "gini"),
        182,
        "W",
        0.9,
        0.001,
        10,
        0,
    )
    origins, _ = _origins(orders, small.cutoffs, plan)
    for here, there in zip(_evaluated(origins, plan, 1), _evaluated(origins, plan, 2), strict=True):
        assert here.cutoff == there.cutoff
        pd.testing.assert_frame_equal(here.table, there.table, rtol=1e-8)
        pd.testing.assert_frame_equal(
            here.customers["BG/NBD"], there.customers["BG/NBD"], rtol=1e-8
        )
        assert np.allclose(here.replicates, there.replicates, rtol=1e-8, equal_nan=True)
        fits = (side.fits["BG/NBD"].spend.parameters for side in (here, there))
        assert next(fits) == pytest.approx(next(fits), rel=1e-8)


def test_the_time_unit_changes_no_score(log, small):
    in_days = _small(log, time_unit="D", horizon="182D")
    value = small.table["value"].to_numpy()
    assert in_days.table["value"].to_numpy() == pytest.approx(value, rel=1e-5, nan_ok=True)


def test_a_month_is_scored_over_its_whole_days(log):
    month = _small(log, n=1, horizon="1M")
    assert month.horizon_days == 30
    days = _small(log, cutoffs=month.cutoffs, n=None, horizon="30D")
    pd.testing.assert_frame_equal(month.table, days.table)


def test_skill_is_against_the_simple_formula(small):
    table = small.table.set_index(["cutoff", "model", "target", "metric"])
    for (cutoff, _, target, metric), row in table.iterrows():
        if metric in ("mae", "rmse", "crps", "decile_error"):
            formula = table.loc[(cutoff, "simple formula", target, metric), "value"]
            assert row["skill"] == pytest.approx(1 - row["value"] / formula)
        else:
            assert np.isnan(row["skill"])


def test_standard_errors_of_means_are_those_of_statistics(past):
    """The bootstrap's against the deviation over root n, within the noise of 100 replicates."""
    mine = past.customers.loc[(DAY, "BG/NBD")]
    table = past.table.set_index(["model", "target", "metric"])["standard_error"]
    for target, column in (("purchases", "purchases_log_score"), ("spend", "spend_crps")):
        metric = column.partition("_")[2]
        plain = mine[column].std() / np.sqrt(len(mine))
        # A sample standard deviation of 100 normal values is off by 1 / sqrt(200) of itself.
        assert table["BG/NBD", target, metric] == pytest.approx(plain, rel=4 / np.sqrt(200))


def test_differences_are_paired(past):
    found = past.differences("mae", target="spend")
    assert found.index[0] == found["value"].idxmin()
    best = found.iloc[0]
    assert (best["difference"], best["standard_error"], best["within_noise"]) == (0, 0, True)
    mine = {
        name: past.customers.loc[(DAY, name)].eval("abs(predicted_spend - spend)")
        for name in found.index
    }
    for name, row in found.iloc[1:].iterrows():
        off = mine[name] - mine[found.index[0]]
        assert row["difference"] == pytest.approx(off.mean())
        assert row["standard_error"] == pytest.approx(
            off.std() / np.sqrt(len(off)), rel=4 / np.sqrt(200)
        )
        assert row["within_noise"] == (row["difference"] < 1.96 * row["standard_error"])
    swapped = past.differences("mae", target="spend", than="nothing")
    assert swapped.loc["nothing", "difference"] == 0
    assert swapped.loc["BG/NBD", "difference"] == pytest.approx(
        -past.differences("mae", target="spend", than="BG/NBD").loc["nothing", "difference"]
    )


def test_differences_know_which_way_is_better(past):
    assert past.differences("gini").index[-1] in ("nothing", "cohort mean")
    bias = past.differences("bias")
    assert (bias["value"] >= 0).all()
    assert bias["value"].is_monotonic_increasing
    coverage = past.differences("coverage")
    assert coverage["value"].to_numpy() == pytest.approx(
        abs(_value(past, "BG/NBD", "coverage") - 0.9)
    )


def test_every_metric_can_be_compared(small):
    """Infinite decile errors, too, as of few customers."""
    assert np.isinf(small.table["value"]).any()
    for target, metric in small.table[["target", "metric"]].drop_duplicates().to_numpy():
        found = small.differences(metric, target=target)
        assert found["within_noise"].iloc[0]
        assert found.index[0] == "BG/NBD" or len(found) == 5


def test_a_customer_is_drawn_as_often_at_every_cutoff(log):
    plan = Plan({}, (), ("crps",), 182, "W", 0.9, 0.0, 5, 3)
    orders = clv.read_orders(log, until="1998-06-30")
    days = [dt.date(1997, 2, 15), dt.date(1997, 9, 30)]
    (first, second), everyone = _origins(orders, days, plan)
    assert len(first.position) < len(second.position) == len(everyone)
    for one, other in zip(_resampled(first, plan), _resampled(second, plan), strict=True):
        assert np.array_equal(one, other[first.position])
        assert other.sum() == len(everyone)


def test_the_same_model_twice_is_within_noise(log):
    twice = _small(log, models={"one": BGNBD, "other": (BGNBD, GammaGamma)}, n=1)
    found = twice.differences("crps")
    alike = found.loc[["one", "other"]]
    assert alike["difference"].to_numpy() == pytest.approx(0, abs=1e-9)
    assert alike["within_noise"].all()
    assert twice.models == ("one", "other")


def test_a_backtest_can_be_kept(small):
    again = pickle.loads(pickle.dumps(small))  # noqa: S301 - our own
    pd.testing.assert_frame_equal(again.table, small.table)
    assert again.fits[small.cutoffs[0], "BG/NBD"].purchases.cells is None


def test_it_says_what_it_found(small):
    text = str(small)
    assert "Backtest of BG/NBD" in text
    assert "26 weeks" in text
    assert "simple formula" in text
    assert "crps_skill" in small._repr_html_()
    wide = small.summary("crps", "spend")
    assert wide["mean"].to_numpy() == pytest.approx(wide.iloc[:, :2].mean(axis=1).to_numpy())


def test_only_what_is_asked_for(log, capsys):
    found = _small(log, n=1, metrics=["gini", "crps"], baselines=["nothing"], progress=True)
    assert not capsys.readouterr().out
    assert found.table["metric"].unique().tolist() == ["crps", "gini"]
    assert found.table["model"].unique().tolist() == ["BG/NBD", "nothing"]
    assert found.table.loc[found.table["metric"] == "crps", "skill"].notna().all()
    assert "gini" in str(found)
    alone = _small(log, n=1, metrics=["log_score"], baselines=False)
    assert alone.baselines == ()
    assert alone.table["target"].unique().tolist() == ["purchases"]
    assert "log_score" in str(alone)


def test_a_holdout_in_which_nothing_came(log):
    """Scores of shares are not defined, those of customers are."""
    quiet = log[log["date"] <= "1997-12-01"]
    found = _small(quiet, cutoffs=["1997-12-30"], n=None)
    table = found.table.set_index(["model", "target", "metric"])["value"]
    assert np.isnan(table["BG/NBD", "spend", "gini"])
    assert np.isnan(table["BG/NBD", "spend", "bias"])
    assert table["BG/NBD", "spend", "crps"] > 0 == table["nothing", "spend", "crps"]


def test_refunds_after_the_cutoff_lower_spend_and_nothing_else(log):
    first = log["customer_id"].iloc[0]
    refund = pd.DataFrame(
        {"customer_id": [first], "date": [pd.Timestamp("1998-06-30")], "amount": [-1e6]}
    )
    plain = _small(log, n=1)
    less = _small(pd.concat([log, refund], ignore_index=True), n=1)
    mine = plain.customers, less.customers
    assert mine[1].xs(first, level="customer_id")["spend"].eq(0).all()
    same = ["purchases", "predicted_spend", "spend_upper", "purchases_crps"]
    pd.testing.assert_frame_equal(mine[0][same], mine[1][same])


def test_origins_are_equally_spaced_and_fit(cdnow_orders):
    days = chosen_cutoffs(cdnow_orders, None, None, 182)
    assert [str(day) for day in days] == ["1997-07-01", "1997-09-30", "1997-12-30"]
    assert chosen_cutoffs(cdnow_orders, None, 1, 182) == days[-1:]
    assert chosen_cutoffs(cdnow_orders, ["1997-12-30", "1997-07-01"], None, 182) == [
        days[0],
        days[-1],
    ]


def test_warnings_of_fits_name_the_cutoff(log):
    some = log[log["customer_id"].isin(log["customer_id"].unique()[:40])]
    with pytest.warns(FitWarning) as caught:
        _small(some, n=1)
    said = [str(warning.message) for warning in caught]
    for model in ("BG/NBD", "Gamma-Gamma"):
        assert any(text.startswith(f"At the cutoff 1997-12-30: {model}: Only") for text in said)


def test_a_fit_that_fails_names_the_cutoff(log):
    with pytest.raises(FitError, match="Backtest of BG/NBD at the cutoff 1997-01-02: None of"):
        _small(log, cutoffs=["1997-01-02"], n=None)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"cutoffs": [CUTOFF], "n": 2}, "cutoffs= or n=, not both"),
        ({"cutoffs": [], "n": None}, "names no day"),
        ({"cutoffs": ["1998-05-01"], "n": None}, "observation ends on 1998-06-30"),
        ({"n": 0}, "n=0 must be a whole number, 1 or more"),
        ({"n": 2, "horizon": "2Y"}, "2 holdouts of 730 days do not fit"),
        ({"horizon": "0D"}, "horizon='0D' must be a day or more"),
        ({"horizon": np.inf}, "must be a day or more, and finite"),
        ({"models": []}, "names no model"),
        ({"models": [GammaGamma]}, "neither a class of a purchase model"),
        ({"models": [BUYS]}, "A backtest fits them itself"),
        ({"models": [BGNBD, BGNBD]}, "BG/NBD is there twice"),
        ({"models": {"nothing": BGNBD}}, "cannot be called 'nothing'"),
        ({"metrics": []}, "metrics=.. names none"),
        ({"metrics": ["crsp"]}, "there is no 'crsp'.*mean 'crps'"),
        ({"baselines": ["nothin"]}, "there is no 'nothin'.*mean 'nothing'"),
        ({"level": 1.0}, "level=1.0"),
        ({"replicates": 1}, "replicates=1 must be a whole number, 2 or more"),
        ({"workers": 0}, "workers=0 must be"),
    ],
)
def test_what_cannot_be_tested(log, options, said):
    with pytest.raises(DataError, match=said):
        _small(log, **options)


def test_it_needs_orders(cdnow_rfm):
    with pytest.raises(DataError, match="not a DataFrame"):
        clv.backtest(cdnow_rfm)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"metric": "crsp"}, "metric='crsp' is not in this backtest.*mean 'crps'"),
        ({"metric": "crps", "target": "orders"}, "target='orders'"),
        ({"metric": "log_score", "target": "spend"}, "only of purchases"),
        ({"metric": "crps", "than": "BGNBD"}, "than='BGNBD' is no model"),
    ],
)
def test_differences_that_are_not_there(small, asked, said):
    with pytest.raises(DataError, match=said):
        small.differences(**asked)
