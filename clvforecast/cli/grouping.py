"""Turns functions into commands: groups of options, and errors in one line."""

import functools
import inspect
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_type_hints

import typer

from clvforecast.cli import console, interrupts
from clvforecast.errors import ClvError

__all__ = ["command", "unfolded"]


def command(
    app: typer.Typer, *, example: str
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function as a command of `app`.

    A parameter whose type is a dataclass is a group: its fields become options of the command, and
    the function gets the dataclass.
    """

    def register(function: Callable[..., None]) -> Callable[..., None]:
        hints = get_type_hints(function, include_extras=True)
        groups: dict[str, Any] = {
            name: hint for name, hint in hints.items() if is_dataclass(hint) and name != "return"
        }

        @functools.wraps(function)
        def run(**given: Any) -> None:
            for name, group in groups.items():
                given[name] = group(
                    **{field.name: given.pop(field.name) for field in fields(group)}
                )
            with _one_line_errors():
                function(**given)

        flat = []
        for name, parameter in inspect.signature(function).parameters.items():
            flat += (
                _parameters(groups[name])
                if name in groups
                else [parameter.replace(annotation=hints[name], kind=parameter.KEYWORD_ONLY)]
            )
        run.__signature__ = inspect.Signature(flat)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in flat}
        app.command(help=unfolded(function.__doc__ or ""), epilog=f"Example: {example}")(run)
        return run

    return register


def unfolded(text: str) -> str:
    r"""Join the lines of each paragraph, so that the help folds them where the terminal ends.

    >>> unfolded("One,\ntwo.\n\nThree.")
    'One, two.\n\nThree.'
    """
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _parameters(group: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(group)
    ]


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Say errors and warnings in one line each; leave bugs their traceback."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = _show_warning
        try:
            yield
        except typer.Exit:
            raise
        except ClvError as error:
            if interrupts.pressed():  # an engine may report an interrupt as an error of its own
                raise typer.Exit(interrupts.INTERRUPTED) from None
            console.say("error", console.in_options(str(error)))
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            raise typer.Exit(interrupts.INTERRUPTED) from None


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    console.say("warning", console.in_options(str(message)))
