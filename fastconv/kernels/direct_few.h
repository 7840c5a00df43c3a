/* Direct convolution of few input channels, as the first layer of a network and the input gradient of its last one have, or of NCHW images
 * with few filters, as the input gradient of the first and the last layer of a network of images have (template: REAL, NAME, IS_DOUBLE).
 *
 * A strip of input rows is copied, padded: of NCHW with a plane for every channel and every remainder of the column modulo the stride
 * ([row][channel][remainder][width]), so that at each step of the reduction the values that neighbouring outputs of a row meet lie side by
 * side; channels-last as it is. They are at an offset that is the same for all tiles. Tiles have filters in the lanes, or for NCHW outputs
 * pixels where they fill them.
 * Few filters: some channels at a time are copied, to stay in the second-level cache, and their products added to the outputs. So are
 * groups of few filters: those of an NCHW image are images of their own, which differ in their filters.
 */
#ifndef FASTCONV_DIRECT_FEW_H
#define FASTCONV_DIRECT_FEW_H

enum {
    FEW_CHANNELS = 16,        /* fewer than this */
    STRIP_BYTES = 128 * 1024, /* of input rows copied at a time, and again as many that the kernel reaches beyond */
    CHANNELS_BYTES = 192 * 1024, /* for few filters: of rows of some channels copied at a time, */
    SPARE_ROWS = 8,           /* at most one more than so many times those that two strips share */
    GROUPS_ROW_BYTES = 112,   /* of an output row, at least, for groups to have pixels in the lanes */
    FETCH_ROWS = 2,           /* so many rows ahead are asked for */
    STRIPS_PER_THREAD = 8,    /* at least, where there are rows enough */
    TRANSPOSE_STEPS = 8       /* steps of the reduction that transposing a tile takes as long as */
};

/* Whether an NCHW output has pixels in the lanes, some of them empty, rather than tiles that are transposed. */
static int few_lanes(const geometry *s, int64_t item) {
    const int64_t steps = s->c * s->kh * s->kw;
    return !s->channels_last &&
           (s->k <= NARROW_BYTES / item || ROUND_UP(s->ow, SIMD_BYTES / item) * steps < s->ow * (steps + TRANSPOSE_STEPS));
}

/* The input gradient at stride 1 as the convolution of gy that it is; its kernel is reversed. Of NCHW every group as an image. */
static geometry few_geometry(const geometry *s, int input_grad) {
    geometry f = *s;
    if (input_grad) {
        f.c = s->k, f.h = s->oh, f.w = s->ow, f.k = s->c, f.oh = s->h, f.ow = s->w;
        f.pt = (s->kh - 1) * s->dh - s->pt, f.pl = (s->kw - 1) * s->dw - s->pl;
    }
    if (!s->channels_last) f.n *= s->g, f.c /= s->g, f.k /= s->g;
    return f;
}

/* Columns of a plane. Whole vectors of pixels are read. */
static int64_t few_width(const geometry *s, int64_t item) {
    return ROUND_UP(s->ow, few_lanes(s, item) ? SIMD_BYTES / item : 1) + (s->kw - 1) * s->dw / s->sw;
}

/* Input rows that `rows` output rows span. */
static int64_t few_height(const geometry *s, int64_t rows) { return (rows - 1) * s->sh + (s->kh - 1) * s->dh + 1; }

static int has_few_filters(const geometry *s, int64_t item) { return !s->channels_last && s->k <= NARROW_BYTES / item; }

/* Whether few channels, or filters, make it faster than tiles that read through pointers. */
static int has_few_channels(const geometry *s, int input_grad, int64_t item) {
    const geometry f = few_geometry(s, input_grad);
    if (f.g > 1 && (!has_few_filters(&f, item) || f.ow * item < GROUPS_ROW_BYTES)) return 0;
    if (f.kh * f.kw == 1 || (input_grad && (f.sh > 1 || f.sw > 1 || f.pt < 0 || f.pl < 0))) return 0;
    return has_few_filters(&f, item) || (f.c < FEW_CHANNELS && f.k > NARROW_BYTES / item);
}

/* Strips of so many output rows, and the channels that are copied at a time. */
typedef struct {
    int64_t rows, channels, width, row; /* columns of a plane; values of a row */
    int pairs; /* whether two rows, which share most of their windows, are computed together */
} few_plan;

static few_plan plan_few(const geometry *s, int64_t item, int threads) {
    const int64_t width = few_width(s, item), columns = s->sw * width, fair = s->n * s->oh / (STRIPS_PER_THREAD * threads);
    const int some = has_few_filters(s, item);
    few_plan p = {.channels = s->c, .width = width};
    p.rows = (some ? CHANNELS_BYTES : STRIP_BYTES / s->c) / (columns * item * s->sh);
    if (some) p.rows = MIN(p.rows, 1 + SPARE_ROWS * CEIL_DIV((s->kh - 1) * s->dh, s->sh));
    p.rows = MAX(1, MIN(s->oh, threads > 1 ? MIN(p.rows, fair) : p.rows));
    if (some) p.channels = MAX(1, MIN(s->c, CHANNELS_BYTES / (few_height(s, p.rows) * columns * item)));
    p.row = p.channels * columns;
    p.pairs = some && 2 * s->k <= WINDOW_ROWS && s->kh > 1 && s->sh == 1 && s->dh == 1;
    return p;
}

