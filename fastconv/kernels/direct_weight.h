/* Direct weight gradient (template: REAL, NAME, IS_DOUBLE; after direct.h).
 *
 *   dw[k][c][tap] = sum over output pixels of gy[k][pixel] x[c][pixel + tap]
 *
 * is an outer product with pixels as the reduction. Output rows are taken in strips that fit the second-level cache: their input rows are
 * copied to zero-padded NHWC, gy to panels [k / NR][pixel][NR]; then every tile of MR (tap, channel) rows x NR filters runs over the
 * strip's rows with the sums in registers. At dilation 1 without groups a kernel row's kw * c values are consecutive in the padded copy
 * and are tiled as one. gy is read in place where its filters are whole vectors, and few. Narrow groups lie side by side in one vector,
 * gy in panels [bundle of groups][pixel][VL].
 *
 * Few weights have sums of their own for every chunk of output rows, which threads take as they come, so that no thread reads what another
 * has copied; of many weights, threads share each strip and own tiles.
 */
#ifndef FASTCONV_DIRECT_WEIGHT_H
#define FASTCONV_DIRECT_WEIGHT_H
enum {
    WEIGHT_STRIP_BYTES = 768 * 1024,  /* x and gy of a strip */
    WEIGHT_STRIP_PIXELS = 256,        /* and at least so many pixels, so that partial sums are rarely written */
    WEIGHT_IN_PLACE_BYTES = 2048,     /* a pixel of gy that is read in place, at most: beyond, pixels lie a page or more apart */
    WEIGHT_CHUNKS = 64,               /* at most; and so many bytes of sums, and pixels in each, at least: */
    WEIGHT_CHUNK_BYTES = 2048 * 1024,
    WEIGHT_CHUNK_PIXELS = 256,
    WEIGHT_FEWEST_CHUNKS = 8,         /* of fewer, or of fewer than these for each thread, threads own tiles: */
    WEIGHT_CHUNKS_EACH = 2
};

typedef struct {
    int64_t row, height;   /* width and height of the padded copy: one image's rows for `rows` output rows */
    int64_t rows;          /* output rows (over all images) in a strip */
    int64_t chunks;        /* of output rows, with sums of their own */
    int64_t strip;         /* elements of the padded copy of a strip, at most */
    int64_t together;      /* groups that share a vector, or 1 */
    int64_t units;         /* of so many groups */
    int64_t panels, width; /* panels of `width` filters, per unit */
    int64_t row_taps, row_depth; /* tiles cover row_taps runs of row_depth values */
    int64_t sums;          /* elements of a chunk's sums, whole cache lines */
    int in_place;          /* gy is not copied */
} weight_plan;

/* At most `most` chunks with sums of so many bytes. */
static int64_t weight_chunks(int64_t bytes, int64_t most) { return MIN(WEIGHT_CHUNKS, MIN(WEIGHT_CHUNK_BYTES / bytes, most)); }

/* The same, or 1 if those are too few for the threads. */
static int64_t chunks_for_threads(int64_t bytes, int64_t most, int threads) {
    const int64_t chunks = weight_chunks(bytes, most);
    return chunks < MAX(WEIGHT_FEWEST_CHUNKS, WEIGHT_CHUNKS_EACH * threads) ? 1 : chunks;
}

