/* One axis of a depthwise correlation, and the scratch that a thread needs. Plain C, the same for every element type.
 *
 * Forward and input gradient are both correlations "dest = source * taps" along each axis. A dest index r = first + u step of a
 * phase reads source indices origin + u stride + t dilation for t = 0 .. taps-1, with kernel position tap0 + t tap_step.
 * The forward pass has one phase. The input gradient has one per residue of the stride, each with the kernel positions that meet
 * it, in reverse order; a phase no position meets has no taps and gives zeros.
 */
#ifndef FASTCONV_DEPTHWISE_PLAN_H
#define FASTCONV_DEPTHWISE_PLAN_H

#include "geometry.h"
#include "simd.h"

enum { DW_FORWARD, DW_INPUT_GRAD, DW_WEIGHT_GRAD };

typedef struct {
    int64_t source, dest; /* sizes */
    int64_t k, stride, dilation, padding;
    int gradient;
} dw_axis;

typedef struct {
    int64_t first, step, count;
    int64_t taps, dilation, origin, stride;
    int64_t tap0, tap_step;
} dw_phase;

INLINE int64_t dw_floor_div(int64_t a, int64_t b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }
INLINE int64_t dw_ceil_div(int64_t a, int64_t b) { return dw_floor_div(a + b - 1, b); }

INLINE dw_axis dw_rows_of(const geometry *g, int direction) {
    int grad = direction == DW_INPUT_GRAD;
    return (dw_axis){grad ? g->oh : g->h, grad ? g->h : g->oh, g->kh, g->sh, g->dh, g->pt, grad};
}
INLINE dw_axis dw_cols_of(const geometry *g, int direction) {
    int grad = direction == DW_INPUT_GRAD;
    return (dw_axis){grad ? g->ow : g->w, grad ? g->w : g->ow, g->kw, g->sw, g->dw, g->pl, grad};
}

/* Source indices [lo, hi) that dest indices [begin, end) read; both grow with them. */
INLINE int64_t dw_lo(const dw_axis *a, int64_t begin) {
    if (a->gradient) return dw_floor_div(begin + a->padding - (a->k - 1) * a->dilation, a->stride);
    return begin * a->stride - a->padding;
}
INLINE int64_t dw_hi(const dw_axis *a, int64_t end) {
    if (a->gradient) return dw_floor_div(end - 1 + a->padding, a->stride) + 1;
    return (end - 1) * a->stride - a->padding + (a->k - 1) * a->dilation + 1;
}

INLINE int64_t dw_phases(const dw_axis *a) { return a->gradient ? MIN(a->stride, a->dest) : 1; }

static inline dw_phase dw_phase_of(const dw_axis *a, int64_t index) {
    if (!a->gradient) return (dw_phase){0, 1, a->dest, a->k, a->dilation, -a->padding, a->stride, 0, 1};
    /* Position i meets dest index r where r + padding - i dilation is a multiple of the stride. */
    int64_t divisor = a->stride, rest = a->dilation;
    while (rest) {
        int64_t t = divisor % rest;
        divisor = rest;
        rest = t;
    }
    int64_t every = a->stride / divisor, first_tap = 0;
    while (first_tap < MIN(every, a->k) && (index + a->padding - first_tap * a->dilation) % a->stride) first_tap++;
    int64_t taps = first_tap < MIN(every, a->k) ? CEIL_DIV(a->k - first_tap, every) : 0;
    dw_phase p = {index, a->stride, CEIL_DIV(a->dest - index, a->stride), taps, a->dilation / divisor, 0, 1, 0, -every};
    if (taps) {
        p.origin = (index + a->padding - first_tap * a->dilation) / a->stride - (taps - 1) * p.dilation;
        p.tap0 = first_tap + (taps - 1) * every;
    }
    return p;
}

/* A thread's scratch: a group of blocks of VL channels, each [row][column][lane]. Source rows live in a ring, so that each is
 * brought in once. */
typedef struct {
    dw_axis rows, cols;
    int64_t left, width;   /* source column of scratch column 0; scratch columns */
    int64_t group;         /* blocks brought in together */
    int64_t strip;         /* dest rows at a time */
    int64_t table;         /* source rows a strip reads, those outside the image included */
    int64_t ring;          /* rows kept, at most the source's */
    int64_t taps;
    int64_t ring_bytes, weights_bytes, strip_bytes, table_bytes; /* of one block */
    int64_t zero_at, weights_at, strip_at, table_at;
    int64_t bytes;
} dw_layout;

