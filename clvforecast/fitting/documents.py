"""Fits as JSON: everything there is to know of one, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from clvforecast.errors import DataError, suggest
from clvforecast.fitting.regression.combined import CombinedEffects
from clvforecast.fitting.regression.covariates import Reference
from clvforecast.models import MODELS, Model

if TYPE_CHECKING:
    from clvforecast.fitting.result import Fit

__all__ = ["fields_from_json", "fit_as_json"]

_FORMAT: Final = 2
"""Fits without settings, covariates and a calendar are written as in the first."""


def fit_as_json(fit: Fit) -> str:
    """Everything there is to know of a fit, as JSON text."""
    kept: dict[str, Any] = {
        "format": _FORMAT if fit.model.settings or fit.effects else 1,
        "model": next(key for key, cls in MODELS.items() if cls is type(fit.model)),
        "parameters": fit.model.parameters,
        "information": fit.information.tolist(),
        "log_likelihood": fit.log_likelihood,
        "customers": fit.customers,
        "repeat_customers": fit.repeat_customers,
        "time_unit": fit.time_unit,
        "ridge": fit.ridge,
        "until": fit.until,
    }
    if fit.model.settings:
        kept["settings"] = fit.model.settings
    if fit.effects is not None and fit.reference is not None:
        kept["effects"] = fit.effects.to_dict()
        kept["ratios"] = fit.effects.ratios
        kept["reference"] = fit.reference.matrix.tolist()
    return json.dumps(kept, indent=2, allow_nan=False)


def fields_from_json(text: str) -> dict[str, Any]:
    """What a fit is made of, from `fit_as_json`.

    Raises
    ------
    DataError
        If the text is not a saved fit, or one of a newer format.
    """
    try:
        saved = json.loads(text)
        if saved["format"] > _FORMAT:
            raise DataError(
                f"This fit was saved in format {saved['format']}, and this version reads up to "
                f"{_FORMAT}. Upgrade clvforecast."
            )
        if saved["model"] not in MODELS:
            raise DataError(f"No model {saved['model']!r}. {suggest(saved['model'], MODELS)}")
        kind = MODELS[saved["model"]]
        return {
            "model": kind(**saved["parameters"], **saved.get("settings", {})),
            "information": np.array(saved["information"], dtype=float),
            "log_likelihood": float(saved["log_likelihood"]),
            "customers": int(saved["customers"]),
            "repeat_customers": int(saved["repeat_customers"]),
            "time_unit": saved["time_unit"],
            "ridge": float(saved["ridge"]),
            "until": saved["until"],
            **_effects(kind, saved),
        }
    except DataError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        missing = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise DataError(
            f"This is not a fit saved by clvforecast ({missing}). Fit again and save."
        ) from error


def _effects(kind: type[Model], saved: Mapping[str, Any]) -> dict[str, Any]:
    if "effects" not in saved:
        return {}
    effects = CombinedEffects.from_dict(kind, saved["effects"])
    sizes = (float(saved["ratios"][name]) for name in effects.ratios)
    return {
        "effects": effects.with_ratios(*sizes),
        "reference": Reference(np.array(saved["reference"], dtype=float)),
    }
