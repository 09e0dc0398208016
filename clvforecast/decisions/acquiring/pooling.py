"""Parameters of a model for each of several groups of customers, shrunk towards what all share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy import stats
from scipy.optimize import minimize

from clvforecast.decisions.acquiring.charts import Chart, chart_of
from clvforecast.errors import FitError
from clvforecast.fitting.cells import Cells
from clvforecast.fitting.regression.preparing import Customers
from clvforecast.fitting.regularity import chosen_settings
from clvforecast.models import Model
from clvforecast.numerics.arrays import FloatArray, IntArray
from clvforecast.numerics.optimise import Derivatives

__all__ = ["GroupDraws", "draw_groups"]

_PRIOR_SD: Final = 2.0
"""Of what all groups share, around one on the scale of mean one: as in `LogNormalPrior`."""
_SPREADS: Final = np.geomspace(2.0, 0.01, 11)
_MOST_MOVES: Final = 8
_SETTLED: Final = 0.3
"""Standard deviations of the centre: importance weights take back what is left."""
_SPREAD_SCALE: Final = 0.5
"""Of the half-Cauchy prior on how groups differ: by a factor of 1.6 or less, as likely as not."""
_PRECISION: Final = 1e-7
_CONVERGED_GRADIENT: Final = 1e-4
_MOST_STEPS: Final = 200
_PROPOSALS_PER_DRAW: Final = 2


@dataclass(frozen=True, eq=False)
class GroupDraws:
    """Equally likely parameters of one group.

    Attributes
    ----------
    coordinates : ndarray, shape (k, draws)
    unexplained : ndarray, shape (k, k)
        Covariance of the coordinates that is left given what all groups share, in units of the
        variance of a coordinate among groups: the identity if the group's data say nothing.
    variance : float
        Mean variance of a coordinate among groups.
    """

    coordinates: FloatArray
    unexplained: FloatArray
    variance: float
    _chart: Chart
    _model: type[Model]
    _scale: float
    _settings: Mapping[str, Any]

    @property
    def model(self) -> Model:
        """The model with an array of shape (draws,) for every parameter, in the data's units."""
        return self.at(self.coordinates)

    def at(self, coordinates: FloatArray) -> Model:
        """The model at other coordinates, shape (k, n)."""
        model = self._model(*self._chart.parameters(coordinates), **self._settings)
        return model.rescaled(self._scale)


@dataclass(frozen=True, eq=False)
class _Expansion:
    """A log-likelihood near the parameters that it and a normal law around a centre prefer.

    It is ``height + slope @ theta - theta @ (axes * curvatures) @ axes.T @ theta / 2``.
    """

    height: float
    slope: FloatArray
    curvatures: FloatArray
    axes: FloatArray
    mode: FloatArray

    def __call__(self, theta: FloatArray) -> FloatArray:
        """Of points of shape (n, k)."""
        along = theta @ self.axes
        return np.asarray(self.height + theta @ self.slope - 0.5 * along**2 @ self.curvatures)


