#define TEMPLATE "norm.h"
#include "each_type.h"

int64_t norm_workspace(const images *s, int itemsize, int threads) {
    const int64_t size = ROUND_UP(s->c, SIMD_BYTES / 4);
    /* Five coefficients and two sums; of each thread two sums, a mean, and the origin. */
    return 16 * CACHE_LINE + size * (5 * itemsize + 2 * 8 + 2 * 8 * threads + (threads + 1) * itemsize);
}
