"""Expected number of arrivals at the end of every kth phase, each of which may be the last."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.special import betainc, betaln, expit, log_expit

from clvforecast.numerics.arrays import FloatArray, distinct_rows
from clvforecast.numerics.counting import event_counts
from clvforecast.numerics.interpolation import interpolations
from clvforecast.numerics.quadrature import Rule, beta_rule, gauss_legendre

__all__ = ["arrivals_of_laws", "capped_beta_rule", "discounted_arrivals", "expected_arrivals"]

_PHASES_ONE_BY_ONE: Final = 128
_NEGLIGIBLE: Final = 1e-16
_TOLERANCE: Final = 1e-12
_RARELY_GOES_ON: Final = 0.1
_FEW: Final = 17
"""0.1 ** 16 is nothing beside one."""
_DECAYED: Final = 40.0
"""exp(-40) = 4e-18 is nothing beside one."""
_LAWS_AT_ONCE: Final = 16
"""For products of larger matrices OpenBLAS wakes threads, which costs more than it saves."""


def arrivals_of_laws(
    shape: FloatArray,
    a: FloatArray,
    b: FloatArray,
    scale: FloatArray,
    horizon: FloatArray,
    *,
    k: int,
    leaving: float,
    rate: float,
) -> FloatArray:
    """Expected arrivals, or their present value, of many laws: distinct ones are worked out once.

    Parameters
    ----------
    shape, scale : ndarray, shape (n,)
        Phases come at a rate ``Gamma(shape + j, scale)`` if j of them are done before; every kth
        ends with an arrival.
    a, b : ndarray, shape (n,)
        An arrival is the last with a probability of `leaving` times ``p ~ Beta(a, b)``.
    horizon : ndarray, shape (n,)
        Length of the time ahead. All the same and finite if ``rate > 0``.
    k : int
    leaving : float
        Where it makes a probability of more than 1, that is 1. Only for k = 1 it then stands for
        leaving between arrivals, too.
    rate : float
        Continuous discount rate per unit of time.

    Returns
    -------
    ndarray, shape (n, k)
        For every j.

    Examples
    --------
    >>> one = np.ones(1)
    >>> terms = {"k": 2, "leaving": 1.0, "rate": 0.0}
    >>> arrivals_of_laws(one, 2 * one, one, one, np.array([np.inf]), **terms)
    array([[2., 2.]])
    """
    expected = np.zeros((shape.size, k))
    until = 0.0
    if rate > 0:
        until = float(horizon.max(initial=0.0))
        position, ahead = scale, np.full(shape.shape, until > 0)
    else:
        position = horizon / scale
        ahead = (position > 0) & np.isfinite(position)
        endless = np.isinf(position)
        expected[endless] = _for_ever(a[endless], b[endless], k, leaving)[:, None]
    if not ahead.any():
        return expected
    levels, codes = distinct_rows(*(column[ahead] for column in (shape, a, b, position)))
    found = np.empty((levels[0].size, k))
    # Rows are in lexicographic order: those of one law follow each other.
    laws, positions = np.stack(levels[:-1]), levels[-1]
    begins = np.flatnonzero(np.append(True, np.any(np.diff(laws, axis=1) != 0, axis=0)))
    for begin, end in zip(begins, np.append(begins[1:], positions.size), strict=True):
        (shape_i, a_i, b_i), at = laws[:, begin].tolist(), positions[begin:end]
        longest = until / at.min() if rate > 0 else at.max()
        stopping = _stopping(a_i, b_i, k, leaving, finest=(shape_i + k) * longest)
        if rate > 0:
            terms = {"horizon": until, "rate": rate}
            found[begin:end] = discounted_arrivals(at, shape_i, k, stopping, **terms)
        else:
            found[begin:end] = expected_arrivals(at, shape_i, k, stopping)
    expected[ahead] = found[codes]
    return expected


def _stopping(a: float, b: float, k: int, leaving: float, *, finest: float) -> Rule:
    """The law of the probability that an arrival is the last."""
    if leaving > 1 and k > 1:
        return capped_beta_rule(a, b, leaving, finest)
    p, weights = beta_rule(a, b, finest * leaving)
    return Rule(leaving * p, weights)


def _for_ever(a: FloatArray, b: FloatArray, k: int, leaving: float) -> FloatArray:
    """Expected arrivals without a horizon: of one over the probability that one is the last."""
    excess = np.maximum(a - 1.0, 0.0)
    some = np.where(excess > 0, excess, 1.0)
    endless = (a + b - 1.0) / some / leaving
    if leaving > 1 and k > 1:
        below, certain = betainc(some, b, 1.0 / leaving), betainc(b, a, 1.0 - 1.0 / leaving)
        endless = endless * below + certain
    return np.where(excess > 0, endless, np.inf)


def expected_arrivals(tau: FloatArray, shape: float, k: int, stopping: Rule) -> FloatArray:
    """Expected number of arrivals until tau, for every number of phases done before.

    Parameters
    ----------
    tau : ndarray, shape (n,)
        Lengths of time, in units of the scale of the law of the rate; finite.
    shape : float
        Phases come at a rate ``Gamma(shape + j, ...)`` if j of them are done before.
    k : int
        Every kth phase ends with an arrival.
    stopping : Rule
        The law of the probability with which an arrival is the last.

    Returns
    -------
    ndarray, shape (n, k)
        Sums over m from 1 on of ``E[(1 - p) ** (m - 1)] P(at least k m - j phases)``.

    Notes
    -----
    What there is for every expected first arrival is a smooth function of the logarithm of one plus
    the expected number of phases, and interpolated in it to 1e-12 where that is less work.

    Examples
    --------
    With p = 1/2 and k = 1 the sum is that of a geometric law's tail:

    >>> half = Rule(np.array([0.5]), np.array([1.0]))
    >>> expected_arrivals(np.array([1.0]), 1.0, 1, half).round(12)
    array([[0.66666667]])
    """
    found = np.zeros((tau.size, k))
    ahead = tau > 0
    if not ahead.any():
        return found
    some, fastest = tau[ahead], shape + k
    logs = np.empty((0, k))
    for between in interpolations(1.0 + fastest * some):
        # Where that rounds to one there is nothing to tell apart.
        nodes = np.maximum((between.nodes - 1.0) / fastest, some.min())
        # Every other node of a finer interpolation is one of the last.
        known = slice(None, None, 2) if between.matrix is not None and logs.size else slice(0)
        coarser, logs = logs, np.empty((nodes.size, k))
        new = np.ones(nodes.size, dtype=bool)
        new[known] = False
        parts = (_per_first(part, shape, k, stopping) for part in _batches(nodes[new]))
        logs[new] = np.log(np.concatenate(list(parts)))
        logs[~new] = coarser[: nodes.size - np.count_nonzero(new)]
        if between.resolves(logs, _TOLERANCE):
            break
    share = some / (1.0 + some)
    first = [betainc(k - j, shape + j, share) for j in range(k)]
    found[ahead] = np.exp(between(logs)) * np.stack(first, axis=1)
    return found


def discounted_arrivals(
    scale: FloatArray, shape: float, k: int, stopping: Rule, *, horizon: float, rate: float
) -> FloatArray:
    """Expected present value of arrivals until a horizon, each worth one when it comes.

    Parameters
    ----------
    scale : ndarray, shape (n,)
        Scales of the law of the rate, in time units.
    shape, k, stopping
        As of `expected_arrivals`.
    horizon, rate : float
        In time units, and per time unit; finite and positive.

    Returns
    -------
    ndarray, shape (n, k)

    Notes
    -----
    In parts: ``exp(-rate t)`` of what is expected until t, and the integral over s until then of
    ``rate exp(-rate s)`` times what is expected until s. Both are positive.

    Examples
    --------
    >>> once = Rule(np.array([1.0]), np.array([1.0]))
    >>> discounted_arrivals(np.array([1.0]), 1.0, 1, once, horizon=1.0, rate=1e-9).round(6)
    array([[0.5]])
    """
    for between in interpolations(scale):
        nodes = between.nodes[:, None]
        fastest = (shape + k) / nodes + rate
        width = np.log1p(fastest * horizon)
        places, weights = gauss_legendre(int(np.ceil(20 + 12 * width.max())))
        stretched = 0.5 * width * (places + 1.0)
        at = np.append(np.expm1(stretched) / fastest, np.full(nodes.shape, horizon), axis=1)
        weights = rate * 0.5 * width * weights * np.exp(stretched) / fastest
        weights = np.append(weights, np.ones(nodes.shape), axis=1) * np.exp(-rate * at)
        expected = expected_arrivals((at / nodes).ravel(), shape, k, stopping)
        present = np.einsum("ns,nsk->nk", weights, expected.reshape(*at.shape, k))
        logs = np.log(np.maximum(present, np.finfo(float).tiny))
        if between.resolves(logs, _TOLERANCE):
            break
    return np.exp(between(logs))


def _batches(tau: FloatArray) -> list[FloatArray]:
    return np.split(tau, range(_LAWS_AT_ONCE, tau.size, _LAWS_AT_ONCE))


def _per_first(tau: FloatArray, shape: float, k: int, stopping: Rule) -> FloatArray:
    """Expected number of arrivals over the probability of one, shape (n, k); at least 1.

    Phase by phase where they are few, and by roots of unity where they are many: what one loses in
    time the other would lose in digits.
    """
    share = (tau / (1.0 + tau))[:, None]
    done = np.arange(k)
    missing, beyond = k - done, k * (_PHASES_ONE_BY_ONE // k + 1) - done
    first, rest = (betainc(n, shape + done, share) for n in (missing, beyond))
    growth = share * np.maximum(1.0, (shape + done + beyond) / (beyond + 1.0))
    few = np.all(rest <= _NEGLIGIBLE * (1.0 - growth) * first, axis=1) & (k > 1)
    values = np.empty(first.shape)
    if few.any():
        values[few] = _one_by_one(tau[few], shape, k, stopping)
    if not few.all():
        many = _by_roots_of_unity(tau[~few], shape, k, stopping)
        values[~few] = many / first[~few]
    return values


def _one_by_one(tau: FloatArray, shape: float, k: int, stopping: Rule) -> FloatArray:
    terms = _PHASES_ONE_BY_ONE // k + 1
    reached = stopping.weights @ (1.0 - stopping.nodes)[:, None] ** np.arange(terms)
    values = np.empty((tau.size, k))
    for j in range(k):
        numbers = np.arange(k * terms - j + 1.0)
        at_least = event_counts(numbers, shape + j, tau[:, None]).at_least[:, k - j :: k]
        first = at_least[:, :1]
        # Where a first arrival is too rare for a number, it is the only one.
        relative = np.zeros_like(at_least)
        np.divide(at_least, first, out=relative, where=first > 0)
        relative[:, 0] = 1.0
        values[:, j] = relative @ reached
    return values


def _by_roots_of_unity(tau: FloatArray, shape: float, k: int, stopping: Rule) -> FloatArray:
    """Expected number of arrivals, from a sum over all phases of which every kth is left.

    The probability of more than i phases, times ``z ** i`` and summed over all i, is
    ``H(z) = (1 - (1 + tau (1 - z)) ** -shape) / (1 - z)``. With ``z ** k = 1 - p`` the k roots
    together leave of that every kth i. Only ``H`` at the real root grows with tau, and it is made
    of positive parts. Where p is near 1 few terms count, and are summed.
    """
    p, weights = stopping
    expected = np.zeros((tau.size, k))
    rarely = (1.0 - p < _RARELY_GOES_ON) if k > 1 else np.zeros(p.shape, dtype=bool)
    if rarely.any():
        few, share = np.arange(_FEW), (tau / (1.0 + tau))[:, None]
        reached = weights[rarely] @ (1.0 - p[rarely])[:, None] ** few
        for j in range(k):
            expected[:, j] = betainc(k * (few + 1) - j, shape + j, share) @ reached
    p, weights = p[~rarely], weights[~rarely]
    gap = p if k == 1 else -np.expm1(np.log1p(-p) / k)
    logs = np.log1p(np.outer(tau, gap))
    for j in range(k):
        grown = -np.expm1(-(shape + j) * logs) / gap
        expected[:, j] += grown @ (weights * (1.0 - gap) ** (j + 1 - k)) / k
    for root in range(1, k // 2 + 1):
        turn = np.exp(2j * np.pi * root / k)
        away = 1.0 - (1.0 - gap) * turn
        # What has not decayed: in the right half plane all of it does as fast as this at least.
        left = shape * np.log1p(tau * min(1.0 - turn.real, 1.0)) < _DECAYED
        stretched = 1.0 + np.outer(tau[left], away)
        decayed = np.exp(-shape * np.log(stretched))
        # The conjugate root gives as much, unless it is the same.
        twice = 1.0 if 2 * root == k else 2.0
        for j in range(k):
            factor = twice * weights * ((1.0 - gap) * turn) ** (j + 1 - k) / away / k
            expected[:, j] += factor.sum().real
            expected[left, j] -= (decayed @ factor).real
            decayed /= stretched
    return expected


def capped_beta_rule(a: float, b: float, factor: float, finest: float) -> Rule:
    """The law of ``min(factor * p, 1)`` for ``p ~ Beta(a, b)`` and a factor above 1.

    Parameters
    ----------
    a, b : float
    factor : float
    finest : float
        Reciprocal of the smallest value at which anything varies.

    Notes
    -----
    Gauss-Legendre in ``logit(p)``, in pieces no wider than a deviation of the law, up to where the
    probability is 1; what is left on either side is a point.

    Examples
    --------
    >>> p, weights = capped_beta_rule(1.0, 1.0, 2.0, finest=10.0)
    >>> print(round(weights @ p, 9))
    0.75
    """
    centre, deviation = np.log(a) - np.log(b), np.sqrt(1.0 / a + 1.0 / b)
    end = -np.log(factor - 1.0)
    low = -np.log(factor * finest) - 32.0
    if deviation < 1.0:
        low = max(low, centre - 60.0 * deviation)
        end = min(end, centre + 60.0 * deviation)
    certain = float(betainc(b, a, 1.0 - 1.0 / factor))
    if end <= low:
        return Rule(np.ones(1), np.ones(1))
    pieces = int(np.ceil((end - low) / min(0.7, deviation)))
    places, place_weights = gauss_legendre(12)
    edges = np.linspace(low, end, pieces + 1)
    u = (edges[:-1, None] + 0.5 * np.diff(edges)[:, None] * (places + 1.0)).ravel()
    density = np.exp(a * log_expit(u) + b * log_expit(-u) - betaln(a, b))
    weights = density * np.tile(place_weights, pieces) * 0.5 * (edges[1] - edges[0])
    below = float(betainc(a, b, expit(low)))
    nodes = factor * expit(np.concatenate(([low], u, [end])))
    nodes[-1] = 1.0
    return Rule(np.minimum(nodes, 1.0), np.concatenate(([below], weights, [certain])))
