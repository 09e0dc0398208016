"""The command `clv`: a thin skin over the public names.

Nothing heavy is imported until a command runs, so that ``clv --help`` answers at once.
"""

import sys

from clvforecast.cli import interrupts

__all__ = ["main"]


def main() -> None:
    """Run the command line; the entry point of the console command `clv`."""
    interrupts.remember()
    try:
        # Here, so that Ctrl-C has no traceback even while the program is being loaded.
        from clvforecast.cli.commands import app

        app(prog_name="clv")
    except KeyboardInterrupt:
        sys.exit(interrupts.INTERRUPTED)
