"""What the models assume, in words for people who run a shop; one entry per check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from clvforecast.reporting.languages import N_, isolate

__all__ = ["VERDICT_NAMES", "Words", "words_of"]

VERDICT_NAMES: Final = {
    "violated": N_("violated"),
    "watch": N_("watch"),
    "as assumed": N_("as assumed"),
    "not checked": N_("not checked"),
}


@dataclass(frozen=True)
class Words:
    """What is assumed, and what it means where it does not hold."""

    title: str
    assumed: str
    deviates: str
    values: Mapping[str, str] = field(default_factory=dict)
    """What fills the title."""


def words_of(check: str) -> Words:
    """The words for a check of `diagnose`.

    >>> words_of("estimates of BG/NBD").title
    'Estimates of %(model)s'
    """
    if check.startswith(_ESTIMATES):
        model = check.removeprefix(_ESTIMATES)
        return Words(
            N_("Estimates of %(model)s"),
            N_("The data determine all parameters of the model."),
            N_(
                "Some parameters cannot be determined from these data, or there are few repeat "
                "purchases. Observe for longer, and mind the confidence limits below."
            ),
            {"model": isolate(model)},
        )
    return CHECKS[check]


_ESTIMATES: Final = "estimates of "
CHECKS: Final = {
    "purchase timing: regularity": Words(
        N_("Random moments"),
        N_("Customers buy at random moments, not on a schedule."),
        N_(
            "Customers buy more regularly, or more in bursts, than assumed. Totals hold up well; "
            "the probability of being active reacts too slowly, or too fast, to a silence."
        ),
    ),
    "purchase timing: steady rate": Words(
        N_("Steady pace"),
        N_("Customers keep their pace for as long as they are customers."),
        N_(
            "The pace of customers changes over time, so that single customers are less certain "
            "than their intervals say. Make the forecast anew often."
        ),
    ),
    "weekly orders: even over time": Words(
        N_("Even weeks"),
        N_("No week is better than another for all customers at once."),
        N_(
            "Weeks differ by more than chance, as with seasons and campaigns. Monthly totals will "
            "vary more than their intervals say."
        ),
    ),
    "weekly orders: no trend": Words(
        N_("No trend"),
        N_("Active customers order neither more nor less as time goes by."),
        N_(
            "Orders rose or fell over the log by more than customers joining and leaving explains. "
            "The forecast continues the average of the log, not its latest level."
        ),
    ),
    "weekly orders: ordinary at the end": Words(
        N_("Ordinary end"),
        N_("The last weeks of the log are like the others."),
        N_(
            "The last weeks were unusually strong or weak, because of a holiday or because orders "
            "are missing. Forecast from an ordinary day too, and compare."
        ),
    ),
    "weekly orders: annual season": Words(
        N_("No season"),
        N_("The months of the year are alike."),
        N_(
            "Some months are regularly stronger. Read the monthly forecast as an average over the "
            "year, and rely on whole years."
        ),
    ),
    "first purchases: none before the log": Words(
        N_("First orders are first"),
        N_("The first order in the log is the customer's first of all."),
        N_(
            "Many customers of the first weeks had probably bought before. Extend the log to "
            "earlier years, or leave these customers out."
        ),
    ),
    "cohorts come back alike": Words(
        N_("Cohorts return alike"),
        N_("Customers who joined early and late come back equally often."),
        N_(
            "Customers who joined lately come back more often, or less, than earlier ones. The "
            "forecast gives them the average of all: look at recent cohorts on their own."
        ),
    ),
    "cohorts spend alike": Words(
        N_("Cohorts spend alike"),
        N_("Customers who joined early and late spend equally on their first order."),
        N_(
            "First orders have become larger or smaller over time. Check prices, products and "
            "channels, and look at recent cohorts on their own."
        ),
    ),
    "cohorts buy alike": Words(
        N_("Cohorts buy alike"),
        N_("One model describes the repeat purchases of all cohorts."),
        N_(
            "Cohorts buy differently from each other by more than chance. Fit recent cohorts on "
            "their own, and compare the forecasts."
        ),
    ),
    "spend independent of frequency": Words(
        N_("Spend apart from frequency"),
        N_("How often customers buy says nothing of how much they spend per order."),
        N_(
            "Frequent customers spend more, or less, per order than others, so that the value of "
            "those with few orders is off. Compare high forecasts with what customers spent."
        ),
    ),
    "spend carried by a few": Words(
        N_("Spend of many"),
        N_("Spend is not carried by a handful of customers."),
        N_(
            "A few customers carry much of the spend. Look at them one by one: totals depend on "
            "what these few do."
        ),
    ),
    "one-time buyers": Words(
        N_("One-time buyers"),
        N_("There are as many customers with a single purchase as the model expects."),
        N_(
            "There are more one-time buyers than the model expects, or fewer, and forecasts for "
            "customers with one purchase are off accordingly."
        ),
    ),
    "number of repeat purchases": Words(
        N_("Numbers of purchases"),
        N_("As many customers bought once, twice, three times and so on as the model expects."),
        N_(
            "The numbers differ from the model's by more than chance. With many customers, small "
            "differences show: what counts is how the forecast held against the past, above."
        ),
    ),
    "total of repeat purchases": Words(
        N_("Total of purchases"),
        N_("The model reproduces the total of the repeat purchases so far."),
        N_("The model's total of the past is off, and its forecast probably is as well."),
    ),
    "no customer carries the purchase fit": Words(
        N_("Nobody decides the purchase model"),
        N_("No single customer decides what the model says of purchases."),
        N_(
            "One customer alone moves the model of purchases. Check whether it is a person, or a "
            "reseller or a collective account, and fit without it to compare."
        ),
    ),
    "no customer carries the spend fit": Words(
        N_("Nobody decides the spend model"),
        N_("No single customer decides what the model says of spend."),
        N_(
            "One customer alone moves the model of spend. Look for a mistaken amount or a "
            "collective account, and fit without it to compare."
        ),
    ),
    "refunds": Words(
        N_("Few refunds"),
        N_("Little of what was bought is given back."),
        N_(
            "Much of the amount was refunded. Look at the largest refunds: an order entered by "
            "mistake and refunded later still counts as a purchase."
        ),
    ),
}
