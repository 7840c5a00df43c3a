/* Weight gradient on matrix units (after split.h).
 *
 *   dw[k][c][tap] = sum over output pixels of gy[k][pixel] x[c][pixel + tap]
 *
 * is a product whose terms are pixels. Of every strip, x is split into planes (or, of few channels, patches) with the pixels side by side,
 * so that a data tile is 16 channels x 32 pixels from any tap on, and gy into tiles of 16 pairs of pixels x 16 filters, with zeros between
 * the rows. Then each register tile of 32 channels x 32 filters of one tap runs over the strip and is added to its sums. Threads share
 * a strip and own tiles, so the order of every sum is the same for any number of threads.
 */
#ifndef FASTCONV_SPLIT_WEIGHT_H
#define FASTCONV_SPLIT_WEIGHT_H

#include "split.h"

enum { SUMS_FLOATS = 4 * TILE * TILE };

/* Rows of data tiles: channels of a plane, or terms of a patch; in blocks of 32. */
static int64_t weight_rows(const split_plan *q) { return q->patches ? q->p.taps * q->o.depth : q->o.depth; }
static int64_t weight_blocks(const split_plan *q) { return CEIL_DIV(weight_rows(q), SPLIT_PANEL); }
static int64_t weight_taps(const split_plan *q) { return q->patches ? 1 : q->p.taps; }
static int64_t weight_panels(const split_plan *q) { return CEIL_DIV(q->o.columns, SPLIT_PANEL); }

/* Bytes of one part of x: [slot][32-channel blocks][pixel]; of the tiles of a panel of gy; of the sums of a group. */
static int64_t weight_x_part(const split_plan *q) { return (q->patches ? 1 : q->planes) * weight_blocks(q) * SPLIT_PANEL * q->plane * 2; }
static int64_t weight_steps(const split_plan *q) { return CEIL_DIV(q->plane, TERMS); }
static int64_t weight_panel_bytes(const split_plan *q) { return weight_steps(q) * q->parts * 2 * TILE_BYTES; }
static int64_t weight_sums(const split_plan *q) { return weight_blocks(q) * weight_panels(q) * weight_taps(q) * SUMS_FLOATS; }

/* Where each pixel of a channels-last plane is; NULL: it is zero. */
INLINE void locate_plane(const split_strip *t, const float *x, int64_t slot, const float **at) {
    const split_plan *q = t->q;
    const int64_t rows = plane_rows(t), step = q->p.step_w * q->o.src_c;
    const held_pixels held = held_in_row(q->pitch, q->least_x, q->slot_x[slot], q->p.step_w, q->o.src_w);
    for (int64_t r = 0; r < rows; r++) {
        int64_t n;
        const int64_t y = plane_row(t, r, slot, &n);
        const float *from = x + ((n * q->o.src_h + y) * q->o.src_w + held.first) * q->o.src_c + t->group * q->o.depth;
        for (int64_t j = 0; j < q->pitch; j++)
            *at++ = y >= 0 && j >= held.begin && j < held.end ? from + (j - held.begin) * step : NULL;
    }
    for (int64_t j = rows * q->pitch; j < q->plane; j++) *at++ = NULL;
}

/* The same for the output gradient of the strip's pixels. */
INLINE void locate_gradient(const split_strip *t, int64_t image_rows, const float *gy, const float **at) {
    const split_plan *q = t->q;
    for (int64_t j = 0; j < q->plane; j++) at[j] = NULL;
    for (int64_t i = 0; i < t->images; i++)
        for (int64_t r = 0; r < t->rows; r++)
            for (int64_t x = 0; x < q->p.w; x++)
                at[(i * image_rows + r) * q->pitch + x] =
                    gy + (((t->n0 + i) * q->o.dst_h + t->y0 + r) * q->o.dst_w + x) * q->o.dst_c + t->group * q->o.columns;
}

/* Pairs of pixels of channels [c, c + 16): 16 rows of 16 pairs; `count`: channels there are. */
INLINE void pair_pixels(const int parts, const float *const *at, int64_t c, int64_t count, vec_t_f32 row[MOST_PARTS][TILE], magnitudes *m) {
    UNROLL for (int i = 0; i < TILE; i++) {
        const __m512 a = load_floats(at[2 * i] ? at[2 * i] + c : NULL, at[2 * i] ? count : 0);
        const __m512 b = load_floats(at[2 * i + 1] ? at[2 * i + 1] + c : NULL, at[2 * i + 1] ? count : 0);
        __m512i part[MOST_PARTS];
        note_magnitudes(m, a), note_magnitudes(m, b);
        split_values(parts, a, b, part);
        UNROLL for (int k = 0; k < parts; k++) row[k][i] = (vec_t_f32)paired(part[k]);
    }
}

/* -- x ------------------------------------------------------------------------------------------------------------------------ */

