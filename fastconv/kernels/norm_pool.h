/* Batch normalisation whose result is pooled at once: the maximum of windows that lie side by side, of channels-last images (template:
 * REAL, NAME, IS_DOUBLE; after batch_norm.h). The normalised image, and the gradient with respect to it, are never in memory:
 *
 *     forward      statistics of x --barrier-- maxima of normalised windows, and which pixel each is
 *     backward     sums over the pixels that are maxima --barrier-- dx of all pixels
 *
 * Pixels behind the last whole window have no gradient but that of the statistics.
 */
#include "pool_lanes.h"

/* KERNEL(j, lanes, cols, turns) for the channels of a row, where it sees `high` and `across`, the windows' size: constants for the most
 * common one, so that its pixels are unrolled. */
#define EACH_WINDOW_COLUMNS(p, c, KERNEL)                     \
    if ((p)->rows == 2 && (p)->cols == 2) {                   \
        const int64_t high = 2, across = 2;                   \
        EACH_COLUMNS(c, KERNEL)                               \
    } else {                                                  \
        const int64_t high = (p)->rows, across = (p)->cols;   \
        EACH_COLUMNS(c, KERNEL)                               \
    }

/* What a row of windows is made of: pointers to the first pixel of its image rows, and to its first maximum. */
typedef struct {
    const REAL *x, *gy, *y; /* y: null without ReLU */
    const uint8_t *taps;
    REAL *dx;
} NAME(window_row);

/* The windows of one row, `cols` vectors of channels from channel j on, of which the last has `lanes` lanes. */
INLINE void NAME(maxima_columns)(const NAME(coefficients) *k, const pool_windows *p, int64_t c, const REAL *x, int relu, REAL *y,
                                 uint8_t *taps, int64_t j, int64_t lanes, const int cols, const int64_t high, const int64_t across) {
    vec mean[MAX_COLUMNS], scale[MAX_COLUMNS], shift[MAX_COLUMNS];
    UNROLL for (int q = 0; q < cols; q++) {
        mean[q] = NAME(load)(k->mean + j + q * VL);
        scale[q] = NAME(load)(k->scale + j + q * VL);
        shift[q] = NAME(load)(k->shift + j + q * VL);
    }
    for (int64_t o = 0; o < p->width / across; o++) {
        vec greatest[MAX_COLUMNS];
        NAME(ivec_t) which[MAX_COLUMNS];
        UNROLL for (int q = 0; q < cols; q++) {
            greatest[q] = (NAME(load_n)(x + o * across * c + j + q * VL, lanes) - mean[q]) * scale[q] + shift[q];
            which[q] = NAME(tap_splat)(0);
        }
        for (int64_t i = 0; i < high; i++)
            for (int64_t l = i == 0; l < across; l++) {
                const REAL *at = x + (i * p->width + o * across + l) * c + j;
                const NAME(ivec_t) tap = NAME(tap_splat)(i * across + l);
                UNROLL for (int q = 0; q < cols; q++) {
                    const vec v = (NAME(load_n)(at + q * VL, lanes) - mean[q]) * scale[q] + shift[q];
                    const NAME(lanes) better = NAME(beats)(v, greatest[q]);
                    greatest[q] = NAME(either)(better, v, greatest[q]);
                    which[q] = NAME(either_tap)(better, tap, which[q]);
                }
            }
        UNROLL for (int q = 0; q < cols; q++) {
            NAME(store_n)(y + o * c + j + q * VL, relu ? NAME(activate)(greatest[q], ACT_RELU, 0) : greatest[q], lanes);
            NAME(store_bytes)(taps + o * c + j + q * VL, which[q], lanes);
        }
    }
}

static void NAME(maxima_row)(const NAME(coefficients) *k, const pool_windows *p, int64_t c, const REAL *x, int relu, REAL *y,
                             uint8_t *taps) {
#define ROWS(j, lanes, cols, turns) NAME(maxima_columns)(k, p, c, x, relu, y, taps, j, lanes, cols, high, across)
    EACH_WINDOW_COLUMNS(p, c, ROWS)
#undef ROWS
}

/* The gradient that reaches the maximum of each window. */
INLINE vec NAME(of_maximum)(const NAME(window_row) *r, int64_t at, int64_t lanes) {
    const vec g = NAME(load_n)(r->gy + at, lanes);
    return r->y ? NAME(masked)(g, NAME(load_n)(r->y + at, lanes), ACT_RELU, 0) : g;
}

