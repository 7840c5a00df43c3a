/* Batch normalisation in both memory formats (template: REAL, NAME, IS_DOUBLE).
 *
 *            NHWC                                   NCHW
 *     sums of each thread's pixels            for each channel of a thread: sums,
 *     --barrier-- sums of all threads,        coefficients and result, while the
 *     coefficients --barrier-- results,       channel is in the cache
 *     from the last pixel to the first,
 *     which is what the caches still hold
 */
#include "norm_passes.h"

/* The sums of all threads added up, in the order of the threads; they lie `size` apart. */
INLINE double NAME(of_threads)(const double *p, int64_t size, int threads) {
    double s = 0;
    for (int t = 0; t < threads; t++) s += p[t * size];
    return s;
}

/* What statistics are computed with: `partial` are the sums and squares of each thread, `center` a block's mean of each. */
typedef struct {
    NAME(coefficients) k;
    double *partial;
    REAL *center, *base;
} NAME(statistics);

static NAME(statistics) NAME(take_statistics)(const images *s, const REAL *x, char **p, int threads) {
    const int64_t size = NAME(padded)(s->c);
    NAME(statistics) w;
    w.k = NAME(take_coefficients)(p, s->c);
    w.partial = (double *)aligned_take(p, 2 * threads * size * 8);
    w.center = (REAL *)aligned_take(p, (threads + 1) * size * (int64_t)sizeof(REAL));
    w.base = w.center + threads * size;
    if (s->channels_last) {
        memset(w.center, 0, (size_t)((threads + 1) * size) * sizeof(REAL));
        memset(w.partial, 0, (size_t)(2 * threads * size) * 8);
        memcpy(w.base, x, (size_t)s->c * sizeof(REAL));
    }
    return w;
}

/* NHWC, by all threads of a team: the statistics and what results are computed with. */
static void NAME(share_statistics)(const images *s, const NAME(statistics) *w, const REAL *x, const REAL *gamma, const REAL *beta,
                                   double eps, double *mean, double *inv_std) {
    const int t = thread_index(), team = team_size();
    const int64_t c = s->c, size = NAME(padded)(c), rows = s->n * s->plane;
    double *sums = w->partial + 2 * t * size;
    int64_t begin, end;
    share(rows, t, team, &begin, &end);
    NAME(statistics_of_rows)(x + begin * c, c, end - begin, w->center + t * size, w->base, sums, sums + size);
    share(c, t, team, &begin, &end);
#pragma omp barrier
    for (int64_t i = begin; i < end; i++) {
        NAME(moments)(w->base[i], NAME(of_threads)(w->partial + i, 2 * size, team),
                      NAME(of_threads)(w->partial + size + i, 2 * size, team), (double)rows, eps, mean + i, inv_std + i);
        NAME(set_channel)(&w->k, i, gamma, beta, mean[i], inv_std[i]);
    }
#pragma omp barrier
}

void NAME(batch_norm)(const images *s, const REAL *x, const REAL *gamma, const REAL *beta, const REAL *residual, double eps,
                      int activation, double slope, REAL *y, double *mean, double *inv_std, void *workspace, int threads) {
    const int64_t c = s->c, rows = s->n * s->plane, stride = c * s->plane;
    char *p = workspace;
    const NAME(statistics) w = NAME(take_statistics)(s, x, &p, threads);
    const NAME(coefficients) k = w.k;
    const NAME(mapping) map = {x, residual, y, activation, (REAL)slope};
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        const int t = thread_index(), team = team_size();
        int64_t begin, end, first, last;
        share(rows, t, team, &begin, &end);
        share(c, t, team, &first, &last);
        if (s->channels_last) {
            NAME(share_statistics)(s, &w, x, gamma, beta, eps, mean, inv_std);
            NAME(apply_to_rows)(&map, &k, c, begin, end);
        } else {
            for (int64_t j = first; j < last; j += PLANES) {
                const int64_t to = MIN(last, j + PLANES), at = j * s->plane;
                NAME(statistics_of_planes)(x + at, to - j, s->n, stride, s->plane, k.sums + j, k.squares + j);
                for (int64_t i = j; i < to; i++) {
                    NAME(moments)(x[i * s->plane], k.sums[i], k.squares[i], (double)rows, eps, mean + i, inv_std + i);
                    NAME(set_channel)(&k, i, gamma, beta, mean[i], inv_std[i]);
                }
                NAME(apply_to_planes)(&map, &k, j, to, at, s->n, stride, s->plane);
            }
        }
    }
}

void NAME(scale_shift)(const images *s, const REAL *x, const REAL *gamma, const REAL *beta, const REAL *residual, const double *mean,
                       const double *inv_std, int activation, double slope, REAL *y, void *workspace, int threads) {
    const int64_t c = s->c;
    char *p = workspace;
    const NAME(coefficients) k = NAME(take_coefficients)(&p, c);
    const NAME(mapping) map = {x, residual, y, activation, (REAL)slope};
    for (int64_t i = 0; i < c; i++) NAME(set_channel)(&k, i, gamma, beta, mean[i], inv_std[i]);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        const int t = thread_index(), team = team_size();
        int64_t begin, end;
        share(s->n * (s->channels_last ? s->plane : c), t, team, &begin, &end);
        if (s->channels_last)
            NAME(apply_to_rows)(&map, &k, c, begin, end);
        else
            for (int64_t i = begin; i < end; i++) NAME(apply_to_planes)(&map, &k, i % c, i % c + 1, i * s->plane, 1, 0, s->plane);
    }
}

