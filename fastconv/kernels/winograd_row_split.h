/* Winograd convolution F(4, 3) along the rows of an image on matrix units: each product of a point is made of products of bfloat16 parts.
 *
 *   a strip of rows     -> V[32 channels][point][part][row][tile]      transform and split, channels in the lanes
 *   a group of tiles    -> M[point][row, tile][filters]                6 x (rows of the kernel) products on matrix units (tiles.h)
 *                       -> output                                      four pixels of a tile
 *
 * The kernel's rows are taps, as in split.h: V of one row serves all of them, at a distance of rows. 18 products take the place of 36 for
 * a 3x3 kernel, where F(2x2) has 16; but V and M are one and a half times the data where those of F(2x2) are four times, and the error is
 * the same, since tiles of one axis enlarge it once. Where all filters stay in the second-level cache, strips and groups are short, and V
 * and M stay there too; else they are long, and filters, V and M of one point after the other do.
 */
#ifndef FASTCONV_WINOGRAD_ROW_SPLIT_H
#define FASTCONV_WINOGRAD_ROW_SPLIT_H

#include "winograd_split.h"
#include "padded_rows.h"
#include "strips.h"

enum {
    ROW_OUTPUTS = 4, ROW_KERNEL = 3, ROW_POINTS = ROW_OUTPUTS + ROW_KERNEL - 1,
    ROW_PAIRS = 2,                    /* of points, beside 0 and infinity */
    ROW_MOST_TAPS = 21,               /* of a kernel */
    ROW_FEW_BYTES = 1 << 20,          /* of all filters, up to which they stay in the second-level cache; */
    ROW_V_BYTES = 384 * 1024,         /* of V beside them; */
    ROW_GROUP = 8,                    /* and blocks that are multiplied together, so that M stays in the first, or nearly */
    ROW_MOST_BYTES = 6 << 20,         /* of V beside more filters, of which those of a point stay in the cache with V of that point */
    ROW_LINE_COST = 4                 /* of transforming and splitting a cache line of V, in times of splitting one */
};

typedef struct {
    int64_t n, src_h, src_w, src_c, dst_h, dst_w, dst_c;
    int64_t groups, depth, columns, top, left;
    int64_t taps, tap_step;           /* rows of the kernel, and their distance */
    wino_weights_f32 at;
    int channels_last, parts;
    int64_t chunks, panels;           /* of 32 channels, of 32 filters */
    int64_t tiles;                    /* of a row */
    int64_t span;                     /* rows of the source beyond those of the result */
    int64_t image_rows;               /* from image to image of a strip */
    int64_t rows, images;             /* of a strip, at most */
    strip_cut cut;                    /* into strips, */
    int64_t strips;                   /* so many */
    int64_t plane;                    /* tiles of V for a point */
    int64_t v_part, v_point, v_chunk; /* bytes of V from one to the next */
    int64_t step, point, panel;       /* bytes of the filters of a product, of a point, of a panel */
    int64_t group;                    /* blocks of 32 tiles that are multiplied before their results are transformed */
    int64_t m_row, m_plane;           /* floats of M from tile to tile and from point to point */
} row_split;

