/* 3x3 depthwise correlation of NHWC images with channels in the lanes and no padded copy (template: REAL, NAME).
 *
 * A tile is R x P pixels of one vector of channels: its sums and the 9 weights stay in registers, and each source vector is loaded
 * once. Tiles follow each other by channels and then by columns, so that memory is read and written in address order. The weight
 * gradient runs through the same tiles, with output gradients in the place of sums and sums in that of weights.
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
    int64_t head; /* channels of a result's pixel before its first whole cache line; 0: none, or not to be minded */
    int ahead, asks; /* whether to prefetch the source; the results of the next channels */
    int activation;
    REAL slope;
    REAL *sums; /* of the weight gradient, 9 vectors for each of channels, to which a tile's are added */
} NAME(dw_pixels);

/* Channels c .. of a tile whose source begins at element `first` of rows x. Bit s of `rows` or `columns`: row or column s of the
 * source lies in the image; at an `edge` some columns may not. Where products are summed, y is the output's gradient. */
INLINE void NAME(dw_pixels_tile)(const NAME(dw_pixels) *a, const REAL *const *x, int64_t first, int64_t c, REAL *y, unsigned rows,
                                 unsigned columns, const int R, const int P, const int mode, const int edge) {
    const int products = mode >= DW_PRODUCTS;
    vec w[9], acc[DW_R * 8];
    UNROLL for (int t = 0; t < 9; t++) w[t] = products ? (vec){0} : NAME(load)(a->w + t * a->tap + c);
    const vec bias = a->bias ? NAME(load)(a->bias + c) : (vec){0};
    UNROLL for (int i = 0; i < R; i++)
        UNROLL for (int p = 0; p < P; p++) acc[i * P + p] = products ? NAME(load)(y + i * a->out_row + p * a->out_px) : bias;
    if (!edge && !dw_spread(mode) && a->ahead && rows & 1) {
        const int S = dw_stride(mode);
        const REAL *next = x[0] + first + c + ((R - 1) * S + 3) * a->row;
        UNROLL for (int s = 0; s < R * S; s++)
            UNROLL for (int t = 0; t < P * S; t++) __builtin_prefetch(next + s * a->row + t * a->px, 0, 2);
    }
    if (dw_store_bound(mode) && a->asks) {
        const REAL *next = y + VL - 1 + CACHE_LINE / sizeof(REAL);
        UNROLL for (int i = 0; i < R; i++)
            UNROLL for (int p = 0; p < P; p++) __builtin_prefetch(next + i * a->out_row + p * a->out_px, 1);
    }
    UNROLL for (int s = 0; s < dw_span(mode, 0, R); s++) {
        if (!(rows >> s & 1)) continue;
        const REAL *row = x[s] + first + c;
        UNROLL for (int t = 0; t < dw_span(mode, 1, P); t++) {
            if (edge && !(columns >> t & 1)) continue;
            const vec v = NAME(load)(row + t * a->px);
            UNROLL for (int i = 0; i < R; i++)
                UNROLL for (int p = 0; p < P; p++) {
                    const int ti = dw_tap(mode, 0, i, s), tj = dw_tap(mode, 1, p, t);
                    if (ti < 0 || ti > 2 || tj < 0 || tj > 2) continue;
                    if (products)
                        w[ti * 3 + tj] += v * acc[i * P + p];
                    else
                        acc[i * P + p] += v * w[ti * 3 + tj];
                }
        }
    }
    if (products) {
        REAL *sums = a->sums + CEIL_DIV(c, VL) * 9 * VL;
        UNROLL for (int t = 0; t < 9; t++) *(vec *)(sums + t * VL) += w[t];
        return;
    }
    NAME(dw_activate)(acc, R * P, a->activation, a->slope);
    UNROLL for (int i = 0; i < R; i++)
        UNROLL for (int p = 0; p < P; p++) NAME(store)(y + i * a->out_row + p * a->out_px, acc[i * P + p]);
}

