"""What a model's parameters depend on: covariates of the customers, and the calendar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

from clvforecast.errors import DataError
from clvforecast.models import Model
from clvforecast.numerics.arrays import FloatArray

if TYPE_CHECKING:
    import pandas as pd

    from clvforecast.transactions.lazy import LazySummary

__all__ = ["Effects", "Estimate"]


class Effects(Protocol):
    """What turns a model of customers alike into that of some customers, each with his own."""

    @property
    def ratios(self) -> dict[str, Any]:
        """What parameters are multiplied by, by name: numbers, or arrays of draws."""

    def with_ratios(self, *ratios: FloatArray | float) -> Self:
        """The same effects, of other sizes."""

    def applied(self, model: Model, rfm: pd.DataFrame | LazySummary) -> Model:
        """The model of the customers of a summary.

        Raises
        ------
        DataError
            If the summary lacks a covariate, or does not say its last day.
        """

    def to_dict(self) -> dict[str, Any]:
        """All of it but the sizes, of JSON's types."""


@dataclass(frozen=True)
class Estimate:
    """A model, and what its parameters depend on, if anything.

    Parameters
    ----------
    model : Model
        Of a customer whose covariates are zero, or at their reference level. Parameters may be
        arrays of draws.
    effects : Effects or None
    """

    model: Model
    effects: Effects | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """All that was estimated, by name; of effects, what they multiply by."""
        return self.model.parameters | ({} if self.effects is None else self.effects.ratios)

    def model_of(self, rfm: pd.DataFrame | LazySummary | None) -> Model:
        """The model of the customers of a summary.

        Raises
        ------
        DataError
            If it depends on the customers, and there are none.
        """
        if self.effects is None:
            return self.model
        if rfm is None:
            raise DataError(
                f"This {self.model.name} fit depends on {', '.join(self.effects.ratios)}, which "
                "this function is not given. Pass the model of chosen customers, "
                "fit.model_of(rfm)."
            )
        return self.effects.applied(self.model, rfm)
