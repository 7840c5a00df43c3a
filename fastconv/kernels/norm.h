/* Batch and group normalisation in both memory formats (template: REAL, NAME, IS_DOUBLE).
 *
 *     y = activation(gamma * (x - mean) / sqrt(variance + eps) + beta [+ residual])
 *
 * computed as (x - mean) * scale + shift: the difference comes first, so that nothing cancels when the mean is large. `mean` is rounded
 * to the element type there, and what the rounding left out is part of `shift`.
 *
 *            NHWC                                   NCHW
 *     sums of each thread's pixels            for each channel of a thread: sums,
 *     --barrier-- sums of all threads,        coefficients and result, while the
 *     coefficients --barrier-- results,       channel is in the cache
 *     from the last pixel to the first,
 *     which is what the caches still hold
 *
 * A group of group normalisation is within one image, and every image is one thread's.
 *
 * Variance: the sums of a block are those of d = x - (mean of the block before), and the variance comes from
 *     sum (x - base)^2 = sum over blocks of  (sum d^2 - (sum d)^2 / n) + n (block mean - base)^2
 * in float64. Where neighbouring means differ, so that the first bracket cancels, the difference is part of the variance itself: the
 * relative error stays a few rounding errors however large the mean (Chan, Golub and LeVeque 1983 on shifted and pairwise sums).
 */
#ifndef FASTCONV_NORM_H
#define FASTCONV_NORM_H

#include "images.h"

/* Bytes of scratch for any function of this file. */
int64_t norm_workspace(const images *s, int itemsize, int threads);

/* gamma, beta and residual may be null. mean, inv_std: one value for each channel, or for each group of each image. */
#define DECLARE(REAL, SUFFIX)                                                                                                        \
    void batch_norm##SUFFIX(const images *s, const REAL *x, const REAL *gamma, const REAL *beta, const REAL *residual, double eps,   \
                            int activation, double slope, REAL *y, double *mean, double *inv_std, void *workspace, int threads);     \
    /* With given statistics. */                                                                                                     \
    void scale_shift##SUFFIX(const images *s, const REAL *x, const REAL *gamma, const REAL *beta, const REAL *residual,              \
                             const double *mean, const double *inv_std, int activation, double slope, REAL *y, void *workspace,      \
                             int threads);                                                                                           \
    /* g, if not null, receives the masked gradient, which is the residual's; constant: mean and inv_std do not depend on x. */      \
    void batch_norm_grad##SUFFIX(const images *s, const REAL *gy, const REAL *x, const REAL *y, const REAL *gamma, const REAL *beta, \
                                 const double *mean, const double *inv_std, int constant, int mask, int activation, double slope,    \
                                 REAL *dx, REAL *dgamma, REAL *dbeta, REAL *g, void *workspace, int threads);                        \
    /* The gradient of a bias: g, if not null, is gy masked by the activation with output y; db[channel] its sum. */                 \
    void bias_grad##SUFFIX(const images *s, const REAL *gy, const REAL *y, int mask, int activation, double slope, REAL *g, REAL *db, \
                           void *workspace, int threads);
DECLARE(float, _f32)
DECLARE(double, _f64)
#undef DECLARE

#endif

#ifdef REAL

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

/* NCHW: the same over `count` runs of `length` elements, `stride` apart; returns the mean of the block. */
static REAL NAME(statistics_runs)(const REAL *x, int64_t count, int64_t stride, int64_t length, REAL center, REAL base, double *sums,
                                  double *squares) {
    const vec k = NAME(splat)(center);
    vec sum[MAX_COLUMNS], square[MAX_COLUMNS];
    UNROLL for (int a = 0; a < MAX_COLUMNS; a++) sum[a] = square[a] = (vec){0};
    NAME(ivec_t) inside = {0};
    for (int64_t l = 0; l < length % VL; l++) inside[l] = -1;
    for (int64_t r = 0; r < count; r++) {
        const REAL *at = x + r * stride;
        int64_t i = 0;
        for (; i + MAX_COLUMNS * VL <= length; i += MAX_COLUMNS * VL) {
            UNROLL for (int a = 0; a < MAX_COLUMNS; a++) {
                vec d = NAME(load)(at + i + a * VL) - k;
                sum[a] += d;
                square[a] += d * d;
            }
        }
        for (; i + VL <= length; i += VL) {
            vec d = NAME(load)(at + i) - k;
            sum[0] += d;
            square[0] += d * d;
        }
        if (i < length) {
            vec d = NAME(select)(inside, NAME(load_part)(at + i, length - i) - k, (vec){0});
            sum[1] += d;
            square[1] += d * d;
        }
    }
    const double n = (double)(count * length), s = NAME(sum_lanes)((sum[0] + sum[1]) + (sum[2] + sum[3])), m = s / n;
    const double d = (double)center - (double)base + m;
    *sums += n * d;
    *squares += (NAME(sum_lanes)((square[0] + square[1]) + (square[2] + square[3])) - s * m) + n * d * d;
    return center + (REAL)m;
}

