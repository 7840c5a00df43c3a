# Batch normalisation and the gradients of biases: see norm.h.

cdef extern from "norm.h" nogil:
    ctypedef struct images:
        int64_t n, c, plane, channels_last
    ctypedef struct pool_windows:
        int64_t height, width, rows, cols
    int64_t c_norm_workspace "norm_workspace"(const images *s, int itemsize, int threads)
    void batch_norm_f32(const images *s, const float *x, const float *gamma, const float *beta, const float *residual,
                        double eps, int activation, double slope, float *y, double *mean, double *inv_std, void *workspace,
                        int threads)
    void batch_norm_f64(const images *s, const double *x, const double *gamma, const double *beta, const double *residual,
                        double eps, int activation, double slope, double *y, double *mean, double *inv_std, void *workspace,
                        int threads)
    void scale_shift_f32(const images *s, const float *x, const float *gamma, const float *beta, const float *residual,
                         const double *mean, const double *inv_std, int activation, double slope, float *y, void *workspace,
                         int threads)
    void scale_shift_f64(const images *s, const double *x, const double *gamma, const double *beta, const double *residual,
                         const double *mean, const double *inv_std, int activation, double slope, double *y, void *workspace,
                         int threads)
    void batch_norm_grad_f32(const images *s, const float *gy, const float *x, const float *y, const float *gamma,
                             const float *beta, const double *mean, const double *inv_std, int constant, int mask,
                             int activation, double slope, float *dx, float *dgamma, float *dbeta, float *g, void *workspace,
                             int threads)
    void batch_norm_grad_f64(const images *s, const double *gy, const double *x, const double *y, const double *gamma,
                             const double *beta, const double *mean, const double *inv_std, int constant, int mask,
                             int activation, double slope, double *dx, double *dgamma, double *dbeta, double *g,
                             void *workspace, int threads)
    void batch_norm_max_f32(const images *s, const pool_windows *p, const float *x, const float *gamma, const float *beta,
                            double eps, int relu, float *y, uint8_t *taps, double *mean, double *inv_std, void *workspace,
                            int threads)
    void batch_norm_max_f64(const images *s, const pool_windows *p, const double *x, const double *gamma, const double *beta,
                            double eps, int relu, double *y, uint8_t *taps, double *mean, double *inv_std, void *workspace,
                            int threads)
    void batch_norm_max_grad_f32(const images *s, const pool_windows *p, const float *gy, const float *y, const uint8_t *taps,
                                 const float *x, const float *gamma, const double *mean, const double *inv_std, float *dx,
                                 float *dgamma, float *dbeta, void *workspace, int threads)
    void batch_norm_max_grad_f64(const images *s, const pool_windows *p, const double *gy, const double *y, const uint8_t *taps,
                                 const double *x, const double *gamma, const double *mean, const double *inv_std, double *dx,
                                 double *dgamma, double *dbeta, void *workspace, int threads)
    void bias_grad_f32(const images *s, const float *gy, const float *y, int mask, int activation, double slope, float *g,
                       float *db, void *workspace, int threads)
    void bias_grad_f64(const images *s, const double *gy, const double *y, int mask, int activation, double slope, double *g,
                       double *db, void *workspace, int threads)
    void group_norm_f32(const images *s, int64_t groups, const float *x, const float *gamma, const float *beta, double eps,
                        int activation, double slope, float *y, double *mean, double *inv_std, void *workspace, int threads)
    void group_norm_f64(const images *s, int64_t groups, const double *x, const double *gamma, const double *beta, double eps,
                        int activation, double slope, double *y, double *mean, double *inv_std, void *workspace, int threads)
    void group_norm_grad_f32(const images *s, int64_t groups, const float *gy, const float *x, const float *gamma,
                             const float *beta, const double *mean, const double *inv_std, int mask, int activation,
                             double slope, float *dx, float *dgamma, float *dbeta, void *workspace, int threads)
    void group_norm_grad_f64(const images *s, int64_t groups, const double *gy, const double *x, const double *gamma,
                             const double *beta, const double *mean, const double *inv_std, int mask, int activation,
                             double slope, double *dx, double *dgamma, double *dbeta, void *workspace, int threads)
    void layer_norm_f32(int64_t rows, int64_t d, const float *x, const float *gamma, const float *beta, double eps, float *y,
                        double *mean, double *inv_std, int threads)
    void layer_norm_f64(int64_t rows, int64_t d, const double *x, const double *gamma, const double *beta, double eps,
                        double *y, double *mean, double *inv_std, int threads)
    void layer_norm_grad_f32(int64_t rows, int64_t d, const float *gy, const float *x, const float *gamma, const double *mean,
                             const double *inv_std, float *dx, float *dgamma, float *dbeta, void *workspace, int threads)
    void layer_norm_grad_f64(int64_t rows, int64_t d, const double *gy, const double *x, const double *gamma,
                             const double *mean, const double *inv_std, double *dx, double *dgamma, double *dbeta,
                             void *workspace, int threads)

