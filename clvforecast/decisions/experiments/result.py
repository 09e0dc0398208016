"""`GroupComparison`: what groups of customers are worth beside a reference."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from clvforecast.decisions.experiments.strata import PERIODS
from clvforecast.documents import plain, records
from clvforecast.units import days_per
from clvforecast.wording import format_amount, format_days, format_number, wrapped

__all__ = [
    "CANNOT_TELL",
    "COLUMNS",
    "HIGHER",
    "LOWER",
    "NO_COUNTERPART",
    "GroupComparison",
]

HIGHER: Final = "higher"
LOWER: Final = "lower"
CANNOT_TELL: Final = "cannot tell"
NO_COUNTERPART: Final = "no counterpart"
COLUMNS: Final = (
    "customers",
    "reference_customers",
    "left_out",
    "join_period",
    "group_mean",
    "reference_mean",
    "difference",
    "lower",
    "upper",
    "relative_difference",
    "p_value",
    "verdict",
    "detectable",
    "customers_needed",
    "top_share",
    "unadjusted",
    "unadjusted_lower",
    "unadjusted_upper",
)
_NAMES: Final = {
    "past_value": "past value",
    "orders": "orders",
    "clv": "future value",
    "expected_purchases": "expected purchases",
}
_NOT_RANDOM: Final = (
    "Unless customers were put into the groups at random, none of this is an effect of the group: "
    "those in it may have been other customers all along."
)
_FORECAST: Final = (
    "The forecast knows what customers did and no group: it tells groups apart only as far as they "
    "have bought otherwise already."
)
_FEW_DECIDE: Final = 0.25
_WIDEST_NAME: Final = 17


@dataclass(frozen=True, eq=False, repr=False)
class GroupComparison:
    """Groups of customers beside a reference. Made by `compare_groups`; printing it reports.

    Attributes
    ----------
    table : pandas.DataFrame
        Indexed by `measure` ("past_value" and "orders", since the start if there is one; with a
        forecast "clv" and "expected_purchases") and `group`, all per customer:

        - `customers`, `reference_customers`: compared; `left_out`: of the group, because too few
          of either joined in the same `join_period`,
        - `group_mean`; `reference_mean`, of the reference if it had joined as the group did (and,
          with a start, had been the same before),
        - `difference` of them, with the confidence interval `lower`, `upper`;
          `relative_difference` to the reference; `p_value`, two-sided; of all groups at once,
        - `verdict`: "higher" or "lower" than the reference, "cannot tell", or "no counterpart",
        - `detectable`: the difference, to the side seen, that would be told in 80% of cases;
          `customers_needed`: how many in both groups would tell a true difference as large as the
          one seen in as many,
        - `top_share`: the greatest share that one customer has in the variance,
        - `unadjusted`, with `unadjusted_lower` and `unadjusted_upper`: the plain difference of the
          means of all customers, whoever joined when, and Welch's interval.
    balance : pandas.DataFrame
        What the groups were like before, indexed by `covariate` and `group`: `group_mean`,
        `reference_mean`, `standardized_difference` (in standard deviations) and `unlike`: beyond
        0.1 and beyond what 99 of 100 random assignments leave.
    laws : pandas.DataFrame or None
        Per model the likelihood-ratio test of one law for all groups: `statistic`,
        `degrees_of_freedom`, `p_value`.
    notes : tuple of str
        Who is left out, and what could not be tested.
    attrs : dict
        `reference`, `customers` (of all groups), `reference_customers`, `since`, `until`,
        `margin`, `level`, `permutations`, and of the forecast `time_unit`, `horizon`,
        `annual_discount_rate`.
    """

    table: pd.DataFrame
    balance: pd.DataFrame
    laws: pd.DataFrame | None
    notes: tuple[str, ...]
    attrs: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Everything, of JSON's types: what is not a finite number is None."""
        return {
            **{name: plain(value) for name, value in self.attrs.items()},
            "comparisons": records(self.table),
            "balance": records(self.balance),
            "laws": None if self.laws is None else records(self.laws),
            "notes": list(self._closing()),
        }

    def __str__(self) -> str:
        lines = [*wrapped([self._headline()])]
        for measure in self.table.index.unique("measure"):
            lines += ["", *self._lines(str(measure))]
        return "\n".join([*lines, "", *wrapped(self._closing())])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Show the same in a notebook."""
        parts = [f"<p>{html.escape(self._headline())}</p>"]
        tables = [self.table, self.balance, *([] if self.laws is None else [self.laws])]
        parts += [table.to_html(float_format=format_number, na_rep="") for table in tables]
        return "\n".join([*parts, *(f"<p>{html.escape(line)}</p>" for line in self._closing())])

    def _headline(self) -> str:
        known = self.attrs
        groups = self.table.index.unique("group")
        what = f"{len(groups):,} groups" if len(groups) > 1 else f"{groups[0]!s}"
        start = "" if known["since"] is None else f" since {known['since']}"
        ahead = ""
        if known["horizon"] is not None and known["time_unit"] is not None:
            ahead = (
                f", and for {format_days(known['horizon'] * days_per(known['time_unit']))} ahead"
            )
        return (
            f"{what} beside {known['reference']!s} ({known['reference_customers']:,} customers)"
            f"{start} until {known['until']}{ahead}, per customer (margin {known['margin']:.4g})"
        )

    def _lines(self, measure: str) -> list[str]:
        rows = self.table.loc[measure]
        level = f"{self.attrs['level']:.4g}"
        title = _NAMES[measure]
        if self.attrs["since"] is not None and measure in ("past_value", "orders"):
            title = f"{title.removeprefix('past ')} since"
        interval = f"{100 * float(level):.4g}% interval"
        lines = [
            f"{title:<18}{'customers':>10}{'mean':>9}{'reference':>10}{'plain':>10}{'adjusted':>10}"
            f"{interval:>20}  verdict"
        ]
        hints = []
        for group, row in rows.iterrows():
            scale = max(abs(row["group_mean"]), abs(row["reference_mean"])) / 10
            scale = scale if math.isfinite(scale) else abs(row["unadjusted"])
            amounts = {
                name: _or_blank(row[name], scale)
                for name in ("group_mean", "reference_mean", "lower", "upper")
            }
            plain_, adjusted = (_signed(row[n], scale) for n in ("unadjusted", "difference"))
            limits = f"{amounts['lower']} to {amounts['upper']}" if adjusted else ""
            lines.append(
                f"{_short(group):<18}{int(row['customers']):>10,}{amounts['group_mean']:>9}"
                f"{amounts['reference_mean']:>10}{plain_:>10}{adjusted:>10}{limits:>20}"
                f"  {row['verdict']}{'*' if row['top_share'] > _FEW_DECIDE else ''}"
            )
            if row["verdict"] == CANNOT_TELL and row["detectable"] > 0:
                hints.append(_hint(_short(group), row, scale))
        return [*lines, *wrapped(hints)]

    def _closing(self) -> Iterator[str]:
        yield _NOT_RANDOM
        yield from self._imbalances()
        periods = {PERIODS[period] for period in self.table["join_period"]}
        before = ", and who were alike before" if self.attrs["since"] is not None else ""
        yield (
            f"Adjusted: beside reference customers who joined in the same {' or '.join(periods)}"
            f"{before}. Plain: all customers as they are."
        )
        left_out = self.table.loc[self.table.index[0][0], "left_out"]
        for group, count in left_out[left_out > 0].items():
            yield (
                f"{count:,} customers of {group!s} are left out: no counterpart joined in the same "
                f"{PERIODS[self.table['join_period'].xs(group, level='group').iloc[0]]}."
            )
        if len(left_out) > 1:
            yield f"Intervals and p-values hold for all {len(left_out)} groups at once."
        few_decide = records(self.table[self.table["top_share"] > _FEW_DECIDE])
        if few_decide:
            shares = ", ".join(
                f"{row['top_share']:.0%} ({_NAMES[row['measure']]}, {row['group']})"
                for row in few_decide
            )
            yield (
                f"* One customer makes much of the uncertainty: {shares}. Trust neither these "
                "intervals nor their verdicts."
            )
        if "clv" in self.table.index.unique("measure"):
            yield _FORECAST
        if self.laws is not None:
            yield from self._on_laws()
        yield from self.notes

    def _imbalances(self) -> Iterator[str]:
        unlike = self.balance[self.balance["unlike"]]
        if unlike.empty:
            yield "In what is known of before, the groups are as alike as chance leaves them."
        for row in records(unlike):
            ours, theirs = row["group_mean"], row["reference_mean"]
            scale = max(abs(ours), abs(theirs))
            ours, theirs = (f"{format_amount(mean, scale)} in" for mean in (ours, theirs))
            yield (
                f"Unlike before: {row['covariate'].replace('_', ' ')} {ours} {row['group']}, "
                f"{theirs} {self.attrs['reference']!s}; random assignment would hardly leave that."
            )

    def _on_laws(self) -> Iterator[str]:
        tested = self.laws.dropna() if self.laws is not None else pd.DataFrame()
        for model, row in tested.iterrows():
            differ = row["p_value"] <= 1 - self.attrs["level"]
            found = "buy differently" if differ else "may buy alike"
            yield (
                f"By {model}, the groups {found}: likelihood ratio {row['statistic']:.1f} on "
                f"{row['degrees_of_freedom']:.0f} degrees of freedom, p = {row['p_value']:.2g}."
            )


def _hint(group: str, row: pd.Series[Any], scale: float) -> str:
    told = f"{group}: {format_amount(row['detectable'], scale)} or more would be told (80% power)"
    if not math.isfinite(row["customers_needed"]):
        return f"{told}."
    return f"{told}; to tell what was seen, {_rounded_up(row['customers_needed'])} customers."


def _rounded_up(count: float) -> str:
    """Two digits of a number of customers: no more of them mean anything.

    >>> _rounded_up(45123.0), _rounded_up(7.0), _rounded_up(3e12)
    ('some 46,000', 'some 7', 'more than a billion')
    """
    if count > 1e9:
        return "more than a billion"
    step = 10 ** max(math.floor(math.log10(count)) - 1, 0)
    return f"some {math.ceil(count / step) * step:,}"


def _short(group: object) -> str:
    name = str(group)
    return name if len(name) <= _WIDEST_NAME else name[: _WIDEST_NAME - 1] + "…"


def _or_blank(amount: float, scale: float) -> str:
    return format_amount(amount, scale) if math.isfinite(amount) else ""


def _signed(amount: float, scale: float) -> str:
    return (
        f"{'-' if amount < 0 else '+'}{format_amount(abs(amount), scale)}"
        if math.isfinite(amount)
        else ""
    )
