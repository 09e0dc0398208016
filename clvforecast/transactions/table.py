"""`Transactions`: checked orders, and the summaries made of them."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, overload

from clvforecast.errors import DataError, suggest
from clvforecast.transactions.dating.stated import as_day
from clvforecast.transactions.engine import fetch_frame, keep_while_used
from clvforecast.transactions.lazy import LazySummary
from clvforecast.transactions.summary import (
    activity,
    by_customer,
    by_day,
    daily_totals,
    first_segments,
    holdout,
    in_units,
    rfm_days,
    with_segments,
)
from clvforecast.units import check_time_unit, days_per, duration_in_units

if TYPE_CHECKING:
    from collections.abc import Sequence

    import ibis
    import pandas as pd

    from clvforecast.transactions.quality import Quality
    from clvforecast.units import Duration

__all__ = ["Split", "Transactions", "as_day"]

_CUSTOMER = ["customer_id"]


class Split(NamedTuple):
    """A log cut in two: what a forecast may know, and what came after.

    Attributes
    ----------
    calibration : pandas.DataFrame
        RFM summary at the cutoff.
    holdout : pandas.DataFrame
        One row per customer of `calibration`, in its order: ``purchases`` (purchase days),
        ``spend`` (their net total) and ``mean_spend`` (per purchase day; 0 where there is none).
    """

    calibration: pd.DataFrame
    holdout: pd.DataFrame


@dataclass(frozen=True, eq=False, repr=False)
class Transactions:
    """Checked orders, held where their engine has them.

    Made by `read_orders`. Nothing is computed until a summary is asked for, and then by the
    engine: only one row per customer comes here.

    Attributes
    ----------
    table : ibis.Table
        One row per order kept (or line of an order): ``customer_id``, ``date`` (a local calendar
        day), ``amount`` (float64), ``order`` if an order id was given, and the segment columns.
    quality : Quality
        What became of every row read.
    until : datetime.date
        The last day of observation.
    segments : tuple of str
        The segment columns.
    refunds : {"net", "drop", "error"}
        How refunds were treated.
    has_order : bool
        Whether `table` has an ``order`` column.
    customers : ibis.Table, optional
        What `clvforecast.transactions.summary.by_customer` makes of the whole table, if it is
        worked out already.
    """

    table: ibis.Table
    quality: Quality
    until: dt.date
    segments: tuple[str, ...] = ()
    refunds: str = "net"
    has_order: bool = False
    customers: ibis.Table | None = None

    def __repr__(self) -> str:
        """Say how much there is, and of when."""
        quality = self.quality
        unit = "order lines" if self.has_order else "orders"
        return (
            f"Transactions: {quality.rows_kept:,} {unit}, {quality.customers:,} customers, "
            f"{quality.first_day} to {quality.last_day}, observed until {self.until}"
        )

    @overload
    def summarize(
        self,
        time_unit: str = ...,
        until: str | dt.date | None = ...,
        *,
        segments: str | Sequence[str] = ...,
        lazy: Literal[False] = ...,
    ) -> pd.DataFrame: ...

    @overload
    def summarize(
        self,
        time_unit: str = ...,
        until: str | dt.date | None = ...,
        *,
        segments: str | Sequence[str] = ...,
        lazy: Literal[True],
    ) -> LazySummary: ...

    def summarize(
        self,
        time_unit: str = "D",
        until: str | dt.date | None = None,
        *,
        segments: str | Sequence[str] = (),
        lazy: bool = False,
    ) -> pd.DataFrame | LazySummary:
        """Summarise each customer by frequency, recency, T and monetary value.

        Parameters
        ----------
        time_unit : {"D", "W", "M", "Y"}
            The unit of `recency` and `T`. Dates stay whole days: the unit only scales.
        until : str or datetime.date, optional
            The end of observation, instead of `self.until`. An earlier one leaves out what came
            after; a later one says that nothing did.
        segments : str or sequence of str
            Segment columns to put beside, as covariates: what `customer_segments` says of each.
        lazy : bool
            Leave the summary in the engine that has the orders: for more customers than fit here.

        Returns
        -------
        pandas.DataFrame or LazySummary
            Indexed by ``customer_id``, sorted: ``frequency`` (repeat purchase days), ``recency``
            (first to last purchase), ``T`` (first purchase to end of observation) and
            ``monetary_value`` (mean spend per repeat purchase day, 0 where there is none).
            ``attrs`` holds ``time_unit`` and ``until`` (ISO text). With `lazy`, the same table
            in the engine, which the models' ``fit`` and `clvforecast.forecast` take as well.

        Raises
        ------
        DataError
            If the unit or a segment column is none, or nobody has bought by `until`. With `lazy`,
            also if the engine allows no temporary table.

        Examples
        --------
        >>> import pandas as pd
        >>> from clvforecast.transactions import read_orders
        >>> log = pd.DataFrame({"customer_id": [7, 7, 7], "amount": [10.0, 12.0, 14.0],
        ...                     "date": ["2024-01-01", "2024-01-08", "2024-01-22"]})
        >>> read_orders(log, until="2024-01-29").summarize(time_unit="W")
                     frequency  recency    T  monetary_value
        customer_id
        7                    2      3.0  4.0            13.0
        """
        length = days_per(check_time_unit(time_unit))
        end = self._end(until)
        customers = self._customers(end)
        days = rfm_days(customers, end)
        names = (segments,) if isinstance(segments, str) else tuple(dict.fromkeys(segments))
        if names:
            days = with_segments(days, self._first_segments(names, end))
        if lazy:
            worked_out = customers is self.customers and not names
            kept = days if worked_out else keep_while_used(days)
            summary = LazySummary.of(kept, time_unit, end, names)
            if not summary.customers:
                raise self._nobody_by(end)
            return summary
        rfm = fetch_frame(in_units(days, length, names), _CUSTOMER)
        if rfm.empty:
            raise self._nobody_by(end)
        rfm.attrs = {"time_unit": time_unit, "until": end.isoformat()}
        return rfm

    def split(self, cutoff: str | dt.date, horizon: Duration, time_unit: str = "W") -> Split:
        """Cut the log at a day, to hold a forecast against what then happened.

        Parameters
        ----------
        cutoff : str or datetime.date
            The last day of calibration.
        horizon : str or float
            The length of the holdout, such as "39W", or a number in `time_unit`. Whole days of it
            count: the holdout is the days after `cutoff` up to ``cutoff + horizon``.
        time_unit : {"D", "W", "M", "Y"}
            The unit of the calibration summary.

        Returns
        -------
        Split
            Customers who first bought after the cutoff are in neither part. Holdout spend is per
            purchase day, as in the calibration, with refunds taken off in the same way.

        Raises
        ------
        DataError
            If the holdout is shorter than a day or runs past the end of observation.

        Examples
        --------
        >>> import pandas as pd
        >>> from clvforecast.transactions import read_orders
        >>> log = pd.DataFrame({"customer_id": ["A", "A", "B"], "amount": [10.0, 12.0, 14.0],
        ...                     "date": ["2024-01-01", "2024-02-08", "2024-01-22"]})
        >>> calibration, holdout = read_orders(log).split("2024-01-31", "8D")
        >>> holdout
                     purchases  spend  mean_spend
        customer_id
        A                    1   12.0        12.0
        B                    0    0.0         0.0
        """
        start = as_day(cutoff, "cutoff")
        unit = check_time_unit(time_unit)
        length = duration_in_units(horizon, unit)
        exact = length * days_per(unit)
        longest = (self.until - start).days
        # 1e-6 of a day: "39W" must be 273 days however the division rounds.
        whole = math.floor(exact + 1e-6) if math.isfinite(exact) else longest + 1
        if longest < 1:
            raise DataError(
                f"cutoff={start} leaves nothing to hold out: observation ends on {self.until}. "
                "Choose an earlier cutoff."
            )
        if not 1 <= whole <= longest:
            raise DataError(
                f"horizon={horizon!r} must be from 1 to {longest:,} days after the cutoff {start} "
                f"('{longest}D', or {longest / days_per(unit):.4g} in time_unit={unit!r}): "
                f"observation ends on {self.until}."
            )
        calibration = self.summarize(unit, start)
        end = start + dt.timedelta(days=whole)
        bought = fetch_frame(holdout(self._days(end), start), _CUSTOMER)
        bought = bought.reindex(calibration.index).fillna(0.0).astype({"purchases": "int64"})
        bought.attrs = {"time_unit": unit, "horizon": length, "until": end.isoformat()}
        return Split(calibration, bought)

    def activity(
        self, by: str | Sequence[str] | None = None, until: str | dt.date | None = None
    ) -> pd.DataFrame:
        """Count each customer's orders and add up what they paid.

        Parameters
        ----------
        by : str or sequence of str, optional
            Segment columns. A customer with orders in several has a row in each.
        until : str or datetime.date, optional
            The end of observation, instead of `self.until`.

        Returns
        -------
        pandas.DataFrame
            Indexed by ``customer_id``, or by the segments and ``customer_id``; sorted. ``orders``
            (order ids where they were given, else rows, that are no refunds, on purchase days),
            ``purchase_days``, ``revenue`` (net of refunds), ``first_order`` and ``last_order``
            (datetime64). ``attrs`` holds ``first``, the first purchase day of all, and ``until``
            (ISO text).

        Raises
        ------
        DataError
            If `by` is not a segment column, or nobody has bought by `until`.

        Examples
        --------
        >>> import pandas as pd
        >>> from clvforecast.transactions import read_orders
        >>> log = pd.DataFrame({"customer_id": ["A", "A", "B"], "amount": [10.0, 12.0, 14.0],
        ...                     "date": ["2024-01-01", "2024-01-01", "2024-01-22"]})
        >>> read_orders(log).activity()[["orders", "purchase_days", "revenue"]]
                     orders  purchase_days  revenue
        customer_id
        A                 2              1     22.0
        B                 1              1     14.0
        """
        end = self._end(until)
        orders, inside = self._with_segments(by)
        keys = [*inside, *_CUSTOMER]
        customers = self._by_customer(orders, keys, end) if inside else self._customers(end)
        frame = fetch_frame(activity(customers, keys), keys)
        if frame.empty:
            raise self._nobody_by(end)
        frame.index = frame.index.set_names([inside.get(key, key) for key in keys])
        first = frame["first_order"].min().date()
        frame.attrs = {"first": first.isoformat(), "until": end.isoformat()}
        return frame

    def totals(
        self,
        period: str = "W",
        *,
        after: str | dt.date | None = None,
        until: str | dt.date | None = None,
        acquired_by: str | dt.date | None = None,
        by: str | Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Add up orders and revenue per day, week, month or year.

        Parameters
        ----------
        period : {"D", "W", "M", "Y"}
            What to add up by: periods of the calendar, the last one cut short at `until`.
        after : str or datetime.date, optional
            The day before the first period. Default: the day before the first order.
        until : str or datetime.date, optional
            The end of observation, instead of `self.until`.
        acquired_by : str or datetime.date, optional
            Count only customers who had bought by this day. With the day of `after` these are the
            customers of a calibration, for ``Portfolio.track``.
        by : str or sequence of str, optional
            Segment columns. Whatever a customer buys counts in the segment of the first purchase,
            as in `customer_segments`.

        Returns
        -------
        pandas.DataFrame
            Indexed by `period`, its first day, or by segment and `period`. ``orders``, one per
            customer and day as in the summary, and ``revenue``, refunds taken off as in `split`.
            ``attrs`` holds ``period`` and ``until``.

        Raises
        ------
        DataError
            If `by` is not a segment column, or the time observed is shorter than one period.

        Examples
        --------
        >>> import pandas as pd
        >>> from clvforecast.transactions import read_orders
        >>> log = pd.DataFrame({"customer_id": ["A", "A", "B"], "amount": [10.0, 12.0, 14.0],
        ...                     "date": ["2024-01-01", "2024-01-08", "2024-01-22"]})
        >>> read_orders(log, until="2024-01-28").totals("W")
                    orders  revenue
        period
        2024-01-01       1     10.0
        2024-01-08       1     12.0
        2024-01-15       0      0.0
        2024-01-22       1     14.0
        """
        from clvforecast.periods import add_up, calendar_periods

        end = self._end(until)
        start = (
            self.quality.first_day - dt.timedelta(1) if after is None else as_day(after, "after")
        )
        periods = calendar_periods(start, end, period)
        acquired = None if acquired_by is None else as_day(acquired_by, "acquired_by")
        orders, inside = self._with_segments(by)
        days = self._days(end)
        if inside:
            days = days.join(first_segments(orders, days, list(inside)), "customer_id")
        daily = fetch_frame(
            daily_totals(days, list(inside), start, acquired), [*inside, "date"]
        ).reset_index()
        if daily.empty:
            raise self._nobody_by(acquired or end)
        table = add_up(daily, list(inside), periods)
        table.index = table.index.set_names([*inside.values(), "period"])
        table.attrs = {"period": period, "until": end.isoformat()}
        return table

    def customer_segments(self, until: str | dt.date | None = None) -> pd.DataFrame:
        """Say in which segments each customer bought first.

        Parameters
        ----------
        until : str or datetime.date, optional
            The end of observation, instead of `self.until`.

        Returns
        -------
        pandas.DataFrame
            Indexed by ``customer_id`` as `summarize` is, with the segment columns: those of the
            first purchase day (of several orders, of the one with the largest amount). A column
            can be added to a summary for ``portfolio(..., by=)``:
            ``rfm.assign(country=orders.customer_segments()["country"])``.

        Raises
        ------
        DataError
            If the orders were read without segment columns, or nobody has bought by `until`.

        Examples
        --------
        >>> import pandas as pd
        >>> from clvforecast.transactions import read_orders
        >>> log = pd.DataFrame({"customer_id": ["A", "A", "B"], "amount": [10.0, 12.0, 14.0],
        ...                     "date": ["2024-01-01", "2024-01-08", "2024-01-22"],
        ...                     "shop": ["web", "city", "city"]})
        >>> read_orders(log, segments="shop").customer_segments()
                     shop
        customer_id
        A             web
        B            city
        """
        if not self.segments:
            raise DataError("The orders were read without segment columns; pass segments=.")
        end = self._end(until)
        frame = fetch_frame(self._first_segments(self.segments, end), _CUSTOMER)
        if frame.empty:
            raise self._nobody_by(end)
        return frame

    def purchase_days(self, until: str | dt.date | None = None) -> ibis.Table:
        """Express the purchase days: one row per customer and day with a purchase.

        Returns
        -------
        ibis.Table
            ``customer_id``, ``date``, ``amount`` (net of refunds of the same day) and ``orders``.
            Later refunds are not in it; see `clvforecast.transactions.summary`.
        """
        days = self._days(self._end(until))
        return days.filter(days.is_purchase).select("customer_id", "date", "amount", "orders")

    def to_pandas(self) -> pd.DataFrame:
        """Bring every checked order here.

        Returns
        -------
        pandas.DataFrame
            The columns of `table`, ``date`` as datetime64, sorted by customer and date.
        """
        keys = [*_CUSTOMER, "date"]
        return fetch_frame(self.table, keys).reset_index()[list(self.table.columns)]

    def _with_segments(self, by: str | Sequence[str] | None) -> tuple[ibis.Table, dict[str, str]]:
        """Add segment columns once more, under names that no other column has."""
        chosen = [] if by is None else [by] if isinstance(by, str) else list(by)
        for name in chosen:
            if name not in self.segments:
                raise DataError(
                    f"by={name!r} is not a segment column; read the orders with "
                    f"segments=[{name!r}]. {suggest(str(name), self.segments)}"
                )
        inside = {f"_segment_{i}": name for i, name in enumerate(chosen)}
        orders = self.table.mutate(**{key: self.table[name] for key, name in inside.items()})
        return orders, inside

    def _first_segments(self, names: Sequence[str], end: dt.date) -> ibis.Table:
        """Express those of the segments in which each customer bought first."""
        self._with_segments(names)
        orders, inside = self._with_segments(self.segments)
        first = first_segments(orders, self._days(end), list(inside))
        key = {name: key for key, name in inside.items()}
        return first.select("customer_id", **{name: first[key[name]] for name in names})

    def _end(self, until: str | dt.date | None) -> dt.date:
        return self.until if until is None else as_day(until, "until")

    def _customers(self, end: dt.date) -> ibis.Table:
        if self.customers is not None and end >= self.quality.last_day:
            return self.customers
        return self._by_customer(self.table, _CUSTOMER, end)

    def _by_customer(self, orders: ibis.Table, keys: Sequence[str], end: dt.date) -> ibis.Table:
        days = self._by_day(orders, keys, end)
        return by_customer(days, keys, has_refunds=self._has_refunds)

    def _days(self, end: dt.date) -> ibis.Table:
        return self._by_day(self.table, _CUSTOMER, end)

    def _by_day(self, orders: ibis.Table, keys: Sequence[str], end: dt.date) -> ibis.Table:
        return by_day(
            orders,
            keys,
            has_order=self.has_order,
            until=end,
            has_refunds=self._has_refunds,
        )

    @property
    def _has_refunds(self) -> bool:
        return bool(self.quality.noted["refund_rows"])

    def _nobody_by(self, end: dt.date) -> DataError:
        return DataError(
            f"Nobody has bought by {end}: the first order is of {self.quality.first_day}. "
            "Choose a later day."
        )
