/* Weight gradient of batches of small images on matrix units (after split_weight.h): the terms of a product are one pixel of 32 images that
 * lie side by side, so that every tap's tiles begin where a pixel does, and pixels beyond the border are left out; see split_aside.h.
 *
 *   x  [part][plane of a remainder][tile of channels][row][column][16 pairs of images][16 channels x 2]
 *   gy [part][tile of filters][row][column][16 filters][32 images]
 */
#ifndef FASTCONV_SPLIT_WEIGHT_ASIDE_H
#define FASTCONV_SPLIT_WEIGHT_ASIDE_H

#include "split_weight.h"

/* Pairs of values of image 2 pair and of the next; zeros for images that are missing. */
INLINE void pair_images(const int parts, const float *from, int64_t image, int64_t pair, int64_t images, int64_t step, int64_t count,
                        __m512i part[MOST_PARTS], magnitudes *m) {
    const __m512 a = load_every(from + 2 * pair * image, step, 2 * pair < images ? count : 0);
    const __m512 b = load_every(from + (2 * pair + 1) * image, step, 2 * pair + 1 < images ? count : 0);
    note_magnitudes(m, a), note_magnitudes(m, b);
    split_pairs(parts, a, b, part);
}

/* `count` pixels of 16 channels of a pair of images to the pair's rows of each pixel's tile. `from`: of the first image's first channel. */
INLINE void turn_images(const int parts, const float *from, int64_t image, int64_t channel, int64_t channels, int64_t pair, int64_t images,
                        int64_t step, int64_t count, char *to, int64_t part_bytes, magnitudes *m) {
    for (int64_t v = 0; v < count; v += TILE) {
        vec_t_f32 row[MOST_PARTS][TILE];
        UNROLL for (int i = 0; i < TILE; i++) {
            __m512i part[MOST_PARTS];
            pair_images(parts, from + i * channel + v * step, image, pair, images, step, i < channels ? count - v : 0, part, m);
            UNROLL for (int k = 0; k < parts; k++) row[k][i] = (vec_t_f32)part[k];
        }
        UNROLL for (int k = 0; k < parts; k++) {
            transpose_square_f32(row[k]);
            UNROLL for (int i = 0; i < TILE; i++)
                if (v + i < count) _mm512_store_si512(to + k * part_bytes + (v + i) * TILE_BYTES, (__m512i)row[k][i]);
        }
    }
}

/* Tiles [begin, end) of channels of NCHW data whose columns are taken apart. */
INLINE void fill_pairs_apart(const int parts, const split_strip *t, const float *x, int64_t begin, int64_t end, magnitudes *m) {
    const split_plan *q = t->q;
    const int64_t part_bytes = pairs_part(q), tile_bytes = pair_tile_bytes(q), plane = apart_floats(q);
    const int64_t channel = q->o.src_h * q->o.src_w, image = q->o.src_c * channel;
    const output_range held = aside_rows(t);
    for (int64_t slot = 0; slot < q->planes; slot++) {
        const int64_t rows = rows_from(q, slot, held.first, held.last), y = held.first * q->p.step_h + q->slot_y[slot];
        if (!begins_rows(q, slot) || rows <= 0) continue;
        for (int64_t tile = begin; tile < end; tile++)
            for (int64_t pair = 0; pair < SPLIT_BLOCK / 2; pair++) {
                const int64_t channels = MIN(TILE, q->o.depth - tile * TILE), images = MIN(2, t->images - 2 * pair);
                const float *from = x + (t->n0 + 2 * pair) * image + (t->group * q->o.depth + tile * TILE) * channel + y * q->o.src_w;
                for (int64_t b = 0; b < images; b++)
                    part_columns(q, from + b * image, channels, rows, t->row + b * TILE * plane, TERMS * plane);
                for (int64_t i = slot; i < q->planes; i++) {
                    if (q->slot_y[i] != q->slot_y[slot]) continue;
                    char *to = t->parts + i * pairs_kind(q) + tile * tile_bytes + pair * TILE_ROW;
                    turn_images(parts, t->row + q->slot_x[i] * TERMS * plane, TILE * plane, plane, channels, 0, images, 1,
                                rows * q->pitch, to, part_bytes, m);
                }
            }
    }
}

