"""`update_state` and `read_state`."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from clvforecast.errors import DataError, suggest
from clvforecast.states import merging
from clvforecast.states.storage import (
    Batch,
    Header,
    literal,
    locked,
    read_header,
    write,
)
from clvforecast.transactions import Quality, Transactions
from clvforecast.transactions.cleaning import account, customer_facts
from clvforecast.transactions.engine import calling_engine, embedded

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Repeated", "StateUpdate", "read_state", "update_state"]

Repeated = Literal["skip", "add", "error"]


@dataclass(frozen=True)
class StateUpdate:
    """What a batch brought to a state.

    Attributes
    ----------
    created : bool
        There was no state before.
    repeated : bool
        The state has this very batch already, so nothing was added.
    rows : int
        Rows of the batch.
    late_rows : int
        Those dated before the last day the state had; they count like any others.
    new_customers : int
        Customers of whom the state knew nothing.
    orders_again : int
        Orders that the state has already, told by their id: each counts once, as delivered last.
    orders_changed : int
        Those of them whose amount is another now.
    customers : int
        Customers with a purchase, now.
    batches : int
        Batches in the state, now.
    until : datetime.date
        The last day of observation, now.
    """

    created: bool
    repeated: bool
    rows: int
    late_rows: int
    new_customers: int
    orders_again: int
    orders_changed: int
    customers: int
    batches: int
    until: dt.date

    def __str__(self) -> str:
        """Say it in words."""
        now = f"{_counted(self.customers, 'customer')}, observed until {self.until}."
        rows = _counted(self.rows, "row")
        if self.repeated:
            return f"Already in the state: {rows}. Nothing was added. It has {now}"
        parts = [rows, _counted(self.new_customers, "new customer")]
        if self.late_rows:
            parts.append(f"{_counted(self.late_rows, 'row')} of earlier days")
        if self.orders_again:
            changed = f", {self.orders_changed:,} changed" if self.orders_changed else ""
            parts.append(f"{_counted(self.orders_again, 'order')} had before{changed}")
        did = "Made the state of" if self.created else "Added"
        return f"{did} {', '.join(parts)}. It has {now}"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def read_state(path: str | Path) -> Transactions:
    """Read a customer state as the orders it stands for.

    Parameters
    ----------
    path : str or pathlib.Path
        A file that `update_state` made.

    Returns
    -------
    Transactions
        With everything it does: ``summarize``, ``split``, ``totals`` and the rest give what the
        whole log would, float sums to rounding. Several orders of a customer on one day are there
        as as many equal ones. Nothing is loaded: the file is read whenever something is asked for,
        so read the state again after it was updated.

    Raises
    ------
    DataError
        If the file is missing, is no state, or is one of another version.

    See Also
    --------
    update_state : An example.
    """
    where = Path(path).expanduser().resolve()
    header = read_header(where)
    with calling_engine(f"The state {str(where)!r} could not be read"):
        table = embedded().read_parquet(where)
    return Transactions(
        table=merging.as_orders(table, has_order=header.has_order),
        quality=header.quality,
        until=header.until,
        refunds=header.refunds,
        has_order=header.has_order,
    )


def update_state(
    path: str | Path,
    orders: Transactions,
    *,
    options: Mapping[str, str | None] | None = None,
    repeated: Repeated = "skip",
    timeout: float = 60.0,
) -> StateUpdate:
    """Merge new orders into a customer state, and make the state if there is none.

    However a log is cut into batches, and whichever comes first, the state stands for the whole
    log. It is replaced as a whole once it is on the disk: an update that is interrupted, or whose
    process is killed, leaves the old one; of two at the same time one waits for the other.

    Parameters
    ----------
    path : str or pathlib.Path
        The state: a Parquet file of a row per customer and day or, if the orders have ids, per
        order.
    orders : Transactions
        The new orders, of any days; read them with ``partial=True`` where they may be refunds
        alone. Rows that were dropped on reading stay dropped.
    options : mapping, optional
        Further options of reading that must not change from batch to batch, such as
        ``{"tz": "Asia/Tehran"}``: kept with the state, and compared. Whether there are order ids,
        and `refunds`, always are.
    repeated : {"skip", "add", "error"}
        What to do with a batch that has exactly the rows of an earlier one: count it once, count
        it again, or raise.
    timeout : float
        Seconds to wait for another update of the same state.

    Returns
    -------
    StateUpdate
        What came in.

    Raises
    ------
    DataError
        If the file is no state or not named .parquet, the orders were read in another way than the
        state's, have segment columns or ids of another type, or another update does not finish in
        time.

    Notes
    -----
    What can be told from what:

    - A batch delivered again as it was is recognised by its rows, in whichever order they come.
    - Batches that overlap in part are told apart by order ids alone: an order (customer, day, id)
      that comes again counts once, as delivered last. All its lines must come in one batch.
      Without order ids, the rows of the overlap count twice.
    - ``duplicates="drop"`` on reading concerns rows alike within a batch.

    Examples
    --------
    >>> import pandas as pd
    >>> from tempfile import TemporaryDirectory
    >>> import clvforecast as clv
    >>> log = pd.DataFrame({"customer_id": ["A", "B", "A"], "amount": [10.0, 5.0, 20.0],
    ...                     "date": ["2024-01-02", "2024-01-20", "2024-02-01"]})
    >>> with TemporaryDirectory() as folder:
    ...     state = folder + "/customers.parquet"
    ...     print(clv.update_state(state, clv.read_orders(log[1:])))
    ...     print(clv.update_state(state, clv.read_orders(log[:1])))
    ...     clv.read_state(state).summarize().equals(clv.read_orders(log).summarize())
    Made the state of 2 rows, 2 new customers. It has 2 customers, observed until 2024-02-01.
    Added 1 row, 0 new customers, 1 row of earlier days. It has 2 customers, observed until
    2024-02-01.
    True
    """
    if repeated not in get_args(Repeated):
        raise DataError(
            f"repeated={repeated!r} is not known. {suggest(str(repeated), get_args(Repeated))}"
        )
    if orders.segments:
        raise DataError(
            f"A state keeps no segment columns, and the orders have {', '.join(orders.segments)}. "
            "Read them without segments=."
        )
    if Path(path).suffix.lower() != ".parquet":
        raise DataError(f"{str(path)!r} cannot be a state: let the name end in .parquet.")
    # A link stays a link: what it points to is replaced.
    where = Path(path).expanduser().resolve()
    with locked(where, timeout) as spill:
        before = read_header(where) if where.exists() else None
        if before is not None:
            _compare_reading(before, orders, options or {})
        with calling_engine(f"The state {str(where)!r} could not be updated"):
            return _update(where, spill, before, orders, options or {}, repeated)


def _compare_reading(
    before: Header, orders: Transactions, options: Mapping[str, str | None]
) -> None:
    """Raise `DataError` if the orders were read in another way than those of the state."""
    ids = {True: "given", False: "not given"}
    now = {"refunds": orders.refunds, "order": ids[orders.has_order], **options}
    then = {"refunds": before.refunds, "order": ids[before.has_order], **before.options}
    for name in {**now, **then}:
        if now.get(name) != then.get(name):
            of_state, of_orders = (
                f"{name}= {value}" if value in ids.values() else f"{name}={value!r}"
                for value in (then.get(name), now.get(name))
            )
            raise DataError(
                f"The state was made of orders read with {of_state}, and these were read with "
                f"{of_orders}. Read them as the state's."
            )


def _update(
    where: Path,
    spill: Path,
    before: Header | None,
    orders: Transactions,
    options: Mapping[str, str | None],
    repeated: Repeated,
) -> StateUpdate:
    import ibis

    engine = ibis.duckdb.connect()
    connection: Any = engine.con
    connection.execute(f"SET temp_directory = {literal(str(spill))}")
    try:
        merging.load(connection, orders)
        if before is not None:
            file = literal(str(where))
            connection.execute(f"CREATE TEMP VIEW state AS FROM read_parquet({file})")
            merging.compare_types(connection, has_order=orders.has_order)
        mark = merging.fingerprint(connection, has_order=orders.has_order)
        if before is not None and any(mark == batch.fingerprint for batch in before.batches):
            if repeated == "error":
                raise DataError(
                    "The state has these very orders already. Pass repeated='skip' to count them "
                    "once, or repeated='add' if they are others that look the same."
                )
            if repeated == "skip":
                return _seen(connection, where, before, orders)
        last_day = before.quality.last_day if before else None
        came = merging.count(connection, last_day, has_order=orders.has_order)
        table = merging.as_orders(engine.table(merging.MERGED), has_order=orders.has_order)
        header = Header(
            until=max(before.until, orders.until) if before else orders.until,
            refunds=orders.refunds,
            has_order=orders.has_order,
            options=dict(options),
            quality=_account(table, before, orders),
            batches=(
                *(before.batches if before else ()),
                Batch(mark, came.rows, came.first_day, came.last_day),
            ),
        )
        write(connection, merging.MERGED, header, where)
    finally:
        connection.close()
    return StateUpdate(
        created=before is None,
        repeated=False,
        rows=came.rows,
        late_rows=came.late_rows,
        new_customers=came.new_customers,
        orders_again=came.orders_again,
        orders_changed=came.orders_changed,
        customers=header.quality.customers,
        batches=len(header.batches),
        until=header.until,
    )


def _seen(connection: Any, where: Path, before: Header, orders: Transactions) -> StateUpdate:
    """Add nothing but the knowledge that observation went on, if it did."""
    header = replace(before, until=max(before.until, orders.until))
    if header != before:
        write(connection, "state", header, where)
    return StateUpdate(
        created=False,
        repeated=True,
        rows=orders.quality.rows_kept,
        late_rows=0,
        new_customers=0,
        orders_again=0,
        orders_changed=0,
        customers=header.quality.customers,
        batches=len(header.batches),
        until=header.until,
    )


def _account(table: Any, before: Header | None, orders: Transactions) -> Quality:
    """Add up the accounts of the batches; count the customers of all together."""
    facts = customer_facts(account(table, has_order=orders.has_order))
    new = orders.quality
    accounts = [new] if before is None else [before.quality, new]

    def added(name: str) -> dict[str, int]:
        counts = [getattr(account, name) for account in accounts]
        return {key: sum(count[key] for count in counts) for key in getattr(new, name)}

    noted = added("noted")
    noted |= {key: int(facts[key]) for key in noted if key in facts}
    return Quality(
        rows_read=sum(account.rows_read for account in accounts),
        rows_kept=sum(account.rows_kept for account in accounts),
        dropped=added("dropped"),
        noted=noted,
        examples={},
        customers=int(facts["customers"]),
        purchase_days=int(facts["purchase_days"] or 0),
        first_day=facts["first_day"],
        last_day=facts["last_day"],
    )
