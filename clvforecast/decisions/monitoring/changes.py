"""Whether estimates have moved further between two dates than chance moves them.

Both fits share the customers and orders of the earlier date, so that they are not independent. But
the later one is efficient: no estimator has less variance, and so its error is uncorrelated with
what separates it from any other [1]_. The variance of the difference is then that of the earlier
estimate less that of the later, and differences from date to date are uncorrelated.

References
----------
.. [1] J. A. Hausman, "Specification Tests in Econometrics", Econometrica 46 (1978) 1251-1271.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import Any, Final

import numpy as np
import pandas as pd

from clvforecast.decisions.monitoring.charts import tail_probability
from clvforecast.decisions.monitoring.meanings import NEW_DAYS, meaning
from clvforecast.fitting import Fit
from clvforecast.numerics.arrays import FloatArray
from clvforecast.units import days_per

__all__ = ["change", "changes_since"]

_STEP: Final = 1e-4


def changes_since(
    day: dt.date,
    since: dt.date,
    fits: tuple[Fit, Fit],
    earlier: tuple[Fit, Fit],
    time_unit: str,
) -> pd.DataFrame:
    """Hold both models against their fits of an earlier date; see `Monitoring.changes`."""
    span = NEW_DAYS / days_per(time_unit)
    rows: list[dict[str, Any]] = []
    for about, now, then in zip(("buying", "spending"), fits, earlier, strict=True):
        value, before = meaning(now.model, span), meaning(then.model, span)
        deviations = change(now, then, span)
        rows.append(
            {
                "date": day,
                "about": about,
                "since": since,
                "value": value,
                "earlier_value": before,
                "difference": value / before - 1.0 if math.isfinite(deviations) else math.nan,
                "deviations": deviations,
                "p_value": tail_probability(deviations),
            }
        )
    table = pd.DataFrame(rows)
    for name in ("date", "since"):
        table[name] = table[name].astype("datetime64[us]")
    return table.set_index(["date", "about"])


def change(now: Fit, then: Fit, span: float) -> float:
    """How far the `meaning` of a fit is from that of a fit to fewer data of the same customers.

    Returns
    -------
    float
        The difference of the logarithms in standard deviations (Hausman's test); NaN where the
        later data add nothing, the meaning is infinite, or the data do not identify it.
    """
    pair = meaning(now.model, span), meaning(then.model, span)
    if not all(map(math.isfinite, pair)):
        return math.nan
    slopes = _slopes(now, span)
    variances = [float(slopes @ fit.covariance @ slopes) for fit in (then, now)]
    added = variances[0] - variances[1]
    if not 0 < added < math.inf:
        return math.nan
    return math.log(pair[0] / pair[1]) / math.sqrt(added)


def _slopes(fit: Fit, span: float) -> FloatArray:
    """Derivatives of the logarithm of the meaning in the log-parameters."""
    slopes = []
    for name, value in fit.parameters.items():
        moved = [
            meaning(fit.model.with_parameters(**{name: value * math.exp(step)}), span)
            for step in (-_STEP, _STEP)
        ]
        slopes.append(math.log(moved[1] / moved[0]) / (2 * _STEP))
    return np.array(slopes)
