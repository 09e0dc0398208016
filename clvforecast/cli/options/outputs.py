"""Where results go."""

# No postponed annotations here: typer reads them while the program runs.
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from clvforecast.cli import output
from clvforecast.cli.options.panels import panel

__all__ = ["Json", "Output", "PageOutput", "Picture", "PictureOutput", "ResultOptions", "Steps"]

_option = panel("Output")

Steps = Annotated[bool, _option("--steps", text="Write the formula's steps, not the customers.")]
Output = Annotated[
    Path | None,
    _option(
        "-o",
        "--output",
        metavar="FILE",
        text="Write the table here instead: CSV, Parquet, JSON or Excel (.xlsx) by the ending.",
    ),
]
Json = Annotated[
    bool,
    _option(
        "--json",
        text="Print everything as one JSON object instead; null where there is no finite number.",
    ),
]
Picture = Annotated[
    Path | None,
    _option(metavar="FILE", text="Draw it here, too: PNG, SVG or PDF by the ending."),
]
PictureOutput = Annotated[
    Path,
    _option(
        "-o",
        "--output",
        metavar="FILE",
        show_default=False,
        text="Where to draw it: PNG, SVG or PDF by the ending.",
    ),
]

PageOutput = Annotated[
    Path,
    _option(
        "-o",
        "--output",
        metavar="FILE",
        show_default=False,
        text="Where to write the page: a file that ends in .html.",
    ),
]


@dataclass(frozen=True)
class ResultOptions:
    """Where a result goes: a table, everything as JSON, a picture."""

    as_json: Json = False
    target: Output = None
    picture: Picture = None

    def __post_init__(self) -> None:
        if self.as_json and self.target is not None:
            # One of two results of one run would be lost unseen.
            raise typer.BadParameter(
                "--json prints to stdout, and -o writes the table to a file. Leave one out."
            )

    def check(self, source: str) -> None:
        """Raise before the work starts if one of its results could not be written."""
        output.check_target(self.target, output.TABLES, source=source)
        output.check_target(self.picture, output.PICTURES, source=source)
