"""Data and a model class in, a frozen `Fit` out."""

from __future__ import annotations

from clvforecast.fitting.arguments import (
    common_time_unit,
    model_columns,
    purchase_model,
    spend_model,
)
from clvforecast.fitting.estimation import fit
from clvforecast.fitting.result import Fit

__all__ = ["Fit", "common_time_unit", "fit", "model_columns", "purchase_model", "spend_model"]
