"""From orders to values: `clv summary`, `fit`, `forecast`, `historical`, `compare`, `portfolio`."""

# No postponed annotations here: typer reads them while the program runs.
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

import clvforecast as clv
from clvforecast.cli import console, output
from clvforecast.cli.app import app
from clvforecast.cli.commands import stages
from clvforecast.cli.fits import (
    DEFAULT_UNIT,
    Fits,
    covariates_of,
    fit_models,
    named_models,
    save_fits,
)
from clvforecast.cli.grouping import command
from clvforecast.cli.options.formula import By, HistoricalOptions, Quantile
from clvforecast.cli.options.models import FitOptions, NamedModels, Ridge, Save, Unit
from clvforecast.cli.options.orders import OrderOptions
from clvforecast.cli.options.outputs import Output, Picture, Steps
from clvforecast.cli.options.portfolio import PortfolioOptions
from clvforecast.cli.options.value import ForecastOptions, Margin, ValueOptions
from clvforecast.cli.pictures import draw_portfolio
from clvforecast.cli.screens import values

if TYPE_CHECKING:
    from clvforecast.transactions import Transactions

# What a narrow terminal leaves out first: it follows from the columns beside it.
_DERIVED: Final = (
    *("customer_based_purchase_value", "customer_based_clv", "lifespan_from", "customer_value"),
    *("purchase_frequency", "average_purchase_value", "average_order_value", "past_value"),
)
_FOLLOWING: Final = ("revenue_from_new", "orders_from_new", "end")
_RANKS: Final = ("rank_past", "rank_forecast", "difference")


@command(app, example="clv summary orders.csv --until 2024-12-31 -o rfm.parquet")
def summary(orders: OrderOptions, time_unit: Unit = None, target: Output = None) -> None:
    """Summarise each customer by frequency, recency, T and monetary value."""
    output.check_target(target, output.TABLES, source=orders.source)
    log = stages.read(orders)
    rfm = stages.summarized(log, time_unit or DEFAULT_UNIT)
    if console.on_terminal():
        values.show_quality(log.quality)
    stages.hand_on(rfm, target)


@command(app, example="clv fit orders.csv --save fits.json")
def fit(
    orders: OrderOptions,
    time_unit: Unit = None,
    model: NamedModels = None,
    ridge: Ridge = None,
    save: Save = None,
    target: Output = None,
) -> None:
    """Fit a purchase model and a spend model: BG/NBD and Gamma-Gamma, or as --model says."""
    output.check_target(target, output.TABLES, source=orders.source)
    output.check_target(save, output.FITS, source=orders.source)
    if save and target and save.resolve() == target.resolve():
        raise typer.BadParameter("--save and -o name the same file. Give each its own.")
    columns = covariates_of(named_models(model or ()))
    log = stages.read(orders, segments=columns)
    rfm = stages.summarized(log, time_unit or DEFAULT_UNIT, segments=columns)
    fits = fit_models(rfm, ridge=ridge, orders=log, names=model or ())
    if save:
        save_fits(fits, save)
    if console.on_terminal():
        values.show_fits(fits)
        if target is None:
            return
    stages.hand_on(fits.table(), target)


@command(app, example="clv forecast orders.csv --horizon 52W --discount-rate 0.1 -o forecast.csv")
def forecast(
    orders: OrderOptions, models: FitOptions, value: ForecastOptions, target: Output = None
) -> None:
    """Forecast what each customer will buy, spend and be worth.

    Into a Parquet file the forecast goes straight from the engine that has the orders: for more
    customers than fit in memory.
    """
    output.check_target(target, output.TABLES, source=orders.source)
    stages.check_posterior(models, posterior=value.posterior)
    log, kept = stages.opened(orders, models, value)
    if target and target.suffix.lower() == ".parquet" and not value.posterior:
        _forecast_lazily(log, kept, models, value, target)
        return
    fits, rfm = stages.fitted(log, kept, models)
    table = stages.forecast_of(
        fits, rfm, value, posterior=fits.posterior() if value.posterior else None
    )
    if console.on_terminal():
        values.show_forecast(table, fits, level=value.level, posterior=value.posterior)
    # With intervals a narrow terminal has no room for what they do not concern.
    stages.hand_on(table, target, expendable=("expected_spend", "p_alive") if value.level else ())


