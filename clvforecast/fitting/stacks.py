"""`Stack`: several models of purchases, weighted, as one forecast."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from clvforecast.errors import DataError
from clvforecast.files import replacing
from clvforecast.fitting.result import Fit
from clvforecast.models import PurchaseModel

__all__ = ["Stack"]

_FORMAT: Final = 1
_ROUNDING: Final = 1e-6


@dataclass(frozen=True, eq=False, repr=False)
class Stack:
    """Models of purchases with weights: a customer's future follows each with that probability.

    Goes to `forecast` and `portfolio` where a fit goes. Expectations are the weighted means of
    those of the models, P(alive) among them; intervals are quantiles of the mixed law, which are
    not means of the models' own. `select` makes one with ``stack=True``.

    Parameters
    ----------
    models : sequence of Fit or PurchaseModel
        Their order counts for `weights`, and for draws in ``posterior=``.
    weights : sequence of float
        One for each, 0 or more; they sum to 1. A model of weight 0 is asked for nothing.

    Raises
    ------
    DataError
        If a model is none of purchases, the fits are in several time units, or the weights do not
        go with the models or do not sum to 1.

    References
    ----------
    Y. Yao, A. Vehtari, D. Simpson and A. Gelman, "Using Stacking to Average Bayesian Predictive
    Distributions", Bayesian Analysis 13 (2018) 917-1003.

    Examples
    --------
    >>> import clvforecast as clv
    >>> orders = clv.read_orders(clv.datasets.load_cdnow(sample=True))
    >>> rfm = orders.summarize(time_unit="W", until="1997-09-30")
    >>> stack = clv.Stack([clv.BGNBD.fit(rfm), clv.ParetoNBD.fit(rfm)], [0.4, 0.6])
    >>> print(stack)
    Stack of 0.4 BG/NBD; 0.6 Pareto/NBD
    >>> spend = clv.GammaGamma.fit(rfm)
    >>> value = clv.forecast(stack, spend, rfm, horizon="39W", level=0.90)
    >>> value.loc["00004", ["p_alive", "expected_purchases", "purchases_upper"]].round(3).to_dict()
    {'p_alive': 0.812, 'expected_purchases': 1.364, 'purchases_upper': 5.0}
    """

    models: Sequence[Fit | PurchaseModel]
    weights: Sequence[float]

    def __post_init__(self) -> None:
        object.__setattr__(self, "models", _checked_models(self.models))
        object.__setattr__(self, "weights", _checked_weights(self.weights, len(self.models)))
        units = sorted({fit.time_unit for fit in self._fits if fit.time_unit is not None})
        if len(units) > 1:
            raise DataError(
                f"The fits of a stack are in the time units {' and '.join(map(repr, units))}. "
                "Fit them to one summary."
            )

    @property
    def _fits(self) -> list[Fit]:
        return [model for model in self.models if isinstance(model, Fit)]

    @property
    def names(self) -> tuple[str, ...]:
        """What the models are called."""
        return tuple(model.name for model in self.models)

    @property
    def time_unit(self) -> str | None:
        """That of the fits; None if no fit knows it."""
        return next((fit.time_unit for fit in self._fits if fit.time_unit is not None), None)

    def __repr__(self) -> str:
        parts = zip(self.weights, self.names, strict=True)
        return f"Stack of {'; '.join(f'{weight:.3g} {name}' for weight, name in parts)}"

    def to_json(self) -> str:
        """All fits and their weights, as JSON text.

        Raises
        ------
        DataError
            If one of `models` is no fit.
        """
        if len(self._fits) < len(self.models):
            raise DataError(
                "Only a stack of fits can be saved, and this one has models with given parameters. "
                "Keep those in your code."
            )
        fits = [json.loads(fit.to_json()) for fit in self._fits]
        saved = {"format": _FORMAT, "weights": self.weights, "stack": fits}
        return json.dumps(saved, indent=2, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Rebuild a stack from `to_json`.

        Raises
        ------
        DataError
            If the text is not a saved stack, or one of a newer format.
        """
        try:
            saved = json.loads(text)
            if saved["format"] > _FORMAT:
                raise DataError(
                    f"This stack was saved in format {saved['format']}, and this version reads up "
                    f"to {_FORMAT}. Upgrade clvforecast."
                )
            fits = [Fit.from_json(json.dumps(fit)) for fit in saved["stack"]]
            return cls(fits, saved["weights"])
        except DataError:
            raise
        except (ValueError, KeyError, TypeError) as error:
            raise DataError("This is not a stack saved by clvforecast. Save it again.") from error

    def save(self, path: str | Path) -> None:
        """Write `to_json` to a file, whole or not at all."""
        with replacing(path) as temporary:
            temporary.write_text(self.to_json() + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a stack written by `save`."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"Cannot read a stack from {str(path)!r}: {error}.") from error
        return cls.from_json(text)


def _checked_models(given: Sequence[Fit | PurchaseModel]) -> tuple[Fit | PurchaseModel, ...]:
    if isinstance(given, Fit | PurchaseModel) or not isinstance(given, Iterable):
        raise DataError("models must be a list of purchase models or their fits.")
    models = tuple(given)
    for model in models:
        bare = model.model if isinstance(model, Fit) else model
        if not isinstance(bare, PurchaseModel):
            raise DataError(
                "A stack is of purchase models such as BGNBD, or their fits, not "
                f"{type(bare).__name__}."
            )
    return models


def _checked_weights(given: Sequence[float], size: int) -> tuple[float, ...]:
    try:
        weights = tuple(float(weight) for weight in given)
    except (TypeError, ValueError):
        raise DataError(f"weights={given!r} must be numbers, one for each model.") from None
    if len(weights) != size:
        raise DataError(f"There are {len(weights)} weights for {size} models. Give each its own.")
    total = math.fsum(weights)
    if not all(weight >= 0 for weight in weights) or not abs(total - 1.0) <= _ROUNDING:
        raise DataError(f"weights={given!r} must be 0 or more and sum to 1.")
    return tuple(weight / total for weight in weights)
