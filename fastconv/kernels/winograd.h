/* Winograd convolution and its gradients (template: REAL, NAME, IS_DOUBLE).
 *
 *   a block of tiles -> V[n n][tile][channel]   input transform, channels in the lanes
 *                    -> M[n n][tile][filter]    n n small products with the transformed filters U[n n][panel][channel][NR]
 *                    -> output                  inverse transform, bias, activation, store
 *
 * Only U leaves the second-level cache. NCHW data is transposed strip by strip, VL channels at a time, on its way in and out. A block
 * is a rectangle of tiles of one image, or several small images. Where there are fewer blocks than threads, the threads work on one
 * block together. A dilated convolution is as many independent ones as there are pixels between two of its taps: a rectangle of `area`
 * tiles interleaved pixel by pixel, one of each, takes the place of a tile. The input gradient is the same with flipped filters and
 * channels exchanged. The weight gradient F(r, m) sums the products of the transformed tiles of x and gy over a block's tiles, for a
 * chunk of channels and a panel of filters at a time, and transforms the sums back while they are in cache: there are n n / r r times
 * as many of them as of the weights. Kernels of one row or column have tiles of one row or column, with n in the place of n n.
 */
#include "gemm.h"
#include "transpose.h"
#include "winograd_transform.h"

#ifndef FASTCONV_WINOGRAD_H
#define FASTCONV_WINOGRAD_H
#include "geometry.h"

/* The convolution as Winograd sees it, in elements of `item` bytes. */
typedef struct {
    int64_t n;                              /* images */
    int64_t src_h, src_w, src_c, dst_h, dst_w, dst_c;
    int64_t groups, depth, columns;         /* channels per group of source and destination */
    int64_t top, left;                      /* zeros before the source; negative: pixels to skip */
    int mh, mw, step_h, step_w;             /* pixels from tile to tile of the destination and of the source */
    int size_h, size_w, r;                  /* pixels of the source in a tile; taps along an axis that is transformed */
    int points, factors;                    /* along such an axis: products of a tile, and factors from the filter */
    int all_points, all_factors, taps;      /* of a tile; of a filter */
    int64_t dh, dw, area;                   /* dilation; dh dw */
    int64_t tiles_h, tiles_w;               /* per image, each of `area` interleaved tiles */
    int64_t images;                         /* per block */
    int64_t blocks_h, blocks_w, blocks;     /* per image; in all */
    int64_t tiles;                          /* of a block, at most; interleaved ones counted one by one */
    int64_t v_step, v_plane, m_step, m_plane; /* from tile to tile and from point to point of V and M */
    int64_t u_plane;                        /* from point to point of U, where that is packed */
    int64_t chunk, v_chunk;                 /* channels that lie together in V, and from one such chunk to the next */
    int few_weights;                        /* whose sums are added fast */
} wino_plan;

/* Of the input gradient at stride 2: rows of gy before the one that the first tile begins with, from the padding of the input. */
#define STRIDED_TOP(padding) ((padding) % 2 ? -((padding) - 1) / 2 : 1 - (padding) / 2)

/* The factor from the filter that a product of a tile has: where there are fewer of them, the last along an axis belongs to the rest. */
INLINE int64_t factor_of(const wino_plan *p, int64_t point) {
    return MIN(point / p->points, p->factors - 1) * p->factors + MIN(point % p->points, p->factors - 1);
}

/* The points of an axis whose products have this factor; products of a tile that share one, at most. */
#define EACH_POINT_OF(p, factor, i) for (int64_t i = factor; i < ((factor) == p->factors - 1 ? p->points : (factor) + 1); i++)
enum { MAX_SHARING = (STRIDED_POINTS - STRIDED_FACTORS + 1) * (STRIDED_POINTS - STRIDED_FACTORS + 1) };

/* Elements of packed filters from point to point, a cache line more than they are. */
INLINE int64_t wino_u_plane(int64_t depth, int64_t columns, int64_t item) {
    return depth * ROUND_UP(columns, 2 * SIMD_BYTES / item) + CACHE_LINE / item;
}

INLINE int64_t v_channel(const wino_plan *p, int64_t c) { return c / p->chunk * p->v_chunk + c % p->chunk; }

/* Channels whose sums of the weight gradient are computed together: whole vectors and whole register tiles. */
#define GRADIENT_CHUNK(lanes) ((lanes) * (GEMM_MR < 8 ? 3 : 1))

/* Channels of which the filters are transformed together, at most, and the cache they share with V and M. */
enum { MAX_FUSED_CHUNK = 64, FUSED_CACHE_BYTES = 768 * 1024 };

/* Channels of weights transposed together, a whole number of vectors; and channels asked for ahead. */
enum { FILTER_CHANNELS = 16, FETCHED_CHANNELS = 8 };

/* When threads have blocks of their own: from so many for each on they differ little in work; and so many bytes of the weight gradient's
 * sums are added fast. */
enum { BLOCKS_APART = 3, BYTES_APART = 512 * 1024 };

/* A row step that is no multiple of 256 bytes, so that rows do not fall into one set of the first-level cache. */
static int64_t row_step(int64_t count, int64_t lanes) {
    const int64_t step = ROUND_UP(count, lanes);
    return step / lanes % 4 ? step : step + lanes;
}

/* Whether the kernel is a row or a column: tiles are too, and transformed along it alone. */
INLINE int is_line(const geometry *s) { return s->kh == 1 || s->kw == 1; }

/* Products of a tile at stride 1. */
INLINE int64_t wino_points(const geometry *s, int m) {
    const int64_t n = m + MAX(s->kh, s->kw) - 1;
    return is_line(s) ? n : n * n;
}

/* direction: 0 forward, 1 input gradient, 2 weight gradient; fused: filters are transformed as they are used; block_tiles: the tiles
 * wanted in a block. */
static wino_plan plan_winograd(const geometry *s, int direction, int fused, int m, int64_t block_tiles, int threads, int64_t item) {
    const int64_t lanes = SIMD_BYTES / item;
    /* An empty batch is planned as one image. */
    wino_plan p = {.n = MAX(1, s->n), .src_h = s->h, .src_w = s->w, .src_c = s->c, .dst_h = s->oh, .dst_w = s->ow, .dst_c = s->k,
                   .groups = s->g, .depth = s->c / s->g, .columns = s->k / s->g, .top = s->pt, .left = s->pl,
                   .mh = m, .mw = m, .r = (int)MAX(s->kh, s->kw), .taps = (int)(s->kh * s->kw),
                   /* Of a single row or column of taps dilation is none: lines of it have all their outputs. */
                   .dh = s->kh > 1 ? s->dh : 1, .dw = s->kw > 1 ? s->dw : 1};
    p.area = p.dh * p.dw;
    p.step_h = p.step_w = m, p.size_h = p.size_w = p.points = p.factors = m + p.r - 1;
    if (s->kh == 1) p.mh = p.step_h = p.size_h = 1;
    if (s->kw == 1) p.mw = p.step_w = p.size_w = 1;
    if (direction == 1) {
        p.src_h = s->oh, p.src_w = s->ow, p.src_c = s->k, p.dst_h = s->h, p.dst_w = s->w, p.dst_c = s->c;
        p.depth = s->k / s->g, p.columns = s->c / s->g;
        p.top = (s->kh - 1) * s->dh - s->pt, p.left = (s->kw - 1) * s->dw - s->pl;
    }
    if (s->sh == 2) {
        p.points = STRIDED_POINTS, p.factors = STRIDED_FACTORS;
        if (direction == 1)
            p.size_h = p.size_w = 5, p.mh = p.mw = 8, p.top = STRIDED_TOP(s->pt), p.left = STRIDED_TOP(s->pl);
        else
            p.size_h = p.size_w = 9, p.step_h = p.step_w = 8;
    }
    p.all_points = is_line(s) ? p.points : p.points * p.points, p.all_factors = is_line(s) ? p.factors : p.factors * p.factors;
    p.tiles_h = CEIL_DIV(p.dst_h, p.mh * p.dh), p.tiles_w = CEIL_DIV(p.dst_w, p.mw * p.dw);
    const int64_t per_image = p.tiles_h * p.tiles_w * p.area;
    p.images = MAX(1, MIN(p.n, block_tiles / per_image));
    p.blocks_h = p.blocks_w = 1;
    if (per_image > block_tiles) {
        p.blocks_w = MIN(p.tiles_w, CEIL_DIV(p.tiles_w * p.area, block_tiles));
        const int64_t rows = MAX(1, block_tiles / (CEIL_DIV(p.tiles_w, p.blocks_w) * p.area));
        p.blocks_h = CEIL_DIV(p.tiles_h, rows);
    }
    p.blocks = CEIL_DIV(p.n, p.images) * p.blocks_h * p.blocks_w;
    p.images = CEIL_DIV(p.n, CEIL_DIV(p.n, p.images));
    p.few_weights = p.depth * p.columns * p.taps * item <= BYTES_APART;
    if ((direction == 2 ? p.few_weights : !fused) && p.blocks % threads && p.blocks < 8 * threads) {
        /* An even share for every thread. */
        if (p.blocks_h > 1) {
            p.blocks_h = MIN(p.tiles_h, ROUND_UP(p.blocks_h, threads));
        } else {
            const int64_t fewer = p.blocks / threads * threads, more = MIN(p.n, ROUND_UP(p.blocks, threads));
            p.images = CEIL_DIV(p.n, fewer && 4 * CEIL_DIV(p.n, fewer) <= 5 * p.images ? fewer : more);
        }
        p.blocks = CEIL_DIV(p.n, p.images) * p.blocks_h * p.blocks_w;
    }
    p.tiles = p.images * CEIL_DIV(p.tiles_h, p.blocks_h) * CEIL_DIV(p.tiles_w, p.blocks_w) * p.area;
    p.chunk = p.v_step = row_step(p.depth, lanes), p.m_step = row_step(p.columns, lanes);
    if (direction == 2) p.chunk = p.v_step = GRADIENT_CHUNK(lanes);
    if (fused) {
        /* Of a chunk: the filters of a panel, V and M in the second-level cache. Where filters have fewer factors, V is larger and may
         * lie in the third: each of its values meets a whole panel. */
        const int64_t panel = 2 * lanes, wide = MAX_FUSED_CHUNK;
        const int64_t values = p.factors < p.points ? 0 : p.all_points * (wide * (panel + p.tiles) + panel * p.tiles);
        const int fits = values * item <= FUSED_CACHE_BYTES;
        p.chunk = p.v_step = MIN(ROUND_UP(p.depth, lanes), fits ? wide : wide / 2), p.m_step = panel;
    }
    /* A cache line between planes keeps the points of one tile out of one another's cache sets. */
    p.u_plane = wino_u_plane(p.depth, p.columns, item);
    p.v_plane = p.tiles * p.v_step + lanes, p.m_plane = p.tiles * p.m_step + lanes;
    p.v_chunk = p.all_points * p.v_plane;
    return p;
}

