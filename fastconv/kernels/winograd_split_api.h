/* Entry points of winograd_split.h and winograd_row_split.h, there for matrix units only. `tile`: F(2x2, 3x3), or F(4, 3) along rows;
 * `parts`: bfloat16 numbers per float32, 1 or 2; direction: 0 forward, 1 input gradient. */
#ifndef FASTCONV_WINOGRAD_SPLIT_API_H
#define FASTCONV_WINOGRAD_SPLIT_API_H
#include "geometry.h"

enum { SQUARE_TILES, ROW_TILES };

/* What there is to do, all threads together. */
typedef struct {
    int64_t blocks;  /* of 32 x 32 sums over 32 terms */
    int64_t data;    /* tiles of 32 channels that are transformed */
    int64_t results; /* tiles of 32 filters that are transformed back */
    int64_t weights; /* bytes of transformed filters that are read */
} winograd_split_amounts;

winograd_split_amounts winograd_split_work(const geometry *s, int tile, int direction, int parts, int threads);
int64_t winograd_split_workspace(const geometry *s, int tile, int direction, int parts, int threads); /* bytes */
int64_t winograd_split_packed_bytes(const geometry *s, int tile, int direction, int parts);
int64_t winograd_split_pack_workspace(int tile, int threads);
void winograd_split_pack(const geometry *s, int tile, int direction, int parts, const float *w, char *packed, void *workspace, int threads);

/* Whether the result is there; if not, there are values that bfloat16 parts do not serve. */
int winograd_split_run(const geometry *s, int tile, int direction, int parts, const float *x, const char *packed, const float *bias,
                       int activation, float slope, float *out, void *workspace, int threads);

#endif
