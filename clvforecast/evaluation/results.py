"""What a backtest found."""

from __future__ import annotations

import datetime as dt
import html
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd

from clvforecast.documents import records
from clvforecast.errors import DataError, suggest
from clvforecast.evaluation.origins import FittedPair
from clvforecast.evaluation.scoring import HIGHER_IS_BETTER, TARGETS
from clvforecast.numerics.arrays import BoolArray, FloatArray
from clvforecast.wording import format_days, format_number, wrapped

__all__ = ["Backtest", "spread"]

_SHOWN: Final = ("bias", "rmse", "crps", "coverage", "gini")
_TERMS: Final = ("time_unit", "horizon_days", "level", "replicates")
_TWO_SIDED_95: Final = 1.96
_SAME: Final = 1e-9
"""Of a value: models no further apart than that are the same, however little the error is."""
_ROUNDING: Final = 1e-12


@dataclass(frozen=True, eq=False, repr=False)
class Backtest:
    """How good forecasts would have been. Made by `backtest`; printing it gives a summary.

    Attributes
    ----------
    table : pandas.DataFrame
        A row per `cutoff` (datetime64), `model`, `target` ("purchases" or "spend") and `metric`:
        its `value`, the `standard_error` of that over customers (NaN where a replicate has no
        finite value), and the `skill`, ``1 - value / value of the simple formula``: above 0 is
        better than the formula, 1 would be perfect. Skill is NaN where smaller is not better
        (bias, coverage, width, gini, top_decile, spearman) or the formula has no score
        (log_score, interval_score). Metrics of a law are absent for baselines, which have none;
        their CRPS is their absolute error.
    customers : pandas.DataFrame
        A row per `cutoff`, `model` and `customer_id` (the index): `frequency, recency, T` at the
        cutoff; what came, `purchases` and `spend`; and for each of these targets, here called t,
        `predicted_t` (the expectation), `t_lower` and `t_upper` (the predictive interval),
        `t_below` and `t_upto` (probability given to less than what came, and to no more than it),
        `t_pit` (a draw between these), `t_crps`, and `purchases_log_score`. NaN where a baseline
        has no law. `clvforecast.metrics` takes these columns.
    fits : dict
        By (cutoff as datetime.date, model name): the fits, `purchases` and `spend`.
    cutoffs : tuple of datetime.date
    models, baselines : tuple of str
        Their names, as in `table`.
    horizon_days : int
        Length of every holdout.
    time_unit : str
    level : float
        Probability of the intervals.
    replicates : int
        Of the bootstrap.
    """

    table: pd.DataFrame
    customers: pd.DataFrame
    fits: dict[tuple[dt.date, str], FittedPair]
    cutoffs: tuple[dt.date, ...]
    models: tuple[str, ...]
    baselines: tuple[str, ...]
    horizon_days: int
    time_unit: str
    level: float
    replicates: int
    _replicated: FloatArray = field(repr=False)

    def summary(self, metric: str, target: str = "purchases") -> pd.DataFrame:
        """One metric: a row per model, a column per cutoff, and their mean.

        Raises
        ------
        DataError
            If the backtest has no such metric or target.

        Examples
        --------
        >>> import clvforecast as clv
        >>> orders = clv.read_orders(clv.datasets.load_cdnow(sample=True))
        >>> past = clv.backtest(orders, cutoffs=["1997-09-30"], horizon="39W", replicates=20)
        >>> past.summary("bias").round(2)
        cutoff          1997-09-30  mean
        model
        BG/NBD               -0.12 -0.12
        simple formula        1.56  1.56
        own rate              0.56  0.56
        cohort mean           0.32  0.32
        nothing              -1.00 -1.00
        """
        rows = self._rows(metric, target)
        found = self.table[rows]
        found = found.assign(cutoff=found["cutoff"].dt.strftime("%Y-%m-%d"))
        wide = found.pivot_table(
            index="model", columns="cutoff", values="value", sort=False, dropna=False
        )
        return wide.assign(mean=wide.mean(axis=1, skipna=False))

    def differences(
        self, metric: str, target: str = "purchases", than: str | None = None
    ) -> pd.DataFrame:
        """Compare models by one metric, over all cutoffs, and say which differences are noise.

        Parameters
        ----------
        metric : str
            Of bias and coverage, the distance from 0 and from the level counts.
        target : {"purchases", "spend"}
        than : str, optional
            The model to compare with. Default: the best.

        Returns
        -------
        pandas.DataFrame
            A row per `model`, best first: `value` (mean over cutoffs), `difference` (to that of
            `than`), its `standard_error`, and `within_noise`: whether ``|difference| < 1.96
            standard_error``, so that these customers cannot tell the two apart.

        Raises
        ------
        DataError
            If the backtest has no such metric, target or model.

        Notes
        -----
        The bootstrap is paired: in every replicate the same customers are drawn for all models and
        at all cutoffs, so a standard error holds what customers share between models and what one
        customer does at several cutoffs. It does not hold what all customers share, such as a
        season or a sale that one model happens to foretell; that needs more cutoffs, not more
        customers.

        Examples
        --------
        >>> import clvforecast as clv
        >>> orders = clv.read_orders(clv.datasets.load_cdnow(sample=True))
        >>> past = clv.backtest(orders, cutoffs=["1997-09-30"], horizon="39W", replicates=50)
        >>> past.differences("rmse")["within_noise"].to_dict()
        {'BG/NBD': True, 'cohort mean': False, 'nothing': False, 'own rate': False,
         'simple formula': False}
        """
        rows = self._rows(metric, target)
        found = self.table[["model"]][rows].assign(row=np.flatnonzero(rows))
        names, groups = [], []
        for name, group in found.groupby("model", sort=False):
            names.append(str(name))
            groups.append(group["row"].to_numpy())
        if than is not None and than not in names:
            raise DataError(
                f"than={than!r} is no model with {metric!r} here. {suggest(than, names)}"
            )
        value = self._loss(self.table["value"].to_numpy(), metric)
        replicated = self._loss(self._replicated, metric)
        values = np.array([value[group].mean() for group in groups])
        drawn = np.array([replicated[group].mean(axis=0) for group in groups])
        better = -values if metric in HIGHER_IS_BETTER else values
        order = np.argsort(better, kind="stable")
        reference = order[0] if than is None else names.index(than)
        with np.errstate(invalid="ignore"):  # two infinite decile errors
            difference = values - values[reference]
            error = spread(drawn - drawn[reference])
        same = _SAME * np.abs(values)
        table = pd.DataFrame(
            {
                "value": values,
                "difference": difference,
                "standard_error": error,
                "within_noise": np.abs(difference) < np.maximum(_TWO_SIDED_95 * error, same),
            },
            index=pd.Index(names, name="model"),
        )
        table.loc[names[reference], "within_noise"] = True
        return table.iloc[order]

    def _loss(self, values: FloatArray, metric: str) -> FloatArray:
        """What is compared: of bias and coverage, the distance from what would be right."""
        if metric == "bias":
            return np.abs(values)
        return np.abs(values - self.level) if metric == "coverage" else values

    def _rows(self, metric: str, target: str) -> BoolArray:
        for name, given, known in (
            ("metric", metric, self.table["metric"].unique()),
            ("target", target, TARGETS),
        ):
            if given not in known:
                raise DataError(
                    f"{name}={given!r} is not in this backtest. {suggest(str(given), known)}"
                )
        rows = (self.table["metric"] == metric) & (self.table["target"] == target)
        if not rows.any():
            raise DataError(f"There is no {metric!r} of {target}: only of purchases.")
        return rows.to_numpy()

    def to_dict(self) -> dict[str, Any]:
        """Everything but the customers, of JSON's types: what is not a finite number is None."""
        scored = self.table[["metric", "target"]].drop_duplicates()
        return {
            "customers": len(self.customers.index.unique("customer_id")),
            "cutoffs": [str(day) for day in self.cutoffs],
            **{name: getattr(self, name) for name in _TERMS},
            "models": list(self.models),
            "baselines": list(self.baselines),
            "scores": records(self.table),
            "differences": [
                {"target": target, "metric": metric, **row}
                for metric, target in scored.itertuples(index=False)
                for row in records(self.differences(metric, target))
            ],
        }

    def __str__(self) -> str:
        parts = [self._headline()]
        for target in TARGETS:
            parts += ["", target, self._shown(target).to_string(float_format=format_number)]
        return "\n".join([*parts, "", *wrapped(self._closing())])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Show the same in a notebook."""
        parts = [f"<p>{html.escape(self._headline())}</p>"]
        for target in TARGETS:
            shown = self._shown(target).to_html(float_format=format_number, na_rep="")
            parts += [f"<p><b>{target}</b></p>", shown]
        parts += [f"<p>{html.escape(line)}</p>" for line in self._closing()]
        return "\n".join(parts)

    def _headline(self) -> str:
        days = ", ".join(str(day) for day in self.cutoffs)
        count = len(self.customers.index.unique("customer_id"))
        return (
            f"Backtest of {', '.join(self.models)}: {count:,} customers, forecasts of "
            f"{format_days(self.horizon_days)} at {days}"
        )

    def _shown(self, target: str) -> pd.DataFrame:
        """Means over cutoffs of the chief metrics."""
        metrics = [name for name in _SHOWN if name in set(self.table["metric"])]
        mine = self.table[self.table["target"] == target]
        names = [*self.models, *self.baselines]
        columns = metrics or list(mine["metric"].unique())
        shown = mine.pivot_table(index="model", columns="metric", values="value")
        shown = shown.reindex(index=names, columns=columns)
        if "crps" in columns:
            skill = mine[mine["metric"] == "crps"].groupby("model")["skill"].mean()
            shown.insert(columns.index("crps") + 1, "crps_skill", skill)
        return shown.rename_axis(index=None, columns=None)

    def _closing(self) -> list[str]:
        return [
            "Means over the cutoffs. Skill is against the simple formula; a baseline has no law, "
            "and its CRPS is its absolute error. `table` has every metric with its standard "
            "error, `differences(metric)` says which models can be told apart.",
        ]


def spread(drawn: FloatArray) -> FloatArray:
    """Standard deviation over replicates, the last axis; NaN where one is not finite."""
    with np.errstate(invalid="ignore"):
        deviation = drawn.std(axis=-1, ddof=1)
        rounding = deviation < _ROUNDING * np.abs(drawn).max(axis=-1)
    return np.where(rounding, 0.0, deviation)
