/* Direct convolution and its input gradient (template: REAL, NAME, IS_DOUBLE). Two register tilings:
 *
 *   filters in the lanes (NHWC)                      pixels in the lanes (NCHW)
 *   a tile is MR pixels x NR filters;                a tile is MR filters x NR pixels;
 *   pixels are read in place through pointers,       NR patches are copied to a panel [tap][channel][NR] that stays in
 *   one per tap, padding from a row of zeros         the second-level cache, whatever the stride, padding or dilation
 *
 * Packed weights: for each phase, group and panel of NR filters [tap][channel][NR], groups of few filters together: see filter_layout;
 * with pixels in the lanes, for each phase, group and block of at most MR filters [tap][channel][block], or in direct_few.h of
 * WINDOW_ROWS [channel][tap][block].
 */
#include "gemm.h"
#include "transpose.h"

#ifndef FASTCONV_DIRECT_H
#define FASTCONV_DIRECT_H
#include "taps.h"

enum {
    PACK_LANES = 128,             /* taps of filters that are transposed together, */
    PACK_CHANNELS = 4,            /* and channels at least */
    BLOCK_PIXELS = 8 * GEMM_MR,   /* pixels for which a panel of filters is used before the next is read */
    BLOCK_BYTES = 256 * 1024,     /* that they take at most, a quarter of a second-level cache */
    MAX_POINTERS = 1 << 14,       /* of a block: 128 KB */
    PANEL_BYTES = 256 * 1024,     /* patches held at a time with pixels in the lanes: a quarter to half of a second-level cache */
    PLANES_AHEAD = 8,             /* of NCHW images that are copied to panels for a 1x1 kernel, asked for */
    SMALL_FILTERS = 8 * 1024,     /* which stay in the first-level cache while tiles pass by */
    GROUPS_FILTERS = 128 * 1024,  /* of groups, which stay in the second-level cache while tiles pass by */
    STREAMED_RESULT = 1 << 20,    /* input gradients beyond a second-level cache, which are stored past the caches */
    CHUNK_BYTES = 512 * 1024      /* of images that are computed together, half a second-level cache */
};

/* A run of consecutive valid pixels in a panel's row. */
typedef struct {
    int64_t source;
    int32_t first, length;
} run;

/* Where the packed filters of a tap's phase begin, how many taps that has, and which of them it is. */
typedef struct {
    int64_t first, taps, index;
} tap_place;

/* Blocks of at most `size` that differ by at most one. */
INLINE int64_t blocks_of(int64_t total, int64_t size) { return CEIL_DIV(total, size); }

/* Where OIHW weights hold (destination channel j, source channel c, tap) of group g. */
static int64_t weight_index(const geometry *s, int input_grad, int64_t g, int64_t j, int64_t c, int64_t tap) {
    const int64_t cg = s->c / s->g, kg = s->k / s->g, k = input_grad ? c : j, channel = input_grad ? j : c;
    return ((g * kg + k) * cg + channel) * s->kh * s->kw + tap;
}

/* How the filters of a direction lie in vectors: `panels` of `width` lanes for every `together` groups; a group's filters take `lanes` of
 * them, the last of which may be empty. The kernel for each kind is `dot`, `narrow` or `bundle`. Few filters of many channels have channels
 * in the lanes, for `channels`. `depth`: channels, of these with empty lanes. */
typedef struct {
    enum { WIDE, NARROW, BUNDLED, CHANNELS } kind;
    int64_t together, lanes, width, panels, depth;
} filter_layout;

/* Groups whose filters share a vector, where their channels fit one too; 1: none do. */
static int64_t bundle_of(int64_t groups, int64_t depth, int64_t columns, int64_t item) {
    return permutes_lanes(item) ? MAX(1, MIN(groups, SIMD_BYTES / item / MAX(columns, depth))) : 1;
}

static filter_layout layout_of(const operands *o, int64_t groups, int64_t item) {
    const int64_t vector = SIMD_BYTES / item, narrow = NARROW_BYTES / item, bundle = bundle_of(groups, o->depth, o->columns, item);
    /* Without masks, parts of vectors take long to load. */
    const int whole = o->depth % vector == 0 || (SIMD_BYTES == 64 && o->depth > 3 * vector);
    if (groups == 1 && o->columns < narrow && 2 * o->columns <= vector && whole)
        return (filter_layout){CHANNELS, 1, o->columns, o->columns, 1, ROUND_UP(o->depth, vector)};
    if (bundle > 1) return (filter_layout){BUNDLED, bundle, o->columns, vector, 1, o->depth};
    if (o->columns <= narrow) return (filter_layout){NARROW, NARROW_GROUPS, narrow, NARROW_GROUPS * narrow, 1, o->depth};
    return (filter_layout){WIDE, 1, 2 * vector, 2 * vector, CEIL_DIV(o->columns, 2 * vector), o->depth};
}

/* Pixels of a tile, at most: whole vectors of sums. */
static int64_t tile_pixels(const filter_layout *l, int64_t item) {
    const int64_t pixels = l->kind == CHANNELS ? CHANNEL_PIXELS(SIMD_BYTES / item, l->lanes) : GEMM_MR;
    return GEMM_MR / pixels * pixels;
}

/* Panels of all groups. */
static int64_t panels_of(const filter_layout *l, int64_t groups) { return CEIL_DIV(groups, l->together) * l->panels; }

/* Whether pixels a `pitch` apart lie so that the rows of a tile fall into few sets of the first-level cache (64 sets of 64 bytes): those at
 * multiples of so many bytes. */
static int shares_sets(const geometry *s, int input_grad, int64_t pitch, int64_t item, int64_t bytes) {
    return s->g == 1 && pitch * item * (input_grad ? 1 : s->sw) % bytes == 0;
}

/* Whether images are copied before they are read: NCHW to channels-last, and where many panels of filters would meet tiles whose rows all
 * fall into one set. */
static int copies_source(const geometry *s, int input_grad, int64_t item) {
    const operands o = operands_of(s, input_grad);
    const int often = s->kh * s->kw > 1 && o.columns >= 8 * SIMD_BYTES / item;
    return !s->channels_last || (often && shares_sets(s, input_grad, o.src_c, item, 4096));
}

/* Elements from pixel to pixel of what is read. */
static int64_t source_pitch(const geometry *s, int input_grad, int64_t item) {
    const operands o = operands_of(s, input_grad);
    const int apart = copies_source(s, input_grad, item) && shares_sets(s, input_grad, o.src_c, item, 2048);
    return o.src_c + (apart ? CACHE_LINE / item : 0);
}

/* Whether the pixels of a block are copied, to lie apart. */
static int spreads_rows(const geometry *s, int input_grad, int64_t item) {
    return s->kh * s->kw == 1 && shares_sets(s, input_grad, source_pitch(s, input_grad, item), item, 2048);
}

static int64_t block_pixels(const geometry *s, int64_t pixel_bytes) {
    const int64_t taps = s->kh * s->kw, fit = MIN(MAX_POINTERS / taps, BLOCK_BYTES / pixel_bytes) / GEMM_MR * GEMM_MR;
    return MAX(GEMM_MR, MIN(BLOCK_PIXELS, fit));
}

