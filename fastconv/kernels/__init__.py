"""Compiled loops. See `cpu` for how the instruction set is chosen."""
