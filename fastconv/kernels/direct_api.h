/* Entry points of direct.c, element type by flag. */
#ifndef FASTCONV_DIRECT_API_H
#define FASTCONV_DIRECT_API_H
#include "geometry.h"

int direct_has_few_channels(const geometry *s, int input_grad, int is_double); /* whether direct_few.h computes it */
int direct_reads_points(const geometry *s, int input_grad, int is_double); /* whether direct_points.h computes it, pixels in the lanes */
int64_t direct_packed_size(const geometry *s, int input_grad, int pixel_lanes, int is_double); /* elements */
int64_t direct_pack_workspace(const geometry *s); /* bytes */
void direct_pack(const geometry *s, int input_grad, int pixel_lanes, int is_double, const void *w, void *packed, void *workspace);
int64_t direct_workspace(const geometry *s, int input_grad, int pixel_lanes, int is_double, int threads); /* bytes */
void direct_run(const geometry *s, int input_grad, int pixel_lanes, int is_double, const void *x, const void *packed,
                const void *bias, int activation, double slope, void *out, void *workspace, int threads);

/* What pixel_weight.h does for a weight gradient with pixels in the lanes: the amounts of its cost model. */
typedef struct {
    int64_t strips, runs, run;        /* runs of all strips, of `run` pixels */
    int64_t planes, rows, width;      /* of one channel; rows of all images in each */
    int64_t tile_rows, tile_columns;
} pixel_weight_work;
pixel_weight_work direct_pixel_weight_work(const geometry *s, int is_double);

int direct_weight_has_channel_lanes(const geometry *s, int is_double); /* whether direct_weight_channels.h computes it */
int64_t direct_weight_grad_workspace(const geometry *s, int pixel_lanes, int is_double, int threads);
void direct_weight_grad(const geometry *s, int pixel_lanes, int is_double, const void *x, const void *gy, void *dw, void *workspace,
                        int threads);

#endif
