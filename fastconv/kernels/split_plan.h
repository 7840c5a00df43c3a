/* How split convolution lays out its data; see split.h. */
#ifndef FASTCONV_SPLIT_PLAN_H
#define FASTCONV_SPLIT_PLAN_H

#include "padded_rows.h"
#include "strips.h"
#include "taps.h"

enum { SPLIT_FORWARD, SPLIT_INPUT_GRAD, SPLIT_WEIGHT_GRAD };

enum {
    SPLIT_STRIP_BYTES = 1024 * 1024, /* of bfloat16 parts in a strip, so that they and a panel of weights stay in the second-level cache */
    SPLIT_SHORT_BYTES = 192 * 1024,  /* the same where rows are split once only and what is read of weights again and again is little */
    SPLIT_WEIGHT_BYTES = 512 * 1024, /* of all panels, up to which they are read again for every block of pixels; */
    SPLIT_FAR_BYTES = 6 << 20,       /* and from which on they come from beyond the second-level cache for every strip, */
    SPLIT_LONG_BYTES = 2 << 20,      /* for which strips of so many bytes are better, though they do not stay there either; */
    SPLIT_PANEL_BYTES = 512 * 1024,  /* of one panel, from which on channels-last strips are multiplied in passes, some channels in each, */
    SPLIT_PASS_BYTES = 1408 * 1024,  /* whose parts of so many bytes stay there, */
    SPLIT_PASS_PIXELS = 128,         /* if there are more outputs than this for a panel to be read from beyond that cache meanwhile */
    SPLIT_PAIR_BYTES = 768 * 1024,   /* of the weight gradient's pairs of pixels, which stay there while gradients of all filters pass; */
    SPLIT_SUM_BYTES = 512 * 1024,    /* and of its sums, up to which they stay there from strip to strip */
    SPLIT_APART_BYTES = 768 * 1024,  /* of sums of the weight gradient, up to which each thread has its own; */
    SPLIT_APART_PIXELS = 512,        /* and pixels for each, from which on adding the sums takes little of the time of making them; */
    SPLIT_BLOCKS_EACH = 8,           /* and blocks of more sums, which are even shares without cutting one */
    SPLIT_PANEL = 2 * TILE,          /* filters of a panel of weights */
    SPLIT_BLOCK = 2 * TILE,          /* pixels of a register tile */
    SPLIT_LEAST_ASIDE = 3 * SPLIT_BLOCK / 4, /* images that fill the rows of a block well enough */
    MOST_SHARING = 4,                /* phases that are computed from one strip */
    MOST_HIGH = 8,                   /* taps in a column of patches that overlap */
    MOST_PIECES = 5                  /* of a patch, per tap: it has at most 96 values there, see takes_patches */
};

/* Values of one product of a patch that lie together: with these lanes, `from` values behind those of the first row and column. */
typedef struct {
    int64_t from;
    uint32_t lanes;
    int32_t step;
} patch_piece;

/* Lanes of a vector of patches that overlap: where in each row of values the bytes come from, and whose they are. */
typedef struct {
    __m512i from;
    uint64_t of_row[MOST_HIGH];
    int64_t columns; /* up to the next vector, of the values of one row */
} patch_lanes;

/* One phase (taps.h), and the strips its outputs are computed in. A strip is some rows of an image, or some whole images.
 *
 * planes:  the source is split into zero-padded planes of 32 channels, one for every remainder of its pixels modulo the step that a tap
 *          reads; there, output pixel m finds each tap at a fixed distance from pixel m, with m counted over padded rows and images. Zeros
 *          between rows, and between images, serve both sides.
 * aside:   planes without zeros, of 32 images whose pixels lie side by side: a block of tile rows is one pixel of each, and taps that find
 *          no pixel there are left out; see split_aside.h.
 * patches: the values under the kernel are brought together for every output pixel, for sources of few channels. Patches of neighbours
 *          may overlap: the source pixels under a column of taps lie together, and a patch is as many such columns as there are taps in a
 *          row. A tile row is a patch, wherever it begins. */
