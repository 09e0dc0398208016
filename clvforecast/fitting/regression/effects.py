"""Covariates with their coefficients: what turns one customer's model into every customer's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd

from clvforecast.errors import DataError
from clvforecast.fitting.regression.covariates import Covariates
from clvforecast.models import Model
from clvforecast.numerics.arrays import FloatArray

if TYPE_CHECKING:
    from clvforecast.transactions.lazy import LazySummary

__all__ = ["CovariateEffects", "require_segments"]


@dataclass(frozen=True)
class CovariateEffects:
    """What covariates multiply a model's rates, odds or means by.

    Parameters
    ----------
    covariates : Covariates
    sizes : tuple of float or ndarray
        ``exp(coefficient)`` on the user's scale, of each free coefficient; or draws of it.
    """

    covariates: Covariates
    sizes: tuple[FloatArray | float, ...]

    @classmethod
    def none(cls, covariates: Covariates) -> Self:
        """Covariates that change nothing."""
        return cls(covariates, (1.0,) * len(covariates.free))

    @property
    def ratios(self) -> dict[str, Any]:
        """What one unit more multiplies by, by coefficient: numbers, or arrays of draws."""
        return dict(zip(self.covariates.free, self.sizes, strict=True))

    def with_ratios(self, *ratios: FloatArray | float) -> Self:
        """The same effects, of other sizes."""
        sizes = tuple(ratio if np.ndim(ratio) else float(ratio) for ratio in ratios)
        return replace(self, sizes=sizes)

    @property
    def coefficients(self) -> FloatArray:
        """Logarithms of the ratios, shape (free,) or (free, draws)."""
        return np.asarray(np.log(np.array(self.sizes)))

    def applied(self, model: Model, rfm: pd.DataFrame | LazySummary | None) -> Model:
        """The model of the customers of a summary; in an engine, of its distinct histories.

        Raises
        ------
        DataError
            If there is no summary or it lacks a covariate, or a customer has none or an unknown
            category.
        """
        if rfm is None:
            raise DataError(
                f"This {model.name} fit depends on {', '.join(self.ratios)}, which this function "
                "is not given. Pass the model of chosen customers, fit.model_of(rfm)."
            )
        if isinstance(rfm, pd.DataFrame):
            rows = self.covariates.matrix(rfm)
            return self.covariates.model_of(model, self.coefficients, rows, rfm.index)
        require_segments(rfm, self.covariates.variables)
        try:
            rows = self.covariates.matrix(rfm.combinations)[rfm.histories.combination]
            return self.covariates.model_of(model, self.coefficients, rows)
        except DataError:
            self.applied(model, rfm.to_pandas())  # only the customers can say who they are
            raise

    def unidentified(self, flat: frozenset[str]) -> tuple[str, ...]:
        """What a reader must know where the data do not tell coefficients, in sentences.

        Parameters
        ----------
        flat : frozenset of str
            Estimates along which the likelihood is all but flat.
        """
        names = [name for name in self.ratios if name in flat]
        if not names:
            return ()
        return (
            f"The data do not identify {', '.join(names)}: customers of some category all do the "
            "same, such as never return. Merge it with another, or fit with a small ridge=, such "
            "as 0.001.",
        )

    def to_dict(self) -> dict[str, Any]:
        """All of it but the sizes, of JSON's types."""
        return self.covariates.to_dict()

    @classmethod
    def from_dict(cls, model: type[Model], saved: Mapping[str, Any]) -> Self:
        """Rebuild them from `to_dict`, with no effect yet: see `with_ratios`."""
        return cls.none(Covariates.from_dict(model, saved))


def require_segments(rfm: LazySummary, names: Sequence[str]) -> None:
    """Raise `DataError` unless a summary in an engine has these covariates beside."""
    for name in names:
        if name not in rfm.segments:
            raise DataError(
                f"The lazy summary has no column {name!r}, which the covariates need. Summarise "
                f"with segments={list(names)!r}, or give its to_pandas() with the "
                "covariates as columns."
            )