/* A channel's gradients, and what dx is computed with, from the sums of g and of g (x - mean) over its n elements. */
INLINE void NAME(finish_channel)(const NAME(coefficients) *k, int64_t i, double sum, double product, const REAL *gamma, double mean,
                                 double inv_std, double n, REAL *dgamma, REAL *dbeta) {
    const double weight = gamma ? (double)gamma[i] : 1;
    product -= (mean - (double)k->mean[i]) * sum;
    dbeta[i] = (REAL)sum;
    dgamma[i] = (REAL)(product * inv_std);
    NAME(set_gradient)(k, i, mean, inv_std, weight * sum, weight * product, n);
}

void NAME(batch_norm_grad)(const images *s, const REAL *gy, const REAL *x, const REAL *y, const REAL *gamma, const REAL *beta,
                           const double *mean, const double *inv_std, int constant, int mask, int activation, double slope, REAL *dx,
                           REAL *dgamma, REAL *dbeta, REAL *g, void *workspace, int threads) {
    const int64_t c = s->c, size = NAME(padded)(c), rows = s->n * s->plane, stride = c * s->plane;
    char *p = workspace;
    const NAME(coefficients) k = NAME(take_coefficients)(&p, c);
    double *partial = (double *)aligned_take(&p, 2 * threads * size * 8);
    const NAME(gradient) first_pass = {gy, x, y, g, constant ? dx : 0, k.mean, k.scale, k.shift, 0, 0, (REAL)slope};
    /* What is in the first pass's `g` needs no mask in the second. */
    const NAME(gradient) second_pass = {g ? g : gy, x, 0, 0, 0, 0, 0, 0, 0, 0, (REAL)slope};
    const int second_mask = g ? MASK_NONE : mask;
    memset(partial, 0, (size_t)(2 * threads * size) * 8);
    for (int64_t i = 0; i < c; i++) NAME(set_channel)(&k, i, gamma, beta, mean[i], inv_std[i]);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        const int t = thread_index(), team = team_size();
        NAME(gradient) own = first_pass;
        int64_t begin, end, first, last;
        own.sums = partial + 2 * t * size;
        own.products = own.sums + size;
        share(rows, t, team, &begin, &end);
        share(c, t, team, &first, &last);
        if (s->channels_last) {
            NAME(gradient_of_rows)(&own, c, begin * c, end - begin, mask, activation);
#pragma omp barrier
        }
        /* NHWC: this thread's share of the channels at once. NCHW: group after group of planes, while they are in the cache. */
        for (int64_t j = first, step = s->channels_last ? c : PLANES; j < last; j += step) {
            const int64_t to = MIN(last, j + step), at = j * s->plane;
            if (!s->channels_last) NAME(gradient_of_planes)(&own, j, to, at, s->n, stride, s->plane, mask, activation);
            for (int64_t i = j; i < to; i++) {
                const double sum = s->channels_last ? NAME(of_threads)(partial + i, 2 * size, team) : own.sums[i];
                const double product = s->channels_last ? NAME(of_threads)(partial + size + i, 2 * size, team) : own.products[i];
                NAME(finish_channel)(&k, i, sum, product, gamma, mean[i], inv_std[i], (double)rows, dgamma, dbeta);
            }
            if (!s->channels_last && !constant)
                NAME(input_of_planes)(&second_pass, &k, dx, j, to, at, s->n, stride, s->plane, second_mask, activation);
        }
        if (s->channels_last && !constant) {
#pragma omp barrier
            NAME(input_of_rows)(&second_pass, &k, dx, c, begin, end, second_mask, activation);
        }
    }
}

void NAME(bias_grad)(const images *s, const REAL *gy, const REAL *y, int mask, int activation, double slope, REAL *g, REAL *db,
                     void *workspace, int threads) {
    const int64_t c = s->c, size = NAME(padded)(c), rows = s->n * s->plane;
    double *partial = workspace;
    memset(partial, 0, (size_t)(threads * size) * 8);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        const int t = thread_index(), team = team_size();
        const NAME(gradient) p = {gy, 0, y, g, 0, 0, 0, 0, partial + t * size, 0, (REAL)slope};
        int64_t begin, end;
        if (s->channels_last) {
            share(rows, t, team, &begin, &end);
            NAME(gradient_of_rows)(&p, c, begin * c, end - begin, mask, activation);
        } else {
            share(c, t, team, &begin, &end);
            for (int64_t j = begin; j < end; j += PLANES)
                NAME(gradient_of_planes)(&p, j, MIN(end, j + PLANES), j * s->plane, s->n, c * s->plane, s->plane, mask, activation);
        }
    }
    for (int64_t i = 0; i < c; i++) db[i] = (REAL)NAME(of_threads)(partial + i, size, threads);
}
