"""Groups beside a reference: against explicit formulas, SciPy, and simulated experiments."""

import datetime as dt
import json

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from scipy import stats

import clvforecast as clv
from clvforecast import DataError
from clvforecast.decisions.experiments.adjusting import adjusted_difference
from clvforecast.decisions.experiments.randomising import randomised_statistics, verdicts
from clvforecast.decisions.experiments.strata import join_strata

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb

SINCE, UNTIL = "1997-07-01", "1997-12-31"


def seeded(seed=3, customers=300, strata=4):
    """Skewed outcomes that depend on strata and covariates, and a group that does, too."""
    rng = np.random.default_rng(seed)
    stratum = rng.integers(0, strata, customers)
    x = np.stack([rng.normal(size=customers), rng.lognormal(size=customers)], axis=1)
    in_group = rng.random(customers) < 0.15 + 0.15 * stratum
    y = rng.lognormal(size=(customers, 2)) + stratum[:, None] + x @ [[1.0, -0.5], [2.0, 0.0]]
    return y, in_group, stratum, x


def regressions(y, in_group, stratum, x):
    """Per group: design, coefficients, and the weight of every customer at the group's mean."""
    design = np.hstack([np.eye(stratum.max() + 1)[stratum], x])
    at = design[in_group].mean(axis=0)
    for who in (in_group, ~in_group):
        X = design[who]
        yield X, np.linalg.lstsq(X, y[who], rcond=None)[0], X @ np.linalg.solve(X.T @ X, at), at


def explicit_variance(y, in_group, stratum, x):
    """HC2 variance and its degrees of freedom, by whole matrices of customers."""
    variances, freedoms = [], []
    fitted = regressions(y, in_group, stratum, x)
    for who, (X, coefficients, weight, _) in zip((in_group, ~in_group), fitted, strict=True):
        hat = X @ np.linalg.solve(X.T @ X, X.T)
        leverage = np.diag(hat)
        residual = y[who] - X @ coefficients
        variances.append((weight[:, None] ** 2 * residual**2 / (1 - leverage)[:, None]).sum(axis=0))
        # Bell and McCaffrey: of a quadratic form in residuals that all have one variance.
        G = (np.eye(len(X)) - hat) * (weight / np.sqrt(1 - leverage))
        eigenvalues = np.linalg.eigvalsh(G.T @ G)
        freedoms.append(eigenvalues.sum() ** 2 / (eigenvalues**2).sum())
    total = sum(variances)
    spread = sum((v / total) ** 2 / f for v, f in zip(variances, freedoms, strict=True))
    return total, 1 / spread


