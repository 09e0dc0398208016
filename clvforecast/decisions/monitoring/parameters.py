"""Estimates and what they mean, with confidence limits."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
from scipy.special import expit, logit, ndtri

from clvforecast.fitting import Fit
from clvforecast.models import Model, SpendModel
from clvforecast.numerics.arrays import FloatArray

__all__ = ["parameter_rows"]

_STEP: Final = 1e-5


def parameter_rows(day: dt.date, models: tuple[Any, Any], level: float) -> pd.DataFrame:
    """Parameters of both models and what follows from them; see `Monitoring.parameters`.

    Parameters
    ----------
    day : datetime.date
    models : pair of Fit or Model
        Of a model without a fit there are no limits.
    level : float
        Confidence.

    Notes
    -----
    Limits are Wald's on the scale of the logarithm, or of the log-odds for a probability, by the
    delta method: inside the range of what is estimated, and (0, infinity) or (0, 1) where the data
    do not identify it.

    Examples
    --------
    >>> import clvforecast as clv
    >>> models = clv.BGNBD(0.243, 4.414, 0.793, 2.426), clv.GammaGamma(p=6.25, q=3.74, v=15.44)
    >>> table = parameter_rows(dt.date(1997, 9, 30), models, 0.9)["estimate"].round(3)
    >>> table.droplevel("date").tail(3).to_dict()
    {'purchase_rate': 0.055, 'dropout_probability': 0.246, 'order_value': 35.219}
    """
    own: list[dict[str, Any]] = []
    derived: list[dict[str, Any]] = []
    for role, given in zip(("purchases", "spend"), models, strict=True):
        model = given.model if isinstance(given, Fit) else given
        covariance = given.covariance if isinstance(given, Fit) else None
        own += [_row(name, role, model, covariance, level) for name in model.parameter_names()]
        derived += [_row(name, role, model, covariance, level) for name in _derived(model)]
    table = pd.DataFrame([*own, *derived])
    table.insert(0, "date", pd.Timestamp(day).as_unit("us"))
    return table.set_index(["date", "parameter"])


def _derived(model: Model) -> Mapping[str, float]:
    """What the parameters mean, by name; not every model has each."""
    known = model.parameters
    found = {}
    if {"r", "alpha"} <= known.keys():
        found["purchase_rate"] = known["r"] / known["alpha"]
    if {"a", "b"} <= known.keys():
        found["dropout_probability"] = known["a"] / (known["a"] + known["b"])
    if isinstance(model, SpendModel):
        found["order_value"] = float(model.expected_spend(0.0, 0.0))
    return found


def _row(
    name: str, role: str, model: Model, covariance: FloatArray | None, level: float
) -> dict[str, Any]:
    known = {**model.parameters, **_derived(model)}
    estimate = float(known[name])
    lower, upper = math.nan, math.nan
    if covariance is not None and math.isfinite(estimate):
        is_share = name == "dropout_probability"
        transform, back = (logit, expit) if is_share else (np.log, np.exp)
        centre = float(transform(estimate))
        gradient = _gradient(name, model, transform)
        matters = np.abs(gradient) > _STEP
        reduced = covariance[np.ix_(matters, matters)]
        variance = float(gradient[matters] @ reduced @ gradient[matters])
        half = float(ndtri(0.5 + level / 2)) * math.sqrt(variance)
        with np.errstate(over="ignore"):
            lower, upper = float(back(centre - half)), float(back(centre + half))
    return {
        "parameter": name,
        "model": role,
        "estimate": estimate,
        "lower": lower,
        "upper": upper,
    }


def _gradient(name: str, model: Model, transform: Any) -> FloatArray:
    """Derivatives of the transformed quantity in the log-parameters, by central differences."""
    names = model.parameter_names()
    slopes = np.zeros(len(names))
    for place, changed in enumerate(names):
        values = []
        for sign in (-1, 1):
            parameters = {**model.parameters}
            parameters[changed] = parameters[changed] * math.exp(sign * _STEP)
            moved = type(model)(**parameters)
            values.append(float(transform({**moved.parameters, **_derived(moved)}[name])))
        slopes[place] = (values[1] - values[0]) / (2 * _STEP)
    return slopes
