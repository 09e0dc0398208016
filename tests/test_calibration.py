"""Tables of calibration and tracking: what they say is what customers did and the laws gave."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

import clvforecast as clv
from clvforecast import BGNBD, DataError, metrics

CUTOFF = "1997-09-30"
CDNOW = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)


@pytest.fixture(scope="module")
def past():
    """240 customers of CDNOW, two cutoffs."""
    log = clv.datasets.load_cdnow(sample=True)
    some = np.sort(log["customer_id"].unique())[::10]
    orders = clv.read_orders(log[log["customer_id"].isin(some)], until="1998-06-30")
    return clv.backtest(
        orders, cutoffs=["1997-07-15", CUTOFF], horizon="39W", ridge=0.001, replicates=2
    )


@pytest.fixture(scope="module")
def mine(past):
    return past.customers.loc[(pd.Timestamp(CUTOFF), "BG/NBD")]


def made_up(past, customers):
    """The same backtest, had it one cutoff and these customers of BG/NBD and "nothing"."""
    index = pd.RangeIndex(len(customers), name="customer_id")
    both = {(past.cutoffs[-1], name): customers.set_index(index) for name in ("BG/NBD", "nothing")}
    frame = pd.concat(both, names=["cutoff", "model"])
    days = pd.to_datetime(frame.index.levels[0])
    return dataclasses.replace(
        past,
        customers=frame.set_index(frame.index.set_levels(days, level=0)),
        cutoffs=past.cutoffs[-1:],
        baselines=("nothing",),
    )


# Tracking


@pytest.fixture(scope="module")
def tracked(cdnow_orders):
    return clv.purchase_tracking(cdnow_orders, CDNOW, cutoff=CUTOFF, time_unit="W")


def repeats_of(log):
    """Repeat purchase days, from scratch: one a customer and day, without the first."""
    days = log.assign(date=pd.to_datetime(log["date"]))[["customer_id", "date"]].drop_duplicates()
    return days[days["date"] > days.groupby("customer_id")["date"].transform("min")]


def test_repeat_purchases_are_those_of_the_log(tracked):
    """In sum those of the papers: 2,457 in calibration and 1,882 after it."""
    log = clv.datasets.load_cdnow(sample=True)
    weeks = (repeats_of(log)["date"] - pd.Timestamp("1997-01-01")).dt.days // 7
    np.testing.assert_array_equal(tracked["actual"], np.bincount(weeks, minlength=78))
    upto = tracked.set_index("end")["actual_cumulative"]
    assert upto[CUTOFF] == 2457
    assert upto["1998-06-30"] == 2457 + 1882
    np.testing.assert_array_equal(tracked["actual"].cumsum(), tracked["actual_cumulative"])
    assert tracked.attrs == {
        "cutoff": CUTOFF,
        "until": "1998-06-30",
        "period": "W",
        "model": "BG/NBD",
        "customers": 2357,
    }


def test_expected_is_the_sum_over_customers(tracked, cdnow_rfm):
    """Equation 9 of Fader, Hardie and Lee (2005), customer by customer."""
    r, alpha, a, b = CDNOW.parameters.values()
    first = pd.Timestamp(CUTOFF) - pd.to_timedelta(np.rint(7 * cdnow_rfm["T"]), unit="D")
    for end, expected in (
        tracked.set_index("end")["expected_cumulative"].iloc[[0, 5, 38, 77]].items()
    ):
        t = np.maximum((end - first).dt.days.to_numpy() / 7, 0.0)
        shrunk = (alpha / (alpha + t)) ** r * special.hyp2f1(r, b, a + b - 1, t / (alpha + t))
        assert expected == pytest.approx(((a + b - 1) / (a - 1) * (1 - shrunk)).sum(), rel=1e-9)
    np.testing.assert_allclose(tracked["expected"].cumsum(), tracked["expected_cumulative"])


def test_expected_is_what_simulated_customers_do(tracked, cdnow_rfm):
    """40 times the customers of the sample, in the weeks in which they really came."""
    times = 40
    start = 38 + 6 / 7 - cdnow_rfm["T"].to_numpy()
    week, counts = np.arange(78), np.empty((times, 78))
    for again in range(times):
        customer, time = CDNOW.simulate(77 + 6 / 7 - start, seed=again)
        day = np.ceil(7 * (start[customer] + time) - 1e-9)
        counts[again] = np.bincount((day // 7).astype(int), minlength=78)
    z = (counts.mean(axis=0) - tracked["expected"]) / (counts.std(axis=0, ddof=1) / times**0.5)
    assert np.abs(z[week > 0]).max() < stats.t.isf(1e-6, times - 1)


def test_customers_who_came_after_the_cutoff_are_left_out():
    log = pd.DataFrame(
        {
            "customer_id": list("AAABBCC"),
            "date": [
                *("2024-01-01", "2024-01-03", "2024-02-20"),
                *("2024-01-10", "2024-02-01"),
                *("2024-02-02", "2024-02-09"),
            ],
            "amount": 1.0,
        }
    )
    orders = clv.read_orders(log, until="2024-03-10")
    given = {"cutoff": "2024-01-31", "period": "M", "time_unit": "D"}
    model = BGNBD(r=0.5, alpha=60.0, a=0.5, b=2.0)
    table = clv.purchase_tracking(orders, model, **given)
    assert table["actual"].tolist() == [1, 2, 0]
    assert table["end"].dt.strftime("%Y-%m-%d").tolist() == [
        "2024-01-31",
        "2024-02-29",
        "2024-03-10",
    ]
    ages = np.array([[30, 21], [59, 50], [69, 60]])
    expected = model.purchases_if_alive(ages, 0.0, 0.0, 0.0).sum(axis=1)
    np.testing.assert_allclose(table["expected_cumulative"], expected)
    short = clv.purchase_tracking(orders, model, until="2024-02-29", **given)
    pd.testing.assert_frame_equal(short, table.iloc[:2])
    assert short.attrs["until"] == "2024-02-29"


def test_the_unit_only_scales_and_a_fit_knows_it_and_its_cutoff(cdnow_orders, cdnow_buys, tracked):
    days = BGNBD(r=0.243, alpha=7 * 4.414, a=0.793, b=2.426)
    table = clv.purchase_tracking(cdnow_orders, days, cutoff=CUTOFF, time_unit="D")
    pd.testing.assert_frame_equal(table, tracked)
    fitted = clv.purchase_tracking(cdnow_orders, cdnow_buys)
    stated = clv.purchase_tracking(cdnow_orders, cdnow_buys.model, cutoff=CUTOFF, time_unit="W")
    pd.testing.assert_frame_equal(fitted, stated)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"time_unit": "W"}, "end of calibration is unknown"),
        ({"cutoff": CUTOFF}, "time unit of the model is unknown"),
        ({"cutoff": CUTOFF, "time_unit": "W", "until": "1997-08-01"}, "comes before the cutoff"),
        ({"cutoff": CUTOFF, "time_unit": "W", "period": "Q"}, "period='Q'"),
        ({"cutoff": "1996-12-31", "time_unit": "W"}, "Nobody has bought"),
        ({"cutoff": "soon", "time_unit": "W"}, "cutoff='soon' is not a day"),
    ],
)
def test_tracking_refuses(cdnow_orders, arguments, message):
    with pytest.raises(DataError, match=message):
        clv.purchase_tracking(cdnow_orders, CDNOW, **arguments)


def test_tracking_refuses_other_units_and_tables(cdnow_orders, cdnow_buys, cdnow_rfm):
    with pytest.raises(DataError, match="fitted in 'W'"):
        clv.purchase_tracking(cdnow_orders, cdnow_buys, time_unit="D")
    with pytest.raises(DataError, match=r"read_orders.*DataFrame"):
        clv.purchase_tracking(cdnow_rfm, cdnow_buys)


# Conditional expectations


def student(values):
    """SciPy's own 95% interval of a mean."""
    return stats.ttest_1samp(values, 0.0).confidence_interval(0.95)


