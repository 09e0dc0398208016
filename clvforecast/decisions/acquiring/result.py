"""`Acquisition`: what a new customer is worth, and what one may cost."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from clvforecast.documents import plain, records
from clvforecast.units import days_per
from clvforecast.wording import format_amount, format_days, format_number, wrapped

__all__ = ["Acquisition"]

_MOST_ROWS: Final = 30
_LONGEST_NAME: Final = 14
_FACTS: Final = 5
"""Columns that come before amounts."""


@dataclass(frozen=True, eq=False, repr=False)
class Acquisition:
    """What a new customer is worth. Made by `acquisition`; printing it gives a summary.

    Every `..._lower` and `..._upper` is a CREDIBLE limit of an expectation: how sure we are of the
    mean of many new customers, not where a single one will end.

    Attributes
    ----------
    table : pandas.DataFrame
        A row per group (without ``by=``, one row "all"), with

        - `customers`, `repeat_customers`, `median_age` (time since the first order), `small`,
          `recent`, `credibility` (weight of the group's own orders, 0 to 1);
        - `first_order`: expected value of the first order, before margin;
        - `repeat_orders`: expected further orders within the horizon, undiscounted;
        - `expected_spend`: expected value of one of these;
        - `repeat_value`: present value of the margin on them, with limits;
        - `value`: the same and the margin on the first order, with limits;
        - `most_for_ratio`: the most that a customer may cost for `target_ratio`, with limits;
        - `most_for_payback`, with a `target_payback`: the most a customer may cost to be paid back
          by then, with limits;
        - with costs: `cost` of a customer, `ratio` (value / cost), `net_value` (value - cost) and
          `payback` (the first time at which the expected value so far reaches the cost, in time
          units; inf if that is not within the horizon), all with limits; `p_worth_it`, the
          probability that the expected value reaches the cost within the horizon. NaN where the
          cost of a group is not known.
    whole : pandas.DataFrame
        The same of all customers together: one row "all".
    curves : pandas.DataFrame
        By group and `time` since the first order: `value` so far, `value_lower`, `value_upper`.
    attrs : dict
        `customers`, `by`, `time_unit`, `horizon`, `annual_discount_rate`, `margin`, `until`,
        `level`, `target_ratio`, `target_payback` (in time units, or None) and `small`.
    """

    table: pd.DataFrame
    whole: pd.DataFrame
    curves: pd.DataFrame
    attrs: dict[str, Any]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know."""
        known, table = self.attrs, self.table
        limit = self._limits()
        notes = [
            f"{known['level']:.0%} interval: credible, of the expected value of a new customer. "
            "Single customers differ far more.",
            f"{' and '.join(limit)}: the most that one may cost for a value of "
            f"{known['target_ratio']:g} times as much"
            + (", and to be paid back in that time." if limit[1:] else "."),
        ]
        if table["small"].any():
            notes.append(
                f"* fewer than {known['small']} repeat customers: mostly what all groups share."
            )
        if table["recent"].any():
            notes.append(
                "+ recent: half of the customers have been seen for less time than half of the "
                "repeat value takes to come. What is still to come is taken from what "
                + (
                    "older groups did, as if these were like them."
                    if len(table) > 1
                    else "the models say."
                )
            )
        if "cost" in table.columns and table["cost"].isna().any():
            unknown = ", ".join(str(name) for name in table.index[table["cost"].isna()][:5])
            notes.append(f"No cost is known of: {unknown}.")
        return tuple(notes)

    def to_dict(self) -> dict[str, Any]:
        """Everything, of JSON's types: what is not a finite number is None."""
        return {
            **{name: plain(value) for name, value in self.attrs.items()},
            "whole": records(self.whole)[0],
            "groups": records(self.table),
            "curves": records(self.curves),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        return "\n".join(
            [*wrapped([self._headline()]), "", *self._lines(), "", *wrapped(self.notes)]
        )

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Show the same in a notebook."""
        parts = [f"<p>{html.escape(self._headline())}</p>"]
        parts.append(self._shown().to_html(float_format=format_number, na_rep=""))
        parts += [f"<p>{html.escape(note)}</p>" for note in self.notes]
        return "\n".join(parts)

    def _shown(self) -> pd.DataFrame:
        return self.table if self.attrs["by"] is None else pd.concat([self.table, self.whole])

    def _headline(self) -> str:
        known = self.attrs
        span = format_days(known["horizon"] * days_per(known["time_unit"]))
        by = "" if known["by"] is None else f" by {known['by']}"
        return (
            f"What a new customer{by} is worth in the first {span} (margin {known['margin']:.4g}, "
            f"discounted at {100 * known['annual_discount_rate']:.4g}% a year), from "
            f"{known['customers']:,} customers to {known['until']}"
        )

    def _lines(self) -> list[str]:
        table, known = self._shown(), self.attrs
        scale, unit = float(table["value"].max()), known["time_unit"]
        heads = ["", "customers", "value", f"{known['level']:.0%} interval", "1st order"]
        heads += self._limits()
        heads += ["cost", "ratio", "payback"] if "cost" in table.columns else []
        rows = [heads]
        for name, row in table.head(_MOST_ROWS).iterrows():
            text = str(name)
            text = text if len(text) <= _LONGEST_NAME else text[: _LONGEST_NAME - 1] + "…"
            amounts = {key: format_amount(row[key], scale) for key in table.columns[_FACTS:]}
            cells = [text + _mark(row), f"{int(row['customers']):,}", amounts["value"]]
            cells.append(f"{amounts['value_lower']} to {amounts['value_upper']}")
            cells.append(format_amount(row["value"] - row["repeat_value"], scale))
            cells.append(amounts["most_for_ratio"])
            if known["target_payback"] is not None:
                cells.append(amounts["most_for_payback"])
            if "cost" in table.columns:
                cells += _costs(row, scale, unit)
            rows.append(cells)
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = []
        for first, *others in rows:
            aligned = (f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True))
            lines.append("  ".join([f"{first:<{widths[0]}}", *aligned]).rstrip())
        if len(table) > _MOST_ROWS:
            lines.append(f"and {len(table) - _MOST_ROWS:,} more groups in `table`")
        return lines

    def _limits(self) -> list[str]:
        """What the columns of the most that a customer may cost are called."""
        known = self.attrs
        limits = [f"max {known['target_ratio']:g}:1"]
        if known["target_payback"] is not None:
            limits.append(f"max {known['target_payback']:.4g}{known['time_unit']}")
        return limits


def _mark(row: pd.Series[Any]) -> str:
    return ("*" if row["small"] else "") + ("+" if row["recent"] else "")


def _costs(row: pd.Series[Any], scale: float, unit: str) -> list[str]:
    if math.isnan(row["cost"]):
        return ["-", "-", "-"]
    payback = row["payback"]
    when = "never" if math.isinf(payback) else f"{payback:.1f}{unit}" if payback else "at once"
    return [format_amount(row["cost"], scale), f"{row['ratio']:.2f}", when]
