"""Whom to contact: what each contact is expected to gain, and where a budget or gain ends."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from clvforecast.errors import DataError
from clvforecast.numerics.arrays import FloatArray, IntArray

__all__ = ["PerCustomer", "contact_columns", "per_customer"]

PerCustomer: TypeAlias = "float | pd.Series[Any]"


def per_customer(
    given: PerCustomer, name: str, customers: pd.Index[Any], *, highest: float, meaning: str
) -> FloatArray:
    """Numbers for these customers from 0 to `highest`, from one for all or one for each.

    Raises
    ------
    DataError
        If a number is missing or out of range.
    """
    if isinstance(given, pd.Series):
        if given.index.has_duplicates:
            twice = given.index[given.index.duplicated()][0]
            raise DataError(f"{name}= has more than one number for customer {twice!r}.")
        given = given.reindex(customers)
        missing = given.isna().to_numpy()
        if missing.any():
            raise DataError(
                f"{name}= has no number for {missing.sum():,} of {len(customers):,} customers "
                f"(first: {customers[missing][0]!r}). Index it by customer_id."
            )
    try:
        values = np.asarray(given, dtype=float)
    except (TypeError, ValueError):
        values = np.array(np.nan)
    if not (
        values.shape in ((), (len(customers),))
        and (values.ndim == 0 or isinstance(given, pd.Series))
        and np.all((values >= 0) & (values <= highest) & np.isfinite(values))
    ):
        shown = "a Series" if isinstance(given, pd.Series) else repr(given)
        raise DataError(
            f"{name}={shown} must be {meaning}: one number for all, or a Series by customer_id."
        )
    return np.broadcast_to(values, (len(customers),)).copy()


def contact_columns(
    worth: FloatArray, success: FloatArray, cost: FloatArray, budget: float
) -> tuple[dict[str, FloatArray | IntArray], IntArray]:
    """What contacts gain, and the order in which money is best spent on them.

    Parameters
    ----------
    worth : ndarray, shape (n,)
        What it is worth to hold each customer.
    success : ndarray, shape (n,)
        Probability that a contact does.
    cost : ndarray, shape (n,)
    budget : float
        May be infinite.

    Returns
    -------
    columns : dict
        `cost`, `success`, `net_gain`, `cumulated_cost`, `cumulated_net_gain` and `chosen`, in the
        order of the customers.
    order : ndarray of int, shape (n,)
        Positions of the customers, the best first.

    Notes
    -----
    By what a unit of money gains, so that those whose contact pays come first. Whatever the costs,
    no other choice for the same money gains more than this one and the next customer together.

    Examples
    --------
    >>> worth, cost = np.array([10.0, 50.0, 30.0]), np.full(3, 2.0)
    >>> columns, order = contact_columns(worth, np.full(3, 0.1), cost, 100.0)
    >>> order, columns["net_gain"][order], columns["chosen"][order]
    (array([1, 2, 0]), array([ 3.,  1., -1.]), array([ True,  True, False]))
    """
    gain = success * worth
    each = np.full(gain.shape, np.inf)
    np.divide(gain, cost, out=each, where=cost > 0)
    # A contact that costs nothing and gains nothing comes last.
    order = np.lexsort((-gain, -np.where(gain > 0, each, 0.0)))
    net = gain - cost
    upto = np.cumsum(cost[order])
    chosen = (net[order] > 0) & (upto <= budget * (1 + 1e-12))
    columns = {
        "cost": cost,
        "success": success,
        "net_gain": net,
        "cumulated_cost": _put_back(upto, order),
        "cumulated_net_gain": _put_back(np.cumsum(net[order]), order),
        "chosen": _put_back(chosen, order),
    }
    return columns, order


def _put_back(ranked: Any, order: IntArray) -> Any:
    found = np.empty_like(ranked)
    found[order] = ranked
    return found
