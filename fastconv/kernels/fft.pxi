cdef extern from "fft_api.h":
    ctypedef struct fft_tiling:
        pass

    int fft_vector_bytes() nogil
    int64_t fft_packed_size_f32(const geometry *, const fft_tiling *, int) nogil
    int64_t fft_packed_size_f64(const geometry *, const fft_tiling *, int) nogil
    int64_t fft_workspace_f32(const geometry *, const fft_tiling *, int, int) nogil
    int64_t fft_workspace_f64(const geometry *, const fft_tiling *, int, int) nogil
    int64_t fft_pack_workspace_f32(const fft_tiling *, int) nogil
    int64_t fft_pack_workspace_f64(const fft_tiling *, int) nogil
    void fft_pack_f32(const geometry *, const fft_tiling *, const float *, int, const float *, float *, float *, int) nogil
    void fft_pack_f64(const geometry *, const fft_tiling *, const double *, int, const double *, double *, double *, int) nogil
    void fft_convolve_f32(const geometry *, const fft_tiling *, const float *, int, const uint8_t *, const float *,
                          const float *, const float *, int, double, float *, float *, int) nogil
    void fft_convolve_f64(const geometry *, const fft_tiling *, const double *, int, const uint8_t *, const double *,
                          const double *, const double *, int, double, double *, double *, int) nogil
    void fft_weight_grad_f32(const geometry *, const fft_tiling *, const float *, const uint8_t *, const float *,
                             const float *, float *, float *, int) nogil
    void fft_weight_grad_f64(const geometry *, const fft_tiling *, const double *, const uint8_t *, const double *,
                             const double *, double *, double *, int) nogil


def fft_lanes(int itemsize):
    """Channels in a vector."""
    return fft_vector_bytes() // itemsize


def fft_packed_size(cnp.ndarray shape not None, cnp.ndarray tiling not None, int direction, int itemsize):
    """Elements of the packed filters."""
    cdef const geometry *g = shape_of(shape)
    cdef const fft_tiling *t = <const fft_tiling *>data(tiling)
    return fft_packed_size_f64(g, t, direction) if itemsize == 8 else fft_packed_size_f32(g, t, direction)


def fft_workspace(cnp.ndarray shape not None, cnp.ndarray tiling not None, int direction, int itemsize, int threads):
    """Bytes of scratch for `fft_convolve` or `fft_weight_grad`."""
    cdef const geometry *g = shape_of(shape)
    cdef const fft_tiling *t = <const fft_tiling *>data(tiling)
    if itemsize == 8:
        return 8 * fft_workspace_f64(g, t, direction, threads)
    return 4 * fft_workspace_f32(g, t, direction, threads)


def fft_pack_workspace(cnp.ndarray tiling not None, int itemsize, int threads):
    """Bytes of scratch for `fft_pack`."""
    cdef const fft_tiling *t = <const fft_tiling *>data(tiling)
    return 8 * fft_pack_workspace_f64(t, threads) if itemsize == 8 else 4 * fft_pack_workspace_f32(t, threads)


def fft_pack(cnp.ndarray shape not None, cnp.ndarray tiling not None, cnp.ndarray twiddle not None, int direction,
             cnp.ndarray w not None, cnp.ndarray packed not None, cnp.ndarray workspace not None, int threads):
    """Spectra of the filters."""
    cdef const geometry *g = shape_of(shape)
    cdef const fft_tiling *t = <const fft_tiling *>data(tiling)
    cdef void *tw = data(twiddle)
    cdef void *source = data(w)
    cdef void *target = data(packed)
    cdef void *scratch = data(workspace)
    cdef bint double_precision = is_double(w)
    with nogil:
        if double_precision:
            fft_pack_f64(g, t, <const double *>tw, direction, <const double *>source, <double *>target, <double *>scratch,
                         threads)
        else:
            fft_pack_f32(g, t, <const float *>tw, direction, <const float *>source, <float *>target, <float *>scratch, threads)


def fft_convolve(cnp.ndarray shape not None, cnp.ndarray tiling not None, cnp.ndarray twiddle not None, int direction,
                 used, cnp.ndarray src not None, cnp.ndarray packed not None, bias, int activation, double slope,
                 cnp.ndarray out not None, cnp.ndarray workspace not None, int threads):
    """Forward convolution or input gradient."""
    cdef const geometry *g = shape_of(shape)
    cdef const fft_tiling *t = <const fft_tiling *>data(tiling)
    cdef void *tw = data(twiddle)
    cdef const uint8_t *results = <const uint8_t *>data(used)
    cdef void *source = data(src)
    cdef void *filters = data(packed)
    cdef void *b = data(bias)
    cdef void *target = data(out)
    cdef void *scratch = data(workspace)
    cdef bint double_precision = is_double(src)
    with nogil:
        if double_precision:
            fft_convolve_f64(g, t, <const double *>tw, direction, results, <const double *>source,
                             <const double *>filters, <const double *>b, activation, slope, <double *>target,
                             <double *>scratch, threads)
        else:
            fft_convolve_f32(g, t, <const float *>tw, direction, results, <const float *>source,
                             <const float *>filters, <const float *>b, activation, slope, <float *>target,
                             <float *>scratch, threads)


def fft_weight_grad(cnp.ndarray shape not None, cnp.ndarray tiling not None, cnp.ndarray twiddle not None, used,
                    cnp.ndarray x not None, cnp.ndarray gy not None, cnp.ndarray out not None, cnp.ndarray workspace not None,
                    int threads):
    """Weight gradient."""
    cdef const geometry *g = shape_of(shape)
    cdef const fft_tiling *t = <const fft_tiling *>data(tiling)
    cdef void *tw = data(twiddle)
    cdef const uint8_t *results = <const uint8_t *>data(used)
    cdef void *source = data(x)
    cdef void *gradient = data(gy)
    cdef void *target = data(out)
    cdef void *scratch = data(workspace)
    cdef bint double_precision = is_double(x)
    with nogil:
        if double_precision:
            fft_weight_grad_f64(g, t, <const double *>tw, results, <const double *>source, <const double *>gradient,
                                <double *>target, <double *>scratch, threads)
        else:
            fft_weight_grad_f32(g, t, <const float *>tw, results, <const float *>source, <const float *>gradient,
                                <float *>target, <float *>scratch, threads)
