/* Depthwise correlation of NCHW planes with K x K kernels and pixels in the lanes (template: REAL, NAME): for AVX-512, whose masks
 * keep out what lies beyond the borders, so that nothing is copied. A tile is one vector of R output rows, which share each load,
 * and tiles follow each other along the rows. It takes J kernel columns at a time, whose weights fit the registers beside the sums.
 * At stride 2 a row's even and odd columns are parted once for its three taps; the odd ones are kept, for shifted by a lane they
 * are the next tile's first tap. The weight gradient runs through the same tiles, with output gradients in the place of sums and
 * sums in that of weights.
 */
#if defined(__AVX512F__)

/* Where the source rows of a tile take more than so many bytes, times the stride, the next tile's are asked for ahead of time: the hardware
 * follows so many rows only while they lie close together. */
#define DW_FAR_BYTES 1664

/* X(kernel, its columns at a time, stride, output rows of a tile) */
#define DW_PLANES(X) X(3, 3, 1, 7) X(3, 3, 2, 4) X(5, 1, 1, 14) X(7, 1, 1, 14)
#define DW_MOST 14 /* output rows, and weights at a time */

#if IS_DOUBLE
typedef __mmask8 NAME(dw_mask);
INLINE vec NAME(dw_load_masked)(const REAL *p, NAME(dw_mask) m) { return (vec)_mm512_maskz_loadu_pd(m, p); }
INLINE vec NAME(dw_add_masked)(vec sum, vec v, vec w, NAME(dw_mask) m) {
    return (vec)_mm512_mask3_fmadd_pd((__m512d)v, (__m512d)w, (__m512d)sum, m);
}
INLINE vec NAME(dw_pick)(vec a, vec b, NAME(ivec_t) index) {
    return (vec)_mm512_permutex2var_pd((__m512d)a, (__m512i)index, (__m512d)b);
}
INLINE vec NAME(dw_shift_in)(vec v, vec before) { return (vec)_mm512_alignr_epi64((__m512i)v, (__m512i)before, 7); }
INLINE REAL NAME(dw_lanes_sum)(vec v) { return _mm512_reduce_add_pd((__m512d)v); }
#else
typedef __mmask16 NAME(dw_mask);
INLINE vec NAME(dw_load_masked)(const REAL *p, NAME(dw_mask) m) { return (vec)_mm512_maskz_loadu_ps(m, p); }
INLINE vec NAME(dw_add_masked)(vec sum, vec v, vec w, NAME(dw_mask) m) {
    return (vec)_mm512_mask3_fmadd_ps((__m512)v, (__m512)w, (__m512)sum, m);
}
/* Lane l of the result is lane index[l] of a, b side by side. */
INLINE vec NAME(dw_pick)(vec a, vec b, NAME(ivec_t) index) {
    return (vec)_mm512_permutex2var_ps((__m512)a, (__m512i)index, (__m512)b);
}
/* v with its lanes one further on; the first is the last of `before`. */
INLINE vec NAME(dw_shift_in)(vec v, vec before) { return (vec)_mm512_alignr_epi32((__m512i)v, (__m512i)before, 15); }
INLINE REAL NAME(dw_lanes_sum)(vec v) { return _mm512_reduce_add_ps((__m512)v); }
#endif

/* Lanes whose columns first + l step lie in [0, width). */
INLINE NAME(dw_mask) NAME(dw_columns)(int64_t first, int64_t step, int64_t width) {
    int64_t begin = MIN(MAX(CEIL_DIV(-first, step), 0), VL), end = MIN(MAX(CEIL_DIV(width - first, step), 0), VL);
    return end <= begin ? 0 : (NAME(dw_mask))(((1u << (end - begin)) - 1) << begin);
}

/* J columns of taps, of which the first lies at source pixel (0, column) of `plane`. Bit s of `rows`: source row s exists. `w`: their
 * weights, row by row, or with `products` the sums of their products with `acc`. `inside`: lanes whose taps lie inside the row, by
 * tap. `odd`: what a tile at stride 2 leaves to the next. */
