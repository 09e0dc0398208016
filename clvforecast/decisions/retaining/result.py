"""`Retention`: what fading customers put at risk, and whom it pays to contact."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from clvforecast.decisions.segmentation.result import segment_name
from clvforecast.documents import plain, records
from clvforecast.wording import (
    format_amount,
    format_number,
    format_span,
    say_certain,
    wrapped,
)

__all__ = ["Retention"]

_TOP: Final = 10
_MOST_ROWS: Final = 30
_LONGEST_NAME: Final = 24


@dataclass(frozen=True, eq=False, repr=False)
class Retention:
    """What fading customers put at risk. Made by `retention`; printing it gives a summary.

    Attributes
    ----------
    customers : pandas.DataFrame
        Per customer, ranked: whom to contact first is on top.

        - `p_alive`; `clv`, expected as things are; `clv_if_alive`, of one who is active for
          certain; `worth_of_retaining`, their difference; `loss_ahead`, expected to be lost to
          departures still to come within the horizon;
        - with costs: `cost`, `success`, `net_gain` (success x worth - cost), `cumulated_cost` and
          `cumulated_net_gain` of everybody down to here, and `chosen`: it pays, and the budget
          reaches so far.
    table : pandas.DataFrame
        Totals, a row per segment or one row "all": `customers`, `expected_active`, `clv`,
        `clv_if_alive`, `value_at_risk` (sum of the worth of retaining; what those who are gone
        already take with them) and its predictive limits `value_at_risk_lower` and
        `value_at_risk_upper`, `loss_ahead`; with costs, of the chosen: `contacts`, `contact_cost`,
        `net_gain` and its predictive limits.
    whole : pandas.DataFrame
        The same of all customers together: one row "all".
    attrs : dict
        `customers`, `time_unit`, `horizon`, `annual_discount_rate`, `margin`, `until`, `level`,
        `simulations` and `budget`.
    """

    customers: pd.DataFrame
    table: pd.DataFrame
    whole: pd.DataFrame
    attrs: dict[str, Any]

    @property
    def chosen(self) -> pd.DataFrame:
        """The customers to contact, the best first: a mailing list. Empty without costs."""
        if not self._has_costs:
            return self.customers.iloc[:0]
        return self.customers[self.customers["chosen"]]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know."""
        notes = [
            f"{self.attrs['level']:.0%} of chances: a predictive interval, of who is gone. The "
            "parameters are taken for known."
        ]
        certain = int((self.customers["p_alive"] == 1).sum())
        if certain:
            notes.append(
                f"{say_certain(certain)} That makes them worth nothing to retain, by assumption "
                "and not by evidence."
            )
        return tuple(notes)

    def to_dict(self) -> dict[str, Any]:
        """Everything but the customers, of JSON's types: what is not a finite number is None."""
        return {
            **{name: plain(value) for name, value in self.attrs.items()},
            "whole": records(self.whole)[0],
            "segments": records(self.table),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        lines = [*wrapped([self._headline(), *self._contacts()])]
        if len(self.table) > 1:
            lines += ["", *self._by_segment()]
        lines += ["", *self._ranking(), "", *wrapped(self.notes)]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Show the same in a notebook."""
        parts = [f"<p>{html.escape(line)}</p>" for line in (self._headline(), *self._contacts())]
        parts.append(self.table.to_html(float_format=format_number, na_rep=""))
        parts.append(self.customers.head(_TOP).to_html(float_format=format_number))
        return "\n".join([*parts, *(f"<p>{html.escape(note)}</p>" for note in self.notes)])

    @property
    def _has_costs(self) -> bool:
        return "chosen" in self.customers.columns

    def _headline(self) -> str:
        known, row = self.attrs, self.whole.iloc[0]
        span = format_span(known["horizon"], known["time_unit"])
        scale = row["clv_if_alive"]
        at_risk, lower, upper, clv, ahead = (
            format_amount(row[name], scale)
            for name in (
                *("value_at_risk", "value_at_risk_lower", "value_at_risk_upper"),
                *("clv", "loss_ahead"),
            )
        )
        return (
            f"Of {known['customers']:,} customers {row['expected_active']:,.0f} are expected to be "
            f"active. Over {span} (margin {known['margin']:.4g}, discounted at "
            f"{100 * known['annual_discount_rate']:.4g}% a year) all are worth {clv}. Those who "
            f"are gone already take {at_risk} with them ({lower} to {upper} in "
            f"{known['level']:.0%} of chances); departures still to come cost {ahead}."
        )

    def _contacts(self) -> list[str]:
        if not self._has_costs:
            return ["Give cost= and success= to see whom it pays to contact."]
        row, budget = self.whole.iloc[0], self.attrs["budget"]
        scale = max(abs(row["net_gain"]), row["contact_cost"])
        cost, net, lower, upper = (
            format_amount(row[name], scale)
            for name in ("contact_cost", "net_gain", "net_gain_lower", "net_gain_upper")
        )
        pays = int((self.customers["net_gain"] > 0).sum())
        within = "" if budget is None else f" within a budget of {format_number(budget)}"
        return [
            f"It pays to contact {pays:,} of them. The {int(row['contacts']):,} chosen{within} "
            f"cost {cost} and gain {net} net ({lower} to {upper})."
        ]

    def _by_segment(self) -> list[str]:
        table = pd.concat([self.table, self.whole])
        scale = float(table["clv_if_alive"].max())
        chances = f"{self.attrs['level']:.0%} of chances"
        lines = [
            f"{'':<{_LONGEST_NAME + 1}}{'customers':>10}{'active':>10}{'value':>14}"
            f"{'at risk':>12}{chances:>20}"
        ]
        for key, row in table.head(_MOST_ROWS).iterrows():
            limits = (row["value_at_risk_lower"], row["value_at_risk_upper"])
            lines.append(
                f"{_cut(segment_name(key)):<{_LONGEST_NAME + 1}}{int(row['customers']):>10,}"
                f"{row['expected_active']:>10,.0f}{format_amount(row['clv'], scale):>14}"
                f"{format_amount(row['value_at_risk'], scale):>12}"
                f"{' to '.join(format_amount(limit, scale) for limit in limits):>20}"
            )
        if len(table) > _MOST_ROWS:
            lines.append(f"and {len(table) - _MOST_ROWS:,} more segments in `table`")
        return lines

    def _ranking(self) -> list[str]:
        top = self.customers.head(_TOP)
        scale = float(top["clv_if_alive"].max())
        heads = f"{'P(alive)':>10}{'if active':>13}{'expected':>13}{'retaining':>13}"
        heads += f"{'net gain':>13}" if self._has_costs else ""
        lines = [f"{'Worth most to retain':<{_LONGEST_NAME + 1}}{heads}"]
        names = ["clv_if_alive", "clv", "worth_of_retaining"]
        names += ["net_gain"] if self._has_costs else []
        for key, row in top.iterrows():
            amounts = "".join(f"{format_amount(row[name], scale):>13}" for name in names)
            lines.append(f"{_cut(str(key)):<{_LONGEST_NAME + 1}}{row['p_alive']:>10.2f}{amounts}")
        return lines


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
