"""Options under the heading of their panel in the help."""

from collections.abc import Callable
from typing import Any

import typer

__all__ = ["panel"]


def panel(title: str) -> Callable[..., Any]:
    """Give what makes an option of this panel from its names, its text and how typer takes it."""

    def option(*names: str, text: str, **how: Any) -> Any:
        return typer.Option(*names, help=text, rich_help_panel=title, **how)

    return option