@pytest.mark.parametrize("target", ["purchases", "spend"])
def test_groups_are_those_of_the_customers(past, mine, target):
    table = clv.conditional_expectation(past, target=target, models=["BG/NBD", "own rate"], last=3)
    assert table.index.tolist() == ["0", "1", "2", "3+"]
    rate = past.customers.loc[(pd.Timestamp(CUTOFF), "own rate")]
    for (_, row), group in zip(
        table.iterrows(), mine.groupby(mine["frequency"].clip(upper=3)), strict=True
    ):
        there = group[1]
        low, high = student(there[target])
        assert row["customers"] == len(there)
        assert row["actual"] == pytest.approx(there[target].mean())
        assert row["actual_lower"] == pytest.approx(max(low, 0.0))
        assert row["actual_upper"] == pytest.approx(high)
        assert row["BG/NBD"] == pytest.approx(there[f"predicted_{target}"].mean())
        assert row["own rate"] == pytest.approx(rate.loc[there.index, f"predicted_{target}"].mean())
    assert table.attrs == {
        "target": target,
        "cutoff": CUTOFF,
        "horizon_days": 273,
        "time_unit": "W",
    }


def test_recencies_are_in_bins_of_a_round_width_that_hold_their_upper_end(past, mine):
    table = clv.conditional_expectation(past, "recency")
    assert table.index.tolist()[:3] == ["0", "0 to 5", "5 to 10"]
    assert table.loc["0", "customers"] == (mine["frequency"] == 0).sum()
    for name in table.index[1:]:
        low, high = map(float, name.split(" to "))
        there = mine[(mine["recency"] > low + 1e-9) & (mine["recency"] <= high + 1e-9)]
        assert table.loc[name, "customers"] == len(there)
        assert table.loc[name, "actual"] == pytest.approx(there["purchases"].mean())
    assert table["customers"].sum() == len(mine)


