"""Covariates of customers as numbers: a formula and a table in, a matrix out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

import numpy as np
import pandas as pd

from clvforecast.errors import DataError, suggest
from clvforecast.fitting.regression.formulas import CheckedFormula, checked_formula
from clvforecast.models.base import check_rows
from clvforecast.numerics.arrays import FloatArray, IntArray

if TYPE_CHECKING:
    from formulaic import ModelSpec

__all__ = ["Design", "Levels"]

Levels: TypeAlias = "tuple[str | bool | int | float, ...]"

_MOST_LEVELS: Final = 200
_NUMBERS: Final = frozenset({"integer", "floating", "mixed-integer-float", "decimal"})
_CATEGORIES: Final = frozenset({"boolean", "categorical", "string"})
_CONSTANT: Final = 1e-10
"""A standard deviation this small beside the largest value is rounding."""
_COLLINEAR: Final = 1e-10
"""So small a share of the variance of standardised columns is rounding."""
_INVOLVED: Final = 1e-3
_USUAL: Final = (1e-4, 1e8)
"""Ratios per unit of covariates that vary less are no numbers, of those that vary more no more
than one."""


@dataclass(frozen=True)
class Design:
    """How a formula turns the columns of a customer table into numbers.

    It remembers the categories it was made with, the first of which is the reference, and the
    mean and standard deviation of every column, so that the search for coefficients depends
    neither on units nor on origins. Made by `of`.

    Parameters
    ----------
    formula : str
        Right-hand side, without an intercept of its own.
    variables : mapping of str to tuple or None
        Every column of the table it needs: the categories, or None if it is a number.
    centre, scale : tuple of float
        Mean and standard deviation of the matrix's columns over customers.

    Examples
    --------
    >>> customers = pd.DataFrame({"channel": ["web", "store", "web"], "age": [30.0, 50.0, 61.0]})
    >>> design = Design.of("channel + age", customers)
    >>> design.names
    ('channel[T.web]', 'age')
    >>> design.matrix(customers)
    array([[ 1., 30.],
           [ 0., 50.],
           [ 1., 61.]])
    """

    formula: str
    variables: Mapping[str, Levels | None]
    centre: tuple[float, ...]
    scale: tuple[float, ...]

    @classmethod
    def of(cls, formula: str, frame: pd.DataFrame, *, weights: FloatArray | None = None) -> Self:
        """Learn categories, means and standard deviations from a customer table.

        Parameters
        ----------
        formula : str
            Such as ``"channel + age"``, ``"channel * np.log(age)"`` or ``"C(region)"``. Text,
            categories and true-or-false are coded as differences from the first category; of an
            unordered column that is the first in the alphabet.
        frame : DataFrame
            One row per customer.
        weights : ndarray, shape (n,), optional
            How many customers each row stands for; 0 for those the model learns nothing from.

        Raises
        ------
        DataError
            If the formula cannot be used, a column is missing or has missing values, or a column
            of the matrix tells nothing: it is constant, follows from the others, or is in a unit
            in which it hardly varies.
        """
        checked = checked_formula(formula)
        variables = {name: _learned(checked, name, frame) for name in checked.variables}
        placeholder = cls(formula, variables, (), ())
        matrix = placeholder.matrix(frame)
        counts = np.ones(len(frame)) if weights is None else weights
        share = counts / counts.sum()
        centre = share @ matrix
        apart = matrix - centre
        scale = np.sqrt(share @ apart**2)
        _refuse_uninformative(placeholder.names, matrix, apart, scale, share)
        return cls(formula, variables, tuple(centre.tolist()), tuple(scale.tolist()))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the matrix's columns, such as ``channel[T.web]``."""
        return tuple(map(str, self._spec.column_names[1:]))

    @property
    def terms(self) -> dict[str, list[int]]:
        """The columns that belong to each term of the formula: one for every level of a factor."""
        found = {str(term): at for term, at in self._spec.term_indices.items()}
        return {term: [i - 1 for i in at] for term, at in found.items() if term != "1"}

    def matrix(self, frame: pd.DataFrame) -> FloatArray:
        """The covariates of customers on the user's scale, shape (n, columns).

        Raises
        ------
        DataError
            If a column is missing, or a customer has a missing value or an unknown category.
        """
        known = pd.DataFrame(
            {name: _canonical(name, levels, frame) for name, levels in self.variables.items()},
            index=frame.index,
        )
        with np.errstate(all="ignore"):
            found = self._spec.get_model_matrix(known, context={})
        matrix = np.asarray(found, dtype=float)[:, 1:]
        for name, column in zip(self.names, matrix.T, strict=True):
            check_rows(
                ~np.isfinite(column),
                f"a {name!r} that is not finite",
                "Change the formula, or what it is worked out from.",
                frame.index,
            )
        return np.ascontiguousarray(matrix)

    def to_dict(self) -> dict[str, Any]:
        """Everything there is to know of it, of JSON's types."""
        return {
            "formula": self.formula,
            "variables": {
                name: None if levels is None else list(levels)
                for name, levels in self.variables.items()
            },
            "centre": list(self.centre),
            "scale": list(self.scale),
        }

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Self:
        """Rebuild a design from `to_dict`.

        Raises
        ------
        DataError
            If the formula does not fit the rest.
        """
        variables = {
            str(name): None if levels is None else tuple(levels)
            for name, levels in saved["variables"].items()
        }
        centre, scale = (tuple(map(float, saved[key])) for key in ("centre", "scale"))
        design = cls(str(saved["formula"]), variables, centre, scale)
        if set(variables) != set(checked_formula(design.formula).variables) or not (
            len(design.names) == len(centre) == len(scale)
        ):
            raise DataError(f"The saved covariates do not belong to {design.formula!r}.")
        return design

    @cached_property
    def _spec(self) -> ModelSpec:
        """What the formula makes of a table that has every category."""
        rows = max((len(levels) for levels in self.variables.values() if levels), default=1)
        table = pd.DataFrame(
            {
                name: np.ones(rows)
                if levels is None
                else _categorical(np.arange(rows) % len(levels), levels)
                for name, levels in self.variables.items()
            }
        )
        parsed = checked_formula(self.formula).parsed
        try:
            with np.errstate(all="ignore"):
                found = parsed.get_model_matrix(
                    table, context={}, output="numpy", na_action="ignore"
                )
        except Exception as error:
            raise DataError(
                f"The formula {self.formula!r} cannot be worked out: {error}. Check which columns "
                "hold numbers and which categories."
            ) from error
        return found.model_spec


