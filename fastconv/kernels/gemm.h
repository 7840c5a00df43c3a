/* The register-tiled matrix kernels everything dense is made of (template: REAL, NAME, IS_DOUBLE).
 *
 *   dot:    out[i][j] = bias[j] + sum_t sum_p rows[t][i][p] * b[t][p][j]     rows of A by pointer, contiguous in p
 *   outer:  out[i][j] = bias[i] + sum_s sum_p a_s[p][i] * b_s[p][j]          columns of A, contiguous in i
 *
 *   window_rows, window_lanes: sum_p x[at[p] + i pixel] * b[p][j] and sum_p a[p][i] * x[at[p] + j], windows of rows of pixels
 *   channels: dot for few filters, with channels in the lanes
 *   narrow: dot for groups of few filters, in vectors of at most 32 bytes
 *   bundle: dot for groups of fewer, several of them side by side in one vector
 *   narrow_row, bundle_row: the same for ROW_TAPS taps over consecutive pixels, each spread over the lanes once for all of the taps
 *   outer_bundle: outer for such groups, for their weight gradient
 *
 * i runs over at most GEMM_MR rows, j over NR = 2 VL columns (two vectors). Both keep the whole tile of results in registers: per step
 * of p two vectors of B are loaded and each value of A is broadcast once for two multiply-adds, so that the multipliers are the
 * limit. Pointers instead of a matrix (XNNPACK calls it indirect GEMM) let one kernel serve convolutions without a patch matrix.
 */

#ifndef FASTCONV_GEMM_ARGUMENTS
#define FASTCONV_GEMM_ARGUMENTS
#define SHARED __attribute__((visibility("hidden")))
/* Of `narrow`: vectors of 32 bytes, which most cores multiply two of per cycle; enough groups at a time that the multipliers' latency is
 * hidden. */
#define NARROW_BYTES MIN(32, SIMD_BYTES)
#define NARROW_GROUPS (GEMM_MR < 8 ? 2 : 1)
/* Of `window_lanes`: half the rows and twice the columns of the others, fewer and longer runs of an image's planes. Of 32 registers 7 rows
 * would leave none for the broadcast. */
enum { WINDOW_ROWS = GEMM_MR < 8 ? 3 : 6, WINDOW_VECTORS = 4 };
/* Of `channels`: filters, half a vector of them at most and fewer than `narrow` has lanes for, and pixels whose sums fill a vector. */
enum { MOST_CHANNEL_FILTERS = 7 };
#define CHANNEL_PIXELS(lanes, filters) MIN(GEMM_MR, (lanes) / (filters))
enum { ROW_TAPS = 3, BUNDLE_CHANNELS = GEMM_MR < 8 ? 2 : 4 };
#endif
#ifndef NL
#define NL ((int)(NARROW_BYTES / sizeof(REAL)))
#endif

/* One tile of results and what happens to it on the way out. */
typedef struct {
    REAL *const *out;   /* a pointer per row */
    int64_t columns;    /* valid columns, at most NR; no other is written */
    const REAL *bias;   /* dot: per column (NR readable); outer: per row; or NULL */
    int accumulate;     /* add to what out holds instead of replacing it */
    int activation;     /* ACT_ code */
    REAL slope;
    int64_t ahead;      /* windows: from this tile's rows to those of the next, which are asked for */
} NAME(sink);

/* A segment of an outer product's reduction: `length` steps from a and b. */
typedef struct {
    const REAL *a, *b;
    int64_t length;
} NAME(segment);

/* a: taps x rows pointers, the values `offset` elements behind them; b: [tap][depth][NR], aligned; `which`: the tap of b that each of a's
 * taps meets, or NULL for 0, 1, 2 ... */
SHARED void NAME(dot_at)(int rows, const REAL *const *a, int64_t offset, int64_t taps, int64_t depth, const REAL *b,
                         const int32_t *which, const NAME(sink) *sink);
INLINE void NAME(dot)(int rows, const REAL *const *a, int64_t taps, int64_t depth, const REAL *b, const int32_t *which,
                      const NAME(sink) *sink) {
    NAME(dot_at)(rows, a, 0, taps, depth, b, which, sink);
}