class TestAdjusting:
    def test_against_the_explicit_sandwich(self):
        data = seeded()
        found = adjusted_difference(*data)
        group, reference = (at @ coefficients for _, coefficients, _, at in regressions(*data))
        variance, freedom = explicit_variance(*data)
        assert found.group == pytest.approx(group, rel=1e-10)
        assert found.group == pytest.approx(data[0][data[1]].mean(axis=0), rel=1e-12)
        assert found.reference == pytest.approx(reference, rel=1e-10)
        assert found.variance == pytest.approx(variance, rel=1e-10)
        assert found.degrees_of_freedom == pytest.approx(freedom, rel=1e-8)

    def test_with_nothing_to_adjust_for_it_is_welch(self):
        y, in_group, stratum, x = seeded()
        found = adjusted_difference(y, in_group, 0 * stratum, x[:, :0])
        welch = stats.ttest_ind(y[in_group], y[~in_group], equal_var=False)
        limits = welch.confidence_interval(0.90)
        said = verdicts(found, None, 0.90, 1)
        assert found.statistic == pytest.approx(welch.statistic, rel=1e-10)
        assert said.p_value == pytest.approx(welch.pvalue, rel=1e-8)
        assert said.lower == pytest.approx(limits.low, rel=1e-8)
        assert said.upper == pytest.approx(limits.high, rel=1e-8)

    def test_strata_alone_are_post_stratification(self):
        y, in_group, stratum, x = seeded()
        found = adjusted_difference(y, in_group, stratum, x[:, :0])
        frame = pd.DataFrame({"y": y[:, 0], "s": stratum, "g": in_group})
        cells = frame.groupby(["g", "s"])["y"].agg(["mean", "var", "size"])
        mix = cells.loc[True, "size"] / in_group.sum()
        gap = cells.loc[True, "mean"] - cells.loc[False, "mean"]
        variance = (cells["var"] / cells["size"]).groupby(level="s").sum()
        assert found.value[0] == pytest.approx((mix * gap).sum(), rel=1e-12)
        assert found.variance[0] == pytest.approx((mix**2 * variance).sum(), rel=1e-12)

    def test_scale_and_useless_covariates_change_nothing(self):
        y, in_group, stratum, x = seeded()
        found = adjusted_difference(y, in_group, stratum, x)
        idle = np.stack([1e6 * x[:, 0], 1e-6 * x[:, 1] + 5, x[:, 0], stratum, 0 * x[:, 0]], axis=1)
        again = adjusted_difference(y, in_group, stratum, idle)
        assert again.value == pytest.approx(found.value, rel=1e-8)
        assert again.variance == pytest.approx(found.variance, rel=1e-6)

    def test_one_customer_who_decides_a_slope(self):
        """His residual is zero whatever he did: he must not count as certain, nor divide by it."""
        y, in_group, stratum, _ = seeded()
        one = np.zeros((len(y), 1))
        one[np.flatnonzero(in_group)[0]] = one[np.flatnonzero(~in_group)[0]] = 1.0
        found = adjusted_difference(y, in_group, stratum, one)
        plain = adjusted_difference(y, in_group, stratum, one[:, :0])
        assert found.variance == pytest.approx(plain.variance, rel=0.1)
        assert (found.degrees_of_freedom > 1).all()

    def test_the_customer_who_makes_the_variance_is_seen(self):
        y, in_group, stratum, x = seeded()
        assert (adjusted_difference(y, in_group, stratum, x).top_share < 0.3).all()
        y[0] += 1_000
        assert (adjusted_difference(y, in_group, stratum, x).top_share > 0.9).all()

    def test_where_nothing_varies(self):
        _, in_group, stratum, x = seeded()
        y = np.stack([np.zeros(300), np.full(300, 0.3), 0.1 + in_group], axis=1)
        found = adjusted_difference(y, in_group, stratum, x)
        assert found.variance.tolist() == [0, 0, 0]
        assert found.value == pytest.approx([0, 0, 1])
        assert found.statistic.tolist() == [0, 0, np.inf]
        law = randomised_statistics(y, in_group, stratum, x, permutations=99, seed=0)
        said = verdicts(found, law, 0.90, 1)
        assert not law[:, :2].any()
        assert said.p_value == pytest.approx([1, 1, 0.02])
        assert said.lower == pytest.approx([0, 0, 1])


class TestRandomising:
    def test_against_scipy(self):
        """Welch's statistic, all of it permuted; agreement within the chance of both."""
        y, in_group, stratum, x = seeded(customers=40)
        plain = y[:, :1], in_group, 0 * stratum, x[:, :0]
        mine = verdicts(
            adjusted_difference(*plain),
            randomised_statistics(*plain, permutations=4_000, seed=1),
            0.90,
            1,
        ).p_value[0]

        def welch(a, b, axis):
            return stats.ttest_ind(a, b, axis=axis, equal_var=False).statistic

        theirs = stats.permutation_test(
            (y[in_group, 0], y[~in_group, 0]),
            welch,
            n_resamples=4_000,
            vectorized=True,
            rng=np.random.default_rng(2),
        ).pvalue
        # Twice the smaller tail: its standard error is about twice that of a tail.
        error = 2 * np.sqrt(2 * (theirs / 2) * (1 - theirs / 2) / 4_000)
        assert 0.02 < theirs < 0.98
        assert abs(mine - theirs) < 4 * error

    def test_the_side_that_is_drawn_does_not_matter(self):
        y, in_group, stratum, x = seeded()
        few = randomised_statistics(y, in_group, stratum, x, permutations=1_000, seed=1)
        # The same experiment at one mix of strata, seen from the other side.
        one = 0 * stratum
        a = randomised_statistics(y, in_group, one, x, permutations=1_000, seed=1)
        b = -randomised_statistics(y, ~in_group, one, x, permutations=1_000, seed=2)[::-1]
        assert few.shape == (1_000, 2)
        for column in range(2):
            assert stats.ks_2samp(a[:, column], b[:, column]).pvalue > 1e-4

    def test_limits_and_p_values_agree(self):
        y, in_group, stratum, x = seeded()
        law = randomised_statistics(y, in_group, stratum, x, permutations=199, seed=1)
        for shift in np.linspace(-2, 2, 41):
            found = adjusted_difference(y + shift * in_group[:, None], in_group, stratum, x)
            for statistics in (law, None):
                for comparisons in (1, 3):
                    said = verdicts(found, statistics, 0.80, comparisons)
                    told = (said.lower > 0) | (said.upper < 0)
                    assert (told == (said.p_value <= 0.20 + 1e-12)).all()

    def test_several_comparisons_need_more_each(self):
        found = adjusted_difference(*seeded())
        alone, of_three = (verdicts(found, None, 0.90, count) for count in (1, 3))
        assert of_three.p_value == pytest.approx(1 - (1 - alone.p_value) ** 3)
        assert (of_three.lower < alone.lower).all()
        assert of_three.lower == pytest.approx(verdicts(found, None, 0.9 ** (1 / 3), 1).lower)

    def test_power_at_the_detectable_difference(self):
        """A normal outcome shifted by what is called detectable is told in 80% of experiments."""
        rng = np.random.default_rng(8)
        in_group, repeats = np.arange(150) < 50, 400
        stratum, x = np.zeros(150, dtype=np.int64), np.empty((150, 0))
        y = rng.normal(size=(150, repeats))
        usual = verdicts(adjusted_difference(y, in_group, stratum, x), None, 0.90, 1).detectable
        moved = adjusted_difference(y + np.median(usual) * in_group[:, None], in_group, stratum, x)
        told = (verdicts(moved, None, 0.90, 1).lower > 0).sum()
        low, high = stats.binom.ppf([1e-4, 1 - 1e-4], repeats, 0.80)
        assert low <= told <= high