/* Whether so many taps read padding that tiles are cut where a tap enters or leaves the image. */
static int splits_rows(const geometry *s) {
    int64_t inside = 0;
    for (int64_t j = 0; j < s->kw; j++) {
        const int64_t dx = j * s->dw - s->pl;
        inside += MAX(0, MIN(s->ow, (s->w - 1 - dx) / s->sw + 1) - (dx < 0 ? CEIL_DIV(-dx, s->sw) : 0));
    }
    return s->dw > 1 && inside * 10 < s->kw * s->ow * 8;
}

/* Outputs from r on, in one row, for which the same taps read the image. */
static int64_t run_of_taps(const phase *p, int64_t src_w, int64_t r) {
    int64_t end = p->w;
    for (int64_t t = 0; t < p->taps; t++) {
        const int64_t dx = p->tap[t].dx, lo = dx < 0 ? CEIL_DIV(-dx, p->step_w) : 0;
        const int64_t hi = dx < src_w ? (src_w - 1 - dx) / p->step_w + 1 : 0;
        if (lo > r) end = MIN(end, lo);
        if (hi > r) end = MIN(end, hi);
    }
    return end - r;
}

/* Whether tiles lie in one row of the image each, so that neighbouring outputs share their input. */
static int tiles_rows(const geometry *s, const filter_layout *l) {
    return (l->kind == NARROW || l->kind == BUNDLED) && s->kw == ROW_TAPS && s->sw == 1 && s->dw == 1;
}

/* Tiles of a block of so many pixels, at most. */
static int64_t tile_count(const geometry *s, const filter_layout *l, int64_t pixels, int64_t item) {
    return splits_rows(s) || tiles_rows(s, l) ? pixels : blocks_of(pixels, tile_pixels(l, item));
}

/* Whether every output is of the pixel in its own place. */
static int is_pointwise(const geometry *s) {
    return s->kh * s->kw == 1 && s->sh == 1 && s->sw == 1 && s->h == s->oh && s->w == s->ow;
}

static int64_t panel_count(int64_t panel_bytes) { return MAX(1, PANEL_BYTES / panel_bytes); }

/* Whether a tap reads source row y; of an input gradient: writes it. */
static int reads_row(const geometry *s, int64_t y) {
    for (int64_t i = 0; i < s->kh; i++)
        if ((y + s->pt - i * s->dh) % s->sh == 0) return 1;
    return 0;
}
static int reads_all_rows(const geometry *s) {
    for (int64_t y = 0; y < s->sh; y++)
        if (!reads_row(s, y)) return 0;
    return 1;
}

/* With pixels in the lanes, phases that lie side by side in rows of the result are computed together. */
static int64_t phases_across(const geometry *s, int input_grad) { return input_grad ? s->sw : 1; }

/* Of the bias, padded as the filters of each group are. */
static int64_t padded_bias_bytes(const geometry *s, const operands *o, int64_t item) {
    return ROUND_UP(s->g * ROUND_UP(o->columns, 2 * SIMD_BYTES / item) * item, CACHE_LINE);
}
#endif

/* -- packing --------------------------------------------------------------------------------------------------------- */

/* Elements of a row of filters that are transposed together. */
#define PACK_ROW MAX(NR, ROUND_UP(GEMM_MR, VL))

/* The taps of `channels` channels of `count` filters as rows of filters, by channel and tap, PACK_ROW apart; vectors are stored whole. */
static void NAME(turn_filters)(const REAL *from, int64_t filter, int64_t count, int64_t channel, int64_t channels, int64_t taps,
                               REAL *lanes) {
    const int64_t columns = channel == taps ? channels * taps : taps; /* that follow one another */
    for (int64_t i = 0; i < channels * taps; i += columns, from += channel, lanes += columns * PACK_ROW)
        for (int64_t k = 0; k < count; k += VL) {
            const REAL *rows = from + k * filter;
            if (VL <= FEW_ROWS && channel != taps) { /* faster one by one */
                for (int64_t j = 0; j < columns; j++)
                    for (int64_t q = 0; q < MIN(VL, count - k); q++) lanes[j * PACK_ROW + k + q] = rows[q * filter + j];
                continue;
            }
            if (filter == columns && NAME(turn_taps)(columns, rows, MIN(VL, count - k), lanes + k, PACK_ROW)) continue;
            for (int64_t j = 0; j < columns; j += VL) {
                vec r[SIMD_BYTES / sizeof(REAL)];
                UNROLL for (int q = 0; q < VL; q++) r[q] = k + q < count ? NAME(load_n)(rows + q * filter + j, columns - j) : (vec){0};
                NAME(transpose_square)(r);
                UNROLL for (int q = 0; q < VL; q++) if (q < columns - j) *(vec *)(lanes + (j + q) * PACK_ROW + k) = r[q];
            }
        }
}

/* All channels of `count` filters, from the first weight of the first of them on: for each tap a row of filters at to[at[tap]], and `step`
 * behind it that of the next channel. Taps may lie whole pages apart, so several channels of each are written in turn. */
static void NAME(pack_rows)(const geometry *s, int input_grad, const REAL *from, int64_t depth, int64_t count, REAL *to, const int64_t *at,
                            int64_t step, REAL *lanes) {
    const int64_t taps = s->kh * s->kw, whole = s->c / s->g * taps, together = MAX(PACK_CHANNELS, PACK_LANES / taps);
    const int64_t filter = input_grad ? taps : whole, channel = input_grad ? whole : taps;
    for (int64_t c = 0, channels; c < depth; c += channels) {
        channels = MIN(together, depth - c);
        NAME(turn_filters)(from + c * channel, filter, count, channel, channels, taps, lanes);
        for (int64_t t = 0; t < taps; t++)
            for (int64_t i = 0; i < channels; i++) {
                const REAL *row = lanes + (i * taps + t) * PACK_ROW;
                /* Whole vectors where what they overwrite is of the tap's next channels, which are written after. */
                const int64_t whole_row = ROUND_UP(count, VL);
                const int64_t room = step == count && (depth - c - i) * count >= whole_row ? whole_row : count;
                for (int64_t k = 0; k < count; k += VL) NAME(store_n)(to + at[t] + (c + i) * step + k, *(const vec *)(row + k), room - k);
            }
    }
}

/* Rows of filters of a 1x1 kernel: filters x channels turned round, or as they are. */
static void NAME(pack_points)(int input_grad, const REAL *from, int64_t filters, int64_t depth, int64_t count, REAL *to, int64_t step) {
    if (!input_grad) NAME(transpose)(from, depth, count, depth, to, step);
    for (int64_t c = 0; input_grad && c < depth; c++) memcpy(to + c * step, from + c * filters, count * sizeof(REAL));
}

/* What packing needs: places of the taps, where a block's taps go, rows of filters. */
typedef struct {
    tap_place *place;
    int64_t *at;
    REAL *lanes;
} NAME(pack_scratch);

static NAME(pack_scratch) NAME(pack_scratch_of)(const geometry *s, int input_grad, int64_t depth, int64_t width, tap *storage) {
    const int64_t taps = s->kh * s->kw, phases = operands_of(s, input_grad).phases;
    NAME(pack_scratch) r = {.place = (tap_place *)(storage + taps)};
    r.at = (int64_t *)(r.place + taps);
    r.lanes = (REAL *)ROUND_UP((intptr_t)(r.at + taps), SIMD_BYTES);
    int64_t first = 0;
    for (int64_t f = 0; f < phases; f++) {
        const phase p = make_phase(s, input_grad, f, storage);
        for (int64_t t = 0; t < p.taps; t++) r.place[p.tap[t].index] = (tap_place){first, p.taps, t};
        first += p.taps * depth * width;
    }
    return r;
}

