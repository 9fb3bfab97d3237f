"""Limits of the differences from the reference implementation of SadTalker."""

TOLERANCE = 1e-4
"""Tolerance as a share of the largest value, for everything but frames."""

ENERGY = 0.02
"""Relative difference of the energy of motion."""
