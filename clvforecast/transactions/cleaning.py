"""From a source's columns to checked orders, with an account of every row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from clvforecast.errors import DataError
from clvforecast.transactions.amounts import LARGEST, AmountColumn
from clvforecast.transactions.dating.date_order import refuse_unstated_order
from clvforecast.transactions.dating.dates import DateColumn
from clvforecast.transactions.engine import (
    calling_engine,
    discard,
    fetch,
    fetch_row,
    keep,
    keep_while_used,
)
from clvforecast.transactions.quality import DROPPED, NOTED, Quality
from clvforecast.transactions.summary import by_customer, by_day

if TYPE_CHECKING:
    import datetime as dt

    import ibis

    from clvforecast.transactions.sources import Columns, Source

__all__ = ["Cleaned", "Rules", "account", "clean", "customer_facts"]

_EXAMPLES: Final = 3
_KEPT: Final = "kept"


@dataclass(frozen=True)
class Rules:
    """How to read and clean a source; `read_orders` says what each means."""

    columns: Columns
    until: dt.date | None
    date_format: str | None
    tz: str | None
    decimal: str
    thousands: str | None
    refunds: str
    duplicates: str
    partial: bool


class _Judge:
    """Says of every row of a source whether it is kept, and if not, why.

    Attributes
    ----------
    dates, amounts : DateColumn, AmountColumn
    rows : ibis.Table
        The source with `date`, `amount` and `_reason`: a key of `DROPPED`, or "kept".
    """

    def __init__(self, source: Source, rules: Rules) -> None:
        self._source, self._rules = source, rules
        schema = source.table.schema()
        named = rules.columns
        dates = DateColumn(
            "_date", named.date, schema["_date"], source.loose, rules.date_format, rules.tz
        )
        self.amounts = AmountColumn(
            "_amount",
            named.amount,
            schema["_amount"],
            source.loose,
            rules.decimal,
            rules.thousands,
        )
        self.dates = dates.spanning(source.table)
        self._steps: list[ibis.Table] = []
        rows = source.table
        if self.dates.changes:
            rows = self._keep(self.dates.with_seconds(rows))
        self.rows = self._keep(self._judged(rows))

    def _keep(self, table: ibis.Table) -> ibis.Table:
        """Compute a step now where the orders are kept anyway, so that it is done once."""
        if not self._source.keeps_orders:
            return table
        self._steps.append(keep(table))
        return self._steps[-1]

    def close(self) -> None:
        """Free what was computed on the way."""
        while self._steps:
            discard(self._steps.pop())
        self._source.release()

    def _judged(self, rows: ibis.Table) -> ibis.Table:
        import ibis

        rows = rows.mutate(date=self.dates.parse(rows), amount=self.amounts.parse(rows))
        customer = rows.customer_id
        nobody = customer.isnull()
        if customer.type().is_string():
            nobody |= customer.strip() == ""
        elif customer.type().is_floating():
            nobody |= ~customer.between(-LARGEST, LARGEST)
        reasons = [
            (nobody, "no_customer"),
            (self.dates.is_missing(rows), "no_date"),
            (rows.date.isnull(), "bad_date"),
            (self.amounts.is_missing(rows), "no_amount"),
            (rows.amount.isnull(), "bad_amount"),
        ]
        if self._rules.until is not None:
            reasons.append((rows.date > ibis.literal(self._rules.until), "after_until"))
        if self._rules.refunds == "drop" and self._rules.columns.order is None:
            reasons.append((rows.amount < 0, "refund"))
        return rows.mutate(_reason=ibis.cases(*reasons, else_=_KEPT))

    def kept(self) -> ibis.Table:
        """Select the rows kept, in their canonical columns."""
        rows = self.rows.distinct() if self._rules.duplicates == "drop" else self.rows
        rows = rows.filter(rows._reason == _KEPT)
        return rows.select("customer_id", "date", "amount", *self._rules.columns.kept)

    def count(self) -> dict[str, int]:
        """Count every reason in one scan."""
        rows = self.rows
        kept = rows._reason == _KEPT
        counts = {key: rows.count(where=rows._reason == key) for key in DROPPED}
        counts |= {
            "read": rows.count(),
            "kept": rows.count(where=kept),
            "zero_amount": rows.count(where=kept & (rows.amount == 0)),
            "refund_rows": rows.count(where=kept & (rows.amount < 0)),
            "readable_dates": rows.count(where=rows.date.notnull()),
        }
        if self._rules.columns.order is not None:
            counts["no_order"] = rows.count(where=kept & rows.order.isnull())
        return {key: int(value) for key, value in fetch_row(rows.agg(**counts)).items()}

    def count_repeated(self, customers: ibis.Table) -> int:
        """Count kept rows that repeat another one in every column.

        Parameters
        ----------
        customers : ibis.Table
            The `account` of the kept rows.
        """
        rows = self.rows.filter(self.rows._reason == _KEPT)
        if self._rules.columns.order is None:
            # Without order ids a row can only repeat another order of the same day. Few customers
            # have such a day, and grouping all rows by all columns is the costliest thing to ask.
            sharing = customers.filter(customers.shared_days > 0)
            rows = rows.semi_join(sharing, "customer_id")
        alike = rows.group_by(rows.columns).agg(_rows=rows.count())
        repeated = fetch_row(alike.agg(rows=(alike._rows - 1).sum().fill_null(0)))
        return int(repeated["rows"])

    def bad(self, reason: str) -> ibis.Table:
        """Select the rows that go for one reason."""
        return self.rows.filter(self.rows._reason == reason)

    def examples(self, reason: str) -> tuple[str, ...]:
        """Show a few of the values that could not be read."""
        column = self.dates if reason == "bad_date" else self.amounts
        bad = self.bad(reason)
        texts = bad.select(_text=column.text(bad)).distinct().order_by("_text").limit(_EXAMPLES)
        return tuple(str(value) for value in fetch(texts).column("_text").to_pylist())


class Cleaned(NamedTuple):
    """What is left of a source.

    Attributes
    ----------
    orders : ibis.Table
        The table of `Transactions`.
    customers : ibis.Table or None
        What `by_customer` makes of it, computed already where the engine is in this process.
    quality : Quality
        What became of every row.
    """

    orders: ibis.Table
    customers: ibis.Table | None
    quality: Quality


def clean(source: Source, rules: Rules) -> Cleaned:
    """Clean a source, with an account of what became of every row.

    Raises
    ------
    DataError
        If dates or amounts cannot be read as they stand, refunds are there and may not be, or
        nothing is left.
    """
    with calling_engine(f"{source.label} could not be cleaned"):
        return _clean(source, rules)


def _clean(source: Source, rules: Rules) -> Cleaned:
    judge = _Judge(source, rules)
    counts = judge.count()
    if not counts["read"]:
        raise DataError(f"{source.label} has no rows. Give at least one order.")
    examples = {key: judge.examples(key) for key in ("bad_date", "bad_amount") if counts[key]}
    if counts["bad_date"] and judge.dates.is_text:
        bad = judge.bad("bad_date")
        refuse_unstated_order(judge.dates, bad, counts["readable_dates"], examples["bad_date"])

    dropped = {key: counts[key] for key in DROPPED}
    noted = dict.fromkeys(NOTED, 0) | {
        "zero_amount": counts["zero_amount"],
        "refund_rows": counts["refund_rows"],
        "no_order": counts.get("no_order", 0),
    }
    kept = counts["kept"]
    if not kept:
        raise DataError(_nothing_left(source.label, counts["read"], dropped, examples))

    table = judge.kept()
    if source.keeps_orders:
        # The caller's frame may change later, and a CSV file need not be read again.
        table = keep(table)
    if rules.duplicates == "drop":
        distinct = int(fetch_row(table.agg(rows=table.count()))["rows"])
        dropped["duplicate"], kept = kept - distinct, distinct
    refund_rows = counts["refund_rows"]
    if rules.columns.order is not None and refund_rows and rules.refunds != "net":
        table, refund_rows = _without_refund_orders(table)
        if rules.refunds == "drop":
            dropped["refund"] = refund_rows
            kept -= refund_rows
            noted["refund_rows"] = 0
    if rules.refunds == "error" and refund_rows:
        raise DataError(
            f"{refund_rows:,} of {counts['read']:,} rows are refunds (the amount in "
            f"{rules.columns.amount!r} is negative), and refunds='error' forbids them. Pass "
            "refunds='net' or refunds='drop', or mend the log."
        )
    if not kept:
        raise DataError(_nothing_left(source.label, counts["read"], dropped, examples))

    customers = account(
        table, has_order=rules.columns.order is not None, has_refunds=bool(noted["refund_rows"])
    )
    if source.in_process:
        customers = keep_while_used(customers)
    if rules.duplicates == "keep":
        noted["duplicates_kept"] = judge.count_repeated(customers)
    judge.close()
    facts = customer_facts(customers)
    noted |= {key: int(facts[key]) for key in NOTED if key in facts}
    if not facts["customers"] and not rules.partial:
        raise DataError(
            f"{source.label} has no purchase: every order of all "
            f"{_plural(noted['refund_only_customers'], 'customer')} is a refund or is cancelled by "
            f"one. Check the sign of {rules.columns.amount!r}."
        )
    quality = Quality(
        rows_read=counts["read"],
        rows_kept=kept,
        dropped=dropped,
        noted=noted,
        examples=examples,
        customers=int(facts["customers"]),
        purchase_days=int(facts["purchase_days"]),
        first_day=facts["first_day"],
        last_day=facts["last_day"],
    )
    return Cleaned(table, customers if source.in_process else None, quality)


def _without_refund_orders(table: ibis.Table) -> tuple[ibis.Table, int]:
    """Leave out the lines of orders whose total is negative, and count them."""
    total = table.amount.sum().over(group_by=["customer_id", "date", "order"])
    lines = table.mutate(_total=total)
    refunds = fetch_row(lines.agg(rows=lines.count(where=lines._total < 0)))["rows"]
    return lines.filter(lines._total >= 0).drop("_total"), int(refunds)


def account(orders: ibis.Table, *, has_order: bool, has_refunds: bool = True) -> ibis.Table:
    """Express the customers of checked orders, with what `customer_facts` counts."""
    days = by_day(orders, ["customer_id"], has_order=has_order, has_refunds=has_refunds)
    return by_customer(days, ["customer_id"], account=True, has_refunds=has_refunds)


def customer_facts(customers: ibis.Table) -> dict[str, Any]:
    """Count the customers of `account` and the days on which refunds matter, for `Quality`."""
    real = customers.first_order.notnull()
    return fetch_row(
        customers.agg(
            customers=customers.count(where=real),
            purchase_days=customers.purchase_days.sum(),
            first_day=customers.first_day.min(),
            last_day=customers.last_day.max(),
            cancelled_days=customers.cancelled_days.sum(),
            early_refunds=customers.early_refunds.sum(),
            refund_only_customers=customers.count(where=~real),
        )
    )


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _nothing_left(
    label: str, read: int, dropped: dict[str, int], examples: dict[str, tuple[str, ...]]
) -> str:
    """Say what removed the rows, the commonest reason first."""
    reasons = [
        f"{count:,} {DROPPED[key]}"
        + (f" (such as {', '.join(map(repr, examples[key]))})" if key in examples else "")
        for key, count in sorted(dropped.items(), key=lambda item: -item[1])
        if count
    ]
    remedies = {
        "bad_date": " Pass date_format= if the dates are not YYYY-MM-DD.",
        "bad_amount": " Pass decimal=',' or thousands= if the amounts are written that way.",
        "after_until": " Check until=.",
        "no_customer": " Check customer=.",
    }
    most = max(dropped, key=lambda key: dropped[key])
    return (
        f"{label} has no order left of {_plural(read, 'row')}: {'; '.join(reasons)}."
        f"{remedies.get(most, '')}"
    )