def _learned(checked: CheckedFormula, name: str, frame: pd.DataFrame) -> Levels | None:
    """The categories of a column, or None if it holds numbers."""
    column = _column(name, frame)
    kind = pd.api.types.infer_dtype(column, skipna=True)
    if kind in _NUMBERS and name not in checked.coded:
        return None
    if kind not in _NUMBERS | _CATEGORIES:
        raise DataError(
            f"The covariate {name!r} holds {kind} values, which are neither numbers nor "
            "categories. Convert it to numbers or text."
        )
    if kind == "categorical":
        seen = set(column.cat.codes)
        values = [value for code, value in enumerate(column.cat.categories) if code in seen]
    else:
        values = sorted(column.unique().tolist())
    if len(values) < 2:
        raise DataError(
            f"The covariate {name!r} is {values[0]!r} for all customers, so it tells nothing. "
            "Leave it out."
        )
    if len(values) > _MOST_LEVELS:
        raise DataError(
            f"The covariate {name!r} has {len(values):,} categories, more than the {_MOST_LEVELS} "
            "that can be told apart. Group the rare ones."
        )
    levels = tuple(value.item() if hasattr(value, "item") else value for value in values)
    if not all(isinstance(value, str | bool | int | float) for value in levels):
        raise DataError(
            f"The categories of {name!r} must be text, numbers or true and false, not "
            f"{type(levels[0]).__name__}. Convert them to text."
        )
    return levels


def _column(name: str, frame: pd.DataFrame) -> pd.Series[Any]:
    """A column of the table that nobody's value is missing of."""
    if name not in frame.columns:
        raise DataError(
            f"The table has no column {name!r}, which the covariates need. "
            f"{suggest(name, frame.columns)}"
        )
    column: pd.Series[Any] = frame[name]
    check_rows(
        column.isna().to_numpy(),
        f"no {name!r}",
        "Fill it in, make 'unknown' a category, or leave these customers out.",
        frame.index,
    )
    return column


def _canonical(name: str, levels: Levels | None, frame: pd.DataFrame) -> Any:
    """A column as the formula's numbers or known categories."""
    column = _column(name, frame)
    if levels is None:
        try:
            values = column.to_numpy(dtype=float)
        except (ValueError, TypeError) as error:
            raise DataError(f"The covariate {name!r} must hold numbers: {error}.") from error
        check_rows(~np.isfinite(values), f"an infinite {name!r}", "Change it.", frame.index)
        return values
    codes = pd.Index(levels, dtype=object).get_indexer(pd.Index(column.astype(object)))
    unknown = codes < 0
    if unknown.any():
        check_rows(
            unknown,
            f"a {name!r} that the model was not fitted with, such as "
            f"{column.iloc[int(np.argmax(unknown))]!r}",
            f"{suggest('', map(str, levels))} Fit again with customers of every category.",
            frame.index,
        )
    return _categorical(codes, levels)


def _categorical(codes: IntArray, levels: Levels) -> pd.Categorical:
    categories: Any = list(levels)
    return pd.Categorical.from_codes(codes, categories)


def _refuse_uninformative(
    names: tuple[str, ...],
    matrix: FloatArray,
    apart: FloatArray,
    scale: FloatArray,
    share: FloatArray,
) -> None:
    """Raise `DataError` where a column is constant, or follows from the others."""
    largest = np.abs(matrix[share > 0]).max(axis=0, initial=0.0)
    constant = np.flatnonzero(scale <= _CONSTANT * largest)
    if constant.size:
        listed = ", ".join(repr(names[i]) for i in constant)
        raise DataError(
            f"{listed} {'is' if constant.size == 1 else 'are'} the same for all customers the "
            "model learns from, so no coefficient can be found. Leave it out of the formula, or "
            "merge the category with another."
        )
    for name, spread in zip(names, scale.tolist(), strict=True):
        if not _USUAL[0] <= spread <= _USUAL[1]:
            raise DataError(
                f"{name!r} has a standard deviation of {spread:.2g}, so what one unit of it does "
                f"cannot be told. Measure it in a {'smaller' if spread < 1 else 'larger'} unit."
            )
    standard = apart / scale
    values, vectors = np.linalg.eigh((standard * share[:, None]).T @ standard)
    if values[0] < _COLLINEAR * len(names):
        involved = np.flatnonzero(np.abs(vectors[:, 0]) > _INVOLVED)
        listed = ", ".join(repr(names[i]) for i in involved)
        raise DataError(
            f"{listed} are collinear: each follows from the others, so they have no coefficients "
            "of their own. Leave one out of the formula."
        )
