"""One page to show it all: `clv report`."""

# No postponed annotations here: typer reads them while the program runs.
from clvforecast.cli import console, output
from clvforecast.cli.app import app
from clvforecast.cli.commands import stages
from clvforecast.cli.grouping import command
from clvforecast.cli.options.models import FitOptions
from clvforecast.cli.options.orders import OrderOptions
from clvforecast.cli.options.outputs import PageOutput
from clvforecast.cli.options.report import ReportOptions
from clvforecast.cli.options.value import ValueOptions


@command(app, example="clv report orders.csv --margin 0.3 -o report.html")
def report(
    orders: OrderOptions,
    target: PageOutput,
    models: FitOptions,
    value: ValueOptions,
    page: ReportOptions,
) -> None:
    """Write one page, to be opened in a browser: what customers will be worth and what to do."""
    output.check_target(target, output.PAGES, source=orders.source)
    with console.progress("Getting ready"):
        page.check()
    log, kept = stages.opened(orders, models, value, segments=page.columns)
    if kept is None and (models.save or models.names or models.ridge is not None):
        kept = stages.fitted(log, None, models)[0]
    found = page.work_out(log, kept, value, models.unit(kept))
    output.write_text(found.html, target)
