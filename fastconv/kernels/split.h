/* Float32 convolution and its input gradient on matrix units, from products of bfloat16 parts.
 *
 *   for every strip of the output (split_plan.h):
 *       split its source into parts (split_data.h)
 *       for every phase of an input gradient that reads them
 *           for every panel of 32 filters, for every 32 pixels: a register tile of sums (tiles.h), and its store
 *
 * There is no patch matrix where sources have 32 channels and more: a data tile is 16 pixels of a plane, at any offset. Channels-last data
 * has its pixels in the rows of the tiles. NCHW data has them in the lanes, where all tiles begin on cache lines: patches, and 1x1 kernels;
 * for larger kernels 16 x 16 pixels and channels are turned as they are split, and back before they are stored.
 */
#ifndef FASTCONV_SPLIT_H
#define FASTCONV_SPLIT_H

#include "split_pack.h"

enum {
    PAGE = 4096,
    STAGE_PIXELS = 4 * SPLIT_BLOCK,
    STAGE_ROW = STAGE_PIXELS + TILE, /* an odd number of cache lines */
    STAGE_FILTERS = 128,             /* of 32 pixels, in the first-level cache */
    ASKED_RESULTS = 256 * 1024,      /* bytes of a thread's results, from which on they are not in the second-level cache when they are
                                      * stored and have to be asked for; */
    STREAMED_RESULTS = 8 << 20,      /* and from which on little of them would be there for who reads them, and they pass the caches: */
    STREAMED_ZEROS = 2 << 20,        /* sooner if most of them are zeros, which take no time to compute; */
    SCRATCH_FLOATS = 4 * TILE * TILE + 2 * SPLIT_PANEL * STAGE_ROW /* half of which is more than 32 pixels of STAGE_FILTERS */
};

/* -- Stores ------------------------------------------------------------------------------------------------------------------- */

/* Where the outputs of a strip lie. Rows, and images, that lie together are seen as one row, but for images side by side. */
typedef struct {
    float *first;                               /* the strip's first output of the first filter */
    int64_t image, row, pixel, filter;          /* steps between them, in floats */
    int64_t pitch, image_rows;                  /* tile pixels from row to row; rows from image to image */
    int64_t width, rows, images;                /* outputs in a row, and so on */
    int64_t wide, high;                         /* with zeros between outputs stored with them: pixels in a row; rows from the first on */
    int64_t pixels;                             /* tile pixels up to the last output */
} strip_view;

static strip_view view_of(const split_strip *t, float *out) {
    const split_plan *q = t->q;
    const int64_t pixel = q->channels_last ? q->o.dst_c : 1, filter = q->channels_last ? 1 : q->o.dst_h * q->o.dst_w;
    strip_view v = {.image = q->o.dst_c * q->o.dst_h * q->o.dst_w, .row = q->p.ys * q->o.dst_w * pixel, .pixel = q->p.xs * pixel,
                    .filter = filter, .pitch = q->pitch, .image_rows = q->patches ? t->rows : q->image_rows, .width = q->p.w,
                    .rows = t->rows, .images = t->images};
    if (q->zeros) v.wide = q->o.dst_w, v.high = q->o.dst_h - t->y0 * q->p.ys;
    v.first = out + t->n0 * v.image + ((q->p.y0 + t->y0 * q->p.ys) * q->o.dst_w + q->p.x0) * pixel + t->group * q->o.columns * filter;
    if (!q->aside && !v.wide && v.pitch == v.width && v.row == v.width * v.pixel) {
        v.width *= v.rows, v.row *= v.rows, v.pitch *= v.image_rows, v.rows = v.image_rows = 1;
        if (v.pitch == v.width && v.image == v.width * v.pixel) {
            v.width *= v.images, v.pitch *= v.images, v.images = 1;
        }
    }
    v.pixels = ((v.images - 1) * v.image_rows + v.rows - 1) * v.pitch + v.width;
    return v;
}

INLINE int64_t offset_in(const strip_view *v, strip_pixel p) { return p.i * v->image + p.r * v->row + p.x * v->pixel; }

/* Outputs among the tile pixels from some m on that lie in one row of the image. */
typedef struct {
    int64_t lane, count, offset;
    int64_t row; /* of the strip's image */
    int ends;    /* whether the last of them is the last of the row */
} output_run;

