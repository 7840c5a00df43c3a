# Direct convolution: see direct.h.

cdef extern from "direct_api.h" nogil:
    int c_direct_has_few_channels "direct_has_few_channels"(const geometry *, int, int)
    int c_direct_reads_points "direct_reads_points"(const geometry *, int, int)
    int64_t c_direct_packed_size "direct_packed_size"(const geometry *, int, int, int)
    int64_t c_direct_pack_workspace "direct_pack_workspace"(const geometry *)
    void c_direct_pack "direct_pack"(const geometry *, int, int, int, const void *, void *, void *)
    int64_t c_direct_workspace "direct_workspace"(const geometry *, int, int, int, int)
    void c_direct_run "direct_run"(const geometry *, int, int, int, const void *, const void *, const void *, int, double,
                                   void *, void *, int)
    ctypedef struct pixel_weight_work:
        int64_t strips, runs, run, planes, rows, width, tile_rows, tile_columns
    pixel_weight_work c_direct_pixel_weight_work "direct_pixel_weight_work"(const geometry *, int)
    int c_direct_weight_has_channel_lanes "direct_weight_has_channel_lanes"(const geometry *, int)
    int64_t c_direct_weight_grad_workspace "direct_weight_grad_workspace"(const geometry *, int, int, int)
    void c_direct_weight_grad "direct_weight_grad"(const geometry *, int, int, const void *, const void *, void *, void *, int)


def direct_has_few_channels(cnp.ndarray shape not None, bint input_grad, bint double):
    """Whether strips of rows are copied to planes: there are few channels or, for the input gradient, few filters."""
    return bool(c_direct_has_few_channels(shape_of(shape), input_grad, double))


def direct_reads_points(cnp.ndarray shape not None, bint input_grad, bint double):
    """Whether pixels in the lanes are read in place."""
    return bool(c_direct_reads_points(shape_of(shape), input_grad, double))


def direct_packed_size(cnp.ndarray shape not None, bint input_grad, bint pixel_lanes, bint double):
    """Elements of the packed weights."""
    return c_direct_packed_size(shape_of(shape), input_grad, pixel_lanes, double)


def direct_pack_workspace(cnp.ndarray shape not None):
    """Bytes of scratch that direct_pack needs."""
    return c_direct_pack_workspace(shape_of(shape))


def direct_pack(cnp.ndarray shape not None, bint input_grad, bint pixel_lanes, cnp.ndarray w not None,
                cnp.ndarray packed not None, cnp.ndarray workspace not None):
    """Arrange OIHW weights."""
    cdef const geometry *s = shape_of(shape)
    cdef bint double = is_double(w)
    cdef const void *source = data(w)
    cdef void *target = data(packed)
    cdef void *scratch = data(workspace)
    with nogil:
        c_direct_pack(s, input_grad, pixel_lanes, double, source, target, scratch)


def direct_workspace(cnp.ndarray shape not None, bint input_grad, bint pixel_lanes, bint double, int threads):
    """Bytes of scratch that direct_run needs."""
    return c_direct_workspace(shape_of(shape), input_grad, pixel_lanes, double, threads)


def direct_run(cnp.ndarray shape not None, bint input_grad, bint pixel_lanes, cnp.ndarray x not None,
               cnp.ndarray packed not None, bias, int activation, double slope, cnp.ndarray out not None,
               cnp.ndarray workspace not None, int threads):
    cdef const geometry *s = shape_of(shape)
    cdef bint double_ = is_double(x)
    cdef void *px = data(x)
    cdef void *pw = data(packed)
    cdef void *pb = data(bias)
    cdef void *po = data(out)
    cdef void *ps = data(workspace)
    with nogil:
        c_direct_run(s, input_grad, pixel_lanes, double_, px, pw, pb, activation, slope, po, ps, threads)


def direct_pixel_weight_work(cnp.ndarray shape not None, bint double):
    """The amounts of work of a weight gradient with pixels in the lanes, by name."""
    return c_direct_pixel_weight_work(shape_of(shape), double)


def direct_weight_has_channel_lanes(cnp.ndarray shape not None, bint double):
    """Whether a weight gradient has channels in the lanes."""
    return bool(c_direct_weight_has_channel_lanes(shape_of(shape), double))


def direct_weight_grad_workspace(cnp.ndarray shape not None, bint pixel_lanes, bint double, int threads):
    """Bytes of scratch that direct_weight_grad needs."""
    return c_direct_weight_grad_workspace(shape_of(shape), pixel_lanes, double, threads)


def direct_weight_grad(cnp.ndarray shape not None, bint pixel_lanes, cnp.ndarray x not None, cnp.ndarray gy not None,
                       cnp.ndarray dw not None, cnp.ndarray workspace not None, int threads):
    cdef const geometry *s = shape_of(shape)
    cdef bint double_ = is_double(x)
    cdef void *px = data(x)
    cdef void *pg = data(gy)
    cdef void *po = data(dw)
    cdef void *ps = data(workspace)
    with nogil:
        c_direct_weight_grad(s, pixel_lanes, double_, px, pg, po, ps, threads)
