"""What chosen customers will do: their laws, their waits, and whether they are still there."""

from __future__ import annotations

from clvforecast.customers.alive import alive_history
from clvforecast.customers.distributions import (
    PurchaseDistribution,
    SpendDistribution,
    purchase_distribution,
    spend_distribution,
)
from clvforecast.customers.matrices import frequency_recency_matrix, purchase_counts
from clvforecast.customers.waiting import next_purchase, silence_limits

__all__ = [
    "PurchaseDistribution",
    "SpendDistribution",
    "alive_history",
    "frequency_recency_matrix",
    "next_purchase",
    "purchase_counts",
    "purchase_distribution",
    "silence_limits",
    "spend_distribution",
]