def draw_groups(
    model: type[Model],
    columns: Sequence[FloatArray],
    codes: IntArray,
    groups: int,
    *,
    draws: int,
    rng: np.random.Generator,
) -> list[GroupDraws]:
    """Draw the parameters of every group from their posterior.

    Parameters
    ----------
    model : type of Model
    columns : sequence of ndarray, shape (n,)
        What it sees of the customers, checked.
    codes : ndarray of int, shape (n,)
        The group of each, from 0.
    groups : int
        With one there is nothing to share: its prior is that of `Fit.posterior`.
    draws : int
    rng : numpy.random.Generator

    Returns
    -------
    list of GroupDraws

    Raises
    ------
    FitError
        If the model cannot be fitted to all customers together.

    Notes
    -----
    The coordinates of group g (see `chart_of`) are ``theta_g ~ N(mu, tau^2)``, each alike: a
    hierarchical model whose centre mu has a wide normal prior, and whose tau a half-Cauchy one, as
    in `shrunk_means`; tau is integrated out, because a point estimate is often 0 where groups are
    few. A direction in which a group's data say nothing keeps the value that all share.

    For each of a grid of tau the log-likelihood of a group is expanded to second order around the
    parameters that it and the centre prefer. Then mu and theta are normal given tau, and the
    density of tau is known, up to the remainder of the expansion (Laplace's method). For the group
    that is drawn this remainder is taken back by importance weights, truncated as by Ionides
    (2008): those of its own likelihood over the expansion.

    References
    ----------
    A. Gelman et al., "Bayesian Data Analysis", 3rd ed. (2013), sections 5.4 and 13.3.

    E. L. Ionides (2008), "Truncated importance sampling", Journal of Computational and Graphical
    Statistics 17, 295-311.
    """
    chart = chart_of(model)
    known = model.informative(*columns)
    learnt = [column[known] for column in columns]
    customers = Customers(learnt, np.ones(int(known.sum())), np.flatnonzero(known))
    settings = chosen_settings(model, customers)
    everyone = _cells(model, columns, known, None, settings)
    start = chart.coordinates(next(iter(model.starting_points())))
    peak = _peak(everyone, chart, np.zeros(start.size), _PRIOR_SD, start)
    parts: list[Cells | None] = [everyone]
    spreads, expansions, laws = np.array([_PRIOR_SD]), [], []
    if groups > 1:
        parts = [
            _cells(model, columns, mine, everyone.scale, settings) if mine.any() else None
            for mine in (known & (codes == g) for g in range(groups))
        ]
        spreads = _SPREADS
    # From groups that are alone to groups that are one: the modes move little from step to step.
    centre, modes = (peak, [peak] * groups) if groups > 1 else (np.zeros(start.size), [peak])
    for spread in spreads:
        for _ in range(_MOST_MOVES):
            near = [
                _expansion(part, chart, centre, spread, mode)
                for part, mode in zip(parts, modes, strict=True)
            ]
            law = _shared(spread, near)
            modes = [one.mode for one in near]
            if groups == 1:
                break
            _, mean, root = law
            moved, centre = np.abs(np.linalg.solve(root, mean - centre)).max(), mean
            if moved < _SETTLED:
                break
        expansions.append(near)
        laws.append(law)
    log_density = np.array([law[0] for law in laws])
    if groups > 1:
        log_density += stats.halfcauchy.logpdf(spreads, scale=_SPREAD_SCALE) + np.log(spreads)
    density = np.exp(log_density - log_density.max())
    density /= density.sum()

    found = []
    for part, expansion in zip(parts, zip(*expansions, strict=True), strict=True):
        count = _PROPOSALS_PER_DRAW * draws
        # As even as can be: whole numbers of draws of every spread.
        which = np.searchsorted(np.cumsum(density), (np.arange(count) + rng.random()) / count)
        which = which.clip(max=spreads.size - 1)
        theta = np.empty((count, start.size))
        log_weights = np.zeros(count)
        unexplained = np.zeros((start.size, start.size))
        for k in np.unique(which):
            rows = which == k
            if groups == 1:
                mu = np.zeros((rows.sum(), start.size))
            else:
                _, mean, root = laws[k]
                mu = mean + rng.standard_normal((rows.sum(), start.size)) @ root.T
            theta[rows], left = _given(expansion[k], spreads[k], mu, rng)
            unexplained += rows.mean() * left
            if part is not None:
                log_weights[rows] = -expansion[k](theta[rows])
        if part is not None:
            exact = [part.log_likelihood.value(chart.parameters(point)) for point in theta]
            log_weights += np.array(exact)
        chosen = _resampled(log_weights, draws, rng)
        found.append(
            GroupDraws(
                coordinates=theta[chosen].T,
                unexplained=unexplained,
                variance=float(density @ spreads**2),
                _chart=chart,
                _model=model,
                _scale=everyone.scale,
                _settings=everyone.settings,
            )
        )
    return found


def _cells(
    model: type[Model],
    columns: Sequence[FloatArray],
    rows: Any,
    scale: float | None,
    settings: Mapping[str, Any],
) -> Cells:
    """Weighted cells of some customers, on a scale of their own or a given one."""
    some, weights = model.cells(*(c[rows] for c in columns), weights=np.ones(int(rows.sum())))
    if scale is None:
        return Cells.of(model, some, weights, **settings)
    named = zip(model.columns, some, strict=True)
    scaled = tuple(c / scale if name in model.scaled_columns else c for name, c in named)
    return Cells(model, scaled, weights, scale, settings)


