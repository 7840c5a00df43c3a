/* Depthwise convolution with channels in the vector lanes, in both memory formats. (Common kernels and strides need no padded copy:
 * see depthwise_pixels.h for 3x3 in NHWC and depthwise_planes.h for wide NCHW planes.)
 *
 *     image --bring_rows--> ring of padded rows --dw_run_rows / dw_run_products--> strip or sums --> result
 *            (NCHW: in-register transposes)      [row][column][lane]                (NCHW: transposes)
 *
 * Padding exists in the scratch only, so the loops have no borders. Work is shared among threads by images and blocks of VL
 * channels, and in forward and input gradient by chunks of rows too. Weights are [kernel position][filter].
 */
#ifndef FASTCONV_DEPTHWISE_H
#define FASTCONV_DEPTHWISE_H

#include "geometry.h"

/* direction: 0 forward, 1 input gradient, 2 weight gradient */
int64_t depthwise_workspace(const geometry *g, int direction, int itemsize, int threads);
/* Whether images are read where they are and not from a padded copy. */
int depthwise_direct(const geometry *g, int direction, int itemsize);
/* The most additions behind one another in a sum of the weight gradient. */
int64_t depthwise_chain(const geometry *g, int itemsize);

void depthwise_correlate_f32(const geometry *g, int direction, const float *source, const float *w, const float *bias,
                             int activation, double slope, float *dest, void *workspace, int threads);
void depthwise_correlate_f64(const geometry *g, int direction, const double *source, const double *w, const double *bias,
                             int activation, double slope, double *dest, void *workspace, int threads);
void depthwise_weight_grad_f32(const geometry *g, const float *x, const float *gy, float *dw, void *workspace, int threads);
void depthwise_weight_grad_f64(const geometry *g, const double *x, const double *gy, double *dw, void *workspace, int threads);

#endif

#ifdef REAL

#include "transpose.h"
#include "depthwise_rows.h"
#include "depthwise_planes.h"
#include "depthwise_pixels.h"

/* One block of channels of one image: lane l is the plane that starts at image[lane[l]]. */
typedef struct {
    const REAL *image;
    int64_t lane[SIMD_BYTES / sizeof(REAL)];
    int64_t lanes, width;
    int64_t px_step;  /* elements between pixels: 1 in NCHW, the number of channels in NHWC */
    int adjacent;     /* NHWC whose lanes are neighbours */
} NAME(dw_block);

/* Lane l is channel ((first + l) * every + offset) / share of an image of `channels`; lanes behind the last repeat it. */
static NAME(dw_block) NAME(dw_block_of)(const geometry *g, const REAL *image, int64_t channels, int64_t height, int64_t width,
                                        int64_t first, int64_t lanes, int64_t every, int64_t offset, int64_t share) {
    NAME(dw_block) b = {.image = image, .lanes = lanes, .width = width};
    b.px_step = g->channels_last ? channels : 1;
    b.adjacent = g->channels_last && every == 1 && share == 1;
    for (int64_t l = 0; l < VL; l++)
        b.lane[l] = (MIN(first + l, first + lanes - 1) * every + offset) / share * (g->channels_last ? 1 : height * width);
    return b;
}

/* Bytes to prefetch ahead: in each of several planes; of pixels a page, which the hardware's prefetchers do not cross. */
#define DW_PLANE_AHEAD 1024
#define DW_AHEAD 4096

/* NHWC: the pixels of one row for `blocks` neighbouring blocks; the last has `lanes` lanes. */
INLINE void NAME(dw_bring_pixels)(const REAL *from, int64_t step, int64_t width, REAL *to, int64_t block_pitch, const int blocks,
                                  int64_t lanes) {
    for (int64_t q = 0; q < width; q++, from += step, to += VL) {
        UNROLL for (int b = 0; b < blocks; b++) __builtin_prefetch((const void *)((uintptr_t)(from + b * VL) + DW_AHEAD));
        UNROLL for (int b = 0; b < blocks - 1; b++) *(vec *)(to + b * block_pitch) = NAME(load)(from + b * VL);
        const int b = blocks - 1;
        *(vec *)(to + b * block_pitch) = lanes == VL ? NAME(load)(from + b * VL) : NAME(load_part)(from + b * VL, lanes);
    }
}

