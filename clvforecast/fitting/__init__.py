"""Data and a model class in, a frozen `Fit` out."""

from __future__ import annotations

from clvforecast.fitting.arguments import (
    check_lazily,
    checked_posterior,
    common_time_unit,
    model_columns,
    purchase_model,
    spend_model,
)
from clvforecast.fitting.draws import ParameterDraws
from clvforecast.fitting.estimation import fit
from clvforecast.fitting.nested import LikelihoodRatioTest, likelihood_ratio_test
from clvforecast.fitting.priors import LogNormalPrior
from clvforecast.fitting.result import Fit

__all__ = [
    "Fit",
    "LikelihoodRatioTest",
    "LogNormalPrior",
    "ParameterDraws",
    "check_lazily",
    "checked_posterior",
    "common_time_unit",
    "fit",
    "likelihood_ratio_test",
    "model_columns",
    "purchase_model",
    "spend_model",
]
