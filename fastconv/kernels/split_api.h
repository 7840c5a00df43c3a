/* Entry points of split.c, which is empty but for matrix units. `products` of bfloat16 parts for each of float32: 1 of one part, 3 or 4 of
 * two, 6 of three; direction: 0 forward, 1 input gradient, 2 weight gradient. */
#ifndef FASTCONV_SPLIT_API_H
#define FASTCONV_SPLIT_API_H
#include "geometry.h"

/* What there is to do, all threads together. */
typedef struct {
    int64_t blocks;  /* of 32 x 32 sums over 32 terms */
    int64_t sums;    /* of 32 x 32 sums that are written */
    int64_t parts;   /* bytes that the data is split into */
    int64_t chain;   /* tile products that one sum adds up, one behind the other, each part product for itself */
    int64_t weights; /* bytes of packed weights that are read; weight gradient: of sums, read and written */
} split_amounts;

split_amounts split_work(const geometry *s, int direction, int products, int threads);
int64_t split_workspace(const geometry *s, int direction, int products, int threads); /* bytes */

/* Forward and input gradient; bytes. */
int64_t split_packed_bytes(const geometry *s, int direction, int products);
int64_t split_pack_workspace(const geometry *s, int direction, int products, int threads);
void split_pack(const geometry *s, int direction, int products, const float *w, char *packed, void *workspace, int threads);

/* Whether the result is there; if not, there are values that bfloat16 parts do not serve. */
int split_run(const geometry *s, int direction, int products, const float *x, const char *packed, const float *bias, int activation,
              float slope, float *out, void *workspace, int threads);
int split_weight_run(const geometry *s, int products, const float *x, const float *gy, float *dw, void *workspace, int threads);

/* Two parts, the source split while products are computed (split_fused.h): forward and input gradient, weights packed by `split_pack`.
 * Whether that can be; the others need it. */
int split_fuses(const geometry *s, int direction);
int64_t split_fused_workspace(const geometry *s, int direction, int threads);
int split_fused_run(const geometry *s, int direction, const float *x, const char *packed, const float *bias, int activation, float slope,
                    float *out, void *workspace, int threads);

#endif
