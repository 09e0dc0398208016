"""The MBG/NBD model of repeat buying (Batislam et al. 2007, Hoppe and Wagner 2007)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from clvforecast.models.beta_geometric import BetaGeometricModel

__all__ = ["MBGNBD"]


@dataclass(frozen=True)
class MBGNBD(BetaGeometricModel):
    """MBG/NBD: the BG/NBD model in which the first purchase, too, may be the last.

    While active, a customer buys at random times at a rate ``lambda``; after each purchase, the
    first among them, he becomes inactive for good with probability ``p``. Across customers
    ``lambda`` is gamma distributed (shape `r`, rate `alpha`) and ``p`` is beta distributed (`a`,
    `b`), independently.

    So P(alive) of one-time buyers falls with their silence, as everybody's does; in BG/NBD it is 1
    for ever.

    Parameters
    ----------
    r : float or ndarray
        Shape of the purchase rates; small means that customers differ much.
    alpha : float or ndarray
        Rate parameter of the purchase rates, in time units; ``r / alpha`` is the mean number of
        purchases per unit while active.
    a, b : float or ndarray
        Parameters of the dropout probabilities; ``a / (a + b)`` is their mean.

    References
    ----------
    E. P. Batislam, M. Denizel and A. Filiztekin, "Empirical Validation and Comparison of Models for
    Customer Base Analysis", International Journal of Research in Marketing 24 (2007) 201-209.
    D. Hoppe and U. Wagner, "Customer Base Analysis: The Case for a Central Variant of the
    Betageometric/NBD Model", Marketing - Journal of Research and Management 3 (2007) 75-90; they
    call it CBG/NBD.

    Examples
    --------
    >>> model = MBGNBD(r=0.525, alpha=6.183, a=0.891, b=1.614)
    >>> model.p_alive([2, 0], [30.43, 0], 38.86).round(4)
    array([0.7062, 0.3897])
    """

    name: ClassVar[str] = "MBG/NBD"
    leave_at_once: ClassVar[bool] = True
