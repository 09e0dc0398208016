"""What a model's parameters depend on: covariates of the customers, and the calendar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

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

    def applied(self, model: Model, rfm: pd.DataFrame | LazySummary | None) -> Model:
        """The model of the customers of a summary; or of any, if it does not depend on them.

        Raises
        ------
        DataError
            If the summary lacks a covariate, or does not say its last day.
        """

    def unidentified(self, flat: frozenset[str]) -> tuple[str, ...]:
        """What a reader must know where the data do not tell some of the ratios, in sentences."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader of them must know, in sentences."""

    @property
    def specification(self) -> dict[str, Any]:
        """What `clvforecast.fitting.fit` was told to make them of."""

    def of_customers(self, rfm: pd.DataFrame | LazySummary) -> Self:
        """The same effects, ready to be applied to these customers many times."""

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
        return self.effects.applied(self.model, rfm)
