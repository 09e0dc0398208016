"""A progress bar for what takes seconds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

__all__ = ["tracked"]

_T = TypeVar("_T")


def tracked(items: Iterable[_T], total: int, description: str, *, shown: bool) -> Iterator[_T]:
    """Pass items on; if `shown`, with a bar on stderr that goes away at the end.

    >>> list(tracked([1, 2, 3], 3, "Counting", shown=False))
    [1, 2, 3]
    """
    if not shown:
        yield from items
        return
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    yield from track(items, description, total=total, console=console, transient=True)