/* Tiles [begin, end) of channels of all data. */
INLINE void fill_pairs_aside(const int parts, const split_strip *t, const float *x, int64_t begin, int64_t end, magnitudes *m) {
    const split_plan *q = t->q;
    const int64_t part_bytes = pairs_part(q), tile_bytes = pair_tile_bytes(q), step = q->p.step_w;
    const int64_t channel = q->channels_last ? 1 : q->o.src_h * q->o.src_w, pixel = q->channels_last ? q->o.src_c : 1;
    const int64_t image = q->o.src_c * q->o.src_h * q->o.src_w;
    const output_range held = aside_rows(t);
    if (takes_columns_apart(q)) {
        fill_pairs_apart(parts, t, x, begin, end, m);
        return;
    }
    for (int64_t slot = 0; slot < q->planes; slot++)
        for (int64_t u = held.first, rows, count; u < held.last; u += rows) {
            const int64_t y = u * q->p.step_h + q->slot_y[slot];
            const float *from = x + t->n0 * image + t->group * q->o.depth * channel + (y * q->o.src_w + q->slot_x[slot]) * pixel;
            char *to = t->parts + slot * pairs_kind(q) + (u - held.first) * q->pitch * TILE_BYTES;
            rows = 1, count = CEIL_DIV(q->o.src_w - q->slot_x[slot], step);
            if (q->p.step_h == 1 && step == 1) rows = held.last - u, count *= rows;
            if (y >= q->o.src_h) continue;
            for (int64_t v = 0; v < count && q->channels_last; v++)
                for (int64_t pair = 0; pair < SPLIT_BLOCK / 2; pair++)
                    for (int64_t tile = begin; tile < end; tile++) {
                        __m512i part[MOST_PARTS];
                        pair_images(parts, from + v * step * pixel + tile * TILE, image, pair, t->images, 1, q->o.depth - tile * TILE,
                                    part, m);
                        UNROLL for (int k = 0; k < parts; k++)
                            _mm512_store_si512(to + k * part_bytes + tile * tile_bytes + v * TILE_BYTES + pair * TILE_ROW, part[k]);
                    }
            for (int64_t tile = begin; tile < end && !q->channels_last; tile++)
                for (int64_t pair = 0; pair < SPLIT_BLOCK / 2; pair++)
                    turn_images(parts, from + tile * TILE * channel, image, channel, q->o.depth - tile * TILE, pair, t->images, step, count,
                                to + tile * tile_bytes + pair * TILE_ROW, part_bytes, m);
        }
}

/* Tiles [begin, end) of 16 filters. */
INLINE void fill_gradient_aside(const int parts, const split_strip *t, const float *gy, int64_t begin, int64_t end, char *to,
                                magnitudes *m) {
    const split_plan *q = t->q;
    const int64_t part_bytes = gradient_part(q), tile_bytes = gradient_tile_bytes(q), count = t->rows * q->p.w;
    const int64_t filter = q->channels_last ? 1 : q->o.dst_h * q->o.dst_w, pixel = q->channels_last ? q->o.dst_c : 1;
    const int64_t image = q->o.dst_c * q->o.dst_h * q->o.dst_w;
    const float *from = gy + t->n0 * image + t->group * q->o.columns * filter + t->y0 * q->o.dst_w * pixel;
    for (int64_t v = 0; v < count && q->channels_last; v++)
        for (int64_t tile = begin; tile < end; tile++) {
            vec_t_f32 row[MOST_PARTS][TILE];
            UNROLL for (int i = 0; i < TILE; i++) {
                __m512i part[MOST_PARTS];
                pair_images(parts, from + v * pixel + tile * TILE, image, i, t->images, 1, q->o.columns - tile * TILE, part, m);
                UNROLL for (int k = 0; k < parts; k++) row[k][i] = (vec_t_f32)part[k];
            }
            UNROLL for (int k = 0; k < parts; k++) {
                transpose_square_f32(row[k]);
                UNROLL for (int i = 0; i < TILE; i++)
                    _mm512_store_si512(to + k * part_bytes + tile * tile_bytes + v * TILE_BYTES + i * TILE_ROW, (__m512i)row[k][i]);
            }
        }
    for (int64_t k = begin * TILE; k < end * TILE && !q->channels_last; k++) {
        char *rows = to + k / TILE * tile_bytes + k % TILE * TILE_ROW;
        for (int64_t v = 0; v < count; v += TILE) {
            vec_t_f32 row[MOST_PARTS][TILE];
            UNROLL for (int i = 0; i < TILE; i++) {
                __m512i part[MOST_PARTS];
                pair_images(parts, from + k * filter + v, image, i, t->images, 1, k < q->o.columns ? count - v : 0, part, m);
                UNROLL for (int p = 0; p < parts; p++) row[p][i] = (vec_t_f32)part[p];
            }
            UNROLL for (int p = 0; p < parts; p++) {
                transpose_square_f32(row[p]);
                UNROLL for (int i = 0; i < TILE; i++)
                    if (v + i < count) _mm512_store_si512(rows + p * part_bytes + (v + i) * TILE_BYTES, (__m512i)row[p][i]);
            }
        }
    }
}

