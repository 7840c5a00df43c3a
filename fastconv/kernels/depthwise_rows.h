/* Depthwise inner loops on scratch rows with channels in the lanes (template: REAL, NAME).
 *
 * Forward and input gradient: PX neighbouring outputs in registers; a run of J kernel positions in a row has its weights in
 * registers too, so each source vector is loaded once for all the outputs it meets. Weight gradient: I x J kernel positions in
 * registers, each source vector loaded once for the positions it meets.
 */

/* GCC's limit for complete unrolling; (PX - 1) * 2 + J source vectors at most. */
#define DW_UNROLL _Pragma("GCC unroll 24")
#define DW_PX 8
#define DW_MOST_SUMS 16 /* of a tile */

typedef struct {
    const REAL *const *rows;            /* of the first output row's first tap */
    int64_t offset;                     /* of the first output column's first tap within a row */
    int64_t row_stride, row_dilation;   /* in rows */
    int64_t px_stride, px_dilation;     /* in elements */
    int64_t kh, kw;
    const REAL *weights;                /* [kh][kw][lane] */
    const REAL *bias;                   /* [lane] */
    REAL *out;
    int64_t out_rows, out_px, out_row_step, out_px_step; /* the steps in elements */
    int64_t lanes;                      /* to store */
    int accumulate, activation;
    REAL slope;
} NAME(dw_rows);

/* Of n sums in registers, which they leave for what is not a clamp. */
INLINE void NAME(dw_activate)(vec *v, const int n, int activation, REAL slope) {
    if (IS_CLAMP(activation)) {
        NAME(clamp)(v, n, activation);
    } else {
        vec t[DW_MOST_SUMS];
        DW_UNROLL for (int i = 0; i < n; i++) t[i] = v[i];
        NAME(activate_all)(t, n, activation, slope);
        DW_UNROLL for (int i = 0; i < n; i++) v[i] = t[i];
    }
}

INLINE void NAME(dw_taps)(vec *acc, const REAL *x, const REAL *w, const int PX, const int J, const int SW) {
    vec wj[8];
    DW_UNROLL for (int j = 0; j < J; j++) wj[j] = *(const vec *)(w + j * VL);
    DW_UNROLL for (int s = 0; s < (PX - 1) * SW + J; s++) {
        /* Beside 8 sums and more weights than 3 no register is left. */
        const vec v = J == 3 ? NAME(load_held)(x + s * VL) : *(const vec *)(x + s * VL);
        DW_UNROLL for (int p = 0; p < PX; p++)
            if (s - p * SW >= 0 && s - p * SW < J) acc[p] += v * wj[s - p * SW];
    }
}

/* J > 0: kw = J; J = 0: any kw; both for undilated columns with stride SW. SW = 0: any stride and dilation. */
INLINE void NAME(dw_tile)(const NAME(dw_rows) *a, const REAL *const *rows, int64_t px, REAL *out, const int PX, const int J,
                          const int SW) {
    vec acc[DW_PX];
    DW_UNROLL for (int p = 0; p < PX; p++)
        acc[p] = a->accumulate ? NAME(load_n)(out + p * a->out_px_step, a->lanes) : *(const vec *)a->bias;
    const REAL *w = a->weights;
    int64_t column = a->offset + px * a->px_stride, kw = a->kw;
    for (int64_t i = 0; i < a->kh; i++, rows += a->row_dilation, w += kw * VL) {
        const REAL *x = *rows + column;
        if (SW == 0) {
            for (int64_t j = 0; j < kw; j++) {
                vec wj = *(const vec *)(w + j * VL);
                DW_UNROLL for (int p = 0; p < PX; p++)
                    acc[p] += *(const vec *)(x + j * a->px_dilation + p * a->px_stride) * wj;
            }
        } else if (J > 0) {
            NAME(dw_taps)(acc, x, w, PX, J, SW);
        } else {
            int64_t j = 0;
            for (; j + 4 <= kw; j += 4) NAME(dw_taps)(acc, x + j * VL, w + j * VL, PX, 4, SW);
            switch (kw - j) {
            case 3: NAME(dw_taps)(acc, x + j * VL, w + j * VL, PX, 3, SW); break;
            case 2: NAME(dw_taps)(acc, x + j * VL, w + j * VL, PX, 2, SW); break;
            case 1: NAME(dw_taps)(acc, x + j * VL, w + j * VL, PX, 1, SW); break;
            }
        }
    }
    NAME(dw_activate)(acc, PX, a->activation, a->slope);
    if (a->lanes == VL) {
        DW_UNROLL for (int p = 0; p < PX; p++) NAME(store)(out + p * a->out_px_step, acc[p]);
    } else {
        DW_UNROLL for (int p = 0; p < PX; p++) NAME(store_part)(out + p * a->out_px_step, acc[p], a->lanes);
    }
}

