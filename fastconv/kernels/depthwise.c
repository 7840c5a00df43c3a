#include "depthwise_plan.h"

#define TEMPLATE "depthwise.h"
#include "each_type.h"

int64_t depthwise_workspace(const geometry *g, int direction, int itemsize, int threads) {
    const int lanes = SIMD_BYTES / itemsize;
    if (dw_planes_suit(g, direction, lanes)) return 0;
    if (dw_pixels_suit(g, lanes))
        return (dw_pixels_ring(g, direction, itemsize) + (direction == DW_WEIGHT_GRAD ? dw_pixels_sums(g, lanes) : 0)) * threads;
    return dw_layout_of(g, direction, lanes, threads).bytes * threads;
}

int depthwise_direct(const geometry *g, int direction, int itemsize) {
    return dw_planes_suit(g, direction, SIMD_BYTES / itemsize) || dw_pixels_suit(g, SIMD_BYTES / itemsize);
}

int64_t depthwise_chain(const geometry *g, int itemsize) {
    const int lanes = SIMD_BYTES / itemsize;
    if (dw_planes_suit(g, DW_WEIGHT_GRAD, lanes)) return g->n * g->oh * CEIL_DIV(g->ow, lanes) + lanes;
    if (dw_pixels_suit(g, lanes)) return dw_pixels_chain_f32(g); /* the same for every type */
    const int64_t strip = dw_layout_of(g, DW_WEIGHT_GRAD, lanes, 1).strip;
    return strip * g->ow + g->n * CEIL_DIV(g->oh, strip);
}
