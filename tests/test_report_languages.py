"""Every word of a report is in every language, written as that language is."""

# ruff: noqa: RUF001 - Armenian stops and native digits are meant

import datetime as dt
import gettext
import math
import re
import subprocess
import sys
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from babel import Locale
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po
from babel.plural import to_gettext

import clvforecast
from clvforecast.errors import DataError
from clvforecast.reporting.languages import CODES, Language, isolate
from clvforecast.wording import format_amount, format_days, format_number, format_share

REPORTING = Path(clvforecast.__file__).parent / "reporting"
TRANSLATED = [code for code in CODES if code != "en"]

PLACEHOLDER = re.compile(r"%\(\w+\)s|%%")
TAG = re.compile(r"</?\w+[^>]*>")
PRODUCTS = re.compile(r"[A-Z][\w/-]*|clvforecast|\b[a-z]\b|\balpha\b")
"""What stays in Latin letters: BG/NBD, CSV, a parameter r."""


def message_parts(text: str | tuple[str, ...] | list[str]) -> list[str]:
    """The forms of a message: one, or its plurals."""
    return [text] if isinstance(text, str) else list(text)


def words(text: str) -> str:
    """A message without its placeholders and tags."""
    return TAG.sub("", PLACEHOLDER.sub("", text))


@pytest.fixture(scope="module")
def extracted(tmp_path_factory) -> Catalog:
    """The messages in the code and the templates, found as `make catalogues` finds them."""
    target = tmp_path_factory.mktemp("messages") / "messages.pot"
    command = [sys.executable, "-m", "babel.messages.frontend", "--quiet", "extract"]
    options = ["-F", str(REPORTING / "catalogues" / "babel.cfg"), "-k", "NN_:1,2"]
    subprocess.run([*command, *options, "-o", str(target), str(REPORTING)], check=True)
    with target.open("rb") as file:
        return read_po(file)


@pytest.fixture(scope="module", params=TRANSLATED)
def catalogue(request) -> Catalog:
    with (REPORTING / "catalogues" / f"{request.param}.po").open("rb") as file:
        return read_po(file, locale=request.param, abort_invalid=True)


@pytest.fixture(scope="module")
def messages(catalogue) -> list[Message]:
    return [message for message in catalogue if message.id]


def test_the_catalogue_has_the_messages_of_the_code_and_no_others(catalogue, extracted):
    """Where this fails: `make catalogues`, then translate what is empty or fuzzy."""
    wanted = {message.id for message in extracted if message.id}
    assert len(wanted) > 100
    assert {message.id for message in catalogue if message.id} == wanted
    assert not catalogue.obsolete


def test_every_message_is_translated(messages):
    for message in messages:
        assert not message.fuzzy, message.id
        assert all(part.strip() for part in message_parts(message.string)), message.id


def test_plural_forms_are_those_of_cldr(catalogue, messages):
    of_cldr = to_gettext(Locale(catalogue.locale.language).plural_form)
    assert catalogue.plural_forms.rstrip("; ") == of_cldr.rstrip("; ")
    for message in messages:
        if message.pluralizable:
            assert len(message_parts(message.string)) == catalogue.num_plurals, message.id


def test_translations_keep_placeholders_and_markup(catalogue, messages):
    for message in messages:
        originals, translations = message_parts(message.id), message_parts(message.string)
        wanted = Counter(PLACEHOLDER.findall(originals[-1]))
        for form, translated in enumerate(translations):
            found = Counter(PLACEHOLDER.findall(translated))
            # "one customer", "two customers" need no number where the form says it.
            spelled = message.pluralizable and catalogue.num_plurals == 6 and form in (1, 2)
            optional = Counter({"%(n)s": 1}) if spelled else Counter()
            assert wanted - optional <= found <= wanted, translated
            assert "%" not in PLACEHOLDER.sub("", translated), translated
            assert Counter(TAG.findall(translated)) == Counter(TAG.findall(originals[-1]))


SCRIPTS = {"fa": "ARABIC", "ar": "ARABIC", "hy": "ARMENIAN"}
FOREIGN = {
    "fa": "يكةىإ" + "٠١٢٣٤٥٦٧٨٩" + ",;?",
    "ar": "یکپچژگ" + "۰۱۲۳۴۵۶۷۸۹" + ",;?",
    "hy": ":;?!" + "،؟",
}
"""Letters and marks that look right on one keyboard and belong to another language."""


def test_translations_are_written_in_their_own_script(catalogue, messages):
    """No letter of another alphabet that looks alike, nor its digits and marks."""
    code = catalogue.locale.language
    for message in messages:
        for translated in map(words, message_parts(message.string)):
            assert not set(translated) & set(FOREIGN[code]), translated
            own = PRODUCTS.sub("", translated)
            for letter in filter(str.isalpha, own):
                assert unicodedata.name(letter).startswith(SCRIPTS[code]), (letter, translated)
            if code != "hy":
                assert not re.search("[0-9]", own), translated


STOPS = {"fa": ".", "ar": ".", "hy": "։"}


