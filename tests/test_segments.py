"""Segments: rules, totals and their intervals, small segments, and who moves between them."""

import dataclasses
import datetime as dt
import json

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from scipy import stats

import clvforecast as clv
from clvforecast import BGNBD, DataError, FitError, GammaGamma, ValueRules
from clvforecast.decisions.segmentation.rules import (
    RFM_SEGMENTS,
    VALUE_SEGMENTS,
)
from clvforecast.decisions.segmentation.transitions import ABSENT_AFTER, ABSENT_BEFORE

BUYS = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
SPEND = GammaGamma(p=6.25, q=3.74, v=15.44)
CUTOFF = "1997-09-30"
MODELS = {"purchases": BUYS, "spend": SPEND}

RULES = ValueRules(past_cut=100.0, clv_cut=50.0, fading=0.5, lost=0.2, new_within="13W")
CASES = {
    # name: first order days ago, P(alive), past value, clv, and the segment that follows
    "newest": (90, 0.9, 500.0, 90.0, "new"),
    "just not new": (91, 0.9, 500.0, 90.0, "champions"),
    "gone": (300, 0.19, 500.0, 90.0, "lost"),
    "just not gone": (300, 0.2, 500.0, 90.0, "at risk"),
    "little and fading": (300, 0.49, 100.0, 90.0, "fading"),
    "just not fading": (300, 0.5, 100.1, 50.1, "champions"),
    "at the cut of clv": (300, 0.9, 100.1, 50.0, "slowing"),
    "at the cut of the past": (300, 0.9, 100.0, 50.1, "rising"),
    "at both cuts": (300, 0.9, 100.0, 50.0, "occasional"),
    "refunded": (300, 0.9, -20.0, 0.0, "occasional"),
}


def make_value(rows=CASES, **attrs):
    value = pd.DataFrame(
        {
            "p_alive": [row[1] for row in rows.values()],
            "expected_purchases": 1.0,
            "expected_spend": [row[3] for row in rows.values()],
            "clv": [row[3] for row in rows.values()],
        },
        index=pd.Index(list(rows), name="customer_id"),
    )
    value.attrs = {"time_unit": "W", "horizon": 26.0, "margin": 1.0, "until": "2024-12-29"} | attrs
    return value


def make_past(rows=CASES, until="2024-12-29"):
    first = [pd.Timestamp(until) - pd.Timedelta(days=row[0]) for row in rows.values()]
    past = pd.DataFrame(
        {
            "orders": range(1, len(rows) + 1),
            "purchase_days": 1,
            "revenue": [row[2] for row in rows.values()],
            "first_order": first,
            "last_order": first,
        },
        index=pd.Index(list(rows), name="customer_id"),
    )
    past.attrs = {"first": "2024-01-01", "until": until}
    return past


@pytest.fixture(scope="module")
def value(cdnow_rfm):
    return clv.forecast(BUYS, SPEND, cdnow_rfm, horizon="39W", margin=0.3)


@pytest.fixture(scope="module")
def past(cdnow_orders):
    return cdnow_orders.activity(until=CUTOFF)


@pytest.fixture(scope="module")
def found(value, cdnow_orders, cdnow_rfm):
    return clv.segments(value, cdnow_orders, rfm=cdnow_rfm, simulations=99, **MODELS)


@pytest.fixture(scope="module")
def later(cdnow_orders, found):
    rfm = cdnow_orders.summarize("W", until="1998-03-31")
    value = clv.forecast(BUYS, SPEND, rfm, horizon="39W", margin=0.3)
    return clv.segments(value, cdnow_orders, rules=found.rules)


def assert_no_loss(found, value):
    table, whole = found.table, found.whole.iloc[0]
    assert table["customers"].sum() == whole["customers"] == len(value)
    for column in ("clv", "expected_purchases"):
        assert table[column].sum() == pytest.approx(value[column].sum())
    for column in ("customer_share", "clv_share", "past_share"):
        assert table[column].sum() == pytest.approx(1.0)


