"""Numerics shared by the models: NumPy and SciPy only, arrays in, arrays out."""
