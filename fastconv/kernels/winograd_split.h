/* Winograd convolution F(2x2, 3x3) on matrix units: each product of a point is made of products of bfloat16 parts.
 *
 *   a block of tiles    -> V[32 tiles][32 channels][point][part]       transform and split, channels in the lanes
 *   per pass of filters -> M[point][tile][filters]                     16 products on matrix units (tiles.h)
 *                       -> output                                      as in winograd.h, whose plans and ways out these are
 *
 * 16 products take the place of 36, each with the error of split products, which the points 0, 1, -1 and infinity make two or three times
 * as large. Transformed filters are read once for every block. Either V stays in the second-level cache while 32 filters after 32 pass; or,
 * where filters are many and deep, blocks are large, all filters pass at once, and of V and M one point after the other is in the cache.
 * The other tiles have no points as good: those of F(4x4) enlarge the errors of the parts up to nine times.
 */
#ifndef FASTCONV_WINOGRAD_SPLIT_H
#define FASTCONV_WINOGRAD_SPLIT_H

#include "bfloat.h"
#include "tiles.h"
#include "winograd_split_api.h"

enum {
    SPLIT_TILE = 2,                    /* outputs along an axis */
    SPLIT_AXIS = 4, SPLIT_POINTS = 16, /* points along an axis, and of a tile */
    SPLIT_FILTERS = 2 * TILE,          /* of a panel */
    SPLIT_ROWS = 2 * TILE,             /* tiles that are multiplied together */
    SPLIT_V_BYTES = 1024 * 1024,       /* of V, beside which a panel of filters and its sums find a place in the second-level cache */
    SPLIT_LEAST_TILES = 32, SPLIT_MOST_TILES = 128,
    SPLIT_MOST_BYTES = 24 << 20        /* of V and M of all filters */
};

typedef struct {
    wino_plan p;
    int parts;
    int64_t chunks;                  /* of 32 channels */
    int64_t rows;                    /* tiles of a block, up to whole register tiles */
    int64_t v_part, v_point, v_chunk, v_rows; /* bytes of V from one to the next, and to the next 32 tiles */
    int64_t m_plane;                 /* floats of M from point to point */
    int64_t panel;                   /* bytes of the transformed filters of a panel */
    int64_t pass;                    /* panels that are multiplied before their results are transformed */
    int64_t sets;                    /* of V: one for each thread, or one for all of them */
} split_wino;

static split_wino plan_winograd_split(const geometry *s, int direction, int parts, int threads) {
    const int64_t depth = (direction ? s->k : s->c) / s->g, chunks = MAX(1, CEIL_DIV(depth, TERMS));
    const int64_t panels = CEIL_DIV((direction ? s->c : s->k) / s->g, SPLIT_FILTERS);
    const int64_t v_tile = chunks * SPLIT_POINTS * parts * TILE_ROW;
    const int64_t m_tile = panels * SPLIT_POINTS * SPLIT_FILTERS * (int64_t)sizeof(float);
    const int64_t fitting = MIN(SPLIT_MOST_TILES, MAX(SPLIT_LEAST_TILES, SPLIT_V_BYTES / v_tile)), apart = s->dh * s->dw;
    split_wino q = {.p = plan_winograd(s, direction, 0, SPLIT_TILE, MAX(apart, fitting), threads, sizeof(float)), .parts = parts,
                    .chunks = chunks, .pass = 1};
    const int64_t many = SPLIT_MOST_BYTES / (v_tile + m_tile);
    const wino_plan large = plan_winograd(s, direction, 0, SPLIT_TILE, MAX(apart, many), threads, sizeof(float));
    /* Bytes that come from beyond the second-level cache; filters take longer, since a tile of them is used at once. */
    const int64_t filters = panels * SPLIT_POINTS * chunks * parts * 2 * TILE_BYTES;
    const int64_t of_tiles = 2 * q.p.blocks * q.p.tiles * (v_tile + m_tile);
    if (4 * (q.p.blocks - large.blocks) * filters > 3 * of_tiles) q.p = large, q.pass = panels;
    q.rows = ROUND_UP(q.p.tiles, SPLIT_ROWS);
    /* What belongs to one tile is stored to few pages, and by a cache line more to different sets of the first-level cache. */
    q.v_part = SPLIT_ROWS * TILE_ROW + CACHE_LINE, q.v_point = parts * q.v_part, q.v_chunk = SPLIT_POINTS * q.v_point;
    q.v_rows = chunks * q.v_chunk;
    q.p.m_step = q.pass * SPLIT_FILTERS;
    q.m_plane = q.p.m_plane = q.rows * q.p.m_step + TILE;
    q.panel = SPLIT_POINTS * chunks * parts * 2 * TILE_BYTES;
    q.sets = q.p.blocks * q.p.groups >= threads ? threads : 1;
    return q;
}

