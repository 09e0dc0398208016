"""What every model is: a frozen set of parameters with pure array methods."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from functools import reduce
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, TypeAlias

import numpy as np

from clvforecast.errors import DataError
from clvforecast.models.likelihoods.row_derivatives import RowDerivatives
from clvforecast.numerics.arrays import ArrayLike, BoolArray, FloatArray, IntArray
from clvforecast.numerics.blocks import blocks
from clvforecast.numerics.optimise import Derivatives

if TYPE_CHECKING:
    import pandas as pd

    from clvforecast.calendars import Calendar
    from clvforecast.fitting import Fit
    from clvforecast.transactions import Transactions
    from clvforecast.transactions.lazy import LazySummary
    from clvforecast.transactions.timing import Timing

__all__ = ["Labels", "LogLikelihood", "Model", "check_rows"]

Labels: TypeAlias = "Sequence[Any] | pd.Index[Any]"


class LogLikelihood(Protocol):
    """The log-likelihood of fixed data, as a function of the parameters, shape (k,)."""

    def __call__(self, parameters: FloatArray) -> Derivatives:
        """Value, gradient and Hessian in the parameters."""

    def value(self, parameters: FloatArray) -> float:
        """The value alone, at a fraction of the cost."""


@dataclass(frozen=True)
class Model(ABC):
    """A probability model: its parameters are the fields, all positive.

    A parameter may be an array, one value per customer; every method broadcasts.
    """

    name: ClassVar[str]
    """What papers call it."""
    columns: ClassVar[tuple[str, ...]]
    """The columns of the RFM summary that it sees, in the order of its methods' arguments."""
    scaled_columns: ClassVar[tuple[str, ...]]
    """Those of them that have a unit, of time or money."""
    scale_column: ClassVar[str]
    """The one whose mean sets the scale for fitting."""
    scale_parameters: ClassVar[tuple[str, ...]]
    """The parameters in that unit; the others have none."""
    fixed: ClassVar[tuple[str, ...]] = ()
    """Fields that are settings, not estimated."""
    covariate_roles: ClassVar[Mapping[str, tuple[str, float]]] = {}
    """What covariates can act on: the parameter whose logarithm rises (1) or falls (-1) with it."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = np.asarray(getattr(self, field.name), dtype=float)
            if not np.all((value > 0) & np.isfinite(value)):
                raise DataError(
                    f"{type(self).__name__}: {field.name}={getattr(self, field.name)!r} "
                    "must be positive and finite."
                )

    @classmethod
    def parameter_names(cls) -> tuple[str, ...]:
        """Names of the parameters, in order.

        >>> from clvforecast import BGNBD
        >>> BGNBD.parameter_names()
        ('r', 'alpha', 'a', 'b')
        """
        return tuple(field.name for field in fields(cls) if field.name not in cls.fixed)

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters by name."""
        return {name: getattr(self, name) for name in self.parameter_names()}

    @property
    def kind(self) -> type[Model]:
        """What was fitted: the class, whatever the model was made for since."""
        return type(self)

    @property
    def settings(self) -> dict[str, Any]:
        """Fields that are not estimated, by name."""
        return {name: getattr(self, name) for name in self.fixed}

    @property
    def per_customer(self) -> dict[str, FloatArray]:
        """The parameters that are arrays, one value per customer."""
        return {name: value for name, value in self.parameters.items() if np.ndim(value)}

    def with_parameters(self, **values: Any) -> Self:
        """The same model with other values for some of the parameters."""
        return replace(self, **values) if values else self

    def of_customers(self, rows: IntArray | slice, customers: int) -> Self:
        """The model of some of so many customers, where parameters are arrays."""
        chosen = {n: np.broadcast_to(v, customers)[rows] for n, v in self.per_customer.items()}
        return self.with_parameters(**chosen)

    def as_numbers(self) -> Self:
        """The model of one customer, with numbers for parameters."""
        return self.with_parameters(**{n: float(v[0]) for n, v in self.per_customer.items()})

    def beside_counts(self) -> Self:
        """The model with a column for every parameter that is an array, to broadcast with rows."""
        columns = {n: np.asarray(v)[..., None] for n, v in self.per_customer.items()}
        return self.with_parameters(**columns)

    def rescaled(self, factor: float) -> Self:
        """The same model when its scaled columns are multiplied by `factor`.

        >>> from clvforecast import BGNBD
        >>> BGNBD(r=0.25, alpha=4.0, a=0.8, b=2.5).rescaled(7.0)
        BGNBD(r=0.25, alpha=28.0, a=0.8, b=2.5)
        """
        scaled = {name: getattr(self, name) * factor for name in self.scale_parameters}
        return replace(self, **scaled)

    @classmethod
    def fit(
        cls,
        rfm: pd.DataFrame | LazySummary,
        *,
        covariates: str | Mapping[str, str] | None = None,
        calendar: Calendar | str | None = None,
        equal: Iterable[Sequence[str]] = (),
        orders: Transactions | Timing | None = None,
        time_unit: str | None = None,
        ridge: float = 0.0,
        **settings: Any,
    ) -> Fit:
        """Fit by maximum likelihood, with covariates or in a calendar if asked.

        The arguments, what is raised and what is warned of are those of
        `clvforecast.fitting.fit`; `settings` are those of the model, such as ``k=3``.
        """
        from clvforecast.fitting import fit

        return fit(
            cls,
            rfm,
            covariates=covariates,
            calendar=calendar,
            equal=equal,
            orders=orders,
            time_unit=time_unit,
            ridge=ridge,
            **settings,
        )

    @classmethod
    def check(cls, *columns: FloatArray, labels: Labels | None = None) -> None:
        """Raise `DataError` unless every row can come from an order log."""
        with suppress(DataError):
            for part in blocks(*columns):
                cls._check(*part)
            return
        # Something is wrong: now with all rows counted, and the first of them named.
        cls._check(*columns, labels=labels)

    @classmethod
    @abstractmethod
    def _check(cls, *columns: FloatArray, labels: Labels | None = None) -> None:
        """Raise `DataError` if a row cannot come from an order log."""

    @classmethod
    def _check_numbers(cls, *columns: FloatArray, labels: Labels | None) -> None:
        """What every summary must hold: finite numbers, and counts that are counts."""
        names = f"{', '.join(cls.columns[:-1])} or {cls.columns[-1]}"
        check_rows(
            ~reduce(np.logical_and, map(np.isfinite, columns)),
            f"a {names} that is missing or not finite",
            "Summarise the orders again, or drop them.",
            labels,
        )
        x = columns[0]
        check_rows(
            (x < 0) | (x != np.floor(x)),
            "a frequency that is not a whole number >= 0",
            "frequency counts repeat purchases.",
            labels,
        )

    @classmethod
    @abstractmethod
    def informative(cls, *columns: FloatArray) -> BoolArray:
        """Which rows carry information on the parameters, shape (n,)."""

    @classmethod
    @abstractmethod
    def densities(cls, *columns: FloatArray) -> FloatArray:
        """Of how many quantities in the unit of the scale a row's likelihood is a density.

        In a unit `factor` times as small a row's log-likelihood is less by so many times the
        logarithm of `factor`.
        """

    @classmethod
    @abstractmethod
    def cells(
        cls, *columns: FloatArray, weights: FloatArray
    ) -> tuple[list[FloatArray], FloatArray]:
        """Rows that stand for all customers in the likelihood, as columns, and their weights."""

    @abstractmethod
    def log_likelihood(self, *columns: ArrayLike) -> FloatArray:
        """Log-likelihood of every row."""

    @classmethod
    @abstractmethod
    def total_log_likelihood(
        cls, *columns: FloatArray, weights: FloatArray, **settings: Any
    ) -> LogLikelihood:
        """The weighted sum over rows, with gradient and Hessian, as a function of parameters.

        Where a model has `fixed` fields, `settings` says what they are.
        """

    def row_derivatives(self, *columns: FloatArray, times: bool = False) -> RowDerivatives:
        """Log-likelihood of every row, with derivatives in the parameters it has there.

        Parameters
        ----------
        *columns : ndarray, shape (n,)
            As of `log_likelihood`.
        times : bool
            Whether to differentiate in recency and T, too, which then follow the parameters.
        """
        raise NotImplementedError

    @classmethod
    @abstractmethod
    def starting_points(cls) -> Iterable[FloatArray]:
        """Where to begin, for data whose scale column has mean one."""

    def remarks(self, flat: frozenset[str]) -> tuple[str, ...]:
        """What a reader of these estimates must know, in sentences.

        Parameters
        ----------
        flat : frozenset of str
            Parameters along which the likelihood is all but flat.
        """
        if not flat:
            return ()
        names = ", ".join(name for name in self.parameter_names() if name in flat)
        return (
            f"The data do not identify {names}: values many times larger or smaller fit as well.",
        )


def check_rows(
    bad: BoolArray,
    fault: str,
    remedy: str,
    labels: Labels | None = None,
) -> None:
    """Raise `DataError` naming how many rows have a fault and the first that does.

    >>> check_rows(np.array([False, True]), "recency > T", "Check `until`.", ["A", "B"])
    Traceback (most recent call last):
    clvforecast.errors.DataError: 1 of 2 customers has recency > T (first: 'B'). Check `until`.
    """
    if not bad.any():
        return
    count = int(np.count_nonzero(bad))
    position = int(np.argmax(bad))
    first = f"row {position}" if labels is None else repr(labels[position])
    verb = "has" if count == 1 else "have"
    raise DataError(
        f"{count:,} of {bad.size:,} customers {verb} {fault} (first: {first}). {remedy}"
    )
