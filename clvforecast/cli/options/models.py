"""How models are fitted, or which fits are used."""

# No postponed annotations here: typer reads them while the program runs.
import enum
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clvforecast.cli.fits import DEFAULT_UNIT, covariates_of, named_models
from clvforecast.cli.options.panels import panel

if TYPE_CHECKING:
    from clvforecast.cli.fits import Fits

__all__ = [
    "FitOptions",
    "Models",
    "NamedModels",
    "Ridge",
    "Save",
    "TimeUnit",
    "Unit",
    "check_models",
    "fit_files",
    "is_file",
]

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


Models = Annotated[
    list[str] | None,
    _option(
        metavar="NAME|FILE",
        text="Fit this model: bgnbd, mbgnbd, pareto-nbd, bgcnbd or mbgcnbd, and gamma-gamma; with "
        "a calendar or covariates, 'mbgnbd; calendar: month + trend; covariates: channel'. Or use "
        "the fits in this file of --save instead; twice, for two files of one fit each.",
    ),
]
NamedModels = Annotated[
    list[str] | None,
    _option(metavar="NAME", text="The model to fit, as of clv forecast. Default: bgnbd."),
]


def is_file(name: str) -> bool:
    """Whether `--model` names a file: it has an ending, which no model has."""
    return ";" not in name and (bool(Path(name).suffix) or "/" in name)


def fit_files(given: Sequence[str] | None) -> list[Path]:
    """The files of fits among what `--model` names."""
    return [Path(name) for name in given or () if is_file(name)]


def check_models(given: Sequence[str] | None) -> None:
    """Refuse files beside names."""
    if len({is_file(name) for name in given or ()}) > 1:
        raise typer.BadParameter(
            "--model names models to fit, or files of fits. Leave one of them out."
        )


@dataclass(frozen=True)
class FitOptions:
    """Fit the models to the orders, or use fits of earlier orders."""

    time_unit: Unit = None
    ridge: Ridge = None
    model: Models = None
    save: Save = None

    def __post_init__(self) -> None:
        check_models(self.model)
        if self.files and (self.save or self.ridge is not None):
            other = "--save" if self.save else "--ridge"
            raise typer.BadParameter(
                f"{other} is for fitting, and --model brings fits. Leave one out."
            )

    @property
    def files(self) -> list[Path]:
        """The files of fits that `--model` names."""
        return fit_files(self.model)

    @property
    def names(self) -> list[str]:
        """The models that `--model` names."""
        return [name for name in self.model or () if not is_file(name)]

    def covariates(self, kept: "Fits | None") -> list[str]:
        """The columns of the orders that the models need."""
        return covariates_of(kept or named_models(self.names))

    def unit(self, kept: "Fits | None") -> str:
        """The unit that is asked for, that of the fits there are, or weeks."""
        fitted = kept.purchases.time_unit if kept else None
        return str(self.time_unit or fitted or DEFAULT_UNIT)
