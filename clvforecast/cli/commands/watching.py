"""What changes: `clv compare-groups` between customers, `clv monitor` over time."""

# No postponed annotations here: typer reads them while the program runs.
from typing import Final

import typer

from clvforecast.cli import console
from clvforecast.cli.app import app
from clvforecast.cli.commands import stages
from clvforecast.cli.fits import read_fits
from clvforecast.cli.grouping import command
from clvforecast.cli.options.decisions.experiments import GroupOptions
from clvforecast.cli.options.decisions.monitoring import MonitorOptions
from clvforecast.cli.options.models import FitOptions
from clvforecast.cli.options.orders import OrderOptions
from clvforecast.cli.options.outputs import ResultOptions
from clvforecast.cli.options.value import ValueOptions
from clvforecast.cli.pictures import draw_monitoring, draw_result
from clvforecast.cli.screens import decisions

_ALERT: Final = 3
"""Exit status; 1 is an error and 2 a wrong call."""
# What a narrow terminal leaves out first.
_BESIDE: Final = (
    *("top_share", "unadjusted_lower", "unadjusted_upper", "unadjusted", "join_period", "left_out"),
    *("customers_needed", "detectable", "relative_difference", "reference_customers", "customers"),
    *("group_mean", "reference_mean", "p_value"),
)


@command(app, example="clv compare-groups orders.csv --groups members.csv --since 2024-03-01")
def compare_groups(
    orders: OrderOptions,
    models: FitOptions,
    value: ValueOptions,
    grouping: GroupOptions,
    to: ResultOptions,
) -> None:
    """Compare what customers of different groups were and will be worth, as if they joined alike.

    For an experiment, a programme or a campaign; it says when the data cannot tell.
    """
    to.check(orders.source)
    with console.progress("Getting ready"):
        grouping.check()
    log, kept = stages.opened(orders, models, value, segments=grouping.columns)
    fits, rfm = stages.fitted(log, kept, models)
    found = grouping.work_out(log, fits, rfm, stages.forecast_of(fits, rfm, value))
    stages.hand_on_result(
        found,
        found.table,
        to,
        show=lambda: decisions.show(found, found.table, expendable=_BESIDE),
        draw=lambda: draw_result("groups", found),
    )


@command(app, example="clv monitor orders.csv -n 24 --picture months.png --exit-code")
def monitor(orders: OrderOptions, watched: MonitorOptions, to: ResultOptions) -> None:
    """Look at the log as of the end of each month, and say what has drifted.

    At every date the models are fitted to what was known on it, unless --model brings fits to
    hold.
    """
    to.check(orders.source)
    kept = read_fits(watched.files) if watched.files else None
    columns = dict.fromkeys([*watched.columns, *watched.covariates(kept)])
    found = watched.work_out(stages.read(orders, segments=list(columns)), kept)
    table = watched.chosen(found)
    stages.hand_on_result(
        found,
        table,
        to,
        show=lambda: decisions.show(found, table),
        draw=lambda: draw_monitoring(found),
    )
    if watched.exit_code and (found.alerts["date"] == found.totals.index[-1]).any():
        raise typer.Exit(_ALERT)
