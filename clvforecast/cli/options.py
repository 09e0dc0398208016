"""The options that several commands share, in groups; their defaults are those of the library."""

# No postponed annotations here: typer reads them while the program runs.
import enum
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clvforecast.cli import console
from clvforecast.cli.fits import DEFAULT_UNIT

if TYPE_CHECKING:
    import pandas as pd

    from clvforecast.cli.fits import Fits
    from clvforecast.fitting import Fit
    from clvforecast.historical import HistoricalCLV
    from clvforecast.models import PurchaseModel, SpendModel
    from clvforecast.transactions import Transactions

__all__ = [
    "By",
    "Duplicates",
    "FitOptions",
    "ForecastOptions",
    "HistoricalOptions",
    "IntervalOptions",
    "Json",
    "Margin",
    "OrderOptions",
    "Output",
    "Picture",
    "PictureOutput",
    "Posterior",
    "Quantile",
    "Refunds",
    "Ridge",
    "Save",
    "Steps",
    "TimeUnit",
    "Unit",
    "ValueOptions",
    "check_json",
]


class TimeUnit(enum.StrEnum):
    """Units of recency and T."""

    D = "D"
    W = "W"
    M = "M"
    Y = "Y"


class Refunds(enum.StrEnum):
    """What to do with negative amounts."""

    net = "net"
    drop = "drop"
    error = "error"


class Duplicates(enum.StrEnum):
    """What to do with rows alike in every column used."""

    keep = "keep"
    drop = "drop"


def _option(*names: str, panel: str, text: str, **how: Any) -> Any:
    return typer.Option(*names, help=text, rich_help_panel=panel, **how)


_ORDERS = "Orders"
_MODELS = "Models"
_VALUE = "Value"
_FORMULA = "Simple formula"
_OUTPUT = "Output"


@dataclass(frozen=True)
class OrderOptions:
    """Where the orders are, and how to read them."""

    source: Annotated[
        str,
        typer.Argument(
            metavar="ORDERS",
            show_default=False,
            help="CSV (also .gz) or Parquet file, a quoted glob of them, or a database URL: "
            "duckdb://, sqlite:// or postgresql://, with --table.",
        ),
    ]
    customer: Annotated[
        str, _option(panel=_ORDERS, metavar="COLUMN", text="Column of the customer id.")
    ] = "customer_id"
    date: Annotated[
        str, _option(panel=_ORDERS, metavar="COLUMN", text="Column of the order's date.")
    ] = "date"
    amount: Annotated[
        str, _option(panel=_ORDERS, metavar="COLUMN", text="Column of the order's amount.")
    ] = "amount"
    order: Annotated[
        str | None,
        _option(
            panel=_ORDERS,
            metavar="COLUMN",
            text="Column of the order id, where a row is a line of an order: lines are added up.",
        ),
    ] = None
    table: Annotated[
        str | None, _option(panel=_ORDERS, metavar="NAME", text="Table behind a database URL.")
    ] = None
    date_format: Annotated[
        str | None,
        _option(
            panel=_ORDERS,
            metavar="FORMAT",
            text="How dates are written, such as '%d/%m/%Y'. Default: ISO, 2024-12-31.",
        ),
    ] = None
    tz: Annotated[
        str | None,
        _option(
            panel=_ORDERS,
            metavar="ZONE",
            text="Time zone whose days count, such as Asia/Tehran, for instants with a zone.",
        ),
    ] = None
    decimal: Annotated[str, _option(panel=_ORDERS, metavar="MARK", text="Decimal mark.")] = "."
    thousands: Annotated[
        str | None, _option(panel=_ORDERS, metavar="MARK", text="Mark between thousands.")
    ] = None
    separator: Annotated[
        str | None,
        _option(
            panel=_ORDERS,
            metavar="MARK",
            text="Separator of CSV files ('tab' for a tab). Default: detected.",
        ),
    ] = None
    until: Annotated[
        str | None,
        _option(
            panel=_ORDERS,
            metavar="YYYY-MM-DD",
            text="Last day of observation; later orders are left out. Default: the last order.",
        ),
    ] = None
    refunds: Annotated[
        Refunds,
        _option(panel=_ORDERS, text="Negative amounts: net them off, drop them, or refuse them."),
    ] = Refunds.net
    duplicates: Annotated[
        Duplicates, _option(panel=_ORDERS, text="Rows that repeat another one exactly.")
    ] = Duplicates.keep
    memory_limit: Annotated[
        str | None,
        _option(
            panel=_ORDERS,
            metavar="SIZE",
            text="Memory the engine may use, such as 4GB; the rest goes to the temporary folder. "
            "Default: 80% of the machine's.",
        ),
    ] = None

    def read(self, *, segments: Sequence[str] = (), partial: bool = False) -> "Transactions":
        """Read and check the orders."""
        import clvforecast as clv

        return clv.read_orders(
            self.source,
            customer=self.customer,
            date=self.date,
            amount=self.amount,
            order=self.order,
            segments=segments,
            table=self.table,
            until=self.until,
            date_format=self.date_format,
            tz=self.tz,
            decimal=self.decimal,
            thousands=self.thousands,
            separator="\t" if self.separator in ("tab", "\\t") else self.separator,
            refunds=self.refunds.value,
            duplicates=self.duplicates.value,
            partial=partial,
            memory_limit=self.memory_limit,
        )


