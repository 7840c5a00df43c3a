/* Winograd transforms along one axis (template: REAL, NAME, IS_DOUBLE).
 *
 * F(m, r) with n = m + r - 1 interpolation points 0, +-a_1, ..., +-a_P, infinity, n = 2 P + 2 (Toom-Cook; Lavin and Gray,
 * arXiv:1509.09308). Points in pairs of opposite sign share their even and odd halves, which halves the work. The values were
 * chosen for the smallest float32 error among short fractions: 3/4 and 3/2 make F(4, 3) three times as accurate as the usual 1 and
 * 2. algorithms/winograd_matrices.py derives the matrices from the points in rational arithmetic, and a test compares.
 */
#ifndef FASTCONV_WINOGRAD_POINTS
#define FASTCONV_WINOGRAD_POINTS
enum { MAX_POINTS = 8, MAX_TAPS = 25 };
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
#undef BOTH_AXES
