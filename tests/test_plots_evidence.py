"""Pictures of backtests and diagnoses: what is drawn is what the table says."""

from __future__ import annotations

import dataclasses

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

import clvforecast as clv
from clvforecast import BGNBD, DataError, plots

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.dates import num2date

CDNOW = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
CUTOFF = "1997-09-30"


@pytest.fixture(scope="module")
def orders():
    """240 customers of CDNOW."""
    log = clv.datasets.load_cdnow(sample=True)
    some = np.sort(log["customer_id"].unique())[::10]
    return clv.read_orders(log[log["customer_id"].isin(some)], until="1998-06-30")


@pytest.fixture(scope="module")
def past(orders):
    return clv.backtest(
        orders, cutoffs=["1997-07-15", CUTOFF], horizon="39W", ridge=0.001, replicates=2
    )


@pytest.fixture(scope="module")
def tables(orders, past):
    """Every picture, and what it draws."""
    return {
        "plot_backtest": past,
        "plot_conditional_expectation": clv.conditional_expectation(
            past, models=["BG/NBD", "own rate"]
        ),
        "plot_decile_calibration": clv.decile_calibration(past, target="spend"),
        "plot_gains": clv.gains_curves(past),
        "plot_interval_coverage": clv.interval_coverage(past),
        "plot_pit": clv.pit_counts(past),
        "plot_purchase_tracking": clv.purchase_tracking(
            orders, CDNOW, cutoff=CUTOFF, time_unit="W"
        ),
        "plot_weekly_orders": pd.DataFrame(
            {
                "orders": [0.0, 9.0, 14.0, 30.0, 11.0],
                "expected": [1.5, 8.1, 15.0, 22.4, 17.0],
                "standard_error": [1.1, 2.6, 3.5, 4.2, 3.8],
            },
            index=pd.date_range("1997-01-01", periods=5, freq="7D", name="week"),
        ),
    }