INLINE void NAME(maxima_sums_columns)(const NAME(coefficients) *k, const pool_windows *p, int64_t c, const NAME(window_row) *r,
                                      double *sums, double *products, int64_t j, int64_t lanes, const int cols, const int64_t high,
                                      const int64_t across) {
    vec mean[MAX_COLUMNS];
    UNROLL for (int q = 0; q < cols; q++) mean[q] = NAME(load)(k->mean + j + q * VL);
    for (int64_t o0 = 0, ow = p->width / across; o0 < ow; o0 += SUM_BLOCK) {
        vec sum[MAX_COLUMNS] = {{0}}, product[MAX_COLUMNS] = {{0}};
        for (int64_t o = o0; o < MIN(ow, o0 + SUM_BLOCK); o++) {
            vec g[MAX_COLUMNS], d[MAX_COLUMNS];
            NAME(ivec_t) which[MAX_COLUMNS];
            UNROLL for (int q = 0; q < cols; q++) {
                g[q] = NAME(of_maximum)(r, o * c + j + q * VL, lanes);
                which[q] = NAME(load_bytes)(r->taps + o * c + j + q * VL, lanes);
                d[q] = (vec){0};
            }
            for (int64_t i = 0; i < high; i++)
                for (int64_t l = 0; l < across; l++) {
                    const REAL *at = r->x + (i * p->width + o * across + l) * c + j;
                    const NAME(ivec_t) tap = NAME(tap_splat)(i * across + l);
                    UNROLL for (int q = 0; q < cols; q++)
                        d[q] = NAME(either)(NAME(same)(which[q], tap), NAME(load_n)(at + q * VL, lanes) - mean[q], d[q]);
                }
            UNROLL for (int q = 0; q < cols; q++) {
                sum[q] += g[q];
                product[q] += g[q] * d[q];
            }
        }
        UNROLL for (int q = 0; q < cols; q++) {
            NAME(add_widened)(sums + j + q * VL, sum[q]);
            NAME(add_widened)(products + j + q * VL, product[q]);
        }
    }
}

static void NAME(maxima_sums_row)(const NAME(coefficients) *k, const pool_windows *p, int64_t c, const NAME(window_row) *r, double *sums,
                                  double *products) {
#define ROWS(j, lanes, cols, turns) NAME(maxima_sums_columns)(k, p, c, r, sums, products, j, lanes, cols, high, across)
    EACH_WINDOW_COLUMNS(p, c, ROWS)
#undef ROWS
}

INLINE void NAME(maxima_input_columns)(const NAME(coefficients) *k, const pool_windows *p, int64_t c, const NAME(window_row) *r,
                                       int64_t j, int64_t lanes, const int cols, const int64_t high, const int64_t across) {
    vec mean[MAX_COLUMNS], scale[MAX_COLUMNS], by_x[MAX_COLUMNS], offset[MAX_COLUMNS];
    UNROLL for (int q = 0; q < cols; q++) {
        mean[q] = NAME(load)(k->mean + j + q * VL);
        scale[q] = NAME(load)(k->scale + j + q * VL);
        by_x[q] = NAME(load)(k->by_x + j + q * VL);
        offset[q] = NAME(load)(k->offset + j + q * VL);
    }
    for (int64_t o = 0; o < p->width / across; o++) {
        vec g[MAX_COLUMNS];
        NAME(ivec_t) which[MAX_COLUMNS];
        UNROLL for (int q = 0; q < cols; q++) {
            g[q] = NAME(of_maximum)(r, o * c + j + q * VL, lanes) * scale[q];
            which[q] = NAME(load_bytes)(r->taps + o * c + j + q * VL, lanes);
        }
        for (int64_t i = 0; i < high; i++)
            for (int64_t l = 0; l < across; l++) {
                const int64_t at = (i * p->width + o * across + l) * c + j;
                const NAME(ivec_t) tap = NAME(tap_splat)(i * across + l);
                UNROLL for (int q = 0; q < cols; q++) {
                    const vec d = NAME(load_n)(r->x + at + q * VL, lanes) - mean[q];
                    NAME(store_n)(r->dx + at + q * VL, NAME(keep)(NAME(same)(which[q], tap), g[q]) + (d * by_x[q] + offset[q]), lanes);
                }
            }
    }
}

