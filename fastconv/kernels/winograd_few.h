/* F(4x4, 3x3) of few channels (template: REAL, NAME, IS_DOUBLE): the first layers of networks.
 *
 * With so few products between them, transforms and products through memory would take longer than direct convolution. Here one loop
 * multiplies a tile and transforms the sums, all in registers: column by column 6 sums of products -> 4, then row by row 6 -> 4, bias,
 * activation, store. One factor is a vector, from the first-level cache, and the other a scalar:
 *
 *     channels-last   filters in the lanes, VL of them for a strip of tiles; V[tile][column][channel][row] are scalars
 *     NCHW            tiles in the lanes, VL of a row or of a few rows, for one filter after another; scalars are
 *                     U[filter][column][channel][row]
 *
 * so that what is stored lies together.
 */
#ifndef FASTCONV_WINOGRAD_FEW_H
#define FASTCONV_WINOGRAD_FEW_H

enum { FEW_CHANNELS = 4, FEW_POINTS = 6, FEW_OUTPUTS = 4 };
/* Channels-last: tiles of a strip. NCHW: vectors of tiles that a filter meets together, and filters ahead whose results are asked for. */
enum { FEW_STRIP = 16, FEW_VECTORS = 2, FEW_AHEAD = 2 };
/* From channel to channel of scalars from the data, and from pixel to pixel before they are combined along the rows. */
enum { FEW_STEP = 8 };

/* Whether the convolution that `direction` computes is one of these. */
static int winograd_few_suits(const geometry *s, int direction, int m) {
    return direction < 2 && m == FEW_OUTPUTS && s->kh == 3 && s->kw == 3 && s->sh == 1 && s->dh == 1 && s->dw == 1 && s->g == 1 &&
           (direction ? s->k : s->c) <= FEW_CHANNELS;
}
#endif

/* Elements of each part of a thread's scratch. */
typedef struct {
    int64_t pitch;         /* of a row of pixels: whole vectors, and what loads beyond it touch */
    int64_t rows, turned, v;
    int64_t bytes;         /* of all */
} NAME(few_sizes);

static NAME(few_sizes) NAME(few_sizes_of)(const geometry *s, int64_t depth) {
    const int64_t tiles = s->channels_last ? FEW_STRIP : VL, pixels = tiles * FEW_OUTPUTS + FEW_POINTS - FEW_OUTPUTS;
    NAME(few_sizes) z = {.pitch = ROUND_UP(pixels * (s->channels_last ? depth : 1), VL) + VL};
    z.rows = 2 * FEW_POINTS * z.pitch;
    z.turned = s->channels_last ? ROUND_UP(pixels * depth * FEW_STEP + VL, VL) : 0;
    z.v = FEW_POINTS * (s->channels_last ? tiles * ROUND_UP(depth * FEW_STEP, VL) : FEW_VECTORS * FEW_POINTS * depth * VL);
    z.bytes = ROUND_UP((z.rows + z.turned + z.v) * (int64_t)sizeof(REAL), CACHE_LINE);
    return z;
}

/* 6 rows of `count` elements (pixels, or their channels), of which [first, last) lie in the image, transformed along the columns: into the
 * second half of `rows`. */
static void NAME(few_rows)(const wino_plan *p, const REAL *from, int64_t from_step, int64_t y, int64_t first, int64_t last, int64_t pitch,
                           REAL *rows) {
    for (int64_t i = 0; i < FEW_POINTS; i++) {
        REAL *to = rows + i * pitch;
        const int inside = y + i >= 0 && y + i < p->src_h && last > first;
        const int64_t a = inside ? first : 0, b = inside ? last : 0;
        memset(to, 0, a * sizeof(REAL));
        if (inside) memcpy(to + a, from + i * from_step + a, (b - a) * sizeof(REAL));
        memset(to + b, 0, (pitch - b) * sizeof(REAL));
    }
    for (int64_t j = 0; j < pitch; j += VL) {
        vec d[FEW_POINTS], o[FEW_POINTS];
        UNROLL for (int i = 0; i < FEW_POINTS; i++) d[i] = *(const vec *)(rows + i * pitch + j);
        NAME(wino_data)(2, d, o);
        UNROLL for (int i = 0; i < FEW_POINTS; i++) *(vec *)(rows + (FEW_POINTS + i) * pitch + j) = o[i];
    }
}

