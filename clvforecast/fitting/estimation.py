"""Maximum likelihood: a summary and a model class in, a `Fit` out."""

from __future__ import annotations

import math
import warnings
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from clvforecast.errors import DataError, FitError, FitWarning, suggest
from clvforecast.fitting.arguments import check_lazily, model_columns, stated_time_unit
from clvforecast.fitting.cells import Cells
from clvforecast.fitting.regression.preparing import Customers, Regression, regression_cells
from clvforecast.fitting.regularity import beyond_summary, chosen_settings
from clvforecast.fitting.result import Fit
from clvforecast.models import Model, PurchaseModel
from clvforecast.numerics.arrays import FloatArray
from clvforecast.transactions import Transactions
from clvforecast.transactions.lazy import LazySummary
from clvforecast.transactions.timing import Timing, purchase_timing

if TYPE_CHECKING:
    from clvforecast.calendars import Calendar

__all__ = ["fit", "require_repeat_customers"]

_RUNAWAY_LOGARITHM: Final = 9.0


def fit(
    model: type[Model],
    rfm: pd.DataFrame | LazySummary,
    *,
    covariates: str | Mapping[str, str] | None = None,
    calendar: Calendar | str | None = None,
    equal: Iterable[Sequence[str]] = (),
    k: int | None = None,
    orders: Transactions | Timing | None = None,
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
        The columns the model sees, one row per customer (or per cell, with `weights`), and those
        of the covariates. Of a lazy summary only distinct rows are fetched; see
        `LazySummary.spends` for what beyond a million repeat customers stands for their mean
        spends.
    covariates : str or mapping of str to str, optional
        A formula of columns of the summary, such as ``"channel + age"``, for every part of the
        model that they can act on; or one for each: "purchase" (how fast customers buy),
        "dropout" (how readily they leave), "spend". Numbers act by ``exp(coefficient)`` per unit,
        categories relative to the first.
    calendar : Calendar or str, optional
        What makes all customers buy more on some days than on others, such as ``"month + trend"``:
        for BG/NBD and MBG/NBD, with `orders`.
    equal : iterable of sequences of str
        Coefficients of covariates that are one number: ``[("purchase: age", "dropout: age")]``.
    k : int, optional
        The order of BG/CNBD-k and MBG/CNBD-k. Default: that of the highest likelihood, up to 12.
    orders : Transactions, optional
        The log that was summarised. A calendar needs the days of purchases; the choice of `k` is
        surer with the times between them than with the summary alone.
    time_unit : {"D", "W", "M", "Y"}, optional
        The unit of recency and T, if ``rfm.attrs["time_unit"]`` does not say.
    ridge : float
        Penalty per customer on the sum of squared log-parameters (in the scaled units) and
        coefficients (of standardised covariates), 0 or more. The log-likelihood that is reported
        stays the unpenalised one.
    weights : label, optional
        A column of numbers of customers, where a row of a DataFrame stands for several.

    Raises
    ------
    DataError
        If a column is missing, a row cannot come from an order log, or the model takes no such
        covariates, calendar or `k`.
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
    if k is not None and "k" not in model.fixed:
        raise DataError(f"{model.name} has no k=: that is the order of BG/CNBD-k and MBG/CNBD-k.")
    asked = Regression(covariates, equal, calendar)
    customers = _informative(model, rfm, weights)
    timing = purchase_timing(orders, rfm) if isinstance(orders, Transactions) else orders
    settings = chosen_settings(model, customers, timing, unit) if k is None else {"k": k}
    if asked.is_none:
        columns, counts = model.cells(*customers.columns, weights=customers.weights)
        cells = Cells.of(model, columns, counts, **settings)
    else:
        cells = regression_cells(model, rfm, customers, asked, timing, unit, **settings)
    minimum = cells.estimate(ridge)
    total = float(customers.weights.sum())
    if not minimum.converged:
        raise FitError(_why_not(cells, minimum.parameters, int(total)))
    found = cells.in_own_units(minimum.parameters)
    log_likelihood = cells.log_likelihood_at(minimum, ridge)
    if settings and timing is not None:
        log_likelihood += beyond_summary(model, customers, timing, unit, **settings)
    result = Fit(
        model=found.model,
        information=total * (minimum.hessian - 2 * ridge * np.eye(len(minimum.parameters))),
        log_likelihood=log_likelihood,
        customers=int(total),
        repeat_customers=int(customers.weights[customers.columns[0] > 0].sum()),
        time_unit=unit,
        ridge=float(ridge),
        until=rfm.attrs.get("until"),
        effects=found.effects,
        reference=getattr(cells, "reference", None),
        cells=cells,
    )
    for remark in result.remarks:
        warnings.warn(f"{model.name}: {remark}", FitWarning, stacklevel=3)
    return result


def _why_not(cells: Cells, parameters: FloatArray, customers: int) -> str:
    """Why a search did not converge, from where it ended in the scaled units."""
    model = cells.model
    runaway = [
        f"{name} {'grows' if value > 1 else 'shrinks'}"
        for name, value in zip(cells.parameter_names, parameters, strict=True)
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


def _informative(
    model: type[Model], rfm: pd.DataFrame | LazySummary, weights: Hashable | None
) -> Customers:
    """Those who tell the model something, checked."""
    columns, counts, rows = _rows(model, rfm, weights)
    known = np.flatnonzero(model.informative(*columns) & (counts > 0))
    if known.size < counts.size:
        columns, counts, rows = [c[known] for c in columns], counts[known], rows[known]
    require_repeat_customers(model, columns[0], float(counts.sum()), len(rfm))
    return Customers(columns, counts, rows)


def _rows(
    model: type[Model], rfm: pd.DataFrame | LazySummary, weights: Hashable | None
) -> Customers:
    """The columns that a model sees, checked, and how many customers each row stands for."""
    if not isinstance(rfm, LazySummary):
        columns = model_columns(model, rfm)
        counts = np.ones(len(rfm)) if weights is None else _weights(rfm, weights)
        return Customers(columns, counts, np.arange(len(rfm)))
    if weights is not None:
        raise DataError("weights= names a column of a DataFrame: a lazy summary needs none.")
    check_lazily(model, rfm)
    if issubclass(model, PurchaseModel):
        found = rfm.histories
        return Customers([found.x, found.t_x, found.T], found.customers, found.combination)
    spent = rfm.spends()
    return Customers([spent.x, spent.m], spent.customers, spent.combination)


def _weights(rfm: pd.DataFrame, column: Hashable) -> FloatArray:
    if column not in rfm.columns:
        raise DataError(f"No column {column!r} for weights=. {suggest(str(column), rfm.columns)}")
    counts = rfm[column].to_numpy(dtype=float, na_value=np.nan)
    if not np.all(np.isfinite(counts) & (counts >= 0)):
        raise DataError(f"weights={column!r} must hold numbers of customers, 0 or more.")
    return counts
