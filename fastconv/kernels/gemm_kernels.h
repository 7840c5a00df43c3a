/* The bodies of gemm.h's kernels (template: REAL, NAME, IS_DOUBLE). */
#include "gemm.h"
#include "transpose.h"

/* What is not a plain store of whole vectors, from a copy of the tile in the first-level cache. */
static __attribute__((noinline)) void NAME(finish_tile)(const NAME(sink) *s, int rows, REAL *tile, int64_t step) {
    for (int i = 0; i < rows && s->accumulate; i++)
        for (int64_t j = 0; j < s->columns; j += VL) *(vec *)(tile + i * step + j) += NAME(load_n)(s->out[i] + j, s->columns - j);
    const int64_t vectors = CEIL_DIV(s->columns, VL), together = vectors * VL == step ? rows : 1; /* rows without a gap */
    for (int i = 0; i < rows; i += together) NAME(activate_all)((vec *)(tile + i * step), together * vectors, s->activation, s->slope);
    for (int i = 0; i < rows; i++)
        for (int64_t j = 0; j < s->columns; j += VL) NAME(store_n)(s->out[i] + j, *(const vec *)(tile + i * step + j), s->columns - j);
}

#define CLAMP_TILE(rows, vectors)                                                                           \
    if (sink->activation) {                                                                                 \
        UNROLL for (int i = 0; i < rows; i++) NAME(clamp)(acc[i], vectors, sink->activation);               \
    }

#define STORE_TILE(rows, vectors, bias_vector)                                                              \
    if (sink->bias) {                                                                                       \
        UNROLL for (int i = 0; i < rows; i++) UNROLL for (int j = 0; j < vectors; j++) acc[i][j] += bias_vector; \
    }                                                                                                       \
    if (sink->columns == vectors * VL && IS_CLAMP(sink->activation)) {                                      \
        if (sink->accumulate) {                                                                             \
            UNROLL for (int i = 0; i < rows; i++)                                                           \
                UNROLL for (int j = 0; j < vectors; j++) acc[i][j] += NAME(load)(sink->out[i] + j * VL);    \
        }                                                                                                   \
        CLAMP_TILE(rows, vectors)                                                                           \
        UNROLL for (int i = 0; i < rows; i++) {                                                             \
            REAL *o = sink->out[i];                                                                         \
            UNROLL for (int j = 0; j < vectors; j++) NAME(store)(o + j * VL, acc[i][j]);                    \
        }                                                                                                   \
    } else {                                                                                                \
        REAL tile[GEMM_MR * NR] __attribute__((aligned(SIMD_BYTES)));                                       \
        UNROLL for (int i = 0; i < rows; i++)                                                               \
            UNROLL for (int j = 0; j < vectors; j++) *(vec *)(tile + (i * vectors + j) * VL) = acc[i][j];   \
        NAME(finish_tile)(sink, rows, tile, vectors * VL);                                                  \
    }

/* Of pixels in the lanes, a vector at least: the last ends where the columns end, over some of the one before. */
#define LANE(j, vectors) ((j) < (vectors) - 1 ? (j) * VL : sink->columns - VL)
#define STORE_LANES(rows, vectors)                                                                                                   \
    if (sink->columns < VL) {                                                                                                        \
        STORE_TILE(rows, 1, NAME(splat)(sink->bias[i]));                                                                             \
        return;                                                                                                                      \
    }                                                                                                                                \
    UNROLL for (int i = 0; i < rows; i++) {                                                                                          \
        if (sink->bias) UNROLL for (int j = 0; j < vectors; j++) acc[i][j] += NAME(splat)(sink->bias[i]);                            \
        if (sink->accumulate) UNROLL for (int j = 0; j < vectors; j++) acc[i][j] += NAME(load)(sink->out[i] + LANE(j, vectors));     \
    }                                                                                                                                \
    if (IS_CLAMP(sink->activation)) {                                                                                                \
        CLAMP_TILE(rows, vectors)                                                                                                    \
    } else {                                                                                                                         \
        REAL tile[GEMM_MR * NR] __attribute__((aligned(SIMD_BYTES)));                                                                \
        UNROLL for (int i = 0; i < rows; i++)                                                                                        \
            UNROLL for (int j = 0; j < vectors; j++) *(vec *)(tile + (i * vectors + j) * VL) = acc[i][j];                            \
        NAME(activate_all)((vec *)tile, rows * vectors, sink->activation, sink->slope);                                              \
        UNROLL for (int i = 0; i < rows; i++)                                                                                        \
            UNROLL for (int j = 0; j < vectors; j++) acc[i][j] = *(vec *)(tile + (i * vectors + j) * VL);                            \
    }                                                                                                                                \
    UNROLL for (int i = 0; i < rows; i++) UNROLL for (int j = 0; j < vectors; j++) NAME(store)(sink->out[i] + LANE(j, vectors), acc[i][j]);