/* A tile's sums: `scalars` [column][channel][row] with steps, `vectors` [column][channel][row][VL]. */
INLINE void NAME(few_tile)(const int depth, const REAL *scalars, const int column, const int channel, const REAL *vectors,
                           vec o[FEW_OUTPUTS][FEW_OUTPUTS]) {
    vec half[FEW_OUTPUTS][FEW_POINTS];
    UNROLL for (int j = 0; j < FEW_POINTS; j++) {
        vec sums[FEW_POINTS], fewer[FEW_OUTPUTS];
        UNROLL for (int i = 0; i < FEW_POINTS; i++) {
            const REAL *s = scalars + j * column + i, *v = vectors + (j * depth * FEW_POINTS + i) * VL;
            sums[i] = *s * *(const vec *)v;
            UNROLL for (int c = 1; c < depth; c++) sums[i] += s[c * channel] * *(const vec *)(v + c * FEW_POINTS * VL);
        }
        NAME(wino_result)(2, FEW_OUTPUTS, sums, fewer);
        UNROLL for (int a = 0; a < FEW_OUTPUTS; a++) half[a][j] = fewer[a];
    }
    UNROLL for (int a = 0; a < FEW_OUTPUTS; a++) NAME(wino_result)(2, FEW_OUTPUTS, half[a], o[a]);
}

/* What becomes of the sums. */
typedef struct {
    const REAL *bias;
    int activation;
    REAL slope;
} NAME(few_finish);

/* What is stored of four sums where the activation is a clamp. */
INLINE void NAME(few_plain)(const NAME(few_finish) *f, vec bias, vec *o) {
    UNROLL for (int b = 0; b < FEW_OUTPUTS; b++) o[b] += bias;
    NAME(clamp)(o, FEW_OUTPUTS, f->activation);
}

/* -- channels-last ------------------------------------------------------------------------------------------------------- */

/* A tile with VL filters, `lanes` of them valid; `high` x `wide` outputs are stored. Results are asked for `ahead` elements on. */
INLINE void NAME(few_filters)(const int depth, const REAL *v, const REAL *u, vec bias, const NAME(few_finish) *f, REAL *to, int64_t row,
                              int64_t pixel, int64_t ahead, int64_t high, int64_t wide, int64_t lanes) {
    vec o[FEW_OUTPUTS][FEW_OUTPUTS], kept[FEW_OUTPUTS * FEW_OUTPUTS];
    NAME(few_tile)(depth, v, ROUND_UP(depth * FEW_STEP, VL), FEW_STEP, u, o);
    if (high >= FEW_OUTPUTS && wide >= FEW_OUTPUTS && lanes >= VL && IS_CLAMP(f->activation)) {
        UNROLL for (int a = 0; a < FEW_OUTPUTS; a++, to += row) {
            NAME(few_plain)(f, bias, o[a]);
            UNROLL for (int b = 0; b < FEW_OUTPUTS; b++) {
                __builtin_prefetch(to + b * pixel + ahead, 1, 2);
                NAME(store)(to + b * pixel, o[a][b]);
            }
        }
        return;
    }
    UNROLL for (int i = 0; i < FEW_OUTPUTS * FEW_OUTPUTS; i++) kept[i] = o[i / FEW_OUTPUTS][i % FEW_OUTPUTS];
    for (int a = 0; a < MIN(FEW_OUTPUTS, high); a++)
        for (int b = 0; b < MIN(FEW_OUTPUTS, wide); b++)
            NAME(store_n)(to + a * row + b * pixel, NAME(activate)(kept[a * FEW_OUTPUTS + b] + bias, f->activation, f->slope), lanes);
}

#define INSTANCE(DEPTH)                                                                                                               \
    static __attribute__((noinline)) void NAME(few_filters_##DEPTH)(const REAL *v, const REAL *u, vec bias,                           \
                                                                    const NAME(few_finish) *f, REAL *to, int64_t row, int64_t pixel,  \
                                                                    int64_t ahead, int64_t high, int64_t wide, int64_t lanes) {       \
        NAME(few_filters)(DEPTH, v, u, bias, f, to, row, pixel, ahead, high, wide, lanes);                                            \
    }
INSTANCE(1) INSTANCE(2) INSTANCE(3) INSTANCE(4)
#undef INSTANCE

