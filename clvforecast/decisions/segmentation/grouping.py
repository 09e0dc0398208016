"""`segments`: who is worth what, group by group, and how sure that is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from clvforecast.decisions.segmentation.credibility import shrunk_means
from clvforecast.decisions.segmentation.labels import By, labels_by
from clvforecast.decisions.segmentation.prospects import SegmentLaw, segment_law
from clvforecast.decisions.segmentation.result import Segmentation
from clvforecast.decisions.segmentation.rules import ValueRules
from clvforecast.decisions.sides import Sides, both_sides
from clvforecast.errors import DataError
from clvforecast.metrics import top_decile
from clvforecast.numerics.arrays import IntArray

if TYPE_CHECKING:
    from clvforecast.fitting import Fit
    from clvforecast.fitting.draws import ParameterDraws
    from clvforecast.historical import HistoricalCLV
    from clvforecast.models import PurchaseModel, SpendModel
    from clvforecast.transactions import Transactions

__all__ = ["segments"]

_ALL: Final = "all"
_TERMS: Final = ("time_unit", "horizon", "annual_discount_rate", "margin")


def segments(
    value: pd.DataFrame,
    past: Transactions | HistoricalCLV | pd.DataFrame | None = None,
    *,
    by: By = "value",
    rules: ValueRules | None = None,
    purchases: Fit | PurchaseModel | None = None,
    spend: Fit | SpendModel | None = None,
    rfm: pd.DataFrame | None = None,
    posterior: tuple[ParameterDraws, ParameterDraws] | None = None,
    level: float = 0.90,
    simulations: int = 1_000,
    seed: int = 0,
    small: int = 30,
) -> Segmentation:
    """Group customers, and say what each group was worth, will be worth, and how sure that is.

    Parameters
    ----------
    value : DataFrame
        What `forecast` returns.
    past : Transactions, HistoricalCLV or DataFrame, optional
        What the customers did: the orders, of which nothing after the forecast's end of
        observation is used, or what `historical_clv` or ``orders.activity()`` make of them up to
        that day. Rules and cohorts need it.
    by : str, Series, DataFrame or sequence of these
        What to group by; several are crossed.

        - "value": by past value, forecast and P(alive), as `ValueRules` says;
        - "rfm": by quintiles of recency and frequency (see Notes);
        - "cohort_month", "cohort_quarter", "cohort_year": by the first order;
        - another text: a column of `value`;
        - a Series with a name, or a DataFrame: labels by customer_id, such as
          ``orders.customer_segments()["country"]``. A customer without one is in "(missing)".
    rules : ValueRules, optional
        The thresholds of "value". Those of an earlier date, ``before.rules``, hold its amounts.
    purchases, spend : Fit or model, optional
        The models that made the forecast; with `rfm`, they give the predictive intervals.
    rfm : DataFrame, optional
        The summary that the forecast was made of.
    posterior : (ParameterDraws, ParameterDraws), optional
        Draws of the parameters of both models: the intervals then hold their uncertainty, too.
    level : float
        Probability of all intervals.
    simulations, seed : int
        As in `portfolio`.
    small : int
        Segments of fewer customers are flagged.

    Returns
    -------
    Segmentation
        With `table` (a row per segment), `customers` (the label of each), `means` and `rules`.

    Raises
    ------
    DataError
        If a name in `by` is unknown or clashes, the sides are not about the same customers, day or
        margin, the forecast is not that of the models, or an argument is out of range.
    FitError
        With models, if the horizon is infinite.

    Notes
    -----
    Intervals of totals are PREDICTIVE: where the future value of just these customers will lie,
    in `level` of all futures that `portfolio` draws for them, each order discounted from the
    middle of its week or month (of its day, if the horizon is short). Intervals do not add up over
    segments.

    A segment the user brings, or a cohort, is also a sample of customers like these. What such a
    customer is worth on average is in `means`: the segment's mean is shrunk towards that of all,
    the more the fewer its customers, with a CREDIBLE interval (`shrunk_means`). In
    simulated segments of 2 to 400 customers that differ by 0 to 40% of the mean while customers
    differ by 100 to 200% of it, that had 0.02 to 0.6 times the squared error of the segments' own
    means, and 90% intervals held 86 to 98% of the true ones. Segments by "value" or "rfm" are made
    of the values themselves: there is nothing to shrink, and `means` is None.

    The forecast gives customers of the same history the same value, whatever their segment:
    segments differ by what their customers did, not yet by what a model of each alone would say.

    RFM scores are 1 to 5, the best: 1 and the number of quintile limits below the customer's value
    (days of the last order, number of orders, past value). Equal customers get equal scores, so
    that fifths need not be of one size. R and F name the segment, M is beside them:

    ====  =================  ===================  ===================  ===========  ===========
    R     F = 1              2                    3                    4            5
    ====  =================  ===================  ===================  ===========  ===========
    5     new                potential loyalists  potential loyalists  champions    champions
    4     promising          potential loyalists  potential loyalists  loyal        loyal
    3     about to sleep     about to sleep       need attention       loyal        loyal
    2, 1  hibernating        hibernating          at risk              at risk      cannot lose
    ====  =================  ===================  ===================  ===========  ===========

    Examples
    --------
    >>> import clvforecast as clv
    >>> orders = clv.read_orders(clv.datasets.load_cdnow(sample=True))
    >>> rfm = orders.summarize(time_unit="W", until="1997-09-30")
    >>> buys = clv.BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
    >>> spend = clv.GammaGamma(p=6.25, q=3.74, v=15.44)
    >>> value = clv.forecast(buys, spend, rfm, horizon="39W")
    >>> found = clv.segments(value, orders)
    >>> found.table[["customers", "past_value", "clv", "mean_p_alive"]].head(2).round(2)
               customers  past_value       clv  mean_p_alive
    segment
    champions        282    67050.09  35388.74          0.74
    rising           119     8250.35   4244.23          0.70
    >>> found.customers.loc["00004", "segment"]
    'rising'
    """
    _check_numbers(level, small)
    sides = both_sides(value, past)
    rules = ValueRules() if rules is None else rules
    if not isinstance(rules, ValueRules):
        raise DataError(f"rules must be clv.ValueRules(...), not {type(rules).__name__}.")
    if sides.has_past:
        rules = rules.with_cuts(
            sides.customers["past_value"].to_numpy(), sides.customers["clv"].to_numpy()
        )
    labels, scores = labels_by(by, value, sides, rules)
    names = tuple(labels.columns)
    columns = ["segment"] if names in (("value",), ("rfm",)) else list(names)
    labels.columns = pd.Index(columns)
    index, codes = _segments(labels, keep_empty=columns == ["segment"])

    law = None
    if not (purchases is None and spend is None and rfm is None and posterior is None):
        law = segment_law(
            value,
            codes,
            models=(purchases, spend),
            rfm=rfm,
            posterior=posterior,
            level=level,
            simulations=simulations,
            seed=seed,
        )
    table = _totals(sides, codes, len(index), small)
    table.index = index
    whole = _totals(sides, np.zeros(len(value), dtype=np.int64), 1, small)
    whole.index = pd.Index([_ALL], name="segment")
    if law is not None:
        table, whole = _with_intervals(table, whole, law)
    customers = pd.concat([labels, scores, sides.customers], axis="columns")
    _check_clashes(columns, table, customers)
    means = None
    if not {"value", "rfm"} & set(names):
        means = _means(sides, codes, index, level=level, small=small)
    return Segmentation(
        table=table,
        whole=whole,
        customers=customers,
        means=means,
        by=names,
        rules=rules,
        until=sides.until,
        level=level,
        small=small,
        terms={name: value.attrs.get(name) for name in _TERMS},
    )


def _segments(labels: pd.DataFrame, *, keep_empty: bool) -> tuple[pd.Index[Any], IntArray]:
    """The segments in the order of their categories, and which one each customer is in."""
    index: pd.Index[Any]
    if len(labels.columns) == 1:
        (name,) = labels.columns
        cat = labels[name].cat
        index = pd.Index(cat.categories.to_numpy(dtype=object), dtype=object, name=name)
        codes = np.asarray(cat.codes, dtype=np.int64)
        if keep_empty:
            return index, codes
        present, codes = np.unique(codes, return_inverse=True)
        return index[present], codes
    rows = np.stack([labels[name].cat.codes.to_numpy(dtype=np.int64) for name in labels], axis=1)
    present, codes = np.unique(rows, axis=0, return_inverse=True)
    levels = {
        name: labels[name].cat.categories.to_numpy(dtype=object)[present[:, k]]
        for k, name in enumerate(labels)
    }
    index = pd.MultiIndex.from_frame(pd.DataFrame(levels, dtype=object))
    return index, codes.reshape(-1).astype(np.int64)


def _totals(sides: Sides, codes: IntArray, count: int, small: int) -> pd.DataFrame:
    customers = sides.customers
    sizes = np.bincount(codes, minlength=count)

    def sums(column: str) -> Any:
        return np.bincount(codes, customers[column].to_numpy(dtype=float), minlength=count)

    def per_customer(totals: Any) -> Any:
        return np.divide(totals, sizes, out=np.full(count, np.nan), where=sizes > 0)

    table = {"customers": sizes, "customer_share": _shares(sizes)}
    if sides.has_past:
        past = sums("past_value")
        table |= {"past_value": past, "past_share": _shares(past)}
    clv = sums("clv")
    table |= {
        "clv": clv,
        "clv_share": _shares(clv),
        "clv_per_customer": per_customer(clv),
        "expected_purchases": sums("expected_purchases"),
        "mean_p_alive": per_customer(sums("p_alive")),
        "top_tenth_share": _concentration(customers["clv"].to_numpy(), codes, count),
        "small": sizes < small,
    }
    return pd.DataFrame(table)


def _shares(values: Any) -> Any:
    """Share of each in the total; 0 where there is nothing to share."""
    total = values.sum()
    return values / total if total else np.zeros(len(values))


def _concentration(clv: Any, codes: IntArray, count: int) -> Any:
    """Share of each segment's future value that its best tenth brings; NaN where there is none."""
    order = np.argsort(codes, kind="stable")
    parts = np.split(clv[order], np.cumsum(np.bincount(codes, minlength=count))[:-1])
    return np.array([top_decile(part, part) if part.size else math.nan for part in parts])