INLINE void NAME(dw_planes_taps)(const REAL *plane, int64_t width, int64_t column, unsigned rows, vec *w,
                                 const NAME(dw_mask) *inside, vec *acc, vec *odd, const int K, const int J, const int S,
                                 const int R, const int place, const int products) {
    NAME(ivec_t) even;
    UNROLL for (int l = 0; l < VL; l++) even[l] = 2 * l;
    NAME(dw_mask) mask[3]; /* copied, for GCC reads them again for every sum */
    UNROLL for (int j = 0; j < J; j++) mask[j] = place != DW_INSIDE ? inside[j] : 0;
    UNROLL for (int s = 0; s < (R - 1) * S + K; s++) {
        if (!(rows >> s & 1)) continue;
        const REAL *x = plane + s * width + column;
        vec v[3];
        if (S == 1) {
            UNROLL for (int j = 0; j < J; j++) v[j] = place == DW_AT_END ? NAME(dw_load_masked)(x + j, mask[j]) : NAME(load)(x + j);
        } else {
            vec part[2];
            UNROLL for (int j = 0; j < 2; j++) {
                const int64_t first = 1 + j * VL;
                part[j] = place == DW_AT_END ? NAME(dw_load_masked)(x + first, NAME(dw_columns)(column + first, 1, width))
                                             : NAME(load)(x + first);
            }
            v[1] = NAME(dw_pick)(part[0], part[1], even), v[2] = NAME(dw_pick)(part[0], part[1], even + 1);
            v[0] = NAME(dw_shift_in)(v[2], odd[s]);
            odd[s] = v[2];
        }
        UNROLL for (int j = 0; j < J; j++)
            UNROLL for (int i = 0; i < R; i++)
                if (s - i * S >= 0 && s - i * S < K) {
                    vec *to = products ? w + (s - i * S) * J + j : acc + i;
                    const vec by = products ? acc[i] : w[(s - i * S) * J + j];
                    *to = place != DW_INSIDE ? NAME(dw_add_masked)(*to, v[j], by, mask[j]) : (vec)(*to + v[j] * by);
                }
    }
}

/* The source from the first image on, and where its planes' taps begin. */
typedef struct {
    const REAL *source, *source_end;
    int64_t height, width, top, left, out_height, out_width;
    NAME(dw_mask) inside[2][7]; /* of a row's first tile and its last */
    int border[2];              /* whether these lack any */
    int activation;
    REAL slope;
} NAME(dw_planes);

INLINE void NAME(dw_planes_weights)(vec *w, const REAL *weights, const int K, const int J) {
    UNROLL for (int i = 0; i < K; i++)
        UNROLL for (int j = 0; j < J; j++) w[i * J + j] = NAME(splat)(weights[i * K + j]);
}

/* All taps of a tile. `w` holds the weights already where their columns are taken all at a time. */
INLINE void NAME(dw_planes_tile)(const REAL *plane, int64_t width, int64_t column, unsigned rows, vec *w, const REAL *weights,
                                 const NAME(dw_mask) *inside, vec *acc, vec *odd, const int K, const int J, const int S,
                                 const int R, const int place, const int products) {
    if (J == K) {
        NAME(dw_planes_taps)(plane, width, column, rows, w, inside, acc, odd, K, J, S, R, place, products);
        return;
    }
    for (int j = 0; j < K; j += J) {
        NAME(dw_planes_weights)(w, weights + j, K, J);
        NAME(dw_planes_taps)(plane, width, column + j, rows, w, inside + j, acc, odd, K, J, S, R, place, products);
    }
}

