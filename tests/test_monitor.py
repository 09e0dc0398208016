"""Watching: only what was known counts, and how often alerts are false is known beforehand."""

import datetime as dt
import json
import warnings

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from scipy import stats

import clvforecast as clv
from clvforecast import BGNBD, DataError, FitError, GammaGamma
from clvforecast.decisions.monitoring.alerts import (
    Limits,
    change_alerts,
    cohort_alerts,
    with_charts,
)
from clvforecast.decisions.monitoring.changes import change, changes_since
from clvforecast.decisions.monitoring.charts import (
    chart,
    chart_limit,
    mean_run_length,
    normal_score,
    run_lengths,
)
from clvforecast.decisions.monitoring.cohorts import new_against_earlier
from clvforecast.decisions.monitoring.dates import closes_quarter, watched_days
from clvforecast.decisions.monitoring.hindsight import with_last_year
from clvforecast.decisions.monitoring.parameters import parameter_rows

mpl.use("Agg")
from matplotlib import pyplot as plt

BUYS = BGNBD(r=0.6, alpha=6.0, a=0.8, b=3.0)
SPEND = GammaGamma(p=6.0, q=4.0, v=15.0)
CDNOW = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426), GammaGamma(p=6.25, q=3.74, v=15.44)
QUICK = {"horizon": "13W", "simulations": 100}
DAY = dt.date(2024, 6, 30)


@pytest.fixture(scope="module")
def found(cdnow_orders):
    return clv.monitor(cdnow_orders, start="1997-09-30", end="1997-12-31", **QUICK)


class TestCharts:
    # J. M. Lucas and M. S. Saccucci, "Exponentially Weighted Moving Average Control Schemes:
    # Properties and Enhancements", Technometrics 32 (1990), table 3: limits (of the steady state)
    # of weights, for 500 checks from one false alert to the next. Limits that widen from the first
    # check on, as here, have a few more at the beginning.
    @pytest.mark.parametrize(("weight", "limit"), [(1.0, 3.09), (0.4, 3.054), (0.2, 2.962)])
    def test_published_run_lengths(self, weight, limit):
        assert mean_run_length(limit, weight) == pytest.approx(500, rel=0.015)

    def test_run_lengths_are_those_of_simulated_charts(self):
        limit, runs, checks = 2.2, 2_000, 12
        scores = np.random.default_rng(5).standard_normal((runs, checks))
        ones = np.ones(checks)
        quiet = sum(not chart(row, 0.5 * ones, ones, limit=limit).is_alert.any() for row in scores)
        expected = float(run_lengths(limit, checks)[-1])
        low, high = stats.binom.ppf([0.0005, 0.9995], runs, expected)
        assert low <= quiet <= high

    def test_a_limit_gives_its_probability(self):
        assert run_lengths(chart_limit(0.01, 12), 12)[-1] == pytest.approx(0.99, abs=1e-9)

    def test_scores_of_a_right_law_are_standard_normal(self):
        rng = np.random.default_rng(3)
        scores = np.array(
            [normal_score(rng.gamma(40.0), rng.gamma(40.0, size=400)) for _ in range(1_500)]
        )
        for tail in (0.01, 0.05, 0.5):
            beyond = int(np.sum(np.abs(scores) > stats.norm.isf(tail / 2)))
            low, high = stats.binom.ppf([0.0005, 0.9995], scores.size, tail)
            assert low <= beyond <= high, tail

    def test_scores_go_on_where_no_future_is(self):
        futures = np.random.default_rng(3).normal(100.0, 10.0, 500)
        scores = [normal_score(at, futures) for at in (20, 40, 60, 80, 100, 120, 140, 180)]
        assert np.all(np.diff(scores) > 1.5)
        assert scores == pytest.approx([-8, -6, -4, -2, 0, 2, 4, 8], abs=0.7)

    def test_nothing_expected_and_nothing_came(self):
        assert normal_score(0.0, np.zeros(200)) == pytest.approx(0.0)
        assert normal_score(1.0, np.zeros(200)) > 2.5

    def test_a_chart_restarts_after_an_alert(self):
        ones = np.ones(4)
        scores = np.array([-5.0, 0.3, -5.0, 0.0])
        seen = chart(scores, 0.5 * ones, ones, limit=3.0)
        assert seen.is_alert.tolist() == [True, False, True, False]
        assert seen.deviations[1] == pytest.approx(0.3)

    def test_errors_below_the_tolerance_raise_nothing(self):
        ones = np.ones(6)
        scores = np.full(6, -6.0)
        assert not chart(scores, 0.97 * ones, ones, limit=3.0, tolerance=0.05).is_alert.any()
        assert chart(scores, 0.90 * ones, ones, limit=3.0, tolerance=0.05).is_alert[0]

    def test_all_charts_together_keep_to_the_rate(self):
        limits = Limits.of(0.06, "M")
        of_charts = 2 * (1 - run_lengths(limits.deviations, 12)[-1])
        of_fits = 4 * 4 * limits.p_value
        assert of_charts + of_fits == pytest.approx(0.06)


