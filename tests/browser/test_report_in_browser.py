"""The report as people have it: on a desk, a phone and paper, in the dark, by keyboard."""

import gettext
import gzip
import io
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page

import clvforecast as clv
from clvforecast.reporting import building
from clvforecast.reporting.evidence import gather
from clvforecast.reporting.languages import CODES, Language

pytestmark = pytest.mark.xdist_group("browser")

TOP = 40
ATTACK = "<script>window.hacked=1</script>"
NAMES = [ATTACK, "=1+1", '@SUM(A1) & "more"', "-5", "Ñandú GmbH", "شرکت پارس (تهران)", "x" * 60]
"""Of those who ordered most often: markup, formulas, letters with marks, right to left, long."""
PHONE, DESK = 360, 1280
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="module")
def orders() -> clv.Transactions:
    log = clv.datasets.load_cdnow(sample=True).astype({"customer_id": str})
    log = log[log["customer_id"].isin(log["customer_id"].unique()[:400])]
    most = log.groupby("customer_id")["date"].nunique().nlargest(len(NAMES)).index
    return clv.read_orders(log.replace({"customer_id": dict(zip(most, NAMES, strict=True))}))


def mark(part: re.Match[str]) -> str:
    """Put brackets around a part of a message, unless it is to be filled in."""
    return part[1] or f"⟦{part[2]}⟧"


class Marked(gettext.NullTranslations):
    """A language in which every word of a message is in brackets, but not what is filled in."""

    def gettext(self, message: str) -> str:
        return re.sub(r"(%\(\w+\)s)|(.+?)(?=%\(|$)", mark, message, flags=re.DOTALL)

    def ngettext(self, one: str, many: str, n: int) -> str:
        return self.gettext(one if n == 1 else many)


MARKED = Language("fa", Marked())


@pytest.fixture(scope="module")
def reports(orders) -> dict[str, clv.Report]:
    """The report in every language, of one forecast; and two in the marked language."""
    languages = {code: Language.of(code) for code in CODES} | {"marked": MARKED}
    few = clv.read_orders(clv.datasets.load_worked_example())
    given = {
        "purchases": clv.BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426),
        "spend": clv.GammaGamma(p=6.25, q=3.74, v=15.44),
        "margin": 0.3,
        "annual_discount_rate": 0.1,
        "currency": "EUR",
        "backtest": False,
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "gather", cache(lambda orders, **_: gather(orders, **_)))
        patch.setattr(Language, "of", languages.__getitem__)
        return {
            code: clv.report(orders, horizon="26W", lang=code, by="cohort_month", top=TOP)
            for code in languages
        } | {"marked, of few": clv.report(few, lang="marked", by="rfm", download="none", **given)}