static weight_plan plan_weight(const geometry *s, int64_t item, int threads) {
    const int merged = s->g == 1 && s->dw == 1;
    const int64_t all_rows = s->n * s->oh, lanes = SIMD_BYTES / item;
    weight_plan p;
    p.row = (s->ow - 1) * s->sw + (s->kw - 1) * s->dw + 1;
    p.together = bundle_of(s->g, s->c / s->g, s->k / s->g, item);
    p.units = CEIL_DIV(s->g, p.together);
    p.width = (p.together > 1 ? 1 : 2) * lanes;
    p.panels = p.together > 1 ? 1 : CEIL_DIV(s->k / s->g, p.width);
    p.in_place = s->channels_last && p.together == 1 && s->k * item <= WEIGHT_IN_PLACE_BYTES && s->k / s->g % lanes == 0;
    p.row_taps = merged ? s->kh : s->kh * s->kw;
    p.row_depth = merged ? s->kw * s->c : s->c / s->g;
    p.sums = ROUND_UP(p.units * p.row_taps * p.row_depth * p.panels * p.width, CACHE_LINE / item);
    p.chunks = MIN(chunks_for_threads(p.sums * item, all_rows * s->ow / WEIGHT_CHUNK_PIXELS, threads), all_rows);
    const int64_t extent = (s->kh - 1) * s->dh + 1;
    const int64_t row_bytes = (p.row * s->sh * s->c + s->ow * p.units * p.panels * p.width) * item;
    const int64_t least = CEIL_DIV(WEIGHT_STRIP_PIXELS, s->ow);
    p.rows = MAX(1, MIN(CEIL_DIV(all_rows, MAX(1, p.chunks)), MAX(least, WEIGHT_STRIP_BYTES / row_bytes)));
    /* A strip covers at most this many images' parts, each with the rows its kernel reaches beyond. */
    const int64_t parts = MIN(s->n, (p.rows + s->oh - 2) / s->oh + 1);
    p.height = parts * MAX(0, extent - s->sh) + p.rows * s->sh;
    p.strip = p.height * p.row * s->c;
    return p;
}
#endif

/* A vector of all chunks' sums, `step` elements apart. */
INLINE vec NAME(chunks_total)(const REAL *sums, int64_t chunks, int64_t step) {
    vec total = *(const vec *)sums;
    for (int64_t i = 1; i < chunks; i++) total += *(const vec *)(sums + i * step);
    return total;
}

static int64_t NAME(segments_bytes)(const weight_plan *p) { return ROUND_UP(p->rows * (int64_t)sizeof(NAME(segment)), CACHE_LINE); }

/* Bytes for a strip that `threads` share. */
static int64_t NAME(weight_strip_bytes)(const geometry *s, const weight_plan *p, int threads) {
    const int64_t panels = p->in_place ? 0 : p->rows * s->ow * p->units * p->panels * p->width;
    return ROUND_UP(p->strip * (int64_t)sizeof(REAL), CACHE_LINE) + ROUND_UP(panels * (int64_t)sizeof(REAL), CACHE_LINE) +
           ROUND_UP(p->rows * (int64_t)sizeof(REAL *), CACHE_LINE) + threads * NAME(segments_bytes)(p);
}

/* `count` pixels of image n, from its pixel `from` on, with zeros for so many pixels before and behind them. */
static void NAME(pad_pixels)(const geometry *s, const REAL *x, int64_t n, int64_t from, int64_t before, int64_t count, int64_t behind,
                              REAL *to) {
    const int64_t plane = s->h * s->w, bytes = s->c * (int64_t)sizeof(REAL);
    memset(to, 0, before * bytes);
    to += before * s->c;
    if (count && s->channels_last)
        memcpy(to, x + (n * plane + from) * s->c, count * bytes);
    else if (count)
        NAME(transpose)(x + n * s->c * plane + from, plane, s->c, count, to, s->c);
    memset(to + count * s->c, 0, behind * bytes);
}

/* Padded input rows of image n from y (anywhere) on, columns from -pl on. */
static void NAME(copy_padded_rows)(const geometry *s, const REAL *x, int64_t n, int64_t y, int64_t rows, int64_t width, REAL *to) {
    if (!s->pl && width == s->w) { /* they lie together */
        const int64_t before = MIN(rows, MAX(0, -y)), count = MAX(0, MIN(rows, s->h - y) - before);
        NAME(pad_pixels)(s, x, n, MAX(0, y) * width, before * width, count * width, (rows - before - count) * width, to);
        return;
    }
    const int64_t left = MIN(s->pl, width), inside = MAX(0, MIN(s->w, width - s->pl));
    for (; rows-- > 0; y++, to += width * s->c) {
        const int64_t count = y < 0 || y >= s->h ? 0 : inside;
        NAME(pad_pixels)(s, x, n, y * s->w, left, count, width - left - count, to);
    }
}

