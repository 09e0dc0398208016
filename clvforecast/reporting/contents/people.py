"""Customers to keep, customers to win over, and what a new one may cost."""

from __future__ import annotations

from clvforecast.reporting.blocks import Block, Column, Figure, Figures, Paragraph, Section, Table
from clvforecast.reporting.contents.writing import Writer, largest

__all__ = ["people_section"]

_LISTED = 10


def people_section(writer: Writer) -> Section:
    """Whom a budget for retention goes to first, who is rising, and the price of a new customer."""
    _ = writer.language.gettext
    return Section(
        "people",
        _("Customers to keep and to win"),
        [*_to_keep(writer), *_to_win(writer), *_to_find(writer)],
    )


def _to_keep(writer: Writer) -> list[Block]:
    _ = writer.language.gettext
    language, known = writer.language, writer.evidence
    keep = known.to_keep.head(_LISTED)
    total = float(known.to_keep["worth_of_retaining"].sum())
    if keep.empty:
        return [Paragraph(_("Nobody is worth a special effort to keep: all are active or lost."))]
    scale = largest([keep["past_value"], keep["value_if_active"]])
    rows = [
        [
            writer.key(key),
            writer.amount(row["worth_of_retaining"], scale),
            writer.amount(row["value_if_active"], scale),
            writer.amount(row["clv"], scale),
            writer.percent(row["p_alive"]),
            writer.amount(row["past_value"], scale),
            writer.day(row["last_order"]),
        ]
        for key, row in keep.iterrows()
    ]
    return [
        Paragraph(
            _(
                "Keeping a customer who may be leaving is worth what they would bring if they were "
                "certainly active, less what is expected of them as things stand: the most that "
                "may be spent on being sure of them. All customers together: %(total)s.",
                total=language.amount(total, total),
            )
        ),
        Table(
            _("Customers to keep: those it pays most to be sure of"),
            [
                Column(_("Customer"), is_number=False),
                Column(_("Worth of keeping")),
                Column(_("Value if active")),
                Column(_("Expected value")),
                Column(_("Probability of being active")),
                Column(_("Past value")),
                Column(_("Last order")),
            ],
            rows,
            note=_(
                "Customers who are probably lost already (probability of being active below "
                "%(lost)s) are left out.",
                lost=language.percent(known.segmentation.rules.lost),
            ),
        ),
    ]


def _to_win(writer: Writer) -> list[Block]:
    _ = writer.language.gettext
    win = writer.evidence.to_win.head(_LISTED)
    if win.empty:
        return [
            Paragraph(
                _(
                    "No customer is rising: all high forecasts are of customers who have brought "
                    "much already."
                )
            )
        ]
    scale = largest([win["past_value"], win["clv"]])
    rows = [
        [
            writer.key(key),
            writer.amount(row["clv"], scale),
            writer.limits(row["clv_lower"], row["clv_upper"], scale),
            writer.amount(row["past_value"], scale),
            writer.percent(row["p_alive"]),
            writer.day(row["last_order"]),
        ]
        for key, row in win.iterrows()
    ]
    return [
        Table(
            _("Customers to win over: a high forecast, and little brought so far"),
            [
                Column(_("Customer"), is_number=False),
                Column(_("Expected value")),
                Column(_("In %(count)s of 100 futures", count=writer.futures)),
                Column(_("Past value")),
                Column(_("Probability of being active")),
                Column(_("Last order")),
            ],
            rows,
            note=_("Attention pays here: these customers are only at their beginning."),
        )
    ]


def _to_find(writer: Writer) -> list[Block]:
    _ = writer.language.gettext
    language, new = writer.language, writer.evidence.newcomer
    scale = new.together
    span = language.span(writer.evidence.horizon_days)
    sure = ""
    if new.lower is not None and new.upper is not None:
        sure = _(
            "With a probability of %(level)s, the average is %(limits)s.",
            limits=writer.between(new.lower, new.upper, scale),
            level=language.percent(writer.evidence.level),
        )
    return [
        Paragraph(
            _(
                "A new customer brings a first order, and then what somebody with one order is "
                "expected to bring within %(span)s. If acquisition is to be paid back in that "
                "time, this is the most that one may cost.",
                span=span,
            )
        ),
        Figures(
            [
                Figure(
                    _("The most a new customer may cost"),
                    language.amount(new.together, scale),
                    sure,
                    _("An average of all new customers: single ones differ widely."),
                ),
                Figure(_("Of this, the first order"), language.amount(new.first, scale)),
                Figure(_("Of this, later orders"), language.amount(new.later, scale)),
            ]
        ),
    ]
