/* Winograd convolution for both element types; see winograd.h. */
#define TEMPLATE "winograd.h"
#include "each_type.h"
#include "winograd_api.h"
#ifdef MATRIX_UNITS
#include "winograd_row_split.h"

winograd_split_amounts winograd_split_work(const geometry *s, int tile, int direction, int parts, int threads) {
    return (tile == ROW_TILES ? row_split_work : square_split_work)(s, direction, parts, threads);
}

int64_t winograd_split_workspace(const geometry *s, int tile, int direction, int parts, int threads) {
    return (tile == ROW_TILES ? row_split_workspace : square_split_workspace)(s, direction, parts, threads);
}

int64_t winograd_split_packed_bytes(const geometry *s, int tile, int direction, int parts) {
    return (tile == ROW_TILES ? row_split_packed_bytes : square_split_packed_bytes)(s, direction, parts);
}

int64_t winograd_split_pack_workspace(int tile, int threads) {
    return (tile == ROW_TILES ? row_split_pack_workspace : square_split_pack_workspace)(threads);
}

void winograd_split_pack(const geometry *s, int tile, int direction, int parts, const float *w, char *packed, void *workspace,
                         int threads) {
    (tile == ROW_TILES ? row_split_pack : square_split_pack)(s, direction, parts, w, packed, workspace, threads);
}

int winograd_split_run(const geometry *s, int tile, int direction, int parts, const float *x, const char *packed, const float *bias,
                       int activation, float slope, float *out, void *workspace, int threads) {
    return (tile == ROW_TILES ? row_split_run : square_split_run)(s, direction, parts, x, packed, bias, activation, slope, out, workspace,
                                                                  threads);
}
#endif

int winograd_has_few_channels(const geometry *s, int direction, int m) { return winograd_few_suits(s, direction, m); }

int64_t winograd_packed_size(const geometry *s, int direction, int m, int is_double) {
    const int64_t depth = (direction ? s->k : s->c) / s->g, columns = (direction ? s->c : s->k) / s->g;
    return s->g * wino_points(s, m) * wino_u_plane(depth, columns, is_double ? sizeof(double) : sizeof(float));
}

void winograd_pack(const geometry *s, int direction, int m, int is_double, const void *w, void *packed, int threads) {
    if (winograd_few_suits(s, direction, m))
        (is_double ? few_pack_f64(s, direction, w, packed) : few_pack_f32(s, direction, w, packed));
    else if (is_double)
        wino_pack_f64(s, direction, m, w, packed, threads);
    else
        wino_pack_f32(s, direction, m, w, packed, threads);
}

int64_t winograd_workspace(const geometry *s, int direction, int fused, int m, int64_t block_tiles, int is_double, int threads) {
    if (direction == 2) return (is_double ? wino_weight_workspace_f64 : wino_weight_workspace_f32)(s, m, block_tiles, threads);
    if (fused) return (is_double ? wino_fused_workspace_f64 : wino_fused_workspace_f32)(s, direction, m, block_tiles, threads);
    if (winograd_few_suits(s, direction, m)) return (is_double ? few_workspace_f64 : few_workspace_f32)(s, direction, threads);
    return (is_double ? wino_workspace_f64 : wino_workspace_f32)(s, direction, m, block_tiles, threads);
}

void winograd_run(const geometry *s, int direction, int fused, int m, int64_t block_tiles, int is_double, const void *x,
                  const void *filters, const void *bias, int activation, double slope, void *out, void *workspace, int threads) {
    if (direction == 2 && is_double)
        wino_weight_grad_f64(s, m, block_tiles, x, filters, out, workspace, threads);
    else if (direction == 2)
        wino_weight_grad_f32(s, m, block_tiles, x, filters, out, workspace, threads);
    else if (!fused && winograd_few_suits(s, direction, m) && is_double)
        few_run_f64(s, direction, x, filters, bias, activation, slope, out, workspace, threads);
    else if (!fused && winograd_few_suits(s, direction, m))
        few_run_f32(s, direction, x, filters, bias, activation, (float)slope, out, workspace, threads);
    else if (is_double)
        (fused ? wino_run_fused_f64 : wino_run_f64)(s, direction, m, block_tiles, x, filters, bias, activation, slope, out, workspace,
                                                    threads);
    else
        (fused ? wino_run_fused_f32 : wino_run_f32)(s, direction, m, block_tiles, x, filters, bias, activation, (float)slope, out,
                                                    workspace, threads);
}

void winograd_matrix(int kind, int m, int r, int is_double, void *matrix) {
    if (is_double)
        wino_matrix_f64(kind, m, r, matrix);
    else
        wino_matrix_f32(kind, m, r, matrix);
}
