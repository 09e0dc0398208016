"""Rolling-origin backtests: every forecast is made again from what was known at a cutoff."""

from __future__ import annotations

import datetime as dt
import multiprocessing
import signal
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from clvforecast.errors import DataError, FitWarning
from clvforecast.evaluation.baselines import SIMPLE_FORMULA, baseline_forecasts
from clvforecast.evaluation.origins import Origin, OriginResult, evaluate
from clvforecast.evaluation.plans import ModelChoice, Plan, chosen_cutoffs
from clvforecast.evaluation.results import Backtest, spread
from clvforecast.metrics.checks import checked_count
from clvforecast.progress import tracked
from clvforecast.transactions.timing import purchase_timing
from clvforecast.units import Duration, check_time_unit

if TYPE_CHECKING:
    from clvforecast.transactions import Transactions

__all__ = ["backtest"]


def backtest(
    orders: Transactions,
    models: Sequence[ModelChoice] | Mapping[str, ModelChoice] | None = None,
    *,
    cutoffs: Sequence[str | dt.date] | str | dt.date | None = None,
    n: int | None = None,
    horizon: Duration = "26W",
    time_unit: str = "W",
    level: float = 0.90,
    metrics: Sequence[str] | None = None,
    baselines: bool | Sequence[str] = True,
    ridge: float = 0.0,
    replicates: int = 200,
    seed: int = 0,
    workers: int | None = None,
    progress: bool = False,
) -> Backtest:
    """Hold forecasts against what then happened, at several cutoffs of the log.

    Parameters
    ----------
    orders : Transactions
        What `read_orders` returns.
    models : sequence or dict, optional
        Purchase models, each paired with Gamma-Gamma, or (purchase, spend) pairs; or a dict of
        either by the name to give it. Models are classes, or say how they are fitted, as a
        `Specification` or in text; covariates are segment columns. Default: BG/NBD with
        Gamma-Gamma.
    cutoffs : sequence of str or datetime.date, optional
        The last days of calibration.
    n : int, optional
        Instead of `cutoffs`: how many, equally spaced. The last one leaves just the holdout, the
        first lies half-way between it and the first order. Default: 3.
    horizon : float or str
        Length of every holdout, such as "26W", or a number in `time_unit`; whole days of it count.
    time_unit : {"D", "W", "M", "Y"}
        The unit of the summaries. It changes no score beyond rounding.
    level : float
        Probability of the predictive intervals.
    metrics : sequence of str, optional
        Which of "bias", "mae", "rmse", "log_score", "crps", "coverage", "width",
        "interval_score", "gini", "top_decile", "decile_error" and "spearman" to work out; see
        `clvforecast.metrics`. Default: all.
    baselines : bool or sequence of str
        Which baselines to hold the models against; see below. Default: all.
    ridge : float
        As in the models' ``fit``.
    replicates : int
        Bootstrap replicates for the standard errors, at least 2.
    seed : int
        Seed of the random numbers.
    workers : int, optional
        In how many processes to work on the cutoffs. Default: this one alone. More pay where
        the work takes longer than the seconds in which new processes start; a script must then be
        guarded by ``if __name__ == "__main__":``. The result is the same to rounding,
        whatever their number.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Backtest

    Raises
    ------
    DataError
        If a holdout does not fit into the log, nobody had bought by a cutoff, or an argument is
        not what it should be.
    FitError
        If a model cannot be fitted at a cutoff.

    Warns
    -----
    FitWarning
        What the fits warn of, with the cutoff.

    Notes
    -----
    Everything is made from ``orders.split(cutoff, horizon)``: models and baselines see the log up
    to the cutoff alone. Customers who first bought later are not scored. Spend is what customers
    paid, net of refunds: undiscounted and without a margin.

    Baselines, whose expectations are

    - "simple formula": the simple historical formula at its rate, over the horizon. A customer's
      purchase days so far, the first included, and revenue so far, both over the length of the
      log up to the cutoff and times the horizon (``HistoricalCLV.project``);
    - "own rate": repeat purchases, and what they came to, over the time since the customer's first
      purchase and times the horizon; 0 for one who first bought on the last day;
    - "cohort mean": the mean over all customers acquired in the same month of what each would buy
      if he went on as older ones did: the rate at each day of age is that of all customers who had
      reached it by the cutoff. The oldest ages (28 days, and those that fewer than a tenth had
      reached) have one rate together, and later ages have it, too. Each purchase is worth the
      cohort's mean repeat purchase, or the log's where it has none;
    - "nothing": 0.

    Standard errors are those of a bootstrap over customers [1]_: the same draws for all models and
    cutoffs. They say how much depends on which customers there are, not on which season it was.

    Processes are started afresh (``spawn``), by the standard library, and are sent summaries, not
    orders: the engine answers here alone, and no open connection is shared.

    References
    ----------
    .. [1] B. Efron and R. J. Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 6.
    .. [2] L. J. Tashman, "Out-of-sample tests of forecasting accuracy", International Journal of
       Forecasting 16 (2000), on rolling origins.

    Examples
    --------
    >>> import clvforecast as clv
    >>> orders = clv.read_orders(clv.datasets.load_cdnow(sample=True))
    >>> past = clv.backtest(orders, n=2, horizon="26W", replicates=20)
    >>> past.summary("crps", target="spend").round(1)
    cutoff          1997-07-01  1997-12-30  mean
    model
    BG/NBD                17.1        12.6  14.9
    simple formula        54.2        36.8  45.5
    own rate              37.6        26.7  32.2
    cohort mean           42.8        31.0  36.9
    nothing               23.1        18.3  20.7
    """
    if not hasattr(orders, "split"):
        raise DataError(
            f"backtest needs the Transactions that clv.read_orders returns, not a "
            f"{type(orders).__name__}."
        )
    plan = Plan.checked(
        models,
        baselines=baselines,
        metrics=metrics,
        horizon=horizon,
        time_unit=check_time_unit(time_unit),
        level=level,
        ridge=ridge,
        replicates=replicates,
        seed=seed,
    )
    count = 1 if workers is None else checked_count(workers, "workers", 1)
    days = chosen_cutoffs(orders, cutoffs, n, plan.horizon_days)

    cut = tracked(days, len(days), "Cutting the log", shown=progress)
    origins, everyone = _origins(orders, cut, plan)
    done = _evaluated(origins, plan, min(count, len(days)))
    results = list(tracked(done, len(days), "Backtesting", shown=progress))
    for remark in (remark for result in results for remark in result.remarks):
        warnings.warn(remark, FitWarning, stacklevel=2)
    return _gathered(results, plan, everyone)


