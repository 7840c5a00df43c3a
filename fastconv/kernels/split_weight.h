/* Weight gradient on matrix units (after split.h).
 *
 *   dw[k][c][tap] = sum over output pixels of gy[k][pixel] x[c][pixel + tap]
 *
 * is a product whose terms are pixels. Of every strip, gy is split into rows of pixels, with zeros between the rows of the image, of which
 * a data tile takes 16 filters x 32 pixels; x into pairs of pixels, of which a tile of weights takes 16 pairs x 16 channels. From pairs
 * that begin at even pixels and others that begin at odd ones, the tiles of every tap are whole cache lines. Sources of few channels are
 * split into patches first, whose terms take the place of channels. Each register tile of 32 filters x 32 channels of one tap runs over the
 * strip and is added to its sums. Of few weights, threads have strips and sums of their own; else they share each strip, and own tiles.
 */
#ifndef FASTCONV_SPLIT_WEIGHT_H
#define FASTCONV_SPLIT_WEIGHT_H

#include "split.h"

enum {
    SUMS_FLOATS = 4 * TILE * TILE,
    TURN_TAPS = 4,           /* so many taps take turns, */
    TURN_PARTS = 8,          /* of so many parts of steps, */
    TURN_BYTES = 64 * 1024,  /* if both factors of a turn are at most so many bytes, of which the first-level cache holds nearly all */
    PAIRED_TILES = 4 /* of channels that are read together: lines that lie side by side */
};

/* What the sums of a filter are: channels of taps, or terms of patches; in tiles of 16. */
static int64_t weight_columns(const split_plan *q) { return q->patches ? q->p.taps * q->o.depth : q->o.depth; }
static int64_t weight_tiles(const split_plan *q) { return CEIL_DIV(weight_columns(q), TILE); }
static int64_t weight_taps(const split_plan *q) { return q->patches ? 1 : q->p.taps; }
/* Register tiles of 32 filters, of 32 channels. */
static int64_t filter_blocks(const split_plan *q) { return CEIL_DIV(q->o.columns, SPLIT_PANEL); }
static int64_t channel_blocks(const split_plan *q) { return CEIL_DIV(weight_tiles(q), 2); }
static int64_t weight_blocks(const split_plan *q) { return filter_blocks(q) * channel_blocks(q); }
/* Whether blocks take turns in one place, of each thread, since all are complete after the only strip. */
static int holds_one_block(const split_plan *q) { return q->at_once && q->strips == 1; }
static int64_t weight_sums(const split_plan *q) { return (holds_one_block(q) ? 1 : weight_blocks(q)) * weight_taps(q) * SUMS_FLOATS; }

/* Bytes of a part: x is [part][plane of a remainder][kind of pairs][tile of channels][pair][16 channels x 2 pixels],
 * gy [part][filter][pixel]. */
static int64_t pair_tile_bytes(const split_plan *q) { return q->plane / 2 * TILE_ROW; }
/* From one kind of pairs, or plane, to the next: tiles that are used together, of two kinds, two parts and two tiles of channels, begin in
 * different sets of the first-level cache. */
static int64_t pairs_kind(const split_plan *q) { return ROUND_UP(weight_tiles(q) * pair_tile_bytes(q), PAGE) + TILE_BYTES / 2; }
static int64_t pairs_part(const split_plan *q) {
    return ROUND_UP((q->patches ? 1 : q->planes) * q->kinds * pairs_kind(q), PAGE) + 2 * TILE_BYTES;
}
static int64_t gradient_tile_bytes(const split_plan *q) { return TILE * 2 * (q->aside ? q->rows * q->p.w * q->aside : q->plane); }
static int64_t gradient_part(const split_plan *q) { return ROUND_UP(q->o.columns, SPLIT_PANEL) / TILE * gradient_tile_bytes(q); }

/* -- x ------------------------------------------------------------------------------------------------------------------------ */

