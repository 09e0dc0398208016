"""What `clv select` is asked for: candidates, and by what they are judged."""

# No postponed annotations here: typer reads them while the program runs.
import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from clvforecast.cli import console
from clvforecast.cli.fits import DEFAULT_UNIT, covariates_of, named_models
from clvforecast.cli.options.models import Ridge, Unit
from clvforecast.cli.options.panels import panel

if TYPE_CHECKING:
    from clvforecast.evaluation import Selection
    from clvforecast.transactions import Transactions

__all__ = ["SelectionOptions"]

_option = panel("Selection")


class Criterion(enum.StrEnum):
    """What decides."""

    bic = "bic"
    aic = "aic"
    backtest = "backtest"


@dataclass(frozen=True)
class SelectionOptions:
    """Which models are held beside each other, and what decides."""

    model: Annotated[
        list[str] | None,
        _option(
            metavar="NAME",
            text="A candidate, as of clv forecast; may be given again. Default: all models.",
        ),
    ] = None
    by: Annotated[
        Criterion,
        _option(text="How well the past is described, or how well a holdout was foretold."),
    ] = Criterion.bic
    metric: Annotated[
        str, _option(metavar="NAME", text="Score of the backtest: crps, log_score, bias, mae ...")
    ] = "crps"
    horizon: Annotated[
        str, _option(metavar="DURATION", text="How far ahead the backtest looks: 26W, 6M or 90D.")
    ] = "26W"
    origins: Annotated[
        int, _option(metavar="NUMBER", text="From how many days, equally spaced, it looks ahead.")
    ] = 3
    replicates: Annotated[
        int, _option(metavar="NUMBER", text="Bootstrap replicates for its standard errors.")
    ] = 200
    seed: Annotated[int, _option(metavar="NUMBER", text="Seed of the random numbers.")] = 0
    stack: Annotated[
        bool,
        _option(text="Weigh all candidates so that mixed they foretold best; with --by backtest."),
    ] = False
    time_unit: Unit = None
    ridge: Ridge = None

    @property
    def covariates(self) -> list[str]:
        """The columns of the orders that the candidates need."""
        pairs = (named_models([name]) for name in self.model or ())
        return list(dict.fromkeys(name for pair in pairs for name in covariates_of(pair)))

    def work_out(self, log: "Transactions") -> "Selection":
        """Fit the candidates and hold them beside each other."""
        import clvforecast as clv

        return clv.select(
            log,
            self.model or None,
            by=self.by.value,
            metric=self.metric,
            time_unit=str(self.time_unit or DEFAULT_UNIT),
            horizon=self.horizon,
            n=self.origins,
            ridge=self.ridge or 0.0,
            replicates=self.replicates,
            seed=self.seed,
            stack=self.stack,
            progress=console.watched(),
        )