/* Tiles [t0, t0 + tiles) of row ty of image n. */
static void NAME(few_strip)(const wino_plan *p, const NAME(few_sizes) *z, int64_t n, int64_t ty, int64_t t0, int64_t tiles, const REAL *x,
                            const REAL *u, const NAME(few_finish) *f, REAL *out, REAL *rows) {
    const int64_t depth = p->depth, pixel = depth * FEW_STEP, column = ROUND_UP(pixel, VL);
    const int64_t y = ty * FEW_OUTPUTS, x0 = t0 * FEW_OUTPUTS, left = x0 - p->left, top = y - p->top;
    const int64_t count = tiles * FEW_OUTPUTS + FEW_POINTS - FEW_OUTPUTS;
    REAL *turned = rows + z->rows, *v = turned + z->turned;
    NAME(few_rows)(p, x + ((n * p->src_h + top) * p->src_w + left) * depth, p->src_w * depth, top, MAX(0, -left) * depth,
                   MIN(count, p->src_w - left) * depth, z->pitch, rows);
    NAME(transpose)(rows + FEW_POINTS * z->pitch, z->pitch, FEW_POINTS, count * depth, turned, FEW_STEP);
    for (int64_t t = 0; t < tiles; t++)
        for (int64_t k = 0; k < column; k += VL) {
            vec d[FEW_POINTS], o[FEW_POINTS];
            UNROLL for (int j = 0; j < FEW_POINTS; j++) d[j] = NAME(load)(turned + (t * FEW_OUTPUTS + j) * pixel + k);
            NAME(wino_data)(2, d, o);
            UNROLL for (int j = 0; j < FEW_POINTS; j++) *(vec *)(v + (t * FEW_POINTS + j) * column + k) = o[j];
        }
    __typeof__(&NAME(few_filters_1)) const compute[] = {NAME(few_filters_1), NAME(few_filters_2), NAME(few_filters_3), NAME(few_filters_4)};
    const int64_t next_pixel = p->dst_c, next_row = p->dst_w * next_pixel, step = FEW_OUTPUTS * next_pixel;
    for (int64_t k = 0; k < p->columns; k += VL) {
        const int64_t lanes = MIN(VL, p->columns - k);
        const vec bias = f->bias ? NAME(load_n)(f->bias + k, lanes) : (vec){0};
        REAL *to = out + ((n * p->dst_h + y) * p->dst_w + x0) * p->dst_c + k;
        for (int64_t t = 0; t < tiles; t++)
            compute[depth - 1](v + t * FEW_POINTS * column, u + k * FEW_POINTS * FEW_POINTS * depth, bias, f, to + t * step, next_row,
                               next_pixel, tiles * step, p->dst_h - y, p->dst_w - x0 - t * FEW_OUTPUTS, lanes);
    }
}

/* -- NCHW ---------------------------------------------------------------------------------------------------------------- */

/* How many rows of tiles share a vector: 1, 2 or 4 (so that a row of outputs is whole vectors), since rows are short. */
static int NAME(few_rows_together)(const wino_plan *p) { return p->tiles_w > VL / 2 ? 1 : p->tiles_w > VL / 4 ? 2 : 4; }

/* VL tiles with one filter, in `together` rows; `high` x `wide` outputs are stored. Results are asked for `ahead` elements on. */
INLINE void NAME(few_tiles)(const int depth, const REAL *v, const REAL *u, vec bias, const NAME(few_finish) *f, REAL *to, int64_t row,
                            int together, int64_t ahead, int64_t high, int64_t wide) {
    const int of_row = FEW_OUTPUTS / together; /* vectors of a row of outputs */
    int64_t place[FEW_OUTPUTS];
    UNROLL for (int b = 0; b < FEW_OUTPUTS; b++) place[b] = b / of_row * FEW_OUTPUTS * row + b % of_row * VL;
    vec o[FEW_OUTPUTS][FEW_OUTPUTS], kept[FEW_OUTPUTS * FEW_OUTPUTS];
    NAME(few_tile)(depth, u, FEW_POINTS * depth, FEW_POINTS, v, o);
    if (high >= FEW_OUTPUTS * together && wide >= of_row * VL && IS_CLAMP(f->activation)) {
        UNROLL for (int a = 0; a < FEW_OUTPUTS; a++, to += row) {
            NAME(few_plain)(f, bias, o[a]);
            NAME(interleave_4)(o[a]);
            UNROLL for (int b = 0; b < FEW_OUTPUTS; b++) {
                __builtin_prefetch(to + ahead + place[b], 1, 2);
                NAME(store)(to + place[b], o[a][b]);
            }
            __builtin_prefetch(to + ahead + place[FEW_OUTPUTS - 1] + VL - 1, 1, 2);
        }
        return;
    }
    UNROLL for (int a = 0; a < FEW_OUTPUTS; a++) {
        NAME(interleave_4)(o[a]);
        UNROLL for (int b = 0; b < FEW_OUTPUTS; b++) kept[a * FEW_OUTPUTS + b] = o[a][b];
    }
    for (int a = 0; a < FEW_OUTPUTS; a++)
        for (int b = 0; b < FEW_OUTPUTS; b++)
            if (b / of_row * FEW_OUTPUTS + a < high)
                NAME(store_n)(to + a * row + place[b], NAME(activate)(kept[a * FEW_OUTPUTS + b] + bias, f->activation, f->slope),
                              wide - b % of_row * VL);
}

