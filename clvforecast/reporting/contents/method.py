"""How the numbers came about, and what they rest on."""

from __future__ import annotations

from typing import Final

from clvforecast.fitting import Fit
from clvforecast.models import Model
from clvforecast.reporting.blocks import Block, Cell, Column, Definitions, Paragraph, Section, Table
from clvforecast.reporting.contents.writing import Writer
from clvforecast.reporting.languages import N_

__all__ = ["method_section"]

_CONFIDENCE: Final = 0.95
_UNITS: Final = {"D": N_("days"), "W": N_("weeks"), "M": N_("months"), "Y": N_("years")}


def method_section(writer: Writer) -> Section:
    """The models in plain words, the terms that values are on, and the parameters."""
    _ = writer.language.gettext
    language, known = writer.language, writer.evidence
    names = {
        "purchases": writer.isolated(known.purchases.name),
        "spend": writer.isolated(known.spend.name),
    }
    blocks: list[Block] = [
        Paragraph(
            _(
                "Two models, fitted to the whole log, say what each customer will do. The first, "
                "%(purchases)s, tells from how often and how recently customers bought who is "
                "still a customer, and how often they will buy. The second, %(spend)s, tells what "
                "an order is worth: few orders lean on the average of all customers, many on the "
                "customer's own.",
                **names,
            )
        ),
        Paragraph(
            _(
                "Value is the number of expected orders times their expected worth, times a margin "
                "of %(margin)s, within %(span)s. The future is discounted at %(rate)s a year.",
                margin=language.percent(known.margin, 1),
                span=language.span(known.horizon_days),
                rate=language.percent(known.annual_discount_rate, 1),
            )
        ),
        Definitions(
            _("How to read the numbers"),
            [
                (
                    _("In %(count)s of 100 futures", count=writer.futures),
                    _(
                        "A predictive interval: where what will happen lies, by chance and by all "
                        "that is uncertain. For single customers it is wide, for all together "
                        "narrow."
                    ),
                ),
                (
                    _("Confidence limits"),
                    _(
                        "How well an average or a parameter is known. They say nothing of what a "
                        "single customer will do, and shrink with the number of customers."
                    ),
                ),
                (
                    _("Probability of being active"),
                    _(
                        "Customers do not say that they leave. The longer a silence is, compared "
                        "with a customer's own pace, the less probable it is that they are still "
                        "there."
                    ),
                ),
                (
                    _("Expected value"),
                    _(
                        "The average over all futures. For one customer, half of it or twice as "
                        "much is no surprise."
                    ),
                ),
            ],
        ),
        _parameters(writer),
    ]
    return Section("method", _("Method and parameters"), blocks)


def _parameters(writer: Writer) -> Table:
    _ = writer.language.gettext
    rows = []
    for given in (writer.evidence.purchases, writer.evidence.spend):
        rows += _of_model(writer, given)
    return Table(
        _("Parameters of the models"),
        [
            Column(_("Parameter"), is_number=False),
            Column(_("Model"), is_number=False),
            Column(_("Estimate")),
            Column(_("Confidence limits (%(level)s)", level=writer.language.percent(_CONFIDENCE))),
        ],
        rows,
        note=_(
            "Time is counted in %(unit)s. A dash means that no limits are known: the parameters "
            "were given, not estimated.",
            unit=_(_UNITS[writer.evidence.time_unit]),
        ),
    )


def _of_model(writer: Writer, given: Fit | Model) -> list[list[Cell]]:
    language = writer.language
    limits = given.confidence_intervals(_CONFIDENCE) if isinstance(given, Fit) else None
    rows = []
    for name, value in given.parameters.items():
        said = "\N{EN DASH}"
        if limits is not None:
            lower, upper = float(limits["lower"][name]), float(limits["upper"][name])
            said = writer.between(lower, upper, value)
        rows.append(
            [
                Cell(name, is_name=True),
                Cell(given.name, is_name=True),
                Cell(language.amount(value, value / 10), value),
                Cell(said),
            ]
        )
    return rows
