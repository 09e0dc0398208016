"""What a page is made of: sections of paragraphs, figures, tables and charts, already in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

from markupsafe import Markup

__all__ = [
    "Block",
    "Cell",
    "Chart",
    "Column",
    "Definitions",
    "Download",
    "Figure",
    "Figures",
    "Key",
    "Paragraph",
    "Section",
    "Table",
]

Tone: TypeAlias = Literal["", "good", "watch", "bad"]


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes
    ----------
    text : str
        What is read.
    value : float or str, optional
        What the column is sorted by, where the text does not sort as it should.
    is_name : bool
        Whether it comes from the data, and so keeps a writing direction of its own.
    tone : {"", "good", "watch", "bad"}
    mark : str
        What follows it, such as the sign of a note.
    """

    text: str
    value: float | str | None = None
    is_name: bool = False
    tone: Tone = ""
    mark: str = ""


@dataclass(frozen=True)
class Column:
    """The head of a column; numbers are set flush right, or left where text runs from the right."""

    title: str
    is_number: bool = True


@dataclass(frozen=True)
class Table:
    """A table whose first column names its rows."""

    kind: ClassVar[str] = "table"
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    id: str = ""
    is_searchable: bool = False
    """Whether it can be searched and sorted; else it is short enough to be read."""
    printed_rows: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Paragraph:
    """A paragraph of plain text."""

    kind: ClassVar[str] = "paragraph"
    text: str
    is_note: bool = False


@dataclass(frozen=True)
class Figure:
    """A number that is read first, with what it is and how sure it is."""

    label: str
    value: str
    range: str = ""
    note: str = ""


@dataclass(frozen=True)
class Figures:
    """A row of such numbers."""

    kind: ClassVar[str] = "figures"
    figures: Sequence[Figure]


@dataclass(frozen=True)
class Key:
    """What a colour stands for."""

    name: str
    colour: str


@dataclass(frozen=True)
class Chart:
    """A picture, what it shows in a sentence, and its numbers."""

    kind: ClassVar[str] = "chart"
    id: str
    title: str
    summary: str
    axis: str
    keys: Sequence[Key]
    svg: Markup
    rules: Mapping[str, str]
    """Style of the classes in the picture."""
    table: Table


@dataclass(frozen=True)
class Definitions:
    """Names and what they mean."""

    kind: ClassVar[str] = "definitions"
    title: str
    pairs: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Download:
    """A file within the page."""

    kind: ClassVar[str] = "download"
    text: str
    note: str
    filename: str
    content: str
    """A data: URL of the compressed file."""


Block: TypeAlias = Paragraph | Figures | Table | Chart | Definitions | Download


@dataclass(frozen=True)
class Section:
    """A part of the page under a heading."""

    id: str
    title: str
    blocks: Sequence[Block] = field(default_factory=tuple)
