/* Weight gradient of NCHW data with pixels in the lanes (template: REAL, NAME, IS_DOUBLE; after direct.h).
 *
 *   dw[k][c][tap] = sum over output pixels of gy[k][pixel] x[c][pixel + tap]
 *
 * A tile of filters x (channel, tap) pairs has a vector of partial sums each, which go through the pixels of a strip run by run and then
 * are added up. gy is read in place. x is copied, a strip at a time, to planes in which the pixels that meet gradients lie in line.
 * Kernel rows that are a multiple of the stride apart share a plane with more rows than the strip. Of wide images kernel columns share
 * planes alike, and a run is a row; else every column has a plane as wide as gy's, and a run is an image:
 *
 *     plane of tap (0, kw), rows y0 .. y1 + 2:   ------------------------
 *     run that tap (0, kw) meets                 ----------------
 *                  (1, kw)                           ----------------
 *                  (2, kw)                               ----------------
 *
 * As in direct_weight.h, few weights have sums of their own for chunks of strips, and of many weights threads own tiles.
 */
#ifndef FASTCONV_PIXEL_WEIGHT_H
#define FASTCONV_PIXEL_WEIGHT_H
enum {
    INNER_ROWS = GEMM_MR < 8 ? 3 : 4, /* 24 sums, 4 gradients, 1 input: 29 of 32 registers; or 9, 3 and 1 of 16 */
    INNER_COLUMNS = GEMM_MR < 8 ? 3 : 6,
    INNER_MOST = 12,                  /* columns, for one filter */
    INNER_SUMS = 32,
    INNER_WIDE_BYTES = 256,           /* of an image's row, at least, for rows to be runs */
    INNER_STRIP_BYTES = 768 * 1024,   /* planes and gy of a strip, in the second-level cache */
    INNER_STRIPS = 16,                /* at least, for threads to share, of small images of which each has */
    INNER_STRIP_PIXELS = 2048
};

/* Columns of a tile of so many rows. */
static int inner_columns(int64_t rows) {
    if (rows >= INNER_ROWS) return INNER_COLUMNS;
    if (GEMM_MR < 8) return rows == 1 ? 8 : 5;
    return rows == 1 ? INNER_MOST : rows == 2 ? 10 : 8;
}

/* Planes of one channel along one axis, and by how much they are longer than the output. */
typedef struct {
    int64_t planes, more;
} shared_planes;

/* Kernel elements of which positions differ by a multiple of the stride share a plane. */
static shared_planes share_planes(int64_t taps, int64_t stride, int64_t dilation) {
    shared_planes p = {1, (taps - 1) * dilation / stride};
    while (p.planes < taps && p.planes * dilation % stride) p.planes++;
    return p;
}

/* A strip is so many images or, of one image, so many output rows. */
typedef struct {
    int64_t images, rows;
    int wide;                 /* runs are rows */
    int64_t vertical, across; /* planes of a channel */
    int64_t more;             /* rows of a plane beyond the strip's */
    int64_t width;            /* of a plane */
    int64_t segment, step;    /* elements from image to image, and from plane to plane */
    int64_t strips, parts;    /* parts of an image that are strips */
    int64_t chunks, sums;     /* of strips, with sums of their own; elements of those, whole cache lines */
} pixel_strip;

