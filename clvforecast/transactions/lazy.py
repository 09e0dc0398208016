"""Tables of customers that stay in their engine: only distinct histories come here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from clvforecast.files import replacing
from clvforecast.transactions.engine import (
    calling_engine,
    fetch,
    fetch_frame,
    fetch_row,
)
from clvforecast.transactions.summary import in_units
from clvforecast.transfers import stream
from clvforecast.units import days_per

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Hashable
    from pathlib import Path

    import ibis
    import pandas as pd

    from clvforecast.numerics.arrays import FloatArray, IntArray

__all__ = ["HISTORY", "Histories", "LazySummary", "LazyTable"]

HISTORY: Final = ("frequency", "recency_days", "T_days")
"""What tells one history from another: whole numbers, so that they can be joined on."""

_EXACT_CUSTOMERS: Final = 1_000_000
"""Up to so many repeat customers, every mean spend comes here."""
_BINS_PER_LOG: Final = 128
"""A power of two, so that the edges of the bins are exact."""


@dataclass(frozen=True, eq=False, repr=False)
class LazyTable:
    """One row per customer, held by the engine that has the orders.

    Attributes
    ----------
    table : ibis.Table
        ``customer_id`` and the columns, in no particular order.
    attrs : dict
        What a DataFrame of it would have in its ``attrs``.
    customers : int
        Number of rows; also ``len()``.
    """

    table: ibis.Table
    attrs: dict[Hashable | None, Any]
    customers: int

    def __len__(self) -> int:
        return self.customers

    def __repr__(self) -> str:
        """Say how much there is, and of what."""
        said = ", ".join(f"{name}={value!r}" for name, value in self.attrs.items())
        columns = ", ".join(self.table.columns)
        return f"{type(self).__name__}: {self.customers:,} customers ({columns}); {said}"

    def to_pandas(self) -> pd.DataFrame:
        """Bring every customer here: what the same call makes without ``lazy=True``.

        Returns
        -------
        pandas.DataFrame
            Indexed by ``customer_id``, sorted, with `attrs`.
        """
        frame = fetch_frame(self.table, ["customer_id"])
        frame.attrs = dict(self.attrs)
        return frame

    def to_parquet(self, path: str | Path) -> None:
        """Write a Parquet file, whole or not at all.

        DuckDB writes it itself; from Postgres rows stream through. Spark writes a folder instead,
        wherever its cluster keeps files (``"s3://..."``), which must not be there yet.

        Parameters
        ----------
        path : str or Path
            Replaced if it is there, except by Spark.

        Raises
        ------
        DataError
            If it cannot be written.
        """
        if self.table.get_backend().name == "pyspark":
            with calling_engine(f"Spark could not write {str(path)!r}"):
                self.table.to_parquet(path)
            return
        with (
            replacing(path) as temporary,
            calling_engine(f"{str(path)!r} could not be written"),
        ):
            if self.table.get_backend().name == "postgres":
                stream(self.table, temporary)
            else:
                self.table.to_parquet(temporary)

    def to_table(self, name: str) -> None:
        """Write a new table into the database that has the orders, whole or not at all.

        Parameters
        ----------
        name : str
            As ``schema.name`` outside the default schema. It must not be there yet.

        Raises
        ------
        DataError
            If the table is there, or the database may not be written to.
        """
        schema, _, own = name.rpartition(".")
        with calling_engine(f"The table {name!r} could not be written"):
            self.table.get_backend().create_table(own, self.table, database=schema or None)


class Histories(NamedTuple):
    """Distinct purchase histories in lexicographic order; arrays of shape (n,).

    Attributes
    ----------
    keys : dict of str to ndarray of int
        The columns `HISTORY`.
    x, t_x, T : ndarray
        Frequency, recency and age, times in the unit of the summary.
    customers : ndarray
        How many customers have each.
    least, most : ndarray
        The smallest and largest mean spend among them.
    """

    keys: dict[str, IntArray]
    x: FloatArray
    t_x: FloatArray
    T: FloatArray
    customers: FloatArray
    least: FloatArray
    most: FloatArray


@dataclass(frozen=True, eq=False, repr=False)
class LazySummary(LazyTable):
    """An RFM summary that stays in its engine, for logs of any size.

    Made by ``Transactions.summarize(..., lazy=True)``. `BGNBD.fit`, `GammaGamma.fit` and
    `clvforecast.forecast` take it where they take a DataFrame: distinct histories, with the number
    of customers who have each, are all that comes to Python.

    The customers are worked out once, into a temporary table of the engine, which lives as long
    as this object and whatever was made of it.

    Attributes
    ----------
    table : ibis.Table
        ``customer_id``, ``frequency``, ``recency``, ``T`` and ``monetary_value``, as in the
        DataFrame, in no particular order.
    attrs : dict
        ``time_unit`` and ``until``.
    customers : int
        Number of customers; also ``len()``.
    days : ibis.Table
        The same with recency and T in whole days, ``recency_days`` and ``T_days``.
    """

    days: ibis.Table

    @classmethod
    def of(cls, days: ibis.Table, time_unit: str, until: dt.date) -> LazySummary:
        """Take a summary in whole days, of a table that is worked out and kept where it is."""
        customers = int(fetch_row(days.agg(customers=days.count()))["customers"])
        attrs: dict[Hashable | None, Any] = {"time_unit": time_unit, "until": until.isoformat()}
        return cls(in_units(days, days_per(time_unit)), attrs, customers, days)

    @property
    def time_unit(self) -> str:
        """The unit of recency and T."""
        return str(self.attrs["time_unit"])

    @property
    def until(self) -> str:
        """The end of observation, ISO text."""
        return str(self.attrs["until"])

    @cached_property
    def histories(self) -> Histories:
        """Every distinct history, fetched once."""
        spend = self.days.monetary_value
        grouped = self.days.group_by(*HISTORY).agg(
            customers=self.days.count(), least=spend.min(), most=spend.max()
        )
        rows = fetch(grouped.order_by(HISTORY))
        keys = {name: rows[name].to_numpy().astype(np.int64) for name in HISTORY}
        length = days_per(self.time_unit)
        x, *times = (keys[name].astype(float) for name in HISTORY)
        t_x, T = (days / length for days in times)
        others = (rows[name].to_numpy().astype(float) for name in ("customers", "least", "most"))
        return Histories(keys, x, t_x, T, *others)

    def spends(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Frequency and mean spend of customers with both, and how many have them.

        Returns
        -------
        x, m, customers : ndarray, shape (n,)

        Notes
        -----
        Beyond a million repeat customers, mean spends share bins of one frequency and 1/128 of
        log m. Each becomes two points, of half its customers each, one standard deviation of log m
        to either side of its mean log m. So the sums of log m and of its square stay exact, and
        what is lost of a smooth function of log m is its third derivative times a sixth of the
        skewness in the bin, at most ``h**3 / (6 * sqrt(108))`` for a width h, and its fourth
        derivative times at most ``h**4 / 164``.

        The log-likelihood of Gamma-Gamma is linear in log m but for
        ``(p x + q) log(v + x m)``, whose third and fourth derivatives in log m are within
        ``(p x + q) / sqrt(108)`` and ``(p x + q) / 8``. So a customer's log-likelihood is off by
        less than ``1e-9 (p x + q)``, whatever the mean spends.
        """
        bought = self.days.filter((self.days.frequency > 0) & (self.days.monetary_value > 0))
        found = self.histories
        if found.customers[found.x > 0].sum() <= _EXACT_CUSTOMERS:
            keys = ("frequency", "monetary_value")
            rows = fetch(bought.group_by(*keys).agg(customers=bought.count()).order_by(keys))
            x, m, n = (rows[name].to_numpy().astype(float) for name in (*keys, "customers"))
            return x, m, n
        return self._binned(bought)

    def _binned(self, bought: ibis.Table) -> tuple[FloatArray, FloatArray, FloatArray]:
        import ibis

        _ = ibis._
        fine = bought.mutate(_fine=bought.monetary_value.ln() * _BINS_PER_LOG)
        fine = fine.mutate(_bin=fine._fine.floor().cast("int64"))
        # From the middle of the bin: squares of the logarithms themselves would cancel.
        fine = fine.mutate(_off=fine._fine - fine._bin.cast("float64") - 0.5)
        keys = ("frequency", "_bin")
        rows = fetch(
            fine.group_by(*keys)
            .agg(customers=_.count(), off=_._off.mean(), square=(_._off * _._off).mean())
            .order_by(keys)
        )
        x, bins, n, off, square = (
            rows[name].to_numpy().astype(float) for name in (*keys, "customers", "off", "square")
        )
        spread = np.sqrt(np.maximum(square - off**2, 0.0))
        m = np.exp((bins + 0.5 + off + np.array([[-1.0], [1.0]]) * spread) / _BINS_PER_LOG)
        return np.tile(x, 2), m.ravel(), np.tile(0.5 * n, 2)
