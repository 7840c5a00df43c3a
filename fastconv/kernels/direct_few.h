/* Direct convolution of few input channels, as the first layer of a network has, or few filters, as its input gradient has (template: REAL,
 * NAME, IS_DOUBLE).
 *
 * A strip of input rows is copied once, padded, with a plane for every channel and every remainder of the column modulo the stride
 * ([row][channel][remainder][width]), so that at each step of the reduction the values that neighbouring outputs of a row meet lie side by
 * side, at an offset that is the same for all tiles. Tiles have filters in the lanes, or for NCHW outputs pixels where they fill them.
 */
#ifndef FASTCONV_DIRECT_FEW_H
#define FASTCONV_DIRECT_FEW_H

enum {
    FEW_CHANNELS = 16,        /* fewer than this */
    STRIP_BYTES = 128 * 1024, /* of input rows copied at a time, and again as many that the kernel reaches beyond */
    STRIPS_PER_THREAD = 8,    /* at least, where there are rows enough */
    TRANSPOSE_STEPS = 8       /* steps of the reduction that transposing a tile takes as long as */
};

/* Whether an NCHW output has pixels in the lanes, some of them empty, rather than tiles that are transposed. */
static int few_lanes(const geometry *s, int64_t item) {
    const int64_t steps = s->c * s->kh * s->kw;
    return !s->channels_last &&
           (s->k <= NARROW_BYTES / item || ROUND_UP(s->ow, SIMD_BYTES / item) * steps < s->ow * (steps + TRANSPOSE_STEPS));
}

/* The input gradient at stride 1 as the convolution of gy that it is; its kernel is reversed. */
static geometry few_geometry(const geometry *s, int input_grad) {
    geometry f = *s;
    if (!input_grad) return f;
    f.c = s->k, f.h = s->oh, f.w = s->ow, f.k = s->c, f.oh = s->h, f.ow = s->w;
    f.pt = (s->kh - 1) * s->dh - s->pt, f.pl = (s->kw - 1) * s->dw - s->pl;
    return f;
}

/* Columns of a plane, and values of a row. Whole vectors of pixels are read. */
static int64_t few_width(const geometry *s, int64_t item) {
    return ROUND_UP(s->ow, few_lanes(s, item) ? SIMD_BYTES / item : 1) + (s->kw - 1) * s->dw / s->sw;
}
static int64_t few_row(const geometry *s, int64_t item) { return s->c * s->sw * few_width(s, item); }

/* Input rows that `rows` output rows span. */
static int64_t few_height(const geometry *s, int64_t rows) { return (rows - 1) * s->sh + (s->kh - 1) * s->dh + 1; }

/* Whether few channels, or filters, make it faster than tiles that read through pointers. */
static int has_few_channels(const geometry *s, int input_grad, int64_t item) {
    const geometry f = few_geometry(s, input_grad);
    const int narrow = f.k <= NARROW_BYTES / item, few = !input_grad && f.c < FEW_CHANNELS;
    if (f.g > 1 || f.kh * f.kw == 1 || (narrow && f.channels_last)) return 0;
    if (input_grad && (f.sh > 1 || f.sw > 1 || f.pt < 0 || f.pl < 0)) return 0;
    return few || (narrow && few_height(&f, 1) * few_row(&f, item) * item <= 2 * STRIP_BYTES);
}

/* Output rows of a strip. */
static int64_t few_rows(const geometry *s, int64_t item, int threads) {
    const int64_t fit = STRIP_BYTES / (few_row(s, item) * item * s->sh), fair = s->n * s->oh / (STRIPS_PER_THREAD * threads);
    return MAX(1, MIN(s->oh, threads > 1 ? MIN(fit, fair) : fit));
}

/* Bytes of a thread: the strip, a row of planes, a tile. */
static int64_t few_scratch(const geometry *s, int64_t item) {
    return ROUND_UP(few_height(s, few_rows(s, item, 1)) * few_row(s, item) * item, CACHE_LINE) +
           ROUND_UP(s->c * s->w * item, CACHE_LINE) + GEMM_MR * 2 * SIMD_BYTES;
}
#endif

/* One row of input, or of padding where y is outside. planes: room for a row. */
static void NAME(few_fill)(const NAME(direct_job) *job, int64_t n, int64_t y, REAL *planes, REAL *to) {
    const geometry *s = job->s;
    const int64_t width = few_width(s, sizeof(REAL)), columns = s->sw * width;
    if (y < 0 || y >= s->h) {
        memset(to, 0, s->c * columns * sizeof(REAL));
        return;
    }
    const REAL *row = job->x + (n * s->c * s->h + y) * s->w;
    if (s->channels_last) {
        NAME(split)(job->x + (n * s->h + y) * s->w * s->c, s->c, s->w, planes, s->w);
        row = planes;
    }
    /* Position p holds columns p sw - pl to p sw - pl + sw - 1: all of them inside for a <= p < b. */
    const int64_t a = MIN(width, CEIL_DIV(s->pl, s->sw)), b = MAX(a, MIN(width, (s->w + s->pl) / s->sw));
    for (int64_t c = 0; c < s->c; c++, to += columns, row += s->channels_last ? s->w : s->h * s->w) {
        NAME(split)(row + a * s->sw - s->pl, s->sw, b - a, to + a, width);
        for (int64_t p = a ? 0 : b; p < width; p = p + 1 == a ? b : p + 1)
            for (int64_t m = 0; m < s->sw; m++) {
                const int64_t x = p * s->sw + m - s->pl;
                to[m * width + p] = x >= 0 && x < s->w ? row[x] : 0;
            }
    }
}

