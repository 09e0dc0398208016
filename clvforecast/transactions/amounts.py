"""Any amount column -> float64, strictly: what is not a number becomes NULL and is counted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from clvforecast.errors import DataError

if TYPE_CHECKING:
    import ibis

__all__ = ["LARGEST", "AmountColumn"]

#: Beyond it an amount counts as not finite; a comparison is the one test every engine has.
LARGEST: Final = 1e300
_NOT_FINITE: Final = "^[+-]?(?:[nN][aA][nN]|[iI][nN][fF](?:[iI][nN][iI][tT][yY])?)$"


@dataclass(frozen=True)
class AmountColumn:
    """How to read one column of amounts.

    Parameters
    ----------
    name : str
        The column.
    label : str
        What messages call it: its name in the source.
    dtype : ibis.DataType
        Its type as the engine declares it.
    loose : bool
        The engine stores anything in any column (SQLite): numbers count, text is parsed.
    decimal, thousands : str, str or None
        The decimal mark and the mark between groups of three digits, in text.
    """

    name: str
    label: str
    dtype: Any
    loose: bool
    decimal: str
    thousands: str | None

    def __post_init__(self) -> None:
        if self.decimal not in {".", ","}:
            raise DataError(f"decimal={self.decimal!r} must be '.' or ','.")
        if self.thousands is not None and (
            len(self.thousands) != 1 or self.thousands == self.decimal or self.thousands in "+-eE"
            or self.thousands.isdigit()
        ):  # fmt: skip
            raise DataError(
                f"thousands={self.thousands!r} must be one character other than the decimal mark "
                f"{self.decimal!r}, such as ',' or ' '."
            )
        if not (self.loose or self.dtype.is_numeric() or self.dtype.is_string()) or (
            self.dtype.is_boolean()
        ):
            raise DataError(
                f"The amount column {self.label!r} has the type {self.dtype}, which is not a "
                "number. Name the column that holds the amounts."
            )

    @property
    def is_text(self) -> bool:
        """Whether values are read as text."""
        return bool(self.loose or self.dtype.is_string())

    def text(self, table: ibis.Table) -> Any:
        """Take the values as trimmed text."""
        return table[self.name].cast("string").strip()

    def is_missing(self, table: ibis.Table) -> Any:
        """Say whether there is no amount, or one that is not finite."""
        value = table[self.name]
        if not self.is_text:
            return value.isnull() | ~value.cast("float64").between(-LARGEST, LARGEST)
        text = self.text(table)
        missing = value.isnull() | (text == "") | text.re_search(_NOT_FINITE)
        if self.loose:
            return missing | (
                self._is_number(table) & ~self._number(table).between(-LARGEST, LARGEST)
            )
        return missing

    def parse(self, table: ibis.Table) -> Any:
        """Express the amount, NULL where there is none that can be read."""
        import ibis

        nothing = ibis.null("float64")
        number = table[self.name].cast("float64")
        number = ibis.ifelse(number.between(-LARGEST, LARGEST), number, nothing)
        if not self.is_text:
            return number
        text = self.text(table)
        digits = ibis.ifelse(text.re_search(self._pattern()), text, ibis.null("string"))
        if self.thousands is not None:
            digits = digits.replace(self.thousands, "")
        if self.decimal == ",":
            digits = digits.replace(",", ".")
        parsed = digits.cast("float64")
        return ibis.ifelse(self._is_number(table), number, parsed) if self.loose else parsed

    def _is_number(self, table: ibis.Table) -> Any:
        """Say whether SQLite holds a number here, whatever the column was declared as."""
        return table[self.name].typeof().isin(["real", "integer"])

    def _number(self, table: ibis.Table) -> Any:
        return table[self.name].cast("float64")

    def _pattern(self) -> str:
        """Spell out a number, at most as long as a double can hold."""
        mark = re.escape(self.decimal)
        whole = "[0-9]{1,200}"
        if self.thousands is not None:
            group = re.escape(self.thousands)
            whole = f"(?:[0-9]{{1,3}}(?:{group}[0-9]{{3}}){{1,30}}|{whole})"
        number = f"(?:{whole}(?:{mark}[0-9]{{0,200}})?|{mark}[0-9]{{1,200}})"
        return f"^[+-]?{number}(?:[eE][+-]?[0-9]{{1,2}})?$"
