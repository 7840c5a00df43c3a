# Winograd convolution: see winograd.h.

cdef extern from "winograd_api.h" nogil:
    int c_winograd_has_few_channels "winograd_has_few_channels"(const geometry *, int, int)
    int64_t c_winograd_packed_size "winograd_packed_size"(const geometry *, int, int, int)
    void c_winograd_pack "winograd_pack"(const geometry *, int, int, int, const void *, void *, int)
    int64_t c_winograd_workspace "winograd_workspace"(const geometry *, int, int, int, int64_t, int, int)
    void c_winograd_run "winograd_run"(const geometry *, int, int, int, int64_t, int, const void *, const void *,
                                       const void *, int,
                                       double, void *, void *, int)
    void c_winograd_matrix "winograd_matrix"(int, int, int, int, void *)


def winograd_has_few_channels(cnp.ndarray shape not None, int direction, int m):
    """Whether products and transforms are one loop, since there are so few channels to sum over; unless `fused`."""
    return bool(c_winograd_has_few_channels(shape_of(shape), direction, m))


def winograd_packed_size(cnp.ndarray shape not None, int direction, int m, bint double):
    """Elements of the transformed filters."""
    return c_winograd_packed_size(shape_of(shape), direction, m, double)


def winograd_pack(cnp.ndarray shape not None, int direction, int m, cnp.ndarray w not None, cnp.ndarray packed not None,
                  int threads):
    """Transform OIHW weights."""
    cdef const geometry *s = shape_of(shape)
    cdef bint double_ = is_double(w)
    cdef void *pw = data(w)
    cdef void *po = data(packed)
    with nogil:
        c_winograd_pack(s, direction, m, double_, pw, po, threads)


def winograd_workspace(cnp.ndarray shape not None, int direction, bint fused, int m, int64_t block_tiles, bint double,
                       int threads):
    """Bytes of scratch that winograd_run needs."""
    return c_winograd_workspace(shape_of(shape), direction, fused, m, block_tiles, double, threads)


def winograd_run(cnp.ndarray shape not None, int direction, bint fused, int m, int64_t block_tiles, cnp.ndarray x not None,
                 cnp.ndarray filters not None, bias, int activation, double slope, cnp.ndarray out not None,
                 cnp.ndarray workspace not None, int threads):
    cdef const geometry *s = shape_of(shape)
    cdef bint double_ = is_double(x)
    cdef void *px = data(x)
    cdef void *pw = data(filters)
    cdef void *pb = data(bias)
    cdef void *po = data(out)
    cdef void *ps = data(workspace)
    with nogil:
        c_winograd_run(s, direction, fused, m, block_tiles, double_, px, pw, pb, activation, slope, po, ps, threads)


def winograd_matrix(int kind, int m, int r, cnp.ndarray matrix not None):
    """Write the transform matrix the kernels apply (0: B^T, 1: G, 2: A^T) in the dtype of `matrix`."""
    c_winograd_matrix(kind, m, r, is_double(matrix), data(matrix))
