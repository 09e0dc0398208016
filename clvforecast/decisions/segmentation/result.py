"""`Segmentation`: customers in groups, and what each group is worth."""

from __future__ import annotations

import dataclasses
import datetime as dt
import html
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from clvforecast.decisions.segmentation.rules import ValueRules
from clvforecast.documents import plain, records
from clvforecast.units import days_per
from clvforecast.wording import format_amount, format_days, format_number, say_certain, wrapped

__all__ = ["Segmentation", "segment_name"]

_AMOUNTS: Final = (("past_value", "past_share"), ("clv", "clv_share"))


@dataclass(frozen=True, eq=False, repr=False)
class Segmentation:
    """Customers in segments. Made by `segments`; printing it gives a summary.

    Attributes
    ----------
    table : pandas.DataFrame
        A row per segment, in a fixed order: that of the rules, or else sorted. Indexed by
        `segment`, or by the names of the labels. Segments of a single rule are there if they are
        empty. `customers`, `customer_share`; with a past `past_value` (revenue x margin) and
        `past_share`; `clv` (future value, expected) and `clv_share`, `clv_per_customer`,
        `expected_purchases`, `mean_p_alive`; `top_tenth_share` (of the segment's future value,
        from its best tenth of customers); `small` (few customers: whatever is said of them, the
        next few may be quite different). With the models `clv_lower`, `clv_upper`,
        `purchases_lower`, `purchases_upper`: predictive limits of the totals. A mean or a share
        of nobody is NaN; a share of a total of zero is 0.
    whole : pandas.DataFrame
        The same of all customers together: one row "all".
    customers : pandas.DataFrame
        Per customer, in the order of the forecast: the segment, as an ordered categorical per
        label; `R`, `F` and `M` of "rfm"; `p_alive`, `expected_purchases`, `clv`, and with a past
        `past_value`, `orders`, `first_order`, `last_order`.
    means : pandas.DataFrame or None
        Where segments are not made of the values themselves: `customers`, `own_mean` (of `clv`),
        `credibility` (its weight, 0 to 1), and `mean`, shrunk towards that of all, with its
        credible interval `mean_lower`, `mean_upper`: what a customer of such a segment is worth
        on average.
    by : tuple of str
        What was grouped by.
    rules : ValueRules
        With the amounts that high values were above.
    until : datetime.date or None
        End of observation.
    level : float
        Probability of the intervals.
    small : int
        Fewer customers than that are flagged.
    terms : mapping
        `time_unit`, `horizon`, `annual_discount_rate` and `margin` of the forecast; None where it
        does not say.
    """

    table: pd.DataFrame
    whole: pd.DataFrame
    customers: pd.DataFrame
    means: pd.DataFrame | None
    by: tuple[str, ...]
    rules: ValueRules
    until: dt.date | None
    level: float
    small: int
    terms: Mapping[str, Any]

    @property
    def labels(self) -> pd.Series[Any]:
        """The segment of each customer, as text: an ordered categorical by customer_id."""
        names = [segment_name(key) for key in self.table.index]
        keys = self.customers[list(self.table.index.names)]
        texts = [segment_name(key) for key in keys.itertuples(index=False, name=None)]
        labelled = pd.Categorical(texts, categories=names, ordered=True)
        return pd.Series(labelled, index=self.customers.index, name="segment")

    def to_dict(self) -> dict[str, Any]:
        """Everything but the customers, of JSON's types: what is not a finite number is None."""
        return {
            "by": list(self.by),
            "until": None if self.until is None else self.until.isoformat(),
            "customers": len(self.customers),
            "level": self.level,
            "small": self.small,
            "terms": {name: plain(value) for name, value in self.terms.items()},
            "rules": {n: plain(v) for n, v in dataclasses.asdict(self.rules).items()},
            "whole": records(self.whole)[0],
            "segments": records(self.table),
            "means": None if self.means is None else records(self.means),
        }

    def __str__(self) -> str:
        return "\n".join([self._headline(), "", *self._lines(), "", *wrapped(self._closing())])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Show the same in a notebook."""
        parts = [f"<p>{html.escape(self._headline())}</p>"]
        parts.append(self.table.to_html(float_format=format_number, na_rep=""))
        parts += [f"<p>{html.escape(line)}</p>" for line in self._closing()]
        return "\n".join(parts)

    @property
    def _has_intervals(self) -> bool:
        return "clv_lower" in self.table.columns

    def _headline(self) -> str:
        day = "" if self.until is None else f" at {self.until}"
        ahead = format_number(float(self.whole["clv"].iloc[0]))
        within = ""
        unit, horizon = self.terms.get("time_unit"), self.terms.get("horizon")
        if unit is not None and horizon is not None:
            within = f" in the next {format_days(horizon * days_per(unit))}"
            within = " in a whole lifetime" if math.isinf(horizon) else within
        return (
            f"{len(self.customers):,} customers by {', '.join(self.by)}{day}: worth {ahead} "
            f"expected{within}"
        )

    def _lines(self) -> list[str]:
        names = pd.Index([segment_name(key) for key in self.table.index])
        table = pd.concat([self.table.set_axis(names), self.whole])
        past = "past_value" in table.columns
        wide = max(len(name) + 1 for name in table.index)
        scale = float(np.abs(table[[*(["past_value"] if past else []), "clv"]].to_numpy()).max())
        heads = [f"{'customers':>15}"]
        heads += [f"{'past value':>19}"] if past else []
        heads += [f"{'future value':>19}"]
        heads += [f"{f'{self.level:.0%} of futures':>21}"] if self._has_intervals else []
        lines = [f"{'':<{wide}}{''.join(heads)}{'P(alive)':>10}"]
        for name, row in table.iterrows():
            count = f"{int(row['customers']):,} ({row['customer_share']:.0%})"
            cells = [f"{count:>15}"]
            for amount, share in _AMOUNTS[0 if past else 1 :]:
                text = f"{format_amount(row[amount], scale)} ({row[share]:.0%})"
                cells.append(f"{text:>19}")
            if self._has_intervals:
                limits = [format_amount(row[f"clv_{side}"], scale) for side in ("lower", "upper")]
                cells.append(f"{' to '.join(limits):>21}")
            alive = f"{row['mean_p_alive']:.2f}" if row["customers"] else "-"
            mark = "*" if row["small"] and row["customers"] else ""
            lines.append(f"{f'{name}{mark}':<{wide}}{''.join(cells)}{alive:>10}")
        return lines

    def _closing(self) -> list[str]:
        lines = []
        if (self.table["small"] & (self.table["customers"] > 0)).any():
            shrunk = "; `means` says what their kind is worth" if self.means is not None else ""
            lines.append(
                f"* fewer than {self.small} customers: one or two of them decide the total{shrunk}."
            )
        if self._has_intervals:
            lines.append(
                f"{self.level:.0%} of futures: a predictive interval, of these customers' own "
                "future; such limits do not add up."
            )
        else:
            lines.append("No intervals: pass purchases=, spend= and rfm= for them.")
        if "value" in self.by:
            rules = self.rules
            lines.append(
                f"High past value is above {format_number(rules.past_cut or 0.0)}, high future "
                f"value above {format_number(rules.clv_cut or 0.0)}; fading is P(alive) below "
                f"{rules.fading:g}, lost below {rules.lost:g}; new is first bought within "
                f"{format_days(rules.new_days)}."
            )
        certain = int((self.customers["p_alive"] == 1).sum())
        if certain:
            lines.append(f"{say_certain(certain)} It is no finding about them.")
        return lines


def segment_name(key: object) -> str:
    """Write a segment of one or several labels as text.

    >>> segment_name("rising"), segment_name(("UK", "1997Q1")), segment_name(("UK",))
    ('rising', 'UK / 1997Q1', 'UK')
    """
    return " / ".join(map(str, key)) if isinstance(key, tuple) else str(key)