/* Panel u of the filters. */
static void NAME(pack_panel)(const geometry *s, int input_grad, const REAL *w, const filter_layout *l, const operands *o, int64_t u,
                             REAL *packed, const NAME(pack_scratch) *r) {
    const int64_t taps = s->kh * s->kw, group = u / l->panels * l->together, groups = MIN(l->together, s->g - group);
    const int64_t j = u % l->panels * l->width, count = l->kind == WIDE ? MIN(NR, o->columns - j) : o->columns;
    const int filled = groups * count == l->width;
    for (int64_t t = 0; t < taps; t++) {
        const tap_place *p = r->place + t;
        r->at[t] = p->first + (u * p->taps + p->index) * l->depth * l->width;
        if (!filled) memset(packed + r->at[t], 0, l->depth * l->width * sizeof(REAL));
    }
    for (int64_t g = 0; g < groups; g++) {
        const REAL *from = w + weight_index(s, input_grad, group + g, j, 0, 0);
        if (taps == 1) NAME(pack_points)(input_grad, from, o->columns, o->depth, count, packed + r->at[0] + g * l->lanes, l->width);
        else NAME(pack_rows)(s, input_grad, from, o->depth, count, packed + g * l->lanes, r->at, l->width, r->lanes);
    }
}

static void NAME(direct_pack_filters)(const geometry *s, int input_grad, const void *weights, void *to, tap *storage) {
    const REAL *w = weights;
    REAL *packed = to;
    const operands o = operands_of(s, input_grad);
    const filter_layout l = layout_of(&o, s->g, sizeof(REAL));
    for (int64_t f = 0; l.kind == CHANNELS && f < o.phases; f++) {
        const phase p = make_phase(s, input_grad, f, storage);
        for (int64_t i = 0; i < p.taps * l.depth * l.width; i++) {
            const int64_t t = i / (l.depth * l.width), c = i / (VL * l.width) * VL % l.depth + i % VL, j = i / VL % l.width;
            *packed++ = c < o.depth ? w[weight_index(s, input_grad, 0, j, c, p.tap[t].index)] : 0;
        }
    }
    if (l.kind == CHANNELS) return;
    const NAME(pack_scratch) r = NAME(pack_scratch_of)(s, input_grad, l.depth, panels_of(&l, s->g) * l.width, storage);
    for (int64_t u = 0; u < panels_of(&l, s->g); u++) NAME(pack_panel)(s, input_grad, w, &l, &o, u, packed, &r);
}

/* Blocks of at most `most` filters; `planes`: [channel][tap] in place of [tap][channel], taps in the order of the pixels they read. */
static void NAME(direct_pack_pixels)(const geometry *s, int input_grad, int64_t most, int planes, const void *weights, void *to,
                                     tap *storage) {
    REAL *packed = to;
    const operands o = operands_of(s, input_grad);
    const int64_t blocks = blocks_of(o.columns, most), taps = s->kh * s->kw;
    const NAME(pack_scratch) r = NAME(pack_scratch_of)(s, input_grad, o.depth, s->g * o.columns, storage);
    for (int64_t i = 0; i < s->g * blocks; i++) {
        const int64_t g = i / blocks, b = i % blocks, j = o.columns * b / blocks, count = o.columns * (b + 1) / blocks - j;
        const REAL *from = (const REAL *)weights + weight_index(s, input_grad, g, j, 0, 0);
        const int64_t before = (g * o.columns + j) * o.depth; /* elements of a tap in the blocks before */
        for (int64_t t = 0; t < taps; t++) {
            const tap_place *p = r.place + t;
            r.at[t] = planes ? before * taps + (input_grad ? taps - 1 - t : t) * count
                             : p->first + before * p->taps + p->index * o.depth * count;
        }
        if (taps == 1) NAME(pack_points)(input_grad, from, o.columns, o.depth, count, packed + before, count);
        else NAME(pack_rows)(s, input_grad, from, o.depth, count, packed, r.at, planes ? taps * count : count, r.lanes);
    }
}

/* -- filters in the lanes ---------------------------------------------------------------------------------------------- */

typedef struct {
    const geometry *s;
    operands o;
    const REAL *x, *packed, *bias; /* packed: of the phase in work; bias padded as the filters are, or NULL */
    REAL *out;
    int activation;
    REAL slope;
    const REAL *zeros; /* a pixel of them */
    filter_layout layout;
    int rows;      /* tiles_rows */
    int spread;    /* spreads_rows */
    int64_t pitch; /* source_pitch */
    const char *ahead; /* what is read next, to be brought to the second-level cache meanwhile */
    int64_t ahead_bytes, ahead_items; /* how many items of work later an item's share of it is read */
} NAME(direct_job);

/* Consecutive pixels of a block that one call of the kernel computes: the taps that reach any source pixel, for each of them which tap it
 * is and a pointer per pixel, and where the outputs go. Pointers are to the first group's channels. */
typedef struct {
    int64_t count, taps;
    const REAL **rows;
    int32_t *which;
    REAL **out;
} NAME(pixel_tile);

/* Fill a tile with outputs [first, first + count) of phase p. */
static void NAME(point)(const NAME(direct_job) *job, const phase *p, int64_t first, NAME(pixel_tile) *tile) {
    const operands *o = &job->o;
    const int64_t count = tile->count, step = p->step_w * job->pitch;
    int64_t n = first / (p->h * p->w), q = first / p->w % p->h, r = first % p->w, parts = 0;
    struct { /* outputs that lie in one row */
        int64_t end, y, x;
        const REAL *image;
    } part[GEMM_MR];
    for (int64_t i = 0; i < count; r = 0) {
        const int64_t end = MIN(count, i + p->w - r);
        part[parts].end = end, part[parts].y = q * p->step_h, part[parts].x = r * p->step_w;
        part[parts++].image = job->x + n * o->src_h * o->src_w * job->pitch;
        REAL *out = job->out + ((n * o->dst_h + p->y0 + q * p->ys) * o->dst_w + p->x0 + r * p->xs) * o->dst_c;
        for (; i < end; i++, out += p->xs * o->dst_c) tile->out[i] = out;
        if (++q == p->h) q = 0, n++;
    }
    tile->taps = 0;
    for (int64_t t = 0; t < p->taps; t++) {
        const REAL **rows = tile->rows + tile->taps * count;
        int any = 0;
        for (int64_t m = 0, i = 0; m < parts; m++) {
            const int64_t y = part[m].y + p->tap[t].dy, x = part[m].x + p->tap[t].dx, last = x + (part[m].end - 1 - i) * p->step_w;
            const int row = (uint64_t)y < (uint64_t)o->src_h, all = row && x >= 0 && last < o->src_w;
            const REAL *from = part[m].image + (y * o->src_w + x) * job->pitch;
            any |= row && last >= 0 && x < o->src_w;
            if (all)
                for (; i < part[m].end; i++, from += step) rows[i] = from;
            else
                for (int64_t at = x; i < part[m].end; i++, from += step, at += p->step_w)
                    rows[i] = row && (uint64_t)at < (uint64_t)o->src_w ? from : job->zeros;
        }
        /* A tap that reads nothing but padding adds nothing. */
        tile->which[tile->taps] = (int32_t)t;
        tile->taps += any;
    }
}