class TestSimulatedExperiments:
    """Groups that differ only in when they joined, and orders with heavy tails."""

    @staticmethod
    def shop(rng, customers, share):
        """Orders until 2025-02-28 of customers who joined in 2024; the group did so earlier."""
        day = rng.integers(0, 365, customers)
        in_group = rng.random(customers) < share * (1.9 - 1.8 * day / 365)
        count = rng.poisson(rng.gamma(0.6, 0.02, customers) * (425 - day))
        buyer = np.repeat(np.arange(customers), count)
        return buyer, rng.lognormal(3.0, 1.0, buyer.size), in_group, day

    def test_type_one_error(self):
        """Unadjusted the earlier group seems better nearly always; adjusted as often as allowed."""
        rng = np.random.default_rng(5)
        repeats, adjusted, plain = 100, np.zeros(2), 0
        for seed in range(repeats):
            buyer, amount, in_group, day = self.shop(rng, 600, 0.2)
            y = np.bincount(buyer, amount, minlength=600)[:, None]
            joined = pd.Series(pd.Timestamp("2024-01-01") + pd.to_timedelta(day, unit="D"))
            stratum = join_strata(joined, in_group, "Q")[1]
            data = y, in_group, stratum, day[:, None].astype(float)
            law = randomised_statistics(*data, permutations=99, seed=seed)
            said = verdicts(adjusted_difference(*data), law, 0.90, 1)
            adjusted += said.lower[0] > 0, said.upper[0] < 0
            naive = adjusted_difference(y, in_group, 0 * stratum, y[:, :0])
            plain += verdicts(naive, None, 0.90, 1).lower[0] > 0
        low, high = stats.binom.ppf([1e-4, 1 - 1e-4], repeats, 0.05)
        assert ((low <= adjusted) & (adjusted <= high)).all(), adjusted
        assert plain > stats.binom.ppf(1 - 1e-4, repeats, 0.20)

    def test_from_orders_to_verdict(self):
        buyer, amount, in_group, day = self.shop(np.random.default_rng(4), 2_500, 0.3)
        who = np.concatenate([np.arange(2_500), buyer])
        since = np.concatenate([np.zeros(2_500), np.random.default_rng(1).random(buyer.size)])
        days = day[who] + np.ceil(since * (424 - day[who]))
        log = pd.DataFrame(
            {
                "customer_id": who,
                "date": pd.Timestamp("2024-01-01") + pd.to_timedelta(days, unit="D"),
                "amount": np.concatenate([np.full(2_500, 20.0), amount]),
            }
        )
        found = clv.compare_groups(clv.read_orders(log), pd.Series(in_group), permutations=199)
        assert found.attrs["reference"] is False
        for measure in ("past_value", "orders"):
            row = found.table.loc[(measure, True)]
            assert row["unadjusted_lower"] > 0
            assert row["verdict"] == "cannot tell"

    def test_student_alone_would_miss_on_one_side(self):
        """Why customers are put into groups at random: 50 beside 500, one distribution."""
        rng = np.random.default_rng(6)
        repeats, in_group = 4_000, np.arange(550) < 50
        y = rng.lognormal(0.0, 1.2, (550, repeats))
        found = adjusted_difference(y, in_group, np.zeros(550, dtype=np.int64), np.empty((550, 0)))
        said = verdicts(found, None, 0.90, 1)
        below, above = (said.upper < 0).sum(), (said.lower > 0).sum()
        assert above < stats.binom.ppf(1e-4, repeats, 0.05)
        assert below > stats.binom.ppf(1 - 1e-4, repeats, 0.05)

    def test_the_past_makes_intervals_narrower(self):
        rng = np.random.default_rng(7)
        before = rng.gamma(1.0, 10.0, 1_000)
        y = (before + rng.gamma(1.0, 5.0, 1_000))[:, None]
        in_group, stratum = rng.random(1_000) < 0.5, np.zeros(1_000, dtype=np.int64)
        with_past = adjusted_difference(y, in_group, stratum, before[:, None])
        without = adjusted_difference(y, in_group, stratum, before[:, None][:, :0])
        # Deng et al.: the variance is 1 - correlation^2 of what it was, here 25 / 125.
        ratio = with_past.variance / without.variance
        assert ratio[0] == pytest.approx(1 - np.corrcoef(y[:, 0], before)[0, 1] ** 2, rel=0.05)


