"""What to spend on customers: `clv acquisition` and `clv retention`."""

# No postponed annotations here: typer reads them while the program runs.
from typing import Final

from clvforecast.cli import console
from clvforecast.cli.app import app
from clvforecast.cli.commands import stages
from clvforecast.cli.customers import with_segments
from clvforecast.cli.grouping import command
from clvforecast.cli.options.decisions.budgets import AcquisitionOptions, RetentionOptions
from clvforecast.cli.options.models import FitOptions
from clvforecast.cli.options.orders import OrderOptions
from clvforecast.cli.options.outputs import ResultOptions
from clvforecast.cli.options.value import ValueOptions
from clvforecast.cli.pictures import draw_result
from clvforecast.cli.screens import decisions

# What a narrow terminal leaves out first.
_DESCRIBING: Final = (
    *("repeat_customers", "median_age", "credibility", "small", "recent", "repeat_value_lower"),
    *("repeat_value_upper", "repeat_value", "repeat_orders", "expected_spend", "first_order"),
    *("most_for_ratio_lower", "most_for_ratio_upper", "most_for_payback_lower"),
    *("most_for_payback_upper", "net_value_lower", "net_value_upper", "ratio_lower"),
    *("ratio_upper", "payback_lower", "payback_upper", "p_worth_it", "net_value"),
)
_FOLLOWING: Final = ("cumulated_cost", "cumulated_net_gain", "chosen", "success", "cost")


@command(app, example="clv acquisition orders.csv --by channel --cost web=20 --cost shop=35")
def acquisition(
    orders: OrderOptions, value: ValueOptions, newcomers: AcquisitionOptions, to: ResultOptions
) -> None:
    """Say what a new customer is worth, when the cost is paid back, and the most one may pay.

    Every group is fitted; small ones are drawn towards what all share. Intervals are of
    expectations.
    """
    to.check(orders.source)
    with console.progress("Getting ready"):
        value.check()
    found = newcomers.work_out(stages.read(orders, segments=newcomers.columns), value)
    stages.hand_on_result(
        found,
        found.table,
        to,
        show=lambda: decisions.show(found, found.table, expendable=_DESCRIBING),
        draw=lambda: draw_result("acquisition", found),
    )


@command(app, example="clv retention orders.csv --cost 2 --success 0.1 --budget 500 --chosen")
def retention(
    orders: OrderOptions,
    models: FitOptions,
    value: ValueOptions,
    contacts: RetentionOptions,
    to: ResultOptions,
) -> None:
    """Say what fading customers put at risk, and rank customers by what it is worth to hold them.

    The table has a row per customer, the best to contact first; with --by a row per segment.
    """
    to.check(orders.source)
    with console.progress("Getting ready"):
        contacts.check(value)
    log, kept = stages.opened(orders, models, value, segments=contacts.by or ())
    fits, rfm = stages.fitted(log, kept, models)
    found = contacts.work_out(fits, with_segments(rfm, log, contacts.by), value)
    table = found.table if contacts.by else found.chosen if contacts.chosen else found.customers
    stages.hand_on_result(
        found,
        table,
        to,
        show=lambda: decisions.show(found, table, expendable=_FOLLOWING),
        draw=lambda: draw_result("retention", found),
    )
