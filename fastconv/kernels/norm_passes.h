/* Passes over the pixels of channels, in both memory formats (template: REAL, NAME, IS_DOUBLE). A normalised pixel is
 *
 *     y = activation(gamma * (x - mean) / sqrt(variance + eps) + beta [+ residual])
 *
 * computed as (x - mean) * scale + shift: the difference comes first, so that nothing cancels when the mean is large. `mean` is rounded
 * to the element type there, and what the rounding left out is part of `shift`.
 *
 * Variance: the sums of a block are those of d = x - (mean of the block before), and the variance comes from
 *     sum (x - base)^2 = sum over blocks of  (sum d^2 - (sum d)^2 / n) + n (block mean - base)^2
 * in float64. Where neighbouring means differ, so that the first bracket cancels, the difference is part of the variance itself: the
 * relative error stays a few rounding errors however large the mean (Chan, Golub and LeVeque 1983 on shifted and pairwise sums).
 */
#include "gradient_sums.h"

/* What each channel is computed with; arrays of NAME(padded)(c) elements. */
typedef struct {
    REAL *mean, *scale, *shift;
    REAL *by_x, *offset; /* gradient: dx = scale * g + by_x * (x - mean) + offset */
    double *sums, *squares;
} NAME(coefficients);

INLINE int64_t NAME(padded)(int64_t c) { return ROUND_UP(c, VL); }

static NAME(coefficients) NAME(take_coefficients)(char **p, int64_t c) {
    NAME(coefficients) k;
    const int64_t size = NAME(padded)(c), bytes = size * (int64_t)sizeof(REAL);
    k.mean = (REAL *)aligned_take(p, bytes);
    k.scale = (REAL *)aligned_take(p, bytes);
    k.shift = (REAL *)aligned_take(p, bytes);
    k.by_x = (REAL *)aligned_take(p, bytes);
    k.offset = (REAL *)aligned_take(p, bytes);
    k.sums = (double *)aligned_take(p, size * 8);
    k.squares = (double *)aligned_take(p, size * 8);
    return k;
}

/* -- sums for the variance ---------------------------------------------------------------------------------------------------- */

/* NHWC: sums of d = x - center over a block of rows, and of d^2, added to sums and squares as described above; `center` then is the
 * mean of this block. Vectors as in gradient_rows. With `add` 0 only the mean is wanted. */
INLINE void NAME(statistics_rows)(const REAL *x, int64_t c, int64_t rows, int64_t j, int64_t lanes, REAL *center, const REAL *base,
                                  double *sums, double *squares, int add, const int cols, const int turns) {
    vec k[MAX_COLUMNS], sum[MAX_COLUMNS], square[MAX_COLUMNS];
    UNROLL for (int q = 0; q < cols; q++) k[q] = NAME(load)(center + j + q * VL);
    UNROLL for (int a = 0; a < cols * turns; a++) sum[a] = square[a] = (vec){0};
    x += j;
    int64_t i = 0;
#define ELEMENT(q, a)                                          \
    do {                                                       \
        vec d = NAME(load_n)(x + q * VL, lanes) - k[q];        \
        sum[a] += d;                                           \
        square[a] += d * d;                                    \
    } while (0)
    for (; i + turns <= rows; i += turns) {
        UNROLL for (int u = 0; u < turns; u++, x += c) {
            UNROLL for (int q = 0; q < cols; q++) ELEMENT(q, q * turns + u);
        }
    }
    for (; i < rows; i++, x += c) {
        UNROLL for (int q = 0; q < cols; q++) ELEMENT(q, q * turns);
    }
#undef ELEMENT
    const double n = (double)rows, part = 1 / n;
    UNROLL for (int q = 0; q < cols; q++) {
        REAL t[2][SIMD_BYTES / sizeof(REAL)] __attribute__((aligned(SIMD_BYTES)));
        UNROLL for (int u = 1; u < turns; u++) sum[q * turns] += sum[q * turns + u], square[q * turns] += square[q * turns + u];
        *(vec *)t[0] = sum[q * turns];
        *(vec *)t[1] = square[q * turns];
        const int64_t to = j + q * VL;
        if (add) {
            UNROLL for (int l = 0; l < VL; l += WL) {
                wide s = NAME(widen)(t[0] + l), m = s * part;
                wide d = NAME(widen)(center + to + l) - NAME(widen)(base + to + l) + m;
                NAME(wide_store)(sums + to + l, NAME(wide_load)(sums + to + l) + n * d);
                NAME(wide_store)(squares + to + l, NAME(wide_load)(squares + to + l) + (NAME(widen)(t[1] + l) - s * m) + n * d * d);
            }
        }
        NAME(store)(center + to, k[q] + sum[q * turns] * (REAL)part);
    }
}

