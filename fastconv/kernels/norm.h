/* Batch and group normalisation, and the gradients of biases: what other translation units call, and the order of the templates.
 *
 *     functions.h, gradient_sums.h     sums of a masked gradient
 *     norm_passes.h                    sums for the variance, results, gradients of the input
 *     batch_norm.h, norm_pool.h,       who computes what, and when
 *     group_norm.h, layer_norm.h
 */
#ifndef FASTCONV_NORM_H
#define FASTCONV_NORM_H

#include "images.h"

/* An image's height and width, and a window's rows and columns, at most 256 pixels. */
typedef struct {
    int64_t height, width, rows, cols;
} pool_windows;

/* Bytes of scratch for any function of this file but layer_norm_grad. */
int64_t norm_workspace(const images *s, int itemsize, int threads);

/* gamma, beta and residual may be null. mean, inv_std: one value for each channel, or for each group of each image. */
#define DECLARE(REAL, SUFFIX)                                                                                                        \
    void batch_norm##SUFFIX(const images *s, const REAL *x, const REAL *gamma, const REAL *beta, const REAL *residual, double eps,   \
                            int activation, double slope, REAL *y, double *mean, double *inv_std, void *workspace, int threads);     \
    /* With given statistics. */                                                                                                     \
    void scale_shift##SUFFIX(const images *s, const REAL *x, const REAL *gamma, const REAL *beta, const REAL *residual,              \
                             const double *mean, const double *inv_std, int activation, double slope, REAL *y, void *workspace,      \
                             int threads);                                                                                           \
    /* g, if not null, receives the masked gradient, which is the residual's; constant: mean and inv_std do not depend on x. */      \
    void batch_norm_grad##SUFFIX(const images *s, const REAL *gy, const REAL *x, const REAL *y, const REAL *gamma, const REAL *beta, \
                                 const double *mean, const double *inv_std, int constant, int mask, int activation, double slope,    \
                                 REAL *dx, REAL *dgamma, REAL *dbeta, REAL *g, void *workspace, int threads);                        \
    /* Channels-last, the maxima of windows side by side of the result, with ReLU or not, and the place of each in its window. */    \
    void batch_norm_max##SUFFIX(const images *s, const pool_windows *p, const REAL *x, const REAL *gamma, const REAL *beta,          \
                                double eps, int relu, REAL *y, uint8_t *taps, double *mean, double *inv_std, void *workspace,        \
                                int threads);                                                                                        \
    /* gy: of the maxima y, which may be null without ReLU. */                                                                       \
    void batch_norm_max_grad##SUFFIX(const images *s, const pool_windows *p, const REAL *gy, const REAL *y, const uint8_t *taps,     \
                                     const REAL *x, const REAL *gamma, const double *mean, const double *inv_std, REAL *dx,          \
                                     REAL *dgamma, REAL *dbeta, void *workspace, int threads);                                       \
    /* The gradient of a bias: g, if not null, is gy masked by the activation with output y; db[channel] its sum. */                 \
    void bias_grad##SUFFIX(const images *s, const REAL *gy, const REAL *y, int mask, int activation, double slope, REAL *g, REAL *db, \
                           void *workspace, int threads);                                                                            \
    /* Mean and inv_std of every group of channels of every image, n * groups of them. */                                            \
    void group_norm##SUFFIX(const images *s, int64_t groups, const REAL *x, const REAL *gamma, const REAL *beta, double eps,         \
                            int activation, double slope, REAL *y, double *mean, double *inv_std, void *workspace, int threads);     \
    void group_norm_grad##SUFFIX(const images *s, int64_t groups, const REAL *gy, const REAL *x, const REAL *gamma,                  \
                                 const REAL *beta, const double *mean, const double *inv_std, int mask, int activation,              \
                                 double slope, REAL *dx, REAL *dgamma, REAL *dbeta, void *workspace, int threads);                   \
    void layer_norm##SUFFIX(int64_t rows, int64_t d, const REAL *x, const REAL *gamma, const REAL *beta, double eps, REAL *y,        \
                            double *mean, double *inv_std, int threads);                                                             \
    void layer_norm_grad##SUFFIX(int64_t rows, int64_t d, const REAL *gy, const REAL *x, const REAL *gamma, const double *mean,      \
                                 const double *inv_std, REAL *dx, REAL *dgamma, REAL *dbeta, void *workspace, int threads);
DECLARE(float, _f32)
DECLARE(double, _f64)
#undef DECLARE

#endif

#ifdef REAL
#include "batch_norm.h"
#include "norm_pool.h"
#include "group_norm.h"
#include "layer_norm.h"
#endif
