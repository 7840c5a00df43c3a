/* Depthwise convolution with channels in the vector lanes, in both memory formats.
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
int64_t depthwise_workspace(const geometry *g, int direction, int threads);
/* Output rows whose products the weight gradient sums before it adds them to the total. */
int64_t depthwise_strip_rows(const geometry *g);

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

/* NCHW: pixels [begin, end) of the planes, counted over the whole plane, become vectors at `to`; behind each row's last pixel
 * `gap` elements are skipped. `begin` is the first pixel of a row. */
static void NAME(dw_bring_planes)(const NAME(dw_block) *b, int64_t begin, int64_t end, REAL *to, int64_t gap) {
    int64_t column = 0;
    for (int64_t q = begin; q < end; q += VL) {
        vec v[SIMD_BYTES / sizeof(REAL)];
        int64_t count = MIN(end - q, VL);
        if (b->lanes == VL && count == VL) {
            UNROLL for (int l = 0; l < VL; l++) v[l] = NAME(load)(b->image + b->lane[l] + q);
        } else {
            UNROLL for (int l = 0; l < VL; l++)
                v[l] = l < b->lanes ? NAME(load_n)(b->image + b->lane[l] + q, count) : (vec){0};
        }
        NAME(transpose)(v);
        if (column + count <= b->width && count == VL) {
            UNROLL for (int k = 0; k < VL; k++) *(vec *)(to + k * VL) = v[k];
            to += VL * VL;
            column += VL;
            if (column == b->width) column = 0, to += gap;
        } else {
            UNROLL for (int k = 0; k < VL; k++) {
                if (k < count) {
                    *(vec *)to = v[k];
                    int last = ++column == b->width;
                    to += last ? VL + gap : VL;
                    column = last ? 0 : column;
                }
            }
        }
    }
}

