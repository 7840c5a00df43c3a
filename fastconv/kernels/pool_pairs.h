/* 2x2 windows side by side in NCHW planes, with pixels in the lanes (template: REAL, NAME, IS_DOUBLE).
 *
 * Two rows make one row of outputs: even and odd lanes are parted, and backward interleaved. Where a row of outputs is shorter than
 * a vector, several pairs of rows are done at a time: VL outputs come from 4 vectors that lie together. Odd rows and columns at the
 * end of an image belong to no window.
 */
#if SIMD_BYTES == 64 && !IS_DOUBLE
#define POOL_LANES(f) LANES16(f, 0, 16)
#elif (SIMD_BYTES == 32 && !IS_DOUBLE) || (SIMD_BYTES == 64 && IS_DOUBLE)
#define POOL_LANES(f) LANES8(f, 0, 8)
#elif (SIMD_BYTES == 16 && !IS_DOUBLE) || (SIMD_BYTES == 32 && IS_DOUBLE)
#define POOL_LANES(f) LANES4(f, 0, 4)
#else
#define POOL_LANES(f) LANES2(f, 0, 2)
#endif
#ifndef FASTCONV_POOL_PAIRS
#define FASTCONV_POOL_PAIRS
#define TWICE_LOW(l, h, n) ((l) / 2)             /* each lane of the lower half twice */
#define TWICE_HIGH(l, h, n) ((n) / 2 + (l) / 2)
#define COLUMN(l, h, n) ((l) % 2)
#endif

/* The greatest of four, in the order of their taps. */
INLINE vec NAME(pool_greatest)(const vec *v, NAME(ivec_t) *which) {
    vec greatest = v[0];
    *which = (NAME(ivec_t)){0};
    UNROLL for (int t = 1; t < 4; t++) {
        const NAME(lanes) better = NAME(beats)(v[t], greatest);
        greatest = NAME(either)(better, v[t], greatest);
        *which = NAME(either_tap)(better, NAME(tap_splat)(t), *which);
    }
    return greatest;
}

/* n outputs from their four taps. */
INLINE void NAME(pool_pairs_finish)(const pool_call *a, const vec *tap, REAL *y, uint8_t *taps, int64_t n, const int average) {
    if (average) {
        NAME(store_n)(y, (tap[0] + tap[1] + tap[2] + tap[3]) * (REAL)0.25, n);
        return;
    }
    NAME(ivec_t) which;
    const vec v = NAME(pool_greatest)(tap, &which);
    NAME(store_n)(y, a->relu ? NAME(activate)(v, ACT_RELU, 0) : v, n);
    if (taps) NAME(store_bytes)(taps, which, n);
}

INLINE void NAME(pool_pairs_rows)(const pool_call *a, const REAL *x, REAL *y, uint8_t *taps, int64_t begin, int64_t end,
                                  const int average) {
    const geometry *g = a->g;
    for (int64_t r = begin; r < end; r++) {
        const REAL *row = x + (r / g->oh * g->h + r % g->oh * 2) * g->w;
        for (int64_t o = 0; o < g->ow; o += VL) {
            const int64_t n = g->ow - o, at = r * g->ow + o;
            vec tap[4];
            UNROLL for (int i = 0; i < 2; i++) {
                const REAL *from = row + i * g->w + 2 * o;
                const vec low = NAME(load_n)(from, 2 * n), high = NAME(load_n)(from + VL, 2 * n - VL);
                tap[2 * i] = SHUFFLE(low, high, POOL_LANES(EVEN));
                tap[2 * i + 1] = SHUFFLE(low, high, POOL_LANES(ODD));
            }
            NAME(pool_pairs_finish)(a, tap, y + at, taps ? taps + at : NULL, n, average);
        }
    }
}

/* n gradients of outputs; `taps` NULL: averages. */
INLINE vec NAME(pool_pairs_load)(const REAL *gy, const REAL *y, int64_t n, const int average) {
    vec v = NAME(load_n)(gy, n);
    if (y) v = NAME(keep)(NAME(above)(NAME(load_n)(y, n), (vec){0}), v);
    return average ? (vec)(v * (REAL)0.25) : v;
}

INLINE void NAME(pool_pairs_rows_grad)(const pool_call *a, const REAL *gy, const REAL *y, const uint8_t *taps, REAL *dx,
                                       int64_t begin, int64_t end, const int average) {
    const geometry *g = a->g;
    const NAME(ivec_t) column = {POOL_LANES(COLUMN)};
    for (int64_t r = begin; r < end; r++) {
        REAL *row = dx + (r / g->oh * g->h + r % g->oh * 2) * g->w;
        for (int64_t o = 0; o < g->ow; o += VL) {
            const int64_t n = g->ow - o, at = r * g->ow + o;
            const vec v = NAME(pool_pairs_load)(gy + at, y ? y + at : NULL, n, average);
            const vec low = SHUFFLE(v, v, POOL_LANES(TWICE_LOW)), high = SHUFFLE(v, v, POOL_LANES(TWICE_HIGH));
            const NAME(ivec_t) t = average ? (NAME(ivec_t)){0} : NAME(load_bytes)(taps + at, MIN(n, VL));
            const NAME(ivec_t) t_low = SHUFFLE(t, t, POOL_LANES(TWICE_LOW)), t_high = SHUFFLE(t, t, POOL_LANES(TWICE_HIGH));
            UNROLL for (int i = 0; i < 2; i++) {
                REAL *to = row + i * g->w + 2 * o;
                NAME(store_n)(to, average ? low : NAME(keep)(NAME(same)(t_low, column + 2 * i), low), 2 * n);
                NAME(store_n)(to + VL, average ? high : NAME(keep)(NAME(same)(t_high, column + 2 * i), high), 2 * n - VL);
            }
        }
        if (g->w % 2) row[g->w - 1] = row[2 * g->w - 1] = 0;
        if (g->h % 2 && r % g->oh == g->oh - 1) memset(row + 2 * g->w, 0, g->w * sizeof(REAL));
    }
}

