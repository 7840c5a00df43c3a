/* Register tiles on matrix units; see tiles.h. Empty for other instruction sets. */
#ifdef MATRIX_UNITS
#include "tiles.h"

#define PRODUCT(sum, data, weights)                        \
    do {                                                   \
        if (lanes) _tile_dpbf16ps(sum, weights, data);     \
        else _tile_dpbf16ps(sum, data, weights);           \
    } while (0)
#define LOAD_DATA(tile, other, of) _tile_loadd(tile, data + other * f->second + of * f->part, f->row)
#define LOAD_WEIGHTS(tile, other, of) _tile_loadd(tile, weights + other * f->weights_second + of * f->weights_part, TILE_ROW)

/* Both kinds of tiles are new; only the data; only the weights. */
#define MULTIPLY(d, w)                                          \
    do {                                                        \
        LOAD_DATA(4, 0, d); LOAD_WEIGHTS(6, 0, w);              \
        PRODUCT(0, 4, 6);                                       \
        if (nw > 1) { LOAD_WEIGHTS(7, 1, w); PRODUCT(1, 4, 7); } \
        if (nd > 1) { LOAD_DATA(5, 1, d); PRODUCT(2, 5, 6); }   \
        if (nd > 1 && nw > 1) PRODUCT(3, 5, 7);                 \
    } while (0)
#define MULTIPLY_DATA(d)                                        \
    do {                                                        \
        LOAD_DATA(4, 0, d); PRODUCT(0, 4, 6);                   \
        if (nw > 1) PRODUCT(1, 4, 7);                           \
        if (nd > 1) { LOAD_DATA(5, 1, d); PRODUCT(2, 5, 6); }   \
        if (nd > 1 && nw > 1) PRODUCT(3, 5, 7);                 \
    } while (0)
#define MULTIPLY_WEIGHTS(w)                                     \
    do {                                                        \
        LOAD_WEIGHTS(6, 0, w); PRODUCT(0, 4, 6);                \
        if (nd > 1) PRODUCT(2, 5, 6);                           \
        if (nw > 1) { LOAD_WEIGHTS(7, 1, w); PRODUCT(1, 4, 7); } \
        if (nd > 1 && nw > 1) PRODUCT(3, 5, 7);                 \
    } while (0)
#define AT_STEP                                                                                                            \
    for (const char *data = f->data + round * f->round.data + s->data,                                                     \
                    *weights = f->weights + round * f->round.weights + s->weights; data; data = NULL)
#define EACH_STEP                                                   \
    for (int64_t round = 0; round < f->rounds; round++)             \
        for (const tile_step *s = f->step; s < f->step + f->steps; s++) AT_STEP
#define EACH_STEP_BACK                                              \
    for (int64_t round = f->rounds; round-- > 0;)                   \
        for (const tile_step *s = f->step + f->steps; s-- > f->step;) AT_STEP
#define START(sum, tile)                                                                               \
    do {                                                                                               \
        if (r->from == FROM_ZERO) _tile_zero(sum);                                                     \
        else if (r->from == FROM_SUMS) _tile_loadd(sum, r->out[sum], r->row[sum / 2]);                 \
        else _tile_loadd(sum, r->bias + tile * (r->bias_row ? TILE * TILE : TILE), r->bias_row);       \
    } while (0)

/* Tiles [first, last) of the weights of a step to come are asked for. */
#define ASK(first, last)                                                                   \
    if (asks && f->ahead)                                                                  \
        for (int64_t l = first * TILE_BYTES; l < last * TILE_BYTES; l += TILE_ROW)         \
            __builtin_prefetch(weights + f->ahead + l)

/* Every few steps of so many products a tile is stored to nowhere: measured on Granite Rapids, a core that has stored none for some 2000
 * cycles takes 700 to store the next, and the matrix units wait. */
#define STORE_ONE(products)                                                                                  \
    if (done % ((products) == 1 ? 8 : (products) == 3 ? 4 : 2) == 0) _tile_stored(6, nowhere, TILE_ROW)

/* Rows that the sums will be stored to are asked for, some in each step: all at once would hold up the loads behind them. */
#define ASK_FOR_ROWS                                                                                         \
    for (int64_t i = (done - 1) * r->asks; i < MIN(TILE, done * r->asks); i++)                               \
        UNROLL for (int d = 0; d < nd; d++)                                                                  \
            UNROLL for (int w = 0; w < nw; w++)                                                              \
                __builtin_prefetch((const char *)r->asked[d] + i * r->asked_row + w * TILE_ROW, 1)
#define ASK_FOR_NEXT                                                                                         \
    for (int64_t i = (done - 1) * f->next_lines; i < done * f->next_lines; i++) __builtin_prefetch(f->next + i * CACHE_LINE)

#define SPLIT_SOME \
    if (ahead) split_some(ahead, ahead->each, &seen)
#define STREAM_SOME \
    if (stream.lines) stream_some(r->stream, &stream)

/* The next of streamed_lines, and how many are left. */
typedef struct {
    const float *from;
    float *to;
    int64_t lines;
} stream_place;

INLINE void stream_some(const streamed_lines *all, stream_place *at) {
    const int64_t lines = MIN(at->lines, all->each);
    if (all->limited)
        for (int64_t i = 0; i < lines * TILE; i += TILE) {
            const __m512 y = _mm512_max_ps(_mm512_setzero_ps(), _mm512_loadu_ps(at->from + i)); /* a NaN stays */
            _mm512_stream_ps(at->to + i, _mm512_min_ps(_mm512_set1_ps(all->most), y));
        }
    else
        for (int64_t i = 0; i < lines * TILE; i += TILE) _mm512_stream_ps(at->to + i, _mm512_loadu_ps(at->from + i));
    at->from += lines * TILE, at->to += lines * TILE, at->lines -= lines;
}