def _peak(
    cells: Cells, chart: Chart, centre: FloatArray, spread: float, start: FloatArray
) -> FloatArray:
    """Coordinates that the likelihood and a normal law around a centre prefer together."""
    size = cells.customers
    last: tuple[bytes, Derivatives] | None = None

    def at(theta: FloatArray) -> Derivatives:
        nonlocal last
        key = theta.tobytes()
        if last is None or last[0] != key:
            seen = chart.seen_through(cells.log_likelihood, theta)
            away = (theta - centre) / spread**2
            value = 0.5 * float(away @ (theta - centre)) - seen.value
            hessian = np.eye(theta.size) / spread**2 - seen.hessian
            last = key, Derivatives(value / size, (away - seen.gradient) / size, hessian / size)
        return last[1]

    result = minimize(  # type: ignore[call-overload]
        lambda theta: at(theta).value,
        start,
        jac=lambda theta: at(theta).gradient,
        hess=lambda theta: at(theta).hessian,
        method="trust-exact",
        options={"gtol": _PRECISION, "maxiter": _MOST_STEPS},
    )
    end = np.asarray(result.x)
    if not np.abs(at(end).gradient).max() < _CONVERGED_GRADIENT:
        raise FitError(
            f"{cells.model.name} cannot be fitted to these {size:,.0f} customers. Look for "
            "outliers in the summary."
        )
    return end


def _expansion(
    part: Cells | None, chart: Chart, centre: FloatArray, spread: float, start: FloatArray
) -> _Expansion:
    """The log-likelihood of a group around its mode; flat where there is nothing to see."""
    size = centre.size
    if part is None:
        return _Expansion(0.0, np.zeros(size), np.zeros(size), np.eye(size), centre)
    mode = _peak(part, chart, centre, spread, start)
    seen = chart.seen_through(part.log_likelihood, mode)
    curvatures, axes = np.linalg.eigh(-seen.hessian)
    curvatures = np.maximum(curvatures, 0.0)
    curved = (axes * curvatures) @ axes.T @ mode
    height = seen.value - float(seen.gradient @ mode) - 0.5 * float(curved @ mode)
    return _Expansion(height, seen.gradient + curved, curvatures, axes, mode)


def _shared(
    spread: float, expansions: Sequence[_Expansion]
) -> tuple[float, FloatArray, FloatArray]:
    """Log-density of the data at one spread; mean and root of the covariance of the centre."""
    size = expansions[0].slope.size
    precision, pull = np.eye(size) / _PRIOR_SD**2, np.zeros(size)
    log_density = 0.0
    for one in expansions:
        damped = 1 / (1 + spread**2 * one.curvatures)
        along = one.slope @ one.axes
        precision += (one.axes * (one.curvatures * damped)) @ one.axes.T
        pull += one.axes @ (damped * along)
        log_density += one.height + 0.5 * (
            np.log(damped).sum() + spread**2 * float(damped @ along**2)
        )
    values, vectors = np.linalg.eigh(precision)
    root = vectors / np.sqrt(values)
    along = pull @ root
    log_density += 0.5 * (float(along @ along) - float(np.log(values).sum()))
    return log_density, root @ along, root


def _given(
    expansion: _Expansion, spread: float, mu: FloatArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Draws of a group's coordinates given the centres, shape (n, k), and what is unexplained."""
    damped = 1 / (1 + spread**2 * expansion.curvatures)
    variances = spread**2 * damped
    mean = (expansion.slope @ expansion.axes) * variances + (mu @ expansion.axes) * damped
    along = mean + rng.standard_normal(mu.shape) * np.sqrt(variances)
    return along @ expansion.axes.T, (expansion.axes * damped) @ expansion.axes.T


def _resampled(log_weights: FloatArray, draws: int, rng: np.random.Generator) -> IntArray:
    """Positions of equally likely draws."""
    weights = np.exp(log_weights - log_weights.max())
    weights = np.minimum(weights, math.sqrt(weights.size) * weights.mean())
    weights /= weights.sum()
    positions = (rng.random() + np.arange(draws)) / draws
    chosen = np.searchsorted(np.cumsum(weights), positions).clip(max=weights.size - 1)
    return rng.permutation(chosen)