/* Source rows [begin, end) of a group of blocks; in the scratch they lie together from `to` on, `pitch` elements apart. */
static void NAME(dw_bring_rows)(const NAME(dw_block) *blocks, int count, int64_t begin, int64_t end, REAL *to, int64_t pitch,
                                int64_t block_pitch) {
    int64_t width = blocks->width, step = blocks->px_step;
    for (int i = 0; i < count && (step == 1 || !blocks->adjacent); i++, to += block_pitch) {
        const NAME(dw_block) *b = blocks + i;
        if (step == 1) {
            NAME(turn_rows)(b->image + begin * width, b->lane, b->lanes, (end - begin) * width, width, to, pitch - width * VL,
                            DW_PLANE_AHEAD);
            continue;
        }
        for (int64_t r = begin; r < end; r++)
            for (int64_t q = 0; q < width; q++)
                for (int64_t l = 0; l < VL; l++)
                    to[(r - begin) * pitch + q * VL + l] = l < b->lanes ? b->image[(r * width + q) * step + b->lane[l]] : 0;
    }
    if (step == 1 || !blocks->adjacent) return;
    const REAL *from = blocks->image + blocks->lane[0];
    int64_t lanes = blocks[count - 1].lanes;
    for (int64_t r = begin; r < end; r++, to += pitch) {
        const REAL *row = from + r * width * step;
        switch (count) {
        case 1: NAME(dw_bring_pixels)(row, step, width, to, block_pitch, 1, lanes); break;
        case 2: NAME(dw_bring_pixels)(row, step, width, to, block_pitch, 2, lanes); break;
        case 3: NAME(dw_bring_pixels)(row, step, width, to, block_pitch, 3, lanes); break;
        case 4: NAME(dw_bring_pixels)(row, step, width, to, block_pitch, 4, lanes); break;
        }
    }
}

/* NCHW: `count` vectors go to pixels `first` .. of the planes of channels c0 .. */
static void NAME(dw_put_planes)(const REAL *from, int64_t count, REAL *image, int64_t plane, int64_t c0, int64_t lanes,
                                int64_t first) {
    for (int64_t q = 0; q < count; q += VL, from += VL * VL) {
        vec v[SIMD_BYTES / sizeof(REAL)];
        int64_t some = MIN(count - q, VL);
        REAL *to = image + c0 * plane + first + q;
        if (some == VL) {
            UNROLL for (int k = 0; k < VL; k++) v[k] = *(const vec *)(from + k * VL);
        } else {
            UNROLL for (int k = 0; k < VL; k++) v[k] = k < some ? *(const vec *)(from + k * VL) : (vec){0};
        }
        NAME(transpose_square)(v);
        if (some == VL && lanes == VL) {
            UNROLL for (int l = 0; l < VL; l++) NAME(store)(to + l * plane, v[l]);
        } else {
            UNROLL for (int l = 0; l < VL; l++)
                if (l < lanes) NAME(store_n)(to + l * plane, v[l], some);
        }
    }
}

/* A thread's scratch and the source rows [from, to) of the group in it. */
typedef struct {
    dw_layout p;
    REAL *ring, *zeros, *weights, *strip;
    const REAL **table;
    int64_t from, to;
} NAME(dw_scratch);

/* The columns of padding are zeroed here, once: rows brought in leave them alone. */
static NAME(dw_scratch) NAME(dw_scratch_at)(const dw_layout *p, char *at) {
    NAME(dw_scratch) s = {.p = *p, .ring = (REAL *)at, .zeros = (REAL *)(at + p->zero_at),
                          .weights = (REAL *)(at + p->weights_at), .strip = (REAL *)(at + p->strip_at),
                          .table = (const REAL **)(at + p->table_at)};
    int64_t before = -p->left * SIMD_BYTES, after = (p->width + p->left - p->cols.source) * SIMD_BYTES;
    for (int64_t r = 0; r < p->group * p->ring; r++) {
        char *row = at + r * p->width * SIMD_BYTES;
        memset(row, 0, before);
        memset(row + p->width * SIMD_BYTES - after, 0, after);
    }
    memset(s.zeros, 0, p->width * SIMD_BYTES);
    return s;
}