# What tells where an activation was linear, as in gradient_sums.h.
MASK_NONE, MASK_OUTPUT, MASK_ARGUMENT = range(3)


cdef inline images images_of(tuple shape):
    """(n, c, plane, channels_last)"""
    cdef images s
    s.n, s.c, s.plane, s.channels_last = shape
    return s


def norm_workspace(tuple shape, int itemsize, int threads):
    """Bytes of scratch for each of the functions below."""
    cdef images s = images_of(shape)
    return c_norm_workspace(&s, itemsize, threads)


def batch_norm(tuple shape, cnp.ndarray x not None, gamma, beta, residual, double eps, int activation, double slope,
               cnp.ndarray y not None, cnp.ndarray mean not None, cnp.ndarray inv_std not None, cnp.ndarray workspace not None,
               int threads):
    """Normalise each channel by its own statistics, which `mean` and `inv_std` (float64) receive."""
    cdef images s = images_of(shape)
    cdef void *px = data(x)
    cdef void *pg = data(gamma)
    cdef void *pb = data(beta)
    cdef void *pr = data(residual)
    cdef void *py = data(y)
    cdef double *m = <double *>data(mean)
    cdef double *i = <double *>data(inv_std)
    cdef void *w = data(workspace)
    if is_double(x):
        with nogil:
            batch_norm_f64(&s, <double *>px, <double *>pg, <double *>pb, <double *>pr, eps, activation, slope, <double *>py, m,
                           i, w, threads)
    else:
        with nogil:
            batch_norm_f32(&s, <float *>px, <float *>pg, <float *>pb, <float *>pr, eps, activation, slope, <float *>py, m, i, w,
                           threads)


def scale_shift(tuple shape, cnp.ndarray x not None, gamma, beta, residual, cnp.ndarray mean not None,
                cnp.ndarray inv_std not None, int activation, double slope, cnp.ndarray y not None,
                cnp.ndarray workspace not None, int threads):
    """Normalise each channel by given statistics (float64)."""
    cdef images s = images_of(shape)
    cdef void *px = data(x)
    cdef void *pg = data(gamma)
    cdef void *pb = data(beta)
    cdef void *pr = data(residual)
    cdef void *py = data(y)
    cdef double *m = <double *>data(mean)
    cdef double *i = <double *>data(inv_std)
    cdef void *w = data(workspace)
    if is_double(x):
        with nogil:
            scale_shift_f64(&s, <double *>px, <double *>pg, <double *>pb, <double *>pr, m, i, activation, slope, <double *>py,
                            w, threads)
    else:
        with nogil:
            scale_shift_f32(&s, <float *>px, <float *>pg, <float *>pb, <float *>pr, m, i, activation, slope, <float *>py, w,
                            threads)


def batch_norm_grad(tuple shape, cnp.ndarray gy not None, cnp.ndarray x not None, y, gamma, beta, cnp.ndarray mean not None,
                    cnp.ndarray inv_std not None, bint constant, int mask, int activation, double slope,
                    cnp.ndarray dx not None, cnp.ndarray dgamma not None, cnp.ndarray dbeta not None, g,
                    cnp.ndarray workspace not None, int threads):
    """Gradients; g, if given, receives gy masked by the activation. constant: the statistics do not depend on x."""
    cdef images s = images_of(shape)
    cdef void *pgy = data(gy)
    cdef void *px = data(x)
    cdef void *py = data(y)
    cdef void *pg = data(gamma)
    cdef void *pb = data(beta)
    cdef double *m = <double *>data(mean)
    cdef double *i = <double *>data(inv_std)
    cdef void *pdx = data(dx)
    cdef void *pdg = data(dgamma)
    cdef void *pdb = data(dbeta)
    cdef void *pm = data(g)
    cdef void *w = data(workspace)
    if is_double(x):
        with nogil:
            batch_norm_grad_f64(&s, <double *>pgy, <double *>px, <double *>py, <double *>pg, <double *>pb, m, i, constant, mask,
                                activation, slope, <double *>pdx, <double *>pdg, <double *>pdb, <double *>pm, w, threads)
    else:
        with nogil:
            batch_norm_grad_f32(&s, <float *>pgy, <float *>px, <float *>py, <float *>pg, <float *>pb, m, i, constant, mask,
                                activation, slope, <float *>pdx, <float *>pdg, <float *>pdb, <float *>pm, w, threads)


