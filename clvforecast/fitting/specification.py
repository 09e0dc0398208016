"""A model and how it is to be fitted: what goes wherever a model's class goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from clvforecast.calendars.files import calendar_with_files
from clvforecast.errors import DataError, suggest
from clvforecast.models import MODELS, Model

if TYPE_CHECKING:
    import pandas as pd

    from clvforecast.calendars import Calendar
    from clvforecast.fitting.result import Fit
    from clvforecast.transactions import LazySummary, Transactions
    from clvforecast.transactions.timing import Timing

__all__ = ["ModelLike", "Specification"]

_ROLES: Final = ("purchase", "dropout", "spend")
_PARTS: Final = ("calendar", "events", "regressors", "covariates", *_ROLES, "k")


@dataclass(frozen=True, repr=False)
class Specification:
    """A model and how it is to be fitted: with which covariates, in which calendar.

    Goes where a model's class goes: to `backtest`, `select` and `monitor`.

    Parameters
    ----------
    model : type of Model
    covariates : str or mapping of str to str, optional
        As of `fit`.
    calendar : Calendar or str, optional
        As of `fit`.
    equal : sequence of sequence of str
        As of `fit`.
    k : int, optional
        As of `fit`.
    label : str, optional
        What to call it. Default: the model's name, and what it is fitted with.

    Examples
    --------
    >>> import clvforecast as clv
    >>> clv.Specification(clv.MBGNBD, calendar="month").name
    'MBG/NBD, month'
    """

    model: type[Model]
    covariates: str | Mapping[str, str] | None = None
    calendar: Calendar | str | None = None
    equal: Sequence[Sequence[str]] = ()
    k: int | None = None
    label: str | None = None

    def __post_init__(self) -> None:
        if not (isinstance(self.model, type) and issubclass(self.model, Model)):
            raise DataError(
                f"Specification: {self.model!r} is no class of a model. Give one, such as BGNBD."
            )

    def __repr__(self) -> str:
        """Say it in short."""
        return f"Specification({self.name!r})"

    @classmethod
    def of(cls, given: str | type[Model] | Specification) -> Specification:
        """Read a specification from text, or take a class as one.

        Parameters
        ----------
        given : str, type of Model or Specification
            Text names a model of `MODELS`; what it is fitted with follows, each after a semicolon:
            ``calendar: month + trend``, ``covariates: channel + age``, or for one part of the model
            ``purchase: channel``, ``dropout: age``, ``spend: channel``; ``k: 3``. Beside a
            calendar, or alone, ``events: FILE`` and ``regressors: FILE`` name CSV files: columns
            `event`, `date` and perhaps `end`; or days in the first column and a quantity in each
            other.

        Raises
        ------
        DataError
            If there is no such model, or the text says something else.

        Examples
        --------
        >>> Specification.of("mbgnbd; calendar: month + trend; purchase: channel").name
        'MBG/NBD, month + trend, purchase: channel'
        """
        if not isinstance(given, str):
            return given if isinstance(given, Specification) else cls(given)
        name, *parts = (part.strip() for part in given.split(";"))
        if name.lower() not in MODELS:
            raise DataError(f"There is no model {name!r}. {suggest(name, MODELS)}")
        told: dict[str, Any] = {}
        for part in parts:
            key, colon, value = (piece.strip() for piece in part.partition(":"))
            if not colon or not value or key.lower() not in _PARTS:
                raise DataError(
                    f"{given!r}: {part!r} is not understood. Write it as 'calendar: month' or "
                    f"'covariates: channel'. {suggest(key, _PARTS)}"
                )
            if key.lower() in told:
                raise DataError(f"{given!r} says {key!r} twice. Leave one out.")
            told[key.lower()] = value
        roles = {role: told.pop(role) for role in _ROLES if role in told}
        if roles and "covariates" in told:
            raise DataError(
                f"{given!r}: covariates are of all parts. Leave {next(iter(roles))!r} out."
            )
        if roles:
            told["covariates"] = roles
        days = [told.pop(name, None) for name in ("calendar", "events", "regressors")]
        if any(days):
            told["calendar"] = calendar_with_files(*days)
        if "k" in told:
            told["k"] = _whole(told["k"], given)
        return cls(MODELS[name.lower()], **told)

    @property
    def is_plain(self) -> bool:
        """Whether it is the model's class alone."""
        return self == Specification(self.model)

    @property
    def name(self) -> str:
        """What it is called beside others."""
        if self.label is not None:
            return self.label
        said = [self.model.name]
        if self.k is not None:
            said[0] = said[0].replace("-k", f"-{self.k}")
        if self.calendar is not None:
            said.append(str(self.calendar))
        if isinstance(self.covariates, Mapping):
            said += [f"{role}: {formula}" for role, formula in self.covariates.items()]
        elif self.covariates is not None:
            said.append(self.covariates)
        return ", ".join(said)

    @property
    def variables(self) -> tuple[str, ...]:
        """The columns of the summary that are its covariates."""
        from clvforecast.fitting.regression.formulas import checked_formula

        if self.covariates is None:
            return ()
        given = self.covariates
        formulas = given.values() if isinstance(given, Mapping) else (given,)
        found = (checked_formula(formula).variables for formula in formulas)
        return tuple(dict.fromkeys(name for names in found for name in names))

    @property
    def uses_timing(self) -> bool:
        """Whether the days of all purchases say more than a summary does."""
        return self.calendar is not None or bool(self.model.fixed)

    def fit(
        self,
        rfm: pd.DataFrame | LazySummary,
        *,
        time_unit: str | None = None,
        ridge: float = 0.0,
        orders: Transactions | Timing | None = None,
    ) -> Fit:
        """Fit it by maximum likelihood; see `clvforecast.fitting.fit`."""
        told: dict[str, Any] = {
            "covariates": self.covariates,
            "calendar": self.calendar,
            "equal": self.equal or None,
            "k": self.k,
            "orders": orders if self.uses_timing else None,
        }
        given = {name: value for name, value in told.items() if value is not None}
        return self.model.fit(rfm, time_unit=time_unit, ridge=ridge, **given)


ModelLike: TypeAlias = type[Model] | Specification


def _whole(text: str, given: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise DataError(f"{given!r}: k must be a whole number, not {text!r}.") from None
