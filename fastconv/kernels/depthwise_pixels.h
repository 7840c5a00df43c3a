/* 3x3 depthwise correlation of NHWC images with channels in the lanes and no padded copy (template: REAL, NAME).
 *
 * A tile is R x P pixels of one vector of channels: its sums and the 9 weights stay in registers, and each source vector is loaded
 * once. Tiles follow each other by channels and then by columns, so that memory is read and written in address order.
 */

/* A tile's rows and the widths to choose from. */
#define DW_R 2
#if SIMD_BYTES == 64
#define DW_SIZES(X) X(0, 1) X(1, 4) X(2, 7) X(3, 8) /* 16 sums beside 9 weights */
#else
#define DW_SIZES(X) X(0, 1) X(1, 2) X(2, 3) X(3, 4) /* 8 sums; the weights are in the first-level cache */
#endif
#define DW_SIZE(kind, size) size,
static const int NAME(dw_sizes)[] = {DW_SIZES(DW_SIZE)};
#undef DW_SIZE

typedef struct {
    const REAL *w; /* the first tap's */
    const REAL *bias;
    int64_t tap; /* elements from a tap's weights to the next one's: negative where the kernel is reversed */
    int64_t row, px, out_row, out_px; /* elements */
    int ahead; /* whether to prefetch */
    int activation;
    REAL slope;
} NAME(dw_pixels);

/* Channels c .. of a tile whose source begins at element `first` of rows x. Bit s of `rows` or `columns`: row or column s of the
 * source lies in the image; at an `edge` some columns may not. */
INLINE void NAME(dw_pixels_tile)(const NAME(dw_pixels) *a, const REAL *const *x, int64_t first, int64_t c, REAL *y, unsigned rows,
                                 unsigned columns, const int R, const int P, const int S, const int edge) {
    vec w[9], acc[DW_R * 8];
    UNROLL for (int t = 0; t < 9; t++) w[t] = NAME(load)(a->w + t * a->tap + c);
    const vec bias = a->bias ? NAME(load)(a->bias + c) : (vec){0};
    UNROLL for (int i = 0; i < R * P; i++) acc[i] = bias;
    if (!edge && a->ahead && rows & 1) {
        const REAL *next = x[0] + first + c + ((R - 1) * S + 3) * a->row;
        UNROLL for (int s = 0; s < R * S; s++)
            UNROLL for (int t = 0; t < P * S; t++) __builtin_prefetch(next + s * a->row + t * a->px, 0, 2);
    }
    UNROLL for (int s = 0; s < (R - 1) * S + 3; s++) {
        if (!(rows >> s & 1)) continue;
        const REAL *row = x[s] + first + c;
        UNROLL for (int t = 0; t < (P - 1) * S + 3; t++) {
            if (edge && !(columns >> t & 1)) continue;
            const vec v = NAME(load)(row + t * a->px);
            UNROLL for (int i = 0; i < R; i++)
                UNROLL for (int p = 0; p < P; p++)
                    if (s >= i * S && s < i * S + 3 && t >= p * S && t < p * S + 3)
                        acc[i * P + p] += v * w[(s - i * S) * 3 + t - p * S];
        }
    }
    if (a->activation) {
        vec sums[DW_R * 8];
        UNROLL for (int i = 0; i < R * P; i++) sums[i] = acc[i];
        NAME(dw_activate)(sums, R * P, a->activation, a->slope);
        UNROLL for (int i = 0; i < R * P; i++) acc[i] = sums[i];
    }
    UNROLL for (int i = 0; i < R; i++)
        UNROLL for (int p = 0; p < P; p++) NAME(store)(y + i * a->out_row + p * a->out_px, acc[i * P + p]);
}

/* All channels of a tile; some of the last vector's are done twice where `channels` is no multiple of the lanes. */
#define DW_TILE(R, P, S, edge)                                                                                                  \
    static void NAME(dw_pixels_##R##_##P##_##S##_##edge)(const NAME(dw_pixels) *a, const REAL *const *x, int64_t first, REAL *y, \
                                                         int64_t channels, unsigned rows, unsigned columns) {                   \
        for (int64_t c = 0; c < channels; c += VL) {                                                                            \
            c = MIN(c, channels - VL);                                                                                          \
            NAME(dw_pixels_tile)(a, x, first, c, y + c, rows, columns, R, P, S, edge);                                          \
        }                                                                                                                       \
    }
#define DW_TILES(kind, P) \
    DW_TILE(1, P, 1, 0) DW_TILE(1, P, 1, 1) DW_TILE(2, P, 1, 0) DW_TILE(2, P, 1, 1) \
    DW_TILE(1, P, 2, 0) DW_TILE(1, P, 2, 1) DW_TILE(2, P, 2, 0) DW_TILE(2, P, 2, 1)
DW_SIZES(DW_TILES)
#undef DW_TILES
#undef DW_TILE

/* By stride, rows, width and edge. */
typedef void (*NAME(dw_pixels_run))(const NAME(dw_pixels) *, const REAL *const *, int64_t, REAL *, int64_t, unsigned, unsigned);
static const NAME(dw_pixels_run) NAME(dw_pixels_table)[2][DW_R][4][2] = {
#define DW_ENTRY(R, P, S) {NAME(dw_pixels_##R##_##P##_##S##_0), NAME(dw_pixels_##R##_##P##_##S##_1)}
#define DW_ENTRIES(kind, P) \
    [0][0][kind] = DW_ENTRY(1, P, 1), [0][1][kind] = DW_ENTRY(2, P, 1), \
    [1][0][kind] = DW_ENTRY(1, P, 2), [1][1][kind] = DW_ENTRY(2, P, 2),
    DW_SIZES(DW_ENTRIES)
#undef DW_ENTRY
#undef DW_ENTRIES
};