/* What a block's source and dest rows may take together: a share of the second-level cache that makes long runs of pixels. */
#define DW_STRIP_BYTES (128 * 1024)
/* In NHWC, blocks brought in together: whole cache lines and, with few channels, the image in one sequence. */
#define DW_GROUP 4

static inline void dw_size_strip(dw_layout *p, int64_t strip) {
    int64_t most = 0;
    p->strip = strip;
    /* The number of rows a strip reads varies with its position by the floor divisions of the input gradient. */
    for (int64_t r = 0; r < MIN(p->rows.dest, p->rows.stride); r++)
        most = MAX(most, dw_hi(&p->rows, r + strip) - dw_lo(&p->rows, r));
    p->table = most;
    p->ring = MIN(most, p->rows.source);
}

static inline dw_layout dw_layout_of(const geometry *g, int direction, int lanes, int threads) {
    dw_layout p = {.rows = dw_rows_of(g, direction), .cols = dw_cols_of(g, direction), .taps = g->kh * g->kw};
    int64_t blocks = CEIL_DIV(direction == DW_INPUT_GRAD ? g->c : g->k, lanes);
    /* Only channels are shared among threads in the weight gradient. */
    p.group = !g->channels_last ? 1 : MIN(DW_GROUP, direction == DW_WEIGHT_GRAD ? CEIL_DIV(blocks, threads) : blocks);
    p.left = MIN(dw_lo(&p.cols, 0), 0);
    p.width = MAX(dw_hi(&p.cols, p.cols.dest), p.cols.source) - p.left;
    int64_t columns = g->channels_last && direction != DW_WEIGHT_GRAD ? 0 : p.cols.dest, strip = p.rows.dest;
    dw_size_strip(&p, strip);
    while (strip > 1 && (p.ring * p.width + strip * columns) * SIMD_BYTES > DW_STRIP_BYTES) {
        strip = CEIL_DIV(strip, 2);
        dw_size_strip(&p, strip);
    }
    p.ring_bytes = p.ring * p.width * SIMD_BYTES;
    p.weights_bytes = p.taps * SIMD_BYTES;
    p.strip_bytes = p.strip * columns * SIMD_BYTES;
    p.table_bytes = p.table * (int64_t)sizeof(void *);
    p.zero_at = p.group * p.ring_bytes;
    p.weights_at = p.zero_at + p.width * SIMD_BYTES;
    p.strip_at = p.weights_at + p.group * p.weights_bytes;
    p.table_at = p.strip_at + p.group * p.strip_bytes;
    p.bytes = ROUND_UP(p.table_at + p.group * p.table_bytes, 64);
    return p;
}

/* Of `count` indices from `first` on, those in [0, size), as bits. */
INLINE unsigned dw_within(int64_t first, int64_t count, int64_t size) {
    int64_t begin = MIN(MAX(-first, 0), count), end = MAX(MIN(size - first, count), begin);
    return (1u << end) - (1u << begin);
}

/* What a tile of depthwise_planes.h or depthwise_pixels.h computes. The input gradient at stride 1 is DW_S1. At stride 2 dest index r
 * reads the sources from floor((r + padding - 1) / 2) on: two where r + padding is even, with taps 2 and 0, else one, with tap 1. So
 * that a tile's taps are known to the compiler, there is a mode for each parity of its first row and column. */
enum { DW_S1, DW_S2, DW_SPREAD, DW_PRODUCTS = DW_SPREAD + 4, DW_MODES = DW_PRODUCTS + 2 };
INLINE int dw_spread(int mode) { return mode >= DW_SPREAD && mode < DW_PRODUCTS; }
INLINE int dw_stride(int mode) { return (mode >= DW_PRODUCTS ? mode - DW_PRODUCTS : mode) + 1; } /* of those that do not spread */
INLINE int dw_odd(int mode, int columns) { return columns ? (mode - DW_SPREAD) & 1 : (mode - DW_SPREAD) >> 1; }
/* Along one axis, the tap by which source s reaches dest p of a tile, none unless within [0, 3), and the sources of `count` dests. */
INLINE int dw_tap(int mode, int columns, int p, int s) {
    return dw_spread(mode) ? p + 2 - dw_odd(mode, columns) - 2 * s : s - p * dw_stride(mode);
}
INLINE int64_t dw_span(int mode, int columns, int64_t count) {
    return dw_spread(mode) ? (count + 1 - dw_odd(mode, columns)) / 2 + 1 : (count - 1) * dw_stride(mode) + 3;
}
/* The first source of a tile that begins at dest r, and whether its mode is an odd one. */
INLINE int dw_spreads(const dw_axis *a) { return a->gradient && a->stride == 2; }
INLINE int64_t dw_first(const dw_axis *a, int64_t r) {
    return dw_spreads(a) ? dw_floor_div(r + a->padding - 1, 2) : dw_lo(a, r);
}
INLINE int dw_is_odd(const dw_axis *a, int64_t r) { return dw_spreads(a) && (r + a->padding) & 1; }

