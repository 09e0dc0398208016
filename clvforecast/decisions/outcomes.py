"""`WhatIf`: what customers are worth when levers are moved."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from clvforecast.documents import plain, records
from clvforecast.wording import format_amount, format_number, format_span, wrapped

__all__ = ["TOGETHER", "WhatIf"]

TOGETHER: Final = "together"
_METHODS: Final = {"forecast": "forecast", "simple_formula": "simple formula"}
_MOST_ROWS: Final = 20


@dataclass(frozen=True, eq=False, repr=False)
class WhatIf:
    """What customers are worth when levers are moved. Made by `what_if`; printing it reports.

    Attributes
    ----------
    table : pandas.DataFrame
        Indexed by `method` ("forecast", and "simple_formula" where `past` was given) and `lever`
        (with several, "together" is all of them at once), with

        - `change`: the share the lever is moved by,
        - `before`, `after`: value of all customers, in money,
        - `opposite`: that value if the lever is moved as far the other way; NaN where it cannot be,
        - `difference`: after - before,
        - `relative_difference`: difference / before,
        - `elasticity`: relative_difference / change, so that 1 is as many percent of value as of
          the lever. NaN of "together" and of a change of 0.
    segments : pandas.DataFrame or None
        With ``by=``, the same per segment, which is the outer index.
    notes : tuple of str
        What a reader must know: which levers are left out, and why the two methods disagree.
    attrs : dict
        `customers`, `time_unit`, `horizon` (in that unit), `annual_discount_rate`, `margin` and
        `until`.
    """

    table: pd.DataFrame
    segments: pd.DataFrame | None
    notes: tuple[str, ...]
    attrs: dict[str, Any]

    @property
    def interaction(self) -> pd.Series[float]:
        """What all levers together change beyond the sum of each alone, by method, in money.

        Zero where one lever is moved.
        """
        differences = self.table["difference"]
        is_joint = differences.index.get_level_values("lever") == TOGETHER
        alone = differences[~is_joint].groupby(level="method", sort=False).sum()
        joint = differences[is_joint].droplevel("lever").reindex(alone.index)
        return (joint - alone).fillna(0.0).rename("interaction")

    def to_dict(self) -> dict[str, Any]:
        """Everything, of JSON's types: what is not a finite number is None."""
        return {
            **{name: plain(value) for name, value in self.attrs.items()},
            "levers": records(self.table),
            "interaction": {str(name): plain(v) for name, v in self.interaction.items()},
            "segments": None if self.segments is None else records(self.segments),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        lines = [*wrapped([self._headline()]), "", *self._lines()]
        if self.notes:
            lines += ["", *wrapped(self.notes)]
        if self.segments is not None:
            lines += ["", "Change of the forecast per segment", _by_segment(self.segments)]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Show the same in a notebook."""
        parts = [f"<p>{html.escape(self._headline())}</p>"]
        parts.append(self.table.to_html(float_format=format_number, na_rep=""))
        parts += [f"<p>{html.escape(note)}</p>" for note in self.notes]
        if self.segments is not None:
            parts.append(
                self.segments.to_html(
                    float_format=format_number, na_rep="", max_rows=_MOST_ROWS * 2
                )
            )
        return "\n".join(parts)

    def _headline(self) -> str:
        known = self.attrs
        span = format_span(known["horizon"], known["time_unit"])
        discount = f"discounted at {100 * known['annual_discount_rate']:.4g}% a year"
        terms = f"margin {known['margin']:.4g}, {discount}"
        values = " and ".join(
            f"{format_amount(before, before)} by the {name}"
            for before, name in zip(self._today(), self._methods().values(), strict=True)
        )
        return (
            f"What if, for {known['customers']:,} customers over {span} ({terms}): they are worth "
            f"{values}"
        )

    def _today(self) -> list[float]:
        before = self.table["before"].groupby(level="method", sort=False).first()
        return [float(value) for value in before]

    def _methods(self) -> dict[str, str]:
        present = self.table.index.unique("method")
        return {method: name for method, name in _METHODS.items() if method in present}

    def _lines(self) -> list[str]:
        methods = self._methods()
        titles = "".join(f"{name:>25}{'elasticity':>12}" for name in methods.values())
        lines = [f"{'':<16}{'change':>8}{titles}"]
        for lever in self.table.index.unique("lever"):
            rows = [self.table.loc[(method, lever)] for method in methods]
            change = "" if lever == TOGETHER else _moved(rows[0]["change"])
            said = "".join(
                f"{_signed(row['difference'], row['before']):>15}"
                f"{'(' + _moved(row['relative_difference'], 1) + ')':>10}"
                f"{_or_blank(row['elasticity']):>12}"
                for row in rows
            )
            lines.append(f"{lever.replace('_', ' '):<16}{change:>8}{said}".rstrip())
        return lines


def _moved(share: float, decimals: int = 0) -> str:
    """Write a change as a signed percentage, or nothing where there is none.

    >>> _moved(0.1), _moved(-0.125, 1), _moved(0.0833)
    ('+10%', '-12.5%', '+8.33%')
    """
    if not math.isfinite(share):
        return ""
    return f"{share:+.{decimals}%}" if decimals else f"{100 * share:+.3g}%"


def _by_segment(segments: pd.DataFrame) -> str:
    """A row per segment, what it is worth and how every lever moves that."""
    of_model = segments.xs("forecast", level="method")
    levers = {lever: of_model.xs(lever, level="lever") for lever in of_model.index.unique("lever")}
    before = next(iter(levers.values()))["before"]
    columns = {"forecast": before.map(lambda value: format_amount(value, before.max()))}
    for lever, rows in levers.items():
        columns[lever] = rows["relative_difference"].map(lambda share: _moved(share, 1))
    return str(pd.DataFrame(columns).to_string(max_rows=_MOST_ROWS))


def _signed(amount: float, scale: float) -> str:
    sign = "-" if amount < 0 else "+"
    return sign + format_amount(abs(amount), scale / 10)


def _or_blank(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else ""
