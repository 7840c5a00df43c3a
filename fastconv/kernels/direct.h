/* Direct convolution and its input gradient (template: REAL, NAME, IS_DOUBLE). Two register tilings:
 *
 *   filters in the lanes (NHWC)                      pixels in the lanes (NCHW)
 *   a tile is MR pixels x NR filters;                a tile is MR filters x NR pixels;
 *   pixels are read in place through pointers,       NR patches are copied to a panel [channel][tap][NR] that stays in
 *   one per tap, padding from a row of zeros         the second-level cache, whatever the stride, padding or dilation
 *
 * Packed weights: for each phase, group and panel of NR filters [tap][channel][NR]; with pixels in the lanes, for each phase, group and
 * block of at most MR filters [channel][tap][block].
 */
#include "gemm.h"
#include "transpose.h"

#ifndef FASTCONV_DIRECT_H
#define FASTCONV_DIRECT_H
#include "taps.h"

enum {
    BLOCK_PIXELS = 8 * GEMM_MR,   /* pixels for which a panel of filters is used before the next is read */
    MAX_POINTERS = 1 << 14,       /* of a block: 128 KB */
    PANEL_BYTES = 256 * 1024,     /* patches held at a time with pixels in the lanes: a quarter to half of a second-level cache */
    MERGE_CHANNELS = 16,          /* fewer channels than this: a kernel row is read as one run of kw * c values */
    STRIP_BYTES = 128 * 1024      /* padded input rows held for that */
};

/* A run of consecutive valid pixels in a panel's row. */
typedef struct {
    int64_t source;
    int32_t first, length;
} run;

/* Blocks of at most `size` that differ by at most one. */
INLINE int64_t blocks_of(int64_t total, int64_t size) { return CEIL_DIV(total, size); }

static int reads_merged_rows(const geometry *s, int input_grad) {
    return !input_grad && s->g == 1 && s->dw == 1 && s->c < MERGE_CHANNELS && s->kw > 1;
}

static int64_t block_pixels(const geometry *s) {
    const int64_t fit = MAX_POINTERS / (s->kh * s->kw) / GEMM_MR * GEMM_MR;
    return MAX(GEMM_MR, MIN(BLOCK_PIXELS, fit));
}
#endif

/* -- packing --------------------------------------------------------------------------------------------------------- */

/* Weight (destination channel j, source channel c, tap) of group g. */
INLINE REAL NAME(weight)(const geometry *s, int input_grad, const REAL *w, int64_t g, int64_t j, int64_t c, int64_t tap) {
    const int64_t cg = s->c / s->g, kg = s->k / s->g, taps = s->kh * s->kw;
    return input_grad ? w[((g * kg + c) * cg + j) * taps + tap] : w[((g * kg + j) * cg + c) * taps + tap];
}

static void NAME(direct_pack_filters)(const geometry *s, int input_grad, const REAL *w, REAL *packed, tap *storage) {
    const operands o = operands_of(s, input_grad);
    for (int64_t f = 0; f < o.phases; f++) {
        const phase p = make_phase(s, input_grad, f, storage);
        for (int64_t g = 0; g < s->g; g++)
            for (int64_t j0 = 0; j0 < o.columns; j0 += NR)
                for (int64_t t = 0; t < p.taps; t++)
                    for (int64_t c = 0; c < o.depth; c++)
                        for (int64_t j = j0; j < j0 + NR; j++)
                            *packed++ = j < o.columns ? NAME(weight)(s, input_grad, w, g, j, c, p.tap[t].index) : 0;
    }
}

static void NAME(direct_pack_pixels)(const geometry *s, int input_grad, const REAL *w, REAL *packed, tap *storage) {
    const operands o = operands_of(s, input_grad);
    const int64_t blocks = blocks_of(o.columns, GEMM_MR);
    for (int64_t f = 0; f < o.phases; f++) {
        const phase p = make_phase(s, input_grad, f, storage);
        for (int64_t g = 0; g < s->g; g++)
            for (int64_t i = 0; i < blocks; i++)
                for (int64_t c = 0; c < o.depth; c++)
                    for (int64_t t = 0; t < p.taps; t++)
                        for (int64_t j = o.columns * i / blocks; j < o.columns * (i + 1) / blocks; j++)
                            *packed++ = NAME(weight)(s, input_grad, w, g, j, c, p.tap[t].index);
    }
}

