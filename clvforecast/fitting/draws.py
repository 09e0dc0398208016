"""Draws of the parameters: what a posterior and a bootstrap both are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from clvforecast.errors import DataError
from clvforecast.fitting.effects import Effects, Estimate
from clvforecast.models import Model
from clvforecast.numerics.arrays import FloatArray

if TYPE_CHECKING:
    from clvforecast.transactions.lazy import LazySummary

__all__ = ["ParameterDraws"]


@dataclass(frozen=True, eq=False, repr=False)
class ParameterDraws:
    """Equally likely parameters of one model: how sure we are of an expectation.

    Made by `Fit.posterior` and `Fit.bootstrap`. They say nothing of how customers' futures vary at
    known parameters; `forecast` and `portfolio` put the two together.

    Attributes
    ----------
    model : Model
        The model with an array of shape (draws,) for every parameter, in the units of the fit.
    method : str
        "psis", "mcmc" or "bootstrap".
    effective_draws : float
        How many independent draws these are worth, at least.
    k_hat : float or None
        For "psis", the shape of the tail of the importance weights: below 0.7 they can be trusted.
    time_unit : {"D", "W", "M", "Y"} or None
        As of the fit.
    effects : Effects or None
        Of covariates and a calendar, an array of shape (draws,) for every ratio.

    Examples
    --------
    How sure we are of the purchases that a customer is expected to make in the next 39 weeks:

    >>> import clvforecast as clv
    >>> orders = clv.read_orders(clv.datasets.load_cdnow(sample=True))
    >>> rfm = orders.summarize(time_unit="W", until="1997-09-30")
    >>> draws = clv.BGNBD.fit(rfm).posterior(seed=1)
    >>> expected = draws.model.expected_purchases(39, 2, 30.43, 38.86)
    >>> np.quantile(expected, [0.05, 0.95]).round(1)
    array([1.2, 1.3])
    """

    model: Model
    method: str
    effective_draws: float
    k_hat: float | None = None
    time_unit: str | None = None
    effects: Effects | None = None

    @property
    def parameters(self) -> dict[str, FloatArray]:
        """Draws by parameter, shape (draws,) each."""
        return Estimate(self.model, self.effects).parameters

    def __len__(self) -> int:
        return len(next(iter(self.model.parameters.values())))

    def __getitem__(self, draw: int) -> Model | Estimate:
        """The model at one draw, with a number for every parameter."""
        values = {name: float(v[draw]) for name, v in self.model.parameters.items()}
        model = self.model.with_parameters(**values)
        if self.effects is None:
            return model
        ratios = (float(v[draw]) for v in self.effects.ratios.values())
        return Estimate(model, self.effects.with_ratios(*ratios))

    def __iter__(self) -> Iterator[Model | Estimate]:
        return (self[draw] for draw in range(len(self)))

    def __repr__(self) -> str:
        said = f"{len(self):,} draws of {self.model.name} parameters ({self.method}"
        if self.k_hat is not None:
            said += f", k-hat {self.k_hat:.2f}"
        return f"{said}, worth {self.effective_draws:,.0f})"

    def to_frame(self) -> pd.DataFrame:
        """One row per draw, one column per parameter."""
        frame = pd.DataFrame(self.parameters)
        return frame.rename_axis(index="draw", columns="parameter")

    def thinned(self, draws: int) -> ParameterDraws:
        """At most so many of the draws, evenly spaced: an interval seldom needs them all.

        Raises
        ------
        DataError
            If `draws` is not at least 1.
        """
        if draws < 1:
            raise DataError(f"draws={draws!r} must be at least 1.")
        if draws >= len(self):
            return self
        kept = np.linspace(0, len(self) - 1, draws).round().astype(int)
        values = {name: v[kept] for name, v in self.model.parameters.items()}
        effects = self.effects
        if effects is not None:
            effects = effects.with_ratios(*(v[kept] for v in effects.ratios.values()))
        return replace(
            self,
            model=self.model.with_parameters(**values),
            effects=effects,
            effective_draws=min(self.effective_draws, float(draws)),
        )

    def of_customers(self, rfm: pd.DataFrame | LazySummary) -> ParameterDraws:
        """The same draws, ready to make models of these customers."""
        if self.effects is None:
            return self
        return replace(self, effects=self.effects.of_customers(rfm))

    def summary(self, level: float = 0.95) -> pd.DataFrame:
        """Mean, standard deviation, median and equal-tailed interval of every parameter.

        Parameters
        ----------
        level : float
            Probability of the interval, in (0, 1).

        Returns
        -------
        DataFrame
            Columns `mean`, `sd`, `median`, `lower`, `upper`, one row per parameter.
        """
        if not 0 < level < 1:
            raise DataError(f"level={level!r} must lie between 0 and 1, such as 0.95.")
        values: FloatArray = np.stack(list(self.parameters.values()))
        lower, median, upper = np.quantile(values, [(1 - level) / 2, 0.5, (1 + level) / 2], axis=1)
        return pd.DataFrame(
            {
                "mean": values.mean(axis=1),
                "sd": values.std(axis=1, ddof=1),
                "median": median,
                "lower": lower,
                "upper": upper,
            },
            index=pd.Index(self.parameters, name="parameter"),
        )
