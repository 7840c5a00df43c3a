# Convolution as matrix products with the patch matrix, whose entry (pixel, tap, channel) is the input under a kernel position.
#
#     memory format   patch matrix P            forward                     input gradient              weight gradient
#     nhwc            [pixel][tap][channel]     Y[pixel][k] = P W           P' = GY W^T, then col2im    DW = GY^T P
#     nchw            [channel][tap][pixel]     Y[k][pixel] = W P           P' = W^T GY, then col2im    DW = GY P^T
#
# P exists one block of pixels at a time. Work is cut into items that write disjoint outputs, and every worker takes a fixed run
# of items, so that results do not depend on timing. Each product is one single-threaded GEMM.

from cython.parallel cimport prange
from libc.string cimport memcpy, memset

cdef extern from "epilogue.h":
    enum:
        BIAS_PER_ROW
        BIAS_PER_COLUMN
    void epilogue_f32(float *, int64_t, int64_t, int64_t, const float *, int, int, float) noexcept nogil
    void epilogue_f64(double *, int64_t, int64_t, int64_t, const double *, int, int, double) noexcept nogil

ctypedef fused real:
    float
    double

ctypedef void (*sgemm_t)(
    char *, char *, int *, int *, int *, float *, const float *, int *, const float *, int *, float *, float *, int *
) noexcept nogil
ctypedef void (*dgemm_t)(
    char *, char *, int *, int *, int *, double *, const double *, int *, const double *, int *, double *, double *, int *
) noexcept nogil


# How the Python side cut the work.
cdef struct im2col_blocks:
    int64_t pixels      # pixel blocks (forward), or pixels in a block (gradients)
    int64_t channels    # blocks of filters (forward), or input channels in a chunk (gradients)
    int64_t splits      # parts of the batch (input gradient) or of the pixels that are summed (weight gradient)
    int64_t scratch     # elements of scratch for each worker's patches
    bint dense          # the patch matrix is the input itself: 1x1 kernel, stride 1, no padding


cdef inline void gemm(
    void *blas, char ta, char tb, int64_t m, int64_t n, int64_t k, const real *a, int64_t lda, const real *b, int64_t ldb,
    real beta, real *c, int64_t ldc,
) noexcept nogil:
    """C = op(A) op(B) + beta C, column-major: C is m x n, the sum runs over k."""
    cdef int im = <int>m, i_n = <int>n, ik = <int>k, ia = <int>lda, ib = <int>ldb, ic = <int>ldc
    cdef real one = 1
    if real is float:
        (<sgemm_t>blas)(&ta, &tb, &im, &i_n, &ik, &one, a, &ia, b, &ib, &beta, c, &ic)
    else:
        (<dgemm_t>blas)(&ta, &tb, &im, &i_n, &ik, &one, a, &ia, b, &ib, &beta, c, &ic)


cdef inline void epilogue(
    real *y, int64_t rows, int64_t columns, int64_t ld, const real *bias, int axis, int activation, double slope
) noexcept nogil:
    if real is float:
        epilogue_f32(y, rows, columns, ld, bias, axis, activation, <float>slope)
    else:
        epilogue_f64(y, rows, columns, ld, bias, axis, activation, slope)


cdef inline int64_t first_inside(int64_t origin, int64_t stride) noexcept nogil:
    """The first index i >= 0 with origin + i stride >= 0."""
    return 0 if origin >= 0 else (-origin + stride - 1) // stride


cdef inline int64_t end_inside(int64_t origin, int64_t stride, int64_t size) noexcept nogil:
    """One past the last index i with origin + i stride < size; 0 if there is none."""
    return 0 if origin >= size else (size - 1 - origin) // stride + 1


# -- patches of channels-last images ----------------------------------------------------------------------------------


