/* Pooling in both memory formats, forward and backward, with channels in the lanes.
 *
 *     NHWC    image -------------------------------> pool_row / pool_row_grad ------------------------------> result
 *     NCHW    planes --bring: VL planes at a time--> pool_row / pool_row_grad --put: transposed back--------> result
 *     NCHW, 2x2 windows side by side                 pool_pairs.h                                             result
 *
 * Which pixels a window holds is told by two lists, one an axis: the pixels of each output forward, and backward, the other way
 * round, the outputs of each pixel. So padding, dilation, cut windows and the windows of adaptive pooling are all the same to the
 * loops, and each element of a result is written once, with no result zeroed first. With a weight to each pixel of a window the same
 * loops interpolate.
 */
#ifndef FASTCONV_POOL_H
#define FASTCONV_POOL_H

#include "geometry.h"

/* What both directions are told. Of the geometry, k is not used and kh, kw are the most pixels of a window along an axis. A list of n
 * places is n + 1 beginnings, then the partners of all places, then the taps: place i has partners and taps [begin[i], begin[i+1]).
 * `row_count` and `col_count` are the divisors of averages, by output row and column; NULL in max pooling. Where `row_weight` and
 * `col_weight` are not NULL either, they weigh the partners and nothing is divided. */
typedef struct {
    const geometry *g;
    const int64_t *rows, *cols;
    const int64_t *row_count, *col_count;
    const double *row_weight, *col_weight;
    int wide; /* taps are int32_t, not uint8_t */
    int relu;
} pool_call;

int64_t pool_workspace(const geometry *g, const int64_t *rows, int backward, int itemsize, int threads);

/* taps: NULL where they are not wanted. */
void pool_forward_f32(const pool_call *a, const float *x, float *y, void *taps, void *workspace, int threads);
void pool_forward_f64(const pool_call *a, const double *x, double *y, void *taps, void *workspace, int threads);
/* y: where relu, the pooled output; else NULL. */
void pool_backward_f32(const pool_call *a, const float *gy, const float *y, const void *taps, float *dx, void *workspace, int threads);
void pool_backward_f64(const pool_call *a, const double *gy, const double *y, const void *taps, double *dx, void *workspace,
                       int threads);

#endif

#ifdef REAL

#include "transpose.h"
#include "pool_lanes.h"
#include "pool_pairs.h"

/* Vectors of channels done at a time, each with a tap beside it. */
#if SIMD_BYTES == 64
#define POOL_BLOCK 8
#else
#define POOL_BLOCK 4
#endif
#define POOL_GATHERED 4 /* backward */
/* Sums of at most so many taps behind one another, as sums of sums: float32 averages of large windows stay accurate. */
#define POOL_CHAIN 64

/* What is read soon: the next channels of a large window's pixels, whose lines lie too far apart for the hardware's prefetchers; of
 * four pixels, which channels-last images mostly have side by side, what comes a page later, where these prefetchers stop. */
#define POOL_PAGE 4096
#define POOL_AHEAD(p, count, blocks)                                                                                            \
    UNROLL for (int b = 0; b < blocks; b++)                                                                                     \
        __builtin_prefetch((const void *)((uintptr_t)((p) + b * VL) + (count == 4 ? POOL_PAGE : blocks * SIMD_BYTES)))

/* A window's pixels, as offsets from its first, with their taps and weights. */
typedef struct {
    int64_t count;
    int64_t *offset, *tap;
    REAL *weight;
} NAME(pool_window);

/* -- forward --------------------------------------------------------------------------------------------------------------------- */

/* `blocks` vectors of channels of one output; in the last of a pixel's channels, `n` of its lanes. */
INLINE void NAME(pool_max)(const REAL *x, const int64_t *offset, const int64_t *tap, const int64_t count, int64_t n, REAL *y,
                           void *taps, int64_t at, int relu, const int kind, const int blocks, const int ahead) {
    vec greatest[POOL_BLOCK];
    NAME(ivec_t) which[POOL_BLOCK];
    UNROLL for (int b = 0; b < blocks; b++) {
        greatest[b] = NAME(load_n)(x + b * VL, n);
        which[b] = NAME(tap_splat)(tap[0]);
    }
    for (int64_t i = 1; i < count; i++) {
        const NAME(ivec_t) t = NAME(tap_splat)(tap[i]);
        if (ahead) POOL_AHEAD(x + offset[i], count, blocks);
        UNROLL for (int b = 0; b < blocks; b++) {
            const vec v = NAME(load_n)(x + offset[i] + b * VL, n);
            const NAME(lanes) better = NAME(beats)(v, greatest[b]);
            greatest[b] = NAME(either)(better, v, greatest[b]);
            if (kind != TAPS_NONE) which[b] = NAME(either_tap)(better, t, which[b]);
        }
    }
    UNROLL for (int b = 0; b < blocks; b++) {
        NAME(store_n)(y + b * VL, relu ? NAME(activate)(greatest[b], ACT_RELU, 0) : greatest[b], n);
        NAME(store_taps)(taps, at + b * VL, which[b], n, kind);
    }
}

