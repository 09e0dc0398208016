"""Maximum likelihood: a summary and a model class in, a `Fit` out."""

from __future__ import annotations

import math
import warnings
from collections.abc import Hashable
from typing import Final

import numpy as np
import pandas as pd

from clvforecast.errors import DataError, FitError, FitWarning, suggest
from clvforecast.fitting.arguments import check_lazily, model_columns, stated_time_unit
from clvforecast.fitting.cells import Cells
from clvforecast.fitting.result import Fit
from clvforecast.models import Model, PurchaseModel
from clvforecast.numerics.arrays import FloatArray
from clvforecast.transactions.lazy import LazySummary

__all__ = ["fit", "require_repeat_customers"]

_RUNAWAY_LOGARITHM: Final = 9.0


def fit(
    model: type[Model],
    rfm: pd.DataFrame | LazySummary,
    *,
    time_unit: str | None = None,
    ridge: float = 0.0,
    weights: Hashable | None = None,
) -> Fit:
    """Fit a model to an RFM summary by maximum likelihood.

    Customers with the same history are one weighted cell, and times and money are scaled to mean
    one before anything is fitted, so neither the unit nor the currency changes the result.

    Parameters
    ----------
    model : type of Model
        Such as `BGNBD` or `GammaGamma`.
    rfm : DataFrame or LazySummary
        The columns the model sees, one row per customer (or per cell, with `weights`). Of a lazy
        summary only distinct rows are fetched; see `LazySummary.spends` for what beyond a million
        repeat customers stands for their mean spends.
    time_unit : {"D", "W", "M", "Y"}, optional
        The unit of recency and T, if ``rfm.attrs["time_unit"]`` does not say.
    ridge : float
        Penalty per customer on the sum of squared log-parameters (in the scaled units), 0 or more.
        The log-likelihood that is reported stays the unpenalised one.
    weights : label, optional
        A column of numbers of customers, where a row of a DataFrame stands for several.

    Raises
    ------
    DataError
        If a column is missing, or a row cannot come from an order log.
    FitError
        If the data cannot identify the model at all, or the search does not converge.

    Warns
    -----
    FitWarning
        If something in the estimates must be known before they are used: see `Fit.remarks`.
    """
    unit = stated_time_unit(rfm, time_unit) if issubclass(model, PurchaseModel) else None
    if not (math.isfinite(ridge) and ridge >= 0):
        raise DataError(f"ridge={ridge!r} must be 0 or more and finite.")
    columns, counts = _checked_cells(model, rfm, weights)
    customers = counts.sum()
    cells = Cells.of(model, columns, counts)
    minimum = cells.estimate(ridge)
    if not minimum.converged:
        raise FitError(_why_not(model, minimum.parameters, int(customers)))
    result = Fit(
        model=cells.in_own_units(minimum.parameters).model,
        information=customers * (minimum.hessian - 2 * ridge * np.eye(len(minimum.parameters))),
        log_likelihood=cells.log_likelihood_at(minimum, ridge),
        customers=int(customers),
        repeat_customers=int(counts[columns[0] > 0].sum()),
        time_unit=unit,
        ridge=float(ridge),
        until=rfm.attrs.get("until"),
        cells=cells,
    )
    for remark in result.remarks:
        warnings.warn(f"{model.name}: {remark}", FitWarning, stacklevel=3)
    return result


def _why_not(model: type[Model], parameters: FloatArray, customers: int) -> str:
    """Why a search did not converge, from where it ended in the scaled units."""
    runaway = [
        f"{name} {'grows' if value > 1 else 'shrinks'}"
        for name, value in zip(model.parameter_names(), parameters, strict=True)
        if abs(math.log(value)) > _RUNAWAY_LOGARITHM
    ]
    if not runaway:
        return (
            f"The {model.name} fit to {customers:,} customers did not converge. Look for outliers "
            "in the summary, or fit with a small ridge=, such as 0.001."
        )
    return (
        f"{model.name} cannot be fitted to these {customers:,} customers: the likelihood increases "
        f"without limit as {' and '.join(runaway)}, so the data do not vary as the model says. "
        "Look for constant or repeated values in the summary, or fit with a small ridge=, such as "
        "0.001."
    )


def require_repeat_customers(
    model: type[Model], frequency: FloatArray, informative: float, customers: int
) -> None:
    """Raise `FitError` where nobody has come back, or there is only one customer to learn from.

    Parameters
    ----------
    model : type of Model
    frequency : ndarray
        Of the customers who tell the model anything.
    informative : float
        How many they are.
    customers : int
        How many there are in all.
    """
    if not frequency.any():
        raise FitError(
            f"None of {customers:,} customers has a repeat purchase"
            + (" with a positive mean spend" if not issubclass(model, PurchaseModel) else "")
            + f", so {model.name} cannot be fitted. Observe the customers for longer."
        )
    if informative < 2:
        raise FitError(
            f"One customer cannot identify the {len(model.parameter_names())} parameters of "
            f"{model.name}, which describe how customers differ. Fit it to more customers, or "
            "give a model with known parameters."
        )


def _checked_cells(
    model: type[Model], rfm: pd.DataFrame | LazySummary, weights: Hashable | None
) -> tuple[list[FloatArray], FloatArray]:
    columns, counts = _rows(model, rfm, weights)
    known = np.flatnonzero(model.informative(*columns) & (counts > 0))
    if known.size < counts.size:
        columns, counts = [column[known] for column in columns], counts[known]
    require_repeat_customers(model, columns[0], float(counts.sum()), len(rfm))
    return model.cells(*columns, weights=counts)


def _rows(
    model: type[Model], rfm: pd.DataFrame | LazySummary, weights: Hashable | None
) -> tuple[list[FloatArray], FloatArray]:
    """The columns that a model sees, checked, and how many customers each row stands for."""
    if not isinstance(rfm, LazySummary):
        columns = model_columns(model, rfm)
        return columns, np.ones(len(rfm)) if weights is None else _weights(rfm, weights)
    if weights is not None:
        raise DataError("weights= names a column of a DataFrame: a lazy summary needs none.")
    check_lazily(model, rfm)
    if issubclass(model, PurchaseModel):
        found = rfm.histories
        return [found.x, found.t_x, found.T], found.customers
    *columns, counts = rfm.spends()
    return columns, counts


def _weights(rfm: pd.DataFrame, column: Hashable) -> FloatArray:
    if column not in rfm.columns:
        raise DataError(f"No column {column!r} for weights=. {suggest(str(column), rfm.columns)}")
    counts = rfm[column].to_numpy(dtype=float, na_value=np.nan)
    if not np.all(np.isfinite(counts) & (counts >= 0)):
        raise DataError(f"weights={column!r} must hold numbers of customers, 0 or more.")
    return counts