@pytest.mark.parametrize(
    ("longest", "width", "bins"), [(38.86, 5, 8), (272.0, 50, 6), (1.2, 0.2, 6), (10, 1, 10)]
)
def test_bins_are_at_most_ten(past, mine, longest, width, bins):
    recency = mine["recency"] / mine["recency"].max() * longest
    table = clv.conditional_expectation(made_up(past, mine.assign(recency=recency)), "recency")
    assert table.index[1] == f"0 to {width:g}"
    assert len(table) == bins + 1


def test_nobody_came_back(past, mine):
    nobody = mine.assign(recency=0.0, frequency=0, purchases=0)
    table = clv.conditional_expectation(made_up(past, nobody), "recency")
    assert table.index.tolist() == ["0"]
    by = clv.conditional_expectation(made_up(past, nobody), last=2)
    assert by["customers"].tolist() == [len(mine), 0, 0]
    assert by["actual"].iloc[0] == 0
    assert by[["actual_lower", "actual_upper"]].isna().all(axis=None), "no spread was seen"
    assert by.iloc[1:, 1:].isna().all(axis=None)


def test_the_last_cutoff_unless_another_is_named(past):
    last, first = (clv.conditional_expectation(past, cutoff=day) for day in (None, "1997-07-15"))
    assert (last.attrs["cutoff"], first.attrs["cutoff"]) == (CUTOFF, "1997-07-15")
    earlier = past.customers.loc[(pd.Timestamp("1997-07-15"), "BG/NBD")]
    assert first.loc["0", "customers"] == (earlier["frequency"] == 0).sum()


# Deciles and gains