INLINE void NAME(pool_average)(const REAL *x, const int64_t *offset, const int64_t count, int64_t n, REAL divisor, REAL *y,
                               const int blocks, const int ahead) {
    vec total[POOL_BLOCK] = {{0}};
    for (int64_t from = 0; from < count; from += POOL_CHAIN) {
        const int64_t to = MIN(count, from + POOL_CHAIN);
        vec sum[POOL_BLOCK];
        UNROLL for (int b = 0; b < blocks; b++) sum[b] = NAME(load_n)(x + offset[from] + b * VL, n);
        for (int64_t i = from + 1; i < to; i++) {
            if (ahead) POOL_AHEAD(x + offset[i], count, blocks);
            UNROLL for (int b = 0; b < blocks; b++) sum[b] += NAME(load_n)(x + offset[i] + b * VL, n);
        }
        UNROLL for (int b = 0; b < blocks; b++) total[b] = from ? (vec)(total[b] + sum[b]) : sum[b];
    }
    /* 1 / the divisor is exact where that is a power of two, and a product takes a tenth of the time. */
    const int64_t whole = (int64_t)divisor;
    if ((whole & (whole - 1)) == 0) {
        const REAL scale = 1 / divisor;
        UNROLL for (int b = 0; b < blocks; b++) NAME(store_n)(y + b * VL, total[b] * scale, n);
    } else {
        UNROLL for (int b = 0; b < blocks; b++) NAME(store_n)(y + b * VL, total[b] / divisor, n);
    }
}

INLINE void NAME(pool_weighted)(const REAL *x, const int64_t *offset, const REAL *weight, const int64_t count, int64_t n, REAL *y,
                                const int blocks) {
    vec sum[POOL_BLOCK] = {{0}};
    for (int64_t i = 0; i < count; i++)
        UNROLL for (int b = 0; b < blocks; b++) sum[b] += NAME(load_n)(x + offset[i] + b * VL, n) * weight[i];
    UNROLL for (int b = 0; b < blocks; b++) NAME(store_n)(y + b * VL, sum[b], n);
}

