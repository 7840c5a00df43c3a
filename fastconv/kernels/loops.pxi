# The loops of textbooks: see loops.h. Arrays are of float32 or float64.

cdef extern from "loops.h" nogil:
    void loops_convolve_f32(const geometry *s, const float *x, const float *w, float *y)
    void loops_convolve_f64(const geometry *s, const double *x, const double *w, double *y)
    void loops_scale_f32(int64_t rows, int64_t columns, int64_t row_step, int64_t column_step, float factor, float *x)
    void loops_scale_f64(int64_t rows, int64_t columns, int64_t row_step, int64_t column_step, double factor, double *x)
    void loops_scale_vectors_f32(int64_t rows, int64_t columns, int64_t row_step, float factor, float *x)
    void loops_scale_vectors_f64(int64_t rows, int64_t columns, int64_t row_step, double factor, double *x)


def loops_convolve(cnp.ndarray shape not None, cnp.ndarray x not None, cnp.ndarray w not None, cnp.ndarray y not None):
    """y = x conv w, all contiguous NCHW"""
    cdef const geometry *s = shape_of(shape)
    cdef void *px = data(x)
    cdef void *pw = data(w)
    cdef void *py = data(y)
    if is_double(x):
        with nogil:
            loops_convolve_f64(s, <double *>px, <double *>pw, <double *>py)
    else:
        with nogil:
            loops_convolve_f32(s, <float *>px, <float *>pw, <float *>py)


def loops_scale(cnp.ndarray x not None, double factor):
    """x *= factor, element by element, in the order of the rows of the two-dimensional x, of any strides"""
    cdef int64_t rows = cnp.PyArray_DIM(x, 0), columns = cnp.PyArray_DIM(x, 1)
    cdef int64_t item = cnp.PyArray_ITEMSIZE(x)
    cdef int64_t row_step = cnp.PyArray_STRIDE(x, 0) // item, column_step = cnp.PyArray_STRIDE(x, 1) // item
    cdef void *px = data(x)
    if is_double(x):
        with nogil:
            loops_scale_f64(rows, columns, row_step, column_step, factor, <double *>px)
    else:
        with nogil:
            loops_scale_f32(rows, columns, row_step, column_step, <float>factor, <float *>px)


def loops_scale_vectors(cnp.ndarray x not None, double factor):
    """The same by vectors; columns are contiguous"""
    cdef int64_t rows = cnp.PyArray_DIM(x, 0), columns = cnp.PyArray_DIM(x, 1)
    cdef int64_t row_step = cnp.PyArray_STRIDE(x, 0) // cnp.PyArray_ITEMSIZE(x)
    cdef void *px = data(x)
    if is_double(x):
        with nogil:
            loops_scale_vectors_f64(rows, columns, row_step, factor, <double *>px)
    else:
        with nogil:
            loops_scale_vectors_f32(rows, columns, row_step, <float>factor, <float *>px)