/* -- filters in the lanes ---------------------------------------------------------------------------------------------- */

typedef struct {
    const geometry *s;
    operands o;
    const REAL *x, *packed, *bias; /* packed: of the phase in work; bias padded to whole vectors, or NULL */
    REAL *out;
    int activation;
    REAL slope;
    const REAL *zeros; /* o.depth of them */
} NAME(direct_job);

/* Pointers to the source pixels of outputs [first, last) of phase p: [tap][pixel], and to where the outputs go. */
static void NAME(point)(const NAME(direct_job) *job, const phase *p, int64_t group, int64_t first, int64_t last,
                        const REAL **rows, REAL **out) {
    const operands *o = &job->o;
    const int64_t count = last - first;
    for (int64_t i = 0; i < count; i++) {
        const int64_t pixel = first + i, n = pixel / (p->h * p->w), q = pixel / p->w % p->h, r = pixel % p->w;
        const int64_t y = q * p->step_h, x = r * p->step_w;
        const REAL *image = job->x + n * o->src_h * o->src_w * o->src_c + group * o->depth;
        out[i] = job->out + ((n * o->dst_h + p->y0 + q * p->ys) * o->dst_w + p->x0 + r * p->xs) * o->dst_c + group * o->columns;
        for (int64_t t = 0; t < p->taps; t++) {
            const int64_t iy = y + p->tap[t].dy, ix = x + p->tap[t].dx;
            const int inside = iy >= 0 && iy < o->src_h && ix >= 0 && ix < o->src_w;
            rows[t * count + i] = inside ? image + (iy * o->src_w + ix) * o->src_c : job->zeros;
        }
    }
}

/* The tiles [tile][tap][pixel] of `pixels` pixels against panels [j0, j1) of the filters. */
static void NAME(filter_tiles)(const NAME(direct_job) *job, int64_t group, int64_t pixels, int64_t taps, int64_t depth,
                               const REAL *const *rows, REAL *const *out, int64_t j0, int64_t j1) {
    const int64_t tiles = blocks_of(pixels, GEMM_MR), panels = CEIL_DIV(job->o.columns, NR);
    for (int64_t j = j0; j < j1; j++) {
        const REAL *b = job->packed + (group * panels + j) * taps * depth * NR;
        for (int64_t i = 0; i < tiles; i++) {
            const int64_t first = pixels * i / tiles, count = pixels * (i + 1) / tiles - first;
            REAL *tile_out[GEMM_MR];
            for (int64_t q = 0; q < count; q++) tile_out[q] = out[first + q] + j * NR;
            const NAME(sink) sink = {tile_out, MIN(NR, job->o.columns - j * NR),
                                     job->bias ? job->bias + group * ROUND_UP(job->o.columns, NR) + j * NR : NULL,
                                     0, job->activation, job->slope};
            NAME(dot)((int)count, rows + first * taps, taps, depth, b, &sink);
        }
    }
}

/* One item of work: pixels [first, last), panels [j0, j1) of one group. */
static void NAME(filters_item)(const NAME(direct_job) *job, const phase *p, int64_t group, int64_t first, int64_t last,
                               int64_t j0, int64_t j1, char *scratch) {
    const int64_t pixels = last - first, tiles = blocks_of(pixels, GEMM_MR);
    const REAL **rows = (const REAL **)aligned_take(&scratch, pixels * MAX(1, p->taps) * sizeof(REAL *));
    REAL **out = (REAL **)aligned_take(&scratch, pixels * sizeof(REAL *));
    for (int64_t i = 0; i < tiles; i++) {
        const int64_t a = pixels * i / tiles, b = pixels * (i + 1) / tiles;
        NAME(point)(job, p, group, first + a, first + b, rows + a * p->taps, out + a);
    }
    NAME(filter_tiles)(job, group, pixels, p->taps, job->o.depth, rows, out, j0, j1);
}

