"""What `clv backtest` is asked for, and what it and `clv diagnose` say to a program."""

# No postponed annotations here: typer reads them while the program runs.
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clvforecast.cli import console
from clvforecast.cli.fits import DEFAULT_UNIT, covariates_of, named_models
from clvforecast.cli.options.models import Ridge, Unit, is_file
from clvforecast.cli.options.panels import panel

if TYPE_CHECKING:
    from clvforecast.cli.fits import Fits
    from clvforecast.evaluation import Backtest, Diagnosis
    from clvforecast.transactions import Transactions

__all__ = ["BacktestOptions", "diagnosed"]

_option = panel("Backtest")


@dataclass(frozen=True)
class BacktestOptions:
    """When forecasts would have been made, how far ahead, and how they are judged."""

    horizon: Annotated[
        str, _option(metavar="DURATION", text="How far ahead each forecast is: 26W, 6M or 90D.")
    ] = "26W"
    cutoff: Annotated[
        list[str] | None,
        _option(
            metavar="YYYY-MM-DD",
            text="Forecast from what was known on this day; may be given again.",
        ),
    ] = None
    origins: Annotated[
        int | None,
        _option(
            metavar="NUMBER",
            text="Instead of --cutoff: how many days, equally spaced, the last one a horizon "
            "before the end. Default: 3.",
        ),
    ] = None
    level: Annotated[
        float, _option(metavar="PROBABILITY", text="Probability of the predictive intervals.")
    ] = 0.90
    metric: Annotated[
        list[str] | None,
        _option(
            metavar="NAME",
            text="bias, mae, rmse, log_score, crps, coverage, width, interval_score, gini, "
            "top_decile, decile_error or spearman; may be given again. Default: all.",
        ),
    ] = None
    replicates: Annotated[
        int, _option(metavar="NUMBER", text="Bootstrap replicates for the standard errors.")
    ] = 200
    workers: Annotated[
        int | None,
        _option(metavar="NUMBER", text="In how many processes to work. Default: one."),
    ] = None
    seed: Annotated[int, _option(metavar="NUMBER", text="Seed of the random numbers.")] = 0
    model: Annotated[
        list[str] | None,
        _option(
            metavar="NAME",
            text="The purchase model to hold against the past, as of clv forecast; given again, "
            "several beside each other. Default: bgnbd.",
        ),
    ] = None
    time_unit: Unit = None
    ridge: Ridge = None

    def __post_init__(self) -> None:
        if self.cutoff and self.origins is not None:
            raise typer.BadParameter(
                "--origins chooses the days that --cutoff names. Leave one out."
            )
        if any(map(is_file, self.model or ())):
            raise typer.BadParameter(
                "A backtest fits the models itself, at every day. Name them, such as --model bgnbd."
            )

    def check(self) -> None:
        """Raise now what the backtest would raise after the orders are read."""
        from clvforecast.evaluation.plans import Plan
        from clvforecast.metrics.checks import checked_count
        from clvforecast.transactions.table import as_day

        Plan.checked(self._models(), baselines=True, **self._judging())
        for day in self.cutoff or ():
            as_day(day, "cutoffs")
        for name, count in (("n", self.origins), ("workers", self.workers)):
            if count is not None:
                checked_count(count, name, 1)

    @property
    def covariates(self) -> list[str]:
        """The columns of the orders that the models need."""
        pairs = (named_models([name]) for name in self.model or ())
        return list(dict.fromkeys(name for pair in pairs for name in covariates_of(pair)))

    def work_out(self, log: "Transactions") -> "Backtest":
        """Hold the forecasts against what came, with a progress bar if somebody is watching."""
        import clvforecast as clv

        return clv.backtest(
            log,
            self._models(),
            cutoffs=self.cutoff or None,
            n=self.origins,
            workers=self.workers,
            progress=console.watched(),
            **self._judging(),
        )

    def _models(self) -> Any:
        """Each with Gamma-Gamma; None for the library's own choice."""
        return [named_models([name]) for name in self.model or ()] or None

    def _judging(self) -> dict[str, Any]:
        return {
            "metrics": self.metric or None,
            "horizon": self.horizon,
            "time_unit": str(self.time_unit or DEFAULT_UNIT),
            "level": self.level,
            "ridge": self.ridge or 0.0,
            "replicates": self.replicates,
            "seed": self.seed,
        }


def diagnosed(log: "Transactions", fits: "Fits", time_unit: str | None) -> "Diagnosis":
    """Check what the models assume."""
    import clvforecast as clv

    with console.progress("Checking what the models assume"):
        return clv.diagnose(log, fits.purchases, fits.spend, time_unit=time_unit)