/* The lines that a row of a tile will be stored to, asked for before: they rarely are in the first-level cache. */
#define FETCH_ROW(i, vectors, ahead)                                                                        \
    do {                                                                                                    \
        UNROLL for (int j = 0; j < vectors; j++) __builtin_prefetch(sink->out[i] + (ahead) + j * VL, 1);    \
        __builtin_prefetch(sink->out[i] + (ahead) + vectors * VL - 1, 1);                                   \
    } while (0)
#define FETCH_TILE(rows, vectors) UNROLL for (int i = 0; i < rows; i++) FETCH_ROW(i, vectors, 0)

INLINE void NAME(dot_tile)(const int rows, const int vectors, const REAL *const *a, int64_t offset, int64_t taps, int64_t depth,
                           const REAL *all_b, const int32_t *which, const NAME(sink) *sink) {
    vec acc[GEMM_MR][2];
    UNROLL for (int i = 0; i < rows; i++) acc[i][0] = acc[i][1] = (vec){0};
    FETCH_TILE(rows, vectors);
    for (int64_t t = 0; t < taps; t++, a += rows) {
        const REAL *p[GEMM_MR];
        UNROLL for (int i = 0; i < rows; i++) p[i] = a[i] + offset;
        const REAL *b = all_b + (which ? which[t] : t) * depth * NR;
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

INLINE void NAME(outer_tile)(const int rows, const int vectors, const NAME(segment) *segments, int64_t count,
                             int64_t a_step, int64_t b_step, const NAME(sink) *sink) {
    vec acc[GEMM_MR][2];
    UNROLL for (int i = 0; i < rows; i++) acc[i][0] = acc[i][1] = (vec){0};
    FETCH_TILE(rows, vectors);
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

INLINE void NAME(window_rows_tile)(const int rows, const int vectors, const REAL *x, int64_t pixel, const int64_t *at, int64_t steps,
                                   const REAL *b, const NAME(sink) *sink) {
    vec acc[GEMM_MR][2];
    const REAL *third[(GEMM_MR + 2) / 3]; /* every third row: with three offsets, addresses of all */
    UNROLL for (int i = 0; i < rows; i++) acc[i][0] = acc[i][1] = (vec){0};
    UNROLL for (int i = 0; i < rows; i += 3) third[i / 3] = x + i * pixel;
    for (int64_t p = 0; p < steps; p++, b += NR) {
        const int64_t offset[3] = {at[p], at[p] + pixel, at[p] + 2 * pixel};
        if (p < rows) FETCH_ROW(p, vectors, sink->ahead);
        vec b0 = *(const vec *)b, b1 = vectors > 1 ? *(const vec *)(b + VL) : (vec){0};
        UNROLL for (int i = 0; i < rows; i++) {
            vec v = NAME(splat)(third[i / 3][offset[i % 3]]);
            acc[i][0] += v * b0;
            if (vectors > 1) acc[i][1] += v * b1;
        }
    }
    STORE_TILE(rows, vectors, NAME(load)(sink->bias + j * VL));
}

INLINE void NAME(window_lanes_tile)(const int rows, const int vectors, const REAL *a, const REAL *x, const int64_t *at, int64_t steps,
                                    const NAME(sink) *sink) {
    vec acc[WINDOW_ROWS][WINDOW_VECTORS];
    UNROLL for (int i = 0; i < rows; i++) UNROLL for (int j = 0; j < vectors; j++) acc[i][j] = (vec){0};
    const int64_t last = MAX(0, sink->columns - VL);
    for (int64_t p = 0; p < steps; p++, a += rows) {
        if (p < rows) FETCH_ROW(p, vectors, sink->ahead);
#if GEMM_MR < 8 /* 12 accumulators, 3 broadcasts, 1 load: all 16 registers */
        vec v[WINDOW_ROWS];
        UNROLL for (int i = 0; i < rows; i++) v[i] = NAME(splat)(a[i]);
        UNROLL for (int j = 0; j < vectors; j++) {
            const vec b = NAME(load_held)(x + at[p] + (j < vectors - 1 ? j * VL : last));
            UNROLL for (int i = 0; i < rows; i++) acc[i][j] += v[i] * b;
        }
#else
        vec b[WINDOW_VECTORS];
        UNROLL for (int j = 0; j < vectors; j++) b[j] = NAME(load)(x + at[p] + (j < vectors - 1 ? j * VL : last));
        UNROLL for (int i = 0; i < rows; i++) {
            vec v = NAME(splat)(a[i]);
            UNROLL for (int j = 0; j < vectors; j++) acc[i][j] += v * b[j];
        }
#endif
    }
    STORE_LANES(rows, vectors)
}

/* Steps [begin, end) of the windows of two rows that pass over one channel, those of the second `kw` behind: of the rows that meet them. */
INLINE void NAME(window_pair_steps)(const int filters, const int vectors, const int first, const int second, const REAL *a, const REAL *x,
                                    const int64_t *at, int64_t begin, int64_t end, int64_t kw, int64_t last,
                                    vec acc[WINDOW_ROWS][WINDOW_VECTORS]) {
    for (int64_t p = begin; p < end; p++) {
        vec b[WINDOW_VECTORS];
        UNROLL for (int j = 0; j < vectors; j++) b[j] = NAME(load_held)(x + at[first ? p : p - kw] + (j < vectors - 1 ? j * VL : last));
        UNROLL for (int i = 0; i < filters; i++) {
            const vec v = first ? NAME(splat)(a[p * filters + i]) : (vec){0};
            const vec w = second ? NAME(splat)(a[(p - kw) * filters + i]) : (vec){0};
            UNROLL for (int j = 0; j < vectors; j++) {
                if (first) acc[i][j] += v * b[j];
                if (second) acc[filters + i][j] += w * b[j];
            }
        }
    }
}

INLINE void NAME(window_pair_tile)(const int filters, const int vectors, const REAL *a, const REAL *x, const int64_t *at, int64_t channels,
                                   int64_t taps, int64_t kw, int64_t below, const NAME(sink) *sink) {
    vec acc[WINDOW_ROWS][WINDOW_VECTORS];
    UNROLL for (int i = 0; i < 2 * filters; i++) UNROLL for (int j = 0; j < vectors; j++) acc[i][j] = (vec){0};
    FETCH_TILE(2 * filters, vectors);
    const int64_t last = MAX(0, sink->columns - VL);
    for (int64_t c = 0; c < channels; c++, a += taps * filters, at += taps) {
        NAME(window_pair_steps)(filters, vectors, 1, 0, a, x, at, 0, kw, kw, last, acc);
        NAME(window_pair_steps)(filters, vectors, 1, 1, a, x, at, kw, taps, kw, last, acc);
        NAME(window_pair_steps)(filters, vectors, 0, 1, a, x + below, at, taps, taps + kw, kw, last, acc);
    }
    STORE_LANES(2 * filters, vectors)
}

/* `count` channels of few filters, VL at most, added to the sums of each of `pixels`. */
INLINE void NAME(channels_step)(const int pixels, const int filters, const REAL *const *p, int64_t c, int64_t count, const REAL *b,
                                vec *acc) {
    vec w[MOST_CHANNEL_FILTERS];
    UNROLL for (int j = 0; j < filters; j++) w[j] = *(const vec *)(b + j * VL);
    UNROLL for (int i = 0; i < pixels; i++) {
        const vec x = count == VL ? NAME(load_held)(p[i] + c) : NAME(load_part)(p[i] + c, count);
        UNROLL for (int j = 0; j < filters; j++) acc[i * filters + j] += x * w[j];
    }
}

/* All of them. */
INLINE void NAME(channels_steps)(const int pixels, const int filters, const REAL *const *p, int64_t depth, const REAL *b, vec *acc) {
    const int64_t whole = depth / VL * VL;
    for (int64_t c = 0; c < whole; c += VL, b += filters * VL) NAME(channels_step)(pixels, filters, p, c, VL, b, acc);
    if (whole < depth) NAME(channels_step)(pixels, filters, p, whole, depth - whole, b, acc);
}

/* The lanes of each sum added up, [pixel][filter]; with bias and activation. */
INLINE vec NAME(channels_sums)(const int pixels, const int filters, vec *acc, const REAL *bias, int activation, REAL slope) {
    REAL sums[SIMD_BYTES / sizeof(REAL)] __attribute__((aligned(SIMD_BYTES)));
    vec all = NAME(sum_lanes)(acc);
    if (bias) {
        UNROLL for (int i = 0; i < pixels * filters; i++) sums[i] = bias[i % filters];
        all += *(const vec *)sums;
    }
    if (IS_CLAMP(activation)) {
        NAME(clamp)(&all, 1, activation);
    } else {
        *(vec *)sums = all;
        NAME(activate_all)((vec *)sums, 1, activation, slope);
        all = *(const vec *)sums;
    }
    return all;
}

/* Few filters: lanes are channels, `filters` sums for each of `pixels` rows, VL at most, which are added up at the end. Rows beyond the
 * last repeat it. */
INLINE void NAME(channels_tile)(const int pixels, const int filters, int rows, int first, int count, const REAL *const *a, int64_t offset,
                                int64_t taps, int64_t depth, const REAL *all_b, const int32_t *which, const NAME(sink) *sink) {
    vec acc[SIMD_BYTES / sizeof(REAL)];
    const int64_t step = ROUND_UP(depth, VL) * filters;
    UNROLL for (int i = 0; i < VL; i++) acc[i] = (vec){0};
    for (int64_t t = 0; t < taps; t++, a += rows) {
        const REAL *p[SIMD_BYTES / sizeof(REAL)];
        UNROLL for (int i = 0; i < pixels; i++) p[i] = a[first + MIN(i, count - 1)] + offset;
        NAME(channels_steps)(pixels, filters, p, depth, all_b + (which ? which[t] : t) * step, acc);
    }
    const vec all = NAME(channels_sums)(pixels, filters, acc, sink->bias, sink->activation, sink->slope);
    if (sink->out[first + count - 1] - sink->out[first] == (count - 1) * filters) {
        NAME(store_n)(sink->out[first], all, count * filters);
        return;
    }
    REAL sums[SIMD_BYTES / sizeof(REAL)] __attribute__((aligned(SIMD_BYTES)));
    *(vec *)sums = all;
    for (int i = 0; i < count; i++)
        UNROLL for (int j = 0; j < filters; j++) sink->out[first + i][j] = sums[i * filters + j];
}

INLINE void NAME(channel_points_tile)(const int pixels, const int filters, int64_t count, const REAL *x, int64_t pitch, int64_t depth,
                                      const REAL *b, const REAL *bias, int activation, REAL slope, REAL *out) {
    for (int64_t first = 0; first < count; first += pixels, x += pixels * pitch, out += pixels * filters) {
        vec acc[SIMD_BYTES / sizeof(REAL)];
        const REAL *p[SIMD_BYTES / sizeof(REAL)];
        UNROLL for (int i = 0; i < VL; i++) acc[i] = (vec){0};
        UNROLL for (int i = 0; i < pixels; i++) p[i] = x + MIN(i, count - first - 1) * pitch;
        NAME(channels_steps)(pixels, filters, p, depth, b, acc);
        NAME(store_n)(out, NAME(channels_sums)(pixels, filters, acc, bias, activation, slope), MIN(pixels, count - first) * filters);
    }
}

/* Narrow groups: lanes are the filters of several groups, each of which sees its own input channels. One input vector per pixel and tap
 * holds the channels of all of them; a permutation spreads channel c of every group over that group's lanes. */
INLINE void NAME(bundle_tile)(const int rows, const REAL *const *a, int64_t offset, int64_t taps, int64_t depth, int64_t columns,
                              int64_t channels, const REAL *all_b, const int32_t *which, const NAME(sink) *sink) {
    const int vectors = 1;
    vec acc[GEMM_MR][1];
    NAME(ivec_t) first;
    for (int l = 0; l < VL; l++) first[l] = l / columns * depth % VL; /* lanes beyond the last group get anything */
    UNROLL for (int i = 0; i < rows; i++) acc[i][0] = (vec){0};
    FETCH_TILE(rows, vectors);
    for (int64_t t = 0; t < taps; t++, a += rows) {
        vec x[GEMM_MR];
        UNROLL for (int i = 0; i < rows; i++) {
            const REAL *p = a[i] + offset;
            x[i] = channels >= VL ? NAME(load)(p) : NAME(load_part)(p, channels);
        }
        const REAL *b = all_b + (which ? which[t] : t) * depth * VL;
        NAME(ivec_t) index = first;
        for (int64_t c = 0; c < depth; c++, b += VL, index += 1) {
            const vec w = *(const vec *)b;
            UNROLL for (int i = 0; i < rows; i++) acc[i][0] += NAME(permute)(x[i], index) * w;
        }
    }
    STORE_TILE(rows, vectors, NAME(load)(sink->bias));
}

/* What pixel j of a row of pixels adds to the outputs that reach it. */
#define ADD_ROW(acc, rows, j, x, w)                                                                  \
    UNROLL for (int m = 0; m < ROW_TAPS; m++) if (j >= m && j - m < rows) acc[j - m] += x * w[m];

INLINE void NAME(bundle_row_tile)(const int rows, const REAL *const *a, int64_t offset, int64_t taps, int64_t depth, int64_t columns,
                                  int64_t channels, const REAL *all_b, const int32_t *which, const NAME(sink) *sink) {
    const int vectors = 1;
    vec acc[GEMM_MR][1], sum[GEMM_MR];
    NAME(ivec_t) first;
    for (int l = 0; l < VL; l++) first[l] = l / columns * depth % VL;
    UNROLL for (int i = 0; i < rows; i++) sum[i] = (vec){0};
    FETCH_TILE(rows, vectors);
    for (int64_t t = 0; t < taps; t++, a += rows + ROW_TAPS - 1, which += ROW_TAPS) {
        NAME(ivec_t) index = first;
        for (int64_t c = 0; c < depth; c++, index += 1) {
            vec w[ROW_TAPS];
            UNROLL for (int m = 0; m < ROW_TAPS; m++) w[m] = *(const vec *)(all_b + (which[m] * depth + c) * VL);
            UNROLL for (int j = 0; j < rows + ROW_TAPS - 1; j++) {
                const REAL *p = a[j] + offset;
                const vec x = NAME(permute)(channels >= VL ? NAME(load)(p) : NAME(load_part)(p, channels), index);
                ADD_ROW(sum, rows, j, x, w)
            }
        }
    }
    UNROLL for (int i = 0; i < rows; i++) acc[i][0] = sum[i];
    STORE_TILE(rows, vectors, NAME(load)(sink->bias));
}

INLINE void NAME(outer_bundle_tile)(const int taps, const int channels, const NAME(segment) *segments, int64_t count, int64_t tap_step,
                                    int64_t a_step, int64_t b_step, int64_t depth, int64_t columns, REAL *out, int64_t out_step,
                                    int accumulate) {
    vec acc[ROW_TAPS][BUNDLE_CHANNELS];
    NAME(ivec_t) index[BUNDLE_CHANNELS];
    for (int l = 0; l < VL; l++) index[0][l] = l / columns * depth % VL;
    UNROLL for (int c = 1; c < channels; c++) index[c] = index[0] + c;
    UNROLL for (int t = 0; t < taps; t++)
        UNROLL for (int c = 0; c < channels; c++) acc[t][c] = accumulate ? NAME(load)(out + t * out_step + c * VL) : (vec){0};
    for (int64_t s = 0; s < count; s++) {
        const REAL *a = segments[s].a, *b = segments[s].b;
        for (int64_t p = 0; p < segments[s].length; p++, a += a_step, b += b_step) {
            const vec y = NAME(load)(b);
            UNROLL for (int t = 0; t < taps; t++) {
                const vec x = NAME(load)(a + t * tap_step);
                UNROLL for (int c = 0; c < channels; c++) acc[t][c] += NAME(permute)(x, index[c]) * y;
            }
        }
    }
    UNROLL for (int t = 0; t < taps; t++)
        UNROLL for (int c = 0; c < channels; c++) NAME(store)(out + t * out_step + c * VL, acc[t][c]);
}

typedef REAL NAME(nvec_t) __attribute__((vector_size(NARROW_BYTES), may_alias));
typedef REAL NAME(unvec_t) __attribute__((vector_size(NARROW_BYTES), may_alias, aligned(sizeof(REAL))));

/* `clamp` of such a vector. */
INLINE NAME(nvec_t) NAME(narrow_clamp)(NAME(nvec_t) v, int activation) {
    typedef __typeof__(v < v) mask;
    const NAME(nvec_t) zero = {0}, six = zero + (REAL)6;
    const mask above = v > six;
    if (activation) v = (NAME(nvec_t))((mask)v & ~(v < zero));
    return activation == ACT_RELU6 ? (NAME(nvec_t))(((mask)v & ~above) | ((mask)six & above)) : v;
}

INLINE void NAME(store_narrow)(const int rows, const int groups, int64_t columns, NAME(nvec_t) acc[NARROW_GROUPS][GEMM_MR],
                               const NAME(sink) *sink) {
    if (sink->bias) {
        UNROLL for (int g = 0; g < groups; g++) {
            const NAME(nvec_t) bias = *(const NAME(unvec_t) *)(sink->bias + g * columns);
            UNROLL for (int i = 0; i < rows; i++) acc[g][i] += bias;
        }
    }
    if (columns == NL && !sink->accumulate && IS_CLAMP(sink->activation)) {
        if (sink->activation) {
            UNROLL for (int i = 0; i < rows; i++)
                UNROLL for (int g = 0; g < groups; g++) acc[g][i] = NAME(narrow_clamp)(acc[g][i], sink->activation);
        }
        UNROLL for (int i = 0; i < rows; i++)
            UNROLL for (int g = 0; g < groups; g++) *(NAME(unvec_t) *)(sink->out[i] + g * NL) = acc[g][i];
        return;
    }
    /* A group's vector begins behind the one before's filters, over its empty lanes. */
    REAL tile[GEMM_MR * NR] __attribute__((aligned(SIMD_BYTES)));
    UNROLL for (int i = 0; i < rows; i++)
        UNROLL for (int g = 0; g < groups; g++) *(NAME(unvec_t) *)(tile + i * NR + g * columns) = acc[g][i];
    NAME(finish_tile)(sink, rows, tile, NR);
}

/* Several steps of the reduction a row: more pointers than registers are loaded once for all of them. */
#define NARROW_STEPS (NARROW_GROUPS > 1 ? 1 : 4)
INLINE void NAME(narrow_steps)(const int rows, const int groups, const int steps, const REAL *const *a, int64_t offset, int64_t depth,
                               const REAL *b, NAME(nvec_t) acc[NARROW_GROUPS][GEMM_MR]) {
    NAME(nvec_t) w[4 * NARROW_GROUPS];
    UNROLL for (int c = 0; c < steps * groups; c++) w[c] = *(const NAME(nvec_t) *)(b + c / groups * NARROW_GROUPS * NL + c % groups * NL);
    UNROLL for (int i = 0; i < rows; i++) {
        const REAL *p = a[i] + offset;
        UNROLL for (int c = 0; c < steps * groups; c++)
            acc[c % groups][i] += (p[c % groups * depth + c / groups] - (NAME(nvec_t)){0}) * w[c];
    }
}

INLINE void NAME(narrow_tile)(const int rows, const int groups, int64_t columns, const REAL *const *a, int64_t offset, int64_t taps,
                              int64_t depth, const REAL *all_b, const int32_t *which, const NAME(sink) *sink) {
    NAME(nvec_t) acc[NARROW_GROUPS][GEMM_MR];
    UNROLL for (int i = 0; i < rows; i++) UNROLL for (int g = 0; g < groups; g++) acc[g][i] = (NAME(nvec_t)){0};
    UNROLL for (int i = 0; i < rows; i++) __builtin_prefetch(sink->out[i], 1);
    for (int64_t t = 0; t < taps; t++, a += rows) {
        const REAL *b = all_b + (which ? which[t] : t) * depth * NARROW_GROUPS * NL;
        int64_t c = 0;
        for (; c + NARROW_STEPS <= depth; c += NARROW_STEPS, b += NARROW_STEPS * NARROW_GROUPS * NL)
            NAME(narrow_steps)(rows, groups, NARROW_STEPS, a, offset + c, depth, b, acc);
        for (; c < depth; c++, b += NARROW_GROUPS * NL) NAME(narrow_steps)(rows, groups, 1, a, offset + c, depth, b, acc);
    }
    NAME(store_narrow)(rows, groups, columns, acc, sink);
}

INLINE void NAME(narrow_row_tile)(const int rows, const int groups, int64_t columns, const REAL *const *a, int64_t offset, int64_t taps,
                                  int64_t depth, const REAL *all_b, const int32_t *which, const NAME(sink) *sink) {
    NAME(nvec_t) acc[NARROW_GROUPS][GEMM_MR];
    UNROLL for (int i = 0; i < rows; i++) UNROLL for (int g = 0; g < groups; g++) acc[g][i] = (NAME(nvec_t)){0};
    UNROLL for (int i = 0; i < rows; i++) __builtin_prefetch(sink->out[i], 1);
    for (int64_t t = 0; t < taps; t++, a += rows + ROW_TAPS - 1, which += ROW_TAPS)
        for (int64_t c = 0; c < depth; c++)
            UNROLL for (int g = 0; g < groups; g++) {
                NAME(nvec_t) w[ROW_TAPS];
                UNROLL for (int m = 0; m < ROW_TAPS; m++)
                    w[m] = *(const NAME(nvec_t) *)(all_b + ((which[m] * depth + c) * NARROW_GROUPS + g) * NL);
                UNROLL for (int j = 0; j < rows + ROW_TAPS - 1; j++) {
                    const NAME(nvec_t) x = a[j][offset + g * depth + c] - (NAME(nvec_t)){0};
                    ADD_ROW(acc[g], rows, j, x, w)
                }
            }
    NAME(store_narrow)(rows, groups, columns, acc, sink);
}

#undef ADD_ROW
#undef STORE_LANES
#undef STORE_TILE
#undef CLAMP_TILE

/* A real kernel for every number of rows: a tail must not run at scalar speed. */
#if GEMM_MR == 14
#define EACH_ROW_COUNT(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#define EACH_WINDOW_ROW_COUNT(X) X(1) X(2) X(3) X(4) X(5) X(6)
#define EACH_WINDOW_PAIR_COUNT(X) X(1) X(2) X(3)
#else
#define EACH_ROW_COUNT(X) X(1) X(2) X(3) X(4) X(5) X(6)
#define EACH_WINDOW_ROW_COUNT(X) X(1) X(2) X(3)
#define EACH_WINDOW_PAIR_COUNT(X) X(1)
#endif

#define EACH_FILTER_COUNT(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7)

#define CASE(rows)                                                                      \
    case 2 * rows + 1: NAME(dot_tile)(rows, 1, a, offset, taps, depth, b, which, sink); break;  \
    case 2 * rows + 2: NAME(dot_tile)(rows, 2, a, offset, taps, depth, b, which, sink); break;
void NAME(dot_at)(int rows, const REAL *const *a, int64_t offset, int64_t taps, int64_t depth, const REAL *b, const int32_t *which,
                  const NAME(sink) *sink) {
    switch (2 * rows + (sink->columns > VL ? 2 : 1)) { EACH_ROW_COUNT(CASE) }
}
#undef CASE

#define CASE(rows)                                                                                    \
    case 2 * rows + 1: NAME(outer_tile)(rows, 1, segments, count, a_step, b_step, sink); break;       \
    case 2 * rows + 2: NAME(outer_tile)(rows, 2, segments, count, a_step, b_step, sink); break;
void NAME(outer)(int rows, const NAME(segment) *segments, int64_t count, int64_t a_step, int64_t b_step, const NAME(sink) *sink) {
    switch (2 * rows + (sink->columns > VL ? 2 : 1)) { EACH_ROW_COUNT(CASE) }
}
#undef CASE

#define CASE(rows)                                                                              \
    case 2 * rows + 1: NAME(window_rows_tile)(rows, 1, x, pixel, at, steps, b, sink); break;    \
    case 2 * rows + 2: NAME(window_rows_tile)(rows, 2, x, pixel, at, steps, b, sink); break;
void NAME(window_rows)(int rows, const REAL *x, int64_t pixel, const int64_t *at, int64_t steps, const REAL *b, const NAME(sink) *sink) {
    switch (2 * rows + (sink->columns > VL ? 2 : 1)) { EACH_ROW_COUNT(CASE) }
}
#undef CASE

#define CASE(rows)                                                                              \
    case 4 * rows + 1: NAME(window_lanes_tile)(rows, 1, a, x, at, steps, sink); break;          \
    case 4 * rows + 2: NAME(window_lanes_tile)(rows, 2, a, x, at, steps, sink); break;          \
    case 4 * rows + 3: NAME(window_lanes_tile)(rows, 3, a, x, at, steps, sink); break;          \
    case 4 * rows + 4: NAME(window_lanes_tile)(rows, 4, a, x, at, steps, sink); break;
void NAME(window_lanes)(int rows, const REAL *a, const REAL *x, const int64_t *at, int64_t steps, const NAME(sink) *sink) {
    switch (4 * rows + CEIL_DIV(sink->columns, VL)) { EACH_WINDOW_ROW_COUNT(CASE) }
}
#undef CASE

#define CASE(filters)                                                                                                        \
    case 4 * filters + 1: NAME(window_pair_tile)(filters, 1, a, x, at, channels, taps, kw, below, sink); break;              \
    case 4 * filters + 2: NAME(window_pair_tile)(filters, 2, a, x, at, channels, taps, kw, below, sink); break;              \
    case 4 * filters + 3: NAME(window_pair_tile)(filters, 3, a, x, at, channels, taps, kw, below, sink); break;              \
    case 4 * filters + 4: NAME(window_pair_tile)(filters, 4, a, x, at, channels, taps, kw, below, sink); break;
void NAME(window_pair)(int filters, const REAL *a, const REAL *x, const int64_t *at, int64_t channels, int64_t taps, int64_t kw,
                       int64_t below, const NAME(sink) *sink) {
    switch (4 * filters + CEIL_DIV(sink->columns, VL)) { EACH_WINDOW_PAIR_COUNT(CASE) }
}
#undef CASE

#define CASE(filters)                                                                                                                  \
    case filters:                                                                                                                      \
        if (filters <= VL / 2)                                                                                                         \
            for (int i = 0; i < rows; i += CHANNEL_PIXELS(VL, filters))                                                                \
                NAME(channels_tile)(CHANNEL_PIXELS(VL, filters), filters, rows, i, MIN(CHANNEL_PIXELS(VL, filters), rows - i), a, offset,\
                                    taps, depth, b, which, sink);                                                                      \
        break;
void NAME(channels)(int rows, int64_t filters, const REAL *const *a, int64_t offset, int64_t taps, int64_t depth, const REAL *b,
                    const int32_t *which, const NAME(sink) *sink) {
    switch (filters) { EACH_FILTER_COUNT(CASE) }
}
#undef CASE

#define CASE(filters)                                                                                                                    \
    case filters:                                                                                                                        \
        if (filters <= VL / 2)                                                                                                           \
            NAME(channel_points_tile)(VL / filters, filters, count, x, pitch, depth, b, bias, activation, slope, out);                   \
        break;
void NAME(channel_points)(int64_t count, int64_t filters, const REAL *x, int64_t pitch, int64_t depth, const REAL *b, const REAL *bias,
                          int activation, REAL slope, REAL *out) {
    switch (filters) { EACH_FILTER_COUNT(CASE) }
}
#undef CASE

#define CASE(rows) \
    case rows: NAME(bundle_tile)(rows, a, offset, taps, depth, columns, channels, b, which, sink); break;
void NAME(bundle)(int rows, const REAL *const *a, int64_t offset, int64_t taps, int64_t depth, int64_t columns, int64_t channels,
                  const REAL *b, const int32_t *which, const NAME(sink) *sink) {
    switch (rows) { EACH_ROW_COUNT(CASE) }
}
#undef CASE

#define CASE(rows)                                                                                               \
    case 2 * rows + 1: NAME(narrow_tile)(rows, 1, columns, a, offset, taps, depth, b, which, sink); break;       \
    case 2 * rows + 2: NAME(narrow_tile)(rows, NARROW_GROUPS, columns, a, offset, taps, depth, b, which, sink); break;
void NAME(narrow)(int rows, int64_t groups, int64_t columns, const REAL *const *a, int64_t offset, int64_t taps, int64_t depth,
                  const REAL *b, const int32_t *which, const NAME(sink) *sink) {
    switch (2 * rows + groups) { EACH_ROW_COUNT(CASE) }
}
#undef CASE

#define CASE(rows) \
    case rows: NAME(bundle_row_tile)(rows, a, offset, taps, depth, columns, channels, b, which, sink); break;
void NAME(bundle_row)(int rows, const REAL *const *a, int64_t offset, int64_t taps, int64_t depth, int64_t columns, int64_t channels,
                      const REAL *b, const int32_t *which, const NAME(sink) *sink) {
    switch (rows) { EACH_ROW_COUNT(CASE) }
}
#undef CASE

#define CASE(rows)                                                                                                   \
    case 2 * rows + 1: NAME(narrow_row_tile)(rows, 1, columns, a, offset, taps, depth, b, which, sink); break;       \
    case 2 * rows + 2: NAME(narrow_row_tile)(rows, NARROW_GROUPS, columns, a, offset, taps, depth, b, which, sink); break;
void NAME(narrow_row)(int rows, int64_t groups, int64_t columns, const REAL *const *a, int64_t offset, int64_t taps, int64_t depth,
                      const REAL *b, const int32_t *which, const NAME(sink) *sink) {
    switch (2 * rows + groups) { EACH_ROW_COUNT(CASE) }
}
#undef CASE

#define CASE(taps, channels)                                                                                                       \
    case taps * 8 + channels:                                                                                                      \
        NAME(outer_bundle_tile)(taps, channels, segments, count, tap_step, a_step, b_step, depth, columns, out, out_step, accumulate); \
        break;
#if GEMM_MR < 8
#define EACH_CHANNEL_COUNT(taps) CASE(taps, 1) CASE(taps, 2)
#else
#define EACH_CHANNEL_COUNT(taps) CASE(taps, 1) CASE(taps, 2) CASE(taps, 3) CASE(taps, 4)
#endif
void NAME(outer_bundle)(int taps, int channels, const NAME(segment) *segments, int64_t count, int64_t tap_step, int64_t a_step,
                        int64_t b_step, int64_t depth, int64_t columns, REAL *out, int64_t out_step, int accumulate) {
    switch (taps * 8 + channels) { EACH_CHANNEL_COUNT(1) EACH_CHANNEL_COUNT(2) EACH_CHANNEL_COUNT(3) }
}
#undef EACH_CHANNEL_COUNT
#undef CASE
#undef EACH_FILTER_COUNT
#undef EACH_WINDOW_PAIR_COUNT
#undef EACH_WINDOW_ROW_COUNT
#undef EACH_ROW_COUNT
