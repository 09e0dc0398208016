"""Summaries as commands need them: with columns of the orders, or of one customer like any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clvforecast.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from clvforecast.transactions import Transactions

__all__ = ["anyone", "with_segments"]


def anyone() -> pd.DataFrame:
    """Give a summary of one customer, to try arguments on before there are others."""
    import pandas as pd

    one = pd.DataFrame({"frequency": [1], "recency": [1.0], "T": [2.0], "monetary_value": [1.0]})
    one.attrs = {"time_unit": "W"}
    return one


def with_segments(
    rfm: pd.DataFrame, log: Transactions, names: Sequence[str] | None
) -> pd.DataFrame:
    """Add columns of the orders, as they are in each customer's first one.

    Raises
    ------
    DataError
        If the summary has a column of that name.
    """
    if not names:
        return rfm
    for name in names:
        if name in rfm.columns:
            raise DataError(
                f"by={name!r} is what a column of the summary is called. Rename the column of the "
                "orders."
            )
    segments = log.customer_segments()
    return rfm.assign(**{name: segments[name] for name in names})