/* Tiles [ty0, ty1) x [tx0, tx1) of images [n0, n1). */
typedef struct {
    int64_t n0, n1, ty0, ty1, tx0, tx1, tiles;
} wino_block;

static wino_block block_at(const wino_plan *p, int64_t index) {
    const int64_t bx = index % p->blocks_w, by = index / p->blocks_w % p->blocks_h, bn = index / p->blocks_w / p->blocks_h;
    wino_block b = {bn * p->images, MIN(p->n, (bn + 1) * p->images),
                    p->tiles_h * by / p->blocks_h, p->tiles_h * (by + 1) / p->blocks_h,
                    p->tiles_w * bx / p->blocks_w, p->tiles_w * (bx + 1) / p->blocks_w, 0};
    b.tiles = (b.n1 - b.n0) * (b.ty1 - b.ty0) * (b.tx1 - b.tx0) * p->area;
    return b;
}

/* The image of tile i of a block, and its first pixel of the destination. */
typedef struct {
    int64_t n, y, x;
} wino_place;

static wino_place place_of(const wino_plan *p, const wino_block *b, int64_t i) {
    const int64_t rows = b->ty1 - b->ty0, columns = b->tx1 - b->tx0, inner = i % p->area, outer = i / p->area;
    return (wino_place){b->n0 + outer / (rows * columns), (b->ty0 + outer / columns % rows) * p->mh * p->dh + inner / p->dw,
                        (b->tx0 + outer % columns) * p->mw * p->dw + inner % p->dw};
}

/* The tiles of a rectangle of `width` pixels, in their order; `place`: elements of VL pixels before the tile. */
#define EACH_TILE_OF(rows, columns, width, step_h, step_w)                                                                            \
    for (int64_t i = 0; i < rows; i++)                                                                                                \
        for (int64_t j = 0; j < columns; j++)                                                                                         \
            for (int64_t inner = 0, place = i * p->dh * width * (step_h) + j * p->dw * (step_w); inner < p->area; inner++,            \
                         place += inner % p->dw ? 1 : width - p->dw + 1)

/* Which of `count` threads that work together on a block this is. */
typedef struct {
    int index, count;
} team;

INLINE void team_barrier(team t) {
    if (t.count > 1) {
#pragma omp barrier
    }
}

/* How many of the `count` elements that a block has of a plane are asked for while the tiles before are computed: all, or none, since the
 * hardware notices longer runs itself. */
enum { SHORT_RUN_BYTES = 4096 };
#define SHORT_RUN(count, array) ((count) * (int64_t)sizeof(*(array)) <= SHORT_RUN_BYTES ? (count) : 0)

/* Channels-last results that no second-level cache holds. */
enum { FAR_RESULT_BYTES = 1 << 20 };

/* Instances of a function template over (points, outputs): F(2,3), F(4,3), F(6,3), F(2,5), F(4,5). */
#define EACH_TILE(X) X(1, 2, 3) X(2, 4, 3) X(3, 6, 3) X(2, 2, 5) X(3, 4, 5)
/* The same over (outputs, taps) for rows and columns, all of as many points. (F(2,7) was no faster than FFT.) */
#define LINE_PAIRS 3
#define LINE_POINTS (2 * LINE_PAIRS + 2)
#define EACH_LINE(X) X(6, 3) X(4, 5)
#endif

/* -- into V -------------------------------------------------------------------------------------------------------------- */

/* A tile whose pixels lie `row` and `pixel` elements apart, channels in the lanes, `lanes` of them valid. */
INLINE void NAME(wino_data_body)(const int pairs, const REAL *base, int64_t row, int64_t pixel, int64_t lanes, REAL *v, int64_t plane) {
    const int n = 2 * pairs + 2;
    vec d[MAX_POINTS * MAX_POINTS], o[MAX_POINTS * MAX_POINTS];
    if (lanes >= VL) {
        UNROLL for (int i = 0; i < n; i++) UNROLL for (int j = 0; j < n; j++) d[i * n + j] = NAME(load)(base + i * row + j * pixel);
    } else {
        for (int i = 0; i < n; i++) for (int j = 0; j < n; j++) d[i * n + j] = NAME(load_part)(base + i * row + j * pixel, lanes);
    }
    NAME(wino_data_2d)(pairs, 0, d, o);
    UNROLL for (int i = 0; i < n * n; i++) *(vec *)(v + i * plane) = o[i];
}

/* Outputs of one tile for VL filters; `high` x `wide` of them are stored. */
INLINE void NAME(wino_result_body)(const int pairs, const int outputs, const REAL *m, int64_t plane, const REAL *bias, int activation,
                                   REAL slope, REAL *out, int64_t row, int64_t pixel, int64_t high, int64_t wide, int64_t lanes) {
    const int n = 2 * pairs + 2;
    vec v[MAX_POINTS * MAX_POINTS], o[MAX_POINTS * MAX_POINTS];
    UNROLL for (int i = 0; i < n * n; i++) v[i] = *(const vec *)(m + i * plane);
    NAME(wino_result_2d)(pairs, outputs, v, o);
    if (bias) {
        const vec added = NAME(load_n)(bias, lanes);
        UNROLL for (int i = 0; i < outputs * outputs; i++) o[i] += added;
    }
    if (IS_CLAMP(activation)) {
        NAME(clamp)(o, outputs * outputs, activation);
    } else {
        for (int i = 0; i < outputs * outputs; i++) o[i] = NAME(activate)(o[i], activation, slope);
    }
    if (high == outputs && wide == outputs && lanes >= VL) {
        UNROLL for (int i = 0; i < outputs; i++)
            UNROLL for (int j = 0; j < outputs; j++) NAME(store)(out + i * row + j * pixel, o[i * outputs + j]);
    } else {
        for (int i = 0; i < high; i++)
            for (int j = 0; j < wide; j++) NAME(store_n)(out + i * row + j * pixel, o[i * outputs + j], lanes);
    }
}

/* A tile of gy into Z: m x m vectors. */
INLINE void NAME(wino_gradient_body)(const int pairs, const int m, const vec *g, REAL *z, int64_t plane) {
    vec o[MAX_POINTS * MAX_POINTS];
    NAME(wino_kernel_2d)(pairs, m, g, o);
    UNROLL for (int i = 0; i < (2 * pairs + 2) * (2 * pairs + 2); i++) *(vec *)(z + i * plane) = o[i];
}

/* A filter into U: r x r vectors; `streamed`: past the caches. */
INLINE void NAME(wino_filter_body)(const int pairs, const int r, const vec *w, const int streamed, REAL *u, int64_t plane) {
    vec o[MAX_POINTS * MAX_POINTS];
    NAME(wino_kernel_2d)(pairs, r, w, o);
    UNROLL for (int i = 0; i < (2 * pairs + 2) * (2 * pairs + 2); i++)
        if (streamed)
            NAME(stream)(u + i * plane, o[i]);
        else
            *(vec *)(u + i * plane) = o[i];
}

