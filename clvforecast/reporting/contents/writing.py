"""Numbers and names of a report, as its language writes them."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from clvforecast.decisions.segmentation.labels import MISSING
from clvforecast.reporting.blocks import Cell
from clvforecast.reporting.evidence import Evidence
from clvforecast.reporting.languages import Language, isolate

__all__ = ["Writer"]


@dataclass(frozen=True, eq=False)
class Writer:
    """What is written about, in which language, and where charts are drawn.

    Attributes
    ----------
    evidence : Evidence
    language : Language
    top : int
        How many customers are listed.
    download : {"all", "top", "none"}
    """

    evidence: Evidence
    language: Language
    top: int
    download: str

    def between(self, lower: float, upper: float, scale: float) -> str:
        """Write the limits of an amount, or of a number."""
        _ = self.language.gettext
        limits = self.language.amount(lower, scale), self.language.amount(upper, scale)
        return _("%(lower)s to %(upper)s", lower=limits[0], upper=limits[1])

    def in_futures(self, lower: float, upper: float, scale: float) -> str:
        """Write a predictive interval in words."""
        _ = self.language.gettext
        return _(
            "In %(count)s of 100 futures: %(limits)s",
            count=self.futures,
            limits=self.between(lower, upper, scale),
        )

    @property
    def futures(self) -> str:
        """Of a hundred futures, how many the intervals hold."""
        return self.language.number(round(100 * self.evidence.level, 6))

    def amount(self, value: float, scale: float) -> Cell:
        """An amount, with the decimals that matter beside `scale`."""
        return Cell(self.language.amount(value, scale), _sorted_by(value))

    def number(self, value: float, decimals: int | None = 0) -> Cell:
        """A number."""
        return Cell(self.language.number(value, decimals), _sorted_by(value))

    def percent(self, share: float, decimals: int = 0) -> Cell:
        """A share."""
        return Cell(self.language.percent(share, decimals), _sorted_by(share))

    def day(self, date: dt.date) -> Cell:
        """A day."""
        return Cell(self.language.day(date), date.toordinal())

    def limits(self, lower: float, upper: float, scale: float) -> Cell:
        """An interval, sorted by its lower limit."""
        return Cell(self.between(lower, upper, scale), _sorted_by(lower))

    def key(self, key: Any) -> Cell:
        """A customer, or a label that the user brought."""
        if key == MISSING:
            return Cell(self.language.gettext("(no label)"))
        return Cell(" / ".join(map(str, key)) if isinstance(key, tuple) else str(key), is_name=True)

    @staticmethod
    def isolated(name: object) -> str:
        """A name within a sentence."""
        return isolate(str(name))


def largest(columns: Iterable[pd.Series[Any]]) -> float:
    """The largest amount of several columns, for its decimals; 0 if there is none."""
    found = [float(column.abs().max()) for column in columns if len(column)]
    return max((value for value in found if math.isfinite(value)), default=0.0)


def _sorted_by(value: float) -> float | None:
    """What is not known is sorted last."""
    return float(value) if math.isfinite(value) else None