/* Where each pixel of a channels-last plane is, or else zeros. */
INLINE void locate_plane(const split_strip *t, const float *x, int64_t slot, const float *zeros, const float **at) {
    const split_plan *q = t->q;
    const int64_t runs = held_runs(t, slot), step = q->p.step_w * q->o.src_c;
    for (int64_t j = 0; j < q->plane; j++) at[j] = zeros;
    for (int64_t i = 0; i < runs; i++) {
        const float *from = x + (t->run[i].n * q->o.src_h * q->o.src_w + t->run[i].from) * q->o.src_c + t->group * q->o.depth;
        for (int64_t j = 0; j < t->run[i].count; j++) at[t->run[i].to + j] = from + j * step;
    }
}

/* Pairs of two pixels' channels from c on, those of the mask. */
INLINE void pair_pixels(const int parts, const float *const *at, int64_t c, __mmask16 there, __m512i part[MOST_PARTS], magnitudes *m) {
    const __m512 a = _mm512_maskz_loadu_ps(there, at[0] + c), b = _mm512_maskz_loadu_ps(there, at[1] + c);
    note_magnitudes(m, a), note_magnitudes(m, b);
    split_pairs(parts, a, b, part);
}

INLINE __mmask16 first_lanes(int64_t n) { return (__mmask16)(n >= 16 ? 0xffff : (1u << MAX(n, 0)) - 1); }

/* The second pixel of one pair and the first of the next, as pairs, of 16 channels. */
INLINE __m512i paired_between(__m512i pairs, __m512i next) {
    return _mm512_or_si512(_mm512_srli_epi32(pairs, 16), _mm512_slli_epi32(next, 16));
}

/* Tiles of channels of a channels-last plane; odd_pairs: NULL if there are none. */
INLINE void pair_plane(const int parts, const int tiles, const split_plan *q, const float *const *at, int64_t c, char *even_pairs,
                       char *odd_pairs, int64_t part_bytes, magnitudes *m) {
    const int64_t tile_bytes = pair_tile_bytes(q), pairs = q->plane / 2;
    __m512i before[PAIRED_TILES][MOST_PARTS] = {{_mm512_setzero_si512()}};
    for (int64_t i = 0; i < pairs; i++)
        UNROLL for (int j = 0; j < tiles; j++) {
            __m512i part[MOST_PARTS];
            pair_pixels(parts, at + 2 * i, c + j * TILE, first_lanes(q->o.depth - c - j * TILE), part, m);
            UNROLL for (int k = 0; k < parts; k++) {
                const int64_t to = k * part_bytes + j * tile_bytes + i * TILE_ROW;
                _mm512_store_si512(even_pairs + to, part[k]);
                if (odd_pairs && i) _mm512_store_si512(odd_pairs + to - TILE_ROW, paired_between(before[j][k], part[k]));
                before[j][k] = part[k];
            }
        }
    for (int64_t j = 0; j < tiles && odd_pairs; j++)
        for (int k = 0; k < parts; k++)
            _mm512_store_si512(odd_pairs + k * part_bytes + (j + 1) * tile_bytes - TILE_ROW,
                               paired_between(before[j][k], _mm512_setzero_si512()));
}

/* Rows of 16 channels, [part][16][plane], to pairs; odd_pairs: NULL if there are none. Behind the last pixel of a row are those of the
 * next, which meet gradients of zero. */
