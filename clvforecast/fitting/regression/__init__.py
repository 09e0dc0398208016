"""Parameters that depend on covariates, and time that passes at a calendar's pace."""

from __future__ import annotations

from clvforecast.fitting.regression.cells import ObservedDays, RegressionCells
from clvforecast.fitting.regression.covariates import Covariates, Reference
from clvforecast.fitting.regression.design import Design
from clvforecast.fitting.regression.effects import CovariateEffects
from clvforecast.fitting.regression.inference import coefficient_table, wald_tests
from clvforecast.fitting.regression.likelihood import RegressionLikelihood, Shift

__all__ = [
    "CovariateEffects",
    "Covariates",
    "Design",
    "ObservedDays",
    "Reference",
    "RegressionCells",
    "RegressionLikelihood",
    "Shift",
    "coefficient_table",
    "wald_tests",
]
