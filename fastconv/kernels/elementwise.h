/* Functions of each element, their gradients, and sums of two arrays (template: REAL, NAME, IS_DOUBLE). Arrays are contiguous; the
 * result may be one of the operands. */
#ifndef FASTCONV_ELEMENTWISE_H
#define FASTCONV_ELEMENTWISE_H

#include <stdint.h>

#define DECLARE(REAL, SUFFIX)                                                                                             \
    void apply##SUFFIX(int64_t size, const REAL *x, int code, double slope, REAL *y, int threads);                        \
    /* gy times the derivative, see functions.h for what `saved` is. */                                                   \
    void apply_grad##SUFFIX(int64_t size, const REAL *gy, const REAL *saved, int code, double slope, REAL *g, int threads); \
    /* y = function(a + b) */                                                                                             \
    void add##SUFFIX(int64_t size, const REAL *a, const REAL *b, int code, double slope, REAL *y, int threads);
DECLARE(float, _f32)
DECLARE(double, _f64)
#undef DECLARE

/* What a loop computes from a and b: f(a), f(a + b), a f'(b). */
enum { FUNCTION_OF_A, FUNCTION_OF_SUM, DERIVATIVE };

#endif

#ifdef REAL

#include "functions.h"

/* Constant codes let the compiler drop the switch from the loop. */
#define EACH_FUNCTION(code, CALL)                         \
    switch (code) {                                       \
    case ACT_RELU: CALL(ACT_RELU); break;                 \
    case ACT_RELU6: CALL(ACT_RELU6); break;               \
    case ACT_LEAKY_RELU: CALL(ACT_LEAKY_RELU); break;     \
    case ACT_SIGMOID: CALL(ACT_SIGMOID); break;           \
    case ACT_SILU: CALL(ACT_SILU); break;                 \
    case ACT_TANH: CALL(ACT_TANH); break;                 \
    case ACT_GELU: CALL(ACT_GELU); break;                 \
    case ACT_GELU_TANH: CALL(ACT_GELU_TANH); break;       \
    case ACT_SOFTPLUS: CALL(ACT_SOFTPLUS); break;         \
    default: CALL(ACT_NONE);                              \
    }

INLINE void NAME(map)(int64_t begin, int64_t end, const REAL *a, const REAL *b, REAL *y, REAL slope, const int what, const int code) {
#define ELEMENT(n)                                                                        \
    do {                                                                                  \
        vec v = NAME(load_n)(a + i, n);                                                   \
        if (what == FUNCTION_OF_SUM) v += NAME(load_n)(b + i, n);                         \
        v = what == DERIVATIVE ? NAME(masked)(v, NAME(load_n)(b + i, n), code, slope)     \
                               : NAME(function)(v, code, slope);                          \
        NAME(store_n)(y + i, v, n);                                                       \
    } while (0)
    int64_t i = begin;
    for (; i + VL <= end; i += VL) ELEMENT(VL);
    if (i < end) ELEMENT(end - i);
#undef ELEMENT
}

static void NAME(map_function)(int64_t begin, int64_t end, const REAL *a, const REAL *b, REAL *y, REAL slope, int what, int code) {
#define CALL(code)                                                                  \
    if (what == DERIVATIVE)                                                         \
        NAME(map)(begin, end, a, b, y, slope, DERIVATIVE, code);                    \
    else if (what == FUNCTION_OF_SUM)                                               \
        NAME(map)(begin, end, a, b, y, slope, FUNCTION_OF_SUM, code);               \
    else                                                                            \
        NAME(map)(begin, end, a, 0, y, slope, FUNCTION_OF_A, code)
    EACH_FUNCTION(code, CALL)
#undef CALL
}

static void NAME(map_shared)(int64_t size, const REAL *a, const REAL *b, REAL *y, double slope, int what, int code, int threads) {
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int64_t begin, end;
        share(CEIL_DIV(size, VL), thread_index(), team_size(), &begin, &end);
        NAME(map_function)(begin * VL, MIN(size, end * VL), a, b, y, (REAL)slope, what, code);
    }
}

void NAME(apply)(int64_t size, const REAL *x, int code, double slope, REAL *y, int threads) {
    NAME(map_shared)(size, x, 0, y, slope, FUNCTION_OF_A, code, threads);
}

void NAME(apply_grad)(int64_t size, const REAL *gy, const REAL *saved, int code, double slope, REAL *g, int threads) {
    NAME(map_shared)(size, gy, saved, g, slope, DERIVATIVE, code, threads);
}

void NAME(add)(int64_t size, const REAL *a, const REAL *b, int code, double slope, REAL *y, int threads) {
    NAME(map_shared)(size, a, b, y, slope, FUNCTION_OF_SUM, code, threads);
}

#endif
