"""What the public functions are given: fits or models, summaries and time units."""

from __future__ import annotations

import numpy as np
import pandas as pd

from clvforecast.errors import DataError, suggest
from clvforecast.fitting.draws import ParameterDraws
from clvforecast.fitting.effects import Estimate
from clvforecast.fitting.result import Fit
from clvforecast.models import Model, PurchaseModel, SpendModel
from clvforecast.numerics.arrays import FloatArray
from clvforecast.transactions.lazy import LazySummary
from clvforecast.units import check_time_unit

__all__ = [
    "check_lazily",
    "checked_posterior",
    "common_time_unit",
    "model_columns",
    "model_of",
    "purchase_model",
    "spend_model",
    "stated_time_unit",
]


def model_of(given: Fit | Estimate | Model, rfm: pd.DataFrame | LazySummary | None) -> Model:
    """The model of these customers, out of its fit if need be; see `Fit.model_of`.

    Raises
    ------
    DataError
        If it depends on customers and none are given, or has parameters of other ones.
    """
    model = given if isinstance(given, Model) else given.model_of(rfm)
    for name, value in model.per_customer.items() if isinstance(model, Model) else ():
        if rfm is not None and np.shape(value) != (len(rfm),):
            raise DataError(
                f"{type(model).__name__}: {name} has {np.size(value):,} values for {len(rfm):,} "
                "customers. Give one of every parameter, or one per customer; draws go into "
                "posterior=."
            )
    return model


def purchase_model(
    given: Fit | Estimate | Model, rfm: pd.DataFrame | LazySummary | None = None
) -> PurchaseModel:
    """The purchase model that was given, of these customers.

    Raises
    ------
    DataError
        If it is none; or if it has covariates or a calendar, and no customers are given.
    """
    model = model_of(given, rfm)
    if not isinstance(model, PurchaseModel):
        raise DataError(
            f"A purchase model such as BGNBD, or its fit, is needed, not {type(model).__name__}."
        )
    return model


def spend_model(
    given: Fit | Estimate | Model, rfm: pd.DataFrame | LazySummary | None = None
) -> SpendModel:
    """The spend model that was given, of these customers; raises as `purchase_model`."""
    model = model_of(given, rfm)
    if not isinstance(model, SpendModel):
        raise DataError(
            f"A spend model such as GammaGamma, or its fit, is needed, not {type(model).__name__}."
        )
    return model


def checked_posterior(
    posterior: tuple[ParameterDraws, ParameterDraws],
    purchases: PurchaseModel,
    spend: SpendModel,
    time_unit: str | None,
) -> tuple[ParameterDraws, ParameterDraws]:
    """Draws for both models, in this order and in the unit of the summary."""
    pair = posterior if isinstance(posterior, tuple | list) else (posterior,)
    wanted = purchases.kind, spend.kind
    if len(pair) != len(wanted) or not all(
        isinstance(draws, ParameterDraws) and isinstance(draws.model, kind)
        for draws, kind in zip(pair, wanted, strict=True)
    ):
        raise DataError(
            "posterior must be two sets of parameter draws, of the purchase model and of the spend "
            "model in this order: (buys.posterior(), spend.posterior())."
        )
    buys, spends = pair
    if None not in (time_unit, buys.time_unit) and time_unit != buys.time_unit:
        raise DataError(
            f"The summary is in time unit {time_unit!r} and the draws of the purchase model are "
            f"in {buys.time_unit!r}. Summarise with time_unit={buys.time_unit!r}."
        )
    return buys, spends


def common_time_unit(
    purchases: Fit | Estimate | Model, rfm: pd.DataFrame | LazySummary, stated: str | None
) -> str | None:
    """The unit of the summary; the fit must have been made in the same one."""
    unit = stated if stated is not None else rfm.attrs.get("time_unit")
    fitted = purchases.time_unit if isinstance(purchases, Fit) else None
    if unit is None:
        return fitted
    unit = check_time_unit(unit)
    if fitted is not None and fitted != unit:
        raise DataError(
            f"The summary is in time unit {unit!r} and the purchase model was fitted in "
            f"{fitted!r}. Summarise with time_unit={fitted!r}, or fit again."
        )
    return unit


def model_columns(model: type[Model], rfm: pd.DataFrame | LazySummary) -> list[FloatArray]:
    """The columns of a summary that a model sees, as float arrays, checked row by row."""
    if isinstance(rfm, LazySummary):
        raise DataError(
            f"This needs the {len(rfm):,} customers here, not in their engine. "
            "Give it the summary's to_pandas()."
        )
    for name in model.columns:
        if name not in rfm.columns:
            raise DataError(
                f"The summary has no column {name!r}, which {model.name} needs. "
                f"{suggest(name, rfm.columns)}"
            )
    try:
        columns = [rfm[name].to_numpy(dtype=float, na_value=np.nan) for name in model.columns]
    except (ValueError, TypeError) as error:
        raise DataError(
            f"The columns {', '.join(model.columns)} must hold numbers: {error}."
        ) from error
    if not len(rfm):
        raise DataError("The summary has no customers. Check `until` and what cleaning removed.")
    model.check(*columns, labels=rfm.index)
    return columns


def check_lazily(model: type[Model], rfm: LazySummary) -> None:
    """Check a summary in an engine as `model_columns` checks one that is here."""
    found = rfm.histories
    try:
        if issubclass(model, PurchaseModel):
            model.check(found.x, found.t_x, found.T)
        else:
            model.check(found.x, found.least)
            model.check(found.x, found.most)
    except DataError:
        # Histories have no names. Only the customers can say who they are.
        model_columns(model, rfm.to_pandas())
        raise


def stated_time_unit(rfm: pd.DataFrame | LazySummary, stated: str | None) -> str | None:
    """The unit of a summary: what is stated, or else what it says itself."""
    unit = stated if stated is not None else rfm.attrs.get("time_unit")
    return None if unit is None else check_time_unit(unit)
