"""`select`: fit several models of purchases, and say which to use."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import pandas as pd

from clvforecast.documents import records
from clvforecast.errors import DataError, FitError, suggest
from clvforecast.evaluation.backtesting import backtest
from clvforecast.evaluation.choice import FitComparison, compare_fits
from clvforecast.evaluation.stacking import StackingWeights, stacking_weights
from clvforecast.fitting import Fit, Stack
from clvforecast.fitting.specification import ModelLike, Specification
from clvforecast.models import MODELS, PurchaseModel
from clvforecast.progress import tracked
from clvforecast.transactions.timing import Timing, purchase_timing
from clvforecast.units import Duration
from clvforecast.wording import format_number, wrapped

if TYPE_CHECKING:
    from clvforecast.evaluation.results import Backtest
    from clvforecast.transactions import Transactions

__all__ = ["Candidate", "Selection", "select"]

Candidate: TypeAlias = "str | ModelLike"

_CRITERIA: Final = ("bic", "aic", "backtest")
_TARGET: Final = "purchases"
_NO_PREFERENCE: Final = 2.0
"""Of AIC and BIC: R. E. Kass and A. E. Raftery, "Bayes Factors", Journal of the American
Statistical Association 90 (1995) 773-795, section 3.2: not worth more than a bare mention."""


@dataclass(frozen=True, eq=False, repr=False)
class Selection:
    """Models of purchases side by side, and which to use. Made by `select`; printing it says it.

    Attributes
    ----------
    table : pandas.DataFrame
        A row per `model`, the best first: `parameters`, `log_likelihood`, `aic`, `bic`; with a
        backtest `score` (mean over the cutoffs of the metric asked for); `difference` to the best
        by the criterion, with a backtest its `standard_error`, and `within_noise`; stacked, the
        `weight`.
    fits : dict of str to Fit
        To all orders, by model, in the same order.
    by : str
        The criterion.
    metric : str
        Of the backtest.
    comparison : FitComparison or None
        What `compare_fits` says of the fits; None where only one could be fitted.
    backtest : Backtest or None
        With `by` "backtest".
    notes : tuple of str
        What could not be fitted, and what fits warn of.
    stacking : StackingWeights or None
        The weights of a mixture of all, and what they are worth; with `stack` True.
    """

    table: pd.DataFrame
    fits: dict[str, Fit]
    by: str
    metric: str
    comparison: FitComparison | None
    backtest: Backtest | None
    notes: tuple[str, ...]
    stacking: StackingWeights | None = None

    @property
    def stack(self) -> Stack | None:
        """All fits with their weights, which goes to `forecast` where a fit goes; if asked for."""
        return None if self.stacking is None else self.stacking.stack_of(self.fits)

    @property
    def best(self) -> Fit:
        """The fit of the model to use."""
        return next(iter(self.fits.values()))

    @property
    def ties(self) -> list[str]:
        """Models that are within noise of the best."""
        return [str(name) for name in self.table.index[1:] if self.table["within_noise"][name]]

    def to_dict(self) -> dict[str, Any]:
        """Everything but the fits' data, of JSON's types."""
        return {
            "best": str(self.table.index[0]),
            "by": self.by,
            "metric": self.metric if self.backtest is not None else None,
            "models": records(self.table),
            "comparison": None if self.comparison is None else self.comparison.to_dict(),
            "backtest": None if self.backtest is None else self.backtest.to_dict(),
            "stacking": None if self.stacking is None else self.stacking.to_dict(),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        shown = self.table.drop(columns="within_noise")
        text = shown.to_string(float_format=format_number, na_rep="-", index_names=False)
        return "\n".join([*wrapped([self._verdict()]), "", text, *self._closing()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Show the same in a notebook."""
        table = self.table.to_html(float_format=format_number, na_rep="")
        said = "".join(f"<p>{html.escape(note)}</p>" for note in self._remarks())
        return f"<p>{html.escape(self._verdict())}</p>\n{table}\n{said}"

    def _verdict(self) -> str:
        name = self.table.index[0]
        how = {
            "bic": "the lowest BIC",
            "aic": "the lowest AIC",
            "backtest": f"the best {self.metric} held out",
        }[self.by]
        if len(self.table) == 1:
            return f"Use {name}, the only one that could be fitted."
        if not self.ties:
            return f"Use {name}: it has {how}, by more than noise."
        others = ", ".join(self.ties)
        return f"Use {name}: it has {how}, but these data cannot tell it from {others}."

    def _closing(self) -> list[str]:
        remarks = self._remarks()
        return ["", *wrapped(remarks)] if remarks else []

    def _remarks(self) -> tuple[str, ...]:
        if self.stacking is None:
            return self.notes
        return (*self.stacking.notes, *self.notes)