#define INSTANCE(DEPTH)                                                                                                               \
    static __attribute__((noinline)) void NAME(few_tiles_##DEPTH)(const REAL *v, const REAL *u, vec bias, const NAME(few_finish) *f,  \
                                                                  REAL *to, int64_t row, int together, int64_t ahead, int64_t high,   \
                                                                  int64_t wide) {                                                     \
        NAME(few_tiles)(DEPTH, v, u, bias, f, to, row, together, ahead, high, wide);                                                  \
    }
INSTANCE(1) INSTANCE(2) INSTANCE(3) INSTANCE(4)
#undef INSTANCE

/* VL tiles of image n from (ty, t0) on, in `together` rows; those beyond the image are of zeros. */
static void NAME(few_vectors)(const wino_plan *p, const NAME(few_sizes) *z, int64_t n, int64_t ty, int64_t t0, int together, const REAL *x,
                              REAL *rows, REAL *v) {
    const int64_t depth = p->depth, left = t0 * FEW_OUTPUTS - p->left, tiles = VL / together;
    const int64_t count = tiles * FEW_OUTPUTS + FEW_POINTS - FEW_OUTPUTS;
    for (int r = 0; r < together; r++) {
        const int64_t top = (ty + r) * FEW_OUTPUTS - p->top;
        for (int64_t c = 0; c < depth; c++) {
            NAME(few_rows)(p, x + ((n * depth + c) * p->src_h + top) * p->src_w + left, p->src_w, top, MAX(0, -left),
                           MIN(count, p->src_w - left), z->pitch, rows);
            for (int64_t i = 0; i < FEW_POINTS; i++) {
                const REAL *from = rows + (FEW_POINTS + i) * z->pitch;
                vec d[2 * FEW_OUTPUTS], o[FEW_POINTS];
                NAME(split)(from, FEW_OUTPUTS, VL, (REAL *)d, VL);
                NAME(split)(from + FEW_OUTPUTS, FEW_OUTPUTS, VL, (REAL *)(d + FEW_OUTPUTS), VL);
                NAME(wino_data)(2, d, o);
                REAL *to = v + (c * FEW_POINTS + i) * VL + r * tiles;
                for (int j = 0; j < FEW_POINTS; j++) NAME(store_n)(to + j * depth * FEW_POINTS * VL, o[j], tiles);
            }
        }
    }
}

/* Vectors of tiles [m0, m1) of image n from row ty on; the last of a row begins early enough to be full, if the row has as many tiles, and
 * stores some results a second time, the same ones. */
static void NAME(few_planes)(const wino_plan *p, const NAME(few_sizes) *z, int64_t n, int64_t ty, int64_t m0, int64_t m1, const REAL *x,
                             const REAL *u, const NAME(few_finish) *f, REAL *out, REAL *rows) {
    const int64_t points = FEW_POINTS * FEW_POINTS * p->depth, y = ty * FEW_OUTPUTS, plane = p->dst_h * p->dst_w;
    REAL *v = rows + z->rows, *to = out + n * p->dst_c * plane + y * p->dst_w;
    __typeof__(&NAME(few_tiles_1)) const compute[] = {NAME(few_tiles_1), NAME(few_tiles_2), NAME(few_tiles_3), NAME(few_tiles_4)};
    const int together = NAME(few_rows_together)(p);
    int64_t first[FEW_VECTORS];
    for (int64_t m = m0; m < m1; m++) {
        first[m - m0] = MAX(0, MIN(m * VL, p->tiles_w - VL));
        NAME(few_vectors)(p, z, n, ty, first[m - m0], together, x, rows, v + (m - m0) * points * VL);
    }
    for (int64_t k = 0; k < p->columns; k++, to += plane) {
        const vec bias = f->bias ? NAME(splat)(f->bias[k]) : (vec){0};
        for (int64_t m = 0; m < m1 - m0; m++)
            compute[p->depth - 1](v + m * points * VL, u + k * points, bias, f, to + first[m] * FEW_OUTPUTS, p->dst_w, together,
                                  FEW_AHEAD * plane, p->dst_h - y, p->dst_w - first[m] * FEW_OUTPUTS);
    }
}

