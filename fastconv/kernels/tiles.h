/* Sums of products of bfloat16 tiles on matrix units (AMX), from which float32 products are put together.
 *
 * A float32 is the sum of two bfloat16 parts up to 2^-17 of it, or of three up to 2^-24; see bfloat.h. A register tile is 2 x 2 sums of
 * 16 x 16 floats over steps of 32 terms. Each step multiplies two data tiles with two tiles of weights, part by part: of two parts low x
 * high, high x high, high x low, so that eight tile loads serve twelve products, maybe low x low before them; of three parts those six
 * products whose size is above 2^-24, the five small ones of all steps first, and the large ones from the last step back, which was read
 * a moment ago. Each load stands right before its first product. Source:
 * Henry, Tang and Heinecke, "Leveraging the bfloat16 Artificial Intelligence Datatype For Higher-Precision Computations"
 * (arXiv:1904.06376).
 *
 *   rows:  data tiles are 16 pixels x 32 terms,          weights 16 pairs of terms x 16 filters, sums 16 pixels x 16 filters
 *   lanes: data tiles are 16 pairs of terms x 16 pixels, weights 16 filters x 32 terms,          sums 16 filters x 16 pixels
 */
#ifndef FASTCONV_TILES_H
#define FASTCONV_TILES_H

#include "bfloat.h"

enum { TILE = 16, TERMS = 32, TILE_BYTES = 1024, TILE_ROW = 64, STEPS_AHEAD = 2 };

/* Bytes to the first tiles of a step. */
typedef struct {
    int64_t data, weights;
} tile_step;

typedef struct {
    const char *data;          /* first tile */
    int64_t row, second, part; /* bytes from row to row, to the second tile, from part to part */
    const char *weights;       /* first tile */
    int64_t weights_second, weights_part; /* bytes to the second, from part to part */
    const tile_step *step;     /* of a round */
    int64_t steps, rounds;     /* all steps again in every round, */
    tile_step round;           /* so much further on */
    int64_t ahead;             /* bytes to the weights that are asked for meanwhile; 0: none */
    const char *next;          /* weights that are used later, of which so many cache lines are asked for in each step */
    int64_t next_lines;
} tile_factors;

/* Results on their way past the caches while tiles are multiplied. All at once they would fill the queue of stores, in which tiles have to
 * wait behind them, and then nothing that follows could begin. */
typedef struct {
    const float *from;
    float *to;
    int64_t lines, each; /* cache lines, so many at a time */
    int limited;         /* whether to numbers from 0 to `most` */
    float most;
} streamed_lines;

/* How often it is their turn in a step of six products; of fewer, they would take up the room of the tiles to come. */
enum { STREAM_TURNS = 5 };

enum { FROM_ZERO, FROM_BIAS, FROM_SUMS };

typedef struct {
    float *out[4];            /* where the sums go, at 2 * data tile + tile of weights */
    int64_t row[2];           /* bytes from row to row, by data tile */
    int from;                 /* what is added to: nothing, `bias`, or what `out` holds */
    const float *bias;        /* two tiles, or two rows of 16 if `bias_row` is 0 */
    int64_t bias_row;
    const float *asked[2];    /* rows of results that are asked for meanwhile, by data tile, the same bytes apart: */
    int64_t asked_row, asks;  /* so many in each step, until all are; 0: none */
    const streamed_lines *stream; /* other results, that are stored meanwhile; NULL: none */
} tile_sums;

/* Eight tiles of 16 rows of 64 bytes. The configuration belongs to the thread and is given back by `tiles_end`. */
INLINE void tiles_begin(void) {
    struct {
        uint8_t palette, start, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } config __attribute__((aligned(64))) = {1, 0, {0}, {0}, {0}};
    for (int i = 0; i < 8; i++) config.row_bytes[i] = TILE_ROW, config.rows[i] = TILE;
    __asm__ volatile("" ::: "memory");
    _tile_loadconfig(&config);
}
INLINE void tiles_end(void) { _tile_release(); }

/* Pixels whose channels are split into two parts while tiles are multiplied, which leaves most of the core idle. */
typedef struct {
    const float *const *pixel; /* the first channel of each that is left, of so many: */
    int64_t pixels;
    const float *const *later; /* those that are split a block later, and asked for */
    int64_t depth, channel;    /* channels of a pixel; the next of the first pixel */
    char *to;                  /* where its parts go */
    int64_t part, chunk, next; /* bytes from part to part, from 32 channels to the next, from behind a pixel's last to the next pixel's */
    int64_t each;              /* 32 channels of so many pixels at a time */
    magnitudes seen;
} split_ahead;

enum { SPLITS_A_STEP = 3 };

INLINE void split_some(split_ahead *a, int64_t count, magnitudes *m) {
    for (; count > 0 && a->pixels; count--) {
        const float *from = *a->pixel + a->channel;
        const int64_t left = a->depth - a->channel;
        UNROLL for (int i = 0; i < TERMS; i += TILE) __builtin_prefetch(*a->later + a->channel + i, 0, 2);
        store_pairs(2, load_floats(from, left), load_floats(from + TILE, left - TILE), a->to, a->part, m);
        a->channel += TERMS, a->to += a->chunk;
        if (a->channel >= a->depth) a->pixel++, a->later++, a->pixels--, a->channel = 0, a->to += a->next;
    }
}

typedef void tile_kernel(const tile_factors *, const tile_sums *);
typedef void meanwhile_kernel(const tile_factors *, const tile_sums *, split_ahead *);

enum { MOST_PRODUCTS = 6 };

/* bfloat16 numbers per float32 for so many products of them: 1, 3, 4 or 6. */
INLINE int parts_of(int products) { return products == 1 ? 1 : products == 6 ? 3 : 2; }
/* To weights of so many parts that are asked for meanwhile, where they are used for the first time in a while. */
INLINE int64_t weights_ahead(int parts) { return STEPS_AHEAD * 2 * parts * TILE_BYTES; }
/* The fewest products that are taken of one part or two. */
INLINE int products_of(int parts) { return parts == 1 ? 1 : 3; }

/* By the number of products, whether pixels lie in lanes, and the numbers of data and weight tiles, each less 1. */
extern __attribute__((visibility("hidden"))) tile_kernel *const tile_kernels[MOST_PRODUCTS + 1][2][2][2];

/* Of three products and pixels in rows, by the numbers of data and weight tiles less 1: SPLITS_A_STEP times a step `split_some`. */
extern __attribute__((visibility("hidden"))) meanwhile_kernel *const meanwhile_kernels[2][2];

#endif