INLINE void pair_channels(const int parts, const split_plan *q, const char *rows, char *even_pairs, char *odd_pairs, int64_t part_bytes) {
    const int64_t row_bytes = 2 * q->plane, tile_bytes = pair_tile_bytes(q);
    for (int k = 0; k < parts; k++) {
        char *even = even_pairs + k * part_bytes, *odd = odd_pairs + k * part_bytes;
        __m512i before = _mm512_setzero_si512();
        for (int64_t j = 0; j < q->plane; j += TERMS) {
            vec_t_f32 row[TILE];
            UNROLL for (int i = 0; i < TILE; i++) row[i] = (vec_t_f32)_mm512_loadu_si512(rows + (k * TILE + i) * row_bytes + 2 * j);
            transpose_square_f32(row);
            UNROLL for (int i = 0; i < TILE; i++) _mm512_store_si512(even + (j / 2 + i) * TILE_ROW, (__m512i)row[i]);
            if (!odd_pairs) continue;
            if (j) _mm512_store_si512(odd + (j / 2 - 1) * TILE_ROW, paired_between(before, (__m512i)row[0]));
            UNROLL for (int i = 0; i < TILE - 1; i++)
                _mm512_store_si512(odd + (j / 2 + i) * TILE_ROW, paired_between((__m512i)row[i], (__m512i)row[i + 1]));
            before = (__m512i)row[TILE - 1];
        }
        if (odd_pairs) _mm512_store_si512(odd + tile_bytes - TILE_ROW, paired_between(before, _mm512_setzero_si512()));
    }
}

/* Terms of the patches of one image as rows of pixels. */
INLINE void fill_patch_rows(const int parts, const split_strip *t, int64_t image, int64_t term, char *rows) {
    const split_plan *q = t->q;
    const int64_t values = split_compact_values(q), row_bytes = 2 * q->plane, pixels = t->rows * q->p.w;
    for (int64_t e = 0; e < TILE; e++) {
        const uint16_t *first = compact_term(t, term + e), *from = first ? first + image * compact_image_values(q) : NULL;
        for (int k = 0; k < parts; k++) {
            uint16_t *to = (uint16_t *)(rows + (k * TILE + e) * row_bytes) + image * pixels;
            for (int64_t r = 0; from && r < t->rows; r++)
                for (int64_t j = 0; j < q->p.w; j += TERMS)
                    _mm512_storeu_si512(to + r * q->p.w + j, _mm512_loadu_si512(from + k * values + r * q->p.step_h * q->compact_x + j));
            const int64_t last = from ? pixels : 0;
            if (image + 1 == t->images) memset(to + last, 0, 2 * (q->plane - image * pixels - last));
            else if (!from) memset(to, 0, 2 * pixels);
        }
    }
}

/* Planes from this one on whose pixels lie between one another's, and are read together. */
INLINE int64_t planes_together(const split_plan *q, int64_t slot) {
    if (q->channels_last || q->p.step_w != 2 || slot + 1 == q->planes || q->slot_y[slot] != q->slot_y[slot + 1]) return 1;
    return 2;
}

/* 16 channels from c on of an NCHW plane, or of two, as rows: [plane][part][channel][pixel]. What lies between the rows of the images stays
 * as it is. */
INLINE void fill_plane_rows(const int parts, const split_strip *t, const float *x, int64_t slot, int64_t together, int64_t runs, int64_t c,
                            char *rows, magnitudes *m) {
    const split_plan *q = t->q;
    const int64_t row_bytes = 2 * q->plane, part_bytes = TILE * row_bytes, channel = q->o.src_h * q->o.src_w;
    /* The second plane's pixels may come first. */
    const int64_t swapped = together == 2 && q->slot_x[slot], count = MAX(0, MIN(TILE, q->o.depth - c));
    char *first = rows + swapped * parts * part_bytes, *second = rows + !swapped * parts * part_bytes;
    const held_pixels between = held_in_row(q->pitch, q->least_x, 1, 2, q->o.src_w);
    for (int64_t i = 0; i < count; i++)
        for (int64_t r = 0; r < runs; r++) {
            const held_run *run = t->run + r, *next = run + 1;
            const float *from = x + (run->n * q->o.src_c + t->group * q->o.depth + c + i) * channel + run->from;
            const int64_t to = i * row_bytes + 2 * run->to;
            if (i + 1 < count) ask_for_floats(from + channel, run->count * q->p.step_w);
            if (together == 2) {
                split_row_twice(parts, from, run->count, between.end - between.begin, first + to, second + to, part_bytes, m);
            } else if (r + 1 < runs && run->count <= TILE && next->count == run->count) {
                const float *below = from + (next->n - run->n) * q->o.src_c * channel + next->from - run->from;
                if (i + 1 < count) ask_for_floats(below + channel, run->count * q->p.step_w);
                split_two_rows(parts, from, below, q->p.step_w, run->count, rows + to, rows + i * row_bytes + 2 * next->to, part_bytes, m);
                r++;
            } else {
                split_row(parts, from, q->p.step_w, run->count, rows + to, part_bytes, m);
            }
        }
    for (int64_t k = 0; k < together * parts; k++) memset(rows + k * part_bytes + count * row_bytes, 0, (TILE - count) * row_bytes);
}

