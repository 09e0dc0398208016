"""Ctrl-C ends the program even where a library swallows the exception it raises."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Final

__all__ = ["INTERRUPTED", "check", "pressed", "remember"]

INTERRUPTED: Final = 130
_pressed: Final[list[int]] = []


def remember() -> None:
    """Note every Ctrl-C from now on, beside raising `KeyboardInterrupt` as ever."""
    signal.signal(signal.SIGINT, _note)


def pressed() -> bool:
    """Whether Ctrl-C was pressed."""
    return bool(_pressed)


def check() -> None:
    """Raise `KeyboardInterrupt` if Ctrl-C was pressed and nobody has acted on it."""
    if _pressed:
        raise KeyboardInterrupt


def _note(number: int, frame: FrameType | None) -> None:
    _pressed.append(number)
    signal.default_int_handler(number, frame)
