"""What customers will buy and spend, at known parameters or at draws of them.

These are predictive: how uncertain a customer's own future is. For chosen customers, and to the
last digit, see `clvforecast.customers`; here are many, each quickly.
"""

from __future__ import annotations

from clvforecast.predictive.laws import by_frequency, count_law, reach_of, spend_law
from clvforecast.predictive.mixtures import Component, mixed_quantiles
from clvforecast.predictive.quantiles import predictive_quantiles, purchase_quantiles

__all__ = [
    "Component",
    "by_frequency",
    "count_law",
    "mixed_quantiles",
    "predictive_quantiles",
    "purchase_quantiles",
    "reach_of",
    "spend_law",
]