/* Fill a tile of outputs that lie in one row: `taps` counts the kernel rows that reach the image, for each of which there are its taps
 * from left to right and a pointer per input pixel. */
static void NAME(point_row)(const NAME(direct_job) *job, const phase *p, int64_t first, NAME(pixel_tile) *tile) {
    const operands *o = &job->o;
    const int64_t n = first / (p->h * p->w), q = first / p->w % p->h, r = first % p->w, width = tile->count + ROW_TAPS - 1;
    REAL *out = job->out + ((n * o->dst_h + p->y0 + q * p->ys) * o->dst_w + p->x0 + r * p->xs) * o->dst_c;
    for (int64_t i = 0; i < tile->count; i++, out += p->xs * o->dst_c) tile->out[i] = out;
    tile->taps = 0;
    for (int64_t t = 0; t < p->taps; t += ROW_TAPS) {
        const int64_t y = q * p->step_h + p->tap[t].dy, left = MIN(p->tap[t].dx, p->tap[t + ROW_TAPS - 1].dx), x = r + left;
        if (y < 0 || y >= o->src_h) continue;
        const REAL **rows = tile->rows + tile->taps * width, *image = job->x + (n * o->src_h + y) * o->src_w * job->pitch;
        for (int64_t i = 0; i < width; i++)
            rows[i] = (uint64_t)(x + i) < (uint64_t)o->src_w ? image + (x + i) * job->pitch : job->zeros;
        for (int64_t m = 0; m < ROW_TAPS; m++)
            tile->which[tile->taps * ROW_TAPS + m] = (int32_t)(p->tap[t].dx == left ? t + m : t + ROW_TAPS - 1 - m);
        tile->taps++;
    }
}

/* Panel u of the filters over a tile of pixels. */
static void NAME(filter_tile)(const NAME(direct_job) *job, const NAME(pixel_tile) *t, int64_t taps, int64_t depth, int64_t u) {
    const operands *o = &job->o;
    const filter_layout *l = &job->layout;
    const int64_t g = u / l->panels * l->together, groups = MIN(l->together, job->s->g - g), j = u % l->panels * l->width;
    const int64_t offset = g * depth, column = g * o->columns + j;
    const REAL *b = job->packed + u * taps * depth * l->width, *bias = job->bias;
    const int32_t *which = t->taps == taps ? NULL : t->which;
    if (bias) bias += l->kind == WIDE ? u * l->width : column;
    REAL *out[GEMM_MR];
    for (int64_t m = 0; m < t->count; m++) out[m] = t->out[m] + column;
    const NAME(sink) sink = {out, MIN(NR, groups * o->columns - j), bias, 0, job->activation, job->slope};
    if (job->rows && l->kind == NARROW)
        NAME(narrow_row)((int)t->count, groups, o->columns, t->rows, offset, t->taps, depth, b, t->which, &sink);
    else if (job->rows)
        NAME(bundle_row)((int)t->count, t->rows, offset, t->taps, depth, o->columns, o->src_c - offset, b, t->which, &sink);
    else if (l->kind == WIDE)
        NAME(dot_at)((int)t->count, t->rows, offset, t->taps, depth, b, which, &sink);
    else if (l->kind == CHANNELS)
        NAME(channels)((int)t->count, l->lanes, t->rows, offset, t->taps, depth, b, which, &sink);
    else if (l->kind == NARROW)
        NAME(narrow)((int)t->count, groups, o->columns, t->rows, offset, t->taps, depth, b, which, &sink);
    else
        NAME(bundle)((int)t->count, t->rows, offset, t->taps, depth, o->columns, o->src_c - offset, b, which, &sink);
}

/* Panels [u0, u1) of the filters over tiles of pixels. Filters that fit the first-level cache are all met by one tile, whose outputs then
 * are written together; larger ones are read once for all tiles. Of groups, which share no input, those meet a tile together that
 * fit the second-level cache, since narrow ones share cache lines. */
static void NAME(filter_tiles)(const NAME(direct_job) *job, const NAME(pixel_tile) *tiles, int64_t count, int64_t taps, int64_t depth,
                               int64_t u0, int64_t u1, const char *ahead, int64_t ahead_bytes) {
    const int64_t size = MAX(1, taps * depth * job->layout.width * (int64_t)sizeof(REAL));
    const int64_t together = job->s->g > 1 ? MAX(1, GROUPS_FILTERS / size) : (u1 - u0) * size <= SMALL_FILTERS ? u1 - u0 : 1;
    const int64_t slice = ROUND_UP(CEIL_DIV(ahead_bytes, count * CEIL_DIV(u1 - u0, together)), CACHE_LINE);
    const char *end = ahead + ahead_bytes;
    for (int64_t u = u0; u < u1; u += together)
        for (int64_t i = 0; i < count; i++) {
            ahead = fetch_slice(ahead, MIN(ahead + slice, end));
            for (int64_t q = u; q < MIN(u1, u + together); q++) NAME(filter_tile)(job, tiles + i, taps, depth, q);
        }
}

/* The pixels of a block one after another, far enough apart that they do not fall into one set of the first-level cache. */
static void NAME(spread_rows)(NAME(pixel_tile) *tiles, int64_t count, int64_t depth, REAL *to) {
    for (int64_t i = 0; i < count; i++)
        for (int64_t q = 0; q < tiles[i].count; q++, to += depth + CACHE_LINE / sizeof(REAL)) {
            memcpy(to, tiles[i].rows[q], depth * sizeof(REAL));
            tiles[i].rows[q] = to;
        }
}

/* Pixels [first, last) of a few 1x1 filters, one after another as they lie. */
static void NAME(points_item)(const NAME(direct_job) *job, int64_t first, int64_t last, const char *ahead, int64_t ahead_bytes) {
    const int64_t depth = job->o.depth, filters = job->o.columns, slice = ROUND_UP(CEIL_DIV(ahead_bytes * VL, last - first), CACHE_LINE);
    const char *end = ahead + ahead_bytes;
    for (int64_t i = first; i < last; i += VL) {
        ahead = fetch_slice(ahead, MIN(ahead + slice, end));
        NAME(channel_points)(MIN(VL, last - i), filters, job->x + i * job->pitch, job->pitch, depth, job->packed, job->bias,
                             job->activation, job->slope, job->out + i * filters);
    }
}