/* Bytes of a thread: the strip, a tile. */
static int64_t few_scratch(const geometry *s, int64_t item, int threads) {
    const few_plan p = plan_few(s, item, threads);
    return ROUND_UP(few_height(s, p.rows) * p.row * item, CACHE_LINE) + GEMM_MR * 2 * SIMD_BYTES;
}
#endif

/* to[i] = from[i] for i < count, in line: of rows as short as 32 values a call each shows. */
INLINE void NAME(copy_row)(const REAL *from, int64_t count, REAL *to) {
    if (count < VL) {
        NAME(store_n)(to, NAME(load_n)(from, count), count);
        return;
    }
    for (int64_t i = 0; i < count; i += VL) {
        const int64_t at = MIN(i, count - VL);
        NAME(store)(to + at, NAME(load)(from + at));
    }
}

/* Zeros for the first `left` and the last `right` of a row, and maybe for others, which are written after. */
INLINE void NAME(zero_ends)(REAL *to, int64_t width, int64_t left, int64_t right) {
    if (MAX(left, right) > VL || width < VL) {
        memset(to, 0, width * sizeof(REAL));
        return;
    }
    NAME(store)(to, (vec){0});
    NAME(store)(to + width - VL, (vec){0});
}

/* Channels [c0, c1) of one row of input, or of padding where y is outside. */
static void NAME(few_fill)(const NAME(direct_job) *job, int64_t width, int64_t n, int64_t y, int64_t c0, int64_t c1, REAL *to) {
    const geometry *s = job->s;
    const int64_t columns = s->sw * width;
    if (y < 0 || y >= s->h) {
        memset(to, 0, (c1 - c0) * columns * sizeof(REAL));
        return;
    }
    if (s->channels_last) { /* of all channels */
        const int64_t left = MIN(s->pl, columns), count = MIN(s->w, columns - left);
        NAME(zero_ends)(to, columns * s->c, left * s->c, (columns - left - count) * s->c);
        NAME(copy_row)(job->x + (n * s->h + y) * s->w * s->c, count * s->c, to + left * s->c);
        return;
    }
    const REAL *row = job->x + ((n * s->c + c0) * s->h + y) * s->w;
    /* Position p holds columns p sw - pl to p sw - pl + sw - 1: all of them inside for a <= p < b. */
    const int64_t a = MIN(width, CEIL_DIV(s->pl, s->sw)), b = MAX(a, MIN(width, (s->w + s->pl) / s->sw));
    const int64_t first = a * s->sw - s->pl, last = b < width ? b * s->sw - s->pl : s->w; /* columns at a and at b */
    const int64_t ahead = y + FETCH_ROWS >= s->h ? 0 : s->w;
    for (int64_t c = c0; c < c1; c++, to += columns, row += s->h * s->w) {
        for (int64_t i = 0; i < ahead; i += CACHE_LINE / sizeof(REAL)) __builtin_prefetch(row + FETCH_ROWS * s->w + i);
        for (int64_t m = 0; m < s->sw; m++) NAME(zero_ends)(to + m * width, width, a, width - b);
        if (s->sw == 1) {
            NAME(copy_row)(row + a - s->pl, b - a, to + a);
            continue;
        }
        NAME(split)(row + a * s->sw - s->pl, s->sw, b - a, to + a, width);
        /* Positions of which some columns are inside. */
        for (int64_t x = 0; x < MIN(first, s->w); x++) to[(x - first + s->sw) * width + a - 1] = row[x];
        for (int64_t x = last; x < s->w; x++) to[(x - last) * width + b] = row[x];
    }
}

/* Row q of outputs, its window of the strip beginning at x, with filters in the lanes: panels [u0, u1). at: where the values of each
 * step of the reduction lie. */
static void NAME(few_row_tiles)(const NAME(direct_job) *job, int64_t n, int64_t q, const REAL *x, const int64_t *at, int64_t u0, int64_t u1,
                                REAL *tile) {
    const geometry *s = job->s;
    const int64_t steps = s->c * s->kh * s->kw, tiles = blocks_of(s->ow, GEMM_MR), plane = s->oh * s->ow;
    const int64_t along = s->channels_last ? s->sw * s->c : 1;
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
            NAME(window_rows)((int)count, x + first * along, along, at, steps, job->packed + u * steps * NR, &sink);
            if (!s->channels_last)
                NAME(transpose)(tile, NR, count, sink.columns, job->out + (n * s->k + u * NR) * plane + pixel, plane);
        }
    }
}

