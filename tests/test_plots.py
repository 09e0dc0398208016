"""Pictures: what is drawn is what the table says, labelled, and nothing else is touched."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from clvforecast import plots
from clvforecast.comparison import compare
from clvforecast.customers.alive import alive_history
from clvforecast.customers.distributions import purchase_distribution, spend_distribution
from clvforecast.customers.matrices import frequency_recency_matrix
from clvforecast.errors import DataError
from clvforecast.fitting import Fit
from clvforecast.historical import historical_clv
from clvforecast.models import BGNBD, GammaGamma
from clvforecast.portfolios import Portfolio, portfolio
from clvforecast.transactions import read_orders

mpl.use("Agg")
from matplotlib import pyplot as plt

UNITS = {"time_unit": "W", "horizon": 52.0, "annual_discount_rate": 0.1, "margin": 1.0}


def make_comparison(ids, revenue, clv, p_alive):
    index = pd.Index(ids, name="customer_id")
    day = pd.Timestamp("2024-01-01")
    activity = pd.DataFrame(
        {"orders": 1, "revenue": revenue, "first_order": day, "last_order": day}, index=index
    )
    activity.attrs = {"first": "2024-01-01", "until": "2024-12-29"}
    orders = SimpleNamespace(activity=lambda **_: activity)
    value = pd.DataFrame({"clv": clv, "p_alive": p_alive}, index=index)
    value.attrs = UNITS
    return compare(value, historical_clv(orders, lifespan="2Y"))


@pytest.fixture
def comparison():
    rng = np.random.default_rng(7)
    revenue = rng.gamma(1.0, 100.0, 60).round(2)
    revenue[:3] = 0.0
    clv = rng.gamma(0.7, 60.0, 60)
    clv[2:5] = 0.0
    alive = rng.uniform(0.0, 0.99, 60)
    return make_comparison([f"{i:05d}" for i in range(60)], revenue, clv, alive)


CDNOW = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)


def fit_in(time_unit):
    """A fit of which only the model and its unit matter."""
    return Fit(
        CDNOW, np.eye(4), log_likelihood=0.0, customers=9, repeat_customers=9, time_unit=time_unit
    )


@pytest.fixture
def alive_table():
    return frequency_recency_matrix(fit_in("W"), T=40, max_frequency=8)


@pytest.fixture
def purchases_table():
    return frequency_recency_matrix(
        fit_in("W"), "expected_purchases", T=40, max_frequency=8, horizon="52W"
    )


@pytest.fixture
def counts():
    return pd.DataFrame(
        {"actual": [1411, 439, 214, 100], "expected": [1407.2, 421.5, 218.0, 118.4]},
        index=pd.Index([0, 1, 2, "3+"], name="repeat_purchases"),
    )


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


LAW = pd.DataFrame(
    {"frequency": [2], "recency": [30.43], "T": [38.86], "monetary_value": [22.35]}, index=["00004"]
)


@pytest.fixture
def purchase_law():
    return purchase_distribution(CDNOW, LAW, horizon=39)


@pytest.fixture
def spend_law():
    return spend_distribution(CDNOW, GammaGamma(6.25, 3.74, 15.44), LAW, horizon=39)


@pytest.fixture
def history():
    log = pd.DataFrame({"customer_id": "A", "date": ["2024-01-01", "2024-03-01"], "amount": 1.0})
    return alive_history(CDNOW, read_orders(log), "A", until="2024-06-30", time_unit="D")


@pytest.fixture
def ahead():
    spend = GammaGamma(6.25, 3.74, 15.44)
    return portfolio(CDNOW, spend, LAW, horizon=4, simulations=99, time_unit="W")


@pytest.fixture
def multipliers():
    """As of a calendar of weekdays, a trend and an event."""
    days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    levels = [("weekday", day) for day in days]
    levels += [("trend", "per year"), ("event", "$ale of all that is left")]
    value = np.array([1.1, 0.9, 1.0, 1.05, 1.2, 0.8, 0.95, 1.02, 2.4])
    return pd.DataFrame(
        {"multiplier": value, "lower": value / 1.1, "upper": value * 1.1},
        index=pd.MultiIndex.from_tuples(levels, names=["term", "level"]),
    )


PICTURES = [
    ("plot_predicted_vs_historical", "comparison"),
    ("plot_rank_movement", "comparison"),
    ("plot_future_share_by_decile", "comparison"),
    ("plot_p_alive_matrix", "alive_table"),
    ("plot_expected_purchases_matrix", "purchases_table"),
    ("plot_purchase_counts", "counts"),
    ("plot_purchase_distribution", "purchase_law"),
    ("plot_portfolio", "ahead"),
    ("plot_spend_distribution", "spend_law"),
    ("plot_alive_history", "history"),
    ("plot_multipliers", "multipliers"),
]


ELSEWHERE = [
    "plot_acquisition",
    "plot_backtest",
    "plot_conditional_expectation",
    "plot_decile_calibration",
    "plot_gains",
    "plot_groups",
    "plot_interval_coverage",
    "plot_monitored",
    "plot_monitoring",
    "plot_pit",
    "plot_purchase_tracking",
    "plot_retention",
    "plot_segment_transitions",
    "plot_segments",
    "plot_weekly_orders",
    "plot_what_if",
]
"""Tested in the same way, where what they draw is tested."""


@pytest.fixture(params=PICTURES, ids=[name for name, _ in PICTURES])
def picture(request):
    name, data = request.param
    return getattr(plots, name), request.getfixturevalue(data)


# What holds for every picture


def test_the_list_of_pictures_is_whole():
    assert sorted([*(name for name, _ in PICTURES), *ELSEWHERE]) == sorted(plots.__all__)


def test_draws_on_the_axes_given_and_nowhere_else(picture):
    draw, data = picture
    figure, (ax, other) = plt.subplots(1, 2)
    assert draw(data, ax) is ax
    assert draw(data, ax=ax) is ax
    assert plt.get_fignums() == [figure.number]
    assert not other.has_data()
    figure.canvas.draw()


def test_makes_one_figure_and_leaves_it_open(picture):
    draw, data = picture
    kept = plt.figure()
    ax = draw(data)
    assert plt.get_fignums() == [kept.number, ax.figure.number]


def table_of(data):
    if isinstance(data, Portfolio):
        return data.table()
    return data if isinstance(data, pd.DataFrame) else pd.DataFrame(data.customers)


def test_changes_no_setting_and_no_data(picture):
    draw, data = picture
    table = table_of(data)
    settings, before = dict(mpl.rcParams), table.copy()
    draw(data).figure.canvas.draw()
    assert dict(mpl.rcParams) == settings
    pd.testing.assert_frame_equal(table, before)


def test_has_a_title_and_nothing_reaches_out_of_the_picture(picture):
    draw, data = picture
    ax = draw(data)
    ax.figure.canvas.draw()
    assert ax.get_title(loc="left")
    whole = ax.figure.bbox
    drawn = ax.figure.get_tightbbox().transformed(ax.figure.dpi_scale_trans)
    assert drawn.x0 >= whole.x0 - 1
    assert drawn.y0 >= whole.y0 - 1
    assert drawn.x1 <= whole.x1 + 1
    assert drawn.y1 <= whole.y1 + 1


def test_importing_loads_no_matplotlib_and_no_display_is_needed(tmp_path):
    code = (
        "import sys, pandas as pd\n"
        "from clvforecast import plots\n"
        "assert 'matplotlib' not in sys.modules\n"
        "table = pd.DataFrame({'actual': [3, 1], 'expected': [2.5, 1.5]})\n"
        f"plots.plot_purchase_counts(table).figure.savefig({str(tmp_path / 'a.png')!r})\n"
    )
    environment = {"MPLBACKEND": "Agg", "PATH": "", "MPLCONFIGDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    assert (tmp_path / "a.png").stat().st_size > 1_000


# Predicted against historical


def test_every_customer_is_a_point_coloured_by_p_alive(comparison):
    ax = plots.plot_predicted_vs_historical(comparison, currency="US$")
    (points,) = ax.collections
    table = comparison.customers
    np.testing.assert_allclose(points.get_offsets(), table[["simple_projection", "clv"]])
    np.testing.assert_allclose(points.get_array(), table["p_alive"])
    assert points.get_clim() == (0, 1)
    assert ax.get_xlabel() == "Simple formula (US$)"
    assert ax.get_ylabel() == "Forecast (US$)"
    assert "52 weeks" in ax.get_title(loc="left")


def test_zeros_and_all_others_lie_inside_the_axes(comparison):
    ax = plots.plot_predicted_vs_historical(comparison)
    values = comparison.customers[["simple_projection", "clv"]].to_numpy()
    assert (values == 0).any()
    for low, high in (ax.get_xlim(), ax.get_ylim()):
        assert low < values.min()
        assert values.max() < high
    assert ax.get_xscale() == ax.get_yscale() == "symlog"


def test_the_line_is_where_both_agree(comparison):
    ax = plots.plot_predicted_vs_historical(comparison)
    (line,) = ax.lines
    np.testing.assert_array_equal(line.get_xdata(), line.get_ydata())


def test_amounts_of_nothing_take_no_room():
    """Customers long gone are worth 1e-30: thirty decades of axis would hide all others."""
    ids = [f"c{i}" for i in range(10)]
    clv = [1e-30] * 5 + [200.0] * 5
    ax = plots.plot_predicted_vs_historical(make_comparison(ids, [50.0] * 10, clv, [0.5] * 10))
    ax.figure.canvas.draw()
    assert len([tick for tick in ax.get_yticks() if 0 < tick < 300]) < 8


def test_certain_survivors_are_explained(comparison):
    assert "P(alive) = 1" not in plots.plot_predicted_vs_historical(comparison).get_xlabel()
    sure = make_comparison(["a", "b"], [1.0, 5.0], [2.0, 3.0], [1.0, 0.4])
    assert "P(alive) = 1 for 1:" in plots.plot_predicted_vs_historical(sure).get_xlabel()


@pytest.mark.parametrize(
    ("revenue", "clv"),
    [([0.0, 0.0], [0.0, 0.0]), ([-5.0, 3.0], [0.1, 2.0]), ([-5.0, -2.0], [0.0, 0.0])],
    ids=["nothing", "net refund", "only refunds"],
)
def test_worthless_customers_can_be_drawn(revenue, clv):
    ax = plots.plot_predicted_vs_historical(make_comparison(["a", "b"], revenue, clv, [0.5, 0.2]))
    ax.figure.canvas.draw()
    assert ax.get_xlim()[0] < min(revenue)


# Rank movement


def test_the_top_of_both_sides_is_shown(comparison):
    ax = plots.plot_rank_movement(comparison, top=5)
    table = comparison.customers
    shown = table[(table["rank_past"] <= 5) | (table["rank_forecast"] <= 5)]
    assert len(ax.lines) == len(shown)
    texts = {text.get_text() for text in ax.texts}
    for customer, row in shown.iterrows():
        assert f"{customer}  #{row['rank_past']}" in texts
        assert f"#{row['rank_forecast']}  {customer}" in texts
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["Past value", "Forecast"]


def test_places_keep_the_order_and_never_coincide(comparison):
    ax = plots.plot_rank_movement(comparison)
    left, right = np.array([line.get_ydata() for line in ax.lines]).T
    assert sorted(left) == sorted(right) == list(range(1, len(left) + 1))


def test_rising_and_falling_differ_without_colour():
    table = make_comparison(["up", "down", "same"], [1.0, 2.0, 9.0], [5.0, 1.0, 9.0], [0.5] * 3)
    ax = plots.plot_rank_movement(table)
    drawn = [line.get_linestyle() for line in ax.lines]
    keys = ax.get_legend().get_lines()
    assert drawn == [key.get_linestyle() for key in keys] == ["-", "--", ":"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["rises", "falls", "stays"]


def test_awkward_ids_are_written_as_they_are():
    """Dollar signs are no formula, and a hash of 64 letters must not fill the picture."""
    table = make_comparison(["$x$", "h" * 64], [1.0, 2.0], [2.0, 1.0], [0.5, 0.5])
    ax = plots.plot_rank_movement(table)
    ax.figure.canvas.draw()
    assert not any(text.get_parse_math() for text in ax.texts)
    assert max(len(text.get_text()) for text in ax.texts) < 20


def test_ties_show_no_more_than_asked_for():
    ids = [f"c{i}" for i in range(50)]
    ax = plots.plot_rank_movement(make_comparison(ids, [1.0] * 50, [1.0] * 50, [0.5] * 50), top=4)
    assert len(ax.lines) == 4


def test_top_is_positive(comparison):
    with pytest.raises(DataError, match="top=0"):
        plots.plot_rank_movement(comparison, top=0)


# Share by decile, purchase counts


def test_decile_bars_are_the_shares(comparison):
    ax = plots.plot_future_share_by_decile(comparison)
    past, future = ax.containers
    table = comparison.by_decile()
    np.testing.assert_allclose([bar.get_height() for bar in past], table["past_share"])
    np.testing.assert_allclose([bar.get_height() for bar in future], table["clv_share"])
    assert [text.get_text() for text in ax.texts] == [f"{s:.0%}" for s in table["clv_share"]]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == [str(d) for d in range(1, 11)]
    assert "past value" in ax.get_xlabel()
    assert ax.get_ylabel() == "Share of the total"


def test_count_bars_are_the_table(counts):
    ax = plots.plot_purchase_counts(counts)
    actual, expected = ax.containers
    np.testing.assert_allclose([bar.get_height() for bar in actual], counts["actual"])
    np.testing.assert_allclose([bar.get_height() for bar in expected], counts["expected"])
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0", "1", "2", "3+"]
    for left, right in zip(actual, expected, strict=True):
        assert left.get_x() + left.get_width() == pytest.approx(right.get_x())
    assert [t.get_text() for t in ax.get_legend().get_texts()] == [
        "actual",
        "expected by the model",
    ]
    assert ax.get_ylabel() == "Customers"


def test_a_missing_column_is_named(counts):
    with pytest.raises(DataError, match=r"no column 'expected'.*'fitted'"):
        plots.plot_purchase_counts(counts.rename(columns={"expected": "fitted"}))


# Matrices


def test_matrix_cells_are_the_table(alive_table, purchases_table):
    for draw, table in (
        (plots.plot_p_alive_matrix, alive_table),
        (plots.plot_expected_purchases_matrix, purchases_table),
    ):
        ax = draw(table)
        (mesh,) = ax.collections
        drawn = np.ma.filled(mesh.get_array().astype(float), np.nan).reshape(table.shape)
        np.testing.assert_array_equal(drawn, table.to_numpy())
        assert ax.get_xlabel().startswith("Frequency (repeat purchases)")
        assert ax.get_ylabel() == "Recency, first to last (weeks)"


def test_matrix_titles_say_their_terms(alive_table, purchases_table):
    alive = plots.plot_p_alive_matrix(alive_table).get_title(loc="left")
    assert alive == "P(alive) 40 weeks after first purchase"
    ahead = plots.plot_expected_purchases_matrix(purchases_table).get_title(loc="left")
    assert "in the next 52 weeks" in ahead


def test_p_alive_of_one_time_buyers_is_explained_where_it_is_certain(alive_table):
    note = plots.plot_p_alive_matrix(alive_table).get_xlabel()
    assert "BG/NBD gives them all P(alive) = 1" in note
    alive_table.iloc[0, 0] = 0.7
    assert "= 1" not in plots.plot_p_alive_matrix(alive_table).get_xlabel()


def test_matrix_of_possible_customers(alive_table):
    assert alive_table.index.tolist() == list(range(41))
    assert alive_table.columns.tolist() == list(range(9))
    assert alive_table.loc[0, 0] == 1
    assert alive_table.loc[1:, 0].isna().all()
    assert alive_table.loc[0, 1:].isna().all()
    assert alive_table.loc[1:, 1:].notna().all(axis=None)
    assert alive_table.loc[30, 4] == CDNOW.p_alive(4, 30, 40)


def test_matrix_of_expected_purchases_converts_the_horizon(purchases_table):
    assert purchases_table.attrs["horizon"] == 52
    assert purchases_table.loc[40, 8] == CDNOW.expected_purchases(52, 8, 40, 40)
    table = frequency_recency_matrix(
        fit_in("D"), "expected_purchases", T="40W", max_frequency=2, horizon="52W"
    )
    assert table.attrs["T"] == 280
    assert table.attrs["model"] == "BGNBD"
    assert table.loc[280.0, 2] == CDNOW.expected_purchases(364, 2, 280, 280)


def test_matrix_of_a_real_model():
    table = frequency_recency_matrix(CDNOW, T=39)
    assert table.loc[0, 0] == 1, "BG/NBD knows no one-time buyer who is gone"
    assert table.loc[1:, 1:].to_numpy().min() >= 0
    assert (table.loc[1:, 1:].diff().iloc[1:] > 0).all(axis=None), "later is livelier"
    assert "BG/NBD gives them all" in plots.plot_p_alive_matrix(table).get_xlabel()


@pytest.mark.parametrize(("length", "rows"), [(1.5, 21), (39, 40), (540, 201)])
def test_matrix_has_rows_enough_and_not_too_many(length, rows):
    table = frequency_recency_matrix(CDNOW, T=length)
    assert len(table) == rows
    assert table.index[-1] == pytest.approx(length)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"quantity": "palive", "T": 39}, "Did you mean 'p_alive'"),
        ({"quantity": "expected_purchases", "T": 39}, "needs horizon="),
        ({"T": 0}, "T=0"),
        ({"T": "soon"}, "T='soon'"),
        ({"T": np.inf}, "T=inf"),
        ({"T": 39, "max_frequency": 0}, "max_frequency=0"),
        ({"quantity": "expected_purchases", "T": 9, "horizon": -1}, "horizon"),
    ],
)
def test_matrix_refuses(arguments, message):
    with pytest.raises(DataError, match=message):
        frequency_recency_matrix(fit_in("W"), **arguments)


# What a calendar multiplies by


def test_multipliers_stand_from_left_to_right_with_their_limits(multipliers):
    ax = plots.plot_multipliers(multipliers)
    ((points, _, (limits,)),) = ax.containers
    np.testing.assert_allclose(points.get_xdata(), np.arange(9))
    np.testing.assert_allclose(points.get_ydata(), multipliers["multiplier"])
    ends = np.array([segment[:, 1] for segment in limits.get_segments()])
    np.testing.assert_allclose(ends, multipliers[["lower", "upper"]])
    texts = [tick.get_text() for tick in ax.get_xticklabels()]
    assert texts[:2] == ["Mon", "Tue"]
    assert texts[-2:] == ["trend per year", "$ale of all t…"]
    assert len([line for line in ax.lines if line.get_linestyle() == ":"]) == 2  # between terms


def test_no_multiplier_and_twice_as_much_and_half_are_as_far(multipliers):
    ax = plots.plot_multipliers(multipliers)
    assert ax.get_yscale() == "log"
    assert 1.0 in ax.get_yticks()


def test_of_many_weeks_some_are_named(multipliers):
    weeks = pd.MultiIndex.from_product([["week"], range(1, 53)], names=["term", "level"])
    many = pd.DataFrame({"multiplier": 1.0, "lower": 0.9, "upper": 1.1}, index=weeks)
    ticks = [tick.get_text() for tick in plots.plot_multipliers(many).get_xticklabels()]
    assert ticks[:3] == ["1", "5", "9"]
    assert len(ticks) == 13


@pytest.mark.parametrize("wrong", ["no limits", "no levels"])
def test_other_tables_hold_no_multipliers(multipliers, wrong):
    table = multipliers.reset_index() if wrong == "no levels" else multipliers.drop(columns="lower")
    with pytest.raises(DataError, match="lower" if wrong == "no limits" else "multipliers"):
        plots.plot_multipliers(table)
