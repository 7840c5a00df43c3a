/* The loops of textbooks, one operation at a time, and one of them with vectors: what is gained by other ways is measured against
 * these (template: REAL, NAME). No layer runs them. */
#ifndef FASTCONV_LOOPS_H
#define FASTCONV_LOOPS_H

#include "geometry.h"

#define DECLARE(REAL, SUFFIX)                                                                                            \
    /* Seven loops around one multiply-add: NCHW, any stride, no padding, dilation or groups. */                         \
    void loops_convolve##SUFFIX(const geometry *s, const REAL *x, const REAL *w, REAL *y);                               \
    /* Multiplies an array by a number, in the order of rows; steps are in elements, and those of the rows may be 0. */  \
    void loops_scale##SUFFIX(int64_t rows, int64_t columns, int64_t row_step, int64_t column_step, REAL factor, REAL *x); \
    /* The same by vectors: columns are contiguous. */                                                                   \
    void loops_scale_vectors##SUFFIX(int64_t rows, int64_t columns, int64_t row_step, REAL factor, REAL *x);
DECLARE(float, _f32)
DECLARE(double, _f64)
#undef DECLARE

/* Clang would make vectors of these loops; GCC is told not to for all of the kernels (setup.py). */
#ifdef __clang__
#define ONE_AT_A_TIME _Pragma("clang loop vectorize(disable) interleave(disable)")
#else
#define ONE_AT_A_TIME
#endif

/* Rows may be the same memory again: a pass over it is not to be merged with the next. */
#define PASS_ENDS __asm__ volatile("" ::: "memory")

#endif

#ifdef REAL

void NAME(loops_convolve)(const geometry *s, const REAL *x, const REAL *w, REAL *y) {
    for (int64_t n = 0; n < s->n; n++)
        for (int64_t k = 0; k < s->k; k++)
            for (int64_t i = 0; i < s->oh; i++)
                for (int64_t j = 0; j < s->ow; j++) {
                    REAL sum = 0;
                    for (int64_t c = 0; c < s->c; c++)
                        for (int64_t a = 0; a < s->kh; a++) {
                            const REAL *px = x + ((n * s->c + c) * s->h + i * s->sh + a) * s->w + j * s->sw;
                            const REAL *pw = w + ((k * s->c + c) * s->kh + a) * s->kw;
                            ONE_AT_A_TIME
                            for (int64_t b = 0; b < s->kw; b++) sum += px[b] * pw[b];
                        }
                    y[((n * s->k + k) * s->oh + i) * s->ow + j] = sum;
                }
}

void NAME(loops_scale)(int64_t rows, int64_t columns, int64_t row_step, int64_t column_step, REAL factor, REAL *x) {
    for (int64_t i = 0; i < rows; i++) {
        REAL *row = x + i * row_step;
        ONE_AT_A_TIME
        for (int64_t j = 0; j < columns; j++) row[j * column_step] *= factor;
        PASS_ENDS;
    }
}

void NAME(loops_scale_vectors)(int64_t rows, int64_t columns, int64_t row_step, REAL factor, REAL *x) {
    for (int64_t i = 0; i < rows; i++) {
        REAL *row = x + i * row_step;
        int64_t j = 0;
        for (; j + VL <= columns; j += VL) NAME(store)(row + j, NAME(load)(row + j) * factor);
        for (; j < columns; j++) row[j] *= factor;
        PASS_ENDS;
    }
}

#endif