/* Output row oy of an image whose pixels have c channels; x is its row `first`. Taps go to `at` .. . */
INLINE void NAME(pool_row_of)(const pool_call *a, const REAL *x, int64_t first, int64_t oy, int64_t c, REAL *y, void *taps,
                              int64_t at, NAME(pool_window) w, const int kind, const int mode) {
    const geometry *g = a->g;
    const pool_list rows = pool_list_of(a->rows, g->oh), cols = pool_list_of(a->cols, g->ow);
    const int64_t r0 = rows.begin[oy], high = rows.begin[oy + 1] - r0;
    int64_t wide = 0, leftmost = -1;
    for (int64_t ox = 0; ox < g->ow; ox++, y += c, at += c) {
        const int64_t c0 = cols.begin[ox];
        if (high == 0 || cols.begin[ox + 1] == c0) { /* downsampling by interpolation passes pixels over */
            memset(y, 0, c * sizeof(REAL));
            continue;
        }
        /* Windows of as many columns that begin with the same tap have the same offsets. */
        if (cols.begin[ox + 1] - c0 != wide || cols.tap[c0] != leftmost || mode == POOL_WEIGHTED) {
            wide = cols.begin[ox + 1] - c0, leftmost = cols.tap[c0];
            w.count = 0;
            for (int64_t i = 0; i < high; i++)
                for (int64_t j = 0; j < wide; j++) {
                    w.offset[w.count] = ((rows.at[r0 + i] - rows.at[r0]) * g->w + cols.at[c0 + j] - cols.at[c0]) * c;
                    w.tap[w.count] = rows.tap[r0 + i] * g->kw + cols.tap[c0 + j];
                    if (mode == POOL_WEIGHTED) w.weight[w.count] = (REAL)(a->row_weight[r0 + i] * a->col_weight[c0 + j]);
                    w.count++;
                }
        }
        const REAL *from = x + ((rows.at[r0] - first) * g->w + cols.at[c0]) * c;
        const REAL divisor = mode == POOL_AVERAGE ? (REAL)(a->row_count[oy] * a->col_count[ox]) : 1;
        int64_t q = 0;
#define POOL_BLOCKS(count, n, blocks, ahead)                                                                                 \
    if (mode == POOL_WEIGHTED)                                                                                          \
        NAME(pool_weighted)(from + q, w.offset, w.weight, count, n, y + q, blocks);                                     \
    else if (mode == POOL_AVERAGE)                                                                                      \
        NAME(pool_average)(from + q, w.offset, count, n, divisor, y + q, blocks, ahead);                                    \
    else                                                                                                                \
        NAME(pool_max)(from + q, w.offset, w.tap, count, n, y + q, taps, at + q, a->relu, kind, blocks, ahead)
#define POOL_PIXEL(count, far)                                                                                           \
    for (; q + POOL_BLOCK * VL <= c; q += POOL_BLOCK * VL) { POOL_BLOCKS(count, VL, POOL_BLOCK, far); }                 \
    for (; q + POOL_BLOCK / 2 * VL <= c; q += POOL_BLOCK / 2 * VL) { POOL_BLOCKS(count, VL, POOL_BLOCK / 2, far); }     \
    for (; q + VL <= c; q += VL) { POOL_BLOCKS(count, VL, 1, 0); }                                                      \
    if (q < c) { POOL_BLOCKS(count, c - q, 1, 0); }
        /* The common windows with all their taps written out. */
        switch (w.count) {
        case 4: POOL_PIXEL(4, 1) break;
        case 9: POOL_PIXEL(9, 0) break;
        default: POOL_PIXEL(w.count, 1)
        }
#undef POOL_PIXEL
#undef POOL_BLOCKS
    }
}

static void NAME(pool_row)(const pool_call *a, const REAL *x, int64_t first, int64_t oy, int64_t c, REAL *y, void *taps, int64_t at,
                           NAME(pool_window) w, int kind) {
#define POOL_CASE(kind, mode) NAME(pool_row_of)(a, x, first, oy, c, y, taps, at, w, kind, mode)
    if (a->row_weight)
        POOL_CASE(TAPS_NONE, POOL_WEIGHTED);
    else if (a->row_count)
        POOL_CASE(TAPS_NONE, POOL_AVERAGE);
    else
        switch (kind) {
        case TAPS_NONE: POOL_CASE(TAPS_NONE, POOL_MAX); break;
        case TAPS_BYTES: POOL_CASE(TAPS_BYTES, POOL_MAX); break;
        case TAPS_WIDE: POOL_CASE(TAPS_WIDE, POOL_MAX); break;
        case TAPS_LANES: POOL_CASE(TAPS_LANES, POOL_MAX); break;
        }
#undef POOL_CASE
}

/* -- backward -------------------------------------------------------------------------------------------------------------------- */

/* What a row of gradients is gathered from: row `first` on of the output's gradient, of the pooled output and of its taps. */
typedef struct {
    const REAL *gy, *y;
    const void *taps;
    int64_t at; /* where those of row `first` begin in `taps` */
    int64_t first;
    REAL scale; /* 1 / the divisor, where all averages have the same; else 0 */
} NAME(pool_source);

/* `blocks` vectors of channels, from c0 on, of the gradient of pixel ix, whose row has row entries [r0, r1). */
INLINE void NAME(pool_gather)(const pool_call *a, const NAME(pool_source) *s, const pool_list *rows, const pool_list *cols,
                              int64_t r0, int64_t r1, int64_t ix, int64_t c, int64_t c0, int64_t n, REAL *dx, const int kind,
                              const int relu, const int blocks) {
    const geometry *g = a->g;
    vec sum[POOL_GATHERED] = {{0}};
    for (int64_t i = r0; i < r1; i++)
        for (int64_t j = cols->begin[ix]; j < cols->begin[ix + 1]; j++) {
            const int64_t at = ((rows->at[i] - s->first) * g->ow + cols->at[j]) * c + c0;
            const NAME(ivec_t) tap = NAME(tap_splat)(rows->tap[i] * g->kw + cols->tap[j]);
            REAL scale = s->scale;
            if (kind == TAPS_NONE && a->row_weight)
                scale = (REAL)(a->row_weight[i] * a->col_weight[j]);
            else if (kind == TAPS_NONE && scale == 0)
                scale = 1 / (REAL)(a->row_count[rows->at[i]] * a->col_count[cols->at[j]]);
            UNROLL for (int b = 0; b < blocks; b++) {
                vec v = NAME(load_n)(s->gy + at + b * VL, n);
                if (relu) v = NAME(keep)(NAME(above)(NAME(load_n)(s->y + at + b * VL, n), (vec){0}), v);
                if (kind == TAPS_NONE)
                    sum[b] += v * scale;
                else
                    sum[b] += NAME(keep)(NAME(same)(NAME(load_taps)(s->taps, s->at + at + b * VL, n, kind), tap), v);
            }
        }
    UNROLL for (int b = 0; b < blocks; b++) NAME(store_n)(dx + b * VL, sum[b], n);
}

