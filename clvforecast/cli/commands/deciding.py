"""From values to decisions: `clv segments`, `what-if`, `acquisition`, `retention` and others."""

# No postponed annotations here: typer reads them while the program runs.
from typing import TYPE_CHECKING, Final

import clvforecast as clv
from clvforecast.cli import console
from clvforecast.cli.app import app
from clvforecast.cli.commands import stages
from clvforecast.cli.customers import with_segments
from clvforecast.cli.fits import fit_models
from clvforecast.cli.grouping import command
from clvforecast.cli.options.decisions.changes import ChangeOptions
from clvforecast.cli.options.decisions.segments import SegmentOptions
from clvforecast.cli.options.formula import HistoricalOptions
from clvforecast.cli.options.models import FitOptions
from clvforecast.cli.options.orders import OrderOptions
from clvforecast.cli.options.outputs import ResultOptions
from clvforecast.cli.options.value import ValueOptions
from clvforecast.cli.pictures import draw_result
from clvforecast.cli.screens import decisions
from clvforecast.errors import DataError

if TYPE_CHECKING:
    from clvforecast.cli.fits import Fits
    from clvforecast.decisions import Segmentation, SegmentTransitions
    from clvforecast.transactions import Transactions

# What a narrow terminal leaves out first: it follows from the columns beside it.
_DERIVED: Final = ("customer_share", "past_share", "clv_share", "clv_per_customer", "small")


@command(app, example="clv segments orders.csv --by country --horizon 1Y --margin 0.3")
def segments(
    orders: OrderOptions,
    models: FitOptions,
    value: ValueOptions,
    grouping: SegmentOptions,
    to: ResultOptions,
) -> None:
    """Group customers, and say what each group was worth, will be worth, and how sure that is.

    With --since it says who moved from segment to segment; the models are then fitted to what was
    known on each day, unless --model brings them.
    """
    to.check(orders.source)
    stages.check_posterior(models, posterior=grouping.posterior)
    with console.progress("Getting ready"):
        grouping.check(value.horizon)
    log, kept = stages.opened(orders, models, value, segments=grouping.columns)
    earlier = _segmented_at(grouping.since, log, kept, models, value, grouping)
    fits, rfm = stages.fitted(log, kept, models)
    table = stages.forecast_of(fits, rfm, value)
    rules = earlier.rules if earlier else None
    later = grouping.work_out(table, log, fits, rfm, rules=rules)
    found: Segmentation | SegmentTransitions = later
    if earlier:
        found = clv.segment_transitions(earlier, later)
    by_segment = found.counts if isinstance(found, clv.SegmentTransitions) else found.table
    stages.hand_on_result(
        found,
        found.customers if grouping.customers else by_segment,
        to,
        show=lambda: decisions.show(found, by_segment, expendable=_DERIVED),
        draw=lambda: draw_result("segment_transitions" if earlier else "segments", found),
    )


@command(app, example="clv what-if orders.csv --change retention=0.05 --margin 0.3 --by country")
def what_if(
    orders: OrderOptions,
    models: FitOptions,
    value: ValueOptions,
    formula: HistoricalOptions,
    changes: ChangeOptions,
    to: ResultOptions,
) -> None:
    """Say what customers would be worth if a lever of their value were moved.

    By the forecast and by the simple formula, which disagree. The table has a row for each lever;
    with --by it has one for each segment and lever.
    """
    to.check(orders.source)
    with console.progress("Getting ready"):
        changes.check(value)
    log, kept = stages.opened(orders, models, value, segments=changes.by or ())
    past = formula.work_out(log, margin=value.margin)
    fits, rfm = stages.fitted(log, kept, models)
    rfm = with_segments(rfm, log, changes.by)
    with console.progress("Moving the levers"):
        found = clv.what_if(
            fits.purchases,
            fits.spend,
            rfm,
            change=changes.moved(),
            by=changes.by,
            past=past,
            **value.terms(),
        )
    stages.hand_on_result(
        found,
        found.table if found.segments is None else found.segments,
        to,
        show=lambda: decisions.show(found, found.table),
        draw=lambda: draw_result("what_if", found),
    )


def _segmented_at(
    day: str | None,
    log: "Transactions",
    kept: "Fits | None",
    models: FitOptions,
    value: ValueOptions,
    grouping: SegmentOptions,
) -> "Segmentation | None":
    """Group the customers as they were on a day, by what was known then."""
    if day is None:
        return None
    from clvforecast.transactions.table import as_day

    if as_day(day, "since") >= log.until:
        raise DataError(f"since={day!r} is not before the end of observation, {log.until}.")
    with console.progress(f"Summarising the customers of {day}"):
        columns = models.covariates(kept)
        rfm = log.summarize(time_unit=models.unit(kept), until=day, segments=columns)
    fits = kept or fit_models(rfm, ridge=models.ridge, orders=log, names=models.names)
    return grouping.work_out(stages.forecast_of(fits, rfm, value), log, fits, rfm)