/* gy of `pixels` pixels of image n, from `first` on: panels[unit][panel][pixel][width], `step` elements from panel to panel. */
static void NAME(copy_gradient)(const geometry *s, const weight_plan *p, const REAL *gy, int64_t n, int64_t first, int64_t pixels,
                                int64_t step, REAL *panels) {
    const int64_t columns = s->k / s->g * p->together, plane = s->oh * s->ow, width = p->width;
    for (int64_t u = 0; u < p->units; u++)
        for (int64_t j = 0; j < p->panels; j++) {
            REAL *to = panels + (u * p->panels + j) * step;
            const int64_t k = u * columns + j * width, count = MIN(MIN(width, columns - j * width), s->k - k);
            if (s->channels_last) {
                const REAL *from = gy + (n * plane + first) * s->k + k;
                for (int64_t i = 0; i < pixels; i++)
                    for (int64_t v = 0; v < width; v += VL)
                        NAME(store)(to + i * width + v, NAME(load_n)(from + i * s->k + v, count - v));
            } else {
                if (count < width) memset(to, 0, pixels * width * sizeof(REAL));
                NAME(transpose)(gy + (n * s->k + k) * plane + first, plane, count, pixels, to, width);
            }
        }
}

/* A tile of a bundle of groups: at most ROW_TAPS taps of a kernel row and BUNDLE_CHANNELS channels of each group. */
static void NAME(bundled_tile)(const geometry *s, const weight_plan *p, int64_t index, REAL *const *first_row, int64_t rows,
                               const REAL *panels, int64_t panel_step, NAME(segment) *segments, int accumulate, REAL *sums) {
    const int64_t cg = s->c / s->g, parts = blocks_of(s->kw, ROW_TAPS), blocks = blocks_of(cg, BUNDLE_CHANNELS);
    const int64_t c0 = cg * (index % blocks) / blocks, c1 = cg * (index % blocks + 1) / blocks;
    const int64_t part = index / blocks % parts, kh = index / blocks / parts % s->kh, u = index / blocks / parts / s->kh;
    const int64_t kw = s->kw * part / parts, taps = s->kw * (part + 1) / parts - kw;
    const int64_t offset = (kh * s->dh * p->row + kw * s->dw) * s->c + u * p->together * cg + c0;
    for (int64_t r = 0; r < rows; r++)
        segments[r] = (NAME(segment)){first_row[r] + offset, panels + u * panel_step + r * s->ow * VL, s->ow};
    NAME(outer_bundle)((int)taps, (int)(c1 - c0), segments, rows, s->dw * s->c, s->sw * s->c, VL, cg, s->k / s->g,
                       sums + ((u * s->kh * s->kw + kh * s->kw + kw) * cg + c0) * VL, cg * VL, accumulate);
}

typedef struct {
    const geometry *s;
    const weight_plan *p;
    const REAL *x, *gy;
} NAME(weight_job);

/* Copies of output rows [begin, end) of a strip that begins with row r0 and ends before r1. */
static void NAME(copy_strip)(const NAME(weight_job) *job, int64_t r0, int64_t r1, int64_t begin, int64_t end, REAL *const *first_row,
                             REAL *panels) {
    const geometry *s = job->s;
    const weight_plan *p = job->p;
    const int64_t extent = (s->kh - 1) * s->dh + 1;
    for (int64_t r = begin, next; r < end; r = next) { /* to where the strip, this thread's share or the image ends */
        const int64_t n = r / s->oh, y = r % s->oh;
        next = MIN(end, (n + 1) * s->oh);
        /* The rows of the last window that the next one of the same image does not begin with. */
        const int64_t own = next < r1 && next % s->oh ? MIN(s->sh, extent) : extent;
        if (s->sh <= extent)
            NAME(copy_padded_rows)(s, job->x, n, y * s->sh - s->pt, (next - r - 1) * s->sh + own, p->row, first_row[r - r0]);
        else
            for (int64_t i = 0; i < next - r; i++)
                NAME(copy_padded_rows)(s, job->x, n, (y + i) * s->sh - s->pt, extent, p->row, first_row[r - r0 + i]);
        if (!p->in_place)
            NAME(copy_gradient)(s, p, job->gy, n, y * s->ow, (next - r) * s->ow, p->rows * s->ow * p->width,
                                panels + (r - r0) * s->ow * p->width);
    }
}