/* Source rows [begin, end), which lie together in the scratch from `to` on, `pitch` elements apart. */
static void NAME(dw_bring_rows)(const NAME(dw_block) *b, int64_t begin, int64_t end, REAL *to, int64_t pitch) {
    int64_t width = b->width, step = b->px_step;
    if (step == 1 && !b->adjacent) {
        NAME(dw_bring_planes)(b, begin * width, end * width, to, pitch - width * VL);
        return;
    }
    for (int64_t r = begin; r < end; r++, to += pitch) {
        const REAL *from = b->image + r * width * step;
        if (!b->adjacent) {
            for (int64_t q = 0; q < width; q++, from += step)
                for (int64_t l = 0; l < VL; l++) to[q * VL + l] = l < b->lanes ? from[b->lane[l]] : 0;
        } else if (b->lanes == VL) {
            from += b->lane[0];
            for (int64_t q = 0; q < width; q++) *(vec *)(to + q * VL) = NAME(load)(from + q * step);
        } else {
            from += b->lane[0];
            for (int64_t q = 0; q < width; q++) *(vec *)(to + q * VL) = NAME(load_part)(from + q * step, b->lanes);
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
        NAME(transpose)(v);
        if (some == VL && lanes == VL) {
            UNROLL for (int l = 0; l < VL; l++) NAME(store)(to + l * plane, v[l]);
        } else {
            UNROLL for (int l = 0; l < VL; l++)
                if (l < lanes) NAME(store_n)(to + l * plane, v[l], some);
        }
    }
}

/* A thread's scratch and the source rows [from, to) of the block in it. */
typedef struct {
    dw_layout p;
    REAL *ring, *zeros, *weights, *strip;
    const REAL **table;
    int64_t from, to;
} NAME(dw_scratch);

/* The columns of padding are zeroed here, once: rows brought in leave them alone. */
static NAME(dw_scratch) NAME(dw_scratch_at)(const dw_layout *p, char *at) {
    NAME(dw_scratch) s = {.p = *p, .ring = (REAL *)at, .zeros = (REAL *)(at + p->zero_at), .weights = (REAL *)(at + p->weights_at),
                          .strip = (REAL *)(at + p->strip_at), .table = (const REAL **)(at + p->table_at)};
    int64_t before = -p->left * SIMD_BYTES, after = (p->width + p->left - p->cols.source) * SIMD_BYTES;
    for (int64_t r = 0; r < p->ring; r++) {
        char *row = at + r * p->width * SIMD_BYTES;
        memset(row, 0, before);
        memset(row + p->width * SIMD_BYTES - after, 0, after);
    }
    memset(s.zeros, 0, p->width * SIMD_BYTES);
    return s;
}

/* Makes the source rows that dest rows [begin, end) read available and points the table at them. */
static void NAME(dw_bring_strip)(NAME(dw_scratch) *s, const NAME(dw_block) *b, int64_t begin, int64_t end) {
    const dw_layout *p = &s->p;
    int64_t lo = dw_lo(&p->rows, begin), hi = dw_hi(&p->rows, end), pitch = p->width * VL;
    int64_t from = MAX(lo, 0), to = MIN(hi, p->rows.source);
    if (from < s->from || from > s->to) s->to = from;
    s->from = from;
    while (s->to < to) {
        int64_t slot = s->to % p->ring, rows = MIN(to - s->to, p->ring - slot);
        NAME(dw_bring_rows)(b, s->to, s->to + rows, s->ring + slot * pitch - p->left * VL, pitch);
        s->to += rows;
    }
    for (int64_t r = lo; r < hi; r++)
        s->table[r - lo] = r < 0 || r >= p->rows.source ? s->zeros : s->ring + r % p->ring * pitch;
}

/* The kernel of every pair of phases, one behind the other, each [taps][lane]; filter (first + l) * every + offset is lane l. */
static void NAME(dw_bring_weights)(NAME(dw_scratch) *s, const REAL *w, int64_t filters, int64_t first, int64_t lanes,
                                   int64_t every, int64_t offset) {
    REAL *to = s->weights;
    for (int64_t a = 0; a < dw_phases(&s->p.rows); a++) {
        dw_phase row = dw_phase_of(&s->p.rows, a);
        for (int64_t b = 0; b < dw_phases(&s->p.cols); b++) {
            dw_phase col = dw_phase_of(&s->p.cols, b);
            for (int64_t i = 0; i < row.taps; i++)
                for (int64_t j = 0; j < col.taps; j++, to += VL) {
                    int64_t tap = (row.tap0 + i * row.tap_step) * s->p.cols.k + col.tap0 + j * col.tap_step;
                    const REAL *from = w + tap * filters + first * every + offset;
                    if (every == 1)
                        *(vec *)to = NAME(load_n)(from, lanes);
                    else
                        for (int64_t l = 0; l < VL; l++) to[l] = l < lanes ? from[l * every] : 0;
                }
        }
    }
}

/* Dest rows [begin, end) into `out`, whose pixel (begin, 0) is its first; all phases. `job` holds what they share. */
static void NAME(dw_correlate_strip)(const NAME(dw_scratch) *s, NAME(dw_rows) job, int64_t begin, int64_t end, REAL *out,
                                     int64_t row_step, int64_t px_step) {
    int64_t lo = dw_lo(&s->p.rows, begin);
    job.weights = s->weights;
    for (int64_t a = 0; a < dw_phases(&s->p.rows); a++) {
        dw_phase row = dw_phase_of(&s->p.rows, a);
        int64_t u = MAX(0, dw_ceil_div(begin - row.first, row.step)), stop = dw_ceil_div(end - row.first, row.step);
        for (int64_t b = 0; b < dw_phases(&s->p.cols); b++) {
            dw_phase col = dw_phase_of(&s->p.cols, b);
            job.kh = row.taps, job.kw = col.taps;
            if (stop > u) {
                /* A phase without taps must not point outside the table. */
                job.rows = s->table + (row.taps && col.taps ? row.origin + u * row.stride - lo : 0);
                if (!col.taps) job.kh = 0;
                job.row_stride = row.stride, job.row_dilation = row.dilation;
                job.offset = (col.origin - s->p.left) * VL;
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

/* Dest rows [begin, end) of `lanes` channels from `first` on in image n. */
static void NAME(dw_correlate_rows)(const NAME(dw_call) *a, NAME(dw_scratch) *s, int64_t n, int64_t first, int64_t lanes,
                                    int64_t begin, int64_t end) {
    const geometry *g = a->g;
    const dw_axis *rows = &s->p.rows, *cols = &s->p.cols;
    int grad = a->direction == DW_INPUT_GRAD;
    int64_t m = g->k / g->c, passes = grad ? m : 1, every = grad ? m : 1;
    int64_t from_channels = grad ? g->k : g->c, to_channels = grad ? g->c : g->k;
    const REAL *image = a->source + n * from_channels * rows->source * cols->source;
    REAL *dest = a->dest + n * to_channels * rows->dest * cols->dest;
    REAL bias[SIMD_BYTES / sizeof(REAL)] __attribute__((aligned(SIMD_BYTES))) = {0};
    if (a->bias) memcpy(bias, a->bias + first, lanes * sizeof(REAL));
    NAME(dw_rows) job = {.bias = bias, .activation = a->activation, .slope = a->slope};
    s->from = s->to = 0;
    for (int64_t r = begin; r < end; r += s->p.strip) {
        int64_t stop = MIN(r + s->p.strip, end);
        /* The gradient of an input channel is the sum over its m filters. */
        for (int64_t pass = 0; pass < passes; pass++) {
            NAME(dw_block) block = NAME(dw_block_of)(g, image, from_channels, rows->source, cols->source, first, lanes, every,
                                                     pass, grad ? 1 : m);
            if (passes > 1) s->from = s->to = 0;
            if (r == begin || passes > 1) NAME(dw_bring_weights)(s, a->w, g->k, first, lanes, every, pass);
            NAME(dw_bring_strip)(s, &block, r, stop);
            job.accumulate = pass > 0;
            if (g->channels_last) {
                job.lanes = lanes;
                NAME(dw_correlate_strip)(s, job, r, stop, dest + r * cols->dest * to_channels + first,
                                         cols->dest * to_channels, to_channels);
            } else {
                job.lanes = VL;
                NAME(dw_correlate_strip)(s, job, r, stop, s->strip, cols->dest * VL, VL);
            }
        }
        if (!g->channels_last)
            NAME(dw_put_planes)(s->strip, (stop - r) * cols->dest, dest, rows->dest * cols->dest, first, lanes, r * cols->dest);
    }
}

/* Chunks of rows when images and blocks of channels are too few to go round evenly. */
INLINE int64_t NAME(dw_chunks)(int64_t blocks, int64_t strips, int threads) {
    return threads == 1 || blocks % threads == 0 ? 1 : MIN(strips, blocks < 8 * threads ? threads : 1);
}

void NAME(depthwise_correlate)(const geometry *g, int direction, const REAL *source, const REAL *w, const REAL *bias,
                               int activation, double slope, REAL *dest, void *workspace, int threads) {
    const dw_layout layout = dw_layout_of(g, direction);
    const NAME(dw_call) call = {g, direction, source, w, bias, activation, (REAL)slope, dest};
    int64_t channels = direction == DW_INPUT_GRAD ? g->c : g->k, blocks = CEIL_DIV(channels, VL), rows = layout.rows.dest;
    int64_t chunks = NAME(dw_chunks)(g->n * blocks, CEIL_DIV(rows, layout.strip), threads);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int64_t begin, end;
        share(g->n * blocks * chunks, thread_index(), team_size(), &begin, &end);
        if (begin < end) {
            NAME(dw_scratch) s = NAME(dw_scratch_at)(&layout, (char *)workspace + thread_index() * layout.bytes);
            for (int64_t item = begin; item < end; item++) {
                int64_t n = item / (blocks * chunks), first = item / chunks % blocks * VL, r0, r1;
                share(rows, (int)(item % chunks), (int)chunks, &r0, &r1);
                NAME(dw_correlate_rows)(&call, &s, n, first, MIN(channels - first, VL), r0, r1);
            }
        }
    }
}

/* The weight gradient of `lanes` filters from `first` on. The weights' place in the scratch holds the sums. */
static void NAME(dw_weight_grad_block)(const geometry *g, NAME(dw_scratch) *s, const REAL *x, const REAL *gy, REAL *dw,
                                       int64_t first, int64_t lanes) {
    int64_t m = g->k / g->c, taps = s->p.taps;
    memset(s->weights, 0, taps * SIMD_BYTES);
    for (int64_t n = 0; n < g->n; n++) {
        NAME(dw_block) xs = NAME(dw_block_of)(g, x + n * g->c * g->h * g->w, g->c, g->h, g->w, first, lanes, 1, 0, m);
        NAME(dw_block) gys = NAME(dw_block_of)(g, gy + n * g->k * g->oh * g->ow, g->k, g->oh, g->ow, first, lanes, 1, 0, 1);
        s->from = s->to = 0;
        for (int64_t r = 0; r < g->oh; r += s->p.strip) {
            int64_t stop = MIN(r + s->p.strip, g->oh);
            NAME(dw_bring_strip)(s, &xs, r, stop);
            NAME(dw_bring_rows)(&gys, r, stop, s->strip, g->ow * VL);
            NAME(dw_products) job = {s->table, g->sh, g->dh, g->sw * VL, g->dw * VL, s->strip, stop - r, g->ow, s->weights, g->kw};
            NAME(dw_run_products)(&job, g->kh);
        }
    }
    for (int64_t l = 0; l < lanes; l++)
        for (int64_t t = 0; t < taps; t++) dw[(first + l) * taps + t] = s->weights[t * VL + l];
}

void NAME(depthwise_weight_grad)(const geometry *g, const REAL *x, const REAL *gy, REAL *dw, void *workspace, int threads) {
    const dw_layout layout = dw_layout_of(g, DW_WEIGHT_GRAD);
    int64_t blocks = CEIL_DIV(g->k, VL);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int64_t begin, end;
        share(blocks, thread_index(), team_size(), &begin, &end);
        if (begin < end) {
            NAME(dw_scratch) s = NAME(dw_scratch_at)(&layout, (char *)workspace + thread_index() * layout.bytes);
            for (int64_t b = begin; b < end; b++)
                NAME(dw_weight_grad_block)(g, &s, x, gy, dw, b * VL, MIN(g->k - b * VL, VL));
        }
    }
}

#endif