/* The weight gradient of VL filters, r x r vectors NR apart, from the sums of products; `add`: to what out holds. */
INLINE void NAME(wino_sums_body)(const int pairs, const int r, const REAL *m, int64_t plane, int add, REAL *out) {
    const int n = 2 * pairs + 2;
    vec v[MAX_POINTS * MAX_POINTS], o[MAX_POINTS * MAX_POINTS];
    UNROLL for (int i = 0; i < n * n; i++) v[i] = *(const vec *)(m + i * plane);
    NAME(wino_result_2d)(pairs, r, v, o);
    if (add) {
        UNROLL for (int i = 0; i < r * r; i++) o[i] += *(const vec *)(out + i * NR);
    }
    UNROLL for (int i = 0; i < r * r; i++) *(vec *)(out + i * NR) = o[i];
}

#define OUT_OF_LINE static __attribute__((noinline)) void
#define INSTANCE(PAIRS)                                                                                                               \
    OUT_OF_LINE NAME(wino_data_##PAIRS)(const REAL *base, int64_t row, int64_t pixel, int64_t lanes, REAL *v, int64_t plane) {        \
        NAME(wino_data_body)(PAIRS, base, row, pixel, lanes, v, plane);                                                               \
    }
INSTANCE(1) INSTANCE(2) INSTANCE(3)
#undef INSTANCE
#define INSTANCE(PAIRS, M, R)                                                                                                         \
    OUT_OF_LINE NAME(wino_result_##M##_##R)(const REAL *m, int64_t plane, const REAL *bias, int activation, REAL slope, REAL *out,    \
                                            int64_t row, int64_t pixel, int64_t high, int64_t wide, int64_t lanes) {                  \
        NAME(wino_result_body)(PAIRS, M, m, plane, bias, activation, slope, out, row, pixel, high, wide, lanes);                      \
    }                                                                                                                                 \
    OUT_OF_LINE NAME(wino_gradient_##M##_##R)(const vec *g, REAL *z, int64_t plane) {                                                 \
        NAME(wino_gradient_body)(PAIRS, M, g, z, plane);                                                                              \
    }                                                                                                                                 \
    OUT_OF_LINE NAME(wino_filter_##M##_##R)(const vec *w, int streamed, REAL *u, int64_t plane) {                                     \
        if (streamed)                                                                                                                 \
            NAME(wino_filter_body)(PAIRS, R, w, 1, u, plane);                                                                         \
        else                                                                                                                          \
            NAME(wino_filter_body)(PAIRS, R, w, 0, u, plane);                                                                         \
    }                                                                                                                                 \
    OUT_OF_LINE NAME(wino_sums_##M##_##R)(const REAL *m, int64_t plane, int add, REAL *out) {                                         \
        NAME(wino_sums_body)(PAIRS, R, m, plane, add, out);                                                                           \
    }
EACH_TILE(INSTANCE)
#undef INSTANCE

/* -- stride 2: the same with tiles of another size ------------------------------------------------------------------------ */

INLINE void NAME(tile_in)(const int size, const REAL *base, int64_t row, int64_t pixel, int64_t lanes, vec *d) {
    if (lanes >= VL) {
        UNROLL for (int i = 0; i < size; i++)
            UNROLL for (int j = 0; j < size; j++) d[i * size + j] = NAME(load)(base + i * row + j * pixel);
    } else {
        for (int i = 0; i < size; i++)
            for (int j = 0; j < size; j++) d[i * size + j] = NAME(load_part)(base + i * row + j * pixel, lanes);
    }
}
INLINE void NAME(points_out)(const int count, const vec *o, REAL *v, int64_t plane) {
    for (int i = 0; i < count; i++) *(vec *)(v + i * plane) = o[i];
}
INLINE void NAME(points_in)(const int count, const REAL *m, int64_t plane, vec *v) {
    for (int i = 0; i < count; i++) v[i] = *(const vec *)(m + i * plane);
}
INLINE void NAME(tile_out)(const int size, vec *o, const REAL *bias, int activation, REAL slope, REAL *out, int64_t row, int64_t pixel,
                           int64_t high, int64_t wide, int64_t lanes) {
    const vec added = bias ? NAME(load_n)(bias, lanes) : (vec){0};
    for (int i = 0; i < high; i++)
        for (int j = 0; j < wide; j++)
            NAME(store_n)(out + i * row + j * pixel, NAME(activate)(o[i * size + j] + added, activation, slope), lanes);
}

#define DATA(TILE, SIZE, TRANSFORM, ODD)                                                                                              \
    OUT_OF_LINE NAME(TILE)(const REAL *base, int64_t row, int64_t pixel, int64_t lanes, REAL *v, int64_t plane) {                     \
        vec d[SIZE * SIZE], o[STRIDED_POINTS * STRIDED_POINTS];                                                                       \
        NAME(tile_in)(SIZE, base, row, pixel, lanes, d);                                                                              \
        NAME(TRANSFORM)(0, ODD, d, o);                                                                                                \
        NAME(points_out)(STRIDED_POINTS * STRIDED_POINTS, o, v, plane);                                                               \
    }
#define RESULT(TILE, SIZE, TRANSFORM, ODD)                                                                                            \
    OUT_OF_LINE NAME(TILE)(const REAL *m, int64_t plane, const REAL *bias, int activation, REAL slope, REAL *out, int64_t row,        \
                           int64_t pixel, int64_t high, int64_t wide, int64_t lanes) {                                                \
        vec v[STRIDED_POINTS * STRIDED_POINTS], o[SIZE * SIZE];                                                                       \
        NAME(points_in)(STRIDED_POINTS * STRIDED_POINTS, m, plane, v);                                                                \
        NAME(TRANSFORM)(0, ODD, v, o);                                                                                                \
        NAME(tile_out)(SIZE, o, bias, activation, slope, out, row, pixel, high, wide, lanes);                                         \
    }
DATA(strided_data_tile, 9, strided_data_2d, 0)
DATA(strided_spread_0, 5, strided_spread_data_2d, 0)
DATA(strided_spread_1, 5, strided_spread_data_2d, 1)
RESULT(strided_result_tile, 4, strided_result_2d, 0)
RESULT(strided_collect_0, 8, strided_spread_result_2d, 0)
RESULT(strided_collect_1, 8, strided_spread_result_2d, 1)
#undef DATA
#undef RESULT
OUT_OF_LINE NAME(strided_gradient_tile)(const vec *g, REAL *z, int64_t plane) {
    vec o[STRIDED_POINTS * STRIDED_POINTS];
    NAME(strided_gradient_2d)(0, 0, g, o);
    NAME(points_out)(STRIDED_POINTS * STRIDED_POINTS, o, z, plane);
}
OUT_OF_LINE NAME(strided_filter_tile)(const vec *w, int streamed, REAL *u, int64_t plane) {
    vec o[STRIDED_FACTORS * STRIDED_FACTORS];
    (void)streamed; /* only ever used from cache */
    NAME(strided_kernel_2d)(0, 0, w, o);
    NAME(points_out)(STRIDED_FACTORS * STRIDED_FACTORS, o, u, plane);
}
OUT_OF_LINE NAME(strided_sums_tile)(const REAL *m, int64_t plane, int add, REAL *out) {
    vec v[STRIDED_FACTORS * STRIDED_FACTORS], o[9];
    NAME(points_in)(STRIDED_FACTORS * STRIDED_FACTORS, m, plane, v);
    NAME(strided_sums_2d)(0, 0, v, o);
    for (int i = 0; i < 9; i++) {
        if (add) o[i] += *(const vec *)(out + i * NR);
        *(vec *)(out + i * NR) = o[i];
    }
}

/* -- rows and columns: tiles of one axis ---------------------------------------------------------------------------------- */

