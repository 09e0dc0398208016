"""The priors of PyMC-Marketing, for posteriors that can be compared with its own."""

from __future__ import annotations

import numpy as np

from clvforecast.errors import DataError, suggest
from clvforecast.models import BGNBD, GammaGamma, Model
from clvforecast.numerics.arrays import FloatArray

__all__ = ["default_prior"]


def default_prior(model: Model) -> FloatArray:
    """Log-density of PyMC-Marketing's default priors, up to a constant.

    BG/NBD: r is Weibull (shape 2, scale 1), alpha is Weibull (shape 2, scale 10) in the unit of
    the summary, the mean dropout ``a / (a + b)`` is uniform, and ``a + b`` is Pareto (shape 1)
    from 1 on. Gamma-Gamma: flat.

    Its prior of alpha has a scale in time units, so the posterior depends on the unit.

    Parameters
    ----------
    model : BGNBD or GammaGamma
        With arrays of parameters.

    Returns
    -------
    ndarray
        Of the parameters' shape; minus infinity where ``a + b < 1``.

    Raises
    ------
    DataError
        If the model is another.

    References
    ----------
    ``default_model_config`` of BetaGeoModel and GammaGammaModel, PyMC-Marketing 0.19.2.

    Examples
    --------
    >>> import clvforecast as clv
    >>> orders = clv.read_orders(clv.datasets.load_cdnow(sample=True))
    >>> fit = clv.BGNBD.fit(orders.summarize(time_unit="W", until="1997-09-30"))
    >>> fit.posterior(prior=default_prior).summary()["mean"].round(1).to_dict()
    {'r': 0.2, 'alpha': 4.5, 'a': 0.8, 'b': 2.4}
    """
    if isinstance(model, GammaGamma):
        return np.zeros(np.shape(model.p))
    if not isinstance(model, BGNBD):
        raise DataError(
            f"No PyMC-Marketing prior for {type(model).__name__}. "
            + suggest(type(model).__name__, ["BGNBD", "GammaGamma"])
        )
    concentration = np.add(model.a, model.b)
    shape = np.log(model.r) - np.square(model.r)
    rate = np.log(model.alpha) - np.square(np.divide(model.alpha, 10.0))
    # Uniform mean times Pareto concentration, divided by the Jacobian, which is a + b.
    dropout = np.where(concentration >= 1, -3 * np.log(concentration), -np.inf)
    return np.asarray(shape + rate + dropout)