cdef void im2col_nhwc(
    const geometry *s, const real *x, int64_t begin, int64_t end, int64_t channel, int64_t channels, real *patches
) noexcept nogil:
    """patches[pixel - begin][tap][c] for output pixels begin..end counted over the whole batch, channels from `channel` on."""
    cdef int64_t image = begin // (s.oh * s.ow), oy = begin // s.ow % s.oh, ox = begin % s.ow
    cdef int64_t p, ky, kx, iy, ix, lo, hi, left
    cdef size_t run = channels * sizeof(real)
    # Neighbouring taps are neighbours in memory when the patches hold all channels.
    cdef bint joined = channels == s.c and s.dw == 1
    cdef const real *row
    for p in range(begin, end):
        left = ox * s.sw - s.pl
        lo = min(first_inside(left, s.dw), s.kw)
        hi = max(lo, min(end_inside(left, s.dw, s.w), s.kw))
        for ky in range(s.kh):
            iy = oy * s.sh - s.pt + ky * s.dh
            if iy < 0 or iy >= s.h:
                memset(patches, 0, s.kw * run)
                patches += s.kw * channels
                continue
            row = x + (image * s.h + iy) * s.w * s.c + channel
            if lo > 0:
                memset(patches, 0, lo * run)
            if joined and hi > lo:
                memcpy(patches + lo * channels, row + (left + lo) * s.c, (hi - lo) * run)
            else:
                for kx in range(lo, hi):
                    ix = left + kx * s.dw
                    memcpy(patches + kx * channels, row + ix * s.c, run)
            if hi < s.kw:
                memset(patches + hi * channels, 0, (s.kw - hi) * run)
            patches += s.kw * channels
        ox += 1
        if ox == s.ow:
            ox = 0
            oy += 1
            if oy == s.oh:
                oy = 0
                image += 1


cdef void col2im_nhwc(
    const geometry *s, real *x, int64_t begin, int64_t end, int64_t channel, int64_t channels, const real *patches
) noexcept nogil:
    """Adds patches laid out as by `im2col_nhwc` to the pixels they came from."""
    cdef int64_t image = begin // (s.oh * s.ow), oy = begin // s.ow % s.oh, ox = begin % s.ow
    cdef int64_t p, ky, kx, iy, c, left, lo, hi
    cdef real *to
    cdef const real *source
    for p in range(begin, end):
        left = ox * s.sw - s.pl
        lo = min(first_inside(left, s.dw), s.kw)
        hi = max(lo, min(end_inside(left, s.dw, s.w), s.kw))
        for ky in range(s.kh):
            iy = oy * s.sh - s.pt + ky * s.dh
            if 0 <= iy < s.h:
                for kx in range(lo, hi):
                    to = x + ((image * s.h + iy) * s.w + left + kx * s.dw) * s.c + channel
                    source = patches + kx * channels
                    for c in range(channels):
                        to[c] += source[c]
            patches += s.kw * channels
        ox += 1
        if ox == s.ow:
            ox = 0
            oy += 1
            if oy == s.oh:
                oy = 0
                image += 1


# -- patches of one NCHW image ----------------------------------------------------------------------------------------


cdef void im2col_nchw(
    const geometry *s, const real *x, int64_t begin, int64_t end, int64_t channels, real *patches
) noexcept nogil:
    """patches[c][tap][pixel - begin] for output pixels begin..end of the image whose first channel plane is at x."""
    cdef int64_t c, ky, kx, p, oy, ox, stop, iy, left, lo, hi, i
    cdef const real *row
    for c in range(channels):
        for ky in range(s.kh):
            for kx in range(s.kw):
                left = kx * s.dw - s.pl
                p = begin
                while p < end:
                    oy = p // s.ow
                    ox = p - oy * s.ow
                    stop = min(s.ow, ox + end - p)
                    iy = oy * s.sh - s.pt + ky * s.dh
                    lo = hi = stop
                    if 0 <= iy < s.h:
                        lo = max(ox, min(stop, first_inside(left, s.sw)))
                        hi = max(lo, min(stop, end_inside(left, s.sw, s.w)))
                    if lo > ox:
                        memset(patches, 0, (lo - ox) * sizeof(real))
                    row = x + (c * s.h + iy) * s.w + left
                    if s.sw == 1:
                        if hi > lo:
                            memcpy(patches + lo - ox, row + lo, (hi - lo) * sizeof(real))
                    else:
                        for i in range(lo, hi):
                            patches[i - ox] = row[i * s.sw]
                    if stop > hi:
                        memset(patches + hi - ox, 0, (stop - hi) * sizeof(real))
                    patches += stop - ox
                    p += stop - ox


