"""Where results go."""

# No postponed annotations here: typer reads them while the program runs.
from pathlib import Path
from typing import Annotated

import typer

from clvforecast.cli.options.panels import panel

__all__ = ["Json", "Output", "Picture", "PictureOutput", "Steps", "check_json"]

_option = panel("Output")

Steps = Annotated[bool, _option("--steps", text="Write the formula's steps, not the customers.")]
Output = Annotated[
    Path | None,
    _option(
        "-o",
        "--output",
        metavar="FILE",
        text="Write the table here instead: CSV, Parquet or JSON by the ending.",
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


def check_json(as_json: bool, target: Path | None) -> None:
    """Refuse two results for one run: one of them would be lost unseen."""
    if as_json and target is not None:
        raise typer.BadParameter(
            "--json prints to stdout, and -o writes the table to a file. Leave one out."
        )