/* Tiles [begin, end) of channels, or of the terms of patches. `at`: pointers for the pixels of a plane; `rows`: of one plane, or of two
 * that are read together, [part][16][plane], and a cache line. */
INLINE void fill_pairs_parts(const int parts, const split_strip *t, const float *x, int64_t begin, int64_t end, const float *zeros,
                             const float **at, char *rows, magnitudes *m) {
    const split_plan *q = t->q;
    const int64_t tile_bytes = pair_tile_bytes(q), part_bytes = pairs_part(q);
    if (q->patches) {
        for (int64_t i = 0; i < t->images && begin < end; i++) fill_compact_rows(parts, t, i, x, m);
        for (int64_t tile = begin; tile < end; tile++) {
            for (int64_t i = 0; i < t->images; i++) fill_patch_rows(parts, t, i, tile * TILE, rows);
            pair_channels(parts, q, rows, t->parts + tile * tile_bytes, NULL, part_bytes);
        }
        return;
    }
    const int64_t rows_bytes = parts * TILE * 2 * q->plane;
    for (int64_t slot = 0, together; slot < q->planes; slot += together) {
        int64_t runs = 0;
        together = planes_together(q, slot);
        if (q->channels_last) {
            locate_plane(t, x, slot, zeros, at);
        } else { /* whose zeros stay while the tiles follow each other */
            runs = held_runs(t, slot + (together == 2 && q->slot_x[slot]));
            memset(rows, 0, together * rows_bytes);
        }
        for (int64_t tile = begin; tile < end; tile++) {
            char *even = t->parts + slot * q->kinds * pairs_kind(q) + tile * tile_bytes;
            const int64_t to_odd = pairs_kind(q), to_next = q->kinds * to_odd;
            char *odd = q->kinds > 1 ? even + to_odd : NULL;
            if (q->channels_last && tile + PAIRED_TILES <= end) {
                pair_plane(parts, PAIRED_TILES, q, at, tile * TILE, even, odd, part_bytes, m);
                tile += PAIRED_TILES - 1;
                continue;
            }
            if (q->channels_last) {
                pair_plane(parts, 1, q, at, tile * TILE, even, odd, part_bytes, m);
                continue;
            }
            fill_plane_rows(parts, t, x, slot, together, runs, tile * TILE, rows, m);
            for (int64_t i = 0; i < together; i++)
                pair_channels(parts, q, rows + i * rows_bytes, even + i * to_next, odd ? odd + i * to_next : NULL, part_bytes);
        }
    }
}

static void fill_pairs(const split_strip *t, const float *x, int64_t begin, int64_t end, const float *zeros, const float **at, char *rows,
                       magnitudes *m) {
    magnitudes seen = *m;
    switch (t->q->parts) {
    case 1: fill_pairs_parts(1, t, x, begin, end, zeros, at, rows, &seen); break;
    case 2: fill_pairs_parts(2, t, x, begin, end, zeros, at, rows, &seen); break;
    default: fill_pairs_parts(3, t, x, begin, end, zeros, at, rows, &seen);
    }
    *m = seen;
}

/* -- gy ----------------------------------------------------------------------------------------------------------------------- */

