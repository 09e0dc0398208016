"""Refunds: how much of the log they are."""

from __future__ import annotations

import math
from collections.abc import Mapping

from clvforecast.evaluation.assumptions.findings import Finding, judged
from clvforecast.wording import format_number, format_share

__all__ = ["refunds"]

_WATCH, _VIOLATED = 0.02, 0.10
"""Share of the amount. Refunds are taken off in proportion: from a tenth on, which purchase they
belong to matters for the mean spend of many customers."""


def refunds(totals: Mapping[str, float], noted: Mapping[str, int], treated: str) -> Finding:
    """Say which share of what was bought came back.

    Parameters
    ----------
    totals : mapping
        What `refund_totals` returns.
    noted : mapping
        ``Quality.noted`` of the log.
    treated : {"net", "drop", "error"}
        How the log was read.
    """
    share = totals["refunded"] / totals["bought"] if totals["bought"] > 0 else math.nan
    verdict = judged(share, _WATCH, _VIOLATED)
    meaning = (
        f"{totals['refunds']:,.0f} refunds beside {totals['orders']:,.0f} orders: "
        f"{format_number(round(totals['refunded'], 2))}, or {format_share(share)} of what "
        f"was bought, to {totals['refunding']:,.0f} of {totals['customers']:,.0f} customers."
    )
    if totals["refunds"] == 0:
        meaning = "No order is a refund." + (
            " Refunds were dropped on reading." if treated == "drop" else ""
        )
    else:
        meaning += (
            f" In the whole log, days that they cancel: {noted.get('cancelled_days', 0):,}; days "
            f"of refunds before a first purchase: {noted.get('early_refunds', 0):,}; customers "
            f"with nothing else: {noted.get('refund_only_customers', 0):,}."
        )
    return Finding(
        check="refunds",
        statistic="share of the amount refunded",
        value=share,
        verdict=verdict,
        meaning=meaning,
        remedy=""
        if verdict == "as assumed"
        else (
            "Look at the largest: an order of some day and its refund later (a typing error, say) "
            "count as a purchase. Take such pairs out before reading."
        ),
    )