/* One item of work: pixels [first, last), panels [u0, u1). */
static void NAME(filters_item)(const NAME(direct_job) *job, const phase *p, int64_t first, int64_t last, int64_t u0, int64_t u1,
                               const char *ahead, int64_t ahead_bytes, char *scratch) {
    if (job->layout.kind == CHANNELS && is_pointwise(job->s)) {
        NAME(points_item)(job, first, last, ahead, ahead_bytes);
        return;
    }
    const int64_t pixels = last - first, room = MAX(1, p->taps), most = tile_count(job->s, &job->layout, pixels, sizeof(REAL));
    NAME(pixel_tile) *tiles = (NAME(pixel_tile) *)aligned_take(&scratch, most * sizeof *tiles);
    const REAL **rows = (const REAL **)aligned_take(&scratch, pixels * room * sizeof(REAL *));
    REAL **out = (REAL **)aligned_take(&scratch, pixels * sizeof(REAL *));
    int32_t *which = (int32_t *)aligned_take(&scratch, most * room * sizeof(int32_t));
    int64_t count = 0;
    const int split = splits_rows(job->s);
    for (int64_t i = first; i < last; count++) {
        /* Even tiles; where many taps read only padding, tiles end where a tap begins or ends to read the image. */
        const int64_t left = job->rows ? MIN(last - i, p->w - i % p->w) : last - i;
        int64_t size = CEIL_DIV(left, blocks_of(left, tile_pixels(&job->layout, sizeof(REAL))));
        if (split) size = MIN(size, run_of_taps(p, job->o.src_w, i % p->w));
        tiles[count] = (NAME(pixel_tile)){size, 0, rows + (i - first) * room, which + count * room, out + (i - first)};
        if (job->rows)
            NAME(point_row)(job, p, i, tiles + count);
        else
            NAME(point)(job, p, i, tiles + count);
        i += size;
    }
    if (job->spread && u1 - u0 > 1) {
        for (int64_t i = 0; i < count; i++)
            if (!tiles[i].taps) /* a pixel of padding alone */
                for (int64_t q = tiles[i].taps = 0; q < tiles[i].count; q++) tiles[i].rows[q] = job->zeros;
        NAME(spread_rows)(tiles, count, job->o.depth, (REAL *)scratch);
    }
    NAME(filter_tiles)(job, tiles, count, p->taps, job->o.depth, u0, u1, ahead, ahead_bytes);
}

static int64_t NAME(filters_scratch)(const geometry *s, int input_grad) {
    const int64_t tile = sizeof(NAME(pixel_tile)), pointer = sizeof(REAL *);
    const operands o = operands_of(s, input_grad);
    const filter_layout l = layout_of(&o, s->g, sizeof(REAL));
    const int64_t pixels = block_pixels(s, o.depth * sizeof(REAL)), most = tile_count(s, &l, pixels, sizeof(REAL)), taps = s->kh * s->kw;
    const int64_t spread = spreads_rows(s, input_grad, sizeof(REAL)) ? pixels * (o.depth * (int64_t)sizeof(REAL) + CACHE_LINE) : 0;
    return most * tile + pixels * (taps + 1) * pointer + most * taps * (int64_t)sizeof(int32_t) + spread + 5 * CACHE_LINE;
}

static void NAME(direct_filters)(NAME(direct_job) *job, int input_grad, tap *storage, char *scratch, int64_t each, int threads) {
    const geometry *s = job->s;
    const operands o = job->o;
    const int64_t panels = panels_of(&job->layout, s->g);
    const REAL *packed = job->packed;
    for (int64_t f = 0; f < o.phases; f++) {
        const phase p = make_phase(s, input_grad, f, storage);
        const int64_t total = s->n * p.h * p.w;
        job->packed = packed;
        packed += panels * p.taps * job->layout.depth * job->layout.width;
        /* `convert_result` knows the rows of zeros. */
        if (!total || (!s->channels_last && input_grad && !reads_row(s, p.y0))) continue;
        const int64_t least = blocks_of(total, block_pixels(s, o.depth * sizeof(REAL)));
        const int64_t blocks = MIN(total, least < 8 * threads ? ROUND_UP(least, threads) : least);
        /* Few pixels: the threads share the filters instead. */
        const int shared = threads > 1 && total / blocks < 2 * GEMM_MR && panels >= threads;
        const int64_t parts = shared ? least : blocks, chunks = shared ? threads : 1;
#pragma omp parallel for num_threads(threads) schedule(dynamic)
        for (int64_t i = 0; i < parts * chunks; i++) {
            const int64_t k = i / chunks, m = i % chunks;
            const int64_t items = o.phases * parts * chunks, item = MIN(items - 1, f * parts * chunks + i + job->ahead_items);
            const int64_t a = job->ahead_bytes / items * item, b = job->ahead_bytes / items * (item + 1);
            NAME(filters_item)(job, &p, total * k / parts, total * (k + 1) / parts, panels * m / chunks, panels * (m + 1) / chunks,
                               job->ahead + a, b - a, scratch + thread_index() * each);
        }
    }
}

/* -- pixels in the lanes ----------------------------------------------------------------------------------------------- */

/* The runs of valid source pixels that tap t contributes to outputs [first, first + count); returns their number. */
static int NAME(find_runs)(const NAME(direct_job) *job, const phase *p, const tap *t, int64_t first, int64_t count, run *runs) {
    const operands *o = &job->o;
    const int64_t step = p->step_w;
    int found = 0;
    int64_t n = first / (p->h * p->w), q = first / p->w % p->h, r = first % p->w;
    /* 0 <= (r + j) step + dx < src_w */
    const int64_t lo = t->dx < 0 ? CEIL_DIV(-t->dx, step) : 0, hi = t->dx < o->src_w ? (o->src_w - 1 - t->dx) / step + 1 : 0;
    for (int64_t i = 0; i < count;) {
        const int64_t end = MIN(count, i + p->w - r), y = q * p->step_h + t->dy;
        if (y >= 0 && y < o->src_h) {
            const int64_t a = MAX(lo - r, 0), b = MIN(hi - r, end - i);
            if (b > a)
                runs[found++] = (run){(n * o->src_c * o->src_h + y) * o->src_w + (r + a) * step + t->dx, (int32_t)(i + a),
                                      (int32_t)(b - a)};
        }
        i = end, r = 0;
        if (++q == p->h) q = 0, n++;
    }
    return found;
}

/* Panels [k0, k1) of one group, of runs of a plane's values and zeros between them. Channel by channel, so that what is read of a plane
 * lies together. */
static void NAME(pack_runs)(const NAME(direct_job) *job, const phase *p, const REAL *x, int64_t k0, int64_t k1, REAL *panels,
                            const run *runs, const int32_t *found) {
    const operands *o = &job->o;
    const int64_t size = p->taps * o->depth * NR, plane = o->src_h * o->src_w;
    for (int64_t c = 0; c < o->depth; c++) {
        const REAL *from = x + c * plane;
        for (int64_t k = k0; k < k1; k++)
            for (int64_t t = 0; t < p->taps; t++) {
                const run *r = runs + (k * p->taps + t) * NR;
                const int32_t parts = found[k * p->taps + t];
                REAL *to = panels + k * size + (t * o->depth + c) * NR;
                if (!parts) continue; /* the tap is left out */
                if (p->step_w == 1 && parts == 1 && r->length == NR) {
                    const vec v0 = NAME(load)(from + r->source), v1 = NAME(load)(from + r->source + VL);
                    *(vec *)to = v0, *(vec *)(to + VL) = v1;
                    continue;
                }
                *(vec *)to = *(vec *)(to + VL) = (vec){0};
                for (int32_t m = 0; m < parts; m++) {
                    const REAL *a = from + r[m].source;
                    REAL *b = to + r[m].first;
                    if (p->step_w > 1) {
                        NAME(every_nth)(a, p->step_w, r[m].length, b);
                        continue;
                    }
                    int32_t i = 0;
                    for (; i + VL <= r[m].length; i += VL) NAME(store)(b + i, NAME(load)(a + i));
                    NAME(store_n)(b + i, NAME(load_n)(a + i, r[m].length - i), r[m].length - i);
                }
            }
    }
}

