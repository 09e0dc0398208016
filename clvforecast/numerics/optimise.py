"""Minimise a smooth function of a few positive parameters, to the last meaningful digit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

from clvforecast.numerics.arrays import FloatArray

__all__ = ["Derivatives", "Minimum", "minimise_positive"]

_ROUGHLY: Final = 1e-4
_GRADIENT_TOLERANCE: Final = 1e-10
_CONVERGED_GRADIENT: Final = 1e-6
_LARGEST_LOGARITHM: Final = 30.0
_MOST_STEPS: Final = 100
_LONGEST_STEP: Final = 0.1
_LAST_STEP: Final = 1e-5
"""Newton's method squares the error: after a step no longer than this nothing is left of it."""


class Derivatives(NamedTuple):
    """Value, gradient (k,) and Hessian (k, k) of a function of k parameters."""

    value: float
    gradient: FloatArray
    hessian: FloatArray


class Minimum(NamedTuple):
    """Where a minimisation ended.

    `hessian` is the second derivative in the logarithms of the parameters, and `converged` says
    whether the gradient there vanishes.
    """

    parameters: FloatArray
    value: float
    hessian: FloatArray
    converged: bool


def minimise_positive(
    function: Callable[[FloatArray], Derivatives],
    starts: Iterable[FloatArray],
    *,
    roughly: bool = False,
) -> Minimum:
    """Minimise over positive parameters, by Newton's method in their logarithms.

    A trust region leads to the neighbourhood of the minimum; there plain steps, judged by the
    gradient, go on to digits that the value no longer shows. The search begins at the first of
    `starts`; the others are tried if it does not converge.

    Parameters
    ----------
    function : callable
        Maps parameters of shape (k,) to `Derivatives` in them. Scaled to order one: the gradient
        is asked to fall below 1e-10.
    starts : iterable of ndarray, shape (k,)
    roughly : bool
        Stop in the neighbourhood.

    Examples
    --------
    >>> def cosh_of_log(p):
    ...     return Derivatives(p[0] + 1 / p[0], 1 - p**-2, np.array([[2 * p[0] ** -3]]))
    >>> minimise_positive(cosh_of_log, [np.array([5.0])]).parameters.round(8)
    array([1.])
    """
    last: tuple[bytes, Derivatives] | None = None

    def at(log_parameters: FloatArray) -> Derivatives:
        nonlocal last
        key = log_parameters.tobytes()
        if last is None or last[0] != key:
            last = (key, _in_logarithms(function, log_parameters))
        return last[1]

    best: Minimum | None = None
    for start in map(np.log, starts):
        found = _trusted(at, start, _ROUGHLY)
        minimum = _minimum(at, found, _ROUGHLY)
        if minimum.converged and not roughly:
            found, settled = _polished(at, found)
            if not settled:
                found, _ = _polished(at, _trusted(at, found, _GRADIENT_TOLERANCE))
            minimum = _minimum(at, found, _CONVERGED_GRADIENT)
        if best is None or (minimum.converged, -minimum.value) > (best.converged, -best.value):
            best = minimum
        if best.converged:
            break
    if best is None:
        raise ValueError("starts is empty")
    return best


def _minimum(at: Callable[[FloatArray], Derivatives], end: FloatArray, flat: float) -> Minimum:
    end = np.clip(end, -_LARGEST_LOGARITHM, _LARGEST_LOGARITHM)
    value, gradient, hessian = at(end)
    return Minimum(np.exp(end), value, hessian, bool(np.abs(gradient).max() < flat))


def _trusted(
    at: Callable[[FloatArray], Derivatives], start: FloatArray, tolerance: float
) -> FloatArray:
    """Where a trust-region Newton method finds the gradient shorter than the tolerance."""
    options: Any = {"gtol": tolerance, "maxiter": _MOST_STEPS}
    result = minimize(  # type: ignore[call-overload]
        lambda theta: at(theta).value,
        start,
        jac=lambda theta: at(theta).gradient,
        hess=lambda theta: at(theta).hessian,
        method="trust-exact",
        options=options,
    )
    return np.asarray(result.x)


def _polished(
    at: Callable[[FloatArray], Derivatives], theta: FloatArray
) -> tuple[FloatArray, bool]:
    """Where short Newton steps lead, each of which halves the gradient, and if that is the end."""
    longest = np.inf
    while longest > _LAST_STEP:
        _, gradient, hessian = at(theta)
        try:
            step = -cho_solve(cho_factor(hessian), gradient)
        except np.linalg.LinAlgError:
            return theta, False
        longest = np.abs(step).max()
        # Along a ridge steps stay long, and lead to infinity.
        if longest > _LONGEST_STEP:
            return theta, False
        if not _length(at(theta + step).gradient) <= 0.5 * _length(gradient):
            return theta, bool(longest <= _LAST_STEP)
        theta = theta + step
    return theta, True


def _length(vector: FloatArray) -> float:
    return float(np.sqrt(vector @ vector))


def _in_logarithms(
    function: Callable[[FloatArray], Derivatives], log_parameters: FloatArray
) -> Derivatives:
    """The function of logarithms; beyond the largest it is what it is there."""
    within = np.clip(log_parameters, -_LARGEST_LOGARITHM, _LARGEST_LOGARITHM)
    parameters = np.exp(within)
    value, gradient, hessian = function(parameters)
    slope = gradient * parameters
    curvature = hessian * np.outer(parameters, parameters) + np.diag(slope)
    beyond = within != log_parameters
    if beyond.any():
        slope = np.where(beyond, 0.0, slope)
        curvature[beyond, :] = curvature[:, beyond] = 0.0
        curvature[beyond, beyond] = 1.0
    return Derivatives(value, slope, curvature)
