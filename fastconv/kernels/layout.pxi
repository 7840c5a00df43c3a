# Conversion between the memory formats.

cdef extern from "layout.h":
    void swap_axes_f32(const float *, float *, int64_t, int64_t, int64_t, int) noexcept nogil
    void swap_axes_f64(const double *, double *, int64_t, int64_t, int64_t, int) noexcept nogil


def swap_axes(cnp.ndarray a not None, cnp.ndarray b not None, int64_t n, int64_t rows, int64_t columns, int threads):
    """b[n][j][i] = a[n][i][j], both contiguous."""
    cdef void *pa = data(a)
    cdef void *pb = data(b)
    cdef bint double_precision = is_double(a)
    with nogil:
        if double_precision:
            swap_axes_f64(<const double *>pa, <double *>pb, n, rows, columns, threads)
        else:
            swap_axes_f32(<const float *>pa, <float *>pb, n, rows, columns, threads)