class TestComparisonsOfFits:
    @staticmethod
    def summaries(seed, *, customers=1_200, first=65.0, second=78.0):
        """One shop as of two days: the later summary holds the earlier one's orders."""
        rng = np.random.default_rng(seed)
        join = rng.uniform(0, first, customers)
        who, time = BUYS.draw_future(second - join, 0.0, 0.0, 0.0, rng)
        found = []
        for until in (first, second):
            kept = join[who] + time <= until
            last = np.zeros(customers)
            np.maximum.at(last, who[kept], time[kept])
            count = np.bincount(who[kept], minlength=customers)
            table = pd.DataFrame({"frequency": count, "recency": last, "T": until - join})
            table.attrs["time_unit"] = "W"
            found.append(table)
        return found

    def test_changes_by_chance_are_as_large_as_said(self):
        # The variance of successive fits that share their data (Hausman 1978): simulated shops.
        shops = 12
        deviations = [
            change(BGNBD.fit(later), BGNBD.fit(earlier), 26.0)
            for earlier, later in map(self.summaries, range(shops))
        ]
        low, high = stats.chi2.ppf([0.0005, 0.9995], shops)
        assert low <= np.sum(np.square(deviations)) <= high

    def test_a_change_is_seen_and_said(self):
        earlier, later = self.summaries(1)
        fits = BGNBD.fit(earlier), BGNBD.fit(later)
        slower = clv.Fit(
            BGNBD(**{**fits[1].parameters, "r": 0.7 * fits[1].parameters["r"]}),
            fits[1].information,
            0.0,
            fits[1].customers,
            fits[1].repeat_customers,
            "W",
        )
        same = slower, slower
        table = changes_since(DAY, dt.date(2024, 3, 31), same, (fits[0], slower), "W")
        assert table.loc[(pd.Timestamp(DAY), "buying"), "deviations"] < -5
        assert np.isnan(table.loc[(pd.Timestamp(DAY), "spending"), "deviations"])
        (alert,) = change_alerts(table, Limits.of(0.05, "M"), 0.05)
        assert alert["about"] == "buying"
        assert alert["size"] < -0.2
        assert "2024-03-31" in alert["message"]

    @pytest.mark.parametrize(("pace", "is_alert"), [(1.0, False), (0.6, True)])
    def test_new_customers_beside_earlier_ones(self, shop, pace, is_alert):
        ages = np.linspace(0.5, 80, 4_000)
        new = np.rint(ages * 7) < 182
        slow = BGNBD(BUYS.r, BUYS.alpha / pace, BUYS.a, BUYS.b)
        parts = [shop(slow, ages[new], 11), shop(BUYS, ages[~new], 12)]
        rfm = pd.concat(parts, ignore_index=True)
        rfm["monetary_value"] = SPEND.simulate(rfm["frequency"], seed=2)
        table = new_against_earlier(DAY, (BUYS, SPEND), rfm, "W", are_of_all=False)
        alerts = cohort_alerts(table, Limits.of(0.05, "M"), 0.05)
        assert [alert["about"] for alert in alerts] == ["buying of new customers"] * is_alert
        if is_alert:
            true = [float(one.purchases_if_alive(26.0, 0.0, 0.0, 0.0)) for one in (slow, BUYS)]
            assert alerts[0]["size"] == pytest.approx(true[0] / true[1] - 1, abs=0.1)
        assert list(table["customers"]) == [new.sum()] * 2

    def test_too_few_customers_are_not_compared(self, cdnow_rfm):
        table = new_against_earlier(DAY, CDNOW, cdnow_rfm.head(150), "W", are_of_all=False)
        assert table["p_value"].isna().all()
        assert not cohort_alerts(table, Limits.of(0.05, "M"), 0.0)


