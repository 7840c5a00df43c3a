# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""The kernels compiled for the amx instruction set."""

include "kernels.pxi"
include "split.pxi"
include "winograd_split.pxi"
