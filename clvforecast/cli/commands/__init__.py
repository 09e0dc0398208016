"""The commands of `clv`: each reads orders, calls the public names and hands on the table."""

from clvforecast.cli.app import app

# Each joins the program as it is imported; the help lists them in this order.
# isort: off
from clvforecast.cli.commands import valuing
from clvforecast.cli.commands import deciding, budgeting, watching
from clvforecast.cli.commands import reporting
from clvforecast.cli.commands import judging
from clvforecast.cli.commands import keeping

# isort: on

__all__ = [
    "app",
    "budgeting",
    "deciding",
    "judging",
    "keeping",
    "reporting",
    "valuing",
    "watching",
]