static row_split plan_row_split(const geometry *s, int direction, int parts, int threads) {
    row_split q = {.n = MAX(1, s->n), .src_h = s->h, .src_w = s->w, .src_c = s->c, .dst_h = s->oh, .dst_w = s->ow, .dst_c = s->k,
                   .groups = s->g, .depth = s->c / s->g, .columns = s->k / s->g, .top = s->pt, .left = s->pl,
                   .taps = s->kh, .tap_step = s->dh, .at = wino_weights_of_f32(s, direction), .channels_last = (int)s->channels_last,
                   .parts = parts};
    q.span = (q.taps - 1) * q.tap_step;
    if (direction == 1) {
        q.src_h = s->oh, q.src_w = s->ow, q.src_c = s->k, q.dst_h = s->h, q.dst_w = s->w, q.dst_c = s->c;
        q.depth = s->k / s->g, q.columns = s->c / s->g;
        q.top = q.span - s->pt, q.left = ROW_KERNEL - 1 - s->pl;
    }
    q.chunks = CEIL_DIV(q.depth, TERMS), q.panels = CEIL_DIV(q.columns, SPLIT_FILTERS);
    q.tiles = CEIL_DIV(q.dst_w, ROW_OUTPUTS);
    q.step = 2 * parts * TILE_BYTES, q.point = q.chunks * q.taps * q.step + CACHE_LINE, q.panel = ROW_POINTS * q.point;
    const int64_t filters = q.panels * q.panel, row = q.chunks * ROW_POINTS * parts * q.tiles * TILE_ROW;
    const int few = filters <= ROW_FEW_BYTES;
    const int64_t budget = few ? ROW_V_BYTES : ROW_MOST_BYTES;
    /* Rows that strips share are transformed for each. */
    q.rows = MIN(q.dst_h, MAX(MAX(1, 2 * q.span), budget / row - q.span));
    q.image_rows = shared_pitch(q.dst_h, -q.top, q.span, q.src_h);
    const strip_amounts amounts = {
        .batch = q.n, .groups = q.groups, .height = q.dst_h, .image_rows = q.image_rows, .span = q.span, .pitch = q.tiles,
        .lines = ROW_LINE_COST * q.chunks * ROW_POINTS * parts, .panels = q.panels, .weights = filters / CACHE_LINE,
        .products = 2 * q.panels * q.chunks * ROW_POINTS * q.taps * products_of(parts),
        .filters = s->channels_last ? 0 : q.columns, .pixels = s->channels_last ? q.dst_w : 0};
    q.cut = cut_strips(&amounts, MAX(1, budget / (row * q.image_rows)), CEIL_DIV(q.dst_h, q.rows), 0, threads);
    q.rows = CEIL_DIV(q.dst_h, q.cut.pieces), q.images = CEIL_DIV(q.n, q.cut.sets);
    q.strips = q.cut.sets * q.cut.pieces;
    const int64_t outputs = ((q.images - 1) * q.image_rows + q.rows) * q.tiles;
    q.plane = outputs + q.span * q.tiles + SPLIT_ROWS;
    /* By a cache line more, to different sets of the first-level cache. */
    q.v_part = q.plane * TILE_ROW + (q.plane % 2 ? 0 : CACHE_LINE), q.v_point = parts * q.v_part, q.v_chunk = ROW_POINTS * q.v_point;
    q.group = few ? MIN(ROW_GROUP, CEIL_DIV(outputs, SPLIT_ROWS)) : CEIL_DIV(outputs, SPLIT_ROWS);
    q.m_row = q.panels * SPLIT_FILTERS;
    q.m_plane = q.group * SPLIT_ROWS * q.m_row + TILE;
    return q;
}

/* -- filters ------------------------------------------------------------------------------------------------------------- */

/* 32 channels of a panel of filters into tiles [point][tap][part][2], channel i paired with i + 16, as the data is. */
INLINE void row_split_filters(const int parts, const row_split *q, const float *from, int64_t channels, int64_t columns, char *to,
                              magnitudes *m) {
    vec_t_f32 kernel[2][TILE * ROW_MOST_TAPS];
    for (int64_t second = 0; second < 2; second++) {
        for (int64_t h = 0; h < 2; h++) {
            const int64_t there = MIN(TILE, channels - h * TILE), filters = MIN(TILE, columns - second * TILE);
            const float *w = from + h * TILE * q->at.channel + second * TILE * q->at.filter;
            if (there < TILE || filters < TILE) memset(kernel[h], 0, TILE * q->at.taps * sizeof(*kernel[h]));
            if (there > 0 && filters > 0) wino_read_weights_f32(&q->at, w, filters, there, kernel[h]);
            for (int64_t i = 0; i < TILE * q->at.taps; i++) note_magnitudes(m, (__m512)kernel[h][i]);
        }
        for (int64_t tap = 0; tap < q->taps; tap++) /* whole tiles: few at a time, which the hardware follows */
            for (int64_t i = 0; i < TILE; i++) {
                vec_t_f32 o[2][MAX_POINTS];
                UNROLL for (int h = 0; h < 2; h++)
                    wino_kernel_f32(ROW_PAIRS, ROW_KERNEL, kernel[h] + i * q->at.taps + tap * ROW_KERNEL, o[h]);
                UNROLL for (int p = 0; p < ROW_POINTS; p++) {
                    __m512i part[MOST_PARTS];
                    split_pairs(parts, (__m512)o[0][p], (__m512)o[1][p], part);
                    UNROLL for (int k = 0; k < parts; k++)
                        _mm512_store_si512(to + p * q->point + tap * q->step + (2 * k + second) * TILE_BYTES + i * TILE_ROW, part[k]);
                }
            }
    }
}

