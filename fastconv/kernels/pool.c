#include "pool_plan.h"

#define TEMPLATE "pool.h"
#include "each_type.h"

int64_t pool_workspace(const geometry *g, const int64_t *rows, int backward, int itemsize, int threads) {
    const int lanes = SIMD_BYTES / itemsize;
    return pool_pairs_suit(g, lanes) ? 0 : pool_plan_of(g, rows, backward, lanes, itemsize).bytes * threads;
}
