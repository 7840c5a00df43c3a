# cython: freethreading_compatible=True
"""The BLAS that SciPy was built with, as addresses that kernels call.

Importing this imports scipy.linalg, which takes about 0.4 s: it is done at the first use of an algorithm that needs BLAS.
"""

from scipy.linalg.cython_blas cimport dgemm, sgemm


def gemm_address(bint is_double):
    """Address of the Fortran-style dgemm or sgemm: every argument a pointer, integers of C's `int`."""
    return <size_t><void *>dgemm if is_double else <size_t><void *>sgemm
