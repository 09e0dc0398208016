"""The forecast beside the simple historical formula, customer by customer."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from clvforecast.errors import DataError, suggest
from clvforecast.historical import HistoricalCLV
from clvforecast.numerics.arrays import settled
from clvforecast.units import Duration, days_per, duration_in_units
from clvforecast.wording import format_amount, format_days, format_number, say_certain, wrapped

__all__ = ["QUADRANTS", "Comparison", "compare"]

QUADRANTS: Final = ("valuable and staying", "valuable but fading", "rising", "low")


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """What the past says beside what is to be expected. Printing it gives a summary in ten lines.

    Attributes
    ----------
    customers : pandas.DataFrame
        Per customer: `past_value` (revenue x margin so far), `simple_projection` (the simple
        formula over the horizon), `clv` (the forecast over the same horizon), `difference` (clv -
        simple_projection), `rank_past` and `rank_forecast` (1 is the most valuable; equal values
        share the better rank), `p_alive` and `quadrant` (ordered categorical of `QUADRANTS`).
    summary : pandas.DataFrame
        Per quadrant: `customers`, `customer_share`, `past_value`, `past_share`,
        `simple_projection`, `clv`, `clv_share`, `mean_p_alive` (NaN where a quadrant is empty).
    horizon_days : float
        Days the projection covers, and the forecast unless it is of a whole lifetime.
    quantile : float
        Where high is told from low: above this quantile of all customers.
    past_cut, forecast_cut : float
        The values at that quantile.
    margin : float
        Share of revenue that is profit, on both sides.
    notes : tuple of str
        What a reader must know before setting the two columns against each other.
    """

    customers: pd.DataFrame
    summary: pd.DataFrame
    horizon_days: float
    quantile: float
    past_cut: float
    forecast_cut: float
    margin: float
    notes: tuple[str, ...]

    def by_decile(self) -> pd.DataFrame:
        """Share of past and future value by decile of past value.

        Returns
        -------
        pandas.DataFrame
            Index `decile`, 1 the tenth of customers with the highest past value; columns
            `customers`, `past_value`, `past_share`, `clv`, `clv_share`. Equal past values are
            taken in the table's order. Fewer than ten customers leave deciles out.
        """
        place = self.customers["past_value"].rank(method="first", ascending=False)
        decile = np.ceil(place.to_numpy() * 10 / len(place)).astype("int64")
        table = self.customers.groupby(pd.Index(decile, name="decile")).agg(
            customers=("clv", "size"), past_value=("past_value", "sum"), clv=("clv", "sum")
        )
        table.insert(2, "past_share", _shares(table["past_value"]))
        return table.assign(clv_share=_shares(table["clv"]))

    def __str__(self) -> str:
        below = wrapped([*self._disagreements(), *self.notes])
        return "\n".join([self._headline(), "", *self._summary_lines(), "", *below])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Show the same in a notebook."""
        table = self.summary.to_html(float_format=format_number)
        below = "<br>".join(html.escape(line) for line in [*self._disagreements(), *self.notes])
        return f"<p>{html.escape(self._headline())}</p>\n{table}\n<p>{below}</p>"

    def _headline(self) -> str:
        forecast, simple = self.summary["clv"].sum(), self.summary["simple_projection"].sum()
        return (
            f"Next {format_days(self.horizon_days)}, {len(self.customers):,} customers: the "
            f"forecast expects {format_number(forecast)}, "
            f"the simple formula {format_number(simple)}"
        )

    def _summary_lines(self) -> list[str]:
        lines = [
            f"{'':<21}{'customers':>15}{'past value':>19}{'simple formula':>16}{'forecast':>19}"
            f"{'P(alive)':>10}"
        ]
        scale = float(self.summary[["past_value", "clv"]].abs().to_numpy().max())
        for name, row in self.summary.iterrows():
            count = f"{int(row['customers']):,} ({row['customer_share']:.0%})"
            past = f"{format_amount(row['past_value'], scale)} ({row['past_share']:.0%})"
            simple = format_amount(row["simple_projection"], scale)
            future = f"{format_amount(row['clv'], scale)} ({row['clv_share']:.0%})"
            alive = f"{row['mean_p_alive']:.2f}" if row["customers"] else "-"
            lines.append(f"{name:<21}{count:>15}{past:>19}{simple:>16}{future:>19}{alive:>10}")
        return lines

    def _disagreements(self) -> list[str]:
        """Name the customers about whom the two sides differ most, either way."""
        ordered = self.customers.sort_values("difference", kind="stable")
        below, above = ordered.head(3), ordered.iloc[::-1].head(3)
        return [
            f"{title}: {'; '.join(_case(customer, row) for customer, row in cases.iterrows())}"
            for title, cases in (
                ("Forecast furthest below the simple formula", below[below["difference"] < 0]),
                ("Forecast furthest above the simple formula", above[above["difference"] > 0]),
            )
            if len(cases)
        ]


