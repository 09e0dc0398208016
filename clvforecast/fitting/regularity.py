"""How regular purchases are: the order k of BG/CNBD-k and MBG/CNBD-k, by likelihood."""

from __future__ import annotations

import math
from typing import Any, Final

from clvforecast.errors import DataError, FitError
from clvforecast.fitting.cells import Cells
from clvforecast.fitting.regression.preparing import Customers
from clvforecast.models import Model
from clvforecast.numerics.sums import dot
from clvforecast.transactions.timing import Timing
from clvforecast.units import days_per

__all__ = ["beyond_summary", "chosen_order", "chosen_settings"]

_HIGHEST_ORDER: Final = 12


def chosen_settings(
    model: type[Model],
    customers: Customers,
    timing: Timing | None = None,
    time_unit: str | None = None,
) -> dict[str, int]:
    """What of a model is not estimated: its order, if it has one; see `chosen_order`."""
    if "k" not in model.fixed:
        return {}
    return {"k": chosen_order(model, customers, timing, time_unit)}


def chosen_order(
    model: Any, customers: Customers, timing: Timing | None, time_unit: str | None
) -> int:
    """The order with the highest likelihood: of all purchase days, or of the summary alone.

    Raises
    ------
    FitError
        If no order can be fitted.
    """
    best: tuple[float, int] | None = None
    for k in range(1, _HIGHEST_ORDER + 1):
        columns, counts = model.cells(*customers.columns, weights=customers.weights)
        cells = Cells.of(model, columns, counts, k=k)
        minimum = cells.estimate(0.0)
        if not minimum.converged:
            continue
        found = cells.log_likelihood_at(minimum, 0.0)
        if timing is not None:
            found += beyond_summary(model, customers, timing, time_unit, k=k)
        if best is not None and found < best[0]:
            break
        best = found, k
    if best is None:
        raise FitError(
            f"{model.name} cannot be fitted with any k from 1 to {_HIGHEST_ORDER}. Give k=, or fit "
            "with a small ridge=, such as 0.001."
        )
    return best[1]


def beyond_summary(
    model: Any, customers: Customers, timing: Timing, time_unit: str | None, *, k: int
) -> float:
    """What the log-likelihood of all purchase days has over that of the summary.

    Raises
    ------
    DataError
        If the time unit is not known.
    """
    if time_unit is None:
        raise DataError("orders= need the time unit of the summary. Pass time_unit=, such as 'W'.")
    x, t_x, _ = customers.columns
    repeats = dot(customers.weights, x)
    log_gaps = timing.log_gaps - repeats * math.log(days_per(time_unit))
    of_summary = dot(customers.weights, model.spacing_log_likelihood(k, x, t_x))
    return float(model.timing_log_likelihood(k, repeats, log_gaps)) - of_summary
