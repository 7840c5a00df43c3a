/* FFT convolution as Cython sees it. */
#ifndef FASTCONV_FFT_API_H
#define FASTCONV_FFT_API_H

#include "geometry.h"

/* The order of problem.DIRECTIONS. */
enum { FORWARD, INPUT_GRAD, WEIGHT_GRAD };

/* What algorithms/fft.py chooses: `_Tiling` has the same fields. */
typedef struct {
    int64_t th, first_h, last_h; /* tile height and its factors, first * last */
    int64_t tw, first_w, last_w;
    int64_t bh, bw;       /* outputs a tile yields along each side, at stride 1 */
    int64_t block;        /* tiles that go through the GEMMs together */
    int64_t filter_block; /* filter vectors whose gradients are summed together */
    int64_t lanewise;     /* 1: lanes are output channels of any group, 0: each group is a dense convolution */
} fft_tiling;

int fft_vector_bytes(void);

/* `used`: a byte for each row and each column of the result, 0 where no product contributes and zeros are stored; or NULL. */
#define FFT_DECLARE(real, type)                                                                                                \
    int64_t fft_packed_size_##type(const geometry *, const fft_tiling *, int direction);                                       \
    int64_t fft_workspace_##type(const geometry *, const fft_tiling *, int direction, int threads);                            \
    int64_t fft_pack_workspace_##type(const fft_tiling *, int threads);                                                        \
    void fft_pack_##type(const geometry *, const fft_tiling *, const real *twiddle, int direction, const real *w,              \
                         real *packed, real *scratch, int threads);                                                            \
    void fft_convolve_##type(const geometry *, const fft_tiling *, const real *twiddle, int direction, const uint8_t *used,    \
                             const real *src, const real *packed, const real *bias, int activation, double slope, real *dst,   \
                             real *scratch, int threads);                                                                      \
    void fft_weight_grad_##type(const geometry *, const fft_tiling *, const real *twiddle, const uint8_t *used, const real *x, \
                                const real *gy, real *dw, real *scratch, int threads);
FFT_DECLARE(float, f32)
FFT_DECLARE(double, f64)

#endif
