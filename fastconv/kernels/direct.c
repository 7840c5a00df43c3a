/* Direct convolution for both element types; see direct.h and direct_weight.h. */
#define TEMPLATE "direct_all.h"
#include "each_type.h"
#include "direct_api.h"

/* Whether `direct` has pixels in the lanes: of few channels in planes. */
static int few_planes(const geometry *s, int input_grad, int is_double) {
    const int64_t item = is_double ? 8 : 4;
    const geometry f = few_geometry(s, input_grad);
    return has_few_channels(s, input_grad, item) && few_lanes(&f, item);
}

/* The same convolution of fewer, longer runs of pixels. Where every output is of the pixel in its place, an image is one row. Channels-last
 * patches that tile a row, as a ViT's stem has them: the values of a kernel row lie together, so they are channels of a kernel of one
 * column. Packed filters are the same, unless channels are in the lanes. */
static geometry merged(const geometry *s, int input_grad, int is_double) {
    const int64_t item = is_double ? 8 : 4;
    geometry m = *s;
    if (is_pointwise(s)) {
        m.h = m.oh = 1, m.w = m.ow = s->h * s->w;
        return m;
    }
    if (input_grad || !s->channels_last || s->g > 1 || s->sw != s->kw || s->dw > 1 || s->pl || s->w != s->ow * s->kw) return m;
    m.c = s->c * s->kw, m.w = s->ow, m.kw = m.sw = 1;
    const operands apart = operands_of(s, 0), together = operands_of(&m, 0);
    return layout_of(&apart, 1, item).kind == CHANNELS || layout_of(&together, 1, item).kind == CHANNELS ? *s : m;
}

int direct_has_few_channels(const geometry *s, int input_grad, int is_double) {
    const geometry m = merged(s, input_grad, is_double);
    return has_few_channels(&m, input_grad, is_double ? 8 : 4);
}

int direct_reads_points(const geometry *s, int input_grad, int is_double) { return reads_points(s, input_grad, is_double ? 8 : 4); }

int64_t direct_packed_size(const geometry *s, int input_grad, int pixel_lanes, int is_double) {
    const operands o = operands_of(s, input_grad);
    const filter_layout l = layout_of(&o, s->g, is_double ? 8 : 4);
    pixel_lanes |= few_planes(s, input_grad, is_double);
    return s->kh * s->kw * (pixel_lanes ? o.depth * s->g * o.columns : l.depth * panels_of(&l, s->g) * l.width);
}

int64_t direct_pack_workspace(const geometry *s) {
    const int64_t taps = s->kh * s->kw;
    const int64_t row = MAX(2 * SIMD_BYTES, ROUND_UP(GEMM_MR * (int64_t)sizeof(double), SIMD_BYTES));
    return taps * (int64_t)(sizeof(tap) + sizeof(tap_place) + sizeof(int64_t)) + MAX(PACK_CHANNELS * taps, PACK_LANES) * row + SIMD_BYTES;
}

void direct_pack(const geometry *s, int input_grad, int pixel_lanes, int is_double, const void *w, void *packed, void *workspace) {
    const int few = !pixel_lanes && few_planes(s, input_grad, is_double);
    const int windows = few || reads_points(s, input_grad, is_double ? 8 : 4);
    if (pixel_lanes || few)
        (is_double ? direct_pack_pixels_f64 : direct_pack_pixels_f32)(s, input_grad, windows ? WINDOW_ROWS : GEMM_MR, few, w, packed,
                                                                      workspace);
    else
        (is_double ? direct_pack_filters_f64 : direct_pack_filters_f32)(s, input_grad, w, packed, workspace);
}

int64_t direct_workspace(const geometry *s, int input_grad, int pixel_lanes, int is_double, int threads) {
    const geometry m = merged(s, input_grad, is_double);
    return (is_double ? direct_workspace_f64 : direct_workspace_f32)(&m, input_grad, pixel_lanes, threads);
}

void direct_run(const geometry *s, int input_grad, int pixel_lanes, int is_double, const void *x, const void *packed,
                const void *bias, int activation, double slope, void *out, void *workspace, int threads) {
    const geometry m = merged(s, input_grad, is_double);
    if (is_double)
        direct_run_f64(&m, input_grad, pixel_lanes, x, packed, bias, activation, slope, out, workspace, threads);
    else
        direct_run_f32(&m, input_grad, pixel_lanes, x, packed, bias, activation, (float)slope, out, workspace, threads);
}

pixel_weight_work direct_pixel_weight_work(const geometry *s, int is_double) {
    const pixel_strip p = plan_pixel_strip(s, is_double ? 8 : 4, 1);
    const int64_t filters = s->k / s->g;
    return (pixel_weight_work){.strips = p.strips,
                               .runs = s->n * (p.wide ? s->oh : p.parts),
                               .run = p.wide ? s->ow : CEIL_DIV(s->oh, p.parts) * s->ow,
                               .planes = p.vertical * p.across,
                               .rows = s->n * (s->oh + p.parts * p.more),
                               .width = p.width,
                               .tile_rows = MIN(filters, INNER_ROWS),
                               .tile_columns = inner_columns(filters)};
}

int direct_weight_has_channel_lanes(const geometry *s, int is_double) { return has_channel_lanes(s, is_double ? 8 : 4); }

int64_t direct_weight_grad_workspace(const geometry *s, int pixel_lanes, int is_double, int threads) {
    if (pixel_lanes) return (is_double ? pixel_weight_workspace_f64 : pixel_weight_workspace_f32)(s, threads);
    return (is_double ? weight_grad_workspace_f64 : weight_grad_workspace_f32)(s, threads);
}

void direct_weight_grad(const geometry *s, int pixel_lanes, int is_double, const void *x, const void *gy, void *dw, void *workspace,
                        int threads) {
    if (pixel_lanes && is_double)
        pixel_weight_grad_f64(s, x, gy, dw, workspace, threads);
    else if (pixel_lanes)
        pixel_weight_grad_f32(s, x, gy, dw, workspace, threads);
    else if (is_double)
        direct_weight_grad_f64(s, x, gy, dw, workspace, threads);
    else
        direct_weight_grad_f32(s, x, gy, dw, workspace, threads);
}
