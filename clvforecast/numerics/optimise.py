"""Minimise a smooth function of a few positive parameters, to the last meaningful digit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize

from clvforecast.numerics.arrays import FloatArray

__all__ = ["Derivatives", "Minimum", "minimise_positive"]

_GRADIENT_TOLERANCE = 1e-10
_CONVERGED_GRADIENT = 1e-6
_LARGEST_LOGARITHM = 30.0


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
    function: Callable[[FloatArray], Derivatives], starts: Iterable[FloatArray]
) -> Minimum:
    """Minimise over positive parameters, by a trust-region Newton method in their logarithms.

    The search begins at the first of `starts`; the others are tried if it does not converge.

    Parameters
    ----------
    function : callable
        Maps parameters of shape (k,) to `Derivatives` in them. Scaled to order one: the gradient
        is asked to fall below 1e-10.
    starts : iterable of ndarray, shape (k,)

    Examples
    --------
    >>> def cosh_of_log(p):
    ...     return Derivatives(p[0] + 1 / p[0], 1 - p**-2, np.array([[2 * p[0] ** -3]]))
    >>> minimise_positive(cosh_of_log, [np.array([5.0])]).parameters.round(8)
    array([1.])
    """
    options: Any = {"gtol": _GRADIENT_TOLERANCE, "maxiter": 500}
    last: tuple[bytes, Derivatives] | None = None

    def at(log_parameters: FloatArray) -> Derivatives:
        nonlocal last
        key = log_parameters.tobytes()
        if last is None or last[0] != key:
            last = (key, _in_logarithms(function, log_parameters))
        return last[1]

    best: Minimum | None = None
    for start in map(np.log, starts):
        result = minimize(  # type: ignore[call-overload]
            lambda theta: at(theta).value,
            start,
            jac=lambda theta: at(theta).gradient,
            hess=lambda theta: at(theta).hessian,
            method="trust-exact",
            options=options,
        )
        end = at(result.x)
        found = Minimum(
            parameters=np.exp(result.x),
            value=end.value,
            hessian=end.hessian,
            converged=bool(np.abs(end.gradient).max() < _CONVERGED_GRADIENT),
        )
        if best is None or (found.converged, -found.value) > (best.converged, -best.value):
            best = found
        if best.converged:
            break
    if best is None:
        raise ValueError("starts is empty")
    return best


def _in_logarithms(
    function: Callable[[FloatArray], Derivatives], log_parameters: FloatArray
) -> Derivatives:
    if np.abs(log_parameters).max() > _LARGEST_LOGARITHM:
        nowhere = np.zeros(log_parameters.size)
        return Derivatives(np.inf, nowhere, np.diag(nowhere))
    parameters = np.exp(log_parameters)
    value, gradient, hessian = function(parameters)
    slope = gradient * parameters
    return Derivatives(value, slope, hessian * np.outer(parameters, parameters) + np.diag(slope))