/* Those among `pixels` from m on; returns how many there are, at most `pixels`. */
static int64_t output_runs(const strip_view *v, int64_t m, int64_t pixels, output_run *run) {
    int64_t runs = 0;
    strip_pixel p = pixel_at(m, v->pitch, v->image_rows);
    for (int64_t lane = 0; lane < pixels && m + lane < v->pixels;) {
        if (p.r < v->rows && p.x < v->width) {
            const int64_t count = MIN(pixels - lane, v->width - p.x);
            run[runs++] = (output_run){lane, count, offset_in(v, p), p.r, p.x + count == v->width};
        }
        lane += v->pitch - p.x, p.x = 0;
        if (++p.r == v->image_rows) p.r = 0, p.i++;
    }
    return runs;
}

/* `store` of these arguments and the activation, with the usual ones known to the compiler: the loop is then loads and stores only, and
 * more of them, and of what follows, are under way at a time. */
#define STORE(s, store, ...)                                                     \
    do {                                                                         \
        if ((s)->activation == ACT_NONE) store(__VA_ARGS__, ACT_NONE, 0);        \
        else if ((s)->activation == ACT_RELU) store(__VA_ARGS__, ACT_RELU, 0);   \
        else if ((s)->activation == ACT_RELU6) store(__VA_ARGS__, ACT_RELU6, 0); \
        else store(__VA_ARGS__, (s)->activation, (s)->slope);                    \
    } while (0)

/* From 16 pixels x 16 filters to channels-last outputs, or `added` to what is there. */
static __attribute__((noinline)) void store_rows(const strip_view *v, const output_run *run, int64_t runs, const float *sums,
                                                 int64_t columns, float *out, int added, const int activation, float slope) {
    for (int64_t i = 0; i < runs; i++)
        for (int64_t l = 0; l < run[i].count; l++) {
            float *to = out + run[i].offset + l * v->pixel;
            vec_t_f32 y = load_f32(sums + (run[i].lane + l) * TILE);
            if (added) y += load_n_f32(to, columns);
            store_n_f32(to, activate_f32(y, activation, slope), columns);
        }
}

/* `count` floats in a row, by stores of whole cache lines: a store across two takes as long as two. */
INLINE void store_row(const float *from, int64_t count, float *to, const int activation, float slope) {
    int64_t l = MIN(count, (int64_t)(-(uintptr_t)to % CACHE_LINE / sizeof(float)));
    if (l) store_n_f32(to, activate_f32(load_n_f32(from, l), activation, slope), l);
    for (; l + TILE <= count; l += TILE) store_f32(to + l, activate_f32(load_f32(from + l), activation, slope));
    if (l < count) store_n_f32(to + l, activate_f32(load_n_f32(from + l, count - l), activation, slope), count - l);
}

/* Zeros behind the outputs of a row, up to those of the next. */
INLINE int64_t zeros_behind(const strip_view *v, const output_run *run) {
    if (!v->wide || !run->ends) return 0;
    const int64_t step = v->row / v->wide, y = run->row * step;
    return (MIN(step, v->high - y) - 1) * v->wide;
}

/* The lanes of a vector in every second of two, zeros between them. */
INLINE void spread(vec_t_f32 v, vec_t_f32 to[2]) {
    const __m512i low = _mm512_set_epi32(7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0);
    to[0] = (vec_t_f32)_mm512_maskz_permutexvar_ps(0x5555, low, (__m512)v);
    to[1] = (vec_t_f32)_mm512_maskz_permutexvar_ps(0x5555, _mm512_add_epi32(low, _mm512_set1_epi32(TILE / 2)), (__m512)v);
}

/* The first n lanes; past the caches if `lines`, where they are whole cache lines. */
INLINE void store_some(float *to, vec_t_f32 v, int64_t n, int lines) {
    if (!lines) store_n_f32(to, v, n);
    else if (n > 0) stream_f32(to, v);
}

/* Outputs of a row with a zero behind each, and behind the last of the row the rows of zeros up to the next. */
INLINE void store_with_zeros(const strip_view *v, const output_run *run, const float *from, float *to, int streamed, const int activation,
                             float slope) {
    const int64_t pixels = 2 * run->count - (run->ends && v->wide % 2), zeros = zeros_behind(v, run);
    const int lines = streamed && pixels % TILE == 0 && zeros % TILE == 0 && (uintptr_t)to % CACHE_LINE == 0;
    for (int64_t l = 0; l < pixels; l += 2 * TILE) {
        vec_t_f32 y[2];
        spread(activate_f32(load_n_f32(from + l / 2, run->count - l / 2), activation, slope), y);
        UNROLL for (int h = 0; h < 2; h++) store_some(to + l + h * TILE, y[h], pixels - l - h * TILE, lines);
    }
    for (int64_t l = 0; l < zeros; l += TILE) store_some(to + pixels + l, splat_f32(0), zeros - l, lines);
}