class TestErrors:
    @staticmethod
    def errors(relative, *, start="2023-01-31", score=6.0):
        ends = pd.date_range(start, periods=len(relative) + 1, freq="ME")
        rows = [
            {
                "date": ends[k],
                "span": "period",
                "quantity": "orders",
                "until": ends[k + 1],
                "expected": 1000.0,
                "lower": 950.0,
                "upper": 1050.0,
                "actual": 1000.0 * (1 + off),
                "relative_error": off,
                "inside": abs(off) <= 0.05,
                "score": score * np.sign(off),
            }
            for k, off in enumerate(relative)
        ]
        return with_last_year(rows, "M")

    def test_an_alert_says_what_when_and_how_far(self):
        table = self.errors([0.0, 0.0, -0.3])
        charted, alerts = with_charts(table, Limits.of(0.05, "M"), 0.05, 0.9, "M")
        assert charted["alert"].tolist() == [False, False, True]
        (alert,) = alerts
        assert alert["date"] == pd.Timestamp("2023-04-30")
        assert "700 orders came by 2023-04-30" in alert["message"]
        assert "1,000 were expected (90% of futures: 950 to 1,050)" in alert["message"]
        assert alert["p_value"] < 0.001

    def test_the_same_month_of_the_year_before_is_named(self):
        season = [0.0, -0.3, *[0.0] * 11, -0.3]
        table = self.errors(season)
        assert table["last_year"].notna().sum() == 2
        _, alerts = with_charts(table, Limits.of(0.05, "M"), 0.05, 0.9, "M")
        assert "a season may be all there is to it" not in alerts[0]["message"]
        assert "year before was off by -30%: a season may be" in alerts[1]["message"]

    def test_leap_years_and_weeks_find_their_year_before(self):
        table = self.errors([0.1] * 14, start="2023-02-28")
        assert table["last_year"].dropna().index.get_level_values("date").strftime("%Y-%m-%d")[
            0
        ] == ("2024-02-29")


