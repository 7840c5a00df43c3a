/* Batches of small images on matrix units (after split.h): 32 images lie side by side.
 *
 *   planes [slot][chunk][part][row][column][image][32 channels], without zeros around the images
 *
 * A block of tile rows is one pixel of 32 images. What a tap reads for it is a block too, or lies beyond the border, and the tap is left
 * out: of 3x3 kernels on images of 4x4 pixels, 100 of 144 taps are there, and padded planes would have 225. Rows of the planes that
 * strips have in common stay where they are: row u of the source, in steps, is at u modulo `held_rows`.
 */
#ifndef FASTCONV_SPLIT_ASIDE_H
#define FASTCONV_SPLIT_ASIDE_H

#include "split.h"

enum { ASIDE_PIXELS = TILE /* whose sums are turned to NCHW together */ };

/* A tap, and the outputs of a row that it finds a pixel for. */
typedef struct {
    output_range x;
    tile_step at; /* of column 0 */
} aside_tap;

/* Bytes of the tables of a phase: taps of a row, and steps of a pixel. */
static int64_t aside_tables_bytes(const split_plan *q) {
    return q->aside ? q->p.taps * (int64_t)(sizeof(aside_tap) + sizeof(tile_step)) : 0;
}

/* Floats of sums on their way to NCHW, behind the stage. */
static int64_t aside_sums(const split_plan *q) { return q->aside && !q->channels_last ? ASIDE_PIXELS * SPLIT_BLOCK * SPLIT_PANEL : 0; }

/* -- The strip ---------------------------------------------------------------------------------------------------------------- */

/* Tile row of a pixel of the first image, from the plane's beginning. */
INLINE int64_t aside_place(const split_plan *q, int64_t u, int64_t v) { return (u % q->held_rows * q->pitch + v) * q->aside; }

/* Channels-last rows [u0, u1) of the planes. */
INLINE void fill_aside_pixels(const int parts, const split_strip *t, int64_t u0, int64_t u1, const float *x, magnitudes *m) {
    const split_plan *q = t->q;
    const int64_t step = q->p.step_w * q->o.src_c, depth = q->o.depth, part_bytes = q->plane * TILE_ROW;
    const int64_t slot_bytes = q->chunks * parts * part_bytes, pixel_bytes = q->aside * TILE_ROW;
    for (int64_t slot = 0; slot < q->planes; slot++)
        for (int64_t u = u0; u < u1; u++) {
            const int64_t y = u * q->p.step_h + q->slot_y[slot], count = CEIL_DIV(q->o.src_w - q->slot_x[slot], q->p.step_w);
            for (int64_t b = 0; b < t->images && y < q->o.src_h; b++) {
                const int64_t pixel = ((t->n0 + b) * q->o.src_h + y) * q->o.src_w + q->slot_x[slot];
                const float *from = x + pixel * q->o.src_c + t->group * depth;
                char *to = t->parts + slot * slot_bytes + (aside_place(q, u, 0) + b) * TILE_ROW;
                for (int64_t v = 0; v < count; v++, from += step, to += pixel_bytes)
                    split_pixel(parts, depth, from, pixel_ahead(step), to, part_bytes, m);
            }
        }
}

/* The even and the odd columns of `rows` rows of an NCHW image, of `channels` channels: [2][channel][row][pitch], zeros where there are
 * none. Between channels there are apart_floats; `second`: floats to the odd columns. */
INLINE void part_columns(const split_plan *q, const float *from, int64_t channels, int64_t rows, float *to, int64_t second) {
    const __m512i order = _mm512_set_epi32(15, 13, 11, 9, 7, 5, 3, 1, 14, 12, 10, 8, 6, 4, 2, 0);
    const int64_t width = q->o.src_w, channel = q->o.src_h * width, step = q->p.step_h * width, pitch = q->pitch, plane = apart_floats(q);
    for (int64_t i = 0; i < channels; i++)
        for (int64_t r = 0; r < rows; r++) {
            const float *row = from + i * channel + r * step;
            float *even = to + i * plane + r * pitch, *odd = even + second;
            for (int64_t j = 0; j < width; j += TILE) {
                const __m512 both = _mm512_permutexvar_ps(order, load_floats(row + j, width - j));
                _mm256_storeu_ps(even + j / 2, _mm512_castps512_ps256(both));
                _mm256_storeu_ps(odd + j / 2, _mm512_extractf32x8_ps(both, 1));
            }
        }
}

