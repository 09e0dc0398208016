"""The customers themselves: the most valuable in a table, all of them in a file."""

from __future__ import annotations

from typing import Final

from clvforecast.reporting.blocks import Block, Cell, Column, Download, Paragraph, Section, Table
from clvforecast.reporting.contents.segments import SEGMENT_NAMES
from clvforecast.reporting.contents.writing import Writer, largest
from clvforecast.reporting.downloads import data_url

__all__ = ["customers_section"]

_PRINTED: Final = 50


def customers_section(writer: Writer) -> Section:
    """The table that can be searched and sorted, and the download."""
    _ = writer.language.gettext
    language, known = writer.language, writer.evidence
    everyone = known.customers_table
    best = everyone.head(writer.top)
    scale = largest([best["clv"], best["past_value"]])
    rows = [
        [
            writer.key(key),
            writer.amount(row["clv"], scale),
            writer.limits(row["clv_lower"], row["clv_upper"], scale),
            writer.number(row["expected_purchases"], 1),
            writer.percent(row["p_alive"]),
            Cell(_(SEGMENT_NAMES[str(row["segment"])])),
            writer.amount(row["past_value"], scale),
            writer.number(row["orders"]),
            writer.day(row["last_order"]),
        ]
        for key, row in best.iterrows()
    ]
    listed = len(best) < len(everyone)
    caption = (
        _("The %(top)s customers of the highest expected value", top=language.number(len(best), 0))
        if listed
        else _("All customers, by expected value")
    )
    note = ""
    if len(best) > _PRINTED:
        note = _(
            "On paper, only the first %(printed)s are shown.", printed=language.number(_PRINTED, 0)
        )
    table = Table(
        caption,
        [
            Column(_("Customer"), is_number=False),
            Column(_("Expected value")),
            Column(_("In %(count)s of 100 futures", count=writer.futures)),
            Column(_("Expected orders")),
            Column(_("Probability of being active")),
            Column(_("Segment"), is_number=False),
            Column(_("Past value")),
            Column(_("Orders so far")),
            Column(_("Last order")),
        ],
        rows,
        id="customers-table",
        is_searchable=True,
        printed_rows=_PRINTED,
        note=note,
    )
    blocks: list[Block] = [
        Paragraph(
            _(
                "For a single customer the interval is wide, and often begins at nothing: most of "
                "what one person will do is chance. The order of the list is more certain than its "
                "amounts."
            )
        ),
        table,
        *_download(writer, listed),
    ]
    return Section("customers", _("Customers"), blocks)


def _download(writer: Writer, listed: bool) -> list[Block]:
    _ = writer.language.gettext
    language, everyone = writer.language, writer.evidence.customers_table
    if writer.download == "none":
        return []
    note = _("A CSV file that every spreadsheet opens, with English column names.")
    if writer.download == "all" or not listed:
        return [
            Download(
                _("Download all %(count)s customers", count=language.number(len(everyone), 0)),
                note,
                "customers.csv",
                data_url(everyone),
            )
        ]
    top = everyone.head(writer.top)
    return [
        Download(
            _("Download these %(count)s customers", count=language.number(len(top), 0)),
            note,
            "customers.csv",
            data_url(top),
        )
    ]
