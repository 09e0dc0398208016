"""Coordinates of a model's parameters in which groups of customers can be averaged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from clvforecast.models import GammaGamma, Model
from clvforecast.models.base import LogLikelihood
from clvforecast.numerics.arrays import FloatArray
from clvforecast.numerics.optimise import Derivatives

__all__ = ["Chart", "chart_of"]

_FARTHEST: Final = 25.0
"""exp(25) times the scale is as good as without end, and no overflow."""


@dataclass(frozen=True)
class Chart:
    """Maps unbounded coordinates to the positive parameters of a model, and back.

    Attributes
    ----------
    parameters : callable
        Coordinates, shape (k, ...), to parameters of the same shape.
    coordinates : callable
        The inverse, of parameters of shape (k,).
    bends : callable
        Coordinates, shape (k,), to the first and second derivatives of the parameters: shapes
        (k, k) and (k, k, k), the parameter first.
    """

    parameters: Callable[[FloatArray], FloatArray]
    coordinates: Callable[[FloatArray], FloatArray]
    bends: Callable[[FloatArray], tuple[FloatArray, FloatArray]]

    def seen_through(self, log_likelihood: LogLikelihood, at: FloatArray) -> Derivatives:
        """A log-likelihood as a function of the coordinates."""
        value, gradient, hessian = log_likelihood(self.parameters(at))
        first, second = self.bends(at)
        curvature = first.T @ hessian @ first + np.tensordot(gradient, second, axes=1)
        return Derivatives(value, gradient @ first, curvature)


def chart_of(model: type[Model]) -> Chart:
    """The chart of a model: log-parameters, unless its mean needs more than positive ones.

    Gamma-Gamma has a mean for q > 1 only. Its coordinates are the logarithms of p, of q - 1 and of
    the mean spend p v / (q - 1): whatever they are, the mean is finite.

    >>> chart = chart_of(GammaGamma)
    >>> chart.parameters(chart.coordinates(np.array([6.25, 3.74, 15.44]))).round(6)
    array([ 6.25,  3.74, 15.44])
    """
    return _MEAN_SPEND if issubclass(model, GammaGamma) else _LOGARITHMS


def _exp(coordinates: FloatArray) -> FloatArray:
    return np.asarray(np.exp(np.clip(coordinates, -_FARTHEST, _FARTHEST)))


def _bends_of_exp(coordinates: FloatArray) -> tuple[FloatArray, FloatArray]:
    values = _exp(coordinates)
    second = np.zeros((values.size,) * 3)
    np.einsum("iii->i", second)[...] = values
    return np.diag(values), second


def _spends(coordinates: FloatArray) -> FloatArray:
    p, excess, mean = _exp(coordinates)
    return np.stack([p, 1.0 + excess, mean * excess / p])


def _from_spends(parameters: FloatArray) -> FloatArray:
    p, q, v = parameters
    excess = max(q - 1.0, 1e-3)
    return np.log([p, excess, p * v / excess])


def _bends_of_spends(coordinates: FloatArray) -> tuple[FloatArray, FloatArray]:
    p, q, v = _spends(coordinates)
    of_v = np.array([-1.0, 1.0, 1.0])
    first = np.array([[p, 0.0, 0.0], [0.0, q - 1.0, 0.0], v * of_v])
    second = np.zeros((3, 3, 3))
    second[0, 0, 0], second[1, 1, 1] = p, q - 1.0
    second[2] = v * np.outer(of_v, of_v)
    return first, second


_LOGARITHMS: Final = Chart(_exp, np.log, _bends_of_exp)
_MEAN_SPEND: Final = Chart(_spends, _from_spends, _bends_of_spends)
