"""Likelihood-ratio tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from scipy.special import chdtrc

from clvforecast.errors import FitError
from clvforecast.fitting.result import Fit

__all__ = ["LikelihoodRatioTest", "likelihood_ratio_test"]

_ROUNDING: Final = 1e-6


class LikelihoodRatioTest(NamedTuple):
    """Twice the gain in log-likelihood, how many parameters bought it, and the p-value.

    A small `p_value` says that the restriction does not hold.
    """

    statistic: float
    degrees_of_freedom: int
    p_value: float


def likelihood_ratio_test(
    restricted: Fit | Sequence[Fit], full: Fit | Sequence[Fit]
) -> LikelihoodRatioTest:
    """Test a restricted model within a fuller one, both fitted to the same customers.

    Parameters
    ----------
    restricted, full : Fit or sequence of Fit
        Maximum-likelihood fits. Several fits, one for each group of customers, count as one: so
        one fit of all customers is tested within a fit for each segment.

    Returns
    -------
    LikelihoodRatioTest

    Raises
    ------
    FitError
        If the fits are not of the same customers, have a ridge, or are not nested.

    Notes
    -----
    Under the restriction the statistic is asymptotically chi-squared distributed (S. S. Wilks,
    "The Large-Sample Distribution of the Likelihood Ratio for Testing Composite Hypotheses",
    Annals of Mathematical Statistics 9 (1938) 60-62), unless it puts a parameter at the edge of
    its range: then the p-value is too large.

    Examples
    --------
    Do customers who came in January buy differently from those who came later?

    >>> import clvforecast as clv
    >>> orders = clv.read_orders(clv.datasets.load_cdnow(sample=True))
    >>> rfm = orders.summarize(time_unit="W", until="1997-09-30")
    >>> early = rfm["T"] > 34
    >>> by_group = [clv.BGNBD.fit(rfm[early]), clv.BGNBD.fit(rfm[~early])]
    >>> test = clv.likelihood_ratio_test(clv.BGNBD.fit(rfm), by_group)
    >>> print(f"{test.statistic:.2f} on {test.degrees_of_freedom}, p = {test.p_value:.2f}")
    1.62 on 4, p = 0.81
    """
    less, more = _as_sequence(restricted), _as_sequence(full)
    for fit in (*less, *more):
        if fit.ridge > 0:
            raise FitError(
                f"A likelihood-ratio test needs fits without ridge, not ridge={fit.ridge:g}."
            )
    customers = [sum(fit.customers for fit in fits) for fits in (less, more)]
    if customers[0] != customers[1]:
        raise FitError(
            f"A likelihood-ratio test needs fits of the same customers: the restricted one has "
            f"{customers[0]:,}, the full one {customers[1]:,}."
        )
    if len({fit.time_unit for fit in (*less, *more)}) > 1:
        raise FitError("A likelihood-ratio test needs fits in one time unit: densities have units.")
    freedom = sum(len(f.parameters) for f in more) - sum(len(f.parameters) for f in less)
    gain = sum(f.log_likelihood for f in more) - sum(f.log_likelihood for f in less)
    if freedom <= 0 or gain < -_ROUNDING * customers[0]:
        raise FitError(
            f"The full fit has {freedom:+d} parameters and {gain:+.4f} log-likelihood beside the "
            "restricted one, so it does not contain it. Check their order, and that both are of "
            "the same data."
        )
    statistic = 2 * max(gain, 0.0)
    return LikelihoodRatioTest(statistic, freedom, float(chdtrc(freedom, statistic)))


def _as_sequence(fits: Fit | Sequence[Fit]) -> Sequence[Fit]:
    return (fits,) if isinstance(fits, Fit) else fits
