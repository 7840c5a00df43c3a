/* Splits the source of a strip into its bfloat16 parts, where the tiles are loaded from; see split_plan.h. */
#ifndef FASTCONV_SPLIT_DATA_H
#define FASTCONV_SPLIT_DATA_H

#include "bfloat.h"
#include "split_plan.h"

/* Pixels of a plane that lie side by side in one row of the source, or in several without padding: from pixel `to` on in the plane; from
 * pixel `from` of the batch's planes of one channel on, as many steps apart as the convolution's. */
typedef struct {
    int64_t to, n, from, count;
} held_run;

/* A strip of one group; `images` and `rows` may be one fewer than the plan's, or more for the last images side by side. */
typedef struct {
    const split_plan *q;
    int64_t group, n0, images, y0, rows;
    int64_t held;       /* images side by side: rows of the planes up to which they are filled */
    char *parts;        /* the planes, or the patches */
    held_run *run;      /* as many as a plane has rows */
    uint16_t *compact;  /* [part][split_compact_values] */
    float *row;         /* split_row_floats */
} split_strip;

/* Makes it the strip of this index, of a batch of so many images. */
static void place_strip(split_strip *t, int64_t index, int64_t batch) {
    const split_plan *q = t->q;
    strip_extent e = strip_at(index, batch, q->h, q->cut);
    if (q->aside) e.n0 = index / q->cut.pieces * q->aside, e.images = MIN(q->aside, batch - e.n0);
    if (e.n0 != t->n0) t->held = 0;
    t->n0 = e.n0, t->images = e.images, t->y0 = e.y0, t->rows = e.rows;
}

/* Rows of the planes that a strip of images side by side reads. */
INLINE output_range aside_rows(const split_strip *t) {
    const split_plan *q = t->q;
    const int64_t first = MAX(0, t->y0 + q->least_y), last = MIN(q->image_rows, t->y0 + t->rows + q->least_y + q->span_y);
    return (output_range){first, MAX(first, last)};
}

/* Pixels [begin, end) of a padded row are the source's, from column `first` on, a step apart; the others are zeros. */
typedef struct {
    int64_t begin, end, first;
} held_pixels;

INLINE held_pixels held_in_row(int64_t length, int64_t least, int64_t remainder, int64_t step, int64_t width) {
    const int64_t begin = MIN(length, MAX(0, -least));
    const int64_t end = MAX(begin, MIN(length, CEIL_DIV(width - remainder, step) - least));
    return (held_pixels){begin, end, (least + begin) * step + remainder};
}

/* What the plane of a remainder holds of the source; returns the number of runs. */
static int64_t held_runs(const split_strip *t, int64_t slot) {
    const split_plan *q = t->q;
    const int64_t step = q->p.step_w;
    const held_pixels held = held_in_row(q->pitch, q->least_x, q->slot_x[slot], step, q->o.src_w);
    const int64_t count = held.end - held.begin;
    int64_t runs = 0;
    for (int64_t i = 0; i < t->images && count; i++)
        for (int64_t r = 0; r < t->rows + q->span_y; r++) {
            const int64_t u = t->y0 + q->least_y + r, y = u * q->p.step_h + q->slot_y[slot];
            if (u < 0 || y >= q->o.src_h) continue;
            const held_run run = {(i * q->image_rows + r) * q->pitch + held.begin, t->n0 + i, y * q->o.src_w + held.first, count};
            held_run *last = t->run + runs - 1;
            if (runs && step == 1 && last->n == run.n && last->to + last->count == run.to && last->from + last->count == run.from)
                last->count += count;
            else
                t->run[runs++] = run;
        }
    return runs;
}

INLINE void zero_bytes(char *to, int64_t bytes) {
    int64_t i = 0;
    for (; i + CACHE_LINE <= bytes; i += CACHE_LINE) _mm512_storeu_si512(to + i, _mm512_setzero_si512());
    if (i < bytes) _mm512_mask_storeu_epi8(to + i, ((__mmask64)1 << (bytes - i)) - 1, _mm512_setzero_si512());
}