#if defined(__AVX512F__)
#if IS_DOUBLE
INLINE vec NAME(permute2)(vec a, vec b, NAME(ivec_t) index) {
    return (vec)_mm512_permutex2var_pd((__m512d)a, (__m512i)index, (__m512d)b);
}
#else
INLINE vec NAME(permute2)(vec a, vec b, NAME(ivec_t) index) {
    return (vec)_mm512_permutex2var_ps((__m512)a, (__m512i)index, (__m512)b);
}
#endif

/* Outputs [begin, end), counted over all planes, whose rows hold ow of them, a divisor of VL. */
INLINE void NAME(pool_pairs_flat)(const pool_call *a, const REAL *x, REAL *y, uint8_t *taps, int64_t begin, int64_t end,
                                  const int average) {
    const int ow = (int)a->g->ow;
    NAME(ivec_t) top;
    for (int l = 0; l < VL; l++) top[l] = l / ow * 2 * ow + l % ow;
    for (int64_t o = begin; o < end; o += VL) {
        const int64_t n = end - o;
        vec v[4], tap[4];
        UNROLL for (int i = 0; i < 4; i++) v[i] = NAME(load_n)(x + 4 * o + i * VL, 4 * n - i * VL);
        const vec even[2] = {SHUFFLE(v[0], v[1], POOL_LANES(EVEN)), SHUFFLE(v[2], v[3], POOL_LANES(EVEN))};
        const vec odd[2] = {SHUFFLE(v[0], v[1], POOL_LANES(ODD)), SHUFFLE(v[2], v[3], POOL_LANES(ODD))};
        UNROLL for (int i = 0; i < 2; i++) {
            tap[2 * i] = NAME(permute2)(even[0], even[1], top + i * ow);
            tap[2 * i + 1] = NAME(permute2)(odd[0], odd[1], top + i * ow);
        }
        NAME(pool_pairs_finish)(a, tap, y + o, taps ? taps + o : NULL, n, average);
    }
}

INLINE void NAME(pool_pairs_flat_grad)(const pool_call *a, const REAL *gy, const REAL *y, const uint8_t *taps, REAL *dx,
                                       int64_t begin, int64_t end, const int average) {
    const int ow = (int)a->g->ow;
    NAME(ivec_t) source[4], tap[4];
    for (int i = 0; i < 4; i++)
        for (int l = 0; l < VL; l++) {
            const int row = (i * VL + l) / (2 * ow), column = (i * VL + l) % (2 * ow);
            source[i][l] = row / 2 * ow + column / 2;
            tap[i][l] = row % 2 * 2 + column % 2;
        }
    for (int64_t o = begin; o < end; o += VL) {
        const int64_t n = end - o;
        const vec v = NAME(pool_pairs_load)(gy + o, y ? y + o : NULL, n, average);
        const NAME(ivec_t) t = average ? (NAME(ivec_t)){0} : NAME(load_bytes)(taps + o, MIN(n, VL));
        UNROLL for (int i = 0; i < 4; i++) {
            const vec spread = NAME(permute)(v, source[i]);
            const NAME(ivec_t) which = (NAME(ivec_t))NAME(permute)((vec)t, source[i]);
            NAME(store_n)(dx + 4 * o + i * VL, average ? spread : NAME(keep)(NAME(same)(which, tap[i]), spread), 4 * n - i * VL);
        }
    }
}
#endif

static void NAME(pool_pairs)(const pool_call *a, const REAL *x, REAL *y, uint8_t *taps, int threads) {
    const geometry *g = a->g;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int64_t begin, end;
        share(g->n * g->c * g->oh, thread_index(), team_size(), &begin, &end);
#if defined(__AVX512F__)
        if (pool_pairs_flat(g, VL)) {
            if (a->row_count)
                NAME(pool_pairs_flat)(a, x, y, NULL, begin * g->ow, end * g->ow, 1);
            else
                NAME(pool_pairs_flat)(a, x, y, taps, begin * g->ow, end * g->ow, 0);
        } else
#endif
        if (a->row_count)
            NAME(pool_pairs_rows)(a, x, y, NULL, begin, end, 1);
        else
            NAME(pool_pairs_rows)(a, x, y, taps, begin, end, 0);
    }
}

static void NAME(pool_pairs_grad)(const pool_call *a, const REAL *gy, const REAL *y, const uint8_t *taps, REAL *dx, int threads) {
    const geometry *g = a->g;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        int64_t begin, end;
        share(g->n * g->c * g->oh, thread_index(), team_size(), &begin, &end);
#if defined(__AVX512F__)
        if (pool_pairs_flat(g, VL)) {
            if (a->row_count)
                NAME(pool_pairs_flat_grad)(a, gy, NULL, NULL, dx, begin * g->ow, end * g->ow, 1);
            else
                NAME(pool_pairs_flat_grad)(a, gy, y, taps, dx, begin * g->ow, end * g->ow, 0);
        } else
#endif
        if (a->row_count)
            NAME(pool_pairs_rows_grad)(a, gy, NULL, NULL, dx, begin, end, 1);
        else
            NAME(pool_pairs_rows_grad)(a, gy, y, taps, dx, begin, end, 0);
    }
}

#undef POOL_LANES