INLINE void NAME(pool_row_grad_of)(const pool_call *a, const NAME(pool_source) *s, int64_t iy, int64_t c, REAL *dx, const int kind,
                                   const int relu) {
    const pool_list rows = pool_list_of(a->rows, a->g->h), cols = pool_list_of(a->cols, a->g->w);
    const int64_t r0 = rows.begin[iy], r1 = rows.begin[iy + 1];
    for (int64_t ix = 0; ix < a->g->w; ix++, dx += c) {
        int64_t q = 0;
        for (; q + POOL_GATHERED * VL <= c; q += POOL_GATHERED * VL)
            NAME(pool_gather)(a, s, &rows, &cols, r0, r1, ix, c, q, VL, dx + q, kind, relu, POOL_GATHERED);
        for (; q + VL <= c; q += VL) NAME(pool_gather)(a, s, &rows, &cols, r0, r1, ix, c, q, VL, dx + q, kind, relu, 1);
        if (q < c) NAME(pool_gather)(a, s, &rows, &cols, r0, r1, ix, c, q, c - q, dx + q, kind, relu, 1);
    }
}

static void NAME(pool_row_grad)(const pool_call *a, const NAME(pool_source) *s, int64_t iy, int64_t c, REAL *dx, int kind) {
    switch (kind * 2 + (s->y != NULL)) {
    case TAPS_NONE * 2: NAME(pool_row_grad_of)(a, s, iy, c, dx, TAPS_NONE, 0); break;
    case TAPS_BYTES * 2: NAME(pool_row_grad_of)(a, s, iy, c, dx, TAPS_BYTES, 0); break;
    case TAPS_BYTES * 2 + 1: NAME(pool_row_grad_of)(a, s, iy, c, dx, TAPS_BYTES, 1); break;
    case TAPS_WIDE * 2: NAME(pool_row_grad_of)(a, s, iy, c, dx, TAPS_WIDE, 0); break;
    case TAPS_WIDE * 2 + 1: NAME(pool_row_grad_of)(a, s, iy, c, dx, TAPS_WIDE, 1); break;
    case TAPS_LANES * 2: NAME(pool_row_grad_of)(a, s, iy, c, dx, TAPS_LANES, 0); break;
    }
}

/* -- NCHW ------------------------------------------------------------------------------------------------------------------------ */

/* Pixels 0 .. of up to VL planes, `plane` elements apart, become vectors with a plane to a lane. Where y is given, those are taken as
 * zero at which it is not positive. */
INLINE void NAME(pool_bring)(const REAL *from, const REAL *y, int64_t plane, int64_t planes, int64_t pixels, REAL *to) {
    for (int64_t q = 0; q < pixels; q += VL, to += VL * VL) {
        vec v[SIMD_BYTES / sizeof(REAL)];
        const int64_t n = pixels - q;
        UNROLL for (int l = 0; l < VL; l++) {
            v[l] = l < planes ? NAME(load_n)(from + l * plane + q, n) : (vec){0};
            if (y && l < planes) v[l] = NAME(keep)(NAME(above)(NAME(load_n)(y + l * plane + q, n), (vec){0}), v[l]);
        }
        NAME(transpose_square)(v);
        UNROLL for (int k = 0; k < VL; k++) if (k < n) NAME(store)(to + k * VL, v[k]);
    }
}

INLINE void NAME(pool_put)(const REAL *from, int64_t pixels, REAL *to, int64_t plane, int64_t planes) {
    for (int64_t q = 0; q < pixels; q += VL, from += VL * VL) {
        vec v[SIMD_BYTES / sizeof(REAL)];
        const int64_t n = pixels - q;
        UNROLL for (int k = 0; k < VL; k++) v[k] = k < n ? NAME(load)(from + k * VL) : (vec){0};
        NAME(transpose_square)(v);
        UNROLL for (int l = 0; l < VL; l++) if (l < planes) NAME(store_n)(to + l * plane + q, v[l], n);
    }
}

