"""Customers asked for by their ids: one or several, and help where there is no such one."""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Iterable
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd

from clvforecast.errors import DataError
from clvforecast.numerics.arrays import IntArray

__all__ = ["Customers", "customer_list", "positions_of", "unknown_customer"]

Customers: TypeAlias = Hashable | Iterable[Hashable]

_EXAMPLES: Final = 3
_LOOKED_THROUGH: Final = 10_000


def customer_list(customers: Customers) -> list[Any]:
    """Customers asked for, as a list: each once, in the order asked.

    >>> customer_list("00004"), customer_list([7, 9, 7])
    (['00004'], [7, 9])
    """
    several = isinstance(customers, Iterable) and not isinstance(customers, str | bytes)
    try:
        asked = list(dict.fromkeys(customers if several else [customers]))  # type: ignore[arg-type]
    except TypeError:
        raise DataError(f"customers={customers!r} must be one id, or a flat list of ids.") from None
    if not asked or customers is None:
        raise DataError(f"customers={customers!r} names nobody. Give one id, or a list of ids.")
    return asked


def positions_of(customers: Customers, index: pd.Index[Any]) -> IntArray:
    """Positions in an index of the customers asked for.

    Raises
    ------
    DataError
        If one of them is not there.
    """
    asked = customer_list(customers)
    for customer in asked:
        if customer not in index:
            raise unknown_customer(customer, index[:_LOOKED_THROUGH])
    return np.asarray(index.get_indexer_for(pd.Index(asked)), dtype=np.int64)


def unknown_customer(customer: object, known: Iterable[object], *, where: str = "") -> DataError:
    """Make the error that says that there is no such customer, and who may be meant.

    Parameters
    ----------
    customer : object
        The id asked for.
    known : iterable
        Ids that there are, not necessarily all.
    where : str
        What was looked through, such as " with a purchase by 2024-12-31".

    Examples
    --------
    >>> print(unknown_customer(4, ["00004", "00021", "00050", "00071"]))
    There is no customer 4. Did you mean '00004'? Ids look like '00004', '00021', '00050'.
    """
    ids = {str(one): one for one in known}
    bare = str(customer).strip().lstrip("0")
    near = [text for text in ids if text.strip().lstrip("0") == bare]
    near = near or difflib.get_close_matches(str(customer), ids, n=1)
    hint = f" Did you mean {ids[near[0]]!r}?" if near else ""
    like = ", ".join(repr(one) for one in list(ids.values())[:_EXAMPLES])
    return DataError(f"There is no customer {customer!r}{where}.{hint} Ids look like {like}.")
