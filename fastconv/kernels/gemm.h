/* The register-tiled matrix kernels everything dense is made of (template: REAL, NAME, IS_DOUBLE).
 *
 *   dot:    out[i][j] = bias[j] + sum_t sum_p rows[t][i][p] * b[t][p][j]     rows of A by pointer, contiguous in p
 *   outer:  out[i][j] = bias[i] + sum_s sum_p a_s[p][i] * b_s[p][j]          columns of A, contiguous in i
 *
 *   bundle: dot for narrow groups, several of them side by side in one vector
 *
 * i runs over at most GEMM_MR rows, j over NR = 2 VL columns (two vectors). Both keep the whole tile of results in registers: per step
 * of p two vectors of B are loaded and each value of A is broadcast once for two multiply-adds, so that the multipliers are the
 * limit. Pointers instead of a matrix (XNNPACK calls it indirect GEMM) let one kernel serve convolutions without a patch matrix.
 */

#ifndef FASTCONV_GEMM_ARGUMENTS
#define FASTCONV_GEMM_ARGUMENTS
#define SHARED __attribute__((visibility("hidden")))
#endif

/* One tile of results and what happens to it on the way out. */
typedef struct {
    REAL *const *out;   /* a pointer per row */
    int64_t columns;    /* valid columns, at most NR; no other is written */
    const REAL *bias;   /* dot: per column (NR readable); outer: per row; or NULL */
    int accumulate;     /* add to what out holds instead of replacing it */
    int activation;     /* ACT_ code */
    REAL slope;
} NAME(sink);

/* A segment of an outer product's reduction: `length` steps from a and b. */
typedef struct {
    const REAL *a, *b;
    int64_t length;
} NAME(segment);

/* a: taps x rows pointers; b: [tap][depth][NR], aligned; `which`: the tap of b that each of a's taps meets, or NULL for 0, 1, 2 ... */
SHARED void NAME(dot)(int rows, const REAL *const *a, int64_t taps, int64_t depth, const REAL *b, const int32_t *which,
                      const NAME(sink) *sink);

/* a_step and b_step: elements from one p to the next. */
SHARED void NAME(outer)(int rows, const NAME(segment) *segments, int64_t count, int64_t a_step, int64_t b_step,
                        const NAME(sink) *sink);

/* Groups of `columns` filters, a divisor of VL, over `depth` <= columns channels each: a vector of results from b: [tap][depth][VL].
 * `channels`: readable values behind each pointer of a. */
SHARED void NAME(bundle)(int rows, const REAL *const *a, int64_t taps, int64_t depth, int64_t columns, int64_t channels, const REAL *b,
                         const int32_t *which, const NAME(sink) *sink);