/* Output rows [r, r + count) of one plane, at most R: written to `out`, or with `products` their gradients read from `gy`. */
INLINE void NAME(dw_planes_rows)(const NAME(dw_planes) *a, const REAL *source, int64_t r, int64_t count, vec *w,
                                 const REAL *weights, REAL bias, REAL *out, const REAL *gy, const int K, const int J, const int S,
                                 const int R, const int products) {
    const int64_t width = a->width, out_width = a->out_width, y = r * S - a->top;
    const unsigned rows = dw_within(y, (count - 1) * S + K, a->height);
    const REAL *plane = source + y * width;
    /* Elements that may be read before the rows' first and from their last on. */
    const int64_t before = plane + (rows ? __builtin_ctz(rows) : 0) * width - a->source;
    const int64_t behind = a->source_end - (plane + (rows ? 31 - __builtin_clz(rows) : 0) * width);
    const int far = ((R - 1) * S + K) * width * (int64_t)sizeof(REAL) > S * DW_FAR_BYTES;
    vec odd[DW_MOST];
    for (int64_t q = 0; q < out_width; q += VL) {
        const int shifted = q + VL > out_width && out_width > VL;
        if (shifted) q = out_width - VL;
        const int64_t lanes = MIN(VL, out_width - q), column = q * S - a->left;
        if (S == 2 && (q == 0 || shifted)) {
            const int there = column >= 0 && column < width;
            UNROLL for (int s = 0; s < (R - 1) * S + K; s++)
                odd[s] = there && rows >> s & 1 ? NAME(splat)(plane[s * width + column]) : (vec){0};
        }
        vec acc[DW_MOST];
        UNROLL for (int i = 0; i < R; i++)
            acc[i] = products ? NAME(load_n)(gy + (r + i) * out_width + q, lanes) : NAME(splat)(bias);
        if (far) {
            UNROLL for (int s = K - S; s < (R - 1) * S + K; s++)
                UNROLL for (int j = 0; j < S; j++) __builtin_prefetch(plane + (s + R * S) * width + column + j * VL);
        }
        const int last = q > 0, border = (q == 0 || q + VL == out_width) && a->border[last];
        const NAME(dw_mask) *inside = a->inside[last];
        if (before + column < 0 || behind - column < (VL - 1) * S + K)
            NAME(dw_planes_tile)(plane, width, column, rows, w, weights, inside, acc, odd, K, J, S, R, DW_AT_END, products);
        else if (border)
            NAME(dw_planes_tile)(plane, width, column, rows, w, weights, inside, acc, odd, K, J, S, R, DW_AT_BORDER, products);
        else
            NAME(dw_planes_tile)(plane, width, column, rows, w, weights, inside, acc, odd, K, J, S, R, DW_INSIDE, products);
        if (products) continue;
        NAME(dw_activate)(acc, R, a->activation, a->slope);
        UNROLL for (int i = 0; i < R; i++)
            if (i < count) NAME(store_n)(out + (r + i) * out_width + q, acc[i], lanes);
    }
}

/* Output rows [begin, end) of one plane. */
INLINE void NAME(dw_planes_run)(const NAME(dw_planes) *a, const REAL *source, const REAL *weights, REAL bias, REAL *out,
                                int64_t begin, int64_t end, const int K, const int J, const int S, const int R) {
    vec w[DW_MOST];
    if (J == K) NAME(dw_planes_weights)(w, weights, K, J);
    for (int64_t r = begin; r < end; r += R)
        NAME(dw_planes_rows)(a, source, r, MIN(R, end - r), w, weights, bias, out, NULL, K, J, S, R, 0);
}

/* Adds the products of one plane to `sums`, 9 vectors. */
INLINE void NAME(dw_planes_products)(const NAME(dw_planes) *a, const REAL *source, const REAL *gy, vec *sums, const int S,
                                     const int R) {
    vec w[9];
    int64_t r = 0;
    UNROLL for (int t = 0; t < 9; t++) w[t] = sums[t];
    for (; r + R <= a->out_height; r += R) NAME(dw_planes_rows)(a, source, r, R, w, NULL, 0, NULL, gy, 3, 3, S, R, 1);
    for (; r < a->out_height; r++) NAME(dw_planes_rows)(a, source, r, 1, w, NULL, 0, NULL, gy, 3, 3, S, 1, 1);
    UNROLL for (int t = 0; t < 9; t++) sums[t] = w[t];
}
static void NAME(dw_planes_products_1)(const NAME(dw_planes) *a, const REAL *source, const REAL *gy, vec *sums) {
    NAME(dw_planes_products)(a, source, gy, sums, 1, 7);
}
static void NAME(dw_planes_products_2)(const NAME(dw_planes) *a, const REAL *source, const REAL *gy, vec *sums) {
    NAME(dw_planes_products)(a, source, gy, sums, 2, 4);
}

/* Output rows of a tile of the input gradient at stride 2, each of two vectors. */
#define DW_SPREAD_ROWS 4

/* A tile whose sources begin at pixel (0, column) of `plane`: sums[i][c] are the columns of row i whose index is even or odd. */
INLINE void NAME(dw_planes_spread_tile)(const REAL *plane, int64_t width, int64_t column, unsigned rows, const vec w[9],
                                        vec sums[DW_SPREAD_ROWS][2], const int mode, const int border) {
    NAME(dw_mask) mask[2];
    UNROLL for (int j = 0; j < 2; j++) mask[j] = border ? NAME(dw_columns)(column + j, 1, width) : 0;
    UNROLL for (int s = 0; s < dw_span(mode, 0, DW_SPREAD_ROWS); s++) {
        if (!(rows >> s & 1)) continue;
        UNROLL for (int j = 0; j < 2; j++) {
            const REAL *x = plane + s * width + column + j;
            const vec v = border ? NAME(dw_load_masked)(x, mask[j]) : NAME(load)(x);
            UNROLL for (int i = 0; i < DW_SPREAD_ROWS; i++)
                UNROLL for (int c = 0; c < 2; c++) {
                    const int ti = dw_tap(mode, 0, i, s), tj = dw_tap(mode, 1, c, j);
                    if (ti < 0 || ti > 2 || tj < 0 || tj > 2) continue;
                    const vec by = w[ti * 3 + tj];
                    sums[i][c] = border ? NAME(dw_add_masked)(sums[i][c], v, by, mask[j]) : (vec)(sums[i][c] + v * by);
                }
        }
    }
}

