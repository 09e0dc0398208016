"""What a person on a terminal is told of segments, levers, budgets, experiments and drift."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from clvforecast.cli import console

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

__all__ = ["show"]

_BLOCK: Final = "\n\n"
_CONTINUED: Final = "\n  "
_GAP: Final = "   "
"""Between columns; prose has none."""
_MOST_ROWS: Final = 40


def show(found: Any, table: pd.DataFrame, *, expendable: Sequence[str] = ()) -> None:
    """Say what a result says of itself, with another table where its own has no room.

    Parameters
    ----------
    found : result
        Printed, it is a headline, tables and prose, with an empty line between.
    table : DataFrame
    expendable : sequence of str
        Columns to leave out first.
    """
    said = str(found)
    if len(table) <= _MOST_ROWS and console.holds(said):
        console.show_lines(console.in_options(said))
        return
    headline, *blocks = said.split(_BLOCK)
    console.show_text(headline.replace(_CONTINUED, " "))
    console.show_table(table.reset_index(), noun="rows", expendable=expendable)
    for prose in (block for block in blocks if _GAP not in block):
        for paragraph in prose.replace(_CONTINUED, " ").splitlines():
            console.show_text(console.in_options(paragraph), others=2)