class TestValueRules:
    def test_every_rule_and_every_limit(self):
        found = clv.segments(make_value(), make_past(), rules=RULES)
        assert found.customers["segment"].to_dict() == {n: row[-1] for n, row in CASES.items()}
        assert found.table.index.tolist() == list(VALUE_SEGMENTS)
        assert found.table["customers"].sum() == len(CASES)
        assert found.rules == RULES

    def test_order_of_the_rows_does_not_matter(self, value, past, found):
        turned = clv.segments(value.iloc[::-1], past)
        pd.testing.assert_series_equal(
            turned.customers["segment"].sort_index(), found.customers["segment"].sort_index()
        )

    def test_cuts_are_quantiles_of_everyone(self, value, cdnow_orders, found):
        past = clv.historical_clv(cdnow_orders, until=CUTOFF, margin=0.3)
        before = past.customers["past_value"]
        assert found.rules.past_cut == pytest.approx(before.quantile(0.8))
        assert found.rules.clv_cut == pytest.approx(value["clv"].quantile(0.8))
        quadrant = clv.compare(value, past).customers["quadrant"]
        champions = found.customers["segment"] == "champions"
        assert (quadrant[champions] == "valuable and staying").all()

    @pytest.mark.parametrize(
        "wrong",
        [
            {"quantile": 1.0},
            {"fading": 0.1},
            {"lost": -0.1},
            {"new_within": "soon"},
            {"new_within": 13},
            {"past_cut": float("nan")},
        ],
    )
    def test_thresholds_out_of_range(self, wrong):
        with pytest.raises(DataError, match=next(iter(wrong))):
            ValueRules(**wrong)


class TestRFM:
    def test_table(self, value, past):
        found = clv.segments(value, past, by="rfm")
        assert found.table.index.tolist() == list(RFM_SEGMENTS)
        assert found.customers.columns[:4].tolist() == ["segment", "R", "F", "M"]
        once = found.customers["orders"] == 1
        assert (found.customers.loc[once, "F"] == 1).all()
        assert_no_loss(found, value)


class TestTotals:
    def test_they_add_up(self, found, value, cdnow_orders):
        assert_no_loss(found, value)
        revenue = cdnow_orders.activity(until=CUTOFF)["revenue"].sum()
        assert found.whole["past_value"].iloc[0] == pytest.approx(0.3 * revenue)
        mine = found.customers[found.customers["segment"] == "at risk"]
        row = found.table.loc["at risk"]
        assert row["mean_p_alive"] == pytest.approx(mine["p_alive"].mean())
        assert row["clv_per_customer"] == pytest.approx(mine["clv"].mean())

    def test_concentration_is_the_share_of_the_best_tenth(self):
        rows = {k: (300, 0.9, 1.0, 11.0 if k == 3 else 1.0, "") for k in range(10)}
        found = clv.segments(make_value(rows), by=pd.Series("one", range(10), name="shop"))
        assert found.table["top_tenth_share"].tolist() == [pytest.approx(11 / 20)]

    def test_nothing_to_share_is_no_nan(self):
        rows = dict.fromkeys("abc", (300, 0.9, 0.0, 0.0, ""))
        found = clv.segments(make_value(rows), make_past(rows))
        assert found.table["clv_share"].tolist() == [0.0] * 8
        assert found.table["past_share"].tolist() == [0.0] * 8
        assert found.table.loc["occasional", "customers"] == 3
        assert "nan" not in str(found).lower()

    def test_negative_past_values_keep_their_sign(self):
        found = clv.segments(make_value(), make_past(), rules=RULES)
        assert found.table.loc["occasional", "past_value"] == pytest.approx(80.0)

    def test_nothing_after_the_forecast_is_used(self, cdnow_orders):
        early = "1997-06-30"
        rows = cdnow_orders.to_pandas().head(500)
        everything, known = (
            clv.read_orders(log, until=until)
            for log, until in ((rows, None), (rows.query("date <= @early"), early))
        )
        value = clv.forecast(BUYS, SPEND, known.summarize("W"), horizon="39W")
        pd.testing.assert_frame_equal(
            clv.segments(value, everything).table, clv.segments(value, known).table
        )

    def test_all_forms_of_the_past_are_one(self, value, cdnow_orders, found):
        limits = ["clv_lower", "clv_upper", "purchases_lower", "purchases_upper"]
        for past in (
            cdnow_orders.activity(until=CUTOFF),
            clv.historical_clv(cdnow_orders, until=CUTOFF, margin=0.3),
        ):
            table = clv.segments(value, past).table
            pd.testing.assert_frame_equal(table, found.table.drop(columns=limits))

    def test_inputs_stay_as_they_were(self):
        value, past = make_value(), make_past()
        before = value.copy(), past.copy(), dict(value.attrs)
        clv.segments(value, past)
        pd.testing.assert_frame_equal(value, before[0])
        pd.testing.assert_frame_equal(past, before[1])
        assert value.attrs == before[2]


