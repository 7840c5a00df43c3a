/* Sums of a gradient over the pixels of each channel, in both memory formats, while it is masked by the activation (template: REAL,
 * NAME, IS_DOUBLE). One pass over memory:
 *
 *     g = gy * activation'          written to `g` if that is not null, and scale * g to `dx` likewise
 *     sums[channel] += g            the gradient of a bias or of beta
 *     products[channel] += g * (x - mean)          if x is not null
 *
 * Element sums are vectors of the element type over blocks of at most SUM_BLOCK elements, and float64 across blocks.
 */
#ifndef FASTCONV_GRADIENT_SUMS_H
#define FASTCONV_GRADIENT_SUMS_H

#include "images.h"

enum {
    SUM_BLOCK = 64, /* additions behind one another in the element type; flushing them to float64 then costs little */
    MAX_COLUMNS = 4, /* vectors of neighbouring channels at once: as many accumulators hide the latency of the additions */
    PLANES = 64      /* NCHW: neighbouring channels at once, so that even planes of one vector are read by the page */
};

#endif

#include "functions.h"

typedef double NAME(wide_t) __attribute__((vector_size(SIMD_BYTES)));
typedef double NAME(uwide_t) __attribute__((vector_size(SIMD_BYTES), may_alias, aligned(8)));
#define wide NAME(wide_t)
#define WL ((int)(SIMD_BYTES / 8)) /* lanes of a wide vector */

/* WL elements as float64. */
INLINE wide NAME(widen)(const REAL *p) {
#if IS_DOUBLE
    return (wide)NAME(load)(p);
#else
    typedef float half __attribute__((vector_size(SIMD_BYTES / 2), may_alias, aligned(4)));
    return __builtin_convertvector(*(const half *)p, wide);
#endif
}
INLINE wide NAME(wide_load)(const double *p) { return *(const NAME(uwide_t) *)p; }
INLINE void NAME(wide_store)(double *p, wide v) { *(NAME(uwide_t) *)p = v; }

/* Adds a vector to VL sums in float64. */
INLINE void NAME(add_widened)(double *to, vec v) {
    REAL t[SIMD_BYTES / sizeof(REAL)] __attribute__((aligned(SIMD_BYTES)));
    *(vec *)t = v;
    UNROLL for (int l = 0; l < VL; l += WL) NAME(wide_store)(to + l, NAME(wide_load)(to + l) + NAME(widen)(t + l));
}

/* The sum of a vector's lanes in float64, in fixed order. */
INLINE double NAME(sum_lanes)(vec v) {
    REAL t[SIMD_BYTES / sizeof(REAL)] __attribute__((aligned(SIMD_BYTES)));
    double s = 0;
    *(vec *)t = v;
    wide w = NAME(widen)(t);
    for (int l = WL; l < VL; l += WL) w += NAME(widen)(t + l);
    UNROLL for (int l = 0; l < WL; l++) s += w[l];
    return s;
}

typedef struct {
    const REAL *gy, *x, *y;            /* x, y: may be null */
    REAL *g, *dx;                      /* may be null */
    const REAL *mean, *scale, *shift;  /* of each channel; read beyond the last up to a whole vector */
    double *sums, *products;           /* of each channel, likewise */
    REAL slope;
} NAME(gradient);

/* NHWC: `rows` pixels from index `at` on, `cols` vectors of channels from channel j on, of which the last has `lanes` lanes.
 * Rows take turns among `turns` accumulators. */
