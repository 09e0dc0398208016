"""New orders beside a state, and the two as one: SQL for the DuckDB that does it.

What a state holds
------------------
Without order ids, a row per customer and day: ``purchased`` and ``refunded``, the sums of the
amounts that are not negative and of those that are, and ``purchases`` and ``refunds``, how many
there are. All four add up, whichever batch brings them and in whichever order, and with the rule
for refunds (`clvforecast.transactions.summary`) everything a summary needs of a day follows from
them. Fewer would not do: first and last day, count and sum of a customer cannot tell whether a late
order falls on a day that is counted already, nor what an order before the first day makes of it.

With order ids, a row per customer, day and order: its ``amount``. An order that comes again takes
the place of what was there, so batches may overlap; all lines of an order must come together.
Orders without an id, in a log that has them, add up.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from clvforecast.errors import DataError
from clvforecast.transactions.engine import calling_engine, discard, keep

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    import ibis
    import pyarrow as pa

    from clvforecast.transactions import Transactions

__all__ = ["MERGED", "Arrivals", "as_orders", "compare_types", "count", "fingerprint", "load"]

#: The table that `count` and the writer work on.
MERGED: Final = "merged"

_DAYS: Final = """
CREATE TEMP TABLE batch AS
SELECT customer_id, date,
       coalesce(sum(amount * n) FILTER (amount >= 0), 0.0) AS purchased,
       coalesce(sum(amount * n) FILTER (amount < 0), 0.0) AS refunded,
       coalesce(sum(n) FILTER (amount >= 0), 0)::BIGINT AS purchases,
       coalesce(sum(n) FILTER (amount < 0), 0)::BIGINT AS refunds
FROM incoming GROUP BY customer_id, date
"""
_DAYS_MERGED: Final = """
CREATE TEMP TABLE merged AS
SELECT customer_id, date, sum(purchased) AS purchased, sum(refunded) AS refunded,
       sum(purchases)::BIGINT AS purchases, sum(refunds)::BIGINT AS refunds
FROM (FROM state UNION ALL FROM batch) GROUP BY customer_id, date
"""
_ORDERS: Final = """
CREATE TEMP TABLE batch AS
SELECT customer_id, date, "order", sum(amount * n) AS amount
FROM incoming GROUP BY customer_id, date, "order"
"""
_ORDERS_MERGED: Final = """
CREATE TEMP TABLE merged AS
SELECT customer_id, date, "order",
       CASE WHEN "order" IS NULL THEN sum(amount) ELSE arg_max(amount, turn) END AS amount