class TestMonitor:
    def test_what_comes_later_changes_nothing(self, found):
        log = clv.datasets.load_cdnow(sample=True)
        kept = log[log["date"] <= "1997-10-31"]
        some = kept["customer_id"].unique()[::7]
        later = pd.DataFrame({"customer_id": some, "date": "1997-11-05", "amount": 500.0})
        refunds = pd.DataFrame({"customer_id": some, "date": "1997-11-06", "amount": -12.0})
        joined = pd.DataFrame({"customer_id": ["x1", "x2"], "date": "1997-11-01", "amount": 9.0})
        other = [f.assign(date=pd.to_datetime(f["date"])) for f in (later, refunds, joined)]
        orders = clv.read_orders(pd.concat([kept, *other]), until="1998-03-31")
        again = clv.monitor(orders, start="1997-09-30", end="1997-10-31", **QUICK)
        known = pd.Timestamp("1997-10-31")
        for name in ("totals", "parameters", "segments", "cohorts"):
            before = getattr(found, name)
            days = before.index.get_level_values("date")
            pd.testing.assert_frame_equal(
                before[days <= known], getattr(again, name), rtol=1e-9, check_dtype=False
            )
        over = found.errors[found.errors["until"] <= known]
        pd.testing.assert_frame_equal(over, again.errors.loc[over.index], rtol=1e-9)
        assert again.errors.loc[again.errors["until"] > known, "actual"].isna().all()

    def test_totals_are_those_of_the_log_and_the_forecast(self, found, cdnow_orders):
        day = "1997-12-31"
        rfm = cdnow_orders.summarize("W", day)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", clv.FitWarning)
            models = BGNBD.fit(rfm), GammaGamma.fit(rfm)
        value = clv.forecast(*models, rfm, horizon="13W")
        row = found.totals.loc[day]
        assert row["clv"] == pytest.approx(value["clv"].sum(), rel=1e-6)
        assert row["expected_purchases"] == pytest.approx(value["expected_purchases"].sum())
        assert row["mean_p_alive"] == pytest.approx(value["p_alive"].mean())
        assert row["clv_lower"] < row["clv"] < row["clv_upper"]
        log = clv.datasets.load_cdnow(sample=True)
        month = log[(log["date"] > "1997-11-30") & (log["date"] <= day)]
        days = month.groupby(["customer_id", "date"]).sum()
        assert row["active"] == month["customer_id"].nunique()
        assert row["orders"] == len(days)
        assert row["revenue"] == pytest.approx(month["amount"].sum())
        assert row["new_customers"] == 0

    def test_errors_are_those_of_a_holdout(self, found, cdnow_orders):
        holdout = cdnow_orders.split("1997-09-30", "91D").holdout
        rows = found.errors.loc[("1997-09-30", "horizon")]
        assert rows["until"].unique() == [pd.Timestamp("1997-12-30")]
        assert rows["actual"].tolist() == pytest.approx(
            [holdout["purchases"].sum(), holdout["spend"].sum()]
        )
        off = rows["actual"] / rows["expected"] - 1
        assert rows["relative_error"].tolist() == pytest.approx(off.tolist())

    def test_segments_keep_the_amounts_of_the_first_date(self, found, cdnow_orders):
        days = found.segments.index.unique("date")
        assert len(days) == 4
        counts = found.segments["customers"].groupby(level="date").sum()
        assert counts.tolist() == [2357] * 4
        assert found.rules.past_cut is not None
        value = clv.forecast(*CDNOW, cdnow_orders.summarize("W", "1997-09-30"), horizon="13W")
        first = clv.segments(value, cdnow_orders).rules
        assert found.rules.past_cut == pytest.approx(first.past_cut)

    def test_held_fits_are_held(self, cdnow_orders, cdnow_buys, cdnow_spend):
        seen = clv.monitor(
            cdnow_orders, cdnow_buys, cdnow_spend, start="1997-08-31", end="1997-08-31", by=None,
            **QUICK,
        )  # fmt: skip
        rate = seen.parameters["estimate"].xs("r", level="parameter")
        assert rate.tolist() == [cdnow_buys.parameters["r"]]
        assert seen.segments is None
        assert seen.changes is None
        assert any("seen orders up to 1997-09-30" in note for note in seen.notes)

    def test_quarters_and_segment_columns(self):
        log = clv.datasets.load_cdnow(sample=True)
        land = np.where(log["customer_id"].str[-1] < "5", "north", "south")
        orders = clv.read_orders(log.assign(land=land), segments=["land"])
        seen = clv.monitor(
            orders, *CDNOW, n=1, end="1998-03-31", period="Q", by="land", time_unit="W",
            simulations=100,
        )  # fmt: skip
        assert list(seen.segments.index.unique("segment")) == ["north", "south"]
        row = seen.errors.loc[("1998-03-31", "period", "orders")]
        assert row["until"] == pd.Timestamp("1998-06-30")
        ahead = clv.portfolio(
            *CDNOW, orders.summarize("W", "1998-03-31"), horizon="91D", simulations=1
        )
        assert row["expected"] == pytest.approx(ahead.total(None)["orders"].iloc[0])

    def test_a_fit_that_fails_names_the_day(self):
        log = pd.DataFrame({"customer_id": range(5), "date": "2024-01-05", "amount": 9.0})
        orders = clv.read_orders(log, until="2024-06-30")
        with pytest.raises(FitError, match="As of 2024-05-31.*start="):
            clv.monitor(orders, start="2024-05-31", **QUICK)

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"period": "D"}, "period='D'"),
            ({"horizon": "2W"}, "before the next period"),
            ({"horizon": "inf"}, "never ends"),
            ({"start": "1997-06-01", "n": 3}, "not both"),
            ({"start": "1990-01-01"}, "before the first order"),
            ({"end": "2001-01-01"}, "after the end of observation"),
            ({"n": 99}, "fewer than n=99"),
            ({"by": "countri"}, "neither a rule"),
            ({"level": 1.0}, "level=1.0"),
            ({"level": 0.999, "simulations": 200}, "simulations at least"),
            ({"false_alarms": 0.0}, "false_alarms=0.0"),
            ({"tolerance": -1.0}, "tolerance=-1.0"),
            ({"margin": 30}, "margin=30"),
            ({"annual_discount_rate": -0.1}, "annual_discount_rate=-0.1"),
            ({"seed": -1}, "seed=-1"),
            ({"rules": "high"}, "rules must be"),
            ({"purchases": GammaGamma}, "purchases must be"),
            ({"purchases": CDNOW[0]}, "must both be"),
            ({"purchases": CDNOW[0], "spend": CDNOW[1]}, "does not say the unit"),
        ],
        ids=str,
    )
    def test_bad_arguments_are_told_before_any_work(self, cdnow_orders, given, said):
        with pytest.raises(DataError, match=said):
            clv.monitor(cdnow_orders, **{**QUICK, **given})

    def test_it_needs_orders(self):
        with pytest.raises(DataError, match="DataFrame"):
            clv.monitor(pd.DataFrame())


