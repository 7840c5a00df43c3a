/* The lists that tell windows, and how NCHW planes are cut into strips of rows. */
#ifndef FASTCONV_POOL_PLAN_H
#define FASTCONV_POOL_PLAN_H

#include "geometry.h"
#include "simd.h"

/* Partners and taps of place i are at [begin[i], begin[i + 1]). */
typedef struct {
    const int64_t *begin, *at, *tap;
} pool_list;

INLINE pool_list pool_list_of(const int64_t *list, int64_t places) {
    const int64_t *at = list + places + 1;
    return (pool_list){list, at, at + list[places]};
}

/* The partners of places [begin, end) lie in [from, to). */
typedef struct {
    int64_t from, to;
} pool_span;

INLINE pool_span pool_span_of(const int64_t *list, int64_t places, int64_t begin, int64_t end) {
    const pool_list l = pool_list_of(list, places);
    if (l.begin[begin] == l.begin[end]) return (pool_span){0, 0};
    pool_span s = {l.at[l.begin[begin]], 0};
    for (int64_t i = l.begin[begin]; i < l.begin[end]; i++) s.from = MIN(s.from, l.at[i]), s.to = MAX(s.to, l.at[i] + 1);
    return s;
}

/* A thread's scratch for the larger side of a strip: half of a usual second-level cache. */
#define POOL_STRIP_BYTES (128 * 1024)

typedef struct {
    int64_t strip, strips;         /* rows of the result, at most, and how many strips */
    int64_t window, source, dest;  /* bytes of a window's offsets, of what is read and of what is written */
    int64_t bytes;                 /* of a thread's scratch */
} pool_plan;

INLINE pool_plan pool_plan_of(const geometry *g, const int64_t *rows, int backward, int lanes, int itemsize) {
    const int64_t h = backward ? g->oh : g->h, w = backward ? g->ow : g->w, oh = backward ? g->h : g->oh, ow = backward ? g->w : g->ow;
    const int64_t pixel = (int64_t)lanes * itemsize;
    pool_plan p = {0};
    p.window = backward ? 0 : ROUND_UP(MIN(g->kh, g->h) * MIN(g->kw, g->w) * (int64_t)sizeof(int64_t), CACHE_LINE);
    if (!g->channels_last) {
        const int64_t row = MAX(w * h / oh, ow) * pixel;
        p.strip = MIN(MAX(POOL_STRIP_BYTES / row, 1), oh);
        p.strips = CEIL_DIV(oh, p.strip);
        for (int64_t i = 0; i < oh; i += p.strip) {
            const pool_span s = pool_span_of(rows, oh, i, MIN(oh, i + p.strip));
            p.source = MAX(p.source, (s.to - s.from) * w * pixel);
        }
        p.dest = p.strip * ow * pixel;
    }
    /* The source's or the result's taps, one to a lane. */
    p.bytes = 2 * p.window + p.source + p.dest + (backward ? p.source : p.dest);
    return p;
}

/* 2x2 windows side by side, of NCHW planes whose rows fill vectors, or divide them: see pool_pairs.h. */
INLINE int pool_pairs_flat(const geometry *g, int lanes) {
#if defined(__AVX512F__)
    return g->ow < lanes && lanes % g->ow == 0 && g->w == 2 * g->ow && g->h == 2 * g->oh;
#else
    (void)g, (void)lanes;
    return 0;
#endif
}

INLINE int pool_pairs_suit(const geometry *g, int lanes) {
    const int pairs = g->kh == 2 && g->kw == 2 && g->sh == 2 && g->sw == 2 && g->dh == 1 && g->dw == 1 && g->pt == 0 && g->pl == 0;
    return pairs && !g->channels_last && g->oh == g->h / 2 && g->ow == g->w / 2 && (g->ow >= lanes / 2 || pool_pairs_flat(g, lanes));
}

#endif