typedef struct {
    operands o;
    phase p;
    int products, parts, patches;
    int64_t bundle, groups;      /* groups that are computed as one, with weights of zero between them; so many times */
    int channels_last, lanes;    /* the data; whether its pixels are in the lanes of the tiles */
    int zeros;                   /* whether NCHW outputs of the only phase that has taps are every second of a row, stored with zeros */
    int64_t chunks, steps;       /* planes of 32 channels (planes); products of 32 terms */
    int64_t planes;              /* remainders that taps read */
    int64_t least_y, least_x;    /* least offset of a tap: in steps (planes) or source pixels (patches) */
    int64_t span_y, span_x;      /* largest offset less the least */
    int64_t high, overlap;       /* patches that overlap: taps in a column; values from patch to patch, 0: they do not; */
    int64_t overlap_pitch;       /* patches from row to row */
    int64_t pitch, image_rows;   /* pixels from row to row; rows from image to image */
    int64_t aside;               /* images whose pixels lie side by side; 0: none */
    int64_t held_rows;           /* of these, rows of a plane: row u is at u modulo so many, for the weight gradient from a strip's first */
    int64_t h;                   /* output rows, of the phase that has the most if they share */
    int64_t rows, images;        /* output rows of a strip, of `images` images, at most */
    strip_cut cut;               /* into strips, of images or sets of those side by side; */
    int64_t strips;              /* so many */
    int64_t kinds;               /* weight gradient: of pairs of pixels */
    int apart;                   /* weight gradient: every thread has strips and sums of its own; */
    int at_once;                 /* or those of all taps of some blocks, which it stores as soon as they are complete */
    int64_t result_bytes;        /* of all outputs */
    int64_t pixels;              /* outputs of the phase, of one filter */
    int64_t plane;               /* pixels of a plane, or of patches, with those behind the last row that tiles reach */
    int64_t behind;              /* of which so many are read as zeros */
    int64_t compact_x, compact_y, compact_images; /* patches: values per row, rows, and images of what they are taken from */
    int32_t *slot, *slot_y, *slot_x; /* plane of each tap; remainders of each plane */
    patch_piece *piece;              /* channels-last patches: of taps that lie side by side, in the order of steps */
    int64_t pieces;
} split_plan;

/* Channels of a whole product are mostly zeros: patches have less to multiply. */
static int takes_patches(int64_t depth, int64_t taps) {
    return taps > 1 && 4 * ROUND_UP(depth * taps, TERMS) <= 3 * taps * ROUND_UP(depth, TERMS);
}

/* Narrow groups side by side fill a product, which takes no longer for the zeros between them. */
static int64_t bundled_groups(int64_t groups, int64_t depth, int64_t columns) {
    int64_t bundle = MIN(groups, TERMS / MAX(depth, columns));
    while (bundle > 1 && groups % bundle) bundle--;
    return MAX(1, bundle);
}

static int64_t split_tables_bytes(const geometry *s) {
    const int64_t taps = s->kh * s->kw;
    return ROUND_UP(taps * (int64_t)sizeof(tap), CACHE_LINE) + 3 * ROUND_UP(taps * (int64_t)sizeof(int32_t), CACHE_LINE) +
           ROUND_UP(MOST_PIECES * taps * (int64_t)sizeof(patch_piece), CACHE_LINE);
}

/* Bytes of the weights of all panels. */
INLINE int64_t phase_weight_bytes(const split_plan *q) {
    return CEIL_DIV(q->o.columns, SPLIT_PANEL) * q->steps * q->parts * 2 * TILE_BYTES;
}

/* Whether they stay in the second-level cache and are read again for every block of pixels. */
INLINE int reads_weights_again(const split_plan *q) { return q->channels_last && phase_weight_bytes(q) <= SPLIT_WEIGHT_BYTES; }

/* In how many passes strips are multiplied, some planes of 32 channels in each, as all of them and a panel of their weights would not stay
 * in the second-level cache. */
INLINE int64_t passes_of(const split_plan *q) {
    if (!q->channels_last || q->patches || q->aside || reads_weights_again(q) || q->pixels <= SPLIT_PASS_PIXELS) return 1;
    return MIN(q->chunks, CEIL_DIV(q->steps * q->parts * 2 * TILE_BYTES, SPLIT_PANEL_BYTES));
}