def test_sentences_end_as_in_english(catalogue, messages):
    stop = STOPS[catalogue.locale.language]
    for message in messages:
        original = message_parts(message.id)[-1]
        for translated in message_parts(message.string):
            assert original.endswith(".") == translated.endswith(stop), translated
            assert translated == unicodedata.normalize("NFC", translated).strip()
            assert "  " not in translated


def glossary(code: str) -> dict[str, list[str]]:
    """The terms at the head of a catalogue: "# customer = one form | another"."""
    text = (REPORTING / "catalogues" / f"{code}.po").read_text(encoding="utf-8")
    lines = re.findall(r"^# ([\w ()]+) = (.+)$", text.partition("msgid")[0], re.MULTILINE)
    return {term: forms.casefold().split(" | ") for term, forms in lines}


def test_terms_are_translated_by_the_glossary(catalogue, messages):
    terms = glossary(catalogue.locale.language)
    assert len(terms) >= 15
    for term, forms in terms.items():
        pattern = re.compile(rf"\b{re.escape(term)}(?:s|es)?\b", re.IGNORECASE)
        used = 0
        for message in messages:
            if pattern.search(words(message_parts(message.id)[-1])):
                used += 1
                for translated in message_parts(message.string):
                    assert any(form in translated.casefold() for form in forms), (term, translated)
        assert used, f"{term!r} is in no message"


def test_the_languages_there_are():
    assert [Language.of(code).direction for code in CODES] == ["ltr", "rtl", "rtl", "ltr"]
    with pytest.raises(DataError, match=r"written in 'far'.*'en', 'fa', 'ar', 'hy'.*Did you mean"):
        Language.of("far")


@pytest.mark.parametrize("value", [0, 7, -3, 0.1234567, 12.5, 2500315.63, 99999.5, 1e-9, 1e9])
def test_english_numbers_are_those_of_every_table(value):
    english = Language.of("en")
    if abs(value) >= 1e-6 or value == 0:
        assert english.number(value) == format_number(value)
    assert english.amount(value, value) == format_amount(value, value)
    assert english.percent(value / 1e9, decimals=1) == format_share(value / 1e9)


@pytest.mark.parametrize("days", [1, 7, 14, 364, 365.25, 3652.5, 378.4, 30.4375, math.inf])
def test_english_spans_are_those_of_every_table(days):
    assert Language.of("en").span(days) == format_days(days)


def test_numbers_are_written_as_the_language_writes_them():
    """CLDR 47: separators, minus and percent signs, and native digits of each language."""
    persian, arabic, armenian = map(Language.of, TRANSLATED)
    assert persian.number(-1234567.5, 1) == "\u200e−۱٬۲۳۴٬۵۶۷٫۵"
    assert arabic.number(-1234567.5, 1) == "\u061c-١٬٢٣٤٬٥٦٧٫٥"
    assert armenian.number(-1234567.5, 1) == "-1\xa0234\xa0567,5"
    assert persian.percent(-0.125, 1) == "\u200e−۱۲٫۵٪"
    assert arabic.percent(0.125) == "١٢٪\u061c"
    assert armenian.percent(0.125, 1) == "12,5%"
    for language in map(Language.of, CODES):
        assert language.number(math.nan) == language.percent(math.nan) == "–"
        assert language.number(-math.inf).endswith("∞")


def test_dates_are_of_the_gregorian_calendar_in_local_digits():
    date = dt.datetime(1997, 9, 30, 23, 59)
    assert [Language.of(code).day(date) for code in TRANSLATED] == [
        "۳۰ سپتامبر ۱۹۹۷",
        "٣٠ سبتمبر ١٩٩٧",
        "30 սեպ, 1997 թ.",
    ]
    assert [Language.of(code).month(date) for code in TRANSLATED] == [
        "سپتامبر ۱۹۹۷",
        "سبتمبر ١٩٩٧",
        "1997 թ. սեպ",
    ]


@pytest.mark.parametrize(
    ("weeks", "expected"),
    [
        (1, "أسبوع واحد"),
        (2, "أسبوعان"),
        (3, "٣ أسابيع"),
        (11, "١١ أسبوعًا"),
        (100, "١٠٠ أسبوع"),
        (103, "١٠٣ أسابيع"),
    ],
)
def test_arabic_counts_in_six_forms(weeks, expected):
    assert Language.of("ar").span(7 * weeks) == expected


def test_a_name_is_isolated_from_the_direction_around_it():
    assert unicodedata.bidirectional(isolate("x")[0]) == "FSI"
    assert unicodedata.bidirectional(isolate("x")[-1]) == "PDI"
    assert isolate("a\u2069b\u2067") == isolate("ab")


def test_a_language_may_come_from_elsewhere():
    class Shouting(gettext.NullTranslations):
        def gettext(self, message):
            return message.upper().replace("(DAY)S", "(day)s")

    language = Language("hy", Shouting())
    assert language.gettext("until %(day)s", day=language.number(1.5)) == "UNTIL 1,5"