/* Blocks of 16 channels [begin, end) of the planes. */
INLINE void fill_weight_planes(const int parts, const split_strip *t, const float *x, int64_t begin, int64_t end, const float **at,
                               magnitudes *m) {
    const split_plan *q = t->q;
    const int64_t part_bytes = weight_x_part(q), row_bytes = 2 * q->plane, channels = weight_blocks(q) * SPLIT_PANEL;
    for (int64_t slot = 0; slot < q->planes; slot++) {
        if (t->q->channels_last) locate_plane(t, x, slot, at);
        for (int64_t block = begin; block < end; block++) {
            const int64_t c = block * TILE;
            char *to = t->parts + (slot * channels + c) * row_bytes;
            if (t->q->channels_last) {
                for (int64_t j = 0; j < q->plane; j += TERMS) {
                    vec_t_f32 row[MOST_PARTS][TILE];
                    pair_pixels(parts, at + j, c, q->o.depth - c, row, m);
                    UNROLL for (int k = 0; k < parts; k++) {
                        transpose_square_f32(row[k]);
                        UNROLL for (int i = 0; i < TILE; i++)
                            _mm512_store_si512(to + k * part_bytes + i * row_bytes + 2 * j, (__m512i)row[k][i]);
                    }
                }
            } else {
                for (int64_t i = 0; i < TILE; i++, to += row_bytes)
                    if (c + i < q->o.depth) fill_plane_rows(parts, 1, t, x, slot, c + i, to, part_bytes, m);
                    else
                        for (int k = 0; k < parts; k++) memset(to + k * part_bytes, 0, row_bytes);
            }
        }
    }
}

/* Terms [begin, end) of the patches. */
INLINE void fill_weight_patches(const int parts, const split_strip *t, const float *x, int64_t begin, int64_t end, magnitudes *m) {
    const split_plan *q = t->q;
    const int64_t values = split_compact_values(q), part_bytes = weight_x_part(q), pixels = t->rows * q->p.w;
    for (int64_t i = 0; i < t->images; i++) {
        fill_compact_rows(parts, t, t->n0 + i, x, m);
        for (int64_t e = begin; e < end; e++) {
            const uint16_t *from = compact_term(t, e);
            for (int k = 0; k < parts; k++) {
                uint16_t *to = (uint16_t *)(t->parts + k * part_bytes) + e * q->plane + i * pixels;
                for (int64_t r = 0; from && r < t->rows; r++)
                    for (int64_t j = 0; j < q->p.w; j += TERMS)
                        _mm512_storeu_si512(to + r * q->p.w + j,
                                            _mm512_loadu_si512(from + k * values + r * q->p.step_h * q->compact_x + j));
                const int64_t last = from ? pixels : 0;
                if (i + 1 == t->images) memset(to + last, 0, 2 * (q->plane - i * pixels - last));
            }
        }
    }
}

/* -- gy ----------------------------------------------------------------------------------------------------------------------- */

/* Tiles of one panel of 32 filters. `rows`: where NCHW gradients are split first, [part][32][plane]. */
INLINE void fill_gradient_tiles(const int parts, const split_strip *t, int64_t image_rows, const float *gy, int64_t panel, int64_t steps,
                                const float *const *at, char *rows, char *to, magnitudes *m) {
    const split_plan *q = t->q;
    const int64_t k0 = panel * SPLIT_PANEL, columns = q->o.columns - k0, row_bytes = 2 * q->plane, part_bytes = SPLIT_PANEL * row_bytes;
    for (int64_t j = 0; j < SPLIT_PANEL && !t->q->channels_last; j++) {
        char *row = rows + j * row_bytes;
        for (int p = 0; p < parts; p++) memset(row + p * part_bytes, 0, row_bytes);
        if (j >= columns) continue;
        for (int64_t i = 0; i < t->images; i++) {
            const float *from = gy + (((t->n0 + i) * q->o.dst_c + t->group * q->o.columns + k0 + j) * q->o.dst_h + t->y0) * q->o.dst_w;
            const int64_t first = i * image_rows * q->pitch;
            if (q->pitch == q->o.dst_w)
                split_row(parts, from, t->rows * q->pitch, row + 2 * first, part_bytes, m);
            else
                for (int64_t r = 0; r < t->rows; r++)
                    split_row(parts, from + r * q->o.dst_w, q->o.dst_w, row + 2 * (first + r * q->pitch), part_bytes, m);
        }
    }
    for (int64_t i = 0; i < steps; i++)
        for (int second = 0; second < 2; second++) {
            vec_t_f32 row[MOST_PARTS][TILE];
            if (t->q->channels_last) {
                pair_pixels(parts, at + i * TERMS, k0 + second * TILE, columns - second * TILE, row, m);
            } else {
                UNROLL for (int p = 0; p < parts; p++) {
                    UNROLL for (int j = 0; j < TILE; j++)
                        row[p][j] = (vec_t_f32)_mm512_load_si512(rows + p * part_bytes + (second * TILE + j) * row_bytes + i * TILE_ROW);
                    transpose_square_f32(row[p]);
                }
            }
            UNROLL for (int p = 0; p < parts; p++)
                UNROLL for (int j = 0; j < TILE; j++)
                    _mm512_store_si512(to + ((i * parts + p) * 2 + second) * TILE_BYTES + j * TILE_ROW, (__m512i)row[p][j]);
        }
}

