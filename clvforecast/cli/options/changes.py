"""What `clv what-if` is asked for: the levers and how far they are moved."""

# No postponed annotations here: typer reads them while the program runs.
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import typer

from clvforecast.cli.customers import anyone
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
        given = self.change or []
        if len(given) > 1 and not all("=" in part for part in given):
            raise typer.BadParameter(
                "--change is one share for every lever, or LEVER=SHARE for each lever to move."
            )

    def check(self, value: ValueOptions) -> None:
        """Raise now what would be raised after minutes of fitting."""
        import clvforecast as clv

        buys, spends = clv.BGNBD(1, 1, 1, 1), clv.GammaGamma(2, 2, 2)
        clv.what_if(buys, spends, anyone(), change=self.moved(), **value.terms())

    def moved(self) -> float | Mapping[str, float]:
        """The same as the library takes it."""
        given = self.change or ["0.10"]
        if "=" not in given[0]:
            return _share(given[0])
        levers: dict[str, float] = {}
        for part in given:
            lever, _, share = part.partition("=")
            lever = lever.strip().replace("-", "_")
            if lever in levers:
                raise typer.BadParameter(f"--change names {lever} twice. Leave one out.")
            levers[lever] = _share(share)
        return levers


def _share(text: str) -> float:
    """Read a share, as a number or as a percentage.

    >>> _share("0.10"), _share("-5%")
    (0.1, -0.05)
    """
    try:
        is_percentage = text.strip().endswith("%")
        number = float(text.strip().removesuffix("%"))
    except ValueError:
        raise typer.BadParameter(
            f"--change {text!r} is no share. Write 0.10 or 10% for a tenth more."
        ) from None
    return number / 100 if is_percentage else number
