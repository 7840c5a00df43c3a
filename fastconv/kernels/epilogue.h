/* Bias and activation applied in place to a block of finished sums, while it is in cache (template: REAL, NAME, IS_DOUBLE). */
#ifndef FASTCONV_EPILOGUE_H
#define FASTCONV_EPILOGUE_H

#include <stdint.h>

/* Where element (row, column) of the block finds its bias; a null bias pointer means none. */
enum {
    BIAS_PER_ROW,   /* NCHW: a row holds pixels of one channel */
    BIAS_PER_COLUMN /* NHWC: a row holds the channels of one pixel */
};

/* y: rows x columns elements, rows `ld` elements apart. */
void epilogue_f32(float *y, int64_t rows, int64_t columns, int64_t ld, const float *bias, int axis, int activation, float slope);
void epilogue_f64(double *y, int64_t rows, int64_t columns, int64_t ld, const double *bias, int axis, int activation,
                  double slope);

#endif

#ifdef REAL

INLINE void NAME(epilogue_row)(REAL *y, int64_t columns, const REAL *bias, int axis, int activation, REAL slope) {
    const vec of_row = bias && axis == BIAS_PER_ROW ? NAME(splat)(*bias) : (vec){0};
    const int by_column = bias && axis == BIAS_PER_COLUMN;
    for (int64_t j = 0; j < columns; j += VL) {
        vec b = by_column ? NAME(load_n)(bias + j, columns - j) : of_row;
        NAME(store_n)(y + j, NAME(activate)(NAME(load_n)(y + j, columns - j) + b, activation, slope), columns - j);
    }
}

void NAME(epilogue)(REAL *y, int64_t rows, int64_t columns, int64_t ld, const REAL *bias, int axis, int activation, REAL slope) {
    if (!bias && activation == ACT_NONE) return;
/* A constant activation lets the compiler drop the switch from the loop. */
#define ROWS(code)                                                                                                  \
    for (int64_t i = 0; i < rows; i++)                                                                              \
        NAME(epilogue_row)(y + i * ld, columns, bias && axis == BIAS_PER_ROW ? bias + i : bias, axis, code, slope); \
    break
    switch (activation) {
    case ACT_RELU: ROWS(ACT_RELU);
    case ACT_RELU6: ROWS(ACT_RELU6);
    case ACT_LEAKY_RELU: ROWS(ACT_LEAKY_RELU);
    case ACT_SIGMOID: ROWS(ACT_SIGMOID);
    case ACT_SILU: ROWS(ACT_SILU);
    default: ROWS(ACT_NONE);
    }
#undef ROWS
}

#endif