/* From rows of filters, STAGE_ROW floats apart, to NCHW outputs; past the caches by whole cache lines, if `streamed`. */
INLINE void store_stage(const strip_view *v, const output_run *run, int64_t runs, const float *stage, int64_t columns, float *out,
                        int streamed, const int activation, float slope) {
    const __m512i lanes = _mm512_mullo_epi32(_mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
                                             _mm512_set1_epi32((int)v->pixel));
    for (int64_t j = 0; j < columns; j++)
        for (int64_t i = 0; i < runs; i++) {
            const float *from = stage + j * STAGE_ROW + run[i].lane;
            float *to = out + j * v->filter + run[i].offset;
            if (v->wide) {
                store_with_zeros(v, run + i, from, to, streamed, activation, slope);
                continue;
            }
            if (streamed && run[i].count % TILE == 0 && (uintptr_t)to % CACHE_LINE == 0) {
                for (int64_t l = 0; l < run[i].count; l += TILE)
                    stream_f32(to + l, activate_f32(load_f32(from + l), activation, slope));
                continue;
            }
            if (v->pixel == 1) {
                store_row(from, run[i].count, to, activation, slope);
                continue;
            }
            for (int64_t l = 0; l < run[i].count; l += TILE) {
                const int64_t count = MIN(TILE, run[i].count - l);
                const vec_t_f32 y = activate_f32(load_n_f32(from + l, count), activation, slope);
                if (v->pixel == 2) { /* every second place of two vectors */
                    const uint32_t places = (uint32_t)(0x55555555u & (((uint64_t)1 << (2 * count)) - 1));
                    vec_t_f32 two[2];
                    spread(y, two);
                    UNROLL for (int h = 0; h < 2; h++)
                        _mm512_mask_storeu_ps(to + 2 * l + h * TILE, (__mmask16)(places >> h * TILE), (__m512)two[h]);
                } else {
                    _mm512_mask_i32scatter_ps(to + l * v->pixel, (__mmask16)((1u << count) - 1), lanes, (__m512)y, sizeof(float));
                }
            }
        }
}

/* The same for two phases that have every second pixel of a row each, the other's rows `second` floats behind; `odd`: the row ends with
 * one of the first phase. */
static void store_stage_pairs(const strip_view *v, const output_run *run, int64_t runs, const float *stage, int64_t second, int odd,
                              int64_t columns, float *out) {
    for (int64_t j = 0; j < columns; j++)
        for (int64_t i = 0; i < runs; i++)
            interleave_f32(stage + j * STAGE_ROW + run[i].lane, second, 2, 2 * run[i].count - (run[i].ends && odd),
                           out + j * v->filter + run[i].offset, 0);
}

/* -- The strip ---------------------------------------------------------------------------------------------------------------- */

/* Steps of a round: the products of a patch, or the taps, in a plane of 32 channels. */
static int64_t round_steps(const split_plan *q) { return q->patches ? q->steps : q->p.taps; }

/* Bytes from the first tiles to those of the first round's steps. */
static void place_steps(const split_plan *q, tile_step *step) {
    const int64_t unit = q->lanes ? 4 : TILE_ROW, plane = q->plane * TILE_ROW;
    for (int64_t i = 0; i < round_steps(q); i++) {
        const tap *t = q->p.tap + i;
        step[i].weights = i * 2 * q->parts * TILE_BYTES;
        if (q->patches) {
            step[i].data = i * (q->overlap ? TILE_ROW : plane * (q->lanes ? 1 : q->parts));
            continue;
        }
        const int64_t y = floor_div(t->dy, q->p.step_h) - q->least_y, x = floor_div(t->dx, q->p.step_w) - q->least_x;
        step[i].data = q->slot[i] * q->chunks * q->parts * plane + (y * q->pitch + x) * unit;
    }
}

/* Sums of 32 pixels in the stage, `row` floats apart, which wait to be stored. */
typedef struct {
    const float *sums;
    int64_t row, first, filters, runs; /* of the first filter on, so many, in so many runs; 0: there are none */
    output_run run[SPLIT_BLOCK];
    int64_t carried; /* floats of a cache line that begins with the pixels before, in front of the sums */
} staged_pixels;

/* What of them, and of those carried over, is to be stored: so many floats before the first whole cache line, lines, floats behind. */
typedef struct {
    const float *from;
    float *to;
    int64_t head, lines, tail;
} line_span;

