"""The program `clv`, which the commands join."""

# No postponed annotations here: typer reads them while the program runs.
from typing import Annotated

import typer

import clvforecast as clv
from clvforecast.cli.grouping import unfolded

__all__ = ["app"]

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"clv {clv.__version__}")
        raise typer.Exit


_HELP = """From an order log to what each customer will be worth.

Each command reads orders from a file or a database. On a terminal it draws a table; into a pipe it
writes CSV; with -o it writes a CSV, Parquet, JSON or Excel file.
"""


@app.callback(
    help=unfolded(_HELP),
    epilog="Example: clv forecast orders.csv --horizon 52W -o forecast.csv",
)
def _clv(
    _version: Annotated[
        bool,
        typer.Option("--version", help="Say the version.", is_eager=True, callback=_say_version),
    ] = False,
) -> None:
    pass