/* Rows [begin, end) of one plane of the input gradient at stride 2. */
INLINE void NAME(dw_planes_spread)(const NAME(dw_planes) *a, const REAL *source, const REAL *weights, REAL *out, int64_t begin,
                                   int64_t end, const int mode) {
    const int64_t width = a->width, out_width = a->out_width;
    vec w[9];
    NAME(dw_planes_weights)(w, weights, 3, 3);
    NAME(ivec_t) merge;
    UNROLL for (int l = 0; l < VL; l++) merge[l] = l / 2 + l % 2 * VL;
    for (int64_t r = begin; r < end; r += DW_SPREAD_ROWS) {
        const int64_t count = MIN(DW_SPREAD_ROWS, end - r), y = r / 2 - a->top;
        const unsigned rows = dw_within(y, dw_span(mode, 0, count), a->height);
        const REAL *plane = source + y * width;
        for (int64_t q = 0; q < out_width; q += 2 * VL) {
            const int64_t column = q / 2 - a->left;
            vec sums[DW_SPREAD_ROWS][2];
            UNROLL for (int i = 0; i < DW_SPREAD_ROWS; i++) sums[i][0] = sums[i][1] = (vec){0};
            if (column < 0 || column + VL + 1 > width)
                NAME(dw_planes_spread_tile)(plane, width, column, rows, w, sums, mode, 1);
            else
                NAME(dw_planes_spread_tile)(plane, width, column, rows, w, sums, mode, 0);
            UNROLL for (int i = 0; i < DW_SPREAD_ROWS; i++) {
                if (i >= count) continue;
                REAL *to = out + (r + i) * out_width + q;
                NAME(store_n)(to, NAME(dw_pick)(sums[i][0], sums[i][1], merge), out_width - q);
                NAME(store_n)(to + VL, NAME(dw_pick)(sums[i][0], sums[i][1], merge + VL / 2), out_width - q - VL);
            }
        }
    }
}

/* By kernel and stride, and by the mode of the input gradient at stride 2. */
typedef void (*NAME(dw_planes_run_t))(const NAME(dw_planes) *, const REAL *, const REAL *, REAL, REAL *, int64_t, int64_t);
#define DW_PLANES_RUN(K, J, S, R)                                                                                          \
    static void NAME(dw_planes_##K##_##S)(const NAME(dw_planes) *a, const REAL *source, const REAL *weights, REAL bias,    \
                                          REAL *out, int64_t begin, int64_t end) {                                         \
        NAME(dw_planes_run)(a, source, weights, bias, out, begin, end, K, J, S, R);                                        \
    }
DW_PLANES(DW_PLANES_RUN)
#define DW_PLANES_SPREAD(mode)                                                                                             \
    static void NAME(dw_planes_spread_##mode)(const NAME(dw_planes) *a, const REAL *source, const REAL *weights,           \
                                              REAL bias, REAL *out, int64_t begin, int64_t end) {                          \
        (void)bias;                                                                                                        \
        NAME(dw_planes_spread)(a, source, weights, out, begin, end, DW_SPREAD + mode);                                     \
    }
DW_PLANES_SPREAD(0) DW_PLANES_SPREAD(1) DW_PLANES_SPREAD(2) DW_PLANES_SPREAD(3)
typedef struct {
    NAME(dw_planes_run_t) run;
    int rows;
} NAME(dw_planes_kernel);
#define DW_ENTRY(K, J, S, R) [K / 2][S - 1] = {NAME(dw_planes_##K##_##S), R},
static const NAME(dw_planes_kernel) NAME(dw_planes_table)[4][2] = {DW_PLANES(DW_ENTRY)};
#undef DW_ENTRY
#define DW_ENTRY(mode) {NAME(dw_planes_spread_##mode), DW_SPREAD_ROWS}
static const NAME(dw_planes_kernel) NAME(dw_planes_spreads)[4] = {DW_ENTRY(0), DW_ENTRY(1), DW_ENTRY(2), DW_ENTRY(3)};
#undef DW_ENTRY
#undef DW_PLANES_RUN
#undef DW_PLANES_SPREAD

