"""Fitted lifetimes models in and out.

lifetimes is archived. This is the only module that imports it, and only when it is called.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from clvforecast.errors import DataError, suggest
from clvforecast.fitting import Fit, model_columns
from clvforecast.models import BGNBD, MBGNBD, GammaGamma, Model, ParetoNBD, PurchaseModel

__all__ = ["from_lifetimes", "to_lifetimes"]

_MODEL_OF: dict[str, type[Model]] = {
    "BetaGeoFitter": BGNBD,
    "ModifiedBetaGeoFitter": MBGNBD,
    "ParetoNBDFitter": ParetoNBD,
    "GammaGammaFitter": GammaGamma,
}
_SIMULATOR_OF: dict[type[Model], str] = {
    BGNBD: "beta_geometric_nbd_model",
    MBGNBD: "modified_beta_geometric_nbd_model",
    ParetoNBD: "pareto_nbd_model",
}


def from_lifetimes(fitter: Any) -> Model:
    """The model behind a fitted lifetimes object.

    Parameters
    ----------
    fitter : lifetimes.BetaGeoFitter, ModifiedBetaGeoFitter, ParetoNBDFitter or GammaGammaFitter
        Fitted, in memory or loaded from a file.

    Returns
    -------
    BGNBD, MBGNBD, ParetoNBD or GammaGamma
        With the same parameters, in the time unit or currency of the fitter's data. It goes
        wherever a `Fit` goes; state `time_unit=` there, for lifetimes does not know it.

    Raises
    ------
    DataError
        If it is not one of these, or not fitted.

    Notes
    -----
    A bare model and not a `Fit`: lifetimes' standard errors come from a numerical Hessian and its
    log-likelihood may include a penalty, so neither is taken over. Fit again to have them.
    """
    kind = type(fitter).__name__
    if kind not in _MODEL_OF:
        raise DataError(f"No model corresponds to {kind!r}. {suggest(kind, _MODEL_OF)}")
    if not hasattr(fitter, "params_"):
        raise DataError(f"This {kind} has not been fitted. Call its fit method first.")
    return _MODEL_OF[kind](**{name: float(value) for name, value in fitter.params_.items()})


def to_lifetimes(fit: Fit | Model, rfm: pd.DataFrame | None = None) -> Any:
    """The lifetimes object with the parameters of a fit, for its methods and plots.

    Parameters
    ----------
    fit : Fit, BGNBD, MBGNBD, ParetoNBD or GammaGamma
        A `Fit` also gives the object `variance_matrix_`, `standard_errors_`,
        `confidence_intervals_` and `summary`.
    rfm : DataFrame, optional
        The summary it was fitted on, which lifetimes keeps on its objects as `data` and some of
        its plots read.

    Returns
    -------
    lifetimes.BetaGeoFitter, ModifiedBetaGeoFitter, ParetoNBDFitter or GammaGammaFitter

    Raises
    ------
    DataError
        If lifetimes has no such model, the fit has covariates or a calendar, the model holds array
        parameters, or `rfm` lacks a column.

    Examples
    --------
    >>> from clvforecast import GammaGamma
    >>> to_lifetimes(GammaGamma(p=6.25, q=3.74, v=15.44))
    <lifetimes.GammaGammaFitter: p: 6.25, q: 3.74, v: 15.44>
    """
    model = fit.model if isinstance(fit, Fit) else fit
    name = next((n for n, cls in _MODEL_OF.items() if cls is type(model)), None)
    if name is None:
        raise DataError(f"lifetimes has no counterpart of {type(model).__name__}.")
    if isinstance(fit, Fit) and fit.effects is not None:
        raise DataError("lifetimes has neither covariates nor calendars. Fit without them.")
    if any(np.ndim(value) for value in model.parameters.values()):
        raise DataError("lifetimes takes one number per parameter, not an array.")
    fitter = getattr(_import_lifetimes(), name)()
    fitter.params_ = pd.Series(model.parameters, dtype=float)
    if isinstance(fit, Fit):
        _attach_uncertainty(fitter, fit)
    if isinstance(model, PurchaseModel):
        fitter.predict = fitter.conditional_expected_number_of_purchases_up_to_time
    if rfm is not None:
        _attach_data(fitter, model, rfm)
    return fitter


def _attach_uncertainty(fitter: Any, fit: Fit) -> None:
    names = list(fit.parameters)
    estimates = np.array(list(fit.parameters.values()))
    interval = fit.confidence_intervals(0.95)
    fitter.variance_matrix_ = pd.DataFrame(
        fit.covariance * np.outer(estimates, estimates), index=names, columns=names
    )
    fitter.standard_errors_ = pd.Series(fit.standard_errors)
    fitter.confidence_intervals_ = pd.DataFrame(
        {
            "lower 95% bound": interval["lower"].to_numpy(),
            "upper 95% bound": interval["upper"].to_numpy(),
        },
        index=names,
    )


def _attach_data(fitter: Any, model: Model, rfm: pd.DataFrame) -> None:
    columns = model_columns(type(model), rfm)
    known = model.informative(*columns)
    fitter.data = pd.DataFrame(
        {name: column[known] for name, column in zip(model.columns, columns, strict=True)},
        index=rfm.index[known],
    ).astype({"frequency": int})
    fitter.data["weights"] = 1
    if simulator := _SIMULATOR_OF.get(type(model)):
        simulate = getattr(import_module("lifetimes.generate_data"), simulator)
        T = fitter.data["T"].to_numpy()
        fitter.generate_new_data = lambda size=1: simulate(T, *fitter.params_, size=size)


def _import_lifetimes() -> ModuleType:
    """Import lifetimes without what it does to the process.

    It silences every FutureWarning and sets a pandas option that later versions drop.
    """
    option = "mode.chained_assignment"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = pd.get_option(option)
        try:
            return import_module("lifetimes")
        finally:
            pd.set_option(option, before)
