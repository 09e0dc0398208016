"""How far to trust the values: `clv backtest`, `diagnose`, `select`, and pictures: `plot`."""

# No postponed annotations here: typer reads them while the program runs.
from typing import Annotated

import typer

import clvforecast as clv
from clvforecast.cli import console, output
from clvforecast.cli.app import app
from clvforecast.cli.commands import stages
from clvforecast.cli.grouping import command
from clvforecast.cli.options.backtest import BacktestOptions, diagnosed
from clvforecast.cli.options.formula import HistoricalOptions, Quantile
from clvforecast.cli.options.models import FitOptions
from clvforecast.cli.options.orders import OrderOptions
from clvforecast.cli.options.outputs import Json, Output, PictureOutput, ResultOptions
from clvforecast.cli.options.selection import SelectionOptions
from clvforecast.cli.options.value import ValueOptions
from clvforecast.cli.pictures import (
    KINDS,
    Kind,
    draw_backtest,
    draw_comparison,
    draw_diagnosis,
    draw_portfolio,
    draw_purchases,
)
from clvforecast.cli.screens import decisions, evidence


@command(app, example="clv backtest orders.csv --horizon 26W --picture proof.png -o scores.csv")
def backtest(
    orders: OrderOptions,
    past: BacktestOptions,
    to: ResultOptions,
) -> None:
    """Hold forecasts against what then happened, beside what rules of thumb would have said.

    For each day the models are fitted again to what was known on it. The picture is of the last.
    """
    to.check(orders.source)
    with console.progress("Getting ready"):
        past.check()
    found = past.work_out(stages.read(orders, segments=past.covariates))
    stages.hand_on_result(
        found,
        found.table.set_index("cutoff"),
        to,
        show=lambda: evidence.show_backtest(found),
        draw=lambda: draw_backtest(found),
    )


@command(app, example="clv diagnose orders.csv --until 2024-12-31 --json")
def diagnose(
    orders: OrderOptions,
    models: FitOptions,
    to: ResultOptions,
) -> None:
    """Check what the models assume, and say what to do where these orders do not obey.

    The exit status is 0 whatever is found: that an assumption is violated is no error. The picture
    is of the orders week by week.
    """
    to.check(orders.source)
    output.check_target(models.save, output.FITS, source=orders.source)
    kept = stages.kept_fits(models)
    log = stages.read(orders, segments=models.covariates(kept))
    fits = kept or stages.fitted(log, None, models)[0]
    found = diagnosed(log, fits, models.time_unit)
    stages.hand_on_result(
        found,
        found.table,
        to,
        show=lambda: evidence.show_diagnosis(found),
        draw=lambda: draw_diagnosis(found),
    )


@command(app, example="clv select orders.csv --by backtest --horizon 26W")
def select(
    orders: OrderOptions,
    choice: SelectionOptions,
    as_json: Json = False,
    target: Output = None,
) -> None:
    """Fit several models of purchases, and say which to use and which are as good."""
    to = ResultOptions(as_json=as_json, target=target)
    to.check(orders.source)
    found = choice.work_out(stages.read(orders, segments=choice.covariates))
    stages.hand_on_result(found, found.table, to, show=lambda: decisions.show(found, found.table))


@command(app, example="clv plot predicted-vs-historical orders.csv -o picture.png")
def plot(
    kind: Annotated[Kind, typer.Argument(metavar="KIND", help=KINDS, show_default=False)],
    orders: OrderOptions,
    target: PictureOutput,
    models: FitOptions,
    value: ValueOptions,
    formula: HistoricalOptions,
    quantile: Quantile = 0.8,
) -> None:
    """Draw a picture of the forecast, the comparison or the purchase model.

    The portfolio is drawn week by week; `clv portfolio --picture` draws it on other terms.
    """
    output.check_target(target, output.PICTURES, source=orders.source)
    if kind.compares:
        both = stages.compared(orders, models, value, formula, quantile)
        with console.progress("Drawing"):
            output.write_picture(draw_comparison(kind, both), target)
        return
    fits, rfm = stages.fitted(*stages.opened(orders, models, value), models)
    with console.progress("Drawing"):
        if kind is Kind.portfolio:
            ahead = clv.portfolio(fits.purchases, fits.spend, rfm, horizon=value.horizon)
            figure = draw_portfolio(ahead, cumulative=False)
        else:
            figure = draw_purchases(kind, fits.purchases, rfm, value.horizon)
        output.write_picture(figure, target)
