"""Whether customers who joined lately are like those who joined before.

Fits at successive dates share most of their customers, so that their difference says little of how
sure a change is. Customers who joined lately and those who joined before are different people:
their fits are independent.
"""

from __future__ import annotations

import datetime as dt
import math
import warnings
from typing import Any, Final

import numpy as np
import pandas as pd

from clvforecast.decisions.monitoring.meanings import NEW_DAYS, meaning
from clvforecast.errors import FitError, FitWarning
from clvforecast.fitting import Fit, fit, likelihood_ratio_test
from clvforecast.models import Model
from clvforecast.units import days_per

__all__ = ["new_against_earlier"]

_FEWEST: Final = 25
"""Repeat customers for each parameter, on both sides."""


def new_against_earlier(
    day: dt.date, models: tuple[Any, Any], rfm: pd.DataFrame, time_unit: str, *, are_of_all: bool
) -> pd.DataFrame:
    """Test one fit of all customers within one for the new and one for the earlier.

    Parameters
    ----------
    day : datetime.date
    models : pair of Fit or Model
    rfm : pandas.DataFrame
        The summary as of the day.
    time_unit : str
    are_of_all : bool
        Whether the models are fits to this summary. Else their kinds are fitted here.

    Returns
    -------
    pandas.DataFrame
        See `Monitoring.cohorts`.
    """
    days = np.rint(rfm["T"].to_numpy() * days_per(time_unit))
    new = days < NEW_DAYS
    span = NEW_DAYS / days_per(time_unit)
    rows = [
        {"about": about, **_compared(model, rfm, new, time_unit, span, are_of_all)}
        for about, model in zip(("buying", "spending"), models, strict=True)
    ]
    table = pd.DataFrame(rows)
    table.insert(0, "date", pd.Timestamp(day).as_unit("us"))
    return table.set_index(["date", "about"])


def _compared(
    given: Fit | Model,
    rfm: pd.DataFrame,
    new: Any,
    time_unit: str,
    span: float,
    is_of_all: bool,
) -> dict[str, Any]:
    model = given.model if isinstance(given, Fit) else given
    kind, settings = type(model), model.settings
    groups = rfm[new], rfm[~new]
    row: dict[str, Any] = {
        "customers": len(groups[0]),
        "earlier_customers": len(groups[1]),
        **dict.fromkeys(("value", "earlier_value", "difference"), math.nan),
        "statistic": math.nan,
        "degrees_of_freedom": len(kind.parameter_names()),
        "p_value": math.nan,
    }
    least = _FEWEST * len(kind.parameter_names())
    if min((group["frequency"] > 0).sum() for group in groups) < least:
        return row
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FitWarning)
            is_plain = isinstance(given, Fit) and given.effects is None
            whole = given if is_of_all and is_plain else None
            whole = whole or fit(kind, rfm, time_unit=time_unit, **settings)
            apart = [fit(kind, group, time_unit=time_unit, **settings) for group in groups]
            test = likelihood_ratio_test(whole, apart)  # type: ignore[arg-type]
    except FitError:
        return row
    value, earlier = (meaning(one.model, span) for one in apart)
    difference = value / earlier - 1.0 if 0 < earlier < math.inf else math.nan
    return {
        **row,
        "value": value,
        "earlier_value": earlier,
        "difference": difference if math.isfinite(difference) else math.nan,
        "statistic": test.statistic,
        "p_value": test.p_value,
    }