class TestIntervals:
    def test_they_are_those_of_the_portfolio(self, found, cdnow_rfm):
        """Undiscounted: the same futures, the same ranks."""
        frame = cdnow_rfm.assign(segment=found.customers["segment"].astype(str))
        frame.attrs = {"time_unit": "W"}
        ahead = clv.portfolio(BUYS, SPEND, frame, horizon=39, by="segment", simulations=99)
        total = ahead.total(0.9)
        present = found.table[found.table["customers"] > 0]
        limits = present[["clv_lower", "clv_upper"]].sort_index()
        assert limits.to_numpy() == pytest.approx(
            0.3 * total[["revenue_lower", "revenue_upper"]].to_numpy()
        )
        whole = clv.portfolio(BUYS, SPEND, frame, horizon=39, simulations=99).total(0.9).iloc[0]
        row = found.whole.iloc[0]
        assert row["clv_upper"] == pytest.approx(0.3 * whole["revenue_upper"])
        assert row[["purchases_lower", "purchases_upper"]].tolist() == [
            whole["orders_lower"],
            whole["orders_upper"],
        ]

    def test_discounting_week_by_week_gives_the_same(self, cdnow_rfm):
        rfm = cdnow_rfm.head(300)
        value = clv.forecast(BUYS, SPEND, rfm, horizon="39W", annual_discount_rate=1.0)
        by = pd.Series("all", rfm.index, name="who")
        row = clv.segments(value, by=by, rfm=rfm, simulations=99, **MODELS).table.iloc[0]
        frame = rfm.copy()
        frame.attrs = {"time_unit": "W"}
        weekly = clv.portfolio(BUYS, SPEND, frame, horizon=39, simulations=99)
        ages = (np.arange(39) + 0.5) * 7 / 365.25
        worth = np.sort(weekly.simulations("revenue").to_numpy() @ 2.0**-ages)
        assert row["clv"] == pytest.approx(value["clv"].sum())
        assert row[["clv_lower", "clv_upper"]].tolist() == pytest.approx(worth[[4, 94]], rel=2e-3)

    def test_they_hold_what_comes(self):
        """60 shops of 100 customers with known parameters: 80% intervals, one future each."""
        shops, size, horizon = 60, 100, 26.0
        rng = np.random.default_rng(5)
        T = rng.integers(70, 360, shops * size) / 7
        who, when = BUYS.simulate(T + horizon, seed=6)
        value_of = rng.gamma(SPEND.p, size=who.size)
        value_of *= (SPEND.v / rng.gamma(SPEND.q, size=T.size))[who]
        known = when <= T[who]

        def per_customer(chosen, weights=None):
            return np.bincount(who[chosen], weights, minlength=T.size)

        x, recency = per_customer(known), np.zeros(T.size)
        np.maximum.at(recency, who[known], when[known])
        spent = per_customer(known, value_of[known])
        rfm = pd.DataFrame(
            {"frequency": x, "recency": recency, "T": T, "monetary_value": spent / np.maximum(x, 1)}
        )
        rfm.attrs = {"time_unit": "W"}
        value = clv.forecast(BUYS, SPEND, rfm, horizon=horizon)
        value["shop"] = np.arange(T.size) // size
        found = clv.segments(value, by="shop", rfm=rfm, level=0.8, simulations=199, **MODELS)
        came = {
            "clv": per_customer(~known, value_of[~known]).reshape(shops, size).sum(axis=1),
            "purchases": per_customer(~known).reshape(shops, size).sum(axis=1),
        }
        for name, total in came.items():
            lower, upper = (found.table[f"{name}_{side}"] for side in ("lower", "upper"))
            inside = int(((lower <= total) & (total <= upper)).sum())
            assert stats.binomtest(inside, shops, 0.8).pvalue > 1e-3, name

    def test_an_empty_segment_has_nothing_to_come(self, found):
        assert found.table.loc["new", "customers"] == 0
        assert found.table.loc["new", ["clv_lower", "clv_upper"]].tolist() == [0.0, 0.0]

    @pytest.mark.parametrize(
        ("change", "error", "message"),
        [
            ({"spend": None}, DataError, "all three of purchases="),
            ({"purchases": BGNBD(0.5, 4, 0.8, 2.4)}, DataError, "was made of others"),
            ({"level": 0.99}, DataError, "needs 199 simulations"),
            ({"level": 90}, DataError, "between 0 and 1"),
            ({"small": 0}, DataError, "small=0"),
        ],
    )
    def test_what_does_not_fit(self, value, cdnow_rfm, past, change, error, message):
        given = MODELS | {"rfm": cdnow_rfm, "simulations": 19, "level": 0.8} | change
        with pytest.raises(error, match=message):
            clv.segments(value, past, **given)

    def test_other_customers_and_endless_horizons(self, value, cdnow_rfm):
        by = pd.Series("all", value.index, name="who")
        with pytest.raises(DataError, match="1 of 2,357 customers of the forecast are not in `rfm"):
            clv.segments(value, by=by, rfm=cdnow_rfm.iloc[1:], **MODELS)
        endless = clv.forecast(BUYS, SPEND, cdnow_rfm, horizon="inf", annual_discount_rate=0.1)
        with pytest.raises(FitError, match="infinite horizon"):
            clv.segments(endless, by=by, rfm=cdnow_rfm, **MODELS)
        assert "a whole lifetime" in str(clv.segments(endless, by=by))