static pixel_strip plan_pixel_strip(const geometry *s, int64_t item, int threads) {
    const int64_t lanes = SIMD_BYTES / item;
    shared_planes down = share_planes(s->kh, s->sh, s->dh), right = share_planes(s->kw, s->sw, s->dw);
    if (down.planes * (s->oh + down.more) > s->kh * s->oh) down = (shared_planes){s->kh, 0};
    pixel_strip p = {.images = 1, .rows = s->oh, .vertical = down.planes, .more = down.more};
    p.wide = s->kw > 1 && s->ow * item >= INNER_WIDE_BYTES && right.more <= s->ow && right.planes < s->kw;
    p.across = p.wide ? right.planes : s->kw;
    p.width = s->ow + (p.wide ? right.more : 0);
    const int64_t x = p.width * s->c * p.vertical * p.across * item, row = x + s->ow * s->k * item, rest = INNER_STRIP_BYTES - p.more * x;
    if (p.wide || row * s->oh > rest)
        p.rows = CEIL_DIV(s->oh, CEIL_DIV(s->oh, MAX(1 + p.more, rest / row)));
    else
        p.images = MAX(1, MIN(MAX(CEIL_DIV(s->n, INNER_STRIPS), INNER_STRIP_PIXELS / (s->oh * s->ow)),
                              INNER_STRIP_BYTES / (p.more * x + row * s->oh)));
    p.segment = ROUND_UP((p.rows + p.more) * p.width, lanes);
    /* An odd number of cache lines, so that planes fall into different sets of the first-level cache. */
    p.step = p.images * p.segment / lanes % 2 ? p.images * p.segment : p.images * p.segment + lanes;
    p.parts = CEIL_DIV(s->oh, p.rows);
    p.strips = CEIL_DIV(s->n, p.images) * p.parts;
    p.sums = ROUND_UP(s->k * (s->c / s->g) * s->kh * s->kw, CACHE_LINE / item);
    p.chunks = chunks_for_threads(p.sums * item, p.strips, threads);
    return p;
}

/* Which of the input's rows or columns, from its first window on, a plane begins with, and where in it a tap's values begin. */
static int64_t plane_begin(int64_t plane, int64_t more, int64_t stride, int64_t dilation) {
    return more ? plane * dilation % stride : plane * dilation;
}
static int64_t tap_begin(int64_t tap, int64_t more, int64_t stride, int64_t dilation) { return more ? tap * dilation / stride : 0; }
#endif

/* Bytes of the planes of a strip. */
static int64_t NAME(planes_bytes)(const geometry *s, const pixel_strip *p) {
    return ROUND_UP(p->step * p->vertical * p->across * s->c * (int64_t)sizeof(REAL), CACHE_LINE);
}

static int64_t NAME(pixel_weight_workspace)(const geometry *s, int threads) {
    const pixel_strip p = plan_pixel_strip(s, sizeof(REAL), threads);
    const int64_t places = ROUND_UP(s->kh * s->kw * (int64_t)sizeof(int64_t), CACHE_LINE), planes = NAME(planes_bytes)(s, &p);
    return places + (p.chunks > 1 ? threads * planes + p.chunks * p.sums * (int64_t)sizeof(REAL) : planes);
}

/* `rows` rows of a plane: the input's row y, may it exist or not, and every sh-th from there; columns -left, sw - left, ... */
static void NAME(copy_pixels)(const geometry *s, const REAL *from, int64_t y, int64_t left, int64_t rows, int64_t width, REAL *to) {
    if (s->w == width && s->sw == 1 && left == 0 && s->sh == 1 && y >= 0 && y + rows <= s->h) {
        memcpy(to, from + y * s->w, rows * width * sizeof(REAL));
        return;
    }
    const int64_t lo = MIN(width, left > 0 ? CEIL_DIV(left, s->sw) : 0);
    const int64_t hi = s->w + left > 0 ? MAX(lo, MIN(width, (s->w - 1 + left) / s->sw + 1)) : lo;
    for (int64_t i = 0; i < rows; i++, y += s->sh, to += width) {
        if (y < 0 || y >= s->h) {
            memset(to, 0, width * sizeof(REAL));
            continue;
        }
        NAME(zero_ends)(to, width, lo, width - hi);
        if (s->sw == 1)
            NAME(copy_row)(from + y * s->w + lo - left, hi - lo, to + lo);
        else if (lo < hi)
            NAME(every_nth)(from + y * s->w + lo * s->sw - left, s->sw, hi - lo, to + lo);
    }
}