/* Where the gradient of each of a strip's pixels is; between the rows there are zeros. */
INLINE void locate_gradient(const split_strip *t, int64_t image_rows, const float *gy, const float *zeros, const float **at) {
    const split_plan *q = t->q;
    for (int64_t j = 0; j < q->plane; j++) at[j] = zeros;
    for (int64_t i = 0; i < t->images; i++)
        for (int64_t r = 0; r < t->rows; r++)
            for (int64_t x = 0; x < q->p.w; x++)
                at[(i * image_rows + r) * q->pitch + x] =
                    gy + (((t->n0 + i) * q->o.dst_h + t->y0 + r) * q->o.dst_w + x) * q->o.dst_c + t->group * q->o.columns;
}

/* Tiles [begin, end) of 16 filters. `at`: of channels-last gradients. */
INLINE void fill_gradient_parts(const int parts, const split_strip *t, int64_t image_rows, const float *gy, int64_t begin, int64_t end,
                                const float *const *at, char *to, magnitudes *m) {
    const split_plan *q = t->q;
    const int64_t row_bytes = 2 * q->plane, part_bytes = gradient_part(q);
    for (int64_t j = 0; j < q->plane && q->channels_last; j += TERMS)
        for (int64_t k0 = begin * TILE; k0 < end * TILE; k0 += TILE) {
            vec_t_f32 row[MOST_PARTS][TILE];
            UNROLL for (int i = 0; i < TILE; i++) {
                __m512i part[MOST_PARTS];
                pair_pixels(parts, at + j + 2 * i, k0, first_lanes(q->o.columns - k0), part, m);
                UNROLL for (int k = 0; k < parts; k++) row[k][i] = (vec_t_f32)part[k];
            }
            UNROLL for (int k = 0; k < parts; k++) {
                transpose_square_f32(row[k]);
                UNROLL for (int i = 0; i < TILE; i++)
                    _mm512_store_si512(to + k * part_bytes + (k0 + i) * row_bytes + 2 * j, (__m512i)row[k][i]);
            }
        }
    const int few = t->rows * q->o.dst_w <= PAGE; /* pixels; in more the hardware's prefetchers do as well */
    for (int64_t k = begin * TILE; k < end * TILE && !q->channels_last; k++) {
        char *row = to + k * row_bytes;
        int64_t done = 0; /* pixels; between those of the gradient there are zeros */
        for (int64_t i = 0; i < t->images && k < q->o.columns; i++) {
            const float *from = gy + (((t->n0 + i) * q->o.dst_c + t->group * q->o.columns + k) * q->o.dst_h + t->y0) * q->o.dst_w;
            if (k + 1 < q->o.columns && few) ask_for_floats(from + q->o.dst_h * q->o.dst_w, t->rows * q->o.dst_w);
            const int64_t w = q->o.dst_w, together = q->pitch == w ? t->rows : 1; /* rows without zeros between them */
            for (int64_t r = 0; r < t->rows; r += together) {
                const int64_t place = (i * image_rows + r) * q->pitch;
                zero_values(parts, row, part_bytes, done, place);
                done = place + together * w;
                if (together == 1 && w <= TILE && r + 1 < t->rows) {
                    zero_values(parts, row, part_bytes, done, place + q->pitch);
                    split_two_rows(parts, from + r * w, from + (r + 1) * w, 1, w, row + 2 * place, row + 2 * (place + q->pitch), part_bytes,
                                   m);
                    done += q->pitch, r++;
                } else {
                    split_row(parts, from + r * w, 1, together * w, row + 2 * place, part_bytes, m);
                }
            }
        }
        zero_values(parts, row, part_bytes, done, q->plane);
    }
}

static void fill_gradient(const split_strip *t, int64_t image_rows, const float *gy, int64_t begin, int64_t end, const float *const *at,
                          char *to, magnitudes *m) {
    magnitudes seen = *m;
    switch (t->q->parts) {
    case 1: fill_gradient_parts(1, t, image_rows, gy, begin, end, at, to, &seen); break;
    case 2: fill_gradient_parts(2, t, image_rows, gy, begin, end, at, to, &seen); break;
    default: fill_gradient_parts(3, t, image_rows, gy, begin, end, at, to, &seen);
    }
    *m = seen;
}