/* `count` dest rows at y from source rows x, of which those in `rows` exist; source columns begin at -left. */
static void NAME(dw_pixels_rows)(const NAME(dw_pixels) *a, const REAL *const *x, unsigned rows, int64_t count, int64_t stride,
                                 int64_t source_width, int64_t left, int64_t width, REAL *y, int64_t channels) {
    int kind = 3;
    /* The last width is preferred, the last but one where only that divides the row; what is left over gets the least that
     * covers it, shifted left onto outputs already written. */
    while (NAME(dw_sizes)[kind] > width) kind--;
    if (kind == 3 && width % NAME(dw_sizes)[3] && width % NAME(dw_sizes)[2] == 0) kind = 2;
    for (int64_t q = 0; q < width; q += NAME(dw_sizes)[kind]) {
        while (kind && NAME(dw_sizes)[kind - 1] >= width - q) kind--;
        q = MIN(q, width - NAME(dw_sizes)[kind]);
        const int64_t spanned = (NAME(dw_sizes)[kind] - 1) * stride + 3, column = q * stride - left;
        const unsigned columns = dw_within(column, spanned, source_width);
        const int edge = columns != (1u << spanned) - 1;
        NAME(dw_pixels_table)[stride - 1][count - 1][kind][edge](a, x, column * a->px, y + q * a->out_px, channels, rows, columns);
    }
}

/* Dest rows [begin, end) of `channels` channels of an image. With a ring, their source rows and weights are copied to it. */
static void NAME(dw_pixels_part)(NAME(dw_pixels) a, const geometry *g, int direction, const REAL *image, REAL *dest,
                                 int64_t channels, int64_t begin, int64_t end, REAL *ring) {
    const dw_axis rows = dw_rows_of(g, direction), cols = dw_cols_of(g, direction);
    const int64_t stride = direction == DW_INPUT_GRAD ? 1 : g->sh;
    const int64_t top = -dw_phase_of(&rows, 0).origin, left = -dw_phase_of(&cols, 0).origin;
    const int64_t image_px = a.px;
    int64_t next = 0; /* source row that the ring lacks */
    if (ring) {
        for (int64_t t = 0; t < 9; t++, ring += channels)
            for (int64_t c = 0; c < channels; c += VL) NAME(store)(ring + c, NAME(load)(a.w + t * a.tap + c));
        a.w = ring - 9 * channels, a.tap = a.px = channels;
    }
    for (int64_t r = begin; r < end; r += DW_R) {
        const int64_t count = MIN(DW_R, end - r), first = r * stride - top, spanned = (count - 1) * stride + 3;
        const unsigned there = dw_within(first, spanned, rows.source);
        const REAL *x[(DW_R - 1) * 2 + 3];
        for (int64_t s = 0; s < spanned; s++) {
            if (!(there >> s & 1)) continue;
            x[s] = image + (first + s) * a.row;
            if (!ring) continue;
            REAL *slot = ring + (first + s) % DW_RING_ROWS * cols.source * channels;
            if (first + s >= next) {
                const REAL *from = x[s];
                REAL *to = slot;
                for (int64_t q = 0; q < cols.source; q++, from += image_px, to += channels)
                    for (int64_t c = 0; c < channels; c += VL) NAME(store)(to + c, NAME(load)(from + c));
                next = first + s + 1;
            }
            x[s] = slot;
        }
        NAME(dw_pixels_rows)(&a, x, there, count, stride, cols.source, left, cols.dest, dest + r * a.out_row, channels);
    }
}

static void NAME(dw_pixels_correlate)(const geometry *g, int direction, const REAL *source, const REAL *w, const REAL *bias,
                                      int activation, REAL slope, REAL *dest, void *workspace, int threads) {
    const int grad = direction == DW_INPUT_GRAD;
    const dw_axis rows = dw_rows_of(g, direction), cols = dw_cols_of(g, direction);
    const int64_t channels = g->c, blocks = CEIL_DIV(rows.dest, DW_R), vectors = CEIL_DIV(channels, VL);
    const int64_t ring = dw_pixels_ring(g, direction, sizeof(REAL));
    const NAME(dw_pixels) whole = {grad ? w + 8 * channels : w, bias, grad ? -channels : channels, cols.source * channels, channels,
                                   cols.dest * channels, channels,
                                   !ring && rows.source * cols.source * channels * (int64_t)sizeof(REAL) > DW_FAR, activation, slope};
    /* Without a ring, channels are shared among threads only where rows are too few to go round evenly. */
    const int even = g->n * blocks % threads == 0 || g->n * blocks >= 8 * threads;
    const int64_t parts = ring ? channels / dw_ring_channels(g, sizeof(REAL)) : even ? 1 : MIN(vectors, threads);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int64_t item, end;
        share(g->n * parts * blocks, thread_index(), team_size(), &item, &end);
        while (item < end) {
            int64_t n = item / (parts * blocks), first = item % blocks, last = MIN(blocks, first + end - item), from, to;
            share(vectors, (int)(item / blocks % parts), (int)parts, &from, &to);
            from = MIN(from * VL, channels - VL), to = MIN(to * VL, channels);
            NAME(dw_pixels) a = whole;
            a.w += from, a.bias = bias ? bias + from : NULL;
            NAME(dw_pixels_part)(a, g, direction, source + n * rows.source * a.row + from, dest + n * rows.dest * a.out_row + from,
                                 to - from, first * DW_R, MIN(last * DW_R, rows.dest),
                                 ring ? (REAL *)((char *)workspace + thread_index() * ring) : NULL);
            item += last - first;
        }
    }
}

#undef DW_SIZES
#undef DW_R
