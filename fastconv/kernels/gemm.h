/* The two register-tiled matrix kernels everything dense is made of (template: REAL, NAME, IS_DOUBLE).
 *
 *   dot:    out[i][j] = bias[j] + sum_t sum_p rows[t][i][p] * b[t][p][j]     rows of A by pointer, contiguous in p
 *   outer:  out[i][j] = bias[i] + sum_s sum_p a_s[p][i] * b_s[p][j]          columns of A, contiguous in i
 *
 * i runs over at most GEMM_MR rows, j over NR = 2 VL columns (two vectors). Both keep the whole tile of results in registers: per step
 * of p two vectors of B are loaded and each value of A is broadcast once for two multiply-adds, so that the multipliers are the
 * limit. Pointers instead of a matrix (XNNPACK calls it indirect GEMM) let one kernel serve convolutions without a patch matrix.
 */

/* One tile of results and what happens to it on the way out. */
typedef struct {
    REAL *const *out;   /* a pointer per row */
    int64_t columns;    /* valid columns, at most NR; no other is written */
    const REAL *bias;   /* dot: per column (NR readable); outer: per row; or NULL */
    int accumulate;     /* add to what out holds instead of replacing it */
    int activation;     /* ACT_ code */
    REAL slope;
} NAME(sink);

/* The columns are complete: the activation over the tile while it is in the first-level cache. */
static __attribute__((noinline)) void NAME(activate_tile)(const NAME(sink) *s, int rows) {
    for (int i = 0; i < rows; i++)
        for (int64_t j = 0; j < s->columns; j += VL) {
            vec v = NAME(load_n)(s->out[i] + j, s->columns - j);
            NAME(store_n)(s->out[i] + j, NAME(activate)(v, s->activation, s->slope), s->columns - j);
        }
}

#define STORE_TILE(rows, vectors, bias_vector)                                          \
    UNROLL for (int i = 0; i < rows; i++) {                                             \
        REAL *o = sink->out[i];                                                         \
        UNROLL for (int j = 0; j < vectors; j++) {                                      \
            const int64_t left = sink->columns - j * VL;                                \
            vec v = acc[i][j];                                                          \
            if (sink->bias) v += bias_vector;                                           \
            if (sink->accumulate) v += NAME(load_n)(o + j * VL, left);                  \
            NAME(store_n)(o + j * VL, v, left);                                         \
        }                                                                               \
    }                                                                                   \
    if (sink->activation) NAME(activate_tile)(sink, rows)

INLINE void NAME(dot_tile)(const int rows, const int vectors, const REAL *const *a, int64_t taps, int64_t depth,
                           const REAL *b, const NAME(sink) *sink) {
    vec acc[GEMM_MR][2];
    UNROLL for (int i = 0; i < rows; i++) acc[i][0] = acc[i][1] = (vec){0};
    for (int64_t t = 0; t < taps; t++, a += rows) {
        const REAL *p[GEMM_MR];
        UNROLL for (int i = 0; i < rows; i++) p[i] = a[i];
        for (int64_t c = 0; c < depth; c++, b += NR) {
            vec b0 = *(const vec *)b, b1 = vectors > 1 ? *(const vec *)(b + VL) : (vec){0};
            UNROLL for (int i = 0; i < rows; i++) {
                vec v = NAME(splat)(p[i][c]);
                acc[i][0] += v * b0;
                if (vectors > 1) acc[i][1] += v * b1;
            }
        }
    }
    STORE_TILE(rows, vectors, NAME(load)(sink->bias + j * VL));
}

/* A segment of an outer product's reduction: `length` steps from a and b. */
typedef struct {
    const REAL *a, *b;
    int64_t length;
} NAME(segment);

/* a_step and b_step: elements from one p to the next. */
INLINE void NAME(outer_tile)(const int rows, const int vectors, const NAME(segment) *segments, int64_t count,
                             int64_t a_step, int64_t b_step, const NAME(sink) *sink) {
    vec acc[GEMM_MR][2];
    UNROLL for (int i = 0; i < rows; i++) acc[i][0] = acc[i][1] = (vec){0};
    for (int64_t s = 0; s < count; s++) {
        const REAL *a = segments[s].a, *b = segments[s].b;
        for (int64_t p = 0; p < segments[s].length; p++, a += a_step, b += b_step) {
            vec b0 = NAME(load)(b), b1 = vectors > 1 ? NAME(load)(b + VL) : (vec){0};
            UNROLL for (int i = 0; i < rows; i++) {
                vec v = NAME(splat)(a[i]);
                acc[i][0] += v * b0;
                if (vectors > 1) acc[i][1] += v * b1;
            }
        }
    }
    STORE_TILE(rows, vectors, NAME(splat)(sink->bias[i]));
}

#undef STORE_TILE

/* A real kernel for every number of rows: a tail must not run at scalar speed. */
#if GEMM_MR == 14
#define EACH_ROW_COUNT(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#else
#define EACH_ROW_COUNT(X) X(1) X(2) X(3) X(4) X(5) X(6)
#endif

#define CASE(rows)                                                                      \
    case 2 * rows + 1: NAME(dot_tile)(rows, 1, a, taps, depth, b, sink); break;         \
    case 2 * rows + 2: NAME(dot_tile)(rows, 2, a, taps, depth, b, sink); break;
/* a: taps x rows pointers; b: taps x depth x NR, aligned. */
static __attribute__((noinline)) void NAME(dot)(int rows, const REAL *const *a, int64_t taps, int64_t depth, const REAL *b,
                                                const NAME(sink) *sink) {
    switch (2 * rows + (sink->columns > VL ? 2 : 1)) { EACH_ROW_COUNT(CASE) }
}
#undef CASE

#define CASE(rows)                                                                                    \
    case 2 * rows + 1: NAME(outer_tile)(rows, 1, segments, count, a_step, b_step, sink); break;       \
    case 2 * rows + 2: NAME(outer_tile)(rows, 2, segments, count, a_step, b_step, sink); break;
static __attribute__((noinline)) void NAME(outer)(int rows, const NAME(segment) *segments, int64_t count, int64_t a_step,
                                                  int64_t b_step, const NAME(sink) *sink) {
    switch (2 * rows + (sink->columns > VL ? 2 : 1)) { EACH_ROW_COUNT(CASE) }
}
#undef CASE
#undef EACH_ROW_COUNT
