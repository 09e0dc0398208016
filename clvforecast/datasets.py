"""The data sets that come with the package; `data/README.md` says where they are from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clvforecast.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["cdnow_path", "load_cdnow", "load_worked_example", "worked_example_path"]

_PACKAGE = Path(__file__).resolve().parent


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