/* All channels of a tile; some of the last vector's are done twice where `channels` is no multiple of the lanes, and of the first where the
 * second is moved to the left to be a cache line: a store across two takes as long as to compute a vector. */
#define DW_TILE(R, P, mode, edge)                                                                                               \
    static void NAME(dw_pixels_##R##_##P##_##mode##_##edge)(const NAME(dw_pixels) *a, const REAL *const *x, int64_t first,      \
                                                            REAL *y, int64_t channels, unsigned rows, unsigned columns) {       \
        for (int64_t c = 0, next = dw_store_bound(mode) && a->head ? a->head : VL; c < channels; c = next, next += VL) {        \
            c = MIN(c, channels - VL);                                                                                          \
            NAME(dw_pixels_tile)(a, x, first, c, y + c, rows, columns, R, P, mode, edge);                                       \
        }                                                                                                                       \
    }
#define DW_TILES_OF(P, mode) DW_TILE(1, P, mode, 0) DW_TILE(1, P, mode, 1) DW_TILE(2, P, mode, 0) DW_TILE(2, P, mode, 1)
#define DW_TILES(kind, P) \
    DW_TILES_OF(P, 0) DW_TILES_OF(P, 1) DW_TILES_OF(P, 2) DW_TILES_OF(P, 3) \
    DW_TILES_OF(P, 4) DW_TILES_OF(P, 5) DW_TILES_OF(P, 6) DW_TILES_OF(P, 7)
DW_SIZES(DW_TILES)
#undef DW_TILES
#undef DW_TILES_OF
#undef DW_TILE

/* By mode, rows, width and edge. */
typedef void (*NAME(dw_pixels_run))(const NAME(dw_pixels) *, const REAL *const *, int64_t, REAL *, int64_t, unsigned, unsigned);
static const NAME(dw_pixels_run) NAME(dw_pixels_table)[DW_MODES][DW_R][4][2] = {
#define DW_ENTRY(R, P, mode) {NAME(dw_pixels_##R##_##P##_##mode##_0), NAME(dw_pixels_##R##_##P##_##mode##_1)}
#define DW_ENTRIES_OF(kind, P, mode) [mode][0][kind] = DW_ENTRY(1, P, mode), [mode][1][kind] = DW_ENTRY(2, P, mode),
#define DW_ENTRIES(kind, P) \
    DW_ENTRIES_OF(kind, P, 0) DW_ENTRIES_OF(kind, P, 1) DW_ENTRIES_OF(kind, P, 2) DW_ENTRIES_OF(kind, P, 3) \
    DW_ENTRIES_OF(kind, P, 4) DW_ENTRIES_OF(kind, P, 5) DW_ENTRIES_OF(kind, P, 6) DW_ENTRIES_OF(kind, P, 7)
    DW_SIZES(DW_ENTRIES)
#undef DW_ENTRY
#undef DW_ENTRIES_OF
#undef DW_ENTRIES
};

/* The width of a row's next tile, as an index of dw_sizes, with `left` columns to come. The last one is preferred, the last but one
 * where only that divides the row; what is left over gets the least that covers it, shifted left onto outputs already written, or
 * where it must be met `exactly` the greatest that fits. */
INLINE int NAME(dw_pixels_kind)(int64_t width, int64_t left, int exactly) {
    int kind = 3;
    while (NAME(dw_sizes)[kind] > width) kind--;
    if (kind == 3 && width % NAME(dw_sizes)[3] && width % NAME(dw_sizes)[2] == 0) kind = 2;
    while (kind && NAME(dw_sizes)[exactly ? kind : kind - 1] >= left + exactly) kind--;
    return kind;
}

/* A sum of the weight gradient: the products of a tile, then tiles. */
INLINE int64_t NAME(dw_pixels_chain)(const geometry *g) {
    int64_t tiles = 0;
    for (int64_t q = 0; q < g->ow; q += NAME(dw_sizes)[NAME(dw_pixels_kind)(g->ow, g->ow - q, 1)]) tiles++;
    return DW_R * NAME(dw_sizes)[3] + g->n * CEIL_DIV(g->oh, DW_R) * tiles;
}