def compare(
    value: pd.DataFrame,
    past: HistoricalCLV,
    *,
    horizon: Duration | None = None,
    quantile: float = 0.8,
) -> Comparison:
    """Set each customer's forecast beside what the simple historical formula says.

    Parameters
    ----------
    value : pandas.DataFrame
        What `forecast` returns: `clv` and `p_alive` by customer_id.
    past : HistoricalCLV
        What `historical_clv` returns, of the same customers, end of observation and margin.
    horizon : str or float, optional
        How far to project the simple formula ("52W", or a number in the forecast's time unit).
        Default: the forecast's own horizon. Needed where that is unknown (a table read from a
        file) or a whole lifetime; where it is known it cannot be another.
    quantile : float
        Customers above this quantile of past value, and of forecast, are the valuable ones.

    Returns
    -------
    Comparison

    Raises
    ------
    DataError
        If the two sides are not about the same customers, end of observation or margin, a forecast
        is not finite, or the horizon is unknown, infinite or another than the forecast's.

    Notes
    -----
    No customer is dropped: one who is missing on either side is an error. Against a forecast made
    at an earlier day, use ``historical_clv(orders, until=day)``.

    The quadrants cross high or low past value with high or low forecast:

    ======================  ==========  ========
    quadrant                past value  forecast
    ======================  ==========  ========
    valuable and staying    high        high
    valuable but fading     high        low
    rising                  low         high
    low                     low         low
    ======================  ==========  ========

    Examples
    --------
    >>> import pandas as pd
    >>> import clvforecast as clv
    >>> orders = clv.read_orders(clv.datasets.load_worked_example())
    >>> value = pd.DataFrame(
    ...     {"clv": [4.0, 90.0, 30.0, 20.0, 60.0], "p_alive": [0.1, 0.9, 0.8, 0.7, 1.0]},
    ...     index=pd.Index(list("ABCDE"), name="customer_id"),
    ... )
    >>> both = clv.compare(value, clv.historical_clv(orders, lifespan="2Y"), horizon="10W")
    >>> both.customers.loc[["B"], ["past_value", "simple_projection", "clv", "rank_past"]]
                 past_value  simple_projection   clv  rank_past
    customer_id
    B                   4.0               40.0  90.0          1
    """
    if not isinstance(past, HistoricalCLV) or not isinstance(value, pd.DataFrame):
        raise DataError(
            "compare(value, past) takes the table of clv.forecast and the result of "
            f"clv.historical_clv, not a {type(value).__name__} and a {type(past).__name__}."
        )
    if not 0 < quantile < 1:
        raise DataError(f"quantile={quantile!r} must lie between 0 and 1, such as 0.8.")
    _check_forecast(value)
    _check_same_customers(value.index, past.customers.index)
    _check_same_terms(value, past)
    horizon_days = _horizon_days(value, horizon)

    customers = pd.DataFrame(
        {
            "past_value": past.customers["past_value"].reindex(value.index),
            "simple_projection": past.project(horizon_days).reindex(value.index),
            "clv": value["clv"].astype(float),
        }
    )
    customers["difference"] = customers["clv"] - customers["simple_projection"]
    # An engine adds in parallel: equal sums would tie in one reading of a log and not in the next.
    past_value, future_value = (
        customers[name].transform(settled) for name in ("past_value", "clv")
    )
    customers["rank_past"] = _rank(past_value)
    customers["rank_forecast"] = _rank(future_value)
    customers["p_alive"] = value["p_alive"].astype(float)
    past_cut = float(past_value.quantile(quantile))
    forecast_cut = float(future_value.quantile(quantile))
    customers["quadrant"] = _quadrant(past_value > past_cut, future_value > forecast_cut)
    return Comparison(
        customers=customers,
        summary=_summary(customers),
        horizon_days=horizon_days,
        quantile=float(quantile),
        past_cut=past_cut,
        forecast_cut=forecast_cut,
        margin=past.margin,
        notes=_notes(value, past.margin, quantile, horizon_days),
    )


def _check_forecast(value: pd.DataFrame) -> None:
    if value.empty:
        raise DataError("The forecast has no customers. Check the summary it was made from.")
    for column in ("clv", "p_alive"):
        if column not in value.columns:
            raise DataError(
                f"The forecast has no column {column!r}. {suggest(column, map(str, value.columns))}"
            )
        bad = ~np.isfinite(value[column].to_numpy(dtype=float, na_value=np.nan))
        if bad.any():
            raise DataError(
                f"{bad.sum():,} of {len(value):,} customers have a {column} that is not a finite "
                f"number (first: {value.index[bad][0]!r}). Forecast them again, or leave them out "
                "of both sides."
            )


def _check_same_customers(forecast: pd.Index, log: pd.Index) -> None:
    if forecast.has_duplicates:
        raise DataError(
            f"The forecast has {forecast.duplicated().sum():,} customers more than once (first: "
            f"{forecast[forecast.duplicated()][0]!r}). Its index must be one row per customer_id."
        )
    sides = (
        (
            forecast,
            log,
            "customers of the forecast have no orders in `past`",
            "Index the forecast by customer_id and use the orders it was made from.",
        ),
        (
            log,
            forecast,
            "customers of the orders have no forecast",
            "If they came after the forecast's end of observation, use "
            "historical_clv(orders, until=that day); otherwise forecast them too.",
        ),
    )
    for here, there, fact, remedy in sides:
        missing = here[~here.isin(there)]
        if len(missing) == 0:
            continue
        if len(missing) == len(here) and forecast.dtype != log.dtype:
            remedy = (
                f"The ids are {forecast.dtype} in the forecast and {log.dtype} in the orders: "
                "read both as the same type."
            )
        raise DataError(
            f"{len(missing):,} of {len(here):,} {fact} (first: {missing[0]!r}). {remedy}"
        )


