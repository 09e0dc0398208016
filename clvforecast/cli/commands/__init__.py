"""The commands of `clv`: each reads orders, calls the public names and hands on the table."""

from clvforecast.cli.app import app

# Each joins the program as it is imported; the help lists them in this order.
from clvforecast.cli.commands import valuing, deciding, judging, keeping  # isort: skip

__all__ = ["app", "deciding", "judging", "keeping", "valuing"]
