"""What became of every row of an order log, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping

    import pandas as pd

__all__ = ["DROPPED", "NOTED", "Quality"]

#: Why a row is dropped: the first reason that applies counts, so the numbers add up.
DROPPED: Final = {
    "no_customer": "missing or blank customer",
    "no_date": "missing date",
    "bad_date": "unparseable date",
    "no_amount": "missing or non-finite amount",
    "bad_amount": "unparseable amount",
    "after_until": "dated after `until`",
    "refund": "refund (refunds='drop')",
    "duplicate": "exact duplicate (duplicates='drop')",
}

#: What is kept and worth knowing.
NOTED: Final = {
    "duplicates_kept": "rows that repeat another one exactly",
    "zero_amount": "rows with the amount 0 (purchases)",
    "refund_rows": "rows with a negative amount (refunds)",
    "cancelled_days": "days on which refunds cancel the purchases",
    "no_order": "rows without an order id",
    "early_refunds": "days of refunds before a customer's first purchase (ignored)",
    "refund_only_customers": "customers who only have refunds (left out)",
}


@dataclass(frozen=True)
class Quality:
    """The account of a cleaned order log.

    Attributes
    ----------
    rows_read, rows_kept : int
        ``rows_read == rows_kept + sum(dropped.values())``.
    dropped : mapping of str to int
        Rows dropped, by reason: the keys of `DROPPED`. A row counts under the first that applies.
    noted : mapping of str to int
        What was kept and may surprise: the keys of `NOTED`.
    examples : mapping of str to tuple of str
        Some of the values that could not be read, by reason.
    customers, purchase_days : int
        Customers with a purchase, and their purchase days.
    first_day, last_day : datetime.date
        Of the rows kept.

    Examples
    --------
    >>> import pandas as pd
    >>> from clvforecast.transactions import read_orders
    >>> log = pd.DataFrame({"customer_id": ["A", "A", None], "date": ["2024-03-01", "soon", ""],
    ...                     "amount": [10.0, 5.0, 1.0]})
    >>> print(read_orders(log).quality)
    Rows read    3  100.0%
    Rows kept    1   33.3%
    <BLANKLINE>
    Dropped
      missing or blank customer    1  33.3%
      unparseable date             1  33.3%  e.g. 'soon'
    <BLANKLINE>
    1 customer with 1 purchase day, orders from 2024-03-01 to 2024-03-01.
    """

    rows_read: int
    rows_kept: int
    dropped: Mapping[str, int]
    noted: Mapping[str, int]
    examples: Mapping[str, tuple[str, ...]]
    customers: int
    purchase_days: int
    first_day: dt.date
    last_day: dt.date

    def _rows(self) -> Iterator[tuple[str, str, int, str]]:
        """Yield (kind, words, count, examples)."""
        for key, count in self.dropped.items():
            yield "dropped", DROPPED[key], count, ", ".join(map(repr, self.examples.get(key, ())))
        for key, count in self.noted.items():
            yield "noted", NOTED[key], count, ""

    def to_frame(self) -> pd.DataFrame:
        """Tabulate the account, zeros included.

        Returns
        -------
        pandas.DataFrame
            Columns ``kind`` ("read", "kept", "dropped" or "noted"), ``reason``, ``count`` and
            ``examples``.
        """
        import pandas as pd

        rows = [
            ("read", "rows read", self.rows_read, ""),
            ("kept", "rows kept", self.rows_kept, ""),
            *self._rows(),
        ]
        return pd.DataFrame(rows, columns=["kind", "reason", "count", "examples"])

    def __str__(self) -> str:
        """Lay the account out, zeros left out."""
        lines = _align(
            [("Rows read", self.rows_read, self._share(self.rows_read), ""),
             ("Rows kept", self.rows_kept, self._share(self.rows_kept), "")]
        )  # fmt: skip
        for kind, title in (("dropped", "Dropped"), ("noted", "Noted")):
            rows = [
                (
                    f"  {words}",
                    count,
                    self._share(count) if kind == "dropped" else "",
                    f"e.g. {shown}" if shown else "",
                )
                for of_kind, words, count, shown in self._rows()
                if of_kind == kind and count
            ]
            if rows:
                lines += ["", title, *_align(rows)]
        customers, days = _count(self.customers, "customer"), self.purchase_days
        span = f"orders from {self.first_day} to {self.last_day}."
        lines += ["", f"{customers} with {_count(days, 'purchase day')}, {span}"]
        return "\n".join(lines)

    def _share(self, count: int) -> str:
        return f"{count / self.rows_read:.1%}" if self.rows_read else ""


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _align(rows: list[tuple[str, int, str, str]]) -> list[str]:
    """Set words flush left and numbers flush right."""
    words = max(len(row[0]) for row in rows)
    counts = max(len(f"{row[1]:,}") for row in rows)
    shares = max(len(row[2]) for row in rows)
    return [
        f"{word:<{words}}    {count:>{counts},}  {share:>{shares}}  {example}".rstrip()
        for word, count, share, example in rows
    ]