INLINE line_span lines_of(const strip_view *v, const staged_pixels *p) {
    line_span o = {.from = p->sums - p->carried, .to = v->first + p->run->offset - p->carried};
    const int64_t count = p->run->count * p->row + p->carried;
    o.head = (int64_t)(-(uintptr_t)o.to % CACHE_LINE / sizeof(float));
    o.lines = (count - o.head) / TILE;
    o.tail = (count - o.head) % TILE;
    return o;
}

/* What the register tiles of a strip have in common. */
typedef struct {
    const split_strip *t;
    strip_view v;
    tile_factors f;
    const char *packed;
    const float *bias;              /* tiles, by panel; NULL: none */
    int activation, asks, streamed; /* results: rows that are asked for in a step; whether they pass the caches */
    float slope, *scratch;          /* four tiles */
    float *stage;                   /* 32 filters of STAGE_ROW pixels, of two phases that take turns; or 32 pixels of STAGE_FILTERS, */
    staged_pixels staged[2];        /* of two blocks that take turns, */
    int turn;                       /* and which is next */
    int64_t data, weights;          /* bytes to the channels of this pass, in the parts of the strip and of a panel; */
    int added;                      /* its sums are added to those of the passes before */
    int asked;                      /* whether the panel's weights have been asked for */
    const char *next;               /* weights of the panel that follows, of which so many cache lines are asked for in each step */
    int64_t next_lines;
    split_ahead *ahead;             /* two blocks of pixels take turns, and the next is split meanwhile (split_fused.h); NULL: all parts
                                     * are there */
} strip_work;

/* Floats of a panel's two tiles of bias: 16 filters in the rows, or one row for all of the pixels. */
INLINE int64_t bias_floats(const split_plan *q) { return SPLIT_PANEL * (q->lanes ? TILE : 1); }
INLINE int64_t bias_bytes(const split_plan *q) {
    return CEIL_DIV(q->o.columns, SPLIT_PANEL) * bias_floats(q) * (int64_t)sizeof(float);
}

static void fill_bias(const split_plan *q, const float *bias, float *tiles) {
    for (int64_t j = 0; j < ROUND_UP(q->o.columns, SPLIT_PANEL); j++) {
        const float value = j < q->o.columns ? bias[j] : 0;
        if (q->lanes) store_f32(tiles + j * TILE, splat_f32(value));
        else tiles[j] = value;
    }
}

/* The sums of 32 pixels from m on and a panel of filters, nd x nw tiles; where they go stands in `r`. */
INLINE void multiply_block(const strip_work *s, int64_t panel, int64_t m, int64_t nd, int64_t nw, tile_sums *r) {
    const split_plan *q = s->t->q;
    tile_factors f = s->f;
    r->from = s->bias ? FROM_BIAS : FROM_ZERO;
    r->bias = s->bias + panel * bias_floats(q);
    r->bias_row = q->lanes ? TILE_ROW : 0;
    f.weights = s->packed + panel * q->steps * 2 * q->parts * TILE_BYTES + s->weights;
    f.ahead = m == 0 && !s->asked ? weights_ahead(q->parts) : 0;
    if (s->next_lines)
        f.next = s->next + m / SPLIT_BLOCK * s->next_lines * f.steps * f.rounds * CACHE_LINE, f.next_lines = s->next_lines;
    f.data = s->t->parts + s->data + (s->ahead ? m % (2 * SPLIT_BLOCK) : m) * (q->lanes ? 4 : f.row);
    if (q->overlap) {
        const int64_t place = overlap_place(q, m);
        f.data = s->t->parts + place * f.row, f.second = (overlap_place(q, m + TILE) - place) * f.row;
    }
    if (s->ahead) meanwhile_kernels[nd - 1][nw - 1](&f, r, s->ahead);
    else tile_kernels[q->products][q->lanes][nd - 1][nw - 1](&f, r);
}

/* Channels-last outputs, which tiles of whole rows of 16 pixels are stored to as they are. */
static void multiply_rows(const strip_work *s, int64_t panel, int64_t m) {
    const strip_view *v = &s->v;
    const int64_t columns = MIN(SPLIT_PANEL, s->t->q->o.columns - panel * SPLIT_PANEL);
    const int64_t nd = m + TILE < v->pixels ? 2 : 1, nw = columns > TILE ? 2 : 1;
    float *to = v->first + panel * SPLIT_PANEL;
    tile_sums r;
    r.stream = NULL;
    int direct[2];
    for (int64_t d = 0; d < nd; d++) {
        const strip_pixel p = pixel_at(m + d * TILE, v->pitch, v->image_rows);
        r.asked[d] = to + offset_in(v, p);
        direct[d] = !s->added && s->activation == ACT_NONE && columns % TILE == 0 && p.i < v->images && p.r < v->rows &&
                    p.x + TILE <= v->width;
        r.row[d] = direct[d] ? (int64_t)sizeof(float) * v->pixel : TILE_ROW;
        for (int64_t w = 0; w < nw; w++)
            r.out[2 * d + w] = direct[d] ? to + offset_in(v, p) + w * TILE : s->scratch + (2 * d + w) * TILE * TILE;
    }
    r.asks = s->asks, r.asked_row = sizeof(float) * v->pixel;
    multiply_block(s, panel, m, nd, nw, &r);
    for (int64_t d = 0; d < nd; d++) {
        if (direct[d]) continue;
        output_run run[TILE];
        const int64_t runs = output_runs(v, m + d * TILE, TILE, run);
        for (int64_t w = 0; w < nw; w++)
            STORE(s, store_rows, v, run, runs, r.out[2 * d + w], MIN(TILE, columns - w * TILE), to + w * TILE, s->added);
    }
}

