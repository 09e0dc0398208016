"""`Monitoring`: a log watched over time."""

from __future__ import annotations

import html
from dataclasses import asdict, dataclass
from typing import Any, Final

import pandas as pd

from clvforecast.decisions.segmentation.rules import ValueRules
from clvforecast.documents import plain, records
from clvforecast.units import days_per, duration_in_units
from clvforecast.wording import format_amount, format_days, format_number, wrapped

__all__ = ["Monitoring"]

_PERIODS: Final = {"W": "week", "M": "month", "Q": "quarter"}
_SHOWN: Final = 12
_COUNTS: Final = ("customers", "new_customers", "active", "orders")
_SIDES: Final = ("lower", "upper")
_SHOWN_ALERTS: Final = 6


@dataclass(frozen=True, eq=False, repr=False)
class Monitoring:
    """A log watched over time. Made by `monitor`; printing it gives the last periods and alerts.

    Attributes
    ----------
    totals : pandas.DataFrame
        A row per date: `customers` so far; `new_customers`, `active` (customers with an order),
        `orders` and `revenue` of the period that ends on it; over the horizon from it
        `expected_purchases`, and `clv` with its predictive interval `clv_lower`, `clv_upper`;
        `mean_p_alive`, the expected share of customers who are active; and `share_alive`, of those
        whose P(alive) is a half or more.
    parameters : pandas.DataFrame
        Indexed by date and `parameter`: `model` ("purchases" or "spend"), `estimate`, and the
        confidence limits `lower` and `upper` (NaN for a model that was held without a fit). Beside
        the models' own, what they mean: `purchase_rate` (mean purchases per time unit while
        active), `dropout_probability` (mean, after a purchase) and `order_value` (mean).
    segments : pandas.DataFrame or None
        Indexed by date and `segment`: `customers`, `clv` and `mean_p_alive`.
    errors : pandas.DataFrame
        Indexed by date, `span` ("period", the next one, or "horizon") and `quantity` ("orders" or
        "revenue"; one order per customer and day): of the customers known on the date, up to the
        day `until`, what was `expected`, its predictive interval `lower` and `upper`, the `actual`
        total, `relative_error` (actual / expected - 1), whether it was `inside` the interval, its
        normal `score`, `last_year` (the relative error of the same period a year before), and the
        control chart: `deviations` and `alert`. Missing where `until` lies ahead.
    cohorts : pandas.DataFrame or None
        Indexed by date, the last of each quarter, and `about` ("buying" or "spending"):
        `customers` who joined within 26 weeks and `earlier_customers`; what a fit to each says,
        `value` and `earlier_value` (repeat purchases of a new customer within 26 weeks; mean value
        of an order), and their `difference` (value / earlier_value - 1); the likelihood ratio
        `statistic`, its `degrees_of_freedom` and `p_value`. Missing where there were too few.
    changes : pandas.DataFrame or None
        Where models were fitted, indexed as `cohorts`, from the second quarter on: what the fits
        say, `value` (repeat purchases of a new customer within 26 weeks; mean value of an order),
        and said at the end of the quarter before, `since`: `earlier_value`; their `difference`
        (value / earlier_value - 1), that in standard deviations, `deviations`, and its `p_value`.
    alerts : pandas.DataFrame
        `date` (when it was known), `about` ("orders", "revenue", "buying", "spending", or these two
        "of new customers"), `size` (relative), `p_value` (of this one check, on its own),
        `message` and `action`.
    rules : ValueRules or None
        The amounts that held for segments by value.
    notes : tuple of str
        What a reader must know.
    attrs : dict
        What was asked for, `refitted`, and what an alert takes: `limit` (standard deviations of a
        chart), `p_value_limit` (of a comparison of fits), and `mean_run_length` (checks from
        one false alert of a chart to the next, on average).
    """

    totals: pd.DataFrame
    parameters: pd.DataFrame
    segments: pd.DataFrame | None
    errors: pd.DataFrame
    cohorts: pd.DataFrame | None
    changes: pd.DataFrame | None
    alerts: pd.DataFrame
    rules: ValueRules | None
    notes: tuple[str, ...]
    attrs: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Everything, of JSON's types: what is not a finite number is None."""
        rules = None if self.rules is None else asdict(self.rules)
        return {
            **{name: plain(value) for name, value in self.attrs.items()},
            "totals": records(self.totals),
            "parameters": records(self.parameters),
            "segments": None if self.segments is None else records(self.segments),
            "errors": records(self.errors),
            "cohorts": None if self.cohorts is None else records(self.cohorts),
            "changes": None if self.changes is None else records(self.changes),
            "alerts": records(self.alerts),
            "rules": None if rules is None else {n: plain(v) for n, v in rules.items()},
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        lines = [*wrapped([self._headline()]), "", *self._lines(), "", *wrapped(self._closing())]
        lines += ["", *wrapped([self._count_of_alerts()])]
        latest = self.alerts.tail(_SHOWN_ALERTS)
        for alert in latest.to_dict("records"):
            said = f"{alert['date']:%Y-%m-%d}, {alert['about']}: {alert['message']}"
            lines += wrapped([said])
        for about, action in latest.groupby("about", sort=False)["action"].first().items():
            lines += wrapped([f"What to do about {about}: {action}"])
        return "\n".join([*lines, "", *wrapped(self.notes)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Show the same in a notebook."""
        parts = [f"<p>{html.escape(self._headline())}</p>"]
        parts.append(self.totals.tail(_SHOWN).to_html(float_format=format_number, na_rep=""))
        parts += [f"<p>{html.escape(line)}</p>" for line in self._closing()]
        parts.append(f"<p>{html.escape(self._count_of_alerts())}</p>")
        if len(self.alerts):
            parts.append(self.alerts.to_html(float_format=format_number, index=False))
        return "\n".join([*parts, *(f"<p>{html.escape(note)}</p>" for note in self.notes)])

    def _headline(self) -> str:
        known = self.attrs
        first, last = (f"{day:%Y-%m-%d}" for day in (self.totals.index[0], self.totals.index[-1]))
        count = len(self.totals)
        how = "fitted anew at each" if known["refitted"] else "the fits that were given"
        discount = f"discounted at {100 * known['annual_discount_rate']:.4g}% a year"
        return (
            f"{count} {_PERIODS[known['period']]}{'' if count == 1 else 's'} watched, {first} to "
            f"{last} ({how}): future value over {_span(known)}, margin {known['margin']:.4g}, "
            f"{discount}"
        )

    def _lines(self) -> list[str]:
        """One line a date: its orders beside what had been forecast of them."""
        shown = self.totals.tail(_SHOWN)
        money = float(shown["clv_upper"].max())
        income = float(shown["revenue"].max())
        known = self.errors.xs("period", level="span").xs("orders", level="quantity")
        known = known[known["actual"].notna()].set_index("until")
        rows = [
            ["", "", "", "", "", "", "future", f"{self.attrs['level']:.0%} of", "of", ""],
            ["", "customers", "new", "active", "orders", "revenue", "value", "futures", "known"],
        ]
        rows[1].append("off by")
        for row in shown.reset_index().to_dict("records"):
            day = row["date"]
            cells = [f"{day:%Y-%m-%d}"]
            cells += [f"{row[name]:,.0f}" for name in _COUNTS]
            cells += [format_amount(row["revenue"], income), format_amount(row["clv"], money)]
            cells.append(" to ".join(format_amount(row[f"clv_{side}"], money) for side in _SIDES))
            if day in known.index:
                then = known.loc[day]
                cells.append(f"{then['actual']:,.0f}")
                cells.append(f"{'!' if then['alert'] else ''}{then['relative_error']:+.0%}")
            rows.append(cells)
        widths = [max(len(row[k]) for row in rows if k < len(row)) for k in range(len(rows[1]))]
        return [
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=False)).rstrip()
            for row in rows
        ]

    def _closing(self) -> list[str]:
        known = self.attrs
        period = _PERIODS[known["period"]]
        return [
            f"{known['level']:.0%} of futures: a predictive interval, of these customers' own "
            f"future. Of known: orders of those who were customers at the start of the {period}, "
            "and how far off the forecast made then was; ! where that raised an alert.",
            f"If nothing changes, {100 * known['false_alarms']:.3g}% of years have an alert at "
            f"most: a chart raises one at {known['limit']:.2f} standard deviations, on average "
            f"after {known['mean_run_length']:,.0f} {period}s; a comparison of fits at p < "
            f"{known['p_value_limit']:.2g}; and neither where it is less than "
            f"{100 * known['tolerance']:.3g}% off.",
        ]

    def _count_of_alerts(self) -> str:
        count = len(self.alerts)
        if count > _SHOWN_ALERTS:
            return f"{count} alerts, of which the last {_SHOWN_ALERTS} (all are in `alerts`):"
        return "No alerts." if not count else f"{count} alert{'' if count == 1 else 's'}:"


def _span(known: dict[str, Any]) -> str:
    unit = known["time_unit"]
    return format_days(duration_in_units(known["horizon"], unit) * days_per(unit))
