"""The steps that commands share: orders in, models fitted, tables handed on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import typer

import clvforecast as clv
from clvforecast.cli import console, output
from clvforecast.cli.fits import Fits, fit_models, named_models, read_fits, save_fits
from clvforecast.cli.options.formula import HistoricalOptions
from clvforecast.cli.options.models import FitOptions
from clvforecast.cli.options.orders import OrderOptions
from clvforecast.cli.options.outputs import ResultOptions
from clvforecast.cli.options.portfolio import PortfolioOptions
from clvforecast.cli.options.value import ValueOptions
from clvforecast.cli.screens import values

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from clvforecast.comparison import Comparison
    from clvforecast.transactions import Transactions

__all__ = [
    "check_posterior",
    "compared",
    "fit_and_save",
    "fitted",
    "forecast_of",
    "hand_on",
    "hand_on_result",
    "kept_fits",
    "opened",
    "read",
    "summarized",
]


class Result(Protocol):
    """What knows itself as a document."""

    def to_dict(self) -> dict[str, Any]:
        """Give everything of JSON's types."""


def read(
    orders: OrderOptions, *, segments: Sequence[str] = (), partial: bool = False
) -> Transactions:
    """Read the orders, and say what was dropped."""
    with console.progress("Reading the orders"):
        log = orders.read(segments=segments, partial=partial)
    values.say_dropped(log.quality)
    return log


def summarized(log: Transactions, time_unit: str, *, segments: Sequence[str] = ()) -> pd.DataFrame:
    """Summarise the customers, with their segments if asked."""
    with console.progress("Summarising the customers"):
        return log.summarize(time_unit=str(time_unit), segments=segments)


def opened(
    orders: OrderOptions,
    models: FitOptions,
    value: ValueOptions | PortfolioOptions,
    *,
    segments: Sequence[str] = (),
) -> tuple[Transactions, Fits | None]:
    """Check what can be checked before the work, and read the orders and any fits kept."""
    output.check_target(models.save, output.FITS, source=orders.source)
    with console.progress("Getting ready"):
        value.check()
    kept = kept_fits(models)
    columns = dict.fromkeys([*segments, *models.covariates(kept)])
    return read(orders, segments=list(columns)), kept


def kept_fits(models: FitOptions) -> Fits | None:
    """Read the fits that are to be used; or check the names of the models that are to be fitted."""
    if models.files:
        return read_fits(models.files)
    named_models(models.names)
    return None


def fitted(log: Transactions, kept: Fits | None, models: FitOptions) -> tuple[Fits, pd.DataFrame]:
    """Summarise the orders; fit the models, unless there are fits."""
    rfm = summarized(log, models.unit(kept), segments=models.covariates(kept))
    return kept or fit_and_save(rfm, models, log), rfm


def fit_and_save(
    rfm: pd.DataFrame | clv.LazySummary, models: FitOptions, log: Transactions
) -> Fits:
    """Fit the models, and keep the fits if that is asked for."""
    fits = fit_models(rfm, ridge=models.ridge, orders=log, names=models.names)
    if models.save:
        save_fits(fits, models.save)
    return fits


def check_posterior(models: FitOptions, *, posterior: bool) -> None:
    """Refuse draws from the posterior of fits that came without their data."""
    if posterior and models.files:
        raise typer.BadParameter(
            "--posterior needs the orders that the models were fitted to, and --model brings fits "
            "without. Leave one out."
        )


def forecast_of(fits: Fits, rfm: pd.DataFrame, value: ValueOptions, **more: Any) -> pd.DataFrame:
    """Forecast on the terms that are asked for."""
    with console.progress("Forecasting"):
        return value.forecast(fits.purchases, fits.spend, rfm, **more)


def compared(
    orders: OrderOptions,
    models: FitOptions,
    value: ValueOptions,
    formula: HistoricalOptions,
    quantile: float,
) -> Comparison:
    """Set each customer's forecast beside the simple formula."""
    log, kept = opened(orders, models, value)
    past = formula.work_out(log, margin=value.margin)  # soon done, and soon refused
    table = forecast_of(*fitted(log, kept, models), value)
    with console.progress("Comparing"):
        return clv.compare(table, past, quantile=quantile)


def hand_on(
    table: pd.DataFrame,
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


def hand_on_result(
    found: Result,
    table: pd.DataFrame,
    to: ResultOptions,
    *,
    show: Callable[[], None],
    draw: Callable[[], Figure] | None = None,
) -> None:
    """Give a result as a picture, as JSON, in words to who reads a terminal, or as a table.

    Parameters
    ----------
    found : Result
    table : DataFrame
        What goes to a file or a pipe. A terminal has seen what it says.
    to : ResultOptions
    show : callable
        Says it in words.
    draw : callable, optional
        Makes the picture, where there is one.
    """
    if to.picture and draw:
        with console.progress("Drawing"):
            output.write_picture(draw(), to.picture)
    if to.as_json:
        output.pipe_json(found.to_dict())
        return
    if console.on_terminal():
        show()
    if to.target is not None or not console.on_terminal():
        hand_on(table, to.target)
