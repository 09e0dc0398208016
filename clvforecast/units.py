"""Time units, horizons, the discount rate and the margin.

Dates are whole days everywhere; a unit only scales them. A month is a twelfth of a year and a
year is 365.25 days, so "12M" and "1Y" are the same horizon in every unit.
"""

from __future__ import annotations

import math
import re
from typing import Final, Literal, TypeAlias, get_args

from clvforecast.errors import DataError

__all__ = [
    "DAYS_PER_YEAR",
    "Duration",
    "TimeUnit",
    "check_margin",
    "check_time_unit",
    "days_per",
    "discount_rate_per_unit",
    "duration_in_days",
    "duration_in_units",
]

TimeUnit: TypeAlias = Literal["D", "W", "M", "Y"]
Duration: TypeAlias = float | int | str

DAYS_PER_YEAR: Final = 365.25
_DAYS_PER: Final[dict[TimeUnit, float]] = {
    "D": 1.0,
    "W": 7.0,
    "M": DAYS_PER_YEAR / 12,
    "Y": DAYS_PER_YEAR,
}
_DURATION = re.compile(r"\s*(?P<number>\d+(?:\.\d*)?|\.\d+)\s*(?P<unit>[DWMY])\s*", re.IGNORECASE)


def check_time_unit(time_unit: str) -> TimeUnit:
    """Return `time_unit` if it is one, else raise `DataError`.

    >>> check_time_unit("W")
    'W'
    """
    for known in get_args(TimeUnit):
        if time_unit == known:
            return known  # type: ignore[no-any-return]
    raise DataError(
        f"time_unit={time_unit!r} is not a time unit. Use 'D' (day), 'W' (week), "
        "'M' (month, 365.25 / 12 days) or 'Y' (year, 365.25 days)."
    )


def check_margin(margin: float) -> float:
    """Return `margin` if it is a share of order value above 0 and up to 1, else raise.

    >>> check_margin(0.3)
    0.3
    """
    share = float(margin)
    if not 0 < share <= 1:
        raise DataError(
            f"margin={margin!r} must be above 0 and up to 1: the share of order value that is "
            "kept, 0.30 for 30%."
        )
    return share


def days_per(time_unit: str) -> float:
    """Days in one `time_unit`.

    >>> days_per("M")
    30.4375
    """
    return _DAYS_PER[check_time_unit(time_unit)]


def duration_in_days(duration: str, *, name: str = "duration") -> float:
    """Days in a duration such as "52W", "1Y", "90D" or "inf".

    >>> duration_in_days("52W")
    364.0
    >>> duration_in_days("12M") == duration_in_days("1Y") == 365.25
    True
    """
    if duration.strip().lower() in {"inf", "infinity"}:
        return math.inf
    match = _DURATION.fullmatch(duration)
    if match is None:
        raise DataError(
            f"{name}={duration!r} is not a duration. Write a number and a unit, such as "
            "'52W', '12M', '1Y' or '90D'."
        )
    return float(match["number"]) * days_per(match["unit"].upper())


def duration_in_units(duration: Duration, time_unit: str | None, *, name: str = "horizon") -> float:
    """Length of a duration in `time_unit`; a bare number is in that unit already.

    Parameters
    ----------
    duration : float or str
        A number in `time_unit`, or a text such as "52W".
    time_unit : {"D", "W", "M", "Y"} or None
        The unit asked for. None is enough for a bare number.
    name : str
        What the duration is called in error messages.

    Raises
    ------
    DataError
        If it is negative, not a number, not a duration, or a text while the unit is unknown.

    Examples
    --------
    >>> duration_in_units("1Y", "W")
    52.17857142857143
    >>> duration_in_units(39, "W")
    39.0
    """
    if isinstance(duration, str):
        days = duration_in_days(duration, name=name)
        if math.isinf(days):
            return math.inf
        if time_unit is None:
            raise DataError(
                f"{name}={duration!r} cannot be converted: the time unit of the summary is "
                "unknown. Pass time_unit='D', 'W', 'M' or 'Y'."
            )
        return days / days_per(time_unit)
    length = float(duration)
    if math.isnan(length) or length < 0:
        raise DataError(f"{name}={duration!r} must be a number of time units, 0 or more.")
    return length


def discount_rate_per_unit(annual_discount_rate: float, time_unit: str | None) -> float:
    """Continuous discount rate per `time_unit` of an effective annual rate.

    A payment after `t` units is worth ``exp(-rate * t)``, which after one year is
    ``1 / (1 + annual_discount_rate)``, whatever the unit.

    Examples
    --------
    >>> round(discount_rate_per_unit(0.10, "Y"), 6)
    0.09531
    >>> discount_rate_per_unit(0.0, None)
    0.0
    """
    rate = float(annual_discount_rate)
    if not (math.isfinite(rate) and rate >= 0):
        raise DataError(
            f"annual_discount_rate={annual_discount_rate!r} must be 0 or more and finite: "
            "the effective annual rate, 0.10 for 10% a year."
        )
    if rate == 0:
        return 0.0
    if time_unit is None:
        raise DataError(
            f"annual_discount_rate={annual_discount_rate!r} needs the time unit of the summary. "
            "Pass time_unit='D', 'W', 'M' or 'Y'."
        )
    return math.log1p(rate) * days_per(time_unit) / DAYS_PER_YEAR