/* Rows of a plane from u on that lie together, below `end`, and in the source. */
INLINE int64_t rows_from(const split_plan *q, int64_t slot, int64_t u, int64_t end) {
    return MIN(end, CEIL_DIV(q->o.src_h - q->slot_y[slot], q->p.step_h)) - u;
}

/* Whether no plane before this one is of the same rows of the source. */
INLINE int begins_rows(const split_plan *q, int64_t slot) {
    for (int64_t i = 0; i < slot; i++)
        if (q->slot_y[i] == q->slot_y[slot]) return 0;
    return 1;
}

/* Columns of a plane row of NCHW data, or of several that lie together in the source and in the plane; returns the rows. */
INLINE int64_t aside_run(const split_plan *q, int64_t slot, int64_t u, int64_t end, int64_t *columns) {
    int64_t rows = 1;
    *columns = CEIL_DIV(q->o.src_w - q->slot_x[slot], q->p.step_w);
    if (q->p.step_h == 1 && q->p.step_w == 1) rows = MIN(end - u, q->held_rows - u % q->held_rows), *columns *= rows;
    return rows;
}

/* NCHW pixels of several images, `count` of each, to places `pixel_bytes` apart, and one behind the other for each image. */
INLINE void turn_images_apart(const int parts, const float *from, int64_t channels, int64_t channel, int64_t count, int64_t images,
                              char *to, int64_t pixel_bytes, int64_t part_bytes, magnitudes *m) {
    for (int64_t j = 0, pixel = 0, image = 0; j < images * count; j += TILE) {
        vec_t_f32 row[MOST_PARTS][TILE];
        const int64_t there = MIN(TILE, images * count - j);
        turned_channels(parts, from + j, channels, channel, 1, there, 0, row, m);
        for (int64_t i = 0; i < there; i++) {
            UNROLL for (int k = 0; k < parts; k++)
                _mm512_store_si512(to + k * part_bytes + image * TILE_ROW + pixel * pixel_bytes, (__m512i)row[k][i]);
            if (++pixel == count) pixel = 0, image++;
        }
    }
}

/* 32 channels of some images, `from` on, to the planes of one remainder of the rows; `to`: of the first plane. */
INLINE void fill_apart_images(const int parts, const split_strip *t, int64_t slot, int64_t rows, const float *from, int64_t channels,
                              int64_t images, char *to, magnitudes *m) {
    const split_plan *q = t->q;
    const int64_t count = rows * q->pitch, plane = apart_floats(q), part_bytes = q->plane * TILE_ROW;
    for (int64_t b = 0; b < images; b++)
        part_columns(q, from + b * q->o.src_c * q->o.src_h * q->o.src_w, channels, rows, t->row + b * count, TERMS * plane);
    for (int64_t i = slot; i < q->planes; i++)
        if (q->slot_y[i] == q->slot_y[slot])
            turn_images_apart(parts, t->row + q->slot_x[i] * TERMS * plane, channels, plane, count, images,
                              to + i * q->chunks * parts * part_bytes, q->aside * TILE_ROW, part_bytes, m);
}

/* Rows [u0, u1) of the planes of NCHW data whose columns are taken apart. */
INLINE void fill_apart_planes(const int parts, const split_strip *t, int64_t u0, int64_t u1, const float *x, magnitudes *m) {
    const split_plan *q = t->q;
    const int64_t depth = q->o.depth, channel = q->o.src_h * q->o.src_w;
    for (int64_t u = u0, end; u < u1; u = end) {
        end = MIN(u1, u + q->held_rows - u % q->held_rows);
        const int64_t together = CEIL_DIV(APART_PIXELS, (end - u) * q->pitch);
        for (int64_t c0 = 0; c0 < depth; c0 += TERMS)
            for (int64_t b = 0; b < t->images; b += together)
                for (int64_t slot = 0; slot < q->planes; slot++) {
                    const int64_t rows = rows_from(q, slot, u, end), y = u * q->p.step_h + q->slot_y[slot];
                    if (!begins_rows(q, slot) || rows <= 0) continue;
                    const float *from = x + ((t->n0 + b) * q->o.src_c + t->group * depth + c0) * channel + y * q->o.src_w;
                    char *to = t->parts + (c0 / TERMS * parts * q->plane + aside_place(q, u, 0) + b) * TILE_ROW;
                    fill_apart_images(parts, t, slot, rows, from, MIN(TERMS, depth - c0), MIN(together, t->images - b), to, m);
                }
    }
}

