/* Transposes between NCHW and NHWC (template: REAL, NAME, IS_DOUBLE). */

#ifndef FASTCONV_TRANSPOSE_LANES
#define FASTCONV_TRANSPOSE_LANES
enum { FEW_ROWS = 4 };
/* Index vectors of a two-source shuffle: lane l of the first result takes l or, where bit h of l is set, lane l - h of the second
 * source; the second result is the mirror image. */
#define FIRST(l, h, n) ((l) & (h) ? (n) + (l) - (h) : (l))
#define SECOND(l, h, n) ((l) & (h) ? (n) + (l) : (l) + (h))
#define EVEN(l, h, n) (2 * (l)) /* every second lane of both sources */
#define LANES2(f, h, n) f(0, h, n), f(1, h, n)
#define LANES4(f, h, n) LANES2(f, h, n), f(2, h, n), f(3, h, n)
#define LANES8(f, h, n) LANES4(f, h, n), f(4, h, n), f(5, h, n), f(6, h, n), f(7, h, n)
#define LANES16(f, h, n) \
    LANES8(f, h, n), f(8, h, n), f(9, h, n), f(10, h, n), f(11, h, n), f(12, h, n), f(13, h, n), f(14, h, n), f(15, h, n)
#if defined(__clang__)
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (NAME(ivec_t)){__VA_ARGS__})
#endif
#endif

#if SIMD_BYTES == 64 && !IS_DOUBLE
#define STAGES(X) X(8, LANES16, 16) X(4, LANES16, 16) X(2, LANES16, 16) X(1, LANES16, 16)
#define EVEN_LANES LANES16(EVEN, 0, 16)
#elif (SIMD_BYTES == 32 && !IS_DOUBLE) || (SIMD_BYTES == 64 && IS_DOUBLE)
#define STAGES(X) X(4, LANES8, 8) X(2, LANES8, 8) X(1, LANES8, 8)
#define EVEN_LANES LANES8(EVEN, 0, 8)
#elif (SIMD_BYTES == 16 && !IS_DOUBLE) || (SIMD_BYTES == 32 && IS_DOUBLE)
#define STAGES(X) X(2, LANES4, 4) X(1, LANES4, 4)
#define EVEN_LANES LANES4(EVEN, 0, 4)
#else
#define STAGES(X) X(1, LANES2, 2)
#define EVEN_LANES LANES2(EVEN, 0, 2)
#endif
#define STAGE(h, lanes, n)                                              \
    UNROLL for (int i = 0; i < n; i++) if (!(i & h)) {                  \
        vec a = r[i], b = r[i + h];                                     \
        r[i] = SHUFFLE(a, b, lanes(FIRST, h, n));                       \
        r[i + h] = SHUFFLE(a, b, lanes(SECOND, h, n));                  \
    }

/* VL x VL values in registers: log2(VL) rounds of exchanging halves. */
INLINE void NAME(transpose_square)(vec *r) { STAGES(STAGE) }

/* to[k] = from[2 k] for k < count; `readable` elements from `from` on may be read. */
static __attribute__((unused)) void NAME(every_second)(const REAL *from, int64_t count, int64_t readable, REAL *to) {
    int64_t k = 0;
    for (; k + VL <= count && 2 * (k + VL) <= readable; k += VL)
        NAME(store)(to + k, SHUFFLE(NAME(load)(from + 2 * k), NAME(load)(from + 2 * k + VL), EVEN_LANES));
    for (; k < count; k++) to[k] = from[2 * k];
}

#undef STAGE
#undef STAGES
#undef EVEN_LANES

/* b[j][i] = a[i][j] for i < rows, j < columns; steps in elements. */
static __attribute__((unused)) void NAME(transpose)(const REAL *a, int64_t a_step, int64_t rows, int64_t columns, REAL *b,
                                                    int64_t b_step) {
    if (rows <= FEW_ROWS && columns > VL) { /* colour planes: most of a square of registers would be empty */
        for (int64_t j = 0; j < columns; j++)
            for (int64_t i = 0; i < rows; i++) b[j * b_step + i] = a[i * a_step + j];
        return;
    }
    for (int64_t i = 0; i < rows; i += VL)
        for (int64_t j = 0; j < columns; j += VL) {
            const int64_t high = MIN(VL, rows - i), wide = MIN(VL, columns - j);
            vec r[SIMD_BYTES / sizeof(REAL)];
            if (high == VL && wide == VL) {
                UNROLL for (int q = 0; q < VL; q++) r[q] = NAME(load)(a + (i + q) * a_step + j);
                NAME(transpose_square)(r);
                UNROLL for (int q = 0; q < VL; q++) NAME(store)(b + (j + q) * b_step + i, r[q]);
            } else {
                UNROLL for (int q = 0; q < VL; q++) r[q] = q < high ? NAME(load_n)(a + (i + q) * a_step + j, wide) : (vec){0};
                NAME(transpose_square)(r);
                UNROLL for (int q = 0; q < VL; q++) if (q < wide) NAME(store_n)(b + (j + q) * b_step + i, r[q], high);
            }
        }
}