cdef inline pool_windows windows_of(tuple shape):
    """(height, width, rows, cols)"""
    cdef pool_windows p
    p.height, p.width, p.rows, p.cols = shape
    return p


def batch_norm_max(tuple shape, tuple windows, cnp.ndarray x not None, gamma, beta, double eps, bint relu,
                   cnp.ndarray y not None, cnp.ndarray taps not None, cnp.ndarray mean not None, cnp.ndarray inv_std not None,
                   cnp.ndarray workspace not None, int threads):
    """The maxima of windows side by side of batch_norm's result, channels-last, and their taps (uint8)."""
    cdef images s = images_of(shape)
    cdef pool_windows p = windows_of(windows)
    cdef void *px = data(x)
    cdef void *pg = data(gamma)
    cdef void *pb = data(beta)
    cdef void *py = data(y)
    cdef uint8_t *pt = <uint8_t *>data(taps)
    cdef double *m = <double *>data(mean)
    cdef double *i = <double *>data(inv_std)
    cdef void *w = data(workspace)
    if is_double(x):
        with nogil:
            batch_norm_max_f64(&s, &p, <double *>px, <double *>pg, <double *>pb, eps, relu, <double *>py, pt, m, i, w, threads)
    else:
        with nogil:
            batch_norm_max_f32(&s, &p, <float *>px, <float *>pg, <float *>pb, eps, relu, <float *>py, pt, m, i, w, threads)


def batch_norm_max_grad(tuple shape, tuple windows, cnp.ndarray gy not None, y, cnp.ndarray taps not None,
                        cnp.ndarray x not None, gamma, cnp.ndarray mean not None, cnp.ndarray inv_std not None,
                        cnp.ndarray dx not None, cnp.ndarray dgamma not None, cnp.ndarray dbeta not None,
                        cnp.ndarray workspace not None, int threads):
    """Gradients of batch_norm_max; y, its result, is given if it had a ReLU."""
    cdef images s = images_of(shape)
    cdef pool_windows p = windows_of(windows)
    cdef void *pgy = data(gy)
    cdef void *py = data(y)
    cdef uint8_t *pt = <uint8_t *>data(taps)
    cdef void *px = data(x)
    cdef void *pg = data(gamma)
    cdef double *m = <double *>data(mean)
    cdef double *i = <double *>data(inv_std)
    cdef void *pdx = data(dx)
    cdef void *pdg = data(dgamma)
    cdef void *pdb = data(dbeta)
    cdef void *w = data(workspace)
    if is_double(x):
        with nogil:
            batch_norm_max_grad_f64(&s, &p, <double *>pgy, <double *>py, pt, <double *>px, <double *>pg, m, i, <double *>pdx,
                                    <double *>pdg, <double *>pdb, w, threads)
    else:
        with nogil:
            batch_norm_max_grad_f32(&s, &p, <float *>pgy, <float *>py, pt, <float *>px, <float *>pg, m, i, <float *>pdx,
                                    <float *>pdg, <float *>pdb, w, threads)


def bias_grad(tuple shape, cnp.ndarray gy not None, y, int mask, int activation, double slope, g, cnp.ndarray db not None,
              cnp.ndarray workspace not None, int threads):
    """db, the sum of each channel of gy masked by the activation whose output is y; g, if given, receives what is summed."""
    cdef images s = images_of(shape)
    cdef void *pgy = data(gy)
    cdef void *py = data(y)
    cdef void *pg = data(g)
    cdef void *pdb = data(db)
    cdef void *w = data(workspace)
    if is_double(gy):
        with nogil:
            bias_grad_f64(&s, <double *>pgy, <double *>py, mask, activation, slope, <double *>pg, <double *>pdb, w, threads)
    else:
        with nogil:
            bias_grad_f32(&s, <float *>pgy, <float *>py, mask, activation, slope, <float *>pg, <float *>pdb, w, threads)


