# Winograd convolution on matrix units: see winograd_split_api.h.

cdef extern from "winograd_split_api.h" nogil:
    ctypedef struct winograd_split_amounts:
        int64_t blocks, data, results, weights

    winograd_split_amounts c_winograd_split_work "winograd_split_work"(const geometry *, int, int, int, int)
    int64_t c_winograd_split_workspace "winograd_split_workspace"(const geometry *, int, int, int, int)
    int64_t c_winograd_split_packed_bytes "winograd_split_packed_bytes"(const geometry *, int, int, int)
    int64_t c_winograd_split_pack_workspace "winograd_split_pack_workspace"(int, int)
    void c_winograd_split_pack "winograd_split_pack"(const geometry *, int, int, int, const float *, char *, void *, int)
    int c_winograd_split_run "winograd_split_run"(const geometry *, int, int, int, const float *, const char *, const float *,
                                                  int, float, float *, void *, int)


def winograd_split_work(cnp.ndarray shape not None, int tile, int direction, int parts, int threads):
    """The fields of winograd_split_amounts, as a dict."""
    return c_winograd_split_work(shape_of(shape), tile, direction, parts, threads)


def winograd_split_workspace(cnp.ndarray shape not None, int tile, int direction, int parts, int threads):
    """Bytes of scratch that winograd_split_run needs."""
    return c_winograd_split_workspace(shape_of(shape), tile, direction, parts, threads)


def winograd_split_packed_bytes(cnp.ndarray shape not None, int tile, int direction, int parts):
    """Bytes of the transformed filters."""
    return c_winograd_split_packed_bytes(shape_of(shape), tile, direction, parts)


def winograd_split_pack_workspace(int tile, int threads):
    """Bytes of scratch that winograd_split_pack needs."""
    return c_winograd_split_pack_workspace(tile, threads)


def winograd_split_pack(cnp.ndarray shape not None, int tile, int direction, int parts, cnp.ndarray w not None,
                        cnp.ndarray packed not None, cnp.ndarray workspace not None, int threads):
    """Transform OIHW weights, and split them into tiles."""
    cdef const geometry *s = shape_of(shape)
    cdef const float *pw = <const float *>data(w)
    cdef char *po = <char *>data(packed)
    cdef void *ps = data(workspace)
    with nogil:
        c_winograd_split_pack(s, tile, direction, parts, pw, po, ps, threads)


def winograd_split_run(cnp.ndarray shape not None, int tile, int direction, int parts, cnp.ndarray x not None,
                       cnp.ndarray packed not None, bias, int activation, double slope, cnp.ndarray out not None,
                       cnp.ndarray workspace not None, int threads):
    """Forward and input gradient; False if there are values that bfloat16 parts do not serve, and the result is not there."""
    cdef const geometry *s = shape_of(shape)
    cdef const float *px = <const float *>data(x)
    cdef const char *pw = <const char *>data(packed)
    cdef const float *pb = <const float *>data(bias)
    cdef float *po = <float *>data(out)
    cdef void *ps = data(workspace)
    cdef int done
    with nogil:
        done = c_winograd_split_run(s, tile, direction, parts, px, pw, pb, activation, <float>slope, po, ps, threads)
    return bool(done)
