/* Images as kernels that do not convolve see them. */
#ifndef FASTCONV_IMAGES_H
#define FASTCONV_IMAGES_H

#include <stdint.h>

/* plane = height * width. Channels last: n * plane rows of c channels; else n * c planes. */
typedef struct {
    int64_t n, c, plane, channels_last;
} images;

/* What tells where an activation was linear, when its gradient is computed. */
enum {
    MASK_NONE,    /* there was no activation */
    MASK_OUTPUT,  /* its output */
    MASK_ARGUMENT /* its argument, computed again from the input of the normalisation before it */
};

#endif
