"""Data that several test files share."""

from collections.abc import Callable

import hypothesis
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from numpy.typing import ArrayLike

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


@pytest.fixture(scope="session")
def customers_of_every_kind() -> pd.DataFrame:
    """A summary of them: once, regular, heavy, gone, new; with segments."""
    frame = pd.DataFrame(
        {
            "frequency": [0, 2, 60, 9, 1, 0, 4, 1],
            "recency": [0.0, 30.43, 38.86, 5.0, 1 / 7, 0.0, 20.0, 11.0],
            "T": [38.86, 38.86, 38.86, 38.86, 1 / 7, 0.0, 25.0, 38.86],
            "monetary_value": [0.0, 22.35, 48.1, 300.0, 12.0, 0.0, 40.0, 0.0],
            "shop": ["web", "city", "web", "city", "web", "web", "city", "web"],
            "land": ["de", "de", "at", "de", "at", "de", "at", None],
        },
        index=pd.Index(list("abcdefgh"), name="customer_id"),
    )
    frame.attrs = {"time_unit": "W", "until": CUTOFF}
    return frame


@pytest.fixture(scope="session")
def cdnow_ahead(
    cdnow_buys: clv.Fit, cdnow_spend: clv.Fit, cdnow_rfm: pd.DataFrame
) -> clv.Portfolio:
    return clv.portfolio(cdnow_buys, cdnow_spend, cdnow_rfm, horizon="39W", simulations=500)


@pytest.fixture(scope="session")
def shop() -> Callable[[clv.BGNBD, ArrayLike, int], pd.DataFrame]:
    """Simulate customers of given ages, and summarise them in the model's time unit."""

    def simulated(model: clv.BGNBD, ages: ArrayLike, seed: int) -> pd.DataFrame:
        T = np.asarray(ages, dtype=float)
        customer, time = model.simulate(T, seed=seed)
        last = np.zeros(T.size)
        np.maximum.at(last, customer, time)
        return pd.DataFrame(
            {"frequency": np.bincount(customer, minlength=T.size), "recency": last, "T": T}
        )

    return simulated
