"""Orders and revenue to plan stock and staff by."""

from __future__ import annotations

from clvforecast.reporting.blocks import Cell, Column, Paragraph, Section, Table
from clvforecast.reporting.charts import band_chart
from clvforecast.reporting.contents.writing import Writer, largest

__all__ = ["months_section"]


def months_section(writer: Writer) -> Section:
    """A chart of orders and one of revenue, and the table of both."""
    _ = writer.language.gettext
    language, known = writer.language, writer.evidence
    months = known.portfolio.table(known.level)
    total = known.portfolio.total(known.level).iloc[0]
    scale = largest([months["revenue_upper"]])
    starts = [day.date() for day in months.index]
    last = known.portfolio.periods.end[-1].date()
    from_the_first = all(day.day == 1 for day in starts)
    names = [language.month(day) if from_the_first else language.day(day) for day in starts]
    charts = [
        band_chart(
            writer,
            f"chart-{quantity}",
            title=title,
            summary=_(
                "%(first_month)s: %(first)s. %(last_month)s: %(last)s.",
                first=language.amount(months[quantity].iloc[0], size),
                first_month=names[0],
                last=language.amount(months[quantity].iloc[-1], size),
                last_month=names[-1],
            ),
            names=names,
            axis=axis,
            table=months[[quantity, f"{quantity}_lower", f"{quantity}_upper"]].set_axis(
                ["expected", "lower", "upper"], axis="columns"
            ),
            scale=size,
        )
        for quantity, title, axis, size in (
            ("orders", _("Expected orders by month"), _("Orders"), 1000.0),
            ("revenue", _("Expected revenue by month"), _("Revenue"), scale),
        )
    ]
    rows = [
        [
            Cell(name, start.toordinal()),
            writer.number(row["orders"]),
            writer.limits(row["orders_lower"], row["orders_upper"], 1000.0),
            writer.amount(row["revenue"], scale),
            writer.limits(row["revenue_lower"], row["revenue_upper"], scale),
        ]
        for name, start, (_day, row) in zip(names, starts, months.iterrows(), strict=True)
    ]
    rows.append(
        [
            Cell(_("All months together")),
            writer.number(total["orders"]),
            writer.limits(total["orders_lower"], total["orders_upper"], 1000.0),
            writer.amount(total["revenue"], scale),
            writer.limits(total["revenue_lower"], total["revenue_upper"], scale),
        ]
    )
    table = Table(
        _("Orders and revenue by month"),
        [
            Column(_("Month") if from_the_first else _("Month from"), is_number=False),
            Column(_("Orders")),
            Column(_("In %(count)s of 100 futures", count=writer.futures)),
            Column(_("Revenue")),
            Column(_("In %(count)s of 100 futures", count=writer.futures)),
        ],
        rows,
        note=_("The intervals of months do not add up to that of all months together."),
    )
    return Section(
        "months",
        _("Month by month"),
        [
            Paragraph(
                _(
                    "What the customers of today will order, to plan stock and staff by. The "
                    "forecast begins on %(first)s and ends on %(last)s, so that the last month may "
                    "be a short one. Totals tend to fall, because customers leave and new ones are "
                    "not included.",
                    first=language.day(starts[0]),
                    last=language.day(last),
                )
            ),
            *charts,
            table,
        ],
    )