static int64_t row_split_packed_bytes(const geometry *s, int direction, int parts) {
    const row_split q = plan_row_split(s, direction, parts, 1);
    return sizeof(split_header) + q.groups * q.panels * q.panel;
}

static int64_t row_split_pack_workspace(int threads) { return threads * CACHE_LINE; }

static void row_split_pack(const geometry *s, int direction, int parts, const float *w, char *packed, void *workspace, int threads) {
    const row_split q = plan_row_split(s, direction, parts, 1);
    magnitude_range seen = {0, UINT32_MAX};
    for (int i = 0; i < threads; i++) *(magnitude_range *)((char *)workspace + i * CACHE_LINE) = seen; /* OpenMP may start fewer */
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        magnitudes m = no_magnitudes();
        int64_t begin, end;
        share(q.groups * q.panels * q.chunks, thread_index(), team_size(), &begin, &end);
        for (int64_t i = begin; i < end; i++) {
            const int64_t chunk = i % q.chunks, panel = i / q.chunks % q.panels, group = i / q.chunks / q.panels;
            const float *from = w + group * q.depth * q.columns * q.at.taps + panel * SPLIT_FILTERS * q.at.filter +
                                chunk * TERMS * q.at.channel;
            const int64_t channels = q.depth - chunk * TERMS, columns = q.columns - panel * SPLIT_FILTERS;
            char *to = packed + sizeof(split_header) + (group * q.panels + panel) * q.panel + chunk * q.taps * q.step;
            if (parts == 1)
                row_split_filters(1, &q, from, channels, columns, to, &m);
            else
                row_split_filters(2, &q, from, channels, columns, to, &m);
        }
        *(magnitude_range *)((char *)workspace + thread_index() * CACHE_LINE) = range_of(&m);
    }
    for (int i = 0; i < threads; i++) join_ranges(&seen, *(magnitude_range *)((char *)workspace + i * CACHE_LINE));
    ((split_header *)packed)->range = seen;
}

/* -- into V -------------------------------------------------------------------------------------------------------------- */

/* 32 channels of a tile, 16 of them from a on and 16 from b on, of which `lanes` are valid. The pixels between its outer two are noted, or
 * all of them: every pixel is between those of some tile, but for the first and last of the row. */
INLINE void row_split_data_body(const int parts, const float *a, const float *b, int64_t pixel, int64_t lanes, int whole, char *v,
                                int64_t v_point, int64_t v_part, magnitudes *m) {
    vec_t_f32 d[2][MAX_POINTS], o[2][MAX_POINTS];
    if (lanes >= TERMS) {
        UNROLL for (int i = 0; i < ROW_POINTS; i++) d[0][i] = load_f32(a + i * pixel), d[1][i] = load_f32(b + i * pixel);
    } else {
        for (int i = 0; i < ROW_POINTS; i++) d[0][i] = load_n_f32(a + i * pixel, lanes), d[1][i] = load_n_f32(b + i * pixel, lanes - TILE);
    }
    UNROLL for (int h = 0; h < 2; h++) {
        UNROLL for (int i = 1; i < ROW_POINTS - 1; i++) note_magnitudes(m, (__m512)d[h][i]);
        if (whole) note_magnitudes(m, (__m512)d[h][0]), note_magnitudes(m, (__m512)d[h][ROW_POINTS - 1]);
        wino_data_f32(ROW_PAIRS, d[h], o[h]);
    }
    UNROLL for (int i = 0; i < ROW_POINTS; i++) {
        __m512i part[MOST_PARTS];
        split_pairs(parts, (__m512)o[0][i], (__m512)o[1][i], part);
        UNROLL for (int k = 0; k < parts; k++) _mm512_store_si512(v + i * v_point + k * v_part, part[k]);
    }
}