/* How many phases of an input gradient have their strips in common: one plane of the output's gradient holds what all of them read. */
static int64_t sharing_phases(const geometry *s, int direction) {
    const operands o = operands_of(s, direction == SPLIT_INPUT_GRAD);
    const int64_t depth = o.depth * bundled_groups(s->g, o.depth, o.columns);
    const int planes_only = 4 * depth > 3 * ROUND_UP(depth, TERMS); /* see takes_patches */
    return planes_only && o.phases <= MOST_SHARING ? o.phases : 1;
}

/* Outputs along an axis for which a tap finds a pixel: [first, last). */
typedef struct {
    int64_t first, last;
} output_range;

INLINE output_range outputs_of_tap(int64_t outputs, int64_t offset, int64_t step, int64_t pixels) {
    const int64_t first = MAX(0, -floor_div(offset, step)), last = MIN(outputs, floor_div(pixels - 1 - offset, step) + 1);
    return (output_range){first, MAX(first, last)};
}

/* Pairs of an output pixel and a tap that find a pixel, of one image. */
static int64_t pixels_under_taps(const operands *o, const phase *p) {
    int64_t all = 0;
    for (int64_t i = 0; i < p->taps; i++) {
        const output_range y = outputs_of_tap(p->h, p->tap[i].dy, p->step_h, o->src_h);
        const output_range x = outputs_of_tap(p->w, p->tap[i].dx, p->step_w, o->src_w);
        all += (y.last - y.first) * (x.last - x.first);
    }
    return all;
}

/* Whether images side by side leave less to multiply: no rows of zeros between images, and no products with them, but places of images
 * that are missing; by so much that it pays for rows of the data being short. `pixel_bytes`: of all parts. What is so for one phase of
 * those that share strips is so for all. */
static int lies_aside(const geometry *s, int direction, const split_plan *q, int64_t pixel_bytes) {
    const int64_t whole = ROUND_UP(s->n, SPLIT_BLOCK), used = s->n - (whole - SPLIT_BLOCK);
    const int64_t least_bytes = (1 + q->span_y) * CEIL_DIV(q->o.src_w, q->p.step_w) * SPLIT_BLOCK * pixel_bytes;
    const int weight = direction == SPLIT_WEIGHT_GRAD;
    if (q->patches || (q->lanes && !weight) || s->kh * s->kw == 1 || s->n == 0 || used < SPLIT_LEAST_ASIDE) return 0;
    if (q->o.phases > 1 && sharing_phases(s, direction) == 1) return 0;
    if (least_bytes > 3 * SPLIT_STRIP_BYTES / 2) return 0;
    int64_t rows = 0, columns = 0; /* the same pairs of input and output in each direction */
    for (int64_t i = 0; i < s->kh; i++) {
        const output_range r = outputs_of_tap(s->oh, i * s->dh - s->pt, s->sh, s->h);
        rows += r.last - r.first;
    }
    for (int64_t i = 0; i < s->kw; i++) {
        const output_range r = outputs_of_tap(s->ow, i * s->dw - s->pl, s->sw, s->w);
        columns += r.last - r.first;
    }
    return 10 * s->n * q->pitch * q->image_rows * s->kh * s->kw >= 14 * whole * rows * columns;
}

/* Pixels from an output to what a tap reads. */
INLINE int64_t tap_distance(const split_plan *q, int64_t index) {
    const tap *t = q->p.tap + index;
    return (floor_div(t->dy, q->p.step_h) - q->least_y) * q->pitch + floor_div(t->dx, q->p.step_w) - q->least_x;
}

/* 2 if some tap begins at an odd pixel, so that pairs of both kinds are needed. */
static int64_t pair_kinds(const split_plan *q) {
    for (int64_t i = 0; i < q->p.taps && !q->patches; i++)
        if (tap_distance(q, i) % 2) return 2;
    return 1;
}

/* Bytes of a strip of the weight gradient. Either all of it stays in the second-level cache, and the sums come and go with each strip; or
 * strips are large, and a block of channels after the other stays there. What takes fewer bytes from beyond that cache is better. */
