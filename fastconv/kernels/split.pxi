# Convolution on matrix units: see split.h.

cdef extern from "split_api.h" nogil:
    ctypedef struct split_amounts:
        int64_t blocks, sums, parts, chain, weights

    split_amounts c_split_work "split_work"(const geometry *, int, int, int)
    int64_t c_split_workspace "split_workspace"(const geometry *, int, int, int)
    int64_t c_split_packed_bytes "split_packed_bytes"(const geometry *, int, int)
    int64_t c_split_pack_workspace "split_pack_workspace"(const geometry *, int, int, int)
    void c_split_pack "split_pack"(const geometry *, int, int, const float *, char *, void *, int)
    int c_split_run "split_run"(const geometry *, int, int, const float *, const char *, const float *, int, float,
                                float *, void *, int)
    int c_split_weight_run "split_weight_run"(const geometry *, int, const float *, const float *, float *, void *, int)
    int c_split_fuses "split_fuses"(const geometry *, int)
    int64_t c_split_fused_workspace "split_fused_workspace"(const geometry *, int, int)
    int c_split_fused_run "split_fused_run"(const geometry *, int, const float *, const char *, const float *, int, float,
                                            float *, void *, int)


def split_work(cnp.ndarray shape not None, int direction, int products, int threads):
    """The fields of split_amounts, as a dict."""
    return c_split_work(shape_of(shape), direction, products, threads)


def split_workspace(cnp.ndarray shape not None, int direction, int products, int threads):
    """Bytes of scratch that split_run needs."""
    return c_split_workspace(shape_of(shape), direction, products, threads)


def split_packed_bytes(cnp.ndarray shape not None, int direction, int products):
    """Bytes of the packed weights."""
    return c_split_packed_bytes(shape_of(shape), direction, products)


def split_pack_workspace(cnp.ndarray shape not None, int direction, int products, int threads):
    """Bytes of scratch that split_pack needs."""
    return c_split_pack_workspace(shape_of(shape), direction, products, threads)


def split_pack(cnp.ndarray shape not None, int direction, int products, cnp.ndarray w not None, cnp.ndarray packed not None,
               cnp.ndarray workspace not None, int threads):
    """Split OIHW weights into tiles."""
    cdef const geometry *s = shape_of(shape)
    cdef const float *pw = <const float *>data(w)
    cdef char *po = <char *>data(packed)
    cdef void *ps = data(workspace)
    with nogil:
        c_split_pack(s, direction, products, pw, po, ps, threads)


def split_run(cnp.ndarray shape not None, int direction, int products, cnp.ndarray x not None, cnp.ndarray packed not None,
              bias, int activation, double slope, cnp.ndarray out not None, cnp.ndarray workspace not None, int threads):
    """Forward and input gradient; False if there are values that bfloat16 parts do not serve, and the result is not there."""
    cdef const geometry *s = shape_of(shape)
    cdef const float *px = <const float *>data(x)
    cdef const char *pw = <const char *>data(packed)
    cdef const float *pb = <const float *>data(bias)
    cdef float *po = <float *>data(out)
    cdef void *ps = data(workspace)
    cdef int done
    with nogil:
        done = c_split_run(s, direction, products, px, pw, pb, activation, <float>slope, po, ps, threads)
    return bool(done)


def split_weight_run(cnp.ndarray shape not None, int products, cnp.ndarray x not None, cnp.ndarray gy not None,
                     cnp.ndarray dw not None, cnp.ndarray workspace not None, int threads):
    """Weight gradient; False as for split_run."""
    cdef const geometry *s = shape_of(shape)
    cdef const float *px = <const float *>data(x)
    cdef const float *pg = <const float *>data(gy)
    cdef float *po = <float *>data(dw)
    cdef void *ps = data(workspace)
    cdef int done
    with nogil:
        done = c_split_weight_run(s, products, px, pg, po, ps, threads)
    return bool(done)


def split_fuses(cnp.ndarray shape not None, int direction):
    """Whether split_fused_run can do it, forward or input gradient."""
    return bool(c_split_fuses(shape_of(shape), direction))


def split_fused_workspace(cnp.ndarray shape not None, int direction, int threads):
    """Bytes of scratch that split_fused_run needs."""
    return c_split_fused_workspace(shape_of(shape), direction, threads)


def split_fused_run(cnp.ndarray shape not None, int direction, cnp.ndarray x not None, cnp.ndarray packed not None, bias,
                    int activation, double slope, cnp.ndarray out not None, cnp.ndarray workspace not None, int threads):
    """As split_run with two parts, which packed the weights; `split_fuses` says for what."""
    cdef const geometry *s = shape_of(shape)
    cdef const float *px = <const float *>data(x)
    cdef const char *pw = <const char *>data(packed)
    cdef const float *pb = <const float *>data(bias)
    cdef float *po = <float *>data(out)
    cdef void *ps = data(workspace)
    cdef int done
    with nogil:
        done = c_split_fused_run(s, direction, px, pw, pb, activation, <float>slope, po, ps, threads)
    return bool(done)
