"""The BG/CNBD-k model of regular repeat buying (Platzer and Reutterer 2016)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from clvforecast.models.erlang_beta_geometric import ErlangBetaGeometricModel

__all__ = ["BGCNBD"]


@dataclass(frozen=True)
class BGCNBD(ErlangBetaGeometricModel):
    """BG/CNBD-k: the BG/NBD model with regular times between purchases.

    While active, a customer buys whenever the kth of `k` phases ends, each of which takes an
    exponential time at a rate ``lambda``: the larger `k`, the more regular his purchases. After
    each repeat purchase he becomes inactive for good with probability ``p``. Across customers
    ``lambda`` is gamma distributed (shape `r`, rate `alpha`) and ``p`` is beta distributed (`a`,
    `b`), independently. With ``k = 1`` it is BG/NBD.

    So a silence of several of his usual intervals says of a regular buyer that he has left, where
    it says little of others, and of one active at T his recency tells when he will buy next.

    Parameters
    ----------
    r : float or ndarray
        Shape of the rates of phases; small means that customers differ much.
    alpha : float or ndarray
        Rate parameter of the rates of phases, in time units; ``r / (k alpha)`` is the mean number
        of purchases per unit while active.
    a, b : float or ndarray
        Parameters of the dropout probabilities; ``a / (a + b)`` is their mean.
    k : int
        Number of phases from one purchase to the next, 1 or more: a setting, which `fit` chooses by
        likelihood where it has the orders. Times between a customer's purchases vary by
        ``1 / sqrt(k)`` of their mean.

    References
    ----------
    M. Platzer and T. Reutterer, "Ticking Away the Moments: Timing Regularity Helps to Better
    Predict Customer Activity", Marketing Science 35 (2016) 779-799.
    T. Reutterer, M. Platzer and N. Schroeder, "Leveraging Purchase Regularity for Predicting
    Customer Behavior the Easy Way", International Journal of Research in Marketing 38 (2021)
    194-215.

    Examples
    --------
    Of three customers with ten repeat purchases, about one every five weeks, one is overdue:

    >>> model = BGCNBD(r=0.85, alpha=1.45, a=0.79, b=2.42, k=3)
    >>> model.p_alive(10, [40.0, 44.0, 48.0], 52.0).round(4)
    array([0.1563, 0.6178, 0.8883])
    """

    name: ClassVar[str] = "BG/CNBD-k"
    leave_at_once: ClassVar[bool] = False