/* `number` panels of pixels that follow one another, of a 1x1 kernel: a few lines of each plane, which is in pages of its own. */
static void NAME(pack_line)(const REAL *from, int64_t plane, int64_t depth, int64_t number, REAL *panels) {
    for (int64_t c = 0; c < depth; c++, from += plane, panels += NR) {
        for (int64_t i = 0; i < number * NR && c + PLANES_AHEAD < depth; i += CACHE_LINE / sizeof(REAL))
            __builtin_prefetch(from + PLANES_AHEAD * plane + i);
        for (int64_t k = 0; k < number; k++) {
            const vec v0 = NAME(load)(from + k * NR), v1 = NAME(load)(from + k * NR + VL);
            *(vec *)(panels + k * depth * NR) = v0, *(vec *)(panels + k * depth * NR + VL) = v1;
        }
    }
}

/* Patches of outputs [first, first + count) of one group, a panel of NR after another: [tap][channel][NR]. */
static void NAME(pack_panels)(const NAME(direct_job) *job, const phase *p, int64_t group, int64_t first, int64_t count, REAL *panels,
                              run *runs, int32_t *found) {
    const operands *o = &job->o;
    const int64_t number = CEIL_DIV(count, NR), plane = o->src_h * o->src_w;
    const REAL *x = job->x + group * o->depth * plane;
    for (int64_t k = 0; k < number; k++)
        for (int64_t t = 0; t < p->taps; t++)
            found[k * p->taps + t] =
                NAME(find_runs)(job, p, p->tap + t, first + k * NR, MIN(NR, count - k * NR), runs + (k * p->taps + t) * NR);
    if (p->taps > 1 || p->step_w > 1) {
        NAME(pack_runs)(job, p, x, 0, number, panels, runs, found);
        return;
    }
    for (int64_t k = 0, end; k < number; k = end) {
        const int64_t source = runs[k * NR].source;
        for (end = k; end < number && found[end] == 1 && runs[end * NR].length == NR && runs[end * NR].source == source + (end - k) * NR;)
            end++;
        if (end > k) NAME(pack_line)(x + source, plane, o->depth, end - k, panels + k * o->depth * NR);
        else NAME(pack_runs)(job, p, x, k, ++end, panels, runs, found);
    }
}

typedef struct {
    phase p;
    const REAL *packed;
} NAME(column_phase);

typedef struct {
    NAME(column_phase) *columns;
    int64_t across;
    int64_t above, below; /* rows without taps: before the first row of an image, and after every row */
    int streamed;         /* past the caches, where whole cache lines are stored */
} NAME(row_phases);

/* Outputs [first, first + count) of filters [row, row + rows) of a group: straight to NCHW where they are consecutive there, else by way
 * of tiles. `found`: of the taps of all phases. */
static void NAME(pixel_outputs)(const NAME(direct_job) *job, const NAME(row_phases) *phases, int64_t group, int64_t row, int rows,
                                const REAL *panel, const int32_t *found, int64_t first, int64_t count, REAL *tiles,
                                NAME(segment) *segments) {
    const operands *o = &job->o;
    const NAME(column_phase) *columns = phases->columns;
    const phase *p = &columns->p;
    const int64_t plane = o->dst_h * o->dst_w, n = first / (p->h * p->w);
    const int consecutive = p->ys == 1 && p->xs == 1 && (first + count - 1) / (p->h * p->w) == n;
    const int64_t filter = group * o->columns + row;
    for (int64_t x = 0; x < phases->across; x++) {
        REAL *out[GEMM_MR];
        for (int i = 0; i < rows; i++)
            out[i] = consecutive ? job->out + (n * o->dst_c + filter + i) * plane + first - n * plane : tiles + (x * GEMM_MR + i) * NR;
        const NAME(sink) sink = {out, consecutive ? count : NR, job->bias ? job->bias + filter : NULL, 0, job->activation, job->slope};
        const int64_t taps = columns[x].p.taps;
        const REAL *a = columns[x].packed + filter * taps * o->depth;
        int64_t used = 0;
        for (int64_t t = 0; t < taps; t++) {
            if (!found[t]) continue;
            if (t && found[t - 1]) segments[used - 1].length += o->depth;
            else segments[used++] = (NAME(segment)){a + t * o->depth * rows, panel + t * o->depth * NR, o->depth};
        }
        NAME(outer)(rows, segments, used, rows, NR, &sink);
        found += taps, panel += taps * o->depth * NR;
    }
    if (consecutive) return;
    int64_t image = n, q = first / p->w % p->h, r = first % p->w;
    for (int64_t j = 0; j < count;) {
        const int64_t y = p->y0 + q * p->ys, above = q ? 0 : phases->above, below = MIN(phases->below, o->dst_h - y - 1);
        const int64_t length = MIN(count - j, p->w - r), stored = MIN(length * p->xs, o->dst_w - r * p->xs);
        REAL *to = job->out + (image * o->dst_c + filter) * plane + y * o->dst_w + r * p->xs;
        for (int i = 0; i < rows; i++, to += plane) {
            NAME(interleave)(tiles + i * NR + j, GEMM_MR * NR, phases->across, stored, to, phases->streamed);
            for (int64_t z = -above; z <= below; z++)
                if (z) NAME(clear)(to + z * o->dst_w, stored, phases->streamed);
        }
        j += length, r = 0;
        if (++q == p->h) q = 0, image++;
    }
}

/* What a 1x1 kernel reads for outputs [first, first + count) is asked for: channels [c0, c1) of a group. */
static void NAME(fetch_patches)(const NAME(direct_job) *job, const phase *p, int64_t group, int64_t first, int64_t count, int64_t c0,
                                int64_t c1, run *runs) {
    const operands *o = &job->o;
    const int found = NAME(find_runs)(job, p, p->tap, first, count, runs);
    for (int64_t c = c0; c < c1; c++)
        for (int m = 0; m < found; m++) {
            const REAL *from = job->x + (group * o->depth + c) * o->src_h * o->src_w + runs[m].source;
            const int64_t length = (runs[m].length - 1) * p->step_w;
            for (int64_t i = 0; i < length; i += CACHE_LINE / sizeof(REAL)) __builtin_prefetch(from + i, 0, 2);
            __builtin_prefetch(from + length, 0, 2);
        }
}

static int64_t NAME(pixels_scratch)(const geometry *s, int input_grad) {
    const operands o = operands_of(s, input_grad);
    const int64_t taps = s->kh * s->kw, panels = panel_count(taps * o.depth * NR * (int64_t)sizeof(REAL));
    return panels * taps * (o.depth * NR * (int64_t)sizeof(REAL) + NR * (int64_t)sizeof(run) + 4) +
           (phases_across(s, input_grad) * GEMM_MR + 1) * NR * (int64_t)sizeof(REAL) + taps * (int64_t)sizeof(NAME(segment)) +
           5 * CACHE_LINE;
}