typedef void row_data(const float *, const float *, int64_t, int64_t, int, char *, int64_t, int64_t, magnitudes *);

#define INSTANCE(parts)                                                                                                        \
    static __attribute__((noinline)) void row_split_data_##parts(const float *a, const float *b, int64_t pixel, int64_t lanes, \
                                                                 int whole, char *v, int64_t v_point, int64_t v_part,         \
                                                                 magnitudes *m) {                                              \
        row_split_data_body(parts, a, b, pixel, lanes, whole, v, v_point, v_part, m);                                          \
    }
INSTANCE(1) INSTANCE(2)
#undef INSTANCE

enum { TILES_AHEAD = 4 }; /* whose pixels are asked for: they lie far apart, and the hardware's prefetchers do not follow them */

/* A row of a channels-last image to its place in V; x: of the first pixel of a group. */
static void split_row_nhwc(const row_split *q, row_data *data, const float *x, char *v, magnitudes *m) {
    for (int64_t c = 0; c < q->depth; c += TERMS, v += q->v_chunk)
        for (int64_t tx = 0; tx < q->tiles; tx++) {
            const int64_t first = tx * ROW_OUTPUTS - q->left, lanes = q->depth - c;
            const int whole = tx == 0 || tx == q->tiles - 1;
            char *to = v + tx * TILE_ROW;
            if (first >= 0 && first + ROW_POINTS <= q->src_w) {
                const float *from = x + first * q->src_c + c, *next = from + TILES_AHEAD * ROW_OUTPUTS * q->src_c;
                UNROLL for (int i = 0; i < ROW_OUTPUTS; i++)
                    UNROLL for (int h = 0; h < TERMS; h += TILE) __builtin_prefetch(next + i * q->src_c + h);
                data(from, from + TILE, q->src_c, lanes, whole, to, q->v_point, q->v_part, m);
                continue;
            }
            float padded[ROW_POINTS * TERMS] __attribute__((aligned(CACHE_LINE)));
            for (int64_t i = 0; i < ROW_POINTS; i++) {
                const int there = first + i >= 0 && first + i < q->src_w;
                const float *from = x + (there ? (first + i) * q->src_c + c : 0);
                _mm512_store_ps(padded + i * TERMS, load_floats(from, there ? lanes : 0));
                _mm512_store_ps(padded + i * TERMS + TILE, load_floats(from + TILE, there ? lanes - TILE : 0));
            }
            data(padded, padded + TILE, TERMS, TERMS, whole, to, q->v_point, q->v_part, m);
        }
}

/* Floats of a row of 16 channels with all pixels that tiles reach, and of 16 filters of the pixels of a block. */
static int64_t row_line(const row_split *q) { return (q->tiles * ROW_OUTPUTS + ROW_KERNEL - 1) * TILE; }
enum { ROW_RESULTS = SPLIT_ROWS * ROW_OUTPUTS * TILE };