/* Row q of outputs, its window of the strip beginning at x, with filters in the lanes: panels [u0, u1). at: where the values of each
 * step of the reduction lie. */
static void NAME(few_row_tiles)(const NAME(direct_job) *job, int64_t n, int64_t q, const REAL *x, const int64_t *at, int64_t u0, int64_t u1,
                                REAL *tile) {
    const geometry *s = job->s;
    const int64_t steps = s->c * s->kh * s->kw, tiles = blocks_of(s->ow, GEMM_MR), plane = s->oh * s->ow;
    REAL *out[GEMM_MR];
    NAME(sink) sink = {out, 0, NULL, 0, job->activation, job->slope};
    for (int64_t i = 0; i < tiles; i++) {
        const int64_t first = s->ow * i / tiles, count = s->ow * (i + 1) / tiles - first, pixel = q * s->ow + first;
        for (int64_t u = u0; u < u1; u++) {
            REAL *to = s->channels_last ? job->out + (n * plane + pixel) * s->k + u * NR : tile;
            for (int64_t m = 0; m < count; m++) out[m] = to + m * (s->channels_last ? s->k : NR);
            sink.columns = MIN(NR, s->k - u * NR);
            if (job->bias) sink.bias = job->bias + u * NR;
            sink.ahead = !s->channels_last ? 0 : u + 1 < u1 ? NR : count * s->k - (u1 - 1 - u0) * NR;
            NAME(window_rows)((int)count, x + first, at, steps, job->packed + u * steps * NR, &sink);
            if (!s->channels_last)
                NAME(transpose)(tile, NR, count, sink.columns, job->out + (n * s->k + u * NR) * plane + pixel, plane);
        }
    }
}

/* The same with pixels in the lanes: all filters. */
static void NAME(few_lane_tiles)(const NAME(direct_job) *job, int64_t n, int64_t q, const REAL *x, const int64_t *at) {
    const geometry *s = job->s;
    const int64_t steps = s->c * s->kh * s->kw, blocks = blocks_of(s->k, WINDOW_ROWS), plane = s->oh * s->ow;
    REAL *out[GEMM_MR];
    NAME(sink) sink = {out, 0, NULL, 0, job->activation, job->slope};
    for (int64_t b = 0; b < blocks; b++) {
        const int64_t filter = s->k * b / blocks, rows = s->k * (b + 1) / blocks - filter;
        if (job->bias) sink.bias = job->bias + filter;
        for (int64_t first = 0; first < s->ow; first += WINDOW_VECTORS * VL) {
            for (int64_t m = 0; m < rows; m++) out[m] = job->out + (n * s->k + filter + m) * plane + q * s->ow + first;
            sink.columns = MIN(WINDOW_VECTORS * VL, s->ow - first);
            sink.ahead = first + sink.columns < s->ow ? sink.columns : b + 1 < blocks ? rows * plane - first : 0;
            NAME(window_lanes)((int)rows, job->packed + filter * steps, x + first, at, steps, &sink);
        }
    }
}

/* Output rows [q0, q1) of image n. */
static void NAME(few_item)(const NAME(direct_job) *job, int64_t n, int64_t q0, int64_t q1, const int64_t *at, char *scratch) {
    const geometry *s = job->s;
    const int64_t row = few_row(s, sizeof(REAL)), height = few_height(s, q1 - q0), panels = job->layout.panels;
    REAL *strip = (REAL *)aligned_take(&scratch, height * row * sizeof(REAL));
    REAL *planes = (REAL *)aligned_take(&scratch, s->c * s->w * sizeof(REAL));
    REAL *tile = (REAL *)scratch;
    const int lanes = few_lanes(s, sizeof(REAL));
    const int64_t filters = panels * s->c * s->kh * s->kw * NR * (int64_t)sizeof(REAL);
    const int64_t together = lanes || filters <= SMALL_FILTERS ? panels : 1;
    for (int64_t i = 0; i < height; i++) NAME(few_fill)(job, n, q0 * s->sh - s->pt + i, planes, strip + i * row);
    for (int64_t u = 0; u < panels; u += together)
        for (int64_t q = q0; q < q1; q++) {
            const REAL *x = strip + (q - q0) * s->sh * row;
            if (lanes)
                NAME(few_lane_tiles)(job, n, q, x, at);
            else
                NAME(few_row_tiles)(job, n, q, x, at, u, u + together, tile);
        }
}

static void NAME(direct_few)(const NAME(direct_job) *job, int input_grad, char *scratch, int threads) {
    const geometry *s = job->s;
    const int64_t row = few_row(s, sizeof(REAL)), width = few_width(s, sizeof(REAL)), each = few_scratch(s, sizeof(REAL));
    int64_t *at = (int64_t *)aligned_take(&scratch, s->c * s->kh * s->kw * sizeof(int64_t)), k = 0;
    for (int64_t i = 0; i < s->kh; i++)
        for (int64_t j = 0; j < s->kw; j++)
            for (int64_t c = 0; c < s->c; c++) {
                const int64_t y = (input_grad ? s->kh - 1 - i : i) * s->dh, x = (input_grad ? s->kw - 1 - j : j) * s->dw;
                at[k++] = y * row + (c * s->sw + x % s->sw) * width + x / s->sw;
            }
    const int64_t strips = blocks_of(s->oh, few_rows(s, sizeof(REAL), threads));
#pragma omp parallel for num_threads(threads) schedule(dynamic)
    for (int64_t i = 0; i < s->n * strips; i++) {
        const int64_t n = i / strips, m = i % strips;
        NAME(few_item)(job, n, s->oh * m / strips, s->oh * (m + 1) / strips, at, scratch + thread_index() * each);
    }
}
