/* Winograd transforms along one axis (template: REAL, NAME, IS_DOUBLE).
 *
 * F(m, r) with n = m + r - 1 interpolation points 0, +-a_1, ..., +-a_P, infinity, n = 2 P + 2 (Toom-Cook; Lavin and Gray,
 * arXiv:1509.09308). Points in pairs of opposite sign share their even and odd halves, which halves the work. The values were
 * chosen for the smallest float32 error among short fractions: 3/4 and 3/2 make F(4, 3) three times as accurate as the usual 1 and
 * 2. algorithms/winograd_matrices.py derives the matrices from the points in rational arithmetic, and a test compares.
 */
#ifndef FASTCONV_WINOGRAD_POINTS
#define FASTCONV_WINOGRAD_POINTS
enum { MAX_POINTS = 9, MAX_TAPS = 25 };
#define POINT(pairs, q) ((pairs) == 1 ? 1.0 : (pairs) == 2 ? ((q) == 0 ? 0.75 : 1.5) : ((q) == 0 ? 0.5 : (q) == 1 ? 1.0 : 1.75))
#define SQUARE(pairs, q) (POINT(pairs, q) * POINT(pairs, q))
#endif

/* o = B^T d: row j holds the coefficients of the product of (x - a_l) over the other finite points. */
INLINE void NAME(wino_data)(const int pairs, const vec *d, vec *o) {
    const int n = 2 * pairs + 2;
    const REAL a = POINT(pairs, 0), b = POINT(pairs, 1), c = POINT(pairs, 2);
    const REAL A = SQUARE(pairs, 0), B = SQUARE(pairs, 1), C = SQUARE(pairs, 2);
    vec even[3], odd[3]; /* of x^2 q(x^2) and a x q(x^2), q the product of (x^2 - a_p^2) over the other pairs */
    if (pairs == 1) {
        o[0] = d[2] - A * d[0];
        o[n - 1] = d[3] - A * d[1];
        even[0] = d[2], odd[0] = a * d[1];
    } else if (pairs == 2) {
        o[0] = d[4] - (A + B) * d[2] + (A * B) * d[0];
        o[n - 1] = d[5] - (A + B) * d[3] + (A * B) * d[1];
        even[0] = d[4] - B * d[2], odd[0] = a * (d[3] - B * d[1]);
        even[1] = d[4] - A * d[2], odd[1] = b * (d[3] - A * d[1]);
    } else {
        const REAL s1 = A + B + C, s2 = A * B + A * C + B * C, s3 = A * B * C;
        o[0] = d[6] - s1 * d[4] + s2 * d[2] - s3 * d[0];
        o[n - 1] = d[7] - s1 * d[5] + s2 * d[3] - s3 * d[1];
        even[0] = d[6] - (B + C) * d[4] + (B * C) * d[2], odd[0] = a * (d[5] - (B + C) * d[3] + (B * C) * d[1]);
        even[1] = d[6] - (A + C) * d[4] + (A * C) * d[2], odd[1] = b * (d[5] - (A + C) * d[3] + (A * C) * d[1]);
        even[2] = d[6] - (A + B) * d[4] + (A * B) * d[2], odd[2] = c * (d[5] - (A + B) * d[3] + (A * B) * d[1]);
    }
    UNROLL for (int q = 0; q < pairs; q++) o[1 + 2 * q] = even[q] + odd[q], o[2 + 2 * q] = even[q] - odd[q];
}

/* o = A^T v, `count` outputs: o_i = sum_j a_j^i v_j, the point at infinity in the last. */
INLINE void NAME(wino_result)(const int pairs, const int count, const vec *v, vec *o) {
    vec sum[3], difference[3];
    REAL power[3] = {1, 1, 1};
    UNROLL for (int q = 0; q < pairs; q++) sum[q] = v[1 + 2 * q] + v[2 + 2 * q], difference[q] = v[1 + 2 * q] - v[2 + 2 * q];
    UNROLL for (int i = 0; i < count; i++) {
        vec t = i & 1 ? power[0] * difference[0] : i ? power[0] * sum[0] : v[0] + sum[0];
        UNROLL for (int q = 1; q < pairs; q++) t += power[q] * (i & 1 ? difference[q] : sum[q]);
        if (i == count - 1) t += v[2 * pairs + 1];
        o[i] = t;
        UNROLL for (int q = 0; q < pairs; q++) power[q] *= (REAL)POINT(pairs, q);
    }
}