static int64_t weight_strip_bytes(const split_plan *q, int64_t pixel_pairs, int64_t pixel_gradients, int64_t pixels) {
    const int64_t pixel = pixel_pairs + pixel_gradients, sums = q->o.columns * q->o.depth * q->p.taps * (int64_t)sizeof(float);
    const int64_t of_block = pixel_pairs / (q->patches ? 1 : q->chunks) + pixel_gradients / CEIL_DIV(q->o.columns, SPLIT_PANEL);
    const int64_t large = MAX(SPLIT_STRIP_BYTES, SPLIT_STRIP_BYTES / of_block * pixel);
    const int64_t small_cost = sums > SPLIT_SUM_BYTES ? 2 * sums * CEIL_DIV(pixels * pixel, SPLIT_STRIP_BYTES) : 0;
    return small_cost <= 2 * pixels * pixel + 2 * sums * CEIL_DIV(pixels * pixel, large) ? SPLIT_STRIP_BYTES : large;
}

/* Channels-last patches overlap where the taps of a row read pixels that lie side by side, and where that takes less time than bringing
 * each patch together by itself. The taps are put in order column by column then. */
static void overlap_patches(split_plan *q) {
    phase *p = &q->p;
    int64_t wide = 1;
    while (wide < p->taps && p->tap[wide].dy == p->tap->dy && p->tap[wide].dx == p->tap[wide - 1].dx + 1) wide++;
    const int64_t high = p->taps / wide, column = high * q->o.depth;
    if (high > MOST_HIGH || (wide < p->taps && p->tap[wide].dy == p->tap->dy)) return;
    if ((CEIL_DIV(TERMS - 1, column) + 1) * q->o.depth > TERMS) return;
    /* Cycles for a pixel and part, in 80ths: to put values in order, and to load tile rows that reach into a second cache line, for which
     * half a cycle more is reckoned; or to bring patches together piece by piece. */
    const int64_t overlap = column * p->step_w, panels = CEIL_DIV(q->o.columns, SPLIT_PANEL), pieces = high + q->steps - 1;
    if (5 * high * overlap + 40 * q->steps * panels > 104 * (pieces + q->steps)) return;
    q->high = high, q->overlap = overlap;
    q->overlap_pitch = p->w + CEIL_DIV(MAX(0, wide - p->step_w), p->step_w);
    const tap *rows = memcpy(q->piece, p->tap, p->taps * sizeof(tap));
    for (int64_t i = 0; i < p->taps; i++) p->tap[i] = rows[i % high * wide + i / high];
}

/* The strips, of `images` at most where they are whole ones: the same for all phases that share them, whose taps `taps` are. `pixel_bytes`:
 * of all parts. */
static strip_cut cut_split(const split_plan *q, int weight, int64_t batch, int64_t images, int64_t taps, int64_t pixel_bytes, int threads) {
    const int64_t panels = CEIL_DIV(q->o.columns, SPLIT_PANEL), steps = q->patches ? q->steps : q->chunks * taps;
    const int slow = q->p.step_w > 1 || (!q->channels_last && !q->lanes); /* to split: by pieces of lines */
    const strip_amounts amounts = {
        .batch = batch, .groups = weight ? 1 : q->groups, .height = q->h, .image_rows = q->image_rows, .span = q->patches ? 0 : q->span_y,
        .pitch = q->pitch, .lines = (1 + slow) * pixel_bytes / CACHE_LINE, .products = 2 * panels * steps * q->products, .panels = panels,
        .weights = panels * steps * q->parts * 2 * TILE_BYTES / CACHE_LINE,
        .filters = q->channels_last ? 0 : q->o.columns, .pixels = q->channels_last ? q->pitch : 0};
    return cut_strips(&amounts, images, CEIL_DIV(q->h, q->rows), weight || q->aside, threads);
}

