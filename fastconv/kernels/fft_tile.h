/* Where the tiles of an FFT convolution lie: views of the arrays, lanes, and spans of pixels. */
#ifndef FASTCONV_FFT_TILE_H
#define FASTCONV_FFT_TILE_H

#include "fft_api.h"
#include "simd.h"

/* Rows of the complex GEMM's register tile: two accumulators each, two vectors of b, two broadcasts. */
#if defined(__AVX512F__)
#define FFT_MR 13
#else
#define FFT_MR 6
#endif

/* Channels summed in registers before they are added to the result: rounding errors grow with the length of a chain of sums. */
#define FFT_SUM 64

/* Channels whose filters are transformed together: the spectra of one frequency lie side by side, those of the next a page away. */
#define FFT_CHANNELS 8

/* Real vectors of scratch for lines, in units of the longer side of a tile: three complex lines or two real and two complex. */
#define FFT_LINES 6
/* Distances in complex pixels are odd, so that neighbours do not fall into the same cache set. */
#define FFT_ODD(n) ((n) | 1)
#define FFT_PITCH(rows) FFT_ODD(rows)

/* An array of pixels; strides in elements. */
typedef struct {
    int64_t rows, cols, row_stride, col_stride, channel_stride, image_stride;
} fft_view;

/* The channels in the lanes of a vector, as offsets from a pixel. */
typedef struct {
    int64_t first, n;
    int contiguous;
    int64_t offset[SIMD_BYTES / sizeof(float)];
} fft_lanes;

/* Pixels begin <= i < end of an array stand at i * step + shift of a tile. */
typedef struct {
    int64_t begin, end, step, shift;
} fft_span;

/* A correlation of `src` with kernels of ci channels to co channels per group at stride 1, of whose results every step-th is
 * stored in `dst`. For the weight gradient `dst` is the output gradient. */
typedef struct {
    int64_t batch, groups, ci, co;
    fft_view src, dst, taps;
    int64_t filter_stride, depth_stride;      /* of w, between output and between input channels of this operation */
    int64_t up_h, up_w, step_h, step_w;       /* distance of source pixels, and of stored results */
    int64_t pad_h, pad_w, extent_h, extent_w; /* padding may be negative */
    int64_t out_h, out_w, ny, nx, bh, bw, th, tw;
    fft_span tap_rows, tap_cols;
    const uint8_t *row_used, *col_used; /* of the results: 0 where no product contributes; NULL: all used */
} fft_op;

typedef struct {
    int64_t image;
    fft_span src_rows, src_cols, dst_rows, dst_cols, gy_rows, gy_cols;
} fft_tile;

INLINE fft_view fft_view_of(int64_t c, int64_t h, int64_t w, int64_t channels_last) {
    fft_view nchw = {h, w, w, 1, h * w, c * h * w}, nhwc = {h, w, w * c, c, 1, c * h * w};
    return channels_last ? nhwc : nchw;
}