static void NAME(statistics_block)(const REAL *x, int64_t c, int64_t rows, REAL *center, const REAL *base, double *sums,
                                   double *squares, int add) {
#define ROWS(j, lanes, cols, turns) NAME(statistics_rows)(x, c, rows, j, lanes, center, base, sums, squares, add, cols, turns)
    EACH_COLUMNS(c, ROWS)
#undef ROWS
}

/* NHWC: adds the sums of `rows` rows; `center` is scratch. */
static void NAME(statistics_of_rows)(const REAL *x, int64_t c, int64_t rows, REAL *center, const REAL *base, double *sums,
                                     double *squares) {
    if (rows == 0) return;
    memcpy(center, x, (size_t)c * sizeof(REAL));
    NAME(statistics_block)(x, c, MIN(rows, SUM_BLOCK), center, base, sums, squares, 0); /* only its mean */
    for (int64_t i = 0; i < rows; i += SUM_BLOCK)
        NAME(statistics_block)(x + i * c, c, MIN(rows - i, SUM_BLOCK), center, base, sums, squares, 1);
}

/* NCHW: the sums of `length` pixels of a channel, added to two vectors. */
INLINE void NAME(statistics_run)(const REAL *x, int64_t length, REAL center, vec *sums) {
    const vec k = NAME(splat)(center);
    vec sum[MAX_COLUMNS], square[MAX_COLUMNS], d;
    int64_t i = 0;
    sum[0] = sums[0], square[0] = sums[1];
    if (length >= MAX_COLUMNS * VL) {
        UNROLL for (int a = 1; a < MAX_COLUMNS; a++) sum[a] = square[a] = (vec){0};
        for (; i + MAX_COLUMNS * VL <= length; i += MAX_COLUMNS * VL) {
            UNROLL for (int a = 0; a < MAX_COLUMNS; a++) {
                d = NAME(load)(x + i + a * VL) - k;
                sum[a] += d;
                square[a] += d * d;
            }
        }
        sum[0] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
        square[0] = (square[0] + square[1]) + (square[2] + square[3]);
    }
    for (; i + VL <= length; i += VL) {
        d = NAME(load)(x + i) - k;
        sum[0] += d;
        square[0] += d * d;
    }
    if (i < length) { /* what is missing to a vector is `center`, and adds nothing */
        REAL t[SIMD_BYTES / sizeof(REAL)] __attribute__((aligned(SIMD_BYTES)));
        *(vec *)t = k;
        for (int64_t l = 0; l < length - i; l++) t[l] = x[i + l];
        d = *(vec *)t - k;
        sum[0] += d;
        square[0] += d * d;
    }
    sums[0] = sum[0], sums[1] = square[0];
}

/* Adds what statistics_run summed over n pixels to the sums of a channel; returns their mean. */
INLINE REAL NAME(statistics_flush)(vec *sums, double n, REAL center, REAL base, double *sum, double *squares) {
    const double s = NAME(sum_lanes)(sums[0]), m = s / n, d = (double)center - (double)base + m;
    *sum += n * d;
    *squares += (NAME(sum_lanes)(sums[1]) - s * m) + n * d * d;
    sums[0] = sums[1] = (vec){0};
    return center + (REAL)m;
}

