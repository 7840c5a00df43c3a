#define TEMPLATE "norm.h"
#include "each_type.h"

int64_t norm_workspace(const images *s, int itemsize, int threads) {
    const int64_t size = ROUND_UP(s->c, SIMD_BYTES / 4);
    /* Of each thread: five coefficients, a block's mean, and two sums twice; and the origin of all sums. */
    return threads * (size * (6 * itemsize + 4 * 8) + 12 * CACHE_LINE) + size * itemsize;
}
