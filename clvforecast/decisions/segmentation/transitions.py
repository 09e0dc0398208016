"""`segment_transitions`: who has moved from which segment to which between two dates."""

from __future__ import annotations

import datetime as dt
import html
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from clvforecast.decisions.segmentation.result import Segmentation
from clvforecast.errors import DataError
from clvforecast.wording import wrapped

__all__ = ["ABSENT_AFTER", "ABSENT_BEFORE", "SegmentTransitions", "segment_transitions"]

ABSENT_BEFORE: Final = "(not there before)"
ABSENT_AFTER: Final = "(not there after)"


@dataclass(frozen=True, eq=False, repr=False)
class SegmentTransitions:
    """Customers by segment at two dates. Made by `segment_transitions`; printing it gives a table.

    Attributes
    ----------
    counts : pandas.DataFrame
        Customers: a row per segment before and one "(not there before)", a column per segment
        after and one "(not there after)". They add up to all customers of either date.
    shares : pandas.DataFrame
        Of a row's customers, those in each column: rows add up to 1, or are NaN where there is
        nobody.
    customers : pandas.DataFrame
        Per customer of either date: `before` and `after` (ordered categoricals), `clv_before` and
        `clv_after` (NaN at a date at which the customer was not there).
    before, after : datetime.date or None
        Ends of observation.
    by : tuple of str
        What was grouped by.
    notes : tuple of str
    """

    counts: pd.DataFrame
    shares: pd.DataFrame
    customers: pd.DataFrame
    before: dt.date | None
    after: dt.date | None
    by: tuple[str, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Everything but the customers, of JSON's types."""
        return {
            "by": list(self.by),
            "before": None if self.before is None else self.before.isoformat(),
            "after": None if self.after is None else self.after.isoformat(),
            "rows": list(self.counts.index),
            "columns": list(self.counts.columns),
            "counts": self.counts.to_numpy().tolist(),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        some = self.counts.sum(axis="columns") > 0, self.counts.sum(axis="index") > 0
        shown = self.counts.loc[some].rename_axis(index=None, columns=None).to_string()
        return "\n".join([self._headline(), "", shown, "", *wrapped(self.notes)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Show the same in a notebook."""
        parts = [f"<p>{html.escape(self._headline())}</p>", self.counts.to_html()]
        return "\n".join([*parts, *(f"<p>{html.escape(note)}</p>" for note in self.notes)])

    def _headline(self) -> str:
        both = self.customers.dropna()
        stayed = int((both["before"].astype(str) == both["after"].astype(str)).sum())
        days = "" if None in (self.before, self.after) else f" from {self.before} to {self.after}"
        return (
            f"Customers by segment before (rows) and after (columns){days}: {stayed:,} of the "
            f"{len(both):,} who were there at both stayed"
        )


def segment_transitions(before: Segmentation, after: Segmentation) -> SegmentTransitions:
    """Count customers by their segments at two dates.

    Parameters
    ----------
    before, after : Segmentation
        What `segments` returns, by the same, at two dates. Each uses what was known at its own
        date only, if its forecast does.

    Returns
    -------
    SegmentTransitions

    Raises
    ------
    DataError
        If they are by different things, or not in the order of time.

    Notes
    -----
    High means high among the customers of each date. To hold the amounts of the first instead,
    pass its rules: ``segments(later, orders, rules=before.rules)``; whether that was done is in
    `notes`.

    Examples
    --------
    >>> import clvforecast as clv
    >>> orders = clv.read_orders(clv.datasets.load_cdnow(sample=True))
    >>> buys = clv.BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
    >>> spend = clv.GammaGamma(p=6.25, q=3.74, v=15.44)
    >>> def at(day, rules=None):
    ...     rfm = orders.summarize(time_unit="W", until=day)
    ...     value = clv.forecast(buys, spend, rfm, horizon="39W")
    ...     return clv.segments(value, orders, rules=rules)
    >>> first = at("1997-09-30")
    >>> moved = clv.segment_transitions(first, at("1998-03-31", first.rules))
    >>> moved.counts.loc["champions", ["champions", "at risk", "lost"]].to_dict()
    {'champions': 184, 'at risk': 59, 'lost': 28}
    """
    for name, given in (("before", before), ("after", after)):
        if not isinstance(given, Segmentation):
            raise DataError(
                f"{name} must be what clv.segments returns, not a {type(given).__name__}."
            )
    if before.by != after.by:
        raise DataError(
            f"before is by {', '.join(before.by)} and after by {', '.join(after.by)}: group by the "
            "same at both dates."
        )
    if before.until is not None and after.until is not None and before.until >= after.until:
        raise DataError(
            f"before is of {before.until} and after of {after.until}: give the earlier one first."
        )
    _check_ids(before.customers.index, after.customers.index)
    rows, columns = _levels(before, ABSENT_BEFORE), _levels(after, ABSENT_AFTER)
    # The earlier customers first, then the later ones in their own order.
    new = after.customers.index[~after.customers.index.isin(before.customers.index)]
    everyone = before.customers.index.append(new)
    customers = pd.DataFrame(
        {
            "before": before.labels.cat.set_categories(rows).reindex(everyone),
            "after": after.labels.cat.set_categories(columns).reindex(everyone),
        }
    ).fillna({"before": ABSENT_BEFORE, "after": ABSENT_AFTER})
    counts = _counts(customers["before"], customers["after"])
    totals = counts.sum(axis="columns")
    customers["clv_before"] = before.customers["clv"].reindex(everyone)
    customers["clv_after"] = after.customers["clv"].reindex(everyone)
    return SegmentTransitions(
        counts=counts,
        shares=counts.div(totals.where(totals > 0), axis="index"),
        customers=customers,
        before=before.until,
        after=after.until,
        by=before.by,
        notes=tuple(_notes(before, after)),
    )


def _counts(before: pd.Series[Any], after: pd.Series[Any]) -> pd.DataFrame:
    """A row and a column for every category, whether anybody is in it or not."""
    rows, columns = (side.cat.categories for side in (before, after))
    cells = before.cat.codes.to_numpy(dtype=np.int64) * len(columns) + after.cat.codes.to_numpy()
    counted = np.bincount(cells, minlength=len(rows) * len(columns))
    return pd.DataFrame(
        counted.reshape(len(rows), len(columns)),
        index=pd.Index(rows, name="before"),
        columns=pd.Index(columns, name="after"),
    )


def _levels(found: Segmentation, absent: str) -> list[str]:
    levels = [str(level) for level in found.labels.cat.categories]
    if absent in levels:
        raise DataError(f"A segment is called {absent!r}, which has a meaning here. Rename it.")
    return [*levels, absent]


def _check_ids(before: pd.Index[Any], after: pd.Index[Any]) -> None:
    if not after.isin(before).any():
        raise DataError(
            f"No customer is in both: ids are {before.dtype} before (first: {before[0]!r}) and "
            f"{after.dtype} after (first: {after[0]!r}). Read both with the same ids."
        )


def _notes(before: Segmentation, after: Segmentation) -> list[str]:
    notes = []
    if "value" in before.by:
        same = before.rules == after.rules
        notes.append(
            "The thresholds are those of the first date at both."
            if same
            else "The thresholds differ between the dates, and some have moved only because of "
            "that. Pass rules=before.rules to hold them."
        )
    if "rfm" in before.by:
        notes.append("Scores are quintiles of each date's own customers.")
    gone = int((~before.customers.index.isin(after.customers.index)).sum())
    if gone:
        notes.append(f"{gone:,} customers are not there after: the later data leave them out.")
    return notes