/* o = G g from `count` values: row j is (1, a_j, a_j^2, ...) over the product of (a_j - a_l). */
INLINE void NAME(wino_kernel)(const int pairs, const int count, const vec *g, vec *o) {
    double at_zero = 1;
    UNROLL for (int q = 0; q < pairs; q++) at_zero *= -SQUARE(pairs, q);
    o[0] = g[0] * (REAL)(1 / at_zero);
    o[2 * pairs + 1] = g[count - 1];
    UNROLL for (int q = 0; q < pairs; q++) {
        double scale = 2 * SQUARE(pairs, q), power = 1;
        UNROLL for (int p = 0; p < pairs; p++) if (p != q) scale *= SQUARE(pairs, q) - SQUARE(pairs, p);
        vec even = {0}, odd = {0};
        UNROLL for (int i = 0; i < count; i++) {
            if (i & 1) odd += (REAL)(power / scale) * g[i];
            else even += (REAL)(power / scale) * g[i];
            power *= POINT(pairs, q);
        }
        o[1 + 2 * q] = even + odd, o[2 + 2 * q] = even - odd;
    }
}

/* Stride 2 with 3 taps: outputs i = 0 .. 3 are w_0 d_2i + w_2 d_2i+2, which is F(4, 2) of every second pixel, plus w_1 d_2i+1, a product
 * each: 9 products for 4 outputs in place of 12. F(4, 2) has the points 0, +-3/4, 2 and infinity. In two dimensions 81 products take the
 * place of 144, and only 6 x 6 of them have factors of their own from the filter. */
#define STRIDED_A 0.75
#define STRIDED_B 2.0
#define STRIDED_SQUARE (STRIDED_A * STRIDED_A)
#define STRIDED_POINTS 9
#define STRIDED_FACTORS 6

INLINE void NAME(wino_data_4_2)(const vec *d, vec *o) {
    const REAL a = STRIDED_A, b = STRIDED_B, A = STRIDED_SQUARE;
    const vec even = d[3] - b * d[2], odd = d[2] - b * d[1];
    o[0] = even - A * (d[1] - b * d[0]);
    o[1] = even + a * odd, o[2] = even - a * odd;
    o[3] = d[3] - A * d[1];
    o[4] = d[4] - b * d[3] - A * odd;
}

INLINE void NAME(wino_result_4_2)(const int count, const vec *v, vec *o) {
    const vec sum = v[1] + v[2], difference = v[1] - v[2];
    double a = 1, b = 1;
    UNROLL for (int i = 0; i < count; i++, a *= STRIDED_A, b *= STRIDED_B) {
        o[i] = (REAL)a * (i & 1 ? difference : sum) + (REAL)b * v[3];
        if (i == 0) o[i] += v[0];
        if (i == count - 1) o[i] += v[4];
    }
}

INLINE void NAME(wino_kernel_4_2)(const int count, const vec *g, vec *o) {
    const double A = STRIDED_SQUARE, points[] = {STRIDED_A, -STRIDED_A, STRIDED_B};
    const double scales[] = {2 * A * (STRIDED_A - STRIDED_B), -2 * A * (STRIDED_A + STRIDED_B), STRIDED_B * (STRIDED_B * STRIDED_B - A)};
    o[0] = g[0] * (REAL)(1 / (A * STRIDED_B));
    o[4] = g[count - 1];
    UNROLL for (int j = 0; j < 3; j++) {
        double power = 1;
        o[1 + j] = (vec){0};
        UNROLL for (int i = 0; i < count; i++, power *= points[j]) o[1 + j] += (REAL)(power / scales[j]) * g[i];
    }
}

/* 9 pixels of the input. */
INLINE void NAME(strided_data)(const vec *d, vec *o) {
    vec even[5];
    UNROLL for (int i = 0; i < 5; i++) even[i] = d[2 * i];
    NAME(wino_data_4_2)(even, o);
    UNROLL for (int i = 0; i < 4; i++) o[5 + i] = d[2 * i + 1];
}

