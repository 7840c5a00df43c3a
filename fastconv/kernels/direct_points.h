/* 1x1 convolution at stride 1 of NCHW images, or its input gradient, which is one too, with pixels in the lanes that are read in place
 * (template: REAL, NAME, IS_DOUBLE; after direct.h).
 *
 *   for every block of pixels of an image
 *       for some channels at a time, whose pixels stay in the second-level cache
 *           for every block of filters, for every few vectors of pixels: a register tile of sums, added to the outputs
 */
#ifndef FASTCONV_DIRECT_POINTS_H
#define FASTCONV_DIRECT_POINTS_H

enum {
    POINT_VECTORS = 16,  /* of pixels in a block, at most, */
    POINT_CHANNELS = 128, /* with so many channels at a time */
    POINT_WASTE = 16     /* the last vector of an image may add so many parts to it as it computes again, at most one */
};

/* Whether pixels are read in place, rather than copied to panels: of images that vectors cover well. */
static int reads_points(const geometry *s, int64_t item) {
    const int64_t plane = s->h * s->w, lanes = SIMD_BYTES / item;
    return !s->channels_last && s->kh * s->kw == 1 && s->sh == 1 && s->sw == 1 && s->h == s->oh && s->w == s->ow && plane >= lanes &&
           (ROUND_UP(plane, lanes) - plane) * POINT_WASTE <= plane;
}
#endif

/* Vectors [v0, v1) of an image's pixels, for blocks [b0, b1) of the `blocks` that the filters of group g are in. at: distances of the
 * channels' planes. */
static void NAME(point_item)(const NAME(direct_job) *job, int64_t n, int64_t g, int64_t v0, int64_t v1, int64_t b0, int64_t b1, int64_t blocks,
                             const int64_t *at) {
    const operands *o = &job->o;
    const int64_t plane = o->src_h * o->src_w, tiles = blocks_of(v1 - v0, WINDOW_VECTORS);
    const int ahead = o->src_c * plane * (int64_t)sizeof(REAL) > STREAMED_RESULT;
    const REAL *x = job->x + (n * o->src_c + g * o->depth) * plane;
    REAL *out = job->out + (n * o->dst_c + g * o->columns) * plane, *rows[WINDOW_ROWS];
    for (int64_t c0 = 0, c1; c0 < o->depth; c0 = c1) {
        c1 = MIN(o->depth, c0 + POINT_CHANNELS);
        NAME(sink) sink = {rows, 0, NULL, c0 > 0, c1 == o->depth ? job->activation : ACT_NONE, job->slope, 0};
        for (int64_t t = 0; t < tiles; t++) {
            const int64_t first = (v0 + (v1 - v0) * t / tiles) * VL, end = MIN(plane, (v0 + (v1 - v0) * (t + 1) / tiles) * VL);
            sink.columns = end - first;
            for (int64_t b = b0; b < b1; b++) {
                const int64_t filter = o->columns * b / blocks, filters = o->columns * (b + 1) / blocks - filter;
                const REAL *a = job->packed + (g * o->columns + filter) * o->depth + c0 * filters;
                if (job->bias && c0 == 0) sink.bias = job->bias + g * o->columns + filter;
                for (int64_t m = 0; m < filters; m++) rows[m] = out + (filter + m) * plane + first;
                /* A share of the next pixels of these channels is asked for. */
                const int64_t next = c0 + (c1 - c0) * (b - b0) / (b1 - b0), last = c0 + (c1 - c0) * (b + 1 - b0) / (b1 - b0);
                for (int64_t c = next; c < last && ahead && end < plane; c++)
                    for (int64_t i = 0; i < WINDOW_VECTORS * VL; i += CACHE_LINE / sizeof(REAL)) __builtin_prefetch(x + c * plane + end + i, 0, 2);
                NAME(window_lanes)((int)filters, a, x + c0 * plane + first, at, c1 - c0, &sink);
            }
        }
    }
}

static void NAME(direct_points)(const NAME(direct_job) *job, int threads) {
    const geometry *s = job->s;
    const int64_t vectors = CEIL_DIV(s->h * s->w, VL), parts = blocks_of(vectors, POINT_VECTORS), blocks = blocks_of(job->o.columns, WINDOW_ROWS);
    const int64_t items = s->n * s->g * parts, chunks = items % threads && items < 8 * threads ? MIN(blocks, threads) : 1;
    int64_t at[POINT_CHANNELS];
    for (int64_t c = 0; c < POINT_CHANNELS; c++) at[c] = c * s->h * s->w;
#pragma omp parallel for num_threads(threads) schedule(dynamic)
    for (int64_t i = 0; i < items * chunks; i++) {
        const int64_t m = i % chunks, part = i / chunks % parts, g = i / chunks / parts % s->g, n = i / chunks / parts / s->g;
        NAME(point_item)(job, n, g, vectors * part / parts, vectors * (part + 1) / parts, blocks * m / chunks, blocks * (m + 1) / chunks, blocks,
                         at);
    }
}