/* `count` dest rows at y from source rows x, of which those in `rows` exist; `mode` is that of even columns. */
static void NAME(dw_pixels_rows)(const NAME(dw_pixels) *a, const REAL *const *x, unsigned rows, int64_t count, const dw_axis *cols,
                                 int mode, REAL *y, int64_t channels) {
    const int64_t width = cols->dest;
    for (int64_t q = 0, size; q < width; q += size) {
        const int kind = NAME(dw_pixels_kind)(width, width - q, mode >= DW_PRODUCTS);
        size = NAME(dw_sizes)[kind], q = MIN(q, width - size);
        const int here = mode + dw_is_odd(cols, q);
        const int64_t spanned = dw_span(here, 1, size), column = dw_first(cols, q);
        const unsigned columns = dw_within(column, spanned, cols->source);
        const int edge = columns != (1u << spanned) - 1;
        NAME(dw_pixels_table)[here][count - 1][kind][edge](a, x, column * a->px, y + q * a->out_px, channels, rows, columns);
    }
}

/* Dest rows [begin, end) of `channels` channels of an image. With a ring, their source rows and weights are copied to it. */
static void NAME(dw_pixels_part)(NAME(dw_pixels) a, const geometry *g, int direction, const REAL *image, REAL *dest,
                                 int64_t channels, int64_t begin, int64_t end, REAL *ring) {
    const dw_axis rows = dw_rows_of(g, direction), cols = dw_cols_of(g, direction);
    const int64_t image_px = a.px;
    const int plain = (direction == DW_WEIGHT_GRAD ? DW_PRODUCTS : DW_S1) + (int)g->sh - 1;
    int64_t next = 0; /* source row that the ring lacks */
    if (ring && !a.sums) {
        for (int64_t t = 0; t < 9; t++, ring += channels)
            for (int64_t c = 0; c < channels; c += VL) NAME(store)(ring + c, NAME(load)(a.w + t * a.tap + c));
        a.w = ring - 9 * channels, a.tap = channels;
    }
    if (ring) a.px = channels;
    for (int64_t r = begin; r < end; r += DW_R) {
        const int mode = dw_spreads(&rows) ? DW_SPREAD + 2 * dw_is_odd(&rows, r) : plain;
        const int64_t count = MIN(DW_R, end - r), first = dw_first(&rows, r), spanned = dw_span(mode, 0, count);
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
        NAME(dw_pixels_rows)(&a, x, there, count, &cols, mode, dest + r * a.out_row, channels);
    }
}

/* What is the same for all parts. */
static NAME(dw_pixels) NAME(dw_pixels_of)(const geometry *g, int direction) {
    const dw_axis rows = dw_rows_of(g, direction), cols = dw_cols_of(g, direction);
    const int64_t row = cols.source * g->c;
    const int far = rows.source * row * (int64_t)sizeof(REAL) > DW_FAR && !dw_pixels_ring(g, direction, sizeof(REAL));
    return (NAME(dw_pixels)){.row = row, .px = g->c, .out_row = cols.dest * g->c, .out_px = g->c, .ahead = far};
}