@pytest.fixture(scope="module")
def files(reports, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("reports")
    for code, report in reports.items():
        report.save(folder / f"{code}.html")
    return {code: folder / f"{code}.html" for code in reports}


class Visitor:
    """Opens reports without a network, and notes what is asked of one and what is logged."""

    def __init__(self, browser: Browser, files: dict[str, Path]) -> None:
        self.browser, self.files = browser, files
        self.contexts: list[BrowserContext] = []
        self.problems: list[str] = []

    def __call__(self, code: str = "en", **options) -> Page:
        size = {"width": DESK, "height": 800}
        context = self.browser.new_context(viewport=size, offline=True, **options)
        context.set_default_timeout(10_000)
        self.contexts.append(context)
        note = self.problems.append
        context.on("console", lambda said: note(f"{said.type}: {said.text}"))
        context.on("weberror", lambda error: note(str(error.error)))
        own = self.files[code].as_uri()
        context.on(
            "request", lambda made: made.url.startswith((own, "blob:")) or note(made.url[:200])
        )
        page = context.new_page()
        page.goto(own)
        return page

    def leave(self) -> None:
        for context in self.contexts:
            context.close()
        assert not self.problems


@pytest.fixture
def visit(browser: Browser, files: dict[str, Path]) -> Iterator[Visitor]:
    """Open a report, to do with it what one likes."""
    visitor = Visitor(browser, files)
    yield visitor
    visitor.leave()


@pytest.fixture(scope="module")
def opened(browser: Browser, files: dict[str, Path]) -> Iterator[Callable[[str], Page]]:
    """A report that is open already, to look at."""
    visitor = Visitor(browser, files)
    yield cache(visitor)
    visitor.leave()


def names(page: Page) -> list[str]:
    """The customers that are shown, from top to bottom."""
    rows = page.locator("#customers-table tbody tr:visible th")
    return rows.all_text_contents()


@pytest.mark.parametrize("code", CODES)
def test_it_opens_by_itself(opened, reports, code):
    page = opened(code)
    assert page.title() == reports[code].title
    assert page.locator("html").get_attribute("lang") == code
    assert page.locator("html").get_attribute("dir") == Language.of(code).direction
    assert page.locator("svg").count() >= 4
    assert page.locator("table").count() >= 8


def test_a_customer_is_text_and_never_markup(opened):
    page = opened("en")
    assert set(NAMES) <= set(names(page))
    assert page.evaluate("window.hacked") is None
    assert page.locator("script").count() == 1


def test_no_script_may_run_but_the_page_s_own(visit):
    """Were a name not escaped, the page's policy would still stop it."""
    page = visit()
    page.evaluate(
        """() => new Promise((done) => {
            document.addEventListener("securitypolicyviolation", done, { once: true });
            const script = document.createElement("script");
            script.textContent = "window.hacked = 1";
            document.body.append(script);
        })"""
    )
    assert page.evaluate("window.hacked") is None
    assert "Content Security Policy" in visit.problems.pop()


SORTED_BY = {
    1: "clv",
    2: "clv_lower",
    3: "expected_purchases",
    4: "p_alive",
    6: "past_value",
    7: "orders",
    8: "last_order",
}
"""Columns of the page, and what they are in the table that the page was made of."""


def test_every_column_sorts_both_ways(visit, reports):
    page = visit()
    table = reports["en"].tables["customers"]
    heads = page.locator("#customers-table thead th")
    for column in range(heads.count()):
        orders = []
        for _click in range(2):
            heads.nth(column).get_by_role("button").click()
            sorting = heads.evaluate_all("heads => heads.map(h => h.getAttribute('aria-sort'))")
            assert [k for k, said in enumerate(sorting) if said] == [column]
            orders.append((sorting[column], names(page)))
        assert {direction for direction, _ in orders} == {"ascending", "descending"}
        for direction, shown in orders:
            assert len(shown) == TOP
            if column in SORTED_BY:
                values = table.loc[shown, SORTED_BY[column]]
                assert (
                    values.is_monotonic_increasing
                    if direction == "ascending"
                    else values.is_monotonic_decreasing
                ), column
    heads.nth(0).get_by_role("button").click()
    numbered = [name for name in names(page) if re.fullmatch(r"\d+", name)]
    assert numbered == sorted(numbered)


def test_searching_shows_who_matches(visit):
    page = visit()
    search, count = page.get_by_role("searchbox"), page.get_by_role("status")
    assert count.text_content() == f"{TOP} of {TOP} rows shown"
    for typed, found in [
        ("ñandú gmbh", ["Ñandú GmbH"]),
        ("NANDU", ["Ñandú GmbH"]),
        ("(تهران", ["شرکت پارس (تهران)"]),
        ("<script>", [ATTACK]),
        ("nobody has this name", []),
    ]:
        search.fill(typed)
        assert names(page) == found
        assert count.text_content() == f"{len(found)} of {TOP} rows shown"
    search.fill("")
    assert len(names(page)) == TOP


@pytest.mark.parametrize("code", ["fa", "ar"])
def test_numbers_are_in_local_digits(opened, code):
    page, language = opened(code), Language.of(code)
    name = next(filter(str.isdigit, names(page)))
    page.get_by_role("searchbox").fill("".join(language.number(int(digit)) for digit in name))
    found, said = names(page), page.get_by_role("status").text_content()
    page.get_by_role("searchbox").fill("")
    assert found == [name]
    assert {language.number(1), language.number(TOP)} <= set(said.split())
    for cells in ("td.number", "dd.value", "svg text"):
        written = "".join(page.locator(cells).all_text_contents())
        assert re.search(r"\d", written)
        assert not re.search("[0-9]", written), cells


ALL_TEXT = """() => {
    const found = [document.title];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        if (!walker.currentNode.parentElement.closest("script, style, bdi"))
            found.push(walker.currentNode.data);
    }
    for (const name of ["aria-label", "title", "alt", "placeholder"])
        for (const element of document.querySelectorAll(`[${name}]`))
            found.push(element.getAttribute(name));
    return found;
}"""
"""What is read on the page, and by a screen reader, without the names that the data brought."""


@pytest.mark.parametrize("code", ["marked", "marked, of few"])
def test_every_word_is_translated(opened, code):
    """Outside the brackets are names, and numbers and months in Persian."""
    page = opened(code)
    text = "\n".join(page.evaluate(ALL_TEXT))
    assert text.count("⟦") == text.count("⟧") > 200
    bare = re.sub(r"⟦[^⟦⟧]*⟧|\u2068[^\u2069]*\u2069", "", text)
    assert re.findall(r"[^\s]*[A-Za-z0-9⟦⟧][^\s]*", bare) == []


def test_it_needs_no_mouse(visit):
    page = visit()
    page.keyboard.press("Tab")
    skip = page.locator(":focus")
    assert skip.bounding_box()["y"] >= 0
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.closest('main') !== null")
    head = page.locator("#customers-table thead th").nth(6)
    for _press in range(200):
        page.keyboard.press("Tab")
        if head.locator(":focus").count():
            break
    outline = page.locator(":focus").evaluate("e => getComputedStyle(e).outlineStyle")
    assert outline != "none"
    before = names(page)
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert names(page) != before
    page.keyboard.press("Space")
    assert head.get_attribute("aria-sort") == "ascending"


def check_csv(text: str, table: pd.DataFrame) -> None:
    """It holds all customers, and a spreadsheet reads no cell as a formula."""
    read = pd.read_csv(io.StringIO(text), dtype=str)
    assert len(read) == len(table) == 400
    for column in read:
        for cell in read[column].dropna():
            is_number = re.fullmatch(r"-?\d+(\.\d+)?(e[+-]\d+)?", cell)
            assert is_number or not cell.startswith(("=", "+", "-", "@", "\t", "\r")), cell
    assert {name.lstrip("'") for name in read["customer_id"]} == set(table.index)


def test_the_download_has_everybody(visit, reports):
    page = visit()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "customers.csv"
    text = download.value.path().read_text(encoding="utf-8-sig")
    check_csv(text, reports["en"].tables["customers"])


def test_it_can_be_read_without_script(visit, reports):
    page = visit(java_script_enabled=False)
    assert len(names(page)) == TOP
    assert page.get_by_role("searchbox").count() == 0
    assert page.get_by_role("button").count() == 0
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    text = gzip.decompress(download.value.path().read_bytes()).decode("utf-8-sig")
    check_csv(text, reports["en"].tables["customers"])


OPEN_ALL = "for (const one of document.querySelectorAll('details')) one.open = true"

TEXTS = """() => Array.from(document.querySelectorAll("svg"), (svg) => {
    const size = (box) => [box.left, box.top, box.right, box.bottom];
    const texts = Array.from(svg.querySelectorAll("text"));
    return { name: svg.closest("figure").id, box: size(svg.getBoundingClientRect()),
             texts: texts.map((t) => [t.textContent, ...size(t.getBoundingClientRect())]) };
})"""


@pytest.mark.parametrize("code", CODES)
def test_nothing_overflows(opened, code):
    """Not the page, nor the text of a picture, which also keeps clear of other text."""
    page = opened(code)
    page.evaluate(OPEN_ALL)
    for width in (PHONE, DESK):
        page.set_viewport_size({"width": width, "height": 800})
        wide, room = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= room == width
        for picture in page.evaluate(TEXTS):
            check_picture(**picture)


def check_picture(name: str, box: list[float], texts: list[list]) -> None:
    assert texts
    for k, (text, left, top, right, bottom) in enumerate(texts):
        assert box[0] - 1 <= left <= right <= box[2] + 1, (name, text)
        assert box[1] - 1 <= top <= bottom <= box[3] + 1, (name, text)
        for other, left2, top2, right2, bottom2 in texts[:k]:
            beside = right <= left2 or right2 <= left
            assert beside or bottom <= top2 + 2 or bottom2 <= top + 2, (name, text, other)


PLACES = """(cell) => {
    const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    const places = [];
    while (walker.nextNode()) {
        const node = walker.currentNode;
        for (let k = 0; k < node.length; k++) {
            const range = document.createRange();
            range.setStart(node, k);
            range.setEnd(node, k + 1);
            places.push([node.data[k], range.getBoundingClientRect().left]);
        }
    }
    return places;
}"""
"""Every character of a cell, and where it is from the left."""


@pytest.mark.parametrize("code", ["fa", "ar"])
def test_it_reads_from_the_right(opened, code):
    page = opened(code)
    first, second = page.locator("#customers-table thead th").all()[:2]
    assert first.bounding_box()["x"] > second.bounding_box()["x"]
    limits = page.locator("#customers-table tbody tr").first.locator("td").nth(1)
    digits = [(mark, x) for mark, x in limits.evaluate(PLACES) if mark.isdigit()]
    # "from 12 to 345": the lower limit is on the right, and no number is turned round.
    split = max(range(1, len(digits)), key=lambda k: digits[k - 1][1] - digits[k][1])
    lower, upper = digits[:split], digits[split:]
    assert min(x for _, x in lower) > max(x for _, x in upper)
    for number in (lower, upper):
        assert [x for _, x in number] == sorted(x for _, x in number)


@pytest.mark.parametrize("code", CODES)
def test_a_name_keeps_its_own_direction(opened, code):
    """ "-5" does not become "5-", nor does "(تهران)" lose a bracket to the other side."""
    page = opened(code)
    for name in ("-5", "=1+1", "Ñandú GmbH", "شرکت پارس (تهران)"):
        cell = page.locator("#customers-table tbody th").get_by_text(name, exact=True)
        places = [x for mark, x in cell.evaluate(PLACES) if not mark.isspace()]
        is_persian = name.startswith("ش")
        assert (places[0] > places[-1]) == is_persian, name


def luminance(page: Page) -> float:
    """Of the paper, from 0 (black) to 1 (white)."""
    said = page.locator("body").evaluate("e => getComputedStyle(e).backgroundColor")
    return sum(map(int, re.findall(r"\d+", said)[:3])) / 765


@pytest.mark.parametrize(("code", "scheme"), [("en", "light"), ("fa", "dark")])
def test_it_is_accessible(visit, code, scheme):
    """No violation of WCAG 2.2 A or AA that axe can find, contrast included."""
    page = visit(code, color_scheme=scheme)
    assert (luminance(page) < 0.2) == (scheme == "dark")
    page.evaluate(OPEN_ALL)
    options = {"runOnly": WCAG, "resultTypes": ["violations"]}
    # A table of many rows is judged by a few of them, and the contrast of each cell takes long.
    context = {"exclude": ["tbody tr:nth-child(n + 5)"]}
    found = Axe().run(page, context=context, options=options)
    assert found.violations_count == 0, found.generate_report()


def test_it_prints(visit):
    page = visit(color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    for control in ("nav", ".tools", ".download", ".skip", "summary"):
        assert not page.locator(control).first.is_visible(), control
    assert page.locator("#customers-table tbody tr").first.is_visible()
    ink = page.locator("body").evaluate("e => getComputedStyle(e).color")
    assert max(map(int, re.findall(r"\d+", ink)[:3])) < 80
    printed = page.pdf(format="A4")
    assert printed.startswith(b"%PDF")
    assert 3 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 30


def test_a_notebook_shows_it(visit, reports):
    """In a frame that may not touch the notebook around it."""
    page = visit()
    page.set_content(f"<title>Notebook</title>{reports['en']._repr_html_()}")
    frame = page.frame_locator("iframe")
    frame.get_by_role("searchbox").fill("gmbh")
    assert frame.get_by_role("status").text_content() == f"1 of {TOP} rows shown"
    assert page.title() == "Notebook"
