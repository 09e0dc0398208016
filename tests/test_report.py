"""The report: right numbers, one file that needs nothing, and names that are never markup."""

import base64
import csv
import gzip
import hashlib
import io
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from matplotlib import rc_context, rcParams

import clvforecast as clv
from clvforecast import DataError, FitError
from clvforecast.reporting import Report, report
from clvforecast.reporting.contents.assumptions import words_of
from clvforecast.reporting.contents.quality import DROPPED_REASONS, NOTED_REASONS
from clvforecast.reporting.contents.trust import REASONS
from clvforecast.reporting.evidence import NoBacktest
from clvforecast.reporting.languages import Language
from clvforecast.transactions.quality import DROPPED, NOTED

BUYS = clv.BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
SPEND = clv.GammaGamma(p=6.25, q=3.74, v=15.44)
GIVEN = {"purchases": BUYS, "spend": SPEND}
PLAIN = GIVEN | {"backtest": False, "horizon": "2M", "download": "none"}
TERMS = {"annual_discount_rate": 0.10, "margin": 0.30}
NASTY = (
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "=1+1",
    "{{ 7 * 7 }} %(name)s $x$ $",
)
SHOPS = ("<b>city</b>", "web & mail")
VOID = {"meta", "input", "br", "img", "link"}


def an_order_log(customers=300):
    """CDNOW's first customers, with names that are markup, and rows that cannot be read."""
    log = clv.datasets.load_cdnow(sample=True)
    ids = log["customer_id"].unique()[:customers]
    log = log[log["customer_id"].isin(ids)]
    # Of those who buy most, so that the table lists them.
    often = log["customer_id"].value_counts(sort=True).index[: len(NASTY)]
    named = log["customer_id"].replace(dict(zip(often, NASTY, strict=True)))
    shop = np.where(log["customer_id"].astype("category").cat.codes % 2 == 0, *SHOPS)
    log = log.assign(customer_id=named, shop=shop, date=log["date"].astype(str))
    bad = pd.DataFrame(
        {"customer_id": ["A", None], "date": ["soon", "1997-05-05"], "amount": 5.0, "shop": "x"}
    )
    return clv.read_orders(pd.concat([log, bad]), segments="shop", until="1998-06-30")


class Page(HTMLParser):
    """Elements with what they hold, and whether every one is closed."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.faults = [], [], []
        self.feed(text)
        self.close()
        self.faults += [f"<{element['tag']}> is not closed" for element in self.open]

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        if len(names) != len(set(names)):
            self.faults.append(f"<{tag}> has an attribute twice")
        element = {"tag": tag, "attrs": dict(attrs), "text": "", "within": [*self.open]}
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open[-1]["tag"] != tag:
            self.faults.append(
                f"</{tag}> closes {self.open[-1]['tag'] if self.open else 'nothing'}"
            )
        else:
            self.open.pop()

    def handle_data(self, data):
        for element in self.open:
            element["text"] += data

    def all(self, tag, **attrs):
        return [
            e
            for e in self.elements
            if e["tag"] == tag and all(e["attrs"].get(k) == v for k, v in attrs.items())
        ]

    def within(self, element, tag):
        return [e for e in self.elements if e["tag"] == tag and element in e["within"]]

    def text(self, id_):
        (element,) = [e for e in self.elements if e["attrs"].get("id") == id_]
        return " ".join(element["text"].split())


@pytest.fixture(scope="module")
def orders():
    return an_order_log()


@pytest.fixture(scope="module")
def fits(orders):
    rfm = orders.summarize("W")
    return {"purchases": clv.BGNBD.fit(rfm), "spend": clv.GammaGamma.fit(rfm)}


@pytest.fixture(scope="module")
def made(orders, fits):
    return report(
        orders, by="shop", currency="<i>EUR</i>", title="A & <B>", top=50, **TERMS, **fits
    )


@pytest.fixture(scope="module")
def plain(orders):
    return report(orders, **PLAIN)


@pytest.fixture(scope="module")
def page(made):
    return Page(made.html)


@pytest.fixture(scope="module")
def value(orders, fits):
    return clv.forecast(*fits.values(), orders.summarize("W"), horizon="1Y", level=0.90, **TERMS)


def rows_of(page, caption):
    """The cells' texts of the table with this caption."""
    (table,) = [
        element["within"][-1]
        for element in page.all("caption")
        if element["text"].startswith(caption)
        and not page.within(element, "details")
        and "details" not in [e["tag"] for e in element["within"]]
    ]
    return [
        [
            e["text"].strip()
            for e in page.elements
            if row in e["within"] and e["tag"] in ("th", "td")
        ]
        for row in page.within(table, "tr")[1:]
    ]


