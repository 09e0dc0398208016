"""Likelihoods of purchase models over weighted cells, with their derivatives."""