Unit = Annotated[
    TimeUnit | None,
    _option(
        panel=_MODELS,
        case_sensitive=False,
        metavar="D|W|M|Y",
        text="Unit of recency, T and the model: day, week, month or year. "
        "Default: W, or that of --model.",
    ),
]
Ridge = Annotated[
    float | None,
    _option(
        panel=_MODELS,
        metavar="NUMBER",
        text="Penalty on the parameters' logarithms, such as 0.001, for data that do not "
        "identify them. Default: none.",
    ),
]
Save = Annotated[
    Path | None,
    _option(panel=_MODELS, metavar="FILE", text="Keep the fits as JSON, for --model."),
]


@dataclass(frozen=True)
class FitOptions:
    """Fit the models to the orders, or use fits of earlier orders."""

    time_unit: Unit = None
    ridge: Ridge = None
    model: Annotated[
        list[Path] | None,
        _option(
            panel=_MODELS,
            metavar="FILE",
            text="Use the fits in this file of --save instead of fitting. Twice, for two files "
            "of one fit each.",
        ),
    ] = None
    save: Save = None

    def __post_init__(self) -> None:
        if self.model and (self.save or self.ridge is not None):
            other = "--save" if self.save else "--ridge"
            raise typer.BadParameter(
                f"{other} is for fitting, and --model brings fits. Leave one out."
            )

    def unit(self, kept: "Fits | None") -> str:
        """The unit that is asked for, that of the fits there are, or weeks."""
        fitted = kept.purchases.time_unit if kept else None
        return str(self.time_unit or fitted or DEFAULT_UNIT)


Margin = Annotated[
    float, _option(panel=_VALUE, metavar="SHARE", text="Share of revenue that is profit.")
]


@dataclass(frozen=True)
class ValueOptions:
    """What a forecast is of."""

    horizon: Annotated[
        str,
        _option(
            panel=_VALUE,
            metavar="DURATION",
            text="How far ahead: 52W, 12M, 1Y, 90D, or inf for a whole lifetime.",
        ),
    ] = "1Y"
    discount_rate: Annotated[
        float,
        _option(panel=_VALUE, metavar="RATE", text="Effective annual rate, 0.10 for 10% a year."),
    ] = 0.0
    margin: Margin = 1.0

    def check(self) -> None:
        """Raise now what the forecast would raise after minutes of fitting."""
        import pandas as pd

        import clvforecast as clv

        anyone = pd.DataFrame(
            {"frequency": [1], "recency": [1.0], "T": [2.0], "monetary_value": [1.0]}
        )
        self.forecast(clv.BGNBD(1, 1, 1, 1), clv.GammaGamma(2, 2, 2), anyone, time_unit="W")

    def forecast(
        self,
        purchases: "Fit | PurchaseModel",
        spend: "Fit | SpendModel",
        rfm: "pd.DataFrame",
        **more: Any,
    ) -> "pd.DataFrame":
        """Forecast on these terms."""
        import clvforecast as clv

        return clv.forecast(purchases, spend, rfm, **self.terms(), **more)

    def terms(self) -> dict[str, Any]:
        """The same as arguments of the library."""
        return {
            "horizon": self.horizon,
            "annual_discount_rate": self.discount_rate,
            "margin": self.margin,
        }


