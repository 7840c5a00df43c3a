/* The arithmetic of optimizers (template: REAL, NAME, IS_DOUBLE): a step, and sums of squares. In a step, stages turn a gradient u into an update, which is then
 * subtracted from the parameter p. Every block passes through all stages while it is in the first-level cache.
 *
 *   SCALE     u = a u                                                a
 *   CLIP      u = u limited to [-a, a]                               a
 *   DECAY     u = u + a p                                            a
 *   MOMENTUM  s = a s + b u, u = s                                   a, b
 *   NESTEROV  s = a s + b u, u = u + c s                             a, b, c
 *   ADAM      s = a s + u, r = b r + u^2, u = s / (c sqrt(r) + d)    a, b, c, d
 *   AMSGRAD   the same with the largest r so far, t, under the root
 *   RMS       s = a s + b u^2, u = u / (sqrt(s) + c)                 a, b, c
 *   CENTERED  r = a r + b u too, and sqrt(s - r^2)
 *   ADAGRAD   s = s + u^2, u = u / (a sqrt(s) + b)                   a, b
 *
 * s, r and t are arrays of the parameter's size that are kept between steps. All arrays are contiguous; NaN stays NaN. */
#ifndef FASTCONV_UPDATE_H
#define FASTCONV_UPDATE_H

#include <stdint.h>

enum {
    UPDATE_SCALE, UPDATE_CLIP, UPDATE_DECAY, UPDATE_MOMENTUM, UPDATE_NESTEROV, UPDATE_ADAM, UPDATE_AMSGRAD, UPDATE_RMS,
    UPDATE_CENTERED, UPDATE_ADAGRAD
};
enum { UPDATE_NUMBERS = 4, UPDATE_ARRAYS = 3 };

typedef struct {
    int operation;
    double number[UPDATE_NUMBERS];
    void *array[UPDATE_ARRAYS];
} update_stage;

/* p -= lr times the last stage's result; or, if `out` is not NULL, only that result in `out`, which may be the gradient itself. */
#define DECLARE(REAL, SUFFIX)                                                                                             \
    void update##SUFFIX(int64_t size, const REAL *gradient, REAL *p, const update_stage *stages, int64_t count, double lr, \
                        REAL *out, int threads);                                                                            \
    /* The sum of squares of each block of SQUARES_BLOCK elements. */                                                      \
    void squares##SUFFIX(int64_t size, const REAL *x, double *sums, int threads);
DECLARE(float, _f32)
DECLARE(double, _f64)
#undef DECLARE

enum {
    UPDATE_BLOCK = 4096, /* bytes of u: with p and three arrays, half a first-level cache */
    SQUARES_BLOCK = 4096,
    SQUARES_AT_ONCE = 4 /* vectors of sums, which hide the latency of additions */
};

#endif

#ifdef REAL

/* One vector of a stage: u, and where its elements of p and of the arrays lie; n of them count. */
INLINE vec NAME(staged)(const int operation, const double *number, vec u, const REAL *p, REAL *s, REAL *r, REAL *t, int64_t n) {
    const REAL a = (REAL)number[0], b = (REAL)number[1], c = (REAL)number[2], d = (REAL)number[3];
    switch (operation) {
    case UPDATE_SCALE: return u * a;
    case UPDATE_CLIP: {
        const vec high = NAME(splat)(a);
        u = NAME(select)(u > high, high, u);
        return NAME(select)(u < -high, -high, u);
    }
    case UPDATE_DECAY: return u + a * NAME(load_n)(p, n);
    case UPDATE_MOMENTUM:
    case UPDATE_NESTEROV: {
        const vec sum = a * NAME(load_n)(s, n) + b * u;
        NAME(store_n)(s, sum, n);
        if (operation == UPDATE_MOMENTUM) return sum;
        return u + c * sum;
    }
    case UPDATE_ADAM:
    case UPDATE_AMSGRAD: {
        const vec sum = a * NAME(load_n)(s, n) + u;
        vec squares = b * NAME(load_n)(r, n) + u * u;
        NAME(store_n)(s, sum, n);
        NAME(store_n)(r, squares, n);
        if (operation == UPDATE_AMSGRAD) {
            const vec largest = NAME(load_n)(t, n);
            squares = NAME(select)((largest >= squares) | (largest != largest), largest, squares);
            NAME(store_n)(t, squares, n);
        }
        return sum / (c * NAME(sqrt)(squares) + d);
    }
    case UPDATE_RMS:
    case UPDATE_CENTERED: {
        vec square = a * NAME(load_n)(s, n) + b * (u * u);
        NAME(store_n)(s, square, n);
        if (operation == UPDATE_CENTERED) {
            const vec mean = a * NAME(load_n)(r, n) + b * u;
            NAME(store_n)(r, mean, n);
            /* Of a constant gradient rounding may leave a variance below zero. */
            square -= mean * mean;
            square = NAME(select)(square < (vec){0}, (vec){0}, square);
        }
        return u / (NAME(sqrt)(square) + c);
    }
    default: {
        const vec sum = NAME(load_n)(s, n) + u * u;
        NAME(store_n)(s, sum, n);
        return u / (a * NAME(sqrt)(sum) + b);
    }
    }
}