/* K x K kernels of strides 1 and 2, not dilated. */
INLINE int dw_square(const geometry *g, int64_t k) {
    return g->kh == k && g->kw == k && g->sh == g->sw && g->sw <= 2 && g->dh == 1 && g->dw == 1;
}

/* Whether depthwise_planes.h computes it: rows that fill most of a vector, with borders that are those of a row's first and last. */
INLINE int dw_planes_suit(const geometry *g, int direction, int lanes) {
#if defined(__AVX512F__)
    const dw_axis cols = dw_cols_of(g, direction);
    const int64_t k = g->kw, most = MIN(k - 1, lanes / 2), left = -dw_first(&cols, 0);
    const int larger = direction != DW_WEIGHT_GRAD && g->sw == 1 && (dw_square(g, 5) || dw_square(g, 7));
    if (g->channels_last || !(dw_square(g, 3) || larger) || (direction == DW_INPUT_GRAD && g->k != g->c) ||
        cols.dest * 5 <= lanes * 4)
        return 0;
    if (dw_spreads(&cols)) return 1;
    if (left > most || (cols.dest - 1) * g->sw - left + k > cols.source + most) return 0;
    if (direction != DW_WEIGHT_GRAD) return 1;
    /* Outputs that a row's last tile has too may lie at the border in the one before it, where sums would be spoilt. Short rows
     * have few products to each sum over lanes; at stride 2 that is still faster than a copy of the image. */
    const int64_t whole = cols.dest / lanes * lanes;
    return whole == cols.dest || (whole ? (whole - 1) * g->sw - left + k <= cols.source : g->sw == 2);
#else
    (void)g, (void)direction, (void)lanes;
    return 0;
#endif
}

/* Whether stores limit a tile: less so at stride 2, where it has more to load, and with short vectors. */
INLINE int dw_store_bound(int mode) {
    return SIMD_BYTES == CACHE_LINE ? mode < DW_PRODUCTS && mode != DW_S2 : SIMD_BYTES == CACHE_LINE / 2 && dw_spread(mode);
}

/* What surrounds a tile of depthwise_planes.h: nothing, borders, or the array's end, where loads need
 * masks too, which are dearer there than in sums. */
enum { DW_INSIDE, DW_AT_BORDER, DW_AT_END };

/* Whether depthwise_pixels.h computes it: there must be a whole vector of channels. */
INLINE int dw_pixels_suit(const geometry *g, int lanes) {
    return g->channels_last && g->k == g->c && g->c >= lanes && dw_square(g, 3);
}

/* Of larger images, depthwise_pixels.h prefetches the rows that the tiles below need. From main memory that saves a third of the
 * time at stride 2, from the third-level cache it costs a twentieth. */
#define DW_FAR (2 * 1024 * 1024)

/* Results of so many bytes are asked for, as they are not in the first-level cache when they are stored. */
#define DW_ASKED (256 * 1024)
/* So many vectors of channels at least: one more than these is computed, so that all but the first and the last are whole cache lines. */
#define DW_HEAD_VECTORS 6

/* Pixels this many bytes apart lie in two sets of the first-level cache and push each other out, with what was prefetched.
 * A ring of source rows with a few channels each has them side by side. */
#define DW_CROWDED 2048
#define DW_RING_ROWS 5

INLINE int64_t dw_ring_channels(const geometry *g, int itemsize) { return (g->w > 8 ? 256 : 512) / itemsize; }

/* Bytes a thread of depthwise_pixels.h needs: for the ring and the weights. */
INLINE int64_t dw_pixels_ring(const geometry *g, int direction, int itemsize) {
    const int64_t width = dw_cols_of(g, direction).source;
    return g->c * itemsize % DW_CROWDED ? 0 : (DW_RING_ROWS * width + 9) * dw_ring_channels(g, itemsize) * itemsize;
}

/* Bytes of its sums of the weight gradient. */
INLINE int64_t dw_pixels_sums(const geometry *g, int lanes) { return CEIL_DIV(g->c, lanes) * 9 * SIMD_BYTES; }

#endif