INLINE void NAME(gradient_rows)(const NAME(gradient) *p, int64_t c, int64_t at, int64_t rows, int64_t j, int64_t lanes, const int cols,
                                const int turns, const int mask, const int activation) {
    const REAL *gy = p->gy + at + j, *x = p->x ? p->x + at + j : 0, *y = mask == MASK_OUTPUT ? p->y + at + j : 0;
    REAL *g = p->g ? p->g + at + j : 0, *dx = p->dx ? p->dx + at + j : 0;
    const REAL slope = p->slope;
    vec mean[MAX_COLUMNS], scale[MAX_COLUMNS], shift[MAX_COLUMNS], sum[MAX_COLUMNS], product[MAX_COLUMNS];
    UNROLL for (int q = 0; q < cols; q++) {
        mean[q] = x ? NAME(load)(p->mean + j + q * VL) : (vec){0};
        scale[q] = mask == MASK_ARGUMENT || dx ? NAME(load)(p->scale + j + q * VL) : (vec){0};
        shift[q] = mask == MASK_ARGUMENT ? NAME(load)(p->shift + j + q * VL) : (vec){0};
    }
    UNROLL for (int a = 0; a < cols * turns; a++) sum[a] = product[a] = (vec){0};
#define ELEMENT(q, a)                                                                           \
    do {                                                                                        \
        vec v = NAME(load_n)(gy + q * VL, lanes), d = {0};                                      \
        if (x) d = NAME(load_n)(x + q * VL, lanes) - mean[q];                                   \
        if (mask == MASK_OUTPUT) v = NAME(masked)(v, NAME(load_n)(y + q * VL, lanes), activation, slope);  \
        if (mask == MASK_ARGUMENT) v = NAME(masked)(v, d * scale[q] + shift[q], activation, slope); \
        if (g) NAME(store_n)(g + q * VL, v, lanes);                                             \
        if (dx) NAME(store_n)(dx + q * VL, v * scale[q], lanes);                                \
        sum[a] += v;                                                                            \
        if (x) product[a] += v * d;                                                             \
    } while (0)
#define STEP gy += c, x = x ? x + c : 0, y = y ? y + c : 0, g = g ? g + c : 0, dx = dx ? dx + c : 0
    int64_t i = 0;
    for (; i + turns <= rows; i += turns) {
        UNROLL for (int u = 0; u < turns; u++) {
            UNROLL for (int q = 0; q < cols; q++) ELEMENT(q, q * turns + u);
            STEP;
        }
    }
    for (; i < rows; i++) {
        UNROLL for (int q = 0; q < cols; q++) ELEMENT(q, q * turns);
        STEP;
    }
#undef ELEMENT
#undef STEP
    UNROLL for (int q = 0; q < cols; q++) {
        UNROLL for (int u = 1; u < turns; u++) sum[q * turns] += sum[q * turns + u], product[q * turns] += product[q * turns + u];
        NAME(add_widened)(p->sums + j + q * VL, sum[q * turns]);
        if (x) NAME(add_widened)(p->products + j + q * VL, product[q * turns]);
    }
}

/* Calls KERNEL(j, lanes, cols, turns) for the channels of a row of c, vectors in groups. */
#define EACH_COLUMNS(c, KERNEL)                                   \
    for (int64_t j = 0; j < (c);) {                               \
        const int64_t left = (c)-j;                               \
        if (left >= 4 * VL) {                                     \
            KERNEL(j, VL, 4, 1);                                  \
            j += 4 * VL;                                          \
        } else if (left >= 2 * VL) {                              \
            KERNEL(j, VL, 2, 2);                                  \
            j += 2 * VL;                                          \
        } else if (left >= VL) {                                  \
            KERNEL(j, VL, 1, 4);                                  \
            j += VL;                                              \
        } else {                                                  \
            KERNEL(j, left, 1, 1);                                \
            break;                                                \
        }                                                         \
    }

/* NCHW: `length` pixels of one channel from index `at` on; adds sums and products to two vectors. */
INLINE void NAME(gradient_run)(const NAME(gradient) *p, int64_t channel, int64_t at, int64_t length, vec *sums, const int mask,
                               const int activation) {
    const REAL *gy = p->gy + at, *x = p->x ? p->x + at : 0, *y = mask == MASK_OUTPUT ? p->y + at : 0;
    REAL *g = p->g ? p->g + at : 0, *dx = p->dx ? p->dx + at : 0;
    const REAL slope = p->slope;
    const vec mean = NAME(splat)(x ? p->mean[channel] : 0);
    const vec scale = NAME(splat)(mask == MASK_ARGUMENT || dx ? p->scale[channel] : 0);
    const vec shift = NAME(splat)(mask == MASK_ARGUMENT ? p->shift[channel] : 0);
    vec sum[MAX_COLUMNS], product[MAX_COLUMNS];
#define ELEMENT(i, a, n)                                                                          \
    do {                                                                                          \
        vec v = NAME(load_n)(gy + (i), n), d = {0};                                               \
        if (x) d = NAME(load_n)(x + (i), n) - mean;                                               \
        if (mask == MASK_OUTPUT) v = NAME(masked)(v, NAME(load_n)(y + (i), n), activation, slope); \
        if (mask == MASK_ARGUMENT) v = NAME(masked)(v, d * scale + shift, activation, slope);     \
        if (g) NAME(store_n)(g + (i), v, n);                                                      \
        if (dx) NAME(store_n)(dx + (i), v * scale, n);                                            \
        sum[a] += v;                                                                              \
        if (x) product[a] += v * d;                                                               \
    } while (0)
    int64_t i = 0;
    sum[0] = sums[0], product[0] = sums[1];
    if (length >= MAX_COLUMNS * VL) {
        UNROLL for (int a = 1; a < MAX_COLUMNS; a++) sum[a] = product[a] = (vec){0};
        for (; i + MAX_COLUMNS * VL <= length; i += MAX_COLUMNS * VL) {
            UNROLL for (int a = 0; a < MAX_COLUMNS; a++) ELEMENT(i + a * VL, a, VL);
        }
        sum[0] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
        product[0] = (product[0] + product[1]) + (product[2] + product[3]);
    }
    for (; i + VL <= length; i += VL) ELEMENT(i, 0, VL);
    if (i < length) ELEMENT(i, 0, length - i); /* gy's lanes behind the end are zero, and so is what they add */
#undef ELEMENT
    sums[0] = sum[0], sums[1] = product[0];
}