INLINE void NAME(line_data)(const REAL *base, int64_t step, int64_t lanes, REAL *v, int64_t plane) {
    vec d[MAX_POINTS], o[MAX_POINTS];
    UNROLL for (int i = 0; i < LINE_POINTS; i++) d[i] = lanes >= VL ? NAME(load)(base + i * step) : NAME(load_part)(base + i * step, lanes);
    NAME(wino_data)(LINE_PAIRS, d, o);
    UNROLL for (int i = 0; i < LINE_POINTS; i++) *(vec *)(v + i * plane) = o[i];
}
INLINE void NAME(line_result)(const int pairs, const int outputs, const REAL *m, int64_t plane, const REAL *bias, int activation,
                              REAL slope, REAL *out, int64_t step, int64_t count, int64_t lanes) {
    vec v[MAX_POINTS], o[MAX_POINTS];
    const vec added = bias ? NAME(load_n)(bias, lanes) : (vec){0};
    UNROLL for (int i = 0; i < 2 * pairs + 2; i++) v[i] = *(const vec *)(m + i * plane);
    NAME(wino_result)(pairs, outputs, v, o);
    UNROLL for (int i = 0; i < outputs; i++) o[i] += added;
    if (IS_CLAMP(activation)) {
        NAME(clamp)(o, outputs, activation);
    } else {
        for (int i = 0; i < outputs; i++) o[i] = NAME(activate)(o[i], activation, slope);
    }
    UNROLL for (int i = 0; i < outputs; i++) if (i < count) NAME(store_n)(out + i * step, o[i], lanes);
}
OUT_OF_LINE NAME(row_data)(const REAL *base, int64_t row, int64_t pixel, int64_t lanes, REAL *v, int64_t plane) {
    (void)row;
    NAME(line_data)(base, pixel, lanes, v, plane);
}
OUT_OF_LINE NAME(column_data)(const REAL *base, int64_t row, int64_t pixel, int64_t lanes, REAL *v, int64_t plane) {
    (void)pixel;
    NAME(line_data)(base, row, lanes, v, plane);
}
#define INSTANCE(M, R)                                                                                                                \
    OUT_OF_LINE NAME(row_result_##M)(const REAL *m, int64_t plane, const REAL *bias, int activation, REAL slope, REAL *out,           \
                                     int64_t row, int64_t pixel, int64_t high, int64_t wide, int64_t lanes) {                         \
        (void)row, (void)high;                                                                                                        \
        NAME(line_result)(LINE_PAIRS, M, m, plane, bias, activation, slope, out, pixel, wide, lanes);                                 \
    }                                                                                                                                 \
    OUT_OF_LINE NAME(column_result_##M)(const REAL *m, int64_t plane, const REAL *bias, int activation, REAL slope, REAL *out,        \
                                        int64_t row, int64_t pixel, int64_t high, int64_t wide, int64_t lanes) {                      \
        (void)pixel, (void)wide;                                                                                                      \
        NAME(line_result)(LINE_PAIRS, M, m, plane, bias, activation, slope, out, row, high, lanes);                                   \
    }                                                                                                                                 \
    OUT_OF_LINE NAME(line_gradient_##M)(const vec *g, REAL *z, int64_t plane) {                                                       \
        vec o[MAX_POINTS];                                                                                                            \
        NAME(wino_kernel)(LINE_PAIRS, M, g, o);                                                                                       \
        NAME(points_out)(LINE_POINTS, o, z, plane);                                                                                   \
    }                                                                                                                                 \
    OUT_OF_LINE NAME(line_filter_##M)(const vec *w, int streamed, REAL *u, int64_t plane) {                                           \
        vec o[MAX_POINTS];                                                                                                            \
        NAME(wino_kernel)(LINE_PAIRS, R, w, o);                                                                                       \
        for (int i = 0; i < LINE_POINTS; i++)                                                                                         \
            if (streamed)                                                                                                             \
                NAME(stream)(u + i * plane, o[i]);                                                                                    \
            else                                                                                                                      \
                *(vec *)(u + i * plane) = o[i];                                                                                       \
    }                                                                                                                                 \
    OUT_OF_LINE NAME(line_sums_##M)(const REAL *m, int64_t plane, int add, REAL *out) {                                               \
        vec v[MAX_POINTS], o[MAX_POINTS];                                                                                             \
        NAME(points_in)(LINE_POINTS, m, plane, v);                                                                                    \
        NAME(wino_result)(LINE_PAIRS, R, v, o);                                                                                       \
        for (int i = 0; i < R; i++) {                                                                                                 \
            if (add) o[i] += *(const vec *)(out + i * NR);                                                                            \
            *(vec *)(out + i * NR) = o[i];                                                                                            \
        }                                                                                                                             \
    }
EACH_LINE(INSTANCE)
#undef INSTANCE
#undef OUT_OF_LINE

/* The transforms of one tile size. */
typedef struct {
    void (*data)(const REAL *, int64_t, int64_t, int64_t, REAL *, int64_t);
    void (*result)(const REAL *, int64_t, const REAL *, int, REAL, REAL *, int64_t, int64_t, int64_t, int64_t, int64_t);
    void (*gradient)(const vec *, REAL *, int64_t);
    void (*filter)(const vec *, int, REAL *, int64_t);
    void (*sums)(const REAL *, int64_t, int, REAL *);
} NAME(wino_tile);

/* The matrix of a transform as the kernels apply it, column by column: kind 0 B^T, 1 G, 2 A^T of F(m, r). Row-major. */
INLINE void NAME(wino_matrix_body)(const int pairs, const int m, const int r, int kind, REAL *matrix) {
    const int n = 2 * pairs + 2, columns = kind == 1 ? r : n, rows = kind == 2 ? m : n;
    for (int j = 0; j < columns; j++) {
        vec d[MAX_POINTS], o[MAX_POINTS];
        for (int i = 0; i < MAX_POINTS; i++) d[i] = o[i] = NAME(splat)(i == j);
        if (kind == 0) NAME(wino_data)(pairs, d, o);
        if (kind == 1) NAME(wino_kernel)(pairs, r, d, o);
        if (kind == 2) NAME(wino_result)(pairs, m, d, o);
        for (int i = 0; i < rows; i++) matrix[i * columns + j] = o[i][0];
    }
}

static void NAME(wino_matrix)(int kind, int m, int r, REAL *matrix) {
#define INSTANCE(PAIRS, M, R) \
    if (m == M && r == R) NAME(wino_matrix_body)(PAIRS, M, R, kind, matrix);
    EACH_TILE(INSTANCE)
#undef INSTANCE
    if (m + r == 6 && MIN(m, r) == 2) {
        const int columns = kind == 1 ? r : 5, rows = kind == 2 ? m : 5;
        for (int j = 0; j < columns; j++) {
            vec d[5], o[5];
            for (int i = 0; i < 5; i++) d[i] = NAME(splat)(i == j);
            if (kind == 0) NAME(wino_data_4_2)(d, o);
            if (kind == 1) (m == 4 ? NAME(wino_kernel_4_2)(2, d, o) : NAME(wino_kernel_4_2)(4, d, o));
            if (kind == 2) (m == 4 ? NAME(wino_result_4_2)(4, d, o) : NAME(wino_result_4_2)(2, d, o));
            for (int i = 0; i < rows; i++) matrix[i * columns + j] = o[i][0];
        }
    }
}