static void NAME(direct_pixels)(NAME(direct_job) *job, int input_grad, tap *storage, NAME(column_phase) *columns, char *scratch,
                                int64_t each, int threads) {
    const geometry *s = job->s;
    const operands o = job->o;
    const int64_t rows = blocks_of(o.columns, GEMM_MR), across = phases_across(s, input_grad), pixels = s->n * o.dst_h * o.dst_w;
    NAME(row_phases) phases = {columns, across, 0, 0, input_grad && pixels * o.dst_c * (int64_t)sizeof(REAL) > STREAMED_RESULT};
    const REAL *packed = job->packed;
    int rows_computed = 0;
    for (int64_t f = 0; f < o.phases; f += across) {
        int64_t taps = 0;
        for (int64_t x = 0; x < across; x++) {
            phase *p = &columns[x].p;
            *p = make_phase(s, input_grad, f + x, storage + taps);
            p->w = columns->p.w; /* the first is widest */
            columns[x].packed = packed;
            packed += s->g * o.columns * p->taps * o.depth;
            taps += p->taps;
        }
        /* The taps of all of them. */
        phase p = columns->p;
        p.taps = taps;
        const int64_t total = s->n * p.h * p.w, panels = CEIL_DIV(total, NR), size = taps * o.depth;
        if (!total || !taps) continue;
        if (input_grad) {
            phases.above = rows_computed ? 0 : p.y0;
            for (phases.below = 0; !reads_row(s, p.y0 + phases.below + 1);) phases.below++;
        }
        rows_computed = 1;
        const int64_t least = blocks_of(panels, panel_count(s->kh * s->kw * o.depth * NR * (int64_t)sizeof(REAL)));
        const int64_t blocks = MIN(panels, least < 8 * threads ? ROUND_UP(least, threads) : least);
        const int64_t chunks = blocks * s->g < threads ? MIN(rows, threads) : 1;
#pragma omp parallel for num_threads(threads) schedule(dynamic)
        for (int64_t i = 0; i < blocks * s->g * chunks; i++) {
            const int64_t k = i / (s->g * chunks), g = i / chunks % s->g, m = i % chunks;
            const int64_t p0 = panels * k / blocks, p1 = panels * (k + 1) / blocks;
            char *mine = scratch + thread_index() * each;
            REAL *panel = (REAL *)aligned_take(&mine, (p1 - p0) * size * NR * sizeof(REAL));
            REAL *tiles = (REAL *)aligned_take(&mine, (across * GEMM_MR + 1) * NR * sizeof(REAL));
            NAME(segment) *segments = (NAME(segment) *)aligned_take(&mine, taps * sizeof *segments);
            run *runs = (run *)aligned_take(&mine, (p1 - p0) * taps * NR * sizeof(run));
            int32_t *found = (int32_t *)mine;
            NAME(pack_panels)(job, &p, g, p0 * NR, MIN(total, p1 * NR) - p0 * NR, panel, runs, found);
            /* The hardware finds consecutive values by itself. */
            const int ahead = taps == 1 && s->g == 1 && p.step_w > 1;
            for (int64_t r = rows * m / chunks; r < rows * (m + 1) / chunks; r++) {
                const int64_t row = o.columns * r / rows, count = o.columns * (r + 1) / rows - row;
                for (int64_t q = p0; q < p1; q++) {
                    const int64_t next = (q + p1 - p0) * NR;
                    if (ahead && next < total)
                        NAME(fetch_patches)(job, &p, g, next, MIN(NR, total - next), o.depth * r / rows, o.depth * (r + 1) / rows, runs);
                    NAME(pixel_outputs)(job, &phases, g, row, (int)count, panel + (q - p0) * size * NR, found + (q - p0) * taps, q * NR,
                                        MIN(NR, total - q * NR), tiles, segments);
                }
            }
            if (phases.streamed) stream_fence();
        }
    }
    if (!rows_computed) memset(job->out, 0, pixels * o.dst_c * sizeof(REAL));
}

#include "direct_few.h"
#include "direct_points.h"

/* -- entry ------------------------------------------------------------------------------------------------------------- */

/* Channels-last copies of an image's operands, for filters in the lanes. */
static int64_t NAME(source_bytes)(const geometry *s, int input_grad) {
    const operands o = operands_of(s, input_grad);
    return o.src_h * o.src_w * source_pitch(s, input_grad, sizeof(REAL)) * sizeof(REAL);
}
static int64_t NAME(result_bytes)(const geometry *s, int input_grad) {
    const operands o = operands_of(s, input_grad);
    return o.dst_h * o.dst_w * o.dst_c * sizeof(REAL);
}

/* Images that are computed one chunk after another, so that their copies, or what the phases write in turn, stay in the second-level
 * cache. */
static int64_t NAME(chunk_images)(const geometry *s, int input_grad) {
    if (!copies_source(s, input_grad, sizeof(REAL)) && operands_of(s, input_grad).phases == 1) return s->n;
    return MAX(1, MIN(s->n, CHUNK_BYTES / (NAME(source_bytes)(s, input_grad) + NAME(result_bytes)(s, input_grad))));
}

/* Whether threads take chunks of their own, rather than share each. */
static int NAME(parts_chunks)(const geometry *s, int input_grad, int threads) {
    return threads > 1 && s->n / NAME(chunk_images)(s, input_grad) >= 2 * threads;
}

/* Bytes for one chunk: tap tables, copies, scratch of the threads that share it. */
static int64_t NAME(chunk_bytes)(const geometry *s, int input_grad, int threads) {
    const int64_t images = NAME(chunk_images)(s, input_grad);
    int64_t bytes = ROUND_UP(s->kh * s->kw * (int64_t)sizeof(tap), CACHE_LINE);
    if (copies_source(s, input_grad, sizeof(REAL))) bytes += ROUND_UP(images * NAME(source_bytes)(s, input_grad), CACHE_LINE);
    if (!s->channels_last) bytes += ROUND_UP(images * NAME(result_bytes)(s, input_grad), CACHE_LINE);
    return bytes + threads * ROUND_UP(NAME(filters_scratch)(s, input_grad), CACHE_LINE);
}

/* Copy to channels-last with pixels a pitch apart: source rows that a tap reads. */
static void NAME(copy_source)(const NAME(direct_job) *job, int input_grad, const REAL *x, REAL *copy, int threads) {
    const geometry *s = job->s;
    const operands *o = &job->o;
    const int whole = input_grad || reads_all_rows(s);
    const int64_t src = o->src_h * o->src_w, parts = whole ? 1 : o->src_h, length = src / parts, pitch = job->pitch;
#pragma omp parallel for num_threads(threads) schedule(dynamic) collapse(3)
    for (int64_t n = 0; n < s->n; n++)
        for (int64_t y = 0; y < parts; y++)
            for (int64_t c = 0; c < o->src_c; c += VL) {
                if (!whole && !reads_row(s, y)) continue;
                const int64_t channels = MIN(VL, o->src_c - c), first = n * src + y * length;
                REAL *to = copy + first * pitch + c;
                if (s->channels_last)
                    for (int64_t i = 0; i < length; i++)
                        NAME(store_n)(to + i * pitch, NAME(load_n)(x + (first + i) * o->src_c + c, channels), channels);
                else
                    NAME(transpose)(x + (n * o->src_c + c) * src + y * length, src, channels, length, to, pitch);
            }
}

