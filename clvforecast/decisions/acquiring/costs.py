"""What a new customer costs in each group, read from whatever form it was given in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd

from clvforecast.errors import DataError, suggest
from clvforecast.numerics.arrays import FloatArray

__all__ = ["Cost", "Costs", "costs_per_customer"]

Cost: TypeAlias = "float | Mapping[Any, float] | pd.Series[Any]"


class Costs(NamedTuple):
    """Cost of acquiring one customer; NaN where it is not known."""

    groups: FloatArray
    whole: float


def costs_per_customer(
    cost: Cost | None, total_cost: Cost | None, groups: pd.Index[Any], customers: FloatArray
) -> Costs | None:
    """Cost of acquiring a customer of each group, and of all.

    Parameters
    ----------
    cost, total_cost : float, mapping or Series, optional
        As `acquisition` takes them; one of them at most.
    groups : Index
    customers : ndarray, shape (groups,)
        How many were acquired.

    Returns
    -------
    Costs or None
        None where neither is given.

    Raises
    ------
    DataError
        If both are given, a group is unknown, or a cost is no amount.
    """
    if cost is not None and total_cost is not None:
        raise DataError(
            "cost= is of one customer and total_cost= of all that were acquired. Give one of them."
        )
    if cost is not None:
        own = _by_group(cost, "cost", groups)
    elif total_cost is None:
        return None
    elif isinstance(total_cost, Mapping | pd.Series):
        own = _by_group(total_cost, "total_cost", groups) / customers
    else:
        own = _by_group(total_cost, "total_cost", groups) / customers.sum()
    return Costs(own, float(np.average(own, weights=customers)))


def _by_group(given: Cost, name: str, groups: pd.Index[Any]) -> FloatArray:
    if not isinstance(given, Mapping | pd.Series):
        return np.full(len(groups), _amount(given, name))
    amounts = np.full(len(groups), np.nan)
    for key in given.keys():  # noqa: SIM118 - a Series iterates over its values
        if key not in groups:
            raise DataError(
                f"{name}= has an amount for {key!r}, which is no group of these customers. "
                f"{suggest(str(key), map(str, groups))}"
            )
        amounts[groups.get_loc(key)] = _amount(given[key], f"{name}[{key!r}]")
    if np.isnan(amounts).all():
        raise DataError(f"{name}={given!r} has no amount. Leave it out if costs are not known.")
    return amounts


def _amount(given: Any, name: str) -> float:
    try:
        amount = float(given)
    except (TypeError, ValueError):
        amount = np.nan
    if isinstance(given, bool | np.bool_) or not (np.isfinite(amount) and amount >= 0):
        raise DataError(f"{name}={given!r} must be an amount of money, 0 or more.")
    return amount