/* Few channels: output rows [q0, q1) of image n from a padded copy of their input rows, a kernel row at a time. */
static void NAME(merged_item)(const NAME(direct_job) *job, int64_t n, int64_t q0, int64_t q1, char *scratch) {
    const geometry *s = job->s;
    const int64_t c = s->c, width = (s->ow - 1) * s->sw + s->kw, height = (q1 - q0 - 1) * s->sh + (s->kh - 1) * s->dh + 1;
    REAL *strip = (REAL *)aligned_take(&scratch, width * height * c * sizeof(REAL));
    const REAL **rows = (const REAL **)aligned_take(&scratch, BLOCK_PIXELS * s->kh * sizeof(REAL *));
    REAL **out = (REAL **)aligned_take(&scratch, BLOCK_PIXELS * sizeof(REAL *));
    const int64_t left = MIN(s->pl, width), valid = MAX(0, MIN(s->w, width - s->pl));
    for (int64_t i = 0; i < height; i++) {
        const int64_t y = q0 * s->sh - s->pt + i;
        REAL *row = strip + i * width * c;
        if (y < 0 || y >= s->h) {
            memset(row, 0, width * c * sizeof(REAL));
            continue;
        }
        memset(row, 0, left * c * sizeof(REAL));
        memcpy(row + left * c, job->x + (n * s->h + y) * s->w * c, valid * c * sizeof(REAL));
        memset(row + (left + valid) * c, 0, (width - left - valid) * c * sizeof(REAL));
    }
    const int64_t total = (q1 - q0) * s->ow, blocks = blocks_of(total, BLOCK_PIXELS);
    for (int64_t k = 0; k < blocks; k++) {
        const int64_t first = total * k / blocks, pixels = total * (k + 1) / blocks - first;
        const int64_t tiles = blocks_of(pixels, GEMM_MR);
        for (int64_t i = 0; i < tiles; i++) {
            const int64_t a = pixels * i / tiles, count = pixels * (i + 1) / tiles - a;
            for (int64_t m = 0; m < count; m++) {
                const int64_t q = (first + a + m) / s->ow, r = (first + a + m) % s->ow;
                out[a + m] = job->out + ((n * s->oh + q0 + q) * s->ow + r) * s->k;
                for (int64_t t = 0; t < s->kh; t++)
                    rows[a * s->kh + t * count + m] = strip + ((q * s->sh + t * s->dh) * width + r * s->sw) * c;
            }
        }
        NAME(filter_tiles)(job, 0, pixels, s->kh, s->kw * c, rows, out, 0, CEIL_DIV(s->k, NR));
    }
}

#ifndef FASTCONV_DIRECT_WORKSPACE
#define FASTCONV_DIRECT_WORKSPACE
/* Output rows of a strip of merged rows. */
static int64_t strip_rows(const geometry *s, int64_t item) {
    const int64_t row = ((s->ow - 1) * s->sw + s->kw) * s->c * item * s->sh;
    return MAX(1, MIN(s->oh, STRIP_BYTES / row));
}

static int64_t panel_count(const geometry *s, int64_t item) {
    const int64_t bytes = s->kh * s->kw * (MAX(s->c, s->k) / s->g) * 2 * SIMD_BYTES;
    (void)item;
    return MAX(1, PANEL_BYTES / bytes);
}
#endif

static int64_t NAME(filters_scratch)(const geometry *s, int input_grad) {
    if (reads_merged_rows(s, input_grad)) {
        const int64_t width = (s->ow - 1) * s->sw + s->kw;
        const int64_t height = (strip_rows(s, sizeof(REAL)) - 1) * s->sh + (s->kh - 1) * s->dh + 1;
        return ROUND_UP(width * height * s->c * (int64_t)sizeof(REAL), CACHE_LINE) + BLOCK_PIXELS * (s->kh + 1) * 8 + 2 * CACHE_LINE;
    }
    return block_pixels(s) * (s->kh * s->kw + 1) * (int64_t)sizeof(REAL *) + 2 * CACHE_LINE;
}