/* The same of an NCHW image, row y. `line`: two of row_line. Longer rows of the next channels, or of the next row, are asked for. */
static void split_row_nchw(const row_split *q, row_data *data, const float *x, int64_t y, float *line, char *v, magnitudes *m) {
    const int64_t width = q->tiles * ROW_OUTPUTS + ROW_KERNEL - 1, plane = q->src_h * q->src_w;
    float *const second = line + width * TILE;
    for (int64_t c = 0; c < q->depth; c += TERMS, v += q->v_chunk) {
        for (int64_t h = 0; h < 2; h++) {
            const int64_t lanes = MIN(TILE, q->depth - c - h * TILE);
            if (lanes > 0) fill_strip_f32(x + (c + h * TILE) * plane, lanes, q->src_h, q->src_w, y, 1, -q->left, width, h ? second : line);
            else memset(second, 0, width * TILE * sizeof(float));
        }
        const int last = c + TERMS >= q->depth;
        const float *next = x + (last ? (y + 1) * q->src_w : (c + TERMS) * plane + y * q->src_w);
        const int64_t left = last ? (y + 1 < q->src_h ? q->depth : 0) : q->depth - c - TERMS;
        const int64_t fetched = q->src_w > TILE ? MIN(TERMS, left) : 0;
        for (int64_t tx = 0; tx < q->tiles; tx++) {
            FETCH_PART(next, plane, fetched, q->src_w, tx, q->tiles, 0)
            data(line + tx * ROW_OUTPUTS * TILE, second + tx * ROW_OUTPUTS * TILE, TILE, TERMS, tx == 0 || tx == q->tiles - 1,
                 v + tx * TILE_ROW, q->v_point, q->v_part, m);
        }
    }
}

static void fill_row_strip(const row_split *q, const strip_extent *t, const float *x, int64_t group, float *line, char *v, magnitudes *m) {
    row_data *const data = q->parts == 1 ? row_split_data_1 : row_split_data_2;
    const int64_t image = q->src_h * q->src_w * q->src_c, channel = q->channels_last ? 1 : q->src_h * q->src_w;
    for (int64_t i = 0; i < t->images; i++)
        for (int64_t r = 0; r < t->rows + q->span; r++) {
            const int64_t y = t->y0 + r - q->top;
            const float *from = x + (t->n0 + i) * image + group * q->depth * channel;
            char *to = v + (i * q->image_rows + r) * q->tiles * TILE_ROW;
            if (y < 0 || y >= q->src_h)
                for (int64_t j = 0; j < q->chunks * ROW_POINTS * q->parts; j++) memset(to + j * q->v_part, 0, q->tiles * TILE_ROW);
            else if (q->channels_last)
                split_row_nhwc(q, data, from + y * q->src_w * q->src_c, to, m);
            else
                split_row_nchw(q, data, from, y, line, to, m);
        }
}

/* -- products ------------------------------------------------------------------------------------------------------------ */

/* M of panels [j0, j1) for tiles [first, last) of the strip. A point's filters serve all of these. */
static void multiply_row_split(const row_split *q, const char *v, const char *filters, const tile_step *step, int64_t j0, int64_t j1,
                               int64_t first, int64_t last, float *sums) {
    tile_factors f = {.row = TILE_ROW, .second = TILE * TILE_ROW, .part = q->v_part, .weights_second = TILE_BYTES,
                      .weights_part = 2 * TILE_BYTES, .step = step, .steps = q->taps, .rounds = q->chunks,
                      .round = {q->v_chunk, q->taps * q->step}};
    tile_sums r = {.row = {q->m_row * sizeof(float), q->m_row * sizeof(float)}, .from = FROM_ZERO};
    for (int64_t point = 0; point < ROW_POINTS; point++, sums += q->m_plane)
        for (int64_t j = j0; j < j1; j++) {
            const int nw = q->columns - j * SPLIT_FILTERS > TILE ? 2 : 1;
            f.weights = filters + j * q->panel + point * q->point;
            for (int64_t m = first; m < last; m += SPLIT_ROWS) {
                const int nd = last - m > TILE ? 2 : 1;
                f.data = v + point * q->v_point + m * TILE_ROW;
                f.ahead = m == first ? weights_ahead(q->parts) : 0;
                for (int i = 0; i < 4; i++)
                    r.out[i] = sums + (m - first + i / 2 * TILE) * q->m_row + (j - j0) * SPLIT_FILTERS + i % 2 * TILE;
                tile_kernels[products_of(q->parts)][0][nd - 1][nw - 1](&f, &r);
            }
        }
}

