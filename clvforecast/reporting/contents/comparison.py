"""The forecast beside what the past alone would say."""

from __future__ import annotations

from typing import Final

from clvforecast.reporting.blocks import Column, Paragraph, Section, Table
from clvforecast.reporting.charts import Series, bar_chart
from clvforecast.reporting.contents.writing import Writer, largest
from clvforecast.reporting.languages import N_

__all__ = ["comparison_section"]

QUADRANT_NAMES: Final = {
    "valuable and staying": N_("Valuable and staying"),
    "valuable but fading": N_("Valuable but fading"),
    "rising": N_("Rising"),
    "low": N_("Low"),
}


def comparison_section(writer: Writer) -> Section:
    """Totals, the four kinds of customers, and why the two disagree."""
    _ = writer.language.gettext
    language, found = writer.language, writer.evidence.comparison
    summary = found.summary
    forecast, simple = float(summary["clv"].sum()), float(summary["simple_projection"].sum())
    span = language.span(found.horizon_days)
    both = {
        "forecast": language.amount(forecast, max(forecast, simple)),
        "formula": language.amount(simple, max(forecast, simple)),
        "span": span,
    }
    scale = largest([summary["past_value"], summary["simple_projection"], summary["clv"]])
    rows = [
        [
            writer.key(_(QUADRANT_NAMES[str(name)])),
            writer.number(row["customers"]),
            writer.amount(row["past_value"], scale),
            writer.amount(row["simple_projection"], scale),
            writer.amount(row["clv"], scale),
            writer.percent(row["mean_p_alive"]),
        ]
        for name, row in summary.iterrows()
    ]
    table = Table(
        _("Four kinds of customers, by what they have brought and what is expected of them"),
        [
            Column(_("Customers who are"), is_number=False),
            Column(_("Customers")),
            Column(_("Past value")),
            Column(_("Simple formula")),
            Column(_("Forecast")),
            Column(_("Probability of being active")),
        ],
        rows,
        note=_(
            "High means above %(past)s of past value, or above %(future)s of forecast, which "
            "%(share)s of all customers do not exceed. Simple formula and forecast are over "
            "%(span)s.",
            past=language.amount(found.past_cut, found.past_cut),
            future=language.amount(found.forecast_cut, found.forecast_cut),
            share=language.percent(found.quantile),
            span=span,
        ),
    )
    chart = bar_chart(
        writer,
        "chart-comparison",
        title=_("Forecast and simple formula over %(span)s", span=span),
        summary=_(
            "All customers together: the simple formula says %(formula)s, the forecast "
            "%(forecast)s.",
            **both,
        ),
        names=[row[0].text for row in rows],
        axis=_("Value"),
        series=[
            Series(_("Simple formula"), summary["simple_projection"], "past"),
            Series(_("Forecast"), summary["clv"], "first"),
        ],
    )
    return Section(
        "comparison",
        _("Forecast against the past"),
        [
            Paragraph(
                _(
                    "The simple formula continues every customer's average of the past: over "
                    "%(span)s it makes %(formula)s. The forecast expects %(forecast)s.",
                    **both,
                )
            ),
            Paragraph(
                _(
                    "They disagree because the formula takes everybody for a customer for ever. "
                    "It counts on those who have left long ago, and it draws the average of a "
                    "recent customer from a short time. The forecast weighs each customer's past "
                    "with the probability that it goes on. Use the formula to describe the past, "
                    "and the forecast to decide."
                )
            ),
            chart,
            table,
        ],
    )
