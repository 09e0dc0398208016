"""What would change if something were improved."""

from __future__ import annotations

from typing import Final

from clvforecast.reporting.blocks import Column, Paragraph, Section, Table
from clvforecast.reporting.contents.writing import Writer
from clvforecast.reporting.languages import N_

__all__ = ["levers_section"]

LEVER_NAMES: Final = {
    "order_value": N_("Order value: customers spend more per order"),
    "frequency": N_("Frequency: active customers order more often"),
    "retention": N_("Retention: so many departures are prevented"),
    "margin": N_("Margin: more is kept of every order"),
    "discount_rate": N_("Discount rate: the future counts for less"),
    "together": N_("All of these together"),
}


def levers_section(writer: Writer) -> Section:
    """Each lever moved alone, by the forecast and by the simple formula."""
    _ = writer.language.gettext
    language, found = writer.language, writer.evidence.what_if
    forecast = found.table.xs("forecast", level="method")
    formula = found.table.xs("simple_formula", level="method")["relative_difference"]
    scale = float(forecast["before"].iloc[0])
    change = language.percent(writer.evidence.change)
    rows = [
        [
            writer.key(_(LEVER_NAMES[str(lever)])),
            writer.amount(row["difference"], scale),
            writer.percent(row["relative_difference"], 1),
            writer.percent(simple, 1),
        ]
        for (lever, row), simple in zip(forecast.iterrows(), formula, strict=True)
    ]
    return Section(
        "levers",
        _("What if"),
        [
            Paragraph(
                _(
                    "What the customers of today would be worth within %(span)s if one thing were "
                    "%(change)s more, everything else being the same. Whether a campaign brings "
                    "that about is for an experiment to show.",
                    span=language.span(writer.evidence.horizon_days),
                    change=change,
                )
            ),
            Table(
                _("Change of value if a lever is moved by %(change)s", change=change),
                [
                    Column(_("Lever"), is_number=False),
                    Column(_("Change of the forecast")),
                    Column(_("Change in percent")),
                    Column(_("By the simple formula")),
                ],
                rows,
                note=_(
                    "The simple formula overstates frequency and retention: it does not know who "
                    "has left already, nor that customers who buy faster also leave sooner."
                ),
            ),
        ],
    )
