/* Few filters on NCHW data, as in the input gradient of a first layer (part of split.c).
 *
 * A tile of three filters would be empty but for three columns, for every tap. Instead each pixel is multiplied with all taps of all
 * filters at once, as by a 1x1 kernel, and each output adds up what its taps have left at their pixels:
 *
 *   P[tap, filter][pixel] = sum over channels of w[filter][channel][tap] x[channel][pixel]
 *   y[filter][pixel]      = sum over taps of P[tap, filter][pixel + tap]
 */
#ifndef FASTCONV_SPLIT_FEW_H
#define FASTCONV_SPLIT_FEW_H

enum { FEW_SUMS_BYTES = 512 * 1024 /* of P, of some images */ };

/* The 1x1 convolution that makes P of some images; its `k` is 0 where P is not what is made. */
static geometry few_products(const geometry *s, int direction) {
    const operands o = operands_of(s, direction == SPLIT_INPUT_GRAD);
    const int64_t taps = s->kh * s->kw, columns = o.columns * taps;
    geometry few = {.n = 1, .c = o.src_c, .h = o.src_h, .w = o.src_w, .k = columns, .kh = 1, .kw = 1, .oh = o.src_h, .ow = o.src_w,
                    .sh = 1, .sw = 1, .dh = 1, .dw = 1, .g = 1};
    few.n = MAX(1, MIN(s->n, FEW_SUMS_BYTES / (columns * o.src_h * o.src_w * (int64_t)sizeof(float))));
    const int simple = !s->channels_last && s->g == 1 && s->sh == 1 && s->sw == 1 && taps > 1 && !takes_patches(o.depth, taps);
    const int filled = 2 * CEIL_DIV(columns, SPLIT_PANEL) <= taps && columns <= MAX(SPLIT_PANEL, o.depth);
    if (direction == SPLIT_WEIGHT_GRAD || !simple || !filled) few.k = 0;
    return few;
}

static int64_t few_weights_bytes(const geometry *few) { return ROUND_UP(few->k * few->c * (int64_t)sizeof(float), CACHE_LINE); }
static int64_t few_sums_bytes(const geometry *few) {
    return ROUND_UP(few->n * few->k * few->h * few->w * (int64_t)sizeof(float), CACHE_LINE);
}

static void few_pack(const geometry *s, const geometry *few, int backward, int products, const float *w, char *packed, void *workspace,
                     int threads) {
    const int64_t taps = s->kh * s->kw, filter = s->c * taps, columns = few->k / taps;
    float *rows = (float *)workspace;
    for (int64_t t = 0; t < taps; t++)
        for (int64_t k = 0; k < columns; k++)
            for (int64_t c = 0; c < few->c; c++)
                rows[(t * columns + k) * few->c + c] = w[backward ? c * filter + k * taps + t : k * filter + c * taps + t];
    strips_pack(few, 0, products, rows, packed, (char *)workspace + few_weights_bytes(few), threads);
}

/* Which of 16 outputs from x on have a pixel under each tap. */
static void few_pixels_there(const geometry *few, const phase *p, int64_t x, __mmask16 *there) {
    for (int64_t t = 0; t < p->taps; t++) {
        const int64_t v = x + p->tap[t].dx, first = MIN(TILE, MAX(0, -v)), last = MAX(first, MIN(TILE, few->w - v));
        there[t] = (__mmask16)((1u << last) - (1u << first));
    }
}

/* 16 outputs of a row from x on; `sums`: of its filter and the first tap. */
INLINE vec_t_f32 few_outputs(const geometry *few, const phase *p, int64_t columns, const float *sums, int64_t y, int64_t x,
                             const __mmask16 *there, vec_t_f32 bias) {
    const int64_t plane = few->h * few->w;
    __m512 all = (__m512)bias;
    for (int64_t t = 0; t < p->taps; t++) {
        const int64_t u = y + p->tap[t].dy;
        if (u < 0 || u >= few->h) continue;
        const float *from = sums + p->tap[t].index * columns * plane + u * few->w + x + p->tap[t].dx;
        all = _mm512_mask_add_ps(all, there[t], all, _mm512_maskz_loadu_ps(there[t], from));
    }
    return (vec_t_f32)all;
}

/* `workspace`: P, and what the 1x1 convolution needs. */
static int few_run(const geometry *s, const geometry *few, int backward, int products, const float *x, const char *packed,
                   const float *bias, int activation, float slope, float *out, void *workspace, int threads) {
    const operands o = operands_of(s, backward);
    const int64_t columns = o.columns, plane = few->h * few->w, rows = columns * o.dst_h;
    float *sums = (float *)workspace;
    const int64_t most_taps = s->kh * s->kw;
    tap *taps = malloc(most_taps * (sizeof(tap) + CEIL_DIV(o.dst_w, TILE) * sizeof(__mmask16)));
    __mmask16 *there = (__mmask16 *)(taps + most_taps);
    int done = taps != NULL;
    const phase p = done ? make_phase(s, backward, 0, taps) : (phase){0};
    for (int64_t j = 0; j < o.dst_w && done; j += TILE) few_pixels_there(few, &p, j, there + j / TILE * p.taps);
    for (int64_t n0 = 0; n0 < s->n && done; n0 += few->n) {
        geometry some = *few;
        some.n = MIN(few->n, s->n - n0);
        done = strips_run(&some, 0, products, x + n0 * few->c * plane, packed, NULL, ACT_NONE, 0, sums,
                          (char *)workspace + few_sums_bytes(few), threads);
#pragma omp parallel num_threads(threads) if (threads > 1)
        {
            int64_t begin, end;
            share(some.n * rows, thread_index(), team_size(), &begin, &end);
            for (int64_t i = begin; i < end && done; i++) {
                const int64_t n = i / rows, k = i % rows / o.dst_h, y = i % o.dst_h;
                const vec_t_f32 added = splat_f32(bias ? bias[k] : 0);
                float *to = out + ((n0 + n) * rows + i % rows) * o.dst_w;
                for (int64_t j = 0; j < o.dst_w; j += TILE) {
                    const vec_t_f32 outputs =
                        few_outputs(few, &p, columns, sums + (n * few->k + k) * plane, y, j, there + j / TILE * p.taps, added);
                    store_n_f32(to + j, activate_f32(outputs, activation, slope), o.dst_w - j);
                }
            }
        }
    }
    free(taps);
    return done;
}

#endif