class TestMeans:
    def test_few_customers_are_pulled_and_flagged(self):
        rng = np.random.default_rng(7)
        rows = {k: (300, 0.9, 1.0, v, "") for k, v in enumerate(rng.gamma(1.0, 50.0, 402))}
        value = make_value(rows).assign(
            land=["de"] * 200 + ["at"] * 200 + ["li"] * 2, clv=lambda t: t["clv"].to_numpy()
        )
        value.iloc[-2:, value.columns.get_loc("clv")] = 400.0
        found = clv.segments(value, by="land")
        assert found.table["small"].to_dict() == {"at": False, "de": False, "li": True}
        li = found.means.loc["li"]
        assert li["own_mean"] == 400
        assert found.means.loc["de", "mean"] < li["mean"] < 400
        assert li["credibility"] < found.means["credibility"]["de"]
        assert li["mean_lower"] < li["mean"] < li["mean_upper"]
        assert "li*" in str(found)

    def test_no_value_is_below_zero(self):
        rows = {k: (300, 0.9, 1.0, 0.0 if k else 90.0, "") for k in range(9)}
        found = clv.segments(make_value(rows).assign(land=["de"] * 6 + ["li"] * 3), by="land")
        assert (found.means["mean_lower"] == 0).all()

    def test_not_for_segments_made_of_the_values(self, found):
        assert found.means is None


class TestLabels:
    def test_cohorts(self, value, past):
        found = clv.segments(value, past, by="cohort_month")
        assert found.table.index.tolist() == ["1997-01", "1997-02", "1997-03"]
        assert found.table.index.name == "cohort_month"
        quarter = clv.segments(value, past, by="cohort_quarter")
        assert quarter.table["customers"].to_dict() == {"1997Q1": len(value)}
        assert_no_loss(found, value)

    def test_several_are_crossed(self, value, past, found):
        both = clv.segments(value, past, by=["cohort_month", "value"])
        assert both.table.index.names == ["cohort_month", "value"]
        assert_no_loss(both, value)
        assert both.table["customers"].min() > 0, "pairs that do not occur are left out"
        again = both.table.groupby(level="value")["clv"].sum()
        seen = found.table["customers"] > 0
        assert again.reindex(found.table.index[seen]).to_numpy() == pytest.approx(
            found.table.loc[seen, "clv"].to_numpy()
        )
        assert both.labels.iloc[0] in {f"1997-01 / {name}" for name in VALUE_SEGMENTS}

    def test_order_missing_and_unused(self):
        value = make_value()
        labels = pd.Series(["b", "a", None, *["b"] * 7], value.index, name="land")
        assert clv.segments(value, by=labels).table["customers"].to_dict() == {
            "a": 1,
            "b": 8,
            "(missing)": 1,
        }
        own = pd.Categorical(labels, categories=["z", "b", "a"])
        found = clv.segments(value.assign(land=own), by="land")
        assert found.table.index.tolist() == ["b", "a", "(missing)"]
        mixed = pd.Series([2, 10, "x", *[2] * 7], value.index, name="land", dtype=object)
        assert clv.segments(value, by=mixed).table.index.tolist() == [2, 10, "x"]
        numbers = pd.Series([10, 9, *[np.nan] * 8], value.index, name="land")
        assert clv.segments(value, by=numbers).table.index.tolist() == [9, 10, "(missing)"]

    def test_labels_of_others_are_not_missed(self):
        value = make_value()
        labels = pd.Series("x", [*value.index, "somebody else"], name="land")
        frame = labels.to_frame().assign(size="big")
        found = clv.segments(value, by=frame)
        assert found.table.index.tolist() == [("x", "big")]
        assert found.table["customers"].tolist() == [len(value)]

    @pytest.mark.parametrize(
        ("by", "message"),
        [
            ("valu", "Did you mean 'value'"),
            (["value", "value"], "names 'value' twice"),
            ([], "names nothing"),
            (3, "must be a text, a Series"),
            ([3], "must be the name of a rule"),
            (pd.Series("x", CASES), "needs a name"),
            (pd.Series("x", [1, 2], name="land"), "no label for any of the 10 customers"),
            (pd.Series("x", ["gone", "gone"], name="land"), "more than one label"),
            (pd.Series("x", list(CASES), name="customers"), "name of a column of the result"),
            (pd.Series("x", list(CASES), name="past_value"), "name of a column of the result"),
        ],
    )
    def test_what_cannot_be_grouped_by(self, by, message):
        with pytest.raises(DataError, match=message):
            clv.segments(make_value(), make_past(), by=by)

    def test_rules_need_a_past_and_a_day(self):
        with pytest.raises(DataError, match="Pass their orders"):
            clv.segments(make_value())
        past = make_past()
        past.attrs = {}
        with pytest.raises(DataError, match="end of observation"):
            clv.segments(make_value(until=None), past)
        with pytest.raises(DataError, match="a rule and a column"):
            clv.segments(make_value().assign(rfm=1), make_past(), by="rfm")
        with pytest.raises(DataError, match=r"clv.ValueRules\(...\), not dict"):
            clv.segments(make_value(), make_past(), rules={"quantile": 0.8})


