"""What can go wrong, in words a user can act on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from importlib import import_module
from types import ModuleType

__all__ = ["ClvError", "DataError", "FitError", "FitWarning", "MissingExtra"]


class ClvError(Exception):
    """Base of every error this package raises on purpose."""


class DataError(ClvError, ValueError):
    """The orders, the summary or an argument cannot mean what they say."""


class FitError(ClvError, ValueError):
    """A model cannot be fitted to, or evaluated with, what was given."""


class MissingExtra(ClvError, ImportError):  # noqa: N818 - a public name of the design
    """An optional package is needed and not installed."""


class FitWarning(UserWarning):
    """A fit succeeded, but the data leave something open that the user must know."""


def suggest(name: str, known: Iterable[str]) -> str:
    """Say which names there are, and which one `name` was probably meant to be.

    >>> suggest("amout", ["customer_id", "date", "amount"])
    "There are: 'customer_id', 'date', 'amount'. Did you mean 'amount'?"
    """
    names = [str(k) for k in known]
    listed = ", ".join(repr(n) for n in names) or "none"
    lowered = {n.lower(): n for n in names}
    near = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.5)
    hint = f" Did you mean {lowered[near[0]]!r}?" if near else ""
    return f"There are: {listed}.{hint}"


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import an optional package, or say which extra brings it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtra(
            f"{purpose} needs the package {module.partition('.')[0]!r}, which is not installed. "
            f"Install it with: pip install 'clvforecast[{extra}]'"
        ) from error