def select(
    orders: Transactions | pd.DataFrame,
    candidates: Sequence[Candidate] | None = None,
    *,
    by: str = "bic",
    metric: str = "crps",
    time_unit: str = "W",
    horizon: Duration = "26W",
    n: int = 3,
    ridge: float = 0.0,
    replicates: int = 200,
    seed: int = 0,
    stack: bool = False,
    progress: bool = False,
) -> Selection:
    """Fit models of purchases, hold them beside each other, and say which to use.

    Parameters
    ----------
    orders : Transactions or DataFrame
        What `read_orders` returns; or an RFM summary, of which there is no backtest.
    candidates : sequence of str, type of PurchaseModel or Specification, optional
        Models, how they are fitted, or either as text, such as "mbgnbd" and "mbgnbd; calendar:
        month" (see `Specification.of`). Default: all models of purchases.
    by : {"bic", "aic", "backtest"}
        The lowest Bayesian or Akaike information criterion in sample; or the best score held out.
    metric : str
        Of the backtest, of purchases: see `backtest`.
    time_unit, horizon, n, replicates, seed
        As of `summarize` and `backtest`; with a summary only `ridge` counts.
    ridge : float
        As in the models' ``fit``.
    stack : bool
        Weight all models so that mixed they foretold best (`stacking_weights`), by the backtest:
        `Selection.stack` goes to `forecast`.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Selection

    Raises
    ------
    DataError
        If a candidate is unknown or given twice, the criterion is, or there is nothing to backtest,
        or to stack by.
    FitError
        If no candidate can be fitted.

    Notes
    -----
    Models with as many parameters have the same order by AIC and BIC. In sample, a difference of
    up to 2 counts as noise; `comparison` has the test of Vuong besides. Held out, differences are
    within noise below 1.96 standard errors of the paired bootstrap, as in `Backtest.differences`.

    A backtest judges what forecasts are for, but by a few holdouts; information criteria use
    every purchase, but judge how well the past is described. Where they disagree, believe the
    backtest about the horizon that it had.

    Examples
    --------
    >>> import clvforecast as clv
    >>> orders = clv.read_orders(clv.datasets.load_cdnow(sample=True))
    >>> rfm = orders.summarize(time_unit="W", until="1997-09-30")
    >>> found = clv.select(rfm, ["bgnbd", "mbgnbd"])
    >>> print(str(found).splitlines()[0])
    Use MBG/NBD: it has the lowest BIC, but these data cannot tell it from BG/NBD.
    >>> found.table[["log_likelihood", "difference"]].round(2)
             log_likelihood  difference
    model
    MBG/NBD        -9582.14        0.00
    BG/NBD         -9582.43        0.59
    """
    if by not in _CRITERIA:
        raise DataError(f"by={by!r} is no criterion. {suggest(str(by), _CRITERIA)}")
    if stack and by != "backtest":
        raise DataError(
            f"Models are stacked by what they foretold, not by {by!r}. Give by='backtest', too."
        )
    models = _checked_candidates(candidates)
    is_summary = isinstance(orders, pd.DataFrame)
    if is_summary and by == "backtest":
        raise DataError("A summary cannot be backtested. Give the orders, or by='bic'.")
    if isinstance(orders, pd.DataFrame):
        rfm, timing = orders, None
    else:
        variables = dict.fromkeys(name for model in models for name in model.variables)
        rfm = orders.summarize(time_unit, segments=list(variables))
        asked = any(model.uses_timing for model in models)
        timing = purchase_timing(orders, rfm) if asked else None
    fits, notes = _fits(models, rfm, timing, ridge=ridge, progress=progress)
    past = None
    if by == "backtest" and not isinstance(orders, pd.DataFrame):
        past = backtest(
            orders,
            [model for model in models if model.name in fits],
            n=n,
            horizon=horizon,
            time_unit=time_unit,
            metrics=[metric],
            baselines=False,
            ridge=ridge,
            replicates=replicates,
            seed=seed,
            progress=progress,
        )
    table = _table(fits, by, metric, past)
    stacking = None
    if stack and past is not None:
        stacking = stacking_weights(past, replicates=replicates, seed=seed)
        table = table.join(stacking.table["weight"])
    ordered = {str(name): fits[str(name)] for name in table.index}
    return Selection(
        table=table,
        fits=ordered,
        by=by,
        metric=metric,
        comparison=compare_fits(ordered) if len(ordered) > 1 else None,
        backtest=past,
        notes=notes,
        stacking=stacking,
    )


