"""`report`: the whole way from an order log to one page."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from clvforecast.errors import DataError, suggest
from clvforecast.evaluation import Backtest
from clvforecast.fitting import Fit
from clvforecast.reporting.contents import Writer, sections
from clvforecast.reporting.evidence import Evidence, gather
from clvforecast.reporting.languages import Language, isolate
from clvforecast.reporting.page import write_page
from clvforecast.reporting.result import Report
from clvforecast.units import Duration

if TYPE_CHECKING:
    from clvforecast.models import PurchaseModel, SpendModel
    from clvforecast.transactions import Transactions

__all__ = ["report"]

_DOWNLOADS: Final = ("all", "top", "none")
_MOST_LISTED: Final = 5_000
_MOST_DOWNLOADED: Final = 500_000


def report(
    orders: Transactions,
    *,
    horizon: Duration = "1Y",
    annual_discount_rate: float = 0.0,
    margin: float = 1.0,
    time_unit: str = "W",
    until: str | dt.date | None = None,
    by: str | Sequence[str] | None = None,
    level: float = 0.90,
    currency: str | None = None,
    title: str | None = None,
    lang: str = "en",
    purchases: Fit | PurchaseModel | None = None,
    spend: Fit | SpendModel | None = None,
    backtest: bool = True,
    top: int = 200,
    download: str | None = None,
    seed: int = 0,
    progress: bool = False,
) -> Report:
    """Write one self-contained HTML page: what customers will be worth, and what to do about it.

    Parameters
    ----------
    orders : Transactions
        What `read_orders` returns.
    horizon : float or str
        How far ahead, in the time unit or as a text such as "1Y"; 31 days or more, and finite.
    annual_discount_rate, margin
        As of `forecast`.
    time_unit : {"D", "W", "M", "Y"}
        Unit of the summary and of the parameters.
    until : str or datetime.date, optional
        End of observation. Default: that of the orders.
    by : str or list of str, optional
        Further segments to show: segment columns of the orders, or "cohort_month",
        "cohort_quarter", "cohort_year" or "rfm"; one at a time, not crossed.
    level : float
        Probability of the predictive intervals.
    currency : str, optional
        Named once, at the top of the page.
    title : str, optional
        The heading.
    lang : {"en", "fa", "ar", "hy"}
        English, Persian, Arabic or Armenian.
    purchases, spend : Fit or model, optional
        What to forecast with. Default: BG/NBD and Gamma-Gamma, fitted to the orders.
    backtest : bool
        Hold a forecast of the last third of the log, or of the last `horizon` if that is shorter,
        against what came. A log of less than 91 days is too short for it; the page then says so.
    top : int
        How many customers the table lists, up to 5,000.
    download : {"all", "top", "none"}, optional
        Which customers the page holds as a CSV file, compressed: some 30 bytes each. Default:
        all of them, or the listed ones where there are more than 500,000.
    seed : int
        Of the simulated futures: the same call gives the same page, to the byte.
    progress : bool
        Show a progress bar on stderr.

    Returns
    -------
    Report

    Raises
    ------
    DataError
        If an argument is not what it should be, or nobody has bought by `until`.
    FitError
        If the models cannot be fitted, or value would be infinite.

    Warns
    -----
    FitWarning
        As the fits do.

    Notes
    -----
    Totals of everybody, of segments and of months have PREDICTIVE intervals, with the uncertainty
    of the parameters where both models are fits with their data. Those of single customers take
    the estimates for the truth: their own chance is much the greater part. CONFIDENCE limits are
    given of the parameters and of the means that came in the backtest, and CREDIBLE ones of what a
    new customer is worth.

    The simple formula is each customer's average of the log, continued over the horizon, as in
    `compare`. The worth of keeping a customer is that of `retention`, and a new customer is worth
    what `acquisition` learns from these orders; with models, or fits without their data, the mean
    order and what they forecast of somebody with one order on the last day.

    No name from the data is ever markup, and no text of the CSV file is a formula to a spreadsheet.
    Axes of time and amounts run from the left in every language; bars grow from the side at which
    the text begins.

    Examples
    --------
    >>> import clvforecast as clv
    >>> orders = clv.read_orders(clv.datasets.load_worked_example())
    >>> buys = clv.BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
    >>> spend = clv.GammaGamma(p=6.25, q=3.74, v=15.44)
    >>> page = clv.report(orders, horizon="26W", purchases=buys, spend=spend, title="Our shop")
    >>> page.html[:15], page.tables["customers"].index.tolist()
    ('<!DOCTYPE html>', ['B', 'C', 'D', 'A', 'E'])
    """
    language = Language.of(lang)
    if not hasattr(orders, "summarize"):
        raise DataError(
            f"report needs the Transactions that clv.read_orders returns, not a "
            f"{type(orders).__name__}."
        )
    if (
        isinstance(top, bool)
        or not isinstance(top, int | np.integer)
        or not 1 <= top <= _MOST_LISTED
    ):
        raise DataError(
            f"top={top!r} must be a whole number of customers from 1 to {_MOST_LISTED:,}; the "
            "download has all of them."
        )
    if download is not None and download not in _DOWNLOADS:
        raise DataError(f"download={download!r}. {suggest(str(download), _DOWNLOADS)}")
    _ = language.gettext
    evidence = gather(
        orders,
        horizon=horizon,
        annual_discount_rate=annual_discount_rate,
        margin=margin,
        time_unit=time_unit,
        until=until,
        by=by,
        level=level,
        purchases=purchases,
        spend=spend,
        with_backtest=backtest,
        seed=seed,
        progress=progress,
    )
    if download is None:
        download = "all" if evidence.customers <= _MOST_DOWNLOADED else "top"
    writer = Writer(evidence, language, int(top), download)
    heading = title or _("What our customers will be worth")
    page = write_page(
        sections(writer),
        language,
        title=heading,
        lead=_(
            "%(customers)s customers, observed until %(until)s and forecast over %(span)s.",
            customers=language.number(evidence.customers, 0),
            until=language.day(evidence.until),
            span=language.span(evidence.horizon_days),
        ),
        terms=_terms(evidence, language, currency),
    )
    return Report(page, heading, _tables(evidence))


def _terms(evidence: Evidence, language: Language, currency: str | None) -> str:
    _ = language.gettext
    if evidence.is_plain:
        if not currency:
            return _("Amounts are in the currency of the orders. Value is revenue, undiscounted.")
        return _(
            "Amounts are in %(currency)s. Value is revenue, undiscounted.",
            currency=isolate(currency),
        )
    values = {
        "margin": language.percent(evidence.margin, 1),
        "rate": language.percent(evidence.annual_discount_rate, 1),
    }
    if not currency:
        return _(
            "Amounts are in the currency of the orders. Value is %(margin)s of revenue, discounted "
            "at %(rate)s a year.",
            **values,
        )
    return _(
        "Amounts are in %(currency)s. Value is %(margin)s of revenue, discounted at %(rate)s a "
        "year.",
        currency=isolate(currency),
        **values,
    )


def _tables(evidence: Evidence) -> dict[str, pd.DataFrame]:
    tables = {
        "customers": evidence.customers_table,
        "segments": evidence.segmentation.table,
        **{f"segments_by_{group.by[0]}": group.table for group in evidence.groups},
        "comparison": evidence.comparison.summary,
        "months": evidence.portfolio.table(evidence.level),
        "what_if": evidence.what_if.table,
        "diagnosis": evidence.diagnosis.table,
        "quality": evidence.orders.quality.to_frame(),
        "parameters": pd.concat([_parameters(evidence.purchases), _parameters(evidence.spend)]),
    }
    if isinstance(evidence.backtest, Backtest):
        tables["backtest"] = evidence.backtest.table
    return tables


def _parameters(given: Any) -> pd.DataFrame:
    if isinstance(given, Fit):
        return given.summary()
    return pd.DataFrame({"estimate": given.parameters}).rename_axis("parameter")
