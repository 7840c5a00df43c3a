# The body of every _<instruction set>.pyx: one Python module per set, all with the same functions.

cimport numpy as cnp
from libc.stdint cimport int64_t, uint8_t

cnp.import_array()

cdef extern from "geometry.h":
    ctypedef struct geometry:
        int64_t n, c, h, w, k, kh, kw, oh, ow, sh, sw, pt, pl, dh, dw, g, channels_last


cdef inline const geometry *shape_of(cnp.ndarray a) noexcept:
    return <const geometry *>cnp.PyArray_DATA(a)


cdef inline void *data(object a) noexcept:
    """Address of an array's first element; NULL for None."""
    return NULL if a is None else cnp.PyArray_DATA(<cnp.ndarray>a)


cdef inline bint is_double(cnp.ndarray a) noexcept:
    return cnp.PyArray_TYPE(a) == cnp.NPY_FLOAT64


include "direct.pxi"
include "winograd.pxi"
include "depthwise.pxi"
include "fft.pxi"
include "im2col.pxi"
include "layout.pxi"
include "linear.pxi"
include "norm.pxi"
include "elementwise.pxi"
include "pool.pxi"
include "loops.pxi"
include "update.pxi"