/* -- both ---------------------------------------------------------------------------------------------------------------- */

static wino_plan NAME(few_plan)(const geometry *s, int direction) {
    return plan_winograd(s, direction, 0, FEW_OUTPUTS, 1, 1, sizeof(REAL));
}

static int64_t NAME(few_workspace)(const geometry *s, int direction, int threads) {
    const wino_plan p = NAME(few_plan)(s, direction);
    return threads * NAME(few_sizes_of)(s, p.depth).bytes;
}

static void NAME(few_run)(const geometry *s, int direction, const REAL *x, const REAL *u, const REAL *bias, int activation, REAL slope,
                          REAL *out, char *workspace, int threads) {
    const wino_plan p = NAME(few_plan)(s, direction);
    const NAME(few_sizes) z = NAME(few_sizes_of)(s, p.depth);
    const NAME(few_finish) finish = {bias, activation, slope};
    const int64_t vectors = CEIL_DIV(p.tiles_w, VL);
    const int64_t strips = s->channels_last ? CEIL_DIV(p.tiles_w, FEW_STRIP) : CEIL_DIV(vectors, FEW_VECTORS);
    const int together = s->channels_last ? 1 : NAME(few_rows_together)(&p);
    const int64_t rows = CEIL_DIV(p.tiles_h, together);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        REAL *scratch = (REAL *)(workspace + thread_index() * z.bytes);
        memset(scratch, 0, z.bytes); /* whatever is read beyond the end of a row takes no longer than zeros */
#pragma omp for schedule(dynamic) nowait
        for (int64_t item = 0; item < s->n * rows * strips; item++) {
            const int64_t n = item / strips / rows, ty = item / strips % rows * together, m = item % strips;
            if (s->channels_last) {
                const int64_t t0 = p.tiles_w * m / strips, tiles = p.tiles_w * (m + 1) / strips - t0;
                NAME(few_strip)(&p, &z, n, ty, t0, tiles, x, u, &finish, out, scratch);
            } else {
                NAME(few_planes)(&p, &z, n, ty, vectors * m / strips, vectors * (m + 1) / strips, x, u, &finish, out, scratch);
            }
        }
    }
}

static void NAME(few_pack)(const geometry *s, int direction, const REAL *w, REAL *u) {
    const NAME(wino_weights) at = NAME(wino_weights_of)(s, direction);
    const wino_plan p = NAME(few_plan)(s, direction);
    const int64_t points = FEW_POINTS * FEW_POINTS;
    vec g[9], o[FEW_POINTS * FEW_POINTS];
    for (int64_t k = 0; k < p.columns; k += VL)
        for (int64_t c = 0; c < p.depth; c++) {
            const int64_t lanes = MIN(VL, p.columns - k);
            for (int t = 0; t < 9; t++)
                for (int l = 0; l < VL; l++) g[t][l] = l < lanes ? w[(k + l) * at.filter + c * at.channel + (at.flipped ? 8 - t : t)] : 0;
            NAME(wino_kernel_2d)(2, 3, g, o);
            for (int i = 0; i < FEW_POINTS; i++)
                for (int j = 0; j < FEW_POINTS; j++) {
                    const int64_t place = (j * p.depth + c) * FEW_POINTS + i;
                    const vec filters = o[i * FEW_POINTS + j];
                    if (s->channels_last)
                        *(vec *)(u + k * points * p.depth + place * VL) = filters;
                    else
                        for (int64_t l = 0; l < lanes; l++) u[(k + l) * points * p.depth + place] = filters[l];
                }
        }
}