/* Runs of a plane that follow each other from its first pixel on. */
static int64_t runs_without_gaps(const split_strip *t, int64_t runs) {
    int64_t i = 0;
    for (int64_t end = 0; i < runs && t->run[i].to == end; i++) end += t->run[i].count;
    return i;
}

/* Zeros for values [begin, end) of every part. */
INLINE void zero_values(const int parts, char *to, int64_t part_bytes, int64_t begin, int64_t end) {
    for (int k = 0; k < parts; k++) zero_bytes(to + k * part_bytes + 2 * begin, 2 * (end - begin));
}

/* Zeros between the runs of a plane of `unit` bytes a pixel, and behind the last; `first`: from runs_without_gaps. */
static void zero_gaps(const split_strip *t, int64_t first, int64_t runs, int64_t unit, char *plane) {
    const split_plan *q = t->q;
    int64_t end = first ? t->run[first - 1].to + t->run[first - 1].count : 0;
    for (int64_t i = first; i < runs; end = t->run[i].to + t->run[i].count, i++)
        zero_bytes(plane + unit * end, unit * (t->run[i].to - end));
    zero_bytes(plane + unit * end, unit * (((t->images - 1) * q->image_rows + t->rows + q->span_y) * q->pitch + q->behind - end));
}

enum { FLOATS_AHEAD = 512 }; /* of pixels, that are asked for */

/* To a pixel that is split so much later, of pixels so many floats apart. */
INLINE int64_t pixel_ahead(int64_t step) { return CEIL_DIV(FLOATS_AHEAD, step) * step; }

/* The channels of a pixel to its places in the planes of a slot, [chunk][part]: of 32 channels 16 are paired with the other 16. Those of
 * the pixel `ahead` floats behind are asked for: the hardware's prefetchers are slow to follow so many lines at a time. */
INLINE void split_pixel(const int parts, int64_t depth, const float *from, int64_t ahead, char *to, int64_t part_bytes, magnitudes *m) {
    const int64_t whole = depth / TERMS * TERMS, left = depth - whole;
    for (int64_t c = 0; c < whole; c += TERMS, to += parts * part_bytes) {
        UNROLL for (int i = 0; i < TERMS; i += TILE) __builtin_prefetch(from + c + i + ahead);
        store_pairs(parts, _mm512_loadu_ps(from + c), _mm512_loadu_ps(from + c + TILE), to, part_bytes, m);
    }
    if (left) store_pairs(parts, load_floats(from + whole, left), load_floats(from + whole + TILE, left - TILE), to, part_bytes, m);
}

/* Channels-last planes: [slot][chunk][part][pixel][32 channels]. */
INLINE void fill_pixel_planes(const int parts, const split_strip *t, const float *x, magnitudes *m) {
    const split_plan *q = t->q;
    const int64_t depth = q->o.depth, part_bytes = q->plane * TILE_ROW, chunk_bytes = parts * part_bytes;
    const int64_t pixel_step = q->p.step_w * q->o.src_c, ahead = pixel_ahead(pixel_step), image = q->o.src_h * q->o.src_w;
    for (int64_t slot = 0; slot < q->planes; slot++) {
        char *plane = t->parts + slot * q->chunks * chunk_bytes;
        const int64_t runs = held_runs(t, slot), without_gaps = runs_without_gaps(t, runs);
        for (int64_t i = 0; i < runs; i++) {
            const float *from = x + (t->run[i].n * image + t->run[i].from) * q->o.src_c + t->group * depth;
            char *to = plane + t->run[i].to * TILE_ROW;
            for (int64_t left = t->run[i].count; left > 0; left--, from += pixel_step, to += TILE_ROW)
                split_pixel(parts, depth, from, ahead, to, part_bytes, m);
        }
        for (int64_t k = 0; k < q->chunks * parts; k++) zero_gaps(t, without_gaps, runs, TILE_ROW, plane + k * part_bytes);
    }
}

