"""What `clv update` is asked for: the state, and the fits to score its customers with."""

# No postponed annotations here: typer reads them while the program runs.
import enum
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clvforecast.cli import console, output
from clvforecast.cli.options.orders import OrderOptions
from clvforecast.cli.options.panels import panel

if TYPE_CHECKING:
    from clvforecast.transactions import Transactions

__all__ = ["StateOptions", "StatePath"]

_option = panel("State")


StatePath = Annotated[
    Path,
    typer.Argument(
        metavar="STATE",
        show_default=False,
        help="The customer state: a Parquet file. Made if it is not there.",
    ),
]


class Repeated(enum.StrEnum):
    """What to do with a batch of exactly the rows of an earlier one."""

    skip = "skip"
    add = "add"
    error = "error"


@dataclass(frozen=True)
class StateOptions:
    """How new orders enter a state, and what is made of it then."""

    repeated: Annotated[
        Repeated,
        _option(text="Orders that have exactly the rows of earlier ones: count them once, or not."),
    ] = Repeated.skip
    timeout: Annotated[
        float, _option(metavar="SECONDS", text="How long to wait for another update.")
    ] = 60.0
    model: Annotated[
        list[Path] | None,
        _option(
            metavar="FILE",
            text="Forecast all customers of the state with the fits in this file of --save. "
            "Twice, for two files of one fit each.",
        ),
    ] = None

    def check(self, state: Path, orders: OrderOptions, target: Path | None) -> None:
        """Refuse what would destroy a file, or do nothing."""
        if target is not None and not self.model:
            raise typer.BadParameter(
                "-o is for the forecast of the state's customers. Give --model, too."
            )
        output.check_target(target, output.TABLES, source=orders.source)
        output.check_target(target, output.TABLES, source=str(state))

    def merge(self, state: Path, log: "Transactions", orders: OrderOptions) -> "Transactions":
        """Merge the orders into the state, say what came in, and give the orders of all of it."""
        import clvforecast as clv

        with console.progress("Updating the state"):
            done = clv.update_state(
                state,
                log,
                options={"tz": orders.tz, "duplicates": orders.duplicates.value},
                repeated=self.repeated.value,
                timeout=self.timeout,
            )
        console.say("", f"{state}: {done}")
        return clv.read_state(state)  # type: ignore[no-any-return]