@pytest.mark.parametrize("target", ["purchases", "spend"])
def test_deciles_are_those_of_the_metric_and_limits_are_students(past, mine, target):
    some = mine.iloc[:200].assign(predicted=0)
    some[f"predicted_{target}"] += np.linspace(0, 1e-6, 200)  # no ties
    table = clv.decile_calibration(made_up(past, some), target=target)
    happened, expected = metrics.deciles(some[target], some[f"predicted_{target}"])
    np.testing.assert_allclose(table["actual"], happened[::-1])
    np.testing.assert_allclose(table["predicted"], expected[::-1])
    tenths = some.sort_values(f"predicted_{target}", ascending=False)[target].to_numpy()
    for row, tenth in zip(table.to_dict("records"), tenths.reshape(10, 20), strict=True):
        if np.ptp(tenth):
            low, high = student(tenth)
            assert row["actual_lower"] == pytest.approx(max(low, 0.0))
            assert row["actual_upper"] == pytest.approx(high)
        else:
            assert np.isnan([row["actual_lower"], row["actual_upper"]]).all()
    assert table.index.tolist() == list(range(1, 11))


def test_deciles_of_equal_predictions_are_alike(past, mine):
    table = clv.decile_calibration(past, model="nothing")
    assert table.attrs["model"] == "nothing"
    assert (table["predicted"] == 0).all()
    assert table["actual"].to_numpy() == pytest.approx(mine["purchases"].mean())
    assert np.ptp(table["actual_upper"]) < 1e-9


@pytest.mark.parametrize("target", ["purchases", "spend"])
def test_gains_are_those_of_the_metrics(past, mine, target):
    table = clv.gains_curves(past, target=target)
    assert table.columns.tolist() == ["BG/NBD", "simple formula", "perfect"]
    for name in ("BG/NBD", "simple formula"):
        there = past.customers.loc[(pd.Timestamp(CUTOFF), name)]
        both = there[target], there[f"predicted_{target}"]
        assert table.loc[0.10, name] == pytest.approx(metrics.top_decile(*both))
        assert table.attrs["gini"][name] == pytest.approx(metrics.gini(*both))
    assert (table.diff().iloc[1:] >= -1e-12).all(axis=None)
    assert (table.to_numpy() <= table[["perfect"]].to_numpy() + 1e-12).all()
    np.testing.assert_allclose(table.loc[[0.0, 1.0]], [[0.0] * 3, [1.0] * 3])
    buyers = (mine[target] > 0).mean()
    assert (table["perfect"][table.index >= buyers] > 1 - 1e-9).all()
    assert (table["perfect"][table.index < buyers - 0.01] < 1).all()


def test_gains_of_equal_predictions_are_the_diagonal(past):
    table = clv.gains_curves(past, models="nothing")
    np.testing.assert_allclose(table["nothing"], table.index)


def test_nothing_came_of_which_there_are_no_shares(past, mine):
    with pytest.raises(DataError, match="No spend came"):
        clv.gains_curves(made_up(past, mine.assign(spend=0.0)))


# Laws


@pytest.fixture(scope="module")
def right(past, mine):
    """6,000 customers whose purchases really are of the law that was given: Poisson."""
    rng = np.random.default_rng(5)
    mean = rng.gamma(0.6, 1.5, 2_000)
    bought = rng.poisson(mean)
    below, upto = stats.poisson.cdf(bought - 1, mean), stats.poisson.cdf(bought, mean)
    frame = pd.DataFrame(
        {
            "purchases": bought,
            "purchases_below": below,
            "purchases_upto": upto,
            "purchases_pit": metrics.randomised_pit(below, upto, seed=6),
            "mean": mean,
        }
    )
    return made_up(past, frame)


def test_right_laws_fill_the_bins_evenly(right):
    table = clv.pit_counts(right, bins=20)
    assert table["customers"].sum() == 2_000
    assert (table["expected"] == 100).all()
    assert stats.chisquare(table["customers"]).pvalue > 1e-3
    pit = right.customers.loc[(slice(None), "BG/NBD"), "purchases_pit"]
    for low, row in table.iterrows():
        assert row["customers"] == ((pit >= low) & (pit < row["to"])).sum()