/* Part `index` of `count` of staged pixels to channels-last outputs. */
INLINE void store_pixels(const strip_view *v, const staged_pixels *p, int64_t index, int64_t count, const int activation, float slope) {
    for (int64_t i = 0; i < p->runs; i++) {
        int64_t l, end;
        share(p->run[i].count, (int)index, (int)count, &l, &end);
        const float *from = p->sums + p->run[i].lane * p->row;
        float *to = v->first + p->first + p->run[i].offset;
        if (v->pixel == p->row && p->filters == p->row)
            store_row(from + l * p->row, (end - l) * p->row, to + l * p->row, activation, slope);
        else
            for (; l < end; l++) store_row(from + l * p->row, p->filters, to + l * v->pixel, activation, slope);
    }
}

/* Part `index` of `count` of those that are to be stored past the caches, in whole cache lines, where all outputs of a strip lie together.
 * What is before the first line is stored with part 0; what is behind the last is left. */
INLINE line_span part_of_lines(const strip_view *v, const staged_pixels *p, int64_t index, int64_t count, const int activation,
                               float slope) {
    line_span o = lines_of(v, p);
    int64_t l, end;
    share(o.lines, (int)index, (int)count, &l, &end);
    if (index == 0 && o.head) store_n_f32(o.to, activate_f32(load_n_f32(o.from, o.head), activation, slope), o.head);
    o.from += o.head + l * TILE, o.to += o.head + l * TILE, o.lines = end - l;
    return o;
}

/* At once. */
INLINE void stream_pixels(const strip_view *v, const staged_pixels *p, int64_t index, int64_t count, const int activation, float slope) {
    if (!p->runs) return;
    const line_span o = part_of_lines(v, p, index, count, activation, slope);
    for (int64_t l = 0; l < o.lines * TILE; l += TILE) stream_f32(o.to + l, activate_f32(load_f32(o.from + l), activation, slope));
}

/* Or while tiles are multiplied, if the activation is a clamp. Fields are written one by one, as they will be read: wider loads would wait
 * until these stores are done, behind those past the caches. */
static __attribute__((noinline)) void begin_stream(const strip_work *s, const staged_pixels *p, int64_t index, int64_t count,
                                                   streamed_lines *a) {
    const line_span o = part_of_lines(&s->v, p, index, count, s->activation, s->slope);
    a->from = o.from, a->to = o.to, a->lines = o.lines;
    a->each = CEIL_DIV(o.lines, s->t->q->steps * STREAM_TURNS);
    a->limited = s->activation != ACT_NONE, a->most = s->activation == ACT_RELU6 ? 6 : __builtin_inff();
}

/* Part `index` of `count` of the cache lines that they will be stored to is asked for. */
INLINE void ask_for_pixels(const strip_view *v, const staged_pixels *p, int64_t index, int64_t count) {
    for (int64_t i = 0; i < p->runs; i++) {
        int64_t l, end;
        share(p->run[i].count, (int)index, (int)count, &l, &end);
        const float *to = v->first + p->first + p->run[i].offset;
        for (; l < end; l++)
            for (int64_t k = 0; k < p->filters; k += TILE) __builtin_prefetch(to + l * v->pixel + k, 1);
    }
}

/* Channels-last outputs of panels [begin, end), STAGE_FILTERS at most, for 32 pixels from m on, by way of the stage: they are written line
 * by line in their order, which the hardware's prefetchers follow; while the next are computed, as memory takes longer to take them in than
 * the matrix units to make them, and what was stored to the stage is in the first-level cache by then. */
