"""The models, one file each, and the table of them all."""

from __future__ import annotations

from typing import Final

from clvforecast.models.base import Model
from clvforecast.models.bgcnbd import BGCNBD
from clvforecast.models.bgnbd import BGNBD
from clvforecast.models.gamma_gamma import GammaGamma
from clvforecast.models.mbgcnbd import MBGCNBD
from clvforecast.models.mbgnbd import MBGNBD
from clvforecast.models.pareto_nbd import ParetoNBD
from clvforecast.models.purchasing import PurchaseModel
from clvforecast.models.spending import SpendModel

__all__ = [
    "BGCNBD",
    "BGNBD",
    "MBGCNBD",
    "MBGNBD",
    "MODELS",
    "GammaGamma",
    "Model",
    "ParetoNBD",
    "PurchaseModel",
    "SpendModel",
]

MODELS: Final[dict[str, type[Model]]] = {
    "bgnbd": BGNBD,
    "mbgnbd": MBGNBD,
    "pareto-nbd": ParetoNBD,
    "bgcnbd": BGCNBD,
    "mbgcnbd": MBGCNBD,
    "gamma-gamma": GammaGamma,
}
"""Every model by the name it has in files and on the command line."""
