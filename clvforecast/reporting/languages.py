"""The languages of a report: words from catalogues, numbers and dates from Unicode's CLDR."""

from __future__ import annotations

import datetime as dt
import gettext
import io
import math
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import resources
from typing import TYPE_CHECKING, Final, Literal

from clvforecast.errors import DataError, suggest
from clvforecast.units import DAYS_PER_YEAR, days_per

if TYPE_CHECKING:
    from babel import Locale

__all__ = ["CODES", "NN_", "N_", "Language", "isolate"]

CODES: Final = ("en", "fa", "ar", "hy")
"""English (the text in the code), and the catalogues: Persian, Arabic, Armenian."""

_ZEROS: Final = {
    "latn": "0",
    "arab": "\N{ARABIC-INDIC DIGIT ZERO}",
    "arabext": "\N{EXTENDED ARABIC-INDIC DIGIT ZERO}",
}
"""Digit zero of each numbering system of CLDR in use; the other nine follow it."""
_ISOLATES: Final = dict.fromkeys(range(0x2066, 0x206A))
_UNKNOWN: Final = "\N{EN DASH}"


def N_(message: str) -> str:
    """Mark a message for the catalogues that is looked up elsewhere.

    >>> N_("Forecast")
    'Forecast'
    """
    return message


def NN_(one: str, many: str) -> tuple[str, str]:
    """Mark a message that counts, and is looked up elsewhere: ``ngettext(*NN_(...), n)``."""
    return one, many


def isolate(text: str) -> str:
    r"""Keep a name in its own writing direction, whatever surrounds it.

    Without it, the customer "-5" would be shown as "5-" in a Persian sentence. In HTML, ``<bdi>``
    does the same. Isolates of the name's own would end this one, and are left out. See Unicode
    Standard Annex 9, "Explicit directional isolates".

    >>> isolate("-5")
    '\u2068-5\u2069'
    """
    return f"\N{FIRST STRONG ISOLATE}{text.translate(_ISOLATES)}\N{POP DIRECTIONAL ISOLATE}"


# Not by CLDR's patterns for units: in Babel 2.18 those of Persian and Arabic are incomplete.
_SPANS: Final = (
    (DAYS_PER_YEAR, *NN_("%(n)s year", "%(n)s years")),
    (days_per("M"), *NN_("%(n)s month", "%(n)s months")),
    (days_per("W"), *NN_("%(n)s week", "%(n)s weeks")),
)


