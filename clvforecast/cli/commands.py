"""The commands of `clv`: each reads orders, calls the public names and hands on the table."""

# No postponed annotations here: typer reads them while the program runs.
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

import clvforecast as clv
from clvforecast.cli import console, output, report
from clvforecast.cli.fits import DEFAULT_UNIT, Fits, fit_models, read_fits, save_fits
from clvforecast.cli.grouping import command, unfolded
from clvforecast.cli.options import (
    By,
    FitOptions,
    HistoricalOptions,
    Margin,
    OrderOptions,
    Output,
    PictureOutput,
    Quantile,
    Ridge,
    Save,
    Steps,
    Unit,
    ValueOptions,
)
from clvforecast.cli.pictures import KINDS, Kind, draw_comparison, draw_purchases

if TYPE_CHECKING:
    import pandas as pd

    from clvforecast.comparison import Comparison
    from clvforecast.transactions import Transactions

__all__ = ["app"]

# What a narrow terminal leaves out first: it follows from the columns beside it.
_DERIVED: Final = (
    *("customer_based_purchase_value", "customer_based_clv", "lifespan_from", "customer_value"),
    *("purchase_frequency", "average_purchase_value", "average_order_value", "past_value"),
)
_RANKS: Final = ("rank_past", "rank_forecast", "difference")

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"clv {clv.__version__}")
        raise typer.Exit


_HELP = """From an order log to what each customer will be worth.

Each command reads orders from a file or a database. On a terminal it draws a table; into a pipe it
writes CSV; with -o it writes a CSV, Parquet or JSON file.
"""


@app.callback(
    help=unfolded(_HELP),
    epilog="Example: clv forecast orders.csv --horizon 52W -o forecast.csv",
)
def _clv(
    _version: Annotated[
        bool,
        typer.Option("--version", help="Say the version.", is_eager=True, callback=_say_version),
    ] = False,
) -> None:
    pass


@command(app, example="clv summary orders.csv --until 2024-12-31 -o rfm.parquet")
def summary(orders: OrderOptions, time_unit: Unit = None, target: Output = None) -> None:
    """Summarise each customer by frequency, recency, T and monetary value."""
    output.check_target(target, output.TABLES, source=orders.source)
    log = _read(orders)
    rfm = _summarize(log, time_unit or DEFAULT_UNIT)
    if console.on_terminal():
        report.show_quality(log.quality)
    _hand_on(rfm, target)


@command(app, example="clv fit orders.csv --save fits.json")
def fit(
    orders: OrderOptions,
    time_unit: Unit = None,
    ridge: Ridge = None,
    save: Save = None,
    target: Output = None,
) -> None:
    """Fit the purchase model and the spend model, BG/NBD and Gamma-Gamma."""
    output.check_target(target, output.TABLES, source=orders.source)
    output.check_target(save, output.FITS, source=orders.source)
    if save and target and save.resolve() == target.resolve():
        raise typer.BadParameter("--save and -o name the same file. Give each its own.")
    rfm = _summarize(_read(orders), time_unit or DEFAULT_UNIT)
    fits = fit_models(rfm, ridge=ridge)
    if save:
        save_fits(fits, save)
    if console.on_terminal():
        report.show_fits(fits)
        if target is None:
            return
    _hand_on(fits.table(), target)


@command(app, example="clv forecast orders.csv --horizon 52W --discount-rate 0.1 -o forecast.csv")
def forecast(
    orders: OrderOptions, models: FitOptions, value: ValueOptions, target: Output = None
) -> None:
    """Forecast what each customer will buy, spend and be worth."""
    output.check_target(target, output.TABLES, source=orders.source)
    fits, rfm = _fit(*_open(orders, models, value), models)
    table = _forecast(fits, rfm, value)
    if console.on_terminal():
        report.show_forecast(table, fits)
    _hand_on(table, target)


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
    log = _read(orders, segments=by or ())
    past = formula.work_out(log, margin=margin, by=by)
    table, noun = past.customers, "customers"
    if past.segments is not None:
        table, noun = past.segments, "segments"
    if console.on_terminal():
        report.show_historical(past)
        if steps and target is None:
            return
    if steps:
        table, noun = past.steps, "steps"
    _hand_on(table, target, noun=noun, expendable=_DERIVED)


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
    both = _compare(orders, models, value, formula, quantile)
    if console.on_terminal():
        report.show_comparison(both)
    _hand_on(both.customers, target, expendable=_RANKS)


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
    """Draw a picture of the forecast, the comparison or the purchase model."""
    output.check_target(target, output.PICTURES, source=orders.source)
    if kind.compares:
        both = _compare(orders, models, value, formula, quantile)
        with console.progress("Drawing"):
            output.write_picture(draw_comparison(kind, both), target)
        return
    fits, rfm = _fit(*_open(orders, models, value), models)
    with console.progress("Drawing"):
        output.write_picture(draw_purchases(kind, fits.purchases, rfm, value.horizon), target)


def _read(orders: OrderOptions, *, segments: Sequence[str] = ()) -> "Transactions":
    with console.progress("Reading the orders"):
        log = orders.read(segments=segments)
    report.say_dropped(log.quality)
    return log


def _summarize(log: "Transactions", time_unit: str) -> "pd.DataFrame":
    with console.progress("Summarising the customers"):
        return log.summarize(time_unit=str(time_unit))


def _open(
    orders: OrderOptions, models: FitOptions, value: ValueOptions
) -> "tuple[Transactions, Fits | None]":
    """Check what can be checked before the work, and read the orders and any fits kept."""
    output.check_target(models.save, output.FITS, source=orders.source)
    with console.progress("Getting ready"):
        value.check()
    kept = read_fits(models.model) if models.model else None
    return _read(orders), kept


def _fit(log: "Transactions", kept: Fits | None, models: FitOptions) -> "tuple[Fits, pd.DataFrame]":
    """Summarise the orders; fit the models, unless there are fits."""
    unit = models.time_unit or (kept and kept.purchases.time_unit) or DEFAULT_UNIT
    rfm = _summarize(log, unit)
    if kept:
        return kept, rfm
    fits = fit_models(rfm, ridge=models.ridge)
    if models.save:
        save_fits(fits, models.save)
    return fits, rfm


def _forecast(fits: Fits, rfm: "pd.DataFrame", value: ValueOptions) -> "pd.DataFrame":
    with console.progress("Forecasting"):
        return value.forecast(fits.purchases, fits.spend, rfm)


def _compare(
    orders: OrderOptions,
    models: FitOptions,
    value: ValueOptions,
    formula: HistoricalOptions,
    quantile: float,
) -> "Comparison":
    log, kept = _open(orders, models, value)
    past = formula.work_out(log, margin=value.margin)  # soon done, and soon refused
    table = _forecast(*_fit(log, kept, models), value)
    with console.progress("Comparing"):
        return clv.compare(table, past, quantile=quantile)


def _hand_on(
    table: "pd.DataFrame",
    target: Path | None,
    *,
    noun: str = "customers",
    expendable: Sequence[str] = (),
) -> None:
    """Give the table to a file, to whoever reads it on a terminal, or to a pipe."""
    flat = table.reset_index()
    if target is not None:
        output.write_table(flat, target)
    elif console.on_terminal():
        console.show_table(flat, noun=noun, expendable=expendable)
    else:
        output.pipe_table(flat)