@command(app, example="clv historical orders.csv --by country --lifespan 2Y")
def historical(
    orders: OrderOptions,
    formula: HistoricalOptions,
    margin: Margin = 1.0,
    by: By = None,
    steps: Steps = False,
    target: Output = None,
) -> None:
    """Work out the simple formula: order value x frequency x lifespan.

    The table has a row per customer; with --by a row per segment, with --steps one per step.
    """
    if by and steps:
        raise typer.BadParameter("--by and --steps are two tables. Leave one out.")
    output.check_target(target, output.TABLES, source=orders.source)
    log = stages.read(orders, segments=by or ())
    past = formula.work_out(log, margin=margin, by=by)
    table, noun = past.customers, "customers"
    if past.segments is not None:
        table, noun = past.segments, "segments"
    if console.on_terminal():
        values.show_historical(past)
        if steps and target is None:
            return
    if steps:
        table, noun = past.steps, "steps"
    stages.hand_on(table, target, noun=noun, expendable=_DERIVED)


@command(app, example="clv compare orders.csv --horizon 1Y --margin 0.3 -o comparison.csv")
def compare(
    orders: OrderOptions,
    models: FitOptions,
    value: ValueOptions,
    formula: HistoricalOptions,
    quantile: Quantile = 0.8,
    target: Output = None,
) -> None:
    """Set each customer's forecast beside what the simple formula says."""
    output.check_target(target, output.TABLES, source=orders.source)
    both = stages.compared(orders, models, value, formula, quantile)
    if console.on_terminal():
        values.show_comparison(both)
    stages.hand_on(both.customers, target, expendable=_RANKS)


@command(app, example="clv portfolio orders.csv --horizon 26W --period W -o portfolio.csv")
def portfolio(
    orders: OrderOptions,
    models: FitOptions,
    ahead: PortfolioOptions,
    target: Output = None,
    picture: Picture = None,
) -> None:
    """Forecast what all customers together will order and spend, period by period."""
    if picture and ahead.by:
        raise typer.BadParameter("--picture draws all customers together. Leave --by out.")
    output.check_target(target, output.TABLES, source=orders.source)
    output.check_target(picture, output.PICTURES, source=orders.source)
    stages.check_posterior(models, posterior=ahead.posterior)
    log, kept = stages.opened(orders, models, ahead, segments=ahead.by or ())
    fits, rfm = stages.fitted(log, kept, models)
    worked_out = ahead.work_out(fits, rfm, log)
    if console.on_terminal():
        values.show_portfolio(worked_out, ahead.level)
    if picture:
        with console.progress("Drawing"):
            figure = draw_portfolio(worked_out, cumulative=ahead.cumulative)
            output.write_picture(figure, picture)
    stages.hand_on(ahead.table(worked_out), target, noun="periods", expendable=_FOLLOWING)


def _forecast_lazily(
    log: "Transactions",
    kept: Fits | None,
    models: FitOptions,
    value: ForecastOptions,
    target: Path,
) -> None:
    """Forecast without a customer passing through here."""
    with console.progress("Summarising the customers"):
        columns = models.covariates(kept)
        rfm = log.summarize(time_unit=models.unit(kept), segments=columns, lazy=True)
    fits = kept or stages.fit_and_save(rfm, models, log)
    with console.progress("Forecasting"):
        table = clv.forecast(fits.purchases, fits.spend, rfm, **value.terms())
        output.write_lazily(table, target)
    if console.on_terminal():
        values.show_forecast(table, fits, level=value.level, posterior=False)
