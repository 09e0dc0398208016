"""Data that several test files share."""

import hypothesis
import matplotlib as mpl
import pandas as pd
import pytest

import clvforecast as clv

mpl.use("Agg")
hypothesis.settings.register_profile("same every time", derandomize=True, deadline=None)
hypothesis.settings.load_profile("same every time")

CUTOFF = "1997-09-30"


@pytest.fixture(scope="session")
def cdnow_orders() -> clv.Transactions:
    """The published tenth of CDNOW."""
    return clv.read_orders(clv.datasets.load_cdnow(sample=True))


@pytest.fixture(scope="session")
def cdnow_rfm(cdnow_orders: clv.Transactions) -> pd.DataFrame:
    """Its summary at the cutoff of the papers, in weeks."""
    return cdnow_orders.summarize(time_unit="W", until=CUTOFF)


@pytest.fixture(scope="session")
def cdnow_buys(cdnow_rfm: pd.DataFrame) -> clv.Fit:
    return clv.BGNBD.fit(cdnow_rfm)


@pytest.fixture(scope="session")
def cdnow_spend(cdnow_rfm: pd.DataFrame) -> clv.Fit:
    return clv.GammaGamma.fit(cdnow_rfm)
