"""The commands of `clv`: each reads orders, calls the public names and hands on the table."""

# No postponed annotations here: typer reads them while the program runs.
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

import clvforecast as clv
from clvforecast.cli import console, output, report, verdicts
from clvforecast.cli.evidence import BacktestOptions, diagnosed, scores_document
from clvforecast.cli.fits import DEFAULT_UNIT, Fits, fit_models, read_fits, save_fits
from clvforecast.cli.grouping import command, unfolded
from clvforecast.cli.options import (
    By,
    FitOptions,
    ForecastOptions,
    HistoricalOptions,
    IntervalOptions,
    Json,
    Margin,
    OrderOptions,
    Output,
    Picture,
    PictureOutput,
    Quantile,
    Ridge,
    Save,
    Steps,
    Unit,
    ValueOptions,
    check_json,
)
from clvforecast.cli.pictures import (
    KINDS,
    Kind,
    draw_backtest,
    draw_comparison,
    draw_diagnosis,
    draw_portfolio,
    draw_purchases,
)
from clvforecast.cli.planning import PortfolioOptions
from clvforecast.cli.queries import QueryOptions
from clvforecast.cli.updating import StateOptions, StatePath

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
_FOLLOWING: Final = ("revenue_from_new", "orders_from_new", "end")
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
    orders: OrderOptions, models: FitOptions, value: ForecastOptions, target: Output = None
) -> None:
    """Forecast what each customer will buy, spend and be worth.

    Into a Parquet file the forecast goes straight from the engine that has the orders: for more
    customers than fit in memory.
    """
    output.check_target(target, output.TABLES, source=orders.source)
    _check_posterior(models, posterior=value.posterior)
    log, kept = _open(orders, models, value)
    if target and target.suffix.lower() == ".parquet" and not value.posterior:
        _forecast_lazily(log, kept, models, value, target)
        return
    fits, rfm = _fit(log, kept, models)
    table = _forecast(fits, rfm, value, posterior=fits.posterior() if value.posterior else None)
    if console.on_terminal():
        report.show_forecast(table, fits, level=value.level, posterior=value.posterior)
    # With intervals a narrow terminal has no room for what they do not concern.
    _hand_on(table, target, expendable=("expected_spend", "p_alive") if value.level else ())


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
    _check_posterior(models, posterior=ahead.posterior)
    log, kept = _open(orders, models, ahead, segments=ahead.by or ())
    fits, rfm = _fit(log, kept, models)
    worked_out = ahead.work_out(fits, rfm, log)
    if console.on_terminal():
        report.show_portfolio(worked_out, ahead.level)
    if picture:
        with console.progress("Drawing"):
            figure = draw_portfolio(worked_out, cumulative=ahead.cumulative)
            output.write_picture(figure, picture)
    _hand_on(ahead.table(worked_out), target, noun="periods", expendable=_FOLLOWING)


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
    _check_evidence(orders, as_json, target, picture)
    with console.progress("Getting ready"):
        past.check()
    found = past.work_out(_read(orders))
    if picture:
        with console.progress("Drawing"):
            output.write_picture(draw_backtest(found), picture)
    if as_json:
        output.pipe_json(scores_document(found))
        return
    if console.on_terminal():
        verdicts.show_backtest(found)
    _hand_on_evidence(found.table.set_index("cutoff"), target)


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
    _check_evidence(orders, as_json, target, picture)
    output.check_target(models.save, output.FITS, source=orders.source)
    kept = read_fits(models.model) if models.model else None
    log = _read(orders)
    found = diagnosed(log, kept or _fit(log, None, models)[0], models.time_unit)
    if picture:
        with console.progress("Drawing"):
            output.write_picture(draw_diagnosis(found), picture)
    if as_json:
        output.pipe_json(found.to_dict())
        return
    if console.on_terminal():
        verdicts.show_diagnosis(found)
    _hand_on_evidence(found.table, target)


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
        both = _compare(orders, models, value, formula, quantile)
        with console.progress("Drawing"):
            output.write_picture(draw_comparison(kind, both), target)
        return
    fits, rfm = _fit(*_open(orders, models, value), models)
    with console.progress("Drawing"):
        if kind is Kind.portfolio:
            ahead = clv.portfolio(fits.purchases, fits.spend, rfm, horizon=value.horizon)
            figure = draw_portfolio(ahead, cumulative=False)
        else:
            figure = draw_purchases(kind, fits.purchases, rfm, value.horizon)
        output.write_picture(figure, target)


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
    log = entering.merge(state, _read(orders, partial=True), orders)
    if fits is None:
        return
    table = _forecast(fits, _summarize(log, fits.purchases.time_unit or DEFAULT_UNIT), value)
    if console.on_terminal():
        report.show_forecast(table, fits, level=value.level, posterior=False)
    _hand_on(table, target)


