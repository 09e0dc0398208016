"""A calendar with its multipliers, and covariates beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import pandas as pd

from clvforecast.calendars import Basis, Clock
from clvforecast.errors import DataError
from clvforecast.fitting.regression.effects import CovariateEffects
from clvforecast.models import Model
from clvforecast.models.beta_geometric import BetaGeometricModel
from clvforecast.models.warped import Warped
from clvforecast.numerics.arrays import FloatArray
from clvforecast.units import days_per

if TYPE_CHECKING:
    from clvforecast.transactions.lazy import LazySummary

__all__ = ["CalendarEffects", "CombinedEffects"]


@dataclass(frozen=True)
class CalendarEffects:
    """What a calendar multiplies the rate of purchases by.

    Parameters
    ----------
    basis : Basis
    time_unit : {"D", "W", "M", "Y"}
        That of the model's parameters.
    sizes : tuple of float or ndarray
        ``exp(coefficient)`` of each name of the basis; or draws of it.
    """

    basis: Basis
    time_unit: str
    sizes: tuple[FloatArray | float, ...]

    @classmethod
    def none(cls, basis: Basis, time_unit: str) -> Self:
        """A calendar on which every day is like any other."""
        return cls(basis, time_unit, (1.0,) * len(basis.names))

    @property
    def ratios(self) -> dict[str, Any]:
        """What the coefficients multiply by, by name: numbers, or arrays of draws."""
        return dict(zip(self.basis.names, self.sizes, strict=True))

    def with_ratios(self, *ratios: FloatArray | float) -> Self:
        """The same calendar, of other sizes."""
        sizes = tuple(ratio if np.ndim(ratio) else float(ratio) for ratio in ratios)
        return replace(self, sizes=sizes)

    def applied(self, model: Model, rfm: pd.DataFrame | LazySummary | None) -> Model:
        """The model of customers observed until the day of their summary, or of the fit.

        Raises
        ------
        DataError
            If the summary does not say its last day.
        """
        until = self.basis.until if rfm is None else _until(rfm)
        if until is None:
            raise DataError(
                f"The calendar of this {model.name} fit needs the end of observation, "
                "rfm.attrs['until']. Summarise the orders again, or set it as YYYY-MM-DD."
            )
        if not isinstance(model, BetaGeometricModel):
            raise DataError(f"{model.name} takes no calendar.")
        logs = tuple(float(np.log(size)) for size in self.sizes)
        return Warped(model, Clock(self.basis, logs, until, days_per(self.time_unit)))

    def to_dict(self) -> dict[str, Any]:
        """All of it but the sizes, of JSON's types."""
        return self.basis.to_dict() | {"time_unit": self.time_unit}

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Self:
        """Rebuild it from `to_dict`, with no effect yet: see `with_ratios`."""
        return cls.none(Basis.from_dict(dict(saved)), str(saved["time_unit"]))


class _Ready(NamedTuple):
    """Customers, and their covariates as numbers."""

    rfm: pd.DataFrame
    rows: FloatArray


def _until(rfm: pd.DataFrame | LazySummary) -> Any:
    """The end of observation, also of a table that is to be forecast without regard to days."""
    return rfm.attrs.get("until", rfm.attrs.get("observed_until"))


@dataclass(frozen=True)
class CombinedEffects:
    """Covariates, a calendar, or both.

    Parameters
    ----------
    covariates : CovariateEffects or None
    calendar : CalendarEffects or None
    """

    covariates: CovariateEffects | None
    calendar: CalendarEffects | None
    _ready: _Ready | None = field(default=None, repr=False, compare=False)

    @property
    def ratios(self) -> dict[str, Any]:
        """What parameters are multiplied by: of covariates, then of the calendar."""
        parts = (self.covariates, self.calendar)
        return {name: size for part in parts if part for name, size in part.ratios.items()}

    def with_ratios(self, *ratios: FloatArray | float) -> Self:
        """The same effects, of other sizes."""
        first = 0 if self.covariates is None else len(self.covariates.ratios)
        return replace(
            self,
            covariates=self.covariates and self.covariates.with_ratios(*ratios[:first]),
            calendar=self.calendar and self.calendar.with_ratios(*ratios[first:]),
        )

    def applied(self, model: Model, rfm: pd.DataFrame | LazySummary | None) -> Model:
        """The model of the customers of a summary; raises as its parts do."""
        if self.covariates is not None:
            if self._ready is not None and self._ready.rfm is rfm:
                known = self.covariates.covariates
                model = known.model_of(model, self.covariates.coefficients, self._ready.rows)
            else:
                model = self.covariates.applied(model, rfm)
        return model if self.calendar is None else self.calendar.applied(model, rfm)

    def of_customers(self, rfm: pd.DataFrame | LazySummary) -> Self:
        """The same effects, ready to be applied to these customers many times."""
        if self.covariates is None or not isinstance(rfm, pd.DataFrame):
            return self
        return replace(self, _ready=_Ready(rfm, self.covariates.covariates.matrix(rfm)))

    def unidentified(self, flat: frozenset[str]) -> tuple[str, ...]:
        """What a reader must know where the data do not tell some of the ratios, in sentences."""
        of_covariates = () if self.covariates is None else self.covariates.unidentified(flat)
        names = [name for name in (self.calendar.ratios if self.calendar else ()) if name in flat]
        if not names:
            return of_covariates
        said = f"The data do not identify {', '.join(names)}: nobody bought on those days."
        return (
            *of_covariates,
            f"{said} Leave them out, or fit with a small ridge=, such as 0.001.",
        )

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader of them must know, in sentences."""
        return () if self.calendar is None else self.calendar.basis.remarks

    @property
    def specification(self) -> dict[str, Any]:
        """What `clvforecast.fitting.fit` was told to make them of."""
        told: dict[str, Any] = {}
        if self.covariates is not None:
            given = self.covariates.covariates
            told["covariates"] = {role: d.formula for role, d in given.designs.items()}
            told["equal"] = given.equal
        if self.calendar is not None:
            told["calendar"] = self.calendar.basis.calendar
        return told

    def to_dict(self) -> dict[str, Any]:
        """All of it but the sizes, of JSON's types."""
        parts = {"covariates": self.covariates, "calendar": self.calendar}
        return {name: part.to_dict() for name, part in parts.items() if part is not None}

    @classmethod
    def from_dict(cls, model: type[Model], saved: Mapping[str, Any]) -> Self:
        """Rebuild them from `to_dict`, with no effect yet: see `with_ratios`."""
        covariates, calendar = saved.get("covariates"), saved.get("calendar")
        return cls(
            None if covariates is None else CovariateEffects.from_dict(model, covariates),
            None if calendar is None else CalendarEffects.from_dict(calendar),
        )
