r"""How dates are written, as regular expressions that every engine reads alike.

Only days that exist match: the lengths of the months and the leap years are in the expression,
because engines differ in what they make of a 30th of February (an error, NULL, the 1st of March).
Never ``\\d``, which in some engines means the digits of any script.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from clvforecast.errors import DataError

__all__ = ["DAY", "ISO", "ISO_ZONED", "LOOKS_ZONED", "MONTHS", "ZONE", "FormatPattern"]

MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june", "july", "august"),
    *("september", "october", "november", "december"),
)


def _day(mark: str) -> str:
    """Match every day of the calendar, its parts joined by `mark`."""
    leap_year = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)"
    long = f"(?:0[13578]|1[02]){mark}(?:0[1-9]|[12][0-9]|3[01])"
    short = f"(?:0[469]|11){mark}(?:0[1-9]|[12][0-9]|30)"
    february = f"02{mark}(?:0[1-9]|1[0-9]|2[0-8])"
    return f"(?:[0-9]{{4}}{mark}(?:{long}|{short}|{february})|{leap_year}{mark}02{mark}29)"


_CLOCK: Final = "(?:[01][0-9]|2[0-3]):[0-5][0-9](?::(?:[0-5][0-9]|60)(?:[.,][0-9]{1,9})?)?"
ZONE: Final = "(?:[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)"

#: A whole day, YYYY-MM-DD.
DAY: Final = f"^{_day('-')}$"
#: A day, a day without marks, or a timestamp without a zone.
ISO: Final = f"^(?:{_day('')}|{_day('-')}(?:[Tt ]{_CLOCK})?)$"
#: A timestamp with a zone.
ISO_ZONED: Final = f"^{_day('-')}[Tt ]{_CLOCK} ?{ZONE}$"
#: Whatever the date is, a time of day and a zone follow it.
LOOKS_ZONED: Final = f"^.*[^0-9]{_CLOCK} ?{ZONE}$"

_SHORTHANDS: Final = {"F": "%Y-%m-%d", "T": "%H:%M:%S", "R": "%H:%M", "D": "%m/%d/%y"}
# One or two digits, as `datetime.strptime` reads them.
_DIRECTIVES: Final = {
    "Y": "[0-9]{4}",
    "y": "[0-9]{2}",
    "m": "1[0-2]|0?[1-9]",
    "d": "3[01]|[12][0-9]|0?[1-9]",
    "b": "|".join(name[:3] for name in MONTHS),
    "B": "|".join(MONTHS),
    "H": "2[0-3]|[01]?[0-9]",
    "I": "1[0-2]|0?[1-9]",
    "M": "[0-5]?[0-9]",
    "S": "60|[0-5]?[0-9]",
    "f": "[0-9]{1,9}",
    "p": "am|pm",
    "z": ZONE,
}


@dataclass(frozen=True)
class FormatPattern:
    """A `date_format`, compiled.

    Attributes
    ----------
    parts : dict of str to str
        For each directive, an expression that matches the whole text, in lower case, and captures
        that directive alone.
    """

    parts: dict[str, str]

    @classmethod
    def of(cls, date_format: str) -> FormatPattern:
        """Compile a format as in ``strftime``.

        Raises
        ------
        DataError
            If it has a directive that cannot be read, or does not make up one date.

        Examples
        --------
        >>> sorted(FormatPattern.of("%d/%m/%Y").parts)
        ['Y', 'd', 'm']
        """
        written = date_format
        for short, long in _SHORTHANDS.items():
            date_format = date_format.replace(f"%{short}", long)
        pieces: list[tuple[str, str]] = []
        for directive, space, literal in re.findall(r"%-?(.)|(\s+)|([^%])", date_format):
            if directive in _DIRECTIVES:
                pieces.append((directive, _DIRECTIVES[directive]))
            elif directive and directive != "%":
                raise DataError(
                    f"date_format={written!r} uses '%{directive}', which cannot be read. "
                    f"Use {', '.join('%' + known for known in _DIRECTIVES)}."
                )
            else:
                pieces.append(("", " +" if space else re.escape((literal or "%").lower())))
        names = [name for name, _ in pieces if name]
        once = len(set(names)) == len(names)
        if not once or any(len(group & set(names)) != 1 for group in ({*"Yy"}, {*"mbB"}, {"d"})):
            raise DataError(
                f"date_format={written!r} must name the year (%Y or %y), the month (%m, %b or %B) "
                "and the day (%d) once each, such as '%d/%m/%Y'."
            )
        if "z" in names and not {"H", "I"} & set(names):
            raise DataError(f"date_format={written!r} has a zone (%z) but no time of day (%H).")

        def capturing(captured: str) -> str:
            return "".join(
                pattern if not name else f"({pattern})" if name == captured else f"(?:{pattern})"
                for name, pattern in pieces
            )

        return cls({name: f"^{capturing(name)}$" for name in names})
