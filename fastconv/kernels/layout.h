/* Whole images from one memory format into the other (template: REAL, NAME, IS_DOUBLE). */
#ifndef FASTCONV_LAYOUT_H
#define FASTCONV_LAYOUT_H

#include <stdint.h>

/* b[n][j][i] = a[n][i][j] for i < rows, j < columns. */
void swap_axes_f32(const float *a, float *b, int64_t n, int64_t rows, int64_t columns, int threads);
void swap_axes_f64(const double *a, double *b, int64_t n, int64_t rows, int64_t columns, int threads);

#endif

#ifdef REAL
#include "transpose.h"

/* Columns taken at a time: runs of a few cache lines in `a`, and whole lines in `b`. */
enum { NAME(LAYOUT_COLUMNS) = 4 * VL };

void NAME(swap_axes)(const REAL *a, REAL *b, int64_t n, int64_t rows, int64_t columns, int threads) {
    const int64_t strips = CEIL_DIV(columns, NAME(LAYOUT_COLUMNS));
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t item = 0; item < n * strips; item++) {
        const int64_t image = item / strips, j = item % strips * NAME(LAYOUT_COLUMNS);
        NAME(transpose)(a + image * rows * columns + j, columns, rows, MIN(NAME(LAYOUT_COLUMNS), columns - j),
                        b + (image * columns + j) * rows, rows);
    }
}

#endif