/* The same of all NCHW data. */
INLINE void fill_aside_planes(const int parts, const split_strip *t, int64_t u0, int64_t u1, const float *x, magnitudes *m) {
    const split_plan *q = t->q;
    const int64_t depth = q->o.depth, part_bytes = q->plane * TILE_ROW, channel = q->o.src_h * q->o.src_w, step = q->p.step_w;
    const int64_t pixel_bytes = q->aside * TILE_ROW;
    if (takes_columns_apart(q)) {
        fill_apart_planes(parts, t, u0, u1, x, m);
        return;
    }
    for (int64_t slot = 0; slot < q->planes; slot++)
        for (int64_t u = u0, rows, count; u < u1; u += rows) {
            const int64_t y = u * q->p.step_h + q->slot_y[slot];
            rows = aside_run(q, slot, u, u1, &count);
            if (y >= q->o.src_h) continue;
            for (int64_t c0 = 0; c0 < depth; c0 += TERMS)
                for (int64_t b = 0; b < t->images; b++) {
                    const int64_t channels = MIN(TERMS, depth - c0);
                    const float *from = x + ((t->n0 + b) * q->o.src_c + t->group * depth + c0) * channel + y * q->o.src_w + q->slot_x[slot];
                    char *to = t->parts + (slot * q->chunks + c0 / TERMS) * parts * part_bytes + (aside_place(q, u, 0) + b) * TILE_ROW;
                    turn_channels(parts, from, channels, channel, step, count, b + 1 < t->images ? q->o.src_c * channel : 0, to,
                                  pixel_bytes, part_bytes, m);
                }
        }
}

/* The strip's rows of the planes, but for those that the strip before has left there: [t->held, ...). */
static void fill_aside(split_strip *t, const float *x, magnitudes *m) {
    const split_plan *q = t->q;
    const output_range rows = aside_rows(t);
    const int64_t u0 = MAX(rows.first, t->held), end = rows.last;
    if (q->channels_last) {
        switch (q->parts) {
        case 1: fill_aside_pixels(1, t, u0, end, x, m); break;
        case 2: fill_aside_pixels(2, t, u0, end, x, m); break;
        default: fill_aside_pixels(3, t, u0, end, x, m);
        }
    } else {
        switch (q->parts) {
        case 1: fill_aside_planes(1, t, u0, end, x, m); break;
        case 2: fill_aside_planes(2, t, u0, end, x, m); break;
        default: fill_aside_planes(3, t, u0, end, x, m);
        }
    }
    t->held = MAX(u0, end);
}

/* -- Products and stores ------------------------------------------------------------------------------------------------------ */

/* What is multiplied for the outputs of a row. */
typedef struct {
    strip_work s;
    aside_tap *tap;
    int64_t taps;
    tile_step *step;
} aside_work;

/* `tables`: aside_tables_bytes. */
static aside_work work_aside(const strip_work *s, char *tables) {
    const int64_t taps = s->t->q->p.taps;
    aside_work a = {.s = *s, .tap = (aside_tap *)tables, .step = (tile_step *)(tables + taps * sizeof(aside_tap))};
    a.s.f.step = a.step;
    return a;
}

/* The taps that find pixels for row r of the strip. */
static void begin_row(aside_work *a, int64_t r) {
    const split_plan *q = a->s.t->q;
    const int64_t y = a->s.t->y0 + r;
    a->taps = 0;
    for (int64_t i = 0; i < q->p.taps; i++) {
        const tap *t = q->p.tap + i;
        const output_range rows = outputs_of_tap(q->p.h, t->dy, q->p.step_h, q->o.src_h);
        if (y < rows.first || y >= rows.last) continue;
        const int64_t u = y + floor_div(t->dy, q->p.step_h), v = floor_div(t->dx, q->p.step_w);
        const int64_t at = q->slot[i] * q->chunks * q->parts * q->plane + aside_place(q, u, 0) + v * q->aside;
        a->tap[a->taps++] = (aside_tap){outputs_of_tap(q->p.w, t->dx, q->p.step_w, q->o.src_w),
                                        {at * TILE_ROW, i * 2 * q->parts * TILE_BYTES}};
    }
}

/* Those of them that do for output x. */
static void begin_pixel(aside_work *a, int64_t x) {
    int64_t n = 0;
    for (int64_t i = 0; i < a->taps; i++) {
        a->step[n] = a->tap[i].at;
        n += a->tap[i].x.first <= x && x < a->tap[i].x.last;
    }
    a->s.f.steps = n;
}

