"""What `clv sql` is asked for: a dialect, a table and its columns."""

# No postponed annotations here: typer reads them while the program runs.
from dataclasses import dataclass
from typing import Annotated

from clvforecast.cli.options.panels import panel

__all__ = ["QueryOptions"]

_option = panel("Orders")


@dataclass(frozen=True)
class QueryOptions:
    """Where a warehouse has its orders, and what it speaks."""

    dialect: Annotated[
        str,
        _option(
            metavar="NAME",
            show_default=False,
            text="athena, bigquery, clickhouse, databricks, duckdb, mysql, postgres, snowflake, "
            "spark or trino.",
        ),
    ]
    until: Annotated[
        str,
        _option(metavar="YYYY-MM-DD", show_default=False, text="Last day of observation."),
    ]
    source: Annotated[
        str,
        _option(
            "--from",
            metavar="TABLE",
            text="Table of the orders, as schema.name; or a template such as \"{{ ref('orders') "
            '}}".',
        ),
    ] = "orders"
    customer: Annotated[str, _option(metavar="COLUMN", text="Column of the customer id.")] = (
        "customer_id"
    )
    date: Annotated[
        str, _option(metavar="COLUMN", text="Column of the order's date or timestamp.")
    ] = "date"
    amount: Annotated[str, _option(metavar="COLUMN", text="Column of the order's amount.")] = (
        "amount"
    )
    order: Annotated[
        str | None,
        _option(metavar="COLUMN", text="Column of the order id, where a row is a line of one."),
    ] = None
    refunds: Annotated[
        str, _option(metavar="net|drop", text="Negative amounts: net them off, or drop them.")
    ] = "net"

    def text(self, time_unit: str) -> str:
        """Write the query."""
        import clvforecast as clv

        return clv.summary_sql(  # type: ignore[no-any-return]
            self.dialect.lower(),
            until=self.until,
            table=self.source,
            customer=self.customer,
            date=self.date,
            amount=self.amount,
            order=self.order,
            time_unit=time_unit,
            refunds=self.refunds,
        )
