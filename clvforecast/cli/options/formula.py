"""How the simple formula is to be worked out."""

# No postponed annotations here: typer reads them while the program runs.
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from clvforecast.cli import console
from clvforecast.cli.options.panels import panel

if TYPE_CHECKING:
    from clvforecast.historical import HistoricalCLV
    from clvforecast.transactions import Transactions

__all__ = ["By", "HistoricalOptions", "Quantile"]

_option = panel("Simple formula")


@dataclass(frozen=True)
class HistoricalOptions:
    """How the simple formula is to be worked out."""

    lifespan: Annotated[
        str | None,
        _option(
            metavar="DURATION",
            text="How long a customer stays, such as 2Y, or how to estimate it: churn or "
            "observed. Default: churn.",
        ),
    ] = None
    period: Annotated[
        str | None,
        _option(
            metavar="DURATION",
            text="Length of time the log covers, where it is longer than the orders show.",
        ),
    ] = None

    def work_out(
        self, log: "Transactions", *, margin: float, by: Sequence[str] | None = None
    ) -> "HistoricalCLV":
        """Work the formula out on these terms."""
        import clvforecast as clv

        with console.progress("Working out the simple formula"):
            return clv.historical_clv(
                log, by=by, lifespan=self.lifespan, period=self.period, margin=margin
            )


Quantile = Annotated[
    float,
    _option(
        metavar="SHARE",
        text="Customers above this quantile of past value, or of forecast, are the valuable ones.",
    ),
]
By = Annotated[
    list[str] | None,
    _option(
        "--by",
        "--segment",
        metavar="COLUMN",
        text="Repeat the formula for each value of this column; may be given again.",
    ),
]
