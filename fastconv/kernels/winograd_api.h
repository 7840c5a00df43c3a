/* Entry points of winograd.c, element type by flag; direction: 0 forward, 1 input gradient, 2 weight gradient; fused: the filters are not
 * packed but transformed as they are used. */
#ifndef FASTCONV_WINOGRAD_API_H
#define FASTCONV_WINOGRAD_API_H
#include "geometry.h"

int winograd_has_few_channels(const geometry *s, int direction, int m); /* whether winograd_few.h computes it, if not fused */
int64_t winograd_packed_size(const geometry *s, int direction, int m, int is_double); /* elements */
void winograd_pack(const geometry *s, int direction, int m, int is_double, const void *w, void *packed, int threads);
int64_t winograd_workspace(const geometry *s, int direction, int fused, int m, int64_t block_tiles, int is_double,
                           int threads); /* bytes */
void winograd_run(const geometry *s, int direction, int fused, int m, int64_t block_tiles, int is_double, const void *x,
                  const void *filters, const void *bias, int activation, double slope, void *out, void *workspace, int threads);
void winograd_matrix(int kind, int m, int r, int is_double, void *matrix); /* 0 B^T, 1 G, 2 A^T */

#endif
