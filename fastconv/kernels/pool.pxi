cdef extern from "pool.h" nogil:
    ctypedef struct pool_call:
        const geometry *g
        const int64_t *rows
        const int64_t *cols
        const int64_t *row_count
        const int64_t *col_count
        const double *row_weight
        const double *col_weight
        int wide
        int relu
    int64_t pool_workspace_bytes "pool_workspace"(const geometry *g, const int64_t *rows, int backward, int itemsize,
                                                  int threads)
    void pool_forward_f32(const pool_call *a, const float *x, float *y, void *taps, void *workspace, int threads)
    void pool_forward_f64(const pool_call *a, const double *x, double *y, void *taps, void *workspace, int threads)
    void pool_backward_f32(const pool_call *a, const float *gy, const float *y, const void *taps, float *dx, void *workspace,
                           int threads)
    void pool_backward_f64(const pool_call *a, const double *gy, const double *y, const void *taps, double *dx, void *workspace,
                           int threads)


cdef inline pool_call pool_call_of(cnp.ndarray shape, tuple lists, tuple counts, tuple weights, taps, bint relu):
    cdef pool_call a
    a.g = shape_of(shape)
    a.rows = <const int64_t *>data(lists[0])
    a.cols = <const int64_t *>data(lists[1])
    a.row_count = <const int64_t *>data(counts[0])
    a.col_count = <const int64_t *>data(counts[1])
    a.row_weight = <const double *>data(weights[0])
    a.col_weight = <const double *>data(weights[1])
    a.wide = taps is not None and cnp.PyArray_TYPE(<cnp.ndarray>taps) == cnp.NPY_INT32
    a.relu = relu
    return a


def pool_workspace(cnp.ndarray shape not None, cnp.ndarray rows not None, bint backward, int itemsize, int threads):
    """Bytes of scratch."""
    return pool_workspace_bytes(shape_of(shape), <const int64_t *>data(rows), backward, itemsize, threads)


def pool_forward(cnp.ndarray shape not None, tuple lists not None, tuple counts not None, tuple weights not None,
                 cnp.ndarray x not None, cnp.ndarray y not None, taps, bint relu, cnp.ndarray workspace not None, int threads):
    """Averages where counts are given, sums where weights are too, else maxima, with their taps unless those are None."""
    cdef pool_call a = pool_call_of(shape, lists, counts, weights, taps, relu)
    cdef void *xp = data(x)
    cdef void *yp = data(y)
    cdef void *t = data(taps)
    cdef void *scratch = data(workspace)
    if is_double(x):
        with nogil:
            pool_forward_f64(&a, <double *>xp, <double *>yp, t, scratch, threads)
    else:
        with nogil:
            pool_forward_f32(&a, <float *>xp, <float *>yp, t, scratch, threads)


def pool_backward(cnp.ndarray shape not None, tuple lists not None, tuple counts not None, tuple weights not None,
                  cnp.ndarray gy not None, y, taps, cnp.ndarray dx not None, cnp.ndarray workspace not None, int threads):
    """The input's gradient; the lists tell the windows of each pixel. Where y is given, only its positive outputs count."""
    cdef pool_call a = pool_call_of(shape, lists, counts, weights, taps, False)
    cdef void *gp = data(gy)
    cdef void *yp = data(y)
    cdef void *t = data(taps)
    cdef void *d = data(dx)
    cdef void *scratch = data(workspace)
    if is_double(gy):
        with nogil:
            pool_backward_f64(&a, <double *>gp, <double *>yp, t, <double *>d, scratch, threads)
    else:
        with nogil:
            pool_backward_f32(&a, <float *>gp, <float *>yp, t, <float *>d, scratch, threads)