/* Pixels that no window holds. */
static void NAME(input_beside)(const NAME(coefficients) *k, int64_t c, const REAL *x, REAL *dx, int64_t pixels) {
    for (int64_t i = 0; i < pixels; i++)
        for (int64_t j = 0; j < c; j += VL) {
            const vec d = NAME(load_n)(x + i * c + j, c - j) - NAME(load)(k->mean + j);
            NAME(store_n)(dx + i * c + j, d * NAME(load)(k->by_x + j) + NAME(load)(k->offset + j), c - j);
        }
}

static void NAME(maxima_input_row)(const NAME(coefficients) *k, const pool_windows *p, int64_t c, const NAME(window_row) *r) {
#define ROWS(j, lanes, cols, turns) NAME(maxima_input_columns)(k, p, c, r, j, lanes, cols, high, across)
    EACH_WINDOW_COLUMNS(p, c, ROWS)
#undef ROWS
    const int64_t beside = p->width % p->cols;
    for (int64_t i = 0; i < p->rows && beside; i++) {
        const int64_t at = ((i + 1) * p->width - beside) * c;
        NAME(input_beside)(k, c, r->x + at, r->dx + at, beside);
    }
}

void NAME(batch_norm_max)(const images *s, const pool_windows *p, const REAL *x, const REAL *gamma, const REAL *beta, double eps, int relu,
                          REAL *y, uint8_t *taps, double *mean, double *inv_std, void *workspace, int threads) {
    const int64_t c = s->c, oh = p->height / p->rows, ow = p->width / p->cols;
    char *at = workspace;
    const NAME(statistics) w = NAME(take_statistics)(s, x, &at, threads);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int64_t begin, end;
        NAME(share_statistics)(s, &w, x, gamma, beta, eps, mean, inv_std);
        share(s->n * oh, thread_index(), team_size(), &begin, &end);
        for (int64_t r = end; r-- > begin;)
            NAME(maxima_row)(&w.k, p, c, x + (r / oh * p->height + r % oh * p->rows) * p->width * c, relu, y + r * ow * c, taps + r * ow * c);
    }
}

void NAME(batch_norm_max_grad)(const images *s, const pool_windows *p, const REAL *gy, const REAL *y, const uint8_t *taps, const REAL *x,
                               const REAL *gamma, const double *mean, const double *inv_std, REAL *dx, REAL *dgamma, REAL *dbeta,
                               void *workspace, int threads) {
    const int64_t c = s->c, size = NAME(padded)(c), oh = p->height / p->rows, ow = p->width / p->cols;
    const int64_t beside = p->height % p->rows * p->width;
    char *place = workspace;
    const NAME(coefficients) k = NAME(take_coefficients)(&place, c);
    double *partial = (double *)aligned_take(&place, 2 * threads * size * 8);
    memset(partial, 0, (size_t)(2 * threads * size) * 8);
    for (int64_t i = 0; i < c; i++) NAME(set_channel)(&k, i, gamma, NULL, mean[i], inv_std[i]);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        const int t = thread_index(), team = team_size();
        double *sums = partial + 2 * t * size;
        int64_t begin, end, first, last;
        share(s->n * oh, t, team, &begin, &end);
        share(c, t, team, &first, &last);
#define ROW(r) ((r) / oh * p->height + (r) % oh * p->rows) * p->width * c
#define WINDOWS(r) \
    {x + ROW(r), gy + (r) * ow * c, y ? y + (r) * ow * c : NULL, taps + (r) * ow * c, dx + ROW(r)}
        for (int64_t r = begin; r < end; r++) {
            const NAME(window_row) row = WINDOWS(r);
            NAME(maxima_sums_row)(&k, p, c, &row, sums, sums + size);
        }
#pragma omp barrier
        for (int64_t i = first; i < last; i++)
            NAME(finish_channel)(&k, i, NAME(of_threads)(partial + i, 2 * size, team), NAME(of_threads)(partial + size + i, 2 * size, team),
                                 gamma, mean[i], inv_std[i], (double)(s->n * s->plane), dgamma, dbeta);
#pragma omp barrier
        for (int64_t r = end; r-- > begin;) {
            const NAME(window_row) row = WINDOWS(r);
            const int64_t behind = p->rows * p->width * c;
            if (r % oh == oh - 1) NAME(input_beside)(&k, c, row.x + behind, row.dx + behind, beside);
            NAME(maxima_input_row)(&k, p, c, &row);
        }
#undef ROW
#undef WINDOWS
    }
}
#undef EACH_WINDOW_COLUMNS