static void NAME(direct_filters)(NAME(direct_job) *job, int input_grad, tap *storage, char *scratch, int64_t each, int threads) {
    const geometry *s = job->s;
    const operands o = job->o;
    const int64_t panels = CEIL_DIV(o.columns, NR);
    if (reads_merged_rows(s, input_grad)) {
        const int64_t strips = blocks_of(s->oh, MIN(strip_rows(s, sizeof(REAL)), CEIL_DIV(s->n * s->oh, threads)));
#pragma omp parallel for num_threads(threads) schedule(static)
        for (int64_t i = 0; i < s->n * strips; i++) {
            const int64_t n = i / strips, k = i % strips;
            NAME(merged_item)(job, n, s->oh * k / strips, s->oh * (k + 1) / strips, scratch + thread_index() * each);
        }
        return;
    }
    for (int64_t f = 0; f < o.phases; f++) {
        const phase p = make_phase(s, input_grad, f, storage);
        const int64_t total = s->n * p.h * p.w;
        if (!total) continue;
        const int64_t blocks = blocks_of(total, block_pixels(s));
        /* Few pixels: the threads share the filters instead. */
        const int64_t chunks = blocks * s->g < 2 * threads ? MIN(panels, 2 * threads) : 1;
#pragma omp parallel for num_threads(threads) schedule(static)
        for (int64_t i = 0; i < blocks * s->g * chunks; i++) {
            const int64_t k = i / (s->g * chunks), g = i / chunks % s->g, m = i % chunks;
            NAME(filters_item)(job, &p, g, total * k / blocks, total * (k + 1) / blocks, panels * m / chunks,
                               panels * (m + 1) / chunks, scratch + thread_index() * each);
        }
        job->packed += s->g * panels * p.taps * o.depth * NR;
    }
}

/* -- pixels in the lanes ----------------------------------------------------------------------------------------------- */

/* The runs of valid source pixels that tap t contributes to outputs [first, first + count); returns their number. */
static int NAME(find_runs)(const NAME(direct_job) *job, const phase *p, const tap *t, int64_t first, int64_t count, run *runs) {
    const operands *o = &job->o;
    int found = 0;
    for (int64_t i = 0; i < count;) {
        const int64_t pixel = first + i, n = pixel / (p->h * p->w), q = pixel / p->w % p->h, r = pixel % p->w;
        const int64_t end = MIN(count, i + p->w - r), y = q * p->step_h + t->dy;
        if (y >= 0 && y < o->src_h) {
            /* 0 <= (r + j) step + dx < src_w */
            const int64_t lo = t->dx < 0 ? CEIL_DIV(-t->dx, p->step_w) : 0;
            const int64_t hi = t->dx < o->src_w ? (o->src_w - 1 - t->dx) / p->step_w + 1 : 0;
            const int64_t a = MAX(lo - r, 0), b = MIN(hi - r, end - i);
            if (b > a)
                runs[found++] = (run){(n * o->src_c * o->src_h + y) * o->src_w + (r + a) * p->step_w + t->dx,
                                      (int32_t)(i + a), (int32_t)(b - a)};
        }
        i = end;
    }
    return found;
}

/* Patches of outputs [first, first + count) of one group: panel[channel][tap][NR]. */
static void NAME(pack_panel)(const NAME(direct_job) *job, const phase *p, int64_t group, int64_t first, int64_t count, REAL *panel,
                             run *runs, int32_t *found) {
    const operands *o = &job->o;
    for (int64_t t = 0; t < p->taps; t++) found[t] = NAME(find_runs)(job, p, p->tap + t, first, count, runs + t * NR);
    for (int64_t c = 0; c < o->depth; c++) {
        const REAL *plane = job->x + (group * o->depth + c) * o->src_h * o->src_w;
        for (int64_t t = 0; t < p->taps; t++, panel += NR) {
            const run *r = runs + t * NR;
            if (found[t] == 1 && r->length == NR && p->step_w == 1) {
                const REAL *a = plane + r->source;
                vec v0 = NAME(load)(a), v1 = NAME(load)(a + VL);
                *(vec *)panel = v0, *(vec *)(panel + VL) = v1;
                continue;
            }
            if (found[t] != 1 || r->length != NR) *(vec *)panel = *(vec *)(panel + VL) = (vec){0};
            for (int32_t k = 0; k < found[t]; k++) {
                const REAL *a = plane + r[k].source;
                REAL *b = panel + r[k].first;
                if (p->step_w == 1)
                    for (int32_t i = 0; i < r[k].length; i++) b[i] = a[i];
                else
                    for (int32_t i = 0; i < r[k].length; i++) b[i] = a[i * p->step_w];
            }
        }
    }
}

