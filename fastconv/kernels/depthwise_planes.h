/* 3x3 depthwise correlation of NCHW planes at stride 1 with pixels in the lanes (template: REAL, NAME): for AVX-512, whose masked
 * loads read across borders what is there and zeros elsewhere, so that nothing is copied. DW_R output rows share each load. */
#if defined(__AVX512F__)

#define DW_R 4

#if IS_DOUBLE
typedef __mmask8 NAME(dw_mask);
INLINE vec NAME(dw_load_masked)(const REAL *p, NAME(dw_mask) m) { return (vec)_mm512_maskz_loadu_pd(m, p); }
#else
typedef __mmask16 NAME(dw_mask);
INLINE vec NAME(dw_load_masked)(const REAL *p, NAME(dw_mask) m) { return (vec)_mm512_maskz_loadu_ps(m, p); }
#endif

/* Lanes whose columns first + l lie in [0, width). */
INLINE NAME(dw_mask) NAME(dw_columns)(int64_t first, int64_t width) {
    int64_t begin = MIN(MAX(-first, 0), VL), end = MIN(MAX(width - first, 0), VL);
    return end <= begin ? 0 : (NAME(dw_mask))(((1u << (end - begin)) - 1) << begin);
}

/* One vector of DW_R output rows, whose first tap is source pixel (r, column); `inside`: all the source rows exist. */
INLINE void NAME(dw_planes_tile)(const REAL *plane, int64_t height, int64_t width, int64_t r, int64_t column, const vec w[9],
                                 vec bias, const NAME(dw_mask) mask[3], vec acc[DW_R], const int inside) {
    UNROLL for (int i = 0; i < DW_R; i++) acc[i] = bias;
    UNROLL for (int s = 0; s < DW_R + 2; s++) {
        int there = inside || (r + s >= 0 && r + s < height);
        const REAL *x = plane + (there ? (r + s) * width : 0) + column;
        UNROLL for (int j = 0; j < 3; j++) {
            vec v = NAME(dw_load_masked)(x + j, there ? mask[j] : 0);
            UNROLL for (int i = 0; i < DW_R; i++)
                if (s - i >= 0 && s - i < 3) acc[i] += v * w[(s - i) * 3 + j];
        }
    }
}

/* Output rows [begin, end) of one plane. */
static void NAME(dw_planes_run)(const REAL *plane, int64_t height, int64_t width, int64_t top, int64_t left, const REAL *weights,
                                REAL bias, int activation, REAL slope, REAL *out, int64_t out_width, int64_t begin, int64_t end) {
    vec w[9], b = NAME(splat)(bias);
    UNROLL for (int t = 0; t < 9; t++) w[t] = NAME(splat)(weights[t]);
    for (int64_t q = 0; q < out_width; q += VL) {
        NAME(dw_mask) mask[3];
        for (int j = 0; j < 3; j++) mask[j] = NAME(dw_columns)(q - left + j, width);
        int64_t lanes = MIN(out_width - q, VL);
        for (int64_t r = begin; r < end; r += DW_R) {
            vec acc[DW_R];
            if (r >= top && r - top + DW_R + 2 <= height)
                NAME(dw_planes_tile)(plane, height, width, r - top, q - left, w, b, mask, acc, 1);
            else
                NAME(dw_planes_tile)(plane, height, width, r - top, q - left, w, b, mask, acc, 0);
            if (activation) {
                vec t[DW_R];
                UNROLL for (int i = 0; i < DW_R; i++) t[i] = acc[i];
                NAME(dw_activate)(t, DW_R, activation, slope);
                UNROLL for (int i = 0; i < DW_R; i++) acc[i] = t[i];
            }
            REAL *y = out + r * out_width + q;
            if (lanes == VL && r + DW_R <= end) {
                UNROLL for (int i = 0; i < DW_R; i++) NAME(store)(y + i * out_width, acc[i]);
            } else {
                UNROLL for (int i = 0; i < DW_R; i++)
                    if (r + i < end) NAME(store_n)(y + i * out_width, acc[i], lanes);
            }
        }
    }
}

static void NAME(dw_planes_correlate)(const geometry *g, int direction, const REAL *source, const REAL *w, const REAL *bias,
                                      int activation, REAL slope, REAL *dest, int threads) {
    const int grad = direction == DW_INPUT_GRAD;
    const dw_axis rows = dw_rows_of(g, direction), cols = dw_cols_of(g, direction);
    const int64_t m = g->k / g->c, top = -dw_phase_of(&rows, 0).origin, left = -dw_phase_of(&cols, 0).origin;
    /* Shares are of rows, so that few planes go round evenly too. */
    const int64_t tiles = CEIL_DIV(rows.dest, DW_R);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int64_t item, end;
        share(g->n * g->k * tiles, thread_index(), team_size(), &item, &end);
        while (item < end) {
            int64_t plane = item / tiles, first = item % tiles, last = MIN(tiles, first + end - item), k = plane % g->k;
            REAL weights[9];
            for (int t = 0; t < 9; t++) weights[t] = w[(grad ? 8 - t : t) * g->k + k];
            NAME(dw_planes_run)(source + plane / m * rows.source * cols.source, rows.source, cols.source, top, left, weights,
                                bias ? bias[k] : 0, activation, slope, dest + plane * rows.dest * cols.dest, cols.dest,
                                first * DW_R, MIN(last * DW_R, rows.dest));
            item += last - first;
        }
    }
}

#undef DW_R
#endif