class TestDates:
    def test_months_after_a_warm_up(self, cdnow_orders):
        days = watched_days(cdnow_orders, "M", start=None, end="1997-06-15", n=None)
        assert days == [dt.date(1997, 4, 30), dt.date(1997, 5, 31)]

    def test_weeks_end_on_sundays_and_quarters_close_four_times_a_year(self, cdnow_orders):
        days = watched_days(cdnow_orders, "W", start="1997-04-01", end="1998-03-31", n=None)
        assert {day.weekday() for day in days} == {6}
        assert sum(closes_quarter(day, "W") for day in days) == 4


class TestParameters:
    def test_limits_of_what_parameters_mean(self, cdnow_buys, cdnow_spend):
        table = parameter_rows(DAY, (cdnow_buys, cdnow_spend), 0.9).droplevel("date")
        wald = cdnow_buys.confidence_intervals(0.9)
        ours = table.loc[["r", "alpha", "a", "b"], ["lower", "upper"]]
        np.testing.assert_allclose(ours, wald, rtol=1e-6)
        # The delta method against draws of the parameters.
        draws = cdnow_buys.posterior(draws=1_000, seed=1).model
        rate = np.quantile(draws.r / draws.alpha, [0.05, 0.95])
        np.testing.assert_allclose(
            table.loc["purchase_rate", ["lower", "upper"]].astype(float), rate, rtol=0.03
        )
        left = np.quantile(draws.a / (draws.a + draws.b), [0.05, 0.95])
        np.testing.assert_allclose(
            table.loc["dropout_probability", ["lower", "upper"]].astype(float), left, rtol=0.05
        )

    def test_models_without_a_fit_or_a_mean_have_no_limits(self):
        models = CDNOW[0], GammaGamma(p=2.0, q=0.9, v=10.0)
        table = parameter_rows(DAY, models, 0.9).droplevel("date")
        assert table["lower"].isna().all()
        assert table.loc["order_value", "estimate"] == np.inf


