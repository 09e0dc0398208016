"""Numbers and spans of time as a reader wants to see them."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable
from typing import Final

from clvforecast.units import DAYS_PER_YEAR, check_time_unit, days_per

__all__ = [
    "format_amount",
    "format_days",
    "format_number",
    "format_share",
    "format_span",
    "say_certain",
    "wrapped",
]

_SPANS: Final = (("year", DAYS_PER_YEAR), ("month", days_per("M")), ("week", days_per("W")))


def format_number(value: float) -> str:
    """Write a number with six significant digits, or whole and grouped when it is large.

    >>> format_number(2.643333333), format_number(218.4), format_number(2500315.63)
    ('2.64333', '218.4', '2,500,316')
    """
    return f"{value:,.0f}" if abs(value) >= 100_000 else f"{value:,.6g}"


def format_amount(value: float, scale: float) -> str:
    """Write an amount of money with the decimals that matter beside amounts as large as `scale`.

    >>> format_amount(7e-15, 4368.47), format_amount(4368.47, 4368.47), format_amount(5.7234, 5.8)
    ('0', '4,368', '5.72')
    """
    scale = abs(scale)
    decimals = 0 if scale == 0 else min(max(2 - math.floor(math.log10(scale)), 0), 12)
    return f"{value:,.{decimals}f}"


def format_days(days: float) -> str:
    """Write a number of days in the largest unit that divides it.

    >>> format_days(728), format_days(7), format_days(365.25), format_days(378.4)
    ('104 weeks', '1 week', '1 year', '378.4 days')
    """
    if math.isinf(days):
        return "a whole lifetime"
    for name, length in _SPANS:
        count = days / length
        if count >= 1 and math.isclose(count, round(count), rel_tol=1e-9):
            return f"{round(count):,} {name}{'' if round(count) == 1 else 's'}"
    return f"{days:,.1f} days" if days % 1 else f"{days:,.0f} day{'' if days == 1 else 's'}"


def format_span(length: float, time_unit: str | None) -> str:
    """Write a length of time that is counted in a unit, or in one that nobody has named.

    >>> format_span(52, "W"), format_span(3, None), format_span(math.inf, None)
    ('52 weeks', '3 time units', 'a whole lifetime')
    """
    if time_unit is None and math.isfinite(length):
        return f"{format_number(length)} time units"
    return format_days(
        length * (1.0 if time_unit is None else days_per(check_time_unit(time_unit)))
    )


def say_certain(customers: int) -> str:
    """Say why so many customers are alive for certain.

    >>> say_certain(1686)[:39]
    '1,686 customers have P(alive) = 1: mode'
    """
    return (
        f"{customers:,} customers have P(alive) = 1: models such as BG/NBD give it to everyone who "
        "has bought once only."
    )


def format_share(share: float) -> str:
    """Write a share as a percentage.

    >>> format_share(0.0741), format_share(0.4)
    ('7.4%', '40.0%')
    """
    return f"{share:.1%}"


def wrapped(lines: Iterable[str], width: int = 100) -> list[str]:
    r"""Break long lines between words, and indent what continues.

    >>> wrapped(["short", "a line that is too long"], width=16)
    ['short', 'a line that is\n  too long']
    """
    return [textwrap.fill(line, width, subsequent_indent="  ") for line in lines]
