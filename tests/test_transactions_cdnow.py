"""The published summary of CDNOW, and lifetimes' own summary of the whole log."""

import importlib.util
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from clvforecast.datasets import cdnow_path, load_cdnow
from clvforecast.transactions import Transactions, read_orders


@pytest.fixture(scope="module")
def whole() -> Transactions:
    return read_orders(cdnow_path())


def lifetimes_file(name: str) -> Path:
    """Find a data file of lifetimes without importing it."""
    spec = importlib.util.find_spec("lifetimes")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "datasets" / name


def test_tenth_reproduces_the_published_summary_for_every_customer() -> None:
    published = pd.read_csv(lifetimes_file("cdnow_customers_summary_with_transactions.csv"))
    sample = pd.read_csv(cdnow_path().with_name("cdnow_sample.csv"), dtype={"customer_id": str})
    rfm = read_orders(load_cdnow(sample=True)).summarize(time_unit="W", until="1997-09-30")

    rfm = rfm.join(sample.set_index("customer_id")).set_index("sample_id").sort_index()
    published = published.set_index("ID").sort_index()
    assert len(rfm) == 2357
    assert rfm.index.tolist() == published.index.tolist()
    assert rfm["frequency"].tolist() == published["x"].tolist()
    for ours, theirs in (("recency", "t_x"), ("T", "T"), ("monetary_value", "zbar")):
        # Published with two decimals.
        np.testing.assert_allclose(rfm[ours], published[theirs], atol=0.0051, rtol=0, err_msg=ours)


def test_whole_log_agrees_with_lifetimes(whole: Transactions) -> None:
    """In days, where lifetimes is right: in weeks it merges the purchases of one week (TRAPS)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lifetimes.utils import summary_data_from_transaction_data

        theirs = summary_data_from_transaction_data(
            load_cdnow(), "customer_id", "date", monetary_value_col="amount", freq="D"
        )
    ours = whole.summarize(time_unit="D")
    assert len(ours) == 23_570
    assert ours.index.tolist() == theirs.index.tolist()
    for name in ("frequency", "recency", "T"):
        assert ours[name].tolist() == theirs[name].tolist(), name
    np.testing.assert_allclose(ours["monetary_value"], theirs["monetary_value"], rtol=1e-9)


def test_the_log_has_what_is_known_of_it(whole: Transactions) -> None:
    quality = whole.quality
    assert (quality.rows_read, quality.rows_kept, quality.customers) == (69_659, 69_659, 23_570)
    assert quality.noted["zero_amount"] == 80
    assert not any(quality.dropped.values())
    assert str(whole.until) == "1998-06-30"
    activity = whole.activity()
    assert activity["orders"].sum() == 69_659
    assert activity["revenue"].sum() == pytest.approx(load_cdnow()["amount"].sum())
    assert whole.summarize("W").index[0] == "00001"


@pytest.mark.parametrize(("unit", "days"), [("W", 7), ("M", 365.25 / 12), ("Y", 365.25)])
def test_the_unit_only_scales(whole: Transactions, unit: str, days: float) -> None:
    """Lifetimes and PyMC-Marketing truncate dates to weeks or months, and lose purchases."""
    in_days, scaled = whole.summarize("D"), whole.summarize(unit)
    pd.testing.assert_series_equal(scaled["frequency"], in_days["frequency"])
    pd.testing.assert_series_equal(scaled["monetary_value"], in_days["monetary_value"])
    np.testing.assert_allclose(scaled["recency"] * days, in_days["recency"], rtol=1e-12)
    np.testing.assert_allclose(scaled["T"] * days, in_days["T"], rtol=1e-12)
    assert scaled.attrs["time_unit"] == unit


def test_calibration_and_holdout_add_up_to_the_whole(whole: Transactions) -> None:
    calibration, holdout = whole.split("1997-09-30", "39W")
    final = whole.summarize("W")
    assert holdout.attrs["horizon"] == 39
    assert calibration.index.equals(holdout.index)
    assert (calibration["frequency"] + holdout["purchases"]).tolist() == final["frequency"].tolist()
    repeat_spend = final["monetary_value"] * final["frequency"]
    early_spend = calibration["monetary_value"] * calibration["frequency"]
    np.testing.assert_allclose(early_spend + holdout["spend"], repeat_spend, atol=1e-9)
