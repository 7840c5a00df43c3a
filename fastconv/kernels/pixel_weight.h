/* Weight gradient of a 1x1 kernel over NCHW data, pixels in the lanes (template: REAL, NAME, IS_DOUBLE; after direct.h).
 *
 *   dw[k][c] = sum over output pixels of gy[k][pixel] x[c][pixel]
 *
 * A tile of INNER_ROWS filters x INNER_COLUMNS channels has a vector of partial sums each, which run over the pixels of a strip and
 * then are added up. gy is read in place; of x the pixels that meet a gradient are copied, a strip at a time. Threads own tiles, so the
 * order of every sum is the same for any number of threads.
 */
#ifndef FASTCONV_PIXEL_WEIGHT_H
#define FASTCONV_PIXEL_WEIGHT_H
enum {
    INNER_ROWS = GEMM_MR < 8 ? 3 : 4, /* 24 sums, 4 gradients, 1 input: 29 of 32 registers; or 9, 3 and 1 of 16 */
    INNER_COLUMNS = GEMM_MR < 8 ? 3 : 6,
    INNER_STRIP_BYTES = 768 * 1024 /* x and gy of a strip, in the second-level cache */
};

/* A strip is so many images or, of one image, so many rows. */
typedef struct {
    int64_t images, rows;
    int64_t segment, step; /* elements of the copy of x from image to image, and from channel to channel */
} pixel_strip;

static pixel_strip plan_pixel_strip(const geometry *s, int64_t item) {
    const int64_t lanes = SIMD_BYTES / item, row = s->ow * (s->c + s->k) * item;
    pixel_strip p = {1, s->oh, 0, 0};
    if (row * s->oh <= INNER_STRIP_BYTES)
        p.images = MAX(1, MIN(s->n, INNER_STRIP_BYTES / (row * s->oh)));
    else
        p.rows = CEIL_DIV(s->oh, CEIL_DIV(s->oh, MAX(1, INNER_STRIP_BYTES / row)));
    p.segment = ROUND_UP(p.rows * s->ow, lanes);
    /* An odd number of cache lines, so that channels fall into different sets of the first-level cache. */
    p.step = p.images * p.segment / lanes % 2 ? p.images * p.segment : p.images * p.segment + lanes;
    return p;
}
#endif

static int64_t NAME(pixel_weight_workspace)(const geometry *s) {
    return plan_pixel_strip(s, sizeof(REAL)).step * s->c * (int64_t)sizeof(REAL);
}

/* The pixels of one channel that output rows [y0, y1) meet, zeros where padding is met; whole vectors. */
static void NAME(copy_pixels)(const geometry *s, const REAL *plane, int64_t y0, int64_t y1, REAL *to) {
    const int64_t pixels = (y1 - y0) * s->ow, lo = MIN(s->ow, CEIL_DIV(s->pl, s->sw));
    const int64_t hi = MAX(lo, MIN(s->ow, (s->w - 1 + s->pl) / s->sw + 1));
    if (s->w == s->ow && s->sw == 1 && s->pl == 0 && s->sh == 1 && y0 >= s->pt && y1 - s->pt <= s->h) {
        memcpy(to, plane + (y0 - s->pt) * s->w, pixels * sizeof(REAL));
    } else {
        for (int64_t i = 0; i < y1 - y0; i++) {
            const int64_t y = (y0 + i) * s->sh - s->pt;
            REAL *row = to + i * s->ow;
            if (y < 0 || y >= s->h) {
                memset(row, 0, s->ow * sizeof(REAL));
                continue;
            }
            if (lo) memset(row, 0, lo * sizeof(REAL));
            NAME(every_nth)(plane + y * s->w + lo * s->sw - s->pl, s->sw, hi - lo, row + lo);
            if (hi < s->ow) memset(row + hi, 0, (s->ow - hi) * sizeof(REAL));
        }
    }
    memset(to + pixels, 0, (ROUND_UP(pixels, VL) - pixels) * sizeof(REAL));
}

