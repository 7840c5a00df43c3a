#include "depthwise_plan.h"

#define TEMPLATE "depthwise.h"
#include "each_type.h"

int64_t depthwise_workspace(const geometry *g, int direction, int itemsize, int threads) {
    if (dw_planes_suit(g, direction, SIMD_BYTES / itemsize)) return 0;
    return dw_layout_of(g, direction, SIMD_BYTES / itemsize, threads).bytes * threads;
}

int64_t depthwise_strip_rows(const geometry *g, int itemsize) {
    return dw_layout_of(g, DW_WEIGHT_GRAD, SIMD_BYTES / itemsize, 1).strip;
}
