/* 1x1 kernels on channels-last data, whose source is split while products are computed (part of split.c).
 *
 *   split the first 32 pixels
 *   for every 32 pixels:
 *       for every panel of 32 filters: a register tile of sums (tiles.h), between whose products the next 32 pixels are split; its store
 *
 * Elsewhere a strip is split and then multiplied, and one waits for the other: the matrix units while the source is read, and what reads
 * it while they work. Two blocks of 32 pixels take turns, each an odd number of cache lines from part to part, so that the lines of a tile
 * row's parts fall into different sets of the first-level cache. The weights of all filters are read again for every block.
 */
#ifndef FASTCONV_SPLIT_FUSED_H
#define FASTCONV_SPLIT_FUSED_H

enum { FUSED_WEIGHT_BYTES = 1024 * 1024 /* of all filters, which stay in the second-level cache */ };

/* The plan of one strip of everything, of which two blocks are held at a time. */
static split_plan plan_fused(const geometry *s, int backward, char *tables) {
    split_plan q = plan_split(s, backward, 3, 0, 1, tables);
    q.pitch = q.p.w, q.image_rows = q.rows = q.p.h, q.images = s->n;
    q.plane = 2 * SPLIT_BLOCK + 1;
    return q;
}

int split_fuses(const geometry *s, int backward) {
    const int padded = s->pt || s->pl || s->oh != CEIL_DIV(s->h, s->sh) || s->ow != CEIL_DIV(s->w, s->sw);
    if (!s->channels_last || s->kh * s->kw != 1 || padded || operands_of(s, backward).phases != 1) return 0;
    char *tables = malloc(split_tables_bytes(s));
    if (!tables) return 0;
    const split_plan q = plan_fused(s, backward, tables);
    free(tables);
    return phase_weight_bytes(&q) <= FUSED_WEIGHT_BYTES;
}

/* Of each thread: magnitudes, tables, a step, the blocks, bias, scratch. */
static int64_t fused_blocks_bytes(const split_plan *q) { return q->chunks * q->parts * q->plane * TILE_ROW; }
static int64_t fused_own_bytes(const geometry *s, const split_plan *q) {
    const int64_t scratch = SCRATCH_FLOATS * (int64_t)sizeof(float);
    return CACHE_LINE + split_tables_bytes(s) + CACHE_LINE + fused_blocks_bytes(q) + bias_bytes(q) + scratch;
}

int64_t split_fused_workspace(const geometry *s, int backward, int threads) {
    char *tables = malloc(split_tables_bytes(s));
    if (!tables) return 0;
    const split_plan q = plan_fused(s, backward, tables);
    free(tables);
    return threads * fused_own_bytes(s, &q);
}

/* Pixels of a block, and of the one behind it; all of them may be read. */
typedef const float *block_pixels[2][SPLIT_BLOCK];

INLINE int64_t pixels_in_block(const split_strip *t, int64_t index) {
    return MIN(SPLIT_BLOCK, t->images * t->rows * t->q->p.w - index * SPLIT_BLOCK);
}

static void locate_block(const split_strip *t, const float *x, int64_t index, block_pixels pixel) {
    const split_plan *q = t->q;
    strip_pixel p = pixel_at(index * SPLIT_BLOCK, q->p.w, t->rows);
    for (int64_t i = 0; i < pixels_in_block(t, index); i++) {
        pixel[index % 2][i] =
            x + ((p.i * q->o.src_h + p.r * q->p.step_h) * q->o.src_w + p.x * q->p.step_w) * q->o.src_c + t->group * q->o.depth;
        if (++p.x < q->p.w) continue;
        p.x = 0;
        if (++p.r == t->rows) p.r = 0, p.i++;
    }
}

/* Block `index`, which is located, is to be split next; the one behind it, before `end`, is located to be asked for. */
static void begin_block(split_ahead *a, const split_strip *t, const float *x, int64_t index, int64_t end, block_pixels pixel) {
    a->pixel = a->later = pixel[index % 2], a->pixels = pixels_in_block(t, index), a->channel = 0;
    a->to = t->parts + index % 2 * SPLIT_BLOCK * TILE_ROW;
    if (index + 1 == end) return;
    locate_block(t, x, index + 1, pixel);
    a->later = pixel[(index + 1) % 2];
}

int split_fused_run(const geometry *s, int backward, const float *x, const char *packed, const float *bias, int activation, float slope,
                    float *out, void *workspace, int threads) {
    const magnitude_range range = ((const split_header *)packed)->range;
    magnitude_range seen = {0, UINT32_MAX};
    if (!ranges_allow_split(range, MAGNITUDE_ONE)) return 0;
    char *p = (char *)workspace;
    const split_plan q = plan_fused(s, backward, p + CACHE_LINE);
    const int64_t own = fused_own_bytes(s, &q), panels = CEIL_DIV(q.o.columns, SPLIT_PANEL);
    for (int i = 0; i < threads; i++) *(magnitude_range *)(p + i * own) = seen; /* OpenMP may start fewer */
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        char *mine = p + thread_index() * own;
        magnitude_range *of_mine = (magnitude_range *)aligned_take(&mine, sizeof(*of_mine));
        aligned_take(&mine, split_tables_bytes(s)); /* the first thread's are everyone's */
        tile_step *step = (tile_step *)aligned_take(&mine, sizeof(*step));
        split_strip t = {.q = &q, .images = s->n, .rows = q.rows, .parts = aligned_take(&mine, fused_blocks_bytes(&q))};
        float *bias_tiles = (float *)aligned_take(&mine, bias_bytes(&q));
        block_pixels pixel;
        for (int64_t i = 0; i < 2 * SPLIT_BLOCK; i++) pixel[i / SPLIT_BLOCK][i % SPLIT_BLOCK] = x;
        split_ahead ahead = {.depth = q.o.depth, .part = q.plane * TILE_ROW, .seen = no_magnitudes()};
        ahead.chunk = q.parts * ahead.part;
        ahead.next = TILE_ROW - q.chunks * ahead.chunk;
        ahead.each = CEIL_DIV(SPLIT_BLOCK * q.chunks, panels * q.steps * SPLITS_A_STEP);
        int64_t begin, end;
        share(CEIL_DIV(s->n * q.rows * q.p.w, SPLIT_BLOCK), thread_index(), team_size(), &begin, &end);
        place_steps(&q, step);
        tiles_begin();
        for (t.group = 0; t.group < q.groups && begin < end; t.group++) {
            if (bias) fill_bias(&q, bias + t.group * q.o.columns, bias_tiles);
            strip_work work = work_on(&t, 1, packed + sizeof(split_header) + t.group * phase_weight_bytes(&q), step,
                                      bias ? bias_tiles : NULL, activation, slope, out, (float *)mine);
            work.ahead = &ahead;
            locate_block(&t, x, begin, pixel);
            begin_block(&ahead, &t, x, begin, end, pixel);
            for (int64_t i = begin; i < end; i++) {
                split_some(&ahead, SPLIT_BLOCK * q.chunks, &ahead.seen); /* what is left: with few filters, or of the first block */
                if (i + 1 < end) begin_block(&ahead, &t, x, i + 1, end, pixel);
                multiply_panels(&work, 0, panels, i * SPLIT_BLOCK);
            }
            store_last_pixels(&work);
        }
        stream_fence();
        tiles_end();
        *of_mine = range_of(&ahead.seen);
    }
    for (int i = 0; i < threads; i++) join_ranges(&seen, *(magnitude_range *)(p + i * own));
    return ranges_allow_split(range, seen);
}

#endif
