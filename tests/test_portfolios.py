"""Totals of the whole shop: exact expectations, calendars, plans of new customers, tables."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from scipy import integrate

import clvforecast as clv
from clvforecast import BGNBD, DataError, FitError, GammaGamma
from clvforecast.periods import calendar_periods, last_day_ahead, unit_periods

BUYS = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
SPEND = GammaGamma(p=6.25, q=3.74, v=15.44)
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


class TestExpectations:
    def test_they_add_up_to_the_forecast(self, cdnow_ahead, cdnow_buys, cdnow_spend, cdnow_rfm):
        value = clv.forecast(cdnow_buys, cdnow_spend, cdnow_rfm, horizon="39W")
        total = cdnow_ahead.total().iloc[0]
        assert total["orders"] == pytest.approx(value["expected_purchases"].sum(), rel=1e-12)
        assert total["revenue"] == pytest.approx(value["clv"].sum(), rel=1e-12)
        table = cdnow_ahead.table()
        assert table["orders"].sum() == pytest.approx(total["orders"], rel=1e-12)
        assert (table["orders"].diff().iloc[1:] < 0).all()
        assert (table[["orders_from_new", "revenue_from_new"]] == 0).all(axis=None)

    def test_simulations_have_them_for_means(self, cdnow_ahead):
        table = cdnow_ahead.table()
        for quantity in ("orders", "revenue"):
            assert_mean(cdnow_ahead.simulations(quantity).to_numpy(), table[quantity].to_numpy())

    @pytest.mark.parametrize("by", ["shop", ["shop", "land"]])
    def test_segments_add_up(self, rfm, by):
        terms = {"horizon": "20W", "simulations": 19}
        whole = clv.portfolio(BUYS, SPEND, rfm, **terms)
        parts = clv.portfolio(BUYS, SPEND, rfm, by=by, **terms)
        columns = ["orders", "revenue"]
        total = parts.table(0.5)[columns].groupby(level="period").sum()
        pd.testing.assert_frame_equal(total, whole.table(0.5)[columns], check_freq=False)
        assert parts.total(0.5)[columns].sum().to_numpy() == pytest.approx(
            whole.total(0.5)[columns].iloc[0].to_numpy()
        )

    def test_a_missing_segment_is_one_of_its_own(self, rfm):
        parts = clv.portfolio(BUYS, SPEND, rfm, by="land", horizon=4, simulations=19)
        assert list(parts.segments[:2]) == ["at", "de"]
        assert pd.isna(parts.segments[2])
        alone = clv.portfolio(BUYS, SPEND, rfm.tail(1), horizon=4, simulations=19)
        assert parts.total(0.5)["orders"].iloc[2] == pytest.approx(
            alone.total(0.5)["orders"].iloc[0]
        )

    @pytest.mark.parametrize("model", [BUYS, BGNBD(0.5, 0.01, 1.0, 2.0), BGNBD(3, 40, 0.2, 5)])
    def test_new_customers_against_adaptive_quadrature(self, rfm, model):
        """A customer acquired at u buys M(t - u) times by t: averaged over u by QUADPACK."""
        plan = [5.0, 0.0, 2.0]
        frame = rfm.head(1)
        frame.attrs = {}
        ahead = clv.portfolio(
            model, SPEND, frame, horizon=2.6, new_customers=plan, simulations=1, time_unit="W"
        )
        edges = [0.0, 1.0, 2.0, 2.6]

        def upto(k, t):
            start, end = edges[k], min(edges[k + 1], t)
            if end <= start:
                return 0.0
            acquired = integrate.quad(
                lambda s: float(model.purchases_if_alive(s, 0, 0, 0)), t - end, t - start,
                epsabs=1e-13, epsrel=1e-12, limit=200,
            )[0]  # fmt: skip
            return acquired / (edges[k + 1] - start)

        cumulative = [sum(n * upto(k, t) for k, n in enumerate(plan)) for t in edges]
        expected = np.diff(cumulative) + plan
        from_new = ahead._from_new
        assert from_new.orders[0] == pytest.approx(expected, rel=1e-8)
        assert from_new.revenue[0] == pytest.approx(expected * SPEND.expected_spend(0, 0), rel=1e-8)


class TestPeriods:
    @pytest.mark.parametrize(
        ("after", "horizon", "period", "starts", "last", "days"),
        [
            ("2024-01-30", "3M", "M", ["2024-01-31", "2024-02-29", "2024-03-31"], "2024-04-29", 90),
            ("2023-12-31", "1Y", "Y", ["2024-01-01"], "2024-12-31", 366),
            ("2022-12-31", "1Y", "Y", ["2023-01-01"], "2023-12-31", 365),
            ("2024-02-28", "10D", "W", ["2024-02-29", "2024-03-07"], "2024-03-09", 10),
            ("2024-02-28", 2, "W", ["2024-02-29", "2024-03-07"], "2024-03-13", 14),
            ("2024-06-15", "1.5Y", "Y", ["2024-06-16", "2025-06-16"], "2025-12-15", 548),
        ],
    )
    def test_calendar(self, rfm, after, horizon, period, starts, last, days):
        frame = rfm.head(2)
        frame.attrs = {"time_unit": "W", "until": after}
        ahead = clv.portfolio(BUYS, SPEND, frame, horizon=horizon, period=period, simulations=1)
        assert [f"{day:%Y-%m-%d}" for day in ahead.periods.start] == starts
        assert f"{ahead.periods.end[-1]:%Y-%m-%d}" == last
        assert sum(ahead.periods.lengths) == days
        assert ahead.attrs["horizon"] == pytest.approx(days / 7)

    def test_units_where_no_day_is_known(self, rfm):
        frame = rfm.head(2)
        frame.attrs = {}
        ahead = clv.portfolio(
            BUYS, SPEND, frame, horizon="10D", period="W", time_unit="W", simulations=19
        )
        assert ahead.table(0.5).index.tolist() == [1, 2]
        assert ahead.periods.end.tolist() == pytest.approx([1.0, 10 / 7])
        assert repr(ahead).endswith("2 periods, 1.42857 time units ahead, 19 simulations")

    def test_a_day_is_a_day_in_every_unit(self, rfm):
        weekly = clv.portfolio(BUYS, SPEND, rfm, horizon="9D", period="D", simulations=1)
        days = rfm.assign(recency=rfm["recency"] * 7, T=rfm["T"] * 7)
        days.attrs = {"time_unit": "D", "until": CUTOFF}
        daily = clv.portfolio(BUYS.rescaled(7), SPEND, days, horizon=9, period="D", simulations=1)
        assert daily._expected.orders == pytest.approx(weekly._expected.orders, rel=1e-12)
        assert daily._simulated.orders == pytest.approx(weekly._simulated.orders)

    def test_pieces(self):
        assert last_day_ahead(dt.date(2024, 1, 31), "1m", "W") == dt.date(2024, 2, 29)
        assert last_day_ahead(dt.date(2024, 1, 31), 1, "M") == dt.date(2024, 2, 29)
        assert last_day_ahead(dt.date(2024, 1, 31), 39.0, "W") == dt.date(2024, 10, 30)
        assert calendar_periods(dt.date(2024, 1, 1), dt.date(2024, 1, 4), "D").last_share == 1
        assert unit_periods(52.17857142857143, "W", "Y").lengths == pytest.approx([52.178571])
        assert unit_periods(39, "W", "W").lengths == pytest.approx([1.0] * 39)
        assert len(unit_periods(0.3, "W", "D")) == 3

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"horizon": 3, "period": "Q"}, DataError, "period='Q' is not a period"),
            ({"horizon": 3, "period": "M"}, DataError, "longer than the 21 days after 1997-09-30"),
            ({"horizon": "1D"}, DataError, "longer than the 1 day after"),
            ({"horizon": 0, "period": "D"}, DataError, "longer than the 0 days"),
            ({"horizon": "10000Y", "period": "Y"}, DataError, "calendar does not reach"),
            ({"horizon": "inf"}, FitError, "infinite horizon"),
            ({"horizon": -1}, DataError, "horizon=-1"),
            ({"horizon": "soon"}, DataError, "'soon' is not a duration"),
        ],
    )
    def test_wrong_periods(self, rfm, arguments, error, message):
        with pytest.raises(error, match=message):
            clv.portfolio(BUYS, SPEND, rfm, simulations=1, **arguments)

    def test_wrong_periods_in_units(self, rfm):
        frame = rfm.head(2)
        frame.attrs = {}
        with pytest.raises(DataError, match="period='Y' is longer than horizon='4W'"):
            clv.portfolio(BUYS, SPEND, frame, horizon="4W", period="Y", time_unit="W")
        with pytest.raises(DataError, match="time unit of the summary is unknown"):
            clv.portfolio(BUYS, SPEND, frame, horizon=4)
        frame.attrs = {"time_unit": "W", "until": "2024-01-31"}
        with pytest.raises(DataError, match="period='M' is longer than the 28 days"):  # of 29
            clv.portfolio(BUYS, SPEND, frame, horizon="4W", period="M")
        frame.attrs = {"time_unit": "W", "until": "yesterday"}
        with pytest.raises(DataError, match="'until'.*'yesterday' is not a day"):
            clv.portfolio(BUYS, SPEND, frame, horizon=4)


class TestPlans:
    @pytest.mark.parametrize(
        "plan",
        [
            7,
            np.float64(7),
            [7, 7, 3],
            np.array([7, 7, 3.0]),
            pd.Series([7, 7, 3]),
            pd.Series([3, 7, 7], pd.DatetimeIndex(["1997-10-15", "1997-10-01", "1997-10-08"])),
        ],
        ids=["number", "numpy number", "list", "array", "series", "by day"],
    )
    def test_one_plan_in_many_forms(self, rfm, plan):
        """A number is for a whole period: the last three days of a week get three sevenths."""
        ahead = clv.portfolio(BUYS, SPEND, rfm, horizon="17D", new_customers=plan, simulations=19)
        same = clv.portfolio(
            BUYS, SPEND, rfm, horizon="17D", new_customers=[7.0, 7.0, 3.0], simulations=19
        )
        pd.testing.assert_frame_equal(ahead.table(0.5), same.table(0.5))

    def test_per_segment(self, rfm):
        terms = {"horizon": "2W", "by": "shop", "simulations": 19}
        mapped = clv.portfolio(BUYS, SPEND, rfm, new_customers={"web": 3}, **terms)
        framed = clv.portfolio(
            BUYS, SPEND, rfm, new_customers=pd.DataFrame({"city": [0, 0], "web": [3, 3]}), **terms
        )
        pd.testing.assert_frame_equal(mapped.table(0.5), framed.table(0.5))
        from_new = mapped.total(0.5)["orders_from_new"]
        assert from_new["city"] == 0
        assert from_new["web"] > 6
        pairs = clv.portfolio(
            BUYS, SPEND, rfm, by=["shop", "land"], horizon="2W",
            new_customers={("web", "at"): [1, 2]}, simulations=1,
        )  # fmt: skip
        assert (pairs._from_new.orders.sum(axis=1) > 0).sum() == 1

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"new_customers": -1}, "0 or more"),
            ({"new_customers": [1, np.nan]}, "0 or more"),
            ({"new_customers": np.inf}, "0 or more"),
            ({"new_customers": True}, "0 or more"),
            ({"new_customers": "many"}, "0 or more"),
            ({"new_customers": [1, 2, 3]}, "3 values for 2 periods"),
            ({"new_customers": pd.Series([1, 2], ["a", "b"])}, "not indexed by the 2 periods"),
            ({"new_customers": {"web": 1}}, "has no segments"),
            ({"new_customers": 1, "by": "shop"}, "which segment they join"),
            ({"new_customers": {"wbe": 1}, "by": "shop"}, "Did you mean 'web'"),
            ({"new_customers": {"web": -1}, "by": "shop"}, r"new_customers\['web'\]=-1"),
            ({"by": "shpo"}, "by='shpo' is not a column.*Did you mean 'shop'"),
            ({"by": []}, "names no column"),
            ({"simulations": 0}, "simulations=0"),
            ({"simulations": 2.5}, "simulations=2.5"),
            ({"seed": -1}, "seed=-1"),
        ],
    )
    def test_wrong_arguments(self, rfm, arguments, message):
        with pytest.raises(DataError, match=message):
            clv.portfolio(BUYS, SPEND, rfm, horizon="2W", **arguments)

    def test_impossible_rows_and_spend_without_a_mean(self, rfm):
        with pytest.raises(DataError, match="recency > T"):
            clv.portfolio(BUYS, SPEND, rfm.assign(T=1.0), horizon=4)
        with pytest.raises(FitError, match="no finite mean spend"):
            clv.portfolio(BUYS, GammaGamma(2.0, 0.9, 5.0), rfm, horizon=4)

    def test_the_summary_is_not_changed(self, rfm):
        before, attrs = rfm.copy(), dict(rfm.attrs)
        clv.portfolio(BUYS, SPEND, rfm, horizon=4, by="shop", simulations=1)
        pd.testing.assert_frame_equal(rfm, before)
        assert rfm.attrs == attrs


class TestTables:
    def test_intervals_widen_with_the_level_and_hold_the_expectation(self, cdnow_ahead):
        narrow, wide = cdnow_ahead.table(0.5), cdnow_ahead.table(0.95)
        for quantity in ("orders", "revenue"):
            lower, upper = f"{quantity}_lower", f"{quantity}_upper"
            assert (wide[lower] <= narrow[lower]).all()
            assert (narrow[lower] < narrow[quantity]).all()
            assert (narrow[quantity] < narrow[upper]).all()
            assert (narrow[upper] <= wide[upper]).all()
            assert (wide[lower] >= 0).all()
        assert wide.attrs["level"] == 0.95
        assert wide.attrs["until"] == CUTOFF

    def test_limits_are_ranks_that_one_more_simulation_respects(self, rfm):
        """(951 - 50) / 1001 is the first that is at least 0.90."""
        ahead = clv.portfolio(BUYS, SPEND, rfm, horizon=1, simulations=1000)
        drawn = np.sort(ahead.simulations("revenue").to_numpy()[:, 0])
        row = ahead.table(0.90).iloc[0]
        assert (row["revenue_lower"], row["revenue_upper"]) == (drawn[49], drawn[950])
        assert ahead.quantile([0.0, 0.05, 1.0], "revenue").iloc[0].tolist() == [
            drawn[0], drawn[49], drawn[-1]
        ]  # fmt: skip

    def test_cumulative_is_the_running_sum(self, cdnow_ahead):
        table, added = cdnow_ahead.table(), cdnow_ahead.table(cumulative=True)
        assert added["orders"].to_numpy() == pytest.approx(table["orders"].cumsum().to_numpy())
        row, total = added.iloc[-1], cdnow_ahead.total().iloc[0]
        pd.testing.assert_series_equal(row, total, check_names=False)

    def test_expectations_alone_need_no_simulations(self, rfm):
        table = clv.portfolio(BUYS, SPEND, rfm, horizon=2, simulations=1).table(level=None)
        assert list(table) == ["orders", "revenue", "orders_from_new", "revenue_from_new"]

    @pytest.mark.parametrize("level", [0, 1, -0.5, 90, float("nan")])
    def test_levels_out_of_range(self, cdnow_ahead, level):
        with pytest.raises(DataError, match="level="):
            cdnow_ahead.table(level)

    def test_a_level_too_near_one_says_how_many_simulations_it_needs(self, rfm):
        few = clv.portfolio(BUYS, SPEND, rfm, horizon=1, simulations=38)
        with pytest.raises(DataError, match="needs 39 simulations at least; there are 38"):
            few.table(0.95)
        clv.portfolio(BUYS, SPEND, rfm, horizon=1, simulations=39).table(0.95)

    def test_wrong_questions(self, cdnow_ahead):
        with pytest.raises(DataError, match="quantity='order'.*Did you mean 'orders'"):
            cdnow_ahead.simulations("order")
        with pytest.raises(DataError, match="must be probabilities"):
            cdnow_ahead.quantile(1.5)

    def test_weeks_of_one_future_belong_together(self, cdnow_ahead):
        """A cumulative interval is wider than independent weeks would make it."""
        weekly = cdnow_ahead.simulations().to_numpy()
        apart = np.sqrt(weekly.var(axis=0, ddof=1).sum())
        assert weekly.sum(axis=1).std(ddof=1) > 1.2 * apart
