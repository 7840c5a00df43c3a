/* A convolution or its input gradient as stride-1 problems in output space.
 *
 * forward: one phase; output pixel (y, x) reads source pixel (y sh - pt + kh dh, x sw - pl + kw dw) for each tap.
 * input gradient: sh sw phases; the pixels of dx with the same remainders modulo the stride read the same taps of gy, one source pixel
 * per step. A phase without taps is zero.
 */
#ifndef FASTCONV_TAPS_H
#define FASTCONV_TAPS_H

#include "geometry.h"

static inline int64_t floor_div(int64_t a, int64_t b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }

typedef struct {
    int64_t dy, dx; /* source pixel minus step times output index */
    int64_t index;  /* kh * KW + kw */
} tap;

typedef struct {
    int64_t h, w;           /* outputs of this phase */
    int64_t y0, x0, ys, xs; /* where output (q, r) lies in the destination: (y0 + q ys, x0 + r xs) */
    int64_t step_h, step_w; /* source pixels per output */
    int64_t taps;
    tap *tap;
} phase;

/* Source and destination of a direction, per image. */
typedef struct {
    int64_t src_h, src_w, src_c, dst_h, dst_w, dst_c;
    int64_t depth, columns; /* channels per group of source and destination */
    int64_t phases;
} operands;

static operands operands_of(const geometry *s, int input_grad) {
    operands o = {s->h, s->w, s->c, s->oh, s->ow, s->k, s->c / s->g, s->k / s->g, 1};
    if (input_grad) {
        operands r = {s->oh, s->ow, s->k, s->h, s->w, s->c, s->k / s->g, s->c / s->g, s->sh * s->sw};
        o = r;
    }
    return o;
}

/* Phase `index`, its taps written to `storage` (kh * kw of them at most). */
static phase make_phase(const geometry *s, int input_grad, int64_t index, tap *storage) {
    phase p = {s->oh, s->ow, 0, 0, 1, 1, s->sh, s->sw, 0, storage};
    int64_t py = 0, px = 0;
    if (input_grad) {
        py = index / s->sw, px = index % s->sw;
        p = (phase){py < s->h ? (s->h - py + s->sh - 1) / s->sh : 0, px < s->w ? (s->w - px + s->sw - 1) / s->sw : 0,
                    py, px, s->sh, s->sw, 1, 1, 0, storage};
    }
    for (int64_t i = 0; i < s->kh; i++)
        for (int64_t j = 0; j < s->kw; j++) {
            int64_t dy = i * s->dh - s->pt, dx = j * s->dw - s->pl;
            if (input_grad) {
                dy = py - dy, dx = px - dx;
                if (dy % s->sh || dx % s->sw) continue;
                dy /= s->sh, dx /= s->sw;
            }
            p.tap[p.taps++] = (tap){dy, dx, i * s->kw + j};
        }
    return p;
}

#endif
