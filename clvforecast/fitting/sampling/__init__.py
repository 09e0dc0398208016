"""Draws of a fit's parameters: from their posterior, and from refits to resampled customers."""
