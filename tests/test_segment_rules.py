"""RFM scores and their names, on their own."""

import numpy as np
import pandas as pd

from clvforecast.decisions.segmentation.rules import (
    _RFM_MAP,
    RFM_SEGMENTS,
    rfm_labels,
    rfm_scores,
)


def test_distinct_values_are_cut_as_pandas_cuts_them():
    rng = np.random.default_rng(0)
    money = rng.permutation(np.arange(135.0))
    customers = pd.DataFrame(
        {"last_order": pd.Timestamp("2024-01-01"), "orders": 1, "past_value": money}
    )
    fifths = pd.qcut(customers["past_value"], 5, labels=range(1, 6)).astype(int)
    assert rfm_scores(customers)["M"].tolist() == fifths.tolist()


def test_equal_customers_get_equal_scores():
    days = pd.to_datetime(["2024-01-01"] * 7 + ["2024-01-02"] * 2 + ["2024-01-03"])
    customers = pd.DataFrame(
        {"last_order": days, "orders": [1] * 6 + [2, 2, 3, 4], "past_value": 5.0}
    )
    scores = rfm_scores(customers)
    assert scores["R"].tolist() == [1] * 7 + [4] * 2 + [5]
    assert scores["F"].tolist() == [1] * 6 + [4, 4, 5, 5]
    assert scores["M"].tolist() == [1] * 10
    shuffled = customers.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(rfm_scores(shuffled).sort_index(), scores)


def test_every_pair_of_scores_has_a_name():
    pairs = pd.DataFrame([(r, f) for r in range(1, 6) for f in range(1, 6)], columns=["R", "F"])
    names = rfm_labels(pairs)
    assert set(names) == set(RFM_SEGMENTS)
    assert names.tolist() == [name for row in _RFM_MAP for name in row]
    assert names[pairs.index[(pairs == 5).all(axis=1)]].tolist() == ["champions"]