@command(app, example="clv sql --dialect bigquery --from shop.orders --until 2024-12-31")
def sql(query: QueryOptions, time_unit: Unit = None) -> None:
    """Print the query that summarises each customer, to be kept with other queries.

    Its columns are those of `clv summary`. It expects columns of proper types: nothing is parsed.
    """
    typer.echo(query.text(str(time_unit or DEFAULT_UNIT)))


def _read(
    orders: OrderOptions, *, segments: Sequence[str] = (), partial: bool = False
) -> "Transactions":
    with console.progress("Reading the orders"):
        log = orders.read(segments=segments, partial=partial)
    report.say_dropped(log.quality)
    return log


def _summarize(log: "Transactions", time_unit: str) -> "pd.DataFrame":
    with console.progress("Summarising the customers"):
        return log.summarize(time_unit=str(time_unit))


def _open(
    orders: OrderOptions,
    models: FitOptions,
    value: ValueOptions | PortfolioOptions,
    *,
    segments: Sequence[str] = (),
) -> "tuple[Transactions, Fits | None]":
    """Check what can be checked before the work, and read the orders and any fits kept."""
    output.check_target(models.save, output.FITS, source=orders.source)
    with console.progress("Getting ready"):
        value.check()
    kept = read_fits(models.model) if models.model else None
    return _read(orders, segments=segments), kept


def _fit(log: "Transactions", kept: Fits | None, models: FitOptions) -> "tuple[Fits, pd.DataFrame]":
    """Summarise the orders; fit the models, unless there are fits."""
    rfm = _summarize(log, models.unit(kept))
    return kept or _fit_and_save(rfm, models), rfm


def _fit_and_save(rfm: "pd.DataFrame | clv.LazySummary", models: FitOptions) -> Fits:
    fits = fit_models(rfm, ridge=models.ridge)
    if models.save:
        save_fits(fits, models.save)
    return fits


def _forecast_lazily(
    log: "Transactions",
    kept: Fits | None,
    models: FitOptions,
    value: ForecastOptions,
    target: Path,
) -> None:
    """Forecast without a customer passing through here."""
    with console.progress("Summarising the customers"):
        rfm = log.summarize(time_unit=models.unit(kept), lazy=True)
    fits = kept or _fit_and_save(rfm, models)
    with console.progress("Forecasting"):
        table = clv.forecast(fits.purchases, fits.spend, rfm, **value.terms())
        output.write_lazily(table, target)
    if console.on_terminal():
        report.show_forecast(table, fits, level=value.level, posterior=False)


def _check_posterior(models: FitOptions, *, posterior: bool) -> None:
    if posterior and models.model:
        raise typer.BadParameter(
            "--posterior needs the orders that the models were fitted to, and --model brings fits "
            "without. Leave one out."
        )


def _forecast(fits: Fits, rfm: "pd.DataFrame", value: ValueOptions, **more: Any) -> "pd.DataFrame":
    with console.progress("Forecasting"):
        return value.forecast(fits.purchases, fits.spend, rfm, **more)


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


def _check_evidence(
    orders: OrderOptions, as_json: bool, target: Path | None, picture: Path | None
) -> None:
    check_json(as_json, target)
    output.check_target(target, output.TABLES, source=orders.source)
    output.check_target(picture, output.PICTURES, source=orders.source)


def _hand_on_evidence(table: "pd.DataFrame", target: Path | None) -> None:
    """Give a table to a file or a pipe; a terminal has seen what it says."""
    if target is not None or not console.on_terminal():
        _hand_on(table, target)
