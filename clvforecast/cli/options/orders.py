"""Where the orders are, and how to read them."""

# No postponed annotations here: typer reads them while the program runs.
import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from clvforecast.cli.options.panels import panel

if TYPE_CHECKING:
    from clvforecast.transactions import Transactions

__all__ = ["Duplicates", "OrderOptions", "Refunds"]

_option = panel("Orders")


class Refunds(enum.StrEnum):
    """What to do with negative amounts."""

    net = "net"
    drop = "drop"
    error = "error"


class Duplicates(enum.StrEnum):
    """What to do with rows alike in every column used."""

    keep = "keep"
    drop = "drop"


@dataclass(frozen=True)
class OrderOptions:
    """Where the orders are, and how to read them."""

    source: Annotated[
        str,
        typer.Argument(
            metavar="ORDERS",
            show_default=False,
            help="CSV (also .gz) or Parquet file, a quoted glob of them, or a database URL: "
            "duckdb://, sqlite:// or postgresql://, with --table.",
        ),
    ]
    customer: Annotated[str, _option(metavar="COLUMN", text="Column of the customer id.")] = (
        "customer_id"
    )
    date: Annotated[str, _option(metavar="COLUMN", text="Column of the order's date.")] = "date"
    amount: Annotated[str, _option(metavar="COLUMN", text="Column of the order's amount.")] = (
        "amount"
    )
    order: Annotated[
        str | None,
        _option(
            metavar="COLUMN",
            text="Column of the order id, where a row is a line of an order: lines are added up.",
        ),
    ] = None
    table: Annotated[str | None, _option(metavar="NAME", text="Table behind a database URL.")] = (
        None
    )
    date_format: Annotated[
        str | None,
        _option(
            metavar="FORMAT",
            text="How dates are written, such as '%d/%m/%Y'. Default: ISO, 2024-12-31.",
        ),
    ] = None
    tz: Annotated[
        str | None,
        _option(
            metavar="ZONE",
            text="Time zone whose days count, such as Asia/Tehran, for instants with a zone.",
        ),
    ] = None
    decimal: Annotated[str, _option(metavar="MARK", text="Decimal mark.")] = "."
    thousands: Annotated[str | None, _option(metavar="MARK", text="Mark between thousands.")] = None
    separator: Annotated[
        str | None,
        _option(
            metavar="MARK",
            text="Separator of CSV files ('tab' for a tab). Default: detected.",
        ),
    ] = None
    until: Annotated[
        str | None,
        _option(
            metavar="YYYY-MM-DD",
            text="Last day of observation; later orders are left out. Default: the last order.",
        ),
    ] = None
    refunds: Annotated[
        Refunds,
        _option(text="Negative amounts: net them off, drop them, or refuse them."),
    ] = Refunds.net
    duplicates: Annotated[Duplicates, _option(text="Rows that repeat another one exactly.")] = (
        Duplicates.keep
    )
    memory_limit: Annotated[
        str | None,
        _option(
            metavar="SIZE",
            text="Memory the engine may use, such as 4GB; the rest goes to the temporary folder. "
            "Default: 80% of the machine's.",
        ),
    ] = None

    def read(self, *, segments: Sequence[str] = (), partial: bool = False) -> "Transactions":
        """Read and check the orders."""
        import clvforecast as clv

        return clv.read_orders(
            self.source,
            customer=self.customer,
            date=self.date,
            amount=self.amount,
            order=self.order,
            segments=segments,
            table=self.table,
            until=self.until,
            date_format=self.date_format,
            tz=self.tz,
            decimal=self.decimal,
            thousands=self.thousands,
            separator="\t" if self.separator in ("tab", "\\t") else self.separator,
            refunds=self.refunds.value,
            duplicates=self.duplicates.value,
            partial=partial,
            memory_limit=self.memory_limit,
        )
