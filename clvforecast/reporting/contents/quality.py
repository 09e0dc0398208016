"""What was read, and what became of every row."""

from __future__ import annotations

from typing import Final

from clvforecast.reporting.blocks import Cell, Column, Paragraph, Section, Table
from clvforecast.reporting.contents.writing import Writer
from clvforecast.reporting.languages import N_

__all__ = ["quality_section"]

DROPPED_REASONS: Final = {
    "no_customer": N_("Dropped: no customer"),
    "no_date": N_("Dropped: no date"),
    "bad_date": N_("Dropped: the date cannot be read"),
    "no_amount": N_("Dropped: no amount"),
    "bad_amount": N_("Dropped: the amount cannot be read"),
    "after_until": N_("Dropped: after the end of observation"),
    "refund": N_("Dropped: refund"),
    "duplicate": N_("Dropped: exact duplicate of another row"),
}
NOTED_REASONS: Final = {
    "duplicates_kept": N_("Kept: repeats another row exactly"),
    "zero_amount": N_("Kept: amount of zero, taken for a purchase"),
    "refund_rows": N_("Kept: negative amount, taken for a refund"),
    "cancelled_days": N_("Days on which refunds cancel the purchases"),
    "no_order": N_("Kept: no order number"),
    "early_refunds": N_("Ignored: days of refunds before a customer's first purchase"),
    "refund_only_customers": N_("Left out: customers who only have refunds"),
}


def quality_section(writer: Writer) -> Section:
    """Rows read, dropped and kept, with the reasons, zeros left out."""
    _ = writer.language.gettext
    language, account = writer.language, writer.evidence.orders.quality
    read = account.rows_read

    def line(name: str, count: int, of_rows: bool = True) -> list[Cell]:
        share = writer.percent(count / read, 1) if of_rows and read else Cell("")
        return [Cell(name), writer.number(count), share]

    rows = [line(_("Rows read"), read), line(_("Rows kept"), account.rows_kept)]
    rows += [line(_(DROPPED_REASONS[key]), n) for key, n in account.dropped.items() if n]
    rows += [line(_(NOTED_REASONS[key]), n, False) for key, n in account.noted.items() if n]
    days = {
        "first": language.day(account.first_day),
        "last": language.day(account.last_day),
        "until": language.day(writer.evidence.until),
    }
    sentence = (
        _("No row had to be dropped.")
        if account.rows_kept == read
        else _(
            "%(share)s of the rows were dropped, each for the first reason that applies.",
            share=language.percent(1 - account.rows_kept / read, 1),
        )
    )
    return Section(
        "quality",
        _("Data quality"),
        [
            Paragraph(
                _(
                    "The log has orders from %(first)s to %(last)s. Customers are observed until "
                    "%(until)s.",
                    **days,
                )
            ),
            Paragraph(sentence),
            Table(
                _("What was read, and what became of it"),
                [
                    Column(_("Rows"), is_number=False),
                    Column(_("Number")),
                    Column(_("Share of rows")),
                ],
                rows,
            ),
        ],
    )
