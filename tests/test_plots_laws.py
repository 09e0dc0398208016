"""Pictures of one customer: what is drawn is what the law says, for every kind of customer."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

import clvforecast as clv
from clvforecast import BGNBD, DataError, GammaGamma, plots

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.colors import to_rgb
from matplotlib.dates import num2date

BUYS = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
LOYAL = BGNBD(r=0.5, alpha=10.0, a=0.01, b=50.0)
SPEND = GammaGamma(p=6.25, q=3.74, v=15.44)
ENDLESS = GammaGamma(p=6.25, q=0.9, v=15.44)
EVERYONE = ["00004", "once", "new", "heavy", "gone", "$x$ " + "h" * 60]


@pytest.fixture(scope="module")
def rfm():
    frame = pd.DataFrame(
        {
            "frequency": [2, 0, 0, 200, 9, 1],
            "recency": [30.43, 0.0, 0.0, 38.3, 1.0, 2.0],
            "T": [38.86, 38.86, 0.0, 38.86, 38.86, 38.86],
            "monetary_value": [22.35, 0.0, 0.0, 48.1, 300.0, 0.0],
        },
        index=EVERYONE,
    )
    frame.attrs = {"time_unit": "W"}
    return frame


@pytest.fixture(scope="module")
def counts(rfm):
    return clv.purchase_distribution(BUYS, rfm, horizon="39W")


@pytest.fixture(scope="module")
def amounts(rfm):
    return clv.spend_distribution(BUYS, SPEND, rfm, horizon="39W")


@pytest.fixture(scope="module")
def orders():
    return clv.read_orders(clv.datasets.load_cdnow(sample=True), until="1997-12-31")


@pytest.fixture(scope="module")
def history(orders):
    return clv.alive_history(
        BUYS, orders, ["00004", "00018", "01760"], until="1998-03-31", time_unit="W"
    )


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def key(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def assert_nothing_reaches_out(ax):
    ax.figure.canvas.draw()
    whole = ax.figure.bbox
    drawn = ax.figure.get_tightbbox().transformed(ax.figure.dpi_scale_trans)
    assert drawn.x0 >= whole.x0 - 1
    assert drawn.y0 >= whole.y0 - 1
    assert drawn.x1 <= whole.x1 + 1
    assert drawn.y1 <= whole.y1 + 1


# Purchases


@pytest.mark.parametrize(
    ("customer", "level"),
    [*((customer, 0.9) for customer in EVERYONE), ("00004", 0.5), ("heavy", 0.999)],
)
def test_bars_are_the_pmf_and_the_dark_ones_the_interval(counts, customer, level):
    ax = plots.plot_purchase_distribution(counts, customer=customer, level=level)
    inside, outside = ax.containers
    one = counts.of(customer)
    lower, upper = one.quantile([(1 - level) / 2, (1 + level) / 2]).iloc[0]
    drawn = {
        round(bar.get_x() + bar.get_width() / 2): bar.get_height()
        for bars in (inside, outside)
        for bar in bars
    }
    assert sorted(drawn) == list(range(len(drawn)))
    pmf = one.pmf(np.arange(len(drawn))).iloc[0]
    np.testing.assert_allclose([drawn[n] for n in range(len(drawn))], pmf, atol=1e-15)
    assert pmf.sum() >= 0.99
    assert len(inside) == upper - lower + 1
    assert min(round(bar.get_x() + bar.get_width() / 2) for bar in inside) == lower
    assert f"{100 * level:g}% interval: {lower:,} to {upper:,}" in key(ax)
    assert any(text.startswith("mean ") for text in key(ax))


def test_who_surely_buys_nothing_is_one_bar(counts):
    ax = plots.plot_purchase_distribution(counts, customer="gone")
    assert [text.get_text() for text in ax.texts] == [">99%", "<1%"]
    assert ax.get_xlabel() == "Number of purchases\n(none: >99.9%)"
    assert "mean <0.001" in key(ax)


def test_few_bars_carry_their_percentage(counts):
    ax = plots.plot_purchase_distribution(counts, customer="00004")
    pmf = counts.of("00004").pmf(np.arange(len(ax.texts))).iloc[0]
    assert [text.get_text() for text in ax.texts][:3] == [f"{share:.0%}" for share in pmf[:3]]
    assert ax.get_title(loc="left") == "00004: purchases in the next 39 weeks"


def test_a_heavy_buyer_is_a_hump_that_those_who_are_gone_do_not_flatten(counts, rfm):
    ax = plots.plot_purchase_distribution(counts, customer="heavy")
    hump = counts.of("heavy").pmf(np.arange(1, 400)).to_numpy().max()
    none = counts.of("heavy").pmf([0]).iloc[0, 0]
    assert none > 2 * hump
    assert hump < ax.get_ylim()[1] < 1.5 * hump
    assert [text.get_text() for text in ax.texts] == [f"none: {100 * none:.3g}%"]
    loyal = clv.purchase_distribution(LOYAL, rfm, horizon="39W")
    ax = plots.plot_purchase_distribution(loyal, customer="heavy")
    inside = ax.containers[0]
    assert 100 < inside[0].get_x() < inside[-1].get_x() < 250
    assert to_rgb(ax.get_legend().get_patches()[0].get_facecolor()) == to_rgb(
        inside[0].get_facecolor()
    )
    assert not ax.texts


def test_inside_and_outside_differ_in_grey_print(counts):
    ax = plots.plot_purchase_distribution(counts, customer="00004", level=0.5)
    inside, outside = (
        np.dot(to_rgb(bars[0].get_facecolor()), [0.299, 0.587, 0.114]) for bars in ax.containers
    )
    assert outside - inside > 0.2


def test_a_horizon_of_nothing(rfm):
    law = clv.purchase_distribution(BUYS, rfm, horizon=0)
    ax = plots.plot_purchase_distribution(law, customer="00004")
    assert [text.get_text() for text in ax.texts] == ["100%", "0%"]
    ax = plots.plot_spend_distribution(
        clv.spend_distribution(BUYS, SPEND, rfm, horizon=0), customer="00004"
    )
    assert "spends nothing: 100%" in ax.get_xlabel()


def test_without_a_time_unit_the_title_has_none(rfm):
    bare = rfm.copy()
    bare.attrs = {}
    law = clv.purchase_distribution(BUYS, bare, horizon=39)
    title = plots.plot_purchase_distribution(law, customer="once").get_title(loc="left")
    assert title == "once: purchases in the next 39 time units"


# Spend


@pytest.mark.parametrize("customer", EVERYONE)
@pytest.mark.parametrize("spend", [SPEND, ENDLESS], ids=["mean", "no mean"])
def test_the_curve_is_the_chance_to_spend_more(rfm, customer, spend):
    law = clv.spend_distribution(BUYS, spend, rfm, horizon="39W")
    ax = plots.plot_spend_distribution(law, customer=customer, currency="US$")
    one, (curve, point) = law.of(customer), ax.lines[:2]
    x, y = curve.get_data()
    np.testing.assert_allclose(1 - y, one.cdf(x).iloc[0], atol=1e-12)
    assert np.all(np.diff(y) <= 1e-12)
    lower, median, upper = one.quantile([0.05, 0.5, 0.95]).iloc[0]
    (shade,) = ax.patches
    assert shade.get_x() == pytest.approx(lower)
    assert shade.get_x() + shade.get_width() == pytest.approx(upper)
    assert point.get_xdata()[0] == pytest.approx(median)
    assert ax.get_xlim()[1] >= upper
    has_mean = np.isfinite(one.mean().iloc[0])
    assert has_mean != ("no finite mean" in key(ax))
    assert ax.get_xlabel().startswith("Amount (US$)\n(spends nothing: ")


def test_spend_is_in_words_too(amounts):
    ax = plots.plot_spend_distribution(amounts, customer="00004")
    lower, upper = amounts.of("00004").quantile([0.05, 0.95]).iloc[0]
    assert key(ax)[0] == f"90% interval: 0 to {upper:.0f}"
    assert lower == 0
    assert key(ax)[1].startswith("median 15")
    assert "spends nothing: 44.5%" in ax.get_xlabel()
    assert ax.get_title(loc="left") == "00004: spend in the next 39 weeks"
    assert ax.get_ylabel() == "Chance to spend more"


def test_an_endless_tail_does_not_squeeze_the_interval(rfm):
    law = clv.spend_distribution(BUYS, ENDLESS, rfm, horizon="39W")
    ax = plots.plot_spend_distribution(law, customer="once")
    upper = law.of("once").quantile(0.95).iloc[0, 0]
    assert upper <= ax.get_xlim()[1] <= 5 * upper


# Both laws


@pytest.fixture(params=["counts", "amounts"])
def drawing(request):
    draw = {"counts": plots.plot_purchase_distribution, "amounts": plots.plot_spend_distribution}
    return draw[request.param], request.getfixturevalue(request.param)


def test_one_law_is_drawn_at_a_time(drawing):
    draw, law = drawing
    with pytest.raises(DataError, match="these are 6. Say whose: customer='00004'"):
        draw(law)
    with pytest.raises(DataError, match="these are 2"):
        draw(law, customer=["once", "new"])
    with pytest.raises(DataError, match="Did you mean '00004'"):
        draw(law, customer=4)
    assert draw(law.of("once")).get_title(loc="left").startswith("once: ")


@pytest.mark.parametrize("level", [0, 1, 90, np.nan])
def test_wrong_levels(drawing, level):
    draw, law = drawing
    with pytest.raises(DataError, match="level="):
        draw(law, customer="once", level=level)


@pytest.mark.parametrize("customer", ["heavy", EVERYONE[-1]])
def test_nothing_reaches_out_of_the_picture(drawing, customer):
    draw, law = drawing
    assert_nothing_reaches_out(draw(law, customer=customer))


def test_a_customer_who_is_there_twice_is_not_drawn(rfm):
    law = clv.purchase_distribution(BUYS, pd.concat([rfm, rfm]), horizon=39)
    with pytest.raises(DataError, match="these are 2"):
        plots.plot_purchase_distribution(law, customer="once")


def test_laws_are_drawn_on_the_axes_given(drawing):
    draw, law = drawing
    figure, (ax, other) = plt.subplots(1, 2)
    assert draw(law, ax, customer="once") is ax
    assert plt.get_fignums() == [figure.number]
    assert not other.has_data()


# P(alive) day by day


def test_lines_are_the_table_dashed_after_the_observation(history):
    ax = plots.plot_alive_history(history)
    for number, customer in enumerate(history):
        known, ahead, bought = ax.lines[3 * number : 3 * number + 3]
        column = history[customer]
        np.testing.assert_array_equal(known.get_ydata(), column[:"1997-12-31"])
        np.testing.assert_array_equal(ahead.get_ydata(), column["1997-12-31":])
        assert (known.get_linestyle(), ahead.get_linestyle()) == ("-", "--")
        days = pd.to_datetime(history.attrs["purchase_days"][customer])
        np.testing.assert_array_equal(bought.get_xdata(), days.to_numpy())
        np.testing.assert_array_equal(bought.get_ydata(), column[days])
    end = num2date(ax.lines[9].get_xdata()[0])
    assert f"{end:%Y-%m-%d}" == "1997-12-31"
    assert key(ax)[0] == "00004 buys"
    assert key(ax)[-2:] == ["end of observation", "if silent from then on"]
    assert ax.get_xlabel().startswith("Observed until 1997-12-31")
    assert_nothing_reaches_out(ax)


def test_lines_differ_without_colour(history):
    ax = plots.plot_alive_history(history)
    markers = [line.get_marker() for line in ax.lines if line.get_linestyle() == "None"]
    assert len(set(markers)) == 3


def test_one_customer_is_named_in_the_title(history):
    ax = plots.plot_alive_history(history, customers="01760")
    assert ax.get_title(loc="left") == "P(alive) of 01760"
    assert key(ax) == ["purchase days", "end of observation", "if silent from then on"]
    assert_nothing_reaches_out(ax)


def test_without_days_ahead_nothing_is_said_of_silence(orders):
    table = clv.alive_history(BUYS, orders, "00004", time_unit="W")
    assert key(plots.plot_alive_history(table)) == ["purchase days"]


def test_certainty_is_explained_where_it_is_drawn(history):
    note = "BG/NBD gives P(alive) = 1 until the first repeat purchase"
    assert note in plots.plot_alive_history(history).get_xlabel()
    doubtful = history * 0.9
    assert note not in plots.plot_alive_history(doubtful).get_xlabel()


def test_a_history_of_one_day():
    log = pd.DataFrame({"customer_id": ["$a$"], "date": ["2024-01-01"], "amount": [1.0]})
    table = clv.alive_history(BUYS, clv.read_orders(log), "$a$", time_unit="D")
    ax = plots.plot_alive_history(table)
    assert ax.get_title(loc="left") == "P(alive) of $a$"
    ax.figure.canvas.draw()


def test_histories_that_cannot_be_drawn(history, orders):
    with pytest.raises(DataError, match="Did you mean '00004'"):
        plots.plot_alive_history(history, customers="4")
    with pytest.raises(DataError, match="Pass what alive_history returns"):
        plots.plot_alive_history(pd.DataFrame({"a": [1.0]}))
    many = orders.activity().index[:6]
    table = clv.alive_history(BUYS, orders, many, time_unit="W")
    with pytest.raises(DataError, match="6 lines cannot be told apart. Choose 5"):
        plots.plot_alive_history(table)
    assert plots.plot_alive_history(table, customers=many[:5]).lines