static void NAME(dw_pixels_correlate)(const geometry *g, int direction, const REAL *source, const REAL *w, const REAL *bias,
                                      int activation, REAL slope, REAL *dest, void *workspace, int threads) {
    const dw_axis rows = dw_rows_of(g, direction);
    const int reversed = direction == DW_INPUT_GRAD && !dw_spreads(&rows);
    const int64_t channels = g->c, blocks = CEIL_DIV(rows.dest, DW_R), vectors = CEIL_DIV(channels, VL);
    const int64_t ring = dw_pixels_ring(g, direction, sizeof(REAL));
    NAME(dw_pixels) whole = NAME(dw_pixels_of)(g, direction);
    whole.w = reversed ? w + 8 * channels : w, whole.tap = reversed ? -channels : channels;
    whole.activation = activation, whole.slope = slope;
    whole.asks = vectors > 1 && g->n * rows.dest * whole.out_row * (int64_t)sizeof(REAL) > DW_ASKED;
    /* Without a ring, channels are shared among threads only where rows are too few to go round evenly. */
    const int even = g->n * blocks % threads == 0 || g->n * blocks >= 8 * threads;
    const int64_t parts = ring ? channels / dw_ring_channels(g, sizeof(REAL)) : even ? 1 : MIN(vectors, threads);
    const int64_t total = g->n * parts * blocks;
    const int pieces = pieces_of(total, threads);
#pragma omp parallel for num_threads(threads) schedule(dynamic) if (threads > 1)
    for (int piece = 0; piece < pieces; piece++) {
        int64_t item, end;
        share(total, piece, pieces, &item, &end);
        while (item < end) {
            int64_t n = item / (parts * blocks), first = item % blocks, last = MIN(blocks, first + end - item), from, to;
            share(vectors, (int)(item / blocks % parts), (int)parts, &from, &to);
            from = MIN(from * VL, channels - VL), to = MIN(to * VL, channels);
            NAME(dw_pixels) a = whole;
            a.w += from, a.bias = bias ? bias + from : NULL;
            if (SIMD_BYTES == CACHE_LINE && a.out_px % VL == 0 && to - from >= DW_HEAD_VECTORS * VL)
                a.head = -(uintptr_t)(dest + from) % CACHE_LINE / sizeof(REAL);
            NAME(dw_pixels_part)(a, g, direction, source + n * rows.source * a.row + from, dest + n * rows.dest * a.out_row + from,
                                 to - from, first * DW_R, MIN(last * DW_R, rows.dest),
                                 ring ? (REAL *)((char *)workspace + thread_index() * ring) : NULL);
            item += last - first;
        }
    }
}

static void NAME(dw_pixels_weight_grad)(const geometry *g, const REAL *x, const REAL *gy, REAL *dw, void *workspace, int threads) {
    const int64_t channels = g->c, vectors = CEIL_DIV(channels, VL), ring = dw_pixels_ring(g, DW_WEIGHT_GRAD, sizeof(REAL));
    const NAME(dw_pixels) whole = NAME(dw_pixels_of)(g, DW_WEIGHT_GRAD);
    const int64_t parts = ring ? channels / dw_ring_channels(g, sizeof(REAL)) : MIN(vectors, threads);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int64_t part, end, from, to;
        char *scratch = (char *)workspace + thread_index() * (dw_pixels_sums(g, VL) + ring);
        NAME(dw_pixels) a = whole;
        a.sums = (REAL *)scratch;
        share(parts, thread_index(), team_size(), &part, &end);
        for (; part < end; part++) {
            share(vectors, (int)part, (int)parts, &from, &to);
            const int64_t first = MIN(from * VL, channels - VL), count = MIN(to * VL, channels) - first;
            memset(scratch, 0, dw_pixels_sums(g, VL));
            for (int64_t n = 0; n < g->n; n++)
                NAME(dw_pixels_part)(a, g, DW_WEIGHT_GRAD, x + n * g->h * a.row + first, (REAL *)gy + n * g->oh * a.out_row + first,
                                     count, 0, g->oh, ring ? (REAL *)(scratch + dw_pixels_sums(g, VL)) : NULL);
            for (int64_t c = from * VL - first; c < count; c++) {
                /* The last vector lies further left than its place where `count` is no multiple of the lanes. */
                const int64_t last = CEIL_DIV(count, VL) - 1, v = c < count - VL ? c / VL : last, lane = c - MIN(v * VL, count - VL);
                for (int t = 0; t < 9; t++) dw[(first + c) * 9 + t] = a.sums[(v * 9 + t) * VL + lane];
            }
        }
    }
}

#undef DW_SIZES
#undef DW_R
