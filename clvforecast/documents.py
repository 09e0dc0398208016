"""Values and tables as JSON knows them."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import pandas as pd

__all__ = ["plain", "records"]


def plain(value: Any) -> Any:
    """Give a value of JSON's types: None for what is missing or not finite, days as text.

    >>> import numpy as np
    >>> plain(np.float64(1.5)), plain(float("nan")), plain(pd.Timestamp("1997-09-30")), plain(pd.NA)
    (1.5, None, '1997-09-30', None)
    """
    if hasattr(value, "item"):
        value = value.item()
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value == _midnight(value) else value.isoformat()
    return value if isinstance(value, bool | int | str) else str(value)


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Give one dictionary per row: the names of its index first, if it has any, then its columns.

    >>> records(pd.DataFrame({"clv": [2.0]}, index=pd.Index(["C1"], name="customer_id")))
    [{'customer_id': 'C1', 'clv': 2.0}]
    """
    levels = [level for level, name in enumerate(table.index.names) if name is not None]
    named = [table.index.names[level] for level in levels]
    keys = [table.index.get_level_values(level).tolist() for level in levels]
    columns = [*keys, *(table.iloc[:, place].tolist() for place in range(table.shape[1]))]
    names = [str(name) for name in [*named, *table.columns]]
    return [dict(zip(names, map(plain, row), strict=True)) for row in zip(*columns, strict=True)]


def _midnight(moment: dt.datetime) -> dt.datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
