"""What a fit says of a new customer, in one number."""

from __future__ import annotations

import math
from typing import Final

from clvforecast.models import Model, PurchaseModel, SpendModel

__all__ = ["NEW_DAYS", "meaning"]

NEW_DAYS: Final = 182
"""Customers count as new for 26 weeks."""


def meaning(model: Model, span: float) -> float:
    """Repeat purchases expected of a new customer within a span; or of an order, its value.

    >>> from clvforecast import BGNBD, GammaGamma
    >>> round(meaning(BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426), 26.0), 3)
    0.903
    >>> round(meaning(GammaGamma(p=6.25, q=3.74, v=15.44), 26.0), 3)
    35.219
    """
    if isinstance(model, PurchaseModel):
        return float(model.expected_repeat_purchases(span))
    return float(model.expected_spend(0.0, 0.0)) if isinstance(model, SpendModel) else math.nan
