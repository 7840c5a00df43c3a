/* Pixels counted through the rows of images that are padded with zeros: in this order a tap is at the same distance from all of them. */
#ifndef FASTCONV_PADDED_ROWS_H
#define FASTCONV_PADDED_ROWS_H

#include "simd.h"

/* Pixels between two rows of a padded plane: zeros on the right of one are those on the left of the next. */
INLINE int64_t shared_pitch(int64_t outputs, int64_t least, int64_t span, int64_t pixels) {
    const int64_t before = MAX(0, -least), behind = MAX(0, outputs - 1 + least + span - (pixels - 1));
    return outputs + span - MIN(span, MIN(before, behind));
}

/* Where output pixel m of a strip lies: row r of image i, column x; which is none if x or r is beyond the last. */
typedef struct {
    int64_t i, r, x;
} strip_pixel;

INLINE strip_pixel pixel_at(int64_t m, int64_t pitch, int64_t image_rows) {
    const int64_t row = m / pitch, i = row / image_rows;
    return (strip_pixel){i, row - i * image_rows, m - row * pitch};
}

#endif
