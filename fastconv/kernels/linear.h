/* C = A B with bias and activation, for fully connected layers and their gradients (template: REAL, NAME, IS_DOUBLE).
 *
 * A is packed a register tile and a block of the sum at a time, from rows or from columns; B is read where it lies, but for its last
 * columns, whose vectors would reach beyond its end.
 */
#ifndef FASTCONV_LINEAR_H
#define FASTCONV_LINEAR_H

#include <stdint.h>

/* Steps of the sum per pass: a tile of A in the first-level cache, a block of a few hundred columns of B in the second. */
enum { LINEAR_BLOCK = 512 };

/* C: rows x columns; A(i, p) = a[i * a_row + p * a_step], of which one step is 1; B: depth x columns, C-contiguous; bias: a value per
 * column, or NULL. */
void linear_f32(const float *a, int64_t a_row, int64_t a_step, const float *b, float *c, int64_t rows, int64_t columns, int64_t depth,
                const float *bias, int activation, float slope, int threads);
void linear_f64(const double *a, int64_t a_row, int64_t a_step, const double *b, double *c, int64_t rows, int64_t columns,
                int64_t depth, const double *bias, int activation, double slope, int threads);

#endif

#ifdef REAL
#include "gemm.h"
#include "transpose.h"

/* One block of the sum for rows [r0, r1) and columns [j0, j1). */
static void NAME(linear_block)(const REAL *a, int64_t a_row, int64_t a_step, const REAL *b, REAL *c, int64_t r0, int64_t r1, int64_t j0,
                               int64_t j1, int64_t columns, int64_t depth, const REAL *bias, int first, int activation, REAL slope) {
    REAL tile[GEMM_MR * LINEAR_BLOCK] __attribute__((aligned(SIMD_BYTES)));
    REAL tail[NR * LINEAR_BLOCK] __attribute__((aligned(SIMD_BYTES)));
    const int64_t partial = j1 == columns ? columns % NR : 0;
    for (int64_t p = 0; p < depth && partial; p++)
        for (int64_t j = 0; j < NR; j += VL)
            *(vec *)(tail + p * NR + j) = NAME(load_n)(b + p * columns + columns - partial + j, partial - j);
    for (int64_t i = r0; i < r1; i += GEMM_MR) {
        const int rows = (int)MIN(GEMM_MR, r1 - i);
        if (a_step == 1)
            NAME(transpose)(a + i * a_row, a_row, rows, depth, tile, rows);
        else
            for (int64_t p = 0; p < depth; p++) memcpy(tile + p * rows, a + i + p * a_step, rows * sizeof(REAL));
        for (int64_t j = j0; j < j1; j += NR) {
            const int whole = j + NR <= columns;
            REAL *out[GEMM_MR];
            for (int r = 0; r < rows; r++) out[r] = c + (i + r) * columns + j;
            if (first && bias)
                for (int r = 0; r < rows; r++) memcpy(out[r], bias + j, MIN(NR, columns - j) * sizeof(REAL));
            const NAME(segment) segment = {tile, whole ? b + j : tail, depth};
            const NAME(sink) sink = {out, MIN(NR, columns - j), NULL, bias || !first, activation, slope};
            NAME(outer)(rows, &segment, 1, rows, whole ? columns : NR, &sink);
        }
    }
}

void NAME(linear)(const REAL *a, int64_t a_row, int64_t a_step, const REAL *b, REAL *c, int64_t rows, int64_t columns, int64_t depth,
                  const REAL *bias, int activation, REAL slope, int threads) {
    const int64_t tiles = CEIL_DIV(rows, GEMM_MR), panels = CEIL_DIV(columns, NR);
    const int by_rows = tiles >= panels;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int64_t begin, end;
        share(by_rows ? tiles : panels, thread_index(), team_size(), &begin, &end);
        const int64_t r0 = by_rows ? begin * GEMM_MR : 0, r1 = by_rows ? MIN(rows, end * GEMM_MR) : rows;
        const int64_t j0 = by_rows ? 0 : begin * NR, j1 = by_rows ? columns : MIN(columns, end * NR);
        for (int64_t p = 0; p < depth && r0 < r1 && j0 < j1; p += LINEAR_BLOCK) {
            const int last = p + LINEAR_BLOCK >= depth;
            NAME(linear_block)(a + p * a_step, a_row, a_step, b + p * columns, c, r0, r1, j0, j1, columns, MIN(LINEAR_BLOCK, depth - p),
                               bias, p == 0, last ? activation : ACT_NONE, slope);
        }
    }
}

#endif
