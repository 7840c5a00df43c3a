#include "depthwise_plan.h"

#define TEMPLATE "depthwise.h"
#include "each_type.h"

int64_t depthwise_workspace(const geometry *g, int direction, int itemsize, int threads) {
    const int lanes = SIMD_BYTES / itemsize;
    if (dw_planes_suit(g, direction, lanes)) return 0;
    if (dw_pixels_suit(g, direction, lanes)) return dw_pixels_ring(g, direction, itemsize) * threads;
    return dw_layout_of(g, direction, lanes, threads).bytes * threads;
}

int depthwise_direct(const geometry *g, int direction, int itemsize) {
    return dw_planes_suit(g, direction, SIMD_BYTES / itemsize) || dw_pixels_suit(g, direction, SIMD_BYTES / itemsize);
}

int64_t depthwise_strip_rows(const geometry *g, int itemsize) {
    return dw_layout_of(g, DW_WEIGHT_GRAD, SIMD_BYTES / itemsize, 1).strip;
}
