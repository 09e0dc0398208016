"""The numbers to read first."""

from __future__ import annotations

from clvforecast.reporting.blocks import Block, Figure, Figures, Paragraph, Section
from clvforecast.reporting.contents.writing import Writer

__all__ = ["headline_section"]


def headline_section(writer: Writer) -> Section:
    """Value, orders and revenue of the horizon with their intervals, and who is still there."""
    _ = writer.language.gettext
    language, known = writer.language, writer.evidence
    whole = known.segmentation.whole.iloc[0]
    total = known.portfolio.total(known.level).iloc[0]
    alive, certain = known.active, known.certain
    value = float(whole["clv"])
    figures = [
        Figure(
            _("Expected value"),
            language.amount(value, value),
            writer.in_futures(whole["clv_lower"], whole["clv_upper"], value),
            _("Future value only; what was bought before is not in it."),
        ),
        Figure(
            _("Expected orders"),
            language.number(total["orders"], 0),
            writer.in_futures(total["orders_lower"], total["orders_upper"], 1000.0),
            _("What a customer buys on one day is one order."),
        ),
        Figure(
            _("Expected revenue"),
            language.amount(total["revenue"], total["revenue"]),
            writer.in_futures(total["revenue_lower"], total["revenue_upper"], total["revenue"]),
            _("Before margin and discounting."),
        ),
        Figure(
            _("Customers"),
            language.number(known.customers, 0),
            "",
            _("Everybody with an order up to %(day)s.", day=language.day(known.until)),
        ),
        Figure(
            _("Still active"),
            language.number(alive, 0),
            "",
            _(
                "%(share)s of the customers: the sum of the probabilities of still being one.",
                share=language.percent(alive / known.customers),
            ),
        ),
        Figure(
            _("Past value"),
            language.amount(whole["past_value"], whole["past_value"]),
            "",
            _("What the same customers have brought so far."),
        ),
    ]
    if known.is_plain:
        figures.pop(2)  # value is revenue then, but for the days of a calendar month
    blocks: list[Block] = [
        Paragraph(
            _(
                "What the customers of today are expected to order and to be worth from "
                "%(first)s to %(last)s. Customers still to be acquired are not included.",
                first=language.day(known.first_day_ahead),
                last=language.day(known.last_day_ahead),
            )
        ),
        Figures(figures),
        Paragraph(_intervals(writer), is_note=True),
    ]
    if certain:
        blocks.append(
            Paragraph(
                _(
                    "The model counts %(certain)s customers as certainly active because they have "
                    "bought on one day only. This is a property of the model, not a finding about "
                    "them: go by how few orders are expected of them.",
                    certain=language.number(certain, 0),
                ),
                is_note=True,
            )
        )
    return Section("summary", _("The most important numbers"), blocks)


def _intervals(writer: Writer) -> str:
    """What the intervals hold, and what they do not."""
    _ = writer.language.gettext
    if writer.evidence.has_posterior:
        return _(
            "The intervals are predictive: they hold the chance in what customers will do and the "
            "uncertainty of the estimates. They do not hold what no model of steady habits can "
            "know, such as a crisis, a new competitor or a campaign."
        )
    return _(
        "The intervals are predictive: they hold the chance in what customers will do, but take "
        "the estimates for the truth. They do not hold what no model of steady habits can know, "
        "such as a crisis, a new competitor or a campaign."
    )
