"""What a forecast is of, and how uncertain."""

# No postponed annotations here: typer reads them while the program runs.
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clvforecast.cli.customers import anyone
from clvforecast.cli.options.panels import panel

if TYPE_CHECKING:
    import pandas as pd

    from clvforecast.fitting import Fit
    from clvforecast.models import PurchaseModel, SpendModel

__all__ = ["ForecastOptions", "IntervalOptions", "Margin", "Posterior", "ValueOptions"]

_option = panel("Value")

Margin = Annotated[float, _option(metavar="SHARE", text="Share of revenue that is profit.")]


@dataclass(frozen=True)
class ValueOptions:
    """What a forecast is of."""

    horizon: Annotated[
        str,
        _option(
            metavar="DURATION",
            text="How far ahead: 52W, 12M, 1Y, 90D, or inf for a whole lifetime.",
        ),
    ] = "1Y"
    discount_rate: Annotated[
        float,
        _option(metavar="RATE", text="Effective annual rate, 0.10 for 10% a year."),
    ] = 0.0
    margin: Margin = 1.0

    def check(self) -> None:
        """Raise now what the forecast would raise after minutes of fitting."""
        import clvforecast as clv

        self.forecast(clv.BGNBD(1, 1, 1, 1), clv.GammaGamma(2, 2, 2), anyone())

    def forecast(
        self,
        purchases: "Fit | PurchaseModel",
        spend: "Fit | SpendModel",
        rfm: "pd.DataFrame",
        **more: Any,
    ) -> "pd.DataFrame":
        """Forecast on these terms."""
        import clvforecast as clv

        return clv.forecast(purchases, spend, rfm, **self.terms(), **more)

    def terms(self) -> dict[str, Any]:
        """The same as arguments of the library."""
        return {
            "horizon": self.horizon,
            "annual_discount_rate": self.discount_rate,
            "margin": self.margin,
        }


Posterior = Annotated[
    bool,
    _option(
        "--posterior",
        text="Let the intervals hold how uncertain the parameters are, too: draw them from their "
        "posterior.",
    ),
]


@dataclass(frozen=True)
class IntervalOptions(ValueOptions):
    """What a forecast is of, and how uncertain each customer's future is."""

    level: Annotated[
        float | None,
        _option(
            metavar="PROBABILITY",
            text="Add predictive intervals of this probability, such as 0.90: where each "
            "customer's own purchases and value will lie.",
        ),
    ] = None

    def terms(self) -> dict[str, Any]:
        """The same as arguments of the library."""
        return {**super().terms(), "level": self.level}


@dataclass(frozen=True)
class ForecastOptions(IntervalOptions):
    """The same, with the parameters' own uncertainty if it is asked for."""

    posterior: Posterior = False

    def __post_init__(self) -> None:
        if self.posterior and self.level is None:
            raise typer.BadParameter("--posterior widens intervals. Give --level, such as 0.90.")