/* `tables`: split_tables_bytes. */
static split_plan plan_split(const geometry *s, int direction, int products, int64_t index, int threads, char *tables) {
    const int parts = parts_of(products), team = threads;
    const int64_t most_taps = s->kh * s->kw, backward = direction == SPLIT_INPUT_GRAD, weight = direction == SPLIT_WEIGHT_GRAD;
    split_plan q = {.o = operands_of(s, backward), .products = products, .parts = parts, .channels_last = (int)s->channels_last};
    q.result_bytes = s->n * q.o.dst_h * q.o.dst_w * q.o.dst_c * (int64_t)sizeof(float);
    tap *taps = (tap *)aligned_take(&tables, most_taps * sizeof(tap));
    q.slot = (int32_t *)aligned_take(&tables, most_taps * sizeof(int32_t));
    q.slot_y = (int32_t *)aligned_take(&tables, most_taps * sizeof(int32_t));
    q.slot_x = (int32_t *)aligned_take(&tables, most_taps * sizeof(int32_t));
    q.piece = (patch_piece *)aligned_take(&tables, MOST_PIECES * most_taps * sizeof(patch_piece));
    q.p = make_phase(s, backward, index, taps);
    phase *p = &q.p;
    if (p->taps == 0 || p->h == 0 || p->w == 0) return q;
    for (int64_t i = 0; backward && i < p->taps / 2; i++) { /* from left to right, as the source lies */
        const tap t = taps[i];
        taps[i] = taps[p->taps - 1 - i], taps[p->taps - 1 - i] = t;
    }
    q.pixels = s->n * p->h * p->w;
    q.bundle = weight ? 1 : bundled_groups(s->g, q.o.depth, q.o.columns);
    q.groups = s->g / q.bundle;
    q.o.depth *= q.bundle, q.o.columns *= q.bundle;
    q.patches = takes_patches(q.o.depth, p->taps);
    q.chunks = CEIL_DIV(q.o.depth, TERMS);
    q.steps = q.patches ? CEIL_DIV(q.o.depth * p->taps, TERMS) : q.chunks * p->taps;
    if (q.patches && q.channels_last && !weight) overlap_patches(&q);

    const int64_t unit_y = q.patches ? 1 : p->step_h, unit_x = q.patches ? 1 : p->step_w;
    int64_t most_y = INT64_MIN, most_x = INT64_MIN, held_y = 0, held_x = 0;
    q.least_y = q.least_x = INT64_MAX;
    for (int64_t i = 0; i < p->taps; i++) {
        const int64_t y = floor_div(taps[i].dy, unit_y), x = floor_div(taps[i].dx, unit_x);
        const int32_t ry = (int32_t)(taps[i].dy - y * unit_y), rx = (int32_t)(taps[i].dx - x * unit_x);
        q.least_y = MIN(q.least_y, y), most_y = MAX(most_y, y);
        q.least_x = MIN(q.least_x, x), most_x = MAX(most_x, x);
        int32_t j = 0;
        while (j < q.planes && !(q.slot_y[j] == ry && q.slot_x[j] == rx)) j++;
        if (j == q.planes) q.slot_y[j] = ry, q.slot_x[j] = rx, q.planes++;
        q.slot[i] = j;
        held_y = MAX(held_y, CEIL_DIV(q.o.src_h - ry, unit_y)), held_x = MAX(held_x, CEIL_DIV(q.o.src_w - rx, unit_x));
    }
    const int sharing = backward && sharing_phases(s, direction) > 1;
    if (sharing) { /* the taps of all phases */
        q.least_y = -floor_div((s->kh - 1) * s->dh - s->pt, s->sh), most_y = -floor_div(-s->pt, s->sh);
        q.least_x = -floor_div((s->kw - 1) * s->dw - s->pl, s->sw), most_x = -floor_div(-s->pl, s->sw);
    }
    const int64_t w = sharing ? CEIL_DIV(s->w, s->sw) : p->w;
    q.h = sharing ? CEIL_DIV(s->h, s->sh) : p->h;
    q.span_y = most_y - q.least_y, q.span_x = most_x - q.least_x;
    /* Lanes have to begin where cache lines do, or loading a tile takes twice as long. */
    q.lanes = weight || (!q.channels_last && (q.patches || (q.span_y == 0 && q.span_x == 0)));
    q.zeros = backward && q.lanes && most_taps == 1 && p->xs == 2 && p->y0 == 0 && p->x0 == 0;
    q.pitch = q.patches ? w : shared_pitch(w, q.least_x, q.span_x, held_x);
    if (q.overlap && w % TILE) q.pitch = q.overlap_pitch; /* else every tile is of one row */
    q.image_rows = q.patches ? q.h : shared_pitch(q.h, q.least_y, q.span_y, held_y);

    int64_t pixel_bytes = (q.patches ? q.steps : q.planes * q.chunks) * parts * TILE_ROW;
    if (q.overlap) pixel_bytes = q.overlap * parts * (int64_t)sizeof(uint16_t);
    const int brief = q.patches || (q.span_y == 0 && reads_weights_again(&q) && !sharing);
    int64_t budget = brief ? (1 + q.lanes) * SPLIT_SHORT_BYTES : SPLIT_STRIP_BYTES;
    q.aside = lies_aside(s, direction, &q, pixel_bytes) ? SPLIT_BLOCK : 0;
    const int64_t strip_taps = sharing ? most_taps : p->taps; /* the strips of all phases that share them are the same */
    if (!q.aside && phase_weight_bytes(&q) / p->taps * strip_taps > SPLIT_FAR_BYTES) budget = SPLIT_LONG_BYTES;
    if (passes_of(&q) > 1 && !sharing && !weight) budget = passes_of(&q) * SPLIT_PASS_BYTES;
    if (q.aside) q.pitch = CEIL_DIV(q.o.src_w, unit_x), q.image_rows = CEIL_DIV(q.o.src_h, unit_y);
    if (weight) {
        const int64_t gradients = ROUND_UP(q.o.columns, SPLIT_PANEL) * parts * 2;
        q.kinds = q.aside ? 1 : pair_kinds(&q);
        pixel_bytes *= q.kinds;
        budget = weight_strip_bytes(&q, pixel_bytes, gradients, s->n * q.h * q.pitch);
        pixel_bytes += gradients;
    }
    const int64_t row_bytes = pixel_bytes * q.pitch;
    /* Rows that strips share are split again for each: there are more of the others. */
    const int64_t shared = q.patches || weight ? 0 : q.span_y;
    q.rows = MIN(q.h, MAX(MAX(1, 2 * shared), budget / row_bytes - shared));
    if (q.aside) { /* rows that strips share stay there */
        q.rows = MIN(q.h, MAX(1, budget / (row_bytes * q.aside) - q.span_y));
        if (q.rows + q.span_y >= q.image_rows) q.rows = q.h;
    }
    if (weight) {
        const int64_t terms = q.patches ? q.o.depth * p->taps : q.o.depth, taps_apart = q.patches ? 1 : p->taps;
        const int64_t tiles = CEIL_DIV(q.o.columns, SPLIT_PANEL) * CEIL_DIV(terms, SPLIT_PANEL) * taps_apart;
        q.apart = threads > 1 && (tiles * 4 * TILE_BYTES <= SPLIT_APART_BYTES || q.pixels >= SPLIT_APART_PIXELS * threads);
        if (!q.apart) threads = 1; /* they share each strip */
    }
    const int64_t batch = CEIL_DIV(s->n, MAX(1, q.aside)), images = q.aside ? 1 : MAX(1, budget / (row_bytes * q.image_rows));
    q.cut = cut_split(&q, weight, batch, images, strip_taps, pixel_bytes, threads);
    q.rows = CEIL_DIV(q.h, q.cut.pieces);
    q.images = q.aside ? q.aside : CEIL_DIV(MAX(1, s->n), MAX(1, q.cut.sets));
    q.strips = q.cut.sets * q.cut.pieces;
    q.apart = q.apart && q.strips >= threads;
    const int64_t blocks = CEIL_DIV(q.o.columns, SPLIT_PANEL) * CEIL_DIV(q.o.depth, SPLIT_PANEL);
    q.at_once = weight && !q.apart && !q.patches && s->n > 0 && blocks * p->taps * 4 * TILE_BYTES > SPLIT_SUM_BYTES &&
                blocks >= SPLIT_BLOCKS_EACH * team;
    if (q.aside) {
        q.held_rows = MIN(q.image_rows, q.rows + q.span_y);
        q.plane = q.held_rows * q.pitch * q.aside;
        return q;
    }

    const int64_t all_rows = q.patches ? q.images * q.rows : (q.images - 1) * q.image_rows + q.rows + q.span_y;
    q.behind = q.patches ? 0 : w + q.span_x - q.pitch;
    q.plane = all_rows * (q.overlap ? q.overlap_pitch : q.pitch) + ROUND_UP(q.behind + SPLIT_BLOCK, TILE);
    if (q.lanes) { /* an odd number of cache lines, so that the rows of a tile fall into different sets of the first-level cache */
        const int64_t line = CACHE_LINE / (weight ? 2 : 4);
        q.plane = ROUND_UP(q.plane, line);
        q.plane += q.plane / line % 2 ? 0 : line;
        if (weight) q.behind = q.plane - all_rows * q.pitch;
    }
    if (q.patches) {
        q.compact_images = weight ? q.images : 1;
        q.compact_y = (q.rows - 1) * p->step_h + q.span_y + 1;
        q.compact_x = q.overlap ? q.overlap_pitch * p->step_w : (p->w - 1) * p->step_w + q.span_x + 1;
        q.compact_x = q.lanes ? ROUND_UP(q.compact_x, p->step_w) : q.compact_x * q.o.depth;
        for (int64_t i = 0, together; i < p->taps && !q.lanes && !q.overlap; i += together) {
            const tap *t = taps + i;
            for (together = 1; i + together < p->taps; together++)
                if (t[together].dy != t->dy || t[together].dx != t->dx + together) break;
            const int64_t from = (t->dy - q.least_y) * q.compact_x + (t->dx - q.least_x) * q.o.depth;
            const int64_t begin = i * q.o.depth, end = begin + together * q.o.depth;
            for (int64_t e = begin; e < end; e = ROUND_UP(e + 1, TERMS)) {
                const int64_t lane = e % TERMS, count = MIN(TERMS - lane, end - e);
                q.piece[q.pieces++] = (patch_piece){from + e - begin - lane, (uint32_t)((((uint64_t)1 << count) - 1) << lane),
                                                    (int32_t)(e / TERMS)};
            }
        }
    }
    return q;
}

