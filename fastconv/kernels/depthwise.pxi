cdef extern from "depthwise.h" nogil:
    int64_t depthwise_workspace_bytes "depthwise_workspace"(const geometry *g, int direction, int itemsize, int threads)
    int depthwise_is_direct "depthwise_direct"(const geometry *g, int direction, int itemsize)
    int64_t depthwise_longest_chain "depthwise_chain"(const geometry *g, int itemsize)
    void depthwise_correlate_f32(const geometry *g, int direction, const float *source, const float *w, const float *bias,
                                 int activation, double slope, float *dest, void *workspace, int threads)
    void depthwise_correlate_f64(const geometry *g, int direction, const double *source, const double *w, const double *bias,
                                 int activation, double slope, double *dest, void *workspace, int threads)
    void depthwise_weight_grad_f32(const geometry *g, const float *x, const float *gy, float *dw, void *workspace, int threads)
    void depthwise_weight_grad_f64(const geometry *g, const double *x, const double *gy, double *dw, void *workspace,
                                   int threads)


def depthwise_workspace(cnp.ndarray shape not None, int direction, int itemsize, int threads):
    """Bytes of scratch; direction is 0 forward, 1 input gradient, 2 weight gradient."""
    return depthwise_workspace_bytes(shape_of(shape), direction, itemsize, threads)


def depthwise_direct(cnp.ndarray shape not None, int direction, int itemsize):
    """Whether images are read where they are and not from a padded copy."""
    return bool(depthwise_is_direct(shape_of(shape), direction, itemsize))


def depthwise_chain(cnp.ndarray shape not None, int itemsize):
    """The most additions behind one another in a sum of the weight gradient."""
    return depthwise_longest_chain(shape_of(shape), itemsize)


def depthwise_correlate(cnp.ndarray shape not None, int direction, cnp.ndarray source not None, cnp.ndarray w not None, bias,
                        int activation, double slope, cnp.ndarray dest not None, cnp.ndarray workspace not None, int threads):
    """Forward (0) or input gradient (1); w is (kernel positions, filters)."""
    cdef const geometry *g = shape_of(shape)
    cdef void *s = data(source)
    cdef void *wp = data(w)
    cdef void *b = data(bias)
    cdef void *d = data(dest)
    cdef void *scratch = data(workspace)
    if is_double(source):
        with nogil:
            depthwise_correlate_f64(g, direction, <double *>s, <double *>wp, <double *>b, activation, slope, <double *>d,
                                    scratch, threads)
    else:
        with nogil:
            depthwise_correlate_f32(g, direction, <float *>s, <float *>wp, <float *>b, activation, slope, <float *>d, scratch,
                                    threads)


def depthwise_weight_grad(cnp.ndarray shape not None, cnp.ndarray x not None, cnp.ndarray gy not None, cnp.ndarray dw not None,
                          cnp.ndarray workspace not None, int threads):
    """The weight gradient, filter by filter."""
    cdef const geometry *g = shape_of(shape)
    cdef void *xp = data(x)
    cdef void *gp = data(gy)
    cdef void *d = data(dw)
    cdef void *scratch = data(workspace)
    if is_double(x):
        with nogil:
            depthwise_weight_grad_f64(g, <double *>xp, <double *>gp, <double *>d, scratch, threads)
    else:
        with nogil:
            depthwise_weight_grad_f32(g, <float *>xp, <float *>gp, <float *>d, scratch, threads)