class TestSides:
    def test_nobody_is_dropped(self):
        one_less = {name: row for name, row in CASES.items() if name != "gone"}
        with pytest.raises(DataError, match="1 of 10 customers of the forecast are not in `past`"):
            clv.segments(make_value(), make_past(one_less))
        with pytest.raises(DataError, match="1 of 10 customers of `past` have no forecast"):
            clv.segments(make_value(one_less), make_past())
        numbered = dict(enumerate(CASES.values()))
        with pytest.raises(DataError, match="read both as the same type"):
            clv.segments(make_value(numbered), make_past())

    @pytest.mark.parametrize(
        ("column", "bad", "message"),
        [
            ("clv", np.nan, "1 of 10 customers have clv that is not a finite"),
            ("clv", -1.0, "0 or more"),
            ("p_alive", 1.5, "not a probability"),
            ("expected_purchases", np.nan, "expected_purchases that is not a number"),
        ],
    )
    def test_what_is_no_forecast(self, column, bad, message):
        value = make_value()
        value.loc["gone", column] = bad
        with pytest.raises(DataError, match=f"{message}.*first: 'gone'"):
            clv.segments(value, make_past())

    def test_other_ways_of_not_fitting(self, cdnow_orders):
        value = make_value()
        for wrong, message in (
            ((value.drop(columns="clv"), make_past()), "no column 'clv'"),
            ((value.iloc[:0], make_past()), "no customers"),
            ((pd.concat([value, value]), make_past()), "more than once"),
            (("value", make_past()), "not a str"),
            ((value.assign(clv="x"), make_past()), "does not hold numbers"),
            ((value, make_past(until="2024-12-30")), "made at 2024-12-29 and the past"),
            ((value, "orders"), "not a str"),
            ((value, make_past().drop(columns="orders")), "no column 'orders'"),
            ((value, pd.concat([make_past(), make_past()])), "more than once"),
            ((value, make_past().assign(revenue=np.nan)), "not a finite number"),
            ((value, clv.historical_clv(cdnow_orders, margin=0.3)), "margin=1 and .* margin=0.3"),
        ):
            with pytest.raises(DataError, match=message):
                clv.segments(*wrong)

    def test_a_refund_alone_makes_nobody_a_customer(self):
        past = make_past(CASES | {"refund only": (10, 0.0, -5.0, 0.0, "")})
        past.loc["refund only", "orders"] = 0
        assert len(clv.segments(make_value(), past).customers) == len(CASES)