class TestResult:
    def test_it_prints_the_last_months_and_the_alerts(self, found):
        said = str(found)
        assert "4 months watched, 1997-09-30 to 1997-12-31" in said
        assert "No alerts." in said
        assert "know no season" in said
        assert "5% of years have an alert at most" in said
        assert max(map(len, said.splitlines())) <= 100

    def test_alerts_are_printed_and_escaped(self, found):
        row = {
            "date": pd.Timestamp("1998-01-31"),
            "about": "orders",
            "size": -0.3,
            "p_value": 1e-6,
            "message": "<b>fewer</b> orders",
            "action": "Ask.",
        }
        alerted = clv.Monitoring(
            **{**vars(found), "alerts": pd.DataFrame([row] * 8), "notes": ("<i>",)}
        )
        said = str(alerted)
        assert "8 alerts, of which the last 6" in said
        assert said.count("1998-01-31, orders: ") == 6
        assert said.count("What to do about orders: Ask.") == 1
        page = alerted._repr_html_()
        assert "<b>" not in page
        assert "<i>" not in page

    def test_it_is_json(self, found):
        everything = json.loads(json.dumps(found.to_dict(), allow_nan=False))
        assert everything["totals"][0]["date"] == "1997-09-30"
        assert len(everything["errors"]) == 16
        assert everything["errors"][-1]["inside"] is None
        assert everything["rules"]["quantile"] == 0.8


class TestPlots:
    @pytest.fixture(autouse=True)
    def _closes(self):
        yield
        plt.close("all")

    def test_all_panels(self, found):
        axes = clv.plots.plot_monitoring(found, currency="$ and $")
        assert axes.shape == (4, 2)
        assert len(plt.get_fignums()) == 1
        axes[0, 0].figure.canvas.draw()
        assert len({ax.get_xlim() for ax in axes.ravel()}) == 1

    @pytest.mark.parametrize("what", ["orders", "revenue", "value", "customers", "alive", "alpha"])
    def test_draws_on_the_axes_given(self, found, what):
        figure, (ax, other) = plt.subplots(1, 2)
        assert clv.plots.plot_monitored(found, ax, what=what) is ax
        assert ax.has_data()
        assert not other.has_data()
        assert plt.get_fignums() == [figure.number]

    def test_what_came_and_what_was_forecast_are_drawn(self, found):
        ax = clv.plots.plot_monitored(found, what="orders")
        rows = found.errors.xs("period", level="span").xs("orders", level="quantity")
        bars = [(bar.get_y(), bar.get_height()) for bar in ax.patches]
        np.testing.assert_allclose(bars, np.c_[rows["lower"], rows["upper"] - rows["lower"]])
        drawn = np.concatenate([line.get_ydata() for line in ax.lines])
        assert sorted(drawn) == sorted(rows["actual"].dropna())

    def test_alerts_are_marked_where_they_belong(self, found):
        alerts = pd.DataFrame(
            {"date": pd.to_datetime(["1997-12-31"]), "about": ["buying of new customers"]}
        )
        alerted = clv.Monitoring(**{**vars(found), "alerts": alerts})
        marked = {
            what: "alert"
            in [
                text.get_text()
                for text in clv.plots.plot_monitored(alerted, what=what).get_legend().get_texts()
            ]
            for what in ("purchase_rate", "order_value", "orders")
        }
        assert marked == {"purchase_rate": True, "order_value": False, "orders": False}

    def test_what_was_not_watched(self, found):
        with pytest.raises(DataError, match="was not watched"):
            clv.plots.plot_monitored(found, what="order_valu")


def test_a_log_that_is_too_short_says_so():
    log = pd.DataFrame({"customer_id": "A", "date": ["2024-01-01", "2024-02-01"], "amount": 5.0})
    with pytest.raises(DataError, match="of 32 days, .* watched from 91 days on. Pass start="):
        clv.monitor(clv.read_orders(log))