/* Rows of a plane, at most. */
static int64_t split_plane_rows(const split_plan *q) { return q->images * (q->rows + q->span_y); }

/* Where among patches that overlap the one of a tile pixel is. */
INLINE int64_t overlap_place(const split_plan *q, int64_t m) {
    if (q->pitch == q->overlap_pitch) return m;
    const uint32_t row = (uint32_t)m / (uint32_t)q->pitch;
    return m + row * (q->overlap_pitch - q->pitch);
}

/* Bytes from part to part of patches that overlap: behind the last, tiles reach a block further, and vectors are stored whole. */
INLINE int64_t overlap_bytes(const split_plan *q) { return ROUND_UP(2 * q->plane * q->overlap, CACHE_LINE) + 2 * q->steps * TILE_ROW; }

/* Bytes of the parts of a strip. */
static int64_t split_strip_bytes(const split_plan *q) {
    if (q->overlap) return q->parts * overlap_bytes(q);
    return (q->patches ? q->steps : q->planes * q->chunks) * q->parts * q->plane * TILE_ROW + 2 * TILE_ROW;
}

/* Values, of each part, of the rows of an image that patches are taken from; of the images that are held, all for the weight gradient, and
 * those behind the last that are read with it. */
INLINE int64_t compact_image_values(const split_plan *q) { return q->compact_y * q->compact_x * (q->lanes ? q->o.depth : 1); }
static int64_t split_compact_values(const split_plan *q) {
    return q->patches ? compact_image_values(q) * q->compact_images + 2 * TERMS : 0;
}

/* Whether the columns of images side by side are taken apart, even and odd ones, before they are split: rows of both are too short to fill
 * vectors. */
INLINE int takes_columns_apart(const split_plan *q) { return q->aside && !q->channels_last && q->p.step_w == 2; }

/* So many pixels of several images at least are turned together. */
enum { APART_PIXELS = 2 * TILE };

/* Floats of the even or odd columns of a channel's rows, and behind them. */
INLINE int64_t apart_floats(const split_plan *q) { return ROUND_UP(q->held_rows * q->pitch, TILE) + APART_PIXELS + TILE; }

/* Floats of source rows whose pixels are taken apart by their remainder: one row, or those of 32 channels; or lanes of patches that
 * overlap. */
static int64_t split_row_floats(const split_plan *q) {
    if (q->overlap) return q->high * q->o.depth * (int64_t)(sizeof(patch_lanes) / sizeof(float));
    if (takes_columns_apart(q)) return 2 * TERMS * apart_floats(q);
    return q->lanes && q->patches ? 2 * (q->compact_x + 2 * TILE) : 0;
}

#endif