/* -- out of M ------------------------------------------------------------------------------------------------------------ */

typedef struct {
    const float *bias; /* of the group; NULL: none */
    int activation;
    float slope;
    float *out;        /* of the group */
    float *results;    /* ROW_RESULTS, for NCHW */
} row_sink;

/* Outputs of `columns` filters from `filter` on for `count` tiles of a row from tx on, M of which is at `m`. Lines that outputs are stored to
 * are asked for: they lie far apart, and are not in the first-level cache. */
static void store_row_tiles(const row_split *q, const row_sink *k, const float *m, int64_t filter, int64_t columns, int64_t n, int64_t y,
                            int64_t tx, int64_t count) {
    const int64_t x = tx * ROW_OUTPUTS, plane = q->dst_h * q->dst_w, wide = MIN(count * ROW_OUTPUTS, q->dst_w - x);
    if (q->channels_last) {
        float *to = k->out + ((n * q->dst_h + y) * q->dst_w + x) * q->dst_c + filter;
        for (int64_t i = 0; i < wide; i += ROW_OUTPUTS, m += q->m_row, to += ROW_OUTPUTS * q->dst_c)
            for (int64_t j = 0; j < columns; j += TILE) {
                UNROLL for (int l = 0; l < ROW_OUTPUTS; l++) __builtin_prefetch(to + j + l * q->dst_c + 2 * TILE - 1, 1);
                line_result_f32(ROW_PAIRS, ROW_OUTPUTS, m + j, q->m_plane, k->bias ? k->bias + filter + j : NULL, k->activation, k->slope,
                                to + j, q->dst_c, wide - i, columns - j);
            }
        return;
    }
    for (int64_t j = 0; j < columns; j += TILE) {
        const int64_t filters = MIN(TILE, columns - j);
        float *to = k->out + (n * q->dst_c + filter + j) * plane + y * q->dst_w + x;
        for (int64_t i = 0; i < count; i++) {
            FETCH_PART(to, plane, filters, wide, i, count, 1)
            line_result_f32(ROW_PAIRS, ROW_OUTPUTS, m + i * q->m_row + j, q->m_plane, k->bias ? k->bias + filter + j : NULL, k->activation,
                            k->slope, k->results + i * ROW_OUTPUTS * TILE, TILE, ROW_OUTPUTS, columns - j);
        }
        transpose_f32(k->results, TILE, wide, filters, to, plane);
    }
}

/* Outputs of tiles [first, last) of the strip. */
static void store_row_split(const row_split *q, const strip_extent *t, const row_sink *k, const float *sums, int64_t filter,
                            int64_t columns, int64_t first, int64_t last) {
    strip_pixel p = pixel_at(first, q->tiles, q->image_rows);
    for (int64_t m = first, count; m < last; m += count) {
        count = MIN(MIN(last - m, q->tiles - p.x), SPLIT_ROWS);
        if (p.r < t->rows) store_row_tiles(q, k, sums + (m - first) * q->m_row, filter, columns, t->n0 + p.i, t->y0 + p.r, p.x, count);
        p.x += count;
        if (p.x == q->tiles) p.x = 0, p.r++;
        if (p.r == q->image_rows) p.r = 0, p.i++;
    }
}

/* -- forward and input gradient ------------------------------------------------------------------------------------------ */

typedef struct {
    int64_t step, v, m, line, own; /* bytes of each thread; together */
} row_split_sizes;

static row_split_sizes row_split_sizes_of(const row_split *q) {
    row_split_sizes z = {.step = ROUND_UP(q->taps * (int64_t)sizeof(tile_step), CACHE_LINE),
                         .v = ROUND_UP(q->chunks * q->v_chunk, CACHE_LINE),
                         .m = ROUND_UP(ROW_POINTS * q->m_plane * (int64_t)sizeof(float), CACHE_LINE),
                         .line = q->channels_last ? 0 : (2 * row_line(q) + ROW_RESULTS) * (int64_t)sizeof(float)};
    z.own = CACHE_LINE + z.step + z.v + z.m + z.line;
    return z;
}