def test_what_is_said_is_what_the_functions_say(page, made, value, orders, fits):
    number = Language.of("en").number
    rfm = orders.summarize("W")
    posterior = tuple(fit.posterior(draws=200) for fit in fits.values())
    ahead = clv.portfolio(
        *fits.values(), rfm, horizon="1Y", period="M", posterior=posterior, simulations=500
    )
    total = ahead.total().iloc[0]
    said = page.text("summary")
    assert number(value["clv"].sum(), 0) in said
    for column in ("orders", "orders_lower", "orders_upper", "revenue", "revenue_lower"):
        assert number(total[column], 0) in said, column
    assert number(value["p_alive"].sum(), 0) in said
    pd.testing.assert_frame_equal(made.tables["months"], ahead.table())
    months = rows_of(page, "Orders and revenue by month")
    assert [row[1] for row in months] == [
        number(n, 0) for n in [*ahead.table()["orders"], total["orders"]]
    ]
    past = clv.historical_clv(orders, margin=0.30, lifespan="1Y")
    both = clv.compare(value, past).summary
    assert number(both["simple_projection"].sum(), 0) in page.text("comparison")
    assert number(both["clv"].sum(), 0) in page.text("comparison")


def test_segments_are_those_of_segments_with_every_name_as_text(page, value, orders, made):
    found = clv.segments(value, orders)
    table = made.tables["segments"]
    pd.testing.assert_frame_equal(table[found.table.columns], found.table)
    rows = rows_of(page, "Segments by value")
    there = found.table[found.table["customers"] > 0]
    assert [row[1] for row in rows] == [str(n) for n in there["customers"]]
    shops = rows_of(page, "Segments by \N{FIRST STRONG ISOLATE}shop")
    assert sorted(row[0] for row in shops) == sorted(SHOPS)


def test_the_worth_of_keeping_is_value_if_active_less_expected_value(made, value):
    everyone = made.tables["customers"]
    gain = everyone["value_if_active"] - everyone["clv"]
    np.testing.assert_allclose(everyone["worth_of_retaining"], gain, atol=1e-9)
    certain = value.index[value["p_alive"] == 1]
    assert (everyone["worth_of_retaining"].loc[certain] == 0).all()
    # An independent way to the value if active: margin * order value * discounted purchases.
    assert everyone["clv"].is_monotonic_decreasing
    assert set(everyone.index) == set(value.index)


def test_a_new_customer_is_worth_what_acquisition_learns_from_the_orders(page, orders):
    found = clv.acquisition(orders, horizon="1Y", **TERMS).whole.iloc[0]
    amounts = [found[name] for name in ("value", "value_lower", "value_upper", "repeat_value")]
    said = page.text("people")
    assert all(Language.of("en").amount(amount, amounts[0]) in said for amount in amounts)


def test_of_given_models_a_new_customer_is_worth_an_order_and_its_forecast(plain):
    nobody = pd.DataFrame({"frequency": [0], "recency": 0.0, "T": 0.0, "monetary_value": 0.0})
    value = clv.forecast(BUYS, SPEND, nobody, horizon="2M", time_unit="W").iloc[0]
    worth = value["expected_spend"] + value["clv"]
    assert Language.of("en").amount(worth, worth) in Page(plain.html).text("people")


def test_the_backtest_is_told(page, orders, made):
    past = clv.backtest(
        orders, cutoffs=["1998-01-06"], horizon="25W", baselines=["simple formula"], replicates=2
    )
    mine = past.customers.xs("BG/NBD", level="model")
    rows = rows_of(page, "Forecast on Jan 6, 1998")
    number = Language.of("en").number
    assert rows[0][1:3] == [number(mine[c].sum(), 0) for c in ("purchases", "predicted_purchases")]
    assert set(made.tables["backtest"]["model"]) == {"BG/NBD", "simple formula"}