/* Both factors of a strip: tiles of channels and of filters. */
static void fill_weight_aside(const split_strip *t, const float *x, const float *gy, output_range channels, output_range filters,
                              char *gradients, magnitudes *of_x, magnitudes *of_gy) {
#define FILL(parts)                                                                                                                  \
    fill_pairs_aside(parts, t, x, channels.first, channels.last, of_x);                                                            \
    fill_gradient_aside(parts, t, gy, filters.first, filters.last, gradients, of_gy)
    switch (t->q->parts) {
    case 1: FILL(1); break;
    case 2: FILL(2); break;
    default: FILL(3);
    }
#undef FILL
}

/* Register tiles [begin, end) over a strip, as in `add_products`: the taps may take turns, a row each. `step`: one for each column. */
static void add_aside_products(const split_strip *t, const char *gradients, tile_step *step, int64_t begin, int64_t end,
                               const weight_sink *to) {
    const split_plan *q = t->q;
    const int64_t taps = q->p.taps, tiles = weight_tiles(q), tile_bytes = pair_tile_bytes(q), w = q->p.w, held = aside_rows(t).first;
    const int64_t turn = take_turns_of(q, w, q->pitch * q->aside) ? 1 : t->rows;
    tile_factors f = {.row = TILE_ROW, .second = gradient_tile_bytes(q), .part = gradient_part(q), .step = step,
                      .round = {w * TILE_BYTES, q->pitch * TILE_BYTES}, .weights_second = tile_bytes, .weights_part = pairs_part(q)};
    for (int64_t i = 0; i < w; i++) step[i] = (tile_step){i * TILE_BYTES, i * TILE_BYTES};
    for (int64_t block = begin / taps; block * taps < end; block++) {
        int64_t filters, channels;
        block_in_order(q, block, &filters, &channels);
        const int64_t nd = q->o.columns - filters * SPLIT_PANEL > TILE ? 2 : 1, nw = tiles - 2 * channels > 1 ? 2 : 1;
        for (int64_t y = 0; y < t->rows; y += turn)
            for (int64_t item = MAX(begin, block * taps); item < MIN(end, (block + 1) * taps); item++) {
                const tap *p = q->p.tap + item % taps;
                const output_range rows = outputs_of_tap(q->p.h, p->dy, q->p.step_h, q->o.src_h);
                const output_range columns = outputs_of_tap(w, p->dx, q->p.step_w, q->o.src_w);
                const int64_t r0 = MAX(rows.first - t->y0, y), r1 = MIN(MIN(rows.last - t->y0, t->rows), y + turn);
                const int64_t u = t->y0 + r0 + floor_div(p->dy, q->p.step_h) - held, v = columns.first + floor_div(p->dx, q->p.step_w);
                f.steps = columns.last - columns.first, f.rounds = MAX(0, r1 - r0);
                f.data = gradients + 2 * filters * f.second + (r0 * w + columns.first) * TILE_BYTES;
                f.weights = t->parts + q->slot[item % taps] * pairs_kind(q) + 2 * channels * tile_bytes + (u * q->pitch + v) * TILE_BYTES;
                if (to->dw && y + turn >= t->rows) ask_for_block(q, to, filters, channels, item % taps, taps);
                add_tiles(q, &f, nd, nw, to->first && y == 0, sums_of_block(q, to, filters, channels) + item % taps * SUMS_FLOATS);
            }
        if (to->dw) store_block(q, to, filters, channels);
    }
}

#endif