/* Makes the source rows that dest rows [begin, end) read available and points the tables, one a block, at them. */
static void NAME(dw_bring_strip)(NAME(dw_scratch) *s, const NAME(dw_block) *blocks, int count, int64_t begin, int64_t end) {
    const dw_layout *p = &s->p;
    int64_t lo = dw_lo(&p->rows, begin), hi = dw_hi(&p->rows, end), pitch = p->width * VL, block_pitch = p->ring * pitch;
    int64_t from = MAX(lo, 0), to = MIN(hi, p->rows.source);
    if (from < s->from || from > s->to) s->to = from;
    s->from = from;
    while (s->to < to) {
        int64_t slot = s->to % p->ring, rows = MIN(to - s->to, p->ring - slot);
        NAME(dw_bring_rows)(blocks, count, s->to, s->to + rows, s->ring + slot * pitch - p->left * VL, pitch, block_pitch);
        s->to += rows;
    }
    for (int b = 0; b < count; b++)
        for (int64_t r = lo; r < hi; r++)
            s->table[b * p->table + r - lo] =
                r < 0 || r >= p->rows.source ? s->zeros : s->ring + b * block_pitch + r % p->ring * pitch;
}

/* The kernel of every pair of phases, one behind the other, each [taps][lane]; filter (first + l) * every + offset is lane l. */
static void NAME(dw_bring_weights)(const dw_layout *p, REAL *to, const REAL *w, int64_t filters, int64_t first, int64_t lanes,
                                   int64_t every, int64_t offset) {
    for (int64_t a = 0; a < dw_phases(&p->rows); a++) {
        dw_phase row = dw_phase_of(&p->rows, a);
        for (int64_t b = 0; b < dw_phases(&p->cols); b++) {
            dw_phase col = dw_phase_of(&p->cols, b);
            for (int64_t i = 0; i < row.taps; i++)
                for (int64_t j = 0; j < col.taps; j++, to += VL) {
                    int64_t tap = (row.tap0 + i * row.tap_step) * p->cols.k + col.tap0 + j * col.tap_step;
                    const REAL *from = w + tap * filters + first * every + offset;
                    if (every == 1)
                        *(vec *)to = NAME(load_n)(from, lanes);
                    else
                        for (int64_t l = 0; l < VL; l++) to[l] = l < lanes ? from[l * every] : 0;
                }
        }
    }
}

/* Dest rows [begin, end) of one block into `out`, whose pixel (begin, 0) is its first; all phases. `job` holds what they share:
 * the table of rows in `rows`, the weights of the first phases in `weights`. */
static void NAME(dw_correlate_strip)(const dw_layout *p, NAME(dw_rows) job, int64_t begin, int64_t end, REAL *out,
                                     int64_t row_step, int64_t px_step) {
    int64_t lo = dw_lo(&p->rows, begin);
    const REAL *const *table = job.rows;
    for (int64_t a = 0; a < dw_phases(&p->rows); a++) {
        dw_phase row = dw_phase_of(&p->rows, a);
        int64_t u = MAX(0, dw_ceil_div(begin - row.first, row.step)), stop = dw_ceil_div(end - row.first, row.step);
        for (int64_t b = 0; b < dw_phases(&p->cols); b++) {
            dw_phase col = dw_phase_of(&p->cols, b);
            if (stop > u) {
                int taps = row.taps && col.taps;
                job.kh = taps ? row.taps : 0, job.kw = col.taps;
                /* A phase without taps must not point outside the table. */
                job.rows = table + (taps ? row.origin + u * row.stride - lo : 0);
                job.row_stride = row.stride, job.row_dilation = row.dilation;
                job.offset = (col.origin - p->left) * VL;
                job.px_stride = col.stride * VL, job.px_dilation = col.dilation * VL;
                job.out = out + (row.first + u * row.step - begin) * row_step + col.first * px_step;
                job.out_rows = stop - u, job.out_px = col.count;
                job.out_row_step = row.step * row_step, job.out_px_step = col.step * px_step;
                NAME(dw_run_rows)(&job);
            }
            job.weights += row.taps * col.taps * VL;
        }
    }
}