@dataclass(frozen=True)
class Language:
    """A language in which a report is written.

    Its words come from a gettext catalogue, its digits, separators, plurals and names of months
    from CLDR, in the language's native numbering system: Persian digits in Persian,
    Arabic-Indic digits in Arabic, 0 to 9 in Armenian. Dates are of the Gregorian calendar.

    Attributes
    ----------
    code : str
        "en", "fa", "ar" or "hy"; the `lang` of the page.
    translations : gettext.NullTranslations
        What the messages are looked up in; for ``Environment.install_gettext_translations`` of
        Jinja2 too.

    Examples
    --------
    >>> english, arabic = Language.of("en"), Language.of("ar")
    >>> english.number(2500315.63), arabic.number(2500315.63), arabic.direction
    ('2,500,316', '٢٬٥٠٠٬٣١٦', 'rtl')
    >>> [Language.of(code).span(364) for code in CODES]
    ['52 weeks', '۵۲ هفته', '٥٢ أسبوعًا', '52 շաբաթ']
    """

    code: str
    translations: gettext.NullTranslations = field(
        default_factory=gettext.NullTranslations, repr=False, compare=False
    )

    @staticmethod
    def of(code: str) -> Language:
        """Return the language of a code, or raise `DataError` with those there are.

        >>> Language.of("fa").name
        'فارسی'
        """
        if code not in CODES:
            raise DataError(f"No report can be written in {code!r}. {suggest(str(code), CODES)}")
        return _language(code)

    @property
    def direction(self) -> Literal["ltr", "rtl"]:
        """Which way the page reads: "ltr" or "rtl"."""
        return "rtl" if self._locale.text_direction == "rtl" else "ltr"

    @property
    def name(self) -> str:
        """What the language calls itself."""
        return str(self._locale.get_language_name(self.code))

    def gettext(self, message: str, **values: object) -> str:
        """Translate a message, and fill its ``%(name)s``; a percent sign of its own is ``%%``."""
        return self.translations.gettext(message) % values

    def ngettext(self, one: str, many: str, n: float, **values: object) -> str:
        """Translate a message that counts: `n` chooses the plural form, and fills ``%(n)s``.

        >>> Language.of("en").ngettext("%(n)s customer", "%(n)s customers", 2357)
        '2,357 customers'
        """
        text = self.translations.ngettext(one, many, math.ceil(n))
        return text % {"n": self.number(n), **values}

    def number(self, value: float, decimals: int | None = None) -> str:
        r"""Write a number; without `decimals` as `wording.format_number` does.

        A number that is not known (NaN) is a dash.

        >>> Language.of("fa").number(-218.4), Language.of("hy").number(1234.5, decimals=2)
        ('\u200e−۲۱۸٫۴', '1\xa0234,50')
        """
        if decimals is None:
            whole = value == 0 or not math.isfinite(value) or abs(value) >= 100_000
            decimals = 0 if whole else min(max(5 - math.floor(math.log10(abs(value))), 0), 12)
            pattern = "#,##0." + "#" * decimals if decimals else "#,##0"
        else:
            pattern = "#,##0." + "0" * decimals if decimals else "#,##0"
        return self._formatted(value, pattern)

    def amount(self, value: float, scale: float) -> str:
        """Write an amount of money with the decimals that matter beside amounts like `scale`.

        >>> Language.of("en").amount(4368.47, 4368.47), Language.of("fa").amount(5.7234, 5.8)
        ('4,368', '۵٫۷۲')
        """
        scale = abs(scale)
        known = scale > 0 and math.isfinite(scale)
        decimals = min(max(2 - math.floor(math.log10(scale)), 0), 12) if known else 0
        return self.number(value, decimals)

    def percent(self, share: float, decimals: int = 0) -> str:
        """Write a share as a percentage.

        >>> Language.of("en").percent(0.0741, decimals=1), Language.of("fa").percent(0.4)
        ('7.4%', '۴۰٪')
        """
        return self._formatted(share, "#,##0." + "0" * decimals + "%" if decimals else "#,##0%")

    def day(self, date: dt.date) -> str:
        """Write a date.

        >>> [Language.of(code).day(dt.date(1997, 9, 30)) for code in CODES]
        ['Sep 30, 1997', '۳۰ سپتامبر ۱۹۹۷', '٣٠ سبتمبر ١٩٩٧', '30 սեպ, 1997 թ.']
        """
        return self._date(date, "yMMMd")

    def month(self, date: dt.date) -> str:
        """Write the month of a date.

        >>> Language.of("en").month(dt.date(1997, 9, 30))
        'Sep 1997'
        """
        return self._date(date, "yMMM")

    def span(self, days: float) -> str:
        """Write a number of days in the largest unit that divides it.

        >>> english = Language.of("en")
        >>> english.span(728), english.span(7), english.span(365.25), english.span(378.4)
        ('104 weeks', '1 week', '1 year', '378.4 days')
        >>> Language.of("ar").span(14), english.span(math.inf)
        ('أسبوعان', 'a whole lifetime')
        """
        if math.isinf(days):
            return self.gettext("a whole lifetime")
        for length, one, many in _SPANS:
            count = round(days / length)
            if count >= 1 and math.isclose(days / length, count, rel_tol=1e-9):
                return self.ngettext(one, many, count)
        return self.ngettext("%(n)s day", "%(n)s days", round(days, 1))

    @cached_property
    def _locale(self) -> Locale:
        from babel import Locale

        return Locale(self.code)

    @cached_property
    def _digits(self) -> str:
        """The native numbering system, by its name in CLDR."""
        return str(self._locale.other_numbering_systems["native"])

    @cached_property
    def _signs(self) -> dict[int, str]:
        """What Babel leaves of a number as in English: digits, minus and percent sign."""
        symbols = self._locale.number_symbols[self._digits]
        zero = ord(_ZEROS[self._digits])
        digits = {str(digit): chr(zero + digit) for digit in range(10)}
        return str.maketrans({"-": symbols["minusSign"], "%": symbols["percentSign"], **digits})

    def _formatted(self, value: float, pattern: str) -> str:
        from babel.numbers import format_decimal, format_percent

        if math.isnan(value):
            return _UNKNOWN
        if math.isinf(value):
            text = "-∞" if value < 0 else "∞"
        else:
            write = format_percent if pattern.endswith("%") else format_decimal
            text = write(float(value), pattern, locale=self._locale, numbering_system=self._digits)
        return text.translate(self._signs)

    def _date(self, date: dt.date, skeleton: str) -> str:
        from babel.dates import format_skeleton

        text = format_skeleton(skeleton, dt.date(date.year, date.month, date.day), locale=self.code)
        return str(text.translate(self._signs))


@cache
def _language(code: str) -> Language:
    return Language(code, _catalogue(code)) if code != "en" else Language(code)


def _catalogue(code: str) -> gettext.NullTranslations:
    """Compile a catalogue in memory: the .po files are the only ones there are."""
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    home = resources.files("clvforecast.reporting") / "catalogues" / f"{code}.po"
    catalogue = read_po(io.BytesIO(home.read_bytes()), locale=code, abort_invalid=True)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)
