# Products of matrices for fully connected layers.

cdef extern from "linear.h":
    void linear_f32(
        const float *, int64_t, int64_t, const float *, float *, int64_t, int64_t, int64_t, const float *, int, float, int
    ) noexcept nogil
    void linear_f64(
        const double *, int64_t, int64_t, const double *, double *, int64_t, int64_t, int64_t, const double *, int, double, int
    ) noexcept nogil


def linear(
    cnp.ndarray a not None, bint transposed, cnp.ndarray b not None, cnp.ndarray c not None, bias, int activation, double slope,
    int threads,
):
    """c = A b, with A = a, or with A = a^T if `transposed`; all C-contiguous."""
    cdef int64_t rows = c.shape[0], columns = c.shape[1], depth = b.shape[0]
    cdef int64_t row = 1 if transposed else depth, step = rows if transposed else 1
    cdef void *pa = data(a)
    cdef void *pb = data(b)
    cdef void *pc = data(c)
    cdef void *pbias = data(bias)
    cdef bint double_precision = is_double(c)
    with nogil:
        if double_precision:
            linear_f64(
                <const double *>pa, row, step, <const double *>pb, <double *>pc, rows, columns, depth, <const double *>pbias,
                activation, slope, threads
            )
        else:
            linear_f32(
                <const float *>pa, row, step, <const float *>pb, <float *>pc, rows, columns, depth, <const float *>pbias,
                activation, <float>slope, threads
            )