static void multiply_pixels(strip_work *s, int64_t begin, int64_t end, int64_t m) {
    const strip_view *v = &s->v;
    const int64_t columns = s->t->q->o.columns, first = begin * SPLIT_PANEL, filters = MIN(end * SPLIT_PANEL, columns) - first;
    const int64_t row = ROUND_UP(filters, SPLIT_PANEL), nd = m + TILE < v->pixels ? 2 : 1;
    staged_pixels *now = s->staged + s->turn, *before = s->staged + !s->turn;
    float *sums = s->stage + TILE + s->turn * SPLIT_PANEL * STAGE_ROW;
    const int spreads = s->streamed && s->t->q->products == 6 && IS_CLAMP(s->activation);
    now->sums = sums, now->row = row, now->first = first, now->filters = filters;
    now->runs = output_runs(v, m, SPLIT_BLOCK, now->run);
    for (int64_t panel = begin; panel < end; panel++) {
        const int64_t nw = columns - panel * SPLIT_PANEL > TILE ? 2 : 1;
        tile_sums r = {.row = {sizeof(float) * row, sizeof(float) * row}};
        for (int64_t i = 0; i < 4; i++) r.out[i] = sums + i / 2 * TILE * row + (panel - begin) * SPLIT_PANEL + i % 2 * TILE;
        if (s->asks) ask_for_pixels(v, now, panel - begin, end - begin);
        streamed_lines stream;
        if (spreads && before->runs) begin_stream(s, before, panel - begin, end - begin, &stream), r.stream = &stream;
        multiply_block(s, panel, m, nd, nw, &r);
        if (!s->streamed) STORE(s, store_pixels, v, before, panel - begin, end - begin);
        else if (!spreads) STORE(s, stream_pixels, v, before, panel - begin, end - begin);
    }
    now->carried = 0;
    if (s->streamed && before->runs) {
        const line_span o = lines_of(v, before);
        now->carried = o.tail;
        store_n_f32(sums - o.tail, load_n_f32(o.from + o.head + o.lines * TILE, o.tail), o.tail);
    }
    before->runs = 0;
    s->turn ^= 1;
}

/* After the last of them. */
static void store_last_pixels(strip_work *s) {
    staged_pixels *before = s->staged + !s->turn;
    if (s->streamed && before->runs) {
        const line_span o = lines_of(&s->v, before);
        STORE(s, stream_pixels, &s->v, before, 0, 1);
        STORE(s, store_row, o.from + o.head + o.lines * TILE, o.tail, o.to + o.head + o.lines * TILE);
    } else {
        STORE(s, store_pixels, &s->v, before, 0, 1);
    }
    before->runs = 0;
}

/* Part `index` of `count` of the cache lines that a panel's NCHW outputs will be stored to is asked for. */
INLINE void ask_for_planes(const strip_work *s, int64_t panel, const output_run *run, int64_t runs, int64_t index, int64_t count) {
    const strip_view *v = &s->v;
    const int64_t first = panel * SPLIT_PANEL, filters = MIN(SPLIT_PANEL, s->t->q->o.columns - first);
    for (int64_t r = 0; r < runs; r++) {
        const int64_t pixels = run[r].count * v->pixel + zeros_behind(v, run + r);
        FETCH_PART(v->first + first * v->filter + run[r].offset, v->filter, filters, pixels, index, count, 1)
    }
}

/* STAGE_PIXELS pixels from m on of a panel, in rows of filters, `row` floats apart; the runs are where they will be stored to. */
static void multiply_stage(const strip_work *s, int64_t panel, int64_t m, int64_t nw, float *first, int64_t row, const output_run *run,
                           int64_t runs) {
    const int lanes = s->t->q->lanes;
    for (int64_t i = 0; i < STAGE_PIXELS && m + i < s->v.pixels; i += SPLIT_BLOCK) {
        const int64_t nd = m + i + TILE < s->v.pixels ? 2 : 1;
        if (s->asks) ask_for_planes(s, panel, run, runs, i / SPLIT_BLOCK, STAGE_PIXELS / SPLIT_BLOCK);
        tile_sums r = {.row = {TILE_ROW, TILE_ROW}};
        for (int64_t d = 0; d < nd; d++) {
            if (lanes) r.row[d] = sizeof(float) * row;
            for (int64_t w = 0; w < nw; w++)
                r.out[2 * d + w] = lanes ? first + w * TILE * row + i + d * TILE : s->scratch + (2 * d + w) * TILE * TILE;
        }
        multiply_block(s, panel, m + i, nd, nw, &r);
        for (int64_t d = 0; d < nd && !lanes; d++)
            for (int64_t w = 0; w < nw; w++) {
                vec_t_f32 filters[TILE];
                UNROLL for (int j = 0; j < TILE; j++) filters[j] = load_f32(r.out[2 * d + w] + j * TILE);
                transpose_square_f32(filters);
                UNROLL for (int j = 0; j < TILE; j++) store_f32(first + (w * TILE + j) * row + i + d * TILE, filters[j]);
            }
    }
}