static NAME(wino_tile) NAME(wino_tile_of)(int m, int r, const geometry *s, int direction) {
    NAME(wino_tile) t = {0};
    if (s->sh == 2) {
        t.data = direction != 1 ? NAME(strided_data_tile) : s->pt % 2 ? NAME(strided_spread_1) : NAME(strided_spread_0);
        t.result = direction != 1 ? NAME(strided_result_tile) : s->pt % 2 ? NAME(strided_collect_1) : NAME(strided_collect_0);
        t.gradient = NAME(strided_gradient_tile);
        t.filter = NAME(strided_filter_tile);
        t.sums = NAME(strided_sums_tile);
        return t;
    }
#define INSTANCE(M, R)                                                              \
    if (is_line(s) && m == M) {                                                     \
        t.data = s->kh == 1 ? NAME(row_data) : NAME(column_data);                   \
        t.result = s->kh == 1 ? NAME(row_result_##M) : NAME(column_result_##M);     \
        t.gradient = NAME(line_gradient_##M);                                       \
        t.filter = NAME(line_filter_##M);                                           \
        t.sums = NAME(line_sums_##M);                                               \
        return t;                                                                   \
    }
    EACH_LINE(INSTANCE)
#undef INSTANCE
#define INSTANCE(PAIRS, M, R)                                                       \
    if (m == M && r == R) {                                                         \
        t.data = NAME(wino_data_##PAIRS);                                           \
        t.result = NAME(wino_result_##M##_##R);                                     \
        t.gradient = NAME(wino_gradient_##M##_##R);                                 \
        t.filter = NAME(wino_filter_##M##_##R);                                     \
        t.sums = NAME(wino_sums_##M##_##R);                                         \
    }
    EACH_TILE(INSTANCE)
#undef INSTANCE
    return t;
}

/* A tile at (y, x) of an NHWC image: V for all channels of a group. Pixels beyond the border are zero. */
static void NAME(wino_data_nhwc)(const NAME(wino_tile) *tile, const wino_plan *p, const REAL *image, int64_t y, int64_t x, REAL *v) {
    const int64_t row = p->dh * p->src_w * p->src_c, pixel = p->dw * p->src_c;
    const REAL *base = image + (y * p->src_w + x) * p->src_c;
    if (y >= 0 && x >= 0 && y + (p->size_h - 1) * p->dh < p->src_h && x + (p->size_w - 1) * p->dw < p->src_w) {
        for (int64_t c = 0; c < p->depth; c += VL) tile->data(base + c, row, pixel, p->depth - c, v + v_channel(p, c), p->v_plane);
        return;
    }
    REAL padded[MAX_POINTS * MAX_POINTS * SIMD_BYTES / sizeof(REAL)] __attribute__((aligned(SIMD_BYTES)));
    memset(padded, 0, sizeof padded);
    const int64_t top = MAX(0, CEIL_DIV(-y, p->dh)), bottom = MIN(p->size_h, CEIL_DIV(p->src_h - y, p->dh));
    const int64_t left = MAX(0, CEIL_DIV(-x, p->dw)), right = MIN(p->size_w, CEIL_DIV(p->src_w - x, p->dw));
    for (int64_t c = 0; c < p->depth; c += VL) {
        for (int64_t i = top; i < bottom; i++)
            for (int64_t j = left; j < right; j++)
                *(vec *)(padded + (i * p->size_w + j) * VL) = NAME(load_n)(base + i * row + j * pixel + c, p->depth - c);
        tile->data(padded, p->size_w * VL, VL, VL, v + v_channel(p, c), p->v_plane);
    }
}

/* Rows [y, y + height) x columns [x, x + width) of `lanes` NCHW planes, zero outside: strip[row][pixel][VL]. */
static void NAME(fill_strip)(const REAL *planes, int64_t lanes, int64_t h, int64_t w, int64_t y, int64_t height, int64_t x, int64_t width,
                             REAL *strip) {
    const int64_t lo = MIN(MAX(0, -x), width), hi = MAX(lo, MIN(width, w - x));
    const int64_t top = MIN(MAX(0, -y), height), bottom = MAX(top, MIN(height, h - y));
    const int together = hi - lo == w && w % VL && lanes >= VL; /* rows whose ends would leave lanes empty */
    if (together) {
        int64_t lane[SIMD_BYTES / sizeof(REAL)];
        for (int l = 0; l < VL; l++) lane[l] = l * h * w;
        NAME(turn_rows)(planes + (y + top) * w, lane, VL, (bottom - top) * w, w, strip + (top * width + lo) * VL, (width - w) * VL, 0);
    }
    for (int64_t i = 0; i < height; i++, strip += width * VL) {
        if (i < top || i >= bottom) {
            memset(strip, 0, width * VL * sizeof(REAL));
            continue;
        }
        memset(strip, 0, lo * VL * sizeof(REAL));
        memset(strip + hi * VL, 0, (width - hi) * VL * sizeof(REAL));
        if (together) continue;
        if (lanes < VL) memset(strip + lo * VL, 0, (hi - lo) * VL * sizeof(REAL));
        NAME(transpose)(planes + (y + i) * w + x + lo, h * w, lanes, hi - lo, strip + lo * VL, VL);
    }
}

/* The planes that are read behind those of a vector of channels of image n: of the next image of the block, or of the next channels of its
 * first. lanes: channels of the vector; replaced if the next vector, with at most `left`, has others. */
static const REAL *NAME(next_planes)(const REAL *planes, int64_t plane, int64_t channels, const wino_block *b, int64_t n, int64_t left,
                                     int64_t *lanes) {
    if (n + 1 < b->n1) return planes + channels * plane;
    *lanes = MIN(VL, left);
    return planes + (VL - (n - b->n0) * channels) * plane;
}

/* All of a block's tiles into V. */
static void NAME(wino_gather)(const NAME(wino_tile) *tile, const wino_plan *p, const wino_block *b, int channels_last, const REAL *x,
                              int64_t group, REAL *strip, REAL *v, team t) {
    const int64_t rows = b->ty1 - b->ty0, columns = b->tx1 - b->tx0, plane = p->src_h * p->src_w;
    int64_t begin, end;
    if (channels_last) {
        share(b->tiles, t.index, t.count, &begin, &end);
        for (int64_t i = begin; i < end; i++) {
            const wino_place at = place_of(p, b, i);
            NAME(wino_data_nhwc)(tile, p, x + at.n * plane * p->src_c + group * p->depth, at.y * p->step_h / p->mh - p->top,
                                 at.x * p->step_w / p->mw - p->left, v + i * p->v_step);
        }
        return;
    }
    const int64_t height = ((rows - 1) * p->step_h + p->size_h) * p->dh, width = ((columns - 1) * p->step_w + p->size_w) * p->dw;
    const int64_t y = b->ty0 * p->step_h * p->dh - p->top, x0 = b->tx0 * p->step_w * p->dw - p->left;
    const int64_t top = MAX(0, y), run = SHORT_RUN((MIN(p->src_h, y + height) - top) * p->src_w, x);
    const int64_t tiles = rows * columns * p->area;
    share(CEIL_DIV(p->depth, VL), t.index, t.count, &begin, &end);
    for (int64_t c = begin * VL; c < MIN(p->depth, end * VL); c += VL)
        for (int64_t n = b->n0; n < b->n1; n++) {
            const int64_t lanes = MIN(VL, p->depth - c);
            const REAL *planes = x + (n * p->src_c + group * p->depth + c) * plane;
            int64_t next_lanes = lanes;
            const REAL *next = NAME(next_planes)(planes, plane, p->src_c, b, n, p->depth - c - VL, &next_lanes) + top * p->src_w;
            REAL *to = v + (n - b->n0) * tiles * p->v_step + v_channel(p, c);
            NAME(fill_strip)(planes, lanes, p->src_h, p->src_w, y, height, x0, width, strip);
            int64_t done = 0;
            EACH_TILE_OF(rows, columns, width, p->step_h, p->step_w) {
                tile->data(strip + place * VL, p->dh * width * VL, p->dw * VL, VL, to, p->v_plane);
                to += p->v_step;
                FETCH_PART(next, plane, next_lanes, run, done, tiles, 0)
                done++;
            }
        }
}

/* -- products ------------------------------------------------------------------------------------------------------------ */

/* The product of one point of all tiles with a panel of filters: rows of `depth` values of v, of `columns` of m. */
static void NAME(wino_product)(int64_t tiles, const REAL *v, int64_t v_step, int64_t depth, const REAL *u, REAL *m, int64_t m_step,
                               int64_t columns, int accumulate) {
    const int64_t blocks = CEIL_DIV(tiles, GEMM_MR);
    for (int64_t k = 0; k < blocks; k++) {
        const int64_t first = tiles * k / blocks, count = tiles * (k + 1) / blocks - first;
        const REAL *rows[GEMM_MR];
        REAL *out[GEMM_MR];
        for (int64_t q = 0; q < count; q++) rows[q] = v + (first + q) * v_step, out[q] = m + (first + q) * m_step;
        const NAME(sink) sink = {out, MIN(NR, ROUND_UP(columns, VL)), NULL, accumulate, 0, 0};
        NAME(dot)((int)count, rows, 1, depth, u, NULL, &sink);
    }
}

static void NAME(wino_multiply)(const wino_plan *p, int64_t tiles, const REAL *v, const REAL *u, REAL *m, team t) {
    const int64_t panels = CEIL_DIV(p->columns, NR);
    int64_t begin, end;
    share(p->all_points * panels, t.index, t.count, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        const int64_t point = i / panels, j = i % panels * NR;
        NAME(wino_product)(tiles, v + point * p->v_plane, p->v_step, p->depth, u + point * p->u_plane + j * p->depth,
                           m + point * p->m_plane + j, p->m_step, p->columns - j, 0);
    }
}

/* -- out of M ------------------------------------------------------------------------------------------------------------ */

static void NAME(wino_scatter)(const NAME(wino_tile) *tile, const wino_plan *p, const wino_block *b, int channels_last, const REAL *m,
                               const REAL *bias, int activation, REAL slope, REAL *out, int64_t group, REAL *strip, team t) {
    const int64_t rows = b->ty1 - b->ty0, columns = b->tx1 - b->tx0, plane = p->dst_h * p->dst_w;
    int64_t begin, end;
    if (bias) bias += group * p->columns;
    if (channels_last) {
        const int far = p->area == 1 && p->n * plane * p->dst_c * (int64_t)sizeof(REAL) > FAR_RESULT_BYTES;
        share(b->tiles, t.index, t.count, &begin, &end);
        for (int64_t i = begin; i < end; i++) {
            const wino_place at = place_of(p, b, i);
            const int64_t high = MIN(p->mh, CEIL_DIV(p->dst_h - at.y, p->dh)), wide = MIN(p->mw, CEIL_DIV(p->dst_w - at.x, p->dw));
            REAL *to = out + ((at.n * p->dst_h + at.y) * p->dst_w + at.x) * p->dst_c + group * p->columns;
            const int ahead = far && at.x + 2 * p->mw <= p->dst_w;
            for (int64_t k = 0; k < p->columns; k += VL) {
                const REAL *next = to + k + p->mw * p->dst_c;
                /* A line of each pixel of the next tile. */
                for (int64_t y = 0; ahead && k * (int64_t)sizeof(REAL) % CACHE_LINE == 0 && y < high; y++)
                    FETCH_PART(next + y * p->dst_w * p->dst_c, p->dst_c, p->mw, 1, 0, 1, 1)
                tile->result(m + i * p->m_step + k, p->m_plane, bias ? bias + k : NULL, activation, slope, to + k,
                             p->dh * p->dst_w * p->dst_c, p->dw * p->dst_c, high, wide, p->columns - k);
            }
        }
        return;
    }
    const int64_t y0 = b->ty0 * p->mh * p->dh, x0 = b->tx0 * p->mw * p->dw, width = columns * p->mw * p->dw;
    const int64_t high = MIN(rows * p->mh * p->dh, p->dst_h - y0), wide = MIN(width, p->dst_w - x0);
    const int64_t together = width == p->dst_w ? high : 1; /* rows that lie together in the strip and in the planes */
    const int64_t tiles = rows * columns * p->area, run = SHORT_RUN(high * p->dst_w, out);
    share(CEIL_DIV(p->columns, VL), t.index, t.count, &begin, &end);
    for (int64_t k = begin * VL; k < MIN(p->columns, end * VL); k += VL) {
        /* Whole vectors are stored to the strip, so the bias is read as whole vectors: from a padded copy. */
        REAL padded[SIMD_BYTES / sizeof(REAL)] __attribute__((aligned(SIMD_BYTES)));
        if (bias) *(vec *)padded = NAME(load_n)(bias + k, p->columns - k);
        const REAL *from = m + k;
        for (int64_t n = b->n0; n < b->n1; n++) {
            REAL *to = out + (n * p->dst_c + group * p->columns + k) * plane + y0 * p->dst_w + x0;
            int64_t done = 0;
            EACH_TILE_OF(rows, columns, width, p->mh, p->mw) {
                tile->result(from, p->m_plane, bias ? padded : NULL, activation, slope, strip + place * VL, p->dh * width * VL,
                             p->dw * VL, p->mh, p->mw, VL);
                from += p->m_step;
                FETCH_PART(to, plane, MIN(VL, p->columns - k), run, done, tiles, 1)
                done++;
            }
            for (int64_t i = 0; i < high; i += together)
                NAME(transpose)(strip + i * width * VL, VL, together * wide, MIN(VL, p->columns - k), to + i * p->dst_w, plane);
        }
    }
}

/* -- forward and input gradient ------------------------------------------------------------------------------------------ */

static int64_t NAME(wino_strip)(const wino_plan *p) {
    const int64_t rows = CEIL_DIV(p->tiles_h, p->blocks_h), columns = CEIL_DIV(p->tiles_w, p->blocks_w);
    const int64_t high = MAX((rows - 1) * p->step_h + p->size_h, rows * p->mh);
    const int64_t wide = MAX((columns - 1) * p->step_w + p->size_w, columns * p->mw);
    return high * wide * p->area * VL;
}

static int64_t NAME(wino_scratch)(const wino_plan *p) {
    return p->all_points * (p->v_plane + p->m_plane) * (int64_t)sizeof(REAL);
}

/* V, M and a strip per thread, or one V and M for all of them. */
static int64_t NAME(wino_workspace)(const geometry *s, int direction, int m, int64_t block_tiles, int threads) {
    const wino_plan p = plan_winograd(s, direction, 0, m, block_tiles, threads, sizeof(REAL));
    const int64_t sets = p.blocks * p.groups >= threads ? threads : 1;
    const int64_t strip = s->channels_last ? 0 : ROUND_UP(NAME(wino_strip)(&p) * (int64_t)sizeof(REAL), CACHE_LINE);
    return threads * strip + sets * ROUND_UP(NAME(wino_scratch)(&p), CACHE_LINE);
}

static void NAME(wino_block_run)(const NAME(wino_tile) *tile, const wino_plan *p, int64_t index, int channels_last, const REAL *x,
                                 const REAL *u, const REAL *bias, int activation, REAL slope, REAL *out, REAL *strip, REAL *v, team t) {
    const int64_t group = index % p->groups;
    const wino_block b = block_at(p, index / p->groups);
    REAL *m = v + p->all_points * p->v_plane;
    NAME(wino_gather)(tile, p, &b, channels_last, x, group, strip, v, t);
    team_barrier(t);
    NAME(wino_multiply)(p, b.tiles, v, u + group * p->all_points * p->u_plane, m, t);
    team_barrier(t);
    NAME(wino_scatter)(tile, p, &b, channels_last, m, bias, activation, slope, out, group, strip, t);
    team_barrier(t);
}

static void NAME(wino_run)(const geometry *s, int direction, int m, int64_t block_tiles, const REAL *x, const REAL *u, const REAL *bias,
                           int activation, REAL slope, REAL *out, char *workspace, int threads) {
    const wino_plan p = plan_winograd(s, direction, 0, m, block_tiles, threads, sizeof(REAL));
    const int64_t items = p.blocks * p.groups, set = ROUND_UP(NAME(wino_scratch)(&p), CACHE_LINE) / sizeof(REAL);
    const int64_t strip = s->channels_last ? 0 : ROUND_UP(NAME(wino_strip)(&p) * (int64_t)sizeof(REAL), CACHE_LINE) / sizeof(REAL);
    REAL *strips = (REAL *)aligned_take(&workspace, threads * strip * sizeof(REAL)), *sets = (REAL *)workspace;
    const NAME(wino_tile) tile = NAME(wino_tile_of)(m, p.r, s, direction);
    if (items >= threads) {
#pragma omp parallel for num_threads(threads) schedule(dynamic)
        for (int64_t i = 0; i < items; i++)
            NAME(wino_block_run)(&tile, &p, i, (int)s->channels_last, x, u, bias, activation, slope, out,
                                 strips + thread_index() * strip, sets + thread_index() * set, (team){0, 1});
    } else {
#pragma omp parallel num_threads(threads)
        {
            const team t = {thread_index(), team_size()};
            for (int64_t i = 0; i < items; i++)
                NAME(wino_block_run)(&tile, &p, i, (int)s->channels_last, x, u, bias, activation, slope, out, strips + t.index * strip,
                                     sets, t);
        }
    }
}

/* -- filters ------------------------------------------------------------------------------------------------------------- */

/* Where the weights of a direction lie: elements from one filter of the result to the next, and from channel to channel. */
typedef struct {
    int64_t taps, filter, channel;
    int flipped;
} NAME(wino_weights);

static NAME(wino_weights) NAME(wino_weights_of)(const geometry *s, int direction) {
    const int64_t taps = s->kh * s->kw, filter = s->c / s->g * taps;
    return direction ? (NAME(wino_weights)){taps, taps, filter, 1} : (NAME(wino_weights)){taps, filter, taps, 0};
}

/* The weights of `channels` channels, at most FILTER_CHANNELS, of up to VL filters from w on, as vectors of filters by channel and tap. */
static void NAME(wino_read_weights)(const NAME(wino_weights) *at, const REAL *w, int64_t filters, int64_t channels, vec *lanes) {
    const int64_t taps = at->taps;
    if (!at->flipped) {
        NAME(transpose)(w, at->filter, filters, channels * taps, (REAL *)lanes, VL);
        return;
    }
    for (int64_t c = 0; c < channels; c++) {
        /* Too short a run for the hardware to notice. */
        for (int64_t i = 0; i < filters * taps; i += CACHE_LINE / sizeof(REAL))
            __builtin_prefetch(w + (c + FETCHED_CHANNELS) * at->channel + i);
        REAL *last = (REAL *)(lanes + (c + 1) * taps - 1);
        if (at->filter != taps || !NAME(turn_taps)(taps, w + c * at->channel, filters, last, -VL))
            NAME(transpose)(w + c * at->channel, at->filter, filters, taps, last, -VL);
    }
}

/* `channels` channels of up to NR filters from w on into U[point][channel][NR]; zeros in the lanes beyond `columns`. */
static void NAME(wino_filters)(const NAME(wino_tile) *tile, const NAME(wino_weights) *at, const REAL *w, int64_t columns, int64_t channels,
                               int streamed, REAL *u, int64_t plane) {
    const int64_t taps = at->taps;
    vec lanes[FILTER_CHANNELS * MAX_TAPS];
    for (int64_t k = 0; k < NR; k += VL) {
        const int64_t count = MIN(VL, columns - k);
        if (count < VL) memset(lanes, 0, sizeof lanes);
        for (int64_t first = 0; first < channels; first += FILTER_CHANNELS) {
            const int64_t together = MIN(FILTER_CHANNELS, channels - first);
            if (count > 0) NAME(wino_read_weights)(at, w + k * at->filter + first * at->channel, count, together, lanes);
            for (int64_t c = 0; c < together; c++) tile->filter(lanes + c * taps, streamed, u + (first + c) * NR + k, plane);
        }
    }
}

/* U[group][point][panel][channel][NR], a cache line more from point to point, from OIHW weights; for the input gradient flipped, channels
 * exchanged. */
static void NAME(wino_pack)(const geometry *s, int direction, int m, const REAL *w, REAL *u, int threads) {
    const int64_t points = wino_points(s, m), depth = (direction ? s->k : s->c) / s->g, columns = (direction ? s->c : s->k) / s->g;
    const int64_t panels = CEIL_DIV(columns, NR), plane = wino_u_plane(depth, columns, sizeof(REAL));
    const int64_t weights = depth * columns * s->kh * s->kw;
    const int streamed = s->g * points * plane * (int64_t)sizeof(REAL) > STREAMED_BYTES;
    const NAME(wino_tile) tile = NAME(wino_tile_of)(m, (int)MAX(s->kh, s->kw), s, direction);
    const NAME(wino_weights) at = NAME(wino_weights_of)(s, direction);
    /* Channels before the next panel, such that neighbours in memory are read together. */
    const int64_t step = at.flipped ? FILTER_CHANNELS : depth;
#pragma omp parallel num_threads(threads)
    {
        int64_t begin, end;
        share(s->g * panels, thread_index(), team_size(), &begin, &end);
        for (int64_t d = 0; d < depth; d += step)
            for (int64_t i = begin; i < end; i++) {
                const int64_t group = i / panels, j = i % panels;
                NAME(wino_filters)(&tile, &at, w + group * weights + j * NR * at.filter + d * at.channel, columns - j * NR,
                                   MIN(step, depth - d), streamed, u + group * points * plane + (j * depth + d) * NR, plane);
            }
        if (streamed) stream_fence();
    }
}

/* -- filters transformed as they are used -------------------------------------------------------------------------------- */

/* Where there are few tiles and many filters, U is so large that making and reading it costs more than the products. Each thread
 * takes panels of NR filters through all tiles of a block, and transforms them a chunk of channels at a time. */
typedef struct {
    int64_t strip, v, u_plane, u, m; /* elements; strip, u and m per thread */
} NAME(wino_fused_sizes);

static NAME(wino_fused_sizes) NAME(wino_fused_sizes_of)(const wino_plan *p, int channels_last) {
    const int64_t points = p->all_points, line = CACHE_LINE / (int64_t)sizeof(REAL);
    NAME(wino_fused_sizes) s = {.strip = channels_last ? 0 : ROUND_UP(NAME(wino_strip)(p), line),
                                .v = CEIL_DIV(p->depth, p->chunk) * p->v_chunk, .u_plane = p->chunk * NR + VL, .m = points * p->m_plane};
    s.u = p->all_factors * s.u_plane;
    return s;
}

/* M of one panel of filters: every chunk of channels adds to it. */
static void NAME(wino_fused_panel)(const NAME(wino_tile) *tile, const wino_plan *p, const NAME(wino_weights) *at, int64_t tiles,
                                   const REAL *v, const REAL *w, int64_t columns, REAL *u, int64_t u_plane, REAL *m) {
    const int64_t points = p->all_points;
    for (int64_t c = 0; c < p->depth; c += p->chunk, v += p->v_chunk) {
        const int64_t count = MIN(p->chunk, p->depth - c);
        NAME(wino_filters)(tile, at, w + c * at->channel, columns, count, 0, u, u_plane);
        const REAL *next = w + (c + count) * at->channel;
        const int64_t ahead = MIN(p->chunk, p->depth - c - count);
        for (int64_t point = 0; point < points; point++) {
            if (at->flipped) {
                FETCH_PART(next, at->channel, ahead, columns * at->taps, point, points, 0)
            } else {
                FETCH_PART(next, at->filter, columns, ahead * at->taps, point, points, 0)
            }
            NAME(wino_product)(tiles, v + point * p->v_plane, p->v_step, count, u + factor_of(p, point) * u_plane,
                               m + point * p->m_plane, NR, columns,
                               c > 0);
        }
    }
}

/* Whether every thread has blocks of its own: some, as they differ by a row of tiles. Else all share each block, and each reads what the
 * others have transformed. */
static int NAME(wino_fused_apart)(const wino_plan *p, int threads) {
    const int64_t items = p->blocks * p->groups;
    return threads > 1 && items % threads == 0 && items >= BLOCKS_APART * threads;
}

static void NAME(wino_run_fused)(const geometry *s, int direction, int m, int64_t block_tiles, const REAL *x, const REAL *w,
                                 const REAL *bias, int activation, REAL slope, REAL *out, char *workspace, int threads) {
    const wino_plan plan = plan_winograd(s, direction, 1, m, block_tiles, threads, sizeof(REAL)), *p = &plan;
    const int channels_last = (int)s->channels_last;
    const NAME(wino_fused_sizes) size = NAME(wino_fused_sizes_of)(p, channels_last);
    const int apart = NAME(wino_fused_apart)(p, threads);
    REAL *strips = (REAL *)aligned_take(&workspace, threads * size.strip * sizeof(REAL));
    REAL *all_v = (REAL *)aligned_take(&workspace, (apart ? threads : 1) * size.v * sizeof(REAL));
    REAL *all_u = (REAL *)aligned_take(&workspace, threads * size.u * sizeof(REAL)), *all_m = (REAL *)workspace;
    const NAME(wino_tile) tile = NAME(wino_tile_of)(m, p->r, s, direction);
    const NAME(wino_weights) at = NAME(wino_weights_of)(s, direction);
    const int64_t panels = CEIL_DIV(p->columns, NR), pixels = channels_last ? 1 : p->dst_h * p->dst_w;
#pragma omp parallel num_threads(threads)
    {
        const team all = {thread_index(), team_size()}, t = apart ? (team){0, 1} : all;
        REAL *strip = strips + all.index * size.strip, *sums = all_m + all.index * size.m, *u = all_u + all.index * size.u;
        REAL *v = all_v + (apart ? all.index * size.v : 0);
        int64_t begin, end, first = 0, last = p->blocks * p->groups;
        share(panels, t.index, t.count, &begin, &end);
        if (apart) share(last, all.index, all.count, &first, &last);
        for (int64_t i = first; i < last; i++) {
            const int64_t group = i % p->groups;
            const wino_block b = block_at(p, i / p->groups);
            NAME(wino_gather)(&tile, p, &b, channels_last, x, group, strip, v, t);
            team_barrier(t);
            for (int64_t k = begin * NR; k < MIN(p->columns, end * NR); k += NR) {
                const int64_t filter = group * p->columns + k;
                wino_plan panel = *p;
                panel.columns = MIN(NR, p->columns - k);
                NAME(wino_fused_panel)(&tile, p, &at, b.tiles, v, w + group * p->depth * p->columns * at.taps + k * at.filter,
                                       panel.columns, u, size.u_plane, sums);
                NAME(wino_scatter)(&tile, &panel, &b, channels_last, sums, bias ? bias + filter : NULL, activation, slope,
                                   out + filter * pixels, 0, strip, (team){0, 1});
            }
            team_barrier(t);
        }
    }
}

static int64_t NAME(wino_fused_workspace)(const geometry *s, int direction, int m, int64_t block_tiles, int threads) {
    const wino_plan p = plan_winograd(s, direction, 1, m, block_tiles, threads, sizeof(REAL));
    const NAME(wino_fused_sizes) size = NAME(wino_fused_sizes_of)(&p, (int)s->channels_last);
    const int sets = NAME(wino_fused_apart)(&p, threads) ? threads : 1;
    return (threads * (size.strip + size.u + size.m) + sets * size.v) * (int64_t)sizeof(REAL) + 4 * CACHE_LINE;
}

/* -- weight gradient ----------------------------------------------------------------------------------------------------- */

/* gy's tiles into Z[panel][point][tile][NR], zero beyond the image. */
static void NAME(wino_gather_gradient)(const NAME(wino_tile) *tile, const wino_plan *p, const wino_block *b, int channels_last,
                                       const REAL *gy, int64_t group, REAL *strip, REAL *z, int64_t z_plane, team t) {
    const int64_t rows = b->ty1 - b->ty0, columns = b->tx1 - b->tx0, plane = p->dst_h * p->dst_w, vectors = CEIL_DIV(p->columns, NR) * 2;
    const int64_t width = columns * p->mw * p->dw, y = b->ty0 * p->mh * p->dh, tiles = rows * columns * p->area;
    const int64_t run = SHORT_RUN((MIN(p->dst_h, y + rows * p->mh * p->dh) - y) * p->dst_w, gy);
    vec g[MAX_POINTS * MAX_POINTS];
    int64_t begin, end;
    share(vectors, t.index, t.count, &begin, &end);
    for (int64_t k = begin; k < end; k++) {
        const int64_t lanes = MIN(VL, p->columns - k * VL), channel = group * p->columns + k * VL;
        REAL *to = z + k / 2 * p->all_points * z_plane + k % 2 * VL;
        if (channels_last || lanes <= 0) {
            for (int64_t i = 0; i < b->tiles; i++, to += NR) {
                const wino_place at = place_of(p, b, i);
                const REAL *from = gy + ((at.n * p->dst_h + at.y) * p->dst_w + at.x) * p->dst_c + channel;
                for (int a = 0; a < p->mh; a++)
                    for (int c = 0; c < p->mw; c++)
                        g[a * p->mw + c] = at.y + a * p->dh < p->dst_h && at.x + c * p->dw < p->dst_w
                                                 ? NAME(load_n)(from + (a * p->dh * p->dst_w + c * p->dw) * p->dst_c, lanes)
                                                 : (vec){0};
                tile->gradient(g, to, z_plane);
            }
            continue;
        }
        for (int64_t n = b->n0; n < b->n1; n++) {
            const REAL *planes = gy + (n * p->dst_c + channel) * plane;
            int64_t next_lanes = lanes;
            const REAL *next = NAME(next_planes)(planes, plane, p->dst_c, b, n, p->columns - (k + 1) * VL, &next_lanes) + y * p->dst_w;
            NAME(fill_strip)(planes, lanes, p->dst_h, p->dst_w, y, rows * p->mh * p->dh, b->tx0 * p->mw * p->dw, width, strip);
            int64_t done = 0;
            EACH_TILE_OF(rows, columns, width, p->mh, p->mw) {
                for (int a = 0; a < p->mh; a++)
                    for (int c = 0; c < p->mw; c++)
                        g[a * p->mw + c] = *(const vec *)(strip + (place + a * p->dh * width + c * p->dw) * VL);
                tile->gradient(g, to, z_plane);
                to += NR;
                FETCH_PART(next, plane, next_lanes, run, done, tiles, 0)
                done++;
            }
        }
    }
}

/* The sums of products of a chunk of channels and a panel of filters, S[factor][channel][NR]; a cache line between planes. */
#define SUMS_PLANE (GRADIENT_CHUNK(VL) * NR + VL)

/* The weight gradient of `count` channels, from their first on, and up to NR filters. taps[channel][r r][NR] holds the part of the blocks
 * of tiles before, if there were any, and receives this one's; `dw`: where it goes next, if this is the last. */
static void NAME(wino_sums)(const NAME(wino_tile) *tile, const wino_plan *p, int64_t count, int64_t columns, int64_t tiles, const REAL *v,
                            const REAL *z, int64_t z_plane, int add, REAL *sums, REAL *taps, const REAL *dw) {
    const int64_t parts = CEIL_DIV(count, GEMM_MR), factors = p->all_factors, weights = p->taps;
    for (int64_t factor = 0; factor < factors; factor++) {
        if (dw) FETCH_PART(dw, p->depth * weights, columns, count * weights, factor, factors, 1)
        NAME(segment) segments[MAX_SHARING];
        int64_t used = 0;
        EACH_POINT_OF(p, factor / p->factors, i) EACH_POINT_OF(p, factor % p->factors, j) {
            const int64_t point = i * p->points + j;
            segments[used++] = (NAME(segment)){v + point * p->v_plane, z + point * z_plane, tiles};
        }
        for (int64_t q = 0; q < parts; q++) {
            const int64_t first = count * q / parts, rows = count * (q + 1) / parts - first;
            REAL *out[GEMM_MR];
            for (int64_t a = 0; a < rows; a++) out[a] = sums + factor * SUMS_PLANE + (first + a) * NR;
            const NAME(sink) sink = {out, ROUND_UP(columns, VL), NULL, 0, 0, 0};
            for (int64_t i = 0; i < used && q; i++) segments[i].a += first - count * (q - 1) / parts;
            NAME(outer)((int)rows, segments, used, p->v_step, NR, &sink);
        }
    }
    for (int64_t c = 0; c < count; c++)
        for (int64_t k = 0; k < columns; k += VL) tile->sums(sums + c * NR + k, SUMS_PLANE, add, taps + c * weights * NR + k);
}

/* Elements; v, z and all_taps: of those who share a block of tiles. */
typedef struct {
    int64_t strip, v, z_plane, z, sums, taps, all_taps;
} NAME(wino_weight_sizes);

/* Whether every thread has blocks and sums of its own, which are added at the end: of few weights. Else all share each block, and each
 * reads what the others have transformed. */
static int NAME(wino_blocks_apart)(const wino_plan *p, int threads) {
    return threads > 1 && p->few_weights && (p->blocks % threads == 0 || p->blocks >= BLOCKS_APART * threads);
}

static NAME(wino_weight_sizes) NAME(wino_weight_sizes_of)(const wino_plan *p, int channels_last) {
    const int64_t line = CACHE_LINE / sizeof(REAL), points = p->points * p->points, panels = CEIL_DIV(p->columns, NR);
    const int64_t chunks = CEIL_DIV(p->depth, p->chunk);
    NAME(wino_weight_sizes) s = {.strip = channels_last ? 0 : ROUND_UP(NAME(wino_strip)(p), line), .v = chunks * p->v_chunk,
                                 .z_plane = p->tiles * NR + VL,
                                 .sums = p->all_factors * SUMS_PLANE, .taps = p->chunk * p->taps * NR};
    s.z = panels * points * s.z_plane;
    s.all_taps = p->blocks > 1 ? panels * chunks * s.taps : 0;
    return s;
}

static void NAME(wino_weight_grad)(const geometry *s, int m, int64_t block_tiles, const REAL *x, const REAL *gy, REAL *dw, char *workspace,
                                   int threads) {
    const wino_plan plan = plan_winograd(s, 2, 0, m, block_tiles, threads, sizeof(REAL)), *p = &plan;
    const int channels_last = (int)s->channels_last;
    const NAME(wino_weight_sizes) size = NAME(wino_weight_sizes_of)(p, channels_last);
    const int apart = NAME(wino_blocks_apart)(p, threads), sharing = apart ? threads : 1;
    REAL *strips = (REAL *)aligned_take(&workspace, threads * size.strip * sizeof(REAL));
    REAL *v = (REAL *)aligned_take(&workspace, sharing * size.v * sizeof(REAL));
    REAL *z = (REAL *)aligned_take(&workspace, sharing * size.z * sizeof(REAL));
    REAL *all_sums = (REAL *)aligned_take(&workspace, threads * size.sums * sizeof(REAL));
    REAL *block_taps = (REAL *)aligned_take(&workspace, threads * size.taps * sizeof(REAL)), *all_taps = (REAL *)workspace;
    const NAME(wino_tile) tile = NAME(wino_tile_of)(m, p->r, s, 2);
    const int64_t chunks = CEIL_DIV(p->depth, p->chunk), panels = CEIL_DIV(p->columns, NR), weights = p->taps;
#pragma omp parallel num_threads(threads)
    {
        const team all = {thread_index(), team_size()}, t = apart ? (team){0, 1} : all;
        const int64_t own = apart ? all.index : 0;
        REAL *strip = strips + all.index * size.strip, *sums = all_sums + all.index * size.sums;
        REAL *my_v = v + own * size.v, *my_z = z + own * size.z, *my_taps = all_taps + own * size.all_taps;
        for (int64_t g = 0; g < p->groups; g++) {
            int64_t first = 0, last = p->blocks, begin, end;
            if (apart) share(p->blocks, all.index, all.count, &first, &last);
            for (int64_t i = first; i < last; i++) {
                const wino_block b = block_at(p, i);
                NAME(wino_gather)(&tile, p, &b, channels_last, x, g, strip, my_v, t);
                NAME(wino_gather_gradient)(&tile, p, &b, channels_last, gy, g, strip, my_z, size.z_plane, t);
                team_barrier(t);
                share(panels * chunks, t.index, t.count, &begin, &end);
                for (int64_t q = begin; q < end; q++) {
                    const int64_t k = q / chunks * NR, c = q % chunks * p->chunk;
                    const int64_t columns = MIN(NR, p->columns - k), count = MIN(p->chunk, p->depth - c);
                    REAL *out = !apart && i == p->blocks - 1 ? dw + ((g * p->columns + k) * p->depth + c) * weights : NULL;
                    REAL *taps = p->blocks > 1 ? my_taps + q * size.taps : block_taps + t.index * size.taps;
                    NAME(wino_sums)(&tile, p, count, columns, b.tiles, my_v + v_channel(p, c),
                                    my_z + k / NR * p->all_points * size.z_plane, size.z_plane, i > first, sums, taps, out);
                    if (out) NAME(transpose)(taps, NR, count * weights, columns, out, p->depth * weights);
                }
                team_barrier(t);
            }
            if (!apart) continue;
            team_barrier(all);
            share(panels * chunks, all.index, all.count, &begin, &end);
            for (int64_t q = begin; q < end; q++) {
                const int64_t k = q / chunks * NR, c = q % chunks * p->chunk;
                const int64_t columns = MIN(NR, p->columns - k), count = MIN(p->chunk, p->depth - c);
                REAL *taps = all_taps + q * size.taps;
                for (int64_t at = 0; at < count * weights * NR; at += VL)
                    for (int other = 1; other < all.count; other++) *(vec *)(taps + at) += *(vec *)(taps + other * size.all_taps + at);
                NAME(transpose)(taps, NR, count * weights, columns, dw + ((g * p->columns + k) * p->depth + c) * weights,
                                p->depth * weights);
            }
            team_barrier(all);
        }
    }
}

static int64_t NAME(wino_weight_workspace)(const geometry *s, int m, int64_t block_tiles, int threads) {
    const wino_plan p = plan_winograd(s, 2, 0, m, block_tiles, threads, sizeof(REAL));
    const NAME(wino_weight_sizes) size = NAME(wino_weight_sizes_of)(&p, (int)s->channels_last);
    const int64_t each = size.strip + size.sums + size.taps;
    const int64_t of_block = size.v + size.z + size.all_taps, blocks = NAME(wino_blocks_apart)(&p, threads) ? threads : 1;
    return (threads * each + blocks * of_block) * (int64_t)sizeof(REAL) + 5 * CACHE_LINE;
}
#undef SUMS_PLANE

#include "winograd_few.h"