@pytest.mark.parametrize(("bins", "n"), [(10, 2_000), (4, 240)])
def test_the_band_holds_so_many_counts_and_none_more(past, right, bins, n):
    table = clv.pit_counts(right if n == 2_000 else past, bins=bins)
    low, high = table[["lower", "upper"]].iloc[0]
    law = stats.binom(table["customers"].sum(), 1 / bins)
    assert law.cdf(high) - law.cdf(low - 1) >= 0.95
    assert law.cdf(low - 1) < 0.025
    assert law.sf(high) < 0.025
    assert law.cdf(low) >= 0.025
    assert law.sf(high - 1) >= 0.025


def test_right_laws_cover_what_they_promise(right):
    """Randomised exactly that, to chance; as given, as SciPy's intervals do, ends included."""
    default = clv.interval_coverage(right)
    assert default.index.tolist() == pytest.approx(np.arange(0.05, 0.951, 0.05))
    table = clv.interval_coverage(right, levels=[0.1, 0.5, 0.8, 0.95])
    pd.testing.assert_frame_equal(table, default.iloc[[1, 9, 15, 18]])
    frame = right.customers.loc[(pd.Timestamp(CUTOFF), "BG/NBD")]
    for level, row in table.iterrows():
        chance = stats.binom(2_000, level)
        count = round(2_000 * row["randomised"])
        assert min(chance.cdf(count), chance.sf(count - 1)) > 1e-4
        low, high = stats.poisson.interval(level, frame["mean"])
        inside = (low <= frame["purchases"]) & (frame["purchases"] <= high)
        assert row["covered"] == pytest.approx(inside.mean())
        assert row["lower"] < level < row["upper"]
        low, high = np.rint(2_000 * row[["lower", "upper"]])
        assert chance.cdf(high) - chance.cdf(low - 1) >= 0.95
    assert (table["covered"] > table["randomised"]).all()


def test_wrong_laws_show(right):
    frame = right.customers.droplevel(["cutoff", "model"]).iloc[:2_000]
    far = frame.assign(purchases_pit=frame["purchases_pit"] ** 2)
    counts = clv.pit_counts(made_up(right, far))
    assert counts["customers"].iloc[0] > counts["upper"].iloc[0]
    assert counts["customers"].iloc[-1] < counts["lower"].iloc[-1]
    narrow = frame.assign(purchases_pit=0.5 + 0.2 * (frame["purchases_pit"] - 0.5))
    table = clv.interval_coverage(made_up(right, narrow), levels=[0.5])
    assert table.loc[0.5, "randomised"] == 1 > table.loc[0.5, "upper"]


def test_intervals_as_given_are_those_of_the_backtest(past, mine):
    for target in ("purchases", "spend"):
        table = clv.interval_coverage(past, target=target, levels=[past.level])
        ends = mine[f"{target}_lower"], mine[f"{target}_upper"]
        assert table["covered"].tolist() == [metrics.coverage(mine[target], *ends)]


# What is refused


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("conditional_expectation", {"by": "age"}, "by='age' must be"),
        ("conditional_expectation", {"models": []}, r"models=\[\] names none"),
        ("conditional_expectation", {"last": 0}, "last=0"),
        ("conditional_expectation", {"models": ["BGNBD"]}, "Did you mean 'BG/NBD'"),
        ("decile_calibration", {"target": "purchase"}, "Did you mean 'purchases'"),
        ("decile_calibration", {"cutoff": "1997-10-01"}, "1997-07-15, 1997-09-30"),
        ("gains_curves", {"models": ["formula"]}, "Did you mean 'simple formula'"),
        ("pit_counts", {"model": "own rate"}, "is a baseline"),
        ("pit_counts", {"bins": 1}, "bins=1"),
        ("interval_coverage", {"model": "nothing"}, "has no law"),
        ("interval_coverage", {"levels": []}, "asks for no interval"),
        ("interval_coverage", {"levels": [0.5, 1.0]}, "level=1.0"),
    ],
)
def test_refused(past, name, arguments, message):
    with pytest.raises(DataError, match=message):
        getattr(clv, name)(past, **arguments)