typedef struct {
    const geometry *g;
    int direction;
    const REAL *source, *w, *bias;
    int activation;
    REAL slope;
    REAL *dest;
} NAME(dw_call);

/* Dest rows [begin, end) of a group of blocks, with `channels` channels from `first` on, in image n. */
static void NAME(dw_correlate_rows)(const NAME(dw_call) *a, NAME(dw_scratch) *s, int64_t n, int64_t first, int64_t channels,
                                    int64_t begin, int64_t end) {
    const geometry *g = a->g;
    const dw_layout *p = &s->p;
    const dw_axis *rows = &p->rows, *cols = &p->cols;
    int grad = a->direction == DW_INPUT_GRAD, count = (int)CEIL_DIV(channels, VL);
    int64_t m = g->k / g->c, passes = grad ? m : 1, taps = p->taps * VL;
    int64_t from_channels = grad ? g->k : g->c, to_channels = grad ? g->c : g->k;
    const REAL *image = a->source + n * from_channels * rows->source * cols->source;
    REAL *dest = a->dest + n * to_channels * rows->dest * cols->dest;
    NAME(dw_block) blocks[DW_GROUP];
    REAL bias[DW_GROUP * SIMD_BYTES / sizeof(REAL)] __attribute__((aligned(SIMD_BYTES))) = {0};
    if (a->bias) memcpy(bias, a->bias + first, channels * sizeof(REAL));
    s->from = s->to = 0;
    for (int64_t r = begin; r < end; r += p->strip) {
        int64_t stop = MIN(r + p->strip, end);
        /* The gradient of an input channel is the sum over its m filters. */
        for (int64_t pass = 0; pass < passes; pass++) {
            if (r == begin || passes > 1)
                for (int b = 0; b < count; b++) {
                    int64_t c0 = first + b * VL, lanes = MIN(channels - b * VL, VL);
                    blocks[b] = NAME(dw_block_of)(g, image, from_channels, rows->source, cols->source, c0, lanes, passes, pass,
                                                  grad ? 1 : m);
                    NAME(dw_bring_weights)(p, s->weights + b * taps, a->w, g->k, c0, lanes, passes, pass);
                }
            if (passes > 1) s->from = s->to = 0;
            NAME(dw_bring_strip)(s, blocks, count, r, stop);
            for (int b = 0; b < count; b++) {
                NAME(dw_rows) job = {.rows = s->table + b * p->table, .weights = s->weights + b * taps, .bias = bias + b * VL,
                                     .lanes = g->channels_last ? blocks[b].lanes : VL, .accumulate = pass > 0,
                                     .activation = a->activation, .slope = a->slope};
                if (g->channels_last)
                    NAME(dw_correlate_strip)(p, job, r, stop, dest + r * cols->dest * to_channels + first + b * VL,
                                             cols->dest * to_channels, to_channels);
                else
                    NAME(dw_correlate_strip)(p, job, r, stop, s->strip, cols->dest * VL, VL);
            }
        }
        if (!g->channels_last)
            NAME(dw_put_planes)(s->strip, (stop - r) * cols->dest, dest, rows->dest * cols->dest, first, channels,
                                r * cols->dest);
    }
}

/* Chunks of rows where images and groups of channels are too few to go round evenly. */
INLINE int64_t NAME(dw_chunks)(int64_t groups, int64_t strips, int threads) {
    return groups % threads == 0 || groups >= 8 * threads ? 1 : MIN(strips, threads);
}

