"""What the public functions are given: fits or models, summaries and time units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
import pandas as pd

from clvforecast.errors import DataError, suggest
from clvforecast.fitting.draws import ParameterDraws
from clvforecast.fitting.effects import Estimate
from clvforecast.fitting.result import Fit
from clvforecast.fitting.specification import Specification
from clvforecast.fitting.stacks import Stack
from clvforecast.models import Model, PurchaseModel, SpendModel
from clvforecast.numerics.arrays import FloatArray
from clvforecast.transactions.lazy import LazySummary
from clvforecast.units import check_time_unit

__all__ = [
    "Posterior",
    "StackMember",
    "check_lazily",
    "checked_posterior",
    "common_time_unit",
    "covariate_columns",
    "model_columns",
    "model_of",
    "only_one",
    "posterior_of_members",
    "purchase_model",
    "spend_model",
    "stack_members",
    "stated_time_unit",
]


_OneOf = TypeVar("_OneOf")
Posterior: TypeAlias = "tuple[ParameterDraws | Sequence[ParameterDraws], ParameterDraws]"
"""Draws of the purchase model, or of each of a stack, and of the spend model."""


class StackMember(NamedTuple):
    """One of several purchase models, of some customers, and its weight."""

    model: PurchaseModel
    weight: float


def only_one(models: Sequence[_OneOf]) -> _OneOf:
    """The model of a stack that has but one.

    Raises
    ------
    DataError
        If there are several.
    """
    if len(models) > 1:
        raise DataError(
            "This takes one purchase model, not a stack. Give it one of the stack's `models`; "
            "forecast and portfolio take the whole of it."
        )
    return models[0]


def model_of(
    given: Fit | Estimate | Model | Stack, rfm: pd.DataFrame | LazySummary | None
) -> Model:
    """The model of these customers, out of its fit if need be; see `Fit.model_of`.

    Raises
    ------
    DataError
        If it depends on customers and none are given, has parameters of other ones, or is a stack.
    """
    if isinstance(given, Stack):
        given = only_one([one for one, w in zip(given.models, given.weights, strict=True) if w])
    model = given if isinstance(given, Model) else given.model_of(rfm)
    if rfm is None or not isinstance(model, Model) or not model.per_customer:
        return model
    if isinstance(rfm, LazySummary):
        if given is model:
            raise DataError(
                f"{type(model).__name__} has parameters of its own for each customer, and "
                "customers in an engine have no order. Give the fit, or the summary's to_pandas()."
            )
        return model
    for name, value in model.per_customer.items():
        if np.shape(value) != (len(rfm),):
            raise DataError(
                f"{type(model).__name__}: {name} has {np.size(value):,} values for {len(rfm):,} "
                "customers. Give one of every parameter, or one per customer; draws go into "
                "posterior=."
            )
    return model


def purchase_model(
    given: Fit | Estimate | Model | Stack, rfm: pd.DataFrame | LazySummary | None = None
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


def stack_members(
    given: Fit | PurchaseModel | Stack, rfm: pd.DataFrame | LazySummary
) -> tuple[StackMember, ...]:
    """The purchase models that were given, of these customers, each with a positive weight.

    Raises
    ------
    DataError
        As `purchase_model`, for any of them.
    """
    if not isinstance(given, Stack):
        return (StackMember(purchase_model(given, rfm), 1.0),)
    return tuple(
        StackMember(purchase_model(model, rfm), weight)
        for model, weight in zip(given.models, given.weights, strict=True)
        if weight > 0
    )


def covariate_columns(*given: object) -> list[str]:
    """The columns that fits need beside a summary's own: their covariates."""
    told = (one.specification if isinstance(one, Fit) else one for one in given)
    known = (one for one in told if isinstance(one, Specification))
    return list(dict.fromkeys(name for one in known for name in one.variables))


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


def posterior_of_members(
    posterior: Posterior,
    given: Fit | PurchaseModel | Stack,
    members: Sequence[StackMember],
    spend: SpendModel,
    time_unit: str | None,
) -> list[tuple[ParameterDraws, ParameterDraws]]:
    """Draws for every model of positive weight and the spend model, as `checked_posterior`."""
    if not isinstance(given, Stack):
        return [checked_posterior(posterior, members[0].model, spend, time_unit)]
    pair = posterior if isinstance(posterior, tuple | list) and len(posterior) > 1 else ((), ())
    buys = pair[0] if isinstance(pair[0], tuple | list) else ()
    if len(buys) != len(given.models):
        raise DataError(
            f"posterior of a stack must be draws of each of its {len(given.models)} purchase "
            "models, in their order, and of the spend model: ([buys.posterior(), ...], "
            "spend.posterior())."
        )
    asked = [draws for draws, weight in zip(buys, given.weights, strict=True) if weight > 0]
    return [
        checked_posterior((draws, pair[1]), member.model, spend, time_unit)
        for draws, member in zip(asked, members, strict=True)
    ]


def checked_posterior(
    posterior: Posterior,
    purchases: PurchaseModel,
    spend: SpendModel,
    time_unit: str | None,
) -> tuple[ParameterDraws, ParameterDraws]:
    """Draws for both models, in this order and in the unit of the summary."""
    pair: Sequence[Any] = posterior if isinstance(posterior, tuple | list) else (posterior,)
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
    purchases: Fit | Estimate | Model | Stack,
    rfm: pd.DataFrame | LazySummary,
    stated: str | None,
) -> str | None:
    """The unit of the summary; the fit must have been made in the same one."""
    unit = stated if stated is not None else rfm.attrs.get("time_unit")
    fitted = purchases.time_unit if isinstance(purchases, Fit | Stack) else None
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