/* Outputs [first, first + count) of filter rows [row, row + rows): straight to NCHW where they are consecutive there, else by way
 * of a tile. */
static void NAME(pixel_tile)(const NAME(direct_job) *job, const phase *p, int64_t group, int64_t row, int rows, const REAL *a,
                             const REAL *panel, int64_t first, int64_t count, REAL *tile) {
    const operands *o = &job->o;
    const int64_t plane = o->dst_h * o->dst_w, n = first / (p->h * p->w);
    const int consecutive = p->ys == 1 && p->xs == 1 && (first + count - 1) / (p->h * p->w) == n;
    const int64_t filter = group * o->columns + row;
    REAL *out[GEMM_MR];
    for (int i = 0; i < rows; i++)
        out[i] = consecutive ? job->out + (n * o->dst_c + filter + i) * plane + first - n * plane : tile + i * NR;
    const NAME(sink) sink = {out, count, job->bias ? job->bias + filter : NULL, 0, job->activation, job->slope};
    const NAME(segment) segment = {a, panel, o->depth * p->taps};
    NAME(outer)(rows, &segment, 1, rows, NR, &sink);
    if (consecutive) return;
    for (int64_t j = 0; j < count; j++) {
        const int64_t pixel = first + j, image = pixel / (p->h * p->w), q = pixel / p->w % p->h, r = pixel % p->w;
        REAL *to = job->out + (image * o->dst_c + filter) * plane + (p->y0 + q * p->ys) * o->dst_w + p->x0 + r * p->xs;
        for (int i = 0; i < rows; i++) to[i * plane] = tile[i * NR + j];
    }
}

static int64_t NAME(pixels_scratch)(const geometry *s, int input_grad) {
    const operands o = operands_of(s, input_grad);
    const int64_t taps = s->kh * s->kw;
    return panel_count(s, sizeof(REAL)) * taps * o.depth * NR * (int64_t)sizeof(REAL) + GEMM_MR * NR * (int64_t)sizeof(REAL) +
           taps * NR * (int64_t)sizeof(run) + taps * 4 + 4 * CACHE_LINE;
}

static void NAME(direct_pixels)(NAME(direct_job) *job, int input_grad, tap *storage, char *scratch, int64_t each, int threads) {
    const geometry *s = job->s;
    const operands o = job->o;
    const int64_t rows = blocks_of(o.columns, GEMM_MR);
    for (int64_t f = 0; f < o.phases; f++) {
        const phase p = make_phase(s, input_grad, f, storage);
        const int64_t total = s->n * p.h * p.w, panels = CEIL_DIV(total, NR);
        if (!total) continue;
        const int64_t blocks = MAX(blocks_of(panels, panel_count(s, sizeof(REAL))), MIN(panels, threads));
        const int64_t chunks = blocks * s->g < threads ? MIN(rows, threads) : 1;
#pragma omp parallel for num_threads(threads) schedule(static)
        for (int64_t i = 0; i < blocks * s->g * chunks; i++) {
            const int64_t k = i / (s->g * chunks), g = i / chunks % s->g, m = i % chunks;
            const int64_t p0 = panels * k / blocks, p1 = panels * (k + 1) / blocks, size = p.taps * o.depth;
            char *mine = scratch + thread_index() * each;
            REAL *panel = (REAL *)aligned_take(&mine, (p1 - p0) * size * NR * sizeof(REAL));
            REAL *tile = (REAL *)aligned_take(&mine, GEMM_MR * NR * sizeof(REAL));
            run *runs = (run *)aligned_take(&mine, p.taps * NR * sizeof(run));
            int32_t *found = (int32_t *)mine;
            for (int64_t q = p0; q < p1; q++)
                NAME(pack_panel)(job, &p, g, q * NR, MIN(NR, total - q * NR), panel + (q - p0) * size * NR, runs, found);
            for (int64_t r = rows * m / chunks; r < rows * (m + 1) / chunks; r++) {
                const int64_t row = o.columns * r / rows, count = o.columns * (r + 1) / rows - row;
                for (int64_t q = p0; q < p1; q++)
                    NAME(pixel_tile)(job, &p, g, row, (int)count, job->packed + (g * o.columns + row) * size,
                                     panel + (q - p0) * size * NR, q * NR, MIN(NR, total - q * NR), tile);
            }
        }
        job->packed += s->g * o.columns * p.taps * o.depth;
    }
}

