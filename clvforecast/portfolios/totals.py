"""The totals of a portfolio: tables, quantiles, and what happened beside what was forecast."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import pandas as pd

from clvforecast.errors import DataError, suggest
from clvforecast.numerics.arrays import ArrayLike, FloatArray
from clvforecast.periods import Periods
from clvforecast.portfolios.futures import Totals

__all__ = ["Portfolio", "Quantity"]

Quantity: TypeAlias = Literal["orders", "revenue"]
_EVERYONE: Final = "all"


@dataclass(frozen=True, eq=False, repr=False)
class Portfolio:
    """Orders and revenue of all customers together, per period and segment.

    Made by `portfolio`. Expectations are exact; quantiles are those of simulated futures.

    Attributes
    ----------
    periods : Periods
        When each period begins and ends.
    segments : pandas.Index or None
        The segments, if there are any.
    attrs : dict
        `time_unit`, `horizon` (in that unit), `period`, `until`, `customers`, `simulations`,
        `seed`, and `parameter_uncertainty`: whether intervals hold that of the parameters too.
    """

    periods: Periods
    segments: pd.Index[Any] | None
    attrs: dict[Hashable, Any]
    _expected: Totals
    _from_new: Totals
    _simulated: Totals

    def __repr__(self) -> str:
        start, end = self.periods.start[0], self.periods.end[-1]
        span = (
            f"{start:%Y-%m-%d} to {end:%Y-%m-%d}"
            if isinstance(start, pd.Timestamp)
            else f"{end:g} time units ahead"
        )
        segments = "" if self.segments is None else f" in {len(self.segments):,} segments"
        return (
            f"Portfolio of {self.attrs['customers']:,} customers{segments}: {len(self.periods):,} "
            f"periods, {span}, {self.attrs['simulations']:,} simulations"
        )

    def table(self, level: float | None = 0.90, *, cumulative: bool = False) -> pd.DataFrame:
        """Expected orders and revenue of every period, with predictive intervals.

        Parameters
        ----------
        level : float or None
            Probability of the equal-tailed intervals; None leaves them out.
        cumulative : bool
            Add up from the first period on.

        Returns
        -------
        DataFrame
            Indexed by `period`: its first day where the end of observation is known, else its
            number from 1; with segments, by segment and period. Where each ends is in
            ``periods.end``. Columns `orders`, `orders_lower`, `orders_upper`, `revenue`,
            `revenue_lower`, `revenue_upper`, and the part of the expectations that comes from
            customers still to be acquired, `orders_from_new` and `revenue_from_new`. ``attrs``
            are those of the portfolio and `level`.

        Raises
        ------
        DataError
            If `level` is not between 0 and 1, or so near 1 that more simulations are needed.

        Notes
        -----
        An interval runs from one simulated total to another, so many ranks apart that one more
        simulation falls into it with probability `level` at least.
        """
        columns = self._columns(level, cumulative=cumulative, last=slice(None))
        table = pd.DataFrame(columns, index=self._index)
        table.attrs = {**self.attrs, "level": level}
        return table

    def total(self, level: float | None = 0.90) -> pd.DataFrame:
        """Orders and revenue of the whole horizon: one row per segment, or one row "all".

        Columns as in `table`.
        """
        index = pd.Index([_EVERYONE], name="segment") if self.segments is None else self.segments
        table = pd.DataFrame(
            self._columns(level, cumulative=True, last=slice(-1, None)), index=index
        )
        table.attrs = {**self.attrs, "level": level}
        return table

    def quantile(
        self, q: ArrayLike, quantity: Quantity = "orders", *, cumulative: bool = False
    ) -> pd.DataFrame:
        """Smallest total not exceeded in at least a share q of the simulations, one column each.

        Parameters
        ----------
        q : array_like
            Probabilities in [0, 1].
        quantity : {"orders", "revenue"}
        cumulative : bool
            Add up from the first period on.
        """
        levels = np.atleast_1d(np.asarray(q, dtype=float))
        if not np.all((levels >= 0) & (levels <= 1)):
            raise DataError(f"q={q!r} must be probabilities, from 0 to 1.")
        drawn = self._drawn(quantity, cumulative=cumulative)
        found = np.quantile(drawn, levels, axis=0, method="inverted_cdf")
        columns = pd.Index(levels, name="quantile")
        return pd.DataFrame(found.reshape(len(levels), -1).T, index=self._index, columns=columns)

    def simulations(
        self, quantity: Quantity = "orders", *, cumulative: bool = False
    ) -> pd.DataFrame:
        """Every simulated total: a row per simulation, a column per period (and segment).

        For whatever else is asked of them, such as the probability that a sum is not reached.
        """
        drawn = self._drawn(quantity, cumulative=cumulative)
        rows = pd.RangeIndex(len(drawn), name="simulation")
        return pd.DataFrame(drawn.reshape(len(drawn), -1), index=rows, columns=self._index)

    def track(
        self,
        actual: pd.DataFrame | pd.Series[Any],
        *,
        level: float = 0.90,
        cumulative: bool = False,
    ) -> pd.DataFrame:
        """Set what happened beside what was forecast.

        Parameters
        ----------
        actual : DataFrame or Series
            `orders`, `revenue` or both, indexed like `table`, as ``Transactions.totals`` gives
            them: the first periods, or all. Not cumulative.
        level : float
            Probability of the intervals.
        cumulative : bool
            Add up both sides from the first period on.

        Returns
        -------
        DataFrame
            For the periods of `actual` and each quantity in it, such as `orders`: the columns
            `orders_actual`, `orders`, `orders_lower`, `orders_upper` and `orders_inside`.

        Raises
        ------
        DataError
            If the periods are not those of the portfolio.
        """
        actual = actual.to_frame() if isinstance(actual, pd.Series) else actual
        quantities = [name for name in Totals._fields if name in actual.columns]
        if not quantities:
            raise DataError(
                f"actual has neither orders nor revenue. {suggest('orders', actual.columns)}"
            )
        table = self.table(level, cumulative=cumulative)
        over = len(actual) // self._shape[0]
        known = np.tile(np.arange(len(self.periods)) < over, self._shape[0])
        expected = table.index[known]
        if not len(actual) or not (
            len(actual) == len(expected) and expected.isin(actual.index).all()
        ):
            raise DataError(
                f"actual is not indexed by the periods of the portfolio, which begin with "
                f"{table.index[0]!r}. Take orders.totals(...) with the same `period` and `by`, "
                "`after` the day on which observation ended."
            )
        table, actual = table[known], actual.reindex(expected)
        columns: dict[str, Any] = {}
        for name in quantities:
            by_segment = actual[name].to_numpy(dtype=float).reshape(self._shape[0], -1)
            happened = _added(by_segment, cumulative).ravel()
            lower, upper = (table[f"{name}_{side}"] for side in ("lower", "upper"))
            columns[f"{name}_actual"] = happened
            columns |= {n: table[n] for n in (name, f"{name}_lower", f"{name}_upper")}
            columns[f"{name}_inside"] = (lower <= happened) & (happened <= upper)
        tracked = pd.DataFrame(columns, index=expected)
        tracked.attrs = table.attrs
        return tracked

    @property
    def _shape(self) -> tuple[int, int]:
        segments, periods = self._expected.orders.shape
        return segments, periods

    @property
    def _index(self) -> pd.Index[Any]:
        if self.segments is None:
            return self.periods.start
        segments, periods = self._shape
        keys = self.segments.repeat(periods).to_frame(index=False)
        return pd.MultiIndex.from_frame(keys.assign(period=np.tile(self.periods.start, segments)))

    def _drawn(self, quantity: str, *, cumulative: bool) -> FloatArray:
        """Simulated totals, shape (simulations, segments, periods)."""
        if quantity not in Totals._fields:
            raise DataError(f"quantity={quantity!r}. {suggest(str(quantity), Totals._fields)}")
        drawn: FloatArray = getattr(self._simulated, quantity)
        return drawn.cumsum(axis=-1) if cumulative else drawn

    def _columns(
        self, level: float | None, *, cumulative: bool, last: slice
    ) -> dict[str, FloatArray]:
        columns: dict[str, FloatArray] = {}
        for name in Totals._fields:
            columns[name] = _added(getattr(self._expected, name), cumulative)[:, last]
            if level is not None:
                ranks = _ranks(level, self.attrs["simulations"])
                drawn = self._drawn(name, cumulative=cumulative)[:, :, last]
                lower, upper = np.partition(drawn, ranks, axis=0)[ranks]
                columns[f"{name}_lower"], columns[f"{name}_upper"] = lower, upper
        for name in Totals._fields:
            from_new = _added(getattr(self._from_new, name), cumulative)[:, last]
            columns[f"{name}_from_new"] = from_new
        return {name: values.ravel() for name, values in columns.items()}


def _ranks(level: float, simulations: int) -> list[int]:
    """Positions among sorted simulations between which one more falls with this probability."""
    if not 0 < level < 1:
        raise DataError(f"level={level!r} must lie between 0 and 1, such as 0.90.")
    tail = (simulations + 1) * (1 - level) / 2
    lower = math.floor(tail + 1e-9)
    if lower < 1:
        raise DataError(
            f"level={level!r} needs {math.ceil(2 / (1 - level) - 1e-9) - 1:,} simulations at "
            f"least; there are {simulations:,}. Pass simulations=."
        )
    return [lower - 1, simulations - lower]


def _added(values: FloatArray, cumulative: bool) -> FloatArray:
    return values.cumsum(axis=-1) if cumulative else values
