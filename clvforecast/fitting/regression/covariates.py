"""Which covariates act on which part of a model, and what their coefficients are called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, Self, TypeVar

import numpy as np
import pandas as pd

from clvforecast.errors import DataError, suggest
from clvforecast.fitting.regression.design import Design
from clvforecast.fitting.regression.likelihood import Shift
from clvforecast.models import Model
from clvforecast.models.base import Labels, check_rows
from clvforecast.numerics.arrays import FloatArray, IntArray, distinct_rows

__all__ = ["Covariates", "Reference"]

M = TypeVar("M", bound=Model)

_LARGEST_LOGARITHM: Final = 600.0


@dataclass(frozen=True)
class Reference:
    """How free logarithms of the search turn into those of the user's scale: linearly.

    The search has standardised covariates, so its parameters are those of an average customer. On
    the user's scale they are those of the customer whose covariates are all zero, or in the
    first category, as in the literature; coefficients are per unit.

    Parameters
    ----------
    matrix : ndarray, shape (k, k)
        Times the logarithms of the search gives the user's.
    """

    matrix: FloatArray

    def estimates(self, searched: FloatArray) -> FloatArray:
        """Positive free parameters on the user's scale, shape (k,) or (k, draws)."""
        return np.asarray(np.exp(self.matrix @ np.log(searched)))

    def searched(self, estimates: FloatArray) -> FloatArray:
        """The inverse of `estimates`."""
        return np.asarray(np.exp(np.linalg.solve(self.matrix, np.log(estimates))))

    def covariance(self, searched: FloatArray) -> FloatArray:
        """Covariance of the user's logarithms, from that of the search's.

        Infinite on the diagonal wherever what is not identified (infinite in `searched`) enters.
        """
        unknown = ~np.isfinite(np.diag(searched))
        known = np.where(unknown[:, None] | unknown, 0.0, searched)
        covariance = np.asarray(self.matrix @ known @ self.matrix.T)
        lost = (self.matrix[:, unknown] != 0).any(axis=1)
        covariance[lost, :] = covariance[:, lost] = 0.0
        covariance[lost, lost] = np.inf
        return covariance


