"""`Report`: a page, and the tables that it was made of."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from clvforecast.files import replacing

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Report"]

_FRAME: Final = (
    '<iframe srcdoc="{page}" width="100%" height="720" sandbox="allow-scripts allow-downloads '
    'allow-modals" title="{title}"></iframe>'
)


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """One self-contained HTML page. Made by `report`; a notebook shows it.

    Attributes
    ----------
    html : str
        The whole page: no file beside it is needed, and nothing is loaded from a network.
    title : str
        Its heading.
    tables : mapping of str to pandas.DataFrame
        What the page was made of: `customers` (everybody, the best first), `segments`,
        `comparison`, `months`, `what_if`, `backtest` (where there is one), `diagnosis`, `quality`
        and `parameters`; and `segments_by_` with the name of every further grouping.
    """

    html: str
    title: str
    tables: Mapping[str, pd.DataFrame]

    def save(self, path: str | Path) -> None:
        """Write the page to a file, whole or not at all.

        Raises
        ------
        DataError
            If the folder does not exist or cannot be written to, or `path` is a folder.
        """
        with replacing(path) as temporary:
            temporary.write_text(self.html, encoding="utf-8", newline="\n")

    def __repr__(self) -> str:
        size = len(self.html.encode("utf-8")) / 1e6
        return f"Report {self.title!r}: {size:.1f} MB of HTML; save it by .save('report.html')"

    def _repr_html_(self) -> str:
        """Show the page in a notebook, in a frame of its own."""
        return _FRAME.format(page=html.escape(self.html), title=html.escape(self.title))