/* Elements [begin, end) through one stage, from u to `to`. */
INLINE void NAME(stage)(const int operation, const update_stage *stage, int64_t begin, int64_t end, const REAL *u, const REAL *p, REAL *to) {
    REAL *const *array = (REAL *const *)stage->array;
#define VECTOR(i, n)                                                                                                          \
    NAME(store_n)(to + (i) - begin, NAME(staged)(operation, stage->number, NAME(load_n)(u + (i) - begin, n), p + (i), array[0] + (i), \
                                                 array[1] + (i), array[2] + (i), n), n)
    int64_t i = begin;
    for (; i + VL <= end; i += VL) VECTOR(i, VL);
    if (i < end) VECTOR(i, end - i);
#undef VECTOR
}

static void NAME(pass_stage)(const update_stage *stage, int64_t begin, int64_t end, const REAL *u, const REAL *p, REAL *to) {
    switch (stage->operation) {
#define CASE(operation) \
    case operation: NAME(stage)(operation, stage, begin, end, u, p, to); break;
        CASE(UPDATE_SCALE) CASE(UPDATE_CLIP) CASE(UPDATE_DECAY) CASE(UPDATE_MOMENTUM) CASE(UPDATE_NESTEROV) CASE(UPDATE_ADAM)
        CASE(UPDATE_AMSGRAD) CASE(UPDATE_RMS) CASE(UPDATE_CENTERED) CASE(UPDATE_ADAGRAD)
#undef CASE
    }
}

static void NAME(update_block)(int64_t begin, int64_t end, const REAL *gradient, REAL *p, const update_stage *stages, int64_t count,
                               REAL lr, REAL *out) {
    REAL scratch[UPDATE_BLOCK / sizeof(REAL)] __attribute__((aligned(SIMD_BYTES)));
    const REAL *u = gradient + begin;
    for (int64_t s = 0; s < count; s++) {
        REAL *to = out && s == count - 1 ? out + begin : scratch;
        NAME(pass_stage)(stages + s, begin, end, u, p, to);
        u = to;
    }
    if (out) return;
    int64_t i = begin;
    for (; i + VL <= end; i += VL) NAME(store)(p + i, NAME(load)(p + i) - lr * NAME(load)(u + i - begin));
    if (i < end) NAME(store_n)(p + i, NAME(load_n)(p + i, end - i) - lr * NAME(load_n)(u + i - begin, end - i), end - i);
}

void NAME(update)(int64_t size, const REAL *gradient, REAL *p, const update_stage *stages, int64_t count, double lr, REAL *out, int threads) {
    const int64_t block = UPDATE_BLOCK / sizeof(REAL), blocks = CEIL_DIV(size, block);
    const int pieces = pieces_of(blocks, threads);
#pragma omp parallel for num_threads(threads) schedule(dynamic) if (threads > 1)
    for (int piece = 0; piece < pieces; piece++)
        for (int64_t i = blocks * piece / pieces; i < blocks * (piece + 1) / pieces; i++)
            NAME(update_block)(i * block, MIN(size, (i + 1) * block), gradient, p, stages, count, (REAL)lr, out);
}

static double NAME(block_squares)(int64_t size, const REAL *x) {
    vec sums[SQUARES_AT_ONCE] = {0};
    int64_t i = 0;
    for (; i + SQUARES_AT_ONCE * VL <= size; i += SQUARES_AT_ONCE * VL)
        UNROLL for (int j = 0; j < SQUARES_AT_ONCE; j++) {
            const vec v = NAME(load)(x + i + j * VL);
            sums[j] += v * v;
        }
    for (; i < size; i += VL) {
        const vec v = NAME(load_n)(x + i, size - i);
        sums[0] += v * v;
    }
    double total = 0;
    for (int l = 0; l < VL; l++) UNROLL for (int j = 0; j < SQUARES_AT_ONCE; j++) total += sums[j][l];
    return total;
}

void NAME(squares)(int64_t size, const REAL *x, double *sums, int threads) {
    const int64_t blocks = CEIL_DIV(size, SQUARES_BLOCK);
    const int pieces = pieces_of(blocks, threads);
#pragma omp parallel for num_threads(threads) schedule(dynamic) if (threads > 1)
    for (int piece = 0; piece < pieces; piece++)
        for (int64_t i = blocks * piece / pieces; i < blocks * (piece + 1) / pieces; i++)
            sums[i] = NAME(block_squares)(MIN(SQUARES_BLOCK, size - i * SQUARES_BLOCK), x + i * SQUARES_BLOCK);
}

#endif