/* -- filters ------------------------------------------------------------------------------------------------------------- */

enum { SPLIT_U_PLANE = TERMS * SPLIT_FILTERS + TILE }; /* a cache line more, as V has */

/* Transformed filters of 32 channels at u[point][channel][32] into tiles, [point][part][2], points `step` bytes apart: channel i is paired
 * with i + 16, as the data is. */
INLINE void split_filters(const int parts, const float *u, int64_t step, char *to) {
    for (int64_t point = 0; point < SPLIT_POINTS; point++, u += SPLIT_U_PLANE, to += step)
        for (int64_t second = 0; second < 2; second++)
            for (int64_t i = 0; i < TILE; i++) {
                const float *pair = u + i * SPLIT_FILTERS + second * TILE;
                __m512i part[MOST_PARTS];
                split_pairs(parts, _mm512_load_ps(pair), _mm512_load_ps(pair + TILE * SPLIT_FILTERS), part);
                UNROLL for (int k = 0; k < parts; k++) _mm512_store_si512(to + (2 * k + second) * TILE_BYTES + i * TILE_ROW, part[k]);
            }
}

static int64_t square_split_packed_bytes(const geometry *s, int direction, int parts) {
    const split_wino q = plan_winograd_split(s, direction, parts, 1);
    return sizeof(split_header) + q.p.groups * CEIL_DIV(q.p.columns, SPLIT_FILTERS) * q.panel;
}

static int64_t square_split_pack_workspace(int threads) {
    return threads * (CACHE_LINE + SPLIT_POINTS * SPLIT_U_PLANE * (int64_t)sizeof(float));
}

static void square_split_pack(const geometry *s, int direction, int parts, const float *w, char *packed, void *workspace, int threads) {
    const split_wino q = plan_winograd_split(s, direction, parts, 1);
    const int64_t panels = CEIL_DIV(q.p.columns, SPLIT_FILTERS), own = square_split_pack_workspace(1);
    const wino_weights_f32 at = wino_weights_of_f32(s, direction);
    const wino_tile_f32 tile = wino_tile_of_f32(SPLIT_TILE, 3, s, direction);
    magnitude_range seen = {0, UINT32_MAX};
    for (int i = 0; i < threads; i++) *(magnitude_range *)((char *)workspace + i * own) = seen; /* OpenMP may start fewer */
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        char *p = (char *)workspace + thread_index() * own;
        magnitude_range *range = (magnitude_range *)aligned_take(&p, sizeof(*range));
        float *u = (float *)p;
        magnitudes m = no_magnitudes();
        int64_t begin, end;
        share(s->k * (s->c / s->g) * at.taps, thread_index(), team_size(), &begin, &end);
        for (int64_t i = begin; i < end; i += 16) note_magnitudes(&m, load_floats(w + i, end - i));
        share(q.p.groups * panels * q.chunks, thread_index(), team_size(), &begin, &end);
        for (int64_t i = begin; i < end; i++) {
            const int64_t chunk = i % q.chunks, panel = i / q.chunks % panels, group = i / q.chunks / panels;
            const int64_t channels = MIN(TERMS, q.p.depth - chunk * TERMS), columns = q.p.columns - panel * SPLIT_FILTERS;
            const float *from = w + group * q.p.depth * q.p.columns * at.taps + panel * SPLIT_FILTERS * at.filter +
                                chunk * TERMS * at.channel;
            char *to = packed + sizeof(split_header) + (group * panels + panel) * q.panel + chunk * parts * 2 * TILE_BYTES;
            if (channels < TERMS) memset(u, 0, SPLIT_POINTS * SPLIT_U_PLANE * sizeof(float));
            wino_filters_f32(&tile, &at, from, columns, channels, 0, u, SPLIT_U_PLANE);
            if (parts == 1)
                split_filters(1, u, q.panel / SPLIT_POINTS, to);
            else
                split_filters(2, u, q.panel / SPLIT_POINTS, to);
        }
        *range = range_of(&m);
    }
    for (int i = 0; i < threads; i++) join_ranges(&seen, *(magnitude_range *)((char *)workspace + i * own));
    ((split_header *)packed)->range = seen;
}