/* -- Sums --------------------------------------------------------------------------------------------------------------------- */

/* Blocks of channels whose pairs stay in the second-level cache while all filters pass. */
static int64_t resident_blocks(const split_plan *q) {
    const int64_t each = 2 * pair_tile_bytes(q) * q->kinds * q->parts * (q->patches ? 1 : q->planes);
    return MAX(1, MIN(channel_blocks(q), SPLIT_PAIR_BYTES / each));
}

/* A block of sums, by its place in the order (resident blocks of channels, block of filters, block of channels). */
static void block_in_order(const split_plan *q, int64_t index, int64_t *filters, int64_t *channels) {
    const int64_t resident = resident_blocks(q), first = index / (resident * filter_blocks(q)) * resident;
    const int64_t count = MIN(resident, channel_blocks(q) - first), place = index - first * filter_blocks(q);
    *filters = place / count, *channels = first + place % count;
}

/* Where the sums of a tap of a block lie. */
INLINE int64_t item_of(const split_plan *q, int64_t filters, int64_t channels, int64_t tap) {
    return (filters * channel_blocks(q) + channels) * weight_taps(q) + tap;
}

/* Sums of filter k and a block of channels to where the filter's weights, or terms, lie. */
static void store_block_sums(const split_plan *q, int64_t k, int64_t channels, const float *sums, float *to) {
    const int64_t taps = weight_taps(q), columns = weight_columns(q);
    sums += (k % SPLIT_PANEL / TILE * 2 * TILE + k % TILE) * TILE;
    for (int64_t c = channels * SPLIT_PANEL; c < MIN(columns, (channels + 1) * SPLIT_PANEL); c += TILE, sums += TILE * TILE)
        if (taps == 1) store_n_f32(to + c, load_f32(sums), columns - c);
        else transpose_f32(sums, SUMS_FLOATS, taps, MIN(TILE, columns - c), to + c * taps, taps);
}

/* Where a strip's products are added: `first`, to zero; and where the sums, complete then, are stored while they are in the caches, by the
 * thread that has all taps of a block; NULL: later. */
typedef struct {
    float *sums, *dw;
    int first;
} weight_sink;

INLINE float *sums_of_block(const split_plan *q, const weight_sink *to, int64_t filters, int64_t channels) {
    return to->sums + (holds_one_block(q) ? 0 : item_of(q, filters, channels, 0) * SUMS_FLOATS);
}

/* Part `index` of `count` of the cache lines that a block will be stored to is asked for. */
INLINE void ask_for_block(const split_plan *q, const weight_sink *to, int64_t filters, int64_t channels, int64_t index, int64_t count) {
    const int64_t taps = q->p.taps, filter = q->o.depth * taps, k = filters * SPLIT_PANEL, c = channels * SPLIT_PANEL;
    const int64_t weights = MIN(SPLIT_PANEL, q->o.depth - c) * taps;
    FETCH_PART(to->dw + k * filter + c * taps, filter, MIN(SPLIT_PANEL, q->o.columns - k), weights, index, count, 1)
}

static void store_block(const split_plan *q, const weight_sink *to, int64_t filters, int64_t channels) {
    const float *sums = sums_of_block(q, to, filters, channels);
    for (int64_t k = filters * SPLIT_PANEL; k < MIN(q->o.columns, (filters + 1) * SPLIT_PANEL); k++)
        store_block_sums(q, k, channels, sums, to->dw + k * q->o.depth * q->p.taps);
}

