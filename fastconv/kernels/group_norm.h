/* Group normalisation in both memory formats (template: REAL, NAME, IS_DOUBLE). A group is neighbouring channels of one image; threads
 * share the images, in NCHW their groups. What a thread works on stays in its cache from the statistics to the result. */

/* Scratch of thread t, in which coefficients and sums are those of one image. */
static NAME(coefficients) NAME(own_coefficients)(char *workspace, int64_t c, int t) {
    char *p = workspace;
    NAME(coefficients) k = NAME(take_coefficients)(&p, c);
    const int64_t bytes = p - workspace;
    p = workspace + t * bytes;
    k = NAME(take_coefficients)(&p, c);
    return k;
}

/* The sums of a group's channels, each around its own `base`, as mean and 1 / sqrt(variance + eps) of the group. */
static void NAME(group_moments)(const REAL *base, int64_t base_step, const double *sums, const double *squares, int64_t channels,
                                double pixels, double eps, double *mean, double *inv_std) {
    double m = 0, total = 0;
    for (int64_t j = 0; j < channels; j++) m += base[j * base_step] + sums[j] / pixels;
    m /= (double)channels;
    for (int64_t j = 0; j < channels; j++) {
        const double own = sums[j] / pixels, d = base[j * base_step] + own - m, around = squares[j] - sums[j] * own;
        total += (around < 0 ? 0 : around) + pixels * d * d;
    }
    *mean = m;
    *inv_std = 1 / __builtin_sqrt(total / (pixels * (double)channels) + eps);
}

void NAME(group_norm)(const images *s, int64_t groups, const REAL *x, const REAL *gamma, const REAL *beta, double eps, int activation,
                      double slope, REAL *y, double *mean, double *inv_std, void *workspace, int threads) {
    const int64_t c = s->c, size = NAME(padded)(c), channels = c / groups, image = c * s->plane;
    const NAME(mapping) map = {x, 0, y, activation, (REAL)slope};
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        const NAME(coefficients) k = NAME(own_coefficients)(workspace, c, thread_index());
        int64_t begin, end;
        share(s->n * (s->channels_last ? 1 : groups), thread_index(), team_size(), &begin, &end);
        for (int64_t i = begin; i < end; i++) {
            if (s->channels_last) {
                const REAL *at = x + i * image;
                REAL *center = k.by_x, *base = k.offset; /* which only gradients use */
                memset(center, 0, (size_t)size * sizeof(REAL));
                memset(base, 0, (size_t)size * sizeof(REAL));
                memset(k.sums, 0, (size_t)size * 8);
                memset(k.squares, 0, (size_t)size * 8);
                memcpy(base, at, (size_t)c * sizeof(REAL));
                NAME(statistics_of_rows)(at, c, s->plane, center, base, k.sums, k.squares);
                for (int64_t g = 0; g < groups; g++) {
                    const int64_t j = g * channels, of = i * groups + g;
                    NAME(group_moments)(base + j, 1, k.sums + j, k.squares + j, channels, (double)s->plane, eps, mean + of, inv_std + of);
                    for (int64_t q = j; q < j + channels; q++) NAME(set_channel)(&k, q, gamma, beta, mean[of], inv_std[of]);
                }
                NAME(apply_to_rows)(&map, &k, c, i * s->plane, (i + 1) * s->plane);
            } else {
                const int64_t first = i % groups * channels, last = first + channels, at = i * channels * s->plane;
                for (int64_t j = 0; j < channels; j += PLANES)
                    NAME(statistics_of_planes)(x + at + j * s->plane, MIN(channels - j, PLANES), 1, 0, s->plane, k.sums + j, k.squares + j);
                NAME(group_moments)(x + at, s->plane, k.sums, k.squares, channels, (double)s->plane, eps, mean + i, inv_std + i);
                for (int64_t q = first; q < last; q++) NAME(set_channel)(&k, q, gamma, beta, mean[i], inv_std[i]);
                NAME(apply_to_planes)(&map, &k, first, last, at, 1, 0, s->plane);
            }
        }
    }
}

void NAME(group_norm_grad)(const images *s, int64_t groups, const REAL *gy, const REAL *x, const REAL *gamma, const REAL *beta,
                           const double *mean, const double *inv_std, int mask, int activation, double slope, REAL *dx, REAL *dgamma,
                           REAL *dbeta, void *workspace, int threads) {
    const int64_t c = s->c, size = NAME(padded)(c), channels = c / groups;
    char *p = workspace;
    /* Of each thread the sums of its images: dgamma, dbeta. */
    double *const partial = (double *)aligned_take(&p, 2 * threads * size * 8);
    memset(partial, 0, (size_t)(2 * threads * size) * 8);
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        const int t = thread_index();
        const NAME(coefficients) k = NAME(own_coefficients)(p, c, t);
        const NAME(gradient) own = {gy, x, 0, 0, 0, k.mean, k.scale, k.shift, k.sums, k.squares, (REAL)slope};
        double *const by_gamma = partial + 2 * t * size, *const by_beta = by_gamma + size;
        int64_t begin, end;
        /* In NCHW an item is one group, else all of an image. */
        const int64_t parts = s->channels_last ? 1 : groups;
        share(s->n * parts, t, team_size(), &begin, &end);
        for (int64_t i = begin; i < end; i++) {
            const int64_t image = i / parts, first = i % parts * (c / parts), last = first + c / parts, at = (image * c + first) * s->plane;
            for (int64_t j = first; j < last; j++) {
                const int64_t of = image * groups + j / channels;
                NAME(set_channel)(&k, j, gamma, beta, mean[of], inv_std[of]);
            }
            memset(k.sums, 0, (size_t)size * 8);
            memset(k.squares, 0, (size_t)size * 8);
            if (s->channels_last)
                NAME(gradient_of_rows)(&own, c, at, s->plane, mask, activation);
            else
                for (int64_t j = first; j < last; j += PLANES)
                    NAME(gradient_of_planes)(&own, j, MIN(last, j + PLANES), at + (j - first) * s->plane, 1, 0, s->plane, mask, activation);
            for (int64_t j = first; j < last; j += channels) {
                const int64_t of = image * groups + j / channels;
                double sum = 0, product = 0;
                for (int64_t q = j; q < j + channels; q++) {
                    const double weight = gamma ? (double)gamma[q] : 1;
                    const double own_product = k.squares[q] - (mean[of] - (double)k.mean[q]) * k.sums[q];
                    by_gamma[q] += own_product * inv_std[of];
                    by_beta[q] += k.sums[q];
                    sum += weight * k.sums[q];
                    product += weight * own_product;
                }
                for (int64_t q = j; q < j + channels; q++)
                    NAME(set_gradient)(&k, q, mean[of], inv_std[of], sum, product, (double)(channels * s->plane));
            }
            if (s->channels_last)
                NAME(input_of_rows)(&own, &k, dx, c, i * s->plane, (i + 1) * s->plane, mask, activation);
            else
                NAME(input_of_planes)(&own, &k, dx, first, last, at, 1, 0, s->plane, mask, activation);
        }
    }
    for (int64_t i = 0; i < c; i++) {
        dgamma[i] = (REAL)NAME(of_threads)(partial + i, 2 * size, threads);
        dbeta[i] = (REAL)NAME(of_threads)(partial + size + i, 2 * size, threads);
    }
}