/* -- entry ------------------------------------------------------------------------------------------------------------- */

/* NHWC copies of NCHW operands, for filters in the lanes. */
static int64_t NAME(converted_bytes)(const geometry *s) {
    return ROUND_UP(s->n * s->c * s->h * s->w * (int64_t)sizeof(REAL), CACHE_LINE) +
           ROUND_UP(s->n * s->k * s->oh * s->ow * (int64_t)sizeof(REAL), CACHE_LINE);
}

static int64_t NAME(direct_workspace)(const geometry *s, int input_grad, int pixel_lanes, int threads) {
    const operands o = operands_of(s, input_grad);
    int64_t bytes = ROUND_UP(s->kh * s->kw * (int64_t)sizeof(tap), CACHE_LINE);
    if (pixel_lanes) return bytes + threads * ROUND_UP(NAME(pixels_scratch)(s, input_grad), CACHE_LINE);
    bytes += ROUND_UP(o.depth * (int64_t)sizeof(REAL), CACHE_LINE);
    bytes += ROUND_UP(s->g * ROUND_UP(o.columns, NR) * (int64_t)sizeof(REAL), CACHE_LINE);
    if (!s->channels_last) bytes += NAME(converted_bytes)(s);
    return bytes + threads * ROUND_UP(NAME(filters_scratch)(s, input_grad), CACHE_LINE);
}

static void NAME(direct_run)(const geometry *s, int input_grad, int pixel_lanes, const REAL *x, const REAL *packed, const REAL *bias,
                             int activation, REAL slope, REAL *out, char *workspace, int threads) {
    NAME(direct_job) job = {s, operands_of(s, input_grad), x, packed, bias, out, activation, slope, NULL};
    const operands *o = &job.o;
    tap *storage = (tap *)aligned_take(&workspace, s->kh * s->kw * sizeof(tap));
    if (pixel_lanes) {
        NAME(direct_pixels)(&job, input_grad, storage, workspace, ROUND_UP(NAME(pixels_scratch)(s, input_grad), CACHE_LINE), threads);
        return;
    }
    REAL *zeros = (REAL *)aligned_take(&workspace, o->depth * sizeof(REAL));
    memset(zeros, 0, o->depth * sizeof(REAL));
    job.zeros = zeros;
    const int64_t padded = ROUND_UP(o->columns, NR);
    REAL *padded_bias = (REAL *)aligned_take(&workspace, s->g * padded * sizeof(REAL));
    if (bias) {
        for (int64_t g = 0; g < s->g; g++)
            for (int64_t j = 0; j < padded; j++) padded_bias[g * padded + j] = j < o->columns ? bias[g * o->columns + j] : 0;
        job.bias = padded_bias;
    }
    const int64_t src = o->src_h * o->src_w, dst = o->dst_h * o->dst_w;
    if (!s->channels_last) {
        REAL *copy = (REAL *)aligned_take(&workspace, s->n * src * o->src_c * sizeof(REAL));
        job.x = copy;
        job.out = (REAL *)aligned_take(&workspace, s->n * dst * o->dst_c * sizeof(REAL));
#pragma omp parallel for num_threads(threads) schedule(static) collapse(2)
        for (int64_t n = 0; n < s->n; n++)
            for (int64_t c = 0; c < o->src_c; c += VL)
                NAME(transpose)(x + (n * o->src_c + c) * src, src, MIN(VL, o->src_c - c), src, copy + n * src * o->src_c + c, o->src_c);
    }
    NAME(direct_filters)(&job, input_grad, storage, workspace, ROUND_UP(NAME(filters_scratch)(s, input_grad), CACHE_LINE), threads);
    if (!s->channels_last) {
#pragma omp parallel for num_threads(threads) schedule(static) collapse(2)
        for (int64_t n = 0; n < s->n; n++)
            for (int64_t c = 0; c < o->dst_c; c += VL)
                NAME(transpose)(job.out + n * dst * o->dst_c + c, o->dst_c, dst, MIN(VL, o->dst_c - c), out + (n * o->dst_c + c) * dst, dst);
    }
}
