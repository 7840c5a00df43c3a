/* Direct weight gradient of channels-last data with channels in the lanes (template: REAL, NAME, IS_DOUBLE; part of direct_weight.h).
 *
 * Filters that are not whole vectors leave lanes empty, few of them most. Seen from the input the gradient is
 *
 *   dw[k][c][kh][kw] = sum over input pixels of x[pixel][c] gy[pixel - tap][k]
 *
 * with whole vectors of channels. What the taps of a kernel row meet lies in line in gy, the last tap first: rows of a tile are (tap,
 * filter) pairs, gradient values that are spread, and neither operand is copied. In the first and the last columns of the input, which
 * not all taps meet, a tile has the rows of those that do: a zero in place of a gradient would make a NaN of what no tap meets.
 */
#ifndef FASTCONV_DIRECT_WEIGHT_CHANNELS_H
#define FASTCONV_DIRECT_WEIGHT_CHANNELS_H
enum { CHANNEL_STRIP_BYTES = 512 * 1024 }; /* x and gy of a strip, in the second-level cache */

/* Of few weights: chunks of output rows, which threads take, have sums of their own. */
static int has_channel_lanes(const geometry *s, int64_t item) {
    const int64_t lanes = SIMD_BYTES / item, weights = s->kh * s->kw * s->k * s->c;
    return s->channels_last && s->g == 1 && s->sh == 1 && s->sw == 1 && s->dw == 1 && s->k % lanes && s->c % lanes == 0 &&
           weights * item <= WEIGHT_CHUNK_BYTES / WEIGHT_FEWEST_CHUNKS;
}

typedef struct {
    int64_t rows;         /* of outputs in a strip */
    int64_t chunks, sums; /* of output rows, with sums of their own; elements of those */
} channel_weight_plan;

static channel_weight_plan plan_channel_weight(const geometry *s, int64_t item) {
    const int64_t all_rows = s->n * s->oh;
    channel_weight_plan p = {.sums = s->kh * s->kw * s->k * s->c};
    p.rows = MAX(1, MIN(all_rows, CHANNEL_STRIP_BYTES / ((s->w * s->c + s->ow * s->k) * item)));
    p.chunks = MAX(1, MIN(weight_chunks(p.sums * item, all_rows * s->ow / WEIGHT_CHUNK_PIXELS), all_rows));
    return p;
}
#endif

static int64_t NAME(channel_weight_segments)(const channel_weight_plan *p) {
    return ROUND_UP(p->rows * (int64_t)sizeof(NAME(segment)), CACHE_LINE);
}

static int64_t NAME(channel_weight_workspace)(const geometry *s, int threads) {
    const channel_weight_plan p = plan_channel_weight(s, sizeof(REAL));
    return ROUND_UP(p.chunks * p.sums * (int64_t)sizeof(REAL), CACHE_LINE) + threads * NAME(channel_weight_segments)(&p);
}

/* Rows [row, row + count) of kernel row kh, pairs of a tap and a filter, over input columns [begin, end) of output rows [r0, r1). */
static void NAME(channel_weight_tiles)(const NAME(weight_job) *job, int64_t r0, int64_t r1, int64_t kh, int64_t row, int64_t count,
                                       int64_t begin, int64_t end, NAME(segment) *segments, REAL *sums) {
    const geometry *s = job->s;
    int64_t used = 0;
    for (int64_t r = r0; r < r1; r++) {
        const int64_t n = r / s->oh, y = r % s->oh + kh * s->dh - s->pt;
        if (y < 0 || y >= s->h) continue;
        segments[used++] = (NAME(segment)){job->gy + ((r * s->ow + begin + s->pl - (s->kw - 1)) * s->k + row),
                                           job->x + ((n * s->h + y) * s->w + begin) * s->c, end - begin};
    }
    if (!used) return;
    for (int64_t c = 0; c < s->c; c += NR) {
        REAL *out[GEMM_MR];
        for (int64_t q = 0; q < count; q++) out[q] = sums + (kh * s->kw * s->k + row + q) * s->c + c;
        const NAME(sink) sink = {out, MIN(NR, s->c - c), NULL, 1, 0, 0};
        NAME(outer)((int)count, segments, used, s->k, s->c, &sink);
        for (int64_t i = 0; i < used; i++) segments[i].b += NR;
    }
}

/* The sums over output rows [first, last). */
static void NAME(channel_weight_rows)(const NAME(weight_job) *job, const channel_weight_plan *p, int64_t first, int64_t last,
                                      NAME(segment) *segments, REAL *sums) {
    const geometry *s = job->s;
    const int64_t rows = s->kw * s->k, blocks = blocks_of(rows, GEMM_MR);
    /* All taps meet columns [inner, outer). */
    const int64_t inner = MIN(s->w, MAX(0, s->kw - 1 - s->pl)), outer = MAX(inner, MIN(s->w, s->ow - s->pl));
    memset(sums, 0, p->sums * sizeof(REAL));
    for (int64_t r0 = first; r0 < last; r0 += p->rows) {
        const int64_t r1 = MIN(last, r0 + p->rows);
        for (int64_t kh = 0; kh < s->kh; kh++)
            for (int64_t b = 0; b < blocks; b++) {
                const int64_t row = rows * b / blocks, end = rows * (b + 1) / blocks;
                if (inner < outer) NAME(channel_weight_tiles)(job, r0, r1, kh, row, end - row, inner, outer, segments, sums);
                for (int64_t x = inner ? 0 : outer; x < s->w; x = x + 1 == inner ? outer : x + 1) {
                    const int64_t most = MIN(s->kw - 1, x + s->pl), least = MAX(0, x + s->pl - s->ow + 1);
                    const int64_t from = MAX(row, (s->kw - 1 - most) * s->k), to = MIN(end, (s->kw - least) * s->k);
                    if (from < to) NAME(channel_weight_tiles)(job, r0, r1, kh, from, to - from, x, x + 1, segments, sums);
                }
            }
    }
}

static void NAME(channel_weight_grad)(const geometry *s, const REAL *x, const REAL *gy, REAL *dw, char *workspace, int threads) {
    const channel_weight_plan p = plan_channel_weight(s, sizeof(REAL));
    const NAME(weight_job) job = {s, NULL, x, gy};
    const int64_t all_rows = s->n * s->oh, taps = s->kh * s->kw;
    REAL *sums = (REAL *)aligned_take(&workspace, p.chunks * p.sums * sizeof(REAL)); /* [chunk][kh][kw, the last first][k][c] */
#pragma omp parallel for num_threads(threads) schedule(dynamic)
    for (int64_t i = 0; i < p.chunks; i++)
        NAME(channel_weight_rows)(&job, &p, all_rows * i / p.chunks, all_rows * (i + 1) / p.chunks,
                              (NAME(segment) *)(workspace + thread_index() * NAME(channel_weight_segments)(&p)), sums + i * p.sums);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t t = 0; t < taps; t++)
        for (int64_t k = 0; k < s->k; k++)
            for (int64_t c = 0; c < s->c; c += VL) {
                const int64_t at = ((t / s->kw * s->kw + s->kw - 1 - t % s->kw) * s->k + k) * s->c + c;
                const vec total = NAME(chunks_total)(sums + at, p.chunks, p.sums);
                for (int64_t l = 0; l < VL; l++) dw[(k * s->c + c + l) * taps + t] = total[l];
            }
}
