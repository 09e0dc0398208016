"""What `clv compare-groups` is asked for: the groups, and since when they differ."""

# No postponed annotations here: typer reads them while the program runs.
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from clvforecast.cli import console
from clvforecast.cli.fits import Fits
from clvforecast.cli.options.panels import panel
from clvforecast.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from clvforecast.decisions import GroupComparison
    from clvforecast.transactions import Transactions

__all__ = ["GroupOptions"]

_option = panel("Groups")
_FILES: Final = (".csv", ".parquet")
_CUSTOMER: Final = "customer_id"


@dataclass(frozen=True)
class GroupOptions:
    """Which groups are compared, since when they differ, and how sure to be."""

    groups: Annotated[
        str,
        _option(
            metavar="NAME",
            show_default=False,
            text="A column of the orders, as it is in a customer's first one; or a CSV or Parquet "
            "file with the column customer_id and one more, the group.",
        ),
    ]
    reference: Annotated[
        str | None,
        _option(
            metavar="GROUP", text="The group to compare the others with. Default: the largest."
        ),
    ] = None
    since: Annotated[
        str | None,
        _option(
            metavar="YYYY-MM-DD",
            text="First day of the experiment: what customers did before is taken into account.",
        ),
    ] = None
    join_period: Annotated[
        str | None,
        _option(
            metavar="W|M|Q|Y",
            text="Compare customers who joined in the same week, month, quarter or year. Default: "
            "as fine as the groups are large.",
        ),
    ] = None
    level: Annotated[
        float, _option(metavar="PROBABILITY", text="Probability of the confidence intervals.")
    ] = 0.90
    permutations: Annotated[
        int,
        _option(
            metavar="NUMBER",
            text="How often customers are put into groups at random, for the intervals.",
        ),
    ] = 999
    seed: Annotated[int, _option(metavar="NUMBER", text="Seed of the random numbers.")] = 0

    @property
    def columns(self) -> list[str]:
        """The column of the orders that `groups` names."""
        return [] if Path(self.groups).suffix.lower() in _FILES else [self.groups]

    def check(self) -> None:
        """Raise now what would be raised after minutes of fitting."""
        from clvforecast.transactions.table import as_day

        if self.since is not None:
            as_day(self.since, "since")
        self._labels()

    def work_out(
        self, log: "Transactions", fits: Fits, rfm: "pd.DataFrame", value: "pd.DataFrame"
    ) -> "GroupComparison":
        """Compare the groups."""
        import clvforecast as clv

        labels = self._labels()
        reference: Any = self.reference
        if reference is not None:
            groups = log.customer_segments()[self.groups] if labels is None else labels
            reference = {str(group): group for group in groups.unique()}.get(reference, reference)
        with console.progress("Comparing the groups"):
            return clv.compare_groups(
                log,
                self.groups if labels is None else labels,
                value=value,
                since=self.since,
                reference=reference,
                level=self.level,
                join_period=self.join_period,
                purchases=fits.purchases,
                spend=fits.spend,
                rfm=rfm,
                permutations=self.permutations,
                seed=self.seed,
            )

    def _labels(self) -> "pd.Series[Any] | None":
        """Read the group of every customer, if it is in a file."""
        import pandas as pd

        if self.columns:
            return None
        path = Path(self.groups)
        try:
            if path.suffix.lower() == ".parquet":
                table = pd.read_parquet(path)
            else:
                table = pd.read_csv(path, dtype={_CUSTOMER: str})
        except OSError as error:
            raise DataError(
                f"Cannot read the groups in {self.groups!r}: {error.strerror}."
            ) from error
        except ValueError as error:
            raise DataError(f"{self.groups!r} holds no table of groups: {error}") from error
        others = [name for name in table.columns if name != _CUSTOMER]
        if len(others) != 1 or len(table.columns) != 2:
            raise DataError(
                f"{self.groups!r} has the columns {', '.join(map(repr, table.columns))}. It must "
                f"have {_CUSTOMER!r} and one more, the group."
            )
        twice = table[_CUSTOMER].duplicated()
        if twice.any():
            raise DataError(
                f"{self.groups!r} has {int(twice.sum()):,} customers more than once (first: "
                f"{table.loc[twice, _CUSTOMER].iloc[0]!r}). Give every customer one group."
            )
        return table.set_index(_CUSTOMER)[others[0]]