/* NCHW: adds the sums of n planes, `stride` apart. */
static void NAME(statistics_of_planes)(const REAL *x, int64_t n, int64_t stride, int64_t plane, REAL base, double *sums,
                                       double *squares) {
    const int64_t length = NAME(run_length)(plane), count = NAME(run_count)(plane);
    double unused[2] = {0};
    REAL center = NAME(statistics_runs)(x, MIN(n, count), stride, length, *x, base, unused, unused + 1);
    for (int64_t i = 0; i < n; i += count)
        for (int64_t q = 0; q < plane; q += length)
            center = NAME(statistics_runs)(x + i * stride + q, MIN(n - i, count), stride, MIN(plane - q, length), center, base, sums,
                                           squares);
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

/* NCHW: n planes of one channel, `stride` apart, the last plane first. */
static void NAME(apply_to_channel)(const NAME(mapping) *p, const NAME(coefficients) *k, int64_t channel, int64_t at, int64_t n,
                                   int64_t stride, int64_t plane) {
#define CALL(code) \
    for (int64_t i = n; i-- > 0;) NAME(apply_run)(p, k, channel, at + i * stride, plane, code)
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

static void NAME(input_of_channel)(const NAME(gradient) *p, const NAME(coefficients) *k, REAL *dx, int64_t channel, int64_t at,
                                   int64_t n, int64_t stride, int64_t plane, int mask, int activation) {
#define CALL(source, code) \
    for (int64_t i = n; i-- > 0;) NAME(input_run)(p, k, dx, channel, at + i * stride, plane, source, code)
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

/* -- batch normalisation ------------------------------------------------------------------------------------------------------ */

/* The sums of all threads added up, in the order of the threads; they lie `size` apart. */
INLINE double NAME(of_threads)(const double *p, int64_t size, int threads) {
    double s = 0;
    for (int t = 0; t < threads; t++) s += p[t * size];
    return s;
}

void NAME(batch_norm)(const images *s, const REAL *x, const REAL *gamma, const REAL *beta, const REAL *residual, double eps,
                      int activation, double slope, REAL *y, double *mean, double *inv_std, void *workspace, int threads) {
    const int64_t c = s->c, size = NAME(padded)(c), rows = s->n * s->plane, stride = c * s->plane;
    char *p = workspace;
    const NAME(coefficients) k = NAME(take_coefficients)(&p, c);
    double *partial = (double *)aligned_take(&p, 2 * threads * size * 8);
    REAL *center = (REAL *)aligned_take(&p, (threads + 1) * size * (int64_t)sizeof(REAL)), *base = center + threads * size;
    const NAME(mapping) map = {x, residual, y, activation, (REAL)slope};
    if (s->channels_last) {
        memset(center, 0, (size_t)((threads + 1) * size) * sizeof(REAL));
        memset(partial, 0, (size_t)(2 * threads * size) * 8);
        memcpy(base, x, (size_t)c * sizeof(REAL));
    }
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        const int t = thread_index(), team = team_size();
        int64_t begin, end, first, last;
        share(rows, t, team, &begin, &end);
        share(c, t, team, &first, &last);
        if (s->channels_last) {
            double *sums = partial + 2 * t * size;
            NAME(statistics_of_rows)(x + begin * c, c, end - begin, center + t * size, base, sums, sums + size);
#pragma omp barrier
            for (int64_t i = first; i < last; i++) {
                NAME(moments)(base[i], NAME(of_threads)(partial + i, 2 * size, team), NAME(of_threads)(partial + size + i, 2 * size, team),
                              (double)rows, eps, mean + i, inv_std + i);
                NAME(set_channel)(&k, i, gamma, beta, mean[i], inv_std[i]);
            }
#pragma omp barrier
            NAME(apply_to_rows)(&map, &k, c, begin, end);
        } else {
            for (int64_t i = first; i < last; i++) {
                double sums = 0, squares = 0;
                const int64_t at = i * s->plane;
                NAME(statistics_of_planes)(x + at, s->n, stride, s->plane, x[at], &sums, &squares);
                NAME(moments)(x[at], sums, squares, (double)rows, eps, mean + i, inv_std + i);
                NAME(set_channel)(&k, i, gamma, beta, mean[i], inv_std[i]);
                NAME(apply_to_channel)(&map, &k, i, at, s->n, stride, s->plane);
            }
        }
    }
}

void NAME(scale_shift)(const images *s, const REAL *x, const REAL *gamma, const REAL *beta, const REAL *residual, const double *mean,
                       const double *inv_std, int activation, double slope, REAL *y, void *workspace, int threads) {
    const int64_t c = s->c;
    char *p = workspace;
    const NAME(coefficients) k = NAME(take_coefficients)(&p, c);
    const NAME(mapping) map = {x, residual, y, activation, (REAL)slope};
    for (int64_t i = 0; i < c; i++) NAME(set_channel)(&k, i, gamma, beta, mean[i], inv_std[i]);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        const int t = thread_index(), team = team_size();
        int64_t begin, end;
        share(s->n * (s->channels_last ? s->plane : c), t, team, &begin, &end);
        if (s->channels_last)
            NAME(apply_to_rows)(&map, &k, c, begin, end);
        else
            for (int64_t i = begin; i < end; i++) NAME(apply_to_channel)(&map, &k, i % c, i * s->plane, 1, 0, s->plane);
    }
}

void NAME(batch_norm_grad)(const images *s, const REAL *gy, const REAL *x, const REAL *y, const REAL *gamma, const REAL *beta,
                           const double *mean, const double *inv_std, int constant, int mask, int activation, double slope, REAL *dx,
                           REAL *dgamma, REAL *dbeta, REAL *g, void *workspace, int threads) {
    const int64_t c = s->c, size = NAME(padded)(c), rows = s->n * s->plane, stride = c * s->plane;
    char *p = workspace;
    const NAME(coefficients) k = NAME(take_coefficients)(&p, c);
    double *partial = (double *)aligned_take(&p, 2 * threads * size * 8);
    const NAME(gradient) first_pass = {gy, x, y, g, constant ? dx : 0, k.mean, k.scale, k.shift, 0, 0, (REAL)slope};
    /* What is in the first pass's `g` needs no mask in the second. */
    const NAME(gradient) second_pass = {g ? g : gy, x, 0, 0, 0, 0, 0, 0, 0, 0, (REAL)slope};
    const int second_mask = g ? MASK_NONE : mask;
    memset(partial, 0, (size_t)(2 * threads * size) * 8);
    for (int64_t i = 0; i < c; i++) NAME(set_channel)(&k, i, gamma, beta, mean[i], inv_std[i]);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        const int t = thread_index(), team = team_size();
        NAME(gradient) own = first_pass;
        int64_t begin, end, first, last;
        own.sums = partial + 2 * t * size;
        own.products = own.sums + size;
        share(rows, t, team, &begin, &end);
        share(c, t, team, &first, &last);
        if (s->channels_last) {
            NAME(gradient_of_rows)(&own, c, begin * c, end - begin, mask, activation);
#pragma omp barrier
        }
        for (int64_t i = first; i < last; i++) {
            const int64_t at = i * s->plane;
            if (!s->channels_last) NAME(gradient_of_channel)(&own, i, at, s->n, stride, s->plane, mask, activation);
            /* In NCHW the other threads' sums of this channel are zero. */
            const double sum = s->channels_last ? NAME(of_threads)(partial + i, 2 * size, team) : own.sums[i];
            double product = s->channels_last ? NAME(of_threads)(partial + size + i, 2 * size, team) : own.products[i];
            product -= (mean[i] - (double)k.mean[i]) * sum;
            dbeta[i] = (REAL)sum;
            dgamma[i] = (REAL)(product * inv_std[i]);
            if (constant) continue;
            const double weight = gamma ? (double)gamma[i] : 1;
            NAME(set_gradient)(&k, i, mean[i], inv_std[i], weight * sum, weight * product, (double)rows);
            if (!s->channels_last)
                NAME(input_of_channel)(&second_pass, &k, dx, i, at, s->n, stride, s->plane, second_mask, activation);
        }
        if (s->channels_last && !constant) {
#pragma omp barrier
            NAME(input_of_rows)(&second_pass, &k, dx, c, begin, end, second_mask, activation);
        }
    }
}

void NAME(bias_grad)(const images *s, const REAL *gy, const REAL *y, int mask, int activation, double slope, REAL *g, REAL *db,
                     void *workspace, int threads) {
    const int64_t c = s->c, size = NAME(padded)(c), rows = s->n * s->plane;
    double *partial = workspace;
    memset(partial, 0, (size_t)(threads * size) * 8);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        const int t = thread_index(), team = team_size();
        const NAME(gradient) p = {gy, 0, y, g, 0, 0, 0, 0, partial + t * size, 0, (REAL)slope};
        int64_t begin, end;
        if (s->channels_last) {
            share(rows, t, team, &begin, &end);
            NAME(gradient_of_rows)(&p, c, begin * c, end - begin, mask, activation);
        } else {
            share(c, t, team, &begin, &end);
            for (int64_t i = begin; i < end; i++)
                NAME(gradient_of_channel)(&p, i, i * s->plane, s->n, c * s->plane, s->plane, mask, activation);
        }
    }
    for (int64_t i = 0; i < c; i++) db[i] = (REAL)NAME(of_threads)(partial + i, size, threads);
}

#endif