@pytest.fixture(scope="module")
def rfm(cdnow_orders):
    return cdnow_orders.summarize(time_unit="W", until=UNTIL)


@pytest.fixture(scope="module")
def value(rfm):
    buys = clv.BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
    spend = clv.GammaGamma(p=6.25, q=3.74, v=15.44)
    return clv.forecast(buys, spend, rfm, horizon="52W", margin=0.30)


@pytest.fixture(scope="module")
def groups(rfm):
    """Members joined earlier; a few got a letter."""
    rng = np.random.default_rng(5)
    early = rfm["T"].rank(pct=True).to_numpy()
    member = rng.random(len(rfm)) < 0.6 * early
    letter = rng.random(len(rfm)) < 0.1
    kind = np.select([member, letter], ["member", "letter"], "none")
    return pd.Series(kind, rfm.index, name="kind")


@pytest.fixture(scope="module")
def found(cdnow_orders, groups, value):
    return clv.compare_groups(cdnow_orders, groups, value=value, since=SINCE, reference="none")


class TestComparison:
    def test_from_the_log_by_hand(self, groups, value, found):
        """All over again with pandas and whole matrices, from the published file."""
        log = clv.datasets.load_cdnow(sample=True)
        log = log.assign(date=pd.to_datetime(log["date"]))[lambda t: t["date"] <= UNTIL]
        before, after = log[log["date"] < SINCE], log[log["date"] >= SINCE]
        known = before.groupby("customer_id").agg(
            first=("date", "min"),
            last=("date", "max"),
            spent=("amount", "sum"),
            orders=("amount", "size"),
        )
        start = pd.Timestamp(SINCE)
        x = np.stack(
            [
                (start - known["first"]).dt.days,
                (start - known["last"]).dt.days,
                0.30 * known["spent"],
                known["orders"],
            ],
            axis=1,
        ).astype(float)
        revenue = after.groupby("customer_id")["amount"].sum().reindex(known.index).fillna(0.0)
        y = np.stack([0.30 * revenue, value.loc[known.index, "clv"]], axis=1)
        stratum = pd.factorize(known["first"].dt.month, sort=True)[0]
        kind = groups.reindex(known.index)
        for group in ("member", "letter"):
            pair = kind.isin([group, "none"]).to_numpy()
            in_group = (kind == group).to_numpy()[pair]
            fitted = regressions(y[pair], in_group, stratum[pair], x[pair])
            ours, theirs = (at @ coefficients for _, coefficients, _, at in fitted)
            for place, measure in enumerate(["past_value", "clv"]):
                row = found.table.loc[(measure, group)]
                assert row["customers"] == in_group.sum()
                assert row["group_mean"] == pytest.approx(ours[place], rel=1e-8)
                assert row["reference_mean"] == pytest.approx(theirs[place], rel=1e-8)
                plain = y[pair][in_group, place].mean() - y[pair][~in_group, place].mean()
                assert row["unadjusted"] == pytest.approx(plain, rel=1e-8)
        assert found.table["join_period"].eq("M").all()

    def test_what_must_hold(self, found):
        table = found.table
        assert list(table.index.unique("measure")) == [
            "past_value",
            "orders",
            "clv",
            "expected_purchases",
        ]
        assert list(table.index.unique("group")) == ["letter", "member"]
        assert (
            (table["lower"] < table["difference"]) & (table["difference"] < table["upper"])
        ).all()
        told = (table["lower"] > 0) | (table["upper"] < 0)
        assert (told == (table["p_value"] <= 0.10)).all()
        assert ((table["verdict"] != "cannot tell") == told).all()
        both = table["customers"] + table["reference_customers"]
        needed = np.ceil(both * (table["detectable"] / table["difference"]) ** 2)
        assert table["customers_needed"].to_numpy() == pytest.approx(needed.to_numpy())
        assert found.attrs["margin"] == 0.30
        assert found.attrs["until"] == dt.date(1997, 12, 31)

    def test_balance(self, found, groups, rfm):
        joined = found.balance.loc["days_since_first_order"]
        ages = 7 * rfm["T"]
        for group in ("letter", "member"):
            ours, theirs = ages[groups == group], ages[groups == "none"]
            gap = (ours.mean() - theirs.mean()) / np.sqrt((ours.var() + theirs.var()) / 2)
            assert joined["standardized_difference"][group] == pytest.approx(gap, rel=0.01)
        assert joined["unlike"].to_dict() == {"letter": False, "member": True}
        assert "Unlike before: days since first order" in str(found)

    def test_an_effect_is_found_and_named(self, groups):
        """Orders of members after the start are made three times as large."""
        log = clv.datasets.load_cdnow(sample=True)
        member = log["customer_id"].map(groups).eq("member").to_numpy()
        late = (pd.to_datetime(log["date"]) >= SINCE).to_numpy()
        raised = log.assign(amount=log["amount"] * np.where(member & late, 3.0, 1.0))
        found = clv.compare_groups(
            clv.read_orders(raised), groups, since=SINCE, until=UNTIL, reference="none"
        )
        row = found.table.loc[("past_value", "member")]
        assert row["verdict"] == "higher"
        assert row["lower"] > 0.5 * row["reference_mean"]
        # The true effect: two thirds of what members spent.
        assert row["lower"] < 2 / 3 * row["group_mean"] < row["upper"]
        assert found.table.loc[("orders", "member"), "verdict"] == "cannot tell"
        ax = clv.plots.plot_groups(found)
        colours = {to_rgb(line.get_color()) for line in ax.get_lines()}
        assert to_rgb("#0072B2") in colours
        plt.close("all")

    def test_seeds_permutations_and_order_of_rows(self, cdnow_orders, groups):
        def table(labels, **options):
            return clv.compare_groups(cdnow_orders, labels, permutations=99, **options).table

        again = table(groups.sample(frac=1.0, random_state=1))
        pd.testing.assert_frame_equal(again, table(groups))
        assert not again["lower"].equals(table(groups, seed=1)["lower"])
        student = clv.compare_groups(cdnow_orders, groups, permutations=0).table
        middle = (student["lower"] + student["upper"]) / 2
        assert middle.to_numpy() == pytest.approx(student["difference"].to_numpy())

    def test_segment_column(self):
        log = clv.datasets.load_cdnow(sample=True)
        shop = np.where(log["customer_id"].astype(int) % 3 == 0, "city", "web")
        orders = clv.read_orders(log.assign(shop=shop), segments="shop")
        found = clv.compare_groups(orders, "shop", permutations=99)
        assert found.attrs["reference"] == "web"
        assert list(found.table.index.unique("group")) == ["city"]
        with pytest.raises(DataError, match="'shp' is not a segment column.*Did you mean 'shop'"):
            clv.compare_groups(orders, "shp")


