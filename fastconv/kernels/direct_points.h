/* 1x1 convolution at stride 1 of NCHW images, or its input gradient, which is one too, with pixels in the lanes that are read in place
 * (template: REAL, NAME, IS_DOUBLE; after direct.h).
 *
 *   for every block of pixels of an image
 *       for some channels at a time
 *           for every few vectors of pixels, for every block of filters: a register tile of sums, added to the outputs
 *
 * The pixels of a block stay in the second-level cache for all filters. Where one block holds all filters, memory is what limits: longer
 * runs of fewer channels are followed by the hardware, and asked for some way ahead.
 */
#ifndef FASTCONV_DIRECT_POINTS_H
#define FASTCONV_DIRECT_POINTS_H

enum {
    POINT_VECTORS = 16,   /* of pixels in a block, at most, */
    POINT_CHANNELS = 128, /* with so many channels at a time */
    STREAM_VECTORS = 128, /* the same of images beyond a second-level cache, where all filters are in one block */
    STREAM_CHANNELS = 8,
    STREAM_AHEAD = 2048,  /* bytes */
    POINT_WASTE = 16,     /* of an image, one part in so many may be computed twice by its last vector */
    POINT_BLOCKS = GEMM_MR < 8 ? 3 : INT32_MAX /* of filters: with few registers, blocks are small, and each reads all pixels */
};

/* Whether pixels are read in place, rather than copied to panels: of images that vectors cover well. */
static int reads_points(const geometry *s, int input_grad, int64_t item) {
    const int64_t plane = s->h * s->w, lanes = SIMD_BYTES / item;
    return !s->channels_last && is_pointwise(s) && plane >= lanes && (ROUND_UP(plane, lanes) - plane) * POINT_WASTE <= plane &&
           CEIL_DIV(operands_of(s, input_grad).columns, WINDOW_ROWS) <= POINT_BLOCKS;
}

typedef struct {
    int64_t plane, vectors, parts; /* of an image: pixels, vectors of them, blocks */
    int64_t blocks;                /* of filters */
    int64_t channels;              /* at a time */
    int64_t ahead;                 /* pixels, that are asked for behind a tile; less than 0: none */
} point_plan;

static point_plan plan_points(const operands *o, int64_t n, int64_t item) {
    const int64_t lanes = SIMD_BYTES / item;
    point_plan p = {.plane = o->src_h * o->src_w, .blocks = blocks_of(o->columns, WINDOW_ROWS), .channels = POINT_CHANNELS};
    const int64_t image = o->src_c * p.plane * item;
    const int streams = image > STREAMED_RESULT && p.blocks == 1;
    if (streams) p.channels = STREAM_CHANNELS;
    p.vectors = CEIL_DIV(p.plane, lanes);
    p.parts = blocks_of(p.vectors, streams ? STREAM_VECTORS : POINT_VECTORS);
    p.ahead = streams ? STREAM_AHEAD / item : n * image > STREAMED_RESULT ? 0 : -1;
    return p;
}
#endif

/* Vectors [v0, v1) of an image's pixels, blocks [b0, b1) of the filters of group g. at: distances of the channels' planes. */
static void NAME(point_item)(const NAME(direct_job) *job, const point_plan *p, int64_t n, int64_t g, int64_t v0, int64_t v1, int64_t b0,
                             int64_t b1, const int64_t *at) {
    const operands *o = &job->o;
    const int64_t plane = p->plane, tiles = blocks_of(v1 - v0, WINDOW_VECTORS);
    const REAL *x = job->x + (n * o->src_c + g * o->depth) * plane;
    REAL *out = job->out + (n * o->dst_c + g * o->columns) * plane, *rows[WINDOW_ROWS];
    for (int64_t c0 = 0, c1; c0 < o->depth; c0 = c1) {
        c1 = MIN(o->depth, c0 + p->channels);
        NAME(sink) sink = {rows, 0, NULL, c0 > 0, c1 == o->depth ? job->activation : ACT_NONE, job->slope, 0};
        for (int64_t t = 0; t < tiles; t++) {
            const int64_t first = (v0 + (v1 - v0) * t / tiles) * VL, end = MIN(plane, (v0 + (v1 - v0) * (t + 1) / tiles) * VL);
            sink.columns = end - first;
            for (int64_t b = b0; b < b1; b++) {
                const int64_t filter = o->columns * b / p->blocks, filters = o->columns * (b + 1) / p->blocks - filter;
                const REAL *a = job->packed + (g * o->columns + filter) * o->depth + c0 * filters;
                if (job->bias && c0 == 0) sink.bias = job->bias + g * o->columns + filter;
                for (int64_t m = 0; m < filters; m++) rows[m] = out + (filter + m) * plane + first;
                /* A share of what is read next of these channels is asked for. */
                int64_t c = c0 + (c1 - c0) * (b - b0) / (b1 - b0);
                const int64_t last = p->ahead < 0 || end + p->ahead >= plane ? c : c0 + (c1 - c0) * (b + 1 - b0) / (b1 - b0);
                for (; c < last; c++)
                    for (int64_t i = 0; i < WINDOW_VECTORS * VL; i += CACHE_LINE / sizeof(REAL))
                        __builtin_prefetch(x + c * plane + end + p->ahead + i, 0, 2);
                NAME(window_lanes)((int)filters, a, x + c0 * plane + first, at, c1 - c0, &sink);
            }
        }
    }
}

static void NAME(direct_points)(const NAME(direct_job) *job, int threads) {
    const geometry *s = job->s;
    const point_plan p = plan_points(&job->o, s->n, sizeof(REAL));
    /* Few blocks of pixels: the threads share the filters instead. */
    const int64_t items = s->n * s->g * p.parts, chunks = items % threads && items < 8 * threads ? MIN(p.blocks, threads) : 1;
    int64_t at[POINT_CHANNELS];
    for (int64_t c = 0; c < POINT_CHANNELS; c++) at[c] = c * p.plane;
#pragma omp parallel for num_threads(threads) schedule(dynamic)
    for (int64_t i = 0; i < items * chunks; i++) {
        const int64_t m = i % chunks, part = i / chunks % p.parts, g = i / chunks / p.parts % s->g, n = i / chunks / p.parts / s->g;
        NAME(point_item)(job, &p, n, g, p.vectors * part / p.parts, p.vectors * (part + 1) / p.parts, p.blocks * m / chunks,
                         p.blocks * (m + 1) / chunks, at);
    }
}