/* sums[i][j] = sum over runs and pixels of a[i] b[j]; a run's `pixels` values lie in line. */
INLINE void NAME(inner_tile)(const int rows, const int columns, int64_t runs, int64_t pixels, const REAL *const *a, int64_t a_run,
                             const REAL *const *b, int64_t b_run, REAL *sums) {
    const int64_t whole = pixels / VL * VL;
    vec acc[INNER_SUMS] = {{0}};
    const REAL *p[INNER_ROWS], *q[INNER_MOST];
    UNROLL for (int i = 0; i < rows; i++) p[i] = a[i];
    UNROLL for (int j = 0; j < columns; j++) q[j] = b[j];
    for (int64_t n = 0; n < runs; n++) {
        for (int64_t x = 0; x < whole; x += VL) {
            vec v[INNER_ROWS];
            UNROLL for (int i = 0; i < rows; i++) v[i] = NAME(load)(p[i] + x);
            UNROLL for (int j = 0; j < columns; j++) {
                const vec w = NAME(load)(q[j] + x);
                UNROLL for (int i = 0; i < rows; i++) acc[i * columns + j] += v[i] * w;
            }
        }
        if (whole < pixels) {
            vec v[INNER_ROWS];
            UNROLL for (int i = 0; i < rows; i++) v[i] = NAME(load_part)(p[i] + whole, pixels - whole);
            UNROLL for (int j = 0; j < columns; j++) {
                const vec w = NAME(load_part)(q[j] + whole, pixels - whole);
                UNROLL for (int i = 0; i < rows; i++) acc[i * columns + j] += v[i] * w;
            }
        }
        UNROLL for (int i = 0; i < rows; i++) p[i] += a_run;
        UNROLL for (int j = 0; j < columns; j++) q[j] += b_run;
    }
    for (int i = 0; i < rows * columns; i += VL) *(vec *)(sums + i) = NAME(sum_lanes)(acc + i);
}

static void NAME(inner)(int rows, int columns, int64_t runs, int64_t pixels, const REAL *const *a, int64_t a_run, const REAL *const *b,
                        int64_t b_run, REAL *sums) {
#define TILE(r, c)                                                                     \
    case 16 * r + c: NAME(inner_tile)(r, c, runs, pixels, a, a_run, b, b_run, sums); break;
    switch (16 * rows + columns) {
#if GEMM_MR < 8
        TILE(1, 8) TILE(2, 5) TILE(3, 1) TILE(3, 2) TILE(3, 3)
#else
        TILE(1, 12) TILE(2, 10) TILE(3, 8) TILE(4, 1) TILE(4, 2) TILE(4, 3) TILE(4, 4) TILE(4, 5) TILE(4, 6)
#endif
    }
#undef TILE
}