/* The same for taps, with plane 0's first at `at`. */
INLINE void NAME(pool_bring_taps)(const void *taps, int64_t at, int64_t plane, int64_t planes, int64_t pixels, REAL *to,
                                  const int kind) {
    for (int64_t q = 0; q < pixels; q += VL, to += VL * VL) {
        vec v[SIMD_BYTES / sizeof(REAL)];
        const int64_t n = MIN(pixels - q, VL);
        UNROLL for (int l = 0; l < VL; l++)
            v[l] = l < planes ? (vec)NAME(load_taps)(taps, at + l * plane + q, n, kind) : (vec){0};
        NAME(transpose_square)(v);
        UNROLL for (int k = 0; k < VL; k++) if (k < n) NAME(store)(to + k * VL, v[k]);
    }
}

INLINE void NAME(pool_put_taps)(const REAL *from, int64_t pixels, void *taps, int64_t at, int64_t plane, int64_t planes,
                                const int kind) {
    for (int64_t q = 0; q < pixels; q += VL, from += VL * VL) {
        vec v[SIMD_BYTES / sizeof(REAL)];
        const int64_t n = MIN(pixels - q, VL);
        UNROLL for (int k = 0; k < VL; k++) v[k] = k < n ? NAME(load)(from + k * VL) : (vec){0};
        NAME(transpose_square)(v);
        UNROLL for (int l = 0; l < VL; l++)
            if (l < planes) NAME(store_taps)(taps, at + l * plane + q, (NAME(ivec_t))v[l], n, kind);
    }
}

/* A thread's scratch: a window's offsets, taps and weights, then the strips. */
static NAME(pool_window) NAME(pool_window_at)(const pool_plan *p, char *at) {
    return (NAME(pool_window)){0, (int64_t *)at, (int64_t *)(at + p->window), (REAL *)(at + 2 * p->window)};
}

static void NAME(pool_planes)(const pool_call *a, const REAL *x, REAL *y, void *taps, const pool_plan *p, char *scratch,
                              int64_t item) {
    const geometry *g = a->g;
    const int64_t first = item / p->strips * VL, planes = MIN(VL, g->n * g->c - first);
    const int64_t o0 = item % p->strips * p->strip, o1 = MIN(g->oh, o0 + p->strip), pixels = (o1 - o0) * g->ow;
    const int64_t to = first * g->oh * g->ow + o0 * g->ow;
    const pool_span span = pool_span_of(a->rows, g->oh, o0, o1);
    REAL *xs = (REAL *)(scratch + 3 * p->window), *ys = (REAL *)((char *)xs + p->source), *ts = (REAL *)((char *)ys + p->dest);
    NAME(pool_bring)(x + first * g->h * g->w + span.from * g->w, NULL, g->h * g->w, planes, (span.to - span.from) * g->w, xs);
    for (int64_t oy = o0; oy < o1; oy++) {
        const int64_t row = (oy - o0) * g->ow * VL;
        NAME(pool_row)(a, xs, span.from, oy, VL, ys + row, ts, row, NAME(pool_window_at)(p, scratch), taps ? TAPS_LANES : TAPS_NONE);
    }
    NAME(pool_put)(ys, pixels, y + to, g->oh * g->ow, planes);
    if (taps && a->wide)
        NAME(pool_put_taps)(ts, pixels, taps, to, g->oh * g->ow, planes, TAPS_WIDE);
    else if (taps)
        NAME(pool_put_taps)(ts, pixels, taps, to, g->oh * g->ow, planes, TAPS_BYTES);
}

