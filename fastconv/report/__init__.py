"""Comparisons of algorithms on layers, and what they depend on, as data and as text."""
