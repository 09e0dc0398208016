"""How models are fitted, or which fits are used."""

# No postponed annotations here: typer reads them while the program runs.
import enum
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clvforecast.cli.fits import DEFAULT_UNIT
from clvforecast.cli.options.panels import panel

if TYPE_CHECKING:
    from clvforecast.cli.fits import Fits

__all__ = ["FitOptions", "Ridge", "Save", "TimeUnit", "Unit"]

_option = panel("Models")


class TimeUnit(enum.StrEnum):
    """Units of recency and T."""

    D = "D"
    W = "W"
    M = "M"
    Y = "Y"


Unit = Annotated[
    TimeUnit | None,
    _option(
        case_sensitive=False,
        metavar="D|W|M|Y",
        text="Unit of recency, T and the model: day, week, month or year. "
        "Default: W, or that of --model.",
    ),
]
Ridge = Annotated[
    float | None,
    _option(
        metavar="NUMBER",
        text="Penalty on the parameters' logarithms, such as 0.001, for data that do not "
        "identify them. Default: none.",
    ),
]
Save = Annotated[
    Path | None,
    _option(metavar="FILE", text="Keep the fits as JSON, for --model."),
]


@dataclass(frozen=True)
class FitOptions:
    """Fit the models to the orders, or use fits of earlier orders."""

    time_unit: Unit = None
    ridge: Ridge = None
    model: Annotated[
        list[Path] | None,
        _option(
            metavar="FILE",
            text="Use the fits in this file of --save instead of fitting. Twice, for two files "
            "of one fit each.",
        ),
    ] = None
    save: Save = None

    def __post_init__(self) -> None:
        if self.model and (self.save or self.ridge is not None):
            other = "--save" if self.save else "--ridge"
            raise typer.BadParameter(
                f"{other} is for fitting, and --model brings fits. Leave one out."
            )

    def unit(self, kept: "Fits | None") -> str:
        """The unit that is asked for, that of the fits there are, or weeks."""
        fitted = kept.purchases.time_unit if kept else None
        return str(self.time_unit or fitted or DEFAULT_UNIT)
