/* Packs weights for split convolution: bfloat16 parts in tiles, [group][panel of 32 filters][step][part][2] for each phase (split_plan.h).
 *
 * Where terms are the channels under a tap, weights are read in the order in which they lie and written to the tiles of all phases. Else,
 * where there are patches or groups side by side, a table says where the terms of a phase come from.
 */
#ifndef FASTCONV_SPLIT_PACK_H
#define FASTCONV_SPLIT_PACK_H

#include "split_data.h"

/* Elements between the weights of a direction: from filter to filter of what is computed, from channel to channel, from group to group. */
typedef struct {
    int64_t column, channel, group;
} weight_steps;

static weight_steps weight_steps_of(const geometry *s, int backward) {
    const int64_t taps = s->kh * s->kw, filter = s->c / s->g * taps;
    return (weight_steps){backward ? taps : filter, backward ? filter : taps, s->k / s->g * filter};
}

/* -- By channels -------------------------------------------------------------------------------------------------------------- */

/* Whether tiles hold the filters of one group in their lanes, and terms are the channels under a tap, which do not lie side by side. What
 * is so for one phase is so for all. */
INLINE int packs_channels(const geometry *s, const split_plan *q, int backward) {
    const int64_t phases = operands_of(s, backward).phases;
    return !q->lanes && !q->patches && q->bundle == 1 && (backward || s->kh * s->kw > 1) && sharing_phases(s, backward) == phases;
}

/* Where the tiles of a tap lie: of the first panel and 32 channels; bytes from panel to panel, and from 32 channels to the next. */
typedef struct {
    char *first; /* NULL: of a phase without outputs */
    int64_t panel, chunk;
} tap_tiles;

static void place_taps(const split_plan *q, char *packed, tap_tiles *tiles) {
    for (int64_t t = 0; t < q->p.taps; t++)
        tiles[q->p.tap[t].index] = (tap_tiles){packed + t * q->parts * 2 * TILE_BYTES, q->steps * q->parts * 2 * TILE_BYTES,
                                               q->p.taps * q->parts * 2 * TILE_BYTES};
}

enum { PACK_AHEAD = 8 }; /* channels asked for ahead */

static int64_t tiles_bytes(const geometry *s) { return ROUND_UP(s->kh * s->kw * (int64_t)sizeof(tap_tiles), CACHE_LINE); }

/* Pairs of channels that are read together, and in the backward direction of filters. */
INLINE int64_t pairs_together(int backward) { return backward ? 1 : TILE; }

/* Up to `together` channels of up to 16 filters as vectors of filters, by channel and tap; zeros where there are none. */
INLINE void read_channels(const float *from, int backward, int64_t together, int64_t taps, int64_t channel_step, int64_t column_step,
                          int64_t channels, int64_t columns, float *filters) {
    if (channels < together || columns < TILE) memset(filters, 0, together * taps * TILE * sizeof(float));
    channels = MAX(0, MIN(channels, together)), columns = MAX(0, MIN(columns, TILE));
    if (!backward && columns && channels) transpose_f32(from, column_step, columns, channels * taps, filters, TILE);
    for (int64_t i = 0; backward && columns && i < channels; i++, from += channel_step) {
        for (int64_t ahead = 0; ahead < columns * taps; ahead += TILE) /* too short a run for the hardware to notice */
            __builtin_prefetch(from + PACK_AHEAD * channel_step + ahead);
        float *of_channel = filters + i * taps * TILE;
        if (taps == 1) store_f32(of_channel, load_n_f32(from, columns));
        else if (!turn_taps_f32(taps, from, columns, of_channel, TILE)) transpose_f32(from, taps, columns, taps, of_channel, TILE);
    }
}

/* 32 channels of a panel of filters. `filters`: vectors of 16 filters each, of both channels of pairs, by tap. Forward 32 channels of 16
 * filters are read at a time, backward the filters' taps of two channels. */
