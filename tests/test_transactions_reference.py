"""The summary against one written without any library, on random small logs."""

import datetime as dt
from collections import defaultdict
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from clvforecast.errors import DataError
from clvforecast.transactions import read_orders

START = dt.date(2024, 1, 1)


class Order(NamedTuple):
    customer: str
    day: int
    cents: int


class Expected(NamedTuple):
    frequency: int
    recency: int
    T: int
    monetary_value: float
    revenue: float


orders = st.lists(
    st.builds(
        Order,
        st.sampled_from("ABCDEFGHIJ"),
        st.integers(0, 8),
        st.sampled_from([-2000, -500, -300, 0, 0, 300, 500, 700, 1250]),
    ),
    min_size=1,
    max_size=80,
)


def reference(log: list[Order], end: int) -> dict[str, Expected]:
    """Follow the rule in `transactions.summary` word by word, in whole cents."""
    by_customer: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for order in log:
        if order.day <= end:
            by_customer[order.customer][order.day].append(order.cents)
    found = {}
    for customer, days in by_customer.items():
        bought = {
            day: sum(cents)
            for day, cents in days.items()
            if any(c >= 0 for c in cents) and (all(c >= 0 for c in cents) or sum(cents) > 0)
        }
        if not bought:
            continue
        first, last = min(bought), max(bought)
        gross = sum(bought.values())
        later = sum(-sum(c) for day, c in days.items() if day not in bought and day > first)
        share = max(0.0, 1 - later / gross) if gross else 1.0
        repeats = [net for day, net in bought.items() if day > first]
        mean = share * sum(repeats) / len(repeats) / 100 if repeats else 0.0
        found[customer] = Expected(
            len(repeats), last - first, end - first, mean, share * gross / 100
        )
    return found


@settings(max_examples=20, deadline=None)
@given(orders, st.integers(0, 12), st.randoms(use_true_random=False))
def test_summary_equals_the_reference(log: list[Order], end: int, random: object) -> None:
    expected = reference(log, end)
    assume(reference(log, 12))
    shuffled = list(log)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    frame = pd.DataFrame(
        {
            "customer_id": [order.customer for order in shuffled],
            "date": [START + dt.timedelta(days=order.day) for order in shuffled],
            "amount": [order.cents / 100 for order in shuffled],
        }
    )
    before = frame.copy(deep=True)
    transactions = read_orders(frame, until=START + dt.timedelta(days=12))
    until = START + dt.timedelta(days=end)
    if not expected:
        with pytest.raises(DataError, match="Nobody has bought by"):
            transactions.summarize(until=until)
        return
    rfm = transactions.summarize("D", until=until)
    assert rfm.index.tolist() == sorted(expected)
    for name in ("frequency", "recency", "T"):
        assert rfm[name].tolist() == [getattr(expected[c], name) for c in rfm.index], name
    np.testing.assert_allclose(
        rfm["monetary_value"], [expected[c].monetary_value for c in rfm.index], atol=1e-9
    )
    revenue = transactions.activity(until=until)["revenue"]
    np.testing.assert_allclose(revenue, [expected[c].revenue for c in rfm.index], atol=1e-9)
    assert (rfm["monetary_value"] >= 0).all()
    pd.testing.assert_frame_equal(frame, before)