/* -- into V -------------------------------------------------------------------------------------------------------------- */

/* 32 channels of a tile, 16 of them from a on and 16 from b on, of which `lanes` are valid. The four pixels in the middle are noted, or
 * all of them: every pixel is in the middle of a tile, but for those at the border of the image. */
INLINE void split_data_body(const int parts, const float *a, const float *b, int64_t row, int64_t pixel, int64_t lanes, int whole,
                            char *v, int64_t v_point, int64_t v_part, magnitudes *m) {
    const int n = SPLIT_AXIS;
    vec_t_f32 d[2][SPLIT_POINTS], o[2][SPLIT_POINTS];
    if (lanes >= TERMS) {
        UNROLL for (int i = 0; i < n; i++) UNROLL for (int j = 0; j < n; j++) {
            d[0][i * n + j] = load_f32(a + i * row + j * pixel);
            d[1][i * n + j] = load_f32(b + i * row + j * pixel);
        }
    } else {
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++) {
                d[0][i * n + j] = load_n_f32(a + i * row + j * pixel, lanes);
                d[1][i * n + j] = load_n_f32(b + i * row + j * pixel, lanes - TILE);
            }
    }
    UNROLL for (int h = 0; h < 2; h++) {
        if (whole) {
            UNROLL for (int i = 0; i < n * n; i++) note_magnitudes(m, (__m512)d[h][i]);
        } else {
            UNROLL for (int i = 1; i < n - 1; i++) UNROLL for (int j = 1; j < n - 1; j++) note_magnitudes(m, (__m512)d[h][i * n + j]);
        }
        wino_data_2d_f32(1, 0, d[h], o[h]);
    }
    UNROLL for (int i = 0; i < SPLIT_POINTS; i++) {
        __m512i part[MOST_PARTS];
        split_pairs(parts, (__m512)o[0][i], (__m512)o[1][i], part);
        UNROLL for (int k = 0; k < parts; k++) _mm512_store_si512(v + i * v_point + k * v_part, part[k]);
    }
}

typedef void split_data(const float *, const float *, int64_t, int64_t, int64_t, int, char *, int64_t, int64_t, magnitudes *);

#define INSTANCE(parts)                                                                                                        \
    static __attribute__((noinline)) void split_data_##parts(const float *a, const float *b, int64_t row, int64_t pixel,       \
                                                             int64_t lanes, int whole, char *v, int64_t v_point,               \
                                                             int64_t v_part, magnitudes *m) {                                  \
        split_data_body(parts, a, b, row, pixel, lanes, whole, v, v_point, v_part, m);                                         \
    }
INSTANCE(1) INSTANCE(2)
#undef INSTANCE

/* Whether tiles above, below and beside this one have its outer pixels in their middle. */
INLINE int at_border(const wino_plan *p, int64_t ty, int64_t tx) {
    return ty == 0 || tx == 0 || ty == p->tiles_h - 1 || tx == p->tiles_w - 1;
}

/* A tile of a channels-last image: its first pixel, which may lie beyond the border, its place, and whether all of it is noted. */
typedef struct {
    const float *base;
    int64_t y, x;
    int inside, whole;
} split_source;

