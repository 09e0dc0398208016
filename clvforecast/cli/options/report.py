"""What `clv report` is asked for: language, names, and what the page holds."""

# No postponed annotations here: typer reads them while the program runs.
import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

from clvforecast.cli import console
from clvforecast.cli.fits import Fits
from clvforecast.cli.options.panels import panel
from clvforecast.cli.options.value import ValueOptions

if TYPE_CHECKING:
    from clvforecast.reporting import Report
    from clvforecast.transactions import Transactions

__all__ = ["ReportOptions"]

_option = panel("Report")
_RULES: Final = ("rfm", "cohort_month", "cohort_quarter", "cohort_year")


class Download(enum.StrEnum):
    """Which customers the page holds as a file."""

    all = "all"
    top = "top"
    none = "none"


@dataclass(frozen=True)
class ReportOptions:
    """What the page says, and in which language."""

    lang: Annotated[
        str,
        _option(metavar="en|fa|ar|hy", text="English, Persian, Arabic or Armenian."),
    ] = "en"
    title: Annotated[str | None, _option(metavar="TEXT", text="The heading of the page.")] = None
    currency: Annotated[
        str | None, _option(metavar="NAME", text="Of the amounts, named at the top of the page.")
    ] = None
    by: Annotated[
        list[str] | None,
        _option(
            "--by",
            "--segment",
            metavar="NAME",
            text="Show these segments, too: rfm, cohort_month, cohort_quarter, cohort_year or a "
            "column of the orders; may be given again.",
        ),
    ] = None
    level: Annotated[
        float, _option(metavar="PROBABILITY", text="Probability of the predictive intervals.")
    ] = 0.90
    backtest: Annotated[
        bool,
        _option(
            "--backtest/--no-backtest",
            text="Hold a forecast made in the past against what came.",
        ),
    ] = True
    top: Annotated[int, _option(metavar="NUMBER", text="How many customers the table lists.")] = 200
    download: Annotated[
        Download | None,
        _option(
            text="Which customers the page holds as a CSV file. Default: all, up to 500,000.",
        ),
    ] = None
    seed: Annotated[int, _option(metavar="NUMBER", text="Seed of the random numbers.")] = 0

    @property
    def columns(self) -> list[str]:
        """What `by` names that is not a rule: columns of the orders."""
        return [name for name in self.by or () if name not in _RULES]

    def check(self) -> None:
        """Raise now what would be raised after the orders are read."""
        from clvforecast.reporting.languages import Language

        Language.of(self.lang)

    def work_out(
        self, log: "Transactions", kept: Fits | None, value: ValueOptions, time_unit: str
    ) -> "Report":
        """Write the page."""
        import clvforecast as clv

        return clv.report(
            log,
            time_unit=time_unit,
            by=self.by,
            level=self.level,
            currency=self.currency,
            title=self.title,
            lang=self.lang,
            purchases=kept.purchases if kept else None,
            spend=kept.spend if kept else None,
            backtest=self.backtest,
            top=self.top,
            download=self.download.value if self.download else None,
            seed=self.seed,
            progress=console.watched(),
            **value.terms(),
        )