/* Pairs of two rows of floats, `step` apart, b may be NULL for zeros; the last vector is stored whole. */
INLINE void pair_rows(const int parts, const float *a, const float *b, int64_t step, int64_t count, char *to, int64_t part_bytes,
                      magnitudes *m) {
    for (int64_t j = 0; j < count; j += 16) {
        const __m512 va = load_every(a + j * step, step, count - j);
        const __m512 vb = b ? load_every(b + j * step, step, count - j) : _mm512_setzero_ps();
        __m512i part[MOST_PARTS];
        note_magnitudes(m, va), note_magnitudes(m, vb);
        split_pairs(parts, va, vb, part);
        UNROLL for (int k = 0; k < parts; k++) _mm512_storeu_si512(to + k * part_bytes + 4 * j, part[k]);
    }
}

/* The parts of a row of floats, `step` apart, one behind the other; the last vector is stored whole. */
INLINE void split_row(const int parts, const float *from, int64_t step, int64_t count, char *to, int64_t part_bytes, magnitudes *m) {
    for (int64_t j = 0; j < count; j += TERMS) {
        const __m512 a = load_every(from + j * step, step, count - j);
        const __m512 b = count - j > 16 ? load_every(from + (j + 16) * step, step, count - j - 16) : _mm512_setzero_ps();
        __m512i part[MOST_PARTS];
        note_magnitudes(m, a), note_magnitudes(m, b);
        split_values(parts, a, b, part);
        UNROLL for (int k = 0; k < parts; k++) _mm512_storeu_si512(to + k * part_bytes + 2 * j, part[k]);
    }
}

/* The parts of 16 values and of 16 others, each to a place of their own. */
INLINE void split_apart(const int parts, __m512 a, __m512 b, char *to_a, char *to_b, int64_t part_bytes) {
    __m512i part[MOST_PARTS];
    split_values(parts, a, b, part);
    UNROLL for (int k = 0; k < parts; k++) {
        _mm256_storeu_si256((__m256i *)(to_a + k * part_bytes), _mm512_castsi512_si256(part[k]));
        _mm256_storeu_si256((__m256i *)(to_b + k * part_bytes), _mm512_extracti64x4_epi64(part[k], 1));
    }
}

/* Two rows of at most 16 floats; of each, 16 values are stored. */
INLINE void split_two_rows(const int parts, const float *first, const float *second, int64_t step, int64_t count, char *to,
                           char *to_second, int64_t part_bytes, magnitudes *m) {
    const __m512 a = load_every(first, step, count), b = load_every(second, step, count);
    note_magnitudes(m, a), note_magnitudes(m, b);
    split_apart(parts, a, b, to, to_second, part_bytes);
}