static split_source split_source_of(const split_wino *q, const wino_block *b, const float *x, int64_t group, int64_t i) {
    const wino_plan *p = &q->p;
    const wino_place at = place_of(p, b, i);
    split_source t = {.y = at.y - p->top, .x = at.x - p->left};
    t.base = x + ((at.n * p->src_h + t.y) * p->src_w + t.x) * p->src_c + group * p->depth;
    t.inside = t.y >= 0 && t.x >= 0 && t.y + (SPLIT_AXIS - 1) * p->dh < p->src_h && t.x + (SPLIT_AXIS - 1) * p->dw < p->src_w;
    t.whole = at_border(p, at.y / (SPLIT_TILE * p->dh), at.x / (SPLIT_TILE * p->dw));
    return t;
}

/* 32 channels of it, from c on. Pixels beyond the border are zero. */
static void split_tile_nhwc(const split_wino *q, split_data *data, const split_source *t, int64_t c, char *v, magnitudes *m) {
    const wino_plan *p = &q->p;
    const int n = SPLIT_AXIS;
    const int64_t row = p->dh * p->src_w * p->src_c, pixel = p->dw * p->src_c;
    const float *base = t->base + c;
    if (t->inside) {
        data(base, base + TILE, row, pixel, p->depth - c, t->whole, v, q->v_point, q->v_part, m);
        return;
    }
    float padded[SPLIT_POINTS * TERMS] __attribute__((aligned(CACHE_LINE)));
    memset(padded, 0, sizeof padded);
    const int64_t top = MAX(0, CEIL_DIV(-t->y, p->dh)), bottom = MIN(n, CEIL_DIV(p->src_h - t->y, p->dh));
    const int64_t left = MAX(0, CEIL_DIV(-t->x, p->dw)), right = MIN(n, CEIL_DIV(p->src_w - t->x, p->dw));
    for (int64_t i = top; i < bottom; i++)
        for (int64_t j = left; j < right; j++) {
            float *to = padded + (i * n + j) * TERMS;
            const float *from = base + i * row + j * pixel;
            _mm512_store_ps(to, load_floats(from, p->depth - c));
            _mm512_store_ps(to + TILE, load_floats(from + TILE, p->depth - c - TILE));
        }
    data(padded, padded + TILE, n * TERMS, TERMS, TERMS, t->whole, v, q->v_point, q->v_part, m);
}

INLINE char *split_row_of(const split_wino *q, char *v, int64_t i) { return v + i / SPLIT_ROWS * q->v_rows + i % SPLIT_ROWS * TILE_ROW; }

