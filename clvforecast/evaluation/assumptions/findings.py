"""What a check finds, and when a deviation is worth a word."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from scipy.special import ndtr, ndtri

__all__ = ["SIGNIFICANT", "VERDICTS", "Finding", "Verdict", "judged", "normal", "unchecked"]

Verdict: TypeAlias = Literal["as assumed", "watch", "violated", "not checked"]
VERDICTS: Final[tuple[Verdict, ...]] = ("violated", "watch", "as assumed", "not checked")

SIGNIFICANT: Final = 0.01
"""A dozen checks at this level raise a false alarm in about one log of ten."""
_HALF_WIDTH: Final = float(ndtri(0.975))


@dataclass(frozen=True)
class Finding:
    """One assumption, what the log says of it, and what to do.

    Attributes
    ----------
    check : str
        What was checked.
    statistic : str
        Name of the number `value`.
    value, lower, upper : float
        The statistic and its 95% confidence limits; NaN where there are none.
    p_value : float
        Probability of as large a deviation if the assumption held; NaN where there is no test.
    verdict : {"as assumed", "watch", "violated", "not checked"}
        By the size of the deviation, provided that it is not chance.
    meaning : str
        The same in words.
    remedy : str
        What to do; empty where nothing need be done.
    """

    check: str
    statistic: str
    value: float
    verdict: Verdict
    meaning: str
    remedy: str = ""
    lower: float = math.nan
    upper: float = math.nan
    p_value: float = math.nan


def unchecked(check: str, reason: str, remedy: str = "") -> Finding:
    """A finding for what could not be checked."""
    return Finding(check, "", math.nan, "not checked", reason, remedy)


def judged(size: float, watch: float, violated: float, p_value: float = math.nan) -> Verdict:
    """Judge the size of a deviation; one that chance explains is none.

    >>> judged(0.3, 0.1, 0.2), judged(0.15, 0.1, 0.2), judged(0.3, 0.1, 0.2, p_value=0.4)
    ('violated', 'watch', 'as assumed')
    """
    if p_value >= SIGNIFICANT or not size >= watch:
        return "as assumed"
    return "violated" if size >= violated else "watch"


def normal(value: float, standard_error: float, expected: float) -> tuple[float, float, float]:
    """95% limits of an estimate, and the two-sided p-value that it is what was expected."""
    half = _HALF_WIDTH * standard_error
    if math.isclose(value, expected, rel_tol=1e-9, abs_tol=1e-12):
        z = 0.0
    else:  # where customers do not differ at all, any deviation is too large for chance
        z = abs(value - expected) / standard_error if standard_error > 0 else math.inf
    return value - half, value + half, float(2 * ndtr(-z))
