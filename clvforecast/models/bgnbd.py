"""The BG/NBD model of repeat buying (Fader, Hardie and Lee 2005)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from clvforecast.models.beta_geometric import BetaGeometricModel

__all__ = ["BGNBD"]


@dataclass(frozen=True)
class BGNBD(BetaGeometricModel):
    """BG/NBD: who buys, how often, and who is gone.

    While active, a customer buys at random times at a rate ``lambda``; after each repeat purchase
    he becomes inactive for good with probability ``p``. Across customers ``lambda`` is gamma
    distributed (shape `r`, rate `alpha`) and ``p`` is beta distributed (`a`, `b`), independently.

    Dropout follows a purchase, so a customer without a repeat purchase has had no occasion to
    leave: his P(alive) is 1 however long he has been silent. That is a property of the model.

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
    P. S. Fader, B. G. S. Hardie and K. L. Lee, "'Counting Your Customers' the Easy Way: An
    Alternative to the Pareto/NBD Model", Marketing Science 24 (2005) 275-284. Equation numbers
    below are theirs.

    Examples
    --------
    A customer with two repeat purchases, the last in week 30.43 of 38.86 (customer 1 of CDNOW):

    >>> model = BGNBD(r=0.243, alpha=4.414, a=0.793, b=2.426)
    >>> print(model.expected_purchases(39, 2, 30.43, 38.86).round(3))
    1.226
    """

    name: ClassVar[str] = "BG/NBD"
    leave_at_once: ClassVar[bool] = False