static void NAME(pool_planes_grad)(const pool_call *a, const REAL *gy, const REAL *y, const void *taps, REAL scale, REAL *dx,
                                   const pool_plan *p, char *scratch, int64_t item) {
    const geometry *g = a->g;
    const int64_t first = item / p->strips * VL, planes = MIN(VL, g->n * g->c - first), plane = g->oh * g->ow;
    const int64_t i0 = item % p->strips * p->strip, i1 = MIN(g->h, i0 + p->strip);
    const pool_span span = pool_span_of(a->rows, g->h, i0, i1);
    const int64_t from = first * plane + span.from * g->ow, pixels = (span.to - span.from) * g->ow;
    REAL *gs = (REAL *)scratch, *ds = (REAL *)((char *)gs + p->source), *ts = (REAL *)((char *)ds + p->dest);
    if (y)
        NAME(pool_bring)(gy + from, y + from, plane, planes, pixels, gs);
    else
        NAME(pool_bring)(gy + from, NULL, plane, planes, pixels, gs);
    if (taps && a->wide)
        NAME(pool_bring_taps)(taps, from, plane, planes, pixels, ts, TAPS_WIDE);
    else if (taps)
        NAME(pool_bring_taps)(taps, from, plane, planes, pixels, ts, TAPS_BYTES);
    const NAME(pool_source) s = {gs, NULL, ts, 0, span.from, scale};
    for (int64_t iy = i0; iy < i1; iy++)
        NAME(pool_row_grad)(a, &s, iy, VL, ds + (iy - i0) * g->w * VL, taps ? TAPS_LANES : TAPS_NONE);
    NAME(pool_put)(ds, (i1 - i0) * g->w, dx + first * g->h * g->w + i0 * g->w, g->h * g->w, planes);
}

/* -- both ------------------------------------------------------------------------------------------------------------------------ */

void NAME(pool_forward)(const pool_call *a, const REAL *x, REAL *y, void *taps, void *workspace, int threads) {
    const geometry *g = a->g;
    const int kind = !taps ? TAPS_NONE : a->wide ? TAPS_WIDE : TAPS_BYTES;
    if (pool_pairs_suit(g, VL)) {
        NAME(pool_pairs)(a, x, y, taps, threads);
        return;
    }
    const pool_plan p = pool_plan_of(g, a->rows, 0, VL, sizeof(REAL));
    const int64_t items = g->channels_last ? g->n * g->oh : CEIL_DIV(g->n * g->c, VL) * p.strips;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int64_t begin, end;
        char *scratch = (char *)workspace + thread_index() * p.bytes;
        share(items, thread_index(), team_size(), &begin, &end);
        for (int64_t i = begin; i < end; i++) {
            if (g->channels_last) {
                const int64_t row = i * g->ow * g->c;
                NAME(pool_row)(a, x + i / g->oh * g->h * g->w * g->c, 0, i % g->oh, g->c, y + row, taps, row,
                               NAME(pool_window_at)(&p, scratch), kind);
            } else
                NAME(pool_planes)(a, x, y, taps, &p, scratch, i);
        }
    }
}

/* 1 / the divisor of all averages, or 0 where they differ. */
static REAL NAME(pool_scale)(const pool_call *a) {
    const geometry *g = a->g;
    if (!a->row_count) return 1;
    for (int64_t i = 0; i < g->oh; i++)
        if (a->row_count[i] != a->row_count[0]) return 0;
    for (int64_t i = 0; i < g->ow; i++)
        if (a->col_count[i] != a->col_count[0]) return 0;
    return 1 / (REAL)(a->row_count[0] * a->col_count[0]);
}

void NAME(pool_backward)(const pool_call *a, const REAL *gy, const REAL *y, const void *taps, REAL *dx, void *workspace,
                         int threads) {
    const geometry *g = a->g;
    const int kind = !taps ? TAPS_NONE : a->wide ? TAPS_WIDE : TAPS_BYTES;
    if (pool_pairs_suit(g, VL)) {
        NAME(pool_pairs_grad)(a, gy, y, taps, dx, threads);
        return;
    }
    const pool_plan p = pool_plan_of(g, a->rows, 1, VL, sizeof(REAL));
    const int64_t items = g->channels_last ? g->n * g->h : CEIL_DIV(g->n * g->c, VL) * p.strips;
    const REAL scale = NAME(pool_scale)(a);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int64_t begin, end;
        char *scratch = (char *)workspace + thread_index() * p.bytes;
        share(items, thread_index(), team_size(), &begin, &end);
        for (int64_t i = begin; i < end; i++) {
            if (g->channels_last) {
                const int64_t image = i / g->h * g->oh * g->ow * g->c;
                const NAME(pool_source) s = {gy + image, y ? y + image : NULL, taps, image, 0, scale};
                NAME(pool_row_grad)(a, &s, i % g->h, g->c, dx + i * g->w * g->c, kind);
            } else
                NAME(pool_planes_grad)(a, gy, y, taps, scale, dx, &p, scratch, i);
        }
    }
}

#undef POOL_BLOCK
#undef POOL_CHAIN
#undef POOL_GATHERED

#endif