def _with_intervals(
    table: pd.DataFrame, whole: pd.DataFrame, law: SegmentLaw
) -> tuple[pd.DataFrame, pd.DataFrame]:
    tables = []
    for frame, limits in ((table, law.of_segments(len(table))), (whole, law.of_whole())):
        for name, after in (("clv", "clv"), ("purchases", "expected_purchases")):
            place = list(frame.columns).index(after) + 1
            frame.insert(place, f"{name}_lower", limits[name][0])
            frame.insert(place + 1, f"{name}_upper", limits[name][1])
        tables.append(frame)
    return tables[0], tables[1]


def _means(
    sides: Sides, codes: IntArray, index: pd.Index[Any], *, level: float, small: int
) -> pd.DataFrame:
    values = sides.customers["clv"].to_numpy()
    found = shrunk_means(values, codes, len(index), level=level, small=small)
    sizes = np.bincount(codes, minlength=len(index))
    return pd.DataFrame(
        {
            "customers": sizes,
            "own_mean": np.bincount(codes, values, minlength=len(index)) / sizes,
            "credibility": found.credibility,
            "mean": found.mean,
            "mean_lower": np.maximum(found.lower, 0.0),  # a value is never below 0
            "mean_upper": found.upper,
        },
        index=index,
    )


def _check_numbers(level: float, small: int) -> None:
    if not 0 < level < 1:
        raise DataError(f"level={level!r} must lie between 0 and 1, such as 0.90.")
    if isinstance(small, bool) or not isinstance(small, int | np.integer) or small < 1:
        raise DataError(f"small={small!r} must be a whole number of customers, 1 or more.")


def _check_clashes(columns: list[str], table: pd.DataFrame, customers: pd.DataFrame) -> None:
    taken = [*table.columns, *customers.columns[len(columns) :], "customer_id"]
    for name in columns:
        if name in taken:
            raise DataError(
                f"by={name!r} has the name of a column of the result. Rename it, such as "
                f"labels.rename('{name}_group')."
            )
