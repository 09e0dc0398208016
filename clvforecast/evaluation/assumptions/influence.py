"""Customers who carry a fit: what the estimates would be without them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import numpy as np
import pandas as pd

from clvforecast.evaluation.assumptions.findings import Finding, judged, unchecked
from clvforecast.fitting import Fit, model_columns
from clvforecast.fitting.cells import Cells
from clvforecast.models import Model, PurchaseModel, SpendModel
from clvforecast.numerics.arrays import BoolArray, FloatArray, IntArray, distinct_rows
from clvforecast.wording import format_number

__all__ = ["Influence", "influence", "without_each"]

_STEP: Final = 1e-5
"""In log-parameters, for central differences: the error is of order 1e-10."""
_FLAT: Final = 1e-10
"""Of the largest eigenvalue of the information: along such directions nothing is known, and the
forecast does not change."""
_SHORT: Final = 0.1
"""Length of a Newton step in standard errors, below which its own error, of the order of its
square, is no matter."""
_LISTED: Final = 10
_WATCH, _VIOLATED = 0.5, 1.0
"""Of the standard error of the forecast: one customer alone moves it by as much as sampling all of
them anew would."""


class Influence(NamedTuple):
    """What the fit, and its forecast of all other customers, would be without each customer.

    Attributes
    ----------
    shifts : ndarray, shape (customers, k)
        Change of the log-parameters.
    change : ndarray, shape (customers,)
        Relative change of the forecast.
    standard_error : float
        Relative standard error of that forecast, from the uncertainty of the parameters.
    """

    shifts: FloatArray
    change: FloatArray
    standard_error: float


def without_each(fit: Fit, rfm: pd.DataFrame, horizon: float) -> Influence:
    """Leave out each customer, by one Newton step.

    Parameters
    ----------
    fit : Fit
    rfm : pandas.DataFrame
        The summary that it was fitted to.
    horizon : float
        How far ahead to forecast purchases, in time units.

    Notes
    -----
    At the estimates, the gradient of the log-likelihood of all others is minus the customer's own
    score ``s``, and their information is I less his own J: a Newton step leads by
    ``-(I - J)^-1 s`` to where they would be without him (D. Pregibon, Annals of Statistics 9 (1981)
    705-724, for logistic regression). J matters only where it is not small beside I, so it is
    used for the customers whose step is largest without it. A ridge is penalised per customer, and
    goes with him.
    """
    return _steps(fit, _Histories.of(fit, rfm), horizon)


def influence(fit: Fit, rfm: pd.DataFrame, horizon: float) -> tuple[Finding, pd.DataFrame | None]:
    """Find the customers who move a fit most: by one step and, if it is long, by fitting again.

    Returns
    -------
    finding : Finding
    table : pandas.DataFrame or None
        The ten who move the forecast most, by customer: their columns of the summary, ``change``
        (relative, of the forecast of all customers, if the fit were made without them), and the
        relative change of each parameter.
    """
    of_purchases = isinstance(fit.model, PurchaseModel)
    name = f"no customer carries the {'purchase' if of_purchases else 'spend'} fit"
    if fit.effects is not None:
        return unchecked(
            name,
            "Of a fit with covariates or a calendar it is not worked out.",
            "Check the model without them.",
        ), None
    histories = _Histories.of(fit, rfm)
    found = _steps(fit, histories, horizon)
    if not (math.isfinite(found.standard_error) and found.standard_error > 0):
        return unchecked(name, "The forecast, or its standard error, is not finite."), None
    first = np.argsort(-np.abs(found.change), kind="stable")[:_LISTED]
    table = rfm.iloc[first][list(fit.model.columns)].copy()
    forecast = _forecast(histories.columns, horizon)
    whole = float(forecast(fit.model).sum())
    changes = []
    for row in first:
        others = histories.without(fit, row, found.shifts[row])
        if others is None:
            return unchecked(
                name, f"The fit without customer {rfm.index[row]!s} does not converge."
            ), None
        moved = [others.parameters[n] / fit.parameters[n] - 1 for n in fit.parameters]
        changes.append([float(forecast(others).sum()) / whole - 1, *moved])
    table[["change", *fit.parameters]] = np.array(changes).reshape(len(first), -1)
    table = table.sort_values("change", key=lambda change: -change.abs(), kind="stable")
    largest = table.iloc[0]
    size = abs(float(largest["change"])) / found.standard_error
    verdict = judged(size, _WATCH, _VIOLATED)
    what = "expected purchases" if of_purchases else "expected spend per order"
    history = ", ".join(
        f"{column} {format_number(round(float(largest[column]), 2))}"
        for column in fit.model.columns
    )
    return Finding(
        check=name,
        statistic=f"largest change of the {what}, in standard errors",
        value=size,
        verdict=verdict,
        meaning=(
            f"Without {table.index[0]!s} ({history}), the {what} of all customers would "
            f"change by {largest['change']:+.2%}; the standard error is {found.standard_error:.2%}."
        ),
        remedy=""
        if verdict == "as assumed"
        else (
            "Check that the customers listed are customers (no test, till or reseller account); "
            "fit without them, and forecast them apart."
        ),
    ), table


@dataclass(frozen=True)
class _Histories:
    """The distinct histories that a model learns from, and who has which."""

    columns: list[FloatArray]
    informative: BoolArray
    rows: list[FloatArray]
    codes: IntArray
    scaled: Cells
    logs: FloatArray

    @classmethod
    def of(cls, fit: Fit, rfm: pd.DataFrame) -> Self:
        model = type(fit.model)
        columns = model_columns(model, rfm)
        informative = model.informative(*columns)
        rows, codes = distinct_rows(*(c[informative] for c in columns))
        weights = np.bincount(codes).astype(float)
        scaled = Cells.of(model, rows, weights, **fit.model.settings)
        return cls(columns, informative, rows, codes, scaled, np.log(scaled.scaled(fit.estimate)))

    def shifted(self, shift: FloatArray) -> Model:
        """The model with its log-parameters shifted."""
        return self.scaled.in_own_units(np.exp(self.logs + shift)).model

    def without(self, fit: Fit, customer: int, shift: FloatArray) -> Model | None:
        """The model shifted by a step, or fitted again if that is long; None if it cannot be."""
        if 0 <= float(shift @ fit.information @ shift) <= _SHORT**2:
            return self.shifted(shift)
        if not self.informative[customer]:
            return fit.model
        row = self.codes[np.count_nonzero(self.informative[:customer])]
        weights = self.scaled.weights.copy()
        weights[row] -= 1
        some = weights > 0
        rows = [c[some] for c in self.rows]
        rest = Cells.of(self.scaled.model, rows, weights[some], **self.scaled.settings)
        minimum = rest.estimate(fit.ridge, rest.scaled(fit.estimate))
        return rest.in_own_units(minimum.parameters).model if minimum.converged else None


def _steps(fit: Fit, histories: _Histories, horizon: float) -> Influence:
    rows, scaled, k = histories.rows, histories.scaled, histories.logs.size
    steps = np.eye(k) * _STEP
    ahead, behind = [histories.shifted(s) for s in steps], [histories.shifted(-s) for s in steps]
    scores = np.stack(
        [
            (one.log_likelihood(*rows) - other.log_likelihood(*rows)) / (2 * _STEP)
            for one, other in zip(ahead, behind, strict=True)
        ],
        axis=1,
    )
    penalty = 2 * fit.ridge
    pulls = -scores + penalty * histories.logs
    if penalty:
        # A ridge pulls towards the scale of the data, which the customer has a part in, too.
        others = scaled.customers - 1
        seen = rows[scaled.model.columns.index(scaled.model.scale_column)] / scaled.scale
        drift = np.log((scaled.customers - seen) / others)
        names = fit.model.parameter_names()
        for name in fit.model.scale_parameters:
            pulls[:, names.index(name)] += penalty * others * drift
    information = fit.information + penalty * fit.customers * np.eye(k)
    inverse = np.linalg.pinv(information, rcond=_FLAT, hermitian=True)
    shifts = pulls @ inverse
    sizes = np.einsum("ij,jk,ik->i", shifts, information, shifts)
    for row in np.argsort(-sizes)[:_LISTED]:
        own = _information(histories, row)
        rest = information - own - penalty * np.eye(k)
        shifts[row] = np.linalg.pinv(rest, rcond=_FLAT, hermitian=True) @ pulls[row]

    forecast = _forecast(histories.columns, horizon)
    whole = float(forecast(fit.model).sum())
    gains = [
        float((forecast(one) - forecast(other)).sum())
        for one, other in zip(ahead, behind, strict=True)
    ]
    slope = np.array(gains) / (2 * _STEP * whole)
    every = np.zeros((len(histories.informative), k))
    every[histories.informative] = shifts[histories.codes]
    error = math.sqrt(max(float(slope @ inverse @ fit.information @ inverse @ slope), 0.0))
    return Influence(every, every @ slope, error)


def _forecast(columns: list[FloatArray], horizon: float) -> Callable[[Model], FloatArray]:
    """A forecast of the distinct histories among customers, times their number."""
    rows, codes = distinct_rows(*columns)
    weights = np.bincount(codes).astype(float)

    def of(model: Model) -> FloatArray:
        if isinstance(model, PurchaseModel):
            return np.asarray(weights * model.expected_purchases(horizon, *rows))
        assert isinstance(model, SpendModel)  # noqa: S101 - there are two kinds
        return np.asarray(weights * model.expected_spend(*rows))

    return of


def _information(histories: _Histories, row: int) -> FloatArray:
    """Minus the Hessian of one customer's log-likelihood, in the log-parameters."""
    scaled, estimates = histories.scaled, np.exp(histories.logs)
    own = [column[row : row + 1] for column in scaled.columns]
    total = scaled.model.total_log_likelihood(*own, weights=np.ones(1), **scaled.settings)
    _, gradient, hessian = total(estimates)
    return np.asarray(-hessian * np.outer(estimates, estimates) - np.diag(gradient * estimates))
