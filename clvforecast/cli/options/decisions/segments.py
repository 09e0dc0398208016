"""What `clv segments` is asked for: what to group by, and how sure the totals are."""

# No postponed annotations here: typer reads them while the program runs.
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

from clvforecast.cli import console
from clvforecast.cli.customers import anyone
from clvforecast.cli.options.panels import panel
from clvforecast.cli.options.value import Posterior

if TYPE_CHECKING:
    import pandas as pd

    from clvforecast.cli.fits import Fits
    from clvforecast.decisions import Segmentation, ValueRules
    from clvforecast.transactions import Transactions

__all__ = ["SegmentOptions"]

_option = panel("Segments")
_RULES: Final = ("value", "rfm", "cohort_month", "cohort_quarter", "cohort_year")


@dataclass(frozen=True)
class SegmentOptions:
    """What to group customers by, where the rules draw their lines, and how sure the totals are."""

    by: Annotated[
        list[str] | None,
        _option(
            "--by",
            "--segment",
            metavar="NAME",
            text="value (past, future and P(alive)), rfm (quintiles), cohort_month, "
            "cohort_quarter, cohort_year, or a column of the orders, as it is in a customer's "
            "first one; may be given again. Default: value.",
        ),
    ] = None
    since: Annotated[
        str | None,
        _option(
            metavar="YYYY-MM-DD",
            text="Count who moved from segment to segment since this day instead.",
        ),
    ] = None
    customers: Annotated[
        bool, _option("--customers", text="Hand on the segment of every customer instead.")
    ] = False
    quantile: Annotated[
        float, _option(metavar="SHARE", text="High values are above this quantile of customers.")
    ] = 0.8
    fading: Annotated[
        float, _option(metavar="PROBABILITY", text="P(alive) below which a customer is fading.")
    ] = 0.5
    lost: Annotated[
        float, _option(metavar="PROBABILITY", text="P(alive) below which a customer is lost.")
    ] = 0.2
    new_within: Annotated[
        str, _option(metavar="DURATION", text="How long after the first order a customer is new.")
    ] = "13W"
    small: Annotated[
        int, _option(metavar="NUMBER", text="Segments of fewer customers are flagged.")
    ] = 30
    level: Annotated[
        float, _option(metavar="PROBABILITY", text="Probability of the intervals.")
    ] = 0.90
    posterior: Posterior = False
    simulations: Annotated[
        int, _option(metavar="NUMBER", text="How many futures are drawn for the intervals.")
    ] = 1_000
    seed: Annotated[int, _option(metavar="NUMBER", text="Seed of the random numbers.")] = 0

    @property
    def columns(self) -> list[str]:
        """What `by` names that is not a rule: columns of the orders."""
        return [name for name in self.by or () if name not in _RULES]

    def check(self, horizon: str) -> None:
        """Raise now what would be raised after minutes of fitting."""
        import pandas as pd

        import clvforecast as clv
        from clvforecast.transactions.table import as_day

        self._rules()
        if self.since is not None:
            as_day(self.since, "since")
        buys, spends = clv.BGNBD(1, 1, 1, 1), clv.GammaGamma(2, 2, 2)
        rfm = anyone()
        value = clv.forecast(buys, spends, rfm, horizon=horizon)
        labels = pd.Series(["all"], name="segment_of_all")
        clv.segments(value, by=labels, purchases=buys, spend=spends, rfm=rfm, **self._terms())

    def work_out(
        self,
        value: "pd.DataFrame",
        log: "Transactions",
        fits: "Fits",
        rfm: "pd.DataFrame",
        *,
        rules: "ValueRules | None" = None,
    ) -> "Segmentation":
        """Group the customers."""
        import clvforecast as clv

        by: list[Any] = list(self.by or ["value"])
        if self.columns:
            labels = log.customer_segments()
            by = [labels[name] if name in self.columns else name for name in by]
        posterior = fits.posterior() if self.posterior else None
        with console.progress(f"Simulating {self.simulations:,} futures"):
            return clv.segments(
                value,
                log,
                by=by,
                rules=rules or self._rules(),
                purchases=fits.purchases,
                spend=fits.spend,
                rfm=rfm,
                posterior=posterior,
                **self._terms(),
            )

    def _rules(self) -> "ValueRules":
        import clvforecast as clv

        return clv.ValueRules(
            quantile=self.quantile,
            fading=self.fading,
            lost=self.lost,
            new_within=self.new_within,
        )

    def _terms(self) -> dict[str, Any]:
        return {
            "level": self.level,
            "small": self.small,
            "simulations": self.simulations,
            "seed": self.seed,
        }
