"""`by=` read: rules by name, columns of the forecast, and labels the user brings."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd

from clvforecast.decisions.segmentation.rules import (
    COHORTS,
    ValueRules,
    cohort_labels,
    rfm_labels,
    rfm_scores,
    value_labels,
)
from clvforecast.decisions.sides import Sides
from clvforecast.errors import DataError, suggest

__all__ = ["MISSING", "By", "labels_by"]

By: TypeAlias = "str | pd.Series[Any] | pd.DataFrame | Sequence[str | pd.Series[Any]]"

MISSING: Final = "(missing)"
"""The segment of customers without a label."""
_RULES: Final = ("value", "rfm", *COHORTS)


def labels_by(
    by: By, value: pd.DataFrame, sides: Sides, rules: ValueRules
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Label every customer.

    Parameters
    ----------
    by : str, Series, DataFrame or sequence of str and Series
        As `segments` takes it.
    value : DataFrame
        The forecast, whose further columns may be labels.
    sides : Sides
    rules : ValueRules
        With both cuts, if any customer has a past.

    Returns
    -------
    labels : DataFrame
        An ordered categorical per element of `by`, indexed like the forecast.
    scores : DataFrame
        `R`, `F` and `M`, where `by` names "rfm"; else no column.

    Raises
    ------
    DataError
        If a name is neither a rule nor a column, or labels are of other customers.
    """
    labels: dict[str, pd.Categorical] = {}
    scores = pd.DataFrame(index=sides.customers.index)
    for one in _listed(by):
        name = one if isinstance(one, str) else _named(one)
        if name in labels:
            raise DataError(f"by= names {name!r} twice. Rename one, or leave it out.")
        if not isinstance(one, str):
            labels[name] = _categories(_looked_up(one, sides.customers.index))
        elif one in _RULES:
            if one in value.columns:
                raise DataError(
                    f"by={one!r} is a rule and a column of the forecast. Rename the column."
                )
            _require_past(one, sides)
            if one == "rfm":
                scores = rfm_scores(sides.customers)
                labels[one] = rfm_labels(scores)
            elif one == "value":
                labels[one] = value_labels(sides.customers, _end(sides), rules)
            else:
                labels[one] = cohort_labels(sides.customers["first_order"], one)
        elif one in value.columns:
            labels[one] = _categories(value[one])
        else:
            raise DataError(
                f"by={one!r} is no rule and no column of the forecast. "
                f"{suggest(one, [*_RULES, *map(str, value.columns)])} Labels of an order log come "
                "from orders.customer_segments(): pass by=segments['country'], say."
            )
    return pd.DataFrame(labels, index=sides.customers.index), scores


def _listed(by: By) -> list[str | pd.Series[Any]]:
    if isinstance(by, str | pd.Series):
        return [by]
    if isinstance(by, pd.DataFrame):
        listed: list[Any] = [by[name] for name in by.columns]
    elif isinstance(by, Sequence):
        listed = list(by)
    else:
        raise DataError(f"by={by!r} must be a text, a Series, a DataFrame or a list of these.")
    for one in listed:
        if not isinstance(one, str | pd.Series):
            raise DataError(
                f"by={one!r} must be the name of a rule or of a column of the forecast, a Series "
                "of labels by customer_id, or a list of these."
            )
    if not listed:
        raise DataError("by= names nothing. Pass 'value', 'rfm' or a column, say.")
    return listed


def _named(labels: pd.Series[Any]) -> str:
    if not isinstance(labels.name, str) or not labels.name:
        raise DataError("A Series in by= needs a name, such as labels.rename('country').")
    return labels.name


def _looked_up(labels: pd.Series[Any], customers: pd.Index[Any]) -> pd.Series[Any]:
    """Labels of these customers; of others there may be some, too."""
    if labels.index.has_duplicates:
        twice = labels.index[labels.index.duplicated()][0]
        raise DataError(
            f"by={labels.name!r} has more than one label for a customer (first: {twice!r}). Give "
            "one each, such as orders.customer_segments() does."
        )
    if not customers.isin(labels.index).any():
        raise DataError(
            f"by={labels.name!r} has no label for any of the {len(customers):,} customers. Index "
            f"it by customer_id; ids are {customers.dtype} in the forecast and "
            f"{labels.index.dtype} in the labels, such as {customers[0]!r}."
        )
    return labels.reindex(customers)


def _require_past(rule: str, sides: Sides) -> None:
    if not sides.has_past:
        raise DataError(
            f"by={rule!r} needs what the customers did. Pass their orders: "
            f"segments(value, orders, by={rule!r})."
        )


def _end(sides: Sides) -> pd.Timestamp:
    if sides.until is None:
        raise DataError(
            "by='value' needs the end of observation, to tell who is new. Pass the orders that "
            "clv.read_orders returns."
        )
    return pd.Timestamp(sides.until)


def _categories(labels: pd.Series[Any]) -> pd.Categorical:
    """Labels in the order they have, or else sorted; a missing one last."""
    missing = labels.isna().to_numpy()
    if isinstance(labels.dtype, pd.CategoricalDtype):
        levels = labels.cat.categories.tolist()
    else:
        levels = _sorted(labels[~missing].unique().tolist())
    values = np.array(labels, dtype=object)
    if missing.any():
        values[missing] = MISSING
        levels = [*(level for level in levels if level != MISSING), MISSING]
    return pd.Categorical(values, categories=pd.Index(levels, dtype=object), ordered=True)


def _sorted(levels: list[Any]) -> list[Any]:
    try:
        return sorted(levels)
    except TypeError:
        return sorted(levels, key=_numbers_first)


def _numbers_first(level: Any) -> tuple[bool, float, str]:
    number = isinstance(level, Real)
    return not number, float(level) if number else 0.0, str(level)
