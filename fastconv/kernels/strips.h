/* Strips of a batch, rows of an image or whole images that are split and multiplied together, and how threads share them. */
#ifndef FASTCONV_STRIPS_H
#define FASTCONV_STRIPS_H

#include "tiles.h"

/* Images [n0, n0 + images), output rows [y0, y0 + rows) of each. */
typedef struct {
    int64_t n0, images, y0, rows;
} strip_extent;

/* The batch is cut into `sets` of images, and these into `pieces` of rows; they differ by one at most. */
typedef struct {
    int64_t sets, pieces;
} strip_cut;

INLINE strip_extent strip_at(int64_t index, int64_t batch, int64_t height, strip_cut cut) {
    const int64_t set = index / cut.pieces, piece = index % cut.pieces;
    strip_extent e = {.n0 = batch * set / cut.sets, .y0 = height * piece / cut.pieces};
    e.images = batch * (set + 1) / cut.sets - e.n0, e.rows = height * (piece + 1) / cut.pieces - e.y0;
    return e;
}

/* Strips that are no even share for all threads are multiplied by `filters` threads each, with some of the filters: as many shares of each
 * strip. Every thread splits the source of those it works on; `split`: strips that are split, by all threads. */
typedef struct {
    int64_t filters, shares, split;
} strip_sharing;

/* `panels` of filters. */
INLINE strip_sharing sharing_of(int64_t strips, int64_t panels, int threads) {
    strip_sharing s = {.filters = strips % threads ? MIN(threads, panels) : 1};
    s.shares = strips * s.filters;
    s.split = threads * CEIL_DIV(CEIL_DIV(s.shares, threads), s.filters);
    return s;
}

/* Panels [first, last) of a strip; `begins`: the thread whose shares begin with `begin` comes to the strip. */
typedef struct {
    int64_t strip, first, last;
    int begins;
} strip_share;

INLINE strip_share share_at(const strip_sharing *s, int64_t panels, int64_t index, int64_t begin) {
    strip_share of = {.strip = index / s->filters, .begins = index == begin || index % s->filters == 0};
    share(panels, (int)(index % s->filters), (int)s->filters, &of.first, &of.last);
    return of;
}

/* What there is to do for strips. */
typedef struct {
    int64_t batch, groups;            /* images, or sets of those that stay together; each group has strips of its own */
    int64_t height, image_rows, span; /* output rows; from image to image of a strip; rows of the source beyond those of the output */
    int64_t pitch, lines, products;   /* tile pixels of a row; for each, cache lines of parts; for 16, tile products */
    int64_t panels, weights;          /* of filters; cache lines of all */
    int64_t filters, pixels;          /* of the results of a row: filters, whose rows lie apart (NCHW); or pixels, whose filters do */
} strip_amounts;

/* About what a thread takes for its share, in times of splitting a cache line. Measured on Emerald Rapids: 3 for a tile product with its
 * loads; a sixteenth for a line of weights, which products hide for the most part; 16 for one of results that two threads store to: NCHW
 * ones of two strips, or of channels-last ones two for a pixel, if they share filters and pixels do not begin with a line. */
static int64_t time_of_share(const strip_amounts *a, strip_cut cut, int threads) {
    const int64_t strips = a->groups * cut.sets * cut.pieces, before = (CEIL_DIV(a->batch, cut.sets) - 1) * a->image_rows;
    const int64_t rows = before + CEIL_DIV(a->height, cut.pieces);
    const strip_sharing s = sharing_of(strips, a->panels, threads);
    const int64_t split = (rows + a->span) * a->pitch * a->lines, products = CEIL_DIV(rows * a->pitch, TILE) * a->products;
    const int64_t between = (cut.pieces > 1 ? a->filters : 0) + (s.filters > 1 ? s.filters * rows * a->pixels : 0);
    return s.split * split / threads + CEIL_DIV(s.shares, threads) * (3 * products + a->weights / 16 + 16 * between) / s.filters;
}

/* The least number of pieces, not below `pieces`, that `times` as many are even shares for all threads. */
static int64_t even_pieces(int64_t pieces, int64_t times, int threads) {
    while (pieces * times % threads) pieces++;
    return pieces;
}

/* Of `pieces` of rows at least; if that is one, of so many images at most. Even shares for all threads; of rows where images are too few
 * and that takes less time than sharing filters, unless they are to stay `whole`. */
static strip_cut cut_strips(const strip_amounts *a, int64_t images, int64_t pieces, int whole, int threads) {
    if (pieces > 1) return (strip_cut){a->batch, MIN(a->height, even_pieces(pieces, a->groups * a->batch, threads))};
    strip_cut best = {MIN(a->batch, even_pieces(CEIL_DIV(a->batch, images), a->groups, threads)), 1};
    const int64_t most = whole ? 1 : MIN(a->height, even_pieces(1, a->groups * a->batch, threads));
    for (int64_t some = 2; some / 2 < most; some *= 2) {
        const strip_cut cut = {a->batch, MIN(some, most)};
        if (time_of_share(a, cut, threads) < time_of_share(a, best, threads)) best = cut;
    }
    return best;
}

#endif
