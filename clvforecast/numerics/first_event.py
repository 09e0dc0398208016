"""The law of the time of a first event, which a stop at a random time may forestall."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from clvforecast.numerics.arrays import FloatArray
from clvforecast.numerics.quadrature import stretched_rules

__all__ = ["FirstEvent"]

_FAR: Final = 1e17
"""So many times the scale, one added to it is nothing."""
_NEGLIGIBLE: Final = 45.0
"""exp(-45) = 3e-20: what has decayed so far adds nothing."""
_MOST_STEPS: Final = 200


@dataclass(frozen=True, eq=False)
class FirstEvent:
    """Events come at a rate ``Gamma(shape, alpha)`` and stop for good at a rate ``Gamma(s, beta)``.

    Parameters
    ----------
    shape, alpha, s, beta : ndarray, shape (n,)
    """

    shape: FloatArray
    alpha: FloatArray
    s: FloatArray
    beta: FloatArray

    @property
    def _parameters(self) -> tuple[FloatArray, ...]:
        return self.shape, self.alpha, self.s, self.beta

    def probability(self, t: FloatArray) -> FloatArray:
        """Probability of an event before t, shape (n,); t may be infinite.

        Notes
        -----
        The integral of ``shape / alpha (1 + u / alpha) ** -(shape + 1) (1 + u / beta) ** -s``, a
        quadrature of positive terms up to where all this is a power of u, and exact beyond.

        Examples
        --------
        >>> one = np.ones(2)
        >>> FirstEvent(one, one, one, one).probability(np.array([1.0, np.inf])).round(12)
        array([0.375, 0.5  ])
        """
        far = _FAR * np.maximum(self.alpha, self.beta)
        near = np.minimum(t, far)
        power = self.shape + self.s
        fastest = (self.shape + 1.0) / self.alpha + np.maximum(self.s, 1.0) / self.beta
        # Where it has decayed, nothing is left to add.
        with np.errstate(over="ignore"):
            end = np.minimum(near, self.alpha * np.expm1(_NEGLIGIBLE / self.shape))
        found = np.zeros(near.shape)
        for which, u, weights in stretched_rules(end, fastest):
            some = (v[which] for v in self._parameters)
            found[which] = np.sum(weights * np.exp(_log_density(u, *some)), axis=0)
        tail = np.exp(_log_density(far, *self._parameters)) * far / power
        with np.errstate(divide="ignore"):
            beyond = -np.expm1(-power * np.log(np.maximum(t, far) / far))
        return np.asarray(found + tail * beyond)

    def quantile(self, q: FloatArray) -> FloatArray:
        """The time before which an event comes with probability q, shape (n,); inf if never.

        Notes
        -----
        By Newton's method in ``log(1 + t / alpha)``, in which the probability is concave: from the
        quantile without stops it approaches from below, and cannot miss.

        Examples
        --------
        >>> one = np.ones(2)
        >>> FirstEvent(one, one, one, one).quantile(np.array([0.375, 0.5])).round(12)
        array([ 1., inf])
        """
        found = np.full(q.shape, np.inf)
        reached = np.flatnonzero(q < self.probability(np.full(q.shape, np.inf)))
        some = FirstEvent(*(v[reached] for v in self._parameters))
        found[reached] = some._reached(q[reached])
        return found

    def _reached(self, q: FloatArray) -> FloatArray:
        """The quantile of what is reached."""
        y = -np.log1p(-q) / self.shape
        open_ = np.arange(q.size)
        for _ in range(_MOST_STEPS):
            law = FirstEvent(*(v[open_] for v in self._parameters))
            with np.errstate(over="ignore"):
                t = law.alpha * np.expm1(y[open_])
            slope = law.shape * np.exp(-law.shape * y[open_] - law.s * np.log1p(t / law.beta))
            short = q[open_] - law.probability(t)
            with np.errstate(divide="ignore", invalid="ignore"):
                step = np.where(short > 0, short / slope, 0.0)
            y[open_] += step
            open_ = open_[step > 1e-15 * y[open_]]
            if not open_.size:
                break
        with np.errstate(over="ignore"):
            return np.asarray(self.alpha * np.expm1(y))


def _log_density(
    u: FloatArray, shape: FloatArray, alpha: FloatArray, s: FloatArray, beta: FloatArray
) -> FloatArray:
    powers = (shape + 1.0) * np.log1p(u / alpha) + s * np.log1p(u / beta)
    return np.asarray(np.log(shape / alpha) - powers)
