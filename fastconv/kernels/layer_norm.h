/* Layer normalisation: rows of d elements, each with a scale and a shift of its own (template: REAL, NAME, IS_DOUBLE). Threads share
 * the rows; a row stays in the cache from its statistics to its result. */

void NAME(layer_norm)(int64_t rows, int64_t d, const REAL *x, const REAL *gamma, const REAL *beta, double eps, REAL *y, double *mean,
                      double *inv_std, int threads) {
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t r = 0; r < rows; r++) {
        const REAL *from = x + r * d;
        REAL *to = y + r * d;
        double sums, squares;
        NAME(statistics_of_planes)(from, 1, 1, 0, d, &sums, &squares);
        NAME(moments)(*from, sums, squares, (double)d, eps, mean + r, inv_std + r);
        const REAL m = (REAL)mean[r], rest = (REAL)(mean[r] - (double)m), scale = (REAL)inv_std[r];
        for (int64_t i = 0; i < d; i += VL) {
            vec v = (NAME(load_n)(from + i, d - i) - m - rest) * scale;
            if (gamma) v *= NAME(load_n)(gamma + i, d - i);
            if (beta) v += NAME(load_n)(beta + i, d - i);
            NAME(store_n)(to + i, v, d - i);
        }
    }
}

/* sums: scratch of `threads` times 2 * ROUND_UP(d, VL) float64 and as many elements, in this order. */
void NAME(layer_norm_grad)(int64_t rows, int64_t d, const REAL *gy, const REAL *x, const REAL *gamma, const double *mean,
                           const double *inv_std, REAL *dx, REAL *dgamma, REAL *dbeta, void *workspace, int threads) {
    const int64_t size = ROUND_UP(d, VL);
    double *const totals = workspace;
    REAL *const blocks = (REAL *)(totals + 2 * threads * size);
    memset(totals, 0, (size_t)(2 * threads * size) * 8);
    memset(blocks, 0, (size_t)(2 * threads * size) * sizeof(REAL));
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        const int t = thread_index();
        double *const total = totals + 2 * t * size;
        REAL *const block = blocks + 2 * t * size; /* dgamma, dbeta of the last SUM_BLOCK rows */
        int64_t begin, end;
        share(rows, t, team_size(), &begin, &end);
        for (int64_t r = begin; r < end; r++) {
            const REAL *from = x + r * d, *g = gy + r * d;
            REAL *to = dx + r * d;
            const REAL m = (REAL)mean[r], rest = (REAL)(mean[r] - (double)m), scale = (REAL)inv_std[r];
            double sum = 0, product = 0;
            for (int64_t i = 0; i < d;) {
                vec sums[2] = {{0}, {0}};
                for (const int64_t stop = MIN(d, i + SUM_BLOCK * VL); i < stop; i += VL) {
                    const vec normalised = (NAME(load_n)(from + i, d - i) - m - rest) * scale, own = NAME(load_n)(g + i, d - i);
                    vec v = own;
                    if (gamma) v *= NAME(load_n)(gamma + i, d - i);
                    sums[0] += v;
                    sums[1] += v * normalised;
                    *(vec *)(block + i) += own * normalised;
                    *(vec *)(block + size + i) += own;
                }
                sum += NAME(sum_lanes)(sums[0]);
                product += NAME(sum_lanes)(sums[1]);
            }
            const REAL by_sum = (REAL)(sum / (double)d), by_product = (REAL)(product / (double)d);
            for (int64_t i = 0; i < d; i += VL) {
                const vec normalised = (NAME(load_n)(from + i, d - i) - m - rest) * scale, own = NAME(load_n)(g + i, d - i);
                vec v = own;
                if (gamma) v *= NAME(load_n)(gamma + i, d - i);
                NAME(store_n)(to + i, (v - by_sum - normalised * by_product) * scale, d - i);
            }
            if ((r - begin) % SUM_BLOCK != SUM_BLOCK - 1 && r != end - 1) continue;
            for (int64_t i = 0; i < 2 * size; i += WL) NAME(wide_store)(total + i, NAME(wide_load)(total + i) + NAME(widen)(block + i));
            memset(block, 0, (size_t)(2 * size) * sizeof(REAL));
        }
    }
    for (int64_t i = 0; i < d; i++) {
        dgamma[i] = (REAL)NAME(of_threads)(totals + i, 2 * size, threads);
        dbeta[i] = (REAL)NAME(of_threads)(totals + size + i, 2 * size, threads);
    }
}
