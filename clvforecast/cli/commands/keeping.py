"""Where orders are kept elsewhere: `clv update` and `clv sql`."""

# No postponed annotations here: typer reads them while the program runs.
import typer

from clvforecast.cli import console
from clvforecast.cli.app import app
from clvforecast.cli.commands import stages
from clvforecast.cli.fits import DEFAULT_UNIT, read_fits
from clvforecast.cli.grouping import command
from clvforecast.cli.options.models import Unit
from clvforecast.cli.options.orders import OrderOptions
from clvforecast.cli.options.outputs import Output
from clvforecast.cli.options.queries import QueryOptions
from clvforecast.cli.options.states import StateOptions, StatePath
from clvforecast.cli.options.value import IntervalOptions
from clvforecast.cli.screens import values


@command(app, example="clv update customers.parquet new.csv --model fits.json -o forecast.csv")
def update(
    state: StatePath,
    orders: OrderOptions,
    entering: StateOptions,
    value: IntervalOptions,
    target: Output = None,
) -> None:
    """Merge new orders into a customer state, instead of reading the whole log again.

    With --model its customers are forecast as `clv forecast` does.
    """
    entering.check(state, orders, target)
    value.check()
    fits = read_fits(entering.model) if entering.model else None
    log = entering.merge(state, stages.read(orders, partial=True), orders)
    if fits is None:
        return
    table = stages.forecast_of(
        fits, stages.summarized(log, fits.purchases.time_unit or DEFAULT_UNIT), value
    )
    if console.on_terminal():
        values.show_forecast(table, fits, level=value.level, posterior=False)
    stages.hand_on(table, target)


@command(app, example="clv sql --dialect bigquery --from shop.orders --until 2024-12-31")
def sql(query: QueryOptions, time_unit: Unit = None) -> None:
    """Print the query that summarises each customer, to be kept with other queries.

    Its columns are those of `clv summary`. It expects columns of proper types: nothing is parsed.
    """
    typer.echo(query.text(str(time_unit or DEFAULT_UNIT)))