void NAME(depthwise_correlate)(const geometry *g, int direction, const REAL *source, const REAL *w, const REAL *bias,
                               int activation, double slope, REAL *dest, void *workspace, int threads) {
#if defined(__AVX512F__)
    if (dw_planes_suit(g, direction, VL)) {
        NAME(dw_planes_correlate)(g, direction, source, w, bias, activation, (REAL)slope, dest, threads);
        return;
    }
#endif
    if (dw_pixels_suit(g, VL)) {
        NAME(dw_pixels_correlate)(g, direction, source, w, bias, activation, (REAL)slope, dest, workspace, threads);
        return;
    }
    const dw_layout layout = dw_layout_of(g, direction, VL, threads);
    const NAME(dw_call) call = {g, direction, source, w, bias, activation, (REAL)slope, dest};
    const int64_t channels = direction == DW_INPUT_GRAD ? g->c : g->k, step = layout.group * VL, rows = layout.rows.dest;
    const int64_t groups = CEIL_DIV(channels, step);
    const int64_t chunks = NAME(dw_chunks)(g->n * groups, CEIL_DIV(rows, layout.strip), threads);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        NAME(dw_scratch) s = NAME(dw_scratch_at)(&layout, (char *)workspace + thread_index() * layout.bytes);
#pragma omp for schedule(dynamic) nowait
        for (int64_t item = 0; item < g->n * groups * chunks; item++) {
            int64_t n = item / (groups * chunks), first = item / chunks % groups * step, r0, r1;
            share(rows, (int)(item % chunks), (int)chunks, &r0, &r1);
            NAME(dw_correlate_rows)(&call, &s, n, first, MIN(channels - first, step), r0, r1);
        }
    }
}

/* The weight gradient of a group of blocks, `filters` filters from `first` on. The weights' place holds the sums. */
static void NAME(dw_weight_grad_group)(const geometry *g, NAME(dw_scratch) *s, const REAL *x, const REAL *gy, REAL *dw,
                                       int64_t first, int64_t filters) {
    const dw_layout *p = &s->p;
    const int64_t m = g->k / g->c, taps = p->taps, gy_pitch = p->strip * g->ow * VL;
    const int count = (int)CEIL_DIV(filters, VL);
    NAME(dw_block) xs[DW_GROUP], gys[DW_GROUP];
    memset(s->weights, 0, count * taps * SIMD_BYTES);
    for (int64_t n = 0; n < g->n; n++) {
        for (int b = 0; b < count; b++) {
            int64_t k0 = first + b * VL, lanes = MIN(filters - b * VL, VL);
            xs[b] = NAME(dw_block_of)(g, x + n * g->c * g->h * g->w, g->c, g->h, g->w, k0, lanes, 1, 0, m);
            gys[b] = NAME(dw_block_of)(g, gy + n * g->k * g->oh * g->ow, g->k, g->oh, g->ow, k0, lanes, 1, 0, 1);
        }
        s->from = s->to = 0;
        for (int64_t r = 0; r < g->oh; r += p->strip) {
            int64_t stop = MIN(r + p->strip, g->oh);
            NAME(dw_bring_strip)(s, xs, count, r, stop);
            NAME(dw_bring_rows)(gys, count, r, stop, s->strip, g->ow * VL, gy_pitch);
            for (int b = 0; b < count; b++) {
                NAME(dw_products) job = {s->table + b * p->table, g->sh, g->dh, g->sw * VL, g->dw * VL, s->strip + b * gy_pitch,
                                         stop - r, g->ow, s->weights + b * taps * VL, g->kw};
                NAME(dw_run_products)(&job, g->kh);
            }
        }
    }
    for (int64_t f = 0; f < filters; f++)
        for (int64_t t = 0; t < taps; t++) dw[(first + f) * taps + t] = s->weights[(f / VL * taps + t) * VL + f % VL];
}

void NAME(depthwise_weight_grad)(const geometry *g, const REAL *x, const REAL *gy, REAL *dw, void *workspace, int threads) {
#if defined(__AVX512F__)
    if (dw_planes_suit(g, DW_WEIGHT_GRAD, VL)) {
        NAME(dw_planes_weight_grad)(g, x, gy, dw, threads);
        return;
    }
#endif
    if (dw_pixels_suit(g, VL)) {
        NAME(dw_pixels_weight_grad)(g, x, gy, dw, workspace, threads);
        return;
    }
    const dw_layout layout = dw_layout_of(g, DW_WEIGHT_GRAD, VL, threads);
    const int64_t step = layout.group * VL;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int64_t begin, end;
        share(CEIL_DIV(g->k, step), thread_index(), team_size(), &begin, &end);
        if (begin < end) {
            NAME(dw_scratch) s = NAME(dw_scratch_at)(&layout, (char *)workspace + thread_index() * layout.bytes);
            for (int64_t first = begin * step; first < MIN(end * step, g->k); first += step)
                NAME(dw_weight_grad_group)(g, &s, x, gy, dw, first, MIN(g->k - first, step));
        }
    }
}

#endif
