/* Vectors of the instruction set this translation unit is compiled for; included once.
 *
 * Kernel headers are templates over the element type: all.h includes them for float and for double with REAL, NAME and
 * IS_DOUBLE set. GCC and Clang vector extensions do the arithmetic, so one source serves every instruction set.
 */
#ifndef FASTCONV_SIMD_H
#define FASTCONV_SIMD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif
#ifdef _OPENMP
#include <omp.h>
#endif

#if defined(__AVX512F__)
#define SIMD_BYTES 64
#define GEMM_MR 14 /* 14 x 2 accumulators, 2 columns of B, 1 broadcast: 31 of 32 registers */
#elif defined(__AVX2__)
#define SIMD_BYTES 32
#define GEMM_MR 6 /* 6 x 2 accumulators, 2 columns of B, 1 broadcast: 15 of 16 registers */
#else
#define SIMD_BYTES 16
#define GEMM_MR 6
#endif

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 64") /* wholly: no loop here is longer */
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define CEIL_DIV(a, b) (((a) + (b) - 1) / (b))
#define ROUND_UP(a, b) (CEIL_DIV(a, b) * (b))

/* Of the element type in force: */
#define vec NAME(vec_t)                       /* an aligned vector */
#define VL ((int)(SIMD_BYTES / sizeof(REAL))) /* its lanes */
#define NR (2 * VL)                           /* columns of the GEMM register tile */

/* Whether one instruction permutes the lanes of a vector. */
INLINE int permutes_lanes(int64_t item) {
#if defined(__AVX512F__)
    return item <= 8;
#elif defined(__AVX2__)
    return item == 4;
#else
    return item < 4;
#endif
}

/* Thread `index` of `count`, and its share [*begin, *end) of `total` items. */
INLINE void share(int64_t total, int index, int count, int64_t *begin, int64_t *end) {
    *begin = total * index / count;
    *end = total * (index + 1) / count;
}

/* Pieces to cut `total` items into that `threads` threads take as they come; where neighbouring items are best done together. */
INLINE int pieces_of(int64_t total, int threads) { return threads > 1 ? (int)MIN(total, 4 * threads) : 1; }

/* The next `bytes` of a workspace, beginning on a cache line. */
enum { CACHE_LINE = 64 };
INLINE char *aligned_take(char **p, int64_t bytes) {
    char *r = *p;
    *p += ROUND_UP(bytes, CACHE_LINE);
    return r;
}

/* What lies between is asked for; returns its end. */
INLINE const char *fetch_slice(const char *from, const char *to) {
    for (; from < to; from += CACHE_LINE) __builtin_prefetch(from, 0, 2);
    return from;
}

/* Part `index` of `count` of rows of `length` elements, `step` apart, is asked for: rows far apart are too much for the hardware. */
#define FETCH_PART(from, step, rows, length, index, count, write)                                                                    \
    for (int64_t row = (rows) * (index) / (count); row < (rows) * ((index) + 1) / (count); row++)                                     \
        for (int64_t i = 0; i < (length); i += CACHE_LINE / sizeof(*(from))) __builtin_prefetch((from) + row * (step) + i, write);

/* Filters of more bytes than this, made for all products and then read once for each, do not stay in a cache until they are read, and are
 * stored past the caches. */
enum { STREAMED_BYTES = 22 << 20 };

/* After stores past the caches, before other threads are told of them. */
INLINE void stream_fence(void) {
#if defined(__SSE2__)
    _mm_sfence();
#endif
}

INLINE int thread_index(void) {
#ifdef _OPENMP
    return omp_get_thread_num();
#else
    return 0;
#endif
}

INLINE int team_size(void) {
#ifdef _OPENMP
    return omp_get_num_threads();
#else
    return 1;
#endif
}

#endif
