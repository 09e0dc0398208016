"""Customers in groups: by value, and by whatever the user asked for."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any, Final

import numpy as np
import pandas as pd

from clvforecast.decisions import Segmentation
from clvforecast.numerics.arrays import IntArray
from clvforecast.reporting.blocks import (
    Block,
    Cell,
    Column,
    Definitions,
    Paragraph,
    Section,
    Table,
)
from clvforecast.reporting.charts import Series, bar_chart
from clvforecast.reporting.contents.writing import Writer, largest
from clvforecast.reporting.languages import N_

__all__ = ["SEGMENT_NAMES", "segments_section"]

SEGMENT_NAMES: Final = {
    "champions": N_("Champions"),
    "rising": N_("Rising"),
    "new": N_("New"),
    "slowing": N_("Slowing"),
    "occasional": N_("Occasional"),
    "at risk": N_("At risk"),
    "fading": N_("Fading"),
    "lost": N_("Lost"),
}
RFM_NAMES: Final = {
    "champions": N_("Champions"),
    "loyal": N_("Loyal"),
    "potential loyalists": N_("Potential loyalists"),
    "new": N_("New"),
    "promising": N_("Promising"),
    "need attention": N_("Need attention"),
    "about to sleep": N_("About to sleep"),
    "cannot lose": N_("Cannot lose"),
    "at risk": N_("At risk"),
    "hibernating": N_("Hibernating"),
}
RULES: Final = {
    "champions": N_("Past value above %(past)s and future value above %(future)s."),
    "rising": N_("Future value above %(future)s, past value not above %(past)s."),
    "new": N_("First order within the last %(new)s."),
    "slowing": N_("Past value above %(past)s, future value not above %(future)s."),
    "occasional": N_("Everybody else."),
    "at risk": N_("Past value above %(past)s, probability of being active below %(fading)s."),
    "fading": N_("Probability of being active below %(fading)s, past value not high."),
    "lost": N_("Probability of being active below %(lost)s."),
}
_MOST: Final = 30
"""Segments of one table; the others are left to `clv.segments`."""
_DRAWN: Final = 10
GROUP_TITLES: Final = {
    "cohort_month": N_("Segments by month of the first order"),
    "cohort_quarter": N_("Segments by quarter of the first order"),
    "cohort_year": N_("Segments by year of the first order"),
    "rfm": N_("Segments by recency and frequency"),
}


def segments_section(writer: Writer) -> Section:
    """The segments by value with their rules, then every grouping that was asked for."""
    _ = writer.language.gettext
    language, found = writer.language, writer.evidence.segmentation
    named = {key: _(name) for key, name in SEGMENT_NAMES.items()}
    rules = {
        "past": language.amount(found.rules.past_cut or 0.0, found.rules.past_cut or 0.0),
        "future": language.amount(found.rules.clv_cut or 0.0, found.rules.clv_cut or 0.0),
        "new": language.span(found.rules.new_days),
        "fading": language.percent(found.rules.fading),
        "lost": language.percent(found.rules.lost),
    }
    blocks: list[Block] = [
        Paragraph(
            _(
                "Which customers brought the value of the past, and which will bring that of the "
                "future. Every customer is in one segment."
            )
        ),
        *_grouped(writer, found, named, "value", _("Segments by value")),
        Definitions(
            _("What the segments mean"),
            [(named[key], _(text, **rules)) for key, text in RULES.items()],
        ),
    ]
    for number, group in enumerate(writer.evidence.groups):
        (label,) = group.by
        known = {key: _(name) for key, name in RFM_NAMES.items()} if label == "rfm" else {}
        if label == "cohort_month":
            months = {key: dt.date.fromisoformat(f"{key}-01") for key in group.table.index}
            known = {key: language.month(month) for key, month in months.items()}
        title = (
            _(GROUP_TITLES[label])
            if label in GROUP_TITLES
            else _("Segments by %(name)s", name=writer.isolated(label))
        )
        blocks += _grouped(writer, group, known, f"group-{number + 1}", title)
    return Section("segments", _("Segments"), blocks)


def _grouped(
    writer: Writer, found: Segmentation, named: dict[str, str], id_: str, title: str
) -> list[Block]:
    _ = writer.language.gettext
    table = found.table[found.table["customers"] > 0]
    table = table.iloc[_highest(table["clv"], _MOST)]
    names = [named.get(key) or writer.key(key).text for key in table.index]
    best = int(table["clv"].to_numpy().argmax())
    drawn = _highest(table["clv"], _DRAWN)
    shown = table.iloc[drawn]
    chart = bar_chart(
        writer,
        f"chart-{id_}",
        title=_("%(title)s: share of past and of future value", title=title),
        summary=_(
            "The segment of the highest future value is %(name)s, with %(share)s of it and "
            "%(past)s of past value.",
            name=writer.isolated(names[best]),
            share=writer.language.percent(table["clv_share"].iloc[best]),
            past=writer.language.percent(table["past_share"].iloc[best]),
        ),
        names=[names[place] for place in drawn],
        axis=_("Share of all customers' value"),
        series=[
            Series(_("Past value"), shown["past_share"], "past", is_share=True),
            Series(_("Future value"), shown["clv_share"], "first", is_share=True),
        ],
    )
    return [chart, _table(writer, found, table, named, title)]


def _highest(values: pd.Series[float], count: int) -> IntArray:
    """Places of the highest values, in the table's order."""
    return np.sort(np.argsort(-values.to_numpy(), kind="stable")[:count])


def _table(
    writer: Writer, found: Segmentation, table: pd.DataFrame, named: dict[str, str], title: str
) -> Table:
    _ = writer.language.gettext
    language = writer.language
    scale = largest([table["past_value"], table["clv"]])
    rows = []
    for key, row in table.iterrows():
        few = bool(row["small"])
        rows.append(
            [
                _named(writer, key, named, is_small=few),
                writer.number(row["customers"]),
                writer.percent(row["customer_share"], 1),
                writer.amount(row["past_value"], scale),
                writer.amount(row["clv"], scale),
                writer.limits(row["clv_lower"], row["clv_upper"], scale),
                writer.percent(row["clv_share"], 1),
                writer.percent(row["mean_p_alive"]),
            ]
        )
    left_out = len(found.table[found.table["customers"] > 0]) - len(table)
    notes = []
    if table["small"].any():
        notes.append(
            _(
                "* Fewer than %(small)s customers: what one or two of them do decides the total.",
                small=language.number(found.small, 0),
            )
        )
    if left_out:
        notes.append(
            _(
                "The %(shown)s segments of the highest future value are shown, %(hidden)s are not.",
                shown=language.number(len(table), 0),
                hidden=language.number(left_out, 0),
            )
        )
    notes.append(_("The intervals of segments do not add up to that of the whole."))
    return Table(
        title,
        [
            Column(_("Segment"), is_number=False),
            Column(_("Customers")),
            Column(_("Share of customers")),
            Column(_("Past value")),
            Column(_("Future value")),
            Column(_("In %(count)s of 100 futures", count=writer.futures)),
            Column(_("Share of future value")),
            Column(_("Probability of being active")),
        ],
        rows,
        note=" ".join(notes),
    )


def _named(writer: Writer, key: Any, named: dict[str, str], *, is_small: bool) -> Cell:
    cell = Cell(named[key]) if key in named else writer.key(key)
    return dataclasses.replace(cell, mark="*" if is_small else "")
