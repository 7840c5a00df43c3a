/* The shapes of one convolution, as ConvProblem.geometry lays them out: 17 int64 values. */
#ifndef FASTCONV_GEOMETRY_H
#define FASTCONV_GEOMETRY_H

#include <stdint.h>

typedef struct {
    int64_t n, c, h, w;   /* input: batch, channels, height, width */
    int64_t k, kh, kw;    /* filters, kernel height and width */
    int64_t oh, ow;       /* output height and width */
    int64_t sh, sw;       /* stride */
    int64_t pt, pl;       /* padding at the top and the left; bottom and right follow from oh and ow */
    int64_t dh, dw;       /* dilation */
    int64_t g;            /* groups */
    int64_t channels_last; /* 1: memory order NHWC, 0: NCHW */
} geometry;

#endif
