"""Data and a model class in, a frozen `Fit` out."""

from __future__ import annotations

from clvforecast.fitting.arguments import (
    Posterior,
    StackMember,
    check_lazily,
    checked_posterior,
    common_time_unit,
    covariate_columns,
    model_columns,
    only_one,
    posterior_of_members,
    purchase_model,
    spend_model,
    stack_members,
)
from clvforecast.fitting.draws import ParameterDraws
from clvforecast.fitting.estimation import fit
from clvforecast.fitting.nested import LikelihoodRatioTest, likelihood_ratio_test
from clvforecast.fitting.result import Fit
from clvforecast.fitting.sampling.priors import LogNormalPrior
from clvforecast.fitting.specification import Specification
from clvforecast.fitting.stacks import Stack

__all__ = [
    "Fit",
    "LikelihoodRatioTest",
    "LogNormalPrior",
    "ParameterDraws",
    "Posterior",
    "Specification",
    "Stack",
    "StackMember",
    "check_lazily",
    "checked_posterior",
    "common_time_unit",
    "covariate_columns",
    "fit",
    "likelihood_ratio_test",
    "model_columns",
    "only_one",
    "posterior_of_members",
    "purchase_model",
    "spend_model",
    "stack_members",
]