@pytest.fixture(scope="module")
def small():
    """Fifty customers who join in January and thirty in June, all of whom order each month."""
    rows = []
    for k in range(80):
        joined = pd.Timestamp("2024-01-05") if k < 50 else pd.Timestamp("2024-06-05")
        for n in range(3):
            day = joined + pd.Timedelta(days=30 * n + k % 7)
            rows.append((f"C{k:02}", day, 10.0 + (7 * k + n) % 11))
    log = pd.DataFrame(rows, columns=["customer_id", "date", "amount"])
    return clv.read_orders(log, until="2024-09-30")


class TestWhoIsLeftOut:
    @staticmethod
    def labels(of, ids=None):
        ids = [f"C{k:02}" for k in range(80)] if ids is None else ids
        return pd.Series([of(int(one[1:])) for one in ids], ids)

    def test_nobody_to_compare_with(self, small):
        apart = clv.compare_groups(small, self.labels(lambda k: "late" if k >= 50 else "early"))
        assert apart.table["verdict"].eq("no counterpart").all()
        assert apart.table["left_out"].eq(30).all()
        assert apart.table["difference"].isna().all()
        assert apart.table["unadjusted"].notna().all()
        assert "30 customers of late are left out" in str(apart)
        assert "nan" not in str(apart).lower()
        json.dumps(apart.to_dict(), allow_nan=False)
        with pytest.raises(DataError, match="no difference to draw"):
            clv.plots.plot_groups(apart)

    def test_only_those_with_a_counterpart(self, small):
        some = self.labels(lambda k: "b" if k >= 50 or k % 5 == 0 else "a")
        found = clv.compare_groups(small, some, permutations=99, reference="a", join_period="M")
        row = found.table.loc[("past_value", "b")]
        assert (row["customers"], row["left_out"], row["reference_customers"]) == (10, 30, 40)

    def test_a_group_of_one(self, small):
        alone = self.labels(lambda k: "one" if k == 7 else "b" if k % 2 else "a")
        found = clv.compare_groups(small, alone, permutations=99, reference="a")
        assert found.table.loc[("past_value", "one"), "verdict"] == "no counterpart"
        assert np.isnan(found.table.loc[("past_value", "one"), "unadjusted"])
        # It is no comparison that others would have to share their level with.
        without = clv.compare_groups(small, alone[alone != "one"], permutations=99, reference="a")
        pd.testing.assert_series_equal(
            found.table.loc[("orders", "b")], without.table.loc[("orders", "b")]
        )
        assert "nan" not in str(found).lower()
        clv.plots.plot_groups(found)
        plt.close("all")

    def test_since_leaves_out_who_came_later(self, small):
        halves = self.labels(lambda k: "ab"[k % 2])
        found = clv.compare_groups(small, halves, since="2024-02-20", permutations=99)
        assert found.attrs["customers"] == 50
        assert "30 customers joined on or after 2024-02-20" in str(found)
        assert found.table.loc[("orders", "b"), "group_mean"] == pytest.approx(1.0)
        assert found.table.loc[("orders", "b"), "difference"] == 0.0
        assert found.table.loc[("orders", "b"), "verdict"] == "cannot tell"

    def test_labels_missing_and_of_strangers(self, small):
        ids = [f"C{k:02}" for k in range(10, 80)] + ["C99"]
        found = clv.compare_groups(small, self.labels(lambda k: k % 2, ids), permutations=99)
        assert "10 customers are in no group" in str(found)
        assert "1 with a group have no order" in str(found)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"since": "2024-01-01"}, "not after the first order, on 2024-01-05"),
            ({"since": "2025-01-01"}, "after the end of observation 2024-09-30"),
            ({"since": "soon"}, "is not a day"),
            ({"reference": "c"}, "'c' is not a group. There are: 'a', 'b'"),
            ({"level": 1.0}, "level=1.0 must be"),
            ({"level": "90"}, "level='90' must be"),
            ({"margin": 0.0}, "margin=0.0"),
            ({"join_period": "D"}, "join_period='D' must be one of 'W', 'M', 'Q', 'Y'"),
            ({"permutations": 9}, "19 or more are needed"),
            ({"permutations": -1}, "permutations=-1"),
            ({"seed": 0.5}, "seed=0.5"),
            ({"rfm": pd.DataFrame()}, "no model"),
            ({"purchases": clv.BGNBD(r=1, alpha=1, a=1, b=1)}, "needs rfm="),
        ],
    )
    def test_arguments(self, small, options, message):
        with pytest.raises(DataError, match=message):
            clv.compare_groups(small, self.labels(lambda k: "ab"[k % 2]), **options)

    def test_groups(self, small):
        for given, message in (
            (self.labels(lambda k: k // 80), "1 different labels"),
            (self.labels(lambda k: k), "80 different labels"),
            (self.labels(lambda k: k, ["X1", "X2"]), "no label for any of the 80"),
            (self.labels(lambda k: k, ["C01", "C01"]), "more than one label"),
            (["a", "b"], "must be a Series"),
        ):
            with pytest.raises(DataError, match=message):
                clv.compare_groups(small, given)
        with pytest.raises(DataError, match="not a list"):
            clv.compare_groups([], self.labels(lambda k: k % 2))

    def test_the_forecast_must_be_of_the_same(self, cdnow_orders, groups, value):
        with pytest.raises(DataError, match="the forecast is made at 1997-12-31"):
            clv.compare_groups(cdnow_orders, groups, value=value, until="1997-09-30")
        with pytest.raises(DataError, match=r"margin=1, and the forecast has margin=0.3"):
            clv.compare_groups(cdnow_orders, groups, value=value, margin=1.0)
        with pytest.raises(DataError, match="customers of `past` have no forecast"):
            clv.compare_groups(cdnow_orders, groups, value=value.iloc[1:])
        endless = value.assign(expected_purchases=np.inf)
        endless.attrs = value.attrs
        found = clv.compare_groups(cdnow_orders, groups, value=endless, permutations=99)
        assert "expected_purchases" not in found.table.index.unique("measure")


class TestLaws:
    def test_against_the_likelihood_ratio_test(self, cdnow_orders, cdnow_rfm, cdnow_buys):
        early = cdnow_rfm["T"] > 34
        fits = [clv.BGNBD.fit(cdnow_rfm[early]), clv.BGNBD.fit(cdnow_rfm[~early])]
        test = clv.likelihood_ratio_test(cdnow_buys, fits)
        found = clv.compare_groups(
            cdnow_orders,
            early,
            until="1997-09-30",
            purchases=cdnow_buys,
            rfm=cdnow_rfm,
            permutations=0,
        )
        assert found.laws.loc["BG/NBD"].tolist() == pytest.approx(list(test), rel=1e-6)
        assert "By BG/NBD, the groups may buy alike" in str(found)
        short = cdnow_rfm.iloc[1:]
        with pytest.raises(DataError, match="1 of 2,357 customers are not in the summary"):
            clv.compare_groups(
                cdnow_orders, early, until="1997-09-30", purchases=cdnow_buys, rfm=short
            )
        with pytest.raises(DataError, match="summary ends at 1997-09-30"):
            clv.compare_groups(cdnow_orders, early, purchases=cdnow_buys, rfm=cdnow_rfm)

    def test_what_cannot_be_fitted_is_said(self, cdnow_orders, cdnow_rfm, cdnow_buys):
        never = (cdnow_rfm["frequency"] == 0).map({True: "once", False: "more"})
        found = clv.compare_groups(
            cdnow_orders,
            never,
            until="1997-09-30",
            purchases=cdnow_buys,
            rfm=cdnow_rfm,
            permutations=0,
        )
        assert found.laws["p_value"].isna().all()
        assert "Whether one BG/NBD law is enough was not tested" in str(found)


class TestShown:
    def test_text_and_json(self, found):
        text = str(found)
        assert max(map(len, text.splitlines())) <= 100
        assert "nan" not in text.lower()
        for part in ("2 groups beside none", "put into the groups at random", "cannot tell", "80%"):
            assert part in text
        said = json.loads(json.dumps(found.to_dict(), allow_nan=False))
        assert said["comparisons"][0]["measure"] == "past_value"
        assert said["since"] == SINCE
        assert len(said["balance"]) == 8

    def test_names_are_escaped(self, cdnow_orders, groups):
        named = groups.replace({"letter": "<script>"})
        found = clv.compare_groups(cdnow_orders, named, permutations=0)
        assert "<script>" not in found._repr_html_()

    def test_picture(self, found):
        fig, ax = plt.subplots()
        assert clv.plots.plot_groups(found, ax) is ax
        names = [tick.get_text() for tick in ax.get_yticklabels()]
        assert names == ["letter", "member"] * 4
        crosses = next(line for line in ax.get_lines() if line.get_label() == "unadjusted")
        shares = found.table["unadjusted"] / found.table["reference_mean"]
        assert crosses.get_xdata() == pytest.approx(shares.to_numpy())
        fig.canvas.draw()
        plt.close("all")