/* sums[i][j] = sum over images and pixels of a[i] b[j]; the values of one image lie together, `pixels` of them. */
INLINE void NAME(inner_tile)(const int columns, int64_t images, int64_t pixels, const REAL *const *a, int64_t a_image, const REAL *b,
                             int64_t b_step, int64_t b_image, REAL *sums) {
    const int64_t whole = pixels / VL * VL;
    vec acc[ROUND_UP(INNER_ROWS * INNER_COLUMNS, SIMD_BYTES / sizeof(REAL))] = {{0}};
    const REAL *p[INNER_ROWS];
    UNROLL for (int i = 0; i < INNER_ROWS; i++) p[i] = a[i];
    for (int64_t n = 0; n < images; n++, b += b_image) {
        for (int64_t x = 0; x < whole; x += VL) {
            vec v[INNER_ROWS];
            UNROLL for (int i = 0; i < INNER_ROWS; i++) v[i] = NAME(load)(p[i] + x);
            UNROLL for (int j = 0; j < columns; j++) {
                const vec w = *(const vec *)(b + j * b_step + x);
                UNROLL for (int i = 0; i < INNER_ROWS; i++) acc[i * INNER_COLUMNS + j] += v[i] * w;
            }
        }
        if (whole < pixels) {
            vec v[INNER_ROWS];
            UNROLL for (int i = 0; i < INNER_ROWS; i++) v[i] = NAME(load_part)(p[i] + whole, pixels - whole);
            UNROLL for (int j = 0; j < columns; j++) {
                const vec w = *(const vec *)(b + j * b_step + whole);
                UNROLL for (int i = 0; i < INNER_ROWS; i++) acc[i * INNER_COLUMNS + j] += v[i] * w;
            }
        }
        UNROLL for (int i = 0; i < INNER_ROWS; i++) p[i] += a_image;
    }
    for (int i = 0; i < INNER_ROWS * INNER_COLUMNS; i += VL) *(vec *)(sums + i) = NAME(sum_lanes)(acc + i);
}

static void NAME(inner)(int columns, int64_t images, int64_t pixels, const REAL *const *a, int64_t a_image, const REAL *b, int64_t b_step,
                        int64_t b_image, REAL *sums) {
#define COLUMNS(n)                                                                      \
    case n: NAME(inner_tile)(n, images, pixels, a, a_image, b, b_step, b_image, sums); break;
    switch (columns) {
        COLUMNS(1) COLUMNS(2) COLUMNS(3)
#if GEMM_MR > 8
        COLUMNS(4) COLUMNS(5) COLUMNS(6)
#endif
    }
#undef COLUMNS
}

static void NAME(pixel_weight_grad)(const geometry *s, const REAL *x, const REAL *gy, REAL *dw, char *workspace, int threads) {
    const pixel_strip p = plan_pixel_strip(s, sizeof(REAL));
    const int64_t cg = s->c / s->g, kg = s->k / s->g, plane = s->oh * s->ow;
    const int64_t high = CEIL_DIV(kg, INNER_ROWS), wide = blocks_of(cg, INNER_COLUMNS), parts = CEIL_DIV(s->oh, p.rows);
    REAL *copy = (REAL *)workspace;
#pragma omp parallel num_threads(threads)
    for (int64_t n = 0; n < s->n; n += p.images)
        for (int64_t part = 0; part < parts; part++) {
            const int64_t y0 = s->oh * part / parts, y1 = s->oh * (part + 1) / parts, pixels = (y1 - y0) * s->ow;
            const int64_t images = MIN(p.images, s->n - n);
            int64_t begin, end;
            share(s->c, thread_index(), team_size(), &begin, &end);
            for (int64_t c = begin; c < end; c++)
                for (int64_t i = 0; i < images; i++)
                    NAME(copy_pixels)(s, x + ((n + i) * s->c + c) * s->h * s->w, y0, y1, copy + c * p.step + i * p.segment);
#pragma omp barrier
            share(s->g * high * wide, thread_index(), team_size(), &begin, &end);
            for (int64_t t = begin; t < end; t++) {
                const int64_t g = t / wide / high, k0 = t / wide % high * INNER_ROWS, c0 = cg * (t % wide) / wide;
                const int64_t rows = MIN(INNER_ROWS, kg - k0), columns = cg * (t % wide + 1) / wide - c0;
                const REAL *a[INNER_ROWS];
                REAL sums[ROUND_UP(INNER_ROWS * INNER_COLUMNS, SIMD_BYTES / sizeof(REAL))] __attribute__((aligned(SIMD_BYTES)));
                /* Rows beyond the last repeat it. */
                for (int64_t i = 0; i < INNER_ROWS; i++) a[i] = gy + (n * s->k + g * kg + k0 + MIN(i, rows - 1)) * plane + y0 * s->ow;
                /* A share of the gradients of the next tiles of filters is asked for. */
                const int64_t next = MIN(INNER_ROWS, kg - k0 - INNER_ROWS) * images;
                for (int64_t f = MAX(0, next) * (t % wide) / wide; f < next * (t % wide + 1) / wide; f++) {
                    const REAL *from = a[0] + (f % images * s->k + INNER_ROWS + f / images) * plane;
                    for (int64_t i = 0; i < pixels; i += CACHE_LINE / sizeof(REAL)) __builtin_prefetch(from + i, 0, 2);
                }
                NAME(inner)((int)columns, images, pixels, a, s->k * plane, copy + (g * cg + c0) * p.step, p.step, p.segment, sums);
                REAL *to = dw + (g * kg + k0) * cg + c0;
                for (int64_t i = 0; i < rows; i++)
                    for (int64_t j = 0; j < columns; j++)
                        to[i * cg + j] = sums[i * INNER_COLUMNS + j] + (n + part ? to[i * cg + j] : 0);
            }
#pragma omp barrier
        }
}