/* NCHW: the sums of `channels`, at most PLANES, in n images that lie `stride` apart. The origin of a channel's is its first pixel. */
static void NAME(statistics_of_planes)(const REAL *x, int64_t channels, int64_t n, int64_t stride, int64_t plane, double *sums,
                                       double *squares) {
    const int64_t length = NAME(run_length)(plane), count = NAME(run_count)(plane);
    vec block[PLANES][2];
    REAL center[PLANES];
    for (int64_t c = 0; c < channels; c++) {
        const REAL *at = x + c * plane;
        block[c][0] = block[c][1] = (vec){0};
        NAME(statistics_run)(at, length, *at, block[c]);
        center[c] = NAME(statistics_flush)(block[c], (double)length, *at, *at, sums + c, squares + c); /* only its mean */
        sums[c] = squares[c] = 0;
    }
    for (int64_t i = 0, images = 1; i < n; i++, images++) {
        const int full = images == count || i == n - 1;
        for (int64_t c = 0; c < channels; c++) {
            const REAL *at = x + i * stride + c * plane;
            for (int64_t q = 0; q < plane; q += length) {
                const int64_t pixels = MIN(plane - q, length);
                NAME(statistics_run)(at + q, pixels, center[c], block[c]);
                if (full || plane > length)
                    center[c] = NAME(statistics_flush)(block[c], (double)(pixels * images), center[c], x[c * plane], sums + c, squares + c);
            }
        }
        if (full) images = 0;
    }
}

/* Mean and 1 / sqrt(variance + eps) of n elements. The comparison keeps a NaN. */
INLINE void NAME(moments)(REAL base, double sums, double squares, double n, double eps, double *mean, double *inv_std) {
    const double m = sums / n, variance = squares / n - m * m;
    *mean = base + m;
    *inv_std = 1 / __builtin_sqrt((variance < 0 ? 0 : variance) + eps);
}

/* -- results ------------------------------------------------------------------------------------------------------------------ */

INLINE void NAME(set_channel)(const NAME(coefficients) *k, int64_t i, const REAL *gamma, const REAL *beta, double mean, double inv_std) {
    k->mean[i] = (REAL)mean;
    k->scale[i] = (REAL)((gamma ? (double)gamma[i] : 1) * inv_std);
    k->shift[i] = (REAL)((beta ? (double)beta[i] : 0) - (mean - (double)k->mean[i]) * (double)k->scale[i]);
}

typedef struct {
    const REAL *x, *residual;
    REAL *y;
    int activation;
    REAL slope;
} NAME(mapping);

INLINE void NAME(apply_columns)(const NAME(mapping) *p, const NAME(coefficients) *coefficients, int64_t c, int64_t at, int64_t rows,
                                int64_t j, int64_t lanes, const int cols, const int activation) {
    const REAL *x = p->x + at + j, *residual = p->residual ? p->residual + at + j : 0;
    REAL *y = p->y + at + j;
    const REAL slope = p->slope;
    vec mean[MAX_COLUMNS], scale[MAX_COLUMNS], shift[MAX_COLUMNS];
    UNROLL for (int q = 0; q < cols; q++) {
        mean[q] = NAME(load)(coefficients->mean + j + q * VL);
        scale[q] = NAME(load)(coefficients->scale + j + q * VL);
        shift[q] = NAME(load)(coefficients->shift + j + q * VL);
    }
    for (int64_t i = 0; i < rows; i++, x += c, y += c, residual = residual ? residual + c : 0) {
        UNROLL for (int q = 0; q < cols; q++) {
            vec v = (NAME(load_n)(x + q * VL, lanes) - mean[q]) * scale[q] + shift[q];
            if (residual) v += NAME(load_n)(residual + q * VL, lanes);
            NAME(store_n)(y + q * VL, NAME(activate)(v, activation, slope), lanes);
        }
    }
}

