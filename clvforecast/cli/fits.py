"""The two fits behind a forecast: made, kept in one JSON file, and read again."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from clvforecast.cli import console, output
from clvforecast.errors import DataError, FitWarning

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from clvforecast.fitting import Fit, ParameterDraws, Specification
    from clvforecast.models import PurchaseModel, SpendModel
    from clvforecast.transactions import LazySummary, Transactions

__all__ = [
    "Fits",
    "covariates_of",
    "fit_models",
    "named_classes",
    "named_models",
    "read_fits",
    "save_fits",
]

Specified: TypeAlias = "tuple[Specification, Specification]"
ModelClasses: TypeAlias = "tuple[type[PurchaseModel], type[SpendModel]]"

_ROLES: Final = ("purchases", "spend")
DEFAULT_UNIT: Final = "W"


@dataclass(frozen=True)
class Fits:
    """Who buys and how often; and how much an order is worth."""

    purchases: Fit
    spend: Fit

    def table(self) -> pd.DataFrame:
        """Tabulate the estimates of both, indexed by model and parameter."""
        import pandas as pd

        return pd.concat(
            {fit.name: fit.summary() for fit in (self.purchases, self.spend)},
            names=["model"],
        )

    def posterior(self) -> tuple[ParameterDraws, ParameterDraws]:
        """Draws of the parameters of both."""
        with console.progress("Drawing parameters from their posterior"):
            return self.purchases.posterior(), self.spend.posterior()


def named_models(names: Sequence[str] = ()) -> Specified:
    """The models of these names; BG/NBD and Gamma-Gamma where none is named.

    Raises
    ------
    DataError
        If there is no such model, or there are two of a kind.
    """
    from clvforecast.fitting import Specification
    from clvforecast.models import BGNBD, GammaGamma, PurchaseModel

    buys: list[Specification] = []
    spends: list[Specification] = []
    for name in names:
        try:
            model = Specification.of(name)
        except DataError as error:
            raise DataError(f"--model: {error}") from None
        (buys if issubclass(model.model, PurchaseModel) else spends).append(model)
    if max(len(buys), len(spends)) > 1:
        raise DataError(f"--model names two models of one kind: {', '.join(names)}. Give one.")
    return (buys or [Specification(BGNBD)])[0], (spends or [Specification(GammaGamma)])[0]


def named_classes(names: Sequence[str] = ()) -> ModelClasses:
    """Classes of the models of these names, where they are fitted with nothing beside.

    Raises
    ------
    DataError
        As `named_models`, or if a name says more than a model.
    """
    buys, spends = named_models(names)
    for model in (buys, spends):
        if not model.is_plain:
            raise DataError(
                f"--model: this command fits models as they are, not {model.name}. Name the model "
                "alone."
            )
    return buys.model, spends.model  # type: ignore[return-value] # named_models tells them apart


def covariates_of(models: Fits | Specified) -> list[str]:
    """The columns of the orders that models need as covariates."""
    both = (
        models
        if isinstance(models, tuple)
        else (models.purchases.specification, models.spend.specification)
    )
    return list(dict.fromkeys(name for model in both for name in model.variables))


def fit_models(
    rfm: pd.DataFrame | LazySummary,
    *,
    ridge: float | None,
    orders: Transactions,
    names: Sequence[str] = (),
) -> Fits:
    """Fit a purchase model and a spend model to a summary of these orders."""
    buys, spends = named_models(names)
    with console.progress("Fitting the purchase model"):
        purchases = buys.fit(rfm, ridge=ridge or 0.0, orders=orders)
    with console.progress("Fitting the spend model"):
        spend = spends.fit(rfm, ridge=ridge or 0.0)
    return Fits(purchases, spend)


def save_fits(fits: Fits, target: Path) -> None:
    """Keep both fits in one file: an object with the keys `purchases` and `spend`."""
    both = {role: json.loads(getattr(fits, role).to_json()) for role in _ROLES}
    output.write_text(json.dumps(both, indent=2) + "\n", target)


def read_fits(paths: Sequence[Path]) -> Fits:
    """Read a file of `save_fits`, or two files of `Fit.save`.

    Raises
    ------
    DataError
        If a file cannot be read or is no fit, or the two are not one of each kind.
    """
    found: dict[str, Fit] = {}
    for path in paths:
        for fit in _read(path):
            role = _role(fit)
            if role in found:
                raise DataError(f"--model brings two {role} models. Give one of each kind.")
            found[role] = fit
            for remark in fit.remarks:
                warnings.warn(f"{fit.model.name}: {remark}", FitWarning, stacklevel=2)
    for role in _ROLES:
        if role not in found:
            raise DataError(
                f"--model brings no {role} model. Give a file of --save, or two files with one "
                "fit each: --model buys.json --model spend.json."
            )
    return Fits(found["purchases"], found["spend"])


def _read(path: Path) -> list[Fit]:
    from clvforecast.fitting import Fit

    try:
        saved: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"Cannot read the fits in {str(path)!r}: {error.strerror}.") from error
    except ValueError as error:
        raise DataError(
            f"{str(path)!r} holds no fits: it is not JSON. Make it with --save."
        ) from error
    parts = [saved]
    if isinstance(saved, dict) and set(_ROLES) & set(saved):
        parts = [saved[role] for role in _ROLES if role in saved]
    try:
        return [Fit.from_json(json.dumps(part)) for part in parts]
    except DataError as error:
        raise DataError(f"{str(path)!r}: {error}") from error


def _role(fit: Fit) -> str:
    from clvforecast.models import PurchaseModel

    return "purchases" if isinstance(fit.model, PurchaseModel) else "spend"
