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
    keep_while_used,
)
from clvforecast.transactions.summary import in_units
from clvforecast.transfers import stream
from clvforecast.units import days_per

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Hashable, Sequence
    from pathlib import Path

    import ibis
    import pandas as pd
    import pyarrow as pa

    from clvforecast.numerics.arrays import FloatArray, IntArray

__all__ = ["Histories", "LazySummary", "LazyTable", "Spends"]

_HISTORY: Final = ("frequency", "recency_days", "T_days")
_COMBINATION: Final = "_combination"

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
        What tells one history from another: whole numbers, so that they can be joined on.
    x, t_x, T : ndarray
        Frequency, recency and age, times in the unit of the summary.
    combination : ndarray of int
        The row of `LazySummary.combinations`: customers of one history are of the same segments.
    customers : ndarray
        How many customers have each.
    least, most : ndarray
        The smallest and largest mean spend among them.
    """

    keys: dict[str, IntArray]
    x: FloatArray
    t_x: FloatArray
    T: FloatArray
    combination: IntArray
    customers: FloatArray
    least: FloatArray
    most: FloatArray


class Spends(NamedTuple):
    """Distinct frequencies and mean spends; arrays of shape (n,).

    Attributes
    ----------
    x, m : ndarray
        Frequency and mean spend.
    combination : ndarray of int
        The row of `LazySummary.combinations`.
    customers : ndarray
        How many customers have them.
    """

    x: FloatArray
    m: FloatArray
    combination: IntArray
    customers: FloatArray


@dataclass(frozen=True, eq=False, repr=False)
class LazySummary(LazyTable):
    """An RFM summary that stays in its engine, for logs of any size.

    Made by ``Transactions.summarize(..., lazy=True)``. `BGNBD.fit`, `GammaGamma.fit` and
    `clvforecast.forecast` take it where they take a DataFrame: distinct histories, with the number
    of customers who have each, are all that comes to Python. Covariates are the segments that
    were summarised beside: with them a history is of one combination of segments.

    The customers are worked out once, into a temporary table of the engine, which lives as long
    as this object and whatever was made of it.

    Attributes
    ----------
    table : ibis.Table
        ``customer_id``, ``frequency``, ``recency``, ``T``, ``monetary_value`` and any segments, as
        in the DataFrame, in no particular order.
    attrs : dict
        ``time_unit`` and ``until``.
    customers : int
        Number of customers; also ``len()``.
    days : ibis.Table
        The same with recency and T in whole days, ``recency_days`` and ``T_days``.
    segments : tuple of str
        The segment columns.
    """

    days: ibis.Table
    segments: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, days: ibis.Table, time_unit: str, until: dt.date, segments: Sequence[str] = ()
    ) -> LazySummary:
        """Take a summary in whole days, of a table that is worked out and kept where it is."""
        customers = int(fetch_row(days.agg(customers=days.count()))["customers"])
        attrs: dict[Hashable | None, Any] = {"time_unit": time_unit, "until": until.isoformat()}
        table = in_units(days, days_per(time_unit), segments)
        return cls(table, attrs, customers, days, tuple(segments))

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
        numbered = self.numbered
        spend = numbered.monetary_value
        names = (*_HISTORY, *self._numbers)
        grouped = numbered.group_by(*names).agg(
            customers=numbered.count(), least=spend.min(), most=spend.max()
        )
        rows = fetch(grouped.order_by(names))
        keys = {name: rows[name].to_numpy().astype(np.int64) for name in names}
        length = days_per(self.time_unit)
        x, *times = (keys[name].astype(float) for name in _HISTORY)
        t_x, T = (days / length for days in times)
        others = (rows[name].to_numpy().astype(float) for name in ("customers", "least", "most"))
        return Histories(keys, x, t_x, T, _combination_of(rows), *others)

    @cached_property
    def combinations(self) -> pd.DataFrame:
        """The segments that customers have together: a row for each, fetched once.

        Without segments there is one row, and no column.
        """
        import pandas as pd

        if not self.segments:
            return pd.DataFrame(index=[0])
        found = fetch_frame(self._every_combination, [_COMBINATION])
        return found.set_axis(list(self.segments), axis=1)

    @cached_property
    def numbered(self) -> ibis.Table:
        """The customers in whole days, with the number of their combination of segments.

        It is what `histories` are joined to by their keys.
        """
        if not self.segments:
            return self.days
        every = self._every_combination
        same = [
            part
            for name, key in zip(self.segments, _numbered(self.segments), strict=True)
            for part in _both_equal(self.days[name], every[key])
        ]
        joined = self.days.join(every, same)
        return joined.select("customer_id", *_HISTORY, "monetary_value", _COMBINATION)

    @property
    def _numbers(self) -> tuple[str, ...]:
        """The key that the segments bring."""
        return (_COMBINATION,) if self.segments else ()

    @cached_property
    def _every_combination(self) -> ibis.Table:
        """The distinct segments with a number each, worked out once, so that they keep it."""
        import ibis

        keys = _numbered(self.segments)
        named = {key: self.days[name] for key, name in zip(keys, self.segments, strict=True)}
        every = self.days.select(**named).distinct()
        in_order = ibis.window(order_by=keys)
        return keep_while_used(every.mutate(**{_COMBINATION: ibis.row_number().over(in_order)}))

    def spends(self) -> Spends:
        """Frequency and mean spend of customers with both, and how many have them.

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
        bought = self.numbered
        bought = bought.filter((bought.frequency > 0) & (bought.monetary_value > 0))
        found = self.histories
        if found.customers[found.x > 0].sum() <= _EXACT_CUSTOMERS:
            keys = ("frequency", "monetary_value", *self._numbers)
            rows = fetch(bought.group_by(*keys).agg(customers=bought.count()).order_by(keys))
            x, m, n = (rows[name].to_numpy().astype(float) for name in (*keys[:2], "customers"))
            return Spends(x, m, _combination_of(rows), n)
        return self._binned(bought)

    def _binned(self, bought: ibis.Table) -> Spends:
        import ibis

        _ = ibis._
        fine = bought.mutate(_fine=bought.monetary_value.ln() * _BINS_PER_LOG)
        fine = fine.mutate(_bin=fine._fine.floor().cast("int64"))
        # From the middle of the bin: squares of the logarithms themselves would cancel.
        fine = fine.mutate(_off=fine._fine - fine._bin.cast("float64") - 0.5)
        keys = ("frequency", "_bin", *self._numbers)
        rows = fetch(
            fine.group_by(*keys)
            .agg(customers=_.count(), off=_._off.mean(), square=(_._off * _._off).mean())
            .order_by(keys)
        )
        x, bins, n, off, square = (
            rows[name].to_numpy().astype(float)
            for name in (*keys[:2], "customers", "off", "square")
        )
        spread = np.sqrt(np.maximum(square - off**2, 0.0))
        m = np.exp((bins + 0.5 + off + np.array([[-1.0], [1.0]]) * spread) / _BINS_PER_LOG)
        twice = np.tile(_combination_of(rows), 2)
        return Spends(np.tile(x, 2), m.ravel(), twice, np.tile(0.5 * n, 2))


def _combination_of(rows: pa.Table) -> IntArray:
    if _COMBINATION not in rows.column_names:
        return np.zeros(rows.num_rows, dtype=np.int64)
    return np.asarray(rows[_COMBINATION].to_numpy(), dtype=np.int64)


def _numbered(segments: Sequence[str]) -> list[str]:
    """Names that no column of a summary has."""
    return [f"_segment_{i}" for i in range(len(segments))]


def _both_equal(one: Any, other: Any) -> tuple[Any, Any]:
    """Conditions under which two values are equal or both missing, such as engines hash."""
    missing = one.isnull() == other.isnull()  # noqa: PD003 - Ibis
    return missing, _known(one) == _known(other)


def _known(values: Any) -> Any:
    """The values, with something of their own kind for those that are missing."""
    if values.type().is_numeric():
        return values.fill_null(0)
    if values.type().is_boolean():
        return values.fill_null(False)
    return values.cast("string").fill_null("")