@dataclass(frozen=True)
class Covariates:
    """The covariates of a model: a design for each role they play in it.

    A role is a part of the model that they multiply by ``exp(coefficient * covariate)``, such as
    the rate of purchases; a model says in `covariate_roles` which it has, and which parameter each
    of them is. Made by `of`.

    Parameters
    ----------
    roles : mapping of str to tuple of str and float
        For each role the parameter, and whether its logarithm rises (1) or falls (-1) with the
        coefficients.
    parameters : tuple of str
        The model's parameters.
    designs : mapping of str to Design
        By role, in the order of `roles`.
    equal : tuple of tuple of str
        Coefficients that are one number, such as ``("purchase: age", "dropout: age")``.

    References
    ----------
    P. S. Fader and B. G. S. Hardie, "Incorporating Time-Invariant Covariates into the Pareto/NBD
    and BG/NBD Models" (2007), www.brucehardie.com/notes/019.
    """

    roles: Mapping[str, tuple[str, float]]
    parameters: tuple[str, ...]
    designs: Mapping[str, Design]
    equal: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def of(
        cls,
        model: type[Model],
        formulas: str | Mapping[str, str],
        frame: pd.DataFrame,
        *,
        weights: FloatArray | None = None,
        equal: Iterable[Sequence[str]] = (),
    ) -> Self:
        """Learn the designs from a customer table.

        Parameters
        ----------
        model : type of Model
        formulas : str or mapping of str to str
            One formula for all roles, or one for each role that has covariates.
        frame : DataFrame
            One row per customer.
        weights : ndarray, shape (n,), optional
            How many customers each row stands for; 0 for those the model learns nothing from.
        equal : iterable of sequences of str
            Coefficients, or terms with as many of them, that are to be equal:
            ``[("purchase: age", "dropout: age")]``.

        Raises
        ------
        DataError
            If the model has no such role, a formula cannot be used with the table (see
            `Design.of`), or `equal` names what there is not.
        """
        roles = _roles(model)
        if isinstance(formulas, Mapping):
            for role in formulas:
                if role not in roles:
                    raise DataError(
                        f"The covariates of {model.name} have no part {role!r}. "
                        f"{suggest(str(role), roles)}"
                    )
            by_role = {role: formulas[role] for role in roles if role in formulas}
        else:
            by_role = dict.fromkeys(roles, formulas)
        if not by_role:
            raise DataError(
                "covariates= is empty: give a formula such as 'channel + age', or leave it out."
            )
        learned = {
            formula: Design.of(formula, frame, weights=weights)
            for formula in dict.fromkeys(by_role.values())
        }
        designs = {role: learned[formula] for role, formula in by_role.items()}
        return cls(roles, model.parameter_names(), designs)._tied(equal)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of all coefficients, such as ``purchase: channel[T.web]``."""
        return tuple(
            f"{role}: {name}" for role, design in self.designs.items() for name in design.names
        )

    @cached_property
    def terms(self) -> dict[str, list[int]]:
        """Positions in `names` of the coefficients of each term, such as ``purchase: channel``."""
        return {
            f"{role}: {term}": [self._places[role].start + i for i in columns]
            for role, design in self.designs.items()
            for term, columns in design.terms.items()
        }

    @cached_property
    def free(self) -> tuple[str, ...]:
        """Names of the coefficients that are searched for: equal ones are named together."""
        together = {group[0]: " = ".join(group) for group in self.equal}
        followers = {name for group in self.equal for name in group[1:]}
        return tuple(together.get(name, name) for name in self.names if name not in followers)

    @cached_property
    def loadings(self) -> FloatArray:
        """All coefficients are ``loadings @ free`` ones, shape (all, free)."""
        first = {name: group[0] for group in self.equal for name in group}
        leaders = [name for name in self.names if first.get(name, name) == name]
        return np.array(
            [[float(first.get(name, name) == leader) for leader in leaders] for name in self.names]
        )

    @property
    def variables(self) -> tuple[str, ...]:
        """The columns of the customer table that they are worked out from."""
        every = (name for design in self.designs.values() for name in design.variables)
        return tuple(dict.fromkeys(every))

    @property
    def reference(self) -> Reference:
        """From the search's logarithms, parameters first, to those on the user's scale."""
        count = len(self.parameters)
        matrix = np.eye(count + len(self.free))
        for role, design in self.designs.items():
            parameter, sign = self._acts_on(role)
            at_zero = -sign * np.array(design.centre) @ self._per_unit(role)
            matrix[parameter, count:] += at_zero
        matrix[count:, count:] = np.diag(1.0 / self._free_scales)
        return Reference(matrix)

    def matrix(self, frame: pd.DataFrame) -> FloatArray:
        """The covariates of all coefficients on the user's scale, shape (n, all)."""
        made: dict[int, FloatArray] = {}
        for design in self.designs.values():
            if id(design) not in made:
                made[id(design)] = design.matrix(frame)
        return np.hstack([made[id(design)] for design in self.designs.values()])

    def combinations(self, frame: pd.DataFrame) -> tuple[FloatArray, IntArray]:
        """Distinct rows of `matrix`, shape (combinations, all), and which of them each row has."""
        levels, codes = distinct_rows(*self.matrix(frame).T)
        return np.stack(levels, axis=1), codes

    def shifts(self, rows: FloatArray) -> dict[int, Shift]:
        """What combinations of covariates do to the parameters, in the free search coefficients.

        Parameters
        ----------
        rows : ndarray, shape (combinations, all)
            On the user's scale.
        """
        found: dict[int, Shift] = {}
        for role, design in self.designs.items():
            parameter, sign = self._acts_on(role)
            per_unit = self._per_unit(role)
            which = np.flatnonzero(per_unit.any(axis=0))
            apart = rows[:, self._places[role]] - np.array(design.centre)
            found[parameter] = Shift(which, sign * apart @ per_unit[:, which])
        return found

    def every(
        self, coefficients: FloatArray, covariance: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """All coefficients and their covariance, from those of the `free` ones."""
        which = self.loadings.argmax(axis=1)
        return coefficients[which], covariance[np.ix_(which, which)]

    def model_of(
        self,
        reference: M,
        coefficients: FloatArray,
        rows: FloatArray,
        labels: Labels | None = None,
    ) -> M:
        """The model of customers with these covariates: an array for each parameter they move.

        Parameters
        ----------
        reference : Model
            Of the customer whose covariates are all zero.
        coefficients : ndarray, shape (free,)
            On the user's scale.
        rows : ndarray, shape (n, all)
            As `matrix` gives them.
        labels : sequence, optional
            The customers' names.

        Raises
        ------
        DataError
            If covariates are so large that a parameter is beyond all numbers.
        """
        every = self.loadings @ coefficients
        own = {}
        for role, place in self._places.items():
            name, sign = self.roles[role]
            # Far from zero, such as in the year 2026, what it is multiplied by may be infinite.
            logs = np.log(getattr(reference, name)) + sign * rows[:, place] @ every[place]
            check_rows(
                np.abs(logs) > _LARGEST_LOGARITHM,
                f"covariates for which {name} is beyond all numbers",
                "Check their units, and whether they are far from those of the fit.",
                labels,
            )
            own[name] = np.exp(logs)
        return reference.with_parameters(**own)

    def uncentred(self) -> Self:
        """The same covariates, searched around zero and not around their means."""
        designs = {
            role: replace(design, centre=(0.0,) * len(design.centre))
            for role, design in self.designs.items()
        }
        return replace(self, designs=designs)

    def to_dict(self) -> dict[str, Any]:
        """Everything there is to know of it but the model, of JSON's types."""
        return {
            "designs": {role: design.to_dict() for role, design in self.designs.items()},
            "equal": [list(group) for group in self.equal],
        }

    @classmethod
    def from_dict(cls, model: type[Model], saved: Mapping[str, Any]) -> Self:
        """Rebuild them from `to_dict`."""
        designs = {str(role): Design.from_dict(kept) for role, kept in saved["designs"].items()}
        equal = tuple(tuple(map(str, group)) for group in saved["equal"])
        return cls(_roles(model), model.parameter_names(), designs, equal)

    @cached_property
    def _places(self) -> dict[str, slice]:
        """Where the coefficients of a role stand among all."""
        ends = np.cumsum([len(design.names) for design in self.designs.values()]).tolist()
        begins = [0, *ends[:-1]]
        return {
            role: slice(*place)
            for role, place in zip(self.designs, zip(begins, ends, strict=True), strict=True)
        }

    @cached_property
    def _free_scales(self) -> FloatArray:
        """Standard deviation of each free coefficient's covariate, or the first one's."""
        scales = np.concatenate([design.scale for design in self.designs.values()])
        return np.asarray(scales[self.loadings.argmax(axis=0)])

    def _acts_on(self, role: str) -> tuple[int, float]:
        name, sign = self.roles[role]
        return self.parameters.index(name), sign

    def _per_unit(self, role: str) -> FloatArray:
        """A role's coefficients on the user's scale per free one of the search."""
        return np.asarray(self.loadings[self._places[role]] / self._free_scales)

    def _tied(self, equal: Iterable[Sequence[str]]) -> Self:
        """With equal coefficients, terms spelt out."""
        if isinstance(equal, str):
            raise DataError(f"equal={equal!r} must be pairs: [('purchase: age', 'dropout: age')].")
        groups: list[tuple[str, ...]] = []
        for group in equal:
            members = [self._members(group, str(name)) for name in group]
            if len(members) < 2 or len({len(member) for member in members}) > 1:
                raise DataError(
                    f"equal={list(group)!r} must name two or more coefficients, or terms with "
                    "equally many, such as ('purchase: age', 'dropout: age')."
                )
            groups += zip(*members, strict=True)
        tied = [name for group in groups for name in group]
        if len(set(tied)) < len(tied):
            raise DataError(
                "equal= names a coefficient twice. Put all that are equal to one another in one "
                "group."
            )
        order = self.names.index
        return replace(self, equal=tuple(tuple(sorted(group, key=order)) for group in groups))

    def _members(self, group: Sequence[str], name: str) -> list[str]:
        """The coefficients that a name in `equal` stands for."""
        if isinstance(group, str) or name not in {*self.names, *self.terms}:
            raise DataError(
                f"equal= has {group!r}, and there is no coefficient {name!r}. "
                f"{suggest(name, self.names)}"
            )
        if name in self.terms:
            return [self.names[i] for i in self.terms[name]]
        return [name]


def _roles(model: type[Model]) -> Mapping[str, tuple[str, float]]:
    """The parts of a model that covariates can act on."""
    if not model.covariate_roles:
        raise DataError(f"{model.name} takes no covariates.")
    return model.covariate_roles