INLINE void NAME(apply_run)(const NAME(mapping) *p, const NAME(coefficients) *coefficients, int64_t channel, int64_t at,
                            int64_t length, const int activation) {
    const REAL *x = p->x + at, *residual = p->residual ? p->residual + at : 0;
    REAL *y = p->y + at;
    const REAL slope = p->slope;
    const vec mean = NAME(splat)(coefficients->mean[channel]), scale = NAME(splat)(coefficients->scale[channel]);
    const vec shift = NAME(splat)(coefficients->shift[channel]);
#define ELEMENT(n)                                                              \
    do {                                                                        \
        vec v = (NAME(load_n)(x + i, n) - mean) * scale + shift;                \
        if (residual) v += NAME(load_n)(residual + i, n);                       \
        NAME(store_n)(y + i, NAME(activate)(v, activation, slope), n);          \
    } while (0)
    int64_t i = 0;
    for (; i + VL <= length; i += VL) ELEMENT(VL);
    if (i < length) ELEMENT(length - i);
#undef ELEMENT
}

/* Those that training fuses are compiled in; inference may have any. */
#define EACH_ACTIVATION(activation, CALL)                          \
    switch (activation) {                                          \
    case ACT_NONE: CALL(ACT_NONE); break;                          \
    case ACT_RELU: CALL(ACT_RELU); break;                          \
    case ACT_RELU6: CALL(ACT_RELU6); break;                        \
    case ACT_LEAKY_RELU: CALL(ACT_LEAKY_RELU); break;              \
    default: CALL(activation);                                     \
    }

INLINE void NAME(apply_rows)(const NAME(mapping) *p, const NAME(coefficients) *k, int64_t c, int64_t at, int64_t rows,
                             const int activation) {
#define ROWS(j, lanes, cols, turns) NAME(apply_columns)(p, k, c, at, rows, j, lanes, cols, activation)
    EACH_COLUMNS(c, ROWS)
#undef ROWS
}

/* NHWC: pixels [begin, end), the last block first. */
static void NAME(apply_to_rows)(const NAME(mapping) *p, const NAME(coefficients) *k, int64_t c, int64_t begin, int64_t end) {
    for (int64_t i; end > begin; end = i) {
        i = MAX(begin, end - SUM_BLOCK);
#define CALL(code) NAME(apply_rows)(p, k, c, i * c, end - i, code)
        EACH_ACTIVATION(p->activation, CALL)
#undef CALL
    }
}

/* NCHW: channels [first, last) of n images that lie `stride` apart, the last image first. */
static void NAME(apply_to_planes)(const NAME(mapping) *p, const NAME(coefficients) *k, int64_t first, int64_t last, int64_t at,
                                  int64_t n, int64_t stride, int64_t plane) {
#define CALL(code)                   \
    for (int64_t i = n; i-- > 0;)    \
        for (int64_t c = first; c < last; c++) NAME(apply_run)(p, k, c, at + i * stride + (c - first) * plane, plane, code)
    EACH_ACTIVATION(p->activation, CALL)
#undef CALL
}

/* -- gradient of the input ---------------------------------------------------------------------------------------------------- */

INLINE void NAME(input_columns)(const NAME(gradient) *p, const NAME(coefficients) *k, REAL *dx, int64_t c, int64_t at, int64_t rows,
                                int64_t j, int64_t lanes, const int cols, const int mask, const int activation) {
    const REAL *gy = p->gy + at + j, *x = p->x + at + j;
    const REAL slope = p->slope;
    vec mean[MAX_COLUMNS], scale[MAX_COLUMNS], shift[MAX_COLUMNS], by_x[MAX_COLUMNS], offset[MAX_COLUMNS];
    UNROLL for (int q = 0; q < cols; q++) {
        mean[q] = NAME(load)(k->mean + j + q * VL);
        scale[q] = NAME(load)(k->scale + j + q * VL);
        shift[q] = NAME(load)(k->shift + j + q * VL);
        by_x[q] = NAME(load)(k->by_x + j + q * VL);
        offset[q] = NAME(load)(k->offset + j + q * VL);
    }
    dx += at + j;
    for (int64_t i = 0; i < rows; i++, gy += c, x += c, dx += c) {
        UNROLL for (int q = 0; q < cols; q++) {
            vec d = NAME(load_n)(x + q * VL, lanes) - mean[q], v = NAME(load_n)(gy + q * VL, lanes);
            if (mask == MASK_ARGUMENT) v = NAME(masked)(v, d * scale[q] + shift[q], activation, slope);
            NAME(store_n)(dx + q * VL, v * scale[q] + (d * by_x[q] + offset[q]), lanes);
        }
    }
}