def _check_same_terms(value: pd.DataFrame, past: HistoricalCLV) -> None:
    margin, until = value.attrs.get("margin"), value.attrs.get("until")
    if margin is not None and not math.isclose(margin, past.margin, rel_tol=1e-9):
        raise DataError(
            f"The forecast has margin={margin:g} and the historical values margin={past.margin:g}. "
            f"Use one on both sides: historical_clv(orders, margin={margin:g})."
        )
    if until is not None and pd.Timestamp(until).date() != past.until:
        day = pd.Timestamp(until).date()
        raise DataError(
            f"The forecast is made at {day} and the historical values reach to {past.until}. "
            f"Use one day on both sides: historical_clv(orders, until='{day}')."
        )


def _horizon_days(value: pd.DataFrame, horizon: Duration | None) -> float:
    unit, own = value.attrs.get("time_unit"), value.attrs.get("horizon")
    own_days = None if own is None or unit is None else float(own) * days_per(unit)
    if horizon is None:
        if own_days is None:
            raise DataError(
                "The forecast does not say which horizon it covers. Pass it: horizon='52W'."
            )
        days = own_days
    elif isinstance(horizon, str):
        days = duration_in_units(horizon, "D")
    elif unit is None:
        raise DataError(f"horizon={horizon!r} has no unit. Write '{horizon}W' or '1Y', say.")
    else:
        days = duration_in_units(horizon, unit) * days_per(unit)
    if not (math.isfinite(days) and days > 0):
        raise DataError(
            f"The simple formula cannot be projected over a horizon of {format_days(days)}: it "
            "knows no customer who leaves. Pass how far to project it: horizon='52W'."
        )
    if own_days is not None and math.isfinite(own_days) and not math.isclose(days, own_days):
        raise DataError(
            f"horizon={horizon!r} is {format_days(days)}, but the forecast covers "
            f"{format_days(own_days)}. Leave `horizon` out, or forecast that horizon."
        )
    return days


def _rank(value: pd.Series[float]) -> pd.Series[int]:
    return value.rank(method="min", ascending=False).astype("int64")


def _quadrant(high_past: pd.Series[bool], high_forecast: pd.Series[bool]) -> pd.Categorical[str]:
    number = np.where(high_past, np.where(high_forecast, 0, 1), np.where(high_forecast, 2, 3))
    return pd.Categorical(np.array(QUADRANTS)[number], categories=list(QUADRANTS), ordered=True)


def _summary(customers: pd.DataFrame) -> pd.DataFrame:
    table = customers.groupby("quadrant", observed=False).agg(
        customers=("clv", "size"),
        past_value=("past_value", "sum"),
        simple_projection=("simple_projection", "sum"),
        clv=("clv", "sum"),
        mean_p_alive=("p_alive", "mean"),
    )
    table.insert(1, "customer_share", _shares(table["customers"]))
    table.insert(3, "past_share", _shares(table["past_value"]))
    table.insert(6, "clv_share", _shares(table["clv"]))
    return table


def _shares(values: pd.Series[float]) -> pd.Series[float]:
    """Share of each in the total; 0 where there is nothing to share."""
    total = float(values.sum())
    return values / total if total else values * 0.0


def _notes(
    value: pd.DataFrame, margin: float, quantile: float, horizon_days: float
) -> tuple[str, ...]:
    share = "as revenue (margin 1)" if margin == 1 else f"at a margin of {margin:g}"
    notes = [
        f"High means above the {quantile:.0%} quantile of all customers. "
        f"All values {share}; past value and simple formula undiscounted."
    ]
    rate = value.attrs.get("annual_discount_rate")
    if rate:
        notes.append(
            f"The forecast is discounted at {100 * rate:.4g}% a year, the simple formula is not."
        )
    if math.isinf(float(value.attrs.get("horizon", 0.0))):
        notes.append(
            "The forecast is of a whole lifetime, the simple formula of "
            f"{format_days(horizon_days)} only."
        )
    certain = int((value["p_alive"] == 1).sum())
    if certain:
        notes.append(f"{say_certain(certain)} It is no finding about them.")
    unstated = [n for n in ("margin", "annual_discount_rate") if value.attrs.get(n) is None]
    if unstated:
        notes.append(
            f"The forecast does not say its {' and '.join(unstated)}: see that they match."
        )
    return tuple(notes)


def _case(customer: object, row: pd.Series[float]) -> str:
    pair = row["clv"], row["simple_projection"]
    forecast, simple = (format_amount(amount, max(pair, key=abs)) for amount in pair)
    return f"{customer} ({forecast} against {simple}, P(alive) {row['p_alive']:.2f})"