/* Tile `index` of the sums, over output rows [r0, r1). */
static void NAME(weight_tile)(const NAME(weight_job) *job, int64_t index, int64_t r0, int64_t r1, REAL *const *first_row,
                              const REAL *panels, NAME(segment) *segments, int accumulate, REAL *sums) {
    const geometry *s = job->s;
    const weight_plan *p = job->p;
    const int64_t tiles = blocks_of(p->row_depth, GEMM_MR), columns = s->k / s->g, padded = p->panels * p->width;
    const int64_t tile = index % tiles, t = index / tiles % p->row_taps, g = index / tiles / p->row_taps;
    const int64_t c0 = p->row_depth * tile / tiles, count = p->row_depth * (tile + 1) / tiles - c0;
    const int64_t across = p->row_taps == s->kh * s->kw ? s->kw : 1, kh = t / across, kw = t % across;
    const int64_t offset = (kh * s->dh * p->row + kw * s->dw) * s->c + g * (s->c / s->g) + c0;
    const int64_t panel = p->rows * s->ow * p->width, step = p->in_place ? s->k : p->width;
    REAL *to = sums + ((g * p->row_taps + t) * p->row_depth + c0) * padded;
    for (int64_t j = 0; j < p->panels; j++) {
        const REAL *from = p->in_place ? job->gy + r0 * s->ow * s->k + g * columns + j * NR : panels + (g * p->panels + j) * panel;
        REAL *out[GEMM_MR];
        for (int64_t q = 0; q < count; q++) out[q] = to + q * padded + j * NR;
        for (int64_t r = 0; r < r1 - r0; r++)
            segments[r] = (NAME(segment)){first_row[r] + offset, from + r * s->ow * step, s->ow};
        const NAME(sink) sink = {out, MIN(NR, ROUND_UP(columns - j * NR, VL)), NULL, accumulate, 0, 0};
        NAME(outer)((int)count, segments, r1 - r0, s->sw * s->c, step, &sink);
    }
}

/* The sums over output rows [first, last), a strip at a time, which `threads` share. */
static void NAME(weight_rows)(const NAME(weight_job) *job, int64_t first, int64_t last, char *scratch, REAL *sums, int threads) {
    const geometry *s = job->s;
    const weight_plan *p = job->p;
    const int64_t extent = (s->kh - 1) * s->dh + 1, bundled = p->together > 1;
    const int64_t bundled_tiles = s->kh * blocks_of(s->kw, ROW_TAPS) * blocks_of(s->c / s->g, BUNDLE_CHANNELS);
    const int64_t items = p->units * (bundled ? bundled_tiles : p->row_taps * blocks_of(p->row_depth, GEMM_MR));
    const int64_t panel_step = p->rows * s->ow * p->width;
    REAL *strip = (REAL *)aligned_take(&scratch, p->strip * sizeof(REAL));
    REAL *panels = (REAL *)aligned_take(&scratch, p->in_place ? 0 : panel_step * p->units * p->panels * sizeof(REAL));
    REAL **first_row = (REAL **)aligned_take(&scratch, p->rows * sizeof(REAL *));
    for (int64_t r0 = first; r0 < last; r0 += p->rows) {
        const int64_t r1 = MIN(last, r0 + p->rows);
        /* Where each output row's window begins in the strip; rows of one image overlap. */
        int64_t used = 0;
        for (int64_t r = r0; r < r1; r++) {
            if (r > r0) used += r % s->oh ? s->sh : extent;
            first_row[r - r0] = strip + used * p->row * s->c;
        }
#pragma omp parallel num_threads(threads)
        {
            int64_t begin, end;
            NAME(segment) *segments = (NAME(segment) *)(scratch + thread_index() * NAME(segments_bytes)(p));
            share(r1 - r0, thread_index(), team_size(), &begin, &end);
            NAME(copy_strip)(job, r0, r1, r0 + begin, r0 + end, first_row, panels);
#pragma omp barrier
            share(items, thread_index(), team_size(), &begin, &end);
            for (int64_t i = begin; i < end; i++)
                if (bundled)
                    NAME(bundled_tile)(s, p, i, first_row, r1 - r0, panels, panel_step, segments, r0 > first, sums);
                else
                    NAME(weight_tile)(job, i, r0, r1, first_row, panels, segments, r0 > first, sums);
        }
    }
}