/* All of a block's tiles into V. `strip`: two of wino_strip_f32. */
static void split_gather(const split_wino *q, const wino_block *b, int channels_last, const float *x, int64_t group, float *strip,
                         char *v, magnitudes *m, team t) {
    const wino_plan *p = &q->p;
    split_data *const data = q->parts == 1 ? split_data_1 : split_data_2;
    const int64_t rows = b->ty1 - b->ty0, columns = b->tx1 - b->tx0, plane = p->src_h * p->src_w;
    int64_t begin, end;
    if (channels_last) {
        share(CEIL_DIV(b->tiles, SPLIT_ROWS), t.index, t.count, &begin, &end);
        for (int64_t first = begin * SPLIT_ROWS; first < MIN(b->tiles, end * SPLIT_ROWS); first += SPLIT_ROWS) {
            const int64_t count = MIN(SPLIT_ROWS, b->tiles - first);
            split_source source[SPLIT_ROWS];
            for (int64_t i = 0; i < count; i++) source[i] = split_source_of(q, b, x, group, first + i);
            for (int64_t c = 0; c < p->depth; c += TERMS)
                for (int64_t i = 0; i < count; i++)
                    split_tile_nhwc(q, data, source + i, c, split_row_of(q, v, first + i) + c / TERMS * q->v_chunk, m);
        }
        return;
    }
    const int64_t height = ((rows - 1) * SPLIT_TILE + SPLIT_AXIS) * p->dh, width = ((columns - 1) * SPLIT_TILE + SPLIT_AXIS) * p->dw;
    float *const second = strip + height * width * TILE;
    share(q->chunks, t.index, t.count, &begin, &end);
    for (int64_t chunk = begin; chunk < end; chunk++)
        for (int64_t n = b->n0; n < b->n1; n++) {
            const int64_t c = chunk * TERMS, y = b->ty0 * SPLIT_TILE * p->dh - p->top, x0 = b->tx0 * SPLIT_TILE * p->dw - p->left;
            for (int64_t h = 0; h < 2; h++) {
                const int64_t first = c + h * TILE, lanes = MAX(0, MIN(TILE, p->depth - first));
                const float *planes = x + (n * p->src_c + group * p->depth + MIN(first, p->depth - 1)) * plane;
                if (lanes)
                    fill_strip_f32(planes, lanes, p->src_h, p->src_w, y, height, x0, width, h ? second : strip);
                else
                    memset(second, 0, height * width * TILE * sizeof(float));
            }
            int64_t to = (n - b->n0) * rows * columns * p->area;
            EACH_TILE_OF(rows, columns, width, SPLIT_TILE, SPLIT_TILE) {
                const int whole = at_border(p, b->ty0 + i, b->tx0 + j);
                data(strip + place * TILE, second + place * TILE, p->dh * width * TILE, p->dw * TILE, TERMS, whole,
                     split_row_of(q, v, to++) + chunk * q->v_chunk, q->v_point, q->v_part, m);
            }
        }
}

/* -- products ------------------------------------------------------------------------------------------------------------ */

/* `columns` filters from a panel's first one on. */
static void split_multiply(const split_wino *q, int64_t tiles, const char *v, const char *filters, int64_t columns, float *sums) {
    const int64_t row = q->p.m_step, step = 2 * q->parts * TILE_BYTES;
    tile_factors f = {.row = TILE_ROW, .second = TILE_BYTES, .part = q->v_part,
                      .weights_second = TILE_BYTES, .weights_part = 2 * TILE_BYTES,
                      .step = &(tile_step){0, 0}, .steps = 1, .rounds = q->chunks, .round = {q->v_chunk, step}};
    tile_sums r = {.row = {row * sizeof(float), row * sizeof(float)}, .from = FROM_ZERO};
    for (int64_t point = 0; point < SPLIT_POINTS; point++, sums += q->m_plane)
        for (int64_t j = 0; j < columns; j += SPLIT_FILTERS) {
            const int nw = columns - j > TILE ? 2 : 1;
            f.weights = filters + j / SPLIT_FILTERS * q->panel + point * q->chunks * step;
            for (int64_t first = 0; first < tiles; first += SPLIT_ROWS) {
                const int nd = tiles - first > TILE ? 2 : 1;
                f.data = v + first / SPLIT_ROWS * q->v_rows + point * q->v_point;
                f.ahead = first == 0 ? weights_ahead(q->parts) : 0;
                for (int i = 0; i < 4; i++) r.out[i] = sums + (first + i / 2 * TILE) * row + j + i % 2 * TILE;
                tile_kernels[products_of(q->parts)][0][nd - 1][nw - 1](&f, &r);
            }
        }
}

/* -- forward and input gradient ------------------------------------------------------------------------------------------ */

typedef struct {
    int64_t strip, m, own; /* bytes of each thread; together */
    int64_t v;             /* of each set */
} split_wino_sizes;

static split_wino_sizes winograd_split_sizes(const split_wino *q, int channels_last) {
    split_wino_sizes z = {.strip = channels_last ? 0 : 2 * ROUND_UP(wino_strip_f32(&q->p) * (int64_t)sizeof(float), CACHE_LINE),
                          .m = ROUND_UP(SPLIT_POINTS * q->m_plane * (int64_t)sizeof(float), CACHE_LINE),
                          .v = q->rows / SPLIT_ROWS * q->v_rows};
    z.own = CACHE_LINE + z.strip + z.m;
    return z;
}

