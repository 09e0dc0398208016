"""The one way in: `read_orders`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

from clvforecast.errors import DataError, suggest
from clvforecast.transactions.cleaning import Rules, clean
from clvforecast.transactions.dating.zones import check_time_zone
from clvforecast.transactions.sources import Columns, open_source
from clvforecast.transactions.table import Transactions, as_day

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

__all__ = ["Duplicates", "Refunds", "read_orders"]

Refunds = Literal["net", "drop", "error"]
Duplicates = Literal["keep", "drop"]


def read_orders(
    source: Any,
    *,
    customer: str = "customer_id",
    date: str = "date",
    amount: str = "amount",
    order: str | None = None,
    segments: str | Sequence[str] = (),
    table: str | None = None,
    until: str | dt.date | None = None,
    date_format: str | None = None,
    tz: str | None = None,
    decimal: str = ".",
    thousands: str | None = None,
    separator: str | None = None,
    refunds: Refunds = "net",
    duplicates: Duplicates = "keep",
    partial: bool = False,
    memory_limit: str | None = None,
) -> Transactions:
    r"""Read an order log from anywhere and check every row.

    Parameters
    ----------
    source : str, pathlib.Path or object
        A path or glob of CSV files (also gzipped) or Parquet files; a pandas or Polars frame, a
        PyArrow table, a DuckDB relation, an Ibis table or a Spark DataFrame; or a database URL
        (``duckdb://``, ``sqlite://``, ``postgresql://``) together with `table`.
    customer, date, amount : str
        The columns of the customer id, the date and the amount of an order. Ids keep their type,
        and in CSV their text: "00123" stays "00123".
    order : str, optional
        The column of the order id, for a log with one row per line of an order: rows of one
        customer, day and order id are one order, whose amount is their sum.
    segments : str or sequence of str
        Columns to keep as they are, to group by later.
    table : str, optional
        The table behind a database URL.
    until : str or datetime.date, optional
        The last day of observation. Later rows are dropped and counted. None is the day of the
        last order.
    date_format : str, optional
        How dates are written, as in ``strftime``, such as "%d/%m/%Y". None reads ISO 8601:
        "2024-03-01", "20240301" or a timestamp.
    tz : str, optional
        The IANA time zone whose calendar days count. Needed if dates are instants with a time
        zone; dates without one are local already and stay as they are.
    decimal, thousands : str
        The decimal mark, "." or ",", and the mark between groups of three digits, for amounts in
        text.
    separator : str, optional
        The separator of CSV files. None detects comma, semicolon, tab or bar.
    refunds : {"net", "drop", "error"}
        What to do with negative amounts. "net" takes them off the purchases of the same day, and
        later ones off the customer's spend in proportion; "drop" leaves them out; "error" raises.
    duplicates : {"keep", "drop"}
        What to do with rows alike in every column used. Two equal orders on one day look just
        like it, so they are kept and counted unless told otherwise.
    partial : bool
        The log is a part of a longer one, such as the new orders of a day, and may be refunds
        alone: what they refund is elsewhere. For `update_state`.
    memory_limit : str, optional
        How much memory the engine may use for files, frames and ``duckdb://`` databases, such as
        "4GB"; what does not fit goes to the temporary folder (``TMPDIR``). None is DuckDB's own
        limit, 80% of the machine's memory.

    Returns
    -------
    Transactions
        `quality` is the account of every row: read, kept, dropped and why.

    Raises
    ------
    DataError
        If the source or a column is not there, dates or amounts cannot be read as they stand, or
        no order is left.
    MissingExtra
        If the source needs a driver that is not installed.

    Notes
    -----
    How refunds enter the summary is said in one place: `clvforecast.transactions.summary`.

    Examples
    --------
    >>> import pandas as pd
    >>> log = pd.DataFrame({
    ...     "client": ["0017", "0017", "0042"],
    ...     "day": ["31/01/2024", "14/02/2024", "01/02/2024"],
    ...     "paid": ["1.250,00", "80,50", "19,90"],
    ... })
    >>> orders = read_orders(log, customer="client", date="day", amount="paid",
    ...                      date_format="%d/%m/%Y", decimal=",", thousands=".")
    >>> orders
    Transactions: 3 orders, 2 customers, 2024-01-31 to 2024-02-14, observed until 2024-02-14
    """
    for name, value, known in (
        ("refunds", refunds, Refunds),
        ("duplicates", duplicates, Duplicates),
    ):
        if value not in get_args(known):
            raise DataError(
                f"{name}={value!r} is not known. {suggest(str(value), get_args(known))}"
            )
    if tz is not None:
        check_time_zone(tz)
    columns = Columns(
        customer, date, amount, order, (segments,) if isinstance(segments, str) else tuple(segments)
    )
    stated = None if until is None else as_day(until, "until")
    opened = open_source(
        source, columns, table=table, separator=separator, memory_limit=memory_limit
    )
    rules = Rules(
        columns, stated, date_format, tz, decimal, thousands, refunds, duplicates, partial
    )
    cleaned = clean(opened, rules)
    return Transactions(
        table=cleaned.orders,
        quality=cleaned.quality,
        until=stated or cleaned.quality.last_day,
        segments=columns.segments,
        refunds=refunds,
        has_order=order is not None,
        customers=cleaned.customers,
    )
