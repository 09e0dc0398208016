"""Which segment each customer of a summary is in."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd

from clvforecast.errors import DataError, suggest
from clvforecast.numerics.arrays import IntArray

__all__ = ["segment_codes"]


def segment_codes(
    rfm: pd.DataFrame, by: str | Sequence[str] | None, reserved: Collection[str] = ()
) -> tuple[pd.Index[Any] | None, IntArray]:
    """The segments, sorted, and which one each customer is in.

    Parameters
    ----------
    rfm : DataFrame
    by : str or sequence of str, optional
        Columns of it. None is all customers together.
    reserved : collection of str
        Names that the result needs for its own levels.

    Raises
    ------
    DataError
        If a column is not there, or has a reserved name.
    """
    if by is None:
        return None, np.zeros(len(rfm), dtype=np.int64)
    names = [by] if isinstance(by, str) else list(by)
    if not names:
        raise DataError("by=[] names no column. Leave it out for all customers together.")
    for name in names:
        if name not in rfm.columns:
            raise DataError(
                f"by={name!r} is not a column of the summary. "
                f"{suggest(str(name), map(str, rfm.columns))} Segments of an order log come from "
                "orders.customer_segments()."
            )
        if name in reserved:
            raise DataError(f"by={name!r} is what a level of the result is called. Rename it.")
    key = names[0] if len(names) == 1 else names
    groups = rfm.groupby(key, observed=True, dropna=False, sort=True)
    return groups.size().index, np.asarray(groups.ngroup(), dtype=np.int64)
