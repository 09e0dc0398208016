"""What a likelihood says row by row where parameters differ from row to row."""

from __future__ import annotations

from typing import NamedTuple

from clvforecast.numerics.arrays import FloatArray

__all__ = ["RowDerivatives"]


class RowDerivatives(NamedTuple):
    """Log-likelihood of n rows, with its derivatives in q quantities of each row's own."""

    value: FloatArray
    """Shape (n,)."""
    gradient: FloatArray
    """Shape (q, n)."""
    hessian: FloatArray
    """Shape (q, q, n)."""
