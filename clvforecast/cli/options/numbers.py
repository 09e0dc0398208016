"""Options that are one number for all, or NAME=NUMBER for each of several."""

from collections.abc import Sequence

import typer

__all__ = ["named_numbers"]


def named_numbers(
    given: Sequence[str], option: str, *, name: str, shares: bool = False
) -> float | dict[str, float]:
    """Read "20", or "web=20" and "shop=30".

    Parameters
    ----------
    given : sequence of str
        At least one.
    option : str
        What the command line calls it.
    name : str
        What is named, such as "GROUP".
    shares : bool
        Whether numbers are shares, which may be written as percentages.

    Returns
    -------
    float or dict of str to float

    Raises
    ------
    typer.BadParameter
        If it is neither, or names one twice.

    Examples
    --------
    >>> named_numbers(["20"], "--cost", name="GROUP")
    20.0
    >>> named_numbers(["margin=5%", "frequency=0.1"], "--change", name="LEVER", shares=True)
    {'margin': 0.05, 'frequency': 0.1}
    """
    if len(given) == 1 and "=" not in given[0]:
        return _number(given[0], given[0], option, name, shares)
    numbers: dict[str, float] = {}
    for part in given:
        key, equals, number = part.rpartition("=")
        if not equals:
            raise typer.BadParameter(
                f"{option} is one number for all, or {name}=NUMBER for each; there are both."
            )
        if key in numbers:
            raise typer.BadParameter(f"{option} names {key!r} twice. Leave one out.")
        numbers[key] = _number(number, part, option, name, shares)
    return numbers


def _number(text: str, part: str, option: str, name: str, shares: bool) -> float:
    text = text.strip()
    is_percentage = shares and text.endswith("%")
    try:
        number = float(text.removesuffix("%") if is_percentage else text)
    except ValueError:
        raise typer.BadParameter(f"{option} {part!r} is no number, nor {name}=NUMBER.") from None
    return number / 100 if is_percentage else number
