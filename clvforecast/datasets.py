"""Data sets that come with the package (`data/README.md` says where they are from), and a shop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from clvforecast.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "cdnow_path",
    "load_cdnow",
    "load_worked_example",
    "simulate_shop",
    "worked_example_path",
]

_PACKAGE = Path(__file__).resolve().parent

SHOP_MONTHS: Final = (0.85, 0.8, 0.9, 0.95, 1.0, 0.95, 0.85, 0.8, 0.95, 1.05, 1.5, 1.9)
"""How much more the customers of `simulate_shop` buy in each month, before it is centred."""
SHOP_CHANNELS: Final = ("marketplace", "store", "web")
SHOP_BUYING: Final = (0.0, 0.4, 0.1)
"""Logarithm of how much faster customers of each channel buy."""
SHOP_LEAVING: Final = (0.0, -0.6, -0.2)
"""Of the odds of leaving."""
SHOP_SPENDING: Final = (0.0, 0.3, 0.1)
"""Of the mean spend."""


def _locate(name: str) -> Path:
    """Find a bundled file: inside the package when installed, beside it in a checkout."""
    for folder in (_PACKAGE / "data", _PACKAGE.parent / "data"):
        if (folder / name).is_file():
            return folder / name
    raise DataError(
        f"The data file {name!r} is neither inside the package nor in a checkout's data/ folder. "
        "Reinstall clvforecast from its wheel."
    )


def _read(path: Path) -> pd.DataFrame:
    """Read an order log with text ids and ISO dates."""
    import pandas as pd

    orders = pd.read_csv(path, dtype={"customer_id": str})
    orders["date"] = pd.to_datetime(orders["date"], format="%Y-%m-%d")
    return orders


def cdnow_path() -> Path:
    """Path of the CDNOW order log, a CSV file that `read_orders` and `clv` can read.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    DataError
        If the installation is broken and has no such file.

    Examples
    --------
    >>> cdnow_path().name
    'cdnow.csv'
    """
    return _locate("cdnow.csv")


def worked_example_path() -> Path:
    """Path of the worked example, a CSV file that `read_orders` and `clv` can read.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    DataError
        If the installation is broken and has no such file.

    Examples
    --------
    >>> worked_example_path().name
    'worked_example.csv'
    """
    return _locate("worked_example.csv")


def load_cdnow(sample: bool = False) -> pd.DataFrame:
    """Orders of the CDNOW cohort: customers who first bought in the first quarter of 1997.

    Parameters
    ----------
    sample : bool
        Only the 2,357 customers (a tenth) to whom the published models were fitted.

    Returns
    -------
    pandas.DataFrame
        One row per order, in the order of the source: ``customer_id`` (text with leading zeros),
        ``date`` (datetime64, 1997-01-01 to 1998-06-30), ``quantity`` (integer, discs) and
        ``amount`` (US dollars; 80 orders have the amount 0).

    Raises
    ------
    DataError
        If the installation is broken and has no such file.

    References
    ----------
    Fader, P. S., Hardie, B. G. S. and Lee, K. L. (2005), "'Counting your customers' the easy
    way: an alternative to the Pareto/NBD model", Marketing Science 24, 275-284.

    Examples
    --------
    >>> orders = load_cdnow()
    >>> len(orders), orders["customer_id"].nunique()
    (69659, 23570)
    >>> load_cdnow(sample=True)["customer_id"].nunique()
    2357
    """
    import pandas as pd

    orders = _read(cdnow_path())
    if not sample:
        return orders
    chosen = pd.read_csv(_locate("cdnow_sample.csv"), dtype={"customer_id": str})
    return orders[orders["customer_id"].isin(chosen["customer_id"])].reset_index(drop=True)


def load_worked_example() -> pd.DataFrame:
    """Thirteen orders of five customers in one week, to follow the simple formula by hand.

    Returns
    -------
    pandas.DataFrame
        One row per order: ``customer_id`` ("A" to "E"), ``date`` (datetime64, 2024-03-04 to
        2024-03-10) and ``amount`` (million toman).

    Raises
    ------
    DataError
        If the installation is broken and has no such file.

    Examples
    --------
    >>> orders = load_worked_example()
    >>> len(orders), float(orders["amount"].sum())
    (13, 10.5)
    """
    return _read(worked_example_path())


def simulate_shop(
    customers: int = 4_000, *, first: str = "2021-01-01", until: str = "2024-06-30", seed: int = 0
) -> pd.DataFrame:
    """Orders of a shop that does not exist: its customers have channels, and the year has seasons.

    For trying what models make of both, since the truth is known. Customers come evenly over time
    through one of three channels, buy and leave as MBG/NBD says (r = 0.9, alpha = 60 days, a = 1,
    b = 4) and spend as Gamma-Gamma (p = 4, q = 4, v = 30), with rates, odds and means multiplied by
    those of their channel; and all buy more before Christmas.

    Parameters
    ----------
    customers : int
        How many.
    first, until : str
        First and last day.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    pandas.DataFrame
        One row per order: ``customer_id``, ``date``, ``amount`` and ``channel``; sorted by date.
        The truth is in `SHOP_MONTHS`, `SHOP_BUYING`, `SHOP_LEAVING` and `SHOP_SPENDING`.

    Raises
    ------
    DataError
        If there are no customers, or the days are none.

    Examples
    --------
    >>> orders = simulate_shop(1_000, seed=1)
    >>> orders.columns.tolist(), orders["customer_id"].nunique()
    (['customer_id', 'date', 'amount', 'channel'], 1000)
    """
    import datetime as dt

    import numpy as np
    import pandas as pd

    from clvforecast.calendars import Basis, Calendar, Clock
    from clvforecast.models import MBGNBD, GammaGamma
    from clvforecast.models.warped import Warped

    if customers < 1:
        raise DataError(f"customers={customers!r} must be at least 1.")
    start, end = (dt.date.fromisoformat(day) for day in (first, until))
    rng = np.random.default_rng(seed)
    days = (end - start).days
    came = np.sort(rng.integers(0, days + 1, customers))
    channel = rng.choice(len(SHOP_CHANNELS), customers, p=(0.3, 0.25, 0.45))
    buying, leaving, spending = (
        np.exp(np.array(sizes)[channel]) for sizes in (SHOP_BUYING, SHOP_LEAVING, SHOP_SPENDING)
    )
    basis = Basis(Calendar(months=True), start, end)
    season = np.linalg.lstsq(
        np.stack([level.contrast for level in basis.levels()[0]]),
        np.log(SHOP_MONTHS) - np.log(SHOP_MONTHS).mean(),
        rcond=None,
    )[0]
    # Seen from the first day: what comes after a customer's first order is ahead.
    clock = Clock(basis, tuple(season), start).later(came.astype(float))
    shop = Warped(MBGNBD(r=0.9, alpha=60.0 / buying, a=leaving, b=4.0), clock)
    buyer, time = shop.draw_future((days - came).astype(float), 0.0, 0.0, 0.0, rng)
    later = came[buyer] + np.ceil(time).astype(np.int64)
    orders = np.bincount(buyer, minlength=customers) + 1
    spend = GammaGamma(p=4.0, q=4.0, v=30.0 * spending)
    nobody = np.zeros(customers)
    who = np.concatenate([np.arange(customers), buyer])
    table = pd.DataFrame(
        {
            "customer_id": [f"C{number:05}" for number in who + 1],
            "date": pd.Timestamp(start) + pd.to_timedelta(np.concatenate([came, later]), unit="D"),
        }
    )
    in_order = np.argsort(who, kind="stable")
    amounts = np.empty(who.size)
    amounts[in_order] = spend.draw_order_values(orders, nobody, nobody, rng)
    table["amount"] = np.round(amounts, 2)
    table["channel"] = np.array(SHOP_CHANNELS)[channel[who]]
    return table.sort_values(["date", "customer_id"], kind="stable", ignore_index=True)
