"""What `clv acquisition` and `clv retention` are asked for: costs, aims and what a contact does."""

# No postponed annotations here: typer reads them while the program runs.
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from clvforecast.cli import console
from clvforecast.cli.customers import anyone
from clvforecast.cli.fits import DEFAULT_UNIT, Fits, named_classes
from clvforecast.cli.options.models import NamedModels, Unit
from clvforecast.cli.options.numbers import named_numbers
from clvforecast.cli.options.panels import panel
from clvforecast.cli.options.value import ValueOptions

if TYPE_CHECKING:
    import pandas as pd

    from clvforecast.decisions import Acquisition, Retention
    from clvforecast.transactions import Transactions

__all__ = ["AcquisitionOptions", "RetentionOptions"]

_of_newcomers = panel("New customers")
_of_contacts = panel("Contacts")
_COHORTS: Final = ("cohort_month", "cohort_quarter", "cohort_year")


@dataclass(frozen=True)
class AcquisitionOptions:
    """Which new customers are told apart, what they cost, and what is aimed at."""

    by: Annotated[
        str | None,
        _of_newcomers(
            "--by",
            "--segment",
            metavar="NAME",
            text="cohort_month, cohort_quarter, cohort_year, or a column of the orders, as it is "
            "in a customer's first one.",
        ),
    ] = None
    cost: Annotated[
        list[str] | None,
        _of_newcomers(
            metavar="AMOUNT",
            text="What acquiring one customer costs: one amount, or GROUP=AMOUNT for each.",
        ),
    ] = None
    total_cost: Annotated[
        list[str] | None,
        _of_newcomers(
            metavar="AMOUNT",
            text="Instead, what acquiring all customers of the log has cost: one amount, or "
            "GROUP=AMOUNT for each.",
        ),
    ] = None
    target_ratio: Annotated[
        float, _of_newcomers(metavar="NUMBER", text="The value per unit of cost to aim at.")
    ] = 3.0
    target_payback: Annotated[
        str | None,
        _of_newcomers(
            metavar="DURATION", text="The time within which a customer shall bring back the cost."
        ),
    ] = None
    small: Annotated[
        int,
        _of_newcomers(metavar="NUMBER", text="Groups with fewer repeat customers are flagged."),
    ] = 30
    level: Annotated[
        float, _of_newcomers(metavar="PROBABILITY", text="Probability of the intervals.")
    ] = 0.90
    draws: Annotated[
        int, _of_newcomers(metavar="NUMBER", text="How many draws of the parameters.")
    ] = 500
    seed: Annotated[int, _of_newcomers(metavar="NUMBER", text="Seed of the random numbers.")] = 0
    model: NamedModels = None
    time_unit: Unit = None

    @property
    def columns(self) -> list[str]:
        """The column of the orders that `by` names."""
        return [] if self.by is None or self.by in _COHORTS else [self.by]

    def __post_init__(self) -> None:
        if self.cost and self.total_cost:
            raise typer.BadParameter(
                "--cost is of one customer and --total-cost of all. Leave one out."
            )
        for given, option in ((self.cost, "--cost"), (self.total_cost, "--total-cost")):
            numbers = named_numbers(given, option, name="GROUP") if given else 0.0
            if isinstance(numbers, dict) and self.by is None:
                raise typer.BadParameter(f"{option} is one amount, unless --by tells groups apart.")

    def work_out(self, log: "Transactions", value: ValueOptions) -> "Acquisition":
        """Work out what new customers are worth."""
        import clvforecast as clv

        names: dict[str, Any] = {}
        if self.columns:
            labels = log.customer_segments()[self.columns[0]]
            names = {str(label): label for label in labels.unique()}
        with console.progress("Fitting every group"):
            return clv.acquisition(
                log,
                by=self.by,
                cost=_of_groups(self.cost, "--cost", names),
                total_cost=_of_groups(self.total_cost, "--total-cost", names),
                target_ratio=self.target_ratio,
                target_payback=self.target_payback,
                time_unit=str(self.time_unit or DEFAULT_UNIT),
                models=named_classes(self.model or ()),
                level=self.level,
                small=self.small,
                draws=self.draws,
                seed=self.seed,
                **value.terms(),
            )


def _of_groups(
    given: list[str] | None, option: str, names: dict[str, Any]
) -> float | dict[Any, float] | None:
    if not given:
        return None
    numbers = named_numbers(given, option, name="GROUP")
    if isinstance(numbers, float):
        return numbers
    return {names.get(name, name): number for name, number in numbers.items()}


@dataclass(frozen=True)
class RetentionOptions:
    """What a contact costs and does, and how much there is to spend."""

    cost: Annotated[
        float | None, _of_contacts(metavar="AMOUNT", text="What contacting one customer costs.")
    ] = None
    success: Annotated[
        float | None,
        _of_contacts(
            metavar="PROBABILITY",
            text="Probability that a contact holds a customer who would be gone otherwise.",
        ),
    ] = None
    budget: Annotated[
        float | None,
        _of_contacts(metavar="AMOUNT", text="What may be spent. Default: whatever pays."),
    ] = None
    chosen: Annotated[
        bool, _of_contacts("--chosen", text="Hand on only those whom it pays to contact.")
    ] = False
    by: Annotated[
        list[str] | None,
        _of_contacts(
            "--by",
            "--segment",
            metavar="COLUMN",
            text="Hand on the totals of each value of this column of the orders instead; may be "
            "given again.",
        ),
    ] = None
    level: Annotated[
        float,
        _of_contacts(metavar="PROBABILITY", text="Probability of the predictive intervals."),
    ] = 0.90
    simulations: Annotated[
        int, _of_contacts(metavar="NUMBER", text="How many times it is drawn who is gone.")
    ] = 1_000
    seed: Annotated[int, _of_contacts(metavar="NUMBER", text="Seed of the random numbers.")] = 0

    def __post_init__(self) -> None:
        if self.chosen and self.cost is None:
            raise typer.BadParameter("--chosen needs --cost and --success: what a contact does.")
        if self.chosen and self.by:
            raise typer.BadParameter("--by hands on totals and --chosen customers. Leave one out.")

    def check(self, value: ValueOptions) -> None:
        """Raise now what would be raised after minutes of fitting."""
        import clvforecast as clv

        self._retention(clv.BGNBD(1, 1, 1, 1), clv.GammaGamma(2, 2, 2), anyone(), value, by=None)

    def work_out(self, fits: Fits, rfm: "pd.DataFrame", value: ValueOptions) -> "Retention":
        """Work out whom it pays to contact."""
        with console.progress("Ranking the customers"):
            return self._retention(fits.purchases, fits.spend, rfm, value, by=self.by)

    def _retention(
        self,
        purchases: Any,
        spend: Any,
        rfm: "pd.DataFrame",
        value: ValueOptions,
        by: list[str] | None,
    ) -> "Retention":
        import clvforecast as clv

        return clv.retention(
            purchases,
            spend,
            rfm,
            cost=self.cost,
            success=self.success,
            budget=self.budget,
            by=by,
            level=self.level,
            simulations=self.simulations,
            seed=self.seed,
            **value.terms(),
        )