INLINE void NAME(gradient_flush)(const NAME(gradient) *p, int64_t channel, vec *sums) {
    p->sums[channel] += NAME(sum_lanes)(sums[0]);
    if (p->x) p->products[channel] += NAME(sum_lanes)(sums[1]);
    sums[0] = sums[1] = (vec){0};
}

/* Pixels of a plane, and images, that are summed before a flush. */
INLINE int64_t NAME(run_length)(int64_t plane) { return MIN(plane, (int64_t)SUM_BLOCK * VL); }
INLINE int64_t NAME(run_count)(int64_t plane) { return MAX(1, SUM_BLOCK / CEIL_DIV(plane, VL)); }

INLINE void NAME(gradient_all_rows)(const NAME(gradient) *p, int64_t c, int64_t at, int64_t rows, const int mask,
                                    const int activation) {
    for (int64_t i = 0; i < rows; i += SUM_BLOCK) {
#define ROWS(j, lanes, cols, turns) \
    NAME(gradient_rows)(p, c, at + i * c, MIN(rows - i, SUM_BLOCK), j, lanes, cols, turns, mask, activation)
        EACH_COLUMNS(c, ROWS)
#undef ROWS
    }
}

INLINE void NAME(gradient_all_planes)(const NAME(gradient) *p, int64_t first, int64_t last, int64_t at, int64_t n, int64_t stride,
                                      int64_t plane, const int mask, const int activation) {
    const int64_t length = NAME(run_length)(plane), count = NAME(run_count)(plane);
    vec sums[PLANES][2];
    for (int64_t channel = first; channel < last; channel++) sums[channel - first][0] = sums[channel - first][1] = (vec){0};
    for (int64_t i = 0; i < n; i++) {
        const int full = i % count == count - 1 || i == n - 1;
        for (int64_t channel = first; channel < last; channel++) {
            const int64_t begin = at + i * stride + (channel - first) * plane;
            vec *to = sums[channel - first];
            for (int64_t q = 0; q < plane; q += length) {
                NAME(gradient_run)(p, channel, begin + q, MIN(plane - q, length), to, mask, activation);
                if (full || plane > length) NAME(gradient_flush)(p, channel, to);
            }
        }
    }
}

/* Constant masks and activations let the compiler drop the switches from the loops. */
#define EACH_MASK(mask, activation, CALL)                                                          \
    switch ((mask) == MASK_NONE ? 0 : 16 * (mask) + (activation)) {                                \
    case 16 * MASK_OUTPUT + ACT_RELU: CALL(MASK_OUTPUT, ACT_RELU); break;                          \
    case 16 * MASK_OUTPUT + ACT_RELU6: CALL(MASK_OUTPUT, ACT_RELU6); break;                        \
    case 16 * MASK_OUTPUT + ACT_LEAKY_RELU: CALL(MASK_OUTPUT, ACT_LEAKY_RELU); break;              \
    case 16 * MASK_OUTPUT + ACT_SIGMOID: CALL(MASK_OUTPUT, ACT_SIGMOID); break;                    \
    case 16 * MASK_OUTPUT + ACT_TANH: CALL(MASK_OUTPUT, ACT_TANH); break;                          \
    case 16 * MASK_ARGUMENT + ACT_RELU: CALL(MASK_ARGUMENT, ACT_RELU); break;                      \
    case 16 * MASK_ARGUMENT + ACT_RELU6: CALL(MASK_ARGUMENT, ACT_RELU6); break;                    \
    case 16 * MASK_ARGUMENT + ACT_LEAKY_RELU: CALL(MASK_ARGUMENT, ACT_LEAKY_RELU); break;          \
    default: CALL(MASK_NONE, ACT_NONE);                                                            \
    }

/* NHWC: adds the sums of `rows` pixels from index `at` on. */
static void NAME(gradient_of_rows)(const NAME(gradient) *p, int64_t c, int64_t at, int64_t rows, int mask, int activation) {
#define CALL(source, code) NAME(gradient_all_rows)(p, c, at, rows, source, code)
    EACH_MASK(mask, activation, CALL)
#undef CALL
}

/* NCHW: adds the sums of channels [first, last), at most PLANES, in n images that lie `stride` apart; the first pixel of the first
 * channel has index `at`. */
static void NAME(gradient_of_planes)(const NAME(gradient) *p, int64_t first, int64_t last, int64_t at, int64_t n, int64_t stride,
                                     int64_t plane, int mask, int activation) {
#define CALL(source, code) NAME(gradient_all_planes)(p, first, last, at, n, stride, plane, source, code)
    EACH_MASK(mask, activation, CALL)
#undef CALL
}