#include "direct_weight_channels.h"

static int64_t NAME(weight_grad_workspace)(const geometry *s, int threads) {
    if (has_channel_lanes(s, sizeof(REAL))) return NAME(channel_weight_workspace)(s, threads);
    const weight_plan p = plan_weight(s, sizeof(REAL), threads);
    const int64_t strips = p.chunks > 1 ? threads * NAME(weight_strip_bytes)(s, &p, 1) : NAME(weight_strip_bytes)(s, &p, threads);
    return p.chunks * p.sums * (int64_t)sizeof(REAL) + strips;
}

static void NAME(direct_weight_grad)(const geometry *s, const REAL *x, const REAL *gy, REAL *dw, char *workspace, int threads) {
    if (has_channel_lanes(s, sizeof(REAL))) {
        NAME(channel_weight_grad)(s, x, gy, dw, workspace, threads);
        return;
    }
    const weight_plan p = plan_weight(s, sizeof(REAL), threads);
    const NAME(weight_job) job = {s, &p, x, gy};
    const int64_t all_rows = s->n * s->oh, columns = s->k / s->g, cg = s->c / s->g, padded = p.panels * p.width, taps = s->kh * s->kw;
    REAL *sums = (REAL *)aligned_take(&workspace, p.chunks * p.sums * sizeof(REAL)); /* [chunk][unit][row tap][row depth][padded] */
    if (p.chunks == 1) {
        NAME(weight_rows)(&job, 0, all_rows, workspace, sums, threads);
    } else {
        const int64_t each = NAME(weight_strip_bytes)(s, &p, 1);
#pragma omp parallel for num_threads(threads) schedule(dynamic)
        for (int64_t i = 0; i < p.chunks; i++)
            NAME(weight_rows)(&job, all_rows * i / p.chunks, all_rows * (i + 1) / p.chunks, workspace + thread_index() * each,
                              sums + i * p.sums, 1);
#pragma omp parallel for num_threads(threads) schedule(static)
        for (int64_t v = 0; v < p.sums; v += VL) *(vec *)(sums + v) = NAME(chunks_total)(sums + v, p.chunks, p.sums);
    }
    /* [unit][kh][kw][c][k] to OIHW; with merged rows row_depth runs over (kw, c), which is the same order. A kernel position a row, or for
     * 1x1 a channel a row. */
    const int64_t outer = taps == 1 ? 1 : cg, rows = taps == 1 ? cg : taps, row_step = taps == 1 ? padded : cg * padded;
#pragma omp parallel for num_threads(threads) schedule(static) collapse(3)
    for (int64_t g = 0; g < s->g; g++)
        for (int64_t j = 0; j < columns; j += NR)
            for (int64_t c = 0; c < outer; c++)
                NAME(transpose)(sums + (g / p.together * taps * cg + c) * padded + g % p.together * columns + j, row_step, rows,
                                MIN(NR, columns - j), dw + ((g * columns + j) * cg + c) * taps, cg * taps);
}
