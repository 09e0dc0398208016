"""One customer at a time: the laws of what he will buy and spend, and his P(alive) day by day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar

import numpy as np
import pandas as pd

from clvforecast.customers.selection import positions_of
from clvforecast.errors import DataError
from clvforecast.plots._style import BLUE, GREY, LIGHT, SMALL, VERMILION, axes_for, label, shorten
from clvforecast.wording import format_amount, format_span

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from clvforecast.customers.distributions import PurchaseDistribution, SpendDistribution

    Law = TypeVar("Law", PurchaseDistribution, SpendDistribution)

Offset: TypeAlias = tuple[float, float]

_CURRENCY: Final = "currency of the orders"
_SHOWN: Final = 0.99
"""The part of a law that is drawn; the tail of spend goes on for ever."""
_MOST_TAIL: Final = 4.0
"""How many times as far as its interval a law of spend is drawn: some tails are endless."""
_SURE: Final = 1 - 1e-9
_TINY: Final = 0.001
_MOST_BARS: Final = 30
_MOST_BARS_WITH_TEXT: Final = 10
_FEWEST_DAYS: Final = 8
_AMOUNTS: Final = 241
_LINES: Final = (
    (BLUE, "o"),
    (VERMILION, "s"),
    ("black", "^"),
    (GREY, "D"),
    ("#CC79A7", "v"),
)
"""Colour and marker: lines are told apart by either."""


def plot_purchase_distribution(
    law: PurchaseDistribution,
    ax: Axes | None = None,
    *,
    customer: Any = None,
    level: float = 0.90,
) -> Axes:
    """Draw how likely each number of purchases of one customer is.

    Parameters
    ----------
    law : PurchaseDistribution
        What `purchase_distribution` returns.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.
    customer : id, optional
        Whose law; not needed where the law is of one only.
    level : float
        Probability of the predictive interval, equal-tailed, that is drawn dark. Numbers are whole,
        so it holds more.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        If the customer is not there or not stated, or `level` is out of range.
    """
    from matplotlib.ticker import MaxNLocator

    one = _one(law, customer)
    lower, upper = one.quantile(_tails(level)).iloc[0].tolist()
    last = max(upper, *one.quantile(_SHOWN).iloc[0], 1)
    counts = np.arange(last + 1)
    chances = one.pmf(counts).iloc[0].to_numpy()
    few = counts.size <= _MOST_BARS

    ax = axes_for(ax)
    inside = (counts >= lower) & (counts <= upper)
    width, text = 0.8 if few else 1.0, f"{_percent(level)} interval: {lower:,} to {upper:,}"
    ax.bar(counts[inside], chances[inside], width, color=BLUE, label=text)
    ax.bar(counts[~inside], chances[~inside], width, color=GREY)
    _mark_mean(ax, float(one.mean().iloc[0]), upper)
    hump = float(chances[1:].max())
    if not few and chances[0] > 1.5 * hump:
        # Those who are gone make one bar, which at its height would flatten all the others.
        ax.set_ylim(0, 1.4 * hump)
        _write(ax, f"none: {_percent(float(chances[0]))}", (0.0, 1.4 * hump), "left", (4, -12))
    elif counts.size <= _MOST_BARS_WITH_TEXT:
        for count, chance in zip(counts.tolist(), chances.tolist(), strict=True):
            _write(ax, _rough_percent(chance), (count, chance), "center", (0, 1.5))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.yaxis.set_major_formatter(_percent_ticks)
    ax.legend(fontsize=SMALL, frameon=False, loc="best")
    label(
        ax,
        title=f"{_names(one.customers)}: purchases in the next {_span(one)}",
        x=f"Number of purchases\n(none: {_percent(float(chances[0]))})",
        y="Probability",
    )
    return ax


def plot_spend_distribution(
    law: SpendDistribution,
    ax: Axes | None = None,
    *,
    customer: Any = None,
    level: float = 0.90,
    currency: str = _CURRENCY,
) -> Axes:
    """Draw the chance that one customer spends more than each amount.

    Parameters
    ----------
    law : SpendDistribution
        What `spend_distribution` returns.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.
    customer : id, optional
        Whose law; not needed where the law is of one only.
    level : float
        Probability of the predictive interval, equal-tailed, that is shaded.
    currency : str
        Unit of the amounts, for the label.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        If the customer is not there or not stated, or `level` is out of range.
    """
    from matplotlib.ticker import StrMethodFormatter

    one = _one(law, customer)
    low, high = _tails(level)
    lower, median, upper = one.quantile([low, 0.5, high]).iloc[0].tolist()
    (none,) = one.cdf(0.0).iloc[0]
    (tail,) = one.quantile(min(none + (1 - none) * _SHOWN, _SURE)).iloc[0]
    last = (min(max(tail, upper), _MOST_TAIL * upper) if upper else tail) or 1.0
    amounts = np.linspace(0.0, last, _AMOUNTS)
    exceeded = 1.0 - one.cdf(amounts).iloc[0].to_numpy()

    ax = axes_for(ax)
    limits = f"{_amount(lower, upper)} to {_amount(upper, upper)}"
    text = f"{_percent(level)} interval: {limits}"
    ax.axvspan(lower, upper, facecolor=LIGHT, edgecolor=GREY, linewidth=0.8, label=text)
    ax.plot(amounts, exceeded, color=BLUE, linewidth=1.8)
    text = f"median {_amount(median, upper)}"
    ax.plot([median], [1.0 - max(none, 0.5)], "o", color=BLUE, clip_on=False, label=text)
    _mark_mean(ax, float(one.mean().iloc[0]), upper)
    ax.set_xlim(0, last)
    ax.set_ylim(0, 1)
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    ax.yaxis.set_major_formatter(_percent_ticks)
    ax.legend(fontsize=SMALL, frameon=False, loc="best")
    label(
        ax,
        title=f"{_names(one.customers)}: spend in the next {_span(one.purchases)}",
        x=f"Amount ({currency})\n(spends nothing: {_percent(none)})",
        y="Chance to spend more",
    )
    return ax


def plot_alive_history(
    table: pd.DataFrame, ax: Axes | None = None, *, customers: Any = None
) -> Axes:
    """Draw P(alive) of a customer, or a few, day by day.

    Purchase days are marked. After the end of observation the lines are dashed: what P(alive) will
    be if the customer stays silent until then.

    Parameters
    ----------
    table : pandas.DataFrame
        What `alive_history` returns.
    ax : matplotlib.axes.Axes, optional
        Where to draw. Default: a new figure.
    customers : id or list of ids, optional
        Whom to draw, five at most. Default: all in the table.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    DataError
        If the table is not of `alive_history`, a customer is not in it, or they are more than five.
    """
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num

    if not {"observed_until", "purchase_days"} <= set(table.attrs):
        raise DataError(
            "The table does not say what was observed. Pass what alive_history returns."
        )
    chosen = table if customers is None else table.iloc[:, positions_of(customers, table.columns)]
    if chosen.shape[1] > len(_LINES):
        raise DataError(
            f"{chosen.shape[1]:,} lines cannot be told apart. Choose {len(_LINES)} customers= at "
            "most."
        )
    end = pd.Timestamp(table.attrs["observed_until"])
    several, certain = chosen.shape[1] > 1, False

    ax = axes_for(ax, width=6.6 if several else 5.0, height=3.8)
    for (customer, p_alive), (color, marker) in zip(chosen.items(), _LINES, strict=False):
        known, ahead = p_alive[p_alive.index <= end], p_alive[p_alive.index >= end]
        bought = p_alive.loc[pd.DatetimeIndex(table.attrs["purchase_days"][customer])]
        certain = certain or bool((known == 1).sum() > 1)
        style: dict[str, Any] = {"color": color, "linewidth": 1.4}
        ax.plot(known.index, known, **style)
        ax.plot(ahead.index, ahead, linestyle="--", **style)
        name = f"{shorten(str(customer))} buys" if several else "purchase days"
        ax.plot(bought.index, bought, marker, color=color, markersize=4.5, label=name)
    if chosen.index[-1] > end:
        last_day = date2num(end)  # type: ignore[no-untyped-call]
        ax.axvline(last_day, color="black", linewidth=0.8, label="end of observation")
        ax.plot([], [], "--", color="black", linewidth=1.4, label="if silent from then on")
    ax.set_ylim(0, 1.03)
    if len(chosen) < _FEWEST_DAYS:
        ax.set_xlim(chosen.index[0], chosen.index[0] + pd.Timedelta(days=_FEWEST_DAYS))
    locator = AutoDateLocator(maxticks=7)  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    beside = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)} if several else {"loc": "best"}
    legend = ax.legend(fontsize=SMALL, edgecolor="none", **beside)
    for text in legend.get_texts():
        text.set_parse_math(False)
    note = f"\n{table.attrs['model']} gives P(alive) = 1 until the first repeat purchase"
    label(
        ax,
        title="P(alive) day by day" if several else f"P(alive) of {_names(chosen.columns)}",
        x=f"Observed until {end:%Y-%m-%d}{note if certain else ''}",
        y="P(alive)",
    )
    return ax


def _one(law: Law, customer: Any) -> Law:
    """The law of the customer asked for, or of the only one."""
    one = law if customer is None else law.of(customer)
    if len(one.customers) != 1:
        raise DataError(
            f"One law is drawn at a time, and these are {len(one.customers):,}. Say whose: "
            f"customer={one.customers[0]!r}."
        )
    return one


def _tails(level: float) -> list[float]:
    if not 0 < level < 1:
        raise DataError(f"level={level!r} must lie between 0 and 1, such as 0.90.")
    return [(1 - level) / 2, (1 + level) / 2]


def _mark_mean(ax: Axes, mean: float, scale: float) -> None:
    if not np.isfinite(mean):
        ax.plot([], [], " ", label="no finite mean")
        return
    text = _amount(mean, max(mean, scale)) if mean >= _TINY else f"<{_TINY}"
    ax.axvline(mean, color=VERMILION, linestyle="--", linewidth=1.2, label=f"mean {text}")


def _write(
    ax: Axes, text: str, at: tuple[float, float], side: Literal["left", "center"], off: Offset
) -> None:
    """Write beside a point, legibly where a line passes."""
    ax.annotate(
        text,
        at,
        off,
        textcoords="offset points",
        ha=side,
        va="bottom",
        fontsize=SMALL,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0},
    )


def _percent_ticks(share: float, _position: float) -> str:
    return f"{100 * share:.3g}%"


def _percent(share: float) -> str:
    """Write a percentage that is neither 0% nor 100% where the share is not.

    >>> [_percent(share) for share in (0.9, 0.995, 0.4449, 0.99999, 0.0)]
    ['90%', '99.5%', '44.5%', '>99.9%', '0%']
    """
    if 0 < share < 0.001 or 0.999 < share < 1:
        return "<0.1%" if share < 0.5 else ">99.9%"
    return f"{100 * share:.3g}%"


def _rough_percent(share: float) -> str:
    """Write a whole percentage.

    >>> [_rough_percent(share) for share in (0.237, 0.004, 0.999, 1.0)]
    ['24%', '<1%', '>99%', '100%']
    """
    if 0 < share < 0.01 or 0.99 < share < 1:
        return "<1%" if share < 0.5 else ">99%"
    return f"{share:.0%}"


def _amount(value: float, scale: float) -> str:
    return format_amount(value, scale) if value else "0"


def _names(customers: pd.Index[Any]) -> str:
    return ", ".join(shorten(str(customer)) for customer in customers)


def _span(law: PurchaseDistribution) -> str:
    return format_span(law.horizon, law.time_unit)