/* Whether NCHW tiles are stored as they are. Where the planes lie whole pages apart, the lines of 16 of them push each other out of the
 * first-level cache, and rows of STAGE_PIXELS pixels are stored together. */
INLINE int stores_lanes(const strip_work *s) {
    return s->t->q->lanes && s->activation == ACT_NONE && s->v.pixel == 1 && s->v.filter % (PAGE / (int64_t)sizeof(float));
}

/* NCHW outputs of STAGE_PIXELS pixels from m on. */
static void multiply_planes(const strip_work *s, int64_t panel, int64_t m) {
    const strip_view *v = &s->v;
    const int64_t columns = MIN(SPLIT_PANEL, s->t->q->o.columns - panel * SPLIT_PANEL), nw = columns > TILE ? 2 : 1;
    float *to = v->first + panel * SPLIT_PANEL * v->filter;
    output_run run[STAGE_PIXELS];
    const int64_t runs = output_runs(v, m, STAGE_PIXELS, run);
    const int direct = stores_lanes(s) && columns % TILE == 0 && runs == 1 && run->count == STAGE_PIXELS;
    multiply_stage(s, panel, m, nw, direct ? to + run->offset : s->stage, direct ? v->filter : STAGE_ROW, run, runs);
    if (!direct) STORE(s, store_stage, v, run, runs, s->stage, columns, to, s->streamed);
}

/* The same of two phases whose pixels take turns in a row. */
static void multiply_plane_pairs(const strip_work *s, const strip_work *other, int64_t panel, int64_t m) {
    const strip_view *v = &s->v;
    const int64_t columns = MIN(SPLIT_PANEL, s->t->q->o.columns - panel * SPLIT_PANEL), nw = columns > TILE ? 2 : 1;
    output_run run[STAGE_PIXELS];
    const int64_t runs = output_runs(v, m, STAGE_PIXELS, run);
    multiply_stage(s, panel, m, nw, s->stage, STAGE_ROW, run, runs);
    multiply_stage(other, panel, m, nw, other->stage, STAGE_ROW, run, 0); /* of the same lines */
    store_stage_pairs(v, run, runs, s->stage, other->stage - s->stage, other->v.width < v->width, columns,
                      v->first + panel * SPLIT_PANEL * v->filter);
}

/* Whether channels-last outputs of a strip lie together and all go by way of the stage; whether NCHW outputs do by whole cache lines. */
INLINE int stores_in_one(const strip_work *s) {
    const int64_t columns = s->t->q->o.columns;
    const int together = s->v.rows == 1 && s->v.images == 1 && s->v.pixel == columns;
    return together && columns <= STAGE_FILTERS && columns % SPLIT_PANEL == 0 && reads_weights_again(s->t->q);
}
INLINE int stores_lines(const strip_work *s) {
    return (s->v.pixel == 1 || s->v.wide) && s->v.filter % TILE == 0 && (uintptr_t)s->v.first % CACHE_LINE == 0;
}

/* A strip whose parts are there; `alone`: whether no other thread computes some of its filters. `step`: of `place_steps`; `scratch`:
 * SCRATCH_FLOATS. */
static strip_work work_on(const split_strip *t, int alone, const char *packed, const tile_step *step, const float *bias, int activation,
                          float slope, float *out, float *scratch) {
    const split_plan *q = t->q;
    strip_work s = {.t = t, .v = view_of(t, out), .packed = packed, .bias = bias, .activation = activation, .slope = slope,
                    .scratch = scratch, .stage = scratch + 4 * TILE * TILE};
    s.f.step = step, s.f.steps = round_steps(q), s.f.rounds = q->patches ? 1 : q->chunks;
    s.f.round = (tile_step){q->parts * q->plane * TILE_ROW, s.f.steps * 2 * q->parts * TILE_BYTES};
    s.f.weights_second = TILE_BYTES, s.f.weights_part = 2 * TILE_BYTES;
    s.f.row = q->lanes ? 4 * q->plane : q->overlap ? 2 * q->overlap : TILE_ROW;
    s.f.second = q->lanes ? TILE_ROW : TILE * s.f.row;
    s.f.part = q->overlap ? overlap_bytes(q) : q->plane * TILE_ROW * (q->patches && q->lanes ? q->steps : 1);
    const int64_t results = q->result_bytes / team_size();
    const int by_lines = q->channels_last ? alone && stores_in_one(&s) : !stores_lanes(&s) && stores_lines(&s);
    s.streamed = by_lines && results >= (s.v.wide ? STREAMED_ZEROS : STREAMED_RESULTS);
    s.asks = !s.streamed && results > ASKED_RESULTS ? (int)CEIL_DIV(TILE, q->steps) : 0;
    return s;
}