/* 4 outputs. */
INLINE void NAME(strided_result)(const vec *v, vec *o) {
    NAME(wino_result_4_2)(4, v, o);
    UNROLL for (int i = 0; i < 4; i++) o[i] += v[5 + i];
}

/* 3 taps. */
INLINE void NAME(strided_kernel)(const vec *g, vec *o) {
    const vec outer[] = {g[0], g[2]};
    NAME(wino_kernel_4_2)(2, outer, o);
    o[5] = g[1];
}

/* The input gradient: 5 values of gy, and 8 results, of which those of the parity `odd` meet two taps and the others one. */
INLINE void NAME(strided_spread_data)(const int odd, const vec *d, vec *o) {
    NAME(wino_data_4_2)(d, o);
    UNROLL for (int i = 0; i < 4; i++) o[5 + i] = d[i + 1 - odd];
}
INLINE void NAME(strided_spread_result)(const int odd, const vec *v, vec *o) {
    vec two[4];
    NAME(wino_result_4_2)(4, v, two);
    UNROLL for (int i = 0; i < 4; i++) o[2 * i + odd] = two[i], o[2 * i + 1 - odd] = v[5 + i];
}

/* The weight gradient: 4 values of gy, and 3 taps from the sums of products. */
INLINE void NAME(strided_gradient)(const vec *g, vec *o) {
    NAME(wino_kernel_4_2)(4, g, o);
    UNROLL for (int i = 0; i < 4; i++) o[5 + i] = g[i];
}
INLINE void NAME(strided_sums)(const vec *v, vec *o) {
    vec outer[2];
    NAME(wino_result_4_2)(2, v, outer);
    o[0] = outer[0], o[1] = v[5], o[2] = outer[1];
}

/* Both axes of a square, row by row. */
#define BOTH_AXES(NAME_2D, TRANSFORM, ROWS_IN, ROWS_OUT)                                                   \
    INLINE void NAME(NAME_2D)(const int pairs, const int count, const vec *in, vec *out) {                 \
        const int in_size = ROWS_IN, out_size = ROWS_OUT;                                                  \
        vec half[MAX_POINTS * MAX_POINTS], column[MAX_POINTS], result[MAX_POINTS];                         \
        UNROLL for (int j = 0; j < in_size; j++) {                                                         \
            UNROLL for (int i = 0; i < in_size; i++) column[i] = in[i * in_size + j];                      \
            TRANSFORM;                                                                                     \
            UNROLL for (int i = 0; i < out_size; i++) half[i * in_size + j] = result[i];                   \
        }                                                                                                  \
        UNROLL for (int i = 0; i < out_size; i++) {                                                        \
            UNROLL for (int j = 0; j < in_size; j++) column[j] = half[i * in_size + j];                    \
            TRANSFORM;                                                                                     \
            UNROLL for (int j = 0; j < out_size; j++) out[i * out_size + j] = result[j];                   \
        }                                                                                                  \
    }
BOTH_AXES(wino_data_2d, NAME(wino_data)(pairs, column, result), 2 * pairs + 2, 2 * pairs + 2)
BOTH_AXES(wino_result_2d, NAME(wino_result)(pairs, count, column, result), 2 * pairs + 2, count)
BOTH_AXES(wino_kernel_2d, NAME(wino_kernel)(pairs, count, column, result), count, 2 * pairs + 2)
BOTH_AXES(strided_data_2d, NAME(strided_data)(column, result), 9, 9)
BOTH_AXES(strided_result_2d, NAME(strided_result)(column, result), 9, 4)
BOTH_AXES(strided_kernel_2d, NAME(strided_kernel)(column, result), 3, 6)
BOTH_AXES(strided_spread_data_2d, NAME(strided_spread_data)(count, column, result), 5, 9)
BOTH_AXES(strided_spread_result_2d, NAME(strided_spread_result)(count, column, result), 9, 8)
BOTH_AXES(strided_gradient_2d, NAME(strided_gradient)(column, result), 4, 9)
BOTH_AXES(strided_sums_2d, NAME(strided_sums)(column, result), 6, 3)
#undef BOTH_AXES