/* The share of thread `index` of `count` of a strip's x: all parts of some blocks of channels, or of some terms. */
static void fill_x(const split_strip *t, const float *x, int64_t blocks, int index, int count, const float **at, magnitudes *m) {
    int64_t begin, end;
    share(t->q->patches ? blocks * SPLIT_PANEL : 2 * blocks, index, count, &begin, &end);
    switch (t->q->parts + (t->q->patches ? MOST_PARTS : 0)) {
    case 1: fill_weight_planes(1, t, x, begin, end, at, m); break;
    case 2: fill_weight_planes(2, t, x, begin, end, at, m); break;
    case 3: fill_weight_planes(3, t, x, begin, end, at, m); break;
    case 4: fill_weight_patches(1, t, x, begin, end, m); break;
    case 5: fill_weight_patches(2, t, x, begin, end, m); break;
    default: fill_weight_patches(3, t, x, begin, end, m);
    }
}

static void fill_gradient(const split_strip *t, int64_t image_rows, const float *gy, int64_t panel, int64_t steps, const float *const *at,
                          char *rows, char *to, magnitudes *m) {
    switch (t->q->parts) {
    case 1: fill_gradient_tiles(1, t, image_rows, gy, panel, steps, at, rows, to, m); break;
    case 2: fill_gradient_tiles(2, t, image_rows, gy, panel, steps, at, rows, to, m); break;
    default: fill_gradient_tiles(3, t, image_rows, gy, panel, steps, at, rows, to, m);
    }
}

/* -- Sums --------------------------------------------------------------------------------------------------------------------- */

/* Register tiles [begin, end) over a strip, in the order (block of rows, panel of filters, tap). */
static void add_products(const split_strip *t, const char *tiles, int64_t steps, const int64_t *at, int64_t begin, int64_t end, int first,
                         float *sums) {
    const split_plan *q = t->q;
    const int64_t taps = weight_taps(q), panels = weight_panels(q), channels = weight_blocks(q) * SPLIT_PANEL;
    tile_factors f = {.row = 2 * q->plane, .second = 2 * TILE * q->plane, .part = weight_x_part(q), .at = at, .steps = steps};
    for (int64_t item = begin; item < end; item++) {
        const int64_t tap_index = item % taps, panel = item / taps % panels, block = item / taps / panels;
        int64_t from = block * SPLIT_PANEL * q->plane;
        if (!q->patches) {
            const tap *w = q->p.tap + tap_index;
            from += q->slot[tap_index] * channels * q->plane + (floor_div(w->dy, q->p.step_h) - q->least_y) * q->pitch +
                    floor_div(w->dx, q->p.step_w) - q->least_x;
        }
        float *to = sums + item * SUMS_FLOATS;
        tile_sums r = {.from = first ? FROM_ZERO : FROM_SUMS, .row = {TILE_ROW, TILE_ROW}};
        for (int64_t i = 0; i < 4; i++) r.out[i] = to + i * TILE * TILE;
        f.data = t->parts + 2 * from;
        f.weights = tiles + panel * weight_panel_bytes(q);
        const int64_t nd = weight_rows(q) - block * SPLIT_PANEL > TILE ? 2 : 1, nw = q->o.columns - panel * SPLIT_PANEL > TILE ? 2 : 1;
        tile_kernels[q->parts - 1][0][nd - 1][nw - 1](&f, &r);
    }
}

/* Sums of filters [k0, k0 + 16) to OIHW: of each filter, channels and taps are one row. */
static void store_weight_sums(const split_plan *q, int64_t k0, const float *sums, float *dw) {
    const int64_t taps = q->p.taps, count = q->o.depth * taps, panels = weight_panels(q), filters = MIN(TILE, q->o.columns - k0);
    for (int64_t e = 0; e < count; e += TILE) {
        vec_t_f32 row[TILE];
        UNROLL for (int i = 0; i < TILE; i++) {
            const int64_t c = (e + i) / taps, w = (e + i) % taps, term = q->patches ? w * q->o.depth + c : c;
            const int64_t item = (term / SPLIT_PANEL * panels + k0 / SPLIT_PANEL) * weight_taps(q) + (q->patches ? 0 : w);
            const int64_t tile = 2 * (term % SPLIT_PANEL / TILE) + k0 % SPLIT_PANEL / TILE;
            row[i] = e + i < count ? load_f32(sums + item * SUMS_FLOATS + (tile * TILE + term % TILE) * TILE) : (vec_t_f32){0};
        }
        transpose_square_f32(row);
        UNROLL for (int i = 0; i < TILE; i++)
            if (i < filters) store_n_f32(dw + (k0 + i) * count + e, row[i], count - e);
    }
}

#endif