/* Panels [begin, end) of 32 pixels from m on, of channels-last outputs: tiles as they are; or, if something is done with them, by way of
 * the stage, whole pixels if these are short. */
static void multiply_panels(strip_work *s, int64_t begin, int64_t end, int64_t m) {
    const int64_t columns = s->t->q->o.columns, some = STAGE_FILTERS / SPLIT_PANEL;
    const int whole = columns <= STAGE_FILTERS && end - begin == CEIL_DIV(columns, SPLIT_PANEL);
    const int as_they_are = s->activation == ACT_NONE && !s->streamed && columns % TILE == 0 && s->v.width >= SPLIT_BLOCK;
    if (!as_they_are && (whole || s->activation))
        for (int64_t panel = begin; panel < end; panel += some) multiply_pixels(s, panel, MIN(end, panel + some), m);
    else
        for (int64_t panel = begin; panel < end; panel++) multiply_rows(s, panel, m);
}

/* A strip of which some channels are multiplied. */
static strip_work pass_of(const strip_work *s, int64_t index, int64_t passes) {
    const split_plan *q = s->t->q;
    strip_work pass = *s;
    int64_t first, last;
    share(q->chunks, (int)index, (int)passes, &first, &last);
    pass.f.rounds = last - first, pass.data = first * s->f.round.data, pass.weights = first * s->f.round.weights;
    if (s->asks) pass.asks = (int)CEIL_DIV(TILE, pass.f.rounds * pass.f.steps);
    if (index) pass.bias = NULL, pass.added = 1;
    if (index + 1 < passes) pass.activation = ACT_NONE;
    return pass;
}

/* Panels [begin, end) of channels-last outputs, each for the whole strip. */
static void multiply_passes(const strip_work *s, int64_t begin, int64_t end) {
    const split_plan *q = s->t->q;
    const int64_t passes = passes_of(q), panel_bytes = q->steps * 2 * q->parts * TILE_BYTES;
    for (int64_t i = 0; i < passes; i++) {
        strip_work pass = passes > 1 ? pass_of(s, i, passes) : *s;
        for (int64_t panel = begin; panel < end; panel++) {
            const int64_t lines = pass.f.rounds * pass.f.round.weights / CACHE_LINE, steps = pass.f.rounds * pass.f.steps;
            pass.next = s->packed + (panel + 1) * panel_bytes + pass.weights;
            pass.next_lines = passes > 1 && panel + 1 < end ? CEIL_DIV(lines, CEIL_DIV(s->v.pixels, SPLIT_BLOCK) * steps) : 0;
            for (int64_t m = 0; m < s->v.pixels; m += SPLIT_BLOCK) multiply_rows(&pass, panel, m);
            pass.asked = pass.next_lines > 0;
        }
    }
}

/* Panels [begin, end). Channels-last outputs are written in order where reading the weights again costs little; else a panel of filters is
 * used for the whole strip. */
static void multiply_strip(strip_work *s, int64_t begin, int64_t end) {
    const split_plan *q = s->t->q;
    if (reads_weights_again(q)) {
        for (int64_t m = 0; m < s->v.pixels; m += SPLIT_BLOCK) multiply_panels(s, begin, end, m);
        store_last_pixels(s);
    } else if (q->channels_last) {
        multiply_passes(s, begin, end);
    } else {
        for (int64_t panel = begin; panel < end; panel++)
            for (int64_t m = 0; m < s->v.pixels; m += STAGE_PIXELS) multiply_planes(s, panel, m);
    }
}

/* Whether the pixels of two phases of the same strips take turns in NCHW rows; and both of them. */
static int take_turns(const split_plan *a, const split_plan *b) {
    return !a->channels_last && !a->lanes && a->p.xs == 2 && a->p.y0 == b->p.y0 && a->p.x0 + 1 == b->p.x0;
}
static void multiply_two_phases(const strip_work *s, strip_work other, int64_t begin, int64_t end) {
    other.stage += SPLIT_PANEL * STAGE_ROW;
    for (int64_t panel = begin; panel < end; panel++)
        for (int64_t m = 0; m < s->v.pixels; m += STAGE_PIXELS) multiply_plane_pairs(s, &other, panel, m);
}

#endif