/* nd x nw sums; all five numbers are constants. `asks`: whether any weights are asked for; `ahead` is NULL but for three products. */
INLINE void multiply_tiles(const int products, const int lanes, const int nd, const int nw, const int asks, const tile_factors *f,
                           const tile_sums *r, split_ahead *ahead) {
    magnitudes seen = ahead ? ahead->seen : no_magnitudes();
    char nowhere[TILE_BYTES] __attribute__((aligned(CACHE_LINE)));
    stream_place stream = {.lines = 0};
    if (products == 6 && r->stream) stream = (stream_place){r->stream->from, r->stream->to, r->stream->lines};
    int64_t done = 0; /* steps */
    __asm__ volatile("" ::: "memory"); /* tile loads do not tell the compiler that they read memory */
    START(0, 0);
    if (nw > 1) START(1, 1);
    if (nd > 1) START(2, 0);
    if (nd > 1 && nw > 1) START(3, 1);
    EACH_STEP {
        if (products == 1) {
            MULTIPLY(0, 0);
            ASK(0, 2);
        } else if (products == 4) {
            MULTIPLY(1, 1);
            ASK(0, 1);
            MULTIPLY_WEIGHTS(0);
            ASK(1, 2);
            MULTIPLY_DATA(0);
            ASK(2, 3);
            MULTIPLY_WEIGHTS(1);
            ASK(3, 4);
        } else if (products == 3) {
            MULTIPLY(1, 0);
            SPLIT_SOME;
            ASK(0, 1);
            MULTIPLY_DATA(0);
            SPLIT_SOME;
            ASK(1, 2);
            MULTIPLY_WEIGHTS(1);
            SPLIT_SOME;
            ASK(2, 4);
        } else {
            MULTIPLY(2, 0);
            ASK(0, 1);
            STREAM_SOME;
            MULTIPLY_DATA(1);
            ASK(1, 2);
            STREAM_SOME;
            MULTIPLY_WEIGHTS(1);
            ASK(2, 3);
            STREAM_SOME;
            MULTIPLY_DATA(0);
            ASK(3, 4);
            STREAM_SOME;
            MULTIPLY_WEIGHTS(2);
            ASK(4, 6);
            STREAM_SOME;
        }
        done++;
        STORE_ONE(products);
        ASK_FOR_ROWS;
        if (asks) ASK_FOR_NEXT;
    }
    /* Of three parts the high ones come last: small products are not rounded to the size of large sums. */
    if (products == 6) {
        int there = 1; /* those of the last step's data */
        EACH_STEP_BACK {
            if (there) MULTIPLY_WEIGHTS(0);
            else MULTIPLY(0, 0);
            there = 0;
            done++;
            STORE_ONE(1);
        }
    }
    _tile_stored(0, r->out[0], r->row[0]);
    if (nw > 1) _tile_stored(1, r->out[1], r->row[0]);
    if (nd > 1) _tile_stored(2, r->out[2], r->row[1]);
    if (nd > 1 && nw > 1) _tile_stored(3, r->out[3], r->row[1]);
    if (ahead) ahead->seen = seen;
}

#define KERNEL(products, lanes, nd, nw)                                                                                  \
    static void multiply_##products##lanes##nd##nw(const tile_factors *f, const tile_sums *r) {                          \
        if (f->ahead || f->next_lines) multiply_tiles(products, lanes, nd, nw, 1, f, r, NULL);                           \
        else multiply_tiles(products, lanes, nd, nw, 0, f, r, NULL);                                                     \
    }
#define KERNELS(products, lanes) \
    KERNEL(products, lanes, 1, 1) KERNEL(products, lanes, 1, 2) KERNEL(products, lanes, 2, 1) KERNEL(products, lanes, 2, 2)
KERNELS(1, 0) KERNELS(1, 1) KERNELS(3, 0) KERNELS(3, 1) KERNELS(4, 0) KERNELS(4, 1) KERNELS(6, 0) KERNELS(6, 1)
#define NAMES(products, lanes)                                                                                           \
    {{multiply_##products##lanes##11, multiply_##products##lanes##12},                                                   \
     {multiply_##products##lanes##21, multiply_##products##lanes##22}}

tile_kernel *const tile_kernels[MOST_PRODUCTS + 1][2][2][2] = {
    [1] = {NAMES(1, 0), NAMES(1, 1)}, [3] = {NAMES(3, 0), NAMES(3, 1)}, [4] = {NAMES(4, 0), NAMES(4, 1)}, [6] = {NAMES(6, 0), NAMES(6, 1)}};

#define MEANWHILE_KERNEL(nd, nw)                                                                           \
    static void meanwhile_##nd##nw(const tile_factors *f, const tile_sums *r, split_ahead *ahead) {        \
        multiply_tiles(3, 0, nd, nw, 1, f, r, ahead);                                                      \
    }
MEANWHILE_KERNEL(1, 1) MEANWHILE_KERNEL(1, 2) MEANWHILE_KERNEL(2, 1) MEANWHILE_KERNEL(2, 2)

meanwhile_kernel *const meanwhile_kernels[2][2] = {{meanwhile_11, meanwhile_12}, {meanwhile_21, meanwhile_22}};
#endif