Posterior = Annotated[
    bool,
    _option(
        "--posterior",
        panel=_VALUE,
        text="Let the intervals hold how uncertain the parameters are, too: draw them from their "
        "posterior.",
    ),
]


@dataclass(frozen=True)
class IntervalOptions(ValueOptions):
    """What a forecast is of, and how uncertain each customer's future is."""

    level: Annotated[
        float | None,
        _option(
            panel=_VALUE,
            metavar="PROBABILITY",
            text="Add predictive intervals of this probability, such as 0.90: where each "
            "customer's own purchases and value will lie.",
        ),
    ] = None

    def terms(self) -> dict[str, Any]:
        """The same as arguments of the library."""
        return {**super().terms(), "level": self.level}


@dataclass(frozen=True)
class ForecastOptions(IntervalOptions):
    """The same, with the parameters' own uncertainty if it is asked for."""

    posterior: Posterior = False

    def __post_init__(self) -> None:
        if self.posterior and self.level is None:
            raise typer.BadParameter("--posterior widens intervals. Give --level, such as 0.90.")


@dataclass(frozen=True)
class HistoricalOptions:
    """How the simple formula is to be worked out."""

    lifespan: Annotated[
        str | None,
        _option(
            panel=_FORMULA,
            metavar="DURATION",
            text="How long a customer stays, such as 2Y, or how to estimate it: churn or "
            "observed. Default: churn.",
        ),
    ] = None
    period: Annotated[
        str | None,
        _option(
            panel=_FORMULA,
            metavar="DURATION",
            text="Length of time the log covers, where it is longer than the orders show.",
        ),
    ] = None

    def work_out(
        self, log: "Transactions", *, margin: float, by: Sequence[str] | None = None
    ) -> "HistoricalCLV":
        """Work the formula out on these terms."""
        import clvforecast as clv

        with console.progress("Working out the simple formula"):
            return clv.historical_clv(
                log, by=by, lifespan=self.lifespan, period=self.period, margin=margin
            )


Quantile = Annotated[
    float,
    _option(
        panel=_FORMULA,
        metavar="SHARE",
        text="Customers above this quantile of past value, or of forecast, are the valuable ones.",
    ),
]
By = Annotated[
    list[str] | None,
    _option(
        "--by",
        "--segment",
        panel=_FORMULA,
        metavar="COLUMN",
        text="Repeat the formula for each value of this column; may be given again.",
    ),
]
Steps = Annotated[
    bool, _option("--steps", panel=_OUTPUT, text="Write the formula's steps, not the customers.")
]
Output = Annotated[
    Path | None,
    _option(
        "-o",
        "--output",
        panel=_OUTPUT,
        metavar="FILE",
        text="Write the table here instead: CSV, Parquet or JSON by the ending.",
    ),
]
Json = Annotated[
    bool,
    _option(
        "--json",
        panel=_OUTPUT,
        text="Print everything as one JSON object instead; null where there is no finite number.",
    ),
]
Picture = Annotated[
    Path | None,
    _option(
        panel=_OUTPUT, metavar="FILE", text="Draw it here, too: PNG, SVG or PDF by the ending."
    ),
]
PictureOutput = Annotated[
    Path,
    _option(
        "-o",
        "--output",
        panel=_OUTPUT,
        metavar="FILE",
        show_default=False,
        text="Where to draw it: PNG, SVG or PDF by the ending.",
    ),
]


def check_json(as_json: bool, target: Path | None) -> None:
    """Refuse two results for one run: one of them would be lost unseen."""
    if as_json and target is not None:
        raise typer.BadParameter(
            "--json prints to stdout, and -o writes the table to a file. Leave one out."
        )
