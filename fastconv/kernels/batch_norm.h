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

void NAME(batch_norm)(const images *s, const REAL *x, const REAL *gamma, const REAL *beta, const REAL *residual, double eps,
                      int activation, double slope, REAL *y, double *mean, double *inv_std, void *workspace, int threads) {
    const int64_t c = s->c, size = NAME(padded)(c), rows = s->n * s->plane, stride = c * s->plane;
    char *p = workspace;
    const NAME(coefficients) k = NAME(take_coefficients)(&p, c);
    double *partial = (double *)aligned_take(&p, 2 * threads * size * 8);
    REAL *center = (REAL *)aligned_take(&p, (threads + 1) * size * (int64_t)sizeof(REAL)), *base = center + threads * size;
    const NAME(mapping) map = {x, residual, y, activation, (REAL)slope};
    if (s->channels_last) {
        memset(center, 0, (size_t)((threads + 1) * size) * sizeof(REAL));
        memset(partial, 0, (size_t)(2 * threads * size) * 8);
        memcpy(base, x, (size_t)c * sizeof(REAL));
    }
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        const int t = thread_index(), team = team_size();
        int64_t begin, end, first, last;
        share(rows, t, team, &begin, &end);
        share(c, t, team, &first, &last);
        if (s->channels_last) {
            double *sums = partial + 2 * t * size;
            NAME(statistics_of_rows)(x + begin * c, c, end - begin, center + t * size, base, sums, sums + size);
#pragma omp barrier
            for (int64_t i = first; i < last; i++) {
                NAME(moments)(base[i], NAME(of_threads)(partial + i, 2 * size, team), NAME(of_threads)(partial + size + i, 2 * size, team),
                              (double)rows, eps, mean + i, inv_std + i);
                NAME(set_channel)(&k, i, gamma, beta, mean[i], inv_std[i]);
            }
#pragma omp barrier
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
                double product = s->channels_last ? NAME(of_threads)(partial + size + i, 2 * size, team) : own.products[i];
                product -= (mean[i] - (double)k.mean[i]) * sum;
                dbeta[i] = (REAL)sum;
                dgamma[i] = (REAL)(product * inv_std[i]);
                const double weight = gamma ? (double)gamma[i] : 1;
                NAME(set_gradient)(&k, i, mean[i], inv_std[i], weight * sum, weight * product, (double)rows);
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
