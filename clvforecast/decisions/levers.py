"""The levers of customer value: what each may be moved by, and what it does to the formula."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from clvforecast.errors import DataError, suggest

__all__ = ["LEVERS", "Changes", "chosen_changes", "is_possible"]

LEVERS: Final = ("order_value", "frequency", "retention", "margin", "discount_rate")


@dataclass(frozen=True)
class Changes:
    """The share by which each lever is moved; 0 leaves it where it is."""

    order_value: float = 0.0
    frequency: float = 0.0
    retention: float = 0.0
    margin: float = 0.0
    discount_rate: float = 0.0

    @property
    def buying(self) -> float:
        """How many times as fast customers buy."""
        return 1.0 + self.frequency

    @property
    def leaving(self) -> float:
        """How many times as readily customers leave."""
        return 1.0 - self.retention

    @property
    def money(self) -> float:
        """How many times as much is kept of an order."""
        return (1.0 + self.order_value) * (1.0 + self.margin)

    @property
    def formula(self) -> float:
        """What the simple formula is multiplied by; it knows no discount.

        >>> Changes(order_value=0.10, retention=0.20).formula
        1.375
        """
        return self.money * self.buying / self.leaving


def chosen_changes(
    given: float | Mapping[str, float], *, margin: float, annual_discount_rate: float
) -> tuple[dict[str, float], tuple[str, ...]]:
    """The levers that are moved, by how much, and notes on those that cannot be.

    Parameters
    ----------
    given : float or mapping of str to float
        One share for every lever that can be moved by it, or the levers and the share of each.
    margin, annual_discount_rate : float
        As they are.

    Raises
    ------
    DataError
        If a lever is none, a change is no number, or a lever that was named cannot be moved so far.

    Examples
    --------
    >>> chosen_changes({"retention": 0.2}, margin=1.0, annual_discount_rate=0.0)
    ({'retention': 0.2}, ())
    >>> list(chosen_changes(0.1, margin=0.3, annual_discount_rate=0.0)[0])
    ['order_value', 'frequency', 'retention', 'margin']
    """
    if isinstance(given, Mapping):
        for name in given:
            if name not in LEVERS:
                raise DataError(f"change has no lever {name!r}. {suggest(str(name), LEVERS)}")
        changes = {
            name: _share(given[name], f"change[{name!r}]") for name in LEVERS if name in given
        }
    else:
        changes = dict.fromkeys(LEVERS, _share(given, "change"))
    faults = {
        lever: fault
        for lever, change in changes.items()
        if (fault := _fault(lever, change, margin, annual_discount_rate))
    }
    if isinstance(given, Mapping) and faults:
        lever, fault = next(iter(faults.items()))
        raise DataError(f"change[{lever!r}]={given[lever]!r}: {fault}")
    movable = {lever: change for lever, change in changes.items() if lever not in faults}
    if not movable:
        raise DataError(
            f"change={given!r} moves no lever. Give a share such as 0.10 for 10% more, or the "
            "levers to move, such as {'retention': 0.10}."
        )
    named = ((lever.replace("_", " ").capitalize(), fault) for lever, fault in faults.items())
    return movable, tuple(f"{name} is left as it is: {fault}" for name, fault in named)


def is_possible(lever: str, change: float, *, margin: float, annual_discount_rate: float) -> bool:
    """Whether a lever can be moved so far."""
    return _fault(lever, change, margin, annual_discount_rate) is None


def _share(value: float, name: str) -> float:
    try:
        share = float(value)
    except (TypeError, ValueError):
        share = math.nan
    if not math.isfinite(share):
        raise DataError(f"{name}={value!r} must be a share to change by: 0.10 for 10% more.")
    return share


def _fault(lever: str, change: float, margin: float, annual_discount_rate: float) -> str | None:
    """What makes the change impossible, with its remedy."""
    if lever == "retention":
        if change >= 1:
            return (
                "it is the share of departures that are prevented and must be below 1, such as "
                "0.10. At 1 nobody would ever leave."
            )
    elif change <= -1:
        return "nothing would be left of it. Give a share above -1, such as -0.10 for 10% less."
    if lever == "margin" and margin * (1.0 + change) > 1:
        return (
            f"the margin is {margin:g}, and would be {margin * (1.0 + change):.4g}, more than the "
            "orders are worth. Give the margin= that you have, or raise order_value= instead."
        )
    if lever == "discount_rate" and annual_discount_rate == 0:
        return "a rate of 0 cannot be changed by a share. Give annual_discount_rate=, such as 0.10."
    return None