INLINE void NAME(input_rows)(const NAME(gradient) *p, const NAME(coefficients) *k, REAL *dx, int64_t c, int64_t at, int64_t rows,
                             const int mask, const int activation) {
#define ROWS(j, lanes, cols, turns) NAME(input_columns)(p, k, dx, c, at, rows, j, lanes, cols, mask, activation)
    EACH_COLUMNS(c, ROWS)
#undef ROWS
}

INLINE void NAME(input_run)(const NAME(gradient) *p, const NAME(coefficients) *k, REAL *dx, int64_t channel, int64_t at,
                            int64_t length, const int mask, const int activation) {
    const REAL *gy = p->gy + at, *x = p->x + at;
    const REAL slope = p->slope;
    const vec mean = NAME(splat)(k->mean[channel]), scale = NAME(splat)(k->scale[channel]), shift = NAME(splat)(k->shift[channel]);
    const vec by_x = NAME(splat)(k->by_x[channel]), offset = NAME(splat)(k->offset[channel]);
    dx += at;
#define ELEMENT(n)                                                                                        \
    do {                                                                                                  \
        vec d = NAME(load_n)(x + i, n) - mean, v = NAME(load_n)(gy + i, n);                               \
        if (mask == MASK_ARGUMENT) v = NAME(masked)(v, d * scale + shift, activation, slope);             \
        NAME(store_n)(dx + i, v * scale + (d * by_x + offset), n);                                        \
    } while (0)
    int64_t i = 0;
    for (; i + VL <= length; i += VL) ELEMENT(VL);
    if (i < length) ELEMENT(length - i);
#undef ELEMENT
}

/* The mask of the second pass: where the first has written the masked gradient there is none left. */
#define EACH_SECOND_MASK(mask, activation, CALL)                                          \
    switch ((mask) == MASK_ARGUMENT ? (activation) : ACT_NONE) {                          \
    case ACT_RELU: CALL(MASK_ARGUMENT, ACT_RELU); break;                                  \
    case ACT_RELU6: CALL(MASK_ARGUMENT, ACT_RELU6); break;                                \
    case ACT_LEAKY_RELU: CALL(MASK_ARGUMENT, ACT_LEAKY_RELU); break;                      \
    default: CALL(MASK_NONE, ACT_NONE);                                                   \
    }

static void NAME(input_of_rows)(const NAME(gradient) *p, const NAME(coefficients) *k, REAL *dx, int64_t c, int64_t begin, int64_t end,
                                int mask, int activation) {
    for (int64_t i; end > begin; end = i) {
        i = MAX(begin, end - SUM_BLOCK);
#define CALL(source, code) NAME(input_rows)(p, k, dx, c, i * c, end - i, source, code)
        EACH_SECOND_MASK(mask, activation, CALL)
#undef CALL
    }
}

static void NAME(input_of_planes)(const NAME(gradient) *p, const NAME(coefficients) *k, REAL *dx, int64_t first, int64_t last,
                                  int64_t at, int64_t n, int64_t stride, int64_t plane, int mask, int activation) {
#define CALL(source, code)           \
    for (int64_t i = n; i-- > 0;)    \
        for (int64_t c = first; c < last; c++) \
            NAME(input_run)(p, k, dx, c, at + i * stride + (c - first) * plane, plane, source, code)
    EACH_SECOND_MASK(mask, activation, CALL)
#undef CALL
}

/* dx = scale (g - sum(g) / n - (x - mean) inv_std^2 sum(g (x - mean)) / n), sums over the n elements normalised together, of gamma g.
 * (x - mean is what the element type makes of it: products have the difference to the mean corrected.) */
INLINE void NAME(set_gradient)(const NAME(coefficients) *k, int64_t i, double mean, double inv_std, double sum, double product, double n) {
    const double by_x = -inv_std * inv_std * inv_std * product / n;
    k->by_x[i] = (REAL)by_x;
    k->offset[i] = (REAL)(-inv_std * sum / n - by_x * (mean - (double)k->mean[i]));
}