/* The same with pixels in the lanes: rows q and, of a `pair`, q + 1; all filters, channels [c0, c1). */
static void NAME(few_lane_tiles)(const NAME(direct_job) *job, const few_plan *p, int64_t n, int64_t q, int pair, const REAL *x,
                                 const int64_t *at, int64_t c0, int64_t c1) {
    const geometry *s = job->s;
    const int64_t taps = s->kh * s->kw, blocks = pair ? 1 : blocks_of(s->k, WINDOW_ROWS), plane = s->oh * s->ow;
    REAL *out[GEMM_MR], bias[WINDOW_ROWS];
    NAME(sink) sink = {out, 0, NULL, c0 > 0, c1 == s->c ? job->activation : ACT_NONE, job->slope};
    if (job->bias && c0 == 0) sink.bias = bias;
    for (int64_t b = 0; b < blocks; b++) {
        const int64_t filter = s->k * b / blocks, filters = s->k * (b + 1) / blocks - filter, rows = filters << pair;
        const REAL *a = job->packed + (filter * s->c + c0 * filters) * taps;
        for (int64_t m = 0; m < rows && sink.bias; m++) bias[m] = job->bias[filter + m % filters];
        for (int64_t first = 0; first < s->ow; first += WINDOW_VECTORS * VL) {
            for (int64_t m = 0; m < rows; m++)
                out[m] = job->out + (n * s->k + filter + m % filters) * plane + (q + m / filters) * s->ow + first;
            sink.columns = MIN(WINDOW_VECTORS * VL, s->ow - first);
            sink.ahead = first + sink.columns < s->ow ? sink.columns : b + 1 < blocks ? rows * plane - first : 0;
            if (pair)
                NAME(window_pair)((int)filters, a, x + first, at, c1 - c0, taps, s->kw, p->row, &sink);
            else
                NAME(window_lanes)((int)filters, a, x + first, at, (c1 - c0) * taps, &sink);
        }
    }
}

/* Output rows [q0, q1) of image n. */
static void NAME(few_item)(const NAME(direct_job) *whole, const few_plan *p, int64_t n, int64_t q0, int64_t q1, const int64_t *at,
                           char *scratch) {
    const geometry *s = whole->s;
    const int64_t group = n % s->g;
    NAME(direct_job) of_group = *whole, *job = &of_group;
    job->packed += group * s->k * s->c * s->kh * s->kw;
    if (job->bias) job->bias += group * s->k;
    const int64_t height = few_height(s, q1 - q0), panels = job->layout.panels;
    REAL *strip = (REAL *)aligned_take(&scratch, few_height(s, p->rows) * p->row * sizeof(REAL));
    REAL *tile = (REAL *)scratch;
    const int64_t filters = panels * s->c * s->kh * s->kw * NR * (int64_t)sizeof(REAL);
    const int64_t together = filters <= SMALL_FILTERS ? panels : 1;
    for (int64_t c0 = 0, c1; c0 < s->c; c0 = c1) {
        c1 = MIN(s->c, c0 + p->channels);
        for (int64_t i = 0; i < height; i++)
            NAME(few_fill)(job, p->width, n, q0 * s->sh - s->pt + i, c0, c1, strip + i * p->row);
        if (few_lanes(s, sizeof(REAL))) {
            for (int64_t q = q0, pair; q < q1; q += 1 + pair) {
                pair = p->pairs && q + 1 < q1;
                NAME(few_lane_tiles)(job, p, n, q, (int)pair, strip + (q - q0) * s->sh * p->row, at, c0, c1);
            }
            continue;
        }
        for (int64_t u = 0; u < panels; u += together)
            for (int64_t q = q0; q < q1; q++)
                NAME(few_row_tiles)(job, n, q, strip + (q - q0) * s->sh * p->row, at, u, u + together, tile);
    }
}

/* `job`: of few_geometry. Filters in the lanes are packed with the taps in their own order, which an input gradient reverses. */
static void NAME(direct_few)(const NAME(direct_job) *job, int input_grad, char *scratch, int threads) {
    const geometry *s = job->s;
    const few_plan p = plan_few(s, sizeof(REAL), threads);
    const int64_t each = few_scratch(s, sizeof(REAL), threads), taps = s->kh * s->kw;
    int64_t *at = (int64_t *)aligned_take(&scratch, s->c * taps * sizeof(int64_t));
    const int lanes = few_lanes(s, sizeof(REAL));
    for (int64_t i = 0; i < s->kh; i++)
        for (int64_t j = 0; j < s->kw; j++)
            for (int64_t c = 0; c < p.channels; c++) {
                const int64_t tap = i * s->kw + j, packed = input_grad ? taps - 1 - tap : tap, x = j * s->dw;
                const int64_t place = s->channels_last ? x * s->c + c : (c * s->sw + x % s->sw) * p.width + x / s->sw;
                at[lanes ? c * taps + tap : packed * s->c + c] = i * s->dh * p.row + place;
            }
    const int64_t strips = blocks_of(s->oh, p.rows);
#pragma omp parallel for num_threads(threads) schedule(dynamic)
    for (int64_t i = 0; i < s->n * strips; i++) {
        const int64_t n = i / strips, m = i % strips;
        NAME(few_item)(job, &p, n, s->oh * m / strips, s->oh * (m + 1) / strips, at, scratch + thread_index() * each);
    }
}
