"""What happened beside what was forecast: totals of the log, tracking, and the picture."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

import clvforecast as clv
from clvforecast import BGNBD, DataError, GammaGamma

BUYS = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
SPEND = GammaGamma(p=6.25, q=3.74, v=15.44)
CUTOFF = "1997-09-30"


@pytest.fixture(scope="module")
def rfm(customers_of_every_kind):
    return customers_of_every_kind


@pytest.fixture(scope="module")
def cdnow_actual(cdnow_orders):
    return cdnow_orders.totals("W", after=CUTOFF, acquired_by=CUTOFF)


class TestTracking:
    def test_weeks_are_those_of_the_holdout(self, cdnow_ahead, cdnow_actual):
        assert cdnow_ahead.table().index.equals(cdnow_actual.index)
        assert cdnow_ahead.attrs["horizon"] == pytest.approx(39)
        assert (cdnow_ahead.periods.start[0], cdnow_ahead.periods.end[-1]) == (
            pd.Timestamp("1997-10-01"),
            pd.Timestamp("1998-06-30"),
        )

    def test_what_happened_beside_what_was_forecast(self, cdnow_ahead, cdnow_actual):
        weekly = cdnow_ahead.track(cdnow_actual)
        assert list(weekly.columns[:5]) == [
            "orders_actual", "orders", "orders_lower", "orders_upper", "orders_inside"
        ]  # fmt: skip
        inside = weekly["orders_actual"].between(weekly["orders_lower"], weekly["orders_upper"])
        assert weekly["orders_inside"].equals(inside)
        added = cdnow_ahead.track(cdnow_actual, cumulative=True)
        assert added["orders_actual"].iloc[-1] == 1882

    def test_how_far_the_model_falls_short_on_cdnow(self, cdnow_ahead, cdnow_actual):
        """As the papers report: BG/NBD expects too little of the holdout. No interval hides it."""
        total, happened = cdnow_ahead.total().iloc[0], cdnow_actual.sum()
        assert total["orders"] / happened["orders"] - 1 == pytest.approx(-0.121, abs=0.001)
        assert total["revenue"] / happened["revenue"] - 1 == pytest.approx(-0.156, abs=0.001)
        assert total["orders_upper"] < happened["orders"]
        weekly = cdnow_ahead.track(cdnow_actual)
        assert 24 <= weekly["orders_inside"].sum() <= 30  # of 39, where 35 would be right

    def test_only_the_periods_that_are_over(self, cdnow_ahead, cdnow_actual):
        begun = cdnow_ahead.track(cdnow_actual["orders"].head(7), level=0.5)
        assert len(begun) == 7
        assert list(begun.columns)[-1] == "orders_inside"

    def test_segments_are_matched_by_name(self, rfm):
        ahead = clv.portfolio(BUYS, SPEND, rfm, horizon=3, by="shop", simulations=19)
        actual = ahead.table(0.5)[["revenue"]].round()
        shuffled = actual.sample(frac=1, random_state=2)
        tracked = ahead.track(shuffled, level=0.5)
        assert tracked["revenue_actual"].tolist() == actual["revenue"].tolist()
        begun = actual[actual.index.get_level_values("period") < "1997-10-15"]
        assert len(ahead.track(begun, level=0.5)) == 4

    def test_other_periods_are_errors(self, cdnow_ahead, cdnow_actual):
        for wrong in (
            cdnow_actual.iloc[1:],
            cdnow_actual.iloc[:0],
            cdnow_actual.reset_index(drop=True),
        ):
            with pytest.raises(DataError, match="not indexed by the periods"):
                cdnow_ahead.track(wrong)
        with pytest.raises(DataError, match="neither orders nor revenue"):
            cdnow_ahead.track(cdnow_actual.rename(columns=str.upper))


class TestTotalsOfTheLog:
    ROWS = pd.DataFrame(
        {
            "customer_id": list("AAABBBCCD"),
            "date": [
                *("2024-01-01", "2024-01-09", "2024-01-20", "2024-01-03", "2024-01-16"),
                *("2024-01-17", "2024-01-10", "2024-01-18", "2024-01-02"),
            ],
            "amount": [10.0, 20.0, -5.0, 8.0, 8.0, 6.0, 7.0, 9.0, 0.0],
            "shop": ["web", "city", "web", "city", "city", "web", "web", "web", None],
        }
    )

    @pytest.fixture
    def orders(self):
        return clv.read_orders(self.ROWS, segments="shop", until="2024-01-21")

    def test_they_agree_with_the_holdout(self, cdnow_orders, cdnow_actual):
        holdout = cdnow_orders.split(CUTOFF, "39W").holdout
        assert cdnow_actual["orders"].sum() == holdout["purchases"].sum()
        assert cdnow_actual["revenue"].sum() == pytest.approx(holdout["spend"].sum())
        assert cdnow_actual.attrs == {"period": "W", "until": "1998-06-30"}

    def test_refunds_lower_a_customers_spend_in_proportion(self, orders):
        weekly = orders.totals("W")
        assert weekly["orders"].tolist() == [3, 2, 3]
        share = 1 - 5 / 30
        assert weekly["revenue"].tolist() == pytest.approx([10 * share + 8, 20 * share + 7, 23])
        assert weekly["revenue"].sum() == pytest.approx(orders.activity()["revenue"].sum())
        after = orders.totals("W", after="2024-01-07", acquired_by="2024-01-07")
        assert after["orders"].tolist() == [1, 2]
        assert after["revenue"].tolist() == pytest.approx([20 - 5, 14])
        calibrated = orders.split("2024-01-07", "14D").holdout
        assert calibrated["spend"].sum() == pytest.approx(after["revenue"].sum())

    def test_whatever_a_customer_buys_counts_where_the_first_purchase_was(self, orders):
        assert orders.customer_segments()["shop"].tolist()[:3] == ["web", "city", "web"]
        assert orders.customer_segments().index.equals(orders.summarize().index)
        by = orders.totals("W", by="shop")
        assert by.index.names == ["shop", "period"]
        assert by.xs("city")["orders"].tolist() == [1, 0, 2]
        assert by.xs("web")["orders"].tolist() == [1, 2, 1]
        assert len(by) == 9  # with the segment that has no name
        early = orders.totals("W", after="2024-01-07", acquired_by="2024-01-02", by="shop")
        assert early["orders"].tolist() == [1, 0, 0, 0]

    def test_the_largest_of_several_first_orders_names_the_segment(self):
        log = self.ROWS.assign(date="2024-01-01", customer_id="A").drop(index=2)
        several = clv.read_orders(log, segments="shop").customer_segments()
        assert several["shop"].tolist() == ["city"]

    def test_segments_may_be_called_like_anything(self, orders):
        log = self.ROWS.rename(columns={"shop": "orders"})
        by = clv.read_orders(log, segments=["orders"], until="2024-01-21").totals(by="orders")
        assert by.index.names == ["orders", "period"]
        assert by["orders"].tolist() == orders.totals(by="shop")["orders"].tolist()

    def test_a_summary_with_segments_makes_a_portfolio_that_can_be_tracked(self, orders):
        rfm = orders.summarize("W", until="2024-01-07")
        rfm = rfm.assign(shop=orders.customer_segments()["shop"])
        ahead = clv.portfolio(BUYS, SPEND, rfm, horizon="2W", by="shop", simulations=19)
        actual = orders.totals("W", after="2024-01-07", acquired_by="2024-01-07", by="shop")
        tracked = ahead.track(actual, level=0.5)
        assert tracked["orders_actual"].sum() == 3

    def test_wrong_arguments(self, orders, cdnow_orders):
        with pytest.raises(DataError, match="period='Q' is not a period"):
            orders.totals("Q")
        with pytest.raises(DataError, match="period='M' is longer than the 21 days"):
            orders.totals("M")
        with pytest.raises(DataError, match="by='sohp' is not a segment column"):
            orders.totals(by="sohp")
        with pytest.raises(DataError, match="after='Monday' is not a day"):
            orders.totals(after="Monday")
        with pytest.raises(DataError, match="Nobody has bought by 2023-12-01"):
            orders.totals(acquired_by="2023-12-01")
        with pytest.raises(DataError, match="without segment columns"):
            cdnow_orders.customer_segments()


class TestPicture:
    @pytest.fixture(autouse=True)
    def close_figures(self):
        yield
        plt.close("all")

    @pytest.mark.parametrize("cumulative", [False, True])
    def test_bands_and_marks_are_those_of_the_tables(self, cdnow_ahead, cdnow_actual, cumulative):
        ax = clv.plots.plot_portfolio(
            cdnow_ahead, actual=cdnow_actual, levels=(0.9,), cumulative=cumulative
        )
        table = cdnow_ahead.track(cdnow_actual, cumulative=cumulative)
        (band,) = ax.collections
        top = band.get_paths()[0].vertices[:, 1].max()
        assert top == table["orders_upper"].max()
        expected, actual = ax.lines
        assert expected.get_ydata().max() == table["orders"].max()
        assert np.array_equal(actual.get_ydata(), table["orders_actual"])
        first_day = (pd.Timestamp("1997-10-01") - pd.Timestamp("1970-01-01")).days
        assert actual.get_xdata()[0] == first_day + (7 if cumulative else 3.5)
        assert ax.get_legend_handles_labels()[1] == ["90% interval", "expected", "actual"]
        assert "2,357 customers" in ax.get_title(loc="left")
        ax.figure.canvas.draw()

    def test_one_segment_in_money_with_new_customers_and_no_dates(self, rfm):
        frame = rfm.drop(columns=[])
        frame.attrs = {"time_unit": "W"}
        ahead = clv.portfolio(
            BUYS, SPEND, frame, horizon=5, by="shop", new_customers={"web": 1}, simulations=99
        )
        figure, (left, right) = plt.subplots(1, 2)
        ax = clv.plots.plot_portfolio(
            ahead, left, quantity="revenue", segment="web", currency="$ and $"
        )
        assert ax is left
        assert not right.has_data()
        assert "from new" in ax.lines[1].get_label()
        assert ax.lines[0].get_xdata().max() == 5
        assert ax.get_xlabel().startswith("Weeks ahead")
        figure.canvas.draw()

    def test_wrong_arguments(self, rfm, cdnow_ahead):
        ahead = clv.portfolio(BUYS, SPEND, rfm, horizon=3, by="shop", simulations=99)
        for segment in (None, "wbe"):
            with pytest.raises(DataError, match="none of the portfolio's 2"):
                clv.plots.plot_portfolio(ahead, segment=segment)
        with pytest.raises(DataError, match="has no segments"):
            clv.plots.plot_portfolio(cdnow_ahead, segment="web")
        with pytest.raises(DataError, match="quantity='sales'"):
            clv.plots.plot_portfolio(cdnow_ahead, quantity="sales")
        with pytest.raises(DataError, match="nothing to shade"):
            clv.plots.plot_portfolio(cdnow_ahead, levels=())