def test_every_check_and_every_reason_has_its_words(made):
    for check in made.tables["diagnosis"].index:
        assert words_of(check).title
    assert {*DROPPED_REASONS} == {*DROPPED}
    assert {*NOTED_REASONS} == {*NOTED}


def test_rows_that_were_dropped_are_told_with_their_reasons(page):
    rows = {row[0]: row[1] for row in rows_of(page, "What was read")}
    assert rows["Dropped: the date cannot be read"] == "1"
    assert rows["Dropped: no customer"] == "1"


def test_the_page_is_well_formed(page, made):
    assert page.faults == []
    assert made.html.startswith("<!DOCTYPE html>")
    ids = [e["attrs"]["id"] for e in page.elements if "id" in e["attrs"]]
    assert len(ids) == len(set(ids))
    for name in ("aria-labelledby", "for"):
        for element in page.elements:
            assert {*element["attrs"].get(name, "").split()} <= {*ids}
    targets = [e["attrs"]["href"][1:] for e in page.all("a") if e["attrs"]["href"][0] == "#"]
    assert {*targets} <= {*ids}
    levels = [int(e["tag"][1]) for e in page.elements if re.fullmatch("h[1-6]", e["tag"])]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert max(np.diff(levels)) == 1


def test_names_are_text_everywhere(page, made):
    texts = " ".join(e["text"] for e in page.elements if e["tag"] in ("th", "h1", "p"))
    for name in (*NASTY, *SHOPS, "A & <B>", "<i>EUR</i>"):
        assert name in texts, name
        if "<" in name:
            assert name not in made.html
    assert not page.all("img")
    assert not page.all("b")
    assert not page.all("i")
    assert len(page.all("script")) == 1
    assert not [k for e in page.elements for k in e["attrs"] if k.startswith("on")]
    assert "49" not in [row[0] for row in rows_of(page, "The 50 customers")]


def test_nothing_is_loaded_and_only_its_own_script_and_style_run(page, made):
    (policy,) = [e["attrs"]["content"] for e in page.all("meta") if "http-equiv" in e["attrs"]]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for tag in ("script", "style"):
        (element,) = page.all(tag)
        digest = hashlib.sha256(element["text"].encode()).digest()
        assert f"{tag}-src 'sha256-{base64.b64encode(digest).decode()}'" in policy
    assert not [e for e in page.elements if "style" in e["attrs"]]
    sources = [
        e["attrs"][k]
        for e in page.elements
        for k in ("src", "href", "action", "xlink:href")
        if k in e["attrs"]
    ]
    assert all(s.startswith(("#", "data:application/gzip;base64,")) for s in sources)
    style = page.all("style")[0]["text"]
    assert "url(" not in style
    assert "@import" not in style
    assert "://" not in page.all("script")[0]["text"]


def test_every_chart_is_named_and_has_its_numbers(page):
    charts = page.all("figure")
    assert len(charts) == 6
    for chart in charts:
        (svg,) = page.within(chart, "svg")
        assert svg["attrs"]["role"] == "img"
        title, summary = svg["attrs"]["aria-labelledby"].split()
        assert page.text(title)
        assert page.text(summary)
        (details,) = page.within(chart, "details")
        assert len(page.within(details, "tr")) > 1
        assert page.within(svg, "text")  # letters, not their outlines


def test_charts_take_the_colours_of_the_page(made):
    assert not re.findall(r"#0a0b0\d", made.html)
    assert "var(--first)" in made.html
    assert "prefers-color-scheme: dark" in made.html


def test_tables_can_be_read_aloud_sorted_and_searched(page):
    for table in page.all("table"):
        assert len(page.within(table, "caption")) == 1
        assert all(e["attrs"].get("scope") in ("col", "row") for e in page.within(table, "th"))
    (table,) = page.all("table", id="customers-table")
    assert len(page.within(table, "tr")) == 51
    values = [
        float(page.within(row, "td")[0]["attrs"]["data-value"])
        for row in page.within(table, "tr")[1:]
    ]
    assert values == sorted(values, reverse=True)
    (search,) = page.all("input", type="search")
    assert page.all("label", **{"for": search["attrs"]["id"]})
    assert page.all("p", role="status")


