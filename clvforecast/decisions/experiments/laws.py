"""Do the groups buy by the same law? One fit of all customers within one for each group."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from clvforecast.errors import DataError, FitError, FitWarning
from clvforecast.fitting import Fit, likelihood_ratio_test, purchase_model, spend_model
from clvforecast.numerics.arrays import IntArray

if TYPE_CHECKING:
    import datetime as dt

    from clvforecast.models import Model, PurchaseModel, SpendModel

__all__ = ["law_tests"]

_COLUMNS: Final = ("statistic", "degrees_of_freedom", "p_value")


def law_tests(
    purchases: Fit | PurchaseModel | None,
    spend: Fit | SpendModel | None,
    rfm: pd.DataFrame | None,
    *,
    customers: pd.Index[Any],
    group: IntArray,
    labels: list[Any],
    until: dt.date,
) -> tuple[pd.DataFrame | None, list[str]]:
    """Test for each model whether one law is enough for all groups.

    The models are fitted again, to all these customers and to each group of them; only the kind of
    model is taken from what is given. Customers who joined at different times are no trouble:
    the likelihood knows how long each has been observed.

    Returns
    -------
    DataFrame or None
        A row per model: `statistic`, `degrees_of_freedom`, `p_value`; None without models.
    list of str
        What could not be fitted, or leaves something open.

    Raises
    ------
    DataError
        If a model is none, or the summary is missing, of another day, or lacks customers.
    """
    models: list[type[Model]] = []
    if purchases is not None:
        models.append(type(purchase_model(purchases)))
    if spend is not None:
        models.append(type(spend_model(spend)))
    if not models:
        if rfm is None:
            return None, []
        raise DataError("rfm= is given and no model. Pass purchases= or spend=, or leave rfm= out.")
    histories = _histories(rfm, customers, until)
    parts = [histories[group == code] for code in range(len(labels))]
    rows, notes = {}, []
    for model in models:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FitWarning)  # a remark of the fit, in the notes
                whole = model.fit(histories)
                each = [model.fit(part, **whole.model.settings) for part in parts]
            test = likelihood_ratio_test(whole, each)
        except FitError as error:
            notes.append(f"Whether one {model.name} law is enough was not tested: {error}")
            rows[model.name] = dict.fromkeys(_COLUMNS, np.nan)
            continue
        rows[model.name] = {name: float(getattr(test, name)) for name in _COLUMNS}
        open_fits = [str(label) for label, fit in zip(labels, each, strict=True) if fit.remarks]
        if open_fits:
            notes.append(
                f"{model.name}: the fit leaves something open in {', '.join(open_fits)}; the "
                "p-value may then be too large."
            )
    table = pd.DataFrame.from_dict(rows, orient="index", columns=list(_COLUMNS))
    return table.rename_axis("model"), notes


def _histories(rfm: pd.DataFrame | None, customers: pd.Index[Any], until: dt.date) -> pd.DataFrame:
    if not isinstance(rfm, pd.DataFrame):
        raise DataError(
            "Whether the groups buy by the same law needs rfm=, the summary as a DataFrame: "
            "orders.summarize(...)."
        )
    day = rfm.attrs.get("until")
    if day is not None and pd.Timestamp(str(day)).date() != until:
        raise DataError(
            f"The summary ends at {pd.Timestamp(str(day)).date()} and the comparison at {until}. "
            f"Summarise with until='{until}'."
        )
    missing = customers[~customers.isin(rfm.index)]
    if len(missing):
        raise DataError(
            f"{len(missing):,} of {len(customers):,} customers are not in the summary (first: "
            f"{missing[0]!r}). Make it of the same orders, up to {until}."
        )
    return rfm.loc[customers]