/* The sums over strips [first, last), which `threads` share. at: where the values of each tap begin in the planes of a channel. */
static void NAME(pixel_weight_strips)(const geometry *s, const pixel_strip *p, const int64_t *at, const REAL *x, const REAL *gy,
                                      int64_t first, int64_t last, REAL *copy, REAL *dw, int threads) {
    const int64_t cg = s->c / s->g, kg = s->k / s->g, plane = s->oh * s->ow, taps = s->kh * s->kw, depth = cg * taps;
    const int64_t planes = p->vertical * p->across, tile_rows = MIN(kg, INNER_ROWS), tile_columns = inner_columns(kg);
    const int64_t high = CEIL_DIV(kg, INNER_ROWS), wide = blocks_of(depth, tile_columns);
#pragma omp parallel num_threads(threads)
    for (int64_t strip = first; strip < last; strip++) {
        const int64_t n = strip / p->parts * p->images, part = strip % p->parts, images = MIN(p->images, s->n - n);
        const int64_t y0 = s->oh * part / p->parts, y1 = s->oh * (part + 1) / p->parts, pixels = (y1 - y0) * s->ow;
        const int64_t runs = p->wide ? y1 - y0 : images, run = p->wide ? s->ow : pixels;
        int64_t begin, end;
        share(s->c * planes, thread_index(), team_size(), &begin, &end);
        for (int64_t t = begin; t < end; t++) {
            const int64_t y = y0 * s->sh - s->pt + plane_begin(t % planes / p->across, p->more, s->sh, s->dh);
            const int64_t left = s->pl - plane_begin(t % p->across, p->width - s->ow, s->sw, s->dw);
            for (int64_t i = 0; i < images; i++)
                NAME(copy_pixels)(s, x + ((n + i) * s->c + t / planes) * s->h * s->w, y, left, y1 - y0 + p->more, p->width,
                                  copy + t * p->step + i * p->segment);
        }
#pragma omp barrier
        share(s->g * high * wide, thread_index(), team_size(), &begin, &end);
        for (int64_t t = begin; t < end; t++) {
            const int64_t g = t / wide / high, k0 = t / wide % high * INNER_ROWS, d0 = depth * (t % wide) / wide;
            const int64_t rows = MIN(INNER_ROWS, kg - k0), columns = depth * (t % wide + 1) / wide - d0;
            const int64_t width = tile_rows < INNER_ROWS ? tile_columns : columns;
            const REAL *a[INNER_ROWS], *b[INNER_MOST], *channel = copy + (g * cg + d0 / taps) * planes * p->step;
            REAL sums[INNER_SUMS] __attribute__((aligned(SIMD_BYTES)));
            /* Rows and columns beyond the last repeat it. */
            for (int64_t i = 0; i < tile_rows; i++) a[i] = gy + (n * s->k + g * kg + k0 + MIN(i, rows - 1)) * plane + y0 * s->ow;
            for (int64_t j = 0, tap = d0 % taps; j < width; j++) {
                b[j] = channel + at[tap];
                if (j < columns - 1 && ++tap == taps) tap = 0, channel += planes * p->step;
            }
            /* A share of the gradients of the next tiles of filters is asked for. */
            const int64_t next = MIN(INNER_ROWS, kg - k0 - INNER_ROWS) * images;
            for (int64_t f = MAX(0, next) * (t % wide) / wide; f < next * (t % wide + 1) / wide; f++) {
                const REAL *from = a[0] + (f % images * s->k + INNER_ROWS + f / images) * plane;
                for (int64_t i = 0; i < pixels; i += CACHE_LINE / sizeof(REAL)) __builtin_prefetch(from + i, 0, 2);
            }
            NAME(inner)((int)tile_rows, (int)width, runs, run, a, p->wide ? s->ow : s->k * plane, b, p->wide ? p->width : p->segment, sums);
            REAL *to = dw + (g * kg + k0) * depth + d0;
            for (int64_t i = 0; i < rows; i++)
                for (int64_t j = 0; j < columns; j++)
                    to[i * depth + j] = sums[i * width + j] + (strip > first ? to[i * depth + j] : 0);
        }
#pragma omp barrier
    }
}

static void NAME(pixel_weight_grad)(const geometry *s, const REAL *x, const REAL *gy, REAL *dw, char *workspace, int threads) {
    const pixel_strip p = plan_pixel_strip(s, sizeof(REAL), threads);
    const int64_t taps = s->kh * s->kw, each = NAME(planes_bytes)(s, &p), weights = s->k * (s->c / s->g) * taps;
    int64_t *at = (int64_t *)aligned_take(&workspace, taps * sizeof(int64_t));
    for (int64_t t = 0; t < taps; t++) {
        const int64_t kh = t / s->kw, kw = t % s->kw;
        at[t] = (kh % p.vertical * p.across + kw % p.across) * p.step + tap_begin(kh, p.more, s->sh, s->dh) * p.width +
                tap_begin(kw, p.width - s->ow, s->sw, s->dw);
    }
    if (p.chunks == 1) {
        NAME(pixel_weight_strips)(s, &p, at, x, gy, 0, p.strips, (REAL *)workspace, dw, threads);
        return;
    }
    REAL *sums = (REAL *)aligned_take(&workspace, p.chunks * p.sums * sizeof(REAL)); /* [chunk][weight] */
#pragma omp parallel for num_threads(threads) schedule(dynamic)
    for (int64_t i = 0; i < p.chunks; i++)
        NAME(pixel_weight_strips)(s, &p, at, x, gy, p.strips * i / p.chunks, p.strips * (i + 1) / p.chunks,
                                  (REAL *)(workspace + thread_index() * each), sums + i * p.sums, 1);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t v = 0; v < p.sums; v += VL) NAME(store_n)(dw + v, NAME(chunks_total)(sums + v, p.chunks, p.sums), weights - v);
}
