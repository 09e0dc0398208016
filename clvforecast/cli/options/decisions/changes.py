"""What `clv what-if` is asked for: the levers and how far they are moved."""

# No postponed annotations here: typer reads them while the program runs.
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from clvforecast.cli.customers import anyone
from clvforecast.cli.options.numbers import named_numbers
from clvforecast.cli.options.panels import panel
from clvforecast.cli.options.value import ValueOptions

__all__ = ["ChangeOptions"]

_option = panel("Change")


@dataclass(frozen=True)
class ChangeOptions:
    """Which levers are moved, and by which share."""

    change: Annotated[
        list[str] | None,
        _option(
            metavar="LEVER=SHARE",
            text="Move a lever by this share, 0.10 for 10% more: order_value, frequency, "
            "retention, margin or discount_rate; may be given again. A share alone moves each "
            "lever. Default: 0.10.",
        ),
    ] = None
    by: Annotated[
        list[str] | None,
        _option(
            "--by",
            "--segment",
            metavar="COLUMN",
            text="Split customers by this column of the orders, as it is in their first one; "
            "may be given again.",
        ),
    ] = None

    def __post_init__(self) -> None:
        self.moved()

    def check(self, value: ValueOptions) -> None:
        """Raise now what would be raised after minutes of fitting."""
        import clvforecast as clv

        buys, spends = clv.BGNBD(1, 1, 1, 1), clv.GammaGamma(2, 2, 2)
        clv.what_if(buys, spends, anyone(), change=self.moved(), **value.terms())

    def moved(self) -> float | Mapping[str, float]:
        """The same as the library takes it."""
        numbers = named_numbers(self.change or ["0.10"], "--change", name="LEVER", shares=True)
        if isinstance(numbers, float):
            return numbers
        return {lever.strip().replace("-", "_"): share for lever, share in numbers.items()}