def test_the_download_has_every_customer_and_no_formula(page, made):
    (link,) = [e for e in page.all("a") if "download" in e["attrs"]]
    packed = base64.b64decode(link["attrs"]["href"].partition(",")[2])
    text = gzip.decompress(packed).decode("utf-8-sig")
    head, *rows = csv.reader(io.StringIO(text))
    everyone = made.tables["customers"]
    assert head == ["customer_id", *everyone.columns]
    assert len(rows) == len(everyone)
    assert {"'=1+1", NASTY[0]} <= {row[0] for row in rows}
    at = head.index("clv")
    np.testing.assert_allclose([float(r[at]) for r in rows], everyone["clv"], rtol=1e-5)


def test_the_same_orders_make_the_same_page_and_settings_stay(orders, plain):
    before = dict(rcParams)
    mine = {"font.size": 30.0, "text.usetex": True, "axes.facecolor": "red"}
    with rc_context(mine):
        again = report(orders, **PLAIN)
        assert {name: rcParams[name] for name in mine} == mine
    assert again.html == plain.html
    assert dict(rcParams) == before


def test_models_without_data_and_no_backtest_say_so(plain):
    page = Page(plain.html)
    assert "take the estimates for the truth" in page.text("summary")
    assert "that was switched off" in page.text("trust")
    assert "backtest" not in plain.tables
    assert {row[3] for row in rows_of(page, "Parameters")} == {"\N{EN DASH}"}
    assert not [e for e in page.all("a") if "download" in e["attrs"]]


def test_one_customer_one_order_a_short_log_and_persian():
    log = pd.DataFrame({"customer_id": ["A"], "date": ["2024-01-01"], "amount": [10.0]})
    orders = clv.read_orders(log, until="2024-02-15")
    made = report(orders, lang="fa", horizon="3M", title="", **GIVEN)
    page, persian = Page(made.html), Language.of("fa")
    assert page.faults == []
    assert page.all("html")[0]["attrs"] == {"lang": "fa", "dir": "rtl"}
    assert page.all("h1")[0]["text"]
    value = made.tables["customers"]["clv"].iloc[0]
    assert persian.amount(value, value) in page.text("summary")
    assert persian.gettext(REASONS[NoBacktest.TOO_SHORT]) in page.text("trust")
    months = made.tables["months"].index
    assert [day.day for day in months] == [16, 16, 16]
    assert persian.day(months[1]) in page.text("months")
    with pytest.raises(FitError, match="repeat"):
        report(orders, horizon="3M")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"lang": "de"}, "'fa'"),
        ({"horizon": "2W"}, "month"),
        ({"horizon": "inf"}, "finite"),
        ({"time_unit": "Q"}, "time_unit"),
        ({"level": 1.0}, "level"),
        ({"margin": 30}, "margin"),
        ({"by": "shp"}, "Did you mean 'shop'"),
        ({"top": 0}, "top"),
        ({"top": True}, "top"),
        ({"download": "some"}, "'all'"),
        ({"seed": -1}, "seed"),
        ({"until": "soon"}, "until"),
        ({"until": "1990-01-01"}, "Nobody has bought"),
    ],
)
def test_arguments_that_cannot_be(orders, wrong, said):
    with pytest.raises(DataError, match=said):
        report(orders, **GIVEN | wrong)


def test_only_orders_are_reported_on():
    with pytest.raises(DataError, match="read_orders"):
        report(pd.DataFrame())


def test_saving_is_whole_or_not_at_all(tmp_path, monkeypatch, made):
    made.save(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_bytes() == made.html.encode()
    with pytest.raises(DataError, match="does not exist"):
        made.save(tmp_path / "nowhere" / "report.html")
    broken = Report("page \ud800", "title", {})
    with pytest.raises(UnicodeEncodeError):
        broken.save(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_bytes() == made.html.encode()
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_notebook_shows_it_in_a_frame_of_its_own(made):
    frame = Page(made._repr_html_())
    (element,) = frame.all("iframe")
    assert element["attrs"]["srcdoc"] == made.html
    assert "allow-same-origin" not in element["attrs"]["sandbox"]
    assert "0." in repr(made)
