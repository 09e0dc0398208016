"""How far to trust the forecast: the past forecast once more, and what the models assume."""

from __future__ import annotations

from typing import Final

from clvforecast.evaluation import Backtest, decile_calibration
from clvforecast.evaluation.assumptions.findings import Finding
from clvforecast.reporting.blocks import (
    Block,
    Cell,
    Column,
    Paragraph,
    Section,
    Table,
    Tone,
)
from clvforecast.reporting.charts import calibration_chart
from clvforecast.reporting.contents.assumptions import VERDICT_NAMES, words_of
from clvforecast.reporting.contents.writing import Writer
from clvforecast.reporting.evidence import NoBacktest
from clvforecast.reporting.languages import N_

__all__ = ["trust_section"]

_TONES: Final[dict[str, Tone]] = {"violated": "bad", "watch": "watch", "as assumed": "good"}
_DEVIATING: Final = ("violated", "watch")
REASONS: Final = {
    NoBacktest.NOT_ASKED: N_("The forecast was not held against the past: that was switched off."),
    NoBacktest.TOO_SHORT: N_(
        "The log is too short to hold the forecast against a part of it: a quarter of a year at "
        "least is needed. Until then, trust the order of customers more than the amounts."
    ),
    NoBacktest.NOT_FITTED: N_(
        "The forecast could not be held against the past: the earlier part of the log alone has "
        "too few repeat purchases for the models. Trust the order of customers more than the "
        "amounts."
    ),
}


def trust_section(writer: Writer) -> Section:
    """A forecast of what is known already, and the assumptions one by one."""
    _ = writer.language.gettext
    past = writer.evidence.backtest
    tested = (
        [Paragraph(_(REASONS[past]))] if isinstance(past, NoBacktest) else _tested(writer, past)
    )
    return Section("trust", _("How far to trust this"), [*tested, *_assumptions(writer)])


def _tested(writer: Writer, past: Backtest) -> list[Block]:
    _ = writer.language.gettext
    language, model = writer.language, past.models[0]
    cutoff, span = past.cutoffs[0], language.span(past.horizon_days)
    every = past.customers.droplevel("cutoff")
    mine, formula = every.xs(model), every.xs(past.baselines[0])
    rows = []
    for name, target, scale in (
        (_("Orders"), "purchases", 1000.0),
        (_("Revenue"), "spend", float(mine["spend"].sum())),
    ):
        came = float(mine[target].sum())
        expected = float(mine[f"predicted_{target}"].sum())
        simple = float(formula[f"predicted_{target}"].sum())
        rows.append(
            [
                Cell(name),
                writer.amount(came, scale),
                writer.amount(expected, scale),
                _off(writer, expected, came),
                writer.amount(simple, scale),
                _off(writer, simple, came),
            ]
        )
    inside = {
        target: float(
            (
                (mine[f"{target}_lower"] <= mine[target])
                & (mine[target] <= mine[f"{target}_upper"])
            ).mean()
        )
        for target in ("purchases", "spend")
    }
    tenths = decile_calibration(past, model=model)
    chart = calibration_chart(
        writer,
        "chart-holdout",
        title=_("Orders per customer, as forecast and as they came"),
        summary=_(
            "The tenth of customers with the highest forecasts was expected to order %(expected)s "
            "times each, and ordered %(came)s times.",
            expected=language.number(tenths["predicted"].iloc[0], 2),
            came=language.number(tenths["actual"].iloc[0], 2),
        ),
        table=tenths,
    )
    return [
        Paragraph(
            _(
                "The same models were fitted to what was known on %(cutoff)s, and asked what its "
                "%(customers)s customers would do in the %(span)s after that day. This is what "
                "they did.",
                cutoff=language.day(cutoff),
                span=span,
                customers=language.number(len(mine), 0),
            )
        ),
        Table(
            _(
                "Forecast on %(cutoff)s, and what came in %(span)s",
                cutoff=language.day(cutoff),
                span=span,
            ),
            [
                Column(_("Total"), is_number=False),
                Column(_("What came")),
                Column(_("Forecast")),
                Column(_("Off by")),
                Column(_("Simple formula")),
                Column(_("Off by")),
            ],
            rows,
        ),
        Paragraph(
            _(
                "Expect the totals of this report to be off by about as much, and by more the "
                "further ahead they look."
            )
        ),
        Paragraph(
            _(
                "Single customers: intervals made to hold %(level)s of them held %(orders)s by "
                "orders and %(revenue)s by revenue. Orders are whole numbers, so their intervals "
                "hold more than they promise.",
                level=language.percent(past.level),
                orders=language.percent(inside["purchases"], 1),
                revenue=language.percent(inside["spend"], 1),
            )
        ),
        chart,
    ]


def _off(writer: Writer, expected: float, came: float) -> Cell:
    return writer.percent(expected / came - 1, 1) if came > 0 else Cell("\N{EN DASH}")


def _assumptions(writer: Writer) -> list[Block]:
    _ = writer.language.gettext
    number = writer.language.number
    findings = sorted(writer.evidence.diagnosis.findings, key=_severity)
    count = {name: number(sum(f.verdict == name for f in findings), 0) for name in VERDICT_NAMES}
    deviating = [finding for finding in findings if finding.verdict in _DEVIATING]
    others = [finding for finding in findings if finding.verdict not in _DEVIATING]
    blocks: list[Block] = [
        Paragraph(
            _(
                "No log is just as a model assumes. Assumptions: %(all)s. As assumed: %(fine)s; to "
                "watch: %(watch)s; violated: %(violated)s; not checked: %(unchecked)s.",
                all=number(len(findings), 0),
                fine=count["as assumed"],
                watch=count["watch"],
                violated=count["violated"],
                unchecked=count["not checked"],
            )
        )
    ]
    for caption, chosen, third in (
        (_("What is not quite as assumed"), deviating, _("What it means, and what to do")),
        (_("What is as assumed, or could not be checked"), others, _("What is assumed")),
    ):
        if chosen:
            columns = [_("Assumption"), _("Verdict"), third]
            blocks.append(
                Table(
                    caption,
                    [Column(column, is_number=False) for column in columns],
                    [_finding(writer, finding) for finding in chosen],
                )
            )
    return blocks


def _finding(writer: Writer, finding: Finding) -> list[Cell]:
    _ = writer.language.gettext
    words = words_of(finding.check)
    said = words.deviates if finding.verdict in _DEVIATING else words.assumed
    return [
        Cell(_(words.title, **words.values)),
        Cell(_(VERDICT_NAMES[finding.verdict]), tone=_TONES.get(finding.verdict, "")),
        Cell(_(said)),
    ]


def _severity(finding: Finding) -> int:
    return [*VERDICT_NAMES].index(finding.verdict)
