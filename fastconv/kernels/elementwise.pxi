# Functions of each element: see elementwise.h.

cdef extern from "elementwise.h" nogil:
    void apply_f32(int64_t size, const float *x, int code, double slope, float *y, int threads)
    void apply_f64(int64_t size, const double *x, int code, double slope, double *y, int threads)
    void apply_grad_f32(int64_t size, const float *gy, const float *saved, int code, double slope, float *g, int threads)
    void apply_grad_f64(int64_t size, const double *gy, const double *saved, int code, double slope, double *g, int threads)
    void add_f32(int64_t size, const float *a, const float *b, int code, double slope, float *y, int threads)
    void add_f64(int64_t size, const double *a, const double *b, int code, double slope, double *y, int threads)


def apply(cnp.ndarray x not None, int code, double slope, cnp.ndarray y not None, int threads):
    """y = function(x)"""
    cdef int64_t size = cnp.PyArray_SIZE(x)
    cdef void *px = data(x)
    cdef void *py = data(y)
    if is_double(x):
        with nogil:
            apply_f64(size, <double *>px, code, slope, <double *>py, threads)
    else:
        with nogil:
            apply_f32(size, <float *>px, code, slope, <float *>py, threads)


def apply_grad(cnp.ndarray gy not None, cnp.ndarray saved not None, int code, double slope, cnp.ndarray g not None,
               int threads):
    """g = gy * the derivative"""
    cdef int64_t size = cnp.PyArray_SIZE(gy)
    cdef void *pgy = data(gy)
    cdef void *ps = data(saved)
    cdef void *pg = data(g)
    if is_double(gy):
        with nogil:
            apply_grad_f64(size, <double *>pgy, <double *>ps, code, slope, <double *>pg, threads)
    else:
        with nogil:
            apply_grad_f32(size, <float *>pgy, <float *>ps, code, slope, <float *>pg, threads)


def add(cnp.ndarray a not None, cnp.ndarray b not None, int code, double slope, cnp.ndarray y not None, int threads):
    """y = function(a + b)"""
    cdef int64_t size = cnp.PyArray_SIZE(a)
    cdef void *pa = data(a)
    cdef void *pb = data(b)
    cdef void *py = data(y)
    if is_double(a):
        with nogil:
            add_f64(size, <double *>pa, <double *>pb, code, slope, <double *>py, threads)
    else:
        with nogil:
            add_f32(size, <float *>pa, <float *>pb, code, slope, <float *>py, threads)
