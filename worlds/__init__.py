"""Chains whose truth is known, built with words; the heuristics do not know this package exists."""
