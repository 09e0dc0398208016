"""`stacking_weights`: models weighted so that together they foretold best."""

from __future__ import annotations

import datetime as dt
import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from clvforecast.documents import records
from clvforecast.errors import DataError, suggest
from clvforecast.evaluation.origins import resampled
from clvforecast.evaluation.simplex import MixtureWeights, likeliest_weights
from clvforecast.fitting import Fit, Stack
from clvforecast.metrics.checks import checked_count
from clvforecast.numerics.arrays import (
    BoolArray,
    FloatArray,
    IntArray,
    distinct_rows,
    sums_by_code,
)
from clvforecast.wording import format_number, wrapped

if TYPE_CHECKING:
    from clvforecast.evaluation.results import Backtest

__all__ = ["StackingWeights", "stacking_weights"]

_INTERVAL: Final = (0.025, 0.975)
_TWO_SIDED_95: Final = 1.96
_SAME: Final = 1e-9
"""Nats: models that say the same, such as a more general one at the values of its special case."""


@dataclass(frozen=True, eq=False, repr=False)
class StackingWeights:
    """Weights of models of purchases, by what they foretold. Made by `stacking_weights`.

    Attributes
    ----------
    table : pandas.DataFrame
        A row per `model`: its `weight`, the `standard_error` of that, `lower` and `upper` (95% of
        the replicates lie between; 0 there means that it may as well be left out), and the
        `log_score` it has alone, in nats a forecast, smaller is better.
    log_score : float
        Of the mixture, on the same forecasts: never worse than the best in `table`.
    gap : float
        By how much any other weights could be better at most.
    later : pandas.DataFrame
        What the weights are worth: a row per `cutoff` by which the holdouts of earlier ones had
        ended. With weights of those alone, the `log_score` of the mixture; the model that was
        `best` alone at those, with its `best_log_score`; the `difference` (below 0 the mixture was
        better) and its `standard_error` over customers. Empty where holdouts overlap too much.
    forecasts : int
        How many the weights are made of: a customer counts at every cutoff.
    replicates : int
        Of the bootstrap.
    notes : tuple of str
        What the numbers say.
    """

    table: pd.DataFrame
    log_score: float
    gap: float
    later: pd.DataFrame
    forecasts: int
    replicates: int
    notes: tuple[str, ...]

    def stack_of(self, fits: Mapping[str, Fit]) -> Stack:
        """Fits of the models, by the names in `table`, with these weights.

        Raises
        ------
        DataError
            If a model has none.
        """
        for name in self.table.index:
            if name not in fits:
                raise DataError(f"There is no fit of {name}. {suggest(str(name), fits)}")
        return Stack([fits[name] for name in self.table.index], self.table["weight"].tolist())

    def to_dict(self) -> dict[str, Any]:
        """The same, of JSON's types: what is not a finite number is None."""
        return {
            "models": records(self.table),
            "log_score": self.log_score,
            "gap": self.gap,
            "later": records(self.later),
            "forecasts": self.forecasts,
            "replicates": self.replicates,
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        text = self.table.to_string(float_format=format_number, na_rep="-", index_names=False)
        return "\n".join([text, "", *wrapped(self.notes)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Show the same in a notebook."""
        table = self.table.to_html(float_format=format_number, na_rep="")
        return table + "".join(f"\n<p>{html.escape(note)}</p>" for note in self.notes)


def stacking_weights(
    backtest: Backtest, *, replicates: int = 200, seed: int = 0
) -> StackingWeights:
    """Weights with which models of purchases, mixed, would have foretold best.

    Parameters
    ----------
    backtest : Backtest
        Of the models to weight.
    replicates : int
        Bootstrap replicates for the standard errors, at least 2.
    seed : int
        Seed of the random numbers: that of the backtest draws the same customers.

    Returns
    -------
    StackingWeights

    Raises
    ------
    DataError
        If no model gave any customer's purchases a probability above 0, or an argument is not what
        it should be.

    Notes
    -----
    The weights are 0 or more, sum to 1, and maximise the sum over customers and cutoffs of the
    logarithm of ``sum over models of weight * probability of the purchases that came`` [1]_,
    section 3.1, with holdouts in time for cross-validation. The maximum is a global one; `gap`
    proves it.

    They are no probabilities that a model is true. Of two models that say nearly the same, one may
    get all the weight of both, so a weight of 0 does not mean that a model is bad. Of models that
    say the same to 1e-9, the first gets it.

    A standard error is that of a bootstrap over customers, who are drawn for all cutoffs together.

    References
    ----------
    .. [1] Y. Yao, A. Vehtari, D. Simpson and A. Gelman, "Using Stacking to Average Bayesian
       Predictive Distributions", Bayesian Analysis 13 (2018) 917-1003.

    Examples
    --------
    >>> import clvforecast as clv
    >>> orders = clv.read_orders(clv.datasets.load_cdnow(sample=True))
    >>> past = clv.backtest(orders, [clv.BGNBD, clv.ParetoNBD], n=2, horizon="13W", replicates=2)
    >>> found = clv.stacking_weights(past, replicates=50)
    >>> found.table[["weight", "standard_error"]].round(2)
                weight  standard_error
    model
    BG/NBD        0.48            0.15
    Pareto/NBD    0.52            0.15
    """
    count = checked_count(replicates, "replicates", 2)
    checked_seed = checked_count(seed, "seed", 0)
    past = _forecasts(backtest)
    best = _best(past)
    drawn = _replicated(past, best.weights, count, checked_seed)
    lower, upper = np.quantile(drawn, _INTERVAL, axis=0)
    table = pd.DataFrame(
        {
            "weight": best.weights,
            "standard_error": drawn.std(axis=0, ddof=1),
            "lower": lower,
            "upper": upper,
            "log_score": -past.log_p.mean(axis=0),
        },
        index=pd.Index(backtest.models, name="model"),
    )
    score = float(_log_scores(past.log_p, best.weights).mean())
    later = _later(backtest, past)
    notes = (*_notes(table, score, later), *_doubles(past, backtest.models))
    if lost := int((~past.possible).sum()):
        notes = (*notes, f"{lost:,} forecasts do not count: no model called possible what came.")
    return StackingWeights(
        table=table,
        log_score=score,
        gap=best.gap,
        later=later,
        forecasts=len(past.log_p),
        replicates=count,
        notes=notes,
    )


class _Forecasts(NamedTuple):
    """What models said of what came, a row for each customer and cutoff."""

    log_p: FloatArray
    """Shape (n, models)."""
    cutoff: IntArray
    """Which it was, in the order of the backtest's."""
    customer: IntArray
    customers: int
    like: IntArray
    """For every model the first that said the same of everything; itself, if none did before."""

    @property
    def possible(self) -> BoolArray:
        """Whether any model gave it a probability above 0."""
        return np.asarray(np.isfinite(self.log_p.max(axis=1)))


def _forecasts(backtest: Backtest) -> _Forecasts:
    score = backtest.customers["purchases_log_score"].to_numpy()
    index: Any = backtest.customers.index
    cutoffs, models, everyone = index.levels
    cutoff, model, customer = index.codes
    of_model = [np.flatnonzero(model == models.get_loc(name)) for name in backtest.models]
    # In a backtest the customers of every model are the same, in the same order.
    rows = of_model[0]
    days = cutoffs.get_indexer(pd.DatetimeIndex(list(backtest.cutoffs)))
    log_p = -np.stack([score[some] for some in of_model], axis=1)
    place = np.argsort(days)[cutoff[rows]]
    like = [
        next(k for k in range(j + 1) if np.allclose(log_p[:, k], log_p[:, j], rtol=0, atol=_SAME))
        for j in range(log_p.shape[1])
    ]
    who = customer[rows].astype(np.int64)
    found = _Forecasts(log_p, place, who, len(everyone), np.array(like))
    if not found.possible.any():
        raise DataError("No model of this backtest called possible what came. Look at the orders.")
    return found


def _relative(log_p: FloatArray) -> FloatArray:
    """Probabilities over the highest of each row; logarithms of all of them may be very low."""
    return np.asarray(np.exp(log_p - log_p.max(axis=1, keepdims=True)))


def _best(past: _Forecasts, cutoffs: Sequence[int] | None = None) -> MixtureWeights:
    """By all cutoffs, or by some."""
    some = past.possible if cutoffs is None else past.possible & np.isin(past.cutoff, cutoffs)
    own = np.unique(past.like)
    probabilities = _relative(past.log_p[np.ix_(some, own)])
    found = likeliest_weights(probabilities, np.ones(len(probabilities)))
    return MixtureWeights(_of_all(past, found.weights), found.gap)


def _of_all(past: _Forecasts, weights: FloatArray) -> FloatArray:
    """Weights of all models: of those that say the same, the first has the weight."""
    found = np.zeros(past.log_p.shape[1])
    found[np.unique(past.like)] = weights
    return found


def _replicated(past: _Forecasts, weights: FloatArray, replicates: int, seed: int) -> FloatArray:
    """Weights of resampled customers, shape (replicates, models)."""
    own = np.unique(past.like)
    log_p = past.log_p[np.ix_(past.possible, own)]
    # Customers share few histories: each set of probabilities is looked at once.
    cell = np.zeros(len(log_p), dtype=np.int64)
    for column in log_p.T:
        cell = distinct_rows(cell.astype(float), column)[1]
    one_each = np.empty(int(cell.max()) + 1, dtype=np.int64)
    one_each[cell] = np.arange(cell.size)
    cells = _relative(log_p[one_each])
    inside = 0.5 * (weights[own] + 1.0 / own.size)
    found = []
    for drawn in resampled(past.customer[past.possible], past.customers, replicates, seed):
        if drawn.any():
            counts = sums_by_code(cell, drawn, len(cells))
            found.append(_of_all(past, likeliest_weights(cells, counts, inside).weights))
        else:
            found.append(weights)
    return np.array(found)


def _log_scores(log_p: FloatArray, weights: FloatArray) -> FloatArray:
    """Of the mixture, for every forecast."""
    with np.errstate(divide="ignore"):
        return np.asarray(-logsumexp(log_p, axis=1, b=weights))


def _later(backtest: Backtest, past: _Forecasts) -> pd.DataFrame:
    """What weights were worth at cutoffs by which the holdouts that they are of had ended."""
    length = dt.timedelta(days=backtest.horizon_days)
    rows = []
    for place, day in enumerate(backtest.cutoffs):
        ended = [k for k, earlier in enumerate(backtest.cutoffs) if earlier + length <= day]
        before = np.isin(past.cutoff, ended)
        if not (before & past.possible).any():
            continue
        log_p = past.log_p[past.cutoff == place]
        mixed = _log_scores(log_p, _best(past, ended).weights)
        best = int(np.argmax(past.log_p[before].mean(axis=0)))
        alone = -log_p[:, best]
        with np.errstate(invalid="ignore"):
            difference = mixed - alone
        # The mixture may be the best one alone, but for the rounding of logarithms.
        difference[np.abs(difference) < _SAME] = 0.0
        rows.append(
            {
                "cutoff": pd.Timestamp(day),
                "log_score": mixed.mean(),
                "best": backtest.models[best],
                "best_log_score": alone.mean(),
                "difference": difference.mean(),
                "standard_error": difference.std(ddof=1) / math.sqrt(difference.size),
            }
        )
    columns = ["log_score", "best", "best_log_score", "difference", "standard_error"]
    return pd.DataFrame(rows, columns=["cutoff", *columns]).set_index("cutoff")


def _notes(table: pd.DataFrame, score: float, later: pd.DataFrame) -> tuple[str, ...]:
    alone = str(table["log_score"].idxmin())
    if table["weight"].max() == 1:
        notes = [f"All weight is on {alone}: mixed with others, it would have foretold no better."]
    else:
        notes = [
            f"Mixed with these weights, the log score is {score:.5f} nats a forecast, and that of "
            f"{alone}, the best alone, {table['log_score'][alone]:.5f}, on the forecasts that the "
            "weights are made of."
        ]
        if (table["weight"] == 0).any():
            notes.append(
                "Models with weight 0 may be good alone: mixed, the others do without them."
            )
    notes += [_verdict(f"{day:%Y-%m-%d}", row) for day, row in later.iterrows()]
    if later.empty:
        notes.append(
            "No holdout had ended by a later cutoff, so what weights are worth is not known: give "
            "a shorter horizon=, or more cutoffs."
        )
    return tuple(notes)


def _verdict(day: str, row: pd.Series[Any]) -> str:
    """What weights of earlier cutoffs were worth on a day."""
    given = f"At {day}, with weights of earlier cutoffs, the mixture was"
    best, difference, error = row["best"], row["difference"], row["standard_error"]
    if error == 0:
        return f"{given} {best}, the best alone until then."
    better = "better" if difference <= 0 else "worse"
    noise = ", which is noise" if abs(difference) < _TWO_SIDED_95 * error else ""
    return (
        f"{given} {better} than {best}, the best alone until then, by {abs(difference):.5f} "
        f"(standard error {error:.5f}){noise}."
    )


def _doubles(past: _Forecasts, models: Sequence[str]) -> list[str]:
    pairs = [(j, k) for j, k in enumerate(past.like.tolist()) if j != k]
    return [f"{models[j]} said what {models[k]} said, which has the weight." for j, k in pairs]