INLINE fft_op fft_op_of(const geometry *g, const fft_tiling *t, int direction, const uint8_t *used) {
    fft_op op = {0};
    const fft_view x = fft_view_of(g->c, g->h, g->w, g->channels_last), y = fft_view_of(g->k, g->oh, g->ow, g->channels_last);
    const int64_t c = g->c / g->g, k = g->k / g->g, taps = g->kh * g->kw;
    op.batch = g->n, op.groups = g->g;
    op.extent_h = (g->kh - 1) * g->dh + 1, op.extent_w = (g->kw - 1) * g->dw + 1;
    op.taps = (fft_view){g->kh, g->kw, g->kw, 1, 0, 0};
    op.bh = t->bh, op.bw = t->bw, op.th = t->th, op.tw = t->tw;
    if (direction == INPUT_GRAD) {
        /* dx is the correlation of the zero-interleaved gy with the mirrored kernel. */
        op.src = y, op.dst = x, op.ci = k, op.co = c;
        op.up_h = g->sh, op.up_w = g->sw, op.step_h = op.step_w = 1;
        op.pad_h = op.extent_h - 1 - g->pt, op.pad_w = op.extent_w - 1 - g->pl;
        op.out_h = g->h, op.out_w = g->w;
        op.filter_stride = taps, op.depth_stride = c * taps;
        op.tap_rows = (fft_span){0, g->kh, -g->dh, op.extent_h - 1};
        op.tap_cols = (fft_span){0, g->kw, -g->dw, op.extent_w - 1};
    } else {
        op.src = x, op.dst = y, op.ci = c, op.co = k;
        op.up_h = op.up_w = 1, op.step_h = g->sh, op.step_w = g->sw;
        op.pad_h = g->pt, op.pad_w = g->pl;
        op.out_h = (g->oh - 1) * g->sh + 1, op.out_w = (g->ow - 1) * g->sw + 1;
        op.filter_stride = c * taps, op.depth_stride = taps;
        op.tap_rows = (fft_span){0, g->kh, g->dh, 0};
        op.tap_cols = (fft_span){0, g->kw, g->dw, 0};
    }
    if (used) {
        const int64_t rows[] = {g->oh, g->h, g->kh};
        op.row_used = used, op.col_used = used + rows[direction];
    }
    op.ny = CEIL_DIV(op.out_h, t->bh), op.nx = CEIL_DIV(op.out_w, t->bw);
    return op;
}

/* The pixels i < count whose place i * step + shift is within 0 ... limit - 1. */
INLINE fft_span fft_span_of(int64_t count, int64_t step, int64_t shift, int64_t limit) {
    fft_span s = {shift < 0 ? CEIL_DIV(-shift, step) : 0, limit > shift ? CEIL_DIV(limit - shift, step) : 0, step, shift};
    s.end = MIN(s.end, count);
    s.begin = MIN(s.begin, s.end);
    return s;
}

INLINE fft_tile fft_tile_at(const fft_op *op, int64_t index) {
    const int64_t x = index % op->nx, y = index / op->nx % op->ny;
    const int64_t y0 = y * op->bh, x0 = x * op->bw, rows = MIN(op->bh, op->out_h - y0), cols = MIN(op->bw, op->out_w - x0);
    fft_tile t = {index / op->nx / op->ny};
    t.src_rows = fft_span_of(op->src.rows, op->up_h, op->pad_h - y0, MIN(op->th, rows + op->extent_h - 1));
    t.src_cols = fft_span_of(op->src.cols, op->up_w, op->pad_w - x0, MIN(op->tw, cols + op->extent_w - 1));
    t.dst_rows = t.gy_rows = fft_span_of(op->dst.rows, op->step_h, -y0, rows);
    t.dst_cols = t.gy_cols = fft_span_of(op->dst.cols, op->step_w, -x0, cols);
    return t;
}

/* Lanes of n output channels from `first`, and for each the channel of its group that `depth` counts:
 * (channel / per_group) * group_channels + depth. */
INLINE void fft_grouped_lanes(fft_lanes *lanes, const fft_view *v, int64_t first, int64_t n, int64_t per_group,
                              int64_t group_channels, int64_t depth) {
    lanes->first = first, lanes->n = n;
    lanes->contiguous = per_group == 1 && group_channels == 1 && v->channel_stride == 1;
    for (int64_t l = 0; l < n; l++)
        lanes->offset[l] = ((first + l) / per_group * group_channels + depth) * v->channel_stride;
}

/* Lanes of n output channels from `first` of all groups, at input channel `depth`, in the array of weights. */
INLINE void fft_weight_lanes(fft_lanes *lanes, const fft_op *op, int64_t first, int64_t n, int64_t depth) {
    lanes->first = first, lanes->n = n, lanes->contiguous = 0;
    for (int64_t l = 0; l < n; l++) {
        const int64_t group = (first + l) / op->co, filter = (first + l) % op->co;
        lanes->offset[l] = group * op->ci * op->co * op->taps.rows * op->taps.cols + filter * op->filter_stride +
                           depth * op->depth_stride;
    }
}

#endif