/* Sums of a panel for output x of all images, rows of `row` floats per image. */
static void multiply_pixel(const aside_work *a, int64_t panel, int64_t x, float *sums, int64_t row) {
    const split_plan *q = a->s.t->q;
    const int64_t nw = q->o.columns - panel * SPLIT_PANEL > TILE ? 2 : 1, nd = a->s.t->images > TILE ? 2 : 1;
    tile_sums r = {.row = {sizeof(float) * row, sizeof(float) * row}};
    for (int64_t i = 0; i < 4; i++) r.out[i] = sums + i / 2 * TILE * row + i % 2 * TILE;
    multiply_block(&a->s, panel, x * q->aside, nd, nw, &r);
}

/* Channels-last outputs of panels [begin, end), by way of the stage. */
static void multiply_aside_pixels(aside_work *a, int64_t begin, int64_t end) {
    const strip_work *s = &a->s;
    const strip_view *v = &s->v;
    const int64_t row = (end - begin) * SPLIT_PANEL, columns = MIN(row, s->t->q->o.columns - begin * SPLIT_PANEL);
    for (int64_t r = 0; r < s->t->rows; r++) {
        begin_row(a, r);
        for (int64_t x = 0; x < s->t->q->p.w; x++) {
            float *to = v->first + r * v->row + x * v->pixel + begin * SPLIT_PANEL;
            begin_pixel(a, x);
            for (int64_t panel = begin; panel < end; panel++) multiply_pixel(a, panel, x, s->stage + (panel - begin) * SPLIT_PANEL, row);
            for (int64_t b = 0; b < s->t->images; b++) STORE(s, store_row, s->stage + b * row, columns, to + b * v->image);
        }
    }
}

/* Sums of `pixels` outputs of a panel, [pixel][image][filter], to NCHW outputs; `run`: where these lie. */
static void store_aside_planes(const strip_work *s, int64_t panel, const float *sums, int64_t pixels, const output_run *run, int64_t runs) {
    const int64_t columns = MIN(SPLIT_PANEL, s->t->q->o.columns - panel * SPLIT_PANEL);
    float *to = s->v.first + panel * SPLIT_PANEL * s->v.filter;
    for (int64_t b = 0; b < s->t->images; b++, to += s->v.image) {
        for (int64_t j = 0; j < columns; j += TILE) {
            vec_t_f32 filters[TILE];
            UNROLL for (int i = 0; i < TILE; i++) filters[i] = load_f32(sums + (MIN(i, pixels - 1) * SPLIT_BLOCK + b) * SPLIT_PANEL + j);
            transpose_square_f32(filters);
            UNROLL for (int i = 0; i < TILE; i++) store_f32(s->stage + (j + i) * STAGE_ROW, filters[i]);
        }
        store_stage(&s->v, run, runs, s->stage, columns, to, 0, s->activation, s->slope);
    }
}

/* NCHW outputs of a panel. `sums`: aside_sums. */
static void multiply_aside_planes(aside_work *a, int64_t panel, float *sums) {
    const strip_work *s = &a->s;
    const strip_view *v = &s->v;
    const int64_t w = s->t->q->p.w, all = s->t->rows * w;
    output_run run[ASIDE_PIXELS];
    for (int64_t first = 0, runs = 0; first < all; first += ASIDE_PIXELS, runs = 0) {
        const int64_t pixels = MIN(ASIDE_PIXELS, all - first);
        for (int64_t i = 0; i < pixels; i++) {
            const int64_t r = (first + i) / w, x = (first + i) % w, offset = r * v->row + x * v->pixel;
            if (i == 0 || x == 0) begin_row(a, r);
            begin_pixel(a, x);
            multiply_pixel(a, panel, x, sums + i * SPLIT_BLOCK * SPLIT_PANEL, SPLIT_PANEL);
            if (runs && run[runs - 1].offset + run[runs - 1].count * v->pixel == offset) run[runs - 1].count++;
            else run[runs++] = (output_run){i, 1, offset, 0};
        }
        store_aside_planes(s, panel, sums, pixels, run, runs);
    }
}

/* Panels [begin, end) of a strip whose parts are there. Channels-last outputs of whole pixels, if these are short and the weights are read
 * again at little cost. */
static void multiply_aside(const strip_work *s, int64_t begin, int64_t end, char *tables, float *sums) {
    const split_plan *q = s->t->q;
    aside_work a = work_aside(s, tables);
    if (reads_weights_again(q) && q->o.columns <= STAGE_FILTERS) {
        multiply_aside_pixels(&a, begin, end);
        return;
    }
    for (int64_t panel = begin; panel < end; panel++)
        if (q->channels_last) multiply_aside_pixels(&a, panel, panel + 1);
        else multiply_aside_planes(&a, panel, sums);
}

#endif