def _checked_candidates(given: Sequence[Candidate] | None) -> list[Specification]:
    known = {name: model for name, model in MODELS.items() if issubclass(model, PurchaseModel)}
    if given is None:
        return [Specification.of(model) for model in known.values()]
    chosen: list[Specification] = []
    for candidate in [given] if isinstance(given, str | type | Specification) else given:
        named = str(candidate).partition(";")[0].strip().lower()
        if isinstance(candidate, str) and named not in known:
            raise DataError(f"{named!r} is no model of purchases. {suggest(named, known)}")
        model = Specification.of(candidate)
        if not issubclass(model.model, PurchaseModel):
            raise DataError(f"{candidate!r} is no model of purchases. {suggest('', known)}")
        if model.name in [other.name for other in chosen]:
            raise DataError(f"candidates has {model.name} twice. Leave one out.")
        chosen.append(model)
    if not chosen:
        raise DataError("candidates=[] names no model. Leave it out for all of them.")
    return chosen


def _fits(
    models: Sequence[Specification],
    rfm: pd.DataFrame,
    timing: Timing | None,
    *,
    ridge: float,
    progress: bool,
) -> tuple[dict[str, Fit], tuple[str, ...]]:
    """Fit what can be fitted; the reasons why others cannot, and what the fits remark."""
    fits: dict[str, Fit] = {}
    notes = []
    for model in tracked(models, len(models), "Fitting the models", shown=progress):
        try:
            fits[model.name] = model.fit(rfm, ridge=ridge, orders=timing)
        except FitError as error:
            notes.append(f"{model.name} cannot be fitted: {error}")
    if not fits:
        raise FitError(" ".join(notes))
    notes += [
        f"{name}: k = 1 fits best, where purchases are no more regular than at random."
        for name, fit in fits.items()
        if fit.model.settings.get("k") == 1
    ]
    notes += [f"{name}: {remark}" for name, fit in fits.items() for remark in fit.remarks]
    return fits, tuple(notes)


def _table(fits: dict[str, Fit], by: str, metric: str, past: Backtest | None) -> pd.DataFrame:
    names = pd.Index(fits, name="model")
    table = pd.DataFrame(
        {
            "parameters": [fit.parameter_count for fit in fits.values()],
            "log_likelihood": [fit.log_likelihood for fit in fits.values()],
            "aic": [fit.aic for fit in fits.values()],
            "bic": [fit.bic for fit in fits.values()],
        },
        index=names,
    )
    if past is None:
        table = table.sort_values(by, kind="stable")
        difference = table[by] - table[by].iloc[0]
        return table.assign(difference=difference, within_noise=difference <= _NO_PREFERENCE)
    held_out = past.differences(metric, _TARGET).rename(columns={"value": "score"})
    return table.loc[held_out.index].join(
        held_out[["score", "difference", "standard_error", "within_noise"]]
    )