static NAME(dw_planes) NAME(dw_planes_of)(const geometry *g, int direction, const REAL *source, int64_t planes) {
    const dw_axis rows = dw_rows_of(g, direction), cols = dw_cols_of(g, direction);
    NAME(dw_planes) a = {source, source + g->n * planes * rows.source * cols.source, rows.source, cols.source,
                         -dw_first(&rows, 0), -dw_first(&cols, 0), rows.dest, cols.dest};
    for (int last = 0; last < 2; last++) {
        const int64_t lanes = MIN(VL, cols.dest), first = (last ? cols.dest - lanes : 0) * g->sw - a.left;
        for (int j = 0; j < g->kw; j++) a.inside[last][j] = NAME(dw_columns)(first + j, g->sw, cols.source);
        a.border[last] = first < 0 || first + (lanes - 1) * g->sw + g->kw > cols.source;
    }
    return a;
}

static void NAME(dw_planes_correlate)(const geometry *g, int direction, const REAL *source, const REAL *w, const REAL *bias,
                                      int activation, REAL slope, REAL *dest, int threads) {
    const int grad = direction == DW_INPUT_GRAD, spread = grad && g->sw == 2, taps = (int)(g->kw * g->kw);
    const NAME(dw_planes_kernel) kernel =
        spread ? NAME(dw_planes_spreads)[g->pt % 2 * 2 + g->pl % 2] : NAME(dw_planes_table)[g->kw / 2][g->sw - 1];
    const int R = kernel.rows;
    NAME(dw_planes) a = NAME(dw_planes_of)(g, direction, source, grad ? g->k : g->c);
    a.activation = activation, a.slope = slope;
    const int64_t m = g->k / g->c, plane = a.height * a.width, out_plane = a.out_height * a.out_width;
    /* Shares are of rows, so that few planes go round evenly too. */
    const int64_t tiles = CEIL_DIV(a.out_height, R);
    const int64_t total = g->n * g->k * tiles;
    const int pieces = pieces_of(total, threads);
#pragma omp parallel for num_threads(threads) schedule(dynamic) if (threads > 1)
    for (int piece = 0; piece < pieces; piece++) {
        int64_t item, end;
        share(total, piece, pieces, &item, &end);
        while (item < end) {
            int64_t i = item / tiles, first = item % tiles, last = MIN(tiles, first + end - item), k = i % g->k;
            REAL weights[49];
            for (int t = 0; t < taps; t++) weights[t] = w[(grad && !spread ? taps - 1 - t : t) * g->k + k];
            kernel.run(&a, source + i / m * plane, weights, bias ? bias[k] : 0, dest + i * out_plane, first * R,
                       MIN(last * R, a.out_height));
            item += last - first;
        }
    }
}

static void NAME(dw_planes_weight_grad)(const geometry *g, const REAL *x, const REAL *gy, REAL *dw, int threads) {
    NAME(dw_planes) a = NAME(dw_planes_of)(g, DW_WEIGHT_GRAD, x, g->c);
    const int64_t m = g->k / g->c, lanes = MIN(VL, a.out_width), again = a.out_width > VL ? (VL - a.out_width % VL) % VL : 0;
    /* A row's last tile, shifted left, leaves out the lanes that the one before it had. */
    for (int j = 0; j < 3; j++) {
        a.inside[0][j] &= (NAME(dw_mask))((1u << lanes) - 1);
        a.inside[1][j] &= (NAME(dw_mask))(~0u << again);
    }
    a.border[0] |= lanes < VL, a.border[1] |= again > 0;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int64_t k, end;
        share(g->k, thread_index(), team_size(), &k, &end);
        for (; k < end; k++) {
            vec sums[9] = {{0}};
            for (int64_t n = 0; n < g->n; n++)
                (g->sw == 1 ? NAME(dw_planes_products_1) : NAME(dw_planes_products_2))(
                    &a, x + (n * g->c + k / m) * a.height * a.width, gy + (n * g->k + k) * a.out_height * a.out_width, sums);
            for (int t = 0; t < 9; t++) dw[k * 9 + t] = NAME(dw_lanes_sum)(sums[t]);
        }
    }
}

#undef DW_PLANES
#undef DW_FAR_BYTES
#undef DW_SPREAD_ROWS
#undef DW_MOST
#endif