static int64_t row_split_workspace(const geometry *s, int direction, int parts, int threads) {
    const row_split q = plan_row_split(s, direction, parts, threads);
    return threads * row_split_sizes_of(&q).own;
}

static int row_split_run(const geometry *s, int direction, int parts, const float *x, const char *packed, const float *bias,
                         int activation, float slope, float *out, void *workspace, int threads) {
    const row_split q = plan_row_split(s, direction, parts, threads);
    const row_split_sizes z = row_split_sizes_of(&q);
    const magnitude_range range = ((const split_header *)packed)->range;
    magnitude_range seen = {0, UINT32_MAX};
    if (!ranges_allow_split(range, MAGNITUDE_ONE)) return 0;
    for (int i = 0; i < threads; i++) *(magnitude_range *)((char *)workspace + i * z.own) = seen; /* OpenMP may start fewer */
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        char *mine = (char *)workspace + thread_index() * z.own;
        magnitude_range *mine_seen = (magnitude_range *)aligned_take(&mine, sizeof(*mine_seen));
        tile_step *step = (tile_step *)aligned_take(&mine, z.step);
        char *v = aligned_take(&mine, z.v);
        float *sums = (float *)aligned_take(&mine, z.m), *line = (float *)mine;
        magnitudes m = no_magnitudes();
        for (int64_t i = 0; i < q.taps; i++) step[i] = (tile_step){i * q.tap_step * q.tiles * TILE_ROW, i * q.step};
        tiles_begin();
        /* Strips are shared among the threads; where there are few of them, filters are too. */
        const strip_sharing shared = sharing_of(q.groups * q.strips, q.panels, team_size());
        int64_t begin, end;
        share(shared.shares, thread_index(), team_size(), &begin, &end);
        for (int64_t i = begin; i < end; i++) {
            const strip_share now = share_at(&shared, q.panels, i, begin);
            const int64_t group = now.strip / q.strips;
            const strip_extent t = strip_at(now.strip % q.strips, q.n, q.dst_h, q.cut);
            const int64_t tiles = ((t.images - 1) * q.image_rows + t.rows) * q.tiles, pixels = q.channels_last ? 1 : q.dst_h * q.dst_w;
            const row_sink sink = {bias ? bias + group * q.columns : NULL, activation, slope, out + group * q.columns * pixels,
                                   line + 2 * row_line(&q)};
            const char *filters = packed + sizeof(split_header) + group * q.panels * q.panel;
            if (now.begins) fill_row_strip(&q, &t, x, group, line, v, &m);
            const int64_t filter = now.first * SPLIT_FILTERS, columns = MIN(now.last * SPLIT_FILTERS, q.columns) - filter;
            for (int64_t b = 0; b < tiles; b += q.group * SPLIT_ROWS) {
                const int64_t end = MIN(tiles, b + q.group * SPLIT_ROWS);
                multiply_row_split(&q, v, filters, step, now.first, now.last, b, end, sums);
                store_row_split(&q, &t, &sink, sums, filter, columns, b, end);
            }
        }
        tiles_end();
        *mine_seen = range_of(&m);
    }
    for (int i = 0; i < threads; i++) join_ranges(&seen, *(magnitude_range *)((char *)workspace + i * z.own));
    return ranges_allow_split(range, seen);
}

static winograd_split_amounts row_split_work(const geometry *s, int direction, int parts, int threads) {
    const row_split q = plan_row_split(s, direction, parts, threads);
    const int64_t tiles = ((q.images - 1) * q.image_rows + q.rows) * q.tiles, items = q.groups * q.strips;
    return (winograd_split_amounts){.blocks = items * ROW_POINTS * CEIL_DIV(tiles, SPLIT_ROWS) * q.panels * q.chunks * q.taps,
                                    .data = sharing_of(items, q.panels, threads).split * (tiles + q.span * q.tiles) * q.chunks,
                                    .results = items * tiles * q.panels,
                                    .weights = items * q.panels * q.panel};
}

#endif