def group_norm(tuple shape, int64_t groups, cnp.ndarray x not None, gamma, beta, double eps, int activation, double slope,
               cnp.ndarray y not None, cnp.ndarray mean not None, cnp.ndarray inv_std not None, cnp.ndarray workspace not None,
               int threads):
    """Normalise each group of channels of each image; `mean` and `inv_std` (float64) receive n * groups values."""
    cdef images s = images_of(shape)
    cdef void *px = data(x)
    cdef void *pg = data(gamma)
    cdef void *pb = data(beta)
    cdef void *py = data(y)
    cdef double *m = <double *>data(mean)
    cdef double *i = <double *>data(inv_std)
    cdef void *w = data(workspace)
    if is_double(x):
        with nogil:
            group_norm_f64(&s, groups, <double *>px, <double *>pg, <double *>pb, eps, activation, slope, <double *>py, m, i, w,
                           threads)
    else:
        with nogil:
            group_norm_f32(&s, groups, <float *>px, <float *>pg, <float *>pb, eps, activation, slope, <float *>py, m, i, w,
                           threads)


def group_norm_grad(tuple shape, int64_t groups, cnp.ndarray gy not None, cnp.ndarray x not None, gamma, beta,
                    cnp.ndarray mean not None, cnp.ndarray inv_std not None, int mask, int activation, double slope,
                    cnp.ndarray dx not None, cnp.ndarray dgamma not None, cnp.ndarray dbeta not None,
                    cnp.ndarray workspace not None, int threads):
    """Gradients of group_norm."""
    cdef images s = images_of(shape)
    cdef void *pgy = data(gy)
    cdef void *px = data(x)
    cdef void *pg = data(gamma)
    cdef void *pb = data(beta)
    cdef double *m = <double *>data(mean)
    cdef double *i = <double *>data(inv_std)
    cdef void *pdx = data(dx)
    cdef void *pdg = data(dgamma)
    cdef void *pdb = data(dbeta)
    cdef void *w = data(workspace)
    if is_double(x):
        with nogil:
            group_norm_grad_f64(&s, groups, <double *>pgy, <double *>px, <double *>pg, <double *>pb, m, i, mask, activation,
                                slope, <double *>pdx, <double *>pdg, <double *>pdb, w, threads)
    else:
        with nogil:
            group_norm_grad_f32(&s, groups, <float *>pgy, <float *>px, <float *>pg, <float *>pb, m, i, mask, activation, slope,
                                <float *>pdx, <float *>pdg, <float *>pdb, w, threads)


def layer_norm(int64_t rows, int64_t d, cnp.ndarray x not None, gamma, beta, double eps, cnp.ndarray y not None,
               cnp.ndarray mean not None, cnp.ndarray inv_std not None, int threads):
    """Normalise rows of d elements."""
    cdef void *px = data(x)
    cdef void *pg = data(gamma)
    cdef void *pb = data(beta)
    cdef void *py = data(y)
    cdef double *m = <double *>data(mean)
    cdef double *i = <double *>data(inv_std)
    if is_double(x):
        with nogil:
            layer_norm_f64(rows, d, <double *>px, <double *>pg, <double *>pb, eps, <double *>py, m, i, threads)
    else:
        with nogil:
            layer_norm_f32(rows, d, <float *>px, <float *>pg, <float *>pb, eps, <float *>py, m, i, threads)


def layer_norm_grad(int64_t rows, int64_t d, cnp.ndarray gy not None, cnp.ndarray x not None, gamma, cnp.ndarray mean not None,
                    cnp.ndarray inv_std not None, cnp.ndarray dx not None, cnp.ndarray dgamma not None,
                    cnp.ndarray dbeta not None, cnp.ndarray workspace not None, int threads):
    """Gradients of layer_norm."""
    cdef void *pgy = data(gy)
    cdef void *px = data(x)
    cdef void *pg = data(gamma)
    cdef double *m = <double *>data(mean)
    cdef double *i = <double *>data(inv_std)
    cdef void *pdx = data(dx)
    cdef void *pdg = data(dgamma)
    cdef void *pdb = data(dbeta)
    cdef void *w = data(workspace)
    if is_double(x):
        with nogil:
            layer_norm_grad_f64(rows, d, <double *>pgy, <double *>px, <double *>pg, m, i, <double *>pdx, <double *>pdg,
                                <double *>pdb, w, threads)
    else:
        with nogil:
            layer_norm_grad_f32(rows, d, <float *>pgy, <float *>px, <float *>pg, m, i, <float *>pdx, <float *>pdg,
                                <float *>pdb, w, threads)