class TestTransitions:
    def test_against_crosstab(self, found, later):
        moved = clv.segment_transitions(found, later)
        pairs = pd.crosstab(
            found.customers["segment"].astype(str), later.customers["segment"].astype(str)
        )
        counts = moved.counts.loc[pairs.index, pairs.columns]
        assert counts.to_numpy().tolist() == pairs.to_numpy().tolist()
        assert moved.counts.to_numpy().sum() == len(found.customers)
        full = moved.counts.sum(axis="columns") > 0
        assert moved.shares.sum(axis="columns")[full].to_numpy() == pytest.approx(1.0)
        assert moved.shares[~full].isna().all(axis=None)
        assert moved.customers["clv_before"].sum() == pytest.approx(found.customers["clv"].sum())
        assert "those of the first date" in str(moved)
        assert json.loads(json.dumps(moved.to_dict(), allow_nan=False))["after"] == "1998-03-31"

    def test_who_came_and_who_is_gone(self):
        early, late = (dict(list(CASES.items())[part]) for part in (slice(8), slice(3, 10)))
        before = clv.segments(make_value(early), make_past(early), rules=RULES)
        after = clv.segments(
            make_value(late, until="2025-01-05"), make_past(late, "2025-01-05"), rules=RULES
        )
        moved = clv.segment_transitions(before, after)
        assert moved.counts[ABSENT_AFTER].to_dict() == dict.fromkeys(VALUE_SEGMENTS, 0) | {
            "new": 1,
            "champions": 1,
            "lost": 1,
            ABSENT_BEFORE: 0,
        }
        assert moved.counts.loc[ABSENT_BEFORE, "occasional"] == 2
        assert moved.counts.to_numpy().sum() == 10
        assert np.isnan(moved.customers.loc["newest", "clv_after"])
        assert moved.customers["before"].isna().sum() == 0
        assert "3 customers are not there after" in str(moved)

    def test_what_cannot_be_compared(self, found, later, value, past):
        with pytest.raises(DataError, match="give the earlier one first"):
            clv.segment_transitions(later, found)
        with pytest.raises(DataError, match="give the earlier one first"):
            clv.segment_transitions(found, found)
        with pytest.raises(DataError, match="group by the same"):
            clv.segment_transitions(found, clv.segments(value, past, by="rfm"))
        with pytest.raises(DataError, match="not a DataFrame"):
            clv.segment_transitions(found, later.table)
        others = clv.segments(
            make_value(until="2025-01-05"), make_past(until="2025-01-05"), rules=RULES
        )
        with pytest.raises(DataError, match="No customer is in both"):
            clv.segment_transitions(found, others)
        named = pd.Series(ABSENT_BEFORE, CASES.keys(), name="land")
        odd = clv.segments(make_value(), by=named)
        with pytest.raises(DataError, match="has a meaning here"):
            clv.segment_transitions(odd, dataclasses.replace(odd, until=dt.date(2025, 1, 5)))

    def test_thresholds_that_moved_are_said(self, found, later):
        other = dataclasses.replace(later, rules=ValueRules(past_cut=1.0, clv_cut=1.0))
        assert "rules=before.rules" in str(clv.segment_transitions(found, other))


class TestShown:
    def test_text_and_json(self, found):
        text = str(found)
        assert all(f"\n{name} " in text for name in VALUE_SEGMENTS)
        assert "nan" not in text.lower()
        assert max(map(len, text.splitlines())) <= 100
        said = json.loads(json.dumps(found.to_dict(), allow_nan=False))
        assert [row["segment"] for row in said["segments"]] == list(VALUE_SEGMENTS)
        assert said["whole"]["customers"] == 2357
        assert said["segments"][2]["mean_p_alive"] is None

    def test_names_are_escaped(self):
        labels = pd.Series("<script>", CASES.keys(), name="land")
        shown = clv.segments(make_value(), by=labels)._repr_html_()
        assert "<script>" not in shown

    def test_pictures(self, found):
        ax = clv.plots.plot_segments(found, top=3)
        assert [tick.get_text() for tick in ax.get_yticklabels()] == [
            "champions",
            "rising",
            "occasional",
        ]
        shares = found.table.loc[["champions", "rising", "occasional"], "clv_share"]
        assert [bar.get_width() for bar in ax.containers[2]] == pytest.approx(shares.tolist())
        with pytest.raises(DataError, match="top=0"):
            clv.plots.plot_segments(found, top=0)
        moved = clv.segment_transitions(
            found, dataclasses.replace(found, until=dt.date(1998, 1, 1))
        )
        fig, given = plt.subplots()
        assert clv.plots.plot_segment_transitions(moved, given) is given
        drawn = sorted(int(text.get_text().replace(",", "")) for text in given.texts)
        assert drawn == sorted(found.table["customers"][lambda n: n > 0])
        fig.canvas.draw()
        plt.close("all")
