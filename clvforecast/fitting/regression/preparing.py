"""From a summary, formulas and a calendar to the cells that a regression is fitted to."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from clvforecast.calendars import Basis, Calendar
from clvforecast.errors import DataError
from clvforecast.fitting.regression.cells import ObservedDays, RegressionCells
from clvforecast.fitting.regression.combined import CalendarEffects, CombinedEffects
from clvforecast.fitting.regression.covariates import Covariates
from clvforecast.fitting.regression.effects import CovariateEffects, require_segments
from clvforecast.fitting.specification import Specification
from clvforecast.models import Model, PurchaseModel
from clvforecast.models.beta_geometric import BetaGeometricModel
from clvforecast.numerics.arrays import FloatArray, IntArray, sums_by_code
from clvforecast.transactions.timing import Timing
from clvforecast.units import check_time_unit, days_per

if TYPE_CHECKING:
    from clvforecast.transactions.lazy import LazySummary

__all__ = ["Customers", "Regression", "regression_cells"]


class Customers(NamedTuple):
    """Rows of a summary that tell a model something."""

    columns: list[FloatArray]
    """What the model sees, in its own units."""
    weights: FloatArray
    """How many customers each row stands for."""
    rows: IntArray
    """Their positions in the summary; in one of an engine, in its `combinations`."""


class Regression(NamedTuple):
    """What parameters are to depend on."""

    covariates: str | Mapping[str, str] | None
    equal: Iterable[Sequence[str]]
    calendar: Calendar | str | None

    @property
    def is_none(self) -> bool:
        """Whether there is nothing they depend on."""
        return self.covariates is None and self.calendar is None and not tuple(self.equal)


def regression_cells(
    model: type[Model],
    rfm: pd.DataFrame | LazySummary,
    customers: Customers,
    asked: Regression,
    timing: Timing | None,
    time_unit: str | None,
    **settings: Any,
) -> RegressionCells:
    """Weighted histories with covariates, in a calendar, or both.

    Raises
    ------
    DataError
        If the model takes no such thing, or the summary or the orders lack what it needs.
    """
    given: dict[str, Any] = {}
    of_covariates = of_calendar = None
    if asked.covariates is not None:
        covariates = _learned(model, rfm, customers, asked)
        some, places = np.unique(customers.rows, return_inverse=True)
        rows, codes = covariates.combinations(_table(rfm).iloc[some])
        given |= {"covariates": covariates, "rows": rows, "codes": codes[places]}
        of_covariates = CovariateEffects.none(covariates)
    elif tuple(asked.equal):
        raise DataError("equal= ties coefficients of covariates=, and there are none.")
    if asked.calendar is not None:
        days, of_calendar = _observed(model, rfm, Calendar.of(asked.calendar), timing, time_unit)
        given["calendar"] = days
    effects = CombinedEffects(of_covariates, of_calendar)
    return RegressionCells.regressed(
        model, customers.columns, customers.weights, effects=effects, **given, **settings
    )


def _table(rfm: pd.DataFrame | LazySummary) -> pd.DataFrame:
    """Where the covariates are that the rows of customers point into."""
    return rfm if isinstance(rfm, pd.DataFrame) else rfm.combinations


def _learned(
    model: type[Model], rfm: pd.DataFrame | LazySummary, customers: Customers, asked: Regression
) -> Covariates:
    """The covariates of a summary: also the categories of customers who tell a model nothing."""
    formulas: Any = asked.covariates
    table = _table(rfm)
    counted: FloatArray | None = sums_by_code(customers.rows, customers.weights, len(table))
    if isinstance(rfm, pd.DataFrame):
        return Covariates.of(model, formulas, table, weights=counted, equal=asked.equal)
    names = Specification(model, formulas).variables
    require_segments(rfm, names)
    if table[list(names)].isna().to_numpy().any():
        table, counted = rfm.to_pandas(), None  # only the customers can say who they are
    return Covariates.of(model, formulas, table, weights=counted, equal=asked.equal)


def _observed(
    model: type[Model],
    rfm: pd.DataFrame | LazySummary,
    calendar: Calendar,
    timing: Timing | None,
    time_unit: str | None,
) -> tuple[ObservedDays, CalendarEffects]:
    if not (issubclass(model, BetaGeometricModel) and not model.fixed):
        raise DataError(
            f"{model.name} takes no calendar=: only where customers leave at a purchase is a pace "
            "that all share the same model in another time. "
            + (
                "Take BGNBD or MBGNBD."
                if issubclass(model, PurchaseModel)
                else "Give it to the purchase model."
            )
        )
    if timing is None:
        raise DataError(
            "calendar= needs the days of all purchases, which a summary does not have. Pass the "
            "orders that were summarised, orders=."
        )
    if time_unit is None:
        raise DataError(
            "calendar= needs the time unit of the summary. Pass time_unit=, such as 'W'."
        )
    unit = check_time_unit(time_unit)
    per_unit = days_per(unit)
    until = dt.date.fromisoformat(str(rfm.attrs["until"])[:10])
    ages = rfm["T"].to_numpy() if isinstance(rfm, pd.DataFrame) else rfm.histories.T
    first = until - dt.timedelta(days=round(float(np.max(ages)) * per_unit))
    basis = Basis(calendar, first, until)
    every = pd.date_range(first, until, freq="D").as_unit("us")
    purchases = np.asarray(timing.repeats.reindex(every, fill_value=0), dtype=float)
    columns = basis.matrix(first, until)
    days = ObservedDays(basis.names, columns, purchases, per_unit, basis.penalty)
    return days, CalendarEffects.none(basis, unit)