/* Products of a strip, or of a turn, to nd x nw tiles of sums; `begins`: to zero. */
static void add_tiles(const split_plan *q, const tile_factors *f, int64_t nd, int64_t nw, int begins, float *sums) {
    /* Sums of three parts begin at zero, as small products come first. */
    const int apart = !begins && q->parts == 3;
    float turn_sums[SUMS_FLOATS] __attribute__((aligned(CACHE_LINE)));
    tile_sums r = {.from = begins || apart ? FROM_ZERO : FROM_SUMS, .row = {TILE_ROW, TILE_ROW}};
    for (int64_t i = 0; i < 4; i++) r.out[i] = (apart ? turn_sums : sums) + i * TILE * TILE;
    tile_kernels[q->products][0][nd - 1][nw - 1](f, &r);
    for (int64_t i = 0; apart && i < 2 * nd; i++)
        for (int64_t j = i * TILE * TILE; i % 2 < nw && j < (i + 1) * TILE * TILE; j += TILE)
            store_f32(sums + j, load_f32(sums + j) + load_f32(turn_sums + j));
}

/* Whether taps had better take turns of so many steps: what these read, of rows so many pixels apart, stays in the first-level cache. */
static int take_turns_of(const split_plan *q, int64_t steps, int64_t row_pixels) {
    const int64_t pairs = (steps * TERMS + q->span_y * row_pixels) * q->kinds;
    return weight_taps(q) >= TURN_TAPS && (pairs / TERMS + steps) * 2 * TILE_BYTES * q->parts <= TURN_BYTES;
}

/* Register tiles [begin, end) over a strip, in the order of blocks, by taps. The taps of a block may take turns, some steps each, which
 * read the same lines of the first-level cache; sums come and go instead. */
static void add_products(const split_strip *t, const char *gradients, int64_t steps, int64_t begin, int64_t end, const weight_sink *to) {
    const split_plan *q = t->q;
    const int64_t taps = weight_taps(q), tiles = weight_tiles(q), tile_bytes = pair_tile_bytes(q);
    const int64_t turn = take_turns_of(q, TURN_PARTS / q->parts, q->pitch) ? TURN_PARTS / q->parts : steps;
    tile_factors f = {.row = 2 * q->plane, .second = 2 * TILE * q->plane, .part = gradient_part(q),
                      .step = &(tile_step){0, 0}, .steps = 1, .round = {TILE_ROW, TILE_BYTES}, .weights_second = tile_bytes,
                      .weights_part = pairs_part(q)};
    for (int64_t block = begin / taps; block * taps < end; block++) {
        int64_t filters, channels;
        block_in_order(q, block, &filters, &channels);
        const int64_t nd = q->o.columns - filters * SPLIT_PANEL > TILE ? 2 : 1, nw = tiles - 2 * channels > 1 ? 2 : 1;
        for (int64_t step = 0; step < steps; step += turn) {
            f.rounds = MIN(turn, steps - step);
            for (int64_t item = MAX(begin, block * taps); item < MIN(end, (block + 1) * taps); item++) {
                const int64_t distance = q->patches ? 0 : tap_distance(q, item % taps);
                const int64_t plane = q->patches ? 0 : q->slot[item % taps] * q->kinds + distance % 2;
                f.data = gradients + filters * SPLIT_PANEL * f.row + step * TILE_ROW;
                f.weights = t->parts + plane * pairs_kind(q) + 2 * channels * tile_bytes + (distance / 2 + step * TILE) * TILE_ROW;
                if (to->dw && step + turn >= steps) ask_for_block(q, to, filters, channels, item % taps, taps);
                add_tiles(q, &f, nd, nw, to->first && !step, sums_of_block(q, to, filters, channels) + item % taps * SUMS_FLOATS);
            }
        }
        if (to->dw) store_block(q, to, filters, channels);
    }
}

/* Sums of filter k to OIHW. `row`: floats for its terms. */
static void store_weight_sums(const split_plan *q, int64_t k, const float *sums, float *row, float *dw) {
    float *to = dw + k * q->o.depth * q->p.taps;
    for (int64_t b = 0; b < channel_blocks(q); b++)
        store_block_sums(q, k, b, sums + item_of(q, k / SPLIT_PANEL, b, 0) * SUMS_FLOATS, q->patches ? row : to);
    if (q->patches) transpose_f32(row, q->o.depth, q->p.taps, q->o.depth, to, q->p.taps);
}

#endif