cdef void col2im_nchw(
    const geometry *s, real *x, int64_t begin, int64_t end, int64_t channels, const real *patches
) noexcept nogil:
    """Adds patches laid out as by `im2col_nchw` to the pixels they came from."""
    cdef int64_t c, ky, kx, p, oy, ox, stop, iy, left, lo, hi, i
    cdef real *row
    for c in range(channels):
        for ky in range(s.kh):
            for kx in range(s.kw):
                left = kx * s.dw - s.pl
                p = begin
                while p < end:
                    oy = p // s.ow
                    ox = p - oy * s.ow
                    stop = min(s.ow, ox + end - p)
                    iy = oy * s.sh - s.pt + ky * s.dh
                    if 0 <= iy < s.h:
                        row = x + (c * s.h + iy) * s.w + left
                        lo = max(ox, min(stop, first_inside(left, s.sw)))
                        hi = max(lo, min(stop, end_inside(left, s.sw, s.w)))
                        if s.sw == 1:
                            for i in range(lo, hi):
                                row[i] += patches[i - ox]
                        else:
                            for i in range(lo, hi):
                                row[i * s.sw] += patches[i - ox]
                    patches += stop - ox
                    p += stop - ox


# -- forward ----------------------------------------------------------------------------------------------------------


cdef void im2col_forward_share(
    const geometry *s, const im2col_blocks *b, void *blas, const real *x, const real *w, const real *bias, int activation,
    double slope, real *y, real *patches, int worker, int workers,
) noexcept nogil:
    """Items are (group, image, pixel block, filter block), the last fastest; a channels-last batch counts as one image."""
    cdef int64_t cg = s.c // s.g, kg = s.k // s.g, length = cg * s.kh * s.kw, plane = s.oh * s.ow
    cdef int64_t images = 1 if s.channels_last else s.n
    cdef int64_t pixels = s.n * plane if s.channels_last else plane
    cdef int64_t items = s.g * images * b.pixels * b.channels
    cdef int64_t item, rest, built = -1, g, image, block, p0, p1, k0, k1
    cdef const real *a
    cdef int64_t lda
    cdef real *to
    for item in range(items * worker // workers, items * (worker + 1) // workers):
        rest = item // b.channels
        k0 = kg * (item % b.channels) // b.channels
        k1 = kg * (item % b.channels + 1) // b.channels
        block = rest % b.pixels
        image = rest // b.pixels % images
        g = rest // b.pixels // images
        p0 = pixels * block // b.pixels
        p1 = pixels * (block + 1) // b.pixels
        if p0 == p1 or k0 == k1:
            continue
        if s.channels_last:
            a = x + p0 * s.c + g * cg
            lda = s.c
            if not b.dense:
                if built != rest:
                    im2col_nhwc(s, x, p0, p1, g * cg, cg, patches)
                a = patches
                lda = length
            to = y + p0 * s.k + g * kg + k0
            gemm(blas, c"N", c"N", k1 - k0, p1 - p0, length, w + g * length * kg + k0, kg, a, lda, <real>0, to, s.k)
            epilogue(to, p1 - p0, k1 - k0, s.k, bias + g * kg + k0 if bias else bias, BIAS_PER_COLUMN, activation, slope)
        else:
            a = x + (image * s.c + g * cg) * s.h * s.w
            lda = plane
            if b.dense:
                a += p0
            else:
                if built != rest:
                    im2col_nchw(s, a, p0, p1, cg, patches)
                a = patches
                lda = p1 - p0
            to = y + (image * s.k + g * kg + k0) * plane + p0
            gemm(blas, c"N", c"N", p1 - p0, k1 - k0, length, a, lda, w + (g * kg + k0) * length, length, <real>0, to, plane)
            epilogue(to, k1 - k0, p1 - p0, plane, bias + g * kg + k0 if bias else bias, BIAS_PER_ROW, activation, slope)
        built = rest


cdef void im2col_forward_all(
    const geometry *s, const im2col_blocks *b, void *blas, const real *x, const real *w, const real *bias, int activation,
    double slope, real *y, real *scratch, int workers,
) noexcept nogil:
    cdef int t
    for t in prange(workers, num_threads=workers, schedule="static", chunksize=1):
        im2col_forward_share(s, b, blas, x, w, bias, activation, slope, y, scratch + t * b.scratch, t, workers)


def im2col_forward(
    size_t blas, cnp.ndarray shape not None, tuple blocks not None, cnp.ndarray x not None, cnp.ndarray w not None, bias,
    int activation, double slope, cnp.ndarray out not None, cnp.ndarray workspace not None, int workers,
):
    """Forward convolution; `w` is [group][tap][channel][filter] for channels-last data, else [filter][channel][tap]."""
    cdef const geometry *s = shape_of(shape)
    cdef im2col_blocks b = im2col_blocks_of(blocks)
    cdef void *px = data(x)
    cdef void *pw = data(w)
    cdef void *pb = data(bias)
    cdef void *py = data(out)
    cdef void *scratch = data(workspace)
    cdef bint wide = is_double(x)
    with nogil:
        if wide:
            im2col_forward_all[double](s, &b, <void *>blas, <double *>px, <double *>pw, <double *>pb, activation, slope,
                                       <double *>py, <double *>scratch, workers)
        else:
            im2col_forward_all[float](s, &b, <void *>blas, <float *>px, <float *>pw, <float *>pb, activation, slope,
                                      <float *>py, <float *>scratch, workers)


cdef im2col_blocks im2col_blocks_of(tuple blocks):
    cdef im2col_blocks b
    b.pixels, b.channels, b.splits, b.scratch, b.dense = blocks
    return b


# -- input gradient ---------------------------------------------------------------------------------------------------


cdef void im2col_input_grad_share(
    const geometry *s, const im2col_blocks *b, void *blas, const real *gy, const real *w, real *dx, real *patches, int worker,
    int workers,
) noexcept nogil:
    """Items are (part of the batch, group, chunk of input channels): disjoint parts of dx. An NCHW part is one image."""
    cdef int64_t cg = s.c // s.g, kg = s.k // s.g, taps = s.kh * s.kw, plane = s.oh * s.ow, size = s.h * s.w
    cdef int64_t chunks = (cg + b.channels - 1) // b.channels
    cdef int64_t items = b.splits * s.g * chunks
    cdef int64_t item, image, g, c0, channels, p0, p1, end, i
    cdef real *first
    for item in range(items * worker // workers, items * (worker + 1) // workers):
        c0 = item % chunks * b.channels
        channels = min(b.channels, cg - c0)
        g = item // chunks % s.g
        image = s.n * (item // chunks // s.g) // b.splits
        end = s.n * (item // chunks // s.g + 1) // b.splits
        if s.channels_last:
            for i in range(image * size, end * size):
                memset(dx + i * s.c + g * cg + c0, 0, channels * sizeof(real))
            p1 = image * plane
            end *= plane
            while p1 < end:
                p0 = p1
                p1 = min(p0 + b.pixels, end)
                gemm(blas, c"N", c"N", taps * channels, p1 - p0, kg, w + (g * cg + c0) * kg * taps, taps * channels,
                     gy + p0 * s.k + g * kg, s.k, <real>0, patches, taps * channels)
                col2im_nhwc(s, dx, p0, p1, g * cg + c0, channels, patches)
        else:
            first = dx + (image * s.c + g * cg + c0) * size
            memset(first, 0, channels * size * sizeof(real))
            p1 = 0
            while p1 < plane:
                p0 = p1
                p1 = min(p0 + b.pixels, plane)
                gemm(blas, c"N", c"T", p1 - p0, taps * channels, kg, gy + (image * s.k + g * kg) * plane + p0, plane,
                     w + (g * kg * cg + c0) * taps, cg * taps, <real>0, patches, p1 - p0)
                col2im_nchw(s, first, p0, p1, channels, patches)


cdef void im2col_input_grad_all(
    const geometry *s, const im2col_blocks *b, void *blas, const real *gy, const real *w, real *dx, real *scratch, int workers
) noexcept nogil:
    cdef int t
    for t in prange(workers, num_threads=workers, schedule="static", chunksize=1):
        im2col_input_grad_share(s, b, blas, gy, w, dx, scratch + t * b.scratch, t, workers)


def im2col_input_grad(
    size_t blas, cnp.ndarray shape not None, tuple blocks not None, cnp.ndarray gy not None, cnp.ndarray w not None,
    cnp.ndarray out not None, cnp.ndarray workspace not None, int workers,
):
    """Input gradient; `w` is [group][chunk][filter][tap][channel] for channels-last data, else [filter][channel][tap]."""
    cdef const geometry *s = shape_of(shape)
    cdef im2col_blocks b = im2col_blocks_of(blocks)
    cdef void *pg = data(gy)
    cdef void *pw = data(w)
    cdef void *px = data(out)
    cdef void *scratch = data(workspace)
    cdef bint wide = is_double(gy)
    with nogil:
        if wide:
            im2col_input_grad_all[double](s, &b, <void *>blas, <double *>pg, <double *>pw, <double *>px, <double *>scratch,
                                          workers)
        else:
            im2col_input_grad_all[float](s, &b, <void *>blas, <float *>pg, <float *>pw, <float *>px, <float *>scratch, workers)


# -- weight gradient --------------------------------------------------------------------------------------------------


cdef void im2col_weight_grad_item(
    const geometry *s, const im2col_blocks *b, void *blas, const real *gy, const real *x, int64_t g, int64_t c0,
    int64_t channels, int64_t split, real *to, int64_t ld, real *patches,
) noexcept nogil:
    """to[filter][...] = the sum over one part of the pixels; the columns are ordered as the patch matrix's."""
    cdef int64_t cg = s.c // s.g, kg = s.k // s.g, taps = s.kh * s.kw, plane = s.oh * s.ow
    cdef int64_t total = s.n * plane, p = total * split // b.splits, end = total * (split + 1) // b.splits, stop, image, q
    cdef int64_t columns = taps * channels, lda
    cdef real beta = 0
    cdef const real *a
    while p < end:
        stop = min(p + b.pixels, end)
        if s.channels_last:
            a = x + p * s.c + g * cg + c0
            lda = s.c
            if not b.dense:
                im2col_nhwc(s, x, p, stop, g * cg + c0, channels, patches)
                a = patches
                lda = columns
            gemm(blas, c"N", c"T", columns, kg, stop - p, a, lda, gy + p * s.k + g * kg, s.k, beta, to, ld)
        else:
            image = p // plane
            q = p - image * plane
            stop = min(stop, (image + 1) * plane)
            a = x + (image * s.c + g * cg + c0) * s.h * s.w
            lda = plane
            if b.dense:
                a += q
            else:
                im2col_nchw(s, a, q, q + stop - p, channels, patches)
                a = patches
                lda = stop - p
            gemm(blas, c"T", c"N", columns, kg, stop - p, a, lda, gy + (image * s.k + g * kg) * plane + q, plane, beta, to, ld)
        beta = 1
        p = stop


cdef void im2col_weight_grad_store(
    const geometry *s, const im2col_blocks *b, int64_t g, int64_t c0, int64_t channels, const real *parts, int64_t step,
    real *dw,
) noexcept nogil:
    """dw of one chunk: the sum of its parts, `step` elements apart, in their order, permuted to [filter][channel][tap]."""
    cdef int64_t cg = s.c // s.g, kg = s.k // s.g, taps = s.kh * s.kw, k, t, c, i, j
    cdef real total
    for k in range(kg):
        for c in range(channels):
            for t in range(taps):
                i = (k * taps + t) * channels + c if s.channels_last else (k * channels + c) * taps + t
                total = parts[i]
                for j in range(1, b.splits):
                    total += parts[i + j * step]
                dw[((g * kg + k) * cg + c0 + c) * taps + t] = total


cdef void im2col_weight_grad_share(
    const geometry *s, const im2col_blocks *b, void *blas, const real *gy, const real *x, real *dw, real *patches, real *parts,
    int64_t step, int worker, int workers,
) noexcept nogil:
    """Items are (group, chunk of input channels, part of the pixels), the last fastest."""
    cdef int64_t cg = s.c // s.g, kg = s.k // s.g, taps = s.kh * s.kw
    cdef int64_t chunks = (cg + b.channels - 1) // b.channels
    cdef int64_t items = s.g * chunks * b.splits
    cdef int64_t item, g, c0, channels, split
    for item in range(items * worker // workers, items * (worker + 1) // workers):
        split = item % b.splits
        c0 = item // b.splits % chunks * b.channels
        g = item // b.splits // chunks
        channels = min(b.channels, cg - c0)
        if b.splits > 1:
            im2col_weight_grad_item(s, b, blas, gy, x, g, c0, channels, split, parts + item * step, taps * channels, patches)
        elif s.channels_last:
            im2col_weight_grad_item(s, b, blas, gy, x, g, c0, channels, 0, parts + worker * step, taps * channels, patches)
            im2col_weight_grad_store(s, b, g, c0, channels, parts + worker * step, step, dw)
        else:
            im2col_weight_grad_item(s, b, blas, gy, x, g, c0, channels, 0, dw + (g * kg * cg + c0) * taps, cg * taps, patches)


cdef void im2col_weight_grad_all(
    const geometry *s, const im2col_blocks *b, void *blas, const real *gy, const real *x, real *dw, real *scratch, int workers
) noexcept nogil:
    cdef int64_t cg = s.c // s.g, chunks = (cg + b.channels - 1) // b.channels, i
    cdef int64_t step = s.k // s.g * s.kh * s.kw * min(b.channels, cg)
    cdef real *parts = scratch + workers * b.scratch
    cdef int t
    for t in prange(workers, num_threads=workers, schedule="static", chunksize=1):
        im2col_weight_grad_share(s, b, blas, gy, x, dw, scratch + t * b.scratch, parts, step, t, workers)
    if b.splits > 1:
        for i in prange(s.g * chunks, num_threads=workers, schedule="static"):
            im2col_weight_grad_store(s, b, i // chunks, i % chunks * b.channels, min(b.channels, cg - i % chunks * b.channels),
                                     parts + i * b.splits * step, step, dw)


def im2col_weight_grad(
    size_t blas, cnp.ndarray shape not None, tuple blocks not None, cnp.ndarray gy not None, cnp.ndarray x not None,
    cnp.ndarray out not None, cnp.ndarray workspace not None, int workers,
):
    """Weight gradient, [filter][channel][tap]."""
    cdef const geometry *s = shape_of(shape)
    cdef im2col_blocks b = im2col_blocks_of(blocks)
    cdef void *pg = data(gy)
    cdef void *px = data(x)
    cdef void *pw = data(out)
    cdef void *scratch = data(workspace)
    cdef bint wide = is_double(x)
    with nogil:
        if wide:
            im2col_weight_grad_all[double](s, &b, <void *>blas, <double *>pg, <double *>px, <double *>pw, <double *>scratch,
                                           workers)
        else:
            im2col_weight_grad_all[float](s, &b, <void *>blas, <float *>pg, <float *>px, <float *>pw, <float *>scratch, workers)
