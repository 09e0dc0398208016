"""How far to trust the values: `clv backtest`, `diagnose`, and pictures: `plot`."""

# No postponed annotations here: typer reads them while the program runs.
from typing import Annotated

import typer

import clvforecast as clv
from clvforecast.cli import console, output
from clvforecast.cli.app import app
from clvforecast.cli.commands import stages
from clvforecast.cli.fits import read_fits
from clvforecast.cli.grouping import command
from clvforecast.cli.options.backtest import BacktestOptions, diagnosed, scores_document
from clvforecast.cli.options.formula import HistoricalOptions, Quantile
from clvforecast.cli.options.models import FitOptions
from clvforecast.cli.options.orders import OrderOptions
from clvforecast.cli.options.outputs import Json, Output, Picture, PictureOutput
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
from clvforecast.cli.screens import evidence


@command(app, example="clv backtest orders.csv --horizon 26W --picture proof.png -o scores.csv")
def backtest(
    orders: OrderOptions,
    past: BacktestOptions,
    as_json: Json = False,
    target: Output = None,
    picture: Picture = None,
) -> None:
    """Hold forecasts against what then happened, beside what rules of thumb would have said.

    For each day the models are fitted again to what was known on it. The picture is of the last.
    """
    stages.check_outputs(orders, as_json, target, picture)
    with console.progress("Getting ready"):
        past.check()
    found = past.work_out(stages.read(orders))
    if picture:
        with console.progress("Drawing"):
            output.write_picture(draw_backtest(found), picture)
    if as_json:
        output.pipe_json(scores_document(found))
        return
    if console.on_terminal():
        evidence.show_backtest(found)
    stages.hand_on_unless_shown(found.table.set_index("cutoff"), target)


@command(app, example="clv diagnose orders.csv --until 2024-12-31 --json")
def diagnose(
    orders: OrderOptions,
    models: FitOptions,
    as_json: Json = False,
    target: Output = None,
    picture: Picture = None,
) -> None:
    """Check what the models assume, and say what to do where these orders do not obey.

    The exit status is 0 whatever is found: that an assumption is violated is no error. The picture
    is of the orders week by week.
    """
    stages.check_outputs(orders, as_json, target, picture)
    output.check_target(models.save, output.FITS, source=orders.source)
    kept = read_fits(models.model) if models.model else None
    log = stages.read(orders)
    found = diagnosed(log, kept or stages.fitted(log, None, models)[0], models.time_unit)
    if picture:
        with console.progress("Drawing"):
            output.write_picture(draw_diagnosis(found), picture)
    if as_json:
        output.pipe_json(found.to_dict())
        return
    if console.on_terminal():
        evidence.show_diagnosis(found)
    stages.hand_on_unless_shown(found.table, target)


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
