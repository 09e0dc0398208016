"""What `clv monitor` is asked for: which dates, how far ahead, and what is an alert."""

# No postponed annotations here: typer reads them while the program runs.
import enum
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from clvforecast.cli import console
from clvforecast.cli.fits import DEFAULT_UNIT, Fits, covariates_of, named_models
from clvforecast.cli.options.models import Models, TimeUnit, check_models, fit_files
from clvforecast.cli.options.panels import panel

if TYPE_CHECKING:
    import pandas as pd

    from clvforecast.decisions import Monitoring
    from clvforecast.transactions import Transactions

__all__ = ["MonitorOptions"]

_option = panel("Watching")
_RULES: Final = ("value", "rfm", "cohort_month", "cohort_quarter", "cohort_year")


class Table(enum.StrEnum):
    """The tables of a monitoring."""

    totals = "totals"
    parameters = "parameters"
    segments = "segments"
    errors = "errors"
    changes = "changes"
    cohorts = "cohorts"
    alerts = "alerts"


class Period(enum.StrEnum):
    """Between dates."""

    W = "W"
    M = "M"
    Q = "Q"


@dataclass(frozen=True)
class MonitorOptions:
    """As of which dates the log is looked at, how far ahead, and what is an alert."""

    start: Annotated[
        str | None,
        _option(metavar="YYYY-MM-DD", text="Watch the periods that end from this day on."),
    ] = None
    number: Annotated[
        int | None,
        _option(
            "-n",
            "--number",
            metavar="NUMBER",
            text="Instead of --start: how many periods, the last ones. Default: 12.",
        ),
    ] = None
    period: Annotated[
        Period,
        _option(case_sensitive=False, metavar="W|M|Q", text="Weeks, months or quarters."),
    ] = Period.M
    horizon: Annotated[
        str, _option(metavar="DURATION", text="How far ahead value is forecast: 26W, 6M or 1Y.")
    ] = "26W"
    discount_rate: Annotated[
        float, _option(metavar="RATE", text="Effective annual rate, 0.10 for 10% a year.")
    ] = 0.0
    margin: Annotated[float, _option(metavar="SHARE", text="Share of revenue that is profit.")] = (
        1.0
    )
    level: Annotated[
        float, _option(metavar="PROBABILITY", text="Probability of the predictive intervals.")
    ] = 0.90
    by: Annotated[
        str,
        _option(
            "--by",
            "--segment",
            metavar="NAME",
            text="value, rfm, cohort_month, cohort_quarter, cohort_year, or a column of the "
            "orders; none for no segments.",
        ),
    ] = "value"
    false_alarms: Annotated[
        float,
        _option(
            metavar="PROBABILITY",
            text="Probability of any alert within a year if nothing has changed.",
        ),
    ] = 0.05
    tolerance: Annotated[
        float,
        _option(metavar="SHARE", text="Smaller errors raise no alert, however sure they are."),
    ] = 0.05
    simulations: Annotated[
        int, _option(metavar="NUMBER", text="How many futures are drawn at every date.")
    ] = 500
    seed: Annotated[int, _option(metavar="NUMBER", text="Seed of the random numbers.")] = 0
    what: Annotated[
        Table,
        _option(
            "--what",
            metavar="TABLE",
            text="The table to hand on: totals, parameters, segments, errors, changes, cohorts "
            "or alerts.",
        ),
    ] = Table.totals
    exit_code: Annotated[
        bool,
        _option("--exit-code", text="Exit with 3 if there is an alert of the last date."),
    ] = False
    time_unit: Annotated[
        TimeUnit | None,
        _option(
            case_sensitive=False,
            metavar="D|W|M|Y",
            text="Unit of recency, T and the model. Default: W, or that of --model.",
        ),
    ] = None
    model: Models = None

    def __post_init__(self) -> None:
        check_models(self.model)
        if self.start is not None and self.number is not None:
            raise typer.BadParameter("--start says what --number counts. Leave one out.")
        if self.number is not None and self.number < 1:
            raise typer.BadParameter(f"--number {self.number} must be 1 or more.")

    @property
    def files(self) -> list[Path]:
        """The files of fits that `--model` names."""
        return fit_files(self.model)

    @property
    def columns(self) -> list[str]:
        """The column of the orders that `by` names."""
        return [] if self.by in (*_RULES, "none") else [self.by]

    def covariates(self, kept: Fits | None) -> list[str]:
        """The columns of the orders that the models need."""
        return covariates_of(kept or named_models(self.model or ()))

    def work_out(self, log: "Transactions", kept: Fits | None) -> "Monitoring":
        """Look at the log as of every date."""
        import clvforecast as clv

        models: tuple[Any, Any] = (
            (kept.purchases, kept.spend) if kept else named_models(self.model or ())
        )
        unit = self.time_unit or (None if kept else DEFAULT_UNIT)
        return clv.monitor(
            log,
            *models,
            start=self.start,
            n=self.number,
            period=self.period.value,
            horizon=self.horizon,
            time_unit=None if unit is None else str(unit),
            annual_discount_rate=self.discount_rate,
            margin=self.margin,
            level=self.level,
            by=None if self.by == "none" else self.by,
            false_alarms=self.false_alarms,
            tolerance=self.tolerance,
            simulations=self.simulations,
            seed=self.seed,
            progress=console.watched(),
        )

    def chosen(self, found: "Monitoring") -> "pd.DataFrame":
        """The table that is asked for."""
        table: pd.DataFrame | None = getattr(found, self.what.value)
        if table is None:
            raise typer.BadParameter(f"There is no table of {self.what.value} here.")
        return table
