"""What `clv portfolio` is asked for: periods, segments, a plan of new customers, simulations."""

# No postponed annotations here: typer reads them while the program runs.
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from clvforecast.cli import console
from clvforecast.cli.customers import with_segments
from clvforecast.cli.options.models import TimeUnit
from clvforecast.cli.options.numbers import named_numbers
from clvforecast.cli.options.panels import panel
from clvforecast.cli.options.value import Posterior

if TYPE_CHECKING:
    import pandas as pd

    from clvforecast.cli.fits import Fits
    from clvforecast.portfolios import Portfolio
    from clvforecast.transactions import Transactions

__all__ = ["PortfolioOptions"]

_option = panel("Portfolio")

# The month after is February, the shortest: nothing is refused here that the orders allow.
_BEFORE_FEBRUARY: Final = "2001-01-31"


@dataclass(frozen=True)
class PortfolioOptions:
    """How far ahead to look, what to add up by, and how uncertain it is."""

    horizon: Annotated[
        str, _option(metavar="DURATION", text="How far ahead: 26W, 12M, 1Y or 90D.")
    ] = "26W"
    period: Annotated[
        TimeUnit,
        _option(
            case_sensitive=False,
            metavar="D|W|M|Y",
            text="What to add up by: days, weeks, months or years of the calendar.",
        ),
    ] = TimeUnit.W
    level: Annotated[
        float,
        _option(
            metavar="PROBABILITY",
            text="Probability of the predictive intervals.",
        ),
    ] = 0.90
    posterior: Posterior = False
    by: Annotated[
        list[str] | None,
        _option(
            "--by",
            "--segment",
            metavar="COLUMN",
            text="Split customers by this column of the orders, as it is in their first one; "
            "may be given again.",
        ),
    ] = None
    new_customers: Annotated[
        list[str] | None,
        _option(
            metavar="NUMBER",
            text="Customers to be acquired in every period. With --by, SEGMENT=NUMBER, once for "
            "each segment.",
        ),
    ] = None
    cumulative: Annotated[
        bool, _option("--cumulative", text="Add up from the first period on.")
    ] = False
    simulations: Annotated[
        int, _option(metavar="NUMBER", text="How many futures are drawn for the intervals.")
    ] = 1_000
    seed: Annotated[int, _option(metavar="NUMBER", text="Seed of the random numbers.")] = 0

    def __post_init__(self) -> None:
        plan = self.new_customers or []
        if not self.by and (len(plan) > 1 or any("=" in part for part in plan)):
            raise typer.BadParameter(
                "--new-customers is one number, unless --by splits customers into segments."
            )
        if self.by and plan and (len(self.by) > 1 or any("=" not in part for part in plan)):
            raise typer.BadParameter(
                "With --by COLUMN, once, --new-customers says which segment they join: "
                "--new-customers SEGMENT=NUMBER."
            )
        if plan:
            named_numbers(plan, "--new-customers", name="SEGMENT")

    def check(self) -> None:
        """Raise now what the portfolio would raise after minutes of fitting."""
        import pandas as pd

        import clvforecast as clv

        anyone = pd.DataFrame(
            {"frequency": [0], "recency": [0.0], "T": [2.0], "monetary_value": [0.0]}
        )
        anyone.attrs = {"time_unit": "W", "until": _BEFORE_FEBRUARY}
        clv.portfolio(
            clv.BGNBD(1, 1, 1, 1),
            clv.GammaGamma(2, 2, 2),
            anyone,
            horizon=self.horizon,
            period=self.period.value,
            simulations=self.simulations,
            seed=self.seed,
        ).total(self.level)

    def work_out(self, fits: "Fits", rfm: "pd.DataFrame", log: "Transactions") -> "Portfolio":
        """Work the portfolio out on these terms."""
        import clvforecast as clv

        posterior = fits.posterior() if self.posterior else None
        with console.progress(f"Simulating {self.simulations:,} futures"):
            if self.by:
                rfm = with_segments(rfm, log, self.by)
            return clv.portfolio(
                fits.purchases,
                fits.spend,
                rfm,
                horizon=self.horizon,
                period=self.period.value,
                by=self.by,
                new_customers=self._plan(rfm),
                posterior=posterior,
                simulations=self.simulations,
                seed=self.seed,
            )

    def table(self, portfolio: "Portfolio") -> "pd.DataFrame":
        """Tabulate the portfolio, with the last day of each period."""
        table = portfolio.table(self.level, cumulative=self.cumulative)
        ends = portfolio.periods.end
        table.insert(0, "end", ends.take(list(range(len(ends))) * (len(table) // len(ends))))
        return table

    def _plan(self, rfm: "pd.DataFrame") -> Any:
        if not self.new_customers:
            return None
        plan = named_numbers(self.new_customers, "--new-customers", name="SEGMENT")
        if isinstance(plan, float) or not self.by:
            return plan
        names = {str(value): value for value in rfm[self.by[0]].unique()}
        return {names.get(name, name): number for name, number in plan.items()}