/* NHWC to NCHW; rows of an input gradient that no tap reads are zero. */
static void NAME(convert_result)(const geometry *s, const operands *o, int input_grad, const REAL *copy, REAL *out, int threads) {
    const int whole = !input_grad || reads_all_rows(s);
    const int64_t dst = o->dst_h * o->dst_w, parts = whole ? 1 : o->dst_h, length = dst / parts;
#pragma omp parallel for num_threads(threads) schedule(dynamic) collapse(3)
    for (int64_t n = 0; n < s->n; n++)
        for (int64_t y = 0; y < parts; y++)
            for (int64_t c = 0; c < o->dst_c; c += VL) {
                REAL *to = out + (n * o->dst_c + c) * dst + y * length;
                const int64_t channels = MIN(VL, o->dst_c - c);
                if (whole || reads_row(s, y))
                    NAME(transpose)(copy + (n * dst + y * length) * o->dst_c + c, o->dst_c, length, channels, to, dst);
                else
                    for (int64_t i = 0; i < channels; i++) memset(to + i * dst, 0, length * sizeof(REAL));
            }
}

/* Images [n0, n1) with filters in the lanes. */
static void NAME(direct_chunk)(const NAME(direct_job) *whole, int input_grad, int64_t n0, int64_t n1, char *workspace, int threads) {
    const operands *o = &whole->o;
    const int64_t src = o->src_h * o->src_w * o->src_c, dst = o->dst_h * o->dst_w * o->dst_c;
    const int64_t scratch = ROUND_UP(NAME(filters_scratch)(whole->s, input_grad), CACHE_LINE);
    geometry s = *whole->s;
    NAME(direct_job) job = *whole;
    s.n = n1 - n0;
    job.s = &s;
    const REAL *x = job.x += n0 * src;
    REAL *out = job.out += n0 * dst;
    tap *storage = (tap *)aligned_take(&workspace, s.kh * s.kw * sizeof(tap));
    const int64_t images = MIN(n1 - n0, whole->s->n - n1);
    if (images) job.ahead = (const char *)(x + (n1 - n0) * src), job.ahead_bytes = images * src * sizeof(REAL);
    else if (!copies_source(&s, input_grad, sizeof(REAL)) && s.n * src * (int64_t)sizeof(REAL) > CHUNK_BYTES)
        job.ahead = (const char *)x, job.ahead_bytes = s.n * src * sizeof(REAL), job.ahead_items = 1;
    if (copies_source(&s, input_grad, sizeof(REAL))) {
        REAL *copy = (REAL *)aligned_take(&workspace, s.n * NAME(source_bytes)(&s, input_grad));
        NAME(copy_source)(&job, input_grad, x, copy, threads);
        job.x = copy;
    }
    if (!s.channels_last) job.out = (REAL *)aligned_take(&workspace, s.n * NAME(result_bytes)(&s, input_grad));
    NAME(direct_filters)(&job, input_grad, storage, workspace, scratch, threads);
    if (!s.channels_last) NAME(convert_result)(&s, o, input_grad, job.out, out, threads);
}

static int64_t NAME(direct_workspace)(const geometry *s, int input_grad, int pixel_lanes, int threads) {
    const operands o = operands_of(s, input_grad);
    int64_t bytes = 0;
    if (!pixel_lanes && has_few_channels(s, input_grad, sizeof(REAL))) {
        const geometry f = few_geometry(s, input_grad);
        return padded_bias_bytes(s, &o, sizeof(REAL)) + ROUND_UP(f.c * f.kh * f.kw * (int64_t)sizeof(int64_t), CACHE_LINE) +
               threads * few_scratch(&f, sizeof(REAL), threads);
    }
    if (pixel_lanes && reads_points(s, input_grad, sizeof(REAL))) return 0;
    if (pixel_lanes) {
        bytes += ROUND_UP(s->kh * s->kw * (int64_t)sizeof(tap), CACHE_LINE);
        bytes += ROUND_UP(phases_across(s, input_grad) * (int64_t)sizeof(NAME(column_phase)), CACHE_LINE);
        return bytes + threads * ROUND_UP(NAME(pixels_scratch)(s, input_grad), CACHE_LINE);
    }
    bytes += ROUND_UP(o.src_c * (int64_t)sizeof(REAL), CACHE_LINE);
    bytes += padded_bias_bytes(s, &o, sizeof(REAL));
    const int parts = NAME(parts_chunks)(s, input_grad, threads);
    return bytes + (parts ? threads : 1) * NAME(chunk_bytes)(s, input_grad, parts ? 1 : threads);
}

static void NAME(direct_run)(const geometry *s, int input_grad, int pixel_lanes, const REAL *x, const REAL *packed, const REAL *bias,
                             int activation, REAL slope, REAL *out, char *workspace, int threads) {
    NAME(direct_job) job = {.s = s, .o = operands_of(s, input_grad), .x = x, .packed = packed, .bias = bias, .out = out,
                            .activation = activation, .slope = slope};
    const operands *o = &job.o;
    if (pixel_lanes && reads_points(s, input_grad, sizeof(REAL))) {
        NAME(direct_points)(&job, threads);
        return;
    }
    if (pixel_lanes) {
        tap *storage = (tap *)aligned_take(&workspace, s->kh * s->kw * sizeof(tap));
        NAME(column_phase) *columns = (NAME(column_phase) *)aligned_take(&workspace, phases_across(s, input_grad) * sizeof *columns);
        const int64_t scratch = ROUND_UP(NAME(pixels_scratch)(s, input_grad), CACHE_LINE);
        NAME(direct_pixels)(&job, input_grad, storage, columns, workspace, scratch, threads);
        return;
    }
    job.layout = layout_of(o, s->g, sizeof(REAL));
    job.rows = tiles_rows(s, &job.layout);
    job.spread = spreads_rows(s, input_grad, sizeof(REAL));
    job.pitch = source_pitch(s, input_grad, sizeof(REAL));
    const int64_t padded = ROUND_UP(o->columns, NR), bias_step = job.layout.kind == WIDE ? padded : o->columns;
    REAL *padded_bias = (REAL *)aligned_take(&workspace, padded_bias_bytes(s, o, sizeof(REAL)));
    if (bias) {
        memset(padded_bias, 0, s->g * padded * sizeof(REAL));
        for (int64_t g = 0; g < s->g; g++) memcpy(padded_bias + g * bias_step, bias + g * o->columns, o->columns * sizeof(REAL));
        job.bias = padded_bias;
    }
    if (has_few_channels(s, input_grad, sizeof(REAL))) {
        const geometry f = few_geometry(s, input_grad);
        job.s = &f;
        if (few_lanes(&f, sizeof(REAL))) job.bias = bias;
        NAME(direct_few)(&job, input_grad, workspace, threads);
        return;
    }
    REAL *zeros = (REAL *)aligned_take(&workspace, o->src_c * sizeof(REAL));
    memset(zeros, 0, o->src_c * sizeof(REAL));
    job.zeros = zeros;
    const int parts = NAME(parts_chunks)(s, input_grad, threads);
    const int64_t chunks = blocks_of(s->n, NAME(chunk_images)(s, input_grad)), each = NAME(chunk_bytes)(s, input_grad, 1);
    if (!parts) {
        for (int64_t i = 0; i < chunks; i++)
            NAME(direct_chunk)(&job, input_grad, s->n * i / chunks, s->n * (i + 1) / chunks, workspace, threads);
        return;
    }
#pragma omp parallel for num_threads(threads) schedule(dynamic)
    for (int64_t i = 0; i < chunks; i++)
        NAME(direct_chunk)(&job, input_grad, s->n * i / chunks, s->n * (i + 1) / chunks, workspace + thread_index() * each, 1);
}