INLINE void pack_channels(const int parts, const split_plan *q, const float *w, int backward, int64_t taps, const weight_steps *step,
                          int64_t chunk, int64_t panel, const tap_tiles *tiles, float *filters, magnitudes *m) {
    const int64_t together = pairs_together(backward), set = together * taps * TILE, panels = CEIL_DIV(q->o.columns, SPLIT_PANEL);
    const int64_t c = chunk * TERMS, j = panel % panels * SPLIT_PANEL;
    const float *from = w + panel / panels * step->group + j * step->column + c * step->channel;
    for (int64_t pair = 0; pair < TILE; pair += together)
        for (int64_t second = 0; second < 2; second++) {
            for (int64_t h = 0; h < 2; h++) {
                const int64_t first = h * TILE + pair;
                read_channels(from + second * TILE * step->column + first * step->channel, backward, together, taps, step->channel,
                              step->column, q->o.depth - c - first, q->o.columns - j - second * TILE, filters + h * set);
            }
            for (int64_t t = 0; t < taps; t++) {
                if (!tiles[t].first) continue;
                char *to = tiles[t].first + panel * tiles[t].panel + chunk * tiles[t].chunk + (second * TILE + pair) * TILE_ROW;
                for (int64_t i = 0; i < together; i++) {
                    const float *of_pair = filters + (i * taps + t) * TILE;
                    store_pairs(parts, (__m512)load_f32(of_pair), (__m512)load_f32(of_pair + set), to + i * TILE_ROW, 2 * TILE_BYTES, m);
                }
            }
        }
}

/* A thread's share of all phases, as `tiles` says where. `q`: of one of them; `filters`: pack_scratch_bytes. */
static void pack_by_channels(const geometry *s, const split_plan *q, int backward, const float *w, const tap_tiles *tiles, float *filters,
                             int index, int count, magnitudes *m) {
    const int64_t taps = s->kh * s->kw, panels = q->groups * CEIL_DIV(q->o.columns, SPLIT_PANEL);
    const weight_steps step = weight_steps_of(s, backward);
    int64_t begin, end;
    share(panels, index, count, &begin, &end);
    for (int64_t i = 0; i < (end - begin) * q->chunks; i++) {
        /* Backward the filters of a channel lie together. */
        const int64_t panel = begin + (backward ? i % (end - begin) : i / q->chunks), chunk = backward ? i / (end - begin) : i % q->chunks;
        switch (q->parts) {
        case 1: pack_channels(1, q, w, backward, taps, &step, chunk, panel, tiles, filters, m); break;
        case 2: pack_channels(2, q, w, backward, taps, &step, chunk, panel, tiles, filters, m); break;
        default: pack_channels(3, q, w, backward, taps, &step, chunk, panel, tiles, filters, m);
        }
    }
}

/* -- By terms ----------------------------------------------------------------------------------------------------------------- */

/* Offsets of the terms of every product from the first weight of a filter of a bundle's member; -1: there is none. */
static void term_offsets(const geometry *s, const split_plan *q, int backward, int64_t member, int32_t *offset) {
    const int64_t taps = s->kh * s->kw, channel = backward ? s->c / s->g * taps : taps, depth = q->o.depth / q->bundle;
    for (int64_t i = 0; i < q->steps; i++)
        for (int64_t l = 0; l < TERMS; l++) {
            const int64_t e = i * TERMS + l;
            const int64_t c = q->patches ? e % q->o.depth : i / q->p.taps * TERMS + l;
            const int64_t t = q->patches ? e / q->o.depth : i % q->p.taps;
            const int there = c / depth == member && c < q->o.depth && t < q->p.taps;
            offset[e] = there ? (int32_t)(c % depth * channel + q->p.tap[t].index) : -1;
        }
}

