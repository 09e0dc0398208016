"""What a person on a terminal is told beside the table."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from clvforecast.cli import console
from clvforecast.units import days_per
from clvforecast.wording import format_amount, format_days, format_number, format_share

if TYPE_CHECKING:
    import pandas as pd

    from clvforecast.cli.fits import Fits
    from clvforecast.comparison import Comparison
    from clvforecast.forecasting import LazyForecast
    from clvforecast.historical import HistoricalCLV
    from clvforecast.portfolios import Portfolio
    from clvforecast.transactions import Quality

__all__ = [
    "say_dropped",
    "show_comparison",
    "show_fits",
    "show_forecast",
    "show_historical",
    "show_portfolio",
    "show_quality",
]

_BLOCK: Final = "\n\n"
_AT: Final = {
    True: ", the parameters' uncertainty included",
    False: ", at the estimated parameters (--posterior adds how uncertain these are)",
}


def say_dropped(quality: Quality) -> None:
    """Say on stderr how many rows were dropped and why, if any were."""
    counts = quality.to_frame()
    dropped = counts[(counts["kind"] == "dropped") & (counts["count"] > 0)]
    if len(dropped):
        reasons = ", ".join(
            f"{count:,} {reason}" + (f" ({examples})" if examples else "")
            for count, reason, examples in zip(
                dropped["count"], dropped["reason"], dropped["examples"], strict=True
            )
        )
        total = dropped["count"].sum()
        console.say(
            "note",
            console.in_options(
                f"dropped {total:,} of {quality.rows_read:,} rows "
                f"({format_share(total / quality.rows_read)}): {reasons}"
            ),
        )


def show_quality(quality: Quality) -> None:
    """Show the account of the rows."""
    console.show_lines(console.in_options(str(quality)))


def show_fits(fits: Fits) -> None:
    """Show both fits; their remarks are said as warnings."""
    for fit in (fits.purchases, fits.spend):
        lines = [line for line in str(fit).splitlines() if not line.startswith("Note:")]
        console.show_lines("\n".join([*lines, ""]))


def show_forecast(
    table: pd.DataFrame | LazyForecast, fits: Fits, *, level: float | None, posterior: bool
) -> None:
    """Show what all customers together are worth."""
    known, total = table.attrs, _totals(table)
    days = known["horizon"] * days_per(known["time_unit"])
    rate, margin = known["annual_discount_rate"], known["margin"]
    terms = (
        f"discounted at {100 * rate:.4g}% a year" if rate else "not discounted",
        f"margin {margin:g}" if margin != 1 else "as revenue (margin 1)",
    )
    worth = f"worth {format_number(total['clv'])} ({', '.join(terms)})."
    if math.isfinite(days):
        purchases = format_amount(total["expected_purchases"], len(table))
        future = f"Next {format_days(days)}: {purchases} purchases expected, {worth}"
    else:
        future = f"Over {format_days(days)} they are {worth}"
    lines = [f"{len(table):,} customers observed until {known['until']}. {future}"]
    certain = int(total["certain"])
    if certain:
        lines.append(
            f"P(alive) = 1 for {certain:,}: {fits.purchases.model.name} gives it to everyone who "
            "has bought once only. It is no finding about them."
        )
    if level is not None:
        lines.append(
            f"Predictive intervals of {100 * level:.4g}%: with this probability a customer's own "
            f"purchases and clv will lie from _lower to _upper{_AT[posterior]}. Added up they are "
            "no interval for all customers together."
        )
    console.show_lines("\n".join(lines))


def _totals(table: pd.DataFrame | LazyForecast) -> dict[str, float]:
    from clvforecast.forecasting import LazyForecast

    if isinstance(table, LazyForecast):
        of = table.table
        totals = of.agg(
            clv=of.clv.sum(),
            expected_purchases=of.expected_purchases.sum(),
            certain=of.count(where=of.p_alive == 1),
        )
        found: dict[str, float] = totals.to_pyarrow().to_pylist()[0]
        return found
    return {
        "clv": float(table["clv"].sum()),
        "expected_purchases": float(table["expected_purchases"].sum()),
        "certain": int((table["p_alive"] == 1).sum()),
    }


def show_portfolio(portfolio: Portfolio, level: float) -> None:
    """Show what all customers together will order and spend."""
    known, total = portfolio.attrs, portfolio.total(level)
    days = known["horizon"] * days_per(known["time_unit"])
    parts = []
    for name in ("orders", "revenue"):
        amount = float(total[name].sum())
        part = f"{name} {format_amount(amount, amount)}"
        if len(total) == 1:
            lower, upper = (float(total[f"{name}_{side}"].iloc[0]) for side in ("lower", "upper"))
            part += f" ({100 * level:.4g}%: {format_number(lower)} to {format_number(upper)})"
        from_new = float(total[f"{name}_from_new"].sum())
        if from_new:
            part += f", {format_amount(from_new, amount)} of it from new customers"
        parts.append(part)
    lines = [
        f"{known['customers']:,} customers observed until {known['until']}. "
        f"Next {format_days(days)}: {'; '.join(parts)}.",
        f"Intervals are predictive{_AT[known['parameter_uncertainty']]}; they do not add up over "
        "periods or segments. An order is a customer's purchase day.",
    ]
    console.show_lines("\n".join(lines))


def show_historical(past: HistoricalCLV) -> None:
    """Show the formula step by step."""
    opening, _, closing, *_ = str(past).split(_BLOCK)
    steps = past.steps
    how = [f"{step['unit']}: {step['description']}" for _, step in steps.iterrows()]
    names = [str(name).replace("_", " ") for name in steps.index]
    console.show_lines(opening)
    console.draw(
        ["", "transaction-\nbased", "customer-\nbased", ""],
        [
            [f"{number} {name}", format_number(total), format_number(own), text]
            for number, (name, total, own, text) in enumerate(
                zip(names, steps["transaction_based"], steps["customer_based"], how, strict=True),
                start=1,
            )
        ],
    )
    console.show_lines(console.in_options(_unfolded(closing)))


def show_comparison(both: Comparison) -> None:
    """Show the summary for a manager, narrower than `str` so that 80 columns hold it."""
    headline, *_, remarks = str(both).split(_BLOCK)
    scale = float(both.summary[["past_value", "clv"]].abs().to_numpy().max())
    console.show_lines(headline)
    console.draw(
        ["", "customers", "past value", "simple\nformula", "forecast", "P(alive)"],
        [
            [
                str(name),
                f"{int(row['customers']):,} ({row['customer_share']:.0%})",
                f"{format_amount(row['past_value'], scale)} ({row['past_share']:.0%})",
                format_amount(row["simple_projection"], scale),
                f"{format_amount(row['clv'], scale)} ({row['clv_share']:.0%})",
                f"{row['mean_p_alive']:.2f}" if row["customers"] else "-",
            ]
            for name, row in both.summary.iterrows()
        ],
        squeeze=True,
    )
    console.show_lines(_unfolded(remarks))


def _unfolded(text: str) -> str:
    """Join lines that were folded for another width."""
    return text.replace("\n  ", " ")