FROM (SELECT *, 0 AS turn FROM state UNION ALL SELECT *, 1 AS turn FROM batch)
GROUP BY customer_id, date, "order"
"""
_CHANGED: Final = 1e-9


class Arrivals(NamedTuple):
    """What a batch brings to a state."""

    rows: int
    late_rows: int
    new_customers: int
    orders_again: int
    orders_changed: int
    first_day: dt.date
    last_day: dt.date


def load(connection: Any, orders: Transactions) -> None:
    """Stream orders from wherever they are into the table `incoming`: alike rows once, counted.

    Amounts are not summed yet: an engine adds up in any order, and the last digit of a sum must not
    decide whether a batch has been seen before.
    """
    keys = ["customer_id", "date", "amount", *(["order"] if orders.has_order else [])]
    alike = orders.table.group_by(keys).agg(n=orders.table.count())
    with calling_engine("The new orders could not be read"):
        if alike.get_backend().name == "duckdb":
            # Ibis's own stream calls a method that DuckDB 2 removed.
            kept = keep(alike)
            relation = kept.get_backend().con.table(kept.op().name)
            _stream(connection, relation.to_arrow_reader(), keys)
            discard(kept)
        else:
            _stream(connection, alike.to_pyarrow_batches(), keys)


def _stream(connection: Any, batches: pa.RecordBatchReader, keys: list[str]) -> None:
    """Make the table `incoming`; whole numbers get one type, whatever their width was."""
    import pyarrow as pa

    def typed(name: str) -> str:
        kind = batches.schema.field(name).type
        wide = pa.types.is_integer(kind) and kind != pa.uint64()
        return f'"{name}"::BIGINT AS "{name}"' if wide else f'"{name}"'

    named = ", ".join(typed(name) for name in ("customer_id", *keys[3:], "n"))
    connection.register("stream", batches)
    connection.execute(
        "CREATE TEMP TABLE incoming AS SELECT date::DATE AS date, "  # noqa: S608
        f"amount::DOUBLE + 0.0 AS amount, {named} FROM stream"
    )
    connection.unregister("stream")


def fingerprint(connection: Any, *, has_order: bool) -> str:
    """Tell the rows of `incoming` from any others, in whichever order they come.

    MD5 of every row, added up: the same on every machine and version of the engine.
    """
    order = """, length("order"::VARCHAR), "order"::VARCHAR""" if has_order else ""
    found = _row(
        connection,
        "SELECT count(*), sum(md5_number_lower(line)), sum(md5_number_upper(line)) FROM ("  # noqa: S608
        "SELECT concat_ws('|', n, date::VARCHAR, printf('%.17g', amount), "
        f"length(customer_id::VARCHAR), customer_id::VARCHAR{order}) AS line FROM incoming)",
    )
    return hashlib.sha256(repr(found).encode()).hexdigest()[:32]


def compare_types(connection: Any, *, has_order: bool) -> None:
    """Raise `DataError` if the ids of the state and of `incoming` are of two types."""
    for name in ["customer_id", *(["order"] if has_order else [])]:
        kinds = [
            _row(connection, f'DESCRIBE SELECT "{name}" FROM {table}')[1]  # noqa: S608
            for table in ("state", "incoming")
        ]
        if kinds[0] != kinds[1]:
            raise DataError(
                f"The column {name!r} is {kinds[1]} in the new orders and {kinds[0]} in the "
                "state, so the ids would never meet. Read the new orders with ids of that type."
            )


def count(connection: Any, last_day: dt.date | None, *, has_order: bool) -> Arrivals:
    """Make `merged` of `state` and `incoming`, and count what came in.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    last_day : datetime.date or None
        Of the state, if there is one: orders of earlier days are late.
    has_order : bool
    """
    connection.execute(_ORDERS if has_order else _DAYS)
    if last_day is None:
        connection.execute("CREATE TEMP VIEW state AS FROM batch LIMIT 0")
    connection.execute(_ORDERS_MERGED if has_order else _DAYS_MERGED)
    rows, late, first, last = _row(
        connection,
        "SELECT sum(n), coalesce(sum(n) FILTER (date < ?), 0), min(date), max(date) FROM incoming",
        [last_day],
    )
    (new,) = _row(
        connection,
        "SELECT count(DISTINCT customer_id) FROM batch ANTI JOIN state USING (customer_id)",
    )
    again = changed = 0
    if has_order:
        again, changed = _row(
            connection,
            "SELECT count(*), count(*) FILTER (abs(new.amount - old.amount) > ? * abs(old.amount)) "
            'FROM batch AS new JOIN state AS old USING (customer_id, date, "order")',
            [_CHANGED],
        )
    return Arrivals(int(rows), int(late), new, again, changed, first, last)


def _row(connection: Any, query: str, values: Sequence[Any] = ()) -> tuple[Any, ...]:
    # All rows are asked for: DuckDB 2 does nothing else on a connection with some left.
    row: tuple[Any, ...]
    (row,) = connection.execute(query, list(values)).fetchall()
    return row


def as_orders(table: ibis.Table, *, has_order: bool) -> ibis.Table:
    """Express a state as the orders it stands for: as many, on the same days, of the same sum.

    Of several on one day each is given their mean, so that whatever sums or counts them agrees.
    """
    import ibis

    if has_order:
        return table.select("customer_id", "date", "amount", "order")

    def signed(total: ibis.Value, number: ibis.Value) -> ibis.Table:
        rows = table.filter(number > 0)
        return rows.select("customer_id", "date", amount=total / number, _n=number)

    rows = ibis.union(
        signed(table.purchased, table.purchases), signed(table.refunded, table.refunds)
    )
    rows = rows.mutate(_row=ibis.range(rows._n).unnest())
    return rows.select("customer_id", "date", "amount")