/* a_step and b_step: elements from one p to the next. */
SHARED void NAME(outer)(int rows, const NAME(segment) *segments, int64_t count, int64_t a_step, int64_t b_step,
                        const NAME(sink) *sink);

/* Windows of `steps` values: x: where the window of the first pixel begins; `pixel`: from there to the next pixel's, 1 of window_lanes; at:
 * offsets of the steps behind it. b: [step][NR]; a: [step][rows]. */
SHARED void NAME(window_rows)(int rows, const REAL *x, int64_t pixel, const int64_t *at, int64_t steps, const REAL *b,
                              const NAME(sink) *sink);
SHARED void NAME(window_lanes)(int rows, const REAL *a, const REAL *x, const int64_t *at, int64_t steps, const NAME(sink) *sink);

/* The windows of kernels of `kw` columns, rows of the sink [2][filters]: the second row's windows begin `below` behind the first's.
 * a: [channel][tap][filters], `at` as long. */
SHARED void NAME(window_pair)(int filters, const REAL *a, const REAL *x, const int64_t *at, int64_t channels, int64_t taps, int64_t kw,
                              int64_t below, const NAME(sink) *sink);

/* b: [tap][vector of channels][filters][VL], zeros behind the last channel; outputs of at most MOST_CHANNEL_FILTERS filters. */
SHARED void NAME(channels)(int rows, int64_t filters, const REAL *const *a, int64_t offset, int64_t taps, int64_t depth, const REAL *b,
                           const int32_t *which, const NAME(sink) *sink);

/* The same for a 1x1 kernel over `count` pixels `pitch` apart, whose outputs lie together. */
SHARED void NAME(channel_points)(int64_t count, int64_t filters, const REAL *x, int64_t pitch, int64_t depth, const REAL *b,
                                 const REAL *bias, int activation, REAL slope, REAL *out);

/* `groups` <= NARROW_GROUPS groups of `columns` <= NL filters over `depth` channels each; b: [tap][depth][NARROW_GROUPS][NL], NL values of
 * bias readable from each group's first on. */
SHARED void NAME(narrow)(int rows, int64_t groups, int64_t columns, const REAL *const *a, int64_t offset, int64_t taps, int64_t depth,
                         const REAL *b, const int32_t *which, const NAME(sink) *sink);

/* VL / columns groups of `columns` filters over `depth` <= columns channels each; b: [tap][depth][VL], VL values of bias readable.
 * `channels`: readable values behind each pointer of a and the offset. */
SHARED void NAME(bundle)(int rows, const REAL *const *a, int64_t offset, int64_t taps, int64_t depth, int64_t columns, int64_t channels,
                         const REAL *b, const int32_t *which, const NAME(sink) *sink);

/* Rows of ROW_TAPS taps: a: taps x (rows + ROW_TAPS - 1) pointers to consecutive pixels, of which row i meets i, i + 1, ...;
 * `which`: taps x ROW_TAPS taps of b. */
SHARED void NAME(narrow_row)(int rows, int64_t groups, int64_t columns, const REAL *const *a, int64_t offset, int64_t taps, int64_t depth,
                             const REAL *b, const int32_t *which, const NAME(sink) *sink);
SHARED void NAME(bundle_row)(int rows, const REAL *const *a, int64_t offset, int64_t taps, int64_t depth, int64_t columns,
                             int64_t channels, const REAL *b, const int32_t *which, const NAME(sink) *sink);

/* out[t out_step + c VL + j] = sum_s sum_p a_s[p a_step + t tap_step + j / columns depth + c] b_s[p b_step + j], added to what out holds
 * on `accumulate`; t < taps <= ROW_TAPS, c < channels <= BUNDLE_CHANNELS, j < VL. Whole vectors of a and b are read. */
SHARED void NAME(outer_bundle)(int taps, int channels, const NAME(segment) *segments, int64_t count, int64_t tap_step, int64_t a_step,
                               int64_t b_step, int64_t depth, int64_t columns, REAL *out, int64_t out_step, int accumulate);
