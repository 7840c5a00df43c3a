/* Strips of a batch, rows of an image or whole images that are split and multiplied together, and how threads share them. */
#ifndef FASTCONV_STRIPS_H
#define FASTCONV_STRIPS_H

#include "tiles.h"

/* Images [n0, n0 + images), output rows [y0, y0 + rows) of each. */
typedef struct {
    int64_t n0, images, y0, rows;
} strip_extent;

/* Strip `index`, where the batch is cut into `sets` of images and these into `pieces` of `height` rows, the same but for one. */
INLINE strip_extent strip_at(int64_t index, int64_t batch, int64_t sets, int64_t height, int64_t pieces) {
    const int64_t set = index / pieces, piece = index % pieces;
    strip_extent e = {.n0 = batch * set / sets, .y0 = height * piece / pieces};
    e.images = batch * (set + 1) / sets - e.n0, e.rows = height * (piece + 1) / pieces - e.y0;
    return e;
}

/* The least number of pieces, not below `pieces`, that `times` as many are even shares for all threads. */
static int64_t even_pieces(int64_t pieces, int64_t times, int threads) {
    while (pieces * times % threads) pieces++;
    return pieces;
}

/* Strips that are no even share for all threads are multiplied by `filters` threads each, with some of the filters. Every thread splits
 * the source of those it works on; or, where there are fewer strips than threads, all do for one strip after the other, each some
 * channels: `together`. `split`: strips that are split, of all threads. */
typedef struct {
    int64_t filters, split;
    int together;
} strip_sharing;

/* `panels` of filters, `chunks` of channels. */
INLINE strip_sharing sharing_of(int64_t strips, int64_t panels, int64_t chunks, int threads) {
    strip_sharing s = {.filters = strips % threads ? MIN(threads, panels) : 1};
    s.together = strips < threads && s.filters == threads && chunks > 1;
    s.split = s.together ? strips : threads * CEIL_DIV(CEIL_DIV(strips * s.filters, threads), s.filters);
    return s;
}

/* The calling thread's share of the channels that all threads split together: whole chunks. */
INLINE void share_channels(int64_t depth, int64_t *first, int64_t *last) {
    share(CEIL_DIV(depth, TERMS), thread_index(), team_size(), first, last);
    *first *= TERMS, *last = MIN(*last * TERMS, depth);
}

#endif