INLINE void NAME(dw_all_rows)(const NAME(dw_rows) *a, const int J, const int SW) {
    int64_t n = a->out_px, step = a->out_px_step;
    /* A last tile that is not full is shifted left onto outputs already written, unless these must not be added to again. */
    int overlap = !a->accumulate;
    for (int64_t r = 0; r < a->out_rows; r++) {
        const REAL *const *rows = a->rows + r * a->row_stride;
        REAL *out = a->out + r * a->out_row_step;
        int64_t q = 0;
        if (n % 7 == 0 && n % 8) {
            for (; q < n; q += 7) NAME(dw_tile)(a, rows, q, out + q * step, 7, J, SW);
            continue;
        }
        for (; q + 8 <= n; q += 8) NAME(dw_tile)(a, rows, q, out + q * step, 8, J, SW);
        if (q < n && n >= 8 && n - q > 4 && overlap) {
            NAME(dw_tile)(a, rows, n - 8, out + (n - 8) * step, 8, J, SW);
            continue;
        }
        if (q + 4 <= n) {
            NAME(dw_tile)(a, rows, q, out + q * step, 4, J, SW);
            q += 4;
        }
        if (q < n && n >= 4 && overlap) {
            NAME(dw_tile)(a, rows, n - 4, out + (n - 4) * step, 4, J, SW);
            continue;
        }
        for (; q < n; q++) NAME(dw_tile)(a, rows, q, out + q * step, 1, J, SW);
    }
}

