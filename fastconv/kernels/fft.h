/* Convolution by tiled FFT (overlap-save), template: REAL, NAME, IS_DOUBLE.
 *
 *   source --rows--> R[column][row] --columns--> X --pointwise--> Y --columns--> S[column][row] --rows--> destination
 *
 * Every "pixel" is a vector of VL channels, so that no transform needs a shuffle. A complex pixel is a pair of vectors, real
 * and imaginary. Two real rows go through one complex transform (Z = A + iB); only the tw / 2 + 1 columns that are not mirror
 * images are kept. An inverse transform is a forward one with the real and the imaginary parts exchanged.
 */

#include "transpose.h"

#define PIXEL (2 * VL) /* elements of a complex pixel */

/* ---- discrete Fourier transforms of a few points, in registers, in natural order ---------------------------------- */

INLINE void NAME(dft2)(vec *re, vec *im) {
    vec r = re[0] - re[1], i = im[0] - im[1];
    re[0] += re[1], im[0] += im[1];
    re[1] = r, im[1] = i;
}

INLINE void NAME(dft3)(vec *re, vec *im) {
    const REAL sine = (REAL)0.86602540378443864676;
    vec tr = re[1] + re[2], ti = im[1] + im[2];
    vec sr = (re[1] - re[2]) * sine, si = (im[1] - im[2]) * sine;
    vec mr = re[0] - tr * (REAL)0.5, mi = im[0] - ti * (REAL)0.5;
    re[0] += tr, im[0] += ti;
    re[1] = mr + si, im[1] = mi - sr;
    re[2] = mr - si, im[2] = mi + sr;
}

INLINE void NAME(dft4)(vec *re, vec *im) {
    vec ar = re[0] + re[2], ai = im[0] + im[2], br = re[0] - re[2], bi = im[0] - im[2];
    vec cr = re[1] + re[3], ci = im[1] + im[3], dr = re[1] - re[3], di = im[1] - im[3];
    re[0] = ar + cr, im[0] = ai + ci;
    re[1] = br + di, im[1] = bi - dr;
    re[2] = ar - cr, im[2] = ai - ci;
    re[3] = br - di, im[3] = bi + dr;
}

INLINE void NAME(dft5)(vec *re, vec *im) {
    const REAL c1 = (REAL)0.30901699437494742410, c2 = (REAL)-0.80901699437494742410;
    const REAL s1 = (REAL)0.95105651629515357212, s2 = (REAL)0.58778525229247312917;
    vec ar = re[1] + re[4], ai = im[1] + im[4], cr = re[1] - re[4], ci = im[1] - im[4];
    vec br = re[2] + re[3], bi = im[2] + im[3], dr = re[2] - re[3], di = im[2] - im[3];
    vec pr = re[0] + ar * c1 + br * c2, pi = im[0] + ai * c1 + bi * c2;
    vec qr = re[0] + ar * c2 + br * c1, qi = im[0] + ai * c2 + bi * c1;
    vec ur = cr * s1 + dr * s2, ui = ci * s1 + di * s2;
    vec vr = cr * s2 - dr * s1, vi = ci * s2 - di * s1;
    re[0] += ar + br, im[0] += ai + bi;
    re[1] = pr + ui, im[1] = pi - ur;
    re[4] = pr - ui, im[4] = pi + ur;
    re[2] = qr + vi, im[2] = qi - vr;
    re[3] = qr - vi, im[3] = qi + vr;
}

INLINE void NAME(dft8)(vec *re, vec *im) {
    const REAL root = (REAL)0.70710678118654752440;
    vec er[4] = {re[0], re[2], re[4], re[6]}, ei[4] = {im[0], im[2], im[4], im[6]};
    vec odd_r[4] = {re[1], re[3], re[5], re[7]}, odd_i[4] = {im[1], im[3], im[5], im[7]};
    NAME(dft4)(er, ei);
    NAME(dft4)(odd_r, odd_i);
    vec tr[4] = {odd_r[0], (odd_r[1] + odd_i[1]) * root, odd_i[2], (odd_i[3] - odd_r[3]) * root};
    vec ti[4] = {odd_i[0], (odd_i[1] - odd_r[1]) * root, -odd_r[2], (odd_r[3] + odd_i[3]) * -root};
    UNROLL for (int k = 0; k < 4; k++) {
        re[k] = er[k] + tr[k], im[k] = ei[k] + ti[k];
        re[k + 4] = er[k] - tr[k], im[k + 4] = ei[k] - ti[k];
    }
}

INLINE void NAME(dft16)(vec *re, vec *im) {
    const REAL c = (REAL)0.92387953251128675613, s = (REAL)0.38268343236508977173, q = (REAL)0.70710678118654752440;
    /* w[j][k]: exp(-2 pi i j k / 16) */
    const REAL wr[4][4] = {{1, 1, 1, 1}, {1, c, q, s}, {1, q, 0, -q}, {1, s, -q, -c}};
    const REAL wi[4][4] = {{0, 0, 0, 0}, {0, -s, -q, -c}, {0, -q, -1, -q}, {0, -c, -q, s}};
    vec tr[4][4], ti[4][4];
    UNROLL for (int j = 0; j < 4; j++) {
        vec ar[4] = {re[j], re[j + 4], re[j + 8], re[j + 12]}, ai[4] = {im[j], im[j + 4], im[j + 8], im[j + 12]};
        NAME(dft4)(ar, ai);
        UNROLL for (int k = 0; k < 4; k++) {
            tr[k][j] = ar[k], ti[k][j] = ai[k];
            if (j * k == 4)
                tr[k][j] = ai[k], ti[k][j] = -ar[k];
            else if (j > 0 && k > 0)
                tr[k][j] = ar[k] * wr[j][k] - ai[k] * wi[j][k], ti[k][j] = ai[k] * wr[j][k] + ar[k] * wi[j][k];
        }
    }
    UNROLL for (int k = 0; k < 4; k++) {
        NAME(dft4)(tr[k], ti[k]);
        UNROLL for (int j = 0; j < 4; j++) re[k + 4 * j] = tr[k][j], im[k + 4 * j] = ti[k][j];
    }
}

/* Prime-factor algorithm (Good 1958) for n1 * n2 points, coprime: no twiddle factors. Point n2*i + n1*j goes to place (i, j);
 * e1 and e2 are the idempotents of the Chinese remainder map that names the results. */