static int64_t square_split_workspace(const geometry *s, int direction, int parts, int threads) {
    const split_wino q = plan_winograd_split(s, direction, parts, threads);
    const split_wino_sizes z = winograd_split_sizes(&q, (int)s->channels_last);
    return threads * z.own + q.sets * z.v;
}

static int square_split_run(const geometry *s, int direction, int parts, const float *x, const char *packed, const float *bias,
                            int activation, float slope, float *out, void *workspace, int threads) {
    const split_wino q = plan_winograd_split(s, direction, parts, threads);
    const wino_plan *p = &q.p;
    const int channels_last = (int)s->channels_last;
    const split_wino_sizes z = winograd_split_sizes(&q, channels_last);
    const wino_tile_f32 tile = wino_tile_of_f32(SPLIT_TILE, 3, s, direction);
    const int64_t panels = CEIL_DIV(p->columns, SPLIT_FILTERS), pixels = channels_last ? 1 : p->dst_h * p->dst_w;
    const int64_t items = p->blocks * p->groups;
    char *const sets = (char *)workspace + threads * z.own;
    const magnitude_range range = ((const split_header *)packed)->range;
    magnitude_range seen = {0, UINT32_MAX};
    if (!ranges_allow_split(range, MAGNITUDE_ONE)) return 0;
    for (int i = 0; i < threads; i++) *(magnitude_range *)((char *)workspace + i * z.own) = seen; /* OpenMP may start fewer */
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        const int me = thread_index();
        char *mine = (char *)workspace + me * z.own, *v = sets + (q.sets > 1 ? me * z.v : 0);
        magnitude_range *mine_seen = (magnitude_range *)aligned_take(&mine, sizeof(*mine_seen));
        float *strip = (float *)aligned_take(&mine, z.strip), *sums = (float *)mine;
        const team t = q.sets > 1 ? (team){0, 1} : (team){me, team_size()};
        magnitudes m = no_magnitudes();
        wino_plan panel = *p;
        tiles_begin();
        /* Blocks are shared among the threads; where there are few of them, the filters of each are. */
        int64_t first, last, begin, end;
        share(items, q.sets > 1 ? me : 0, q.sets > 1 ? team_size() : 1, &first, &last);
        share(panels, t.index, t.count, &begin, &end);
        for (int64_t i = first; i < last; i++) {
            const int64_t group = i % p->groups;
            const wino_block b = block_at(p, i / p->groups);
            split_gather(&q, &b, channels_last, x, group, strip, v, &m, t);
            team_barrier(t);
            for (int64_t j = begin; j < end; j += q.pass) {
                const int64_t filter = group * p->columns + j * SPLIT_FILTERS;
                panel.columns = MIN(MIN(q.pass, end - j) * SPLIT_FILTERS, p->columns - j * SPLIT_FILTERS);
                split_multiply(&q, b.tiles, v, packed + sizeof(split_header) + (group * panels + j) * q.panel, panel.columns, sums);
                wino_scatter_f32(&tile, &panel, &b, channels_last, sums, bias ? bias + filter : NULL, activation, slope,
                                 out + filter * pixels, 0, strip, (team){0, 1});
            }
            team_barrier(t);
        }
        tiles_end();
        *mine_seen = range_of(&m);
    }
    for (int i = 0; i < threads; i++) join_ranges(&seen, *(magnitude_range *)((char *)workspace + i * z.own));
    return ranges_allow_split(range, seen);
}

static winograd_split_amounts square_split_work(const geometry *s, int direction, int parts, int threads) {
    const split_wino q = plan_winograd_split(s, direction, parts, threads);
    const int64_t items = q.p.blocks * q.p.groups, panels = CEIL_DIV(q.p.columns, SPLIT_FILTERS);
    return (winograd_split_amounts){.blocks = items * SPLIT_POINTS * q.rows / SPLIT_ROWS * panels * q.chunks,
                                    .data = items * q.p.tiles * q.chunks,
                                    .results = items * q.p.tiles * panels,
                                    .weights = items * panels * q.panel};
}

#endif