#define DW_ROWS(J, SW) \
    static void NAME(dw_rows_##J##_##SW)(const NAME(dw_rows) *a) { NAME(dw_all_rows)(a, J, SW); }
DW_ROWS(0, 0)
DW_ROWS(0, 1) DW_ROWS(1, 1) DW_ROWS(2, 1) DW_ROWS(3, 1) DW_ROWS(5, 1) DW_ROWS(7, 1)
DW_ROWS(0, 2) DW_ROWS(3, 2) DW_ROWS(5, 2) DW_ROWS(7, 2)
#undef DW_ROWS

static void NAME(dw_run_rows)(const NAME(dw_rows) *a) {
    if ((a->px_dilation != VL && a->kw > 1) || (a->px_stride != VL && a->px_stride != 2 * VL)) {
        NAME(dw_rows_0_0)(a);
    } else if (a->px_stride == VL) {
        switch (a->kw) {
        case 1: NAME(dw_rows_1_1)(a); break;
        case 2: NAME(dw_rows_2_1)(a); break;
        case 3: NAME(dw_rows_3_1)(a); break;
        case 5: NAME(dw_rows_5_1)(a); break;
        case 7: NAME(dw_rows_7_1)(a); break;
        default: NAME(dw_rows_0_1)(a);
        }
    } else {
        switch (a->kw) {
        case 3: NAME(dw_rows_3_2)(a); break;
        case 5: NAME(dw_rows_5_2)(a); break;
        case 7: NAME(dw_rows_7_2)(a); break;
        default: NAME(dw_rows_0_2)(a);
        }
    }
}

typedef struct {
    const REAL *const *rows; /* source rows of the strip's first output row and first kernel row */
    int64_t row_stride, row_dilation;
    int64_t px_stride, px_dilation;
    const REAL *gy;          /* [row][column][lane] */
    int64_t gy_rows, gy_px;
    REAL *dw;                /* [kh][kw][lane], added to */
    int64_t kw;
} NAME(dw_products);

/* The most kernel rows and columns whose sums are in registers at once, beside 4 output gradients and a source vector. */
#define DW_I 3
#if SIMD_BYTES == 64
#define DW_J 5
#else
#define DW_J 3
#endif

INLINE void NAME(dw_products_px)(vec sums[DW_I][DW_J], const REAL *const *x, const REAL *gy, const NAME(dw_products) *a,
                                 const int PX, const int I, const int J, const int SW) {
    vec g[4];
    DW_UNROLL for (int p = 0; p < PX; p++) g[p] = *(const vec *)(gy + p * VL);
    DW_UNROLL for (int i = 0; i < I; i++) {
        if (SW == 0) {
            DW_UNROLL for (int p = 0; p < PX; p++)
                DW_UNROLL for (int j = 0; j < J; j++)
                    sums[i][j] += g[p] * *(const vec *)(x[i] + p * a->px_stride + j * a->px_dilation);
        } else {
            DW_UNROLL for (int s = 0; s < (PX - 1) * SW + J; s++) {
                vec v = *(const vec *)(x[i] + s * VL);
                DW_UNROLL for (int p = 0; p < PX; p++)
                    if (s - p * SW >= 0 && s - p * SW < J) sums[i][s - p * SW] += g[p] * v;
            }
        }
    }
}

INLINE void NAME(dw_products_of)(const NAME(dw_products) *a, int64_t ki, int64_t kj, const int I, const int J, const int SW) {
    vec sums[DW_I][DW_J];
    DW_UNROLL for (int i = 0; i < I; i++) DW_UNROLL for (int j = 0; j < J; j++) sums[i][j] = (vec){0};
    const REAL *gy = a->gy;
    for (int64_t r = 0; r < a->gy_rows; r++) {
        const REAL *x[DW_I];
        DW_UNROLL for (int i = 0; i < I; i++)
            x[i] = a->rows[r * a->row_stride + (ki + i) * a->row_dilation] + kj * a->px_dilation;
        int64_t q = 0;
        for (; q + 4 <= a->gy_px; q += 4, gy += 4 * VL) {
            NAME(dw_products_px)(sums, x, gy, a, 4, I, J, SW);
            DW_UNROLL for (int i = 0; i < I; i++) x[i] += 4 * a->px_stride;
        }
        for (; q < a->gy_px; q++, gy += VL) {
            NAME(dw_products_px)(sums, x, gy, a, 1, I, J, SW);
            DW_UNROLL for (int i = 0; i < I; i++) x[i] += a->px_stride;
        }
    }
    DW_UNROLL for (int i = 0; i < I; i++)
        DW_UNROLL for (int j = 0; j < J; j++) *(vec *)(a->dw + ((ki + i) * a->kw + kj + j) * VL) += sums[i][j];
}

#define DW_PRODUCTS(I, J, SW) \
    static void NAME(dw_products_##I##_##J##_##SW)(const NAME(dw_products) *a, int64_t ki, int64_t kj) { \
        NAME(dw_products_of)(a, ki, kj, I, J, SW); \
    }
#define DW_PRODUCTS_J(J, SW) DW_PRODUCTS(1, J, SW) DW_PRODUCTS(2, J, SW) DW_PRODUCTS(3, J, SW)
#define DW_PRODUCTS_SW(SW) DW_PRODUCTS_J(1, SW) DW_PRODUCTS_J(2, SW) DW_PRODUCTS_J(3, SW)
DW_PRODUCTS_SW(0) DW_PRODUCTS_SW(1) DW_PRODUCTS_SW(2)
#if DW_J == 5
DW_PRODUCTS_J(4, 0) DW_PRODUCTS_J(5, 0) DW_PRODUCTS_J(4, 1) DW_PRODUCTS_J(5, 1) DW_PRODUCTS_J(4, 2) DW_PRODUCTS_J(5, 2)
#define DW_LIST(I, SW) NAME(dw_products_##I##_1_##SW), NAME(dw_products_##I##_2_##SW), NAME(dw_products_##I##_3_##SW), \
                       NAME(dw_products_##I##_4_##SW), NAME(dw_products_##I##_5_##SW)
#else
#define DW_LIST(I, SW) NAME(dw_products_##I##_1_##SW), NAME(dw_products_##I##_2_##SW), NAME(dw_products_##I##_3_##SW)
#endif
static void (*const NAME(dw_products_table)[3][DW_I][DW_J])(const NAME(dw_products) *, int64_t, int64_t) = {
    {{DW_LIST(1, 0)}, {DW_LIST(2, 0)}, {DW_LIST(3, 0)}},
    {{DW_LIST(1, 1)}, {DW_LIST(2, 1)}, {DW_LIST(3, 1)}},
    {{DW_LIST(1, 2)}, {DW_LIST(2, 2)}, {DW_LIST(3, 2)}},
};
#undef DW_PRODUCTS
#undef DW_PRODUCTS_J
#undef DW_PRODUCTS_SW
#undef DW_LIST

static void NAME(dw_run_products)(const NAME(dw_products) *a, int64_t kh) {
    int adjacent = a->px_dilation == VL || a->kw == 1;
    int sw = adjacent && a->px_stride <= 2 * VL ? (int)(a->px_stride / VL) : 0;
    /* Blocks as equal as they can be: 5 rows are 3 + 2, 7 columns 4 + 3. */
    for (int64_t ki = 0, blocks = CEIL_DIV(kh, DW_I), ni; blocks; ki += ni, blocks--) {
        ni = CEIL_DIV(kh - ki, blocks);
        for (int64_t kj = 0, left = CEIL_DIV(a->kw, DW_J), nj; left; kj += nj, left--) {
            nj = CEIL_DIV(a->kw - kj, left);
            NAME(dw_products_table)[sw][ni - 1][nj - 1](a, ki, kj);
        }
    }
}
#undef DW_I
#undef DW_J
#undef DW_PX
#undef DW_UNROLL
