"""The summary as a query in the words of a warehouse."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from clvforecast.errors import DataError, suggest
from clvforecast.transactions.amounts import LARGEST
from clvforecast.transactions.summary import by_customer, by_day, in_units, rfm_days
from clvforecast.transactions.table import as_day
from clvforecast.units import check_time_unit, days_per

if TYPE_CHECKING:
    import datetime as dt

__all__ = ["DIALECTS", "summary_sql"]

#: What the query can be written in.
DIALECTS: Final = (
    *("athena", "bigquery", "clickhouse", "databricks", "duckdb", "mysql", "postgres"),
    *("snowflake", "spark", "trino"),
)
_PLACEHOLDER: Final = "clvforecast_orders"


def summary_sql(
    dialect: str,
    *,
    until: str | dt.date,
    table: str = "orders",
    customer: str = "customer_id",
    date: str = "date",
    amount: str = "amount",
    order: str | None = None,
    time_unit: str = "W",
    refunds: str = "net",
) -> str:
    """Write the query behind ``Transactions.summarize``, to be kept beside other queries.

    Parameters
    ----------
    dialect : str
        One of `DIALECTS`.
    until : str or datetime.date
        The last day of observation.
    table : str
        The table of orders, as ``schema.name`` or ``database.schema.name``; or a template such as
        ``{{ ref('orders') }}``, put in as it is.
    customer, date, amount, order : str
        Its columns. Dates are dates or timestamps, whose day in the engine's own time zone counts;
        amounts are numbers.
    time_unit : {"D", "W", "M", "Y"}
        The unit of recency and T.
    refunds : {"net", "drop"}
        What to do with negative amounts, as in `read_orders`.

    Returns
    -------
    str
        A SELECT of ``customer_id``, ``frequency``, ``recency``, ``T`` and ``monetary_value``.
        Rows without a customer, a date or a finite amount are left out.

    Raises
    ------
    DataError
        If the dialect is unknown, or an argument cannot mean what it says.

    Examples
    --------
    >>> text = summary_sql("bigquery", until="2024-12-31", table="{{ ref('orders') }}")
    >>> print(text.splitlines()[0], "FROM {{ ref('orders') }}" in text)
    SELECT True
    """
    import ibis

    if dialect not in DIALECTS:
        raise DataError(f"dialect={dialect!r} is not known. {suggest(dialect, DIALECTS)}")
    if refunds not in ("net", "drop"):
        raise DataError(f"refunds={refunds!r} is not known. {suggest(refunds, ('net', 'drop'))}")
    length = days_per(check_time_unit(time_unit))
    end = as_day(until, "until")
    template = "{{" in table
    *where, name = [_PLACEHOLDER] if template else table.split(".")
    if len(where) > 2 or not all([*where, name]):
        raise DataError(
            f"{table!r} is no name of a table. Write name, schema.name or database.schema.name."
        )
    columns = {"customer_id": customer, "date": date, "amount": amount}
    columns |= {} if order is None else {"order": order}
    if len(set(columns.values())) < len(columns):
        raise DataError("A column is asked for twice. Each of them needs one of its own.")
    # Declared as what they are not, so that the query casts: a cast to its own type harms no
    # column, and dates that are timestamps become days.
    kinds = {"customer_id": "int64", "date": "string", "amount": "decimal(38, 9)", "order": "int64"}
    source = ibis.table(
        {old: kinds[new] for new, old in columns.items()},
        name=name,
        **({"catalog": where[0]} if len(where) > 1 else {}),
        **({"database": where[-1]} if where else {}),
    )
    rows = source.select(
        customer_id=source[customer],
        date=source[date].cast("date"),
        amount=source[amount].cast("float64"),
        **({} if order is None else {"order": source[order]}),
    )
    rows = rows.filter(
        rows.customer_id.cast("string").strip() != "",
        rows.date.notnull(),
        rows.amount.between(-LARGEST, LARGEST),
    )
    if refunds == "drop" and order is not None:
        total = rows.amount.sum().over(group_by=["customer_id", "date", "order"])
        rows = rows.mutate(_total=total)
        rows = rows.filter(rows._total >= 0).drop("_total")
    elif refunds == "drop":
        rows = rows.filter(rows.amount >= 0)
    keys, has_refunds = ["customer_id"], refunds == "net"
    days = by_day(rows, keys, has_order=order is not None, until=end, has_refunds=has_refunds)
    summary = rfm_days(by_customer(days, keys), end)
    text = _compiled(in_units(summary, length), dialect)
    return re.sub(rf'["`]?{_PLACEHOLDER}["`]?', lambda _: table, text) if template else text


def _compiled(query: object, dialect: str) -> str:
    import ibis
    import sqlglot

    if dialect == "spark":  # Ibis needs a Spark to write for it; Databricks speaks the same
        text = str(ibis.to_sql(query, dialect="databricks"))
        return sqlglot.transpile(text, read="databricks", write="spark", pretty=True)[0]
    return str(ibis.to_sql(query, dialect=dialect))