/* A row of every second float, `first` of them from `from` on, and one of those between, of which there are `second`. */
INLINE void split_row_twice(const int parts, const float *from, int64_t first, int64_t second, char *to, char *between, int64_t part_bytes,
                            magnitudes *m) {
    const __m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    const __m512i odd = _mm512_set_epi32(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
    const int64_t count = first + second;
    for (int64_t j = 0; j < count; j += TERMS) {
        const __m512 low = load_floats(from + j, count - j), high = load_floats(from + j + TILE, count - j - TILE);
        note_magnitudes(m, low), note_magnitudes(m, high);
        const __m512 a = _mm512_permutex2var_ps(low, even, high), b = _mm512_permutex2var_ps(low, odd, high);
        split_apart(parts, a, b, to + j, between + j, part_bytes);
    }
}

/* Floats that are read soon are asked for: planes in pages of their own the hardware does not follow. */
INLINE void ask_for_floats(const float *from, int64_t count) { fetch_slice((const char *)from, (const char *)(from + count)); }

/* NCHW planes: [slot][chunk][part][16 pairs of channels][pixel]. */
INLINE void fill_channel_planes(const int parts, const split_strip *t, const float *x, magnitudes *m) {
    const split_plan *q = t->q;
    const int64_t row_bytes = 4 * q->plane, part_bytes = TILE * row_bytes, channel = q->o.src_h * q->o.src_w;
    for (int64_t slot = 0; slot < q->planes; slot++) {
        const int64_t runs = held_runs(t, slot), without_gaps = runs_without_gaps(t, runs);
        for (int64_t pair = 0; pair < q->chunks * TILE; pair++) {
            char *plane = t->parts + ((slot * q->chunks + pair / TILE) * parts * TILE + pair % TILE) * row_bytes;
            const int64_t c = 2 * pair;
            for (int64_t i = 0; i < runs && c < q->o.depth; i++) {
                const float *a = x + (t->run[i].n * q->o.src_c + t->group * q->o.depth + c) * channel + t->run[i].from;
                for (int64_t next = c + 2; next < MIN(c + 4, q->o.depth); next++)
                    ask_for_floats(a + (next - c) * channel, t->run[i].count * q->p.step_w);
                pair_rows(parts, a, c + 1 < q->o.depth ? a + channel : NULL, q->p.step_w, t->run[i].count, plane + 4 * t->run[i].to,
                          part_bytes, m);
            }
            for (int k = 0; k < parts; k++)
                if (c < q->o.depth) zero_gaps(t, without_gaps, runs, 4, plane + k * part_bytes);
                else memset(plane + k * part_bytes, 0, row_bytes);
        }
    }
}

/* 16 NCHW pixels of up to 32 channels, `step` floats apart, of which `count` are there: row[k][i] becomes part k of pixel i's channels,
 * paired as channels-last ones are. What lies `ahead` floats behind in each channel is asked for, unless that is 0. */
INLINE void turned_channels(const int parts, const float *from, int64_t channels, int64_t channel, int64_t step, int64_t count,
                            int64_t ahead, vec_t_f32 row[MOST_PARTS][TILE], magnitudes *m) {
    for (int64_t i = 0; i < channels && ahead; i++) ask_for_floats(from + i * channel + ahead, step > 1 ? 2 * TILE : TILE);
    UNROLL for (int i = 0; i < TILE; i++) {
        const __m512 a = load_every(from + i * channel, step, i < channels ? count : 0);
        const __m512 b = load_every(from + (i + TILE) * channel, step, i + TILE < channels ? count : 0);
        __m512i part[MOST_PARTS];
        note_magnitudes(m, a), note_magnitudes(m, b);
        split_pairs(parts, a, b, part);
        UNROLL for (int k = 0; k < parts; k++) row[k][i] = (vec_t_f32)part[k];
    }
    UNROLL for (int k = 0; k < parts; k++) transpose_square_f32(row[k]);
}

/* The same of any number of pixels, to places `pixel_bytes` apart. */
INLINE void turn_channels(const int parts, const float *from, int64_t channels, int64_t channel, int64_t step, int64_t count,
                          int64_t ahead, char *to, int64_t pixel_bytes, int64_t part_bytes, magnitudes *m) {
    for (int64_t j = 0; j < count; j += TILE) {
        vec_t_f32 row[MOST_PARTS][TILE];
        turned_channels(parts, from + j * step, channels, channel, step, count - j, ahead, row, m);
        UNROLL for (int k = 0; k < parts; k++) UNROLL for (int i = 0; i < TILE; i++)
            if (j + i < count) _mm512_store_si512(to + k * part_bytes + (j + i) * pixel_bytes, (__m512i)row[k][i]);
    }
}

/* The same of NCHW data. */
INLINE void turn_channel_planes(const int parts, const split_strip *t, const float *x, magnitudes *m) {
    const split_plan *q = t->q;
    const int64_t depth = q->o.depth, part_bytes = q->plane * TILE_ROW, channel = q->o.src_h * q->o.src_w;
    for (int64_t slot = 0; slot < q->planes; slot++) {
        const int64_t runs = held_runs(t, slot), without_gaps = runs_without_gaps(t, runs);
        for (int64_t c0 = 0; c0 < depth; c0 += TERMS) {
            char *plane = t->parts + (slot * q->chunks + c0 / TERMS) * parts * part_bytes;
            for (int64_t r = 0; r < runs; r++) {
                const float *from = x + (t->run[r].n * q->o.src_c + t->group * depth + c0) * channel + t->run[r].from;
                const held_run *next = t->run + MIN(r + 1, runs - 1);
                const int64_t ahead = (next->n - t->run[r].n) * q->o.src_c * channel + next->from - t->run[r].from;
                turn_channels(parts, from, MIN(TERMS, depth - c0), channel, q->p.step_w, t->run[r].count, ahead,
                              plane + t->run[r].to * TILE_ROW, TILE_ROW, part_bytes, m);
            }
            for (int k = 0; k < parts; k++) zero_gaps(t, without_gaps, runs, TILE_ROW, plane + k * part_bytes);
        }
    }
}

/* Padded rows of the strip's image i: channels-last [part][row][pixel][channel]; NCHW [part][channel][row][remainder][pixel]. Where those
 * of one image are held, they take the place of the last. */
INLINE void fill_compact_rows(const int parts, const split_strip *t, int64_t i, const float *x, magnitudes *m) {
    const split_plan *q = t->q;
    uint16_t *compact = t->compact + (q->compact_images > 1 ? i * compact_image_values(q) : 0);
    const int64_t depth = q->o.depth, step = q->p.step_w, part_bytes = 2 * split_compact_values(q);
    const int64_t pixels = q->lanes ? q->compact_x : q->compact_x / depth, unit = q->lanes ? 1 : depth;
    const int64_t rows = (t->rows - 1) * q->p.step_h + q->span_y + 1;
    const held_pixels held = held_in_row(pixels, q->least_x, 0, 1, q->o.src_w);
    const int64_t count = held.end - held.begin;
    for (int64_t c = 0; c < depth; c += unit)
        for (int64_t r = 0; r < rows; r++) {
            const int64_t y = t->y0 * q->p.step_h + q->least_y + r, outside = y < 0 || y >= q->o.src_h;
            const int64_t begin = outside ? pixels : held.begin, end = outside ? pixels : held.end;
            char *to = (char *)(compact + ((q->lanes ? c : 0) * q->compact_y + r) * q->compact_x);
            const int64_t pixel = q->channels_last ? q->o.src_c : 1, channel = q->channels_last ? 1 : q->o.src_h * q->o.src_w;
            const float *from = x + (t->n0 + i) * q->o.src_c * q->o.src_h * q->o.src_w + (t->group * depth + c) * channel +
                                (y * q->o.src_w + held.first) * pixel;
            if (q->lanes && begin < end && (step > 1 || pixel > 1)) {
                float *padded = t->row, *apart = t->row + pixels + TILE;
                zero_bytes((char *)padded, sizeof(float) * begin);
                every_nth_f32(from, pixel, count, padded + begin);
                zero_bytes((char *)(padded + end), sizeof(float) * (pixels - end));
                if (step > 1) split_f32(padded, step, pixels / step, apart, pixels / step);
                split_row(parts, step > 1 ? apart : padded, 1, pixels, to, part_bytes, m);
                continue;
            }
            zero_values(parts, to, part_bytes, 0, begin * unit);
            if (begin < end && (q->lanes || q->o.src_c == depth))
                split_row(parts, from, 1, count * unit, to + 2 * begin * unit, part_bytes, m);
            else
                for (int64_t j = begin; j < end; j++)
                    split_row(parts, from + (j - begin) * pixel, 1, depth, to + 2 * j * depth, part_bytes, m);
            zero_values(parts, to, part_bytes, end * unit, pixels * unit);
        }
}

enum { MOST_TOGETHER = TERMS }; /* pieces of a product */

/* One product of the patches of a row, of n pieces. */
INLINE void gather_pieces(const int n, const patch_piece *piece, const uint16_t *from, int64_t from_step, uint16_t *to, int64_t count) {
    /* Copies, which the compiler knows to stay as they are. */
    int64_t at[MOST_TOGETHER];
    __mmask32 lanes[MOST_TOGETHER];
    UNROLL for (int i = 0; i < n; i++) at[i] = piece[i].from, lanes[i] = piece[i].lanes;
    for (int64_t x = 0; x < count; x++, from += from_step, to += TERMS) {
        __m512i v = _mm512_maskz_loadu_epi16(lanes[0], from + at[0]);
        UNROLL for (int i = 1; i < n; i++) v = _mm512_mask_loadu_epi16(v, lanes[i], from + at[i]);
        _mm512_store_si512(to, v);
    }
}

/* Channels-last patches: [step][part][pixel][32 values of (tap, channel)]. */
INLINE void gather_pixel_patches(const int parts, const split_strip *t, int64_t first) {
    const split_plan *q = t->q;
    const int64_t values = split_compact_values(q), from_step = q->p.step_w * q->o.depth, w = q->p.w;
    for (int k = 0; k < parts; k++)
        for (int64_t r = 0; r < t->rows; r++) {
            const uint16_t *from = t->compact + k * values + r * q->p.step_h * q->compact_x;
            uint16_t *to = (uint16_t *)t->parts + (k * q->plane + first + r * w) * TERMS;
            for (int64_t i = 0, n; i < q->pieces; i += n, to += parts * q->plane * TERMS) {
                const patch_piece *piece = q->piece + i;
                for (n = 1; i + n < q->pieces && piece[n].step == piece->step;) n++;
                switch (n) {
                case 1: gather_pieces(1, piece, from, from_step, to, w); break;
                case 2: gather_pieces(2, piece, from, from_step, to, w); break;
                case 3: gather_pieces(3, piece, from, from_step, to, w); break;
                case 4: gather_pieces(4, piece, from, from_step, to, w); break;
                default: gather_pieces((int)n, piece, from, from_step, to, w);
                }
            }
        }
}

/* Of the vectors of a row of patches that overlap; after as many as a column has values, or fewer, all is as before. Returns their
 * number. */
static int64_t place_patch_lanes(const split_plan *q, patch_lanes *lanes) {
    int64_t vectors = 0, row = 0, channel = 0;
    do {
        patch_lanes *own = lanes + vectors++;
        uint16_t from[TERMS];
        *own = (patch_lanes){.columns = 0};
        for (int64_t l = 0; l < TERMS; l++) {
            const int64_t byte = 2 * (own->columns + channel);
            from[l] = (uint16_t)(byte | (byte + 1) << 8);
            own->of_row[row] |= (uint64_t)3 << 2 * l;
            if (++channel < q->o.depth) continue;
            channel = 0;
            if (++row == q->high) row = 0, own->columns += q->o.depth;
        }
        own->from = _mm512_loadu_si512(from);
    } while (row || channel);
    return vectors;
}

/* `values` of a row of patches that overlap, from so many rows of values; the last vector is stored whole. */
INLINE void interleave_rows(const int high, const uint16_t *const *row, const patch_lanes *lanes, int64_t vectors, uint16_t *to,
                            int64_t values) {
    int64_t x = 0;
    for (int64_t j = 0, v = 0; j < values; j += TERMS, v = v + 1 < vectors ? v + 1 : 0) {
        __m512i all = _mm512_setzero_si512();
        UNROLL for (int i = 0; i < high; i++)
            all = _mm512_mask_permutexvar_epi8(all, lanes[v].of_row[i], lanes[v].from, _mm512_loadu_si512(row[i] + x));
        _mm512_storeu_si512(to + j, all);
        x += lanes[v].columns;
    }
}

/* Channels-last patches that overlap: [part][pixel][row of taps][channel], of the strip's image i. */
static void interleave_patches(const split_strip *t, int64_t i) {
    const split_plan *q = t->q;
    const int64_t row_values = q->overlap_pitch * q->overlap, values = split_compact_values(q);
    patch_lanes *lanes = (patch_lanes *)t->row;
    const int64_t vectors = place_patch_lanes(q, lanes);
    for (int64_t k = 0; k < q->parts; k++) {
        uint16_t *to = (uint16_t *)(t->parts + k * overlap_bytes(q)) + i * t->rows * row_values;
        for (int64_t r = 0; r < t->rows; r++, to += row_values) {
            const uint16_t *row[MOST_HIGH];
            for (int64_t j = 0; j < q->high; j++)
                row[j] = t->compact + k * values + (r * q->p.step_h + q->p.tap[j].dy - q->least_y) * q->compact_x;
            switch (q->high) {
            case 1: interleave_rows(1, row, lanes, vectors, to, row_values); break;
            case 2: interleave_rows(2, row, lanes, vectors, to, row_values); break;
            case 3: interleave_rows(3, row, lanes, vectors, to, row_values); break;
            default: interleave_rows((int)q->high, row, lanes, vectors, to, row_values);
            }
        }
        zero_bytes((char *)to, q->steps * TILE_ROW); /* times weights of zero */
    }
}

/* Values under tap e / depth of channel e % depth, for the first row of a strip; NULL: there is no such term. */
INLINE const uint16_t *compact_term(const split_strip *t, int64_t e) {
    const split_plan *q = t->q;
    if (e >= q->p.taps * q->o.depth) return NULL;
    const tap *w = q->p.tap + e / q->o.depth;
    const int64_t dx = w->dx - q->least_x, step = q->p.step_w;
    return t->compact + ((e % q->o.depth) * q->compact_y + w->dy - q->least_y) * q->compact_x + dx % step * (q->compact_x / step) +
           dx / step;
}

/* NCHW patches: [part][pair of (tap, channel)][pixel]. */
INLINE void gather_lane_patches(const int parts, const split_strip *t, int64_t first) {
    const split_plan *q = t->q;
    const int64_t values = split_compact_values(q), part_pixels = q->steps * TILE * q->plane;
    for (int64_t pair = 0; pair < q->steps * TILE; pair++) {
        uint32_t *to = (uint32_t *)t->parts + pair * q->plane + first;
        const uint16_t *a = compact_term(t, 2 * pair), *b = compact_term(t, 2 * pair + 1);
        for (int k = 0; k < parts; k++)
            for (int64_t r = 0; r < t->rows; r++) {
                const int64_t row = r * q->p.step_h * q->compact_x + k * values;
                uint32_t *line = to + k * part_pixels + r * q->p.w;
                for (int64_t x = 0; x < q->p.w; x += 16) {
                    __m512i v = _mm512_setzero_si512();
                    if (a) v = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(a + row + x)));
                    if (b)
                        v = _mm512_or_si512(v, _mm512_slli_epi32(
                                                   _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(b + row + x))), 16));
                    _mm512_storeu_si512(line + x, v);
                }
            }
    }
}

INLINE void fill_strip_parts(const int parts, const split_strip *t, const float *x, magnitudes *m) {
    const split_plan *q = t->q;
    if (!q->patches && q->channels_last) fill_pixel_planes(parts, t, x, m);
    else if (!q->patches && q->lanes) fill_channel_planes(parts, t, x, m);
    else if (!q->patches) turn_channel_planes(parts, t, x, m);
    for (int64_t i = 0; q->patches && i < t->images; i++) {
        fill_compact_rows(parts, t, i, x, m);
        if (q->lanes) gather_lane_patches(parts, t, i * t->rows * q->p.w);
        else if (q->overlap) interleave_patches(t, i);
        else gather_pixel_patches(parts, t, i * t->rows * q->p.w);
    }
}

static void fill_strip(const split_strip *t, const float *x, magnitudes *m) {
    magnitudes seen = *m;
    switch (t->q->parts) {
    case 1: fill_strip_parts(1, t, x, &seen); break;
    case 2: fill_strip_parts(2, t, x, &seen); break;
    default: fill_strip_parts(3, t, x, &seen);
    }
    *m = seen;
}

#endif