#define PRIME_FACTOR_DFT(n, n1, n2, e1, e2)                                                                                    \
    INLINE void NAME(dft##n)(vec * re, vec * im) {                                                                             \
        vec tr[n1][n2], ti[n1][n2];                                                                                            \
        UNROLL for (int j = 0; j < n2; j++) {                                                                                  \
            vec ar[n1], ai[n1];                                                                                                \
            UNROLL for (int i = 0; i < n1; i++) ar[i] = re[(n2 * i + n1 * j) % n], ai[i] = im[(n2 * i + n1 * j) % n];          \
            NAME(dft##n1)(ar, ai);                                                                                             \
            UNROLL for (int i = 0; i < n1; i++) tr[i][j] = ar[i], ti[i][j] = ai[i];                                            \
        }                                                                                                                      \
        UNROLL for (int i = 0; i < n1; i++) {                                                                                  \
            NAME(dft##n2)(tr[i], ti[i]);                                                                                       \
            UNROLL for (int j = 0; j < n2; j++) re[(e1 * i + e2 * j) % n] = tr[i][j], im[(e1 * i + e2 * j) % n] = ti[i][j];    \
        }                                                                                                                      \
    }
PRIME_FACTOR_DFT(6, 2, 3, 3, 4)
PRIME_FACTOR_DFT(10, 2, 5, 5, 6)
PRIME_FACTOR_DFT(12, 4, 3, 9, 4)
#undef PRIME_FACTOR_DFT

/* ---- one stage: `count` transforms of `radix` points -------------------------------------------------------------- */

/* Real and imaginary parts of a line of complex pixels; steps in elements. */
typedef struct {
    REAL *re, *im;
    int64_t step; /* from a point of a butterfly to its next */
    int64_t next; /* from a butterfly to the next */
} NAME(points);

#define STAGE(radix)                                                                                                           \
    INLINE void NAME(stage##radix)(int64_t count, NAME(points) in, NAME(points) out, const REAL *twiddle) {                    \
        for (int64_t b = 0; b < count; b++) {                                                                                  \
            vec re[radix], im[radix];                                                                                          \
            UNROLL for (int n = 0; n < radix; n++) {                                                                           \
                re[n] = NAME(load)(in.re + n * in.step + b * in.next);                                                         \
                im[n] = NAME(load)(in.im + n * in.step + b * in.next);                                                         \
            }                                                                                                                  \
            NAME(dft##radix)(re, im);                                                                                          \
            UNROLL for (int k = 0; k < radix; k++) {                                                                           \
                vec r = re[k], i = im[k];                                                                                      \
                if (twiddle && k) {                                                                                            \
                    vec wr = NAME(splat)(twiddle[2 * (b * radix + k)]), wi = NAME(splat)(twiddle[2 * (b * radix + k) + 1]);    \
                    r = re[k] * wr - im[k] * wi, i = re[k] * wi + im[k] * wr;                                                  \
                }                                                                                                              \
                NAME(store)(out.re + k * out.step + b * out.next, r);                                                          \
                NAME(store)(out.im + k * out.step + b * out.next, i);                                                          \
            }                                                                                                                  \
        }                                                                                                                      \
    }                                                                                                                          \
    static void NAME(last_stage##radix)(int64_t count, NAME(points) in, NAME(points) out) {                                    \
        NAME(stage##radix)(count, in, out, NULL);                                                                              \
    }                                                                                                                          \
    static void NAME(first_stage##radix)(int64_t count, NAME(points) in, NAME(points) out, const REAL *twiddle) {              \
        NAME(stage##radix)(count, in, out, twiddle);                                                                           \
    }
STAGE(2)
STAGE(3)
STAGE(4)
STAGE(5)
STAGE(6)
STAGE(8)
STAGE(10)
STAGE(12)
STAGE(16)
#undef STAGE

static void NAME(first_stage)(int64_t radix, int64_t count, NAME(points) in, NAME(points) out, const REAL *twiddle) {
    switch (radix) {
    case 2: NAME(first_stage2)(count, in, out, twiddle); break;
    case 3: NAME(first_stage3)(count, in, out, twiddle); break;
    case 4: NAME(first_stage4)(count, in, out, twiddle); break;
    case 5: NAME(first_stage5)(count, in, out, twiddle); break;
    case 6: NAME(first_stage6)(count, in, out, twiddle); break;
    case 8: NAME(first_stage8)(count, in, out, twiddle); break;
    case 10: NAME(first_stage10)(count, in, out, twiddle); break;
    case 12: NAME(first_stage12)(count, in, out, twiddle); break;
    case 16: NAME(first_stage16)(count, in, out, twiddle); break;
    }
}

static void NAME(last_stage)(int64_t radix, int64_t count, NAME(points) in, NAME(points) out) {
    switch (radix) {
    case 1:
        NAME(store)(out.re, NAME(load)(in.re));
        NAME(store)(out.im, NAME(load)(in.im));
        break;
    case 2: NAME(last_stage2)(count, in, out); break;
    case 3: NAME(last_stage3)(count, in, out); break;
    case 4: NAME(last_stage4)(count, in, out); break;
    case 5: NAME(last_stage5)(count, in, out); break;
    case 6: NAME(last_stage6)(count, in, out); break;
    case 8: NAME(last_stage8)(count, in, out); break;
    case 10: NAME(last_stage10)(count, in, out); break;
    case 12: NAME(last_stage12)(count, in, out); break;
    case 16: NAME(last_stage16)(count, in, out); break;
    }
}

/* A transform of first * last points (Cooley and Tukey 1965); twiddle[n][k] = exp(-2 pi i n k / points), n < last, k < first. */
typedef struct {
    int64_t points, first, last;
    const REAL *twiddle;
} NAME(line_plan);

/* Transforms a line; `scratch` holds `points` complex pixels. May work in place. */
static void NAME(transform)(const NAME(line_plan) *p, const REAL *re, const REAL *im, int64_t step, REAL *out_re, REAL *out_im,
                            int64_t out_step, REAL *scratch) {
    NAME(points) in = {(REAL *)re, (REAL *)im, step, 0}, out = {out_re, out_im, out_step, 0};
    if (p->first > 1) {
        in.step = p->last * step, in.next = step;
        NAME(points) between = {scratch, scratch + VL, p->last * PIXEL, PIXEL};
        NAME(first_stage)(p->first, p->last, in, between, p->twiddle);
        in = (NAME(points)){scratch, scratch + VL, PIXEL, p->last * PIXEL};
        out.step = p->first * out_step, out.next = out_step;
    }
    NAME(last_stage)(p->last, p->first, in, out);
}

/* A line of interleaved complex pixels; `inverse` conjugates the exponents (the result is not divided by the points). */
INLINE void NAME(transform_pixels)(const NAME(line_plan) *p, int inverse, const REAL *in, int64_t step, REAL *out,
                                   int64_t out_step, REAL *scratch) {
    const int64_t re = inverse ? VL : 0, im = VL - re;
    NAME(transform)(p, in + re, in + im, step, out + re, out + im, out_step, scratch);
}

/* ---- between memory and lines of pixels --------------------------------------------------------------------------- */

#define LANES (SIMD_BYTES / (IS_DOUBLE ? 8 : 4)) /* VL as the length of an array */

/* Pixels of one row, begin <= i < end, to line[i * step + shift]. */
static void NAME(load_row)(const REAL *row, const fft_view *v, const fft_lanes *lanes, fft_span s, REAL *line) {
    if (lanes->contiguous) {
        for (int64_t i = s.begin; i < s.end; i++)
            NAME(store)(line + (i * s.step + s.shift) * VL, NAME(load_n)(row + lanes->offset[0] + i * v->col_stride, lanes->n));
        return;
    }
    if (v->col_stride != 1) {
        for (int64_t i = s.begin; i < s.end; i++) {
            REAL pixel[LANES] __attribute__((aligned(SIMD_BYTES))) = {0};
            for (int l = 0; l < lanes->n; l++) pixel[l] = row[lanes->offset[l] + i * v->col_stride];
            NAME(store)(line + (i * s.step + s.shift) * VL, *(const vec *)pixel);
        }
        return;
    }
    for (int64_t i = s.begin; i < s.end; i += VL) {
        const int64_t n = MIN(s.end - i, VL);
        vec a[LANES];
        UNROLL for (int l = 0; l < LANES; l++) a[l] = l < lanes->n ? NAME(load_n)(row + lanes->offset[l] + i, n) : (vec){0};
        NAME(transpose_square)(a);
        REAL *to = line + (i * s.step + s.shift) * VL;
        if (n == VL) {
            UNROLL for (int j = 0; j < LANES; j++) NAME(store)(to + j * s.step * VL, a[j]);
        } else {
            UNROLL for (int j = 0; j < LANES; j++)
                if (j < n) NAME(store)(to + j * s.step * VL, a[j]);
        }
    }
}

/* What happens to a result on its way to memory. */
typedef struct {
    const uint8_t *row_used, *col_used; /* of the destination, or NULL; results not used are exact zeros */
    const REAL *bias; /* of all output channels, or NULL */
    int activation;
    REAL slope;
} NAME(epilogue);

/* line[i * step + shift] of real vectors PIXEL apart to the pixels begin <= i < end of one row. */
static void NAME(store_row)(REAL *row, const fft_view *v, const fft_lanes *lanes, fft_span s, const REAL *line, vec bias,
                            const NAME(epilogue) *e) {
    if (lanes->contiguous) {
        for (int64_t i = s.begin; i < s.end; i++) {
            vec y = NAME(activate)(NAME(load)(line + (i * s.step + s.shift) * PIXEL) + bias, e->activation, e->slope);
            NAME(store_n)(row + lanes->offset[0] + i * v->col_stride, y, lanes->n);
        }
        return;
    }
    for (int64_t i = s.begin; i < s.end; i += VL) {
        const int64_t n = MIN(s.end - i, VL);
        const REAL *from = line + (i * s.step + s.shift) * PIXEL;
        vec a[LANES];
        UNROLL for (int j = 0; j < LANES; j++)
            a[j] = j < n ? NAME(activate)(NAME(load)(from + j * s.step * PIXEL) + bias, e->activation, e->slope) : (vec){0};
        NAME(transpose_square)(a);
        UNROLL for (int l = 0; l < LANES; l++)
            if (l < lanes->n) NAME(store_n)(row + lanes->offset[l] + i, a[l], n);
    }
}

/* Zeros in place of rounding errors where no product contributes to a result. */
INLINE void NAME(clear_unused)(const NAME(epilogue) *e, int64_t row, fft_span s, REAL *line) {
    for (int64_t i = s.begin; i < s.end; i++)
        if (!e->row_used[row] || !e->col_used[i]) NAME(store)(line + (i * s.step + s.shift) * PIXEL, (vec){0});
}

/* ---- two-dimensional transforms of one tile of VL channels -------------------------------------------------------- */

typedef struct {
    NAME(line_plan) h, w;
    int64_t columns; /* kept: w / 2 + 1 */
    int64_t pitch;   /* complex pixels from one column to the next */
} NAME(tile_plan);

/* The row transforms of a tile, times `scale`, into out[column][row]. `inverse` gives the conjugate. */
static void NAME(rows_in)(const NAME(tile_plan) *p, const REAL *image, const fft_view *v, const fft_lanes *lanes, fft_span ys,
                          fft_span xs, int inverse, REAL scale, REAL *out, REAL *scratch) {
    const int64_t tw = p->w.points, th = p->h.points, bytes = VL * sizeof(REAL);
    REAL *a = scratch, *b = a + tw * VL, *z = b + tw * VL, *tmp = z + tw * PIXEL;
    const int64_t rows = ys.end - ys.begin, cols = xs.end - xs.begin;
    if (rows <= 0 || cols <= 0 || (ys.step != 1 && rows < th)) {
        for (int64_t k = 0; k < p->columns; k++) memset(out + k * p->pitch * PIXEL, 0, th * 2 * bytes);
        if (rows <= 0 || cols <= 0) return;
    } else if (rows < th) {
        const int64_t top = ys.begin + ys.shift, below = top + rows;
        for (int64_t k = 0; k < p->columns; k++) {
            REAL *column = out + k * p->pitch * PIXEL;
            memset(column, 0, top * 2 * bytes);
            memset(column + below * PIXEL, 0, (th - below) * 2 * bytes);
        }
    }
    if (cols < tw) memset(a, 0, tw * 2 * bytes);
    /* Whole rows of whole vectors are transformed where they lie. */
    const int in_place = lanes->contiguous && lanes->n == VL && cols == tw;
    for (int64_t i = ys.begin; i < ys.end; i += 2) {
        const int pair = i + 1 < ys.end;
        const REAL *ra = image + i * v->row_stride, *rb = ra + v->row_stride, *pa = a, *pb = b;
        int64_t step = VL;
        if (in_place && pair) {
            step = v->col_stride;
            pa = ra + lanes->offset[0] + xs.begin * step, pb = rb + lanes->offset[0] + xs.begin * step;
        } else {
            NAME(load_row)(ra, v, lanes, xs, a);
            if (pair)
                NAME(load_row)(rb, v, lanes, xs, b);
            else
                memset(b, 0, tw * bytes);
        }
        if (inverse)
            NAME(transform)(&p->w, pb, pa, step, z + VL, z, PIXEL, tmp);
        else
            NAME(transform)(&p->w, pa, pb, step, z, z + VL, PIXEL, tmp);
        REAL *oa = out + (i * ys.step + ys.shift) * PIXEL, *ob = oa + ys.step * PIXEL;
        for (int64_t k = 0; k < p->columns; k++) {
            const REAL *q = z + k * PIXEL, *m = z + (k ? tw - k : 0) * PIXEL;
            vec zr = NAME(load)(q) * scale, zi = NAME(load)(q + VL) * scale;
            vec mr = NAME(load)(m) * scale, mi = NAME(load)(m + VL) * scale;
            NAME(store)(oa + k * p->pitch * PIXEL, zr + mr);
            NAME(store)(oa + k * p->pitch * PIXEL + VL, zi - mi);
            if (pair) {
                NAME(store)(ob + k * p->pitch * PIXEL, zi + mi);
                NAME(store)(ob + k * p->pitch * PIXEL + VL, mr - zr);
            }
        }
    }
}

/* The inverse row transforms of in[column][row] for the destination rows of a tile. */
static void NAME(rows_out)(const NAME(tile_plan) *p, const REAL *in, REAL *image, const fft_view *v, const fft_lanes *lanes,
                           fft_span ys, fft_span xs, const NAME(epilogue) *e, REAL *scratch) {
    const int64_t tw = p->w.points;
    REAL *z = scratch, *line = z + tw * PIXEL, *tmp = line + tw * PIXEL;
    const vec bias = e->bias ? NAME(load_n)(e->bias + lanes->first, lanes->n) : (vec){0};
    for (int64_t i = ys.begin; i < ys.end; i += 2) {
        const int pair = i + 1 < ys.end;
        const REAL *a = in + (i * ys.step + ys.shift) * PIXEL, *b = pair ? a + ys.step * PIXEL : a;
        for (int64_t k = 0; k < p->columns; k++) {
            const REAL *pa = a + k * p->pitch * PIXEL, *pb = b + k * p->pitch * PIXEL;
            vec ar = NAME(load)(pa), ai = NAME(load)(pa + VL), br = NAME(load)(pb), bi = NAME(load)(pb + VL);
            REAL *q = z + k * PIXEL, *m = z + (k ? tw - k : 0) * PIXEL;
            NAME(store)(m, ar + bi);
            NAME(store)(m + VL, br - ai);
            NAME(store)(q, ar - bi);
            NAME(store)(q + VL, ai + br);
        }
        NAME(transform_pixels)(&p->w, 1, z, PIXEL, line, PIXEL, tmp);
        if (e->row_used) {
            NAME(clear_unused)(e, i, xs, line);
            if (pair) NAME(clear_unused)(e, i + 1, xs, line + VL);
        }
        NAME(store_row)(image + i * v->row_stride, v, lanes, xs, line, bias, e);
        if (pair) NAME(store_row)(image + (i + 1) * v->row_stride, v, lanes, xs, line + VL, bias, e);
    }
}

/* ---- pointwise products ------------------------------------------------------------------------------------------- */

/* y = x * u, or y += x * u, over a column of complex pixels. */
INLINE void NAME(multiply)(int64_t n, const REAL *x, const REAL *u, REAL *y, int add) {
    for (int64_t i = 0; i < n; i++, x += PIXEL, u += PIXEL, y += PIXEL) {
        vec xr = NAME(load)(x), xi = NAME(load)(x + VL), ur = NAME(load)(u), ui = NAME(load)(u + VL);
        vec yr = add ? NAME(load)(y) : (vec){0}, yi = add ? NAME(load)(y + VL) : (vec){0};
        NAME(store)(y, yr + xr * ur - xi * ui);
        NAME(store)(y + VL, yi + xr * ui + xi * ur);
    }
}

/* Complex GEMM: c[r] (+)= sum over q of a[r, q] * b[q], for `rows` rows and one vector of columns. Index q runs over `outer`
 * steps of `inner` ones; a is read one element at a time, its imaginary part VL behind the real one. */
typedef struct {
    int64_t outer, inner;
    int64_t a_row, a_outer, a_inner, b_outer, b_inner, c_row;
} NAME(gemm_shape);

INLINE void NAME(gemm_rows)(int rows, const NAME(gemm_shape) *s, const REAL *a, const REAL *b, REAL *c, int add) {
    vec re[FFT_MR], im[FFT_MR];
    UNROLL for (int r = 0; r < rows; r++) re[r] = im[r] = (vec){0};
    for (int64_t o = 0; o < s->outer; o++)
        for (int64_t i = 0; i < s->inner; i++) {
            const REAL *p = a + o * s->a_outer + i * s->a_inner, *q = b + o * s->b_outer + i * s->b_inner;
            vec br = NAME(load)(q), bi = NAME(load)(q + VL);
            UNROLL for (int r = 0; r < rows; r++) {
                vec ar = NAME(splat)(p[r * s->a_row]), ai = NAME(splat)(p[r * s->a_row + VL]);
                re[r] += ar * br;
                im[r] += ar * bi;
                re[r] -= ai * bi;
                im[r] += ai * br;
            }
        }
    UNROLL for (int r = 0; r < rows; r++) {
        REAL *to = c + r * s->c_row;
        if (add) re[r] += NAME(load)(to), im[r] += NAME(load)(to + VL);
        NAME(store)(to, re[r]);
        NAME(store)(to + VL, im[r]);
    }
}

#define GEMM_ROWS(rows)                                                                                                        \
    case rows: NAME(gemm_rows)(rows, s, a, b, c, add); break;
static void NAME(gemm_block)(int64_t rows, const NAME(gemm_shape) *s, const REAL *a, const REAL *b, REAL *c, int add) {
    switch (rows) {
        GEMM_ROWS(1)
        GEMM_ROWS(2)
        GEMM_ROWS(3)
        GEMM_ROWS(4)
        GEMM_ROWS(5)
        GEMM_ROWS(6)
#if FFT_MR > 6
        GEMM_ROWS(7)
        GEMM_ROWS(8)
        GEMM_ROWS(9)
        GEMM_ROWS(10)
        GEMM_ROWS(11)
        GEMM_ROWS(12)
        GEMM_ROWS(13)
#endif
    }
}
#undef GEMM_ROWS

/* Any number of rows, in blocks of nearly equal height. */
static void NAME(gemm_column)(int64_t rows, const NAME(gemm_shape) *s, const REAL *a, const REAL *b, REAL *c, int add) {
    const int64_t blocks = CEIL_DIV(rows, FFT_MR);
    for (int64_t i = 0; i < blocks; i++) {
        int64_t begin, end;
        share(rows, (int)i, (int)blocks, &begin, &end);
        NAME(gemm_block)(end - begin, s, a + begin * s->a_row, b, c + begin * s->c_row, add);
    }
}

/* ---- whole convolutions ------------------------------------------------------------------------------------------- */

static NAME(tile_plan) NAME(plan_tile)(const fft_tiling *t, const REAL *twiddle) {
    NAME(tile_plan) p = {
        {t->th, t->first_h, t->last_h, twiddle},
        {t->tw, t->first_w, t->last_w, twiddle + 2 * t->th},
        t->tw / 2 + 1,
        FFT_PITCH(t->th),
    };
    return p;
}

/* Elements from row to row of the spectra of so many filter vectors and channels: a cache line more than they are, or a pixel, since
 * multiples of a page all fall into one set of the first-level cache. */
INLINE int64_t NAME(fft_u_row)(int64_t vectors, int64_t channels) {
    return vectors * channels * PIXEL + MAX(PIXEL, CACHE_LINE / (int64_t)sizeof(REAL));
}

static int64_t NAME(packed_size)(const fft_op *op, const fft_tiling *t) {
    const int64_t points = (t->tw / 2 + 1) * t->th;
    if (t->lanewise) return points * CEIL_DIV(op->groups * op->co, VL) * op->ci * PIXEL;
    return points * op->groups * NAME(fft_u_row)(CEIL_DIV(op->co, VL), op->ci);
}

/* Spectra of the filters. Per group, dense: U[column][row][filter vector][channel], lane by lane:
 * U[filter vector][channel][column][row], each a complex pixel. */
static void NAME(pack)(const fft_op *op, const fft_tiling *t, const REAL *twiddle, const REAL *w, REAL *packed, REAL *scratch,
                       int threads) {
    const NAME(tile_plan) p = NAME(plan_tile)(t, twiddle);
    const int64_t th = t->th, columns = p.columns, spectrum = columns * th * PIXEL;
    const int64_t outputs = t->lanewise ? op->groups * op->co : op->co, vectors = CEIL_DIV(outputs, VL);
    const int64_t bands = t->lanewise ? 1 : op->groups;
    const REAL scale = (REAL)(0.5 / ((double)t->th * t->tw));
    const int64_t plane = columns * p.pitch * PIXEL, each = FFT_LINES * MAX(t->th, t->tw) * VL + FFT_CHANNELS * plane;
    const int64_t blocks = CEIL_DIV(op->ci, FFT_CHANNELS), step = t->lanewise ? PIXEL : NAME(fft_u_row)(vectors, op->ci);
    const int64_t next = t->lanewise ? spectrum : PIXEL; /* from channel to channel */
    /* Small vectors are not faster past the caches. */
    const int streamed = SIMD_BYTES >= 32 && NAME(packed_size)(op, t) * (int64_t)sizeof(REAL) > STREAMED_BYTES;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t item = 0; item < bands * vectors * blocks; item++) {
        const int64_t q0 = item % blocks * FFT_CHANNELS, v = item / blocks % vectors, g = item / blocks / vectors;
        const int64_t n = MIN(FFT_CHANNELS, op->ci - q0);
        REAL *lines = scratch + thread_index() * each, *r = lines + FFT_LINES * MAX(t->th, t->tw) * VL;
        fft_lanes lanes;
        for (int64_t q = 0; q < n; q++) {
            fft_weight_lanes(&lanes, op, g * op->co + v * VL, MIN(VL, outputs - v * VL), q0 + q);
            NAME(rows_in)(&p, w, &op->taps, &lanes, op->tap_rows, op->tap_cols, 1, scale, r + q * plane, lines);
        }
        for (int64_t k = 0; k < columns; k++) {
            REAL *column = r + k * p.pitch * PIXEL;
            REAL *to = packed + (t->lanewise ? (v * op->ci + q0) * spectrum + k * th * PIXEL
                                             : (g * columns + k) * th * step + (v * op->ci + q0) * PIXEL);
            for (int64_t q = 0; q < n; q++) {
                REAL *from = column + q * plane;
                NAME(transform_pixels)(&p.h, 1, from, PIXEL, streamed ? from : to + q * next, streamed ? PIXEL : step, lines);
            }
            for (int64_t f = 0; streamed && f < th; f++, to += step) /* in the order of memory */
                for (int64_t q = 0; q < n; q++) {
                    const REAL *from = column + q * plane + f * PIXEL;
                    NAME(stream)(to + q * next, *(const vec *)from);
                    NAME(stream)(to + q * next + VL, *(const vec *)(from + VL));
                }
        }
        if (streamed) stream_fence();
    }
}

/* One input channel vector for each channel of a group and each output vector: the lanes are output channels. */
static void NAME(convolve_lanes)(const fft_op *op, const fft_tiling *t, const REAL *twiddle, const REAL *src, const REAL *packed,
                                 REAL *dst, const NAME(epilogue) *e, REAL *scratch, int threads) {
    const NAME(tile_plan) p = NAME(plan_tile)(t, twiddle);
    const int64_t th = t->th, plane = p.columns * p.pitch * PIXEL, spectrum = p.columns * th * PIXEL;
    const int64_t outputs = op->groups * op->co, vectors = CEIL_DIV(outputs, VL), tiles = op->batch * op->ny * op->nx;
    const int64_t each = FFT_LINES * MAX(t->th, t->tw) * VL + 2 * p.pitch * PIXEL + op->ci * plane;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t item = 0; item < vectors * tiles; item++) {
        const int64_t v = item / tiles;
        REAL *lines = scratch + thread_index() * each, *x = lines + FFT_LINES * MAX(t->th, t->tw) * VL, *y = x + p.pitch * PIXEL;
        REAL *r = y + p.pitch * PIXEL;
        const fft_tile at = fft_tile_at(op, item % tiles);
        fft_lanes lanes;
        for (int64_t q = 0; q < op->ci; q++) {
            fft_grouped_lanes(&lanes, &op->src, v * VL, MIN(VL, outputs - v * VL), op->co, op->ci, q);
            NAME(rows_in)(&p, src + at.image * op->src.image_stride, &op->src, &lanes, at.src_rows, at.src_cols, 0, (REAL)0.5,
                          r + q * plane, lines);
        }
        for (int64_t k = 0; k < p.columns; k++) {
            for (int64_t q = 0; q < op->ci; q++) {
                NAME(transform_pixels)(&p.h, 0, r + q * plane + k * p.pitch * PIXEL, PIXEL, x, PIXEL, lines);
                const REAL *u = packed + (v * op->ci + q) * spectrum + k * th * PIXEL;
                if (q)
                    NAME(multiply)(th, x, u, y, 1);
                else
                    NAME(multiply)(th, x, u, y, 0);
            }
            NAME(transform_pixels)(&p.h, 1, y, PIXEL, r + k * p.pitch * PIXEL, PIXEL, lines);
        }
        fft_grouped_lanes(&lanes, &op->dst, v * VL, MIN(VL, outputs - v * VL), 1, 1, 0);
        NAME(rows_out)(&p, r, dst + at.image * op->dst.image_stride, &op->dst, &lanes, at.dst_rows, at.dst_cols, e, lines);
    }
}

/* Group by group, block of tiles by block of tiles: rows of all channels, then column by column the products with the filters,
 * then rows of all output channels. All threads share a block. */
static void NAME(convolve_dense)(const fft_op *op, const fft_tiling *t, const REAL *twiddle, const REAL *src, const REAL *packed,
                                 REAL *dst, const NAME(epilogue) *e, REAL *scratch, int threads) {
    const NAME(tile_plan) p = NAME(plan_tile)(t, twiddle);
    const int64_t th = t->th, column = p.pitch * PIXEL, plane = p.columns * column;
    const int64_t cv = CEIL_DIV(op->ci, VL), kv = CEIL_DIV(op->co, VL), tiles = op->batch * op->ny * op->nx;
    const int64_t x_tile = FFT_ODD(cv * p.pitch) * PIXEL, y_tile = FFT_ODD(kv * p.pitch) * PIXEL;
    const int64_t each = FFT_LINES * MAX(t->th, t->tw) * VL + t->block * (x_tile + y_tile);
    REAL *planes = scratch + threads * each, *results = planes + t->block * cv * plane;
#pragma omp parallel num_threads(threads)
    {
        REAL *lines = scratch + thread_index() * each;
        REAL *x = lines + FFT_LINES * MAX(t->th, t->tw) * VL, *y = x + t->block * x_tile;
        for (int64_t g = 0; g < op->groups; g++)
            for (int64_t t0 = 0; t0 < tiles; t0 += t->block) {
                const int64_t nt = MIN(t->block, tiles - t0);
#pragma omp for schedule(dynamic)
                for (int64_t item = 0; item < nt * cv; item++) {
                    const int64_t v = item % cv;
                    const fft_tile at = fft_tile_at(op, t0 + item / cv);
                    fft_lanes lanes;
                    fft_grouped_lanes(&lanes, &op->src, g * op->ci + v * VL, MIN(VL, op->ci - v * VL), 1, 1, 0);
                    NAME(rows_in)(&p, src + at.image * op->src.image_stride, &op->src, &lanes, at.src_rows, at.src_cols, 0,
                                  (REAL)0.5, planes + item * plane, lines);
                }
#pragma omp for schedule(dynamic)
                for (int64_t k = 0; k < p.columns; k++) {
                    for (int64_t i = 0; i < nt; i++)
                        for (int64_t v = 0; v < cv; v++)
                            NAME(transform_pixels)(&p.h, 0, planes + (i * cv + v) * plane + k * column, PIXEL,
                                                   x + i * x_tile + v * column, PIXEL, lines);
                    for (int64_t f = 0; f < th; f++)
                        for (int64_t v = 0; v < kv; v++) {
                            const REAL *u = packed + ((g * p.columns + k) * th + f) * NAME(fft_u_row)(kv, op->ci) + v * op->ci * PIXEL;
                            for (int64_t c = 0; c < op->ci;) {
                                const int64_t n = MIN(op->ci - c, FFT_SUM), whole = n / VL;
                                const NAME(gemm_shape) s = {whole ? whole : 1, whole ? VL : n,  x_tile, column, 1,
                                                            VL * PIXEL,        PIXEL,           y_tile};
                                NAME(gemm_column)(nt, &s, x + c / VL * column + f * PIXEL, u + c * PIXEL,
                                                  y + v * column + f * PIXEL, c > 0);
                                c += s.outer * s.inner;
                            }
                        }
                    for (int64_t i = 0; i < nt; i++)
                        for (int64_t v = 0; v < kv; v++)
                            NAME(transform_pixels)(&p.h, 1, y + i * y_tile + v * column, PIXEL,
                                                   results + (i * kv + v) * plane + k * column, PIXEL, lines);
                }
#pragma omp for schedule(dynamic)
                for (int64_t item = 0; item < nt * kv; item++) {
                    const int64_t v = item % kv;
                    const fft_tile at = fft_tile_at(op, t0 + item / kv);
                    fft_lanes lanes;
                    fft_grouped_lanes(&lanes, &op->dst, g * op->co + v * VL, MIN(VL, op->co - v * VL), 1, 1, 0);
                    NAME(rows_out)(&p, results + item * plane, dst + at.image * op->dst.image_stride, &op->dst, &lanes,
                                   at.dst_rows, at.dst_cols, e, lines);
                }
            }
    }
}

/* Weight gradient, lanes are filters: each output vector sums over all tiles in the frequency domain. */
static void NAME(correlate_lanes)(const fft_op *op, const fft_tiling *t, const REAL *twiddle, const REAL *x, const REAL *gy,
                                  REAL *dw, REAL *scratch, int threads) {
    const NAME(tile_plan) p = NAME(plan_tile)(t, twiddle);
    const NAME(epilogue) e = {op->row_used, op->col_used};
    const int64_t th = t->th, column = p.pitch * PIXEL, plane = p.columns * column;
    const int64_t outputs = op->groups * op->co, vectors = CEIL_DIV(outputs, VL), tiles = op->batch * op->ny * op->nx;
    const REAL scale = (REAL)(0.5 / ((double)t->th * t->tw));
    const int64_t each = FFT_LINES * MAX(t->th, t->tw) * VL + 2 * column + (2 + op->ci) * plane;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t v = 0; v < vectors; v++) {
        REAL *lines = scratch + thread_index() * each, *xc = lines + FFT_LINES * MAX(t->th, t->tw) * VL, *gc = xc + column;
        REAL *xr = gc + column, *gr = xr + plane, *sums = gr + plane;
        const int64_t n = MIN(VL, outputs - v * VL);
        fft_lanes lanes;
        memset(sums, 0, op->ci * plane * sizeof(REAL));
        for (int64_t i = 0; i < tiles; i++) {
            const fft_tile at = fft_tile_at(op, i);
            fft_grouped_lanes(&lanes, &op->dst, v * VL, n, 1, 1, 0);
            NAME(rows_in)(&p, gy + at.image * op->dst.image_stride, &op->dst, &lanes, at.gy_rows, at.gy_cols, 1, scale, gr, lines);
            for (int64_t k = 0; k < p.columns; k++)
                NAME(transform_pixels)(&p.h, 1, gr + k * column, PIXEL, gr + k * column, PIXEL, lines);
            for (int64_t q = 0; q < op->ci; q++) {
                fft_grouped_lanes(&lanes, &op->src, v * VL, n, op->co, op->ci, q);
                NAME(rows_in)(&p, x + at.image * op->src.image_stride, &op->src, &lanes, at.src_rows, at.src_cols, 0, (REAL)0.5,
                              xr, lines);
                for (int64_t k = 0; k < p.columns; k++) {
                    NAME(transform_pixels)(&p.h, 0, xr + k * column, PIXEL, xc, PIXEL, lines);
                    NAME(multiply)(th, xc, gr + k * column, sums + q * plane + k * column, 1);
                }
            }
        }
        for (int64_t q = 0; q < op->ci; q++) {
            for (int64_t k = 0; k < p.columns; k++)
                NAME(transform_pixels)(&p.h, 1, sums + q * plane + k * column, PIXEL, sums + q * plane + k * column, PIXEL, lines);
            fft_weight_lanes(&lanes, op, v * VL, n, q);
            NAME(rows_out)(&p, sums + q * plane, dw, &op->taps, &lanes, op->tap_rows, op->tap_cols, &e, lines);
        }
    }
}

/* Weight gradient, group by group and block of filters by block of filters: a GEMM over tiles at each frequency into
 * sums[column][row][filter vector][channel]; each column belongs to one thread, so the order of the sums is fixed. */
static void NAME(correlate_dense)(const fft_op *op, const fft_tiling *t, const REAL *twiddle, const REAL *x, const REAL *gy,
                                  REAL *dw, REAL *scratch, int threads) {
    const NAME(tile_plan) p = NAME(plan_tile)(t, twiddle);
    const NAME(epilogue) e = {op->row_used, op->col_used};
    const int64_t th = t->th, column = p.pitch * PIXEL, plane = p.columns * column;
    const int64_t cv = CEIL_DIV(op->ci, VL), kv = CEIL_DIV(op->co, VL), tiles = op->batch * op->ny * op->nx;
    const int64_t fb = MIN(t->filter_block, kv), x_tile = FFT_ODD(cv * p.pitch) * PIXEL, y_tile = FFT_ODD(fb * p.pitch) * PIXEL;
    const REAL scale = (REAL)(0.5 / ((double)t->th * t->tw));
    const int64_t each = FFT_LINES * MAX(t->th, t->tw) * VL + MAX(t->block * (x_tile + y_tile), FFT_CHANNELS * plane);
    const int64_t channel_blocks = CEIL_DIV(op->ci, FFT_CHANNELS);
    REAL *x_planes = scratch + threads * each, *y_planes = x_planes + t->block * cv * plane;
    REAL *sums = y_planes + t->block * fb * plane;
#pragma omp parallel num_threads(threads)
    {
        REAL *lines = scratch + thread_index() * each;
        REAL *xc = lines + FFT_LINES * MAX(t->th, t->tw) * VL, *yc = xc + t->block * x_tile;
        for (int64_t g = 0; g < op->groups; g++)
            for (int64_t v0 = 0; v0 < kv; v0 += fb) {
                const int64_t nv = MIN(fb, kv - v0), row = NAME(fft_u_row)(nv, op->ci);
                for (int64_t t0 = 0; t0 < tiles; t0 += t->block) {
                    const int64_t nt = MIN(t->block, tiles - t0);
#pragma omp for schedule(dynamic)
                    for (int64_t item = 0; item < nt * (cv + nv); item++) {
                        const int64_t i = item / (cv + nv), v = item % (cv + nv);
                        const fft_tile at = fft_tile_at(op, t0 + i);
                        fft_lanes lanes;
                        if (v < cv) {
                            fft_grouped_lanes(&lanes, &op->src, g * op->ci + v * VL, MIN(VL, op->ci - v * VL), 1, 1, 0);
                            NAME(rows_in)(&p, x + at.image * op->src.image_stride, &op->src, &lanes, at.src_rows, at.src_cols, 0,
                                          (REAL)0.5, x_planes + (i * cv + v) * plane, lines);
                        } else {
                            const int64_t k0 = (v0 + v - cv) * VL;
                            fft_grouped_lanes(&lanes, &op->dst, g * op->co + k0, MIN(VL, op->co - k0), 1, 1, 0);
                            NAME(rows_in)(&p, gy + at.image * op->dst.image_stride, &op->dst, &lanes, at.gy_rows, at.gy_cols, 1,
                                          scale, y_planes + (i * nv + v - cv) * plane, lines);
                        }
                    }
#pragma omp for schedule(dynamic)
                    for (int64_t k = 0; k < p.columns; k++) {
                        for (int64_t i = 0; i < nt; i++) {
                            for (int64_t v = 0; v < cv; v++)
                                NAME(transform_pixels)(&p.h, 0, x_planes + (i * cv + v) * plane + k * column, PIXEL,
                                                       xc + i * x_tile + v * column, PIXEL, lines);
                            for (int64_t v = 0; v < nv; v++)
                                NAME(transform_pixels)(&p.h, 1, y_planes + (i * nv + v) * plane + k * column, PIXEL,
                                                       yc + i * y_tile + v * column, PIXEL, lines);
                        }
                        const NAME(gemm_shape) s = {nt, 1, 1, x_tile, 0, y_tile, 0, PIXEL};
                        for (int64_t f = 0; f < th; f++)
                            for (int64_t v = 0; v < nv; v++)
                                for (int64_t c = 0; c < op->ci; c += VL)
                                    NAME(gemm_column)(MIN(VL, op->ci - c), &s, xc + c / VL * column + f * PIXEL,
                                                      yc + v * column + f * PIXEL,
                                                      sums + (k * th + f) * row + (v * op->ci + c) * PIXEL, t0 > 0);
                    }
                }
#pragma omp for schedule(dynamic)
                for (int64_t item = 0; item < nv * channel_blocks; item++) {
                    const int64_t c0 = item % channel_blocks * FFT_CHANNELS, v = item / channel_blocks, k0 = (v0 + v) * VL;
                    const int64_t n = MIN(FFT_CHANNELS, op->ci - c0);
                    for (int64_t k = 0; k < p.columns; k++) {
                        const REAL *from = sums + k * th * row + (v * op->ci + c0) * PIXEL;
                        REAL *to = xc + k * column;
                        for (int64_t f = 0; f < th; f++)
                            for (int64_t c = 0; c < n; c++)
                                memcpy(to + c * plane + f * PIXEL, from + f * row + c * PIXEL, PIXEL * sizeof(REAL));
                        for (int64_t c = 0; c < n; c++)
                            NAME(transform_pixels)(&p.h, 1, to + c * plane, PIXEL, to + c * plane, PIXEL, lines);
                    }
                    fft_lanes lanes;
                    for (int64_t c = 0; c < n; c++) {
                        fft_weight_lanes(&lanes, op, g * op->co + k0, MIN(VL, op->co - k0), c0 + c);
                        NAME(rows_out)(&p, xc + c * plane, dw, &op->taps, &lanes, op->tap_rows, op->tap_cols, &e, lines);
                    }
                }
            }
    }
}

/* ---- entry points, of fft_<name>_f32 and fft_<name>_f64 ----------------------------------------------------------- */

int64_t NAME(fft_packed_size)(const geometry *g, const fft_tiling *t, int direction) {
    const fft_op op = fft_op_of(g, t, direction, NULL);
    return NAME(packed_size)(&op, t);
}

/* Elements of scratch; the same sums as in the functions above. */
int64_t NAME(fft_workspace)(const geometry *g, const fft_tiling *t, int direction, int threads) {
    const fft_op op = fft_op_of(g, t, direction, NULL);
    const int64_t columns = t->tw / 2 + 1, pitch = FFT_PITCH(t->th), plane = columns * pitch * PIXEL;
    const int64_t lines = FFT_LINES * MAX(t->th, t->tw) * VL, cv = CEIL_DIV(op.ci, VL), kv = CEIL_DIV(op.co, VL);
    if (t->lanewise) return threads * (lines + 2 * pitch * PIXEL + (op.ci + (direction == WEIGHT_GRAD ? 2 : 0)) * plane);
    const int64_t fb = direction == WEIGHT_GRAD ? MIN(t->filter_block, kv) : kv;
    int64_t each = t->block * (FFT_ODD(cv * pitch) + FFT_ODD(fb * pitch)) * PIXEL, shared = t->block * (cv + fb) * plane;
    if (direction == WEIGHT_GRAD) each = MAX(each, FFT_CHANNELS * plane), shared += columns * t->th * NAME(fft_u_row)(fb, op.ci);
    return threads * (lines + each) + shared;
}

int64_t NAME(fft_pack_workspace)(const fft_tiling *t, int threads) {
    return threads * (FFT_LINES * MAX(t->th, t->tw) * VL + FFT_CHANNELS * (t->tw / 2 + 1) * FFT_PITCH(t->th) * PIXEL);
}

void NAME(fft_pack)(const geometry *g, const fft_tiling *t, const REAL *twiddle, int direction, const REAL *w, REAL *packed,
                    REAL *scratch, int threads) {
    const fft_op op = fft_op_of(g, t, direction, NULL);
    NAME(pack)(&op, t, twiddle, w, packed, scratch, threads);
}

void NAME(fft_convolve)(const geometry *g, const fft_tiling *t, const REAL *twiddle, int direction, const uint8_t *used,
                        const REAL *src, const REAL *packed, const REAL *bias, int activation, double slope, REAL *dst,
                        REAL *scratch, int threads) {
    const fft_op op = fft_op_of(g, t, direction, used);
    const NAME(epilogue) e = {op.row_used, op.col_used, bias, activation, (REAL)slope};
    if (t->lanewise)
        NAME(convolve_lanes)(&op, t, twiddle, src, packed, dst, &e, scratch, threads);
    else
        NAME(convolve_dense)(&op, t, twiddle, src, packed, dst, &e, scratch, threads);
}

void NAME(fft_weight_grad)(const geometry *g, const fft_tiling *t, const REAL *twiddle, const uint8_t *used, const REAL *x,
                           const REAL *gy, REAL *dw, REAL *scratch, int threads) {
    const fft_op op = fft_op_of(g, t, WEIGHT_GRAD, used);
    if (t->lanewise)
        NAME(correlate_lanes)(&op, t, twiddle, x, gy, dw, scratch, threads);
    else
        NAME(correlate_dense)(&op, t, twiddle, x, gy, dw, scratch, threads);
}

#undef PIXEL
#undef LANES