INLINE __m512 gather_terms(const float *from, const int32_t *offset) {
    const __m512i at = _mm512_loadu_si512(offset), lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __mmask16 there = _mm512_cmpge_epi32_mask(at, _mm512_setzero_si512());
    const __mmask16 in_line = _mm512_cmpeq_epi32_mask(at, _mm512_add_epi32(_mm512_set1_epi32(offset[0]), lanes));
    if (there == 0xffff && in_line == 0xffff) return _mm512_loadu_ps(from + offset[0]);
    return _mm512_mask_i32gather_ps(_mm512_setzero_ps(), there, at, from, sizeof(float));
}

/* Whether term i of a product is paired with term i + 16, as the data is, and not with the next. */
INLINE int pairs_halves(const split_plan *q) { return !q->lanes && !q->patches; }

/* One panel of filters, [step][part][2] tiles. `from`: the bundle's first weight; `offset`: of each member. */
INLINE void pack_panel(const int parts, const split_plan *q, const float *from, const weight_steps *step, int64_t first, int64_t columns,
                       const int32_t *offset, char *to, magnitudes *m) {
    const int64_t of_member = q->o.columns / q->bundle;
    for (int64_t i = 0; i < q->steps; i++, to += 2 * parts * TILE_BYTES)
        for (int second = 0; second < 2; second++) {
            vec_t_f32 row[MOST_PARTS][TILE];
            UNROLL for (int j = 0; j < TILE; j++) {
                const int64_t column = second * TILE + j;
                __m512 a = _mm512_setzero_ps(), b = a;
                if (column < columns) {
                    const int64_t member = (first + column) / of_member;
                    const float *filter = from + member * step->group + (first + column) % of_member * step->column;
                    const int32_t *at = offset + (member * q->steps + i) * TERMS;
                    a = gather_terms(filter, at);
                    b = gather_terms(filter, at + 16);
                    note_magnitudes(m, a), note_magnitudes(m, b);
                }
                __m512i part[MOST_PARTS];
                if (pairs_halves(q)) split_pairs(parts, a, b, part);
                else split_values(parts, a, b, part);
                UNROLL for (int k = 0; k < parts; k++) row[k][j] = (vec_t_f32)part[k];
            }
            UNROLL for (int k = 0; k < parts; k++) {
                char *tile = to + (2 * k + second) * TILE_BYTES;
                if (!q->lanes) transpose_square_f32(row[k]);
                UNROLL for (int j = 0; j < TILE; j++) _mm512_store_si512(tile + j * TILE_ROW, (__m512i)row[k][j]);
            }
        }
}

/* A thread's share of a phase. `offset`: pack_scratch_bytes, for each member's terms. */
static void pack_by_terms(const geometry *s, const split_plan *q, int backward, const float *w, char *packed, int32_t *offset, int index,
                          int count, magnitudes *m) {
    const int64_t panels = CEIL_DIV(q->o.columns, SPLIT_PANEL);
    const weight_steps step = weight_steps_of(s, backward);
    int64_t begin, end;
    for (int64_t i = 0; i < q->bundle; i++) term_offsets(s, q, backward, i, offset + i * q->steps * TERMS);
    share(q->groups * panels, index, count, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        const int64_t j = i % panels * SPLIT_PANEL, columns = MIN(SPLIT_PANEL, q->o.columns - j);
        const float *from = w + i / panels * q->bundle * step.group;
        char *to = packed + i * q->steps * q->parts * 2 * TILE_BYTES;
        switch (q->parts) {
        case 1: pack_panel(1, q, from, &step, j, columns, offset, to, m); break;
        case 2: pack_panel(2, q, from, &step, j, columns, offset, to, m); break;
        default: pack_panel(3, q, from, &step, j, columns, offset, to, m);
        }
    }
}

/* Of a thread, for a phase. */
static int64_t pack_scratch_bytes(const geometry *s, const split_plan *q, int backward) {
    return packs_channels(s, q, backward) ? 2 * pairs_together(backward) * s->kh * s->kw * TILE_ROW
                                          : q->bundle * q->steps * TERMS * (int64_t)sizeof(int32_t);
}

#endif
