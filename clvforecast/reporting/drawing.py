"""From a matplotlib figure to SVG that a page can colour, translate and read aloud."""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FIRST", "GRID", "INK", "PAST", "SECOND", "SOFT", "canvas", "to_svg"]

# Drawn in colours that nothing else has, which become the page's own: one picture for light, dark
# and paper.
INK: Final = "#0a0b01"
GRID: Final = "#0a0b02"
FIRST: Final = "#0a0b03"
SECOND: Final = "#0a0b04"
SOFT: Final = "#0a0b05"
PAST: Final = "#0a0b06"
_VARIABLES: Final = {
    INK: "var(--quiet)",
    GRID: "var(--line)",
    FIRST: "var(--first)",
    SECOND: "var(--second)",
    SOFT: "var(--soft)",
    PAST: "var(--past)",
}
_SETTINGS: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "font.size": 12,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.spines.bottom": False,
    "axes.axisbelow": True,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.major.pad": 6,
    "ytick.major.pad": 6,
    "grid.linewidth": 0.8,
}
_FONT: Final = re.compile(r"font:[^;]*?([\d.]+)px[^;]*")


@contextmanager
def canvas(width: float, height: float) -> Iterator[tuple[Figure, Axes]]:
    """Yield a figure with one pair of axes, apart from pyplot and from the user's settings."""
    from matplotlib import rc_context, style
    from matplotlib.figure import Figure

    with style.context("default", after_reset=True), rc_context(_SETTINGS):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure, figure.add_subplot()


def to_svg(figure: Figure, id_: str, title: str, summary: str) -> tuple[Markup, Mapping[str, str]]:
    """Write a figure as an inline SVG element, and the style rules that it needs.

    A strict content policy takes no ``style`` attributes: each becomes a class, whose name follows
    from what it says. The same figure gives the same text.

    Returns
    -------
    svg : Markup
    rules : mapping of str to str
        Declarations by class.
    """
    from matplotlib import rc_context

    buffer = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with rc_context({"svg.hashsalt": id_}), warnings.catch_warnings():
        # The page's own fonts write the text; matplotlib's is only measured by.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure.savefig(buffer, format="svg", metadata=nothing, transparent=True)
    return _adapted(buffer.getvalue(), id_, title, summary)


def _adapted(text: str, id_: str, title: str, summary: str) -> tuple[Markup, dict[str, str]]:
    box = re.search(r'viewBox="([^"]*)"', text)
    body = re.search(r"<svg[^>]*>(.*)</svg>", text, re.DOTALL)
    if box is None or body is None:
        raise AssertionError("matplotlib wrote no SVG")
    inner = re.sub(r"<metadata>.*?</metadata>", "", body[1], flags=re.DOTALL)
    inner = re.sub(r"<style[^>]*>.*?</style>", "", inner, flags=re.DOTALL)
    inner = re.sub(r"<!--.*?-->", "", inner, flags=re.DOTALL)
    inner = re.sub(r"<defs>\s*</defs>", "", inner)
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', inner))
    inner = re.sub(r' id="([^"]*)"', lambda m: f' id="{id_}-{m[1]}"' if m[1] in used else "", inner)
    inner = re.sub(r'(href="#|url\(#)', rf"\g<1>{id_}-", inner)
    rules: dict[str, str] = {}

    def as_class(match: re.Match[str]) -> str:
        declarations = _coloured(match[1])
        name = f"v{hashlib.sha256(declarations.encode()).hexdigest()[:8]}"
        rules[name] = declarations
        return f' class="{name}"'

    inner = re.sub(r' style="([^"]*)"', as_class, inner)
    inner = re.sub(r"\n\s*", "\n", inner).strip()
    names = f"{id_}-title", f"{id_}-summary"
    opening = (
        f'<svg viewBox="{box[1]}" role="img" aria-labelledby="{names[0]} {names[1]}">'
        f'<title id="{names[0]}">{escape(title)}</title>'
        f'<desc id="{names[1]}">{escape(summary)}</desc>\n'
    )
    return Markup(opening) + Markup(inner) + Markup("\n</svg>"), rules  # noqa: S704


def _coloured(declarations: str) -> str:
    """The page's colours for the sentinels, and its type in the sizes that were drawn."""
    for drawn, variable in _VARIABLES.items():
        declarations = declarations.replace(drawn, variable)
    return _FONT.sub(r"font-size: \1px", declarations)