def _evaluated(origins: list[Origin], plan: Plan, workers: int) -> Iterator[OriginResult]:
    """Evaluate the origins in their order, here or in so many processes."""
    if workers == 1:
        yield from (evaluate(origin, plan) for origin in origins)
        return
    pool = ProcessPoolExecutor(
        workers, mp_context=multiprocessing.get_context("spawn"), initializer=_die_on_interrupt
    )
    try:
        with _interrupts_held():  # a worker that is still importing would raise one there
            done = pool.map(evaluate, origins, [plan] * len(origins))
        yield from done
    except BrokenProcessPool:
        raise DataError(
            f"workers={workers}: the processes could not be started, or died. A script must be "
            'guarded by `if __name__ == "__main__":`. Or leave workers= out.'
        ) from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _die_on_interrupt() -> None:
    """Let Ctrl-C end a worker without a word: this process speaks for all."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Keep Ctrl-C waiting, also in processes started meanwhile, where the system can."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _gathered(results: list[OriginResult], plan: Plan, everyone: pd.Index[Any]) -> Backtest:
    days = [result.cutoff for result in results]
    stamps = pd.DatetimeIndex(days).as_unit("us")
    replicated = np.concatenate([result.replicates for result in results])
    table = pd.concat(
        [result.table.assign(cutoff=stamp) for stamp, result in zip(stamps, results, strict=True)],
        ignore_index=True,
    ).assign(standard_error=spread(replicated))
    return Backtest(
        table=table[["cutoff", "model", "target", "metric", "value", "standard_error", "skill"]],
        customers=_customers(results, stamps, everyone),
        fits={
            (result.cutoff, name): pair for result in results for name, pair in result.fits.items()
        },
        cutoffs=tuple(days),
        models=tuple(plan.models),
        baselines=plan.baselines,
        horizon_days=plan.horizon_days,
        time_unit=plan.time_unit,
        level=plan.level,
        replicates=plan.replicates,
        _replicated=replicated,
    )


def _customers(
    results: list[OriginResult], stamps: pd.DatetimeIndex, everyone: pd.Index[Any]
) -> pd.DataFrame:
    """The tables of all origins and models as one, sorted by cutoff, model as given, customer."""
    names = list(results[0].customers)
    frames = [frame for result in results for frame in result.customers.values()]
    sizes = [len(frame) for frame in frames]
    blocks = np.arange(len(frames))
    levels: list[Any] = [stamps, pd.Index(names), everyone]
    codes: list[Any] = [
        np.repeat(blocks // len(names), sizes),
        np.repeat(blocks % len(names), sizes),
        np.concatenate([everyone.get_indexer(frame.index) for frame in frames]),
    ]
    table = pd.concat(frames, ignore_index=True)
    table.index = pd.MultiIndex(
        levels=levels,
        codes=codes,
        names=["cutoff", "model", "customer_id"],
    )
    return table


def _origins(
    orders: Transactions, days: Iterable[dt.date], plan: Plan
) -> tuple[list[Origin], pd.Index[Any]]:
    """Cut the log at every day, so that what follows needs no engine; and name all customers."""
    found = []
    everyone: pd.Index[Any] | None = None
    for day in days:
        calibration, holdout = orders.split(day, f"{plan.horizon_days}D", plan.time_unit)
        if plan.variables:
            attrs = calibration.attrs
            calibration = calibration.join(orders.customer_segments(day)[list(plan.variables)])
            calibration.attrs = attrs
        timing = purchase_timing(orders, calibration) if plan.uses_timing else None
        baselines = baseline_forecasts(orders, calibration, plan.horizon_days)
        names = dict.fromkeys((SIMPLE_FORMULA, *plan.baselines))
        wanted = {name: baselines[name] for name in names}
        found.append((day, calibration, holdout, wanted, timing))
        index = calibration.index
        everyone = index if everyone is None else everyone.union(index)
    if everyone is None:
        raise DataError("cutoffs=[] names no day. Leave it out, or give days such as '2024-06-30'.")
    origins = [
        Origin(
            day,
            calibration,
            holdout,
            wanted,
            np.asarray(everyone.get_indexer(calibration.index), dtype=np.int64),
            len(everyone),
            timing,
        )
        for day, calibration, holdout, wanted, timing in found
    ]
    return origins, everyone
