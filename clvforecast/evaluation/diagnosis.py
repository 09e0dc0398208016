"""`Diagnosis`: what was found of the models' assumptions."""

from __future__ import annotations

import dataclasses
import html
import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from clvforecast.documents import plain
from clvforecast.evaluation.assumptions.findings import VERDICTS, Finding

__all__ = ["Diagnosis"]

_TINY: Final = 1e-9
"""Below, no approximation to a p-value has a correct digit."""
_COLUMNS: Final = [
    "statistic",
    "value",
    "lower",
    "upper",
    "p_value",
    "verdict",
    "meaning",
    "remedy",
]


@dataclass(frozen=True, eq=False, repr=False)
class Diagnosis:
    """What the models assume of these customers, and what the data say. Printing it reports.

    Attributes
    ----------
    findings : tuple of Finding
        One per assumption, in a fixed order.
    customers : int
    until : str or None
        End of observation, ISO, where it is known.
    evidence : mapping of str to pandas.DataFrame
        The tables behind the findings, as far as they could be made: ``weeks`` (orders between
        customers' first and last, those expected of even buying, standard error),
        ``first_purchases`` (per week), ``acquired`` (customers, returns and mean first spend by
        week of acquisition), ``spend_by_frequency``, ``cohorts``, ``frequency`` (customers by
        number of repeat purchases, and expected), ``influence_on_purchases`` and
        ``influence_on_spend`` (the customers who move a fit most).
    """

    findings: tuple[Finding, ...]
    customers: int
    until: str | None
    evidence: Mapping[str, pd.DataFrame]

    @property
    def table(self) -> pd.DataFrame:
        """One row per assumption.

        Returns
        -------
        pandas.DataFrame
            Indexed by `check`: ``statistic`` (its name), ``value``, ``lower`` and ``upper`` (95%
            confidence limits), ``p_value``, ``verdict`` (ordered categorical: "violated", "watch",
            "as assumed", "not checked"), ``meaning`` and ``remedy``. NaN where there is none.
        """
        rows = [[getattr(finding, name) for name in _COLUMNS] for finding in self.findings]
        index = pd.Index([finding.check for finding in self.findings], name="check")
        table = pd.DataFrame(rows, index=index, columns=_COLUMNS)
        table["verdict"] = pd.Categorical(table["verdict"], categories=list(VERDICTS), ordered=True)
        return table

    def to_dict(self) -> dict[str, Any]:
        """Everything but the evidence, of JSON's types: what is not a finite number is None."""
        return {
            "customers": self.customers,
            "until": self.until,
            "verdicts": self._counts(),
            "findings": [
                {name: plain(value) for name, value in dataclasses.asdict(finding).items()}
                for finding in self.findings
            ],
        }

    def __str__(self) -> str:
        lines = [self._headline()]
        for verdict in VERDICTS:
            chosen = [finding for finding in self.findings if finding.verdict == verdict]
            if chosen:
                lines += ["", verdict.capitalize()]
            for finding in chosen:
                lines.append(_filled(_sentence(finding), "  ", "    "))
                if finding.remedy:
                    lines.append(_filled(finding.remedy, "    -> ", "       "))
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Show the same in a notebook."""
        table = self.table.sort_values("verdict", kind="stable")
        shown = table[["verdict", "statistic", "value", "p_value", "meaning", "remedy"]]
        return f"<p>{html.escape(self._headline())}</p>\n" + shown.to_html(
            float_format=lambda value: f"{value:.3g}", na_rep=""
        )

    def _counts(self) -> dict[str, int]:
        found = [finding.verdict for finding in self.findings]
        return {verdict: found.count(verdict) for verdict in VERDICTS}

    def _headline(self) -> str:
        counts = ", ".join(f"{n} {verdict}" for verdict, n in self._counts().items() if n)
        day = f" to {self.until}" if self.until else ""
        return f"Diagnosis of {self.customers:,} customers{day}: {counts}"


def _sentence(finding: Finding) -> str:
    if not math.isfinite(finding.p_value):
        return f"{finding.check}: {finding.meaning}"
    chance = f"= {finding.p_value:.2g}" if finding.p_value >= _TINY else f"< {_TINY:.0e}"
    return f"{finding.check}: {finding.meaning} (p {chance})"


def _filled(text: str, first: str, others: str) -> str:
    """Text of 100 columns, with one indent for the first line and one for the others."""
    return textwrap.fill(text, 100, initial_indent=first, subsequent_indent=others)
