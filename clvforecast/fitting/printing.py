"""What a fit says of itself when it is printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clvforecast.fitting.regression.combined import CombinedEffects

if TYPE_CHECKING:
    import pandas as pd

    from clvforecast.fitting.result import Fit

__all__ = ["fit_as_text"]

_OF_COVARIATES = ["coefficient", "std_error", "z", "p_value", "ratio"]


def fit_as_text(fit: Fit) -> str:
    """What was fitted to what, the estimates, and what must be known of them."""
    lines = [
        f"{fit.name} fitted to {fit.customers:,} customers"
        + (f" to {fit.until}" if fit.until else "")
        + (f", time unit {fit.time_unit}" if fit.time_unit else "")
        + (f", ridge {fit.ridge:g}" if fit.ridge else ""),
        "",
        _text(fit.summary().loc[list(fit.model.parameters)]),
        "",
        *_effects(fit),
        f"log-likelihood {fit.log_likelihood:,.2f}   AIC {fit.aic:,.2f}   BIC {fit.bic:,.2f}",
    ]
    of_effects = () if fit.effects is None else fit.effects.remarks
    return "\n".join([*lines, *(f"Note: {remark}" for remark in (*fit.remarks, *of_effects))])


def _effects(fit: Fit) -> list[str]:
    """Coefficients of covariates, and multipliers of the calendar."""
    if not isinstance(fit.effects, CombinedEffects):
        return []
    lines: list[str] = []
    if fit.effects.covariates is not None:
        table = fit.coefficients()[_OF_COVARIATES]
        lines += [_text(table), ""]
    if fit.effects.calendar is not None:
        table = fit.multipliers()
        table.index = table.index.map(" ".join)
        lines += [_text(table), ""]
    return lines


def _text(table: pd.DataFrame) -> str:
    return table.to_string(float_format=lambda value: f"{value:.4g}", index_names=False)