PICTURES = [
    "plot_backtest",
    "plot_conditional_expectation",
    "plot_decile_calibration",
    "plot_gains",
    "plot_interval_coverage",
    "plot_pit",
    "plot_purchase_tracking",
    "plot_weekly_orders",
]


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def key(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def lines(ax):
    return {line.get_label(): line for line in ax.lines}


def ends_of_bars(container):
    """Lower and upper ends of error bars, an array of shape (points, 2)."""
    (bars,) = container.lines[2]
    drawn = [segment for segment in bars.get_segments() if len(segment)]  # NaN leaves none
    return np.array([[segment[0], segment[-1]] for segment in drawn])


# What holds for every picture


@pytest.mark.parametrize("name", PICTURES)
def test_draws_where_it_is_told_and_nowhere_else(tables, name):
    figure, (ax, other) = plt.subplots(1, 2)
    assert getattr(plots, name)(tables[name], ax) is ax
    assert plt.get_fignums() == [figure.number]
    assert not other.has_data()


@pytest.mark.parametrize("name", PICTURES)
def test_changes_nothing_and_nothing_reaches_out_of_the_picture(tables, name):
    data = tables[name]
    table = data if isinstance(data, pd.DataFrame) else data.table
    settings, before = dict(mpl.rcParams), table.copy()
    ax = getattr(plots, name)(data)
    ax.figure.canvas.draw()
    assert dict(mpl.rcParams) == settings
    pd.testing.assert_frame_equal(table, before)
    assert table.attrs == before.attrs
    assert ax.get_title(loc="left")
    whole = ax.figure.bbox
    drawn = ax.figure.get_tightbbox().transformed(ax.figure.dpi_scale_trans)
    assert drawn.x0 >= whole.x0 - 1
    assert drawn.y0 >= whole.y0 - 1
    assert drawn.x1 <= whole.x1 + 1
    assert drawn.y1 <= whole.y1 + 1


@pytest.mark.parametrize("name", [name for name in PICTURES if name != "plot_backtest"])
def test_a_missing_column_is_named_and_attributes_may_be_missing(tables, name):
    """Tables lose their attributes on the way through a file."""
    bare = tables[name].copy()
    bare.attrs = {}
    getattr(plots, name)(bare)
    needed = "perfect" if name == "plot_gains" else bare.columns[-1]
    if name == "plot_conditional_expectation":
        needed = "actual_upper"
    if name == "plot_purchase_tracking":
        needed = "expected"
    with pytest.raises(DataError, match=f"no column '{needed}'"):
        getattr(plots, name)(bare.drop(columns=needed))


# Over time


@pytest.mark.parametrize("cumulative", [False, True])
def test_tracking_lines_are_the_table(tables, cumulative):
    table = tables["plot_purchase_tracking"]
    ax = plots.plot_purchase_tracking(table, cumulative=cumulative)
    ending = "_cumulative" if cumulative else ""
    drawn = lines(ax)
    np.testing.assert_allclose(drawn["actual"].get_ydata(), table[f"actual{ending}"])
    expected = drawn["expected by BG/NBD"]
    np.testing.assert_allclose(expected.get_ydata(), table[f"expected{ending}"])
    assert drawn["actual"].get_linestyle() != expected.get_linestyle()
    days = pd.DatetimeIndex(drawn["actual"].get_xdata())
    middle = table.index + pd.Timedelta(days=3)
    assert (days == (pd.DatetimeIndex(table["end"]) if cumulative else middle)).all()
    (where,) = set(drawn[f"calibration ends {CUTOFF}"].get_xdata())
    assert pd.Timestamp(where) == pd.Timestamp(CUTOFF)
    assert ax.get_xlim() == tuple(
        mpl.dates.date2num([table.index[0], table["end"].iloc[-1]]).tolist()
    )
    assert ax.get_ylim()[0] == 0


def test_tracking_says_what_it_counts(tables):
    table = tables["plot_purchase_tracking"]
    title = plots.plot_purchase_tracking(table).get_title(loc="left")
    assert title == "Repeat purchases per week, 236 customers"
    added = plots.plot_purchase_tracking(table, cumulative=True).get_title(loc="left")
    assert added == "Repeat purchases added up, 236 customers"


def test_weekly_orders_with_two_standard_errors(tables):
    table = tables["plot_weekly_orders"]
    ax = plots.plot_weekly_orders(table)
    drawn = lines(ax)
    np.testing.assert_allclose(drawn["actual"].get_ydata(), table["orders"])
    np.testing.assert_allclose(drawn["even buying"].get_ydata(), table["expected"])
    (band,) = ax.collections
    at = {num2date(x).date(): y for x, y in band.get_paths()[0].vertices[1 : len(table) + 1]}
    for week, row in table.iterrows():
        assert at[week.date()] == pytest.approx(row["expected"] - 2 * row["standard_error"])


# Calibration


def test_conditional_means_and_limits_are_the_table(tables):
    table = tables["plot_conditional_expectation"]
    ax = plots.plot_conditional_expectation(table)
    assert sorted(key(ax)) == ["BG/NBD", "actual, 95% confidence", "own rate"]
    drawn = lines(ax)
    for name in ("BG/NBD", "own rate"):
        np.testing.assert_allclose(drawn[name].get_ydata(), table[name])
    styles = {(drawn[n].get_linestyle(), drawn[n].get_marker()) for n in ("BG/NBD", "own rate")}
    assert len(styles) == 2
    (actual,) = ax.containers
    np.testing.assert_allclose(actual.lines[0].get_ydata().astype(float), table["actual"])
    limits = table[["actual_lower", "actual_upper"]]
    np.testing.assert_allclose(ends_of_bars(actual)[:, :, 1], limits)
    ticks = [tick.get_text() for tick in ax.get_xticklabels()]
    assert ticks[0] == f"0\n({table['customers'].iloc[0]})"
    assert ax.get_ylabel() == "Mean per customer"
    assert ax.get_title(loc="left") == "Purchases in the 39 weeks after 1997-09-30"


def test_recencies_say_their_unit_and_money_its_currency(past):
    table = clv.conditional_expectation(past, "recency", target="spend")
    ax = plots.plot_conditional_expectation(table, currency="US$")
    assert ax.get_xlabel().startswith("Recency, first to last purchase (weeks; 0: bought once)")
    assert ax.get_xticklabels()[1].get_text().startswith("0-5\n")
    assert ax.get_ylabel() == "Mean per customer (US$)"


def test_groups_without_customers_or_limits_stay_empty(past):
    table = clv.conditional_expectation(past, last=12)
    assert table["actual"].isna().any()
    ax = plots.plot_conditional_expectation(table)
    (actual,) = ax.containers
    limits = table[["actual_lower", "actual_upper"]].dropna()
    np.testing.assert_allclose(ends_of_bars(actual)[:, :, 1], limits)


def test_deciles_are_the_table_and_all_can_be_read(tables):
    table = tables["plot_decile_calibration"]
    ax = plots.plot_decile_calibration(table, currency="US$")
    np.testing.assert_allclose(lines(ax)["BG/NBD"].get_ydata(), table["predicted"])
    (actual,) = ax.containers
    np.testing.assert_allclose(actual.lines[0].get_ydata().astype(float), table["actual"])
    assert table["predicted"].max() > 10 * table["predicted"].min()
    assert ax.get_yscale() == "symlog"
    low, high = ax.get_ylim()
    assert low < table[["predicted", "actual"]].min(axis=None)
    assert high > table["actual_upper"].max()
    assert ax.get_ylabel() == "Mean per customer (US$)"


def test_a_tenth_of_nothing_is_drawn_at_0(tables):
    table = tables["plot_decile_calibration"].copy()
    table.iloc[-1] = [0.01, 0.0, np.nan, np.nan]
    assert plots.plot_decile_calibration(table).get_ylim()[0] == 0
    even = table.assign(predicted=2.0, actual=1.5, actual_lower=1.0, actual_upper=2.5)
    assert plots.plot_decile_calibration(even).get_yscale() == "linear"
    nothing = table.assign(predicted=0.0, actual=0.0, actual_lower=np.nan, actual_upper=np.nan)
    plots.plot_decile_calibration(nothing).figure.canvas.draw()


def test_pit_bars_and_band_are_the_table(tables):
    table = tables["plot_pit"]
    ax = plots.plot_pit(table)
    (bars,) = ax.containers
    assert [bar.get_height() for bar in bars] == table["customers"].tolist()
    assert [bar.get_x() for bar in bars] == pytest.approx(table.index.tolist())
    (band,) = ax.collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (table["lower"].iloc[0], table["upper"].iloc[0])
    assert ax.get_ylim()[0] == 0
    assert key(ax) == ["95% of counts, if the laws are right", "BG/NBD"]


def test_coverage_is_the_table_in_any_order(past):
    table = clv.interval_coverage(past, target="spend", levels=[0.9, 0.5, 0.8])
    ax = plots.plot_interval_coverage(table)
    drawn, table = lines(ax), table.sort_index()
    np.testing.assert_allclose(drawn["BG/NBD, intervals as given"].get_ydata(), table["covered"])
    exact = drawn["BG/NBD, randomised ends"]
    np.testing.assert_allclose(exact.get_xydata(), table["randomised"].reset_index())
    (band,) = ax.collections
    corners = band.get_paths()[0].vertices
    assert {tuple(c) for c in table["upper"].items()} <= {tuple(c) for c in corners}
    assert ax.get_title(loc="left") == "Spend in the 39 weeks after 1997-09-30"


def test_gains_are_the_table_with_their_gini(tables):
    table = tables["plot_gains"]
    ax = plots.plot_gains(table)
    gini = table.attrs["gini"]
    names = {
        "perfect": "perfect order",
        "BG/NBD": f"BG/NBD (Gini {gini['BG/NBD']:.2f})",
        "simple formula": f"simple formula (Gini {gini['simple formula']:.2f})",
    }
    assert key(ax) == [*names.values(), "random order"]
    for name, text in names.items():
        np.testing.assert_allclose(lines(ax)[text].get_ydata(), table[name])
    assert len({line.get_linestyle() + line.get_color() for line in ax.lines}) == 4


# Backtests


@pytest.mark.parametrize(("metric", "target"), [("crps", "purchases"), ("bias", "spend")])
def test_scores_are_drawn_by_cutoff_with_two_standard_errors(past, metric, target):
    ax = plots.plot_backtest(past, metric=metric, target=target)
    chosen = past.table[(past.table["metric"] == metric) & (past.table["target"] == target)]
    names = [tick.get_text() for tick in ax.get_yticklabels()]
    assert names == [*past.models, *past.baselines]
    assert key(ax) == ["1997-07-15", "1997-09-30"]
    for bars, (_, rows) in zip(ax.containers, chosen.groupby("cutoff"), strict=True):
        found = dict(zip(names, bars.lines[0].get_xdata(), strict=True))
        assert found == dict(zip(rows["model"], rows["value"], strict=True))
        spans = ends_of_bars(bars)[:, :, 0]
        np.testing.assert_allclose(np.ptp(spans, axis=1), 4 * rows["standard_error"])
    (left, bottom), (right, top) = ax.dataLim.min, ax.dataLim.max
    assert ax.get_xlim()[0] <= left < right <= ax.get_xlim()[1]
    assert -0.5 < bottom < top < len(names) - 0.5
    assert (ax.get_xlim()[0] == 0) == (metric == "crps")


def test_models_without_a_score_are_left_out(past):
    ax = plots.plot_backtest(past, metric="log_score")
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["BG/NBD"]


def test_an_infinite_score_breaks_nothing(past):
    table = past.table.copy()
    first = table.index[(table["metric"] == "decile_error") & (table["target"] == "purchases")][0]
    table.loc[first, ["value", "standard_error"]] = [np.inf, np.nan]
    endless = dataclasses.replace(past, table=table)
    plots.plot_backtest(endless, metric="decile_error").figure.canvas.draw()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"metric": "cprs"}, "Did you mean 'crps'"),
        ({"target": "money"}, "target='money'"),
        ({"metric": "log_score", "target": "spend"}, "metric='log_score' is not"),
    ],
)
def test_scores_that_are_not_there(past, arguments, message):
    with pytest.raises(DataError, match=message):
        plots.plot_backtest(past, **arguments)
