"""`compare_fits`: which of several models of the same customers to believe."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from scipy.special import chdtrc, ndtr

from clvforecast.documents import plain, records
from clvforecast.errors import DataError, suggest
from clvforecast.fitting import Fit
from clvforecast.fitting.cells import Cells
from clvforecast.models import PurchaseModel
from clvforecast.numerics.arrays import FloatArray
from clvforecast.wording import wrapped

if TYPE_CHECKING:
    from clvforecast.evaluation.results import Backtest

__all__ = ["FitComparison", "compare_fits"]

_NOISE: Final = 0.05
"""p-value above which a difference of likelihoods is called noise."""
_NO_PREFERENCE: Final = 2.0
"""Of AIC: K. P. Burnham and D. R. Anderson, "Model Selection and Multimodel Inference" (2002),
section 2.6, where there is no test."""
_SAME: Final = 1e-6
"""Log-likelihood per customer; searches end within less."""


@dataclass(frozen=True, eq=False, repr=False)
class FitComparison:
    """Several fits of the same customers side by side. Printing it says which to believe.

    Attributes
    ----------
    table : pandas.DataFrame
        One row per fit, the lowest AIC first, indexed by `fit`: ``model``, ``ridge``,
        ``customers``, ``parameters`` (their number), ``log_likelihood``, ``aic``, ``bic``,
        ``delta_aic`` (over the lowest), ``delta_bic``, ``weight`` (Akaike's: share of the evidence
        among these fits), ``log_likelihood_difference`` (less that of the first row),
        ``standard_error`` of it, ``p_value`` that both fits are equally near the truth, and
        ``within_noise``. NaN, and None, where there is no test.
    parameters : pandas.DataFrame
        Estimates: a row per fit, a column per parameter; NaN for those of other models.
    held_out : pandas.DataFrame or None
        From the backtest: by `fit`, `target` and `metric`, ``value`` (mean over cutoffs), and as
        ``Backtest.differences`` defines them ``difference`` (from the first fit of `table` that has
        this score), ``standard_error`` and ``within_noise``.
    notes : tuple of str
        What the numbers say.
    """

    table: pd.DataFrame
    parameters: pd.DataFrame
    held_out: pd.DataFrame | None
    notes: tuple[str, ...]

    @property
    def best(self) -> str:
        """Label of the fit with the lowest AIC."""
        return str(self.table.index[0])

    def to_dict(self) -> dict[str, Any]:
        """The same, of JSON's types: what is not a finite number is None."""
        return {
            "best": self.best,
            "fits": [
                {
                    **row,
                    "estimates": {
                        str(name): plain(value)
                        for name, value in self.parameters.loc[row["fit"]].dropna().items()
                    },
                }
                for row in records(self.table)
            ],
            "held_out": None if self.held_out is None else records(self.held_out),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        shown = self.table[
            ["parameters", "log_likelihood", "aic", "bic", "delta_aic", "weight", "p_value"]
        ]
        lines = [
            shown.to_string(float_format=_figure, na_rep="-", index_names=False),
            "",
            self.parameters.to_string(
                float_format=lambda v: f"{v:.4g}", na_rep="", index_names=False
            ),
        ]
        if self.held_out is not None:
            lines += ["", *_score_lines(self.held_out, list(self.table.index))]
        return "\n".join([*lines, "", *wrapped(self.notes)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Show the same in a notebook."""
        tables = [self.table, self.parameters]
        tables += [] if self.held_out is None else [self.held_out]
        shown = "\n".join(one.to_html(float_format=_figure, na_rep="") for one in tables)
        return f"{shown}\n<p>{'<br>'.join(map(html.escape, self.notes))}</p>"


def compare_fits(
    fits: Sequence[Fit] | Mapping[str, Fit], *, backtest: Backtest | None = None
) -> FitComparison:
    """Compare fits of one kind to the same customers, in sample and, given a backtest, held out.

    Parameters
    ----------
    fits : sequence of Fit, or mapping of label to Fit
        Purchase models or spend models, two or more. Without labels they are called by the names
        of their models.
    backtest : Backtest, optional
        What `backtest` returned for the same models. Its scores are those of the fit with the same
        label, or else of the only fit left of the model with that name.

    Returns
    -------
    FitComparison

    Raises
    ------
    DataError
        If the fits are of both kinds, of other customers or in another time unit, so that their
        likelihoods cannot be compared; or the backtest has none of them.

    Notes
    -----
    Fits of different models are compared by the test of Q. H. Vuong, "Likelihood Ratio Tests for
    Model Selection and Non-Nested Hypotheses", Econometrica 57 (1989) 307-333: the sum over
    customers of the differences of their log-likelihoods, less the difference of the numbers of
    parameters as in AIC, over its standard error. For nested models it finds too few differences:
    use `likelihood_ratio_test`. Two fits of one model (one has a ridge, say) are within noise if
    the lesser lies in the 95% likelihood region of the other. Both need the customers that a fit
    keeps in memory; with a fit read from a file, a difference of AIC below 2 counts as noise.

    Examples
    --------
    >>> import clvforecast as clv
    >>> rfm = clv.read_orders(clv.datasets.load_cdnow(sample=True)).summarize("W", "1997-09-30")
    >>> both = clv.compare_fits([clv.BGNBD.fit(rfm), clv.BGNBD.fit(rfm, ridge=0.01)])
    >>> both.table[["log_likelihood", "delta_aic"]].round(2)
                           log_likelihood  delta_aic
    fit
    BG/NBD                       -9582.43       0.00
    BG/NBD, ridge 0.01           -9611.70      58.55
    """
    labelled = _labelled(fits)
    _check_comparable(labelled)
    order = sorted(labelled, key=lambda label: labelled[label].aic)
    best = labelled[order[0]]
    lowest_bic = min(fit.bic for fit in labelled.values())
    weights = {label: math.exp((best.aic - labelled[label].aic) / 2) for label in order}
    rows = []
    for label in order:
        fit = labelled[label]
        first = label == order[0]
        error, p_value = (math.nan, math.nan) if first else _difference(best, fit)
        rows.append(
            {
                "model": fit.name,
                "ridge": fit.ridge,
                "customers": fit.customers,
                "parameters": fit.parameter_count,
                "log_likelihood": fit.log_likelihood,
                "aic": fit.aic,
                "bic": fit.bic,
                "delta_aic": fit.aic - best.aic,
                "delta_bic": fit.bic - lowest_bic,
                "weight": weights[label] / sum(weights.values()),
                "log_likelihood_difference": fit.log_likelihood - best.log_likelihood,
                "standard_error": error,
                "p_value": p_value,
                "within_noise": None if first else _is_noise(fit.aic - best.aic, p_value),
            }
        )
    index = pd.Index(order, name="fit")
    table = pd.DataFrame(rows, index=index).astype({"within_noise": "object"})
    parameters = pd.DataFrame([labelled[label].parameters for label in order], index=index)
    held_out = None if backtest is None else _held_out(labelled, order, backtest)
    notes = (*_said(table), *([] if held_out is None else _said_held_out(held_out)))
    return FitComparison(table, parameters, held_out, notes)


def _labelled(fits: Sequence[Fit] | Mapping[str, Fit]) -> dict[str, Fit]:
    pairs: list[tuple[str, Any]]
    if isinstance(fits, Mapping):
        pairs = [(str(label), fit) for label, fit in fits.items()]
    else:
        pairs = [("", fit) for fit in ([fits] if isinstance(fits, Fit) else fits)]
    for _, fit in pairs:
        if not isinstance(fit, Fit):
            raise DataError(f"compare_fits takes fits, not a {type(fit).__name__}.")
    if len(pairs) < 2:
        raise DataError(f"compare_fits needs two fits or more, not {len(pairs)}.")
    labelled: dict[str, Fit] = {}
    for label, fit in pairs:
        own = label or fit.name + (f", ridge {fit.ridge:g}" if fit.ridge else "")
        name, number = own, 1
        while name in labelled:
            number += 1
            name = f"{own} ({number})"
        labelled[name] = fit
    return labelled


def _check_comparable(labelled: Mapping[str, Fit]) -> None:
    (first, one), *others = labelled.items()
    for label, other in others:
        if isinstance(one.model, PurchaseModel) != isinstance(other.model, PurchaseModel):
            raise DataError(
                f"{first!r} and {label!r} are models of different things, purchases and spend. "
                "Compare each kind by itself."
            )
        for what, here, there in (
            ("customers", one.customers, other.customers),
            ("repeat customers", one.repeat_customers, other.repeat_customers),
            ("end of observation", one.until, other.until),
            ("time unit", one.time_unit, other.time_unit),
        ):
            if here != there and None not in (here, there):
                raise DataError(
                    f"{first!r} and {label!r} are not fitted to the same data ({what}: {here} and "
                    f"{there}), so their likelihoods cannot be compared. Fit both to one summary."
                )
        mine, its = one.cells, other.cells
        alone = one.effects is None and other.effects is None
        same = mine and its and mine.model is its.model
        if alone and mine and its and same and not _same_cells(mine, its):
            raise DataError(
                f"{first!r} and {label!r} are fitted to as many customers, but not to the same. "
                "Fit both to one summary."
            )


def _same_cells(one: Cells, other: Cells) -> bool:
    return (
        math.isclose(one.scale, other.scale, rel_tol=1e-9)
        and one.weights.shape == other.weights.shape
        and np.array_equal(one.weights, other.weights)
        and all(map(np.allclose, one.columns, other.columns))
    )


def _difference(best: Fit, other: Fit) -> tuple[float, float]:
    """Standard error of a difference of log-likelihoods, and the p-value that there is none."""
    if best.effects is not None or other.effects is not None:
        return math.nan, _nested_p_value(best, other)
    if best.cells is None or other.cells is None or not _same_cells(best.cells, other.cells):
        return math.nan, math.nan
    cells = best.cells
    differences = _rows(other, cells) - _rows(best, cells)
    error = _standard_error(differences, cells.weights)
    gain = best.log_likelihood - other.log_likelihood
    if type(best.model) is type(other.model) and best.model.settings == other.model.settings:
        return error, float(chdtrc(len(best.parameters), 2 * max(gain, 0.0)))
    gain -= best.parameter_count - other.parameter_count
    if error < _SAME * cells.customers:
        return error, 1.0
    return error, float(2 * ndtr(-abs(gain) / error))


def _nested_p_value(one: Fit, other: Fit) -> float:
    """Of the likelihood-ratio test, where one fit has what the other has and more; else NaN."""
    less, more = sorted((one, other), key=lambda fit: len(fit.parameters))
    nested = type(less.model) is type(more.model) and set(less.parameters) < set(more.parameters)
    if not nested or less.model.settings != more.model.settings or max(one.ridge, other.ridge) > 0:
        return math.nan
    gain = max(more.log_likelihood - less.log_likelihood, 0.0)
    return float(chdtrc(len(more.parameters) - len(less.parameters), 2 * gain))


def _rows(fit: Fit, cells: Cells) -> FloatArray:
    return fit.model.rescaled(1 / cells.scale).log_likelihood(*cells.columns)


def _standard_error(values: FloatArray, weights: FloatArray) -> float:
    """Of the weighted sum of the values of independent customers."""
    mean = float(weights @ values) / float(weights.sum())
    return math.sqrt(float(weights @ (values - mean) ** 2))


def _is_noise(delta_aic: float, p_value: float) -> bool:
    return delta_aic < _NO_PREFERENCE if math.isnan(p_value) else p_value > _NOISE


def _held_out(labelled: Mapping[str, Fit], order: list[str], backtest: Backtest) -> pd.DataFrame:
    scores = backtest.table
    there = [str(name) for name in scores["model"].unique()]
    names = _names_there(labelled, there)
    known = [label for label in order if label in names]
    if not known:
        raise DataError(
            f"The backtest has none of the fits {', '.join(map(repr, order))}. "
            f"{suggest(order[0], there)} Label the fits as the backtest does."
        )
    rows = []
    for target, metric in scores[["target", "metric"]].drop_duplicates().itertuples(index=False):
        chosen = scores[(scores["target"] == target) & (scores["metric"] == metric)]
        means = chosen.groupby("model")["value"].mean()
        scored = [label for label in known if names[label] in means.index]
        if len(scored) > 1:
            apart = backtest.differences(metric, target=target, than=names[scored[0]])
        for label in scored:
            name = names[label]
            row = {"fit": label, "target": target, "metric": metric, "value": float(means[name])}
            if label != scored[0]:
                row.update((key, apart.loc[name, key]) for key in _APART)
            rows.append(row)
    table = pd.DataFrame(rows).reindex(columns=["fit", "target", "metric", "value", *_APART])
    return table.set_index(["fit", "target", "metric"])


_APART: Final = ("difference", "standard_error", "within_noise")


def _names_there(labelled: Mapping[str, Fit], there: list[str]) -> dict[str, str]:
    """What the fits are called in a backtest; a name belongs to one fit."""
    names = {label: label for label in labelled if label in there}
    others = [label for label in labelled if label not in names]
    for label in others:
        name = labelled[label].name
        alone = sum(labelled[other].name == name for other in others) == 1
        if alone and name in there and name not in names:
            names[label] = name
    return names


def _score_lines(held_out: pd.DataFrame, order: list[str]) -> list[str]:
    """Scores with a column per fit; a star marks more than noise."""
    cells = [
        f"{value:.4g}{' ' if pd.isna(noise) or noise else '*'}"
        for value, noise in zip(held_out["value"], held_out["within_noise"], strict=True)
    ]
    shown = pd.Series(cells, index=held_out.index)
    fits = held_out.index.get_level_values("fit")
    wide = pd.DataFrame({label: shown.xs(label) for label in order if label in fits})
    return [*wide.to_string(na_rep="-").splitlines(), "* more than noise apart from the first"]


def _said(table: pd.DataFrame) -> list[str]:
    best, row = table.index[0], table.iloc[0]
    said = [f"{best} has the lowest AIC, with {row['weight']:.0%} of the Akaike weight."]
    for label, other in table.iloc[1:].iterrows():
        gain = -other["log_likelihood_difference"]
        tested = f"p = {other['p_value']:.2g}" if not math.isnan(other["p_value"]) else "no test"
        amount = f"{abs(gain):,.2f} in log-likelihood, {other['delta_aic']:,.2f} in AIC ({tested})"
        said.append(
            f"{label} differs from it by {amount}: "
            + ("within noise." if other["within_noise"] else "more than noise.")
        )
    if (table["ridge"] > 0).any():
        said.append(
            "A ridge lowers the likelihood on purpose and AIC counts its parameters in full: judge "
            "it by held-out scores."
        )
    return said


def _said_held_out(held_out: pd.DataFrame) -> list[str]:
    known = held_out[held_out["difference"].notna()]
    labels = known.index.get_level_values("fit")
    said = []
    for label in dict.fromkeys(labels):
        own = known[labels == label]
        noise = own["within_noise"].astype(bool).to_numpy()
        apart = [f"{metric} of {target}" for _, target, metric in own.index[~noise]]
        said.append(
            f"Held out, {label} differs by more than noise in "
            f"{len(apart)} of {len(own)} scores{': ' if apart else ''}{', '.join(apart)}."
        )
    return said


def _figure(value: float) -> str:
    return f"{value:,.2f}" if abs(value) >= 1 or value == 0 else f"{value:.2g}"
